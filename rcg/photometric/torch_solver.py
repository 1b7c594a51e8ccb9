"""The normal solver in torch, for GPUs: the same rules as the kernels, over whole tiles at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from rcg.errors import ConfigError, MissingExtra
from rcg.photometric.solver_setup import Rules, Setup
from rcg.photometric.torch_rules import robust, weighted


class TorchSolver:
    """Solves tiles of one capture on a torch device.

    Args:
        setup: The capture made ready.
        rules: How residuals are judged.
        device: "torch-cpu", or what torch calls its device, such as "cuda" or "cuda:1".

    Raises:
        ConfigError: If torch has no such device here.
        MissingExtra: If torch is not installed.
    """

    def __init__(self, setup: Setup, rules: Rules, *, device: str) -> None:
        try:
            import torch
        except ImportError as gone:
            raise MissingExtra("torch is not installed", fix="pip install torch, or use device='cpu'") from gone
        name = "cpu" if device == "torch-cpu" else device
        try:
            self.device = torch.device(name)
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError) as failed:
            fix = "use 'cpu', 'torch-cpu', or 'cuda' on a machine with a GPU"
            raise ConfigError(f"torch cannot use the device {device!r}", fix=fix) from failed
        self.setup, self.rules = setup, rules
        self.grid, self.cov = self._there(setup.grid), self._there(setup.cov[..., 0])
        self.glow = self._there(setup.glow[..., 0])
        self.low, self.shares = self._there(setup.low), self._there(setup.shares)
        self.uniform = setup.grid.shape[:2] == (1, 1)
        self.maps = self._maps() if self.uniform else None

    def _there(self, values: Any) -> Any:
        import torch

        return torch.as_tensor(np.ascontiguousarray(values), device=self.device)

    def _maps(self) -> Any:
        """(k + 1, k): from values to b, to what b leaves (an orthonormal basis of it), and to the mean shot noise."""
        node = self.setup.grid[0, 0].astype(np.float64)
        outside = np.linalg.svd(node[:, 3:6], full_matrices=True)[0][:, 3:]
        foretold = self.setup.noise[0] * (node[:, 6:] * node[:, 3:6]).mean(axis=0) @ node[:, :3].T
        rows = [node[:, :3].T, outside.T * node[:, 6], foretold[None]]
        return self._there(np.concatenate(rows).astype(np.float32))

    def solve(self, top: int, bottom: int, planes: Any) -> None:
        """Solve rows `top` to `bottom` into the planes."""
        import torch

        with torch.inference_mode():
            m, good = self._values(top, bottom)
            m = self._without_glow(m, top)
            b, spread, rest, cov = self._uniform(m) if self.uniform else self._graded(m, top)
            count = len(m)
            used = torch.full(spread.shape, count, dtype=torch.uint8, device=self.device)
            chi2 = rest / spread / max(count - 3, 1)
            sd = _slope_sd(b, cov, spread)
            inside = self._mask(top, bottom)
            again = ~good | (chi2 > self.rules.fit)
            again = again & inside if inside is not None else again
            which = again.nonzero()[:, 0]
            if len(which):
                solved = self._again(m[:, which], which, top)
                b[:, which], used[which], chi2[which], sd[which] = solved
            if inside is not None:
                used[~inside] = 0
            self._write(planes, top, bottom, b, used, chi2, sd)

    def _values(self, top: int, bottom: int) -> tuple[Any, Any]:
        """(k, n) values above dark, -1 where one does not count, and (n,) whether all count."""
        import torch

        setup = self.setup
        tile = self._there(setup.frames[:, top:bottom])
        dark = setup.dark if setup.dark.shape[1] == 1 else setup.dark[:, top:bottom]
        if tile.dtype == torch.uint16:
            tile = tile.to(torch.int32)
        if tile.shape[3] == 1:
            m = tile[..., 0].to(torch.float32)
        else:
            m = (tile.to(torch.float32) * self.shares[:, None, None, :]).sum(dim=3)
        if setup.dark.any():
            m = m - self._there(dark)
        m = m.reshape(len(m), -1)
        if bool((m.amin(dim=1) > self.low).all()) and bool(tile.amax() < setup.high):  # a NaN fails both
            return m, torch.ones(m.shape[1], dtype=torch.bool, device=self.device)
        below = (tile[..., 0] < setup.high) if tile.shape[3] == 1 else (tile < setup.high).all(dim=3)
        counts = below.reshape(len(m), -1) & (m > self.low[:, None])
        return torch.where(counts, m, -1.0), counts.all(dim=0)

    def _without_glow(self, m: Any, top: int) -> Any:
        """The values with what gloss adds taken off; a fiftieth stays; those that do not count stay."""
        import torch

        if len(self.setup.glow) == 0:
            return m
        added = self._between(torch.arange(m.shape[1], device=self.device), top, self.glow)[0].T
        return torch.where(m < 0, m, (m - added).maximum(0.02 * m))

    def _uniform(self, m: Any) -> tuple[Any, Any, Any, Any]:
        count = len(m)
        found = self.maps @ m
        left = found[3:count]
        rest = (left * left).sum(dim=0)
        floor = float(self.setup.noise[1]) * (self.grid[0, 0, :, 6] ** 2).mean()
        return found[:3], (found[count] + floor).clamp_min(1e-30), rest, self.cov[0, 0][:, None]

    def _graded(self, m: Any, top: int) -> tuple[Any, Any, Any, Any]:
        import torch

        at = torch.arange(m.shape[1], device=self.device)
        nodes, cov = self._nodes(at, top)
        b = torch.einsum("nkx,kn->xn", nodes[..., :3], m)
        gain = nodes[..., 6].T
        left = gain * m - torch.einsum("nkx,xn->kn", nodes[..., 3:6], b)
        a, floor = (float(value) for value in self.setup.noise)
        spread = (gain * gain * (a * m + floor)).mean(dim=0)
        return b, spread.clamp_min(1e-30), (left * left).sum(dim=0), cov.T

    def _nodes(self, which: Any, top: int) -> tuple[Any, Any]:
        """Coefficients (n, k, 7) and covariances (n, 6) at pixels of a tile."""
        nodes, cov = self._between(which, top, self.grid, self.cov)
        return nodes, cov

    def _between(self, which: Any, top: int, *grids: Any) -> tuple[Any, ...]:
        """Grids (rows, columns, ...) at pixels of a tile, bilinear between the nodes."""
        width, height = self.setup.frames.shape[2], self.setup.frames.shape[1]
        rows, columns = self.grid.shape[:2]
        y, x = which // width + top, which % width
        at = y.double() * ((rows - 1) / max(height - 1, 1)), x.double() * ((columns - 1) / max(width - 1, 1))
        low = [value.long().clamp(0, max(size - 2, 0)) for value, size in zip(at, (rows, columns), strict=True)]
        high = [(value + 1).clamp_max(size - 1) for value, size in zip(low, (rows, columns), strict=True)]
        down, right = ((value - first).float() for value, first in zip(at, low, strict=True))

        def between(grid: Any) -> Any:
            shape = (-1, *([1] * (grid.ndim - 2)))
            u, v = right.reshape(shape), down.reshape(shape)
            upper = grid[low[0], low[1]] * (1 - u) + grid[low[0], high[1]] * u
            lower = grid[high[0], low[1]] * (1 - u) + grid[high[0], high[1]] * u
            return upper * (1 - v) + lower * v

        return tuple(between(grid) for grid in grids)

    def _again(self, m: Any, which: Any, top: int) -> tuple[Any, Any, Any, Any]:
        """Solve single pixels with the lights that count: b, used, chi2, slope sd."""
        import torch

        nodes = self.grid[0, 0].double()[None] if self.uniform else self._nodes(which, top)[0].double()
        m = m.double()
        lights, gain = nodes[..., 3:6], nodes[..., 6].T
        keep = (m >= 0).double()
        y = m * gain
        a, floor = (float(value) for value in self.setup.noise)
        variance = gain**2 * (a * m.clamp_min(0) + floor).clamp_min(1e-30)
        count = keep.sum(dim=0)
        b, inverse, solved = weighted(y, lights, keep)
        spread = (keep * variance).sum(dim=0) / count.clamp_min(1)
        chi2 = _misfit(y, lights, keep, b) / spread.clamp_min(1e-30) / (count - 3).clamp_min(1)
        fire = (solved & (chi2 > self.rules.fit) & (count > 3)).nonzero()[:, 0]
        if len(fire):
            part = lights if len(lights) == 1 else lights[fire]
            found, cover, weights = robust(y[:, fire], part, variance[:, fire], keep[:, fire], self.rules)
            kept = (weights >= 0.25).double()
            number = kept.sum(dim=0)
            average = ((kept * variance[:, fire]).sum(dim=0) / number.clamp_min(3)).clamp_min(1e-30)
            number = number.clamp_min(3)
            chi2[fire] = _misfit(y[:, fire], part, kept, found) / average / (number - 3).clamp_min(1)
            b[:, fire], inverse[:, fire], spread[fire], count[fire] = found, cover, average, number
        length = _length(b)
        solved = solved & (count >= 3) & (length > 1e-20)
        sd = _slope_sd(b, inverse, spread)
        used = torch.where(solved, count, 0)
        return b.float(), used.to(torch.uint8), chi2.float(), sd.float()

    def _mask(self, top: int, bottom: int) -> Any:
        mask = self.setup.mask
        return None if mask.size == 1 else self._there(mask[top:bottom].reshape(-1) > 0)

    def _write(self, planes: Any, top: int, bottom: int, b: Any, used: Any, chi2: Any, sd: Any) -> None:  # noqa: PLR0917
        import torch

        shape = planes.albedo[top:bottom].shape
        length = _length(b)
        unit = b / length.clamp_min(1e-30)
        none = used == 0
        if bool(none.any()):
            up = torch.tensor([0.0, 0.0, 1.0], device=b.device)[:, None]
            unit, length = torch.where(none, up, unit), torch.where(none, 0.0, length)
            chi2, sd = torch.where(none, 0.0, chi2), torch.where(none, 0.0, sd)
        for axis in range(3):
            planes.normals[top:bottom, :, axis] = unit[axis].reshape(shape).cpu().numpy()
        planes.albedo[top:bottom] = length.reshape(shape).cpu().numpy()
        planes.used[top:bottom] = used.reshape(shape).cpu().numpy()
        planes.chi2[top:bottom] = chi2.clamp_max(65504).half().reshape(shape).cpu().numpy()
        planes.slope_sd[top:bottom] = sd.clamp_max(65504).half().reshape(shape).cpu().numpy()


def _length(b: Any) -> Any:
    """Of each column; torch's own norm over a short first axis takes fifty times as long."""
    return (b * b).sum(dim=0).sqrt()


def _slope_sd(b: Any, cov: Any, spread: Any) -> Any:
    """Standard deviation of the slope, from Cov(b) = spread (xx, yy, zz, xz, yz, xy) by the chain rule."""
    length = _length(b).clamp_min(1e-30)
    up = 1 / b[2].maximum(0.05 * length)
    p, q = -b[0] * up, -b[1] * up
    total = cov[0] + cov[1] + 2 * (p * cov[3] + q * cov[4]) + (p * p + q * q) * cov[2]
    return up * (0.5 * total * spread).clamp_min(0).sqrt()


def _misfit(y: Any, lights: Any, keep: Any, b: Any) -> Any:
    return (keep * (y - (lights @ b.T[..., None])[..., 0].T) ** 2).sum(dim=0)
