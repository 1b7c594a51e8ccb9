"""The dataset panel's state and commands: recognise a folder, make a dataset of it, look at what is there."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any as Anything

import numpy as np
import traitlets
from traitlets import Any, Bool, Dict, Instance, Tuple, Unicode, observe

from rcg.datasets import GROUND_TRUTH, PREDICTIONS, Dataset
from rcg.errors import Cancelled, ConfigError, DataError, RcgError
from rcg.figures import Look
from rcg.files import exists
from rcg.importing import Recognised, recognise
from rcg.importing.archives import is_archive
from rcg.jobs import Job
from rcg.progress import Tick
from rcg.readiness import validate
from rcg.types import BadLine
from rcg.workspace import Workspace
from widgets.base import Message, PanelModel
from widgets.class_rows import ClassRows
from widgets.classes_model import ClassesModel
from widgets.code import Code, code_of
from widgets.dataset_about import About, about, told, work_of
from widgets.export_model import ExportModel
from widgets.images_model import ImagesModel
from widgets.job_model import JobModel
from widgets.proposing import clean, proposed_name, proposed_type, wrong_name
from widgets.quality_model import QualityModel
from widgets.quarantine_model import QuarantineModel
from widgets.sections import Section, opened
from widgets.speaking import control_of
from widgets.versions_model import VersionsModel

_LONGEST_PATH, _LONGEST_NAME = 4096, 255  # characters, those of Linux
_LOOKS: tuple[Look, Look] = ("light", "dark")
_TABS = {"add": "add", "map": "classes", "validate": "quality", "restore": "versions", "export": "export"}
_COUNTED = 20_000  # images whose annotations are counted before they are added: a second or so


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What stands in a folder, before anything is copied.

    Attributes:
        format: The format's name, "images" where there are no labels, or "archive" until it is unpacked.
        reason: Why it was taken for that.
        images: Images in all.
        classes: The class names, in their order.
    """

    format: str
    reason: str
    images: int
    classes: tuple[str, ...]


