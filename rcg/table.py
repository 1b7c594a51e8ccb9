"""A dataset as a table: all its images and annotations as numpy columns, to count, search and page through.

A hundred thousand images with a million boxes take a few seconds to read and some 100 MB to hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.annotation_columns import CROWD, KEYPOINTS, MASK, POLYGON, AnnotationColumns, ColumnBuilder
from rcg.annotations.block import Block, Ints
from rcg.annotations.formats.coco_columns import own_columns
from rcg.annotations.formats.coco_lines import record_of_lines
from rcg.annotations.formats.coco_own import NotOwn, own_records
from rcg.annotations.formats.coco_write import Lines
from rcg.annotations.split import SPLITS, card_of
from rcg.corrections import Correction, apply_corrections
from rcg.files import stamp_of
from rcg.types import ImageRecord

if TYPE_CHECKING:
    from rcg.datasets import Dataset

Marks = NDArray[np.bool_]
_GROUND_TRUTH = "ground_truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image of a table, as a page of a panel shows it.

    Attributes:
        file_name: The image.
        width: Pixels across.
        height: Pixels down.
        labelled: Whether a label file or a correction spoke of it.
        corrected: Whether a correction is in force for it.
        split: "train", "val", "test", or "" where it has none.
        card: The physical card.
        annotations: Annotations in all.
        per_label: Annotations by class, of the classes that it has.
    """

    file_name: str
    width: int
    height: int
    labelled: bool
    corrected: bool
    split: str
    card: str
    annotations: int
    per_label: dict[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """n images with m annotations, as columns that cannot be changed.

    Attributes:
        names: n file names, sorted, relative to the images folder.
        sizes: (n, 2) int32 width and height in pixels, EXIF orientation applied.
        labelled: (n,) whether a label file or a correction spoke of the image.
        corrected: (n,) whether a correction is in force for it.
        splits: (n,) int8 index in SPLITS; -1 where an image has none.
        cards: (n,) int32 index in `card_names`.
        card_names: The physical cards.
        labels: The classes.
        columns: The annotations, in the order of the images.
        stale: Corrections that no longer fit the labels.

    Example:
        >>> from rcg.types import Annotation, Box
        >>> card = Annotation(label="card", box=Box(1, 2, 3, 4))
        >>> table = Table.of([ImageRecord(file_name="a.jpg", width=8, height=6, annotations=(card,))], ("card",))
        >>> table.per_label(), table.rows(0, 1)[0].card
        ({'card': 1}, 'a')
    """

    names: Sequence[str]
    sizes: NDArray[np.int32]
    labelled: Marks
    corrected: Marks
    splits: NDArray[np.int8]
    cards: NDArray[np.int32]
    card_names: Sequence[str]
    labels: tuple[str, ...]
    columns: AnnotationColumns
    stale: tuple[Correction, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, records: Iterable[ImageRecord], labels: Sequence[str]) -> Table:
        """The table of records; their cards and splits are those that they name, or that their file names tell."""
        return cls.of_blocks([Block.of(records, labels)], labels)

    @classmethod
    def of_blocks(cls, blocks: Iterable[Block], labels: Sequence[str]) -> Table:
        """The table of what a reader gives, block after block."""
        builder, heads = ColumnBuilder(), _Heads()
        for block in blocks:
            builder.add_block(block, len(heads.names), labels)
            heads.add_block(block)
        return heads.table(builder.made(len(heads.names)), tuple(labels))

    @cached_property
    def counts(self) -> Ints:
        """(n,) annotations of each image."""
        return self.columns.counts

    @cached_property
    def empty(self) -> Marks:
        """(n,) labelled images with nothing in them (background)."""
        found: Marks = self.labelled & (self.counts == 0)
        return found

    @property
    def annotations(self) -> int:
        """Annotations in all."""
        return len(self.columns.classes)

    def per_label(self, where: Marks | None = None) -> dict[str, int]:
        """Annotations by class, in the order of the classes.

        Args:
            where: (m,) which annotations count; all by default.
        """
        classes = self.columns.classes if where is None else self.columns.classes[where]
        return dict(zip(self.labels, np.bincount(classes, minlength=len(self.labels)).tolist(), strict=True))

    def per_split(self, where: Marks | None = None) -> dict[str, int]:
        """Images by split.

        Args:
            where: (n,) which images count; all by default.
        """
        splits = self.splits if where is None else self.splits[where]
        return {split: int((splits == place).sum()) for place, split in enumerate(SPLITS)}

    def with_label(self, label: str) -> Marks:
        """(n,) images that hold an annotation of this class."""
        found: Marks = np.zeros(len(self), np.bool_)
        if label in self.labels:
            found[self.columns.images[self.columns.classes == self.labels.index(label)]] = True
        return found

    def find(
        self,
        *,
        text: str = "",
        label: str | None = None,
        split: str | None = None,
        labelled: bool | None = None,
        empty: bool | None = None,
        corrected: bool | None = None,
    ) -> Ints:
        """The places of the images that fit all that is asked; everything by default.

        Args:
            text: A part of the file name, whatever the case.
            label: A class that has to be in the image.
            split: "train", "val" or "test".
            labelled: Whether labels speak of it.
            empty: Whether it is labelled with nothing in it.
            corrected: Whether a correction is in force for it.
        """
        kept: Marks = np.ones(len(self), np.bool_)
        if label is not None:
            kept &= self.with_label(label)
        if split is not None:
            kept &= self.splits == (SPLITS.index(split) if split in SPLITS else -2)
        for wanted, column in ((labelled, self.labelled), (empty, self.empty), (corrected, self.corrected)):
            if wanted is not None:
                kept &= column == wanted
        places = np.flatnonzero(kept)
        if text:
            part = text.lower()
            places = places[np.array([part in self.names[place].lower() for place in places.tolist()], np.bool_)]
        return places

    def rows(self, start: int, count: int, where: Ints | None = None) -> list[Row]:
        """A page of images.

        Args:
            start: The first one.
            count: How many at most.
            where: Places of images, as `find` gives them; all by default.
        """
        stop = len(self) if where is None else len(where)
        chosen = range(start, min(stop, start + count))
        return [self.row(place if where is None else int(where[place])) for place in chosen]

    def row(self, place: int) -> Row:
        """One image."""
        begin, end = self.columns.starts[place : place + 2].tolist()
        classes, many = np.unique(self.columns.classes[begin:end], return_counts=True)
        return Row(
            file_name=self.names[place],
            width=int(self.sizes[place, 0]),
            height=int(self.sizes[place, 1]),
            labelled=bool(self.labelled[place]),
            corrected=bool(self.corrected[place]),
            split=SPLITS[self.splits[place]] if self.splits[place] >= 0 else "",
            card=self.card_names[self.cards[place]],
            annotations=end - begin,
            per_label={self.labels[at]: n for at, n in zip(classes.tolist(), many.tolist(), strict=True)},
        )


class _Heads:
    """The columns that say something of the images, as they come together."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._sizes: list[NDArray[np.int32]] = []
        self._labelled: list[Marks] = []
        self._splits: list[int] = []
        self._cards: dict[str, int] = {}
        self._card: list[int] = []

    def add_block(self, block: Block) -> None:
        cards = [block.records[place].card if place in block.records else None for place in range(len(block))]
        labelled = block.labelled.copy()
        for place, record in block.records.items():
            labelled[place] = record.labelled
        self.add(block.names, block.sizes, labelled, block.splits, cards)

    def add(
        self,
        names: Sequence[str],
        sizes: NDArray[np.int32],
        labelled: Marks,
        splits: Sequence[str | None],
        cards: Sequence[str | None],
    ) -> None:
        self.names += names
        self._sizes.append(sizes)
        self._labelled.append(labelled)
        number = {split: place for place, split in enumerate(SPLITS)}
        self._splits += [number.get(split or "", -1) for split in splits]
        for name, card in zip(names, cards, strict=True):
            self._card.append(self._cards.setdefault(card or card_of(name), len(self._cards)))

    def table(self, columns: AnnotationColumns, labels: tuple[str, ...], stale: tuple[Correction, ...] = ()) -> Table:
        count = len(self.names)
        held: list[NDArray[Any]] = [
            np.concatenate(self._sizes) if self._sizes else np.zeros((0, 2), np.int32),
            np.concatenate(self._labelled) if self._labelled else np.zeros(0, np.bool_),
            np.zeros(count, np.bool_),
            np.array(self._splits, np.int8),
            np.array(self._card, np.int32),
        ]
        for each in held:
            each.setflags(write=False)
        sizes, labelled, corrected, splits, cards = held
        return Table(
            names=self.names, sizes=sizes, labelled=labelled, corrected=corrected, splits=splits, cards=cards,
            card_names=tuple(self._cards), labels=labels, columns=columns, stale=stale,
        )  # fmt: skip


def table_of(dataset: Dataset, stage: str = _GROUND_TRUTH, *, name: str | None = None) -> Table:
    """A dataset's labels as a table, with the corrections over the ground truth.

    It is kept with the dataset object, and read again when one of the files it comes from has changed.

    Args:
        dataset: The dataset.
        stage: "ground_truth" or "predictions".
        name: Which predictions; their table has a row for each image of the dataset too.

    Raises:
        RcgError: If a file cannot be read, or was changed by hand in a way that cannot be understood.
    """
    file = dataset.labels_file(stage, name)
    truth = file == dataset.labels_file()
    parts = [file, dataset.labels_file(), dataset.path / "dataset.toml", dataset.path / "splits.json"]
    parts += [dataset.path / "corrections.jsonl"] if truth else []
    stamps, key = tuple(map(stamp_of, parts)), f"table of {file}"
    known = dataset.memory.get(key)
    if known is None or known[0] != stamps:
        known = (stamps, _truth(dataset) if truth else _predicted(dataset, str(name)))
        dataset.memory[key] = known
    made: Table = known[1]
    return made


def _truth(dataset: Dataset) -> Table:
    records, labels = dataset.heads(), dataset.labels
    heads = _heads(dataset, records)
    touched = {each.file_name for each in dataset.corrections() if not each.undone}
    apart = [place for place, record in enumerate(records) if record.file_name in touched] if touched else []
    if not records:
        return heads.table(ColumnBuilder().made(0), labels.names)
    try:
        ids = [record.image_id or 0 for record in records]
        columns, names, kept = own_columns(dataset.labels_file(), ids, labels.names, apart=apart)
    except NotOwn:
        return _of_records(dataset)
    if not touched:
        return heads.table(columns, names)
    before = [_with_entries(records[place], kept.get(place, []), dataset) for place in apart]
    after, stale = apply_corrections(before, dataset.corrections())
    return _corrected(heads.table(columns, names, stale), apart, after)


def _heads(dataset: Dataset, records: Sequence[ImageRecord]) -> _Heads:
    heads, splits = _Heads(), dataset.splits()
    heads.add(
        [record.file_name for record in records],
        np.array([(record.width, record.height) for record in records], np.int32).reshape(-1, 2),
        np.array([record.labelled for record in records], np.bool_),
        [splits.of(record.file_name) for record in records],
        [splits.cards[record.file_name] for record in records],
    )
    return heads


def _of_records(dataset: Dataset) -> Table:
    """The table of labels that were changed by hand, so that only the full reader understands them."""
    records = dataset.records(corrected=False)
    after, stale = apply_corrections(records, dataset.corrections())
    names = _names(dataset.labels.names, after)
    builder = ColumnBuilder()
    builder.add_annotations(((row, each) for row, one in enumerate(after) for each in one.annotations), names)
    table = _heads(dataset, records).table(builder.made(len(after)), names, stale)
    changed = [row for row, pair in enumerate(zip(records, after, strict=True)) if pair[0] != pair[1]]
    return _marked(table, changed)


def _names(known: Sequence[str], records: Iterable[ImageRecord]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *(each.label for record in records for each in record.annotations)]))


def _with_entries(head: ImageRecord, entries: Sequence[dict[str, Any]], dataset: Dataset) -> ImageRecord:
    """One image with its annotations in full, as corrections compare them."""
    parts = tuple(orjson.dumps(each)[1:] for each in entries)
    lines = Lines(head.file_name, head.image_id, head=b'"file_name":"","width":1,"height":1}', parts=parts)
    return replace(head, annotations=record_of_lines(lines, dataset.labels).annotations)


def _corrected(table: Table, apart: Sequence[int], records: Sequence[ImageRecord]) -> Table:
    """The table with the annotations of corrected images put in their places."""
    names = _names(table.labels, records)
    builder = ColumnBuilder()
    builder.add_columns(table.columns)
    pairs = zip(apart, records, strict=True)
    builder.add_annotations(((row, each) for row, record in pairs for each in record.annotations), names)
    return _marked(replace(table, columns=builder.made(len(table)), labels=names), apart)


def _marked(table: Table, rows: Sequence[int]) -> Table:
    corrected, labelled = table.corrected.copy(), table.labelled.copy()
    corrected[list(rows)] = labelled[list(rows)] = True
    for each in (corrected, labelled):
        each.setflags(write=False)
    return replace(table, corrected=corrected, labelled=labelled)


def _predicted(dataset: Dataset, name: str) -> Table:
    """Predictions on the rows of the dataset's images; `labelled` says where the run looked."""
    file, truth = dataset.labels_file("predictions", name), dataset.heads()
    looked = np.zeros(len(truth), np.bool_)
    try:
        heads = {record.file_name: record for record in own_records(file)}
        there = [heads.get(record.file_name) for record in truth]
        ids = [-1 - row if head is None else head.image_id or 0 for row, head in enumerate(there)]
        gone = {head.image_id or 0 for head in heads.values()} - set(ids)
        columns, names, _ = own_columns(file, [*ids, *gone], dataset.labels.names)
        columns = _first(columns, len(truth))
        looked[[row for row, head in enumerate(there) if head is not None and head.labelled]] = True
    except NotOwn:
        place = {record.file_name: row for row, record in enumerate(truth)}
        records = [each for each in dataset.records("predictions", name=name) if each.file_name in place]
        names, builder = _names(dataset.labels.names, records), ColumnBuilder()
        builder.add_annotations(((place[one.file_name], each) for one in records for each in one.annotations), names)
        columns = builder.made(len(truth))
        looked[[place[record.file_name] for record in records if record.labelled]] = True
    looked.setflags(write=False)
    return replace(_heads(dataset, truth).table(columns, names), labelled=looked)


def _first(columns: AnnotationColumns, images: int) -> AnnotationColumns:
    """The annotations of the first images."""
    end = int(columns.starts[images])
    return AnnotationColumns(
        starts=columns.starts[: images + 1],
        classes=columns.classes[:end],
        boxes=columns.boxes[:end],
        areas=columns.areas[:end],
        shapes=columns.shapes[:end],
        points=columns.points[:end],
        scores=None if columns.scores is None else columns.scores[:end],
    )


__all__ = ["CROWD", "KEYPOINTS", "MASK", "POLYGON", "Row", "Table", "table_of"]
