"""The training panel's state and commands: what to train, the run as it goes, the runs side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from traitlets import Dict, Instance, Tuple, Unicode, validate

from rcg.datasets import Dataset
from rcg.errors import ConfigError, DataError, RcgError
from rcg.jobs import Job
from rcg.progress import counted, duration
from rcg.runs import Run
from rcg.training.config import TrainConfig
from rcg.workspace import Workspace
from widgets.base import Message, PanelModel, figure
from widgets.chart import Series
from widgets.code import Code, code_of
from widgets.curves import CurveFile
from widgets.job_model import JobModel
from widgets.pictures import figure_html, gallery_html

_SAMPLES = 6
_MOST_CURVES = 6
_LOOK_S = 2.0  # between two looks at the states of runs that learn


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run in the list.

    Attributes:
        name: Its name.
        state: new, running, stopped, done or failed.
        dataset: What it was trained on.
        architecture: What was trained.
        numbers: The COCO numbers of its last evaluation, by name.
        config: Its configuration.
        error: Why it failed.
    """

    name: str
    state: str
    dataset: str
    architecture: str
    numbers: Mapping[str, float]
    config: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What is drawn of the chosen runs."""

    loss: tuple[Series, ...] = ()
    validation: tuple[Series, ...] = ()


class TrainingModel(PanelModel):
    """Training on a dataset, and looking at runs; `settings` holds what differs from the defaults, as text."""

    names = Tuple().tag(label="Dataset")
    dataset = Unicode("").tag(label="Dataset", tip="What to train on")
    architectures = Tuple(("auto",))
    settings = Dict()
    wrong = Instance(Message, allow_none=True)
    runs = Tuple()
    run_names = Tuple()
    run = Unicode("").tag(label="Run", tip="The run to evaluate, predict with, or resume")
    compared = Tuple().tag(label="Compare", tip="Runs whose curves and settings stand side by side")
    curves = Instance(Curves, args=())
    pictures = Unicode("")

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self._files: dict[str, CurveFile] = {}
        self._changed, self._next_look, self._unreadable = 0.0, 0.0, ""
        self.jobs = JobModel(self.workspace, kinds=("train", "evaluate", "predict"), ended=self.ended)
        self.jobs.attach_latest()
        self.attempt(self.refresh)

    @validate("dataset")
    def _known_dataset(self, proposal: Any) -> str:
        return self.known_dataset(proposal["value"])

    def set(self, name: str, value: object) -> None:
        """Set one of `TrainConfig`'s settings, as text or as a value; empty or None means its default."""
        text = "" if value is None else str(value).strip()
        self.settings = {key: each for key, each in {**self.settings, name: text}.items() if each != ""}
        self.check()

    def check(self) -> None:
        """Say what is wrong with the settings, if anything is."""
        try:
            self.config()
        except RcgError as error:
            self.wrong = Message.of(error, trace="")
        else:
            self.wrong = None

    def config(self) -> TrainConfig:
        """The settings, checked.

        Raises:
            ConfigError: If one is unknown, of the wrong kind or out of range.
        """
        return TrainConfig.parse(self._pairs())

    def _pairs(self) -> list[str]:
        return [f"{name}={text}" for name, text in self.settings.items()]

    def arguments(self) -> tuple[str, ...]:
        """The command line that does what `start` does."""
        if not self.dataset:
            raise ConfigError("no dataset is chosen", fix="choose one, or make one in the dataset panel")
        self.config()
        return ("train", self.dataset, *self._pairs())

    def code(self) -> Code:
        """What `start` does, as code."""
        return code_of(self.arguments(), self.workspace.path)

    def start(self) -> Job:
        """Train in a process of its own.

        Raises:
            RcgError: If a setting is wrong, there is nothing to train on, or a job still runs here.
        """
        arguments = self.arguments()
        self.workspace.dataset(self.dataset)
        return self.jobs.start(arguments, title=f"training on {self.dataset}")

    def resume_run(self) -> Job:
        """Go on with the chosen run from its last checkpoint."""
        return self.jobs.start(("train", "--resume", self._chosen()), title=f"resuming {self.run}")

    def evaluate(self) -> Job:
        """Compare the chosen run's predictions with the labels of the test split, in a process of its own."""
        return self.jobs.start(("evaluate", self._chosen()), title=f"evaluating {self.run}")

    def predict(self) -> Job:
        """Store the chosen run's predictions with the dataset it was trained on, for the review.

        Raises:
            DataError: If that dataset is not in this workspace.
        """
        name = row_of(self.workspace.run(self._chosen())).dataset
        if name not in {each.name for each in self.workspace.datasets()}:
            what = f"the dataset that it was trained on ({name or 'its settings do not say which'}) is not here"
            fix = f"create it again, or predict on other images: rcg predict {self.run} FOLDER"
            raise DataError(what, where=self.run, fix=fix)
        return self.jobs.start(("predict", self.run, name), title=f"predicting with {self.run}")

    def _chosen(self) -> str:
        if not self.run:
            raise ConfigError("no run is chosen", fix="train one first")
        return self.run

    def ended(self, job: Job) -> None:
        """Show the run that the job worked on."""
        self.refresh()
        name = job.notes.get("run") or (job.arguments[1] if job.arguments[0] != "train" else "")
        if name in self.run_names:
            self.run = name
        if job.state == "done":
            self.message = _told(job, name)
        self.draw()
        self.look()

    def refresh(self) -> None:
        """Read which datasets and runs there are."""
        self._changed = _changed(self.workspace.path)
        datasets = {each.name: each for each in self.workspace.datasets()}
        self.names = tuple(datasets)
        if self.dataset not in datasets:
            self.dataset = self.names[0] if self.names else ""
        self.architectures = ("auto", *self._trainable(datasets.get(self.dataset)))
        self.runs = tuple(row_of(run) for run in self.workspace.runs())
        self.run_names = tuple(row.name for row in self.runs)
        if self.run not in self.run_names:
            self.run = self.run_names[0] if self.run_names else ""
        kept = tuple(name for name in self.compared if name in self.run_names)
        self.compared = kept or self.run_names[:1]

    def _trainable(self, dataset: Dataset | None) -> tuple[str, ...]:
        """The architectures for a dataset; one whose description is damaged is told once, and the rest goes on."""
        if dataset is None:
            return ()
        try:
            found = dataset.type.architectures
        except RcgError as error:
            if self._unreadable != dataset.name:
                self._unreadable, self.message = dataset.name, Message.of(error, trace="")
            return ()
        self._unreadable = ""
        return found

    def poll(self) -> None:
        """Look at the job, and at the runs that learn at this moment, wherever they were started."""
        self.jobs.poll()
        live = any(row.state == "running" for row in self.runs)
        if _changed(self.workspace.path) != self._changed or (live and time.monotonic() > self._next_look):
            self._next_look = time.monotonic() + _LOOK_S
            known = set(self.run_names)
            self.refresh()
            self._follow(next((row.name for row in self.runs if row.state == "running" and row.name not in known), ""))
        job = self.jobs.job
        if job is not None and self.jobs.running:
            self._follow(str(job.notes.get("run", "")))
        if live or self.jobs.running:
            self.draw()

    def _follow(self, name: str) -> None:
        if name != self.run and name in self.run_names:
            self.run = name
            self.compared = (name, *(each for each in self.compared if each != name))[:_MOST_CURVES]

    def draw(self) -> None:
        """Read the curves of the compared runs."""
        chosen = [name for name in self.compared if name in self.run_names] or list(self.run_names[:1])
        found = {name: self._series(self.workspace.run(name)) for name in chosen[:_MOST_CURVES]}
        many = len(found) > 1
        loss = tuple(_named(each["loss"], name if many else "loss") for name, each in found.items())
        if many:
            validation = tuple(_named(each["val_ap"], name) for name, each in found.items())
        else:
            validation = tuple(
                _named(each[key], key.removeprefix("val_").upper())
                for each in found.values()
                for key in ("val_ap", "val_ap50")
            )
        fresh = Curves(loss=loss, validation=validation)
        if fresh != self.curves:
            self.curves = fresh

    def _series(self, run: Run) -> dict[str, Series]:
        if run.name not in self._files:
            self._files[run.name] = CurveFile(run.ticks_path)
        return self._files[run.name].read()

    def look(self) -> None:
        """Draw what the chosen run found on some test images."""
        self.pictures = sample_pictures(self.workspace, self.run) if self.run else ""

    def wait(self, timeout: float | None = None) -> Job:
        """Wait for the job; raises what it failed with."""
        job = self.jobs.wait(timeout)
        self.refresh()
        return job


