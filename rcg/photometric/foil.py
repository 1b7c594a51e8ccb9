"""Where a plane card tells more than the calibration: its mean tilt, and the light on places that shine like foil."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rcg.photometric.finish import Blocks, Coat, shares_at, sheen
from rcg.photometric.order import at_places
from rcg.photometric.types import Capture, Floats, LightField, Mask

MISFIT = 0.06
"""Of block means against their albedo: a diffuse surface leaves 1 to 3 %, metal 20 % and more."""
LOCAL_MM = 1.5
"""Standard deviation of the neighbourhood whose mean tells how foil answers each light."""
FALL = (-10.0, -3.0)
"""Of the logarithm of foil's light with the half angle, for each radian: GGX of roughness 0.1 to 0.3, 22 degrees off,
gives -9 to -6; ink over the foil makes it less."""
MAX_TILT_DEG = 3.0
_USUAL, _ENOUGH = -6.0, 50  # the fall, where fewer blocks than that could tell it
_SAMPLE = 40_000


def levelled(capture: Capture, field: LightField) -> tuple[LightField, float]:
    """A light field from a tilted white sheet, with the tilt taken off by the card, which lies flat itself.

    A sheet that leans by an angle makes every normal lean the other way. The median normal of the card over the whole
    picture is taken to point to the camera.

    Args:
        capture: The frames.
        field: A light field whose origin is a flat field.

    Returns:
        The field, and the tilt in degrees that was taken off; the same field and 0 where the object is not plane.
    """
    rows, columns = _thinned(capture)
    m = np.stack([frame[np.ix_(rows, columns)].astype(np.float32) for frame in capture.images])
    if m.ndim == 4:
        m = m.mean(axis=-1) if field.channel_weights is None else np.einsum("krcx,kx->krc", m, field.channel_weights)
    top = m.max(axis=0)
    if capture.dark is not None:
        dark = np.asarray(capture.dark)
        m = m - (dark[:, None, None] if dark.ndim == 1 else dark[..., rows[:, None], columns[None, :]])
    good = (m.min(axis=0) > 0.02 * capture.full_scale) & (top < 0.95 * capture.full_scale)
    if capture.mask is not None:
        good &= capture.mask[np.ix_(rows, columns)]
    if good.sum() < 200:
        return field, 0.0
    gains, directions = at_places(field, rows.astype(float), columns.astype(float), capture.height, capture.width)
    lights, y = np.moveaxis(directions[:, good], 0, 1), (m * gains)[:, good].T
    lean = np.zeros(2)
    for _ in range(2):
        sheet = np.array([*lean, 1.0])
        b, rest = _solved(lights, y * (lights @ sheet) / lights[..., 2])
        fits = rest < MISFIT
        if fits.mean() < 0.3:
            return field, 0.0
        slope = b[fits, :2] / np.maximum(b[fits, 2:], 1e-9)
        middle = np.median(slope, axis=0)
        if (np.linalg.norm(slope - middle, axis=1) < 0.12).mean() < 0.8:
            return field, 0.0
        lean = lean - middle
    tilt = float(np.degrees(np.arctan(np.linalg.norm(lean))))
    if tilt > MAX_TILT_DEG:
        return field, 0.0
    share = (field.directions @ np.array([*lean, 1.0], np.float32)) / field.directions[..., 2]
    return replace(field, gains=(field.gains * share).astype(np.float32)), tilt


def _thinned(capture: Capture) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]:
    step = max(1, int(np.sqrt(capture.height * capture.width / _SAMPLE)))
    return (
        np.arange(step // 2, capture.height, step, dtype=np.int64),
        np.arange(step // 2, capture.width, step, dtype=np.int64),
    )


def _solved(lights: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Solve for b (n, 3) and the residual's root mean square as a share of the albedo."""
    matrix = np.einsum("nkx,nky->nxy", lights, lights)
    b = np.linalg.solve(matrix, np.einsum("nkx,nk->nx", lights, y)[..., None])[..., 0]
    rest = y - np.einsum("nkx,nx->nk", lights, b)
    return b, np.sqrt((rest**2).mean(axis=1)) / np.maximum(np.linalg.norm(b, axis=1), 1e-12)


def misfit(blocks: Blocks, coat: Coat | None) -> Floats:
    """(rows, columns) root mean square of what no matte plane explains, as a share of the albedo.

    Below 3 % of white paper the share is of that: there it would be noise.
    """
    seen = blocks.seen
    if coat is not None:
        gloss = coat.strength * sheen(blocks.directions, blocks.view, coat.roughness) / blocks.directions[..., 2]
        seen = (seen - gloss) / shares_at(coat, *blocks.places)
    lights = np.moveaxis(blocks.directions, 0, 2).reshape(-1, len(seen), 3)
    y = np.moveaxis(seen * blocks.directions[..., 2], 0, 2).reshape(-1, len(seen))
    b, rest = _solved(lights, y)
    length = np.linalg.norm(b, axis=1)
    return np.asarray((rest * length / np.maximum(length, 0.03 * blocks.white)).reshape(blocks.good.shape))


