"""Many Pascal VOC files at a time, as columns of numbers.

A pattern takes files that hold what labelling tools write and nothing else; whatever is odd is left to the exact
reader, which parses XML and knows lines and reasons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints
from rcg.annotations.columns import Columns, Marks, boxes_inside

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """The labels of a run of files.

    Attributes:
        counts: (n,) labels of each file.
        names: The class of each label.
        numbers: (m, 4) left, top, right and bottom in pixels.
        sizes: (n, 2) the width and height that each file says, 0 where it says none.
        marked: For each file, which marks stand in it that RCG does not carry.
        odd: (n,) files that hold something else; they have no labels here.
    """

    counts: Ints
    names: list[bytes]
    numbers: Floats
    sizes: NDArray[np.int64]
    marked: Mapping[int, frozenset[bytes]]
    odd: Marks


def read_objects(files: Sequence[bytes]) -> Objects:
    """The labels of files, by their content.

    Example:
        >>> box = b"<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4.5</ymax></bndbox>"
        >>> found = read_objects([b"<annotation><object><name>card</name>%b</object></annotation>" % box, b"<?"])
        >>> found.names, found.numbers.tolist(), found.odd.tolist()
        ([b'card'], [[1.0, 2.0, 3.0, 4.5]], [False, True])
    """
    counts, sizes, odd = [], [], []
    names: list[bytes] = []
    corners: tuple[list[bytes], ...] = ([], [], [], [])
    marked: dict[int, frozenset[bytes]] = {}
    for number, data in enumerate(files):
        found = _size_and_objects(data)
        odd.append(found is None)
        if found is None:
            counts.append(0)
            sizes.append((0, 0))
            continue
        size, parts, places = found
        counts.append(len(parts) // (1 + _GROUPS))
        sizes.append(size)
        names += parts[1 :: 1 + _GROUPS]
        for corner, place in zip(corners, places, strict=True):
            corner += parts[2 + place :: 1 + _GROUPS]
        if b">1<" in data and (marks := _MARKED.findall(data)):
            marked[number] = frozenset(marks)
    return Objects(
        counts=np.array(counts, np.int64),
        names=names,
        numbers=np.stack([_numbers(corner) for corner in corners], axis=1),
        sizes=np.array(sizes, np.int64).reshape(-1, 2),
        marked=marked,
        odd=np.array(odd, np.bool_),
    )


def _size_and_objects(data: bytes) -> tuple[tuple[int, int], list[bytes], tuple[int, ...]] | None:
    """The size that a file says, and its objects; None where anything else stands in it.

    The objects are a list of what stands before each (nothing), its name and its four numbers, and the end of the file;
    then the places of left, top, right and bottom among the numbers.
    """
    head = _HEAD.match(data)
    if head is None or b"]]>" in data or data.count(b"<size>") > 1 or not (data.isascii() or _is_text(data)):
        return None
    size = (int(head[1]), int(head[2])) if head[1] is not None else (0, 0)
    rest = data[head.end() :]
    for pattern, places in _ORDERS:
        parts = pattern.split(rest)
        if _END.fullmatch(parts[-1]) and not any(parts[: -1 : 1 + _GROUPS]):
            return size, parts, places
    return None


def _is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without the two signs that XML forbids."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\xef\xbf" not in data


def _numbers(texts: Sequence[bytes]) -> Floats:
    try:
        return np.array(orjson.loads(b"[%b]" % b",".join(texts)), np.float64)
    except orjson.JSONDecodeError:  # such as 007
        return np.array([float(text) for text in texts], np.float64)


def columns(objects: Objects, sizes: NDArray[np.int32], numbers: Mapping[bytes, int]) -> Columns:
    """Boxes in pixels.

    Args:
        objects: The labels of n files.
        sizes: (n, 2) width and height of the images in pixels.
        numbers: Class number by name.
    """
    known = numbers.get
    classes = np.array([known(name, -1) for name in objects.names], np.int32)
    boxes, refused, clipped = boxes_inside(objects.numbers, np.repeat(sizes.astype(np.float64), objects.counts, axis=0))
    refused |= classes < 0
    return Columns(
        counts=objects.counts,
        classes=np.maximum(classes, 0),
        boxes=boxes,
        refused=refused,
        clipped=clipped & ~refused,
    )
