"""Where a card's stock begins: the contour along a strip of its rim, told apart from the end of the ink."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rcg.measuring.doubt import SEEN, UNTOLD, off_segment, share_untold, untold
from rcg.measuring.rim import ROOM_MM, Mask, Plane, Strip
from rcg.measuring.types import Floats

START_MM = 0.16
"""A contour is sought from so far outside of the outline's cut edge on: farther out lie shadows and sleeves."""
MOST_SCATTER_PX = 1.6
"""A contour that scatters more about its own line, pixels, follows something else than a cut."""

LEAST_BITE_MM = 0.1
"""Stock that is missing by less is the cut's own roughness."""
GROUP_MM = 1.0
"""Places that are nearer to each other along the rim are judged together: paper, or the ground seen through a bite."""
_FEW = 0.35
_MOST_UNTOLD, _TOLD = 0.6, 0.01
CUT_FACE_MM, _DARK = 0.12, 0.4
"""The most that a cut face shows by itself, 0.05 to 0.1 mm measured on black backs; and how far from white paper, in
sRGB of 0 to 1, a border is on which it stands out."""
_INK, _PALE, _DEEPEST_MM, _MOST_BITTEN, _CONTRAST = 0.1, 0.6, 2.0, 0.7, 0.2
_OFF_GROUND, _PATCHY = 0.009, 0.012
"""How far, in sRGB of 0 to 1, the colour of paper lies off every shade of the ground beside the card, and how much its
lightness changes along the rim; what is seen through a bite stays below both. From rendered scans on light grounds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contour:
    """Where the stock begins along a strip.

    Attributes:
        depth: (n,) mm from the outline's cut edge; NaN where nothing is seen.
        bite: (n,) mm that stock is missing against the strip's own line; below zero where it reaches farther out.
        paper: (n,) whether the ink ends farther in than the stock, so that bare paper was taken off the contour.
        offset: (n,) mm, the strip's own line.
        ink_lag: mm from that line to where the border's ink usually begins: blur, and the cut face.
        scatter: mm, robust standard deviation of the contour about its line.
        threshold: mm that have to be missing before a station counts as bitten.
        reason: Why it cannot be followed; "" where it can.
        unsure: (n,) the stations that were not judged; they have no bite. None where none was looked at.
        doubt: What share was not judged, and why; "" where it is little.
    """

    depth: Floats
    bite: Floats
    paper: Mask
    offset: Floats
    ink_lag: float = 0.0
    scatter: float = math.inf
    threshold: float = LEAST_BITE_MM
    reason: str = ""
    unsure: Mask | None = None
    doubt: str = ""

    @property
    def bites(self) -> Floats:
        """(n,) mm of stock that is missing where it is more than the cut's own roughness; 0 elsewhere."""
        return np.where(self.bite > self.threshold, self.bite, 0.0)


def find_contour(strip: Strip, white: Floats, *, like: Contour | None = None, offset: Floats | None = None) -> Contour:
    """Follow the stock's own edge along a strip.

    The contour is the outermost strong step of colour at each station. Where the border's ink begins farther in than
    usual, what lies before it is judged by its colour: paper, or the ground that is seen through a bite.

    Args:
        strip: The strip.
        white: (3,) bare paper, sRGB from 0 to 1.
        like: The contour of a side beside a corner, whose scatter and ink are used for the corner's.
        offset: (n,) mm, the line to count bites from, where it is known from the sides; None fits it.
    """
    reason = _why_not(strip) or (like.reason if like is not None else "")
    if reason:
        return _nothing(strip, reason)
    depth = _outermost_step(strip)
    line = _own_line(depth, strip.px_mm) if offset is None else offset
    away = depth - line
    good = np.isfinite(away)
    if good.mean() < 0.5:
        return _nothing(strip, "no edge is seen along it")
    scatter = max(1.4826 * float(np.median(np.abs(away[good] - np.median(away[good])))), 0.05 / strip.px_mm)
    if like is None and scatter * strip.px_mm > MOST_SCATTER_PX:
        return _nothing(strip, "the step from the card to what lies beside it is not clear")
    ink = _ink_depth(strip)
    lag = float(np.median(_own_line(ink, strip.px_mm) - line)) if like is None else like.ink_lag
    found = Contour(
        depth=depth,
        bite=np.where(good, away, 0.0),
        paper=np.zeros(len(depth), bool),
        offset=line,
        ink_lag=lag,
        scatter=scatter if like is None else like.scatter,
        threshold=max(_least_bite(strip, white), 4 * (scatter if like is None else like.scatter)),
    )
    return _without_doubt(strip, _judged(strip, found, ink - line - lag, white))


