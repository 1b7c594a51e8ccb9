"""The quarantine: what a conversion left out, beside its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from rcg.annotations.parts import Part
from rcg.files import explain
from rcg.types import BadLine

_FIRST = 5


class Quarantine:
    """`TARGET.quarantine.jsonl`, which appears whole when the block ends, and only if something was left out.

    One of an earlier conversion is replaced, or removed where nothing was left out this time.

    Args:
        target: What the conversion writes.
        work: Where it is kept until then.
    """

    def __init__(self, target: Path, work: Path) -> None:
        self.path = quarantine_path(target)
        self.count = 0
        self.first: list[BadLine] = []
        self._kept = work / "quarantine.part"
        self._out: Part | None = None

    def __enter__(self) -> Quarantine:
        if self._kept.exists():
            self._out = Part(self._kept)
        return self

    def add(self, line: BadLine) -> None:
        """Put one line or file into the quarantine."""
        if self._out is None:
            self._out = Part(self._kept)
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(line)
        values = asdict(line)
        try:
            text = orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError:  # a file name that is not UTF-8
            values = {key: _printable(value) if isinstance(value, str) else value for key, value in values.items()}
            text = orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)
        self._out.write(text)

    def mark(self) -> dict[str, Any]:
        """How far it is, for `go_on`."""
        return {"count": self.count, **({"part": self._out.flush()} if self._out is not None else {})}

    def holds(self, mark: Mapping[str, Any]) -> bool:
        """Whether what was kept at a mark is still there."""
        return "part" not in mark or Part.holds(self._kept, mark["part"])

    def go_on(self, mark: Mapping[str, Any]) -> None:
        """Go on from a mark, before the block is entered."""
        self.count = mark["count"]
        if "part" not in mark:
            self._kept.unlink(missing_ok=True)
            return
        Part.cut(self._kept, mark["part"])
        with self._kept.open("rb") as lines:
            self.first = [BadLine(**orjson.loads(line)) for line in islice(lines, _FIRST)]

    def flush(self) -> None:
        """Bring everything to the disk, so that a full disk shows before the target is replaced."""
        if self._out is not None:
            self._out.sync()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._out is None:
                self.path.unlink(missing_ok=True)
            elif kind is None and self._out is not None:
                self._out.take_place(self.path)
        except OSError as problem:
            raise explain(problem, self.path) from problem
        finally:
            if self._out is not None:
                self._out.__exit__(kind, error, trace)


def quarantine_path(target: Path) -> Path:
    """Where the quarantine of a target stands."""
    return target.with_name(f"{target.name}.quarantine.jsonl")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
