"""What panels are made of: messages, tables, cards and linked controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import ipywidgets as w
from traitlets import HasTraits

from rcg.errors import RcgError
from widgets.base import Message, PanelModel
from widgets.speaking import here
from widgets.style import STYLE

_COLOURS = {"error": "bad", "warning": "warn", "info": "brand", "done": "good"}
_WORDS = {"error": "Error", "warning": "Note", "info": "", "done": ""}


def message_html(message: Message | None) -> str:
    """A message as a box: what, where, and the fix; a traceback folded."""
    if message is None:
        return ""
    colour, word = _COLOURS[message.kind], _WORDS[message.kind]
    head = f'<b class="rcg-{colour}">{word}:</b> ' if word else ""
    parts = [f"<div>{head}<b>{escape(message.what)}</b></div>"]
    if message.where:
        parts.append(f'<div class="rcg-where">in {escape(message.where)}</div>')
    if message.fix:
        parts.append(
            f"<div>Fix: {escape(message.fix)}</div>" if message.kind == "error" else f"<div>{escape(message.fix)}</div>"
        )
    if place := here(message.fix):
        parts.append(f'<div class="rcg-where">In the panels: {escape(place)}</div>')
    if message.trace:
        parts.append(f"<details><summary>Traceback</summary><pre>{escape(message.trace)}</pre></details>")
    role = "alert" if message.kind == "error" else "status"
    return f'<div class="rcg-message rcg-{colour}" role="{role}">{"".join(parts)}</div>'


def empty_html(what: str, then: str) -> str:
    """An empty place that says what to do next."""
    return f'<div class="rcg-muted">{escape(what)}</div><div>{escape(then)}</div>'


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = ()) -> str:
    """A table; the columns in `numbers` stand to the right. A cell that is `Html` is taken as it is."""

    def cell(tag: str, column: int, value: object) -> str:
        text = value.text if isinstance(value, Html) else escape(str(value))
        return f"<{tag}{' class=rcg-number' if column in numbers else ''}>{text}</{tag}>"

    top = "".join(cell("th", column, value) for column, value in enumerate(head))
    body = "".join(f"<tr>{''.join(cell('td', i, value) for i, value in enumerate(row))}</tr>" for row in rows)
    table = f'<table class="rcg-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="rcg-wide">{table}</div>'


class Html:
    """Text that is HTML already; as the last line of a cell it is shown in the panels' look."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return f'{STYLE}<div class="rcg-panel">{self.text}</div>'


def tag_html(word: str, colour: str = "muted") -> str:
    """A small pill with a word in it."""
    return f'<span class="rcg-tag rcg-{colour}">{escape(word)}</span>'


STATE_COLOURS = {
    "running": "brand", "starting": "brand", "stopping": "warn", "done": "good", "failed": "bad", "lost": "bad",
    "cancelled": "warn", "stopped": "warn", "new": "muted",
}  # fmt: skip


def state_html(state: str) -> str:
    """The state of a job or run as a pill."""
    return tag_html(state, STATE_COLOURS.get(state, "muted"))


def facts_html(facts: Iterable[tuple[str, object]]) -> str:
    """Big numbers with their words below."""
    cells = (
        f"<div><b>{escape(str(value))}</b><span class='rcg-muted'>{escape(word)}</span></div>" for word, value in facts
    )
    return f'<div class="rcg-facts">{"".join(cells)}</div>'


def card(*children: w.Widget, title: str = "") -> w.VBox:
    """A frame around widgets that belong together."""
    head = [w.HTML(f'<div class="rcg-title">{escape(title)}</div>')] if title else []
    box = w.VBox([*head, *children])
    box.add_class("rcg-card")
    return box


_LABEL = {"description_width": "116px"}


def control(model: HasTraits, name: str, kind: type[w.Widget], **options: Any) -> w.Widget:
    """A widget for a trait: its label and tooltip come from the trait's metadata, its value is linked both ways."""
    about = model.traits()[name].metadata
    width = options.pop("width", "98%")
    made = kind(
        description=about.get("label", name), tooltip=about.get("tip", ""), value=getattr(model, name),
        style=_LABEL, layout=w.Layout(width=width), **options,
    )  # fmt: skip
    if "placeholder" in about:
        made.placeholder = about["placeholder"]
    model.observe(lambda change: setattr(made, "value", change["new"]), name)
    made.observe(lambda change: setattr(model, name, change["new"]), "value")
    return made


def choice(
    model: HasTraits, name: str, options: str, *, words: Callable[[str], str] = str, empty: str = "nothing yet",
    width: str = "98%",
) -> w.Dropdown:  # fmt: skip
    """A drop-down for a trait whose choices are another trait of the model, a tuple of strings."""
    about = model.traits()[name].metadata
    made = w.Dropdown(
        description=about.get("label", name), tooltip=about.get("tip", ""), style=_LABEL,
        layout=w.Layout(width=width),
    )  # fmt: skip
    filling = False

    def fill(_: object = None) -> None:
        nonlocal filling
        filling = True
        try:
            known, value = getattr(model, options), getattr(model, name)
            wanted = [(words(each), each) for each in known] or [(empty, "")]
            if list(made.options) != wanted:
                made.options = wanted
            made.value = value if value in known else wanted[0][1] if not known else None
            made.disabled = not known
        finally:
            filling = False

    def take(change: dict[str, Any]) -> None:
        if filling:
            return
        try:
            setattr(model, name, change["new"] or "")
        except RcgError as error:  # it was removed meanwhile
            fill()
            if isinstance(model, PanelModel):
                model.message = Message.of(error, trace="")

    fill()
    model.observe(fill, [options, name])
    made.observe(take, "value")
    return made


def beside(*children: w.Widget, margin: str = "0", **layout: str) -> w.HBox:
    """Widgets beside each other; what finds no room goes into the next line."""
    return w.HBox(list(children), layout=w.Layout(flex_flow="row wrap", margin=margin, **layout))


def columns(left: Sequence[w.Widget], right: Sequence[w.Widget]) -> w.HBox:
    """What is done on the left, what is seen on the right; below each other where the page is narrow."""
    sides = (
        w.VBox(list(left), layout=w.Layout(flex="1 1 380px", max_width="470px", min_width="0", overflow="visible")),
        w.VBox(list(right), layout=w.Layout(flex="2 1 460px", min_width="0", overflow="visible")),
    )
    return w.HBox(list(sides), layout=w.Layout(flex_flow="row wrap", grid_gap="0 14px", overflow="visible"))


def halves(left: Sequence[w.Widget], right: Sequence[w.Widget]) -> w.HBox:
    """Two equal columns; below each other where the page is narrow."""
    layout = {"flex": "1 1 340px", "min_width": "0", "overflow": "visible"}
    sides = [w.VBox(list(side), layout=w.Layout(**layout)) for side in (left, right)]
    return w.HBox(sides, layout=w.Layout(flex_flow="row wrap", grid_gap="0 18px", overflow="visible"))


def html_of(model: HasTraits, name: str, render: Callable[[Any], str]) -> w.HTML:
    """An HTML widget that shows a trait."""
    made = w.HTML(render(getattr(model, name)))
    made.layout.overflow = "visible"
    model.observe(lambda change: setattr(made, "value", render(change["new"])), name)
    return made


def busy_html(text: str) -> str:
    """The line that says what is going on."""
    return f'<div class="rcg-status" role="status"><span class="rcg-spin"></span>{escape(text)}</div>' if text else ""
