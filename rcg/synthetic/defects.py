"""Four kinds of wear on a card's front, drawn large enough for a photo of the whole card to show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.images import Pixels
from rcg.synthetic.texture import PX_PER_MM, noise
from rcg.types import Point

Field = NDArray[np.float32]
_FIBRES = (240.0, 237.0, 230.0)  # bare card stock


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One place of wear.

    Attributes:
        label: "corner_whitening", "edge_whitening", "scratch" or "stain".
        outline: Its outline, points in millimetres from the card's left top corner.
    """

    label: str
    outline: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stock:
    """What a defect is drawn on: the picture, and each pixel's distance to the card's edge in millimetres."""

    pixels: Field
    edge_mm: Field


def add_defects(
    front: Pixels, mask: Pixels, rng: np.random.Generator, *, pale_border: bool
) -> tuple[Pixels, tuple[Defect, ...]]:
    """Wear a card.

    Args:
        front: (height, width, 3) uint8 RGB at 8 pixels a millimetre.
        mask: (height, width) uint8, above 0 on the card.
        rng: Where the randomness comes from.
        pale_border: Whether whitening would not be seen, and is left out.

    Returns:
        The worn front, and the defects that can be seen on it. One card in six has none.
    """
    if rng.random() < 1 / 6:
        return front, ()
    inside = cv2.copyMakeBorder((mask > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    edge_mm = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1] / PX_PER_MM, np.float32)
    stock = _Stock(pixels=front.astype(np.float32), edge_mm=edge_mm)
    defects: list[Defect] = []
    for label, draw, count in _draw_list(rng, pale_border=pale_border):
        for which in rng.permutation(4)[:count]:
            covered = draw(stock, rng, int(which))
            outline = _outline(covered)
            if outline:
                defects.append(Defect(label=label, outline=outline))
    return np.clip(stock.pixels, 0, 255).astype(np.uint8), tuple(defects)


_Draw = Callable[[_Stock, np.random.Generator, int], Field]


def _draw_list(rng: np.random.Generator, *, pale_border: bool) -> list[tuple[str, _Draw, int]]:
    corners, edges, scratches, stains = (int(each) for each in rng.poisson((1.1, 0.8, 0.7, 0.5)))
    if pale_border:
        corners = edges = 0
    return [
        ("stain", _stain, min(stains, 2)),
        ("scratch", _scratch, min(scratches, 3)),
        ("edge_whitening", _edge_whitening, min(edges, 3)),
        ("corner_whitening", _corner_whitening, min(corners, 4)),
    ]


def _blend(stock: _Stock, alpha: Field, colour: ArrayLike) -> None:
    where = _window(alpha)
    part = stock.pixels[where]
    part += alpha[where][..., None] * (np.asarray(colour, np.float32) - part)


def _window(alpha: Field) -> tuple[slice, slice]:
    """The part of the card that a defect touches: most are small, and blending all of it would take the most time."""
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    return slice(y, y + height), slice(x, x + width)


def _whiten(stock: _Stock, rng: np.random.Generator, depth_mm: Field) -> Field:
    ragged = depth_mm * (0.35 + noise(rng, depth_mm.shape, 7)) + 0.12 * (noise(rng, depth_mm.shape, 2) - 0.5)
    covered = np.clip((ragged - stock.edge_mm) / 0.15 + 0.5, 0, 1) * (depth_mm > 0) * (stock.edge_mm > 0)
    _blend(stock, covered * (0.75 + 0.25 * noise(rng, depth_mm.shape, 3)), _FIBRES)
    return np.asarray(covered)


def _places(stock: _Stock) -> tuple[Field, Field]:
    """Each pixel's place in millimetres: across as one row, down as one column."""
    rows, columns = stock.edge_mm.shape
    x, y = (((np.arange(n) + 0.5) / PX_PER_MM).astype(np.float32) for n in (columns, rows))
    return x[None, :], y[:, None]


def _corner_whitening(stock: _Stock, rng: np.random.Generator, corner: int) -> Field:
    x, y = _places(stock)
    rows, columns = (n / PX_PER_MM for n in stock.edge_mm.shape)
    at = ((0, 0), (columns, 0), (columns, rows), (0, rows))[corner]
    away = np.hypot(x - at[0], y - at[1])
    reach, depth = rng.uniform(3.2, 6.0), rng.uniform(0.7, 1.8)
    return _whiten(stock, rng, np.asarray(depth * np.clip(1 - (away / reach) ** 2, 0, 1), np.float32))


