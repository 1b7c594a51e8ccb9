"""Cards in a picture: proposed, told from what only looks like one, and refined on their cut edges."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CARD_SPECS, CardSpec
from rcg.errors import DataError
from rcg.images import Pixels
from rcg.measuring.deciding import has_proportions, is_card, is_cut_off, is_sure, stock_of, why_none
from rcg.measuring.hidden import notes_of, what_hides
from rcg.measuring.outlines import Candidate, choose_outline
from rcg.measuring.proposals import Proposal, propose_quads
from rcg.measuring.refining import refine_quad
from rcg.measuring.types import Outline
from rcg.measuring.upright import set_upright
from rcg.progress import Report, silent, tracked

Floats = NDArray[np.float64]

_TRIED, _TRIED_EVERY = 20, 240  # proposals that are looked at
_SAME_PLACE = 5  # proposals with about the same middle that are looked at
_MANY = 4  # cards of one stock, for others beside them to be thought of the same
_FEWEST = 40  # px that the shorter side of a picture has to have
_DOUBTFUL = 3.0  # how much less than the best a card may score that is wanted for its size
_AHEAD = 0.5  # what a card within another rectangle has to score above that


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """The cards of a picture.

    Attributes:
        outlines: The largest alone, or all in reading order; empty where there is none.
        reason: Why there is none; "" otherwise.
        fix: What to do then.
    """

    outlines: tuple[Outline, ...]
    reason: str = ""
    fix: str = ""


def find_outlines(
    pixels: Pixels, *, spec: CardSpec | None = None, every: bool = False, report: Report = silent
) -> Found:
    """Find the card in a picture, or every card.

    Args:
        pixels: (h, w, 3) uint8 sRGB, or (h, w) grey.
        spec: The card's stock; guessed from its proportions and corners unless given.
        every: Whether all cards are wanted, in reading order, and not the largest alone.
        report: Where the progress goes.

    Returns:
        What was found; without a card it says why and what to do.

    Raises:
        DataError: If the array is no picture.

    Example:
        >>> find_outlines(np.zeros((300, 200, 3), np.uint8)).outlines
        ()
    """
    pixels = _in_colour(pixels)
    if min(pixels.shape[:2]) < _FEWEST:
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        return Found(outlines=(), reason=f"a picture of {size} pixels is too small", fix="retake it from closer")
    specs = [spec] if spec is not None else list(CARD_SPECS.values())
    aspects = np.array(sorted({each.width / each.height for each in specs}))
    proposals = propose_quads(pixels, aspects=aspects, every=every)
    candidates = _candidates(pixels, proposals[: _TRIED_EVERY if every else _TRIED], specs, report)
    cards = _apart([each for each in candidates if is_card(each, given=spec is not None)], every=every)
    if every and len(specs) > 1:
        cards = _of_one_stock(pixels, cards, candidates)
    if not cards:
        reason, fix = why_none(candidates, (pixels.shape[1], pixels.shape[0]))
        return Found(outlines=(), reason=reason, fix=fix)
    outlines, refused = [], ("", "")
    for each in cards if every else cards[:1]:
        outline, why = _refined(pixels, each, specs, given=spec is not None)
        if why[0]:
            refused = why
        else:
            outlines.append(outline)
    if not outlines:
        return Found(outlines=(), reason=refused[0], fix=refused[1])
    return Found(outlines=tuple(_reading_order(outlines) if every else outlines))


def _in_colour(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise DataError(
            f"an array of shape {pixels.shape} and type {pixels.dtype} is no picture",
            fix="give (height, width, 3) RGB or (height, width) grey values, uint8",
        )
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def _candidates(
    pixels: Pixels, proposals: Sequence[Proposal], specs: Sequence[CardSpec], report: Report
) -> list[Candidate]:
    """What the proposals lead to; those that lie on a card that is beyond doubt are passed over."""
    found: list[Candidate] = []
    sure: list[Candidate] = []
    tried: list[Floats] = []
    for each in tracked(proposals, task="looking for cards", report=report):
        if any(_within(each.quad, other.quad, slack=0.04) for other in sure):
            continue
        middle, reach = each.quad.mean(axis=0), 0.25 * float(np.sqrt(cv2.contourArea(each.quad.astype(np.float32))))
        if sum(float(np.linalg.norm(middle - other)) < reach for other in tried) >= _SAME_PLACE:
            continue
        tried.append(middle)
        candidate = choose_outline(pixels, each.quad, specs)
        if candidate is None:
            continue
        found.append(candidate)
        if is_sure(candidate):
            sure.append(candidate)
    return found


def _of_one_stock(pixels: Pixels, cards: list[Candidate], candidates: list[Candidate]) -> list[Candidate]:
    """Where most cards of a picture are of one stock, the others are looked at again as if they were too."""
    names = Counter(each.spec.name for each in cards)
    name, count = names.most_common(1)[0] if cards else ("", 0)
    if count < _MANY or count <= len(cards) // 2 or count == len(cards):
        return cards
    kept = [each for each in cards if each.spec.name == name]
    stock = kept[0].spec
    left = [each for each in cards if each.spec.name != name]
    for each in candidates:
        if any(_overlap(each, other) for other in left) and not any(_overlap(each, other) for other in kept):
            again = choose_outline(pixels, each.quad, [stock])
            if again is not None and is_card(again):
                left.append(again)
    return _apart(kept + [each for each in left if each.spec.name == name], every=True)


def _within(quad: Floats, other: Floats, *, slack: float) -> bool:
    """Whether all corners of a quad lie in another that is widened by a share of its size."""
    middle = other.mean(axis=0)
    ring = (middle + (other - middle) * (1 + slack)).astype(np.float32)
    return all(cv2.pointPolygonTest(ring, (float(x), float(y)), False) >= 0 for x, y in quad)


def _overlap(one: Candidate, other: Candidate) -> bool:
    a, b = one.quad.astype(np.float32), other.quad.astype(np.float32)
    shared, _ = cv2.intersectConvexConvex(a, b)
    return shared > 0.2 * min(_area(one), _area(other))


def _area(each: Candidate) -> float:
    return float(cv2.contourArea(each.quad.astype(np.float32)))


def _apart(cards: list[Candidate], *, every: bool) -> list[Candidate]:
    """Cards that do not lie on one another, largest first: of each heap the one that scores best.

    A rectangle around another one is preferred where the two score alike: the art's box lies on the card.
    """
    left = [each for each in cards if not _is_a_pair(each, cards)]
    left.sort(key=lambda each: (-each.score, -_area(each)))
    kept: list[Candidate] = []
    while left:
        heap = [each for each in left if _overlap(each, left[0])]
        close = [each for each in heap if each.score > left[0].score - _AHEAD and _around(each, left[0])]
        best = max(close, key=_area, default=left[0])
        kept.append(best)
        left = [each for each in left if not _overlap(each, best) and each is not left[0]]
    best_score = max((each.score for each in kept), default=0.0)
    return sorted(
        (each for each in kept if every or each.score > best_score - _DOUBTFUL), key=lambda each: -_area(each)
    )


def _is_a_pair(one: Candidate, cards: list[Candidate]) -> bool:
    """Whether two cards that lie side by side make up a rectangle, which has a card's proportions again."""
    halves = [
        each
        for each in cards
        if 0.35 < _area(each) / _area(one) < 0.6
        and each.score > one.score - 1
        and _within(each.quad, one.quad, slack=0.03)
    ]
    return any(not _overlap(a, b) for a, b in itertools.combinations(halves, 2))


