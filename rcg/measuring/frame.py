"""From four inner lines to all that is told of a card's centering: widths, ratios, turn, and the 24 points.

An inner line is kept as depths from the straight sides of the outline's quad, as the cut edges are; the border's width
is what lies between the two, the bow that the lens gives both taken out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.geometry import transform
from rcg.images import Pixels
from rcg.measuring.plausible import TURNS
from rcg.measuring.profiles import in_card, sampled, side_length
from rcg.measuring.rectify import photo_points, to_pixels
from rcg.measuring.types import (
    MEASURED,
    SIDES,
    STATIONS,
    Centering,
    EdgePoint,
    Outline,
    SideLine,
    Value,
)
from rcg.measuring.uncertainty import outer_sigma, ratio_sigma, shared_sigma

Floats = NDArray[np.float64]

_PROFILE = (-1.5, 1.5)  # mm before the cut and beyond the inner line that a point's profile shows
_STEP = 0.05  # mm between the colours of a profile
_BESIDE = np.linspace(-0.6, 0.6, 5)  # mm along the side over which they are averaged
_OPPOSITE = (2, 3, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InnerEdge:
    """One side's inner line against the cut as it runs.

    Attributes:
        offset: The border's width at the middle of the side, mm.
        slope: What it gains a millimetre along the side.
        along: (n,) mm, the stations.
        width: (n,) mm, what each reads.
        kept: (n,) bool, those that the line follows.
        sigma: Of the mean width, mm, as far as the inner line is to blame.
        agree: Share of the stations that it follows.
        px_mm: Pixels a millimetre.
    """

    offset: float
    slope: float
    along: Floats
    width: Floats
    kept: NDArray[np.bool_]
    sigma: float
    agree: float
    px_mm: float


def line_of(outline: Outline, side: str, edge: InnerEdge) -> SideLine:
    """An inner edge as a line whose depths count from the quad's straight side."""
    middle = side_length(side, _size(outline)) / 2
    bow, fade = _bows(outline, side, middle, edge.offset)
    at = np.polyval(np.polyadd(bow, fade), edge.along - middle)
    curve = np.polyadd(np.array([edge.slope, edge.offset]), np.polyadd(bow, fade))
    return SideLine(
        side=side, along=edge.along, depth=edge.width + at, kept=edge.kept, curve=tuple(float(c) for c in curve),
        middle=middle, sigma=edge.sigma, agree=edge.agree, px_mm=edge.px_mm,
    )  # fmt: skip


def width_along(outline: Outline, line: SideLine, along: Floats) -> Floats:
    """The border's width at places along a side, mm, from its inner line."""
    bow, fade = _bows(outline, line.side, line.middle, float(line.at(line.middle)))
    return np.asarray(line.at(along) - np.polyval(np.polyadd(bow, fade), along - line.middle))


def against(side: str, mm: Floats, size: tuple[float, float]) -> tuple[Floats, Floats]:
    """Along and depth of (n, 2) mm of the card, against one of its sides."""
    x, y = mm[:, 0], mm[:, 1]
    return {"left": (y, x), "top": (x, y), "right": (y, size[0] - x), "bottom": (x, size[1] - y)}[side]


def _size(outline: Outline) -> tuple[float, float]:
    return outline.spec.width, outline.spec.height


def _bows(outline: Outline, side: str, middle: float, width: float) -> tuple[Floats, Floats]:
    """The cut's own curve, and what of it fades, and of the opposite cut's comes in, `width` mm farther in."""
    if not outline.lines:
        return np.zeros(1), np.zeros(1)
    k = SIDES.index(side)
    own, far = outline.lines[k], outline.lines[_OPPOSITE[k]]
    depth = _size(outline)[0] if side in ("left", "right") else _size(outline)[1]
    places = np.linspace(0, 2 * middle, 7)
    bow = np.polyfit(places - middle, own.at(places), 2)
    fade = np.polyfit(places - middle, -(own.at(places) + far.at(places)) * width / depth, 2)
    return np.asarray(bow), np.asarray(fade)


