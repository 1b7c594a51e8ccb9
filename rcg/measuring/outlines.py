"""From a proposed quad to the card's own edge: which of the parallel lines around it is the cut.

Around a proposal there are many straight lines: a sleeve's seam, a slab's well, a shadow, the cut, the inner frame, the
art's box. The cut is the set of four lines that encloses a band of one colour which ends at a further line, has the
proportions of a card, and at whose corners the table shows through where they are round.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.geometry import transform
from rcg.images import Pixels
from rcg.measuring.profiles import (
    Line,
    Mapping,
    Strip,
    band_colours,
    depth_of,
    find_lines,
    read_strip,
    sampled_lab,
)
from rcg.measuring.rectify import misfit, straight, to_pixels
from rcg.measuring.types import SIDES

Floats = NDArray[np.float64]

_BORDER = (0.8, 6.0)  # mm that a border may be wide
_KEEP = 6  # outer lines a side that are combined
_LOOK = 60  # sets of four whose proportions are worked out
_DISTINCT = 3.0  # CIE76 of a step that is surely one
_ROUND = 1.5  # what round corners weigh against one side's full support


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """A line that may be the cut, with what speaks for it.

    Attributes:
        line: Where it runs.
        border: Support of the best line that closes a band of one colour inside it, times how even the band is.
        inner: That line; None without one.
        colour: (3,) Lab of the band just inside.
        outside: (3,) Lab just outside.
    """

    line: Line
    border: float
    inner: Line | None
    colour: Floats
    outside: Floats

    @property
    def distinct(self) -> float:
        """0 to 1: how far the line is more than unrest of one colour."""
        return min(1.0, self.line.contrast / _DISTINCT)

    @property
    def mark(self) -> float:
        """What speaks for this line on its own, 0 to 2."""
        return (self.line.support + self.border) * self.distinct


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """Four lines that may be a card's cut edge.

    Attributes:
        quad: (4, 2) virtual corners in pixels, clockwise from the left top.
        score: How much speaks for it; about 8 at best.
        parts: What the score is made of: support, border, colour, aspect, corners.
        sides: The four chosen lines in the order of `SIDES`.
    """

    quad: Floats
    score: float
    parts: dict[str, float]
    sides: tuple[Side, ...]


def choose_outline(
    pixels: Pixels, quad: Floats, spec: CardSpec, *, depths: tuple[float, float] = (-7.0, 8.5)
) -> Candidate | None:
    """The card's edge among the lines around a proposed quad.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        quad: (4, 2) proposed corners in pixels, clockwise, long sides left and right.
        spec: The stock that it is taken for.
        depths: Where to look, mm inwards of the proposal.

    Returns:
        The best set of four lines; None where a side has no line at all.
    """
    size = spec.width, spec.height
    to_px = straight(quad, size)
    strips = [read_strip(pixels, to_px, side, size, depths=depths, stations=64, finest=0.06) for side in SIDES]
    choices = [_candidates(strip) for strip in strips]
    if not all(choices):
        return None
    shape = pixels.shape[1], pixels.shape[0]
    best = sorted(_combined(choices, to_px, spec, shape), key=lambda each: -each.score)[:6]
    return max((_with_corners(pixels, each, spec) for each in best), key=lambda each: each.score)


def _candidates(strip: Strip) -> list[Side]:
    lines = find_lines(strip)
    sides = [_judged(strip, line, lines) for line in lines]
    return sorted(sides, key=lambda side: -side.mark)[:_KEEP]


def _judged(strip: Strip, line: Line, lines: list[Line]) -> Side:
    at = depth_of(line, strip.along, strip.length)
    clear = max(0.25, 1.5 / strip.px_mm)
    best, inner = 0.0, None
    for other in lines:
        gap = other.offset - line.offset
        if not _BORDER[0] < gap < _BORDER[1]:
            continue
        until = depth_of(other, strip.along, strip.length)
        colour, unrest = band_colours(strip, at + clear, until - clear)
        if np.isnan(unrest).mean() > 0.3:
            continue
        even = float(np.clip(1 - np.nanmedian(unrest) / max(4.0, 0.35 * other.contrast), 0, 1))
        drift = float(np.nanmedian(np.linalg.norm(colour - np.nanmedian(colour, axis=0), axis=1)))
        even *= float(np.clip(1.3 - drift / 20, 0, 1))
        if other.support * even > best:
            best, inner = other.support * even, other
    inside, _ = band_colours(strip, at + clear, at + clear + 0.6)
    outside, _ = band_colours(strip, at - clear - 0.6, at - clear)
    return Side(line=line, border=best, inner=inner, colour=_median(inside), outside=_median(outside))


def _median(colours: NDArray[np.float32]) -> Floats:
    known = colours[~np.isnan(colours[:, 0])]
    return np.median(known, axis=0).astype(np.float64) if len(known) else np.full(3, np.nan)


def _combined(choices: list[list[Side]], to_px: Mapping, spec: CardSpec, shape: tuple[int, int]) -> list[Candidate]:
    """The sets of four sides that the sides' own marks and colours make worth a look, scored with their proportions."""
    picks = np.array(list(itertools.product(*(range(len(c)) for c in choices))))
    own = sum(np.array([s.mark for s in c])[picks[:, k]] for k, c in enumerate(choices))
    colours = np.stack([np.array([s.colour for s in c])[picks[:, k]] for k, c in enumerate(choices)], axis=1)
    weights = np.array([0.35, 1.0, 1.0])  # light falls off over a card; its hue does not
    apart = np.linalg.norm((colours - np.median(colours, axis=1, keepdims=True)) * weights, axis=2).max(axis=1)
    unlike = -np.minimum(1.0, np.nan_to_num(apart, nan=99) / 20)
    order = np.argsort(-(own + unlike))[:_LOOK]
    return [
        _scored(tuple(c[i] for c, i in zip(choices, picks[at], strict=True)), float(unlike[at]), to_px, spec, shape)
        for at in order
    ]


