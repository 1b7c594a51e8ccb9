"""CVAT XML for images, version 1.1: boxes, turned boxes, outlines, ellipses, masks, points and skeletons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rcg.annotations.checks import NoScore, UnknownClass, Unusable, score_of
from rcg.annotations.classes import ClassFile, decoded, find_classes
from rcg.annotations.formats.cvat_index import Index, walk
from rcg.annotations.listed import ListedSource, locate, number_of, whole_number_of
from rcg.annotations.place import Place
from rcg.annotations.shapes import ROUND, boxed, ellipse, masked, outlined, rectangle, turned
from rcg.annotations.source import Notes, Reading
from rcg.annotations.textfile import TextFile
from rcg.errors import DataError, FormatError
from rcg.geometry import bounds
from rcg.images import Size
from rcg.types import Annotation, Keypoints, LabelSet, Point

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_Shape = tuple[int, "Element"]
_ROOT = re.compile(r"<annotations[\s>]")
_INSIDE = re.compile(r"<(?:meta|image|track|version)[\s/>]")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"'][^>]*\?>")
_SHAPE = re.compile(rb"<(?!image|attribute)[A-Za-z]+[\s/>]")
_NO_AREA = {
    "polyline": "a polyline encloses no area; draw it as a polygon",
    "cuboid": "a cuboid is no outline in the image; draw its face as a polygon",
    "tag": "a tag speaks of the whole image and has no place; draw a box, or remove the tag",
}


def recognise(place: Place) -> str | None:
    """Why a place holds CVAT XML, or None."""
    files = _label_files(place, most=50)
    return f"{place.shown(files[0])} is XML that begins with <annotations>" if files else None


def _label_files(place: Place, *, most: int | None = None) -> list[Path]:
    if place.file is not None:
        return [place.file] if place.file.suffix.lower() == ".xml" and _is_cvat(place.file) else []
    return [path for name in place.files.get(".xml", ())[:most] if _is_cvat(path := place.root / name)]


def _is_cvat(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = decoded(file.read(4096))
    except OSError:
        return False
    root = _ROOT.search(head)
    return root is not None and _INSIDE.search(head, root.end()) is not None


def open_source(place: Place, reading: Reading) -> CvatSource:
    """The CVAT labels of a place.

    Raises:
        FormatError: If a file is broken, or holds videos.
        DataError: If it names no image.
    """
    files = _label_files(place)
    if not files:
        fix = "name a file that was exported as CVAT for images 1.1"
        raise FormatError("this is no CVAT XML", where=place.file or place.root, fix=fix)
    index, notes = Index(), Notes()
    for part, path in enumerate(files):
        with _opened(path) as file:
            walk(file, part, index)
    if not index.mentions:
        why = f": {index.bad[0][1]}" if index.bad else ""
        fix = "export the task as CVAT for images 1.1"
        raise DataError(f"the file names no image{why}", where=files[0], fix=fix)
    classes = _classes(place, reading, index)
    found = locate(place, files, index.mentions, notes)
    keypoints = index.keypoints()
    if index.skeletons_differ:
        notes.say("the skeletons have different points; those of the first are the keypoints of this set")
    return CvatSource(
        format="cvat",
        reason=f"{reading.reason}; class names: {classes.origin}",
        images=found.images,
        labels=LabelSet(classes.names, keypoints=keypoints).renumbered(1),
        place=place,
        files=files,
        there=found.there,
        rows=found.rows,
        bad=index.bad,
        need_score=reading.need_score,
        class_hint=classes.origin,
        notes=notes,
        loose_points=index.loose_points() and not index.skeletons,
    )


def _classes(place: Place, reading: Reading, index: Index) -> ClassFile:
    """The given classes, or the labels of the file's own list, and after them those that are used but not listed."""
    if reading.classes is not None:
        found = find_classes(place, reading.classes)
        assert found is not None
        return found
    listed = index.listed()
    others = sorted(index.used - set(listed))
    origin = "the labels of the task" if listed else "those in the file, sorted"
    return ClassFile(names=(*listed, *others), origin=origin)


