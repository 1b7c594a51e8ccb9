"""Kernels of the normal solver on the CPU: one row at a time, planar loops that the compiler turns into SIMD.

Where every light counts, b = albedo * normal is a fixed linear map of the values (the pseudo-inverse, bilinear between
the nodes of the light field). Pixels where a light does not count, or whose residual is too large, are solved again one
by one. Compiled code is kept in numba's cache, which does not see a change of what is called from another file: all
that these kernels call stands here. No `nnan` in fastmath: frames of floats may hold NaN, and a comparison
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


@njit(**_JIT)
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


@njit(**_JIT)
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


@njit(**_JIT)
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


@njit(**_JIT)
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


@njit(**_JIT)
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


@njit(**_JIT)
def misfit(y: Any, lights: Any, keep: Any, b: Any) -> float:
    """Squared residual of the lights that count."""
    total = 0.0
    for i in range(y.size):
        if keep[i] > 0:
            left = y[i] - lights[i, 0] * b[0] - lights[i, 1] * b[1] - lights[i, 2] * b[2]
            total += left * left
    return total


@njit(**_JIT)
def pixel_nodes(line: Any, x: float, step: float, out: Any) -> None:
    """Coefficients (k, 7) at column x of a row of nodes (columns, k, 7)."""
    at = x / step if line.shape[0] > 1 else 0.0
    low = min(int(at), max(line.shape[0] - 2, 0))
    high = min(low + 1, line.shape[0] - 1)
    share = np.float32(at - low)
    for i in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[i, c] = line[low, i, c] * (np.float32(1) - share) + line[high, i, c] * share


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
    fit: float, rules: Any, top: int, bottom: int, normals: Any, albedo: Any, used: Any, chi2: Any, sd: Any,
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
        fit: See `solve_pixel`.
        rules: See `robust`.
        top: First row.
        bottom: Row after the last.
        normals: Out, (h, w, 3).
        albedo: Out, (h, w).
        used: Out, (h, w) uint8.
        chi2: Out, (h, w) float16 as uint16.
        sd: Out, (h, w) float16 as uint16.
    """
    count, height, width, _ = frames.shape
    rows, columns = grid.shape[0], grid.shape[1]
    m, bad = np.empty((count, width), np.float32), np.empty(width, np.uint8)
    b, spread, rest = np.empty((3, width), np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    over, up, whole = np.empty(width, np.float32), np.empty(width, np.float32), frames.itemsize < 4
    line, here = np.empty((columns, count, 7), np.float32), np.empty((count, 7), np.float32)
    covs, wide = np.empty((columns, 6, 1), np.float32), np.empty((6, 1 if columns == 1 else width), np.float32)
    fits, sds = np.empty(width, np.float32), np.empty(width, np.float32)
    flat, deep, out = np.empty((6, count)), np.empty((2, 6)), np.empty(5)
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
        used[y] = count
        for x in range(width if mask.size > 1 or any_bad(bad, fits, worst) else 0):
            outside = mask.size > 1 and mask[y, x] == 0
            if not (outside or bad[x] or fits[x] > fit):
                continue
            n = 0
            if not outside:
                pixel_nodes(line, float(x), step, here)
                n = solve_pixel(m[:, x], here, noise, fit, rules, flat, deep, out)
            used[y, x] = n
            if n == 0:
                normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = 0, 0, 1
                albedo[y, x], fits[x], sds[x] = 0, 0, 0
                continue
            length = math.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2])
            normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = out[0] / length, out[1] / length, out[2] / length
            albedo[y, x], fits[x], sds[x] = length, out[3], out[4]
        to_half(fits.view(np.uint32), chi2[y])
        to_half(sds.view(np.uint32), sd[y])
