"""A card photographed with a phone: perspective, lens, table, what lies over it, light, blur, noise; with the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.synthetic import nuisances as spoil
from rcg.synthetic.camera import Camera, bell, expose, linear, smooth_field
from rcg.synthetic.flat import FlatCard, flat_card, rect_around, seen_by, truth_of
from rcg.synthetic.lens import Projection, product
from rcg.synthetic.nuisances import NUISANCES, SLAB_MM, Scene
from rcg.synthetic.rim import cut_face
from rcg.synthetic.tables import render_table
from rcg.synthetic.views import CardView

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card

Floats = NDArray[np.float64]

_CHANCES = {"sleeve": 0.16, "slab": 0.08, "finger": 0.12, "shadow": 0.3, "window": 0.25}
_SEE_MORE = 1.1  # the card is drawn so much finer than the photo shows it


def render_photo(
    card: Card | None,
    rng: np.random.Generator,
    *,
    size: tuple[int, int] = (1200, 1600),
    nuisance: str | None = None,
) -> CardView:
    """Photograph a card, or an empty table.

    Args:
        card: The card; None for a table without one.
        rng: Where all else comes from.
        size: Width and height of the photo in pixels.
        nuisance: One of `NUISANCES` to have just that one, "none" to have none; None draws them.

    Returns:
        The photo, and its truth.

    Raises:
        ConfigError: If there is no such nuisance, or the photo is smaller than 64 pixels.
    """
    chosen = _chosen(rng, nuisance)
    if min(size) < 64:
        raise ConfigError(f"a photo of {size[0]} x {size[1]} pixels is too small", fix="give at least 64 x 64")
    if card is None:
        light = linear(render_table(rng, *size))
        return CardView(pixels=_taken(light, rng), truth=None, quality=int(rng.integers(78, 95)))
    projection = pose(card.spec.width, card.spec.height, rng, size, slab="slab" in chosen)
    middle = (card.spec.width / 2, card.spec.height / 2)
    scale = float(projection.px_per_mm(middle)[0]) * _SEE_MORE
    flat = cut_face(flat_card(card, max(4.0, math.ceil(2 * scale) / 2)), card, rng)
    return photograph(flat, projection, rng, size=size, nuisances=chosen)


def photograph(
    card: FlatCard,
    projection: Projection,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    nuisances: tuple[str, ...] = (),
) -> CardView:
    """Photograph a card that is seen in a given way.

    Args:
        card: The card, seen straight on.
        projection: Where it lies in the photo.
        rng: Where table, light and noise come from.
        size: Width and height of the photo in pixels.
        nuisances: Some of `NUISANCES`.
    """
    light = linear(render_table(rng, *size))
    scene = Scene(
        light=light,
        card=card,
        projection=projection,
        px_per_mm=float(projection.px_per_mm((card.width_mm / 2, card.height_mm / 2))[0]),
        over=np.zeros(light.shape[:2], np.uint8),
    )
    if "slab" in nuisances:
        spoil.slab_below(scene, rng)
    spoil.drop_shadow(scene, rng)
    body = _lay_down(scene, rng)
    for name, put in _ABOVE.items():
        if name in nuisances:
            put(scene, rng)
    if "window" in nuisances:
        spoil.window(scene, rng, np.asarray(body), card.shine)
    pixels = _taken(light, rng)
    hidden = scene.over if "finger" in nuisances else None
    truth = truth_of(card, projection, size, kind="photo", over=hidden, nuisances=nuisances)
    return CardView(pixels=pixels, truth=truth, quality=int(rng.integers(78, 95)))


_ABOVE: dict[str, Callable[[Scene, np.random.Generator], None]] = {
    "sleeve": spoil.sleeve,
    "slab": spoil.slab_above,
    "shadow": spoil.shadow,
    "finger": spoil.finger,
}


def _chosen(rng: np.random.Generator, nuisance: str | None) -> tuple[str, ...]:
    """The nuisances of a photo; as many random numbers are drawn whatever is forced."""
    drawn = tuple(name for name, chance in _CHANCES.items() if rng.random() < chance)
    if nuisance is None:
        return tuple(name for name in drawn if name != "sleeve" or "slab" not in drawn)
    if nuisance == "none":
        return ()
    if nuisance not in NUISANCES:
        raise ConfigError(f"there is no nuisance {nuisance!r}", fix=f"write one of {', '.join(NUISANCES)}, or none")
    return (nuisance,)


def pose(
    width_mm: float, height_mm: float, rng: np.random.Generator, size: tuple[int, int], *, slab: bool = False
) -> Projection:
    """How a phone sees a card: tilted, turned, wholly in the photo, through a lens that bends a little.

    Args:
        width_mm: Of the card.
        height_mm: Of the card.
        rng: Where the randomness comes from.
        size: Width and height of the photo.
        slab: Whether a slab around the card has to be in the photo too.
    """
    left, top, right, bottom = SLAB_MM if slab else (0.0, 0.0, 0.0, 0.0)
    corners = [
        (-left, -top),
        (width_mm + right, -top),
        (width_mm + right, height_mm + bottom),
        (-left, height_mm + bottom),
    ]
    pitch, yaw = (math.radians(min(26, max(-26, float(rng.normal(0, 11))))) for _ in range(2))
    turn = float(rng.normal(0, 12)) + (90 if rng.random() < 0.12 else 0) + (180 if rng.random() < 0.1 else 0)
    rotation = product(product(_about_x(pitch), _about_y(yaw)), _about_z(math.radians(turn)))
    seen = _through_pinhole(corners, rotation, float(rng.uniform(220, 420)) * (1.5 if slab else 1.0))
    low, extent = seen.min(axis=0), np.ptp(seen, axis=0)
    bend = (float(rng.normal(0, 0.02)), float(rng.normal(0, 0.008)))
    share, place = rng.uniform(0.55, 0.95), np.clip(rng.normal(0.5, 0.25, 2), 0.03, 0.97)
    for turn in range(13):  # a pincushion may push corners out of the photo
        scale = share * float(np.min(np.array(size) / extent))
        quad = (seen - low) * scale + (np.array(size) - scale * extent) * place
        found = Projection.of_quad(corners, quad, size=size, bend=bend if turn < 12 else (0.0, 0.0))
        edge = found.points(corners)
        if (edge > 1).all() and (edge < np.array(size) - 1).all():
            break
        share *= 0.97
    return found


def _through_pinhole(corners: list[tuple[float, float]], rotation: Floats, away: float) -> Floats:
    """Where corners of a flat thing, in millimetres around its middle, are seen by a camera so far away."""
    r = rotation.tolist()
    middle = [sum(each[axis] for each in corners) / 4 for axis in (0, 1)]
    seen = []
    for x, y in ((x - middle[0], y - middle[1]) for x, y in corners):
        u, v, w = (r[row][0] * x + r[row][1] * y for row in range(3))
        seen.append((u / (w + away), v / (w + away)))
    return np.array(seen)


def _about_x(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _lay_down(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The card on its table, with a soft band of gloss; where it lies, (h, w) uint8."""
    rect = rect_around(scene.ring(scene.card.outline), scene.size)
    colours, cover = seen_by(scene.card, scene.projection, rect)
    x, y, width, height = rect
    shiny = linear(colours)
    gloss = _gloss(rng, width, height, scene.card.shine)[..., None]
    shiny += gloss * (np.float32(1) - shiny)
    part = scene.light[y : y + height, x : x + width]
    part += (cover[..., None].astype(np.float32) * np.float32(1 / 255)) * (shiny - part)
    body = np.zeros(scene.light.shape[:2], np.uint8)
    body[y : y + height, x : x + width] = cover
    return body


