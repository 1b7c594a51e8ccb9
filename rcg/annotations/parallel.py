"""The same function over many items, in order, here or in worker processes."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import platform
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

import psutil

from rcg.errors import ConfigError, DataError
from rcg.files import same_process

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int = 1) -> Iterator[Result]:
    """The results of `function` for all `items`, in their order.

    Args:
        function: What to do; it must pickle where `jobs` is above 1.
        items: What to do it to.
        jobs: Worker processes; 1 works in this process.

    Raises:
        ConfigError: If `jobs` is below 1.
        DataError: If a worker process was killed.

    Example:
        >>> list(ordered_map(abs, [-1, 2, -3]))
        [1, 2, 3]
    """
    if jobs < 1:
        raise ConfigError(f"jobs={jobs} is no number of processes", fix="give 1 or more")
    if jobs == 1:
        yield from map(function, items)
        return
    me = psutil.Process()
    pool = ProcessPoolExecutor(
        jobs, mp_context=_context(), initializer=_follow_the_parent, initargs=(me.pid, me.create_time())
    )
    try:
        waiting: deque[Future[Result]] = deque()
        coming = iter(items)
        for item in islice(coming, 2 * jobs):  # no more in flight, so that memory does not grow with the items
            waiting.append(pool.submit(function, item))
        while waiting:
            done = waiting.popleft().result()
            waiting += [pool.submit(function, item) for item in islice(coming, 1)]
            yield done
    except BrokenProcessPool as error:
        raise DataError("a worker process was killed", fix="free some memory, or repeat with jobs=1") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_the_parent(parent: int, started: float) -> None:
    """Leave Ctrl-C to the parent, and end when it ends: a killed one would leave its workers waiting for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if not same_process(parent, started):
        os._exit(1)


def _context() -> multiprocessing.context.BaseContext:
    """Fork is fastest, but safe only where no other thread may hold a lock at that moment."""
    if platform.system() != "Linux":
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("fork" if threading.active_count() == 1 else "forkserver")
