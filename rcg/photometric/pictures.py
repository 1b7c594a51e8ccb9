"""Pictures of normals, height, confidence and defects: arrays in, uint8 RGB arrays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rcg.photometric.types import Mask, NormalMap, Plane, SurfaceDefect

Picture = NDArray[np.uint8]

COLOURS = {
    "scratch": (255, 64, 64), "dent": (64, 160, 255), "crease": (255, 0, 220), "roller_line": (255, 190, 0),
    "print_line": (0, 200, 120),
}  # fmt: skip
_OTHER = (255, 255, 255)
_OUTSIDE = 40


def normals_picture(normals: Plane, *, mask: Mask | None = None) -> Picture:
    """The usual colouring: red to the right, green up, blue to the camera; level is (128, 128, 255).

    Args:
        normals: (h, w, 3) unit vectors.
        mask: (h, w), true where the object is; grey elsewhere.

    Returns:
        (h, w, 3) uint8 RGB.

    Example:
        >>> normals_picture(np.array([[[0, 0, 1]]], np.float32)).tolist()
        [[[128, 128, 255]]]
    """
    picture = np.clip(normals * 127.5 + 128, 0, 255).astype(np.uint8)
    return _masked(picture, mask)


def albedo_picture(albedo: Plane, *, mask: Mask | None = None) -> Picture:
    """The print without light and shade, as the eye sees it: the 99th percentile white, the rest by sRGB's curve.

    Args:
        albedo: (h, w) float32.
        mask: (h, w), true where the object is.
    """
    known = albedo if mask is None or not mask.any() else albedo[mask]
    white = max(float(np.percentile(known[..., ::7] if known.ndim == 2 else known[::7], 99)), 1e-6)
    linear = np.clip(albedo / white, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    grey = (coded * 255 + 0.5).astype(np.uint8)
    return _masked(np.repeat(grey[..., None], 3, axis=-1), mask)


def relief_picture(plane: Plane, *, limit: float | None = None, mask: Mask | None = None) -> Picture:
    """Height, a band of it, a slope or curvature: blue below zero, white at it, red above.

    Args:
        plane: (h, w) signed values.
        limit: The value of the deepest red; the 99.5th percentile of the size where left out.
        mask: (h, w), true where the object is.
    """
    if limit is None:
        known = np.abs(plane if mask is None or not mask.any() else plane[mask])
        limit = float(np.percentile(known.ravel()[::5], 99.5))
    share = np.clip(plane / max(limit, 1e-12), -1, 1)
    picture = np.empty((*plane.shape, 3), np.float32)
    # through white, as dark at both ends: equal steps of value are about equal steps of lightness
    for channel, (low, high) in enumerate(((33, 178), (102, 24), (172, 43))):
        picture[..., channel] = 247 + np.where(share < 0, -share * (low - 247), share * (high - 247))
    return _masked(picture.astype(np.uint8), mask)


def confidence_picture(normal_map: NormalMap, *, worst_sd: float = 0.03) -> Picture:
    """How sure the slope is: bright where its standard deviation is small, magenta where it is unreliable.

    Args:
        normal_map: The solved normals.
        worst_sd: The slope's standard deviation that is shown black.
    """
    share = 1 - np.clip(normal_map.slope_sd.astype(np.float32) / worst_sd, 0, 1)
    grey = (share * 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=-1)
    picture[normal_map.unreliable] = (200, 0, 200)
    return _masked(picture, normal_map.solved)


def _masked(picture: Picture, mask: Mask | None) -> Picture:
    if mask is not None:
        picture[~mask] = _OUTSIDE
    return picture


def defect_overlay(picture: Picture, defects: Sequence[SurfaceDefect], *, mm_per_px: float | None = None) -> Picture:
    """A picture with each defect's outline, its number in the list (from 1), its size, and a bar of millimetres.

    Args:
        picture: (h, w, 3) uint8 RGB of the frames' size.
        defects: The finds, in the order of their numbers.
        mm_per_px: The size of a pixel on the card, for the bar; none is drawn where left out.

    Returns:
        (h, w, 3) uint8 RGB, new.
    """
    import cv2

    out = np.ascontiguousarray(picture).copy()
    scale = max(0.4, out.shape[1] / 2400)
    thick = max(1, round(1.5 * scale))
    for number, each in enumerate(defects, start=1):
        ring = np.floor(np.array(each.polygon)).astype(np.int32)
        cv2.polylines(out, [ring], True, COLOURS.get(each.label, _OTHER), thick, cv2.LINE_AA)
        words = f"{number} {each.label.replace('_', ' ')} {size_words(each)}"
        _write(out, words, (int(ring[:, 0].max()) + 6, int(ring[:, 1].mean())), scale, COLOURS.get(each.label, _OTHER))
    if mm_per_px is not None:
        _bar(out, mm_per_px, scale)
    return out


def size_words(defect: SurfaceDefect) -> str:
    """Its size as people read it.

    Example:
        >>> ring = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
        >>> size_words(SurfaceDefect(label="dent", polygon=ring, length_mm=0.52, width_mm=0.5, height_um=-9.7,
        ...     height_sigma_um=0.4, confidence=1.0))
        '0.5 mm, -9.7 um'
    """
    return f"{defect.length_mm:.1f} mm, {defect.height_um:+.1f} um"


def _write(out: Picture, words: str, at: tuple[int, int], scale: float, colour: tuple[int, int, int]) -> None:
    """Text on a dark plate, moved so that all of it is inside the picture."""
    import cv2

    font, weight = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(1.5 * scale))
    (width, height), drop = cv2.getTextSize(words, font, scale, weight)
    x = max(0, min(at[0], out.shape[1] - width - 4))
    y = max(height + 4, min(at[1], out.shape[0] - drop - 4))
    plate = out[max(0, y - height - 4) : y + drop + 2, max(0, x - 3) : x + width + 3]
    plate //= 4
    cv2.putText(out, words, (x, y), font, scale, colour, weight, cv2.LINE_AA)


def _bar(out: Picture, mm_per_px: float, scale: float) -> None:
    """A bar of 1, 5 or 10 mm at the lower left."""
    import cv2

    most = 0.25 * out.shape[1] * mm_per_px
    length = max([each for each in (0.1, 0.5, 1, 5, 10) if each <= most], default=0.1)
    y, end = out.shape[0] - round(14 * scale) - 2, 10 + round(length / mm_per_px)
    cv2.rectangle(out, (8, y - 2), (end + 2, y + round(5 * scale) + 2), (0, 0, 0), -1)
    cv2.rectangle(out, (10, y), (end, y + round(5 * scale)), (255, 255, 255), -1)
    _write(out, f"{length:g} mm", (end + 8, y + round(6 * scale)), scale, (255, 255, 255))


def close_up(picture: Picture, defect: SurfaceDefect, *, margin_px: float = 40) -> Picture:
    """The part of a picture around one defect.

    Args:
        picture: (h, w, 3) uint8 RGB of the frames' size.
        defect: The find.
        margin_px: What to show around it.
    """
    ring = np.array(defect.polygon)
    left, top = np.maximum(np.floor(ring.min(axis=0) - margin_px), 0).astype(int)
    right, bottom = np.ceil(ring.max(axis=0) + margin_px).astype(int)
    return np.ascontiguousarray(picture[top:bottom, left:right])


__all__ = [
    "COLOURS", "albedo_picture", "close_up", "confidence_picture", "defect_overlay", "normals_picture",
    "relief_picture", "size_words",
]  # fmt: skip
