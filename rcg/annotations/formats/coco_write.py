"""Writes COCO JSON, image by image, so that memory does not grow with the annotations."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson

from rcg.annotations.block import Block
from rcg.annotations.formats.coco_text import annotation_entry, annotation_lines, image_entry, image_lines
from rcg.annotations.parts import Part
from rcg.annotations.source import RecordWriter, unknown_label
from rcg.errors import DataError
from rcg.files import explain, part_prefix
from rcg.types import Annotation, ImageRecord, LabelSet, Loss

CARRIES = frozenset(
    {"polygons", "parts", "mask", "keypoints", "score", "crowd", "area", "image_id", "split", "card", "labelled"}
)

BEGINNING = b'{"info":{"description":"written by RCG"'
"""How a file begins that RCG wrote."""


@dataclass(frozen=True, slots=True)
class Lines:
    """One image as COCO's entries, but for the ids that depend on the images before it.

    Attributes:
        file_name: The image.
        image_id: The id it brings along; None lets the writer choose.
        head: Its own entry, from behind the id.
        parts: The entries of its annotations, each from behind the image's id.
    """

    file_name: str
    image_id: int | None = None
    head: bytes = b""
    parts: tuple[bytes, ...] = ()


class CocoWriter(RecordWriter):
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
        self._ids = dict(zip(labels.names, labels.ids, strict=True))
        self._stack = ExitStack()
        self._images: Part = None  # type: ignore[assignment]  # set on entering, like the next one
        self._annotations: Part = None  # type: ignore[assignment]
        self._counted = self._annotated = 0
        self._next = 1
        self._taken: set[int] = set()

    def __enter__(self) -> Self:
        try:
            folder = self._stack.enter_context(self._folder())
            self._images = self._stack.enter_context(Part(folder / "images.part"))
            self._annotations = self._stack.enter_context(Part(folder / "annotations.part"))
        except OSError as error:
            raise explain(error, self.path) from error
        if not self._images.end:
            self._images.write(self._beginning())
        return self

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """The folder of what is half-written."""
        if self.work is not None:
            yield self.work
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=part_prefix(self.path), suffix=".part", dir=self.path.parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _beginning(self) -> bytes:
        categories = []
        for name, category in self._ids.items():
            entry: dict[str, Any] = {"id": category, "name": name, "supercategory": ""}
            if self.labels.keypoints:
                entry |= {"keypoints": list(self.labels.keypoints), "skeleton": []}
            categories.append(b"\n" + orjson.dumps(entry))
        top = BEGINNING + b'},"licenses":[],\n"categories":['
        return top + b",".join(categories) + b'],\n"images":['

    def add(self, record: ImageRecord) -> tuple[Loss, ...]:
        """Write one image with its annotations; COCO carries all of it, so there is no loss.

        Raises:
            DataError: If its id is taken, or a label is none of the classes.
        """
        return self.put(self.render(record))

    def render(self, record: ImageRecord) -> Lines:
        """One image as it is written, but for the ids that depend on those before it."""
        parts = tuple(self._part(annotation, record.file_name) for annotation in record.annotations)
        return Lines(record.file_name, record.image_id, head=image_entry(record), parts=parts)

    def put(self, lines: Lines) -> tuple[Loss, ...]:
        """Write what `render` made, with its ids."""
        image_id = self._image_id(lines)
        self._put_images([b'{"id":%d,%b' % (image_id, lines.head)])
        first = self._annotated + 1
        parts = [b'{"id":%d,"image_id":%d,%b' % (n, image_id, part) for n, part in enumerate(lines.parts, first)]
        self._put_annotations(parts)
        return ()

    def put_block(self, block: Block) -> tuple[Loss, ...]:
        """Write a run of images; columns go out several times faster than records."""
        if block.records or block.image_ids is not None or self._taken:
            self._piece_by_piece(block)
            return ()
        if not len(block):
            return ()
        images, annotations = len(block), len(block.classes)
        image_ids = np.arange(self._next, self._next + images)
        self._images.write(image_lines(block, image_ids)[0 if self._counted else 1 :])
        self._next += images
        self._counted += images
        if annotations:
            first = self._annotated + 1
            text = annotation_lines(block, np.arange(first, first + annotations), image_ids, [*self._ids.values()])
            self._annotations.write(text[0 if self._annotated else 1 :])
            self._annotated += annotations
        return ()

    def _piece_by_piece(self, block: Block) -> None:
        for record in block.each(self.labels.names):
            self.add(record)

    def _put_images(self, lines: Sequence[bytes]) -> None:
        if lines:
            self._images.write((b",\n" if self._counted else b"\n") + b",\n".join(lines))
            self._counted += len(lines)

    def _put_annotations(self, lines: Sequence[bytes]) -> None:
        if lines:
            self._annotations.write((b",\n" if self._annotated else b"\n") + b",\n".join(lines))
            self._annotated += len(lines)

    def _image_id(self, record: Lines) -> int:
        if record.image_id is None:
            while self._next in self._taken:
                self._next += 1
            self._next += 1
            return self._next - 1
        if record.image_id in self._taken or (self._counted > len(self._taken) and record.image_id < self._next):
            fix = "give every image an id of its own, or none at all"
            raise DataError(f"the image id {record.image_id} is there twice", where=record.file_name, fix=fix)
        self._taken.add(record.image_id)
        return record.image_id

    def _part(self, annotation: Annotation, file_name: str) -> bytes:
        category = self._ids.get(annotation.label)
        if category is None:
            raise unknown_label(annotation.label, self._ids, file_name)
        return annotation_entry(annotation, category)

    def mark(self) -> dict[str, Any]:
        """How far it is; see `RecordWriter.mark`."""
        images, annotations = self._images.flush(), self._annotations.flush()
        counts = {"counted": self._counted, "annotated": self._annotated, "next": self._next}
        return {"images": images, "annotations": annotations, "given": bool(self._taken), **counts}

    def holds(self, mark: Mapping[str, Any]) -> bool:
        """Whether both parts are what they were; see `RecordWriter.holds`."""
        assert self.work is not None
        return all(Part.holds(self.work / f"{name}.part", mark[name]) for name in ("images", "annotations"))

    def go_on(self, mark: Mapping[str, Any]) -> None:
        """Go on from a mark, before the block is entered; see `RecordWriter.go_on`."""
        assert self.work is not None
        Part.cut(self.work / "images.part", mark["images"])
        Part.cut(self.work / "annotations.part", mark["annotations"])
        self._counted, self._annotated, self._next = mark["counted"], mark["annotated"], mark["next"]
        if mark["given"]:
            text = (self.work / "images.part").read_bytes()
            self._taken = set(map(int, re.findall(rb'^\{"id":(-?\d+),"file_name"', text, re.MULTILINE)))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool | None:
        with self._stack:
            if kind is None:
                self._finish()
        return None

    def _finish(self) -> None:
        """Bring both halves together, and put the file into its place."""
        try:
            self._images.write(b'],\n"annotations":[')
            self._images.append(self._annotations)
            self._images.write(b"]}\n")
            self._images.take_place(self.path)
        except OSError as error:
            raise explain(error, self.path) from error
