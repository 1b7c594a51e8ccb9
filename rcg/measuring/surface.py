"""The face of a card: what one photo can show of it, and what frames under several lights showed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rcg.geometry import polygon_area
from rcg.images import Pixels
from rcg.measuring.rectify import card_points
from rcg.measuring.rim import Mask, Plane
from rcg.measuring.surface_frames import Frame, brightest, darkest, flat_frame
from rcg.measuring.types import MEASURED, UNDETERMINED, Centering, Mark, Outline, Surface, Value
from rcg.photometric.types import SurfaceDefect

PARTLY = "partly"
NOT_SEEN = ("dents", "fine scratches", "warps", "creases that leave the ink whole", "gloss")
"""What one photo does not show, whatever it looks like."""
NOT_SEEN_IN_ART = "stains, dots and short lines within the art"
LEAST_PX_MM = 5.0
LEAST_SURE = 0.35
"""Weaker marks are not told: on clean rendered photos, sleeves and foil made such ones."""

_DOT_MM2, _DOT_STEP = (0.055, 1.2), 0.11
_STAIN_MM2, _STAIN_STEP = 1.6, 0.03
_LINE_GAP_MM = 0.7
_LINE_MM, _LINE_STEP, _LINE_THICK_MM = 1.6, 0.07, 0.55
_PRINT_LINE_SHARE, _PRINT_LINE_SIGMAS, _PRINT_LINE_PX_MM = 0.75, 7.0, 11.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Patch:
    """A connected place in a frame: its mask within `rows` and `columns`, and its size along its axes in mm."""

    rows: slice
    columns: slice
    mask: Mask
    area_mm2: float
    long_mm: float
    thick_mm: float


def measure_surface(pixels: Pixels, outline: Outline, *, centering: Centering | None = None) -> Surface:
    """What one photo shows of a card's face.

    Marks are sought where the print is known: on the even border, and along lines that leave it. In the art a mark
    cannot be told from the print, and what has no colour of its own is not seen at all; `not_seen` names both.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card's cut edge.
        centering: Where the border ends; without an inner frame nothing of the print is known.
    """
    frame = flat_frame(pixels, outline, inner_quad=None if centering is None else centering.inner_quad)
    if frame.px_mm < LEAST_PX_MM:
        reason = f"at {frame.px_mm:.1f} pixels a millimetre no marks are seen; take the card at 8 or more"
        return Surface(status=UNDETERMINED, reason=reason, not_seen=NOT_SEEN, share_judged=0.0)
    glare = float(frame.glare.mean())
    if not frame.border.any():
        reason = "no even border is known on which marks would stand out from the print"
        return Surface(status=UNDETERMINED, reason=reason, not_seen=(*NOT_SEEN, NOT_SEEN_IN_ART), share_judged=0.0)
    lines, on_lines = _lines(frame)
    marks = [*(_print_lines(frame) if frame.px_mm >= _PRINT_LINE_PX_MM else ()), *lines]
    marks += _dots(frame, on_lines)
    marks += _stains(frame)
    reason = "one photo shows only what changes the colour" + (
        f"; {100 * glare:.0f} % of the face mirrors a light" if glare > 0.002 else ""
    )
    return Surface(
        status=PARTLY,
        reason=reason,
        marks=tuple(each for each in marks if each.confidence >= LEAST_SURE),
        not_seen=(*NOT_SEEN, NOT_SEEN_IN_ART),
        share_judged=round(float((frame.border & ~frame.glare).mean()), 3),
    )


def _patches(flags: Mask, px_mm: float, *, join_mm: float = 0.0) -> Iterator[_Patch]:
    """The connected places of a mask; those that are nearer to each other than `join_mm` are one."""
    import cv2

    size = 2 * round(join_mm * px_mm / 2) + 1
    wide = cv2.dilate(flags.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(wide, connectivity=8)
    for k in range(1, count):
        left, top, width, height = (int(each) for each in stats[k][:4])
        rows, columns = slice(top, top + height), slice(left, left + width)
        mask = np.asarray((labels[rows, columns] == k) & flags[rows, columns])
        y, x = np.nonzero(mask)
        area = len(x)
        spread = np.linalg.eigvalsh(np.cov(np.stack([x, y])) if area > 2 else np.zeros((2, 2))) + 1 / 12
        thick, long = (math.sqrt(12 * max(float(each), 0)) / px_mm for each in spread)
        yield _Patch(rows=rows, columns=columns, mask=mask, area_mm2=area / px_mm**2, long_mm=long, thick_mm=thick)


def _mark(frame: Frame, patch: _Patch, label: str, *, origin: str, confidence: float) -> Mark:
    """A mark along a patch's own outline."""
    import cv2

    padded = np.pad(patch.mask.astype(np.uint8), 1)
    rings, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    ring = max(rings, key=len).reshape(-1, 2).astype(np.float64) - 0.5 + (patch.columns.start, patch.rows.start)
    if len(ring) < 3:
        (x0, y0), (x1, y1) = ring.min(axis=0) - 0.5, ring.max(axis=0) + 0.5
        ring = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    px, mm = frame.ring(ring)
    return Mark(
        label=label, origin=origin, outline=px, outline_mm=mm, length_mm=round(patch.long_mm, 3),
        area_mm2=round(patch.area_mm2, 4), confidence=round(confidence, 3),
    )  # fmt: skip


