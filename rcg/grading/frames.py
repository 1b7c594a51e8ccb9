"""The surface of a card from frames under several lights, as a grade needs it: finds in the card's own millimetres."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rcg.captures import mean_picture
from rcg.card_specs import CardSpec
from rcg.errors import DataError
from rcg.measuring.face import Finds
from rcg.measuring.types import Outline
from rcg.photometric.types import Capture
from rcg.progress import Report, silent

if TYPE_CHECKING:
    from rcg.normals import Surface

Floats = NDArray[np.float64]

_SAME_PLACE = 0.1
"""How far two finders may lie apart, as a share of the card's width, to mean the same card."""


def finds_of_frames(
    frames: str | Path | Capture, *, spec: CardSpec | None = None, report: Report = silent
) -> tuple[Finds, Surface]:
    """Solve the surface of a card and look for its defects.

    Args:
        frames: A folder with one frame for each light, or the frames themselves.
        spec: The card's stock; guessed from its proportions unless given.
        report: Where the progress goes.

    Returns:
        What was found, with the card's place in the frames, and the surface itself, to be relit. The size of a pixel
        is taken from the card where the frames do not tell it.

    Raises:
        DataError: If the frames cannot be used, or show no card.
        CalibrationError: If the lights are not known, or do not fit the frames.
    """
    from rcg.normals import solve_surface

    if isinstance(frames, Capture):
        capture = frames
    else:
        from rcg.photometric.reading import read_capture

        capture = read_capture(Path(frames).expanduser(), report=report)
    outline = card_in_frames(capture, spec=spec)
    if capture.mm_per_px is None:
        sides = np.linalg.norm(outline.quad - np.roll(outline.quad, 1, axis=0), axis=1)
        size = 2 * (outline.spec.width + outline.spec.height) / float(sides.sum())
        capture = replace(capture, mm_per_px=size)
    surface = solve_surface(capture, report=report)
    known = surface.normal_map.solved & ~surface.normal_map.unreliable
    card = known if surface.mask is None else known[surface.mask]
    share = float(card.mean()) if card.size else 0.0
    finds = Finds(defects=surface.defects, outline=outline, share_judged=share, notes=surface.notes)
    return finds, surface


def card_in_frames(capture: Capture, *, spec: CardSpec | None = None) -> Outline:
    """Where the card lies in frames: its cut edge where it is seen, else the corners of the card's rough place.

    Args:
        capture: The frames.
        spec: The card's stock.

    Raises:
        DataError: If there is no card in them, and none fills them either.
    """
    from rcg.measuring.locating import find_outlines
    from rcg.photometric.card_finding import fills_the_picture, find_cards

    cards = find_cards(capture)
    found = find_outlines(mean_picture(capture), spec=spec).outlines
    if found and (not cards or _apart(found[0].quad, cards[0].quad) < _SAME_PLACE):
        return found[0]
    if cards:
        return _rough(cards[0].quad, capture, spec, "the outline of what stands out in the frames")
    if fills_the_picture(capture):
        width, height = capture.width, capture.height
        quad = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
        return _rough(quad, capture, spec, "the card taken to fill the frames")
    what = "no card stands out in the frames"
    raise DataError(what, fix="take them with the whole card and a plain ground around it, or grade without the frames")


def _apart(first: Floats, last: Floats) -> float:
    width = float(np.linalg.norm(last[1] - last[0]))
    return float(np.linalg.norm(first.mean(axis=0) - last.mean(axis=0))) / max(width, 1e-6)


def _rough(quad: Floats, capture: Capture, spec: CardSpec | None, why: str) -> Outline:
    from rcg.measuring.rectify import portrait

    upright = portrait(quad, (capture.width, capture.height))
    return Outline(quad=upright, spec=spec or CardSpec(), spec_reason=why, lines=(), score=0.0)
