"""The view of a dataset's images."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from widgets.images_model import ALL, CORRECTED, EMPTY, UNLABELLED, ImagesModel
from widgets.kit import beside, control, empty_html
from widgets.paging import paged
from widgets.panel import Panel
from widgets.pictures import gallery_html

_SPLITS = [("any split", ""), ("train", "train"), ("val", "val"), ("test", "test")]
_ALWAYS = [
    ("anything", ALL), ("no labels yet", UNLABELLED), ("nothing in it (background)", EMPTY), ("corrections", CORRECTED),
]  # fmt: skip


def images_view(panel: Panel, model: ImagesModel) -> w.Widget:
    """The gallery with its filters."""
    split = control(model, "split", w.Dropdown, options=_SPLITS, width="190px")
    label = control(model, "label", w.Dropdown, options=_ALWAYS, width="300px")
    text = control(model, "text", w.Text, width="300px")
    for each in (split, label, text):
        each.style.description_width = "46px"
    panel.controls.update(images_split=split, images_label=label, images_text=text)

    def fill(_: object = None) -> None:
        value = model.label
        label.options = [*_ALWAYS, *((name, name) for name in model.labels)]
        label.value = value if value in dict(label.options).values() else ALL

    def choose(_: dict[str, Any]) -> None:
        panel.read(model.choose, busy="", key="images", after_s=0.2)

    model.observe(fill, "labels")
    model.observe(choose, ["split", "label", "text"])
    fill()
    shown = paged(panel, model.pages, _gallery, name="images")
    note = w.HTML()

    def say(_: object = None) -> None:
        words = "This dataset is large: outlines are drawn as the boxes around them." if model.plain else ""
        note.value = f'<div class="rcg-muted">{words}</div>' if words else ""

    model.pages.observe(say, "turned")
    return w.VBox([beside(split, label, text), note, shown])


def _gallery(figures: tuple[str, ...]) -> str:
    return gallery_html(figures) or empty_html("No image fits.", "Choose another split or class, or empty the name.")
