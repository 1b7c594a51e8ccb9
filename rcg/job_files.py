"""The files of a job's folder that both sides touch: how it ended, its records and the end of its log."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from rcg import files
from rcg.errors import RcgError

VARIABLE = "RCG_JOB"
"""The environment variable that tells a process the folder of the job it is."""

_TAIL = 1 << 16


def write_end(
    folder: Path,
    *,
    state: str,
    result: Mapping[str, Any] | None = None,
    error: BaseException | None = None,
    trace: str | None = None,
) -> None:
    """Write how a job ended.

    Args:
        folder: The job's folder.
        state: "done", "failed" or "cancelled".
        result: What it found; a value that JSON does not know, such as a path, is written as its text.
        error: Why it failed; any exception.
        trace: The traceback, where `error` carries none.
    """
    record = {"state": state, "ended": time.time(), "result": result, "error": _told(error, trace)}
    (folder / "reserve").unlink(missing_ok=True)
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    files.write_bytes(folder / "state.json", orjson.dumps(record, default=str, option=options))


def _told(error: BaseException | None, trace: str | None) -> dict[str, Any] | None:
    if error is None:
        return None
    trace = trace or "".join(traceback.format_exception(error))
    if isinstance(error, RcgError):
        kind, what, where, fix = type(error).__name__, error.what, error.where, error.fix
    else:
        kind, what, where = "RcgError", f"{type(error).__name__}: {error}", None
        fix = "this is a fault in RCG: report it with the traceback; what was saved stays valid"
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            what, fix = "the disk is full", "free some space, then resume it"
    return {"kind": kind, "what": what, "where": where, "fix": fix, "traceback": trace}


def read_record(path: Path) -> dict[str, Any] | None:
    """A JSON file's record; None where there is none, only half of one, or something else."""
    try:
        record = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
        return None
    return record if isinstance(record, dict) else None


def read_tail(path: Path) -> bytes:
    """The last 64 kB of a file; nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read()
    except FileNotFoundError:
        return b""
