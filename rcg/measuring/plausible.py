"""Which of the candidates on four sides is the print's frame: a wrong line shows as a wrong total or a crooked frame.

Nothing here makes a line: it only weighs those that were seen.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import PRINT_FAMILIES, CardSpec
from rcg.measuring.types import SIDES

Floats = NDArray[np.float64]

_TOTAL_SD = 0.2  # mm: of a design's totals, between cards and in the measuring
_OTHER = 0.3  # how much a plausible total of no known design counts, against one that fits a design
_TURN_SD = 0.0035  # radians that one side of a frame leans off the common turn
_COMMON_TURN_SD = 0.008  # radians that prints are turned against the cut
_SHIFT_SD = 0.7  # mm that prints lie off the middle
_ASKED = 5  # candidates a side that are combined
_FAR = 0.5  # mm: a line farther off is a matter of `chance`, not of a sigma
_EVIDENCE = 2.0  # how much the lines' own marks weigh against what is known of prints
_HOW_SURE = 0.9  # the most that a line counts as the border's end when lines farther in are weighed

TURNS = np.array([-1.0, 1.0, 1.0, -1.0])
"""Sign of each side's slope, in the order of `SIDES`, where a print is turned clockwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A line that one side offers.

    Attributes:
        width: The border's mean width, mm.
        slope: Of the line against the cut.
        mark: How much speaks for it on its own side, 0 to 1.
    """

    width: float
    slope: float
    mark: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """One line a side, and how sure the choice is.

    Attributes:
        picked: Index of the chosen line on each side.
        chance: Probability of the chosen set, and of those that differ by less than 0.1 mm.
        rival: (4,) mm, how far each width is uncertain because another line may be meant, as a standard deviation.
        family: The print design whose totals fit; "" where none does.
        misfit: Standard deviations of `_TOTAL_SD` that the totals lie off the nearest design's.
    """

    picked: tuple[int, int, int, int]
    chance: float
    rival: Floats
    family: str
    misfit: float


def choose(sides: tuple[list[Choice], ...], spec: CardSpec) -> Verdict:
    """Weigh all sets of four lines.

    Args:
        sides: The lines of each side in the order of `SIDES`, from outside to inside; none of them empty.
        spec: The cut stock.
    """
    kept = [_strongest(lines) for lines in sides]
    sets = np.array(list(itertools.product(*kept)))
    widths, slopes, first = (np.stack([v[sets[:, k]] for k, v in enumerate(each)], axis=1) for each in _columns(sides))
    weights = _EVIDENCE * np.log(np.maximum(first, 1e-4)).sum(axis=1) + _log_prior(widths, slopes, spec)
    chance = np.exp(weights - weights.max())
    chance /= chance.sum()
    best = int(np.argmax(chance))
    near = (np.abs(widths - widths[best]) < 0.1).all(axis=1)
    off = np.minimum(np.abs(widths - widths[best]), _FAR)
    rival = np.sqrt((chance[:, None] * off**2).sum(axis=0))
    family, misfit = nearest_family(widths[best], spec)
    picked = tuple(int(each) for each in sets[best])
    return Verdict(
        picked=(picked[0], picked[1], picked[2], picked[3]),
        chance=float(chance[near].sum()),
        rival=rival,
        family=family,
        misfit=misfit,
    )


def nearest_family(widths: Floats, spec: CardSpec) -> tuple[str, float]:
    """The design whose border totals lie nearest, "" beyond 3, and how far off they are in standard deviations."""
    totals = np.array([widths[0] + widths[2], widths[1] + widths[3]])
    off = {name: float(np.linalg.norm((totals - each) / _TOTAL_SD)) for name, each in _totals(spec).items()}
    if not off:
        return "", np.inf
    name = min(off, key=lambda each: off[each])
    return (name if off[name] < 3 else ""), off[name]


def _strongest(lines: list[Choice]) -> list[int]:
    order = sorted(range(len(lines)), key=lambda i: -lines[i].mark)
    return sorted(order[:_ASKED])


def _columns(sides: tuple[list[Choice], ...]) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Widths, slopes, and the chance that a line is the first to end the border, walking in from the cut."""
    first = []
    for lines in sides:
        left, each = 1.0, []
        for line in lines:
            each.append(left * line.mark)
            left *= 1 - _HOW_SURE * line.mark
        first.append(np.array(each))
    widths = [np.array([line.width for line in lines]) for lines in sides]
    return widths, [np.array([line.slope for line in lines]) for lines in sides], first


def _log_prior(widths: Floats, slopes: Floats, spec: CardSpec) -> Floats:
    across, down = widths[:, 0] + widths[:, 2], widths[:, 1] + widths[:, 3]
    known = [np.hypot(across - t[0], down - t[1]) / _TOTAL_SD for t in _totals(spec).values()]
    fits = np.exp(-0.5 * np.min(known, axis=0) ** 2) if known else np.zeros(len(widths))
    other = _OTHER * np.exp(-0.5 * (((across - 5.4) / 2.0) ** 2 + ((down / across - 1.1) / 0.18) ** 2))
    turns = slopes * TURNS
    common = turns.mean(axis=1)
    lean = ((turns - common[:, None]) / _TURN_SD) ** 2
    off = (widths[:, :2] - widths[:, 2:]) / 2
    shape = lean.sum(axis=1) + (common / _COMMON_TURN_SD) ** 2 + ((off / _SHIFT_SD) ** 2).sum(axis=1)
    return np.asarray(np.log(np.maximum(fits, other) + 1e-6) - 0.5 * np.minimum(shape, 40))


def _totals(spec: CardSpec) -> dict[str, tuple[float, float]]:
    """Border totals by the design's name."""
    if spec.border_totals is not None:
        return {spec.name: spec.border_totals}
    every = PRINT_FAMILIES.values()
    return {each.name: each.totals for each in every if each.totals is not None and spec.name in each.specs}


__all__ = ["SIDES", "TURNS", "Choice", "Verdict", "choose", "nearest_family"]
