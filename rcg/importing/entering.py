"""Enters what an import brought into the labels of a dataset, between what stands there.

Neither side is held in memory: both come sorted by file name, an image at a time, as the lines that stand in the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rcg.annotations import CocoWriter
from rcg.annotations.formats.coco_own import NotOwn, own_images, record_of
from rcg.annotations.formats.coco_write import Lines
from rcg.dataset_writer import DatasetWriter, inside
from rcg.datasets import GROUND_TRUTH, Dataset
from rcg.importing.index import AddedIndex
from rcg.types import ImageRecord, LabelSet

_CATEGORY = re.compile(rb'"category_id":(\d+)')

Stream = Callable[[], Iterator[Lines]]


class Entries:
    """Turns records into the entries that wait in the index, and these into lines.

    Args:
        index: Where they wait.
    """

    def __init__(self, index: AddedIndex) -> None:
        self._index = index
        self._ids: dict[str, int] = {}
        self._writer = CocoWriter("entries", LabelSet(()))

    def add(self, record: ImageRecord, *, new: bool) -> None:
        """Let a record wait; boxes are cut to the image."""
        record = replace(record, annotations=inside(record))
        if unknown := {each.label for each in record.annotations} - self._ids.keys():
            self._ids |= {label: self._index.label_id(label) for label in sorted(unknown)}
            self._writer = CocoWriter("entries", LabelSet(tuple(self._ids), tuple(self._ids.values())))
        lines = self._writer.render(record)
        self._index.take(record.file_name, b"\n".join((lines.head, *lines.parts)), new=new)

    def lines(self, labels: LabelSet) -> Iterator[Lines]:
        """What waits, sorted by file name, with the ids that its classes have in `labels`."""
        ids = dict(zip(labels.names, labels.ids, strict=True))
        known = {number: b'"category_id":%d' % ids[name] for number, name in self._index.label_names().items()
                 if name in ids}  # fmt: skip
        for name, entry in self._index.pending():
            head, *parts = entry.split(b"\n")
            yield Lines(name, None, head, tuple(_renumbered(part, known) for part in parts))

    def labels(self) -> tuple[str, ...]:
        """The classes of what waits."""
        used: dict[int, None] = {}
        for _, entry in self._index.pending():
            used |= dict.fromkeys(int(number) for number in _CATEGORY.findall(entry))
        names = self._index.label_names()
        return tuple(names[number] for number in used)


def _renumbered(part: bytes, known: dict[int, bytes]) -> bytes:
    match = _CATEGORY.match(part)
    assert match is not None
    return known[int(match[1])] + part[match.end() :]


@dataclass(frozen=True, slots=True)
class Entered:
    """What entering did to the ground truth.

    Attributes:
        new: Images that are new to the dataset.
        changed: Annotations that are new, gone or others in images that it had.
    """

    new: int
    changed: int = 0


def enter(out: DatasetWriter, entries: Entries, classes: Iterable[str], *, stage: str, name: str | None) -> Entered:
    """Merge what waits into the labels of a stage, and its images into the ground truth.

    The newer labels win; images that come again without labels keep what they have. Predictions are replaced.
    """
    out.learn_classes([*classes, *entries.labels()])
    dataset = out.dataset
    labels = dataset.labels
    truth = stage == GROUND_TRUTH

    def waiting() -> Iterator[Lines]:
        return entries.lines(labels) if truth else map(_bare, entries.lines(labels))

    done = _enter_truth(dataset, labels, waiting, keep_old=not truth)
    if not truth:
        ids = {record.file_name: record.image_id for record in dataset.heads()}
        with CocoWriter(dataset.labels_file(stage, name), labels) as file:
            for lines in entries.lines(labels):
                file.put(replace(lines, image_id=ids[lines.file_name]))
    return done


def _enter_truth(dataset: Dataset, labels: LabelSet, waiting: Stream, *, keep_old: bool) -> Entered:
    file, names = dataset.labels_file(), dataset.names()
    new = sum(lines.file_name not in names for lines in waiting())
    last = max((record.image_id or 0 for record in dataset.heads()), default=0)
    for there in (_own(file, labels), _read(dataset, labels)):
        changed = 0
        try:
            if new or _differ(_merged(there(), waiting(), keep_old=keep_old)):
                with CocoWriter(file, labels) as out:
                    changed = _write(out, _merged(there(), waiting(), keep_old=keep_old), last)
        except NotOwn:
            continue
        return Entered(new, changed)
    raise AssertionError("records can always be merged")


def _own(file: Path, labels: LabelSet) -> Stream:
    def lines() -> Iterator[Lines]:
        before = ""
        for each in own_images(file, labels) if file.exists() else ():
            if each.file_name < before:
                raise NotOwn
            before = each.file_name
            yield each

    return lines


def _read(dataset: Dataset, labels: LabelSet) -> Stream:
    """The ground truth understood and written anew, for a file that was changed by hand."""
    writer = CocoWriter(dataset.labels_file(), labels)
    return lambda: map(writer.render, sorted(dataset.records(corrected=False), key=lambda each: each.file_name))


def _merged(
    old: Iterator[Lines], new: Iterator[Lines], *, keep_old: bool
) -> Iterator[tuple[Lines | None, Lines | None, Lines]]:
    """Both in the order of their names: the old one, the new one, and what they make."""
    before, coming = next(old, None), next(new, None)
    while before is not None or coming is not None:
        if coming is None or (before is not None and before.file_name < coming.file_name):
            assert before is not None
            yield before, None, before
            before = next(old, None)
        elif before is None or coming.file_name < before.file_name:
            yield None, coming, coming
            coming = next(new, None)
        else:
            yield before, coming, before if keep_old else _both(before, coming)
            before, coming = next(old, None), next(new, None)


def _both(old: Lines, new: Lines) -> Lines:
    if old.head == new.head:
        return replace(new, image_id=old.image_id)
    was, comes = record_of(old.head), record_of(new.head)
    kept, parts = (was, old.parts) if was.labelled and not comes.labelled else (comes, new.parts)
    record = replace(kept, card=comes.card or was.card, split=comes.split or was.split)
    head = CocoWriter("entry", LabelSet(())).render(record).head
    return Lines(old.file_name, old.image_id, head, parts)


def _bare(lines: Lines) -> Lines:
    """The image alone: predictions bring it into the dataset, and are no labels."""
    record = replace(record_of(lines.head), labelled=False)
    return replace(CocoWriter("entry", LabelSet(())).render(record), file_name=lines.file_name)


def _differ(merged: Iterator[tuple[Lines | None, Lines | None, Lines]]) -> bool:
    """Whether merging changes anything; if not, the file stays as it is, and what was made from it too."""
    return any(old is None or old.head != made.head or old.parts != made.parts for old, _, made in merged)


def _write(out: CocoWriter, merged: Iterator[tuple[Lines | None, Lines | None, Lines]], last: int) -> int:
    """Write what merging makes; returns how many annotations differ in images that were there."""
    changed = 0
    for old, _, lines in merged:
        if old is not None and old.parts != lines.parts:
            was, now = Counter(old.parts), Counter(lines.parts)
            changed += max((was - now).total(), (now - was).total())
        if lines.image_id is None:
            last += 1
            out.put(replace(lines, image_id=last))
        else:
            out.put(lines)
    return changed
