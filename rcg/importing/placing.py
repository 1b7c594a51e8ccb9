"""Puts images into a dataset: copied, linked or converted; the originals are only read."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import xxhash

from rcg.errors import DataError
from rcg.files import Stamp, explain, fingerprint, stamp_of
from rcg.images import in_common_format
from rcg.places import place_in, says_place, without_place

_WORK = ".adding"
_WHOLE = 1 << 26  # larger files are copied piece by piece


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an original is now.

    Attributes:
        kept: Its name in the dataset, relative to the images folder.
        size: Bytes of the file there.
        place: Whether that file says where it was taken.
        had_place: Whether the original says it.
        new: Whether it was not there before.
        converted: Whether it was written in another format.
        mark: Time of its last change in nanoseconds and its fingerprint, where the bytes were at hand.
    """

    kept: str
    size: int
    place: bool
    had_place: bool
    new: bool
    converted: bool = False
    mark: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class _Original:
    """What is to stand in the dataset: `data`, or the file itself where that is None."""

    path: Path
    raw: bytes | None
    data: bytes | None
    ending: str
    place: bool

    @property
    def converted(self) -> bool:
        return self.ending != self.path.suffix

    def mark(self) -> str:
        """Eight digits that tell it from another image of its name."""
        return (fingerprint(self.path) if self.raw is None else xxhash.xxh3_128_hexdigest(self.raw))[:8]


class Placer:
    """Puts images into a folder, each whole or not at all.

    Args:
        folder: The dataset's images.
        link: Refer to the originals by symbolic links.
        move: Take files over instead of copying them; for those that were unpacked here.
        remove_gps: Take out where a photo was taken.
    """

    def __init__(self, folder: Path, *, link: bool = False, move: bool = False, remove_gps: bool = False) -> None:
        self.folder = folder
        self._link, self._move, self._remove_gps = link, move, remove_gps
        self._numbers = count()
        self._made: set[Path] = set()

    def __enter__(self) -> Self:
        self._clean()  # what a killed call was writing
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clean()

    def _clean(self) -> None:
        shutil.rmtree(self.folder / _WORK, ignore_errors=True)

    def put(self, original: Path, file_name: str) -> Placed:
        """Bring an image in; another image of the same name gets its fingerprint into its name.

        Args:
            original: The file.
            file_name: The name it is to have.

        Raises:
            FileNotFoundError: If the original is not there.
            PermissionError: If it cannot be read.
            RcgError: If it cannot be converted, or the disk is full.
        """
        wanted = self._wanted(original)
        if wanted.converted:
            file_name = PurePosixPath(file_name).with_suffix(wanted.ending).as_posix()
        placed = self._put_as(file_name, wanted)
        if placed is None:
            path = PurePosixPath(file_name)
            placed = self._put_as(path.with_name(f"{path.stem}~{wanted.mark()}{path.suffix}").as_posix(), wanted)
        if placed is None:
            raise DataError("two different images have the same fingerprint", where=original)
        return placed

    def _wanted(self, original: Path) -> _Original:
        with open(original, "rb") as file:  # noqa: PTH123 - twice as fast, once a file
            head = file.read(12)
            large = os.fstat(file.fileno()).st_size > _WHOLE
            foreign = head[4:8] == b"ftyp"
            raw = None if foreign or large or self._link else head + file.read()
        if foreign:
            made, ending = in_common_format(original)
            return _Original(original, None, without_place(made) if self._remove_gps else made, ending, place_in(made))
        place = says_place(original) if raw is None else place_in(raw[: 1 << 18] if raw[:1] == b"\xff" else raw)
        data: bytes | None = raw
        if place and self._remove_gps:
            data = without_place(original.read_bytes() if raw is None else raw)
        return _Original(original, raw, data, original.suffix, place)

    def _put_as(self, name: str, wanted: _Original) -> Placed | None:
        """The image under this name; None where another one has it."""
        target = self.folder / name
        try:
            if target.is_symlink() and not target.exists():  # its original was moved: the new place is as good
                target.unlink()
            there = stamp_of(target)
            if there is None:
                return self._bring(name, target, wanted)
            size = self._same(target, there, wanted)
        except OSError as error:
            raise explain(error, target) from error
        if size is None:
            return None
        left = wanted.place and not self._remove_gps and (wanted.raw is None or place_in(target.read_bytes()))
        return Placed(name, size, left, wanted.place, new=False, converted=wanted.converted)

    def _bring(self, name: str, target: Path, wanted: _Original) -> Placed:
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        stamp = stamp_of(wanted.path) or (0, 0, 0)
        if self._link and wanted.data is None:
            target.symlink_to(wanted.path.resolve())
        elif self._move and wanted.data is wanted.raw:
            wanted.path.replace(target)
        else:
            self._write(target, wanted.data, stamp, wanted.path)
        left = wanted.place and not self._remove_gps
        size = stamp[0] if wanted.data is None else len(wanted.data)
        mark = None if wanted.data is None else (stamp[1], xxhash.xxh3_128_hexdigest(wanted.data))
        return Placed(name, size, left, wanted.place, new=True, converted=wanted.converted, mark=mark)

    def _write(self, target: Path, data: bytes | None, stamp: Stamp | None, path: Path | None = None) -> None:
        """Write `data`, or a copy of `path`, with the time of the original."""
        work = self.folder / _WORK
        if work not in self._made:
            work.mkdir(parents=True, exist_ok=True)
            self._made.add(work)
        beside = f"{work}/{next(self._numbers)}"
        if data is None:
            assert path is not None
            shutil.copyfile(path, beside)
        else:
            with open(beside, "wb", buffering=0) as out:  # noqa: PTH123 - as above
                rest = memoryview(data)
                while rest:
                    rest = rest[out.write(rest) :]
        if stamp is not None:
            os.utime(beside, ns=(stamp[1], stamp[1]))
        os.replace(beside, target)  # noqa: PTH105 - as above

    def _same(self, target: Path, there: Stamp, wanted: _Original) -> int | None:
        """Bytes of the file that is there, if it is this image, with or without its place; else None."""
        if wanted.raw is None and wanted.data is None:
            return there[0] if target.samefile(wanted.path) or _equal(target, wanted.path, there) else None
        wished = wanted.data if wanted.data is not None else wanted.path.read_bytes()
        if there[0] != len(wished):
            return None
        found = target.read_bytes()
        if found == wished:
            return there[0]
        if not wanted.place:
            return None
        if self._remove_gps and without_place(found) == wished:
            self._write(target, wished, there)
            return there[0]
        return there[0] if found == without_place(wished) else None


def _equal(first: Path, second: Path, stamp: Stamp) -> bool:
    if stamp[0] != second.stat().st_size:
        return False
    with first.open("rb") as one, second.open("rb") as other:
        while block := one.read(1 << 20):
            if block != other.read(1 << 20):
                return False
    return True
