"""The table of a batch in the grading panel: sorted by a click, page by page, each card opened by a click."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from widgets.grading_batch_model import INDEX, NAME, STATUS, TABLE, Row, is_bad
from widgets.kit import beside, card, choice, control
from widgets.page_link import PageLink
from widgets.paging import paged_in
from widgets.sorted_table import SortedTable

if TYPE_CHECKING:
    from widgets.grading import GradingPanel

_FIGURES = {
    "front_left_right": "L, %", "front_top_bottom": "T, %", "back_left_right": "back L, %",
    "back_top_bottom": "back T, %", "front_marks": "marks", "back_marks": "back marks",
}  # fmt: skip
_SHORT = 4  # letters of an abbreviation, which is written in capitals


def batch_part(panel: GradingPanel) -> w.Widget:
    """The card with the table; it is not there until there is a batch."""
    model = panel.model.batch
    table = SortedTable(
        order=lambda name: panel.read(lambda: model.sort_by(name), busy="", key="sort"),
        open_row=lambda name: panel.act(lambda: panel.model.open_card(name), busy=f"measuring {name}", place="batch"),
    )
    words = w.HTML()
    which = choice(model, "folder", "known", words=lambda path: Path(path).name, empty="none", width="360px")
    bad = control(model, "bad", w.Checkbox, indent=False, width="auto")
    page = PageLink(
        lambda answer: panel.make_file(lambda: model.file(INDEX), answer, place="batch", busy="opening the page"),
        words="Open the page", tip="The table with pictures, in a new tab",
    )  # fmt: skip
    file = PageLink(
        lambda answer: panel.make_file(lambda: model.file(TABLE), answer, place="batch", busy="reading the table"),
        words="Save the CSV", tip="All columns of all cards", file=True,
    )  # fmt: skip
    panel.controls.update(batch=which, table=table, batch_words=words, batch_bad=bad, batch_page=page, batch_file=file)

    def fill() -> None:
        columns, standards = shown_columns(model.columns), standards_in(model.columns)
        table.show(
            [column(each, standards) for each in columns], [line(row, columns) for row in model.pages.shown],
            sort=model.sort, falling=model.falling,
        )  # fmt: skip
        words.value = f'<span class="rcg-muted">{model.words}</span>'
        page.ready = file.ready = bool(model.columns)

    turner = paged_in(panel, model.pages, table, fill, name="rows")
    made = card(which, beside(words, bad, page, file, align_items="center"), panel.told("batch"), turner, title="Batch")

    def show(_: object = None) -> None:
        made.layout.display = "" if model.folder else "none"

    model.observe(show, ["folder", "columns", "known"])
    show()
    return made


def standards_in(columns: Sequence[str]) -> tuple[str, ...]:
    """The standards that a table has columns of."""
    return tuple(each.removesuffix("_qualifiers") for each in columns if each.endswith("_qualifiers"))


def shown_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of the table that find room in the panel; the CSV has all of them.

    Example:
        >>> shown_columns(("card", "status", "reason", "psa", "psa_low", "psa_qualifiers", "front_left_right"))
        ('card', 'status', 'psa', 'front_left_right')
    """
    wanted = (NAME, STATUS, *standards_in(columns), *_FIGURES)
    return tuple(each for each in wanted if each in columns)


def column(name: str, standards: Sequence[str]) -> dict[str, Any]:
    """A column for the widget."""
    title = name.upper() if name in standards and len(name) <= _SHORT else name.replace("_", " ")
    return {"name": name, "title": _FIGURES.get(name, title), "number": name in _FIGURES or name in standards}


def line(row: Row, columns: Sequence[str]) -> dict[str, Any]:
    """A row for the widget; why a card is undetermined, and what to do, stands below it."""
    why, fix = row.get("reason", ""), row.get("fix", "")
    note = f"{why}. Fix: {fix}" if why and fix else why
    return {"name": row.get(NAME, ""), "cells": [cell(row, each) for each in columns], "bad": is_bad(row), "note": note}


def cell(row: Row, name: str) -> str:
    """A cell in words: a grade with its interval, a ratio with its sigma.

    Example:
        >>> cell({"psa": "9.0", "psa_low": "8.0", "psa_high": "9.0"}, "psa")
        '9 (8 to 9)'
        >>> cell({"front_left_right": "48.123", "front_left_right_sigma": "0.41"}, "front_left_right")
        '48.1 ± 0.4'
    """
    value = row.get(name, "")
    if not value:
        return "-"
    if row.get(f"{name}_low"):
        low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
        partly = "≤ " if row.get(f"{name}_status") == "partly" else ""
        return f"{partly}{float(value):g}" + ("" if low == high else f" ({low:g} to {high:g})")
    if row.get(f"{name}_sigma"):
        return f"{float(value):.1f} ± {float(row[f'{name}_sigma']):.1f}"
    return value
