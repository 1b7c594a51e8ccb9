"""What an import brought, and what of it is kept with the dataset."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from rcg.dataset_types import BOX, KEYPOINTS, POLYGON
from rcg.datasets import Dataset, Splits
from rcg.files import read_jsonl, write_bytes
from rcg.importing.call import printable
from rcg.importing.index import AddedIndex, Known, Reading
from rcg.progress import counted
from rcg.types import BadLine, ImageRecord

_SHOWN = 5
_MANY_A_CARD = 10  # images of one card on average: more than views of it, unless its name was mistaken


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What an import brought.

    Attributes:
        images: Images that the source holds and the dataset now has.
        new: How many of them were not in the dataset before.
        annotations: Annotations of these images.
        labelled: Images that a label file spoke of.
        dropped: Lines, records and images that were left out.
        quarantine: The file that lists them, or None.
        format: What the labels were read as; "images" where there are none.
        reason: Why they were recognised as that.
        notes: What else is worth knowing, one sentence each.
        unchanged: How many images and their labels were as in an earlier import, and so not opened.
        places: How many images say where they were taken.
        changed: Annotations that are new, gone or others in images that the dataset had.
    """

    images: int
    new: int
    annotations: int
    labelled: int
    dropped: int
    quarantine: Path | None
    format: str
    reason: str
    notes: tuple[str, ...]
    unchanged: int = 0
    places: int = 0
    changed: int = 0

    @property
    def brought(self) -> str:
        """What became different, such as "3 images added"."""
        new = counted(self.new, "image")
        return f"{new} new, {counted(self.changed, 'annotation')} changed," if self.changed else f"{new} added"


@dataclass(slots=True)
class Sums:
    """What has been seen so far in an import.

    Attributes:
        images: Images that are in the dataset now.
        unchanged: How many of them were not opened.
        annotations: Their annotations.
        labelled: How many a label file spoke of.
        places: How many originals say where they were taken.
        left: How many files in the dataset say it.
        converted: How many were written in another format.
        labels: Annotations by class, of those that were read.
        kinds: Annotations by geometry, of those that were read.
    """

    images: int = 0
    unchanged: int = 0
    annotations: int = 0
    labelled: int = 0
    places: int = 0
    left: int = 0
    converted: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, record: ImageRecord) -> None:
        """Count a record that was read."""
        self.images += 1
        self.annotations += len(record.annotations)
        self.labelled += record.labelled
        for each in record.annotations:
            self.labels[each.label] += 1
            self.kinds[POLYGON] += bool(each.polygons or each.rle)
            self.kinds[KEYPOINTS] += each.keypoints is not None

    def pass_over(self, known: Known, reading: Reading) -> None:
        """Count an image that was not opened."""
        self.images += 1
        self.unchanged += 1
        self.annotations += reading.annotations
        self.labelled += reading.labelled
        self.places += known.place > 0
        self.left += known.place == 1

    def notes(self, dataset: Dataset, *, link: bool) -> Iterator[str]:
        """What is worth saying of it."""
        yield from self._about_schema(dataset)
        if self.converted:
            photos = counted(self.converted, "HEIC or AVIF photo")
            kept = f"{photos} kept as JPEG of high quality (PNG with transparency)"
            yield f"{kept}, since training and FiftyOne cannot read them; the originals are untouched"
        if not self.places:
            return
        said = f"{counted(self.places, 'image')} of {self.images:,} say where they were taken (GPS)"
        if not self.left:
            yield f"{said}; that was taken out of the copies"
        elif link:
            yield f"{said}; the dataset links to them, so that whoever gets these files learns the place"
        else:
            yield f"{said}; to take that out of the copies, add them again with remove_gps (--remove-gps)"

    def _about_schema(self, dataset: Dataset) -> Iterator[str]:
        """Where the labels are not what the dataset's type asks for."""
        kind = dataset.type
        strange = Counter({label: n for label, n in self.labels.items() if kind.labels and label not in kind.labels})
        if strange:
            counts = ", ".join(f"{label} ({count})" for label, count in strange.most_common(_SHOWN))
            counts += f" and {len(strange) - _SHOWN:,} more" if len(strange) > _SHOWN else ""
            yield f"these classes are not in the schema of {kind.name}, and were kept: {counts}"
        if self.labels and BOX not in kind.geometry and not any(self.kinds[each] for each in kind.geometry):
            wanted = " or ".join(sorted(kind.geometry))
            yield f"a dataset of type {kind.name} asks for {wanted}, these labels have boxes only"


def about_gone(dataset: Dataset, index: AddedIndex, folder: str) -> Iterator[str]:
    """That images which were added from a folder are not in it any more."""
    gone = {path: kept for path, kept in index.below(folder) if not os.path.lexists(path)}
    if not gone:
        return
    stay = {kept for path, kept in index.below(folder) if path not in gone}  # moved within the folder
    names = dataset.names()
    found = sorted(path for path, kept in gone.items() if kept not in stay and kept in names)
    if not found:
        return
    first = printable(os.path.relpath(found[0], folder))
    said = f"{counted(len(found), 'image')} of this source {'is' if len(found) == 1 else 'are'} gone from the folder"
    if all(dataset.images.joinpath(gone[path]).exists() for path in found):
        yield f"{said}; the dataset keeps what it has of them; the first is {first}"
    else:
        yield f"{said}, and the dataset's links lead nowhere: put them back; the first is {first}"


def about_cards(dataset: Dataset, splits: Splits) -> Iterator[str]:
    """That many images are taken for one card, which a whole split then consists of."""
    images, cards = len(splits.cards), len(set(splits.cards.values()))
    if images <= _MANY_A_CARD * cards:
        return
    pattern = dataset.config().get("card_pattern")
    rule = f"the card pattern {pattern}" if pattern else "the file names"
    fix = "all images of a card go to one split; if these are more cards, make the dataset with another --card-pattern"
    yield f"by {rule}, {images:,} images show {counted(cards, 'card')}: {fix}"


def write_quarantine(dataset: Dataset, lines: Sequence[BadLine], *, source: str, stage: str) -> Path | None:
    """Put what was left out into the dataset's quarantine, in the place of what an earlier call of the source left out.

    Returns:
        The file; None where nothing was left out.
    """
    file = dataset.path / "quarantine.jsonl"
    others = [each for each in read_jsonl(file) if not _of(each, source, stage)]
    if not lines and (not file.exists() or len(others) == sum(1 for _ in read_jsonl(file))):
        return None
    now = time.time()
    mine = [{"time": now, "source": source, "stage": stage, **_printable(line)} for line in lines]
    write_bytes(file, b"".join(orjson.dumps(each) + b"\n" for each in (*others, *mine)))
    return file if lines else None


def _of(record: object, source: str, stage: str) -> bool:
    if not isinstance(record, dict) or record.get("source") != source:
        return False
    return bool(record.get("stage", stage) == stage)


def _printable(line: BadLine) -> dict[str, object]:
    return {key: printable(value) if isinstance(value, str) else value for key, value in asdict(line).items()}
