"""Weighted and robust least squares of many pixels at once in torch; the rules are those of `kernels.robust`."""

from __future__ import annotations

from typing import Any

from rcg.photometric.kernels import MAX_CONDITION
from rcg.photometric.solver_setup import Rules


def weighted(y: Any, lights: Any, w: Any) -> tuple[Any, Any, Any]:
    """Weighted least squares with the closed inverse of a symmetric 3 x 3 matrix.

    Args:
        y: (k, n) values.
        lights: (1 or n, k, 3).
        w: (k, n) weights.

    Returns:
        b (3, n), the inverse of L'WL as (6, n) xx, yy, zz, xz, yz, xy, and (n,) whether the lights decide it; b is zero
        where they do not.
    """
    import torch

    x, v, z = (lights[..., axis].T for axis in range(3))
    wx, wy, wz = w * x, w * v, w * z
    xx, yy, zz = (wx * x).sum(0), (wy * v).sum(0), (wz * z).sum(0)
    xy, xz, yz = (wx * v).sum(0), (wx * z).sum(0), (wy * z).sum(0)
    right = torch.stack([(part * y).sum(0) for part in (wx, wy, wz)])
    a, d, f = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
    b, c, e = xz * yz - xy * zz, xy * yz - xz * yy, xy * xz - xx * yz
    det = xx * a + xy * b + xz * c
    solved = det > 1e-7 * ((xx + yy + zz) / 3) ** 3
    det = torch.where(solved, det, 1.0)
    inverse = torch.stack([a, d, f, c, e, b]) / det
    a, d, f, c, e, b = inverse
    rows = torch.stack([torch.stack([a, b, c]), torch.stack([b, d, e]), torch.stack([c, e, f])])
    found = (rows * right).sum(dim=1)
    return torch.where(solved, found, 0.0), inverse, solved


def robust(y: Any, lights: Any, variance: Any, keep: Any, rules: Rules) -> tuple[Any, Any, Any]:
    """IRLS with Cauchy weights, after leaving out values far in the shade.

    Args:
        y: (k, n) values.
        lights: (1 or n, k, 3).
        variance: (k, n) of the values.
        keep: (k, n) 1 where a value counts.
        rules: See `Rules`.

    Returns:
        b (3, n), the inverse of L'WL as in `weighted`, and the last weights (k, n).
    """
    import torch

    keep = _without_shade(y, lights, keep, rules)
    noise = ((keep * variance).sum(0) / keep.sum(0).clamp_min(1)).sqrt()
    w = keep.clone()
    b, inverse, _ = weighted(y, lights, w)
    active = torch.ones(y.shape[1], dtype=torch.bool, device=y.device)
    before = torch.full_like(b, float("inf"))
    for turn in range(rules.turns):
        rest = (y - (lights @ b.T[..., None])[..., 0].T).abs()
        length = b.norm(dim=0)
        scale = (1.4826 * _middle(rest, keep)).maximum(rules.floor * length).maximum(noise).clamp_min(1e-30)
        new = keep / (1 + (rest / (rules.tuning * scale)) ** 2)
        w = torch.where(active, new, w)
        still = (b - before).abs().sum(0) >= 1e-4 * length
        active = active & (still if turn > 1 else torch.ones_like(still))
        before = b
        found, cover, solved = weighted(y, lights, w)
        b, inverse = torch.where(solved, found, b), torch.where(solved, cover, inverse)
        if not bool(active.any()):
            break
    return b, inverse, w


def _without_shade(y: Any, lights: Any, keep: Any, rules: Rules) -> Any:
    import torch

    left = keep * (y > rules.shade * _middle(y, keep))
    _, inverse, solved = weighted(y, lights, left)
    trace = (left * (lights**2).sum(-1).T).sum(0)
    number = (trace * (inverse[0] + inverse[1] + inverse[2]) / 3).sqrt()
    fine = solved & (left.sum(0) >= 4) & (number < MAX_CONDITION)
    return torch.where(fine, left, keep)


def _middle(values: Any, keep: Any) -> Any:
    """(n,) the median of the kept values."""
    import torch

    ordered = torch.where(keep > 0, values, float("inf")).sort(dim=0).values
    count = (keep > 0).sum(0)
    upper = ordered.gather(0, (count // 2).clamp_max(len(values) - 1)[None])[0]
    lower = ordered.gather(0, ((count - 1) // 2).clamp_min(0)[None])[0]
    return 0.5 * (upper + lower)
