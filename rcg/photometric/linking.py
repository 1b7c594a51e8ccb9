"""Parts of one line, parted by print or by another line that crosses it, joined end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rcg.photometric.types import Floats

_TURN = np.cos(np.radians(25))
_REACH_PX = 60
"""An end's direction is that of so many points."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A line that may be a part of a longer one.

    Attributes:
        path: (n, 2) columns and rows from `smooth_course`, one pixel a step.
        height_um: Its depth (below zero) or height.
        label: Only parts of one label are joined.
    """

    path: Floats
    height_um: float
    label: str


def chains(parts: Sequence[Part], *, gap_px: float) -> list[list[tuple[int, bool]]]:
    """Which parts follow each other in one line.

    Two ends are joined where the gap is short, both head for each other, and depths are alike (within a factor of
    three, of one sign); the shortest gaps first.

    Args:
        parts: The lines.
        gap_px: The longest gap.

    Returns:
        Chains of (number of the part, whether it is run through backwards); each part is in one of them.
    """
    offers = sorted(
        (gap, (i, a), (j, b))
        for i in range(len(parts))
        for j in range(i + 1, len(parts))
        if _alike(parts[i], parts[j], gap_px)
        for a in (0, 1)
        for b in (0, 1)
        if (gap := _gap(_end(parts[i].path, a), _end(parts[j].path, b), gap_px)) is not None
    )
    chain_of = {i: [(i, False)] for i in range(len(parts))}
    for _, (i, a), (j, b) in offers:
        first, second = chain_of[i], chain_of[j]
        if first is second or not (_is_free(first, i, a) and _is_free(second, j, b)):
            continue
        if first[-1][0] != i or _outer(first[-1], last=True) != a:
            first = _turned(first)
        if second[0][0] != j or _outer(second[0], last=False) != b:
            second = _turned(second)
        joined = first + second
        for number, _ in joined:
            chain_of[number] = joined
    return list({id(chain): chain for chain in chain_of.values()}.values())


def joined_path(parts: Sequence[Part], chain: Sequence[tuple[int, bool]]) -> Floats:
    """(n, 2) the course through all parts of a chain, straight over the gaps."""
    return np.concatenate([parts[i].path[::-1] if back else parts[i].path for i, back in chain])


def _alike(one: Part, other: Part, gap_px: float) -> bool:
    low, high = sorted((abs(one.height_um), abs(other.height_um)))
    if one.label != other.label or one.height_um * other.height_um <= 0 or high > 3 * low:
        return False
    apart = np.maximum(one.path.min(axis=0) - other.path.max(axis=0), other.path.min(axis=0) - one.path.max(axis=0))
    return bool((apart <= gap_px).all())


def _end(path: Floats, which: int) -> tuple[Floats, Floats]:
    """The first (0) or last (1) point of a path and the direction in which it leaves there."""
    line = path[:_REACH_PX] if which == 0 else path[::-1][:_REACH_PX]
    ahead = line[0] - line[-1]
    return line[0], ahead / max(float(np.linalg.norm(ahead)), 1e-9)


def _gap(one: tuple[Floats, Floats], other: tuple[Floats, Floats], gap_px: float) -> float | None:
    """How far two ends are apart, where they head for each other; a small overlap is none."""
    (at, ahead), (there, back) = one, other
    way = there - at
    far, along = float(np.linalg.norm(way)), float(way @ ahead)
    aside = abs(float(way[0] * ahead[1] - way[1] * ahead[0]))
    meets = -float(ahead @ back) >= _TURN and aside <= 4 + 0.2 * far and along >= -0.3 * gap_px
    return far if far <= gap_px and meets else None


def _outer(link: tuple[int, bool], *, last: bool) -> int:
    """Which end of a part, 0 or 1, is at the outside of its chain."""
    return int(last != link[1])


def _is_free(chain: Sequence[tuple[int, bool]], number: int, end: int) -> bool:
    """Whether an end of a part is one of its chain's two ends."""
    return (chain[0][0] == number and _outer(chain[0], last=False) == end) or (
        chain[-1][0] == number and _outer(chain[-1], last=True) == end
    )


def _turned(chain: Sequence[tuple[int, bool]]) -> list[tuple[int, bool]]:
    return [(number, not back) for number, back in reversed(chain)]
