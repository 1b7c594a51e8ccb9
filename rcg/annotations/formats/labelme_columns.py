"""Many LabelMe files at a time, as columns of numbers: plain rectangles and outlines.

Whatever else stands in a file is left to the exact reader, which knows lines and reasons.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints
from rcg.annotations.columns import Columns, Marks, Outlines, boxes_inside, rings_inside
from rcg.annotations.formats.labelme_file import read_bytes, without_photo

_MOST = 1 << 16  # files above it have a photo in them, or very long outlines
_NEAR = 32  # bytes behind "label" in which the name ends, as a rule
_VALUES = itemgetter("label", "points", "shape_type", "group_id", "flags")


def read_files(root: Path, names: Sequence[str | None]) -> list[bytes | None]:
    """Label files without the photos in them; b"" for None, None for one that cannot be read."""
    inside = os.open(root, os.O_RDONLY)  # names relative to it are found faster than whole paths
    try:
        return [b"" if name is None else _content(root, inside, name) for name in names]
    finally:
        os.close(inside)


def _content(root: Path, inside: int, name: str) -> bytes | None:
    try:
        handle = os.open(name, os.O_RDONLY, dir_fd=inside)
        try:
            data = os.read(handle, _MOST)
        finally:
            os.close(handle)
        return read_bytes(root / name) if len(data) == _MOST else without_photo(data)
    except (OSError, ValueError):
        return None


def labels_in(data: bytes) -> set[str] | None:
    """The labels of a file without parsing it; None where that may not be all, or not what JSON says.

    Example:
        >>> labels_in(b'{"shapes": [{"label": "card", "points": []}]}')
        {'card'}
    """
    _, *after = data.split(b'"label"')
    if len(after) != data.count(b'"points"') or b"\\" in data or not data.isascii():
        return None
    found = set()
    for part in {part[:_NEAR] for part in after}:  # few are distinct where labels repeat
        before, _, rest = part.partition(b'"')
        end = rest.find(b'"')
        if before.strip() != b":" or end < 0:
            return None
        found.add(rest[:end])
    return {name.decode().strip() for name in found} - {""}


@dataclass(slots=True)
class _Shapes:
    """The shapes of a run of files: a label, and the place of its numbers among those of boxes or of outlines."""

    classes: list[int]
    rings: list[int]
    lengths: list[int]
    corners: list[Any]
    points: list[Any]


def read_shapes(
    files: Sequence[bytes | None], numbers: Mapping[str, int], sizes: NDArray[np.int32]
) -> tuple[Columns, Marks]:
    """Boxes and outlines in pixels, and which files hold something else, which have no labels here.

    Args:
        files: n contents.
        numbers: Class number by name.
        sizes: (n, 2) width and height of the images in pixels.

    Example:
        >>> shape = b'{"label": "card", "shape_type": "rectangle", "points": [[5, 6], [1, 2]]}'
        >>> files = [b'{"shapes": [%b]}' % shape, b"{"]
        >>> found, odd = read_shapes(files, {"card": 0}, np.array([[9, 9], [9, 9]], np.int32))
        >>> found.boxes.tolist(), odd.tolist()
        ([[1.0, 2.0, 4.0, 4.0]], [False, True])
    """
    total = _Shapes([], [], [], [], [])
    counts: list[int] = []
    odd: list[bool] = []
    for data, size in zip(files, sizes.tolist(), strict=True):
        found = _shapes(data, numbers, size)
        odd.append(found is None)
        counts.append(0 if found is None else len(found.classes))
        if found is not None:
            before = len(total.classes)
            total.rings += [before + row for row in found.rings] if found.rings else ()
            total.classes += found.classes
            total.lengths += found.lengths
            total.corners += found.corners
            total.points += found.points
    return _columns(total, np.array(counts, np.int64), sizes), np.array(odd, np.bool_)


def _shapes(data: bytes | None, numbers: Mapping[str, int], size: list[int]) -> _Shapes | None:
    """The shapes of one file; None where one of them is no plain rectangle or outline."""
    found = _Shapes([], [], [], [], [])
    try:
        data = data or b""
        value = orjson.loads(data)
        shapes, said = value["shapes"], (value.get("imageWidth"), value.get("imageHeight"))
        if type(shapes) is not list or value.get("flags") or (said != (None, None) and said != (size[0], size[1])):
            return None
        told = b'"description"' in data and data.count(b'"description"') != data.count(b'"description": ""')
        if told or b'"score"' in data:
            return None
        if not _take_all(shapes, numbers, found):
            for shape in shapes:
                _take(shape, numbers, found)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return found if _are_numbers(found.corners) and _are_numbers(found.points) else None


def _take_all(shapes: list[dict[str, Any]], numbers: Mapping[str, int], found: _Shapes) -> bool:
    """Add the shapes of a file that are all rectangles or all outlines; False leaves them to `_take`."""
    if not shapes:
        return True
    try:
        labels, points, kinds, groups, flags = zip(*map(_VALUES, shapes), strict=True)
    except KeyError:  # as before LabelMe had groups
        return False
    if kinds.count(kinds[0]) != len(kinds) or groups.count(None) != len(groups) or any(flags):
        return False
    flat = list(chain.from_iterable(points))
    if not {2}.issuperset(map(len, flat)):
        return False
    if kinds[0] == "rectangle" and {2}.issuperset(map(len, points)):
        found.corners += chain.from_iterable(flat)
    elif kinds[0] == "polygon" and all(points):
        found.rings += range(len(shapes))
        found.lengths += map(len, points)
        found.points += chain.from_iterable(flat)
    else:
        return False
    found.classes += map(numbers.__getitem__, labels)
    return True


def _take(shape: dict[str, Any], numbers: Mapping[str, int], found: _Shapes) -> None:
    """Add one shape; raises ValueError or the like where it is no plain rectangle or outline."""
    get, points, kind = shape.get, shape["points"], shape["shape_type"]
    if get("group_id") is not None or get("flags"):
        raise ValueError
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        found.corners += (x0, y0, x1, y1)
    elif kind == "polygon" and points and {2}.issuperset(map(len, points)):
        found.rings.append(len(found.classes))
        found.lengths.append(len(points))
        found.points += chain.from_iterable(points)
    else:
        raise ValueError
    found.classes.append(numbers[shape["label"]])


def _are_numbers(values: list[Any]) -> bool:
    return {float, int}.issuperset(map(type, values))


def _columns(found: _Shapes, counts: Ints, sizes: NDArray[np.int32]) -> Columns:
    rows = len(found.classes)
    rings = np.array(found.rings, np.int64)
    flat = np.ones(rows, np.bool_)
    flat[rings] = False
    size = np.repeat(sizes.astype(np.float64), counts, axis=0)
    corners = np.array(found.corners, np.float64).reshape(-1, 4)
    first, second = corners[:, :2], corners[:, 2:]
    corners = np.hstack([np.minimum(first, second), np.maximum(first, second)])
    boxes: Floats = np.zeros((rows, 4))
    refused, clipped = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    boxes[flat], refused[flat], clipped[flat] = boxes_inside(corners, size[flat])
    outlines = None
    if len(rings):
        points, lengths = np.array(found.points, np.float64).reshape(-1, 2), np.array(found.lengths, np.int64)
        points, lengths, around, areas, refused[rings], clipped[rings] = rings_inside(points, lengths, size[rings])
        boxes[rings] = around
        outlines = Outlines(points=points, lengths=lengths, rows=rings, areas=areas)
    return Columns(
        counts=counts,
        classes=np.array(found.classes, np.int32),
        boxes=boxes,
        refused=refused,
        clipped=clipped & ~refused,
        outlines=outlines,
    )