def _without_doubt(strip: Strip, found: Contour) -> Contour:
    """The contour without the stretches at which border and ground are not told from each other."""
    unsure = untold(strip, _groups(strip, found.bite, found.threshold))
    share = share_untold(strip, unsure)
    if share > _MOST_UNTOLD:
        return _nothing(strip, f"the contour is not told along {100 * share:.0f} % of it: {UNTOLD}")
    return replace(
        found,
        bite=np.where(unsure, 0.0, found.bite),
        depth=np.where(unsure, np.nan, found.depth),
        unsure=unsure,
        doubt=f"missing stock is not judged along {100 * share:.0f} % of it: {UNTOLD}" if share > _TOLD else "",
    )


def _least_bite(strip: Strip, white: Floats) -> float:
    """The shallowest bite in mm: where paper stands out from the border, no shallower than its cut face may look."""
    dark = float(np.abs(white - strip.border.mean(axis=0)).max()) > _DARK
    return max(LEAST_BITE_MM, 1.3 / strip.px_mm, (CUT_FACE_MM + 1.5 / strip.px_mm) if dark else 0.0)


def _why_not(strip: Strip) -> str:
    if float((strip.inside[:, strip.columns(-0.5, 0.5)]).mean()) < 0.9:
        return "the picture ends at the edge"
    if np.median(np.abs(strip.border - strip.beside).max(axis=1)) < SEEN:
        return "what lies beside the card is of the border's colour, so that its contour cannot be followed"
    return ""


def _nothing(strip: Strip, reason: str) -> Contour:
    count = len(strip.base)
    zero, no = np.zeros(count), np.zeros(count, bool)
    return Contour(depth=np.full(count, np.nan), bite=zero, paper=no, offset=zero, reason=reason)


def _judged(strip: Strip, found: Contour, ink: Floats, white: Floats) -> Contour:
    """The contour with its bites judged: those that are paper taken off, those that only the ink's end shows added.

    Where the card's shadow is a stronger step than the border against its shaded ground, the contour follows the
    shadow past the bite; then only the ink, which begins late, tells of it.
    """
    bite, paper = found.bite.copy(), np.zeros(len(found.bite), bool)
    pale = float(strip.beside.min(axis=1).mean()) > _PALE
    for run, reach in _groups(strip, found.bite, found.threshold):
        if _paper_evidence(strip, run, reach, white) > 0:
            paper[run] = reach > 0
            bite[run] = np.where(reach > 0, 0.0, bite[run])
    late = np.where(ink < _DEEPEST_MM, ink, 0.0)
    contrast = float(np.median(np.abs(strip.border - strip.beside).max(axis=1)))
    is_corner = bool(np.isfinite(strip.focus).all())
    mostly = not is_corner and (late > found.threshold).mean() > _MOST_BITTEN
    if strip.even < 0.5 * _INK and contrast > _CONTRAST and not mostly:
        for run, reach in _groups(strip, np.where(paper, 0.0, np.fmax(late, bite)), found.threshold):
            evidence = _paper_evidence(strip, run, reach, white)
            if evidence <= -1 or (pale and evidence < 0):
                bite[run] = np.where(reach > 0, reach, bite[run])
    depth = np.where(paper | ~np.isfinite(found.depth), np.nan, found.offset + bite)
    return replace(found, bite=bite, paper=paper, depth=depth)


