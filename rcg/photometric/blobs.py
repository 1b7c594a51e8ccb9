"""Dents and bumps: round places of a field of slopes, found at several sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rcg.photometric.noise import edge_doubt, local_noise, scatter_at
from rcg.photometric.relief import Slopes
from rcg.photometric.ridges import hessian
from rcg.photometric.types import Mask, Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A round place.

    Attributes:
        x, y: Its middle, in pixels of the map.
        sigma_px: The scale at which it stands out most.
        score: The filter's answer over its noise, above zero for a pit.
        roundness: Smaller over larger curvature, below zero for a saddle, 1 for a round pit.
    """

    x: float
    y: float
    sigma_px: float
    score: float
    roundness: float


def blobs(
    relief: Slopes,
    logs: Plane | None,
    scatter: Plane | None,
    inside: Callable[[float], Mask],
    *,
    sigmas_px: tuple[float, ...],
    block_px: float,
    least: float,
) -> list[Blob]:
    """Extremes of the curvature over place and scale, the strongest first.

    In white slope noise the answer over its noise is that of the matched filter for a Gaussian pit of that size.

    Args:
        relief: Slopes (p to the right, q upwards), 0 where nothing is known.
        logs: The albedo's logarithm; None where print cannot be told apart.
        scatter: Noise of the slopes over the usual one; None for the same everywhere.
        inside: From a scale to (h, w), true where its finds may lie.
        sigmas_px: The scales, in pixels.
        block_px: Over how many pixels the noise is one.
        least: The score below which nothing is reported.
    """
    found: list[Blob] = []
    for sigma in sigmas_px:
        found += _at_scale(relief, logs, scatter, inside(sigma), sigma, max(block_px, 12 * sigma), least)
    found.sort(key=lambda blob: -abs(blob.score))
    kept: list[Blob] = []
    for blob in found:
        near = (np.hypot(blob.x - other.x, blob.y - other.y) < 2 * max(blob.sigma_px, other.sigma_px) for other in kept)
        if not any(near):
            kept.append(blob)
    return kept


def _at_scale(  # noqa: PLR0917 - a private step, called once
    relief: Slopes,
    logs: Plane | None,
    scatter: Plane | None,
    inside: Mask,
    sigma: float,
    block: float,
    least: float,
) -> list[Blob]:
    import cv2

    planes = hessian(relief, sigma)
    trace = planes.xx + planes.yy
    factor = planes.factor
    known = inside[factor // 2 :: factor, factor // 2 :: factor][: trace.shape[0], : trace.shape[1]]
    if not known.any():
        return []
    wide = scatter_at(scatter, planes, reach=1.5)
    noise = local_noise(np.abs(trace), known, wide, block=max(4, round(block / factor)))
    if logs is not None:
        noise = np.hypot(noise, edge_doubt(logs, planes, inside))
    score = trace / noise
    size = np.abs(score)
    reach = 2 * max(1, round(planes.sigma)) + 1
    peaks = known & (size >= least) & (size >= cv2.dilate(size, np.ones((reach, reach), np.uint8)))
    found = []
    for row, column in zip(*(each.tolist() for each in np.nonzero(peaks)), strict=True):
        half = (planes.xx[row, column] - planes.yy[row, column]) / 2
        spread = float(np.hypot(half, planes.xy[row, column]))
        mean = abs(float(trace[row, column])) / 2
        found.append(
            Blob(
                x=(column + 0.5) * factor - 0.5,
                y=(row + 0.5) * factor - 0.5,
                sigma_px=sigma,
                score=float(score[row, column]),
                roundness=(mean - spread) / (mean + spread),
            )
        )
    return found
