"""From a proposed quad to the card's own edge: which of the parallel lines around it is the cut.

Around a proposal there are many straight lines: a sleeve's seam, a slab's well, a shadow, the cut, the inner frame, the
art's box. The cut is the set of four lines that encloses a band of one colour which ends at a further line, has the
proportions of a card, ends at its corners, and lets the table show through where the corners are round.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.images import Pixels
from rcg.measuring.arcs import corner_radii
from rcg.measuring.kernels import band
from rcg.measuring.profiles import Line, Mapping, Singles, Strip, depth_of, find_lines, in_card, read_strip, sampled_lab
from rcg.measuring.rectify import misfits, straight
from rcg.measuring.types import SIDES

Floats = NDArray[np.float64]

DEPTHS = (-7.0, 8.5)
"""Where the cut is looked for, mm inwards of the proposal."""

_BORDER = (0.8, 6.0)  # mm that a border may be wide
_KEEP = 6  # outer lines a side that are combined
_LOOK = 90  # sets of four whose proportions and corners are worked out
_CLOSE = 5  # sets of four whose lines are followed beyond the corners
_DISTINCT = 3.0  # CIE76 of a step that is surely one
_ROUND = 2.6  # what corners of the right radius weigh against one side's full support
_RADIUS, _RADIUS_OVER = 0.9, 1.7  # mm that a corner's radius may be below and above the stock's: corners wear off
_UNSEEN = 0.4  # what a corner counts that cannot be told from the table
_WELL = (0.9, 4.5)  # mm between a slab's well and the card in it
_WELL_CORNERS, _WELL_BEHIND = 0.85, 2.0  # how well the card's corners have to fit, and how much less it may score
_EVEN = 9.0  # CIE76 that a table changes by over some millimetres
_END = 0.3  # what a line costs that runs on beyond its corner
_PROPORTION = 0.02  # logarithm of the proportions that costs a quarter
_RARE = 0.5  # what a stock costs that is not the standard one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """A line that may be the cut, with what speaks for it.

    Attributes:
        line: Where it runs.
        border: Support of the best line that closes a band of one colour inside it, times how even the band is.
        colour: (3,) Lab of the band just inside.
        outside: (3,) Lab just outside.
    """

    line: Line
    border: float
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
        spec: The stock that its proportions fit best.
        misfit: How far they are off, as a logarithm.
        parts: What speaks for it: support (0 to 4), border (0 to 4), colour, aspect, corners, ends.
        sides: The four chosen lines in the order of `SIDES`.
        radii: (4,) mm, of the corners; NaN where they cannot be seen.
        open_sides: How many of its sides have one even thing beside them.
        ends: (8,) whether each side's line ends at its corner, both ends of the left, top, right and bottom one.
    """

    quad: Floats
    spec: CardSpec
    misfit: float
    parts: dict[str, float]
    sides: tuple[Side, ...]
    radii: Floats = field(default_factory=lambda: np.full(4, np.nan))
    open_sides: int = 0
    ends: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(8, np.bool_))

    @property
    def score(self) -> float:
        """How much speaks for it; about 9 at best."""
        return sum(self.parts.values())

    @property
    def weakest(self) -> float:
        """Support of the side that the least stations show, 0 to 1."""
        return min(side.line.support * side.distinct for side in self.sides)


def choose_outline(pixels: Pixels, quad: Floats, specs: Sequence[CardSpec]) -> Candidate | None:
    """The card's edge among the lines around a proposed quad.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        quad: (4, 2) proposed corners in pixels, clockwise, long sides left and right.
        specs: The stocks that it may be; the first is the usual one.

    Returns:
        The best set of four lines; None where a side has no line at all.
    """
    frame = specs[0]
    size = frame.width, frame.height
    to_px = straight(quad, size)
    strips = [read_strip(pixels, to_px, side, size, depths=DEPTHS, stations=48, finest=0.07) for side in SIDES]
    choices = [_candidates(strip) for strip in strips]
    if not all(choices):
        return None
    best = _combined(pixels, choices, to_px, size, specs)
    return max((_with_ends(pixels, each) for each in best), key=lambda each: each.score)


def _candidates(strip: Strip) -> list[Side]:
    lines = find_lines(strip)
    sides = [_judged(strip, line, lines) for line in lines]
    return sorted(sides, key=lambda side: -side.mark)[:_KEEP]


