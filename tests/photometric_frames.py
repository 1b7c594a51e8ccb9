"""Frames of a small printed card and of a white sheet under near lights, made without the library's own renderer."""

import numpy as np
from scipy import ndimage

from rcg.photometric import Capture, LightRig
from rcg.photometric.field import irradiance, plane_points


def printed(shape, *, seed, detail=160):
    """A print of patches and lines with hard edges, from 0.1 to 0.9, that covers all of the picture."""
    rng = np.random.default_rng(seed)
    art = np.full(shape, 0.8)
    for _ in range(detail):
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        h, w = rng.integers(3, 40, 2)
        art[y : y + h, x : x + w] = rng.uniform(0.1, 0.9)
    return art


def relief(shape, mm_per_px, *, seed, um=8.0):
    """Dents and a bow, in millimetres of height."""
    rng = np.random.default_rng(seed)
    bumps = np.zeros(shape)
    bumps[rng.integers(0, shape[0], 25), rng.integers(0, shape[1], 25)] = rng.normal(0, 1, 25)
    bumps = ndimage.gaussian_filter(bumps, 0.6 / mm_per_px)
    bumps *= um / 1000 / np.abs(bumps).max()
    y, x = np.mgrid[: shape[0], : shape[1]] * mm_per_px
    return bumps + 2e-5 * ((x - x.mean()) ** 2 + (y - y.mean()) ** 2)


def render(
    rig,
    *,
    albedo,
    mm_per_px,
    height_mm=None,
    phi=None,
    tilt_deg=(0.0, 0.0),
    gloss=0.0,
    falloff=0.2,
    noise=0.005,
    seed=0,
):
    """(k, h, w) float64 frames: Lambert and a GGX lobe under near lights, a lens that falls off, relative noise."""
    shape = albedo.shape
    bare = Capture(images=np.zeros((len(rig), *shape), np.uint8), rig=rig, mm_per_px=mm_per_px)
    points = plane_points(bare, (np.arange(shape[0]) * 1.0, np.arange(shape[1]) * 1.0))
    tilt = np.tan(np.deg2rad(tilt_deg))
    points[..., 2] = points[..., :2] @ tilt
    down, across = (0, 0) if height_mm is None else np.gradient(height_mm, mm_per_px)
    normal = np.stack(np.broadcast_arrays(-across - tilt[0], down - tilt[1], np.ones(shape)), axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    away = rig.positions_mm[:, None, None] - points
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    view = np.array([0, 0, 400.0]) - points
    half = away + view / np.linalg.norm(view, axis=-1, keepdims=True)
    cosine = (half * normal).sum(axis=-1) / np.linalg.norm(half, axis=-1)
    shine = gloss * (0.35**2 / (cosine**2 * (0.35**2 - 1) + 1)) ** 2
    light = irradiance(rig.positions_mm, points, np.ones(len(rig)) if phi is None else phi, rig.lobe)
    radius = (points[..., :2] ** 2).sum(axis=-1)
    seen = (
        light
        * (albedo * np.clip((away * normal).sum(axis=-1), 0, None) + shine)
        * (1 - falloff * radius / radius.max())
    )
    return seen * (1 + np.random.default_rng(seed).normal(0, noise, seen.shape))


def as_frames(seen, *, exposure=0.8):
    """Frames of 12 bits in uint16, the brightest value at `exposure` of full scale."""
    return np.clip(np.round(seen * (exposure * 4095 / seen.max())), 0, 4095).astype(np.uint16)


def moved_ring(lights=8, *, by_mm=3.0, seed=0, lobe=1.0):
    """A ring whose lights are not quite where they should be."""
    places = LightRig.ring(lights).positions_mm
    return LightRig.at(places + np.random.default_rng(seed).normal(0, by_mm, places.shape), lobe=lobe)
