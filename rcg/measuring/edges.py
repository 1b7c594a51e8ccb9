"""The four edges between the corners: whitening, chips, notches and how rough the cut is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rcg.images import Pixels
from rcg.measuring.contour import Contour, find_contour, runs
from rcg.measuring.doubt import share_untold
from rcg.measuring.rim import Rim, Strip, sample_rim
from rcg.measuring.types import MEASURED, UNDETERMINED, UNKNOWN, EdgeWear, Floats, Mark, Outline, Value
from rcg.measuring.whitening import LEAST_MM, Whitening, find_whitening

FINE_PX_MM, LEAST_PX_MM = 8.0, 4.0
"""Below the first, the cut's roughness is lost in the pixels; below the second, all wear is."""
HANDLING, FACTORY = "handling", "factory"

_JOIN_MM = 0.9
_LEAST_LENGTH_MM, _LEAST_AREA_MM2 = 0.35, 0.03
_FLAKED = 0.16
"""Whitening of which a larger share is less than half as deep as its deepest tenth comes in flakes: it is chipped. On
rendered scans 0.26 to 0.5 of chipping is, and 0.02 to 0.13 of other whitening."""
_ROUGH_LENGTH_MM, _ROUGH_SHARE, _ROUGH_BITES, _ROUGH_GAP_MM = 5.0, 0.45, 5, 2.5
_EVEN_LENGTH_MM, _EVEN_SPREAD = 8.0, 0.8
_LEAST_BITE_MM = 0.13
UNEVEN_SCAN_MM, UNEVEN_PHOTO_MM = 0.03, 0.075
"""How much the cut of a flawless card, and the face of it that shows, change along a side: in what was seen from
straight above, and in a photo, whose lens blurs and whose light comes from one side. From rendered cards."""
STRAIGHT_ON = 0.006
"""Opposite sides that differ less than this in length were seen from straight above, as by a scanner."""
_STOCK_DEPTH_MM, _STOCK_LENGTH_MM = 1.1, 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideReading:
    """What was read along one side, before it is summed up."""

    strip: Strip
    contour: Contour
    whitening: Whitening


def measure_edges(pixels: Pixels, outline: Outline, *, inner_quad: ArrayLike | None = None) -> tuple[EdgeWear, ...]:
    """Measure the wear along the four edges.

    Whitening is white paper that begins at the rim, less the cut face, which black borders show as about 0.1 mm of
    white even on a card as it left the press. It cannot be seen on white borders; the contour's figures stay then.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card's cut edge.
        inner_quad: (4, 2) px, where the border ends; helps on narrow borders.

    Returns:
        Four, in the order of `SIDES`.
    """
    rim = sample_rim(pixels, outline, inner_quad=inner_quad)
    return tuple(_edge(rim, each) for each in read_sides(rim))


def read_sides(rim: Rim) -> tuple[SideReading, ...]:
    """Contour and whitening of the four sides."""
    found = []
    for strip in rim.sides:
        contour = find_contour(strip, rim.white)
        whitening = find_whitening(strip, contour, rim.white)
        found.append(SideReading(strip=strip, contour=contour, whitening=whitening))
    return tuple(found)


def too_coarse(px_mm: float) -> str:
    """What cannot be told at so many pixels a millimetre; "" where all can."""
    if px_mm < LEAST_PX_MM:
        return f"at {px_mm:.1f} pixels a millimetre wear cannot be seen; take the card at {FINE_PX_MM:.0f} or more"
    if px_mm < FINE_PX_MM:
        return f"at {px_mm:.1f} pixels a millimetre the cut's roughness and angles are not told, and marks under 0.3 mm"
    return ""


def _edge(rim: Rim, reading: SideReading) -> EdgeWear:
    strip, contour, white = reading.strip, reading.contour, reading.whitening
    coarse = too_coarse(strip.px_mm)
    if strip.px_mm < LEAST_PX_MM:
        return EdgeWear(side=strip.name, status=UNDETERMINED, reason=coarse)
    bites = bite_marks(rim, strip, contour.bites)
    whites = [] if white.reason else white_marks(rim, strip, white, label="edge_whitening")
    rough = UNKNOWN if contour.reason or coarse else _roughness(reading)
    known = {} if white.reason else _whitening_values(reading)
    deepest = max([each.depth_mm for each in (*bites, *whites)], default=0.0)
    unclear = bool(white.reason) and bool(contour.reason)
    return EdgeWear(
        side=strip.name,
        status=UNDETERMINED if white.reason else MEASURED,
        reason="; ".join(each for each in (white.reason, contour.reason, contour.doubt, coarse) if each),
        deepest=UNKNOWN if unclear else Value(round(deepest, 4), round(_deepest_sigma(reading), 4)),
        roughness=rough,
        marks=(*whites, *bites),
        **known,
    )


