"""The images of a dataset with their labels drawn in, page by page, as they are chosen by split, class and name."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray
from traitlets import Int, Tuple, Unicode

from rcg.datasets import Dataset
from rcg.table import Table, table_of
from rcg.types import Annotation, Box, ImageRecord
from rcg.workspace import Workspace
from widgets.photo import colours_of, key_html, photo_html
from widgets.sections import Pages, Section

ALL, UNLABELLED, EMPTY, CORRECTED = "", "?unlabelled", "?empty", "?corrected"  # no class begins with a question mark
_PAGE = 12
_LONGEST = 340
_LARGE = 1600
_OUTLINED = 5000  # images up to which outlines and keypoints are drawn; beyond it boxes alone, which cost no time


class ImagesModel(Section):
    """Sample pictures; only those of the shown page are read."""

    split = Unicode("").tag(label="Split", tip="train, val or test")
    label = Unicode(ALL).tag(label="With", tip="Images that show a class, or none")
    text = Unicode("").tag(label="Name", tip="A part of the file name", placeholder="part of the file name")
    labels = Tuple()
    looked = Int(-1)  # the place of the image that is shown large; -1 for none
    large = Unicode("")  # that image with its labels, as HTML

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._data: Dataset | None = None
        self._table: Table | None = None
        self._records: dict[str, ImageRecord] = {}
        self._places: NDArray[np.int64] = np.zeros(0, np.int64)
        self.pages: Pages[str] = Pages(self._page, size=_PAGE)

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self._table, self._records, self._places = None, {}, np.zeros(0, np.int64)
        self.split, self.label, self.text = "", ALL, ""
        self.close()
        self.pages.fill(0)

    def read(self) -> None:
        """Read the names and the labels; pictures are read page by page."""
        self._data = data = self.dataset()
        if data is None:
            return
        self._table = table = table_of(data)
        self.labels = table.labels
        few = len(table) <= _OUTLINED
        self._records = {record.file_name: record for record in data.records()} if few else {}
        self.choose(page=self.pages.page)

    @property
    def plain(self) -> bool:
        """Whether outlines are drawn as the boxes around them."""
        return self._table is not None and not self._records and len(self._table) > 0

    def choose(self, page: int = 0) -> None:
        """Show the images that fit what is chosen."""
        with self._lock:
            if self._table is None:
                return
            self._places = self._table.find(
                text=self.text.strip(),
                label=None if self.label == ALL or self.label.startswith("?") else self.label,
                split=self.split or None,
                labelled=False if self.label == UNLABELLED else None,
                empty=True if self.label == EMPTY else None,
                corrected=True if self.label == CORRECTED else None,
            )
            self.close()
            self.pages.fill(len(self._places), page=page)

    def _page(self, start: int, stop: int) -> tuple[str, ...]:
        data, table = self._data, self._table
        if data is None or table is None:
            return ()
        found = (self._record(table, int(place)) for place in self._places[start:stop])
        colours = colours_of(self.labels)
        return tuple(
            _figure_html(photo_html(data.images / each.file_name, each, colours, longest=_LONGEST), each.file_name)
            for each in found
        )

    @property
    def words(self) -> str:
        """Which of the chosen images is shown large."""
        return f"{self.looked + 1:,} of {len(self._places):,}" if self.looked >= 0 else ""

    @property
    def last(self) -> bool:
        """Whether no image comes after the one that is shown large."""
        return self.looked >= len(self._places) - 1

    def look(self, at: int) -> None:
        """Show one of the chosen images large, with the list of its labels; a place beyond the ends is the end."""
        with self._lock:
            data, table = self._data, self._table
            if data is None or table is None or not len(self._places):
                return
            at = max(0, min(at, len(self._places) - 1))
            record = self._record(table, int(self._places[at]))
            colours = colours_of(self.labels)
            photo = photo_html(data.images / record.file_name, record, colours, longest=_LARGE, numbered=True)
            self.looked = at
            self.large = f'<div class="rcg-looking">{photo}<div>{_listed(record, colours)}</div></div>'

    def close(self) -> None:
        """Show no image large."""
        self.looked, self.large = -1, ""

    def _record(self, table: Table, place: int) -> ImageRecord:
        name = table.names[place]
        if name in self._records:
            return self._records[name]
        begin, end = table.columns.starts[place : place + 2].tolist()
        boxes = zip(table.columns.classes[begin:end].tolist(), table.columns.boxes[begin:end].tolist(), strict=True)
        width, height = table.sizes[place].tolist()
        inside = tuple(Annotation(label=table.labels[at], box=Box(*box)) for at, box in boxes)
        return ImageRecord(file_name=name, width=width, height=height, annotations=inside)


def _figure_html(photo: str, name: str) -> str:
    return f"<figure>{photo}<figcaption>{escape(name)}</figcaption></figure>"


def _listed(record: ImageRecord, colours: Mapping[str, tuple[str, str]]) -> str:
    """The name and the size of an image, and each of its labels with its number."""
    head = f"<b>{escape(record.file_name)}</b><div class='rcg-muted'>{record.width} x {record.height} pixels</div>"
    if not record.annotations:
        return head + ("<div>no labels in it</div>" if record.labelled else "<div>no labels yet</div>")
    lines = []
    for number, each in enumerate(record.annotations, 1):
        size = f"{each.box.width:.0f} x {each.box.height:.0f}"
        lines.append(
            f"<tr><td class=rcg-number>{number}</td><td>{key_html(each.label, colours)}{escape(each.label)}</td>"
            f"<td class=rcg-number>{size}</td></tr>"
        )
    return f'{head}<table class="rcg-table"><tbody>{"".join(lines)}</tbody></table>'
