"""What cards lie on: plain tops, wood, cloth, stone, playmats, and what lies about. The same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.images import Pixels

Field = NDArray[np.float32]
Rgb = tuple[float, float, float]


def render_table(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A table top without a card.

    Args:
        rng: Where the randomness comes from.
        width: Pixels across.
        height: Pixels down.

    Returns:
        (height, width, 3) uint8 sRGB.
    """
    kinds = (_plain, _wood, _cloth, _speckle, _playmat)
    pick = int(rng.choice(5, p=[0.25, 0.25, 0.24, 0.13, 0.13]))
    scene = kinds[pick](rng, width, height)
    np.clip(scene, 0, 255, out=scene)
    table = scene.astype(np.uint8)
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 6))):
            _clutter(table, rng)
    return table


def patches(rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float]) -> Field:
    """A smooth random field: cubic between random numbers (Catmull and Rom's spline), in single sums and products.

    Args:
        rng: Where the randomness comes from.
        shape: Rows and columns.
        cell: The size of its patches in pixels; one number, or down and across.

    Returns:
        `shape` float32 values from 0 to 1.
    """
    down, across = cell if isinstance(cell, tuple) else (cell, cell)
    rows, columns = max(2, round(shape[0] / down)), max(2, round(shape[1] / across))
    coarse = rng.integers(0, 1 << 16, (rows + 3, columns + 3)).astype(np.float32) / np.float32(65536)
    drawn = _drawn_out(_drawn_out(coarse, shape[0], rows).T.copy(), shape[1], columns)
    return np.ascontiguousarray(np.clip(drawn, 0, 1, out=drawn).T)


def _drawn_out(coarse: Field, length: int, cells: int) -> Field:
    place = (np.arange(length, dtype=np.float64) + 0.5) * (cells / length)
    first = place.astype(np.int64)
    t = (place - first).astype(np.float32)[:, None]
    a, b, c, d = (coarse[first + step] for step in range(4))
    half = np.float32(0.5)
    bend = (half * (d - a) + np.float32(1.5) * (b - c)) * t
    bend += a - np.float32(2.5) * b + np.float32(2) * c - half * d
    bend *= t
    bend += half * (c - a)
    bend *= t
    bend += b
    return bend


def wave(turns: Field) -> Field:
    """Near to a sine from 0 to 1: two parabolas a turn. `sin` differs in its last place from machine to machine."""
    share = turns - np.floor(turns)
    share = share * 2 - 1
    return np.asarray(0.5 - 2 * share * (1 - np.abs(share)), np.float32)


def _surface(rng: np.random.Generator) -> NDArray[np.float32]:
    """A table colour: mostly muted."""
    grey = rng.uniform(25, 205)
    return np.clip(grey + rng.uniform(-28, 28, 3), 8, 225).astype(np.float32)


def _mix(first: ArrayLike, last: ArrayLike, share: Field) -> Field:
    a, b = np.asarray(first, np.float32), np.asarray(last, np.float32)
    scene = np.empty((*share.shape, 3), np.float32)
    for channel in range(3):
        np.multiply(share, b[channel] - a[channel], out=scene[..., channel])
        scene[..., channel] += a[channel]
    return scene


def _plain(rng: np.random.Generator, width: int, height: int) -> Field:
    first = _surface(rng)
    last = first * np.float32(rng.uniform(0.7, 1.3)) if rng.random() < 0.7 else _surface(rng)
    ramp = patches(rng, (height, width), float(max(width, height)))
    fine = patches(rng, (height, width), 1.4)
    return _mix(first, np.clip(last, 0, 250), ramp + (fine - np.float32(0.5)) * np.float32(rng.uniform(0, 0.15)))


