"""What the model of a matte surface leaves over: shine, and print that leaks into the slopes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rcg.errors import DataError
from rcg.photometric import noise
from rcg.photometric.field import grey_frames
from rcg.photometric.relief import Slopes, slopes, smooth
from rcg.photometric.types import Capture, LightField, Mask, NormalMap, Plane
from rcg.progress import Report, silent, tracked

_ROWS = 64
_SLOW_PX = 40.0
LEAKS_FROM = 0.1
"""Print leaks where its edges explain more than this share of the slopes' variance there."""


def gloss_map(capture: Capture, normal_map: NormalMap, field: LightField, *, report: Report = silent) -> Plane:
    """How much more than a matte surface each pixel reflects: its positive residuals over its albedo.

    Args:
        capture: The frames that were solved.
        normal_map: Their normals and albedo.
        field: What each pixel gets of each light, the one that was solved with.
        report: Where ticks go.

    Returns:
        (h, w) float32, the mean over the lights of max(0, y - albedo (l . n)) / albedo; about the relative noise on
        matte paper, 0 where nothing is solved.

    Raises:
        DataError: If frames, normals and field do not belong together.
    """
    height, width = normal_map.shape
    if (capture.height, capture.width) != (height, width) or field.lights != capture.lights:
        what = f"{capture.lights} frames of {capture.width} x {capture.height} pixels, {field.lights} lights"
        raise DataError(f"{what} and normals of {width} x {height} do not belong together")
    usual = float(np.median(normal_map.albedo[normal_map.solved])) if normal_map.solved.any() else 1.0
    out = np.zeros((height, width), np.float32)
    starts = range(0, height, _ROWS)
    for start in tracked(starts, task="gloss", report=report):
        rows = slice(start, min(start + _ROWS, height))
        values = grey_frames(_part(capture, rows), field.channel_weights)
        albedo = normal_map.albedo[rows]
        total = np.zeros(albedo.shape, np.float32)
        for value, direction, gain in zip(values, *_spread(field, rows, height, width), strict=True):
            lambert = np.maximum(np.einsum("hwc,hwc->hw", direction, normal_map.normals[rows]), 0) * albedo
            total += np.maximum(value * gain - lambert, 0)
        out[rows] = total / (capture.lights * np.maximum(albedo, 0.05 * max(usual, 1e-6)))
    out[~normal_map.solved] = 0
    return out


def _part(capture: Capture, rows: slice) -> Capture:
    """Some rows of the frames and their dark, without anything else."""
    dark = capture.dark
    if dark is not None and dark.ndim > 1:
        dark = dark[..., rows, :]
    return Capture(images=capture.images[:, rows], full_scale=capture.full_scale, dark=dark)


def _spread(field: LightField, rows: slice, height: int, width: int) -> tuple[Iterator[Plane], Iterator[Plane]]:
    """Directions (r, w, 3) and gains (r, w) of each light, bilinear between the nodes; directions not normalised."""
    _, down, across = field.gains.shape
    row_weights = _weights(np.arange(rows.start, rows.stop), height, down)
    column_weights = _weights(np.arange(width), width, across)

    def wide(plane: Plane) -> Plane:
        return np.asarray(row_weights @ plane @ column_weights.T, np.float32)

    directions = (np.stack([wide(each[..., axis]) for axis in range(3)], axis=-1) for each in field.directions)
    return directions, (wide(each) for each in field.gains)


def _weights(at: np.ndarray, size: int, nodes: int) -> Plane:
    """(len(at), nodes) shares of the nodes, whose first and last lie on the first and last pixel."""
    place = at * ((nodes - 1) / max(size - 1, 1))
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(nodes))), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintLeak:
    """Whether the print shows in the relief, where it does not belong.

    Attributes:
        correlation: Of the size of the albedo's gradient (of its logarithm) with the size of the slope, -1 to 1.
        explained: Share, 0 to 1, of the slopes' variance at strong print edges that a shift of frames explains.
        shift_px: The shift of a single frame that would do that; a rough figure, for 45 degrees of zenith.
        along_deg: The direction of that shift, against the clock from x, 0 to 180.
        light_deg: The azimuth of that frame's light, against the clock from x, 0 to 180: it, or the one opposite.
        leaks: Whether it is more than chance.
        note: What to do, one sentence; empty where nothing leaks.
    """

    correlation: float
    explained: float
    shift_px: float
    along_deg: float
    light_deg: float
    leaks: bool
    note: str


