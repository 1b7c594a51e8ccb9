"""Invented pictures: creatures, landscapes, patterns, portraits, and the ornaments of backs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rcg.synthetic.design import Colour, Design, hsv
from rcg.synthetic.grid import Lattice
from rcg.synthetic.press import Press, text_width
from rcg.types import Point

Rng = np.random.Generator
Frame = tuple[float, float, float, float]  # left, top, right, bottom in millimetres of the print

_SYLLABLES = ("ka", "lo", "mi", "ren", "tar", "vu", "shi", "zo", "pel", "dra", "on", "gi", "fa", "ur", "nel", "bo")


def ring_of(frame: Frame) -> list[Point]:
    """A frame's corners, clockwise from the left top one."""
    left, top, right, bottom = frame
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def draw_picture(press: Press, frame: Frame, design: Design, rng: Rng) -> None:
    """Fill a frame with the design's kind of picture."""
    art = press.layer(ring_of(frame))
    hue = float(rng.random())
    art.gradient(hsv(hue, 0.7, 0.55), hsv(hue + 0.12, 0.35, 0.98))
    {"creature": _creature_scene, "landscape": _landscape, "abstract": _abstract, "portrait": _portrait}[design.layout](
        art, frame, hue, rng
    )
    left, top, right, bottom = frame
    size = (right - left + 4, bottom - top + 4)
    art.shade(Lattice.draw(rng, size, 3.5, origin=(left - 2, top - 2)), 0.72, 1.28)
    press.paste(art, ring_of(frame))


def draw_panel(press: Press, frame: Frame, design: Design, rng: Rng) -> None:
    """All that lies within the inner frame of a front: panel, name bar, picture, text box."""
    hue = design.hue
    left, top, right, bottom = frame
    press.gradient(hsv(hue, 0.45, 0.72), hsv(hue + 0.06, 0.35, 0.9))
    across, down = right - left, bottom - top
    a, b, c, d = design.window
    window = (left + a * across, top + b * down, left + c * across, top + d * down)
    draw_picture(press, window, design, rng)
    press.line(ring_of(window), hsv(hue, 0.6, 0.2), 0.35, closed=True)
    bar = (left + 0.03 * across, top + 0.02 * down, right - 0.03 * across, top + 0.095 * down)
    if rng.random() < 0.85:
        _name_bar(press, bar, hue, rng)
    box = (left + 0.05 * across, window[3] + 0.025 * down, right - 0.05 * across, bottom - 0.025 * down)
    if box[3] - box[1] > 4:
        _text_box(press, box, hue, rng)


def draw_ornament(press: Press, frame: Frame, design: Design, rng: Rng) -> None:
    """The back within its frame: the same in both halves, up and down, left and right."""
    hue = design.hue
    left, top, right, bottom = frame
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    half = np.array([right - left, bottom - top]) / 2
    press.gradient(hsv(hue, 0.6, 0.45), hsv(hue, 0.6, 0.45))
    press.shade(Lattice.draw(rng, (2 * half[0] + 8, 2 * half[1] + 8), 2.2, origin=(left - 4, top - 4)), 0.75, 1.25)
    for ring in range(int(rng.integers(2, 5))):
        count, reach = int(rng.integers(1, 5)) * 4, float(rng.uniform(0.8, 0.98)) * (1 - 0.16 * ring)
        tip, dip, low = (float(each) for each in rng.uniform((0.9, 0.7, 0.5), (1.0, 0.95, 0.9)))
        radii = (tip, dip, low, dip)  # the same up and down, left and right
        shape = np.array([_spoke(k, count, radii[k % 4]) for k in range(4 * count)])
        press.polygon(middle + shape * half * reach * 1.03, hsv(hue + 0.5, 0.4, 0.85))
        press.polygon(middle + shape * half * reach, hsv(hue + 0.08 * ring, 0.55, 0.3 + 0.14 * ring))
    oval = np.array([_spoke(k, 12, 1.0) for k in range(48)]) * half * (0.62, 0.34)
    press.polygon(middle + oval * 1.08, hsv(hue + 0.5, 0.5, 0.9))
    press.polygon(middle + oval, hsv(hue + 0.55, 0.7, 0.4))
    words = _word(rng, 3).upper()
    high = min(6.0, 0.8 * half[0] / max(text_width(words, 1.0, bold=True), 1))
    at = (float(middle[0]) - text_width(words, high, bold=True) / 2, float(middle[1]) + high / 2)
    press.text(words, at, high, hsv(0.13, 0.25, 1.0), bold=True)
    for x in (-1, 1):
        for y in (-1, 1):
            corner = middle + half * (0.86 * x, 0.9 * y)
            press.disc((float(corner[0]), float(corner[1])), 1.8, hsv(hue + 0.5, 0.5, 0.85))
            press.disc((float(corner[0]), float(corner[1])), 1.1, hsv(hue, 0.7, 0.3))


