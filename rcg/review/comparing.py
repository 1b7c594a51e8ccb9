"""Predictions against labels inside FiftyOne: true and false positives and misses per sample, and the saved views."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import xxhash

from rcg.progress import Report, Tick
from rcg.review.labels import GROUND_TRUTH, OUTLINES, POINTS

if TYPE_CHECKING:
    from rcg.review.building import Item

SCORE = 0.5
IOU = 0.5
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
    earlier: Mapping[str, str],
    touched: Set[str],
    report: Report,
) -> dict[str, str]:
    """Compare the predictions that changed, or whose labels did, with the labels.

    Samples without labels are left out, and predictions below a score of 0.5: they would count as mistakes.

    Args:
        fo: The module fiftyone.
        target: The FiftyOne dataset.
        fields: The field of each set of predictions.
        items: What the samples show.
        earlier: The marks that the last call returned.
        touched: File names of the samples that were written since; they lost their results.
        report: Counts samples.

    Returns:
        A mark for each field, for the next call.
    """
    marks: dict[str, str] = {}
    for name, field in fields.items():
        involved = [item for item in items if field in item.predictions and item.record.labelled]
        marks[field] = _mark([(item.record, item.predictions[field]) for item in involved])
        same = earlier.get(field) == marks[field] and not touched & {item.record.file_name for item in involved}
        if same and (not involved or target.has_evaluation(eval_key(field))):
            continue
        if target.has_evaluation(eval_key(field)):
            target.delete_evaluation(eval_key(field))
        if involved:
            _evaluate_one(fo, target, field, name=name, total=len(involved), report=report)
    return marks


def _mark(value: object) -> str:
    return xxhash.xxh3_64_hexdigest(repr(value).encode())


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
