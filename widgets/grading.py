"""The grading panel: photos, the overlay with lines that can be dragged, grades, evidence, and batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.errors import RcgError
from rcg.types import Point
from rcg.workspace import Workspace
from widgets.base import Message, Worker
from widgets.dropzone import DropZone
from widgets.grading_batch import batch_part
from widgets.grading_html import (
    STYLE,
    centering_html,
    grades_html,
    not_judged_html,
    steps_html,
    surface_html,
    verdict_html,
    wear_html,
)
from widgets.grading_model import FACES, SPECS, GradingModel
from widgets.grading_overlay import GradingOverlay
from widgets.jobbar import CopyCode, bar_html
from widgets.kit import beside, card, choice, columns, control
from widgets.page_link import Made, PageLink
from widgets.panel import Panel

_WIDE = "98%"
_SHOWN_IN_CODE = ("photos", "back", "frames", "reference", "spec", "standards", "out", "every", "workers")


class GradingPanel(Panel):
    """The view of a `GradingModel`."""

    title = "Grading"
    subtitle = "Measure and grade cards from photos, with every line and point to check"
    model: GradingModel

    def build(self) -> Sequence[w.Widget]:
        """Make the photos' fields, the verdict, the overlay, the evidence and the batch."""
        self._hand = Worker(inline=self.inline)  # apart from reading, so that a drag waits for no picture
        self._drawn: tuple[object, ...] = ()
        self.job = self.bar(self.model.batch.jobs)
        left = [self._photos(), self._progress(), self.job.box]
        right = self._verdict()
        parts = [columns(left, [right]), batch_part(self), self._lines(), self._why, *self._evidence()]
        m = self.model
        m.observe(self._laid, ["changed", "face"])
        m.observe(self._moves, "progress")
        self._laid()
        self._moves()
        return parts

    def _photos(self) -> w.Widget:
        m = self.model
        drop, drop_back = self._zones()
        photos = control(m, "photos", w.Textarea, rows=2, continuous_update=False)
        back = control(m, "back", w.Text, continuous_update=False)
        spec = control(m, "spec", w.Dropdown, options=[(words, name) for name, words in SPECS.items()])
        more = self._more()
        start = self.button(
            "grade", "Grade", m.grade, busy="grading", place="photos", style="primary", job=m.batch.jobs
        )
        code = CopyCode(m.code, changes=(m, [*_SHOWN_IN_CODE]))
        names = {"photos": photos, "back": back, "spec": spec, "drop": drop, "drop_back": drop_back}
        self.controls.update(names, code=code.button, code_text=code.text)
        buttons = beside(start, code.button, margin="6px 0 0 122px")
        told = self.told("photos")
        return card(drop, photos, drop_back, back, spec, more, buttons, told, code.text, title="Photos")

    def _zones(self) -> tuple[DropZone, DropZone]:
        """The fields to drop photos on, of fronts and of a back."""
        m = self.model
        folder = m.workspace.path / "grades" / "photos"
        words = "Drop photos of fronts here, or click to choose"
        many = DropZone(folder, take=self._dropped, problem=self._trouble, words=words)

        def take(paths: tuple[Path, ...]) -> None:
            m.back = str(paths[0])

        words = "Drop the back here, or click to choose"
        return many, DropZone(folder, take=take, problem=self._trouble, many=False, words=words)

    def _more(self) -> w.Widget:
        """What is seldom needed, folded."""
        m = self.model
        made = {name: control(m, name, w.Text, continuous_update=False) for name in ("frames", "reference", "out")}
        made["standards"] = self._standards()
        made["every"] = control(m, "every", w.Checkbox, indent=False, width="auto")
        made["workers"] = control(m, "workers", w.BoundedIntText, min=1, max=os.cpu_count() or 1, width="220px")
        self.controls.update(made)
        hint = w.HTML(f'<div class="rcg-help">Standards of your own: .toml files in {escape(str(m.own))}</div>')
        order = ("frames", "reference", "standards", "every", "out", "workers")
        rows = [made[name] for name in order]
        folded = w.Accordion([w.VBox([*rows[:3], hint, *rows[3:]])], titles=["Frames, reference, standards, batch"])
        folded.layout.width = _WIDE
        return folded

    def _standards(self) -> w.Widget:
        m = self.model
        made = w.SelectMultiple(
            description="Standards", tooltip=m.traits()["standards"].metadata["tip"], rows=5,
            style={"description_width": "116px"}, layout=w.Layout(width=_WIDE),
        )  # fmt: skip
        filling = False

        def fill(_: object = None) -> None:
            nonlocal filling
            filling = True
            try:
                made.options, made.value = m.known, m.standards
                made.rows = min(8, max(2, len(m.known)))
            finally:
                filling = False

        def take(change: dict[str, Any]) -> None:
            if not filling:
                m.standards = tuple(change["new"])

        fill()
        m.observe(fill, ["known", "standards"])
        made.observe(take, "value")
        return made

    def _dropped(self, paths: tuple[Path, ...]) -> None:
        """A drop of several photos is a batch: the folder that they were put in."""
        self.model.message = None
        self.model.photos = str(paths[0] if len(paths) == 1 else paths[0].parent)

    def _trouble(self, error: RcgError) -> None:
        self.model.message = Message.of(error, trace="")
        self.tell_at("photos")

    def _progress(self) -> w.Widget:
        self._bar = w.HTML()
        self._stop = w.Button(
            description="Stop",
            tooltip="Stop after the step it is in",
            button_style="warning",
            layout=w.Layout(width="auto"),
        )
        self._stop.on_click(lambda _: self.model.stop())
        self.controls.update(progress=self._bar, stop=self._stop)
        self._moving = card(self._bar, beside(self._stop))
        return self._moving

    def _moves(self, _: object = None) -> None:
        shown = self.model.progress
        self._moving.layout.display = "" if self.model.grading else "none"
        self._bar.value = bar_html(shown) if self.model.grading else ""
        self._stop.disabled = shown is not None and shown.state == "stopping"

    def _verdict(self) -> w.Widget:
        m = self.model
        verdict, steps, grades = w.HTML(), w.HTML(), w.HTML()
        link = PageLink(self._page, words="Open the report page", tip="One file that needs nothing else, in a new tab")
        keep = self.button("write", "Keep the page", m.write, busy="writing the page", place="verdict",
                           tip="Into exports/ of the workspace")  # fmt: skip
        self.controls.update(verdict=verdict, steps=steps, grades=grades, page=link)
        self._pages = beside(link, keep, align_items="center", margin="8px 0 0 0")
        self._why = card(grades, title="Why these grades")
        return card(verdict, steps, self._pages, self.told("verdict"), title="Result")

    def _page(self, answer: Callable[[Made | None], None]) -> None:
        self.make_file(self.model.page, answer, place="verdict", busy="making the page")

    def make_file(
        self, make: Callable[[], Made], answer: Callable[[Made | None], None], *, place: str, busy: str
    ) -> None:
        """Make a file for the browser beside the kernel's thread; what fails is told at `place`."""

        def work() -> None:
            made: Made | None = None
            try:
                made = make()
            finally:
                answer(made)

        self.act(work, busy=busy, place=place)

    def _lines(self) -> w.Widget:
        m = self.model
        self.overlay = GradingOverlay()
        self.overlay.hooks(line=self._set, reset=self._reset)
        face = w.ToggleButtons(
            options=[(name.capitalize(), name) for name in FACES], value=m.face, style={"button_width": "90px"}
        )
        face.observe(lambda change: setattr(m, "face", change["new"]), "value")
        m.observe(lambda change: setattr(face, "value", change["new"]), "face")
        again = self.button(
            "reset",
            "Reset all lines",
            m.reset_all,
            busy="measuring",
            place="lines",
            tip="All as measured, on both faces",
        )
        one = choice(m, "card", "cards", empty="none", width="330px")
        one.observe(lambda change: self._choose(change["new"]), "value")
        self.controls.update(face=face, overlay=self.overlay, card=one)
        row = beside(one, face, again, align_items="center", margin="0 0 6px 0")
        self._faces, self._cards_found = face, one
        told = self.told("lines")  # below, so that the picture stays where the hand is
        self._lines_card = card(row, self.overlay, told, title="Lines and points")
        return self._lines_card

    def _choose(self, name: str | None) -> None:
        """Another card of the same photo."""
        if name and self.model.report is not None and name != self.model.report.name:
            self.read(lambda: self.model.choose(name), busy="laying it on the table", key="choose")

    def _set(self, side: str, edge: str, ends: tuple[Point, Point], done: bool) -> None:
        face = self.model.face
        if done:
            self.tell_at("lines")
        self.read(
            lambda: self.model.set_line(face, side, edge, ends, done=done),
            busy="measuring anew" if done else "", key="" if done else "line",
        )  # fmt: skip

    def _reset(self, side: str, edge: str) -> None:
        face = self.model.face
        self.tell_at("lines")
        self._by_hand(lambda: self.model.reset_line(face, side, edge), settled=True)

    def _by_hand(self, command: Callable[[], object], *, settled: bool) -> None:
        """Do what a hand asked for, in its order; of what is still moving, only the latest."""
        work = self._begun(command, "reading", "measuring anew" if settled else "")
        self._hand.submit(work, key="" if settled else "line")

    def retire(self) -> None:
        """End the thread of the lines too."""
        self._hand.close()
        super().retire()

    def _evidence(self) -> list[w.Widget]:
        self._parts = {name: w.HTML() for name in ("centering", "wear", "surface", "unjudged")}
        for each in self._parts.values():
            each.layout.overflow = "visible"
        self.controls.update(self._parts)
        titles = {
            "centering": "Centering", "wear": "Corners and edges", "surface": "Marks on the face",
            "unjudged": "What was not judged",
        }  # fmt: skip
        self._cards = {name: card(part, title=titles[name]) for name, part in self._parts.items()}
        return list(self._cards.values())

    def _laid(self, _: object = None) -> None:
        """Another card, face or line: the lines at once, what takes longer beside the kernel's thread."""
        m, here = self.model, self.model.shown
        display = "none" if here is None else ""
        for each in (self._lines_card, self._pages, self._why, *self._cards.values()):
            each.layout.display = display
        self._cards_found.layout.display = "" if len(m.cards) > 1 else "none"
        self._faces.layout.display = "" if len(m.table) > 1 else "none"
        hand = any(each.lines for each in m.table.values())
        self.controls["reset"].layout.visibility = "visible" if hand else "hidden"  # it keeps its place
        self.controls["page"].ready = m.report is not None
        if here is None:
            self.overlay.show(None, None, key="")
        else:
            self.overlay.show(here.pixels, here.face, key=f"{here.name} {here.key}", hand=here.hand_set)
        self.controls["verdict"].value = verdict_html(m.report)
        self.controls["grades"].value = STYLE + grades_html(m.report) if m.report is not None else ""
        self._parts["centering"].value = "" if here is None else STYLE + centering_html(here.face)
        self.read(self._draw, busy="", key="draw", after_s=0.0 if self.inline else 0.3)

    def _draw(self) -> None:
        m, here = self.model, self.model.shown
        self.controls["steps"].value = steps_html(m.report)
        self._parts["unjudged"].value = not_judged_html(m.report)
        pixels, face = (None, None) if here is None else (here.pixels, here.face)
        drawn = (pixels, *((face.outline, face.corners, face.edges, face.surface) if face is not None else ()))
        if len(drawn) == len(self._drawn) and all(a is b for a, b in zip(drawn, self._drawn, strict=True)):
            return  # close-ups take a second; a line that moves leaves most of them as they are
        self._drawn = drawn
        self._parts["wear"].value = wear_html(pixels, face)
        self._parts["surface"].value = surface_html(pixels, face)


def grading_panel(
    workspace: Workspace | str | Path | None = None, *, inline: bool = False, behind: bool = False
) -> GradingPanel:
    """The grading panel of a workspace."""
    return GradingPanel(GradingModel(workspace), inline=inline, behind=behind)
