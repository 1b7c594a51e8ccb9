"""Photos that stand in a set twice: the same picture, saved again in another size or quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_BITS = 12
_BANDS = 6
_LOOK_BACK = 64


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
    first = np.arange(len(names))
    for drawers in _drawers(pictures):
        order = np.argsort(drawers, kind="stable")  # within a drawer by name
        starts = np.flatnonzero(np.diff(drawers[order], prepend=-1, append=-1))
        for begin, end in pairwise(starts.tolist()):
            if end - begin > 1:
                _match(order[begin:end], pictures, first, within)
    return {names[at]: names[_root(first, at)] for at in range(len(names)) if _root(first, at) != at}


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


def _match(drawer: NDArray[np.int64], pictures: NDArray[np.int16], first: NDArray[np.int64], within: float) -> None:
    """Join the pictures of a drawer that are one: each is compared with those of nearly the same brightness."""
    level = pictures[drawer].mean(axis=1)
    order = np.argsort(level, kind="stable")
    for at in range(1, len(order)):
        begin = max(at - _LOOK_BACK, int(np.searchsorted(level[order], level[order[at]] - within)))
        before = drawer[order[begin:at]]
        if before.size == 0:
            continue
        apart = np.abs(pictures[before] - pictures[drawer[order[at]]]).mean(axis=1)
        nearest = int(apart.argmin())
        if apart[nearest] <= within:
            one, other = sorted((_root(first, before[nearest]), _root(first, drawer[order[at]])))
            first[other] = one


def _root(first: NDArray[np.int64], at: int) -> int:
    while first[at] != at:
        at = int(first[at])
    return at