def _groups(strip: Strip, reach: Floats, least: float) -> Iterator[tuple[slice, Floats]]:
    """Stretches of stations that reach deeper than `least`, with their depths; 0 for those between."""
    step = float(np.median(strip.width))
    for first, past in runs(reach > least, gap=round(GROUP_MM / step), least=2):
        part = reach[first:past]
        yield slice(first, past), np.where(part > least, part, 0.0)


def _ink_depth(strip: Strip) -> Floats:
    """(n,) mm from the outline's cut edge to where the border's own colour begins."""
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(strip.colours, 3, axis=0, mode="nearest")
    away = np.abs(smooth - strip.border[:, None, :]).max(axis=2)
    start = strip.columns(-START_MM, 0).start
    usual = away[:, start:] < max(_INK, 2.5 * strip.even)
    usual[:, :-1] &= usual[:, 1:]
    first = np.argmax(usual, axis=1)
    return np.where(usual.any(axis=1), strip.depth[start + first], np.nan)


def _paper_evidence(strip: Strip, run: slice, reach: Floats, white: Floats) -> float:
    """What speaks for paper (above 0), or for the ground (below), before the ink along a stretch: 1 where it is clear.

    Args:
        strip: The strip.
        run: Its stations.
        reach: mm from the cut edge to the ink at each of them; 0 leaves one out.
        white: (3,) bare paper.
    """
    margin = 1.2 / strip.px_mm
    depth = strip.depth[None, :]
    usual = float(np.median(reach[reach > 0]))
    reach = np.where(reach < 1.5 * usual + 0.1, reach, 0.0)  # single stations that saw no edge reach into the print
    within = (depth > margin) & (depth < (reach - margin)[:, None])
    colours = strip.colours[run][within].astype(np.float64)
    border, beside = (each[run].mean(axis=0, dtype=np.float64) for each in (strip.border, strip.beside))
    if len(colours) < 4:
        return 0.5 if np.abs(white - beside).max() < 0.3 else -0.5
    middle = np.median(colours, axis=0)
    beyond = strip.colours[run, strip.columns(-3.2 / strip.px_mm, -1.4 / strip.px_mm)]
    seam = np.median(beyond.astype(np.float64), axis=(0, 1))
    shades = ((beside, 1.02 * beside), (beside, seam), (seam, 0.5 * seam), (beside, 0.45 * beside))
    from_ground = min(off_segment(middle, first, last) for first, last in shades)
    from_paper = off_segment(middle, border + 0.3 * (white - border), white)
    if abs(from_ground - from_paper) > 0.08:
        return 1.0 if from_paper < from_ground else -1.0
    lag, ground = max(1, round(0.12 * strip.px_mm)), strip.columns(-ROOM_MM[1], -ROOM_MM[0])
    light = strip.colours[run].mean(axis=2)
    patchy = _patchiness(light, within, lag=lag)
    # A table is less even than a scanner's lid, and so is what is seen of it through a bite.
    loose = float(np.abs(strip.colours[run, ground] - beside).mean())
    rough = _patchiness(light[:, ground], np.ones(light[:, ground].shape, bool), lag=lag)
    off, uneven = _OFF_GROUND + 1.5 * max(loose - 0.004, 0.0), _PATCHY + 1.5 * max(rough - 0.002, 0.0)
    both = (from_ground - off) / off + (patchy - uneven) / uneven
    return float(np.clip(both, -0.9, 0.9))


def _patchiness(light: Plane, within: Mask, *, lag: int) -> float:
    """How much the mean lightness changes from a station to one a little farther along; slow shading counts little."""
    kept = within.sum(axis=1) > 0
    means = (light * within).sum(axis=1)[kept] / within.sum(axis=1)[kept]
    return float(np.abs(means[lag:] - means[:-lag]).mean()) if len(means) > lag else 0.0


