"""RoI align as one weighted gather: the values of torchvision's operator, several times faster on a CPU.

torchvision's backward pass on a CPU runs in one thread and jumps through memory channel by channel; it was a third of
a training step. Bilinear sampling is a weighted sum of feature rows, which `embedding_bag` takes with all channels of
a row side by side, forwards and backwards on all threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class RoiAlign(nn.Module):
    """Features of each box as a small grid, from the pyramid level that suits the box's size.

    The values are those of `torchvision.ops.MultiScaleRoIAlign` (He 2017, Mask R-CNN; Lin 2017, FPN, equation 1).

    Args:
        strides: Pixels a cell of each level, by the level's name in the pyramid.
        bins: Cells of the grid along each side.
        samples: Sampling points along each side of a cell.
    """

    def __init__(self, strides: Mapping[str, int], *, bins: int = 7, samples: int = 2) -> None:
        super().__init__()
        self.strides = dict(strides)
        self.bins = bins
        self.samples = samples

    def forward(self, maps: dict[str, Tensor], boxes: Sequence[Tensor], image_sizes: object) -> Tensor:  # noqa: ARG002
        """The grids of all boxes.

        Args:
            maps: The pyramid, (n, c, height, width) a level; levels without a stride are passed over.
            boxes: (k, 4) left, top, right, bottom in pixels of the batch, one tensor an image.
            image_sizes: Not needed; torchvision's heads pass it.

        Returns:
            (sum of k, c, bins, bins) features, the boxes in order.
        """
        levels = [maps[name] for name in self.strides]
        every = torch.cat(list(boxes))
        image = torch.cat([torch.full_like(each[:, 0], place) for place, each in enumerate(boxes)]).long()
        level = self._levels(every)
        table, start = _rows(levels)
        height, width, stride, first = (
            torch.tensor(values, device=every.device)[level]
            for values in (
                [each.shape[2] for each in levels],
                [each.shape[3] for each in levels],
                [float(each) for each in self.strides.values()],
                start,
            )
        )
        left, top, right, bottom = (every / stride[:, None]).unbind(1)
        row, row_weight = self._taps(top, (bottom - top).clamp(min=1), height)
        column, column_weight = self._taps(left, (right - left).clamp(min=1), width)
        begin = first + image * height * width
        places = (begin[:, None, None] + row * width[:, None, None])[:, :, None, :, None] + column[:, None, :, None, :]
        weights = row_weight[:, :, None, :, None] * column_weight[:, None, :, None, :]
        cells = every.shape[0] * self.bins * self.bins
        taps = (2 * self.samples) ** 2
        grids = nn.functional.embedding_bag(
            places.reshape(cells, taps), table, per_sample_weights=weights.reshape(cells, taps), mode="sum"
        )
        channels = table.shape[1]
        return (
            grids.view(-1, self.bins * self.bins, channels).transpose(1, 2).reshape(-1, channels, self.bins, self.bins)
        )

    def _levels(self, boxes: Tensor) -> Tensor:
        """The level of each box: 224 pixels belong to stride 16, twice the size to the next level."""
        strides = list(self.strides.values())
        low, high = (int(torch.log2(torch.tensor(float(each)))) for each in (strides[0], strides[-1]))
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
        return (torch.floor(4 + torch.log2(side / 224 + 1e-6) + 1e-6).clamp(low, high) - low).long()

    def _taps(self, start: Tensor, length: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Cells and weights that a grid line reads along one axis, each (k, bins, 2 * samples)."""
        steps = (torch.arange(self.bins * self.samples, dtype=start.dtype, device=start.device) + 0.5) / self.samples
        at = start[:, None] + steps * (length / self.bins)[:, None]
        last = (size - 1)[:, None].to(at.dtype)
        inside = (at >= -1) & (at <= last + 1)
        low = at.clamp(min=0).floor().minimum(last)
        share = torch.where(low >= last, torch.zeros_like(at), at.clamp(min=0) - low)
        cells = torch.stack((low, (low + 1).minimum(last)), dim=-1).long()
        weights = torch.stack((1 - share, share), dim=-1) * inside[..., None] / self.samples
        shape = (start.shape[0], self.bins, 2 * self.samples)
        return cells.reshape(shape), weights.reshape(shape)


def _rows(levels: Sequence[Tensor]) -> tuple[Tensor, list[int]]:
    """All levels as one (cells, c) table, and the row at which each begins."""
    tables = [each.permute(0, 2, 3, 1).flatten(0, 2) for each in levels]
    start, total = [], 0
    for each in tables:
        start.append(total)
        total += each.shape[0]
    return torch.cat(tables), start
