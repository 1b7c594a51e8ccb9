"""How well predictions fit the labels: the 12 COCO numbers, AP a class, and an interval over cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.geometry import box_iou
from rcg.types import Annotation, ImageRecord, LabelSet

NUMBERS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
           "AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")  # fmt: skip
"""COCO's 12 numbers in their order: average precision and recall, by IoU, size and detections an image."""

_MOST = 100  # detections an image and class that COCO looks at
_RECALLS = np.linspace(0, 1, 101)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How well one class is found.

    Attributes:
        ap: Average precision over IoU 0.5 to 0.95; None where the split has no box of the class.
        ap50: The same at IoU 0.5.
        boxes: Labelled boxes of the class.
    """

    ap: float | None
    ap50: float | None
    boxes: int


def coco_numbers(
    truth: Sequence[ImageRecord], found: Sequence[ImageRecord], labels: LabelSet
) -> tuple[dict[str, float | None], dict[str, LabelScore]]:
    """The 12 numbers and the scores a class, as pycocotools computes them.

    Args:
        truth: The labels, one record an image; crowds are ignored regions.
        found: The predictions for the same images, in any order.
        labels: The classes.

    Returns:
        The numbers by name (None where nothing of that size is labelled), and the score of each class.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    known, results = coco_dicts(truth, found, labels)
    counts = Counter(each.label for record in truth for each in record.annotations if not each.crowd)
    if not results or not known["annotations"]:
        nothing = 0.0 if counts else None
        return dict.fromkeys(NUMBERS, nothing), {
            name: LabelScore(ap=0.0 if counts[name] else None, ap50=0.0 if counts[name] else None, boxes=counts[name])
            for name in labels.names
        }
    base = COCO(known, print_function=_quiet)
    judge = COCOeval_faster(base, base.loadRes(results), "bbox", print_function=_quiet)
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    numbers = dict(zip(NUMBERS, (_or_none(float(value)) for value in judge.stats[:12]), strict=True))
    precision = judge.eval["precision"][:, :, :, 0, 2]  # IoU, recall, class; all sizes, 100 detections
    scores = {}
    for place, name in enumerate(labels.names):
        ap, ap50 = (_mean(part) for part in (precision[:, :, place], precision[0, :, place]))
        scores[name] = LabelScore(ap=ap, ap50=ap50, boxes=counts[name])
    return numbers, scores


def coco_dicts(
    truth: Sequence[ImageRecord], found: Sequence[ImageRecord], labels: LabelSet
) -> tuple[dict[str, list[dict[str, object]]], list[dict[str, object]]]:
    """The same as COCO's dictionaries: the ground truth, and the list of results; image and class numbers from 1."""
    number = {record.file_name: place for place, record in enumerate(truth, start=1)}
    classes = {name: place for place, name in enumerate(labels.names, start=1)}
    annotations: list[dict[str, object]] = []
    for record in truth:
        for each in record.annotations:
            entry = _entry(each, number[record.file_name], classes)
            area = each.box.area if each.area is None else each.area
            annotations.append({**entry, "id": len(annotations) + 1, "area": area, "iscrowd": int(each.crowd)})
    results = [
        {**_entry(each, number[record.file_name], classes), "score": each.score}
        for record in found
        for each in record.annotations
    ]
    images: list[dict[str, object]] = [
        {"id": number[each.file_name], "width": each.width, "height": each.height} for each in truth
    ]
    categories: list[dict[str, object]] = [{"id": place, "name": name} for name, place in classes.items()]
    return {"images": images, "annotations": annotations, "categories": categories, "info": []}, results


def _entry(annotation: Annotation, image: int, classes: Mapping[str, int]) -> dict[str, object]:
    box = annotation.box
    return {
        "image_id": image,
        "category_id": classes[annotation.label],
        "bbox": [box.x, box.y, box.width, box.height],
    }


def _quiet(*_: object) -> None:
    """Where the evaluator's messages go."""


def _or_none(value: float) -> float | None:
    return None if value < 0 else value


def _mean(part: NDArray[np.float64]) -> float | None:
    valid = part[part > -1]
    return float(valid.mean()) if valid.size else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """The predictions of one class, best score first, and which of them hit.

    Attributes:
        image: (n,) place of the image.
        hit: (n,) 1 where it matches a labelled box that no better one took, else 0.
        boxes: (images,) labelled boxes in each image.
    """

    image: NDArray[np.int64]
    hit: Floats
    boxes: Floats


