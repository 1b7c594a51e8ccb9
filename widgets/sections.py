"""What the parts of a panel about one dataset share: they are read when they are looked at, and page by page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from traitlets import HasTraits, Int, Unicode

from rcg.datasets import Dataset
from rcg.workspace import Workspace

T = TypeVar("T")


def opened(workspace: Workspace, known: dict[str, Dataset], name: str) -> Dataset:
    """A dataset, the same object each time, so that what it has read is not read again; only the latest is kept."""
    found = workspace.dataset(name)
    if name not in known:
        known.clear()
        known[name] = found
    return known[name]


class Section(HasTraits):
    """A part of a panel that shows one dataset.

    Args:
        workspace: The workspace.
    """

    name = Unicode("")  # the dataset that is shown; "" for none

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.opened: dict[str, Dataset] = {}  # shared by the sections of a panel: a dataset object keeps what it read
        self._lock = threading.RLock()  # commands and reading have a thread each

        self.chosen: Callable[[], str] = lambda: self.name  # the panel's dataset, also before this part has read it

    def dataset(self) -> Dataset | None:
        """The dataset; None where none is chosen.

        Raises:
            DataError: If it is not there any more.
        """
        return opened(self.workspace, self.opened, self.name) if self.name else None

    def open(self, name: str) -> None:
        """Show this dataset, as it is on the disk now."""
        with self._lock:
            if name != self.name:
                self.clear()
                self.name = name
            self.read()

    def clear(self) -> None:
        """Forget what was shown of another dataset."""

    def read(self) -> None:
        """Read what is shown from the disk."""


class Pages(HasTraits, Generic[T]):
    """A long list of which one page is made at a time.

    Args:
        make: Makes the entries from one place up to another.
        size: Entries a page.
    """

    page = Int(0).tag(tip="The page that is shown, from 0")
    total = Int(0)
    turned = Int(0)  # counts the pages that were made, so that the view shows each

    def __init__(self, make: Callable[[int, int], tuple[T, ...]], *, size: int = 20) -> None:
        super().__init__()
        self._make = make
        self.size = size
        self.shown: tuple[T, ...] = ()

    @property
    def count(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.size)

    def fill(self, total: int, *, page: int | None = None) -> None:
        """Say how long the list is, and make a page: the same as before, or the last that there is."""
        self.total = total
        self.turn_to(self.page if page is None else page)

    def turn_to(self, page: int) -> None:
        """Show a page, counted from 0."""
        self.page = max(0, min(page, self.count - 1))
        start = self.page * self.size
        self.shown = self._make(start, min(start + self.size, self.total))
        self.turned += 1

    def turn(self, by: int) -> None:
        """Go some pages on, or back."""
        self.turn_to(self.page + by)

    @property
    def words(self) -> str:
        """Which entries are shown, of how many."""
        first = self.page * self.size + 1
        return f"{first:,} to {min(first + self.size - 1, self.total):,} of {self.total:,}" if self.total else ""
