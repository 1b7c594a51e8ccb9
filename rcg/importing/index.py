"""What was added to a dataset before, so that the same images need not be opened again.

A file in the dataset's cache folder. It is never the truth: where it lacks, is damaged or belongs to other labels,
everything is read again, which costs time and changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson

from rcg.errors import RcgError
from rcg.files import Stamp, explain

Result = TypeVar("Result")

_VERSION = 1
_EVERY_S = 3.0  # what a kill costs; each writing waits for the disk
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE calls (id INTEGER PRIMARY KEY, key TEXT UNIQUE, signature TEXT, outcome TEXT);
CREATE TABLE files (id INTEGER PRIMARY KEY, path BLOB UNIQUE, size INTEGER, time INTEGER, inode INTEGER,
                    kept TEXT, kept_size INTEGER, width INTEGER, height INTEGER, place INTEGER);
CREATE TABLE readings (call INTEGER, file INTEGER, label BLOB, size INTEGER, time INTEGER, inode INTEGER,
                       split TEXT, kept TEXT, labelled INTEGER, annotations INTEGER, PRIMARY KEY (call, file))
                       WITHOUT ROWID;
CREATE INDEX readings_by_label ON readings (call, label);
CREATE INDEX readings_by_kept ON readings (kept);
CREATE TABLE labels (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE pending (call INTEGER, kept TEXT, new INTEGER, entry BLOB, PRIMARY KEY (call, kept)) WITHOUT ROWID;
"""

