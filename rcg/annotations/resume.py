"""What a conversion leaves behind when it is stopped or killed, so that the same command goes on from there.

It stands beside the target, in a hidden folder that goes when the conversion is done: the parts of the target, and a
log with one line for each run of images that is in them. A line counts only if no file of its run was changed since.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from rcg.annotations.source import AnnotationSource
from rcg.errors import Cancelled, RcgError
from rcg.files import explain, read_jsonl
from rcg.locks import Lock

FORM = 1
"""Raised when what is left behind is written in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a conversion was after a run of images.

    Attributes:
        done: Images handled so far.
        run: How many of them the last run had.
        stamp: The stamp of the last run.
        began: When reading it began, in seconds since 1970.
        quarantine: How far the quarantine was.
        writer: How far the writer was.
        sums: What had been read so far.
        notes: Kind, first example and count of what the last run gave reason to note.
        lost: What the target could not carry so far, by kind.
        lost_first: The first image that lost something, by kind.
        there: Whether an image had been found where it is said to be.
    """

    done: int
    run: int
    stamp: str
    began: float
    quarantine: Mapping[str, Any]
    writer: Mapping[str, Any]
    sums: Mapping[str, int]
    notes: tuple[tuple[str, str, int], ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)
    lost_first: tuple[str, ...] = ()
    there: bool = False


class Workplace:
    """The folder in which a target is made, kept when the conversion is cut off.

    Args:
        target: What is made.
        key: What the conversion was asked to do; what was left behind by another one is dropped.
        fresh: Drop what was left behind in any case.

    Raises:
        DataError: On entering, if another process makes the same target at this moment.
        RcgError: If the place cannot be written.
    """

    def __init__(self, target: Path, *, key: str, fresh: bool) -> None:
        self.folder = target.with_name(f".{target.name}.resume")
        self._target = target
        self._key = key
        self._fresh = fresh
        self._log = self.folder / "log.jsonl"
        self._noted = False
        self._lock = Lock(self.folder.with_name(f"{self.folder.name}.lock"), doing=f"converting to {target.name}")

    def __enter__(self) -> Self:
        try:
            self._lock.__enter__()
        except RcgError as error:
            if isinstance(error.__cause__, OSError):
                raise _no_place(error.__cause__, self._target) from error.__cause__
            raise
        try:
            if self._fresh or self._head() != {"form": FORM, "key": self._key}:
                self.clear()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def _head(self) -> object:
        return next(read_jsonl(self._log), None)

    def clear(self) -> None:
        """Begin anew."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self._log.write_bytes(orjson.dumps({"form": FORM, "key": self._key}) + b"\n")
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise explain(error, self._target) from error

    def marks(self, source: AnnotationSource) -> list[Mark]:
        """The marks of the runs that need not be read again.

        Args:
            source: What is read.
        """
        kept: list[Mark] = []
        for values in list(read_jsonl(self._log))[1:]:
            mark = _mark(values)
            first = kept[-1].done if kept else 0
            if mark.done - mark.run != first or not source.same(first, mark.run, stamp=mark.stamp, since=mark.began):
                break
            kept.append(mark)
        return kept

    def keep(self, marks: list[Mark]) -> None:
        """Drop the lines of the log behind these marks."""
        self._noted = True
        lines = [orjson.dumps({"form": FORM, "key": self._key}), *(orjson.dumps(asdict(mark)) for mark in marks)]
        self._log.write_bytes(b"\n".join(lines) + b"\n")

    def note(self, mark: Mark) -> None:
        """Remember that a run of images is done; what it gave is in the parts by now."""
        try:
            with self._log.open("ab") as out:
                out.write(orjson.dumps(asdict(mark)) + b"\n")
            self._noted = True
        except OSError as error:
            raise explain(error, self._target) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # a refusal would be the same the next time, and a disk that is full needs the space
        refused = kind is not None and issubclass(kind, RcgError) and not issubclass(kind, Cancelled)
        if kind is None or refused or not self._noted:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.__exit__(kind, error, None)


def _no_place(error: OSError, target: Path) -> RcgError:
    """The error of a target whose folder cannot be made or written."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError | FileExistsError):
        return explain(error, target)
    what = f"the folder {target.absolute().parent} cannot be written"
    return RcgError(what, where=target, fix="name a target in a folder that you may write to")


def _mark(values: dict[str, Any]) -> Mark:
    notes = tuple((kind, example, count) for kind, example, count in values["notes"])
    return Mark(**{**values, "notes": notes, "lost_first": tuple(values["lost_first"])})
