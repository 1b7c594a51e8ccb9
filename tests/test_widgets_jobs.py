"""Jobs in the panels: taken up wherever they were started, resumed once, stopped without holding up the kernel."""

import threading
import time

import pytest

pytest.importorskip("ipywidgets")

from rcg.files import write_json
from rcg.jobs import Job, jobs
from rcg.progress import Tick, jsonl
from rcg.runs import new_run
from rcg.training.config import TrainConfig
from rcg.workspace import Workspace
from tests.panel_data import running_job, until
from widgets import Workbench, dataset_panel, home_panel, review_panel, training_panel
from widgets.home_model import DatasetRow, HomeModel, next_steps, open_jobs
from widgets.job_model import JobModel
from widgets.jobbar import JobBar
from widgets.training_model import Row, TrainingModel


def ended_job(place, arguments, *, state="cancelled", run="", age_s=0.0):
    """A job that ended some time ago."""
    with running_job(place, arguments, title="training", age_s=age_s) as job:
        if run:
            job.note(run=run)
        write_json(job.folder / "state.json", {"state": state, "ended": time.time() - age_s, "result": None})
    return job


def test_a_running_job_goes_before_a_newer_one_that_ended(filled):
    with running_job(filled, ("train", "attic"), title="the long one") as job:
        time.sleep(0.01)
        ended_job(filled, ("evaluate", "x"), state="failed")
        model = TrainingModel(filled)
        assert model.jobs.job.id == job.id


def test_a_training_that_a_terminal_started_is_taken_up(filled):
    model = TrainingModel(filled)
    model.poll()
    assert model.jobs.job is None
    with running_job(filled, ("train", "attic"), title="from a terminal") as job:
        until(lambda: (model.poll(), model.jobs.job is not None)[1], 5)
        assert model.jobs.job.id == job.id
        assert model.jobs.running


def test_the_curves_of_a_training_in_a_terminal_grow(filled):
    model = TrainingModel(filled)
    config = TrainConfig(epochs=3).values()
    run = new_run(filled, "elsewhere", {"dataset": "attic", "labels": ["card"], **config})
    run.mark("running")
    model.poll()
    assert model.run == run.name
    assert model.compared[0] == run.name
    jsonl(run.ticks_path, every_s=0)(Tick(task="train", done=1, total=9, metrics={"loss": 2.0}))
    model.poll()
    assert model.curves.loss[0].y == (2.0,)
    run.mark("done")
    until(lambda: (model.poll(), model.runs[0].state == "done")[1], 5)


def test_a_job_resumed_at_home_has_one_bar(filled):
    run = new_run(filled, "x", {"dataset": "attic", "labels": ["card"], **TrainConfig(epochs=3).values()})
    run.mark("stopped")
    old = ended_job(filled, ("train", "attic"), run=run.name)
    panel = home_panel(filled, inline=True)
    (model,) = panel.model.watched
    assert model.job.id == old.id
    panel.bar(model).resume.click()
    panel.model.refresh()
    assert [each.job.arguments for each in panel.model.watched] == [("train", "--resume", run.name)]
    assert len(panel.controls["jobs"].children) == 1


def test_a_bar_that_was_closed_at_home_stays_closed(filled):
    ended_job(filled, ("train", "attic"))
    panel = home_panel(filled, inline=True)
    (model,) = panel.model.watched
    panel.bar(model).dismiss.click()
    panel.model.poll()
    panel.model.refresh()
    assert panel.model.watched == ()


