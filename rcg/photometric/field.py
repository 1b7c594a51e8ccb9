"""What each pixel gets of each light: from the rig's numbers, from near lights, or from frames of a white sheet."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError
from rcg.photometric.smoothing import SPACING_PX, block_medians, robust_smooth
from rcg.photometric.types import Capture, Floats, LightField, Plane

NO_LIGHTS = (
    "write light_directions.txt (one line x y z for each frame) into the folder, or rig.toml with a line [rig] and "
    "below it positions_mm = [[180, 0, 180], ...], one place in mm for each frame; or calibrate in the Surface panel"
)


def light_field(capture: Capture, *, near: bool = True) -> LightField:
    """What each pixel of a capture gets of each light, from the best that is known.

    Flat frames decide where they are there; then the places of the lights (inverse square and lobe, Queau et al., JMIV
    2018); then intensities; then directions alone. Grey values are the mean of the three channels, or, where the rig
    has an intensity for each channel, the mean of the channels over their intensities.

    Args:
        capture: The frames and their rig.
        near: Whether to use the places of the lights, for which the size of a pixel must be known.

    Returns:
        The light field. With flat frames, albedo 1 is the white sheet; else it is the share of `full_scale` under a
        light of mean intensity that stands in the surface's normal.

    Raises:
        CalibrationError: If nothing is known of the lights, or a flat frame is black.

    Example:
        >>> from rcg.photometric import LightRig
        >>> frames = np.full((8, 40, 60), 100, np.uint8)
        >>> light_field(Capture(images=frames, rig=LightRig.ring(8))).origin
        'directions'
    """
    if capture.rig is None:
        raise CalibrationError("nothing is known of the lights", fix=NO_LIGHTS)
    places = near and capture.rig.positions_mm is not None and capture.mm_per_px is not None
    nodes = grid(capture.height, capture.width) if places or capture.flat is not None else None
    directions = near_directions(capture, nodes) if places and nodes else _everywhere(capture.rig.directions)
    if capture.flat is not None and nodes is not None:
        sheet = smooth_light(capture.flat, nodes, full_scale=capture.full_scale, names=capture.names)
        wide = np.ascontiguousarray(np.broadcast_to(directions, (*sheet.shape, 3)))
        return LightField(directions=wide, gains=(wide[..., 2] / sheet).astype(np.float32), origin="flat field")
    weights, strength = _channels(capture)
    if places and nodes:
        gains = 1 / (near_light(capture, nodes, strength) * capture.full_scale)
        origin = "near lights"
    else:
        gains = (1 / (strength * capture.full_scale)).reshape(-1, 1, 1)
        origin = "directions" if capture.rig.intensities is None else "intensities"
    return LightField(directions=directions, gains=gains.astype(np.float32), origin=origin, channel_weights=weights)


def grid(height: int, width: int) -> tuple[Floats, Floats]:
    """The rows and columns of a coarse grid whose corner nodes are the corner pixels.

    Returns:
        Rows and columns in pixels, about `SPACING_PX` apart, at least 8 steps along each side of 9 pixels or more.
    """

    def nodes(size: int) -> Floats:
        steps = max(min(8, size - 1), round((size - 1) / SPACING_PX))
        return np.linspace(0, size - 1, steps + 1)

    return nodes(height), nodes(width)


def plane_points(capture: Capture, nodes: tuple[Floats, Floats]) -> Floats:
    """The places of grid nodes on the card, (rows, columns, 3) millimetres in the rig's frame.

    Raises:
        CalibrationError: If the size of a pixel is not known.
    """
    if capture.mm_per_px is None:
        raise CalibrationError("the size of a pixel is not known", fix="give mm_per_px, in millimetres on the card")
    rows, columns = nodes
    x = (columns - (capture.width - 1) / 2) * capture.mm_per_px
    y = -(rows - (capture.height - 1) / 2) * capture.mm_per_px
    flat = np.zeros((len(rows), len(columns), 3))
    flat[..., 0], flat[..., 1] = x[None, :], y[:, None]
    return flat


def near_directions(capture: Capture, nodes: tuple[Floats, Floats]) -> Plane:
    """(k, rows, columns, 3) unit vectors from the card towards near lights."""
    assert capture.rig is not None
    assert capture.rig.positions_mm is not None
    away = capture.rig.positions_mm[:, None, None, :] - plane_points(capture, nodes)
    unit = away / np.linalg.norm(away, axis=-1, keepdims=True)
    return np.asarray(unit, np.float32)


def near_light(capture: Capture, nodes: tuple[Floats, Floats], strength: Floats) -> Floats:
    """(k, rows, columns) light that arrives of near lights, on a surface that faces them.

    E_i(x) = phi_i cos(angle off the axis) ** lobe / |s_i - x|^2, scaled so that a light of strength 1 at the mean
    distance of all gives 1 at the middle of the picture.
    """
    assert capture.rig is not None
    assert capture.rig.positions_mm is not None
    return irradiance(capture.rig.positions_mm, plane_points(capture, nodes), strength, capture.rig.lobe)


def irradiance(places: Floats, points: Floats, strength: Floats, lobe: float, *, axes: Floats | None = None) -> Floats:
    """The light of k lamps at points (..., 3), shape (k, ...); see `near_light`.

    Args:
        places: (k, 3) millimetres.
        points: (..., 3) millimetres.
        strength: (k,) brightness of the lamps.
        lobe: Exponent of their fall-off from the axis.
        axes: (k, 3) unit vectors towards each lamp along which it shines; None for those through the middle.
    """
    shape = (len(places), *([1] * (points.ndim - 1)))
    away = places.reshape(*shape, 3) - points
    distance = np.linalg.norm(away, axis=-1)
    reach = np.linalg.norm(places, axis=1)
    along = np.einsum("k...c,kc->k...", away, places / reach[:, None] if axes is None else axes)
    cosine = np.clip(along / distance, 1e-6, None)
    return np.asarray(strength.reshape(shape) * cosine**lobe * (reach.mean() / distance) ** 2)


def _everywhere(directions: Floats) -> Plane:
    return np.asarray(directions[:, None, None, :], np.float32)


def _channels(capture: Capture) -> tuple[Plane | None, Floats]:
    """Weights of the channels (None for equal ones), and the light's strength in the weighted value; mean 1."""
    assert capture.rig is not None
    given = capture.rig.intensities
    if given is None:
        return None, np.ones(capture.lights)
    given = given / given.mean()
    if given.ndim == 1 or capture.images.ndim == 3:
        return None, given if given.ndim == 1 else given.mean(axis=1)
    inverse = 1 / given
    total = inverse.sum(axis=1, keepdims=True)
    return np.asarray(inverse / total, np.float32), (3 / total[:, 0])


