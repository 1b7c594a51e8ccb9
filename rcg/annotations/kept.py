"""What label files hold, as columns, and a memory of it, so that what was read to find the classes is read once."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.block import Ints, spans
from rcg.annotations.columns import Marks

_MOST_BYTES = 4 << 20
_SCALES = 1, 1000  # numbers with up to three decimals are whole thousandths
_CLOCK_S = 0.02  # the clock of file systems goes in steps of up to 10 ms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """The labels of n files as they are drawn: m in all, each a box or an outline.

    Attributes:
        counts: (n,) labels of each file.
        names: Class names that occur.
        classes: (m,) index into these names.
        corners: (k, 4) two opposite corners of each box in pixels.
        rings: (r,) the labels that are outlines, rising.
        lengths: (r,) points of each outline.
        points: (p, 2) their points in pixels.
        said: (n, 2) width and height that each file says, 0 where it says none.
        marks: (n,) what else stands in it, bit by bit, as the format has it.
        odd: (n,) files that hold something else; they have no labels here.
    """

    counts: Ints
    names: tuple[str, ...]
    classes: NDArray[np.int32]
    corners: NDArray[Any]
    rings: Ints
    lengths: Ints
    points: NDArray[Any]
    said: NDArray[Any]
    marks: NDArray[np.uint8]
    odd: Marks

    def of(self, files: Ints) -> Drawn:
        """The same of some files.

        Args:
            files: Their places, rising.
        """
        if len(files) == len(self.counts):
            return self
        rows = spans((np.cumsum(self.counts) - self.counts)[files], self.counts[files])
        kept = np.zeros(len(self.classes), np.bool_)
        kept[rows] = True
        boxed = np.ones(len(self.classes), np.bool_)
        boxed[self.rings] = False
        chosen = kept[self.rings]
        return Drawn(
            counts=self.counts[files],
            names=self.names,
            classes=self.classes[rows],
            corners=self.corners[kept[boxed]],
            rings=(np.cumsum(kept) - 1)[self.rings[chosen]],
            lengths=self.lengths[chosen],
            points=self.points[np.repeat(chosen, self.lengths)],
            said=self.said[files],
            marks=self.marks[files],
            odd=self.odd[files],
        )

    def among(self, files: Marks) -> Drawn:
        """The same among files without labels.

        Args:
            files: (n or more,) which of them these are.
        """
        if files.all():
            return self

        def spread(values: NDArray[Any]) -> NDArray[Any]:
            every = np.zeros((len(files), *values.shape[1:]), values.dtype)
            every[files] = values
            return every

        counts, said = spread(self.counts), spread(self.said)
        return replace(self, counts=counts, said=said, marks=spread(self.marks), odd=spread(self.odd))

    def numbered(self, numbers: Sequence[int]) -> NDArray[np.int32]:
        """(m,) class numbers.

        Args:
            numbers: One for each of the names.
        """
        return np.array(numbers, np.int32)[self.classes] if len(self.classes) else self.classes


def joined(pieces: Sequence[Drawn]) -> Drawn:
    """The labels of several runs of files as those of one."""
    if len(pieces) == 1:
        return pieces[0]
    names = tuple(dict.fromkeys(name for piece in pieces for name in piece.names))
    place = {name: number for number, name in enumerate(names)}
    before = np.cumsum([0, *(len(piece.classes) for piece in pieces)]).tolist()

    def together(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    return Drawn(
        counts=together("counts"),
        names=names,
        classes=np.concatenate([piece.numbered([place[name] for name in piece.names]) for piece in pieces]),
        corners=together("corners"),
        rings=np.concatenate([piece.rings + first for piece, first in zip(pieces, before, strict=False)]),
        lengths=together("lengths"),
        points=together("points"),
        said=together("said"),
        marks=together("marks"),
        odd=together("odd"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A run of files that was read.

    Attributes:
        first: The place of its first file.
        began: When reading it began, in seconds since 1970.
        sizes: Bytes of each file.
        drawn: What is in them, its columns packed.
        scales: What each of its columns was multiplied with.
    """

    first: int
    began: float
    sizes: NDArray[Any]
    drawn: Drawn
    scales: Mapping[str, int]

    @classmethod
    def packed(cls, first: int, began: float, sizes: Sequence[int], drawn: Drawn) -> _Piece:
        """A run of files in little memory."""
        columns: dict[str, Any] = {}
        scales: dict[str, int] = {}
        for name in _COLUMNS:
            columns[name], scales[name] = _packed(getattr(drawn, name))
        return cls(first, began, np.array(sizes, np.int64), replace(drawn, **columns), scales)

    @property
    def bytes(self) -> int:
        """The memory that it takes."""
        columns = sum(getattr(self.drawn, name).nbytes for name in (*_COLUMNS, "marks", "odd"))
        return int(columns + 2 * self.sizes.nbytes)  # the name of each file is known otherwise, and pointed to

    def unpacked(self) -> Drawn:
        """What is in the files."""
        columns: dict[str, Any] = {}
        for name, kind in _COLUMNS.items():
            column, scale = getattr(self.drawn, name), self.scales[name]
            columns[name] = column.astype(kind) if scale == 1 else column / scale
        return replace(self.drawn, **columns)


