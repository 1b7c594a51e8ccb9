"""What a look at a dataset found: how grave it is, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GO, NOTE, WARN, STOP = "go", "note", "warn", "stop"
SEVERITIES = (STOP, WARN, NOTE)

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a reader should know before training.

    Attributes:
        severity: "stop" (training is refused or would be in vain), "warn" (it works, with this doubt) or "note".
        code: A short word for the kind of finding, the same in every report.
        what: What was found, one sentence with the count.
        fix: The line to type, or what to do.
        records: The first images, classes or lines it concerns.
        count: How many it concerns in all.
    """

    severity: str
    code: str
    what: str
    fix: str
    records: tuple[str, ...] = ()
    count: int = 0


def finding(severity: str, code: str, what: str, fix: str, records: Iterable[str] = ()) -> Finding:
    """A finding that shows the first of the records that it concerns."""
    found = tuple(records)
    return Finding(severity=severity, code=code, what=what, fix=fix, records=found[:_SHOWN], count=len(found))


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first."""
    return tuple(sorted(found, key=lambda each: SEVERITIES.index(each.severity)))


def verdict_of(found: Sequence[Finding]) -> str:
    """What the gravest finding makes of a dataset: "stop", "warn" or "go"; a note alone is no doubt."""
    gravest = min((SEVERITIES.index(each.severity) for each in found), default=len(SEVERITIES))
    return SEVERITIES[gravest] if gravest < SEVERITIES.index(NOTE) else GO
