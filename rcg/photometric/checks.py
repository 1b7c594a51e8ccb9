"""What is wrong with a capture before it is solved: each thing with what to do about it."""

from __future__ import annotations

import numpy as np
import xxhash

from rcg.errors import CalibrationError, DataError
from rcg.photometric.calibrate import light_levels
from rcg.photometric.card_finding import FoundCard, card_mask, fills_the_picture, find_cards
from rcg.photometric.field import grey_frames
from rcg.photometric.order import check_order
from rcg.photometric.types import Capture, Floats, LightField

_EXPOSURE = 0.5  # how far a light may be off the others before it is told; lamps of one make differ by 15 %
_SATURATED = 0.02


def check_capture(capture: Capture, field: LightField | None = None) -> tuple[str, ...]:
    """Look for what would spoil the result.

    Args:
        capture: The frames.
        field: What each pixel gets of each light; where it is given, exposure and the order of the frames are checked
            against it.

    Returns:
        What the user should know, one sentence each; empty where nothing was found.

    Raises:
        DataError: If a frame is black, saturated for the most part, or there twice.
        CalibrationError: If the lights lie in one plane, or the frames stand in another order than the lights.
    """
    sample = _sample(capture)
    _check_black(capture, sample)
    _check_twice(capture)
    notes = [*_saturation(capture, sample), *_dim(capture, sample)]
    if capture.rig is not None:
        notes += check_directions(capture.rig.directions)
    notes += _exposure(capture, sample, field)
    if field is not None:
        check_order(capture, field)
    cards = find_cards(capture)
    if capture.mask is not None:
        cards = tuple(card for card in cards if (capture.mask & card_mask(capture, card)).any())
    return (*notes, *card_notes(cards, fills=fills_the_picture(capture)))


def check_directions(directions: Floats) -> list[str]:
    """Refuse lights in one plane, from which no normal follows, and warn of lights that are nearly so.

    Args:
        directions: (k, 3) unit vectors.

    Returns:
        Warnings, one sentence each.

    Raises:
        CalibrationError: If all lights stand on one line over the card, or in one place.
    """
    values = np.linalg.svd(np.asarray(directions, np.float64), compute_uv=False)
    condition = float(values[0] / max(values[-1], 1e-12))
    if values[1] < 0.02 * values[0]:
        what = "all lights stand in one place"
        raise CalibrationError(
            what, fix="spread the lights around the card, at 30 to 60 degrees from the camera's axis"
        )
    if condition > 60:
        what = "all lights lie in one plane: slope across it cannot be seen"
        fix = "add a light to the side of that line; three lights around the card are the least"
        raise CalibrationError(what, fix=fix)
    if condition > 12:
        return [f"the lights stand close together (condition number {condition:.0f}): noise becomes slope"]
    return []


def card_notes(cards: tuple[FoundCard, ...], *, fills: bool) -> list[str]:
    """What to say of the cards that were found in the frames.

    Args:
        cards: From `find_cards`.
        fills: Whether one thing fills all of the picture.
    """
    if len(cards) > 1:
        places = " and ".join(
            f"at x {card.quad[:, 0].mean():.0f}, y {card.quad[:, 1].mean():.0f}" for card in cards[:4]
        )
        what = f"{len(cards)} cards lie in the frames ({places} pixels): defects are reported for both together"
        return [f"{what}; for one of them, crop the frames or draw mask.png around it"]
    if not cards and fills:
        what = "no card's edge is seen: the frames are taken to show nothing but its face"
        return [f"{what}; if a whole card should be in them, lay it on a ground of another brightness"]
    if not cards:
        what = "no card was found in the frames: all of the mask was solved"
        return [f"{what}; if there is a card, lay it on a ground of another brightness"]
    return []


def _name(capture: Capture, light: int) -> str:
    return f"{light + 1} ({capture.names[light]})" if capture.names else str(light + 1)


