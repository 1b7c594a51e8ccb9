"""What stands around a card when its frames are taken: lamps, camera, sensor, and the sheet for the flat field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError, ConfigError
from rcg.photometric.types import Floats, LightRig

BITS = (8, 12, 16)
_DIGITS = 9  # sines and powers may differ in the last bit between machines: what is drawn with them is rounded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigModel:
    """A light rig as it truly stands, and as its owner believes it to stand.

    Attributes:
        positions_mm: (k, 3) true places of the lamps.
        axes: (k, 3) unit vectors along which the lamps shine; nearly, not quite, at the middle of the card.
        gains: (k, 3) brightness of each lamp in red, green and blue; about 1.
        lobe: Exponent of the fall-off from the axis, cos(angle) ** lobe.
        lamp_mm: Radius of a lamp's face; it sets the size of highlights.
        camera_mm: (3,) place of the camera's pupil.
        vignetting: Share of the lens's fall-off cos(angle) ** 4, from 0 (none) to 1.
        specular: Reflectance of the coating at right angles (GGX F0); 0.04 for ink and lacquer, 0 for none.
        nominal: What the owner knows: the lamps' places as built, and the lobe of the data sheet.
    """

    positions_mm: Floats
    axes: Floats
    gains: Floats
    lobe: float
    lamp_mm: float
    camera_mm: Floats
    vignetting: float
    specular: float
    nominal: LightRig

    def __post_init__(self) -> None:
        count = len(self.nominal)
        for name, values, shape in (
            ("positions", self.positions_mm, (count, 3)),
            ("axes", self.axes, (count, 3)),
            ("gains", self.gains, (count, 3)),
            ("the camera's place", self.camera_mm, (3,)),
        ):
            if values.shape != shape:
                raise CalibrationError(f"{name}: the shape is {values.shape}, not {shape}")
        if self.camera_mm[2] <= 0 or (self.positions_mm[:, 2] <= 0).any():
            raise CalibrationError("a lamp or the camera is not above the card", fix="z points to the camera, in mm")

    def __len__(self) -> int:
        return len(self.positions_mm)

    @property
    def true(self) -> LightRig:
        """The lamps where they truly are; their axes' small errors left out."""
        return LightRig.at(self.positions_mm, intensities=self.gains, lobe=self.lobe)

    @classmethod
    def exact(
        cls, rig: LightRig, *, camera_mm: float = 500, vignetting: float = 0.0, specular: float = 0.04
    ) -> RigModel:
        """A rig that stands just as `rig` says, its lamps aimed at the middle; for checks against formulas.

        Raises:
            CalibrationError: If the rig gives no places.
        """
        if rig.positions_mm is None:
            raise CalibrationError("a rendered rig needs the places of its lights", fix="LightRig.at(positions_mm)")
        gains = np.ones((len(rig), 3)) if rig.intensities is None else rig.intensities
        return cls(
            positions_mm=rig.positions_mm,
            axes=-rig.directions,
            gains=np.repeat(gains[:, None], 3, axis=1) if gains.ndim == 1 else gains,
            lobe=rig.lobe,
            lamp_mm=0.0,
            camera_mm=np.array([0.0, 0.0, camera_mm]),
            vignetting=vignetting,
            specular=specular,
            nominal=rig,
        )

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        *,
        lights: int = 8,
        radius_mm: float = 180,
        height_mm: float = 180,
        off_mm: tuple[float, float] = (1.0, 3.0),
    ) -> RigModel:
        """A ring as one is built at home: lamps off their places, unequal, their axes a few degrees off.

        Args:
            rng: Where the randomness comes from.
            lights: How many.
            radius_mm: Of the ring.
            height_mm: Of the ring above the card.
            off_mm: The least and greatest distance of a lamp from where its owner believes it.

        Returns:
            The rig; lamps unequal by 15 % (one standard deviation), a lobe of 0.8 to 1.8, a camera 400 to 600 mm up.
        """
        nominal = LightRig.ring(lights, radius_mm=radius_mm, height_mm=height_mm, lobe=1.0)
        assert nominal.positions_mm is not None  # a ring has places
        places = np.round(nominal.positions_mm + _steps(rng, lights, off_mm), _DIGITS)
        aim = places - rng.normal(0, 0.05, (lights, 3)) * np.linalg.norm(places, axis=1, keepdims=True)
        gains = np.clip(1 + rng.normal(0, 0.15, lights), 0.6, 1.5)[:, None] * (1 + rng.normal(0, 0.02, (lights, 3)))
        return cls(
            positions_mm=places,
            axes=np.round(-aim / np.linalg.norm(aim, axis=1, keepdims=True), _DIGITS),
            gains=np.round(gains, _DIGITS),
            lobe=round(float(rng.uniform(0.8, 1.8)), 3),
            lamp_mm=round(float(rng.uniform(1.5, 3)), 3),
            camera_mm=np.round([*rng.normal(0, 5, 2), rng.uniform(400, 600)], 3),
            vignetting=round(float(rng.uniform(0.7, 1)), 3),
            specular=0.04,
            nominal=nominal,
        )

    def moved(self, rng: np.random.Generator, off_mm: tuple[float, float]) -> RigModel:
        """The same rig, each lamp a step of `off_mm` (least, greatest) aside, as after a knock."""
        places = np.round(self.positions_mm + _steps(rng, len(self), off_mm), _DIGITS)
        return RigModel(
            positions_mm=places,
            axes=self.axes,
            gains=self.gains,
            lobe=self.lobe,
            lamp_mm=self.lamp_mm,
            camera_mm=self.camera_mm,
            vignetting=self.vignetting,
            specular=self.specular,
            nominal=self.nominal,
        )


