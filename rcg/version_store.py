"""The stored versions of a dataset: a log with one line a version, and one file with their labels.

    versions/versions.jsonl   id, time, note, counts, classes, and where the labels stand
    versions/labels.gz        the labels in pieces of some 250 images, each a gzip member

A piece is stored once, whichever versions hold it, so that a version that differs in a few images takes little room.
Both files only grow. A piece that was cut off by a crash is named by no version, and does no harm.
"""

from __future__ import annotations

import gzip
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import orjson
import xxhash

from rcg.annotations.mapping import ClassMap
from rcg.corrections import Correction, decode_annotation, encode_annotation
from rcg.errors import DataError
from rcg.files import append_jsonl, explain, read_jsonl
from rcg.folders import make_folder
from rcg.locks import Lock
from rcg.types import LabelSet
from rcg.version_content import Content, Kept, read_line

Piece = tuple[str, int, int]
"""Hash, place in the file and length of a piece."""

_WAIT_S = 60.0
_IMAGES = 256  # in a piece, on average
_LEVEL = 1  # of gzip: coordinates are nearly random digits, and higher levels take long for little


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A state of a dataset: its labels, classes, splits, and which images it has.

    Attributes:
        id: The hash of its content, 32 hexadecimal digits; it can be shortened as long as it names one version.
        created: When it was stored, seconds since 1970; now, where it is not stored yet.
        note: What led to it.
        images: How many images it has.
        annotations: How many annotations, corrections included.
        per_label: Annotations by class.
        stored: Whether it can be gone back to.
        notes: What going to it found, one sentence each.
    """

    id: str
    created: float
    note: str
    images: int
    annotations: int
    per_label: Mapping[str, int]
    stored: bool = True
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))
        return f"{self.id[:12]}  {when}  {self.images:,} images, {self.annotations:,} annotations: {self.note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A line of the log.

    Attributes:
        version: What it tells the reader.
        labels: The classes.
        card_pattern: The dataset's own rule for card ids; None for the usual one.
        pieces: Where its images stand.
        corrections: Where the corrections in force stand; None for none.
        maps: The mappings of classes that were in force, oldest first.
    """

    version: Version
    labels: LabelSet
    card_pattern: str | None
    pieces: tuple[Piece, ...]
    corrections: Piece | None
    maps: tuple[ClassMap, ...] = ()


