"""Changes a dataset's own files; only to be had from `Dataset.writing`, which holds the lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from rcg.annotations import CocoWriter
from rcg.datasets import GROUND_TRUTH, Dataset, Splits
from rcg.files import write_json, write_text
from rcg.geometry import clip_box
from rcg.progress import Report, silent
from rcg.types import Annotation, ImageRecord

if TYPE_CHECKING:
    from rcg.version_store import Version


@dataclass(frozen=True, slots=True)
class DatasetWriter:
    """What changes a dataset's files, while nobody else does.

    Attributes:
        dataset: The dataset.
    """

    dataset: Dataset

    def change(self, **values: Any) -> None:
        """Change entries of dataset.toml; None takes one out."""
        entries = {key: value for key, value in {**self.dataset.config(), **values}.items() if value is not None}
        write_text(self.dataset.path / "dataset.toml", tomli_w.dumps(entries))

    def learn_classes(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Add class names that are new here to dataset.toml, behind the known ones; returns the new ones."""
        known = self.dataset.config()["classes"]
        new = tuple(dict.fromkeys(label for label in labels if label not in known))
        if new:
            self.change(classes=[*known, *new])
        return new

    def store_version(self, note: str, *, report: Report = silent) -> Version:
        """Store what the dataset holds now, unless it is stored already; see `rcg.versions.store_version`."""
        from rcg.versions import store_version

        return store_version(self.dataset, note, report=report)

    def write_records(
        self, records: Iterable[ImageRecord], *, stage: str = GROUND_TRUTH, name: str | None = None
    ) -> Path:
        """Replace the labels of a stage.

        Records get the image ids that the ground truth knows them by, and images new to it the next numbers. Boxes are
        cut to the image.
        """
        file = self.dataset.labels_file(stage, name)
        ids = {record.file_name: record.image_id for record in self.dataset.heads()}
        last = max((number for number in ids.values() if number), default=0)
        with CocoWriter(file, self.dataset.labels) as out:
            for record in sorted(records, key=lambda each: each.file_name):
                number = ids.get(record.file_name)
                if number is None:
                    last += 1
                    number = last
                out.add(replace(record, image_id=number, annotations=inside(record)))
        return file

    def store_splits(self, wanted: Mapping[str, str] | None = None) -> Splits:
        """Write the splits down, so that they stay as they are when cards come and go.

        Args:
            wanted: The split of each image, where it is not to be what it is.
        """
        splits, settings = self.dataset.splits(), self.dataset.settings
        rule = {"seed": settings.split_seed, "val_share": settings.val_share, "test_share": settings.test_share}
        asked = {splits.cards[name]: split for name, split in (wanted or {}).items() if name in splits.cards}
        cards = {**self.dataset.stored_splits(), **splits.assigned, **asked}
        write_json(self.dataset.path / "splits.json", {"rule": rule, "cards": dict(sorted(cards.items()))})
        return self.dataset.splits() if asked else splits


def inside(record: ImageRecord) -> tuple[Annotation, ...]:
    """The annotations with their boxes cut to the image; what lies outside of it altogether is left out."""
    cut = [(each, clip_box(each.box, record.width, record.height)) for each in record.annotations]
    return tuple(each if box is each.box else replace(each, box=box) for each, box in cut if box is not None)