NO_STAMP: Stamp = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Known:
    """An original that was added before.

    Attributes:
        stamp: What its file was like.
        kept: Its name in the dataset.
        kept_size: Bytes of the file there.
        width: Pixels across, as people see it.
        height: Pixels down.
        place: 1 where the file in the dataset says where it was taken, 2 where only the original does, else 0.
    """

    stamp: Stamp
    kept: str
    kept_size: int
    width: int
    height: int
    place: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How an original's labels were read in an earlier call, without anything left out.

    Attributes:
        label: Its label file; None where it had none.
        stamp: What that file was like.
        split: The split that its source put it in.
        labelled: Whether a label file spoke of it.
        annotations: How many annotations it has.
    """

    label: str | None
    stamp: Stamp
    split: str | None
    labelled: bool
    annotations: int


class AddedIndex:
    """The index of one dataset, for the one process that holds the dataset's lock.

    Args:
        path: The file; it is made where it lacks, and made anew where it cannot be read.
        call: What names the call, such as its paths and its stage.
        truth: What tells the ground truth's file; after a change by others all labels are read again.

    Raises:
        RcgError: If it cannot be written.
    """

    def __init__(self, path: Path, call: str, *, truth: Stamp | None) -> None:
        self.path = path
        self._rows: dict[str, list[Sequence[Any]]] = {}
        self._flushed = time.monotonic()
        try:
            self._open(call, _told(truth))
        except sqlite3.OperationalError as error:
            raise self._explained(error) from error
        except sqlite3.DatabaseError:
            self._remove()
            self._open(call, _told(truth))

    def _open(self, call: str, truth: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, self.path) from error
        self._db = sqlite3.connect(self.path, isolation_level=None)
        if self._db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            self._db.close()
            self._remove()
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        self._db.execute("PRAGMA cache_size = -8192")
        self._db.execute("BEGIN")
        if self._meta("truth") != truth:
            self._db.execute("DELETE FROM readings")
            self._db.execute("UPDATE calls SET outcome = NULL")
        self._db.execute("INSERT OR IGNORE INTO calls (key) VALUES (?)", (call,))
        row = self._db.execute("SELECT id, signature, outcome FROM calls WHERE key = ?", (call,)).fetchone()
        self.call, self.signature, self.outcome = row

    def _remove(self) -> None:
        for ending in ("", "-journal"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with contextlib.suppress(RcgError) if kind is not None else contextlib.nullcontext():
                self.flush()
        finally:
            self._db.close()

    def _explained(self, error: sqlite3.Error) -> RcgError:
        if "full" in str(error):
            return explain(OSError(28, "no space"), self.path)
        if "readonly" in str(error) or "unable to open" in str(error):
            return explain(PermissionError(13, "no permission"), self.path)
        return RcgError(f"the index of what was added cannot be used: {error}", where=self.path, fix="remove that file")

    def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except sqlite3.OperationalError as error:
            raise self._explained(error) from error
        except sqlite3.DatabaseError as error:
            self._remove()
            fix = "repeat the command; it reads again what the index knew"
            raise RcgError(
                "the index of what was added was damaged, and is removed", where=self.path, fix=fix
            ) from error

    def _do(self, statement: str, *values: Any) -> None:
        self._run(lambda: self._db.execute(statement, values))

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def begin(self, signature: str) -> None:
        """Say how the labels are read; after a change of that, earlier readings do not count."""
        if signature != self.signature:
            self._do("UPDATE calls SET signature = ? WHERE id = ?", signature, self.call)
            self.signature = signature

    def forget_readings(self) -> None:
        """Read all labels of this call again."""
        self._do("DELETE FROM readings WHERE call = ?", self.call)

    def look(self, path: str) -> tuple[Known | None, Reading | None]:
        """What is known of an original, by its full path, and of its labels in this call."""
        row = self._run(lambda: self._db.execute(_LOOK, (self.call, os.fsencode(path))).fetchone())
        if row is None:
            return None, None
        known = Known(row[0:3], *row[3:8])
        if row[9] is None:
            return known, None
        label = None if row[8] is None else os.fsdecode(row[8])
        return known, Reading(label, row[9:12], row[12], bool(row[13]), row[14])

    def label_stamp(self, label: str) -> Stamp | None:
        """What a label file was like when it was read in this call without anything left out; None if it was not."""
        row = self._run(lambda: self._db.execute(_LABEL, (self.call, os.fsencode(label))).fetchone())
        return None if row is None else (row[0], row[1], row[2])

    def size_of(self, path: str, stamp: Stamp | None) -> tuple[int, int] | None:
        """Width and height of an original that did not change since it was added."""
        known, _ = self.look(path)
        return (known.width, known.height) if known is not None and known.stamp == stamp else None

    def remember(self, path: str, known: Known) -> None:
        """Note an original that is in the dataset now."""
        row = (os.fsencode(path), *known.stamp, known.kept, known.kept_size, known.width, known.height, known.place)
        self._later(_REMEMBER, row)

    def remember_reading(self, path: str, kept: str, reading: Reading) -> None:
        """Note labels of which nothing was left out; earlier readings of other calls no longer hold."""
        label = None if reading.label is None else os.fsencode(reading.label)
        self._later(_SUPERSEDE, (kept, self.call))
        values = (*reading.stamp, reading.split, kept, reading.labelled, reading.annotations)
        self._later(_REMEMBER_READING, (self.call, label, *values, os.fsencode(path)))

    def take(self, kept: str, entry: bytes, *, new: bool) -> None:
        """Keep an entry until it is in the labels of its stage."""
        self._later(_TAKE, (self.call, kept, new, entry))

    def _later(self, statement: str, row: Sequence[Any]) -> None:
        self._rows.setdefault(statement, []).append(row)
        if time.monotonic() - self._flushed > _EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting; after it even a killed call has not lost it."""

        def write() -> None:
            for statement in _ORDER:
                self._db.executemany(statement, self._rows.get(statement, ()))
            self._rows.clear()
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")
            self._flushed = time.monotonic()

        self._run(write)

    def label_id(self, name: str) -> int:
        """The number that a class has in pending entries."""
        self._do("INSERT OR IGNORE INTO labels (name) VALUES (?)", name)
        return int(self._run(lambda: self._db.execute("SELECT id FROM labels WHERE name = ?", (name,)).fetchone())[0])

    def label_names(self) -> dict[int, str]:
        """The classes of pending entries by their numbers."""
        return dict(self._run(lambda: self._db.execute("SELECT id, name FROM labels").fetchall()))

    def pending(self) -> Iterator[tuple[str, bytes]]:
        """Name and entry of what is to be entered, sorted by name."""
        self.flush()
        yield from self._db.execute("SELECT kept, entry FROM pending WHERE call = ? ORDER BY kept", (self.call,))

    def pending_count(self) -> int:
        """How many entries are to be entered."""
        self.flush()
        return int(self._db.execute("SELECT count(*) FROM pending WHERE call = ?", (self.call,)).fetchone()[0])

    def brought(self) -> Iterator[str]:
        """The files that came into the dataset with what is pending."""
        self.flush()
        for row in self._db.execute("SELECT kept FROM pending WHERE call = ? AND new", (self.call,)):
            yield str(row[0])

    def below(self, folder: str) -> Iterator[tuple[str, str]]:
        """The originals below a folder that any call added, each with its name in the dataset."""
        self.flush()
        ends = os.fsencode(f"{folder}/"), os.fsencode(f"{folder}0")  # "0" is what follows "/"
        for path, kept in self._db.execute("SELECT path, kept FROM files WHERE path > ? AND path < ?", ends):
            yield os.fsdecode(path), str(kept)

    def kept(self) -> Iterator[str]:
        """The images of this call, by their names in the dataset."""
        for row in self._db.execute("SELECT kept FROM readings WHERE call = ?", (self.call,)):
            yield str(row[0])

    def entered(self, truth: Stamp | None) -> None:
        """All that was pending is in the labels now, whose file is like this."""
        self.flush()
        self._do("DELETE FROM pending WHERE call = ?", self.call)
        self._do("INSERT OR REPLACE INTO meta VALUES ('truth', ?)", _told(truth))
        self.flush()

    def take_back(self) -> None:
        """Forget what is pending and the files it brought."""
        self.flush()
        self._do("DELETE FROM files WHERE kept IN (SELECT kept FROM pending WHERE call = ? AND new)", self.call)
        self._do("DELETE FROM readings WHERE call = ?", self.call)
        self._do("DELETE FROM pending WHERE call = ?", self.call)
        self.flush()

    def finish(self, outcome: Any) -> None:
        """Note how the call ended, for one that finds nothing changed."""
        self._do("UPDATE calls SET outcome = ? WHERE id = ?", orjson.dumps(outcome).decode(), self.call)
        self.flush()


