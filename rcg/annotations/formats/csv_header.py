"""What the columns of a CSV mean, by their header: TensorFlow's, FiftyOne's, Open Images', Kaggle's and the like."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rcg.annotations.checks import Unusable
from rcg.images import is_image_name

_FILE = (
    "filename",
    "filepath",
    "imagename",
    "imagepath",
    "imgpath",
    "image",
    "img",
    "file",
    "imageid",
    "imgid",
    "path",
)
_LABEL = ("class", "label", "classname", "labelname", "category", "categoryname", "name")
_SCORE = ("score", "confidence", "conf", "probability")
_SPLIT = ("split", "set", "subset", "partition")
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
)
_EXTENTS = (
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("x", "y", "w", "h"),
    ("left", "top", "boxwidth", "boxheight"),
    ("x", "y", "width", "height"),
)
_SIZE = (
    ("imagewidth", "imageheight"),
    ("imgwidth", "imgheight"),
    ("width", "height"),
    ("metadatawidth", "metadataheight"),
)
_DETECTIONS = re.compile(r"(.+)\.detections\.(label|bounding_box|confidence)")

NAMELESS = "object"
"""The class of boxes in a file without a column for classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Which column holds what; columns are counted from 0.

    Attributes:
        kind: "corners" (left, top, right, bottom), "extent" (left, top, width, height), "list" (one column with left,
            top, width and height), or "detections" (FiftyOne's: all boxes of an image in one row).
        file: The image.
        box: The columns of the box: four, or one.
        label: The class; None where there is none.
        size: Width and height of the image; None where there are none.
        score: The score; None where there is none.
        split: The split; None where there is none.
        delimiter: What stands between columns.
        names: The names of the columns; empty where the file has no header.
        sample: What it was recognised by, for the reader.
    """

    kind: str
    file: int
    box: tuple[int, ...]
    label: int | None
    size: tuple[int, int] | None
    score: int | None
    split: int | None
    delimiter: str
    names: tuple[str, ...]

    @property
    def first(self) -> int:
        """The first row of labels: 1 behind a header, else 0."""
        return 1 if self.names else 0


def header_of(line: str) -> Header | None:
    """The meaning of the columns, by the first line of a file; None where it is no header that is known.

    Example:
        >>> header_of("filename,width,height,class,xmin,ymin,xmax,ymax").box
        (4, 5, 6, 7)
        >>> header_of("epoch,loss") is None
        True
    """
    delimiter = max(",;\t", key=line.count)
    cells = cells_of(line, delimiter)
    if len(cells) < 2:
        return None
    return _with_detections(cells, delimiter) or _plain(cells, delimiter) or _headless(cells, delimiter)


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of a row; none where quotes are not closed.

    Example:
        >>> cells_of('a.jpg,"x,y"', ",")
        ['a.jpg', 'x,y']
    """
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
    except csv.Error:
        return []


def _plain(cells: Sequence[str], delimiter: str) -> Header | None:
    """A row a box."""
    keys = [re.sub(r"[\s_.\-]", "", cell.lower()) for cell in cells]
    taken = {key: place for place, key in reversed([*enumerate(keys)])}

    def first(names: Sequence[str]) -> int | None:
        return next((taken[name] for name in names if name in taken), None)

    def all_of(sets: Sequence[Sequence[str]]) -> tuple[int, ...] | None:
        return next((tuple(taken[name] for name in names) for names in sets if all(n in taken for n in names)), None)

    file = first(_FILE)
    kind, box = "corners", all_of(_CORNERS)
    if box is None:
        kind, box = "extent", all_of(_EXTENTS)
    if box is None and "bbox" in taken:
        kind, box = "list", (taken["bbox"],)
    label = first(_LABEL)
    if file is None or box is None or (label is None and kind != "list"):
        return None
    size = next(((taken[a], taken[b]) for a, b in _SIZE if a in taken and b in taken and taken[a] not in box), None)
    return Header(
        kind=kind,
        file=file,
        box=box,
        label=None if label == file else label,
        size=size,
        score=first(_SCORE),
        split=first(_SPLIT),
        delimiter=delimiter,
        names=tuple(cells),
    )


def _with_detections(cells: Sequence[str], delimiter: str) -> Header | None:
    """FiftyOne's: a row an image, the boxes of a field in one column and their labels in another."""
    fields: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(cells):
        if match := _DETECTIONS.fullmatch(cell):
            fields.setdefault(match[1], {})[match[2]] = place
    whole = [found for found in fields.values() if "bounding_box" in found]
    if "filepath" not in cells or not whole:
        return None
    chosen = whole[0]
    sizes = [cells.index(name) for name in ("metadata.width", "metadata.height") if name in cells]
    return Header(
        kind="detections",
        file=cells.index("filepath"),
        box=(chosen["bounding_box"],),
        label=chosen.get("label"),
        size=(sizes[0], sizes[1]) if len(sizes) == 2 else None,
        score=chosen.get("confidence"),
        split=None,
        delimiter=delimiter,
        names=tuple(cells),
    )


def _headless(cells: Sequence[str], delimiter: str) -> Header | None:
    """RetinaNet's: path, left, top, right, bottom, class; nothing but the path for an image without a box."""
    if len(cells) != 6 or not is_image_name(cells[0].rpartition("/")[2]):
        return None
    try:
        [float(cell) for cell in cells[1:5] if cell]
    except ValueError:
        return None
    return Header(
        kind="corners",
        file=0,
        box=(1, 2, 3, 4),
        label=5,
        size=None,
        score=None,
        split=None,
        delimiter=delimiter,
        names=(),
    )


def boxes_in(text: str) -> list[list[float]]:
    """The boxes in a cell such as `[1, 2, 3, 4]` or `[.1, .2, .3, .4],[...]`.

    Raises:
        Unusable: If something else stands there.

    Example:
        >>> boxes_in("[1, 2, 3, 4.5]")
        [[1.0, 2.0, 3.0, 4.5]]
    """
    plain = re.sub(r"np\.float\d+\(([^()]*)\)", r"\1", text)
    found = re.findall(r"[\[(]([^\[\]()]*)[\])]", plain) if re.search(r"[\[(]", plain) else [plain] if plain else []
    try:
        boxes = [[float(part) for part in re.split(r"[,\s]+", each.strip()) if part] for each in found]
    except ValueError as error:
        raise Unusable(f"{text[:80]!r} is no list of boxes; write [left, top, width, height]") from error
    if any(len(box) != 4 for box in boxes):
        raise Unusable(f"a box in {text[:80]!r} has not four numbers; write [left, top, width, height]")
    return boxes
