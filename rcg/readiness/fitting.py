"""Which architectures fit a dataset, why or why not, and how long each would train here."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rcg.annotations.split import SPLITS
from rcg.dataset_types import DatasetType
from rcg.datasets import Dataset
from rcg.progress import duration
from rcg.table import KEYPOINTS, MASK, POLYGON, Table
from rcg.training.config import DEFAULT_BUDGET, Budget
from rcg.training.models import PATIENT_S, Architecture, architectures
from rcg.training.timing import StepTime, known_times

_THIN_PX = 4.0  # half the finest stride of the detectors: below it a box leaves hardly a trace
_MANY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Whether an architecture suits a dataset.

    Attributes:
        name: The word for it, as `rcg train --architecture` takes it.
        title: The words for it.
        fits: Whether it can be trained on the dataset.
        chosen: Whether `rcg train` takes it unasked on this machine.
        why: Reasons for and against it, one sentence each.
        image_size: Pixels of the longer side that it would train at.
        thin: The share of the boxes that are thinner than 4 pixels at that size, 0 to 1.
        epoch_s: The shortest and longest time of one pass through the training images with its validation, in
            seconds, from measured steps; None where none was measured here.
        measured: What that was measured on; "" where it was not.
    """

    name: str
    title: str
    fits: bool
    chosen: bool
    why: tuple[str, ...]
    image_size: int
    thin: float
    epoch_s: tuple[float, float] | None = None
    measured: str = ""


def gpu_here() -> bool:
    """Whether a GPU seems to be there; torch is asked where it is loaded, else only the driver is looked for."""
    if "torch" in sys.modules:
        import torch

        return bool(torch.cuda.is_available())
    return shutil.which("nvidia-smi") is not None


def fits(dataset: Dataset, table: Table) -> tuple[Fit, ...]:
    """What every known architecture is to a dataset, those that fit first."""
    gpu, times = gpu_here(), known_times(dataset.workspace)
    chosen = "faster_rcnn_resnet50_fpn_v2" if gpu else "faster_rcnn_lite0"
    kind = dataset.type
    found = [_fit(each, kind, table, times, gpu=gpu, chosen=each.name == chosen) for each in architectures().values()]
    return tuple(sorted(found, key=lambda each: (not each.fits, not each.chosen)))


def _fit(
    architecture: Architecture, kind: DatasetType, table: Table, times: Sequence[StepTime], *, gpu: bool, chosen: bool
) -> Fit:
    size = _size(architecture)
    thin = thin_share(table, size)
    possible = architecture.name in kind.architectures
    why = [architecture.purpose] if possible else [f"It does not train datasets of type {kind.name}."]
    if possible:
        why += [*_shapes(table), *_small(table, size, thin), *_machine(architecture, gpu=gpu)]
    taken = [each for each in times if each.architecture == architecture.name and each.image_size == size]
    last = max(taken, key=lambda each: each.time, default=None)
    return Fit(
        name=architecture.name,
        title=architecture.title,
        fits=possible,
        chosen=possible and chosen,
        why=tuple(why),
        image_size=size,
        thin=thin,
        epoch_s=None if last is None or not possible else epoch_range(table, last),
        measured="" if last is None else _told(last),
    )


def _size(architecture: Architecture) -> int:
    patient = Budget.parse(DEFAULT_BUDGET).seconds >= PATIENT_S
    more: Mapping[str, int] = architecture.patient if patient else {}
    return more.get("image_size", architecture.image_size)


def thin_share(table: Table, size: int) -> float:
    """The share of the boxes whose shorter side has less than 4 pixels when images are scaled to `size`."""
    if not table.annotations:
        return 0.0
    longest = table.sizes.max(axis=1).astype(np.float64)[table.columns.images]
    return float((table.columns.boxes[:, 2:].min(axis=1) * size / longest < _THIN_PX).mean())


def _shapes(table: Table) -> list[str]:
    shapes = table.columns.shapes
    words = {"outlines": POLYGON, "masks": MASK, "keypoints": KEYPOINTS}
    more = [word for word, bit in words.items() if (shapes & bit).any()]
    return [f"It learns the boxes; the {' and '.join(more)} of this dataset are kept and not learned."] if more else []


def _small(table: Table, size: int, thin: float) -> list[str]:
    if thin <= _MANY:
        return []
    longest = table.sizes.max(axis=1).astype(np.float64)[table.columns.images]
    wanted = float(np.quantile(_THIN_PX * longest / table.columns.boxes[:, 2:].min(axis=1), 1 - _MANY))
    text = (
        f"At its {size} pixels {thin:.0%} of the boxes are thinner than {_THIN_PX:.0f} pixels and will hardly be found"
    )
    larger = 32 * math.ceil(wanted / 32)
    return [f"{text}; image_size={larger} would show nine of ten."] if larger <= 2048 else [f"{text}."]


def _machine(architecture: Architecture, *, gpu: bool) -> list[str]:
    if gpu or architecture.cpu_step_s <= 2:
        return []
    return ["There is no GPU here: it trains on the processor, and each step takes many seconds."]


def epoch_range(table: Table, taken: StepTime) -> tuple[float, float]:
    """Seconds of one pass through the training images with one validation: by the fastest and by the slowest step."""
    train, val = (table.labelled & (table.splits == SPLITS.index(split)) for split in ("train", "val"))
    wide = table.sizes[:, 0] > table.sizes[:, 1]
    steps = sum(math.ceil(int((train & shape).sum()) / taken.batch_size) for shape in (wide, ~wide))
    looking = int(val.sum()) * taken.evaluate_s
    return steps * taken.fastest_s + looking, steps * taken.slowest_s + looking


def _told(taken: StepTime) -> str:
    when = time.strftime("%d %B %Y", time.localtime(taken.time))
    place = "GPU" if taken.device.startswith("cuda") else f"{taken.threads} threads"
    return (
        f"{taken.steps} real steps of {taken.batch_size} images at {taken.image_size} pixels, on {taken.images} images "
        f"of {taken.dataset}, {place}, {taken.machine.rpartition(',')[0]}, {when}"
        + ("; the machine was busy with other work, alone it is faster" if taken.busy else "")
    )


def time_words(fit: Fit) -> str:
    """How long a training takes, in words; "" where nothing was measured."""
    if fit.epoch_s is None:
        return ""
    low, high = fit.epoch_s
    budget = Budget.parse(DEFAULT_BUDGET).seconds
    least, most = budget / max(high, 1e-9), budget / max(low, 1e-9)
    each = duration(low) if duration(low) == duration(high) else f"{duration(low)} to {duration(high)}"
    many = _number(least) if _number(least) == _number(most) else f"{_number(least)} to {_number(most)}"
    return f"one epoch takes {each}; the usual budget of {DEFAULT_BUDGET} holds {many} of them"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