def test_only_what_can_be_resumed_waits(filled):
    ws = Workspace(filled)
    run = new_run(filled, "x", {"dataset": "attic", "labels": ["card"], **TrainConfig(epochs=3).values()})
    run.mark("stopped")
    first = ended_job(filled, ("train", "attic"), run=run.name)
    assert [job.id for job in open_jobs(ws, jobs(filled))] == [first.id]
    ended_job(filled, ("browse", "attic"), state="cancelled")
    assert [job.id for job in open_jobs(ws, jobs(filled))] == [first.id], "a closed App waits for nobody"
    second = ended_job(filled, ("train", "--resume", run.name))
    assert [job.id for job in open_jobs(ws, jobs(filled))] == [second.id], "the same run waits once"
    run.mark("done")
    assert open_jobs(ws, jobs(filled)) == [], "it was finished in a terminal"


def test_a_job_with_damaged_files_does_not_break_the_panels(filled):
    for text in ('{"state": "do', '"done"', '{"state": "odd"}', "[]"):
        job = ended_job(filled, ("train", "attic"))
        (job.folder / "state.json").write_text(text)
        assert Job.open(job.folder).state == "lost"
    (job.folder / "job.json").write_text("[1]")
    training_panel(filled, inline=True)
    home_panel(filled, inline=True)
    assert len(jobs(filled)) == 3


class Slow(JobModel):
    """A job on a disk that answers slowly."""

    def cancel(self):
        time.sleep(1.0)
        super().cancel()

    def dismiss(self):
        time.sleep(1.0)
        super().dismiss()


def test_stop_and_close_do_not_hold_up_the_kernel(filled):
    ws = Workspace(filled)
    with running_job(filled, ("train", "attic"), title="x") as job:
        model = Slow(ws, kinds=("train",))
        model.attach(job)
        bar = JobBar(model)
        begun = time.monotonic()
        bar.cancel.click()
        bar.dismiss.click()
        assert time.monotonic() - begun < 0.3
        until(lambda: job.stopping)
        until(lambda: model.job is None)
        bar.close()


def test_start_rests_while_a_job_runs_also_after_a_click(filled):
    panel = training_panel(filled, inline=True)
    with running_job(filled, ("train", "attic"), title="x") as job:
        panel.model.jobs.attach(job)
        names = ("start", "evaluate", "predict", "resume")
        assert all(panel.controls[name].disabled for name in names)
        panel.controls["refresh"].click()  # a command ends; the job goes on
        assert all(panel.controls[name].disabled for name in names)
        assert not panel.controls["refresh"].disabled
        write_json(job.folder / "state.json", {"state": "cancelled", "ended": time.time(), "result": None})
        panel.model.poll()
        assert not any(panel.controls[name].disabled for name in names)
    adding = dataset_panel(filled, inline=True)
    with running_job(filled, ("dataset", "add", "attic"), title="x") as job:
        adding.model.jobs.attach(job)
        adding.controls["refresh"].click()
        assert adding.controls["add"].disabled


def test_a_panel_that_is_opened_again_leaves_no_threads(filled):
    def ours():
        return {each for each in threading.enumerate() if each.name.startswith("rcg")}

    training_panel(filled)
    review_panel(filled)
    until(lambda: len(ours()) > 1)
    before = len(ours())
    for _ in range(5):
        training_panel(filled)
        last = review_panel(filled)
        until(lambda panel=last: panel.model.reading == "" and panel.model.items)
    try:
        until(lambda: len(ours()) <= before, 10)
    finally:
        for each in (last, training_panel(filled)):
            each.retire()
    until(lambda: not ours(), 10)


def test_copied_code_of_an_import_makes_its_dataset(place, yolo):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(yolo)
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    panel.job.code_open.value = True
    assert "rcg dataset create Attic-Cards --type surface_damage" in panel.job.code.value
    assert "rcg dataset add Attic-Cards" in panel.job.code.value


def data(**values):
    return DatasetRow(**{"name": "a", "images": 3, "labelled": 3, "annotations": 9, "trainable": True, **values})


def row(**values):
    shown = {"name": "r", "state": "done", "dataset": "a", "architecture": "x", "numbers": {"AP": 0.5}, "config": {}}
    return Row(**{**shown, **values})


