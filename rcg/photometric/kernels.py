"""Kernels of the normal solver on the CPU: one row at a time, planar loops that the compiler turns into SIMD.

Where every light counts, b = albedo * normal is a fixed linear map of the values (the pseudo-inverse, bilinear between
the nodes of the light field). Pixels where a light does not count, or whose residual is too large, are solved again,
many side by side. Compiled code is kept in numba's cache, which does not see a change of what is called from another
file: all that these kernels call stands here. No `nnan` in fastmath: frames of floats may hold NaN, and a comparison
with one must stay false.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract", "arcp", "nsz"}
_JIT: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": _FAST, "error_model": "numpy"}

MAX_CONDITION = 20.0
"""Of the lights' matrix: lights are only left out while the rest stays better than this."""

BATCH = 64
"""Pixels that are solved again side by side."""


@njit(**_JIT)
def load_row(  # noqa: PLR0917
    frames: Any, dark: Any, y: int, shares: Any, low: Any, high: float, whole: bool, m: Any, bad: Any
) -> None:
    """Grey values above dark, (k, w), of one row; -1 and `bad` where a value does not count.

    Args:
        frames: (k, h, w, c) with one or three channels.
        dark: (k or 1, h or 1, w or 1).
        y: The row.
        shares: (k, c) weights of the channels.
        low: (k,) a value above dark counts above this.
        high: And where every channel is below this, in the units of the frames.
        whole: Whether the frames hold whole numbers.
        m: Out, (k, w) float32.
        bad: Out, (w,) uint8.
    """
    bad[:] = 0
    for i in range(frames.shape[0]):
        shade = dark[min(i, dark.shape[0] - 1), min(y, dark.shape[1] - 1)]
        least, most = np.float32(low[i]), np.float32(high)
        if frames.shape[3] == 3:
            load_colour(frames[i, y], shade, shares[i], least, most, m[i], bad)
        elif not (whole and shade.size == 1 and load_clean(frames[i, y, :, 0], shade[0], least, most, m[i])):
            load_grey(frames[i, y, :, 0], shade, least, most, m[i], bad)


@njit(**_JIT)
def load_clean(row: Any, shade: Any, least: Any, most: Any, out: Any) -> bool:
    """A row of whole numbers in which every value counts: its extremes alone tell that. False where one does not."""
    lowest, highest = row[0], row[0]
    for x in range(out.size):
        lowest, highest = min(lowest, row[x]), max(highest, row[x])
    if not (np.float32(highest) < most and np.float32(lowest) - shade > least):
        return False
    for x in range(out.size):
        out[x] = np.float32(row[x]) - shade
    return True


@njit(**_JIT)
def load_grey(row: Any, shade: Any, least: Any, most: Any, out: Any, bad: Any) -> None:  # noqa: PLR0917
    """A row of one grey frame."""
    even = np.float32(shade[0])
    for x in range(out.size):
        value = np.float32(row[x])
        above = value - (even if shade.size == 1 else shade[x])
        counts = (value < most) & (above > least)
        out[x] = above if counts else np.float32(-1)
        bad[x] |= np.uint8(not counts)


@njit(**_JIT)
def load_colour(row: Any, shade: Any, share: Any, least: Any, most: Any, out: Any, bad: Any) -> None:  # noqa: PLR0917
    """A row of one frame with three channels."""
    for x in range(out.size):
        red, green, blue = row[x, 0], row[x, 1], row[x, 2]
        grey = share[0] * np.float32(red) + share[1] * np.float32(green) + share[2] * np.float32(blue)
        above = grey - shade[min(x, shade.size - 1)]
        counts = (red < most) & (green < most) & (blue < most) & (above > least)
        out[x] = above if counts else np.float32(-1)
        bad[x] |= np.uint8(not counts)


@njit(**_JIT)
def between_rows(grid: Any, at: float, out: Any) -> None:
    """A grid (rows, columns, ...) between two of its rows."""
    low = min(int(at), max(grid.shape[0] - 2, 0))
    share = np.float32(at - low)
    high = min(low + 1, grid.shape[0] - 1)
    for c in range(grid.shape[1]):
        for i in range(grid.shape[2]):
            for e in range(grid.shape[3]):
                out[c, i, e] = grid[low, c, i, e] * (np.float32(1) - share) + grid[high, c, i, e] * share


