"""The four corners: whitening, radius, angle, and stock that is not there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from rcg.images import Pixels
from rcg.measuring.contour import Contour, find_contour
from rcg.measuring.edges import (
    FINE_PX_MM,
    LEAST_PX_MM,
    STRAIGHT_ON,
    SideReading,
    bite_marks,
    confidence_of,
    lengths_differ,
    mark_of,
    read_sides,
    too_coarse,
    uneven_mm,
    white_marks,
    white_runs,
)
from rcg.measuring.rim import Rim, Strip, corner_reach, sample_rim
from rcg.measuring.types import CORNERS, MEASURED, UNDETERMINED, UNKNOWN, CornerWear, Floats, Mark, Outline, Value
from rcg.measuring.whitening import Whitening, find_whitening

_LEG_MM = 8.0
"""The sides' ends that a corner's two edges are read from."""
_ROUNDED_MM = 0.25
"""From so much above the stock's own radius on, a corner is called rounded."""
_LEAST_ARC = 0.3
"""Of a rounded corner at least this share of its arc is gone; less is a bite, but for square corners."""
_ALIKE_MM = 0.6
"""Corners whose radii differ less than this were cut by one die."""
_SHARED_MM, _ALIKE_BITES_MM = 0.5, 0.2
_NEXT_SIDES = ((0, 1), (2, 1), (2, 3), (0, 3))
_AT_START = ((True, True), (True, False), (False, False), (False, True))
"""Whether each corner lies at the left or upper end of its upright and of its level side."""


def measure_corners(pixels: Pixels, outline: Outline, *, inner_quad: ArrayLike | None = None) -> tuple[CornerWear, ...]:
    """Measure the four corners.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card's cut edge.
        inner_quad: (4, 2) px, where the border ends; helps on narrow borders.

    Returns:
        Four, in the order of `CORNERS`.
    """
    rim = sample_rim(pixels, outline, inner_quad=inner_quad)
    sides = read_sides(rim)
    return _without_die(tuple(_corner(rim, k, sides[a], sides[b]) for k, (a, b) in enumerate(_NEXT_SIDES)), outline)


def _without_die(corners: tuple[CornerWear, ...], outline: Outline) -> tuple[CornerWear, ...]:
    """Corners that are all rounder than the stock's by about the same were cut so, as those of early Magic cards.

    What they share is taken off the radius's error and the missing area, and is no mark.
    """
    errors = sorted(each.radius_error.value for each in corners if each.radius_error.known)
    corners = _without_shared_bites(corners)
    if len(errors) < 3 or errors[0] < _ROUNDED_MM or errors[2] - errors[0] > _ALIKE_MM:
        return corners
    shared, radius = float(np.median(errors)), outline.spec.radius
    area = (1 - math.pi / 4) * ((radius + shared) ** 2 - radius**2)
    return tuple(
        _less(each, shared, area, f"all corners were cut {shared:.1f} mm rounder than usual") for each in corners
    )


def _without_shared_bites(corners: tuple[CornerWear, ...]) -> tuple[CornerWear, ...]:
    """Corners without shallow notches that three or more have alike: there the outline follows a sleeve."""
    bitten = [[mark for mark in each.marks if mark.label == "notch"] for each in corners]
    deep = [max(mark.depth_mm for mark in few) for few in bitten if few]
    if len(deep) < 3 or max(deep) > _SHARED_MM or max(deep) - min(deep) > _ALIKE_BITES_MM:
        return corners
    why = "notches are not judged: the corners have them alike, as where a sleeve's edge is taken for the stock's"
    return tuple(
        replace(
            each,
            reason="; ".join(part for part in (each.reason, why) if part),
            missing_area=_doubted(each.missing_area) if few else each.missing_area,
            marks=tuple(mark for mark in each.marks if mark not in few),
        )
        for each, few in zip(corners, bitten, strict=True)
    )


def _doubted(area: Value) -> Value:
    """An area that may be none at all: it becomes the error."""
    return Value(0.0, round(math.hypot(area.sigma, 0.5 * area.value), 4)) if area.known else area


def _less(corner: CornerWear, shared: float, area: float, why: str) -> CornerWear:
    if not corner.radius_error.known:
        return corner
    error, gone = corner.radius_error, corner.missing_area
    worn = error.value - shared > max(_ROUNDED_MM, 3 * error.sigma)
    return replace(
        corner,
        reason="; ".join(each for each in (corner.reason, why) if each),
        radius_error=Value(round(error.value - shared, 4), error.sigma),
        missing_area=Value(round(max(gone.value - area, 0.0), 4), gone.sigma),
        marks=tuple(mark for mark in corner.marks if worn or mark.label != "corner_rounding"),
    )


