"""Frames brought onto each other to a fraction of a pixel: print edges that move between frames fake slopes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.photometric.types import Capture, Floats
from rcg.progress import Report, silent, tracked

LIMIT_PX = 3.0
"""Farther apart, the camera or the card was moved, not shaken."""

_Picture = NDArray[np.float32]
_ROUNDS = 8


def register(capture: Capture, *, limit_px: float = LIMIT_PX, report: Report = silent) -> tuple[Capture, Floats]:
    """Shift each frame onto the mean of all.

    What is compared is print: the logarithm of each frame without its slow part, cleaned of what differs between lights
    at large. The shift is found by Gauss-Newton on all edges at once (Lucas and Kanade, IJCAI 1981), with little weight
    where lights disagree, as on relief and in highlights.

    Args:
        capture: The frames.
        limit_px: The longest shift that is mended.
        report: Where progress goes.

    Returns:
        The capture with shifted frames (its own where nothing moved, or there is nothing to hold on to, which a note
        says), and the shifts that were taken off, (k, 2) x and y in pixels.

    Raises:
        DataError: If a frame is farther off than `limit_px`.
    """
    tiles = _tiles(capture)
    lights = tracked(range(capture.lights), task="finding print in the frames", report=report)
    edges = np.stack([np.stack([_strip(_grey(capture, light, tile)) for tile in tiles]) for light in lights])
    if _precision(edges) > _ENOUGH_PX:
        note = "the frames could not be registered, for there is no print to hold on to: a shake stays in them"
        return replace(capture, notes=(*capture.notes, note)), np.zeros((capture.lights, 2))
    shifts, likeness = _find_shifts(edges)
    if likeness < _ALIKE:
        note = "the frames were not registered: what they show moves with the light, as relief does, not with a shake"
        return replace(capture, notes=(*capture.notes, note)), np.zeros((capture.lights, 2))
    length = np.hypot(*shifts.T)
    if length.max() > limit_px:
        worst = int(length.argmax())
        name = capture.names[worst] if capture.names else str(worst + 1)
        what = f"frame {name} is {length[worst]:.1f} pixels off the others"
        fix = "the camera or the card was moved: take the frames again on a firm stand, without touching the table"
        raise DataError(what, fix=fix)
    if length.max() < 0.03:  # below what is measured; a resampling would only blur
        return capture, shifts
    images = np.empty_like(capture.images)
    for light, shift in enumerate(tracked(list(shifts), task="shifting frames", report=report)):
        images[light] = shifted(capture.images[light], shift)
    note = f"frames were shifted by up to {length.max():.2f} pixels onto their mean"
    return replace(capture, images=images, notes=(*capture.notes, note)), shifts


def shifted(frame: NDArray[Any], shift: Floats) -> NDArray[Any]:
    """A frame with a shift taken off: the value at a pixel is that at the pixel plus the shift, by Lanczos' kernel.

    Args:
        frame: (h, w) or (h, w, 3); beyond its edge the edge goes on.
        shift: x and y in pixels.

    Returns:
        The same shape and kind of number. Whole numbers are rounded; overshoot at hard edges is held within the values
        of the pixels around, so that nothing wraps and no saturated pixel becomes an unsaturated one.
    """
    import cv2

    values = _sampled(frame.astype(np.float32), shift)
    whole = np.round(shift).astype(int)
    around = np.ones((3, 3), np.uint8)
    bounds = (_sampled(each(frame, around).astype(np.float32), whole) for each in (cv2.erode, cv2.dilate))
    values = np.clip(values, *bounds)
    return np.asarray(values if frame.dtype == np.float32 else np.rint(values)).astype(frame.dtype)


def _sampled(values: _Picture, shift: Floats | NDArray[np.int64]) -> _Picture:
    """A picture at its pixels plus a shift, by Lanczos' kernel of eight pixels a side.

    One kernel serves all pixels, exact for any shift; OpenCV's own warping rounds it to a 32nd of a pixel.
    """
    import cv2

    kernels = []
    for part in shift:
        reach = int(abs(part)) + 4
        taps = np.arange(-reach, reach + 1) - part
        weights = np.where(np.abs(taps) < 4, np.sinc(taps) * np.sinc(taps / 4), 0.0)
        weights /= weights.sum()
        near = np.clip(1 - np.abs(taps) / 2, 0, None)
        slope = near * (taps - (near * taps).sum() / near.sum())
        # a ramp is moved exactly, which Lanczos' kernel alone misses by a hundredth of a pixel
        kernels.append(weights - slope * (weights * taps).sum() / (slope * taps).sum())
    return np.asarray(cv2.sepFilter2D(values, -1, kernels[0], kernels[1], borderType=cv2.BORDER_REPLICATE))


_ALIKE = 0.88  # correlation of frames: above 0.95 on printed cards, foil too; below 0.82 on objects in the round
_ENOUGH_PX = 0.05  # a shift that is known no better is left as it is
_TILE, _MARGIN, _MOST = 256, 12, 16


Tile = tuple[slice, slice]


def _grey(capture: Capture, light: int, tile: Tile) -> _Picture:
    """A part of one frame as one value a pixel, dark taken off."""
    part = capture.images[light][tile].astype(np.float32)
    grey: _Picture = part.mean(axis=-1, dtype=np.float32) if part.ndim == 3 else part
    dark = capture.dark
    if dark is None:
        return grey
    if dark.ndim == 1:
        return np.asarray(grey - np.float32(dark[light]))
    return np.asarray(grey - (dark if dark.ndim == 2 else dark[light])[tile], np.float32)


def _tiles(capture: Capture) -> list[Tile]:
    """Parts of the picture with the strongest edges, at most `_MOST`, inside the mask."""
    height, width = capture.height, capture.width
    side = (min(_TILE, height), min(_TILE, width))
    tops, lefts = (
        np.unique(np.linspace(0, size - step, -(-size // step)).round().astype(int))
        for size, step in zip((height, width), side, strict=True)
    )
    found = []
    for top, left in itertools.product(tops, lefts):
        tile = slice(int(top), int(top) + side[0]), slice(int(left), int(left) + side[1])
        if capture.mask is not None and capture.mask[tile].mean() < 0.3:
            continue
        found.append((float(_strip(_grey(capture, 0, tile)).std()), tile))
    found.sort(key=lambda each: -each[0])
    return [tile for _, tile in found[:_MOST]] or [(slice(0, side[0]), slice(0, side[1]))]


def _strip(frame: _Picture) -> _Picture:
    """The logarithm of a picture between two scales: print stays; the light's fall-off and noise go."""
    import cv2

    floor = max(0.03 * float(np.quantile(frame[::4, ::4], 0.95)), 1e-6)
    # smoothed before the logarithm: a hard edge's logarithm depends on where it falls between pixels
    fine, slow = (np.maximum(cv2.GaussianBlur(frame, (0, 0), sigma), floor) for sigma in (1.0, 6.0))
    return np.asarray(np.log(fine) - np.log(slow), np.float32)


