"""Label Studio: its export called JSON (a list of tasks), and the one called JSON-MIN."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from rcg.annotations.checks import NoScore, UnknownClass, Unusable, score_of
from rcg.annotations.classes import ClassFile, find_classes, read_classes
from rcg.annotations.formats.labelstudio_brush import decoded_brush
from rcg.annotations.formats.labelstudio_task import Result, Task, is_task, read_task
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.listed import ListedSource, Mention, Span, locate, number_of, size_said
from rcg.annotations.place import Place
from rcg.annotations.shapes import ROUND, boxed, ellipse, masked, outlined, rectangle, turned
from rcg.annotations.source import Notes, Reading
from rcg.errors import DataError, FormatError, RcgError
from rcg.images import Size
from rcg.types import Annotation, Keypoints, LabelSet, Point

_MOST_CONFIGS = 20
_NOT_PLACED = "tasks with {}, which RCG does not carry"


def recognise(place: Place) -> str | None:
    """Why a place holds a Label Studio export, or None.

    Raises:
        DataError: If the one file that was named is an empty list, which may be anybody's.
    """
    if place.file is not None and place.file.suffix.lower() == ".json" and _is_empty_list(place.file):
        fix = "export it again when something is labelled or predicted"
        raise DataError("the list is empty: there is no label, task or result in it", where=place.file, fix=fix)
    files = _label_files(place)
    return f"{place.shown(files[0])} is a list of Label Studio's tasks" if files else None


def _label_files(place: Place) -> list[Path]:
    if place.file is not None:
        return [place.file] if place.file.suffix.lower() == ".json" and _is_export(place.file) else []
    found = [place.root / name for name, kind in place.json_kinds.items() if kind == "list"]
    return [path for path in found if _is_export(path)]


def _is_export(path: Path) -> bool:
    try:
        with JsonFile(path) as file:
            if not file.is_list:
                return False
            first = next(file.walk(), None)
            return first is not None and is_task(file.value(*first[1:]))
    except (RcgError, ValueError):
        return False


def _is_empty_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"".join(file.read(64).removeprefix(b"\xef\xbb\xbf").split()) == b"[]"
    except OSError:
        return False


def open_source(place: Place, reading: Reading) -> LabelStudioSource:
    """The Label Studio labels of a place.

    Raises:
        FormatError: If a file is cut off, or no export.
        DataError: If no task names an image.
    """
    files = _label_files(place)
    if not files:
        fix = "name a file that was exported as JSON or JSON-MIN"
        raise FormatError("this is no export of Label Studio", where=place.file or place.root, fix=fix)
    notes, index = Notes(), _Index(reading.need_score)
    for part, path in enumerate(files):
        index.walk(path, part, notes)
    if not index.mentions:
        what = f"no task names an image: {index.bad[0][1]}" if index.bad else "no task names an image"
        raise DataError(what, where=files[0], fix="export the project again, as JSON")
    classes = _classes(place, reading, index.used)
    found = locate(place, files, index.mentions, notes)
    return LabelStudioSource(
        format="labelstudio",
        reason=f"{reading.reason}; class names: {place.shown(classes.origin)}",
        images=found.images,
        labels=LabelSet(classes.names, keypoints=tuple(sorted(index.keypoints))),
        place=place,
        files=files,
        there=found.there,
        rows=found.rows,
        bad=index.bad,
        need_score=reading.need_score,
        class_hint=classes.origin,
        notes=notes,
    )


def _classes(place: Place, reading: Reading, used: set[str]) -> ClassFile:
    """The given classes, else those of the labelling configuration or class file beside the export, else those in it.

    The export says nothing of their order; Label Studio's own YOLO and COCO exports sort them.
    """
    given = find_classes(place, reading.classes) if reading.classes is not None else None
    if given is not None:
        return given
    for look in (*(_config(place.root / name) for name in place.files.get(".xml", ())[:_MOST_CONFIGS]), _beside(place)):
        with contextlib.suppress(RcgError):  # a file of another set
            beside = look()
            if beside is not None and used <= set(beside.names):
                return beside
    return ClassFile(names=tuple(sorted(used)), origin="those in the file, sorted")


def _config(path: Path) -> Callable[[], ClassFile | None]:
    return lambda: read_classes(path, optional=True)


def _beside(place: Place) -> Callable[[], ClassFile | None]:
    return lambda: find_classes(place, None)


class _Index:
    """What one walk over the exports finds.

    Args:
        predictions: Whether predictions are read where a task has them.
    """

    def __init__(self, predictions: bool) -> None:
        self._predictions = predictions
        self.mentions: list[Mention] = []
        self.used: set[str] = set()
        self.keypoints: set[str] = set()
        self.bad: list[tuple[Span, str]] = []

    def walk(self, path: Path, part: int, notes: Notes) -> None:
        """Take in one export."""
        with JsonFile(path) as file:
            for _, begin, end in file.walk():
                try:
                    task = read_task(file.value(begin, end), predictions=self._predictions)
                except (Unusable, ValueError) as error:
                    reason = str(error) if isinstance(error, Unusable) else f"the task is no strict JSON ({error})"
                    self.bad.append(((part, begin, end), reason))
                    continue
                self._add(task, part, begin, end, notes)

    def _add(self, task: Task, part: int, begin: int, end: int, notes: Notes) -> None:
        size = None
        for each in task.results:
            size = size or size_said(each.values.get("original_width"), each.values.get("original_height"))
            if each.kind == "keypointlabels":
                self.keypoints |= set(each.labels)
            elif not each.refusal:
                self.used |= set(each.labels)
        for kind in task.others:
            notes.add(_NOT_PLACED.format(f"{kind!r} results"), task.names[0])
        if task.only_predicted:
            notes.add("tasks with predictions only, kept as not labelled (stage=predictions reads them)", task.names[0])
        mention = Mention(part, task.names, task.names[0], size, None, task.labelled)
        mention.spans.extend((begin, end))
        self.mentions.append(mention)


@dataclass(frozen=True, slots=True)
class _Label:
    """One result with one of its labels, and the keypoints that belong to it."""

    result: Result
    label: str
    keypoints: tuple[Result, ...]


@dataclass(frozen=True, kw_only=True)
class LabelStudioSource(ListedSource[JsonFile, _Label]):
    """Label Studio's labels that can be read; see `AnnotationSource`."""

    def opened(self, path: Path) -> JsonFile:
        """The file."""
        return JsonFile(path)

    def entries(self, file: JsonFile, begin: int, end: int) -> Iterator[_Label]:
        """The results of a task, each once for each of its labels."""
        task = read_task(file.value(begin, end), predictions=self.need_score)
        placed = {each.id for each in task.results if each.id and each.kind != "keypointlabels"}
        points: dict[str, list[Result]] = {}
        for each in task.results:
            if each.kind == "keypointlabels" and not each.refusal and each.parent in placed:
                points.setdefault(each.parent, []).append(each)
        for each in task.results:
            if each.kind == "keypointlabels" and not each.refusal and each.parent in placed:
                continue
            for number, label in enumerate(each.labels or ("",)):
                yield _Label(each, label, tuple(points.get(each.id, ())) if each.id and not number else ())

    def place_of(self, file: JsonFile, begin: int, end: int, entry: _Label) -> tuple[int, str]:
        """The line that the result's id stands on, and the result on one line."""
        at = file.find(f'"{entry.result.id}"', begin, end) if entry.result.id else -1
        return file.line(max(at, begin)), orjson.dumps(dict(entry.result.values)).decode()

    def annotation(self, entry: _Label, size: Size) -> tuple[Annotation, bool]:
        """The label of one result."""
        result = entry.result
        if result.refusal:
            raise Unusable(result.refusal)
        if not entry.label:
            raise Unusable("the result has no label; add it")
        if result.kind == "keypointlabels":
            raise Unusable("a keypoint alone has no box; make it a child of the thing's rectangle")
        if entry.label not in self.labels.names:
            raise UnknownClass(f"the class {entry.label!r} is not in the class file; add it there")
        score = None if result.score is None else score_of(number_of(result.score, "score"))
        if score is None and self.need_score:
            raise NoScore
        if number_of(result.values.get("image_rotation") or 0, "image_rotation") % 360:
            raise Unusable("it was drawn on a turned image; turn the photo itself and draw it again")
        found, clipped = self._drawn(result, entry.label, size, score)
        if not entry.keypoints:
            return found, clipped
        keypoints = _keypoints(entry.keypoints, self.labels.keypoints, size)
        return Annotation(
            label=found.label, box=found.box, polygons=found.polygons, score=score, area=found.area, keypoints=keypoints
        ), clipped

    def _drawn(self, result: Result, label: str, size: Size, score: float | None) -> tuple[Annotation, bool]:
        value = result.value
        if "rle" in value:
            return _brush(result, label, size, score)
        if "points" in value:
            return outlined(label, [_points(value["points"], size)], size, score=score)
        if "radiusX" in value:
            self.notes.add(ROUND, label)
            return outlined(label, [_ellipse(value, size)], size, score=score)
        left, top = _percent(value, "x", size.width), _percent(value, "y", size.height)
        right, bottom = left + _percent(value, "width", size.width), top + _percent(value, "height", size.height)
        degrees = number_of(value.get("rotation") or 0, "rotation")
        if degrees % 360:  # around the left top corner
            return outlined(
                label, [turned(rectangle(left, top, right, bottom), degrees, (left, top))], size, score=score
            )
        if right < left or bottom < top:
            raise Unusable(f"the box has no area ({right - left:g} x {bottom - top:g} pixels); draw it again")
        return boxed(label, (left, top, right, bottom), size, score=score)


