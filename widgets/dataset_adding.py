"""The view of adding: a path, what was recognised, what becomes of the classes, and the button."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets as w

from rcg.annotations import FORMATS
from rcg.dataset_types import DATASET_TYPES
from rcg.datasets import GROUND_TRUTH, PREDICTIONS
from rcg.progress import counted
from widgets.base import Message
from widgets.chooser import Chooser
from widgets.class_table import ClassTable
from widgets.dataset_model import DatasetModel, Seen
from widgets.jobbar import CopyCode
from widgets.kit import beside, control, halves, html_of, message_html
from widgets.panel import Panel
from widgets.speaking import APART

_FIELDS = (
    "name", "names", "stage", "path", "labels", "kind", "link", "remove_gps", "predictions", "format", "classes",
)  # fmt: skip
_READ = ("path", "labels", "stage", "format", "classes")
_STAGES = [("made by hand (ground truth)", GROUND_TRUTH), ("predictions", PREDICTIONS)]


def adding_view(panel: Panel, model: DatasetModel, bar: w.Widget, chooser: Chooser) -> w.Widget:
    """The form that adds images and labels.

    Args:
        panel: The panel.
        model: What is added.
        bar: The job bar, shown below the button that starts the job.
        chooser: The list of folders.
    """
    fields = _fields(panel, model)
    seen, classes = w.HTML(), ClassTable(model.mapping)
    purpose = html_of(model, "kind", lambda each: f'<div class="rcg-help">{escape(DATASET_TYPES[each].purpose)}</div>')
    browse = w.Button(
        description="Browse …", tooltip="Choose from the folders of the machine that runs this notebook",
        layout=w.Layout(width="auto", margin="2px 0 4px 122px", align_self="flex-start"),
    )  # fmt: skip
    browse.on_click(lambda _: chooser.open(model.path))
    add = panel.button(
        "add", "Create and add", model.add, busy="starting", place="add", style="primary", job=model.jobs,
        tip="Copy the images in, read the labels",
    )  # fmt: skip
    code = CopyCode(model.code, changes=(model, _FIELDS))
    apart = w.VBox([fields[name] for name in ("labels", "format", "classes")])
    more = w.Accordion([apart], titles=[APART])
    wrong, doubt = html_of(model, "name_wrong", _beside_html), html_of(model, "name_doubt", _doubt_html)
    mapping = w.Accordion([classes.box], titles=["Classes"])

    def shape(_: object = None) -> None:
        add.description = f"Add to {model.name}" if model.exists else "Create and add"
        fields["kind"].disabled = model.exists
        fields["predictions"].layout.display = "" if model.stage == PREDICTIONS else "none"

    def show_seen(_: object = None) -> None:
        seen.value = seen_html(model.seen, model.unseen, model.path)
        if model.wanted:
            more.selected_index = 0

    def show_classes(_: object = None) -> None:
        changed = len(model.mapping.texts())
        mapping.layout.display = "" if model.mapping.rows else "none"
        mapping.titles = [f"Classes: {changed} changed" if changed else "Classes: rename, merge, drop"]
        code.show()

    def typed(_: dict[str, Any]) -> None:
        seen.value = '<div class="rcg-help">looking …</div>'
        panel.read(model.recognise, busy="", key="recognise", after_s=0.25)

    model.observe(shape, list(_FIELDS))
    model.observe(show_seen, ["seen", "unseen", "path"])
    model.mapping.observe(show_classes, "rows")
    model.observe(typed, list(_READ))
    panel.controls.update(
        seen=seen,
        code=code.button,
        code_text=code.text,
        browse=browse,
        mapping=mapping,
        more=more,
        name_wrong=wrong,
        name_doubt=doubt,
    )
    shape()
    show_classes()
    show_seen()
    left = [fields["path"], browse, chooser.box, seen, mapping]
    names = ("stage", "predictions", "link", "remove_gps")
    right = [fields["name"], wrong, fields["kind"], purpose, *(fields[name] for name in names), more]
    buttons = beside(add, code.button, doubt, margin="8px 0 0 122px", align_items="center")
    return w.VBox([halves(left, right), buttons, panel.status("add"), code.text, bar])


def _beside_html(text: str) -> str:
    return f'<div class="rcg-beside">{escape(text)}</div>' if text else ""


def _doubt_html(text: str) -> str:
    return f'<span class="rcg-warn">{escape(text)}</span>' if text else ""


def _fields(panel: Panel, model: DatasetModel) -> dict[str, w.Widget]:
    kinds = [("whatever is found", "auto"), *((each.title, name) for name, each in FORMATS.items())]
    types = [(each.title, each.name) for each in DATASET_TYPES.values()]
    made = {name: control(model, name, w.Text) for name in ("path", "labels", "name", "classes", "predictions")}
    made["kind"] = control(model, "kind", w.Dropdown, options=types)
    made["stage"] = control(model, "stage", w.Dropdown, options=_STAGES)
    made["format"] = control(model, "format", w.Dropdown, options=kinds)
    made |= {name: control(model, name, w.Checkbox, indent=True) for name in ("link", "remove_gps")}
    panel.controls.update(made)
    return made


def seen_html(seen: Seen | None, unseen: Message | None, path: str) -> str:
    """What was recognised, or what is wrong with the path."""
    if unseen is not None:
        return f'<div style="margin-left:124px">{message_html(unseen)}</div>'
    if seen is None:
        hint = "Type or paste a path, or browse: what stands there is said here, before anything is copied."
        return f'<div class="rcg-help">{"looking …" if path.strip() else hint}</div>'
    words = {"images": "Images without labels", "archive": "An archive"}
    words |= {name: each.title for name, each in FORMATS.items()}
    head = f"<b class='rcg-good'>{words.get(seen.format, seen.format)}</b> · {counted(seen.images, 'image')}"
    classes = ""
    if seen.classes:
        names = ", ".join(seen.classes[:8]) + (" …" if len(seen.classes) > 8 else "")
        classes = f" · {counted(len(seen.classes), 'class', 'classes')}: {names}"
    return f'<div class="rcg-help">{head}{escape(classes)}<br>{escape(seen.reason)}</div>'
