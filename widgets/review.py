"""The review panel: mistakes first, image by image, with or without FiftyOne."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.corrections import Correction
from rcg.workspace import Workspace
from widgets.base import Clock
from widgets.jobbar import JobBar
from widgets.kit import (
    Html,
    Panel,
    card,
    choice,
    control,
    empty_html,
    facts_html,
    html_of,
    message_html,
    table_html,
    tag_html,
)  # fmt: skip
from widgets.review_model import MISTAKES, NAME, QUEUE, Item, ReviewModel, Totals

_WINDOW = 200


class ReviewPanel(Panel):
    """The view of a `ReviewModel`."""

    title = "Review"
    subtitle = "Hold predictions against labels, correct, train again"
    model: ReviewModel

    def build(self) -> Sequence[w.Widget]:
        """Make the choices, the browser, the corrections, and the job bars."""
        m = self.model
        self.app, self.job = JobBar(m.app, inline=self.inline), JobBar(m.jobs, inline=self.inline)
        parts = [self._choices(), self.app.box, self.job.box, self._browser(), self._corrections()]
        m.observe(self._choose, ["dataset", "predictions", "order", "score"])
        m.observe(self._show, "index")
        self.read(m.look, busy="comparing predictions with labels", key="look")
        if not self.inline:
            self.clock = Clock(m.watch, every_s=0.4)
        return parts

    def _choices(self) -> w.Widget:
        m = self.model
        dataset = choice(m, "dataset", "names", empty="no datasets yet: make one in the dataset panel", width="460px")
        predictions = choice(m, "predictions", "sets", empty="none yet: predict in the training panel", width="460px")
        orders = [("most mistakes first", MISTAKES), ("most worth a look first", QUEUE), ("by name", NAME)]
        order = control(m, "order", w.Dropdown, options=orders, width="460px")
        score = control(
            m, "score", w.FloatSlider, min=0.05, max=0.95, step=0.05, continuous_update=False, width="460px"
        )
        totals = html_of(m, "totals", totals_html)
        refresh = self.button("refresh", "Read again", m.look, busy="comparing predictions with labels")
        app = self.button(
            "app", "Open in FiftyOne", m.open_app, busy="starting", tip="Opens beside this panel; takes half a minute"
        )
        link = html_of(m, "link", link_html)
        self.controls.update(
            dataset=dataset, predictions=predictions, order=order, score=score, totals=totals, link=link
        )
        row = w.HBox([app, refresh, link], layout=w.Layout(margin="4px 0 0 134px", align_items="center"))
        return card(dataset, predictions, order, score, totals, row, title="What to look at")

    def _browser(self) -> w.Widget:
        m = self.model
        listing = w.Select(rows=22, layout=w.Layout(width="330px"), tooltip="The arrow keys go up and down")
        slider = w.IntSlider(
            description="Image", min=0, max=0, readout=False, continuous_update=False,
            tooltip=m.traits()["index"].metadata["tip"],
            style={"description_width": "45px"}, layout=w.Layout(width="300px"),
        )  # fmt: skip
        caption, problem = w.HTML(), html_of(m, "picture_message", message_html)
        image = w.Image(format="jpeg", layout=w.Layout(max_width="100%", object_fit="contain"))
        empty = w.HTML()
        before, after = self._step("previous", "Previous", "arrow-left"), self._step("next", "Next", "arrow-right")
        accept = self.button(
            "accept",
            "Take predictions as labels",
            m.accept,
            busy="writing the correction",
            tip="Where no label stands yet",
        )
        confirm = self.button(
            "confirm", "Labels are right", m.confirm, busy="writing the correction", tip="Takes it off the queue"
        )
        remove = self.button(
            "remove",
            "Remove missed labels",
            m.remove_missed,
            busy="writing the correction",
            tip="Labels in red: no prediction found them",
        )
        self.controls.update(
            listing=listing, slider=slider, image=image, caption=caption, problem=problem, previous=before, next=after
        )
        filling = False

        def fill(_: object = None) -> None:
            nonlocal filling
            filling = True
            try:
                start = max(0, min(m.index - _WINDOW // 2, len(m.items) - _WINDOW))
                listing.options = [
                    (f"{each.words} · {each.file_name}", start + at)
                    for at, each in enumerate(m.items[start : start + _WINDOW])
                ]
                listing.value = m.index if m.items else None
                slider.max, slider.value = max(0, len(m.items) - 1), m.index
            finally:
                filling = False
            caption.value = caption_html(m.shown, m.index, len(m.items))
            for each in (accept, remove):
                each.layout.display = "" if m.predictions else "none"

        def go(change: dict[str, Any]) -> None:
            if not filling and change["new"] is not None:
                m.index = change["new"]

        def draw(_: object = None) -> None:
            image.value = m.picture
            image.layout.display = "" if m.picture else "none"
            body.layout.display = "" if m.items else "none"
            empty.value = "" if m.items else _empty(m)

        m.observe(fill, ["items", "index", "predictions"])
        m.observe(draw, ["picture", "items"])
        listing.observe(go, "value")
        slider.observe(go, "value")
        steps = w.HBox([before, after, slider], layout=w.Layout(align_items="center"))
        actions = w.HBox([confirm, accept, remove], layout=w.Layout(flex_flow="row wrap"))
        right = w.VBox([steps, caption, problem, image, actions], layout=w.Layout(flex="1 1 420px", min_width="0"))
        body = w.HBox([listing, right], layout=w.Layout(flex_flow="row wrap", grid_gap="14px"))
        fill()
        draw()
        return card(empty, body, title="Image by image")

    def _step(self, command: str, text: str, icon: str) -> w.Button:
        made = w.Button(description=text, icon=icon, layout=w.Layout(width="auto"))
        made.on_click(lambda _: getattr(self.model, command)())
        return made

    def _corrections(self) -> w.Widget:
        m = self.model
        table = html_of(m, "corrections", corrections_html)
        undo = self.button("undo", "Undo the newest", m.undo, busy="undoing", tip="Both lines stay in the log")
        train = self.button(
            "train", "Train on the corrections", m.train_again, busy="starting", style="primary", icon="play"
        )
        self.controls.update(corrections=table)

        def fill(_: object = None) -> None:
            any_left = any(not each.undone for each in m.corrections)
            for each in (undo, train):
                each.layout.display = "" if any_left else "none"

        m.observe(fill, "corrections")
        fill()
        return card(table, w.HBox([undo, train]), title="Corrections")

    def _choose(self, _: dict[str, Any]) -> None:
        self.read(self.model.look, busy="comparing predictions with labels", key="look", after_s=0.05)

    def _show(self, _: dict[str, Any]) -> None:
        self.read(self.model.show, busy="", key="show")


def _empty(model: ReviewModel) -> str:
    if not model.names:
        return empty_html("There is no dataset yet.", "Make one in the dataset panel first.")
    if model.order == QUEUE:
        return empty_html(
            "Nothing waits for a look.", "Every image is labelled, and the predictions agree with the labels."
        )
    return empty_html("This dataset holds no images.", "Add some in the dataset panel.")


def totals_html(totals: Totals) -> str:
    """Right, false and missed over all compared images."""
    if not totals.images:
        return ""
    found = totals.tp + totals.fn
    facts = [
        ("images compared", f"{totals.images:,}"),
        ("right", f"{totals.tp:,}"),
        ("false", f"{totals.fp:,}"),
        ("missed", f"{totals.fn:,}"),
    ]
    facts += [("of the labels found", f"{100 * totals.tp / found:.0f} %")] if found else []
    return f'<div style="margin:4px 0 4px 134px">{facts_html(facts)}</div>'


def link_html(link: str) -> str:
    """The way to the App."""
    if not link:
        return ""
    address = escape(link, quote=True)
    return f'<a class="rcg-link" href="{address}" target="_blank" rel="noopener">open {address}</a>'


def caption_html(item: Item | None, index: int, count: int) -> str:
    """Which image this is and what was found in it."""
    if item is None:
        return ""
    tags = ""
    if item.review is not None and item.review.labelled:
        counts = (
            (item.review.tp, "right", "good"),
            (item.review.fp, "false", "warn"),
            (item.review.fn, "missed", "bad"),
        )
        tags = " ".join(tag_html(f"{number} {word}", colour) for number, word, colour in counts if number)
    key = "labels: solid blue, missed ones red · predictions: dashed green, false ones orange"
    head = f"<b>{index + 1:,} of {count:,}</b> · {escape(item.file_name)} {tags}"
    return f'<div>{head}</div><div class="rcg-muted">{key}</div>'


_ACTIONS = {"add": "added", "remove": "removed", "change": "changed", "confirm": "confirmed"}


def corrections_html(corrections: Sequence[Correction]) -> str:
    """The log, newest first."""
    if not corrections:
        return empty_html(
            "There are no corrections yet.",
            "Correct an image above or in FiftyOne; every step is kept here and can be undone.",
        )
    rows = [
        (each.number, _when(each.time), each.file_name, _ACTIONS[each.action], _label(each), each.source,
         Html(tag_html("undone", "muted") if each.undone else tag_html("in force", "good")))
        for each in corrections[:50]
    ]  # fmt: skip
    more = f'<div class="rcg-muted">and {len(corrections) - 50:,} older ones</div>' if len(corrections) > 50 else ""
    return table_html(["no.", "when", "image", "what", "label", "from", ""], rows, numbers=(0,)) + more


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


def _label(correction: Correction) -> str:
    changed = correction.after or correction.before
    return "all labels" if changed is None else changed.label


def review_panel(workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> ReviewPanel:
    """The review panel of a workspace."""
    return ReviewPanel(ReviewModel(workspace), inline=inline)