def _deepest_sigma(reading: SideReading) -> float:
    """mm: half a pixel, and what could hide along the share that was not judged."""
    unsure = reading.contour.unsure
    share = 0.0 if unsure is None else share_untold(reading.strip, unsure)
    return float(np.hypot(0.5 / reading.strip.px_mm, 0.5 * share))


def white_runs(strip: Strip, white: Whitening, *, join_mm: float = _JOIN_MM) -> list[tuple[int, int]]:
    """The stretches of a strip that are white beyond its cut face."""
    flags = white.judged & (white.depth > max(LEAST_MM, 1.4 / strip.px_mm, 3 * white.noise))
    step = float(np.median(strip.width))
    found = runs(flags, gap=round(join_mm / step), least=math.ceil(_LEAST_LENGTH_MM / step))
    return [(a, b) for a, b in found if _white_area(strip, white, a, b) >= _LEAST_AREA_MM2]


def _white_area(strip: Strip, white: Whitening, first: int, past: int) -> float:
    return float(strip.areas(white.start, white.start + white.depth)[first:past].sum())


def _whitening_values(reading: SideReading) -> dict[str, Value]:
    """Depth, length and area of a side's whitening; each sigma is what half a pixel of the inner edge makes."""
    strip, white = reading.strip, reading.whitening
    found = white_runs(strip, white)
    area = sum(_white_area(strip, white, a, b) for a, b in found)
    long = sum(float(strip.width[a:b][white.depth[a:b] > 0].sum()) for a, b in found)
    whole = float(strip.width[white.judged].sum())
    share = whole / float(strip.width.sum())
    blur = 0.55 / strip.px_mm + 0.005
    unseen = 0.03 * (1 + 25 / strip.px_mm) + 0.25 * blur * whole * (1 - share)
    sigma = float(np.hypot(blur * long + 0.08 * area, unseen))
    return {
        "whitening_depth": Value(round(area / max(whole, 1e-6), 5), round(sigma / max(whole, 1e-6), 5)),
        "whitening_length": Value(round(long, 3), round(0.5 / strip.px_mm * (2 + 2 * len(found)) + 0.1 * long, 3)),
        "whitening_area": Value(round(area, 4), round(sigma, 4)),
    }


def _roughness(reading: SideReading) -> Value:
    """RMS in mm of the contour about its own line, without what is paper and without single bites."""
    strip, contour = reading.strip, reading.contour
    bitten = contour.bite > 0.1
    single = np.zeros(len(bitten), bool)
    for first, past in runs(bitten, gap=round(1.5 * strip.px_mm), least=1):
        if (past - first) / strip.px_mm < _ROUGH_LENGTH_MM:
            single[first:past] = True
    kept = np.isfinite(contour.depth) & ~single & (np.abs(contour.bite) < 1)
    if kept.sum() < 20:
        return UNKNOWN
    rms = float(np.sqrt(np.mean(contour.bite[kept] ** 2)))
    return Value(round(rms, 4), round(0.12 / strip.px_mm + 0.1 * rms, 4))


def white_marks(rim: Rim, strip: Strip, white: Whitening, *, label: str) -> list[Mark]:
    """Marks of a strip's whitening; those in flakes become "chipping" along an edge."""
    found = []
    for first, past in white_runs(strip, white):
        part = slice(first, past)
        deep = white.depth[part]
        length, depth = float(strip.width[part].sum()), float(np.quantile(deep, 0.95))
        flaked = label == "edge_whitening" and _in_flakes(deep + white.cut_face, white.strength[part], length)
        found.append(
            mark_of(
                rim, strip, part, white.start, white.start + white.depth,
                label="chipping" if flaked else label, depth=depth, length=length,
                confidence=confidence_of(depth, strip.px_mm, math.hypot(white.noise, uneven_mm(rim.outline))),
            )
        )  # fmt: skip
    return found


def _in_flakes(depth: Floats, strength: Floats, length: float) -> bool:
    common = float(np.quantile(depth, 0.9))
    shallow = depth < 0.5 * common
    return (
        length > 0.8 and common > 0.1 and bool(shallow.mean() > _FLAKED) and float(np.median(strength[~shallow])) > 0.4
    )


