"""The home panel's state: the workspace at a glance, read from the disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from traitlets import Instance, Tuple

from rcg.datasets import Dataset
from rcg.errors import RcgError
from rcg.info import inspect
from rcg.jobs import Job, jobs
from rcg.journal import Entry
from rcg.table import table_of
from rcg.workspace import Workspace
from widgets.base import PanelModel
from widgets.job_model import JobModel
from widgets.training_model import Row, row_of

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """A dataset in the list; `trainable` says whether anything trains its type, `problem` why it cannot be read."""

    name: str
    type_title: str = ""
    images: int = 0
    labelled: int = 0
    annotations: int = 0
    predictions: tuple[str, ...] = ()
    trainable: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The workspace at one moment.

    Attributes:
        path: Its folder.
        datasets: Its datasets.
        runs: Its runs, the newest first.
        journal: What happened yesterday and today, the newest first.
        next_steps: What to do next, one sentence each.
    """

    path: str
    datasets: tuple[DatasetRow, ...]
    runs: tuple[Row, ...]
    journal: tuple[Entry, ...]
    next_steps: tuple[str, ...]


class HomeModel(PanelModel):
    """The workspace at a glance."""

    glance = Instance(Glance, allow_none=True)
    problems = Tuple()
    watched = Tuple()

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self._seen = -1.0
        self._models: dict[JobModel, str] = {}
        self._closed: set[str] = set()
        self._datasets: list[Dataset] = []  # the same objects each time: they keep what they read

    def refresh(self) -> None:
        """Read the workspace."""
        self._seen = _changed(self.workspace.path)
        known = {each.path: each for each in self._datasets}
        self._datasets = [known.get(each.path, each) for each in self.workspace.datasets()]
        datasets = tuple(map(_row, self._datasets))
        runs = tuple(row_of(run) for run in self.workspace.runs())
        since = _midnight() - _DAY_S
        entries = tuple(entry for entry in reversed(self.workspace.journal()) if entry.time >= since)
        self.glance = Glance(
            path=str(self.workspace.path), datasets=datasets, runs=runs, journal=entries,
            next_steps=next_steps(datasets, runs),
        )  # fmt: skip
        self._watch()

    def inspect(self) -> None:
        """Look for parts of the installation that are missing; it takes a few seconds."""
        self.problems = tuple(part for part in inspect(self.workspace.path) if part.state == "missing")

    def _watch(self) -> None:
        """One job bar for each job that runs, or that waits to be resumed."""
        for model in self._models:  # a bar that was closed stays closed, one that resumed its job goes on with it
            self._closed |= {self._models[model]} if model.job is None else set()
        known = {model.job.id for model in self._models if model.job is not None}
        open_now = [job for job in open_jobs(self.workspace, jobs(self.workspace.path)) if job.id not in self._closed]
        for job in open_now:
            if job.id not in known:
                model = JobModel(self.workspace, kinds=(), ended=self.ended)
                model.attach(job, news=False)
                self._models[model] = job.id
        wanted = {job.id for job in open_now}
        self._models = {
            model: model.job.id
            for model in self._models if model.job is not None and (model.job.id in wanted or model.running)
        }  # fmt: skip
        self.watched = tuple(sorted(self._models, key=lambda model: self._models[model], reverse=True))

    def poll(self) -> None:
        """Look at the jobs, and at the workspace where something was written."""
        for each in list(self._models):
            each.poll()
        closed = any(each.job is None for each in self._models)
        if closed or _changed(self.workspace.path) != self._seen:
            self.refresh()


def open_jobs(workspace: Workspace, known: Sequence[Job]) -> list[Job]:
    """The jobs that a reader should see: those that run, and those that wait to be resumed since yesterday.

    Args:
        workspace: The workspace.
        known: Its jobs, the newest first.
    """
    shown: list[Job] = []
    later: set[tuple[str, ...]] = set()  # what newer jobs worked on
    for job in known:
        state, work = job.state, _work(job)
        recent = time.time() - job.created < _DAY_S
        closed_app = job.arguments[:1] == ("browse",)  # it waits for nobody
        waits = recent and not closed_app and state in ("lost", "cancelled", "failed") and work not in later
        if state == "running" or (waits and not _trained(workspace, work)):
            shown.append(job)
        later |= {work, job.arguments[:2]}
    return shown


def _work(job: Job) -> tuple[str, ...]:
    """What a job works on: a run, however often it was resumed; a dataset; else its verb and first word."""
    run = job.notes.get("run") or (job.arguments[2] if job.arguments[:2] == ("train", "--resume") else "")
    if job.arguments[:1] == ("train",) and run:
        return ("train", "--resume", str(run))
    return job.arguments[: 3 if job.arguments[:1] == ("dataset",) else 2]


def _trained(workspace: Workspace, work: tuple[str, ...]) -> bool:
    """Whether the run that a job worked on has been finished since, from a terminal for instance."""
    if work[:2] != ("train", "--resume"):
        return False
    try:
        return workspace.run(work[2]).state() == "done"
    except RcgError:  # it was removed: nothing to resume
        return True


def _changed(workspace: Path) -> float:
    """The newest modification time of what the glance shows; cheap enough for a clock."""
    places = [workspace / "journal.jsonl", workspace / "jobs", workspace / "runs", workspace / "datasets"]
    return max((place.stat().st_mtime for place in places if place.exists()), default=0.0)


def _midnight() -> float:
    now = time.localtime()
    return time.mktime((now.tm_year, now.tm_mon, now.tm_mday, 0, 0, 0, 0, 0, -1))


def _row(dataset: Dataset) -> DatasetRow:
    try:
        have, kind = table_of(dataset), dataset.type
    except RcgError as error:
        return DatasetRow(name=dataset.name, problem=error.what)
    return DatasetRow(
        name=dataset.name, type_title=kind.title, images=len(have), labelled=int(have.labelled.sum()),
        annotations=have.annotations, predictions=dataset.prediction_names(), trainable=bool(kind.architectures),
    )  # fmt: skip


def next_steps(datasets: Sequence[DatasetRow], runs: Sequence[Row]) -> tuple[str, ...]:
    """What to do next, from what is there."""
    if not datasets:
        return ("Bring in a folder of images and labels: open Datasets and paste its path.",)
    steps = [f"Add images to {row.name}: it holds none yet." for row in datasets if not row.images and not row.problem]
    steps += [
        f"Label {row.images - row.labelled:,} images of {row.name}." for row in datasets if row.labelled < row.images
    ]
    trained = {row.dataset for row in runs}
    ready = [row for row in datasets if row.labelled and row.trainable]
    steps += [f"Train on {row.name}: open Training." for row in ready if row.name not in trained]
    steps += [f"Resume {row.name}: it stopped before its end." for row in runs if row.state == "stopped"]
    if runs and runs[0].state == "failed" and runs[0].dataset:
        steps.append(f"Resume {runs[0].name}, or start anew: it failed ({runs[0].error or 'see its log'}).")
    unseen = [row for row in runs if row.state == "done" and not row.numbers]
    steps += [f"Evaluate {row.name} on the test cards: open Training." for row in unseen]
    best = next((row for row in runs if row.numbers), None)
    if best is not None and not steps:
        predicted = any(best.name in row.predictions for row in datasets)
        look = f"Look at the mistakes of {best.name}: open Review."
        steps.append(look if predicted else f"Predict with {best.name}, to see its mistakes: open Training.")
    return tuple(steps[:5])
