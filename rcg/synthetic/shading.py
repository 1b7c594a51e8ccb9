"""Kernels of the rig renderer: light on paper, lacquer and foil, cast shadows, resampling, noise.

They use only + - * / and the square root, without reordering (no fastmath), all of which IEEE 754 defines to the last
bit: the same input gives the same output on any processor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rcg.synthetic.surface import Layer

LOBE_STEPS = 4096
_FRACTIONS = 256
_STEPS = 1 << 16  # of the table of the normal distribution


def lobe_table(lobe: float) -> Layer:
    """cos(angle) ** lobe against the cosine, (4098,) float32: between its steps it is read linearly."""
    return np.power(np.arange(LOBE_STEPS + 2) / LOBE_STEPS, lobe).astype(np.float32)


@njit(cache=True, error_model="numpy")
def slopes(height_um: Any, cover: Any, step_um: float, right: Any, down: Any) -> None:
    """Slope of a height map to the right and downwards, from differences of fourth order.

    Of heights averaged over pixels these give slopes averaged over pixels. Beyond the card's edge no height counts.
    """
    rows, columns = height_um.shape
    for v in range(rows):
        for u in range(columns):
            for axis in range(2):
                du, dv = 1 - axis, axis
                reach = 0
                while reach < 2:
                    far = reach + 1
                    a, b, c, d = u - far * du, v - far * dv, u + far * du, v + far * dv
                    if a < 0 or b < 0 or c >= columns or d >= rows or cover[b, a] == 0 or cover[d, c] == 0:
                        break
                    reach = far
                slope = 0.0
                if reach >= 1:
                    slope = (height_um[v + dv, u + du] - height_um[v - dv, u - du]) / (2 * step_um)
                if reach == 2:
                    wide = (height_um[v + 2 * dv, u + 2 * du] - height_um[v - 2 * dv, u - 2 * du]) / (4 * step_um)
                    slope = (4 * slope - wide) / 3
                if axis == 0:
                    right[v, u] = slope
                else:
                    down[v, u] = slope


@njit(cache=True, error_model="numpy")
def _shadow(height_um: Any, u: int, v: int, du: float, dv: float, rise_um: float, reach: int) -> float:  # noqa: PLR0917
    """How much of a lamp a point sees, 0 to 1: the relief between, in steps of one pixel towards the lamp."""
    rows, columns = height_um.shape
    seen = 1.0
    for k in range(1, reach + 1):
        a, b = int(u + du * k + 0.5), int(v + dv * k + 0.5)
        if a < 0 or b < 0 or a >= columns or b >= rows:
            break
        over = (height_um[b, a] - height_um[v, u] - rise_um * k) / (0.5 * rise_um)
        seen = min(seen, max(0.0, 1.0 - max(0.0, over)))
        if seen == 0.0:
            break
    return seen


@njit(cache=True, error_model="numpy")
def _gloss(l: Any, v: Any, n: Any, alpha: float, skew: float, t: Any) -> tuple[float, float]:  # noqa: E741, PLR0917
    """Shape of a GGX highlight, pi D V, and Schlick's weight (1 - v.h)^5.

    After Walter et al. 2007, with the joint masking of Heitz 2014.
    `skew` stretches the lobe: alpha (1 + skew) along the direction t, alpha (1 - skew) across.
    """
    hx, hy, hz = l[0] + v[0], l[1] + v[1], l[2] + v[2]
    size = 1.0 / math.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx * size, hy * size, hz * size
    nl = n[0] * l[0] + n[1] * l[1] + n[2] * l[2]
    nv = max(1e-4, n[0] * v[0] + n[1] * v[1] + n[2] * v[2])
    nh = n[0] * hx + n[1] * hy + n[2] * hz
    vh = v[0] * hx + v[1] * hy + v[2] * hz
    w = 1.0 - vh
    weight = w * w * w * w * w
    if skew == 0.0:
        a2 = alpha * alpha
        d = nh * nh * (a2 - 1.0) + 1.0
        joint = nl * math.sqrt(nv * nv * (1.0 - a2) + a2) + nv * math.sqrt(nl * nl * (1.0 - a2) + a2)
        return a2 / (d * d) * 0.5 / joint, weight
    along, across = alpha * (1.0 + skew), alpha * (1.0 - skew)
    dot = n[0] * t[0] + n[1] * t[1]
    tx, ty, tz = t[0] - dot * n[0], t[1] - dot * n[1], -dot * n[2]
    size = 1.0 / math.sqrt(tx * tx + ty * ty + tz * tz)
    tx, ty, tz = tx * size, ty * size, tz * size
    bx, by, bz = n[1] * tz - n[2] * ty, n[2] * tx - n[0] * tz, n[0] * ty - n[1] * tx
    ht, hb = (hx * tx + hy * ty + hz * tz) / along, (hx * bx + hy * by + hz * bz) / across
    lt, lb = (l[0] * tx + l[1] * ty + l[2] * tz) * along, (l[0] * bx + l[1] * by + l[2] * bz) * across
    vt, vb = (v[0] * tx + v[1] * ty + v[2] * tz) * along, (v[0] * bx + v[1] * by + v[2] * bz) * across
    d = ht * ht + hb * hb + nh * nh
    joint = nl * math.sqrt(vt * vt + vb * vb + nv * nv) + nv * math.sqrt(lt * lt + lb * lb + nl * nl)
    return 1.0 / (along * across * d * d) * 0.5 / joint, weight


@njit(cache=True, error_model="numpy")
def shade(  # noqa: PLR0917
    out: Any,
    normal: Any,
    albedo: Any,
    rough: Any,
    foil: Any,
    cover: Any,
    height_um: Any,
    block_top: Any,
    place: Any,
    lamp: Any,
    gains: Any,
    lobe: Any,
    camera: Any,
    material: Any,
) -> None:
    """One lamp's light on a surface, as the camera sees it.

    Args:
        out: (channels, h, w) float32, written: 1 is white paper that faces a lamp of gain 1 at 1 mm.
        normal: (2, h, w) x and y of the unit normals.
        albedo: (channels, h, w) reflectance.
        rough: (h, w) GGX alpha.
        foil: (h, w) share of metal.
        cover: (h, w) share of the card, 0 to 255.
        height_um: (h, w) relief, with the table lower; of one row where nothing may cast a shadow.
        block_top: Greatest height of each block of 32 x 32 pixels and its neighbours.
        place: x, y, z in mm of pixel (u, v): [x0, xu, xv, y0, yu, yv, z0, zu, zv], and the shadow's step in um, reach.
        lamp: [x, y, z, axis x, axis y, axis z, radius] in mm.
        gains: (channels,) brightness.
        lobe: The table of the lobe.
        camera: [x, y, z, vignetting].
        material: [F0 of the coating, table's reflectance, brush x, brush y, brush strength].
    """
    channels, rows, columns = out.shape
    step_um, reach = place[9], int(place[10])
    brush = (material[2], material[3])
    for row in range(rows):
        for column in range(columns):
            x = place[0] + place[1] * column + place[2] * row
            y = place[3] + place[4] * column + place[5] * row
            z = place[6] + place[7] * column + place[8] * row
            lx, ly, lz = lamp[0] - x, lamp[1] - y, lamp[2] - z
            d2 = lx * lx + ly * ly + lz * lz
            size = 1.0 / math.sqrt(d2)
            lx, ly, lz = lx * size, ly * size, lz * size
            vx, vy, vz = camera[0] - x, camera[1] - y, camera[2] - z
            view = 1.0 / math.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx * view, vy * view, vz * view
            off = max(0.0, -(lx * lamp[3] + ly * lamp[4] + lz * lamp[5])) * LOBE_STEPS
            cell = min(int(off), LOBE_STEPS)
            light = (lobe[cell] + (off - cell) * (lobe[cell + 1] - lobe[cell])) / d2
            light *= 1.0 - camera[3] * (1.0 - vz * vz * vz * vz)
            if reach > 0:
                flat = math.sqrt(lx * lx + ly * ly)
                rise = step_um * lz / max(flat, 1e-9)
                if block_top[row >> 5, column >> 5] - height_um[row, column] > rise:
                    du, dv = (lx * place[1] + ly * place[4]), (lx * place[2] + ly * place[5])
                    long = 1.0 / max(math.sqrt(du * du + dv * dv), 1e-12)
                    light *= _shadow(height_um, column, row, du * long, dv * long, rise, reach)
            share = cover[row, column] / 255.0
            table = (1.0 - share) * material[1] * light * lz
            nx, ny = normal[0, row, column], normal[1, row, column]
            nz = math.sqrt(max(0.0, 1.0 - nx * nx - ny * ny))
            nl = nx * lx + ny * ly + nz * lz
            matte, coat, metal, bright = 0.0, 0.0, 0.0, 0.0
            if nl > 0.0 and share > 0.0:
                f = foil[row, column]
                alpha = rough[row, column] + 0.5 * lamp[6] * size  # the lamp's own size blurs its highlight
                sheen, weight = _gloss(
                    (lx, ly, lz), (vx, vy, vz), (nx, ny, nz), min(alpha, 1.0), f * material[4], brush
                )
                fresnel = material[0] + (1.0 - material[0]) * weight if material[0] > 0.0 else 0.0
                light *= nl * share
                matte, coat = (1.0 - f) * light, (1.0 - f) * light * sheen * fresnel
                metal, bright = f * light * sheen * (1.0 - weight), f * light * sheen * weight
            for c in range(channels):
                value = (matte + metal) * albedo[c, row, column] + coat + bright + table
                out[c, row, column] = gains[c] * value


def kernel(spread: float, box: float) -> Layer:
    """Weights of a Gaussian of `spread` pixels and a box of `box` pixels, for 256 places between two pixels.

    Each line sums to 1, and its centre of mass lies where it should, so that a resampled picture is not displaced.

    Returns:
        (257, taps) float32; the middle tap is the pixel to the left of, or at, the place.
    """
    from scipy.special import ndtr

    spread = max(spread, 0.3)  # between sharper peaks the pixels themselves would show
    radius = math.ceil(box / 2 + 3.5 * spread) + 1
    taps = np.arange(-radius, radius + 1)
    want = np.arange(_FRACTIONS + 1)[:, None] / _FRACTIONS

    def weights(middle: NDArray[np.float64]) -> NDArray[np.float64]:
        x = taps - middle
        if box > 1e-6:
            found = ndtr((x + box / 2) / spread) - ndtr((x - box / 2) / spread)
        else:
            found = np.exp(-0.5 * (x / spread) ** 2)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    low, high = want - 1.0, want + 1.0
    for _ in range(40):  # the centre of mass grows with the middle: halve the interval
        middle = (low + high) / 2
        short = (weights(middle) * taps).sum(axis=1, keepdims=True) < want
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.round(weights((low + high) / 2), 7).astype(np.float32)


@njit(cache=True, error_model="numpy")
def resample_rows(source: Any, weights: Any, start: float, step: float, skew: float, out: Any) -> None:  # noqa: PLR0917
    """Each row read at start + step * column + skew * row, in pixels of the source; edges go on."""
    rows, columns = out.shape
    taps = weights.shape[1]
    last = source.shape[1] - 1
    for row in range(rows):
        for column in range(columns):
            at = start + step * column + skew * row
            base = math.floor(at)
            line = int((at - base) * _FRACTIONS + 0.5)
            first = int(base) - taps // 2
            total = np.float32(0)
            if first >= 0 and first + taps - 1 <= last:
                for k in range(taps):
                    total += weights[line, k] * source[row, first + k]
            else:
                for k in range(taps):
                    total += weights[line, k] * source[row, min(max(first + k, 0), last)]
            out[row, column] = total


@njit(cache=True, error_model="numpy")
def resample_columns(source: Any, weights: Any, start: float, step: float, skew: float, out: Any) -> None:  # noqa: PLR0917
    """Each column read at start + step * row + skew * column, in pixels of the source; edges go on."""
    rows, columns = out.shape
    taps = weights.shape[1]
    last = source.shape[0] - 1
    for row in range(rows):
        for column in range(columns):
            at = start + step * row + skew * column
            base = math.floor(at)
            line = int((at - base) * _FRACTIONS + 0.5)
            first = int(base) - taps // 2
            total = np.float32(0)
            for k in range(taps):
                total += weights[line, k] * source[min(max(first + k, 0), last), column]
            out[row, column] = total


def normal_table() -> Layer:
    """The normal distribution in 65,536 equal shares, (65536,) float32 in steps of 1/4096; ends at 4.17."""
    from scipy.special import ndtri

    raw = ndtri((np.arange(_STEPS // 2, _STEPS) + 0.5) / _STEPS)
    half = np.round(raw / math.sqrt(np.mean(raw**2)) * 4096) / 4096
    return np.concatenate([-half[::-1], half]).astype(np.float32)


@njit(cache=True, error_model="numpy")
def _mixed(seed: Any, place: Any) -> Any:
    """64 random bits of a place (SplitMix64; Steele, Lea and Flood 2014): the same in whatever order it is asked."""
    z = seed + np.uint64(place + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, error_model="numpy")
def normal_values(seed: Any, table: Any, out: Any) -> None:
    """Fill a flat array with normal values of standard deviation 1."""
    for i in range(out.size):
        bits = _mixed(seed, i >> 2) >> np.uint64(16 * (i & 3))
        out[i] = table[int(bits & np.uint64(0xFFFF))]


@njit(cache=True, error_model="numpy")
def expose(light: Any, seed: Any, table: Any, a: float, b: float, offset: float, full: int, out: Any) -> None:  # noqa: PLR0917
    """Light in units of the sensor, with its noise, as whole numbers from 0 to full; flat arrays."""
    for i in range(light.size):
        mean = math.floor(min(max(light[i], 0.0), 2.0 * full) * 256.0 + 0.5) / 256.0
        value = mean + offset
        if a > 0.0:
            bits = _mixed(seed, i >> 2) >> np.uint64(16 * (i & 3))
            value += math.sqrt(a * mean + b) * table[int(bits & np.uint64(0xFFFF))]
        out[i] = int(min(max(math.floor(value + 0.5), 0.0), full))
