"""Unpacks zip and tar archives that strangers made: nothing leads out of its folder, fills the disk or stays behind."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tarfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path
from typing import IO

from rcg.errors import DataError, FormatError
from rcg.files import explain
from rcg.images import is_image_name
from rcg.progress import Report, Tick, counted, silent

TASK = "unpacking"

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_LABELS = frozenset({".txt", ".xml", ".json", ".jsonl", ".yaml", ".yml", ".csv", ".tsv", ".names", ".data"})
_IGNORED = frozenset({"__MACOSX", "@eaDir"})
_RATIO, _SMALL = 200, 100_000_000
"""Photos hardly shrink, bitmaps and label files by a factor of 20: what grows 200 times, beyond 100 MB, is a bomb."""
_RESERVE = 50_000_000  # bytes of the disk that stay free for labels and caches
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, NotImplementedError)

_AGAIN = "download or copy the archive again; nothing of it was added"
_BY_HAND = "unpack it yourself where that is safe, and add the folder"


def is_archive(path: str | Path) -> bool:
    """Whether a file is called as an archive that can be unpacked."""
    return str(path).lower().endswith(_ENDINGS)


@dataclass(frozen=True, slots=True)
class Packed:
    """What stands in an archive, without unpacking it.

    Attributes:
        images: How many images.
        labels: How many files that may hold labels.
        others: How many others, which are passed over, by ending.
    """

    images: int
    labels: int
    others: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def look_into(archive: Path) -> Packed:
    """Count what an archive holds.

    Raises:
        RcgError: As `unpack`.
    """
    images = labels = 0
    others: Counter[str] = Counter()
    with _reading(archive):
        for entry in _entries(archive):
            kind = _kind(entry.name)
            images += kind == "image"
            labels += kind == "label"
            others[Path(entry.name).suffix.lower()] += kind == "other"
    return Packed(images, labels, +others)


def unpack(archive: Path, folder: Path, *, report: Report = silent) -> Packed:
    """Unpack the images and label files of an archive; archives inside of it stay closed.

    Args:
        archive: A .zip or .tar file, the latter also packed with gzip, bzip2 or xz.
        folder: A new folder; the caller removes it, whatever happens.
        report: Counts bytes.

    Returns:
        What was unpacked, and what was passed over.

    Raises:
        FormatError: If it is damaged or no archive.
        DataError: If an entry leads out of the archive or is a link or a device, if the archive needs a password, or
            if it holds more than the disk can take.
        RcgError: If the disk is full.
        Cancelled: If `report` asks for a stop.
    """
    budget = _Budget(archive, folder, report)
    images = labels = 0
    others: Counter[str] = Counter()
    with _reading(archive):
        for entry in _entries(archive):
            kind = _kind(entry.name)
            if kind in ("image", "label"):
                _unpack(entry, folder / entry.name, budget)
                images += kind == "image"
                labels += kind == "label"
            elif kind == "other":
                others[Path(entry.name).suffix.lower()] += 1
    budget.close()
    return Packed(images, labels, others)


def _kind(name: str) -> str:
    parts = name.split("/")
    if any(part.startswith(".") or part in _IGNORED for part in parts):
        return "ignored"
    if is_image_name(parts[-1]):
        return "image"
    return "label" if Path(name).suffix.lower() in _LABELS else "other"


class _reading:  # noqa: N801 - a context manager
    """Says of a damaged archive what is wrong with it."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive

    def __enter__(self) -> None:
        if not self._archive.exists():
            raise explain(FileNotFoundError(), self._archive)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DAMAGED):
            what = f"the archive is damaged or of another kind ({error or type(error).__name__})"
            raise FormatError(what, where=self._archive, fix=_AGAIN) from error
        if isinstance(error, OSError):
            if error.errno is None or error.errno == errno.EINVAL:  # bz2 and gzip say so of bytes they cannot read
                raise FormatError(f"the archive is damaged ({error})", where=self._archive, fix=_AGAIN) from error
            raise explain(error, error.filename or self._archive) from error


