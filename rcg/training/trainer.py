"""All that the training loop works with: network, optimiser, images, state and plan, as new or as they were left."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from rcg.errors import DataError
from rcg.files import write_json
from rcg.progress import Report, Tick
from rcg.runs import Run
from rcg.training.augment import Augmentation
from rcg.training.cache import ImageCache, build_cache
from rcg.training.checkpoints import Checkpoints
from rcg.training.config import Budget, TrainConfig
from rcg.training.data import Batch, Batches
from rcg.training.detect import detect
from rcg.training.environment import describe_environment
from rcg.training.models import Built, ModelSettings, choose_architecture
from rcg.training.runlog import TASK, used_seconds
from rcg.training.schedule import CLOCKS, Pace, Plan, plan_budget, plan_epochs
from rcg.training.tasks import TrainingData, check_trainable
from rcg.types import ImageRecord

log = logging.getLogger(__name__)
_PROBES = 3
_EVALUATION_SCORE = 0.05


@dataclass(slots=True)
class State:
    """Where a training stands; all of it is in a checkpoint.

    Attributes:
        step: Steps done.
        evaluated: The step of the last validation.
        score: The AP of the last validation; None before the first.
        best: The best AP so far; None before the first.
        worse: Validations since the best.
    """

    step: int = 0
    evaluated: int = 0
    score: float | None = None
    best: float | None = None
    worse: int = 0


@dataclass(slots=True, kw_only=True)
class Trainer:
    """A training in progress; made by `prepared`.

    Attributes:
        run: The run's folder.
        config: The resolved settings.
        data: What is learned from.
        batches: The steps, and the decoded images.
        built: The network.
        optimiser: Of its weights.
        scaler: Of the loss in half precision; does nothing otherwise.
        device: Where the network is.
        checkpoints: Of the run.
        pace: Time used, and time a step takes.
        report: Where the progress goes.
        plan: The course.
        state: Where it stands.
    """

    run: Run
    config: TrainConfig
    data: TrainingData
    batches: Batches
    built: Built
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device
    checkpoints: Checkpoints
    pace: Pace
    report: Report
    plan: Plan | None = None
    state: State = field(default_factory=State)

    @property
    def model(self) -> nn.Module:
        """The network."""
        return self.built.model

    def tick(self, note: str, metrics: dict[str, float] | None = None) -> Tick:
        """Where the training stands, with the time that is left once there is a plan.

        The last step counts as done when its validation is, so that nothing shows 100 % while work goes on.
        """
        done, total, eta = self.state.step, None, None
        if self.plan is not None:
            total = self.plan.total
            eta = self.pace.eta_s(self.plan, self.state.step, checkpoint_every_s=self.config.checkpoint_every_s)
            done = min(done, total - 1)
        return Tick(task=TASK, done=done, total=total, metrics=metrics or {}, eta_s=eta, note=note)

    def predictions(self, records: Sequence[ImageRecord], *, note: str) -> list[ImageRecord]:
        """What the network finds in images of the cache; the report is called after each batch."""
        found, cache = [], self.batches.cache
        for record in detect(
            self.model, records, lambda each: cache.pixels(each.file_name), self.data.labels,
            device=self.device, score=_EVALUATION_SCORE, batch_size=self.batches.batch_size,
        ):  # fmt: skip
            found.append(record)
            self.report(self.tick(note, {"images": len(found)}))
        return found

    def backward(self, batch: Batch) -> dict[str, float]:
        """The loss and its parts; the gradients are then in place."""
        with torch.autocast(self.device.type, enabled=self.scaler.is_enabled()):
            parts: dict[str, torch.Tensor] = self.model(batch.images, batch.targets)
            loss = torch.stack(list(parts.values())).sum()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.item(), **{name: value.item() for name, value in parts.items()}}


def prepared(run: Run, config: TrainConfig, data: TrainingData, report: Report) -> Trainer:
    """A training as new, or as the last sound checkpoint of the run has it.

    Args:
        run: The run's folder; the caller holds its lock.
        config: The resolved settings.
        data: What to learn from.
        report: Where the progress goes.

    Raises:
        DataError: If images cannot be decoded and the settings do not say to leave them out, or too few remain.
    """
    pace = Pace(used_seconds(run.ticks_path))
    cache, data = decoded(data, config, ("train", "val"), report)
    check_trainable(data)  # again: what cannot be decoded is left out by now
    checkpoints = Checkpoints(run.checkpoints, keep_best=config.keep_best)
    checkpoints.clean()
    last = checkpoints.last()
    content = None if last is None else last.read()
    device = torch.device(config.device)
    built = build_network(config, len(data.labels.names), like=None if content is None else content["start"])
    report(Tick(task=TASK, done=0, note=f"weights of the network: {built.weights}"))
    if content is None:
        _record_environment(run, config, built, data)
    built.model.to(device)
    trainer = Trainer(
        run=run,
        config=config,
        data=data,
        batches=Batches(
            records=data.splits["train"],
            cache=cache,
            labels=data.labels,
            batch_size=config.batch_size or 1,
            seed=config.seed,
            augmentation=Augmentation(flip=config.flip, turn=config.turn, scale=config.scale, colour=config.colour),
        ),
        built=built,
        optimiser=make_optimiser(built.model, config),
        scaler=torch.amp.GradScaler(device.type, enabled=config.amp and device.type == "cuda"),
        device=device,
        checkpoints=checkpoints,
        pace=pace,
        report=report,
        plan=Plan.read(run.path / "plan.json"),
    )
    if content is not None:
        _restore(trainer, content)
    checkpoints.forget_after(trainer.state.step)  # only damaged ones stand there
    return trainer


def _restore(trainer: Trainer, content: dict[str, Any]) -> None:
    trainer.model.load_state_dict(content["model"])
    trainer.optimiser.load_state_dict(content["optimiser"])
    trainer.scaler.load_state_dict(content["scaler"])
    trainer.state = State(**content["state"])


def checkpoint_content(trainer: Trainer) -> dict[str, Any]:
    """All that a resumed run needs, as tensors, numbers and texts."""
    return {
        "model": trainer.model.state_dict(),
        "optimiser": trainer.optimiser.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "state": asdict(trainer.state),
        "labels": list(trainer.data.labels.names),
        "start": trainer.built.start,
    }


def decoded(
    data: TrainingData, config: TrainConfig, splits: Sequence[str], report: Report
) -> tuple[ImageCache, TrainingData]:
    """The decoded images of some splits, and the data without what cannot be decoded, where the settings allow it.

    Raises:
        DataError: If images cannot be decoded and the settings say "stop"; it names them.
    """
    names = [record.file_name for split in splits for record in data.splits[split]]
    size, threads = config.image_size or 0, config.threads or 1
    cache = build_cache(data.cache, data.images, names, size=size, threads=threads, report=report)
    if not cache.unreadable:
        return cache, data
    bad = [f"{name} ({why})" for name, why in sorted(cache.unreadable.items())]
    shown = "; ".join(bad[:10]) + (f"; and {len(bad) - 10:,} more" if len(bad) > 10 else "")
    if config.unreadable == "stop":
        fix = "replace or remove these images, or leave them out: unreadable=skip"
        raise DataError(f"{len(bad):,} images cannot be decoded: {shown}", where=data.images, fix=fix)
    note = f"{len(bad):,} images cannot be decoded and are left out: {shown}"
    log.warning("%s", note)
    report(Tick(task="decode images", done=len(names), total=len(names), note=note))
    return cache, data.without(cache.unreadable, note=note)


def build_network(config: TrainConfig, classes: int, *, like: str | None = None) -> Built:
    """The network that the resolved settings ask for; weights that are new follow from the seed."""
    architecture = choose_architecture(config.architecture, device=config.device)
    torch.manual_seed(config.seed)
    return architecture.build(
        ModelSettings(
            classes=classes,
            image_size=config.image_size or architecture.image_size,
            rois=config.rois,
            trainable_layers=config.trainable_layers or 0,
            pretrained=config.pretrained != "none",
            like=like,
        )
    )


def make_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser of the layers that learn; those of the backbone at their own share of the rate."""
    body: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (body if name.startswith("backbone.body.") else others).append(parameter)
    groups: list[dict[str, Any]] = [{"params": others, "share": 1.0}]
    if body:
        groups.append({"params": body, "share": config.backbone_rate})
    return torch.optim.AdamW(groups, lr=config.learning_rate or 0.0, weight_decay=config.weight_decay)


