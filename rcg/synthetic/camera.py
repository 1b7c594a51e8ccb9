"""What a camera makes of light: exposure, white balance, blur, noise, and 8 bits; the same on every machine.

Light is linear here: float32, 1 for white paper in full light. Only operations that every processor rounds alike are
used (single sums, products and roots; OpenCV's blur of whole numbers): `exp`, matrix products and blurs of floats are
not, and one unit in the last place becomes another JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels

Light = NDArray[np.float32]

FULL = 49152  # of 65535: the linear value of white paper in 16 bits, so that highlights have room above
_LEVELS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """How light becomes pixels.

    Attributes:
        gains: Exposure times white balance, for red, green and blue.
        blur: Standard deviation of the blur, in pixels.
        motion: Way of the camera while the shutter was open, across and down, in pixels.
        shot: Variance of the noise for each unit of light.
        read: Standard deviation of the noise in the dark.
        contrast: Of the tone curve: 0 keeps sRGB, 1 is strong.
        sharpening: How much is added of what a blur takes away, as phones do.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.5
    motion: tuple[float, float] = (0.0, 0.0)
    shot: float = 0.0
    read: float = 0.0
    contrast: float = 0.0
    sharpening: float = 0.0


def linear(pixels: Pixels) -> Light:
    """The light that sRGB pixels stand for, float32 from 0 to 1."""
    return np.asarray(cv2.LUT(pixels, _to_linear()))


def expose(light: Light, camera: Camera, rng: np.random.Generator) -> Pixels:
    """Take the picture.

    Args:
        light: (h, w, 3) float32 linear light; it is used up.
        camera: What it is taken with.
        rng: Where the noise comes from.

    Returns:
        (h, w, 3) uint8 sRGB.
    """
    light *= np.asarray(camera.gains, np.float32) * np.float32(FULL)
    np.clip(light, 0, 65535, out=light)
    whole = light.astype(np.uint16)
    whole = _shaken(whole, camera.motion)
    if camera.blur > 0:
        whole = np.asarray(cv2.GaussianBlur(whole, (0, 0), camera.blur))
    grain = _grain(whole, camera, rng) if camera.shot or camera.read else whole.astype(np.float32)
    grain *= np.float32((_LEVELS - 1) / 65535)
    np.clip(grain, 0, _LEVELS - 1, out=grain)
    pixels = np.take(_tone(round(camera.contrast, 3)), grain.astype(np.uint16))
    return _sharpened(pixels, camera.sharpening)


def smooth_field(values: NDArray[np.float64], size: tuple[int, int]) -> Light:
    """A coarse grid of values from 0 to 4 drawn out to a picture of `size` (width, height), bilinear."""
    fixed = np.clip(np.rint(values * 16384), 0, 65535).astype(np.uint16)
    drawn = np.asarray(cv2.resize(fixed, size, interpolation=cv2.INTER_LINEAR_EXACT))
    return drawn.astype(np.float32) * np.float32(1 / 16384)


def bell(away: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 in the middle, 0 from one unit on, smooth: (1 - x^2)^2, in place of a Gaussian."""
    inside = np.clip(1 - away * away, 0, None)
    return np.asarray(inside * inside, np.float32)


def _grain(whole: NDArray[np.uint16], camera: Camera, rng: np.random.Generator) -> Light:
    """The light with its noise: that of 64 coins thrown, which is near to normal and made of whole numbers."""
    coins = rng.integers(0, 2**64, whole.shape, np.uint64)
    noise = np.bitwise_count(coins).astype(np.float32)
    noise -= np.float32(32)
    level = whole.astype(np.float32)
    spread = level * np.float32(camera.shot / FULL)
    spread += np.float32(camera.read * camera.read)
    np.sqrt(spread, out=spread)
    spread *= np.float32(FULL / 4)  # 64 coins have a standard deviation of 4
    noise *= spread
    level += noise
    return level


def _shaken(whole: NDArray[np.uint16], motion: tuple[float, float]) -> NDArray[np.uint16]:
    """The mean over the places that the picture was at, to the nearest pixel."""
    across, down = motion
    steps = round(max(abs(across), abs(down)))
    if steps < 1:
        return whole
    ways = sorted(
        {(round(across * t / steps - across / 2), round(down * t / steps - down / 2)) for t in range(steps + 1)}
    )
    reach = max(max(abs(x), abs(y)) for x, y in ways)
    wide = np.asarray(cv2.copyMakeBorder(whole, reach, reach, reach, reach, cv2.BORDER_REPLICATE), np.uint16)
    rows, columns = whole.shape[:2]
    total: NDArray[np.uint32] = np.zeros(whole.shape, np.uint32)
    for x, y in ways:
        total += wide[reach + y : reach + y + rows, reach + x : reach + x + columns]
    return (total // len(ways)).astype(np.uint16)


def _sharpened(pixels: Pixels, amount: float) -> Pixels:
    if amount <= 0:
        return pixels
    soft = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.2), np.int16)
    share = round(amount * 64)
    wide = pixels.astype(np.int16)
    wide += ((wide - soft) * share) >> 6
    return np.clip(wide, 0, 255).astype(np.uint8)


@cache
def _to_linear() -> NDArray[np.float32]:
    """IEC 61966-2-1, in steps of 1/65536."""
    coded = np.arange(256) / 255
    value = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.rint(value * 65536) / 65536, np.float32)


@cache
def _tone(contrast: float) -> NDArray[np.uint8]:
    """(4096,) from linear light to 8 bits: a soft shoulder above white, sRGB, and an S-curve."""
    light = np.arange(_LEVELS) / (_LEVELS - 1) * (65535 / FULL)
    knee = 0.9
    over = np.clip(light - knee, 0, None)
    light = np.minimum(light, knee) + over * (1 - knee) / (1 - knee + over)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    coded = coded / coded[-1]
    curve = coded * coded * (3 - 2 * coded)
    # rounded coarsely first: `**` may differ in its last place from machine to machine
    return np.asarray(np.rint(np.rint((coded + contrast * (curve - coded)) * 2**24) / 2**24 * 255), np.uint8)