def _judged(strip: Strip, line: Line, lines: list[Line]) -> Side:
    at = depth_of(line, strip.along, strip.length)
    clear = max(0.25, 1.5 / strip.px_mm)
    best = 0.0
    for other in lines:
        if not _BORDER[0] < other.offset - line.offset < _BORDER[1]:
            continue
        count, _, unrest, drift = _band(strip, at + clear, depth_of(other, strip.along, strip.length) - clear)
        if count < 0.7 * len(at):
            continue
        even = min(1.0, max(0.0, 1 - unrest / max(4.0, 0.35 * other.contrast)))
        best = max(best, other.support * even * min(1.0, max(0.0, 1.3 - drift / 20)))
    inside = _band(strip, at + clear, at + clear + 0.6)[1]
    outside = _band(strip, at - clear - 0.6, at - clear)[1]
    return Side(line=line, border=best, colour=inside, outside=outside)


def _band(strip: Strip, first: Floats, last: Floats) -> tuple[int, Floats, float, float]:
    start, end = (np.rint((each - strip.depth[0]) / strip.step).astype(np.int64) for each in (first, last))
    count, colour, unrest, drift = band(strip.lab, start, end)
    return int(count), np.asarray(colour), float(unrest), float(drift)


def _combined(
    pixels: Pixels,
    choices: list[list[Side]],
    to_px: Mapping,
    size: tuple[float, float],
    specs: Sequence[CardSpec],
) -> list[Candidate]:
    """The sets of four sides whose marks, colours, proportions and corners make them worth a closer look."""
    shape = pixels.shape[1], pixels.shape[0]
    picks = np.array(list(itertools.product(*(range(len(c)) for c in choices))))
    own = np.sum([np.array([s.mark for s in c])[picks[:, k]] for k, c in enumerate(choices)], axis=0)
    colours = np.stack([np.array([s.colour for s in c])[picks[:, k]] for k, c in enumerate(choices)], axis=1)
    weights = np.array([0.35, 1.0, 1.0])  # light falls off over a card; its hue does not
    apart = np.linalg.norm((colours - np.median(colours, axis=1, keepdims=True)) * weights, axis=2).max(axis=1)
    unlike = -np.minimum(1.0, np.nan_to_num(apart, nan=99) / 20)
    order = np.argsort(-(own + unlike), kind="stable")[:_LOOK]
    lines = np.array([[(c[i].line.offset, c[i].line.slope) for c, i in zip(choices, picks[at], strict=True)]
                      for at in order])  # fmt: skip
    quads = to_px(crossings(lines, size).reshape(-1, 2)).reshape(-1, 4, 2)
    off = misfits(quads, shape, np.array([each.width / each.height for each in specs]))
    radii = corner_radii(pixels, quads, size)
    corners = _ROUND * np.column_stack([_fitting(radii, each.radius) for each in specs])
    cost = _costs(off)
    stock = (corners - cost).argmax(axis=1)
    total = own[order] + unlike[order] + (corners - cost).max(axis=1)
    found = []
    best = np.argsort(-total, kind="stable")[:_CLOSE]
    rounded = [k for k, each in enumerate(specs) if each.radius > 1]  # a printed frame has a square card's corners
    inner = _inside(lines, int(best[0]), total, corners[:, rounded].max(axis=1)) if rounded else None
    for k in best if inner is None else [inner]:
        sides = tuple(c[i] for c, i in zip(choices, picks[order[k]], strict=True))
        parts = {
            "support": sum(side.line.support * side.distinct for side in sides),
            "border": sum(side.border * side.distinct for side in sides),
            "colour": float(unlike[order[k]]),
            "aspect": -float(cost[k, stock[k]]),
            "corners": float(corners[k, stock[k]]),
        }
        spec, wrong = specs[int(stock[k])], float(off[k, stock[k]])
        found.append(Candidate(quad=quads[k], spec=spec, misfit=wrong, parts=parts, sides=sides, radii=radii[k]))
    return found


def _inside(lines: Floats, best: int, total: Floats, corners: Floats) -> int | None:
    """The set of four lines a little inside the best one that has a card's corners too: the best is a slab's well."""
    deeper = lines[:, :, 0] - lines[best, :, 0]
    nested = ((deeper > _WELL[0]) & (deeper < _WELL[1])).all(axis=1)
    nested &= (corners > _WELL_CORNERS * _ROUND) & (total > total[best] - _WELL_BEHIND)
    return int(np.argmax(np.where(nested, total, -np.inf))) if nested.any() else None