def _dots(frame: Frame, taken: Mask) -> list[Mark]:
    """Ink where none belongs, or its lack: small round places on the border."""
    import cv2

    size = max(0.6, 0.08 * frame.px_mm)
    smooth = cv2.GaussianBlur(frame.away, (0, 0), size)
    slow = cv2.blur(frame.away, (2 * round(1.2 * frame.px_mm) + 1,) * 2)
    step = brightest(np.abs(smooth - slow))
    flags = frame.border & ~frame.glare & ~taken & (step > np.maximum(_DOT_STEP, 5 * frame.noise))
    found = []
    for each in _patches(flags, frame.px_mm):
        low, high = _DOT_MM2
        inside = _inside(frame, each, 0.15)
        if low <= each.area_mm2 <= high and each.long_mm < 2.2 * each.thick_mm and inside:
            strength = float(step[each.rows, each.columns][each.mask].max())
            found.append(_mark(frame, each, "print_dot", origin="factory", confidence=min(0.95, 3 * strength)))
    return found


def _inside(frame: Frame, patch: _Patch, margin_mm: float) -> bool:
    """Whether a patch lies wholly in the border, with a margin: what leaves it may be print."""
    more = max(1, round(margin_mm * frame.px_mm))
    rows = slice(max(patch.rows.start - more, 0), patch.rows.stop + more)
    columns = slice(max(patch.columns.start - more, 0), patch.columns.stop + more)
    return bool(frame.border[rows, columns].all())


def _stains(frame: Frame) -> list[Mark]:
    """Large places on the border that are darker than it, and of another hue."""
    import cv2

    smooth = cv2.GaussianBlur(frame.away, (0, 0), 0.35 * frame.px_mm)
    darker = -smooth.mean(axis=2) - frame.lit  # beside a mirrored window the border is but as dark as elsewhere
    # A shadow takes the same share of every channel; what is spilt does not.
    taken = -smooth / np.maximum(frame.colours - frame.away, 0.12)
    low, high = darkest(taken), brightest(taken)
    tinted = high - low > 0.2 * np.maximum(np.abs(low), np.abs(high))
    flags = frame.border & ~frame.glare & (darker > np.maximum(_STAIN_STEP, 2 * frame.noise)) & tinted
    found = []
    for each in _patches(flags, frame.px_mm):
        if each.area_mm2 < _STAIN_MM2 or each.long_mm > 30 or each.thick_mm < 0.7:
            continue
        strength = float(darker[each.rows, each.columns][each.mask].mean())
        sure = min(0.95, 6 * strength) * min(1.0, each.area_mm2 / 3)
        found.append(_mark(frame, each, "stain", origin="handling", confidence=sure))
    return found


def _lines(frame: Frame) -> tuple[list[Mark], Mask]:
    """Thin white lines on the border: ink that a crease, a scratch or a tear broke; and where all thin things lie."""
    import cv2

    light = darkest(frame.away)
    size = 2 * round(0.45 * frame.px_mm) + 1
    round_one = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    hat = np.asarray(cv2.morphologyEx(light, cv2.MORPH_TOPHAT, round_one))
    flags = frame.border & ~frame.glare & (hat > np.maximum(_LINE_STEP, 4 * frame.noise))
    found, thin = [], np.zeros(flags.shape, bool)
    for each in _patches(flags, frame.px_mm, join_mm=_LINE_GAP_MM):
        if each.long_mm > 2.5 * each.thick_mm:
            thin[each.rows, each.columns] |= each.mask
        if each.long_mm < _LINE_MM or each.thick_mm > _LINE_THICK_MM or each.long_mm < 5 * each.thick_mm:
            continue
        strength = float(hat[each.rows, each.columns][each.mask].mean())
        label = "crease" if strength > 0.25 or each.long_mm > 6 else "scratch"
        found.append(_mark(frame, each, label, origin="handling", confidence=min(0.95, 2.5 * strength)))
    return found, thin


