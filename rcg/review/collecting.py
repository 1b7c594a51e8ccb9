"""What was edited in FiftyOne's App, taken into the dataset's log of corrections."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from rcg.errors import DataError
from rcg.locks import Lock
from rcg.progress import Report, Tick, silent
from rcg.review.changes import find_changes
from rcg.review.database import explained
from rcg.review.keeper import waiting
from rcg.review.labels import BASE, read_shapes
from rcg.review.shapes import decode_base, encode_base

if TYPE_CHECKING:
    from rcg.corrections import Correction
    from rcg.datasets import Dataset

SOURCE = "fiftyone"
_TASK = "taking corrections"


def lock_of(dataset: Dataset) -> Lock:
    """The lock of the one that brings this dataset and its copy in FiftyOne together."""
    return Lock(dataset.workspace / "fiftyone" / f"{dataset.name}.lock", doing="bringing FiftyOne up to date")


def collect(
    fiftyone_dataset: Any, dataset: Dataset, *, only: Collection[str] | None = None, report: Report = silent
) -> tuple[Correction, ...]:
    """Take the edits of the field `corrected` into the dataset's log of corrections.

    Each edit is taken once, however often this runs and whoever else runs it. What cannot be taken (a class that the
    dataset does not know, an outline of two points) stays in the App and is named in a tick's note.

    Args:
        fiftyone_dataset: The dataset that `build` returned.
        dataset: The dataset it was built from.
        only: The ids of the samples to look at; all by default.
        report: Counts the samples looked at.

    Returns:
        The corrections made.
    """
    with waiting(lock_of(dataset)), explained():
        view = fiftyone_dataset if only is None else fiftyone_dataset.select(list(only))
        return collect_view(fiftyone_dataset, view, dataset, report=report)


def collect_view(
    fiftyone_dataset: Any, view: Any, dataset: Dataset, *, report: Report = silent
) -> tuple[Correction, ...]:
    """As `collect`, for the samples of a view; the caller holds `lock_of`."""
    made: list[Correction] = []
    bases: dict[str, str] = {}
    edited = [(key, *rest) for key, rest in read_shapes(view).items() if _differs(*rest[1:])]
    records = {record.file_name: record for record in dataset.records()} if edited else {}
    labels = classes_of(dataset) if edited else ()
    try:
        for done, (key, name, text, now) in enumerate(edited):
            report(Tick(task=_TASK, done=done, total=len(edited)))
            if name not in records:
                note = f"passed over {Path(name).name or 'a sample without a file name'}: not an image of the dataset"
                report(Tick(task=_TASK, done=done, total=len(edited), note=note))
                continue
            base = decode_base(orjson.loads(text))
            changes = find_changes(records[name], base, now, labels=labels)
            for before, after in changes.pairs:
                made.append(dataset.correct(name, before=before, after=after, source=SOURCE))
            if changes.taken:
                kept = {each: shape for each, shape in base.items() if each not in changes.taken}
                kept |= {each: now[each] for each in changes.taken if each in now}
                bases[key] = orjson.dumps(encode_base(kept)).decode()
            for reason in changes.skipped.values():
                report(Tick(task=_TASK, done=done, total=len(edited), note=f"not taken, {name}: {reason}"))
    finally:
        _write_bases(fiftyone_dataset, bases)
    if edited:
        report(Tick(task=_TASK, done=len(edited), total=len(edited), metrics={"corrections": len(made)}))
    return tuple(made)


def _write_bases(fiftyone_dataset: Any, bases: Mapping[str, str]) -> None:
    """Store new snapshots without touching the samples' time of change.

    The App refuses an edit of an open sample that was changed behind its back, and `set_values` would count as that.
    """
    if bases:
        from bson import ObjectId
        from pymongo import UpdateOne

        changes = [UpdateOne({"_id": ObjectId(key)}, {"$set": {BASE: text}}) for key, text in bases.items()]
        fiftyone_dataset._sample_collection.bulk_write(changes)  # noqa: SLF001 - see above


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    """The classes that a label may have: those the dataset has, then the others of its type's schema."""
    return tuple(dict.fromkeys([*dataset.labels.names, *dataset.type.labels]))


def _differs(text: str, now: dict[str, Any]) -> bool:
    base = decode_base(orjson.loads(text))
    return base.keys() != now.keys() or any(not shape.equals(now[key]) for key, shape in base.items())


def dataset_of(fiftyone_dataset: Any) -> Dataset:
    """The RCG dataset that a FiftyOne dataset was built from.

    Raises:
        DataError: If it was not built by RCG.
    """
    from rcg.workspace import Workspace

    known = (fiftyone_dataset.info or {}).get("rcg")
    if not known:
        fix = "open it with `rcg browse DATASET`"
        raise DataError("this dataset was not built by RCG", where=fiftyone_dataset.name, fix=fix)
    return Workspace(known["workspace"]).dataset(known["dataset"])