@njit(**_JIT)
def sums_even(m: Any, node: Any, shot: Any, b: Any, spread: Any, rest: Any) -> None:  # noqa: PLR0917
    """Fill b, mean variance and squared residual of a row whose pixels all see the same lights.

    `shot` (4,) gives the mean variance as the b that was found foretells it: shot[:3] . b + shot[3].
    """
    count = m.shape[0]
    bx, by, bz = b[0], b[1], b[2]
    bx[:], by[:], bz[:], rest[:] = 0, 0, 0, 0
    for i in range(0, count, 4):  # four lights at a time quarter the traffic of the sums
        j, k, e = min(i + 1, count - 1), min(i + 2, count - 1), min(i + 3, count - 1)
        second, third, fourth = np.float32(j > i), np.float32(k > j), np.float32(e > k)
        p0, p1, p2 = node[i, 0], node[i, 1], node[i, 2]
        q0, q1, q2 = node[j, 0] * second, node[j, 1] * second, node[j, 2] * second
        r0, r1, r2 = node[k, 0] * third, node[k, 1] * third, node[k, 2] * third
        s0, s1, s2 = node[e, 0] * fourth, node[e, 1] * fourth, node[e, 2] * fourth
        m0, m1, m2, m3 = m[i], m[j], m[k], m[e]
        for x in range(bx.size):
            bx[x] += p0 * m0[x] + q0 * m1[x] + r0 * m2[x] + s0 * m3[x]
            by[x] += p1 * m0[x] + q1 * m1[x] + r1 * m2[x] + s1 * m3[x]
            bz[x] += p2 * m0[x] + q2 * m1[x] + r2 * m2[x] + s2 * m3[x]
    for i in range(0, count, 4):
        j, k, e = min(i + 1, count - 1), min(i + 2, count - 1), min(i + 3, count - 1)
        second, third, fourth = np.float32(j > i), np.float32(k > j), np.float32(e > k)
        p0, p1, p2, pg = node[i, 3], node[i, 4], node[i, 5], node[i, 6]
        q0, q1, q2, qg = node[j, 3] * second, node[j, 4] * second, node[j, 5] * second, node[j, 6] * second
        r0, r1, r2, rg = node[k, 3] * third, node[k, 4] * third, node[k, 5] * third, node[k, 6] * third
        s0, s1, s2, sg = node[e, 3] * fourth, node[e, 4] * fourth, node[e, 5] * fourth, node[e, 6] * fourth
        m0, m1, m2, m3 = m[i], m[j], m[k], m[e]
        for x in range(bx.size):
            p = pg * m0[x] - p0 * bx[x] - p1 * by[x] - p2 * bz[x]
            q = qg * m1[x] - q0 * bx[x] - q1 * by[x] - q2 * bz[x]
            r = rg * m2[x] - r0 * bx[x] - r1 * by[x] - r2 * bz[x]
            s = sg * m3[x] - s0 * bx[x] - s1 * by[x] - s2 * bz[x]
            rest[x] += p * p + q * q + r * r + s * s
    sx, sy, sz, floor = shot[0], shot[1], shot[2], shot[3]
    for x in range(bx.size):
        spread[x] = max(sx * bx[x] + sy * by[x] + sz * bz[x], np.float32(0)) + floor


@njit(**_JIT)
def foretold(node: Any, noise: Any) -> Any:
    """The mean variance over the lights as a linear map of b (4,): see `sums_even`."""
    shot = np.zeros(4, np.float32)
    for i in range(node.shape[0]):
        shot[0] += noise[0] * node[i, 6] * node[i, 3] / node.shape[0]
        shot[1] += noise[0] * node[i, 6] * node[i, 4] / node.shape[0]
        shot[2] += noise[0] * node[i, 6] * node[i, 5] / node.shape[0]
        shot[3] += noise[1] * node[i, 6] * node[i, 6] / node.shape[0]
    shot[3] += np.float32(1e-30)
    return shot