def shining(blocks: Blocks, coat: Coat | None, inside: Mask) -> Mask:
    """(rows, columns) where a plane card shines like foil: what many blocks together leave, and all that they enclose.

    What either fits, the matte plane or the one under a coat, is no foil: the table around a card has no coat. Around
    the middle of the picture lights on a ring stand alike, and foil looks like paper there: what foil encloses
    is taken for foil.
    """
    from scipy import ndimage

    rest = misfit(blocks, None) if coat is None else np.minimum(misfit(blocks, coat), misfit(blocks, None))
    rest = ndimage.median_filter(np.where(blocks.good, rest, 0.0), size=3)
    # a glint saturates a few frames; paper that is exposed too long saturates nearly all
    glint = blocks.burnt.any(axis=0) & (blocks.seen.min(axis=0) < 0.5 * blocks.seen.max(axis=0))
    rest[ndimage.median_filter(glint.astype(np.uint8), size=3) > 0] = np.inf
    off = rest > MISFIT
    # the rim of a card casts a shadow on the table, a line of blocks all round; a card may be found too small
    sure = ndimage.binary_opening(off & inside) | ndimage.binary_opening(off, np.ones((5, 5)))
    near = rest > MISFIT / 2
    near = (near & inside) | ndimage.binary_opening(near, np.ones((5, 5))) | sure
    found = ndimage.binary_propagation(sure, mask=near)
    closed = ndimage.binary_closing(np.pad(found, 4), iterations=3)[4:-4, 4:-4]
    filled = ndimage.binary_fill_holes(closed | found)
    return np.asarray(ndimage.binary_dilation(filled), np.bool_)  # blocks at its edge hold some of both


def foil_light(blocks: Blocks, foil: Mask, field: LightField, capture: Capture) -> LightField:
    """A light field for what shines like foil, from its own local mean and from how fast its light falls off.

    The mean over a neighbourhood tells what a plane of that foil sends back of each light. Metal answers a slope many
    times as strongly as paper does: how strongly is told by the fall of the logarithm of its light with the angle
    between the normal and the half vector, as that angle changes over the card. Directions are those of lights under
    which paper would answer as strongly.
    """
    from scipy import ndimage

    assert capture.mm_per_px is not None
    up = blocks.directions[..., 2]
    half = blocks.directions + blocks.view
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    angle = np.arccos(np.clip(half[..., 2], -1, 1))
    whole = foil & blocks.good
    enough = whole.sum() >= _ENOUGH
    fall = _fall(np.log(np.maximum(blocks.seen[:, whole], 1e-6)), angle[:, whole]) if enough else _USUAL
    steep = -fall * half[..., :2] / np.maximum(np.sin(angle), 1e-3)[..., None]
    lights = np.concatenate([steep + blocks.directions[..., :2] / up[..., None], np.ones((*up.shape, 1))], axis=-1)
    lights /= np.linalg.norm(lights, axis=-1, keepdims=True)
    sigma = LOCAL_MM / (capture.mm_per_px * blocks.side)
    middle = np.where(blocks.burnt.any(axis=0), np.median(blocks.seen, axis=0), blocks.seen.mean(axis=0))
    ratio = blocks.seen / np.maximum(middle, 1e-12)
    weight = (foil & (blocks.good | blocks.burnt.any(axis=0)) & ~blocks.burnt).astype(np.float64)

    def smooth(planes: Floats) -> Floats:
        return np.stack([ndimage.gaussian_filter(each, sigma, mode="constant") for each in planes])

    below = smooth(weight)
    local = np.where(below > 1e-4, smooth(ratio * weight) / np.maximum(below, 1e-4), 1.0)
    share = lights[..., 2] / (up * np.maximum(local, 0.02))
    return _finer(field, share, lights, side=blocks.side, size=(capture.height, capture.width))


def _fall(logs: Floats, angle: Floats) -> float:
    """Slope of the logarithm of foil's light against the angle, one for all lights; each has a constant of its own."""
    logs, angle = (each - each.mean(axis=0) for each in (logs, angle))
    weight, found = np.ones_like(logs), 0.0
    for _ in range(8):
        total = weight.sum(axis=1, keepdims=True)
        x = angle - (weight * angle).sum(axis=1, keepdims=True) / total
        y = logs - (weight * logs).sum(axis=1, keepdims=True) / total
        found = float((weight * x * y).sum() / max((weight * x * x).sum(), 1e-12))
        off = y - found * x
        weight = 1 / (1 + (off / (2.385 * max(1.4826 * float(np.median(np.abs(off))), 1e-6))) ** 2)
    return float(np.clip(found, *FALL))


def over_pixels(blocks: Mask, side: int, height: int, width: int) -> Mask:
    """A map of blocks as one of pixels."""
    rows = np.minimum(np.arange(height) // side, blocks.shape[0] - 1)
    columns = np.minimum(np.arange(width) // side, blocks.shape[1] - 1)
    return np.ascontiguousarray(blocks[rows[:, None], columns[None, :]])


def _finer(field: LightField, share: Floats, lights: Floats, *, side: int, size: tuple[int, int]) -> LightField:
    """The field with its gains times `share` of blocks (k, rows, columns) and other directions, on a fine grid."""
    from scipy import ndimage

    places = [np.linspace(0, pixels - 1, max(2, pixels // (2 * side))) for pixels in size]
    gains, _ = at_places(field, places[0], places[1], *size)
    at = np.meshgrid(*((place + 0.5) / side - 0.5 for place in places), indexing="ij")

    def between(plane: Floats) -> Floats:
        return np.asarray(ndimage.map_coordinates(plane, at, order=1, mode="nearest"))

    fine = np.stack([between(each) for each in share])
    wide = np.stack([np.stack([between(each[..., axis]) for axis in range(3)], axis=-1) for each in lights])
    wide /= np.linalg.norm(wide, axis=-1, keepdims=True)
    return replace(field, gains=np.asarray(gains * fine, np.float32), directions=np.ascontiguousarray(wide, np.float32))
