"""The view of a dataset's images."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from widgets.images_model import ALL, CORRECTED, EMPTY, UNLABELLED, ImagesModel
from widgets.kit import beside, control, empty_html, html_of
from widgets.paging import paged_in
from widgets.panel import Panel
from widgets.photo import colours_of, keys_html

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
    grid = Grid(panel, model)
    shown = paged_in(panel, model.pages, grid.box, grid.show, name="images")
    panel.controls["images"] = grid.box
    looking, keys = _looking(panel, model, grid), w.HTML()
    note = w.HTML()

    def say(_: object = None) -> None:
        words = "This dataset is large: outlines are drawn as the boxes around them." if model.plain else ""
        note.value = f'<div class="rcg-muted">{words}</div>' if words else ""
        keys.value = keys_html(model.labels, colours_of(model.labels))

    model.pages.observe(say, "turned")
    return w.VBox([beside(split, label, text), note, keys, looking, shown])


class Grid:
    """The images of a page; a click on one shows it large.

    Args:
        panel: The panel that does the reading beside the kernel's thread.
        model: The images.
    """

    def __init__(self, panel: Panel, model: ImagesModel) -> None:
        self._panel, self._model = panel, model
        self._cells = [self._cell(at) for at in range(model.pages.size)]
        self._none = w.HTML(empty_html("No image fits.", "Choose another split or class, or empty the name."))
        self.figures: tuple[str, ...] = ()
        self.box = w.HBox(layout=w.Layout(flex_flow="row wrap", grid_gap="10px", overflow="visible"))
        self.box.add_class("rcg-pictures")

    def _cell(self, at: int) -> w.VBox:
        # A widget cannot tell a click on an image: a button without a look of its own lies over it.
        over = w.Button(tooltip="Look at it large")
        over.add_class("rcg-over")
        pages = self._model.pages
        over.on_click(lambda _: self._look(pages.page * pages.size + at))
        cell = w.VBox([w.HTML(), over])
        cell.add_class("rcg-cell")
        return cell

    def _look(self, at: int) -> None:
        self._panel.read(lambda: self._model.look(at), busy="opening the image", key="look at an image")

    def find(self, at: int) -> None:
        """Bring an image into sight, on its page."""
        pages = self._model.pages
        page, place = divmod(at, pages.size)

        def turn() -> None:
            if page != pages.page:
                pages.turn_to(page)
            self._cells[place].children[1].focus()

        self._panel.read(turn, busy="", key="images")

    def show(self) -> None:
        """Show the figures of the page."""
        self.figures = self._model.pages.shown
        for cell, figure in zip(self._cells, self.figures, strict=False):
            cell.children[0].value = figure
        self.box.children = self._cells[: len(self.figures)] or [self._none]


def _looking(panel: Panel, model: ImagesModel, grid: Grid) -> w.Widget:
    """One image large, with the way to the next one and back."""
    opened = False
    large, words = html_of(model, "large", str), w.HTML()
    before, after, close = (
        w.Button(description=text, layout=w.Layout(width="auto"))
        for text in ("← Image before", "Image after →", "Close")
    )
    box = w.VBox([beside(before, after, close, words, align_items="center"), large])

    def step(by: int) -> None:
        words.value = '<span class="rcg-muted">reading …</span>'  # the answer, before the image is opened
        panel.read(lambda: model.look(model.looked + by), busy="", key="look at an image")

    def show(_: object = None) -> None:
        nonlocal opened
        before_it, opened = opened, model.looked >= 0
        box.layout.display = "" if opened else "none"
        words.value = f'<span class="rcg-muted">{model.words}</span>'
        before.disabled, after.disabled = model.looked <= 0, model.last
        if opened and not before_it:
            close.focus()  # brings the large photo into sight, wherever in the page the click was

    def leave(_: object) -> None:
        at = model.looked
        model.close()
        grid.find(at)

    before.on_click(lambda _: step(-1))
    after.on_click(lambda _: step(1))
    close.on_click(leave)
    model.observe(show, ["looked", "large"])
    panel.controls.update(look_before=before, look_next=after, look_close=close, look_large=large, look_box=box)
    show()
    return box
