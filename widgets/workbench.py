"""All panels as tabs over one workspace: what one makes, the next one takes up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ipywidgets as w

from rcg.workspace import Workspace
from widgets.code import NOTEBOOKS
from widgets.dataset import DatasetPanel, dataset_panel
from widgets.grading import GradingPanel, grading_panel
from widgets.home import HomePanel, home_panel
from widgets.panel import Panel
from widgets.photometric import PhotometricPanel, photometric_panel
from widgets.review import ReviewPanel, review_panel
from widgets.training import TrainingPanel, training_panel

_DATASETS, _TRAINING = 1, 3


def open_workspace(path: str | Path = "") -> Workspace:
    """The workspace of a notebook: this folder, else `$RCG_HOME`, else `data` beside the notebooks' folder."""
    return Workspace(path or os.environ.get("RCG_HOME") or NOTEBOOKS.parent / "data")


class Workbench:
    """Home, datasets, photometric stereo, training, review and grading side by side; shown as the last line of a cell.

    Args:
        workspace: The workspace, or its folder.
        inline: Do the work of a click where it is clicked; for tests and batches.

    Attributes:
        home: The home panel.
        dataset: The dataset panel; "Train on this" opens the training panel on the chosen dataset.
        photometric: The photometric panel.
        training: The training panel.
        review: The review panel.
        grading: The grading panel.
        box: The widget that is shown.
    """

    def __init__(self, workspace: Workspace | str | Path | None = None, *, inline: bool = False) -> None:
        place = workspace if isinstance(workspace, Workspace) else Workspace(workspace)
        self.home: HomePanel = home_panel(place, inline=inline)
        self.dataset: DatasetPanel = dataset_panel(place, inline=inline)
        self.photometric: PhotometricPanel = photometric_panel(place, inline=inline, behind=True)
        self.training: TrainingPanel = training_panel(place, inline=inline)
        self.review: ReviewPanel = review_panel(place, inline=inline, behind=True)
        self.grading: GradingPanel = grading_panel(place, inline=inline, behind=True)
        self.panels: tuple[Panel, ...] = (
            self.home, self.dataset, self.photometric, self.training, self.review, self.grading,
        )  # fmt: skip
        self.box = w.Tab([panel.box for panel in self.panels], titles=[panel.title for panel in self.panels])
        if not self.dataset.model.names:
            self.box.selected_index = _DATASETS  # with an empty workspace there is one thing to do
        self.dataset.model.chosen = self._train
        self.box.observe(self._turned, "selected_index")
        for at, each in enumerate(self.panels):
            each.active = at == self.box.selected_index

    def _train(self, name: str) -> None:
        self.training.model.refresh()
        self.training.model.dataset = name
        self.box.selected_index = _TRAINING

    def _turned(self, change: dict[str, Any]) -> None:
        """A panel that comes to the front reads what the others did; those behind rest."""
        for each in self.panels:
            each.active = each is self.panels[change["new"]]
        panel = self.panels[change["new"]]
        command = panel.model.look if isinstance(panel, ReviewPanel) else panel.model.refresh
        panel.read(command, busy="", key="turned")

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)  # type: ignore[no-untyped-call]
