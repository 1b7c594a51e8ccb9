"""Formats with one label file an image: what their readers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar, cast

from rcg.annotations.checks import NoScore, UnknownClass, Unusable
from rcg.annotations.parallel import ordered_map
from rcg.annotations.place import Pairs, image_size
from rcg.annotations.source import ALL_REFUSED, CLIPPED, OTHER_KIND, Bad, BadMeter, Notes, no_scores
from rcg.errors import DataError
from rcg.images import Size
from rcg.progress import Report, counted, silent
from rcg.types import Annotation, BadLine, ImageRecord, LabelSet

Content = TypeVar("Content")
Entry = TypeVar("Entry")
Result = TypeVar("Result")

Note = Callable[[str, str], None]

NO_IMAGE = "no image belongs to this label file; add the image, or remove the file"


@dataclass(frozen=True, slots=True)
class Item:
    """One image: its name, its label file if it has one, and its split if its source says so."""

    name: str
    label: str | None
    split: str | None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What reading one image gave.

    Attributes:
        result: The image, or what was made of it; None where it went to quarantine.
        annotations: How many annotations it has.
        bad: Lines and files that were left out.
        notes: Kind and example of what is worth telling.
        unknown: How many labels named a class that does not exist.
        unscored: How many predictions had no score.
    """

    result: Result | None
    annotations: int = 0
    bad: tuple[BadLine, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    unknown: int = 0
    unscored: int = 0


@dataclass(frozen=True, kw_only=True)
class PerImageReader(ABC, Generic[Content, Entry]):
    """Reads one image with its label file; it is sent to worker processes, so it must pickle.

    Attributes:
        images: Folder of the images.
        images_shown: What stands before an image's name in messages.
        root: Folder of the label files.
        root_shown: What stands before a label file's name in messages.
        need_score: Whether a label without a score is left out.
    """

    images: Path
    images_shown: str
    root: Path
    root_shown: str
    need_score: bool

    @abstractmethod
    def content(self, label: str) -> Content:
        """A label file, opened; raises Unusable where the file as a whole cannot be read."""

    @abstractmethod
    def entries(self, content: Content) -> Iterable[Entry]:
        """The labels in it, not yet understood."""

    @abstractmethod
    def annotation(self, entry: Entry, size: Size) -> tuple[Annotation, bool]:
        """One label, and whether it was clipped; raises Unusable."""

    @abstractmethod
    def locate(self, label: str, entry: Entry) -> tuple[int | None, str]:
        """Line number and text of a label, for the quarantine."""

    def size(self, item: Item, note: Note) -> Size:
        """The image's size; raises Unusable."""
        size, other_kind = image_size(self.images, item.name)
        if other_kind is not None:
            note(OTHER_KIND, f"{item.name} ({other_kind})")
        return size

    def remark(self, label: str, content: Content, size: Size, note: Note) -> None:
        """Note what a label file as a whole gives reason to."""

    def __call__(self, item: Item) -> Outcome[ImageRecord]:
        """The image's record, and what was left out of it."""
        notes: list[tuple[str, str]] = []

        def note(kind: str, example: str) -> None:
            notes.append((kind, example))

        try:
            size = self.size(item, note)
        except Unusable as error:
            bad = [BadLine(file=self.images_shown + item.name, line=None, reason=str(error))]
            if item.label is not None:
                bad += self.all_lines(item.label, f"its image {item.name} cannot be read; copy or export it again")
            return Outcome(None, bad=tuple(bad), notes=tuple(notes))
        found: list[Annotation] = []
        refused: list[tuple[BadLine, Unusable]] = []
        if item.label is not None:
            found, refused = self._labels(item.label, size, note)
        labelled = item.label is not None and not (refused and not found)  # what cannot be read is no background
        if item.label is not None and not labelled:
            note(ALL_REFUSED, self.root_shown + item.label)
        record = ImageRecord(
            file_name=item.name,
            width=size.width,
            height=size.height,
            annotations=tuple(found),
            labelled=labelled,
            split=item.split,
        )
        return Outcome(
            record,
            annotations=len(found),
            bad=tuple(line for line, _ in refused),
            notes=tuple(notes),
            unknown=sum(isinstance(error, UnknownClass) for _, error in refused),
            unscored=sum(isinstance(error, NoScore) for _, error in refused),
        )

    def _labels(self, label: str, size: Size, note: Note) -> tuple[list[Annotation], list[tuple[BadLine, Unusable]]]:
        """The annotations of a label file, and what was left out of it."""
        found: list[Annotation] = []
        refused: list[tuple[BadLine, Unusable]] = []
        try:
            content = self._opened(label)
        except Unusable as error:
            return [], [(BadLine(file=self.root_shown + label, line=None, reason=str(error)), error)]
        self.remark(label, content, size, note)
        for entry in self.entries(content):
            try:
                annotation, clipped = self.annotation(entry, size)
            except Unusable as error:
                refused.append((self._bad(label, entry, str(error)), error))
                continue
            found.append(annotation)
            if clipped:
                note(CLIPPED, self.root_shown + label)
        return found, refused

    def _opened(self, label: str) -> Content:
        try:
            return self.content(label)
        except OSError as error:
            raise Unusable(f"the label file cannot be read ({error.strerror})") from error

    def all_lines(self, label: str, reason: str) -> list[BadLine]:
        """Every label of a file as left out for one reason; the file itself where there is none in it."""
        try:
            bad = [self._bad(label, entry, reason) for entry in self.entries(self._opened(label))]
        except Unusable:
            bad = []
        return bad or [BadLine(file=self.root_shown + label, line=None, reason=reason)]

    def _bad(self, label: str, entry: Entry, reason: str) -> BadLine:
        line, text = self.locate(label, entry)
        return BadLine(file=self.root_shown + label, line=line, reason=reason, text=text[:200])


@dataclass(frozen=True, slots=True)
class _Then(Generic[Result]):
    """A reader with what is done to its records, for a worker process."""

    read: Callable[[Item], Outcome[ImageRecord]]
    then: Callable[[ImageRecord], Result]

    def __call__(self, item: Item) -> Outcome[Result]:
        outcome = self.read(item)
        result = None if outcome.result is None else self.then(outcome.result)
        return replace(cast("Outcome[Result]", outcome), result=result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Labels that cannot be used as files: no image belongs to them, or another file speaks for it already."""

    files: tuple[str, ...]
    doubled: Mapping[str, str]

    def lines(self, read: PerImageReader[Content, Entry]) -> Iterator[BadLine]:
        """All their labels, for the quarantine."""
        for label in self.files:
            yield from read.all_lines(label, NO_IMAGE)
        for label, other in self.doubled.items():
            yield from read.all_lines(label, f"{other} speaks for the same image already; keep one of the two")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerImageSource(Generic[Content, Entry]):
    """Labels in a format with one label file an image; see `AnnotationSource`.

    Attributes:
        format: Name of the format.
        reason: Why it was recognised.
        images: Folder that file names are relative to.
        labels: The classes.
        items: The images, sorted by name.
        read: Reads one of them.
        orphans: Label files that belong to no image.
        class_hint: Where the class names came from, for the error when no label fits them.
        notes: What is worth telling.
    """

    format: str
    reason: str
    images: Path
    labels: LabelSet
    items: Sequence[Item]
    read: PerImageReader[Content, Entry]
    orphans: Orphans
    class_hint: str
    notes: Notes = field(default_factory=Notes)

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.items)

    def records(self, bad: Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        """The images with their annotations; see `AnnotationSource.records`."""
        return self._run(self.read, bad, report, jobs=1)

    def mapped(
        self, then: Callable[[ImageRecord], Result], bad: Bad, *, report: Report = silent, jobs: int = 1
    ) -> Iterator[Result]:
        """What `then` makes of each record; see `AnnotationSource.mapped`."""
        return self._run(_Then(self.read, then), bad, report, jobs=jobs)

    def _run(self, read: Callable[[Item], Outcome[Result]], bad: Bad, report: Report, *, jobs: int) -> Iterator[Result]:
        meter = BadMeter(self.total, report, bad)
        for line in self.orphans.lines(self.read):
            meter.bad(line)
        annotations = unknown = unscored = 0
        for outcome in ordered_map(read, self.items, jobs=jobs):
            for line in outcome.bad:
                meter.bad(line)
            for kind, example in outcome.notes:
                self.notes.add(kind, example)
            unknown += outcome.unknown
            unscored += outcome.unscored
            annotations += outcome.annotations
            if outcome.result is not None:
                yield outcome.result
            meter.step()
        if unscored and not annotations:
            raise no_scores(unscored, self.images)
        if unknown and not annotations:
            known = counted(len(self.labels.names), "class", "classes")
            what = f"no label names one of the {known} in the class file ({unknown:,} were read)"
            fix = "lengthen the class file, or name the one that belongs to these labels (classes=FILE, --classes FILE)"
            raise DataError(what, where=self.class_hint, fix=fix)
        meter.close()

    def note_pairs(self, found: Pairs) -> None:
        """Note what matching images and label files brought to light."""
        for item in self.items:
            if item.label is None:
                self.notes.add("images without a label file, kept as not labelled", item.name)
        for name in self.orphans.files:
            self.notes.add("label files without an image, in the quarantine", name)
        for label, images in found.shared.items():
            self.notes.add(
                "label files that several images share, each gets the labels", f"{label} ({', '.join(images)})"
            )
        if found.by_name:
            self.notes.say("no label file stands at the path of its image, so they were matched by name alone")