class VersionStore:
    """The versions below a dataset's folder.

    Args:
        folder: The dataset's folder.

    Attributes:
        folder: The versions' own folder.
        log: The file with a line a version.
        labels: The file with their labels.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "versions"
        self.log = self.folder / "versions.jsonl"
        self.labels = self.folder / "labels.gz"

    def all(self) -> tuple[Stored, ...]:
        """The versions, oldest first; damaged lines are passed over."""
        found = (_stored(line) for line in read_jsonl(self.log))
        return tuple(each for each in found if each is not None)

    def images(self, stored: Stored) -> Iterator[Kept]:
        """The images of a version, sorted by name, with their labels but without the corrections.

        Raises:
            DataError: If the file of labels is damaged.
        """
        return (self._read(read_line, line, stored) for line in self.lines(stored))

    def lines(self, stored: Stored) -> Iterator[bytes]:
        """The lines of a version's images, as `image_line` wrote them.

        Raises:
            DataError: If the file of labels is damaged.
        """
        with self._open(stored) as file:
            for piece in stored.pieces:
                yield from self._piece(file, piece, stored).splitlines(keepends=True)

    def check(self, stored: Stored) -> None:
        """Refuse a version that cannot be read to its end.

        Raises:
            DataError: If the file of labels is damaged.
        """
        with self._open(stored) as file:
            for piece in (*stored.pieces, *(() if stored.corrections is None else (stored.corrections,))):
                self._piece(file, piece, stored)

    def corrections(self, stored: Stored) -> tuple[Correction, ...]:
        """The corrections that were in force in a version.

        Raises:
            DataError: If the file of labels is damaged.
        """
        if stored.corrections is None:
            return ()
        with self._open(stored) as file:
            lines = self._piece(file, stored.corrections, stored).splitlines()
        return tuple(self._read(_correction, line, stored) for line in lines)

    def _open(self, stored: Stored) -> IO[bytes]:
        try:
            return self.labels.open("rb")
        except OSError as error:
            raise self._damaged(stored) from error

    def _piece(self, file: IO[bytes], piece: Piece, stored: Stored) -> bytes:
        digest, place, length = piece
        file.seek(place)
        try:
            data = gzip.decompress(file.read(length))
        except (OSError, EOFError, zlib.error) as error:
            raise self._damaged(stored) from error
        if xxhash.xxh3_64_hexdigest(data) != digest:
            raise self._damaged(stored)
        return data

    def _read(self, reading: Callable[[bytes], Any], line: bytes, stored: Stored) -> Any:
        try:
            return reading(line)
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(stored) from error

    def _damaged(self, stored: Stored) -> DataError:
        fix = "put this file back from a backup, or choose another version"
        return DataError(f"the labels of version {stored.version.id[:12]} are damaged", where=self.labels, fix=fix)

    def writing(self) -> Writing:
        """A place for one more version."""
        return Writing(self)

    def lock(self) -> Lock:
        """The lock of who appends."""
        return Lock(self.folder / "lock", doing="storing a version")


@dataclass(slots=True)
class Writing:
    """Appends the pieces of a version that are not there yet, and at the end its line.

    What was appended is taken back unless `finish` was called.
    """

    store: VersionStore
    _known: dict[str, Piece] = field(default_factory=dict)
    _pieces: list[Piece] = field(default_factory=list)
    _lines: list[bytes] = field(default_factory=list)
    _file: IO[bytes] | None = None
    _start: int = 0
    _lock: Lock | None = None

    def __enter__(self) -> Self:
        path = self.store.labels
        make_folder(path.parent)
        self._lock = _patiently(self.store.lock())
        try:
            self._file = path.open("ab")
        except OSError as error:
            self._lock.__exit__(None, None, None)
            raise explain(error, path) from error
        self._start = self._file.tell()
        for stored in self.store.all():
            self._known.update({piece[0]: piece for piece in stored.pieces})
            if stored.corrections is not None:
                self._known[stored.corrections[0]] = stored.corrections
        return self

    def take(self, name: str, line: bytes) -> None:
        """Take an image; names come sorted. Where a piece ends is decided by the name, so pieces stay what they are."""
        self._lines.append(line)
        if xxhash.xxh32_intdigest(name.encode()) % _IMAGES == 0:
            self._end_piece()

    def again(self) -> None:
        """Begin anew."""
        self._lines.clear()
        self._pieces.clear()

    def _end_piece(self) -> None:
        if self._lines:
            self._pieces.append(self._put(b"".join(self._lines)))
            self._lines.clear()

    def _put(self, data: bytes) -> Piece:
        assert self._file is not None
        digest = xxhash.xxh3_64_hexdigest(data)
        if digest not in self._known:
            packed = gzip.compress(data, _LEVEL, mtime=0)
            place = self._file.tell()
            try:
                self._file.write(packed)
            except OSError as error:
                raise explain(error, self._file.name) from error
            self._known[digest] = (digest, place, len(packed))
        return self._known[digest]

    def finish(self, content: Content, note: str) -> Version:
        """Write the version's line; one that is there already is not written twice.

        Raises:
            RcgError: If the disk is full; nothing of it is then kept.
        """
        assert self._file is not None
        for each in self.store.all():
            if each.version.id == content.id:
                return each.version
        self._end_piece()
        corrections = b"".join(orjson.dumps(_plain(each)) + b"\n" for each in content.corrections)
        line = {
            "id": content.id,
            "created": round(time.time(), 3),
            "note": note,
            "images": content.images,
            "annotations": sum(content.per_label.values()),
            "per_label": content.per_label,
            "classes": content.labels.names,
            "keypoints": content.labels.keypoints,
            "card_pattern": content.card_pattern,
            "corrections": self._put(corrections) if corrections else None,
            "maps": [dict(each.to) for each in content.maps],
            "pieces": self._pieces,
        }
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise explain(error, self._file.name) from error
        append_jsonl(self.store.log, line)
        self._start = self._file.tell()
        stored = _stored(line)
        assert stored is not None
        return stored.version

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        assert self._file is not None
        assert self._lock is not None
        try:
            self._file.close()
        except OSError:  # what could not be written is taken back below
            pass
        finally:
            path = self.store.labels
            if path.stat().st_size > self._start:
                os.truncate(path, self._start)
            self._lock.__exit__(None, None, None)


def _patiently(lock: Lock) -> Lock:
    """Enter a lock that others hold for seconds only: two trainings that begin together both store what they see."""
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            return lock.__enter__()
        except DataError:
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


def _plain(correction: Correction) -> dict[str, Any]:
    before, after = encode_annotation(correction.before), encode_annotation(correction.after)
    facts = {"number": correction.number, "time": correction.time, "source": correction.source}
    return {**facts, "file_name": correction.file_name, "before": before, "after": after}


def _correction(line: bytes) -> Correction:
    value = orjson.loads(line)
    before, after = decode_annotation(value.pop("before")), decode_annotation(value.pop("after"))
    return Correction(**value, before=before, after=after)


def _stored(line: Any) -> Stored | None:
    """A version from a line of the log, or None where the line is damaged."""
    try:
        version = Version(
            id=line["id"],
            created=line["created"],
            note=line["note"],
            images=line["images"],
            annotations=line["annotations"],
            per_label=dict(line["per_label"]),
        )
        return Stored(
            version=version,
            labels=LabelSet(tuple(line["classes"]), keypoints=tuple(line["keypoints"])),
            card_pattern=line["card_pattern"],
            pieces=tuple(_as_piece(each) for each in line["pieces"]),
            corrections=None if line["corrections"] is None else _as_piece(line["corrections"]),
            maps=tuple(ClassMap(each) for each in line.get("maps", ())),  # earlier versions do not have them
        )
    except (KeyError, TypeError, ValueError):
        return None


def _as_piece(value: Sequence[Any]) -> Piece:
    digest, place, length = value
    return str(digest), int(place), int(length)