_COLUMNS: Mapping[str, Any] = {
    "counts": np.int64,
    "classes": np.int32,
    "corners": np.float64,
    "rings": np.int64,
    "lengths": np.int64,
    "points": np.float64,
    "said": np.float64,
}


def _packed(numbers: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Numbers as integers that are not longer than they need be, and what they were multiplied with for that."""
    for scale in _SCALES if numbers.size and not np.signbit(numbers).any() else ():  # -0.0 stays what it is
        whole = np.rint(numbers * scale)
        if (whole / scale == numbers).all() and whole.max() < 1 << 31:
            return whole.astype(np.min_scalar_type(int(whole.max()))), scale
    return numbers, 1


class Kept:
    """What the first label files hold, as far as it takes little memory.

    Args:
        root: The folder of the label files.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: list[str] = []
        self._pieces: list[_Piece] = []
        self._left = _MOST_BYTES

    def add(self, names: Sequence[str], sizes: Sequence[int], drawn: Drawn, *, began: float) -> None:
        """Keep what a run of files holds, unless that is too much.

        Args:
            names: The files, sorted behind those that came before.
            sizes: Their lengths in bytes.
            drawn: What they hold.
            began: When reading them began, in seconds since 1970.
        """
        if self._left <= 0:
            return
        piece = _Piece.packed(len(self._names), began, sizes, drawn)
        self._left -= piece.bytes
        if self._left > 0:
            self._pieces.append(piece)
            self._names += names

    def of(self, names: Sequence[str | None]) -> Drawn | None:
        """What files hold, None for one that is not there; None unless all are kept and as they were.

        Args:
            names: The files, sorted.
        """
        real = [name for name in names if name is not None]
        places = self._places(real)
        if places is None:
            return None
        parts: list[Drawn] = []
        starts = [piece.first for piece in self._pieces]
        for number in range(bisect_right(starts, int(places[0])) - 1, bisect_right(starts, int(places[-1]))):
            piece = self._pieces[number]
            inside = (places >= piece.first) & (places < piece.first + len(piece.sizes))
            own = places[inside] - piece.first
            if not self._are_as_they_were([self._names[piece.first + at] for at in own.tolist()], piece, own):
                return None
            parts.append(piece.unpacked().of(own))
        return joined(parts).among(np.array([name is not None for name in names], np.bool_))

    def _places(self, names: list[str]) -> Ints | None:
        """Where files are among those that are kept; None where one is not, or comes twice."""
        if not names:
            return None
        first, last = bisect_left(self._names, names[0]), bisect_right(self._names, names[-1])
        between = self._names[first:last]
        if between == names:
            return np.arange(first, last)
        place = {name: first + number for number, name in enumerate(between)}
        places = np.array([place.get(name, -1) for name in names], np.int64)
        return places if places[0] >= 0 and (np.diff(places) > 0).all() else None

    def _are_as_they_were(self, names: Sequence[str], piece: _Piece, own: Ints) -> bool:
        inside = os.open(self._root, os.O_RDONLY)  # names relative to it are found faster than whole paths
        try:
            found = [os.stat(name, dir_fd=inside) for name in names]
        except (OSError, ValueError):
            return False
        finally:
            os.close(inside)
        newest = max(max(each.st_mtime, each.st_ctime) for each in found)
        sizes = [each.st_size for each in found]
        return newest < piece.began - _CLOCK_S and sizes == piece.sizes[own].tolist()
