"""Where a card may lie in a picture: quads proposed by several segmentations, best supported first.

Nothing here decides that a quad is a card: a proposal may be the card's edge, its inner frame or a box in the art.
`outlines` looks for the edge around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.rectify import ASPECTS, clockwise, misfit, portrait

Floats = NDArray[np.float64]
Ring = NDArray[np.int32]

WORK, WORK_EVERY = 1000, 1200
"""The longer side of the picture that is segmented, px: for one card, and for many."""

_SMALLEST, _SMALLEST_EVERY = 0.02, 0.006  # shares of the picture that a card may cover

_SLACK = 0.19  # logarithm of the proportions that an inner frame may be off a card's
_FULL = 0.66  # share of the smallest rectangle around it that a card seen at a slant still fills
_SLIM = 0.25  # short over long side of that rectangle
_CORNER = 0.035  # quads whose corners lie within this share of their size are one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """A quad that may be a card's outline, or a rectangle on it.

    Attributes:
        quad: (4, 2) corners in pixels of the picture, clockwise, long sides left and right.
        votes: How many segmentations found it.
        fill: Share of the quad that the segment's hull fills, 0 to 1.
    """

    quad: Floats
    votes: int
    fill: float


def propose_quads(pixels: Pixels, *, aspects: Floats = ASPECTS, every: bool = False) -> list[Proposal]:
    """Quads of about a card's proportions, the most often found first.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        aspects: Width over height of the cards that are thought of.
        every: Whether there may be many cards, and small ones.
    """
    height, width = pixels.shape[:2]
    small = reduced(pixels, WORK_EVERY if every else WORK)
    min_area = _SMALLEST_EVERY if every else _SMALLEST
    scale = np.array(small.shape[1::-1]) / (width, height)
    size = (width, height)
    found: list[tuple[Floats, float]] = []
    for contour in _outlines(small, min_area):
        fitted = circumscribed(contour)
        if fitted is None:
            continue
        quad = portrait((fitted + 0.5) / scale, size, aspects)
        fill = cv2.contourArea(contour) / max(1.0, cv2.contourArea(fitted.astype(np.float32)))
        if fill > 0.88 and misfit(quad, size, aspects) < _SLACK:
            found.append((quad, fill))
    return _merged(found)


def reduced(pixels: Pixels, longer: int) -> Pixels:
    """The picture with its longer side at most so many pixels."""
    scale = longer / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = tuple(max(1, round(n * scale)) for n in pixels.shape[1::-1])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def circumscribed(hull: Ring) -> Floats | None:
    """The smallest quad around a convex ring, found by dropping its edges one by one.

    The edge that costs the least area is dropped and its neighbours are prolonged until they meet, so that rounded
    corners become virtual ones.

    Args:
        hull: (n, 1, 2) a convex ring in pixels.

    Returns:
        (4, 2) corners; None where the ring has fewer edges or they never meet.
    """
    tolerance = 0.004 * cv2.arcLength(hull, True)
    ring = [np.asarray(p, dtype=np.float64) for p in cv2.approxPolyDP(hull, tolerance, True)[:, 0]]
    while len(ring) > 4:
        costs = [_cost(ring, at) for at in range(len(ring))]
        best = min(range(len(ring)), key=lambda at: costs[at][0])
        if not np.isfinite(costs[best][0]):
            return None
        ring[best] = costs[best][1]
        del ring[(best + 1) % len(ring)]
    return clockwise(np.array(ring)) if len(ring) == 4 else None


def _cost(ring: list[Floats], at: int) -> tuple[float, Floats]:
    """The area that is added, and the new corner, when the edge after corner `at` is dropped."""
    n = len(ring)
    a, b, c, d = (ring[(at + k) % n] for k in (-1, 0, 1, 2))
    one, two = b - a, c - d
    cross = one[0] * two[1] - one[1] * two[0]
    if abs(cross) < 1e-6 * np.hypot(*one) * np.hypot(*two):
        return np.inf, b
    t = ((c - b)[0] * two[1] - (c - b)[1] * two[0]) / cross
    corner = b + t * one
    s = np.dot(corner - c, two)
    if t <= 0 or s <= 0:
        return np.inf, b
    return float(abs((c - b)[0] * (corner - b)[1] - (c - b)[1] * (corner - b)[0])) / 2, corner


def _outlines(small: Pixels, min_area: float) -> Iterator[Ring]:
    total = small.shape[0] * small.shape[1]
    for mask in _masks(small):
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours:
            if len(contour) < 4:
                continue
            _, _, across, down = cv2.boundingRect(contour)
            if across * down < min_area * total:
                continue
            hull = cv2.convexHull(contour)
            area = cv2.contourArea(hull)
            long, short = sorted(cv2.minAreaRect(hull)[1], reverse=True)
            if min_area * total < area < 0.97 * total and area > _FULL * long * short and short > _SLIM * long:
                yield np.asarray(hull, np.int32)


def _masks(small: Pixels) -> Iterator[Pixels]:
    """Segmentations: thresholds of each channel, edges at several strengths, distance to the colours at the rim."""
    lab = np.asarray(cv2.cvtColor(cv2.bilateralFilter(small, 5, 30, 5), cv2.COLOR_RGB2LAB), np.uint8)
    saturation = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)[..., 1]
    cross = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for channel in (*cv2.split(lab), cv2.GaussianBlur(saturation, (5, 5), 0)):
        low, high = np.percentile(channel, [2, 98])
        for level in np.linspace(low, high, 10)[1:-1]:
            mask = np.where(channel > level, np.uint8(255), np.uint8(0))
            yield mask
            yield np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, cross), np.uint8)
            yield np.asarray(cv2.morphologyEx(255 - mask, cv2.MORPH_OPEN, cross), np.uint8)
    for strength in (8, 16, 32, 64):
        edges = np.zeros(small.shape[:2], np.uint8)
        for channel in cv2.split(lab):
            np.maximum(edges, np.asarray(cv2.Canny(channel, strength, 2.5 * strength), np.uint8), out=edges)
        yield edges
        yield np.asarray(cv2.dilate(edges, np.ones((3, 3), np.uint8)), np.uint8)
        yield np.asarray(cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)), np.uint8)
    yield from _against_rim(lab)


def _against_rim(lab: Pixels) -> Iterator[Pixels]:
    """What differs from the colours along the picture's rim, which are mostly table."""
    edge = max(4, min(lab.shape[:2]) // 40)
    parts = (lab[:edge], lab[-edge:], lab[:, :edge], lab[:, -edge:])
    rim = np.concatenate([part.reshape(-1, 3) for part in parts])[::7].astype(np.float32)
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, centres = cv2.kmeans(rim, 4, np.empty(0, np.int32), criteria, 1, cv2.KMEANS_PP_CENTERS)
    away = np.min([np.linalg.norm(lab.astype(np.float32) - c, axis=2) for c in centres], axis=0)
    for level in (3, 6, 10, 16, 25, 40):
        mask = np.where(away > level, np.uint8(255), np.uint8(0))
        yield np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), np.uint8)


def _merged(found: list[tuple[Floats, float]]) -> list[Proposal]:
    groups: list[list[tuple[Floats, float]]] = []
    firsts = np.empty((len(found), 4, 2))
    for quad, fill in sorted(found, key=lambda each: -each[1]):
        size = np.sqrt(cv2.contourArea(quad.astype(np.float32)))
        apart = np.abs(firsts[: len(groups)] - quad).max(axis=(1, 2))
        near = np.flatnonzero(apart < _CORNER * size)
        if len(near):
            groups[near[0]].append((quad, fill))
        else:
            firsts[len(groups)] = quad
            groups.append([(quad, fill)])
    merged = [
        Proposal(quad=np.median([q for q, _ in g], axis=0), votes=len(g), fill=float(np.median([f for _, f in g])))
        for g in groups
    ]
    return sorted(merged, key=lambda each: -each.votes)
