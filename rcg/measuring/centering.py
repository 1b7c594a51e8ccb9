"""Where the print lies on a card: the inner line of each side, and from the four the ratios, each with its sigma."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.borders import (
    Candidate,
    Followed,
    Side,
    beyond_ramp,
    cut_contrast,
    find_candidates,
    follow,
    read_side,
)
from rcg.measuring.edge_fit import Place, Stack, blur_of, place_of, stack_along
from rcg.measuring.frame import InnerEdge, frame_of, line_of
from rcg.measuring.nuisances import border_notes
from rcg.measuring.plausible import Choice, Verdict, choose
from rcg.measuring.types import MEASURED, NAN, SIDES, UNDETERMINED, Centering, Outline
from rcg.measuring.uncertainty import faint_cut_sigma, line_sigma

Floats = NDArray[np.float64]

_FAINT = 0.1  # a side whose best line has less than this mark has none
_SURE = 1.6  # points of sigma beyond which a ratio is not given: one in five would be off by more than 2
_STRANGE = 0.03  # mm of sigma more where the totals fit no known design
_WIDEST = (9.0, 10.0)  # mm: left and right, and top and bottom together, that no border has
_LIKELY = 0.8  # chance of the chosen lines below which no ratio is given
_TORN = 0.4  # share of a side's stations that have to follow its line
_HAND = "set the lines by hand, or retake the photo straight from above in even light"


def measure_centering(pixels: Pixels, outline: Outline, *, reference: Pixels | None = None) -> Centering:
    """Measure how a card is centered.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card in it.
        reference: (h, w, 3) uint8, the official picture of the same card, straight on and cropped to the card; used
            where the card's own border does not tell.

    Returns:
        The centering; undetermined, with the reason and what to do, where the border has no clear end.

    Example:
        >>> from rcg.synthetic import draw_card, render_scan
        >>> from rcg.measuring.locating import find_outlines
        >>> view = render_scan(draw_card(5, family="modern"), np.random.default_rng(0), dpi=200)
        >>> centering = measure_centering(view.pixels, find_outlines(view.pixels).outlines[0])
        >>> centering.status, len(centering.points)
        ('measured', 24)
    """
    found = measure_lines(pixels, outline)
    if found.status == MEASURED or reference is None:
        return found
    from rcg.measuring.reference import match_reference

    return match_reference(pixels, outline, reference, notes=found.notes)


def measure_lines(pixels: Pixels, outline: Outline) -> Centering:
    """As `measure_centering`, by the card's own border alone."""
    sides = [read_side(pixels, outline, side) for side in SIDES]
    candidates = [find_candidates(side) for side in sides]
    notes = border_notes(sides)
    bare = [
        name for name, each in zip(SIDES, candidates, strict=True) if max((c.mark for c in each), default=0) < _FAINT
    ]
    if bare:
        what = (
            f"no line ends the border on the {_listed(bare)} side: the print runs over the edge, or fades into the art"
        )
        return _unknown(f"{what}; give the official picture of the card as a reference, or {_HAND}", notes)
    followed = [[follow(side, c) for c in each] for side, each in zip(sides, candidates, strict=True)]
    verdict = choose(tuple(_choices(c, f) for c, f in zip(candidates, followed, strict=True)), outline.spec)
    lines = [each[k] for each, k in zip(followed, verdict.picked, strict=True)]
    edges, places = _ended(sides, lines, verdict, seen=bool(outline.lines))
    inner = tuple(line_of(outline, name, edge) for name, edge in zip(SIDES, edges, strict=True))
    notes += _told(verdict, places)
    centering = frame_of(pixels, outline, inner, notes=notes)
    reason = _too_wide(centering) or doubt(centering, chance=verdict.chance)
    return replace(centering, status=UNDETERMINED, reason=reason) if reason else centering


def _choices(candidates: list[Candidate], followed: list[Followed]) -> list[Choice]:
    return [
        Choice(width=line.offset, slope=line.slope, mark=each.mark)
        for each, line in zip(candidates, followed, strict=True)
    ]


