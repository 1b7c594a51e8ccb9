"""What is measured on a card: lines, points, wear and marks, each with a sigma or the reason why it is not known.

Two frames are used. Pixels of the picture: x to the right, y down, from the left top corner of the left top pixel, EXIF
orientation applied. Millimetres of the card: x to the right, y down, from its left top corner as printed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.types import Point

Floats = NDArray[np.float64]

SIDES = ("left", "top", "right", "bottom")
CORNERS = ("top_left", "top_right", "bottom_right", "bottom_left")
STATIONS = (0.22, 0.5, 0.78)
"""Where the three stations lie along a side, as shares of its length; from the left or the top."""

MEASURED, UNDETERMINED = "measured", "undetermined"
NAN = math.nan


@dataclass(frozen=True, slots=True)
class Value:
    """A figure and its standard deviation, in the unit that the field says which holds it.

    Example:
        >>> str(Value(0.1234, 0.02))
        '0.123 ± 0.020'
    """

    value: float
    sigma: float

    @property
    def known(self) -> bool:
        """Whether there is a figure at all."""
        return math.isfinite(self.value)

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            return f"{self.value:.2f}"
        digits = max(0, min(3, 1 - math.floor(math.log10(self.sigma))))
        return f"{self.value:.{digits}f} ± {self.sigma:.{digits}f}"


UNKNOWN = Value(NAN, NAN)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideLine:
    """A straight or slightly bowed line along one side: the cut edge, or where the border ends.

    Attributes:
        side: One of `SIDES`.
        along: (n,) where its stations lie, mm from the left or upper end of the side.
        depth: (n,) how far in each lies, mm from the straight side between the outer corners; NaN where a station
            shows nothing.
        kept: (n,) bool, the stations that the line follows.
        curve: Polynomial coefficients, highest power first, of depth over `along - middle`.
        middle: mm along the side that the curve counts from.
        sigma: Of its mean depth, mm.
        agree: Share of the stations that it follows, 0 to 1.
        px_mm: Pixels of the picture a millimetre, across the side.
    """

    side: str
    along: Floats
    depth: Floats
    kept: NDArray[np.bool_]
    curve: tuple[float, ...]
    middle: float
    sigma: float
    agree: float
    px_mm: float

    def at(self, along: Floats | float) -> Floats:
        """The depth at places along the side, mm."""
        return np.asarray(np.polyval(np.array(self.curve), np.asarray(along, np.float64) - self.middle))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """A card's cut edge in a picture.

    Attributes:
        quad: (4, 2) px, the corners as if they were not rounded: top left, top right, bottom right and bottom left as
            printed, as far as `upright` says that this is known.
        spec: The cut stock.
        spec_reason: How the stock is known: "given", or what it was guessed from.
        lines: The four cut edges in the order of `SIDES`; depths count from `quad`.
        score: How much speaks for a card; comparable between outlines of one picture only.
        upright: Whether the top of the print is known to be the top; otherwise the card may be turned by 180 degrees.
        notes: What was recognised on the way, such as a sleeve's seam beside the edge.
    """

    quad: Floats
    spec: CardSpec
    spec_reason: str
    lines: tuple[SideLine, ...]
    score: float
    upright: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EdgePoint:
    """One of the 24 points.

    Attributes:
        side: One of `SIDES`.
        edge: "outer" or "inner".
        station: 0, 1 or 2, from the left or the top.
        at: px.
        mm: In the card's frame.
        sigma: Across the side, mm.
        profile: (n, 3) uint8 RGB, the colours across the side that it was read from, from outside to inside.
        profile_mm: (n,) depth of each of them, mm inwards from the cut edge.
    """

    side: str
    edge: str
    station: int
    at: Point
    mm: Point
    sigma: float
    profile: NDArray[np.uint8]
    profile_mm: Floats

    @property
    def name(self) -> str:
        """Its name among the 24, such as "left_outer_1"."""
        return f"{self.side}_{self.edge}_{self.station + 1}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Centering:
    """Where the print lies on the card.

    Attributes:
        status: "measured" or "undetermined".
        reason: Why it is undetermined, and what to do; "" where it is measured.
        method: "lines" (both edges seen), "reference" (matched to a reference picture) or "hand" (set by a person).
        points: The 24 points in the order of the dataset type centering_analysis; empty where there is no inner frame.
        inner_quad: (4, 2) px corners of the inner frame in the order of the outline's; None without one.
        widths: (4, 3) mm, each side's border at its stations; NaN where unknown.
        width_sigma: (4,) mm, of each side's mean width.
        left_right: The left border's share of left and right, percent, from the mean widths.
        top_bottom: The top border's share of top and bottom.
        worst_left_right: The same at the station where it is farthest from 50.
        worst_top_bottom: Likewise.
        sigma: Standard deviation of `left_right` and `top_bottom`, in points.
        rotation_deg: How far the print is turned against the cut, clockwise, with its sigma.
        trapezoid_deg: How far the left and right, and the top and bottom sides of the print lean to each other.
        shift_mm: How far the print lies right of and below the middle.
        shift_sigma_mm: Of `shift_mm`; NaN where unknown.
        lines: The four inner edges in the order of `SIDES`.
        notes: What was recognised: a gradient border, glare, a shadow, totals that fit no known design.
    """

    status: str
    reason: str = ""
    method: str = "lines"
    points: tuple[EdgePoint, ...] = ()
    inner_quad: Floats | None = None
    widths: Floats
    width_sigma: Floats
    left_right: float = NAN
    top_bottom: float = NAN
    worst_left_right: float = NAN
    worst_top_bottom: float = NAN
    sigma: tuple[float, float] = (NAN, NAN)
    rotation_deg: Value = UNKNOWN
    trapezoid_deg: tuple[float, float] = (NAN, NAN)
    shift_mm: tuple[float, float] = (NAN, NAN)
    shift_sigma_mm: tuple[float, float] = (NAN, NAN)
    lines: tuple[SideLine, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that is wrong with the card, at its place.

    Attributes:
        label: One of the defect labels of the dataset types, such as "corner_whitening".
        origin: "handling", "factory" or "unknown".
        outline: px.
        outline_mm: The same in the card's frame.
        length_mm: Its longest extent.
        depth_mm: How far it reaches in from the edge; 0 for marks on the surface.
        area_mm2: Its area.
        relief_um: Depth (below zero) or height (above zero) with its sigma; None where no relief was measured.
        confidence: 0 to 1, of being there at all.
        seen_by: "photo" or "photometric".
    """

    label: str
    origin: str
    outline: tuple[Point, ...]
    outline_mm: tuple[Point, ...]
    length_mm: float
    area_mm2: float
    depth_mm: float = 0.0
    relief_um: Value | None = None
    confidence: float = 1.0
    seen_by: str = "photo"


