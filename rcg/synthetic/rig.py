"""Frames of a surface under a ring of near lights, as a real rig gives them, with the truth of what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.photometric.types import Capture, Floats, Mask, Plane
from rcg.progress import Report, silent, tracked
from rcg.synthetic import shading
from rcg.synthetic.rig_model import RigModel, Sensor, SheetModel, View
from rcg.synthetic.rig_scene import Frame, Scene, brightest_white, card_scene, frame_of, sheet_scene
from rcg.synthetic.surface import Layer, Surface
from rcg.types import Point

_CHANNEL_STEP = 7919  # between the seeds of a frame's channels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigTruth:
    """What a rendered capture shows, in the pixels of its first frame.

    Normals, albedo and relief are means over the area of a pixel, without the lens's point spread: what a perfect
    solver finds of a perfectly sharp frame.

    Attributes:
        normals: (h, w, 3) float32 unit vectors; x right, y up, z to the camera; 0, 0, 1 on the table.
        albedo: (h, w), or (h, w, 3) of colour frames, float32 reflectance; 1 is a white sheet. Of foil: its tint.
        height_um: (h, w) float32 relief in micrometres; 0 on the table.
        foil: (h, w), true where at least half of the surface is metal.
        coverage: (h, w) float32, the share of each pixel that is card.
        mm_to_px: (3, 3) homography from the surface's own millimetres (from its left top corner, x right, y down) to
            pixels (the origin at the left top corner of the left top pixel).
        card_quad: The surface's four corners in pixels: left top, right top, right bottom, left bottom.
        rig: The rig as it truly stood.
        sensor: The sensor.
        view: How the surface lay.
        shifts_px: (k, 2) how far each frame is displaced to the right and down; the first is 0, 0.
    """

    normals: Plane
    albedo: Plane
    height_um: Plane
    foil: Mask
    coverage: Plane
    mm_to_px: Floats
    card_quad: tuple[Point, ...]
    rig: RigModel
    sensor: Sensor
    view: View
    shifts_px: Floats

    @property
    def card(self) -> Mask:
        """(h, w), true where nothing but card is seen."""
        return self.coverage > 0.999

    def to_px(self, points_mm: Sequence[Point] | Floats) -> Floats:
        """Points of the surface, (n, 2) mm from its left top corner, as (n, 2) pixels of the frames."""
        return _mapped(self.mm_to_px, points_mm)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigShot:
    """A rendered capture and its truth."""

    capture: Capture
    truth: RigTruth


def render_capture(
    surface: Surface,
    rng: np.random.Generator,
    *,
    rig: RigModel | None = None,
    sensor: Sensor | None = None,
    sheet: SheetModel | None = None,
    view: View | None = None,
    flat: bool = True,
    report: Report = silent,
) -> RigShot:
    """Photograph a surface once under each light, and a white sheet for the flat field.

    Each pixel of the surface is lit on its own: near lamps with a lobe (inverse square and cosine), Lambert and GGX
    with its own roughness, metal where there is foil, cast shadows where the relief is steep, the camera at its
    height. What leaves it goes through vignetting, point spread, the frame's shift, the mean over a frame's pixel, shot
    and read noise, and the steps of the sensor. A surface twice as fine as the frames keeps the slopes of narrow
    scratches.

    Args:
        surface: What lies under the lights.
        rng: Where the randomness comes from; the same state gives the same bytes on any machine.
        rig: The lights and the camera; None draws one.
        sensor: None draws one of 12 bits, without colours.
        sheet: The sheet for the flat field; None draws one that is tilted, glossy and under lamps that moved.
        view: How the surface lies; None draws a turn of at most 1 degree, on the surface's own grid.
        flat: Whether to take the flat frames; without them the dark is one number a frame.
        report: Where the ticks go, one a frame.

    Returns:
        The capture, with the rig as its owner believes it to stand, and the truth.
    """
    rig = RigModel.draw(rng) if rig is None else rig
    sensor = Sensor.draw(rng) if sensor is None else sensor
    sheet = SheetModel.draw(rng) if sheet is None else sheet
    view = (view or View()).drawn(rng, mm_per_px=surface.mm_per_px)
    shifts = _shifts(rng, len(rig), sensor.shift_px)
    scene, frame = card_scene(surface, rig, view, colour=sensor.colour), frame_of(surface, view)
    scale = exposure(rig, sensor, frame.shape, view.mm_per_px or surface.mm_per_px)
    images = _photograph(scene, frame, rng, rig=rig, sensor=sensor, shifts=shifts, scale=scale, report=report)
    truth = _truth(scene, frame, surface, rig=rig, sensor=sensor, view=view, shifts=shifts)
    dark: NDArray[np.float32] = np.full(len(rig), sensor.offset * sensor.full_scale, np.float32)
    white = None
    if flat:
        dark = dark_frame(rng, sensor, frame.shape, shots=sheet.shots)
        moved = rig.moved(rng, sheet.moved_mm)
        paper = sheet_scene(rng, sheet, frame.shape, view.mm_per_px or surface.mm_per_px)
        white = np.empty((len(rig), *frame.shape), np.float32)
        for i in range(len(rig)):
            white[i] = _averaged(paper.lit(i, moved)[0] * np.float32(scale), rng, sensor, sheet.shots) - dark
    capture = Capture(
        images=images,
        rig=rig.nominal,
        mm_per_px=view.mm_per_px,
        full_scale=float(sensor.full_scale),
        flat=white,
        dark=dark,
        noise=sensor.variance,
    )
    return RigShot(capture=capture, truth=truth)


def render_sheet(
    rng: np.random.Generator,
    rig: RigModel,
    *,
    size_px: tuple[int, int],
    mm_per_px: float,
    sensor: Sensor | None = None,
    sheet: SheetModel | None = None,
) -> Capture:
    """Photograph a white sheet that fills the frame once under each light, one shot each.

    Args:
        rng: Where the randomness comes from.
        rig: The lights and the camera.
        size_px: Rows and columns of a frame.
        mm_per_px: Size of a pixel.
        sensor: None draws one of 12 bits, without colours; frames of a sheet have none.
        sheet: None draws one that is tilted and glossy; its lamps move only if it says so.

    Returns:
        (k, h, w) frames with their dark frame and the rig as its owner believes it to stand.
    """
    sensor = Sensor.draw(rng) if sensor is None else sensor
    sheet = SheetModel.draw(rng) if sheet is None else sheet
    moved, scale = rig.moved(rng, sheet.moved_mm), exposure(rig, sensor, size_px, mm_per_px)
    paper = sheet_scene(rng, sheet, size_px, mm_per_px)
    images = np.empty((len(rig), *size_px), sensor_kind(sensor))
    for i in range(len(rig)):
        images[i] = exposed(paper.lit(i, moved)[0] * np.float32(scale), sensor, int(rng.integers(1 << 62)))
    return Capture(
        images=images,
        rig=rig.nominal,
        mm_per_px=mm_per_px,
        full_scale=float(sensor.full_scale),
        dark=dark_frame(rng, sensor, size_px, shots=sheet.shots),
        noise=sensor.variance,
    )


def exposure(rig: RigModel, sensor: Sensor, size_px: tuple[int, int], mm_per_px: float) -> float:
    """Units of the sensor for one of the kernel's: the brightest matte white comes to lie at `sensor.white`."""
    return sensor.white * sensor.full_scale / brightest_white(rig, size_px, mm_per_px)


