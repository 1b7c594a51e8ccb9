"""Kernels that solve one pixel: with the lights that count there, and robustly where its residual is too large."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract", "arcp", "nsz"}
JIT: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": _FAST, "error_model": "numpy"}

MAX_CONDITION = 20.0
"""Of the lights' matrix: lights are only left out while the rest stays better than this."""


@njit(**JIT)
def solve3(m: Any, v: Any, out: Any) -> float:
    """Solve a symmetric 3 x 3 system given as xx, yy, zz, xy, xz, yz in closed form; the determinant, scaled."""
    xx, yy, zz, xy, xz, yz = m[0], m[1], m[2], m[3], m[4], m[5]
    a, d, f = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
    b, c, e = xz * yz - xy * zz, xy * yz - xz * yy, xy * xz - xx * yz
    det = xx * a + xy * b + xz * c
    mean = (xx + yy + zz) / 3
    if not det > 1e-7 * mean * mean * mean:
        return 0.0
    out[0] = (a * v[0] + b * v[1] + c * v[2]) / det
    out[1] = (b * v[0] + d * v[1] + e * v[2]) / det
    out[2] = (c * v[0] + e * v[1] + f * v[2]) / det
    m[0], m[1], m[2], m[3], m[4], m[5] = a / det, d / det, f / det, b / det, c / det, e / det
    return float(det / (mean * mean * mean))


@njit(**JIT)
def weighted(y: Any, lights: Any, w: Any, matrix: Any, b: Any) -> float:
    """Find b of weighted least squares and the inverse of L'WL in `matrix`; 0 where the lights do not decide it."""
    vx = vy = vz = xx = yy = zz = xy = xz = yz = 0.0
    for i in range(y.size):
        if w[i] > 0:
            lx, ly, lz, weight = lights[i, 0], lights[i, 1], lights[i, 2], w[i]
            vx += weight * lx * y[i]
            vy += weight * ly * y[i]
            vz += weight * lz * y[i]
            xx += weight * lx * lx
            yy += weight * ly * ly
            zz += weight * lz * lz
            xy += weight * lx * ly
            xz += weight * lx * lz
            yz += weight * ly * lz
    matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5] = xx, yy, zz, xy, xz, yz
    return float(solve3(matrix, (vx, vy, vz), b))


@njit(**JIT)
def condition(lights: Any, w: Any) -> float:
    """Condition number of the lights that count, from the traces of L'L and of its inverse: exact within 1.8 times."""
    matrix, b = np.empty(6), np.empty(3)
    xx = 0.0
    for i in range(w.size):
        if w[i] > 0:
            xx += lights[i, 0] ** 2 + lights[i, 1] ** 2 + lights[i, 2] ** 2
    if weighted(np.zeros(w.size), lights, (w > 0).astype(np.float64), matrix, b) == 0.0:
        return np.inf
    return float(math.sqrt(xx * (matrix[0] + matrix[1] + matrix[2]) / 3))


