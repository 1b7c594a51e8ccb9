"""A list of folders to choose a path from: one click a folder, one to take it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as w

from widgets.chooser_model import ChooserModel
from widgets.kit import beside, html_of, message_html
from widgets.panel import Panel


class Chooser:
    """The view of a `ChooserModel`, hidden until `open` is called.

    Args:
        panel: The panel that does the reading beside the kernel's thread.
        take: Called with the path that was chosen.
    """

    def __init__(self, panel: Panel, take: Callable[[str], None]) -> None:
        self._panel, self._take, self._filling = panel, take, False
        self.model = ChooserModel()
        self.place = html_of(self.model, "folder", lambda path: f'<div class="rcg-where">{escape(path)}</div>')
        self.listing = w.Select(rows=9, layout=w.Layout(width="98%"), tooltip="A click opens a folder, or takes a file")
        found = html_of(self.model, "found", lambda text: f'<span class="rcg-muted">{escape(text)}</span>')
        self.use = w.Button(description="Use this folder", button_style="primary", layout=w.Layout(width="auto"))
        self.close = w.Button(description="Close the list", layout=w.Layout(width="auto"))
        problem = html_of(self.model, "message", message_html)
        self.box = w.VBox(
            [self.place, self.listing, problem, beside(self.use, self.close, found, align_items="center")]
        )
        self.box.layout.display = "none"
        self.box.layout.margin = "0 0 6px 122px"
        self.model.observe(self._fill, "entries")
        self.listing.observe(self._chosen, "value")
        self.use.on_click(lambda _: self._done(self.model.folder))
        self.close.on_click(lambda _: self._done(""))

    def open(self, path: str) -> None:
        """Show the list, at this path or the nearest folder above it."""
        self.box.layout.display = ""
        self._go(path)

    def _go(self, path: str) -> None:
        self._panel.read(lambda: self.model.go(path), busy="", key="chooser")

    def _fill(self, _: object) -> None:
        self._filling = True
        try:
            self.listing.options = [(each.text, each) for each in self.model.entries]
            self.listing.value = None
        finally:
            self._filling = False

    def _chosen(self, change: dict[str, Any]) -> None:
        entry = change["new"]
        if self._filling or entry is None:
            return
        if entry.folder:
            self._go(entry.path)
        else:
            self._done(entry.path)

    def _done(self, path: str) -> None:
        self.box.layout.display = "none"
        if path:
            self._take(path)
