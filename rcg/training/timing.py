"""How long a training takes here: real steps of the network on the dataset's own images, timed and remembered."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from rcg.annotations.split import SPLITS
from rcg.errors import DataError
from rcg.files import append_jsonl, read_jsonl
from rcg.progress import Report, Tick, silent
from rcg.table import CROWD, Table, table_of
from rcg.training.config import TrainConfig
from rcg.types import Annotation, Box, ImageRecord, LabelSet

if TYPE_CHECKING:
    from rcg.datasets import Dataset

FILE = "step_times.jsonl"
_TASK = "measuring a step"
_FEWEST, _MOST = 3, 12  # timed steps
_BUSY = 0.6
_LONG_S = 4.0  # no more steps than the fewest when they took so long


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """What a few real steps took.

    Attributes:
        architecture: What was trained.
        image_size: Pixels of the longer side.
        batch_size: Images a step.
        trainable_layers: Stages of the backbone that learned.
        rois: Boxes an image that the box head learned from.
        threads: CPU threads.
        device: "cpu" or a GPU.
        machine: The processor, and a mark of the computer.
        dataset: Whose images were used.
        images: How many different ones.
        steps: How many steps were timed, after one that was not.
        fastest_s: Seconds of the fastest one.
        slowest_s: Seconds of the slowest one.
        evaluate_s: Seconds to look for boxes in one image.
        decode_s: Seconds to decode one image, which the first training on a dataset does once.
        share: The part of its threads' time that the processor gave, 0 to 1; little where other work went on.
        time: When, in seconds since 1970.
    """

    architecture: str
    image_size: int
    batch_size: int
    trainable_layers: int
    rois: int
    threads: int
    device: str
    machine: str
    dataset: str
    images: int
    steps: int
    fastest_s: float
    slowest_s: float
    evaluate_s: float
    decode_s: float
    share: float
    time: float

    @property
    def busy(self) -> bool:
        """Whether other work on the machine made the steps longer."""
        return self.device == "cpu" and self.share < _BUSY

    @property
    def key(self) -> tuple[Any, ...]:
        """What a time holds for."""
        return (
            self.architecture, self.image_size, self.batch_size, self.trainable_layers, self.rois, self.threads,
            self.device, self.machine,
        )  # fmt: skip


def machine() -> str:
    """The processor and a mark of this computer, so that times are not taken over to another one."""
    name = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        line = next((each for each in cpu.read_text().splitlines() if each.startswith("model name")), "")
        name = line.partition(":")[2].strip() or name
    return f"{name}, {os.cpu_count()} cores, {xxhash.xxh32_hexdigest(platform.node().encode())}"


def known_times(workspace: str | Path) -> tuple[StepTime, ...]:
    """The times that were measured on this machine, the last one of each kind."""
    found, here = {}, machine()
    for record in read_jsonl(Path(workspace) / FILE):
        try:
            each = StepTime(**record)
        except TypeError:
            continue  # of another version
        if each.machine == here:
            found[each.key] = each
    return tuple(found.values())


def measure_step(dataset: Dataset, *, config: TrainConfig | None = None, report: Report = silent) -> StepTime:
    """Take a few real training steps on images of a dataset, without keeping what was learned, and remember the time.

    Args:
        dataset: The dataset; its labelled training images are used.
        config: The settings of the training that is meant; the defaults otherwise.
        report: Where the progress goes.

    Raises:
        DataError: If no training image carries a box, or none can be decoded.
        ConfigError: If a setting does not fit.
    """
    from rcg.training.loop import threads
    from rcg.training.start import resolve

    resolved = resolve(config or TrainConfig())
    report(Tick(task=_TASK, done=0, note="decoding a few images"))
    records = _samples(table_of(dataset), count=2 * (resolved.batch_size or 1))
    if not records:
        fix = f"add labels: rcg dataset add {dataset.name} --labels FOLDER"
        raise DataError("no training image carries a box", where=dataset.name, fix=fix)
    with threads(resolved.threads):
        found = _timed(dataset, records, resolved, report)
    append_jsonl(dataset.workspace / FILE, asdict(found))
    return found


def _samples(table: Table, *, count: int) -> list[ImageRecord]:
    """Training images with boxes, spread over the dataset, as records of boxes."""
    single = table.columns.shapes & CROWD == 0
    many = np.bincount(table.columns.images[single], minlength=len(table))
    usable = np.flatnonzero(table.labelled & (table.splits == SPLITS.index("train")) & (many > 0))
    chosen = usable[np.linspace(0, len(usable) - 1, min(count, len(usable))).astype(int)] if len(usable) else usable
    return [_record(table, row, single) for row in dict.fromkeys(chosen.tolist())]


def _record(table: Table, row: int, single: np.ndarray[Any, Any]) -> ImageRecord:
    begin, end = table.columns.starts[row : row + 2].tolist()
    boxes = [
        Annotation(label=table.labels[table.columns.classes[at]], box=Box(*table.columns.boxes[at].tolist()))
        for at in range(begin, end) if single[at]
    ]  # fmt: skip
    width, height = table.sizes[row].tolist()
    return ImageRecord(file_name=table.names[row], width=width, height=height, annotations=tuple(boxes))


def _timed(dataset: Dataset, records: Sequence[ImageRecord], config: TrainConfig, report: Report) -> StepTime:
    from rcg.training.cache import build_cache, decode

    size = config.image_size or 0
    names = [record.file_name for record in records]
    cache = build_cache(dataset.cache, dataset.images, names, size=size, threads=config.threads or 1)
    sound = [record for record in records if record.file_name not in cache.unreadable]
    if not sound:
        why = next(iter(cache.unreadable.values()))
        fix = f"look at them: rcg validate {dataset.name}"
        raise DataError(f"none of {len(records)} images can be decoded: {why}", where=dataset.images, fix=fix)
    begun = time.perf_counter()
    for record in sound:
        decode(dataset.images / record.file_name, size)
    decoded = (time.perf_counter() - begun) / len(sound)
    labels = LabelSet(tuple(dict.fromkeys([*dataset.labels.names, *(a.label for r in sound for a in r.annotations)])))
    taken, looked, share = _network_times(sound, cache, labels, config, report)
    return StepTime(
        architecture=config.architecture, image_size=size, batch_size=config.batch_size or 1,
        trainable_layers=config.trainable_layers or 0, rois=config.rois, threads=config.threads or 1,
        device=config.device, machine=machine(), dataset=dataset.name, images=len(sound), steps=len(taken),
        fastest_s=min(taken), slowest_s=max(taken), evaluate_s=looked, decode_s=decoded,
        share=share, time=time.time(),
    )  # fmt: skip


def _network_times(
    records: Sequence[ImageRecord], cache: Any, labels: LabelSet, config: TrainConfig, report: Report
) -> tuple[list[float], float, float]:
    """Seconds of each step; of looking for boxes in one image; the share of its threads that the steps were given."""
    import torch

    from rcg.training.augment import Augmentation
    from rcg.training.data import Batches
    from rcg.training.detect import detect
    from rcg.training.trainer import build_network, make_optimiser

    report(Tick(task=_TASK, done=0, note=f"building {config.architecture}"))
    device = torch.device(config.device)
    model = build_network(config, len(labels.names)).model.to(device)
    optimiser = make_optimiser(model, config)
    augmentation = Augmentation(flip=config.flip, turn=config.turn, scale=config.scale, colour=config.colour)
    batches = Batches(
        records=records, cache=cache, labels=labels, batch_size=config.batch_size or 1, seed=config.seed,
        augmentation=augmentation,
    )  # fmt: skip
    taken: list[float] = []
    worked = 0.0
    model.train()
    with closing(batches.from_step(0)) as stream:
        for place in _until_sure(taken):
            report(Tick(task=_TASK, done=place, note="a real step, nothing is kept of it"))
            batch = next(stream).to(device)
            begun, before = time.perf_counter(), time.process_time()
            optimiser.zero_grad()
            loss = torch.stack(list(model(batch.images, batch.targets).values())).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if place:  # the first one warms up
                taken.append(time.perf_counter() - begun)
                worked += time.process_time() - before
    looking = {"labels": labels, "device": device, "score": 0.05, "batch_size": config.batch_size or 1}
    load = lambda record: cache.pixels(record.file_name)  # noqa: E731
    list(detect(model, records[:1], load, **looking))  # type: ignore[arg-type]
    begun = time.perf_counter()
    list(detect(model, records, load, **looking))  # type: ignore[arg-type]
    share = worked / sum(taken) / (config.threads or 1)
    return taken, (time.perf_counter() - begun) / len(records), min(1.0, share)


def _until_sure(taken: list[float]) -> Iterator[int]:
    """Count steps: a few where they are long, more where they are short."""
    place = 0
    while place <= _FEWEST or (place <= _MOST and sum(taken) < _LONG_S):
        yield place
        place += 1
