"""What the dataset panel says of a dataset, and of a job that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcg.datasets import Dataset
from rcg.jobs import Job
from rcg.progress import counted
from rcg.readiness import Readiness
from rcg.table import Table, table_of
from widgets.base import Message


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class About:
    """What a dataset holds, as read from the disk.

    Attributes:
        name: Its name.
        type_title: The words for its type.
        path: Its folder.
        table: Its images and labels.
        sources: Where its images and labels came from.
        unfinished: The commands that go on with imports that were stopped.
        readiness: Whether it can be trained on; None until that is known.
    """

    name: str
    type_title: str
    path: str
    table: Table
    sources: tuple[dict[str, Any], ...]
    unfinished: tuple[str, ...]
    readiness: Readiness | None = None


def work_of(job: Job) -> tuple[str, str]:
    """What a job does, and to which dataset."""
    words = job.arguments if job.arguments[0] == "validate" else job.arguments[1:]
    return (*words, "", "")[0], (*words, "", "")[1]


def told(job: Job) -> Message:
    """What came of a job, for the reader."""
    found = job.result or {}
    if job.arguments[0] == "validate":
        timed = any(each.get("measured") for each in found.get("fits", ()))
        fix = "How long a training takes on this machine stands in Overview." if timed else ""
        return Message(kind="done", what=f"the images of {job.arguments[1]} were looked at", fix=fix)
    verb = job.arguments[1]
    notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in found.get("notes", ()) if note)
    if verb == "export":
        lost = "; ".join(f"{what}: {count:,}" for what, count in found.get("losses", {}).items())
        kept = f"{counted(found.get('images', 0), 'image')}, {counted(found.get('annotations', 0), 'annotation')}"
        what = f"exported: {kept}"
        fix = f"Not carried: {lost}. {notes}" if lost else notes
        return Message(kind="warning" if lost else "done", what=what, where=str(found.get("path", "")), fix=fix)
    if verb != "add":
        words = {"map": "the classes are changed", "restore": "the dataset is at that version again"}
        return Message(kind="done", what=words.get(verb, f"{job.title}: done"), fix=notes)
    images = f"{counted(found.get('images', 0), 'image')} ({found.get('new', 0):,} new)"
    what = f"{images} and {counted(found.get('annotations', 0), 'annotation')} are in"
    dropped = found.get("dropped", 0)
    if not dropped:
        return Message(kind="done", what=what, fix=notes)
    more = f"{counted(dropped, 'line or file was', 'lines or files were')} left out; see Left out for each. {notes}"
    return Message(kind="warning", what=what, fix=more.strip())


def about(dataset: Dataset) -> About:
    """What the overview shows of a dataset at once."""
    return About(
        name=dataset.name,
        type_title=dataset.type.title,
        path=str(dataset.path),
        table=table_of(dataset),
        sources=tuple(dataset.config()["sources"]),
        unfinished=dataset.unfinished(),
    )
