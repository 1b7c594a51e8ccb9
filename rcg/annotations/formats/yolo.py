"""YOLO: one text file an image, one line a label, coordinates as fractions of the image's width and height.

Lines that are read: `class x y width height`, with a sixth column as the score; `class x1 y1 x2 y2 x3 y3 ...`, an
outline, also with a score at its end (four points are an oriented box); with `kpt_shape` in data.yaml, a box and
keypoints.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from rcg.annotations.checks import NoScore, UnknownClass, Unusable, box_inside, ring_inside, score_of, widening
from rcg.annotations.classes import ClassFile, decoded, find_classes, read_text
from rcg.annotations.formats.yolo_columns import columns, read_lines
from rcg.annotations.formats.yolo_splits import LISTS, Splits
from rcg.annotations.items import Item, Items, read_labels
from rcg.annotations.perimage import PerImageReader
from rcg.annotations.perimage_source import Orphans, PerImageSource
from rcg.annotations.place import Place
from rcg.annotations.source import Earlier, Read, Reading
from rcg.errors import DataError, FormatError, RcgError
from rcg.geometry import bounds, polygon_area
from rcg.images import Size, read_sizes
from rcg.progress import counted
from rcg.types import Annotation, Box, Keypoints, LabelSet

_NO_LABELS = frozenset({"classes", "_classes", "predefined_classes", "labelmap", "labels", *LISTS})
_Line = tuple[int, str]
_MOST_SCANNED = 10_000  # class numbers above it are slips where no class file says otherwise


def recognise(place: Place) -> str | None:
    """Why a place holds YOLO labels, or None."""
    if place.file is not None:
        ending = place.file.suffix.lower()
        if ending in (".yaml", ".yml", ".names", ".data"):
            return f"{place.file.name} is a class file of a YOLO set"
        return None
    for name in islice(_texts(place), 200):
        if _looks_like_label(_first_line(place.root / name)):
            return f"{name} holds lines of a class number and fractions"
    texts = list(_texts(place))
    if texts and place.has_images and place.pairs(texts).label_of and find_classes(place, None) is not None:
        return f"{len(texts):,} .txt files are called as images are, and there is a class file"
    return _elsewhere(place) if not texts and not place.has_images else None


def _texts(place: Place) -> Iterator[str]:
    return (name for name in place.files.get(".txt", ()) if not _reserved(name))


def _elsewhere(place: Place) -> str | None:
    """Why a folder without images and labels is a YOLO set all the same: its data.yaml says where they are."""
    if not any(place.files.get(ending) for ending in (".yaml", ".yml")):
        return None
    with suppress(FormatError, DataError):  # a YAML file of another kind
        found = find_classes(place, None)
        if found is not None and found.folder is not None and _where_it_says(place, found.folder) is not place:
            return f"{place.shown(found.origin)} says that the set is in {found.folder}"
    return None


def _reserved(name: str) -> bool:
    stem = os.path.splitext(name.rpartition("/")[2])[0].lower()  # noqa: PTH122 - many times faster, once a file
    return stem in _NO_LABELS or stem.startswith(("readme", "license", "autosplit_"))


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return next((line for line in decoded(file.read(4096)).splitlines() if line.strip()), "")
    except OSError:  # a link that leads nowhere, or no right to read: it is told when its turn comes
        return ""


def _floats(line: str) -> list[float]:
    """The numbers of a line; none where something else stands in it."""
    try:
        return [float(part) for part in line.split()]
    except ValueError:
        return []


def _looks_like_label(line: str) -> bool:
    values = _floats(line)
    return len(values) >= 5 and values[0].is_integer() and all(-1 <= value <= 2 for value in values[1:5])


def open_source(place: Place, reading: Reading) -> PerImageSource[str, _Line]:
    """The YOLO labels of a place.

    Raises:
        DataError: If there is no image, or no label file at all.
        FormatError: If the class file cannot be understood.
    """
    given = find_classes(place, reading.classes)
    if given is not None and given.folder is not None:
        place = _where_it_says(place, given.folder)
    names = place.image_names
    found = place.pairs(place.files.get(".txt", ()))
    strays = {name for name in found.orphans if _reserved(name) or not _is_label(place.root / name)}
    orphans = tuple(name for name in found.orphans if name not in strays)
    if not found.label_of and not orphans:
        fix = "name the folder of the label files (labels=DIR, --labels DIR)"
        raise DataError(f"no YOLO label file is here, only {counted(len(names), 'image')}", where=place.root, fix=fix)
    classes = given or _counted(place, sorted({*found.label_of.values(), *orphans}), reading.earlier)
    splits = Splits(place, classes)
    items = Items(names, found.label_of, splits.of)
    source = PerImageSource(
        format="yolo",
        reason=f"{reading.reason}; class names: {place.shown(classes.origin)}",
        images=place.images,
        labels=LabelSet(classes.names, keypoints=_keypoint_names(classes)),
        items=items,
        read=YoloReader(
            images=place.images,
            images_shown=place.prefix(place.images),
            root=place.root,
            root_shown=place.prefix(place.root),
            classes=classes,
            need_score=reading.need_score,
        ),
        orphans=Orphans(files=orphans, doubled=found.doubled),
        class_hint=classes.origin,
    )
    source.note_pairs(found)
    if given is None and classes.names:
        source.notes.say(_made_up(classes.names))
    if classes.note:
        source.notes.say(classes.note)
    if splits.named and (without := sum(splits.of(name) is None for name in names)):
        source.notes.say(f"the set names splits, but {without:,} of {counted(len(items), 'image')} are in none of them")
    for name in sorted(strays - splits.lists):
        if not _reserved(name):
            source.notes.add("text files that are no labels, passed over", name)
    return source


def _made_up(names: Sequence[str]) -> str:
    called = (
        f"the classes are called {names[0]} to {names[-1]}" if len(names) > 1 else f"the class is called {names[0]}"
    )
    return f"there is no class file, so {called}"


def _where_it_says(place: Place, folder: Path) -> Place:
    """The place with the images in the folder that data.yaml names; the labels are there too if here is none."""
    texts = place.files.get(".txt", ())
    return place.with_images(
        folder, with_labels=all(_reserved(name) or not _is_label(place.root / name) for name in texts)
    )


def _is_label(path: Path) -> bool:
    line = _first_line(path)
    return not line or len(_floats(line)) >= 5


def _keypoint_names(classes: ClassFile) -> tuple[str, ...]:
    return tuple(f"point_{number + 1}" for number in range(classes.keypoints[0])) if classes.keypoints else ()


def _counted(place: Place, labels: list[str], earlier: Earlier | None) -> ClassFile:
    """Names by number for labels without a class file, up to the highest class that is used."""
    top = -1
    if earlier is not None:
        top = len(earlier.names) - 1
        labels = [label for label in labels if not earlier.unchanged(f"{place.root}/{label}")]
    for label in labels:
        with suppress(RcgError):  # one that cannot be read is told when its turn comes
            for line in read_text(place.root / label).splitlines():
                if _looks_like_label(line):
                    number = int(float(line.split(None, 1)[0]))
                    top = max(top, number) if number <= _MOST_SCANNED else top
    return ClassFile(names=tuple(f"class_{number}" for number in range(top + 1)), origin="made up from their numbers")


@dataclass(frozen=True, kw_only=True)
class YoloReader(PerImageReader[str, _Line]):
    """Reads one image with its lines.

    Attributes:
        classes: Class names and the number of keypoints.
    """

    classes: ClassFile

    def block(self, items: Sequence[Item], names: Sequence[str]) -> Read:
        """A run of images with their lines as columns, but for those that need a closer look."""
        if self.classes.keypoints is not None:
            return self.exact(items, names)
        sizes = read_sizes(self.images, [item.name for item in items])
        contents = read_labels(self.root, items)
        lines = read_lines([content or b"" for content in contents])
        odd = (sizes[:, 0] == 0) | lines.odd | np.array([content is None for content in contents], np.bool_)
        found = columns(lines, sizes, classes=len(names), need_score=self.need_score)
        return self.assembled(items, found, odd=odd, sizes=sizes)

    def content(self, label: str) -> str:
        """The text of a label file, its line ends made one kind."""
        with open(f"{self.root}/{label}", "rb") as file:  # noqa: PTH123 - twice as fast, once a file
            return decoded(file.read()).replace("\r\n", "\n").replace("\r", "\n")

    def entries(self, content: str) -> Iterator[_Line]:
        """The lines that are not blank, with their numbers."""
        for number, line in enumerate(content.split("\n"), 1):
            if line and not line.isspace():
                yield number, line

    def locate(self, label: str, entry: _Line) -> tuple[int | None, str]:  # noqa: ARG002 - a line knows its number
        """The line itself."""
        return entry[0], entry[1].strip()

    def annotation(self, entry: _Line, size: Size) -> tuple[Annotation, bool]:
        """The label of one line."""
        values = _numbers(entry[1])
        label = self._label(values[0])
        count = len(values) - 1
        points = self.classes.keypoints
        with_points = 4 + points[0] * points[1] if points is not None else -1
        keypoints = None
        if points is not None and count in (with_points, with_points + 1):
            outline = values[1:5]
            keypoints = _keypoints(values[5 : 1 + with_points], points[1], size)
            score = values[-1] if count > with_points else None
        else:
            outline = values[1 : 1 + count - count % 2]
            score = values[-1] if count % 2 else None
        if score is None and self.need_score:
            raise NoScore
        if score is not None:
            score_of(score)
        if len(outline) == 4:
            box, clipped = _box(outline, size)
            return Annotation(label=label, box=box, keypoints=keypoints, score=score), clipped
        corners = [(x * size.width, y * size.height) for x, y in zip(outline[::2], outline[1::2], strict=True)]
        ring, clipped = ring_inside(corners, size)
        area = polygon_area(ring.points)
        return Annotation(label=label, box=bounds(ring.points), polygons=(ring,), score=score, area=area), clipped

    def _label(self, value: float) -> str:
        names = self.classes.names
        if value != int(value) or value < 0:
            raise Unusable(f"the class {value:g} is no whole number from 0 on; correct it: the first class is 0")
        if value >= len(names):
            known = f"0 to {len(names) - 1}" if names else "none"
            what = f"the class {int(value)} is not in the class file ({known} in {Path(self.classes.origin).name})"
            raise UnknownClass(f"{what}; add its name there, or correct the number")
        return names[int(value)]


def _numbers(line: str) -> list[float]:
    values = _floats(line)
    if not values or "_" in line:
        raise Unusable(_not_numbers(line))
    if not all(map(math.isfinite, values)):
        raise Unusable("a number is not finite; write: class x y width height")
    if len(values) < 5:
        raise Unusable(f"{len(values)} numbers are too few; write: class x y width height")
    if max(values[1:5]) > 2 or min(values[1:5]) < -1:
        raise Unusable(
            "coordinates are fractions of the image, 0 to 1; these look like pixels: divide x and width by "
            "the image's width, y and height by its height"
        )
    return values


def _not_numbers(line: str) -> str:
    if len(_floats(" ".join(line.split()[:8]))) == 8:
        what = "this is a line of DOTA text: eight coordinates in pixels and the name of a class"
        return f"{what}; convert it with Ultralytics' convert_dota_to_yolo_obb, or write: class x1 y1 x2 y2 x3 y3 x4 y4"
    return "this is no line of numbers; write: class x y width height"


def _box(values: list[float], size: Size) -> tuple[Box, bool]:
    x, y, across, down = values
    if min(across, down) < 0 or (min(across, down) == 0 and not widening()):
        raise Unusable(f"the box has no area (width {across:g}, height {down:g}); draw it again")
    left, top = (x - across / 2) * size.width, (y - down / 2) * size.height
    return box_inside(left, top, left + across * size.width, top + down * size.height, size)


def _keypoints(values: list[float], numbers: int, size: Size) -> Keypoints | None:
    """The keypoints of a line; None where it has a box and none of them."""
    points = []
    for at in range(0, len(values), numbers):
        x, y = values[at] * size.width, values[at + 1] * size.height
        visible = values[at + 2] if numbers == 3 else 2.0 * (x > 0 or y > 0)
        if visible not in (0, 1, 2):
            raise Unusable(f"a keypoint's visibility is 0, 1 or 2, not {visible:g}; correct it")
        points.append((x, y, int(visible)))
    return Keypoints(tuple(points)) if any(point != (0, 0, 0) for point in points) else None
