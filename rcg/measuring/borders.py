"""Where a card's border ends, side by side: candidates for the inner line, and one of them read at every station.

Depths in this file are millimetres inwards from the cut edge as it runs, its bow taken out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.geometry import extent
from rcg.images import Pixels
from rcg.measuring.profiles import Singles, Strip, density, fit_curve, in_card, peak_depths, sheared, side_length
from rcg.measuring.rectify import photo_points
from rcg.measuring.types import Outline

Floats = NDArray[np.float64]

_STATIONS = 100
_DEPTHS = (-0.6, 8.6)  # mm that are read
_WIDE = (0.55, 7.4)  # mm that a border may be wide
_SLOPES = np.linspace(-0.014, 0.014, 15)  # of an inner line against the cut; a print turns by 0.4 degrees at most
_WOBBLE = 0.1  # mm that a station may lie off the line that it votes for
_UNLIKE = 4.0  # CIE76 from the border's colour that is another colour
_MINOR = 0.35  # of a line's own step: what lies before it and is smaller does not end the border
_BAND = 0.8  # mm of the border from which its colour is read
_MOST = 6  # candidates a side
_LEAST = 0.18  # share of the stations that has to show a candidate
_CHUNK = 10  # stations that are read at once, so that only the pixels around them are turned into light


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """What one side of a card shows across its border.

    Attributes:
        strip: Its colours in CIE Lab; depths count from the cut.
        light: (n, d, 3) float32, the same in linear light, 0 to 1.
        border: (n, 3) float32 CIE Lab of the border beside the cut, smoothed along the side.
        away: (n, d) float32, CIE76 distance of every reading from it.
        unrest: What that distance is within the border itself.
        ramp: mm beside the cut that show the cut face and blur rather than the border.
    """

    strip: Strip
    light: Singles
    border: Singles
    away: Singles
    unrest: float
    ramp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A straight line at which the border's colour may end.

    Attributes:
        offset: Depth at the middle of the side, mm.
        slope: Depth gained a millimetre along the side.
        support: Share of the stations that show a step there, 0 to 1.
        quiet: Share of the stations where no other step of weight lies before it.
        beyond: Share of the stations where another colour follows.
        contrast: Median CIE76 distance of what follows from the border.
    """

    offset: float
    slope: float
    support: float
    quiet: float
    beyond: float
    contrast: float

    @property
    def mark(self) -> float:
        """How much speaks for it, 0 to 1, as seen on its own side."""
        return math.pow(self.support, 1.7) * self.quiet * self.beyond * math.sqrt(min(1.0, self.contrast / 8.0))


def read_side(pixels: Pixels, outline: Outline, side: str) -> Side:
    """Read the colours across one side's border, and what its own colour is.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card.
        side: One of `SIDES`.
    """
    size = (outline.spec.width, outline.spec.height)
    to_px = partial(photo_points, outline)
    length, px_mm = side_length(side, size), density(to_px, side, size)
    margin = max(outline.spec.radius + 2.0, 0.07 * length)
    beside = int(np.clip((length - 2 * margin) * px_mm / _STATIONS, 2, 6))  # readings that make a station
    fine = np.linspace(margin, length - margin, _STATIONS * beside)
    depth = np.arange(_DEPTHS[0], min(_DEPTHS[1], 0.2 * min(size)), max(0.02, 0.5 / px_mm))
    parts = []
    for few in fine.reshape(-1, _CHUNK * beside):
        grid = in_card(side, size, np.repeat(few, len(depth)), np.tile(depth, len(few)))
        parts.append(sampled_light(pixels, to_px(grid)).reshape(_CHUNK, beside, len(depth), 3).mean(axis=1))
    light = np.concatenate(parts)
    lab = np.asarray(cv2.cvtColor(light, cv2.COLOR_LRGB2LAB), np.float32)
    along = fine.reshape(_STATIONS, beside).mean(axis=1)
    strip = Strip(side=side, along=along, depth=depth, lab=lab, px_mm=px_mm, length=length)
    ramp = max(0.25, 2.2 / px_mm)
    return _against(strip, light, ramp, np.full(_STATIONS, ramp + _BAND), ramp)


def cut_contrast(side: Side) -> float:
    """CIE76 between the border and what lies just outside of the cut, median over the stations."""
    strip = side.strip
    outside = strip.lab[:, strip.depth <= min(-0.3, 0.2 - side.ramp)]
    if not outside.shape[1]:
        return math.inf
    return float(np.median(np.linalg.norm(np.median(outside, axis=1) - side.border, axis=1)))


