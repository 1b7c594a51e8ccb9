"""Walks the long lists of a JSON file in stretches, which a parser in C reads many elements at a time.

Only files in the usual shape are taken: lists of objects at the top level, strict JSON. For any other `Unusual` is
raised, and the walk that looks at every bracket and knows what is wrong has to do.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

_STRETCH = 1 << 19  # bytes; parsed, they take some ten times as much
_BETWEEN = re.compile(rb"\}(\s*,\s*)\{")
_END = re.compile(rb"\}\s*\]")
_KEY = re.compile(rb'\s*,?\s*"([^"\\]*)"\s*:\s*')
_LIST = re.compile(rb"\[\s*(?=[{\]])")
_CLOSING = re.compile(rb"\s*\}\s*\Z")
_TRIES = 16


class Unusual(Exception):  # noqa: N818 - it never leaves the readers: they then walk bracket by bracket
    """The file is not in the shape that can be read in stretches."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Some elements of a list.

    Attributes:
        key: The list's key; "" for a list at the top level.
        begins: Where each element begins, in bytes.
        ends: Where each ends.
        values: The elements, parsed.
    """

    key: str
    begins: list[int]
    ends: list[int]
    values: list[dict[str, Any]]


def stretches(data: Any, start: int, *, is_list: bool) -> Iterator[Stretch]:
    """The lists at the top level of a JSON file, a stretch at a time.

    Args:
        data: The file, mapped or as bytes.
        start: Behind its first bracket.
        is_list: Whether the top level is itself a list.

    Raises:
        Unusual: If it is anything but lists of objects and short values; maybe only after some stretches.
    """
    if is_list:
        at = yield from _walk_list(data, start, "")
        if data[at:].strip():
            raise Unusual
        return
    at = start
    while not _CLOSING.match(data, at):
        key = _KEY.match(data, at)
        if key is None:
            raise Unusual
        opening = _LIST.match(data, key.end())
        if opening is None:
            if data[key.end() : key.end() + 1] == b"[":  # a list of something else than objects
                raise Unusual
            at = _behind_value(data, key.end())
            continue
        at = yield from _walk_list(data, opening.end(), key[1].decode("utf-8", errors="replace"))


def _behind_value(data: Any, begin: int) -> int:
    """Where a value that is no long list ends: a small object, a number, a string."""
    text = bytes(data[begin : begin + _STRETCH])
    for match in re.finditer(rb"[}\]\"0-9el](?=\s*[,}])", text):
        try:
            orjson.loads(text[: match.end()])
        except orjson.JSONDecodeError:
            continue
        return begin + match.end()
    raise Unusual


def _walk_list(data: Any, begin: int, key: str) -> Generator[Stretch, None, int]:
    """The elements of one list; returns where it ends."""
    length = _STRETCH
    if data[begin : begin + 1] == b"]":
        yield Stretch(key, [], [], [])
        return begin + 1
    while True:
        text = bytes(data[begin : begin + length])
        stretch, taken, closed = _stretch(text, begin, key, last=begin + length >= len(data))
        if stretch is None:
            if length > 64 * _STRETCH:  # one element of 32 MB
                raise Unusual
            length *= 4
            continue
        yield stretch
        if closed:
            return begin + taken
        begin, length = begin + taken, _STRETCH


def _stretch(text: bytes, offset: int, key: str, *, last: bool) -> tuple[Stretch | None, int, bool]:
    """The whole elements at the beginning of a text, how long they are, and whether the list ends behind them."""
    breaks = [match.span(1) for match in _BETWEEN.finditer(text)]
    for tries, end in enumerate(_END.finditer(text)):
        if tries == _TRIES:
            break
        inside = [span for span in breaks if span[1] <= end.start()]
        values = _parsed(text[: end.start() + 1])
        if values is not None and len(values) == len(inside) + 1:
            begins = [offset, *(offset + after for _, after in inside)]
            ends = [*(offset + before for before, _ in inside), offset + end.start() + 1]
            return Stretch(key, begins, ends, values), end.end(), True
    if not breaks:
        if last:
            raise Unusual
        return None, 0, False
    values = _parsed(text[: breaks[-1][0]])
    if values is None or len(values) != len(breaks):
        raise Unusual
    begins = [offset, *(offset + after for _, after in breaks[:-1])]
    return Stretch(key, begins, [offset + before for before, _ in breaks], values), breaks[-1][1], False


def _parsed(text: bytes) -> list[dict[str, Any]] | None:
    try:
        values = orjson.loads(b"[%b]" % text)
    except orjson.JSONDecodeError:
        return None
    return values if all(type(each) is dict for each in values) else None