def draw_captions(press: Press, frame: Frame, design: Design, rng: Rng) -> None:
    """Name and text straight on the picture, as cards without a border have them."""
    left, top, right, bottom = frame
    name = _word(rng, 3).title()
    for shift, colour in ((0.22, (20, 18, 26)), (0.0, (252, 250, 240))):
        press.text(name, (left + 4.5 + shift, top + 8 + shift), 3.2, colour, bold=True)
    _text_box(press, (left + 5, bottom - 0.2 * (bottom - top), right - 5, bottom - 5), design.hue, rng)


def _spoke(k: int, count: int, radius: float) -> tuple[float, float]:
    angle = 2 * math.pi * k / (4 * count)
    return math.cos(angle) * radius, math.sin(angle) * radius


def _word(rng: Rng, syllables: int) -> str:
    return "".join(_SYLLABLES[int(each)] for each in rng.integers(0, len(_SYLLABLES), syllables))


def _name_bar(press: Press, bar: Frame, hue: float, rng: Rng) -> None:
    left, top, right, bottom = bar
    press.polygon(ring_of(bar), hsv(hue, 0.15, 0.95))
    press.line(ring_of(bar), hsv(hue, 0.6, 0.3), 0.25, closed=True)
    high = (bottom - top) * 0.5
    press.text(_word(rng, 3).title(), (left + 1.2, bottom - (bottom - top) * 0.25), high, (25, 22, 30), bold=True)
    for each in range(int(rng.integers(1, 4))):
        place = (right - 2.6 - each * high * 1.5, (top + bottom) / 2)
        press.disc(place, high * 0.62, hsv(hue + 0.4, 0.5, 0.35))
        press.disc(place, high * 0.5, hsv(hue + 0.4 + 0.1 * each, 0.8, 0.85))


def _text_box(press: Press, box: Frame, hue: float, rng: Rng) -> None:
    left, top, right, bottom = box
    press.polygon(ring_of(box), hsv(hue + 0.1, 0.1, 0.94))
    press.line(ring_of(box), hsv(hue, 0.5, 0.35), 0.25, closed=True)
    high, y = 1.25, top + 2.6
    while y < bottom - 0.8:
        text = " ".join(_word(rng, int(rng.integers(1, 4))) for _ in range(int(rng.integers(4, 9))))
        while text and text_width(text, high) > right - left - 2.5:
            text = text[:-1]
        press.text(text, (left + 1.2, y), high, (45, 40, 45))
        y += 2.35


def _creature_scene(art: Press, frame: Frame, hue: float, rng: Rng) -> None:
    left, top, right, bottom = frame
    middle = np.array([left + (right - left) * rng.uniform(0.38, 0.62), top + (bottom - top) * rng.uniform(0.48, 0.6)])
    if rng.random() < 0.5:
        _rays(art, middle, hsv(hue + 0.1, 0.25, 1.0), rng)
    else:
        _landscape(art, frame, hue, rng)
    reach = min(right - left, bottom - top) * float(rng.uniform(0.3, 0.45))
    _creature(art, middle, reach, hue + float(rng.uniform(0.3, 0.7)), rng)


def _rays(art: Press, middle: NDArray[np.float64], colour: Colour, rng: Rng) -> None:
    count, start = int(rng.integers(9, 18)), float(rng.random())
    for each in range(count):
        tips = [(each + start + half) * 2 * math.pi / count for half in (0, 0.5)]
        art.polygon([middle, *(middle + 130 * np.array([math.cos(a), math.sin(a)]) for a in tips)], colour)


def _landscape(art: Press, frame: Frame, hue: float, rng: Rng) -> None:
    left, top, right, bottom = frame
    across, down = right - left, bottom - top
    sun = (left + across * float(rng.uniform(0.15, 0.85)), top + down * float(rng.uniform(0.12, 0.35)))
    for glow in range(4):
        art.disc(sun, across * (0.16 - 0.025 * glow), hsv(0.12, 0.5 - 0.12 * glow, 0.85 + 0.05 * glow))
    layers = int(rng.integers(3, 6))
    for layer in range(layers):
        level = 0.42 + 0.5 * layer / layers
        waves = [
            (float(rng.uniform(0.01, 0.06)), float(rng.uniform(4, 22)), float(rng.uniform(0, 6))) for _ in range(4)
        ]
        ridge = [
            (x, top + down * (level + sum(high * math.sin(x / long + phase) for high, long, phase in waves)))
            for x in (left - 1 + (across + 2) * k / 60 for k in range(61))
        ]
        ring = [*ridge, (right + 1, bottom + 2), (left - 1, bottom + 2)]
        art.polygon(ring, hsv(hue + 0.35 + 0.04 * layer, 0.4 + 0.08 * layer, 0.8 - 0.5 * layer / layers))


