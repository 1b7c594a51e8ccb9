"""COCO JSON: instances, keypoints and results with scores, one file or one a split.

The lists of a file are walked element by element, so that memory grows with the number of images and by 32 bytes an
annotation, and one bad element (a NaN, a dangling id) costs only itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rcg.annotations.checks import NoOutline, NoScore, Unusable, box_inside, ring_inside, score_of
from rcg.annotations.formats.coco_index import Image, Index, Span, id_key
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.place import Place, image_size
from rcg.annotations.source import CLIPPED, OTHER_KIND, OTHER_SIZE, Bad, BadMeter, Notes, Reading, no_scores
from rcg.annotations.split import split_of_path
from rcg.errors import ConfigError, DataError, FormatError
from rcg.geometry import bounds, polygon_area
from rcg.images import Size
from rcg.progress import Report, silent
from rcg.types import Annotation, BadLine, Box, ImageRecord, Keypoints, LabelSet, Polygon, Rle

_MOST_LOOKED_AT = 2000  # a folder may hold one LabelMe file an image; a COCO file is among the first
Result = TypeVar("Result")

_FIRST = 50  # file names that are looked for to find the images' folder
_KNOWN = frozenset(
    {"id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "score", "keypoints", "num_keypoints"}
    | {"file_name", "label", "category_name"}
)


def recognise(place: Place) -> str | None:
    """Why a place holds COCO JSON, or None."""
    files = _label_files(place)
    if not files:
        return None
    if _is_results(files[0]):
        return f"{place.shown(files[0])} is a list of results with image ids"
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{place.shown(files[0])}{more} holds lists of images and annotations"


def _label_files(place: Place) -> list[Path]:
    """The COCO files of a place; where instances stand beside captions and the like, only the instances."""
    if place.file is not None:
        return [place.file] if place.file.suffix.lower() == ".json" and _is_coco(place.file) else []
    found = [place.root / name for name in place.files.get(".json", ())[:_MOST_LOOKED_AT]]
    found = [path for path in found if _is_coco(path)]
    for beginning in ("instances", "person_keypoints"):
        if chosen := [path for path in found if path.name.startswith(beginning)]:
            return chosen
    return [path for path in found if not _is_results(path)] or found


def _is_coco(path: Path) -> bool:
    try:
        with JsonFile(path) as file:
            if not file.is_list:
                return file.has("images", "annotations")
            first = next(file.walk(), None)
            value = None if first is None else file.value(*first[1:])
            return isinstance(value, dict) and "image_id" in value and "category_id" in value
    except (FormatError, ValueError):
        return False


def _is_results(path: Path) -> bool:
    with JsonFile(path) as file:
        return file.is_list


def open_source(place: Place, reading: Reading) -> CocoSource:
    """The COCO labels of a place.

    Raises:
        FormatError: If a file is cut off, or is no COCO JSON.
        DataError: If results do not say which images they speak of.
    """
    files = _label_files(place)
    if not files:
        fix = "name a file with lists called images, annotations and categories, or a list of results"
        raise FormatError("this is no COCO JSON", where=place.file or place.root, fix=fix)
    notes, index = Notes(), Index()
    results = _is_results(files[0])
    for part, path in enumerate(files):
        if results:
            _walk_results(index, part, path, _truth_of(path, place, reading))
        else:
            index.walk(path, part)
    for path in index.truths:
        notes.say(f"image and category ids were looked up in {place.shown(path)}")
    index.finish()
    if not index.images:
        raise DataError("the list of images is empty", where=files[0], fix="export the file again")
    if reading.classes is not None and not results:
        notes.say("a COCO file names its own classes, so the class file was not used")
    labels, names = _categories(index, notes)
    images, folders = _find_images(place, index, files)
    return CocoSource(
        reason=reading.reason,
        images=images,
        labels=labels,
        notes=notes,
        rows=_rows(index, files, images, folders, notes),
        reader=_Reader(index, names, images, folders, place, need_score=reading.need_score),
    )


def _walk_results(index: Index, part: int, path: Path, truth: Path | None) -> None:
    """Results speak of images by id: these stand in the ground truth, or in the results themselves."""
    index.walk(path, part, images=False)
    if truth is not None:
        index.walk(truth, part, annotations=False)
        return
    with JsonFile(path) as file:
        names: dict[str, tuple[Any, str]] = {}
        for _, begin, end in file.walk():
            value = dict(file.value(begin, end))
            name, label = value.get("file_name"), value.get("label", value.get("category_name"))
            if not isinstance(name, str) or not isinstance(label, str):
                fix = "name the COCO file with the images and categories: classes=FILE, --classes FILE"
                raise DataError("the results do not say which images they speak of", where=path, fix=fix)
            index.add_image(Image(part, value["image_id"], name.replace("\\", "/")))
            names.setdefault(id_key(value["category_id"]), (value["category_id"], label))
    index.categories += [(part, category, label) for category, label in names.values()]


def _truth_of(results: Path, place: Place, reading: Reading) -> Path | None:
    if isinstance(reading.classes, str | Path) and Path(reading.classes).suffix.lower() == ".json":
        return Path(reading.classes)
    with JsonFile(results) as file:
        wanted = {id_key(file.value(begin, end)["image_id"]) for _, begin, end in file.walk()}
    fitting = []
    for path in sorted(results.parent.glob("*.json")):
        if path != results and path.absolute() != place.ignore and _is_coco(path) and not _is_results(path):
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


def _find_images(place: Place, index: Index, files: list[Path]) -> tuple[Path, list[Path | None]]:
    """The common folder of all images, and for each file the one its names are relative to; None without images."""
    folders = []
    for part, path in enumerate(files):
        names = [image.name for image in index.images.values() if image.part == part][:_FIRST]
        candidates = list(dict.fromkeys(_candidates(place, path)))
        hits = [sum(_existing(folder, name) is not None for name in names) for folder in candidates]
        best = max(hits, default=0)
        folders.append(candidates[hits.index(best)] if best else None)
    found = sorted({folder.absolute() for folder in folders if folder is not None})
    if place.images_named:
        return place.images, folders
    if not found:
        return files[0].parent, folders
    return (found[0] if len(found) == 1 else Path(os.path.commonpath(found))), folders


def _candidates(place: Place, path: Path) -> Iterator[Path]:
    split = path.stem.rpartition("_")[2]
    if place.images_named:
        yield from (place.images, place.images / split, place.images / path.parent.name)
        return
    if place.source.is_dir() and place.source != path.parent:
        yield from (place.source / "images" / split, place.source / "images", place.source / split, place.source)
    for folder in (path.parent, path.parent.parent):
        yield folder
        for name in ("images", "data", "JPEGImages"):
            yield from (folder / name / split, folder / name)
        yield folder / split


def _existing(folder: Path, name: str) -> str | None:
    """The name, if the file exists; of an absolute path the longest end that does."""
    return next((tail for tail in _tails(name) if os.path.isfile(f"{folder}/{tail}")), None)  # noqa: PTH113 - faster


def _tails(name: str) -> list[str]:
    """The name, if it stays below its folder; else what can be left of it, longest first."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if parts and not name.startswith("/") and ".." not in parts and not parts[0].endswith(":"):
        return ["/".join(parts)]
    if ".." in parts:
        parts = parts[len(parts) - parts[::-1].index("..") :]
    parts = [part for part in parts if not part.endswith(":")]
    return ["/".join(parts[at:]) for at in range(len(parts))]


