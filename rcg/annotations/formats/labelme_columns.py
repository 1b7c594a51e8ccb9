"""Many LabelMe files at a time, as columns of numbers: plain rectangles and outlines.

Whatever else stands in a file is left to the exact reader, which knows lines and reasons.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats
from rcg.annotations.columns import Columns, Outlines, boxes_inside, rings_inside
from rcg.annotations.formats.labelme_file import read_bytes, without_photo
from rcg.annotations.kept import Drawn

_MOST = 1 << 16  # files above it have a photo in them, or very long outlines
_NEAR = 32  # bytes behind "label" in which the name ends, as a rule
_KEYS = ("label", "points", "shape_type", "group_id", "flags")
_VALUES = itemgetter(*_KEYS)
_TOGETHER = 1 << 14  # bytes of text: of more values at a time Python's garbage collection costs more than reading them


def read_files(root: Path, names: Sequence[str | None]) -> list[bytes | None]:
    """Label files without the photos in them; b"" for None, None for one that cannot be read."""
    return [content for content, _ in read_sized(root, names)]


def read_sized(root: Path, names: Sequence[str | None]) -> Iterator[tuple[bytes | None, int]]:
    """The same one by one, each with the length of the file in bytes."""
    inside = os.open(root, os.O_RDONLY)  # names relative to it are found faster than whole paths
    try:
        for name in names:
            yield (b"", 0) if name is None else _content(root, inside, name)
    finally:
        os.close(inside)


def _content(root: Path, inside: int, name: str) -> tuple[bytes | None, int]:
    try:
        handle = os.open(name, os.O_RDONLY, dir_fd=inside)
        try:
            data = os.read(handle, _MOST)
            size = len(data) if len(data) < _MOST else os.fstat(handle).st_size
        finally:
            os.close(handle)
        return (read_bytes(root / name) if size >= _MOST else without_photo(data)), size
    except (OSError, ValueError):
        return None, 0


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

    labels: list[str]
    rings: list[int]
    lengths: list[int]
    corners: list[Any]
    points: list[Any]


def _no_shapes() -> _Shapes:
    return _Shapes([], [], [], [], [])


def read_shapes(files: Sequence[bytes | None]) -> Drawn:
    """The shapes of files, by their content.

    Example:
        >>> shape = b'{"label": "card", "shape_type": "rectangle", "points": [[5, 6], [1, 2]]}'
        >>> found = read_shapes([b'{"shapes": [%b]}' % shape, b"{"])
        >>> found.names, found.corners.tolist(), found.odd.tolist()
        (('card',), [[5.0, 6.0, 1.0, 2.0]], [False, True])
    """
    total = _no_shapes()
    counts: list[int] = []
    sizes: list[tuple[float, float]] = []
    for some in _groups(files):
        opened = [_opened(data or b"") for data in some]
        sizes += [said for _, said in opened]
        counts += _taken(some, [shapes for shapes, _ in opened], total)
    many = np.array(counts, np.int64)
    index = {label: number for number, label in enumerate(dict.fromkeys(total.labels))}
    return Drawn(
        counts=np.maximum(many, 0),
        names=tuple(index),
        classes=np.array([index[label] for label in total.labels], np.int32),
        corners=np.array(total.corners, np.float64).reshape(-1, 4),
        rings=np.array(total.rings, np.int64),
        lengths=np.array(total.lengths, np.int64),
        points=np.array(total.points, np.float64).reshape(-1, 2),
        said=np.array(sizes, np.float64).reshape(-1, 2),
        marks=np.zeros(len(files), np.uint8),
        odd=many < 0,
    )


def _groups(files: Sequence[bytes | None]) -> Iterator[Sequence[bytes | None]]:
    begin = size = 0
    for end, data in enumerate(files, 1):
        size += len(data or b"")
        if size >= _TOGETHER or end == len(files):
            yield files[begin:end]
            begin, size = end, 0


def _taken(files: Sequence[bytes | None], every: Sequence[list[Any] | None], total: _Shapes) -> list[int]:
    """Add the shapes of a few files; the count of each, -1 where one of them is no plain rectangle or outline."""
    flat = [shape for shapes in every if shapes for shape in shapes]
    if _are_plain(files, flat) and _take_all(flat, total):  # one tool wrote the files
        return [-1 if shapes is None else len(shapes) for shapes in every]
    found = [_shapes(data or b"", shapes) for data, shapes in zip(files, every, strict=True)]
    for each in found:
        if each is not None:
            before = len(total.labels)
            total.rings += [before + row for row in each.rings]
            total.labels += each.labels
            total.lengths += each.lengths
            total.corners += each.corners
            total.points += each.points
    return [-1 if each is None else len(each.labels) for each in found]


def _opened(data: bytes) -> tuple[list[Any] | None, tuple[float, float]]:
    """The shapes of a file, and the width and height that it says; None where it is not plain."""
    try:
        value = orjson.loads(data)
        shapes, said = value["shapes"], (value.get("imageWidth"), value.get("imageHeight"))
        if type(shapes) is not list or value.get("flags"):
            return None, (0, 0)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None, (0, 0)
    if said == (None, None):
        return shapes, (0, 0)
    if _are_numbers(said) and min(said) > 0:
        return shapes, said
    return None, (0, 0)  # no image has it: that has to be noted


def _shapes(data: bytes, shapes: list[Any] | None) -> _Shapes | None:
    """The shapes of one file; None where one of them is no plain rectangle or outline."""
    if shapes is None or _is_told_more(data):
        return None
    found = _no_shapes()
    try:
        for shape in shapes:
            _take(shape, found)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return found if _are_numbers(found.corners) and _are_numbers(found.points) else None


def _take_all(shapes: Sequence[Any], total: _Shapes) -> bool:
    """Add shapes that are all plain rectangles or all plain outlines; False, and nothing added, for others."""
    if not shapes:
        return True
    try:
        labels, points, kinds, groups, flags = zip(*map(_VALUES, shapes), strict=True)
        flat = list(chain.from_iterable(points))
        numbers = list(chain.from_iterable(flat))
        lengths = list(map(len, points))
        plain = groups.count(None) == len(groups) and not any(flags)
        plain = plain and kinds.count(kinds[0]) == len(kinds) and {str}.issuperset(map(type, labels))
        plain = plain and {2}.issuperset(map(len, flat)) and _are_numbers(numbers)
    except (KeyError, TypeError):  # as before LabelMe had groups
        return False
    if plain and kinds[0] == "rectangle" and {2}.issuperset(lengths):
        total.corners += numbers
    elif plain and kinds[0] == "polygon" and all(lengths):
        total.rings += range(len(total.labels), len(total.labels) + len(shapes))
        total.lengths += lengths
        total.points += numbers
    else:
        return False
    total.labels += labels
    return True


def _are_plain(files: Sequence[bytes | None], shapes: Sequence[Any]) -> bool:
    """Whether nothing is told about shapes but what all of them have."""
    try:
        if {len(_KEYS)}.issuperset(map(len, shapes)):
            return True
    except TypeError:
        return False
    return not any(_is_told_more(data or b"") for data in files)


def _is_told_more(data: bytes) -> bool:
    described = b'"description"' in data and data.count(b'"description"') != data.count(b'"description": ""')
    return described or b'"score"' in data


def _take(shape: dict[str, Any], found: _Shapes) -> None:
    """Add one shape; raises ValueError or the like where it is no plain rectangle or outline."""
    get, points, kind, label = shape.get, shape["points"], shape["shape_type"], shape["label"]
    if get("group_id") is not None or get("flags") or type(label) is not str:
        raise ValueError
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        found.corners += (x0, y0, x1, y1)
    elif kind == "polygon" and points and {2}.issuperset(map(len, points)):
        found.rings.append(len(found.labels))
        found.lengths.append(len(points))
        found.points += chain.from_iterable(points)
    else:
        raise ValueError
    found.labels.append(label)


def _are_numbers(values: Iterable[Any]) -> bool:
    return {float, int}.issuperset(map(type, values))


def columns(drawn: Drawn, sizes: NDArray[np.int32], numbers: Mapping[str, int]) -> Columns:
    """Boxes and outlines in pixels.

    Args:
        drawn: The shapes of n files.
        sizes: (n, 2) width and height of the images in pixels.
        numbers: Class number by name.
    """
    classes = drawn.numbered([numbers.get(name, -1) for name in drawn.names])
    rows, rings = len(classes), drawn.rings
    flat = np.ones(rows, np.bool_)
    flat[rings] = False
    size = np.repeat(sizes.astype(np.float64), drawn.counts, axis=0)
    corners = drawn.corners.astype(np.float64)
    first, second = corners[:, :2], corners[:, 2:]
    corners = np.hstack([np.minimum(first, second), np.maximum(first, second)])
    boxes: Floats = np.zeros((rows, 4))
    refused, clipped = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    boxes[flat], refused[flat], clipped[flat] = boxes_inside(corners, size[flat])
    outlines = None
    if len(rings):
        found = rings_inside(drawn.points.astype(np.float64), drawn.lengths, size[rings])
        points, lengths, boxes[rings], areas, refused[rings], clipped[rings] = found
        outlines = Outlines(points=points, lengths=lengths, rows=rings, areas=areas)
    refused |= classes < 0
    return Columns(
        counts=drawn.counts,
        classes=np.maximum(classes, 0),
        boxes=boxes,
        refused=refused,
        clipped=clipped & ~refused,
        outlines=outlines,
    )