def bite_marks(rim: Rim, strip: Strip, bites: Floats) -> list[Mark]:
    """Marks where stock is missing: a ragged stretch is a rough cut, a short one a notch, a large one missing stock."""
    found: list[Mark] = []
    step = float(np.median(strip.width))
    for first, past in runs(bites > 0, gap=round(_ROUGH_GAP_MM / step), least=2):
        part = slice(first, past)
        single = [(first + a, first + b) for a, b in runs(bites[part] > 0, gap=round(0.25 / step), least=2)]
        often = float((bites[part] > 0).mean()) >= _ROUGH_SHARE or len(single) >= _ROUGH_BITES
        if (past - first) * step >= _ROUGH_LENGTH_MM and often and float(bites[part].max()) < _STOCK_DEPTH_MM:
            origin = _rough_origin(bites[part], float(strip.width[part].sum()))
            found.append(_bite(rim, strip, part, bites, label="rough_cut", origin=origin))
            continue
        for a, b in single:
            deep, long = float(bites[a:b].max()), (b - a) * step
            if deep >= _LEAST_BITE_MM and long >= max(_LEAST_BITE_MM, 4 / strip.px_mm):
                large = deep >= _STOCK_DEPTH_MM and long >= _STOCK_LENGTH_MM
                found.append(_bite(rim, strip, slice(a, b), bites, label="missing_stock" if large else "notch"))
    return found


def _rough_origin(bites: Floats, length: float) -> str:
    """A blunt blade leaves one long, evenly ragged stretch; handling does not."""
    deep = bites[bites > 0]
    parts = [float(np.mean(each)) for each in np.array_split(bites, 4)]
    even = float(np.std(deep)) < _EVEN_SPREAD * float(np.mean(deep)) and min(parts) > 0.3 * max(parts)
    return FACTORY if even and length >= _EVEN_LENGTH_MM else HANDLING


def _bite(rim: Rim, strip: Strip, part: slice, bites: Floats, *, label: str, origin: str = HANDLING) -> Mark:
    depth, length = float(bites[part].max()), float(strip.width[part].sum())
    sure = confidence_of(depth, strip.px_mm, uneven_mm(rim.outline))
    return mark_of(
        rim, strip, part, np.zeros_like(bites), bites, label=label, depth=depth, length=length, confidence=sure,
        origin=origin,
    )  # fmt: skip


def mark_of(
    rim: Rim,
    strip: Strip,
    part: slice,
    start: Floats,
    end: Floats,
    *,
    label: str,
    depth: float,
    length: float,
    confidence: float,
    origin: str = HANDLING,
) -> Mark:
    """A mark between two depths along a stretch of a strip."""
    stations = np.arange(part.start, part.stop)
    few = np.unique(np.linspace(0, len(stations) - 1, min(len(stations), 60)).astype(int))
    shown = stations[few]
    deep = np.maximum(end[shown], start[shown] + 0.02)
    ring = np.concatenate([strip.at(shown, start[shown]), strip.at(shown[::-1], deep[::-1])])
    if len(ring) < 4:
        ring = np.concatenate([ring, ring + 0.01])
    return Mark(
        label=label,
        origin=origin,
        outline=rim.ring(ring),
        outline_mm=tuple((float(x), float(y)) for x, y in ring.round(3)),
        length_mm=round(max(length, depth), 3),
        depth_mm=round(depth, 4),
        area_mm2=round(float(strip.areas(start, end)[part].sum()), 4),
        confidence=confidence,
    )


def lengths_differ(outline: Outline) -> float:
    """How much opposite sides of a card differ in length in the picture, as a share."""
    quad = outline.quad
    long = [float(np.hypot(*(quad[(n + 1) % 4] - quad[n]))) for n in range(4)]
    return max(abs(long[0] / long[2] - 1), abs(long[1] / long[3] - 1))


def uneven_mm(outline: Outline) -> float:
    """How deep a mark of wear a flawless card may seem to have, one standard deviation."""
    return UNEVEN_SCAN_MM if lengths_differ(outline) < STRAIGHT_ON else UNEVEN_PHOTO_MM


def confidence_of(depth: float, px_mm: float, noise: float) -> float:
    """0 to 1 from how many standard deviations deep it is; half a pixel counts as one."""
    over = depth / np.hypot(max(noise, 0.01), 0.5 / px_mm)
    return round(float(1 - np.exp(-0.35 * max(over - 0.5, 0.0))), 3)
