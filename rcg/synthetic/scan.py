"""A card on a flatbed scanner: nearly straight, a lid behind it, its colours, dust and stripes; with the truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.images import Pixels
from rcg.synthetic.camera import Camera, Light, expose, linear
from rcg.synthetic.flat import FlatCard, flat_card, rect_around, seen_by, truth_of
from rcg.synthetic.lens import Projection
from rcg.synthetic.rim import cut_face
from rcg.synthetic.views import CardView

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card

LIDS = ("white", "black", "grey")
_LID_LIGHT = {"white": (0.83, 0.84, 0.85), "black": (0.008, 0.008, 0.009), "grey": (0.3, 0.3, 0.31)}
_MM_PER_INCH = 25.4


def render_scan(
    card: Card,
    rng: np.random.Generator,
    *,
    dpi: float = 300,
    margin_mm: float | None = None,
    lid: str | None = None,
    clean: bool = False,
) -> CardView:
    """Scan a card.

    Args:
        card: The card.
        rng: Where all that is not given comes from.
        dpi: Pixels an inch.
        margin_mm: How far the scan reaches beyond the card; 0.5 to 8 unless given. Below zero cuts into the card.
        lid: What lies behind the card: one of `LIDS`.
        clean: Whether dust, noise and stripes are left out.

    Raises:
        ConfigError: If the lid is unknown or the resolution is not from 50 to 2400.
    """
    if not 50 <= dpi <= 2400:
        raise ConfigError(f"a scan of {dpi:g} pixels an inch is not possible", fix="give 50 to 2400")
    drawn = LIDS[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
    margin = float(rng.uniform(0.5, 8))
    if lid is not None and lid not in LIDS:
        raise ConfigError(f"there is no lid {lid!r}", fix=f"write one of {', '.join(LIDS)}")
    flat = cut_face(flat_card(card, dpi / _MM_PER_INCH), card, rng)
    return scan(flat, rng, dpi=dpi, margin_mm=margin if margin_mm is None else margin_mm, lid=lid or drawn, clean=clean)


def scan(
    card: FlatCard, rng: np.random.Generator, *, dpi: float, margin_mm: float, lid: str, clean: bool = False
) -> CardView:
    """Scan a card that was drawn already; arguments as in `render_scan`."""
    projection, size = _placed(card, rng, dpi / _MM_PER_INCH, margin_mm)
    light = _glass(rng, size, lid)
    _shade(light, card, projection, rng, lid)
    rect = rect_around(projection.points(card.outline), size)
    colours, cover = seen_by(card, projection, rect)
    x, y, width, height = rect
    part = light[y : y + height, x : x + width]
    part += (cover[..., None].astype(np.float32) * np.float32(1 / 255)) * (linear(colours) - part)
    if not clean:
        _dust(light, rng, dpi)
        light *= _stripes(rng, size[0])
    truth = truth_of(card, projection, size, kind="scan", nuisances=(f"{lid} lid",))
    pixels = expose(light, _camera(rng, clean=clean), rng)
    return CardView(pixels=pixels, truth=truth, quality=int(rng.integers(85, 96)))


def _placed(
    card: FlatCard, rng: np.random.Generator, scale: float, margin_mm: float
) -> tuple[Projection, tuple[int, int]]:
    """Where the card lies on the glass: a little askew, and the carriage runs a little fast or slow."""
    spread = 3.0 if rng.random() < 0.1 else 0.6
    turn = math.radians(min(8.0, max(-8.0, float(rng.normal(0, spread)))))
    stretch = 1 + min(0.004, max(-0.004, float(rng.normal(0, 0.001))))
    c, s = math.cos(turn), math.sin(turn)
    corners = card.corners
    turned = [((c * x - s * y) * scale, (s * x + c * y) * scale * stretch) for x, y in corners.tolist()]
    low = [min(each[axis] for each in turned) for axis in (0, 1)]
    high = [max(each[axis] for each in turned) for axis in (0, 1)]
    gap = margin_mm * scale
    more = rng.uniform(0, 1, 2)  # where on the pixels' grid the card begins
    size = tuple(max(8, math.ceil(high[axis] - low[axis] + 2 * gap + 1)) for axis in (0, 1))
    quad = [(x - low[0] + gap + more[0], y - low[1] + gap + more[1]) for x, y in turned]
    return Projection.of_quad(corners, quad), (size[0], size[1])


def _glass(rng: np.random.Generator, size: tuple[int, int], lid: str) -> Light:
    """The lid, with a slow change of its brightness."""
    width, height = size
    base = np.array(_LID_LIGHT[lid]) * float(rng.uniform(0.85, 1.08))
    slope = np.linspace(1, 1 + float(rng.uniform(-0.06, 0.06)), height, dtype=np.float32)[:, None]
    light = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        light[..., channel] = slope * np.float32(base[channel])
    return light


def _shade(light: Light, card: FlatCard, projection: Projection, rng: np.random.Generator, lid: str) -> None:
    """The dark seam beside the card: the lamp shines along one direction, and the lid stands off."""
    scale = float(projection.px_per_mm((card.width_mm / 2, card.height_mm / 2))[0])
    ring = projection.points(card.outline) + np.array([0.0, float(rng.uniform(0.1, 0.35)) * scale])
    mask = np.zeros(light.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint((ring - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    dark = cv2.GaussianBlur(mask, (0, 0), max(0.5, float(rng.uniform(0.06, 0.2)) * scale))
    share = np.float32(rng.uniform(0.3, 0.7) * (0.4 if lid == "black" else 1.0) / 255)
    light *= np.float32(1) - dark[..., None].astype(np.float32) * share


def _dust(light: Light, rng: np.random.Generator, dpi: float) -> None:
    """Specks and fibres on the glass, pale or dark, over card and lid alike."""
    height, width = light.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    area = width * height / (dpi * dpi)
    for _ in range(min(60, int(rng.poisson(1.2 * area)))):
        x, y = (int(each) for each in rng.uniform((0, 0), (width, height)))
        if rng.random() < 0.25:
            _fibre(mask, rng, (x, y), dpi)
        else:
            cv2.circle(mask, (x * 16, y * 16), int(rng.uniform(0.02, 0.06) / 25.4 * dpi * 16), 255, -1, cv2.LINE_AA, 4)
    tone = np.float32(0.85 if rng.random() < 0.6 else 0.1)
    share = cv2.GaussianBlur(mask, (0, 0), 0.5)[..., None].astype(np.float32) * np.float32(rng.uniform(0.3, 0.8) / 255)
    light += share * (tone - light)


def _fibre(mask: Pixels, rng: np.random.Generator, start: tuple[int, int], dpi: float) -> None:
    steps = int(rng.integers(6, 18))
    turn, at = float(rng.uniform(0, 2 * math.pi)), np.array(start, np.float64)
    path = [at]
    for _ in range(steps):
        turn += float(rng.uniform(-0.5, 0.5))
        at = at + dpi / 25.4 * 0.12 * np.array([math.cos(turn), math.sin(turn)])
        path.append(at)
    cv2.polylines(mask, [np.rint(np.array(path) * 16).astype(np.int32)], False, 200, 1, cv2.LINE_AA, 4)


def _stripes(rng: np.random.Generator, width: int) -> NDArray[np.float32]:
    """Each cell of the sensor's line has its own gain, which shows as faint stripes along the way of the carriage."""
    strength = float(rng.uniform(0.0005, 0.004))
    coins = np.bitwise_count(rng.integers(0, 2**64, (1, width, 3), np.uint64)).astype(np.float32)
    return np.asarray(1 + (coins - 32) * np.float32(strength / 4), np.float32)


def _camera(rng: np.random.Generator, *, clean: bool) -> Camera:
    """The scanner's optics, colours and noise."""
    gain = float(rng.uniform(0.88, 1.05))
    tint = [gain * (1 + float(rng.normal(0, 0.012))) for _ in range(3)]
    blur, contrast = float(rng.uniform(0.35, 0.7)), round(float(rng.uniform(0, 0.35)), 2)
    noise = float(rng.uniform(0.000005, 0.00006)), float(rng.uniform(0.0003, 0.0015))
    shot, read = (0.0, 0.0) if clean else noise
    sharp = float(rng.uniform(0, 0.5))
    return Camera(
        gains=(tint[0], tint[1], tint[2]), blur=blur, shot=shot, read=read, contrast=contrast, sharpening=sharp
    )
