"""Plain surfaces for checks: printed or white, of one finish, with dents, scratches, creases and lines as asked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.photometric.types import Floats
from rcg.synthetic.shading import kernel, normal_table, normal_values, resample_columns, resample_rows
from rcg.synthetic.surface import Layer, Surface
from rcg.types import Point

Finish = Literal["matte", "satin", "gloss", "foil"]
ROUGHNESS = {"matte": 0.8, "satin": 0.35, "gloss": 0.12, "foil": 0.25}
FINISHES = tuple(ROUGHNESS)
_STEP_UM = 1 / 4096  # heights are rounded to this: erf and exp may differ in the last bit between machines


@dataclass(frozen=True, slots=True, kw_only=True)
class Dent:
    """A round hollow, a Gaussian; `depth_um` below zero makes a bump.

    Attributes:
        at_mm: Its middle from the surface's left top corner.
        width_mm: Where the depth has fallen to an eighth.
        depth_um: At its middle.
    """

    at_mm: Point
    width_mm: float
    depth_um: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A narrow groove with a burr on either side.

    Attributes:
        points_mm: Its course.
        width_um: Of the groove, at half its depth.
        depth_um: At its middle.
        burr: Height of the burr against the depth.
    """

    points_mm: tuple[Point, ...]
    width_um: float = 30.0
    depth_um: float = 2.0
    burr: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Crease:
    """A line along which the card was folded: a V, rounded at its bottom.

    Attributes:
        points_mm: Its course.
        width_mm: From flank to flank.
        depth_um: At its middle; below zero for a ridge.
    """

    points_mm: tuple[Point, ...]
    width_mm: float = 0.6
    depth_um: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RollerLine:
    """A faint ridge from a roller of the press, from edge to edge.

    Attributes:
        at_mm: Where it lies: x of an upright line, y of a level one.
        upright: Whether it runs from top to bottom.
        width_mm: At half its height.
        height_um: Of the ridge.
    """

    at_mm: float
    upright: bool = True
    width_mm: float = 0.3
    height_um: float = 1.0


Mark = Dent | Scratch | Crease | RollerLine


def plain_surface(
    rng: np.random.Generator,
    *,
    size_mm: tuple[float, float] = (63.0, 88.0),
    px_per_mm: float = 20.0,
    finish: Finish = "matte",
    print: bool = True,
    relief: Sequence[Mark] = (),
    peel_um: float = 0.15,
    bow_um: float = 0.0,
) -> Surface:
    """A rectangle of one finish, with print of blocks, letters' strokes and halftone, and the marks asked for.

    Args:
        rng: Where the randomness comes from.
        size_mm: Width and height.
        px_per_mm: Pixels to a millimetre.
        finish: "matte", "satin", "gloss" or "foil" (a metal panel within a printed border).
        print: Whether it is printed; else it is white (foil: bare).
        relief: Its marks.
        peel_um: Standard deviation of the coating's orange peel, about 0.5 mm across.
        bow_um: How far the middle lies above the corners.

    Returns:
        The surface, covered everywhere.

    Raises:
        ConfigError: If the finish is not known, or the surface is too small.
    """
    if finish not in ROUGHNESS:
        raise ConfigError(f"the finish {finish!r} is not known", fix="take " + ", ".join(FINISHES))
    rows, columns = round(size_mm[1] * px_per_mm), round(size_mm[0] * px_per_mm)
    if min(rows, columns) < 16:
        raise ConfigError(f"a surface of {columns} x {rows} pixels is too small", fix="at least 16 each way")
    foil = np.zeros((rows, columns), np.float32)
    if finish == "foil":
        edge = round(0.08 * min(rows, columns))
        foil[edge : rows - edge, edge : columns - edge] = 0.9  # under a veil of clear ink
    colour = np.full((rows, columns, 3), 235, np.uint8)
    if print:
        colour, ink = _printed(rng, rows, columns, px_per_mm)
        foil *= 1 - ink
    return Surface(
        colour=colour,
        height_um=_height(rng, rows, columns, px_per_mm, relief=relief, peel_um=peel_um, bow_um=bow_um),
        roughness=np.full((rows, columns), ROUGHNESS[finish], np.float32),
        foil=foil,
        coverage=np.full((rows, columns), 255, np.uint8),
        mm_per_px=1 / px_per_mm,
    )


