"""What is printed on a card: its colours, layout, finish and foil, drawn once and then the same at every resolution."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from rcg.card_specs import PrintFamily
from rcg.synthetic.grid import rounded

Colour = tuple[int, int, int]

FINISHES = ("matte", "satin", "gloss", "foil", "holo")
ROUGHNESS = {"matte": (0.5, 0.8), "satin": (0.25, 0.4), "gloss": (0.08, 0.2), "foil": (0.1, 0.22), "holo": (0.08, 0.2)}
_FINISH_SHARES = (0.18, 0.27, 0.3, 0.1, 0.15)
_LAYOUTS = ("creature", "landscape", "abstract", "portrait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The print of one card.

    Attributes:
        layout: "creature", "landscape", "abstract", "portrait" or "ornament" (of backs).
        border: The border's colour at the top, and at the bottom; alike where it is flat.
        line: The colour of the frame's line, and its width in millimetres; 0 for none.
        hue: Of the panel, from 0 to 1.
        finish: "matte", "satin", "gloss", "foil" or "holo".
        roughness: GGX alpha of the coating.
        foil_place: "none", "art", "frame" (all within the inner frame) or "all".
        pattern: Of the foil: "plain", "dots", "stripes" or "cosmos".
        window: The art's part of the inner frame: left, top, right and bottom shares.
        rosettes: Whether it is printed in a halftone screen.
        seed: Of all that is drawn.
    """

    layout: str
    border: tuple[Colour, Colour]
    line: tuple[Colour, float]
    hue: float
    finish: str
    roughness: float
    foil_place: str
    pattern: str
    window: tuple[float, float, float, float]
    rosettes: bool
    seed: int


def draw_design(rng: np.random.Generator, family: PrintFamily, finish: str | None = None) -> Design:
    """Draw the print of a family: one of countless, none of a real card."""
    back = family.side == "back"
    kind = finish or FINISHES[int(rng.choice(5, p=_FINISH_SHARES))]
    if back and kind in {"foil", "holo"}:
        kind = "gloss"
    hue, top = rounded(float(rng.random())), _border(rng, back=back)
    bottom = _shade(top, float(rng.uniform(0.45, 0.75)), float(rng.uniform(-30, 30))) if rng.random() < 0.22 else top
    shiny = kind in {"foil", "holo"}
    place = ("art", "frame", "all")[int(rng.choice(3, p=(0.5, 0.3, 0.2)))] if shiny else "none"
    pattern = ("plain", "dots", "stripes", "cosmos")[int(rng.integers(4)) if kind == "holo" else 0]
    full = bool(rng.random() < 0.3)
    split = rounded(float(rng.uniform(0.52, 0.64)))
    window = (0.02, 0.015, 0.98, 0.84) if full else (0.06, 0.11, 0.94, split)
    return Design(
        layout="ornament" if back else _LAYOUTS[int(rng.choice(4, p=(0.4, 0.25, 0.2, 0.15)))],
        border=(top, bottom),
        line=(_contrast(top, hue), rounded(float(rng.uniform(0.2, 0.7)))),
        hue=hue,
        finish=kind,
        roughness=rounded(float(rng.uniform(*ROUGHNESS[kind]))),
        foil_place=place,
        pattern=pattern,
        window=window,
        rosettes=bool(rng.random() < 0.7),
        seed=int(rng.integers(1 << 31)),
    )


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from its hue (any number, whole turns), saturation and value from 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def light(colour: Colour) -> float:
    """How light a colour is, from 0 to 255 (ITU-R BT.601)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _border(rng: np.random.Generator, *, back: bool) -> Colour:
    grey = int(rng.integers(120, 190))
    choices = [hsv(0.135, 0.8, 0.93), hsv(rng.random(), 0.65, 0.6), (24, 24, 27), (grey, grey, grey + 5)]
    choices += [hsv(0.62, 0.75, 0.5), hsv(0.0, 0.75, 0.6), (240, 238, 232), hsv(rng.random(), 0.25, 0.92)]
    shares = (0.02, 0.15, 0.2, 0.03, 0.3, 0.15, 0.1, 0.05) if back else (0.17, 0.16, 0.14, 0.13, 0.08, 0.07, 0.17, 0.08)
    return choices[int(rng.choice(len(choices), p=shares))]


def _shade(colour: Colour, share: float, shift: float) -> Colour:
    red, green, blue = (min(max(round(each * share + shift), 8), 250) for each in colour)
    return red, green, blue


def _contrast(border: Colour, hue: float) -> Colour:
    """A line that stands off the border: dark on light ones, light on dark ones."""
    return hsv(hue, 0.7, 0.24) if light(border) > 110 else hsv(hue, 0.25, 0.92)
