"""What is learned from a dataset: the images of each split with their boxes, checked at the door."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rcg.annotations.split import SPLITS, ways_to_fill
from rcg.errors import DataError
from rcg.types import ImageRecord, LabelSet

if TYPE_CHECKING:
    from rcg.datasets import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """Images and boxes for detection, by split.

    Attributes:
        name: The dataset's name.
        images: The folder that file names are relative to.
        cache: Where decoded images are kept.
        labels: The classes.
        splits: The records of "train", "val" and "test".
        cards: The physical card of each image.
        version: The id of the dataset's version.
        notes: What the reader should know about it, one sentence each.

    Raises:
        DataError: If photos of one card stand in two splits, or an annotation has a class that is not in `labels`.
    """

    name: str
    images: Path
    cache: Path
    labels: LabelSet
    splits: Mapping[str, tuple[ImageRecord, ...]]
    cards: Mapping[str, str]
    version: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for split, records in self.splits.items():
            for record in records:
                card = self.cards[record.file_name]
                if seen.setdefault(card, split) != split:
                    what = f"card {card!r} stands in {seen[card]} and in {split}: the test would flatter the model"
                    raise DataError(what, where=self.name, fix="put all photos of a card in one split (splits.json)")
                for annotation in record.annotations:
                    if annotation.label not in self.labels.names:
                        what = f"the class {annotation.label!r} is not among the dataset's classes"
                        raise DataError(what, where=record.file_name, fix="add it to the classes in dataset.toml")

    def boxes(self, split: str) -> int:
        """Annotations of a split, crowds left out."""
        return sum(not each.crowd for record in self.splits[split] for each in record.annotations)

    def without(self, file_names: Collection[str], *, note: str) -> TrainingData:
        """The data without some images, with a note that says so."""
        kept = {split: tuple(each for each in those if each.file_name not in file_names)
                for split, those in self.splits.items()}  # fmt: skip
        return replace(self, splits=kept, notes=(*self.notes, note))

    def card_count(self, split: str) -> int:
        """Physical cards of a split."""
        return len({self.cards[record.file_name] for record in self.splits[split]})


def read_training_data(dataset: Dataset) -> TrainingData:
    """A dataset as it is trained on: labelled images by split.

    Images that no label file spoke of are left out: they are unlabelled, not empty.

    Raises:
        DataError: If nothing can be trained on this type of dataset, or a card stands in two splits.
    """
    if not dataset.type.architectures:
        what = f"nothing here trains datasets of type {dataset.type.name}"
        raise DataError(what, where=dataset.name, fix="use a type with boxes, such as surface_damage or custom")
    found, assigned, notes = dataset.records(), dataset.splits(), []
    labelled = [record for record in found if record.labelled]
    if unlabelled := len(found) - len(labelled):
        notes.append(f"{unlabelled:,} images without labels are not trained on: they are unlabelled, not empty")
    by_split: dict[str, list[ImageRecord]] = {split: [] for split in SPLITS}
    for record in labelled:
        by_split[assigned.of(record.file_name)].append(record)
    cards = {record.file_name: assigned.cards[record.file_name] for record in labelled}
    return TrainingData(
        name=dataset.name,
        images=dataset.images,
        cache=dataset.cache,
        labels=dataset.labels,
        splits={split: tuple(records) for split, records in by_split.items()},
        cards=cards,
        version=dataset.version().id,
        notes=tuple(notes),
    )


def check_trainable(data: TrainingData) -> None:
    """Refuse a training without anything to learn from or to validate on.

    Raises:
        DataError: If the train or val split is empty, or no training image carries a box.
    """
    labelled = {split: len(records) for split, records in data.splits.items()}
    for what, fix in refusals(data.name, labelled, boxes=data.boxes("train")):
        raise DataError(what, where=data.name, fix=fix)


def refusals(dataset: str, labelled: Mapping[str, int], *, boxes: int) -> Iterator[tuple[str, str]]:
    """Why a training would be refused, and what to do about it; nothing where it would not be.

    Args:
        dataset: The dataset's name.
        labelled: Labelled images by split.
        boxes: Annotations of the training images, crowds left out.
    """
    for split in ("train", "val"):
        if not labelled[split]:
            others = ", ".join(f"{labelled[each]:,} in {each}" for each in SPLITS if each != split)
            yield f"the {split} split has no labelled images ({others})", ways_to_fill(split, dataset)
    if labelled["train"] and not boxes:
        yield "no training image carries a box", f"add labels: rcg dataset add {dataset} --labels FOLDER"


def limited(data: TrainingData, count: int | None) -> TrainingData:
    """The data with at most `count` images of each split, images with boxes first."""
    if count is None:
        return data
    kept = {
        split: tuple(sorted(records, key=lambda record: (not record.annotations, record.file_name))[:count])
        for split, records in data.splits.items()
    }
    return replace(data, splits=kept)
