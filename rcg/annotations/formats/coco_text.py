"""The text of COCO's entries: of one record, or of a block of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Block, Ints, Rings
from rcg.geometry import polygon_area
from rcg.types import Annotation, ImageRecord


def image_lines(block: Block, ids: Ints) -> bytes:
    """The entries of the images of a block, each on a line behind a comma.

    Args:
        block: n images, all in columns.
        ids: (n,) image ids.
    """
    more = [b"}"] * len(block)
    for place in np.flatnonzero(~block.labelled).tolist():
        more[place] = b',"labelled":false}'
    for place, split in enumerate(block.splits):
        if split is not None:
            more[place] = b'%b,"split":%b}' % (more[place][:-1], orjson.dumps(split))
    fields: list[bytes | Sequence[bytes]] = [
        _split(ids),
        b',"file_name":', list(map(orjson.dumps, block.names)),
        b',"width":', _split(block.sizes[:, 0]),
        b',"height":', _split(block.sizes[:, 1]),
        more,
    ]  # fmt: skip
    return _interleaved(fields, len(block), begin=b',\n{"id":', end=b"")


def annotation_lines(block: Block, ids: Ints, image_ids: Ints, categories: Sequence[int]) -> bytes:
    """The entries of the annotations of a block, each on a line behind a comma.

    Args:
        block: m annotations in n images, all in columns.
        ids: (m,) annotation ids.
        image_ids: (n,) the images' ids.
        categories: Category id by class.
    """
    category = [b',"category_id":%d,"bbox":[' % each for each in categories]
    images = [b',"image_id":%d' % each for each in image_ids.tolist()]
    boxes, rings = np.ascontiguousarray(block.boxes), block.rings
    fields: list[bytes | Sequence[bytes]] = [
        _split(ids),
        list(chain.from_iterable(map(repeat, images, block.counts.tolist()))),
        [category[each] for each in block.classes.tolist()],
        _numbers(boxes).removeprefix(b"[[").removesuffix(b"]]").split(b"],["),
        b'],"area":', _split(boxes[:, 2] * boxes[:, 3] if rings is None else rings.areas),
    ]  # fmt: skip
    if rings is not None:
        fields += [b',"segmentation":', _segmentations(rings)]
    ending = b',"segmentation":[],"iscrowd":0' if rings is None else b',"iscrowd":0'
    if block.scores is not None:
        scores = _split(np.where(np.isnan(block.scores), -1.0, block.scores))
        fields += [ending, [b"" if each == b"-1.0" else b',"score":' + each for each in scores]]
        ending = b""
    return _interleaved(fields, len(block.classes), begin=b',\n{"id":', end=ending + b"}")


def _interleaved(fields: Sequence[bytes | Sequence[bytes]], rows: int, *, begin: bytes, end: bytes) -> bytes:
    """Row after row, of each field its piece or the one for all rows; several times as fast as formatting."""
    if not rows:
        return b""
    fields = [begin, *fields, end]
    width = len(fields)
    pieces = [b""] * (width * rows)
    for place, field in enumerate(fields):
        pieces[place::width] = [field] * rows if isinstance(field, bytes) else field
    return b"".join(pieces)


def _numbers(values: object) -> bytes:
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)


def _split(values: NDArray[Any]) -> list[bytes]:
    return _numbers(np.ascontiguousarray(values))[1:-1].split(b",")


def _segmentations(rings: Rings) -> list[bytes]:
    """For each annotation, its rings as x, y, x, y, ...; all numbers in one call, whose text is then cut at commas."""
    text = _numbers(rings.points.reshape(-1))[1:-1]
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == _COMMA)
    ends = [*commas[2 * rings.starts[1:-1] - 1].tolist(), len(text)]
    each = [text[begin + 1 : end] for begin, end in pairwise([-1, *ends])]
    of = pairwise(rings.of.tolist())
    return [b"[[%b]]" % b"],[".join(each[first:last]) if last > first else b"[]" for first, last in of]


_COMMA = ord(",")


def image_entry(record: ImageRecord) -> bytes:
    """An image's entry without its id."""
    entry: dict[str, Any] = {"file_name": record.file_name, "width": record.width, "height": record.height}
    if not record.labelled:
        entry["labelled"] = False
    if record.card is not None:
        entry["card"] = record.card
    if record.split is not None:
        entry["split"] = record.split
    return orjson.dumps(entry)[1:]


def annotation_entry(annotation: Annotation, category: int) -> bytes:
    """An annotation's entry without the ids."""
    box = annotation.box
    entry: dict[str, Any] = {
        "category_id": category,
        "bbox": [box.x, box.y, box.width, box.height],
        "area": _area(annotation),
        "segmentation": _segmentation(annotation),
        "iscrowd": int(annotation.crowd),
    }
    if annotation.score is not None:
        entry["score"] = annotation.score
    if annotation.keypoints is not None:
        points = annotation.keypoints.points
        entry["keypoints"] = [value for point in points for value in point]
        entry["num_keypoints"] = sum(visibility > 0 for _, _, visibility in points)
    return orjson.dumps(entry)[1:]


def _area(annotation: Annotation) -> float:
    if annotation.area is not None:
        return annotation.area
    if annotation.polygons:
        return sum(polygon_area(ring.points) for ring in annotation.polygons)
    return annotation.box.area


def _segmentation(annotation: Annotation) -> Any:
    if annotation.rle is not None and not annotation.polygons:
        counts = annotation.rle.counts
        size = [annotation.rle.height, annotation.rle.width]
        return {"size": size, "counts": counts if isinstance(counts, str) else list(counts)}
    return [[value for point in ring.points for value in point] for ring in annotation.polygons]
