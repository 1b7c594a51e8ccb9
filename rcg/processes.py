"""Whether a process still runs: pids are reused, so its start counts too."""

from __future__ import annotations

import psutil


def same_process(pid: int, started: float) -> bool:
    """Whether process `pid` runs and is the one that began at `started` (seconds since 1970): pids are reused."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < 0.05
    except psutil.Error:
        return False
