"""Doubts about a dataset as a whole: whether a training would begin, imports, the schema, corrections."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from rcg.annotations.split import SPLITS, ways_to_fill
from rcg.datasets import Dataset
from rcg.files import exists
from rcg.progress import counted
from rcg.readiness.findings import NOTE, STOP, WARN, Finding, finding
from rcg.table import CROWD, Table
from rcg.training.tasks import refusals


def dataset_findings(dataset: Dataset, table: Table) -> Iterator[Finding]:
    """All doubts about a dataset but those about single labels and image files."""
    if not len(table):
        fix = f"rcg dataset add {dataset.name} --images FOLDER"
        yield finding(STOP, "no_images", "the dataset holds no images", fix)
        return
    yield from _trainable(dataset, table)
    yield from _imports(dataset)
    yield from _schema(dataset, table)
    if table.stale:
        what = f"{counted(len(table.stale), 'correction no longer fits', 'corrections no longer fit')} the labels"
        shown = (f"{each.number} ({each.file_name})" for each in table.stale)
        fix = f"look at these images again: rcg browse {dataset.name}"
        yield finding(WARN, "stale_corrections", what, fix, shown)


def _trainable(dataset: Dataset, table: Table) -> Iterator[Finding]:
    """What training refuses, in its own words, and what it could not measure."""
    if not dataset.type.architectures:
        what = f"nothing here trains datasets of type {dataset.type.name}"
        fix = "boxes are trained on in datasets of another type: rcg dataset create OTHER_NAME --type custom"
        yield finding(STOP, "type_not_trained", what, fix)
        return
    labelled = table.per_split(table.labelled)
    in_train = (table.splits == SPLITS.index("train")) & table.labelled
    single = table.columns.shapes & CROWD == 0
    boxes = int((in_train[table.columns.images] & single).sum())
    if table.annotations:  # without any, that is told once
        for what, fix in refusals(dataset.name, labelled, boxes=boxes):
            yield finding(STOP, "training_refused", what, fix)
    if not labelled["test"]:
        what = "no labelled image is in the split 'test': nothing to evaluate on"
        yield finding(WARN, "no_test", what, ways_to_fill("test", dataset.name))
    unknown = [label for label in table.labels if label not in dataset.labels.names]
    if unknown:
        some = counted(len(unknown), "class of the labels is", "classes of the labels are")
        what = f"{some} not among the dataset's classes"
        fix = f"add them to classes in {dataset.path / 'dataset.toml'}"
        yield finding(STOP, "unknown_class", what, fix, unknown)


def _imports(dataset: Dataset) -> Iterator[Finding]:
    """What imports left out, and whether one was cut off."""
    for command in dataset.unfinished():
        fix = f"go on with it, what is in place is not doubled: {command}"
        yield finding(WARN, "unfinished_import", "an import was not finished", fix)
    latest = {(each["path"], each.get("labels", ""), each["stage"]): each for each in dataset.config()["sources"]}
    if dropped := sum(each.get("dropped", 0) for each in latest.values()):
        file = dataset.path / "quarantine.jsonl"
        what = f"{counted(dropped, 'line or file', 'lines or files')} could not be added"
        if exists(file):
            what += f"; {file} lists them"
        yield finding(WARN, "quarantine", what, "mend them, and add the same folder again: only they are read then")


def _schema(dataset: Dataset, table: Table) -> Iterator[Finding]:
    """Classes that the type does not know, and those of it that were never seen."""
    schema, counts = dataset.type.labels, table.per_label()
    strange = [label for label, count in counts.items() if count and schema and label not in schema]
    if strange:
        what = f"{counted(len(strange), 'class is', 'classes are')} not in the schema of {dataset.type.name}"
        near = get_close_matches(strange[0], schema, n=1)
        example = f"rcg dataset map {dataset.name} {strange[0]}={near[0] if near else 'CLASS'}"
        fix = f"rename each to the class of the schema that it is ({example}), or use the type custom"
        yield finding(WARN, "not_in_schema", what, fix, strange)
    never = [label for label in dict.fromkeys([*schema, *counts]) if not counts.get(label)]
    if never and table.annotations:
        what = f"{counted(len(never), 'class', 'classes')} without a label: a model does not learn them"
        yield finding(NOTE, "never_seen", what, "nothing to do where they do not occur; else label some", never)