def _print_lines(frame: Frame) -> list[Mark]:
    """Straight lines parallel to an edge that run on through both borders, as no frame of a design does."""
    found: list[Mark] = []
    for upright in (True, False):
        away = frame.away if upright else frame.away.transpose(1, 0, 2)
        border = frame.border if upright else frame.border.T
        noise = frame.noise if upright else frame.noise.T
        for place, sure in _crossing(away.mean(axis=2), border, noise, frame.px_mm):
            rows, columns = (slice(0, border.shape[0]), slice(place, place + 1))
            ring = np.array([
                (columns.start, 0), (columns.stop, 0), (columns.stop, rows.stop), (columns.start, rows.stop)
            ], np.float64)  # fmt: skip
            px, mm = frame.ring(ring if upright else ring[:, ::-1])
            long = border.shape[0] / frame.px_mm
            found.append(
                Mark(
                    label="print_line", origin="factory", outline=px, outline_mm=mm, length_mm=round(long, 2),
                    area_mm2=round(long / frame.px_mm, 3), confidence=round(sure, 3),
                )
            )  # fmt: skip
    return found


def _crossing(light: Plane, border: Mask, noise: Plane, px_mm: float) -> Iterator[tuple[int, float]]:
    """Columns that differ from their neighbours, the same way, in the upper and the lower border."""
    rows = border.shape[0]
    reach = max(2, round(0.35 * px_mm))
    ends = []
    for part in (slice(0, rows // 4), slice(rows - rows // 4, rows)):
        # Only where the whole width belongs to this border: its rows, without the upright borders beside it.
        whole = border[part].mean(axis=1) > 0.7
        if whole.sum() < 0.6 * px_mm:
            return
        values = light[part][whole]
        beside = (np.roll(values, reach, axis=1) + np.roll(values, -reach, axis=1)) / 2
        step = values - beside
        sigma = max(float(np.median(np.abs(step))) * 1.4826, float(noise[part][whole].max()) * 0.3, 0.003)
        same = np.maximum((step > 0).mean(axis=0), (step < 0).mean(axis=0))
        score = step.mean(axis=0) / (sigma / math.sqrt(whole.sum() / 2))
        ends.append(np.where((same > _PRINT_LINE_SHARE) & (np.abs(step.mean(axis=0)) > 0.02), score, 0.0))
    both = np.where(np.sign(ends[0]) == np.sign(ends[1]), np.minimum(np.abs(ends[0]), np.abs(ends[1])), 0.0)
    margin = round(3.0 * px_mm)
    both[:margin] = both[-margin:] = 0
    while both.max() > _PRINT_LINE_SIGMAS:
        best = int(np.argmax(both))
        yield best, 1 - math.exp(-float(both[best]) / 7)
        both[max(best - 2 * reach, 0) : best + 2 * reach + 1] = 0


def surface_from_finds(
    finds: Sequence[SurfaceDefect],
    outline: Outline,
    *,
    share_judged: float = 1.0,
    photo: Surface | None = None,
    shown_in: Outline | None = None,
) -> Surface:
    """What frames under several lights showed of a face, together with what a photo showed.

    Args:
        finds: As `rcg.photometric.defects.find_defects` gives them, in pixels of the frames.
        outline: The card's cut edge in the frames.
        share_judged: Share of the face with a normal that can be trusted, 0 to 1.
        photo: What a photo of the same face showed; its marks are added but for those that the finds tell already.
        shown_in: The cut edge in the photo, in whose pixels the marks are then told; None tells them in the frames'.
    """
    marks = [_from_find(each, outline, shown_in or outline) for each in finds]
    if photo is not None:
        marks += [each for each in photo.marks if not any(_same(each, other) for other in marks)]
    return Surface(
        status=MEASURED,
        reason="" if share_judged > 0.98 else f"{100 * (1 - share_judged):.0f} % of the face could not be judged",
        marks=tuple(marks),
        not_seen=() if photo is not None else ("stains and print dots, which have no relief",),
        share_judged=round(share_judged, 3),
    )


def _from_find(find: SurfaceDefect, frames: Outline, shown_in: Outline) -> Mark:
    from rcg.measuring.rectify import photo_points

    mm = card_points(frames, find.polygon)
    px = photo_points(shown_in, mm).round(2)
    return Mark(
        label=find.label,
        origin=find.origin,
        outline=tuple((float(x), float(y)) for x, y in px),
        outline_mm=tuple((float(x), float(y)) for x, y in mm.round(3)),
        length_mm=find.length_mm,
        area_mm2=round(polygon_area(mm), 4),
        relief_um=Value(find.height_um, find.height_sigma_um),
        confidence=find.confidence,
        seen_by="photometric",
    )


def _same(photo: Mark, find: Mark) -> bool:
    """Whether a photo's mark lies on a find: half of its outline within 0.4 mm of the find's box or nearer points."""
    a, b = np.array(photo.outline_mm), np.array(find.outline_mm)
    near = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)).min(axis=1)
    return bool((near < 0.4).mean() > 0.5)
