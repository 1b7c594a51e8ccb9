"""A table that is sorted by a click on a head, and whose rows open what they stand for; one page at a time is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

_HERE = Path(__file__).parent


class SortedTable(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """One page of a table.

    Args:
        order: Called with the name of a column whose head was clicked.
        open_row: Called with the name of a row that was clicked.

    Attributes:
        columns: Of each: its name, title, and whether it holds numbers.
        rows: Of each: its name, its cells as text, whether something is wrong with it, and a note below it.
    """

    _esm = (_HERE / "sorted_table.js").read_text(encoding="utf-8")
    _css = (_HERE / "sorted_table.css").read_text(encoding="utf-8")
    columns: t.List[Any] = t.List([]).tag(sync=True)
    rows: t.List[Any] = t.List([]).tag(sync=True)
    sort = t.Unicode("").tag(sync=True)
    falling = t.Bool(False).tag(sync=True)

    def __init__(self, *, order: Callable[[str], object], open_row: Callable[[str], object]) -> None:
        super().__init__()
        self._order, self._open = order, open_row
        self.on_msg(self._take)

    def show(
        self, columns: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], *, sort: str, falling: bool
    ) -> None:
        """Show a page."""
        with self.hold_sync():
            self.columns, self.rows, self.sort, self.falling = list(columns), list(rows), sort, falling

    def _take(self, _: object, content: dict[str, Any], buffers: Sequence[bytes]) -> None:  # noqa: ARG002 - ipywidgets
        act = self._order if content["kind"] == "sort" else self._open
        act(str(content["name"]))
