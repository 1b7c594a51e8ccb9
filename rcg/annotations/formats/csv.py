"""CSV: a row a box, or FiftyOne's a row an image; which column holds what is told by the header."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rcg.annotations.checks import NoScore, UnknownClass, Unusable, score_of
from rcg.annotations.classes import ClassFile, decoded, find_classes
from rcg.annotations.finding import names_of, unseen
from rcg.annotations.formats.csv_header import NAMELESS, Header, boxes_in, cells_of, header_of
from rcg.annotations.listed import NOT_LABELLED, ListedSource, Mention, Row, Span, locate, number_of, size_said
from rcg.annotations.place import Place
from rcg.annotations.shapes import boxed
from rcg.annotations.source import Notes, Reading
from rcg.annotations.split import split_of_path
from rcg.annotations.textfile import TextFile
from rcg.errors import DataError, FormatError
from rcg.images import EXTENSIONS, Size, is_image_name, list_images
from rcg.types import Annotation, LabelSet

_MOST_JOINED = 100  # lines of one row with line breaks in quotes
_HEADER = "write a header such as filename,width,height,class,xmin,ymin,xmax,ymax"
_NO_FILE = "the row names no image; write its file name"


def recognise(place: Place) -> str | None:
    """Why a place holds labels as CSV, or None."""
    files = _label_files(place)
    if not files:
        return None
    header = _header(files[0])
    assert header is not None
    what = (
        f"has the columns {', '.join(header.names)}"
        if header.names
        else "has rows of an image, four numbers and a class"
    )
    return f"{place.shown(files[0])} {what}"


def _label_files(place: Place) -> list[Path]:
    if place.file is not None:
        return [place.file] if place.file.suffix.lower() in (".csv", ".tsv") and _header(place.file) else []
    names = sorted((*place.files.get(".csv", ()), *place.files.get(".tsv", ())))
    return [path for name in names if _header(path := place.root / name)]


def _header(path: Path) -> Header | None:
    try:
        with path.open("rb") as file:
            head = decoded(file.read(65_536))
    except OSError:
        return None
    return header_of(re.split(r"[\r\n]", head.lstrip(), maxsplit=1)[0])


def open_source(place: Place, reading: Reading) -> CsvSource:
    """The labels in the CSV files of a place.

    Raises:
        FormatError: If no file has columns that are known.
        DataError: If no row names an image.
    """
    files = _label_files(place)
    if not files:
        raise FormatError("this is no CSV with columns that are known", where=place.file or place.root, fix=_HEADER)
    index, notes = _Index(), Notes()
    for part, path in enumerate(files):
        with TextFile(path) as file:
            index.walk(file, part)
    mentions = [each for part in index.mentions for each in part.values()]
    if not mentions:
        raise DataError("no row names an image", where=files[0], fix="export the file again")
    if reading.classes is None:
        classes = ClassFile(names=tuple(sorted(index.used)), origin="those in the file, sorted")
    else:
        given = find_classes(place, reading.classes)
        assert given is not None
        classes = given
    found = locate(place, files, mentions, notes)
    for path, header, fractions in zip(files, index.headers, index.fractions, strict=True):
        if fractions and header.kind != "detections":
            notes.say(f"no coordinate in {place.shown(path)} is above 1, so they were read as fractions of the image")
    if NAMELESS in index.used and any(each.label is None for each in index.headers):
        notes.say(f"the file has no column for classes, so its boxes are called {NAMELESS!r}")
    return CsvSource(
        format="csv",
        reason=f"{reading.reason}; class names: {classes.origin}",
        images=found.images,
        labels=LabelSet(classes.names).renumbered(1),
        place=place,
        files=files,
        there=found.there,
        rows=_with_others(found.images, found.rows, notes) if all(found.there) else found.rows,
        bad=index.bad,
        need_score=reading.need_score,
        class_hint=classes.origin,
        notes=notes,
        headers=tuple(index.headers),
        fractions=tuple(index.fractions),
    )


def _with_others(images: Path, rows: list[Row], notes: Notes) -> list[Row]:
    """The rows, and those images of the folder that no row names: a row stands for a box, so these may have none."""
    named = {row.name for row in rows}
    missing = [name for name in list_images(images) if name not in named]
    for name in missing:
        notes.add(NOT_LABELLED, name)
    return sorted([*rows, *(Row(name, [], split_of_path(name)) for name in missing)], key=lambda row: row.name)


@dataclass(slots=True)
class _Index:
    """What one walk over the files finds.

    Attributes:
        headers: What the columns of each file mean.
        fractions: For each file, whether its coordinates are fractions: none is above 1, and not all are whole.
        mentions: For each file, the images by name.
        used: The classes.
        bad: Rows that name no image, and why.
    """

    headers: list[Header] = field(default_factory=list)
    fractions: list[bool] = field(default_factory=list)
    mentions: list[dict[str, Mention]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    bad: list[tuple[Span, str]] = field(default_factory=list)

    def walk(self, file: TextFile, part: int) -> None:
        """Take in one file."""
        header = None
        mentions: dict[str, Mention] = {}
        top, whole = 0.0, True
        for begin, end in rows_of(file):
            if header is None:
                header = header_of(_text(file, begin, end))
                if header is None:
                    break
                if header.names:
                    continue
            cells = cells_of(_text(file, begin, end), header.delimiter)
            name = cells[header.file] if len(cells) > header.file else ""
            if not name.strip("/\\.") or "\0" in name or not names_of(name):
                self.bad.append(((part, begin, end), _NO_FILE if cells else "a quote is not closed; close it"))
                continue
            if name not in mentions:
                mentions[name] = _mention(name, part, cells, header)
            mentions[name].spans.extend((begin, end))
            self.used |= _labels(cells, header)
            top = max(top, _highest(cells, header))
            whole = whole and top <= 1 and all(cell.isdigit() for cell in _box_cells(cells, header))
        if header is None:
            raise FormatError("the first row is no header that is known", where=file.path, fix=_HEADER)
        self.headers.append(header)
        pixels = header.size is not None and whole  # 0,0,1,1 beside the image's size: the first pixel
        self.fractions.append(header.kind == "detections" or (0 < top <= 1 and not pixels))
        self.mentions.append(mentions)


def rows_of(file: TextFile) -> Iterator[tuple[int, int]]:
    """Begin and end of the rows that are not blank; a row goes on where a quote holds a line break."""
    data, at, end = file.data, file.start, len(file.data)
    while at < end:
        stop = data.find(b"\n", at)
        stop = end if stop < 0 else stop
        row = data[at:stop]
        if row.count(b'"') % 2:
            stop = _closed(file, stop, row.count(b'"')) or stop
        if row.strip():
            yield at, stop
        at = stop + 1


def _closed(file: TextFile, stop: int, quotes: int) -> int | None:
    """The end of a row with line breaks in quotes; None if they are not closed soon."""
    for _ in range(_MOST_JOINED):
        if stop >= len(file.data):
            return None
        after = file.data.find(b"\n", stop + 1)
        after = len(file.data) if after < 0 else after
        quotes += file.data[stop:after].count(b'"')
        stop = after
        if quotes % 2 == 0:
            return stop
    return None


def _text(file: TextFile, begin: int, end: int) -> str:
    return decoded(file.data[begin:end])


def _mention(name: str, part: int, cells: list[str], header: Header) -> Mention:
    names = names_of(name)
    if not is_image_name(names[0].rpartition("/")[2]):  # Kaggle's ids are names without ending
        names += [f"{each}{ending}" for each in names_of(name) for ending in sorted(EXTENSIONS)]
    split = None
    if header.split is not None and len(cells) > header.split:
        split = split_of_path(f"{cells[header.split]}/x") if "/" not in cells[header.split] else None
    size = None
    if header.size is not None and len(cells) > max(header.size):
        size = size_said(cells[header.size[0]], cells[header.size[1]])
    return Mention(part, tuple(names), unseen(name), size, split, spans=array("q"))


def _labels(cells: list[str], header: Header) -> set[str]:
    if header.label is None:
        return {NAMELESS}
    text = cells[header.label] if len(cells) > header.label else ""
    return {each.strip() for each in (text.split(",") if header.kind == "detections" else [text])} - {""}


def _box_cells(cells: list[str], header: Header) -> list[str]:
    return [cells[place] for place in header.box if place < len(cells) and cells[place]]


def _highest(cells: list[str], header: Header) -> float:
    """The highest number of a row's box."""
    try:
        if header.kind in ("list", "detections"):
            return max((max(box) for box in boxes_in(cells[header.box[0]])), default=0.0)
        numbers = [float(_point(cells[place], header)) for place in header.box if cells[place]]
    except (ValueError, IndexError, Unusable):
        return 0.0
    return max((each for each in numbers if math.isfinite(each)), default=0.0)


