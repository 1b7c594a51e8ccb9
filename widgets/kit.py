"""What panels are made of: messages, tables, cards, linked controls, and buttons that answer at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import ipywidgets as w
from traitlets import HasTraits

from rcg.errors import RcgError
from widgets.base import Clock, Message, PanelModel, Worker
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


_EVERY_S = 0.4
_OPEN: dict[tuple[str, str], Panel] = {}


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
    model: PanelModel, name: str, options: str, *, words: Callable[[str], str] = str, empty: str = "nothing yet",
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


def html_of(model: HasTraits, name: str, render: Callable[[Any], str]) -> w.HTML:
    """An HTML widget that shows a trait."""
    made = w.HTML(render(getattr(model, name)))
    made.layout.overflow = "visible"
    model.observe(lambda change: setattr(made, "value", render(change["new"])), name)
    return made


def busy_html(text: str) -> str:
    """The line that says what is going on."""
    return f'<div class="rcg-status" role="status"><span class="rcg-spin"></span>{escape(text)}</div>' if text else ""


class Panel(ABC):
    """A view over a model: named controls, a layout, and clicks that return at once.

    What a click came to is told near the button: each button names its `place`, and `told` makes the widget for it.

    Attributes:
        model: The panel's model; its commands do what the buttons do.
        controls: The widgets by name.
        box: The widget that is shown.
        active: Whether it looks at the disk by itself; a panel behind a tab need not.
    """

    title = ""
    subtitle = ""

    def __init__(self, model: PanelModel, *, inline: bool = False) -> None:
        self.model = model
        self.inline = inline
        self.controls: dict[str, w.Widget] = {}
        self.commands = Worker(inline=inline)
        self.reading = Worker(inline=inline)
        self._buttons: list[w.Button] = []
        self._told: dict[str, tuple[w.HTML, w.HTML]] = {}
        self._place = ""
        self._latest: dict[str, object] = {}
        head = w.HTML(
            f'{STYLE}<div class="rcg-head"><h2>{escape(self.title)}</h2>'
            f'<span class="rcg-muted">{escape(self.subtitle)}</span></div>'
        )
        self.box = w.VBox([head, *self.build()])
        self.box.add_class("rcg-panel")
        model.observe(self._tell, ["message", "busy", "reading"])
        model.observe(self._hold, "busy")
        self._tell()
        self.active = True
        self._clock = None if inline else Clock(self._look_around, every_s=_EVERY_S)
        if not inline:
            self._replace()

    def _replace(self) -> None:
        """A cell that is run again makes the panel anew: the earlier one rests, so that no two of them look around."""
        key = (type(self).__name__, str(self.model.workspace.path))
        if (earlier := _OPEN.get(key)) is not None:
            earlier.retire()
        _OPEN[key] = self

    def retire(self) -> None:
        """Stop looking at the disk, and say where to go on."""
        if self._clock is not None:
            self._clock.stop()
        words = f"{self.title} was opened again in this notebook; go on there."
        self.box.children = [w.HTML(f'{STYLE}<div class="rcg-muted">{escape(words)}</div>')]

    def _look_around(self) -> None:
        if self.active:
            self.model.watch()

    @abstractmethod
    def build(self) -> Sequence[w.Widget]:
        """Make the panel's own widgets."""

    def told(self, place: str) -> w.VBox:
        """The lines near some buttons: what is under way, and what came of it. The first place is the default."""
        status, message = w.HTML(), w.HTML()
        self._told[place] = (status, message)
        self._place = self._place or place
        return w.VBox([status, message])

    def _tell(self, _: object = None) -> None:
        for place, (status, message) in self._told.items():
            here = place == self._place
            status.value = busy_html(self.model.busy or self.model.reading) if here else ""
            message.value = message_html(self.model.message) if here else ""

    @property
    def shown_message(self) -> str:
        """What the panel tells its user at this moment, as HTML."""
        return "".join(str(message.value) for _, message in self._told.values())

    def button(
        self, name: str, text: str, command: Callable[[], object], *, busy: str, place: str, style: str = "",
        tip: str = "",
    ) -> w.Button:  # fmt: skip
        """A button that calls one command of the model, away from the kernel's thread."""
        made = w.Button(
            description=text, button_style=style, tooltip=tip, layout=w.Layout(width="auto", flex="0 0 auto")
        )
        made.on_click(lambda _: self.act(command, busy=busy, place=place))
        self.controls[name] = made
        self._buttons.append(made)
        return made

    def act(self, command: Callable[[], object], *, busy: str, place: str) -> None:
        """Say what begins, and do it beside the kernel's thread."""
        self._place = place
        self.model.message = None
        self.commands.submit(self._begun(command, "busy", busy))

    def read(self, command: Callable[[], object], *, busy: str, key: str, after_s: float = 0.0) -> None:
        """The same for reading: of several with one key only the last is done."""
        self.reading.submit(self._begun(command, "reading", busy), key=key, after_s=after_s)

    def _begun(self, command: Callable[[], object], trait: str, text: str) -> Callable[[], None]:
        """The work with its line: shown now, gone at the end unless something newer is under way."""
        mark = self._latest[trait] = object() if text else self._latest.get(trait)
        if text:
            setattr(self.model, trait, text)

        def work() -> None:
            self.model.attempt(command)
            if text and self._latest[trait] is mark:
                setattr(self.model, trait, "")

        return work

    def _hold(self, change: dict[str, Any]) -> None:
        for each in self._buttons:
            each.disabled = bool(change["new"])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)  # type: ignore[no-untyped-call]