@njit(**_JIT)
def sums_graded(  # noqa: PLR0917
    m: Any,
    one: Any,
    two: Any,
    from_x: float,
    step: float,
    noise: Any,
    first: int,
    last: int,
    b: Any,
    spread: Any,
    rest: Any,
) -> None:
    """The same between two nodes of the light field, `step` pixels apart, the first at `from_x`."""
    count = m.shape[0]
    scale = np.float32(1 / step)
    off = np.float32(first - from_x)
    bx, by, bz = b[0, first:last], b[1, first:last], b[2, first:last]
    noises, left_over = spread[first:last], rest[first:last]
    bx[:], by[:], bz[:], noises[:], left_over[:] = 0, 0, 0, np.float32(1e-30), 0
    shot, floor = np.float32(noise[0] / np.float32(count)), np.float32(noise[1] / np.float32(count))
    for i in range(count):
        px, py, pz, gain = one[i, 0], one[i, 1], one[i, 2], one[i, 6]
        dx, dy, dz = (two[i, 0] - px) * scale, (two[i, 1] - py) * scale, (two[i, 2] - pz) * scale
        dg = (two[i, 6] - gain) * scale
        row = m[i, first:last]
        for x in range(row.size):
            u = off + np.float32(x)
            value = row[x]
            bx[x] += (px + dx * u) * value
            by[x] += (py + dy * u) * value
            bz[x] += (pz + dz * u) * value
            g = gain + dg * u
            noises[x] += g * g * (shot * value + floor)
    for i in range(count):
        lx, ly, lz, gain = one[i, 3], one[i, 4], one[i, 5], one[i, 6]
        dx, dy, dz = (two[i, 3] - lx) * scale, (two[i, 4] - ly) * scale, (two[i, 5] - lz) * scale
        dg = (two[i, 6] - gain) * scale
        row = m[i, first:last]
        for x in range(row.size):
            u = off + np.float32(x)
            left = (gain + dg * u) * row[x] - (lx + dx * u) * bx[x] - (ly + dy * u) * by[x] - (lz + dz * u) * bz[x]
            left_over[x] += left * left


@njit(**_JIT)
def finish_row(  # noqa: PLR0917
    b: Any, spread: Any, rest: Any, count: int, over: Any, up: Any, normals: Any, albedo: Any, chi2: Any
) -> None:
    """Normals, albedo and chi2 of a row where every light counts.

    Args:
        b: (3, w) albedo * normal.
        spread: (w,) mean variance.
        rest: (w,) squared residual.
        count: How many lights there are.
        over: Out, (w,) one over the albedo.
        up: Out, (w,) one over b's height, as far as it is not grazing.
        normals: Out, (3 * w,), a row of the plane.
        albedo: Out, (w,).
        chi2: Out, (w,).
    """
    free = np.float32(1.0 / max(count - 3, 1))
    tiny, least = np.float32(1e-15), np.float32(0.05)
    bx, by, bz = b[0], b[1], b[2]
    for x in range(bx.size):
        length = np.sqrt(bx[x] * bx[x] + by[x] * by[x] + bz[x] * bz[x]) + tiny
        base = max(least * length, bz[x])
        both = np.float32(1) / (length * base)  # one division serves two: they take the most time here
        over[x] = both * base
        up[x] = both * length
        albedo[x] = length
        chi2[x] = rest[x] * free / spread[x]
    for x in range(bx.size):
        normals[3 * x] = bx[x] * over[x]  # one index into the row: two would not be turned into SIMD
        normals[3 * x + 1] = by[x] * over[x]
        normals[3 * x + 2] = bz[x] * over[x]


@njit(**_JIT)
def slopes_even(b: Any, up: Any, spread: Any, cov: Any, sd: Any) -> None:
    """Slope sd of a row; `cov` (6,) is xx, yy, zz, xz, yz, xy of (L'L)^-1."""
    bx, by = b[0], b[1]
    flat, czz, cxz, cyz = cov[0] + cov[1], cov[2], 2 * cov[3], 2 * cov[4]
    half = np.float32(0.5)
    for x in range(sd.size):
        p, q = -bx[x] * up[x], -by[x] * up[x]
        sd[x] = up[x] * np.sqrt(half * abs((flat + p * cxz + q * cyz + (p * p + q * q) * czz) * spread[x]))


@njit(**_JIT)
def slopes_graded(b: Any, up: Any, spread: Any, cov: Any, sd: Any) -> None:
    """The same where the lights differ along the row: `cov` is (6, w)."""
    bx, by, cxx, cyy, czz, cxz, cyz = b[0], b[1], cov[0], cov[1], cov[2], cov[3], cov[4]
    half, two = np.float32(0.5), np.float32(2)
    for x in range(sd.size):
        p, q = -bx[x] * up[x], -by[x] * up[x]
        total = cxx[x] + cyy[x] + two * (p * cxz[x] + q * cyz[x]) + (p * p + q * q) * czz[x]
        sd[x] = up[x] * np.sqrt(half * abs(total * spread[x]))


