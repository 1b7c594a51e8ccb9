"""The centering of a card without a border: its print is matched to the official picture of the same card.

The official picture is taken as perfectly centered, unless it has a border of its own that can be measured: that border
is then laid over the card.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.centering import measure_lines
from rcg.measuring.frame import InnerEdge, against, frame_of, line_of
from rcg.measuring.profiles import in_card, side_length
from rcg.measuring.rectify import rectified
from rcg.measuring.types import (
    MEASURED,
    NAN,
    SIDES,
    UNDETERMINED,
    Centering,
    Outline,
    SideLine,
    Value,
)
from rcg.measuring.uncertainty import outer_sigma

Floats = NDArray[np.float64]

_PX_MM = 10.0
_BOX = 4.0  # mm of the rim that is left out: its wear and its shadows are not the print's
_RATIO = 0.8  # of the nearest to the second descriptor (Lowe, Distinctive image features, 2004, section 7.1)
_NEAR = 0.35  # mm that a pair may lie off the common map
_NEARER = (0.35, 0.25, 0.18, 0.13, 0.13, 0.13)  # the same, round by round
_LEAST = 25  # pairs without which nothing is told
_SPAN = 0.35  # share of the card that the pairs have to reach over, across and down
_MOST = 3000  # descriptors a picture
_LIMITS = (0.08, 4.0)  # scale off 1, and turn in degrees, that no print of the same card has
_TOGETHER = 6  # pairs that share an error: lens, a bent card
_SYSTEMATIC = 0.05  # mm: plates out of register, and what of a picture is not printed with the rest
_LENS = 0.3  # share of the edges' bow by which the lens may bend the middle otherwise than the edges
_EVEN = 5.0  # mm of border, left and right together, that the note compares with


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """How the official picture lies on the card.

    Attributes:
        matrix: (2, 4) from x, y, 1 and x y / 1000, in millimetres from the middle, to millimetres from the middle of
            the card: a print may lean as well as turn.
        middle: (2,) mm.
        pairs: How many places agree.
        sigma: mm across and down, of the shift.
        upside_down: Whether the card lies turned by 180 degrees against it.
    """

    matrix: Floats
    middle: Floats
    pairs: int
    sigma: tuple[float, float]
    upside_down: bool

    @property
    def turn(self) -> float:
        """Radians, clockwise, less the half turn of a card that lies upside down."""
        angle = math.atan2(self.matrix[1, 0] - self.matrix[0, 1], self.matrix[0, 0] + self.matrix[1, 1])
        return math.remainder(angle - math.pi, 2 * math.pi) if self.upside_down else angle

    def on_card(self, mm: Floats) -> Floats:
        """(n, 2) mm of the card for (n, 2) mm of the picture."""
        return np.asarray(_terms(mm - self.middle) @ self.matrix.T + self.middle)


def match_reference(pixels: Pixels, outline: Outline, reference: Pixels, *, notes: tuple[str, ...] = ()) -> Centering:
    """Measure how far a print lies off its place, against the official picture.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card.
        reference: (h, w, 3) uint8, straight on and cropped to the card.
        notes: What was recognised before.

    Returns:
        With the shift, its sigma and the turn; with widths and ratios too where the picture has a border.
    """
    match = _matched(pixels, outline, reference)
    if match is None:
        reason = (
            "the card does not match the reference picture; give the official picture of this very card, straight on "
            "and cropped to its edge, or retake the photo without glare"
        )
        return Centering(
            status=UNDETERMINED, reason=reason, method="reference", widths=np.full((4, 3), NAN),
            width_sigma=np.full(4, NAN), notes=notes,
        )  # fmt: skip
    told = (*notes, f"{match.pairs} places of the print agree with the reference picture")
    if match.upside_down:
        told = (*told, "the card lies upside down against the reference picture")
    inner = _laid_over(outline, reference, match)
    if inner is not None:
        found = frame_of(pixels, outline, inner, method="reference", notes=told)
        return replace(found, shift_sigma_mm=_with_cut(outline, match.sigma))
    return _shift_only(outline, match, told)


def _shift_only(outline: Outline, match: Match, notes: tuple[str, ...]) -> Centering:
    shift = match.matrix[:, 2]
    sigma = _with_cut(outline, match.sigma)
    farthest = float(np.abs(shift).max())
    share = 50 + 100 * farthest / _EVEN
    as_ratio = f"{farthest:.2f} mm is {share:.0f}/{100 - share:.0f}"
    note = f"the card has no border to give a ratio of; with borders of {_EVEN:g} mm in total {as_ratio}"
    turn_sigma = math.degrees(math.hypot(*match.sigma) / (0.3 * outline.spec.height))
    return Centering(
        status=MEASURED,
        method="reference",
        widths=np.full((4, 3), NAN),
        width_sigma=np.full(4, NAN),
        rotation_deg=Value(math.degrees(match.turn), turn_sigma),
        shift_mm=(float(shift[0]), float(shift[1])),
        shift_sigma_mm=sigma,
        notes=(*notes, note),
    )


def _with_cut(outline: Outline, sigma: tuple[float, float]) -> tuple[float, float]:
    """The shift's sigma with that of the cut edges on both sides."""
    if not outline.lines:
        return sigma
    left, top, right, bottom = (outer_sigma(line, outline.notes) for line in outline.lines)
    return math.hypot(sigma[0], left / 2, right / 2), math.hypot(sigma[1], top / 2, bottom / 2)


