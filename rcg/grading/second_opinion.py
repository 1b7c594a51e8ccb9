"""A trained run's opinion on where a card lies, beside that of the measurement; where they differ, it is said."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rcg.errors import ConfigError
from rcg.geometry import box_iou
from rcg.images import Pixels, write_image
from rcg.measuring.types import FaceMeasurement
from rcg.types import Annotation

if TYPE_CHECKING:
    from rcg.training.prediction import Predictions

CARD = "card"
_AGREED = 0.8
"""Overlap of the boxes (IoU) from which both mean the same card: a small detector's box is off by a few percent."""
_SURE = 0.5
_CORNER_SHARE = 0.03
"""How far a predicted corner may lie off, as a share of the card's longer side."""


def check_run(run: object) -> None:
    """Refuse what cannot say where a card lies.

    Args:
        run: An `rcg.Run`, as `workspace.run(name)` gives it.

    Raises:
        ConfigError: If it is no run, or was not trained on the label "card".
        RunError: If it has no sound checkpoint.
    """
    from rcg.runs import Run

    fix = f"name a run whose labels have {CARD!r}, such as one on a dataset of type corner_detection or surface_damage"
    if not isinstance(run, Run):
        raise ConfigError(f"{run!r} is no run", fix="give workspace.run(NAME); rcg runs lists them")
    from rcg.training.checkpoints import Checkpoints

    best = Checkpoints(run.checkpoints).best()
    if best is None:
        raise ConfigError(f"the run {run.name} has no checkpoint to predict with", fix=fix)
    labels = tuple(best.read()["labels"])
    if CARD not in labels:
        what = f"the run {run.name} does not look for cards: it knows {', '.join(labels) or 'no label'}"
        raise ConfigError(what, fix=fix)


def with_opinion(run: object, source: str | Path | Pixels, face: FaceMeasurement) -> FaceMeasurement:
    """A face with a note on what a run says of the card's place.

    Args:
        run: As for `check_run`.
        source: The picture's file, or its pixels.
        face: What was measured.
    """
    check_run(run)
    name = str(getattr(run, "name", "run"))
    return replace(face, notes=(*face.notes, opinion(face, _predicted(run, source), name)))


def _predicted(run: object, source: str | Path | Pixels) -> Sequence[Annotation]:
    from rcg.training import predict

    if isinstance(source, str | Path):
        return _cards(predict(run, Path(source), score=_SURE))  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_image(path, source)
        return _cards(predict(run, path, score=_SURE))  # type: ignore[arg-type]


def _cards(found: Predictions) -> list[Annotation]:
    return [each for record in found.records for each in record.annotations if each.label == CARD]


def opinion(face: FaceMeasurement, cards: Sequence[Annotation], run: str) -> str:
    """What a run's predictions say of the outline, in one sentence.

    Args:
        face: What was measured.
        cards: The cards that the run sees on the same picture.
        run: Its name.
    """
    if face.outline is None:
        if not cards:
            return f"the run {run} sees no card either"
        x, y, width, height = (round(each) for each in _box(cards[0]))
        return f"the run {run} sees a card of {width} x {height} px at {x}, {y}: retake so that its edges stand out"
    if not cards:
        return f"the run {run} sees no card here: check the outline"
    quad = face.outline.quad
    mine = np.concatenate([quad.min(axis=0), quad.max(axis=0)])[None]
    theirs = np.array([each.box.corners for each in cards])
    overlap = box_iou(mine, theirs)[0]
    best = int(np.argmax(overlap))
    if overlap[best] < _AGREED:
        share = f"{100 * float(overlap[best]):.0f} %"
        return f"the run {run} sees the card elsewhere (the boxes overlap by {share}): check the outline"
    off = _corners_off(quad, cards[best])
    if off is not None and off > _CORNER_SHARE:
        return f"the run {run} sees a corner {100 * off:.0f} % of the card's length away: check the outline"
    return f"the run {run} sees the card at the same place"


def _box(card: Annotation) -> tuple[float, float, float, float]:
    return card.box.x, card.box.y, card.box.width, card.box.height


def _corners_off(quad: np.ndarray[tuple[int, ...], np.dtype[np.float64]], card: Annotation) -> float | None:
    """The largest distance of a predicted corner, over the card's longer side; None where the run predicts none."""
    if card.keypoints is None or len(card.keypoints.points) != 4:
        return None
    corners = np.array([each[:2] for each in card.keypoints.points], np.float64)
    turns = [np.linalg.norm(np.roll(corners, turn, axis=0) - quad, axis=1).max() for turn in range(4)]
    side = max(float(np.linalg.norm(quad[1] - quad[0])), float(np.linalg.norm(quad[2] - quad[1])))
    return float(min(turns)) / side
