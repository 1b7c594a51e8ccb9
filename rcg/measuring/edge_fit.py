"""The profile that all stations of a line share, and where in it the border ends.

A sharp step ends it in its middle, a slow one where it begins.

A bevel or a shaded frame rises slowly; its steepest place lies inside of where the border stops. So a step and ramps of
several widths, all seen through the picture's own blur, are laid over the shared profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rcg.measuring.borders import Followed, Side

Floats = NDArray[np.float64]

GAMMA = False
_RAMPS = np.array([0.0, 0.08, 0.16, 0.25, 0.4, 0.6, 0.9])  # mm over which a border may turn into what follows
_RAMP_PRIOR = 0.35  # mm: a ramp of this width is e times less expected than a step
_SHIFTS = np.arange(-0.55, 0.36, 0.01)  # mm from the line that are tried
_BLURS = np.geomspace(0.4, 5.0, 16)  # px, standard deviations that are tried
_TOLD = 0.13  # of the strongest channel's step: a channel with less is not asked
_CHANNELS = np.array([0.3, 0.4, 0.3])  # red, green and blue; green is sharpest in a JPEG and nearest to lightness
_FLOOR = 0.012  # of the step's height: what blur, sharpening and print leave that no model explains


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """What the stations along a line share.

    Attributes:
        x: (m,) mm from the line, inwards above zero.
        height: (3, m) red, green and blue light over the border's, as shares of the step; signs made alike.
        contrast: (3,) the step itself, mean over the stations, in linear light.
        px_mm: Pixels a millimetre.
    """

    x: Floats
    height: Floats
    contrast: Floats
    px_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a border ends, against the line that was followed.

    Attributes:
        shift: mm, above zero farther in.
        sigma: mm, from how many models fit.
        ramp: mm over which it ends; 0 for a step.
        spread: mm that the colour plates disagree by.
    """

    shift: float
    sigma: float
    ramp: float
    spread: float


def stack_along(side: Side, line: Followed) -> Stack:
    """Lay the profiles of all stations that follow a line over one another."""
    strip = side.strip
    at = line.at(strip.along, strip.length)
    x = np.arange(-1.0, 1.0, strip.step)
    seen = np.sqrt(side.light) if GAMMA else side.light
    rows = np.stack([_shifted(seen[n], strip.depth, place + x) for n, place in enumerate(at)])
    first = max(-0.9, side.ramp - float(np.median(at)))
    gap = max(0.12, 1.4 / strip.px_mm)
    before = np.median(rows[:, (x >= min(first, -gap - 0.1)) & (x <= -gap)], axis=1)
    after = _averaged(rows[:, (x >= gap * 0.7) & (x <= gap * 0.7 + 0.15)].mean(axis=1))
    step = after - before
    weights = line.weights * np.linalg.norm(step, axis=1).clip(0.002, 0.15)
    signed = (rows - before[:, None]) * np.sign(step)[:, None]
    contrast = (np.abs(step) * weights[:, None]).sum(axis=0) / max(1e-9, weights.sum())
    height = np.einsum("n,nmc->cm", weights, signed) / max(1e-9, weights.sum()) / np.maximum(contrast, 1e-6)[:, None]
    kept = x >= first
    return Stack(x=x[kept], height=height[:, kept], contrast=contrast, px_mm=strip.px_mm)


def _shifted(values: NDArray[np.float32], depth: Floats, at: Floats) -> Floats:
    return np.column_stack([np.interp(at, depth, values[:, channel]) for channel in range(3)])


def _averaged(values: Floats, reach: int = 3) -> Floats:
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0).mean(axis=-1))


def blur_of(stack: Stack) -> float:
    """The standard deviation of the blur that would make a step of the profile, in pixels."""
    height = _together(stack)
    x, y = _window(stack.x, height, 2.0 / stack.px_mm)
    best = (np.inf, 1.0)
    for blur in _BLURS:
        mse = _misfits(x, y, np.zeros(1), blur / stack.px_mm).min()
        best = min(best, (float(mse), float(blur)))
    return best[1]


