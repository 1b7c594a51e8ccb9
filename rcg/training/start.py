"""Begin a training or go on with one: the door between datasets, run folders and the loop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from rcg import journal
from rcg.errors import Cancelled, ConfigError, RcgError, RunError
from rcg.locks import Lock
from rcg.progress import Report, Tick, silent
from rcg.runs import Run, new_run
from rcg.training.config import Budget, TrainConfig
from rcg.training.models import PATIENT_S, choose_architecture
from rcg.training.tasks import TrainingData, check_trainable, limited, read_training_data
from rcg.versions import store_version

if TYPE_CHECKING:
    from rcg.datasets import Dataset
    from rcg.training.trainer import State

Started = Callable[[Run], object]


def train(
    dataset: Dataset,
    *,
    config: TrainConfig | None = None,
    name: str | None = None,
    report: Report = silent,
    started: Started | None = None,
) -> Run:
    """Train a detector on a dataset.

    Args:
        dataset: What to learn from; its splits are by physical card.
        config: The settings; the defaults take 15 minutes.
        name: The run's short name; the dataset's unless given.
        report: Where the progress goes. It may raise `Cancelled`: a checkpoint is then written.
        started: Called with the run as soon as its folder exists.

    Returns:
        The run, in state "done".

    Raises:
        DataError: If the dataset cannot be trained on.
        ConfigError: If a setting does not fit.
        Cancelled: If it was stopped, by the sink or by Ctrl-C; `resume` goes on with it.
    """
    resolved = resolve(config or TrainConfig())
    if dataset.names():
        store_version(dataset, "before a training", complete=True, report=report)
    data = read_training_data(dataset)
    check_trainable(data)
    facts = {"dataset": dataset.name, "dataset_version": data.version, "labels": list(data.labels.names)}
    run = new_run(dataset.workspace, name or dataset.name, facts | resolved.values())
    if started is not None:
        started(run)
    return _work(run, resolved, data, report)


def resume(run: Run, *, report: Report = silent) -> Run:
    """Go on with a run that was stopped, killed or failed, from its last sound checkpoint.

    On a CPU, with `epochs`, the weights at the end are those that an uninterrupted run would have, bit for bit.

    Args:
        run: The run; one that is done is returned as it is.
        report: As for `train`.

    Raises:
        RunError: If the dataset has changed since.
        DataError: If another process trains it.
    """
    if run.state() == "done":
        return run
    from rcg.datasets import Dataset

    saved = run.config()
    resolved = TrainConfig.saved(saved, where=run.path)
    folder = run.workspace / "datasets" / str(saved["dataset"])
    if not (folder / "dataset.toml").exists():
        raise RunError("the dataset of this run is gone", where=folder, fix="restore it, or train on another one")
    data = read_training_data(dataset := Dataset(folder))
    if data.version != (seen := saved_version(saved)):
        fix = f"begin a new run: rcg train {dataset.name}"
        if any(each.id == seen for each in dataset.versions()):
            fix += f"; or go back to what it learned from: rcg dataset restore {dataset.name} {seen[:12]}"
        raise RunError("the dataset has changed since this run began; it would learn from two", where=run.name, fix=fix)
    return _work(run, resolved, data, report)


def saved_version(config: Mapping[str, Any]) -> str:
    """The dataset's version that a run's configuration names; runs of earlier releases have a hash of another kind."""
    return str(config.get("dataset_version") or config.get("fingerprint") or "")


def resolve(config: TrainConfig) -> TrainConfig:
    """The settings with everything chosen that was left open: architecture, device, threads, sizes.

    Raises:
        ConfigError: If the device is not there.
    """
    import torch

    device = choose_device(config.device)
    shaped = config.shaped()
    architecture = choose_architecture(shaped.architecture, device=device.partition(":")[0])
    patient = shaped.budget is not None and Budget.parse(shaped.budget).seconds >= PATIENT_S
    chosen: dict[str, Any] = {
        "image_size": architecture.image_size,
        "batch_size": architecture.batch_size,
        "trainable_layers": architecture.trainable_layers,
        "learning_rate": architecture.learning_rate,
        "threads": torch.get_num_threads(),
        **(architecture.patient if patient else {}),
    }
    missing = {key: value for key, value in chosen.items() if getattr(shaped, key) is None}
    return replace(shaped, architecture=architecture.name, device=device, **missing)


def choose_device(name: str) -> str:
    """The device that "auto" stands for, or the one named.

    Raises:
        ConfigError: If it is unknown, or there is no such GPU.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"there is no device {name!r}", where="device", fix="write auto, cpu or cuda") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        fix = "write device=cpu, or install the CUDA build of torch and the driver"
        raise ConfigError(f"{name} is not there: torch finds {found} GPUs", where="device", fix=fix)
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"{name!r} is not supported", where="device", fix="write auto, cpu or cuda")
    return name


