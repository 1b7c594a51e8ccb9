"""One walk over COCO files: their images and categories, and where the annotations of each image stand."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.block import Ints
from rcg.annotations.finding import tails
from rcg.annotations.formats.coco_boxes import BoxColumns
from rcg.annotations.formats.coco_flat import Boxes, Flat
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.stretches import Stretch, Unusual

_USUAL = frozenset({"id", "file_name", "width", "height"})
_SIMPLE = re.compile(r"\w[\w. -]*(?:/\w[\w. -]*)*")


def is_simple(name: str) -> bool:
    """Whether a file name, as most, is one and the same however it is read: no backslash, drive, or way up in it."""
    return _SIMPLE.fullmatch(name) is not None


@dataclass(slots=True)
class Image:
    """An entry of the list of images.

    Attributes:
        part: The number of its file.
        id: Its id as it stands there.
        name: Its file name as it stands there.
        width: Pixels across, 0 where the file does not say.
        height: Pixels down, 0 where the file does not say.
        labelled: False where RCG wrote that no label file spoke of it.
        card: The card it shows, where RCG wrote it.
        split: Its split, where RCG wrote it.
    """

    part: int
    id: Any
    name: str
    width: int = 0
    height: int = 0
    labelled: bool = True
    card: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Where an element stands: the number of the file, begin and end in bytes."""

    part: int
    begin: int
    end: int