def row_of(run: Run) -> Row:
    """What the list says of a run; a run whose files are damaged says so instead of hiding."""
    try:
        config, metrics, state, told = run.config(), run.metrics() or {}, run.state(), run.error()
    except RcgError as error:
        return Row(name=run.name, state="failed", dataset="", architecture="", numbers={}, config={}, error=error.what)
    return Row(
        name=run.name,
        state=state,
        dataset=str(config.get("dataset", "")),
        architecture=str(config.get("architecture", "")),
        numbers=dict(metrics.get("numbers", {})),
        config=config,
        error=told or "",
    )


def _changed(workspace: Path) -> float:
    """When a run or a dataset came or went, seconds since 1970."""
    places = (workspace / "runs", workspace / "datasets")
    return max((place.stat().st_mtime for place in places if place.exists()), default=0.0)


def _named(series: Series, name: str) -> Series:
    return Series(name=name, x=series.x, y=series.y, marks=series.marks)


def _told(job: Job, run: str) -> Message:
    verb, result = job.arguments[0], job.result or {}
    took = duration((job.ended or job.created) - job.created)
    if verb == "train":
        return Message(
            kind="done", what=f"{run} is trained; it took {took}", fix="Next: Evaluate it on the test cards."
        )
    if verb == "evaluate":
        numbers = result.get("numbers", {})
        what = f"{run} on the test cards: AP {figure(numbers.get('AP'))}, AP50 {figure(numbers.get('AP50'))}"
        return Message(kind="done", what=what, fix="Next: Predict, then review the mistakes.")
    what = f"{result.get('annotations', 0):,} predictions on {result.get('images', 0):,} images stand with the dataset"
    if unread := result.get("unreadable"):
        what += f"; {counted(len(unread), 'image')} could not be read"
        names = ", ".join(str(each["file"]) for each in unread[:5])
        return Message(kind="warning", what=what, where=names, fix=f"{unread[0]['reason']}. Put good copies in place.")
    return Message(kind="done", what=what, fix="Next: open the review panel.")


def sample_pictures(workspace: Workspace, name: str) -> str:
    """Test images with the labels and what a run found, as HTML; empty before it has predicted."""
    row = row_of(workspace.run(name))
    known = {each.name: each for each in workspace.datasets()}
    dataset = known.get(row.dataset)
    if dataset is None or name not in dataset.prediction_names():
        return ""
    truth = {record.file_name: record for record in dataset.records()}
    splits = dataset.splits()
    found = [each for each in dataset.records("predictions", name=name) if splits.of(each.file_name) == "test"]
    found = found or list(dataset.records("predictions", name=name))
    chosen = found[:: max(1, len(found) // _SAMPLES)][:_SAMPLES]
    return gallery_html(
        figure_html(dataset.images / each.file_name, truth.get(each.file_name, each), each.annotations)
        for each in chosen
    )


def help_texts() -> dict[str, str]:
    """What each setting of `TrainConfig` means, from its documentation."""
    text = (TrainConfig.__doc__ or "").partition("Attributes:")[2]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", text, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", words) for name, words in found}


def defaults() -> dict[str, Any]:
    """The default of each setting."""
    return {each.name: each.default for each in fields(TrainConfig)}
