"""Calibration without any target: a card is nearly plane, so what all of it gets of a light is the light's own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError, DataError
from rcg.photometric.field import grey_frames, grid, near_directions
from rcg.photometric.order import at_places
from rcg.photometric.smoothing import cuts, fit_polynomial, middles
from rcg.photometric.types import Capture, Floats, LightField, LightRig, Plane

ABSORBED = (
    "calibrated on the card itself, taken as plane: bow and shape that bends over more than a third of the picture "
    "cannot be seen; scratches, dents and creases can"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaneCalibration:
    """What a nearly plane card tells of its own lights.

    Attributes:
        rig: The directions used.
        field: What each pixel gets of each light; albedo is the mean frame's share of `full_scale`.
        residual_percent: (k,) how far each light's share departs from the smooth surface fitted to it, in percent.
        notes: What the user should know, one sentence each.
    """

    rig: LightRig
    field: LightField
    residual_percent: Floats
    notes: tuple[str, ...] = ()


def calibrate_plane(
    capture: Capture,
    *,
    nominal: LightRig | None = None,
    azimuths_deg: Sequence[float] | None = None,
    zenith_deg: float = 45.0,
    degree: int = 4,
) -> PlaneCalibration:
    """Find what each pixel gets of each light from the frames of a nearly plane card, without any target.

    Each frame is divided by the mean frame, in which print cancels, and a smooth surface fitted to the quotient:
    F_i = smooth(m_i / mean_j m_j). Directions come from `nominal`, else the capture's rig, else `azimuths_deg`, else
    from the frames: a lamp's side of the picture is the brighter one.

    Args:
        capture: Frames of the card.
        nominal: Where the lights should be.
        azimuths_deg: (k,) where each light stands around the card, from the right against the clock.
        zenith_deg: How far the lights stand from the camera's axis, where only azimuths are known. A wrong one scales
            all slopes and heights by one factor.
        degree: Of the surface, a polynomial over the picture; low ones leave more shape of the card in the result.

    Returns:
        The calibration. Low-frequency shape is not observable with it (bas-relief ambiguity, Belhumeur 1999, and what
        the surface absorbs); relief finer than about a third of the picture is.

    Raises:
        CalibrationError: If the azimuths do not fit, or cannot be found in the frames.
        DataError: If too little of the picture is lit to calibrate on.
    """
    blocks, good, centres = _shares(capture)
    logs = np.log(np.maximum(blocks, 1e-6))
    nodes = grid(capture.height, capture.width)
    surface = fit_polynomial(logs, good, centres, nodes, degree=degree)
    rest = logs - fit_polynomial(logs, good, centres, centres, degree=degree)
    percent = np.array([100 * 1.4826 * np.median(np.abs(each[ok])) for each, ok in zip(rest, good, strict=True)])
    spread = float(np.median(percent))
    notes = [ABSORBED]
    rig = nominal or (capture.rig if azimuths_deg is None else None)
    if rig is None:
        azimuths, said = _azimuths(capture, azimuths_deg, surface)
        notes += said
        tilt = np.deg2rad(zenith_deg)
        turn = np.deg2rad(azimuths)
        flat = np.sin(tilt) * np.column_stack([np.cos(turn), np.sin(turn)])
        rig = LightRig(directions=np.column_stack([flat, np.full(len(turn), np.cos(tilt))]))
        notes.append(f"lights were taken {zenith_deg:g} degrees off the camera's axis; if wrong, heights scale by it")
    if len(rig) != capture.lights:
        what = f"there are {capture.lights} frames and {len(rig)} lights"
        raise CalibrationError(what, fix="one light for each frame, in the same order")
    if spread > 8:
        notes.append(f"the surface is no plane to the light ({spread:.0f} % unlike one): slopes are only local")
    near = rig.positions_mm is not None and capture.mm_per_px is not None
    wide = (capture.lights, len(nodes[0]), len(nodes[1]), 3)
    placed = Capture(images=capture.images, rig=rig, mm_per_px=capture.mm_per_px)
    directions = near_directions(placed, nodes) if near else np.broadcast_to(rig.directions[:, None, None], wide)
    kept = np.ascontiguousarray(directions, np.float32)
    gains = kept[..., 2] / (np.exp(surface) * capture.full_scale)
    field = LightField(directions=kept, gains=gains.astype(np.float32), origin="plane")
    return PlaneCalibration(rig=rig, field=field, residual_percent=percent, notes=tuple(notes))


def level_by_plane(capture: Capture, field: LightField, *, degree: int = 2) -> LightField:
    """Correct a light field by the card itself: what no plane under these lights would show at large is the lights'.

    Flat frames of a sheet that lay askew, or lamps that moved a millimetre or two since, leave slopes of a degree that
    change slowly over the card. A card's own bow is smaller than that, and is given up with them.

    Args:
        capture: Frames of a nearly plane card.
        field: What is known of the lights, such as from flat frames.
        degree: Of the correction, a polynomial over the picture.

    Returns:
        The same directions, with gains changed by a smooth share for each light whose mean over the lights is 1.

    Raises:
        DataError: If too little of the picture is lit to tell.
    """
    rows, columns = middles(cuts(capture.height)), middles(cuts(capture.width))
    gains, directions = at_places(field, rows, columns, capture.height, capture.width)
    expected = np.maximum(directions[..., 2], 0.05) / gains
    shares, good, centres = _shares(capture, expected / expected.mean(), channel_weights=field.channel_weights)
    nodes = grid(capture.height, capture.width)
    off = np.exp(fit_polynomial(np.log(np.maximum(shares, 1e-6)), good, centres, nodes, degree=degree))
    gains, directions = at_places(field, *nodes, capture.height, capture.width)
    return replace(
        field, directions=directions.astype(np.float32), gains=(gains / off).astype(np.float32), origin=field.origin
    )


def _shares(
    capture: Capture, expected: Floats | None = None, *, channel_weights: Plane | None = None
) -> tuple[Floats, NDArray[np.bool_], tuple[Floats, Floats]]:
    """Medians over blocks of each frame's share of the mean frame, which of them count, and the blocks' middles."""
    rows, columns = cuts(capture.height), cuts(capture.width)
    shares = np.full((capture.lights, len(rows) - 1, len(columns) - 1), 1.0)
    good = np.zeros(shares.shape, np.bool_)
    step = 1 if capture.height * capture.width < 1_000_000 else 2
    for i, (top, bottom) in enumerate(itertools.pairwise(rows)):
        band = slice(top, bottom, step)
        grey = grey_frames(_rows(capture, band), channel_weights)
        lit = (grey.mean(axis=0) > 0.01 * capture.full_scale) & (grey.max(axis=0) < 0.98 * capture.full_scale)
        if capture.mask is not None:
            lit &= capture.mask[band]
        for j, (left, right) in enumerate(itertools.pairwise(columns)):
            counts = lit[:, left:right]
            if counts.mean() > 0.25:
                values = grey[:, :, left:right][:, counts].astype(np.float64)
                if expected is not None:
                    values = values / expected[:, i, j, None]
                shares[:, i, j] = np.median(values / values.mean(axis=0), axis=1)
                good[:, i, j] = True
    if good[0].mean() < 0.1:
        what = f"only {100 * good[0].mean():.0f} % of the picture is lit and not saturated"
        raise DataError(what, fix="expose so that the card's paper comes to about two thirds of full scale")
    level = np.median(shares[:, good[0]], axis=1)
    for light in np.flatnonzero(level < 0.02):
        name = capture.names[light] if capture.names else str(light + 1)
        raise CalibrationError(f"frame {name} is black", fix="is that light off? take the frames again")
    return shares, good, (middles(rows), middles(columns))


def _rows(capture: Capture, band: slice) -> Capture:
    """The same capture, of some of its rows."""
    dark = capture.dark
    if dark is not None and dark.ndim > 1:
        dark = dark[..., band, :]
    return Capture(images=capture.images[:, band], dark=dark, full_scale=capture.full_scale)


def _azimuths(capture: Capture, given: Sequence[float] | None, surface: Floats) -> tuple[Floats, list[str]]:
    """Where each light stands, in degrees, and what to say of it."""
    if given is not None:
        if len(given) != capture.lights:
            what = f"there are {capture.lights} frames and {len(given)} azimuths"
            raise CalibrationError(what, fix="one azimuth for each frame, in the same order")
        return np.asarray(given, np.float64), []
    y = np.linspace(capture.height / 2, -capture.height / 2, surface.shape[1])
    x = np.linspace(-capture.width / 2, capture.width / 2, surface.shape[2])
    level = surface - surface.mean(axis=(1, 2), keepdims=True)
    slope = np.column_stack([(level * x).mean(axis=(1, 2)) / (x**2).mean(), _upwards(level, y)])
    rise = np.hypot(*slope.T) * max(capture.height, capture.width)
    if np.median(rise) < 0.02:
        what = "where the lights stand cannot be seen: each lights the whole picture evenly"
        raise CalibrationError(what, fix="give azimuths_deg, or light_directions.txt beside the frames")
    azimuths = np.rad2deg(np.arctan2(slope[:, 1], slope[:, 0])) % 360
    listed = ", ".join(f"{value:.0f}" for value in azimuths)
    return azimuths, [f"azimuths were found from which side is brighter: {listed} degrees; check them"]


def _upwards(level: Floats, y: Floats) -> Floats:
    return np.asarray((level * y[:, None]).mean(axis=(1, 2)) / (y**2).mean())