def _corner(rim: Rim, k: int, upright: SideReading, level: SideReading) -> CornerWear:
    strip = rim.corners[k]
    coarse = too_coarse(strip.px_mm)
    if strip.px_mm < LEAST_PX_MM:
        return CornerWear(corner=CORNERS[k], status=UNDETERMINED, reason=coarse)
    rougher = max(upright.contour, level.contour, key=lambda each: each.scatter)
    contour = find_contour(strip, rim.white, like=rougher, offset=_offset(strip, k, upright, level))
    white = _whitening(rim, strip, contour, (upright, level))
    marks = [] if white.reason else white_marks(rim, strip, white, label="corner_whitening")
    shape: dict[str, Value] = {}
    if not contour.reason:
        seen = np.isfinite(contour.depth)
        radius = _radius(rim, k, strip, contour, seen)
        error = Value(round(radius.value - rim.outline.spec.radius, 4), radius.sigma) if radius.known else UNKNOWN
        area = _missing(strip, contour, seen)
        shape = {"radius": radius, "radius_error": error, "missing_area": area}
        marks += _shape_marks(rim, strip, contour.bites, error)
    angle = UNKNOWN if strip.px_mm < FINE_PX_MM else _angle_error(rim, k, upright, level)
    return CornerWear(
        corner=CORNERS[k],
        status=UNDETERMINED if white.reason else MEASURED,
        reason="; ".join(each for each in (white.reason, contour.reason, contour.doubt, coarse) if each),
        angle_error=angle,
        marks=tuple(marks),
        **({} if white.reason else _whitening_values(strip, white)),
        **shape,
    )


def _leg(side: SideReading, *, at_start: bool) -> slice:
    count = min(len(side.strip.base), round(_LEG_MM * side.strip.px_mm))
    return slice(0, count) if at_start else slice(len(side.strip.base) - count, len(side.strip.base))


def _offset(strip: Strip, k: int, upright: SideReading, level: SideReading) -> Floats:
    """(n,) mm that the two sides' contours lie off the outline, turned along the corner."""
    legs = [_leg(side, at_start=start) for side, start in zip((upright, level), _AT_START[k], strict=True)]
    off = [float(np.median(side.contour.offset[leg])) for side, leg in zip((upright, level), legs, strict=True)]
    share = strip.into**2
    return np.asarray(share[:, 0] * off[0] + share[:, 1] * off[1])


def _whitening(rim: Rim, strip: Strip, contour: Contour, sides: tuple[SideReading, ...]) -> Whitening:
    known = [each.whitening for each in sides if not each.whitening.reason]
    if not known:
        return find_whitening(strip, contour, rim.white)
    face = float(np.mean([each.cut_face for each in known]))
    noise = min(each.noise for each in known)
    return find_whitening(strip, contour, rim.white, cut_face=face, noise=noise)


def _whitening_values(strip: Strip, white: Whitening) -> dict[str, Value]:
    """The deepest whitening and its area; each sigma is what half a pixel of the inner edge makes."""
    found = white_runs(strip, white)
    areas = strip.areas(white.start, white.start + white.depth)
    area = sum(float(areas[a:b].sum()) for a, b in found)
    deepest = max((float(np.quantile(white.depth[a:b], 0.95)) for a, b in found), default=0.0)
    blur = 0.55 / strip.px_mm + 0.005
    long = sum(float(strip.width[a:b].sum()) for a, b in found)
    unseen, unseen_area = float(strip.width[~white.judged].sum()), 0.02 * (1 + 25 / strip.px_mm)
    return {
        "whitening_depth": Value(round(deepest, 4), round(math.hypot(0.5 / strip.px_mm, 0.08 * deepest), 4)),
        "whitening_area": Value(round(area, 4), round(blur * long + 0.08 * area + 0.1 * unseen + unseen_area, 4)),
    }


