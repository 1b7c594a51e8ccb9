"""True outlines and borders of rendered cards, for tests of measuring."""

from dataclasses import replace

import numpy as np

from rcg.card_specs import card_spec
from rcg.geometry import transform
from rcg.measuring import SIDES, STATIONS, Outline, SideLine
from rcg.measuring.frame import against
from rcg.measuring.profiles import side_length
from rcg.measuring.rectify import to_pixels

STANDARD = card_spec("standard")


def outline_of(view, spec=STANDARD):
    """The true outline, as one that was found perfectly."""
    size = (spec.width, spec.height)
    to_mm = np.linalg.inv(to_pixels(np.array(view.truth.quad), *size))
    lines = []
    for k, side in enumerate(SIDES):
        length = side_length(side, size)
        along, depth = against(side, transform(to_mm, np.array(view.truth.points[6 * k : 6 * k + 3])), size)
        curve = np.polyfit(np.append(along, (0, length)) - length / 2, np.append(depth, (0, 0)), 2)
        places = np.linspace(5, length - 5, 20)
        lines.append(
            SideLine(
                side=side, along=places, depth=np.polyval(curve, places - length / 2), kept=np.ones(20, bool),
                curve=tuple(curve), middle=length / 2, sigma=0.005, agree=1.0, px_mm=view.truth.px_per_mm,
            )
        )  # fmt: skip
    quad = np.array(view.truth.quad)
    return Outline(quad=quad, spec=spec, spec_reason="given", lines=tuple(lines), score=9.0)


def turned(outline):
    """The same outline with its other end taken for the top."""
    lines = tuple(replace(outline.lines[(k + 2) % 4], side=SIDES[k]) for k in range(4))
    return replace(outline, quad=np.roll(outline.quad, 2, axis=0), lines=lines)


def widths_of(card):
    """(4, 3) mm: the true borders at the stations."""
    (a, b, c, d), (w, h) = np.array(card.inner), (card.spec.width, card.spec.height)
    found = []
    for (first, last), upright, far in (((a, d), 1, 0), ((a, b), 0, 0), ((b, c), 1, w), ((d, c), 0, h)):
        along, across = (1, 0) if upright else (0, 1)
        at = np.array(STATIONS) * (h if upright else w)
        place = np.interp(at, (first[along], last[along]), (first[across], last[across]))
        found.append(np.abs(far - place))
    return np.array(found)


def ratios(widths):
    mean = np.asarray(widths).mean(axis=1)
    return np.array([100 * mean[0] / (mean[0] + mean[2]), 100 * mean[1] / (mean[1] + mean[3])])