def _sample(capture: Capture) -> Floats:
    """(k, n) grey values of pixels on a coarse net, those of the mask, dark taken off."""
    step = max(1, int(np.sqrt(capture.height * capture.width / 40_000)))
    dark = capture.dark
    if dark is not None and dark.ndim > 1:
        dark = dark[..., ::step, ::step]
    thin = Capture(images=capture.images[:, ::step, ::step], dark=dark, full_scale=capture.full_scale)
    inside = np.ones(thin.images.shape[1:3], np.bool_)
    if capture.mask is not None and capture.mask[::step, ::step].any():
        inside = capture.mask[::step, ::step]
    return np.asarray(grey_frames(thin)[:, inside], np.float64)


def _check_black(capture: Capture, sample: Floats) -> None:
    bright = np.quantile(sample, 0.95, axis=1)
    for light in np.flatnonzero((bright < 0.004 * capture.full_scale) | (bright < 0.03 * np.median(bright))):
        what = f"frame {_name(capture, int(light))} is black: 95 % of it is {max(bright[light], 0):.3g} or less"
        fix = "is that light off, or is it a dark frame? take it again, or put dark frames into dark/"
        raise DataError(f"{what} of {capture.full_scale:g}", fix=fix)


def _check_twice(capture: Capture) -> None:
    seen: dict[str, int] = {}
    for light, frame in enumerate(capture.images):
        mark = xxhash.xxh3_128_hexdigest(np.ascontiguousarray(frame).data)
        if mark in seen:
            what = f"frames {_name(capture, seen[mark])} and {_name(capture, light)} are the same picture"
            raise DataError(what, fix="replace one of the two by the frame of its light")
        seen[mark] = light


def _saturation(capture: Capture, sample: Floats) -> list[str]:
    full = (sample >= 0.98 * capture.full_scale).mean(axis=1)
    worst = int(full.argmax())
    if full[worst] > 0.5:
        what = f"frame {_name(capture, worst)} is saturated over {100 * full[worst]:.0f} % of the picture"
        raise DataError(what, fix="expose shorter, so that white paper comes to about two thirds of full scale")
    if full[worst] > _SATURATED:
        most = f"{100 * full[worst]:.0f} % in frame {_name(capture, worst)}"
        return [f"{100 * full.mean():.0f} % of all values are saturated, {most}; they do not count: expose shorter"]
    return []


def _dim(capture: Capture, sample: Floats) -> list[str]:
    top = float(np.quantile(sample, 0.999)) / capture.full_scale
    if top >= 0.15:
        return []
    return [f"the frames use only {100 * top:.0f} % of the sensor's scale: noise becomes slope; expose longer"]


def _exposure(capture: Capture, sample: Floats, field: LightField | None) -> list[str]:
    """A frame much brighter or darker than its light explains."""
    if field is not None and field.origin not in {"directions", "near lights"}:
        level = light_levels(capture, field)
    else:
        level = _levels(capture, sample)
    off = np.maximum(level, 1 / np.maximum(level, 1e-9))
    worst = int(off.argmax())
    if off[worst] < 1 + _EXPOSURE:
        return []
    how = f"{off[worst]:.1f} times {'brighter' if level[worst] > 1 else 'darker'} than the others"
    fix = "take all with one exposure, or give light intensities or flat frames"
    return [f"frame {_name(capture, worst)} is {how}: was its exposure another one, or does foil shine there? {fix}"]


def _levels(capture: Capture, sample: Floats) -> Floats:
    """(k,) each frame's brightness against the others, as far as all of the picture agrees: foil does not."""
    mean = sample.mean(axis=0)
    lit = mean > np.quantile(mean, 0.3)
    share = sample[:, lit] / np.maximum(mean[lit], 1e-9)
    if capture.rig is not None:
        share /= np.maximum(capture.rig.directions[:, 2:], 0.05)
        given = capture.rig.intensities
        share /= 1 if given is None else (given[:, None] if given.ndim == 1 else given.mean(axis=1, keepdims=True))
    low, middle, high = np.quantile(share, (0.1, 0.5, 0.9), axis=1)
    usual = float(np.median(middle))
    if usual <= 0:  # dark but for some spots
        return np.ones(capture.lights)
    return np.asarray(np.where(low > usual, low, np.where(high < usual, high, usual)) / usual)