def _matched(pixels: Pixels, outline: Outline, reference: Pixels) -> Match | None:
    card, _ = rectified(pixels, outline, px_mm=_PX_MM, margin_mm=0)
    size = (round(outline.spec.width * _PX_MM), round(outline.spec.height * _PX_MM))
    official = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    there, here = _pairs(official, card)
    if len(there) < _LEAST:
        return None
    start, _ = cv2.estimateAffine2D(there, here, method=cv2.RANSAC, ransacReprojThreshold=_NEAR, maxIters=5000)
    if start is None or not np.isfinite(start).all():
        return None
    near = np.linalg.norm(there @ start[:, :2].T + start[:, 2] - here, axis=1) < 2 * _NEAR
    return _fitted(near, there, here, outline)


def _pairs(official: Pixels, card: Pixels) -> tuple[Floats, Floats]:
    """(n, 2) mm and (n, 2) mm of places that look alike on both pictures."""
    cv2.setRNGSeed(0)  # RANSAC draws from OpenCV's own generator: the same card gives the same figures
    sift = cv2.SIFT.create(_MOST, 3, 0.04, 10.0, 1.6, enable_precise_upscale=True)  # else places lie a quarter px off
    read = []
    for picture in (official, card):
        grey = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        mask = np.zeros(grey.shape, np.uint8)
        rim = round(_BOX * _PX_MM)
        mask[rim:-rim, rim:-rim] = 255
        read.append(sift.detectAndCompute(grey, mask))
    (places, words), (found, seen) = read
    if words is None or seen is None or len(seen) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    near = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words, seen, k=2)
    good = [two[0] for two in near if len(two) == 2 and two[0].distance < _RATIO * two[1].distance]
    there = np.array([places[each.queryIdx].pt for each in good], np.float64).reshape(-1, 2)
    here = np.array([found[each.trainIdx].pt for each in good], np.float64).reshape(-1, 2)
    return (there + 0.5) / _PX_MM, (here + 0.5) / _PX_MM


def _fitted(kept: NDArray[np.bool_], there: Floats, here: Floats, outline: Outline) -> Match | None:
    """The map by least squares over the pairs that agree, and what it is worth."""
    size = np.array([outline.spec.width, outline.spec.height])
    terms, goal = _terms(there - size / 2), here - size / 2
    matrix: Floats = np.asarray(np.zeros((2, 4)))
    for near in _NEARER:  # what is not printed, such as foil and grain, stays behind: the greater crowd counts
        if kept.sum() < _LEAST:
            return None
        matrix = np.asarray(np.linalg.lstsq(terms[kept], goal[kept], rcond=None)[0].T, np.float64)
        kept = np.linalg.norm(terms @ matrix.T - goal, axis=1) < near
    off = goal - terms @ matrix.T
    away = off[kept]
    torn = np.abs(off[np.linalg.norm(off, axis=1) < _NEAR].mean(axis=0))  # what a wider crowd would say
    spread = np.linalg.inv(terms[kept].T @ terms[kept])[2, 2]  # what the scatter of one pair does to the shift
    shared = math.hypot(_SYSTEMATIC, _LENS * _bow(outline))
    sigma = np.hypot(np.hypot(away.std(axis=0) * math.sqrt(float(spread) * _TOGETHER), torn), shared)
    match = Match(
        matrix=matrix, middle=size / 2, pairs=int(kept.sum()), sigma=(float(sigma[0]), float(sigma[1])),
        upside_down=bool(matrix[0, 0] < 0),
    )  # fmt: skip
    reach = np.ptp(there[kept], axis=0) / size
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    if (reach < _SPAN).any() or abs(scale - 1) > _LIMITS[0] or abs(math.degrees(match.turn)) > _LIMITS[1]:
        return None
    return match


def _bow(outline: Outline) -> float:
    """How far the edges bow at most, mm."""
    return max((abs(float(line.at(line.middle))) for line in outline.lines), default=0.0)


def _terms(mm: Floats) -> Floats:
    return np.column_stack([mm, np.ones(len(mm)), mm[:, 0] * mm[:, 1] / 1000])


def _laid_over(outline: Outline, reference: Pixels, match: Match) -> tuple[SideLine, ...] | None:
    """The inner lines of the picture's own border, as they lie on the card; None where it has none."""
    rows, columns = reference.shape[:2]
    corners = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float64)
    whole = Outline(quad=corners, spec=outline.spec, spec_reason=outline.spec_reason, lines=(), score=0.0)
    own = measure_lines(reference, whole)
    if own.status != MEASURED:
        return None
    size = (outline.spec.width, outline.spec.height)
    return tuple(_laid(outline, match, own, k, size) for k in range(4))


def _laid(outline: Outline, match: Match, own: Centering, k: int, size: tuple[float, float]) -> SideLine:
    """One side of the card: the picture's line on that side, or on the opposite one of a card that lies upside down."""
    line = own.lines[(k + 2) % 4 if match.upside_down else k]
    side, length = SIDES[k], side_length(SIDES[k], size)
    ends = np.array([0.0, length])
    on_card = match.on_card(in_card(line.side, size, ends, line.at(ends)))
    along, depth = against(side, on_card, size)
    slope = float((depth[1] - depth[0]) / (along[1] - along[0]))
    offset = float(depth[0] + slope * (length / 2 - along[0]))
    places = np.linspace(0.05, 0.95, 25) * length
    sigma = math.hypot(line.sigma, match.sigma[0 if side in ("left", "right") else 1])
    edge = InnerEdge(
        offset=offset, slope=slope, along=places, width=offset + slope * (places - length / 2),
        kept=np.ones(len(places), np.bool_), sigma=sigma, agree=1.0, px_mm=_PX_MM,
    )  # fmt: skip
    return line_of(outline, side, edge)
