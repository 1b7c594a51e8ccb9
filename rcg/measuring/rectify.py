"""From an outline in a picture to the card's own millimetres, and back; along its edges where a lens bows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.card_specs import CARD_SPECS
from rcg.geometry import extent, homography, transform
from rcg.images import Pixels
from rcg.measuring.types import Outline

Floats = NDArray[np.float64]

_FOCAL = np.array([0.65, 0.8, 1.0, 1.3, 2.0, 5.0])  # focal lengths over the longer side of the picture
_SKEW = 0.5  # what the cosine of a rectangle's angle counts against its proportions' logarithm
_ROUNDS = 12  # of the way back through a bow; each gains a digit or two
ASPECTS = np.array(sorted({each.width / each.height for each in CARD_SPECS.values()}))


def corners_mm(width: float, height: float) -> Floats:
    """(4, 2) mm: a card's corners, as if not rounded, in its own frame, clockwise from the left top."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)


def to_pixels(quad: ArrayLike, width: float, height: float) -> Floats:
    """The (3, 3) homography from the card's millimetres to the picture's pixels.

    Args:
        quad: (4, 2) corners in pixels, clockwise from the card's left top.
        width: Of the card, mm.
        height: Of the card, mm.
    """
    return homography(corners_mm(width, height), quad)


def straight(quad: ArrayLike, size: tuple[float, float]) -> Callable[[Floats], Floats]:
    """The map from (n, 2) millimetres of a card of `size` to pixels, its sides taken as straight."""
    return partial(transform, to_pixels(quad, *size))


def photo_points(outline: Outline, mm: ArrayLike) -> Floats:
    """Where points of the card lie in the picture.

    The homography of the corners, and what the edges bow between them, which fades linearly to the opposite edge
    (Coons, Surfaces for computer-aided design of space forms, 1967).

    Args:
        outline: The card.
        mm: (n, 2) in the card's frame; points a little outside of it too.

    Returns:
        (n, 2) px.
    """
    width, height = outline.spec.width, outline.spec.height
    return transform(to_pixels(outline.quad, width, height), _bowed(outline, np.asarray(mm, np.float64)))


def card_points(outline: Outline, px: ArrayLike) -> Floats:
    """(n, 2) mm in the card's frame of (n, 2) px: the inverse of `photo_points`."""
    width, height = outline.spec.width, outline.spec.height
    flat = transform(np.linalg.inv(to_pixels(outline.quad, width, height)), px)
    found = flat.copy()
    for _ in range(_ROUNDS if outline.lines else 0):
        found += flat - _bowed(outline, found)
    return found


def _bowed(outline: Outline, mm: Floats) -> Floats:
    """Millimetres along the edges as they run, in millimetres of the quad with straight sides."""
    if not outline.lines:
        return mm
    width, height = outline.spec.width, outline.spec.height
    left, top, right, bottom = outline.lines
    x, y = np.clip(mm[:, 0], 0, width), np.clip(mm[:, 1], 0, height)
    across, down = x / width, y / height
    moved = mm.astype(np.float64, copy=True)
    moved[:, 0] += left.at(y) * (1 - across) - right.at(y) * across
    moved[:, 1] += top.at(x) * (1 - down) - bottom.at(x) * down
    return moved


def rectified(pixels: Pixels, outline: Outline, *, px_mm: float, margin_mm: float = 2.0) -> tuple[Pixels, Floats]:
    """The card as seen straight on, its print upright as far as that is known.

    Args:
        pixels: (h, w, 3) uint8 picture.
        outline: The card in it.
        px_mm: Pixels a millimetre of the result.
        margin_mm: How much is shown beyond the cut.

    Returns:
        (H, W, 3) uint8, and the (3, 3) matrix from millimetres of the card to its pixels.

    Example:
        >>> from rcg.card_specs import CardSpec
        >>> quad = np.array([(10.0, 10.0), (73.0, 10.0), (73.0, 98.0), (10.0, 98.0)])
        >>> outline = Outline(quad=quad, spec=CardSpec(), spec_reason="given", lines=(), score=1.0)
        >>> rectified(np.zeros((110, 90, 3), np.uint8), outline, px_mm=1, margin_mm=1)[0].shape
        (90, 65, 3)
    """
    width, height = outline.spec.width, outline.spec.height
    columns, rows = (max(1, math.ceil((each + 2 * margin_mm) * px_mm)) for each in (width, height))
    x, y = ((np.arange(n) + 0.5) / px_mm - margin_mm for n in (columns, rows))
    mm = np.column_stack([np.tile(x, rows), np.repeat(y, columns)])
    at = photo_points(outline, mm)
    source, at = _fitting(pixels, at, outline.quad, px_mm, width)
    maps = np.clip(at - 0.5, -32000, 32000).astype(np.float32).reshape(rows, columns, 2)
    picture = _remapped(source, maps)
    return picture, np.array([(px_mm, 0, margin_mm * px_mm), (0, px_mm, margin_mm * px_mm), (0, 0, 1)], np.float64)


