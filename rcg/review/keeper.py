"""A background service that several processes share, and that ends by itself when the last of them is gone.

FiftyOne's database and its App are such services: a notebook, a job and a panel may use them at the same time, and none
of them may leave them behind, not even when it is killed. So each service runs under a keeper, a small process of its
own that looks once a second whether any of the registered processes still lives.

A service has a folder: `service.json` (who runs, on which port), `clients/` (a file for each process that uses it) and
`log.txt`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from rcg.errors import DataError, RunError
from rcg.files import explain, write_json
from rcg.locks import Lock
from rcg.processes import same_process

_LOOK_S = 1.0
_GRACE_S = 3.0

_guard = threading.Lock()
_numbers = itertools.count(1)
_tickets: defaultdict[tuple[int, Path], set[int]] = defaultdict(set)  # by process, since a fork inherits the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service, as one of its users sees it.

    Attributes:
        folder: Where its files stand.
        port: The TCP port it listens on, at 127.0.0.1 or the address it was started with.
        ticket: Tells this use from others of the same process.
    """

    folder: Path
    port: int
    ticket: int

    def wait(self, ready: Callable[[int], bool], *, what: str, fix: str | None = None, timeout_s: float = 60.0) -> None:
        """Wait until `ready(port)` holds.

        Args:
            ready: Whether it answers on that port.
            what: The words for it in an error.
            fix: What mends it if it does not start.
            timeout_s: Seconds to wait at most.

        Raises:
            RunError: If the service ends or does not answer in time; it quotes the end of its log.
        """
        until = time.monotonic() + timeout_s
        while not ready(self.port):
            ended = running(self.folder) is None
            if ended or time.monotonic() > until:
                how = "ended at once" if ended else f"did not answer within {timeout_s:.0f} s"
                fix = fix or "free memory or disk space if they are short, then repeat"
                where = self.folder / "log.txt"
                raise RunError(f"{what} {how}: {_last_line(self.folder)}", where=where, fix=fix)
            time.sleep(0.05)

    def leave(self) -> None:
        """End this use; the service ends within seconds when no use is left, here or in another process."""
        with _guard:
            tickets = _tickets[os.getpid(), self.folder]
            tickets.discard(self.ticket)
            if not tickets:
                _client_file(self.folder).unlink(missing_ok=True)


