"""Photos that stand in a set twice: the same picture, saved again in another size or quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_BITS = 12
_BANDS = 6
_LOOK_BACK = 64
_AT_ONCE = 8192  # pairs; 4 MB of differences


def duplicates(thumbnails: Mapping[str, NDArray[np.uint8]], *, within: float) -> dict[str, str]:
    """The photos that are another one again, each with the first of its kind by name.

    Pictures are compared by their small versions of 16 x 16 grey values. To avoid comparing all with all, pictures are
    sorted into drawers by which parts of them are brighter than which others, several times over by different parts;
    copies share at least one drawer.

    Args:
        thumbnails: (16, 16) uint8 by file name.
        within: How far two may be apart, in grey values, mean over the small picture.

    Example:
        >>> small = np.arange(256, dtype=np.uint8).reshape(16, 16)
        >>> duplicates({"a.jpg": small, "b.jpg": small, "c.jpg": small[::-1]}, within=1)
        {'b.jpg': 'a.jpg'}
    """
    names = sorted(thumbnails)
    if len(names) < 2:
        return {}
    pictures = np.stack([thumbnails[name].reshape(-1) for name in names]).astype(np.int16)
    level = pictures.mean(axis=1)
    coarse = pictures.reshape(-1, 4, 4, 4, 4).mean(axis=(2, 4), dtype=np.float32).reshape(-1, 16)
    first = np.arange(len(names))
    for drawers in _drawers(pictures):
        order = np.lexsort((level, drawers))
        for one, other in _pairs(order, drawers, level, within):
            close = np.abs(coarse[one] - coarse[other]).mean(axis=1) <= within  # never above what the pixels differ by
            one, other = one[close], other[close]
            apart = np.abs(pictures[one] - pictures[other]).mean(axis=1)
            for a, b in zip(one[apart <= within].tolist(), other[apart <= within].tolist(), strict=True):
                low, high = sorted((_root(first, a), _root(first, b)))
                first[high] = low
    return {names[at]: names[_root(first, at)] for at in range(len(names)) if _root(first, at) != at}


def _pairs(
    order: NDArray[np.int64], drawers: NDArray[np.int64], level: NDArray[np.float64], within: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of pictures in one drawer whose brightness differs by no more than `within`, some thousands at a time.

    Args:
        order: (n,) the pictures by drawer and then by brightness.
        drawers: (n,) drawer of each picture.
        level: (n,) brightness of each picture.
        within: Grey values.
    """
    for step in range(1, min(_LOOK_BACK, len(order) - 1) + 1):
        one, other = order[:-step], order[step:]
        near = (drawers[one] == drawers[other]) & (level[other] - level[one] <= within)
        if not near.any():
            return
        one, other = one[near], other[near]
        for start in range(0, len(one), _AT_ONCE):
            yield one[start : start + _AT_ONCE], other[start : start + _AT_ONCE]


def _drawers(pictures: NDArray[np.int16]) -> Sequence[NDArray[np.int64]]:
    """Drawer numbers of all pictures, for each way of sorting."""
    generator = np.random.default_rng(7)  # any fixed choice of parts serves
    found = []
    means = pictures.reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4)).reshape(len(pictures), 64)
    for _ in range(_BANDS):
        pairs = generator.choice(64, (_BITS, 2), replace=True)
        bits = means[:, pairs[:, 0]] > means[:, pairs[:, 1]]
        found.append(bits @ (1 << np.arange(_BITS)))
    return found


def _root(first: NDArray[np.int64], at: int) -> int:
    while first[at] != at:
        at = int(first[at])
    return at