def _edge_whitening(stock: _Stock, rng: np.random.Generator, side: int) -> Field:
    x, y = _places(stock)
    along, across = (x, y) if side % 2 == 0 else (y, x)
    length, run, far = rng.uniform(6, 26), float(along.max()), float(across.max())
    middle = rng.uniform(8 + length / 2, run - 8 - length / 2)
    taper = np.clip(1 - (np.abs(along - middle) / (length / 2)) ** 4, 0, 1)
    near = across < far / 2 if side < 2 else across > far / 2
    return _whiten(stock, rng, np.asarray(rng.uniform(0.5, 1.2) * taper * near, np.float32))


def _scratch(stock: _Stock, rng: np.random.Generator, _: int) -> Field:
    rows, columns = stock.edge_mm.shape
    start = rng.uniform((0.12, 0.12), (0.88, 0.88)) * (columns, rows)
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(9, 42) * PX_PER_MM
    along = np.array([np.cos(angle), np.sin(angle)])
    t = np.linspace(0, 1, 24)[:, None]
    bow = rng.uniform(-0.08, 0.08) * length * np.array([-along[1], along[0]])
    path = start + t * length * along + 4 * t * (1 - t) * bow
    inside = (path > 6).all(axis=1) & (path < (columns - 6, rows - 6)).all(axis=1)
    line = np.zeros((rows, columns), np.uint8)
    points = np.round(path[: max(2, int(np.argmin(inside)) or 24)] * 16).astype(np.int32)
    cv2.polylines(line, [points], False, 255, int(rng.integers(2, 4)), cv2.LINE_AA, 4)
    covered: Field = line.astype(np.float32) / np.float32(255)
    bright = float(stock.pixels[line > 127].mean()) if (line > 127).any() else 0.0
    colour = (112.0, 106.0, 104.0) if bright > 175 else (245.0, 245.0, 248.0)
    _blend(stock, covered * rng.uniform(0.65, 0.95) * (0.6 + 0.4 * noise(rng, line.shape, 10)), colour)
    return covered


def _stain(stock: _Stock, rng: np.random.Generator, _: int) -> Field:
    rows, columns = stock.edge_mm.shape
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    waves = [rng.uniform(0, 0.16) * np.sin(n * angle + rng.uniform(0, 6)) for n in (1, 2, 3, 5)]
    radius = rng.uniform(2.5, 8.0) * (1 + np.sum(waves, axis=0))
    spokes = np.column_stack([np.cos(angle), np.sin(angle) * rng.uniform(0.8, 1.2)]) * radius[:, None]
    ring = _bright_place(stock, rng) + spokes
    shape = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(shape, [np.round(ring * PX_PER_MM).astype(np.int32)], 255)
    covered = np.asarray(cv2.GaussianBlur(shape, (0, 0), 1.5), np.float32) / np.float32(255)
    rim = covered * (1 - np.asarray(cv2.GaussianBlur(shape, (0, 0), 7), np.float32) / 255)
    tint = ((150, 108, 62), (96, 74, 58), (170, 150, 70), (70, 80, 110))[rng.integers(4)]
    strength = covered * rng.uniform(0.4, 0.7) * (0.7 + 0.3 * noise(rng, covered.shape, 30)) + 0.5 * rim
    where = _window(covered)
    stock.pixels[where] *= 1 - np.clip(strength[where], 0, 1)[..., None] * (1 - np.array(tint, np.float32) / 255)
    return covered


def _bright_place(stock: _Stock, rng: np.random.Generator) -> NDArray[np.float64]:
    """The brightest of a few random places in millimetres: on dark art nobody would see a stain."""
    places = rng.uniform((8, 8), (55, 80), (5, 2))
    corners = ((places - 2.5) * PX_PER_MM).astype(int)
    light = [stock.pixels[y : y + 5 * PX_PER_MM, x : x + 5 * PX_PER_MM].mean() for x, y in corners]
    return np.asarray(places[np.argmax(light)])


def _outline(covered: Field) -> tuple[Point, ...]:
    """The largest part of a defect in millimetres, its fragments joined; empty if too little of it can be seen."""
    seen = (covered > 0.4).astype(np.uint8)
    if np.count_nonzero(seen) < 40:
        return ()
    joined = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13)))
    parts, _ = cv2.findContours(cv2.dilate(joined, np.ones((3, 3), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ring = cv2.approxPolyDP(max(parts, key=cv2.contourArea), 0.8, closed=True).reshape(-1, 2)
    return tuple((float(x), float(y)) for x, y in (ring + 0.5) / PX_PER_MM) if len(ring) >= 3 else ()
