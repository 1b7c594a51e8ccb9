"""The panels: thin views over `rcg`, for notebooks.

Example:
    >>> import widgets
    >>> "training_panel" in dir(widgets)
    True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Workbench": "workbench", "open_workspace": "workbench", "home_panel": "home", "dataset_panel": "dataset",
    "training_panel": "training", "review_panel": "review", "made_photos": "example", "chosen_dataset": "example",
    "photometric_panel": "photometric", "relight": "relight", "relight_surface": "relight",
    "made_frames": "example_frames", "grading_panel": "grading", "made_card": "example_card",
}  # fmt: skip
__all__ = [
    "Workbench", "chosen_dataset", "dataset_panel", "grading_panel", "home_panel", "made_card", "made_frames",
    "made_photos", "open_workspace",
    "photometric_panel", "relight", "relight_surface", "review_panel", "training_panel",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'widgets' has no attribute {name!r}")
    return getattr(import_module(f"widgets.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
