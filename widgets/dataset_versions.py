"""The view of a dataset's versions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as w

from rcg.progress import counted
from rcg.versions import VersionDiff
from widgets.jobbar import CopyCode
from widgets.kit import Html, beside, choice, empty_html, html_of, table_html, tag_html
from widgets.paging import paged
from widgets.panel import Panel
from widgets.versions_model import NOW, VersionRow, VersionsModel

_NAMED = 8
_NOW = f"<div>{tag_html('now', 'good')}</div>"


def versions_view(panel: Panel, model: VersionsModel, bar: w.Widget) -> w.Widget:
    """The list, the comparison and the way back.

    Args:
        panel: The panel.
        model: The versions.
        bar: The job bar, shown below the button that starts the job.
    """
    table = paged(panel, model.pages, rows_html, name="versions")
    old = choice(model, "old", "choices", words=model.words, empty="no versions yet")
    target = choice(model, "target", "choices", words=model.words, empty="no versions yet")
    new = w.Dropdown(description="To", options=[("what is there now", NOW)], style={"description_width": "116px"},
                     tooltip=model.traits()["new"].metadata["tip"], layout=w.Layout(width="98%"))  # fmt: skip
    compare = panel.button("compare", "Compare", model.compare, busy="comparing", place="versions")
    restore = panel.button(
        "restore", "Go to this version", model.restore, busy="starting", place="versions", style="warning",
        tip="What is there now is stored first, so you can come back", job=model.jobs,
    )  # fmt: skip
    code = CopyCode(model.code, changes=(model, ["target", "name"]))
    diff = html_of(model, "diff", diff_html)
    panel.controls.update(version_old=old, version_new=new, version_target=target, version_diff=diff)

    def fill(_: object = None) -> None:
        value = model.new
        new.options = [("what is there now", NOW), *((model.words(each), each) for each in model.choices)]
        new.value = value if value in (NOW, *model.choices) else NOW

    def take(change: dict[str, Any]) -> None:
        model.new = change["new"] or NOW

    model.observe(fill, "choices")
    new.observe(take, "value")
    fill()
    indent = {"margin": "4px 0 8px 122px"}
    two = [_title("Compare two"), old, new, beside(compare, **indent), diff]
    back = [_title("Go back"), target, beside(restore, code.button, **indent), code.text]
    several = w.VBox([*two, *back])

    def show(_: object = None) -> None:
        several.layout.display = "" if len(model.choices) > 1 else "none"

    model.observe(show, "choices")
    show()
    return w.VBox([table, several, panel.status("versions"), bar])


def _title(text: str) -> w.HTML:
    return w.HTML(f'<div class="rcg-title" style="margin-top:10px">{escape(text)}</div>')


def rows_html(rows: Sequence[VersionRow]) -> str:
    """A page of the list, newest first."""
    if not rows:
        return empty_html("There are no versions yet.", "One is stored whenever images, labels or classes change.")
    body = [
        (
            Html(f'<code class="rcg-id">{escape(row.version.id[:12])}</code>{_NOW if row.now else ""}'),
            Html(f'<span class="rcg-id">{time.strftime("%Y-%m-%d %H:%M", time.localtime(row.version.created))}</span>'),
            Html(f'<div class="rcg-any">{escape(row.version.note)}</div>'),
            f"{row.version.images:,}",
            f"{row.version.annotations:,}",
            Html(f'<div class="rcg-any">{escape(", ".join(row.runs)) or "-"}</div>'),
        )
        for row in rows
    ]
    head = ["version", "stored", "after", "images", "annotations", "seen by the runs"]
    return table_html(head, body, numbers=(3, 4))


def diff_html(diff: VersionDiff | None) -> str:
    """What differs: images, classes, and the counts of each class."""
    if diff is None:
        return ""
    if diff.same:
        return '<div class="rcg-help">Nothing differs.</div>'
    moved = tuple(f"{name} ({old} to {new})" for name, (old, new) in diff.moved.items())
    groups = (
        ("added", diff.added), ("removed", diff.removed), ("relabelled", diff.relabelled),
        ("with another file", diff.replaced), ("in another split", moved),
    )  # fmt: skip
    rows = [(f"{counted(len(names), 'image')} {what}", _names(names)) for what, names in groups if names]
    if diff.classes[0] != diff.classes[1]:
        rows.append(("classes", f"{', '.join(diff.classes[0]) or '-'} became {', '.join(diff.classes[1]) or '-'}"))
    counts = [
        (label, f"{old:,}", f"{new:,}", f"{new - old:+,}") for label, (old, new) in diff.per_label.items() if old != new
    ]
    tables = table_html(["what", "which"], rows) if rows else ""
    if counts:
        tables += table_html(["annotations of", "before", "after", ""], counts, numbers=(1, 2, 3))
    return f'<div style="margin-left:124px">{tables}</div>'


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