@njit(**_JIT)
def any_bad(bad: Any, fits: Any, worst: Any) -> bool:
    """Whether a pixel of the row is to be solved by itself."""
    found = np.uint8(0)
    for x in range(bad.size):
        found |= bad[x] | np.uint8(fits[x] > worst)
    return bool(found > 0)


@njit(**_JIT)
def to_half(values: Any, out: Any) -> None:
    """float32 of zero or more (given as its bits, uint32) as float16 bits, rounded; too large becomes 65504."""
    for x in range(values.size):
        bits = min(values[x], np.uint32(0x477FE000))  # 65504
        half = (bits + np.uint32(0x0FFF) + ((bits >> np.uint32(13)) & np.uint32(1))) >> np.uint32(13)
        out[x] = np.uint16(half - np.uint32(0x1C000)) if bits >= np.uint32(0x38800000) else np.uint16(0)


@njit(**_JIT)
def weighted(y: Any, lights: Any, w: Any, many: int, cover: Any, b: Any, room: Any) -> None:  # noqa: PLR0917
    """Weighted least squares of many pixels with the closed inverse of a symmetric 3 x 3 matrix.

    Args:
        y: (k, n) values.
        lights: (3, k, n) directions.
        w: (k, n) weights.
        many: How many pixels there are.
        cover: In and out, (7, n): the inverse of L'WL as xx, yy, zz, xy, xz, yz, and whether the lights decide it; the
            rest stays as it is where they do not.
        b: In and out, (3, n), likewise.
        room: (9, n).
    """
    room[:] = 0
    vx, vy, vz, xx, yy, zz, xy, xz, yz = room[0], room[1], room[2], room[3], room[4], room[5], room[6], room[7], room[8]
    for i in range(y.shape[0]):
        value, weight, lx, ly, lz = y[i], w[i], lights[0, i], lights[1, i], lights[2, i]
        for j in range(many):
            px, py, pz = weight[j] * lx[j], weight[j] * ly[j], weight[j] * lz[j]
            vx[j] += px * value[j]
            vy[j] += py * value[j]
            vz[j] += pz * value[j]
            xx[j] += px * lx[j]
            yy[j] += py * ly[j]
            zz[j] += pz * lz[j]
            xy[j] += px * ly[j]
            xz[j] += px * lz[j]
            yz[j] += py * lz[j]
    for j in range(many):
        a, d, f = yy[j] * zz[j] - yz[j] * yz[j], xx[j] * zz[j] - xz[j] * xz[j], xx[j] * yy[j] - xy[j] * xy[j]
        r, s, t = xz[j] * yz[j] - xy[j] * zz[j], xy[j] * yz[j] - xz[j] * yy[j], xy[j] * xz[j] - xx[j] * yz[j]
        det = xx[j] * a + xy[j] * r + xz[j] * s
        mean = (xx[j] + yy[j] + zz[j]) / 3
        cover[6, j] = 1.0 if det > 1e-7 * mean * mean * mean else 0.0
        if cover[6, j] > 0:
            over = 1 / det
            b[0, j] = (a * vx[j] + r * vy[j] + s * vz[j]) * over
            b[1, j] = (r * vx[j] + d * vy[j] + t * vz[j]) * over
            b[2, j] = (s * vx[j] + t * vy[j] + f * vz[j]) * over
            cover[0, j], cover[1, j], cover[2, j] = a * over, d * over, f * over
            cover[3, j], cover[4, j], cover[5, j] = r * over, s * over, t * over


