"""What a training ran on: versions, processor, threads; written into each run."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from typing import Any

_PACKAGES = ("rcg", "torch", "torchvision", "numpy", "opencv-python", "pillow", "faster-coco-eval")


def describe_environment(device: str) -> dict[str, Any]:
    """Versions and machine, as environment.json holds them."""
    import torch

    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "packages": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
        "gpu": gpu,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "command": sys.argv,
    }
