"""Formats with one label file for many images: what their readers have in common.

A first walk over the file finds its images and where their labels stand; the labels themselves are read image by image,
so that memory grows with the images and by a few bytes a label.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from rcg.annotations.checks import NoScore, UnknownClass, Unusable
from rcg.annotations.finding import FIRST, find_images, name_below
from rcg.annotations.place import Place
from rcg.annotations.sizes import image_size
from rcg.annotations.source import (
    ALL_REFUSED,
    CLIPPED,
    OTHER_KIND,
    OTHER_SIZE,
    Bad,
    BadMeter,
    Notes,
    RecordSource,
    no_known_class,
    no_scores,
)
from rcg.annotations.split import split_of_path
from rcg.annotations.textfile import Located
from rcg.files import stamp_of
from rcg.images import Size
from rcg.progress import Report, silent
from rcg.types import Annotation, BadLine, ImageRecord, LabelSet

Entry = TypeVar("Entry")
File = TypeVar("File", bound=Located)

NOT_THERE = "images that are not there, so their sizes are as the file says"
SEVERAL = "images that several entries name, read as one"
NOT_LABELLED = "images that the label file does not name, kept as not labelled"

Span = tuple[int, int, int]
"""The number of a file, and begin and end in bytes."""


@dataclass(slots=True)
class Mention:
    """An image as a label file names it.

    Attributes:
        part: The number of the label file.
        names: What its file may be called, likeliest first.
        unseen: What to call it where no image is at hand.
        size: What the label file says; None where it says nothing.
        split: Its split, where the label file says so.
        labelled: Whether somebody looked at it.
        spans: Begin and end in bytes of each part of the file that speaks of it.
    """

    part: int
    names: tuple[str, ...]
    unseen: str
    size: Size | None = None
    split: str | None = None
    labelled: bool = True
    spans: array[int] = field(default_factory=lambda: array("q"))

    def each(self) -> Iterator[tuple[int, int]]:
        """Begin and end of each part of the file that speaks of it."""
        yield from zip(self.spans[::2], self.spans[1::2], strict=True)


@dataclass(slots=True)
class Row:
    """One image file with everything that names it."""

    name: str
    mentions: list[Mention]
    split: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a set, and where its images are.

    Attributes:
        images: The folder that file names are relative to.
        there: For each label file, whether its images are there; else sizes are as the file says.
        rows: The images, sorted by name.
    """

    images: Path
    there: tuple[bool, ...]
    rows: list[Row]


def locate(place: Place, files: Sequence[Path], mentions: Iterable[Mention], notes: Notes) -> Found:
    """Find the images that label files name.

    Args:
        place: The source.
        files: The label files.
        mentions: What they name.
        notes: Takes what is worth telling.
    """
    mentions = list(mentions)
    first: list[list[Sequence[str]]] = [[] for _ in files]
    for each in mentions:
        if len(first[each.part]) < FIRST:
            first[each.part].append(each.names)
    images, folders = find_images(place, files, first)
    rows: dict[str, Row] = {}
    for each in mentions:
        folder, path = folders[each.part], files[each.part]
        if folder is not None:
            name = name_below(each.names, folder, images)
        else:
            name = f"{path.stem}/{each.unseen}" if len(files) > 1 else each.unseen
        if name in rows:
            rows[name].mentions.append(each)
            notes.add(SEVERAL, name)
        else:
            split = each.split or split_of_path(name) or split_of_path(f"{path.parent.name}/x")
            rows[name] = Row(name, [each], split)
    there = tuple(folder is not None for folder in folders)
    return Found(images, there, sorted(rows.values(), key=lambda row: row.name))


