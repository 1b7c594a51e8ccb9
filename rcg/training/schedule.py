"""How many steps a training takes, at which learning rate, when it validates, and how long is left."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from rcg.errors import ConfigError
from rcg.files import read_json, write_json
from rcg.progress import duration
from rcg.training.config import Budget

Clock = Literal["wall", "cpu"]
CLOCKS: tuple[Clock, ...] = ("wall", "cpu")

_EVALUATION_TO_TRAINING = 0.5  # an image costs half as much to validate on as to learn from
_ENOUGH = 10  # timed steps before the first ones, on cold caches, are no longer needed
_DRIFT = 0.04  # a plan is revised when the steps left are off by more than this share


@dataclass(frozen=True, slots=True)
class Revision:
    """From `step` on, the training aims at `total` steps."""

    step: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The course of a training; everything that depends on it follows from the step alone.

    Attributes:
        revisions: The first aim, and each change of it; only a budget changes it.
        evaluate_every: Steps from one validation to the next; there is always one at the end.
        warmup: Steps until the learning rate stands at its peak.
    """

    revisions: tuple[Revision, ...]
    evaluate_every: int
    warmup: int

    @property
    def total(self) -> int:
        """Steps in all, as far as is known now."""
        return self.revisions[-1].total

    def progress(self, step: int) -> float:
        """The share of the course that lies behind `step`, 0 to 1."""
        share, at = 0.0, 0
        for here, following in zip(self.revisions, (*self.revisions[1:], None), strict=True):
            end = min(step, step if following is None else following.step)
            if end > at:
                share += (end - at) * (1 - share) / max(1, here.total - at)
                at = end
        return min(1.0, share)

    def rate(self, step: int) -> float:
        """The learning rate of `step` as a share of the peak: a linear rise, then half a cosine (Loshchilov 2017).

        Example:
            >>> plan = Plan(revisions=(Revision(0, 100),), evaluate_every=50, warmup=10)
            >>> [round(plan.rate(step), 2) for step in (0, 9, 55, 100)]
            [0.1, 0.98, 0.42, 0.0]
        """
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return rise * 0.5 * (1 + math.cos(math.pi * self.progress(step)))

    def evaluates_at(self, step: int) -> bool:
        """Whether there is a validation after `step` steps."""
        return step > 0 and (step % self.evaluate_every == 0 or step == self.total)

    def evaluations_after(self, step: int, *, total: int | None = None) -> int:
        """Validations still to come after the one at `step`, if any."""
        total = self.total if total is None else total
        regular = max(0, total // self.evaluate_every - step // self.evaluate_every)
        return regular + (total > step and total % self.evaluate_every != 0)

    def revised(self, step: int, total: int) -> Plan:
        """The plan with another aim from `step` on; later changes, of a course that was cut off, fall away."""
        kept = tuple(each for each in self.revisions if each.step < step)
        return replace(self, revisions=(*kept, Revision(step, max(step, total, 1))))

    def write(self, path: Path) -> None:
        """Store it, so that a resumed run replays it."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Plan | None:
        """The stored plan, or None."""
        if not path.exists():
            return None
        record: dict[str, Any] = read_json(path)
        revisions = tuple(Revision(**each) for each in record.pop("revisions"))
        return cls(revisions=revisions, **record)


def plan_epochs(epochs: int, *, steps_per_epoch: int, train: int, val: int, share: float, warmup: int) -> Plan:
    """The plan for a number of epochs; it follows from counts alone, so that every machine makes the same.

    Args:
        epochs: Passes through the training images.
        steps_per_epoch: Steps a pass.
        train: Training images.
        val: Validation images.
        share: The largest share of the time for validation.
        warmup: Steps of rising learning rate, at most a fifth of all.
    """
    cost = val * _EVALUATION_TO_TRAINING
    every = max(1, math.ceil(cost * (1 - share) / share / train))
    total = epochs * steps_per_epoch
    return Plan(
        revisions=(Revision(0, total),), evaluate_every=every * steps_per_epoch, warmup=min(warmup, max(1, total // 5))
    )


def plan_budget(budget: Budget, pace: Pace, *, steps_per_epoch: int, share: float, warmup: int) -> Plan:
    """The plan for a budget, from what has been measured.

    Raises:
        ConfigError: If the budget does not hold one step and one validation.
    """
    step_s, evaluation_s = pace.step_s(budget.clock), pace.evaluation_s(budget.clock)
    between = evaluation_s * (1 - share) / share
    every = steps_per_epoch * max(1, math.ceil(between / (step_s * steps_per_epoch)))
    plan = Plan(revisions=(Revision(0, 1),), evaluate_every=every, warmup=warmup)
    total = steps_within(budget, pace, plan, 0)
    if total < 1:
        needed = pace.used(budget.clock) + evaluation_s + 20 * step_s
        what = f"the budget of {duration(budget.seconds)} does not hold the preparation, one step and one validation"
        fix = f"give at least {duration(1.2 * needed)}, or take profile=smoke"
        raise ConfigError(what, where="budget", fix=fix)
    return replace(plan, revisions=(Revision(0, total),), warmup=min(warmup, max(1, total // 5)))


def steps_within(budget: Budget, pace: Pace, plan: Plan, step: int) -> int:
    """The step that the budget lasts to, validations included."""
    left = budget.seconds - pace.used(budget.clock) - pace.finish_s
    total = step + int(left / pace.step_s(budget.clock))
    while total > step:
        needed = (total - step) * pace.step_s(budget.clock)
        needed += max(1, plan.evaluations_after(step, total=total)) * pace.evaluation_s(budget.clock)
        if needed <= left:
            break
        total -= max(1, int((needed - left) / pace.step_s(budget.clock) / 4))
    return max(step, total)


def revise(plan: Plan, budget: Budget, pace: Pace, step: int) -> Plan | None:
    """The plan with another aim where the pace has changed; None where the old aim still holds."""
    total = steps_within(budget, pace, plan, step)
    off = abs(total - plan.total)
    return plan.revised(step, total) if off > max(2, _DRIFT * (plan.total - step)) else None


class Pace:
    """Time used and time a step takes, by the wall and by the processor.

    Args:
        used: Seconds that earlier sessions of the run used, by clock.
    """

    _WINDOW = 60

    def __init__(self, used: dict[Clock, float] | None = None) -> None:
        self._before: dict[Clock, float] = used or {"wall": 0.0, "cpu": 0.0}
        self._start = _now()
        self._steps: deque[dict[Clock, float]] = deque(maxlen=self._WINDOW)
        self._probed: list[dict[Clock, float]] = []
        self._evaluation: dict[Clock, float] = {"wall": 0.0, "cpu": 0.0}
        self._load_then = 1.0
        self._save_s = 0.3
        self.finish_s = 1.0

    def used(self, clock: Clock = "wall") -> float:
        """Seconds used so far, those of earlier sessions included."""
        return self._before[clock] + _now()[clock] - self._start[clock]

    @property
    def measured(self) -> bool:
        """Whether enough steps were timed to judge by them."""
        return len(self._steps) >= _ENOUGH

    @contextmanager
    def step(self, *, probe: bool = False, count: bool = True) -> Iterator[None]:
        """Time a step; a probe stands in until enough real ones are known."""
        before = _now()
        yield
        if count:
            (self._probed if probe else self._steps).append(_since(before))

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Time a validation of the whole split; the last one stands for those to come."""
        before = _now()
        yield
        self.expect_evaluation(_since(before))

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Time a checkpoint."""
        before = _now()
        yield
        self._save_s = _since(before)["wall"]

    def expect_evaluation(self, seconds: dict[Clock, float]) -> None:
        """What a validation will take, before there has been one."""
        self._evaluation, self._load_then = seconds, self._load()

    def _load(self) -> float:
        """How long a processor second takes by the wall: it grows where others use the machine."""
        return self.step_s("wall") / self.step_s("cpu")

    def step_s(self, clock: Clock = "wall") -> float:
        """Seconds a step takes."""
        known = [each[clock] for each in self._steps]
        if not self.measured:
            known += [each[clock] for each in self._probed]
        return max(1e-6, fmean(known)) if known else 1.0

    def evaluation_s(self, clock: Clock = "wall") -> float:
        """Seconds a validation takes at the load of now, the checkpoint after it included."""
        load = self._load() / self._load_then if clock == "wall" else 1.0
        return self._evaluation[clock] * load + self._save_s

    def eta_s(self, plan: Plan, step: int, *, checkpoint_every_s: float) -> float:
        """Seconds left, by the wall."""
        steps = (plan.total - step) * self.step_s()
        timed = steps / checkpoint_every_s * self._save_s if checkpoint_every_s > 0 else 0.0
        return steps + timed + plan.evaluations_after(step) * self.evaluation_s() + self.finish_s


def _now() -> dict[Clock, float]:
    return {"wall": time.monotonic(), "cpu": time.process_time()}


def _since(before: dict[Clock, float]) -> dict[Clock, float]:
    now = _now()
    return {"wall": now["wall"] - before["wall"], "cpu": now["cpu"] - before["cpu"]}
