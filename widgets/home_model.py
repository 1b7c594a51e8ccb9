"""The home panel's state: the workspace at a glance, read from the disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from traitlets import Instance, Tuple

from rcg.errors import RcgError
from rcg.info import inspect
from rcg.jobs import Job, jobs
from rcg.journal import Entry
from rcg.workspace import Workspace
from widgets.base import PanelModel
from widgets.job_model import JobModel
from widgets.training_model import Row, row_of

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """A dataset in the list; `problem` says why it cannot be read."""

    name: str
    type_title: str = ""
    images: int = 0
    labelled: int = 0
    annotations: int = 0
    predictions: int = 0
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
        self._jobs: dict[str, JobModel] = {}

    def refresh(self) -> None:
        """Read the workspace."""
        self._seen = _changed(self.workspace.path)
        datasets = tuple(map(_row, self.workspace.datasets()))
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
        """One job bar for each job that runs, or that ended badly and is the newest of its kind."""
        for job in open_jobs(jobs(self.workspace.path)):
            if job.id not in self._jobs:
                self._jobs[job.id] = JobModel(self.workspace, kinds=(), ended=self.ended)
                self._jobs[job.id].attach(job)
        self.watched = tuple(self._jobs[key] for key in sorted(self._jobs, reverse=True) if _waits(self._jobs[key]))

    def poll(self) -> None:
        """Look at the jobs, and at the workspace where something was written."""
        for each in list(self._jobs.values()):
            each.poll()
        if _changed(self.workspace.path) != self._seen:
            self.refresh()


def _waits(model: JobModel) -> bool:
    return model.job is not None and (model.shown is None or model.shown.state != "done")


def open_jobs(known: Sequence[Job]) -> list[Job]:
    """The jobs that a reader should see: those that run, and those that wait to be resumed since yesterday."""
    shown, kinds = [], set()
    for job in known:
        kind = job.arguments[:2]
        state = job.state
        recent = time.time() - job.created < _DAY_S
        if state == "running" or (kind not in kinds and recent and state in ("lost", "cancelled", "failed")):
            shown.append(job)
        kinds.add(kind)
    return shown


def _changed(workspace: Path) -> float:
    """The newest modification time of what the glance shows; cheap enough for a clock."""
    places = [workspace / "journal.jsonl", workspace / "jobs", workspace / "runs", workspace / "datasets"]
    return max((place.stat().st_mtime for place in places if place.exists()), default=0.0)


def _midnight() -> float:
    now = time.localtime()
    return time.mktime((now.tm_year, now.tm_mon, now.tm_mday, 0, 0, 0, 0, 0, -1))


def _row(dataset: object) -> DatasetRow:
    from rcg.datasets import Dataset

    assert isinstance(dataset, Dataset)
    try:
        have = dataset.coverage()
    except RcgError as error:
        return DatasetRow(name=dataset.name, problem=error.what)
    return DatasetRow(
        name=dataset.name, type_title=dataset.type.title, images=have.images, labelled=have.labelled,
        annotations=have.annotations, predictions=len(have.predictions),
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
    steps += [f"Train on {row.name}: open Training." for row in datasets if row.labelled and row.name not in trained]
    steps += [f"Resume {row.name}: it stopped before its end." for row in runs if row.state == "stopped"]
    unseen = [row for row in runs if row.state == "done" and not row.numbers]
    steps += [f"Evaluate {row.name} on the test cards: open Training." for row in unseen]
    best = next((row for row in runs if row.numbers), None)
    if best is not None and not steps:
        steps.append(f"Look at the mistakes of {best.name}: open Review.")
    return tuple(steps[:5])
