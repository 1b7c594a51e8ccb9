"""Pixels in millimetres, and random fields and strokes on them; the same bits on every machine.

Only operations that every processor rounds alike are used: single sums, products, quotients and roots of arrays, and
sums in a fixed order. Sines and cosines of numpy are not among them, so angles are taken of single numbers and rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.types import Point

Plane = NDArray[np.float32]
Window = tuple[slice, slice]

_STEPS = 48  # samples of a profile in a pixel or in its own half width, whichever is shorter
_LONGEST_MM = 3.0  # a longer piece of a slanting line would look at too many pixels beside it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """A picture's pixels, or a window of them.

    Attributes:
        x: (w,) float32 millimetres of the pixels' centres from the card's left edge.
        y: (h,) likewise from the top edge.
        px_mm: The size of a pixel in millimetres.
    """

    x: Plane
    y: Plane
    px_mm: float

    @classmethod
    def of(cls, width_mm: float, height_mm: float, px_per_mm: float) -> Grid:
        """The pixels that hold a whole card; the last column and row may reach over its edge."""
        columns, rows = (math.ceil(each * px_per_mm - 1e-6) for each in (width_mm, height_mm))
        x, y = (((np.arange(n) + 0.5) / px_per_mm).astype(np.float32) for n in (columns, rows))
        return cls(x=x, y=y, px_mm=1 / px_per_mm)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), len(self.x)

    def window(self, points: ArrayLike, reach_mm: float = 0.0) -> Window:
        """The rows and columns within `reach_mm` of the box around `points` (n, 2) millimetres."""
        ring = np.asarray(points, np.float64).reshape(-1, 2)
        low, high = ring.min(axis=0) - reach_mm, ring.max(axis=0) + reach_mm
        spans = []
        for axis, centres in ((1, self.y), (0, self.x)):
            first = math.floor((low[axis] - float(centres[0])) / self.px_mm) if len(centres) else 0
            last = math.ceil((high[axis] - float(centres[0])) / self.px_mm) + 1 if len(centres) else 0
            spans.append(slice(min(max(first, 0), len(centres)), min(max(last, 0), len(centres))))
        return spans[0], spans[1]

    def part(self, window: Window) -> Grid:
        """The pixels of a window."""
        return Grid(x=self.x[window[1]], y=self.y[window[0]], px_mm=self.px_mm)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lattice:
    """A random field, the same on every grid: smooth between nodes a fixed way apart.

    Attributes:
        values: (rows, columns) float32 from 0 to 1 at the nodes.
        cell: The way between the nodes in millimetres, across and down.
        origin: The first node's place in millimetres.
    """

    values: Plane
    cell: tuple[float, float]
    origin: Point = (0.0, 0.0)

    @classmethod
    def draw(
        cls, rng: np.random.Generator, size: Point, cell: float | tuple[float, float], *, origin: Point = (0.0, 0.0)
    ) -> Lattice:
        """A field of random patches of `cell` millimetres (one number, or across and down) over `size` millimetres.

        Large cells get three nodes between the drawn ones, from a quadratic spline in whole numbers.
        """
        across, down = cell if isinstance(cell, tuple) else (cell, cell)
        shape = (math.ceil(size[1] / down) + 3, math.ceil(size[0] / across) + 3)
        nodes = rng.integers(0, 1 << 16, shape).astype(np.int32)
        place = (origin[0] - across, origin[1] - down)
        if nodes.size > 60000:
            return cls(values=nodes.astype(np.float32) * np.float32(2**-16), cell=(across, down), origin=place)
        for axis in (0, 1):
            nodes = _rounder(nodes, axis)
        fine = nodes.astype(np.float32) * np.float32(2**-24)
        return cls(values=fine, cell=(across / 4, down / 4), origin=place)

    def at(self, grid: Grid) -> Plane:
        """(h, w) float32 from 0 to 1 at a grid's pixels, bilinear between the nodes; the rim goes on outside."""
        first, share = _places(grid.y, self.origin[1], self.cell[1], len(self.values))
        rows = self.values[first] + share[:, None] * (self.values[first + 1] - self.values[first])
        first, share = _places(grid.x, self.origin[0], self.cell[0], self.values.shape[1])
        left = rows[:, first]
        step = rows[:, first + 1]
        step -= left
        step *= share
        step += left
        return step


