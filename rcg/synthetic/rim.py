"""The cut face of a card's edge: a bright core of paper along the rim, as a camera or scanner sees it at a slant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rcg.card_specs import CardSpec
from rcg.synthetic.design import light
from rcg.synthetic.flat import FlatCard
from rcg.synthetic.grid import Grid, rounded
from rcg.synthetic.wear import card_coverage

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card

_CORE = (225, 221, 212)  # paper between two layers of ink
_DARK = 110  # of 255: on lighter borders the core is lost beside the ink
_WIDEST_MM = 0.1
"""On five black-bordered backs the cut face alone reads as about 0.1 mm of white."""


def cut_face(flat: FlatCard, card: Card, rng: np.random.Generator) -> FlatCard:
    """A flat card whose dark border shows its cut face, 0.05 to 0.1 mm wide, each side a little different.

    Args:
        flat: The card as it is drawn for a view.
        card: The same card.
        rng: The view's; its own numbers are left as they are, so that nothing else in the view changes.
    """
    if card.frame is None or max(map(light, card.design.border)) > _DARK:
        return flat
    own = rng.spawn(1)[0]
    left, top, right, bottom = (rounded(float(each)) for each in own.uniform(_WIDEST_MM / 2, _WIDEST_MM, 4))
    grid = Grid.of(card.spec.width, card.spec.height, flat.px_per_mm)
    inner = CardSpec(
        width=card.spec.width - left - right,
        height=card.spec.height - top - bottom,
        radius=max(card.spec.radius - (left + top + right + bottom) / 4, 0.0),
    )
    shifted = Grid(x=grid.x - np.float32(left), y=grid.y - np.float32(top), px_mm=grid.px_mm)
    share = (255 - card_coverage(shifted, inner)).astype(np.float32)[..., None] * np.float32(0.85 / 255)
    mixed = flat.pixels + share * (np.array(_CORE, np.float32) - flat.pixels)
    return replace(flat, pixels=(mixed + np.float32(0.5)).astype(np.uint8))
