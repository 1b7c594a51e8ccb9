"""Many Pascal VOC files at a time, as columns of numbers.

A pattern takes files that hold what labelling tools write and nothing else; whatever is odd is left to the exact
reader, which parses XML and knows lines and reasons. See `voc_forms` for what is faster still.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats
from rcg.annotations.columns import Columns, boxes_inside
from rcg.annotations.formats.voc_forms import MARKS, Form, Same, alike, learnt
from rcg.annotations.kept import Drawn

_SPACE = rb"[ \t\r\n]*+"
_TEXT = rb"[^<&\x00-\x08\x0b\x0c\x0e-\x1f]*+"
_NUMBER = _SPACE + rb"(-?[0-9]++(?:\.[0-9]++)?+)" + _SPACE


def _leaf(*names: bytes) -> bytes:
    """A pattern for elements of these names with nothing but text in them."""
    return b"(?:" + b"|".join(b"<%b>%b</%b>" % (name, _TEXT, name) for name in names) + b")" + _SPACE


def _object(*order: bytes) -> re.Pattern[bytes]:
    """A pattern for an object whose corners stand in this order; its groups are the name and the numbers."""
    corners = b"".join(b"<%b>%b</%b>%b" % (key, _NUMBER, key, _SPACE) for key in order)
    marks = (b"pose", b"truncated", b"difficult", b"occluded")
    before = b"".join(b"(?:<%b>%b</%b>%b)?+" % (mark, _TEXT, mark, _SPACE) for mark in marks)
    name = b"<name>(" + _TEXT + b")</name>" + _SPACE
    box = b"<bndbox>" + _SPACE + corners + b"</bndbox>" + _SPACE
    return re.compile(b"<object>" + _SPACE + name + before + box + b"(?:" + _leaf(*marks) + b")*+</object>" + _SPACE)


_ORDERS = (  # the corners as most tools write them, and as Roboflow does, with the place of each among the groups
    (_object(b"xmin", b"ymin", b"xmax", b"ymax"), (0, 1, 2, 3)),
    (_object(b"xmin", b"xmax", b"ymin", b"ymax"), (0, 2, 1, 3)),
)
_GROUPS = 5
_WHOLE = _SPACE + b"([0-9]{1,9})" + _SPACE
_SIZE = b"".join(
    [
        b"<size>" + _SPACE,
        b"<width>" + _WHOLE + b"</width>" + _SPACE,
        b"<height>" + _WHOLE + b"</height>" + _SPACE,
        b"(?:<depth>" + _TEXT + b"</depth>" + _SPACE + b")?+",
        b"</size>" + _SPACE,
    ]
)
_SOURCE = b"<source>%b(?:%b)*+</source>%b" % (_SPACE, _leaf(b"database", b"annotation", b"image", b"flickrid"), _SPACE)
_HEAD = re.compile(
    b"".join(
        [
            _SPACE + rb"(?:<\?xml version=[\"']1\.0[\"'](?: encoding=[\"'](?i:utf-8)[\"'])?+ ?+\?>" + _SPACE + b")?+",
            b'<annotation(?: verified="[a-z]*+")?+>' + _SPACE,
            b"(?:" + _leaf(b"folder", b"filename", b"path", b"segmented") + b"|" + _SOURCE + b"|" + _SIZE + b")*+",
        ]
    )
)
_END = re.compile(b"</annotation>" + _SPACE)
_MARKED = re.compile(rb"<(difficult|truncated|occluded)>\s*1\s*</")


class _File(NamedTuple):
    """The objects of one file.

    Attributes:
        parts: What stands before each (nothing), its name and its four numbers, and the end of the file.
        places: The places of left, top, right and bottom among the numbers.
        marks: Which marks stand in it, as bits.
    """

    parts: list[bytes]
    places: tuple[int, ...]
    marks: int


def read_objects(files: Sequence[bytes]) -> Drawn:
    """The labels of files, by their content; a bit of `marks` stands for each of `MARKS` that is set in a file.

    Example:
        >>> box = b"<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4.5</ymax></bndbox>"
        >>> found = read_objects([b"<annotation><object><name>card</name>%b</object></annotation>" % box, b"<?"])
        >>> found.names, found.corners.tolist(), found.odd.tolist()
        (('card',), [[1.0, 2.0, 3.0, 4.5]], [False, True])
    """
    heads = [_head(data) for data in files]
    rests = [b"" if head is None else data[head.end() :] for data, head in zip(files, heads, strict=True)]
    same = alike(rests, _form(rests))
    one_by_one: dict[int, _File] = {}
    for number in same.others.tolist():
        found = None if heads[number] is None else _objects(rests[number])
        if found is None:
            heads[number] = None
        else:
            one_by_one[number] = found
    return _drawn(heads, same, one_by_one)


def _head(data: bytes) -> re.Match[bytes] | None:
    """What stands before the objects; None where a file cannot be plain."""
    head = _HEAD.match(data)
    if head is None or not (data.isascii() or _is_text(data)):
        return None
    begin = head[0]
    return head if begin.count(b"<size>") <= 1 and b"]]>" not in begin else None


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without the two signs that XML forbids."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\xef\xbf" not in data


def _form(rests: Sequence[bytes]) -> Form | None:
    """How the objects of these files are written, by the longest of them; None where that is not plain."""
    longest = max(rests, key=len, default=b"")
    for pattern, _ in _ORDERS:
        if found := pattern.match(longest):
            return learnt(found[0], longest)
    return None


def _objects(rest: bytes) -> _File | None:
    """The objects of a file behind its head; None where anything else stands in it."""
    for pattern, places in _ORDERS if b"]]>" not in rest else ():
        parts = pattern.split(rest)
        if _END.fullmatch(parts[-1]) and not any(parts[: -1 : 1 + _GROUPS]):
            found = set(_MARKED.findall(rest))
            return _File(parts, places, sum(1 << MARKS.index(mark) for mark in found))
    return None


def _drawn(heads: Sequence[re.Match[bytes] | None], same: Same, one_by_one: Mapping[int, _File]) -> Drawn:
    """The files that are written alike and the others, in order."""
    counts, marks = same.counts.copy(), same.marks.copy()
    texts = list(same.names)
    corners, owners = [same.corners], [np.repeat(np.arange(len(counts)), counts)]
    for number, (parts, _, bits) in one_by_one.items():
        counts[number], marks[number] = len(parts) // (1 + _GROUPS), bits
        texts += parts[1 :: 1 + _GROUPS]
        owners.append(np.full(counts[number], number))
    if one_by_one:
        corners.append(_corners(list(one_by_one.values())))
    index = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    order = np.argsort(np.concatenate(owners), kind="stable")
    sizes = [(0, 0) if head is None or head[1] is None else (int(head[1]), int(head[2])) for head in heads]
    return Drawn(
        counts=counts,
        names=tuple(text.decode() for text in index),
        classes=np.array([index[text] for text in texts], np.int32)[order],
        corners=np.concatenate(corners)[order],
        rings=np.zeros(0, np.int64),
        lengths=np.zeros(0, np.int64),
        points=np.zeros((0, 2)),
        said=np.array(sizes, np.int64).reshape(-1, 2),
        marks=marks,
        odd=np.array([head is None for head in heads], np.bool_),
    )


def _corners(files: Sequence[_File]) -> Floats:
    """(k, 4) left, top, right and bottom of the objects of some files."""
    sides: tuple[list[bytes], ...] = ([], [], [], [])
    for parts, places, _ in files:
        for side, place in zip(sides, places, strict=True):
            side += parts[2 + place :: 1 + _GROUPS]
    return np.stack([_numbers(side) for side in sides], axis=1)


def _numbers(texts: Sequence[bytes]) -> Floats:
    try:
        return np.array(orjson.loads(b"[%b]" % b",".join(texts)), np.float64)
    except orjson.JSONDecodeError:  # such as 007
        return np.array([float(text) for text in texts], np.float64)


def columns(drawn: Drawn, sizes: NDArray[np.int32], numbers: Mapping[str, int]) -> Columns:
    """Boxes in pixels.

    Args:
        drawn: The labels of n files.
        sizes: (n, 2) width and height of the images in pixels.
        numbers: Class number by name.
    """
    classes = drawn.numbered([numbers.get(name, -1) for name in drawn.names])
    size = np.repeat(sizes.astype(np.float64), drawn.counts, axis=0)
    boxes, refused, clipped = boxes_inside(drawn.corners.astype(np.float64), size)
    refused |= classes < 0
    return Columns(
        counts=drawn.counts,
        classes=np.maximum(classes, 0),
        boxes=boxes,
        refused=refused,
        clipped=clipped & ~refused,
    )
