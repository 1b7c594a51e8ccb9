"""The shapes that labelling tools draw, as annotations: boxes, turned boxes, outlines, ellipses, masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.checks import Unusable, box_inside, ring_inside
from rcg.errors import DataError
from rcg.geometry import bounds, polygon_area
from rcg.images import Size
from rcg.types import Annotation, Point, Rle

ROUND = "circles and ellipses, read as outlines of many points"
_DEVIATION = 0.05  # pixels between a round shape and the outline that stands for it
_FEWEST, _MOST = 12, 720


def boxed(
    label: str, corners: tuple[float, float, float, float], size: Size, *, score: float | None = None
) -> tuple[Annotation, bool]:
    """An annotation of a box between two opposite corners, in whichever order, and whether it was clipped.

    Raises:
        Unusable: If it has no area, is not finite, or reaches too far out.
    """
    x0, y0, x1, y1 = corners
    if not all(map(math.isfinite, corners)):
        raise Unusable("a coordinate is not a finite number; write plain numbers")
    box, clipped = box_inside(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1), size)
    return Annotation(label=label, box=box, score=score), clipped


def outlined(
    label: str, rings: Sequence[Sequence[Point]], size: Size, *, score: float | None = None
) -> tuple[Annotation, bool]:
    """An annotation of one or several outlines in pixels, and whether one was clipped.

    Raises:
        Unusable: If one encloses nothing, is not finite, or reaches too far out.
    """
    found = [ring_inside(points, size) for points in rings]
    polygons = tuple(polygon for polygon, _ in found)
    return Annotation(
        label=label,
        box=bounds([point for polygon in polygons for point in polygon.points]),
        polygons=polygons,
        score=score,
        area=sum(polygon_area(polygon.points) for polygon in polygons),
    ), any(clipped for _, clipped in found)


def masked(
    label: str, mask: NDArray[np.bool_], corner: tuple[int, int], size: Size, *, score: float | None = None
) -> tuple[Annotation, bool]:
    """An annotation of a mask.

    Args:
        label: Its class.
        mask: (h, w) pixels that belong to it.
        corner: Column and row of the mask's left top pixel in the image.
        size: The image's.
        score: Its score.

    Raises:
        Unusable: If it is empty or reaches out of the image.
    """
    from pycocotools import mask as codec

    left, top = corner
    rows, columns = mask.shape
    if left < 0 or top < 0 or left + columns > size.width or top + rows > size.height:
        what = f"the mask of {columns} x {rows} pixels at ({left}, {top}) reaches out of"
        raise Unusable(f"{what} the {size.width} x {size.height} image; draw it again")
    if not mask.any():
        raise Unusable("the mask is empty; draw it again")
    full = np.zeros((size.height, size.width), np.uint8, order="F")
    full[top : top + rows, left : left + columns] = mask
    packed = codec.encode(full)
    x, y, across, down = codec.toBbox(packed).tolist()
    box, _ = box_inside(x, y, x + across, y + down, size)
    rle = Rle(size.height, size.width, packed["counts"].decode())
    return Annotation(label=label, box=box, rle=rle, score=score, area=float(np.count_nonzero(mask))), False


def turned(points: Sequence[Point], degrees: float, pivot: Point) -> list[Point]:
    """Points turned clockwise, as seen on the screen, around another.

    Example:
        >>> [(round(x), round(y)) for x, y in turned([(2, 0)], 90, (0, 0))]
        [(0, 2)]
    """
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = pivot
    return [(x0 + (x - x0) * cosine - (y - y0) * sine, y0 + (x - x0) * sine + (y - y0) * cosine) for x, y in points]


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """The four corners, clockwise from the left top one."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ellipse(centre: Point, radii: tuple[float, float], degrees: float = 0.0) -> list[Point]:
    """An outline that keeps within a twentieth of a pixel of an ellipse.

    Args:
        centre: Its middle in pixels.
        radii: Half its width and half its height, in pixels.
        degrees: By how much it is turned clockwise.

    Raises:
        Unusable: If a radius is not above zero, or a number not finite.

    Example:
        >>> len(ellipse((50, 50), (10, 10)))
        32
    """
    longest = max(radii)
    if not (min(radii) > 0 and all(map(math.isfinite, (*radii, *centre, degrees)))):
        raise Unusable("the ellipse has no area, or a number of it is not finite; draw it again")
    step = math.acos(max(0.0, 1 - _DEVIATION / longest)) if longest > _DEVIATION else math.pi
    count = max(math.ceil(math.pi / max(step, math.pi / _MOST)), _FEWEST)  # a step may round to none
    count += -count % 4  # so that the four ends of its axes are among the points
    angles = [2 * math.pi * number / count for number in range(count)]
    x, y = centre
    points = [(x + radii[0] * math.cos(angle), y + radii[1] * math.sin(angle)) for angle in angles]
    return turned(points, degrees, centre) if degrees else points


