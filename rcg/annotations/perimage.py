"""Formats with one label file an image: what their readers have in common."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, overload

import numpy as np
import xxhash
from numpy.typing import NDArray

from rcg.annotations.block import Block
from rcg.annotations.checks import NoScore, UnknownClass, Unusable, flat_boxes, widening
from rcg.annotations.columns import Columns, Marks, without
from rcg.annotations.parallel import ordered_map
from rcg.annotations.place import Pairs, image_size
from rcg.annotations.source import (
    ALL_REFUSED,
    CLIPPED,
    OTHER_KIND,
    RUN,
    AnnotationSource,
    Counted,
    Notes,
    Read,
    Sums,
    no_scores,
)
from rcg.errors import DataError
from rcg.images import Size
from rcg.progress import counted
from rcg.types import Annotation, BadLine, ImageRecord, LabelSet

Content = TypeVar("Content")
Entry = TypeVar("Entry")

Note = Callable[[str, str], None]

NO_IMAGE = "no image belongs to this label file; add the image, or remove the file"


class Item(NamedTuple):  # made once an image, four times as fast as a dataclass
    """One image: its name, its label file if it has one, and its split if its source says so."""

    name: str
    label: str | None
    split: str | None


class Items(Sequence[Item]):
    """The images of a source, each made when it is asked for: a million of them are kept as their names alone.

    Args:
        names: The images, sorted.
        label_of: Label file by image.
        split: Says which split an image is in.
    """

    def __init__(self, names: Sequence[str], label_of: Mapping[str, str], split: Callable[[str], str | None]) -> None:
        self._names, self._label_of, self._split = names, label_of, split

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, slice):
            of, split = self._label_of.get, self._split
            return [Item(name, of(name), split(name)) for name in self._names[place]]
        name = self._names[place]
        return Item(name, self._label_of.get(name), self._split(name))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reading one image gave.

    Attributes:
        result: The image; None where it went to quarantine.
        bad: Lines and files that were left out.
        notes: Kind and example of what is worth telling.
        unknown: How many labels named a class that does not exist.
        unscored: How many predictions had no score.
    """

    result: ImageRecord | None
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

    def block(self, items: Sequence[Item], names: Sequence[str]) -> Read:
        """A run of images with their labels; a format overrides it where columns can be filled faster than records.

        Args:
            items: The images.
            names: The classes, to number the labels.
        """
        return self.exact(items, names)

    def same(self, items: Sequence[Item], since: float) -> bool:
        """Whether no file of these images was changed, replaced or taken away since a time, in seconds since 1970."""
        labels = (f"{self.root}/{each.label}" for each in items if each.label is not None)
        images = (f"{self.images}/{each.name}" for each in items)
        return all(changed_at(path) < since for path in chain(images, labels))

    def assembled(
        self,
        items: Sequence[Item],
        found: Columns,
        *,
        odd: Marks,
        sizes: NDArray[np.int32],
        notes: Iterable[tuple[int, str, str]] = (),
    ) -> Read:
        """A run of images of which most labels are columns already; the odd ones are read for themselves.

        Args:
            items: n images.
            found: Their labels; images with a refused one are odd too.
            odd: (n,) images that need a closer look.
            sizes: (n, 2) width and height in pixels, of those that are not odd.
            notes: Image, kind and example of what is worth telling of those that are not odd.
        """
        odd = odd.copy()
        if found.refused.any():
            odd[np.repeat(np.arange(len(items)), found.counts)[found.refused]] = True
        found = without(found, odd)
        told = [each for each in notes if not odd[each[0]]]
        for row in np.flatnonzero(found.clipped):
            image = int(np.searchsorted(np.cumsum(found.counts), row, side="right"))
            told.append((image, CLIPPED, f"{self.root_shown}{items[image].label}"))
        outcomes = {image: self(items[image]) for image in np.flatnonzero(odd).tolist()}
        told += [(image, *note) for image, outcome in outcomes.items() for note in outcome.notes]
        noted = Counted()
        for _, kind, example in sorted(told, key=itemgetter(0)):
            noted.add(kind, example)
        kept = [image for image in range(len(items)) if image not in outcomes or outcomes[image].result is not None]
        place = {image: number for number, image in enumerate(kept)}
        records = {place[image]: each.result for image, each in outcomes.items() if each.result is not None}
        sizes = sizes[kept]
        for image, record in records.items():
            sizes[image] = record.width, record.height
        return Read(
            block=Block(
                names=[items[image].name for image in kept],
                sizes=sizes,
                labelled=np.array([items[image].label is not None for image in kept], np.bool_),
                splits=[items[image].split for image in kept],
                counts=found.counts[kept],
                classes=found.classes,
                boxes=found.boxes,
                scores=found.scores,
                rings=None if found.outlines is None else found.outlines.rings(found.boxes),
                records=records,
            ),
            images=len(items),
            bad=tuple(line for each in outcomes.values() for line in each.bad),
            notes=noted.all(),
            unknown=sum(each.unknown for each in outcomes.values()),
            unscored=sum(each.unscored for each in outcomes.values()),
        )

    def exact(self, items: Sequence[Item], names: Sequence[str]) -> Read:
        """A run of images, each read for itself.

        Args:
            items: The images.
            names: The classes, to number the labels.
        """
        outcomes = [self(item) for item in items]
        noted = Counted()
        for kind, example in (note for outcome in outcomes for note in outcome.notes):
            noted.add(kind, example)
        return Read(
            block=Block.of([each.result for each in outcomes if each.result is not None], names),
            images=len(items),
            bad=tuple(line for each in outcomes for line in each.bad),
            notes=noted.all(),
            unknown=sum(each.unknown for each in outcomes),
            unscored=sum(each.unscored for each in outcomes),
        )

    def __call__(self, item: Item) -> Outcome:
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


