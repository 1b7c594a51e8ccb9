"""Large text files: mapped, not loaded, with the line number of every byte."""

from __future__ import annotations

import mmap
import re
from array import array
from bisect import bisect_right
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rcg.errors import FormatError
from rcg.files import explain

_UTF8 = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NEAR = 65_536


class Located(Protocol):
    """A file that knows its lines."""

    path: Path

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def line(self, offset: int) -> int:
        """The number of the line that a byte stands on, from 1."""

    def text(self, begin: int, end: int) -> str:
        """A part as it stands, cut at 200 characters, on one line."""


class TextFile:
    """A text file; one in UTF-16, or with the line ends of an old Mac, is turned into UTF-8 in memory.

    Attributes:
        path: The file.
        data: Its bytes.
        start: Where the text begins, behind a byte-order mark.

    Raises:
        FormatError: If it is empty.
        RcgError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: mmap.mmap | bytes
        try:
            with path.open("rb") as file:
                head = file.read(_NEAR)
                if not head:
                    raise FormatError("the file is empty (0 bytes)", where=path, fix="export it again")
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise explain(error, path) from error
        if head[:2] in _UTF16:
            self._become(self.data[:].decode("utf-16", errors="replace").encode())
        elif b"\r" in head and b"\n" not in head:
            self._become(self.data[:].replace(b"\r", b"\n"))
        self.start = len(_UTF8) if self.data[:3] == _UTF8 else 0
        self._lines: array[int] | None = None

    def _become(self, data: bytes) -> None:
        self.close()
        self.data = data

    def recoded(self, encoding: str) -> None:
        """Turn it into UTF-8 from another encoding.

        Raises:
            FormatError: If there is no such encoding, or the text is not in it.
        """
        try:
            text = self.data[:].decode(encoding)
        except (LookupError, ValueError) as error:
            what = f"the text is not in the encoding that it claims ({encoding})"
            raise FormatError(what, where=self.path, fix="export it again in UTF-8") from error
        self._become(text.encode("utf-8", errors="replace"))
        self.start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self.data, mmap.mmap):
            self.data.close()

    def text(self, begin: int, end: int) -> str:
        """A part as it stands, cut at 200 characters, on one line."""
        raw = self.data[begin : min(end, begin + 2000)].decode("utf-8", errors="replace")
        return " ".join(raw.split())[:200]

    def line(self, offset: int) -> int:
        """The number of the line that a byte stands on, from 1."""
        if self._lines is None:
            self._lines = array("Q", (match.start() for match in re.finditer(rb"\n", self.data)))
        return bisect_right(self._lines, offset - 1) + 1
