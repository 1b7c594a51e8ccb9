"""The profile that all stations of a line share, and where in it the border ends.

A sharp step ends it in its middle, a slow one where it begins.

A bevel or a shaded frame rises slowly; its steepest place lies inside of where the border stops. So a step and ramps of
several widths, all seen through the picture's own blur, are laid over the shared profile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from rcg.measuring.borders import Followed, Side

Floats = NDArray[np.float64]

_BLURS = np.geomspace(0.4, 5.0, 16)  # px, standard deviations that are tried
_SHIFTS = np.arange(-0.4, 0.5, 0.01)  # mm from where the border is first left that a step is tried at
_AHEAD = 0.25  # mm: how far ahead a profile is looked at to tell whether it has begun to rise
_BEGUN = 0.25  # share of the height there from which it has
_BARELY = 0.12  # the same, where lightness tells of a slow end
_CLEAR = 0.05  # of the step: less is smear, glow and the border's own shading
_LEAST = 0.02  # roots of light: likewise, of luma
_NOISE = 4.0  # times the border's own unrest, likewise
_STAYS = 0.5  # share of a first rise that has to remain up to the line
_LEVEL = 0.45  # of the steepest slope: where a profile rises less, a step is over
_APART = 0.04  # mm that a step may seem to begin before its time; what is more is a slow end
_DARK = 0.08  # light of a border that is black as cameras show it: there a bevel often follows
_FOOT = 0.4  # of the blur: how far before a slow end blur lets it begin
_SLOW = (
    2.2,
    0.1,
)  # of the blur, and mm: a step's middle this far from its foot is a ramp's, which ends the border there
_MEANT = 0.5  # of the way from a step's middle to its foot, on black borders, where either may be meant: a sigma
_TOLD = 0.13  # of the strongest channel's step: a channel with less is not asked
_CHANNELS = np.array([0.3, 0.4, 0.3])  # red, green and blue; green is sharpest in a JPEG and nearest to lightness
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as JPEG weighs them
_PALE = (0.05, 0.4)  # luma's step, and its share of the whole step, from which it tells of slow ends
_BEFORE = 0.2  # mm that a rise of luma begins before the colours' to be a line of its own
_ALIKE = 0.03  # roots of light: stations whose signs differ leave a mean step below it
_BLURRED = 1.6  # a side may be so much softer than the sharpest one; beyond that its end is a slow one
_FLOOR = 0.012  # of the step's height: what blur, sharpening and print leave that no model explains


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """What the stations along a line share.

    Attributes:
        x: (m,) mm from the line, inwards above zero.
        height: (3, m) red, green and blue over the border's, as shares of the step; signs made alike. In roots of
            light, which are near to what the eye sees.
        contrast: (3,) the step itself, mean over the stations, in roots of light.
        luma: (m,) their weighed sum, likewise over the border's: a JPEG keeps it sharp, and smears colour.
        luma_step: Its step, mean over the stations, in roots of light.
        luma_ends: (2,) of the border and of what follows, in light.
        ends: (3, 2) light of the border and of what follows, mean over the stations, 0 to 1.
        px_mm: Pixels a millimetre.
    """

    x: Floats
    height: Floats
    contrast: Floats
    luma: Floats
    luma_step: float
    luma_ends: Floats
    ends: Floats
    px_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a border ends, against the line that was followed.

    Attributes:
        shift: mm, above zero farther in.
        sigma: mm, from how many models fit.
        ramp: mm over which it ends; 0 for a step.
        spread: mm that the colour plates disagree by.
        softer: mm that its blur, as a standard deviation, exceeds that of the sharpest side.
    """

    shift: float
    sigma: float
    ramp: float
    spread: float
    softer: float


def stack_along(side: Side, line: Followed) -> Stack:
    """Lay the profiles of all stations that follow a line over one another."""
    strip = side.strip
    at = line.at(strip.along, strip.length)
    x = np.arange(-1.5, 1.2, strip.step)
    rows = np.stack([_shifted(np.sqrt(side.light[n]), strip.depth, place + x) for n, place in enumerate(at)])
    first = max(-1.4, side.ramp - float(np.median(at)))
    gap = max(0.12, 1.4 / strip.px_mm)
    before = np.median(rows[:, (x >= min(first, -gap - 0.1)) & (x <= -gap)], axis=1)
    after = _averaged(rows[:, (x >= gap * 0.7) & (x <= gap * 0.7 + 0.15)].mean(axis=1))
    step = after - before
    weights = line.weights * np.linalg.norm(step, axis=1).clip(0.005, 0.2)
    signed = (rows - before[:, None]) * np.sign(step)[:, None]
    contrast = (np.abs(step) * weights[:, None]).sum(axis=0) / max(1e-9, weights.sum())
    height = np.einsum("n,nmc->cm", weights, signed) / max(1e-9, weights.sum()) / np.maximum(contrast, 1e-6)[:, None]
    kept = x >= first
    ends = np.stack([np.average(each**2, axis=0, weights=weights + 1e-9) for each in (before, after)], axis=1)
    grey = step @ _LUMA
    pale = weights * np.abs(grey)
    luma_step = float((np.abs(grey) * weights).sum() / max(1e-9, weights.sum()))
    luma = ((rows - before[:, None]) @ _LUMA * np.sign(grey)[:, None] * weights[:, None]).sum(axis=0)
    luma /= max(1e-9, float(pale.sum()))
    luma_ends = [float(np.average((each @ _LUMA) ** 2, weights=weights + 1e-9)) for each in (before, after)]
    return Stack(
        x=x[kept], height=height[:, kept], contrast=contrast, luma=luma[kept], luma_step=luma_step,
        luma_ends=np.array(luma_ends), ends=ends, px_mm=strip.px_mm,
    )  # fmt: skip


