"""A dataset of drawn cards that is small enough to train on within seconds."""

from pathlib import Path

import numpy as np
import orjson

from rcg.datasets import Dataset
from rcg.images import write_image
from rcg.workspace import Workspace

LABELS = ("card", "stain")
TINY = {
    "image_size": 96, "batch_size": 2, "rois": 16, "warmup_steps": 2, "threads": 1, "patience": 0, "device": "cpu",
}  # fmt: skip


def draw(rng, width, height):
    """A photo of one card with a stain: pixels, and boxes (x, y, width, height) by label."""
    pixels = rng.integers(60, 110, (height, width, 3)).astype(np.uint8)
    w, h = int(rng.integers(50, 80)), int(rng.integers(50, 80))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    pixels[y : y + h, x : x + w] = (230, 225, 210)
    pixels[y + 10 : y + 30, x + 10 : x + 30] = (120, 60, 20)
    return pixels, {"card": [x, y, w, h], "stain": [x + 10, y + 10, 20, 20]}


def make_dataset(home: Path, *, train=6, val=3, test=3, seed=0) -> Dataset:
    """A dataset "drawn" in the workspace `home`, with its own splits; every fourth image is upright."""
    rng, source = np.random.default_rng(seed), home / "source"
    images, annotations = [], []
    for split, count in (("train", train), ("val", val), ("test", test)):
        for place in range(count):
            number = len(images) + 1
            width, height = (100, 140) if place % 4 == 3 else (140, 100)
            pixels, boxes = draw(rng, width, height)
            name = f"{split}_{place:03d}.png"
            write_image(source / name, pixels)
            images.append({"id": number, "file_name": name, "width": width, "height": height, "split": split})
            for label, box in boxes.items():
                entry = {"category_id": LABELS.index(label), "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                annotations.append({"id": len(annotations) + 1, "image_id": number, **entry})
    categories = [{"id": place, "name": name} for place, name in enumerate(LABELS)]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    (source / "labels.json").write_bytes(orjson.dumps(labels))
    dataset = Workspace(home).create("drawn", type="custom")
    dataset.add(images=source, labels=source / "labels.json")
    return dataset
