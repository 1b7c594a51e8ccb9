"""What the solver does for a flat card, and never for an object in the round: its plane, its coat and its foil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rcg.photometric.finish import Blocks, Coat, block_means, corrected, fit_coat, glow_of
from rcg.photometric.foil import MISFIT, foil_light, misfit, over_pixels, shining
from rcg.photometric.types import Capture, LightField, Mask, Plane

if TYPE_CHECKING:
    from rcg.photometric.solving import Planes

CALIBRATED = ("flat field", "near lights")
_LEAST = 200  # blocks that a coat is fitted to
_FLAT, _LEANING = 0.06, 0.2  # slopes: blocks of a card against their median, and that median


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlatCard:
    """How a flat card's own frames correct what is known of the lights.

    Attributes:
        field: The light field, each light's share of the plane corrected.
        glow: (rows, columns, k) what the coat adds to values, at the field's nodes; None for a matte card.
        response: (rows, columns) how much more than paper of albedo 1 the coat answers to a slope.
        foil: (h, w) where it shines like foil; None for nowhere.
        foil_field: The light field there.
        notes: What the user should know, one sentence each.
    """

    field: LightField
    glow: Plane | None = None
    response: Plane | None = None
    foil: Mask | None = None
    foil_field: LightField | None = None
    notes: tuple[str, ...] = ()


def look_at_card(capture: Capture, field: LightField) -> FlatCard | None:
    """Find a flat card's coat, its foil, and how far the light field is off; None where the object is not flat.

    Without the size of a pixel nothing is taken for a card.
    """
    if capture.mm_per_px is None or capture.lights < 5:
        return None
    blocks = block_means(capture, field)
    card = _on_card(capture, blocks)
    if card is None and not _flat(blocks):
        return None
    inside = np.ones_like(blocks.good) if card is None else card
    keep = blocks.good & inside
    coat = _coat_of(blocks, keep) if field.origin in CALIBRATED else None
    foil = shining(blocks, coat, inside)
    if foil[keep].mean() > 0.02:
        coat = _coat_of(blocks, keep & ~foil) if coat is not None else None
        foil = shining(blocks, coat, inside)
    shines = foil[keep].mean() > 0.002
    light = field if coat is None else corrected(field, coat)
    glow, response = None, None
    notes: tuple[str, ...] = ()
    if coat is not None:
        notes = ("light that changes evenly over the card was taken for the lights': its bow is not seen",)
        if coat.strength > 0:
            glow, response = glow_of(coat, light, capture)
            notes += (f"a coat of roughness {coat.roughness:g} was found: its gloss was taken off",)
    return FlatCard(
        field=light,
        glow=glow,
        response=response,
        foil=over_pixels(foil, blocks.side, capture.height, capture.width) if shines else None,
        foil_field=foil_light(blocks, foil, field, capture) if shines else None,
        notes=notes,
    )


def _coat_of(blocks: Blocks, keep: Mask) -> Coat | None:
    """The coat of a card, where enough of it is paper."""
    if keep.sum() < _LEAST or keep.sum() < 0.1 * blocks.good.sum():
        return None
    return fit_coat(blocks, keep)


def _on_card(capture: Capture, blocks: Blocks) -> Mask | None:
    """(rows, columns) blocks that lie wholly on the card; the table around it has no coat. None where none is found."""
    from rcg.photometric.card_finding import card_mask, find_cards

    cards = find_cards(capture) if capture.mask is None else ()
    if not cards:
        return None
    rows, columns = (count * blocks.side for count in blocks.good.shape)
    inside = card_mask(capture, cards[0])[:rows, :columns]
    return np.asarray(inside.reshape(blocks.good.shape[0], blocks.side, -1, blocks.side).all(axis=(1, 3)), np.bool_)


def _flat(blocks: Blocks) -> bool:
    """Whether the object lies flat: nearly all that a matte surface explains points to the camera."""
    seen = np.moveaxis(blocks.seen * blocks.directions[..., 2], 0, 2)[blocks.good]
    lights = np.moveaxis(blocks.directions, 0, 2)[blocks.good]
    if not len(seen):
        return False
    b = np.einsum("nck,nk->nc", np.linalg.pinv(lights), seen)
    fits = misfit(blocks, None)[blocks.good] < MISFIT
    bright = fits & (b[:, 2] > 0.15 * blocks.white)  # gloss makes dark ink lean
    fits = bright if bright.sum() > 0.2 * fits.sum() else fits
    if fits.sum() < 50:
        return bool(fits.size >= _LEAST)
    slope = b[fits, :2] / np.maximum(b[fits, 2:], 1e-9)
    middle = np.median(slope, axis=0)
    return bool((np.hypot(*(slope - middle).T) < _FLAT).mean() > 0.8 and np.hypot(*middle) < _LEANING)


def answer_slopes(planes: Planes, response: Plane, *, rows: int = 256) -> None:
    """Divide slopes by how strongly a coat answers them, albedo / (albedo + response), in place."""
    from rcg.photometric.coat_kernel import flatten

    height, width = planes.albedo.shape
    share = np.empty((rows, width), np.float32)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        flatten(planes.normals[top:bottom], planes.albedo[top:bottom], response, top, height, share)
        planes.slope_sd[top:bottom] *= share[: bottom - top]
