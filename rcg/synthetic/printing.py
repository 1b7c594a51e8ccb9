"""The print of a card's side: border, frame and picture, plates a little out of register, and the halftone screen."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels
from rcg.synthetic.art import draw_captions, draw_ornament, draw_panel, draw_picture, ring_of
from rcg.synthetic.design import Design, hsv
from rcg.synthetic.grid import Grid, Lattice, Plane
from rcg.synthetic.press import Press

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card

_BLEED = 4.0  # millimetres that the print of a card without a border runs over the edge
_SCREEN_MM = 0.17  # 150 lines an inch
_SCREEN_DEG = (15.0, 75.0, 0.0)  # cyan, magenta and yellow: red, green and blue absorbed
_FINEST = 14.0  # pixels a millimetre from which the screen's dots are drawn; below they are narrower than two pixels


def print_side(card: Card, grid: Grid) -> Pixels:
    """(h, w, 3) uint8 sRGB of the printed side without any defect."""
    design, rng = card.design, np.random.default_rng(card.design.seed)
    press = Press(grid, card.to_card)
    w, h = card.spec.width, card.spec.height
    if card.frame is None:
        whole = (-_BLEED, -_BLEED, w + _BLEED, h + _BLEED)
        if card.side == "back":
            draw_ornament(press, whole, design, rng)
        else:
            draw_picture(press, whole, design, rng)
            draw_captions(press, (0, 0, w, h), design, rng)
    else:
        press.gradient(*design.border)
        inside = press.layer(ring_of(card.frame))
        (draw_ornament if card.side == "back" else draw_panel)(inside, card.frame, design, rng)
        colour, width = design.line
        _frame_line(inside, card.frame, colour, width)
        press.paste(inside, ring_of(card.frame))
    pixels = press.pixels
    if design.foil_place != "none":
        _rainbow(pixels, grid, card)
    _shift_plate(pixels, grid, card.plate_shift_mm)
    _mottle(pixels, grid, card)
    if design.rosettes and 1 / grid.px_mm >= _FINEST:
        _screen(pixels, grid)
    return pixels


def foil_share(card: Card, grid: Grid) -> Plane:
    """(h, w) float32 from 0 to 1: where foil lies, before the ink over it is thought of."""
    place, press = card.design.foil_place, Press(grid, card.to_card)
    if place == "none":
        return np.zeros(grid.shape, np.float32)
    if place == "all" or card.frame is None:
        return np.ones(grid.shape, np.float32)
    if place == "frame":
        return press.share(ring_of(card.frame))
    return press.share(ring_of(_art_window(card.frame, card.design)))


def _art_window(frame: tuple[float, float, float, float], design: Design) -> tuple[float, float, float, float]:
    left, top, right, bottom = frame
    across, down = right - left, bottom - top
    a, b, c, d = design.window
    return left + a * across, top + b * down, left + c * across, top + d * down


def _frame_line(
    press: Press, frame: tuple[float, float, float, float], colour: tuple[int, int, int], width: float
) -> None:
    """Four bars along the inside of the frame's edge, a little over it: the paste cuts them at the edge."""
    left, top, right, bottom = frame
    over = 1.0
    bars = (
        (left - over, top - over, left + width, bottom + over),
        (right - width, top - over, right + over, bottom + over),
        (left - over, top - over, right + over, top + width),
        (left - over, bottom - width, right + over, bottom + over),
    )
    for bar in bars:
        press.polygon(ring_of(bar), colour)


def _shift_plate(pixels: Pixels, grid: Grid, shift_mm: tuple[float, float]) -> None:
    """Move the red channel, which the cyan plate prints, by parts of 1/64 of a pixel."""
    for axis, shift in ((1, shift_mm[0]), (0, shift_mm[1])):
        whole, share = divmod(round(shift / grid.px_mm * 64), 64)
        if not whole and not share:
            continue
        plane = pixels[..., 0]
        count = plane.shape[axis]
        near = np.take(plane, np.clip(np.arange(count) - whole, 0, count - 1), axis=axis).astype(np.uint16)
        far = np.take(plane, np.clip(np.arange(count) - whole - 1, 0, count - 1), axis=axis).astype(np.uint16)
        pixels[..., 0] = (near * np.uint16(64 - share) + far * np.uint16(share) + np.uint16(32)) >> 6


