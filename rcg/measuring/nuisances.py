"""What spoils a border, recognised and named: gradients, foil, glare, shadows that cross it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rcg.measuring.borders import Side
from rcg.measuring.profiles import SIDES

Floats = NDArray[np.float64]

_GRADIENT = 20.0  # CIE76 between the ends of a border from which it is a gradient
_STEPPED = 0.5  # of the whole change, within a tenth of the side: it is a shadow's or a mirror's edge, no gradient
_SHADOW = (0.3, 0.72)  # of the light: what a shadow leaves
_HUE = 0.16  # of colour's share of the light that a shadow may change at most
_GLARE = 12.0  # CIE L* above the border's own from which a place is mirrored light, and how grey it has to turn
_GLARE_PART = (0.04, 0.6)  # share of the side's length that glare may cover to be told from a pale border
_DARK = 0.04  # light of a border on which shadows do not tell themselves from noise
_SHIMMER = 5.0  # CIE76 of a* and b* from place to place along a border: foil or holo


def border_notes(sides: list[Side]) -> tuple[str, ...]:
    """What is worth telling about the borders of the four sides, in the order of `SIDES`."""
    kinds = (
        ("the border's colour fades along the {} side: a gradient border", _fades),
        ("the colour of the border shimmers along the {} side: foil or holo", _shimmers),
        ("light is mirrored on the border of the {} side", _mirrors),
        ("a shadow lies across the border of the {} side", _shaded),
    )
    found = []
    for words, shows in kinds:
        names = [name for name, side in zip(SIDES, sides, strict=True) if shows(side)]
        if names:
            found.append(words.format(" and ".join(names)))
    return tuple(found)


def _beside(side: Side) -> Floats:
    """(n, 3) Lab of the border beside the cut at each station, not smoothed."""
    depth = side.strip.depth
    band = (depth >= side.ramp) & (depth <= side.ramp + 0.6)
    return np.asarray(np.median(side.strip.lab[:, band], axis=1), np.float64)


def _light(side: Side) -> Floats:
    """(n, 3) the same in linear light."""
    depth = side.strip.depth
    band = (depth >= side.ramp) & (depth <= side.ramp + 0.6)
    return np.asarray(np.median(side.light[:, band], axis=1), np.float64)


def _fades(side: Side) -> bool:
    """A steady change from one end to the other, in more than brightness."""
    smooth = np.asarray(side.border, np.float64)
    ends = smooth[-8:].mean(axis=0) - smooth[:8].mean(axis=0)
    whole = float(np.linalg.norm(ends))
    tenth = max(1, len(smooth) // 10)
    fastest = float(np.linalg.norm(smooth[tenth:] - smooth[:-tenth], axis=1).max())
    return whole > _GRADIENT and float(np.linalg.norm(ends[1:])) > 0.4 * whole and fastest < _STEPPED * whole


def _shimmers(side: Side) -> bool:
    """Colour that changes from place to place while brightness hardly follows."""
    lab = _beside(side)
    away = lab - np.asarray(side.border, np.float64)
    return float(np.linalg.norm(away[:, 1:], axis=1).mean()) > _SHIMMER


def _mirrors(side: Side) -> bool:
    """Places that are much lighter than the rest of the border, and no more coloured."""
    lab = _beside(side)
    usual = np.median(lab, axis=0)
    chroma, own = np.linalg.norm(lab[:, 1:], axis=1), float(np.linalg.norm(usual[1:]))
    part = float(np.mean((lab[:, 0] > usual[0] + _GLARE) & (chroma < own + 4)))
    return _GLARE_PART[0] < part < _GLARE_PART[1]


def _shaded(side: Side) -> bool:
    """A quick fall of all colours alike along the side, to a part of the light that a shadow leaves."""
    light = np.maximum(_light(side), 1e-4)
    grey = light.mean(axis=1)
    reach = max(2, len(grey) // 8)
    before, after = light[:-reach], light[reach:]
    ratio = np.minimum(before, after).mean(axis=1) / np.maximum(before, after).mean(axis=1)
    shares = np.abs(before / before.sum(axis=1, keepdims=True) - after / after.sum(axis=1, keepdims=True)).max(axis=1)
    at = int(np.argmin(ratio))
    alike = float(shares[at]) < _HUE * float((before[at] / before[at].sum()).max())
    return _SHADOW[0] < float(ratio[at]) < _SHADOW[1] and alike and float(grey.min()) > _DARK
