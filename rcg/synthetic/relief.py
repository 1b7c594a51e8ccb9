"""The surface of a card: bow, orange peel, paper fibres and defects in micrometres, its gloss and its foil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rcg.images import Pixels
from rcg.synthetic.grid import Grid, Lattice, Plane
from rcg.synthetic.printing import foil_pattern, foil_share
from rcg.synthetic.surface import Surface
from rcg.synthetic.wear import mark_surface

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card

_PEEL_UM = {"matte": 0.5, "satin": 0.8, "gloss": 1.0, "foil": 0.9, "holo": 0.9}
_FIBRE_UM = {"matte": 0.45, "satin": 0.25, "gloss": 0.1, "foil": 0.08, "holo": 0.08}
_BOW_UM = 250.0  # from the middle to the ends of 88 mm; of an even bend, so it goes with the square of the length
_STAMP_UM = 0.4  # how deep a holographic pattern is pressed


def surface_of(card: Card, grid: Grid, colour: Pixels, coverage: Pixels) -> Surface:
    """The materials of a card's side.

    Args:
        card: The card.
        grid: The pixels.
        colour: (h, w, 3) uint8, what `card.colour` draws on this grid.
        coverage: (h, w) uint8, likewise.
    """
    height = _stock(card, grid)
    roughness = _coating(card, grid)
    foil = foil_share(card, grid)
    if card.design.foil_place != "none":
        foil *= _bare(colour)
        if card.design.pattern != "plain":
            height -= foil * foil_pattern(card, grid).astype(np.float32) * np.float32(_STAMP_UM / 255)
    for each in card.defects:
        mark_surface(height, roughness, foil, grid, each)
    return Surface(
        colour=colour,
        height_um=height,
        roughness=np.clip(roughness, 0.02, 1),
        foil=np.clip(foil, 0, 1),
        coverage=coverage,
        mm_per_px=grid.px_mm,
    )


def _stock(card: Card, grid: Grid) -> Plane:
    """Bow of the whole card, the coating's orange peel, and fibres that lie along the card."""
    rng = np.random.default_rng((card.seed, 2))
    w, h = card.spec.width, card.spec.height
    bends = [float(each) for each in rng.uniform(-_BOW_UM, _BOW_UM, 2)]
    bow = [bend * (size / 88) ** 2 for bend, size in zip(bends, (w, h), strict=True)]
    x, y = grid.x * np.float32(2 / w) - np.float32(1), grid.y * np.float32(2 / h) - np.float32(1)
    height = (x * x * np.float32(bow[0]))[None, :] + (y * y * np.float32(bow[1]))[:, None]
    size, finish = (w + 1, h + 1), card.finish
    for cell, deep in ((0.6, _PEEL_UM[finish]), (2.5, 1.6 * _PEEL_UM[finish]), ((0.06, 0.18), _FIBRE_UM[finish])):
        field = Lattice.draw(rng, size, cell).at(grid)
        field *= np.float32(deep)
        height += field
    return height


def _coating(card: Card, grid: Grid) -> Plane:
    rng = np.random.default_rng((card.seed, 5))
    field = Lattice.draw(rng, (card.spec.width + 1, card.spec.height + 1), 1.2).at(grid)
    field *= np.float32(0.25 * card.design.roughness)
    field += np.float32(0.875 * card.design.roughness)
    return field


def _bare(colour: Pixels) -> Plane:
    """How much foil shows between the ink: much under light tints, little under dark ones."""
    tone = colour[..., 0].astype(np.uint16) + (colour[..., 1].astype(np.uint16) << 1) + colour[..., 2]
    share = tone.astype(np.float32)
    share *= np.float32(0.65 / 1020)
    share += np.float32(0.3)
    return share
