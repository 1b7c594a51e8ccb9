"""A panel: a view over a model, with buttons that answer at once and work beside the kernel's thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as w

from widgets.base import Clock, PanelModel, Worker
from widgets.job_model import JobModel
from widgets.jobbar import JobBar
from widgets.kit import busy_html, message_html
from widgets.style import STYLE

_EVERY_S = 0.4
_OPEN: dict[tuple[str, str], Panel] = {}


class Panel(ABC):
    """A view over a model: named controls, a layout, and clicks that return at once.

    What a click came to is told near the button: each button names its `place`, and `told` makes the widget for it.

    Attributes:
        model: The panel's model; its commands do what the buttons do.
        controls: The widgets by name.
        box: The widget that is shown.
        active: Whether it looks at the disk by itself; a panel behind a tab need not.
        behind: Whether it begins behind a tab; it then reads nothing large until it comes to the front.
    """

    title = ""
    subtitle = ""

    def __init__(self, model: PanelModel, *, inline: bool = False, behind: bool = False) -> None:
        self.model = model
        self.inline = inline
        self.behind = behind
        self.controls: dict[str, w.Widget] = {}
        self.commands = Worker(inline=inline)
        self.reading = Worker(inline=inline)
        self._buttons: list[tuple[w.Button, Callable[[], bool]]] = []
        self._bars: dict[JobModel, JobBar] = {}
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
        self._hold()
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
        self.commands.close()
        self.reading.close()
        for bar in self._bars.values():
            bar.close()
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

    def status(self, place: str) -> w.HTML:
        """The line near some buttons that says what is under way; what came of it is told elsewhere."""
        status, _ = self.told(place).children
        self._told[place] = (status, w.HTML())
        return status

    def tell_at(self, place: str) -> None:
        """Show what is told at another place from now on."""
        self._place = place
        self._tell()

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
        tip: str = "", job: JobModel | None = None,
    ) -> w.Button:  # fmt: skip
        """A button that calls one command of the model, away from the kernel's thread; it rests while `job` runs."""
        made = w.Button(
            description=text, button_style=style, tooltip=tip, layout=w.Layout(width="auto", flex="0 0 auto")
        )
        made.on_click(lambda _: self.act(command, busy=busy, place=place))
        self.controls[name] = made
        self._buttons.append((made, lambda: job is not None and job.running))
        if job is not None:
            job.observe(self._hold, "shown")
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

    def bar(self, jobs: JobModel) -> JobBar:
        """The bar of a job model; its thread ends with the panel."""
        if jobs not in self._bars:
            self._bars[jobs] = JobBar(jobs, inline=self.inline)
        return self._bars[jobs]

    def _hold(self, _: object = None) -> None:
        for each, waits in self._buttons:
            each.disabled = bool(self.model.busy) or waits()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)  # type: ignore[no-untyped-call]
