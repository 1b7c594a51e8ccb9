"""Run a network over images and give what it finds as records, in pixels of the images as loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from rcg.images import Pixels
from rcg.types import Annotation, Box, ImageRecord, LabelSet

_AHEAD = 16  # images that are held at a time
Load = Callable[[ImageRecord], Pixels]


def detect(
    model: nn.Module,
    records: Iterable[ImageRecord],
    load: Load,
    labels: LabelSet,
    *,
    device: torch.device,
    score: float,
    batch_size: int = 4,
) -> Iterator[ImageRecord]:
    """Predictions for each record; of 16 images at a time, those of one shape are looked at together.

    Args:
        model: A detector; it is put into evaluation mode.
        records: The images, with their size as loaded.
        load: Gives the pixels of a record at training size, (height, width, 3) uint8 RGB.
        labels: The classes.
        device: Where the network is.
        score: Predictions below it are left out.
        batch_size: Images a pass.

    Yields:
        The records with the predictions as annotations, in the order of the stream.
    """
    model.eval()
    stream = iter(records)
    while chunk := list(islice(stream, _AHEAD)):
        order = sorted(range(len(chunk)), key=lambda place: chunk[place].width > chunk[place].height)
        made: dict[int, ImageRecord] = {}
        for at in range(0, len(order), batch_size):
            places = order[at : at + batch_size]
            pixels = [load(chunk[place]) for place in places]
            for place, size, found in zip(places, pixels, _pass(model, pixels, device), strict=True):
                made[place] = _record(chunk[place], size.shape[:2], found, labels, score)
        yield from (made[place] for place in range(len(chunk)))


@torch.inference_mode()
def _pass(model: nn.Module, pixels: Sequence[Pixels], device: torch.device) -> list[dict[str, Tensor]]:
    images = []
    for each in pixels:
        image = torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1))).to(device, non_blocking=True)
        images.append(image.float().div_(255))
    found: list[dict[str, Tensor]] = model(images)
    return found


def _record(
    record: ImageRecord, shape: tuple[int, int], found: dict[str, Tensor], labels: LabelSet, score: float
) -> ImageRecord:
    height, width = shape
    boxes = found["boxes"].double().cpu().numpy() * np.tile([record.width / width, record.height / height], 2)
    annotations = []
    for box, label, sure in zip(boxes.tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True):
        left, top, right, bottom = box
        if sure >= score and right > left and bottom > top:
            name = labels.names[label - 1]
            annotations.append(Annotation(label=name, box=Box.from_corners(*box), score=min(1.0, sure)))
    return ImageRecord(
        file_name=record.file_name,
        width=record.width,
        height=record.height,
        annotations=tuple(annotations),
        image_id=record.image_id,
        card=record.card,
    )
