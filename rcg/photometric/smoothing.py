"""Smooth surfaces through blocks of a picture, up to its edge and in spite of what stands out."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.photometric.types import Floats

SPACING_PX = 48
"""Steps of the coarse grid: about 1 mm on a card, over which no lamp's light bends."""


def cuts(size: int) -> NDArray[np.int64]:
    """Where to cut a side into blocks of about `SPACING_PX`, at least eight where it has as many pixels."""
    pieces = max(min(8, size), round(size / SPACING_PX))
    return np.linspace(0, size, pieces + 1).round().astype(np.int64)


def middles(cut: NDArray[np.int64]) -> Floats:
    """The middles of the blocks between cuts, in pixels."""
    return np.asarray((cut[1:] + cut[:-1] - 1) / 2, np.float64)


def block_medians(frames: NDArray[Any]) -> tuple[Floats, tuple[Floats, Floats]]:
    """Medians over blocks of at most `SPACING_PX`, and the rows and columns of the blocks' middles, in pixels."""
    count, height, width = frames.shape
    rows, columns = cuts(height), cuts(width)
    blocks = np.empty((count, len(rows) - 1, len(columns) - 1))
    step = 1 if height * width < 1_000_000 else 2  # a quarter of the pixels tells a block's median well enough
    for i, (top, bottom) in enumerate(itertools.pairwise(rows)):
        for j, (left, right) in enumerate(itertools.pairwise(columns)):
            blocks[:, i, j] = np.median(frames[:, top:bottom:step, left:right:step].reshape(count, -1), axis=1)
    return blocks, (middles(rows), middles(columns))


def robust_smooth(
    logs: Floats, good: NDArray[np.bool_], centres: tuple[Floats, Floats], nodes: tuple[Floats, Floats]
) -> Floats:
    """Values of blocks, smoothed by a local quadratic along each axis, at nodes; arguments as in `fit_polynomial`.

    It keeps slope and bend up to the frame's edge (Cleveland, JASA 1979). Blocks that stand out are replaced by the
    fit.
    """
    own = [_loess(at, at) for at in centres]
    coarse = fit_polynomial(logs, good, centres, centres)
    off = np.abs(logs - coarse)
    spread = 1.4826 * np.median(off, axis=(1, 2), keepdims=True)
    good = good & (off <= np.maximum(4 * spread, 0.01))  # a stain or a glint as wide as the local fit would bend it
    filled = np.where(good, logs, coarse)
    for _ in range(8):
        fit = own[0] @ filled @ own[1].T
        off = np.abs(logs - fit)
        spread = 1.4826 * np.median(off, axis=(1, 2), keepdims=True)
        filled = np.where(good & (off <= np.maximum(3.5 * spread, 2e-3)), logs, fit)
    return np.asarray(_loess(centres[0], nodes[0]) @ filled @ _loess(centres[1], nodes[1]).T)


def fit_polynomial(
    values: Floats,
    good: NDArray[np.bool_],
    centres: tuple[Floats, Floats],
    nodes: tuple[Floats, Floats],
    *,
    degree: int = 4,
) -> Floats:
    """A polynomial over each frame, by least squares with Cauchy weights.

    Args:
        values: (k, rows, columns) at the middles of blocks.
        good: Likewise, which of them count.
        centres: Rows and columns of the blocks' middles, in pixels.
        nodes: Rows and columns where the polynomial is wanted.
        degree: Of the polynomial in x and y together.

    Returns:
        (k, rows, columns) at the nodes, never beyond the range of the values that count by more than half of it.
    """
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]

    def terms(at: tuple[Floats, Floats]) -> Floats:
        y, x = (
            2 * (each - known[0]) / max(known[-1] - known[0], 1e-9) - 1 for each, known in zip(at, centres, strict=True)
        )
        return np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)

    known, wanted = terms(centres), terms(nodes)
    out = np.empty((len(values), len(wanted)))
    for light, each in enumerate(values.reshape(len(values), -1)):
        counts = good[light].ravel()
        weight = counts.astype(np.float64)
        found = np.zeros(len(powers))
        for _ in range(12):
            found = np.linalg.lstsq(known * weight[:, None], each * weight, rcond=1e-6)[0]
            off = np.abs(each - known @ found)
            spread = max(1.4826 * float(np.median(off[counts])), 1e-4)
            weight = counts / np.sqrt(1 + (off / (2.385 * spread)) ** 2)
        low, high = each[counts].min(), each[counts].max()
        out[light] = np.clip(wanted @ found, low - (high - low) / 2, high + (high - low) / 2)
    return out.reshape(len(values), len(nodes[0]), len(nodes[1]))


def _loess(known: Floats, wanted: Floats) -> Floats:
    """(wanted, known) matrix of a local quadratic fit with tricube weights over about nine neighbours."""
    step = (known[-1] - known[0]) / max(len(known) - 1, 1) or 1.0
    reach = max(5.0 * step, 1e-9)
    out = np.zeros((len(wanted), len(known)))
    order = min(2, len(known) - 1)
    for row, at in enumerate(wanted):
        away = (known - at) / step
        wide = max(reach / step, np.partition(np.abs(away), min(6, len(known) - 1))[min(6, len(known) - 1)] * 1.05)
        weight = np.sqrt((1 - np.clip(np.abs(away) / wide, 0, 1) ** 3) ** 3)
        powers = np.vander(away, order + 1, increasing=True)
        out[row] = np.linalg.pinv(powers * weight[:, None])[0] * weight
    return out
