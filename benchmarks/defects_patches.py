"""Damaged pieces of cards with known defects, drawn for bench_defects.py only: nothing of the detector was fitted here.

A piece is 25 x 35 mm, 1/6.3 of a card: print (blocks, rings, text, halftone), paper or lacquer with its own texture,
and scratches, dents and creases of given sizes, each at least 2 mm from the next.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from rcg.card_specs import CardSpec
from rcg.synthetic.surface import Surface

WIDTH_MM, HEIGHT_MM = 25.0, 35.0
PIECES_A_CARD = CardSpec().width * CardSpec().height / (WIDTH_MM * HEIGHT_MM)
ROUGHNESS = {"matte": (0.5, 0.8), "satin": (0.3, 0.42), "gloss": (0.08, 0.2), "foil": (0.15, 0.3)}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is drawn: ranges (least, greatest) of depth in um and width in mm for each kind."""

    scratch: tuple[tuple[float, float], tuple[float, float]]
    dent: tuple[tuple[float, float], tuple[float, float]]
    crease: tuple[tuple[float, float], tuple[float, float]]


TUNING = Sizes(scratch=((2.5, 5), (0.035, 0.08)), dent=((5, 20), (0.3, 1.2)), crease=((12, 30), (0.2, 0.5)))
ASKED = Sizes(scratch=((2, 2), (0.03, 0.03)), dent=((10, 10), (0.5, 0.5)), crease=((10, 10), (0.15, 0.4)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """One defect: its kind, its course in mm from the piece's left top corner (one point for a dent), its sizes."""

    label: str
    course: np.ndarray
    depth_um: float
    width_mm: float


def piece(rng: np.random.Generator, finish: str, sizes: Sizes, *, px_per_mm: float) -> tuple[Surface, list[Known]]:
    """A piece of a card and its defects: 3 scratches, 3 dents, 2 creases."""
    shape = (round(HEIGHT_MM * px_per_mm), round(WIDTH_MM * px_per_mm))
    height = _texture(rng, shape, finish, px_per_mm)
    known: list[Known] = []
    for label, count in (("crease", 2), ("scratch", 3), ("dent", 3)):
        for _ in range(count):
            known.append(_placed(rng, label, getattr(sizes, label), known))
    for each in known:
        _press(height, each, px_per_mm)
    low, high = ROUGHNESS[finish]
    colour = _print(rng, shape, px_per_mm)
    foil = np.zeros(shape, np.float32)
    if finish == "foil":
        foil += np.float32(rng.uniform(0.5, 0.9))
    surface = Surface(
        colour=colour,
        height_um=height,
        roughness=np.full(shape, rng.uniform(low, high), np.float32),
        foil=foil,
        coverage=np.full(shape, 255, np.uint8),
        mm_per_px=1 / px_per_mm,
    )
    return surface, known


def _placed(rng: np.random.Generator, label: str, size: tuple, known: list[Known]) -> Known:
    (least, most), (narrow, wide) = size
    for _ in range(500):
        length = {"scratch": rng.uniform(2, 10), "crease": rng.uniform(4, 14), "dent": 0.0}[label]
        turn, bow = rng.uniform(0, math.pi), rng.uniform(-0.12, 0.12)
        along = np.linspace(-0.5, 0.5, 1 if label == "dent" else 60)
        if label == "dent":
            along = np.zeros(1)
        ahead = np.array([math.cos(turn), math.sin(turn)])
        aside = np.array([-ahead[1], ahead[0]])
        middle = rng.uniform([1.8, 1.8], [WIDTH_MM - 1.8, HEIGHT_MM - 1.8])
        course = middle + length * (along[:, None] * ahead + bow * (along[:, None] ** 2) * aside)
        inside = (course > 1.5).all() and (course < np.array([WIDTH_MM, HEIGHT_MM]) - 1.5).all()
        free = all(np.hypot(*(course[:, None] - o.course[None]).transpose(2, 0, 1)).min() > 2 for o in known)
        if inside and free:
            return Known(
                label=label, course=course, depth_um=rng.uniform(least, most), width_mm=rng.uniform(narrow, wide)
            )
    raise RuntimeError(f"no room for another {label}")


def _press(height: np.ndarray, known: Known, px_per_mm: float) -> None:
    """Press a defect into the relief; its width is that of a groove or a V from rim to rim, or a dent's diameter."""
    margin = 4 * known.width_mm + 0.1
    low = np.floor((known.course.min(axis=0) - margin) * px_per_mm).astype(int).clip(0)
    high = np.ceil((known.course.max(axis=0) + margin) * px_per_mm).astype(int)
    part = height[low[1] : high[1], low[0] : high[0]]
    rows, columns = np.mgrid[low[1] : low[1] + part.shape[0], low[0] : low[0] + part.shape[1]]
    x, y = (columns + 0.5) / px_per_mm, (rows + 0.5) / px_per_mm
    away = _distance(x, y, known.course) / (known.width_mm / 2)
    if known.label == "dent":
        part -= known.depth_um * np.clip(1 - away**2, 0, None) ** 2
    elif known.label == "crease":
        part -= known.depth_um * np.clip(1 - np.sqrt(away**2 + 0.01) + 0.1, 0, 1)
    else:  # a groove with a burr of 15 % on both sides
        part -= known.depth_um * np.where(away < 1, 0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1)), 0)
        part += 0.15 * known.depth_um * np.exp(-0.5 * ((away - 1.4) / 0.3) ** 2)


