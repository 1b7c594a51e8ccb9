"""Formats with one label file an image: what their readers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.block import Block
from rcg.annotations.checks import NoScore, UnknownClass, Unusable
from rcg.annotations.columns import Columns, Marks, without
from rcg.annotations.items import Item, changed_at
from rcg.annotations.sizes import image_size
from rcg.annotations.source import (
    ALL_REFUSED,
    CLIPPED,
    OTHER_KIND,
    Counted,
    Read,
)
from rcg.images import Size
from rcg.types import Annotation, BadLine, ImageRecord

Content = TypeVar("Content")
Entry = TypeVar("Entry")

Note = Callable[[str, str], None]


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
            raise Unusable(
                f"the label file cannot be read ({error.strerror}); make it readable, or copy it again"
            ) from error

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
