"""How far a border's width, and a ratio of two, are known: each thing that may be wrong is a standard deviation.

Errors that all four sides share, such as the blur's, are in the sigma of a point but cancel in a ratio.
"""

from __future__ import annotations

import math

from rcg.measuring.borders import Followed
from rcg.measuring.edge_fit import Place
from rcg.measuring.types import SideLine

_INDEPENDENT = 5  # stations within this many share their error: printing dots, blur, JPEG blocks
_SHARED_PX = 0.35  # all sides alike: blur, sharpening, tone curve, the cut face
_OWN_PX = 0.12  # side by side: what the same things differ by
_OWN_MM = 0.006  # of print and cut themselves
_DISSENT = 0.25  # mm, where no station agreed; nothing from four fifths on
_SOFTER = 0.8  # of a side's blur beyond the sharpest side's: where an end is slow, what is its beginning?
_RAMP = 0.25  # share of a slow ramp that may count as border or as frame
HAND_SIGMA_MM, HAND_SIGMA_PX = 0.05, 0.5  # what a person places a line by; the greater counts
_FAINT, _FAINT_MOST = 0.5, 0.25  # mm CIE76, mm: white card on white paper
_CUT_MM = 0.018  # of a cut face, a soft shadow, wear: what the scatter of the stations does not show
_BESIDE = {"seam": 0.08, "hidden": 0.05, "shadow": 0.04}  # mm, by the word of a note on the outline
_SPREAD = 0.3  # share of what the colours disagree by


def line_sigma(line: Followed, place: Place, px_mm: float) -> float:
    """Standard deviation of an inner line's mean depth, mm, as far as other sides do not share it."""
    chance = line.scatter / math.sqrt(max(1.0, line.agree * len(line.depth) / _INDEPENDENT))
    doubt = _DISSENT * max(0.0, 0.8 - line.agree)
    ramp = _RAMP * max(0.0, place.ramp - 0.12)
    parts = (chance, place.sigma, _OWN_PX / px_mm, _OWN_MM, doubt, ramp, _SPREAD * place.spread, _SOFTER * place.softer)
    return math.hypot(*parts)


def faint_cut_sigma(contrast: float) -> float:
    """What a cut edge that hardly stands off the table adds to the sigma of a border's width, mm.

    Args:
        contrast: CIE76 between the border and what lies outside of the cut.
    """
    return min(_FAINT_MOST, _FAINT / max(contrast, 1.0))


def shared_sigma(px_mm: float) -> float:
    """Standard deviation of what shifts all lines of a picture alike, mm."""
    return _SHARED_PX / px_mm


def ratio_sigma(first: float, second: float, sigma_first: float, sigma_second: float) -> float:
    """Standard deviation of 100 * first / (first + second), in points, by first-order propagation."""
    total = first + second
    return 100 * math.hypot(second * sigma_first, first * sigma_second) / total**2


def outer_sigma(line: SideLine, notes: tuple[str, ...] = ()) -> float:
    """Standard deviation of a cut edge's mean depth, mm, as far as other sides do not share it.

    Args:
        line: The edge.
        notes: What was recognised beside the card's edges: a sleeve's seam or a shadow may have been taken for one.
    """
    doubt = _DISSENT * max(0.0, 0.8 - line.agree)
    spoilt = max((more for word, more in _BESIDE.items() if any(word in each for each in notes)), default=0.0)
    return math.hypot(line.sigma, _OWN_PX / line.px_mm, _CUT_MM, doubt, spoilt)
