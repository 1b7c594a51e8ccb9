"""The settings of a workspace: `rcg.toml`, with `RCG_*` environment variables over it. They stand nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rcg.errors import ConfigError
from rcg.files import exists, read_toml, write_text

DEFAULT_WORKSPACE = Path("data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user may set for a workspace.

    Attributes:
        fiftyone_address: The address that FiftyOne's App listens on.
        fiftyone_port: The first port that the App tries, 1 to 65535; it takes the next free one if it is in use.
        fiftyone_database_uri: A MongoDB server of one's own; empty lets FiftyOne start the one in the workspace.
        split_seed: The number that decides, with a card's id, which split the card is in.
        val_share: The share of cards for validation, 0 to 1.
        test_share: The share of cards for the test, 0 to 1.
    """

    fiftyone_address: str = "127.0.0.1"
    fiftyone_port: int = 5151
    fiftyone_database_uri: str = ""
    split_seed: int = 0
    val_share: float = 0.15
    test_share: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.fiftyone_port < 65536:
            raise ConfigError(f"fiftyone_port = {self.fiftyone_port} is not between 1 and 65535")
        if self.val_share < 0 or self.test_share < 0 or self.val_share + self.test_share >= 1:
            raise ConfigError(f"val_share {self.val_share} and test_share {self.test_share} leave nothing to train on")


def workspace_path(path: str | Path | None = None) -> Path:
    """Where the workspace is: `path`, else `$RCG_HOME`, else the folder `data` here."""
    return Path(path or os.environ.get("RCG_HOME") or DEFAULT_WORKSPACE).expanduser().absolute()


def check_place(workspace: Path) -> None:
    """Refuse a workspace that cannot be one: a file, or a folder that cannot be made.

    Raises:
        ConfigError: If it is refused.
    """
    fix = "name a folder that you may write to: --workspace DIR, or RCG_HOME"
    stands = next(each for each in (workspace, *workspace.parents) if exists(each))
    if not stands.is_dir():
        what = "the workspace is a file" if stands == workspace else f"the workspace cannot be made: {stands} is a file"
        raise ConfigError(what, where=workspace, fix=fix)
    if stands != workspace and not os.access(stands, os.W_OK | os.X_OK):
        raise ConfigError(f"the workspace cannot be made: {stands} cannot be written", where=workspace, fix=fix)


def make_place(workspace: Path) -> None:
    """Make the workspace's folder, unless it is there.

    Raises:
        ConfigError: If it cannot be made, or not be written.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        closed = "" if os.access(workspace, os.W_OK | os.X_OK) else "no permission"
    except OSError as error:
        closed = str(error.strerror)
    if closed:
        fix = "name a folder that you may write to: --workspace DIR, or RCG_HOME"
        raise ConfigError(f"the workspace cannot be written ({closed})", where=workspace, fix=fix)


def read_settings(workspace: str | Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a workspace.

    Args:
        workspace: Its folder; `rcg.toml` in it may be missing.
        environment: Variables such as `RCG_FIFTYONE_PORT`; those of the process by default.

    Raises:
        ConfigError: If a key is unknown (it names the nearest), or a value is of the wrong kind.
    """
    file = Path(workspace) / "rcg.toml"
    fix = "mend that line, or remove the file"
    values = read_toml(file, fix=fix, error=ConfigError) if exists(file) else {}
    kinds: dict[str, Any] = {each.name: type(each.default) for each in fields(Settings)}
    for name in kinds:
        if (text := (os.environ if environment is None else environment).get(f"RCG_{name.upper()}")) is not None:
            values[name] = text
    for name in values.keys() - kinds.keys():
        near = get_close_matches(name, kinds, n=1)
        fix = f"write {near[0]}" if near else f"remove it; known are {', '.join(kinds)}"
        raise ConfigError(f"unknown setting {name!r}", where=file, fix=fix)
    try:
        return Settings(**{name: kinds[name](value) for name, value in values.items()})
    except (TypeError, ValueError, ConfigError) as error:
        what = error.what if isinstance(error, ConfigError) else str(error)
        fix = "mend the line, or the RCG_* variable of that name; the README lists the settings"
        raise ConfigError(what, where=file, fix=fix) from error


_TEMPLATE = """\
# The settings of this workspace; a variable such as RCG_FIFTYONE_PORT goes over the line here.
"""


def write_default_settings(workspace: str | Path) -> None:
    """Write `rcg.toml` with every setting at its default, commented out, unless it is there."""
    file = Path(workspace) / "rcg.toml"
    if file.exists():
        return
    rows = []
    for each in fields(Settings):
        value = f'"{each.default}"' if isinstance(each.default, str) else each.default
        rows.append(f"# {each.name} = {value}\n")
    write_text(file, _TEMPLATE + "".join(rows))
