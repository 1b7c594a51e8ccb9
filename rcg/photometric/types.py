"""The values of photometric stereo: a light rig, a capture, what each pixel gets of each light, normals, defects.

The rig's frame of reference: x to the right, y up, z towards the camera; lengths in millimetres from the middle of the
picture, at the height of the card. Pixels: row 0 at the top, so y up means against the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.errors import CalibrationError, DataError
from rcg.types import Point

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

MIN_LIGHTS, MAX_LIGHTS = 3, 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightRig:
    """Where the lights are and how bright.

    Attributes:
        directions: (k, 3) unit vectors from the middle of the card towards each light.
        intensities: (k,) or (k, 3 channels) relative brightness; None where not known.
        positions_mm: (k, 3) places of the lights; None for lights far away.
        lobe: How a near light's brightness falls off its axis, which aims at the middle of the card:
            cos(angle) ** lobe.

    Raises:
        CalibrationError: If there are fewer than 3 or more than 64 lights, the shapes do not agree, a number is not
            finite, a direction has no length, or a light is not above the card.
    """

    directions: Floats
    intensities: Floats | None = None
    positions_mm: Floats | None = None
    lobe: float = 0.0

    def __post_init__(self) -> None:
        given = _sealed(self.directions, "light directions")
        if given.ndim != 2 or given.shape[1] != 3:
            raise CalibrationError(f"light directions have the shape {given.shape}, not (lights, 3)")
        if not MIN_LIGHTS <= len(given) <= MAX_LIGHTS:
            what = f"a rig of {len(given)} lights cannot be solved"
            raise CalibrationError(what, fix=f"give {MIN_LIGHTS} to {MAX_LIGHTS} lights, one line each")
        length = np.linalg.norm(given, axis=1, keepdims=True)
        if (length < 1e-9).any():
            raise CalibrationError(f"light {int(np.argmin(length)) + 1} has a direction of no length")
        if (given[:, 2] <= 0).any():
            which = int(np.argmin(given[:, 2])) + 1
            fix = "directions point from the card towards the light; x right, y up, z to the camera"
            raise CalibrationError(f"light {which} shines from behind the card (z = {given[which - 1, 2]:g})", fix=fix)
        unit = given / length
        unit.setflags(write=False)
        object.__setattr__(self, "directions", unit)
        for name, shapes in (("intensities", ((len(given),), (len(given), 3))), ("positions_mm", ((len(given), 3),))):
            value = getattr(self, name)
            if value is None:
                continue
            array = _sealed(value, name)
            if array.shape not in shapes:
                what = f"{name} have the shape {array.shape}, and there are {len(given)} light directions"
                raise CalibrationError(what, fix="one line for each light, in the order of the frames")
            object.__setattr__(self, name, array)
        if self.intensities is not None and (self.intensities <= 0).any():
            raise CalibrationError("a light intensity is not above zero", fix="take the dark or missing light out")

    @classmethod
    def at(cls, positions_mm: ArrayLike, *, intensities: ArrayLike | None = None, lobe: float = 0.0) -> LightRig:
        """A rig of near lights from their places, (k, 3) millimetres; the directions follow."""
        places = np.asarray(positions_mm, np.float64)
        given = None if intensities is None else np.asarray(intensities, np.float64)
        return cls(directions=places, positions_mm=places, intensities=given, lobe=lobe)

    @classmethod
    def ring(cls, lights: int = 8, *, radius_mm: float = 180, height_mm: float = 180, lobe: float = 0) -> LightRig:
        """Lights at equal steps on a ring around the card, the first to the right, then against the clock.

        Example:
            >>> LightRig.ring(8).directions[0].round(3).tolist()
            [0.707, 0.0, 0.707]
        """
        turn = 2 * np.pi * np.arange(lights) / max(lights, 1)
        flat = radius_mm * np.column_stack([np.cos(turn), np.sin(turn)])
        return cls.at(np.column_stack([flat, np.full(lights, height_mm)]), lobe=lobe)

    def __len__(self) -> int:
        return len(self.directions)


def _sealed(values: ArrayLike, name: str) -> Floats:
    array = np.array(values, np.float64)
    if not np.isfinite(array).all():
        raise CalibrationError(f"{name}: a number is not finite")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capture:
    """Frames of one card side, one for each light, all from one camera that did not move.

    Attributes:
        images: (k, h, w) or (k, h, w, 3 channels red, green, blue), linear light; uint8, uint16 or float32; not copied.
        rig: The lights, in the order of the frames; None where nothing is known of them (then calibrate first).
        mask: (h, w), true where the object is; None for everywhere.
        mm_per_px: The size of a pixel on the card; None where not known.
        full_scale: The value at which the sensor saturates: 255, 4095, 65535, or 1 for float frames.
        flat: (k, h, w) frames of a matte white sheet at the height of the card, dark already taken off, same units.
        dark: (k,), (h, w) or (k, h, w) values without light, same units; None for zero.
        noise: (a, b) of the sensor's variance a * value + b, in squared units; None where not known.
        names: A name for each frame, for messages.
        notes: What the user should know of how they were read, one sentence each.

    Raises:
        DataError: If the shapes, the kind of number or the count of frames and lights do not fit together.
    """

    images: NDArray[Any]
    rig: LightRig | None = None
    mask: Mask | None = None
    mm_per_px: float | None = None
    full_scale: float = 0.0
    flat: NDArray[Any] | None = None
    dark: NDArray[Any] | None = None
    noise: tuple[float, float] | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.images.shape
        if len(shape) not in {3, 4} or (len(shape) == 4 and shape[3] != 3) or 0 in shape:
            raise DataError(f"frames have the shape {shape}, not (lights, height, width) or (lights, height, width, 3)")
        if self.images.dtype not in (np.uint8, np.uint16, np.float32):
            raise DataError(f"frames hold {self.images.dtype}", fix="give uint8, uint16 or float32")
        count = shape[0]
        if not MIN_LIGHTS <= count <= MAX_LIGHTS:
            what = f"{count} frames cannot be solved"
            raise DataError(what, fix=f"give {MIN_LIGHTS} to {MAX_LIGHTS} frames, one for each light")
        if self.rig is not None and len(self.rig) != count:
            what = f"there are {count} frames and {len(self.rig)} lights"
            fix = "one frame for each light, in the same order; is a frame missing, or there twice?"
            raise DataError(what, fix=fix)
        if self.mask is not None and self.mask.shape != shape[1:3]:
            what = f"the mask is {self.mask.shape[1]} x {self.mask.shape[0]} pixels, the frames {shape[2]} x {shape[1]}"
            raise DataError(what, fix="give a mask of the frames' size")
        if self.flat is not None and self.flat.shape != shape[:3]:
            raise DataError(f"the flat frames have the shape {self.flat.shape}, the frames {shape[:3]}")
        if self.dark is not None and self.dark.shape not in {(count,), shape[1:3], shape[:3]}:
            raise DataError(f"the dark frames have the shape {self.dark.shape}, the frames {shape[:3]}")
        if self.mm_per_px is not None and not 0 < self.mm_per_px < np.inf:
            raise DataError(f"{self.mm_per_px} mm per pixel is not a size", fix="for example 0.0215")
        if self.names and len(self.names) != count:
            raise DataError(f"there are {count} frames and {len(self.names)} names")
        if self.full_scale <= 0:
            full = {"uint8": 255.0, "uint16": 65535.0}.get(str(self.images.dtype), 1.0)
            object.__setattr__(self, "full_scale", full)

    @property
    def lights(self) -> int:
        """How many frames there are."""
        return int(self.images.shape[0])

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return int(self.images.shape[2])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightField:
    """What each pixel gets of each light: value * gain = albedo * (direction . normal).

    Both arrays stand on one grid whose corner nodes lie on the centres of the frame's corner pixels; between the nodes
    they are bilinear. A grid of one node means the same everywhere (lights far away).

    Attributes:
        directions: (k, rows, columns, 3) float32 unit vectors towards the light.
        gains: (k, rows, columns) float32, above zero; what to multiply a value with, after taking off the dark.
        origin: How it was found: "directions", "intensities", "near lights", "flat field", "mirror ball" or "plane".
        channel_weights: (k, 3) float32, each row summing to 1: the value of a colour pixel is the sum of its channels
            with these weights. None for grey frames, or for the plain mean of the three channels.
    """

    directions: Plane
    gains: Plane
    origin: str = "directions"
    channel_weights: Plane | None = None

    def __post_init__(self) -> None:
        if self.directions.shape != (*self.gains.shape, 3):
            raise CalibrationError(f"directions {self.directions.shape} do not fit the gains {self.gains.shape}")
        if not (np.isfinite(self.gains).all() and (self.gains > 0).all()):
            raise CalibrationError("a gain is not above zero", fix="is a flat frame black, or its light off?")
        if self.channel_weights is not None and self.channel_weights.shape != (len(self.gains), 3):
            what = f"channel weights {self.channel_weights.shape} do not fit {len(self.gains)} lights"
            raise CalibrationError(what)

    @property
    def lights(self) -> int:
        """How many lights there are."""
        return int(self.gains.shape[0])

    @property
    def uniform(self) -> bool:
        """Whether every pixel gets the same."""
        return self.gains.shape[1:] == (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NormalMap:
    """The solved surface. No value is ever NaN: where nothing could be solved, `used` is 0 and the normal is 0, 0, 1.

    Attributes:
        normals: (h, w, 3) float32 unit vectors; x right, y up, z to the camera.
        albedo: (h, w) float32; 1 is the white sheet where a flat field was used, else relative to the lights.
        used: (h, w) uint8, the lights that counted at each pixel; 0 where it was not solved.
        chi2: (h, w) float16, squared residual over variance for each degree of freedom; about 1 where the model holds.
        slope_sd: (h, w) float16, standard deviation of the surface's slope, as the tangent of the angle.
        unreliable: (h, w), true where the surface shines like foil, so that the normal cannot be trusted.
        mm_per_px: The size of a pixel on the card; None where not known.
        method: "least-squares" or "robust".
        origin: The light field's origin.
        notes: What the user should know, one sentence each.
    """

    normals: Plane
    albedo: Plane
    used: NDArray[np.uint8]
    chi2: NDArray[np.float16]
    slope_sd: NDArray[np.float16]
    unreliable: Mask
    mm_per_px: float | None = None
    method: str = "least-squares"
    origin: str = "directions"
    notes: tuple[str, ...] = ()

    @property
    def solved(self) -> Mask:
        """(h, w), true where there is an answer."""
        return self.used > 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.albedo.shape[0]), int(self.albedo.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceDefect:
    """One place where the surface, or its print, departs from the card's.

    Attributes:
        label: "scratch", "dent", "crease", "roller_line" or "print_line".
        polygon: Its outline in pixels of the frames, from the corner of the first one.
        length_mm: Its longest extent along its own course.
        width_mm: Its extent across.
        height_um: Its depth (below zero) or height (above zero) against the surface around it, in micrometres.
        height_sigma_um: One standard deviation of that.
        confidence: From 0 to 1: how sure it is that something is there.
        unreliable: Whether most of it lies where the surface shines like foil.
        origin: "handling", or "factory" for lines of the press and the rollers.
    """

    label: str
    polygon: tuple[Point, ...]
    length_mm: float
    width_mm: float
    height_um: float
    height_sigma_um: float
    confidence: float
    unreliable: bool = False
    origin: str = "handling"
    notes: tuple[str, ...] = field(default=())
