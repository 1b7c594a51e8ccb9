"""A mirror ball under the rig: each lamp shows as one small reflection, and where it shows tells its direction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.photometric.types import Capture, Floats
from rcg.synthetic import shading
from rcg.synthetic.rig import dark_frame, exposed, sensor_kind
from rcg.synthetic.rig_model import RigModel, Sensor
from rcg.synthetic.surface import Layer

_FINE = 3  # rays a pixel each way
_ROOM, _LAMP = 0.04, 6.0  # brightness of the dark room in the mirror, and of a lamp, as shares of full scale


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BallShot:
    """Frames of a mirror ball and their truth. Pixels here count from the centre of the left top pixel.

    Attributes:
        capture: The frames, with the ball as their mask.
        circle: x, y and radius of the ball's outline, in pixels.
        highlights: (k, 2) x and y of each lamp's reflection, in pixels.
        directions: (k, 3) unit vectors from the ball's middle to each lamp; from the place of its reflection, half a
            radius aside, a near lamp stands about a degree elsewhere.
        camera_mm: From the camera to the ball's middle.
        rig: The rig as it truly stood.
    """

    capture: Capture
    circle: tuple[float, float, float]
    highlights: Floats
    directions: Floats
    camera_mm: float
    rig: RigModel


def render_ball(
    rng: np.random.Generator,
    rig: RigModel,
    *,
    sensor: Sensor | None = None,
    radius_mm: float = 10.0,
    mm_per_px: float = 0.06,
    margin: float = 1.25,
) -> BallShot:
    """Photograph a polished steel ball, its middle at the height of the card and in the middle of the picture.

    Args:
        rng: Where the randomness comes from.
        rig: The lights and the camera; the camera is taken to stand straight above the ball.
        sensor: None draws one of 12 bits; it has no colours and does not shake.
        radius_mm: Of the ball.
        mm_per_px: Size of a pixel at the height of the card.
        margin: Half the frame's side, in radii of the ball.

    Returns:
        The frames and what they show.

    Raises:
        ConfigError: If the ball would be smaller than 20 pixels across, or the camera within it.
    """
    sensor = replace(Sensor.draw(rng) if sensor is None else sensor, colour=False)
    distance = float(rig.camera_mm[2])
    if radius_mm < 10 * mm_per_px or distance < 2 * radius_mm:
        what = f"a ball of {radius_mm:g} mm, at {mm_per_px:g} mm a pixel and {distance:g} mm away, is not rendered"
        raise ConfigError(what, fix="give a larger ball, smaller pixels, or a camera further away")
    # the outline is a cone's: its tangent rays meet the plane through the middle a little outside the equator
    outline = radius_mm / np.sqrt(1 - (radius_mm / distance) ** 2) / mm_per_px
    half = int(np.ceil(margin * outline))
    size = 2 * half + 1
    normal, mirrored, hit = _rays(size, radius_mm, mm_per_px, distance)
    images, scale = np.empty((len(rig), size, size), sensor_kind(sensor)), sensor.full_scale
    rough = np.array([_reflection(place, radius_mm, distance) for place in rig.positions_mm])
    for i, place in enumerate(rig.positions_mm):
        lit = _room(normal, mirrored) + _lamp(place, rig, mirrored, hit) * float(rig.gains[i].mean())
        images[i] = exposed(_seen(lit.astype(np.float32) * np.float32(scale), size, sensor), sensor, _seed(rng))
    away = np.hypot(*(np.mgrid[:size, :size] - half))
    capture = Capture(
        images=images,
        mask=away <= outline,
        mm_per_px=mm_per_px,
        full_scale=float(scale),
        dark=dark_frame(rng, sensor, (size, size), shots=4),
        noise=sensor.variance,
    )
    return BallShot(
        capture=capture,
        circle=(float(half), float(half), float(outline)),
        highlights=half + rough * (1, -1) / mm_per_px,
        directions=rig.positions_mm / np.linalg.norm(rig.positions_mm, axis=1, keepdims=True),
        camera_mm=distance,
        rig=rig,
    )


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 62))


def _rays(size: int, radius: float, pixel: float, distance: float) -> tuple[Floats, Floats, Floats]:
    """Normal, mirrored ray and place on the ball for each fine ray, (n, n, 3); 0 normals beside the ball."""
    fine = ((np.arange(size * _FINE) + 0.5) / _FINE - 0.5 - (size - 1) / 2) * pixel
    x, y = np.meshgrid(fine, -fine)
    ray = np.stack([x, y, np.full_like(x, -distance)], axis=2)
    ray /= np.sqrt((ray**2).sum(axis=2, keepdims=True))
    along = -distance * ray[..., 2]
    room = along**2 - distance**2 + radius**2
    on = room > 0
    hit = np.array([0, 0, distance]) + ray * (along - np.sqrt(np.maximum(room, 0)))[..., None]
    normal = np.where(on[..., None], hit / radius, 0)
    return normal, ray - 2 * (normal * ray).sum(axis=2, keepdims=True) * normal, hit


def _room(normal: Floats, mirrored: Floats) -> Floats:
    """What the mirror shows without the lamps: a dark ceiling, the table below, and the table beside the ball."""
    on = (normal != 0).any(axis=2)
    found: Floats = np.where(on, np.where(mirrored[..., 2] > 0, _ROOM, 0.6 * _ROOM), 0.5 * _ROOM)
    return found


def _lamp(place: Floats, rig: RigModel, mirrored: Floats, hit: Floats) -> Floats:
    """The lamp's face in the mirror, with the faint glare of a polish that is not perfect."""
    towards = place - hit
    distance = np.sqrt((towards**2).sum(axis=2))
    cosine = (towards * mirrored).sum(axis=2) / distance
    apart = np.sqrt(np.maximum(2 - 2 * cosine, 0)) * distance / max(rig.lamp_mm, 0.5)  # in radii of the lamp
    face = np.clip(1.5 - apart, 0, 1)
    glare = 0.004 / (1 + apart * apart / 16)
    found: Floats = _LAMP * (face + glare) * (mirrored[..., 2] > -0.99)
    return found


def _seen(lit: Layer, size: int, sensor: Sensor) -> NDArray[np.float32]:
    """Fine rays through the point spread, averaged over each pixel."""
    spread = (_FINE**2 - 1) ** 0.5
    weights, start = shading.kernel(sensor.psf_px * _FINE, spread), (_FINE - 1) / 2
    half = np.empty((size * _FINE, size), np.float32)
    shading.resample_rows(lit, weights, start, float(_FINE), 0.0, half)
    found = np.empty((size, size), np.float32)
    shading.resample_columns(half, weights, start, float(_FINE), 0.0, found)
    return found


def _reflection(place: Floats, radius: float, distance: float) -> tuple[float, float]:
    """Where on the card's plane a lamp's reflection appears, in mm: the normal is turned until the mirror law holds."""
    camera = np.array([0.0, 0.0, distance])
    normal = place / np.linalg.norm(place) + (0, 0, 1)
    for _ in range(50):
        normal /= np.linalg.norm(normal)
        point = radius * normal
        light, view = place - point, camera - point
        normal = light / np.linalg.norm(light) + view / np.linalg.norm(view)
    point = radius * normal / np.linalg.norm(normal)
    on_plane = camera + (point - camera) * distance / (distance - point[2])
    return float(on_plane[0]), float(on_plane[1])
