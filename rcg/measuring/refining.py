"""From a quad near a card's edge to the edge itself, to a part of a pixel, and bowed where the lens bows it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.images import Pixels
from rcg.measuring.edge_model import BLURS, core_width, fitted_steps, signal_of, to_linear
from rcg.measuring.profiles import (
    Curve,
    Mapping,
    Strip,
    density,
    depth_of,
    find_lines,
    fit_curve,
    in_card,
    peak_depths,
    read_strip,
    sampled,
    side_length,
    steps,
)
from rcg.measuring.rectify import straight
from rcg.measuring.types import SIDES, SideLine

Floats = NDArray[np.float64]

STATIONS = 96
_REACH_PX = 4.0  # of the profile that the edge is fitted in, to both sides
_UNITS = (1, 2, 4)  # by which a blurred picture is taken as a coarser one
_ASTRAY_MM = 0.9  # from the quad, which lies within a few tenths
_REACH_MM = 0.85  # beyond that there may be an inner frame, or a well
_SEEN = 0.6  # power of light that a wide ramp is read in: a cut face that is seen at a slant, whose half the eye takes
_DISTINCT = 3.0  # CIE76 of a step that is surely one
_BOW_MM = 0.3  # how far an edge bows from a straight line through it
_CORE_PX_MM = 11.5  # below, a core cannot be told from a seam beside the card
_CORE_MM = 0.15  # the widest cut face that is seen beside a border
_BOW_SIGMAS = 3.0  # how sure a bow has to be


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """A side while it is refined: depths at its stations in the frame of the quad, and the curve through them."""

    side: str
    along: Floats
    depth: Floats
    curve: Curve
    px_mm: float

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) whether each station lies on the curve."""
        away = np.abs(self.depth - self.curve.at(self.along))
        return np.asarray(np.nan_to_num(away, nan=np.inf) < max(0.08, 1.0 / self.px_mm))

    @property
    def agree(self) -> float:
        """Share of the stations that lie on the curve."""
        return float(self.kept.mean())


def refine_quad(
    pixels: Pixels, quad: Floats, spec: CardSpec, *, reaches: tuple[float, ...] = ()
) -> tuple[Floats, tuple[SideLine, ...]]:
    """Move a quad onto the edge that it nearly lies on.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        quad: (4, 2) corners in pixels, clockwise from the left top.
        spec: The card's stock.
        reaches: How far from the last quad the edge is looked for first, mm, round by round; for a quad that lies well
            off the edge.

    Returns:
        (4, 2) px the corners where the fitted edges meet, and the edges in the order of `SIDES`, with depths that count
        from these corners.
    """
    size = spec.width, spec.height
    margin = spec.radius + 1.0
    for reach in reaches:
        to_px = straight(quad, size)
        curves = [_coarse(pixels, to_px, side, size, (reach, margin)).curve for side in SIDES]
        quad = to_px(meeting(curves, size))
    to_px = straight(quad, size)
    found = [_side(pixels, to_px, side, size, margin) for side in SIDES]
    corners = meeting([each.curve for each in found], size)
    ends = _ends(corners, size)
    lines = tuple(_from_chord(one, *end) for one, end in zip(found, ends, strict=True))
    return to_px(corners), lines


def _side(pixels: Pixels, to_px: Mapping, side: str, size: tuple[float, float], margin: float) -> _Read:
    """A side's edge: from where the card's colour is half lost where stations agree on it, or from the largest step."""
    length = side_length(side, size)
    ends = np.array([margin, length / 2, length - margin])
    crossed = _tamed(_crossed(pixels, to_px, side, size, margin), ends)
    coarse = _coarse(pixels, to_px, side, size, (0.35, margin))
    largest = _tamed(coarse.curve, ends)
    best = _fine(pixels, to_px, side, size, (crossed, margin))
    if best.agree < 0.9 and float(np.abs(crossed.at(ends) - largest.at(ends)).max()) * best.px_mm > 1.0:
        other = _fine(pixels, to_px, side, size, (largest, margin))
        best = best if best.agree > 0.8 * other.agree else other
    best = _fine(pixels, to_px, side, size, (_tamed(best.curve, ends), margin), with_core=True)
    astray = np.abs(best.curve.at(ends)).max() > _ASTRAY_MM
    return coarse if astray or best.agree < 0.6 * coarse.agree else best  # of few pixels, the wide filter makes more


