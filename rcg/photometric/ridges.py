"""Lines in a field of slopes: valleys and ridges of the surface, filtered along their course and linked.

A valley of depth d has, across its course, the slopes of its own profile; the filter that finds it best in white noise
is the derivative of the slope across, smoothed by about its own width, and summed along it. For all directions at once
that is the Hessian of the height, from three planes (Freeman and Adelson, IEEE PAMI 1991).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rcg.photometric.relief import Slopes
from rcg.photometric.types import Floats, Mask, Plane

TURNS = 16
"""Directions in half a turn."""
REACH = 6.0
"""Half the length that is summed along a line, in standard deviations of the filter."""
_TAPS = 9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hessian:
    """Second derivatives of the height at one scale, y up, per pixel of the grid they stand on.

    Attributes:
        xx, yy, xy: (h, w) float32.
        sigma: The Gaussian's standard deviation in pixels of this grid.
        factor: Pixels of the map for each pixel of this grid.
    """

    xx: Plane
    yy: Plane
    xy: Plane
    sigma: float
    factor: int


def hessian(relief: Slopes, sigma_px: float) -> Hessian:
    """The Hessian of the height from its slopes, on a grid as coarse as the scale allows.

    Args:
        relief: Slopes (p to the right, q upwards), each (h, w) float32, 0 where nothing is known.
        sigma_px: The scale: a Gaussian's standard deviation in pixels.

    Returns:
        The derivatives, in slope per pixel of the coarse grid.
    """
    import cv2

    factor = max(1, int(sigma_px / 2.2))
    p, q = (reduced(each, factor) for each in relief)
    sigma = sigma_px / factor
    smooth, slope = _gaussian(sigma)

    def filtered(values: Plane, across: Plane, down: Plane) -> Plane:
        return np.asarray(
            cv2.sepFilter2D(values, cv2.CV_32F, across, down, borderType=cv2.BORDER_REPLICATE), np.float32
        )

    xy = filtered(q, slope, smooth)
    xy += filtered(p, smooth, -slope)
    xy *= np.float32(0.5)
    return Hessian(xx=filtered(p, slope, smooth), yy=filtered(q, smooth, -slope), xy=xy, sigma=sigma, factor=factor)


def reduced(values: Plane, factor: int) -> Plane:
    """Means over blocks of factor x factor pixels; rows and columns that fill no block are left out."""
    if factor == 1:
        return values
    import cv2

    height, width = (size // factor for size in values.shape)
    cut = values[: height * factor, : width * factor]
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _gaussian(sigma: float) -> tuple[Plane, Plane]:
    """A Gaussian, and its derivative as a correlation kernel: a rising ramp answers with its slope."""
    reach = max(2, int(np.ceil(3.5 * sigma)))
    at = np.arange(-reach, reach + 1, dtype=np.float64)
    smooth = np.exp(-0.5 * (at / sigma) ** 2)
    smooth /= smooth.sum()
    slope = at * smooth
    slope /= (at * slope).sum()
    return smooth.astype(np.float32), slope.astype(np.float32)


def _taps(sigma: float) -> tuple[NDArray[np.int32], Plane]:
    """Steps (turns, taps, row and column) along each direction, and what (xx, yy, xy) weigh in the slope across."""
    turns = np.pi * np.arange(TURNS) / TURNS  # of the normal, against the clock from x
    along = np.linspace(-REACH * sigma, REACH * sigma, _TAPS)
    steps = np.stack([-np.cos(turns)[:, None] * along, -np.sin(turns)[:, None] * along], axis=-1)
    weights = np.stack([np.cos(turns) ** 2, np.sin(turns) ** 2, np.sin(2 * turns)], axis=-1) / _TAPS
    return steps.round().astype(np.int32), weights.astype(np.float32)


@njit(cache=True, nogil=True)
def _summed(  # noqa: PLR0917
    xx: Any, yy: Any, xy: Any, row: int, column: int, steps: Any, weights: Any
) -> tuple[float, float, float]:  # pragma: no cover
    """Sums of the three planes along one direction from a pixel; outside the grid counts as 0."""
    height, width = xx.shape
    a, b, c = 0.0, 0.0, 0.0
    for tap in range(steps.shape[0]):
        r, k = row + steps[tap, 0], column + steps[tap, 1]
        if 0 <= r < height and 0 <= k < width:
            a += xx[r, k]
            b += yy[r, k]
            c += xy[r, k]
    return a * weights[0], b * weights[1], c * weights[2]


@njit(cache=True, nogil=True)
def _strongest(  # noqa: PLR0917
    xx: Any, yy: Any, xy: Any, floor: Any, steps: Any, weights: Any, answer: Any, turn: Any
) -> None:  # pragma: no cover
    """At each pixel whose own curvature passes `floor`, the direction along which the sum is largest."""
    height, width = xx.shape
    for row in range(height):
        for column in range(width):
            a, b, c = xx[row, column], yy[row, column], xy[row, column]
            least = abs(a + b) / 2 + np.sqrt((a - b) ** 2 / 4 + c * c)
            if least < floor[row, column]:
                continue
            best, which = 0.0, 0
            for j in range(steps.shape[0]):
                u, v, w = _summed(xx, yy, xy, row, column, steps[j], weights[j])
                total = u + v + w
                if abs(total) > abs(best):
                    best, which = total, j
            answer[row, column] = best
            turn[row, column] = which


@njit(cache=True, nogil=True)
def _sampled(  # noqa: PLR0917
    xx: Any, yy: Any, xy: Any, every: int, steps: Any, weights: Any, out: Any
) -> None:  # pragma: no cover
    """The size of the sum at every so many pixels, in directions that take turns."""
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            j = (5 * i + 7 * k) % steps.shape[0]
            u, v, w = _summed(xx, yy, xy, i * every, k * every, steps[j], weights[j])
            out[i, k] = abs(u + v + w)


@njit(cache=True, nogil=True)
def _crests(score: Any, turn: Any, low: float, keep: Any, turns: int) -> None:  # pragma: no cover
    """Pixels that pass `low` and whose neighbours across the line are no stronger."""
    height, width = score.shape
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            here = score[row, column]
            if abs(here) < low:
                continue
            angle = np.pi * turn[row, column] / turns
            dr, dc = -int(np.rint(np.sin(angle) * 1.2)), int(np.rint(np.cos(angle) * 1.2))
            sign = 1.0 if here > 0 else -1.0
            one, two = sign * score[row + dr, column + dc], sign * score[row - dr, column - dc]
            keep[row, column] = sign * here >= one and sign * here > two


@njit(cache=True, nogil=True)
def _walk(  # noqa: PLR0917
    score: Any, turn: Any, keep: Any, taken: Any, start: tuple[int, int], way: float, turns: int, gap: int, out: Any
) -> int:  # pragma: no cover
    """Follow crests of one sign from `start`, turning little at each step; how many points were written to `out`."""
    height, width = score.shape
    row, column = start
    sign = 1.0 if score[row, column] > 0 else -1.0
    angle = np.pi * turn[row, column] / turns
    dr, dc = -np.cos(angle) * way, -np.sin(angle) * way
    count = 0
    while count < out.shape[0]:
        best, br, bc = 0.0, -1, -1
        for i in range(-gap, gap + 1):
            for k in range(-gap, gap + 1):
                far = np.sqrt(i * i + k * k)
                r, c = row + i, column + k
                if far < 0.5 or far > gap or not (0 <= r < height and 0 <= c < width):
                    continue
                if not keep[r, c] or taken[r, c] or sign * score[r, c] <= 0:
                    continue
                ahead = (i * dr + k * dc) / far
                if ahead < 0.8:
                    continue
                other = np.pi * turn[r, c] / turns
                alike = abs(np.cos(other) * dr + np.sin(other) * dc)
                if alike < 0.85:
                    continue
                value = sign * score[r, c] * ahead * ahead * alike / far
                if value > best:
                    best, br, bc = value, r, c
        if br < 0:
            break
        far = np.sqrt((br - row) ** 2 + (bc - column) ** 2)
        dr, dc = 0.7 * dr + 0.3 * (br - row) / far, 0.7 * dc + 0.3 * (bc - column) / far
        norm = np.sqrt(dr * dr + dc * dc)
        dr, dc = dr / norm, dc / norm
        row, column = br, bc
        taken[row, column] = True
        out[count, 0], out[count, 1] = row, column
        count += 1
    return count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """A line's course.

    Attributes:
        points: (n, 2) columns and rows, in pixels of the map.
        scores: (n,) the filter's answer over its noise, above zero for a valley.
        sigma_px: The scale it was found at.
        leaks: (n,) share, 0 to 1, that print edges have in the standard deviation of the answer.
    """

    points: Floats
    scores: Floats
    sigma_px: float
    leaks: Floats

    @property
    def length_px(self) -> float:
        """Along its points."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())

    def trimmed(self) -> Course:
        """Without the ends where the score is below half of its median: there the filter hangs over the line's end."""
        shows = np.flatnonzero(np.abs(self.scores) >= 0.5 * np.median(np.abs(self.scores)))
        return self.part(slice(int(shows[0]), int(shows[-1]) + 1))

    def part(self, which: slice | Mask) -> Course:
        """Some of its points."""
        return replace(self, points=self.points[which], scores=self.scores[which], leaks=self.leaks[which])

    def with_leaks(self, shares: Plane, factor: int) -> Course:
        """With the leaks read from a plane on the grid it was found on."""
        at = np.round((self.points + 0.5) / factor - 0.5).astype(int)
        return replace(self, leaks=shares[at[:, 1], at[:, 0]].astype(np.float64))


