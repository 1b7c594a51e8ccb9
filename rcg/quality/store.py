"""What was measured of images before, by the stamps of their files; it can be made again, and is never the truth."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rcg.files import Stamp

_VERSION = 1  # raised when something is measured in another way


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one image; None where it cannot be told.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        sharpness: 0 to 1; None where nothing has contrast, or the image cannot be read.
        low: Grey value that 2 % of the pixels are below.
        high: Grey value that 2 % of the pixels are above.
        glare: Share under reflections.
        burned: Share of paper that is white to the limit.
        card: Whether a card's outline or corner is seen.
        place: Whether the file says where it was taken.
        thumbnail: 256 bytes, 16 x 16 grey values; empty where the image cannot be read.
    """

    width: int
    height: int
    sharpness: float | None
    low: float
    high: float
    glare: float
    burned: float
    card: bool
    place: bool
    thumbnail: bytes

    @property
    def small(self) -> NDArray[np.uint8]:
        """(16, 16) uint8."""
        return np.frombuffer(self.thumbnail, dtype=np.uint8).reshape(16, 16)


def read_measured(file: Path, stamps: Mapping[str, Stamp]) -> dict[str, Measured]:
    """What is known of images that have these stamps; nothing where the file is missing or damaged."""
    if not file.exists():
        return {}
    found: dict[str, Measured] = {}
    try:
        with contextlib.closing(_opened(file)) as store:
            for name, size, time, inode, *values in store.execute("SELECT * FROM measured"):
                if stamps.get(name) == (size, time, inode):
                    found[name] = _measured(values)
    except (sqlite3.Error, ValueError):
        return {}
    return found


def _measured(values: list[object]) -> Measured:
    fields = dict(zip(Measured.__dataclass_fields__, values, strict=True))
    fields |= {"card": bool(fields["card"]), "place": bool(fields["place"])}
    return Measured(**fields)  # type: ignore[arg-type]  # the columns are those fields


def write_measured(file: Path, rows: Iterable[tuple[str, Stamp, Measured]]) -> None:
    """Add what was measured; a file that is damaged is made anew, one that cannot be written is passed over."""
    rows = list(rows)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, rows)
    except sqlite3.OperationalError:
        return  # a full disk or a read-only place: it is measured again next time
    except sqlite3.DatabaseError:
        file.unlink(missing_ok=True)
        _write(file, rows)
    except OSError:
        return


def _write(file: Path, rows: list[tuple[str, Stamp, Measured]]) -> None:
    marks = ",".join("?" * (4 + len(Measured.__dataclass_fields__)))
    with contextlib.closing(_opened(file)) as store, store:
        values = [(name, *stamp, *astuple(measured)) for name, stamp, measured in rows]
        store.executemany(f"INSERT OR REPLACE INTO measured VALUES ({marks})", values)


def _opened(file: Path) -> sqlite3.Connection:
    store = sqlite3.connect(file, timeout=30)
    if store.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        columns = ", ".join(Measured.__dataclass_fields__)
        store.executescript(
            "DROP TABLE IF EXISTS measured;"
            f"CREATE TABLE measured (name TEXT PRIMARY KEY, size, time, inode, {columns}) WITHOUT ROWID;"
            f"PRAGMA user_version = {_VERSION};"
        )
    return store
