"""What imports left out, page by page: file, line, text, reason and how to mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from traitlets import Tuple, Unicode

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
    """

    file: str
    line: int | None
    text: str
    reason: str
    fix: str
    source: str


class QuarantineModel(Section):
    """The quarantine of a dataset; `why` shows one kind of reason alone."""

    why = Unicode("").tag(label="Reason", tip="Show one kind of reason alone")
    reasons = Tuple()  # each kind with its count, the most frequent first
    path = Unicode("")

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._lines: Sequence[bytes] = ()
        self._kinds: list[str] = []
        self._stamp: Stamp | None = None
        self._chosen: Sequence[int] = ()
        self.pages: Pages[LeftOut] = Pages(self._page, size=_PAGE)

    @property
    def total(self) -> int:
        """How many lines and files were left out."""
        return len(self._lines)

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self._lines, self._kinds, self.why, self._stamp = (), [], "", None

    def read(self) -> None:
        """Read the quarantine; only what a page shows is made into words."""
        data = self.dataset()
        file = None if data is None else data.path / "quarantine.jsonl"
        stamp = None if file is None else stamp_of(file)
        if stamp is not None and stamp == self._stamp:
            return
        self._lines = () if file is None or stamp is None else _lines_of(file)
        self.path, self._stamp = "" if file is None else str(file), stamp
        self._kinds = [_kind(line) for line in self._lines]
        self.reasons = tuple(Counter(self._kinds).most_common())
        if self.why not in dict(self.reasons):
            self.why = ""
        self.choose()

    def choose(self) -> None:
        """Show the lines of the chosen reason, the newest first."""
        with self._lock:
            kinds, why = self._kinds, self.why
            self._chosen = [at for at in range(len(kinds) - 1, -1, -1) if not why or kinds[at] == why]
            self.pages.fill(len(self._chosen), page=0)

    def _page(self, start: int, stop: int) -> tuple[LeftOut, ...]:
        return tuple(left_out(self._lines[at]) for at in self._chosen[start:stop])


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


def _kind(line: bytes) -> str:
    """A reason without its numbers and names, so that like ones stand together."""
    reason = str(_record(line).get("reason", "this line of the quarantine cannot be read"))
    words = reason.partition(";")[0].partition("(")[0].split()
    return " ".join("…" if any(each.isdigit() for each in word) or word[0] in "'\"" else word for word in words)


def left_out(line: bytes) -> LeftOut:
    """A line of quarantine.jsonl in words; a reason says after its semicolon what would be right."""
    record = _record(line)
    number = record.get("line")
    reason, _, fix = str(record.get("reason", "this line of the quarantine cannot be read")).partition("; ")
    return LeftOut(
        file=str(record.get("file", "")), line=number if isinstance(number, int) else None,
        text=str(record.get("text", "")), reason=reason,
        fix=fix or (_MEND_FILE if number is None else _MEND_LINE), source=str(record.get("source", "")),
    )  # fmt: skip
