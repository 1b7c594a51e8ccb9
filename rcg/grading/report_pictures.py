"""The pictures of a grade's report: the photo, the card straightened, close-ups to scale, the overlay as one PNG."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.rectify import card_points, corners_mm, photo_points
from rcg.measuring.types import SIDES, FaceMeasurement, Mark, Outline, SideLine
from rcg.types import Point

Floats = NDArray[np.float64]

PHOTO_PX, STRAIGHT_PX, CLOSE_PX, OVERLAY_PX = 1400, 1150, 340, 1800
"""The longer sides of what is shown: large enough to judge a border by eye, small enough to send by mail."""

MARGIN = 0.06
"""What is shown of the photo around the card, as a share of the card's longer side."""

OUTER, INNER, MARKED = (0, 145, 255), (255, 45, 140), (255, 176, 0)
"""Blue, pink and amber: told apart with any colour vision on light and dark cards; the inner line is dashed too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """A rectangle of the card to look at: its left top corner, the ways right and down in the card's mm, its size.

    Attributes:
        at: mm in the card's frame.
        right: Unit vector that runs to the right in the picture.
        down: Unit vector that runs down.
        width: mm.
        height: mm.
    """

    at: Point
    right: Point = (1.0, 0.0)
    down: Point = (0.0, 1.0)
    width: float
    height: float

    def corners(self) -> Floats:
        """(4, 2) mm in the card's frame: left top, right top, right bottom, left bottom in the picture."""
        at, right, down = (np.array(each, np.float64) for each in (self.at, self.right, self.down))
        across, along = right * self.width, down * self.height
        return np.array([at, at + across, at + across + along, at + along])

    def inside(self, mm: Any) -> Floats:
        """(n, 2) places of the card as mm from the window's left top corner."""
        way = np.asarray(mm, np.float64).reshape(-1, 2) - np.array(self.at)
        return np.column_stack([way @ np.array(self.right), way @ np.array(self.down)])


def view(pixels: Pixels, outline: Outline, window: Window, *, scale: float) -> Pixels:
    """A window of the card, straightened.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        outline: Where the card lies.
        window: What to show; beyond the picture it is grey.
        scale: Pixels a millimetre of the result.

    Returns:
        (window height * scale, window width * scale, 3) uint8.
    """
    import cv2

    columns, rows = max(1, round(window.width * scale)), max(1, round(window.height * scale))
    x, y = (np.arange(columns) + 0.5) / columns * window.width, (np.arange(rows) + 0.5) / rows * window.height
    right, down = np.array(window.right), np.array(window.down)
    mm = np.array(window.at) + x[None, :, None] * right + y[:, None, None] * down
    at = photo_points(outline, mm.reshape(-1, 2)).reshape(rows, columns, 2)
    part, at = _nearer(pixels, at)
    maps = np.clip(at - 0.5, -30000, 30000).astype(np.float32)  # OpenCV counts from the middle of the first pixel
    found = cv2.remap(part, maps, np.empty(0), cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=_BEYOND)
    return np.asarray(found, np.uint8)


_BEYOND = (128, 128, 128)


