"""What a training writes down as it goes: ticks.jsonl and TensorBoard's event files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

import orjson

from rcg.files import explain, read_jsonl, write_bytes
from rcg.progress import Tick
from rcg.training.schedule import Clock

TASK = "train"


class RunLog:
    """The ticks and event files of a run; a resumed run writes nothing twice.

    Args:
        folder: The run's folder.
        step: Where the run goes on; what was written beyond it is dropped.
    """

    def __init__(self, folder: Path, *, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / "ticks.jsonl"
        _cut(self.path, step)
        self._file = self.path.open("ab")
        resumed = any(folder.glob("events.*"))
        self._events = SummaryWriter(str(folder), purge_step=step + 1 if resumed else None)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk has been told of by then
            self._events.close()
        self._file.close()

    def write(self, tick: Tick, *, seconds: float, cpu_seconds: float) -> None:
        """Append a tick with the time used so far; its metrics also go to the event files, `val_ap` as "val/ap".

        Raises:
            RcgError: If the disk is full.
        """
        record = {"time": time.time(), **asdict(tick)}
        record["metrics"] = {**tick.metrics, "seconds": seconds, "cpu_seconds": cpu_seconds}
        with _explained(self.path):
            self._file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()
            for name, value in tick.metrics.items():
                group, _, rest = name.partition("_")
                tag = f"val/{rest}" if group == "val" else f"train/{name}"
                self._events.add_scalar(tag, value, tick.done)

    def flush(self) -> None:
        """Bring the event files to the disk, so that a kill loses nothing before the last checkpoint."""
        with _explained(self.path.parent):
            self._events.flush()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error


def used_seconds(path: Path) -> dict[Clock, float]:
    """The time that the run had used at its last tick, by clock; lost steps count too."""
    used: dict[Clock, float] = {"wall": 0.0, "cpu": 0.0}
    for record in read_jsonl(path):
        metrics: Mapping[str, float] = record["metrics"]
        used["wall"] = max(used["wall"], metrics.get("seconds", 0.0))
        used["cpu"] = max(used["cpu"], metrics.get("cpu_seconds", 0.0))
    return used


def _cut(path: Path, step: int) -> None:
    """Drop ticks beyond a step: the resumed run will write them again."""
    records = list(read_jsonl(path))
    kept = [each for each in records if each["done"] <= step] if step else []
    if records:
        write_bytes(path, b"".join(orjson.dumps(each) + b"\n" for each in kept))
