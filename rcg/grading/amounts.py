"""How much wear there truly is where little or none was measured."""

from __future__ import annotations

import math

import numpy as np

from rcg.measuring.types import Floats, Value

CLEAN = 0.85
"""How many of a card's corners and sides have no wear of one kind at all, before one has looked."""

FREEDOM = 4
"""Degrees of freedom of the errors' distribution: how well a sigma is known."""


def sigma_of(value: Value) -> float:
    """Its sigma; 0 where there is none."""
    return value.sigma if math.isfinite(value.sigma) and value.sigma > 0 else 0.0


def amounts(value: Value, normal: Floats, *, typical: float, times: Floats | float = 1.0) -> Floats:
    """Draw how much of something there truly is that cannot be below zero and mostly is zero.

    Args:
        value: As measured, with its sigma.
        normal: (draws,) standard normal deviates; a large one makes a large amount.
        typical: What it is on average where there is any.
        times: What the sigma is to be multiplied by, of all draws or (draws,) of each.

    Returns:
        (draws,) of at least 0. With a sigma of 0 all are the measured value.
    """
    from scipy.special import ndtr, ndtri

    if sigma_of(value) == 0:
        return np.full_like(normal, max(0.0, value.value))
    sigma = sigma_of(value) * np.broadcast_to(times, normal.shape)
    rate = sigma / typical
    middle = value.value / sigma - rate  # of the slab's posterior, in sigmas: a normal cut off at zero
    inside = np.maximum(ndtr(middle), 1e-300)
    # The odds of a worn place to a clean one, both with the factor exp(-(value / sigma)^2 / 2) taken out.
    worn = (1 - CLEAN) * rate * np.exp(np.minimum(middle * middle / 2, 600)) * inside * math.sqrt(2 * math.pi)
    clean = CLEAN / (CLEAN + worn)
    place = ndtr(normal)
    share = np.clip((place - clean) / np.maximum(1 - clean, 1e-12), 0, 1)
    drawn = middle + ndtri(np.clip(1 - inside + share * inside, 1e-12, 1 - 1e-12))
    return np.where(place <= clean, 0.0, np.maximum(drawn, 0) * sigma)
