"""The one place where FiftyOne is set up: its variables, its folders below the workspace, the plugin, the database."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import xxhash

from rcg.errors import RunError
from rcg.files import write_text
from rcg.progress import Report, Tick, silent
from rcg.review.database import OWN_URI, answers, require_database, start_database, user_uri
from rcg.settings import Settings, read_settings

_PLUGIN = {
    "fiftyone.yml": (
        "name: rcg/review\n"
        "description: Sends edits made in the App to RCG's corrections, and accepts predictions as labels\n"
        "version: 0.1.0\n"
        "operators:\n  - send_to_corrections\n  - accept_predictions\n"
    ),
    "__init__.py": '"""RCG\'s operators; they live in rcg.review.operators."""\n\n'
    "from rcg.review.operators import register  # noqa: F401\n",
}
_guard = threading.Lock()


def variables(folder: str | Path, settings: Settings | None = None) -> dict[str, str]:
    """The FIFTYONE_* variables of a workspace, but for the database's address.

    Args:
        folder: The workspace's FiftyOne folder.
        settings: The workspace's settings.

    Example:
        >>> variables("/data/fiftyone")["FIFTYONE_DO_NOT_TRACK"]
        'true'
    """
    place, settings = Path(folder).absolute(), settings or Settings()
    return {
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_DATABASE_DIR": str(place / "mongo"),
        "FIFTYONE_DATABASE_NAME": "fiftyone",
        "FIFTYONE_DATABASE_VALIDATION": "false",  # mongod 6.0 runs, but its support has ended
        "FIFTYONE_DEFAULT_DATASET_DIR": str(place / "datasets"),
        "FIFTYONE_DATASET_ZOO_DIR": str(place / "datasets"),
        "FIFTYONE_MODEL_ZOO_DIR": str(place / "models"),
        "FIFTYONE_PLUGINS_DIR": str(place / "plugins"),
        "FIFTYONE_DEFAULT_APP_ADDRESS": settings.fiftyone_address,
        "FIFTYONE_DEFAULT_APP_PORT": str(settings.fiftyone_port),
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        "FIFTYONE_LOGGING_LEVEL": os.environ.get("FIFTYONE_LOGGING_LEVEL", "WARNING"),
    }


def configure(workspace: Any, *, report: Report = silent) -> Any:
    """Set FiftyOne up for a workspace, start or join its database, and import it.

    Args:
        workspace: A `Workspace`, or its folder.
        report: Told what takes time: the database a second, the import 3 to 10.

    Returns:
        The module `fiftyone`, connected to the workspace's database.

    Raises:
        MissingExtra: If FiftyOne or its database is missing.
        RunError: If the database does not start, or this process has FiftyOne open on another workspace.
    """
    prepare(workspace, report=report)
    with _guard:
        if "fiftyone" not in sys.modules:
            report(Tick(task="opening FiftyOne", done=0, note="loading FiftyOne, 3 to 10 seconds"))
        import fiftyone

        return fiftyone


def prepare(workspace: Any, *, report: Report = silent) -> None:
    """Do all that `configure` does but the import, so that the App can start while FiftyOne is loaded here.

    Arguments and errors as in `configure`.
    """
    root = Path(getattr(workspace, "path", workspace)).absolute()
    settings, folder = read_settings(root), root / "fiftyone"
    with _guard:
        values = {**variables(folder, settings), **_database(root, settings, report)}
        _into_config(values)
        os.environ.update(values)
        write_plugin(folder)


def write_plugin(folder: str | Path) -> Path:
    """Write the plugin that brings RCG's operators into the App, unless it stands there as it should."""
    place = Path(folder) / "plugins" / "rcg-review"
    for name, text in _PLUGIN.items():
        if not (place / name).exists() or (place / name).read_text() != text:
            write_text(place / name, text)
    return place


def _database(root: Path, settings: Settings, report: Report) -> dict[str, str]:
    """The variables that name the database; the workspace's own is started."""
    if uri := settings.fiftyone_database_uri or user_uri():
        require_database(uri)
        report(Tick(task="opening FiftyOne", done=0, note="asking the database"))
        if not answers(uri, timeout_s=3):
            fix = "start that server, or remove fiftyone_database_uri from rcg.toml (and FIFTYONE_DATABASE_URI)"
            raise RunError("the database does not answer", where=uri, fix=fix)
        # Workspaces that share a server must not meet in one database.
        return {
            "FIFTYONE_DATABASE_URI": uri,
            "FIFTYONE_DATABASE_NAME": f"rcg_{xxhash.xxh3_64_hexdigest(str(root).encode())}",
        }
    _, uri = start_database(root / "fiftyone", report=report)
    return {"FIFTYONE_DATABASE_URI": uri, OWN_URI: uri}


def _into_config(values: dict[str, str]) -> None:
    """Give the settings to a FiftyOne that was imported before, as long as it has not opened a database yet.

    FiftyOne reads its variables once, when it is imported.
    """
    config = getattr(sys.modules.get("fiftyone"), "config", None)
    if config is None:
        return
    wanted = (values["FIFTYONE_DATABASE_URI"], values["FIFTYONE_DATABASE_NAME"])
    if (config.database_uri, config.database_name) == wanted:
        return
    if getattr(sys.modules["fiftyone.core.odm.database"], "_client", None) is not None:
        what = "this process has FiftyOne open on another database already"
        fix = "restart the kernel, or start a new process"
        raise RunError(what, where=config.database_uri or config.database_dir, fix=fix)
    for name, value in values.items():
        key = name.removeprefix("FIFTYONE_").lower()
        if hasattr(config, key):
            old = getattr(config, key)
            typed = value == "true" if isinstance(old, bool) else int(value) if isinstance(old, int) else value
            setattr(config, key, typed)
