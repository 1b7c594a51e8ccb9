"""A dataset on disk: its type, its images, its labels by stage, its corrections and its splits."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rcg import corrections as log
from rcg.annotations import open_annotations
from rcg.annotations.formats.coco_lines import read_own
from rcg.annotations.formats.coco_own import NotOwn, own_records
from rcg.annotations.split import assign_splits, card_of
from rcg.corrections import Correction
from rcg.dataset_types import DatasetType, dataset_type
from rcg.errors import ConfigError, DataError
from rcg.files import read_json, read_toml, stamp_of
from rcg.locks import Lock
from rcg.progress import Report, silent
from rcg.settings import Settings, read_settings
from rcg.types import Annotation, BadLine, ImageRecord, LabelSet

if TYPE_CHECKING:
    from rcg.annotations.mapping import ClassMap
    from rcg.dataset_writer import DatasetWriter
    from rcg.importing import Added
    from rcg.version_store import Version

GROUND_TRUTH, PREDICTIONS = "ground_truth", "predictions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of a dataset is labelled.

    Attributes:
        images: Images in all.
        labelled: Images that a label file, or a correction, spoke of.
        empty: Labelled images with nothing in them (background).
        unlabelled: Images that no label file spoke of.
        annotations: Annotations in all.
        per_label: Annotations a class, in the order of the label set.
        predictions: Annotations in each set of predictions.
        corrections: Corrections that are in force.
        cards: Physical cards in all.
        per_split: Images a split.
    """

    images: int
    labelled: int
    empty: int
    unlabelled: int
    annotations: int
    per_label: Mapping[str, int]
    predictions: Mapping[str, int]
    corrections: int
    cards: int
    per_split: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Which image is in which split; all images of one card are in one.

    Attributes:
        cards: The card that each image shows.
        assigned: The split ("train", "val", "test") of each card.
    """

    cards: Mapping[str, str]
    assigned: Mapping[str, str]

    def of(self, file_name: str) -> str:
        """The split of an image."""
        return self.assigned[self.cards[file_name]]

    def files(self, split: str) -> tuple[str, ...]:
        """The images of a split, sorted."""
        return tuple(sorted(name for name, card in self.cards.items() if self.assigned[card] == split))


@dataclass(frozen=True)
class Dataset:
    """One dataset of a workspace; open it with `Workspace.dataset`, make it with `Workspace.create`.

    Attributes:
        path: Its folder.
        memory: What was read from files that have not changed since: by name, what tells that, and what was read.
    """

    path: Path
    memory: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name, that of the folder."""
        return self.path.name

    @property
    def workspace(self) -> Path:
        """The folder of the workspace it belongs to."""
        return self.path.parent.parent

    @property
    def images(self) -> Path:
        """The folder that file names are relative to; it holds copies or links, never the originals."""
        return self.path / "images"

    @property
    def cache(self) -> Path:
        """A folder for what can be made again: decoded images, fingerprints."""
        return self.path / ".cache"

    @cached_property
    def settings(self) -> Settings:
        """The workspace's settings."""
        return read_settings(self.workspace)

    def config(self) -> dict[str, Any]:
        """The content of dataset.toml: type, classes, created, card_pattern, sources."""
        file = self.path / "dataset.toml"
        stamp, known = stamp_of(file), self.memory.get("config")
        if known is None or stamp is None or known[0] != stamp:
            self.memory["config"] = known = (stamp, self._read_config(file))
        return dict(known[1])

    def _read_config(self, file: Path) -> dict[str, Any]:
        what = "the dataset's description cannot be read"
        fix = "restore the file, or create the dataset anew and add its images again"
        found = read_toml(file, what=what, fix=fix, error=DataError)
        for key, kind, wanted in (("type", str, "a dataset type"), ("classes", list, "a list of class names")):
            if not isinstance(found.get(key), kind):
                raise DataError(f"{what}: {key} is not {wanted}", where=file, fix=fix)
        return {"created": "", "sources": [], **found}

    @property
    def type(self) -> DatasetType:
        """Its type, with the label schema."""
        return dataset_type(self.config()["type"])

    @property
    def labels(self) -> LabelSet:
        """Its classes: those it was created with, then those that labels brought."""
        return LabelSet(tuple(self.config()["classes"]), keypoints=self.type.keypoints)

    @contextmanager
    def writing(self, doing: str, *, mending: bool = False) -> Iterator[DatasetWriter]:
        """What may change the dataset's files, while nobody else writes.

        Args:
            doing: What is done, for those that are refused meanwhile, such as "adding images".
            mending: Whether it mends a change of all labels that was cut off; nothing else is done before that.

        Raises:
            DataError: If somebody else writes; it says who. Or if a change was cut off.
        """
        from rcg.dataset_writer import DatasetWriter

        with Lock(self.path / "lock", doing=doing):
            if (cut := self.config().get("changing")) and not mending:
                fix = f"rcg dataset restore {self.name} {cut['version'][:12]}"
                raise DataError(f"{cut['doing']} was cut off, so the labels are half changed", where=self.path, fix=fix)
            yield DatasetWriter(self)

    def labels_file(self, stage: str = GROUND_TRUTH, name: str | None = None) -> Path:
        """Where the labels of a stage stand.

        Raises:
            ConfigError: If the stage is unknown, or predictions are meant and no name is given.
        """
        stage = stage.replace("-", "_")
        if stage == GROUND_TRUTH:
            return self.path / "labels" / "ground_truth.json"
        if stage != PREDICTIONS:
            raise ConfigError(f"there is no stage {stage!r}", fix=f"write {GROUND_TRUTH} or {PREDICTIONS}")
        if not name:
            raise ConfigError("several sets of predictions can stand side by side", fix="give this one a name")
        if not re.fullmatch(r"\w[\w .-]*", name):  # one file name: nothing that leads to another folder
            fix = "use letters, digits, blanks, dots, dashes and underscores, such as first-try"
            raise ConfigError(f"{name!r} cannot be the name of a set of predictions", fix=fix)
        return self.path / "labels" / "predictions" / f"{name}.json"

    def prediction_names(self) -> tuple[str, ...]:
        """The names of the sets of predictions, sorted."""
        return tuple(sorted(file.stem for file in (self.path / "labels" / "predictions").glob("*.json")))

    def records(
        self, stage: str = GROUND_TRUTH, *, name: str | None = None, corrected: bool = True
    ) -> tuple[ImageRecord, ...]:
        """The images and what is labelled in them.

        Args:
            stage: "ground_truth" or "predictions".
            name: Which predictions.
            corrected: Whether the corrections go over the ground truth.

        Returns:
            One record an image, sorted by file name; image ids stay the same while the dataset grows.
        """
        file = self.labels_file(stage, name)
        found = self._read_records(file)
        if stage.replace("-", "_") == GROUND_TRUTH and corrected:
            return log.apply_corrections(found, self.corrections())[0]
        return found

    def _read_records(self, file: Path) -> tuple[ImageRecord, ...]:
        """The records of one of our files; kept as long as the file does not change."""
        try:
            stat = file.stat()
        except FileNotFoundError:
            return ()
        key = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        known = self.memory.get(str(file))
        if known is None or known[0] != key:
            try:
                found = tuple(read_own(file, self.labels))
            except NotOwn:
                found = self._read_carefully(file)
            self.memory[str(file)] = known = (key, found)
        return tuple(known[1])

    def _read_carefully(self, file: Path) -> tuple[ImageRecord, ...]:
        """The records of a file that somebody else wrote, or changed."""
        bad: list[BadLine] = []
        source = open_annotations(file, format="coco", images=self.images, trusted=True)
        found = tuple(source.records(bad.append))
        if bad:
            where = f"{bad[0].file}, line {bad[0].line}" if bad[0].line else file
            raise DataError(f"the labels were changed by hand: {bad[0].reason}", where=where, fix="mend that record")
        return found

    def heads(self) -> tuple[ImageRecord, ...]:
        """The images without their annotations: names, sizes, ids, cards, splits; many times faster than `records`."""
        return self._heads()[0]

    def names(self) -> frozenset[str]:
        """The file names of all images."""
        return self._heads()[1]

    def _heads(self) -> tuple[tuple[ImageRecord, ...], frozenset[str]]:
        file = self.labels_file()
        stamp, known = stamp_of(file), self.memory.get("heads")
        if known is None or known[0] != stamp:
            try:
                found = tuple(own_records(file)) if stamp else ()
            except NotOwn:
                found = tuple(replace(record, annotations=()) for record in self.records(corrected=False))
            self.memory["heads"] = known = (stamp, (found, frozenset(each.file_name for each in found)))
        heads, names = known[1]
        return heads, names

    def unfinished(self) -> tuple[str, ...]:
        """The commands that go on with imports that were stopped or killed."""
        calls = self.config().get("unfinished") or ()
        if isinstance(calls, str):  # as an earlier version wrote it
            calls = [["--images", calls]]
        return tuple(shlex.join(["rcg", "dataset", "add", self.name, *arguments]) for arguments in calls)

    def add(
        self,
        images: str | Path | Sequence[str | Path] | None = None,
        labels: str | Path | None = None,
        *,
        stage: str = GROUND_TRUTH,
        name: str | None = None,
        format: str = "auto",
        classes: str | Path | None = None,
        class_map: ClassMap | None = None,
        link: bool = False,
        remove_gps: bool = False,
        report: Report = silent,
    ) -> Added:
        """Add images and their labels; see `rcg.importing.add`."""
        from rcg.importing import How, add

        how = How(format=format, classes=classes, class_map=class_map, link=link, remove_gps=remove_gps)
        return add(self, images, labels, stage=stage, name=name, how=how, report=report)

    def write_predictions(self, name: str, records: Iterable[ImageRecord]) -> Path:
        """Store predictions under a name, as COCO JSON with scores; earlier ones of that name are replaced.

        Raises:
            DataError: If a prediction is for an image that the dataset does not have.
        """
        records = tuple(records)
        own = self.names()
        if strangers := [record.file_name for record in records if record.file_name not in own]:
            what = f"{len(strangers)} predictions are for images that are not in the dataset, such as {strangers[0]}"
            raise DataError(what, where=self.images, fix="add these images first, or predict on the dataset by name")
        with self.writing(f"writing predictions {name}") as out:
            out.learn_classes(label for record in records for label in _labels_of(record))
            return out.write_records(records, stage=PREDICTIONS, name=name)

    def corrections(self) -> tuple[Correction, ...]:
        """The log of corrections, oldest first."""
        return log.read_corrections(self.path / "corrections.jsonl")

    def correct(
        self, file_name: str, *, before: Annotation | None, after: Annotation | None, source: str
    ) -> Correction:
        """Append a correction of one annotation: `before` None adds, `after` None removes, both None confirm the image.

        Raises:
            DataError: If the dataset has no such image, or somebody else writes.
        """
        if file_name not in self.names():
            fix = "take the name as `rcg dataset show` lists it, relative to the images folder"
            raise DataError(f"there is no image {file_name!r}", where=self.images, fix=fix)
        with self.writing("writing a correction") as out:
            if after is not None:
                out.learn_classes([after.label])
            file = self.path / "corrections.jsonl"
            return log.append_correction(file, file_name=file_name, before=before, after=after, source=source)

    def undo(self, number: int) -> Correction:
        """Take a correction back; both lines stay in the log."""
        with self.writing("undoing a correction"):
            return log.append_undo(self.path / "corrections.jsonl", number)

    def splits(self) -> Splits:
        """Which image is in which split: as stored, and by the same rule for cards that are new since."""
        return self._splits(self.heads(), self.stored_splits())

    def stored_splits(self) -> dict[str, str]:
        """The split of each card as it was written down, those of cards that are gone too.

        Raises:
            DataError: If the file is damaged.
        """
        file = self.path / "splits.json"
        stored = read_json(file) if file.exists() else {"cards": {}}
        match stored:
            case {"cards": dict(cards)} if all(isinstance(split, str) for split in cards.values()):
                return cards
        fix = "restore the file, or remove it: the splits are then made anew from the card names"
        raise DataError("the splits cannot be read: there is no table of cards", where=file, fix=fix)

    def _splits(self, records: Iterable[ImageRecord], stored: Mapping[str, str]) -> Splits:
        pattern = self.config().get("card_pattern")
        cards = {record.file_name: record.card or card_of(record.file_name, pattern) for record in records}
        given: dict[str, str] = {}
        for record in records:
            if record.split:
                given.setdefault(cards[record.file_name], record.split)
        labelled = {cards[record.file_name] for record in records if record.labelled}
        wanted, settings = sorted(set(cards.values())), self.settings
        shares = {"val": settings.val_share, "test": settings.test_share}
        shares["train"] = 1 - sum(shares.values())
        assigned = assign_splits(
            wanted, seed=settings.split_seed, fractions=shares, given=given, existing=stored, labelled=labelled
        )
        return Splits(cards=cards, assigned=assigned)

    def coverage(self) -> Coverage:
        """Counts of images, labels, predictions and corrections."""
        from rcg.table import table_of

        table = table_of(self)
        sets = {name: table_of(self, PREDICTIONS, name=name).annotations for name in self.prediction_names()}
        return Coverage(
            images=len(table),
            labelled=int(table.labelled.sum()),
            empty=int(table.empty.sum()),
            unlabelled=int((~table.labelled).sum()),
            annotations=table.annotations,
            per_label=table.per_label(),
            predictions=sets,
            corrections=sum(not each.undone for each in self.corrections()),
            cards=len(table.card_names),
            per_split=table.per_split(),
        )

    def fingerprint(self) -> str:
        """A hash of all that a training sees: images, labels, corrections, classes and splits; its version's id."""
        return self.version().id

    def version(self, *, complete: bool = True, report: Report = silent) -> Version:
        """What the dataset holds now, stored or not; see `rcg.versions.current_version`."""
        from rcg.versions import current_version

        return current_version(self, complete=complete, report=report)

    def versions(self) -> tuple[Version, ...]:
        """The stored versions, oldest first."""
        from rcg.versions import list_versions

        return list_versions(self)

    def restore(self, version: str, *, report: Report = silent) -> Version:
        """Go to a stored version, by its id or the beginning of it; see `rcg.versions.restore_version`."""
        from rcg.versions import restore_version

        return restore_version(self, version, report=report)

    def map_classes(self, class_map: ClassMap, *, report: Report = silent) -> tuple[str, ...]:
        """Rename, merge or drop classes; see `rcg.remapping.map_classes`."""
        from rcg.remapping import map_classes

        return map_classes(self, class_map, report=report)


def _labels_of(record: ImageRecord) -> Iterable[str]:
    return (annotation.label for annotation in record.annotations)
