"""The figures of a dataset: per class, of boxes and of outlines, from its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.split import SPLITS
from rcg.table import KEYPOINTS, MASK, POLYGON, Table

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How values are spread.

    Attributes:
        least: The smallest.
        low: 5 % are below it.
        middle: Half are below it.
        high: 95 % are below it.
        most: The largest.
    """

    least: float
    low: float
    middle: float
    high: float
    most: float

    @classmethod
    def of(cls, values: Values) -> Spread:
        """The spread of at least one value."""
        found = np.percentile(values, [0, 5, 50, 95, 100]).tolist()
        return cls(least=found[0], low=found[1], middle=found[2], high=found[3], most=found[4])


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """What is labelled of one class.

    Attributes:
        label: The class.
        annotations: Annotations in all.
        images: Images that hold one.
        cards: Physical cards that hold one.
        per_split: Annotations by split.
        shorter_side: The shorter side of its boxes in pixels; None without boxes.
        area_share: The part of the image that its boxes cover, 0 to 1.
    """

    label: str
    annotations: int
    images: int
    cards: int
    per_split: dict[str, int]
    shorter_side: Spread | None
    area_share: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFigures:
    """What the boxes of a dataset are like.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        aspect: Width over height.
        area_share: The part of its image that a box covers, 0 to 1.
        x: Where the middle of a box lies, 0 (left) to 1 (right).
        y: Where the middle of a box lies, 0 (top) to 1 (bottom).
        per_image: Annotations of a labelled image.
    """

    width: Spread
    height: Spread
    aspect: Spread
    area_share: Spread
    x: Spread
    y: Spread
    per_image: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeFigures:
    """What there is besides boxes.

    Attributes:
        outlines: Annotations with a polygon.
        masks: Annotations with a mask.
        keypoints: Annotations with keypoints.
        points: Points of an outline; None without outlines.
        filled: The part of its box that an outline fills, 0 to 1; None without outlines.
    """

    outlines: int
    masks: int
    keypoints: int
    points: Spread | None
    filled: Spread | None


def class_figures(table: Table) -> tuple[ClassFigures, ...]:
    """The figures of every class, in the order of the classes."""
    columns, images = table.columns, table.columns.images
    sides, shares = columns.boxes[:, 2:].min(axis=1), area_shares(table)
    found = []
    for place, label in enumerate(table.labels):
        mine = np.flatnonzero(columns.classes == place)
        within = np.unique(images[mine])
        splits = np.bincount(table.splits[images[mine]] + 1, minlength=len(SPLITS) + 1)[1:]
        found.append(
            ClassFigures(
                label=label,
                annotations=len(mine),
                images=len(within),
                cards=len(np.unique(table.cards[within])),
                per_split=dict(zip(SPLITS, splits.tolist(), strict=True)),
                shorter_side=Spread.of(sides[mine]) if len(mine) else None,
                area_share=Spread.of(shares[mine]) if len(mine) else None,
            )
        )
    return tuple(found)


def area_shares(table: Table) -> Values:
    """(m,) the part of its image that each box covers."""
    sizes = table.sizes.astype(np.float64)
    every: Values = sizes.prod(axis=1)[table.columns.images]
    return table.columns.boxes[:, 2] * table.columns.boxes[:, 3] / every


def box_figures(table: Table) -> BoxFigures | None:
    """The figures of all boxes; None where there are none."""
    boxes = table.columns.boxes
    if not len(boxes):
        return None
    middle = (boxes[:, :2] + boxes[:, 2:] / 2) / table.sizes[table.columns.images]
    return BoxFigures(
        width=Spread.of(boxes[:, 2]),
        height=Spread.of(boxes[:, 3]),
        aspect=Spread.of(boxes[:, 2] / boxes[:, 3]),
        area_share=Spread.of(area_shares(table)),
        x=Spread.of(middle[:, 0]),
        y=Spread.of(middle[:, 1]),
        per_image=Spread.of(table.counts[table.labelled].astype(np.float64)),
    )


def shape_figures(table: Table) -> ShapeFigures:
    """The figures of outlines, masks and keypoints."""
    columns = table.columns
    outlined = columns.shapes & POLYGON > 0
    boxes = columns.boxes[outlined]
    some = bool(outlined.any())
    return ShapeFigures(
        outlines=int(outlined.sum()),
        masks=int((columns.shapes & MASK > 0).sum()),
        keypoints=int((columns.shapes & KEYPOINTS > 0).sum()),
        points=Spread.of(columns.points[outlined].astype(np.float64)) if some else None,
        filled=Spread.of(columns.areas[outlined] / (boxes[:, 2] * boxes[:, 3])) if some else None,
    )
