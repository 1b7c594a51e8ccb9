"""Many cards graded in a process of their own: the job, and the table that it writes, page by page in any order."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from traitlets import Bool, HasTraits, Tuple, Unicode, observe

from rcg.errors import DataError
from rcg.files import Stamp, explain, read_json, stamp_of
from rcg.jobs import Job
from rcg.progress import counted
from rcg.workspace import Workspace
from widgets.job_model import JobModel
from widgets.sections import Pages

TABLE, INDEX, ITEMS = "results.csv", "index.html", "items"
PAGE = 10  # so that the lines of the card that is looked at are not far below
NAME, STATUS = "card", "status"
Row = dict[str, str]


class BatchModel(HasTraits):
    """A batch: its job, and its table as far as it is written.

    Args:
        workspace: The workspace that jobs run in.
        ended: Called with a job that has ended.
    """

    folder = Unicode("").tag(label="Batch", tip="What was graded here before can be looked at again")  # "": none
    known = Tuple()  # the folders of the batches of this workspace, the newest first
    columns = Tuple()
    sort = Unicode("").tag(tip="The column that the table is sorted by; empty: in the order of grading")
    falling = Bool(False).tag(tip="The largest first")
    bad = Bool(False).tag(label="Only those to look at", tip="Cards that are undetermined or could not be read")
    words = Unicode("")  # how many cards, and how many of them need a look

    def __init__(self, workspace: Workspace, *, ended: Callable[[Job], None] = lambda _: None) -> None:
        super().__init__()
        self.workspace = workspace
        self._ended = ended
        self.jobs = JobModel(workspace, kinds=("grade",), ended=self._job_ended)
        self.pages: Pages[Row] = Pages(self._page, size=PAGE)
        self._rows: list[Row] = []
        self._shown: list[Row] = []
        self._items: dict[str, list[Row]] = {}
        self._stamp: tuple[bool, Stamp | None] | None = None
        self._lock = threading.RLock()

    def attach(self) -> None:
        """Take up the batch that runs, or the newest that did not end well; else show the newest there is."""
        self.jobs.attach_latest()
        running = "" if self.jobs.job is None else _out(self.jobs.job.arguments)
        self.find()
        self.open(running or next(iter(self.known), ""))

    def find(self) -> None:
        """Look which batches there are."""
        home = self.workspace.path / "exports" / "grades"
        tables = [(stamp_of(path), str(path.parent)) for path in home.glob(f"*/{TABLE}")]
        found = [folder for stamp, folder in sorted(tables, key=lambda each: -(each[0] or (0, 0, 0))[1])]
        others = [] if not self.folder or self.folder in found else [self.folder]
        self.known = (*others, *found)

    def start(self, arguments: Sequence[str], *, title: str, folder: Path) -> Job:
        """Grade the cards in a process of its own, and show its table as it grows."""
        job = self.jobs.start(arguments, title=title)
        self._items, self._stamp = {}, None
        self.open(folder)
        return job

    def _job_ended(self, job: Job) -> None:
        self.open(_out(job.arguments))
        self._ended(job)

    def open(self, folder: str | Path) -> None:
        """Show the table of a batch; of one that has not written any yet, an empty one."""
        with self._lock:
            if str(folder) and str(folder) not in self.known:
                self.known = (str(folder), *self.known)
            self.folder = str(folder)
            self.read()

    @observe("folder")
    def _other(self, _: Any) -> None:
        with self._lock:
            self._rows, self._items, self._stamp = [], {}, None
            self.sort, self.falling, self.bad = "", False, False
            self.read()

    def read(self) -> None:
        """Read the table if it changed; while the batch runs, the cards that are done.

        Raises:
            RcgError: If it cannot be read.
        """
        with self._lock:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            folder = Path(self.folder)
            self._rows = self._done(folder) if self._growing() else _read(folder / TABLE)
            self.columns = _columns(self._rows)
            self._order()

    def _growing(self) -> bool:
        job = self.jobs.job
        return self.jobs.running and job is not None and _out(job.arguments) == self.folder

    def _look(self) -> tuple[bool, Stamp | None]:
        """What tells whether there is something new."""
        if not self.folder:
            return False, None
        growing = self._growing()
        return growing, stamp_of(Path(self.folder) / (ITEMS if growing else TABLE))

    def _done(self, folder: Path) -> list[Row]:
        """The rows of the cards that the running batch has done so far; those read before are not read again."""
        job = self.jobs.job
        since = 0.0 if job is None else job.created - 1
        for path in sorted((folder / ITEMS).glob("*.json")):
            if path.name not in self._items and path.stat().st_mtime >= since:
                self._items[path.name] = [_as_text(row) for row in read_json(path)["rows"]]
        return [row for name in sorted(self._items) for row in self._items[name]]

    def poll(self) -> None:
        """Look at the job, and at the table where it was written anew."""
        self.jobs.poll()
        if self._look() != self._stamp:
            self.read()

    @observe("sort", "falling", "bad")
    def _order(self, _: Any = None) -> None:
        with self._lock:
            wrong = [row for row in self._rows if is_bad(row)]
            rows = wrong if self.bad else list(self._rows)
            if self.sort:
                rows.sort(key=lambda row: _rank(row.get(self.sort, "")), reverse=self.falling)
                rows.sort(key=lambda row: not row.get(self.sort, ""))  # what is not known comes last either way
            self._shown = rows
            self.words = f"{counted(len(self._rows), 'card')}, {len(wrong):,} to look at" if self._rows else ""
            self.pages.fill(len(rows))

    def sort_by(self, column: str) -> None:
        """Sort by a column; by the same once more, the other way round; a third time, not at all."""
        if column != self.sort:
            self.sort, self.falling = column, False
        elif not self.falling:
            self.falling = True
        else:
            self.sort, self.falling = "", False

    def _page(self, first: int, last: int) -> tuple[Row, ...]:
        return tuple(self._shown[first:last])

    def row(self, name: str) -> Row:
        """The row of a card.

        Raises:
            DataError: If there is none.
        """
        found = next((row for row in self._rows if row.get(NAME) == name), None)
        if found is None:
            raise DataError(f"there is no card {name!r} in this table", where=self.folder, fix="read the table again")
        return found

    def file(self, name: str) -> tuple[str, bytes]:
        """A file of the batch, to be opened or saved: its name and content.

        Raises:
            RcgError: If it is not there yet.
        """
        path = Path(self.folder) / name
        if not self.folder or not path.is_file():
            raise DataError(f"there is no {name} yet", where=self.folder or None, fix="grade several cards first")
        try:
            return f"{Path(self.folder).name}_{name}", path.read_bytes()
        except OSError as error:
            raise explain(error, path) from error


def is_bad(row: Row) -> bool:
    """Whether a card needs a look: it is undetermined, or could not be read."""
    return row.get(STATUS, "") != "measured"


def _rank(text: str) -> tuple[int, float, str]:
    """Numbers by their size, before words by the alphabet."""
    try:
        return 0, float(text), ""
    except ValueError:
        return 1, 0.0, text.lower()


def _out(arguments: Sequence[str]) -> str:
    """The folder that a batch writes to, from its command line; "" for the grade of one card."""
    return arguments[arguments.index("--out") + 1] if "--out" in arguments else ""


def _as_text(row: dict[str, Any]) -> Row:
    return {name: "" if value is None else str(value) for name, value in row.items()}


def _columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """All columns that any row has, in the order of the fullest row."""
    names = sorted(rows, key=len, reverse=True)
    return tuple(dict.fromkeys(name for row in names for name in row))


def _read(path: Path) -> list[Row]:
    """The table of a batch; of one that has written none yet, no rows."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    except OSError as error:
        raise explain(error, path) from error
