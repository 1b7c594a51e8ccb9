"""What a picture shows of its own quality: how sharp and bright it is, whether there is glare, whether a card.

All functions take a reduced picture and return numbers; what counts as bad is for `rcg.quality.limits` to say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels

Grey = NDArray[np.uint8]

LONGEST = 960
"""Pixels of the longer side that pictures are reduced to: blur that spoils training shows, and a phone's JPEG is
decoded at a quarter of its size."""

THUMB = 16
"""Pixels of a side of the small picture that duplicates are told by."""

_TILE = 64
_SPOT = 5e-4  # of the picture: smaller ones are beads of light on foil and lacquer
_WIDE = 12  # pixels around a spot that are looked at
_BRIGHT_RIM, _FADING = 215, 17.0  # grey values, and grey values a pixel; lamps on real photos have 15, print has 21
_SEEN = 360  # outlines of cards are looked for at this size
_CARD = (1.15, 1.85)  # 88 to 63 mm is 1.40; the rest is for slanted views
_FULL = (1.34, 1.46)  # a picture of these sides may be one card from edge to edge
_SENSORS = (4 / 3, 3 / 2)  # sides of what cameras take
_LINE, _MEET = 0.06, 0.04  # how long a straight line is, and how near the ends of two are, as parts of the longer side
_FRAME = 4  # pixels around the picture, so that what it cuts off has an outline


def grey_of(pixels: Pixels) -> Grey:
    """(height, width) uint8 luma of an RGB picture."""
    import cv2

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def sharpness(grey: Grey) -> float | None:
    """How sharp the sharpest part of a picture is, 0 to 1.

    In each tile with some contrast the picture is compared with itself blurred: what blurring takes away is what was
    sharp (after Crete et al., "The blur effect", 2007). A background out of focus does no harm, since the sharpest
    tenth of the tiles counts.

    Args:
        grey: (height, width) uint8.

    Returns:
        None where nothing in the picture has contrast.
    """
    import cv2

    picture = grey.astype(np.float32)
    best = []
    for axis in (0, 1):
        size = (1, 9) if axis == 0 else (9, 1)
        edges = np.abs(np.diff(picture, axis=axis))
        left = np.abs(np.diff(cv2.blur(picture, size), axis=axis))
        lost = np.maximum(edges - left, 0)
        sums, losses = _tiles(edges), _tiles(lost)
        enough = sums > 1.5 * _TILE * _TILE
        best.append(np.where(enough, losses / np.maximum(sums, 1), np.nan))
    ratio = np.fmax(best[0][: best[1].shape[0], : best[1].shape[1]], best[1][: best[0].shape[0], : best[0].shape[1]])
    found = ratio[np.isfinite(ratio)]
    return float(np.quantile(found, 0.9)) if found.size else None


def _tiles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums over tiles; what does not fill a tile is left out, unless the picture is smaller than one."""
    rows, columns = max(1, values.shape[0] // _TILE), max(1, values.shape[1] // _TILE)
    high, wide = min(_TILE, values.shape[0]), min(_TILE, values.shape[1])
    cut = values[: rows * high, : columns * wide].astype(np.float64)
    sums = cut.reshape(rows, high, columns, wide).sum(axis=(1, 3))
    return np.asarray(sums * (_TILE * _TILE / (high * wide)), dtype=np.float64)


def brightness(grey: Grey) -> tuple[float, float]:
    """The grey values that 2 % of the pixels are below, and 2 % above, 0 to 255."""
    low, high = np.percentile(grey[::2, ::2], (2, 98))
    return float(low), float(high)


def lights(pixels: Pixels) -> tuple[float, float]:
    """The shares of the picture under reflections of a lamp, and of paper that is burned out, 0 to 1.

    Both are spots that are white to the limit of the sensor with a bright rim; print has a sharp rim. A reflection goes
    on fading further out, while burned-out paper ends at print and at the card's edge. Spots at the picture's edge are
    taken for background.

    Args:
        pixels: (height, width, 3) uint8 RGB.
    """
    import cv2

    red, green, blue = cv2.split(pixels)
    least = cv2.min(cv2.min(red, green), blue)
    white = (least >= 252).astype(np.uint8)
    if not white.any():
        return 0.0, 0.0
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=8)
    height, width = least.shape
    area = height * width
    luma = np.asarray(cv2.GaussianBlur(grey_of(pixels), (0, 0), 1.0), dtype=np.uint8)
    reflected = burned = 0
    for number in np.flatnonzero(stats[:, 4] >= _SPOT * area):
        x, y, across, down, size = stats[number].tolist()
        inside = x > 0 and y > 0 and x + across < width and y + down < height
        if number == 0 or not inside or size < 0.35 * across * down:
            continue
        window = np.s_[max(0, y - _WIDE) : y + down + _WIDE, max(0, x - _WIDE) : x + across + _WIDE]
        rim, slope = _surroundings(numbers[window] == number, luma[window])
        if rim >= _BRIGHT_RIM:
            reflected += size if slope <= _FADING else 0
            burned += size if slope > _FADING else 0
    return reflected / area, burned / area


