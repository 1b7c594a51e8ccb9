"""Sets of images and labels to measure conversions with, and the truth about them.

Each JPEG is one of a hundred that are really encoded; names beyond that are hard links, so that half a million images
take no disk. The same holds for label files beyond the first thousand.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("whitening", "scratch", "dent", "print_line", "crease", "stain")
BOXES = 10.7  # mean of an image
CORNERS = 60  # of an outline
DISTINCT, DISTINCT_LABELS = 100, 1000
LONG_EXIF = 20  # every so many images have 12 KiB of EXIF before their size


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """A set on disk with its truth.

    Attributes:
        folder: Where it is.
        names: File names of the images, in order.
        counts: (n,) labels of each.
        classes: (m,) class numbers.
        boxes: (m, 4) x, y, width and height in pixels.
        size: Width and height of every image in pixels.
    """

    folder: Path
    names: list[str]
    counts: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    size: tuple[int, int]


def jpegs(size: tuple[int, int], *, distinct: int, seed: int = 0) -> list[bytes]:
    """JPEG files of noise over a gradient, about 400 KB at 1500 x 2100; some with EXIF before the size."""
    rng, found = np.random.default_rng(seed), []
    width, height = size
    ramp = np.linspace(40, 210, width)[None, :, None] * np.ones((height, 1, 3))
    for number in range(distinct):
        coarse = rng.normal(0, 26, (height // 3 + 1, width // 3 + 1, 3)).repeat(3, 0).repeat(3, 1)[:height, :width]
        picture = Image.fromarray((ramp + coarse).clip(0, 255).astype(np.uint8))
        exif = Image.Exif()
        if number % 5 == 0:
            exif[0x010E] = "x" * (12000 if number % LONG_EXIF == 0 else 2000)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=55 + number % 9, exif=exif)
        found.append(buffer.getvalue())
    return found


def make(
    folder: Path, kind: str, count: int, pictures: list[bytes], size: tuple[int, int], *, own: bool = False
) -> Made:
    """A set of `count` images.

    Args:
        folder: Where to; it must not exist.
        kind: "yolo", "polygons", "voc", "labelme" or "coco-yolo".
        pictures: The encodings; each is written once.
        size: Their width and height.
        own: Whether each image is a file of its own instead of a link.
    """
    flat = kind in ("voc", "labelme")
    images = folder if flat else folder / "images/train"
    images.mkdir(parents=True)
    names = [f"img_{number:06d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        if own or number < len(pictures):
            (images / name).write_bytes(pictures[number % len(pictures)])
        else:
            os.link(images / names[number % len(pictures)], images / name)
    if kind == "coco-yolo":
        return _coco(folder, names, size)
    write, ending = _WRITERS[kind]
    labels = images if flat else folder / "labels/train"
    labels.mkdir(parents=True, exist_ok=True)
    if not flat:
        (folder / "classes.txt").write_text("\n".join(NAMES) + "\n")
        (folder / "data.yaml").write_text(
            f"train: images/train\nval: images/train\nnc: 6\nnames: {json.dumps(NAMES)}\n"
        )
    distinct = count if flat else min(count, DISTINCT_LABELS)
    counts, classes, boxes = _labels(distinct, size, kind)
    starts = np.concatenate([[0], np.cumsum(counts)])
    for number, name in enumerate(names):
        path = labels / f"{name[:-4]}{ending}"
        if number < distinct:
            rows = slice(starts[number], starts[number + 1])
            path.write_text(write(name, classes[rows], boxes[rows], size))
        else:
            os.link(labels / f"{names[number % distinct][:-4]}{ending}", path)
    truth = boxes if flat else {"yolo": _as_written, "polygons": _outlined}[kind](boxes, size)
    order = np.concatenate([np.arange(starts[n % distinct], starts[n % distinct + 1]) for n in range(count)])
    return Made(
        folder=folder,
        names=names,
        counts=counts[np.arange(count) % distinct],
        classes=classes[order],
        boxes=truth[order],
        size=size,
    )


def _labels(count: int, size: tuple[int, int], kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of each image, their classes, and boxes in pixels; one an image at least, since peers drop others."""
    rng = np.random.default_rng(count)
    counts = np.maximum(1, rng.poisson(BOXES, count))
    total = int(counts.sum())
    across = rng.uniform(0.02, 0.3, (total, 2)) * size
    start = rng.uniform(0, 1, (total, 2)) * (np.array(size) - across)
    boxes = np.concatenate([start, across], axis=1)
    if kind == "voc":
        across = np.maximum(boxes[:, 2:].round(), 1)
        boxes = np.concatenate([np.minimum(boxes[:, :2].round(), size - across), across], axis=1)
    return counts, rng.integers(0, len(NAMES), total), boxes.round(3) if kind == "labelme" else boxes


