"""RCG, the open workbench for grading trading cards.

`import rcg` is light: every name below loads its part when it is first used.

Example:
    >>> import rcg
    >>> "convert" in dir(rcg)
    True
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rcg import photometric
    from rcg.annotations import Conversion, convert
    from rcg.datasets import Dataset
    from rcg.errors import RcgError
    from rcg.making import make_dataset
    from rcg.normals import measure_surface
    from rcg.progress import Tick, bar, jsonl, lines, silent, tee
    from rcg.readiness import Readiness, validate
    from rcg.runs import Run
    from rcg.training import Metrics, Predictions, TrainConfig, evaluate, predict, resume, train
    from rcg.workspace import Workspace

_HOME = {
    "annotations": ("Conversion", "convert"),
    "datasets": ("Dataset",),
    "errors": ("RcgError",),
    "making": ("make_dataset",),
    "normals": ("measure_surface",),
    "progress": ("Tick", "bar", "jsonl", "lines", "silent", "tee"),
    "readiness": ("Readiness", "validate"),
    "runs": ("Run",),
    "training": ("Metrics", "Predictions", "TrainConfig", "evaluate", "predict", "resume", "train"),
    "workspace": ("Workspace",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

try:
    __version__ = version("rcg")
except PackageNotFoundError:  # run from a folder that was never installed
    __version__ = "0"

__all__ = [
    "Conversion", "Dataset", "Metrics", "Predictions", "RcgError", "Readiness", "Run", "Tick", "TrainConfig",
    "Workspace", "bar", "convert", "evaluate", "jsonl", "lines", "make_dataset", "measure_surface", "photometric",
    "predict", "resume", "silent", "tee", "train", "validate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "photometric":
        return import_module("rcg.photometric")
    if name not in _MODULE:
        raise AttributeError(f"module 'rcg' has no attribute {name!r}")
    value = getattr(import_module(f"rcg.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
