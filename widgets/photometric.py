"""The photometric panel: frames, calibration, measurement, layers, relighting, defects."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import ipywidgets as w

from rcg.normals import METHODS
from rcg.workspace import Workspace
from widgets.jobbar import CopyCode
from widgets.kit import beside, card, choice, columns, control, empty_html, html_of
from widgets.panel import Panel
from widgets.photometric_model import AS_TOLD, BALL, PLANE, SAVED, SHEET, Calibrated, PhotometricModel
from widgets.photometric_pictures import LAYERS, frames_html, layer_words, report_html
from widgets.relight import RelightWidget

_LIGHTS = [
    ("as the frames tell", AS_TOLD), ("a white sheet", SHEET), ("a mirror ball", BALL), ("the card, as a plane", PLANE),
    ("a kept calibration", SAVED),
]  # fmt: skip


class PhotometricPanel(Panel):
    """The view of a `PhotometricModel`."""

    title = "Surface"
    subtitle = "Photometric stereo: measure a surface from frames under several lights, and look at it in any light"
    model: PhotometricModel

    def build(self) -> Sequence[w.Widget]:
        """Make the choices, the frames, the job bar, and what was measured."""
        self.job = self.bar(self.model.jobs)
        left = [self._source(), self._calibration(), self.job.box, self._numbers()]
        parts = [columns(left, [self._frames(), self._result()]), self._relight()]
        m = self.model
        m.observe(self._choose, ["dataset", "card", "frames"])
        m.observe(self._redraw, ["report", "layer", "outlines"])
        if not self.behind and m.card:
            self.read(m.look, busy="reading the frames", key="look")
        return parts

    def _source(self) -> w.Widget:
        m = self.model
        dataset = choice(m, "dataset", "names", empty="no dataset has captures")
        capture = choice(m, "card", "cards", empty="none")
        frames = control(m, "frames", w.Text, continuous_update=False)
        method = control(m, "method", w.Dropdown, options=list(METHODS))
        flat, size = control(m, "flat", w.Text), control(m, "px_mm", w.Text)
        out = control(m, "out", w.Text)
        start = self.button(
            "measure", "Measure", m.measure, busy="starting", place="source", style="primary", job=m.jobs
        )
        again = self.button("look", "Read again", self._read_again, busy="reading the frames", place="source")
        watched = ["dataset", "card", "frames", "method", "flat", "px_mm", "out", "source", "calibration"]
        code = CopyCode(m.code, changes=(m, watched))
        names = {
            "dataset": dataset, "card": capture, "frames": frames, "method": method, "flat": flat, "px_mm": size,
            "out": out,
        }  # fmt: skip
        self.controls.update(names, code=code.button, code_text=code.text)
        buttons = beside(start, again, code.button, margin="6px 0 0 122px")
        return card(*names.values(), buttons, self.told("source"), code.text, title="Frames")

    def _calibration(self) -> w.Widget:
        m = self.model
        source = control(m, "source", w.Dropdown, options=_LIGHTS)
        target, kept = control(m, "target", w.Text), control(m, "calibration", w.Text)
        button = self.button("calibrate", "Calibrate", m.calibrate, busy="calibrating", place="calibration")
        result = html_of(m, "calibrated", calibrated_html)
        about = w.HTML()
        row = beside(button, margin="4px 0 0 122px")
        self.controls.update(source=source, target=target, calibration=kept, calibrated=result)

        def fill(_: object = None) -> None:
            about.value = f'<div class="rcg-help">{_HELP[m.source]}</div>'
            target.layout.display = "" if m.source in (SHEET, BALL) else "none"
            kept.layout.display = "none" if m.source == AS_TOLD else ""
            row.layout.display = "" if m.source in (SHEET, BALL, PLANE) else "none"

        m.observe(fill, "source")
        fill()
        return card(source, about, target, row, kept, self.told("calibration"), result, title="Calibration")

    def _frames(self) -> w.Widget:
        m = self.model
        shown = html_of(m, "shown", _shown_html)
        about = html_of(m, "about", lambda text: f'<div class="rcg-muted">{escape(text)}</div>' if text else "")
        self.controls.update(shown=shown, about=about)
        return card(shown, about, title="What was photographed")

    def _numbers(self) -> w.Widget:
        numbers = html_of(self.model, "report", report_html)
        self.controls["numbers"] = numbers
        self._numbers_card = card(numbers, title="How far to trust it")
        return self._numbers_card

    def _result(self) -> w.Widget:
        m = self.model
        layer = control(
            m, "layer", w.Dropdown, options=[(words, name) for name, words in LAYERS.items()], width="330px"
        )
        outlines = control(m, "outlines", w.Checkbox, indent=False, width="auto")
        self._words = w.HTML()
        self._picture = w.Image(
            format="jpeg", layout=w.Layout(max_width="100%", max_height="620px", width="auto", align_self="flex-start")
        )
        self.controls.update(layer=layer, outlines=outlines, picture=self._picture)
        row = beside(layer, outlines, align_items="center")
        self._result_card = card(row, self._words, self._picture, title="The surface, layer by layer")
        return self._result_card

    def _relight(self) -> w.Widget:
        m = self.model
        self.relight = RelightWidget()
        into = choice(m, "into", "every", empty="no datasets yet", width="300px")
        add = self.button("add", "Add the defects", m.add, busy="adding the defects", place="relight")
        page = self.button(
            "export", "Export as a page", m.export, busy="writing the page", place="relight", tip="One file, no server"
        )
        self.controls.update(relight=self.relight, into=into)
        m.observe(lambda change: self.relight.show(change["new"]), "packed")
        row = beside(into, add, page, align_items="center", margin="8px 0 0 0")
        self._relight_card = card(self.relight, row, self.told("relight"), title="Relight, and the defects one by one")
        self._redraw()
        return self._relight_card

    def _redraw(self, _: object = None) -> None:
        m = self.model
        display = "none" if m.report is None else ""
        for each in (self._result_card, self._relight_card, self._numbers_card):
            each.layout.display = display
        self._words.value = f'<div class="rcg-help">{escape(layer_words(m.layer))}</div>'
        if m.report is None:
            self._picture.value = b""
            return
        self.read(self._draw, busy="drawing", key="draw")

    def _draw(self) -> None:
        self._picture.value = self.model.picture()

    def _choose(self, _: object = None) -> None:
        if self.model.frames.strip() or self.model.card:
            self.read(self.model.look, busy="reading the frames", key="look", after_s=0.2)

    def _read_again(self) -> None:
        self.model.refresh()
        self.model.look()


_HELP = {
    AS_TOLD: "From the frames' folder: a white sheet in flat/, places of the lights in rig.toml, or their directions. "
    "Where nothing is told, the card is taken as a plane.",
    SHEET: "Frames of a matte white sheet at the card's height give each light's place, brightness and fall-off. "
    "Empty: flat/ of the frames.",
    BALL: "Frames of a mirror ball where the card lies give each light's direction.",
    PLANE: "The card itself, taken as a plane: no target is needed, and its slow bends are given up.",
    SAVED: "A calibration that was made before, refused where it does not fit the frames.",
}  # fmt: skip


def _shown_html(frames: tuple[object, ...]) -> str:
    if not frames:
        return empty_html("No frames are shown yet.", "Choose a capture, or paste the path of a folder with frames.")
    return frames_html(frames)  # type: ignore[arg-type]


def calibrated_html(found: Calibrated | None) -> str:
    """What a calibration came to: its kind, the error of each light, and what should be known."""
    if found is None:
        return ""
    errors = ", ".join(f"{each:.2f}" for each in found.errors)
    lines = [f"<b>{escape(found.kind)}</b>"]
    lines += [f"error of each light, {found.unit}: {errors}"] if errors else []
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    listed = f'<ul style="margin:4px 0;padding-left:18px">{notes}</ul>' if notes else ""
    return f"<div>{'; '.join(lines)}</div>{listed}"


def photometric_panel(
    workspace: Workspace | str | Path | None = None, *, inline: bool = False, behind: bool = False
) -> PhotometricPanel:
    """The photometric panel of a workspace."""
    return PhotometricPanel(PhotometricModel(workspace), inline=inline, behind=behind)
