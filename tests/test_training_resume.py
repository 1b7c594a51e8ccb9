"""A training that is killed at any moment and resumed ends with the weights of one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rcg import training
from rcg.errors import Cancelled, RcgError, RunError
from rcg.training.checkpoints import Checkpoints
from tests.training_data import TINY, make_dataset

ROOT = Path(__file__).parents[1]
CONFIG = {**TINY, "epochs": 3, "trainable_layers": 2, "checkpoint_every_s": 0.0}

CHILD = """
import os, signal, sys
from pathlib import Path
from rcg import training
from rcg.runs import Run

def sink(tick):
    if tick.task == "train" and tick.metrics.get("loss") and tick.done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

training.resume(Run(Path(sys.argv[1])), report=sink)
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def whole(dataset):
    """A run that nobody interrupted."""
    return training.train(dataset, config=training.TrainConfig(**CONFIG), name="whole")


def begun(dataset, name, **changes):
    """A run stopped before its first step."""

    def stop(tick):
        raise Cancelled

    found = []
    with pytest.raises(Cancelled):
        config = training.TrainConfig(**{**CONFIG, **changes})
        training.train(dataset, config=config, name=name, report=stop, started=found.append)
    return found[0]


def content(run):
    return Checkpoints(run.checkpoints).last().read()


def assert_same(first, second):
    assert first["state"] == second["state"]
    assert first["model"].keys() == second["model"].keys()
    for name, value in first["model"].items():
        assert torch.equal(value, second["model"][name]), name
    for place, moments in first["optimiser"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, second["optimiser"]["state"][place][name]), (place, name)


def losses(run):
    """Loss by step, from the ticks; a step that stands there twice fails."""
    steps = [(tick["done"], tick["metrics"]["loss"]) for tick in run.ticks() if "loss" in tick["metrics"]]
    assert len(dict(steps)) == len(steps)
    return dict(steps)


def child(run, step):
    code = [sys.executable, "-c", CHILD, str(run.path), str(step)]
    return subprocess.Popen(code, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_at_a_random_step_and_while_a_checkpoint_is_written(dataset, whole):
    run = begun(dataset, "killed")
    step = random.Random().randint(2, 8)
    first = child(run, step)
    assert first.wait(300) == -signal.SIGKILL, first.stderr.read().decode()
    assert run.state() == "stopped"
    assert 0 < Checkpoints(run.checkpoints).newest_step() <= step

    second, halves = child(run, -1), []
    while not halves and second.poll() is None:
        halves = [each for each in run.checkpoints.glob(".*.pt.*.part") if each.exists() and each.stat().st_size]
        time.sleep(0.001)
    second.send_signal(signal.SIGKILL)
    assert second.wait(60) == -signal.SIGKILL, second.stderr.read().decode()
    assert list(run.checkpoints.glob(".*.part")), "the kill did not hit a checkpoint"

    training.resume(run)
    assert run.state() == "done"
    assert not list(run.checkpoints.glob(".*.part"))
    assert losses(run) == losses(whole), step
    assert_same(content(run), content(whole))


def test_cancelled_by_the_sink_it_goes_on_to_the_same_weights(dataset, whole):
    def stop(tick):
        if tick.done == 4 and "loss" in tick.metrics:
            raise Cancelled

    run = begun(dataset, "cancelled", checkpoint_every_s=3600.0)
    with pytest.raises(Cancelled, match="--resume"):
        training.resume(run, report=stop)
    assert run.state() == "stopped"
    assert Checkpoints(run.checkpoints).newest_step() == 4
    training.resume(run)
    assert_same(content(run), content(whole))


def test_ctrl_c_stops_after_the_step_and_saves(dataset):
    def interrupt(tick):
        if tick.done == 2 and "loss" in tick.metrics:
            os.kill(os.getpid(), signal.SIGINT)

    run = begun(dataset, "interrupted", checkpoint_every_s=3600.0)
    with pytest.raises(Cancelled):
        training.resume(run, report=interrupt)
    assert run.state() == "stopped"
    assert Checkpoints(run.checkpoints).newest_step() in (2, 3)


def test_a_damaged_checkpoint_is_passed_over(dataset, whole):
    run = begun(dataset, "damaged")

    def stop(tick):
        if tick.done == 5 and "loss" in tick.metrics:
            raise Cancelled

    with pytest.raises(Cancelled):
        training.resume(run, report=stop)
    newest = Checkpoints(run.checkpoints).all()[-1]
    data = bytearray(newest.path.read_bytes())
    data[len(data) // 2] ^= 1
    newest.path.write_bytes(data)
    assert not newest.sound
    with pytest.raises(RunError, match="damaged"):
        newest.read()
    assert Checkpoints(run.checkpoints).last().step < newest.step
    training.resume(run)
    assert_same(content(run), content(whole))


def test_a_second_process_is_refused(dataset):
    run = begun(dataset, "locked")
    tried = []

    def meddle(tick):
        if not tried:
            tried.append(tick)
            done = subprocess.run(
                [sys.executable, "-c", CHILD, str(run.path), "-1"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 1
            assert "is training here" in done.stderr
            raise Cancelled

    with pytest.raises(Cancelled):
        training.resume(run, report=meddle)
    assert tried


def test_a_changed_dataset_is_refused(tmp_path):
    dataset = make_dataset(tmp_path)
    run = begun(dataset, "changed")
    record = dataset.records()[0]
    dataset.correct(record.file_name, before=record.annotations[0], after=None, source="test")
    with pytest.raises(RunError, match="has changed"):
        training.resume(run)


def test_a_run_that_is_done_stays_as_it_is(whole):
    before = sorted(each.stat().st_mtime_ns for each in whole.path.rglob("*"))
    assert training.resume(whole) == whole
    assert sorted(each.stat().st_mtime_ns for each in whole.path.rglob("*")) == before


def test_event_files_hold_each_step_once(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole.path))
    events.Reload()
    steps = [each.step for each in events.Scalars("train/loss")]
    assert steps == sorted(losses(whole))
    assert "val/ap" in events.Tags()["scalars"]


@pytest.mark.skipif(not Path("/dev/shm").exists() or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_leaves_the_last_checkpoint(dataset, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(small)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        runs = []

        def fill(tick):
            if tick.done == 1 and "loss" in tick.metrics:
                (small / "filler").write_bytes(b"0" * (70 << 20))

        with pytest.raises(RcgError, match="disk is full"):
            config = training.TrainConfig(**CONFIG)
            training.train(make_dataset(small), config=config, report=fill, started=runs.append)
        assert runs[0].state() == "failed"
        last = Checkpoints(runs[0].checkpoints).last()
        assert last is not None
        assert last.sound
        assert not list(runs[0].checkpoints.glob(".*.part"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
