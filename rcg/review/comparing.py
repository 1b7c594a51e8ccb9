"""Predictions against labels inside FiftyOne: true and false positives and misses per sample, and the saved views."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rcg.geometry import box_iou
from rcg.progress import Report, Tick
from rcg.review.gallery import IOU, SCORE, review_image
from rcg.review.labels import GROUND_TRUTH, OUTLINES, POINTS
from rcg.types import Annotation

if TYPE_CHECKING:
    from rcg.review.building import Item

_FEW = 0.2  # up to this share of the samples is compared one by one
_TASK = "comparing predictions"
_MOST, _FALSE, _MISSED = ": most mistakes first", ": false positives", ": missed"


def eval_key(field: str) -> str:
    """The key of the evaluation of a predictions field."""
    return "eval_" + field.removeprefix("pred_")


def evaluate(
    fo: Any,
    target: Any,
    *,
    fields: Mapping[str, str],
    items: Sequence[Item],
    whole: bool,
    touched: Collection[str],
    report: Report,
) -> None:
    """Compare the predictions that changed, or whose labels did, with the labels.

    Samples without labels are left out, and predictions below a score of 0.5: they would count as mistakes.

    Args:
        fo: The module fiftyone.
        target: The FiftyOne dataset.
        fields: The field of each set of predictions.
        items: What the samples show.
        whole: Whether the samples are as the last call left them, but for those touched.
        touched: File names of the samples that were written since; they lost their results.
        report: Counts samples.
    """
    written = [item for item in items if item.record.file_name in touched]
    for name, field in fields.items():
        involved = [item for item in items if field in item.predictions and item.record.labelled]
        known = target.has_evaluation(eval_key(field))
        if known and whole and len(written) <= _FEW * len(items):
            if written:
                _refresh(target, field, written)
            continue
        if known:
            target.delete_evaluation(eval_key(field))
        if involved:
            _evaluate_one(fo, target, field, name=name, total=len(involved), report=report)


def _refresh(target: Any, field: str, items: Sequence[Item]) -> None:
    """Compare a few samples anew, by the gallery's matching, which counts as FiftyOne does.

    FiftyOne itself compares all samples or none, at about a hundred a second: too long a wait for one correction.
    """
    key, by_name = eval_key(field), {item.record.file_name: item for item in items}
    for sample in target.select_by("file_name", list(by_name)).iter_samples(autosave=True):
        item = by_name[sample.file_name]
        predicted = item.predictions.get(field)
        if predicted is None or not item.record.labelled:
            counts: tuple[int | None, ...] = (None, None, None)
        else:
            review = review_image(item.record, predicted.annotations, iou=IOU, score=SCORE)
            # The labels of a sample stand in the order of the annotations they were made from.
            truth = _by_identity(item.record.annotations, sample[GROUND_TRUTH])
            guesses = _by_identity(predicted.annotations, sample[field])
            for wanted, guess in review.hits:
                (overlap,) = box_iou([wanted.box.corners], [guess.box.corners])[0]
                one, other = truth[id(wanted)], guesses[id(guess)]
                for label, partner in ((one, other), (other, one)):
                    label[key], label[f"{key}_id"], label[f"{key}_iou"] = "tp", partner.id, float(overlap)
            for annotation in review.false:
                guesses[id(annotation)][key], guesses[id(annotation)][f"{key}_id"] = "fp", ""
            for annotation in review.missed:
                truth[id(annotation)][key], truth[id(annotation)][f"{key}_id"] = "fn", ""
            counts = (review.tp, review.fp, review.fn)
        for kind, count in zip(("tp", "fp", "fn"), counts, strict=True):
            sample[f"{key}_{kind}"] = count


def _by_identity(annotations: Sequence[Annotation], labels: Any) -> dict[int, Any]:
    return dict(zip(map(id, annotations), labels.detections, strict=True))


def _evaluate_one(fo: Any, target: Any, field: str, *, name: str, total: int, report: Report) -> None:
    known = fo.ViewField
    view = target.match(known("labelled") == True).exists(field)  # noqa: E712 - an expression for the database
    view = view.filter_labels(field, known("confidence") >= SCORE, only_matches=False)

    said = time.monotonic()

    def count(bar: Any) -> None:
        nonlocal said
        if time.monotonic() - said >= 0.1:
            said = time.monotonic()
            report(Tick(task=_TASK, done=min(bar.iteration, total), total=total, note=name))

    report(Tick(task=_TASK, done=0, total=total, note=name))
    view.evaluate_detections(
        field, gt_field=GROUND_TRUTH, eval_key=eval_key(field), iou=IOU, compute_mAP=False, progress=count
    )
    report(Tick(task=_TASK, done=total, total=total, note=name))


def forget(target: Any, fields: Collection[str]) -> None:
    """Remove what belongs to predictions that are no longer there."""
    kept = {eval_key(field) for field in fields}
    for key in target.list_evaluations():
        if key.startswith("eval_") and key not in kept:
            target.delete_evaluation(key)
    known = {path for field in fields for path in (field, field + OUTLINES, field + POINTS)}
    stale = [path for path in target.get_field_schema() if path.startswith("pred_") and path not in known]
    if stale:
        target.delete_sample_fields(stale)


def save_views(fo: Any, target: Any, fields: Mapping[str, str]) -> None:
    """Save the views that the App offers: most mistakes first, false positives, missed, corrections, unlabelled."""
    known = fo.ViewField
    views = {
        "corrections": target.match(known("corrections") > 0),
        "unlabelled": target.match(known("labelled") == False),  # noqa: E712 - an expression for the database
    }
    for name, field in fields.items():
        key = eval_key(field)
        if not target.has_evaluation(key):
            continue
        compared = target.exists(f"{key}_tp")
        mistakes = known(f"{key}_fp") + known(f"{key}_fn")
        views[f"{name}{_MOST}"] = compared.sort_by(mistakes, reverse=True)
        views[f"{name}{_FALSE}"] = compared.filter_labels(field, known(key) == "fp")
        views[f"{name}{_MISSED}"] = compared.filter_labels(GROUND_TRUTH, known(key) == "fn")
    for name in target.list_saved_views():
        if name not in views and name.endswith((_MOST, _FALSE, _MISSED)):
            target.delete_saved_view(name)
    for name, view in views.items():
        target.save_view(name, view, overwrite=True)