def _steps(rng: np.random.Generator, count: int, off_mm: tuple[float, float]) -> Floats:
    """Vectors in random directions, of lengths between two bounds, (count, 3) mm."""
    way = rng.normal(size=(count, 3))
    length = rng.uniform(*off_mm, (count, 1))
    found: NDArray[np.float64] = way / np.linalg.norm(way, axis=1, keepdims=True) * length
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A camera's sensor, its sharpness, and how still it stood.

    Attributes:
        bits: 8, 12 or 16 a value; 12 stands in uint16 up to 4095.
        colour: Whether the frames hold red, green and blue; all three at every pixel.
        full_well_e: Electrons at full scale: shot noise.
        read_noise_e: Electrons of noise without light, one standard deviation.
        offset: What the sensor gives without light, a share of full scale.
        white: Where the brightest matte white comes to lie, a share of full scale.
        psf_px: Standard deviation of the lens's point spread, in pixels of the frame.
        shift_px: The largest shift of a frame against the first, in pixels; shifts lie between a tenth of it and it.
        noise: False leaves out all noise, though not the steps of `bits`.
    """

    bits: int = 12
    colour: bool = False
    full_well_e: float = 40_000
    read_noise_e: float = 6.0
    offset: float = 0.01
    white: float = 0.7
    psf_px: float = 0.6
    shift_px: float = 0.5
    noise: bool = True

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise ConfigError(f"a sensor of {self.bits} bits is not rendered", fix="take 8, 12 or 16")
        if not (self.full_well_e > 0 and self.read_noise_e >= 0 and 0 <= self.offset < 0.5 and 0 < self.white <= 1):
            raise ConfigError("the sensor's full well, noise, offset or white is out of range")
        if not (0 <= self.psf_px <= 5 and 0 <= self.shift_px <= 10):
            what = f"a point spread of {self.psf_px} px or a shift of {self.shift_px} px is out of range"
            raise ConfigError(what, fix="at most 5 px of point spread and 10 px of shift")

    @classmethod
    def draw(cls, rng: np.random.Generator, *, bits: int = 12, colour: bool = False) -> Sensor:
        """A sensor with a point spread of 0.4 to 0.8 px and shifts of up to 0.1 to 1 px."""
        psf, shift = rng.uniform(0.4, 0.8), rng.uniform(0.1, 1.0)
        return cls(bits=bits, colour=colour, psf_px=round(float(psf), 3), shift_px=round(float(shift), 3))

    @property
    def full_scale(self) -> int:
        """The value at which it saturates."""
        return (1 << self.bits) - 1

    @property
    def variance(self) -> tuple[float, float]:
        """(a, b) of the variance a * value + b, value above the offset, in squared units of the frames.

        The steps of the numbers add their 1/12.
        """
        if not self.noise:
            return 0.0, 1 / 12
        gain = self.full_scale / self.full_well_e
        return gain, (gain * self.read_noise_e) ** 2 + 1 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetModel:
    """The white sheet that the flat field is taken from: never quite level, quite matte, or under quite the same lamps.

    Attributes:
        tilt_deg: Its slope along x and along y, in degrees.
        roughness: GGX alpha of its slight gloss.
        specular: Reflectance of that gloss at right angles; 0 for a Lambertian sheet.
        fibre: Contrast of the paper's fibres, one standard deviation.
        moved_mm: The least and greatest distance that a lamp moved between the sheet and the card.
        shots: Exposures averaged for each flat frame and for the dark frame.
    """

    tilt_deg: tuple[float, float] = (0.0, 0.0)
    roughness: float = 0.5
    specular: float = 0.04
    fibre: float = 0.006
    moved_mm: tuple[float, float] = (0.0, 0.0)
    shots: int = 4

    def __post_init__(self) -> None:
        if self.shots < 1 or not 0.02 <= self.roughness <= 1:
            raise ConfigError(f"a sheet of {self.shots} shots and roughness {self.roughness} is out of range")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> SheetModel:
        """A sheet tilted by 0.2 to 1 degree, of copy paper's sheen, under lamps moved by 1 to 3 mm."""
        turn, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.0)
        return cls(
            tilt_deg=(round(float(tilt * np.cos(turn)), 4), round(float(tilt * np.sin(turn)), 4)),
            roughness=round(float(rng.uniform(0.4, 0.7)), 3),
            moved_mm=(1.0, 3.0),
        )

    @classmethod
    def ideal(cls, *, shots: int = 16) -> SheetModel:
        """A level Lambertian sheet without fibres under the very lamps of the card: the solver's own model."""
        return cls(specular=0.0, fibre=0.0, shots=shots)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How the surface lies under the camera. What is None is drawn, or follows from the surface.

    Attributes:
        mm_per_px: Size of a frame's pixel on the card; None takes the surface's own.
        margin_mm: Dark table around the surface.
        rotation_deg: Turn of the surface against the clock; None draws one of at most 1 degree.
        offset_mm: Place of its middle, x and y; None draws one within a third of the margin.
        brush: Direction in degrees and strength (0 to 0.9) of the brushing of foil; None draws one.
        table: Reflectance of the table.
    """

    mm_per_px: float | None = None
    margin_mm: float = 1.5
    rotation_deg: float | None = None
    offset_mm: tuple[float, float] | None = None
    brush: tuple[float, float] | None = None
    table: float = 0.03

    def drawn(self, rng: np.random.Generator, *, mm_per_px: float) -> View:
        """The view with nothing left open."""
        turn, aside = rng.uniform(-1, 1), rng.uniform(-1, 1, 2) * self.margin_mm / 3
        brush = (round(float(rng.uniform(0, 180)), 3), round(float(rng.uniform(0.2, 0.7)), 3))
        return View(
            mm_per_px=self.mm_per_px or mm_per_px,
            margin_mm=self.margin_mm,
            rotation_deg=round(float(turn), 4) if self.rotation_deg is None else self.rotation_deg,
            offset_mm=(round(float(aside[0]), 4), round(float(aside[1]), 4))
            if self.offset_mm is None
            else self.offset_mm,
            brush=brush if self.brush is None else self.brush,
            table=self.table,
        )
