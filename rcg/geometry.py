"""Boxes, polygons, quads and homographies on arrays; pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.errors import DataError
from rcg.types import Box, Point

Floats = NDArray[np.float64]


def polygon_area(points: ArrayLike) -> float:
    """Area enclosed by one ring, in square pixels (shoelace formula), whichever way it turns.

    Args:
        points: (n, 2) corners in pixels.

    Example:
        >>> polygon_area([(0, 0), (4, 0), (4, 3), (0, 3)])
        12.0
    """
    ring = np.asarray(points, dtype=np.float64)
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]  # near the origin, so large coordinates keep their digits
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def bounds(points: Sequence[Point]) -> Box:
    """The smallest upright box around points in pixels.

    Raises:
        DataError: If the points lie on one upright or level line, so that the box has no area.
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box.from_corners(min(xs), min(ys), max(xs), max(ys))


def extent(points: NDArray[np.floating[Any]]) -> tuple[Floats, Floats]:
    """The lowest and the highest x and y; column by column, which is many times faster than along short rows.

    Args:
        points: (n, 2) points, at least one.

    Returns:
        (2,) lowest and (2,) highest.

    Example:
        >>> extent(np.array([(3.0, 1.0), (2.0, 5.0)]))
        (array([2., 1.]), array([3., 5.]))
    """
    x, y = points[:, 0], points[:, 1]
    return np.array([x.min(), y.min()], np.float64), np.array([x.max(), y.max()], np.float64)


def clip_box(box: Box, width: int, height: int) -> Box | None:
    """The part of a box inside an image of this size in pixels; None where nothing of it is inside.

    Example:
        >>> clip_box(Box(-5, 2, 10, 4), 100, 100)
        Box(x=0, y=2, width=5, height=4)
    """
    left, top, right, bottom = box.corners
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return box
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    return Box.from_corners(left, top, right, bottom) if right > left and bottom > top else None


def box_iou(first: ArrayLike, second: ArrayLike) -> Floats:
    """Intersection over union of every pair of boxes.

    Args:
        first: (n, 4) left, top, right, bottom in pixels.
        second: (m, 4) likewise.

    Returns:
        (n, m) values from 0 to 1.

    Example:
        >>> box_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2]]).round(3).tolist()
        [[1.0, 0.333]]
    """
    a = np.asarray(first, dtype=np.float64).reshape(-1, 1, 4)
    b = np.asarray(second, dtype=np.float64).reshape(1, -1, 4)
    overlap = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(axis=-1)
    area_a, area_b = (np.clip(each[..., 2:] - each[..., :2], 0, None).prod(axis=-1) for each in (a, b))
    union = area_a + area_b - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0))


def homography(source: ArrayLike, target: ArrayLike) -> Floats:
    """The projective map that takes four points to four others.

    Args:
        source: (4, 2) points, no three on a line.
        target: (4, 2) where they go.

    Returns:
        (3, 3) matrix with 1 in its last place (Hartley and Zisserman, Multiple View Geometry, section 4.1).

    Raises:
        DataError: If three of the points lie on a line.

    Example:
        >>> square = [(0, 0), (1, 0), (1, 1), (0, 1)]
        >>> transform(homography(square, [(0, 0), (2, 0), (2, 2), (0, 2)]), [(0.5, 0.5)]).round(6).tolist()
        [[1.0, 1.0]]
    """
    src, dst = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    rows: list[Any] = []
    for (x, y), (u, v) in zip(src, dst, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    try:
        solution = np.linalg.solve(np.asarray(rows), dst.reshape(-1))
    except np.linalg.LinAlgError as error:
        raise DataError("three of the four points lie on a line", fix="mark the four corners in order") from error
    return np.append(solution, 1.0).reshape(3, 3)


def transform(matrix: ArrayLike, points: ArrayLike) -> Floats:
    """Points under a homography.

    Args:
        matrix: (3, 3) homography.
        points: (n, 2) points.

    Returns:
        (n, 2) points.
    """
    flat = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    mapped = np.column_stack([flat, np.ones(len(flat))]) @ np.asarray(matrix, dtype=np.float64).T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])