def _inner(values: _Picture) -> _Picture:
    return values[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _gradients(picture: _Picture) -> tuple[_Picture, _Picture]:
    return _inner(np.gradient(picture, axis=-1)), _inner(np.gradient(picture, axis=-2))


def _precision(edges: _Picture) -> float:
    """One standard deviation that a shift can be found with, in pixels; infinite without print.

    The gradients of two halves of the frames are multiplied, in which noise cancels: noise is no print.
    """
    if min(edges.shape[-2:]) <= 2 * _MARGIN + 8:
        return float("inf")
    one, two = (_gradients(np.asarray(half.mean(axis=0), np.float32)) for half in (edges[::2], edges[1::2]))
    shared = np.array([[float((a * b).mean()) for b in two] for a in one])
    weakest = float(np.linalg.eigvalsh((shared + shared.T) / 2)[0])
    rest = edges - edges.mean(axis=0)
    noise = (1.4826 * float(np.median(np.abs(_inner(rest))))) ** 2
    # smoothing by 1 pixel makes about 4 pi neighbours say the same
    return float(np.sqrt(12.6 * noise / (weakest * _inner(rest)[0].size))) if weakest > 1e-9 else float("inf")


def _find_shifts(edges: _Picture) -> tuple[Floats, float]:
    """(k, 2) x and y by which each frame's print stands off the mean of all, and how alike the frames then are."""
    shifts = np.array([_rough(each, edges.mean(axis=0)) for each in edges])
    shifts -= np.median(shifts, axis=0)
    for _ in range(_ROUNDS):
        aligned = np.stack([_moved(each, shift) for each, shift in zip(edges, shifts, strict=True)])
        reference = np.median(aligned, axis=0) if len(aligned) > 4 else aligned.mean(axis=0)
        steps = np.array([_step(each, reference) for each in aligned])
        shifts += steps
        shifts -= shifts.mean(axis=0)
        if np.abs(steps).max() < 2e-3:
            break
    return shifts, float(np.median([np.corrcoef(_inner(each).flat, _inner(reference).flat)[0, 1] for each in aligned]))


def _rough(picture: _Picture, reference: _Picture) -> Floats:
    """The shift by phase correlation, the median over tiles."""
    import cv2

    window = cv2.createHanningWindow(picture.shape[:0:-1], cv2.CV_32F)
    found = [cv2.phaseCorrelate(b, a, window)[0] for a, b in zip(picture, reference, strict=True)]
    return np.asarray(np.median(found, axis=0), np.float64)


def _moved(tiles: _Picture, shift: Floats) -> _Picture:
    return np.stack([_sampled(tile, shift) for tile in tiles])


def _step(picture: _Picture, reference: _Picture) -> Floats:
    """One step of Gauss-Newton with Cauchy weights: the shift by which a picture still stands off the reference."""
    across, down = _gradients(np.asarray((picture + reference) / 2, np.float32))
    rest = _inner(picture - reference)
    spread = max(1.4826 * float(np.median(np.abs(rest))), 1e-6)
    weight = 1 / (1 + (rest / (2.385 * spread)) ** 2)
    matrix = np.array([[(weight * a * b).sum() for b in (across, down)] for a in (across, down)], np.float64)
    right = -np.array([(weight * each * rest).sum() for each in (across, down)], np.float64)
    return np.asarray(np.clip(np.linalg.lstsq(matrix, right, rcond=1e-6)[0], -1.5, 1.5))
