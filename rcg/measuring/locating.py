"""Cards in a picture: proposed, told from what only looks like one, and refined on their cut edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CARD_SPECS, CardSpec
from rcg.images import Pixels
from rcg.measuring.outlines import Candidate, choose_outline
from rcg.measuring.proposals import propose_quads
from rcg.measuring.refining import refine_quad
from rcg.measuring.types import Outline
from rcg.progress import Report, silent, tracked

Floats = NDArray[np.float64]

_TRIED = 12  # proposals that are looked at
_LEAST = 4.0  # score of a card


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
        spec: The card's stock; guessed from its proportions unless given.
        every: Whether all cards are wanted, in reading order, and not the largest alone.
        report: Where the progress goes.

    Returns:
        What was found; without a card it says why and what to do.

    Example:
        >>> find_outlines(np.zeros((300, 200, 3), np.uint8)).outlines
        ()
    """
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    stock = CARD_SPECS["standard"] if spec is None else spec
    proposals = propose_quads(pixels)[: 200 if every else _TRIED]
    chosen: list[Candidate] = []
    for each in tracked(proposals, task="looking for cards", report=report):
        candidate = choose_outline(pixels, each.quad, stock)
        if candidate is not None and candidate.score > _LEAST:
            chosen.append(candidate)
    chosen.sort(key=lambda each: -each.score)
    kept: list[Candidate] = []
    for candidate in chosen:
        if all(np.linalg.norm(candidate.quad.mean(0) - other.quad.mean(0)) > 0.3 * _size(other) for other in kept):
            kept.append(candidate)
    if not kept:
        return Found(
            outlines=(), reason="no card with a visible edge on all four sides", fix="retake with a margin around it"
        )
    outlines = []
    for candidate in kept if every else kept[:1]:
        quad, lines = refine_quad(pixels, candidate.quad, stock)
        outlines.append(
            Outline(
                quad=quad,
                spec=stock,
                spec_reason="given" if spec is not None else "guessed from the proportions",
                lines=lines,
                score=candidate.score,
            )
        )
    return Found(outlines=tuple(outlines))


def _size(candidate: Candidate) -> float:
    return float(np.sqrt(cv2.contourArea(candidate.quad.astype(np.float32))))
