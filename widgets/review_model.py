"""The review panel's state and commands: mistakes first, image by image; corrections that can be undone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from traitlets import Bytes, Float, Instance, Int, Tuple, Unicode, validate

from rcg.corrections import Correction
from rcg.datasets import Dataset
from rcg.errors import ConfigError, DataError, RcgError
from rcg.jobs import Job
from rcg.review.gallery import SCORE
from rcg.training.config import TrainConfig
from rcg.types import Annotation
from rcg.workspace import Workspace
from widgets.base import Message, PanelModel
from widgets.job_model import JobModel
from widgets.looking import MISTAKES, Item, Looked, Totals, log_stamp, look_at
from widgets.pictures import picture

LOWEST, HIGHEST = 0.05, 0.95
_LONGEST = 1000
_SOURCE = "review panel"


class ReviewModel(PanelModel):
    """Looking at labels and predictions, and correcting them."""

    names = Tuple()
    dataset = Unicode("").tag(label="Dataset", tip="What to look at")
    sets = Tuple()
    predictions = Unicode("").tag(
        label="Predictions", tip="What to hold against the labels; the newest run's by default"
    )
    order = Unicode(MISTAKES).tag(label="Order", tip="Most mistakes first, what is most worth labelling, or by name")
    score = Float(SCORE, min=LOWEST, max=HIGHEST).tag(
        label="Smallest score", tip=f"Predictions below it are left out, {LOWEST} to {HIGHEST}"
    )
    items = Tuple()
    totals = Instance(Totals, args=())
    index = Int(0).tag(label="Image", tip="Click it, then the arrow keys go from image to image")
    picture = Bytes(b"")
    picture_message = Instance(Message, allow_none=True)
    corrections = Tuple()
    link = Unicode("")

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self._lock = threading.RLock()  # looks come from two workers and the clock
        self._asked: object = None
        self._looked: Looked | None = None
        self.app = JobModel(self.workspace, kinds=("browse",), ended=self.app_ended)
        self.jobs = JobModel(self.workspace, kinds=("train",), ended=self.ended)
        self.app.attach_latest()
        if self.app.job is not None and not self.app.running:
            self.app.dismiss()  # an App that was closed needs no resuming
        self.attempt(self.refresh)

    @validate("dataset")
    def _known_dataset(self, proposal: Any) -> str:
        return self.known_dataset(proposal["value"])

    def refresh(self) -> None:
        """Read which datasets and sets of predictions there are."""
        known = {each.name: each for each in self.workspace.datasets()}
        self.names = tuple(known)
        if self.dataset not in known:
            predicted = [name for name, each in known.items() if each.prediction_names()]
            self.dataset = next(iter(predicted), self.names[0] if self.names else "")
        self.sets = known[self.dataset].prediction_names() if self.dataset else ()
        if self.predictions not in self.sets:
            self.predictions = self._newest(known[self.dataset]) if self.sets else ""

    def _newest(self, dataset: Dataset) -> str:
        ages = {name: dataset.labels_file("predictions", name).stat().st_mtime for name in dataset.prediction_names()}
        return max(ages, key=lambda name: ages[name])

    def look(self) -> None:
        """Compare the predictions with the labels and list the images in the chosen order."""
        with self._lock:
            self.refresh()
            mark = self._asked = object()
            before = self._looked
            if before is not None and before.dataset != self.dataset:
                self._publish(None)  # what is on the page belongs to another dataset
                before = None
            kept, at = self.file_name, self.index
            name, predictions, order, score = self.dataset, self.predictions, self.order, self.score
        if not name:
            return
        found = look_at(self.workspace.dataset(name), predictions, order=order, score=score)
        with self._lock:
            if self._asked is not mark:
                return  # a newer look is under way and will tell
            # An image that left the queue makes room for the one behind it, so that the reader goes on from there.
            place = min(at, len(found.items) - 1) if before is not None and before.order == order else 0
            self._publish(found, next((n for n, item in enumerate(found.items) if item.file_name == kept), place))
        self.show()

    def _publish(self, found: Looked | None, index: int = 0) -> None:
        self._looked = found
        self.index = 0
        self.items = () if found is None else found.items
        self.index = max(index, 0)
        self.totals = Totals() if found is None else found.totals
        self.corrections = () if found is None else found.corrections
        if found is None or not found.items:
            self.picture, self.picture_message = b"", None

    @property
    def file_name(self) -> str:
        """The image that is shown."""
        return str(self.items[self.index].file_name) if 0 <= self.index < len(self.items) else ""

    @property
    def shown(self) -> Item | None:
        """The list's entry of the image that is shown."""
        return self.items[self.index] if self.file_name else None

    def show(self) -> None:
        """Draw the image at `index`."""
        with self._lock:
            looked, name = self._looked, self.file_name
        if looked is None or not name:
            return
        guesses = looked.found[name].annotations if name in looked.found else ()
        try:
            path = self.workspace.dataset(looked.dataset).images / name
            drawn, problem = picture(path, looked.truth[name], guesses, longest=_LONGEST, score=looked.score), None
        except RcgError as error:
            drawn, problem = b"", Message.of(error, trace="")
        with self._lock:
            if self._looked is looked and self.file_name == name:
                self.picture, self.picture_message = drawn, problem

    def next(self) -> None:
        """Go to the next image."""
        self.index = min(self.index + 1, max(0, len(self.items) - 1))

    def previous(self) -> None:
        """Go to the image before."""
        self.index = max(self.index - 1, 0)

    def confirm(self) -> Correction:
        """Note that the shown image's labels are right; an image without labels then counts as empty."""
        data, item, _ = self._target()
        made = data.correct(item.file_name, before=None, after=None, source=_SOURCE)
        self.look()
        return made

    def accept(self) -> tuple[Correction, ...]:
        """Take the shown predictions over as labels, where no label stands there already."""
        from rcg.review.accepting import accept_predictions

        data, item, looked = self._target()
        if not looked.predictions:
            raise ConfigError("there are no predictions to take", fix="predict in the training panel first")
        made = accept_predictions(data, [item.file_name], looked.predictions, score=looked.score)
        if not made:
            raise _nothing_to_accept(item.file_name, looked)
        self.look()
        return made

    def remove(self, annotation: Annotation) -> Correction:
        """Take a label of the shown image out."""
        data, item, _ = self._target()
        made = data.correct(item.file_name, before=annotation, after=None, source=_SOURCE)
        self.look()
        return made

    def remove_missed(self) -> tuple[Correction, ...]:
        """Take those labels of the shown image out that no prediction found."""
        data, item, _ = self._target()
        missed = () if item.review is None else item.review.missed
        if not missed:
            raise DataError("no label was missed here", where=item.file_name, fix="choose an image with missed labels")
        made = tuple(data.correct(item.file_name, before=each, after=None, source=_SOURCE) for each in missed)
        self.look()
        return made

    def undo(self, number: int | None = None) -> Correction:
        """Take a correction back; the newest that is in force by default."""
        with self._lock:
            name, known = self._name(), self.corrections
        if number is None:
            number = next((each.number for each in known if not each.undone), None)
        if number is None:
            raise DataError("there is no correction to undo", where=name, fix="correct something first")
        taken = self._dataset(name).undo(number)
        self.look()
        return taken

    def _name(self) -> str:
        """The dataset on the page."""
        return self.dataset if self._looked is None else self._looked.dataset

    def _dataset(self, name: str) -> Dataset:
        if not name:
            raise ConfigError("no dataset is chosen", fix="make one in the dataset panel first")
        return self.workspace.dataset(name)

    def _target(self) -> tuple[Dataset, Item, Looked]:
        """What a correction is about: the image on the page and the dataset that it came from."""
        with self._lock:
            looked, item = self._looked, self.shown
        if looked is None or item is None:
            fix = "wait for the list, or choose a dataset with images"
            raise DataError("no image is shown", fix=fix)
        return self._dataset(looked.dataset), item, looked

    def open_app(self) -> Job:
        """Open FiftyOne on the dataset, in a process of its own; edits made there come back as corrections."""
        return self.app.start(("browse", self._dataset(self.dataset).name), title=f"FiftyOne on {self.dataset}")

    def app_ended(self, job: Job) -> None:
        """Show what came back from the App; one that was closed needs no resuming."""
        self.link = ""
        if job.state in ("done", "cancelled"):
            self.app.dismiss()
        self.look()

    def train_again(self) -> Job:
        """Train on the corrected labels, with the settings of the run that made the predictions."""
        arguments = self.train_arguments()
        return self.jobs.start(arguments, title=f"training on the corrections of {arguments[1]}")

    def train_arguments(self) -> tuple[str, ...]:
        """The command line of `train_again`."""
        with self._lock:
            data = self._dataset(self._name())
            predictions = self.predictions if self._looked is None else self._looked.predictions
        if not any(not each.undone for each in data.corrections()):
            raise DataError(
                "there are no corrections yet", where=data.name, fix="correct something here or in FiftyOne"
            )
        run = next((each for each in self.workspace.runs() if each.name == predictions), None)
        wanted = {} if run is None else asked_for(run.config())
        return ("train", data.name, *(f"{name}={value}" for name, value in wanted.items()))

    def ended(self, job: Job) -> None:
        """Say that the training on the corrections is done."""
        if job.state == "done":
            name = job.notes.get("run", "the run")
            what = f"{name} is trained on the corrections"
            self.message = Message(kind="done", what=what, fix="Next: evaluate it in Training.")

    def poll(self) -> None:
        """Look at the App's job, the training, and the corrections that came in."""
        self.jobs.poll()
        self.app.poll()
        if not self.app.running or self.app.job is None:
            return
        self.link = str(self.app.job.notes.get("url", ""))
        looked = self._looked
        if looked is not None and log_stamp(self.workspace.path / "datasets" / looked.dataset) != looked.stamp:
            self.look()


def _nothing_to_accept(file_name: str, looked: Looked) -> DataError:
    scores = [1.0 if each.score is None else each.score for each in looked.found[file_name].annotations]
    if any(score >= looked.score for score in scores):
        return DataError("every prediction here stands among the labels already", where=file_name)
    best = f"the highest here is {max(scores):.2f}; " if scores else "nothing was found here; "
    fix = f"{best}lower “Smallest score”, or go to the next image"
    return DataError(f"no prediction reaches the score {looked.score:g}", where=file_name, fix=fix)


def asked_for(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run's configuration that differ from the defaults: a new training is given them again."""
    known = {each.name: each.default for each in fields(TrainConfig)}
    found = {name: config[name] for name, usual in known.items() if config.get(name) not in (None, usual)}
    if "budget" in found:
        found.pop("epochs", None)
    return found
