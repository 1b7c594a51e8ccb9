"""Elements of large JSON files, one at a time: the file is mapped, not loaded, and each element parsed when needed."""

from __future__ import annotations

import mmap
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from rcg.annotations.stretches import Stretch, stretches
from rcg.errors import FormatError
from rcg.files import explain

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_LOOSE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^\s,]+', re.DOTALL)
_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*([\[{])")
_QUOTE = ord('"')
_OPEN = b"{["
_CLOSE = b"}]"
_BETWEEN = b", \t\r\n"
_NEAR = 65_536
_BROKEN = "export the file again; it seems to be cut off or damaged"


class JsonFile:
    """A JSON file whose top level is an object with long lists in it, or one long list.

    Attributes:
        is_list: Whether the top level is a list.
        lists: The names of the lists that `walk` has met.

    Raises:
        FormatError: If it is empty, cut off, or neither an object nor a list.
        RcgError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                if not file.read(1):
                    raise FormatError("the file is empty (0 bytes)", where=path, fix="export it again")
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise explain(error, path) from error
        start = _START.match(self._data)
        if start is None:
            self.close()
            raise FormatError("this is no JSON object or list", where=path, fix="export the file again")
        self.is_list = start[1] == b"["
        self.lists: set[str] = set()
        self._start = start.end()
        self._lines: array[int] | None = None

    def __enter__(self) -> JsonFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a walk that was left before its end holds it until it goes itself."""
        with suppress(BufferError):
            self._data.close()

    def has(self, key: str) -> bool:
        """Whether this key stands somewhere in the file: a quick look, no proof."""
        return self._data.find(f'"{key}"'.encode()) >= 0

    def starts_with_list(self, keys: Iterable[str]) -> bool:
        """Whether a list of one of these names begins near the top of the file: a quick look, no proof."""
        names = "|".join(map(re.escape, keys)).encode()
        return re.search(rb'"(?:%b)"\s*:\s*\[' % names, self._data[:_NEAR]) is not None

    def ends_well(self) -> bool:
        """Whether all brackets are closed, which takes a look at the whole file."""
        try:
            for _ in self.walk():
                pass
        except FormatError:
            return False
        return True

    def walk(self) -> Iterator[tuple[str, int, int]]:
        """Key of the list, begin and end of each element in the top level's lists; the key is "" in a top-level list.

        Raises:
            FormatError: If the file ends before its brackets are closed, or they do not fit each other.
        """
        depth, key, begin, inside = 0, "", 0, self.is_list
        floor = 0 if self.is_list else 1  # brackets open around an element of a list
        last = self._start  # where the element before ends
        for token in _TOKEN.finditer(self._data, self._start):
            mark = self._data[token.start()]
            if mark == _QUOTE:
                if depth == 0 and not self.is_list:
                    key = self._data[token.start() + 1 : token.end() - 1].decode("utf-8", errors="replace")
            elif mark in _OPEN:
                if depth == 0 and not self.is_list:
                    inside, last = mark == _OPEN[1], token.end()
                    self.lists.update([key] * inside)
                elif depth == floor and inside:
                    begin = token.start()
                    yield from self._loose(key, last, begin)
                depth += 1
            else:
                depth -= 1
                if depth == floor and inside:
                    last = token.end()
                    yield key, begin, last
                elif depth < floor:
                    self._check_close(token, inside=inside, whole=depth < 0)
                    if inside:
                        yield from self._loose(key, last, token.start())
                    if depth < 0:
                        return
                    inside = False
        raise self._broken("the JSON ends too early", len(self._data) - 1)

    def stretches(self) -> Iterator[Stretch]:
        """What `walk` yields, many elements at a time and parsed; see `rcg.annotations.stretches`.

        Raises:
            Unusual: If the file is not in the usual shape.
        """
        return stretches(self._data, self._start, is_list=self.is_list)

    def _loose(self, key: str, begin: int, end: int) -> Iterator[tuple[str, int, int]]:
        """What stands between two elements of a list and should not: numbers, strings, rubbish."""
        if self._data[begin:end].strip(_BETWEEN):
            for match in _LOOSE.finditer(self._data, begin, end):
                yield key, match.start(), match.end()

    def _check_close(self, token: re.Match[bytes], *, inside: bool, whole: bool) -> None:
        if token[0][0] != _CLOSE[inside]:
            raise self._broken("a bracket is closed that was not opened", token.start())
        if whole and self._data[token.end() :].strip():
            raise self._broken("the JSON goes on after its end", token.end())

    def _broken(self, what: str, offset: int) -> FormatError:
        return FormatError(what, where=f"{self.path}, line {self.line(offset)}", fix=_BROKEN)

    def value(self, begin: int, end: int) -> Any:
        """One element, parsed.

        Raises:
            ValueError: If it is no strict JSON, as with NaN in it.
        """
        return orjson.loads(self._data[begin:end])

    def find(self, text: str, begin: int, end: int) -> int:
        """Where a text stands in a part of the file, -1 if it does not."""
        return self._data.find(text.encode("utf-8", errors="replace"), begin, end)

    def text(self, begin: int, end: int) -> str:
        """One element as it stands, cut at 200 characters, on one line."""
        raw = self._data[begin : min(end, begin + 2000)].decode("utf-8", errors="replace")
        return " ".join(raw.split())[:200]

    def line(self, offset: int) -> int:
        """The number of the line that a byte stands on, from 1."""
        if self._lines is None:
            self._lines = array("Q", (match.start() for match in re.finditer(rb"\n", self._data)))
        return bisect_right(self._lines, offset) + 1