def beyond_ramp(side: Side, line: Floats) -> Side:
    """The same side with the border's colour read up to a line, `line` (n,) mm deep, rather than beside the cut."""
    last = np.maximum(line - max(0.2, 1.5 / side.strip.px_mm), side.ramp + 0.15)
    return _against(side.strip, side.light, np.maximum(side.ramp, last - 1.6), last, side.ramp)


def sampled_light(pixels: Pixels, at: Floats) -> Singles:
    """Linear light at places of a picture, bilinear in light, since that is what blur has mixed.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        at: (n, 2) px.

    Returns:
        (n, 3) float32, 0 to 1.
    """
    last = np.array(pixels.shape[1::-1])
    place = np.clip(at - 0.5, -1e5, 1e6)
    least, most = extent(place)
    low = np.clip(np.floor(least).astype(int) - 1, 0, last - 2)
    high = np.clip(np.ceil(most).astype(int) + 2, low + 2, last)
    crop = np.asarray(cv2.LUT(pixels[low[1] : high[1], low[0] : high[0]], _TO_LIGHT), np.float32)
    rows = np.asarray((place - low).astype(np.float32).reshape(-1, 1, 2), np.float32)
    pieces = [
        cv2.remap(crop, rows[i : i + 32000], np.empty(0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for i in range(0, len(rows), 32000)
    ]
    return np.asarray(np.concatenate(pieces), np.float32).reshape(-1, 3)


def _to_light() -> Singles:
    """IEC 61966-2-1."""
    coded = np.arange(256) / 255
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).astype(np.float32)


_TO_LIGHT = _to_light()


def _against(strip: Strip, light: Singles, first: Floats | float, last: Floats, ramp: float) -> Side:
    """Distances from the colour that the border has between two depths."""
    begin = np.broadcast_to(first, last.shape)
    within = (strip.depth >= begin[:, None]) & (strip.depth <= last[:, None])
    masked = np.where(within[..., None], strip.lab, np.nan)
    colour = _smoothed(np.nanmedian(masked, axis=1))
    away = np.linalg.norm(strip.lab - colour[:, None], axis=2).astype(np.float32)
    unrest = float(np.nanmedian(np.where(within, away, np.nan)))
    return Side(strip=strip, light=light, border=colour, away=away, unrest=unrest, ramp=ramp)


def _smoothed(colour: Singles, reach: int = 12) -> Singles:
    """(n, 3) running medians along the side."""
    padded = np.pad(colour, ((reach, reach), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.asarray(np.median(windows, axis=-1), np.float32)


def find_candidates(side: Side) -> list[Candidate]:
    """Straight lines at which the border's colour may end, from outside to inside; none for a print without a border.

    Each station votes for the depths where its distance from the border's colour rises most steeply; a vote is capped,
    so that many weak stations outweigh few strong ones.
    """
    strip, width = side.strip, max(0.2, 1.6 / side.strip.px_mm)
    cap = max(_UNLIKE, 2.0 * side.unrest)
    full = rising(side, width)
    rise = full.copy()
    rise[:, (strip.depth < _WIDE[0]) | (strip.depth > _WIDE[1])] = 0
    votes = np.where(_peaks(rise, strip.step), np.minimum(rise / cap, 1), 0).astype(np.float32)
    found: list[Candidate] = []
    for _ in range(_MOST):
        offset, slope, support = _best_line(votes, strip)
        if support < _LEAST:
            break
        found.append(_judged(side, full, (offset, slope, support), cap=cap))
        line = offset + slope * (strip.along - strip.length / 2)
        votes[np.abs(strip.depth[None, :] - line[:, None]) <= 2 * _WOBBLE] = 0  # each vote counts for one line
    return sorted((each for each in found if each.mark > 0.02), key=lambda each: each.offset)


def _best_line(votes: Singles, strip: Strip) -> tuple[float, float, float]:
    """Depth at the middle, slope and support of the line that most stations vote for."""
    reach = max(1, round(_WOBBLE / strip.step))
    wide = np.asarray(cv2.dilate(votes, np.ones((1, 2 * reach + 1), np.uint8)), np.float32)
    totals = np.stack([sheared(wide, strip, slope).mean(axis=0) for slope in _SLOPES])
    smooth = np.asarray(cv2.GaussianBlur(totals, (0, 0), sigmaX=max(0.5, reach / 2), sigmaY=0.6))
    k, i = (int(each) for each in np.unravel_index(int(np.argmax(smooth)), smooth.shape))
    return float(strip.depth[i]), float(_SLOPES[k]), float(totals[k, i])


def rising(side: Side, width: float) -> Singles:
    """(n, d) how much the distance from the border's colour grows over `width` mm on both sides of each depth."""
    w = max(1, round(width / side.strip.step))
    kernel = np.concatenate([-np.ones(w), [0], np.ones(w)]).astype(np.float32)[None] / w
    grown = cv2.filter2D(side.away, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.maximum(np.asarray(grown, np.float32), 0)


def _peaks(values: Singles, step: float) -> NDArray[np.bool_]:
    reach = max(1, round(0.25 / step))
    largest = cv2.dilate(values, np.ones((1, 2 * reach + 1), np.uint8))
    return np.asarray((values >= largest - 1e-6) & (values > 0))


def _judged(side: Side, rise: Singles, line: tuple[float, float, float], *, cap: float) -> Candidate:
    strip = side.strip
    offset, slope, support = line
    at = (offset + slope * (strip.along - strip.length / 2))[:, None]
    gap = max(0.15, 1.2 / strip.px_mm)
    after = _unlike_between(side, at + 0.6 * gap, at + 0.6 * gap + 0.35)
    own = np.where(np.abs(strip.depth[None, :] - at) <= 0.2, rise, 0).max(axis=1)
    inside = (strip.depth[None, :] >= side.ramp + 0.1) & (strip.depth[None, :] <= at - max(0.45, 3 * gap))
    earlier = np.where(inside & _peaks(rise, strip.step), rise, 0).max(axis=1)  # a bevel rises without a peak
    quiet = float(np.mean(earlier < np.maximum(cap, _MINOR * own)))
    beyond = float(np.mean(np.nan_to_num(after) > cap))
    contrast = float(np.median(np.nan_to_num(after)))
    return Candidate(offset=offset, slope=slope, support=support, quiet=quiet, beyond=beyond, contrast=contrast)


def _unlike_between(side: Side, first: Floats, last: Floats) -> Floats:
    """(n,) 60th percentile of the distance between two depths at each station; NaN where nothing lies there."""
    depth = side.strip.depth[None, :]
    within = (depth >= first) & (depth <= last)
    ordered = np.sort(np.where(within, side.away, np.nan), axis=1)  # NaN last: many times faster than nanpercentile
    count = within.sum(axis=1)
    place = 0.6 * np.maximum(count - 1, 0)
    low = place.astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(ordered))
    below, above = ordered[rows, low], ordered[rows, high]
    return np.asarray(below + (place - low) * (above - below), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Followed:
    """A line as its stations read it.

    Attributes:
        depth: (n,) mm, where each station shows the steepest rise near the line.
        weights: (n,) 0 to 1, how far each counts.
        slope: Depth gained a millimetre along the side.
        offset: Depth at the middle of the side, mm.
        scatter: Robust standard deviation of one station, mm.
        agree: Share of the stations that lie on it.
    """

    depth: Floats
    weights: Floats
    slope: float
    offset: float
    scatter: float
    agree: float

    def at(self, along: Floats, length: float) -> Floats:
        """Depths along the side, mm."""
        return np.asarray(self.offset + self.slope * (along - length / 2))

    def moved(self, by: float) -> Followed:
        """The same line, `by` mm farther in."""
        return replace(self, offset=self.offset + by, depth=self.depth + by)


def follow(side: Side, candidate: Candidate, *, reach: float = 0.35) -> Followed:
    """Read a candidate's line at every station, and lay a straight line through most of them."""
    strip = side.strip
    rise = rising(side, max(0.12, 1.2 / strip.px_mm))
    line = candidate.offset + candidate.slope * (strip.along - strip.length / 2)
    near = np.abs(strip.depth[None, :] - line[:, None]) <= reach
    depth = peak_depths(np.where(near, rise, 0), strip)
    curve = fit_curve(strip.along, depth, degree=1, middle=strip.length / 2)
    away = np.abs(depth - curve.at(strip.along))
    agree = float(np.mean(away < max(0.12, 1.0 / strip.px_mm)))
    slope, offset = (float(each) for each in curve.coefficients)
    scatter = 1.4826 * float(np.median(away))
    return Followed(depth=depth, weights=curve.weights, slope=slope, offset=offset, scatter=scatter, agree=agree)
