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
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson
import psutil
import xxhash

from rcg.errors import DataError, FormatError, RcgError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_SYSTEM = "lost+found"  # at the top of a disk, and nobody's but root's


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


def walk(top: str | Path, *, skip: Callable[[str], bool]) -> Iterator[tuple[str, list[str]]]:
    """The folders below `top`, itself first, each with the names of its files; links are followed, but not in circles.

    Args:
        top: Where to begin.
        skip: Says of a folder, by its path relative to `top` with forward slashes, whether to pass it over.

    Yields:
        A folder's path relative to `top` with a slash at its end ("" for `top` itself), and its files.

    Raises:
        RcgError: If a folder may not be read: what is in it would be missed in silence.
    """
    waiting = [("", os.fspath(top))]
    while waiting:
        prefix, base = waiting.pop()
        names, folders = _entries(base)
        yield prefix, names
        own = [name for name in sorted(folders, reverse=True) if name != _SYSTEM and not skip(prefix + name)]
        waiting += [(f"{prefix}{name}/", f"{base}/{name}") for name in own if not _leads_back(f"{base}/{name}")]


def _entries(folder: str) -> tuple[list[str], list[str]]:
    """The names of the files in a folder, and of the folders."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    (folders if entry.is_dir() else files).append(entry.name)
                except OSError:  # a link that leads to itself
                    files.append(entry.name)
    except OSError as error:
        _refuse(error)
        return [], []
    return files, folders


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        RcgError: If the place cannot be written.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, path) from error


def children(folder: str | Path) -> tuple[Path, ...]:
    """What stands in a folder, sorted by name.

    Raises:
        RcgError: If it may not be read.
    """
    try:
        return tuple(sorted(Path(folder).iterdir()))
    except OSError as error:
        raise explain(error, folder) from error


def folders_and_files(folder: str | Path) -> tuple[list[Path], list[str]]:
    """The folders in a folder, sorted, links to folders too; and the names of what else stands there.

    Raises:
        RcgError: If it may not be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(_is_folder(entry), entry.name) for entry in entries]
    except OSError as error:
        raise explain(error, folder) from error
    folders = sorted(name for is_folder, name in found if is_folder)
    return [Path(folder, name) for name in folders], [name for is_folder, name in found if not is_folder]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # removed meanwhile, or no folder at all
        raise explain(error, error.filename) from error


def _leads_back(folder: str) -> bool:
    """Whether a folder is a link to one that it lies in; two links to one folder elsewhere are no circle."""
    if not os.path.islink(folder):  # noqa: PTH114 - faster, once a folder
        return False
    above = Path(os.path.abspath(folder)).parents  # noqa: PTH100 - as it is written, links and all
    with contextlib.suppress(OSError):
        target = os.stat(folder)  # noqa: PTH116 - as above
        return any(os.path.samestat(target, each.stat()) for each in above)
    return True


class Lock:
    """One writer at a time: a file that names the process and the machine that write.

    A lock whose process has ended (or whose pid now belongs to another process) is taken over. On a shared disk a
    lock of another machine cannot be checked and stands until it is removed.

    Raises:
        DataError: On entering, if somebody else holds it; it says who, and how to go on.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Lock(Path(folder) / "lock", doing="adding images"):
        ...     pass
    """

    def __init__(self, path: str | Path, *, doing: str) -> None:
        self.path = Path(path)
        self.doing = doing

    def _content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def _living(self, content: bytes) -> dict[str, Any] | None:
        try:
            record = orjson.loads(content)
        except orjson.JSONDecodeError:
            return None
        if record["host"] == socket.gethostname() and not same_process(record["pid"], record["started"]):
            return None
        return dict(record)

    def __enter__(self) -> Lock:
        me = psutil.Process()
        mine = {"pid": me.pid, "host": socket.gethostname(), "started": me.create_time(), "doing": self.doing}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            try:
                with os.fdopen(handle, "wb") as out:
                    out.write(orjson.dumps(mine))
                self._claim(beside)
            finally:
                Path(beside).unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, self.path) from error
        return self

    def _claim(self, beside: str) -> None:
        for _ in range(10):
            try:
                os.link(beside, self.path)  # fails if the name exists, and appears with its content: no gap to race in
            except FileExistsError:
                seen = self._content()
                if holder := self._living(seen):
                    raise self._refusal(holder) from None
                self._remove(seen, Path(f"{beside}.stale"))
            else:
                return
        raise DataError("the lock is taken again and again", where=self.path, fix="repeat the command")

    def _remove(self, seen: bytes, aside: Path) -> None:
        """Take a dead process's lock away; one that somebody else has set since then is put back."""
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(aside)
            if aside.read_bytes() != seen:
                with contextlib.suppress(FileExistsError):
                    os.link(aside, self.path)
            aside.unlink()

    def _refusal(self, holder: dict[str, Any]) -> DataError:
        who = f"process {holder['pid']} on {holder['host']}"
        fix = f"wait until it has finished, or end {who}; reading is possible meanwhile"
        if holder["host"] != socket.gethostname():
            fix += f"; if that machine no longer works on it, remove {self.path}"
        return DataError(f"{who} is {holder['doing']} here", where=self.path.parent, fix=fix)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)


def same_process(pid: int, started: float) -> bool:
    """Whether process `pid` runs and is the one that began at `started` (seconds since 1970): pids are reused."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < 0.05
    except psutil.Error:
        return False