def _nearer(pixels: Pixels, at: Floats) -> tuple[Pixels, Floats]:
    """The part of a picture that is read, scaled down first where a look at single pixels would skip some.

    Args:
        pixels: (h, w, 3) uint8.
        at: (rows, columns, 2) px that the result looks at.
    """
    import cv2

    height, width = pixels.shape[:2]
    x, y = at[..., 0], at[..., 1]  # each for itself: a minimum over both at once takes five times as long
    low = np.clip(np.floor([x.min(), y.min()]) - 4, 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil([x.max(), y.max()]) + 4, low + 1, (width, height)).astype(int)
    part = np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]])
    middle = at[at.shape[0] // 2]
    stride = float(np.linalg.norm(middle[-1] - middle[0])) / max(1, len(middle) - 1)
    if stride <= 1.6:
        return part, at - low
    smaller = tuple(max(1, round(each / stride)) for each in part.shape[1::-1])
    small = cv2.resize(part, smaller, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), (at - low) * (np.array(smaller) / np.array(part.shape[1::-1]))


def whole_card(outline: Outline, *, margin_mm: float = 2.0) -> Window:
    """The card with a little of what lies around it."""
    width, height = outline.spec.width + 2 * margin_mm, outline.spec.height + 2 * margin_mm
    return Window(at=(-margin_mm, -margin_mm), width=width, height=height)


def corner_window(outline: Outline, corner: int, *, size_mm: float = 7.0, beyond_mm: float = 1.0) -> Window:
    """The surroundings of one corner.

    Args:
        outline: Where the card lies.
        corner: Its place in `CORNERS`.
        size_mm: Width and height of what is shown.
        beyond_mm: How much of that lies outside the card.
    """
    width, height = outline.spec.width, outline.spec.height
    x = -beyond_mm if corner in (0, 3) else width + beyond_mm - size_mm
    y = -beyond_mm if corner in (0, 1) else height + beyond_mm - size_mm
    return Window(at=(x, y), width=size_mm, height=size_mm)


def edge_window(
    outline: Outline, side: str, along: float, *, length_mm: float = 14.0, deep_mm: float = 4.0, beyond_mm: float = 1.0
) -> Window:
    """A stretch of an edge, turned so that the outside is up.

    Args:
        outline: Where the card lies.
        side: One of `SIDES`.
        along: mm along the side from its left or upper end: the middle of what is shown.
        length_mm: How much of the edge is shown.
        deep_mm: How far in it is shown, with `beyond_mm`.
        beyond_mm: How much of that lies outside the card.
    """
    width, height = outline.spec.width, outline.spec.height
    length = height if side in ("left", "right") else width
    start = min(max(along - length_mm / 2, 0.0), max(length - length_mm, 0.0))
    end = start + length_mm
    at, right, down = {
        "top": ((start, -beyond_mm), (1.0, 0.0), (0.0, 1.0)),
        "bottom": ((end, height + beyond_mm), (-1.0, 0.0), (0.0, -1.0)),
        "left": ((-beyond_mm, end), (0.0, -1.0), (1.0, 0.0)),
        "right": ((width + beyond_mm, start), (0.0, 1.0), (-1.0, 0.0)),
    }[side]
    return Window(at=at, right=right, down=down, width=length_mm, height=deep_mm)


def mark_window(outline_mm: Any, *, least_mm: float = 5.0) -> Window:
    """A square around a mark, with a quarter of its size beside it."""
    ring = np.asarray(outline_mm, np.float64).reshape(-1, 2)
    low, high = ring.min(axis=0), ring.max(axis=0)
    size = max(least_mm, 1.5 * float((high - low).max()))
    x, y = (low + high) / 2 - size / 2
    return Window(at=(float(x), float(y)), width=size, height=size)


def ring_mm(outline: Outline, mark: Mark) -> Floats:
    """(n, 2) mm of a mark's outline in the straightened card, along its edges as they run."""
    return card_points(outline, np.asarray(mark.outline, np.float64).reshape(-1, 2))


def shown_part(face: FaceMeasurement) -> tuple[int, int, int, int]:
    """Left, top, right and bottom px of what is shown of a photo: the card with a margin, or all of it."""
    if face.outline is None:
        return 0, 0, face.width, face.height
    quad = face.outline.quad
    margin = MARGIN * float(np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1).max())
    low, high = quad.min(axis=0) - margin, quad.max(axis=0) + margin
    left, top = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
    right, bottom = min(face.width, math.ceil(high[0])), min(face.height, math.ceil(high[1]))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def smaller(pixels: Pixels, longest: int) -> Pixels:
    """A picture scaled down so that its longer side has at most so many pixels."""
    import cv2

    factor = longest / max(pixels.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(pixels)
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)


