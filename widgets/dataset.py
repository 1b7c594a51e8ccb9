"""The dataset panel: one path in, a dataset out; and a look at every dataset there is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.annotations import FORMATS
from rcg.dataset_types import DATASET_TYPES
from rcg.datasets import GROUND_TRUTH, PREDICTIONS
from rcg.errors import RcgError
from rcg.workspace import Workspace
from widgets.base import Message
from widgets.dataset_model import About, DatasetModel, Seen
from widgets.jobbar import code_html
from widgets.kit import (
    Html,
    beside,
    card,
    choice,
    columns,
    control,
    empty_html,
    facts_html,
    html_of,
    message_html,
    table_html,
    tag_html,
)  # fmt: skip
from widgets.panel import Panel

_VERDICT = {"go": "good", "warn": "warn", "stop": "bad"}


class DatasetPanel(Panel):
    """The view of a `DatasetModel`."""

    title = "Datasets"
    subtitle = "Bring in images and labels; see how much is labelled and what is left out"
    model: DatasetModel

    def build(self) -> Sequence[w.Widget]:
        """Make the part that adds, the job bar, and the part that shows."""
        self.job = self.bar(self.model.jobs)
        parts = [columns([self._adding(), self.job.box], [self._looking()])]
        self.model.observe(self._typed, ["path", "labels", "stage", "format", "classes"])
        self.model.observe(self._chosen, "dataset")
        if self.model.dataset:
            self.read(self.model.look, busy="reading the dataset", key="look")
        return parts

    def _adding(self) -> w.Widget:
        m = self.model
        path, labels = control(m, "path", w.Text), control(m, "labels", w.Text)
        name = control(m, "name", w.Text)
        kind = control(m, "kind", w.Dropdown, options=[(each.title, each.name) for each in DATASET_TYPES.values()])
        stage = control(
            m,
            "stage",
            w.Dropdown,
            options=[("made by hand (ground truth)", GROUND_TRUTH), ("predictions", PREDICTIONS)],
        )
        kinds = [("whatever is found", "auto"), *((each.title, name) for name, each in FORMATS.items())]
        read_as = control(m, "format", w.Dropdown, options=kinds)
        classes = control(m, "classes", w.Text)
        predictions = control(m, "predictions", w.Text)
        link = control(m, "link", w.Checkbox, indent=True)
        self.controls.update(
            path=path, labels=labels, name=name, kind=kind, stage=stage, predictions=predictions, link=link
        )
        seen = w.HTML()
        purpose = html_of(m, "kind", lambda each: f'<div class="rcg-help">{escape(DATASET_TYPES[each].purpose)}</div>')
        add = self.button(
            "add",
            "Create and add",
            m.add,
            busy="starting",
            place="add",
            style="primary",
            tip="Copy the images in, read the labels",
            job=m.jobs,
        )
        code = w.ToggleButton(description="Copy as code", layout=w.Layout(width="auto"))
        text = w.HTML()
        self.controls.update(seen=seen, code=code, code_text=text)

        def shape(_: object = None) -> None:
            add.description = f"Add to {m.name}" if m.exists else "Create and add"
            kind.disabled = m.exists
            predictions.layout.display = "" if m.stage == PREDICTIONS else "none"
            text.value = self._code() if code.value else ""

        def show_seen(_: object = None) -> None:
            seen.value = seen_html(m.seen, m.unseen, m.path)

        m.observe(
            shape, ["name", "names", "stage", "path", "labels", "kind", "link", "predictions", "format", "classes"]
        )
        m.observe(show_seen, ["seen", "unseen", "path"])
        code.observe(shape, "value")
        shape()
        show_seen()
        buttons = beside(add, code, margin="4px 0 0 122px")
        self.controls.update(format=read_as, classes=classes)
        fields = [path, seen, name, kind, purpose, stage, predictions, link, labels, read_as, classes]
        return card(*fields, buttons, self.told("add"), text, title="Add a folder")

    def _code(self) -> str:
        try:
            return code_html(self.model.code())
        except RcgError as error:
            return message_html(Message.of(error, trace=""))

    def _looking(self) -> w.Widget:
        m = self.model
        dataset = choice(m, "dataset", "names", empty="no datasets yet", width="340px")
        refresh = self.button("refresh", "Read again", self._read_again, busy="reading the dataset", place="look")
        train = self.button(
            "train", "Train on this", m.choose, busy="opening the training panel", place="look", style="success"
        )
        train.layout.display = "none"
        shown = html_of(m, "about", about_html)
        self.controls.update(dataset=dataset, about=shown)

        def fill(_: object = None) -> None:
            ready = m.about is not None and m.about.readiness.verdict != "stop"
            train.layout.display = "" if m.chosen is not None and ready else "none"

        m.observe(fill, ["about", "chosen"])
        buttons = beside(dataset, refresh, train)
        return card(buttons, self.told("look"), shown, title="Look at a dataset")

    def _read_again(self) -> None:
        self.model.refresh()
        self.model.look()

    def _typed(self, _: dict[str, Any]) -> None:
        self.controls["seen"].value = '<div class="rcg-help">looking …</div>'
        self.read(self.model.recognise, busy="", key="recognise", after_s=0.25)

    def _chosen(self, _: dict[str, Any]) -> None:
        self.read(self.model.look, busy="reading the dataset", key="look")


def seen_html(seen: Seen | None, unseen: Message | None, path: str) -> str:
    """What was recognised, or what is wrong with the path."""
    if unseen is not None:
        return f'<div style="margin-left:124px">{message_html(unseen)}</div>'
    if seen is None:
        text = (
            "looking …"
            if path.strip()
            else "Type or paste a path: what stands there is said here, before anything is copied."
        )
        return f'<div class="rcg-help">{text}</div>'
    words = {"images": "Images without labels", **{name: each.title for name, each in FORMATS.items()}}
    classes = (
        f" · {len(seen.classes)} classes: {', '.join(seen.classes[:8])}{' …' if len(seen.classes) > 8 else ''}"
        if seen.classes
        else ""
    )
    head = f"<b class='rcg-good'>{words.get(seen.format, seen.format)}</b> · {seen.images:,} images{escape(classes)}"
    return f'<div class="rcg-help">{head}<br>{escape(seen.reason)}</div>'


def about_html(about: About | None) -> str:
    """A dataset at a glance: counts, readiness, classes, splits, what was left out, samples."""
    if about is None:
        return empty_html(
            "There is no dataset yet.", "Paste the path of a folder under “Add a folder”, then press “Create and add”."
        )
    have = about.coverage
    if not have.images:
        return empty_html(
            f"{about.name} holds no images yet.",
            "Paste its path under “Add a folder”; while one is being added, wait for it.",
        )
    share = f"{100 * have.labelled / have.images:.0f} %" if have.images else "-"
    facts = facts_html(
        [
            ("images", f"{have.images:,}"),
            ("labelled", share),
            ("annotations", f"{have.annotations:,}"),
            ("cards", f"{have.cards:,}"),
            ("background images", f"{have.empty:,}"),
            ("without labels", f"{have.unlabelled:,}"),
            ("corrections", f"{have.corrections:,}"),
        ]
    )
    where = f'<div class="rcg-muted">{escape(about.type_title)} · {escape(about.path)}</div>'
    return "".join([where, facts, _readiness(about), _tables(about), _samples(about), _quarantine(about)])


def _section(title: str, body: str) -> str:
    return f'<div class="rcg-title" style="margin-top:14px">{escape(title)}</div>{body}' if body else ""


def _readiness(about: About) -> str:
    found = about.readiness
    words = {"go": "ready to train", "warn": "can be trained, with doubts", "stop": "cannot be trained yet"}
    rows = "".join(
        message_html(
            Message(
                kind="error" if each.severity == "stop" else "warning",
                what=each.what, fix=each.fix, where=", ".join(each.records),
            )
        )
        for each in found.findings
    )  # fmt: skip
    return f'<div style="margin-top:10px">{tag_html(words[found.verdict], _VERDICT[found.verdict])}</div>{rows}'


def _tables(about: About) -> str:
    have = about.coverage
    total = max(1, have.annotations)
    classes = table_html(
        ["class", "annotations", "share"],
        [(label, f"{count:,}", f"{100 * count / total:.0f} %") for label, count in have.per_label.items()],
        numbers=(1, 2),
    )
    splits = table_html(
        ["split", "images"], [(split, f"{count:,}") for split, count in have.per_split.items()], numbers=(1,)
    )
    predictions = table_html(
        ["predictions", "annotations"], [(name, f"{count:,}") for name, count in have.predictions.items()], numbers=(1,)
    )
    sources = table_html(
        ["from", "format", "stage", "images"],
        [(e["path"], e["format"], e["stage"].replace("_", " "), f"{e['images']:,}") for e in about.sources],
        numbers=(3,),
    )
    blocks = [_section("Classes", classes if have.per_label else ""), _section("Splits, by card", splits)]
    blocks += [
        _section("Predictions", predictions if have.predictions else ""),
        _section("Sources", sources if about.sources else ""),
    ]
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:0 40px">'
        + "".join(f"<div>{each}</div>" for each in blocks if each)
        + "</div>"
    )


def _samples(about: About) -> str:
    return _section("Samples", about.pictures)


def _quarantine(about: About) -> str:
    if not about.quarantine:
        return ""
    rows = [
        (Html(f"<span title='{escape(file)}'>{escape(Path(file).name)}</span>"), line, reason)
        for file, line, reason in about.quarantine
    ]
    table = table_html(["file", "line", "reason"], rows, numbers=(1,))
    more = (
        f" (the newest {len(about.quarantine)} of {about.quarantined:,})"
        if about.quarantined > len(about.quarantine)
        else ""
    )
    note = f'<div class="rcg-muted">All of them: {escape(about.path)}/quarantine.jsonl</div>'
    return _section(f"Left out: {about.quarantined:,} lines or files{more}", note + table)


def dataset_panel(workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> DatasetPanel:
    """The dataset panel of a workspace."""
    return DatasetPanel(DatasetModel(workspace), inline=inline)


__all__ = ["DatasetPanel", "dataset_panel"]
