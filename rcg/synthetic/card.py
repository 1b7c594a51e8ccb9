"""One trading card seen straight on: stock, border, invented art, wear. Lengths are millimetres of the card."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.synthetic.defects import Defect, add_defects
from rcg.synthetic.texture import PX_PER_MM, noise

Colour = tuple[int, int, int]
_SYLLABLES = ["ka", "lo", "mi", "ren", "tar", "vu", "shi", "zo", "pel", "dra", "on", "gi", "fa", "ur", "nel", "bo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSpec:
    """The cut stock: width, height and corner radius in millimetres."""

    width: float = 63.0
    height: float = 88.0
    radius: float = 3.0

    def outline(self, *, steps: int = 5) -> NDArray[np.float64]:
        """The card's edge with its rounded corners.

        Args:
            steps: Points on each corner's arc.

        Returns:
            (4 * steps, 2) points in millimetres, clockwise from the left end of the top edge.
        """
        right, bottom, r = self.width - self.radius, self.height - self.radius, self.radius
        turns = np.linspace(0, np.pi / 2, steps)
        centres = np.array([(r, r), (right, r), (right, bottom), (r, bottom)])
        arcs = [
            centre + r * np.column_stack([np.cos(quarter * np.pi / 2 + turns), np.sin(quarter * np.pi / 2 + turns)])
            for quarter, centre in enumerate(centres, start=2)
        ]
        return np.concatenate(arcs)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedCard:
    """A card's front and what is known of it.

    Attributes:
        spec: The cut stock.
        front: (height * 8, width * 8, 3) uint8 RGB, 8 pixels a millimetre, read-only.
        mask: (height * 8, width * 8) uint8, 255 on the card and 0 beyond its rounded corners, read-only.
        borders: Left, right, top and bottom border in millimetres, at the middle of each side.
        rotation_deg: How far the print is turned against the cut, in degrees, clockwise.
        defects: The wear, outlined in millimetres from the card's left top corner.
    """

    spec: CardSpec
    front: Pixels
    mask: Pixels
    borders: tuple[float, float, float, float]
    rotation_deg: float
    defects: tuple[Defect, ...]


def render_card(rng: np.random.Generator) -> RenderedCard:
    """Draw a card of 63 x 88 mm with invented art and none to a handful of defects.

    Border totals, their offsets (sigma 0.3 mm) and the print's rotation (sigma 0.2 degrees) follow measured cards.
    """
    spec = CardSpec()
    side, top = (round(each * PX_PER_MM) / PX_PER_MM for each in (rng.uniform(2.3, 3.2), rng.uniform(2.4, 3.8)))
    shift_x, shift_y = np.clip(rng.normal(0, 0.3, 2), -0.9, 0.9)
    rotation = float(np.clip(rng.normal(0, 0.2), -0.6, 0.6))
    border = _border_colour(rng)
    flat = _print(rng, spec, border, side, top)
    height, width = flat.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -rotation, 1)
    turn[:, 2] += np.array([shift_x, shift_y]) * PX_PER_MM
    cut = np.asarray(cv2.warpAffine(flat, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(spec.outline(steps=9) * PX_PER_MM * 16 - 8).astype(np.int32)], 255, cv2.LINE_AA, 4)
    front, defects = add_defects(cut, mask, rng, pale_border=min(border) > 185)
    for array in (front, mask):
        array.setflags(write=False)
    borders = (side + shift_x, side - shift_x, top + shift_y, top - shift_y)
    return RenderedCard(
        spec=spec,
        front=front,
        mask=mask,
        borders=tuple(float(each) for each in borders),  # type: ignore[arg-type]
        rotation_deg=rotation,
        defects=defects,
    )


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _border_colour(rng: np.random.Generator) -> Colour:
    grey = int(rng.integers(120, 165))
    choices = [_colour(0.135, 0.8, 0.93), _colour(rng.random(), 0.65, 0.6), (24, 24, 27), (grey, grey, grey + 6)]
    choices += [_colour(0.62, 0.75, 0.5), _colour(0.0, 0.75, 0.6), (238, 236, 230)]
    return choices[rng.choice(len(choices), p=[0.24, 0.2, 0.16, 0.12, 0.1, 0.1, 0.08])]


def _print(rng: np.random.Generator, spec: CardSpec, border: Colour, side: float, top: float) -> Pixels:
    """The printed sheet before it is cut: border, frame, name bar, art window, text box."""
    height, width = round(spec.height * PX_PER_MM), round(spec.width * PX_PER_MM)
    hue = rng.random()
    sheet = np.full((height, width, 3), border, np.uint8)
    left, upper = round(side * PX_PER_MM), round(top * PX_PER_MM)
    right, lower = width - left, height - upper
    panel = _gradient(lower - upper, right - left, _colour(hue, 0.45, 0.75), _colour(hue + 0.06, 0.35, 0.9))
    sheet[upper:lower, left:right] = panel
    cv2.rectangle(sheet, (left, upper), (right - 1, lower - 1), _colour(hue, 0.7, 0.25), 2)
    full_art = rng.random() < 0.3
    split = lower - 90 if full_art else upper + round((lower - upper) * rng.uniform(0.52, 0.62))
    window = (left + 4, upper + 4, right - 4, split) if full_art else (left + 20, upper + 56, right - 20, split)
    x0, y0, x1, y1 = window
    sheet[y0:y1, x0:x1] = _scene(rng, y1 - y0, x1 - x0)
    cv2.rectangle(sheet, (x0, y0), (x1, y1), _colour(hue, 0.6, 0.2), 3)
    _name_bar(sheet, rng, hue, (left + 14, upper + 10, right - 14, upper + 48))
    _text_box(sheet, rng, hue, (left + 18, split + 14, right - 18, lower - 14))
    return sheet


def _gradient(height: int, width: int, first: Colour, last: Colour) -> Pixels:
    ramp = np.linspace(0, 1, height)[:, None, None]
    column = np.array(first) * (1 - ramp) + np.array(last) * ramp
    return np.repeat(column.astype(np.uint8), width, axis=1)


def _word(rng: np.random.Generator, syllables: int) -> str:
    return "".join(rng.choice(_SYLLABLES, syllables))


def _name_bar(sheet: Pixels, rng: np.random.Generator, hue: float, place: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = place
    cv2.rectangle(sheet, (x0, y0), (x1, y1), _colour(hue, 0.15, 0.95), -1)
    cv2.rectangle(sheet, (x0, y0), (x1, y1), _colour(hue, 0.6, 0.3), 2)
    name = _word(rng, 3).title()
    cv2.putText(sheet, name, (x0 + 10, y1 - 11), cv2.FONT_HERSHEY_DUPLEX, 0.85, (25, 22, 30), 2, cv2.LINE_AA)
    for each in range(int(rng.integers(1, 4))):
        cv2.circle(sheet, (x1 - 20 - each * 30, (y0 + y1) // 2), 12, _colour(hue + 0.4, 0.8, 0.8), -1, cv2.LINE_AA)


def _text_box(sheet: Pixels, rng: np.random.Generator, hue: float, place: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = place
    cv2.rectangle(sheet, (x0, y0), (x1, y1), _colour(hue + 0.1, 0.1, 0.94), -1)
    cv2.rectangle(sheet, (x0, y0), (x1, y1), _colour(hue, 0.5, 0.35), 2)
    for y in range(y0 + 24, y1 - 6, 24):
        text = " ".join(_word(rng, int(rng.integers(1, 4))) for _ in range(int(rng.integers(3, 7))))
        while cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.52, 1)[0][0] > x1 - x0 - 20:
            text = text[:-1]
        cv2.putText(sheet, text, (x0 + 10, y), cv2.FONT_HERSHEY_SIMPLEX, 0.52, (45, 40, 45), 1, cv2.LINE_AA)


def _scene(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Invented art: a sky or a burst of rays, hills, and a mirror-symmetric creature with eyes."""
    hue = rng.random()
    art = _gradient(height, width, _colour(hue, 0.7, 0.55), _colour(hue + 0.12, 0.35, 0.98))
    centre = np.array([width * rng.uniform(0.35, 0.65), height * rng.uniform(0.45, 0.6)])
    if rng.random() < 0.4:
        _rays(art, rng, centre, _colour(hue + 0.1, 0.25, 1.0))
    else:
        sun = (int(width * rng.uniform(0.1, 0.9)), int(height * rng.uniform(0.1, 0.35)))
        cv2.circle(art, sun, int(rng.integers(18, 55)), _colour(0.12, 0.35, 1.0), -1, cv2.LINE_AA)
        for layer in range(3):
            _hills(art, rng, 0.5 + 0.16 * layer, _colour(hue + 0.35 + 0.04 * layer, 0.6, 0.7 - 0.18 * layer))
    _creature(art, rng, centre, hue + rng.uniform(0.3, 0.7))
    shade = 0.8 + 0.4 * noise(rng, (height, width), 24)[..., None]
    return np.asarray(np.clip(art * shade, 0, 255).astype(np.uint8))


