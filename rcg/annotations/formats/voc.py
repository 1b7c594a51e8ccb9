"""Pascal VOC: one XML file an image, corners in pixels.

Coordinates are taken as they stand, not shifted by one pixel: today's labelling tools write them from 0.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import unescape

import numpy as np

from rcg.annotations.checks import NoScore, UnknownClass, Unusable, box_inside, ring_inside, score_of
from rcg.annotations.classes import ClassFile, decoded, find_classes, read_text
from rcg.annotations.finding import SAME_IMAGE, match
from rcg.annotations.formats.voc_columns import columns, read_objects
from rcg.annotations.formats.voc_forms import MARKS
from rcg.annotations.items import Item, Items, read_labels
from rcg.annotations.kept import Kept
from rcg.annotations.perimage import Note, PerImageReader
from rcg.annotations.perimage_source import Orphans, PerImageSource
from rcg.annotations.place import Place
from rcg.annotations.source import OTHER_SIZE, RUN, Earlier, Read, Reading
from rcg.annotations.split import split_of_path
from rcg.errors import DataError
from rcg.geometry import bounds, polygon_area
from rcg.images import Size, read_sizes
from rcg.types import Annotation, LabelSet, Point, Polygon

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_Object = tuple[int, "Element"]
_ROOT = re.compile(rb"<annotation[\s>]")
_OBJECT = re.compile(rb"<object[\s>]")
_NAME = re.compile(rb"<object(?:\s[^>]*)?>\s*<name>([^<&]*)</name>")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FOREIGN = re.compile(rb"encoding\s*=\s*[\"'](?!utf-8)|<!DOCTYPE|\0", re.IGNORECASE)
_TOGETHER = RUN // 2  # as much text as stays in the processor's cache
_MARKED = "label files with objects marked {}, which RCG does not carry"
_NOT_CARRIED = tuple(mark.decode() for mark in MARKS)


def recognise(place: Place) -> str | None:
    """Why a place holds Pascal VOC labels, or None."""
    files = [place.file] if place.file is not None else [place.root / name for name in place.files.get(".xml", ())[:50]]
    for path in files:
        if path.suffix.lower() == ".xml" and _is_voc(path):
            return f"{place.shown(path)} is XML that begins with <annotation>"
    return None


def _is_voc(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:  # a link that leads nowhere, or no right to read: the others tell
        return False
    return _ROOT.search(decoded(head).encode()) is not None


def open_source(place: Place, reading: Reading) -> PerImageSource[Element, _Object]:
    """The Pascal VOC labels of a place; without any image the sizes are those that the files say.

    Raises:
        DataError: If there is no label file.
        FormatError: If the class file cannot be understood.
    """
    files = _label_files(place)
    if not files:
        raise DataError("there is no Pascal VOC file here", where=place.root, fix="name the folder of the .xml files")
    splits = _listed_splits(place)
    matched = match(place, files, _said_file)
    images = place.images if matched.there else place.root
    kept = Kept(place.root)
    classes = (
        find_classes(place, reading.classes)
        if reading.classes is not None
        else _used(place, files, reading.earlier, kept)
    )
    assert classes is not None
    source = PerImageSource(
        format="voc",
        reason=f"{reading.reason}; class names: {classes.origin}",
        images=images,
        labels=LabelSet(classes.names).renumbered(1),
        items=Items(matched.names, matched.pairs.label_of, _Splits(splits).of if splits else split_of_path),
        read=VocReader(
            images=images,
            images_shown=place.prefix(images),
            root=place.root,
            root_shown=place.prefix(place.root),
            need_score=reading.need_score,
            names=frozenset(classes.names),
            has_images=matched.there,
            kept=kept,
        ),
        orphans=Orphans(files=matched.pairs.orphans, doubled=matched.pairs.doubled),
        class_hint=classes.origin,
    )
    source.note_pairs(matched.pairs)
    for file in matched.clashes:
        source.notes.add(SAME_IMAGE, file)
    if not matched.there:
        what = "there are no images of these labels, so names and sizes are as the XML says"
        source.notes.say(f"{what} (images=DIR names their folder)")
    return source


def _label_files(place: Place) -> tuple[str, ...]:
    if place.file is not None:
        return (place.file.name,) if place.file.suffix.lower() == ".xml" else ()
    return place.files.get(".xml", ())


def _stem(name: str) -> str:
    return os.path.splitext(name.rpartition("/")[2])[0]  # noqa: PTH122 - many times faster, once a file


def _listed_splits(place: Place) -> dict[str, str]:
    """Split by image name without ending, from the lists in ImageSets/Main."""
    listed: dict[str, str] = {}
    for name in place.files.get(".txt", ()):
        if match := re.fullmatch(r"(?:.*/)?ImageSets/Main/(train|val|test)\.txt", name):
            for line in read_text(place.root / name).splitlines():
                if line.strip():
                    listed[line.split()[0].rpartition("/")[2]] = match[1]
    return listed


@dataclass(frozen=True, slots=True)
class _Splits:
    """Splits by image name without ending, for those that lists name."""

    listed: Mapping[str, str]

    def of(self, name: str) -> str | None:
        """The split of an image."""
        return self.listed.get(_stem(name)) or split_of_path(name)


def _said_file(path: Path) -> str:
    try:
        match = re.search(r"<filename>([^<]*)</filename>", decoded(path.read_bytes()))
    except OSError:
        return ""
    return unescape(match[1]).strip().replace("\\", "/").rpartition("/")[2] if match else ""


def _used(place: Place, files: tuple[str, ...], earlier: Earlier | None, kept: Kept) -> ClassFile:
    """The class names that the files use, sorted; what is read of them is kept."""
    names: set[str] = set()
    if earlier is not None:
        names.update(earlier.names)
        files = tuple(file for file in files if not earlier.unchanged(f"{place.root}/{file}"))
    for at in range(0, len(files), _TOGETHER):
        run, began = files[at : at + _TOGETHER], time.time()
        read = read_labels(place.root, [Item("", file, None) for file in run])
        contents = [data or b"" for data in read]  # what cannot be read is told when its turn comes
        drawn = read_objects(contents)
        found = {name.strip() for name in drawn.names}
        broken = {name for name in found if "\r" in name}  # a parser takes it for \n
        names |= found - broken
        for data, odd in zip(contents, drawn.odd.tolist(), strict=True):
            if odd or (broken and b"\r" in data):
                names |= _names_in(data)
        kept.add(run, list(map(len, contents)), drawn, began=began)
    return ClassFile(names=tuple(sorted(names - {""})), origin="those in the files, sorted")


def _names_in(data: bytes) -> set[str]:
    """The class names of one file; by a pattern where its text is plain, which is many times faster than parsing."""
    found = _NAME.findall(data)
    if len(found) == data.count(b"<object") and data.isascii():
        return {name.decode().strip() for name in set(found) if name.strip()}
    try:
        return {name for each in _parsed(data).iter("object") if (name := _text(each, "name"))}
    except Unusable:
        return set()  # reading it puts it in the quarantine


def _parsed(data: bytes) -> Element:
    from xml.etree import ElementTree

    import defusedxml.ElementTree
    from defusedxml import DefusedXmlException

    # Without a document type no entity can be declared, and the plain parser is 3 times faster.
    parse = defusedxml.ElementTree.fromstring if _FOREIGN.search(data) else ElementTree.fromstring
    try:
        root: Element = parse(data)
    except ElementTree.ParseError as error:
        raise Unusable(f"this is no XML ({error}); export the file again") from error
    except (DefusedXmlException, ValueError, LookupError) as error:
        raise Unusable(f"this XML is refused ({error}); export it without entities and in UTF-8") from error
    if root.tag != "annotation":
        raise Unusable(
            f"this is no Pascal VOC file: it begins with <{root.tag}>, not <annotation>; remove it, or export it again"
        )
    return root


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


@dataclass(frozen=True, kw_only=True)
class VocReader(PerImageReader["Element", _Object]):
    """Reads one image with its XML.

    Attributes:
        names: The classes.
        has_images: Whether sizes come from images; else from the XML.
        kept: What was read before.
    """

    names: frozenset[str]
    has_images: bool
    kept: Kept

    def size(self, item: Item, note: Note) -> Size:
        """The image's size, or what the XML says where there is no image at all."""
        if self.has_images:
            return super().size(item, note)
        try:
            said = _said_size(self.content(str(item.label)))
        except OSError as error:
            raise Unusable(
                f"the label file cannot be read ({error.strerror}); make it readable, or copy it again"
            ) from error
        if said is None:
            raise Unusable("there is no image, and the XML does not say its width and height; name the images' folder")
        return said

    def block(self, items: Sequence[Item], names: Sequence[str]) -> Read:
        """A run of images with their objects as columns, but for those that need a closer look."""
        if self.need_score or not self.has_images:
            return self.exact(items, names)
        sizes = read_sizes(self.images, [item.name for item in items])
        drawn = self.kept.of([item.label for item in items])
        if drawn is None:
            drawn = read_objects([content or b"" for content in read_labels(self.root, items)])
        odd = (sizes[:, 0] == 0) | (drawn.odd & np.array([item.label is not None for item in items], np.bool_))
        odd |= (drawn.said > 0).all(axis=1) & (drawn.said != sizes).any(axis=1)  # which has to be noted
        found = columns(drawn, sizes, {name: number for number, name in enumerate(names)})
        notes = [
            (image, _MARKED.format(repr(mark)), str(items[image].label))
            for image in np.flatnonzero(drawn.marks).tolist()
            for bit, mark in enumerate(_NOT_CARRIED)
            if drawn.marks[image] >> bit & 1
        ]
        return self.assembled(items, found, odd=odd, sizes=sizes, notes=notes)

    def content(self, label: str) -> Element:
        """The parsed XML."""
        return _parsed((self.root / label).read_bytes())

    def entries(self, content: Element) -> Iterator[_Object]:
        """The objects, counted from 0."""
        yield from enumerate(content.findall("object"))

    def locate(self, label: str, entry: _Object) -> tuple[int | None, str]:
        """The line that the object begins on, and its XML on one line."""
        from xml.etree.ElementTree import tostring

        data = (self.root / label).read_bytes()
        starts = [match.start() for match in _OBJECT.finditer(data)]
        line = data.count(b"\n", 0, starts[entry[0]]) + 1 if entry[0] < len(starts) else None
        return line, re.sub(r">\s+<", "><", tostring(entry[1], encoding="unicode")).strip()

    def annotation(self, entry: _Object, size: Size) -> tuple[Annotation, bool]:
        """The label of one object."""
        element = entry[1]
        label = _text(element, "name")
        if not label:
            raise Unusable("the object has no name; add it")
        if label not in self.names:
            raise UnknownClass(f"the class {label!r} is not in the class file; add it there")
        said = _text(element, "score") or _text(element, "confidence")
        if not said and self.need_score:
            raise NoScore
        score = score_of(_number(said, "score")) if said else None
        polygon = element.find("polygon")
        ring, ring_clipped = _ring(polygon, size) if polygon is not None and len(polygon) else (None, False)
        if element.find("bndbox") is not None:
            left, top, right, bottom = (_number(_text(element, f"bndbox/{key}"), key) for key in _CORNERS)
            box, clipped = box_inside(left, top, right, bottom, size)
        elif ring is not None:
            box, clipped = bounds(ring.points), False
        else:
            raise Unusable("the object has no bndbox; draw it again")
        return Annotation(
            label=label,
            box=box,
            polygons=() if ring is None else (ring,),
            score=score,
            area=None if ring is None else polygon_area(ring.points),
        ), clipped or ring_clipped

    def remark(self, label: str, content: Element, size: Size, note: Note) -> None:
        """Note another size in the XML, and marks that are not carried."""
        said = _said_size(content)
        if said is not None and said != size:
            text = f"{label} ({said.width} x {said.height} there, {size.width} x {size.height} in the image)"
            note(OTHER_SIZE, text)
        for mark in _NOT_CARRIED:
            if any(_text(each, mark) == "1" for each in content.findall("object")):
                note(_MARKED.format(repr(mark)), label)


def _said_size(root: Element) -> Size | None:
    try:
        width, height = int(float(_text(root, "size/width"))), int(float(_text(root, "size/height")))
    except ValueError:
        return None
    return Size(width, height) if width > 0 and height > 0 else None


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Unusable(f"{what} is {text!r}, not a number; correct it") from error


def _ring(polygon: Element, size: Size) -> tuple[Polygon, bool]:
    """The outline as Roboflow writes it: x1, y1, x2, y2, ..."""
    if polygon.find("pt") is not None:
        what = "the outline is written as the old LabelMe web tool does (<pt>), which is not Pascal VOC"
        raise Unusable(f"{what}; convert it to LabelMe's JSON with its own tools, or draw it again")
    values = {child.tag: _number((child.text or "").strip(), child.tag) for child in polygon}
    points: list[Point] = []
    while (x := values.get(f"x{len(points) + 1}")) is not None and (y := values.get(f"y{len(points) + 1}")) is not None:
        points.append((x, y))
    return ring_inside(points, size)
