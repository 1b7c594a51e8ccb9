"""The training loop: one step after another, from wherever the last checkpoint stands to the end of the plan."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import torch

from rcg.errors import Cancelled, RunError
from rcg.progress import Report
from rcg.runs import Run
from rcg.training.config import Budget, TrainConfig
from rcg.training.data import Batch
from rcg.training.metrics import coco_numbers
from rcg.training.runlog import RunLog
from rcg.training.schedule import Plan, revise
from rcg.training.tasks import TrainingData
from rcg.training.trainer import State, Trainer, checkpoint_content, make_plan, measure, prepared

_LARGEST_GRADIENT = 5.0


def fit(run: Run, config: TrainConfig, data: TrainingData, *, report: Report) -> State:
    """Train until the plan is done, and go on where an earlier call was stopped or killed.

    Args:
        run: The run's folder; the caller holds its lock.
        config: The resolved settings: nothing in them is None but `epochs` or `budget`, and `limit_images`.
        data: What to learn from.
        report: Where the progress goes; where it raises `Cancelled`, a checkpoint is written first.

    Raises:
        DataError: If images cannot be decoded.
        RunError: If the loss is not finite any more.
        Cancelled: If the sink asked for a stop.
    """
    with threads(config.threads):
        trainer = prepared(run, config, data, report)
        measure(trainer)
        plan = planned(trainer)
        state, pace = trainer.state, trainer.pace
        batches = trainer.batches.from_step(state.step)
        with RunLog(run.path, step=state.step) as out, closing(batches), saved_on_stop(trainer, out):
            report(trainer.tick(_course(trainer, plan)))
            last_save = pace.used()
            while True:
                if plan.evaluates_at(state.step) and state.evaluated != state.step:
                    validate(trainer, out)
                    save(trainer, out)
                    last_save = pace.used()
                if state.step >= plan.total or stops_early(state, config):
                    break
                if revision := revised(trainer, plan):
                    trainer.plan = plan = revision
                    continue
                with pace.step():
                    losses, rate = one_step(trainer, plan, next(batches))
                    state.step += 1
                    tell(trainer, out, losses, rate)
                if pace.used() - last_save >= config.checkpoint_every_s and not plan.evaluates_at(state.step):
                    save(trainer, out)
                    last_save = pace.used()
        return state


def planned(trainer: Trainer) -> Plan:
    """The plan of the run: replayed where it is stored, else made and stored."""
    if trainer.plan is None:
        trainer.plan = make_plan(trainer)
        trainer.plan.write(trainer.run.path / "plan.json")
    return trainer.plan


def _course(trainer: Trainer, plan: Plan) -> str:
    epochs = plan.total / trainer.batches.steps_per_epoch
    return f"{plan.total:,} steps, {epochs:.1f} epochs, a validation every {plan.evaluate_every:,} steps"


def one_step(trainer: Trainer, plan: Plan, batch: Batch) -> tuple[dict[str, float], float]:
    """Learn from one batch; returns the loss with its parts, and the learning rate.

    Raises:
        RunError: If the loss or its gradient is not finite; the network stays as it was before the step.
    """
    config, step, scaler = trainer.config, trainer.state.step, trainer.scaler
    peak = config.learning_rate or 0.0
    rate = plan.rate(step) * peak
    for group in trainer.optimiser.param_groups:
        group["lr"] = rate * group["share"]
    torch.manual_seed(step_seed(config.seed, step))
    trainer.model.train()
    trainer.optimiser.zero_grad()
    losses = trainer.backward(batch.to(trainer.device))
    scaler.unscale_(trainer.optimiser)
    weights = [each for group in trainer.optimiser.param_groups for each in group["params"]]
    length = float(torch.nn.utils.clip_grad_norm_(weights, _LARGEST_GRADIENT))
    sound = math.isfinite(length) or scaler.is_enabled()  # in half precision the scaler passes over such a step
    if not sound or not all(map(math.isfinite, losses.values())):
        names = ", ".join(batch.file_names)
        what = f"the loss is not finite at step {step + 1:,} (learning rate {rate:.2g}, images {names})"
        fix = f"train anew with learning_rate={peak / 5:.2g}, and look at the boxes of these images"
        raise RunError(what, where=trainer.run.path, fix=fix)
    scaler.step(trainer.optimiser)
    scaler.update()
    return losses, rate


def step_seed(seed: int, step: int) -> int:
    """The seed of torch's generator at a step: counted, so that nothing needs to be stored."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=7).digest())


def tell(trainer: Trainer, out: RunLog, losses: dict[str, float], rate: float) -> None:
    """Write a step down and report it."""
    state, pace, steps = trainer.state, trainer.pace, trainer.batches.steps_per_epoch
    total = state.step if trainer.plan is None else trainer.plan.total
    note = f"epoch {math.ceil(state.step / steps):,} of {math.ceil(total / steps):,}"
    tick = trainer.tick(note, {"epoch": state.step / steps, **losses, "lr": rate})
    out.write(replace(tick, done=state.step), seconds=pace.used(), cpu_seconds=pace.used("cpu"))
    trainer.report(tick)


def validate(trainer: Trainer, out: RunLog) -> None:
    """Measure AP on the validation split, and count how long it has not risen."""
    state, data, pace = trainer.state, trainer.data, trainer.pace
    records = data.splits["val"]
    with pace.evaluation():
        numbers, _ = coco_numbers(records, trainer.predictions(records, note="validation"), data.labels)
    state.evaluated, state.score = state.step, numbers["AP"]
    if state.score is not None:  # a validation split without boxes has no AP, and cannot stop anything
        state.worse = 0 if state.best is None or state.score > state.best else state.worse + 1
        state.best = state.score if state.best is None else max(state.best, state.score)
    metrics = {f"val_{name.lower()}": value for name, value in numbers.items() if value is not None}
    tick = trainer.tick("validation", metrics)
    out.write(replace(tick, done=state.step), seconds=pace.used(), cpu_seconds=pace.used("cpu"))
    shown = {name: value for name, value in metrics.items() if name in ("val_ap", "val_ap50")}
    trainer.report(replace(tick, metrics=shown))


def stops_early(state: State, config: TrainConfig) -> bool:
    """Whether the validation AP has not risen for so long that going on is in vain."""
    return bool(config.patience) and state.worse >= config.patience


def revised(trainer: Trainer, plan: Plan) -> Plan | None:
    """The plan with another aim, stored, where the machine turned out faster or slower than measured."""
    step, config = trainer.state.step, trainer.config
    if config.budget is None or not trainer.pace.measured or plan.revisions[-1].step == step:
        return None
    if step % max(5, plan.total // 25):  # looked at now and then, so that the course stays a smooth one
        return None
    changed = revise(plan, Budget.parse(config.budget), trainer.pace, step)
    if changed is not None:
        changed.write(trainer.run.path / "plan.json")
    return changed


def save(trainer: Trainer, out: RunLog) -> None:
    """Write a checkpoint; it has a score if the validation was at this very step."""
    state = trainer.state
    out.flush()
    with trainer.pace.saving():
        score = state.score if state.evaluated == state.step else None
        trainer.checkpoints.save(state.step, checkpoint_content(trainer), score=score)


@contextmanager
def saved_on_stop(trainer: Trainer, out: RunLog) -> Iterator[None]:
    """Write a checkpoint where the user stops, so that nothing is lost."""
    try:
        yield
    except Cancelled:
        if trainer.checkpoints.newest_step() != trainer.state.step:
            save(trainer, out)
        raise


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Use so many threads: their number decides on the order of sums, so a resumed run must have the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