def _opened(path: Path) -> TextFile:
    file = TextFile(path)
    said = _ENCODING.match(file.data, file.start)
    if said is not None and said[1].lower() not in (b"utf-8", b"utf8", b"us-ascii", b"utf-16"):
        file.recoded(said[1].decode())
    return file


@dataclass(frozen=True, kw_only=True)
class CvatSource(ListedSource[TextFile, _Shape]):
    """CVAT labels that can be read; see `AnnotationSource`.

    Attributes:
        loose_points: Whether points without a skeleton are keypoints: they are as many wherever they are drawn.
    """

    loose_points: bool

    def opened(self, path: Path) -> TextFile:
        """The file."""
        return _opened(path)

    def entries(self, file: TextFile, begin: int, end: int) -> Iterator[_Shape]:
        """The shapes of one image, counted from 0 with the points of skeletons."""
        from xml.etree.ElementTree import ParseError, fromstring

        try:
            image = fromstring(file.data[begin:end])  # the walk refused document types, so no entity is declared
        except (ParseError, ValueError) as error:
            raise Unusable(f"this is no XML ({error}); export the file again") from error
        at = 0
        for shape in image:
            yield at, shape
            at += 1 + len(shape.findall("points"))

    def place_of(self, file: TextFile, begin: int, end: int, entry: _Shape) -> tuple[int, str]:
        """The line that the shape begins on, and its XML on one line."""
        from xml.etree.ElementTree import tostring

        starts = [match.start() for match in _SHAPE.finditer(file.data, begin, end)]
        at = starts[entry[0]] if entry[0] < len(starts) else begin
        return file.line(at), re.sub(r">\s+<", "><", tostring(entry[1], encoding="unicode")).strip()

    def annotation(self, entry: _Shape, size: Size) -> tuple[Annotation, bool]:
        """The label of one shape."""
        shape = entry[1]
        if shape.tag in _NO_AREA:
            raise Unusable(_NO_AREA[shape.tag])
        label = (shape.get("label") or "").strip()
        if not label:
            raise Unusable("the shape has no label; add it")
        if label not in self.labels.names:
            raise UnknownClass(f"the class {label!r} is not in the class file; add it there")
        score = _score(shape)
        if score is None and self.need_score:
            raise NoScore
        self._remark(shape, label)
        return self._drawn(shape, label, size, score)

    def _drawn(self, shape: Element, label: str, size: Size, score: float | None) -> tuple[Annotation, bool]:
        if shape.tag == "mask":
            return _mask(shape, label, size, score)
        if shape.tag == "skeleton":
            return _with_keypoints(label, _skeleton(shape, self.labels.keypoints), size, score)
        if shape.tag == "points":
            if not self.loose_points:
                what = "points that are no skeleton, and not equally many everywhere, are no keypoints"
                raise Unusable(f"{what}; draw them as a skeleton")
            return _with_keypoints(label, [(*point, 2) for point in _points(shape)], size, score)
        if shape.tag == "box" and not _number(shape, "rotation", 0.0) % 360:
            return boxed(label, _corners(shape), size, score=score)
        if shape.tag == "ellipse":
            self.notes.add(ROUND, label)
        return outlined(label, [_ring(shape)], size, score=score)

    def _remark(self, shape: Element, label: str) -> None:
        """Note what is not carried."""
        if shape.get("occluded") == "1":
            self.notes.add("shapes marked 'occluded', which RCG does not carry", label)
        for each in shape.iter("attribute"):
            if each.get("name") not in _SCORES and (each.text or "").strip():
                self.notes.add(f"shapes with the attribute {each.get('name')!r}, which RCG does not carry", label)


_SCORES = ("score", "confidence")