@dataclass(slots=True)
class Row:
    """One image file: its name below the common folder, its entry, and the numbers of all entries that name it."""

    name: str
    image: Image
    numbers: list[int]
    image_id: int | None
    split: str | None


def _rows(index: Index, files: list[Path], images: Path, folders: list[Path | None], notes: Notes) -> list[Row]:
    ids = [image.id for image in index.images.values()]
    keep = all(isinstance(each, int) for each in ids) and len(set(ids)) == len(ids)
    if not keep:
        notes.say("the image ids are no numbers or not unique, so images are numbered anew")
    several = len(files) > 1
    rows: dict[str, Row] = {}
    for number, image in index.images.items():
        folder, path = folders[image.part], files[image.part]
        tails = _tails(image.name) or [image.name]
        said = split_of_path(f"{path.stem.rpartition('_')[2]}/x") or split_of_path(f"{path.parent.name}/x")
        if folder is None:
            name = f"{path.stem}/{tails[-1]}" if several else tails[0] if len(tails) == 1 else tails[-1]
        else:
            inside = os.path.relpath(folder, images).replace(os.sep, "/")
            name = _existing(folder, image.name) or tails[0]
            name = name if inside == "." else f"{inside}/{name}"
        row = rows.get(name)
        if row is not None:
            row.numbers.append(number)
            notes.add("images that several entries name, read as one", name)
        else:
            split = image.split or split_of_path(name) or said
            rows[name] = Row(name, image, [number], image.id if keep else None, split)
    return sorted(rows.values(), key=lambda row: row.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoSource:
    """COCO labels that can be read; see `AnnotationSource`."""

    reason: str
    images: Path
    labels: LabelSet
    rows: list[Row]
    reader: _Reader
    notes: Notes
    format: str = "coco"

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.rows)

    def mapped(
        self, then: Callable[[ImageRecord], Result], bad: Bad, *, report: Report = silent, jobs: int = 1
    ) -> Iterator[Result]:
        """What `then` makes of each record; one file is read by one process, whatever `jobs` says."""
        if jobs < 1:
            raise ConfigError(f"jobs={jobs} is no number of processes", fix="give 1 or more")
        return map(then, self.records(bad, report=report))

    def records(self, bad: Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        """The images with their annotations; see `AnnotationSource.records`."""
        meter = BadMeter(self.total, report, bad)
        with ExitStack() as stack:
            reader = self.reader
            reader.found = reader.unscored = 0
            reader.files = [stack.enter_context(JsonFile(path)) for path in reader.index.paths]
            for span, reason in reader.index.bad:
                meter.bad(reader.bad_line(span, reason))
            for row in self.rows:
                record = reader.record(row, meter.bad, self.notes)
                if record is not None:
                    yield record
                meter.step()
        if reader.unscored and not reader.found:
            raise no_scores(reader.unscored, reader.index.paths[0])
        meter.close()


@dataclass(slots=True)
class _Reader:
    """Reads one image's annotations from where they stand."""

    index: Index
    names: dict[tuple[int, str], str]
    images: Path
    folders: list[Path | None]
    place: Place
    need_score: bool = field(kw_only=True)
    files: list[JsonFile] = field(default_factory=list)
    found: int = 0
    unscored: int = 0

    def bad_line(self, span: Span, reason: str) -> BadLine:
        """An element as a line of the quarantine."""
        file = self.files[span.part]
        text = file.text(span.begin, span.end)
        return BadLine(file=self.place.shown(file.path), line=file.line(span.begin), reason=reason, text=text)

    def record(self, row: Row, bad: Bad, notes: Notes) -> ImageRecord | None:
        """One image, or None where it is in the quarantine."""
        try:
            size = self._size(row, notes)
        except Unusable as error:
            bad(BadLine(file=self.place.prefix(self.images) + row.name, line=None, reason=str(error)))
            for span in self._spans(row):
                bad(self.bad_line(span, f"its image {row.name} cannot be read; copy or export it again"))
            return None
        found = []
        for span in self._spans(row):
            value = self.files[span.part].value(span.begin, span.end)
            try:
                found.append(self._annotation(value, span.part, size, notes))
            except Unusable as error:
                self.unscored += isinstance(error, NoScore)
                bad(self.bad_line(span, str(error)))
        self.found += len(found)
        return ImageRecord(
            file_name=row.name,
            width=size.width,
            height=size.height,
            annotations=tuple(found),
            labelled=row.image.labelled or bool(found),
            image_id=row.image_id,
            card=row.image.card,
            split=row.split,
        )

    def _spans(self, row: Row) -> list[Span]:
        return [span for number in row.numbers for span in self.index.spans(number)]

    def _size(self, row: Row, notes: Notes) -> Size:
        said = Size(row.image.width, row.image.height)
        if self.folders[row.image.part] is None:  # labels without their images: what the file says has to do
            if said.width <= 0 or said.height <= 0:
                raise Unusable("neither the file nor an image says its width and height; name the images' folder")
            notes.add("images that are not there, so their sizes are as the file says", row.name)
            return said
        size, other_kind = image_size(self.images, row.name)
        if other_kind is not None:
            notes.add(OTHER_KIND, f"{row.name} ({other_kind})")
        if said.width > 0 and said.height > 0 and said != size:
            text = f"{row.name} ({said.width} x {said.height} there, {size.width} x {size.height} in the image)"
            notes.add(OTHER_SIZE, text)
        return size

    def _annotation(self, value: dict[str, Any], part: int, size: Size, notes: Notes) -> Annotation:
        score = value.get("score")
        shown = f"annotation {value.get('id', '')} of image {value.get('image_id')}"
        try:
            label = self.names.get((part, id_key(value["category_id"])))
            if label is None:
                raise Unusable(f"the category id {value['category_id']!r} is none of the file's; add it to categories")
            if score is None and self.need_score:
                raise NoScore
            for key in sorted(value.keys() - _KNOWN):
                notes.add(f"annotations with {key!r}, which RCG does not carry", shown)
            polygons, clipped, empty = _rings(value.get("segmentation"), size)
            if empty and not value.get("bbox"):
                raise Unusable("the outline encloses no area, and there is no bbox; draw it again")
            if empty:
                notes.add("outlines that enclose no area, left out; the box was kept", shown)
            rle = _rle(value.get("segmentation"))
            box, box_clipped = _box(value.get("bbox"), polygons, rle, size)
            if clipped or box_clipped:
                notes.add(CLIPPED, shown)
            return Annotation(
                label=label,
                box=box,
                polygons=polygons,
                rle=rle,
                keypoints=_keypoints(value.get("keypoints")),
                score=None if score is None else score_of(float(score)),
                crowd=bool(value.get("iscrowd", 0)),
                area=_area(value.get("area"), box, polygons, rle),
            )
        except (TypeError, ValueError, KeyError, IndexError, DataError) as error:
            raise Unusable(f"the annotation has not the usual form ({error}); export it again") from error


def _rings(value: Any, size: Size) -> tuple[tuple[Polygon, ...], bool, int]:
    """The outlines, whether one was clipped, and how many enclose nothing."""
    if not value or isinstance(value, dict):
        return (), False, 0
    found: list[Polygon] = []
    clipped, empty = False, 0
    for ring in [value] if isinstance(value[0], int | float) else value:
        try:
            polygon, moved = ring_inside(list(zip(ring[::2], ring[1::2], strict=True)), size)
        except NoOutline:
            empty += 1
        else:
            found.append(polygon)
            clipped |= moved
    return tuple(found), clipped, empty


def _rle(value: Any) -> Rle | None:
    if not isinstance(value, dict):
        return None
    rows, columns = value["size"]
    counts = value["counts"]
    return Rle(int(rows), int(columns), counts if isinstance(counts, str) else tuple(map(int, counts)))


def _box(value: Any, polygons: tuple[Polygon, ...], rle: Rle | None, size: Size) -> tuple[Box, bool]:
    """The box as given; where it is missing, that of the outline."""
    if value:
        left, top, across, down = (float(number) for number in value)
        return box_inside(left, top, left + across, top + down, size)
    if polygons:
        return bounds([point for ring in polygons for point in ring.points]), False
    if rle is not None:
        from pycocotools import mask

        left, top, across, down = mask.toBbox(_packed(rle)).tolist()
        return box_inside(left, top, left + across, top + down, size)
    raise Unusable("there is neither a bbox nor a segmentation; draw it again")


def _area(value: Any, box: Box, polygons: tuple[Polygon, ...], rle: Rle | None) -> float | None:
    """The area as given; None where it is that of the box."""
    if value is None and polygons:
        return sum(polygon_area(ring.points) for ring in polygons)
    if value is None and rle is not None:
        from pycocotools import mask

        return float(mask.area(_packed(rle)))
    if value is None or (not polygons and rle is None and abs(value - box.area) <= 1e-6 * box.area):
        return None
    return float(value)


def _packed(rle: Rle) -> dict[str, Any]:
    from pycocotools import mask

    size = [rle.height, rle.width]
    if isinstance(rle.counts, str):
        return {"size": size, "counts": rle.counts.encode()}
    return dict(mask.frPyObjects({"size": size, "counts": list(rle.counts)}, rle.height, rle.width))


def _keypoints(value: Any) -> Keypoints | None:
    if not value:
        return None
    return Keypoints(tuple((float(x), float(y), int(v)) for x, y, v in zip(*[iter(value)] * 3, strict=True)))
