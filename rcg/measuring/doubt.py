"""Where a card's border is not told from what lies beside it, so that no stock may be said to be missing.

A border on ground of its own colour, a finger over the edge, a mirrored window: each hides the cut edge, and the next
step of colour, the print's frame, then looks like the inner end of a bite. A bite is believed only where the ground
beside it differs from the border, where that very ground shows in it, and where the ground runs on past its ends.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rcg.measuring.rim import Colours, Mask, Strip
from rcg.measuring.types import Floats

UNTOLD = "there the border is not told from what lies beside or over it"
SEEN = 0.09
"""The least step of colour, of 1 for black to white in sRGB, that a contour can be followed by."""
_NEAR_MM = (0.25, 0.8)
"""Beyond the cut edge, where the ground beside one place is read; past the blur."""
_UNREST = 2.5
"""Border and ground differ where they do by more than so many times their own scatter."""
_LIKE_GROUND = 0.7
"""What is seen in a bite lies nearer to the ground than so much of its way to the border."""
_ENDS_MM = (0.3, 1.8)
"""Past both ends of a bite, where the ground has to be the same as beside it."""
_CHANGED, _UNLIKE = 0.1, 0.3
_CONTRAST = 0.14
"""Border and ground are to differ by at least so much, 0 to 1, before stock is said to be missing."""
_FOREIGN, _FOREIGN_MM = 0.08, 2.5
"""Where border and ground lie farther off the side's own colours, both at once, something covers them; its outline may
lean over so much of the rim."""
_ONE_COLOUR, _MOST_LOST = 0.9, 0.1
_FRAME_MM, _FRAME_SHARE = 0.25, 0.6


def untold(strip: Strip, bites: Iterable[tuple[slice, Floats]]) -> Mask:
    """(n,) the stations along a strip at which it cannot be told whether stock is missing.

    Args:
        strip: The strip.
        bites: Stretches that seem to be bitten, and mm that each of their stations is; 0 for those between.
    """
    ground = _ground(strip)
    scatter = strip.even + float(np.median(np.abs(ground - strip.beside)))
    least = max(_CONTRAST, _UNREST * scatter)
    border = _unbitten(strip, ground)
    found = np.abs(border - ground).max(axis=1) < 0.8 * SEEN
    foreign = _covered(strip, ground)
    for run, reach in bites:
        if foreign[run].any() or not _is_bite(strip, (border, ground), run, reach, least):
            found[_with_margin(strip, run)] = True
    return np.asarray(found | foreign)


def share_untold(strip: Strip, flags: Mask) -> float:
    """Share of a strip's length, 0 to 1."""
    return float(strip.width[flags].sum() / max(float(strip.width.sum()), 1e-9))


def off_segment(point: Floats, first: Floats, last: Floats) -> float:
    """How far a colour lies from the mixtures of two others, by its worst channel."""
    way = last - first
    share = float(np.clip((point - first) @ way / max(float(way @ way), 1e-9), 0, 1))
    return float(np.abs(point - first - share * way).max())


def _ground(strip: Strip) -> Colours:
    """(n, 3) the ground right beside each station, over half a millimetre of the rim."""
    from scipy.ndimage import median_filter

    near = np.median(strip.colours[:, strip.columns(-_NEAR_MM[1], -_NEAR_MM[0])], axis=1)
    size = 2 * max(1, round(0.25 / float(np.median(strip.width)))) + 1
    return np.asarray(median_filter(near, size=(size, 1), mode="nearest"), np.float32)


def _covered(strip: Strip, ground: Colours) -> Mask:
    """(n,) where a thing lies over the edge: border and ground change there together, and to much the same colour."""
    from scipy.ndimage import binary_dilation

    both = np.abs(strip.border - ground).max(axis=1) < 0.25
    found = both & (_off_own(strip.border) > _FOREIGN) & (_off_own(ground) > _FOREIGN)
    reach = max(1, round(_FOREIGN_MM / float(np.median(strip.width))))
    return np.asarray(binary_dilation(found, iterations=reach)) if found.mean() > 0.02 else np.zeros(len(found), bool)


