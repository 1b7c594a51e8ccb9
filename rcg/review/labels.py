"""Annotations as FiftyOne's label objects, and the fields they stand in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from rcg.review.shapes import BOX, OUTLINE, Shape, encode_base, kept_ids
from rcg.types import Annotation, ImageRecord

GROUND_TRUTH, CORRECTED = "ground_truth", "corrected"
OUTLINES, POINTS = "_outlines", "_points"
BASE, STATE = "rcg_base", "rcg_state"
EDITABLE = (CORRECTED, CORRECTED + OUTLINES)


def truth_values(fo: Any, record: ImageRecord, *, old: Mapping[str, Shape] | None = None) -> dict[str, Any]:
    """The fields of an image's labels: as they are, and the copy that the App may edit with its snapshot.

    In the copy an annotation stands once, as an outline if it has one and as a box if not.

    Args:
        fo: The module fiftyone.
        record: The image and its labels.
        old: The shapes that stood in the copy, by id; labels that stay keep their id.
    """
    boxes: list[Any] = []
    outlines: list[Any] = []
    base = {}
    shapes = [Shape.of(annotation, record.width, record.height) for annotation in record.annotations]
    for shape, key in zip(shapes, kept_ids(old or {}, shapes), strict=True):
        label = _label(fo, shape, **({} if key is None else {"id": key}))
        base[label.id] = shape
        (outlines if shape.kind == OUTLINE else boxes).append(label)
    return {
        **stage_values(fo, GROUND_TRUTH, record),
        CORRECTED: fo.Detections(detections=boxes),
        CORRECTED + OUTLINES: fo.Polylines(polylines=outlines),
        BASE: orjson.dumps(encode_base(base)).decode(),
    }


def stage_values(fo: Any, field: str, record: ImageRecord) -> dict[str, Any]:
    """The fields of one set of labels or predictions: every box, and outlines and keypoints where there are some."""
    width, height = record.width, record.height
    values: dict[str, Any] = {field: fo.Detections(detections=[_box(fo, each, record) for each in record.annotations])}
    outlined = [each for each in record.annotations if each.polygons]
    if outlined:
        lines = [_label(fo, Shape.of(each, width, height), confidence=each.score) for each in outlined]
        values[field + OUTLINES] = fo.Polylines(polylines=lines)
    pointed = [each for each in record.annotations if each.keypoints is not None]
    if pointed:
        values[field + POINTS] = fo.Keypoints(keypoints=[_points(fo, each, record) for each in pointed])
    return values


def stage_fields(field: str, records: Iterable[ImageRecord]) -> list[str]:
    """The names of the fields that `stage_values` fills for these records."""
    annotations = [each for record in records for each in record.annotations]
    found = [field]
    if any(each.polygons for each in annotations):
        found.append(field + OUTLINES)
    if any(each.keypoints is not None for each in annotations):
        found.append(field + POINTS)
    return found


def declare(fo: Any, dataset: Any, field: str) -> None:
    """Make sure that the dataset has this label field, even while no sample fills it."""
    kind = fo.Polylines if field.endswith(OUTLINES) else fo.Keypoints if field.endswith(POINTS) else fo.Detections
    if not dataset.has_sample_field(field):
        dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=kind)


def read_shapes(view: Any) -> dict[str, tuple[str, str, dict[str, Shape]]]:
    """Of each sample of a view, by its id: the file name, the snapshot as JSON, and the editable shapes by label id.

    It reads the database, not FiftyOne's objects in memory, which may be older than what the App has written.
    """
    paths = ["id", "file_name", BASE]
    for field in (f"{CORRECTED}.detections", f"{CORRECTED}{OUTLINES}.polylines"):
        paths += [f"{field}.id", f"{field}.label", f"{field}.{'points' if 'polylines' in field else 'bounding_box'}"]
    found = {}
    for key, name, base, *columns in zip(*view.values(paths), strict=True):
        boxes, outlines = (tuple(column or () for column in columns[at : at + 3]) for at in (0, 3))
        shapes = {
            each: Shape(label=label, kind=BOX, rings=(tuple(map(float, box)),))
            for each, label, box in zip(*boxes, strict=True)
        }
        for each, label, rings in zip(*outlines, strict=True):
            flat = tuple(tuple(float(value) for point in ring for value in point) for ring in rings or ())
            shapes[each] = Shape(label=label, kind=OUTLINE, rings=flat)
        found[key] = (name or "", base or "{}", shapes)
    return found


def _label(fo: Any, shape: Shape, **more: Any) -> Any:
    if shape.kind == BOX:
        return fo.Detection(label=shape.label, bounding_box=list(shape.rings[0]), **more)
    points = [list(zip(ring[::2], ring[1::2], strict=True)) for ring in shape.rings]
    return fo.Polyline(label=shape.label, points=points, closed=True, filled=False, **more)


def _box(fo: Any, annotation: Annotation, record: ImageRecord) -> Any:
    box = annotation.box
    ring = [box.x / record.width, box.y / record.height, box.width / record.width, box.height / record.height]
    extra = {"iscrowd": 1} if annotation.crowd else {}
    return fo.Detection(label=annotation.label, bounding_box=ring, confidence=annotation.score, **extra)


def _points(fo: Any, annotation: Annotation, record: ImageRecord) -> Any:
    places = annotation.keypoints.points if annotation.keypoints else ()
    points = [(x / record.width, y / record.height) if seen else (math.nan, math.nan) for x, y, seen in places]
    return fo.Keypoint(label=annotation.label, points=points)
