"""What a solver needs of a capture and its light field, worked out once: coefficients at nodes, limits, noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError, DataError
from rcg.photometric.field import grey_frames
from rcg.photometric.types import Capture, Floats, LightField, Plane

NODE_PX = 64.0
"""Nodes of the coefficients lie at most this far apart, so that what is linear between them is exact enough."""
SATURATED = 0.98
SHARE_OF_NOISE = 3.0
_SAMPLE_ROWS = 48
NO_GLOW = np.zeros((0, 1, 1, 1), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the robust solver judges a pixel whose residual is too large.

    Attributes:
        fit: chi2 above which a pixel is solved robustly.
        shade: A value below this share of the pixel's median over the lights is taken for shadow.
        tuning: Of the Cauchy weights, in scales; 2.385 costs 5 % where the noise is Gaussian.
        floor: The scale is at least this share of the albedo.
        turns: Reweightings at most.
    """

    fit: float
    shade: float = 0.3
    tuning: float = 2.385
    floor: float = 0.003
    turns: int = 10

    def numbers(self) -> Floats:
        """As the kernels take them."""
        return np.array([self.shade, self.tuning, self.floor, self.turns], np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setup:
    """A capture made ready.

    Attributes:
        frames: (k, h, w, c), a view of the capture's.
        dark: (k or 1, h or 1, w or 1) float32.
        shares: (k, c) float32 weights of the channels.
        low: (k,) float32; a value above dark counts above this.
        high: And below this with its dark, in the units of the frames.
        mask: (h, w) uint8, or (1, 1) for everywhere.
        grid: (rows, columns, k, 7) float32: gain times pseudo-inverse, direction, gain.
        cov: (rows, columns, 6, 1) float32: xx, yy, zz, xz, yz, xy of (L'L)^-1.
        noise: (a, b) float32 of the variance a * value + b.
        glow: (rows, columns, k, 1) float32 at the nodes of `grid`, what gloss adds to a value; no rows for none.
    """

    frames: NDArray[Any]
    dark: Plane
    shares: Plane
    low: Plane
    high: float
    mask: NDArray[np.uint8]
    grid: Plane
    cov: Plane
    noise: Plane
    glow: Plane


def prepare(capture: Capture, field: LightField) -> Setup:
    """Work out what the solvers need.

    Raises:
        CalibrationError: If the field has another number of lights, or the lights lie in one plane.
        DataError: If the frames have no light at all.
    """
    if field.lights != capture.lights:
        what = f"the light field has {field.lights} lights, the capture {capture.lights} frames"
        raise CalibrationError(what, fix="calibrate with as many lights as there are frames")
    frames = capture.images if capture.images.ndim == 4 else capture.images[..., None]
    shares = np.ones((capture.lights, frames.shape[3]), np.float32) / np.float32(frames.shape[3])
    if frames.shape[3] == 3 and field.channel_weights is not None:
        shares = np.ascontiguousarray(field.channel_weights, np.float32)
    grid, cov = coefficients(field, capture.height, capture.width)
    noise = capture_noise(capture, field, grid)
    mask = np.ones((1, 1), np.uint8) if capture.mask is None else capture.mask.view(np.uint8)
    return Setup(
        frames=frames,
        dark=_dark(capture),
        shares=shares,
        low=np.full(capture.lights, SHARE_OF_NOISE * np.sqrt(noise[1]), np.float32),
        high=SATURATED * capture.full_scale,
        mask=mask,
        grid=grid,
        cov=cov,
        noise=noise,
        glow=NO_GLOW,
    )


def with_glow(setup: Setup, glow: Plane) -> Setup:
    """The same, with what gloss adds to each light's values, (rows, columns, k) at the nodes of a field, taken off."""
    from scipy import ndimage

    places = [np.linspace(0, size - 1, count) for size, count in zip(glow.shape, setup.grid.shape[:2], strict=False)]
    at = np.meshgrid(*places, indexing="ij")
    fine = [ndimage.map_coordinates(glow[..., i], at, order=1, mode="nearest") for i in range(glow.shape[2])]
    return replace(setup, glow=np.ascontiguousarray(np.stack(fine, axis=-1)[..., None], np.float32))


def _dark(capture: Capture) -> Plane:
    if capture.dark is None:
        return np.zeros((1, 1, 1), np.float32)
    dark = np.asarray(capture.dark, np.float32)
    shape = {1: (-1, 1, 1), 2: (1, *dark.shape), 3: dark.shape}[dark.ndim]
    return np.ascontiguousarray(dark.reshape(shape))


def coefficients(field: LightField, height: int, width: int) -> tuple[Plane, Plane]:
    """Coefficients of the solution at nodes: see `Setup.grid` and `Setup.cov`.

    Raises:
        CalibrationError: If the lights lie in one plane, so that they leave a direction open.
    """
    gains, directions = _refined(field.gains, height, width), _refined(field.directions, height, width)
    lights = np.moveaxis(directions, 0, 2).astype(np.float64)  # rows, columns, k, 3
    normal = np.einsum("rckx,rcky->rcxy", lights, lights)
    worst = np.linalg.cond(normal.reshape(-1, 3, 3)[:: max(1, normal.shape[0] * normal.shape[1] // 64)]).max()
    if not worst < 1e8:
        fix = "put at least one light at another height or side; three directions must span the space"
        raise CalibrationError("all lights lie in one plane, which leaves the normals open", fix=fix)
    inverse = np.linalg.inv(normal)
    gain = np.moveaxis(gains, 0, 2).astype(np.float64)
    grid = np.empty((*gain.shape, 7), np.float32)
    grid[..., :3] = np.einsum("rcxy,rcky->rckx", inverse, lights) * gain[..., None]
    grid[..., 3:6] = lights
    grid[..., 6] = gain
    places = ((0, 0), (1, 1), (2, 2), (0, 2), (1, 2), (0, 1))
    cov = np.stack([inverse[..., i, j] for i, j in places], axis=-1)
    return grid, np.ascontiguousarray(cov[..., None], np.float32)


def _refined(values: Plane, height: int, width: int) -> Plane:
    """Nodes (k, rows, columns, ...) in whole steps between those of the field, at most `NODE_PX` apart."""
    for axis, size in ((1, height), (2, width)):
        count = values.shape[axis]
        if count == 1:
            if values.shape[3 - axis] > 1:
                values = np.repeat(values, 2, axis=axis)
            continue
        pieces = max(1, int(np.ceil((size - 1) / (count - 1) / NODE_PX)))
        at = np.arange((count - 1) * pieces + 1) / pieces
        low = np.minimum(at.astype(int), count - 2)
        share = (at - low).astype(np.float32).reshape(-1, *([1] * (values.ndim - axis - 1)))
        values = values.take(low, axis=axis) * (1 - share) + values.take(low + 1, axis=axis) * share
    return values


def capture_noise(capture: Capture, field: LightField, grid: Plane) -> Plane:
    """The variance (a, b) of a value: as the capture says, or from the frames.

    What the best normal leaves at a pixel holds gloss, shadow and errors of calibration, which change little from one
    pixel to the next; the noise does change. Its size is taken from the differences of neighbours, with the shape of
    shot noise; the steps of whole numbers count as noise too.

    Raises:
        DataError: If no pixel has light.
    """
    steps = 0.0 if capture.images.dtype == np.float32 else 1 / 12
    if capture.noise is not None:
        a, b = capture.noise
        return np.array([max(a, 0.0), max(b, steps, 1e-14 * capture.full_scale**2)], np.float32)
    rows = np.unique(np.linspace(0, capture.height - 1, min(_SAMPLE_ROWS, capture.height)).astype(int))
    m, nodes, inside = _sample(capture, field, grid, rows)
    level = m.mean(axis=0)
    good = (
        inside
        & (level > 0.004 * capture.full_scale)
        & (m.min(axis=0) > 0)
        & (m.max(axis=0) < SATURATED * capture.full_scale)
    )
    lit = m[:, inside]
    if lit.size == 0 or not np.isfinite(level[inside]).any() or float(np.nanmax(lit)) <= 0.0:
        what = "no frame holds any light" if lit.size else "the mask leaves nothing to solve"
        raise DataError(what, fix="check the exposure, the lens cap, and that dark frames are not taken off twice")
    both = good[:, 1:] & good[:, :-1]
    shape_b = 0.02 * capture.full_scale  # variance = s (value + shape_b): shot noise over a floor
    share = 1e-6 * capture.full_scale
    if both.sum() >= 16 and capture.lights > 3:
        y = m * nodes[..., 6]
        b = np.einsum("krcx,krc->rcx", nodes[..., :3], m)
        rest = (y - np.einsum("krcx,rcx->krc", nodes[..., 3:6], b)) / nodes[..., 6]
        rest /= np.sqrt(np.maximum(m, 0) + shape_b)
        change = np.abs(np.diff(rest, axis=2))[:, both]
        share = max(share, float((1.4826 * np.median(change)) ** 2 / 2 * capture.lights / (capture.lights - 3)))
    return np.array([share, max(share * shape_b, steps)], np.float32)


def _sample(
    capture: Capture, field: LightField, grid: Plane, rows: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Values (k, n, w), coefficients (k, n or 1, w or 1, 7) and what counts (n, w), of a few rows."""
    width = min(capture.width, 2048)
    cut = slice(0, width)
    dark = capture.dark
    if dark is not None and np.ndim(dark) > 1:
        dark = dark[..., rows, cut]
    part = Capture(images=np.ascontiguousarray(capture.images[:, rows, cut]), dark=dark, full_scale=capture.full_scale)
    m = grey_frames(part, field.channel_weights)
    inside = np.asarray(np.isfinite(m).all(axis=0), np.bool_)
    if capture.mask is not None:
        inside &= capture.mask[rows, cut]
    if grid.shape[:2] == (1, 1):
        nodes = np.moveaxis(grid, 2, 0)
    else:  # the nearest node will do for a guess of the noise
        at_rows = np.round(rows * (grid.shape[0] - 1) / max(capture.height - 1, 1)).astype(int)
        at_columns = np.round(np.arange(width) * (grid.shape[1] - 1) / max(capture.width - 1, 1)).astype(int)
        nodes = np.moveaxis(grid[at_rows[:, None], at_columns[None, :]], 2, 0)
    return np.asarray(m, np.float64), np.asarray(nodes, np.float64), inside
