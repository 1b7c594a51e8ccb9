"""Measured faces with given figures, for tests of grading."""

from dataclasses import replace

import numpy as np

from rcg.card_specs import CardSpec
from rcg.measuring.types import (
    CORNERS,
    SIDES,
    Centering,
    CornerWear,
    EdgeWear,
    FaceMeasurement,
    Mark,
    Outline,
    SideLine,
    Surface,
    Value,
)

ZERO = Value(0.0, 0.0)


def outline():
    lines = tuple(
        SideLine(side=side, along=np.zeros(1), depth=np.zeros(1), kept=np.ones(1, bool), curve=(0.0,), middle=0.0,
                 sigma=0.0, agree=1.0, px_mm=10.0)
        for side in SIDES
    )  # fmt: skip
    quad = np.array([(0, 0), (630, 0), (630, 880), (0, 880)], float)
    return Outline(quad=quad, spec=CardSpec(), spec_reason="given", lines=lines, score=1.0)


def centering(left_right=50.0, top_bottom=50.0, sigma=0.0, *, lean=0.0, rotation=ZERO):
    """Borders that add up to 6 mm; left to right has `lean` points more at its last station, fewer at its first."""
    shares = np.array([[left_right - lean, left_right, left_right + lean], [top_bottom] * 3]) / 100 * 6
    widths = np.array([shares[0], shares[1], 6 - shares[0], 6 - shares[1]])
    worst = left_right + (lean if left_right >= 50 else -lean)
    return Centering(
        status="measured", widths=widths, width_sigma=np.full(4, 0.02), left_right=left_right, top_bottom=top_bottom,
        worst_left_right=worst, worst_top_bottom=top_bottom, sigma=(sigma, sigma), rotation_deg=rotation,
    )  # fmt: skip


def face(left_right=50.0, top_bottom=50.0, sigma=0.0, *, marks=(), lean=0.0, rotation=ZERO, corners=(), edges=()):
    """A face without wear but for what is given: `corners` and `edges` are dicts of figures for the first ones."""
    names = ("whitening_depth", "whitening_area", "radius_error", "missing_area", "angle_error")
    made = [CornerWear(corner=each, status="measured", **dict.fromkeys(names, ZERO)) for each in CORNERS]
    for n, figures in enumerate(corners):
        made[n] = replace(made[n], **figures)
    names = ("whitening_depth", "whitening_length", "whitening_area", "deepest", "roughness")
    sides = [EdgeWear(side=each, status="measured", **dict.fromkeys(names, ZERO)) for each in SIDES]
    for n, figures in enumerate(edges):
        sides[n] = replace(sides[n], **figures)
    return FaceMeasurement(
        status="measured", width=700, height=900, px_mm=10.0, outline=outline(), corners=tuple(made),
        centering=centering(left_right, top_bottom, sigma, lean=lean, rotation=rotation), edges=tuple(sides),
        surface=Surface(status="measured", marks=tuple(marks)),
    )  # fmt: skip


def mark(label, length=5.0, *, area=0.5, x=10.0, confidence=1.0, depth_um=None):
    ring = ((x, 10.0), (x + 1, 10.0), (x + 1, 11.0))
    return Mark(
        label=label, origin="handling", outline=ring, outline_mm=ring, length_mm=length, area_mm2=area,
        confidence=confidence, relief_um=None if depth_um is None else Value(depth_um, 0.0),
    )  # fmt: skip
