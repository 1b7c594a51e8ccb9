"""What the colours across an edge say about where it lies, to a part of a pixel.

It is read in linear light: blur mixes light, not the numbers of sRGB, and half of the numbers between a dark table and
a white border lies well outside of the edge.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rcg.measuring.profiles import Singles

Floats = NDArray[np.float64]

BLURS = (0.45, 0.65, 0.9, 1.25, 1.8)
"""Standard deviations of the blurs that are tried, px."""

_SHIFTS = np.linspace(-2.2, 2.2, 45)  # px, places of the edge that are tried
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB, IEC 61966-2-1
_GREY_ENOUGH = 0.02  # step of luminance, of white, below which colour is used too
_RIDGE = (0.35, 0.03)  # how far a core outshines both sides: of the step between them, and of white
_CORE_GAIN = 0.5  # share of the rest without a core that may be left with one


def to_linear(values: Singles) -> Singles:
    """Linear light, 0 to 1, of sRGB values from 0 to 255 (IEC 61966-2-1)."""
    place = np.clip(values, 0, 255) * 8
    return np.asarray(_table()[np.rint(place).astype(np.int32)], np.float32)


@cache
def _table() -> NDArray[np.float32]:
    coded = np.arange(255 * 8 + 1) / (255 * 8)
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def signal_of(light: Floats) -> Floats:
    """(n, d) one number for the (n, d, 3) colours: luminance, which JPEG keeps sharp, or the colour that changes."""
    third = light.shape[1] // 3
    change = light[:, -third:].mean(axis=1) - light[:, :third].mean(axis=1)
    if float(np.median(np.abs(change @ _LUMINANCE))) > _GREY_ENOUGH:
        return np.asarray(light @ _LUMINANCE)
    towards = change / np.maximum(np.linalg.norm(change, axis=1, keepdims=True), 1e-9)
    return np.asarray(np.einsum("ndc,nc->nd", light, towards))


def fitted_steps(signal: Floats) -> tuple[Floats, int]:
    """Where a step lies in each profile, px from its middle (NaN where there is none), and how blurred the side is.

    A blurred step between an even inside and an outside that may slope, as where a shadow falls: for each place and
    blur that is tried the three levels follow by least squares, and the place with the least rest is taken, between
    the tried ones by a parabola. The blur is that with which the side as a whole leaves the least.

    Args:
        signal: (n, d) values every half pixel, from outside to inside.

    Returns:
        (n,) px, and which of the blurs that were tried it is.
    """
    bases = _bases(signal.shape[1])  # blur, shift, column, d
    power = np.einsum("nd,nd->n", signal, signal)
    explained = np.einsum("bscd,nd->bnsc", bases, signal)
    rest = power[None, :, None] - np.einsum("bnsc,bnsc->bns", explained, explained)
    blur = int(np.argmin(np.median(rest.min(axis=2), axis=1)))
    rest = np.clip(rest[blur], 0, None)
    at = np.clip(rest.argmin(axis=1), 1, len(_SHIFTS) - 2)
    rows = np.arange(len(at))
    before, here, after = rest[rows, at - 1], rest[rows, at], rest[rows, at + 1]
    bend = before - 2 * here + after
    move = np.where(bend > 1e-15, 0.5 * (before - after) / np.where(bend > 1e-15, bend, 1), 0)
    found = _SHIFTS[at] + np.clip(move, -0.5, 0.5) * (_SHIFTS[1] - _SHIFTS[0])
    third = signal.shape[1] // 3
    height = np.abs(signal[:, -third:].mean(axis=1) - signal[:, :third].mean(axis=1))
    noise = np.sqrt(here / signal.shape[1])
    edge = (rest.argmin(axis=1) == 0) | (rest.argmin(axis=1) == len(_SHIFTS) - 1)
    return np.where((height > 2.0 * noise) & ~edge, found, np.nan), blur


@cache
def _bases(count: int) -> Floats:
    """(blurs, shifts, 3, d) orthonormal: inside level, outside level, outside slope, for each place and blur."""
    x = (np.arange(count) - (count - 1) / 2) / 2
    found = np.empty((len(BLURS), len(_SHIFTS), 3, count))
    for b, blur in enumerate(BLURS):
        for s, shift in enumerate(_SHIFTS):
            z = (x - shift) / blur
            inside = 0.5 * (1 + np.array([math.erf(each / math.sqrt(2)) for each in z]))
            outside = 1 - inside
            slope = (x - shift) * outside - blur * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            found[b, s] = np.linalg.qr(np.column_stack([inside, outside, slope]))[0].T
    return found


def core_width(profile: Floats, widest: float) -> float:
    """How wide a line of bare paper lies along an edge, px; 0 where there is none.

    The cut shows the white of the stock: beside a dark border it is a ridge that belongs to the card. A sleeve's seam
    is one too, but wider or with the table between it and the card.

    Args:
        profile: (d,) median light across a side every half pixel, from outside to inside, the step that was found in
            its middle.
        widest: px.
    """
    x = (np.arange(len(profile)) - (len(profile) - 1) / 2) / 2
    inside, outside = float(np.median(profile[x > 2.4])), float(np.median(profile[x < -2.4]))
    near = np.abs(x) <= min(2.4, widest + 0.5)
    least = _RIDGE[0] * abs(inside - outside) + _RIDGE[1]
    if widest < 0.5 or float(profile[near].max()) - max(inside, outside) < least:
        return 0.0
    plain = min(_rest(profile, _levels(x, blur, 0.0, edge))[0] for blur in BLURS for edge in np.arange(-1.6, 1.7, 0.4))
    best = (math.inf, 0.0)
    for blur in BLURS:
        for width in np.arange(0.4, min(3.0, widest) + 0.01, 0.2):
            for edge in np.arange(-0.6, 1.41, 0.2):
                rest, (card, core, table) = _rest(profile, _levels(x, blur, width, edge))
                if width - edge <= widest and core > max(card, table) + least and rest < best[0]:
                    best = (rest, float(width - edge))
    return best[1] if best[0] < _CORE_GAIN * plain else 0.0


def _levels(x: Floats, blur: float, width: float, edge: float) -> Floats:
    """(d, 3 or 4) what a card from `edge` inwards, a core before it, the table and its slope add to a profile."""
    outer = edge - width
    from_outer, from_edge = _rise(x - outer, blur), _rise(x - edge, blur)
    z = (x - outer) / blur
    slope = (x - outer) * (1 - from_outer) - blur * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    columns = [from_edge, from_outer - from_edge, 1 - from_outer, slope]
    return np.column_stack(columns if width > 0 else [from_edge, 1 - from_outer, slope])


def _rise(x: Floats, blur: float) -> Floats:
    return np.array([0.5 * (1 + math.erf(each / (blur * math.sqrt(2)))) for each in x])


def _rest(profile: Floats, columns: Floats) -> tuple[float, Floats]:
    """The squares that are left, and the first three levels."""
    found = np.linalg.lstsq(columns, profile, rcond=None)[0]
    return float(((profile - columns @ found) ** 2).sum()), np.asarray(found[:3], np.float64)
