"""Where a plane card tells more than the calibration: its mean tilt, and the light on places that shine like foil."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rcg.photometric.field import grey_frames
from rcg.photometric.order import at_places
from rcg.photometric.types import Capture, Floats, LightField, Mask, Plane

MISFIT = 0.06
"""Of block means against their albedo: a diffuse surface leaves 1 to 3 %, metal 20 % and more."""
LOCAL_MM = 1.5
"""Standard deviation of the neighbourhood whose mean tells how foil answers each light."""
MAX_TILT_DEG = 3.0
_BLOCK_PX = 8
_SAMPLE = 40_000


def levelled(capture: Capture, field: LightField) -> tuple[LightField, float]:
    """A light field from a tilted white sheet, with the tilt taken off by the card, which lies flat itself.

    A sheet that leans by an angle makes every normal lean the other way. The median normal of the card over the whole
    picture is taken to point to the camera.

    Args:
        capture: The frames.
        field: A light field whose origin is a flat field.

    Returns:
        The field, and the tilt in degrees that was taken off; the same field and 0 where the object is not plane.
    """
    rows, columns = _thinned(capture)
    m = np.stack([frame[np.ix_(rows, columns)].astype(np.float32) for frame in capture.images])
    if m.ndim == 4:
        m = m.mean(axis=-1) if field.channel_weights is None else np.einsum("krcx,kx->krc", m, field.channel_weights)
    top = m.max(axis=0)
    if capture.dark is not None:
        dark = np.asarray(capture.dark)
        m = m - (dark[:, None, None] if dark.ndim == 1 else dark[..., rows[:, None], columns[None, :]])
    good = (m.min(axis=0) > 0.02 * capture.full_scale) & (top < 0.95 * capture.full_scale)
    if capture.mask is not None:
        good &= capture.mask[np.ix_(rows, columns)]
    if good.sum() < 200:
        return field, 0.0
    gains, directions = at_places(field, rows.astype(float), columns.astype(float), capture.height, capture.width)
    lights, y = np.moveaxis(directions[:, good], 0, 1), (m * gains)[:, good].T
    lean = np.zeros(2)
    for _ in range(2):
        sheet = np.array([*lean, 1.0])
        b, rest = _solved(lights, y * (lights @ sheet) / lights[..., 2])
        fits = rest < MISFIT
        if fits.mean() < 0.3:
            return field, 0.0
        slope = b[fits, :2] / np.maximum(b[fits, 2:], 1e-9)
        middle = np.median(slope, axis=0)
        if (np.linalg.norm(slope - middle, axis=1) < 0.12).mean() < 0.8:
            return field, 0.0
        lean = lean - middle
    tilt = float(np.degrees(np.arctan(np.linalg.norm(lean))))
    if tilt > MAX_TILT_DEG:
        return field, 0.0
    share = (field.directions @ np.array([*lean, 1.0], np.float32)) / field.directions[..., 2]
    return replace(field, gains=(field.gains * share).astype(np.float32)), tilt


def _thinned(capture: Capture) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    step = max(1, int(np.sqrt(capture.height * capture.width / _SAMPLE)))
    return np.arange(step // 2, capture.height, step), np.arange(step // 2, capture.width, step)


def _solved(lights: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Solve for b (n, 3) and the residual's root mean square as a share of the albedo."""
    matrix = np.einsum("nkx,nky->nxy", lights, lights)
    b = np.linalg.solve(matrix, np.einsum("nkx,nk->nx", lights, y)[..., None])[..., 0]
    rest = y - np.einsum("nkx,nx->nk", lights, b)
    return b, np.sqrt((rest**2).mean(axis=1)) / np.maximum(np.linalg.norm(b, axis=1), 1e-12)


