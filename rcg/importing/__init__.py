"""Adding images and labels to a dataset: copied or linked, by stage, nothing lost and nothing doubled.

The originals are only read. What was added before a stop or a crash stays valid, and the same call again goes on from
there: images that are in the dataset already, byte for byte, are not added twice.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from rcg.annotations import FORMATS, AnnotationSource, open_annotations
from rcg.annotations.place import Place
from rcg.annotations.source import Notes
from rcg.annotations.split import split_of_path
from rcg.dataset_types import BOX, KEYPOINTS, POLYGON
from rcg.dataset_writer import DatasetWriter
from rcg.datasets import GROUND_TRUTH, Dataset
from rcg.errors import ConfigError, DataError, FormatError, RcgError
from rcg.files import append_jsonl, explain, fingerprint
from rcg.images import list_images, max_pixels, read_size
from rcg.journal import note
from rcg.progress import Report, Tick, silent, tracked
from rcg.types import BadLine, ImageRecord, LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What an import brought.

    Attributes:
        images: Images that the source holds and the dataset now has.
        new: How many of them were not in the dataset before.
        annotations: Annotations read.
        labelled: Images that a label file spoke of.
        dropped: Lines, records and images that were left out.
        quarantine: The file that lists them, or None.
        format: What the labels were read as; "images" where there are none.
        reason: Why they were recognised as that.
        notes: What else is worth knowing, one sentence each.
    """

    images: int
    new: int
    annotations: int
    labelled: int
    dropped: int
    quarantine: Path | None
    format: str
    reason: str
    notes: tuple[str, ...]


class PlainImages:
    """A folder of images without labels, in the shape of an annotation source."""

    format = "images"

    def __init__(self, folder: Path) -> None:
        self.images = folder
        self.reason = "there are images and no labels of a known format"
        self.labels = LabelSet(())
        self.notes = Notes()
        self.notes.say("no labels of a known format were found")
        self._names = list(list_images(folder))
        self.total = len(self._names)

    def records(self, bad: _Bad, *, report: Report = silent) -> Iterator[ImageRecord]:
        for name in tracked(self._names, task="reading images", report=report):
            try:
                size = read_size(self.images / name)
            except FormatError as error:
                bad(BadLine(file=name, line=None, reason=f"{error.what} ({error.fix})"))
                continue
            yield ImageRecord(
                file_name=name, width=size.width, height=size.height, labelled=False, split=split_of_path(name)
            )


class _Bad:
    """Collects what is left out."""

    def __init__(self) -> None:
        self.lines: list[BadLine] = []

    def __call__(self, line: BadLine) -> None:
        self.lines.append(line)


def recognise(
    images: str | Path | None,
    labels: str | Path | None,
    *,
    format: str = "auto",
    classes: str | Path | None = None,
    stage: str = GROUND_TRUTH,
) -> AnnotationSource | PlainImages:
    """What stands at these places, before anything is copied.

    Args:
        images: A folder of images; it may hold the labels too.
        labels: A label file or folder; None looks for labels below `images`.
        format: "auto", or the format to read the labels as.
        classes: A file with class names.
        stage: "ground_truth" or "predictions".

    Raises:
        RcgError: If there is nothing to read; it says what was looked for.
    """
    if images is None and labels is None:
        raise ConfigError("there is nothing to add", fix="name a folder of images, a label file, or both")
    folder = None if images is None else Path(images).expanduser().absolute()
    if folder is not None and not folder.is_dir():
        what = "this is a file, and a folder of images is needed" if folder.exists() else "there is no such folder"
        raise ConfigError(what, where=folder, fix="name the folder that holds the images")
    if folder is not None and labels is None and format == "auto":
        place = Place(folder)
        known = place.opposite() is not None or any(each.recognise(place) for each in FORMATS.values())
        if place.has_images and not known:
            return PlainImages(folder)
    source = folder if labels is None else Path(labels).expanduser().absolute()
    assert source is not None
    inside = None if labels is None else folder  # labels beside the images tell by themselves where these are
    return open_annotations(source, format=format, images=inside, classes=classes, stage=stage)


