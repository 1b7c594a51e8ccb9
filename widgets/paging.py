"""The view of a list that is shown page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as w

from widgets.kit import beside
from widgets.panel import Panel
from widgets.sections import Pages


def paged(panel: Panel, pages: Pages[Any], render: Callable[[tuple[Any, ...]], str], *, name: str) -> w.VBox:
    """A page as HTML with its buttons; they are hidden where one page holds all.

    Args:
        panel: The panel that does the reading beside the kernel's thread.
        pages: The list.
        render: Makes the HTML of a page.
        name: Begins the names of the controls: NAME_before, NAME_next, NAME_page.
    """
    shown = w.HTML()
    panel.controls[name] = shown

    def show() -> None:
        shown.value = render(pages.shown)

    return paged_in(panel, pages, shown, show, name=name)


def paged_in(panel: Panel, pages: Pages[Any], shown: w.Widget, show_page: Callable[[], None], *, name: str) -> w.VBox:
    """A page in a widget of its own, which `show_page` fills, with the same buttons."""
    words = w.HTML()
    before, after = _button("← Previous"), _button("Next →")
    number = w.BoundedIntText(
        min=1, max=1, value=1, description="Page", tooltip="Type a page's number",
        style={"description_width": "36px"}, layout=w.Layout(width="120px"),
    )  # fmt: skip
    bar = beside(before, after, number, words, align_items="center")
    filling = False

    def show(_: object = None) -> None:
        nonlocal filling
        filling = True
        try:
            show_page()
            words.value = f'<span class="rcg-muted">{pages.words}</span>'
            number.max, number.value = max(1, pages.count), pages.page + 1
            before.disabled, after.disabled = pages.page == 0, pages.page >= pages.count - 1
            bar.layout.display = "" if pages.count > 1 else "none"
        finally:
            filling = False

    def go(page: Callable[[], int]) -> None:
        words.value = '<span class="rcg-muted">reading …</span>'  # the answer, before pictures are opened
        panel.read(lambda: pages.turn_to(page()), busy="", key=name)

    before.on_click(lambda _: go(lambda: pages.page - 1))
    after.on_click(lambda _: go(lambda: pages.page + 1))
    number.observe(lambda change: None if filling else go(lambda: change["new"] - 1), "value")
    pages.observe(show, "turned")
    panel.controls.update({f"{name}_before": before, f"{name}_next": after, f"{name}_page": number})
    show()
    return w.VBox([bar, shown])


def _button(text: str) -> w.Button:
    return w.Button(description=text, layout=w.Layout(width="auto"))
