"""The curves of a run, read on from where the last look ended, however long the run is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from widgets.chart import Series, thin

_NAMES = ("loss", "val_ap", "val_ap50")


class CurveFile:
    """The curves in a run's ticks.jsonl.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin(0)

    def _begin(self, inode: int) -> None:
        self._inode, self._offset = inode, 0
        self._points: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in _NAMES}
        self._series = _series(self._points)

    def read(self) -> dict[str, Series]:
        """Loss at each step, and the validation's AP and AP50, with what was written since the last call."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            stat = self.path.stat()
            if stat.st_ino != self._inode or stat.st_size < self._offset:  # a resumed run writes the file anew
                self._begin(stat.st_ino)
            if stat.st_size > self._offset:
                file.seek(self._offset)
                data = file.read()
                whole = data[: data.rfind(b"\n") + 1]  # the last line may be half there
                self._offset += len(whole)
                add_points(self._points, _records(whole))
                self._series = _series(self._points)
        return self._series


def _records(data: bytes) -> Iterable[Mapping[str, Any]]:
    for line in data.splitlines():
        with contextlib.suppress(orjson.JSONDecodeError):  # a line that a crash cut off
            yield orjson.loads(line)


def add_points(points: dict[str, tuple[list[float], list[float]]], records: Iterable[Mapping[str, Any]]) -> None:
    """Append the loss, AP and AP50 of records of ticks.jsonl to the points by name."""
    for record in records:
        values = {**record, **(record.get("metrics") or {})}
        at = values.get("step", values.get("done"))
        for name, (x, y) in points.items():
            if at is not None and values.get(name) is not None:
                x.append(float(at))
                y.append(float(values[name]))


def _series(points: Mapping[str, tuple[list[float], list[float]]]) -> dict[str, Series]:
    made = {}
    for name, (x, y) in points.items():
        across, up = thin(x, y) if name == "loss" else (tuple(x), tuple(y))
        made[name] = Series(name=name, x=across, y=up, marks=name != "loss")
    return made
