"""A rig's calibration as one value: made once, kept on disk, used on later captures, refused where it does not fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rcg.errors import CalibrationError
from rcg.photometric.ball import BallCalibration
from rcg.photometric.field import light_field
from rcg.photometric.order import check_order, coarse
from rcg.photometric.planar import PlaneCalibration
from rcg.photometric.sheet import SheetCalibration
from rcg.photometric.types import Capture, Floats, LightField, LightRig

_AGAIN = "calibrate again with the camera and lights as they are now, or take the capture as the calibration was taken"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """What is known of a rig, for use on captures that come later.

    Attributes:
        kind: "mirror ball", "white sheet" or "plane".
        rig: The lights.
        field: What each pixel gets of each light; None where only directions are known.
        width: Of the frames it was made from, in pixels.
        height: Likewise.
        full_scale: The value at which their sensor saturates.
        mm_per_px: The size of a pixel on the card; None where not known.
        errors: (k,) for each light: degrees for a mirror ball, percent for the others.
        notes: What the user should know, one sentence each.
    """

    kind: str
    rig: LightRig
    width: int
    height: int
    full_scale: float
    field: LightField | None = None
    mm_per_px: float | None = None
    errors: Floats | None = None
    notes: tuple[str, ...] = ()


def as_calibration(found: BallCalibration | SheetCalibration | PlaneCalibration, capture: Capture) -> Calibration:
    """The result of `calibrate_ball`, `calibrate_sheet` or `calibrate_plane` as one that can be kept.

    Args:
        found: The result.
        capture: What it was made from.
    """
    ball = isinstance(found, BallCalibration)
    kind = "mirror ball" if ball else "white sheet" if isinstance(found, SheetCalibration) else "plane"
    return Calibration(
        kind=kind,
        rig=found.rig,
        field=None if isinstance(found, BallCalibration) else found.field,
        width=capture.width,
        height=capture.height,
        full_scale=capture.full_scale,
        mm_per_px=capture.mm_per_px,
        errors=found.errors_deg if isinstance(found, BallCalibration) else found.residual_percent,
        notes=found.notes,
    )


def apply(calibration: Calibration, capture: Capture, *, tolerance: float = 0.15) -> LightField:
    """The light field of a capture by a calibration that was made before.

    Args:
        calibration: What is known of the rig.
        capture: The frames; its own rig is not used, its flat frames are.
        tolerance: How far the brightness of one light against the others may have changed, as a share.

    Returns:
        The light field.

    Raises:
        CalibrationError: If it does not fit the frames: another count of lights, another size, a light that became
            brighter or darker than the others, or frames in another order.
    """
    if len(calibration.rig) != capture.lights:
        what = f"the calibration has {len(calibration.rig)} lights, and there are {capture.lights} frames"
        raise CalibrationError(what, fix="is a frame missing, or the calibration that of another rig?")
    if calibration.field is None:
        told = replace(capture, rig=calibration.rig)
        field = replace(light_field(told), origin="mirror ball" if capture.flat is None else "flat field")
        check_order(told, field)
        return field
    if (calibration.width, calibration.height) != (capture.width, capture.height):
        what = (
            f"the calibration was made with {calibration.width} x {calibration.height} pixels, "
            f"the frames have {capture.width} x {capture.height}"
        )
        raise CalibrationError(what, fix=_AGAIN)
    if capture.flat is not None:  # taken with the capture, so nearer to it than what was kept
        return light_field(replace(capture, rig=calibration.rig))
    known = calibration.field
    scaled = replace(known, gains=known.gains * np.float32(calibration.full_scale / capture.full_scale))
    check_order(capture, scaled)
    if calibration.kind != "plane":
        _check_levels(capture, scaled, tolerance)
    return scaled


def _check_levels(capture: Capture, field: LightField, tolerance: float) -> None:
    """Refuse a light that is brighter or darker against the others than it was at the calibration."""
    change = light_levels(capture, field)
    off = np.abs(change - 1)
    if off.max() <= tolerance:
        return
    worst = int(off.argmax())
    name = f" ({capture.names[worst]})" if capture.names else ""
    what = f"light {worst + 1}{name} is {100 * (change[worst] - 1):+.0f} % against what the calibration says"
    raise CalibrationError(what, fix=_AGAIN)


def light_levels(capture: Capture, field: LightField) -> Floats:
    """(k,) each light's brightness against what a light field says; 1 where they agree.

    A card is nearly plane, so that each calibrated frame over the light's height is the same picture; medians of the
    quotients leave out relief, gloss and shadow.
    """
    values, gains, directions, lit = coarse(capture, field)
    level = values * gains / np.maximum(directions[..., 2], 0.05)
    middle = np.median(level, axis=0)
    if not lit.any():
        return np.ones(capture.lights)
    quotient = np.median(level[:, lit] / middle[lit], axis=1)
    return np.asarray(quotient / np.median(quotient))