def grey_frames(capture: Capture, weights: Plane | None = None) -> NDArray[np.float32]:
    """The frames as one value a pixel, dark taken off.

    Args:
        capture: The frames.
        weights: (k, 3) `LightField.channel_weights`; None for the mean of the channels.

    Returns:
        (k, h, w) float32 in the units of the frames; may be below zero by noise.
    """
    out = np.empty(capture.images.shape[:3], np.float32)
    for light, frame in enumerate(capture.images):
        if frame.ndim == 3:
            share = np.full(3, 1 / 3, np.float32) if weights is None else weights[light]
            np.matmul(frame.astype(np.float32), share, out=out[light])
        else:
            out[light] = frame
        if capture.dark is not None:
            per_light = capture.dark.ndim != 2
            out[light] -= capture.dark[light] if per_light else capture.dark
    return out


def smooth_light(
    frames: NDArray[Any], nodes: tuple[Floats, Floats], *, full_scale: float, names: tuple[str, ...] = ()
) -> Floats:
    """How light falls off over a plane, from frames of it, without its texture, dust and noise.

    Medians of blocks, whose logarithm is smoothed by `robust_smooth`.

    Args:
        frames: (k, h, w) values, dark taken off.
        nodes: Rows and columns of the grid wanted, in pixels.
        full_scale: The value at which the sensor saturates.
        names: Of the frames, for messages.

    Returns:
        (k, rows, columns) values above zero.

    Raises:
        CalibrationError: If a frame is black or saturated over most of its area.
    """
    blocks, centres = block_medians(frames)
    level = np.median(blocks, axis=(1, 2))
    for light in np.flatnonzero((level <= 0.002 * full_scale) | (level <= 0.02 * np.median(level))):
        what = f"flat frame {_named(int(light), names)} is black (its median is {level[light]:g} of {full_scale:g})"
        raise CalibrationError(what, fix="is that light off? take the white sheet again with all lights")
    for light in np.flatnonzero(level >= 0.98 * full_scale):
        what = f"flat frame {_named(int(light), names)} is saturated"
        raise CalibrationError(what, fix="take the white sheet again with a shorter exposure")
    floor = 0.02 * level[:, None, None]
    logs = np.log(np.maximum(blocks, floor))
    return np.exp(robust_smooth(logs, blocks > floor, centres, nodes))


def _named(light: int, names: tuple[str, ...]) -> str:
    return f"{light + 1} ({names[light]})" if names else str(light + 1)
