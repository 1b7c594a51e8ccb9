"""Evaluate a run on a split: the 12 COCO numbers, AP a class, and a report in plain words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rcg import journal
from rcg.annotations.split import SPLITS
from rcg.errors import ConfigError, DataError
from rcg.files import write_json
from rcg.progress import Report, Tick, counted, silent
from rcg.runs import Run
from rcg.training.metrics import LabelScore, coco_numbers, interval_over_cards
from rcg.training.prediction import Predictor
from rcg.training.tasks import TrainingData, read_training_data
from rcg.types import BadLine, ImageRecord

if TYPE_CHECKING:
    from rcg.datasets import Dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What an evaluation found.

    Attributes:
        run: The run's name.
        dataset: The dataset's name.
        split: Which split.
        checkpoint: The checkpoint that was used.
        numbers: COCO's 12 numbers by name; None where the split has nothing of that size.
        per_label: AP, AP50 and labelled boxes of each class.
        interval: The 95 % interval of AP50 over cards; None with fewer than 5 cards.
        images: Images of the split.
        cards: Physical cards of the split.
        boxes: Labelled boxes of the split.
    """

    run: str
    dataset: str
    split: str
    checkpoint: str
    numbers: Mapping[str, float | None]
    per_label: Mapping[str, LabelScore]
    interval: tuple[float, float] | None
    images: int
    cards: int
    boxes: int

    def __str__(self) -> str:
        ap, ap50 = (figure(self.numbers[name]) for name in ("AP", "AP50"))
        sure = (
            ""
            if self.interval is None
            else f" (95 % of cards drawn anew: {self.interval[0]:.3f} to {self.interval[1]:.3f})"
        )
        head = f"{self.run} on {self.split} of {self.dataset}: AP {ap}, AP50 {ap50}{sure}"
        rows = [f"  {name}: AP {figure(each.ap)}, AP50 {figure(each.ap50)}, {each.boxes:,} boxes"
                for name, each in self.per_label.items()]  # fmt: skip
        return "\n".join([head, f"  {self.images:,} images of {self.cards:,} cards, {self.boxes:,} boxes", *rows])


def figure(value: float | None) -> str:
    """A score as text; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def mark(run: Run, metrics: Metrics) -> str:
    """What the files of an evaluation have in their names; nothing where it is on the run's own test cards."""
    own = metrics.split == "test" and metrics.dataset == run.config()["dataset"]
    return "" if own else f"_{metrics.dataset}_{metrics.split}"


def evaluate(
    run: Run,
    dataset: Dataset | None = None,
    *,
    split: str = "test",
    report: Report = silent,
) -> Metrics:
    """Compare what the best checkpoint of a run finds with the labels of a split.

    Writes metrics.json, report.md and predictions.png into the run's folder. Another split or another dataset than the
    run's own test cards goes into files of its own, such as metrics_vintage_train.json.

    Args:
        run: The run.
        dataset: The dataset it was trained on unless given.
        split: "train", "val" or "test".
        report: Where the progress goes.

    Raises:
        DataError: If the split has no labelled images.
        RunError: If the run has no checkpoint yet.
    """
    from rcg.datasets import Dataset as Opened
    from rcg.training.report import render_predictions, write_report

    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}", where="split", fix=f"write {', '.join(SPLITS)}")
    predictor = Predictor(run)
    chosen = dataset or Opened(run.workspace / "datasets" / str(run.config()["dataset"]))
    data = read_training_data(chosen)
    truth = _known(data, split, predictor.labels.names)
    skip: list[BadLine] | None = [] if predictor.config.unreadable == "skip" else None
    if not truth:
        others = ", ".join(f"{each} has {len(data.splits[each]):,}" for each in SPLITS if each != split)
        fix = f"evaluate another split ({others}), or add labelled images of more cards"
        raise DataError(f"the {split} split has no labelled images", where=data.name, fix=fix)
    task = f"evaluate on {split}"
    stream = predictor.stream(truth, data.images, task=task, report=report, total=len(truth), unreadable=skip)
    found = list(stream)
    if skip:
        data = _without(data, skip, report=report, task=task)
        truth = list(data.splits[split])
        if not truth:
            fix = f"put good copies in their places, below {data.images}"
            raise DataError(f"no image of the {split} split can be decoded", where=data.name, fix=fix)
    numbers, per_label = coco_numbers(truth, found, predictor.labels)
    metrics = Metrics(
        run=run.name,
        dataset=data.name,
        split=split,
        checkpoint=predictor.checkpoint.path.name,
        numbers=numbers,
        per_label=per_label,
        interval=interval_over_cards(truth, found, predictor.labels, data.cards),
        images=len(truth),
        cards=data.card_count(split),
        boxes=data.boxes(split),
    )
    write_json(run.path / f"metrics{mark(run, metrics)}.json", asdict(metrics))
    picture = render_predictions(truth, found, data.images)
    write_report(run, metrics, data, picture)
    journal.note(
        run.workspace,
        "run evaluated",
        run=run.name,
        dataset=data.name,
        split=split,
        ap=numbers["AP"],
        ap50=numbers["AP50"],
    )
    report(Tick(task=f"evaluate on {split}", done=len(truth), total=len(truth), note=f"AP {figure(numbers['AP'])}"))
    return metrics


def _without(data: TrainingData, damaged: Sequence[BadLine], *, report: Report, task: str) -> TrainingData:
    """The data without the images that cannot be decoded, which the run was told to leave out."""
    names = [each.file for each in damaged]
    note = f"{counted(len(names), 'image')} cannot be decoded and are left out: {names[0]} ({damaged[0].reason})"
    report(Tick(task=task, done=0, note=note))
    return data.without(names, note=note)


def _known(data: TrainingData, split: str, names: tuple[str, ...]) -> list[ImageRecord]:
    """The records of a split.

    Raises:
        DataError: If a label is none of the classes that the run learned.
    """
    unknown = {each.label for record in data.splits[split] for each in record.annotations} - set(names)
    if unknown:
        what = f"the run does not know the classes {', '.join(sorted(unknown))}"
        raise DataError(what, where=data.name, fix="train a new run on this dataset")
    return list(data.splits[split])