def _shifted(values: NDArray[np.float32], depth: Floats, at: Floats) -> Floats:
    return np.column_stack([np.interp(at, depth, values[:, channel]) for channel in range(3)])


def _averaged(values: Floats, reach: int = 3) -> Floats:
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0).mean(axis=-1))


def blur_of(stack: Stack) -> float:
    """The standard deviation of the blur that would make a step of the profile, in pixels."""
    height = _together(stack)
    first = _first_left(stack.x, height, max(_AHEAD, 2.5 / stack.px_mm), _BEGUN)
    x, y = _rise(stack.x, height, first, 1.5 / stack.px_mm)
    ends = _local_ends(np.average(stack.ends, axis=0, weights=stack.contrast + 1e-9), float(y[-1]))
    best = (np.inf, 1.0)
    for blur in _BLURS:
        mse = _misfits(x - first, y, blur / stack.px_mm, ends).min()
        best = min(best, (float(mse), float(blur)))
    return best[1]


def place_of(stack: Stack, blur_px: float, sharpest_px: float) -> Place:
    """Where the border ends in a shared profile.

    Every colour is placed on its own, since printing plates lie off one another by up to 0.25 mm; the place that most
    of them agree on is taken.

    Args:
        stack: The profile.
        blur_px: Standard deviation of the picture's blur on this side, in pixels.
        sharpest_px: The same on the sharpest side: how fast an end may be.
    """
    sharpest, height = sharpest_px / stack.px_mm, _together(stack)
    blur = min(blur_px / stack.px_mm, _BLURRED * sharpest)
    ahead = max(_AHEAD, 1.6 * sharpest)
    begin = _first_left(stack.x, height, ahead, _BEGUN)
    shares = stack.contrast / max(1e-9, float(stack.contrast.max()))
    told = [c for c in range(3) if shares[c] >= _TOLD]
    found = [_stepped(stack.x, stack.height[c], begin, blur, stack.ends[c]) for c in told]
    places = np.array([f[0] for f in found])
    weights = _CHANNELS[told] * np.clip((shares[told] - 0.1) / 0.2, 0, 1)
    step = _weighted_median(places, weights)
    sigma = found[int(np.argmin(np.abs(places - step)))][1]
    spread = float(np.ptp(places)) if len(places) > 1 else 0.0
    place = Place(shift=step, sigma=sigma, ramp=0.0, spread=spread, softer=max(0.0, blur_px / stack.px_mm - sharpest))
    if stack.luma_step < max(_PALE[0], _PALE[1] * float(np.linalg.norm(stack.contrast))):
        return place
    return _slowly(stack, place, begin, blur=blur, sharpest=sharpest)


def _slowly(stack: Stack, place: Place, begin: float, *, blur: float, sharpest: float) -> Place:
    """The same place, or the beginning of the rise where luma rises more slowly than blur makes a step rise."""
    ahead = max(_AHEAD, 1.6 * sharpest)
    clear = max(_CLEAR, _LEAST / stack.luma_step)
    first = _first_left(stack.x, stack.luma, ahead, _BARELY, clear)
    step, sigma = _stepped(stack.x, stack.luma, first, blur, stack.luma_ends)
    apart = step - (first - _beginning(stack, first, sharpest, ahead, clear))
    own = place.shift if begin - first < _BEFORE else step
    late = max(0.0, apart - _APART)
    whole = own - first - _FOOT * sharpest
    slow = float(np.clip((own - first - _SLOW[0] * sharpest - _SLOW[1]) / 0.1, 0, 1))
    late = max(late, slow * whole)
    open_to_doubt = max(0.0, whole - late) if stack.luma_ends[0] < _DARK else 0.0
    sigma = float(np.hypot(max(sigma, place.sigma), _MEANT * open_to_doubt))
    return replace(place, shift=own - late, sigma=sigma, ramp=2 * late)


