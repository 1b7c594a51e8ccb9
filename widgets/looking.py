"""One look at a dataset for the review: its images in an order, with what the predictions got right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rcg.corrections import Correction
from rcg.datasets import Dataset
from rcg.progress import counted
from rcg.review.gallery import SampleReview, compare, queue
from rcg.types import ImageRecord

MISTAKES, QUEUE, NAME = "mistakes", "queue", "name"


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What one look found; a correction takes its place from here, not from what is chosen by then.

    Attributes:
        dataset: The dataset that the items came from.
        predictions: The set of predictions that was compared, or "".
        order: The order of the items.
        score: The smallest score that counted.
        truth: The labels of each image, corrections applied.
        found: The predictions of each image that was predicted.
        items: The list.
        totals: Counts over the compared images.
        corrections: The log, newest first.
        stamp: The state of the log's file.
    """

    dataset: str
    predictions: str
    order: str
    score: float
    truth: Mapping[str, ImageRecord]
    found: Mapping[str, ImageRecord]
    items: tuple[Item, ...]
    totals: Totals
    corrections: tuple[Correction, ...]
    stamp: tuple[int, int]


def look_at(data: Dataset, predictions: str, *, order: str, score: float) -> Looked:
    """Compare a set of predictions with the labels of a dataset, and list its images.

    Args:
        data: The dataset.
        predictions: One of `data.prediction_names()`, or "" for the labels alone.
        order: MISTAKES, QUEUE or NAME.
        score: The smallest score that counts, 0 to 1.
    """
    stamp = log_stamp(data.path)
    truth = {record.file_name: record for record in data.records()}
    guesses = data.records("predictions", name=predictions) if predictions else ()
    reviews = compare(data, predictions, score=score) if predictions else ()
    totals = Totals(
        images=len(reviews), tp=sum(each.tp for each in reviews), fp=sum(each.fp for each in reviews),
        fn=sum(each.fn for each in reviews),
    )  # fmt: skip
    return Looked(
        dataset=data.name, predictions=predictions, order=order, score=score, truth=truth,
        found={record.file_name: record for record in guesses if record.labelled},
        items=tuple(_listed(data, predictions, order=order, score=score, truth=truth, reviews=reviews)), totals=totals,
        corrections=tuple(reversed(data.corrections())), stamp=stamp,
    )  # fmt: skip


def log_stamp(dataset: Path) -> tuple[int, int]:
    """Time and size of the log of corrections of a dataset's folder: they change with each correction."""
    try:
        stat = (dataset / "corrections.jsonl").stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _listed(
    data: Dataset, predictions: str, *, order: str, score: float, truth: Mapping[str, ImageRecord],
    reviews: Sequence[SampleReview],
) -> Iterator[Item]:  # fmt: skip
    known = {each.file_name: each for each in reviews}
    if order == QUEUE:
        for each in queue(data, predictions or None, score=score):
            yield Item(file_name=each.file_name, words=each.reason, review=known.get(each.file_name))
        return
    first = list(known) if order == MISTAKES else []
    for name in [*first, *sorted(truth.keys() - set(first))]:
        words = _words(truth[name], known.get(name), predicted=not predictions or name in known)
        yield Item(file_name=name, words=words, review=known.get(name))


def _words(record: ImageRecord, review: SampleReview | None, *, predicted: bool) -> str:
    if review is None or not review.labelled:
        words = counted(len(record.annotations), "label") if record.labelled else "no labels"
        return words if predicted else f"{words}, not predicted"
    if not review.mistakes:
        return f"{review.tp} right"
    return ", ".join(f"{count} {word}" for count, word in ((review.fn, "missed"), (review.fp, "false")) if count)
