"""The training panel: choose, start, watch the curves, compare the runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.errors import RcgError
from rcg.review.drawing import LEGEND
from rcg.workspace import Workspace
from widgets.base import Message, figure
from widgets.chart import chart
from widgets.jobbar import code_html
from widgets.kit import (
    Html,
    beside,
    card,
    choice,
    columns,
    empty_html,
    html_of,
    message_html,
    state_html,
    table_html,
)
from widgets.panel import Panel
from widgets.training_model import Curves, Row, TrainingModel, defaults, help_texts

_GROUPS = {
    "Images": ("image_size", "batch_size", "flip", "turn", "scale", "colour", "limit_images", "unreadable"),
    "Learning": (
        "learning_rate", "backbone_rate", "weight_decay", "warmup_steps", "trainable_layers", "pretrained", "rois",
    ),
}  # fmt: skip
_MAIN = ("architecture", "budget", "epochs")
_CHOICES = {
    "profile": ("full", "smoke"),
    "pretrained": ("auto", "none"),
    "unreadable": ("stop", "skip"),
    "amp": ("False", "True"),
}
_WORDS = {
    "rois": "RoIs",
    "amp": "Half precision",
    "checkpoint_every_s": "Checkpoint, s",
}
_OTHER = {"budget": "epochs", "epochs": "budget"}


class TrainingPanel(Panel):
    """The view of a `TrainingModel`."""

    title = "Training"
    subtitle = "Train a detector, watch it learn, compare runs"
    model: TrainingModel

    def build(self) -> Sequence[w.Widget]:
        """Make the form, the job bar, the curves, and the list of runs."""
        self.job = self.bar(self.model.jobs)
        # The bar stands next to the button that starts it, also where a narrow page puts the columns below each other.
        left = [self._form(), self.job.box, self._settings()]
        parts = [columns(left, [self._curves(), self._runs(), self._samples()])]
        m = self.model
        m.observe(self._redraw, "compared")
        m.observe(self._relook, "run")
        m.observe(self._other_dataset, "dataset")
        if m.run:
            self.read(self._first_look, busy="reading the runs", key="look")
        return parts

    def _first_look(self) -> None:
        self.model.draw()
        self.model.look()

    def _form(self) -> w.Widget:
        m = self.model
        dataset = choice(m, "dataset", "names", empty="no datasets yet")
        main = [self._setting(name) for name in _MAIN]
        wrong = html_of(m, "wrong", message_html)
        start = self.button(
            "start", "Start training", m.start, busy="starting", place="form", style="primary", job=m.jobs
        )
        code = w.ToggleButton(description="Copy as code", layout=w.Layout(width="auto"))
        text = w.HTML()
        self.controls.update(dataset=dataset, wrong=wrong, code=code, code_text=text)

        def show_code(_: object = None) -> None:
            text.value = self._code() if code.value else ""

        m.observe(show_code, ["settings", "dataset"])
        code.observe(show_code, "value")
        buttons = beside(start, code, margin="6px 0 0 122px")
        return card(dataset, *main, buttons, self.told("form"), wrong, text, title="Train")

    def _settings(self) -> w.Widget:
        return card(*(self._group(title, names) for title, names in groups_of(defaults()).items()))

    def _group(self, title: str, names: Sequence[str]) -> w.Widget:
        fields = [self._setting(name) for name in names]
        return w.VBox([w.HTML(f'<div class="rcg-title" style="margin-top:8px">{title}</div>'), *fields])

    def figure(self) -> Html:
        """The curves of the compared runs, for a notebook's cell."""
        self.model.draw()
        return Html(curves_html(self.model.curves))

    def _setting(self, name: str) -> w.Widget:
        """The control of one setting: empty means its default, which stands in grey."""
        m, default = self.model, defaults()[name]
        shared: dict[str, Any] = {
            "description": _WORDS.get(name, name.replace("_", " ").capitalize()), "tooltip": help_texts().get(name, ""),
            "style": {"description_width": "116px"}, "layout": w.Layout(width="98%"),
        }  # fmt: skip
        if name == "architecture":
            made: w.Widget = w.Dropdown(options=m.architectures, value="auto", **shared)
            m.observe(lambda change: _fill(made, change["new"]), "architectures")
        elif name in _CHOICES:
            made = w.Dropdown(options=_CHOICES[name], value=str(default), **shared)
        else:
            words = {"budget": "15 min, where neither is given", "epochs": "or so many passes"}
            made = w.Text(placeholder=words.get(name, "auto" if default is None else f"{default}"), **shared)
        neutral = made.value

        def take(change: dict[str, Any]) -> None:
            value = change["new"] or ""
            m.set(name, "" if value == neutral else value)
            if value and name in _OTHER:
                self.controls[_OTHER[name]].value = ""

        def show(change: dict[str, Any]) -> None:
            text = change["new"].get(name, neutral)
            if made.value.strip() != text:
                made.value = text

        if m.settings.get(name):
            made.value = m.settings[name]
        made.observe(take, "value")
        m.observe(show, "settings")
        self.controls[name] = made
        return made

    def _code(self) -> str:
        try:
            return code_html(self.model.code())
        except RcgError as error:
            return message_html(Message.of(error, trace=""))

    def _curves(self) -> w.Widget:
        shown = html_of(self.model, "curves", curves_html)
        self.controls["curves"] = shown
        return card(shown, title="Curves")

    def _samples(self) -> w.Widget:
        m = self.model
        shown = html_of(m, "pictures", samples_html)
        self.controls["pictures"] = shown
        box = card(shown, title="On test images")

        def fill(_: object = None) -> None:
            box.layout.display = "" if m.pictures else "none"

        m.observe(fill, "pictures")
        fill()
        return box

    def _runs(self) -> w.Widget:
        m = self.model
        run = choice(m, "run", "run_names", empty="no runs yet", width="400px")
        evaluate = self.button(
            "evaluate",
            "Evaluate",
            m.evaluate,
            busy="starting",
            place="runs",
            tip="The 12 COCO numbers on the test cards",
            job=m.jobs,
        )
        predict = self.button(
            "predict", "Predict", m.predict, busy="starting", place="runs",
            tip="Store its predictions with the dataset", job=m.jobs,
        )  # fmt: skip
        resume = self.button(
            "resume", "Resume", m.resume_run, busy="starting", place="runs", tip="Go on from its last checkpoint",
            job=m.jobs,
        )  # fmt: skip
        refresh = self.button("refresh", "Read again", self._read_again, busy="reading the runs", place="runs")
        compare = w.SelectMultiple(
            description="Compare", options=m.run_names, value=m.compared, rows=4,
            style={"description_width": "116px"}, layout=w.Layout(width="400px"),
            tooltip="Ctrl or Shift chooses several",
        )  # fmt: skip
        table, differences = html_of(m, "runs", runs_html), w.HTML()
        self.controls.update(run=run, compare=compare, runs=table, differences=differences)

        def fill(_: object = None) -> None:
            if tuple(compare.options) != m.run_names:
                compare.options = m.run_names
            compare.value = tuple(name for name in m.compared if name in m.run_names)
            compare.layout.display = "" if len(m.runs) > 1 else "none"
            differences.value = differences_html([row for row in m.runs if row.name in m.compared])
            state = next((row.state for row in m.runs if row.name == m.run), "")
            resume.layout.display = "" if state in ("stopped", "failed", "new") else "none"
            for each in (evaluate, predict):
                each.layout.display = "" if m.run else "none"

        compare.observe(lambda change: setattr(m, "compared", tuple(change["new"])), "value")
        m.observe(fill, ["runs", "run", "compared"])
        fill()
        return card(
            table,
            run,
            beside(evaluate, predict, resume, refresh, margin="4px 0 0 122px"),
            self.told("runs"),
            compare,
            differences,
            title="Runs",
        )

    def _read_again(self) -> None:
        self.model.refresh()
        self.model.draw()
        self.model.look()

    def _redraw(self, _: dict[str, Any]) -> None:
        self.read(self.model.draw, busy="", key="draw")

    def _relook(self, change: dict[str, Any]) -> None:
        if change["new"] and change["new"] not in self.model.compared:
            self.model.compared = (change["new"],)
        if not self.model.jobs.running:
            self.read(self.model.look, busy="drawing samples", key="look")

    def _other_dataset(self, _: dict[str, Any]) -> None:
        self.read(self.model.refresh, busy="", key="refresh")


