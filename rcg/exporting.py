"""A dataset in the shape that other tools train from; the dataset itself is only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from rcg import journal
from rcg.annotations.formats import TARGETS, target_named
from rcg.annotations.formats.coco_lines import record_of_lines
from rcg.annotations.split import SPLITS, ways_to_fill
from rcg.annotations.target import check_target
from rcg.datasets import Dataset
from rcg.errors import ConfigError, DataError
from rcg.progress import Report, counted, silent, tracked
from rcg.types import ImageRecord
from rcg.version_content import corrected_lines

DETECTRON2, ULTRALYTICS = "detectron2", "ultralytics"
_TASK = "exporting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        path: The folder or file.
        to: What it is for.
        images: Images in it.
        annotations: Their annotations.
        losses: What it cannot carry: kind of information and number of annotations or images.
        notes: What else is worth knowing, one sentence each.
    """

    path: Path
    to: str
    images: int
    annotations: int
    losses: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{counted(self.images, 'image')} with {counted(self.annotations, 'annotation')}; in {self.path}"
        lost = ", ".join(f"{what} ({count:,})" for what, count in self.losses.items())
        return "\n".join([text, *([f"not carried: {lost}"] if lost else []), *self.notes])


def targets() -> tuple[str, ...]:
    """What a dataset can be exported to."""
    return (DETECTRON2, ULTRALYTICS, *TARGETS)


def export(
    dataset: Dataset,
    target: str | Path | None = None,
    *,
    to: str,
    copy: bool = False,
    report: Report = silent,
) -> Exported:
    """Write a dataset for another tool: its labels with their corrections, by split.

    "detectron2" and "ultralytics" make a folder with images, labels, settings and a README with the command to train;
    images without labels are left out of these, since both would learn them as background. The label formats write
    labels alone, and the images stay in the dataset.

    Args:
        dataset: The dataset; it is only read.
        target: The folder or file to make; below `exports/` of the workspace by default. An earlier export is replaced.
        to: "detectron2", "ultralytics", or the name of a label format.
        copy: Whether to copy the images instead of linking them.
        report: Counts the images.

    Raises:
        ConfigError: If there is no such target.
        DataError: If there is nothing to export, or something else stands at the target.
        RcgError: If an image is missing, or the disk is full; what stood at the target is then untouched.
    """
    if to not in targets():
        near = get_close_matches(to, targets(), n=1)
        fix = f"write {near[0]}" if near else f"choose one of {', '.join(targets())}"
        raise ConfigError(f"there is no export to {to!r}", fix=fix)
    if copy and to in TARGETS:
        raise ConfigError(f"an export to {to} writes labels alone", fix="leave --copy out; the images stay in place")
    if not dataset.names():
        fix = f"add some: rcg dataset add {dataset.name} --images FOLDER"
        raise DataError("the dataset holds no images", where=dataset.name, fix=fix)
    path = _target(dataset, target, to)
    done = _tools()[to](dataset, path, copy, report) if to not in TARGETS else _labels(dataset, path, to, report)
    facts = {"to": to, "images": done.images, "annotations": done.annotations, "path": str(done.path)}
    journal.note(dataset.workspace, "dataset exported", dataset=dataset.name, **facts)
    return done


def _tools() -> dict[str, Callable[[Dataset, Path, bool, Report], Exported]]:
    from rcg.export_detectron2 import export_detectron2
    from rcg.export_ultralytics import export_ultralytics

    return {DETECTRON2: export_detectron2, ULTRALYTICS: export_ultralytics}


def _target(dataset: Dataset, target: str | Path | None, to: str) -> Path:
    """Where the export goes; never into the dataset itself."""
    ending = {"coco": ".json", "csv": ".csv"}.get(to, "")
    path = dataset.workspace / "exports" / f"{dataset.name}-{to}{ending}"
    if target is not None:
        path = Path(target).expanduser().absolute()
    if path.resolve().is_relative_to(dataset.path.resolve()) or dataset.path.resolve().is_relative_to(path.resolve()):
        raise ConfigError("the export would stand in the dataset itself", where=path, fix="name a place outside of it")
    if to in TARGETS:
        check_target(path, target_named(to), source=dataset.labels_file())
    return path


def _labels(dataset: Dataset, path: Path, to: str, report: Report) -> Exported:
    """The labels alone, in one of the label formats."""
    made = target_named(to)
    counts, lost = Counter[str](), Counter[str]()
    with made.write(path, dataset.labels, dataset.images) as out:
        for record in tracked(split_records(dataset), task=_TASK, total=len(dataset.names()), report=report):
            for loss in out.add(replace(record, image_id=None)):
                lost[loss.what] += loss.count
            counts.update(images=1, annotations=len(record.annotations))
    notes = (f"the images stay in {dataset.images}", *([made.advice] if made.advice else []))
    return Exported(
        path=path, to=to, images=counts["images"], annotations=counts["annotations"], losses=dict(lost), notes=notes
    )


def split_records(dataset: Dataset) -> Iterator[ImageRecord]:
    """The images with their labels, corrections included, each with the split that the dataset has it in."""
    splits, labels = dataset.splits(), dataset.labels
    for lines in corrected_lines(dataset):
        yield replace(record_of_lines(lines, labels), split=splits.of(lines.file_name))


def check_splits(dataset: Dataset, counts: Counter[str]) -> None:
    """Refuse an export that cannot be trained on.

    Raises:
        DataError: If no labelled image is in train or in val, or there are no classes.
    """
    if not dataset.labels.names:
        fix = f"add labels: rcg dataset add {dataset.name} --labels FOLDER"
        raise DataError("the dataset has no classes", where=dataset.name, fix=fix)
    for split in ("train", "val"):
        if not counts[split]:
            others = ", ".join(f"{counts[each]:,} in {each}" for each in SPLITS if each != split)
            what = f"the {split} split has no labelled images ({others})"
            raise DataError(what, where=dataset.name, fix=ways_to_fill(split, dataset.name))