def _tamed(curve: Curve, ends: Floats) -> Curve:
    """A curve, or the straight side where stations that agree on nothing have led it astray."""
    if np.abs(curve.at(ends)).max() < _ASTRAY_MM:
        return curve
    return Curve(coefficients=np.zeros(2), middle=curve.middle, weights=curve.weights * 0, scatter=np.inf)


def _coarse(pixels: Pixels, to_px: Mapping, side: str, size: tuple[float, float], within: tuple[float, float]) -> _Read:
    """The edge along the change of colour that most stations show; `within` is how far to look, and the margin, mm."""
    reach, margin = within
    strip = read_strip(pixels, to_px, side, size, depths=(-reach - 1.2, reach + 1.2), stations=64, margin=margin)
    lines = [each for each in find_lines(strip) if abs(each.offset) <= reach]
    best = max(lines, key=lambda each: each.support * min(1.0, each.contrast / _DISTINCT), default=None)
    at = np.zeros(len(strip.along)) if best is None else depth_of(best, strip.along, strip.length)
    depth = edge_depths(strip, at, reach if best is None else max(_BOW_MM, 1.5 / strip.px_mm))
    curve = bowed_curve(strip.along, depth, strip.length / 2)
    return _Read(side=side, along=strip.along, depth=depth, curve=curve, px_mm=strip.px_mm)


def edge_depths(strip: Strip, at: Floats, reach: float) -> Floats:
    """(n,) mm: the largest change of colour at each station within `reach` of (n,) depths."""
    change = steps(strip, max(0.3, 2.5 / strip.px_mm))
    near = np.abs(strip.depth[None, :] - at[:, None]) <= reach
    here = change[np.arange(len(at)), np.clip(np.searchsorted(strip.depth, at), 0, len(strip.depth) - 1)]
    common = np.median(here, axis=0)
    norm = float(np.linalg.norm(common))
    alike = norm > max(1.0, 0.4 * float(np.median(np.linalg.norm(here, axis=1))))  # art over the edge has many colours
    size = np.asarray(change @ (common / norm) if alike else np.linalg.norm(change, axis=2), dtype=np.float32)
    return peak_depths(np.where(near, size, 0).astype(np.float32), strip)


def bowed_curve(along: Floats, depth: Floats, middle: float) -> Curve:
    """A line through depths along a side, or a parabola where its bow is beyond doubt."""
    line = fit_curve(along, depth, degree=1, middle=middle)
    bow = fit_curve(along, depth, degree=2, middle=middle)
    n = max(1.0, float((bow.weights > 0.3).sum()))
    x = (along - middle) / (np.ptp(along) / 2)
    # the spread of a parabola's coefficient under independent scatter, three times for what neighbours share
    sigma = 1.7 * bow.scatter / math.sqrt(n) / float(np.std(x * x)) if np.isfinite(bow.scatter) else np.inf
    sagitta = abs(float(bow.coefficients[0])) * (np.ptp(along) / 2) ** 2
    return bow if sagitta > _BOW_SIGMAS * sigma else line


def _crossed(pixels: Pixels, to_px: Mapping, side: str, size: tuple[float, float], margin: float) -> Curve:
    """The curve where the card's own colour is first half lost on the way out.

    Beside an edge there may be a seam, a shadow or both, and steps of their own: the edge is the innermost.
    """
    clear = max(0.3, 2.5 / density(to_px, side, size))
    strip = read_strip(pixels, to_px, side, size, depths=(-clear - 0.5, clear + 0.7), stations=64, margin=margin)
    inside = (strip.depth > clear) & (strip.depth < clear + 0.5)
    outside = (strip.depth > -clear - 0.2) & (strip.depth < -clear + max(0.05, 1.1 * strip.step))
    card = np.median(strip.lab[:, inside], axis=1)
    away = np.median(strip.lab[:, outside], axis=1) - card
    height = np.linalg.norm(away, axis=1)
    share = np.einsum("ndc,nc->nd", strip.lab - card[:, None], away) / np.maximum(height, 1e-6)[:, None] ** 2
    lost = (share > 0.5) & (strip.depth <= clear)[None, :]
    last = lost.shape[1] - 1 - np.argmax(lost[:, ::-1], axis=1)
    rows = np.arange(len(last))
    step = share[rows, last] - share[rows, np.minimum(last + 1, lost.shape[1] - 1)]
    between = np.clip((share[rows, last] - 0.5) / np.maximum(step, 1e-6), 0, 1)
    depth = np.where(lost.any(axis=1) & (height > 1.5), strip.depth[last] + between * strip.step, np.nan)
    return bowed_curve(strip.along, depth, strip.length / 2)


