"""A card's face drawn out flat, with what its border should look like everywhere, and where nothing can be judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rcg.images import Pixels
from rcg.measuring.rectify import card_points, photo_points, rectified
from rcg.measuring.rim import Mask, Plane
from rcg.measuring.types import Floats, Outline
from rcg.types import Point

MOST_PX_MM = 12.0
"""Marks that one photo shows are wider than two pixels of this size."""
RIM_MM, FRAME_MM = 0.8, 0.35
"""The border is looked at from so far inside the cut edge, where wear ends, to so far from the print."""
CORNER_MM = 1.2
"""Corners are left out up to so far beyond their arc: the table shows in those that are rounder than they should be."""
FOLLOW_MM = 8.0
"""The border's colour is followed along a side over so much to both sides: slow shading is no mark."""
MOST_UNEVEN = 0.05
"""Borders that scatter more about their own colour, of 1 in sRGB, are art, foil or a pattern."""
_GLARE = 0.97


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A face drawn out flat.

    Attributes:
        outline: Where the card lies in the picture.
        px_mm: Pixels a millimetre of what follows; the card's left top corner is that of the first pixel.
        colours: (h, w, 3) sRGB, 0 to 1.
        away: (h, w, 3) how far each pixel of the border lies off the border's own colour; 0 elsewhere.
        border: (h, w) the border's judged part.
        noise: (h, w) robust standard deviation of `away` on the side that a pixel belongs to; 0 off the border.
        glare: (h, w) where light is mirrored so strongly that nothing shows.
        lit: (h, w) how much lighter the border's own colour is there than along the side as a whole: a mirrored window.
    """

    outline: Outline
    px_mm: float
    colours: Plane
    away: Plane
    border: Mask
    noise: Plane
    glare: Mask
    lit: Plane

    def ring(self, px: Floats) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """A ring of flat pixels, (n, 2), in pixels of the picture, and in millimetres of the card."""
        mm = np.asarray(px, np.float64) / self.px_mm
        at = photo_points(self.outline, mm).round(2)
        return tuple((float(x), float(y)) for x, y in at), tuple((float(x), float(y)) for x, y in mm.round(3))


def flat_frame(pixels: Pixels, outline: Outline, *, inner_quad: ArrayLike | None = None) -> Frame:
    """Draw a face out flat and read its border.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card's cut edge.
        inner_quad: (4, 2) px, where the border ends; without it no border is judged.
    """
    width, height = outline.spec.width, outline.spec.height
    q = outline.quad
    native = float(np.hypot(*(q[1] - q[0])) / width + np.hypot(*(q[3] - q[0])) / height) / 2
    px_mm = min(MOST_PX_MM, native)
    flat, _ = rectified(pixels, outline, px_mm=px_mm, margin_mm=0.0)
    colours = flat.astype(np.float32) / np.float32(255)
    away, border = np.zeros_like(colours), np.zeros(colours.shape[:2], bool)
    noise, lit = np.zeros(colours.shape[:2], np.float32), np.zeros(colours.shape[:2], np.float32)
    if inner_quad is not None:
        inner = card_points(outline, inner_quad)
        for part, upright in _border_parts(inner, width, height, px_mm, colours.shape[:2]):
            _read_border(colours[part], away[part], border[part], noise[part], lit[part], upright=upright, px_mm=px_mm)
    corner = round((max(outline.spec.radius, RIM_MM) + CORNER_MM) * px_mm)
    for rows in (slice(0, corner), slice(-corner, None)):
        for columns in (slice(0, corner), slice(-corner, None)):
            away[rows, columns], border[rows, columns] = 0, False
    return Frame(
        outline=outline,
        px_mm=px_mm,
        colours=colours,
        away=away,
        border=border,
        noise=noise,
        glare=_glare(colours),
        lit=lit,
    )


def _border_parts(
    inner: Floats, width: float, height: float, px_mm: float, shape: tuple[int, int]
) -> list[tuple[tuple[slice, slice], bool]]:
    """The four borders as parts of the flat picture, and whether each runs up and down; corners belong to two."""
    a, b, c, d = inner
    left, right = min(a[0], d[0]) - FRAME_MM, max(b[0], c[0]) + FRAME_MM
    top, bottom = min(a[1], b[1]) - FRAME_MM, max(c[1], d[1]) + FRAME_MM
    whole_y, whole_x = (RIM_MM, height - RIM_MM), (RIM_MM, width - RIM_MM)
    boxes = [
        ((RIM_MM, left), whole_y, True), (whole_x, (RIM_MM, top), False),
        ((right, width - RIM_MM), whole_y, True), (whole_x, (bottom, height - RIM_MM), False),
    ]  # fmt: skip
    found = []
    for (x0, x1), (y0, y1), upright in boxes:
        rows = slice(max(round(y0 * px_mm), 0), min(round(y1 * px_mm), shape[0]))
        columns = slice(max(round(x0 * px_mm), 0), min(round(x1 * px_mm), shape[1]))
        if rows.stop - rows.start >= 4 and columns.stop - columns.start >= 4:
            found.append(((rows, columns), upright))
    return found


def _read_border(
    colours: Plane, away: Plane, border: Mask, noise: Plane, lit: Plane, *, upright: bool, px_mm: float
) -> None:
    """Fill in one side's part of a frame, in place; a side that is no even border is left out."""
    from scipy.ndimage import median_filter

    across = 1 if upright else 0
    middle = np.median(colours, axis=across)
    thin = max(1, round(0.5 * px_mm))
    few = middle[thin // 2 :: thin]
    smooth = median_filter(few, size=(2 * round(FOLLOW_MM * px_mm / thin) + 1, 1), mode="nearest")
    places = np.arange(len(few)) * thin + thin // 2
    line = np.stack([np.interp(np.arange(len(middle)), places, smooth[:, k]) for k in range(3)], axis=1)
    off = colours - (line[:, None] if upright else line[None]).astype(np.float32)
    spread = 1.4826 * float(np.median(np.abs(off)))
    if spread > MOST_UNEVEN:
        return
    away[...], border[...], noise[...] = off, True, max(spread, 0.004)
    over = np.maximum(line.mean(axis=1) - _straight(line.mean(axis=1)), 0).astype(np.float32)
    lit[...] = over[:, None] if upright else over[None]


def _straight(light: Floats) -> Floats:
    """(n,) the straight line that most of a side's lightness follows, from its darker part: light only adds."""
    at = np.linspace(-1, 1, len(light))
    fit: Floats = np.full(len(light), float(np.median(light)))
    for _ in range(4):
        kept = light < fit + 0.02
        if kept.sum() < 8 or np.ptp(at[kept]) < 1:
            break
        fit = np.asarray(np.polyval(np.polyfit(at[kept], light[kept], 1), at), np.float64)
    return fit


def darkest(colours: Plane) -> Plane:
    """(h, w) the lowest channel of (h, w, 3); plane by plane, which is many times faster than along short rows."""
    return np.asarray(np.minimum(np.minimum(colours[..., 0], colours[..., 1]), colours[..., 2]), np.float32)


def brightest(colours: Plane) -> Plane:
    """(h, w) the highest channel of (h, w, 3), likewise."""
    return np.asarray(np.maximum(np.maximum(colours[..., 0], colours[..., 1]), colours[..., 2]), np.float32)


def _glare(colours: Plane) -> Mask:
    """Where all channels are near full over more than a few square millimetres: a lamp or window that is mirrored."""
    import cv2

    bright = (darkest(colours) > _GLARE).astype(np.uint8)
    side = max(3, round(min(colours.shape[:2]) / 40))
    return np.asarray(cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0)
