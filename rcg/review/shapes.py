"""Annotations as FiftyOne draws them, and back: relative boxes and outlines, as plain values.

FiftyOne counts from 0 to 1 across the image. Numbers that nobody moved come back as the very numbers that went in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rcg.errors import DataError
from rcg.geometry import bounds
from rcg.types import Annotation, Box, Polygon

BOX, OUTLINE = "box", "outline"
_SAME = 1e-9  # of the image's side: a rounding, not a move
_DIGITS = 6  # of a pixel; beyond them is the noise of dividing and multiplying
_NOISE_PX = 1e-5
_SMALLEST_PX = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One label as FiftyOne holds it.

    Attributes:
        label: The class, or None where the App's user gave none.
        kind: "box" or "outline".
        rings: For a box one ring (x, y, width, height); for an outline one ring (x0, y0, x1, y1, ...) a part; all as
            fractions of the image's width and height.
    """

    label: str | None
    kind: str
    rings: tuple[tuple[float, ...], ...]

    def equals(self, other: Shape) -> bool:
        """Whether label and geometry are the same, but for rounding."""
        return (
            (self.label, self.kind) == (other.label, other.kind)
            and [len(ring) for ring in self.rings] == [len(ring) for ring in other.rings]
            and all(abs(a - b) <= _SAME for a, b in zip(self.numbers, other.numbers, strict=True))
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """All coordinates in a row."""
        return tuple(value for ring in self.rings for value in ring)

    @classmethod
    def of(cls, annotation: Annotation, width: int, height: int) -> Shape:
        """An annotation of an image of this size (pixels) as FiftyOne draws it.

        Example:
            >>> Shape.of(Annotation(label="card", box=Box(10, 20, 50, 50)), 100, 200).rings
            ((0.1, 0.1, 0.5, 0.25),)
        """
        if annotation.polygons:
            rings = [[v for x, y in part.points for v in (x / width, y / height)] for part in annotation.polygons]
            return cls(label=annotation.label, kind=OUTLINE, rings=tuple(tuple(ring) for ring in rings))
        box = annotation.box
        ring = (box.x / width, box.y / height, box.width / width, box.height / height)
        return cls(label=annotation.label, kind=BOX, rings=(ring,))

    def annotation(self, width: int, height: int, *, before: Annotation | None = None) -> Annotation:
        """The annotation this shape stands for, in an image of this size (pixels).

        Args:
            width: Pixels across.
            height: Pixels down.
            before: What it was before the edit: numbers that were not moved, keypoints and, if nothing but the label
                changed, the mask are kept.

        Raises:
            DataError: If it has no label, or nothing of it lies in the image.
        """
        if not self.label:
            raise DataError("a label without a class", fix="choose its class in the App")
        if before is not None:
            drawn = replace(Shape.of(before, width, height), label=self.label)
            if self.equals(drawn):
                return replace(before, label=self.label, score=None)
        kept = before.keypoints if before is not None else None
        if self.kind == OUTLINE:
            polygons = _polygons(self, width, height, before)
            box = bounds([point for polygon in polygons for point in polygon.points])
            return Annotation(label=self.label, box=box, polygons=polygons, keypoints=kept)
        return Annotation(label=self.label, box=_box(self.rings[0], width, height, before), keypoints=kept)


def _box(ring: tuple[float, ...], width: int, height: int, before: Annotation | None) -> Box:
    old = before.box if before is not None and not before.polygons else None
    known = [[], []] if old is None else [[old.x, old.width], [old.y, old.height]]
    x, w = (_pixels(ring[at], width, known[0]) for at in (0, 2))
    y, h = (_pixels(ring[at], height, known[1]) for at in (1, 3))
    if x < 0 or y < 0 or x + w > width + _NOISE_PX or y + h > height + _NOISE_PX:
        right, bottom = min(x + w, width), min(y + h, height)
        x, y = max(x, 0.0), max(y, 0.0)
        w, h = right - x, bottom - y
    if w < _SMALLEST_PX or h < _SMALLEST_PX:
        raise DataError(f"a box of {max(w, 0):.2f} x {max(h, 0):.2f} pixels in the image", fix="draw it larger")
    return Box(x, y, w, h)


def _polygons(shape: Shape, width: int, height: int, before: Annotation | None) -> tuple[Polygon, ...]:
    old = [point for part in before.polygons for point in part.points] if before is not None else []
    known = [x for x, _ in old], [y for _, y in old]
    found = []
    for ring in shape.rings:
        if len(ring) < 6:
            raise DataError(f"an outline of {len(ring) // 2} points", fix="give it at least 3 points in the App")
        xs = [_pixels(value, width, known[0]) for value in ring[::2]]
        ys = [_pixels(value, height, known[1]) for value in ring[1::2]]
        found.append(Polygon(tuple(zip(xs, ys, strict=True))))
    return tuple(found)


def _pixels(fraction: float, size: int, known: Sequence[float]) -> float:
    """A fraction of the image's side in pixels: a number that stood there before is that very number again."""
    for old in known:
        if abs(old / size - fraction) <= _SAME:
            return old
    return round(fraction * size, _DIGITS)


def kept_ids(old: Mapping[str, Shape], new: Sequence[Shape]) -> list[str | None]:
    """Ids for shapes that take the place of others: the same shape keeps its id, a moved one the id of its like.

    The App has the ids in hand while a sample is open in it; a label that stays the same label must not lose its own.

    Example:
        >>> box = Shape(label="card", kind="box", rings=((0.0, 0.0, 0.5, 0.5),))
        >>> kept_ids({"a": box}, [box, box])
        ['a', None]
    """
    free = dict(old)
    ids: list[str | None] = [None] * len(new)
    for alike in (Shape.equals, lambda a, b: (a.label, a.kind) == (b.label, b.kind)):
        for at, shape in enumerate(new):
            if ids[at] is None:
                ids[at] = next((key for key, known in free.items() if alike(known, shape)), None)
                free.pop(ids[at] or "", None)
    return ids


def field_names(predictions: Sequence[str]) -> dict[str, str]:
    """The FiftyOne field of each set of predictions: `pred_` and its name, in letters, digits and underscores.

    Example:
        >>> field_names(["2026-11-21_demo", "best"])
        {'2026-11-21_demo': 'pred_2026_11_21_demo', 'best': 'pred_best'}
    """
    fields: dict[str, str] = {}
    for name in sorted(predictions):
        stem = "pred_" + re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
        taken, number = set(fields.values()), 2
        field = stem
        while field in taken:
            field, number = f"{stem}_{number}", number + 1
        fields[name] = field
    return fields


def encode_base(shapes: Mapping[str, Shape]) -> dict[str, list[object]]:
    """Shapes by label id as plain JSON values, for the snapshot that is kept beside them."""
    return {key: [shape.label, shape.kind, shape.rings] for key, shape in shapes.items()}


def decode_base(record: Mapping[str, Sequence[object]]) -> dict[str, Shape]:
    """The inverse of `encode_base`."""
    found = {}
    for key, (label, kind, rings) in record.items():
        values = tuple(tuple(float(v) for v in ring) for ring in rings)  # type: ignore[attr-defined]
        found[key] = Shape(label=None if label is None else str(label), kind=str(kind), rings=values)
    return found
