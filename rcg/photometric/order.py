"""Whether the frames stand in the order of the lights: a wrong order leaves slopes that no surface has."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError
from rcg.photometric.smoothing import middles
from rcg.photometric.types import Capture, Floats, LightField

_SIDE = 64
"""Blocks along the longer side of the picture on which orders are compared."""


def check_order(capture: Capture, field: LightField) -> None:
    """Refuse frames that fit the lights markedly better in another order.

    The picture is reduced to about a hundred blocks a side and solved with the frames in the given order, shifted,
    reversed, and with pairs exchanged. What counts is what no surface can do: values that no normal and albedo
    explain, and slopes with a curl (Frankot and Chellappa, PAMI 1988). A ring of lights far away leaves no residual
    when its frames are shifted, only the curl tells.

    Args:
        capture: The frames.
        field: What each pixel gets of each light.

    Raises:
        CalibrationError: If another order leaves much less, with that order.
    """
    found = find_order(capture, field)
    if found is None:
        return
    listed = ", ".join(str(index + 1) for index in found[:24]) + (", ..." if len(found) > 24 else "")
    what = f"the frames do not fit the order of the lights: they seem to be in the order {listed}"
    fix = "rename the frames, or list them in that order in filenames.txt, or put the lights into the frames' order"
    raise CalibrationError(what, fix=fix)


def find_order(capture: Capture, field: LightField, *, share: float = 0.4) -> tuple[int, ...] | None:
    """The order of the frames that fits the lights markedly better than the given one.

    Args:
        capture: The frames.
        field: What each pixel gets of each light.
        share: What part of the given order's misfit another may leave at most.

    Returns:
        For each light the index of its frame; None where the given order fits as well, or nothing can be said.
    """
    values, gains, directions, good = coarse(capture, field)
    if good.mean() < 0.02:
        return None
    if capture.rig is not None and capture.rig.intensities is None and field.origin in _UNEVEN:
        slant = np.median(directions[..., 2].reshape(len(values), -1), axis=1)  # how a plane would answer each light
        level = np.median(values[:, good] / values[:, good].mean(axis=0), axis=1)
        values, gains = (
            values / level[:, None, None],
            slant[:, None, None] * gains / gains.mean(axis=(1, 2), keepdims=True),
        )
    given = _misfit(values, gains, directions, good)
    if given < _FLOOR:
        return None
    best, misfit = _best(_orders(capture.lights), values, gains, directions, good)
    for _ in range(8):  # what is left may be one exchange more
        if misfit > 0.8 * given:
            break
        further, left = _best(_exchanged(best), values, gains, directions, good)
        if left > 0.9 * misfit:
            break
        best, misfit = further, left
    return best if misfit < share * given else None


def _best(
    orders: Iterable[tuple[int, ...]], values: Floats, gains: Floats, directions: Floats, good: NDArray[np.bool_]
) -> tuple[tuple[int, ...], float]:
    """The order with the smallest misfit, and that."""
    tried = [(_misfit(values[list(order)], gains, directions, good), order) for order in orders]
    least = min(tried)[0]
    # Far lights half way round turn a surface inside out and fit as well; things bulge towards the camera.
    ties = [each for each in tried if each[0] <= 1.05 * least]
    left, order = max(ties, key=lambda each: _bulge(values[list(each[1])], gains, directions, good))
    return order, left


_UNEVEN = ("directions", "near lights")  # where unequal lamps would be taken for slopes
_FLOOR = 1e-4  # slopes of 0.01: what noise, gloss and a rough calibration leave


def _orders(count: int) -> Iterator[tuple[int, ...]]:
    """Shifts, with and without reversal, and exchanges of two (of neighbours where there are many)."""
    for step, shift in itertools.product((1, -1), range(count)):
        if (step, shift) != (1, 0):
            yield tuple((shift + step * index) % count for index in range(count))
    yield from _exchanged(tuple(range(count)))


def _exchanged(order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for one, two in itertools.combinations(range(len(order)), 2):
        if len(order) <= 16 or two == one + 1:
            other = list(order)
            other[one], other[two] = other[two], other[one]
            yield tuple(other)


def coarse(capture: Capture, field: LightField) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Means of blocks (k, rows, columns), gains and directions there, and which blocks can be used."""
    longer = max(capture.height, capture.width)
    pieces = [max(1, round(min(_SIDE, longer) * size / longer)) for size in (capture.height, capture.width)]
    rows, columns = (
        np.linspace(0, size, count + 1).round().astype(np.int64)
        for size, count in zip((capture.height, capture.width), pieces, strict=True)
    )
    values = np.stack([_block_means(capture, field, light, rows, columns) for light in range(capture.lights)])
    good = values.min(axis=0) > 0.02 * np.quantile(values, 0.9)
    good &= values.max(axis=0) < 0.95 * capture.full_scale
    if capture.mask is not None:
        good &= capture.mask[np.ix_(middles(rows).astype(int), middles(columns).astype(int))]
    gains, directions = at_places(field, middles(rows), middles(columns), capture.height, capture.width)
    return values, gains, directions, good


