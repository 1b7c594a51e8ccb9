"""What imports left out, page by page: file, line, text, reason and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from traitlets import Bool, Tuple, Unicode

from rcg.files import Stamp, explain, stamp_of
from rcg.workspace import Workspace
from widgets.sections import Pages, Section

_PAGE = 20
_MEND_LINE = "correct this line"
_MEND_FILE = "put a good copy in its place"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A line or a file that is not in the dataset.

    Attributes:
        file: The file.
        line: The line number from 1; None where the whole file is meant.
        text: The line as it was read.
        reason: Why it was left out.
        fix: How to mend it.
        source: What was being added.
        count: How many lines of the file this stands for; `line` and `text` are then those of the first.
    """

    file: str
    line: int | None
    text: str
    reason: str
    fix: str
    source: str
    count: int = 1

    @property
    def place(self) -> str:
        """Which line it is, or how many lines from which on; "" for a whole file."""
        first = "" if self.line is None else f"{self.line:,}"
        return first if self.count == 1 else f"{self.count:,} lines, first {first}"


class QuarantineModel(Section):
    """The quarantine of a dataset; `why` shows one kind of reason alone."""

    why = Unicode("").tag(label="Reason", tip="Show one kind of reason alone")
    each_line = Bool(False).tag(label="Show every line", tip="Else lines of one file and one reason stand together")
    reasons = Tuple()  # each kind with its count, the most frequent first
    path = Unicode("")

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._lines: Sequence[bytes] = ()
        self._kinds: list[str] = []
        self._stamp: Stamp | None = None
        self._order: Sequence[int] = ()  # by file, then by line
        self._files: list[str] = []
        self._chosen: Sequence[Sequence[int]] = ()  # each a row: the lines that stand together
        self.pages: Pages[LeftOut] = Pages(self._page, size=_PAGE)

    @property
    def total(self) -> int:
        """How many lines and files were left out."""
        return len(self._lines)

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self._lines, self._kinds, self._files, self._order, self._chosen = (), [], [], (), ()
        self.why, self._stamp, self.each_line = "", None, False

    def read(self) -> None:
        """Read the quarantine; only what a page shows is made into words."""
        data = self.dataset()
        file = None if data is None else data.path / "quarantine.jsonl"
        stamp = None if file is None else stamp_of(file)
        if stamp is not None and stamp == self._stamp:
            return
        self._lines = () if file is None or stamp is None else _lines_of(file)
        self.path, self._stamp = "" if file is None else str(file), stamp
        records = [_record(line) for line in self._lines]
        self._kinds = [_kind(record) for record in records]
        self._files = [str(record.get("file", "")) for record in records]
        self._order = sorted(range(len(records)), key=lambda at: (self._files[at], _number(records[at]) or 0, at))
        self.reasons = tuple(Counter(self._kinds).most_common())
        if self.why not in dict(self.reasons):
            self.why = ""
        self.choose()

    def choose(self) -> None:
        """Show the lines of the chosen reason, by file and line; like ones of a file stand in one row."""
        with self._lock:
            rows: dict[object, list[int]] = {}
            for at in self._order:
                if not self.why or self._kinds[at] == self.why:
                    rows.setdefault(at if self.each_line else (self._files[at], self._kinds[at]), []).append(at)
            self._chosen = tuple(rows.values())
            self.pages.fill(len(self._chosen), page=0)

    @property
    def grouped(self) -> bool:
        """Whether a file has several lines of one reason, so that every line can be asked for."""
        return len(set(zip(self._files, self._kinds, strict=True))) < len(self._files)

    def _page(self, start: int, stop: int) -> tuple[LeftOut, ...]:
        return tuple(replace(left_out(self._lines[at[0]]), count=len(at)) for at in self._chosen[start:stop])


def _lines_of(file: Any) -> Sequence[bytes]:
    try:
        return [line for line in file.read_bytes().split(b"\n") if line]
    except OSError as error:
        raise explain(error, file) from error


def _record(line: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:  # cut off by a crash
        return {}
    return found if isinstance(found, dict) else {}


def _number(record: dict[str, Any]) -> int | None:
    number = record.get("line")
    return number if isinstance(number, int) else None


def _kind(record: dict[str, Any]) -> str:
    """A reason without its numbers and names, so that like ones stand together."""
    reason = str(record.get("reason", "this line of the quarantine cannot be read"))
    words = reason.partition(";")[0].partition("(")[0].split()
    return " ".join("…" if any(each.isdigit() for each in word) or word[0] in "'\"" else word for word in words)


def left_out(line: bytes) -> LeftOut:
    """A line of quarantine.jsonl in words; a reason says after its semicolon what would be right."""
    record = _record(line)
    number = _number(record)
    reason, _, fix = str(record.get("reason", "this line of the quarantine cannot be read")).partition("; ")
    return LeftOut(
        file=str(record.get("file", "")), line=number,
        text=str(record.get("text", "")), reason=reason,
        fix=fix or (_MEND_FILE if number is None else _MEND_LINE), source=str(record.get("source", "")),
    )  # fmt: skip
