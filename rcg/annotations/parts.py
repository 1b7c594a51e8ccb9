"""A file in the making, which knows what it holds, so that a conversion that was killed can go on with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import xxhash

from rcg.files import explain, sync_folder, umask

_BLOCK = 1 << 20


class Part:
    """What has been written of a file so far.

    Args:
        path: Where it is kept; what `cut` left of it is gone on with.

    Attributes:
        end: Bytes in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._out = path.open("r+b" if path.exists() else "w+b")
        self._digest = xxhash.xxh3_64()
        self.end = 0
        while block := self._out.read(_BLOCK):
            self._digest.update(block)
            self.end += len(block)

    def write(self, data: bytes) -> None:
        """Put more at its end.

        Raises:
            RcgError: If the disk is full.
        """
        try:
            self._out.write(data)
        except OSError as error:
            raise explain(error, self.path) from error
        self._digest.update(data)
        self.end += len(data)

    def flush(self) -> dict[str, Any]:
        """Hand everything to the system, which keeps it when this process is killed; says what is there.

        Raises:
            RcgError: If the disk is full.
        """
        try:
            self._out.flush()
        except OSError as error:
            raise explain(error, self.path) from error
        return {"end": self.end, "hash": self._digest.hexdigest()}

    @staticmethod
    def holds(path: Path, mark: Mapping[str, Any]) -> bool:
        """Whether a part still begins with what `flush` said: after a power cut it may not."""
        digest, left = xxhash.xxh3_64(), int(mark["end"])
        if not path.is_file():
            return False
        with path.open("rb") as file:
            while left > 0 and (block := file.read(min(left, _BLOCK))):
                digest.update(block)
                left -= len(block)
        return not left and digest.hexdigest() == mark["hash"]

    @staticmethod
    def cut(path: Path, mark: Mapping[str, Any]) -> None:
        """Drop what was written after `flush` said so."""
        os.truncate(path, int(mark["end"]))

    def append(self, other: Part) -> None:
        """Put another part's content at the end."""
        other.flush()
        other._out.seek(0)
        shutil.copyfileobj(other._out, self._out, _BLOCK)

    def sync(self) -> None:
        """Bring everything to the disk.

        Raises:
            RcgError: If the disk is full.
        """
        self.flush()
        os.fsync(self._out.fileno())

    def take_place(self, target: Path) -> None:
        """Bring everything to the disk and become `target`."""
        os.fchmod(self._out.fileno(), 0o666 & ~umask())
        self.sync()
        self.path.replace(target)
        sync_folder(target.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._out.close()
        except OSError as problem:
            if error is None:
                raise explain(problem, self.path) from problem
