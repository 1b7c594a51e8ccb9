"""The view of `ClassRows`: a tick to keep a class, its count, and its name, to be changed."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from widgets.class_rows import ClassRow, ClassRows
from widgets.kit import beside

_LINES = 10


class ClassTable:
    """Ten lines at a time, so that a set of a thousand classes shows as quickly as one of five.

    Args:
        model: The rows.
    """

    def __init__(self, model: ClassRows) -> None:
        self.model, self.start, self._filling = model, 0, False
        self.lines = [_Line(self._changed) for _ in range(_LINES)]
        head = w.HTML(
            '<div class="rcg-class-head"><span>keep</span><span>class</span><span>annotations</span>'
            "<span>becomes (the name of another class merges them)</span></div>"
        )
        self.before, self.after = self._step("← Previous", -_LINES), self._step("Next →", _LINES)
        self.words, self.result = w.HTML(), w.HTML()
        self._bar = beside(self.before, self.after, self.words, align_items="center")
        self.box = w.VBox([head, *(line.box for line in self.lines), self._bar, self.result])
        self.box.add_class("rcg-classes")
        model.observe(self.show, ["rows", "wrong"])
        self.show()

    def _step(self, text: str, by: int) -> w.Button:
        made = w.Button(description=text, layout=w.Layout(width="auto"))
        made.on_click(lambda _: self._go(self.start + by))
        return made

    def _go(self, start: int) -> None:
        self.start = max(0, min(start, len(self.model.rows) - 1)) // _LINES * _LINES
        self.show()

    def show(self, _: object = None) -> None:
        """Show the rows from `start` on."""
        rows = self.model.rows
        if self.start >= len(rows):
            self.start = 0
        self._filling = True
        try:
            for at, line in enumerate(self.lines, self.start):
                line.show(rows[at] if at < len(rows) else None)
        finally:
            self._filling = False
        last = min(self.start + _LINES, len(rows))
        self._bar.layout.display = "" if len(rows) > _LINES else "none"
        self.words.value = f'<span class="rcg-muted">{self.start + 1} to {last} of {len(rows)} classes</span>'
        self.before.disabled, self.after.disabled = self.start == 0, last == len(rows)
        self.result.value = outcome_html(self.model)
        self.box.layout.display = "" if rows else "none"

    def _changed(self, name: str, to: str | None, keep: bool | None) -> None:
        if self._filling:
            return
        if to is not None:
            self.model.rename(name, to)
        if keep is not None:
            self.model.keep(name, keep)


class _Line:
    """One line of the table; it is filled again when the page is turned."""

    def __init__(self, changed: Callable[[str, str | None, bool | None], None]) -> None:
        self.name = ""
        self.keep = w.Checkbox(indent=False, tooltip="Without the tick, the class is dropped with its annotations",
                               layout=w.Layout(width="34px", flex="0 0 auto"))  # fmt: skip
        self.label = w.HTML(layout=w.Layout(width="150px", flex="0 1 auto", min_width="60px"))
        self.to = w.Text(continuous_update=False, layout=w.Layout(width="150px", flex="1 1 90px", max_width="320px"))
        self.box = w.HBox([self.keep, self.label, self.to], layout=w.Layout(align_items="center"))
        self.keep.observe(lambda change: changed(self.name, None, change["new"]), "value")
        self.to.observe(lambda change: changed(self.name, change["new"], None), "value")

    def show(self, row: ClassRow | None) -> None:
        """Fill the line, or hide it."""
        self.box.layout.display = "none" if row is None else ""
        if row is None:
            return
        self.name = row.name
        count = "" if row.count is None else f"{row.count:,}"
        self.label.value = (
            f'<div class="rcg-class"><span title="{escape(row.name, quote=True)}">{escape(row.name)}</span>'
            f"<span>{count}</span></div>"
        )
        self.keep.value, self.to.value, self.to.disabled = row.keep, row.to, not row.keep


def outcome_html(model: ClassRows) -> str:
    """What the table comes to, in words."""
    if model.wrong:
        return f'<div class="rcg-bad">{escape(model.wrong)}</div>'
    said = [f"{' and '.join(names)} become {to}" for to, names in model.merged.items()]
    single = {name for names in model.merged.values() for name in names}
    said += [f"{row.name} becomes {row.to}" for row in model.rows if row.keep and row.to != row.name not in single]
    said += [f"{row.name} is dropped" for row in model.rows if not row.keep]
    return f'<div class="rcg-muted">{escape("; ".join(said))}</div>' if said else ""