def match_label(
    truth: Sequence[ImageRecord], found: Mapping[str, ImageRecord], label: str, *, iou: float = 0.5
) -> Matches:
    """Match the predictions of a class to its labels, as COCO does: best score first, each label once."""
    rows: list[tuple[float, int, int]] = []
    boxes = np.zeros(len(truth))
    for place, record in enumerate(truth):
        own = sorted((each for each in record.annotations if each.label == label), key=lambda each: each.crowd)
        boxes[place] = sum(not each.crowd for each in own)
        guesses = found[record.file_name].annotations if record.file_name in found else ()
        guesses = tuple(sorted((each for each in guesses if each.label == label), key=_score, reverse=True)[:_MOST])
        rows += [(score, place, hit) for score, hit in _match_image(own, guesses, iou)]
    rows.sort(key=lambda row: -row[0])
    return Matches(
        image=np.array([row[1] for row in rows], dtype=np.int64),
        hit=np.array([row[2] for row in rows], dtype=np.float64),
        boxes=boxes,
    )


def _score(annotation: Annotation) -> float:
    return annotation.score or 0.0


def _match_image(own: Sequence[Annotation], guesses: Sequence[Annotation], iou: float) -> list[tuple[float, int]]:
    """Score and hit (1 or 0) of each guess; a guess that falls on a crowd is left out."""
    if not own:
        return [(_score(guess), 0) for guess in guesses]
    overlap = _overlaps(guesses, own)
    taken: set[int] = set()
    rows = []
    for place, guess in enumerate(guesses):
        single = [at for at, each in enumerate(own) if not each.crowd and at not in taken]
        best = max(single, key=lambda at: (overlap[place, at], at), default=None)
        if best is not None and overlap[place, best] >= iou:
            taken.add(best)
            rows.append((_score(guess), 1))
        elif not any(each.crowd and overlap[place, at] >= iou for at, each in enumerate(own)):
            rows.append((_score(guess), 0))
    return rows


def _overlaps(guesses: Sequence[Annotation], own: Sequence[Annotation]) -> Floats:
    """IoU of guesses and labels; for a crowd, the share of the guess that lies in it."""
    first = np.array([each.box.corners for each in guesses]).reshape(-1, 4)
    second = np.array([each.box.corners for each in own]).reshape(-1, 4)
    overlap = box_iou(first, second)
    for place, each in enumerate(own):
        if each.crowd:
            size = np.clip(
                np.minimum(first[:, 2:], second[place, 2:]) - np.maximum(first[:, :2], second[place, :2]), 0, None
            )
            overlap[:, place] = size.prod(axis=1) / (first[:, 2:] - first[:, :2]).prod(axis=1)
    return overlap


def average_precision(matches: Matches, weights: Floats | None = None) -> float | None:
    """COCO's AP at one IoU: precision at 101 recalls.

    Args:
        matches: From `match_label`.
        weights: (images,) how often each image counts, as a bootstrap draws it; once unless given.

    Returns:
        The AP, or None where no box is labelled.
    """
    weights = np.ones(len(matches.boxes)) if weights is None else weights
    total = float(matches.boxes @ weights)
    if total == 0:
        return None
    weight = weights[matches.image]
    hits = np.cumsum(weight * matches.hit)
    seen = np.cumsum(weight)
    recall = hits / total
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.where(at < len(precision), np.append(precision, 0.0)[np.minimum(at, len(precision))], 0.0).mean())


def interval_over_cards(
    truth: Sequence[ImageRecord],
    found: Sequence[ImageRecord],
    labels: LabelSet,
    cards: Mapping[str, str],
    *,
    draws: int = 500,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The 95 % interval of AP50: what it might have been with other cards (percentile bootstrap, Efron 1979).

    Args:
        truth: The labels.
        found: The predictions.
        labels: The classes.
        cards: The card of each image; the photos of a card are drawn together.
        draws: How often the cards are drawn anew.
        seed: Of the drawing.

    Returns:
        The lower and upper end; None with fewer than 5 cards, of which nothing can be said.
    """
    names = sorted({cards[record.file_name] for record in truth})
    if len(names) < 5:
        return None
    place = {name: at for at, name in enumerate(names)}
    card = np.array([place[cards[record.file_name]] for record in truth])
    by_name = {record.file_name: record for record in found}
    matched = [match_label(truth, by_name, label) for label in labels.names]
    rng, values = np.random.default_rng(seed), []
    for _ in range(draws):
        counts = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)).astype(np.float64)
        scores = [average_precision(each, counts[card]) for each in matched]
        known = [score for score in scores if score is not None]
        if known:
            values.append(float(np.mean(known)))
    if not values:
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