def add(
    dataset: Dataset,
    images: str | Path | None = None,
    labels: str | Path | None = None,
    *,
    stage: str = GROUND_TRUTH,
    name: str | None = None,
    format: str = "auto",
    classes: str | Path | None = None,
    link: bool = False,
    report: Report = silent,
) -> Added:
    """Add images and their labels to a dataset.

    Args:
        dataset: What to add to.
        images: A folder of images. None takes those that the labels speak of: the dataset's own.
        labels: A label file or folder; None looks for labels below `images`.
        stage: "ground_truth" or "predictions".
        name: The name of a set of predictions; that of the label file by default.
        format: What to read the labels as; "auto" finds out.
        classes: A file with class names, where the labels do not bring them.
        link: Refer to the images where they are (symbolic links) instead of copying them.
        report: Where the progress goes; a `Cancelled` from it keeps what was added so far.

    Returns:
        What was added and what was left out.

    Raises:
        RcgError: If nothing can be read, somebody else writes, or the disk is full.
    """
    stage = stage.replace("-", "_")
    source: AnnotationSource | PlainImages
    if stage != GROUND_TRUTH:
        name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", Path(str(labels or images)).stem).strip("-._")
    dataset.labels_file(stage, name)  # refuses an unknown stage before anything is read
    if images is None and labels is not None and dataset.labels_file().exists():
        source = open_annotations(labels, format=format, images=dataset.images, classes=classes, stage=stage)
    else:
        source = recognise(images, labels, format=format, classes=classes, stage=stage)
    with dataset.writing(f"adding {source.total:,} images") as out:
        return _Import(out, source, stage=stage, name=name, link=link).run(report)


class _Import:
    def __init__(
        self, out: DatasetWriter, source: AnnotationSource | PlainImages, *, stage: str, name: str | None, link: bool
    ) -> None:
        self.out, self.dataset, self.source = out, out.dataset, source
        self.stage, self.name, self.link = stage, name, link
        self.bad = _Bad()
        self.known = {record.file_name: record for record in self.dataset.records(corrected=False)}
        self.found: dict[str, ImageRecord] = {}

    def run(self, report: Report) -> Added:
        for folder in (self.dataset.images, self.dataset.path / "labels"):
            for half in folder.rglob(".*.part"):  # what a killed import was writing
                half.unlink()
        self.out.change(unfinished=str(self.source.images))
        try:
            for record in self.source.records(self.bad, report=report):
                self._take(record)
        except (DataError, FormatError):  # the source as a whole is refused, however much of it was read
            self._take_back()
            raise
        except BaseException:  # a stop or a full disk: what is in place is entered, so that nothing is lost
            self._enter(silent)  # the sink would stop this too
            raise
        if not self.found:
            self.out.change(unfinished="")
            raise self._nothing()
        self._enter(report)
        self.out.store_splits()  # only now: half of a source does not tell which splits it leaves out
        quarantine = self._quarantine()
        done = self._result(quarantine)
        self._remember(done)
        return done

    def _take_back(self) -> None:
        """Remove the images that this import brought; the labels were not touched yet."""
        for name in self.found.keys() - self.known.keys():
            (self.dataset.images / name).unlink(missing_ok=True)
        self.out.change(unfinished="")

    def _take(self, record: ImageRecord) -> None:
        if record.width * record.height > max_pixels():
            size = f"{record.width:,} x {record.height:,} pixels"
            reason = f"the image has {size}, more than is decoded; scale it down, or set RCG_MAX_PIXELS"
            self.bad(BadLine(file=record.file_name, line=None, reason=reason))
            return
        original = self.source.images / record.file_name
        inside = self.dataset.images
        if original.is_relative_to(inside):
            kept = original.relative_to(inside).as_posix()
        else:
            kept = _place(original, inside, record.file_name, link=self.link)
        split = record.split or split_of_path(record.file_name)
        self.found[kept] = replace(record, file_name=kept, image_id=None, split=split)

    def _enter(self, report: Report) -> None:
        """Merge what was found into the labels of the stage, and the images into the ground truth."""
        if not self.found:
            return
        report(Tick(task="writing labels", done=0, total=1))
        self.out.learn_classes(self.source.labels.names)
        if self.stage == GROUND_TRUTH:
            merged = {**self.known, **{key: _merged(self.known.get(key), each) for key, each in self.found.items()}}
        else:
            bare = {key: replace(each, annotations=(), labelled=False) for key, each in self.found.items()}
            merged = {**bare, **self.known}
        self.out.learn_classes(a.label for record in self.found.values() for a in record.annotations)
        if merged != self.known:
            self.out.write_records(merged.values())
        if self.stage != GROUND_TRUTH:
            self.out.write_records(self.found.values(), stage=self.stage, name=self.name)
        report(Tick(task="writing labels", done=1, total=1))

    def _nothing(self) -> DataError:
        what = "no image could be added"
        if self.bad.lines:
            first = self.bad.lines[0]
            place = first.file if first.line is None else f"{first.file}, line {first.line}"
            what += f": {len(self.bad.lines)} were left out, the first is {place}: {first.reason}"
        fix = "name the folder that holds the images, and mend or remove the files that are listed"
        return DataError(what, where=self.source.images, fix=fix)

    def _quarantine(self) -> Path | None:
        file = self.dataset.path / "quarantine.jsonl"
        for line in self.bad.lines:
            append_jsonl(file, {"time": time.time(), "source": str(self.source.images), **asdict(line)})
        return file if self.bad.lines else None

    def _result(self, quarantine: Path | None) -> Added:
        found = self.found.values()
        return Added(
            images=len(self.found),
            new=len(self.found.keys() - self.known.keys()),
            annotations=sum(len(record.annotations) for record in found),
            labelled=sum(record.labelled for record in found),
            dropped=len(self.bad.lines),
            quarantine=quarantine,
            format=self.source.format,
            reason=self.source.reason,
            notes=(*_schema_notes(self.dataset, self.found), *self.source.notes.lines()),
        )

    def _remember(self, done: Added) -> None:
        origin = {
            "path": str(self.source.images),
            "added": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "stage": self.stage,
            "format": done.format,
            "images": done.images,
            "annotations": done.annotations,
            "dropped": done.dropped,
            "linked": self.link,
            "fingerprint": fingerprint(self.dataset.labels_file(self.stage, self.name)),
        }
        self.out.change(sources=[*self.dataset.config()["sources"], origin], unfinished="")
        facts = {"images": done.images, "new": done.new, "annotations": done.annotations, "dropped": done.dropped}
        note(self.dataset.workspace, "images added", dataset=self.dataset.name, stage=self.stage, **facts)


