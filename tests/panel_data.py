"""A workspace for the tests of panels: a dataset with labels, and predictions of which one is right in part."""

import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import psutil

from rcg.files import write_json
from rcg.jobs import Job
from rcg.types import Annotation, Box
from rcg.workspace import Workspace


def fill(place, yolo, *, name="attic"):
    """One dataset and one set of predictions: each label moved, one missed, one false."""
    data = Workspace(place).create(name, type="surface_damage")
    data.add(yolo)
    found = []
    for record in data.records():
        moved = [Annotation(label=each.label, box=each.box, score=0.9) for each in record.annotations[1:]]
        false = Annotation(label="scratch", box=Box(1, 1, 9, 9), score=0.8)
        found.append(replace(record, annotations=(*moved, false), labelled=True))
    data.write_predictions("model-a", found)
    return data


def until(condition, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@contextmanager
def running_job(place, arguments, *, title, age_s=0.0):
    """A job of a workspace as another program would have started it; its process only sleeps."""
    sleeper = subprocess.Popen(["sleep", "600"])
    folder = place / "jobs" / f"{datetime.now():%Y%m%d-%H%M%S-%f}_made"  # sorts among the jobs that RCG starts
    record = {
        "title": title, "arguments": list(arguments), "workspace": str(place), "module": "rcg", "cwd": ".",
        "created": time.time() - age_s, "host": socket.gethostname(), "pid": sleeper.pid,
        "started": psutil.Process(sleeper.pid).create_time(),
    }  # fmt: skip
    write_json(folder / "job.json", record)
    (folder / "progress.jsonl").touch()
    try:
        yield Job.open(folder)
    finally:
        sleeper.kill()
        sleeper.wait()
