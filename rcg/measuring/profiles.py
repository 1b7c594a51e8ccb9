"""Profiles across a card's sides: many stations a side, read from the picture into CIE Lab, and the lines in them.

A side's profile runs from outside the card to its inside: depth 0 lies on the side of the frame that was given, below
zero outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.geometry import extent
from rcg.images import Pixels
from rcg.measuring.kernels import common_change, sheared_means
from rcg.measuring.types import SIDES

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Mapping = Callable[[Floats], Floats]
"""From (n, 2) millimetres in the card's frame to (n, 2) pixels of the picture."""

ALONG = 3
"""Readings beside one another that make a station."""

_SEARCH = np.linspace(-0.036, 0.036, 19)  # slopes of a line against the frame's side that are tried
_WOBBLE_MM = 0.12  # how far a station may lie from the line that it supports
_CHUNK = 8000  # places that are read at once; `cv2.remap` takes no side over 32767


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """The colours across one side.

    Attributes:
        side: One of `SIDES`.
        along: (n,) where the stations lie along the side, mm from its left or upper end.
        depth: (d,) mm inwards from the frame's side, evenly spaced.
        lab: (n, d, 3) float32 CIE Lab.
        px_mm: Pixels of the picture a millimetre, across the side.
        length: Of the side, mm.
    """

    side: str
    along: Floats
    depth: Floats
    lab: Singles
    px_mm: float
    length: float

    @property
    def step(self) -> float:
        """Millimetres between two readings."""
        return float(self.depth[1] - self.depth[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight change of colour along a side.

    Attributes:
        offset: Depth at the middle of the side, mm.
        slope: Depth gained per mm along the side.
        support: Share of the stations that show it beyond what chance would, 0 to 1.
        contrast: Size of the step that the stations have in common, CIE76: unrest has none.
    """

    offset: float
    slope: float
    support: float
    contrast: float


def side_length(side: str, size: tuple[float, float]) -> float:
    """How long a side of a card of `size` (width, height) is, mm."""
    return size[1] if side in ("left", "right") else size[0]


def in_card(side: str, size: tuple[float, float], along: Floats, depth: Floats) -> Floats:
    """Points of a side in the card's own frame.

    Args:
        side: One of `SIDES`.
        size: Width and height of the card, mm.
        along: (n,) mm from the side's left or upper end.
        depth: (n,) mm inwards.

    Returns:
        (n, 2) mm.
    """
    width, height = size
    if side == "left":
        return np.column_stack([depth, along])
    if side == "right":
        return np.column_stack([width - depth, along])
    if side == "top":
        return np.column_stack([along, depth])
    return np.column_stack([along, height - depth])


def density(to_px: Mapping, side: str, size: tuple[float, float]) -> float:
    """Pixels of the picture a millimetre, across a side at its middle."""
    middle = np.full(2, side_length(side, size) / 2)
    ends = to_px(in_card(side, size, middle, np.array([-0.5, 0.5])))
    return float(np.linalg.norm(ends[1] - ends[0]))


def read_strip(
    pixels: Pixels,
    to_px: Mapping,
    side: str,
    size: tuple[float, float],
    *,
    depths: tuple[float, float],
    stations: int = 96,
    margin: float = 4.0,
    finest: float = 0.02,
) -> Strip:
    """Read the colours across one side of a card.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        to_px: From the card's millimetres to the picture's pixels.
        side: One of `SIDES`.
        size: Width and height of the card, mm.
        depths: First and last depth, mm.
        stations: How many.
        margin: Left free at both ends of the side, mm, where the corners are round.
        finest: Smallest distance between readings, mm; it is never below half a pixel.
    """
    length = side_length(side, size)
    fine = np.linspace(margin, length - margin, stations * ALONG)
    px_mm = density(to_px, side, size)
    step = max(finest, 0.5 / px_mm)
    depth = np.arange(depths[0], depths[1], step)
    grid = in_card(side, size, np.repeat(fine, len(depth)), np.tile(depth, len(fine)))
    lab = sampled_lab(pixels, to_px(grid)).reshape(stations, ALONG, len(depth), 3).mean(axis=1)
    along = fine.reshape(stations, ALONG).mean(axis=1)
    return Strip(side=side, along=along, depth=depth, lab=lab, px_mm=px_mm, length=length)


def sampled(pixels: Pixels, at: Floats) -> Singles:
    """The colours at places of a picture, bilinear; beyond the picture its rim is repeated.

    Args:
        pixels: (h, w, 3) uint8.
        at: (n, 2) px from the left top corner of the left top pixel.

    Returns:
        (n, 3) float32, 0 to 255.
    """
    rows = np.clip(at - 0.5, -1e4, 1e6).astype(np.float32)  # OpenCV counts from the middle of the first pixel
    parts = [_read(pixels, rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts)


def _read(pixels: Pixels, rows: Singles) -> Singles:
    """The same for so few places that their part of the picture is small, however large the picture is."""
    last = np.array(pixels.shape[1::-1])
    least, most = extent(rows)
    low = np.clip(np.floor(least).astype(int) - 2, 0, np.maximum(last - 2, 0))
    high = np.clip(np.ceil(most).astype(int) + 3, np.minimum(2, last), last)
    crop = pixels[low[1] : high[1], low[0] : high[0]].astype(np.float32)  # of whole numbers remap gives whole numbers
    at = (rows - low.astype(np.float32)).reshape(-1, 1, 2)
    found = cv2.remap(crop, at, np.empty(0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32).reshape(-1, 3)


def sampled_lab(pixels: Pixels, at: Floats) -> Singles:
    """(n, 3) float32 CIE Lab at (n, 2) px; see `sampled`."""
    rgb = (sampled(pixels, at) / 255).reshape(-1, 1, 3)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), np.float32).reshape(-1, 3)


def steps(strip: Strip, width_mm: float) -> Singles:
    """The change of colour across every depth: the mean just inside less the mean just outside.

    Args:
        strip: The profiles.
        width_mm: How much is averaged on each side.

    Returns:
        (n, d, 3) Lab differences; zero where the window does not fit. Entry i is the change at depth[i].
    """
    w = max(1, round(width_mm / strip.step))
    sums = np.cumsum(np.pad(strip.lab, ((0, 0), (1, 0), (0, 0))), axis=1, dtype=np.float64)
    out = np.zeros_like(strip.lab)
    d = len(strip.depth)
    if d > 2 * w + 1:  # the reading at i itself belongs to neither side
        inside = sums[:, 2 * w + 1 :] - sums[:, w + 1 : d + 1 - w]
        outside = sums[:, w : d - w] - sums[:, : d - 2 * w]
        out[:, w : d - w] = (inside - outside) / w
    return out


def find_lines(strip: Strip, *, most: int = 9, noise: float | None = None) -> list[Line]:
    """Straight changes of colour that run along a side, by depth from outside to inside.

    Each station votes for the depths where its step is locally largest; a vote is capped, so that many weak stations
    outweigh few strong ones.

    Args:
        strip: The profiles.
        most: How many lines at most.
        noise: Steps of this size count in full, CIE76; by default from the profiles' own unrest.
    """
    change = np.ascontiguousarray(steps(strip, max(0.25, 2.0 / strip.px_mm)))
    size = np.asarray(np.linalg.norm(change, axis=2), np.float32)
    return find_lines_in(size, change, strip, noise=noise, most=most)


def find_lines_in(
    size: Singles, change: Singles, strip: Strip, *, noise: float | None = None, most: int = 9
) -> list[Line]:
    """As `find_lines`, in a response of one's own.

    Args:
        size: (n, d) strength of the step at every depth.
        change: (n, d, c) the step itself, whose median over the stations is the line's contrast.
        strip: The profiles that it was made from.
        noise: Steps of this size count in full.
        most: How many lines at most.
    """
    cap = noise or float(np.clip(2.5 * np.median(size), 2.0, 9.0))
    votes = np.where(_locally_largest(size, strip.step), np.minimum(size / cap, 1), 0).astype(np.float32)
    reach = max(1, round(_WOBBLE_MM / strip.step))
    votes = np.asarray(cv2.dilate(votes, np.ones((1, 2 * reach + 1), np.uint8)), np.float32)
    shifts = _shifts(strip, _SEARCH)
    totals = sheared_means(votes, shifts)
    chance = float(np.percentile(totals[len(_SEARCH) // 2], 60))  # what unrest alone collects
    totals = np.clip((totals - chance) / (1 - chance), 0, 1)
    lines: list[Line] = []
    left = np.asarray(cv2.GaussianBlur(totals, (0, 0), sigmaX=reach / 2, sigmaY=0.5))
    apart = max(2, round(0.45 / strip.step))
    for _ in range(most):
        k, i = (int(each) for each in np.unravel_index(int(np.argmax(left)), left.shape))
        if left[k, i] < 0.12:
            break
        near = max(0, i - reach), min(totals.shape[1], i + reach + 1)
        contrast = float(common_change(change, shifts[k], *near))
        lines.append(
            Line(
                offset=float(strip.depth[i]),
                slope=float(_SEARCH[k]),
                support=float(totals[k, i]),
                contrast=contrast,
            )
        )
        left[:, max(0, i - apart) : i + apart + 1] = 0
    return sorted(lines, key=lambda line: line.offset)


def _locally_largest(size: Singles, step: float) -> NDArray[np.bool_]:
    reach = max(1, round(0.3 / step))
    return np.asarray((size >= cv2.dilate(size, np.ones((1, 2 * reach + 1), np.uint8)) - 1e-6) & (size > 0))


def _shifts(strip: Strip, slopes: Floats) -> NDArray[np.int64]:
    """(k, n) readings by which each station is moved, for lines of (k,) slopes to stand upright."""
    middle = (strip.along[0] + strip.along[-1]) / 2
    return np.asarray(np.rint(slopes[:, None] * (strip.along - middle)[None] / strip.step), np.int64)


def sheared(values: Singles, strip: Strip, slope: float) -> Singles:
    """(n, d) profiles shifted so that a line of this slope stands upright; 0 where nothing was read."""
    shift = _shifts(strip, np.array([slope]))[0]
    index = np.arange(len(strip.depth))[None, :] + shift[:, None]
    inside = (index >= 0) & (index < len(strip.depth))
    found = np.take_along_axis(values, np.clip(index, 0, len(strip.depth) - 1), axis=1)
    return np.asarray(np.where(inside, found, 0), np.float32)


def depth_of(line: Line, along: Floats, length: float) -> Floats:
    """Depth of a line at stations along its side, mm."""
    return np.asarray(line.offset + line.slope * (along - length / 2))


def band_colours(strip: Strip, first: Floats, last: Floats) -> tuple[Singles, Singles]:
    """Median colour and unrest at each station between two depths.

    Args:
        strip: The profiles.
        first: (n,) where the band begins, mm.
        last: (n,) where it ends, mm.

    Returns:
        (n, 3) median Lab, NaN where the band is empty, and (n,) the mean distance from it.
    """
    within = (strip.depth[None, :] >= first[:, None]) & (strip.depth[None, :] <= last[:, None])
    masked = np.where(within[..., None], strip.lab, np.nan)
    some = within.any(axis=1)
    median = np.full((len(strip.along), 3), np.nan, np.float32)
    unrest = np.full(len(strip.along), np.nan, np.float32)
    if some.any():
        median[some] = np.nanmedian(masked[some], axis=1)
        unrest[some] = np.nanmean(np.linalg.norm(masked[some] - median[some][:, None], axis=2), axis=1)
    return median, unrest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """A robust curve through depths along a side.

    Attributes:
        coefficients: (degree + 1,) highest power first, over `along - middle`.
        middle: mm along the side.
        weights: (n,) 0 to 1, of each station.
        scatter: Robust standard deviation of the stations around it, mm.
    """

    coefficients: Floats
    middle: float
    weights: Floats
    scatter: float

    def at(self, along: Floats) -> Floats:
        """Depths at places along the side, mm."""
        return np.asarray(np.polyval(self.coefficients, along - self.middle))


def fit_curve(along: Floats, depth: Floats, *, degree: int = 1, rounds: int = 12, middle: float | None = None) -> Curve:
    """A low-order curve through depths, robust against a third of wrong ones.

    Starts from the median slope of pairs (Theil 1950, Sen 1968), then reweights with Tukey's biweight.

    Args:
        along: (n,) mm.
        depth: (n,) mm; NaN where there is none.
        degree: 1 for a line, 2 for a bow.
        rounds: Of reweighting.
        middle: What the curve counts from; the middle of `along` unless given.
    """
    centre = float(along.min() + along.max()) / 2 if middle is None else middle
    known = np.isfinite(depth)
    weights = np.zeros(len(along))
    x, y = along[known] - centre, depth[known]
    if len(x) < degree + 3:
        return Curve(coefficients=np.zeros(degree + 1), middle=centre, weights=weights, scatter=np.inf)
    half = len(x) // 2
    run = np.maximum(x[-half:] - x[:half], 1e-9)
    slope = np.median((y[-half:] - y[:half]) / run)
    fit = np.zeros(degree + 1)
    fit[-2:] = slope, np.median(y - slope * x)
    kept, scatter = np.ones(len(x)), 0.0
    span = max(float(np.abs(x).max()), 1e-9)
    powers = (x[:, None] / span) ** np.arange(degree, -1, -1)  # of order one, so that the normal equations are sound
    for _ in range(rounds):
        away = y - np.polyval(fit, x)
        scatter = max(0.002, 1.4826 * float(np.median(np.abs(away))))
        kept = np.clip(1 - (away / (4.0 * scatter)) ** 2, 0, None) ** 2
        if (kept > 0).sum() < degree + 3:
            break
        weighted = powers * kept[:, None]
        solved = np.linalg.lstsq(weighted.T @ powers, weighted.T @ y, rcond=None)[0]
        last, fit = fit, solved / span ** np.arange(degree, -1, -1)
        if np.abs(np.polyval(fit - last, np.array([-span, 0, span]))).max() < 1e-5:
            break
    weights[known] = kept
    return Curve(coefficients=fit, middle=centre, weights=weights, scatter=scatter)


def peak_depths(size: Singles, strip: Strip) -> Floats:
    """(n,) mm: the depth of the largest value at each station, between readings by a parabola."""
    at = np.clip(size.argmax(axis=1), 1, size.shape[1] - 2)
    rows = np.arange(len(at))
    before, here, after = size[rows, at - 1], size[rows, at], size[rows, at + 1]
    bend = before - 2 * here + after
    shift = np.where(bend < -1e-9, 0.5 * (before - after) / np.where(bend < -1e-9, bend, -1), 0)
    return np.asarray(strip.depth[at] + np.clip(shift, -0.5, 0.5) * strip.step)


__all__ = [
    "ALONG", "SIDES", "Curve", "Floats", "Line", "Mapping", "Singles", "Strip", "band_colours", "density", "depth_of",
    "find_lines", "find_lines_in", "fit_curve", "in_card", "peak_depths", "read_strip", "sampled", "sampled_lab",
    "sheared", "side_length", "steps",
]  # fmt: skip
