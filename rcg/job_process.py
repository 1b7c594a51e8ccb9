"""A job as its own process sees it: who it is, where its progress goes, and its last word."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import psutil

from rcg import files
from rcg.errors import Cancelled
from rcg.job_files import VARIABLE, read_record
from rcg.jobs import Job
from rcg.progress import Report, Tick, jsonl, tee

_BEAT_S = 1.0


def current() -> Job | None:
    """The job that this process is, or None; processes started by a job are not the job."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    record = read_record(Path(folder) / "job.json")
    if record is None or record["pid"] not in (None, os.getpid()):
        return None
    if record["pid"] is None:  # this process was quicker than the one that started it
        me = psutil.Process()
        files.write_json(Path(folder) / "job.json", {**record, "pid": me.pid, "started": me.create_time()})
    return Job.open(folder)


def job_report(job: Job) -> Report:
    """A sink for the job's own process: writes the progress and the heartbeat, and raises `Cancelled` when asked."""
    path, flag = job.folder / "progress.jsonl", job.folder / "cancel"
    try:
        path.touch()
    except OSError as error:
        raise files.explain(error, path) from error
    threading.Thread(target=_beat, args=(path, job.folder / "state.json"), daemon=True, name="heartbeat").start()

    def stop(_: Tick) -> None:
        if flag.exists():
            raise Cancelled("stopped as asked; what was done so far is valid", where=job.title)

    return tee(_guarded(jsonl(path), path), stop)


def _beat(path: Path, end: Path) -> None:
    while not end.exists():
        try:
            os.utime(path)
        except OSError:
            return  # the folder was removed: nobody listens
        time.sleep(_BEAT_S)


def _guarded(sink: Report, path: Path) -> Report:
    def write(tick: Tick) -> None:
        try:
            sink(tick)
        except OSError as error:
            raise files.explain(error, path) from error

    return write
