"""The rim of a card drawn out straight: its colours across the cut edge.

Eight strips go around a card: one along each side between the corners, and one around each corner. A strip's rows are
stations along the rim, its columns depths inwards from the cut edge as the outline tells it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.images import Pixels
from rcg.measuring.rectify import card_points, photo_points
from rcg.measuring.types import CORNERS, SIDES, Floats, Outline
from rcg.types import Point

Plane = NDArray[np.float32]
Colours = NDArray[np.float32]
Mask = NDArray[np.bool_]

OUTSIDE_MM, INSIDE_MM = 1.2, 2.6
"""How far a strip reaches beyond the cut edge, and into the card."""
LEAST_CORNER_MM = 2.5
"""A corner's strip covers a square of at least this size, so that square corners have one too."""
MOST_PX_MM = 32.0
"""Strips are not sampled finer: fibres and bites are wider than two such pixels."""
ROOM_MM = (0.45, 1.1)
"""Beyond the cut edge, where the colour of what lies beside the card is read: past the seam of its shadow."""
BORDER_MM = (0.6, 1.5)
"""Inside the cut edge, where the border's own colour is read: past what wear reaches on most of a side."""
FOLLOW_MM = 4.0
"""The two colours are medians over so much of the rim to both sides: they may change slowly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """A part of the rim, drawn out straight.

    Attributes:
        name: One of `SIDES` or `CORNERS`.
        base: (n, 2) mm in the card's frame, each station's place on the cut edge.
        into: (n, 2) unit vectors into the card.
        depth: (m,) mm inwards; below zero outside.
        width: (n,) mm of the cut edge that each station stands for.
        colours: (n, m, 3) sRGB, 0 to 1.
        inside: (n, m) whether the picture shows it.
        px_mm: Pixels of the picture a millimetre.
        focus: (n,) mm from the cut edge to where a corner's rays meet; infinite along a side.
        border: (n, 3) the border's colour along the strip, sRGB from 0 to 1.
        beside: (n, 3) the colour of what lies beside the card.
        even: How far the border's colours scatter about `border`, 0 to 1; art that reaches the edge scatters widely.
        border_mm: How wide the border is, mm; infinite where that is not known.
    """

    name: str
    base: Floats
    into: Floats
    depth: Floats
    width: Floats
    colours: Colours
    inside: Mask
    px_mm: float
    focus: Floats
    border: Colours
    beside: Colours
    even: float
    border_mm: float = math.inf

    def columns(self, low: float, high: float) -> slice:
        """The columns from one depth to another, mm."""
        first, last = np.searchsorted(self.depth, [low, high])
        return slice(int(first), max(int(first) + 1, int(last)))

    def at(self, stations: ArrayLike, depths: ArrayLike) -> Floats:
        """(k, 2) mm in the card's frame of places on the strip."""
        which = np.asarray(stations, np.intp)
        return np.asarray(self.base[which] + self.into[which] * np.asarray(depths, np.float64)[:, None])

    def areas(self, start: Floats, end: Floats) -> Floats:
        """(n,) mm2 between two depths, (n,) each; the rays of a corner come closer further in."""
        return np.asarray(self.width * (1 - (start + end) / 2 / self.focus) * (end - start))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rim:
    """All strips of a card, and white paper in its light: (3,) sRGB from 0 to 1."""

    outline: Outline
    sides: tuple[Strip, ...]
    corners: tuple[Strip, ...]
    white: Floats

    def ring(self, mm: Floats) -> tuple[Point, ...]:
        """Pixels of places on the card."""
        return tuple((float(x), float(y)) for x, y in photo_points(self.outline, mm).round(2))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    pixels: Pixels
    outline: Outline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rays:
    """Where a strip lies; as in `Strip`."""

    name: str
    base: Floats
    into: Floats
    width: Floats
    focus: Floats


def sample_rim(pixels: Pixels, outline: Outline, *, inner_quad: ArrayLike | None = None) -> Rim:
    """Read a card's rim.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card's cut edge.
        inner_quad: (4, 2) px, where the border ends; narrow borders are then read no deeper than that.
    """
    spec = outline.spec
    widths = [math.inf] * 4
    if inner_quad is not None:
        inner = card_points(outline, inner_quad)
        widths = _border_widths(inner, spec.width, spec.height)
    view = _View(pixels=pixels, outline=outline)
    sides = tuple(_side(view, k, widths[k]) for k in range(4))
    pairs = ((0, 1), (1, 2), (2, 3), (3, 0))
    corners = tuple(_corner(view, k, min(widths[a], widths[b])) for k, (a, b) in enumerate(pairs))
    return Rim(outline=outline, sides=sides, corners=corners, white=white_of(pixels, outline))


def corner_reach(outline: Outline) -> float:
    """How far along its sides a corner reaches, mm."""
    return max(outline.spec.radius, LEAST_CORNER_MM)


def white_of(pixels: Pixels, outline: Outline) -> Floats:
    """(3,) bare paper in this picture's light, sRGB from 0 to 1: the brightest that the card shows, at least 0.7."""
    low = np.maximum(np.floor(outline.quad.min(axis=0)).astype(int), 0)
    high = np.ceil(outline.quad.max(axis=0)).astype(int)
    step = max(1, round(float(np.min(high - low)) / 200))
    part = pixels[low[1] : high[1] : step, low[0] : high[0] : step].reshape(-1, 3)
    if not len(part):
        return np.full(3, 0.9)
    bright = part[part.min(axis=1) >= np.quantile(part.min(axis=1), 0.99)]
    return np.asarray(np.maximum(np.median(bright, axis=0) / 255, 0.7))