def make_plan(trainer: Trainer) -> Plan:
    """The plan of a new run: from counts (epochs) or from what was measured (budget)."""
    config, steps = trainer.config, trainer.batches.steps_per_epoch
    share, warmup = config.evaluation_share, config.warmup_steps
    if config.budget is not None:
        budget = Budget.parse(config.budget)
        return plan_budget(budget, trainer.pace, steps_per_epoch=steps, share=share, warmup=warmup)
    train, val = (len(trainer.data.splits[split]) for split in ("train", "val"))
    return plan_epochs(config.epochs or 1, steps_per_epoch=steps, train=train, val=val, share=share, warmup=warmup)


def measure(trainer: Trainer) -> None:
    """Time a few steps and a part of a validation, without learning from them: the first estimate of what is left."""
    model, batches = trainer.model, trainer.batches
    kept = {name: value.clone() for name, value in model.named_buffers()}
    order = batches.order(0)
    model.train()
    for place in range(_PROBES + 1):
        trainer.report(trainer.tick("measuring the time of a step"))
        batch = batches.make(0, order[place % len(order)]).to(trainer.device)
        with trainer.pace.step(probe=place > 0, count=place > 0):  # the first one warms up
            trainer.backward(batch)
        trainer.optimiser.zero_grad()
    for name, value in model.named_buffers():
        value.copy_(kept[name])
    records = trainer.data.splits["val"]
    sample = records[: max(8, batches.batch_size)]
    trainer.predictions(sample[:1], note="measuring the time of a validation")
    timed = Pace()
    trainer.predictions(sample, note="measuring the time of a validation")
    trainer.pace.expect_evaluation({clock: timed.used(clock) * len(records) / len(sample) for clock in CLOCKS})


def _record_environment(run: Run, config: TrainConfig, built: Built, data: TrainingData) -> None:
    """Write environment.json: versions, machine, where the weights came from, the dataset's version."""
    facts = describe_environment(config.device) | {"start": built.start, "weights": built.weights}
    counts = {split: len(records) for split, records in data.splits.items()}
    write_json(
        run.path / "environment.json",
        facts | {"dataset": data.name, "dataset_version": data.version, "images": counts, "notes": list(data.notes)},
    )
