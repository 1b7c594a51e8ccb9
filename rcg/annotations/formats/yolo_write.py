"""Writes YOLO: `labels/<path of the image>.txt` and a data.yaml that names classes, images and lists of splits."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Block
from rcg.annotations.folder import FolderWriter
from rcg.annotations.shapes import rectangle, smallest_turned_box
from rcg.annotations.source import Rendered, losses, unknown_label
from rcg.annotations.split import SPLITS
from rcg.errors import ConfigError
from rcg.geometry import bounds
from rcg.images import ending_of
from rcg.types import Annotation, ImageRecord, LabelSet, Loss, Point, Polygon

CARRIES = frozenset({"polygons", "score", "keypoints", "split"})

CARRIES_OF = {
    "any": CARRIES,
    "detect": frozenset({"score", "split"}),
    "segment": frozenset({"polygons", "score", "split"}),
    "obb": frozenset({"score", "split"}),  # and outlines of four points
    "pose": frozenset({"keypoints", "score", "split"}),
}
"""What each kind of label file holds; in "any" each line is what its label asks for."""

_PLAIN = "plain box, written as an outline of four points"

ADVICE = (
    "Ultralytics looks for labels at the path of the image with the folder images replaced by labels; rcg dataset "
    "export NAME --to ultralytics lays a dataset out so"
)
_EXPORT = "add images and labels to a dataset and write that: rcg dataset export NAME --to ultralytics"


class YoloWriter(FolderWriter):
    """A folder with one text file an image, which appears whole when the block ends without an error.

    The images stay where they are: data.yaml says where. Where records have splits, train.txt, val.txt and test.txt
    list the images of each. An image that no label file spoke of gets none, and is in no list, since it would be
    trained on as background. A label with several outlines is written as one line, its outlines joined, and declared
    as a loss; a mask becomes its box.

    Args:
        path: The folder to make, or to replace if it was written this way before.
        labels: The classes; they are numbered from 0 in their order.
        images: The folder of the images.
        kind: Of `CARRIES_OF`: what each line is to be.

    Raises:
        ConfigError: If lines with keypoints are asked for and the labels have none.
    """

    def __init__(self, path: str | Path, labels: LabelSet, *, images: Path, kind: str = "any") -> None:
        if kind == "pose" and not labels.keypoints:
            raise ConfigError("these labels have no keypoints", where=path, fix="write yolo-detect instead")
        points = len(labels.keypoints) if kind in ("any", "pose") else 0
        self._points = points
        self._kind = kind
        self._images = images
        self._lists: dict[str, list[str]] = {}
        self._kept: Counter[str] = Counter()  # how many of them stand in the work folder
        self._numbers = {name: number for number, name in enumerate(labels.names)}
        super().__init__(path, labels, endings=(".txt", ".yaml"), render=_Render(self._numbers, points, kind))

    def put(self, rendered: Rendered) -> tuple[Loss, ...]:
        """Write what `render` made, and remember the split."""
        if rendered.split is not None:
            self._lists.setdefault(rendered.split, []).append(rendered.file_name)
        return super().put(rendered)

    def put_block(self, block: Block) -> tuple[Loss, ...]:
        """Write a run of images; boxes in columns go out several times faster than records."""
        if block.records or block.rings is not None or self._points or self._kind not in ("any", "detect"):
            return super().put_block(block)
        lost: list[Loss] = []
        images = zip(
            block.names, block.labelled.tolist(), block.splits, block.counts.tolist(), texts(block), strict=True
        )
        for place, (name, labelled, split, count, text) in enumerate(images):
            if not labelled and not count:  # no label file, and perhaps a split that is lost with it
                lost += self.add(block.record(place, self.labels.names))
                continue
            label = f"labels/{name[: -len(ending_of(name)) or None]}.txt"
            if not self.folder.write(label, text):  # put says what is lost
                lost += self.put(Rendered(name, name=label, head=text, annotations=count, split=split))
            elif split is not None:
                self._lists.setdefault(split, []).append(name)
        return tuple(lost)

    def advice(self) -> tuple[str, ...]:
        """Where Ultralytics looks for these labels, and what it misses."""
        return (self._where_looked_for(), *self._missing_split())

    def _where_looked_for(self) -> str:
        top = Path(os.path.abspath(self._images))  # noqa: PTH100 - as Ultralytics takes it
        below = any("images" in folder.split("/")[1:] for folder in self.folder.folders)
        if below or "images" not in top.parts:
            looks = "in the image's own folder" if not below else "in folders called labels among those of the images"
            return f"Ultralytics looks for the labels {looks}, and not here; to train with it, {_EXPORT}"
        at = len(top.parts) - 1 - top.parts[::-1].index("images")
        place = Path(*top.parts[:at], "labels", *top.parts[at + 1 :])
        what = f"to train with Ultralytics, put what is in the target's folder labels into {place}"
        if place.is_dir():
            what += ", in place of the labels that stand there"
        return f"{what}: it looks for labels at the path of the image with images replaced by labels"

    def _missing_split(self) -> tuple[str, ...]:
        missing = [split for split in ("train", "val") if split not in self._lists]
        if not self._lists or not missing:
            return ()
        what = f"no image is in {' or '.join(missing)}, and Ultralytics does not train without"
        return (f"{what}; to have the images divided, {_EXPORT}",)

    def mark(self) -> dict[str, Any]:
        """How far it is; the names of the splits go into the work folder, since millions do not fit a mark."""
        assert self.work is not None
        super().mark()
        sizes = {}
        for split, names in self._lists.items():
            with (self.work / f"{split}.list").open("ab") as file:
                file.write(b"".join(os.fsencode(name) + b"\n" for name in names[self._kept[split] :]))
                sizes[split] = file.tell()
            self._kept[split] = len(names)
        return sizes

    def go_on(self, mark: Mapping[str, Any]) -> None:
        """Go on from a mark; see `RecordWriter.go_on`."""
        assert self.work is not None
        super().go_on(mark)
        for split in SPLITS:
            path = self.work / f"{split}.list"
            if split not in mark:
                path.unlink(missing_ok=True)
                continue
            os.truncate(path, mark[split])
            self._lists[split] = [os.fsdecode(name) for name in path.read_bytes().split(b"\n")[:-1]]
            self._kept[split] = len(self._lists[split])

    def finish(self) -> None:
        """Write the lists of the splits, and data.yaml."""
        top = os.path.abspath(self._images)  # noqa: PTH100 - links stay: Ultralytics goes by the path as written
        for split, names in self._lists.items():
            self.folder.write(f"{split}.txt", b"".join(os.fsencode(f"{top}/{name}\n") for name in names))
        self.folder.write("data.yaml", self._data_yaml())

    def _data_yaml(self) -> bytes:
        images = os.path.relpath(self._images, self.folder.path).replace(os.sep, "/")
        lines = [
            "# written by RCG; the images stay where they are",
            f"path: {orjson.dumps(images).decode()}",
            *self._splits(),
            f"nc: {len(self.labels.names)}",
            "names:",
            *(f"  {number}: {orjson.dumps(name).decode()}" for name, number in self._numbers.items()),
        ]
        if self._points:
            lines.append(f"kpt_shape: [{self._points}, 3]")
        return ("\n".join(lines) + "\n").encode()

    def _splits(self) -> list[str]:
        """The lists by their full path, since Ultralytics counts relative ones from the images."""
        if not self._lists:
            return ["train: .", "val: ."]
        there = [split for split in SPLITS if split in self._lists]
        lines = [f"{split}: {orjson.dumps(str(self.folder.path / f'{split}.txt')).decode()}" for split in there]
        missing = [split for split in SPLITS if split not in self._lists]
        return [*lines, *(f"# no image is in {split}" for split in missing)]


def texts(block: Block) -> list[bytes]:
    """The label files of a block of boxes: class, middle and extent as fractions of the image to nine digits, score."""
    pieces = [b""] * (2 * len(block.classes))
    pieces[::2] = _numbers(block.classes)
    pieces[1::2] = _lines(block)
    return [b"".join(pieces[first:last]) for first, last in pairwise((2 * block.starts).tolist())]


def _numbers(classes: NDArray[np.int32]) -> list[bytes]:
    written = [b"%d" % number for number in range(int(classes.max(initial=-1)) + 1)]
    return [written[number] for number in classes.tolist()]


def _lines(block: Block) -> list[bytes]:
    """What stands behind the class."""
    if not len(block.classes):
        return []
    sizes = np.repeat(block.sizes.astype(np.float64), block.counts, axis=0)
    begin, extent = block.boxes[:, :2], block.boxes[:, 2:]
    values = np.hstack([(begin + extent / 2) / sizes, extent / sizes])
    text = orjson.dumps(np.round(values, 9), option=orjson.OPT_SERIALIZE_NUMPY)
    for end in (b",", b"]"):
        text = text.replace(b".0" + end, end) if b".0" + end in text else text
    lines = (b" " + text[1:-1].translate(_AS_LINES, b"[")).splitlines(keepends=True)
    if block.scores is None:
        return lines
    scores = block.scores.tolist()
    return [
        line if math.isnan(score) else b"%b %.9g\n" % (line[:-1], score)
        for line, score in zip(lines, scores, strict=True)
    ]


_AS_LINES = bytes.maketrans(b",]", b" \n")


@dataclass(frozen=True, slots=True)
class _Render:
    """Renders a record as lines of a label file.

    Attributes:
        numbers: Class number by name.
        keypoints: How many keypoints a line has.
        kind: What each line is to be.
    """

    numbers: dict[str, int]
    keypoints: int
    kind: str

    def __call__(self, record: ImageRecord) -> Rendered:
        written = record.labelled or bool(record.annotations)
        if not written:
            return Rendered(record.file_name, losses=losses(record, CARRIES - {"split"}))
        return Rendered(
            record.file_name,
            name=f"labels/{os.path.splitext(record.file_name)[0]}.txt",  # noqa: PTH122 - many times faster, once a file
            head="".join([self._line(annotation, record) for annotation in record.annotations]).encode(),
            annotations=len(record.annotations),
            losses=self._losses(record),
            split=record.split,
        )

    def _losses(self, record: ImageRecord) -> tuple[Loss, ...]:
        """What the lines do not say of a record."""
        carries = CARRIES_OF[self.kind] - ({"polygons"} if self.keypoints else set())  # a pose line has no outline
        count = Counter({loss.what: loss.count for loss in losses(record, carries)})
        if self.kind == "obb":
            count["polygons"] -= sum(map(_is_turned_box, record.annotations))
        for annotation in record.annotations:
            outline = not self.keypoints and self.kind != "detect"
            count["box"] += outline and _box_differs(annotation)
            count[_PLAIN] += self.kind in ("segment", "obb") and not annotation.polygons
        return tuple(
            Loss(file_name=record.file_name, what=what, count=many) for what, many in count.items() if many > 0
        )

    def _line(self, annotation: Annotation, record: ImageRecord) -> str:
        number = self.numbers.get(annotation.label)
        if number is None:
            raise unknown_label(annotation.label, self.numbers, record.file_name)
        width, height, box = record.width, record.height, annotation.box
        if (outline := self._outline(annotation, (width, height))) is not None:
            values = [value for x, y in outline for value in (x / width, y / height)]
        else:
            values = [(box.x + box.width / 2) / width, (box.y + box.height / 2) / height]
            values += [box.width / width, box.height / height]
        if self.keypoints:
            points = annotation.keypoints.points if annotation.keypoints else ((0, 0, 0),) * self.keypoints
            values += [value for x, y, visible in points for value in (x / width, y / height, visible)]
        if annotation.score is not None:
            values.append(annotation.score)
        return " ".join([str(number), *(f"{value:.9g}" for value in values)]) + "\n"

    def _outline(self, annotation: Annotation, size: tuple[float, float]) -> list[Point] | None:
        """The points of a line; None where it is a box."""
        if self.keypoints or self.kind == "detect" or (self.kind == "any" and not annotation.polygons):
            return None
        if not annotation.polygons:
            return rectangle(*annotation.box.corners)
        if self.kind == "obb" and not _is_turned_box(annotation):
            return smallest_turned_box([point for ring in annotation.polygons for point in ring.points], size)
        return joined(annotation.polygons)


def _is_turned_box(annotation: Annotation) -> bool:
    """Whether the outline is one of four points."""
    return len(annotation.polygons) == 1 and len(annotation.polygons[0].points) == 4


def _box_differs(annotation: Annotation) -> bool:
    """Whether the outline, which is all that a line says, has another box than the label."""
    if not annotation.polygons:
        return False
    outline = bounds([point for ring in annotation.polygons for point in ring.points])
    return any(abs(a - b) > 1 for a, b in zip(outline.corners, annotation.box.corners, strict=True))


def joined(rings: tuple[Polygon, ...]) -> list[Point]:
    """Several rings as one: a bridge of no width leads to each ring and back, so area and extent stay.

    Example:
        >>> square = Polygon(((0, 0), (1, 0), (1, 1), (0, 1)))
        >>> joined((square,))
        [(0, 0), (1, 0), (1, 1), (0, 1)]
    """
    if len(rings) == 1:
        return list(rings[0].points)
    first, *others = (_clockwise(ring) for ring in rings)
    points = list(first)
    for ring in others:
        points += [points[0], *ring, ring[0]]
    return points


def _clockwise(ring: Polygon) -> tuple[Point, ...]:
    points = ring.points
    turned = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True))
    return points if turned >= 0 else points[::-1]