def _block_means(
    capture: Capture, field: LightField, light: int, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> Floats:
    frame = capture.images[light]
    step = max(1, int(np.diff(rows).min()) // 12)  # a dozen pixels along a block's side tell its mean
    rows, columns = (
        np.minimum(-(-cut // step), size) for cut, size in zip((rows, columns), _sides(frame, step), strict=True)
    )
    thin = frame[::step, ::step].astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(thin, rows[:-1], axis=0), columns[:-1], axis=1).astype(np.float64)
    area = np.outer(np.diff(rows), np.diff(columns))
    means = sums / (area[..., None] if frame.ndim == 3 else area)
    if frame.ndim == 3:
        means = means @ (np.full(3, 1 / 3) if field.channel_weights is None else field.channel_weights[light])
    if capture.dark is not None:
        dark = capture.dark if capture.dark.ndim == 2 else capture.dark[light]
        means = means - (dark if np.ndim(dark) == 0 else float(np.mean(dark)))
    return np.asarray(means)


def _sides(frame: NDArray[Any], step: int) -> tuple[int, int]:
    return -(-frame.shape[0] // step), -(-frame.shape[1] // step)


def at_places(field: LightField, rows: Floats, columns: Floats, height: int, width: int) -> tuple[Floats, Floats]:
    """Gains (k, rows, columns) and directions (k, rows, columns, 3) of a light field at pixels."""
    inner = [
        np.asarray(at, np.float64) * (count - 1) / max(size - 1, 1)
        for at, count, size in zip((rows, columns), field.gains.shape[1:], (height, width), strict=True)
    ]

    def between(values: Floats) -> Floats:
        for axis, at in enumerate(inner, start=1):
            low = np.clip(np.floor(at).astype(int), 0, max(values.shape[axis] - 2, 0))
            share = (at - low).reshape(-1, *([1] * (values.ndim - axis - 1)))
            high = np.minimum(low + 1, values.shape[axis] - 1)
            values = values.take(low, axis=axis) * (1 - share) + values.take(high, axis=axis) * share
        return values

    return between(field.gains.astype(np.float64)), between(field.directions.astype(np.float64))


def _misfit(values: Floats, gains: Floats, directions: Floats, good: NDArray[np.bool_]) -> float:
    """Squared slopes that no surface explains: residual, and curl of the slopes; medians, for gloss and shadow."""
    y = values * gains
    b = _solve(y, directions)
    albedo = np.maximum(np.linalg.norm(b, axis=-1), 1e-12)
    rest = y - np.einsum("kijc,ijc->kij", np.broadcast_to(directions, (*y.shape, 3)), b)
    residual = (rest**2).mean(axis=0) / albedo**2
    z = np.maximum(b[..., 2] / albedo, 0.2)
    p, q = (np.where(good, -b[..., axis] / albedo / z, 0.0) for axis in (0, 1))
    return float(np.median(residual[good])) + _curl(p, -q, good)


def _solve(y: Floats, directions: Floats) -> Floats:
    """(rows, columns, 3) albedo times normal by least squares."""
    if len(directions.reshape(len(y), -1, 3)[0]) == 1:
        return np.asarray(np.einsum("ck,kij->ijc", np.linalg.pinv(directions[:, 0, 0]), y))
    normal = np.einsum("kijc,kijd->ijcd", directions, directions) + 1e-9 * np.eye(3)
    right = np.einsum("kijc,kij->ijc", directions, y)
    return np.asarray(np.linalg.solve(normal, right[..., None])[..., 0])


def _bulge(values: Floats, gains: Floats, directions: Floats, good: NDArray[np.bool_]) -> float:
    """How much normals point away from the middle; below zero for a bowl."""
    b = _solve(values * gains, directions)
    tilt = b[..., :2] / np.maximum(np.linalg.norm(b, axis=-1, keepdims=True), 1e-12)
    rows, columns = np.nonzero(good)
    x, y = columns - columns.mean(), rows.mean() - rows
    return float((tilt[good][:, 0] * x + tilt[good][:, 1] * y).mean())


def _curl(p: Floats, q: Floats, good: NDArray[np.bool_]) -> float:
    """Median square of what is left of slopes (p along columns, q along rows) when the best surface is taken off."""
    from scipy.fft import dctn, idctn

    p, q = np.clip(p, -2, 2), np.clip(q, -2, 2)
    across, down = (p[:, 1:] + p[:, :-1]) / 2, (q[1:] + q[:-1]) / 2
    sources = np.zeros_like(p)  # what the best surface's Laplacian is: least squares over all steps between blocks
    sources[:, :-1] -= across
    sources[:, 1:] += across
    sources[:-1] -= down
    sources[1:] += down
    eigen = [2 - 2 * np.cos(np.pi * np.arange(size) / size) for size in p.shape]
    total = eigen[0][:, None] + eigen[1][None]
    total[0, 0] = 1
    spectrum = dctn(sources, type=2) / total
    spectrum[0, 0] = 0
    height = idctn(spectrum, type=2)
    left_x, left_y = across - np.diff(height, axis=1), down - np.diff(height, axis=0)
    inner_x, inner_y = good[:, 1:] & good[:, :-1], good[1:] & good[:-1]
    if not (inner_x.any() and inner_y.any()):
        return 0.0
    return float(np.median(left_x[inner_x] ** 2) + np.median(left_y[inner_y] ** 2))


__all__ = ["at_places", "check_order", "coarse", "find_order"]
