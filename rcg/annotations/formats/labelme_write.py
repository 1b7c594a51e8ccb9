"""Writes LabelMe: one JSON an image, at the path of the image."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from rcg.annotations.folder import FolderWriter
from rcg.annotations.shapes import decoded_mask
from rcg.annotations.source import Rendered, losses, unknown_label
from rcg.geometry import bounds
from rcg.types import Annotation, Box, ImageRecord, LabelSet, Loss, Point, Rle

CARRIES = frozenset({"polygons", "parts", "mask", "score"})
_VERSION = "5.5.0"  # the form of LabelMe's files since it has masks


class LabelMeWriter(FolderWriter):
    """A folder with one JSON file an image, which appears whole when the block ends without an error.

    The images stay where they are; each file says the way to its image from itself, so that LabelMe opens it. An image
    that no label file spoke of gets none. A label with several outlines becomes shapes of one group_id; a score stands
    beside its shape, where X-AnyLabeling looks for it.

    Args:
        path: The folder to make, or to replace if it was written this way before.
        labels: The classes.
        images: The folder of the images.
    """

    def __init__(self, path: str | Path, labels: LabelSet, *, images: Path) -> None:
        way = os.path.relpath(images, Path(path).absolute()).replace(os.sep, "/")
        super().__init__(path, labels, endings=(".json",), render=_Render(frozenset(labels.names), way))


@dataclass(frozen=True, slots=True)
class _Render:
    """Renders a record as JSON.

    Attributes:
        names: The classes.
        images: The way from the target to the images.
    """

    names: frozenset[str]
    images: str

    def __call__(self, record: ImageRecord) -> Rendered:
        lost = losses(record, CARRIES)
        if not record.labelled and not record.annotations:
            return Rendered(record.file_name, losses=lost)
        shapes: list[dict[str, Any]] = []
        moved = groups = 0
        for annotation in record.annotations:
            if annotation.label not in self.names:
                raise unknown_label(annotation.label, self.names, record.file_name)
            group = groups if len(annotation.polygons) > 1 else None
            groups += group is not None
            drawn, around = _shapes(annotation)
            moved += _differ(around, annotation.box)
            extra = {} if annotation.score is None else {"score": annotation.score}
            shapes += [{"label": annotation.label, **each, "group_id": group, "flags": {}, **extra} for each in drawn]
        if moved:
            lost = (*lost, Loss(file_name=record.file_name, what="box", count=moved))
        return Rendered(
            record.file_name,
            name=f"{os.path.splitext(record.file_name)[0]}.json",  # noqa: PTH122 - many times faster, once a file
            head=self._file(record, shapes),
            annotations=len(record.annotations),
            losses=lost,
        )

    def _file(self, record: ImageRecord, shapes: list[dict[str, Any]]) -> bytes:
        value: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": "../" * record.file_name.count("/") + f"{self.images}/{record.file_name}",
            "imageData": None,
            "imageHeight": record.height,
            "imageWidth": record.width,
        }
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _shapes(annotation: Annotation) -> tuple[list[dict[str, Any]], Box]:
    """The shapes of a label, and the box around what they say."""
    if annotation.polygons:
        points: list[Point] = [point for ring in annotation.polygons for point in ring.points]
        drawn = [{"shape_type": "polygon", "points": list(ring.points)} for ring in annotation.polygons]
        return drawn, bounds(points)
    if annotation.rle is not None and (packed := _mask(annotation.rle)) is not None:
        return packed
    left, top, right, bottom = annotation.box.corners
    return [{"shape_type": "rectangle", "points": [(left, top), (right, bottom)]}], annotation.box


def _mask(rle: Rle) -> tuple[list[dict[str, Any]], Box] | None:
    """A mask as a shape: its box, corners included, and the PNG of what is in it; None where it is empty."""
    from PIL import Image

    mask = decoded_mask(rle)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = (int(each) for each in (rows[0], rows[-1], columns[0], columns[-1]))
    out = io.BytesIO()
    Image.fromarray(mask[top : bottom + 1, left : right + 1]).save(out, "PNG")
    shape = {
        "shape_type": "mask",
        "points": [(left, top), (right, bottom)],
        "mask": base64.b64encode(out.getvalue()).decode(),
    }
    return [shape], Box.from_corners(left, top, right + 1, bottom + 1)


def _differ(a: Box, b: Box) -> bool:
    """Whether two boxes are apart by more than rounding: a shape has no box but that of its outline."""
    return a is not b and any(abs(x - y) > 1 for x, y in zip(a.corners, b.corners, strict=True))
