"""Photos of cards to try things with, where there are none of one's own yet; for the notebooks."""

from __future__ import annotations

import sys
from pathlib import Path

from rcg.datasets import Dataset
from rcg.progress import lines
from rcg.workspace import Workspace

_FULL = {"train": 240, "val": 60, "test": 60}
_SMOKE = {"train": 12, "val": 4, "test": 4}


def made_photos(workspace: Workspace, profile: str = "full") -> Path:
    """Render photos of cards with their labels, as a YOLO set below the workspace's exports.

    Args:
        workspace: Where to; photos that stand there already are kept.
        profile: "full" for 360 photos, "smoke" for 20.
    """
    from rcg.synthetic import render_dataset

    counts = _SMOKE if profile == "smoke" else _FULL
    folder = workspace.path / "exports" / f"made_cards_{sum(counts.values())}"
    render_dataset(folder, counts=counts, report=lines(stream=sys.stdout))
    return folder


def chosen_dataset(workspace: Workspace, name: str, profile: str = "full") -> Dataset:
    """The dataset of this name; without a name the first, or one of rendered photos where there is none.

    Raises:
        DataError: If there is none of this name; it lists those that are there.
    """
    if name:
        return workspace.dataset(name)
    if not workspace.datasets():
        workspace.create("made-cards", type="surface_damage").add(
            made_photos(workspace, profile), report=lines(stream=sys.stdout)
        )
    return workspace.datasets()[0]
