"""The job that a panel watches: everything it shows is read from the job's folder, so any panel can take it up."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from traitlets import HasTraits, Instance, Unicode

from rcg.errors import Cancelled, RcgError, RunError
from rcg.jobs import Job, jobs, start
from rcg.progress import Meter, duration
from rcg.workspace import Workspace
from widgets.base import Message

SILENT_S = 5.0  # without a heartbeat for so long, the bar says so
_LOOK_S = 1.0  # between two looks for jobs that were started elsewhere
_TELLING_S = 0.3  # a rate over less time than this says nothing
LIVE = ("running", "starting", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A job at one moment.

    Attributes:
        state: That of the job; "stopping" where it was asked to stop, "starting" before its first tick.
        task: What it is doing.
        done: Items finished.
        total: Items in all, or None while unknown.
        rate: Items per second, or None.
        eta_s: Seconds left, or None.
        elapsed_s: Seconds since it was asked for.
        silent_s: Seconds without a heartbeat.
        note: A sentence for the reader.
        metrics: Named numbers.
    """

    state: str
    task: str = ""
    done: int = 0
    total: int | None = None
    rate: float | None = None
    eta_s: float | None = None
    elapsed_s: float = 0.0
    silent_s: float = 0.0
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def fraction(self) -> float | None:
        """The share that is done, 0 to 1, or None while unknown."""
        if self.state == "done":
            return 1.0
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def line(self) -> str:
        """Count, rate and remaining time in one line; it changes every second while the job lives."""
        parts = []
        if self.task:
            count = f"{self.done:,}" if self.total is None else f"{self.done:,} of {self.total:,}"
            parts.append(f"{self.task}: {count}")
            if self.fraction is not None:
                parts.append(f"{100 * self.fraction:.0f} %")
        if self.rate is not None and self.state in ("running", "stopping"):
            parts.append(f"{self.rate:,.2g}/s" if self.rate < 10 else f"{self.rate:,.0f}/s")
        if self.eta_s is not None and self.state == "running":
            parts.append(f"{duration(self.eta_s)} left")
        word = "running for" if self.state in LIVE else "took"
        parts.append(f"{word} {duration(int(self.elapsed_s))}")
        if self.silent_s > SILENT_S:
            parts.append(f"no sign of life for {duration(int(self.silent_s))}")
        return " · ".join(parts)


def snapshot(job: Job) -> Snapshot:
    """The state of a job as its folder tells it at this moment."""
    state, recent, meter = job.state, job.recent(), Meter()
    for when, tick in recent:
        meter.update(tick, now=when)
    if state == "running":
        state = "stopping" if job.stopping else "running" if recent else "starting"
    running = state in ("running", "starting", "stopping")
    elapsed_s = (time.time() if running else job.ended or time.time()) - job.created
    silent_s = job.heartbeat_age_s if running and state != "starting" else 0.0
    if not recent:
        note = "starting Python" if state == "starting" else ""
        return Snapshot(state=state, note=note, elapsed_s=elapsed_s, silent_s=silent_s)
    now = time.time() if running else recent[-1][0]
    tick = recent[-1][1]
    rate, eta_s = meter.rate, meter.eta_s(tick)
    if rate is not None and tick.done < rate * _TELLING_S:
        rate = None
    if eta_s is not None:
        eta_s = max(0.0, eta_s - (now - recent[-1][0]))
    return Snapshot(
        state=state,
        task=tick.task,
        done=tick.done,
        total=tick.total,
        rate=rate,
        eta_s=None if tick.done == tick.total else eta_s,
        note=tick.note,
        metrics=dict(tick.metrics),
        elapsed_s=elapsed_s,
        silent_s=silent_s,
    )


def _trace(job: Job, error: RcgError) -> str:
    """What those who look into the code need: nothing where the user can mend it."""
    unexpected = job.state == "lost" or "a bug in RCG" in (error.fix or "")
    return (job.traceback or job.log()[-4000:]) if unexpected else ""