def _radius(rim: Rim, k: int, strip: Strip, contour: Contour, seen: Floats) -> Value:
    """The radius of the arc that touches both edges, from the stations between its two ends.

    A point (x, y) of such an arc, from the corner's tip, tells its radius as x + y + sqrt(2 x y).
    """
    spec = rim.outline.spec
    place = np.array([(0.0, 0.0), (spec.width, 0.0), (spec.width, spec.height), (0.0, spec.height)][k])
    sign = np.where(place > 0, -1.0, 1.0)
    reach = corner_reach(rim.outline)
    true = contour.depth - contour.offset
    at = np.clip((strip.base + strip.into * np.where(seen, true, 0.0)[:, None] - place) * sign, 0, None)
    radii = at[:, 0] + at[:, 1] + np.sqrt(2 * at[:, 0] * at[:, 1])
    away = np.abs(np.degrees(np.arctan2(np.abs(strip.into[:, 1]), np.abs(strip.into[:, 0]))) - 45)
    wide, found = 8.0, math.nan
    for _ in range(4):
        used = seen & (away < wide)
        if used.sum() < 4:
            return UNKNOWN
        found = float(np.median(radii[used]))
        ends = 45 - math.degrees(math.atan2(max(reach - found, 0.0), reach))
        wide = float(np.clip(0.65 * ends, 4.0, 30.0))
    spread = 1.4826 * float(np.median(np.abs(radii[used] - found))) / math.sqrt(max(used.sum() / 8, 1))
    lines = 2.4 * math.hypot(*(rim.outline.lines[s].sigma for s in _NEXT_SIDES[k])) / math.sqrt(2)
    return Value(round(found, 4), round(math.sqrt(spread**2 + lines**2 + (0.8 / strip.px_mm) ** 2), 4))


def _missing(strip: Strip, contour: Contour, seen: Floats) -> Value:
    """mm2 between the stock's own corner and the contour."""
    gone = np.where(seen, contour.bites, 0.0)  # what is less than the cut's roughness is the outline's own error
    area = float(strip.areas(np.zeros_like(gone), gone).sum())
    hidden = 0.0 if contour.unsure is None else float(strip.width[contour.unsure].sum())
    sigma = 0.25 / strip.px_mm * float(strip.width.sum()) + 0.1 * abs(area) + 0.5 * hidden
    return Value(round(max(area, 0.0), 4), round(sigma, 4))


def _shape_marks(rim: Rim, strip: Strip, bites: Floats, error: Value) -> list[Mark]:
    """A rounded corner, or the bites in one that is not."""
    if not (error.known and error.value > max(_ROUNDED_MM, 3 * error.sigma)):
        return bite_marks(rim, strip, bites)
    gone = np.flatnonzero(bites > 0)
    if not len(gone):
        return []
    part = slice(int(gone[0]), int(gone[-1]) + 1)
    square = rim.outline.spec.radius == 0
    if not square and float(strip.width[part].sum()) < _LEAST_ARC * float(strip.width.sum()):
        return bite_marks(rim, strip, bites)
    length, depth = float(strip.width[part].sum()), float(bites.max())
    by_shape = round(min(0.99, 1 - math.exp(-error.value / (2 * error.sigma))), 3)
    sure = min(by_shape, confidence_of(depth, strip.px_mm, uneven_mm(rim.outline)))
    return [
        mark_of(
            rim, strip, part, np.zeros_like(bites), bites, label="corner_rounding", depth=depth,
            length=length, confidence=sure,
        )
    ]  # fmt: skip


def _angle_error(rim: Rim, k: int, upright: SideReading, level: SideReading) -> Value:
    """Degrees: how the two edges' ends lean off their own lines and, where seen from straight above, the lines too."""
    if upright.contour.reason or level.contour.reason:
        return UNKNOWN
    lean, variance = 0.0, 0.0
    for side, start in zip((upright, level), _AT_START[k], strict=True):
        slope, sigma = _slope(side, _leg(side, at_start=start))
        lean += slope if start else -slope
        variance += sigma**2
    quad = rim.outline.quad
    before, after = quad[k - 1] - quad[k], quad[(k + 1) % 4] - quad[k]
    differ = lengths_differ(rim.outline)
    lines = 0.0
    if differ < STRAIGHT_ON:
        cosine = float(before @ after / (np.hypot(*before) * np.hypot(*after)))
        lines = math.degrees(math.acos(np.clip(cosine, -1, 1))) - 90
    more = 0.05 + 15 * differ if differ < STRAIGHT_ON else 0.3
    return Value(round(lines - math.degrees(lean), 3), round(math.sqrt(math.degrees(1) ** 2 * variance + more**2), 3))


def _slope(side: SideReading, leg: slice) -> tuple[float, float]:
    """The lean of a side's end against the outline's line, as a tangent, and its sigma (Theil and Sen's median)."""
    depth = side.contour.depth[leg]
    good = np.isfinite(depth) & (np.abs(side.contour.bite[leg]) < 0.1)
    if good.sum() < 12:
        return 0.0, 0.01
    at = np.arange(len(depth))[good] / side.strip.px_mm
    values = depth[good]
    half = len(at) // 2
    slopes = (values[-half:] - values[:half]) / (at[-half:] - at[:half])
    return float(np.median(slopes)), max(0.2 / side.strip.px_mm, side.contour.scatter) / (_LEG_MM / 2)