def _around(one: Candidate, other: Candidate) -> bool:
    """Whether the first lies around the second and is as likely a stock: a slab has proportions of its own."""
    rare = one.spec.name != "standard" and other.spec.name == "standard"
    return not rare and _area(one) > 1.3 * _area(other) and _within(other.quad, one.quad, slack=0.02)


def _refined(
    pixels: Pixels, card: Candidate, specs: Sequence[CardSpec], *, given: bool
) -> tuple[Outline, tuple[str, str]]:
    """A card's outline on its edges, and the reason and fix where it has to be refused."""
    shape = pixels.shape[1], pixels.shape[0]
    spec = card.spec
    quad, lines = refine_quad(pixels, card.quad, spec)
    better, reason = stock_of(quad, card.radii, shape, specs, given=given)
    if better != spec:
        spec = better
        quad, lines = refine_quad(pixels, quad, spec)
    outline = Outline(quad=quad, spec=spec, spec_reason=reason, lines=lines, score=card.score)
    if is_cut_off(quad, shape):
        return outline, ("the card is cut off by the edge of the picture", "retake with a margin around the card")
    if not has_proportions(quad, spec, shape):
        return outline, (
            "what was found has the proportions of no known card",
            "retake with the whole card in the picture, or name its stock",
        )
    hidden = what_hides(pixels, outline)
    if hidden:
        return outline, hidden
    outline = set_upright(pixels, outline)
    return replace(outline, notes=notes_of(pixels, outline)), ("", "")


def _reading_order(outlines: list[Outline]) -> list[Outline]:
    """Row by row from the top, each from the left; cards whose middles lie within half a height make a row."""
    left = sorted(outlines, key=lambda each: float(each.quad[:, 1].mean()))
    found: list[Outline] = []
    while left:
        first = left[0].quad
        half = float(np.ptp(first[:, 1])) / 2
        row = [each for each in left if each.quad[:, 1].mean() - first[:, 1].mean() < half]
        found += sorted(row, key=lambda each: float(each.quad[:, 0].mean()))
        left = left[len(row) :]
    return found
