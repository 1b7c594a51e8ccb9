"""Compiled loops over the stations of a side.

Compiled code is kept in numba's cache, which does not see a change of what is called from another file: all that these
functions call stands in this one.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@njit(cache=True)
def sheared_means(votes: Singles, shifts: NDArray[np.int64]) -> Singles:
    """(k, d) means over the stations of (n, d) votes, each station moved by its (k, n) shift; 0 beyond the ends."""
    n, d = votes.shape
    found = np.zeros((shifts.shape[0], d), np.float32)
    for k in range(shifts.shape[0]):
        for row in range(n):
            move = shifts[k, row]
            first, last = max(0, -move), min(d, d - move)
            for i in range(first, last):
                found[k, i] += votes[row, i + move]
    return (found / n).astype(np.float32)  # type: ignore[no-any-return]


@njit(cache=True)
def common_change(change: Singles, shift: NDArray[np.int64], first: int, last: int) -> float:
    """The largest size of the median change that stations have in common, between two depths of a sheared frame."""
    n, d, c = change.shape
    best = 0.0
    size = 0.0
    column = np.zeros(n, np.float32)
    for i in range(first, last):
        size = 0.0
        for channel in range(c):
            for row in range(n):
                at = i + shift[row]
                column[row] = change[row, at, channel] if 0 <= at < d else np.float32(0)
            size += float(np.median(column)) ** 2
        best = max(best, size)
    return float(best**0.5)


@njit(cache=True)
def band(lab: Singles, first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[int, Floats, float, float]:
    """What lies between two depths of each station.

    Args:
        lab: (n, d, 3) colours.
        first: (n,) index of the first reading.
        last: (n,) index after the last.

    Returns:
        How many stations have any; their (3,) median colour; the median over them of the readings' standard deviation;
        and the median distance of a station's mean from the median colour.
    """
    n = lab.shape[0]
    means = np.zeros((n, 3))
    unrest = np.zeros(n)
    count = 0
    for row in range(n):
        a, b = max(0, first[row]), min(lab.shape[1], last[row])
        if b <= a:
            continue
        square = 0.0
        for channel in range(3):
            total = 0.0
            for i in range(a, b):
                total += lab[row, i, channel]
                square += lab[row, i, channel] ** 2
            means[count, channel] = total / (b - a)
        square /= b - a
        for channel in range(3):
            square -= means[count, channel] ** 2
        unrest[count] = max(0.0, square) ** 0.5
        count += 1
    colour = np.full(3, np.nan)
    if count == 0:
        return 0, colour, np.nan, np.nan
    for channel in range(3):
        colour[channel] = np.median(means[:count, channel])
    away = np.zeros(count)
    for row in range(count):
        for channel in range(3):
            away[row] += (means[row, channel] - colour[channel]) ** 2
    return count, colour, float(np.median(unrest[:count])), float(np.median(away)) ** 0.5