def _outermost_step(strip: Strip) -> Floats:
    """(n,) mm: the first peak of the colour's slope, from outside, that is at least 0.4 of the strip's usual one."""
    from scipy.ndimage import uniform_filter1d

    colours = uniform_filter1d(strip.colours, 3, axis=0, mode="nearest")
    slope = np.zeros(colours.shape[:2], np.float32)
    slope[:, 1:-1] = np.linalg.norm(colours[:, 2:] - colours[:, :-2], axis=2)
    near = strip.columns(-START_MM, 0.35)
    slope[:, : near.start] = 0
    main = _main_line(slope[:, near]) + near.start
    slope[:, : max(main - max(1, round(max(0.05 * strip.px_mm, 1.3))), 0)] = 0
    usual = float(np.median(slope[:, near].max(axis=1)))
    peak = np.zeros(slope.shape, bool)
    peak[:, 1:-1] = (slope[:, 1:-1] >= slope[:, :-2]) & (slope[:, 1:-1] > slope[:, 2:])
    peak &= slope > 0.4 * usual * _bare_share(strip)
    first = np.argmax(peak, axis=1)
    rows = np.arange(len(first))
    low, mid, high = (slope[rows, np.clip(first + k, 0, slope.shape[1] - 1)].astype(np.float64) for k in (-1, 0, 1))
    bend = low - 2 * mid + high
    part = np.divide(0.5 * (low - high), bend, out=np.zeros_like(bend), where=np.abs(bend) > 1e-9)
    found = strip.depth[first] + np.clip(part, -0.5, 0.5) / strip.px_mm
    return np.where(peak.any(axis=1), found, np.nan)


def _bare_share(strip: Strip) -> float:
    """The step from the ground to the border, as a share of that to what the rim shows: a bite has no cut face."""
    beside = strip.beside.mean(axis=0)
    rim = np.median(strip.colours[:, strip.columns(0.04, 0.09)], axis=(0, 1))
    return float(np.clip(np.linalg.norm(strip.border.mean(axis=0) - beside) / np.linalg.norm(rim - beside), 0.4, 1))


def _main_line(slope: Plane) -> int:
    """The column of the outermost line that most stations share and that is no weaker than 0.6 of the strongest.

    Fainter ones farther out are the edge of a shadow, a sleeve's, or what sharpening adds.
    """
    shared = np.quantile(slope, 0.6, axis=0)
    strong = np.flatnonzero(shared >= 0.6 * float(shared.max()))
    first = int(strong[0])
    while first + 1 < len(shared) and shared[first + 1] > shared[first]:
        first += 1
    return first


def _own_line(depth: Floats, px_mm: float) -> Floats:
    """(n,) a slow curve of the second degree along the outer envelope: stock can be missing, but not be too much.

    It starts at the lowest fifth and follows the stations near it, so that a cut that is rough on most of a side does
    not draw the line into the card.
    """
    at = np.linspace(-1, 1, len(depth))
    good = np.isfinite(depth)
    if good.sum() < 8:
        return np.zeros(len(depth))
    near = max(0.05, 1.0 / px_mm)
    start, middle = float(np.quantile(depth[good], 0.2)), float(np.median(depth[good]))
    if float((np.abs(depth[good] - start) < near).mean()) < _FEW and abs(middle) < abs(start):
        start = middle  # a few stations farther out than the outline follow a shadow or a sleeve
    fit = np.full(len(depth), start)
    for degree in (0, 1, 2, 2):
        used = good & (np.abs(depth - fit) < near)
        if used.sum() < 8 * (degree + 1):
            break
        spread = np.ptp(at[used]) > 1.0
        fit = np.polyval(np.polyfit(at[used], depth[used], degree if spread else 0), at)
    return np.asarray(fit)


def runs(flags: Mask, *, gap: int, least: int) -> list[tuple[int, int]]:
    """The stretches of true in a row, as (first, past the last).

    Args:
        flags: (n,).
        gap: Holes of at most so many are closed.
        least: Shorter stretches are left out.

    Example:
        >>> runs(np.array([1, 1, 0, 1, 0, 0, 0, 1], bool), gap=1, least=2)
        [(0, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    found: list[tuple[int, int]] = []
    for first, past in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and first - found[-1][1] <= gap:
            found[-1] = (found[-1][0], past)
        else:
            found.append((first, past))
    return [each for each in found if each[1] - each[0] >= least]
