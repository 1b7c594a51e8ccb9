"""The journal of a workspace: one line for everything that changed it, so that tomorrow knows what today did."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rcg.files import append_jsonl, read_jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal.

    Attributes:
        time: Seconds since 1970.
        event: What happened, such as "dataset created" or "training finished".
        facts: Its details by name.
    """

    time: float
    event: str
    facts: Mapping[str, Any]

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.time))
        details = ", ".join(f"{name} {value}" for name, value in self.facts.items() if value not in (None, "", []))
        return f"{when}  {self.event}" + (f": {details}" if details else "")


def note(workspace: str | Path, event: str, **facts: Any) -> None:
    """Append one line to the workspace's journal."""
    append_jsonl(Path(workspace) / "journal.jsonl", {"time": time.time(), "event": event, **facts})


def read_journal(workspace: str | Path) -> tuple[Entry, ...]:
    """The journal's lines, oldest first."""
    found = []
    for record in read_jsonl(Path(workspace) / "journal.jsonl"):
        when, event = record.pop("time"), record.pop("event")
        found.append(Entry(time=when, event=event, facts=record))
    return tuple(found)