def print_leak(normal_map: NormalMap, *, mask: Mask | None = None) -> PrintLeak:
    """Check that print edges do not turn up as slopes, as they do when frames are shifted against each other.

    Args:
        normal_map: The solved normals and albedo of a card that is about flat.
        mask: (h, w), true on the card; keep its cut edge out.

    Raises:
        DataError: If nothing is solved inside the mask.
    """
    inside = normal_map.solved if mask is None else normal_map.solved & mask
    if not inside.any():
        raise DataError("nothing of the surface is solved inside the mask", fix="look at the mask and the frames")
    p, q = slopes(normal_map, mask=inside)
    p, q = _fast((p, q), inside)
    terms = noise.print_terms(noise.log_albedo(normal_map, inside))
    leak = noise.fit_leak((p, q), terms, inside, np.random.default_rng(0))
    known = np.flatnonzero(inside)
    known = known[:: max(1, len(known) // 400_000)]
    edges = np.hypot(terms[0].ravel()[known], terms[1].ravel()[known])
    steep = np.hypot(p.ravel()[known], q.ravel()[known])
    moved = edges.std() > 0 and steep.std() > 0
    correlation = float(np.corrcoef(edges, np.minimum(steep, 20 * np.median(steep)))[0, 1]) if moved else 0.0
    lights, strength, along = np.linalg.svd(leak.matrix[:, :2])
    # one frame off by d adds d . grad(log albedo) times its row of the pseudo-inverse: 2 / (lights sin(zenith))
    count = float(np.median(normal_map.used[inside]))
    shift = float(strength[0] * count * np.sin(np.pi / 4) / 2)
    angles = [float(np.degrees(np.arctan2(each[1], each[0])) % 180) for each in (along[0], lights[:, 0])]
    leaks = bool(leak.explained > LEAKS_FROM and shift > 0.02)
    return PrintLeak(
        correlation=correlation, explained=leak.explained, shift_px=shift, along_deg=angles[0], light_deg=angles[1],
        leaks=leaks, note=_advice(leak.explained, shift, angles) if leaks else "",
    )  # fmt: skip


def without_print(normal_map: NormalMap, *, mask: Mask | None = None) -> Slopes:
    """Slopes with what print edges fake taken off, as `find_defects` looks at them: for a height map without the art.

    Args:
        normal_map: The solved normals and albedo.
        mask: (h, w), true on the card; keep its cut edge out.

    Returns:
        Slopes p and q, each (h, w) float32, for `integrate`; 0 outside the mask.
    """
    inside = normal_map.solved if mask is None else normal_map.solved & mask
    whole = slopes(normal_map, mask=inside)
    terms = noise.print_terms(noise.log_albedo(normal_map, inside))
    leak = noise.fit_leak(_fast(whole, inside), terms, inside, np.random.default_rng(0))
    return noise.without_leak(whole, terms, leak, inside)


def _fast(relief: Slopes, inside: Mask) -> Slopes:
    """Slopes less their mean over some 40 pixels, 0 outside."""
    mask = None if inside.all() else inside
    p, q = ((each - smooth(each, _SLOW_PX, mask=mask)) * inside for each in relief)
    return p, q


def _advice(explained: float, shift: float, angles: list[float]) -> str:
    along, light = angles
    return (
        f"print edges turn up as slopes ({100 * explained:.0f} % of the slopes there), as if the frame of the light at "
        f"{light:.0f} or {light + 180:.0f} degrees were shifted by about {shift:.2f} px along {along:.0f} degrees: "
        "if the frames were not registered, do that first; else trust marks along print edges less"
    )


__all__ = ["PrintLeak", "gloss_map", "print_leak", "without_print"]
