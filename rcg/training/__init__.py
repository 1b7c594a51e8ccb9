"""Training, evaluation and prediction. The heavy parts are loaded when a function is first used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rcg.training.config import Budget, TrainConfig

# Read when torch loads its thread pool. Waiting threads otherwise spin; where another process uses a core, that made a
# step of two threads ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from rcg.training.evaluation import Metrics, evaluate
    from rcg.training.models import Architecture, architectures
    from rcg.training.prediction import Predictions, Predictor, predict
    from rcg.training.start import resume, train

_PLACES = {
    "Metrics": "evaluation",
    "evaluate": "evaluation",
    "Architecture": "models",
    "architectures": "models",
    "Predictions": "prediction",
    "Predictor": "prediction",
    "predict": "prediction",
    "resume": "start",
    "train": "start",
}

__all__ = [
    "Architecture", "Budget", "Metrics", "Predictions", "Predictor", "TrainConfig", "architectures", "evaluate",
    "predict", "resume", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"rcg.training.{_PLACES[name]}"), name)