@dataclass(frozen=True, kw_only=True)
class ListedSource(RecordSource, Generic[File, Entry]):
    """Labels of many images in one file, or in one a split; see `AnnotationSource`.

    Attributes:
        format: Name of the format.
        reason: Why it was recognised.
        images: Folder that file names are relative to.
        labels: The classes.
        place: The source, for the names in messages.
        files: The label files.
        there: For each label file, whether its images are there.
        rows: The images, sorted by name.
        bad: What the first walk left out, and why.
        need_score: Whether a label without a score is left out.
        class_hint: Where the class names came from, for the error when no label fits them.
        notes: What is worth telling.
    """

    format: str
    reason: str
    images: Path
    labels: LabelSet
    place: Place
    files: Sequence[Path]
    there: tuple[bool, ...]
    rows: list[Row]
    bad: Sequence[tuple[Span, str]]
    need_score: bool
    class_hint: str
    notes: Notes = field(default_factory=Notes)

    @abstractmethod
    def opened(self, path: Path) -> File:
        """A label file, opened."""

    @abstractmethod
    def entries(self, file: File, begin: int, end: int) -> Iterable[Entry]:
        """The labels in a part of a file that speaks of one image; raises Unusable where it cannot be read."""

    @abstractmethod
    def annotation(self, entry: Entry, size: Size) -> tuple[Annotation, bool]:
        """One label, and whether it was clipped; raises Unusable."""

    @abstractmethod
    def place_of(self, file: File, begin: int, end: int, entry: Entry) -> tuple[int, str]:
        """Line number and text of a label, for the quarantine."""

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.rows)

    @property
    def key(self) -> str:
        """The label files, by size and time."""
        return repr([(str(path), stamp_of(path)) for path in self.files])

    def records(self, bad: Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        """The images with their annotations; see `AnnotationSource.records`."""
        meter, sums = BadMeter(self.total, report, bad), _Sums()
        with ExitStack() as stack:
            files = [self.opened(path) for path in self.files]
            for file in files:
                stack.enter_context(file)
            for span, reason in self.bad:
                meter.bad(self._bad_part(files, span, reason))
            for row in self.rows:
                record = self._record(row, files, meter.bad, sums)
                if record is not None:
                    yield record
                meter.step()
        self._check(sums)
        meter.close()

    def _check(self, sums: _Sums) -> None:
        if sums.unscored and not sums.found:
            raise no_scores(sums.unscored, self.place.file or self.place.root)
        if sums.unknown and not sums.found:
            raise no_known_class(sums.unknown, self.labels.names, self.class_hint)

    def _bad_part(self, files: Sequence[File], span: Span, reason: str) -> BadLine:
        part, begin, end = span
        shown, text = self.place.shown(files[part].path), files[part].text(begin, end)
        return BadLine(file=shown, line=files[part].line(begin), reason=reason, text=text)

    def _record(self, row: Row, files: Sequence[File], bad: Bad, sums: _Sums) -> ImageRecord | None:
        """One image, or None where it is in the quarantine."""
        try:
            size = self._size(row)
        except Unusable as error:
            bad(BadLine(file=self.place.prefix(self.images) + row.name, line=None, reason=str(error)))
            reason = f"its image {row.name} cannot be read; copy or export it again"
            for file, begin, end, entry in self._entries(row, files, bad):
                bad(self._bad(file, begin, end, entry, reason))
            return None
        found: list[Annotation] = []
        refused = 0

        def count(line: BadLine) -> None:
            nonlocal refused
            refused += 1
            bad(line)

        for file, begin, end, entry in self._entries(row, files, count):
            try:
                annotation, clipped = self.annotation(entry, size)
            except Unusable as error:
                sums.unscored += isinstance(error, NoScore)
                sums.unknown += isinstance(error, UnknownClass)
                count(self._bad(file, begin, end, entry, str(error)))
                continue
            found.append(annotation)
            if clipped:
                self.notes.add(CLIPPED, row.name)
        sums.found += len(found)
        if refused and not found:  # what cannot be read is no background
            self.notes.add(ALL_REFUSED, row.name)
        return ImageRecord(
            file_name=row.name,
            width=size.width,
            height=size.height,
            annotations=tuple(found),
            labelled=bool(found) or (not refused and any(each.labelled for each in row.mentions)),
            split=row.split,
        )

    def _entries(self, row: Row, files: Sequence[File], bad: Bad) -> Iterator[tuple[File, int, int, Entry]]:
        for mention in row.mentions:
            file = files[mention.part]
            for begin, end in mention.each():
                try:
                    entries = list(self.entries(file, begin, end))
                except Unusable as error:
                    bad(self._bad_part(files, (mention.part, begin, end), str(error)))
                    continue
                for entry in entries:
                    yield file, begin, end, entry

    def _bad(self, file: File, begin: int, end: int, entry: Entry, reason: str) -> BadLine:
        line, text = self.place_of(file, begin, end, entry)
        return BadLine(file=self.place.shown(file.path), line=line, reason=reason, text=text[:200])

    def _size(self, row: Row) -> Size:
        """The image's size, or what the label file says where there is no image at all."""
        said = next((each.size for each in row.mentions if each.size is not None), None)
        if row.mentions and not self.there[row.mentions[0].part]:
            if said is None:
                raise Unusable("neither the file nor an image says its width and height; name the images' folder")
            self.notes.add(NOT_THERE, row.name)
            return said
        size, other_kind = image_size(self.images, row.name)
        if other_kind is not None:
            self.notes.add(OTHER_KIND, f"{row.name} ({other_kind})")
        if said is not None and said != size:
            text = f"{row.name} ({said.width} x {said.height} there, {size.width} x {size.height} in the image)"
            self.notes.add(OTHER_SIZE, text)
        return size


@dataclass(slots=True)
class _Sums:
    found: int = 0
    unknown: int = 0
    unscored: int = 0


def size_said(width: Any, height: Any) -> Size | None:
    """The size that a label file says; None where it is none.

    Example:
        >>> size_said("200", 100.0), size_said("", 3), size_said(0, 5)
        (Size(width=200, height=100), None, None)
    """
    try:
        across, down = int(float(width)), int(float(height))
    except (TypeError, ValueError, OverflowError):
        return None
    return Size(across, down) if 0 < across < 1 << 31 and 0 < down < 1 << 31 else None


def number_of(value: Any, what: str) -> float:
    """A number that a label file says, as text or as a number.

    Args:
        value: What stands there.
        what: What it is called there.

    Raises:
        Unusable: If it is none.
    """
    refusal = f"{what} is {value!r}, not a number; correct it"
    if isinstance(value, bool | None) or (isinstance(value, str) and "_" in value):
        raise Unusable(refusal)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable(refusal) from error


def whole_number_of(value: Any, what: str) -> int:
    """A whole number that a label file says, as text or as a number; arguments as in `number_of`.

    Raises:
        Unusable: If it is none.
    """
    number = number_of(value, what)
    if not number.is_integer():
        raise Unusable(f"{what} is {value!r}, not a whole number; correct it")
    return int(number)
