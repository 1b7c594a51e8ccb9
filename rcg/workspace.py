"""The workspace: a folder with datasets, runs, jobs and a journal. Its files are the truth; all else is rebuilt."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from rcg import journal, runs
from rcg.annotations.split import card_pattern_of
from rcg.dataset_types import dataset_type
from rcg.datasets import Dataset
from rcg.errors import ConfigError, DataError
from rcg.files import exists, write_text
from rcg.folders import make_folder
from rcg.runs import Run
from rcg.settings import Settings, check_place, make_place, read_settings, workspace_path, write_default_settings
from rcg.types import LabelSet


class Workspace:
    """A workspace on disk.

    Args:
        path: Its folder; `$RCG_HOME`, else `data` in the current folder. It is made when something is written.

    Raises:
        ConfigError: If it is a file or cannot be made, or its settings are wrong.

    Example:
        >>> import tempfile
        >>> ws = Workspace(tempfile.mkdtemp())
        >>> ws.create("vintage", type="edge_detection").type.title
        'Edges: dual border'
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = workspace_path(path)
        check_place(self.path)
        self.settings: Settings = read_settings(self.path)

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    def create(
        self,
        name: str,
        *,
        type: str,
        classes: Sequence[str] | None = None,
        card_pattern: str | None = None,
    ) -> Dataset:
        """Make an empty dataset.

        Args:
            name: Letters, digits, dots, dashes and underscores; it becomes a folder.
            type: One of the dataset types, such as "edge_detection" or "custom".
            classes: Its first classes; others follow as labels bring them, held against the schema of the type.
            card_pattern: A regular expression whose first group, searched in the file name, is the card's id; the
                default strips words such as front, back and view.

        Raises:
            ConfigError: If the name or the type cannot be used.
            DataError: If there is a dataset of this name, or a class stands there twice.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            fix = "use letters, digits, dots, dashes and underscores, such as vintage-2026"
            raise ConfigError(f"{name!r} cannot be the name of a dataset", fix=fix)
        kind = dataset_type(type)
        LabelSet(tuple(classes or ()))  # refuses a name that stands there twice
        if card_pattern is not None:
            card_pattern_of(card_pattern)
        folder = self.path / "datasets" / name
        if exists(folder / "dataset.toml"):
            fix = f"choose another name, or add to it: rcg dataset add {name} --images FOLDER"
            raise DataError(f"there is a dataset {name!r} already", where=folder, fix=fix)
        make_place(self.path)
        write_default_settings(self.path)
        description = {
            "type": kind.name,
            "classes": list(classes or ()),
            "created": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "sources": [],
            **({} if card_pattern is None else {"card_pattern": card_pattern}),
        }
        make_folder(folder / "images")
        write_text(folder / "dataset.toml", tomli_w.dumps(description))
        journal.note(self.path, "dataset created", dataset=name, type=kind.name)
        return Dataset(folder)

    def dataset(self, name: str) -> Dataset:
        """The dataset of this name.

        Raises:
            DataError: If there is none; it lists those that are there.
        """
        for each in self.datasets():
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.datasets())
        fix = f"choose one of {known}" if known else f"make it: rcg dataset create {name or 'NAME'} --type custom"
        raise DataError(f"there is no dataset {name!r}", where=self.path / "datasets", fix=fix)

    def datasets(self) -> tuple[Dataset, ...]:
        """All datasets, by name."""
        return tuple(Dataset(file.parent) for file in sorted((self.path / "datasets").glob("*/dataset.toml")))

    def run(self, name: str | Path) -> Run:
        """The run of this name or path; see `rcg.runs.find_run`."""
        return runs.find_run(self.path, name)

    def runs(self) -> tuple[Run, ...]:
        """All runs, newest first."""
        return runs.list_runs(self.path)

    def journal(self) -> tuple[journal.Entry, ...]:
        """Everything that changed the workspace, oldest first."""
        return journal.read_journal(self.path)