def _border_widths(inner: Floats, width: float, height: float) -> list[float]:
    a, b, c, d = inner
    found = [(a[0] + d[0]) / 2, (a[1] + b[1]) / 2, width - (b[0] + c[0]) / 2, height - (c[1] + d[1]) / 2]
    return [float(max(each, 0.0)) for each in found]


def _side(view: _View, k: int, border: float) -> Strip:
    outline, reach = view.outline, corner_reach(view.outline)
    w, h = outline.spec.width, outline.spec.height
    side, length = SIDES[k], (h if k in {0, 2} else w)
    into = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][k])
    home = np.array([(0.0, 0.0), (0.0, 0.0), (w, 0.0), (0.0, h)][k])
    ahead = np.abs(into[::-1])
    step = 1 / _scale(outline, home + ahead * length / 2, into)
    along = np.arange(reach + step / 2, length - reach, step)
    base = home + along[:, None] * ahead
    widths, focus = np.full(len(base), step), np.full(len(base), np.inf)
    rays = _Rays(name=side, base=base, into=np.tile(into, (len(base), 1)), width=widths, focus=focus)
    return _sampled(view, rays, border)


def _corner(view: _View, k: int, border: float) -> Strip:
    """Rays from a place inside the corner outwards; those of a round corner stand upright on its arc."""
    outline, reach = view.outline, corner_reach(view.outline)
    w, h, r = outline.spec.width, outline.spec.height, outline.spec.radius
    sign = np.array([(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)][k])
    home = np.array([(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)][k])
    step = 1 / _scale(outline, home + sign * reach / 2, sign / math.sqrt(2))
    count = max(12, math.ceil(reach * math.pi / 2 / step))
    turns = (np.arange(count) + 0.5) / count * math.pi / 2
    rays = np.column_stack([np.cos(turns), np.sin(turns)])
    long = _ray_to_rim(rays, reach, r)
    centre = home + sign * reach
    base, into = centre - sign * rays * long[:, None], sign * rays
    width = long * (math.pi / 2 / count)
    return _sampled(view, _Rays(name=CORNERS[k], base=base, into=into, width=width, focus=long), border)


def _ray_to_rim(rays: Floats, reach: float, radius: float) -> Floats:
    """(n,) mm from the middle of the corner's square, (reach, reach), along outward rays to the corner's rim."""
    straight = reach / rays.max(axis=1)
    more = reach - radius  # the arc's middle lies so far beyond, along both axes
    along = more * rays.sum(axis=1)
    root = along * along - (2 * more * more - radius * radius)
    arc = along + np.sqrt(np.maximum(root, 0))
    on_arc = (rays * arc[:, None] >= more).all(axis=1) if radius > 0 else np.zeros(len(rays), bool)
    return np.asarray(np.where(on_arc, arc, straight), np.float64)


def _scale(outline: Outline, place: Floats, into: Floats) -> float:
    """Pixels a millimetre that a strip is sampled at."""
    ends = photo_points(outline, np.array([place, place + into]))
    return min(MOST_PX_MM, max(float(np.hypot(*(ends[1] - ends[0]))), 1.0))


def _sampled(view: _View, rays: _Rays, border: float) -> Strip:
    """Read a strip, its border no deeper than `border` mm."""
    import cv2

    scale = _scale(view.outline, rays.base[len(rays.base) // 2], rays.into[len(rays.into) // 2])
    deep = min(INSIDE_MM, 0.97 * float(rays.focus.min()))
    depth = np.arange(-math.ceil(OUTSIDE_MM * scale), math.floor(deep * scale) + 1) / scale
    place = rays.base[:, None, :] + rays.into[:, None, :] * depth[None, :, None]
    px = (photo_points(view.outline, place.reshape(-1, 2)) - 0.5).astype(np.float32).reshape(*place.shape[:2], 2)
    found = cv2.remap(view.pixels, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colours = found.astype(np.float32) / np.float32(255)
    size = np.array([view.pixels.shape[1] - 1, view.pixels.shape[0] - 1], np.float32)
    inside = np.asarray(((px >= 0) & (px <= size)).all(axis=2))
    reach = max(1, round(FOLLOW_MM * scale))
    low = min(BORDER_MM[0], 0.4 * border)
    band = _between(depth, low, max(low + 0.2, min(BORDER_MM[1], 0.8 * border)))
    border_colour = _followed(colours[:, band], reach)
    away = np.abs(colours[:, band] - border_colour[:, None, :]).max(axis=2)
    return Strip(
        name=rays.name,
        base=rays.base,
        into=rays.into,
        depth=depth,
        width=rays.width,
        colours=colours,
        inside=inside,
        px_mm=scale,
        focus=rays.focus,
        border=border_colour,
        beside=_followed(colours[:, _between(depth, -ROOM_MM[1], -ROOM_MM[0])], reach),
        even=float(np.median(away)),
        border_mm=border,
    )


def _between(depth: Floats, low: float, high: float) -> slice:
    first, last = np.searchsorted(depth, [low, high])
    return slice(int(first), max(int(first) + 1, int(last)))


def _followed(band: Colours, reach: int) -> Colours:
    """(n, 3): the median across a band of (n, k, 3), then the running median along it."""
    from scipy.ndimage import median_filter

    middle = np.median(band, axis=1)
    thin = max(1, reach // 8)  # a slow colour needs no median of every station
    few = middle[thin // 2 :: thin]
    smooth = median_filter(few, size=(2 * (reach // thin) + 1, 1), mode="nearest")
    places = np.arange(len(few)) * thin + thin // 2
    return np.stack([np.interp(np.arange(len(middle)), places, smooth[:, c]) for c in range(3)], axis=1).astype(
        np.float32
    )
