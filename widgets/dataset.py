"""The dataset panel: one path in, a dataset out; and a look at every dataset there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.workspace import Workspace
from widgets.base import Worker
from widgets.chooser import Chooser
from widgets.dataset_adding import adding_view
from widgets.dataset_classes import classes_view
from widgets.dataset_export import export_view
from widgets.dataset_images import images_view
from widgets.dataset_model import DatasetModel
from widgets.dataset_overview import about_html, figures_html, ready_html
from widgets.dataset_quality import quality_view
from widgets.dataset_quarantine import quarantine_view
from widgets.dataset_versions import versions_view
from widgets.kit import beside, busy_html, card, choice, html_of, message_html
from widgets.panel import Panel


class DatasetPanel(Panel):
    """The view of a `DatasetModel`: what is added and what is there, in tabs."""

    title = "Datasets"
    subtitle = "Bring in images and labels; see what is there, what is missing, and what was left out"
    model: DatasetModel

    def build(self) -> Sequence[w.Widget]:
        """Make the choice of a dataset and the tabs."""
        m = self.model
        self.checking = Worker(inline=self.inline)  # one of its own: pages turn while a large dataset is checked
        m.later = lambda work: self.checking.submit(lambda: m.attempt(work), key="check")
        self.job = self.bar(m.jobs)
        dataset = choice(m, "dataset", "names", empty="no datasets yet", width="340px")
        refresh = self.button("refresh", "Read again", self._read_again, busy="reading the dataset", place="look")
        train = self.button(
            "train", "Train on this", m.choose, busy="opening the training panel", place="look", style="success"
        )
        self.controls.update(dataset=dataset)
        self._make_tabs()

        def fill(_: object = None) -> None:
            found = None if m.about is None else m.about.readiness
            ready = found is not None and found.verdict != "stop"
            train.layout.display = "" if m.chosen is not None and ready else "none"

        m.observe(fill, ["about", "chosen"])
        fill()
        m.observe(self._chosen, "dataset")
        if m.dataset:
            self.read(m.look, busy="reading the dataset", key="look")
        status = self.status("look")  # beside the buttons it moves nothing when it comes and goes
        message = html_of(m, "message", message_html)
        self.controls["message"] = message
        return [card(beside(dataset, refresh, train, status, align_items="center"), message, self.tabs)]

    @property
    def shown_message(self) -> str:
        """What the panel tells its user at this moment, as HTML: in one place above the tabs."""
        return str(self.controls["message"].value)

    def _card(self, tab: str) -> w.Widget:
        """The job's card in a tab, shown where it belongs."""
        holder = w.VBox([self.job.box], layout=w.Layout(overflow="visible"))

        def show(_: object = None) -> None:
            holder.layout.display = "" if self.model.shows_job(tab) else "none"

        self.model.jobs.observe(show, ["shown", "job"])
        self.model.observe(show, ["dataset", "names", "path"])
        self.controls[f"job_{tab}"] = holder
        show()
        return holder

    def _make_tabs(self) -> None:
        m = self.model
        self.chooser = Chooser(self, lambda path: setattr(m, "path", path))
        overview = html_of(m, "about", about_html)
        ready, figures = html_of(m, "about", ready_html), html_of(m, "figures", figures_html)
        checking = html_of(m, "checking", busy_html)
        self.controls.update(about=overview, figures=figures, ready=ready)
        parts: dict[str, tuple[str, w.Widget]] = {
            "add": ("Add", adding_view(self, m, self._card("add"), self.chooser)),
            "overview": ("Overview", w.VBox([overview, checking, ready, figures])),
            "images": ("Images", images_view(self, m.images)),
            "classes": ("Classes", classes_view(self, m.classes_now, self._card("classes"))),
            "quality": ("Quality", quality_view(self, m.quality, self._card("quality"))),
            "left_out": ("Left out", quarantine_view(self, m.quarantine)),
            "versions": ("Versions", versions_view(self, m.versions, self._card("versions"))),
            "export": ("Export", export_view(self, m.export, self._card("export"))),
        }
        self._names = tuple(parts)
        self.tabs = w.Tab([each for _, each in parts.values()], titles=[title for title, _ in parts.values()])
        self.tabs.add_class("rcg-tabs")
        self.tabs.observe(self._turned, "selected_index")
        m.observe(lambda change: self.open(change["new"]), "tab")
        m.tab = "overview" if m.dataset else "add"
        self.open(m.tab)

    def open(self, tab: str) -> None:
        """Show a part of the page by its name: "add", "overview", "images", "left_out" and so on."""
        self.tabs.selected_index = self._names.index(tab)

    def _turned(self, change: dict[str, Any]) -> None:
        self.model.tab = self._names[change["new"]]
        self.tell_at("look")
        self.model.message = None  # what was told in the tab that is left
        self.read(self.model.open_tab, busy="reading", key="tab")

    def retire(self) -> None:
        """Stop looking at the disk, and say where to go on."""
        self.checking.close()
        super().retire()

    def _read_again(self) -> None:
        self.model.refresh()
        self.model.look()

    def _chosen(self, _: dict[str, Any]) -> None:
        self.read(self.model.look, busy="reading the dataset", key="look")


def dataset_panel(workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> DatasetPanel:
    """The dataset panel of a workspace."""
    return DatasetPanel(DatasetModel(workspace), inline=inline)