def place_of(stack: Stack, blur_px: float) -> Place:
    """Where the border ends in a shared profile.

    Every colour is placed on its own, since printing plates lie off one another by up to 0.25 mm; the place that most
    of the contrast agrees on is taken.

    Args:
        stack: The profile.
        blur_px: Standard deviation of the picture's blur, in pixels.
    """
    blur = blur_px / stack.px_mm
    shares = stack.contrast / max(1e-9, float(stack.contrast.max()))
    told = [c for c in range(3) if shares[c] >= _TOLD]
    found = [_placed(stack.x, stack.height[c], blur) for c in told]
    shifts, weights = np.array([f[0] for f in found]), _CHANNELS[told] * np.clip((shares[told] - 0.1) / 0.2, 0, 1)
    shift = _weighted_median(shifts, weights)
    spread = float(np.ptp(shifts)) if len(shifts) > 1 else 0.0
    at = int(np.argmin(np.abs(shifts - shift)))
    return Place(shift=shift, sigma=found[at][1], ramp=found[at][2], spread=spread)


def _together(stack: Stack) -> Floats:
    return np.asarray(np.average(stack.height, axis=0, weights=stack.contrast + 1e-9))


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    middles = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return float(np.interp(0.5, middles, values[order]))


def _window(x: Floats, height: Floats, least: float) -> tuple[Floats, Floats]:
    """The part of a profile up to where it first stops rising: what follows is the next line's."""
    w = max(1, round(0.06 / (x[1] - x[0])))
    smooth = np.convolve(np.pad(height, w, mode="edge"), np.ones(2 * w + 1) / (2 * w + 1), mode="valid")
    start = int(np.argmax((x > -0.45) & (smooth > 0.5 * np.max(smooth[(x > -0.45) & (x < 0.6)]))))
    end = len(x) - 1
    for i in range(start, len(x) - w):
        if smooth[i] >= smooth[i : i + 2 * w + 1].max() and x[i] > x[start] + 0.5 * least:
            end = i
            break
    last = x <= max(x[end], x[start] + least)
    return x[last], height[last]


def _placed(x: Floats, height: Floats, blur: float) -> tuple[float, float, float]:
    """Shift, its sigma and the ramp's width, as means over all models by how well they fit."""
    x, y = _window(x, height, 2.2 * blur)
    mse = _misfits(x, y, _RAMPS, blur)
    free = max(4.0, float(np.ptp(x)) / (1.5 * blur))  # readings closer than the blur are no news
    floor = max(float(mse.min()), _FLOOR**2)
    chance = -0.5 * free * (np.maximum(mse, floor) / floor - 1) - _RAMPS[:, None] / _RAMP_PRIOR
    chance = np.exp(chance - chance.max())
    chance /= chance.sum()
    shift = float((chance * _SHIFTS[None]).sum())
    sigma = float(np.sqrt((chance * (_SHIFTS[None] - shift) ** 2).sum()))
    return shift, sigma, float((chance.sum(axis=1) * _RAMPS).sum())


def _misfits(x: Floats, y: Floats, ramps: Floats, blur: float) -> Floats:
    """(ramps, shifts) mean square error of each model, its height and a level before it fitted."""
    u = (x[None, None, :] - _SHIFTS[None, :, None]) / blur
    wide = np.maximum(ramps, 1e-9)[:, None, None] / blur
    models = np.where(ramps[:, None, None] > 0, (_integral(u) - _integral(u - wide)) / wide, ndtr(u))
    top = float(np.max(y))
    gain = np.divide((models * y).sum(axis=-1), (models * models).sum(axis=-1) + 1e-9)
    gain = np.clip(gain, 0.8 * top, 1.35 * top)
    return np.asarray(((y - gain[..., None] * models) ** 2).mean(axis=-1))


def _integral(u: Floats) -> Floats:
    """Of the normal distribution function."""
    return np.asarray(u * ndtr(u) + np.exp(-0.5 * u * u) / np.sqrt(2 * np.pi))
