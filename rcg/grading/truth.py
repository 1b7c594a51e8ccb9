"""What an exact measurement of a rendered card would give: the figures of its geometry, without any error."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.measuring.types import (
    CORNERS,
    MEASURED,
    SIDES,
    STATIONS,
    UNDETERMINED,
    Centering,
    CornerWear,
    EdgeWear,
    FaceMeasurement,
    Floats,
    Mark,
    Outline,
    SideLine,
    Surface,
    Value,
)
from rcg.types import Point

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card
    from rcg.synthetic.damage import Defect

Mask = NDArray[np.bool_]

PX_MM = 10.0
"""Pixels a millimetre of the picture that the truth is told in."""
PHOTO_CANNOT_SHOW = ("dent", "roller_line", "corner_bend")
"""What one photo in flat light does not show, whatever is measured in it."""

LEAST_CORNER_MM = 2.5
"""A corner is a square as wide as its arc, and at least this wide; the measuring divides the rim likewise."""

_MASK_PX_MM = 40
_DEEP_MM, _STEP_MM = 2.4, 0.02
_DEEPEST = 0.95  # of the white stations: a single fibre is not the depth of a corner's whitening
_WHITE = frozenset({"corner_whitening", "edge_whitening", "chipping"})
_GONE = frozenset({"rough_cut", "notch", "missing_stock", "corner_rounding"})
_EXACT = Value(0.0, 0.0)


def true_face(card: Card, *, unseen: Collection[str] = (), cut_face_mm: float = 0.0) -> FaceMeasurement:
    """The figures of a rendered card's side as its geometry has them, every sigma 0.

    Corners and sides are divided as the measuring divides them, and its stations used.

    Args:
        card: From `rcg.synthetic`.
        unseen: Labels of defects to leave out, such as `PHOTO_CANNOT_SHOW`.
        cut_face_mm: How wide the cut face shows in the picture that is held against this; whitening counts from there.

    Returns:
        A face in a picture of `PX_MM` pixels a millimetre in which the card's left top corner is the origin. A card
        without a border has no centering.

    Example:
        >>> from rcg.synthetic import draw_card
        >>> face = true_face(draw_card(3, family="modern", defects=()))
        >>> face.corners[0].whitening_depth, face.centering.status
        (Value(value=0.0, sigma=0.0), 'measured')
    """
    spec, defects = card.spec, [each for each in card.defects if each.label not in unseen]
    rim = _Rim(spec, defects, cut_face_mm)
    marks = [(each, _mark(each, rim)) for each in defects]
    at_rim = {id(each): _part(spec, each) for each in defects if each.label in _WHITE | _GONE}
    return FaceMeasurement(
        status=MEASURED,
        width=round(spec.width * PX_MM),
        height=round(spec.height * PX_MM),
        px_mm=PX_MM,
        outline=_outline(spec),
        centering=_centering(card),
        corners=tuple(
            rim.corner(n, [mark for each, mark in marks if at_rim.get(id(each)) == name])
            for n, name in enumerate(CORNERS)
        ),
        edges=tuple(
            rim.edge(n, [mark for each, mark in marks if at_rim.get(id(each)) == name]) for n, name in enumerate(SIDES)
        ),
        surface=Surface(status=MEASURED, marks=tuple(mark for each, mark in marks if id(each) not in at_rim)),
    )


def _outline(spec: CardSpec) -> Outline:
    lines = tuple(_line(side, spec.height if side in {"left", "right"} else spec.width) for side in SIDES)
    return Outline(
        quad=_corner_points(spec) * PX_MM, spec=spec, spec_reason="given", lines=lines, score=1.0, upright=True
    )


def _line(side: str, length: float) -> SideLine:
    along = np.linspace(0, length, 9)
    return SideLine(
        side=side, along=along, depth=np.zeros(9), kept=np.ones(9, bool), curve=(0.0,), middle=length / 2,
        sigma=0.0, agree=1.0, px_mm=PX_MM,
    )  # fmt: skip


def _corner_points(spec: CardSpec) -> Floats:
    return np.array([(0.0, 0.0), (spec.width, 0.0), (spec.width, spec.height), (0.0, spec.height)])


def _centering(card: Card) -> Centering:
    nothing = np.full((4, 3), np.nan)
    if card.inner is None:
        reason = "the print runs over the edge; give a reference picture"
        return Centering(status=UNDETERMINED, reason=reason, widths=nothing, width_sigma=nothing[:, 0])
    spec, quad = card.spec, np.array(card.inner)
    widths = np.array([_border(spec, quad, side) for side in SIDES])
    left, top, right, bottom = widths
    shares = np.array([100 * left / (left + right), 100 * top / (top + bottom)])
    mean = [100 * float(a.mean() / (a + b).mean()) for a, b in ((left, right), (top, bottom))]
    worst = [float(each[np.abs(each - 50).argmax()]) for each in shares]
    return Centering(
        status=MEASURED,
        inner_quad=quad * PX_MM,
        widths=widths,
        width_sigma=np.zeros(4),
        left_right=mean[0],
        top_bottom=mean[1],
        worst_left_right=worst[0],
        worst_top_bottom=worst[1],
        sigma=(0.0, 0.0),
        rotation_deg=Value(card.rotation_deg, 0.0),
        trapezoid_deg=card.trapezoid_deg,
        shift_mm=card.print_shift_mm,
    )


def _border(spec: CardSpec, quad: Floats, side: str) -> list[float]:
    """The border at the stations of a side, mm straight across from its cut edge."""
    first, last = {"left": (0, 3), "top": (0, 1), "right": (1, 2), "bottom": (3, 2)}[side]
    across, along = (0, 1) if side in {"left", "right"} else (1, 0)
    size = (spec.width, spec.height)
    places = np.array(STATIONS) * size[along]
    share = (places - quad[first, along]) / (quad[last, along] - quad[first, along])
    depth = quad[first, across] + share * (quad[last, across] - quad[first, across])
    return [float(each) for each in (depth if side in {"left", "top"} else size[across] - depth)]


def _part(spec: CardSpec, defect: Defect) -> str:
    """The corner or side that a defect at the rim belongs to: where its middle lies."""
    middle = defect.course[len(defect.course) // 2] if defect.course else np.mean(np.array(defect.outline), axis=0)
    x, y = np.clip(middle, 0, (spec.width, spec.height))
    reach = _reach(spec)
    near = (min(x, spec.width - x) < reach, min(y, spec.height - y) < reach)
    if all(near):
        return f"{'top' if y < spec.height / 2 else 'bottom'}_{'left' if x < spec.width / 2 else 'right'}"
    away = {"left": x, "top": y, "right": spec.width - x, "bottom": spec.height - y}
    return min(away, key=lambda side: away[side])


def _reach(spec: CardSpec) -> float:
    return max(spec.radius, LEAST_CORNER_MM)


def _mark(defect: Defect, rim: _Rim) -> Mark:
    ring: tuple[Point, ...] = defect.outline
    line = defect.label in {"scratch", "crease", "roller_line", "print_line", "tear"}
    at_rim = defect.label in _WHITE | _GONE
    area = defect.length_mm * defect.width_mm if line else rim.area([ring])
    return Mark(
        label=defect.label,
        origin=defect.origin,
        outline=tuple((x * PX_MM, y * PX_MM) for x, y in ring),
        outline_mm=ring,
        length_mm=defect.length_mm,
        area_mm2=area,
        depth_mm=defect.width_mm if at_rim else 0.0,
        relief_um=Value(defect.depth_um, 0.0) if defect.depth_um else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Strip:
    """A part of the rim: how deep stock is missing, and how deep white reaches beyond that, at stations along it."""

    gone: Floats
    white: Floats
    width: Floats
    focus: float | Floats

    def area(self, start: Floats, end: Floats) -> float:
        return float(np.sum(self.width * (1 - (start + end) / 2 / self.focus) * (end - start)))

    def white_area(self) -> float:
        return self.area(self.gone, self.gone + self.white)

    def deepest_white(self) -> float:
        there = self.white[self.white > 0]
        return float(np.quantile(there, _DEEPEST)) if len(there) else 0.0


class _Rim:
    """The card's defects at its rim, as masks that can be asked at any place."""

    def __init__(self, spec: CardSpec, defects: Sequence[Defect], cut_face_mm: float) -> None:
        self.spec, self.cut_face = spec, cut_face_mm
        self.white = self._mask(each.outline for each in defects if each.label in _WHITE)
        self.gone = self._mask(each.outline for each in defects if each.label in _GONE)
        self.rough = self._mask(each.outline for each in defects if each.label == "rough_cut")
        self.rounded = {
            _part(spec, each): each.width_mm for each in defects if each.label == "corner_rounding"
        }  # fmt: skip

    def _mask(self, rings: Iterable[Sequence[Point]]) -> Mask:
        import cv2

        rows, columns = (math.ceil(each * _MASK_PX_MM) for each in (self.spec.height, self.spec.width))
        mask = np.zeros((rows, columns), np.uint8)
        for ring in rings:
            fine = np.rint((np.array(ring) * _MASK_PX_MM - 0.5) * 16).astype(np.int32)
            cv2.fillPoly(mask, [fine], 1, shift=4)
        return mask.astype(bool)

    def area(self, rings: Iterable[Sequence[Point]]) -> float:
        """mm2 of rings, of what lies on the card's square."""
        return float(self._mask(rings).sum()) / _MASK_PX_MM**2

    def _strip(self, base: Floats, into: Floats, width: Floats, focus: Floats | float, gone: Mask) -> _Strip:
        depth = np.arange(_STEP_MM / 2, _DEEP_MM, _STEP_MM)
        places = base[:, None, :] + into[:, None, :] * depth[None, :, None]
        missing = self._at(gone, places)
        start = np.where(missing.all(axis=1), len(depth), np.argmin(missing, axis=1))
        first = start + round(self.cut_face / _STEP_MM)
        white = self._at(self.white, places) & (np.arange(len(depth)) >= first[:, None])
        return _Strip(gone=start * _STEP_MM, white=white.sum(axis=1) * _STEP_MM, width=width, focus=focus)

    def _at(self, mask: Mask, places: Floats) -> Mask:
        index = np.floor(places * _MASK_PX_MM).astype(np.intp)
        rows, columns = mask.shape
        found: Mask = mask[np.clip(index[..., 1], 0, rows - 1), np.clip(index[..., 0], 0, columns - 1)]
        return found

    def edge(self, n: int, marks: Sequence[Mark]) -> EdgeWear:
        """The wear of a side between its corners."""
        spec, reach = self.spec, _reach(self.spec)
        into = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][n])
        home = np.array([(0.0, 0.0), (0.0, 0.0), (spec.width, 0.0), (0.0, spec.height)][n])
        along = np.arange(reach, (spec.height if n in {0, 2} else spec.width) - reach, 0.05)
        base = home + along[:, None] * np.abs(into[::-1])
        width = np.full(len(along), 0.05)
        strip = self._strip(base, np.tile(into, (len(along), 1)), width, math.inf, self.gone)
        rough = self._strip(base, np.tile(into, (len(along), 1)), width, math.inf, self.rough).gone
        area = strip.white_area()
        return EdgeWear(
            side=SIDES[n],
            status=MEASURED,
            whitening_depth=Value(area / (len(along) * 0.05), 0.0),
            whitening_length=Value(float((strip.white > 0).sum()) * 0.05, 0.0),
            whitening_area=Value(area, 0.0),
            deepest=Value(max(strip.deepest_white(), float(strip.gone.max())), 0.0),
            roughness=Value(float(np.sqrt(np.mean(rough**2))), 0.0),
            marks=tuple(marks),
        )

    def corner(self, n: int, marks: Sequence[Mark]) -> CornerWear:
        """The wear of a corner: of a square as wide as its arc, seen along rays from the square's inner corner."""
        spec, reach, name = self.spec, _reach(self.spec), CORNERS[n]
        turns = (np.arange(180) + 0.5) / 180 * math.pi / 2
        rays = np.column_stack([np.cos(turns), np.sin(turns)])
        sign = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)][n])
        centre = _corner_points(spec)[n] + sign * reach
        long = _to_rim(rays, reach, spec.radius)
        strip = self._strip(centre - sign * rays * long[:, None], sign * rays, long * math.pi / 360, long, self.gone)
        extra = self.rounded.get(name, 0.0)
        return CornerWear(
            corner=name,
            status=MEASURED,
            whitening_depth=Value(strip.deepest_white(), 0.0),
            whitening_area=Value(strip.white_area(), 0.0),
            radius=Value(spec.radius + extra, 0.0),
            radius_error=Value(extra, 0.0),
            angle_error=_EXACT,
            missing_area=Value(strip.area(np.zeros_like(strip.gone), strip.gone), 0.0),
            marks=tuple(marks),
        )


def _to_rim(rays: Floats, reach: float, radius: float) -> Floats:
    """How far the rim is along rays from the place `reach` inside of both edges, mm: straight edges or the arc."""
    straight = reach / rays.max(axis=1)
    if radius <= 0:
        return np.asarray(straight)
    more = reach - radius  # from the rays' place to the arc's own middle, along both axes
    along = more * rays.sum(axis=1)
    arc = along + np.sqrt(np.maximum(along**2 - 2 * more**2 + radius**2, 0))
    return np.asarray(np.where((rays * arc[:, None] >= more).all(axis=1), arc, straight))
