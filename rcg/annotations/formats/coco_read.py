"""Reads the annotations of one image from a COCO file, when its turn comes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rcg.annotations.checks import NoOutline, NoScore, Unusable, box_inside, ring_inside, score_of
from rcg.annotations.formats.coco_boxes import KNOWN
from rcg.annotations.formats.coco_index import Image, Index, Span, id_key
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.place import Place
from rcg.annotations.sizes import image_size
from rcg.annotations.source import ALL_REFUSED, CLIPPED, OTHER_KIND, OTHER_SIZE, Bad, Noted
from rcg.errors import DataError
from rcg.geometry import bounds, polygon_area
from rcg.images import Size
from rcg.types import Annotation, BadLine, Box, ImageRecord, Keypoints, Polygon, Rle

MOST_ACROSS = 2**31 - 1
"""The widest image that any format can hold, in pixels."""


@dataclass(slots=True)
class Row:
    """One image file: its name below the common folder, its entry, and the numbers of all entries that name it."""

    name: str
    image: Image
    numbers: list[int]
    image_id: int | None
    split: str | None


@dataclass(slots=True)
class Reader:
    """Reads one image's annotations from where they stand.

    Attributes:
        index: Where the annotations of each image stand.
        names: Class by number of the file and category id.
        images: The common folder of all images.
        folders: For each file, the folder of its images; None where there is none, so that sizes come from the file.
        place: The source, for the names in messages.
        need_score: Whether an annotation without a score is left out.
        files: The opened files, while records are read.
        found: Annotations read so far.
        unscored: Annotations left out for want of a score.
    """

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

    def record(self, row: Row, bad: Bad, notes: Noted) -> ImageRecord | None:
        """One image, or None where it is in the quarantine."""
        try:
            size = self._size(row, notes)
        except Unusable as error:
            bad(BadLine(file=self.place.prefix(self.images) + row.name, line=None, reason=str(error)))
            for span in self._spans(row):
                bad(self.bad_line(span, f"its image {row.name} cannot be read; copy or export it again"))
            return None
        found = []
        spans = self._spans(row)
        for span in spans:
            value = self.files[span.part].value(span.begin, span.end)
            try:
                found.append(self._annotation(value, span.part, size, notes))
            except Unusable as error:
                self.unscored += isinstance(error, NoScore)
                bad(self.bad_line(span, str(error)))
        self.found += len(found)
        spoken = row.image.labelled and row.image.part not in self.index.without
        if refused := bool(spans) and not found:  # what cannot be read is no background
            notes.add(ALL_REFUSED, row.name)
        return ImageRecord(
            file_name=row.name,
            width=size.width,
            height=size.height,
            annotations=tuple(found),
            labelled=bool(found) or (spoken and not refused),
            image_id=row.image_id,
            card=row.image.card,
            split=row.split,
        )

    def _spans(self, row: Row) -> list[Span]:
        return [span for number in row.numbers for span in self.index.spans(number)]

    def _size(self, row: Row, notes: Noted) -> Size:
        said = Size(row.image.width, row.image.height)
        if self.folders[row.image.part] is None:  # labels without their images: what the file says has to do
            if said.width <= 0 or said.height <= 0:
                raise Unusable("neither the file nor an image says its width and height; name the images' folder")
            if max(said.width, said.height) > MOST_ACROSS:
                raise Unusable(f"no image has {said.width} x {said.height} pixels; correct its width and height")
            notes.add("images that are not there, so their sizes are as the file says", row.name)
            return said
        size, other_kind = image_size(self.images, row.name)
        if other_kind is not None:
            notes.add(OTHER_KIND, f"{row.name} ({other_kind})")
        if said.width > 0 and said.height > 0 and said != size:
            text = f"{row.name} ({said.width} x {said.height} there, {size.width} x {size.height} in the image)"
            notes.add(OTHER_SIZE, text)
        return size

    def _annotation(self, value: dict[str, Any], part: int, size: Size, notes: Noted) -> Annotation:
        score = value.get("score")
        shown = f"annotation {value.get('id', '')} of image {value.get('image_id')}"
        try:
            label = self.names.get((part, id_key(value["category_id"])))
            if label is None:
                raise Unusable(f"the category id {value['category_id']!r} is none of the file's; add it to categories")
            if score is None and self.need_score:
                raise NoScore
            for key in sorted(value.keys() - KNOWN):
                notes.add(f"annotations with {key!r}, which RCG does not carry", shown)
            polygons, clipped, empty = _rings(value.get("segmentation"), size)
            if empty and not value.get("bbox"):
                raise Unusable("the outline encloses no area, and there is no bbox; draw it again")
            if empty:
                notes.add("outlines that enclose no area, left out; the box was kept", shown)
            rle = _rle(value.get("segmentation"), size)
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
        except (TypeError, ValueError, KeyError, IndexError, OverflowError, AttributeError, DataError) as error:
            raise Unusable(
                f"the annotation has not the usual form: {_oddity(value, error)}; export it again"
            ) from error


def _oddity(value: dict[str, Any], error: Exception) -> str:
    """Which of an annotation's values is not what it has to be, in the words of the format."""
    if value.get("category_id") is None:
        return "it has no category_id"
    odd = (each for each in _FORMS if value.get(each[0]) is not None and not each[1](value[each[0]]))
    if (found := next(odd, None)) is None:
        return str(error)
    return f"{found[0]} is {str(value[found[0]])[:60]}, not {found[2]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_numbers(value: Any, count: int = 0, every: int = 1) -> bool:
    """Whether it is a list of so many numbers, or 0 for any number of them, or of whole groups of `every`."""
    if not isinstance(value, list) or (count and len(value) != count) or len(value) % every:
        return False
    return all(map(_is_number, value))


