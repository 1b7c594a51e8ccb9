"""The annotations of a COCO file as columns, where they are plain boxes: no object is made for any of them.

Tools write every box with the same keys in the same order. What is left of such entries without their digits is the
same for all of them, and what is left without their words is one list of numbers.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints
from rcg.annotations.stretches import Stretch, Unusual, stretches

_NUMBERS = frozenset({"id", "image_id", "category_id", "area", "iscrowd", "score", "num_keypoints"})
_CORNERS = ("x", "y", "width", "height")
_MOST_EXACT = 2**53  # whole numbers above it are not exact in a double

_STRETCH = 1 << 18  # bytes; with their numbers they stay in the processor's cache
_MOST = 1 << 25  # one element of 32 MB
_LIST = re.compile(rb'"annotations"\s*:\s*\[\s*(?=\{)')
_TOP = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*(?=\{)")
_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{]")
_MARK = b'{"":0}'  # stands for the annotations while the rest is walked
_END = re.compile(rb"\s*\]")
_BETWEEN = re.compile(rb"\s*,\s*")
_EMPTY = re.compile(rb',\s*"(?:segmentation|keypoints)"\s*:\s*\[\s*\]')
_EXPONENT = re.compile(rb"[0-9.]e")
_OPEN, _CLOSE, _COMMA, _BLANK, _BREAK = b"{}, \n"

_DIGITS = b"0123456789.-~"  # ~ stands for the letter of an exponent
_LETTERS = b"abcdefghijklmnopqrstuvwxyz_"
_APART = bytes.maketrans(b'{}":[]!~', b" \n   \n\ne")
"""What stands before numbers becomes blanks, what stands behind them breaks; ! stands for lists without anything."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """Annotations that are boxes, in the order of the file.

    Attributes:
        begins: (k,) where each entry begins, in bytes.
        ends: (k,) where it ends.
        image_ids: (k,) as they stand there.
        categories: k category ids as they stand there.
        boxes: (k, 4) x, y, width and height in pixels.
        scores: (k,) NaN where there are none.
        areas: (k,) square pixels, NaN where there are none.
        crowds: (k,) whether one is a crowd, which is more than a box.
    """

    begins: Ints
    ends: Ints
    image_ids: Ints
    categories: list[int]
    boxes: Floats
    scores: Floats
    areas: Floats
    crowds: NDArray[np.bool_]


class Flat:
    """A file whose annotations are plain boxes, at least at their beginning.

    Args:
        path: The file.
        is_list: Whether its top level is itself the list of annotations.

    Raises:
        Unusual: On entering, if there is no list of annotations, or an empty one.
    """

    def __init__(self, path: Path, *, is_list: bool) -> None:
        self._path, self._is_list = path, is_list
        self._begin = self._end = 0

    def __enter__(self) -> Self:
        with self._path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        at = 0 if self._is_list else self._data.find(b'"annotations"')
        match = (_TOP if self._is_list else _LIST).match(self._data, max(at, 0))
        if match is None:
            self._data.close()
            raise Unusual
        self._begin = match.end()
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def annotations(self) -> Iterator[Boxes | Stretch]:
        """The annotations, a stretch at a time: those that are not boxes alone as they stand there.

        Raises:
            Unusual: If the first are no boxes, or if there are objects in the objects; maybe only after some stretches.
        """
        begin, length = self._begin, _STRETCH
        while not self._end:
            text = self._data[begin : begin + length]
            marks = np.frombuffer(text, np.uint8)
            opens, closes = np.flatnonzero(marks == _OPEN), np.flatnonzero(marks == _CLOSE)
            count, end = _whole(text, marks, opens, closes)
            if count:
                last = closes[count - 1]
                found = _elements(text[: last + 1], opens[opens < last], closes[:count] + 1, begin)
                if begin == self._begin and not isinstance(found, Boxes):
                    raise Unusual
                yield found
                self._end = 0 if end is None else begin + end
                begin, length = begin + int(opens[min(count, len(opens) - 1)]), _STRETCH
            elif len(text) < length or length > _MOST:
                raise Unusual
            else:
                length *= 4

    def rest(self) -> Iterator[Stretch]:
        """The other lists of the file, after the annotations.

        Raises:
            Unusual: If they are not in the usual shape, or what was taken for the annotations is something else.
        """
        begin = self._begin
        rest, shift = self._data[:begin] + _MARK + self._data[self._end :], self._end - begin - len(_MARK)
        start = _START.match(rest)
        marks: list[int] = []
        for each in stretches(rest, start.end() if start else 0, is_list=self._is_list):
            if each.key in ("annotations", ""):
                marks += each.begins
            begins, ends = ([at + shift * (at > begin) for at in places] for places in (each.begins, each.ends))
            yield Stretch(each.key, begins, ends, each.values)
        if marks != [begin]:
            raise Unusual


def _whole(text: bytes, marks: NDArray[np.uint8], opens: Ints, closes: Ints) -> tuple[int, int | None]:
    """How many whole elements a text begins with, and where the list's bracket closes if it does."""
    after = marks[np.minimum(closes + 1, len(marks) - 1)]
    for place in np.flatnonzero(after != _COMMA).tolist():
        if match := _END.match(text, int(closes[place]) + 1):
            return place + 1, match.end() - 1
    count = len(opens) - 1
    if count > 0 and (len(closes) < count or not _BETWEEN.fullmatch(text, closes[count - 1] + 1, opens[count])):
        raise Unusual
    return max(count, 0), None


