"""A card's side as a camera meets it: its picture and truth in millimetres, and that truth in the pixels of a view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.images import Pixels
from rcg.synthetic.lens import Projection, Rect
from rcg.synthetic.views import HIDDEN, VISIBLE, DefectTruth, Ring, ViewTruth, ring_of
from rcg.types import Point

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card

Floats = NDArray[np.float64]
_PAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A defect on a card.

    Attributes:
        label: Its class.
        origin: "factory" or "handling".
        polygon: Its outline in millimetres.
        length_mm: Its longest extent.
        width_mm: Its extent across.
        depth_um: Its relief, below zero for a pit; 0 without.
        visible: Whether its colours show it.
    """

    label: str
    origin: str
    polygon: Ring
    length_mm: float
    width_mm: float
    depth_um: float
    visible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlatCard:
    """One side of a card seen straight on.

    Attributes:
        pixels: (h, w, 3) uint8 sRGB.
        coverage: (h, w) uint8, 255 on the card and 0 beyond its edge.
        px_per_mm: The scale of the two; their left top corner is the card's.
        width_mm: From the left to the right cut edge.
        height_mm: From the top to the bottom cut edge.
        outline: (n, 2) the edge with its rounded corners, in millimetres.
        inner: (4, 2) corners of the print's inner frame in millimetres; None for a borderless card.
        points: The 24 points in millimetres; None where there is no frame.
        marks: The defects.
        borders_mm: Left, right, top and bottom border; None where there is no frame.
        rotation_deg: Of the print against the cut, clockwise.
        side: "front" or "back".
        shine: How strongly it mirrors a window, 0 to 1.
    """

    pixels: Pixels
    coverage: Pixels
    px_per_mm: float
    width_mm: float
    height_mm: float
    outline: Floats
    inner: Floats | None = None
    points: tuple[Point | None, ...] = ()
    marks: tuple[Mark, ...] = ()
    borders_mm: tuple[float, float, float, float] | None = None
    rotation_deg: float = 0.0
    side: str = "front"
    shine: float = 0.5

    @property
    def corners(self) -> Floats:
        """(4, 2) corners in millimetres, as if they were not rounded."""
        right, bottom = self.width_mm, self.height_mm
        return np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float64)


def seen_by(card: FlatCard, projection: Projection, rect: Rect) -> tuple[Pixels, Pixels]:
    """The card in a part of a view.

    Args:
        card: The card.
        projection: How it is seen.
        rect: Left, top, width and height of the part in pixels.

    Returns:
        (height, width, 3) colours, and (height, width) coverage; uint8.
    """
    rows, columns = card.coverage.shape
    padded = np.empty((rows + 2 * _PAD, columns + 2 * _PAD, 4), np.uint8)
    padded[..., :3] = cv2.copyMakeBorder(card.pixels, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_REPLICATE)
    padded[..., 3] = cv2.copyMakeBorder(card.coverage, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_CONSTANT, value=0)
    whole, fraction = projection.maps(rect, card.px_per_mm, pad=_PAD)
    found = cv2.remap(padded, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(found[..., :3]), np.ascontiguousarray(found[..., 3])


def rect_around(points: ArrayLike, size: tuple[int, int], *, more: int = 3) -> Rect:
    """The part of a view of `size` (width, height) that holds points, and some pixels more."""
    given = np.asarray(points, np.float64)
    low = np.clip(np.floor(given.min(axis=0)).astype(int) - more, 0, size)
    high = np.clip(np.ceil(given.max(axis=0)).astype(int) + more, 0, size)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def truth_of(
    card: FlatCard,
    projection: Projection,
    size: tuple[int, int],
    *,
    kind: str,
    over: Pixels | None = None,
    nuisances: tuple[str, ...] = (),
) -> ViewTruth:
    """The card's truth in the pixels of a view.

    Args:
        card: The card.
        projection: How it is seen.
        size: Width and height of the view.
        kind: "photo", "scan" or "capture".
        over: (height, width) uint8, 255 where something lies over the card.
        nuisances: What makes the view hard.
    """
    middle = (card.width_mm / 2, card.height_mm / 2)
    quad = projection.points(card.corners)
    there = [each for each in card.points if each is not None]
    found = iter(projection.points(there))
    points = [None if each is None else next(found) for each in card.points]
    defects = (_defect(each, projection, size, over) for each in card.marks)
    return ViewTruth(
        kind=kind,
        side=card.side,
        width=size[0],
        height=size[1],
        px_per_mm=round(float(projection.px_per_mm(middle)[0]), 4),
        quad=ring_of(quad),
        outline=ring_of(projection.points(card.outline)),
        inner=None if card.inner is None else ring_of(projection.points(card.inner)),
        points=tuple(None if each is None else ring_of(each)[0] for each in points),
        corners_seen=tuple(_seen(each, over) for each in quad),
        points_seen=tuple(0 if each is None else _seen(each, over) for each in points),
        defects=tuple(each for each in defects if each is not None),
        nuisances=nuisances,
        borders_mm=card.borders_mm,
        rotation_deg=card.rotation_deg,
    )


def _seen(point: Floats, over: Pixels | None) -> int:
    if over is None:
        return VISIBLE
    rows, columns = over.shape
    x, y = int(np.clip(point[0], 0, columns - 1)), int(np.clip(point[1], 0, rows - 1))
    return HIDDEN if over[y, x] > 127 else VISIBLE


def _defect(mark: Mark, projection: Projection, size: tuple[int, int], over: Pixels | None) -> DefectTruth | None:
    ring = projection.points(mark.polygon)
    ring = np.clip(ring, 0, size)
    if (np.ptp(ring, axis=0) < 0.05).any():
        return None  # less than a trace of it would be seen
    scale = float(projection.px_per_mm(np.asarray(mark.polygon).mean(axis=0))[0])
    return DefectTruth(
        label=mark.label,
        origin=mark.origin,
        polygon=ring_of(ring),
        length_mm=mark.length_mm,
        depth_um=mark.depth_um,
        width_px=round(scale * mark.width_mm, 3),
        hidden=0.0 if over is None else _hidden(ring, over),
        visible=mark.visible,
    )


def _hidden(ring: Floats, over: Pixels) -> float:
    """The share of an outline that something lies over."""
    left, top, width, height = rect_around(ring, (over.shape[1], over.shape[0]), more=1)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [np.rint(ring - (left, top)).astype(np.int32)], 1)
    total = int(np.count_nonzero(inside))
    hit = int(np.count_nonzero(inside & (over[top : top + height, left : left + width] > 127)))
    return round(hit / total, 3) if total else 0.0


