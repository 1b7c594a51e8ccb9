"""The dataset panel: one path in, a dataset out; and a look at every dataset there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.workspace import Workspace
from widgets.dataset_adding import adding_view
from widgets.dataset_images import images_view
from widgets.dataset_model import DatasetModel
from widgets.dataset_overview import about_html
from widgets.dataset_quarantine import quarantine_view
from widgets.kit import beside, card, choice, columns, html_of
from widgets.panel import Panel


class DatasetPanel(Panel):
    """The view of a `DatasetModel`."""

    title = "Datasets"
    subtitle = "Bring in images and labels; see what is there, what is missing, and what was left out"
    model: DatasetModel

    def build(self) -> Sequence[w.Widget]:
        """Make the part that adds, the job bar, and the part that shows."""
        self.job = self.bar(self.model.jobs)
        parts = [columns([adding_view(self, self.model), self.job.box], [self._looking()])]
        self.model.observe(self._chosen, "dataset")
        if self.model.dataset:
            self.read(self.model.look, busy="reading the dataset", key="look")
        return parts

    def _looking(self) -> w.Widget:
        m = self.model
        dataset = choice(m, "dataset", "names", empty="no datasets yet", width="340px")
        refresh = self.button("refresh", "Read again", self._read_again, busy="reading the dataset", place="look")
        train = self.button(
            "train", "Train on this", m.choose, busy="opening the training panel", place="look", style="success"
        )
        self.controls.update(dataset=dataset)
        tabs = self._tabs()

        def fill(_: object = None) -> None:
            ready = m.about is not None and m.about.readiness.verdict != "stop"
            train.layout.display = "" if m.chosen is not None and ready else "none"
            filled = m.about is not None and m.about.coverage.images > 0
            tabs.layout.display = "" if filled else "none"
            self.empty.layout.display = "none" if filled else ""

        m.observe(fill, ["about", "chosen"])
        fill()
        return card(beside(dataset, refresh, train), self.told("look"), self.empty, tabs, title="Look at a dataset")

    def _tabs(self) -> w.Tab:
        m = self.model
        overview = html_of(m, "about", about_html)
        self.empty = html_of(m, "about", about_html)  # in the place of the tabs, as long as there is nothing in them
        self.controls["about"] = overview
        parts: dict[str, tuple[str, w.Widget]] = {
            "overview": ("Overview", overview),
            "images": ("Images", images_view(self, m.images)),
            "left_out": ("Left out", quarantine_view(self, m.quarantine)),
        }
        names = tuple(parts)
        tabs = w.Tab([each for _, each in parts.values()], titles=[title for title, _ in parts.values()])
        tabs.add_class("rcg-tabs")

        def turned(change: dict[str, Any]) -> None:
            m.tab = names[change["new"]]
            self.read(m.open_tab, busy="", key="tab")

        tabs.observe(turned, "selected_index")
        self.controls["tabs"] = tabs
        return tabs

    def open(self, tab: str) -> None:
        """Show a part of the page: "overview", "images", "left_out" and so on."""
        tabs = self.controls["tabs"]
        tabs.selected_index = [title.lower().replace(" ", "_") for title in tabs.titles].index(tab)

    def _read_again(self) -> None:
        self.model.refresh()
        self.model.look()

    def _chosen(self, _: dict[str, Any]) -> None:
        self.read(self.model.look, busy="reading the dataset", key="look")


def dataset_panel(workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> DatasetPanel:
    """The dataset panel of a workspace."""
    return DatasetPanel(DatasetModel(workspace), inline=inline)
