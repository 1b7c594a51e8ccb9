"""What every reader checks of a box or an outline before it becomes an annotation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from rcg.geometry import polygon_area
from rcg.images import Size
from rcg.types import Box, Point, Polygon

TOLERANCE = 0.01 + 1e-9
"""How far past the image's edge a box may reach and is still clipped, as a part of the image's width or height: one in
a hundred, and what adding fractions costs."""

ROUNDING = 1e-6  # what six decimals of a YOLO file cost; clipping this much changes nothing and is not counted


class Unusable(Exception):  # noqa: N818 - it never leaves the readers: they turn it into a line of the quarantine
    """An annotation that cannot be used; the text says why, and what would be right."""


class NoOutline(Unusable):
    """An outline that encloses nothing."""


class NoScore(Unusable):
    """A prediction without a score."""

    def __init__(self) -> None:
        super().__init__("a prediction needs a score, this one has none; predict again with scores")


class UnknownClass(Unusable):
    """A class that no name belongs to."""


_widen: ContextVar[bool] = ContextVar("widen", default=False)


@contextmanager
def flat_boxes(*, widen: bool) -> Iterator[None]:
    """Inside of the block, boxes without width or height are made a pixel wide or high, or refused as usual."""
    token = _widen.set(widen)
    try:
        yield
    finally:
        _widen.reset(token)


def widening() -> bool:
    """Whether boxes without width or height are widened at this moment."""
    return _widen.get()


def _a_pixel_wide(begin: float, end: float, limit: float) -> tuple[float, float]:
    """A side of a box; one without length becomes a pixel around its place, inside the image."""
    if end != begin or not 0 <= begin <= limit:
        return begin, end
    begin = min(max(begin - 0.5, 0.0), limit - 1)
    return begin, begin + 1


def box_inside(left: float, top: float, right: float, bottom: float, size: Size) -> tuple[Box, bool]:
    """The box between two corners, clipped to the image where it reaches past an edge by rounding.

    Args:
        left: Left edge in pixels.
        top: Top edge in pixels.
        right: Right edge in pixels.
        bottom: Bottom edge in pixels.
        size: The image's.

    Returns:
        The box, and whether it was clipped by more than rounding.

    Raises:
        Unusable: If a number is not finite, the box has no area, or it reaches further out than `TOLERANCE`.

    Example:
        >>> box_inside(90.0, 10.0, 100.5, 20.0, Size(100, 100))
        (Box(x=90.0, y=10.0, width=10.0, height=10.0), True)
    """
    if not (math.isfinite(left) and math.isfinite(top) and math.isfinite(right) and math.isfinite(bottom)):
        raise Unusable("a coordinate is not a finite number; write plain numbers")
    if _widen.get():
        left, right = _a_pixel_wide(left, right, size.width)
        top, bottom = _a_pixel_wide(top, bottom, size.height)
    if right <= left or bottom <= top:
        raise Unusable(f"the box has no area ({right - left:g} x {bottom - top:g} pixels); draw it again")
    width, height = size.width, size.height
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return Box(left, top, right - left, bottom - top), False
    over = max(-left / width, -top / height, right / width - 1, bottom / height - 1)
    if over > TOLERANCE:
        raise Unusable(_too_far(over, size))
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    if right <= left or bottom <= top:
        raise Unusable("the box lies outside the image; draw it again")
    return Box(left, top, right - left, bottom - top), over > ROUNDING


def _too_far(over: float, size: Size) -> str:
    what = f"it reaches {100 * over:.1f} % past the edge of the {size.width} x {size.height} image"
    return f"{what}, and no more than 1 % is clipped; draw it again, or check that it belongs to this image"


def ring_inside(points: Sequence[Point], size: Size) -> tuple[Polygon, bool]:
    """One closed ring, clipped to the image like `box_inside`; a last point that repeats the first is dropped.

    Args:
        points: Corners in pixels.
        size: The image's.

    Returns:
        The ring, and whether it was clipped by more than rounding.

    Raises:
        NoOutline: If it has fewer than three corners, or no area.
        Unusable: If a number is not finite, or it reaches too far out.
    """
    if len(points) > 3 and points[0] == points[-1]:
        points = points[:-1]
    if len(points) < 3:
        raise NoOutline(f"an outline needs at least 3 points, this one has {len(points)}; draw it again")
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in points):
        raise Unusable("a coordinate is not a finite number; write plain numbers")
    width, height = size.width, size.height
    xs, ys = [x for x, _ in points], [y for _, y in points]
    over = max(-min(xs) / width, -min(ys) / height, max(xs) / width - 1, max(ys) / height - 1)
    if over > TOLERANCE:
        raise Unusable(_too_far(over, size))
    if over > 0:
        points = [(min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in points]
    if polygon_area(points) <= 0:
        raise NoOutline("the outline encloses no area; draw it again")
    return Polygon(tuple(points)), over > ROUNDING


def score_of(value: float) -> float:
    """The score, if it is one.

    Raises:
        Unusable: If it is not between 0 and 1.
    """
    if not 0 <= value <= 1:
        raise Unusable(f"the score {value:g} is not between 0 and 1; correct it")
    return value
