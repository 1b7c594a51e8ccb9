"""The architectures by name, each built by a function that takes the same settings.

Another package adds its own through the entry point group `rcg.architectures`: an `Architecture` by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from rcg.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What every architecture is built from.

    Attributes:
        classes: Number of classes, background not counted.
        image_size: Pixels of the longer side of the images.
        rois: Boxes an image that the box head learns from.
        trainable_layers: Stages of the backbone that learn.
        pretrained: Whether to look for pretrained weights.
        like: The `start` of an earlier `Built`: the same layers without looking for weights, which a checkpoint brings.
    """

    classes: int
    image_size: int
    rois: int
    trainable_layers: int
    pretrained: bool = True
    like: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A network that is ready to train.

    Attributes:
        model: Takes (images, targets) as torchvision's detectors do; images at training size.
        start: What its weights were: "coco", "imagenet" or "random"; it decides on the kind of normalisation.
        weights: Where its weights come from, in words for the reader.
    """

    model: nn.Module
    start: str
    weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network that can be trained, with what suits it.

    Attributes:
        name: The word for it.
        title: The words for it in a panel.
        purpose: When to choose it, one sentence.
        build: Makes the network.
        image_size: Pixels of the longer side, unless set.
        batch_size: Images a step, unless set.
        trainable_layers: Stages of the backbone that learn, unless set.
        learning_rate: The peak of the schedule, unless set.
        cpu_step_s: Seconds a step of two images takes on two CPU cores, to warn before hours are spent.
        patient: What suits it better where the budget is `PATIENT_S` or more.
    """

    name: str
    title: str
    purpose: str
    build: Callable[[ModelSettings], Built]
    image_size: int
    batch_size: int
    trainable_layers: int
    learning_rate: float
    cpu_step_s: float
    patient: Mapping[str, int] = field(default_factory=dict)


PATIENT_S = 600
"""From this budget on, in seconds, larger images and a backbone that learns reach more than more steps do."""


def _lite0(settings: ModelSettings) -> Built:
    from rcg.training.models.faster_rcnn import build_lite0

    return build_lite0(settings)


def _mobilenet(settings: ModelSettings) -> Built:
    from rcg.training.models.faster_rcnn import build_mobilenet

    return build_mobilenet(settings)


def _resnet50(settings: ModelSettings) -> Built:
    from rcg.training.models.faster_rcnn import build_resnet50

    return build_resnet50(settings)


_OWN = (
    Architecture(
        name="faster_rcnn_lite0",
        title="Faster R-CNN, EfficientNet-Lite0",
        purpose="The choice for a CPU: minutes to a usable detector, pretrained without a download.",
        build=_lite0,
        image_size=320,
        batch_size=4,
        trainable_layers=0,
        learning_rate=1e-3,
        cpu_step_s=0.2,
        patient={"image_size": 448, "trainable_layers": 3},
    ),
    Architecture(
        name="faster_rcnn_mobilenet_v3_large_320_fpn",
        title="Faster R-CNN, MobileNetV3-Large 320",
        purpose="torchvision's small detector; worth it where its COCO weights can be downloaded.",
        build=_mobilenet,
        image_size=320,
        batch_size=4,
        trainable_layers=3,
        learning_rate=1e-3,
        cpu_step_s=0.4,
    ),
    Architecture(
        name="faster_rcnn_resnet50_fpn_v2",
        title="Faster R-CNN, ResNet-50 v2",
        purpose="The most exact of the three, for a GPU; on a CPU it takes hours.",
        build=_resnet50,
        image_size=640,
        batch_size=4,
        trainable_layers=3,
        learning_rate=2e-4,
        cpu_step_s=18.0,
    ),
)


def architectures() -> Mapping[str, Architecture]:
    """All architectures by name: RCG's own, then those of installed packages."""
    found = {each.name: each for each in _OWN}
    for point in entry_points(group="rcg.architectures"):
        found.setdefault(point.name, point.load())
    return found


def choose_architecture(name: str, *, device: str) -> Architecture:
    """The architecture of this name; "auto" takes what suits the device ("cpu" or "cuda").

    Raises:
        ConfigError: If there is none; it names the nearest.

    Example:
        >>> choose_architecture("auto", device="cpu").name
        'faster_rcnn_lite0'
    """
    known = architectures()
    if name == "auto":
        name = "faster_rcnn_lite0" if device == "cpu" else "faster_rcnn_resnet50_fpn_v2"
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.4)
        fix = f"write {near[0]}" if near else f"choose one of {', '.join(known)}"
        raise ConfigError(f"there is no architecture {name!r}", where="architecture", fix=fix)
    return known[name]
