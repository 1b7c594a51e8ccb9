"""What becomes of classes, row by row: kept, renamed, merged or dropped; before an import or in a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from traitlets import HasTraits, Tuple, Unicode

from rcg.annotations.mapping import ClassMap
from rcg.errors import RcgError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class.

    Attributes:
        name: Its name now.
        count: Its annotations, or None where they were not counted.
        to: Its new name; that of another row merges the two.
        keep: Whether it stays at all.
    """

    name: str
    count: int | None
    to: str
    keep: bool = True


class ClassRows(HasTraits):
    """The rows of a class table, and the map that they come to."""

    rows = Tuple()
    wrong = Unicode("")  # why the map cannot be used

    def fill(self, names: Sequence[str], counts: Mapping[str, int] | None = None) -> None:
        """Show these classes; what was chosen for one that stays is kept."""
        known = {row.name: row for row in self.rows}
        rows = []
        for name in names:
            count = None if counts is None else counts.get(name, 0)
            rows.append(
                replace(known[name], count=count) if name in known else ClassRow(name=name, count=count, to=name)
            )
        self.rows = tuple(rows)
        self.check()

    def rename(self, name: str, to: str) -> None:
        """Give a class another name, or that of another class, which merges them; empty takes its own again."""
        self._change(name, to=to.strip() or name)

    def keep(self, name: str, keep: bool) -> None:
        """Keep a class, or drop it with its annotations."""
        self._change(name, keep=keep)

    def _change(self, name: str, **values: object) -> None:
        self.rows = tuple(replace(row, **values) if row.name == name else row for row in self.rows)
        self.check()

    def check(self) -> None:
        """Say what is wrong with the map, if anything is."""
        try:
            self.class_map().check([row.name for row in self.rows])
        except RcgError as error:
            self.wrong = f"{error.what}; {error.fix}" if error.fix else error.what
        else:
            self.wrong = ""

    def class_map(self) -> ClassMap:
        """The map; an empty one where every class stays as it is."""
        changed = (row for row in self.rows if not row.keep or row.to != row.name)
        return ClassMap({row.name: row.to if row.keep else None for row in changed})

    def texts(self) -> tuple[str, ...]:
        """The map as the command line takes it."""
        return self.class_map().texts()

    @property
    def merged(self) -> dict[str, tuple[str, ...]]:
        """The classes that come to one name, by that name, where they are several."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            if row.keep:
                found.setdefault(row.to, []).append(row.name)
        return {to: tuple(names) for to, names in found.items() if len(names) > 1}