def _distance(x: np.ndarray, y: np.ndarray, course: np.ndarray) -> np.ndarray:
    """Millimetres from a line of straight pieces; only near it, to save time."""
    if len(course) == 1:
        return np.hypot(x - course[0, 0], y - course[0, 1])
    best = np.full(x.shape, np.inf)
    step = x[0, 1] - x[0, 0]
    for (ax, ay), (bx, by) in itertools.pairwise(course):
        reach = 1.0
        rows = slice(
            max(0, int((min(ay, by) - reach - y[0, 0]) / step)), max(1, int((max(ay, by) + reach - y[0, 0]) / step))
        )
        columns = slice(
            max(0, int((min(ax, bx) - reach - x[0, 0]) / step)), max(1, int((max(ax, bx) + reach - x[0, 0]) / step))
        )
        u, v = x[rows, columns] - ax, y[rows, columns] - ay
        dx, dy = bx - ax, by - ay
        along = np.clip((u * dx + v * dy) / (dx * dx + dy * dy), 0, 1)
        best[rows, columns] = np.minimum(best[rows, columns], np.hypot(u - along * dx, v - along * dy))
    return best


def _texture(rng: np.random.Generator, shape: tuple[int, int], finish: str, px_per_mm: float) -> np.ndarray:
    """Paper's fibres, or lacquer's waves (orange peel), and a bow of 100 um over a card."""
    fine, waves = {"matte": (0.15, 0.2), "satin": (0.08, 0.3), "gloss": (0.03, 0.3), "foil": (0.03, 0.3)}[finish]
    out = np.zeros(shape, np.float32)
    for rms, scale_mm in ((fine * rng.uniform(0.7, 1.3), 0.04), (waves * rng.uniform(0.7, 1.3), 0.5)):
        step = max(1, round(scale_mm * px_per_mm / 3))
        coarse = rng.normal(size=(shape[0] // step + 8, shape[1] // step + 8)).astype(np.float32)
        coarse = cv2.GaussianBlur(coarse, (0, 0), 1.5)
        full = cv2.resize(coarse, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)[: shape[0], : shape[1]]
        out += full * np.float32(rms / full.std())
    x, y = np.linspace(-0.2, 0.2, shape[1]), np.linspace(-0.2, 0.2, shape[0])
    return out - np.float32(100) * (x[None, :] ** 2 + y[:, None] ** 2).astype(np.float32)


def _print(rng: np.random.Generator, shape: tuple[int, int], px_per_mm: float) -> np.ndarray:
    """Blocks, rings, letters and a halftone, with edges as sharp as print's (20 um)."""
    height, width = shape

    def ink() -> tuple[int, int, int]:
        return tuple(int(value) for value in rng.integers(20, 250, 3))

    out = np.full((height, width, 3), [int(value) for value in rng.integers(150, 250, 3)], np.uint8)
    for _ in range(7):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = (int(value * px_per_mm) for value in rng.uniform(2, 12, 2))
        cv2.rectangle(out, (x, y), (x + w, y + h), ink(), -1)
    _halftone(rng, out, px_per_mm)
    for _ in range(4):
        at = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        ring = int(rng.uniform(0.1, 1) * px_per_mm)
        cv2.circle(out, at, int(rng.uniform(1, 6) * px_per_mm), ink(), ring, cv2.LINE_AA)
    for _ in range(8):
        at = (int(rng.uniform(0, 0.7) * width), int(rng.integers(0, height)))
        size = float(rng.uniform(0.8, 2.5))
        words = "".join(chr(int(letter)) for letter in rng.integers(65, 123, 12))
        cv2.putText(
            out,
            words,
            at,
            cv2.FONT_HERSHEY_SIMPLEX,
            size * px_per_mm / 21,
            ink(),
            round(0.13 * size * px_per_mm),
            cv2.LINE_AA,
        )
    return np.asarray(cv2.GaussianBlur(out, (0, 0), 0.02 * px_per_mm))


def _halftone(rng: np.random.Generator, out: np.ndarray, px_per_mm: float) -> None:
    """Dots at 150 a inch over a quarter of the piece."""
    height, width = out.shape[0] // 2, out.shape[1] // 2
    top, left = int(rng.integers(0, height)), int(rng.integers(0, width))
    rows, columns = np.mgrid[:height, :width] * (2 * math.pi / (25.4 / 150 * px_per_mm))
    turn = math.radians(rng.uniform(10, 80))
    a, b = math.cos(turn), math.sin(turn)
    dots = np.cos(rows * a + columns * b) + np.cos(columns * a - rows * b)
    dark = dots > np.linspace(-1.2, 1.2, width)
    part = out[top : top + height, left : left + width]
    part[dark] = part[dark] // 2
