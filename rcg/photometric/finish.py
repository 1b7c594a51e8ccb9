"""How a plane card's coat shines, found from the card itself, so that gloss does not pass for shape.

Print gives every neighbourhood light and dark places under one coat. What a light adds there whatever the print is the
coat's gloss; what goes with the print is the paper's. A GGX lobe (Walter et al., EGSR 2007) is fitted to the first,
together with a plane share for each light, by which the light field is off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rcg.photometric.field import grey_frames, plane_points
from rcg.photometric.order import at_places
from rcg.photometric.types import Capture, Floats, LightField, Mask, Plane

CAMERA_MM = 500.0
"""Height of the camera over the card, where nothing is known of it; it only bends the gloss a little."""
ROUGHNESS = (0.05, 0.065, 0.08, 0.1, 0.12, 0.15, 0.18, 0.22, 0.27, 0.33, 0.4, 0.5, 0.65, 0.85)
MOST = 0.06
"""Reflectance of a coat at right angles: 0.035 to 0.053 for refractive indices of 1.46 to 1.6; none reaches this."""
EXPLAINS = 0.97
"""A coat is believed where it leaves less than this share of the squared misfit."""
_BLOCKS, _BLOCK_PX = 24_000, 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """Means of blocks of a capture: print mixes linearly in them, noise nearly vanishes.

    Attributes:
        seen: (k, rows, columns) albedo as each light shows it, if the surface lies level.
        good: (rows, columns) what is lit, within the mask and not saturated.
        burnt: (k, rows, columns) what holds a saturated value, lit and within the mask.
        directions: (k, rows, columns, 3) towards the lights.
        view: (rows, columns, 3) towards the camera.
        side: Of a block, in pixels.
        white: The albedo of white paper, about.
    """

    seen: Floats
    good: Mask
    burnt: Mask
    directions: Floats
    view: Floats
    side: int
    white: float

    @property
    def places(self) -> tuple[Floats, Floats]:
        """Rows and columns of the blocks' middles, from -1 to 1 over the picture."""
        down, right = (np.linspace(-1, 1, 2 * count + 1)[1::2] for count in self.good.shape)
        return np.broadcast_to(down[:, None], self.good.shape), np.broadcast_to(right, self.good.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coat:
    """The gloss of a card.

    Attributes:
        roughness: GGX alpha.
        strength: Reflectance at right angles; 0 for none.
        shares: (k, 6) by which the light field is off: the factors of `_terms`, a polynomial of degree 2.
    """

    roughness: float
    strength: float
    shares: Floats


def block_means(capture: Capture, field: LightField) -> Blocks:
    """The blocks of a capture with mm_per_px, at most about 24,000 of them."""
    side = max(_BLOCK_PX, int(np.ceil(np.sqrt(capture.height * capture.width / _BLOCKS))))
    rows, columns = max(capture.height // side, 1), max(capture.width // side, 1)
    out, burnt = np.empty((capture.lights, rows, columns)), np.empty((capture.lights, rows, columns), np.bool_)
    cut_px = (slice(None), slice(None), slice(0, columns * side))
    for row in range(rows):
        band = slice(row * side, (row + 1) * side)
        dark = capture.dark if capture.dark is None or capture.dark.ndim == 1 else capture.dark[..., band, :]
        part = Capture(images=capture.images[:, band], dark=dark, full_scale=capture.full_scale)
        grey = grey_frames(part, field.channel_weights)[cut_px]
        out[:, row] = grey.sum(axis=1).reshape(len(grey), columns, -1).sum(axis=2) / grey[0, :, :side].size
        burnt[:, row] = grey.max(axis=1).reshape(len(grey), columns, -1).max(axis=2) > 0.95 * capture.full_scale
    good = np.isfinite(out).all(axis=0) & (out.mean(axis=0) > 0.004 * capture.full_scale)
    if capture.mask is not None:
        inside = capture.mask[: rows * side, : columns * side]
        good &= inside.reshape(rows, side, columns, -1).mean(axis=(1, 3)) > 0.5
    out = np.where(good, out, 1.0)
    nodes = _middles(rows, side), _middles(columns, side)
    gains, directions = at_places(field, *nodes, capture.height, capture.width)
    seen = out * gains / directions[..., 2]
    bright = seen.mean(axis=0)[good]
    white = 1.0 if field.origin == "flat field" or not bright.size else max(float(np.quantile(bright, 0.98)), 1e-9)
    return Blocks(
        seen=seen,
        good=good & ~burnt.any(axis=0),
        burnt=burnt & good,
        directions=np.broadcast_to(directions, (*seen.shape, 3)),
        view=_towards_camera(plane_points(capture, nodes)),
        side=side,
        white=white,
    )


def _middles(count: int, side: int) -> Floats:
    return np.asarray((np.arange(count) + 0.5) * side - 0.5, np.float64)


def _towards_camera(points: Floats) -> Floats:
    away = np.array([0.0, 0.0, CAMERA_MM]) - points
    return np.asarray(away / np.linalg.norm(away, axis=-1, keepdims=True))


def sheen(lights: Floats, view: Floats, roughness: float, normal: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """What a coat of reflectance 1 adds to albedo * (light . normal): pi D V (1 + 24 (1 - v.h)^5) (light . normal).

    GGX with the joint masking of Heitz (JCGT 2014), and Schlick's Fresnel term of a reflectance of 0.04.

    Args:
        lights: (..., 3) unit vectors.
        view: (..., 3) unit vectors.
        roughness: GGX alpha.
        normal: Its x and y, for z = 1.
    """
    upright = np.array([*normal, 1.0])
    upright /= np.linalg.norm(upright)
    half = lights + view
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    nl, nv, nh = (np.maximum(each @ upright, 1e-3) for each in (lights, view, half))
    square = roughness**2
    spread = nh * nh * (square - 1) + 1
    joint = nl * np.sqrt(nv * nv * (1 - square) + square) + nv * np.sqrt(nl * nl * (1 - square) + square)
    fresnel = 1 + 24 * (1 - np.clip((view * half).sum(axis=-1), 0, 1)) ** 5
    return np.asarray(square / spread**2 * 0.5 / joint * fresnel * nl)


def fit_coat(blocks: Blocks, keep: Mask) -> Coat:
    """The coat that explains best what the lights show of blocks, and the share by which each light is off.

    Of light i, seen_i = albedo * share_i(x) + strength * sheen_i(x) / l_z; the mean over the lights takes the place of
    the albedo. Weighted least squares, with blocks that do not fit given up by their residual.
    """
    seen = blocks.seen[:, keep]
    mean = seen.mean(axis=0)
    terms = _terms(*(each[keep] for each in blocks.places))
    lobes = [_lobe(blocks, keep, each) for each in ROUGHNESS]
    sigma = 0.01 * mean + 0.002 * blocks.white
    weight = np.ones(len(mean))
    most, found, best = MOST * blocks.white, 0.0, 0
    for _ in range(5):
        scale = np.sqrt(weight) / sigma
        basis = np.linalg.qr(terms * (mean * scale)[:, None])[0]
        rest = _without((seen - mean) * scale, basis)
        trials = [_without(lobe * scale, basis) for lobe in lobes]
        strengths = [min(max(float((t * rest).sum() / max((t * t).sum(), 1e-30)), 0.0), most) for t in trials]
        losses = [float(((rest - s * t) ** 2).sum()) for s, t in zip(strengths, trials, strict=True)]
        best = int(np.argmin(losses))
        found = strengths[best] if losses[best] < EXPLAINS * float((rest**2).sum()) else 0.0
        left = np.sqrt(((rest - found * trials[best]) ** 2).mean(axis=0) / np.maximum(weight, 1e-9))
        weight = 1 / (1 + (left / (2 * max(float(np.median(left)), 1e-9))) ** 2) ** 2
    scale = np.sqrt(weight) / sigma
    target = (seen - mean - found * lobes[best]) * scale
    shares = np.linalg.lstsq(terms * (mean * scale)[:, None], target.T, rcond=1e-9)[0].T
    shares[:, 0] += 1
    return Coat(roughness=ROUGHNESS[best], strength=found, shares=shares)


def _terms(down: Floats, right: Floats) -> Floats:
    return np.stack([np.ones_like(down), down, right, down * down, down * right, right * right], axis=-1)


def shares_at(coat: Coat, down: Floats, right: Floats) -> Floats:
    """(k, ...) by which the light field is off at places from -1 to 1 over the picture."""
    return np.maximum(np.moveaxis(_terms(down, right) @ coat.shares.T, -1, 0), 0.2)


def _without(values: Floats, basis: Floats) -> Floats:
    return np.asarray(values - (values @ basis) @ basis.T)


def _lobe(blocks: Blocks, keep: Mask, roughness: float) -> Floats:
    """(k, n) sheen over l_z, against its mean over the lights."""
    lights = blocks.directions[:, keep]
    lobe = sheen(lights, blocks.view[keep], roughness) / lights[..., 2]
    return np.asarray(lobe - lobe.mean(axis=0))


def corrected(field: LightField, coat: Coat) -> LightField:
    """The field with each light's share taken off; its grid has at least two nodes along each side."""
    rows, columns = (np.linspace(0, 1, max(count, 2)) for count in field.gains.shape[1:])
    gains, directions = at_places(field, rows, columns, 2, 2)
    down, right = np.meshgrid(2 * rows - 1, 2 * columns - 1, indexing="ij")
    return replace(
        field,
        gains=np.asarray(gains / shares_at(coat, down, right), np.float32),
        directions=np.ascontiguousarray(directions, np.float32),
    )


def glow_of(coat: Coat, field: LightField, capture: Capture) -> tuple[Plane, Plane]:
    """What a coat adds to the values, and how much more than paper of albedo 1 it answers to a slope.

    Returns:
        (rows, columns, k) float32 in units of the frames, and (rows, columns) float32 in units of albedo, at the nodes
        of the field.
    """
    rows = np.linspace(0, capture.height - 1, field.gains.shape[1])
    columns = np.linspace(0, capture.width - 1, field.gains.shape[2])
    view = _towards_camera(plane_points(capture, (rows, columns)))
    lights = field.directions.astype(np.float64)
    level = sheen(lights, view, coat.roughness)
    step, answers = 0.01, []
    inverse = np.linalg.pinv(np.moveaxis(lights, 0, 2))  # rows, columns, 3, k
    for axis, normal in enumerate(((step, 0.0), (0.0, step))):
        rise = (sheen(lights, view, coat.roughness, normal) - level) / step
        answers.append(np.einsum("rck,krc->rc", inverse[..., axis, :], rise))
    response = np.maximum(coat.strength * (answers[0] + answers[1]) / 2, 0)
    glow = np.moveaxis(coat.strength * level / field.gains, 0, 2)
    return np.ascontiguousarray(glow, np.float32), np.asarray(response, np.float32)