def _off_own(colours: Colours) -> Floats:
    """(n,) how far each station's colour lies off what most of them have, in whatever shade."""
    own = np.median(colours, axis=0)
    share = np.clip(colours @ own / max(float(own @ own), 1e-6), 0.35, 1.15)
    return np.asarray(np.abs(colours - share[:, None] * own).max(axis=1), np.float64)


def _with_margin(strip: Strip, run: slice) -> slice:
    more = max(1, round(0.3 / float(np.median(strip.width))))
    return slice(max(run.start - more, 0), run.stop + more)


def _unbitten(strip: Strip, ground: Colours) -> Colours:
    """(n, 3) the border's colour; in a bite so long that only ground was read there, that of the rest of its side."""
    if (_off_own(strip.border) < _FOREIGN).mean() < _ONE_COLOUR:
        return strip.border
    lost = (np.abs(strip.border - ground).max(axis=1) < SEEN) & (
        np.abs(ground - np.median(ground, axis=0)).max(axis=1) < 0.5 * SEEN
    )
    if lost.mean() > _MOST_LOST:
        return strip.border
    return np.asarray(np.where(lost[:, None], np.median(strip.border, axis=0), strip.border), np.float32)


def _is_bite(strip: Strip, both: tuple[Colours, Colours], run: slice, reach: Floats, least: float) -> bool:
    """Whether a stretch that seems to be bitten may be called so."""
    gone = reach > 0
    border, beside = (each[run][gone].mean(axis=0, dtype=np.float64) for each in both)
    if float(np.abs(border - beside).max()) < least or _ends_at_frame(strip, reach[gone]):
        return False
    return _shows_ground(strip, run, reach, border, beside) and _runs_on(strip, both[1], run, border, beside)


def _ends_at_frame(strip: Strip, reach: Floats) -> bool:
    """Whether the inner end is the print's: then it is the border that was not seen."""
    return bool((np.abs(reach - strip.border_mm) < _FRAME_MM).mean() > _FRAME_SHARE)


def _shows_ground(strip: Strip, run: slice, reach: Floats, border: Floats, beside: Floats) -> bool:
    """Whether what lies in the bite is the ground beside it, or its shade, and not the border."""
    margin = np.minimum(1.2 / strip.px_mm, 0.35 * reach)[:, None]
    depth = strip.depth[None, :]
    within = (depth > margin) & (depth < reach[:, None] - margin)
    seen = strip.colours[run][within].astype(np.float64)
    if not len(seen):
        return True  # shallower than a pixel or two; its own depth makes it doubtful enough
    middle = np.median(seen, axis=0)
    far = strip.beside[run].mean(axis=0, dtype=np.float64)
    edge = np.median(strip.colours[run, strip.columns(-3.2 / strip.px_mm, -1.4 / strip.px_mm)], axis=(0, 1))
    shades = ((beside, far), (beside, edge.astype(np.float64)), (beside, 0.45 * beside))
    to_ground = min(off_segment(middle, first, last) for first, last in shades)
    to_border = float(np.abs(middle - border).max())
    return to_ground < _LIKE_GROUND * to_border


def _runs_on(strip: Strip, ground: Colours, run: slice, border: Floats, beside: Floats) -> bool:
    """Whether the ground past a bite is that beside it: a thing over the edge ends with it, at both ends.

    One end is enough where border and ground are not far from each other.
    """
    step = float(np.median(strip.width))
    near, far = (max(1, round(each / step)) for each in _ENDS_MM)
    rough = float(np.median(np.abs(ground - strip.beside).max(axis=1)))
    parts = [slice(max(run.start - far, 0), max(run.start - near, 0)), slice(run.stop + near, run.stop + far)]
    past = [np.median(ground[part], axis=0) for part in parts if len(ground[part])]
    changed = [float(np.abs(each - beside).max()) > _CHANGED + 2 * rough for each in past]
    unlike = float(np.abs(border - beside).max()) > _UNLIKE
    return not changed or not (all(changed) if unlike else any(changed))