def _gloss(rng: np.random.Generator, width: int, height: int, shine: float) -> NDArray[np.float32]:
    """A soft band where the room is mirrored: the share of white at each pixel."""
    angle, where, spread = rng.uniform(0, math.pi), rng.uniform(-1, 1), rng.uniform(0.3, 1.0)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * np.float32(math.cos(angle) / spread)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(math.sin(angle) / spread)
    share = np.float32(rng.uniform(0, 0.14) * (0.4 + 0.6 * shine))
    return np.asarray(bell(x + y - np.float32(where / spread)) * share, np.float32)


def _taken(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uneven light, vignetting, and the phone's camera."""
    height, width = light.shape[:2]
    corners = rng.uniform(0.62, 1.12, (2, 2))
    x, y = np.linspace(-1, 1, 17)[None, :], np.linspace(-1, 1, 17)[:, None]
    uneven = ((1 - x) * (1 - y) * corners[0, 0] + (1 + x) * (1 - y) * corners[0, 1]
              + (1 - x) * (1 + y) * corners[1, 0] + (1 + x) * (1 + y) * corners[1, 1]) / 4  # fmt: skip
    vignette = 1 - rng.uniform(0, 0.12) * (x * x + y * y)
    light *= smooth_field(uneven * vignette, (width, height))[..., None]
    warm = float(rng.normal(0, 0.05))  # lamps of another colour than the white balance thinks
    exposure = float(rng.uniform(0.75, 1.4))
    gains = (exposure * (1 + warm), exposure * (1 + float(rng.normal(0, 0.012))), exposure * (1 - warm))
    unit = max(width, height) / 640
    shaken = rng.random() < 0.12
    way = rng.uniform(-2.2, 2.2, 2) * math.sqrt(unit) * shaken
    soft = float(rng.uniform(0.4, 0.85)) * math.sqrt(unit)
    out_of_focus = rng.random() < 0.1
    camera = Camera(
        gains=gains,
        blur=soft * (float(rng.uniform(1.5, 2.6)) if out_of_focus else 1.0),
        motion=(float(way[0]), float(way[1])),
        shot=float(rng.uniform(0.00002, 0.0006)),
        read=float(rng.uniform(0.0005, 0.004)),
        contrast=round(float(rng.uniform(0, 0.5)), 2),
        sharpening=float(rng.uniform(0, 0.7)),
    )
    return expose(light, camera, rng)