class JobModel(HasTraits):
    """The job bar's model: one job, attached by its folder.

    Args:
        workspace: The workspace that jobs run in.
        kinds: The first arguments of the jobs that belong to this panel, such as ("train", "evaluate").
        ended: Called once with each watched job that has ended.
    """

    job = Instance(Job, allow_none=True)
    shown = Instance(Snapshot, allow_none=True)
    message = Instance(Message, allow_none=True)
    log = Unicode("")

    def __init__(
        self, workspace: Workspace, *, kinds: Sequence[str], ended: Callable[[Job], None] = lambda _: None
    ) -> None:
        super().__init__()
        self.workspace = workspace
        self.kinds = tuple(kinds)
        self._ended = ended
        self._told: set[str] = set()
        self._follows, self._seen, self._next_look = False, 0.0, 0.0
        self._lock = threading.RLock()  # the clock and a click may look at the same moment

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self.shown is not None and self.shown.state in LIVE

    def start(self, arguments: Sequence[str], *, title: str, before: Sequence[Sequence[str]] = ()) -> Job:
        """Start a job and watch it.

        Args:
            arguments: What stands after `rcg`.
            title: What it does, for the reader.
            before: Command lines whose work is done already, which code that is copied needs too.

        Raises:
            RunError: If one of this panel's jobs still runs.
        """
        if self.job is not None and self.job.state == "running":
            raise RunError("a job is still running here", where=self.job.title, fix="wait for it, or stop it first")
        job = start(self.workspace.path, arguments, title=title)
        if before:
            job.note(before=[list(each) for each in before])
        self.attach(job)
        return job

    def attach(self, job: Job | None, *, news: bool = True) -> None:
        """Watch this job from now on; `news` says whether it is to be told if it has ended already."""
        with self._lock:
            if job is not None and not news and job.state != "running":
                self._told.add(job.id)
            self.message, self.log, self.job, self.shown = None, "", job, None
            self.poll()

    def attach_latest(self) -> None:
        """Watch what runs of this panel's jobs, else the newest, unless it ended well.

        A reload or a new kernel finds its work again; from then on a job that another program starts is taken up too.
        """
        self._follows = True
        known = [job for job in jobs(self.workspace.path) if job.arguments[:1] and job.arguments[0] in self.kinds]
        job = next((each for each in known if each.state == "running"), known[0] if known else None)
        if job is not None and job.state != "done":
            self.attach(job, news=False)

    def _take_up(self) -> None:
        """Watch a job that was started elsewhere, where none runs here; looks only when a job came or went."""
        if self.running or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_S
        with contextlib.suppress(FileNotFoundError):
            changed = (self.workspace.path / "jobs").stat().st_mtime
            if changed == self._seen:
                return
            self._seen = changed
            for job in jobs(self.workspace.path):
                mine = job.arguments[:1] and job.arguments[0] in self.kinds
                if mine and job.id not in self._told and job.state == "running":
                    self.attach(job)
                    return

    def poll(self) -> None:
        """Read the job's folder."""
        with self._lock:
            self._poll()
            if self._follows:
                self._take_up()

    def _poll(self) -> None:
        job = self.job
        if job is None:
            self.shown = None
            return
        if self.shown is not None and not self.running and job.id in self._told:
            return
        found = snapshot(job)
        self.log = job.log()
        if found.state in ("failed", "lost") and job.error is not None:
            self.message = Message.of(job.error, trace=_trace(job, job.error))
        self.shown = found
        if not self.running and job.id not in self._told:
            self._told.add(job.id)
            self._ended(job)

    def cancel(self) -> None:
        """Ask the job to stop after the step it is in; asked again, end its process."""
        if self.job is not None:
            self.job.cancel(now=self.job.stopping)
            self.poll()

    def resume(self) -> Job:
        """Take the work up again from what was saved, and watch it.

        Raises:
            RunError: If there is nothing to resume.
        """
        if self.job is None:
            raise RunError("there is no job to resume", fix="start one")
        job = self.job.resume()
        self.attach(job)
        return job

    def dismiss(self) -> None:
        """Show no job; a running one goes on."""
        if self.job is not None:
            self._told.add(self.job.id)
        self.attach(None)

    def wait(self, timeout: float | None = None) -> Job:
        """Wait for the job, for notebooks that are run as a batch.

        Raises:
            RcgError: What the job failed with; `Cancelled` if it was stopped.
        """
        if self.job is None:
            raise RunError("there is no job to wait for", fix="start one")
        job = self.job.wait(timeout)
        if (error := job.error) is not None:
            raise error
        if job.state == "cancelled":
            raise Cancelled("it was stopped", where=job.title, fix="resume it")
        self.poll()
        return job
