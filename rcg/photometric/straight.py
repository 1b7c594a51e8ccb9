"""Long straight lines along an edge of the card: marks of the rollers in its relief, and of the press in its print."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rcg.photometric.types import Floats, Mask, Plane

_STRIP = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Straight:
    """A straight line.

    Attributes:
        points: (n, 2) columns and rows, in pixels of the score.
        score: The sum along it over its noise, above zero for a valley.
        mean: The mean score of a pixel on it.
        covered: Share of the way from its first to its last point that shows it.
        reaches: Whether it shows up to both ends of what is known.
    """

    points: Floats
    score: float
    mean: float
    covered: float
    reaches: bool

    def moved(self, points: Floats) -> Straight:
        """The same line with its ends in other coordinates."""
        return replace(self, points=points)


def straight_lines(score: Plane, known: Mask, *, least: float, tilt_deg: float, apart: int) -> list[Straight]:
    """Lines within a small angle of the columns, from top to bottom of what is known.

    Rows are summed in strips, and the strips at all small tilts: a Radon transform of a narrow fan.

    Args:
        score: (h, w) float32 second derivative across over its noise, above zero in a valley.
        known: (h, w), true where it is of the card.
        least: The least sum over its noise.
        tilt_deg: The largest angle to the columns.
        apart: Two lines are at least so many columns apart.
    """
    # the logarithm keeps a short strong thing from making a long line, and a wide one from being flat on top
    strips, shares = _strips(np.copysign(np.log1p(np.abs(score)), score) * known, known)
    tilts = _tilts(len(strips), tilt_deg)
    sums = np.stack([_sheared(strips, tilt).sum(axis=0) for tilt in tilts])
    weights = np.stack([_sheared(shares, tilt).sum(axis=0) for tilt in tilts])
    long = weights >= 0.6 * weights.max()
    rate = np.divide(sums, np.sqrt(weights), out=np.zeros_like(sums), where=long)
    spread = float(np.median(np.abs(rate[long]))) / 0.6745 if long.any() else 0.0
    rate /= max(spread, 1e-9)
    found: list[Straight] = []
    while True:
        which, column = np.unravel_index(int(np.argmax(np.abs(rate))), rate.shape)
        value = float(rate[which, column])
        if abs(value) < least:
            return found
        if _is_ridge(rate[which], int(column), apart):
            found.append(_line(strips, shares, int(column), float(tilts[which]), value, spread))
        rate[:, max(0, column - 4 * apart) : column + 4 * apart + 1] = 0


def _strips(score: Plane, known: Mask) -> tuple[Floats, Floats]:
    """Sums over strips of rows, and how many of their pixels are known."""
    edges = np.arange(0, score.shape[0], _STRIP)
    sums = np.add.reduceat(score, edges, axis=0, dtype=np.float32)
    counts = np.add.reduceat(known, edges, axis=0, dtype=np.int32)
    return sums.astype(np.float64), counts.astype(np.float64)


def _tilts(strips: int, tilt_deg: float) -> Floats:
    """Columns for each strip; steps small enough that the ends move by less than a column."""
    most = np.tan(np.radians(tilt_deg)) * _STRIP
    count = max(1, int(np.ceil(most * strips / 1.5)))
    return np.linspace(-most, most, 2 * count + 1)


def _sheared(strips: Floats, tilt: float) -> Floats:
    out = np.zeros_like(strips)
    middle = (len(strips) - 1) / 2
    for row, values in enumerate(strips):
        shift = round(tilt * (row - middle))
        if shift >= 0:
            out[row, : values.size - shift] = values[shift:]
        else:
            out[row, -shift:] = values[:shift]
    return out


def _is_ridge(rate: Floats, column: int, apart: int) -> bool:
    """A line has lobes of the other sign on both sides, a step and a lobe itself on one side only."""
    signed = rate * np.sign(rate[column])
    sides = signed[max(0, column - 2 * apart) : column], signed[column + 1 : column + 2 * apart + 1]
    return all(side.size > 0 and side.min() < -0.2 * signed[column] for side in sides)


def _line(  # noqa: PLR0917 - a private step, called once
    strips: Floats, shares: Floats, column: int, tilt: float, value: float, spread: float
) -> Straight:
    middle = (len(strips) - 1) / 2
    rows = np.arange(len(strips))
    columns = np.round(column + tilt * (rows - middle)).astype(int).clip(0, strips.shape[1] - 1)
    weight = shares[rows, columns]
    sums = strips[rows, columns] * np.sign(value)
    # an eighth of the line at a time: it shows where its sum stands out of what such lines spread elsewhere
    window = np.ones(max(5, len(strips) // 8 | 1))
    near, seen = (np.convolve(each, window, mode="same") for each in (sums, weight))
    shows = (weight > 0) & (near >= 1.5 * spread * np.sqrt(np.maximum(seen, 1)))
    inside = np.flatnonzero(weight > _STRIP / 2)
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, len(strips) - 1)
    alone = sums >= 1.5 * spread * np.sqrt(np.maximum(weight, 1))
    ends = alone[first] and alone[last]
    part = np.flatnonzero(shows)
    begin, end = (int(part[0]), int(part[-1])) if len(part) else (first, last)
    at = np.array([begin * _STRIP, (end + 1) * _STRIP - 1.0])
    ends_at = column + tilt * ((at - _STRIP / 2 + 0.5) / _STRIP - middle)
    return Straight(
        points=np.column_stack([ends_at, at]),
        score=value,
        mean=float(np.sign(value) * sums.sum() / max(weight.sum(), 1)),
        covered=float(shows[begin : end + 1].mean()),
        reaches=bool(ends),
    )