def _point(text: str, header: Header) -> str:
    """A number's text; where columns are parted by semicolons, a comma may stand for the decimal point."""
    return text.replace(",", ".") if header.delimiter == ";" else text


@dataclass(frozen=True, slots=True)
class _Box:
    """A box as it stands in a row: four numbers as texts or numbers, its label, its score."""

    part: int
    row: str
    numbers: tuple[str | float, ...]
    label: str
    score: str


@dataclass(frozen=True, kw_only=True)
class CsvSource(ListedSource[TextFile, _Box]):
    """Labels of CSV files that can be read; see `AnnotationSource`.

    Attributes:
        headers: What the columns of each file mean.
        fractions: For each file, whether coordinates are fractions of the image.
    """

    headers: tuple[Header, ...]
    fractions: tuple[bool, ...]

    def opened(self, path: Path) -> TextFile:
        """The file."""
        return TextFile(path)

    def entries(self, file: TextFile, begin: int, end: int) -> Iterator[_Box]:
        """The box of a row, or those of an image where a row has them all; none where only the image stands there."""
        part = self.files.index(file.path)
        header = self.headers[part]
        text = _text(file, begin, end)
        cells = cells_of(text, header.delimiter)
        needed, there = 1 + max(header.file, *header.box, header.label or 0), len(cells)
        cells += [""] * (max(needed, 1 + (header.score or 0)) - there)
        label = NAMELESS if header.label is None else cells[header.label]
        score = "" if header.score is None else cells[header.score]
        if header.kind == "detections":
            yield from self._detections(part, text, cells[header.box[0]], label, score)
            return
        if header.kind == "list":
            if cells[header.box[0]]:
                for box in boxes_in(cells[header.box[0]]):
                    yield _Box(part, text, tuple(box), label, score)
            return
        numbers = tuple(_point(cells[place], header) for place in header.box)
        if any(numbers) or (label and header.label is not None):
            yield _Box(part, text, numbers, label, _point(score, header))
        elif there < needed:
            raise Unusable(f"the row ends after {there} of {needed} columns; export it again")

    def _detections(self, part: int, text: str, boxes: str, labels: str, scores: str) -> Iterator[_Box]:
        found = boxes_in(boxes) if boxes else []
        if not found:
            return
        names = labels.split(",") if self.headers[part].label is not None else [labels] * len(found)
        sure = scores.split(",") if scores else [""] * len(found)
        if len(names) != len(found) or len(sure) != len(found):
            what = f"the row has {len(found)} boxes, {len(names)} labels and {len(sure)} scores"
            raise Unusable(f"{what}; a label must not have a comma in it")
        for box, label, score in zip(found, names, sure, strict=True):
            yield _Box(part, text, tuple(box), label.strip(), "" if score.strip() == "None" else score.strip())

    def place_of(self, file: TextFile, begin: int, end: int, entry: _Box) -> tuple[int, str]:  # noqa: ARG002
        """The line of the row, and the row."""
        return file.line(begin), " ".join(entry.row.split())

    def annotation(self, entry: _Box, size: Size) -> tuple[Annotation, bool]:
        """The label of one box."""
        if not entry.label:
            raise Unusable("the row has no class; write it")
        if entry.label not in self.labels.names:
            raise UnknownClass(f"the class {entry.label!r} is not in the class file; add it there")
        if not entry.score and self.need_score:
            raise NoScore
        score = score_of(number_of(entry.score, "score")) if entry.score else None
        header = self.headers[entry.part]
        a, b, c, d = (number_of(each, "a coordinate") for each in entry.numbers)
        if self.fractions[entry.part]:
            a, b, c, d = a * size.width, b * size.height, c * size.width, d * size.height
        if header.kind != "corners":
            c, d = a + c, b + d
        if c < a or d < b:
            raise Unusable(f"the box has no area ({c - a:g} x {d - b:g} pixels); draw it again")
        return boxed(entry.label, (a, b, c, d), size, score=score)