def _fractions(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    whole = np.array(size)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:] / 2) / whole, boxes[:, 2:] / whole], axis=1).round(6)


def _as_written(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes in pixels as six decimals of a fraction leave them."""
    fractions, whole = _fractions(boxes, size), np.array(size)
    across = fractions[:, 2:] * whole
    return np.concatenate([fractions[:, :2] * whole - across / 2, across], axis=1)


def _yolo(_: str, classes: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> str:
    rows = zip(classes.tolist(), _fractions(boxes, size).tolist(), strict=True)
    return "".join("%d %.6f %.6f %.6f %.6f\n" % (label, *row) for label, row in rows)  # noqa: UP031 - as tools write it


def _outlines(_: str, classes: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> str:
    """An ellipse in each box, four of its corners on the box's sides."""
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) / 2 + 0.5
    low, high = _sides(boxes, size)
    lines = []
    for label, start, end in zip(classes.tolist(), low, high, strict=True):
        points = start + circle * (end - start)
        lines.append(f"{label} " + " ".join(f"{value:.6f}" for value in points.ravel()))
    return "\n".join(lines) + "\n"


def _sides(boxes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two corners of each box as fractions with six decimals."""
    return (boxes[:, :2] / size).clip(0, 1).round(6), ((boxes[:, :2] + boxes[:, 2:]) / size).clip(0, 1).round(6)


def _outlined(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The boxes around those ellipses in pixels."""
    low, high = (corner * size for corner in _sides(boxes, size))
    return np.concatenate([low, high - low], axis=1)


def _voc(name: str, classes: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> str:
    inside = "".join(
        f"  <object>\n    <name>{NAMES[label]}</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n"
        f"    <difficult>0</difficult>\n    <bndbox>\n      <xmin>{x}</xmin>\n      <ymin>{y}</ymin>\n"
        f"      <xmax>{x + across}</xmax>\n      <ymax>{y + down}</ymax>\n    </bndbox>\n  </object>\n"
        for label, (x, y, across, down) in zip(classes.tolist(), boxes.astype(int).tolist(), strict=True)
    )
    return (
        f"<annotation>\n  <folder>set</folder>\n  <filename>{name}</filename>\n  <path>C:\\photos\\{name}</path>\n"
        f"  <source>\n    <database>Unknown</database>\n  </source>\n  <size>\n    <width>{size[0]}</width>\n"
        f"    <height>{size[1]}</height>\n    <depth>3</depth>\n  </size>\n  <segmented>0</segmented>\n"
        f"{inside}</annotation>\n"
    )


def _labelme(name: str, classes: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> str:
    shapes = [
        {
            "label": NAMES[label],
            "points": [[x, y], [x + across, y + down]],
            "group_id": None,
            "shape_type": "rectangle",
            "flags": {},
        }
        for label, (x, y, across, down) in zip(classes.tolist(), boxes.tolist(), strict=True)
    ]
    about = {"version": "5.5.0", "flags": {}, "imagePath": name, "imageData": None}
    return json.dumps({**about, "imageWidth": size[0], "imageHeight": size[1], "shapes": shapes}, indent=2)


_WRITERS = {
    "yolo": (_yolo, ".txt"),
    "polygons": (_outlines, ".txt"),
    "voc": (_voc, ".xml"),
    "labelme": (_labelme, ".json"),
}


def _coco(folder: Path, names: list[str], size: tuple[int, int]) -> Made:
    counts, classes, boxes = _labels(len(names), size, "labelme")
    owners = np.repeat(np.arange(len(names)), counts).tolist()
    (folder / "coco").mkdir()
    (folder / "classes.txt").write_text("\n".join(NAMES) + "\n")
    images = [{"id": i, "file_name": name, "width": size[0], "height": size[1]} for i, name in enumerate(names, 1)]
    columns = zip(owners, classes.tolist(), boxes.tolist(), strict=True)
    found = [
        {
            "id": number,
            "image_id": owner + 1,
            "category_id": label,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": [],
        }
        for number, (owner, label, box) in enumerate(columns, 1)
    ]
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(NAMES)]
    text = json.dumps({"images": images, "annotations": found, "categories": categories})
    (folder / "coco/set.json").write_text(text)
    return Made(folder=folder, names=names, counts=counts, classes=classes, boxes=boxes, size=size)
