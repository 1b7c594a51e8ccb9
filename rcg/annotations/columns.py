"""What `rcg.annotations.checks` does to one label, done to many: boxes and outlines brought into their images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints, Rings, spans
from rcg.annotations.checks import ROUNDING, TOLERANCE

Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """The labels of a run of images, before those are set aside that need a closer look.

    Attributes:
        counts: (n,) labels of each image.
        classes: (m,) class numbers.
        boxes: (m, 4) x, y, width and height in pixels.
        refused: (m,) labels that cannot be used as they stand; why is found out image by image.
        clipped: (m,) labels that were cut at the image's edge by more than rounding.
        scores: (m,) 0 to 1, NaN for none; None where no label has one.
        outlines: Outlines; None where there are only boxes.
    """

    counts: Ints
    classes: NDArray[np.int32]
    boxes: Floats
    refused: Marks
    clipped: Marks
    scores: Floats | None = None
    outlines: Outlines | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """One ring for each of some labels.

    Attributes:
        points: (p, 2) x and y in pixels, ring after ring.
        lengths: (r,) points of each ring.
        rows: (r,) the label that each ring belongs to, rising.
        areas: (r,) square pixels that each ring encloses.
    """

    points: Floats
    lengths: Ints
    rows: Ints
    areas: Floats

    def rings(self, boxes: Floats) -> Rings:
        """As a block keeps them.

        Args:
            boxes: (m, 4) the boxes of all labels, whose area counts where there is no ring.
        """
        areas = boxes[:, 2] * boxes[:, 3]
        areas[self.rows] = self.areas
        each = np.bincount(self.rows, minlength=len(boxes))
        return Rings(points=self.points, starts=_starts(self.lengths), of=_starts(each), areas=areas)


def _starts(lengths: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def boxes_inside(corners: Floats, sizes: Floats) -> tuple[Floats, Marks, Marks]:
    """Boxes clipped to their images where they reach past an edge by rounding; see `checks.box_inside`.

    Args:
        corners: (m, 4) left, top, right and bottom in pixels.
        sizes: (m, 2) width and height of each box's image.

    Returns:
        (m, 4) x, y, width and height; which are refused; which were clipped by more than rounding.

    Example:
        >>> boxes_inside(np.array([[90.0, 10.0, 100.5, 20.0]]), np.array([[100.0, 100.0]]))[0].tolist()
        [[90.0, 10.0, 10.0, 10.0]]
    """
    begin, end = corners[:, :2], corners[:, 2:]
    refused: Marks = np.zeros(len(corners), np.bool_)
    if not ((end > begin).all() and np.isfinite(corners).all()):  # row by row only where something is wrong
        refused = np.asarray(~((end > begin).all(axis=1) & np.isfinite(corners).all(axis=1)))
    if (begin >= 0).all() and (end <= sizes).all():
        return np.hstack([begin, end - begin]), refused, np.zeros(len(corners), np.bool_)
    over, outside = _over(begin, end, sizes)
    begin, end = np.where(outside[:, None], np.maximum(begin, 0.0), begin), np.minimum(end, sizes)
    refused |= outside & (over > TOLERANCE)
    refused |= (end <= begin).any(axis=1)
    return np.hstack([begin, end - begin]), refused, np.asarray(outside & (over > ROUNDING))


def _over(begin: Floats, end: Floats, sizes: Floats) -> tuple[Floats, Marks]:
    """How far past an edge something reaches, as a part of the image, and whether it does at all."""
    with np.errstate(divide="ignore", invalid="ignore"):  # an image that cannot be read has the size 0
        over = np.maximum((-begin / sizes).max(axis=1), (end / sizes - 1).max(axis=1))
    return over, np.asarray((begin < 0).any(axis=1) | (end > sizes).any(axis=1))


def rings_inside(points: Floats, lengths: Ints, sizes: Floats) -> tuple[Floats, Ints, Floats, Floats, Marks, Marks]:
    """Rings clipped to their images like boxes; a last point that repeats the first is dropped.

    Args:
        points: (p, 2) x and y in pixels, ring after ring.
        lengths: (r,) points of each ring, at least one.
        sizes: (r, 2) width and height of each ring's image.

    Returns:
        The points; the lengths; (r, 4) boxes around the rings; (r,) areas; which are refused; which were clipped by
        more than rounding.
    """
    ends = np.cumsum(lengths)
    closed = (lengths > 3) & (points[ends - 1] == points[ends - lengths]).all(axis=1)
    if closed.any():
        kept = np.ones(len(points), np.bool_)
        kept[ends[closed] - 1] = False
        points, lengths = points[kept], lengths - closed
        ends = np.cumsum(lengths)
    starts = ends - lengths
    begin, end = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    refused = (lengths < 3) | ~np.isfinite(begin + end).all(axis=1)
    over, outside = _over(begin, end, sizes)
    refused |= outside & (over > TOLERANCE)
    if outside.any():
        limit = np.repeat(sizes, lengths, axis=0)
        points = np.where(np.repeat(outside, lengths)[:, None], np.clip(points, 0.0, limit), points)
        begin, end = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    areas = ring_areas(points, lengths)
    refused |= ~(areas > 0) | ~(end > begin).all(axis=1)
    return points, lengths, np.hstack([begin, end - begin]), areas, refused, outside & (over > ROUNDING)


def ring_areas(points: Floats, lengths: Ints) -> Floats:
    """The area that each ring encloses, in square pixels (shoelace formula).

    Args:
        points: (p, 2) x and y in pixels, ring after ring.
        lengths: (r,) points of each ring, at least one.

    Example:
        >>> ring_areas(np.array([[0.0, 0], [4, 0], [4, 3], [0, 3]]), np.array([4])).tolist()
        [12.0]
    """
    starts = np.cumsum(lengths) - lengths
    near = points - np.repeat(
        points[starts], lengths, axis=0
    )  # near the origin, so large coordinates keep their digits
    after = np.roll(near, -1, axis=0)
    after[starts + lengths - 1] = near[starts]
    crossed = near[:, 0] * after[:, 1] - near[:, 1] * after[:, 0]
    return np.asarray(np.abs(np.add.reduceat(crossed, starts)) / 2, dtype=np.float64)


def without(columns: Columns, odd: Marks) -> Columns:
    """The labels of the images that are not set aside.

    Args:
        columns: Labels of n images.
        odd: (n,) the images that are set aside.
    """
    if not odd.any():
        return columns
    kept = ~np.repeat(odd, columns.counts)
    return Columns(
        counts=np.where(odd, 0, columns.counts),
        classes=columns.classes[kept],
        boxes=columns.boxes[kept],
        refused=columns.refused[kept],
        clipped=columns.clipped[kept],
        scores=None if columns.scores is None else columns.scores[kept],
        outlines=None if columns.outlines is None else _chosen(columns.outlines, kept),
    )


def _chosen(outlines: Outlines, kept: Marks) -> Outlines:
    rings = kept[outlines.rows]
    starts = np.cumsum(outlines.lengths) - outlines.lengths
    places = np.cumsum(kept) - 1
    return Outlines(
        points=outlines.points[spans(starts[rings], outlines.lengths[rings])],
        lengths=outlines.lengths[rings],
        rows=places[outlines.rows[rings]],
        areas=outlines.areas[rings],
    )
