"""Which end of a card is its top: the lines of text stand in the lower half of most fronts."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.rectify import rectified, side_lengths
from rcg.measuring.types import Outline, SideLine

Floats = NDArray[np.float64]

_PX_MM = 5.0
_FEWEST_PX_MM = 4.0  # in the picture, for text to show
_LINES_MM = (
    0.32,
    1.8,
)  # standard deviations of the two Gaussians that lines of text, 2 to 4 mm apart, stand out between
_UPPER, _LOWER = (0.10, 0.47), (0.53, 0.90)  # of the height, without borders and the title at the top
_SURE = 0.4

# On 15 real fronts the difference was 0.14 to 0.81; on 104 rendered ones, some with two lines of text alone or a
# picture full of straight edges, -0.38 and up. Beyond 0.4 no card was told wrongly; below it nothing is told.


def text_below(picture: Pixels) -> float:
    """How much more the lower half of a card looks like lines of text than the upper one; below zero for less.

    Args:
        picture: (h, w, 3) uint8, a rectified card of 5 px/mm without a margin.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    height, width = grey.shape
    across = np.abs(cv2.Sobel(grey[:, int(0.1 * width) : int(0.9 * width)], cv2.CV_32F, 1, 0, ksize=3))
    rows = across.mean(axis=1).reshape(-1, 1)
    fine, wide = (cv2.GaussianBlur(rows, (0, 0), sigmaX=0.1, sigmaY=each * _PX_MM) for each in _LINES_MM)
    stripes = (fine - wide).ravel() / max(1e-6, float(rows.mean()))

    def strength(part: tuple[float, float]) -> float:
        return float(np.sqrt(np.mean(stripes[int(part[0] * height) : int(part[1] * height)] ** 2)))

    return strength(_LOWER) - strength(_UPPER)


def set_upright(pixels: Pixels, outline: Outline) -> Outline:
    """The outline with its print's top as its top, where the text tells; else as it is, with `upright` false."""
    if side_lengths(outline.quad)[0] / outline.spec.width < _FEWEST_PX_MM:
        return outline
    picture, _ = rectified(pixels, outline, px_mm=_PX_MM, margin_mm=0.0)
    below = text_below(picture)
    if abs(below) < _SURE:
        return outline
    return replace(outline if below > 0 else turned(outline), upright=True)


def turned(outline: Outline) -> Outline:
    """The same outline by 180 degrees: its bottom as its top."""
    left, top, right, bottom = outline.lines
    spec = outline.spec
    lines = (
        _reversed(right, "left", spec.height),
        _reversed(bottom, "top", spec.width),
        _reversed(left, "right", spec.height),
        _reversed(top, "bottom", spec.width),
    )
    return replace(outline, quad=np.roll(outline.quad, 2, axis=0), lines=lines)


def _reversed(line: SideLine, side: str, length: float) -> SideLine:
    powers = np.arange(len(line.curve) - 1, -1, -1)
    return replace(
        line,
        side=side,
        along=(length - line.along)[::-1].copy(),
        depth=line.depth[::-1].copy(),
        kept=line.kept[::-1].copy(),
        curve=tuple(float(each) for each in np.array(line.curve) * (-1.0) ** powers),
        middle=length - line.middle,
    )
