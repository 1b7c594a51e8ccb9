"""What lies over a card's edges and corners, and what lies beside them: hands, seams, wells, shadows."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.arcs import corner_radii
from rcg.measuring.profiles import find_lines, in_card, read_strip, sampled_lab, side_length
from rcg.measuring.rectify import photo_points
from rcg.measuring.types import CORNERS, SIDES, Outline

Floats = NDArray[np.float64]

_NEAR = 14.0  # mm of both edges that belong to a corner
_LOST = 0.5  # share of them that has to be lost on one edge, for something to lie over the corner
_RADIUS = 1.3  # mm that a corner's radius may be off before it is thought hidden
_UNLIKE = 10.0  # CIE76 of a corner to its sides, on the card and beside it
_RUN = 5.0  # mm of an edge that is lost in one piece, for something to lie over it
_AGREE = 0.4  # share of an edge that has to be seen
_SEAM = (-5.5, -0.25)  # mm, where a sleeve's seam or a slab's well may lie
_ENDS = {"top_left": (("left", 0), ("top", 0)), "top_right": (("top", 1), ("right", 0)),
         "bottom_right": (("right", 1), ("bottom", 1)), "bottom_left": (("left", 1), ("bottom", 0))}  # fmt: skip


def what_hides(pixels: Pixels, outline: Outline) -> tuple[str, str] | None:
    """Why an outline cannot be used although its lines were found, and what to do; None where it can."""
    size = outline.spec.width, outline.spec.height
    for line in outline.lines:
        if line.agree < _AGREE:
            return (
                f"the {line.side} edge of the card cannot be followed: too little of it is seen",
                "retake on a background of another colour, with nothing over the card's edges",
            )
    radii = corner_radii(pixels, outline.quad[None], size)[0]
    for corner, radius in zip(CORNERS, radii, strict=True):
        if -_RADIUS < max(0.0, float(radius)) - outline.spec.radius < 2 * _RADIUS:
            continue
        lost = max(_lost_near(outline, side, end) for side, end in _ENDS[corner])
        if lost > _LOST or _unlike_its_sides(pixels, outline, corner):
            return (
                f"something lies over the {corner.replace('_', ' ')} corner of the card",
                "retake with nothing over the card's corners, held by none of them",
            )
    return None


def _unlike_its_sides(pixels: Pixels, outline: Outline, corner: str) -> bool:
    """Whether a corner's colours, on the card and beside it, are those of neither of its two sides."""
    size = outline.spec.width, outline.spec.height
    near, along = np.array([1.6, 2.4, 3.2]), np.array([12.0, 14.0, 16.0, 18.0, 20.0, 22.0])
    inside, outside = np.array([1.0, 1.6, 2.2]), np.array([-1.4, -1.0, -0.6])
    away = []
    for deep in (inside, outside):
        seen = []
        for side, end in _ENDS[corner]:
            length = side_length(side, size)
            for places in (near, along):
                at = places if end == 0 else length - places
                spots = in_card(side, size, np.repeat(at, len(deep)), np.tile(deep, len(at)))
                seen.append(np.median(sampled_lab(pixels, photo_points(outline, spots)), axis=0))
        away.append(min(float(np.linalg.norm(seen[0] - seen[1])), float(np.linalg.norm(seen[2] - seen[3]))))
    return min(away) > _UNLIKE


def _lost_near(outline: Outline, side: str, end: int) -> float:
    """Share of the stations near one end of a side that do not lie on its line."""
    line = outline.lines[SIDES.index(side)]
    length = outline.spec.height if side in ("left", "right") else outline.spec.width
    near = line.along < _NEAR if end == 0 else line.along > length - _NEAR
    return float(1 - line.kept[near].mean()) if near.any() else 0.0


def notes_of(pixels: Pixels, outline: Outline) -> tuple[str, ...]:
    """What was recognised over and beside the edges, in words."""
    notes = [
        f"a part of the {line.side} edge is hidden or does not show"
        for line in outline.lines
        if _longest_run(line.kept, line.along) > _RUN
    ]
    size = outline.spec.width, outline.spec.height
    to_px = partial(photo_points, outline)
    seams = wells = shadows = 0
    for side in SIDES:
        strip = read_strip(pixels, to_px, side, size, depths=(-6.5, 0.6), stations=48, margin=6.0)
        beside = [each for each in find_lines(strip) if each.support > 0.5 and abs(each.slope) < 0.02]
        beside = [each for each in beside if _SEAM[0] < each.offset < _SEAM[1] and each.contrast > 2.5]
        seams += len(beside) > 0 and max(each.offset for each in beside) > -1.0
        wells += len(beside) >= 2
        shadows += _darkens(strip.lab[..., 0], strip.depth)
    if wells >= 3:
        notes.append("parallel edges beside the card: a slab's well")
    elif seams >= 2:
        notes.append("a seam close beside the edge: a sleeve, or a shadow's border")
    if shadows:
        notes.append(f"the card's own shadow falls beside {shadows} of its edges")
    return tuple(notes)


def _longest_run(kept: NDArray[np.bool_], along: Floats) -> float:
    """The longest piece of a side whose stations do not lie on its line, mm."""
    step = float(along[1] - along[0])
    longest = run = 0
    for each in kept:
        run = 0 if each else run + 1
        longest = max(longest, run)
    return longest * step


def _darkens(lightness: NDArray[np.float32], depth: Floats) -> bool:
    """Whether the table grows steadily darker towards the card."""
    far, near = (np.median(lightness[:, (depth > a) & (depth < b)]) for a, b in ((-6.0, -4.5), (-0.8, -0.3)))
    middle = np.median(lightness[:, (depth > -2.5) & (depth < -1.5)])
    return bool(far - near > 6 and far >= middle - 1 and middle >= near - 1)