def _percent(value: Mapping[str, Any], key: str, whole: int) -> float:
    return number_of(value.get(key), key) * whole / 100


def _points(value: Any, size: Size) -> list[Point]:
    if not isinstance(value, list) or not all(isinstance(each, list) and len(each) == 2 for each in value):
        raise Unusable("points is no list of pairs of numbers; export it again")
    return [(number_of(x, "x") * size.width / 100, number_of(y, "y") * size.height / 100) for x, y in value]


def _ellipse(value: Mapping[str, Any], size: Size) -> list[Point]:
    middle = _percent(value, "x", size.width), _percent(value, "y", size.height)
    radii = _percent(value, "radiusX", size.width), _percent(value, "radiusY", size.height)
    return ellipse(middle, radii, number_of(value.get("rotation") or 0, "rotation"))


def _brush(result: Result, label: str, size: Size, score: float | None) -> tuple[Annotation, bool]:
    said = size_said(result.values.get("original_width"), result.values.get("original_height"))
    if said != size:
        raise Unusable(f"the mask was painted on an image of another size ({said}); paint it again")
    return masked(label, decoded_brush(result.value["rle"], size), (0, 0), size, score=score)


def _keypoints(results: tuple[Result, ...], names: tuple[str, ...], size: Size) -> Keypoints:
    found = {}
    for each in results:
        for label in each.labels:
            x, y = _percent(each.value, "x", size.width), _percent(each.value, "y", size.height)
            if label in found:
                raise Unusable(f"the keypoint {label!r} is there twice; remove one")
            found[label] = (x, y, 2)
    return Keypoints(tuple(found.get(name, (0.0, 0.0, 0)) for name in names))