def _entries(archive: Path) -> Iterator[_Entry]:
    if archive.name.lower().endswith(".zip"):
        yield from _zip_entries(archive)
    else:
        yield from _tar_entries(archive)


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            name = _safe(info.filename, archive)
            mode = info.external_attr >> 16
            if mode & 0o170000 not in (0, 0o100000, 0o040000):
                raise _refused(archive, info.filename, "is a link or a device")
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                fix = "unpack it with its password, and add the folder"
                raise DataError("the archive needs a password", where=archive, fix=fix)
            yield _Entry(name, info.file_size, lambda info=info: file.open(info))  # type: ignore[misc]


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, "r:*") as file:
        for info in file:
            name = _safe(info.name, archive)
            if info.isdir():
                continue
            if not info.isreg():
                raise _refused(archive, info.name, "is a link or a device")
            yield _Entry(name, info.size, lambda info=info: file.extractfile(info))  # type: ignore[misc]
            file.members = []  # type: ignore[attr-defined]  # it would keep them all
        if isinstance(file.fileobj, io.BufferedReader) and archive.stat().st_size <= file.offset:  # packed ones know
            raise FormatError("the archive is cut off: its end is missing", where=archive, fix=_AGAIN)


def _safe(name: str, archive: Path) -> str:
    """The name with forward slashes.

    Raises:
        DataError: If it leads out of the folder it is unpacked in.
    """
    path = name.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")) or "\0" in path:
        raise _refused(archive, name, "leads out of the archive")
    return "/".join(parts)


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(f"the entry {name!r} {why}, so nothing of the archive was added", where=archive, fix=_BY_HAND)


class _Budget:
    """Counts what is written and stops what is too much."""

    def __init__(self, archive: Path, folder: Path, report: Report) -> None:
        self._archive, self._folder, self._report = archive, folder, report
        self._packed = archive.stat().st_size if archive.exists() else 0
        folder.mkdir(parents=True, exist_ok=True)
        self._free = shutil.disk_usage(folder).free - _RESERVE
        self._files = os.statvfs(folder).f_favail
        self._written = self._count = 0
        self._last = 0.0

    def file(self, size: int) -> None:
        """One more file, which says that it has so many bytes."""
        self._count += 1
        if 0 < self._files < self._count:
            raise DataError("the archive holds more files than the disk can take", where=self._archive, fix=_BY_HAND)
        self._check(self._written + size)

    def take(self, size: int) -> None:
        """So many bytes more."""
        self._written += size
        self._check(self._written)
        if time.monotonic() - self._last >= 0.1:
            self._last = time.monotonic()
            self._report(Tick(task=TASK, done=self._written, note=f"bytes of {self._archive.name}"))

    def _check(self, size: int) -> None:
        if size > _SMALL and size > _RATIO * self._packed:
            what = f"the archive holds {size / self._packed:,.0f} times its own size, as no photos do"
            raise DataError(what, where=self._archive, fix=_BY_HAND)
        if size > self._free:
            what = f"the archive holds at least {size / 1e6:,.0f} MB, and {max(0, self._free) / 1e6:,.0f} MB are free"
            raise DataError(what, where=self._archive, fix="free some space, then repeat the command")

    def close(self) -> None:
        """Tell the end."""
        note = counted(self._count, "file")
        self._report(Tick(task=TASK, done=self._written, total=self._written, note=note))


def _unpack(entry: _Entry, target: Path, budget: _Budget) -> None:
    budget.file(entry.size)
    content = entry.open()
    assert content is not None  # only regular files come here
    with content, _opened(target, entry.name) as out:
        while block := content.read(1 << 20):
            budget.take(len(block))
            try:
                out.write(block)
            except OSError as error:
                raise explain(error, target) from error


def _opened(target: Path, name: str) -> IO[bytes]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb", buffering=0)
    except FileExistsError as error:
        raise FormatError(f"two entries are called {name!r}", where=target.name, fix=_BY_HAND) from error
    except OSError as error:
        raise explain(error, target) from error
