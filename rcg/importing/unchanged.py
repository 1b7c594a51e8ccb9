"""Which images and labels are as they were when they were added, so that they need not be opened."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from rcg.datasets import GROUND_TRUTH, Dataset
from rcg.files import Stamp, stamp_of
from rcg.images import Size
from rcg.importing.call import Call, printable
from rcg.importing.index import NO_STAMP, AddedIndex, Known, Reading
from rcg.importing.ready import Ready
from rcg.importing.sources import Source, label_files, rows_of


class Unchanged:
    """Compares what stands in a source with what was added before.

    Args:
        dataset: Where it was added to.
        source: What is added.
        call: How it is asked for.
        given: Where its images really are.
        index: What was added before.
    """

    def __init__(self, dataset: Dataset, source: Source, call: Call, given: Ready, index: AddedIndex) -> None:
        self._source, self._given, self._index = source, given, index
        self._kept = str(dataset.images)
        self._truth = call.stage == GROUND_TRUTH  # predictions are replaced as a whole
        self._remove_gps = call.how.remove_gps

    def begin(self) -> None:
        """Forget earlier readings if the same label files would now mean something else."""
        source, names = self._source, list(self._source.labels.names)
        stamps = [list(stamp_of(path) or ()) for path in label_files(source)]
        rest = [source.format, printable(source.images), list(source.labels.keypoints), stamps]
        before = orjson.loads(self._index.signature) if self._index.signature else None
        if before is not None:
            longer = before[1] == names[: len(before[1])] or (source.format != "yolo" and set(before[1]) <= set(names))
            if before[0] != rest or not longer:
                self._index.forget_readings()
        self._index.begin(orjson.dumps([rest, names]).decode())

    def original(self, name: str) -> str:
        """Where an image of the source really is."""
        path = f"{self._source.images}/{name}"  # many times faster than Path, once an image
        return path if self._given.original is None else str(self._given.original(Path(path)))

    def key(self, path: str) -> str:
        """What an image is remembered as."""
        return path if self._given.known_as is None else str(self._given.known_as(Path(path)))

    def find(
        self, path: str, label: str | None, stamps: tuple[Stamp | None, Stamp | None], split: str | None
    ) -> tuple[Known, Reading] | None:
        """What is known of an image that did not change, nor its labels; None where it has to be opened.

        Args:
            path: Where it really is.
            label: Its own label file.
            stamps: What the two files are like.
            split: The split that its source puts it in.
        """
        if not self._truth:
            return None
        known, reading = self._index.look(self.key(path))
        if known is None or reading is None or stamps[0] != known.stamp or not self.still_there(known):
            return None
        same = (reading.label, reading.stamp, reading.split) == (label, stamps[1], split)
        return (known, reading) if same else None

    def rows(self) -> dict[str, tuple[Known, Reading]]:
        """The images of label files that speak of many, by name, where neither changed."""
        found: dict[str, tuple[Known, Reading]] = {}
        for name, split in rows_of(self._source) or ():
            path = self.original(name)
            if (same := self.find(path, None, (stamp_of(path), NO_STAMP), split)) is not None:
                found[name] = same
        return found

    def still_there(self, known: Known) -> bool:
        """Whether the file in the dataset is as it was brought there, and as it is wanted now."""
        try:
            size = os.stat(f"{self._kept}/{known.kept}").st_size  # noqa: PTH116 - faster, once a file
        except OSError:
            return False
        return size == known.kept_size and not (self._remove_gps and known.place == 1)

    def size(self, path: str) -> Size | None:
        """The size of an image that did not change since it was added."""
        found = self._index.size_of(self.key(path), stamp_of(path))
        return None if found is None else Size(*found)
