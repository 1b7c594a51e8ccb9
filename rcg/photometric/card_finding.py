"""Cards in a capture: where they lie, how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.photometric.field import grey_frames
from rcg.photometric.types import Capture, Floats, Mask

_LONGEST = 600  # pixels of the picture that cards are looked for in
_ASPECT = (1.2, 1.85)  # of trading cards: 1.28 (1952 Topps) to 1.87 (tallboys)
_CORNER = 0.055
"""Radius of the corners left out, as a share of the card's short side: 3.5 mm of 63."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundCard:
    """A thing with the shape of a card.

    Attributes:
        quad: (4, 2) its corners in pixels of the frames, x and y, clockwise from the left top one.
        share: Of the picture's area, from 0 to 1.
        aspect: Longer over shorter side.
    """

    quad: Floats
    share: float
    aspect: float


def find_cards(capture: Capture) -> tuple[FoundCard, ...]:
    """The rectangles of a card's proportions that stand out from the ground, the largest first.

    Args:
        capture: The frames.

    Returns:
        The cards; none where the frames show something else, or a card fills all of the picture.
    """
    import cv2

    mean, shine, step = _pictures(capture)
    found: list[FoundCard] = []
    for picture in (mean, shine):
        for ground in _grounds(picture):
            outlines, _ = cv2.findContours(ground, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            for outline in outlines:
                card = _as_card(outline, mean.shape, step)
                if card is not None and not any(_overlap(card, other) for other in found):
                    found.append(card)
    return tuple(sorted(found, key=lambda card: -card.share))


def fills_the_picture(capture: Capture) -> bool:
    """Whether all of the picture is one lit thing: its border is about as bright as its middle."""
    mean, _, _ = _pictures(capture)
    edge = np.concatenate([mean[:4].ravel(), mean[-4:].ravel(), mean[:, :4].ravel(), mean[:, -4:].ravel()])
    inside = mean[mean.shape[0] // 6 : -mean.shape[0] // 6, mean.shape[1] // 6 : -mean.shape[1] // 6]
    return bool(np.quantile(edge, 0.2) > 0.25 * np.quantile(inside, 0.5) and (inside > 0.1 * inside.max()).mean() > 0.6)


def card_mask(capture: Capture, card: FoundCard) -> Mask:
    """(h, w), true on a card, without the tips of its corners: most cards are round there, and show table instead."""
    import cv2

    out = np.zeros((capture.height, capture.width), np.uint8)
    cv2.fillPoly(out, [np.round(card.quad).astype(np.int32)], 1)
    sides = np.linalg.norm(np.roll(card.quad, -1, axis=0) - card.quad, axis=1)
    radius = _CORNER * float(sides.min())
    rim = np.pad(out, 1)  # beyond the picture there is no card
    core = (cv2.distanceTransform(rim, cv2.DIST_L2, 5) <= radius).astype(np.uint8)
    rounded = cv2.distanceTransform(core, cv2.DIST_L2, 5)[1:-1, 1:-1] <= radius
    return np.asarray(rounded & (out > 0))


def _pictures(capture: Capture) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The mean and the brightest frame, made smaller by a whole step."""
    step = max(1, -(-max(capture.height, capture.width) // _LONGEST))
    small = Capture(images=np.ascontiguousarray(capture.images[:, ::step, ::step]), full_scale=capture.full_scale)
    grey = grey_frames(small)
    if capture.dark is not None:
        dark = capture.dark
        grey -= dark[:, None, None] if dark.ndim == 1 else dark[..., ::step, ::step]
    return grey.mean(axis=0), grey.max(axis=0), step


def _grounds(picture: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
    """Maps of what stands out, by Otsu's threshold (IEEE Trans. SMC 1979) and by lower ones, for dark borders."""
    import cv2

    top = max(float(np.quantile(picture, 0.995)), 1e-9)
    even = np.sqrt(np.clip(picture / top, 0, 1)) * 255
    level, _ = cv2.threshold(even.astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    kernel = np.ones((5, 5), np.uint8)
    maps = []
    for at in (level, 0.6 * level, 0.35 * level):
        raised = (cv2.GaussianBlur(even, (0, 0), 1.0) > at).astype(np.uint8)
        closed = cv2.morphologyEx(raised, cv2.MORPH_CLOSE, kernel)
        maps.append(np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel), np.uint8))
    return maps


def _as_card(outline: Any, shape: tuple[int, ...], step: int) -> FoundCard | None:
    """An outline as a card, if it fills a rectangle of a card's proportions."""
    import cv2

    area = cv2.contourArea(outline)
    share = area / (shape[0] * shape[1])
    if not 0.03 < share < 0.97:
        return None
    (x, y), (width, height), turn = cv2.minAreaRect(outline)
    if min(width, height) < 1 or area < 0.9 * width * height:
        return None
    aspect = max(width, height) / min(width, height)
    if not _ASPECT[0] <= aspect <= _ASPECT[1]:
        return None
    corners = np.asarray(cv2.boxPoints(((x, y), (width, height), turn)), np.float64)
    return FoundCard(quad=_ordered(corners) * step, share=float(share), aspect=float(aspect))


def _ordered(corners: Floats) -> Floats:
    """Clockwise on the screen, the one nearest to the picture's left top first."""
    away = corners - corners.mean(axis=0)
    turned = corners[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]
    return np.asarray(np.roll(turned, -int(np.argmin(turned.sum(axis=1))), axis=0))


def _overlap(one: FoundCard, two: FoundCard) -> bool:
    """Whether the middle of one lies inside the other."""
    import cv2

    pairs = ((one, two), (two, one))
    return any(
        cv2.pointPolygonTest(outer.quad.astype(np.float32), tuple(map(float, inner.quad.mean(axis=0))), False) >= 0
        for inner, outer in pairs
    )