def _elements(text: bytes, begins: Ints, ends: Ints, offset: int) -> Boxes | Stretch:
    """All the elements that a text is made of, as columns if they are boxes."""
    if len(begins) != len(ends):  # a bracket inside of a string
        raise Unusual
    columns = _columns(text, len(begins))
    if columns is not None:
        return Boxes(begins=begins + offset, ends=ends + offset, **columns)
    try:
        values = orjson.loads(b"[%b]" % text)
    except orjson.JSONDecodeError as error:
        raise Unusual from error
    if len(values) != len(begins) or not all(type(each) is dict for each in values):
        raise Unusual
    return Stretch("annotations", (begins + offset).tolist(), (ends + offset).tolist(), values)


def _columns(text: bytes, count: int) -> dict[str, Any] | None:
    """The columns of `Boxes`; None where the entries differ in more than their numbers, or are more than boxes."""
    if b"~" in text or b"!" in text:
        return None
    first = text[: text.index(b"}") + 1]
    keys = _keys_of(first)
    if keys is None:
        return None
    for empty in set(_EMPTY.findall(first)):
        text = text.replace(empty, b"!")
    if not _is_repeated(text, count):
        text = text.replace(b"e-", b"~-")
        if b"~" not in text or not _is_repeated(text, count):
            return None
    apart = text.translate(_APART, _LETTERS)
    if not _is_whole(np.frombuffer(apart, np.uint8)):
        return None
    try:
        return _taken_apart(orjson.loads(b"[%b]" % apart), keys, count)
    except (ValueError, TypeError, OverflowError):
        return None


def _keys_of(entry: bytes) -> list[str] | None:
    """The keys of the numbers of an entry that is a box and nothing more."""
    try:
        value = orjson.loads(entry)
    except orjson.JSONDecodeError:
        return None
    box = value.get("bbox")
    if type(box) is not list or len(box) != 4 or not {"image_id", "category_id"} <= value.keys():
        return None
    if value.pop("segmentation", []) != [] or value.pop("keypoints", []) != []:
        return None
    numbers = [each for key, each in value.items() if key != "bbox"]
    if not _NUMBERS.issuperset(value.keys() - {"bbox"}) or not {int, float}.issuperset(map(type, [*numbers, *box])):
        return None
    return [name for key in value for name in (_CORNERS if key == "bbox" else (key,))]


def _is_repeated(text: bytes, count: int) -> bool:
    """Whether all entries are like the first but for their numbers, none of which has a letter."""
    first = text[: text.index(b"}") + 1]
    if _EXPONENT.search(first):
        return False
    between = _BETWEEN.match(text, len(first))
    bone = first.translate(None, _DIGITS)
    following = (between[0] if between else b"") + bone
    return text.translate(None, _DIGITS) == bone + following * (count - 1)


def _is_whole(apart: NDArray[np.uint8]) -> bool:
    """Whether a number stands wherever one has to: at the end of what is blank, before a comma or a break."""
    here, after = apart[:-1], apart[1:]
    blank, comma, broken = here == _BLANK, after == _COMMA, after == _BREAK
    return not ((blank & (comma | broken)) | ((here == _COMMA) & broken)).any()


def _taken_apart(numbers: list[Any], keys: list[str], count: int) -> dict[str, Any] | None:
    """The columns of `Boxes` from the numbers of the entries, one after the other."""
    if len(numbers) != count * len(keys):
        return None
    place, wide = {key: at for at, key in enumerate(keys)}, len(keys)
    categories = numbers[place["category_id"] :: wide]
    if set(map(type, chain(numbers[place["image_id"] :: wide], categories))) != {int}:
        return None
    table = np.fromiter(numbers, np.float64, len(numbers)).reshape(count, wide)
    ids = table[:, place["image_id"]]
    if np.abs(ids).max() > _MOST_EXACT:
        return None
    missing = np.full(count, np.nan)
    return {
        "image_ids": ids.astype(np.int64),
        "categories": categories,
        "boxes": table[:, place["x"] : place["x"] + 4].copy(),  # a view would keep the other columns in memory
        "scores": table[:, place["score"]].copy() if "score" in place else missing,
        "areas": table[:, place["area"]] if "area" in place else missing,
        "crowds": table[:, place["iscrowd"]] != 0 if "iscrowd" in place else np.zeros(count, np.bool_),
    }
