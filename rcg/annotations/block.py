"""Blocks: a run of images with their annotations as columns, for where a million boxes pass through.

A reader that can fills columns, one that cannot hands over records; whoever takes a block need not know which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.types import Annotation, Box, ImageRecord, Polygon

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NO_RECORDS: Mapping[int, ImageRecord] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rings:
    """Outlines of the annotations of a block; an annotation without one has no ring.

    Attributes:
        points: (p, 2) x and y in pixels, ring after ring.
        starts: (r + 1,) where each ring's points begin; the last is p.
        of: (m + 1,) where each annotation's rings begin; the last is r.
        areas: (m,) square pixels of the outline, of the box where there is none.
    """

    points: Floats
    starts: Ints
    of: Ints
    areas: Floats

    def only(self, kept: NDArray[np.bool_]) -> Rings:
        """The rings of some annotations.

        Args:
            kept: (m,) which annotations stay.
        """
        many, lengths = np.diff(self.of), np.diff(self.starts)
        rings = spans(self.of[:-1][kept], many[kept])
        return Rings(
            points=self.points[spans(self.starts[:-1][rings], lengths[rings])],
            starts=np.concatenate([[0], np.cumsum(lengths[rings])]).astype(np.int64),
            of=np.concatenate([[0], np.cumsum(many[kept])]).astype(np.int64),
            areas=self.areas[kept],
        )

    def polygons(self, annotation: int) -> tuple[Polygon, ...]:
        """The rings of one annotation, by its place in the block."""
        spans = self.starts[self.of[annotation] : self.of[annotation + 1] + 1].tolist()
        return tuple(Polygon(tuple(map(tuple, self.points[a:b].tolist()))) for a, b in pairwise(spans))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A run of images with what is labelled in them; n images, m annotations in columns.

    Attributes:
        names: n paths relative to the images' folder.
        sizes: (n, 2) int32 width and height in pixels, EXIF orientation applied.
        labelled: (n,) whether a label file spoke of the image.
        splits: n splits, or None where the source names none.
        counts: (n,) annotations of each image in the columns; 0 for those in `records`.
        classes: (m,) index into the names of the label set.
        boxes: (m, 4) x, y, width and height in pixels.
        scores: (m,) 0 to 1, NaN for a label without; None where no label has one.
        rings: Outlines; None where there are only boxes.
        image_ids: (n,) ids that the images bring along; None where they bring none.
        records: Images, by their place in the block, that hold more than columns can: keypoints, masks, crowds, cards.

    Example:
        >>> record = ImageRecord(file_name="a.jpg", width=8, height=6, annotations=(
        ...     Annotation(label="card", box=Box(1, 2, 3, 4)),))
        >>> block = Block.of([record], ("card",))
        >>> block.boxes.tolist(), block.record(0, ("card",)) == record
        ([[1.0, 2.0, 3.0, 4.0]], True)
    """

    names: Sequence[str]
    sizes: NDArray[np.int32]
    labelled: NDArray[np.bool_]
    splits: Sequence[str | None]
    counts: Ints
    classes: NDArray[np.int32]
    boxes: Floats
    scores: Floats | None = None
    rings: Rings | None = None
    image_ids: Ints | None = None
    records: Mapping[int, ImageRecord] = field(default_factory=lambda: _NO_RECORDS)

    def __post_init__(self) -> None:
        n, m = len(self.names), len(self.classes)
        shapes = (self.sizes.shape, self.labelled.shape, self.counts.shape, self.boxes.shape)
        if shapes != ((n, 2), (n,), (n,), (m, 4)) or len(self.splits) != n or int(self.counts.sum()) != m:
            raise DataError(f"the columns of a block of {n} images and {m} annotations do not fit together")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def annotations(self) -> int:
        """Annotations in all, those of `records` too."""
        return len(self.classes) + sum(len(record.annotations) for record in self.records.values())

    @property
    def starts(self) -> Ints:
        """(n + 1,) where each image's annotations begin in the columns."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    @classmethod
    def of(cls, records: Iterable[ImageRecord], names: Sequence[str]) -> Block:
        """A block of records: plain boxes as columns, whatever holds more as it is.

        Args:
            records: The images.
            names: The classes, to number the labels.
        """
        number = {name: place for place, name in enumerate(names)}
        kept = list(records)
        plain = [_is_plain(record, number) for record in kept]
        inside = [each for record, fits in zip(kept, plain, strict=True) if fits for each in record.annotations]
        boxes = [(each.box.x, each.box.y, each.box.width, each.box.height) for each in inside]
        scored = any(each.score is not None for each in inside)
        return cls(
            names=[record.file_name for record in kept],
            sizes=np.array([(record.width, record.height) for record in kept], np.int32).reshape(-1, 2),
            labelled=np.array([record.labelled for record in kept], np.bool_),
            splits=[record.split for record in kept],
            counts=np.array([len(r.annotations) if fits else 0 for r, fits in zip(kept, plain, strict=True)], np.int64),
            classes=np.array([number[each.label] for each in inside], np.int32),
            boxes=np.array(boxes, np.float64).reshape(-1, 4),
            scores=np.array([np.nan if each.score is None else each.score for each in inside]) if scored else None,
            records={place: record for place, record in enumerate(kept) if not plain[place]},
        )

    def only(self, kept: NDArray[np.bool_]) -> Block:
        """The same images with some of their annotations.

        Args:
            kept: (m,) which of the annotations in the columns stay.
        """
        if kept.all():
            return self
        images = np.repeat(np.arange(len(self)), self.counts)
        return replace(
            self,
            counts=np.bincount(images[kept], minlength=len(self)).astype(np.int64),
            classes=self.classes[kept],
            boxes=self.boxes[kept],
            scores=None if self.scores is None else self.scores[kept],
            rings=None if self.rings is None else self.rings.only(kept),
        )

    def record(self, image: int, names: Sequence[str]) -> ImageRecord:
        """One image as a record.

        Args:
            image: Its place in the block.
            names: The classes, as the block was made with.
        """
        if image in self.records:
            return self.records[image]
        start = int(self.counts[:image].sum())
        return self._record(image, range(start, start + int(self.counts[image])), names)

    def each(self, names: Sequence[str]) -> Iterator[ImageRecord]:
        """All images as records, in order."""
        starts = self.starts.tolist()
        for image in range(len(self)):
            found = self.records.get(image)
            yield self._record(image, range(starts[image], starts[image + 1]), names) if found is None else found

    def _record(self, image: int, rows: range, names: Sequence[str]) -> ImageRecord:
        width, height = self.sizes[image].tolist()
        return ImageRecord(
            file_name=self.names[image],
            width=width,
            height=height,
            annotations=tuple(self._annotation(row, names) for row in rows),
            labelled=bool(self.labelled[image]),
            image_id=None if self.image_ids is None else int(self.image_ids[image]),
            split=self.splits[image],
        )

    def _annotation(self, row: int, names: Sequence[str]) -> Annotation:
        score = None if self.scores is None or np.isnan(self.scores[row]) else float(self.scores[row])
        polygons = () if self.rings is None else self.rings.polygons(row)
        return Annotation(
            label=names[self.classes[row]],
            box=Box(*self.boxes[row].tolist()),
            polygons=polygons,
            score=score,
            area=float(self.rings.areas[row]) if self.rings is not None and polygons else None,
        )


def _is_plain(record: ImageRecord, known: Mapping[str, int]) -> bool:
    """Whether the columns hold all of a record, boxes alone."""
    if record.image_id is not None or record.card is not None:
        return False
    return all(
        not (each.polygons or each.rle or each.keypoints or each.crowd) and each.area is None and each.label in known
        for each in record.annotations
    )


def spans(starts: Ints, lengths: Ints) -> Ints:
    """The indices of several runs, one after the other.

    Args:
        starts: (k,) where each run begins.
        lengths: (k,) how long it is.

    Example:
        >>> spans(np.array([5, 20]), np.array([2, 3])).tolist()
        [5, 6, 20, 21, 22]
    """
    ends = np.cumsum(lengths)
    inside = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return np.asarray(np.repeat(starts, lengths) + inside, dtype=np.int64)
