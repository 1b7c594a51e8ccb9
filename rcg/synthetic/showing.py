"""Pictures that show what was drawn: the truth over a view, a card's relief under raking light."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import ArrayLike

from rcg.card_specs import CardSpec
from rcg.images import Pixels
from rcg.synthetic.cards import draw_card
from rcg.synthetic.design import light
from rcg.synthetic.surface import Layer
from rcg.synthetic.views import CardView
from rcg.types import ImageRecord

# Okabe and Ito (2008): they stay apart for colour-blind readers
_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "edge": (0, 158, 115), "frame": (86, 180, 233), "points": (230, 159, 0), "defect": (213, 94, 0),
    "hidden": (204, 121, 167),
}  # fmt: skip
_FINE = 16
_DARK = 150  # of 255


def draw_truth(view: CardView) -> Pixels:
    """A view with its truth drawn over: the card's edge, the inner frame, the 24 points, the defects.

    Defects that cannot be seen in the view, and points that something lies over, are drawn in purple.
    """
    drawn = view.pixels.copy()
    truth = view.truth
    if truth is None:
        return drawn
    line = max(1, round(max(drawn.shape) / 500))
    _ring(drawn, truth.outline, _COLOURS["edge"], line)
    if truth.inner is not None:
        _ring(drawn, truth.inner, _COLOURS["frame"], line)
    for point, seen in zip((*truth.points, *truth.quad), (*truth.points_seen, *truth.corners_seen), strict=True):
        if point is not None:
            centre = [round((each - 0.5) * _FINE) for each in point]
            colour = _COLOURS["points" if seen == 2 else "hidden"]
            cv2.circle(drawn, centre, 3 * line * _FINE, colour, line, cv2.LINE_AA, 4)
    for each in truth.defects:
        shown = each.visible and each.hidden < 0.6
        _ring(drawn, each.polygon, _COLOURS["defect" if shown else "hidden"], line)
    return drawn


def draw_labels(pixels: Pixels, record: ImageRecord) -> Pixels:
    """A picture with its labels drawn over: outlines, keypoints, and boxes where there is nothing finer."""
    drawn = pixels.copy()
    line = max(1, round(max(drawn.shape) / 350))
    for each in record.annotations:
        kind = {"card": "edge", "outer_edge": "edge", "inner_frame": "frame"}.get(each.label, "defect")
        left, top, right, bottom = each.box.corners
        box = ((left, top), (right, top), (right, bottom), (left, bottom))
        for ring in [part.points for part in each.polygons] or [box]:
            _ring(drawn, ring, _COLOURS[kind], line)
        for x, y, seen in each.keypoints.points if each.keypoints else ():
            if seen:
                centre = (round((x - 0.5) * _FINE), round((y - 0.5) * _FINE))
                colour = _COLOURS["points" if seen == 2 else "hidden"]
                cv2.circle(drawn, centre, 3 * line * _FINE, colour, line, cv2.LINE_AA, 4)
    return drawn


def _ring(drawn: Pixels, points: ArrayLike, colour: tuple[int, int, int], line: int) -> None:
    fine = np.rint((np.asarray(points, np.float64) - 0.5) * _FINE).astype(np.int32)
    cv2.polylines(drawn, [fine], isClosed=True, color=colour, thickness=line, lineType=cv2.LINE_AA, shift=4)


def raking_light(height_um: Layer, mm_per_px: float, *, gain: float = 12.0) -> Pixels:
    """A relief as a grey picture, lit from the upper left by a low lamp.

    Args:
        height_um: (h, w) micrometres.
        mm_per_px: The size of a pixel.
        gain: How strongly slopes show; a slope of 1 in `gain` becomes white or black.

    Returns:
        (h, w, 3) uint8.
    """
    down, across = np.gradient(height_um.astype(np.float64) / 1000, mm_per_px)
    grey = np.clip(0.5 + 0.5 * gain * (across + down) / np.sqrt(2), 0, 1)
    return np.repeat(np.rint(grey * 255).astype(np.uint8)[..., None], 3, axis=2)


def close_up(label: str, *, seed: int = 0, pixels: int = 240) -> tuple[Pixels, Pixels]:
    """One defect on a card, large: its colours, and its relief under raking light; (pixels, pixels, 3) uint8 each.

    Args:
        label: The defect.
        seed: What card and defect are drawn from.
        pixels: The size of both pictures.
    """
    cards = (draw_card((seed, turn), spec=CardSpec(), family="english-front", defects=(label,)) for turn in range(40))
    card = next(each for each in cards if max(map(light, each.design.border)) < _DARK)  # which shows whitening
    defect = card.defects[0]
    reach = min(9.0, max(2.5, 6 * defect.width_mm))
    points = np.asarray(defect.course or defect.outline)
    middle = points[len(points) // 2] if len(points) > 2 else points.mean(axis=0)
    scale = float(np.clip(pixels / (2 * reach), 10, 40))
    surface = card.surface(scale)
    half = reach * scale
    low = np.clip(middle * scale, half, np.array(surface.coverage.shape[::-1]) - half) - half
    left, top, side = (round(each) for each in (*np.maximum(low, 0), 2 * half))
    part = (slice(top, top + side), slice(left, left + side))
    beyond = surface.coverage[part] < 128
    found = []
    for picture in (surface.colour[part].copy(), raking_light(surface.height_um[part], surface.mm_per_px)):
        picture[beyond] = (40, 40, 44)
        found.append(np.asarray(cv2.resize(picture, (pixels, pixels), interpolation=cv2.INTER_AREA), np.uint8))
    return found[0], found[1]
