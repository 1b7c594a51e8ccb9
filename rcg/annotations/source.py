"""What the label formats share: a source of records, a writer of records, and what is noted on the way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

from rcg.annotations.block import Block
from rcg.annotations.split import split_of_path
from rcg.errors import DataError
from rcg.progress import Report, Tick, silent
from rcg.types import BadLine, ImageRecord, LabelSet, Loss

Bad = Callable[[BadLine], None]
Result = TypeVar("Result")

TASK = "reading labels"

ALL_REFUSED = "images of which no label could be read, kept as not labelled"
CLIPPED = "labels clipped to the image"
OTHER_KIND = "images whose name claims another kind"
OTHER_SIZE = "images with another size than the label file says; the image's own counts"


class Notes:
    """What is worth telling but no loss: each kind with its count and its first example."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}
        self._said: list[str] = []

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Count one more of a kind, such as "boxes clipped to the image"."""
        before, first = self._seen.get(kind, (0, example))
        self._seen[kind] = before + count, first

    def say(self, sentence: str) -> None:
        """Keep a sentence that stands for itself."""
        if sentence not in self._said:
            self._said.append(sentence)

    def lines(self) -> tuple[str, ...]:
        """All notes as sentences."""
        counts = (f"{kind}: {count:,}, first {example}" for kind, (count, example) in self._seen.items())
        return (*self._said, *counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How labels are to be read.

    Attributes:
        classes: A class file or the class names, where the caller gave them.
        need_score: Whether a label without a score is left out (predictions).
        reason: Why the format was recognised.
        trusted: Whether the file is RCG's own: sizes are taken from it and no image is opened (COCO only).
    """

    classes: str | Path | Sequence[str] | None = None
    need_score: bool = False
    reason: str = ""
    trusted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What reading a run of images gave.

    Attributes:
        block: The images that could be read.
        images: How many images the run has, those that could not be read too.
        bad: Lines and files that were left out.
        notes: Kind, first example and count of what is worth telling.
        unknown: How many labels named a class that does not exist.
        unscored: How many predictions had no score.
        stamp: A hash of what was read, by names, sizes and times; it tells whether reading again would give the same.
    """

    block: Block
    images: int
    bad: tuple[BadLine, ...] = ()
    notes: tuple[tuple[str, str, int], ...] = ()
    unknown: int = 0
    unscored: int = 0
    stamp: str = ""


class AnnotationSource(Protocol):
    """Labels that can be read, made by `open_annotations`."""

    @property
    def format(self) -> str:
        """The name of the format, such as "yolo"."""

    @property
    def reason(self) -> str:
        """Why it was recognised, for the reader."""

    @property
    def images(self) -> Path:
        """The folder that file names are relative to."""

    @property
    def labels(self) -> LabelSet:
        """The classes."""

    @property
    def total(self) -> int:
        """How many images it speaks of."""

    @property
    def notes(self) -> Notes:
        """What was worth telling; complete when all records have been read."""

    def records(self, bad: Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        """The images with their annotations, sorted by file name, one at a time.

        Args:
            bad: Takes each line or file that is left out.
            report: Where progress goes; `metrics` holds the count of bad lines.

        Raises:
            Cancelled: If `report` asks for a stop.
            DataError: If every label names a class that does not exist.
        """

    def mapped(
        self, then: Callable[[ImageRecord], Result], bad: Bad, *, report: Report = silent, jobs: int = 1
    ) -> Iterator[Result]:
        """What `then` makes of each record, in the order of `records`.

        Args:
            then: What to do with a record; with several jobs it must pickle.
            bad: As in `records`.
            report: As in `records`.
            jobs: Worker processes, for formats with a label file an image; the result is the same.
        """


@dataclass(frozen=True, slots=True)
class Rendered:
    """One image as it goes into a target, but for what depends on the images before it.

    Attributes:
        file_name: The image.
        image_id: The id it brings along.
        name: Path in the target folder; empty for a target of one file, or where nothing is to be written.
        head: The label file, or the image's own entry.
        parts: The entries of its annotations, in a target of one file.
        annotations: How many annotations it has.
        losses: What the format cannot carry of it.
        split: Its split, for a target that lists the images of each.
    """

    file_name: str
    image_id: int | None = None
    name: str = ""
    head: bytes = b""
    parts: tuple[bytes, ...] = ()
    annotations: int = 0
    losses: tuple[Loss, ...] = ()
    split: str | None = None


class RecordWriter(Protocol):
    """Writes records to a target that appears whole when the block ends without an error.

    Rendering is apart from writing, so that worker processes can do it.
    """

    @property
    def render(self) -> Callable[[ImageRecord], Rendered]:
        """Turns a record into what is written; pure, and fit to be sent to a worker process."""

    def put(self, rendered: Rendered) -> tuple[Loss, ...]:
        """Write what was rendered; returns what the format could not carry."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool | None: ...
    def add(self, record: ImageRecord) -> tuple[Loss, ...]:
        """Render and put one record."""


def unknown_label(label: str, known: Iterable[str], file_name: str) -> DataError:
    """The error of a writer that meets a label outside its classes."""
    what = f"the label {label!r} is none of the classes {', '.join(known)}"
    return DataError(what, where=file_name, fix="add it to the classes")


def no_scores(count: int, where: object) -> DataError:
    """The error when no prediction has a score."""
    fix = "predict again with scores (ultralytics: save_conf=True), or read the labels as ground truth"
    return DataError(f"no prediction has a score ({count:,} were read)", where=where, fix=fix)


def losses(record: ImageRecord, carries: frozenset[str]) -> tuple[Loss, ...]:
    """What of a record a format loses that carries only these kinds of information.

    Args:
        record: The image and its annotations.
        carries: Of "polygons", "parts" (several outlines a label), "mask", "keypoints", "score", "crowd", "card",
            "split".
    """
    count: Counter[str] = Counter()
    for annotation in record.annotations:
        count["polygons"] += bool(annotation.polygons)
        count["parts"] += len(annotation.polygons) > 1 and "polygons" in carries
        count["mask"] += annotation.rle is not None
        count["keypoints"] += annotation.keypoints is not None
        count["score"] += annotation.score is not None
        count["crowd"] += annotation.crowd
    count["card"] += record.card is not None
    count["split"] += record.split is not None and record.split != split_of_path(record.file_name)
    return tuple(
        Loss(file_name=record.file_name, what=what, count=number)
        for what, number in count.items()
        if number and what not in carries
    )


class BadMeter:
    """Progress with the count of bad lines, at most ten times a second."""

    def __init__(self, total: int, report: Report, bad: Bad, *, every_s: float = 0.1) -> None:
        self.done = self.count = 0
        self._total, self._report, self._bad, self._every_s = total, report, bad, every_s
        self._tick()

    def bad(self, line: BadLine) -> None:
        """Pass a bad line on, and count it."""
        self.count += 1
        self._bad(line)

    def step(self) -> None:
        """One more image is done."""
        self.done += 1
        if time.monotonic() - self._last >= self._every_s:
            self._tick()

    def close(self) -> None:
        """Tell the final count."""
        self._tick()

    def _tick(self) -> None:
        self._last = time.monotonic()
        self._report(Tick(task=TASK, done=self.done, total=self._total, metrics={"bad lines": self.count}))