def _mottle(pixels: Pixels, grid: Grid, card: Card) -> None:
    """Ink never lies quite even: steps of a few grey values over half a millimetre."""
    rng = np.random.default_rng((card.seed, 1))
    field = Lattice.draw(rng, (card.spec.width + 1, card.spec.height + 1), 0.45).at(grid)
    field *= np.float32(8)
    change = field.astype(np.int16) - np.int16(4)
    wide = pixels.astype(np.int16)
    wide += change[..., None]
    np.clip(wide, 0, 255, out=wide)
    pixels[:] = wide


def _rainbow(pixels: Pixels, grid: Grid, card: Card) -> None:
    """The hues that foil throws back, in the pattern that is stamped into it."""
    design = card.design
    rng = np.random.default_rng((design.seed, 3))
    size = (card.spec.width + 1, card.spec.height + 1)
    flow = Lattice.draw(rng, size, 16.0).at(grid)
    slope = (grid.x * np.float32(0.018))[None, :] + (grid.y * np.float32(0.024))[:, None]
    flow *= np.float32(1.6)
    flow += slope
    stamped = foil_pattern(card, grid)
    hues = ((flow * np.float32(256)).astype(np.int32) + stamped) & 255
    strength = 0.3 if design.finish == "holo" else 0.12
    share = foil_share(card, grid)
    share *= np.float32(strength)
    share *= stamped.astype(np.float32) * np.float32(0.6 / 255) + np.float32(0.4)
    wide = np.take(_hues(), hues, axis=0)
    wide -= pixels
    wide *= share[..., None]
    wide += pixels
    pixels[:] = wide


def foil_pattern(card: Card, grid: Grid) -> NDArray[np.int32]:
    """(h, w) from 0 to 255: how deep the foil's pattern is stamped; 255 everywhere for plain foil."""
    design = card.design
    rng = np.random.default_rng((design.seed, 4))
    if design.pattern == "stripes":
        period = float(rng.uniform(1.5, 6))
        lean = float(rng.uniform(-1, 1))
        place = (grid.x * np.float32(1 / period))[None, :] + (grid.y * np.float32(lean / period))[:, None]
        wave = place - np.floor(place)
        return np.asarray((np.minimum(wave, 1 - wave) * np.float32(510)).astype(np.int32))
    if design.pattern == "plain":
        return np.full(grid.shape, 255, np.int32)
    canvas = Press(grid, lambda points: np.asarray(points, np.float64).reshape(-1, 2), (60, 60, 60))
    w, h = card.spec.width, card.spec.height
    for _ in range(220 if design.pattern == "dots" else 70):
        at = (float(rng.uniform(0, w)), float(rng.uniform(0, h)))
        radius = 0.35 if design.pattern == "dots" else float(rng.uniform(0.3, 3.2))
        tone = int(rng.integers(150, 256))
        canvas.disc(at, radius * (1.6 if tone > 240 else 1), (tone, tone, tone))
    return canvas.pixels[..., 0].astype(np.int32)


def _screen(pixels: Pixels, grid: Grid) -> None:
    """Turn each plate's tone into dots on its own turned screen, softened by the pixel's size."""
    soft = _sinc(grid.px_mm / _SCREEN_MM)
    for channel, degrees in enumerate(_SCREEN_DEG):
        angle = math.radians(degrees)
        c, s = (round(trig(angle) / _SCREEN_MM * 256 * 1024) / 1024 for trig in (math.cos, math.sin))
        first = _phase(grid.x * np.float32(c), grid.y * np.float32(s))
        second = _phase(grid.x * np.float32(-s), grid.y * np.float32(c))
        wave = np.take(_wave(), first)
        wave += np.take(_wave(), second)
        tone = pixels[..., channel].astype(np.int32)
        room = tone * (255 - tone) >> 7  # most dots show in the middle tones, none in full ink and bare paper
        change = (wave * room) * round(soft * 96) >> 20
        pixels[..., channel] = np.clip(tone + change, 0, 255)


def _phase(across: Plane, down: Plane) -> NDArray[np.int32]:
    return np.asarray((across[None, :] + down[:, None]).astype(np.int32) & 255)


def _sinc(periods: float) -> float:
    angle = math.pi * periods
    return math.sin(angle) / angle


@cache
def _wave() -> NDArray[np.int32]:
    return np.array([round(1024 * math.cos(2 * math.pi * k / 256)) for k in range(256)], np.int32)


@cache
def _hues() -> NDArray[np.float32]:
    return np.array([hsv(k / 256, 0.65, 1.0) for k in range(256)], np.float32)