def _abstract(art: Press, frame: Frame, hue: float, rng: Rng) -> None:
    left, top, right, bottom = frame
    for _ in range(int(rng.integers(12, 26))):
        middle = np.array([rng.uniform(left, right), rng.uniform(top, bottom)])
        size, sides, turn = float(rng.uniform(2, 14)), int(rng.integers(3, 7)), float(rng.uniform(0, 6))
        colour = hsv(hue + float(rng.uniform(-0.2, 0.35)), float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.3, 1)))
        angles = [turn + 2 * math.pi * k / sides for k in range(sides)]
        ring = [middle + size * np.array([math.cos(a), math.sin(a)]) for a in angles]
        if rng.random() < 0.6:
            art.polygon(ring, colour)
        else:
            art.line(ring, colour, float(rng.uniform(0.3, 1.5)), closed=True)


def _portrait(art: Press, frame: Frame, hue: float, rng: Rng) -> None:
    """A figure with a cap before a stand of lights."""
    left, top, right, bottom = frame
    across, down = right - left, bottom - top
    for _ in range(60):
        spot = (left + across * float(rng.random()), top + 0.5 * down * float(rng.random()))
        art.disc(spot, float(rng.uniform(0.2, 0.9)), hsv(hue + float(rng.uniform(-0.1, 0.2)), 0.3, 1.0))
    x, head = left + across * float(rng.uniform(0.42, 0.58)), min(across * 0.17, down * 0.15)
    y, skin = top + down * 0.42, hsv(0.07, float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.45, 0.95)))
    shirt, cap = hsv(hue + 0.5, 0.8, 0.6), hsv(hue + 0.55, 0.85, 0.35)
    coat = [(-1, 1.2), (1, 1.2), (2.4, 2.0), (3.0, 6), (-3.0, 6), (-2.4, 2.0)]
    art.polygon([(x + head * a, y + head * b) for a, b in coat], shirt)
    art.polygon([(x + head * a, y + head * b) for a, b in ((-0.5, 0.5), (0.5, 0.5), (0.6, 1.5), (-0.6, 1.5))], skin)
    turns = [2 * math.pi * k / 40 for k in range(40)]
    art.polygon([(x + head * 0.86 * math.cos(a), y + head * 1.08 * math.sin(a)) for a in turns], skin)
    dome = [(x + head * 0.92 * math.cos(a), y - 0.35 * head + head * 0.85 * math.sin(a)) for a in turns[20:]]
    art.polygon([*dome, (x + head * 1.5, y - 0.35 * head), (x + head * 0.9, y - 0.15 * head)], cap)
    for side in (-0.35, 0.35):
        art.disc((x + head * side, y + 0.05 * head), head * 0.1, (24, 20, 24))
    smile = [(x + head * 0.35 * t / 4, y + head * (0.55 + 0.1 * (1 - t * t / 16))) for t in range(-4, 5)]
    art.line(smile, (110, 40, 40), head * 0.07)


def _creature(art: Press, middle: NDArray[np.float64], reach: float, hue: float, rng: Rng) -> None:
    """A body of three shapes, the same left and right, rounded between few knots, with horns, eyes and a mouth."""
    for side in (-1, 1):
        horn = np.array([(0.15, -0.4), (0.75, -1.25), (0.5, -0.35)]) * (side * reach, reach)
        art.polygon(middle + horn * float(rng.uniform(0.8, 1.2)), hsv(hue + 0.1, 0.5, 0.35))
    for part in range(3):
        radii = rng.uniform(0.55, 1.1, 8)
        half = [(math.cos(a), math.sin(a)) for a in (-math.pi / 2 + math.pi * k / 7 for k in range(8))]
        right = np.array(half) * radii[:, None] * reach * (1 - 0.3 * part)
        body = np.vstack([right, (right * (-1, 1))[::-1][1:-1]])
        for _ in range(3):  # Chaikin's corner cutting
            ahead = np.roll(body, -1, axis=0)
            body = np.stack([0.75 * body + 0.25 * ahead, 0.25 * body + 0.75 * ahead], axis=1).reshape(-1, 2)
        art.polygon(middle + body * 1.04, hsv(hue, 0.8, 0.2))
        art.polygon(middle + body, hsv(hue + 0.05 * part, 0.75, 0.45 + 0.22 * part))
    for side in (-1, 1):
        eye = (float(middle[0]) + side * reach * 0.2, float(middle[1]) - reach * 0.14)
        art.disc(eye, reach * 0.13, (250, 250, 245))
        art.disc(eye, reach * 0.07, (20, 16, 24))
    mouth = [
        (float(middle[0]) + reach * 0.3 * t / 4, float(middle[1]) + reach * (0.3 - 0.008 * t * t)) for t in range(-4, 5)
    ]
    art.line(mouth, hsv(hue, 0.8, 0.15), reach * 0.04)
