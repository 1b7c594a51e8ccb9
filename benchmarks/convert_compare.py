"""Whether a conversion's result is the truth: images, labels, and the largest deviation of a box in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from convert_sets import NAMES, Made

ENOUGH = 1e-3  # pixels


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a set.

    Attributes:
        images: Images in the result.
        labels: Labels in it.
        deviation: The largest deviation of a box in pixels; infinite where images or labels are missing.
        renamed: Labels with another class than the truth's.
    """

    images: int
    labels: int
    deviation: float
    renamed: int

    def __str__(self) -> str:
        if np.isinf(self.deviation):
            return f"NOT THE SAME: {self.images:,} images, {self.labels:,} labels"
        said = "equal" if self.deviation <= ENOUGH else f"rounds, up to {self.deviation:.3f} px off"
        return said if not self.renamed else f"{said}, {self.renamed:,} of another class"


def compare(made: Made, out: Path) -> Verdict:
    """The result in a folder against the truth of its set; labels in any order within an image."""
    found = _from_yolo(out / "yolo", made) if (out / "yolo").is_dir() else _from_coco(out / "out.json")
    number = {name: place for place, name in enumerate(made.names)}
    labels = sum(len(rows) for rows in found.values())
    counts = np.zeros(len(made.names), int)
    for name, rows in found.items():
        if name in number:
            counts[number[name]] = len(rows)
    if len(found) != len(number) or not np.array_equal(counts, made.counts):
        return Verdict(images=len(found), labels=labels, deviation=np.inf, renamed=0)
    starts = np.concatenate([[0], np.cumsum(made.counts)])
    worst, renamed = 0.0, 0
    for name, rows in found.items():
        place = number[name]
        span = slice(starts[place], starts[place + 1])
        truth = np.column_stack([made.classes[span], made.boxes[span]])
        if np.abs(rows[:, 1:] - truth[:, 1:]).max(initial=0) > 1:
            rows, truth = _sorted(rows), _sorted(truth)
        worst = max(worst, float(np.abs(rows[:, 1:] - truth[:, 1:]).max(initial=0)))
        renamed += int((rows[:, 0] != truth[:, 0]).sum())
    return Verdict(images=len(found), labels=labels, deviation=worst, renamed=renamed)


def _sorted(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort((rows[:, 2].round(1), rows[:, 1].round(1)))]


def _from_coco(path: Path) -> dict[str, np.ndarray]:
    content = orjson.loads(path.read_bytes())
    classes = {each["id"]: _class(each["name"]) for each in content["categories"]}
    rows: dict[int, list[list[float]]] = {each["id"]: [] for each in content["images"]}
    for each in content["annotations"]:
        rows[each["image_id"]].append([classes[each["category_id"]], *each["bbox"]])
    return {_short(each["file_name"]): np.array(rows[each["id"]]).reshape(-1, 5) for each in content["images"]}


def _class(name: str) -> int:
    if name in NAMES:
        return NAMES.index(name)
    return int(name) if name.isdigit() else -1  # globox names classes by their number


def _from_yolo(folder: Path, made: Made) -> dict[str, np.ndarray]:
    found = {}
    for path in folder.rglob("img_*.txt"):
        values = np.array([line.split() for line in path.read_text().splitlines()], float).reshape(-1, 5)
        across, down = values[:, 3] * made.size[0], values[:, 4] * made.size[1]
        left, top = values[:, 1] * made.size[0] - across / 2, values[:, 2] * made.size[1] - down / 2
        found[f"{path.stem}.jpg"] = np.column_stack([values[:, 0], left, top, across, down])
    return found


def _short(name: str) -> str:
    name = name.replace("\\", "/").rpartition("/")[2]
    return name if name.endswith(".jpg") else f"{name}.jpg"
