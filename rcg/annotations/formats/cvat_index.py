"""One walk over a CVAT XML: its labels, its images and where each stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from rcg.annotations.finding import names_of, unseen
from rcg.annotations.listed import Mention, Span, size_said
from rcg.annotations.split import split_of_path
from rcg.annotations.textfile import TextFile
from rcg.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18
_VIDEO = "a track belongs to a video; export the task as CVAT for images 1.1"


@dataclass(slots=True)
class _Label:
    name: str = ""
    kind: str = ""
    parent: str = ""


@dataclass(slots=True)
class Index:
    """What a walk finds.

    Attributes:
        mentions: The images.
        labels: The file's own list of labels, those of skeletons' points too.
        used: Labels of the shapes.
        counts: How many points each shape of loose points has.
        skeletons: The names of the points of each skeleton that is used, by its label.
        skeletons_differ: Whether two skeletons have other points.
        bad: What cannot be used, and why.
    """

    mentions: list[Mention] = field(default_factory=list)
    labels: list[_Label] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)
    skeletons: dict[str, dict[str, None]] = field(default_factory=dict)
    bad: list[tuple[Span, str]] = field(default_factory=list)

    def listed(self) -> tuple[str, ...]:
        """The labels of the list, each once, without those of skeletons' points."""
        return tuple(dict.fromkeys(each.name for each in self.labels if each.name and not each.parent))

    def _points_of(self, skeleton: str) -> tuple[str, ...]:
        listed = [each.name for each in self.labels if each.parent == skeleton and each.name]
        return tuple(dict.fromkeys([*listed, *self.skeletons[skeleton]]))

    @property
    def skeletons_differ(self) -> bool:
        """Whether two skeletons have other points."""
        return len({self._points_of(each) for each in self.skeletons}) > 1

    def loose_points(self) -> bool:
        """Whether all shapes of loose points have equally many, so that they can be keypoints."""
        return len(self.counts) == 1 and min(self.counts) > 1

    def keypoints(self) -> tuple[str, ...]:
        """The names of the keypoints: those of the first skeleton, or numbers for loose points."""
        for each in self.skeletons:
            return self._points_of(each)
        if self.loose_points():
            return tuple(f"point_{number + 1}" for number in range(min(self.counts)))
        return ()


def walk(file: TextFile, part: int, index: Index) -> None:
    """Take in one file as part number `part`.

    Raises:
        FormatError: If it is broken, or has a document type.
    """
    walker = _Walker(file, part, index)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = walker.start
    parser.EndElementHandler = walker.end
    parser.CharacterDataHandler = walker.characters
    parser.StartDoctypeDeclHandler = walker.doctype
    walker.parser = parser
    try:
        for chunk in _chunks(file):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        where = f"{file.path}, line {error.lineno}"
        what = f"the XML is broken or cut off ({expat.errors.messages[error.code]})"
        raise FormatError(what, where=where, fix="export it again") from error


def _chunks(file: TextFile) -> Iterator[bytes]:
    for at in range(file.start, len(file.data), _CHUNK):
        yield file.data[at : at + _CHUNK]


class _Walker:
    """Takes the parser's events."""

    parser: expat.XMLParserType

    def __init__(self, file: TextFile, part: int, index: Index) -> None:
        self._file, self._part, self._index = file, part, index
        self._path: list[str] = []
        self._text: list[str] | None = None
        self._image: tuple[int, Mention] | None = None
        self._skeleton: str | None = None

    def doctype(self, *_: object) -> None:
        """Without a document type no entity can be declared."""
        fix = "export it without a document type and entities"
        raise FormatError("this XML has a document type, which is refused", where=self._file.path, fix=fix)

    def start(self, name: str, values: dict[str, str]) -> None:
        """An element begins."""
        self._path.append(name)
        depth = len(self._path)
        if depth == 1 and name != "annotations":
            fix = "name a file that was exported as CVAT for images 1.1"
            raise FormatError(f"it begins with <{name}>, not <annotations>", where=self._file.path, fix=fix)
        if depth == 2 and name == "image":
            self._begin_image(values)
        elif depth == 2 and name == "track":
            begin = self._offset()
            self._index.bad.append(((self._part, begin, begin + 400), _VIDEO))
        elif self._image is not None and depth == 3:
            self._shape(name, values)
        elif self._skeleton is not None and name == "points":
            self._index.skeletons[self._skeleton].setdefault((values.get("label") or "").strip())
        elif name == "label" and self._path[-2:-1] == ["labels"]:
            self._index.labels.append(_Label())
        elif self._path[-3:-1] == ["labels", "label"] and name in ("name", "type", "parent"):
            self._text = []

    def _offset(self) -> int:
        return self.parser.CurrentByteIndex + self._file.start

    def _begin_image(self, values: dict[str, str]) -> None:
        begin, name = self._offset(), (values.get("name") or "").strip()
        size = size_said(values.get("width"), values.get("height"))
        if not name.strip("/\\.") or "\0" in name or not names_of(name):
            self._index.bad.append(((self._part, begin, begin + 400), f"{name!r} is no file name; correct it"))
            name = ""
        subset = (values.get("subset") or "").strip()
        names = names_of(name)
        if subset and "/" not in subset:
            names = [f"{subset}/{each}" for each in names] + names  # as a project's export has them
        split = split_of_path(f"{subset}/x") if "/" not in subset else None
        alone = unseen(name) if name else ""
        mention = Mention(self._part, tuple(names), f"{subset}/{alone}" if split else alone, size, split)
        self._image = (begin, mention)

    def _shape(self, name: str, values: dict[str, str]) -> None:
        label = (values.get("label") or "").strip()
        if name == "skeleton":
            self._skeleton = label
            self._index.skeletons.setdefault(label, {})
        if name == "points":
            self._index.counts.add((values.get("points") or "").strip().strip(";").count(";") + 1)
        if label and name != "tag":
            self._index.used.add(label)

    def characters(self, text: str) -> None:
        """Text, of which only that of labels counts."""
        if self._text is not None:
            self._text.append(text)

    def end(self, name: str) -> None:
        """An element ends."""
        depth = len(self._path)
        if self._text is not None and name in ("name", "type", "parent"):
            text, self._text = "".join(self._text).strip(), None
            label = self._index.labels[-1]
            if name == "name":
                label.name = text
            elif name == "type":
                label.kind = text
            else:
                label.parent = text
        if depth == 3 and name == "skeleton":
            self._skeleton = None
        if depth == 2 and self._image is not None:
            (begin, mention), self._image = self._image, None
            at = self._offset()
            closed = self._file.data[at : at + 2] == b"</"
            mention.spans.extend((begin, self._file.data.find(b">", at) + 1 if closed else at))
            if mention.names:
                self._index.mentions.append(mention)
        self._path.pop()
