"""Whether a dataset can be trained on, and what to mend first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rcg.annotations import open_annotations
from rcg.corrections import apply_corrections
from rcg.datasets import Coverage, Dataset
from rcg.errors import RcgError
from rcg.images import read_size
from rcg.progress import counted
from rcg.types import BadLine, ImageRecord

GO, WARN, STOP = "go", "warn", "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a reader should know before training.

    Attributes:
        severity: "warn" or "stop".
        what: What was found, one sentence with the count.
        fix: What to do about it.
        records: The first images or classes it concerns.
    """

    severity: str
    what: str
    fix: str
    records: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The answer to "can I train on this?".

    Attributes:
        source: What was looked at.
        verdict: "go", "warn" (training works, with these doubts) or "stop".
        images: Images in all.
        labelled: Images that labels speak of.
        annotations: Annotations in all.
        per_label: Annotations a class.
        findings: What was found, the gravest first.
        architectures: What can be trained on it; empty for a plain COCO file.
    """

    source: str
    verdict: str
    images: int
    labelled: int
    annotations: int
    per_label: dict[str, int]
    findings: tuple[Finding, ...]
    architectures: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"{self.source}: {self.verdict} ({self.images:,} images, {self.labelled:,} labelled, "
        rows = [head + f"{self.annotations:,} annotations)"]
        rows += [f"  {label}: {count:,}" for label, count in self.per_label.items()]
        for each in self.findings:
            rows.append(f"  {each.severity}: {each.what}")
            if each.records:
                rows.append(f"        {', '.join(each.records)}")
            rows.append(f"        fix: {each.fix}")
        return "\n".join(rows)


def validate(source: Dataset | str | Path) -> Readiness:
    """Look at a dataset, or at a label file or folder, and say whether it can be trained on.

    Args:
        source: A dataset, or a path that `convert` can read.

    Raises:
        RcgError: If it cannot be read at all.
    """
    if isinstance(source, Dataset):
        found = tuple(_dataset_findings(source, source.coverage()))
        return _readiness(source.name, source.records(), found, source.type.architectures)
    bad: list[BadLine] = []
    opened = open_annotations(source)
    records = tuple(opened.records(bad.append))
    found = tuple(_record_findings(records))
    if bad:
        places = tuple(f"{line.file}:{line.line}" if line.line else line.file for line in bad[:5])
        what = f"{len(bad)} lines or files cannot be used; the first: {bad[0].reason}"
        found = (*found, Finding(severity=WARN, what=what, fix="mend or remove them", records=places))
    return _readiness(str(source), records, found, ())


def _readiness(
    name: str, records: tuple[ImageRecord, ...], findings: tuple[Finding, ...], architectures: tuple[str, ...]
) -> Readiness:
    counts: dict[str, int] = {}
    for record in records:
        for annotation in record.annotations:
            counts[annotation.label] = counts.get(annotation.label, 0) + 1
    ordered = tuple(sorted(findings, key=lambda each: each.severity != STOP))
    verdict = GO if not ordered else ordered[0].severity
    return Readiness(
        source=name,
        verdict=verdict,
        images=len(records),
        labelled=sum(record.labelled for record in records),
        annotations=sum(counts.values()),
        per_label=counts,
        findings=ordered,
        architectures=architectures,
    )


def _dataset_findings(dataset: Dataset, coverage: Coverage) -> Iterator[Finding]:
    if not coverage.images:
        fix = f"rcg dataset add {dataset.name} --images FOLDER"
        yield Finding(severity=STOP, what="the dataset holds no images", fix=fix)
        return
    if not dataset.type.architectures:
        what = f"nothing in this version trains a dataset of type {dataset.type.name}"
        yield Finding(severity=STOP, what=what, fix="choose another type for labels with boxes, such as custom")
    yield from _damaged(dataset)
    yield from _record_findings(dataset.records())
    for split in ("train", "val"):
        if not coverage.per_split[split]:
            fix = "add photos of more cards, or change val_share and test_share in rcg.toml"
            yield Finding(severity=STOP, what=f"no image is in the split {split!r}", fix=fix)
    if not coverage.per_split["test"]:
        fix = "add photos of more cards, or raise test_share in rcg.toml"
        yield Finding(severity=WARN, what="no image is in the split 'test': nothing to evaluate on", fix=fix)
    yield from _import_findings(dataset)
    schema = dataset.type.labels
    strange = tuple(label for label, count in coverage.per_label.items() if count and schema and label not in schema)
    if strange:
        what = f"{len(strange)} classes are not in the schema of {dataset.type.name}"
        yield Finding(severity=WARN, what=what, fix="rename them, or use the type custom", records=strange[:5])
    stale = apply_corrections(dataset.records(corrected=False), dataset.corrections())[1]
    if stale:
        what = f"{len(stale)} corrections no longer fit the labels"
        names = tuple(f"{each.number} ({each.file_name})" for each in stale[:5])
        yield Finding(severity=WARN, what=what, fix="look at these images again, or undo them", records=names)


def _import_findings(dataset: Dataset) -> Iterator[Finding]:
    """What imports left out, and whether one was cut off."""
    config = dataset.config()
    for command in dataset.unfinished():
        fix = f"go on with it, what is in place is not doubled: {command}"
        yield Finding(severity=WARN, what="an import was not finished", fix=fix)
    latest = {(each["path"], each.get("labels", ""), each["stage"]): each for each in config["sources"]}
    if dropped := sum(each.get("dropped", 0) for each in latest.values()):
        file = dataset.path / "quarantine.jsonl"
        what = f"{counted(dropped, 'line or file', 'lines or files')} could not be added"
        yield Finding(severity=WARN, what=what, fix=f"see {file}, mend them and add the folder again")


def _damaged(dataset: Dataset) -> Iterator[Finding]:
    """Images that cannot be decoded any more, as their headers and ends tell."""
    names, first = [], ""
    for record in dataset.records(corrected=False):
        try:
            read_size(dataset.images / record.file_name)
        except RcgError as error:
            names.append(record.file_name)
            first = first or error.what
    if names:
        what = f"{counted(len(names), 'image')} cannot be read: {first}"
        fix = f"put good copies in their places below {dataset.images}, or train with unreadable=skip"
        yield Finding(severity=STOP, what=what, fix=fix, records=tuple(names[:5]))


def _record_findings(records: tuple[ImageRecord, ...]) -> Iterator[Finding]:
    missing = tuple(record.file_name for record in records if not record.labelled)
    boxes = sum(len(record.annotations) for record in records)
    if not boxes:
        fix = "add labels: rcg dataset add NAME --labels FILE_OR_FOLDER"
        yield Finding(severity=STOP, what="nothing is labelled", fix=fix)
        return
    if missing:
        what = f"{len(missing):,} of {len(records):,} images have no label; they are not trained on"
        fix = "label them, or give them an empty label file where there is nothing to see"
        yield Finding(severity=WARN, what=what, fix=fix, records=missing[:5])
    outside = tuple(record.file_name for record in records if any(_outside(record)))
    if outside:
        what = f"{len(outside):,} images have a box that lies outside the picture"
        yield Finding(severity=WARN, what=what, fix="label these images again", records=outside[:5])


def _outside(record: ImageRecord) -> Iterator[bool]:
    for annotation in record.annotations:
        left, top, right, bottom = annotation.box.corners
        slack = 0.01 * max(record.width, record.height)
        yield left < -slack or top < -slack or right > record.width + slack or bottom > record.height + slack


__all__ = ["Finding", "RcgError", "Readiness", "validate"]
