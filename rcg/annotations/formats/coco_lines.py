"""Understands the lines of a COCO file that RCG wrote, faster than a file that anybody may have written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from rcg.annotations.formats.coco_own import NotOwn, own_images, record_of
from rcg.annotations.formats.coco_write import Lines
from rcg.annotations.split import split_of_path
from rcg.errors import DataError
from rcg.types import Annotation, Box, ImageRecord, Keypoints, LabelSet, Polygon, Rle

CATEGORY = b'"category_id":'
"""What an annotation's entry begins with."""


def category_of(part: bytes) -> int:
    """The category id of an annotation's entry as `Lines` holds it."""
    return int(part[len(CATEGORY) : part.index(b",")])


def read_own(path: Path, labels: LabelSet) -> Iterator[ImageRecord]:
    """The images of a file that RCG wrote, sorted by name.

    Args:
        path: The file.
        labels: The classes; those of the file have to be the first of them.

    Raises:
        NotOwn: If it has other lines, or values that RCG does not write; maybe only after some images.
    """
    before = ""
    for lines in own_images(path, labels):
        record = record_of_lines(lines, labels)
        if record.file_name <= before or not all(_inside(each.box, record) for each in record.annotations):
            raise NotOwn
        before = record.file_name
        yield record


def _inside(box: Box, record: ImageRecord) -> bool:
    right, bottom = box.x + box.width, box.y + box.height
    return box.x >= 0 and box.y >= 0 and right <= record.width + 1e-6 and bottom <= record.height + 1e-6


def record_of_lines(lines: Lines, labels: LabelSet) -> ImageRecord:
    """An image's entries as a record.

    Raises:
        NotOwn: If they are not what RCG writes.
    """
    names = dict(zip(labels.ids, labels.names, strict=True))
    head = record_of(lines.head, lines.image_id)
    try:
        found = tuple(_annotation(orjson.loads(b"{" + part), names) for part in lines.parts)
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise NotOwn from error
    return ImageRecord(
        file_name=head.file_name,
        width=head.width,
        height=head.height,
        annotations=found,
        labelled=head.labelled or bool(found),
        image_id=head.image_id,
        card=head.card,
        split=head.split or split_of_path(head.file_name),
    )


def _annotation(entry: Mapping[str, Any], names: Mapping[int, str]) -> Annotation:
    x, y, width, height = entry["bbox"]
    box = Box(float(x), float(y), float(width), float(height))
    outline, area = entry["segmentation"], entry["area"]
    points, score, crowd = entry.get("keypoints"), entry.get("score"), entry["iscrowd"]
    if not outline:
        plain = abs(area - box.area) <= 1e-6 * box.area
        if plain and not points and score is None and not crowd:
            return Annotation(label=names[entry["category_id"]], box=box)
        area = None if plain else float(area)
    return Annotation(
        label=names[entry["category_id"]],
        box=box,
        polygons=_polygons(outline),
        rle=_rle(outline),
        keypoints=Keypoints(tuple(zip(*[iter(points)] * 3, strict=True))) if points else None,
        score=score,
        crowd=bool(crowd),
        area=area,
    )


def _polygons(outline: Any) -> tuple[Polygon, ...]:
    if isinstance(outline, dict):
        return ()
    return tuple(Polygon(tuple(zip(ring[::2], ring[1::2], strict=True))) for ring in outline)


def _rle(outline: Any) -> Rle | None:
    if not isinstance(outline, dict):
        return None
    (height, width), counts = outline["size"], outline["counts"]
    return Rle(height, width, counts if isinstance(counts, str) else tuple(counts))
