"""One task of a Label Studio export: its image and what was drawn on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rcg.annotations.checks import Unusable
from rcg.annotations.finding import tails
from rcg.images import is_image_name

_HASHED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
_FIRST_KEYS = ("image", "img", "ocr", "photo", "url")
_WORK = ("annotations", "completions", "predictions")
_MIN_KEYS = frozenset({"annotation_id", "annotator", "lead_time"})
_REGIONS = frozenset({"rectangle", "polygon", "ellipse", "brush", "keypoint"})


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was drawn.

    Attributes:
        id: Its id; empty where it has none.
        kind: Such as "rectanglelabels".
        labels: Its labels.
        value: Its coordinates, in percent of the image.
        values: All that stands there.
        score: Its score, or that of the prediction it belongs to.
        parent: The id of the thing it is a part of; empty for none.
        refusal: Why it is left out; empty where it is not.
    """

    id: str
    kind: str
    labels: tuple[str, ...]
    value: Mapping[str, Any]
    values: Mapping[str, Any]
    score: Any = None
    parent: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        names: What the image's file may be called, likeliest first.
        results: What was drawn, that what is left out too.
        others: Kinds of results that have no place in the image, such as "choices".
        labelled: Whether somebody finished it.
        only_predicted: Whether there are predictions but no annotations, where annotations are read.
    """

    names: tuple[str, ...]
    results: tuple[Result, ...]
    others: tuple[str, ...]
    labelled: bool
    only_predicted: bool = False


def is_task(value: Any) -> bool:
    """Whether this is a task, as JSON or JSON-MIN has it.

    Example:
        >>> is_task({"id": 1, "data": {"image": "a.jpg"}, "annotations": []}), is_task({"image_id": 1})
        (True, False)
    """
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("data"), dict) and any(isinstance(value.get(key), list) for key in _WORK):
        drawn = [result for key in _WORK for group in _list(value.get(key)) for result in _list(group.get("result"))]
        return _image_of(value["data"]) is not None or any("original_width" in each for each in drawn)
    return bool(_MIN_KEYS & value.keys()) and _image_of(value) is not None


def read_task(value: Any, *, predictions: bool) -> Task:
    """A task.

    Args:
        value: The task as it stands in the file.
        predictions: Whether predictions are read where there are any, else annotations.

    Raises:
        Unusable: If it is none, or names no image.
    """
    if not isinstance(value, dict):
        raise Unusable("the task has not the usual form; export it again")
    full = isinstance(value.get("data"), dict)
    if not full and any("result" in group for key in _WORK for group in _list(value.get(key))):
        raise Unusable("the task's data is no object with keys; export it again")
    url = _image_of(value["data"] if full else value)
    names = image_names(url) if url is not None else []
    if not names:
        raise Unusable("the task names no image; RCG reads tasks with one image each")
    if not full:
        results = tuple(_result(each) for each in _least(value))
        return Task(tuple(names), *_sorted(results), labelled=True)
    drawn = _list(value.get("annotations")) or _list(value.get("completions"))
    predicted = _list(value.get("predictions"))
    groups = predicted if predictions and predicted else drawn
    counting = [each for each in groups if not each.get("was_cancelled")]
    chosen = _chosen(counting)
    found = [result for each in groups for result in _results(each, "" if each is chosen else _why_not(each, chosen))]
    return Task(
        tuple(names),
        *_sorted(found),
        labelled=chosen is not None,
        only_predicted=not drawn and bool(predicted) and not predictions,
    )


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _chosen(groups: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Of what several people drew, that which is marked as ground truth, else the last one that was changed."""
    if not groups:
        return None
    marked = [each for each in groups if each.get("ground_truth")]
    return max(marked or groups, key=lambda each: str(each.get("updated_at") or each.get("created_at") or ""))


