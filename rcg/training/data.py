"""Which images make up each step, and their pixels and boxes as tensors.

Randomness is counted, not carried: order and augmentation follow from (seed, epoch, place), so a run that goes on at
step 1,234 sees the images it would have seen.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rcg.training.augment import Augmentation, Sample
from rcg.training.cache import ImageCache
from rcg.types import ImageRecord, LabelSet

Targets = list[dict[str, Tensor]]
_ORDER, _CHANGE = 1, 2  # separate streams of random numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """What one step learns from.

    Attributes:
        images: (3, height, width) float32 from 0 to 1 each.
        targets: "boxes" (n, 4) in pixels and "labels" (n,) from 1 for each image.
        file_names: The images, for messages.
    """

    images: list[Tensor]
    targets: Targets
    file_names: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; copies to a GPU run while the GPU works."""
        if device.type == "cpu":
            return self
        images = [each.pin_memory().to(device, non_blocking=True) for each in self.images]
        targets = [{key: value.to(device, non_blocking=True) for key, value in each.items()} for each in self.targets]
        return Batch(images=images, targets=targets, file_names=self.file_names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batches:
    """The steps of a training: which images, in which order, changed how.

    Attributes:
        records: The training images.
        cache: Their pixels.
        labels: The classes.
        batch_size: Images a step; the last steps of an epoch may have fewer.
        seed: The run's seed.
        augmentation: How images are changed.
    """

    records: Sequence[ImageRecord]
    cache: ImageCache
    labels: LabelSet
    batch_size: int
    seed: int
    augmentation: Augmentation

    @property
    def steps_per_epoch(self) -> int:
        """Steps that one pass through the images takes."""
        return sum(-(-len(each) // self.batch_size) for each in self._shapes() if each)

    def _shapes(self) -> tuple[list[int], list[int]]:
        """Wide and tall images apart: a batch is padded to its largest, and mixing them wastes a third of the work."""
        wide = [place for place, record in enumerate(self.records) if record.width > record.height]
        tall = [place for place, record in enumerate(self.records) if record.width <= record.height]
        return wide, tall

    def order(self, epoch: int) -> list[list[int]]:
        """The places of the images of each step of an epoch."""
        rng = np.random.default_rng([self.seed, _ORDER, epoch])
        steps: list[list[int]] = []
        for group in self._shapes():
            mixed = rng.permutation(group).tolist()
            steps += [mixed[at : at + self.batch_size] for at in range(0, len(mixed), self.batch_size)]
        return [steps[place] for place in rng.permutation(len(steps))]

    def make(self, epoch: int, places: Sequence[int]) -> Batch:
        """The images at `places` with the changes of this epoch."""
        made = []
        for place in places:
            rng = np.random.default_rng([self.seed, _CHANGE, epoch, place])
            made.append(self.augmentation.apply(read_sample(self.records[place], self.cache, self.labels), rng))
        return Batch(
            images=[as_tensor(each) for each in made],
            targets=[{"boxes": torch.from_numpy(each.boxes), "labels": torch.from_numpy(each.labels)} for each in made],
            file_names=tuple(self.records[place].file_name for place in places),
        )

    def from_step(self, step: int) -> Generator[Batch, None, None]:
        """The batches from a step on, without end; the next one is made in a thread while this one is used."""
        with ThreadPoolExecutor(1) as pool:
            waiting: Future[Batch] | None = None
            for epoch, places in self._plan_from(step):
                coming = pool.submit(self.make, epoch, places)
                if waiting is not None:
                    yield waiting.result()
                waiting = coming

    def _plan_from(self, step: int) -> Iterator[tuple[int, list[int]]]:
        epoch, skip = divmod(step, self.steps_per_epoch)
        while True:
            for places in self.order(epoch)[skip:]:
                yield epoch, places
            epoch, skip = epoch + 1, 0


def read_sample(record: ImageRecord, cache: ImageCache, labels: LabelSet) -> Sample:
    """An image at training size with its boxes; crowds are left out, they are no single things."""
    pixels = cache.pixels(record.file_name)
    height, width = pixels.shape[:2]
    single = [each for each in record.annotations if not each.crowd]
    boxes = np.array([each.box.corners for each in single], dtype=np.float64).reshape(-1, 4)
    boxes *= np.tile([width / record.width, height / record.height], 2)
    boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
    boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
    classes = np.array([labels.names.index(each.label) + 1 for each in single], dtype=np.int64)
    small = boxes.astype(np.float32)
    kept = ((small[:, 2:] - small[:, :2]) > 0.5).all(axis=1)  # what is thinner at training size cannot be learned
    return Sample(pixels=pixels, boxes=small[kept], labels=classes[kept])


def as_tensor(sample: Sample) -> Tensor:
    """Pixels as (3, height, width) float32 from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(sample.pixels.transpose(2, 0, 1))).float().div_(255)
