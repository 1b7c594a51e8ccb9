"""White paper along a card's rim: how far in it reaches at each station, less what the cut face shows by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.measuring.contour import CUT_FACE_MM, Contour, runs
from rcg.measuring.doubt import off_segment
from rcg.measuring.rim import Plane, Strip
from rcg.measuring.types import Floats

Mask = NDArray[np.bool_]

LEAST_CONTRAST = 0.2
"""The least difference between border and paper, of 1 for black to white in sRGB, that whitening shows by at 20 pixels
a millimetre; at 5 it takes 1.6 times as much."""
MOST_UNEVEN = 0.12
"""Borders that scatter more about their own colour are art, in which white is no sign of wear."""
WHITE = 0.3
"""From this share of the way from the border's colour to white paper on, in sRGB, a place counts as white."""
TOUCHES_MM = 0.16
"""White that begins farther in than this does not belong to the rim."""
DEEPEST_MM = 1.7
"""White that reaches farther in than this is print, glare or a light that is mirrored."""
_OFTEN = 0.2
_LITTLE_MM, _MOST_OFF_MM, _JOINED_MM = 0.06, 0.2, 0.4
LEAST_MM = 0.07
"""Whitening that reaches less than this beyond the cut face is not told from it."""
_JUMP_MM, _JUMP = 1.0, 0.12
_MOSTLY, _SHADE = 0.9, 0.06
_LIKE_PAPER = 0.3
"""Ground that differs less than this from white paper is as pale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whitening:
    """What is white along a strip.

    Attributes:
        depth: (n,) mm that white reaches in at each station, the cut face subtracted; 0 where there is none.
        start: (n,) mm from the outline's cut edge to where the stock begins there.
        judged: (n,) whether the station could be looked at.
        cut_face: mm that was subtracted.
        noise: mm, one standard deviation of `depth` at a clean station.
        strength: (n,) how white it is, 0 to 1.
        reason: Why whitening cannot be seen; "" where it can.
    """

    depth: Floats
    start: Floats
    judged: Mask
    cut_face: float
    noise: float
    strength: Floats
    reason: str = ""


def find_whitening(
    strip: Strip, contour: Contour, white: Floats, *, cut_face: float | None = None, noise: float | None = None
) -> Whitening:
    """Measure white along a strip.

    Args:
        strip: The strip.
        contour: Where its stock begins.
        white: (3,) bare paper, sRGB from 0 to 1.
        cut_face: mm to subtract, as found along the neighbouring sides; None reads it from this strip: the depth that
            most of its stations share, at most `CUT_FACE_MM`.
        noise: mm, of a clean station, as found along the neighbouring sides; None reads it from this strip.
    """
    reason = why_unseen(strip, white)
    pale = float(np.abs(white - strip.beside.mean(axis=0)).max()) < _LIKE_PAPER
    line = np.clip(contour.offset, 0.0, _MOST_OFF_MM)  # an outline that lies outside of the stock shows pale ground
    start = np.maximum(contour.bites, line if pale else np.maximum(line, _followed_start(contour)))
    if reason:
        nothing = np.zeros(len(strip.base))
        no = np.zeros(len(strip.base), bool)
        return Whitening(depth=nothing, start=start, judged=no, cut_face=0, noise=0, strength=nothing, reason=reason)
    share = whiteness(strip, white)
    reach, strength = _reach(strip, share, start)
    judged = (
        _shows(strip, white)
        & _one_colour(strip)
        & ~_mirrored(strip, reach)
        & strip.inside[:, strip.columns(0, DEEPEST_MM)].all(axis=1)
    )
    if contour.unsure is not None:
        judged &= ~contour.unsure
    usable = (reach - start)[judged]
    face = _cut_face(usable, strip.px_mm) if cut_face is None else cut_face
    more = reach - start - face
    scatter = _noise(more[judged], strip.px_mm) if noise is None else noise
    # Beside pale ground the blur of the edge reads as white too; where paper is white anyway it takes nothing away.
    blurred = min(face, 0.5 / strip.px_mm) if pale else 0.0
    depth = np.where(judged & (more > 0), more + blurred, 0.0)
    return Whitening(depth=depth, start=start, judged=judged, cut_face=face, noise=scatter, strength=strength)


def _one_colour(strip: Strip) -> Mask:
    """(n,) where the border's colour does not jump: what is white against one side of a jump is print on the other."""
    reach = max(1, round(_JUMP_MM / float(np.median(strip.width))))
    padded = np.pad(strip.border, ((reach, reach), (0, 0)), mode="edge")
    return np.asarray(np.abs(padded[2 * reach :] - padded[: -2 * reach]).max(axis=1) < _JUMP)


def _mirrored(strip: Strip, reach: Floats) -> Mask:
    """(n,) where white reaches in too far, and the deep part of what is joined to it: print, or a streak of light."""
    found = reach >= DEEPEST_MM
    deep = reach > _JOINED_MM
    for first, past in runs(deep, gap=max(1, round(0.3 / float(np.median(strip.width)))), least=1):
        found[first:past] |= found[first:past].any()
    return found