def _scored(
    combo: tuple[Side, ...], unlike: float, to_px: Mapping, spec: CardSpec, shape: tuple[int, int]
) -> Candidate:
    quad = to_px(crossings([(side.line.offset, side.line.slope) for side in combo], (spec.width, spec.height)))
    off = misfit(quad, shape, np.array([spec.width / spec.height]))
    parts = {
        "support": sum(side.line.support * side.distinct for side in combo),
        "border": sum(side.border * side.distinct for side in combo),
        "colour": unlike,
        "aspect": -float(min(3.0, (off / 0.02) ** 2 / 4)),
    }
    return Candidate(quad=quad, score=sum(parts.values()), parts=parts, sides=combo)


def crossings(lines: list[tuple[float, float]], size: tuple[float, float]) -> Floats:
    """Where the four sides' lines meet.

    Args:
        lines: Depth at the middle and slope of the left, top, right and bottom line.
        size: Width and height of the card, mm.

    Returns:
        (4, 2) mm, clockwise from the left top.
    """
    (width, height), (left, top, right, bottom) = size, lines

    def meet(upright: tuple[float, float], level: tuple[float, float]) -> tuple[float, float]:
        # x = a + b (y - height / 2) and y = c + d (x - width / 2)
        (a, b), (c, d) = upright, level
        x = (a + b * (c - d * width / 2 - height / 2)) / (1 - b * d)
        return x, c + d * (x - width / 2)

    far_right, far_bottom = (width - right[0], -right[1]), (height - bottom[0], -bottom[1])
    return np.array([meet(left, top), meet(far_right, top), meet(far_right, far_bottom), meet(left, far_bottom)])


def _with_corners(pixels: Pixels, outline: Candidate, spec: CardSpec) -> Candidate:
    """Adds up to `_ROUND` where the table shows inside the virtual corners: a printed frame has sharp ones."""
    if spec.radius == 0:
        return outline
    to_px = to_pixels(outline.quad, spec.width, spec.height)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    start = np.array([(0, 0), (spec.width, 0), (spec.width, spec.height), (0, spec.height)])
    marks = []
    for k, (a, b) in enumerate(((0, 1), (2, 1), (2, 3), (0, 3))):
        reach = np.linspace(0.25, 0.5, 4)
        seen = np.median(sampled_lab(pixels, transform(to_px, start[k] + reach[:, None] * inwards[k])), axis=0)
        card = (outline.sides[a].colour + outline.sides[b].colour) / 2
        table = (outline.sides[a].outside + outline.sides[b].outside) / 2
        to_card, to_table = float(np.linalg.norm(seen - card)), float(np.linalg.norm(seen - table))
        marks.append(to_card / max(1e-6, to_card + to_table))
    rounded = float(np.mean(np.array(marks) > 0.5)) if np.isfinite(marks).all() else 0.0
    parts = outline.parts | {"corners": _ROUND * rounded}
    return replace(outline, parts=parts, score=sum(parts.values()))
