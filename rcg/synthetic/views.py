"""What a view of a card shows: pixels with the truth in them, for every kind of label."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.errors import ConfigError
from rcg.geometry import bounds
from rcg.images import Pixels
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Point, Polygon

Floats = NDArray[np.float64]
Ring = tuple[Point, ...]

HIDDEN, VISIBLE = 1, 2
_SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectTruth:
    """One defect in a view.

    Attributes:
        label: Its class.
        origin: "factory" or "handling".
        polygon: Its outline in pixels.
        length_mm: Its longest extent on the card.
        depth_um: Its depth (below zero) or height (above zero); 0 where it has no relief.
        width_px: Its extent across, in pixels of the view.
        hidden: The share of it that something lies over, 0 to 1.
        visible: Whether the view shows it at all; a dent in flat light does not show.
    """

    label: str
    origin: str
    polygon: Ring
    length_mm: float
    depth_um: float
    width_px: float
    hidden: float = 0.0
    visible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTruth:
    """What is known of one picture of a card; pixels from the left top corner of the left top pixel.

    Attributes:
        kind: "photo", "scan" or "capture".
        side: "front" or "back".
        width: Pixels across.
        height: Pixels down.
        px_per_mm: Pixels a millimetre in the middle of the card.
        quad: The card's corners as if they were not rounded: top left, top right, bottom right and bottom left as
            printed.
        outline: The card's edge, with its rounded corners.
        inner: The corners of the inner frame of the print, in the order of `quad`; None for a borderless card.
        points: The 24 points in the order of the dataset type centering_analysis; the twelve of the inner edge are
            None where there is no frame.
        corners_seen: Whether each corner of `quad` is visible (2) or something lies over it (1).
        points_seen: Likewise for the points; 0 for those that are None.
        defects: The card's defects, those that cannot be seen here among them.
        nuisances: What makes it hard, such as "sleeve" or "window".
        borders_mm: Left, right, top and bottom border in the middle of each side; None where there is no frame.
        rotation_deg: How far the print is turned against the cut, clockwise.
    """

    kind: str
    side: str
    width: int
    height: int
    px_per_mm: float
    quad: Ring
    outline: Ring
    inner: Ring | None
    points: tuple[Point | None, ...]
    corners_seen: tuple[int, ...]
    points_seen: tuple[int, ...]
    defects: tuple[DefectTruth, ...] = ()
    nuisances: tuple[str, ...] = ()
    borders_mm: tuple[float, float, float, float] | None = None
    rotation_deg: float = 0.0

    @property
    def centering(self) -> tuple[float, float] | None:
        """The left border's share of left and right, and the top's of top and bottom, in percent; None without."""
        if self.borders_mm is None:
            return None
        left, right, top, bottom = self.borders_mm
        return 100 * left / (left + right), 100 * top / (top + bottom)

    def record(
        self,
        file_name: str,
        type: str = "custom",
        *,
        labels: Collection[str] | None = None,
        card: str | None = None,
        relief: bool = False,
        least_px: float = 0.0,
    ) -> ImageRecord:
        """The labels of this view as a dataset of some type holds them.

        Args:
            file_name: The image's path in the dataset.
            type: The dataset's type: "edge_detection" gives the outer edge and the inner frame, "corner_detection" and
                "centering_analysis" the card with its keypoints, "grade" the card's box, all others the card and
                its defects.
            labels: The defects that the type knows; None for all.
            card: The name of the card, which keeps its views in one split.
            relief: Whether the light comes from the side, so that defects without colour show too.
            least_px: Defects that are thinner than this are left out.
        """
        make: Callable[[ViewTruth], tuple[Annotation, ...]] | None = _PLAIN_TYPES.get(type)
        if make is not None:
            found = make(self)
        else:
            known = None if labels is None else frozenset(labels)
            shown = (each for each in self.defects if known is None or each.label in known)
            seen = (each for each in shown if (each.visible or relief) and each.width_px >= least_px)
            rings = [("card", self.outline), *((each.label, each.polygon) for each in seen if each.hidden < 0.6)]
            found = tuple(_outlined(label, ring) for label, ring in rings)
        return ImageRecord(
            file_name=file_name, width=self.width, height=self.height, annotations=_inside(found, self), card=card
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, which `from_json` takes again."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["defects"] = [{each.name: getattr(one, each.name) for each in fields(one)} for one in self.defects]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ViewTruth:
        """What `to_json` gave."""
        defects = tuple(DefectTruth(**{**each, "polygon": _ring(each["polygon"])}) for each in values["defects"])
        given = {**values, "defects": defects, "quad": _ring(values["quad"]), "outline": _ring(values["outline"])}
        given["inner"] = None if values["inner"] is None else _ring(values["inner"])
        given["points"] = tuple(None if each is None else (each[0], each[1]) for each in values["points"])
        for name in ("corners_seen", "points_seen", "nuisances"):
            given[name] = tuple(values[name])
        given["borders_mm"] = None if values["borders_mm"] is None else tuple(values["borders_mm"])
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CardView:
    """A picture and what it shows.

    Attributes:
        pixels: (height, width, 3) uint8 RGB.
        truth: What is in it; None for an empty table.
        quality: The JPEG quality that its camera would write.
    """

    pixels: Pixels
    truth: ViewTruth | None
    quality: int = 92


def ring_of(points: ArrayLike) -> Ring:
    """Points as a ring of floats, rounded to 1/1000: far below what a label can say, far above what machines differ."""
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in np.asarray(points, np.float64).reshape(-1, 2))


def _ring(points: Any) -> Ring:
    return tuple((x, y) for x, y in points)


def _outlined(label: str, ring: Ring) -> Annotation:
    return Annotation(label=label, box=bounds(ring), polygons=(Polygon(ring),))


def _with_keypoints(truth: ViewTruth, points: tuple[Point | None, ...], seen: tuple[int, ...]) -> Annotation:
    marked = [(0.0, 0.0, 0) if point is None else (*point, flag) for point, flag in zip(points, seen, strict=True)]
    outline = truth.outline
    return Annotation(label="card", box=bounds(outline), keypoints=Keypoints(tuple(marked)))


def _edges(truth: ViewTruth) -> tuple[Annotation, ...]:
    outer = _outlined("outer_edge", truth.outline)
    return (outer,) if truth.inner is None else (outer, _outlined("inner_frame", truth.inner))


def _corners(truth: ViewTruth) -> tuple[Annotation, ...]:
    return (_with_keypoints(truth, truth.quad, truth.corners_seen),)


def _points(truth: ViewTruth) -> tuple[Annotation, ...]:
    return (_with_keypoints(truth, truth.points, truth.points_seen),)


def _box(truth: ViewTruth) -> tuple[Annotation, ...]:
    return (Annotation(label="card", box=bounds(truth.outline)),)


_PLAIN_TYPES = {
    "edge_detection": _edges,
    "corner_detection": _corners,
    "centering_analysis": _points,
    "grade": _box,
}


def _inside(found: tuple[Annotation, ...], truth: ViewTruth) -> tuple[Annotation, ...]:
    """Those that lie in the picture; a box of no size, as of a hairline along a row of pixels, is widened."""
    frame = Box(0, 0, truth.width, truth.height)
    if any(_outside(each.box, frame) for each in found[:1]):
        raise ConfigError("the card lies outside of its own picture")
    return tuple(each for each in found if not _outside(each.box, frame))


def _outside(box: Box, frame: Box) -> bool:
    left, top, right, bottom = box.corners
    return right <= 0 or bottom <= 0 or left >= frame.width or top >= frame.height