def frame_of(
    pixels: Pixels,
    outline: Outline,
    lines: tuple[SideLine, ...],
    *,
    status: str = MEASURED,
    reason: str = "",
    method: str = "lines",
    notes: tuple[str, ...] = (),
) -> Centering:
    """All figures of a card whose four inner lines are known.

    Args:
        pixels: (h, w, 3) uint8 sRGB, for the points' profiles.
        outline: The card.
        lines: The inner lines in the order of `SIDES`.
        status: "measured" or "undetermined".
        reason: Why, where it is undetermined.
        method: "lines", "hand" or "reference".
        notes: What was recognised.
    """
    size = _size(outline)
    lengths = [side_length(side, size) for side in SIDES]
    stations = np.array(STATIONS)
    wide = zip(lines, lengths, strict=True)
    widths = np.stack([width_along(outline, line, stations * length) for line, length in wide])
    own = [math.hypot(line.sigma, _cut_sigma(outline, k)) for k, line in enumerate(lines)]
    shared = [shared_sigma(line.px_mm) for line in lines]
    mean = widths.mean(axis=1).tolist()
    slopes = np.array([_slope(outline, line, length) for line, length in zip(lines, lengths, strict=True)])
    return Centering(
        status=status,
        reason=reason,
        method=method,
        points=_points(pixels, outline, lines, widths),
        inner_quad=corners_of(outline, lines),
        widths=widths,
        width_sigma=np.hypot(own, shared),
        left_right=_share(mean[0], mean[2]),
        top_bottom=_share(mean[1], mean[3]),
        worst_left_right=_worst(widths[0], widths[2]),
        worst_top_bottom=_worst(widths[1], widths[3]),
        sigma=(ratio_sigma(mean[0], mean[2], own[0], own[2]), ratio_sigma(mean[1], mean[3], own[1], own[3])),
        rotation_deg=_turn(slopes, lines, lengths),
        trapezoid_deg=(_degrees(-(slopes[0] + slopes[2]) / 2), _degrees(-(slopes[1] + slopes[3]) / 2)),
        shift_mm=((mean[0] - mean[2]) / 2, (mean[1] - mean[3]) / 2),
        shift_sigma_mm=(math.hypot(own[0], own[2]) / 2, math.hypot(own[1], own[3]) / 2),
        lines=lines,
        notes=notes,
    )


def _cut_sigma(outline: Outline, k: int) -> float:
    return outer_sigma(outline.lines[k], outline.notes) if outline.lines else 0.0


def _share(first: float, second: float) -> float:
    return float(100 * first / (first + second)) if first + second > 0 else math.nan


def _worst(first: Floats, second: Floats) -> float:
    """The share of the first at the station where it is farthest from one half."""
    shares = 100 * first / np.where(first + second > 0, first + second, np.nan)
    known = shares[np.isfinite(shares)]
    return float(known[np.argmax(np.abs(known - 50))]) if len(known) else math.nan


def _slope(outline: Outline, line: SideLine, length: float) -> float:
    ends = width_along(outline, line, np.array([0.0, length]))
    return float(ends[1] - ends[0]) / length


def _degrees(radians: float) -> float:
    return float(np.degrees(np.arctan(radians)))


def _turn(slopes: Floats, lines: tuple[SideLine, ...], lengths: list[float]) -> Value:
    """The turn that the sides share; its sigma from their scatter, which a trapezoid adds to, and each line's own."""
    turns = slopes * TURNS
    own = [line.sigma * math.sqrt(12) / length for line, length in zip(lines, lengths, strict=True)]
    sigma = math.hypot(float(np.std(turns, ddof=1)), float(np.mean(own))) / math.sqrt(len(turns))
    return Value(_degrees(float(turns.mean())), _degrees(sigma))


def corners_of(outline: Outline, lines: tuple[SideLine, ...]) -> Floats:
    """(4, 2) px: where the inner lines meet, in the order of the outline's corners."""
    width, height = _size(outline)
    left, top, right, bottom = lines
    found = []
    for upright, level, x0, y0 in ((left, top, 0, 0), (right, top, 1, 0), (right, bottom, 1, 1), (left, bottom, 0, 1)):
        x, y = x0 * width, y0 * height
        for _ in range(6):  # slopes of a hundredth: each round gains two digits
            across, down = float(upright.at(y)), float(level.at(x))
            x, y = (width - across if x0 else across), (height - down if y0 else down)
        found.append((x, y))
    return transform(to_pixels(outline.quad, width, height), np.array(found))


def _points(pixels: Pixels, outline: Outline, lines: tuple[SideLine, ...], widths: Floats) -> tuple[EdgePoint, ...]:
    size = _size(outline)
    found: list[EdgePoint] = []
    for k, (side, line) in enumerate(zip(SIDES, lines, strict=True)):
        along = np.array(STATIONS) * side_length(side, size)
        shared = shared_sigma(line.px_mm)
        strips = [_profile(pixels, outline, side, place, wide) for place, wide in zip(along, widths[k], strict=True)]
        for edge, depths, own in (("outer", np.zeros(3), _cut_sigma(outline, k)), ("inner", widths[k], line.sigma)):
            mm = in_card(side, size, along, depths)
            px = photo_points(outline, mm)
            found += [
                EdgePoint(
                    side=side, edge=edge, station=n, at=_pair(px[n]), mm=_pair(mm[n]),
                    sigma=math.hypot(own, shared), profile=strips[n][0], profile_mm=strips[n][1],
                )
                for n in range(3)
            ]  # fmt: skip
    return tuple(found)


def _profile(
    pixels: Pixels, outline: Outline, side: str, place: float, width: float
) -> tuple[NDArray[np.uint8], Floats]:
    """The colours across a side at one place, and their depths from the cut."""
    last = min(max(1.0, width), 12.0) + _PROFILE[1] if math.isfinite(width) else 8.0
    depth = np.arange(_PROFILE[0], last, _STEP)
    grid = in_card(side, _size(outline), np.repeat(place + _BESIDE, len(depth)), np.tile(depth, len(_BESIDE)))
    read = sampled(pixels, photo_points(outline, grid)).reshape(len(_BESIDE), len(depth), 3).mean(axis=0)
    return np.asarray(np.rint(read), np.uint8), depth


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])
