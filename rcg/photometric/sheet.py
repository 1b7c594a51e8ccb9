"""Near lights from frames of a matte white sheet: where the lamps are, how bright, and how they fall off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rcg.errors import CalibrationError
from rcg.photometric.field import grey_frames, irradiance, light_field, plane_points
from rcg.photometric.smoothing import block_medians
from rcg.photometric.types import Capture, Floats, LightField, LightRig
from rcg.progress import Report, Tick, silent

_SHARED = 10  # numbers of all lights: lobe, fall-off (2), tilt (2), gloss, log roughness, 1 / camera height, slant (2)
_LAMP = 6  # of each light: its place (3), the logarithm of its level, how far its axis misses the middle (2)
_AXIS_SD_DEG = 3.0  # how far the axis of a lamp fixed by hand misses the middle of the card


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SheetCalibration:
    """What a white sheet tells of near lights.

    Attributes:
        rig: Places, brightness of the lamps and their lobe.
        field: What each pixel gets of each light, from the frames of the sheet themselves and these places.
        residual_percent: (k,) RMS difference between the sheet's frames and the model, in percent.
        position_sd_mm: (k, 3) one standard deviation of each place, from the fit; errors of the model are not in it.
        tilt_deg: How far the sheet seems to be tilted about x and y; a tilt and unequal lamps look much alike.
        falloff: a, b of the lens's fall-off exp(a r^2 + b r^4), r from the middle, 1 at the corner.
        notes: What the user should know, one sentence each.
    """

    rig: LightRig
    field: LightField
    residual_percent: Floats
    position_sd_mm: Floats
    tilt_deg: tuple[float, float]
    falloff: tuple[float, float]
    notes: tuple[str, ...] = ()


def calibrate_sheet(
    sheet: Capture,
    *,
    nominal: LightRig | None = None,
    position_sd_mm: float = 5.0,
    report: Report = silent,
) -> SheetCalibration:
    """Fit places, brightness and lobe of near lights to frames of a matte white sheet at the height of the card.

    The model is that of Queau et al., JMIV 2018: phi_i cos(angle) ** lobe (l . n) / distance^2, times a fall-off of the
    lens that all frames share, with a sheet that may be tilted and a little glossy: left out, gloss would push the
    lamps outwards. Robust least squares over medians of blocks.

    Args:
        sheet: The frames: its `flat` where it has one, else its `images`. The size of a pixel must be known.
        nominal: Where the lights should be; None takes the capture's rig.
        position_sd_mm: How far the lamps may be from there, one standard deviation.
        report: Where progress goes.

    Returns:
        The fitted rig, the light field of the sheet, and how well the model meets the frames.

    Raises:
        CalibrationError: If no places are given, the size of a pixel is not known, a frame is black or saturated, or
            the model does not meet the frames.
    """
    rig = sheet.rig if nominal is None else nominal
    if rig is None or rig.positions_mm is None:
        fix = "give nominal=LightRig.at(positions_mm), or LightRig.ring(8, radius_mm=..., height_mm=...)"
        raise CalibrationError("the places of the lights are not known even roughly", fix=fix)
    if sheet.flat is None:
        sheet = replace(sheet, flat=grey_frames(sheet))
    sheet = replace(sheet, rig=rig)
    field = light_field(sheet)  # refuses black and saturated frames
    assert sheet.flat is not None
    blocks, centres = block_medians(sheet.flat)
    points = plane_points(sheet, centres)
    report(Tick(task="fitting the lights to the sheet", done=0, total=2))
    fit = _Fit(np.log(np.maximum(blocks, 1e-9)), points, rig, position_sd_mm)
    values, covariance, residual = fit.solve()
    report(Tick(task="fitting the lights to the sheet", done=1, total=2))
    shared, lamps = fit.split(values)
    places, level = lamps[:, :3], lamps[:, 3]
    percent = 100 * np.sqrt(np.mean(residual**2, axis=(1, 2)))
    worst = int(percent.argmax())
    if np.median(percent) > 5 or (places[:, 2] <= 0).any():
        what = f"the lights do not meet the sheet's frames: they differ by {np.median(percent):.0f} %"
        fix = "are the frames in the order of the lights, the sheet white and flat, and mm_per_px right?"
        raise CalibrationError(what, fix=fix)
    fitted = LightRig.at(places, intensities=np.exp(level - level.mean()), lobe=float(shared[0]))
    notes = []
    if percent[worst] > max(2.0, 3 * float(np.median(percent))):
        notes.append(f"light {worst + 1} meets its frame only within {percent[worst]:.1f} %: is something in its way?")
    sd = np.sqrt(np.maximum(np.diag(covariance), 0))[_SHARED:].reshape(len(rig), _LAMP)[:, :3]
    final = light_field(replace(sheet, rig=fitted))
    report(Tick(task="fitting the lights to the sheet", done=2, total=2))
    return SheetCalibration(
        rig=fitted,
        field=replace(final, origin=field.origin),
        residual_percent=percent,
        position_sd_mm=sd,
        tilt_deg=(float(np.rad2deg(shared[3])), float(np.rad2deg(shared[4]))),
        falloff=(float(shared[1]), float(shared[2])),
        notes=tuple(notes),
    )


class _Fit:
    """Logarithms of the sheet's blocks against the model; lengths in units of 100 mm to keep the numbers alike."""

    def __init__(self, logs: Floats, points: Floats, rig: LightRig, position_sd_mm: float) -> None:
        assert rig.positions_mm is not None
        self.logs, self.points, self.nominal = logs, points, np.asarray(rig.positions_mm)
        self.sd, self.lobe = position_sd_mm, rig.lobe
        half = np.abs(points[..., :2]).reshape(-1, 2).max(axis=0)
        self.reach = float(np.linalg.norm(half))
        self.r2 = (points[..., :2] ** 2).sum(axis=-1) / self.reach**2
        axis = np.asarray(rig.directions)
        level = np.cross(axis, [0.0, 0.0, 1.0]) + np.array([1e-6, 0, 0])
        level /= np.linalg.norm(level, axis=1, keepdims=True)
        self.sideways = (level, np.cross(axis, level))
        # What is likely, and one standard deviation: a sheet on a table is not tilted by much, a camera looks straight.
        self.expected = np.array([self.lobe, 0, 0, 0, 0, 0, np.log(0.35), 2e-3, 0, 0])
        self.allowed = np.array([1.5, 0.5, 0.5, *np.deg2rad([0.5, 0.5]), 0.1, 0.4, 1.5e-3, 0.01, 0.01])
        self.noise = 0.004  # what is left of texture and model in a block, as a share

    def split(self, values: Floats) -> tuple[Floats, Floats]:
        return values[:_SHARED], values[_SHARED:].reshape(-1, _LAMP)

    def model(self, values: Floats) -> Floats:
        (lobe, a, b, tilt_x, tilt_y, gloss, rough, camera, slope_x, slope_y), lamps = self.split(values)
        places, level = lamps[:, :3], lamps[:, 3]
        normal = np.array([-tilt_x, -tilt_y, 1.0]) / np.sqrt(1 + tilt_x**2 + tilt_y**2)
        points = self.points.copy()
        points[..., 2] = tilt_x * points[..., 0] + tilt_y * points[..., 1]
        axes = places / np.linalg.norm(places, axis=1, keepdims=True)
        axes = axes + lamps[:, 4:5] * self.sideways[0] + lamps[:, 5:6] * self.sideways[1]
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        light = irradiance(places, points, np.ones(len(places)), lobe, axes=axes)
        away = places[:, None, None] - points
        away /= np.linalg.norm(away, axis=-1, keepdims=True)
        slant = away @ normal + gloss * _sheen(away, points, normal, np.exp(rough), camera)
        lens = a * self.r2 + b * self.r2**2 + (points[..., :2] @ np.array([slope_x, slope_y])) / self.reach
        return np.asarray(np.log(np.maximum(light * slant, 1e-9)) + level[:, None, None] + lens)

    def differences(self, values: Floats) -> Floats:
        shared, lamps = self.split(values)
        priors = [
            ((lamps[:, :3] - self.nominal) / self.sd).ravel(),
            lamps[:, 4:].ravel() / np.deg2rad(_AXIS_SD_DEG),
            (shared - self.expected) / self.allowed,
        ]
        return np.concatenate([((self.model(values) - self.logs) / self.noise).ravel(), *priors])

    def solve(self) -> tuple[Floats, Floats, Floats]:
        """The values, their covariance and the residual (k, rows, columns) as a share."""
        from scipy.optimize import least_squares

        lamps = np.zeros((len(self.nominal), _LAMP))
        lamps[:, :3] = self.nominal
        start = np.concatenate([self.expected, lamps.ravel()])
        start[5] = 0.01
        start[_SHARED + 3 :: _LAMP] = np.median(self.logs - self.model(start), axis=(1, 2))
        steps = np.concatenate([self.allowed, np.tile([20.0, 20.0, 20.0, 0.1, 0.05, 0.05], len(lamps))])
        for _ in range(2):  # at first with a guess of how well blocks can be met, then as well as they were
            found = least_squares(self.differences, start, loss="soft_l1", f_scale=1.5, x_scale=steps, max_nfev=60)
            start = found.x
            residual = np.exp(self.logs - self.model(start)) - 1
            self.noise = max(1.4826 * float(np.median(np.abs(residual))), 2e-3)
        return start, np.linalg.pinv(found.jac.T @ found.jac), residual


def _sheen(light: Floats, points: Floats, normal: Floats, alpha: float, camera: float) -> Floats:
    """What a slightly glossy sheet adds: the distribution of Walter et al. (EGSR 2007, GGX) over its value at 0."""
    view = np.array([0.0, 0.0, 1.0]) - points * camera
    half = light + view / np.linalg.norm(view, axis=-1, keepdims=True)
    cosine = (half @ normal) / np.linalg.norm(half, axis=-1)
    return np.asarray((alpha**2 / (cosine**2 * (alpha**2 - 1) + 1)) ** 2)


__all__ = ["SheetCalibration", "calibrate_sheet"]