def _followed_start(contour: Contour) -> Floats:
    """(n,) mm from the outline's cut edge to the contour where it is a little farther in, as lens and blur make it."""
    from scipy.ndimage import median_filter

    followed = np.where(np.isfinite(contour.depth), contour.depth, contour.offset)
    smooth = median_filter(followed, size=9, mode="nearest")
    return np.asarray(np.clip(smooth, 0.0, _LITTLE_MM))


def why_unseen(strip: Strip, white: Floats) -> str:
    """Why whitening would not show along a strip; "" where it would."""
    if float(strip.inside[:, strip.columns(0, 0.5)].mean()) < 0.9:
        return "the picture ends at the edge"
    if strip.even > MOST_UNEVEN:
        return "the print reaches the edge, so that white in it is no sign of wear"
    shows = _shows(strip, white)
    if float(shows.mean()) < 0.5 or (float(shows.mean()) < _MOSTLY and _is_shaded(strip, shows)):
        return "the border is so light that whitening cannot be seen on it"
    return ""


def _shows(strip: Strip, white: Floats) -> Mask:
    """(n,) where border and paper differ enough."""
    return np.asarray(np.abs(white - strip.border).max(axis=1) >= LEAST_CONTRAST * (0.8 + 4 / strip.px_mm))


def _is_shaded(strip: Strip, shows: Mask) -> bool:
    """Whether the part of a border that differs from paper is but the shade of the part that does not."""
    lit, rest = (np.median(strip.border[each], axis=0).astype(np.float64) for each in (~shows, shows))
    return off_segment(rest, 0.25 * lit, lit) < _SHADE


def whiteness(strip: Strip, white: Floats) -> Plane:
    """(n, m) share of the way from the border's colour to white paper; 0 where the colour lies off that way."""
    way = (white.astype(np.float32) - strip.border)[:, None, :]
    away = strip.colours - strip.border[:, None, :]
    length = np.maximum((way * way).sum(axis=2), np.float32(1e-4))  # a border that is paper has no way to go
    share = (away * way).sum(axis=2) / length
    beside = np.sqrt(((away - share[..., None] * way) ** 2).sum(axis=2))
    coloured = beside > 0.4 * np.sqrt(length) * np.clip(share, 0, 1) + 0.06
    return np.where(coloured, np.float32(0), share)


def _reach(strip: Strip, share: Plane, start: Floats) -> tuple[Floats, Floats]:
    """(n,) mm from the cut edge to where white ends, and (n,) the most that it is white."""
    from scipy.ndimage import median_filter

    first_column = strip.columns(0, 0).start
    inner = median_filter(share[:, first_column:], size=(3, 1), mode="nearest")
    depth = strip.depth[first_column:]
    above = inner > WHITE
    above &= depth[None, :] >= start[:, None]
    first = np.argmax(above, axis=1)
    rows = np.arange(len(first))
    touches = above.any(axis=1) & (depth[first] <= start + TOUCHES_MM)
    beyond = ~above & (np.arange(len(depth))[None, :] > first[:, None])
    last = np.where(beyond.any(axis=1), np.argmax(beyond, axis=1), len(depth) - 1)
    over, under = inner[rows, np.maximum(last - 1, 0)], inner[rows, last]
    part = np.clip((over - WHITE) / np.maximum(over - under, 1e-3), 0, 1)
    reach = np.where(touches, depth[np.maximum(last - 1, 0)] + part / strip.px_mm, start)
    ring = np.where((np.arange(len(depth))[None, :] >= first[:, None]) & ~beyond, inner, 0).max(axis=1)
    return reach, np.where(touches, np.clip(ring, 0, 1), 0.0).astype(np.float64)


def _cut_face(reach: Floats, px_mm: float) -> float:
    """The depth in mm that most stations share: the half-sample mode (Robertson and Cryer, 1974)."""
    values = np.sort(reach)
    while len(values) > 3:
        half = (len(values) + 1) // 2
        spans = values[half - 1 :] - values[: len(values) - half + 1]
        best = int(np.argmin(spans))
        values = values[best : best + half]
    common = float(np.median(values)) if len(values) else 0.0
    some = reach[reach > 0.02]
    if len(some) > _OFTEN * max(len(reach), 1):  # a face at the limit of what shows is seen in parts only
        common = max(common, float(np.median(some)))
    return min(common, CUT_FACE_MM + 0.7 / px_mm)


def _noise(more: Floats, px_mm: float) -> float:
    """The robust scatter of the stations below the median, which wear does not widen."""
    if not len(more):
        return math.inf
    middle = float(np.median(more))
    below = middle - more[more <= middle]
    return max(1.4826 * float(np.median(below)), 0.1 / px_mm)
