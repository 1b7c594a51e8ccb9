"""Labels that are read with other class names: renamed, merged or dropped on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from rcg.annotations.block import Block
from rcg.annotations.mapping import ClassMap
from rcg.annotations.source import AnnotationSource, Counted, Read, Sums
from rcg.types import BadLine


class MappedSource(AnnotationSource):
    """A source with its classes as a map makes them.

    Args:
        source: What is read.
        class_map: What becomes of its classes.

    Raises:
        ConfigError: If the map names a class that the source does not have, or leaves none.
    """

    def __init__(self, source: AnnotationSource, class_map: ClassMap) -> None:
        self.labels = class_map.labels(source.labels)
        self.format, self.reason, self.images, self.notes = source.format, source.reason, source.images, source.notes
        self._source = source
        self._map = class_map
        self._indices = class_map.indices(source.labels.names)

    @property
    def total(self) -> int:
        """How many images there are."""
        return self._source.total

    @property
    def key(self) -> str:
        """The source's, and the map."""
        return f"{self._source.key}\0{self._map.texts()}"

    def before(self) -> Iterable[BadLine]:
        """What the source leaves out whatever the images hold."""
        return self._source.before()

    def same(self, start: int, count: int, *, stamp: str, since: float) -> bool:
        """Whether reading a run of images again would give what it gave."""
        return self._source.same(start, count, stamp=stamp, since=since)

    def check(self, sums: Sums) -> None:
        """Refuse what the source refuses."""
        self._source.check(sums)

    def reads(self, *, start: int = 0, jobs: int = 1) -> Iterator[Read]:
        """What reading gives, with the classes as the map makes them."""
        for read in self._source.reads(start=start, jobs=jobs):
            counted = Counted()
            for note in read.notes:
                counted.take(note)
            yield replace(read, block=self._mapped(read.block, counted), notes=counted.all())

    def _mapped(self, block: Block, counted: Counted) -> Block:
        names, starts = self._source.labels.names, block.starts
        moved = np.bincount(block.classes, minlength=len(names))
        for number in np.flatnonzero(moved).tolist():
            row = int(np.flatnonzero(block.classes == number)[0])
            image = int(np.searchsorted(starts, row, side="right")) - 1
            self._count(names[number], block.names[image], int(moved[number]), counted)
        for record in block.records.values():
            for annotation in record.annotations:
                self._count(annotation.label, record.file_name, 1, counted)
        kept = block.only(self._indices[block.classes] >= 0)
        records = {place: self._map.record(record) for place, record in block.records.items()}
        return replace(kept, classes=self._indices[kept.classes], records=records)

    def _count(self, old: str, file_name: str, count: int, counted: Counted) -> None:
        new = self._map.of(old)
        if new != old:
            kind = (
                f"annotations dropped with the class {old!r}" if new is None else f"annotations from {old!r} to {new!r}"
            )
            counted.take((kind, file_name, count))
