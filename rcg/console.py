"""How a command ends: exit 0 done, 2 the user can mend it, 1 our bug; the JSON line; the last word of a job."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import typer

from rcg import job_process
from rcg.errors import Cancelled, ConfigError, RcgError
from rcg.job_files import write_end
from rcg.progress import Report, Tick, bar, lines, tee

_INTERRUPTED = 130
_STDOUT, _STDERR = 1, 2


@dataclass(slots=True)
class _Outcome:
    """What the verb found: kept for the JSON line and for the job that runs it."""

    facts: Mapping[str, Any] | None = None


_outcome = _Outcome()


def tell(text: str, **facts: Any) -> None:
    """Print what a person reads, and keep what a program reads."""
    _outcome.facts = facts
    say(text)


def say(text: str, *, error: bool = False) -> None:
    """Print a line; where its reader went, as with `rcg journal | head`, this one and the next go nowhere."""
    try:
        typer.echo(text, err=error)
    except BrokenPipeError:
        _silence(_STDERR if error else _STDOUT)


def _silence(stream: int) -> None:
    """Let a stream without a reader end nowhere, so that neither the work nor Python's last flush fails on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)


def progress() -> Report:
    """Where a verb's progress goes: a bar on a terminal, lines elsewhere, and the job's file where it is a job."""
    job = job_process.current()
    if job is not None:
        return tee(_for_a_reader(lines()), job_process.job_report(job))
    return _for_a_reader(bar() if sys.stderr.isatty() else lines())


def _for_a_reader(sink: Report) -> Report:
    """The sink; the work goes on when whoever reads standard error does not."""

    def show(tick: Tick) -> None:
        try:
            sink(tick)
        except BrokenPipeError:
            _silence(_STDERR)

    return show


def run_command(app: typer.Typer) -> None:
    """Run the command line, tell how it ended, and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
    job = job_process.current()
    _outcome.facts = None
    state, code, error = _run(app)
    if error is not None:
        say(str(error), error=True)
    if job is not None:
        write_end(job.folder, state=state, result=_outcome.facts, error=None if state == "cancelled" else error)
    if "--json" in sys.argv:
        told = _outcome.facts or {}
        if error is not None:
            told = {"error": {"what": error.what, "where": error.where, "fix": error.fix}}
        say(orjson.dumps(told, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode())
    sys.exit(code)


def _run(app: typer.Typer) -> tuple[str, int, RcgError | None]:
    """The state of the command, its exit code, and what went wrong."""
    output = _stat(_STDOUT)
    try:
        code = app(standalone_mode=False) or 0
        if code == _INTERRUPTED:  # typer has swallowed a KeyboardInterrupt
            raise KeyboardInterrupt  # noqa: TRY301
    except Cancelled as stop:
        return "cancelled", 2, stop if stop.fix else Cancelled(stop.what, where=stop.where, fix=_after_stop())
    except (KeyboardInterrupt, typer.Abort):
        return "cancelled", 2, Cancelled("stopped", fix=_after_stop())
    except RcgError as error:
        return "failed", 2, error
    except SystemExit as end:
        return _ended(end, output)
    except Exception as error:  # noqa: BLE001 - the last resort: told as our bug, with the traceback
        return ("failed", 2, _usage(error)) if _is_usage(error) else ("failed", 1, _bug(error))
    return "done", code if isinstance(code, int) else 0, None


def _ended(end: SystemExit, output: os.stat_result | None) -> tuple[str, int, RcgError | None]:
    """How an exit from below is meant; typer and rich make one of a pipe that broke, whichever it was.

    Args:
        end: The exit.
        output: What standard output was before.
    """
    cause = end.__context__
    if isinstance(cause, OSError) and cause.errno == errno.EPIPE:
        if not _reader_gone(output):
            return "failed", 1, _bug(cause)
        _silence(_STDOUT)  # as with `rcg --help | head`
        return "done", 0, None
    if end.code is None or end.code == 0:
        return "done", 0, None
    if isinstance(end.code, int):
        return "failed", end.code, None
    return "failed", 1, RcgError(str(end.code))


def _reader_gone(output: os.stat_result | None) -> bool:
    """Whether nobody reads standard output any more, or rich has seen so and let it end nowhere."""
    now = _stat(_STDOUT)
    if output is None or now is None or not os.path.samestat(output, now):
        return True
    poll = select.poll()
    poll.register(_STDOUT, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _stat(stream: int) -> os.stat_result | None:
    try:
        return os.fstat(stream)
    except OSError:
        return None


def _after_stop() -> str:
    if sys.argv[1:3] == ["dataset", "add"]:
        return "repeat the command to go on; what was added so far is kept"
    return "repeat the command; what stood there before is untouched"


def _is_usage(error: Exception) -> bool:
    # Typer may carry its own copy of click, so the base of its usage errors is told by name.
    return any(kind.__name__ == "ClickException" for kind in type(error).__mro__)


def _usage(error: Any) -> RcgError | None:
    message = str(error.format_message())  # empty where the verb was left out: then the help was printed
    path = getattr(getattr(error, "ctx", None), "command_path", "") or "rcg"
    if message.startswith("No such command") and any(f"'{verb}'" in message for verb in ("delete", "remove", "rm")):
        what = message.partition(".")[0]  # what it suggests instead is no way to be rid of anything
        return ConfigError(what, fix="to be rid of a dataset, remove its folder datasets/NAME from the workspace")
    return ConfigError(message, fix=f"{path} --help lists what it takes") if message else None


def _bug(error: Exception) -> RcgError:
    say("".join(traceback.format_exception(error)).rstrip(), error=True)
    return RcgError(f"{type(error).__name__}: {error}", fix="this is a bug in RCG; the traceback says where")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value) if isinstance(value, Path) else list(value)