def follow_mapping(path: Path, *, before: Stamp | None, after: Stamp | None, left: Mapping[str, int]) -> None:
    """Take over that the ground truth has other class names now, so that what did not change stays unopened.

    Args:
        path: The index.
        before: What told the ground truth's file before it was mapped.
        after: What tells it now.
        left: How many annotations images have, by their names in the dataset, that lost some.
    """
    if not path.exists():
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        told = db.execute("SELECT value FROM meta WHERE key = 'truth'").fetchone()
        if told != (_told(before),):
            return  # readings of other labels, which are read again
        db.execute("BEGIN")
        db.executemany("UPDATE readings SET annotations = ? WHERE kept = ?", [(n, name) for name, n in left.items()])
        db.execute("DELETE FROM readings WHERE call IN (SELECT call FROM pending)")  # these wait under the old names
        db.execute("UPDATE calls SET outcome = NULL")
        db.execute("INSERT OR REPLACE INTO meta VALUES ('truth', ?)", (_told(after),))
        db.execute("COMMIT")


def _told(stamp: Stamp | None) -> str:
    return "" if stamp is None else " ".join(map(str, stamp))


_LOOK = """
SELECT f.size, f.time, f.inode, f.kept, f.kept_size, f.width, f.height, f.place,
       r.label, r.size, r.time, r.inode, r.split, r.labelled, r.annotations
FROM files f LEFT JOIN readings r ON r.call = ? AND r.file = f.id WHERE f.path = ?
"""
_LABEL = "SELECT size, time, inode FROM readings WHERE call = ? AND label = ?"
_REMEMBER = """
INSERT INTO files (path, size, time, inode, kept, kept_size, width, height, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET size = excluded.size, time = excluded.time, inode = excluded.inode,
kept = excluded.kept, kept_size = excluded.kept_size, width = excluded.width, height = excluded.height,
place = excluded.place
"""
_REMEMBER_READING = """
INSERT OR REPLACE INTO readings (call, label, size, time, inode, split, kept, labelled, annotations, file)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, id FROM files WHERE path = ?
"""
_SUPERSEDE = "DELETE FROM readings WHERE kept = ? AND call <> ?"
_TAKE = """
INSERT INTO pending VALUES (?, ?, ?, ?)
ON CONFLICT (call, kept) DO UPDATE SET new = max(new, excluded.new), entry = excluded.entry
"""
_ORDER = (_REMEMBER, _SUPERSEDE, _REMEMBER_READING, _TAKE)
