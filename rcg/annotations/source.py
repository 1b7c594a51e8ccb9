"""What the label formats share: a source of records, a writer of records, and what is noted on the way."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

from rcg.annotations.block import Block
from rcg.annotations.split import split_of_path
from rcg.errors import ConfigError, DataError
from rcg.progress import Report, Tick, counted, silent
from rcg.types import BadLine, ImageRecord, LabelSet, Loss

Bad = Callable[[BadLine], None]
TASK = "reading labels"
_EVERY_S = 0.1
RUN = 512
"""Images that are read, written and remembered together."""

ALL_REFUSED = "images of which no label could be read, kept as not labelled"
CLIPPED = "labels clipped to the image"
OTHER_KIND = "images whose name claims another kind"
OTHER_SIZE = "images with another size than the label file says; the image's own counts"


class Noted(Protocol):
    """Takes what is worth telling."""

    def add(self, kind: str, example: str) -> None:
        """Count one more of a kind, such as "boxes clipped to the image"."""


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

    def take(self, notes: Iterable[tuple[str, str, int]]) -> None:
        """Count several: kind, first example and count of each."""
        for kind, example, count in notes:
            self.add(kind, example, count)

    def lines(self) -> tuple[str, ...]:
        """All notes as sentences."""
        counts = (f"{kind}: {count:,}, first {example}" for kind, (count, example) in self._seen.items())
        return (*self._said, *counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What an earlier reading of the same labels found out, so that files that did not change stay closed.

    Attributes:
        names: The class names then.
        unchanged: Says of a label file, by its full path, whether it was read then and is as it was.
    """

    names: tuple[str, ...]
    unchanged: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How labels are to be read.

    Attributes:
        classes: A class file or the class names, where the caller gave them.
        need_score: Whether a label without a score is left out (predictions).
        reason: Why the format was recognised.
        trusted: Whether the file is RCG's own: sizes are taken from it and no image is opened (COCO only).
        earlier: What an earlier reading found out; None where there was none.
    """

    classes: str | Path | Sequence[str] | None = None
    need_score: bool = False
    reason: str = ""
    trusted: bool = False
    earlier: Earlier | None = None


class Counted:
    """Notes of a run of images: each kind with its first example and its count."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}

    def add(self, kind: str, example: str) -> None:
        """Count one more of a kind."""
        self.take((kind, example, 1))

    def take(self, note: tuple[str, str, int]) -> None:
        """Count several of a kind: kind, first example and count."""
        kind, example, more = note
        first, count = self._seen.get(kind, (example, 0))
        self._seen[kind] = first, count + more

    def all(self) -> tuple[tuple[str, str, int], ...]:
        """Kind, first example and count."""
        return tuple((kind, example, count) for kind, (example, count) in self._seen.items())


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
        stamp: A hash of the names of what was read; empty where nobody can go on from here.
        began: When reading it began, in seconds since 1970.
    """

    block: Block
    images: int
    bad: tuple[BadLine, ...] = ()
    notes: tuple[tuple[str, str, int], ...] = ()
    unknown: int = 0
    unscored: int = 0
    stamp: str = ""
    began: float = 0.0


@dataclass(slots=True)
class Sums:
    """What has been read so far.

    Attributes:
        images: Images that could be read.
        annotations: Their annotations.
        unknown: Labels that named a class that does not exist.
        unscored: Predictions without a score.
    """

    images: int = 0
    annotations: int = 0
    unknown: int = 0
    unscored: int = 0

    def add(self, read: Read) -> None:
        """Count one more run of images."""
        self.images += len(read.block)
        self.annotations += read.block.annotations
        self.unknown += read.unknown
        self.unscored += read.unscored


class AnnotationSource(ABC):
    """Labels that can be read, made by `open_annotations`.

    Attributes:
        format: The name of the format, such as "yolo".
        reason: Why it was recognised, for the reader.
        images: The folder that file names are relative to.
        labels: The classes.
        notes: What was worth telling; complete when all records have been read.
    """

    format: str
    reason: str
    images: Path
    labels: LabelSet
    notes: Notes

    @property
    @abstractmethod
    def total(self) -> int:
        """How many images it speaks of."""

    @abstractmethod
    def reads(self, *, start: int = 0, jobs: int = 1) -> Iterator[Read]:
        """What reading the images gives, in runs of up to `RUN` images by file name; nothing is reported or noted.

        Args:
            start: How many images to pass over, where a run ended.
            jobs: Worker processes, for formats with a label file an image; the result is the same.
        """

    def before(self) -> Iterable[BadLine]:
        """What is left out whatever the images hold, such as labels without an image."""
        return ()

    def same(self, start: int, count: int, *, stamp: str, since: float) -> bool:  # noqa: ARG002 - for those that can tell
        """Whether reading a run of images again would give what it gave; False where that cannot be told.

        Args:
            start: Its first image.
            count: How many images it has.
            stamp: Its stamp then.
            since: When it was read, in seconds since 1970.
        """
        return False

    @property
    def key(self) -> str:
        """What else than the files of its images decides what is read, such as one label file for all."""
        return ""

    def check(self, sums: Sums) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse the source as a whole, when all of it was read."""

    def blocks(self, bad: Bad, *, report: Report = silent, jobs: int = 1) -> Iterator[Block]:
        """The images with their annotations, run by run, sorted by file name.

        Args:
            bad: Takes each line or file that is left out.
            report: Where progress goes; `metrics` holds the count of bad lines.
            jobs: Worker processes, for formats with a label file an image.

        Raises:
            Cancelled: If `report` asks for a stop.
            DataError: If every label names a class that does not exist.
        """
        meter, sums = BadMeter(self.total, report, bad), Sums()
        for line in self.before():
            meter.bad(line)
        for read in self.reads(jobs=jobs):
            for line in read.bad:
                meter.bad(line)
            self.notes.take(read.notes)
            sums.add(read)
            yield read.block
            meter.step(read.images)
        self.check(sums)
        meter.close()

    def records(self, bad: Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        """The images with their annotations, sorted by file name, one at a time; arguments as in `blocks`."""
        for block in self.blocks(bad, report=report):
            yield from block.each(self.labels.names)


class RecordSource(AnnotationSource):
    """Labels in a format that is read record by record."""

    @abstractmethod
    def records(self, bad: Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        """The images with their annotations; see `AnnotationSource.records`."""

    def reads(self, *, start: int = 0, jobs: int = 1) -> Iterator[Read]:
        """The records in runs; one file is read by one process, whatever `jobs` says."""
        if jobs < 1:
            raise ConfigError(f"jobs={jobs} is no number of processes", fix="give 1 or more")
        bad: list[BadLine] = []
        records = islice(self.records(bad.append), start, None)
        bad.clear()
        while run := list(islice(records, RUN)):
            yield Read(block=Block.of(run, self.labels.names), images=len(run), bad=tuple(bad))
            bad.clear()
        if bad:
            yield Read(block=Block.of((), self.labels.names), images=0, bad=tuple(bad))


class RecordWriter(ABC):
    """Writes records to a target that appears whole when the block ends without an error.

    Attributes:
        path: The target.
        labels: The classes.
        work: The folder where what is half-written is kept, so that it can be gone on with; None for one of its own.
    """

    path: Path
    labels: LabelSet
    work: Path | None = None

    @abstractmethod
    def __enter__(self) -> Self: ...
    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool | None: ...
    @abstractmethod
    def add(self, record: ImageRecord) -> tuple[Loss, ...]:
        """Write one image with its annotations; returns what the format cannot carry of it."""

    def put_block(self, block: Block) -> tuple[Loss, ...]:
        """Write a run of images; a format overrides it where columns can be written faster than records."""
        return tuple(loss for record in block.each(self.labels.names) for loss in self.add(record))

    def advice(self) -> tuple[str, ...]:
        """What whoever uses the target should know, when it is written."""
        return ()

    def mark(self) -> dict[str, Any]:
        """How far it is, in plain values, for `go_on`; what was put before is in the work folder by then."""
        return {}

    def holds(self, mark: Mapping[str, Any]) -> bool:  # noqa: ARG002 - for those that can tell
        """Whether the work folder still holds what it held at a mark."""
        return True

    @abstractmethod
    def go_on(self, mark: Mapping[str, Any]) -> None:
        """Go on from a mark, before the block is entered; what was written after it is dropped."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One image as it goes into a folder of label files.

    Attributes:
        file_name: The image.
        name: Path of its label file in the folder; empty where nothing is to be written.
        head: The content of the label file.
        annotations: How many annotations it has.
        losses: What the format cannot carry of it.
        split: Its split, for a target that lists the images of each.
    """

    file_name: str
    name: str = ""
    head: bytes = b""
    annotations: int = 0
    losses: tuple[Loss, ...] = ()
    split: str | None = None


def unknown_label(label: str, known: Iterable[str], file_name: str) -> DataError:
    """The error of a writer that meets a label outside its classes."""
    what = f"the label {label!r} is none of the classes {', '.join(known)}"
    return DataError(what, where=file_name, fix="add it to the classes")


def no_known_class(count: int, names: Sequence[str], where: object) -> DataError:
    """What to say where no label of a set names one of the classes."""
    known = counted(len(names), "class", "classes")
    what = f"no label names one of the {known} in the class file ({count:,} were read)"
    fix = "lengthen the class file, or name the one that belongs to these labels (classes=FILE, --classes FILE)"
    return DataError(what, where=where, fix=fix)


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

    def __init__(self, total: int, report: Report, bad: Bad, *, done: int = 0, count: int = 0) -> None:
        self.done, self.count = done, count
        self._total, self._report, self._bad = total, report, bad
        self._tick()

    def bad(self, line: BadLine) -> None:
        """Pass a bad line on, and count it."""
        self.count += 1
        self._bad(line)

    def step(self, images: int = 1) -> None:
        """So many more images are done."""
        self.done += images
        if time.monotonic() - self._last >= _EVERY_S:
            self._tick()

    def close(self) -> None:
        """Tell the final count."""
        self._tick()

    def _tick(self) -> None:
        self._last = time.monotonic()
        self._report(Tick(task=TASK, done=self.done, total=self._total, metrics={"bad lines": self.count}))