def groups_of(settings: Iterable[str]) -> dict[str, list[str]]:
    """The settings under their headings; what is in no group stands under "Run", so that none is ever hidden."""
    known = list(settings)
    found = {title: [name for name in names if name in known] for title, names in _GROUPS.items()}
    placed = {*_MAIN, *(name for names in found.values() for name in names)}
    return {**found, "Run": [name for name in known if name not in placed]}


def _fill(made: w.Widget, names: Sequence[str]) -> None:
    value = made.value
    made.options = names
    made.value = value if value in names else names[0]


def curves_html(curves: Curves) -> str:
    """Loss beside the validation's AP."""
    if not (curves.loss or curves.validation):
        return empty_html(
            "There is no run yet.", "Choose a dataset and press “Start training”; the curves grow here while it learns."
        )
    loss = chart(curves.loss, title="training loss", x_label="step")
    best = max((value for each in curves.validation for value in each.y), default=0.0)
    top = min(1.0, max(0.2, 1.15 * best))
    title = "validation AP (from 0 to 1, higher is better)"
    validation = chart(curves.validation, title=title, x_label="step", y_range=(0.0, top))
    return f'<div class="rcg-charts">{loss}{validation}</div>'


_SHOWN = ("AP", "AP50", "AP75")


def runs_html(rows: Sequence[Row]) -> str:
    """The list of runs with what each reached."""
    if not rows:
        return ""
    body = [
        (row.name, Html(state_html(row.state)), row.dataset, row.architecture,
         *(figure(row.numbers.get(name)) for name in _SHOWN), row.error)
        for row in rows
    ]  # fmt: skip
    return table_html(
        ["run", "state", "dataset", "architecture", *(f"test {name}" for name in _SHOWN), ""], body, numbers=(4, 5, 6)
    )


def differences_html(rows: Sequence[Row]) -> str:
    """What the compared runs were told differently."""
    if len(rows) < 2:
        return ""
    keys = sorted({key for row in rows for key in row.config if not isinstance(row.config[key], dict | list)})
    told = [(key, [str(row.config.get(key, "auto")) for row in rows]) for key in keys]
    body = [(key, *values) for key, values in told if len(set(values)) > 1]
    if not body:
        return '<div class="rcg-help">These runs have the same settings.</div>'
    table = table_html(["setting", *(row.name for row in rows)], body)
    return f'<div style="margin-left:124px">{table}</div>'


def samples_html(pictures: str) -> str:
    """Sample predictions under their heading."""
    if not pictures:
        return ""
    return f'<div class="rcg-muted">{LEGEND}</div>{pictures}'


def training_panel(workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> TrainingPanel:
    """The training panel of a workspace."""
    return TrainingPanel(TrainingModel(workspace), inline=inline)


__all__ = ["TrainingPanel", "training_panel"]
