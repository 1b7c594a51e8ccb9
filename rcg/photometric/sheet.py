"""Near lights from frames of a matte white sheet: where the lamps are, how bright, and how they fall off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rcg.errors import CalibrationError
from rcg.photometric.field import grey_frames, irradiance, light_field, plane_points
from rcg.photometric.smoothing import block_medians
from rcg.photometric.types import Capture, Floats, LightField, LightRig
from rcg.progress import Report, Tick, silent

_GLOBAL = (
    8  # numbers that all lights share: lobe, lens fall-off (2), tilt (2), gloss, log roughness, 1 / camera's height
)


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
    position_sd_mm: float = 10.0,
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
    shared, places, level = fit.split(values)
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
    sd = np.sqrt(np.maximum(np.diag(covariance), 0))[_GLOBAL:].reshape(len(rig), 4)[:, :3]
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
        reach = np.abs(points[..., :2]).reshape(-1, 2).max(axis=0)
        self.r2 = (points[..., :2] ** 2).sum(axis=-1) / (reach**2).sum()
        self.noise = 0.004  # what is left of texture and model in a block, as a share

    def split(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        lamps = values[_GLOBAL:].reshape(-1, 4)
        return values[:_GLOBAL], lamps[:, :3], lamps[:, 3]

    def model(self, values: Floats) -> Floats:
        (lobe, a, b, tilt_x, tilt_y, gloss, rough, camera), places, level = self.split(values)
        normal = np.array([-tilt_x, -tilt_y, 1.0]) / np.sqrt(1 + tilt_x**2 + tilt_y**2)
        points = self.points.copy()
        points[..., 2] = tilt_x * points[..., 0] + tilt_y * points[..., 1]
        away = places[:, None, None] - points
        away /= np.linalg.norm(away, axis=-1, keepdims=True)
        slant = away @ normal + gloss * _sheen(away, points, normal, np.exp(rough), camera)
        light = irradiance(places, points, np.ones(len(places)), lobe)
        shape = level[:, None, None] + a * self.r2 + b * self.r2**2
        return np.asarray(np.log(np.maximum(light * slant, 1e-9)) + shape)

    def differences(self, values: Floats) -> Floats:
        shared, places, _ = self.split(values)
        priors = [
            ((places - self.nominal) / self.sd).ravel(),
            [(shared[0] - self.lobe) / 1.5, shared[1] / 0.5, shared[2] / 0.5],
            shared[3:5] / np.deg2rad(0.5),  # a sheet that lies on a table is not tilted by much
            [shared[5] / 0.1, (shared[6] - np.log(0.35)) / 0.4, (shared[7] - 2e-3) / 1.5e-3],
        ]
        return np.concatenate([((self.model(values) - self.logs) / self.noise).ravel(), *priors])

    def solve(self) -> tuple[Floats, Floats, Floats]:
        """The values, their covariance and the residual (k, rows, columns) as a share."""
        from scipy.optimize import least_squares

        level = np.median(self.logs, axis=(1, 2))
        start = np.concatenate(
            [[self.lobe, 0, 0, 0, 0, 0.01, np.log(0.35), 2e-3], np.column_stack([self.nominal, level]).ravel()]
        )
        start[_GLOBAL + 3 :: 4] += level - np.median(self.model(start), axis=(1, 2))
        scale = np.tile([20.0, 20.0, 20.0, 0.1], len(level))
        steps = np.concatenate([[0.5, 0.1, 0.1, 0.02, 0.02, 0.05, 0.3, 1e-3], scale])
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