def _why_not(group: dict[str, Any], chosen: dict[str, Any] | None) -> str:
    if group.get("was_cancelled"):
        return "this annotation was cancelled; submit it, or remove it"
    assert chosen is not None
    return f"the task was labelled several times, and number {chosen.get('id')} counts; keep one of them"


def _results(group: dict[str, Any], refusal: str) -> Iterator[Result]:
    given = group.get("result")
    for each in given if isinstance(given, list) else ():
        if isinstance(each, dict):
            yield _result(each, score=group.get("score"), refusal=refusal)
        else:
            yield _result({"value": each}, refusal="the result has not the usual form; export it again")


def _result(values: dict[str, Any], *, score: Any = None, refusal: str = "") -> Result:
    kind = str(values.get("type") or "")
    value = values.get("value")
    value = value if isinstance(value, dict) else {}
    labels = value.get(kind) if kind.endswith("labels") else None
    return Result(
        id=str(values.get("id") or ""),
        kind=kind,
        labels=tuple(map(str, labels)) if isinstance(labels, list) else (),
        value=value,
        values=values,
        score=values.get("score") if values.get("score") is not None else score,
        parent=str(values.get("parentID") or ""),
        refusal=refusal or ("" if kind else "the result has no type; add it"),
    )


def _least(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """JSON-MIN's results in the form of JSON's: the coordinates stand beside the labels there."""
    for value in task.values():
        for each in _list(value):
            kind = next((key for key in each if key.endswith("labels") and isinstance(each[key], list)), None)
            if kind is not None:
                yield {**{key: each[key] for key in each if key.startswith("original_")}, "type": kind, "value": each}


def _sorted(results: Sequence[Result]) -> tuple[tuple[Result, ...], tuple[str, ...]]:
    """Results that have a place in the image, and the kinds of the others."""
    labelled = {each.id for each in results if each.id and each.labels}
    placed: list[Result] = []
    others: dict[str, None] = {}
    for each in results:
        if each.kind.endswith("labels") and each.kind != "hypertextlabels":
            placed.append(each)
        elif each.kind in _REGIONS:  # the outline without its label, which another result of the same id has
            if each.id not in labelled:
                placed.append(each)
        elif each.kind:
            others[each.kind] = None
        else:
            placed.append(each)
    return tuple(placed), tuple(others)


def _image_of(data: Mapping[str, Any]) -> str | None:
    """The address of the task's image; None where there is none, or several."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    for key in _FIRST_KEYS:
        if key in texts and image_names(texts[key]):
            return texts[key]
    found = [
        text for text in texts.values() if any(is_image_name(name.rpartition("/")[2]) for name in image_names(text)[:1])
    ]
    return found[0] if len(found) == 1 else None


def image_names(url: str) -> list[str]:
    """What the file of an address may be called, likeliest first.

    Example:
        >>> image_names("/data/upload/1/0a1b2c3d-my%20card.jpg")
        ['0a1b2c3d-my card.jpg', 'my card.jpg', 'upload/1/0a1b2c3d-my card.jpg', '1/0a1b2c3d-my card.jpg']
        >>> image_names("/data/local-files/?d=lot/a.jpg"), image_names("s3://bucket/lot/a.jpg")
        (['lot/a.jpg', 'a.jpg'], ['lot/a.jpg', 'a.jpg'])
    """
    if "\0" in url or not url.strip() or url.startswith("data:"):
        return []
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return []
    path = unquote(parts.path)
    if "local-files" in path and (named := parse_qs(parts.query).get("d")):
        path = f"/{named[0]}"
    elif "?" not in url and "#" in url:
        path = url  # a file name with a hash in it
    found = tails(path.replace("\\", "/")) if path.startswith("/") else tails(f"/{path}".replace("\\", "/"))
    if path.startswith("/data/"):
        found = [name.removeprefix("data/") for name in found]
    found = list(dict.fromkeys(found))
    if found and _HASHED.match(found[-1]):
        return list(dict.fromkeys([found[-1], found[-1][9:], *found]))
    return found
