"""Scans of drawn cards for the tests of grading, small enough to be measured in a second."""

from functools import cache

import numpy as np

from rcg.card_specs import CARD_SPECS
from rcg.images import write_image
from rcg.synthetic import draw_card, render_scan

DPI = 220


@cache
def scan(seed=3, side="front", dpi=DPI):
    """A scan of a drawn standard card on a grey lid, and its truth."""
    family = "modern" if side == "front" else "english-back"
    card = draw_card(seed, family=family, spec=CARD_SPECS["standard"], wear=0.5, side=side)
    return render_scan(card, np.random.default_rng(seed), dpi=dpi, lid="grey", margin_mm=5)


def write_scan(path, seed=3, side="front"):
    """The scan as a file; returns its path."""
    write_image(path, scan(seed, side).pixels)
    return path


def blank(width=320, height=400):
    """A picture of a table with nothing on it."""
    noise = np.random.default_rng(0).integers(0, 6, (height, width, 3), np.uint8)
    return np.full((height, width, 3), (90, 120, 95), np.uint8) + noise
