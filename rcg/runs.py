"""Run folders: what a training was asked to do, what it did, and where it stands."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import tomli_w

from rcg.errors import RunError
from rcg.files import explain, read_json, read_jsonl, read_toml, write_json, write_text
from rcg.processes import same_process


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder: config.toml, environment.json, ticks.jsonl, event files, checkpoints/, metrics.json, report.md.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, `<date>_<name>`."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def ticks_path(self) -> Path:
        """The file with one JSON line a step and a validation."""
        return self.path / "ticks.jsonl"

    @property
    def workspace(self) -> Path:
        """The folder of the workspace that the run belongs to."""
        return self.path.parent.parent

    def config(self) -> dict[str, Any]:
        """The resolved configuration, as saved."""
        what, fix = "the run has no readable configuration", "start the training again; this run cannot be used"
        return read_toml(self.path / "config.toml", what=what, fix=fix, error=RunError)

    def ticks(self) -> list[dict[str, Any]]:
        """The records of ticks.jsonl, in order."""
        return list(read_jsonl(self.ticks_path))

    def metrics(self) -> dict[str, Any] | None:
        """What the last evaluation found, or None before the first."""
        return self._record("metrics.json", fix="evaluate the run again")

    def state(self) -> str:
        """Where it stands: "new", "running", "stopped" (resumable), "done" or "failed"."""
        record = self._state()
        if record["state"] == "running" and not same_process(record.get("pid", 0), record.get("started", 0.0)):
            return "stopped"  # killed: its process is gone without a word
        return str(record["state"])

    def error(self) -> str | None:
        """What a failed run said, or None."""
        text = self._state().get("error")
        return None if text is None else str(text)

    def _state(self) -> dict[str, Any]:
        fix = "remove that file, then go on with the run"
        return self._record("state.json", needs="state", fix=fix) or {"state": "new"}

    def _record(self, name: str, *, fix: str, needs: str = "") -> dict[str, Any] | None:
        file = self.path / name
        if not file.exists():
            return None
        record = read_json(file)
        if not isinstance(record, dict) or (needs and needs not in record):
            raise RunError("this file of the run is damaged", where=file, fix=fix)
        return record

    def mark(self, state: str, *, error: str | None = None) -> None:
        """Write down where the run stands; the process that calls is the one that works on it."""
        me = psutil.Process()
        record = {"state": state, "pid": me.pid, "started": me.create_time(), "time": time.time(), "error": error}
        write_json(self.path / "state.json", record)


def new_run(workspace: str | Path, name: str, config: Mapping[str, Any]) -> Run:
    """Make the folder `<date>_<name>` with the configuration; a number is added where the name is taken.

    Args:
        workspace: Folder of the workspace.
        name: A short name; other characters than letters, digits, dots and dashes become dashes.
        config: What is saved as config.toml; None values are left out.

    Raises:
        RcgError: If the folder cannot be made.
    """
    runs = Path(workspace) / "runs"
    stem = f"{time.strftime('%Y-%m-%d')}_{re.sub(r'[^A-Za-z0-9.-]+', '-', name).strip('-') or 'run'}"
    folder, number = runs / stem, 2
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=False)
            break
        except FileExistsError:
            folder, number = runs / f"{stem}-{number}", number + 1
        except OSError as error:
            raise explain(error, folder) from error
    kept = {key: value for key, value in config.items() if value is not None}
    write_text(folder / "config.toml", tomli_w.dumps(kept))
    return Run(folder)


def list_runs(workspace: str | Path) -> tuple[Run, ...]:
    """All runs of a workspace, newest first."""
    files = (Path(workspace) / "runs").glob("*/config.toml")
    return tuple(Run(file.parent) for file in sorted(files, key=lambda each: each.stat().st_mtime_ns, reverse=True))


def find_run(workspace: str | Path, name: str | Path) -> Run:
    """The run of this name (the date may be left out: the newest that fits), or at this path.

    Raises:
        RunError: If there is none; it lists the newest.
    """
    if (Path(name) / "config.toml").is_file():
        return Run(Path(name).absolute())
    known = list_runs(workspace)
    for run in known:
        if run.name == str(name) or run.name.partition("_")[2] == str(name):
            return run
    newest = ", ".join(run.name for run in known[:5])
    fix = f"choose one of {newest}" if newest else "train first: rcg train DATASET"
    raise RunError(f"there is no run {str(name)!r}", where=Path(workspace) / "runs", fix=fix)