def _ended(
    sides: list[Side], lines: list[Followed], verdict: Verdict, *, seen: bool
) -> tuple[list[InnerEdge], list[Place]]:
    """Each chosen line moved to where the border ends, with its sigma; `seen`: the cut was, and is not given."""
    blurs = [blur_of(_stacked(side, line)) for side, line in zip(sides, lines, strict=True)]
    sharpest = min(blurs)
    stacks = [_stacked(side, line) for side, line in zip(sides, lines, strict=True)]
    places = [place_of(each, blur, sharpest) for each, blur in zip(stacks, blurs, strict=True)]
    edges = []
    for side, line, place, rival in zip(sides, lines, places, verdict.rival, strict=True):
        moved, px_mm = line.moved(place.shift), side.strip.px_mm
        strange = 0.0 if verdict.family else _STRANGE
        faint = faint_cut_sigma(cut_contrast(side)) if seen else 0.0
        sigma = math.hypot(line_sigma(line, place, px_mm), rival, strange, faint)
        edges.append(
            InnerEdge(
                offset=moved.offset, slope=moved.slope, along=side.strip.along, width=moved.depth,
                kept=line.weights > 0, sigma=sigma, agree=line.agree, px_mm=px_mm,
            )
        )  # fmt: skip
    return edges, places


def _stacked(side: Side, line: Followed) -> Stack:
    """The profile along a line, against the border's colour up to it."""
    return stack_along(beyond_ramp(side, line.at(side.strip.along, side.strip.length)), line)


def _told(verdict: Verdict, places: list[Place]) -> tuple[str, ...]:
    notes = []
    slow = [name for name, place in zip(SIDES, places, strict=True) if place.ramp > 0.35]
    if slow:
        notes.append(f"the border ends slowly on the {_listed(slow)} side, as at a bevel: its beginning is taken")
    apart = [name for name, place in zip(SIDES, places, strict=True) if place.spread > 0.15]
    if apart:
        notes.append(
            f"the colours of the print end at different places on the {_listed(apart)} side: plates out of register"
        )
    if verdict.family:
        notes.append(f"the borders' totals fit the design {verdict.family}")
    else:
        notes.append("the borders' totals fit no known print design")
    return tuple(notes)


def _too_wide(centering: Centering) -> str:
    """That the lines lie farther in than any border, as those of a picture's window on a print over the edge do."""
    mean = centering.widths.mean(axis=1)
    totals = float(mean[0] + mean[2]), float(mean[1] + mean[3])
    if totals[0] <= _WIDEST[0] and totals[1] <= _WIDEST[1]:
        return ""
    what = (
        f"the lines found leave borders of {totals[0]:.1f} and {totals[1]:.1f} mm in total, more than any known design"
    )
    return f"{what}: the print may run over the edge; give the official picture of the card as a reference, or {_HAND}"


def doubt(centering: Centering, *, chance: float = 1.0) -> str:
    """Why ratios are not told that could be worked out, and what to do; "" where they are told.

    Args:
        centering: All figures.
        chance: How sure it is that these lines are meant, 0 to 1.
    """
    torn = [line.side for line in centering.lines if line.agree < _TORN]
    if torn:
        return f"the stations do not agree where the border ends on the {_listed(torn)} side; {_HAND}"
    if chance < _LIKELY:
        return (
            f"several lines could end the border, and the most likely set is so to {100 * chance:.0f} % only; {_HAND}"
        )
    if max(centering.sigma) > _SURE:
        worst = SIDES[int(np.argmax(centering.width_sigma))]
        what = f"the ratio is known to {max(centering.sigma):.1f} points only, mostly for the {worst} side"
        return f"{what}; {_HAND}"
    return ""


def _listed(names: list[str]) -> str:
    return " and ".join(names)


def _unknown(reason: str, notes: tuple[str, ...]) -> Centering:
    return Centering(
        status=UNDETERMINED, reason=reason, widths=np.full((4, 3), NAN), width_sigma=np.full(4, NAN), notes=notes
    )