_SILHOUETTE = frozenset({"corner_rounding", "rough_cut", "notch", "missing_stock", "tear"})
_FAINT = 10  # of 255: a line that differs less from what is around it drowns in blur and noise
_SHINE = {"matte": 0.1, "satin": 0.45, "gloss": 0.85, "foil": 1.0, "holo": 1.0}


def flat_card(
    card: Card, px_per_mm: float, *, pixels: Pixels | None = None, coverage: Pixels | None = None
) -> FlatCard:
    """A card drawn at a scale, for a view; or with pixels and coverage that were drawn already."""
    drawn, seen = (pixels, [True] * len(card.defects)) if pixels is not None else _worn(card, px_per_mm)
    marks = tuple(
        Mark(
            label=each.label,
            origin=each.origin,
            polygon=ring_of(each.outline),
            length_mm=round(each.length_mm, 4),
            width_mm=round(each.width_mm, 4),
            depth_um=round(each.depth_um, 3),
            visible=visible,
        )
        for each, visible in zip(card.defects, seen, strict=True)
    )
    return FlatCard(
        pixels=drawn,
        coverage=card.coverage(px_per_mm) if coverage is None else coverage,
        px_per_mm=px_per_mm,
        width_mm=card.spec.width,
        height_mm=card.spec.height,
        outline=card.spec.outline(steps=9),
        inner=None if card.inner is None else np.asarray(card.inner, np.float64),
        points=tuple(card.points),
        marks=marks,
        borders_mm=card.borders,
        rotation_deg=round(card.rotation_deg, 4),
        side=card.side,
        shine=_SHINE.get(card.finish, 0.5),
    )


def _worn(card: Card, px_per_mm: float) -> tuple[Pixels, list[bool]]:
    """The card's colours, and whether each defect can be seen in them: all that it changed, spread over its size."""
    from rcg.synthetic.cards import with_defects
    from rcg.synthetic.grid import Grid
    from rcg.synthetic.wear import mark_colour

    pixels = with_defects(card, ()).colour(px_per_mm)
    grid = Grid.of(card.spec.width, card.spec.height, px_per_mm)
    seen = []
    for each in card.defects:
        left, top, width, height = rect_around(np.asarray(each.outline) * px_per_mm, pixels.shape[1::-1])
        part = pixels[top : top + height, left : left + width]
        before = part.astype(np.int16)
        mark_colour(pixels, grid, each)
        changed = int(np.abs(part - before).max(axis=2).sum())
        size = px_per_mm * each.length_mm * max(1.0, px_per_mm * each.width_mm)
        seen.append(each.label in _SILHOUETTE or changed > _FAINT * size)
    return pixels, seen