def background(planes: Hessian, *, every: int = 0) -> tuple[Plane, int]:
    """Sizes of the filter's answer at a sparse grid of pixels, in mixed directions: what the noise is read from."""
    every = every or max(2, round(8 / planes.factor))
    steps, weights = _taps(planes.sigma)
    rows, columns = (-(-size // every) for size in planes.xx.shape)
    sizes = np.zeros((rows, columns), np.float32)
    _sampled(planes.xx, planes.yy, planes.xy, every, steps, weights, sizes)
    return sizes, every


def strongest(planes: Hessian, floor: Plane) -> tuple[Plane, NDArray[np.uint8]]:
    """The line filter's answer where the curvature passes `floor`, 0 elsewhere, and the number of its direction."""
    steps, weights = _taps(planes.sigma)
    answer = np.zeros(planes.xx.shape, np.float32)
    turn = np.zeros(planes.xx.shape, np.uint8)
    _strongest(planes.xx, planes.yy, planes.xy, floor, steps, weights, answer, turn)
    return answer, turn


def courses(
    score: Plane, turn: NDArray[np.uint8], planes: Hessian, *, low: float, high: float, least_px: float
) -> list[Course]:
    """Link crests of the score into courses, the strongest first.

    Args:
        score: (h, w) float32 on the grid of `planes`, signed, in standard deviations.
        turn: (h, w) the direction's number.
        planes: The Hessian it came from.
        low: Crests below this are no part of a course.
        high: A course begins at a crest above this.
        least_px: Shorter courses are left out; in pixels of the map.
    """
    keep = np.zeros(score.shape, np.bool_)
    _crests(score, turn, low, keep, TURNS)
    rows, columns = np.nonzero(keep & (np.abs(score) >= high))
    order = np.argsort(-np.abs(score[rows, columns]), kind="stable")
    taken = np.zeros(score.shape, np.bool_)
    gap = max(3, round(3 * planes.sigma))
    buffer = np.zeros((2 * sum(score.shape), 2), np.int32)
    found = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if taken[row, column]:
            continue
        taken[row, column] = True
        parts = []
        for way in (1.0, -1.0):
            count = _walk(score, turn, keep, taken, (row, column), way, TURNS, gap, buffer)
            parts.append(buffer[:count].copy())
        line = np.concatenate([parts[1][::-1], [[row, column]], parts[0]])
        at = (line[:, ::-1] + 0.5) * planes.factor - 0.5
        values = score[line[:, 0], line[:, 1]].astype(np.float64)
        course = Course(
            points=at.astype(np.float64),
            scores=values,
            sigma_px=planes.sigma * planes.factor,
            leaks=np.zeros(len(values)),
        )
        _swallow(taken, line, max(1, round(1.5 * planes.sigma)))
        if course.length_px >= least_px:
            found.append(course)
    return found


def _swallow(taken: Mask, line: NDArray[np.int32], reach: int) -> None:
    """Mark what lies beside a course, so that no second one starts on its flank."""
    import cv2

    seen = taken.view(np.uint8)
    cv2.polylines(seen, [np.ascontiguousarray(line[:, None, ::-1])], False, 1, thickness=2 * reach + 1)
