"""Reads runs of images of a COCO file: plain boxes as columns, whatever is more or odd image by image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from rcg.annotations.block import Block, Ints, spans
from rcg.annotations.columns import Marks, boxes_inside
from rcg.annotations.formats.coco_index import id_key
from rcg.annotations.formats.coco_read import MOST_ACROSS, Reader, Row
from rcg.annotations.source import Counted, Read
from rcg.images import read_sizes
from rcg.types import BadLine, ImageRecord, LabelSet

NOT_THERE = "images that are not there, so their sizes are as the file says"


class Columnwise:
    """Runs of images of one source.

    Args:
        reader: Reads an image by itself.
        images: The folder that names are relative to.
        labels: The classes.
    """

    def __init__(self, reader: Reader, images: Path, labels: LabelSet) -> None:
        self._reader, self._images, self._labels = reader, images, labels
        index = reader.index
        self._category, self._boxes, self._scores, self._plain = index.columns.joined(index.order)
        place = {name: number for number, name in enumerate(labels.names)}
        names = [reader.names.get((part, id_key(each))) for part, each in index.columns.categories]
        self._class = np.array([-1 if name is None else place[name] for name in names] or [-1], np.int32)

    def read(self, rows: Sequence[Row]) -> Read:
        """One run.

        Args:
            rows: n images.
        """
        began, reader = time.time(), self._reader
        first, last = reader.index.rows([row.numbers[0] for row in rows])
        counts = last - first
        at = spans(first, counts)
        sizes, odd = self._sizes(rows)
        boxes = self._boxes[at]
        size = np.repeat(sizes.astype(np.float64), counts, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            inside, refused, clipped = boxes_inside(np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]), size)
            whole = ((boxes[:, :2] >= 0) & (boxes[:, :2] + boxes[:, 2:] <= size)).all(axis=1)
        inside[whole] = boxes[whole]  # the file's own digits, where nothing is cut
        classes = self._class[self._category[at]]
        scores = self._scores[at]
        refused |= ~self._plain[at] | (classes < 0)
        if reader.need_score:
            refused |= np.isnan(scores)
        images = np.repeat(np.arange(len(rows)), counts)
        odd[images[refused | clipped]] = True
        kept = ~odd[images]
        noted, bad = Counted(), list[BadLine]()
        before = reader.unscored
        records = {place: reader.record(rows[place], bad.append, noted) for place in np.flatnonzero(odd).tolist()}
        if missing := [
            row.name for row, apart in zip(rows, odd.tolist(), strict=True) if not apart and self._lacks(row)
        ]:
            noted.take((NOT_THERE, missing[0], len(missing)))
        stay = [place for place in range(len(rows)) if place not in records or records[place] is not None]
        there = [rows[place] for place in stay]
        block = Block(
            names=[row.name for row in there],
            sizes=sizes[stay],
            labelled=(counts[stay] > 0) | np.array([self._spoken(row) for row in there], np.bool_),
            splits=[row.split for row in there],
            counts=np.where(odd, 0, counts)[stay].astype(np.int64),
            classes=classes[kept],
            boxes=inside[kept],
            scores=None if np.isnan(scores[kept]).all() else scores[kept],
            image_ids=_ids(there),
            records=_there(records, stay),
        )
        return Read(
            block=block,
            images=len(rows),
            bad=tuple(bad),
            notes=noted.all(),
            unscored=reader.unscored - before,
            stamp=seal_rows(rows),
            began=began,
        )

    def _sizes(self, rows: Sequence[Row]) -> tuple[NDArray[np.int32], Marks]:
        """(n, 2) sizes as the images, or else the file, say; and which images have to be looked at by themselves."""
        reader = self._reader
        said = np.array([_said(row) for row in rows], np.int64).reshape(-1, 2)
        odd = np.array([len(row.numbers) > 1 or row.image.card is not None for row in rows], np.bool_)
        odd |= (said <= 0).any(axis=1)
        there = [place for place, row in enumerate(rows) if reader.folders[row.image.part] is not None]
        sizes = np.where(odd[:, None], 1, said).astype(np.int32)
        if there:
            seen = read_sizes(self._images, [rows[place].name for place in there])
            odd[there] |= (seen != said[there]).any(axis=1)  # another size is worth a note
            sizes[there] = np.where(seen > 0, seen, 1)
        return sizes, odd

    def _lacks(self, row: Row) -> bool:
        """Whether there is no image, so that the file has to be believed."""
        return self._reader.folders[row.image.part] is None

    def _spoken(self, row: Row) -> bool:
        """Whether an image without annotations is background."""
        return row.image.labelled and row.image.part not in self._reader.index.without


def _said(row: Row) -> tuple[int, int]:
    """The size as the file says; 0 for one that no image has, which the exact reader speaks of."""
    size = row.image.width, row.image.height
    return size if max(size) <= MOST_ACROSS else (0, 0)


def _ids(rows: Sequence[Row]) -> Ints | None:
    ids = [row.image_id for row in rows]
    known = [each for each in ids if each is not None]
    return np.array(known, np.int64) if known and len(known) == len(ids) else None


def _there(records: dict[int, ImageRecord | None], stay: Sequence[int]) -> dict[int, ImageRecord]:
    """The records by their place among the images that stay."""
    place = {image: number for number, image in enumerate(stay)}
    return {place[image]: record for image, record in records.items() if record is not None}


def seal_rows(rows: Sequence[Row]) -> str:
    """A hash of the names and splits of a run of images."""
    text = "\0".join(f"{row.name}\n{row.numbers}\n{row.split}" for row in rows)
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))