def _score(shape: Element) -> float | None:
    for each in shape.findall("attribute"):
        if each.get("name") in _SCORES and (each.text or "").strip():
            return score_of(number_of((each.text or "").strip(), "score"))
    return None


def _number(shape: Element, key: str, default: float | None = None) -> float:
    text = shape.get(key)
    if text is None and default is not None:
        return default
    return number_of("" if text is None else text, key)


def _corners(box: Element) -> tuple[float, float, float, float]:
    return _number(box, "xtl"), _number(box, "ytl"), _number(box, "xbr"), _number(box, "ybr")


def _ring(shape: Element) -> list[Point]:
    degrees = _number(shape, "rotation", 0.0)
    match shape.tag:
        case "box":
            left, top, right, bottom = _corners(shape)
            return turned(rectangle(left, top, right, bottom), degrees, ((left + right) / 2, (top + bottom) / 2))
        case "polygon":
            return _points(shape)
        case "ellipse":
            middle = _number(shape, "cx"), _number(shape, "cy")
            return ellipse(middle, (_number(shape, "rx"), _number(shape, "ry")), degrees)
    raise Unusable(f"a shape <{shape.tag}> is not known; draw a box or a polygon")


def _points(shape: Element) -> list[Point]:
    text = (shape.get("points") or "").strip().strip(";")
    found: list[Point] = []
    for pair in text.split(";") if text else ():
        x, comma, y = pair.partition(",")
        if not comma:
            raise Unusable(f"the point {pair!r} is no pair of numbers; write x,y;x,y;x,y")
        found.append((number_of(x.strip(), "x"), number_of(y.strip(), "y")))
    return found


def _mask(shape: Element, label: str, size: Size, score: float | None) -> tuple[Annotation, bool]:
    """A mask as counts of background and mask pixels in turn, row by row, within its box."""
    left, top, columns, rows = (whole_number_of(shape.get(key), key) for key in ("left", "top", "width", "height"))
    if not (0 < columns <= size.width and 0 < rows <= size.height):
        raise Unusable(f"the mask's size {columns} x {rows} does not fit the image; draw it again")
    counts = [whole_number_of(part.strip(), "a count") for part in (shape.get("rle") or "").split(",")]
    if min(counts) < 0 or sum(counts) != columns * rows:
        raise Unusable(f"the counts of the mask do not add up to its {columns} x {rows} pixels; draw it again")
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return masked(label, values.reshape(rows, columns), (left, top), size, score=score)


def _skeleton(shape: Element, names: Sequence[str]) -> list[tuple[float, float, int]]:
    """The points of a skeleton in the order of the keypoints' names."""
    found: dict[str, tuple[float, float, int]] = {}
    for each in shape.findall("points"):
        name = (each.get("label") or "").strip()
        if name not in names:
            raise Unusable(f"the skeleton's point {name!r} is none of {', '.join(names)}; all skeletons need the same")
        if each.get("outside") == "1":
            continue
        points = _points(each)
        if len(points) != 1:
            raise Unusable(f"the skeleton's point {name!r} has {len(points)} places; it needs one")
        found[name] = (*points[0], 1 if each.get("occluded") == "1" else 2)
    return [found.get(name, (0.0, 0.0, 0)) for name in names]


def _with_keypoints(
    label: str, points: Sequence[tuple[float, float, int]], size: Size, score: float | None
) -> tuple[Annotation, bool]:
    seen = [(x, y) for x, y, visible in points if visible]
    if not all(np.isfinite(seen).ravel()):
        raise Unusable("a coordinate is not a finite number; write plain numbers")
    if len({x for x, _ in seen}) < 2 or len({y for _, y in seen}) < 2:
        raise Unusable("these points span no box; draw a box around the thing")
    around, clipped = boxed(label, bounds(seen).corners, size, score=score)
    return Annotation(label=label, box=around.box, keypoints=Keypoints(tuple(points)), score=score), clipped
