"""The radius of a card's corners, from where the table gives way to the card on their diagonals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.measuring.profiles import Singles, sampled_lab
from rcg.measuring.rectify import straight

Floats = NDArray[np.float64]

_STEP = 0.08  # mm across and down, between readings on a diagonal
_ALONG = np.arange(-0.8, 2.41, _STEP)
_BESIDE = np.array([-0.25, 0.0, 0.25])
_RADIUS = math.sqrt(2) / (math.sqrt(2) - 1)  # of the arc whose middle lies 1 mm across and down from the corner
_INWARDS = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
_CLEAR = 3.0  # CIE76 between table and card, for a corner to be seen
_LASTING = 6  # readings that have to be unlike the table, for the card to have begun
_LARGE = 3.9  # mm; a larger radius may be that of a frame close behind the arc


def corner_radii(pixels: Pixels, quads: Floats, size: tuple[float, float]) -> Floats:
    """The radius of each corner of some quads.

    It is read from the inside, where the card's colour is lost, because seams and shadows lie outside. Where a frame
    follows close behind the arc, that comes too late, and it is read from the outside, where the table's is lost.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        quads: (m, 4, 2) px.
        size: Width and height of the cards, mm.

    Returns:
        (m, 4) mm; NaN where table and card look alike.
    """
    profile, table, border = _read(pixels, quads, size)
    inner, outer = _from_inside(profile, table), _from_outside(profile, table, border)
    doubtful = ~(inner < _LARGE)
    radii = np.where(doubtful & (outer > -0.5), outer, inner)
    return np.asarray(radii.reshape(-1, 4))


def _read(pixels: Pixels, quads: Floats, size: tuple[float, float]) -> tuple[Singles, Singles, Singles]:
    """(4 m, d, 3) Lab on the diagonals, (4 m, 3) of the table beside the corners, (4 m, k, 3) of the card beside."""
    width, height = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    spots = np.stack([_ALONG[:, None] + _BESIDE, _ALONG[:, None] - _BESIDE], axis=2).reshape(-1, 2)
    table = _arms([-1.1, -0.8, -0.5], [1.0, 2.0, 3.0, 4.0])
    border = _arms([0.4, 0.65, 0.9], [4.0, 5.0, 6.0, 7.0])
    every = np.concatenate([spots, table, border])
    places = (corners[:, None] + every[None] * _INWARDS[:, None]).reshape(-1, 2)
    lab = sampled_lab(pixels, np.concatenate([straight(quad, size)(places) for quad in quads]))
    lab = lab.reshape(4 * len(quads), len(every), 3)
    first, last = len(spots), len(spots) + len(table)
    profile = lab[:, :first].reshape(-1, len(_ALONG), len(_BESIDE), 3).mean(axis=2)
    return profile, np.median(lab[:, first:last], axis=1), lab[:, last:]


def _arms(deep: list[float], along: list[float]) -> Floats:
    """Places beside a corner, along both of its sides; mm inwards and along."""
    return np.array([(d, a) for d in deep for a in along] + [(a, d) for d in deep for a in along])


def _from_inside(profile: Singles, table: Singles) -> Floats:
    card = np.median(profile[:, _ALONG > 1.5], axis=1)
    away = table - card
    contrast = np.linalg.norm(away, axis=1)
    along: Floats = np.asarray(np.einsum("kdc,kc->kd", profile - card[:, None], away), np.float64)
    share = along / np.maximum(contrast, 1e-6)[:, None] ** 2
    lost = np.where(_ALONG < 1.9, share, 0.0) > 0.5
    last = lost.shape[1] - 1 - np.argmax(lost[:, ::-1], axis=1)
    seen = np.any(lost, axis=1) & (contrast > _CLEAR)
    return np.where(seen, (_ALONG[last] + _STEP / 2) * _RADIUS, np.nan)


def _from_outside(profile: Singles, table: Singles, border: Singles) -> Floats:
    contrast = np.median(np.linalg.norm(border - table[:, None], axis=2), axis=1)
    unlike = np.linalg.norm(profile - table[:, None], axis=2) > 0.5 * contrast[:, None]
    # a seam beside the edge is unlike the table too, but not for long
    lasting = np.all(np.lib.stride_tricks.sliding_window_view(unlike, _LASTING, axis=1), axis=2)
    first = np.argmax(lasting, axis=1)
    return np.where(np.any(lasting, axis=1) & (contrast > _CLEAR), (_ALONG[first] - _STEP / 2) * _RADIUS, np.nan)
