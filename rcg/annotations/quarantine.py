"""The quarantine: what a conversion left out, beside its target."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO

import orjson

from rcg.files import atomic
from rcg.types import BadLine

_FIRST = 5


class Quarantine:
    """`TARGET.quarantine.jsonl`, which appears whole when the block ends, and only if something was left out.

    One of an earlier conversion is replaced, or removed where nothing was left out this time.

    Args:
        target: What the conversion writes.
    """

    def __init__(self, target: Path) -> None:
        self.path = quarantine_path(target)
        self.count = 0
        self.first: list[BadLine] = []
        self._stack = ExitStack()
        self._out: IO[bytes] | None = None

    def __enter__(self) -> Quarantine:
        return self

    def add(self, line: BadLine) -> None:
        """Put one line or file into the quarantine."""
        if self._out is None:
            self._out = self._stack.enter_context(atomic(self.path))
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

    def flush(self) -> None:
        """Bring everything to the disk, so that a full disk shows before the target is replaced."""
        if self._out is not None:
            self._out.flush()
            os.fsync(self._out.fileno())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._out is None:
            self.path.unlink(missing_ok=True)
        self._stack.__exit__(kind, error, trace)


def quarantine_path(target: Path) -> Path:
    """Where the quarantine of a target stands."""
    return target.with_name(f"{target.name}.quarantine.jsonl")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
