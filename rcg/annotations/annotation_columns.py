"""What is labelled in many images as numpy columns, whether it comes as entries of a COCO file, blocks or records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.block import Block, Floats, Ints
from rcg.geometry import polygon_area
from rcg.types import Annotation

POLYGON, MASK, KEYPOINTS, CROWD = 1, 2, 4, 8
"""The bits of `AnnotationColumns.shapes`; a plain box has none of them."""

_KINDS: tuple[Any, ...] = (np.int32, np.int32, np.float64, np.float64, np.uint8, np.int32, np.float32)
# rows, classes, boxes, areas, shapes, points, scores


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnnotationColumns:
    """The annotations of n images, one image after the other: m in all.

    Attributes:
        starts: (n + 1,) where each image's annotations begin; the last is m.
        classes: (m,) int32 index of the class.
        boxes: (m, 4) x, y, width and height in pixels.
        areas: (m,) square pixels: of the outline, else of the box.
        shapes: (m,) uint8 bits: POLYGON, MASK, KEYPOINTS, CROWD.
        points: (m,) int32 points of the outline, or keypoints; 0 for a plain box.
        scores: (m,) float32 from 0 to 1, NaN for a label without; None where no label has one.
    """

    starts: Ints
    classes: NDArray[np.int32]
    boxes: Floats
    areas: Floats
    shapes: NDArray[np.uint8]
    points: NDArray[np.int32]
    scores: NDArray[np.float32] | None = None

    @property
    def counts(self) -> Ints:
        """(n,) annotations of each image."""
        return np.diff(self.starts)

    @property
    def images(self) -> Ints:
        """(m,) the image that each annotation belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), self.counts)