def _rounder(nodes: NDArray[np.int32], axis: int) -> NDArray[np.int32]:
    """Four nodes for each one, each sixteen times as large: steps, blurred twice by a box as wide as they are."""
    wide = np.repeat(nodes, 4, axis=axis)
    for _ in range(2):
        total = np.cumsum(wide, axis=axis, dtype=np.int64)
        ahead = np.take(total, np.minimum(np.arange(total.shape[axis]) + 4, total.shape[axis] - 1), axis=axis)
        wide = ((ahead - total + 2) // 4).astype(np.int32)
    return wide * 16


def _places(centres: Plane, origin: float, cell: float, count: int) -> tuple[NDArray[np.intp], Plane]:
    place = (centres.astype(np.float64) - origin) / cell
    np.clip(place, 0, count - 1.001, out=place)
    first = place.astype(np.intp)
    return first, (place - first).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a line leaves across itself, alike on both sides: straight between knots, 0 beyond the last.

    Attributes:
        away: Distances from the line's middle in millimetres, from 0 upwards.
        values: The value at each.
    """

    away: tuple[float, ...]
    values: tuple[float, ...]

    @classmethod
    def band(cls, half: float) -> Profile:
        """1 within `half` millimetres, 0 beyond."""
        return cls(away=(0, half, half * 1.0001), values=(1, 1, 0))

    def scaled(self, width: float, height: float = 1.0) -> Profile:
        """The same, `width` times as wide and `height` times as high."""
        return Profile(
            away=tuple(each * width for each in self.away), values=tuple(each * height for each in self.values)
        )

    @property
    def reach(self) -> float:
        """Where it ends."""
        return self.away[-1]


def stroke(grid: Grid, course: Sequence[Point], profile: Profile, *, taper: float = 0.0) -> tuple[Window, Plane]:
    """Draw a line, each pixel the mean of the profile over its own square.

    The mean over a square across a line of direction u is that of two boxes, |u_x| and |u_y| of a pixel wide, one
    after the other; they run over a finely sampled profile, so that lines far thinner than a pixel keep their volume
    and relief its slopes.

    Args:
        grid: The pixels.
        course: At least two points in millimetres.
        profile: What it is across.
        taper: The length in millimetres over which it rises from 0 at both ends.

    Returns:
        The window it lies in, and (rows, columns) float32 there.
    """
    reach = profile.reach + grid.px_mm
    window = grid.window(course, reach)
    inside = grid.part(window)
    drawn = np.zeros(inside.shape, np.float32)
    nearest = np.full(inside.shape, np.inf, np.float32)
    total = sum(math.dist(a, b) for a, b in pairwise(course))
    for start, end, run in _pieces(course):
        part = inside.window([start, end], reach)
        small = inside.part(part)
        if 0 in small.shape:
            continue
        away, along = _measure(small, start, end)
        table, step = _table(profile, start, end, grid.px_mm)
        value = _look_up(table, away, step)
        if taper > 0:
            place = along + np.float32(run)
            value *= np.clip(np.minimum(place, np.float32(total) - place) * np.float32(1 / taper), 0, 1)
        closer = away < nearest[part]
        np.copyto(drawn[part], value, where=closer)
        np.copyto(nearest[part], away, where=closer)
    return window, drawn


def _pieces(course: Sequence[Point]) -> Iterator[tuple[Point, Point, float]]:
    run = 0.0
    for start, end in pairwise(course):
        length = math.dist(start, end)
        straight = min(abs(end[0] - start[0]), abs(end[1] - start[1])) < 1
        count = 1 if straight else math.ceil(length / _LONGEST_MM)
        for k in range(count):
            a, b = (
                (start[0] + (end[0] - start[0]) * t / count, start[1] + (end[1] - start[1]) * t / count)
                for t in (k, k + 1)
            )
            yield a, b, run + length * k / count
        run += length


def _measure(grid: Grid, start: Point, end: Point) -> tuple[Plane, Plane]:
    """Each pixel's distance from a straight piece, and how far along it lies, in millimetres."""
    length = math.dist(start, end) or 1e-9
    ux, uy = (np.float32((end[axis] - start[axis]) / length) for axis in (0, 1))
    dx, dy = grid.x - np.float32(start[0]), (grid.y - np.float32(start[1]))[:, None]
    along = dx * ux + dy * uy
    across = dx * uy - dy * ux
    beyond = along - np.clip(along, 0, np.float32(length))
    return np.sqrt(across * across + beyond * beyond), along


def _table(profile: Profile, start: Point, end: Point, px_mm: float) -> tuple[Plane, float]:
    """The profile's means over pixels for distances 0, step, 2 step and so on."""
    length = math.dist(start, end) or 1e-9
    ux, uy = abs(end[0] - start[0]) / length, abs(end[1] - start[1]) / length
    thin = min((b for b in profile.away if b > 0), default=px_mm)
    step = max(min(px_mm, max(thin, profile.reach / 8)) / _STEPS, (profile.reach + px_mm) / 4000)
    count = math.ceil((profile.reach + px_mm) / step) + 2
    away = np.abs(np.arange(-count, count + 1)) * step
    samples = np.zeros(len(away))
    knots, values = profile.away, profile.values
    for a, b, va, vb in zip(knots, knots[1:], values, values[1:], strict=False):
        inside = (away >= a) & (away < b)
        samples[inside] = va + (away[inside] - a) * ((vb - va) / (b - a))
    for box in (ux * px_mm, uy * px_mm):
        half = round((box / step - 1) / 2)
        if half > 0:
            wide = np.concatenate([np.zeros(half), samples, np.zeros(half)])
            sums = np.concatenate([np.zeros(1), np.cumsum(wide)])
            samples = (sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)
    return samples[count:].astype(np.float32), step


def _look_up(table: Plane, away: Plane, step: float) -> Plane:
    place = away * np.float32(1 / step)
    np.minimum(place, np.float32(len(table) - 2), out=place)
    first = place.astype(np.int32)
    place -= first
    low = table[first]
    place *= table[first + 1] - low
    place += low
    return place


def fill(grid: Grid, ring: ArrayLike) -> tuple[Window, Plane]:
    """The share of each pixel that lies within a ring of (n, 2) millimetres, from 16 samples a pixel.

    Returns:
        The window it lies in, and (rows, columns) float32 from 0 to 1 there.
    """
    points = np.asarray(ring, np.float64)
    window = grid.window(points, grid.px_mm)
    inside = grid.part(window)
    rows, columns = inside.shape
    if 0 in inside.shape:
        return window, np.zeros((rows, columns), np.float32)
    corner = np.array([float(inside.x[0]), float(inside.y[0])]) - grid.px_mm / 2
    fine = np.rint(((points - corner) * (4 / grid.px_mm) - 0.5) * 16).astype(np.int32)
    drawn = np.zeros((4 * rows, 4 * columns), np.uint8)
    cv2.fillPoly(drawn, [fine], 1, cv2.LINE_8, 4)
    total = drawn.reshape(rows, 4, columns, 4).sum(axis=(1, 3), dtype=np.uint16)
    return window, total.astype(np.float32) * np.float32(1 / 16)


def rounded(value: float, parts: int = 4096) -> float:
    """A length or angle's number to 1/4096, so that the last bit of a sine or a root never shows."""
    return round(value * parts) / parts


def turned(points: ArrayLike, angle: float) -> NDArray[np.float64]:
    """(n, 2) points turned about the origin by `angle` radians, clockwise as the picture shows it."""
    given = np.asarray(points, np.float64).reshape(-1, 2)
    c, s = rounded(math.cos(angle), 1 << 24), rounded(math.sin(angle), 1 << 24)
    return np.column_stack([given[:, 0] * c - given[:, 1] * s, given[:, 0] * s + given[:, 1] * c])