def _fitting(pixels: Pixels, at: Floats, quad: Floats, px_mm: float, width: float) -> tuple[Pixels, Floats]:
    """The part of the picture that is read, reduced where it is finer than the result, and the places in it."""
    least, most = extent(at)
    low = np.clip(np.floor(least).astype(int) - 3, 0, np.array(pixels.shape[1::-1]) - 1)
    high = np.clip(np.ceil(most).astype(int) + 3, low + 1, pixels.shape[1::-1])
    crop, at = pixels[low[1] : high[1], low[0] : high[0]], at - low
    times = side_lengths(quad)[0] / width / px_mm
    if times > 1.5:
        size = tuple(max(1, round(n / times)) for n in crop.shape[1::-1])
        scale = np.array(size) / crop.shape[1::-1]
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
        at = at * scale
    return crop, at


def _remapped(source: Pixels, maps: NDArray[np.float32]) -> Pixels:
    # a source side of 32767 px or more is beyond what remap takes; a card's crop of 100 MP stays below
    found = cv2.remap(source, maps, np.empty(0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8)


def side_lengths(quad: ArrayLike) -> tuple[float, float]:
    """Mean length of the top and bottom, and of the left and right side, in pixels."""
    q = np.asarray(quad, dtype=np.float64)
    edges = np.linalg.norm(np.roll(q, -1, axis=0) - q, axis=1)
    return float(edges[0] + edges[2]) / 2, float(edges[1] + edges[3]) / 2


def clockwise(quad: ArrayLike) -> Floats:
    """The same corners, clockwise as seen on the picture, from the one nearest to the picture's left top."""
    q = np.asarray(quad, dtype=np.float64)
    middle = q.mean(axis=0)
    q = q[np.argsort(np.arctan2(q[:, 1] - middle[1], q[:, 0] - middle[0]))]
    return np.asarray(np.roll(q, -int(np.argmin(q.sum(axis=1))), axis=0))


def portrait(quad: ArrayLike, size: tuple[int, int], aspects: Floats = ASPECTS) -> Floats:
    """Corners in the order of a card that stands upright, its long sides left and right.

    Which of the two short sides is the top cannot be told from the outline: the one higher up on the picture is taken.

    Args:
        quad: (4, 2) corners in pixels in any order.
        size: Width and height of the picture in pixels.
        aspects: Width over height of the cards that are thought of.
    """
    q = clockwise(quad)
    turned = np.roll(q, -1, axis=0)
    if misfit(turned, size, aspects) < misfit(q, size, aspects):
        q = turned
    return np.asarray(np.roll(q, 2, axis=0)) if q[:2, 1].sum() > q[2:, 1].sum() else q


def aspect_ranges(quads: Floats, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Proportions and skew of the flat things that quads show, for focal lengths from a wide lens to a distant one.

    The shape of one quad rarely gives the focal length well, and a cropped picture hides its optical centre. (Zhang
    and He, Whiteboard scanning and image enhancement, 2007, equations 16 and 20.)

    Args:
        quads: (n, 4, 2) corners in pixels, clockwise from the left top.
        size: Width and height of the picture in pixels.

    Returns:
        (n, k) width over height, and (n, k) the cosine of the angle between width and height, 0 for a rectangle; the
        last for a camera far away.
    """
    centre = (size[0] / 2, size[1] / 2)
    m = np.concatenate([np.asarray(quads, np.float64) - centre, np.ones((len(quads), 4, 1))], axis=2)
    m1, m2, m4, m3 = m[:, 0], m[:, 1], m[:, 2], m[:, 3]  # the paper numbers the corners row by row
    across, down = _triple(m1, m4, m3) / _triple(m2, m4, m3), _triple(m1, m4, m2) / _triple(m3, m4, m2)
    n2, n3 = across[:, None] * m2 - m1, down[:, None] * m3 - m1
    inverse = 1 / (_FOCAL * max(size)) ** 2

    def product(a: Floats, b: Floats) -> Floats:
        return np.asarray((a[:, :2] * b[:, :2]).sum(axis=1)[:, None] * inverse + (a[:, 2] * b[:, 2])[:, None])

    wide, high = product(n2, n2), np.maximum(product(n3, n3), 1e-12)
    return np.sqrt(wide / high), np.asarray(product(n2, n3) / np.sqrt(np.maximum(wide * high, 1e-24)))


def _triple(a: Floats, b: Floats, c: Floats) -> Floats:
    """(n,) the determinants of rows of vectors with 1 in their last place; never 0."""
    ux, uy, vx, vy = a[:, 0] - c[:, 0], a[:, 1] - c[:, 1], b[:, 0] - c[:, 0], b[:, 1] - c[:, 1]
    found = ux * vy - uy * vx
    return np.where(np.abs(found) < 1e-9, 1e-9, found)


def misfits(quads: Floats, size: tuple[int, int], aspects: Floats = ASPECTS) -> Floats:
    """(n, len(aspects)) how far quads are from rectangles of each of `aspects`; 0 fits.

    The natural logarithm of the proportions, and half of the skew, at the focal length of those that are thought of
    where both together are least: a quad that is no card fits at none.
    """
    ratios, skew = aspect_ranges(quads, size)
    off = np.abs(np.log(ratios[:, None, :] / aspects[None, :, None]))
    return np.asarray(np.hypot(off, _SKEW * skew[:, None, :]).min(axis=2))


def misfit(quad: ArrayLike, size: tuple[int, int], aspects: Floats = ASPECTS) -> float:
    """The least of `misfits` for one quad."""
    return float(misfits(np.asarray(quad, np.float64)[None], size, aspects).min())