class DatasetModel(PanelModel):
    """Adding a folder to the workspace, and looking at its datasets."""

    path = Unicode("").tag(
        label="Path", placeholder="/path/to/folder with images and labels",
        tip="A folder with images (and labels), a .zip or .tar of one, a .txt that lists images, or a label file; "
        "it is only read",
    )  # fmt: skip
    labels = Unicode("").tag(
        label="Labels elsewhere", placeholder="only if the labels are not in the folder above",
        tip="A label file or folder, where it is not found by itself",
    )  # fmt: skip
    format = Unicode("auto").tag(label="Read as", tip="Where several kinds of labels are there, which one to read")
    classes = Unicode("").tag(
        label="Class names", placeholder="only if no class file is found",
        tip="A file with one class name a line, or a data.yaml",
    )  # fmt: skip
    name = Unicode("").tag(
        label="Name", tip="Letters, digits, dots, dashes and underscores", placeholder="vintage-2026"
    )
    kind = Unicode("custom").tag(label="Type", tip="What is labelled, and what can be trained on it")
    stage = Unicode(GROUND_TRUTH).tag(label="The labels are", tip="Made by hand, or found by a model")
    predictions = Unicode("").tag(
        label="Predictions' name", tip="Several sets can stand side by side", placeholder="model-a"
    )
    link = Bool(False).tag(label="Link the images instead of copying them", tip="The originals must then stay in place")
    remove_gps = Bool(False).tag(
        label="Take out where photos were taken", tip="GPS positions go from the copies; the originals keep theirs"
    )
    name_wrong = Unicode("")  # why the name cannot be one
    name_doubt = Unicode("")  # why another name may be meant
    seen = Instance(Seen, allow_none=True)
    unseen = Instance(Message, allow_none=True)
    names = Tuple().tag(label="Dataset")
    dataset = Unicode("").tag(label="Dataset", tip="The dataset to look at")
    about = Instance(About, allow_none=True)
    figures = Dict()  # title: (PNG for a light page, PNG for a dark one)
    checking = Unicode("")  # how far the check of the dataset is; "" when it is done
    later = Any(None)  # does a long look beside what the reader waits for; here and now by default
    tab = Unicode("overview")  # the part of the page that is looked at
    chosen = Any(None, allow_none=True)  # called with the name of the dataset that is to be trained on

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self._proposed, self._proposed_for, self._mapped = "", ("", ""), ""
        self._proposed_kind, self._own_kind = "custom", ""
        self._looking = threading.RLock()
        self.later = lambda work: work()
        self.mapping = ClassRows()
        self.mapping.observe(self._judge_name, "rows")
        self.quarantine = QuarantineModel(self.workspace)
        self.images = ImagesModel(self.workspace)
        self.jobs = JobModel(self.workspace, kinds=("dataset", "validate"), ended=self.ended)
        self.classes_now = ClassesModel(self.workspace, self.jobs)
        self.versions = VersionsModel(self.workspace, self.jobs)
        self.export = ExportModel(self.workspace, self.jobs)
        self.quality = QualityModel(self.workspace, self.jobs)
        self.sections: dict[str, Section] = {
            "images": self.images,
            "classes": self.classes_now,
            "quality": self.quality,
            "left_out": self.quarantine,
            "versions": self.versions,
            "export": self.export,
        }
        self._opened: dict[str, Dataset] = {}
        for section in self.sections.values():
            section.opened, section.chosen = self._opened, lambda: str(self.dataset)
        self.jobs.attach_latest()
        self.attempt(self.refresh)

    @traitlets.validate("dataset")
    def _known_dataset(self, proposal: Anything) -> str:
        return self.known_dataset(proposal["value"])

    def recognise(self) -> None:
        """Say what stands at the path, and propose a name and a type for it; nothing is copied or written."""
        self.seen, self.unseen = None, None
        if self.path != self._mapped:  # what was chosen for the classes of the same path stays
            self._mapped = self.path
            self.mapping.fill(())
        if not self.path.strip():
            return
        try:
            found = self._found()
            seen = Seen(format=found.format, reason=found.reason, images=found.total, classes=found.labels.names)
        except RcgError as error:
            self.unseen = Message.of(error, trace="")
            self.mapping.fill(())
            self._proposed_for = ("", "")
            if self.name == self._proposed:
                self.name = ""
            return
        self._propose()
        self.mapping.fill(seen.classes)
        self.seen = seen
        if seen.classes and seen.images <= _COUNTED and not isinstance(found, Recognised):
            self._count(found)

    def _count(self, found: Anything) -> None:
        """Count the annotations of each class, for the table of classes."""
        bad: list[BadLine] = []
        counts = np.zeros(len(found.labels.names), np.int64)
        odd: list[str] = []
        try:
            for block in found.blocks(bad.append):
                counts += np.bincount(block.classes, minlength=len(counts))
                odd += [each.label for record in block.records.values() for each in record.annotations]
        except RcgError:  # what refuses the source as a whole is told when it is added
            return
        known = dict(zip(found.labels.names, counts.tolist(), strict=True))
        self.mapping.fill(tuple(known), {name: count + odd.count(name) for name, count in known.items()})

    def _places(self) -> tuple[Path | None, Path | None]:
        """The folder of images and the place of labels that the two fields mean."""
        given = Path(clean(self.path)).expanduser().absolute()
        labels = Path(clean(self.labels)).expanduser().absolute() if self.labels.strip() else None
        if len(str(given)) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in given.parts):
            fix = "paste the path of a folder or a file"
            raise DataError("this is too long to be a path", where=f"{str(given)[:100]} …", fix=fix)
        if not exists(given):
            parent = next(each for each in given.parents if exists(each))
            fix = f"check the spelling; {parent} exists"
            raise DataError("there is no such folder or file", where=given, fix=fix)
        if labels is not None or given.is_dir() or is_archive(given) or given.suffix.lower() == ".txt":
            return (None, given) if self.stage == PREDICTIONS and labels is None else (given, labels)
        return None, given

    def _found(self) -> Anything:
        images, labels = self._places()
        classes = clean(self.classes) or None
        return recognise(images, labels, format=self.format, classes=classes, stage=self.stage)

    def _propose(self) -> None:
        """A name for another path or stage, unless one was typed since the last addition."""
        meant = (str(self._places()), self.stage)
        if not self.name or (self.name == self._proposed and meant != self._proposed_for):
            self._proposed = self._free_name()
            self.name = self._proposed
        self._proposed_for = meant

    @observe("name", "names", "seen")
    def _fit_kind(self, _: object = None) -> None:
        """The type of the dataset of this name, else what was chosen by hand, else what the classes tell."""
        if self.exists:
            with contextlib.suppress(RcgError):  # a damaged dataset is told where it is looked at
                self._proposed_kind = self.workspace.dataset(self.name).type.name
                self.kind = self._proposed_kind
            return
        if self.seen is not None:
            self._proposed_kind = proposed_type(self.seen.classes)
        self.kind = self._own_kind or self._proposed_kind

    @observe("kind")
    def _chosen_kind(self, change: Anything) -> None:
        if not self.exists:
            self._own_kind = "" if change["new"] == self._proposed_kind else change["new"]

    @observe("name", "names", "seen", "stage")
    def _judge_name(self, _: object = None) -> None:
        """Say what is wrong with the name as it is typed, and whether two sets would be mixed."""
        self.name_wrong, self.name_doubt = wrong_name(self.name), ""
        if not self.exists or self.seen is None or self.stage == PREDICTIONS:
            return
        with contextlib.suppress(RcgError):
            have = self.workspace.dataset(self.name).labels.names
            other = [each.to for each in self.mapping.rows if each.keep and each.to not in have]
            if have and other:
                more = f"{', '.join(other[:5])}{' …' if len(other) > 5 else ''}"
                self.name_doubt = f"{self.name} is there already, and has no {more}: another name keeps the two apart"

    @observe("path", "dataset")
    def _forget(self, _: object = None) -> None:
        """What was told of another path or dataset does not stand over this one."""
        self.message = None

    def _free_name(self) -> str:
        stem = proposed_name(Path(clean(self.path)))
        known = {each.name: each for each in self.workspace.datasets()}
        if self.stage == PREDICTIONS:
            return self.dataset or stem
        for number in range(1, 1000):
            name = stem if number == 1 else f"{stem}-{number}"
            if name not in known or not known[name].labels_file().exists():
                return name
        return stem

    @property
    def exists(self) -> bool:
        """Whether there is a dataset of this name already, so that images would be added to it."""
        return self.name in self.names

    def arguments(self) -> tuple[tuple[str, ...], ...]:
        """The command lines that do what `add` does."""
        if not self.path.strip():
            raise ConfigError("no folder is named", fix="type or paste the path of a folder with images")
        images, labels = self._places()
        if not self.name.strip():
            raise ConfigError("the dataset has no name", fix="type a name, such as vintage-2026")
        added = ["dataset", "add", self.name]
        added += [] if images is None else ["--images", str(images)]
        added += [] if labels is None else ["--labels", str(labels)]
        if self.stage == PREDICTIONS:
            added += ["--stage", "predictions"]
            added += ["--name", self.predictions] if self.predictions.strip() else []
        added += [] if self.format == "auto" else ["--from", self.format]
        added += ["--classes", str(Path(clean(self.classes)).expanduser().absolute())] if self.classes.strip() else []
        added += [part for text in self.mapping.texts() for part in ("--map", text)]
        added += ["--link"] if self.link else []
        added += ["--remove-gps"] if self.remove_gps else []
        created = () if self.exists else (("dataset", "create", self.name, "--type", self.kind),)
        return (*created, tuple(added))

    @property
    def wanted(self) -> str:
        """The control that mends what is wrong with the path; "" where it is none of those for rare cases."""
        return "" if self.unseen is None else control_of(self.unseen.fix)

    def shows_job(self, tab: str) -> bool:
        """Whether the job's card belongs into a tab: while it runs into each, then where it was started."""
        job = self.jobs.job
        if job is None or self.jobs.running:
            return job is not None
        verb, name = work_of(job)
        if tab != _TABS.get(verb) or name not in self.names:
            return False
        if verb != "add":
            return name == self.dataset
        given = {job.arguments[at + 1] for at, each in enumerate(job.arguments) if each in ("--images", "--labels")}
        return not self.path.strip() or str(Path(clean(self.path)).expanduser().absolute()) in given

    def code(self) -> Code:
        """What `add` does, as code."""
        *before, added = self.arguments()
        return code_of(added, self.workspace.path, before=before)

    def add(self) -> Job:
        """Make the dataset where it is new, and add the folder to it in a process of its own.

        Raises:
            RcgError: If the path, the name or the type cannot be used; nothing is left behind then.
        """
        *created, added = self.arguments()
        if self.seen is None:
            self._found()
        made = self.workspace.create(self.name, type=self.kind) if created else None
        try:
            title = f"adding {Path(clean(self.path)).name} to {self.name}"
            job = self.jobs.start(added, title=title, before=created)
        except BaseException:
            if made is not None:
                _remove_empty(made)
            raise
        self._proposed, self._own_kind = self.name, ""  # the next path gets a name and a type of its own
        self.refresh()
        return job

    def ended(self, job: Job) -> None:
        """Show the dataset that was added to, and what came of it."""
        self.refresh()
        _, name = work_of(job)
        if job.state == "done" and name in self.names:
            self.dataset = name
            if self.tab == "add":
                self.tab = "overview"
            self.message = told(job)
        elif job.state in ("failed", "lost") and not self.shows_job(self.tab):
            self.message = self.jobs.message
        self.look()

    def refresh(self) -> None:
        """Read which datasets there are."""
        self.names = tuple(each.name for each in self.workspace.datasets())
        if self.dataset not in self.names:
            self.dataset = self.names[0] if self.names else ""

    def look(self) -> None:
        """Read what the chosen dataset holds, and the part of the page that is open; then check it, which is longer."""
        name = self.dataset
        found = about(opened(self.workspace, self._opened, name)) if name else None
        with self._looking:
            if name != self.dataset:
                return  # a newer look is under way
            before = self.about
            if found is not None and before is not None and found.table is before.table:
                found = replace(found, readiness=before.readiness)  # nothing was labelled since: it stands meanwhile
            else:
                self.figures = {}
            self.about = found
        self.open_tab()
        if found is not None and found.table.names:
            self.later(self.check)

    def check(self) -> None:
        """Say whether the dataset can be trained on, and draw its figures; ends early when another one is chosen."""
        found = self.about
        if found is None:
            return

        def report(tick: Tick) -> None:
            if self.about is not found:
                raise Cancelled("another dataset was chosen")
            self.checking = (
                f"checking it: {tick.task}, {tick.done:,} of {tick.total:,}" if tick.total else "checking it"
            )

        self.checking = "checking it"
        with contextlib.suppress(Cancelled):
            ready = validate(opened(self.workspace, self._opened, found.name), report=report)
            report(Tick(task="drawing figures", done=0, total=1))
            light, dark = (ready.figures(look=look) for look in _LOOKS)
            with self._looking:
                if self.about is found:
                    self.about = replace(found, readiness=ready)
                    self.figures = {title: (light[title], dark[title]) for title in light}
                    self.checking = ""

    def open_tab(self) -> None:
        """Read the part of the page that is open."""
        if (section := self.sections.get(self.tab)) is not None:
            section.open(self.dataset)

    def poll(self) -> None:
        """Look at the job."""
        self.jobs.poll()

    def choose(self) -> None:
        """Hand the chosen dataset to whoever trains on it."""
        if self.chosen is not None and self.dataset:
            self.chosen(self.dataset)


def _remove_empty(dataset: Dataset) -> None:
    """Take back a dataset that was made a moment ago and holds nothing."""
    (dataset.path / "dataset.toml").unlink(missing_ok=True)
    for folder in (dataset.images, dataset.path):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
