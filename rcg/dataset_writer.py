"""Changes a dataset's own files; only to be had from `Dataset.writing`, which holds the lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from rcg.annotations import CocoWriter
from rcg.datasets import GROUND_TRUTH, Dataset, Splits
from rcg.files import write_json, write_text
from rcg.geometry import clip_box
from rcg.types import Annotation, ImageRecord


@dataclass(frozen=True, slots=True)
class DatasetWriter:
    """What changes a dataset's files, while nobody else does.

    Attributes:
        dataset: The dataset.
    """

    dataset: Dataset

    def change(self, **values: Any) -> None:
        """Change entries of dataset.toml."""
        text = tomli_w.dumps({**self.dataset.config(), **values})
        write_text(self.dataset.path / "dataset.toml", text)

    def learn_classes(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Add class names that are new here to dataset.toml, behind the known ones; returns the new ones."""
        known = self.dataset.config()["classes"]
        new = tuple(dict.fromkeys(label for label in labels if label not in known))
        if new:
            self.change(classes=[*known, *new])
        return new

    def write_records(
        self, records: Iterable[ImageRecord], *, stage: str = GROUND_TRUTH, name: str | None = None
    ) -> Path:
        """Replace the labels of a stage.

        Records get the image ids that the ground truth knows them by, and images new to it the next numbers. Boxes are
        cut to the image.
        """
        file = self.dataset.labels_file(stage, name)
        ids = {record.file_name: record.image_id for record in self.dataset.records(corrected=False)}
        last = max((number for number in ids.values() if number), default=0)
        with CocoWriter(file, self.dataset.labels) as out:
            for record in sorted(records, key=lambda each: each.file_name):
                number = ids.get(record.file_name)
                if number is None:
                    last += 1
                    number = last
                out.add(replace(record, image_id=number, annotations=_inside(record)))
        return file

    def store_splits(self) -> Splits:
        """Write the splits down, so that they stay as they are when cards come and go."""
        splits, settings = self.dataset.splits(), self.dataset.settings
        rule = {"seed": settings.split_seed, "val_share": settings.val_share, "test_share": settings.test_share}
        cards = dict(sorted(splits.assigned.items()))
        write_json(self.dataset.path / "splits.json", {"rule": rule, "cards": cards})
        return splits


def _inside(record: ImageRecord) -> tuple[Annotation, ...]:
    """The annotations with their boxes cut to the image; what lies outside of it altogether is left out."""
    cut = [(each, clip_box(each.box, record.width, record.height)) for each in record.annotations]
    return tuple(each if box is each.box else replace(each, box=box) for each, box in cut if box is not None)