def shining(capture: Capture, field: LightField) -> tuple[Mask, LightField] | None:
    """Where a surface shines like foil, and a light field that its own local means calibrate there.

    Means of blocks keep foil's misfit and lose the noise and the print. Where many together misfit, what each light
    gives there, against the mean of all, is the answer of a plane: y_i / local mean_i (l_i . z).

    Args:
        capture: The frames, with mm_per_px.
        field: What each pixel gets of each light.

    Returns:
        (h, w) true on foil, and the field for it, on a finer grid; None where nothing shines.
    """
    from scipy import ndimage

    assert capture.mm_per_px is not None
    values, good = _blocks(capture, field)
    rows, columns = ((np.arange(size) + 0.5) * _BLOCK_PX - 0.5 for size in good.shape)
    gains, directions = at_places(field, rows, columns, capture.height, capture.width)
    y = values * gains
    lights = np.moveaxis(np.broadcast_to(directions, (*y.shape, 3)), 0, 2).reshape(-1, len(y), 3)
    _, rest = _solved(lights, np.moveaxis(y, 0, 2).reshape(-1, len(y)))
    foil = (rest.reshape(good.shape) > MISFIT) & good
    foil = ndimage.median_filter(foil.astype(np.uint8), size=3).astype(bool)
    if not foil.any():
        return None
    sigma = LOCAL_MM / (capture.mm_per_px * _BLOCK_PX)
    weight = foil.astype(np.float64)
    below = ndimage.gaussian_filter(weight, sigma, mode="constant")
    ratio = y / np.maximum(y.mean(axis=0), 1e-12)
    local = np.stack([ndimage.gaussian_filter(each * weight, sigma, mode="constant") for each in ratio])
    local = np.where(below > 1e-4, local / np.maximum(below, 1e-4), 1.0)
    up = np.broadcast_to(directions[..., 2], local.shape)
    share = np.where(below > 1e-4, up / up.mean(axis=0) / np.maximum(local, 0.02), 1.0)
    mask = np.kron(foil, np.ones((_BLOCK_PX, _BLOCK_PX), bool))
    mask = np.pad(mask, ((0, _BLOCK_PX), (0, _BLOCK_PX)), mode="edge")[: capture.height, : capture.width]
    return mask, _finer(field, share, capture.height, capture.width)


def _finer(field: LightField, share: Floats, height: int, width: int) -> LightField:
    """The field with its gains times `share` of blocks (k, rows, columns), on a grid of about two blocks."""
    from scipy import ndimage

    places = [np.linspace(0, size - 1, max(2, size // (2 * _BLOCK_PX))) for size in (height, width)]
    gains, directions = at_places(field, places[0], places[1], height, width)
    at = np.meshgrid(*((place + 0.5) / _BLOCK_PX - 0.5 for place in places), indexing="ij")
    fine = np.stack([ndimage.map_coordinates(each, at, order=1, mode="nearest") for each in share])
    wide: Plane = np.ascontiguousarray(np.broadcast_to(directions, (*fine.shape, 3)), np.float32)
    return replace(field, gains=np.asarray(gains * fine, np.float32), directions=wide)


def _blocks(capture: Capture, field: LightField) -> tuple[Floats, Mask]:
    """Means of blocks (k, rows, columns), dark taken off, and which lie in the mask and are lit."""
    rows, columns = capture.height // _BLOCK_PX, capture.width // _BLOCK_PX
    out = np.empty((capture.lights, rows, columns))
    for top in range(0, rows, 16):
        cut = slice(top * _BLOCK_PX, min(top + 16, rows) * _BLOCK_PX)
        dark = capture.dark if capture.dark is None or capture.dark.ndim == 1 else capture.dark[..., cut, :]
        part = Capture(images=capture.images[:, cut], dark=dark, full_scale=capture.full_scale)
        grey = grey_frames(part, field.channel_weights)[:, :, : columns * _BLOCK_PX]
        out[:, top : top + 16] = grey.reshape(len(grey), -1, _BLOCK_PX, columns, _BLOCK_PX).mean(axis=(2, 4))
    good = np.isfinite(out).all(axis=0) & (out.mean(axis=0) > 0.004 * capture.full_scale)
    if capture.mask is not None:
        inside = capture.mask[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
        good &= inside.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).mean(axis=(1, 3)) > 0.5
    return np.where(good, out, 1.0), good
