"""Sources with one label file an image: read run by run, here or by workers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic

from rcg.annotations.checks import flat_boxes, widening
from rcg.annotations.items import Item, seal, size_of
from rcg.annotations.pairing import Pairs
from rcg.annotations.parallel import ordered_map
from rcg.annotations.perimage import Content, Entry, PerImageReader
from rcg.annotations.source import RUN, AnnotationSource, Notes, Read, Sums, no_known_class, no_scores
from rcg.types import BadLine, LabelSet

NO_IMAGE = "no image belongs to this label file; add the image, or remove the file"


_RUN_BYTES = 1 << 20


_SOME = 8


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
            raise no_known_class(sums.unknown, self.labels.names, self.class_hint)

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
        for name in found.by_case:
            kind = "label files whose name differs from the image's in upper and lower case only, taken for theirs"
            self.notes.add(kind, f"{found.label_of[name]} ({name})")
        if found.by_name:
            self.notes.say("no label file stands at the path of its image, so they were matched by name alone")
