"""The images of a dataset with their labels drawn in, page by page, as they are chosen by split, class and name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from traitlets import Tuple, Unicode

from rcg.datasets import Dataset
from rcg.table import Table, table_of
from rcg.types import Annotation, Box, ImageRecord
from rcg.workspace import Workspace
from widgets.pictures import figure_html
from widgets.sections import Pages, Section

ALL, UNLABELLED, EMPTY, CORRECTED = "", "?unlabelled", "?empty", "?corrected"  # no class begins with a question mark
_PAGE = 12
_LONGEST = 260
_OUTLINED = 5000  # images up to which outlines and keypoints are drawn; beyond it boxes alone, which cost no time


class ImagesModel(Section):
    """Sample pictures; only those of the shown page are read."""

    split = Unicode("").tag(label="Split", tip="train, val or test")
    label = Unicode(ALL).tag(label="With", tip="Images that show a class, or none")
    text = Unicode("").tag(label="Name", tip="A part of the file name", placeholder="part of the file name")
    labels = Tuple()

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
            self.pages.fill(len(self._places), page=page)

    def _page(self, start: int, stop: int) -> tuple[str, ...]:
        data, table = self._data, self._table
        if data is None or table is None:
            return ()
        found = (self._record(table, int(place)) for place in self._places[start:stop])
        return tuple(figure_html(data.images / each.file_name, each, longest=_LONGEST) for each in found)

    def _record(self, table: Table, place: int) -> ImageRecord:
        name = table.names[place]
        if name in self._records:
            return self._records[name]
        begin, end = table.columns.starts[place : place + 2].tolist()
        boxes = zip(table.columns.classes[begin:end].tolist(), table.columns.boxes[begin:end].tolist(), strict=True)
        width, height = table.sizes[place].tolist()
        inside = tuple(Annotation(label=table.labels[at], box=Box(*box)) for at, box in boxes)
        return ImageRecord(file_name=name, width=width, height=height, annotations=inside)
