"""COCO JSON: instances, keypoints and results with scores, one file or one a split.

The lists of a file are walked in stretches, and plain boxes kept as columns, so that memory grows with the number of
images and by some 100 bytes an annotation. One bad element (a NaN, a dangling id) costs only itself: the file is then
walked element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from rcg.annotations.finding import FIRST, find_images, name_below, names_of, unseen
from rcg.annotations.formats.coco_files import coco_files, is_coco, is_results, split_of_file
from rcg.annotations.formats.coco_index import Image, Index, id_key, is_simple
from rcg.annotations.formats.coco_read import Reader, Row
from rcg.annotations.formats.coco_runs import Columnwise, seal_rows
from rcg.annotations.items import changed_at
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.place import Place
from rcg.annotations.source import RUN, AnnotationSource, Notes, Read, Reading, Sums, no_scores
from rcg.annotations.split import split_of_path
from rcg.errors import ConfigError, DataError, FormatError
from rcg.files import stamp_of
from rcg.types import BadLine, LabelSet


def recognise(place: Place) -> str | None:
    """Why a place holds COCO JSON, or None."""
    files = coco_files(place).read
    if not files:
        return None
    if is_results(files[0]):
        return f"{place.shown(files[0])} is a list of results with image ids"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{place.shown(files[0])}{more} holds lists of images and annotations"


def open_source(place: Place, reading: Reading) -> CocoSource:
    """The COCO labels of a place.

    Raises:
        FormatError: If a file is cut off, or is no COCO JSON.
        DataError: If results do not say which images they speak of.
    """
    chosen = coco_files(place)
    files = chosen.read
    if not files:
        fix = "name a file with lists called images, annotations and categories, or a list of results"
        raise FormatError("this is no COCO JSON", where=place.file or place.root, fix=fix)
    notes, index = Notes(), Index()
    for path, what in chosen.passed:
        notes.say(f"{place.shown(path)} is here too ({what}) and was not read; name it to read it")
    results = is_results(files[0])
    for part, path in enumerate(files):
        if results:
            _walk_results(index, part, path, _truth_of(path, place, reading))
        else:
            index.walk(path, part)
    for path in index.truths:
        notes.say(f"image and category ids were looked up in {place.shown(path)}")
    for path in index.without.values():
        notes.say(f"{place.shown(path)} has no list called annotations, so its images count as not labelled")
    index.finish()
    if not index.images:
        raise DataError("the list of images is empty", where=files[0], fix="export the file again")
    if reading.classes is not None and not results:
        notes.say("a COCO file names its own classes, so the class file was not used")
    labels, names = _categories(index, notes)
    folders: list[Path | None] = [None] * len(files)
    images = place.images if place.images_named else files[0].parent
    if not reading.trusted:
        images, folders = find_images(place, files, _first_names(index, len(files)))
    return CocoSource(
        reason=reading.reason,
        images=images,
        labels=labels,
        notes=notes,
        rows=_rows(index, files, images, folders, notes, exact=reading.trusted),
        reader=Reader(
            index,
            names,
            images,
            folders,
            place,
            need_score=reading.need_score,
        ),
    )


def _walk_results(index: Index, part: int, path: Path, truth: Path | None) -> None:
    """Results speak of images by id: these stand in the ground truth, or in the results themselves."""
    index.walk(path, part, images=False)
    if truth is not None:
        index.walk(truth, part, annotations=False)
        return
    names: dict[str, tuple[Any, str]] = {}
    for value in _results(path):
        name, label = value.get("file_name"), value.get("label", value.get("category_name"))
        if not isinstance(name, str) or not isinstance(label, str):
            fix = "name the COCO file with the images and categories: classes=FILE, --classes FILE"
            raise DataError("the results do not say which images they speak of", where=path, fix=fix)
        index.add_image(Image(part, value["image_id"], name))
        names.setdefault(id_key(value["category_id"]), (value["category_id"], label))
    index.categories += [(part, category, label) for category, label in names.values()]


def _results(path: Path) -> Iterator[dict[str, Any]]:
    """The results that can be understood; the others are among the bad of the index."""
    with JsonFile(path) as file:
        for _, begin, end in file.walk():
            with suppress(ValueError, TypeError, KeyError):
                value = file.value(begin, end)
                id_key(value["image_id"])  # refuses what is no id
                id_key(value["category_id"])
                yield value


def _truth_of(results: Path, place: Place, reading: Reading) -> Path | None:
    if isinstance(reading.classes, str | Path) and Path(reading.classes).suffix.lower() == ".json":
        return Path(reading.classes)
    wanted = {id_key(value["image_id"]) for value in _results(results)}
    fitting = []
    for path in sorted(results.parent.glob("*.json")):
        if path != results and path.absolute() != place.ignore and is_coco(path) and not is_results(path):
            other = Index()
            other.walk(path, 0, annotations=False)
            if wanted <= {id_key(image.id) for image in other.images.values()}:
                fitting.append(path)
    return fitting[0] if len(fitting) == 1 else None


def _categories(index: Index, notes: Notes) -> tuple[LabelSet, dict[tuple[int, str], str]]:
    """The classes in the order of the file with their ids, and the class of each category id of each file."""
    names = {(part, id_key(category)): name for part, category, name in index.categories}
    ids: dict[str, Any] = {}
    for _, category, name in index.categories:
        if ids.setdefault(name, category) != category:
            notes.say(f"the category {name!r} has several ids; they are one class here")
    kept = [int(value) if isinstance(value, str) and value.isdigit() else value for value in ids.values()]
    if not all(isinstance(value, int) for value in kept) or len(set(kept)) != len(kept):
        notes.say("the category ids are no numbers or not unique, so they count from 1")
        kept = list(range(1, len(ids) + 1))
    if index.keypoints_differ:
        notes.say("the categories have different keypoints; the names are those of the first")
    return LabelSet(tuple(ids), tuple(kept), index.keypoints), names


def _first_names(index: Index, parts: int) -> list[list[list[str]]]:
    """What the first images of each file may be called."""
    found: list[list[list[str]]] = [[] for _ in range(parts)]
    for image in index.images.values():
        if len(found[image.part]) < FIRST:
            found[image.part].append(names_of(image.name))
    return found


def _rows(
    index: Index, files: Sequence[Path], images: Path, folders: list[Path | None], notes: Notes, *, exact: bool
) -> list[Row]:
    """The image files, sorted by name; with `exact` they are called as the file says, since RCG wrote it."""
    ids = [image.id for image in index.images.values()]
    keep = all(isinstance(each, int) for each in ids) and len(set(ids)) == len(ids)
    if not keep:
        notes.say("the image ids are no numbers or not unique, so images are numbered anew")
    named = [
        _naming(path, folder, images, several=len(files) > 1, exact=exact)
        for path, folder in zip(files, folders, strict=True)
    ]
    said = [split_of_file(path) for path in files]
    rows: dict[str, Row] = {}
    for number, image in index.images.items():
        name = named[image.part](image.name)
        row = rows.get(name)
        if row is not None:
            row.numbers.append(number)
            notes.add("images that several entries name, read as one", name)
        else:
            split = image.split or ("/" in name and split_of_path(name)) or said[image.part]
            rows[name] = Row(name, image, [number], image.id if keep else None, split)
    return sorted(rows.values(), key=attrgetter("name"))


def _naming(path: Path, folder: Path | None, images: Path, *, several: bool, exact: bool) -> Callable[[str], str]:
    """How the images of a file are called, by the names in it."""
    if folder is not None:
        above = name_below(["x"], folder, images)[:-1]
        return lambda name: above + name if is_simple(name) else name_below(names_of(name), folder, images)
    if exact:
        return str
    above = f"{path.stem}/" if several else ""
    return lambda name: above + (name if is_simple(name) else unseen(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoSource(AnnotationSource):
    """COCO labels that can be read; see `AnnotationSource`."""

    reason: str
    images: Path
    labels: LabelSet
    rows: list[Row]
    reader: Reader
    notes: Notes
    format: str = "coco"

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.rows)

    @property
    def key(self) -> str:
        """The label files, by size and time."""
        return repr([(str(path), stamp_of(path)) for path in (*self.reader.index.paths, *self.reader.index.truths)])

    def before(self) -> Iterable[BadLine]:
        """What the walk through the files left out."""
        reader = self.reader
        with ExitStack() as stack:
            reader.files = [stack.enter_context(JsonFile(path)) for path in reader.index.paths]
            yield from [reader.bad_line(span, reason) for span, reason in reader.index.bad]

    def reads(self, *, start: int = 0, jobs: int = 1) -> Iterator[Read]:
        """What reading the images gives; one file is read by one process, whatever `jobs` says."""
        if jobs < 1:
            raise ConfigError(f"jobs={jobs} is no number of processes", fix="give 1 or more")
        reader = self.reader
        columns = Columnwise(reader, self.images, self.labels)
        with ExitStack() as stack:
            reader.files = [stack.enter_context(JsonFile(path)) for path in reader.index.paths]
            for at in range(start, len(self.rows), RUN):
                yield columns.read(self.rows[at : at + RUN])

    def same(self, start: int, count: int, *, stamp: str, since: float) -> bool:
        """Whether reading a run of images would give what it gave; see `AnnotationSource.same`."""
        rows = self.rows[start : start + count]
        if len(rows) != count or seal_rows(rows) != stamp:
            return False
        there = (row for row in rows if self.reader.folders[row.image.part] is not None)
        return all(changed_at(f"{self.images}/{row.name}") < since for row in there)

    def check(self, sums: Sums) -> None:
        """Refuse predictions without a score."""
        if sums.unscored and not sums.annotations:
            raise no_scores(sums.unscored, self.reader.index.paths[0])
