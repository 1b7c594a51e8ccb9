"""One writer at a time, and whether a process that said so still lives."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import psutil

from rcg.errors import DataError
from rcg.files import explain, part_prefix, remove_stale
from rcg.processes import same_process


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
            remove_stale(self.path)
            handle, beside = tempfile.mkstemp(prefix=part_prefix(self.path), suffix=".part", dir=self.path.parent)
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
                self._remove(seen, Path(f"{beside.removesuffix('.part')}_stale.part"))
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
