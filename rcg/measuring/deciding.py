"""What is taken for a card, of which stock, and why nothing was."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.measuring.outlines import Candidate
from rcg.measuring.rectify import aspect_ranges, misfits

Floats = NDArray[np.float64]

_SURE, _SURE_ROUND = 8.5, 6.0  # scores beyond doubt; a printed box has no round corners
# On 52 rendered cards the weakest side had at least 0.57 and the score was at least 5.0; on 24 tables without a card,
# with papers, rulers and coins, no rectangle had more than 0.25 on its weakest side.
_WEAKEST = 0.4
_SCORE = 4.4
_PROPORTION = 0.06  # how far from a known rectangle a card may seem to be; true ones were up to 0.05 off
_FINE = 0.004  # the same when it is, one standard deviation
_RADIUS, _RADIUS_OVER = 0.7, 1.2  # mm, how far a corner's radius lies below and above the stock's; corners wear off
_RARE = 1.0  # what the other stocks' being rare costs, as half a squared number of standard deviations
_SQUARE = 1.0  # mm of radius
_ENDS, _ENDS_SQUARE = 5, 7  # of the eight ends of lines, that end at a corner
_OPEN = 3  # of its four sides, that have an even table beside them
_CORNERS = 1.6  # of 2.6, how well round corners fit
_BORDER = 2.0  # of 4, how well the four sides show a border
_RIM = 0.5  # px


def is_card(each: Candidate, *, given: bool = False) -> bool:
    """Whether four lines are taken for a card's edge; `given` if the stock was named.

    A box in the art, a sheet of paper and a book have square corners: a square-cornered stock has to show a border too.
    """
    if each.spec.radius < _SQUARE:
        alone = each.ends.sum() >= _ENDS_SQUARE and each.open_sides >= _OPEN
        if not alone or (each.parts["border"] < _BORDER and not given):
            return False
    elif each.parts["corners"] < _CORNERS:
        return False
    sound = each.weakest >= _WEAKEST and each.score >= _SCORE and each.misfit < _PROPORTION
    return bool(sound and each.ends.sum() >= _ENDS)


def is_sure(each: Candidate) -> bool:
    """Whether it is a card beyond doubt, so that what lies on it need not be looked at."""
    rounded = each.spec.radius > 1 and each.parts["corners"] > 1.6 and bool(each.ends.sum() >= 7)
    return is_card(each) and each.score > (_SURE_ROUND if rounded else _SURE)


def has_proportions(quad: Floats, spec: CardSpec, shape: tuple[int, int]) -> bool:
    """Whether a refined quad can be a card of its stock, seen from anywhere."""
    return bool(misfits(quad[None], shape, np.array([spec.width / spec.height]))[0, 0] < _PROPORTION)


def is_cut_off(quad: Floats, size: tuple[int, int]) -> bool:
    """Whether a card reaches beyond the picture of `size` (width, height)."""
    return bool((quad < _RIM).any() or (quad > np.array(size) - _RIM).any())


def stock_of(
    quad: Floats, radii: Floats, shape: tuple[int, int], specs: Sequence[CardSpec], *, given: bool
) -> tuple[CardSpec, str]:
    """The stock that fits a refined outline's proportions and corners best, and how that is known.

    Args:
        quad: (4, 2) px, refined corners.
        radii: (4,) mm of the corners as they were read; NaN where they were not seen.
        shape: Width and height of the picture.
        specs: The stocks that it may be; the first is the usual one.
        given: Whether there was no choice.
    """
    if given:
        return specs[0], "given"
    off = misfits(quad[None], shape, np.array([each.width / each.height for each in specs]))[0]
    # seen at a slant, the proportions hang on the focal length and on where the picture was cropped
    sigma = math.hypot(_FINE, 0.25 * float(np.ptp(np.log(aspect_ranges(quad[None], shape)[0]))))
    radius = float(np.nanmedian(radii)) if np.isfinite(radii).any() else np.nan
    cost = [
        float(off[k] / sigma) ** 2 / 2
        + (
            0.0
            if np.isnan(radius)
            else min(
                9.0, ((max(0.0, radius) - each.radius) / (_RADIUS_OVER if radius > each.radius else _RADIUS)) ** 2 / 2
            )
        )
        + _RARE * (k > 0)
        for k, each in enumerate(specs)
    ]
    best, next_best = (specs[int(k)] for k in np.argsort(cost, kind="stable")[:2])
    corners = "corners not seen" if np.isnan(radius) else f"corners of about {max(0.0, radius):.1f} mm"
    doubt = "" if np.partition(cost, 1)[1] - min(cost) > 2 else f"; {next_best.name} is nearly as likely"
    return best, f"guessed from its proportions and {corners}{doubt}"


def why_none(candidates: Sequence[Candidate], shape: tuple[int, int]) -> tuple[str, str]:
    """The likeliest reason why there is no card, and what to do."""
    strong = [each for each in candidates if each.parts["support"] > 2.6 and each.score > 3.0]
    best = max(strong, key=lambda each: each.score, default=None)
    if best is None:
        return "there is no card with a visible edge in the picture", (
            "retake with the whole card in the picture, on a background of another colour"
        )
    room = 0.012 * max(shape)
    if (best.quad < room).any() or (best.quad > np.array(shape) - room).any():
        return "the card reaches the edge of the picture, or beyond", "retake with a margin around the card"
    if best.misfit >= _PROPORTION:
        return "what was found has the proportions of no known card", "name the card's stock, or retake from above"
    if best.weakest >= _WEAKEST:
        return "what was found has neither the corners nor the border of a card: a book, a sheet, a box in the art?", (
            "retake with the whole card in the picture, or name its stock"
        )
    side = ("left", "top", "right", "bottom")[
        int(np.argmin([each.line.support * each.distinct for each in best.sides]))
    ]
    return (
        f"the {side} edge of the card cannot be told from what lies behind it",
        "retake on a background of another colour, with nothing over the card's edges",
    )
