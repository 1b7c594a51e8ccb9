"""What a filter's answer is without any defect: its noise, read from the map itself, and what print edges fake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rcg.photometric.relief import Slopes, smooth
from rcg.photometric.ridges import Hessian, hessian, reduced
from rcg.photometric.types import Floats, Mask, NormalMap, Plane

NORMAL_MAD = 0.6745
"""Median of the size of a normal deviate."""
_STRONGEST_OF_NOISE = 2.2
"""Of noise alone the strongest of all directions is below so many standard deviations four times in five."""
_SAMPLES = 120_000
_SLOW_PX = 140.0
_TERMS = 6


def scatter_of(normal_map: NormalMap, inside: Mask) -> Plane:
    """(h, w) float32 the slopes' standard deviation over the usual one: dark ink is noisier than white paper."""
    scatter = normal_map.slope_sd.astype(np.float32)
    usual = float(np.median(scatter[inside][::7])) if inside.any() else 0.0
    if usual <= 0:
        return np.ones(scatter.shape, np.float32)
    scatter /= np.float32(usual)
    return np.asarray(np.where(inside, np.clip(scatter, 0.3, 10), 1), np.float32)


def scatter_at(scatter: Plane | None, planes: Hessian, *, reach: float) -> Plane:
    """The scatter as a filter sees it, on its grid: its root mean square over `reach` standard deviations."""
    import cv2

    if scatter is None:
        return np.ones(planes.xx.shape, np.float32)
    square = reduced(scatter * scatter, planes.factor)
    return np.sqrt(np.asarray(cv2.GaussianBlur(square, (0, 0), reach * planes.sigma), np.float32))


