"""Writes COCO JSON, image by image, so that memory does not grow with the annotations."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Block, Ints, Rings
from rcg.annotations.parts import Part
from rcg.annotations.source import RecordWriter, unknown_label
from rcg.errors import DataError
from rcg.files import explain, part_prefix
from rcg.geometry import polygon_area
from rcg.types import Annotation, ImageRecord, LabelSet, Loss

CARRIES = frozenset(
    {"polygons", "parts", "mask", "keypoints", "score", "crowd", "area", "image_id", "split", "card", "labelled"}
)


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
        top = b'{"info":{"description":"written by RCG"},"licenses":[],\n"categories":['
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
        return Lines(record.file_name, record.image_id, head=_image_entry(record), parts=parts)

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
        if block.records or self._taken:
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
        return _annotation_entry(annotation, category)

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
        b',\n{"id":', _split(ids),
        b',"file_name":', list(map(orjson.dumps, block.names)),
        b',"width":', _split(block.sizes[:, 0]),
        b',"height":', _split(block.sizes[:, 1]),
        more,
    ]  # fmt: skip
    return _interleaved(fields, len(block))


def annotation_lines(block: Block, ids: Ints, image_ids: Ints, categories: Sequence[int]) -> bytes:
    """The entries of the annotations of a block, each on a line behind a comma.

    Args:
        block: m annotations in n images, all in columns.
        ids: (m,) annotation ids.
        image_ids: (n,) the images' ids.
        categories: Category id by class.
    """
    category = [b',"category_id":%d,"bbox":[' % each for each in categories]
    boxes, rings = np.ascontiguousarray(block.boxes), block.rings
    fields: list[bytes | Sequence[bytes]] = [
        b',\n{"id":', _split(ids),
        b',"image_id":', _split(np.repeat(image_ids, block.counts)),
        [category[each] for each in block.classes.tolist()],
        _numbers(boxes).removeprefix(b"[[").removesuffix(b"]]").split(b"],["),
        b'],"area":', _split(boxes[:, 2] * boxes[:, 3] if rings is None else rings.areas),
    ]  # fmt: skip
    if rings is None:
        fields.append(b',"segmentation":[],"iscrowd":0')
    else:
        fields += [b',"segmentation":', _segmentations(rings), b',"iscrowd":0']
    if block.scores is not None:
        scores = _split(np.where(np.isnan(block.scores), -1.0, block.scores))
        fields.append([b"" if each == b"-1.0" else b',"score":' + each for each in scores])
    return _interleaved([*fields, b"}"], len(block.classes))


def _interleaved(fields: Sequence[bytes | Sequence[bytes]], rows: int) -> bytes:
    """Row after row, of each field its piece or the one for all rows; several times as fast as formatting."""
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
    """For each annotation, its rings as x, y, x, y, ...; all of them in one call, which is then taken apart."""
    flat, starts, of = rings.points.reshape(-1), (2 * rings.starts).tolist(), rings.of.tolist()
    each = [flat[start:end] for start, end in pairwise(starts)]
    own = [each[first:last] for first, last in pairwise(of) if last > first]
    texts = iter(_numbers(own)[3:-3].split(b"]],[["))
    return [b"[[%b]]" % next(texts) if last > first else b"[]" for first, last in pairwise(of)]


def _image_entry(record: ImageRecord) -> bytes:
    """An image's entry without its id."""
    entry: dict[str, Any] = {"file_name": record.file_name, "width": record.width, "height": record.height}
    if not record.labelled:
        entry["labelled"] = False
    if record.card is not None:
        entry["card"] = record.card
    if record.split is not None:
        entry["split"] = record.split
    return orjson.dumps(entry)[1:]


def _annotation_entry(annotation: Annotation, category: int) -> bytes:
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