@dataclass(frozen=True, slots=True, kw_only=True)
class CornerWear:
    """One corner.

    Attributes:
        corner: One of `CORNERS`.
        status: "measured" or "undetermined".
        reason: Why not.
        whitening_depth: mm, from the corner's edge inwards, the cut face subtracted.
        whitening_area: mm2.
        radius: mm.
        radius_error: mm above the stock's own radius; below zero where it is sharper.
        angle_error: Degrees that the two edges meet at, less 90.
        missing_area: mm2 of stock that is not there: a chip, a bend, wear.
        marks: What makes it up.
    """

    corner: str
    status: str
    reason: str = ""
    whitening_depth: Value = UNKNOWN
    whitening_area: Value = UNKNOWN
    radius: Value = UNKNOWN
    radius_error: Value = UNKNOWN
    angle_error: Value = UNKNOWN
    missing_area: Value = UNKNOWN
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeWear:
    """One edge, between its corners.

    Attributes:
        side: One of `SIDES`.
        status: "measured" or "undetermined".
        reason: Why not.
        whitening_depth: mm, mean over the edge's length, the cut face subtracted.
        whitening_length: mm of the edge that is white.
        whitening_area: mm2.
        deepest: mm, the deepest whitening or bite.
        roughness: mm RMS of the cut against its own line: a rough cut.
        marks: Whitening, chips, notches, rough stretches.
    """

    side: str
    status: str
    reason: str = ""
    whitening_depth: Value = UNKNOWN
    whitening_length: Value = UNKNOWN
    whitening_area: Value = UNKNOWN
    deepest: Value = UNKNOWN
    roughness: Value = UNKNOWN
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The face of the card.

    Attributes:
        status: "measured" where 8-light frames were given, "partly" where one photo was, "undetermined" otherwise.
        reason: Why it is not, or not wholly, known.
        marks: What was found.
        not_seen: What these pictures cannot show, such as "dents" in one photo.
        share_judged: Share of the face that could be looked at, 0 to 1: glare and hidden parts are missing.
    """

    status: str
    reason: str = ""
    marks: tuple[Mark, ...] = ()
    not_seen: tuple[str, ...] = ()
    share_judged: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceMeasurement:
    """One face of one card in one picture.

    Attributes:
        status: "measured", where at least the cut edge is known; else "undetermined".
        reason: Why it is undetermined.
        fix: What to do about it, such as "retake with a margin around the card".
        width: Of the picture, px.
        height: Of the picture, px.
        px_mm: Pixels of the picture a millimetre of the card, mean; NaN without an outline.
        outline: The cut edge; None where no card was found.
        centering: Where the print lies; None without an outline.
        corners: Four, in the order of `CORNERS`; empty without an outline.
        edges: Four, in the order of `SIDES`; empty without an outline.
        surface: The face.
        notes: What is worth telling about the picture as a whole.
    """

    status: str
    reason: str = ""
    fix: str = ""
    width: int
    height: int
    px_mm: float = NAN
    outline: Outline | None = None
    centering: Centering | None = None
    corners: tuple[CornerWear, ...] = ()
    edges: tuple[EdgeWear, ...] = ()
    surface: Surface = Surface(status=UNDETERMINED, reason="no card was found")
    notes: tuple[str, ...] = ()