@njit(**JIT)
def middle(values: Any, keep: Any, room: Any) -> float:
    """The median of the kept values, by insertion: there are few."""
    n = 0
    for i in range(values.size):
        if keep[i] > 0:
            at = n
            while at > 0 and room[at - 1] > values[i]:
                room[at] = room[at - 1]
                at -= 1
            room[at] = values[i]
            n += 1
    if n == 0:
        return 0.0
    return float(room[n // 2] if n % 2 else 0.5 * (room[n // 2 - 1] + room[n // 2]))


@njit(**JIT)
def robust(  # noqa: PLR0917
    y: Any, lights: Any, sigma: Any, keep: Any, rules: Any, w: Any, matrix: Any, b: Any, rest: Any, room: Any
) -> None:
    """IRLS with Cauchy weights, after leaving out values far in the shade; `keep`, `w`, `matrix` and `b` are changed.

    Only called where the residual test fired: highlights lose their weight there alone. `rules` are shade, tuning
    constant, the scale's floor as a share of the albedo, and turns at most; see `Rules`.
    """
    shade = rules[0] * middle(y, keep, room)
    count, left = 0, 0
    for i in range(y.size):
        count += keep[i] > 0
        w[i] = 1.0 if keep[i] > 0 and y[i] > shade else 0.0
        left += w[i] > 0
    if left < count and left >= 4 and condition(lights, w) < MAX_CONDITION:
        for i in range(y.size):
            keep[i] = w[i]
    for i in range(y.size):
        w[i] = keep[i]
    for turn in range(int(rules[3])):
        before = b[0], b[1], b[2]
        if weighted(y, lights, w, matrix, b) == 0.0:
            break
        noise, n = 0.0, 0
        for i in range(y.size):
            rest[i] = abs(y[i] - lights[i, 0] * b[0] - lights[i, 1] * b[1] - lights[i, 2] * b[2])
            if keep[i] > 0:
                noise += sigma[i] * sigma[i]
                n += 1
        length = math.sqrt(b[0] * b[0] + b[1] * b[1] + b[2] * b[2])
        scale = max(1.4826 * middle(rest, keep, room), rules[2] * length, math.sqrt(noise / max(n, 1)), 1e-30)
        for i in range(y.size):
            if keep[i] > 0:
                ratio = rest[i] / (rules[1] * scale)
                w[i] = 1.0 / (1.0 + ratio * ratio)
        moved = abs(b[0] - before[0]) + abs(b[1] - before[1]) + abs(b[2] - before[2])
        if turn > 1 and moved < 1e-4 * length:
            break
    weighted(y, lights, w, matrix, b)


@njit(**JIT)
def solve_pixel(m: Any, nodes: Any, noise: Any, fit: float, rules: Any, flat: Any, deep: Any, out: Any) -> int:  # noqa: PLR0917
    """One pixel with the lights that count; `out` takes b, chi2 and slope sd. How many lights counted, 0 if unsolved.

    Args:
        m: (k,) values above dark; -1 where one does not count.
        nodes: (k, 7) coefficients at the pixel; directions are 3 to 5, the gain 6.
        noise: (a, b) of the variance.
        fit: chi2 above which the robust solution is taken; infinity for least squares alone.
        rules: Of `robust`.
        flat: (6, k) float64 room.
        deep: (2, 6) float64 room.
        out: (5,) float64.
    """
    y, sigma, keep, w, rest, room = flat[0], flat[1], flat[2], flat[3], flat[4], flat[5]
    matrix, b = deep[0], deep[1]
    lights = nodes[:, 3:6]
    count, spread = 0, 0.0
    for i in range(m.size):
        keep[i] = 1.0 if m[i] >= 0 else 0.0
        y[i] = m[i] * nodes[i, 6]
        sigma[i] = nodes[i, 6] * math.sqrt(max(noise[0] * max(m[i], 0) + noise[1], 1e-30))
        count += m[i] >= 0
        spread += keep[i] * sigma[i] * sigma[i]
    if count < 3 or weighted(y, lights, keep, matrix, b) == 0.0:
        return 0
    chi2 = misfit(y, lights, keep, b) / (spread / count) / max(count - 3, 1)
    if chi2 > fit and count > 3:
        robust(y, lights, sigma, keep, rules, w, matrix, b, rest, room)
        count, spread = 0, 0.0
        for i in range(m.size):
            keep[i] = 1.0 if keep[i] > 0 and w[i] >= 0.25 else 0.0  # weights below a quarter: an outlier, told apart
            count += keep[i] > 0
            spread += keep[i] * sigma[i] * sigma[i]
        count = max(count, 3)
        chi2 = misfit(y, lights, keep, b) / max(spread / count, 1e-30) / max(count - 3, 1)
    length = math.sqrt(b[0] * b[0] + b[1] * b[1] + b[2] * b[2])
    if not length > 1e-20:
        return 0
    up = 1 / max(b[2], 0.05 * length)
    p, q = -b[0] * up, -b[1] * up
    total = matrix[0] + matrix[1] + 2 * (p * matrix[4] + q * matrix[5]) + (p * p + q * q) * matrix[2]
    out[0], out[1], out[2], out[3] = b[0], b[1], b[2], chi2
    out[4] = up * math.sqrt(max(0.5 * total * spread / count, 0.0))
    return count


@njit(**JIT)
def misfit(y: Any, lights: Any, keep: Any, b: Any) -> float:
    """Squared residual of the lights that count."""
    total = 0.0
    for i in range(y.size):
        if keep[i] > 0:
            left = y[i] - lights[i, 0] * b[0] - lights[i, 1] * b[1] - lights[i, 2] * b[2]
            total += left * left
    return total


@njit(**JIT)
def pixel_nodes(line: Any, x: float, step: float, out: Any) -> None:
    """Coefficients (k, 7) at column x of a row of nodes (columns, k, 7)."""
    at = x / step if line.shape[0] > 1 else 0.0
    low = min(int(at), max(line.shape[0] - 2, 0))
    high = min(low + 1, line.shape[0] - 1)
    share = np.float32(at - low)
    for i in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[i, c] = line[low, i, c] * (np.float32(1) - share) + line[high, i, c] * share
