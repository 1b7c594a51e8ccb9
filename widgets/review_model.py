"""The review panel's state and commands: mistakes first, image by image; corrections that can be undone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from traitlets import Bytes, Float, Instance, Int, Tuple, Unicode

from rcg.corrections import Correction
from rcg.datasets import Dataset
from rcg.errors import ConfigError, DataError, RcgError
from rcg.jobs import Job
from rcg.review.gallery import SampleReview, compare, queue
from rcg.training.config import TrainConfig
from rcg.types import Annotation, ImageRecord
from rcg.workspace import Workspace
from widgets.base import Message, PanelModel
from widgets.job_model import JobModel
from widgets.pictures import picture

MISTAKES, QUEUE, NAME = "mistakes", "queue", "name"
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An image in the list.

    Attributes:
        file_name: Its name, relative to the images folder.
        words: What the list says of it.
        review: What the predictions got right and wrong, where there are any.
    """

    file_name: str
    words: str
    review: SampleReview | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts over all images that were compared."""

    images: int = 0
    tp: int = 0
    fp: int = 0
    fn: int = 0


class ReviewModel(PanelModel):
    """Looking at labels and predictions, and correcting them."""

    names = Tuple()
    dataset = Unicode("").tag(label="Dataset", tip="What to look at")
    sets = Tuple()
    predictions = Unicode("").tag(
        label="Predictions", tip="What to hold against the labels; the newest run's by default"
    )
    order = Unicode(MISTAKES).tag(label="Order", tip="Most mistakes first, what is most worth labelling, or by name")
    score = Float(0.5, min=0.05, max=0.95).tag(label="Smallest score", tip="Predictions below it are left out, 0 to 1")
    items = Tuple()
    totals = Instance(Totals, args=())
    index = Int(0).tag(label="Image", tip="Click it, then the arrow keys go from image to image")
    picture = Bytes(b"")
    picture_message = Instance(Message, allow_none=True)
    corrections = Tuple()
    link = Unicode("")

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self._truth: dict[str, ImageRecord] = {}
        self._found: dict[str, ImageRecord] = {}
        self.app = JobModel(self.workspace, kinds=("browse",), ended=self.app_ended)
        self.jobs = JobModel(self.workspace, kinds=("train",), ended=self.ended)
        self.app.attach_latest()
        if self.app.job is not None and not self.app.running:
            self.app.dismiss()  # an App that was closed needs no resuming
        self.refresh()

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

    def _dataset(self) -> Dataset:
        if not self.dataset:
            raise ConfigError("no dataset is chosen", fix="make one in the dataset panel first")
        return self.workspace.dataset(self.dataset)

    def look(self) -> None:
        """Compare the predictions with the labels and list the images in the chosen order."""
        self.refresh()
        if not self.dataset:
            self.items, self.totals, self.corrections, self.picture = (), Totals(), (), b""
            return
        data, kept = self._dataset(), self.file_name
        self._truth = {record.file_name: record for record in data.records()}
        found = data.records("predictions", name=self.predictions) if self.predictions else ()
        self._found = {record.file_name: record for record in found}
        reviews = compare(data, self.predictions, score=self.score) if self.predictions else ()
        self.totals = Totals(
            images=len(reviews), tp=sum(each.tp for each in reviews), fp=sum(each.fp for each in reviews),
            fn=sum(each.fn for each in reviews),
        )  # fmt: skip
        self.items = self._listed(data, reviews)
        self.corrections = tuple(reversed(data.corrections()))
        self.index = next((at for at, item in enumerate(self.items) if item.file_name == kept), 0)
        self.show()

    def _listed(self, data: Dataset, reviews: Sequence[SampleReview]) -> tuple[Item, ...]:
        known = {each.file_name: each for each in reviews}
        if self.order == QUEUE:
            waiting = queue(data, self.predictions or None, score=self.score)
            return tuple(
                Item(file_name=each.file_name, words=each.reason, review=known.get(each.file_name)) for each in waiting
            )
        ordered = [each.file_name for each in reviews] if self.order == MISTAKES and reviews else sorted(self._truth)
        return tuple(
            Item(file_name=name, words=self._words(name, known.get(name)), review=known.get(name)) for name in ordered
        )

    def _words(self, name: str, review: SampleReview | None) -> str:
        if review is None or not review.labelled:
            count = len(self._truth[name].annotations)
            return f"{count} labels" if self._truth[name].labelled else "no labels"
        if not review.mistakes:
            return f"{review.tp} right"
        return ", ".join(f"{count} {word}" for count, word in ((review.fn, "missed"), (review.fp, "false")) if count)

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
        name = self.file_name
        if not name:
            self.picture, self.picture_message = b"", None
            return
        guesses = self._found[name].annotations if name in self._found else ()
        path = self._dataset().images / name
        try:
            self.picture = picture(path, self._truth[name], guesses, longest=_LONGEST, score=self.score)
            self.picture_message = None
        except RcgError as error:
            self.picture, self.picture_message = b"", Message.of(error, trace="")

    def next(self) -> None:
        """Go to the next image."""
        self.index = min(self.index + 1, max(0, len(self.items) - 1))

    def previous(self) -> None:
        """Go to the image before."""
        self.index = max(self.index - 1, 0)

    def confirm(self) -> Correction:
        """Note that the shown image's labels are right; an image without labels then counts as empty."""
        made = self._dataset().correct(self._shown(), before=None, after=None, source="review panel")
        self.look()
        return made

    def accept(self) -> tuple[Correction, ...]:
        """Take the shown predictions over as labels, where no label stands there already."""
        from rcg.review.accepting import accept_predictions

        if not self.predictions:
            raise ConfigError("there are no predictions to take", fix="predict in the training panel first")
        made = accept_predictions(self._dataset(), [self._shown()], self.predictions, score=self.score)
        if not made:
            raise DataError("every prediction here stands among the labels already", where=self._shown())
        self.look()
        return made

    def remove(self, annotation: Annotation) -> Correction:
        """Take a label of the shown image out."""
        made = self._dataset().correct(self._shown(), before=annotation, after=None, source="review panel")
        self.look()
        return made

    def remove_missed(self) -> tuple[Correction, ...]:
        """Take those labels of the shown image out that no prediction found."""
        item = self.shown
        missed = () if item is None or item.review is None else item.review.missed
        if not missed:
            raise DataError("no label was missed here", where=self._shown(), fix="choose an image with missed labels")
        data = self._dataset()
        made = tuple(data.correct(self._shown(), before=each, after=None, source="review panel") for each in missed)
        self.look()
        return made

    def undo(self, number: int | None = None) -> Correction:
        """Take a correction back; the newest that is in force by default."""
        if number is None:
            number = next((each.number for each in self.corrections if not each.undone), None)
        if number is None:
            raise DataError("there is no correction to undo", where=self.dataset, fix="correct something first")
        taken = self._dataset().undo(number)
        self.look()
        return taken

    def _shown(self) -> str:
        if not self.file_name:
            raise DataError("no image is shown", fix="choose a dataset with images")
        return self.file_name

    def open_app(self) -> Job:
        """Open FiftyOne on the dataset, in a process of its own; edits made there come back as corrections."""
        return self.app.start(("browse", self._dataset().name), title=f"FiftyOne on {self.dataset}")

    def app_ended(self, job: Job) -> None:
        """Show what came back from the App; one that was closed needs no resuming."""
        self.link = ""
        if job.state in ("done", "cancelled"):
            self.app.dismiss()
        self.look()

    def train_again(self) -> Job:
        """Train on the corrected labels, with the settings of the run that made the predictions."""
        return self.jobs.start(self.train_arguments(), title=f"training on the corrections of {self.dataset}")

    def train_arguments(self) -> tuple[str, ...]:
        """The command line of `train_again`."""
        data = self._dataset()
        if not any(not each.undone for each in data.corrections()):
            raise DataError(
                "there are no corrections yet", where=data.name, fix="correct something here or in FiftyOne"
            )
        run = next((each for each in self.workspace.runs() if each.name == self.predictions), None)
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
        shown = self.app.shown
        if shown is not None and self.app.running:
            found = re.search(r"https?://[^\s,]+", shown.note)
            self.link = found.group(0) if found else self.link
        if self.dataset and self.app.running:
            count = len(self.workspace.dataset(self.dataset).corrections())
            if count != len(self.corrections):
                self.look()


def asked_for(config: dict[str, object]) -> dict[str, object]:
    """The settings of a run's configuration that a new training should be given again."""
    default = TrainConfig()
    names = ("architecture", "profile", "epochs", "budget", "image_size", "batch_size", "seed", "limit_images")
    found = {name: config[name] for name in names if config.get(name) not in (None, getattr(default, name))}
    if "budget" in found:
        found.pop("epochs", None)
    return found
