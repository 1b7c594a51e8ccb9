"""Long work as a process of its own: it outlives the notebook, can be watched, stopped and taken up again.

A job is a folder `<workspace>/jobs/<id>/`. Whoever looks at it reads the files; nobody holds a connection:

    job.json         what runs: arguments, pid, the process's start time, host
    progress.jsonl   ticks; its modification time is the heartbeat, renewed every second
    log.txt          everything the process wrote
    notes.json       facts for the reader while it runs, such as the name of the run
    cancel           present once somebody asked it to stop
    state.json       how it ended, written last

This is the side of those who start and watch; `rcg.job_process` is that of the process itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import psutil

from rcg import errors, files
from rcg.errors import RcgError, RunError
from rcg.job_files import VARIABLE, read_record, read_tail, write_end
from rcg.processes import same_process
from rcg.progress import Tick, read_ticks

ENDED = ("done", "failed", "cancelled", "lost")
_START_S = 30.0  # a job.json without a pid is a start under way for so long, and a start that died after
_SILENT_S = 60.0  # a job on another machine is taken for lost after so long without a heartbeat
_NICE = 5
_RESERVE = b"\0" * (1 << 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A process that works on its own, as its folder tells it.

    Attributes:
        folder: Where its files are.
        title: What it does, for the reader.
        arguments: The arguments of `rcg` that it runs, without the workspace.
        workspace: The workspace it works in.
        created: When it was asked for, seconds since 1970.
        module: The module that is run; `rcg` but in tests.
        cwd: The folder that relative paths in the arguments are meant from.
    """

    folder: Path
    title: str
    arguments: tuple[str, ...]
    workspace: Path
    created: float
    module: str = "rcg"
    cwd: str = "."

    @classmethod
    def open(cls, folder: str | Path) -> Job:
        """The job of a folder.

        Raises:
            RunError: If there is no job in it.
        """
        record = read_record(Path(folder) / "job.json")
        if record is None or not {"title", "arguments", "workspace", "created", "module", "cwd"} <= record.keys():
            raise RunError("there is no job", where=folder, fix="name a folder below the workspace's jobs/")
        return cls(
            folder=Path(folder).absolute(),
            title=record["title"],
            arguments=tuple(record["arguments"]),
            workspace=Path(record["workspace"]),
            created=record["created"],
            module=record["module"],
            cwd=record["cwd"],
        )

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def command(self) -> str:
        """The command line that does the same, to paste into a terminal."""
        return shlex.join(["rcg", *self.arguments, "--workspace", str(self.workspace)])

    @property
    def state(self) -> str:
        """One of running, done, failed, cancelled, lost (its process vanished without a last word)."""
        ended = self._end()
        if ended is None and not self._alive():
            ended = self._end() or {"state": "lost"}  # it may have ended between the two looks
        return "running" if ended is None else str(ended["state"])

    def _end(self) -> dict[str, Any] | None:
        end = read_record(self.folder / "state.json")
        return end if end is not None and end.get("state") in ENDED and "ended" in end else None  # else it is damaged

    def _alive(self) -> bool:
        record = read_record(self.folder / "job.json") or {}
        if record.get("host") != socket.gethostname():
            return self.heartbeat_age_s < _SILENT_S
        if record.get("pid") is None:
            return time.time() - self.created < _START_S
        return same_process(record["pid"], record["started"])

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and still runs."""
        return (self.folder / "cancel").exists() and self.state == "running"

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the process last said that it lives."""
        try:
            beat = (self.folder / "progress.jsonl").stat().st_mtime
        except OSError:
            beat = self.created
        return max(0.0, time.time() - beat)

    @property
    def ended(self) -> float | None:
        """When it ended, seconds since 1970; for a lost one, its last heartbeat; None while it runs."""
        end = self._end()
        if end is not None:
            return float(end["ended"])
        return time.time() - self.heartbeat_age_s if self.state == "lost" else None

    def tick(self) -> Tick | None:
        """The newest tick, or None before the first."""
        recent = self.recent()
        return recent[-1][1] if recent else None

    def recent(self) -> list[tuple[float, Tick]]:
        """The ticks of the last minute or so, each with its time: enough for a rate, cheap however long it runs."""
        found = []
        for line in read_tail(self.folder / "progress.jsonl").split(b"\n"):
            with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):  # the first line may be cut
                record = orjson.loads(line)
                found.append((float(record.pop("time")), Tick(**record)))
        return found

    def ticks(self) -> list[tuple[float, Tick]]:
        """All ticks, each with its time in seconds since 1970."""
        return read_ticks(self.folder / "progress.jsonl")

    def log(self) -> str:
        """The end of what the process wrote, up to 64 kB."""
        return read_tail(self.folder / "log.txt").decode(errors="replace")

    @property
    def notes(self) -> dict[str, Any]:
        """What the process noted about itself, such as {"run": name}."""
        return read_record(self.folder / "notes.json") or {}

    def note(self, **facts: Any) -> None:
        """Add facts to the notes; called by the process itself."""
        files.write_json(self.folder / "notes.json", {**self.notes, **facts})

    @property
    def result(self) -> dict[str, Any] | None:
        """What it found, once it is done."""
        return (self._end() or {}).get("result")

    @property
    def error(self) -> RcgError | None:
        """Why it failed or was lost, with the next step; None for any other state."""
        state = self.state
        if state == "failed":
            told = (self._end() or {}).get("error") or {}
            kind = getattr(errors, told.get("kind", ""), RcgError)
            return kind(told.get("what", "it failed"), where=told.get("where"), fix=told.get("fix"))
        if state != "lost":
            return None
        last = next((line for line in reversed(self.log().splitlines()) if line.strip()), "")
        what = "the process vanished without a last word: it was killed, the memory ran out, or the machine went down"
        fix = f"resume it: {shlex.join(['rcg', *self.resume_arguments])} goes on from what was saved"
        return RunError(what + (f"; its log ends with: {last[:200]}" if last else ""), where=self.title, fix=fix)

    @property
    def traceback(self) -> str:
        """The traceback of a failure, for those who look into the code; empty where there is none."""
        return str(((self._end() or {}).get("error") or {}).get("traceback", ""))

    @property
    def resume_arguments(self) -> tuple[str, ...]:
        """The arguments that take the work up again: a training goes on with its run, other work is repeated."""
        run = self.notes.get("run")
        if self.arguments[:1] == ("train",) and run:
            return ("train", "--resume", str(run))
        return self.arguments

    def resume(self) -> Job:
        """Start it again from what was saved, as a new job.

        Raises:
            RunError: If it still runs, or is done.
        """
        state = self.state
        if state in ("running", "done"):
            fix = "wait for it or cancel it first" if state == "running" else "start a new one"
            raise RunError(f"this job is {state}; there is nothing to resume", where=self.title, fix=fix)
        return start(self.workspace, self.resume_arguments, title=self.title, module=self.module, cwd=self.cwd)

    def cancel(self, *, now: bool = False) -> None:
        """Ask it to stop after the step it is in; with `now`, end its process at once.

        What was saved until then stays valid either way.
        """
        try:
            (self.folder / "cancel").touch()
        except OSError as error:
            raise files.explain(error, self.folder) from error
        record = read_record(self.folder / "job.json") or {}
        mine = record.get("host") == socket.gethostname() and record.get("pid") is not None
        if now and mine and same_process(record["pid"], record["started"]):
            _kill(psutil.Process(record["pid"]))
            if self._end() is None:
                write_end(self.folder, state="cancelled")

    def wait(self, timeout: float | None = None) -> Job:
        """Wait until it has ended, and return it; Ctrl-C ends the waiting, not the job.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Raises:
            RunError: If it still runs after that time.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.state == "running":
            if until is not None and time.monotonic() > until:
                raise RunError(f"still running after {timeout:g} s", where=self.title, fix="wait longer, or cancel it")
            time.sleep(0.1)
        return self


def start(
    workspace: str | Path, arguments: Sequence[str], *, title: str, module: str = "rcg", cwd: str | Path | None = None
) -> Job:
    """Run an `rcg` command line in a process that outlives this one.

    Args:
        workspace: The workspace; the job's folder is made below its `jobs/`.
        arguments: What stands after `rcg`, without `--workspace`.
        title: What it does, for the reader.
        module: The module to run with `python -m`.
        cwd: The folder that relative paths are meant from; the current one by default.

    Raises:
        RcgError: If the job's folder cannot be written.
    """
    place = Path(workspace).absolute()
    folder = _new_folder(place / "jobs", title)
    at = str(Path(cwd or ".").absolute())
    record = {
        "id": folder.name, "title": title, "arguments": list(arguments), "workspace": str(place), "module": module,
        "cwd": at, "created": time.time(), "host": socket.gethostname(),
        "pid": None, "started": None,
    }  # fmt: skip
    files.write_json(folder / "job.json", record)
    # The last word must fit even when the work has filled the disk: this file gives way to it.
    files.write_bytes(folder / "reserve", _RESERVE)
    # -P: a file such as html.py in the folder where Jupyter was started would be taken for Python's own.
    process = _spawn(folder, [sys.executable, "-P", "-m", module, *arguments, "--workspace", str(place)], at)
    with contextlib.suppress(psutil.Error):  # it may have ended already
        child = psutil.Process(process.pid)
        files.write_json(folder / "job.json", {**record, "pid": child.pid, "started": child.create_time()})
        child.nice(_NICE)  # the panels stay quick while every core works
    job = Job.open(folder)
    threading.Thread(target=_reap, args=(process, job), daemon=True, name=f"job {job.id}").start()
    return job


def _new_folder(parent: Path, title: str) -> Path:
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}_{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')[:40]}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(100):
            folder = parent / (f"{stem}-{number}" if number else stem)
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder
    except OSError as error:
        raise files.explain(error, parent) from error
    raise RunError("no free name for a job's folder", where=parent)


def _spawn(folder: Path, command: list[str], cwd: str) -> subprocess.Popen[bytes]:
    # The kernel's matplotlib backend and the like mean nothing to the new process.
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND" and not name.startswith("JPY_")}
    try:
        with (folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=cwd,
                start_new_session=True, env={**env, VARIABLE: str(folder), "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
    except OSError as error:
        raise files.explain(error, folder) from error


def _reap(process: subprocess.Popen[bytes], job: Job) -> None:
    """Take the exit status, so that no zombie stays; speak for a process that could not speak for itself."""
    code = process.wait()
    if code > 0 and job._end() is None:  # noqa: SLF001 - the same module
        last = next((line for line in reversed(job.log().splitlines()) if line.strip()), "no message")
        error = RunError(last.strip()[:500], where=job.title, fix="look into the log; mend the cause; start it again")
        with contextlib.suppress(RcgError):
            write_end(job.folder, state="failed", error=error, trace=job.log()[-8000:])


def jobs(workspace: str | Path) -> tuple[Job, ...]:
    """The jobs of a workspace, the newest first."""
    found = []
    for path in sorted((Path(workspace) / "jobs").glob("*/job.json"), reverse=True):
        with contextlib.suppress(RunError):  # removed in this moment
            found.append(Job.open(path.parent))
    return tuple(found)


def _kill(process: psutil.Process) -> None:
    family = []
    with contextlib.suppress(psutil.Error):
        family = [*process.children(recursive=True), process]
    for each in family:
        with contextlib.suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(family, timeout=5)
