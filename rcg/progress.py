"""Progress as one value (`Tick`) and one callable (`Report`); the places it goes to are sinks.

Every long function takes `report: Report = silent`. A sink may raise `Cancelled`: that is how work is stopped.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from rcg.errors import Cancelled

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """How far a task is.

    Attributes:
        task: What is being done, in words that a panel can show.
        done: Items finished so far.
        total: Items in all, or None while unknown.
        metrics: Named numbers at this moment (loss, bad lines, ...).
        eta_s: Seconds left as the work itself estimates them; None leaves it to the rate.
        note: A short sentence for the reader, such as the step that has begun.
    """

    task: str
    done: int
    total: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    eta_s: float | None = None
    note: str = ""


Report = Callable[[Tick], None]


def silent(tick: Tick) -> None:
    """Report nothing; the default of every long function."""


def tracked(
    items: Iterable[T], *, task: str, report: Report = silent, total: int | None = None, every_s: float = 0.1
) -> Iterator[T]:
    """Yield `items` and report after each, at most once in `every_s` seconds, and always at the end.

    Args:
        items: What to go through.
        task: The name that the meter shows.
        report: Where the ticks go.
        total: The number of items; taken from `len(items)` where it has one.
        every_s: The shortest time between two ticks, in seconds.

    Raises:
        Cancelled: If the sink asks for a stop. Items yielded so far are done.

    Example:
        >>> seen = []
        >>> list(tracked("ab", task="letters", report=seen.append, every_s=0))
        ['a', 'b']
        >>> [tick.done for tick in seen]
        [0, 1, 2]
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    report(Tick(task=task, done=0, total=total))
    done, told, last = 0, 0, time.monotonic()
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= every_s:
            report(Tick(task=task, done=done, total=total))
            told, last = done, now
    if told != done or total is None:
        report(Tick(task=task, done=done, total=done if total is None else total))


class Meter:
    """Rate and remaining time of a task, from the ticks seen so far.

    The rate is that of the last 30 seconds or so, so that it follows a change of speed without jumping.
    """

    _WINDOW_S = 30.0

    def __init__(self) -> None:
        self._task = ""
        self._seen: list[tuple[float, int]] = []

    def update(self, tick: Tick, *, now: float | None = None) -> None:
        """Take in one tick; a new task name, or a count that falls, begins anew."""
        now = time.monotonic() if now is None else now
        if tick.task != self._task or (self._seen and tick.done < self._seen[-1][1]):
            self._task, self._seen = tick.task, []
        self._seen.append((now, tick.done))
        while len(self._seen) > 2 and now - self._seen[1][0] > self._WINDOW_S:
            self._seen.pop(0)

    @property
    def rate(self) -> float | None:
        """Items per second, or None while nothing can be said."""
        if len(self._seen) < 2:
            return None
        (t0, n0), (t1, n1) = self._seen[0], self._seen[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 and n1 > n0 else None

    def eta_s(self, tick: Tick) -> float | None:
        """Seconds left for `tick`: its own estimate where it has one, else from the rate."""
        if tick.eta_s is not None:
            return tick.eta_s
        rate = self.rate
        return None if rate is None or tick.total is None else max(0.0, (tick.total - tick.done) / rate)


def duration(seconds: float) -> str:
    """Seconds as people read them.

    Example:
        >>> duration(7.2), duration(185), duration(7260)
        ('7 s', '3 min 05 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "image"), counted(1200, "class", "classes")
        ('1 image', '1,200 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def describe(tick: Tick, meter: Meter) -> str:
    """One line that says it all: task, count, rate, remaining time, metrics, note."""
    count = f"{tick.done:,}" if tick.total is None else f"{tick.done:,}/{tick.total:,}"
    parts = [f"{tick.task}: {count}"]
    if tick.total:
        parts[0] += f" ({100 * tick.done / tick.total:.0f} %)"
    if meter.rate is not None:
        parts.append(f"{meter.rate:,.1f}/s" if meter.rate < 100 else f"{meter.rate:,.0f}/s")
    eta = meter.eta_s(tick)
    if eta is not None and tick.done != tick.total:
        parts.append(f"{duration(eta)} left")
    parts += [f"{name} {value:,.4g}" for name, value in tick.metrics.items()]
    if tick.note:
        parts.append(tick.note)
    return ", ".join(parts)


def lines(every_s: float = 5.0, *, stream: IO[str] | None = None) -> Report:
    """A sink that writes whole lines: for logs, CI and papermill.

    Args:
        every_s: The shortest time between two lines of one task, in seconds. A new task, a new note and the
            last item always get their line.
        stream: Where to write; standard error by default.
    """
    meter, told, last = Meter(), ("", ""), 0.0

    def sink(tick: Tick) -> None:
        nonlocal told, last
        now = time.monotonic()
        meter.update(tick, now=now)
        if (tick.task, tick.note) != told or tick.done == tick.total or now - last >= every_s:
            told, last = (tick.task, tick.note), now
            out = sys.stderr if stream is None else stream
            out.write(describe(tick, meter) + "\n")
            out.flush()

    return sink


def bar(*, stream: IO[str] | None = None) -> Report:
    """A sink that draws one tqdm bar a task: for a terminal or a notebook in use."""
    from tqdm.auto import tqdm

    shown: Any = None
    task = ""

    def sink(tick: Tick) -> None:
        nonlocal shown, task
        if shown is None or task != tick.task:
            if shown is not None:
                shown.close()
            task = tick.task
            shown = tqdm(total=tick.total, desc=task, file=stream, dynamic_ncols=True)
        shown.total = tick.total
        if tick.metrics or tick.note:
            text = [f"{name} {value:.4g}" for name, value in tick.metrics.items()]
            shown.set_postfix_str(", ".join([*text, tick.note] if tick.note else text), refresh=False)
        shown.update(tick.done - shown.n)
        if tick.done == tick.total:
            shown.close()
            shown = None

    return sink


def jsonl(path: str | Path, *, every_s: float = 0.25) -> Report:
    """A sink that appends each tick, with the time, as one JSON line.

    Args:
        path: The file to append to.
        every_s: The shortest time between two lines of one task and note; the last item always gets its line.
    """
    target, told, last = Path(path), ("", ""), 0.0

    def sink(tick: Tick) -> None:
        nonlocal told, last
        now = time.monotonic()
        if (tick.task, tick.note) == told and tick.done != tick.total and now - last < every_s:
            return
        told, last = (tick.task, tick.note), now
        line = orjson.dumps({"time": time.time(), **asdict(tick)}, option=orjson.OPT_APPEND_NEWLINE)
        with target.open("ab") as out:  # one write call: a reader never sees half a line of a small record
            out.write(line)

    return sink


def read_ticks(path: str | Path) -> list[tuple[float, Tick]]:
    """The ticks that `jsonl` wrote, each with its time (seconds since 1970); a cut-off last line is left out."""
    found = []
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    for line in data.split(b"\n"):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        found.append((record.pop("time"), Tick(**record)))
    return found


def tee(*sinks: Report) -> Report:
    """A sink that passes every tick on to all of `sinks`; a `Cancelled` comes last, when all have seen the tick."""

    def sink(tick: Tick) -> None:
        stop: Cancelled | None = None
        for each in sinks:
            try:
                each(tick)
            except Cancelled as asked:
                stop = asked
        if stop is not None:
            raise stop

    return sink
