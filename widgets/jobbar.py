"""The job bar, one for all panels: what runs, how far it is, stop, resume, its log, and the code that does the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets as w
from traitlets import HasTraits

from rcg.errors import RcgError
from rcg.jobs import Job
from widgets.base import Message, Worker
from widgets.code import Code, code_of
from widgets.job_model import LIVE, SILENT_S, JobModel, Snapshot
from widgets.kit import beside, html_of, message_html, state_html


def bar_html(shown: Snapshot | None) -> str:
    """The state, the bar, and the line of counts of a job."""
    if shown is None:
        return ""
    share = shown.fraction
    live = shown.state in LIVE
    if share is None and live:
        bar = '<div class="rcg-bar rcg-unknown" role="progressbar"><div></div></div>'
    else:
        percent = 100 * (share or 0.0)
        bar = (
            f'<div class="rcg-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
            f'aria-valuenow="{percent:.0f}">'
            f'<div style="width:{percent:.1f}%"></div></div>'
        )
    numbers = " · ".join(f"{name} {value:.4g}" for name, value in shown.metrics.items() if not _quiet(name))
    note = " · ".join(each for each in (shown.note, numbers) if each)
    return (
        f'{bar}<div class="rcg-line">{escape(shown.line)}</div><div class="rcg-muted">{escape(note) or "&nbsp;"}</div>'
    )


def _quiet(name: str) -> bool:
    """Whether a metric says nothing to the reader of the bar; the log and the run's files have it."""
    return name.startswith("loss_") or name in ("epoch", "seconds", "cpu_seconds")


def title_html(job: Job | None, shown: Snapshot | None, *, beat: int = 0) -> str:
    """The job's title and state, and a dot that pulses as long as its process gives signs of life."""
    if job is None or shown is None:
        return ""
    live = shown.state in LIVE and shown.silent_s < SILENT_S
    dot = f'<span class="rcg-beat rcg-beat{beat % 2}" title="the process is alive"></span>' if live else ""
    return f'<b class="rcg-job-title">{escape(job.title)}</b> &nbsp; {state_html(shown.state)} {dot}'


def code_html(code: Code) -> str:
    """The command line, the Python call and the papermill command, each selected by one click."""
    parts = (("Command line", code.command), ("Python", code.python), ("Notebook as a batch", code.papermill))
    hint = '<div class="rcg-muted">A click selects all of a block; then Ctrl+C.</div>'
    blocks = (f'<div>{name}</div><pre class="rcg-copy">{escape(text)}</pre>' for name, text in parts if text)
    return hint + "".join(blocks)


class CopyCode:
    """A button that shows what another one does as code, and the code.

    Args:
        code: Makes the code; what it raises is shown in its place.
        changes: A model and the names of its traits that the code depends on.
    """

    def __init__(self, code: Callable[[], Code], *, changes: tuple[HasTraits, Sequence[str]]) -> None:
        self._code = code
        self.button = w.ToggleButton(
            description="Copy as code", tooltip="The same as a command, in Python, and as a batch",
            layout=w.Layout(width="auto"),
        )  # fmt: skip
        self.text = w.HTML()
        self.button.observe(self.show, "value")
        changes[0].observe(self.show, list(changes[1]))

    def show(self, _: object = None) -> None:
        """Make the code anew, if it is shown."""
        if not self.button.value:
            self.text.value = ""
            return
        try:
            self.text.value = code_html(self._code())
        except RcgError as error:
            self.text.value = message_html(Message.of(error, trace=""))


class JobBar:
    """The view of a `JobModel`.

    Args:
        model: What it shows.
        inline: Do the work of a click where it is clicked; for tests and batches.
    """

    def __init__(self, model: JobModel, *, inline: bool = False) -> None:
        self.model = model
        self._worker = Worker(inline=inline)
        self._beat = 0
        self.title, self.bar = w.HTML(), w.HTML()
        self.cancel = self._button("Stop", self._cancel, "Stop after the step it is in; what is done stays", "warning")
        self.resume = self._button("Resume", self._resume, "Go on from what was saved", "primary")
        self.dismiss = self._button("Close", self._dismiss, "Show this job no longer", "")
        self.log_open = w.ToggleButton(
            description="Log", tooltip="What the process wrote", layout=w.Layout(width="auto")
        )
        self.code_open = w.ToggleButton(
            description="Copy as code", tooltip="The same as a command, in Python, and as a batch",
            layout=w.Layout(width="auto"),
        )  # fmt: skip
        self.log, self.code = w.HTML(), w.HTML()
        self.message = html_of(model, "message", message_html)
        self.controls: dict[str, w.Widget] = {
            "cancel": self.cancel, "resume": self.resume, "dismiss": self.dismiss, "log": self.log_open,
            "code": self.code_open,
        }  # fmt: skip
        buttons = beside(self.cancel, self.resume, self.log_open, self.code_open, self.dismiss)
        self.box = w.VBox([self.title, self.bar, self.message, buttons, self.log, self.code])
        self.box.add_class("rcg-card")
        self.box.add_class("rcg-job")
        self.log_open.observe(self._show_log, "value")
        self.code_open.observe(self._show_code, "value")
        model.observe(self._render, "shown")
        model.observe(self._show_log, "log")
        model.observe(self._show_code, "job")
        self._render()

    def _button(self, text: str, command: object, tip: str, style: str) -> w.Button:
        made = w.Button(description=text, tooltip=tip, button_style=style, layout=w.Layout(width="auto"))
        made.on_click(lambda _: command())  # type: ignore[operator]
        return made

    def _cancel(self) -> None:
        self.cancel.description = "Stopping"  # the answer, before the disk is touched
        self._worker.submit(lambda: self._attempt(self.model.cancel))

    def _dismiss(self) -> None:
        self.dismiss.disabled = True
        self._worker.submit(lambda: self._attempt(self.model.dismiss))

    def close(self) -> None:
        """End the thread of its buttons."""
        self._worker.close()

    def _resume(self) -> None:
        self.resume.disabled = True
        self._worker.submit(lambda: self._attempt(self.model.resume))

    def _attempt(self, command: object) -> None:
        try:
            command()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - shown in the bar with its traceback
            self.model.message = Message.of(error)
        finally:
            self.resume.disabled = self.dismiss.disabled = False

    def _render(self, _: object = None) -> None:
        shown = self.model.shown
        self.box.layout.display = "none" if shown is None else ""
        if shown is None:
            return
        self._beat += 1
        self.title.value, self.bar.value = title_html(self.model.job, shown, beat=self._beat), bar_html(shown)
        running = self.model.running
        self.cancel.layout.display = "" if running else "none"
        self.cancel.description = "Stop now" if shown.state == "stopping" else "Stop"
        self.cancel.tooltip = (
            "It is finishing the step it is in; this ends it at once, from the last save it goes on"
            if shown.state == "stopping" else "Stop after the step it is in; what is done stays"
        )  # fmt: skip
        self.resume.layout.display = "" if shown.state in ("failed", "lost", "cancelled") else "none"
        self.dismiss.layout.display = "none" if running else ""

    def _show_log(self, _: object = None) -> None:
        text = "\n".join(self.model.log.splitlines()[-200:]) or "nothing written yet"
        self.log.value = f"<pre>{escape(text)}</pre>" if self.log_open.value else ""

    def _show_code(self, _: object = None) -> None:
        job = self.model.job
        shown = self.code_open.value and job is not None
        before = job.notes.get("before", ()) if job is not None else ()
        self.code.value = (
            code_html(code_of(job.arguments, job.workspace, before=before)) if shown and job is not None else ""
        )
