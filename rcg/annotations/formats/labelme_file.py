"""One LabelMe file: read without the photo that may be packed into it, and its shapes."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.checks import Unusable
from rcg.annotations.classes import decoded
from rcg.annotations.listed import number_of
from rcg.annotations.shapes import ellipse, rectangle
from rcg.images import Size, max_pixels
from rcg.types import Point

_IMAGE_DATA = re.compile(rb'"imageData"\s*:\s*"')
_BEGIN = 1 << 18  # the shapes of nearly all files
_END = 4096  # what LabelMe writes after the photo
_NO_AREA = {
    "line": "a line encloses no area; draw a polygon",
    "linestrip": "a strip of lines encloses no area; draw a polygon",
    "point": "a point has no area; draw a rectangle",
    "points": "points have no area; draw a polygon",
}
_GROUPED = frozenset({"polygon", "rectangle", "circle", "rotation"})

Entry = tuple[int, Sequence[Any]]
"""The number of the first shape, and the shapes that are one thing."""


def read_bytes(path: Path) -> bytes:
    """A label file without the photo in it, of which no more than a few pages are read.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_BEGIN)
        if len(data) < _BEGIN:
            return without_photo(data)
        found = _IMAGE_DATA.search(data)
        if found is not None:
            end = file.seek(0, io.SEEK_END)
            file.seek(max(end - _END, len(data)))
            tail = file.read()
            quote = tail.find(b'"')
            if quote >= 0 and b'"' not in data[found.end() :]:
                return data[: found.end()] + tail[quote:]
        file.seek(len(data))
        return without_photo(data + file.read())


def without_photo(data: bytes) -> bytes:
    """The same with the photo's text taken out.

    Example:
        >>> without_photo(b'{"imageData": "AAAA", "imageWidth": 2}')
        b'{"imageData": "", "imageWidth": 2}'
    """
    at = data.find(b'"imageData"')
    if at < 0:
        return data
    found = _IMAGE_DATA.match(data, at)
    if found is None and data.find(b'"imageData"', at + 1) >= 0:
        found = _IMAGE_DATA.search(data, at)
    if found is None:
        return data
    quote = data.find(b'"', found.end())
    return data if quote < 0 else data[: found.end()] + data[quote:]


def parsed(data: bytes) -> dict[str, Any]:
    """A label file as values.

    Raises:
        Unusable: If it is no LabelMe file.
    """
    if not data.strip():
        raise Unusable("the label file is empty (0 bytes); save it again")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(decoded(data))  # takes NaN, of which only its shape is left out
        except (ValueError, RecursionError) as error:
            raise Unusable(f"this is no JSON ({error}); save it again") from error
    if not isinstance(value, dict) or not isinstance(value.get("shapes"), list):
        raise Unusable("this is no LabelMe file: there is no list of shapes in it; save it again")
    return value


def things(shapes: Sequence[Any]) -> Iterator[Entry]:
    """The shapes; those of one label and one group_id are the parts of one thing."""
    groups: dict[tuple[str, str], list[Any]] = {}
    found: list[Entry] = []
    for number, shape in enumerate(shapes):
        key = _group(shape)
        if key is not None and key in groups:
            groups[key].append(shape)
            continue
        members = [shape]
        if key is not None:
            groups[key] = members
        found.append((number, members))
    yield from found


def _group(shape: Any) -> tuple[str, str] | None:
    if not isinstance(shape, dict) or shape.get("group_id") is None or _kind(shape) not in _GROUPED:
        return None
    return str(shape.get("label")), str(shape["group_id"])


def _kind(shape: Mapping[str, Any]) -> str:
    return str(shape.get("shape_type") or "polygon")  # as before LabelMe had other shapes


def is_round(shape: Mapping[str, Any]) -> bool:
    """Whether a shape has to be read as an outline of many points."""
    return _kind(shape) == "circle"


def is_mask(shape: Mapping[str, Any]) -> bool:
    """Whether a shape is a mask."""
    return _kind(shape) == "mask"


def box_of(shape: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """The opposite corners of an upright rectangle; None for any other shape."""
    if _kind(shape) != "rectangle":
        return None
    points = points_of(shape)
    if len(points) == 2:
        return (*points[0], *points[1])
    xs, ys = {x for x, _ in points}, {y for _, y in points}
    if len(points) == 4 and len(xs) == 2 and len(ys) == 2:  # as X-AnyLabeling writes them
        return min(xs), min(ys), max(xs), max(ys)
    return None


def ring_of(shape: Mapping[str, Any]) -> list[Point]:
    """The outline of a shape.

    Raises:
        Unusable: If it has none.
    """
    kind = _kind(shape)
    if kind in _NO_AREA:
        raise Unusable(_NO_AREA[kind])
    if kind == "circle":
        points = points_of(shape)
        if len(points) != 2:
            raise Unusable(f"a circle has 2 points, its middle and one on its edge, not {len(points)}; draw it again")
        radius = float(np.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]))
        return ellipse(points[0], (radius, radius))
    if (box := box_of(shape)) is not None:
        x0, y0, x1, y1 = box
        return rectangle(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    points = points_of(shape)
    if kind == "rectangle" and len(points) != 4:
        raise Unusable(f"a rectangle has 2 or 4 points, not {len(points)}; draw it again")
    if kind not in _GROUPED:
        raise Unusable(f"a shape {kind!r} is not known; draw a polygon or a rectangle")
    return points


def points_of(shape: Mapping[str, Any]) -> list[Point]:
    """The points of a shape.

    Raises:
        Unusable: If it has none of the usual form.
    """
    points = shape.get("points")
    if not isinstance(points, list) or not all(isinstance(each, list) and len(each) == 2 for each in points):
        raise Unusable("points is no list of pairs of numbers; draw it again")
    return [(number_of(x, "x"), number_of(y, "y")) for x, y in points]


def mask_of(shape: Mapping[str, Any], size: Size) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The mask of a shape, and the column and row of its left top pixel.

    Raises:
        Unusable: If it is no PNG, or does not fit the image.
    """
    from PIL import Image

    points = points_of(shape)
    if not points or not all(np.isfinite(points[0])):
        raise Unusable("the mask has no place; draw it again")
    try:
        data = base64.b64decode(str(shape.get("mask") or ""), validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            across, down = picture.size
            if across > size.width or down > size.height or across * down > max_pixels():
                raise Unusable(f"the mask of {across} x {down} pixels does not fit the image; draw it again")
            mask = np.asarray(picture.convert("L")) > 0 if picture.mode != "1" else np.asarray(picture)
    except (OSError, ValueError, SyntaxError, binascii.Error, Image.DecompressionBombError) as error:
        raise Unusable("the mask is no PNG packed as text; draw it again") from error
    return np.asarray(mask, np.bool_), (round(points[0][0]), round(points[0][1]))
