"""Predictions taken over as labels, as corrections that can be undone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from rcg.errors import ConfigError, DataError
from rcg.progress import Report, silent, tracked
from rcg.review.gallery import IOU, SCORE, review_image

if TYPE_CHECKING:
    from rcg.corrections import Correction
    from rcg.datasets import Dataset


def accept_predictions(
    dataset: Dataset,
    file_names: Iterable[str],
    predictions_name: str,
    *,
    score: float = SCORE,
    iou: float = IOU,
    report: Report = silent,
) -> tuple[Correction, ...]:
    """Take predictions over as labels.

    A prediction that overlaps a label of the same class is that label found again, and is left out. An image that was
    not labelled, and in which the model looked and found nothing of that score, is confirmed as empty.

    Args:
        dataset: The dataset.
        file_names: The images to take predictions for.
        predictions_name: One of `dataset.prediction_names()`.
        score: The smallest score that is taken, 0 to 1.
        iou: The overlap from which a prediction counts as an existing label, 0 to 1.
        report: Counts the images.

    Returns:
        The corrections made.

    Raises:
        ConfigError: If the score is not between 0 and 1.
        DataError: If there are no such predictions, or an image was not predicted.
    """
    if not 0 <= score <= 1:
        raise ConfigError(f"the score {score} is not between 0 and 1", fix="choose one such as 0.5")
    if predictions_name not in dataset.prediction_names():
        fix = f"choose one of {', '.join(dataset.prediction_names()) or 'none: predict first'}"
        raise DataError(f"there are no predictions {predictions_name!r}", where=dataset.name, fix=fix)
    truth = {record.file_name: record for record in dataset.records()}
    # The file lists images that the model never saw, too; to call those empty would be a false label.
    predicted = {
        record.file_name: record
        for record in dataset.records("predictions", name=predictions_name) if record.labelled
    }  # fmt: skip
    source = f"predictions {predictions_name}"
    made: list[Correction] = []
    for name in tracked(list(file_names), task="accepting predictions", report=report):
        if name not in truth or name not in predicted:
            fix = "choose images that it predicted, or predict these first"
            raise DataError(f"{predictions_name} has no predictions for {name}", where=dataset.name, fix=fix)
        record = truth[name]
        # An image without labels has nothing that a prediction could repeat.
        review = review_image(replace(record, labelled=True), predicted[name].annotations, iou=iou, score=score)
        for each in review.false:  # one by one: those before a failure stand
            after = replace(each, score=None)
            made.append(dataset.correct(name, before=None, after=after, source=source))
        if not record.labelled and not review.false and not record.annotations:
            made.append(dataset.correct(name, before=None, after=None, source=source))
    return tuple(made)
