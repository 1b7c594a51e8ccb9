"""The same function over many items, in order, here or in worker processes."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import TypeVar

import psutil

from rcg.errors import ConfigError, DataError
from rcg.processes import same_process

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_F_SETPIPE_SZ = 1031  # linux/fcntl.h
_PIPE_BYTES = 1 << 20

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int = 1, clean: bool = False
) -> Iterator[Result]:
    """The results of `function` for all `items`, in their order.

    Worker k of n takes every n-th item from the k-th on, and hands its results over one by one through a pipe of its
    own: no more wait than fit into it, so memory does not grow with the items.

    Args:
        function: What to do; where `jobs` is above 1 each worker gets it once, forked or pickled.
        items: What to do it to; the same holds for them.
        jobs: Worker processes; 1 works in this process.
        clean: Whether workers begin as new processes, which take a second more: for functions of libraries that keep
            threads of their own, such as OpenCV, whose locks a fork would copy as they stand.

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
    every = list(items)
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for first in range(min(jobs, len(every))):
            workers += [_started(function, every[first::jobs], clean=clean)]
        for _, (_, results) in zip(every, cycle(workers), strict=False):
            result, error = results.recv()
            if error is not None:
                raise error
            yield result
    except (EOFError, ConnectionError) as error:
        raise DataError("a worker process was killed", fix="free some memory, or repeat with jobs=1") from error
    finally:
        for worker, results in workers:
            results.close()
            worker.kill()  # it keeps nothing
        for worker, _ in workers:
            worker.join()


def _started(function: Callable[[Item], Result], items: list[Item], *, clean: bool) -> tuple[BaseProcess, Connection]:
    """A worker at work on its items, and where its results come from."""
    context = _context(clean=clean)
    mine, its = context.Pipe(duplex=False)
    if platform.system() == "Linux":
        import fcntl

        with contextlib.suppress(OSError):  # a worker goes on while its last results wait
            fcntl.fcntl(its.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
    me = psutil.Process()
    worker = context.Process(target=_serve, args=(me.pid, me.create_time(), function, items, its), daemon=True)
    worker.start()
    its.close()  # so that the end of a worker is the end of its results
    return worker, mine


def _serve(
    parent: int, started: float, function: Callable[[Item], Result], items: list[Item], results: Connection
) -> None:
    """What a worker does."""
    _follow_the_parent(parent, started)
    for item in items:
        try:
            result = function(item), None
        except Exception as error:  # noqa: BLE001 - the parent raises it
            results.send((None, error))
            return
        results.send(result)


def _follow_the_parent(parent: int, started: float) -> None:
    """Leave Ctrl-C to the parent, and end when it ends: a killed one would leave its workers waiting for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if not same_process(parent, started):
        os._exit(1)


def _context(*, clean: bool) -> ForkContext | ForkServerContext | SpawnContext:
    """Fork is fastest, but safe only where no other thread may hold a lock at that moment."""
    if platform.system() != "Linux":
        return multiprocessing.get_context("spawn")
    if threading.active_count() == 1 and not clean:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("forkserver")