@njit(**_JIT)
def middles(values: Any, keep: Any, many: int, ordered: Any, out: Any) -> None:
    """The median over the kept values of each of many pixels, 0 without any.

    Args:
        values: (k, n).
        keep: (k, n), above 0 where a value counts.
        many: How many pixels there are.
        ordered: Room, (k, n).
        out: Out, (n,).
    """
    count = values.shape[0]
    out[:] = 0
    for i in range(count):
        for j in range(many):
            ordered[i, j] = values[i, j] if keep[i, j] > 0 else np.inf
            out[j] += 1.0 if keep[i, j] > 0 else 0.0
    for turn in range(count):  # odd-even transposition: the same comparisons for every pixel
        for i in range(turn % 2, count - 1, 2):
            first, last = ordered[i], ordered[i + 1]
            for j in range(many):
                less, more = min(first[j], last[j]), max(first[j], last[j])
                first[j], last[j] = less, more
    for j in range(many):
        kept = int(out[j])
        out[j] = 0.5 * (ordered[(kept - 1) // 2, j] + ordered[kept // 2, j]) if kept else 0.0


@njit(**_JIT)
def robust(  # noqa: PLR0917
    y: Any, lights: Any, variance: Any, keep: Any, rules: Any, many: int, w: Any, cover: Any, b: Any, rest: Any,
    ordered: Any, room: Any, flat: Any,
) -> None:  # fmt: skip
    """IRLS with Cauchy weights, after leaving out values far in the shade; `keep`, `w`, `cover` and `b` are changed.

    Only called where the residual test fired: highlights lose their weight there alone. `rules` are shade, tuning
    constant, the scale's floor as a share of the albedo, and turns at most; see `Rules`. Pixels that have settled keep
    their weights while others still move.
    """
    count = y.shape[0]
    scale, active, noise = flat[0], flat[1], flat[2]
    old_x, old_y, old_z = flat[3], flat[4], flat[5]
    without_shade(y, lights, keep, rules[0], many, w, cover, b, ordered, room, flat)
    noise[:], active[:], scale[:] = 0, 1, 0
    for i in range(count):
        for j in range(many):
            w[i, j] = keep[i, j]
            noise[j] += keep[i, j] * variance[i, j]
            scale[j] += keep[i, j]
    for j in range(many):
        noise[j] = math.sqrt(noise[j] / max(scale[j], 1.0))
    for turn in range(int(rules[3])):
        old_x[:], old_y[:], old_z[:] = b[0], b[1], b[2]
        weighted(y, lights, w, many, cover, b, room)
        left_over(y, lights, b, many, rest)
        middles(rest, keep, many, ordered, scale)
        going = 0.0
        for j in range(many):
            length = math.sqrt(b[0, j] * b[0, j] + b[1, j] * b[1, j] + b[2, j] * b[2, j])
            spread = max(1.4826 * scale[j], rules[2] * length, noise[j], 1e-30)
            scale[j] = 1 / (rules[1] * spread)
        for i in range(count):
            for j in range(many):
                ratio = rest[i, j] * scale[j]
                w[i, j] = keep[i, j] / (1.0 + ratio * ratio) if active[j] > 0 else w[i, j]
        for j in range(many):
            length = math.sqrt(b[0, j] * b[0, j] + b[1, j] * b[1, j] + b[2, j] * b[2, j])
            moved = abs(b[0, j] - old_x[j]) + abs(b[1, j] - old_y[j]) + abs(b[2, j] - old_z[j])
            active[j] = 0.0 if turn > 1 and moved < 1e-4 * length else active[j]
            going += active[j]
        if going == 0:
            break
    weighted(y, lights, w, many, cover, b, room)


@njit(**_JIT)
def without_shade(  # noqa: PLR0917
    y: Any, lights: Any, keep: Any, share: float, many: int, w: Any, cover: Any, b: Any, ordered: Any, room: Any,
    flat: Any,
) -> None:  # fmt: skip
    """Leave values below a share of the pixel's median out of `keep`, where the lights that remain decide it well."""
    middle, square, left = flat[0], flat[1], flat[2]
    middles(y, keep, many, ordered, middle)
    square[:], left[:] = 0, 0
    for i in range(y.shape[0]):
        for j in range(many):
            w[i, j] = keep[i, j] if y[i, j] > share * middle[j] else 0.0
            square[j] += w[i, j] * (lights[0, i, j] ** 2 + lights[1, i, j] ** 2 + lights[2, i, j] ** 2)
            left[j] += w[i, j]
    weighted(y, lights, w, many, cover, b, room)
    for j in range(many):  # condition from the traces of L'L and of its inverse: exact within 1.8 times
        number = square[j] * (cover[0, j] + cover[1, j] + cover[2, j]) / 3
        fine = cover[6, j] > 0 and left[j] >= 4 and number < MAX_CONDITION * MAX_CONDITION
        left[j] = 1.0 if fine else 0.0
    for i in range(y.shape[0]):
        for j in range(many):
            keep[i, j] = w[i, j] if left[j] > 0 else keep[i, j]


@njit(**_JIT)
def left_over(y: Any, lights: Any, b: Any, many: int, rest: Any) -> None:
    """Fill (k, n) with the absolute residuals."""
    for i in range(y.shape[0]):
        lx, ly, lz = lights[0, i], lights[1, i], lights[2, i]
        for j in range(many):
            rest[i, j] = abs(y[i, j] - lx[j] * b[0, j] - ly[j] * b[1, j] - lz[j] * b[2, j])


@njit(**_JIT)
def fit_of(rest: Any, variance: Any, keep: Any, many: int, out: Any) -> None:
    """chi2, mean variance and count of the lights that count, into `out` (3, n)."""
    out[:] = 0
    for i in range(rest.shape[0]):
        for j in range(many):
            out[0, j] += keep[i, j] * rest[i, j] * rest[i, j]
            out[1, j] += keep[i, j] * variance[i, j]
            out[2, j] += keep[i, j]
    for j in range(many):
        out[1, j] = max(out[1, j] / max(out[2, j], 3.0), 1e-30)
        out[0, j] = out[0, j] / out[1, j] / max(out[2, j] - 3, 1.0)


@njit(**_JIT)
def solve_pixels(  # noqa: PLR0917
    m: Any, xs: Any, many: int, line: Any, step: float, noise: Any, fit: float, rules: Any, deep: Any,
    lights: Any, flat: Any, out: Any,
) -> None:  # fmt: skip
    """Up to `BATCH` pixels of a row with the lights that count: by least squares, and robustly where that fits ill.

    Args:
        m: (k, w) values above dark; -1 where one does not count.
        xs: (n,) the pixels, columns of `m`.
        many: How many there are.
        line: (columns, k, 7) coefficients of the row at the nodes; directions are 3 to 5, the gain 6.
        step: Pixels from node to node.
        noise: (a, b) of the variance.
        fit: chi2 above which the robust solution is taken; infinity for least squares alone.
        rules: Of `robust`.
        deep: Room, (6, k, n).
        lights: Room, (3, k, n).
        flat: Room, (41, n).
        out: Out, (6, n): b, chi2, slope sd, and how many lights counted, 0 where it is unsolved.
    """
    y, variance, keep, w, rest, ordered = deep[0], deep[1], deep[2], deep[3], deep[4], deep[5]
    cover, b, fits, room = flat[:7], flat[7:10], flat[10:13], flat[13:22]
    spare, plain = flat[22:28], flat[28:]
    columns = line.shape[0]
    for j in range(many):
        place = xs[j] / step if columns > 1 else 0.0
        low = min(int(place), max(columns - 2, 0))
        high, share = min(low + 1, columns - 1), np.float32(place - low)
        for i in range(m.shape[0]):
            one, two, rest_of = line[low, i], line[high, i], np.float32(1) - share
            gain = float(one[6] * rest_of + two[6] * share)
            for c in range(3):
                lights[c, i, j] = one[3 + c] * rest_of + two[3 + c] * share
            value = float(m[i, xs[j]])
            keep[i, j] = 1.0 if value >= 0 else 0.0
            y[i, j] = value * gain
            variance[i, j] = gain * gain * max(noise[0] * max(value, 0.0) + noise[1], 1e-30)
    flat[:] = 0
    weighted(y, lights, keep, many, cover, b, room)
    left_over(y, lights, b, many, rest)
    fit_of(rest, variance, keep, many, fits)
    fired = False
    for j in range(many):
        out[5, j] = fits[2, j] if fits[2, j] >= 3 and cover[6, j] > 0 else 0.0
        out[4, j] = 1.0 if out[5, j] > 3 and fits[0, j] > fit else 0.0
        fired |= out[4, j] > 0
    if fired:  # those that fit go along, and get back what they had
        plain[:] = flat[:13]
        robust(y, lights, variance, keep, rules, many, w, cover, b, rest, ordered, room, spare)
        left_over(y, lights, b, many, rest)
        for i in range(m.shape[0]):
            for j in range(many):  # weights below a quarter: an outlier, told apart
                keep[i, j] = 1.0 if keep[i, j] > 0 and w[i, j] >= 0.25 else 0.0
        fit_of(rest, variance, keep, many, fits)
        for j in range(many):
            if out[4, j] > 0:
                out[5, j] = max(fits[2, j], 3.0)
            else:
                flat[:13, j] = plain[:, j]
    for j in range(many):
        bx, by, bz = b[0, j], b[1, j], b[2, j]
        length = math.sqrt(bx * bx + by * by + bz * bz)
        up = 1 / max(bz, 0.05 * length, 1e-30)
        p, q = -bx * up, -by * up
        total = cover[0, j] + cover[1, j] + 2 * (p * cover[4, j] + q * cover[5, j]) + (p * p + q * q) * cover[2, j]
        out[0, j], out[1, j], out[2, j], out[3, j] = bx, by, bz, fits[0, j]
        out[4, j] = up * math.sqrt(max(0.5 * total * fits[1, j], 0.0))
        out[5, j] = out[5, j] if length > 1e-20 else 0.0


@njit(**_JIT)
def put(x: int, found: Any, row: Any) -> None:
    """Put one pixel's solution into its row; one that no light decided faces the camera and has no albedo.

    Args:
        x: Its column.
        found: (6,) as `solve_pixels` gives it.
        row: The row of the planes normals, albedo, used, chi2 and slope sd.
    """
    normals, albedo, used, fits, sds = row
    used[x] = int(found[5])
    length = math.sqrt(found[0] * found[0] + found[1] * found[1] + found[2] * found[2])
    if found[5] == 0:
        normals[x, 0], normals[x, 1], normals[x, 2] = 0, 0, 1
        albedo[x], fits[x], sds[x] = 0, 0, 0
        return
    normals[x, 0], normals[x, 1], normals[x, 2] = found[0] / length, found[1] / length, found[2] / length
    albedo[x], fits[x], sds[x] = length, found[3], found[4]


@njit(**_JIT)
def solve_again(  # noqa: PLR0917
    m: Any, bad: Any, fits: Any, inside: Any, line: Any, step: float, noise: Any, fit: float, rules: Any, room: Any,
    row: Any,
) -> None:  # fmt: skip
    """Solve those pixels of a row again that lack a light or fit ill, and put down those outside of the mask.

    Args:
        m: See `solve_pixels`.
        bad: (w,) whether a value does not count.
        fits: (w,) chi2 where every light counts.
        inside: (w,) a row of the mask, or (1,) for everywhere.
        line: See `solve_pixels`.
        step: See `solve_pixels`.
        noise: See `solve_pixels`.
        fit: See `solve_pixels`.
        rules: See `solve_pixels`.
        room: The pixels and the room of `solve_pixels`.
        row: See `put`.
    """
    xs, deep, lights, flat, out, nothing = room
    many, width = 0, bad.size
    for x in range(width):
        if inside.size > 1 and inside[x] == 0:
            put(x, nothing, row)
        elif bad[x] or fits[x] > fit:
            xs[many] = x
            many += 1
        if many == BATCH or (many and x == width - 1):
            solve_pixels(m, xs, many, line, step, noise, fit, rules, deep, lights, flat, out)
            for j in range(many):
                put(xs[j], out[:, j], row)
            many = 0


@njit(**_JIT)
def take_off(m: Any, glow: Any, at: float, step: float, gloss: Any) -> None:
    """Take what gloss adds off the values (k, w) of a row that lies at `at` in `glow`; those that do not count stay.

    A fiftieth of a value is left in any case, so that no pixel loses all its light. `gloss` is room, (columns, k, 1).
    """
    if glow.shape[0] == 0:
        return
    between_rows(glow, at, gloss)
    columns, none, least = gloss.shape[0], np.float32(-1), np.float32(0.02)
    for i in range(m.shape[0]):
        for c in range(max(columns - 1, 1)):
            after = min(c + 1, columns - 1)
            first = math.ceil(c * step - 1e-6)
            last = m.shape[1] if c >= columns - 2 else math.ceil((c + 1) * step - 1e-6)
            start, rise = gloss[c, i, 0], (gloss[after, i, 0] - gloss[c, i, 0]) / np.float32(step)
            row, off = m[i, first:last], np.float32(first - c * step)
            for x in range(row.size):
                value = row[x] - (start + rise * (np.float32(x) + off))
                row[x] = none if row[x] < 0 else max(value, least * row[x])


@njit(**_JIT)
def solve_rows(  # noqa: PLR0917
    frames: Any, dark: Any, shares: Any, low: Any, high: float, mask: Any, grid: Any, cov: Any, noise: Any, glow: Any,
    fit: float, rules: Any, top: int, bottom: int, normals: Any, albedo: Any, used: Any, even: Any, chi2: Any, sd: Any,
) -> None:  # fmt: skip
    """Solve rows `top` to `bottom` into whole planes.

    Args:
        frames: (k, h, w, c) of the sensor.
        dark: See `load_row`.
        shares: See `load_row`.
        low: See `load_row`.
        high: See `load_row`.
        mask: (h, w) uint8, or (1, 1) for everywhere.
        grid: (rows, columns, k, 7) float32: gain times pseudo-inverse, direction, gain, at nodes.
        cov: (rows, columns, 6, 1) float32: xx, yy, zz, xz, yz, xy of (L'L)^-1 at nodes.
        noise: (a, b) float32.
        glow: (rows, columns, k, 1) float32 at the nodes of `grid`, what gloss adds to a value; no rows for none.
        fit: See `solve_pixels`.
        rules: See `robust`.
        top: First row.
        bottom: Row after the last.
        normals: Out, (h, w, 3).
        albedo: Out, (h, w).
        used: Out, (h, w) uint8; not written where `even` says so.
        even: Out, (h,), whether every light counts at all pixels of a row.
        chi2: Out, (h, w) float16 as uint16.
        sd: Out, (h, w) float16 as uint16.
    """
    count, height, width, _ = frames.shape
    rows, columns = grid.shape[0], grid.shape[1]
    m, bad = np.empty((count, width), np.float32), np.empty(width, np.uint8)
    b, spread, rest = np.empty((3, width), np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    over, up, whole = np.empty(width, np.float32), np.empty(width, np.float32), frames.itemsize < 4
    line = np.empty((columns, count, 7), np.float32)
    covs, wide = np.empty((columns, 6, 1), np.float32), np.empty((6, 1 if columns == 1 else width), np.float32)
    fits, sds = np.empty(width, np.float32), np.empty(width, np.float32)
    room = (
        np.empty(BATCH, np.int64), np.empty((6, count, BATCH)), np.empty((3, count, BATCH)), np.empty((41, BATCH)),
        np.empty((6, BATCH)), np.zeros(6),
    )  # fmt: skip
    step = (width - 1) / max(columns - 1, 1)
    gloss = np.empty((columns, count, 1), np.float32)
    worst = np.float32(fit)
    for y in range(top, bottom):
        load_row(frames, dark, y, shares, low, high, whole, m, bad)
        at = y * (rows - 1) / max(height - 1, 1)
        if y == top or rows > 1:
            between_rows(grid, at, line)
            between_rows(cov, at, covs)
        take_off(m, glow, at, step, gloss)
        if columns == 1:
            sums_even(m, line[0], foretold(line[0], noise), b, spread, rest)
            finish_row(b, spread, rest, count, over, up, normals[y].reshape(-1), albedo[y], fits)
            slopes_even(b, up, spread, covs[0, :, 0], sds)
        else:
            for c in range(columns - 1):
                first = math.ceil(c * step - 1e-6)
                last = width if c == columns - 2 else math.ceil((c + 1) * step - 1e-6)
                if last > first:
                    sums_graded(m, line[c], line[c + 1], c * step, step, noise, first, last, b, spread, rest)
                    for e in range(6):
                        start, rise = covs[c, e, 0], (covs[c + 1, e, 0] - covs[c, e, 0]) / np.float32(step)
                        for x in range(first, last):
                            wide[e, x] = start + rise * np.float32(x - c * step)
            finish_row(b, spread, rest, count, over, up, normals[y].reshape(-1), albedo[y], fits)
            slopes_graded(b, up, spread, wide, sds)
        even[y] = mask.size == 1 and not any_bad(bad, fits, worst)
        if not even[y]:
            used[y] = count
            row = (normals[y], albedo[y], used[y], fits, sds)
            solve_again(m, bad, fits, mask[min(y, mask.shape[0] - 1)], line, step, noise, fit, rules, room, row)
        to_half(fits.view(np.uint32), chi2[y])
        to_half(sds.view(np.uint32), sd[y])
