"""Normals and albedo from frames under several lights: least squares, and a robust solution where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError, DataError
from rcg.photometric.field import light_field
from rcg.photometric.flat_card import answer_slopes, look_at_card
from rcg.photometric.foil import levelled
from rcg.photometric.solver_setup import Rules, Setup, coefficients, prepare, with_glow
from rcg.photometric.types import Capture, LightField, Mask, NormalMap, Plane
from rcg.progress import Report, silent, tracked

Method = Literal["auto", "least-squares", "robust"]
METHODS = ("auto", "least-squares", "robust")
FIT = {"auto": 3.0, "robust": 2.0, "least-squares": np.inf}
"""chi2 above which a pixel is solved robustly. With 8 lights noise alone exceeds 3 at 1 % and 2 at 8 % of pixels."""
_TILE_PX = 1 << 19
_TORCH_TILE_PX = 1 << 16


def solve_normals(
    capture: Capture,
    *,
    method: Method = "auto",
    field: LightField | None = None,
    device: str | None = None,
    tile_rows: int | None = None,
    threads: int = 1,
    report: Report = silent,
) -> NormalMap:
    """Find the normal and the albedo of every pixel.

    A value counts where it lies 3 sigma above dark and below 98 % of full scale. b = albedo * normal is the least
    squares solution (Woodham 1980) with the light direction and gain of each pixel. Where the squared residual is too
    large for the noise, "auto" and "robust" solve again with Cauchy weights (Holland and Welsch 1977), and without
    values far in the shade; elsewhere they are least squares.

    Where the size of a pixel is known and the object lies flat, as a card does, every method takes it for one: it
    corrects what changes evenly over the picture (its bow goes with it), takes off the gloss of its coat
    (`rcg.photometric.finish`), and where it shines like foil solves for metal (`rcg.photometric.foil`).

    Args:
        capture: The frames.
        method: "robust" takes the robust solution at smaller residuals than "auto".
        field: What each pixel gets of each light; None works it out from the capture.
        device: None or "cpu" for compiled code; "torch-cpu" or a torch device such as "cuda" for torch.
        tile_rows: Rows solved at a time; the result does not depend on it.
        threads: Threads of the compiled code.
        report: Where the ticks go, one a tile; a sink that raises `Cancelled` stops.

    Returns:
        The normal map, without any NaN.

    Raises:
        CalibrationError: If the lights are unknown, lie in one plane, or are not as many as the frames.
        ConfigError: If method, device, tile_rows or threads are not known or possible.
        DataError: If nothing could be solved.

    Example:
        >>> from rcg.photometric import LightRig
        >>> grey = np.full((8, 4, 5), 100, np.uint8)
        >>> float(solve_normals(Capture(images=grey, rig=LightRig.ring(8))).normals[2, 2, 2].round(3))
        1.0
    """
    _check(method, tile_rows, threads)
    field = light_field(capture) if field is None else field
    field, tilt = levelled(capture, field) if field.origin == "flat field" and capture.lights > 3 else (field, 0.0)
    card = look_at_card(capture, field)
    field = field if card is None else card.field
    setup, rules = prepare(capture, field), Rules(fit=FIT[method])
    paper = setup
    if card is not None and card.glow is not None:
        paper = with_glow(paper, card.glow)
    if card is not None and card.foil is not None:
        paper = replace(paper, mask=np.asarray((setup.mask > 0) & ~card.foil, np.uint8))
    planes = Planes.empty(capture.height, capture.width)
    run_tiles(paper, rules, planes, device=device, tile_rows=tile_rows, threads=threads, report=report)
    notes = [f"a tilt of {tilt:.2f} degrees was taken off: the card is taken to lie flat"] if tilt > 0.01 else []
    if card is not None:
        notes += card.notes
        if card.response is not None:
            answer_slopes(planes, card.response)
        if card.foil is not None and card.foil_field is not None:
            notes += _solve_foil(card.foil, card.foil_field, setup, rules, planes, device, threads)
    used = planes.counted(capture.lights)
    if not used.any():
        what = "no pixel has three lights that are neither black nor saturated"
        raise DataError(what, fix="check the exposure and the mask; take the frames again with a longer or shorter one")
    return NormalMap(
        normals=planes.normals,
        albedo=planes.albedo,
        used=used,
        chi2=planes.chi2,
        slope_sd=planes.slope_sd,
        unreliable=planes.unreliable,
        mm_per_px=capture.mm_per_px,
        method="least-squares" if method == "least-squares" else "robust",
        origin=field.origin,
        notes=tuple(notes),
    )


def _solve_foil(  # noqa: PLR0917
    mask: Mask, field: LightField, setup: Setup, rules: Rules, planes: Planes, device: str | None, threads: int
) -> list[str]:
    """Solve again where a plane card shines like foil; the sentence that says so."""
    height, width = planes.albedo.shape
    mask = np.asarray(mask & (setup.mask > 0), np.bool_)
    if not mask.any():
        return []
    rows = np.flatnonzero(mask.any(axis=1))
    planes.write_counts(setup.frames.shape[0])
    grid, cov = coefficients(field, height, width)
    foil = replace(setup, grid=grid, cov=cov, mask=mask.view(np.uint8))
    for top, bottom in _tiles(int(rows[-1]) + 1, width, None, 2 * _TILE_PX, first=int(rows[0])):
        again = Planes.empty(height, width)  # memory is only taken for the rows that are written
        run_tiles(foil, rules, again, device=device, threads=threads, rows=(top, bottom))
        band = slice(top, bottom)
        mask[band] &= again.counted(setup.frames.shape[0])[band] > 0
        for name in ("normals", "albedo", "used", "chi2", "slope_sd"):
            getattr(planes, name)[band][mask[band]] = getattr(again, name)[band][mask[band]]
    planes.unreliable[mask] = True
    share = 100 * mask.mean()
    return [f"{share:.0f} % shines like foil: there only relief finer than a few millimetres is seen, depth roughly"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planes:
    """The output while it is being filled; see `NormalMap`.

    Attributes:
        even: (h,) rows in which every light counts at all pixels: their `used` is not written.
    """

    normals: Plane
    albedo: Plane
    used: NDArray[np.uint8]
    even: NDArray[np.bool_]
    chi2: NDArray[np.float16]
    slope_sd: NDArray[np.float16]
    unreliable: NDArray[np.bool_]

    @classmethod
    def empty(cls, height: int, width: int) -> Planes:
        """Planes without content; pages of memory are only taken when written."""
        shape = height, width
        return cls(
            normals=np.empty((*shape, 3), np.float32),
            albedo=np.empty(shape, np.float32),
            used=np.empty(shape, np.uint8),
            even=np.zeros(height, np.bool_),
            chi2=np.empty(shape, np.float16),
            slope_sd=np.empty(shape, np.float16),
            unreliable=np.zeros(shape, np.bool_),
        )

    def write_counts(self, lights: int) -> None:
        """Write `used` in the rows where every one of the lights counts."""
        self.used[self.even] = lights
        self.even[:] = False

    def counted(self, lights: int) -> NDArray[np.uint8]:
        """(h, w) how many of the lights counted; where all did everywhere, one number stands for the plane."""
        if self.even.all():
            return np.broadcast_to(np.uint8(lights), self.used.shape)
        self.write_counts(lights)
        return self.used


def run_tiles(
    setup: Setup,
    rules: Rules,
    planes: Planes,
    *,
    device: str | None = None,
    tile_rows: int | None = None,
    threads: int = 1,
    rows: tuple[int, int] | None = None,
    report: Report = silent,
) -> None:
    """Fill the planes, or some of their rows, tile by tile, on the given device."""
    height, width = planes.albedo.shape
    first, last = (0, height) if rows is None else rows
    if device is None or device == "cpu":
        tiles = _tiles(last, width, tile_rows, _TILE_PX, first=first)
        for _ in tracked(
            _compiled(setup, rules, planes, tiles, threads), task="solve normals", report=report, total=len(tiles)
        ):
            pass
        return
    from rcg.photometric.torch_solver import TorchSolver

    solver = TorchSolver(setup, rules, device=device)
    tiles = _tiles(last, width, tile_rows, _TORCH_TILE_PX, first=first)
    for top, bottom in tracked(tiles, task="solve normals", report=report):
        solver.solve(top, bottom, planes)


def _compiled(setup: Setup, rules: Rules, planes: Planes, tiles: list[tuple[int, int]], threads: int) -> Iterator[None]:
    from rcg.photometric.kernels import solve_rows

    numbers = rules.numbers()
    chi2, slope_sd = planes.chi2.view(np.uint16), planes.slope_sd.view(np.uint16)

    def solve(tile: tuple[int, int]) -> None:
        solve_rows(
            setup.frames, setup.dark, setup.shares, setup.low, setup.high, setup.mask, setup.grid, setup.cov,
            setup.noise, setup.glow, rules.fit, numbers, *tile,
            planes.normals, planes.albedo, planes.used, planes.even, chi2, slope_sd,
        )  # fmt: skip

    if threads == 1:
        yield from map(solve, tiles)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(solve, tiles)
        finally:
            pool.shutdown(cancel_futures=True)  # after a cancel, tiles not begun are not solved


def _tiles(last: int, width: int, rows: int | None, pixels: int, *, first: int = 0) -> list[tuple[int, int]]:
    rows = max(1, pixels // width) if rows is None else rows
    return [(top, min(top + rows, last)) for top in range(first, last, rows)]


def _check(method: str, tile_rows: int | None, threads: int) -> None:
    if method not in METHODS:
        raise ConfigError(f"{method!r} is no method", fix=f"one of {', '.join(METHODS)}")
    if tile_rows is not None and tile_rows < 1:
        raise ConfigError(f"tile_rows is {tile_rows}", fix="give at least 1, or None")
    if threads < 1:
        raise ConfigError(f"threads is {threads}", fix="give at least 1")


def colour_albedo(capture: Capture, normal_map: NormalMap, field: LightField) -> Plane:
    """The reflectance of each channel, with the normals that were found.

    For each channel the least squares factor between its values and the shading of the normal, over the lights that are
    not saturated and shine on it from the front.

    Args:
        capture: Frames with three channels; grey ones give three equal channels.
        normal_map: Their normals.
        field: What each pixel gets of each light.

    Returns:
        (h, w, 3) float32, red, green, blue, zero or more; 0 where the normal was not solved.
    """
    from rcg.photometric.order import at_places

    out: NDArray[np.float32] = np.zeros((*normal_map.shape, 3), np.float32)
    frames = capture.images if capture.images.ndim == 4 else capture.images[..., None]
    scale = 1.0 if capture.rig is None or capture.rig.intensities is None else capture.rig.intensities
    tint = np.ones((capture.lights, frames.shape[3]))
    if frames.shape[3] == 3 and field.channel_weights is not None and np.ndim(scale) == 2:
        tint = 1 / (3 * np.asarray(field.channel_weights, np.float64))  # each channel's own light against their mean
    dark = _dark_rows(capture)
    columns = np.arange(capture.width, dtype=np.float64)
    for top, bottom in _tiles(*normal_map.shape, None, 1 << 16):
        rows = np.arange(top, bottom, dtype=np.float64)
        gains, directions = at_places(field, rows, columns, *normal_map.shape)
        above, below = np.zeros(out[top:bottom].shape), np.zeros(out[top:bottom].shape)
        for i in range(capture.lights):
            shading = np.maximum((directions[i] * normal_map.normals[top:bottom]).sum(axis=-1), 0)[..., None]
            values = frames[i, top:bottom].astype(np.float64)
            counts = values < 0.98 * capture.full_scale
            y = (values - dark(i, top, bottom)) * gains[i][..., None] / tint[i]
            above += np.where(counts, shading * y, 0)
            below += np.where(counts, shading**2, 0)
        found = np.maximum(above, 0) / np.maximum(below, 1e-9)
        out[top:bottom] = np.where(normal_map.solved[top:bottom, :, None] & (below > 1e-9), found, 0)
    return out


def _dark_rows(capture: Capture) -> Any:
    def rows(light: int, top: int, bottom: int) -> Any:
        if capture.dark is None:
            return 0.0
        dark = capture.dark if capture.dark.ndim == 2 else capture.dark[light]
        return dark if np.ndim(dark) == 0 else dark[top:bottom, :, None]

    return rows