def _work(run: Run, config: TrainConfig, data: TrainingData, report: Report) -> Run:
    """Train under the run's lock, and write down how it ended."""
    from rcg.training.loop import fit

    small = limited(data, config.limit_images)
    with Lock(run.path / "lock", doing="training"), stoppable(report) as watched:
        begun = time.time()
        run.mark("running")
        try:
            for note in data.notes:
                watched(Tick(task="train", done=0, note=note))
            _warn_of_hours(config, watched)
            state = fit(run, config, small, report=watched)
        except Cancelled as stop:
            run.mark("stopped")
            _journal(run, config, data, "training stopped", begun)
            raise Cancelled("stopped", where=run.name, fix=f"go on with it: rcg train --resume {run.name}") from stop
        except RcgError as error:
            with suppress(RcgError):  # on a full disk the failure itself cannot be written down
                run.mark("failed", error=str(error))
                _journal(run, config, data, "training failed", begun, error=error.what)
            raise
        except KeyboardInterrupt:  # a second Ctrl-C: at once, from the last checkpoint it goes on
            run.mark("stopped")
            raise
        except BaseException as error:
            run.mark("failed", error=f"{type(error).__name__}: {error}")
            raise
        run.mark("done")
        _journal(run, config, data, "training finished", begun, steps=state.step, val_ap=state.best)
        early = f", stopped early: {state.worse} validations without a better AP" if _early(run, state) else ""
        reached = "" if state.best is None else f", best validation AP {state.best:.3f}"
        report(Tick(task="train", done=state.step, total=state.step, eta_s=0.0, note=f"done{reached}{early}"))
    return run


def _early(run: Run, state: State) -> bool:
    from rcg.training.schedule import Plan

    plan = Plan.read(run.path / "plan.json")
    return plan is not None and state.step < plan.total


def _warn_of_hours(config: TrainConfig, report: Report) -> None:
    """Say before it begins that an architecture is slow on this machine."""
    architecture = choose_architecture(config.architecture, device=config.device)
    if config.device == "cpu" and architecture.cpu_step_s > 2:
        hours = 1000 * architecture.cpu_step_s / 3600
        note = f"{architecture.title} takes about {hours:.0f} hours for 1,000 steps on a CPU like two cores; "
        report(Tick(task="train", done=0, note=note + "faster_rcnn_lite0 takes minutes"))


def _journal(run: Run, config: TrainConfig, data: TrainingData, event: str, begun: float, **facts: Any) -> None:
    seconds = round(time.time() - begun, 1)
    journal.note(
        run.workspace,
        event,
        run=run.name,
        dataset=data.name,
        architecture=config.architecture,
        seconds=seconds,
        **facts,
    )


@contextmanager
def stoppable(report: Report) -> Iterator[Report]:
    """A sink that raises `Cancelled` after Ctrl-C or SIGTERM, between two steps; a second one ends the work at once."""
    if threading.current_thread() is not threading.main_thread():
        yield report
        return
    asked = False

    def remember(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def watched(tick: Tick) -> None:
        report(tick)
        if asked:
            raise Cancelled("stopped by a signal")

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield watched
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