def crossings(lines: Floats, size: tuple[float, float]) -> Floats:
    """Where the four sides' lines meet.

    Args:
        lines: (m, 4, 2) depth at the middle and slope of the left, top, right and bottom line.
        size: Width and height of the card, mm.

    Returns:
        (m, 4, 2) mm, clockwise from the left top.
    """
    width, height = size
    left, top, right, bottom = (lines[:, k] for k in range(4))
    far_right = np.column_stack([width - right[:, 0], -right[:, 1]])
    far_bottom = np.column_stack([height - bottom[:, 0], -bottom[:, 1]])
    found = []
    for upright, level in ((left, top), (far_right, top), (far_right, far_bottom), (left, far_bottom)):
        # x = a + b (y - height / 2) and y = c + d (x - width / 2)
        (a, b), (c, d) = upright.T, level.T
        x = (a + b * (c - d * width / 2 - height / 2)) / (1 - b * d)
        found.append(np.column_stack([x, c + d * (x - width / 2)]))
    return np.stack(found, axis=1)


def _with_ends(pixels: Pixels, each: Candidate) -> Candidate:
    """Takes off what it costs that lines run on beyond the corners, as a table's do and a card's do not."""
    size = each.spec.width, each.spec.height
    to_px = straight(each.quad, size)
    ends = _ending(pixels, to_px, size, each.sides)
    parts = each.parts | {"ends": _END * float(ends.sum() - len(ends))}
    return replace(each, parts=parts, ends=ends, open_sides=_open_sides(pixels, to_px, size))


def _open_sides(pixels: Pixels, to_px: Mapping, size: tuple[float, float]) -> int:
    """How many sides have one even thing beside them, as a table is and a card around a box in its art is not."""
    along = np.linspace(0.1, 0.9, 14)
    deep = np.array([-2.0, -2.5, -5.0, -5.5, -8.0, -8.5])
    found = 0
    for side in SIDES:
        length = size[1] if side in ("left", "right") else size[0]
        spots = in_card(side, size, np.repeat(along * length, len(deep)), np.tile(deep, len(along)))
        lab = sampled_lab(pixels, to_px(spots)).reshape(len(along), 3, 2, 3).mean(axis=2)
        away = np.linalg.norm(lab[:, 1:] - lab[:, :1], axis=2)
        found += bool((np.median(away, axis=0) < _EVEN).all())
    return found


def _costs(off: Floats) -> Floats:
    """What proportions cost that are so far off each stock's, the first of which is the usual one."""
    rare = np.where(np.arange(off.shape[-1]) > 0, _RARE, 0.0)
    return np.asarray(np.minimum(3.0, (off / _PROPORTION) ** 2 / 4) + rare)


def _fitting(radii: Floats, radius: float) -> Floats:
    """(m,) 0 to 1: how well (m, 4) corners' radii fit a stock's, and one another; an unseen one counts `_UNSEEN`."""
    away = np.clip(radii, 0, None) - radius
    away = away / np.where(away > 0, _RADIUS_OVER, _RADIUS)
    fits = np.nan_to_num(np.exp(-(away**2)), nan=_UNSEEN).mean(axis=1)
    known = np.isfinite(radii)
    filled = np.where(known, radii, 0.0)
    middle = np.sort(np.where(known, radii, np.inf), axis=1)[
        np.arange(len(radii)), known.sum(axis=1) // 2 - (known.sum(axis=1) > 3)
    ]
    alike = np.where(known, np.abs(filled - np.where(np.isfinite(middle), middle, 0.0)[:, None]) < _RADIUS, _UNSEEN)
    return np.asarray(0.6 * fits + 0.4 * alike.mean(axis=1))


def _ending(pixels: Pixels, to_px: Mapping, size: tuple[float, float], sides: tuple[Side, ...]) -> NDArray[np.bool_]:
    """(8,) whether each side's change of colour is gone beyond its corners."""
    far = np.linspace(1.5, 6.0, 8)
    deep = np.linspace(0.3, 1.0, 4)
    found = []
    for side, chosen in zip(SIDES, sides, strict=True):
        length = size[1] if side in ("left", "right") else size[0]
        for along in (-far, length + far):
            spots = [in_card(side, size, np.repeat(along, 4), np.tile(sign * deep, 8)) for sign in (1, -1)]
            lab: Singles = sampled_lab(pixels, to_px(np.concatenate(spots))).reshape(2, 8, 4, 3).mean(axis=2)
            step = float(np.linalg.norm(np.median(lab[0] - lab[1], axis=0)))
            found.append(step < max(1.5, 0.5 * chosen.line.contrast))
    return np.array(found)
