"""Other classes for a dataset that exists: renamed, merged or dropped in labels, corrections and predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rcg import corrections as log
from rcg import journal
from rcg.annotations import CocoWriter
from rcg.annotations.formats.coco_lines import category_of
from rcg.annotations.formats.coco_own import NotOwn, own_images
from rcg.annotations.formats.coco_write import Lines
from rcg.annotations.mapping import ClassMap
from rcg.datasets import GROUND_TRUTH, PREDICTIONS, Dataset
from rcg.files import stamp_of
from rcg.importing.index import follow_mapping
from rcg.progress import Report, Tick, silent
from rcg.types import LabelSet


def map_classes(dataset: Dataset, class_map: ClassMap, *, report: Report = silent) -> tuple[str, ...]:
    """Rename, merge or drop classes of a dataset: in its labels, its corrections and all its predictions.

    The version before and the one after are stored, so that it can be taken back. Until then labels that are added are
    mapped too, so that the same import again does not bring back what was renamed or dropped. Corrections stay what
    they are in the log and are read with the new names: one that changed a dropped class into another adds that other,
    one that changed another into a dropped class removes it.

    Args:
        dataset: The dataset.
        class_map: What becomes of its classes.
        report: Tells how far it is.

    Returns:
        What was done, one sentence a class.

    Raises:
        ConfigError: If there is no class of that name, or none would be left.
        DataError: If somebody else writes.
    """
    names = dataset.labels.names
    class_map.check(names)
    if not class_map:
        return ()
    with dataset.writing("mapping classes") as out:
        before = out.store_version(f"before mapping {' '.join(class_map.texts())}", report=report)
        labels = class_map.labels(dataset.labels)
        out.change(changing={"doing": "mapping classes", "version": before.id})
        truth = stamp_of(dataset.labels_file())
        mapped = _map_file(dataset, GROUND_TRUTH, None, class_map, labels)
        log.append_map(dataset.path / "corrections.jsonl", class_map)
        after = stamp_of(dataset.labels_file())
        follow_mapping(dataset.cache / "added.sqlite", before=truth, after=after, left=mapped.left)
        for done, name in enumerate(sets := dataset.prediction_names()):
            report(Tick(task="mapping predictions", done=done, total=len(sets)))
            _map_file(dataset, PREDICTIONS, name, class_map, labels)
        out.change(classes=list(labels.names), changing=None)
        notes = class_map.notes({name: mapped.counts[name] for name in names}, emptied=mapped.emptied)
        out.store_version("; ".join(notes), report=report)
    journal.note(dataset.workspace, "classes mapped", dataset=dataset.name, map=" ".join(class_map.texts()))
    return notes


@dataclass(slots=True)
class _Mapped:
    """What a mapping did to a file of labels.

    Attributes:
        counts: Its annotations by old class.
        emptied: Images that lost their last annotation.
        left: How many annotations images have that lost some.
    """

    counts: Counter[str] = field(default_factory=Counter)
    emptied: int = 0
    left: dict[str, int] = field(default_factory=dict)


def _map_file(dataset: Dataset, stage: str, name: str | None, class_map: ClassMap, labels: LabelSet) -> _Mapped:
    """Write a file of labels anew."""
    file, old = dataset.labels_file(stage, name), dataset.labels
    if not file.exists():
        return _Mapped()
    moves = {number: int(new) for number, new in zip(old.ids, class_map.indices(old.names).tolist(), strict=True)}
    names = dict(zip(old.ids, old.names, strict=True))
    for reading in (_own(file, old), _read(dataset, stage, name)):
        done = _Mapped()
        try:
            with CocoWriter(file, labels) as out:
                for lines in reading():
                    parts = tuple(part for each in lines.parts if (part := _moved(each, moves)) is not None)
                    done.counts.update(names[category_of(each)] for each in lines.parts)
                    done.emptied += bool(lines.parts) and not parts
                    if len(parts) < len(lines.parts):
                        done.left[lines.file_name] = len(parts)
                    out.put(replace(lines, parts=parts))
        except NotOwn:
            continue
        return done
    raise AssertionError("records can always be read")


def _own(file: Path, labels: LabelSet) -> Callable[[], Iterator[Lines]]:
    return lambda: own_images(file, labels)


def _read(dataset: Dataset, stage: str, name: str | None) -> Callable[[], Iterator[Lines]]:
    """The labels understood and written anew, for a file that was changed by hand."""
    writer = CocoWriter(dataset.labels_file(stage, name), dataset.labels)
    return lambda: map(writer.render, dataset.records(stage, name=name, corrected=False))


def _moved(part: bytes, moves: dict[int, int]) -> bytes | None:
    """An annotation's entry with the number of its new class; None where that is dropped."""
    new = moves[category_of(part)]
    return None if new < 0 else b'"category_id":%d%b' % (new, part[part.index(b",") :])
