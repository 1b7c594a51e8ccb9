"""Small changes to training images that a camera could have made, each with its boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.images import Pixels

Floats = NDArray[np.float32]
_VISIBLE = 0.4  # a box keeps its label if this share of it is still in the picture
_GREY = (124, 116, 104)  # the mean of ImageNet: what the backbone takes for nothing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """An image at training size with its boxes.

    Attributes:
        pixels: (height, width, 3) uint8 RGB.
        boxes: (n, 4) left, top, right, bottom in pixels.
        labels: (n,) class numbers from 1; 0 is background.
    """

    pixels: Pixels
    boxes: Floats
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How much images change; each value as in `TrainConfig`."""

    flip: float = 0.0
    turn: float = 0.0
    scale: float = 0.0
    colour: float = 0.0

    def apply(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """A changed copy of `sample`; the same generator state gives the same bytes."""
        if rng.random() < self.turn:
            sample = turned(sample, int(rng.integers(1, 4)))
        if rng.random() < self.flip:
            sample = flipped(sample)
        if self.scale:
            sample = zoomed(sample, float(np.exp(rng.uniform(-self.scale, self.scale))), rng.random(2))
        if self.colour:
            sample = recoloured(sample, 1 + rng.uniform(-self.colour, self.colour, 3))
        return sample


def flipped(sample: Sample) -> Sample:
    """Mirrored left to right."""
    boxes, width = sample.boxes.copy(), sample.pixels.shape[1]
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return Sample(pixels=sample.pixels[:, ::-1], boxes=boxes, labels=sample.labels)


def turned(sample: Sample, quarters: int) -> Sample:
    """Turned anticlockwise by quarters of a circle."""
    pixels, boxes = sample.pixels, sample.boxes
    for _ in range(quarters % 4):
        width = pixels.shape[1]
        pixels = np.rot90(pixels)
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], axis=1)
    return Sample(pixels=pixels, boxes=boxes, labels=sample.labels)


def zoomed(sample: Sample, factor: float, place: NDArray[np.float64]) -> Sample:
    """Scaled by `factor` within a picture of the same size.

    Args:
        sample: The image.
        factor: Above 1 the picture shows a part of the image, below 1 the image stands in grey.
        place: (2,) where the part or the image lies, across and down, 0 to 1.
    """
    import cv2

    height, width = sample.pixels.shape[:2]
    shift = (np.array([width, height]) * (1 - factor) * place).astype(np.float32)
    warp = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]], dtype=np.float32)
    source = np.ascontiguousarray(sample.pixels)
    pixels = cv2.warpAffine(source, warp, (width, height), flags=cv2.INTER_LINEAR, borderValue=_GREY)
    boxes = sample.boxes * np.float32(factor) + np.tile(shift, 2)
    whole = _areas(boxes)
    boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
    boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
    kept = _areas(boxes) > _VISIBLE * whole
    return Sample(pixels=np.asarray(pixels, dtype=np.uint8), boxes=boxes[kept], labels=sample.labels[kept])


def _areas(boxes: Floats) -> Floats:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def recoloured(sample: Sample, factors: NDArray[np.float64]) -> Sample:
    """With brightness, contrast and saturation multiplied.

    Args:
        sample: The image.
        factors: (3,) brightness, contrast, saturation; 1 leaves it.
    """
    brightness, contrast, saturation = factors.astype(np.float32)
    pixels = sample.pixels.astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * saturation
    pixels = (pixels - 128) * contrast + 128 * brightness
    return Sample(pixels=pixels.clip(0, 255).astype(np.uint8), boxes=sample.boxes, labels=sample.labels)
