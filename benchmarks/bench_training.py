"""A training step of RCG against torchvision's reference loop, and the error of the time that is said to be left.

    python benchmarks/bench_training.py [--threads 2] [--rounds 6] [--eta-epochs 6]

Both loops train the same network on the same photos of 2 megapixels. The reference decodes each photo anew, lets the
network scale it, learns from 512 boxes an image and uses torchvision's RoI align, as references/detection does. Losses
of both are compared first: with the same boxes they must agree.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as rcg.training sets it

import numpy as np
import torch
from torch import nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from rcg import training
from rcg.images import read_image
from rcg.synthetic import render_dataset
from rcg.training.augment import Augmentation
from rcg.training.cache import build_cache
from rcg.training.data import Batch, Batches
from rcg.training.models import ModelSettings, choose_architecture
from rcg.training.models.faster_rcnn import LITE_MEAN, LITE_STD
from rcg.training.tasks import TrainingData, read_training_data
from rcg.workspace import Workspace

SIZE, BATCH = 320, 4


def network(rois: int, *, reference: bool) -> nn.Module:
    torch.manual_seed(0)
    settings = ModelSettings(classes=5, image_size=SIZE, rois=rois, trainable_layers=0)
    model = choose_architecture("faster_rcnn_lite0", device="cpu").build(settings).model
    if reference:
        model.roi_heads.box_roi_pool = MultiScaleRoIAlign(["0", "1", "2"], 7, 2)
        model.transform = GeneralizedRCNNTransform(SIZE * 3 // 4, SIZE, LITE_MEAN, LITE_STD)
    return model.train()


def decoded(data: TrainingData, places: list[int]) -> Batch:
    """The batch as torchvision's reference makes it: the whole photo, decoded again."""
    images, targets = [], []
    for place in places:
        record = data.splits["train"][place]
        pixels = read_image(data.images / record.file_name)
        images.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float().div_(255))
        boxes = torch.tensor([each.box.corners for each in record.annotations]).reshape(-1, 4)
        labels = torch.tensor(
            [data.labels.names.index(each.label) + 1 for each in record.annotations], dtype=torch.int64
        )
        targets.append({"boxes": boxes, "labels": labels})
    return Batch(images=images, targets=targets, file_names=())


def learn(model: nn.Module, optimiser: torch.optim.Optimizer, batch: Batch) -> dict[str, float]:
    torch.manual_seed(1)
    optimiser.zero_grad()
    losses = model(batch.images, batch.targets)
    torch.stack(list(losses.values())).sum().backward()
    optimiser.step()
    return {name: value.item() for name, value in losses.items()}


def compare(batches: Batches, places: list[int]) -> None:
    """The losses of both RoI aligns on one batch, with the same boxes."""
    batch = batches.make(0, places)
    ours, theirs = network(128, reference=False), network(128, reference=False)
    theirs.roi_heads.box_roi_pool = MultiScaleRoIAlign(["0", "1", "2"], 7, 2)
    theirs.load_state_dict(ours.state_dict())
    found = [learn(each, torch.optim.SGD(each.parameters(), lr=0.0), batch) for each in (ours, theirs)]
    worst = max(abs(found[0][name] - found[1][name]) for name in found[0])
    print(f"losses with the same boxes: largest difference {worst:.1e}")
    if worst > 1e-4:
        sys.exit("the losses differ: the times below would compare two things")


def timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def steps(data: TrainingData, rounds: int) -> None:
    names = [record.file_name for record in data.splits["train"]]
    cache = build_cache(data.cache, data.images, names, size=SIZE)
    batches = Batches(
        records=data.splits["train"],
        cache=cache,
        labels=data.labels,
        batch_size=BATCH,
        seed=0,
        augmentation=Augmentation(flip=0.5, scale=0.2, colour=0.2),
    )
    order = batches.order(0)
    compare(batches, order[0])
    models = {"reference": network(512, reference=True), "reference, 128 boxes": network(128, reference=True),
              "rcg": network(128, reference=False)}  # fmt: skip
    optimisers = {name: torch.optim.AdamW(each.parameters(), lr=1e-4) for name, each in models.items()}
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for place in range(rounds + 1):  # the first round warms up
        places = order[place % len(order)]
        for name, model in models.items():
            make = (lambda p=places: batches.make(0, p)) if name == "rcg" else (lambda p=places: decoded(data, p))
            found = timed(lambda m=model, o=optimisers[name], b=make: learn(m, o, b()))
            seen[name] += [found] if place else []
    wall, cpu = (
        {name: statistics.median(each[clock] for each in those) for name, those in seen.items()} for clock in (0, 1)
    )
    for name in models:
        ratio = f"{wall[name] / wall['rcg']:.2f} times the wall time, {cpu[name] / cpu['rcg']:.2f} times the CPU time"
        print(f"{name:22} {wall[name]:6.3f} s a step of {BATCH} images, {cpu[name]:6.3f} s of CPU; {ratio}")


def time_left(workspace: Workspace, epochs: int, threads: int) -> None:
    """The error of the time left as said before the first step, and after 20 steps."""
    said: list[tuple[int, float, float]] = []

    def watch(tick: object) -> None:
        if getattr(tick, "task", "") == "train" and getattr(tick, "eta_s", None) is not None:
            said.append((tick.done, time.monotonic(), tick.eta_s))

    config = training.TrainConfig(epochs=epochs, threads=threads, patience=0)
    training.train(workspace.dataset("photos"), config=config, report=watch)
    end = said[-1][1]
    for step in (0, 20):
        at, eta = next((moment, eta) for done, moment, eta in said if done >= step)
        error = 100 * (eta / (end - at) - 1)
        print(f"at step {step:3}: {eta:6.1f} s said, {end - at:6.1f} s in truth, error {error:+.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=6, help="steps of each loop, taken in turns")
    parser.add_argument("--images", type=int, default=40, help="training photos")
    parser.add_argument("--eta-epochs", type=int, default=12, help="epochs of the run whose time left is checked")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        counts = {"train": asked.images, "val": asked.images // 4, "test": 2}
        made = render_dataset(Path(folder) / "photos", counts=counts, size=(1280, 1600))
        workspace = Workspace(Path(folder) / "workspace")
        dataset = workspace.create("photos", type="custom")
        dataset.add(made.folder, made.folder)
        print(f"{asked.threads} threads, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        steps(read_training_data(dataset), asked.rounds)
        time_left(workspace, asked.eta_epochs, asked.threads)


if __name__ == "__main__":
    main()
