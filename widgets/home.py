"""The home panel: what is there, what runs, what happened, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.info import Part
from rcg.journal import Entry
from rcg.workspace import Workspace
from widgets.base import Message, figure
from widgets.home_model import DatasetRow, Glance, HomeModel
from widgets.kit import Html, beside, empty_html, html_of, message_html, state_html, table_html
from widgets.panel import Panel
from widgets.training_model import Row

_RUNS = 8


class HomePanel(Panel):
    """The view of a `HomeModel`."""

    title = "Home"
    subtitle = "The workspace at a glance"
    model: HomeModel

    def build(self) -> Sequence[w.Widget]:
        """Make the lists, and read the workspace beside the kernel's thread."""
        m = self.model
        glance = html_of(m, "glance", glance_html)
        problems = html_of(m, "problems", problems_html)
        refresh = self.button("refresh", "Read again", m.refresh, busy="reading the workspace", place="home")
        self._jobs = w.VBox()
        self.controls.update(glance=glance, problems=problems, jobs=self._jobs)
        m.observe(self._show_jobs, "watched")
        self.read(m.refresh, busy="reading the workspace", key="refresh")
        if not self.inline:
            self.read(m.inspect, busy="", key="inspect")
        return [problems, self._jobs, glance, beside(refresh, self.told("home"))]

    def _show_jobs(self, change: dict[str, Any]) -> None:
        self._jobs.children = [self.bar(model).box for model in change["new"]]


def problems_html(parts: Sequence[Part]) -> str:
    """Missing parts of the installation, each with its fix."""
    messages = (
        Message(
            kind="error" if part.needed else "warning", what=f"{part.name} is missing: {part.purpose}", fix=part.fix
        )
        for part in parts
    )
    return "".join(message_html(each) for each in messages)


def glance_html(glance: Glance | None) -> str:
    """The whole page."""
    if glance is None:
        return ""
    steps = "".join(f"<li>{escape(step)}</li>" for step in glance.next_steps) or "<li>Nothing waits.</li>"
    parts = [
        f'<div class="rcg-muted">{escape(glance.path)}</div>',
        _card("What to do next", f'<ul style="margin:0;padding-left:18px">{steps}</ul>'),
        _card("Datasets", _datasets(glance.datasets)),
        _card("Runs", _runs(glance.runs)),
        _card("Yesterday and today", _journal(glance.journal)),
    ]
    return "".join(parts)


def _card(title: str, body: str) -> str:
    return f'<div class="rcg-card"><div class="rcg-title">{escape(title)}</div>{body}</div>'


def _datasets(rows: Sequence[DatasetRow]) -> str:
    if not rows:
        return empty_html("There are no datasets yet.", "Open Datasets and paste the path of a folder with images.")
    body = [
        (
            row.name,
            row.problem or row.type_title,
            f"{row.images:,}",
            _share(row),
            f"{row.annotations:,}",
            len(row.predictions) or "-",
        )
        for row in rows
    ]
    return table_html(
        ["dataset", "type", "images", "labelled", "annotations", "sets of predictions"], body, numbers=(2, 3, 4, 5)
    )


def _share(row: DatasetRow) -> str:
    return f"{100 * row.labelled / row.images:.0f} %" if row.images else "-"


def _runs(rows: Sequence[Row]) -> str:
    if not rows:
        return empty_html("There are no runs yet.", "Open Training, choose a dataset and press “Start training”.")
    body = [
        (row.name, Html(state_html(row.state)), row.dataset, *_numbers(row))
        for row in rows[:_RUNS]
    ]  # fmt: skip
    more = f'<div class="rcg-muted">and {len(rows) - _RUNS:,} older ones in Training</div>' if len(rows) > _RUNS else ""
    return table_html(["run", "state", "dataset", "test AP", "test AP50"], body, numbers=(3, 4)) + more


def _numbers(row: Row) -> tuple[str, str]:
    return figure(row.numbers.get("AP")), figure(row.numbers.get("AP50"))


def _journal(entries: Sequence[Entry]) -> str:
    if not entries:
        return empty_html("Nothing happened yesterday and today.", "Imports, trainings and corrections are noted here.")
    today = datetime.now().astimezone().date()
    rows = []
    for entry in entries[:40]:
        when = datetime.fromtimestamp(entry.time).astimezone()
        day = "today" if when.date() == today else "yesterday"
        facts = ", ".join(
            f"{name} {_short(value)}" for name, value in entry.facts.items() if value not in (None, "", [])
        )
        rows.append((f"{day} {when:%H:%M}", entry.event, facts))
    return table_html(["when", "what", "details"], rows)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def home_panel(workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> HomePanel:
    """The home panel of a workspace."""
    return HomePanel(HomeModel(workspace), inline=inline)