def _surroundings(spot: NDArray[np.bool_], luma: Grey) -> tuple[float, float]:
    """How bright the darker part of a spot's rim is, and how steep the steeper places around it are, a pixel."""
    import cv2

    mask = spot.astype(np.uint8)
    rim = cv2.dilate(mask, np.ones((9, 9), np.uint8)).astype(bool) & ~spot
    around = cv2.dilate(mask, np.ones((2 * _WIDE + 1, 2 * _WIDE + 1), np.uint8)).astype(bool) & ~spot
    across, down = (cv2.Sobel(luma, cv2.CV_32F, *step) / 8 for step in ((1, 0), (0, 1)))
    return float(np.percentile(luma[rim], 20)), float(np.percentile(np.hypot(across, down)[around], 90))


def card_seen(grey: Grey) -> bool:
    """Whether anything in a picture has a card's outline, or at least a straight corner.

    Looked for are four-sided outlines of about a card's sides, in edges and in areas that stand out, and long straight
    lines that meet at an angle. A picture with a card's own sides counts as one card. Cards in a fan, half covered or
    cut off by the frame have corners; lawns, faces and blank tables have none.

    Args:
        grey: (height, width) uint8.
    """
    import cv2

    height, width = grey.shape
    aspect = max(height, width) / min(height, width)
    if _FULL[0] <= aspect <= _FULL[1] and all(abs(aspect - each) > 0.008 for each in _SENSORS):
        return True
    factor = min(1.0, _SEEN / max(height, width))
    small = np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return _has_corner(small) or _has_outline(small)


def _has_corner(small: Grey) -> bool:
    """Whether two straight lines of some length meet at 65 to 90 degrees."""
    import cv2

    found = cv2.createLineSegmentDetector().detect(cv2.GaussianBlur(small, (0, 0), 0.8))[0]
    lines = np.zeros((0, 4)) if found is None else found[:, 0].astype(np.float64)
    along = lines[:, 2:] - lines[:, :2]
    lengths = np.hypot(along[:, 0], along[:, 1])
    longest = max(small.shape)
    best = np.argsort(-lengths)[:80]
    best = best[lengths[best] >= _LINE * longest]
    if best.size < 2:
        return False
    directions = along[best] / lengths[best, None]
    crossing = np.abs(directions @ directions.T) < np.cos(np.radians(65))
    ends = np.stack([lines[best, :2], lines[best, 2:]], axis=1)
    apart = np.linalg.norm(ends[:, None, :, None] - ends[None, :, None, :], axis=-1).min(axis=(2, 3))
    return bool((crossing & (apart < _MEET * longest)).any())


def _has_outline(small: Grey) -> bool:
    import cv2

    framed = cv2.copyMakeBorder(small, _FRAME, _FRAME, _FRAME, _FRAME, cv2.BORDER_REPLICATE)
    for mask in _masks(np.asarray(cv2.bilateralFilter(framed, 7, 40, 7), dtype=np.uint8)):
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        if any(_as_card(outline, small.shape) for outline in outlines):
            return True
    return False


def _masks(smooth: Grey) -> list[Grey]:
    """Edges, and what is brighter or darker than the rest, as masks whose outlines are looked at."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    middle = float(np.median(smooth))
    masks = [cv2.dilate(cv2.Canny(smooth, low, 2.5 * low), kernel) for low in (20, 45, max(15.0, 0.4 * middle))]
    level, bright = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    masks += [bright, cv2.bitwise_not(bright)]
    masks += [
        cv2.threshold(smooth, level * part, 255, cv2.THRESH_BINARY)[1] for part in (0.6, 1.3) if level * part < 250
    ]
    return [np.asarray(mask, dtype=np.uint8) for mask in masks]


def _as_card(outline: Any, shape: tuple[int, int]) -> bool:
    """Whether an outline in a framed picture is a card's: four corners, its sides, and no part of the picture's rim."""
    import cv2

    hull = cv2.convexHull(outline)
    size, area = float(cv2.contourArea(hull)), shape[0] * shape[1]
    if not 0.011 * area <= size <= 0.9 * area:
        return False
    x, y, across, down = cv2.boundingRect(hull)
    rims = (x <= _FRAME, y <= _FRAME, x + across >= shape[1] + _FRAME, y + down >= shape[0] + _FRAME)
    (_, _), sides, _ = cv2.minAreaRect(hull)
    short, long = sorted(sides)
    if sum(rims) > 1 or short < 12 or not _CARD[0] <= long / short <= _CARD[1] or size < 0.85 * short * long:
        return False
    return len(cv2.approxPolyDP(hull, 0.035 * cv2.arcLength(hull, closed=True), closed=True)) == 4


def thumbnail(grey: Grey) -> Grey:
    """A picture of 16 x 16 grey values, the mean of what each stands for: the same for a copy of another size."""
    import cv2

    return np.asarray(cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA), dtype=np.uint8)
