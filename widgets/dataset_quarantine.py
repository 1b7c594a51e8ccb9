"""The view of what imports left out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import ipywidgets as w

from widgets.kit import Html, beside, control, empty_html, table_html
from widgets.paging import paged
from widgets.panel import Panel
from widgets.quarantine_model import LeftOut, QuarantineModel


def quarantine_view(panel: Panel, model: QuarantineModel) -> w.Widget:
    """The table, with a choice of one kind of reason."""
    head = w.HTML()
    why = w.Dropdown(description="Reason", options=[("all", "")], layout=w.Layout(width="98%", max_width="560px"))
    why.style.description_width = "60px"
    every = control(model, "each_line", w.Checkbox, indent=False, width="auto")
    table = paged(panel, model.pages, rows_html, name="left_out")
    panel.controls.update(left_out_head=head, left_out_why=why, left_out_every=every)
    filling = False

    def fill(_: object = None) -> None:
        nonlocal filling
        filling = True
        try:
            why.options = [
                (f"all {model.total:,}", ""),
                *((f"{count:,} · {kind}", kind) for kind, count in model.reasons),
            ]
            why.value = model.why
        finally:
            filling = False
        head.value = head_html(model)
        why.layout.display = "" if len(model.reasons) > 1 else "none"
        every.layout.display = "" if model.grouped else "none"
        table.layout.display = "" if model.total else "none"

    def choose(change: dict[str, str]) -> None:
        if not filling:
            model.why = change["new"]
            again()

    def again(_: object = None) -> None:
        panel.read(model.choose, busy="", key="left_out")

    why.observe(choose, "value")
    every.observe(again, "value")
    model.observe(fill, ["reasons", "name"])
    fill()
    return w.VBox([head, beside(why, every, align_items="center"), table])


def head_html(model: QuarantineModel) -> str:
    """How much was left out, and where all of it stands."""
    if not model.total:
        return empty_html("Nothing was left out.", "Lines and files that cannot be used would stand here.")
    note = "Mend them and add the same folder again: what is in the dataset already is not doubled."
    return f'<div>{note}</div><div class="rcg-muted">All of them: {escape(model.path)}</div>'


def rows_html(rows: Sequence[LeftOut]) -> str:
    """A page of the table."""
    if not rows:
        return ""
    body = [
        (
            Html(f'<span title="{escape(row.source, quote=True)}">{escape(_short(row.file))}</span>'),
            row.place,
            Html(f"<code>{escape(row.text)}</code>") if row.text else "",
            row.reason,
            row.fix,
        )
        for row in rows
    ]
    return table_html(["file", "line", "text", "reason", "how to mend it"], body, numbers=(1,))


def _short(file: str) -> str:
    """The last three parts of a path: enough to find it below the folder that was added."""
    parts = Path(file).parts
    return "/".join(parts[-3:]) if len(parts) > 3 else file
