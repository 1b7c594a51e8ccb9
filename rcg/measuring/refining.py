"""From a quad near a card's edge to the edge itself, to a part of a pixel, and bowed where the lens bows it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.images import Pixels
from rcg.measuring.profiles import Curve, Singles, Strip, fit_curve, peak_depths, read_strip, side_length, steps
from rcg.measuring.rectify import straight
from rcg.measuring.types import SIDES, SideLine

Floats = NDArray[np.float64]


def refine_quad(
    pixels: Pixels, quad: Floats, spec: CardSpec, *, reaches: tuple[float, ...] = (0.7, 0.4, 0.3)
) -> tuple[Floats, tuple[SideLine, ...]]:
    """Move a quad onto the edge that it nearly lies on.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        quad: (4, 2) corners in pixels, clockwise from the left top.
        spec: The card's stock.
        reaches: How far from the last quad the edge is looked for, mm, round by round.

    Returns:
        (4, 2) px the corners where the fitted edges meet, and the edges in the order of `SIDES`, with depths that count
        from these corners.
    """
    size = spec.width, spec.height
    found: list[tuple[Strip, Floats, Curve]] = []
    corners = np.zeros((4, 2))
    for reach in reaches:
        to_px = straight(quad, size)
        found = []
        for side in SIDES:
            strip = read_strip(pixels, to_px, side, size, depths=(-reach - 1.2, reach + 1.2))
            depth = edge_depths(strip, reach)
            curve = fit_curve(strip.along, depth, degree=2, middle=side_length(side, size) / 2)
            found.append((strip, depth, curve))
        corners = meeting([curve for _, _, curve in found], size)
        quad = to_px(corners)
    ends = _ends(corners, size)
    lines = tuple(_from_chord(*one, *end) for one, end in zip(found, ends, strict=True))
    return quad, lines


def edge_depths(strip: Strip, reach: float) -> Floats:
    """(n,) mm: where the card ends at each station, within `reach` of depth 0."""
    change = steps(strip, max(0.3, 2.5 / strip.px_mm))
    near = np.abs(strip.depth) <= reach
    common = np.median(change[:, near], axis=0)
    towards = common[np.argmax(np.linalg.norm(common, axis=1))]
    norm = float(np.linalg.norm(towards))
    size: Singles = np.asarray(
        change @ (towards / norm) if norm > 1.0 else np.linalg.norm(change, axis=2), dtype=np.float32
    )
    return peak_depths(np.where(near[None, :], size, 0).astype(np.float32), strip)


def meeting(curves: list[Curve], size: tuple[float, float]) -> Floats:
    """(4, 2) mm: where four bowed sides meet, clockwise from the left top.

    Args:
        curves: Of the left, top, right and bottom side.
        size: Width and height of the frame that their depths count from, mm.
    """
    width, height = size
    left, top, right, bottom = curves
    found = []
    for upright, level, x0, y0 in ((left, top, 0, 0), (right, top, 1, 0), (right, bottom, 1, 1), (left, bottom, 0, 1)):
        x, y = x0 * width, y0 * height
        for _ in range(6):  # slopes of a few hundredths: each round gains more than a digit
            across, down = float(upright.at(np.array(y))), float(level.at(np.array(x)))
            x, y = (width - across if x0 else across), (height - down if y0 else down)
        found.append((x, y))
    return np.array(found)


def _ends(corners: Floats, size: tuple[float, float]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """For each side, where along it and how deep its two ends lie, mm."""
    width, height = size
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners.tolist()
    return [
        ((ay, ax), (dy, dx)),
        ((ax, ay), (bx, by)),
        ((by, width - bx), (cy, width - cx)),
        ((dx, height - dy), (cx, height - cy)),
    ]


def _from_chord(
    strip: Strip, depth: Floats, curve: Curve, first: tuple[float, float], last: tuple[float, float]
) -> SideLine:
    """A side's edge with its depths counted from the straight line between its ends."""
    slope = (last[1] - first[1]) / (last[0] - first[0])
    at_middle = first[1] + slope * (curve.middle - first[0])
    coefficients = curve.coefficients.copy()
    coefficients[-2:] -= (slope, at_middle)
    chord = first[1] + slope * (strip.along - first[0])
    tolerance = max(0.12, 1.0 / strip.px_mm)
    away = np.abs(depth - curve.at(strip.along))
    kept = np.asarray(np.nan_to_num(away, nan=np.inf) < tolerance)
    n = max(1.0, kept.sum() / 6)
    return SideLine(
        side=strip.side,
        along=strip.along,
        depth=depth - chord,
        kept=kept,
        curve=tuple(float(each) for each in coefficients),
        middle=curve.middle,
        sigma=math.hypot(curve.scatter / math.sqrt(n), 0.05 / strip.px_mm),
        agree=float(kept.mean()),
        px_mm=strip.px_mm,
    )
