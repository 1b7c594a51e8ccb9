"""Relief from normals: slopes, height in millimetres, bands of it in micrometres, curvature, gloss, leaking print."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rcg.errors import DataError
from rcg.photometric.types import Mask, NormalMap, Plane

BANDS_MM = (0.05, 0.2, 1.0, 4.0)
"""Sizes of structure that are published apart: paper and scratches, dents and lines, wide dents, bends."""

STEEPEST = 5.0
"""Slopes are cut here (79 degrees): beyond it a card has no surface, only its cut edge."""

Slopes = tuple[Plane, Plane]


def slopes(normal_map: NormalMap, *, mask: Mask | None = None) -> Slopes:
    """The surface's slopes p = -nx/nz (to the right) and q = -ny/nz (upwards).

    Args:
        normal_map: The solved normals.
        mask: (h, w), true where the object is; pixels outside, and those not solved, get slope 0.

    Returns:
        Two (h, w) float32 planes, millimetres of height for each millimetre, cut at +-5.
    """
    nx, ny, nz = (normal_map.normals[..., axis] for axis in range(3))
    steepness = np.maximum(nz, 1e-3)
    off = ~(normal_map.solved if mask is None else normal_map.solved & mask)
    found = []
    for part in (nx, ny):
        slope = np.divide(part, -steepness)
        np.clip(slope, -STEEPEST, STEEPEST, out=slope)
        slope[off] = 0
        found.append(slope)
    return found[0], found[1]


def integrate(relief: NormalMap | Slopes, *, mm_per_px: float | None = None, mask: Mask | None = None) -> Plane:
    """Height from normals or slopes, in one solve.

    The least-squares surface whose differences between neighbouring pixels are the means of their slopes: Poisson's
    equation with free edges, which the type 2 cosine transform solves exactly (Simchony, Chellappa and Shao, IEEE PAMI
    1990). Slow bends are as wrong as the light's calibration: 0.1 degree over 89 mm is 155 um. Trust `bands` of it.

    Args:
        relief: Normals, or slopes (p to the right, q upwards), each (h, w) float32.
        mm_per_px: The size of a pixel on the card; the normal map's own where left out.
        mask: (h, w), true where the object is; elsewhere the surface runs on with the object's mean slope.

    Returns:
        (h, w) float32 millimetres, up towards the camera, with mean 0 over the mask.

    Raises:
        DataError: If the size of a pixel is not known, or shapes differ.

    Example:
        >>> ramp = np.full((4, 5), 0.5, np.float32), np.zeros((4, 5), np.float32)
        >>> integrate(ramp, mm_per_px=0.02)[0].astype(float).round(3).tolist()
        [-0.02, -0.01, 0.0, 0.01, 0.02]
    """
    from scipy import fft

    size, p, q, inside = _given(relief, mm_per_px, mask)
    tilt = (0.0, 0.0)
    if inside is not None:  # the level surroundings would flatten a tilt near the mask's edge
        tilt = float(p.mean(where=inside, dtype=np.float64)), float(q.mean(where=inside, dtype=np.float64))
        p, q = ((each - np.float32(mean)) * inside for each, mean in zip((p, q), tilt, strict=True))
    right_hand = _divergence(p, q, inside, size)
    spectrum = fft.dctn(right_hand, type=2, norm="ortho", overwrite_x=True)
    height, width = spectrum.shape
    down = (2 * np.cos(np.pi * np.arange(height) / height) - 2).astype(np.float32)
    across = (2 * np.cos(np.pi * np.arange(width) / width) - 2).astype(np.float32)
    down[0] = -1e-30  # the mean height is free; its coefficient is set below, and 0/0 must not arise
    for row, eigenvalue in enumerate(down):
        spectrum[row] /= eigenvalue + across
    spectrum[0, 0] = 0
    surface: Plane = fft.idctn(spectrum, type=2, norm="ortho", overwrite_x=True)
    if any(tilt):
        surface += np.float32(tilt[0] * size) * np.arange(width, dtype=np.float32)
        surface -= np.float32(tilt[1] * size) * np.arange(height, dtype=np.float32)[:, None]
    surface -= surface.mean() if inside is None else surface.mean(where=inside, dtype=np.float64)
    return surface


def _given(
    relief: NormalMap | Slopes, mm_per_px: float | None, mask: Mask | None
) -> tuple[float, Plane, Plane, Mask | None]:
    """Size of a pixel, both slopes, and where the object is (None for everywhere)."""
    size = relief.mm_per_px if mm_per_px is None and isinstance(relief, NormalMap) else mm_per_px
    if isinstance(relief, NormalMap):
        p, q = slopes(relief, mask=mask)
        solved = relief.solved if mask is None else relief.solved & mask
        inside = None if solved.all() else solved
    else:
        p, q = relief
        inside = mask
    if p.shape != q.shape or p.ndim != 2 or (inside is not None and inside.shape != p.shape):
        shapes = f"{p.shape}, {q.shape}" + ("" if inside is None else f" and a mask of {inside.shape}")
        raise DataError(f"slopes of the shapes {shapes} do not fit together")
    if inside is not None and not inside.any():
        raise DataError("nothing of the surface is solved inside the mask", fix="look at the mask and the frames")
    return pixel_size(size), p, q, inside


def pixel_size(mm_per_px: float | None) -> float:
    """The size of a pixel, checked.

    Raises:
        DataError: If it is not known or no size.
    """
    if mm_per_px is None:
        fix = "give mm_per_px: the card's width in mm over its width in pixels (63 mm over 2930 pixels is 0.0215)"
        raise DataError("the size of a pixel on the card is not known", fix=fix)
    if not 0 < mm_per_px < math.inf:
        raise DataError(f"{mm_per_px} mm per pixel is not a size", fix="for example 0.0215")
    return float(mm_per_px)


def _divergence(p: Plane, q: Plane, inside: Mask | None, size: float) -> Plane:
    """The right-hand side: what steps between neighbours add up to at each pixel, in mm; level where not `inside`."""
    out = np.zeros(p.shape, np.float32)
    for axis, slope, sign in ((1, p, 0.5 * size), (0, q, -0.5 * size)):  # y is up, rows go down
        first, second = (np.s_[:, :-1], np.s_[:, 1:]) if axis else (np.s_[:-1], np.s_[1:])
        step = slope[first] + slope[second]
        step *= np.float32(sign)
        if inside is not None:
            step *= inside[first] & inside[second]  # a step across the object's edge is unknown: level
        out[first] += step
        out[second] -= step
    return out


def mean_curvature(relief: Slopes, *, mm_per_px: float) -> Plane:
    """(p_x + q_y) / 2 by central differences, for a surface that is nearly level.

    Args:
        relief: Slopes (p to the right, q upwards), each (h, w) float32.
        mm_per_px: The size of a pixel on the card.

    Returns:
        (h, w) float32 in 1/mm; above zero in a pit, below zero on a bump.
    """
    p, q = relief
    out = np.zeros(p.shape, np.float32)
    out[:, 1:-1] = p[:, 2:] - p[:, :-2]
    out[1:-1] -= q[2:] - q[:-2]
    out *= np.float32(0.25 / pixel_size(mm_per_px))
    return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """The relief of one size of structure.

    Attributes:
        scale_mm: The size of structure that passes best, from crest to crest about 6 times as wide.
        height_um: (h, w) float32 micrometres, up; 0 outside the mask.
    """

    scale_mm: float
    height_um: Plane


def bands(
    height_mm: Plane, *, mm_per_px: float | None, mask: Mask | None = None, scales_mm: tuple[float, ...] = BANDS_MM
) -> tuple[Band, ...]:
    """The height in bands: differences of Gaussians of half and twice each scale, so that slow bends drop out.

    Args:
        height_mm: (h, w) float32 from `integrate`.
        mm_per_px: The size of a pixel on the card. For bands in pixels, give 1, and the scales in pixels.
        mask: (h, w), true where the object is; the filters look only at what is inside.
        scales_mm: The scales, in millimetres.

    Returns:
        One band for each scale, in micrometres.

    Raises:
        DataError: If the size of a pixel is not known.
    """
    size = pixel_size(mm_per_px)
    found = []
    for scale in scales_mm:
        low, high = (smooth(height_mm, factor * scale / size, mask=mask) for factor in (0.5, 2.0))
        low -= high
        low *= np.float32(1000)
        if mask is not None:
            low *= mask
        found.append(Band(scale_mm=scale, height_um=low))
    return tuple(found)


def smooth(values: Plane, sigma_px: float, *, mask: Mask | None = None) -> Plane:
    """A Gaussian mean, over what is inside the mask only.

    Args:
        values: (h, w) float32.
        sigma_px: Standard deviation in pixels; wide ones are worked at a reduced size, to within 1 %.
        mask: (h, w), true where values count; None for everywhere.

    Returns:
        (h, w) float32, new. Where the mask is empty within reach, 0.
    """
    if mask is None:
        return _blur(values, sigma_px)
    inside = mask.astype(np.float32)
    weight = _blur(inside, sigma_px)
    inside *= values
    total = _blur(inside, sigma_px)
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-3)


def _blur(values: Plane, sigma: float) -> Plane:
    import cv2

    factor = max(1, int(sigma / 4))
    if factor == 1 or min(values.shape) < 4 * factor:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
    height, width = values.shape
    small = cv2.resize(values, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    # the mean over a block and the line between blocks widen a Gaussian by these variances
    rest = math.sqrt(max((sigma / factor) ** 2 - 1 / 12 - 1 / 6, 0.25))
    cv2.GaussianBlur(small, (0, 0), rest, dst=small, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


__all__ = [
    "BANDS_MM", "Band", "Slopes", "bands", "integrate", "mean_curvature", "pixel_size", "slopes", "smooth",
]  # fmt: skip