def _fine(
    pixels: Pixels,
    to_px: Mapping,
    side: str,
    size: tuple[float, float],
    near: tuple[Curve, float],
    *,
    with_core: bool = False,
) -> _Read:
    """The edge at each station in linear light, near a curve that was found before; coarser where it is blurred.

    With the core, a white line of bare paper around a dark border is taken to the card.
    """
    curve, margin = near
    length, px_mm = side_length(side, size), density(to_px, side, size)
    beside = int(np.clip(math.ceil(length * px_mm / STATIONS), 2, 24))
    fine = np.linspace(margin, length - margin, STATIONS * beside)
    along = fine.reshape(STATIONS, beside).mean(axis=1)
    shift = np.full(STATIONS, np.nan)
    for unit in [each for each in _UNITS if each == 1 or each * _REACH_PX < _REACH_MM * px_mm]:
        reach = unit * np.arange(-2 * _REACH_PX, 2 * _REACH_PX + 1) / 2  # every half pixel
        depth = curve.at(fine)[:, None] + reach[None, :] / px_mm
        grid = in_card(side, size, np.repeat(fine, len(reach)), depth.reshape(-1))
        light = to_linear(sampled(pixels, to_px(grid)))
        light = light.reshape(STATIONS, beside, len(reach), 3).mean(axis=1, dtype=np.float64)
        signal = signal_of(light if unit == 1 else light**_SEEN)
        shift, blur = fitted_steps(signal)
        shift = shift * unit
        if blur < len(BLURS) - 1:
            break
    if with_core and px_mm > _CORE_PX_MM:
        shift = shift - unit * core_width(np.median(signal, axis=0), _CORE_MM * px_mm / unit)
    found = curve.at(along) + shift / px_mm
    return _Read(side=side, along=along, depth=found, curve=bowed_curve(along, found, length / 2), px_mm=px_mm)


def meeting(curves: list[Curve], size: tuple[float, float]) -> Floats:
    """(4, 2) mm: where four bowed sides meet, clockwise from the left top.

    Args:
        curves: Of the left, top, right and bottom side.
        size: Width and height of the frame that their depths count from, mm.
    """
    width, height = size
    left, top, right, bottom = curves
    found = []
    for upright, level, x0, y0 in ((left, top, 0, 0), (right, top, 1, 0), (right, bottom, 1, 1), (left, bottom, 0, 1)):
        x, y = x0 * width, y0 * height
        for _ in range(6):  # slopes of a few hundredths: each round gains more than a digit
            across, down = float(upright.at(np.array(y))), float(level.at(np.array(x)))
            x, y = (width - across if x0 else across), (height - down if y0 else down)
        found.append((x, y))
    return np.array(found)


def _ends(corners: Floats, size: tuple[float, float]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """For each side, where along it and how deep its two ends lie, mm."""
    width, height = size
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners.tolist()
    return [
        ((ay, ax), (dy, dx)),
        ((ax, ay), (bx, by)),
        ((by, width - bx), (cy, width - cx)),
        ((dx, height - dy), (cx, height - cy)),
    ]


def _from_chord(read: _Read, first: tuple[float, float], last: tuple[float, float]) -> SideLine:
    """A side's edge with its depths counted from the straight line between its ends."""
    slope = (last[1] - first[1]) / (last[0] - first[0])
    curve = read.curve
    coefficients = curve.coefficients.copy()
    coefficients[-2:] -= (slope, first[1] + slope * (curve.middle - first[0]))
    chord = first[1] + slope * (read.along - first[0])
    kept = read.kept
    n = max(1.0, kept.sum() / 6)  # neighbours share their errors
    scatter = curve.scatter if math.isfinite(curve.scatter) else 1.0
    return SideLine(
        side=read.side,
        along=read.along,
        depth=read.depth - chord,
        kept=kept,
        curve=tuple(float(each) for each in coefficients),
        middle=curve.middle,
        sigma=math.hypot(scatter / math.sqrt(n), 0.05 / read.px_mm),
        agree=float(kept.mean()),
        px_mm=read.px_mm,
    )