def _rays(art: Pixels, rng: np.random.Generator, centre: NDArray[np.float64], colour: Colour) -> None:
    count, start = int(rng.integers(9, 18)), rng.random()
    for each in range(count):
        angles = (np.array([each, each + 0.5]) + start) * 2 * np.pi / count
        tips = centre + 900 * np.column_stack([np.cos(angles), np.sin(angles)])
        cv2.fillPoly(art, [np.vstack([centre, tips]).astype(np.int32)], colour, cv2.LINE_AA)


def _hills(art: Pixels, rng: np.random.Generator, level: float, colour: Colour) -> None:
    height, width = art.shape[:2]
    x = np.linspace(0, width, 40)
    waves = sum(rng.uniform(4, 22) * np.sin(x / rng.uniform(18, 90) + rng.uniform(0, 6)) for _ in range(3))
    ridge = np.column_stack([x, height * level + waves])
    cv2.fillPoly(art, [np.vstack([ridge, [(width, height), (0, height)]]).astype(np.int32)], colour, cv2.LINE_AA)


def _creature(art: Pixels, rng: np.random.Generator, centre: NDArray[np.float64], hue: float) -> None:
    reach = min(art.shape[:2]) * rng.uniform(0.28, 0.42)
    for part in range(3):
        angles = np.linspace(-np.pi / 2, np.pi / 2, 9)
        radii = reach * (1 - 0.28 * part) * rng.uniform(0.5, 1.1, 9)
        half = np.column_stack([np.cos(angles) * radii, np.sin(angles) * radii])
        body = np.vstack([half, half[::-1] * (-1, 1)]) + centre
        cv2.fillPoly(art, [body.astype(np.int32)], _colour(hue + 0.05 * part, 0.75, 0.45 + 0.22 * part), cv2.LINE_AA)
    for side in (-1, 1):
        eye = (int(centre[0] + side * reach * 0.16), int(centre[1] - reach * 0.12))
        cv2.circle(art, eye, int(reach * 0.09) + 2, (250, 250, 245), -1, cv2.LINE_AA)
        cv2.circle(art, eye, int(reach * 0.045) + 1, (20, 16, 24), -1, cv2.LINE_AA)
