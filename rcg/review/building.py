"""A dataset as a FiftyOne dataset: a cache that is brought up to date from RCG's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from rcg.errors import DataError
from rcg.images import read_image, write_image
from rcg.progress import Report, silent, tracked
from rcg.review import comparing
from rcg.review.collecting import classes_of, collect_view, lock_of
from rcg.review.database import explained
from rcg.review.environment import configure
from rcg.review.keeper import waiting
from rcg.review.labels import (
    BASE,
    CORRECTED,
    EDITABLE,
    GROUND_TRUTH,
    STATE,
    declare,
    read_shapes,
    stage_fields,
    stage_values,
    truth_values,
)
from rcg.review.shapes import Shape, field_names
from rcg.types import ImageRecord

if TYPE_CHECKING:
    from rcg.datasets import Dataset

_VERSION = 3
_BATCH = 200
_PLAIN = {"expand_schema": False, "validate": False, "progress": False}  # the fields are declared, the values ours
_UNREAD = (".tif", ".tiff")  # image formats that browsers do not show
_FACTS = ("file_name", "card", "split", "labelled", "corrections", BASE, STATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """All that one sample shows.

    Attributes:
        record: The image with its labels, corrections applied.
        card: The card it shows.
        split: The split that card is in.
        corrections: How many corrections are in force.
        predictions: The predictions by field.
    """

    record: ImageRecord
    card: str
    split: str
    corrections: int
    predictions: Mapping[str, ImageRecord]

    def state(self) -> str:
        """A hash of all of it."""
        plain = {field: _plain(record) for field, record in sorted(self.predictions.items())}
        return _mark((_plain(self.record), self.card, self.split, self.corrections, plain))


def _plain(record: ImageRecord) -> ImageRecord:
    return replace(record, image_id=None)


def _mark(value: object) -> str:
    return xxhash.xxh3_64_hexdigest(repr(value).encode())


def fiftyone_name(dataset: Dataset) -> str:
    """The name of its copy in FiftyOne."""
    return f"rcg-{dataset.name}"


def build(dataset: Dataset, *, report: Report = silent) -> Any:
    """Bring the FiftyOne copy of a dataset up to date and return it.

    Edits that were made in the App and not taken yet are taken first. Only samples whose labels, predictions or splits
    changed are written, and only predictions touched by that are compared with the labels again.

    Args:
        dataset: The dataset.
        report: Told the step, and the samples done.

    Returns:
        The FiftyOne dataset `rcg-NAME`: fields `ground_truth`, `corrected` (the App's Annotate tab edits it), one
        `pred_RUN` for each set of predictions, with true and false positives and misses where labels are known.

    Raises:
        DataError: If the dataset holds no images.
        MissingExtra: If FiftyOne or its database is missing; the fix is the command.
        Cancelled: If the sink asks for a stop; the next call goes on from there.
    """
    fo = configure(dataset.workspace, report=report)
    if not dataset.records():
        fix = f"add some: rcg dataset add {dataset.name} --images FOLDER"
        raise DataError("the dataset holds no images to show", where=dataset.name, fix=fix)
    with waiting(lock_of(dataset)), explained():
        target = _opened(fo, dataset)
        collect_view(target, target, dataset, report=report)
        fields = field_names(dataset.prediction_names())
        items = read_items(dataset, fields)
        states = {item.record.file_name: item.state() for item in items}
        stamp = _mark((sorted(states.items()), classes_of(dataset), fields, str(dataset.images)))
        info = dict(target.info["rcg"])
        if info.get("stamp") != stamp or len(target) != len(items):  # samples may be deleted in the App
            whole = info.get("stamp") is not None  # if not, the last call was stopped half-way
            info["stamp"] = None
            _note(target, info)
            touched = _write_samples(fo, target, dataset, items=items, states=states, fields=fields, report=report)
            _set_schemas(target, classes_of(dataset))
            comparing.evaluate(fo, target, fields=fields, items=items, whole=whole, touched=touched, report=report)
            comparing.save_views(fo, target, fields)
            _arrange(fo, target)
            _note(target, {**info, "stamp": stamp, "fields": fields})
    return target


def read_items(dataset: Dataset, fields: Mapping[str, str]) -> list[Item]:
    """What the samples are to show, sorted by file name.

    Args:
        dataset: The dataset.
        fields: The FiftyOne field of each set of predictions.
    """
    splits = dataset.splits()
    counts = Counter(each.file_name for each in dataset.corrections() if not each.undone)
    predicted: dict[str, dict[str, ImageRecord]] = {}
    for name, field in fields.items():
        for record in dataset.records("predictions", name=name):
            if record.labelled:
                predicted.setdefault(record.file_name, {})[field] = record
    return [
        Item(
            record=record,
            card=splits.cards[record.file_name],
            split=splits.of(record.file_name),
            corrections=counts[record.file_name],
            predictions=predicted.get(record.file_name, {}),
        )
        for record in dataset.records()
    ]


def _opened(fo: Any, dataset: Dataset) -> Any:
    name = fiftyone_name(dataset)
    known = {"workspace": str(dataset.workspace), "dataset": dataset.name, "version": _VERSION}
    if fo.dataset_exists(name):
        target = fo.load_dataset(name)
        target.reload()
        if known.items() <= (target.info or {}).get("rcg", {}).items():
            return target
        fo.delete_dataset(name)  # of an earlier layout, or of a folder that was moved: it is made anew from the files
    target = fo.Dataset(name, persistent=True)
    for field in _FACTS:
        kind = {"labelled": fo.BooleanField, "corrections": fo.IntField}.get(field, fo.StringField)
        target.add_sample_field(field, kind)
    for field in (GROUND_TRUTH, *EDITABLE):
        declare(fo, target, field)
    target.create_index("file_name", unique=True)
    target.persistent = True
    _note(target, {**known, "stamp": None, "fields": {}})
    return target


def _note(target: Any, info: Mapping[str, Any]) -> None:
    target.info["rcg"] = dict(info)
    target.save()


def _write_samples(
    fo: Any,
    target: Any,
    dataset: Dataset,
    *,
    items: Sequence[Item],
    states: Mapping[str, str],
    fields: Mapping[str, str],
    report: Report,
) -> set[str]:
    """Add, change and remove samples as needed; the names of those touched."""
    label_fields = stage_fields(GROUND_TRUTH, (item.record for item in items))
    for field in fields.values():
        label_fields += stage_fields(field, (item.predictions[field] for item in items if field in item.predictions))
    for field in label_fields:
        declare(fo, target, field)
    comparing.forget(target, set(fields.values()))
    names, ids, paths, known = target.values(["file_name", "id", "filepath", STATE])
    present = {name: (key, path, state) for name, key, path, state in zip(names, ids, paths, known, strict=True)}
    gone = [key for name, (key, _, _) in present.items() if name not in states]
    if gone:
        target.delete_samples(gone)
    new = [item for item in items if item.record.file_name not in present]
    for batch in _batches(new, task="adding images", report=report):
        target.add_samples([fo.Sample(**_values(fo, dataset, item, states)) for item in batch], **_PLAIN)
    changed = {item.record.file_name: item for item in items if _stale(dataset, item, present, states)}
    if changed:
        view = target.select_by("file_name", sorted(changed))
        shapes = read_shapes(view)
        samples = view.iter_samples(autosave=True, batch_size=_BATCH)
        for sample in tracked(samples, task="updating images", report=report, total=len(changed)):
            values = _values(fo, dataset, changed[sample.file_name], states, shapes[sample.id][2])
            for field, value in {**dict.fromkeys(label_fields), **values}.items():
                sample[field] = value
    return {item.record.file_name for item in new} | changed.keys()


def _stale(
    dataset: Dataset, item: Item, present: Mapping[str, tuple[str, str, str | None]], states: Mapping[str, str]
) -> bool:
    name = item.record.file_name
    return name in present and present[name][1:] != (str(_shown(dataset, name)), states[name])


def _shown(dataset: Dataset, file_name: str) -> Path:
    """The file that the App shows: the image itself, or a PNG of it where browsers cannot read the format."""
    path = dataset.images / file_name
    return dataset.cache / "viewable" / f"{file_name}.png" if path.suffix.lower() in _UNREAD else path


def _viewable(dataset: Dataset, file_name: str) -> Path:
    """The file that the App shows, made if need be."""
    source, shown = dataset.images / file_name, _shown(dataset, file_name)
    if shown != source and not (shown.exists() and shown.stat().st_mtime >= source.stat().st_mtime):
        write_image(shown, read_image(source))
    return shown


def _batches(items: Sequence[Item], *, task: str, report: Report) -> Any:
    """The items in batches, counted one by one."""
    batch: list[Item] = []
    for item in tracked(items, task=task, report=report) if items else ():
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _values(
    fo: Any, dataset: Dataset, item: Item, states: Mapping[str, str], old: Mapping[str, Shape] | None = None
) -> dict[str, Any]:
    record = item.record
    values = {
        "filepath": str(_viewable(dataset, record.file_name)),
        "metadata": fo.ImageMetadata(width=record.width, height=record.height),
        "tags": [] if record.labelled else ["unlabelled"],
        "file_name": record.file_name,
        "card": item.card,
        "split": item.split,
        "labelled": record.labelled,
        "corrections": item.corrections,
        STATE: states[record.file_name],
        **truth_values(fo, record, old=old),
    }
    for field, predicted in item.predictions.items():
        values |= stage_values(fo, field, replace(predicted, width=record.width, height=record.height))
    return values


def _set_schemas(target: Any, labels: Sequence[str]) -> None:
    """Let the App's Annotate tab edit the copy, with the dataset's classes and no other."""
    schemas = {}
    for field in EDITABLE:
        schema = target.generate_label_schemas(field, scan_samples=False)
        schema["attributes"] = [each for each in schema["attributes"] if each["name"] == "id"]
        if labels:  # without any the App asks for the class as text
            schema |= {"classes": list(labels), "component": "radio" if len(labels) <= 5 else "dropdown"}
        schemas[field] = schema
    target.set_label_schemas(schemas)
    target.activate_label_schemas(list(EDITABLE))


def _arrange(fo: Any, target: Any) -> None:
    """Fold RCG's own bookkeeping away in the App's side bar, and show labels and predictions."""
    own = [BASE, STATE]
    groups = fo.DatasetAppConfig.default_sidebar_groups(target)
    for group in groups:
        group.paths = [path for path in group.paths if path not in own]
    groups.append(fo.SidebarGroupDocument(name="rcg", paths=own, expanded=False))
    target.app_config.sidebar_groups = groups
    # The Annotate tab edits only what the Explore tab shows.
    shown = [path for path in target.get_field_schema() if path.startswith((GROUND_TRUTH, CORRECTED, "pred_"))]
    target.app_config.active_fields = fo.ActiveFields(paths=shown)
    target.save()
