"""Fingerprints of a dataset's images: whether their bytes are still the same, without reading them each time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from rcg.errors import DataError
from rcg.files import explain, fingerprint, stamp_of, write_bytes
from rcg.progress import Report, counted, silent, tracked

if TYPE_CHECKING:
    from pathlib import Path

    from rcg.datasets import Dataset

_PART = 64  # images that a thread reads before it comes back


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """The hash of every image.

    Attributes:
        of: 32 hexadecimal digits by file name; of a missing image the last that was known, or nothing.
        missing: Images whose file is gone, such as originals of links that were moved.
        folder: Where they were looked for.
    """

    of: Mapping[str, str]
    missing: tuple[str, ...]
    folder: Path

    def check(self) -> None:
        """Refuse a set with holes.

        Raises:
            DataError: If images are missing.
        """
        if self.missing:
            some = counted(len(self.missing), "image is", "images are")
            what = f"{some} missing, such as {self.missing[0]}"
            fix = "put the originals back where they were, or add the folder that holds them again"
            raise DataError(what, where=self.folder, fix=fix)


def image_fingerprints(
    dataset: Dataset, names: Iterable[str] | None = None, *, report: Report = silent
) -> Fingerprints:
    """The hash of every image; files whose size and time did not change are not read again.

    Args:
        dataset: The dataset.
        names: Images below `dataset.images`; those of the ground truth by default.
        report: Counts the images that are read.

    Raises:
        RcgError: If an image may not be read.
    """
    wanted = (record.file_name for record in dataset.heads()) if names is None else names
    return file_fingerprints(dataset.images, wanted, cache=dataset.cache, report=report)


def file_fingerprints(folder: Path, names: Iterable[str], *, cache: Path, report: Report = silent) -> Fingerprints:
    """The hash of files; those whose size and time did not change are not read again.

    Args:
        folder: Where the files are.
        names: Their names, relative to it.
        cache: The folder that keeps the hashes.
        report: Counts the files that are read.

    Raises:
        RcgError: If a file may not be read.
    """
    store = cache / "fingerprints.json"
    known = _known(store)
    marks: dict[str, str] = {}
    missing: list[str] = []
    changed: dict[str, tuple[int, int]] = {}
    for name in names:
        stamp = stamp_of(f"{folder}/{name}")
        entry = known.get(name)
        if stamp is None:
            missing.append(name)
            marks[name] = "" if entry is None else entry[2]
        elif entry is None or entry[0] != stamp[0] or entry[1] != stamp[1]:
            changed[name] = stamp[:2]
        else:
            marks[name] = entry[2]
    for name, mark in _read(folder, list(changed), report):
        marks[name] = mark
        known[name] = [*changed[name], mark]
    if changed:
        write_bytes(store, orjson.dumps(known))
    return Fingerprints(of=marks, missing=tuple(missing), folder=folder)


def remember_fingerprints(cache: Path, marks: Mapping[str, tuple[int, int, str]]) -> None:
    """Note hashes of files that were just written, so that they need not be read again.

    Args:
        cache: The folder that keeps the hashes.
        marks: Bytes, time of the last change in nanoseconds and hash, by file name.
    """
    if marks:
        store = cache / "fingerprints.json"
        write_bytes(store, orjson.dumps(_known(store) | {name: list(mark) for name, mark in marks.items()}))


def _known(store: Path) -> dict[str, list[Any]]:
    """Size, time and hash by file name, as they were stored; nothing where the cache is damaged."""
    try:
        found = orjson.loads(store.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    sound = isinstance(found, dict) and all(isinstance(each, list) and len(each) == 3 for each in found.values())
    return found if sound else {}


def _read(folder: Path, names: list[str], report: Report) -> Iterable[tuple[str, str]]:
    """The hashes of files, read in threads: a disk gives more when it is asked for several at once."""

    def marks(some: list[str]) -> list[tuple[str, str]]:
        return [(name, _mark(f"{folder}/{name}")) for name in some]

    parts = [names[at : at + _PART] for at in range(0, len(names), _PART)]
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        found = (each for part in pool.map(marks, parts) for each in part)
        yield from tracked(found, task="reading images", total=len(names), report=report) if names else ()


def _mark(path: str) -> str:
    try:
        return fingerprint(path)
    except OSError as error:
        raise explain(error, path) from error