def local_noise(sizes: Plane, known: Mask, scatter: Plane, *, block: int) -> Plane:
    """Standard deviation of a filter's answer, from medians over blocks, which a defect in the block hardly moves.

    Args:
        sizes: (r, c) float32 absolute answers, on a grid of every so many pixels of `scatter`.
        known: (r, c), true where they are of the card.
        scatter: (h, w) from `scatter_at`: how the noise goes within a block.
        block: Side of a block, in steps of the grid of `sizes`.

    Returns:
        (h, w) float32, never below 0.6 times what is usual for the scatter, above zero.
    """
    import cv2

    every = -(-scatter.shape[0] // sizes.shape[0])
    sizes = sizes / scatter[::every, ::every][: sizes.shape[0], : sizes.shape[1]]
    level = np.full(_block_counts(sizes.shape, block), np.nan)
    for place, part in _blocks(sizes.shape, level.shape):
        inside = known[part]
        if inside.sum() >= max(8, 0.25 * inside.size):
            level[place] = np.median(sizes[part][inside])
    usual = float(np.median(sizes[known])) if known.any() else 0.0
    level = np.where(np.isnan(level), usual, np.maximum(level, 0.6 * usual))
    level = np.maximum(level / NORMAL_MAD, 1e-9).astype(np.float32)
    return np.asarray(cv2.resize(level, scatter.shape[::-1], interpolation=cv2.INTER_LINEAR) * scatter, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leak:
    """How the print's edges turn up as slopes.

    Attributes:
        matrix: (2, 6): p and q for each unit of x, y, xx, yy and xy derivative of the albedo's logarithm, per pixel,
            and of the usual albedo over the albedo.
        explained: Share, 0 to 1, of the slopes' variance at the strongest print edges that it explains.
    """

    matrix: Floats
    explained: float


def log_albedo(normal_map: NormalMap, inside: Mask) -> Plane:
    """The albedo's logarithm with a floor at 3 % of the usual, level outside."""
    usual = float(np.median(normal_map.albedo[inside][::7])) if inside.any() else 1.0
    logs = np.log(np.maximum(normal_map.albedo, 0) + np.float32(max(0.03 * usual, 1e-6)))
    logs[~inside] = np.log(max(usual, 1e-6))
    return logs.astype(np.float32, copy=False)


def print_terms(logs: Plane) -> tuple[Plane, ...]:
    """First and second differences of the albedo's logarithm (y up), per pixel, and the usual albedo over the albedo.

    The last is what light that no ink absorbs (a veil of gloss, a wrong dark frame) does to a slope.
    """
    import cv2

    def kernel(*values: float) -> Plane:
        return np.array(values, np.float32)

    slope, bend, one = kernel(-0.5, 0, 0.5), kernel(1, -2, 1), kernel(1)
    pairs = ((slope, one), (one, -slope), (bend, one), (one, bend), (slope, -slope))
    edges = (
        np.asarray(cv2.sepFilter2D(logs, cv2.CV_32F, across, down, borderType=cv2.BORDER_REPLICATE), np.float32)
        for across, down in pairs
    )
    inverse = np.exp(np.float32(np.median(logs[::7, ::7])) - logs)
    inverse -= smooth(inverse, _SLOW_PX)  # as the slopes, which come without their slow part
    return (*edges, inverse)


def fit_leak(relief: Slopes, terms: tuple[Plane, ...], inside: Mask, rng: np.random.Generator) -> Leak:
    """Regress the slopes on the print's edges, robustly, where those are strong.

    A frame shifted by d pixels adds to the solved normal what d times the albedo's gradient adds to its value, in every
    print edge alike; unequal sharpness of the frames adds the second derivatives.

    Args:
        relief: Slopes without their slow part, (h, w) each.
        terms: From `print_terms`.
        inside: (h, w), true where slopes and albedo are of the card.
        rng: Chooses among the pixels.
    """
    strength = np.abs(terms[0]) + np.abs(terms[1])
    known = np.flatnonzero(inside)
    if len(known) < 100:
        return Leak(matrix=np.zeros((2, _TERMS)), explained=0.0)
    if len(known) > 20 * _SAMPLES:
        known = rng.choice(known, 20 * _SAMPLES, replace=False)
    strong = strength.ravel()[known]
    known = known[strong >= np.quantile(strong, 0.95)]
    design = np.column_stack([term.ravel()[known] for term in terms]).astype(np.float64)
    matrix, before, after = np.zeros((2, _TERMS)), 0.0, 0.0
    for row, slope in enumerate(relief):
        values = slope.ravel()[known].astype(np.float64)
        weight = np.ones(len(values))
        for _ in range(4):
            matrix[row] = np.linalg.lstsq(design * weight[:, None], values * weight, rcond=None)[0]
            off = np.abs(values - design @ matrix[row])
            spread = max(float(np.median(off)) / NORMAL_MAD, 1e-9)
            weight = 1 / np.sqrt(1 + (off / (2.385 * spread)) ** 2)
        before += float((weight * values**2).sum())
        after += float((weight * (values - design @ matrix[row]) ** 2).sum())
    return Leak(matrix=matrix, explained=max(0.0, 1 - after / max(before, 1e-30)))


def without_leak(relief: Slopes, terms: tuple[Plane, ...], leak: Leak, inside: Mask) -> Slopes:
    """The slopes with what the print fakes taken off, and 0 outside."""
    found = []
    for slope, row in zip(relief, leak.matrix.astype(np.float32), strict=True):
        clean = slope.copy()
        for term, share in zip(terms, row, strict=True):
            clean -= share * term
        clean *= inside
        found.append(clean)
    return found[0], found[1]


def print_gradient(logs: Plane) -> Slopes:
    """The albedo's logarithm's gradient, to the right and upwards, per pixel."""
    import cv2

    across = cv2.Sobel(logs, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
    up = cv2.Sobel(logs, cv2.CV_32F, 0, 1, scale=-1 / 8, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(across, np.float32), np.asarray(up, np.float32)


def edge_doubt(logs: Plane, planes: Hessian, inside: Mask) -> Plane:
    """Standard deviation of what remains of print edges in a filter's answer, (h, w) on the grid of `planes`.

    The answer's size at the strongest print edges, over the print's own second derivative at the same scale, says how
    much of it leaks; that share is then charged wherever there is print.
    """
    import cv2

    across, up = print_gradient(logs)
    ink = hessian((across, up), planes.sigma * planes.factor)
    slopes_of_ink = tuple(cv2.GaussianBlur(reduced(each, planes.factor), (0, 0), planes.sigma) for each in (across, up))
    # an edge that is out of place leaks its slope's curvature; one of unequal sharpness leaks the edge itself
    edges = np.asarray(cv2.magnitude(cv2.magnitude(ink.xx, ink.yy), ink.xy * np.float32(np.sqrt(2))), np.float32)
    edges += np.asarray(cv2.magnitude(*slopes_of_ink), np.float32) / np.float32(planes.sigma)
    known = _reduced_mask(inside, planes.factor)
    sparse = np.s_[::3, ::3] if planes.factor < 3 else np.s_[:, :]  # enough for medians and quantiles
    known = known[sparse]
    if not known.any():
        return np.zeros(planes.xx.shape, np.float32)
    edges -= 2 * float(np.median(edges[sparse][known]))
    np.maximum(edges, 0, out=edges)
    xx, yy, xy, charged = (each[sparse] for each in (planes.xx, planes.yy, planes.xy, edges))
    answer = np.abs(xx + yy) / 2 + np.hypot((xx - yy) / 2, xy)
    strong = known & (charged > 0)
    if strong.sum() < 50:
        return np.zeros(planes.xx.shape, np.float32)
    strong &= charged >= np.quantile(charged[strong], 0.7)
    share = float(np.quantile(answer[strong] / charged[strong], 0.8)) / 1.28
    reach = 2 * round(planes.sigma) + 1
    wide = cv2.dilate(edges, np.ones((reach, reach), np.uint8))
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), planes.sigma) * np.float32(share), np.float32)


def local_share(crests: Plane, doubt: Plane, level: Plane, known: Mask, *, every: int, block: int) -> Plane:
    """How much of the doubt is real where print is dense: a halftone's dots average out along a line, a frame does not.

    Args:
        crests: (r, c) sizes of the line filter's strongest answer at every so many pixels.
        doubt: (h, w) from `edge_doubt`.
        level: (h, w) from `local_noise`.
        known: (h, w), true on the card.
        every: Pixels between two of `crests`.
        block: Side of a block, in steps of the grid of `crests`.

    Returns:
        (h, w) float32 factor, 0.1 to 1; 1 where print is sparse, as the block then says nothing of its edges.
    """
    import cv2

    charged, usual, inside = doubt[::every, ::every], level[::every, ::every], known[::every, ::every]
    counted = np.asarray(inside & (charged > usual), np.bool_)
    share = np.ones(_block_counts(crests.shape, block), np.float32)
    for place, part in _blocks(crests.shape, share.shape):
        which = counted[part]
        if which.sum() >= max(20, 0.3 * which.size):
            answered = float(np.quantile(crests[part][which] / charged[part][which], 0.8)) / _STRONGEST_OF_NOISE
            told = float(np.median(usual[part][which] / charged[part][which]))  # the level holds this already
            share[place] = min(1.0, max(0.1, float(np.sqrt(max(0.0, answered**2 - told**2)))))
    return np.asarray(cv2.resize(share, doubt.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _reduced_mask(mask: Mask, factor: int) -> Mask:
    return np.asarray(
        mask[factor // 2 :: factor, factor // 2 :: factor][: mask.shape[0] // factor, : mask.shape[1] // factor]
    )


def _block_counts(shape: tuple[int, ...], block: float) -> tuple[int, int]:
    """How many blocks of about this size go down and across."""
    return max(1, round(shape[0] / block)), max(1, round(shape[1] / block))


def _blocks(shape: tuple[int, ...], counts: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], tuple[slice, slice]]]:
    """Each block's place among the blocks, and its pixels."""
    (rows, columns), (down, across) = shape[:2], counts[:2]
    for i, j in np.ndindex(down, across):
        yield (
            (i, j),
            np.s_[i * rows // down : (i + 1) * rows // down, j * columns // across : (j + 1) * columns // across],
        )