def exposed(light: Layer, sensor: Sensor, seed: int, *, shots: int = 1) -> NDArray[np.uint32]:
    """Light in units of the sensor as it numbers it, the sum over some shots, with noise."""
    a, b = sensor.variance
    out = np.empty(light.shape, np.uint32)
    flat = np.ascontiguousarray(light * np.float32(shots)).reshape(-1)
    numbers = (a, shots * (b - 1 / 12), shots * sensor.offset * sensor.full_scale, shots * sensor.full_scale)
    shading.expose(flat, np.uint64(seed), shading.normal_table(), *numbers, out.reshape(-1))
    return out


def dark_frame(rng: np.random.Generator, sensor: Sensor, size_px: tuple[int, int], *, shots: int) -> Plane:
    """The mean of some shots without light, (h, w) float32."""
    return _averaged(np.zeros(size_px, np.float32), rng, sensor, shots)


def _averaged(light: Layer, rng: np.random.Generator, sensor: Sensor, shots: int) -> Plane:
    total = exposed(light, sensor, int(rng.integers(1 << 62)), shots=shots)
    return total.astype(np.float32) / np.float32(shots)


def _photograph(
    scene: Scene,
    frame: Frame,
    rng: np.random.Generator,
    *,
    rig: RigModel,
    sensor: Sensor,
    shifts: Floats,
    scale: float,
    report: Report,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    channels = (3,) if sensor.colour else ()
    images = np.empty((len(rig), *frame.shape, *channels), sensor_kind(sensor))
    seeds, weights = rng.integers(1 << 62, size=len(rig)), frame.weights(sensor.psf_px)
    lit = np.empty_like(scene.albedo)
    for i in tracked(range(len(rig)), task="render frames", report=report):
        scene.lit(i, rig, out=lit)
        for c, plane in enumerate(lit):
            seen = frame.resampled(plane, weights, shifts[i])
            seen *= np.float32(scale)
            target = images[i, ..., c] if sensor.colour else images[i]
            target[...] = exposed(seen, sensor, int(seeds[i]) + c * _CHANNEL_STEP)
    return images


def _shifts(rng: np.random.Generator, count: int, most_px: float) -> Floats:
    way = rng.normal(size=(count, 2))
    way *= rng.uniform(0.1, 1, (count, 1)) * most_px / np.linalg.norm(way, axis=1, keepdims=True)
    way[0] = 0
    return np.round(way, 6)


def _truth(
    scene: Scene, frame: Frame, surface: Surface, *, rig: RigModel, sensor: Sensor, view: View, shifts: Floats
) -> RigTruth:
    weights = frame.weights(0.0)
    x, y = scene.normal
    upright = np.sqrt(np.maximum(0, 1 - x * x - y * y))
    normals = np.stack([frame.resampled(plane, weights) for plane in (x, y, upright)], axis=2)
    normals /= np.sqrt((normals**2).sum(axis=2, keepdims=True))
    bare = scene.cover == 0
    albedo = [frame.resampled(np.where(bare, np.float32(view.table), plane), weights) for plane in scene.albedo]
    rows, columns = surface.coverage.shape
    right, bottom = columns * surface.mm_per_px, rows * surface.mm_per_px
    corners = _mapped(frame.mm_to_px, [(0, 0), (right, 0), (right, bottom), (0, bottom)])
    return RigTruth(
        normals=normals,
        albedo=np.stack(albedo, axis=2) if sensor.colour else albedo[0],
        height_um=frame.resampled(np.where(bare, np.float32(0), scene.relief), weights),
        foil=frame.resampled(scene.foil, weights) >= 0.5,
        coverage=frame.resampled(scene.cover.astype(np.float32), weights) / np.float32(255),
        mm_to_px=frame.mm_to_px,
        card_quad=tuple((float(px), float(py)) for px, py in corners),
        rig=rig,
        sensor=sensor,
        view=view,
        shifts_px=shifts,
    )


def _mapped(homography: Floats, points: Sequence[Point] | Floats) -> Floats:
    x, y = np.asarray(points, np.float64).reshape(-1, 2).T
    return np.column_stack([a * x + b * y + c for a, b, c in homography[:2].tolist()])


def sensor_kind(sensor: Sensor) -> type[np.uint8] | type[np.uint16]:
    """The kind of number its frames hold."""
    return np.uint8 if sensor.bits == 8 else np.uint16