def _is_outlines(value: Any) -> bool:
    if isinstance(value, dict):
        return _is_numbers(value.get("size"), 2) and isinstance(value.get("counts"), str | list)
    return _is_numbers(value, every=2) or (
        isinstance(value, list) and all(_is_numbers(ring, every=2) for ring in value)
    )


_FORMS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("category_id", lambda value: isinstance(value, int | str), "an id of a category"),
    ("bbox", lambda value: not value or _is_numbers(value, 4), "four numbers: x, y, width, height"),
    ("segmentation", lambda value: not value or _is_outlines(value), "lists of x1, y1, x2, y2, ..., or a mask"),
    ("keypoints", lambda value: not value or _is_numbers(value, every=3), "three numbers a keypoint: x, y, visibility"),
    ("score", _is_number, "a number from 0 to 1"),
    ("area", _is_number, "a number"),
    ("iscrowd", _is_number, "0 or 1"),
)


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


def _rle(value: Any, size: Size) -> Rle | None:
    """The mask, its counts checked; pycocotools takes whatever stands there for a mask."""
    if not isinstance(value, dict):
        return None
    rows, columns = (int(each) for each in value["size"])
    if (rows, columns) != (size.height, size.width):
        raise Unusable(f"the mask is one of {columns} x {rows} pixels, not of the image's size; export it again")
    counts = value["counts"]
    if not isinstance(counts, str):
        counts = tuple(map(int, counts))
    runs = _runs(counts) if isinstance(counts, str) else counts
    if min(runs, default=0) < 0 or sum(runs) != rows * columns:
        raise Unusable(f"the counts of the mask do not add up to its {columns} x {rows} pixels; export it again")
    return Rle(rows, columns, counts)


def _runs(counts: str) -> Sequence[int]:
    """The lengths in a compressed string: 5 bits a sign from 48 on, the third length on as a difference (LEB128)."""
    runs: list[int] = []
    value = shift = 0
    for code in counts.encode("ascii", "replace"):
        if not 48 <= code < 112:
            raise Unusable("the counts of the mask are no compressed string of COCO's; export it again")
        bits = code - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise Unusable("the counts of the mask are cut off; export it again")
    return runs


def _box(value: Any, polygons: tuple[Polygon, ...], rle: Rle | None, size: Size) -> tuple[Box, bool]:
    """The box as given; where it is missing, that of the outline."""
    if value:
        left, top, across, down = (float(number) for number in value)
        box, clipped = box_inside(left, top, left + across, top + down, size)
        whole = left >= 0 and left + across <= size.width and top >= 0 and top + down <= size.height
        whole = whole and across > 0 and down > 0
        return (Box(left, top, across, down) if whole else box), clipped  # the file's own digits, where nothing is cut
    if polygons:
        return bounds([point for ring in polygons for point in ring.points]), False
    if rle is not None:
        from pycocotools import mask

        left, top, across, down = mask.toBbox(_packed(rle)).tolist()
        return box_inside(left, top, left + across, top + down, size)
    raise Unusable("there is neither a bbox nor a segmentation; draw it again")


def _area(value: Any, box: Box, polygons: tuple[Polygon, ...], rle: Rle | None) -> float | None:
    """The area as given, if it can be one; None where it is that of the box."""
    if value is not None and not 0 <= value < math.inf:
        value = None
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
    points = list(zip(*[iter(value)] * 3, strict=True))
    if not all(v in (0, 1, 2) for _, _, v in points):
        raise Unusable("a keypoint's visibility is 0, 1 or 2; correct it")
    return Keypoints(tuple((float(x), float(y), int(v)) for x, y, v in points))