def _together(stack: Stack) -> Floats:
    return np.asarray(np.average(stack.height, axis=0, weights=stack.contrast * _CHANNELS + 1e-9))


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    middles = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return float(np.interp(0.5, middles, values[order]))


def _first_left(x: Floats, height: Floats, ahead: float, begun: float, clear: float = _CLEAR) -> float:
    """Where a profile has begun to rise for good, walking in from the border; mm from the line."""
    step = float(x[1] - x[0])
    reach, w = max(1, round(ahead / step)), max(1, round(0.04 / step))
    smooth = np.convolve(np.pad(height, w, mode="edge"), np.ones(2 * w + 1) / (2 * w + 1), mode="valid")
    quiet = x < min(x[0] + 0.6, -0.3)
    trend, noise = np.zeros(2), 0.0
    if quiet.sum() >= 8:  # a border that is shaded across
        trend = np.polyfit(x[quiet], smooth[quiet], 1)
        noise = float(np.std(smooth[quiet] - np.polyval(trend, x[quiet])))
    risen = smooth - np.polyval(trend, np.minimum(x, x[0] + 1.2))
    least = max(clear, _NOISE * noise)
    last = int(np.searchsorted(x, 0.35))
    for i in range(1, min(last, len(x) - reach)):
        until = max(i + reach, int(np.searchsorted(x, 0.0)))
        if risen[i] >= max(least, begun * risen[i + reach]) and risen[i:until].min() >= _STAYS * risen[i]:
            return float(x[i])
    return 0.0


def _beginning(stack: Stack, first: float, blur: float, ahead: float, clear: float) -> float:
    """How far before a step of the same height, and as blurred, its rise would be seen to begin, mm; below zero."""
    x, y = _rise(stack.x, stack.luma, first, ahead)
    grid = np.arange(-1.4, 1.0, float(x[1] - x[0]))
    model = _step(ndtr(grid / blur), _local_ends(stack.luma_ends, float(y[-1]))) * float(y[-1])
    return _first_left(grid, model, ahead, _BARELY, clear)


def _rise(x: Floats, height: Floats, begin: float, least: float) -> tuple[Floats, Floats]:
    """The part of a profile around its first rise, up to where it is level again."""
    w = max(1, round(0.05 / (x[1] - x[0])))
    smooth = np.convolve(np.pad(height, w, mode="edge"), np.ones(2 * w + 1) / (2 * w + 1), mode="valid")
    slope = np.gradient(smooth)
    start = int(np.searchsorted(x, begin))
    steepest, end = 0.0, len(x) - 1
    for i in range(start, len(x)):
        steepest = max(steepest, float(slope[i]))
        if slope[i] < _LEVEL * steepest and x[i] > begin + 0.5 * least:
            end = i
            break
    kept = (x >= begin - 0.7) & (x <= x[min(end, len(x) - 1)])
    return x[kept], height[kept]


def _local_ends(ends: Floats, top: float) -> Floats:
    """Light before and after a rise that reaches `top` of the whole step."""
    first, last = np.sqrt(ends)
    return np.array([ends[0], max(0.0, first + (last - first) * top) ** 2])


def _stepped(x: Floats, height: Floats, begin: float, blur: float, ends: Floats) -> tuple[float, float]:
    """Where a step lies in a profile, and the sigma, over all places by how well they fit."""
    x, y = _rise(x, height, begin, 1.5 * blur)
    mse = _misfits(x - begin, y, blur, _local_ends(ends, float(y[-1])))
    free = max(4.0, float(np.ptp(x)) / (1.5 * blur))  # readings closer than the blur are no news
    floor = max(float(mse.min()), _FLOOR**2)
    chance = np.exp(-0.5 * free * (np.maximum(mse, floor) / floor - 1))
    chance /= chance.sum()
    shift = float((chance * _SHIFTS).sum())
    return begin + shift, float(np.sqrt((chance * (_SHIFTS - shift) ** 2).sum()))


def _misfits(x: Floats, y: Floats, blur: float, ends: Floats) -> Floats:
    """(shifts,) mean square error of a step at each place, its height fitted within limits."""
    models = _step(ndtr((x[None, :] - _SHIFTS[:, None]) / blur), ends)
    top = float(np.max(y))
    gain = np.divide((models * y).sum(axis=-1), (models * models).sum(axis=-1) + 1e-9)
    gain = np.clip(gain, 0.9 * top, 1.12 * top)
    return np.asarray(((y - gain[..., None] * models) ** 2).mean(axis=-1))


def _step(share: Floats, ends: Floats) -> Floats:
    """A step that was blurred in light, as the roots of light show it."""
    first, last = (float(np.sqrt(each)) for each in ends)
    if abs(last - first) < _ALIKE:
        return share
    return np.asarray((np.sqrt(ends[0] + (ends[1] - ends[0]) * share) - first) / (last - first))