class ColumnBuilder:
    """Gathers annotations in whatever order they come, and makes columns of them in the order of the images."""

    def __init__(self) -> None:
        self._pieces: list[list[NDArray[Any]]] = [[] for _ in _KINDS]
        self._scored = False

    def add_entries(self, entries: Sequence[Mapping[str, Any]], rows: Ints, classes: Mapping[int, int]) -> None:
        """Add entries of a COCO file that RCG wrote.

        Args:
            entries: The parsed annotations.
            rows: (k,) the image of each.
            classes: Index of the class by category id.

        Raises:
            KeyError, TypeError, ValueError: If an entry has not the form that RCG writes.
        """
        outlines = [each["segmentation"] for each in entries]
        rings = [sum(map(len, each)) // 2 if type(each) is list and each else 0 for each in outlines]
        places = [each.get("keypoints") for each in entries]
        shapes = np.array([2 if type(each) is dict else 0 for each in outlines], np.uint8)
        points = np.array(rings, np.int32)
        shapes[points > 0] |= POLYGON
        if any(places):
            keypoints = np.array([len(each) // 3 if each else 0 for each in places], np.int32)
            shapes[keypoints > 0] |= KEYPOINTS
            points = np.where(points > 0, points, keypoints)
        shapes[np.array([each["iscrowd"] for each in entries], np.bool_)] |= CROWD
        scores = np.array([each.get("score") for each in entries], np.float32)  # None becomes NaN
        boxes = np.array([each["bbox"] for each in entries], np.float64).reshape(-1, 4)
        areas = np.array([each["area"] for each in entries], np.float64)
        self._add(
            rows, np.array([classes[each["category_id"]] for each in entries]), boxes, areas, shapes, points, scores
        )

    def add_boxes(self, values: Floats, rows: Ints, classes: Sequence[int]) -> None:
        """Add plain boxes.

        Args:
            values: (k, 6) x, y, width, height, area and 0; (k, 7) with a score.
            rows: (k,) the image of each.
            classes: k indices of classes.
        """
        count = len(values)
        scores = values[:, 6] if values.shape[1] > 6 else np.full(count, np.nan)
        none = np.zeros(count, np.uint8), np.zeros(count, np.int32)
        boxes, areas = values[:, :4].copy(), values[:, 4].copy()  # the rest of the values is let go
        self._add(rows, np.asarray(classes), boxes, areas, *none, scores.astype(np.float32))

    def add_block(self, block: Block, first: int, names: Sequence[str]) -> None:
        """Add a run of images.

        Args:
            block: The images.
            first: The row of its first image.
            names: The classes, for what the block holds as records.
        """
        rows, count = first + np.repeat(np.arange(len(block)), block.counts), len(block.classes)
        shapes, points = np.zeros(count, np.uint8), np.zeros(count, np.int32)
        areas = block.boxes[:, 2] * block.boxes[:, 3]
        if block.rings is not None:
            points = np.diff(block.rings.starts[block.rings.of]).astype(np.int32)
            shapes[points > 0] = POLYGON
            areas = block.rings.areas
        scores = np.full(count, np.nan, np.float32) if block.scores is None else block.scores.astype(np.float32)
        self._add(rows, block.classes, block.boxes, areas, shapes, points, scores)
        self.add_annotations(
            [(first + at, each) for at, one in block.records.items() for each in one.annotations], names
        )

    def add_columns(self, columns: AnnotationColumns) -> None:
        """Add what was made before; its rows and classes stay what they are."""
        none = np.full(len(columns.classes), np.nan, np.float32)
        scores = none if columns.scores is None else columns.scores
        shaped = columns.boxes, columns.areas, columns.shapes, columns.points
        self._add(columns.images, columns.classes, *shaped, scores)

    def add_annotations(self, given: Iterable[tuple[int, Annotation]], names: Sequence[str]) -> None:
        """Add annotations, each with the row of its image."""
        kept = list(given)
        if not kept:
            return
        index = {name: place for place, name in enumerate(names)}
        self._add(
            np.array([row for row, _ in kept]),
            np.array([index[each.label] for _, each in kept]),
            np.array([(each.box.x, each.box.y, each.box.width, each.box.height) for _, each in kept], np.float64),
            np.array([_area(each) for _, each in kept], np.float64),
            np.array([_shape(each) for _, each in kept], np.uint8),
            np.array([_points(each) for _, each in kept], np.int32),
            np.array([each.score for _, each in kept], np.float32),
        )

    def _add(self, rows: NDArray[Any], classes: NDArray[Any], *columns: NDArray[Any]) -> None:
        self._scored = self._scored or not np.isnan(columns[-1]).all()
        for pieces, column, kind in zip(self._pieces, (rows, classes, *columns), _KINDS, strict=True):
            pieces.append(column.astype(kind, copy=False))

    def made(self, images: int) -> AnnotationColumns:
        """The columns of so many images; the builder is empty afterwards."""
        rows, classes, boxes, areas, shapes, points, scores = map(_joined, self._pieces, _KINDS)
        columns = [classes, boxes.reshape(-1, 4), areas, shapes, points, scores]
        if (np.diff(rows) < 0).any():
            order = np.argsort(rows, kind="stable")
            columns = [each[order] for each in columns]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=images))]).astype(np.int64)
        for each in (*columns, starts):
            each.setflags(write=False)
        return AnnotationColumns(
            starts=starts,
            classes=columns[0],
            boxes=columns[1],
            areas=columns[2],
            shapes=columns[3],
            points=columns[4],
            scores=columns[5] if self._scored else None,
        )


def _joined(pieces: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    """One column; its pieces are let go at once, so that no two columns are held twice."""
    column = np.concatenate(pieces) if pieces else np.zeros(0, kind)
    pieces.clear()
    return column


def _area(annotation: Annotation) -> float:
    if annotation.area is not None:
        return annotation.area
    if annotation.polygons:
        return sum(polygon_area(ring.points) for ring in annotation.polygons)
    return annotation.box.area


def _shape(annotation: Annotation) -> int:
    bits = POLYGON * bool(annotation.polygons) | MASK * (annotation.rle is not None)
    return bits | KEYPOINTS * (annotation.keypoints is not None) | CROWD * annotation.crowd


def _points(annotation: Annotation) -> int:
    if annotation.polygons:
        return sum(len(ring.points) for ring in annotation.polygons)
    return 0 if annotation.keypoints is None else len(annotation.keypoints.points)