def _merged(old: ImageRecord | None, new: ImageRecord) -> ImageRecord:
    """The newer labels win; images that come again without labels keep what they have."""
    if old is None:
        return new
    kept = old if old.labelled and not new.labelled else new
    return replace(kept, image_id=old.image_id, card=new.card or old.card, split=new.split or old.split)


def _place(original: Path, folder: Path, file_name: str, *, link: bool) -> str:
    """Copy or link an image into `folder`; another image of the same name gets its fingerprint into its name."""
    for name in (file_name, _marked(file_name, original)):
        target = folder / name
        if target.is_symlink() and not target.exists():  # the original was moved: the new place is as good
            target.unlink()
        if not target.exists():
            _put(original, target, link=link)
            return name
        if target.samefile(original) or _equal(target, original):
            return name
    raise DataError("two different images have the same fingerprint", where=original)


def _marked(file_name: str, original: Path) -> str:
    path = PurePosixPath(file_name)
    return path.with_name(f"{path.stem}~{fingerprint(original)[:8]}{path.suffix}").as_posix()


def _equal(first: Path, second: Path) -> bool:
    return first.stat().st_size == second.stat().st_size and fingerprint(first) == fingerprint(second)


def _put(original: Path, target: Path, *, link: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            target.symlink_to(original.resolve())
            return
        handle, beside = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        os.close(handle)
        try:
            shutil.copyfile(original, beside)
            shutil.copystat(original, beside)
            Path(beside).replace(target)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise explain(error, target) from error


def _schema_notes(dataset: Dataset, found: Mapping[str, ImageRecord]) -> Iterator[str]:
    """Where the labels are not what the dataset's type asks for."""
    schema, geometry = dataset.type.labels, dataset.type.geometry
    annotations = [annotation for record in found.values() for annotation in record.annotations]
    strange = Counter(each.label for each in annotations if schema and each.label not in schema)
    if strange:
        counts = ", ".join(f"{label} ({count})" for label, count in strange.most_common(5))
        yield f"these classes are not in the schema of {dataset.type.name}, and were kept: {counts}"
    has = {
        BOX: True,
        POLYGON: any(each.polygons or each.rle for each in annotations),
        KEYPOINTS: any(each.keypoints for each in annotations),
    }
    if annotations and not any(has.get(kind) for kind in geometry):
        wanted = " or ".join(sorted(geometry))
        yield f"a dataset of type {dataset.type.name} asks for {wanted}, these labels have boxes only"


__all__ = ["Added", "RcgError", "add", "recognise"]