def blurred_noise(rng: np.random.Generator, shape: tuple[int, int], size_px: float) -> Layer:
    """Smooth noise of standard deviation about 1, patches of `size_px` pixels (the blur's standard deviation)."""
    coarse = max(1, int(size_px / 3))  # what is smoother than three pixels is made small, and then enlarged
    small = (shape[0] // coarse + 8, shape[1] // coarse + 8)
    raw, half, found = (np.empty(small, np.float32) for _ in range(3))
    normal_values(np.uint64(rng.integers(1 << 62)), normal_table(), raw.reshape(-1))
    weights = kernel(size_px / coarse, 0)
    resample_rows(raw, weights, 0.0, 1.0, 0.0, half)
    resample_columns(half, weights, 0.0, 1.0, 0.0, found)
    found *= np.float32(1 / float((weights[0].astype(np.float64) ** 2).sum()))
    smooth = kernel(0.5, 0)
    wide, out = np.empty((small[0], shape[1]), np.float32), np.empty(shape, np.float32)
    resample_rows(found, smooth, 3.0, 1 / coarse, 0.0, wide)
    resample_columns(wide, smooth, 3.0, 1 / coarse, 0.0, out)
    return out


def _printed(rng: np.random.Generator, rows: int, columns: int, px_per_mm: float) -> tuple[NDArray[np.uint8], Layer]:
    """Blocks of flat colour with hard edges, thin strokes, a gradient of halftone dots; and where ink hides foil."""
    colour = np.empty((rows, columns, 3), np.uint8)
    colour[:] = rng.integers(60, 230, 3)
    ink = np.zeros((rows, columns), np.float32)
    for _ in range(14):
        high, wide = int(rng.integers(rows // 12, rows // 3)), int(rng.integers(columns // 12, columns // 2))
        top, left = int(rng.integers(0, rows - high)), int(rng.integers(0, columns - wide))
        colour[top : top + high, left : left + wide] = rng.integers(15, 250, 3)
        ink[top : top + high, left : left + wide] = rng.choice([0.0, 0.0, 1.0])
    pitch = max(3.0, px_per_mm * 25.4 / 150)  # a screen of 150 lines an inch
    high, wide = rows // 3, columns // 2
    top, left = int(rng.integers(0, rows - high)), int(rng.integers(0, columns - wide))
    y, x = np.mgrid[:high, :wide]
    u, v = np.abs((x + y) / pitch % 1 - 0.5), np.abs((x - y) / pitch % 1 - 0.5)
    dots = u * u + v * v < 0.3 * x / wide
    colour[top : top + high, left : left + wide][dots] = rng.integers(10, 120, 3)
    stroke = max(1, round(0.15 * px_per_mm))
    for _ in range(24):
        top, left = int(rng.integers(0, rows - stroke)), int(rng.integers(0, columns - stroke))
        length = int(rng.integers(stroke, columns // 4 + stroke))
        colour[top : top + stroke, left : left + length] = 20
        ink[top : top + stroke, left : left + length] = 1
    return colour, ink


def _height(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    px_per_mm: float,
    *,
    relief: Sequence[Mark],
    peel_um: float,
    bow_um: float,
) -> Layer:
    height = np.zeros((rows, columns), np.float64)
    y = (np.arange(rows, dtype=np.float64)[:, None] + 0.5) / px_per_mm
    x = (np.arange(columns, dtype=np.float64)[None] + 0.5) / px_per_mm
    if peel_um > 0:
        height += peel_um * blurred_noise(rng, (rows, columns), max(0.25 * px_per_mm, 1.0))
    if bow_um:
        height -= bow_um / 2 * ((2 * x * px_per_mm / columns - 1) ** 2 + (2 * y * px_per_mm / rows - 1) ** 2)
    for mark in relief:
        height += _mark(mark, x, y, 1 / px_per_mm)
    return (np.round(height / _STEP_UM) * _STEP_UM).astype(np.float32)


def _mark(mark: Mark, x: Floats, y: Floats, pixel_mm: float) -> Floats:
    """A mark's height at each pixel, micrometres, the mean over the pixel."""
    if isinstance(mark, Dent):
        spread = mark.width_mm / 4.079  # a Gaussian falls to an eighth at 2.039 standard deviations
        along, across = (_gauss(at - middle, spread, pixel_mm) for at, middle in zip((x, y), mark.at_mm, strict=True))
        return -mark.depth_um * along * across
    if isinstance(mark, RollerLine):
        line = _gauss((x if mark.upright else y) - mark.at_mm, mark.width_mm / 2.355, pixel_mm)
        return mark.height_um * np.broadcast_to(line, (len(y), x.shape[1]))
    reach = 6 * (mark.width_um / 1000 if isinstance(mark, Scratch) else mark.width_mm) + 2 * pixel_mm
    distance = _distance(mark.points_mm, x, y, reach)
    near = distance < reach
    height = np.zeros(distance.shape)
    d = distance[near]
    if isinstance(mark, Crease):
        half = mark.width_mm / 2  # sqrt rounds the bottom of the V over a tenth of its width
        shape = np.clip(1 - (np.sqrt(d * d + (0.1 * half) ** 2) - 0.1 * half) / half, 0, None)
        height[near] = -mark.depth_um * shape
        return height
    spread = mark.width_um / 1000 / 2.355
    groove = _gauss(d, spread, pixel_mm)
    burr = _gauss(d - 3 * spread, spread, pixel_mm) + _gauss(d + 3 * spread, spread, pixel_mm)
    height[near] = mark.depth_um * (mark.burr * burr - groove)
    return height


def _gauss(d: Floats, spread: float, pixel: float) -> Floats:
    """A Gaussian of height 1, its mean over a pixel at the distance d."""
    from scipy.special import ndtr

    mean: Floats = ndtr((d + pixel / 2) / spread) - ndtr((d - pixel / 2) / spread)
    return mean * (spread * math.sqrt(2 * math.pi) / pixel)


def _distance(points: Sequence[Point], x: Floats, y: Floats, reach: float) -> Floats:
    """Distance of each pixel from a course of straight pieces, mm; far ones are `reach`."""
    best = np.full((len(y), x.shape[1]), reach)
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        rows = slice(*np.searchsorted(y[:, 0], [min(ay, by) - reach, max(ay, by) + reach]))
        columns = slice(*np.searchsorted(x[0], [min(ax, bx) - reach, max(ax, bx) + reach]))
        px, py = x[:, columns] - ax, y[rows] - ay
        dx, dy = bx - ax, by - ay
        t = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
        near = np.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2)
        best[rows, columns] = np.minimum(best[rows, columns], near)
    return best
