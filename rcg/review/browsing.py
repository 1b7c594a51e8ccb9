"""FiftyOne's App on a dataset, with the edits made in it taken as corrections while it is open."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rcg import job_process
from rcg.errors import DataError
from rcg.progress import Report, Tick, silent
from rcg.review.building import build, fiftyone_name
from rcg.review.collecting import collect
from rcg.review.environment import prepare
from rcg.review.keeper import Service, free_port, join, running

if TYPE_CHECKING:
    from rcg.corrections import Correction
    from rcg.datasets import Dataset

_TASK = "browsing"


@dataclass(eq=False)
class Browsing:
    """An App that is open on a dataset.

    Attributes:
        dataset: The dataset.
        url: Where the App stands, for a browser on this machine.
        port: The port that it listens on.
        corrections: The corrections made since it was opened, here or by the operators in the App, oldest first.
        notes: What could not be taken at the last look, and anything else the reader should know.
    """

    dataset: Dataset
    url: str
    port: int
    _copy: Any
    _app: Service
    _stamp: object
    _first: int
    _standing: tuple[str, ...] = ()
    _seen: datetime | None = None
    corrections: list[Correction] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        count = len(self.corrections)
        taken = f"{count} corrections taken" if count != 1 else "1 correction taken"
        return f"{taken} into {self.dataset.path / 'corrections.jsonl'}" if count else "no corrections were made"

    def poll(self) -> tuple[Correction, ...]:
        """Take the edits made since the last time, and show in the App what changed in RCG's files.

        While somebody else writes to the dataset nothing is taken; the edits wait in the App.

        Returns:
            The corrections made now.
        """
        import fiftyone

        changed = _files(self.dataset) != self._stamp
        if not fiftyone.dataset_exists(fiftyone_name(self.dataset)):  # deleted in the App or by another process
            self._copy, self._seen = build(self.dataset), None
        newest = self._copy.max("last_modified_at")
        if not changed and newest is not None and newest == self._seen:
            return ()
        self.notes[:] = self._standing
        try:
            made = collect(self._copy, self.dataset, only=self._modified(), report=self._hear)
            if changed:  # not for the edits taken here: they stand in the App already, in samples that may be open
                build(self.dataset)
        except DataError as error:
            self.notes.append(f"edits wait in the App: {error.what}")
            return ()
        self._stamp, self._seen = _files(self.dataset), newest
        self.corrections[:] = [each for each in self.dataset.corrections() if each.number > self._first]
        return made

    def _modified(self) -> list[str] | None:
        """The ids of the samples that changed since the last look; None for all."""
        import fiftyone

        if self._seen is None:
            return None
        return list(self._copy.match(fiftyone.ViewField("last_modified_at") >= self._seen).values("id"))

    def close(self) -> None:
        """Take the last edits and let go of the App; it ends within seconds if nobody else uses it."""
        self._seen = None
        try:
            self.poll()
        finally:
            self._app.leave()

    def _hear(self, tick: Tick) -> None:
        if tick.note:
            self.notes.append(tick.note)

    def __enter__(self) -> Browsing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_app(dataset: Dataset, *, port: int | None = None, report: Report = silent) -> Browsing:
    """Open FiftyOne's App on a dataset and come back; for a notebook, or as a `with` block.

    The App starts while the samples are brought up to date. A second call in the same workspace uses the same App.

    Args:
        dataset: The dataset.
        port: The port to listen on; by default `fiftyone_port` of the settings, or the next free one.
        report: Told each step.

    Returns:
        The open App; call its `poll` to take edits, and `close` at the end.

    Raises:
        MissingExtra: If FiftyOne or its database is missing.
        RunError: If the App does not start.
    """
    prepare(dataset.workspace, report=report)
    app, note = _start_app(dataset, port)
    try:
        copy = build(dataset, report=report)
        report(Tick(task="opening FiftyOne", done=0, note="waiting for the App, up to 20 seconds"))
        address = dataset.settings.fiftyone_address
        app.wait(lambda number: _answers(address, number), what="FiftyOne's App")
    except BaseException:
        app.leave()
        raise
    url = f"http://{address}:{app.port}/datasets/{fiftyone_name(dataset)}"
    first = max((each.number for each in dataset.corrections()), default=0)
    return Browsing(
        dataset=dataset, url=url, port=app.port, notes=[*note],
        _copy=copy, _app=app, _stamp=_files(dataset), _first=first, _standing=note,
    )  # fmt: skip


def browse(
    dataset: Dataset,
    *,
    port: int | None = None,
    open_browser: bool = False,
    report: Report = silent,
    poll_s: float = 2.0,
    until: Callable[[], bool] | None = None,
) -> Browsing:
    """Open FiftyOne's App on a dataset and take the edits made in it, until `until` holds or Ctrl-C is pressed.

    Args:
        dataset: The dataset.
        port: The port to listen on; by default `fiftyone_port` of the settings, or the next free one.
        open_browser: Whether to open the page in a browser.
        report: Told the App's address and, at each look, the number of corrections taken.
        poll_s: Seconds between two looks.
        until: Asked at each look whether it is time to stop; None goes on until Ctrl-C.

    Returns:
        The App, closed, with the corrections that were taken.

    Raises:
        Cancelled: If the sink asks for a stop; edits made until then are taken first.
        MissingExtra: If FiftyOne or its database is missing.
    """
    with open_app(dataset, port=port, report=report) as opened:
        if (job := job_process.current()) is not None:
            job.note(url=opened.url)  # a panel that finds the job again finds the page too
        if open_browser:
            webbrowser.open(opened.url)
        with contextlib.suppress(KeyboardInterrupt):
            _watch(opened, report=report, poll_s=poll_s, until=until or (lambda: False))
    return opened


def _watch(opened: Browsing, *, report: Report, poll_s: float, until: Callable[[], bool]) -> None:
    while True:
        count = len(opened.corrections)
        note = "; ".join([f"FiftyOne is open at {opened.url}", *opened.notes])
        tick = Tick(task=_TASK, done=count, metrics={"corrections": count}, note=note)
        report(tick)
        if until():
            return
        # A sink that stops the work is asked more often than the database.
        end = time.monotonic() + poll_s
        while time.monotonic() < end:
            time.sleep(min(0.25, poll_s))
            report(tick)
        opened.poll()


def _start_app(dataset: Dataset, port: int | None) -> tuple[Service, tuple[str, ...]]:
    """The App's server: the one that runs in this workspace, or a new one; and what to say about its port."""
    settings, runs = dataset.settings, dataset.workspace / "fiftyone" / "run"
    address, wanted = settings.fiftyone_address, port or settings.fiftyone_port
    folder = runs / f"app-{wanted}"
    known = running(folder)
    chosen = known["port"] if known else free_port(wanted, address=address)
    note = () if chosen == wanted else (f"port {wanted} is in use, so the App is at {chosen}",)
    # Not imported for it: that takes seconds, in which the server can start.
    spec = importlib.util.find_spec("fiftyone")
    server = Path(str(spec and spec.origin)).parent / "server"

    def command(number: int) -> list[str]:
        return [sys.executable, "main.py", "--port", str(number), "--address", address]

    return join(folder, command, port=chosen, cwd=server), note


def _answers(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/fiftyone")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _files(dataset: Dataset) -> tuple[tuple[str, int, int], ...]:
    """Times and sizes of the files that the copy is built from."""
    found = []
    for file in [
        dataset.path / "corrections.jsonl", dataset.path / "splits.json", dataset.path / "dataset.toml",
        *sorted((dataset.path / "labels").rglob("*.json")),
    ]:  # fmt: skip
        with contextlib.suppress(FileNotFoundError):
            stat = file.stat()
            found.append((str(file), stat.st_mtime_ns, stat.st_size))
    return tuple(found)