def inner_curves(face: FaceMeasurement, *, steps: int = 25) -> tuple[Floats, ...]:
    """The inner lines that are known, each (steps, 2) mm in the card's frame, between where their neighbours cross."""
    if face.outline is None or face.centering is None or len(face.centering.lines) != 4:
        return ()
    width, height = face.outline.spec.width, face.outline.spec.height
    outer = face.outline.lines if len(face.outline.lines) == 4 else (None,) * 4
    depths = [_depth_of(inner, cut) for inner, cut in zip(face.centering.lines, outer, strict=True)]
    found = []
    for at, side in enumerate(SIDES):
        length = height if side in {"left", "right"} else width
        near, far = (1, 3) if side in {"left", "right"} else (0, 2)
        place = 0.0 if side in {"left", "top"} else (width if side == "right" else height)
        along = np.linspace(_known(depths[near](place), 0.0), length - _known(depths[far](place), 0.0), steps)
        depth = np.array([depths[at](each) for each in along])
        if not np.isfinite(depth).all():
            continue
        across = {"left": depth, "right": width - depth, "top": depth, "bottom": height - depth}[side]
        found.append(np.column_stack([across, along] if side in {"left", "right"} else [along, across]))
    return tuple(found)


def _depth_of(inner: SideLine, cut: SideLine | None) -> Callable[[float], float]:
    """How far in from the cut edge as it runs an inner line lies; both lines count from the straight side."""
    return lambda along: float(inner.at(along)) - (0.0 if cut is None else float(cut.at(along)))


def _known(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def outer_curves(face: FaceMeasurement, *, steps: int = 25) -> tuple[Floats, ...]:
    """The cut edges likewise, from virtual corner to virtual corner: in the card's frame they are straight."""
    if face.outline is None:
        return ()
    corners = corners_mm(face.outline.spec.width, face.outline.spec.height)
    ends = ((corners[0], corners[3]), (corners[0], corners[1]), (corners[1], corners[2]), (corners[3], corners[2]))
    return tuple(np.linspace(first, last, steps) for first, last in ends)


def overlay(pixels: Pixels, face: FaceMeasurement, *, longest: int = OVERLAY_PX) -> Pixels:
    """The photo around the card with its outer and inner lines, the 24 points and what is marked.

    Args:
        pixels: (h, w, 3) uint8 RGB, that was measured.
        face: What was measured on it.
        longest: The longer side of the result, px.
    """
    left, top, right, bottom = shown_part(face)
    part = smaller(pixels[top:bottom, left:right], longest)
    factor = part.shape[1] / (right - left)

    def place(points: Any) -> Floats:
        return np.asarray((np.asarray(points, np.float64) - (left, top)) * factor - 0.5)

    picture = np.array(part)
    if face.outline is None:
        return picture
    line = max(1, round(max(picture.shape) / 900))
    for mark in every_mark(face):
        _stroke(picture, place(mark.outline), MARKED, line, closed=True)
    for curve in outer_curves(face):
        _stroke(picture, place(photo_points(face.outline, curve)), OUTER, line)
    for curve in inner_curves(face):
        _dashes(picture, place(photo_points(face.outline, curve)), INNER, line)
    for point in () if face.centering is None else face.centering.points:
        _dot(picture, place([point.at])[0], OUTER if point.edge == "outer" else INNER, 3 * line)
    return picture


def every_mark(face: FaceMeasurement) -> list[Mark]:
    """All marks of a face: of its corners, its edges, its surface."""
    at_corners = [mark for each in face.corners for mark in each.marks]
    return [*at_corners, *(mark for each in face.edges for mark in each.marks), *face.surface.marks]


def _stroke(picture: Pixels, points: Floats, colour: tuple[int, int, int], thick: int, *, closed: bool = False) -> None:
    import cv2

    cv2.polylines(picture, [np.rint(points * 16).astype(np.int32)], closed, colour, thick, cv2.LINE_AA, 4)


def _dashes(picture: Pixels, points: Floats, colour: tuple[int, int, int], thick: int) -> None:
    for first, last in zip(points[:-1:2], points[1::2], strict=False):
        _stroke(picture, np.array([first, last]), colour, thick)


def _dot(picture: Pixels, at: Floats, colour: tuple[int, int, int], radius: int) -> None:
    import cv2

    x, y = (round(float(each) * 16) for each in at)
    cv2.circle(picture, (x, y), (radius + 1) * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    cv2.circle(picture, (x, y), radius * 16, colour, -1, cv2.LINE_AA, 4)
