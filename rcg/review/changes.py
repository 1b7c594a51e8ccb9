"""What was edited: a snapshot against what stands there now, as pairs of before and after. Pure values, no FiftyOne."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rcg.corrections import same
from rcg.errors import DataError
from rcg.review.shapes import BOX, Shape
from rcg.types import Annotation, Box, ImageRecord

Pair = tuple[Annotation | None, Annotation | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The edits of one image.

    Attributes:
        pairs: What was there and what is there now; None for what was added or removed.
        taken: The ids whose edit is in `pairs`, or in the labels already.
        skipped: Why an edit could not be taken, by label id.
    """

    pairs: tuple[Pair, ...]
    taken: frozenset[str]
    skipped: Mapping[str, str]


def find_changes(
    record: ImageRecord, base: Mapping[str, Shape], now: Mapping[str, Shape], *, labels: Sequence[str]
) -> Changes:
    """Compare a snapshot with what stands there now.

    An edit whose result is among the labels already is passed over, so that looking twice takes nothing twice.

    Args:
        record: The image with its labels as RCG knows them, corrections applied.
        base: The shapes at the snapshot, by id.
        now: The shapes now, by id.
        labels: The classes of the dataset.
    """
    truth = list(record.annotations)
    drawn = [Shape.of(each, record.width, record.height) for each in truth]
    pairs: list[Pair] = []
    taken: set[str] = set()
    skipped: dict[str, str] = {}
    for key in sorted(base.keys() | now.keys()):
        old, new = base.get(key), now.get(key)
        if old is not None and new is not None and old.equals(new):
            continue
        try:
            pair = _pair(record, old, new, drawn, labels)
        except DataError as error:
            skipped[key] = error.what
            continue
        taken.add(key)
        if pair is not None and not _holds(pair, truth):
            pairs.append(pair)
    return Changes(pairs=tuple(pairs), taken=frozenset(taken), skipped=skipped)


def _pair(
    record: ImageRecord, old: Shape | None, new: Shape | None, drawn: Sequence[Shape], labels: Sequence[str]
) -> Pair:
    width, height = record.width, record.height
    before = None
    if old is not None:
        at = next((i for i, shape in enumerate(drawn) if shape.equals(old)), None)
        before = record.annotations[at] if at is not None else _as_drawn(old, width, height)
    if new is None:
        return before, None
    if new.label and new.label not in labels:
        raise DataError(f"the class {new.label!r} is not one of the dataset's: {', '.join(labels)}")
    return before, new.annotation(width, height, before=before)


def _as_drawn(shape: Shape, width: int, height: int) -> Annotation:
    """What a shape of the snapshot stood for, where the labels have changed since."""
    try:
        return shape.annotation(width, height)
    except DataError:  # smaller than what one may draw, or outside the image: it came from a label file
        x, y, w, h = shape.rings[0] if shape.kind == BOX else (0.0, 0.0, 1.0, 1.0)
        return Annotation(label=shape.label or "", box=Box(x * width, y * height, w * width, h * height))


def _holds(pair: Pair, truth: Sequence[Annotation]) -> bool:
    """Whether the labels are already as the edit wants them."""
    before, after = pair
    gone = before is None or not any(same(each, before) for each in truth)
    there = after is None or any(same(each, after) for each in truth)
    return gone and there