def _wood(rng: np.random.Generator, width: int, height: int) -> Field:
    rows = columns = max(width, height)
    unit = rows / 640
    light = np.array(((196, 150, 100), (150, 100, 62), (222, 190, 148), (105, 70, 48))[int(rng.integers(4))])
    grain = patches(rng, (rows, columns), (9 * unit, 260 * unit)) * np.float32(9)
    grain += (np.arange(rows, dtype=np.float32) * np.float32(rng.uniform(12, 30) / rows))[:, None]
    share = wave(grain) * patches(rng, (rows, columns), (30 * unit, 200 * unit)) * np.float32(0.55)
    share += patches(rng, (rows, columns), (1.6 * unit, 70 * unit)) * np.float32(0.45)
    planks = _mix(light, light * 0.62, share)
    for seam in np.arange(rng.uniform(0, 160), 640, rng.uniform(110, 240)) * unit:
        planks[int(seam) : int(seam + max(1, 2 * unit))] *= np.float32(0.45)
    turned = planks if rng.random() < 0.5 else planks.transpose(1, 0, 2)
    return np.ascontiguousarray(turned[:height, :width])


def _cloth(rng: np.random.Generator, width: int, height: int) -> Field:
    x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    turn = np.float32(1 / (rng.uniform(2.4, 6) * max(width, height) / 640))
    slant = np.float32(0.4)
    share = (wave((x + slant * y) * turn) + wave((y - slant * x) * turn)) * np.float32(0.15)
    share += patches(rng, (height, width), rng.uniform(0.1, 0.35) * max(width, height)) * np.float32(0.4)
    share += patches(rng, (height, width), 1.5) * np.float32(0.3)
    base = _surface(rng)
    return _mix(base * np.float32(0.62), np.clip(base * np.float32(1.2), 0, 250), share)


def _speckle(rng: np.random.Generator, width: int, height: int) -> Field:
    share = patches(rng, (height, width), 3 * max(width, height) / 640) * np.float32(0.5)
    share += patches(rng, (height, width), rng.uniform(0.02, 0.1) * max(width, height)) * np.float32(0.5)
    base = _surface(rng)
    return _mix(base * np.float32(0.55), np.clip(base * np.float32(1.3), 0, 235), share)


def _playmat(rng: np.random.Generator, width: int, height: int) -> Field:
    """Rubber with a print: large soft shapes of two colours, and the fine weave of the top."""
    base = _surface(rng)
    other = base + (_surface(rng) - base) * np.float32(rng.uniform(0.2, 0.7))
    share = patches(rng, (height, width), rng.uniform(0.15, 0.4) * max(width, height))
    steep = np.float32(rng.uniform(2, 8))
    share = np.clip((share - np.float32(0.5)) * steep + np.float32(0.5), 0, 1)
    share += (patches(rng, (height, width), 1.2) - np.float32(0.5)) * np.float32(0.2)
    return _mix(base, other, share)


def _clutter(scene: Pixels, rng: np.random.Generator) -> None:
    """A sheet, a book, a ruler or a coin: things on a table that are no cards."""
    height, width = scene.shape[:2]
    unit = max(width, height) / 640
    colour = tuple(int(each) for each in _surface(rng))
    edge = tuple(int(each * 0.6) for each in colour)
    centre = rng.uniform((0, 0), (width, height))
    line = max(1, round(2 * unit))
    if rng.random() < 0.25:
        spot, radius = (int(centre[0]), int(centre[1])), int(rng.uniform(14, 38) * unit)
        cv2.circle(scene, spot, radius, colour, -1, cv2.LINE_AA)
        cv2.circle(scene, spot, radius, edge, line, cv2.LINE_AA)
        cv2.circle(scene, spot, int(radius * 0.78), edge, line, cv2.LINE_AA)
        return
    long = rng.uniform(120, 420) * unit
    short = long * (rng.uniform(0.05, 0.2) if rng.random() < 0.5 else rng.uniform(0.85, 1.0))
    place, extent = (float(centre[0]), float(centre[1])), (float(long), float(short))
    ring = np.rint(cv2.boxPoints((place, extent, float(rng.integers(0, 180))))).astype(np.int32)
    shade = scene.copy()
    cv2.fillPoly(shade, [ring + round(5 * unit)], (0, 0, 0), cv2.LINE_AA)
    np.copyto(scene, (scene.astype(np.uint16) * 11 + shade.astype(np.uint16) * 5 >> 4).astype(np.uint8))
    cv2.fillPoly(scene, [ring], colour, cv2.LINE_AA)
    cv2.polylines(scene, [ring], isClosed=True, color=edge, thickness=line, lineType=cv2.LINE_AA)
