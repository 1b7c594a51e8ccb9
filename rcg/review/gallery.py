"""Labels against predictions without FiftyOne: what is right, false and missed, and what to look at next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rcg.errors import DataError
from rcg.geometry import box_iou
from rcg.types import Annotation, ImageRecord

if TYPE_CHECKING:
    from rcg.datasets import Dataset

IOU = 0.5
SCORE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReview:
    """What the predictions got right and wrong in one image.

    Attributes:
        file_name: The image.
        labelled: Whether there are labels to compare with; if not, nothing is counted.
        hits: The labels that were found, each with its prediction.
        false: Predictions that no label stands for.
        missed: Labels that no prediction found.
    """

    file_name: str
    labelled: bool
    hits: tuple[tuple[Annotation, Annotation], ...] = ()
    false: tuple[Annotation, ...] = ()
    missed: tuple[Annotation, ...] = ()

    @property
    def tp(self) -> int:
        """True positives: labels that were found."""
        return len(self.hits)

    @property
    def fp(self) -> int:
        """False positives."""
        return len(self.false)

    @property
    def fn(self) -> int:
        """False negatives: labels that were missed."""
        return len(self.missed)

    @property
    def mistakes(self) -> int:
        """False and missed ones together."""
        return self.fp + self.fn


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueItem:
    """An image that is worth a look.

    Attributes:
        file_name: The image.
        reason: Why, for the reader.
        weight: How much, from 0; the queue is sorted by it.
    """

    file_name: str
    reason: str
    weight: float


def compare(
    dataset: Dataset, predictions_name: str, *, iou: float = IOU, score: float = SCORE
) -> tuple[SampleReview, ...]:
    """Hold a set of predictions against the labels, image by image.

    Args:
        dataset: The dataset; corrections are applied.
        predictions_name: One of `dataset.prediction_names()`.
        iou: The smallest overlap that counts as found, 0 to 1.
        score: Predictions below this score are left out, 0 to 1.

    Returns:
        One review for each image that was predicted: most mistakes first, then by name; images without labels last.

    Raises:
        DataError: If there are no predictions of that name.
    """
    truth = {record.file_name: record for record in dataset.records()}
    found = [
        review_image(truth[record.file_name], record.annotations, iou=iou, score=score)
        for record in _predictions(dataset, predictions_name)
        if record.labelled and record.file_name in truth
    ]
    return tuple(sorted(found, key=lambda each: (not each.labelled, -each.mistakes, each.file_name)))


def _predictions(dataset: Dataset, name: str) -> tuple[ImageRecord, ...]:
    names = dataset.prediction_names()
    if name not in names:
        fix = f"choose one of {', '.join(names)}" if names else "train and predict first: rcg predict RUN IMAGES"
        raise DataError(f"there are no predictions {name!r}", where=dataset.name, fix=fix)
    return dataset.records("predictions", name=name)


def review_image(
    record: ImageRecord, predictions: Iterable[Annotation], *, iou: float = IOU, score: float = SCORE
) -> SampleReview:
    """Match predictions with the labels of one image as COCO does: label by label, the highest score first.

    A prediction takes the label it overlaps most among those that are left. One that falls on a label marked as a
    crowd is neither right nor false.

    Args:
        record: The image with its labels.
        predictions: What was predicted for it.
        iou: The smallest overlap that counts as found, 0 to 1.
        score: Predictions below this score are left out, 0 to 1.

    Example:
        >>> from rcg.types import Box
        >>> card = Annotation(label="card", box=Box(0, 0, 10, 10))
        >>> photo = ImageRecord(file_name="a.jpg", width=20, height=20, annotations=(card,))
        >>> shifted = Annotation(label="card", box=Box(1, 0, 10, 10), score=0.9)
        >>> review_image(photo, [shifted]).tp
        1
    """
    if not record.labelled:
        return SampleReview(file_name=record.file_name, labelled=False)
    kept = [each for each in predictions if (1.0 if each.score is None else each.score) >= score]
    hits: list[tuple[Annotation, Annotation]] = []
    false: list[Annotation] = []
    missed: list[Annotation] = []
    for label in dict.fromkeys(each.label for each in (*record.annotations, *kept)):
        wanted = [each for each in record.annotations if each.label == label]
        offered = [each for each in kept if each.label == label]
        found = _match(wanted, offered, iou=iou)
        hits += found[0]
        false += found[1]
        missed += found[2]
    return SampleReview(
        file_name=record.file_name, labelled=True, hits=tuple(hits), false=tuple(false), missed=tuple(missed)
    )


def _match(
    wanted: Sequence[Annotation], offered: Sequence[Annotation], *, iou: float
) -> tuple[list[tuple[Annotation, Annotation]], list[Annotation], list[Annotation]]:
    """Hits, false ones and missed ones of one label."""
    single = [each for each in wanted if not each.crowd]
    crowds = [each for each in wanted if each.crowd]
    ranked = sorted(offered, key=lambda each: -(1.0 if each.score is None else each.score))
    overlap = box_iou([each.box.corners for each in ranked], [each.box.corners for each in single])
    free = np.ones(len(single), dtype=bool)
    hits, false = [], []
    for row, prediction in zip(overlap, ranked, strict=True):
        allowed = np.where(free, row, -1.0)
        at = len(single) - 1 - int(allowed[::-1].argmax()) if single else -1  # of equals the last, as COCO
        if at >= 0 and allowed[at] >= iou:
            free[at] = False
            hits.append((single[at], prediction))
        elif not any(_share_inside(prediction, crowd) >= iou for crowd in crowds):
            false.append(prediction)
    return hits, false, [each for each, left in zip(single, free, strict=True) if left]


def _share_inside(prediction: Annotation, crowd: Annotation) -> float:
    """The share of a prediction that lies in a crowd's box: COCO's overlap with a crowd."""
    a, b = prediction.box.corners, crowd.box.corners
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0) / prediction.box.area


def queue(
    dataset: Dataset,
    predictions_name: str | None = None,
    *,
    iou: float = IOU,
    score: float = SCORE,
    limit: int | None = None,
) -> tuple[QueueItem, ...]:
    """The images most worth looking at, first the one most worth it.

    Images without labels come first, those that the predictions are least sure about ahead; then labelled ones by
    their mistakes. What was corrected or confirmed after the predictions were made is left out.

    Args:
        dataset: The dataset.
        predictions_name: One of `dataset.prediction_names()`; None goes by the labels alone.
        iou: The smallest overlap that counts as found, 0 to 1.
        score: Predictions below this score do not count as mistakes, 0 to 1.
        limit: At most so many.
    """
    records = dataset.records()
    predicted: dict[str, ImageRecord] = {}
    since = 0.0
    if predictions_name is not None:
        predicted = {each.file_name: each for each in _predictions(dataset, predictions_name) if each.labelled}
        since = dataset.labels_file("predictions", predictions_name).stat().st_mtime
    seen = {each.file_name for each in dataset.corrections() if not each.undone and each.time > since}
    items = []
    for record in records:
        if record.file_name not in seen:
            item = _worth(record, predicted.get(record.file_name), iou=iou, score=score)
            if item.weight > 0:
                items.append(item)
    items.sort(key=lambda each: (-each.weight, each.file_name))
    return tuple(items[:limit])


def _worth(record: ImageRecord, predicted: ImageRecord | None, *, iou: float, score: float) -> QueueItem:
    name = record.file_name
    guesses = () if predicted is None else predicted.annotations
    if not record.labelled:
        # 1 for a score of 0.5, 0 for a score of 0 or 1: the one that the model could not decide on counts.
        doubt = max((1 - abs(2 * each.score - 1) for each in guesses if each.score is not None), default=0.0)
        reason = f"no labels; the least certain prediction is {doubt:.0%} doubtful" if guesses else "no labels"
        return QueueItem(file_name=name, reason=reason, weight=1000.0 + doubt)
    if predicted is None:
        return QueueItem(file_name=name, reason="labelled", weight=0.0)
    review = review_image(record, guesses, iou=iou, score=score)
    worst = max((each.score or 0.0 for each in review.false), default=0.0)
    reason = f"{review.fn} missed, {review.fp} false"
    return QueueItem(file_name=name, reason=reason, weight=min(review.mistakes, 998) + 0.9 * worst)
