"""Writes COCO JSON, image by image, so that memory does not grow with the annotations."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import orjson

from rcg.annotations.source import Rendered, unknown_label
from rcg.errors import DataError
from rcg.files import atomic
from rcg.geometry import polygon_area
from rcg.types import Annotation, ImageRecord, LabelSet, Loss

CARRIES = frozenset(
    {"polygons", "parts", "mask", "keypoints", "score", "crowd", "area", "image_id", "split", "card", "labelled"}
)


class CocoWriter:
    """A COCO JSON file that appears whole when the block ends without an error.

    Image ids count from 1 in the order in which records are added, unless a record brings its own; annotation ids
    count from 1. A plain box has an empty `segmentation`; scores are kept. Coordinates are written with all their
    digits. Extra keys of an image, only where they say something: `"labelled": false`, `card`, `split`.

    Args:
        path: The file to make or replace.
        labels: The classes; their ids become the category ids.

    Raises:
        RcgError: If the disk is full or the place cannot be written; the old file then stands untouched.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with CocoWriter(Path(folder, "set.json"), LabelSet(("card",))) as out:
        ...         losses = out.add(ImageRecord(file_name="a.jpg", width=640, height=480))
        ...     [image["id"] for image in orjson.loads(Path(folder, "set.json").read_bytes())["images"]]
        [1]
    """

    def __init__(self, path: str | Path, labels: LabelSet) -> None:
        self.path = Path(path)
        self.labels = labels
        self.render = _Render(dict(zip(labels.names, labels.ids, strict=True)))
        self._stack = ExitStack()
        self._out: IO[bytes] = None  # type: ignore[assignment]  # set on entering, like the next one
        self._annotations: IO[bytes] = None  # type: ignore[assignment]
        self._images = self._annotated = 0
        self._next = 1
        self._taken: set[int] = set()

    def __enter__(self) -> Self:
        self._out = self._stack.enter_context(atomic(self.path))
        self._annotations = self._stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
        self._out.write(b'{"info":{"description":"written by RCG"},"licenses":[],\n"categories":[')
        for number, (name, category) in enumerate(self.render.ids.items()):
            entry: dict[str, Any] = {"id": category, "name": name, "supercategory": ""}
            if self.labels.keypoints:
                entry |= {"keypoints": list(self.labels.keypoints), "skeleton": []}
            self._out.write((b",\n" if number else b"\n") + orjson.dumps(entry))
        self._out.write(b'],\n"images":[')
        return self

    def add(self, record: ImageRecord) -> tuple[Loss, ...]:
        """Write one image with its annotations; COCO carries all of it, so there is no loss.

        Raises:
            DataError: If its id is taken, or a label is none of the classes.
        """
        return self.put(self.render(record))

    def put(self, rendered: Rendered) -> tuple[Loss, ...]:
        """Write what `render` made, with its numbers."""
        image_id = self._image_id(rendered)
        self._out.write(b'%b{"id":%d,%b' % (b",\n" if self._images else b"\n", image_id, rendered.head))
        self._images += 1
        for part in rendered.parts:
            lead = b",\n" if self._annotated else b"\n"
            self._annotated += 1
            self._annotations.write(b'%b{"id":%d,"image_id":%d,%b' % (lead, self._annotated, image_id, part))
        return ()

    def _image_id(self, record: Rendered) -> int:
        if record.image_id is None:
            while self._next in self._taken:
                self._next += 1
            self._next += 1
            return self._next - 1
        if record.image_id in self._taken or (self._images > len(self._taken) and record.image_id < self._next):
            fix = "give every image an id of its own, or none at all"
            raise DataError(f"the image id {record.image_id} is there twice", where=record.file_name, fix=fix)
        self._taken.add(record.image_id)
        return record.image_id

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:
            self._out.write(b'],\n"annotations":[')
            self._annotations.seek(0)
            shutil.copyfileobj(self._annotations, self._out, 1 << 16)
            self._out.write(b"]}\n")
        return None


@dataclass(frozen=True, slots=True)
class _Render:
    """Renders a record as COCO's entries without their ids.

    Attributes:
        ids: Category id by class name.
    """

    ids: dict[str, int]

    def __call__(self, record: ImageRecord) -> Rendered:
        entry: dict[str, Any] = {"file_name": record.file_name, "width": record.width, "height": record.height}
        if not record.labelled:
            entry["labelled"] = False
        if record.card is not None:
            entry["card"] = record.card
        if record.split is not None:
            entry["split"] = record.split
        return Rendered(
            record.file_name,
            record.image_id,
            head=orjson.dumps(entry)[1:],
            parts=tuple(self._part(annotation, record.file_name) for annotation in record.annotations),
            annotations=len(record.annotations),
        )

    def _part(self, annotation: Annotation, file_name: str) -> bytes:
        category = self.ids.get(annotation.label)
        if category is None:
            raise unknown_label(annotation.label, self.ids, file_name)
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
