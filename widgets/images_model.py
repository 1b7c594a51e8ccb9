"""The images of a dataset with their labels drawn in, page by page, as they are chosen by split, class and name."""

from __future__ import annotations

from collections.abc import Sequence

from traitlets import Tuple, Unicode

from rcg.datasets import Dataset, Splits
from rcg.types import ImageRecord
from rcg.workspace import Workspace
from widgets.pictures import figure_html
from widgets.sections import Pages, Section

ALL, UNLABELLED, EMPTY = "", "?unlabelled", "?empty"  # no class can be called so: names have no question mark first
_PAGE = 12
_LONGEST = 260


class ImagesModel(Section):
    """Sample pictures; only those of the shown page are read."""

    split = Unicode("").tag(label="Split", tip="train, val or test")
    label = Unicode(ALL).tag(label="With", tip="Images that show a class, or none")
    text = Unicode("").tag(label="Name", tip="A part of the file name", placeholder="part of the file name")
    labels = Tuple()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._data: Dataset | None = None
        self._records: Sequence[ImageRecord] = ()
        self._splits: Splits | None = None
        self._chosen: Sequence[ImageRecord] = ()
        self.pages: Pages[str] = Pages(self._page, size=_PAGE)

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self._records, self._chosen = (), ()
        self.split, self.label, self.text = "", ALL, ""
        self.pages.fill(0)

    def read(self) -> None:
        """Read the names and the labels; pictures are read page by page."""
        self._data = data = self.dataset()
        if data is not None:
            self._records, self._splits, self.labels = data.records(), data.splits(), data.labels.names
        self.choose(page=self.pages.page)

    def choose(self, page: int = 0) -> None:
        """Show the images that fit what is chosen."""
        with self._lock:
            self._chosen = [each for each in self._records if self._fits(each)]
            self.pages.fill(len(self._chosen), page=page)

    def _fits(self, record: ImageRecord) -> bool:
        if self.text.strip().lower() not in record.file_name.lower():
            return False
        if self.split and self._splits is not None and self._splits.of(record.file_name) != self.split:
            return False
        if self.label == UNLABELLED:
            return not record.labelled
        if self.label == EMPTY:
            return record.labelled and not record.annotations
        return self.label == ALL or any(each.label == self.label for each in record.annotations)

    def _page(self, start: int, stop: int) -> tuple[str, ...]:
        data = self._data
        if data is None:
            return ()
        chosen = self._chosen[start:stop]
        return tuple(figure_html(data.images / each.file_name, each, longest=_LONGEST) for each in chosen)
