"""How a command ends: exit 0 done, 2 the user can mend it, 1 our bug; the JSON line; the last word of a job."""

from __future__ import annotations

import os
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
from rcg.progress import Report, bar, lines, tee

_INTERRUPTED = 130


@dataclass(slots=True)
class _Outcome:
    """What the verb found: kept for the JSON line and for the job that runs it."""

    facts: Mapping[str, Any] | None = None


_outcome = _Outcome()


def tell(text: str, **facts: Any) -> None:
    """Print what a person reads, and keep what a program reads."""
    _outcome.facts = facts
    typer.echo(text)


def progress() -> Report:
    """Where a verb's progress goes: a bar on a terminal, lines elsewhere, and the job's file where it is a job."""
    job = job_process.current()
    if job is not None:
        return tee(lines(), job_process.job_report(job))
    return bar() if sys.stderr.isatty() else lines()


def run_command(app: typer.Typer) -> None:
    """Run the command line, tell how it ended, and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
    job = job_process.current()
    _outcome.facts = None
    state, code, error = _run(app)
    if error is not None:
        typer.echo(str(error), err=True)
    if job is not None:
        job_process.finish(job, state=state, result=_outcome.facts, error=None if state == "cancelled" else error)
    if "--json" in sys.argv:
        told = _outcome.facts or {}
        if error is not None:
            told = {"error": {"what": error.what, "where": error.where, "fix": error.fix}}
        typer.echo(orjson.dumps(told, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode())
    sys.exit(code)


def _run(app: typer.Typer) -> tuple[str, int, RcgError | None]:
    """The state of the command, its exit code, and what went wrong."""
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
    except (BrokenPipeError, SystemExit):  # the reader went, as with `rcg journal | head`; typer makes it an exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "done", 0, None
    except Exception as error:  # noqa: BLE001 - the last resort: told as our bug, with the traceback
        return ("failed", 2, _usage(error)) if _is_usage(error) else ("failed", 1, _bug(error))
    return "done", code if isinstance(code, int) else 0, None


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
    return ConfigError(message, fix=f"{path} --help lists what it takes") if message else None


def _bug(error: Exception) -> RcgError:
    traceback.print_exc()
    return RcgError(f"{type(error).__name__}: {error}", fix="this is a bug in RCG; the traceback says where")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value) if isinstance(value, Path) else list(value)