def test_the_next_step_is_one_that_can_be_taken():
    assert next_steps([data()], []) == ("Train on a: open Training.",)
    assert next_steps([data(trainable=False)], []) == ()
    assert next_steps([data()], [row()]) == ("Predict with r, to see its mistakes: open Training.",)
    assert next_steps([data(predictions=("r",))], [row()]) == ("Look at the mistakes of r: open Review.",)


def test_a_run_that_failed_last_is_told_with_its_reason():
    failed = row(name="f", state="failed", numbers={}, error="the disk is full")
    (step,) = next_steps([data()], [failed])
    assert step == "Resume f, or start anew: it failed (the disk is full)."
    assert next_steps([data(predictions=("r",))], [row(), failed])[0].startswith("Look at the mistakes of r")


def test_a_panel_behind_a_tab_reads_nothing_large_until_it_comes_to_the_front(filled):
    bench = Workbench(filled, inline=True)
    assert bench.review.model.items == ()
    bench.box.selected_index = bench.box.titles.index("Review")
    assert len(bench.review.model.items) == 10


def test_a_broken_dataset_is_told_and_the_rest_works(filled, yolo):
    for text in ('type = "cust', "classes = 3", "\xff\xfe"):
        Workspace(filled).create("zebra", type="custom")
        file = filled / "datasets" / "zebra" / "dataset.toml"
        file.write_text(text, encoding="latin-1")
        home = HomeModel(filled)
        home.refresh()
        told = {row.name: row.problem for row in home.glance.datasets}
        assert "cannot be read" in told["zebra"]
        assert told["attic"] == ""
        panel = training_panel(filled, inline=True)
        panel.controls["dataset"].value = "zebra"
        assert "description cannot be read" in panel.shown_message
        panel.controls["dataset"].value = "attic"
        assert len(panel.model.architectures) > 1
        looking = dataset_panel(filled, inline=True)
        looking.controls["dataset"].value = "zebra"
        assert "description cannot be read" in looking.shown_message
        file.unlink()


@pytest.mark.parametrize("name", ["state.json", "metrics.json", "config.toml"])
def test_a_damaged_run_stands_in_the_list_as_failed(filled, name):
    run = new_run(filled, "x", {"dataset": "attic", "labels": ["card"], **TrainConfig(epochs=3).values()})
    for text in ('{"state": ', "[]", "\xff"):
        (run.path / name).write_text(text, encoding="latin-1")
        if name == "config.toml" and text == "[]":
            continue
        panel = training_panel(filled, inline=True)
        (shown,) = panel.model.runs
        assert shown.state == "failed"
        assert shown.error
        panel.controls["predict"].click()
        assert panel.shown_message


def test_a_run_whose_dataset_is_gone_is_told_before_anything_starts(filled):
    run = new_run(filled, "x", {"dataset": "lost", "labels": ["card"], **TrainConfig(epochs=3).values()})
    panel = training_panel(filled, inline=True)
    panel.controls["predict"].click()
    assert "the dataset that it was trained on (lost) is not here" in panel.shown_message
    assert f"rcg predict {run.name} FOLDER" in panel.shown_message
    assert not jobs(filled)


def test_images_that_could_not_be_predicted_are_told(filled):
    new_run(filled, "x", {"dataset": "attic", "labels": ["card"], **TrainConfig(epochs=3).values()})
    model = TrainingModel(filled)
    unread = [{"file": "a.jpg", "line": None, "reason": "the file is cut off", "text": ""}]
    with running_job(filled, ("predict", model.run, "attic"), title="predicting") as job:
        model.jobs.attach(job)
        result = {"images": 9, "annotations": 20, "unreadable": unread}
        write_json(job.folder / "state.json", {"state": "done", "ended": time.time(), "result": result})
        model.poll()
    assert model.message.kind == "warning"
    assert "1 image could not be read" in model.message.what
    assert model.message.where == "a.jpg"
    assert "the file is cut off" in model.message.fix
