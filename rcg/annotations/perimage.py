"""Formats with one label file an image: what their readers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from rcg.annotations.checks import Unusable
from rcg.annotations.parallel import ordered_map
from rcg.annotations.place import Pairs, image_size
from rcg.annotations.source import Bad, BadMeter, Notes
from rcg.errors import DataError
from rcg.images import Size
from rcg.progress import Report, silent
from rcg.types import Annotation, BadLine, ImageRecord, LabelSet

Entry = TypeVar("Entry")

CLIPPED = "labels clipped to the image"
OTHER_KIND = "images whose name claims another kind"
OTHER_SIZE = "images with another size than the label file says; the image's own counts"
NO_IMAGE = "no image belongs to this label file; add the image, or remove the file"


class UnknownClass(Unusable):
    """A class that no name belongs to."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image: its name, its label file if it has one, and its split if its source says so."""

    name: str
    label: str | None
    split: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reading one image gave.

    Attributes:
        record: The image, or None where it went to quarantine.
        bad: Lines and files that were left out.
        notes: Kind and example of what is worth telling.
        unknown: How many labels named a class that does not exist.
    """

    record: ImageRecord | None
    bad: tuple[BadLine, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    unknown: int = 0


@dataclass(frozen=True, kw_only=True)
class PerImageReader(ABC, Generic[Entry]):
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
    def entries(self, label: str) -> Iterable[Entry]:
        """The labels in a file, unparsed; raises Unusable where the file as a whole cannot be read."""

    @abstractmethod
    def annotation(self, entry: Entry, size: Size) -> tuple[Annotation, bool]:
        """One label, and whether it was clipped; raises Unusable."""

    @abstractmethod
    def locate(self, label: str, entry: Entry) -> tuple[int | None, str]:
        """Line number and text of a label, for the quarantine."""

    def size(self, item: Item, note: Callable[[str, str], None]) -> Size:
        """The image's size; raises Unusable."""
        size, other_kind = image_size(self.images, item.name)
        if other_kind is not None:
            note(OTHER_KIND, f"{item.name} ({other_kind})")
        return size

    def remark(self, label: str, size: Size, note: Callable[[str, str], None]) -> None:
        """Note what a label file as a whole gives reason to."""

    def __call__(self, item: Item) -> Outcome:
        """The image's record, and what was left out of it."""
        notes: list[tuple[str, str]] = []
        bad: list[BadLine] = []
        found: list[Annotation] = []
        unknown = 0

        def note(kind: str, example: str) -> None:
            notes.append((kind, example))

        try:
            size = self.size(item, note)
        except Unusable as error:
            bad.append(BadLine(file=self.images_shown + item.name, line=None, reason=str(error)))
            if item.label is not None:
                bad += self.all_lines(item.label, f"its image {item.name} cannot be read; copy or export it again")
            return Outcome(None, tuple(bad), tuple(notes))
        try:
            for entry in self.entries(item.label) if item.label is not None else ():
                try:
                    annotation, clipped = self.annotation(entry, size)
                except Unusable as error:
                    bad.append(self._bad(str(item.label), entry, str(error)))
                    unknown += isinstance(error, UnknownClass)
                    continue
                found.append(annotation)
                if clipped:
                    note(CLIPPED, f"{self.root_shown}{item.label}")
            if item.label is not None:
                self.remark(item.label, size, note)
        except Unusable as error:
            bad.append(BadLine(file=f"{self.root_shown}{item.label}", line=None, reason=str(error)))
        record = ImageRecord(
            file_name=item.name,
            width=size.width,
            height=size.height,
            annotations=tuple(found),
            labelled=item.label is not None,
            split=item.split,
        )
        return Outcome(record, tuple(bad), tuple(notes), unknown)

    def all_lines(self, label: str, reason: str) -> list[BadLine]:
        """Every label of a file as left out for one reason; the file itself where there is none in it."""
        try:
            bad = [self._bad(label, entry, reason) for entry in self.entries(label)]
        except Unusable:
            bad = []
        return bad or [BadLine(file=self.root_shown + label, line=None, reason=reason)]

    def _bad(self, label: str, entry: Entry, reason: str) -> BadLine:
        line, text = self.locate(label, entry)
        return BadLine(file=self.root_shown + label, line=line, reason=reason, text=text[:200])


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Labels that cannot be used as files: no image belongs to them, or another file speaks for it already."""

    files: tuple[str, ...]
    doubled: Mapping[str, str]

    def lines(self, read: PerImageReader[Entry]) -> Iterator[BadLine]:
        """All their labels, for the quarantine."""
        for label in self.files:
            yield from read.all_lines(label, NO_IMAGE)
        for label, other in self.doubled.items():
            yield from read.all_lines(label, f"{other} speaks for the same image already; keep one of the two")


@dataclass(frozen=True, slots=True, kw_only=True)
class PerImageSource(Generic[Entry]):
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
    read: PerImageReader[Entry]
    orphans: Orphans
    class_hint: str
    notes: Notes = field(default_factory=Notes)

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.items)

    def records(self, bad: Bad, *, report: Report = silent, jobs: int = 1) -> Iterator[ImageRecord]:
        """The images with their annotations; see `AnnotationSource.records`."""
        meter = BadMeter(self.total, report, bad)
        for line in self.orphans.lines(self.read):
            meter.bad(line)
        read = unknown = 0
        for outcome in ordered_map(self.read, self.items, jobs=jobs):
            for line in outcome.bad:
                meter.bad(line)
            for kind, example in outcome.notes:
                self.notes.add(kind, example)
            unknown += outcome.unknown
            if outcome.record is not None:
                read += len(outcome.record.annotations)
                yield outcome.record
            meter.step()
        if unknown and not read:
            what = f"none of the {unknown:,} labels names one of the {len(self.labels.names)} classes"
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