@dataclass(slots=True)
class Index:
    """Images by number, and the spans of annotations with the number of their image.

    An annotation takes 48 bytes here, however long its outline is. `without` are the files, by part, that have no list
    of annotations.
    """

    paths: list[Path] = field(default_factory=list)
    images: dict[int, Image] = field(default_factory=dict)
    categories: list[tuple[int, Any, str]] = field(default_factory=list)
    keypoints: tuple[str, ...] = ()
    keypoints_differ: bool = False
    truths: list[Path] = field(default_factory=list)
    bad: list[tuple[Span, str]] = field(default_factory=list)
    without: dict[int, Path] = field(default_factory=dict)
    columns: BoxColumns = field(default_factory=BoxColumns)
    _known: dict[tuple[int, int], int] = field(default_factory=dict)
    _numbers: dict[tuple[int, str], int] = field(default_factory=dict)
    _spans: array[int] = field(default_factory=lambda: array("q"))
    _order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _sorted: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def walk(self, path: Path, part: int, *, images: bool = True, annotations: bool = True) -> None:
        """Take in one file as part number `part`; parts come in order.

        Args:
            path: The file.
            part: Its number; the ground truth of results has the number of the results.
            images: Whether to take images and categories.
            annotations: Whether to take annotations.

        Raises:
            FormatError: If the file is cut off.
        """
        if annotations:
            self.paths.append(path)
        else:
            self.truths.append(path)
        with JsonFile(path) as file:
            before = self._begin()
            for way in (self._in_columns, self._in_stretches, self._one_by_one):
                try:
                    found = way(file, part, images=images, annotations=annotations)
                    break
                except Unusual:
                    self._undo(before)
            if annotations and not file.is_list and "annotations" not in found:
                self.without[part] = path

    def _begin(self) -> tuple[int, ...]:
        return len(self.images), len(self.categories), len(self.bad), len(self._spans)

    def _undo(self, before: tuple[int, ...]) -> None:
        """Forget what a walk found that broke off."""
        for number in list(self.images)[before[0] :]:
            del self.images[number]
        del self.categories[before[1] :]
        del self.bad[before[2] :]
        del self._spans[before[3] :]
        self.columns.cut(before[3] // 4)

    def _in_columns(self, file: JsonFile, part: int, *, images: bool, annotations: bool) -> set[str]:
        """Take in a file whose annotations are objects without objects in them; returns the keys of its lists."""
        if not annotations:
            raise Unusual
        keys: set[str] = set()
        with Flat(file.path, is_list=file.is_list) as flat:
            for found in flat.annotations():
                if isinstance(found, Boxes):
                    self._add_boxes(part, found)
                else:
                    self._add_stretch(part, found)
            for stretch in flat.rest():
                keys.add(stretch.key)
                if images and stretch.key in ("images", "categories"):
                    self._add_entries(part, stretch, bad=True)
        return keys

    def _in_stretches(self, file: JsonFile, part: int, *, images: bool, annotations: bool) -> set[str]:
        """Take in a file in the usual shape; returns the keys of its lists."""
        keys: set[str] = set()
        for stretch in file.stretches():
            keys.add(stretch.key)
            if annotations and stretch.key in ("annotations", ""):
                self._add_stretch(part, stretch)
            elif images and stretch.key in ("images", "categories"):
                self._add_entries(part, stretch, bad=annotations)
        return keys | file.lists

    def _add_entries(self, part: int, stretch: Stretch, *, bad: bool) -> None:
        """Take in images or categories; those that cannot be understood are noted if they are worth it."""
        add = self._add_image if stretch.key == "images" else self._add_category
        for begin, end, value in zip(stretch.begins, stretch.ends, stretch.values, strict=True):
            try:
                add(part, value)
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                if bad:
                    self.bad.append((Span(part, begin, end), _why(stretch.key, error)))

    def _add_boxes(self, part: int, found: Boxes) -> None:
        """Take in annotations that are columns already; those of an image mostly stand together."""
        ids = found.image_ids
        firsts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
        numbers = np.array([self._number(part, each) for each in ids[firsts].tolist()], np.int64)
        rows = np.empty((len(ids), 4), np.int64)
        rows[:, 0] = np.repeat(numbers, np.diff(firsts, append=len(ids)))
        rows[:, 1], rows[:, 2], rows[:, 3] = part, found.begins, found.ends
        self._spans.frombytes(rows.tobytes())
        self.columns.add_boxes(part, found)

    def _add_stretch(self, part: int, stretch: Stretch) -> None:
        """Take in annotations: their spans, and as columns what can be one."""
        try:
            numbers = [self._known[part, each["image_id"]] for each in stretch.values]
        except (KeyError, TypeError):
            numbers = []
            for each in stretch.values:
                try:
                    numbers.append(self._number(part, each["image_id"]))
                except (ValueError, TypeError, KeyError) as error:
                    raise Unusual from error
        rows = np.array([numbers, [part] * len(numbers), stretch.begins, stretch.ends], np.int64)
        self._spans.frombytes(rows.T.tobytes())
        self.columns.add(part, stretch.values)

    def _one_by_one(self, file: JsonFile, part: int, *, images: bool, annotations: bool) -> set[str]:
        """Take in any file, element by element; returns the keys of its lists."""
        for key, begin, end in file.walk():
            span = Span(part, begin, end)
            try:
                if annotations and key in ("annotations", ""):
                    self._add_annotation(span, file.value(begin, end))
                elif images and key == "images":
                    self._add_image(part, file.value(begin, end))
                elif images and key == "categories":
                    self._add_category(part, file.value(begin, end))
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                if annotations:
                    self.bad.append((span, _why(key or "annotations", error)))
        return file.lists

    def _number(self, part: int, image_id: Any) -> int:
        return self._numbers.setdefault((part, id_key(image_id)), len(self._numbers))

    def _add_annotation(self, span: Span, value: dict[str, Any]) -> None:
        self._spans.extend((self._number(span.part, value["image_id"]), span.part, span.begin, span.end))
        self.columns.skip(1)

    def _add_image(self, part: int, value: dict[str, Any]) -> None:
        number = self._number(part, value["id"])
        if number in self.images:
            raise ValueError(f"the image id {value['id']} is there twice; give every image an id of its own")
        name = str(value["file_name"])
        if not is_simple(name) and _is_nothing(name):
            raise ValueError(f"{name!r} is no file name; correct it")
        if type(value["id"]) is int:
            self._known[part, value["id"]] = number
        size = int(value.get("width") or 0), int(value.get("height") or 0)
        self.images[number] = Image(part, value["id"], name, *size)
        if not _USUAL.issuperset(value):
            self._add_own(self.images[number], value)

    def _add_own(self, image: Image, value: dict[str, Any]) -> None:
        """Take in what RCG wrote besides."""
        image.labelled = value.get("labelled") is not False
        image.card = value.get("card") if isinstance(value.get("card"), str) else None
        image.split = value.get("split") if value.get("split") in ("train", "val", "test") else None

    def _add_category(self, part: int, value: dict[str, Any]) -> None:
        id_key(value["id"])  # refuses what is no id
        names = tuple(map(str, value.get("keypoints") or ()))
        self.categories.append((part, value["id"], str(value["name"])))
        if names:
            self.keypoints_differ |= bool(self.keypoints) and self.keypoints != names
            self.keypoints = self.keypoints or names

    def add_image(self, image: Image) -> None:
        """Add an image that a list of results names itself."""
        self.images.setdefault(self._number(image.part, image.id), image)

    def finish(self) -> None:
        """Sort the annotations by image; those whose image is missing are bad."""
        table = np.frombuffer(self._spans, dtype=np.int64).reshape(-1, 4) if self._spans else np.zeros((0, 4), np.int64)
        self._order = np.argsort(table[:, 0], kind="stable")
        self._sorted = table[self._order, 0]
        known = np.fromiter(self.images, dtype=np.int64, count=len(self.images))
        for _, part, begin, end in table[~np.isin(table[:, 0], known)].tolist():
            reason = "its image_id is not in the list of images; add the image, or remove the annotation"
            self.bad.append((Span(part, begin, end), reason))

    def rows(self, numbers: Sequence[int]) -> tuple[Ints, Ints]:
        """Where the annotations of some images begin and end in `order`, by their numbers."""
        return np.searchsorted(self._sorted, numbers), np.searchsorted(self._sorted, numbers, side="right")

    @property
    def order(self) -> Ints:
        """The annotations sorted by image, as `rows` counts them: their places in the files."""
        return self._order

    def spans(self, number: int) -> list[Span]:
        """Where the annotations of one image stand, in the order of the file."""
        first, last = np.searchsorted(self._sorted, [number, number + 1])
        return [Span(*self._spans[4 * at + 1 : 4 * at + 4]) for at in self._order[first:last].tolist()]


def id_key(value: Any) -> str:
    """An id as a text: 7, 7.0 and "7" are the same."""
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, bool | list | dict):
        raise ValueError(f"{value!r} is no id; write a number")
    return str(value)


def _is_nothing(name: str) -> bool:
    """Whether a name cannot be that of a file."""
    return not name.strip("/\\.") or "\0" in name or not tails(name.replace("\\", "/"))


def _why(key: str, error: Exception) -> str:
    what = {"annotations": "annotation", "images": "image", "categories": "category"}[key]
    if isinstance(error, KeyError):
        return f"the {what} has no {error.args[0]}; add it"
    if isinstance(error, TypeError) or type(error) is not ValueError:
        return f"the {what} is no strict JSON with the usual keys ({error}); write plain numbers, no NaN"
    if (said := str(error)).startswith("invalid literal"):
        return f"the {what} has {said.partition(': ')[2]} where a number belongs; correct it"
    return said