def smallest_turned_box(points: Sequence[Point], within: tuple[float, float] | None = None) -> list[Point]:
    """The corners of the turned box of the smallest area around points, clockwise on the screen.

    One of its sides lies along a side of the points' convex hull (Freeman and Shapira, 1975).

    Args:
        points: At least three, not on one line.
        within: Width and height of the image that it may not reach out of; the upright box never does.

    Example:
        >>> sorted((round(x), round(y)) for x, y in smallest_turned_box([(1, 0), (2, 1), (1, 2), (0, 1), (1, 1)]))
        [(0, 1), (1, 0), (1, 2), (2, 1)]
    """
    hull = np.array(_hull(points), np.float64)
    sides = np.roll(hull, -1, axis=0) - hull
    best = rectangle(*hull.min(axis=0).tolist(), *hull.max(axis=0).tolist())
    smallest = polygon_area(best)
    for angle in np.unique(np.arctan2(sides[:, 1], sides[:, 0]) % (math.pi / 2)).tolist():
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        u, v = hull @ along, hull @ across
        corners = rectangle(float(u.min()), float(v.min()), float(u.max()), float(v.max()))
        turned_back = np.array([a * along + b * across for a, b in corners])
        inside = within is None or bool((turned_back >= 0).all() and (turned_back <= within).all())
        if inside and polygon_area(corners) < smallest * (1 - 1e-9):
            smallest, best = polygon_area(corners), [(x, y) for x, y in turned_back.tolist()]
    return best


def _hull(points: Sequence[Point]) -> list[Point]:
    """The convex hull (Andrew's monotone chain)."""

    def chain(ordered: Sequence[Point]) -> list[Point]:
        kept: list[Point] = []
        for x, y in ordered:
            while len(kept) > 1:
                (x0, y0), (x1, y1) = kept[-2:]
                if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                    break
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    ordered = sorted(set(points))
    return [*chain(ordered), *chain(ordered[::-1])] or list(points)


def decoded_mask(rle: Rle) -> NDArray[np.bool_]:
    """The (height, width) pixels of a mask.

    Raises:
        DataError: If its counts do not fit its size.

    Example:
        >>> decoded_mask(Rle(2, 3, (1, 2, 3))).tolist()
        [[False, True, False], [True, False, False]]
    """
    from pycocotools import mask as codec

    size = [rle.height, rle.width]
    if isinstance(rle.counts, str):
        return np.asarray(codec.decode({"size": size, "counts": rle.counts.encode()}), np.bool_)
    if min(rle.counts, default=0) < 0 or sum(rle.counts) != rle.height * rle.width:
        raise DataError(f"the counts of the mask do not add up to its {rle.width} x {rle.height} pixels")
    flat = np.repeat(np.arange(len(rle.counts)) % 2 == 1, rle.counts)
    return np.asarray(flat.reshape(rle.width, rle.height).T)
