"""What every panel's model and view share: messages, and work beside the kernel's thread. No ipywidgets here."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from traitlets import HasTraits, Instance, Unicode

from rcg.errors import Cancelled, RcgError
from rcg.jobs import Job
from rcg.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something that a panel tells its user.

    Attributes:
        kind: "error", "warning", "info" or "done".
        what: What happened, one sentence.
        where: The file, line or record it is about.
        fix: What to do next.
        trace: A traceback, shown folded.
    """

    kind: str
    what: str
    where: str = ""
    fix: str = ""
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException, *, trace: str | None = None) -> Message:
        """The message of an error; a traceback goes with it, folded, where nobody expected the error."""
        if isinstance(error, Cancelled):
            return cls(kind="info", what=error.what, where=error.where or "", fix=error.fix or "")
        if isinstance(error, RcgError):
            return cls(kind="error", what=error.what, where=error.where or "", fix=error.fix or "", trace=trace or "")
        text = "".join(traceback.format_exception(error)) if trace is None else trace
        fix = "this is a fault in RCG: report it with the traceback below; what was saved stays valid"
        return cls(kind="error", what=f"{type(error).__name__}: {error}", fix=fix, trace=text)


def figure(value: float | None) -> str:
    """A number between 0 and 1 as tables show it; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


class PanelModel(HasTraits):
    """The state and the commands of a panel.

    A command raises when it fails: in a notebook that is run as a batch, a failure must stop the batch. The view
    calls commands through `attempt`, which turns a failure into the message.
    """

    message = Instance(Message, allow_none=True)
    busy = Unicode("")  # the command that is under way
    reading = Unicode("")  # what is being read meanwhile

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__()
        self.workspace = workspace if isinstance(workspace, Workspace) else Workspace(workspace)

    def known_dataset(self, name: str) -> str:
        """The name, if there is such a dataset or it is empty; a panel never takes another one in its place.

        Raises:
            DataError: If there is none; it lists those that are there.
        """
        return self.workspace.dataset(name).name if name else name

    def attempt(self, command: Callable[[], object]) -> None:
        """Call a command; show its failure instead of raising it."""
        try:
            command()
        except Exception as error:  # noqa: BLE001 - nothing is hidden: the panel shows it with its traceback
            self.message = Message.of(error)

    def watch(self) -> None:
        """`poll`, for a clock: a failure becomes the message, and the clock goes on."""
        try:
            self.poll()
        except Exception as error:  # noqa: BLE001 - nothing is hidden: the panel shows it with its traceback
            self.message = Message.of(error)

    def refresh(self) -> None:
        """Read the state from the disk."""

    def poll(self) -> None:
        """Look for what has changed on the disk; called a few times a second, so it must be quick."""

    def ended(self, job: Job) -> None:  # noqa: ARG002 - panels that care look at it
        """A job that this panel watched has ended."""
        self.refresh()


class Worker:
    """One thread beside the kernel's, so that a click returns at once; work is done in the order it was asked for.

    Args:
        inline: Do the work where it is asked for; for tests and batches.
    """

    def __init__(self, *, inline: bool = False) -> None:
        self._pool = None if inline else ThreadPoolExecutor(1, thread_name_prefix="rcg panel")
        self._latest: dict[str, object] = {}
        self._closed = False

    def close(self) -> None:
        """End the thread after the work it is in; what is asked for later is not done."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, work: Callable[[], object], *, key: str = "", after_s: float = 0.0) -> None:
        """Do `work`; of several with the same key, only the last that was asked for in `after_s` seconds."""
        if self._pool is None:
            work()
            return
        if self._closed:
            return
        mark = object()
        if key:
            self._latest[key] = mark

        def run() -> None:
            if after_s and self._latest.get(key) is mark:
                time.sleep(after_s)
            if not key or self._latest.get(key) is mark:
                work()

        self._pool.submit(run)


class Clock:
    """Calls a function every so many seconds, from a thread of its own, until it is stopped."""

    def __init__(self, function: Callable[[], object], *, every_s: float) -> None:
        self._function = function
        self._every_s = every_s
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="rcg clock").start()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._function()

    def stop(self) -> None:
        """Do not call it again."""
        self._stop.set()
