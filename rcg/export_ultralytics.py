"""Exports a dataset for Ultralytics: images and labels side by side by split, and a data.yaml.

Ultralytics looks for the labels of `.../images/train/a.jpg` in `.../labels/train/a.txt`: it replaces the last folder
of the path that is called images. A file with outlines must have nothing but outlines: the four numbers of a box in it
would be read as two points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from rcg.annotations.formats.yolo_write import joined
from rcg.annotations.split import SPLITS
from rcg.datasets import Dataset
from rcg.export_folder import ExportFolder, Names
from rcg.exporting import Exported, check_splits, split_records
from rcg.progress import Report, counted, tracked
from rcg.types import Annotation, ImageRecord, LabelSet

_MODELS = {"detect": "yolo11n.pt", "segment": "yolo11n-seg.pt", "pose": "yolo11n-pose.pt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the labelled images hold.

    Attributes:
        images: How many there are of each split.
        unlabelled: Images that no label file spoke of.
        crowds: Annotations that stand for a group.
        single: All others.
        outlines: Of these, those with an outline.
        masks: Of these, those with a mask alone.
        keypoints: The most keypoints that one of them has.
    """

    images: Counter[str]
    unlabelled: int
    crowds: int
    single: int
    outlines: int
    masks: int
    keypoints: int

    @property
    def task(self) -> str:
        """The task that Ultralytics can train with all of these labels."""
        if self.keypoints:
            return "pose"
        return "segment" if self.single and self.outlines == self.single else "detect"


def export_ultralytics(dataset: Dataset, path: Path, copy: bool, report: Report) -> Exported:
    """Write the folder; arguments as `rcg.exporting.export`."""
    held = _look(split_records(dataset))
    check_splits(dataset, held.images)
    names, counts = Names(frozenset({"images"})), Counter[str]()
    with ExportFolder(path, home=dataset.workspace, copy=copy) as out:
        for split in SPLITS:
            if held.images[split]:
                out.file(f"images/{split}/x")
                out.file(f"labels/{split}/x")
        records = tracked(split_records(dataset), task="exporting", total=len(dataset.names()), report=report)
        for record in records:
            if not record.labelled:
                continue
            assert record.split is not None
            name = f"{record.split}/{names.of(record.file_name)}"
            out.image(f"images/{name}", dataset.images / record.file_name)
            rows = _rows(record, dataset.labels, held)
            out.write(str(Path("labels", name).with_suffix(".txt")), "".join(rows))
            counts.update(images=1, annotations=len(rows))
        notes = tuple(_notes(held, names))
        out.write("data.yaml", _data_yaml(dataset.labels, held))
        out.write("README.md", _readme(dataset, held, notes, copy=copy))
    return Exported(
        path=path, to="ultralytics", images=counts["images"], annotations=counts["annotations"],
        losses=_losses(held), notes=(f"task {held.task}; the command stands in {path / 'README.md'}", *notes),
    )  # fmt: skip


def _look(records: Iterable[ImageRecord]) -> _Held:
    images, count, keypoints = Counter[str](), Counter[str](), 0
    for record in records:
        count["unlabelled"] += not record.labelled
        if not record.labelled:
            continue
        images[record.split or ""] += 1
        for each in record.annotations:
            if each.crowd:
                count["crowds"] += 1
                continue
            count.update(single=1, outlines=bool(each.polygons), masks=each.rle is not None and not each.polygons)
            keypoints = max(keypoints, len(each.keypoints.points) if each.keypoints else 0)
    return _Held(
        images=images,
        unlabelled=count["unlabelled"],
        crowds=count["crowds"],
        single=count["single"],
        outlines=count["outlines"],
        masks=count["masks"],
        keypoints=keypoints,
    )


def _rows(record: ImageRecord, labels: LabelSet, held: _Held) -> list[str]:
    """The lines of a label file, each with its newline."""
    rows = []
    for each in record.annotations:
        if not each.crowd:
            values = _values(each, record, held)
            number = labels.names.index(each.label)
            rows.append(" ".join([str(number), *(f"{value:.9g}" for value in values)]) + "\n")
    return rows


def _values(annotation: Annotation, record: ImageRecord, held: _Held) -> Sequence[float]:
    """The numbers behind the class, as shares of the image."""
    width, height, box = record.width, record.height, annotation.box
    if held.task == "segment":
        points = joined(annotation.polygons)
        return [value for x, y in points for value in (_share(x, width), _share(y, height))]
    values = [
        (box.x + box.width / 2) / width,
        (box.y + box.height / 2) / height,
        box.width / width,
        box.height / height,
    ]
    if held.task == "pose":
        there = annotation.keypoints.points if annotation.keypoints else ()
        padded = (*there, *(((0.0, 0.0, 0),) * (held.keypoints - len(there))))
        values += [value for x, y, seen in padded for value in (_share(x, width), _share(y, height), seen)]
    return values


def _share(value: float, whole: int) -> float:
    """A coordinate as a share of the image; Ultralytics drops an image with one outside of it."""
    return min(max(value / whole, 0.0), 1.0)


def _losses(held: _Held) -> dict[str, int]:
    outlines = held.outlines if held.task != "segment" else 0
    found = {"crowd": held.crowds, "polygons": outlines, "mask": held.masks}
    return {what: count for what, count in found.items() if count}


def _notes(held: _Held, names: Names) -> Iterable[str]:
    if held.unlabelled:
        yield f"{counted(held.unlabelled, 'image')} without labels left out: they are unlabelled, not empty"
    if held.task == "detect" and held.outlines:
        boxes = held.single - held.outlines
        yield f"written as boxes: {held.outlines:,} annotations have an outline, but {boxes:,} have none"
    if held.crowds:
        yield f"{counted(held.crowds, 'annotation')} of groups left out: Ultralytics would take them for single things"
    if names.changed:
        yield f"{counted(names.changed, 'image')} got another name, so that no two share a label file"
    if not held.images["test"]:
        yield "no labelled image is in the test split"


def _data_yaml(labels: LabelSet, held: _Held) -> str:
    """Without `path`, so that Ultralytics counts from this file, wherever the folder is moved."""
    lines = ["# written by RCG"]
    lines += [f"{split}: images/{split}" for split in SPLITS if held.images[split]]
    lines += [f"nc: {len(labels.names)}", "names:"]
    lines += [f"  {number}: {orjson.dumps(name).decode()}" for number, name in enumerate(labels.names)]
    if held.keypoints:
        lines.append(f"kpt_shape: [{held.keypoints}, 3]")
    return "\n".join(lines) + "\n"


def _readme(dataset: Dataset, held: _Held, notes: Iterable[str], *, copy: bool) -> str:
    counts = ", ".join(f"{split} {held.images[split]:,}" for split in SPLITS)
    linked = (
        "The images are links to the dataset's. Ultralytics writes a JPEG that it finds cut off anew in its place, "
        "through the link too; export with `--copy` where that must not happen."
    )
    lines = [
        f"# {dataset.name} for Ultralytics",
        "",
        f"Labels for the task `{held.task}`; labelled images: {counts}.",
        f"Version {dataset.version(complete=False).id[:12]} of the dataset.",
        "",
        "```",
        f"yolo {held.task} train data=data.yaml model={_MODELS[held.task]}",
        "```",
        "",
        "Run it in this folder. Ultralytics is no part of RCG, which neither needs nor installs it; mind its licence.",
        *([] if copy else ["", linked]),
        *([""] if notes else []),
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines) + "\n"