def read_labels(root: Path, items: Sequence[Item]) -> list[bytes | None]:
    """The label files of a run of images; b"" for an image without, None for a file that cannot be read."""
    inside = os.open(root, os.O_RDONLY)  # names relative to it are found faster than whole paths
    try:
        return [b"" if item.label is None else _content(inside, item.label) for item in items]
    finally:
        os.close(inside)


def _content(inside: int, name: str) -> bytes | None:
    try:
        handle = os.open(name, os.O_RDONLY, dir_fd=inside)
    except (OSError, ValueError):
        return None
    try:
        content = os.read(handle, _MOST)
        while len(content) % _MOST == 0 and (more := os.read(handle, _MOST)):
            content += more
    except OSError:
        return None
    finally:
        os.close(handle)
    return content


_MOST = 1 << 16  # more than nearly all label files have
_RUN_BYTES = 1 << 20
_SOME = 8


def changed_at(path: str) -> float:
    """When a file was last changed, renamed or put there, in seconds since 1970; infinity where it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast, once a file
    except (OSError, ValueError):
        return math.inf
    return max(found.st_mtime, found.st_ctime)


def size_of(path: str) -> int:
    """The bytes of a file; 0 where it is not there."""
    try:
        return os.stat(path).st_size  # noqa: PTH116 - as above
    except (OSError, ValueError):
        return 0


def seal(items: Sequence[Item]) -> str:
    """A hash of the names and splits of a run of images."""
    text = "\0".join(f"{each.name}\n{each.label}\n{each.split}" for each in items)
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True, slots=True)
class _Run(Generic[Content, Entry]):
    """A reader of runs of images, for a worker process."""

    read: PerImageReader[Content, Entry]
    names: tuple[str, ...]
    items: Sequence[Item]
    widen: bool

    def __call__(self, run: range) -> Read:
        began, items = time.time(), self.items[run.start : run.stop]
        with flat_boxes(widen=self.widen):  # a worker that was not forked does not know
            return replace(self.read.block(items, self.names), stamp=seal(items), began=began)


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
class PerImageSource(AnnotationSource, Generic[Content, Entry]):
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

    def before(self) -> Iterator[BadLine]:
        """The labels without an image."""
        return self.orphans.lines(self.read)

    def reads(self, *, start: int = 0, jobs: int = 1) -> Iterator[Read]:
        """What reading the images gives, run by run; see `AnnotationSource.reads`."""
        count = len(self.items)
        length = min(RUN, max(1, _RUN_BYTES // self._label_bytes()))
        runs = (range(at, min(at + length, count)) for at in range(start, count, length))
        jobs = min(jobs, 1) if count - start <= length else jobs  # one run is one worker's
        return ordered_map(_Run(self.read, self.labels.names, self.items, widening()), runs, jobs=jobs)

    def _label_bytes(self) -> int:
        """About how long a label file is, by some of them; a run of outlines should not fill the memory."""
        some = self.items[:: max(1, len(self.items) // _SOME)]
        sizes = [
            size for each in some if each.label is not None and (size := size_of(f"{self.read.root}/{each.label}"))
        ]
        return max(1, sum(sizes) // max(1, len(sizes)))

    def same(self, start: int, count: int, *, stamp: str, since: float) -> bool:
        """Whether reading a run of images would give what it gave; see `AnnotationSource.same`."""
        items = self.items[start : start + count]
        return len(items) == count and seal(items) == stamp and self.read.same(items, since)

    def check(self, sums: Sums) -> None:
        """Refuse labels that name no known class, and predictions without a score."""
        if sums.unscored and not sums.annotations:
            raise no_scores(sums.unscored, self.images)
        if sums.unknown and not sums.annotations:
            known = counted(len(self.labels.names), "class", "classes")
            what = f"no label names one of the {known} in the class file ({sums.unknown:,} were read)"
            fix = "lengthen the class file, or name the one that belongs to these labels (classes=FILE, --classes FILE)"
            raise DataError(what, where=self.class_hint, fix=fix)

    def note_pairs(self, found: Pairs) -> None:
        """Note what matching images and label files brought to light."""
        without = len(self.items) - len(found.label_of)
        if without:
            first = next(item.name for item in self.items if item.label is None)
            self.notes.add("images without a label file, kept as not labelled", first, without)
        for name in self.orphans.files:
            self.notes.add("label files without an image, in the quarantine", name)
        for label, images in found.shared.items():
            self.notes.add(
                "label files that several images share, each gets the labels", f"{label} ({', '.join(images)})"
            )
        if found.by_name:
            self.notes.say("no label file stands at the path of its image, so they were matched by name alone")