def join(
    folder: str | Path,
    command: Callable[[int], Sequence[str]],
    *,
    port: int | None = None,
    cwd: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Service:
    """Use the service of a folder, starting it if it does not run.

    Args:
        folder: The service's folder.
        command: The command line for a port.
        port: The port to start on; a free one by default. A service that runs already keeps its own.
        cwd: The folder to start in.
        environment: Variables for the service; those of this process by default.

    Raises:
        RcgError: If the folder cannot be written, or another process is starting the service and does not finish.
    """
    place = Path(folder).absolute()
    with waiting(Lock(place / "lock", doing="starting a service")):
        ticket = _register(place)
        if (known := running(place)) is not None:
            return Service(folder=place, port=known["port"], ticket=ticket)
        with _guard:
            _tickets[os.getpid(), place] = {ticket}  # earlier uses were of a service that is gone
        chosen = port or free_port()
        write_json(place / "order.json", {"port": chosen, "command": list(command(chosen)), "cwd": str(cwd or place)})
        _start_keeper(place, dict(os.environ if environment is None else environment))
    return Service(folder=place, port=chosen, ticket=ticket)


def running(folder: str | Path) -> dict[str, Any] | None:
    """What `service.json` says, if that service runs and has a keeper; an orphan without one is ended."""
    try:
        known: dict[str, Any] = orjson.loads((Path(folder) / "service.json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    lives = same_process(known["pid"], known["started"])
    if lives and same_process(known["keeper"], known["keeper_started"]):
        return known
    if lives:  # its keeper was killed: nobody would ever end it
        with contextlib.suppress(psutil.Error):
            _end(psutil.Process(known["pid"]))
    return None


def free_port(first: int | None = None, *, address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on: `first` or the next free one above it, or any at all."""
    for candidate in [0] if first is None else range(first, min(first + 200, 65536)):
        with socket.socket() as probe:
            if os.name == "posix":  # a port in TIME_WAIT is free; on Windows this option would allow a taken one
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((address, candidate))
                return int(probe.getsockname()[1])
    raise RunError(
        f"no free port from {first} on", where=address, fix="set fiftyone_port in rcg.toml to another number"
    )


@contextlib.contextmanager
def waiting(lock: Lock, *, timeout_s: float = 30.0) -> Iterator[None]:
    """Hold a lock, waiting for whoever holds it now.

    Raises:
        DataError: If it is still held after that time.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            lock.__enter__()
            break
        except DataError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _client_file(folder: Path) -> Path:
    return folder / "clients" / f"{os.getpid()}.json"


def _register(folder: Path) -> int:
    with _guard:
        ticket = next(_numbers)
        _tickets[os.getpid(), folder].add(ticket)
        write_json(_client_file(folder), {"pid": os.getpid(), "started": psutil.Process().create_time()})
    return ticket


def _start_keeper(folder: Path, environment: dict[str, str]) -> None:
    """Start the keeper in a session of its own and wait for its first word."""
    (folder / "service.json").unlink(missing_ok=True)
    try:
        with (folder / "log.txt").open("wb") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-P", "-m", "rcg.review.keeper", str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        raise explain(error, folder) from error
    threading.Thread(target=keeper.wait, daemon=True, name="keeper").start()  # takes its exit status: no zombie stays
    until = time.monotonic() + 20
    while not (folder / "service.json").exists():
        if keeper.poll() or time.monotonic() > until:
            where = folder / "log.txt"
            raise RunError(
                f"the service did not start: {_last_line(folder)}", where=where, fix="mend that, then repeat"
            )
        time.sleep(0.02)


def _last_line(folder: Path) -> str:
    try:
        lines = (folder / "log.txt").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "it left no log"
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")


def _users(folder: Path) -> int:
    """How many registered processes live; the files of the others are removed."""
    count = 0
    for file in (folder / "clients").glob("*.json"):
        with contextlib.suppress(FileNotFoundError, orjson.JSONDecodeError):
            known = orjson.loads(file.read_bytes())
            if same_process(known["pid"], known["started"]):
                count += 1
            else:
                file.unlink(missing_ok=True)
    return count


def _end(process: psutil.Process) -> None:
    """Ask a process to end, then end it; a database gets the time to write its pages."""
    process.terminate()
    _, left = psutil.wait_procs([process], timeout=20)
    for each in left:
        each.kill()


def keep(folder: Path) -> None:
    """Run the ordered command until its last user is gone; the work of the keeper's process."""
    order = orjson.loads((folder / "order.json").read_bytes())
    child = psutil.Popen(order["command"], cwd=order["cwd"], stdin=subprocess.DEVNULL)
    me = psutil.Process()
    identity = {"pid": child.pid, "started": child.create_time(), "port": order["port"]}
    write_json(folder / "service.json", {**identity, "keeper": me.pid, "keeper_started": me.create_time()})
    last_used = time.monotonic()
    while child.poll() is None:
        time.sleep(_LOOK_S)
        if _users(folder):
            last_used = time.monotonic()
        elif time.monotonic() - last_used >= _GRACE_S:
            # Under the lock nobody can join between the last look and the end.
            with contextlib.suppress(DataError), Lock(folder / "lock", doing="ending a service"):
                if not _users(folder):
                    (folder / "service.json").unlink(missing_ok=True)
                    _end(child)


def _step_aside(folder: Path) -> None:
    """Go on as an orphan, so that whoever ends the first user's children does not end what others use too.

    The process that was started waits for the service's first word and passes on whether it came.
    """
    if not hasattr(os, "fork") or not (child := os.fork()):
        return
    while not (folder / "service.json").exists():
        if os.waitpid(child, os.WNOHANG)[0]:
            os._exit(1)
        time.sleep(0.02)
    os._exit(0)


if __name__ == "__main__":
    _step_aside(Path(sys.argv[1]))
    keep(Path(sys.argv[1]))
