"""The review panel: mistakes first, image by image, with or without FiftyOne."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.corrections import Correction
from rcg.review.drawing import LEGEND
from rcg.workspace import Workspace
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
from widgets.looking import MISTAKES, NAME, QUEUE, Item, Totals
from widgets.panel import Panel
from widgets.review_model import HIGHEST, LOWEST, ReviewModel

_WINDOW = 200


class ReviewPanel(Panel):
    """The view of a `ReviewModel`."""

    title = "Review"
    subtitle = "Hold predictions against labels, correct, train again"
    model: ReviewModel

    def build(self) -> Sequence[w.Widget]:
        """Make the choices, the list, the image, the corrections, and the job bars."""
        m = self.model
        self._filling = False
        self.app, self.job = self.bar(m.app), self.bar(m.jobs)
        left, right = [self._choices(), self._list()], [self.app.box, self.job.box, self._image()]
        parts = [columns(left, right), self._corrections()]
        m.observe(self._fill, ["items", "index", "predictions", "picture"])
        m.observe(self._choose, ["dataset", "predictions", "order", "score"])
        m.observe(self._show, "index")
        self._fill()
        if not self.behind:
            self.read(m.look, busy="comparing predictions with labels", key="look")
        return parts

    def _choices(self) -> w.Widget:
        m = self.model
        dataset = choice(m, "dataset", "names", empty="no datasets yet")
        predictions = choice(m, "predictions", "sets", empty="none yet: predict in Training")
        orders = [("most mistakes first", MISTAKES), ("most worth a look first", QUEUE), ("by name", NAME)]
        order = control(m, "order", w.Dropdown, options=orders)
        score = control(m, "score", w.FloatSlider, min=LOWEST, max=HIGHEST, step=0.05, continuous_update=False)
        totals, link = html_of(m, "totals", totals_html), html_of(m, "link", link_html)
        tip = "Opens beside this panel; it takes up to half a minute"
        app = self.button("app", "Open in FiftyOne", m.open_app, busy="starting", place="choices", tip=tip, job=m.app)
        again = self.button("refresh", "Read again", m.look, busy="comparing", place="choices")
        names = {"dataset": dataset, "predictions": predictions, "order": order, "score": score}
        self.controls.update(names, totals=totals, link=link)
        buttons = beside(app, again, margin="4px 0 0 122px")
        return card(*names.values(), buttons, link, self.told("choices"), totals, title="What to look at")

    def _list(self) -> w.Widget:
        self._listing = w.Select(rows=16, layout=w.Layout(width="98%"), tooltip="The arrow keys go up and down")
        self._listing.observe(self._go, "value")
        self._empty = w.HTML()
        self.controls["listing"] = self._listing
        return card(self._empty, self._listing, title="Images")

    def _image(self) -> w.Widget:
        m = self.model
        self._slider = w.IntSlider(
            description="Image", min=0, max=0, readout=False, continuous_update=False,
            tooltip=m.traits()["index"].metadata["tip"], style={"description_width": "45px"},
            layout=w.Layout(width="260px"),
        )  # fmt: skip
        self._slider.observe(self._go, "value")
        self._caption, problem = w.HTML(), html_of(m, "picture_message", message_html)
        self._shown = w.Image(
            format="jpeg", layout=w.Layout(max_width="100%", max_height="680px", width="auto", align_self="flex-start")
        )
        before, after = self._step("previous", "← Previous"), self._step("next", "Next →")
        self.controls.update(slider=self._slider, image=self._shown, caption=self._caption, problem=problem)
        self.controls.update(previous=before, next=after)
        steps = beside(before, after, self._slider, align_items="center")
        self._image_card = card(
            steps, self._actions(), self.told("image"), self._caption, problem, self._shown, title="Image by image"
        )
        return self._image_card

    def _actions(self) -> w.Widget:
        m, busy = self.model, "writing the correction"
        confirm = self.button("confirm", "Labels are right", m.confirm, busy=busy, place="image", tip="Off the queue")
        accept = self.button(
            "accept", "Take predictions as labels", m.accept, busy=busy, place="image", tip="Where no label stands yet"
        )
        tip = "Labels in red: no prediction found them"
        remove = self.button("remove", "Remove missed labels", m.remove_missed, busy=busy, place="image", tip=tip)
        return beside(confirm, accept, remove)

    def _fill(self, _: object = None) -> None:
        """Show the list around the chosen image, and the image."""
        m, listing = self.model, self._listing
        start = max(0, min(m.index - _WINDOW // 2, len(m.items) - _WINDOW))
        wanted = [(f"{each.words} · {each.file_name}", start + n) for n, each in enumerate(m.items[start:][:_WINDOW])]
        self._filling = True
        try:
            if list(listing.options) != wanted:
                listing.options = wanted
            listing.value = m.index if m.items else None
            self._slider.max, self._slider.value = max(0, len(m.items) - 1), m.index
        finally:
            self._filling = False
        self._empty.value = "" if m.items else _empty(m)
        listing.layout.display = self._image_card.layout.display = "" if m.items else "none"
        self._caption.value = caption_html(m.shown, m.index, len(m.items))
        self._shown.value = m.picture
        self._shown.layout.display = "" if m.picture else "none"
        for name in ("accept", "remove"):
            self.controls[name].layout.display = "" if m.predictions else "none"

    def _go(self, change: dict[str, Any]) -> None:
        if not self._filling and change["new"] is not None:
            self.model.index = change["new"]

    def _step(self, command: str, text: str) -> w.Button:
        made = w.Button(description=text, layout=w.Layout(width="auto"))
        made.on_click(lambda _: getattr(self.model, command)())
        return made

    def _corrections(self) -> w.Widget:
        m = self.model
        table = html_of(m, "corrections", corrections_html)
        undo = self.button(
            "undo", "Undo the newest", m.undo, busy="undoing", place="log", tip="Both lines stay in the log"
        )
        train = self.button(
            "train",
            "Train on the corrections",
            m.train_again,
            busy="starting",
            place="log",
            style="primary",
            job=m.jobs,
        )
        self.controls.update(corrections=table)

        def fill(_: object = None) -> None:
            any_left = any(not each.undone for each in m.corrections)
            for each in (undo, train):
                each.layout.display = "" if any_left else "none"

        m.observe(fill, "corrections")
        fill()
        return card(table, beside(undo, train), self.told("log"), title="Corrections")

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
    return f'<div style="margin:4px 0 4px 124px">{facts_html(facts)}</div>'


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
    head = f"<b>{index + 1:,} of {count:,}</b> · {escape(item.file_name)} {tags}"
    return f'<div>{head}</div><div class="rcg-muted">{LEGEND}</div>'


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


def review_panel(
    workspace: Workspace | str | Path | None = None, *, inline: bool = False, behind: bool = False
) -> ReviewPanel:
    """The review panel of a workspace; `behind` a tab it reads nothing until it comes to the front."""
    return ReviewPanel(ReviewModel(workspace), inline=inline, behind=behind)
