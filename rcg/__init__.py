"""RCG, the open workbench for grading trading cards.

`import rcg` is light: every name below loads its part when it is first used.

Example:
    >>> import rcg
    >>> "convert" in dir(rcg)
    True
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from rcg.lazy import lazy

if TYPE_CHECKING:
    from rcg import grading, measuring, photometric, synthetic
    from rcg.annotations import Conversion, convert
    from rcg.datasets import Dataset
    from rcg.errors import RcgError
    from rcg.grading import GradeReport, grade, grade_batch
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
    "grading": ("GradeReport", "grade", "grade_batch"),
    "making": ("make_dataset",),
    "normals": ("measure_surface",),
    "progress": ("Tick", "bar", "jsonl", "lines", "silent", "tee"),
    "readiness": ("Readiness", "validate"),
    "runs": ("Run",),
    "training": ("Metrics", "Predictions", "TrainConfig", "evaluate", "predict", "resume", "train"),
    "workspace": ("Workspace",),
}

try:
    __version__ = version("rcg")
except PackageNotFoundError:  # run from a folder that was never installed
    __version__ = "0"

__all__ = [
    "Conversion", "Dataset", "GradeReport", "Metrics", "Predictions", "RcgError", "Readiness", "Run", "Tick",
    "TrainConfig", "Workspace", "bar", "convert", "evaluate", "grade", "grade_batch", "grading", "jsonl", "lines",
    "make_dataset", "measure_surface", "measuring", "photometric", "predict", "resume", "silent", "synthetic", "tee",
    "train", "validate",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME, ("grading", "measuring", "photometric", "synthetic"))
