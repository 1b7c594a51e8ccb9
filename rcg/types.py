"""The values that pass between RCG's parts: boxes, polygons, keypoints, annotations, image records.

Coordinates are pixels of the image as loaded (EXIF orientation applied), the origin at the top-left corner of the
top-left pixel, x to the right and y down. Values are checked once, when they are made, and trusted afterwards.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from rcg.errors import DataError

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels: its left top corner, its width and its height.

    Raises:
        DataError: If a number is not finite, or the width or height is not above zero.
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise DataError(f"the box's corner ({self.x}, {self.y}) is not finite")
        if not (0 < self.width < math.inf and 0 < self.height < math.inf):
            raise DataError(f"the box's size {self.width} x {self.height} is not above zero")

    @classmethod
    def from_corners(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """The box between two opposite corners, in pixels."""
        return cls(left, top, right - left, bottom - top)

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in pixels."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def area(self) -> float:
        """Width times height, in square pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Polygon:
    """One closed ring of at least three points in pixels; the last point is not the first again.

    Raises:
        DataError: If there are fewer than three points, or a coordinate is not finite.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if len(self.points) < 3:
            raise DataError(f"a polygon needs at least 3 points, this one has {len(self.points)}")
        if not all(math.isfinite(x) and math.isfinite(y) for x, y in self.points):
            raise DataError("a point of the polygon is not finite")


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask as COCO's run-length counts, column by column, beginning with background.

    Attributes:
        height: Rows of the mask.
        width: Columns of the mask.
        counts: The compressed string of pycocotools, or the list of counts.
    """

    height: int
    width: int
    counts: str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Named places on a thing, in the order that the label set names them.

    Attributes:
        points: One (x, y, visibility) each; visibility 0 not labelled, 1 hidden, 2 visible.
    """

    points: tuple[tuple[float, float, int], ...]

    def __post_init__(self) -> None:
        for x, y, visibility in self.points:
            if not (math.isfinite(x) and math.isfinite(y)) or visibility not in (0, 1, 2):
                raise DataError(f"the keypoint ({x}, {y}, {visibility}) is not finite, or its visibility not 0, 1 or 2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One labelled thing in an image.

    Attributes:
        label: The name of its class.
        box: The box around it.
        polygons: Its outline, one ring a part; empty for a plain box.
        rle: Its outline as a mask, where the source gave one.
        keypoints: Named places on it.
        score: The confidence of a prediction, 0 to 1; None for a label made by hand.
        crowd: Whether it stands for a group (COCO's iscrowd).
        area: Square pixels of the outline; None where the box's area is meant.
    """

    label: str
    box: Box
    polygons: tuple[Polygon, ...] = ()
    rle: Rle | None = None
    keypoints: Keypoints | None = None
    score: float | None = None
    crowd: bool = False
    area: float | None = None

    def __post_init__(self) -> None:
        if self.score is not None and not 0 <= self.score <= 1:
            raise DataError(f"the score {self.score} is not between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """An image and what is labelled in it.

    Attributes:
        file_name: Path relative to the images folder, with forward slashes.
        width: Pixels across, as loaded (EXIF orientation applied).
        height: Pixels down, as loaded.
        annotations: What is labelled; empty means "looked at, nothing there" where `labelled` is true.
        labelled: Whether a label file spoke of this image at all.
        image_id: The number a COCO file gave it; None lets the writer choose.
        card: The physical card it shows, where known; all images of one card stay in one split.
        split: The split its source put it in ("train", "val", "test"), where the source says so.
    """

    file_name: str
    width: int
    height: int
    annotations: tuple[Annotation, ...] = ()
    labelled: bool = True
    image_id: int | None = None
    card: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The classes of a set, in their order, with the numbers that COCO gives them.

    Attributes:
        names: Class names, each once.
        ids: COCO category ids, one a name; 0, 1, 2, ... where left empty.
        keypoints: The names of the keypoints, where annotations carry them.

    Example:
        >>> LabelSet(("card", "scratch")).ids
        (0, 1)
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] = ()
    keypoints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            twice = Counter(self.names).most_common(1)[0][0]
            raise DataError(f"the class name {twice!r} stands there twice", fix="give every class a name of its own")
        if not self.ids:
            object.__setattr__(self, "ids", tuple(range(len(self.names))))
        if len(self.ids) != len(self.names) or len(set(self.ids)) != len(self.ids):
            raise DataError(f"{len(self.names)} class names do not fit the ids {list(self.ids)}")

    def renumbered(self, first_id: int) -> LabelSet:
        """The same classes with ids counted up from `first_id`."""
        return LabelSet(self.names, tuple(range(first_id, first_id + len(self.names))), self.keypoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line or file that was left out, as it stands in the quarantine file.

    Attributes:
        file: The file it stands in.
        line: The line number from 1; None where the whole file, or a record without a line, is meant.
        reason: Why it was left out, and what would be right.
        text: The line as it was read, cut at 200 characters.
    """

    file: str
    line: int | None
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What the target format could not carry of one record.

    Attributes:
        file_name: The image it belongs to.
        what: The kind of information, such as "score" or "polygon".
        count: How many annotations lost it.
    """

    file_name: str
    what: str
    count: int = 1
