"""Files that appear whole or not at all, append-only logs, fingerprints and locks.

Every file that RCG writes is written beside its place, flushed to the disk and renamed, so that a reader, a crash or a
full disk never meets half of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson
import psutil
import xxhash

from rcg.errors import FormatError, RcgError
from rcg.processes import same_process

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


def explain(error: OSError, path: str | Path) -> RcgError:
    """The operating system's error as one that says how to mend it."""
    if error.errno in _FULL:
        free = shutil.disk_usage(_existing(Path(path))).free / 1e6
        fix = f"free some space ({free:,.1f} MB are left there) or name another place, then repeat the command"
        return RcgError("the disk is full; what stood there before is untouched", where=path, fix=fix)
    if error.errno in _READ_ONLY:
        if closed := _closed(Path(path)):
            return closed
        return RcgError("this place cannot be written", where=path, fix="name a folder that you may write to")
    if isinstance(error, FileNotFoundError):
        if Path(path).is_symlink():
            what = f"this is a link to {Path(path).readlink()}, which is not there any more"
            fix = "put that file back, or add the folder that holds it now, with --link"
            return RcgError(what, where=path, fix=fix)
        return RcgError("there is no such file or folder", where=path, fix="check the path for typing errors")
    return RcgError(error.strerror or str(error), where=path)


def _existing(path: Path) -> Path:
    while not os.path.exists(path) and path != path.parent:  # noqa: PTH110 - Path.exists raises where it may not look
        path = path.parent
    return path


def _closed(path: Path) -> RcgError | None:
    """That a path, or the nearest folder above it, may not be read; None where it may."""
    found = _existing(path)
    if os.path.isdir(found):  # noqa: PTH112 - as above
        if os.access(found, os.R_OK | os.X_OK):
            return None
        fix = f"chmod u+rx {found}, or ask its owner to"
        return RcgError("this folder cannot be read: you have no permission", where=found, fix=fix)
    if os.access(found, os.R_OK):
        return None
    fix = f"chmod u+r {found}, or ask its owner to"
    return RcgError("this file cannot be read: you have no permission", where=found, fix=fix)


def exists(path: str | Path) -> bool:
    """Whether something stands at a path.

    Raises:
        RcgError: If it cannot be told: a folder on the way may not be read, or the path is none.
    """
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise explain(error, path) from error
    return True


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of `path` when the block ends without an error.

    Args:
        path: The file to make or replace; its folders are made too.

    Raises:
        RcgError: If the disk is full or the place cannot be written; the old file then stands untouched.
    """
    target = Path(path)
    beside: str | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=part_prefix(target), suffix=".part", dir=target.parent)
        with os.fdopen(handle, "wb") as out:
            os.fchmod(out.fileno(), 0o666 & ~umask())
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(beside).replace(target)
        beside = None
        sync_folder(target.parent)
    except OSError as error:
        raise explain(error, target) from error
    finally:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)


def part_prefix(target: Path) -> str:
    """How the name of what is written for `target` begins until it is whole: it says which process writes it."""
    me = psutil.Process()
    return f".{target.name[:100]}.{_machine()}-{me.pid}-{round(me.create_time() * 100)}."


def _machine() -> str:
    return xxhash.xxh32_hexdigest(socket.gethostname().encode())


def remove_stale(target: str | Path, *, ending: str = ".part") -> None:
    """Remove what processes of this machine that are gone left half-written beside `target`; no living one's.

    Args:
        target: What they were to write.
        ending: How the names of the half-written files or folders end.
    """
    target = Path(target)
    beginning = re.escape(f".{target.name[:100]}.{_machine()}-")
    pattern = re.compile(rf"{beginning}(\d+)-(\d+)\.\w+{re.escape(ending)}")
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match is None or same_process(int(match[1]), int(match[2]) / 100):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def umask() -> int:
    """The permissions that new files do not get, as the process has them set."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic(path) as out:
        out.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as strict, indented JSON, whole or not at all."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    write_bytes(path, orjson.dumps(value, option=options))


def read_json(path: str | Path) -> Any:
    """The value of a JSON file; a byte-order mark is passed over.

    Raises:
        FormatError: If it is not JSON, with line and column.
        RcgError: If it cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise explain(error, path) from error
    try:
        return orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        raise FormatError(f"this is not JSON: {error.msg}", where=where, fix="export the file again") from error


def read_toml(
    path: str | Path,
    *,
    what: str = "this is not TOML",
    fix: str = "mend that line",
    error: type[RcgError] = FormatError,
) -> dict[str, Any]:
    """The content of a TOML file; a byte-order mark is passed over.

    Args:
        path: The file.
        what: What to say where it cannot be read; the reason follows after a colon.
        fix: How to go on then.
        error: The kind of error to raise.

    Raises:
        RcgError: Of that kind, if the file is missing, not UTF-8 or not TOML.
    """
    try:
        data = Path(path).read_bytes()
        return tomllib.loads(data.decode("utf-8-sig"))
    except OSError as problem:
        told = explain(problem, path)
        raise error(f"{what}: {told.what}", where=path, fix=fix) from problem
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        reason = f"byte 0x{data[problem.start]:02x} on line {line} is not UTF-8; save it in that encoding"
        raise error(f"{what}: {reason}", where=path, fix=fix) from problem
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{what}: {problem}", where=path, fix=fix) from problem


def append_jsonl(path: str | Path, *records: Any) -> None:
    """Append records, one JSON line each, and flush them to the disk; a half-written last line is closed first.

    Raises:
        RcgError: If the disk is full; what was written in part is taken back.
    """
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    append_bytes(path, b"".join(orjson.dumps(record, option=options) for record in records), lines=True)


def append_bytes(path: str | Path, data: bytes, *, lines: bool = False) -> int:
    """Append to a file and flush it to the disk, all or nothing.

    Args:
        path: The file; it is made if it is missing.
        data: What to append.
        lines: Whether the file is made of lines, so that one that was cut off has to be closed first.

    Returns:
        Where in the file the data begins.

    Raises:
        RcgError: If the disk is full; what was written in part is taken back.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab", buffering=0) as out:
            end = out.tell()
            closing = b"\n" if lines and end and _last_byte(target) != b"\n" else b""
            whole, written = closing + data, 0
            try:
                written = out.write(whole)
                os.fsync(out.fileno())
            finally:
                if written != len(whole):
                    out.truncate(end)
            if written != len(whole):  # the disk took a part of it: the next write would have failed
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
    except OSError as error:
        raise explain(error, target) from error
    return end + len(closing)


def last_line(path: str | Path) -> Any:
    """The last record of a JSON-lines file; None where there is none, or the line is damaged or very long."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - (1 << 16)))
            tail = file.read().rstrip(b"\n").rpartition(b"\n")[2]
    except FileNotFoundError:
        return None
    try:
        return orjson.loads(tail)
    except orjson.JSONDecodeError:
        return None


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def read_jsonl(path: str | Path) -> Iterator[Any]:
    """The records of a JSON-lines file; lines cut off by a crash are passed over, a missing file is empty."""
    try:
        with Path(path).open("rb") as file:
            for line in file:
                with contextlib.suppress(orjson.JSONDecodeError):
                    yield orjson.loads(line)
    except FileNotFoundError:
        return


def fingerprint(path: str | Path) -> str:
    """The xxh3 hash of a file's bytes, 32 hexadecimal digits."""
    digest = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - faster, once an image
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


Stamp = tuple[int, int, int]


def stamp_of(path: str | Path) -> Stamp | None:
    """What tells whether a file changed: bytes, time of the last change in nanoseconds, inode; None without a file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast, once a file
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
