"""Each panel twice: its model driven by code, and its view pressed without a browser."""

import contextlib
import os
import shutil
import subprocess
import time

import psutil
import pytest

pytest.importorskip("ipywidgets")

from rcg.annotations import convert
from rcg.errors import ConfigError, DataError, RcgError
from rcg.files import read_json, write_json
from rcg.jobs import jobs
from rcg.progress import Tick, jsonl
from rcg.runs import new_run
from rcg.synthetic import render_dataset
from rcg.workspace import Workspace
from tests.panel_data import running_job, until
from widgets import Workbench, dataset_panel, home_panel, review_panel, training_panel
from widgets.dataset_model import DatasetModel
from widgets.home_model import HomeModel
from widgets.job_model import snapshot
from widgets.looking import NAME, QUEUE
from widgets.review_model import ReviewModel
from widgets.training_model import defaults, help_texts


def steps(job):
    """How many steps a training has done."""
    tick = job.tick()
    return tick.done if tick is not None and tick.task == "train" else 0


# datasets


def test_a_folder_is_recognised_before_anything_is_copied(place, yolo):
    model = DatasetModel(place)
    model.path = f'  "{yolo}" '
    model.recognise()
    assert (model.seen.format, model.seen.images) == ("yolo", 10)
    assert "card" in model.seen.classes
    assert (model.name, model.kind) == ("Attic-Cards", "surface_damage")
    assert not (place / "datasets").exists()


def test_a_dataset_is_made_by_the_model_alone(place, yolo):
    model = DatasetModel(place)
    model.path = str(yolo)
    model.recognise()
    model.add()
    job = model.jobs.wait(60)
    assert job.result["images"] == 10
    assert model.dataset == "Attic-Cards"
    assert model.about.readiness.images == 10
    model.tab = "images"
    model.open_tab()
    assert "".join(model.images.pages.shown).count("<img") == 10
    assert model.message.kind in ("done", "warning")
    assert yolo.exists()


def test_a_dataset_is_made_by_clicks(place, yolo):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(yolo)
    assert "YOLO" in panel.controls["seen"].value
    assert "10 images" in panel.controls["seen"].value
    assert panel.controls["add"].description == "Create and add"
    panel.controls["link"].value = True
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    assert "10" in panel.controls["about"].value
    panel.open("images")
    assert "".join(panel.model.images.pages.shown).count("<img") == 10
    assert len(panel.controls["images"].children) == 10
    images = list((place / "datasets" / "Attic-Cards" / "images").rglob("*.jpg"))
    assert images
    assert all(each.is_symlink() for each in images)
    assert panel.controls["add"].description == "Add to Attic-Cards"


def test_of_several_kinds_of_labels_one_is_chosen(place, yolo, tmp_path):
    both = shutil.copytree(yolo, tmp_path / "both kinds")
    convert(yolo, tmp_path / "voc", to="voc")
    for path in (tmp_path / "voc").rglob("*.xml"):
        shutil.copy(path, both)
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(both)
    assert "several kinds of labels" in panel.controls["seen"].value
    assert "“Read as”" in panel.controls["seen"].value, "the control is named as the panel names it"
    assert panel.controls["more"].selected_index == 0, "the box it stands in is open"
    assert panel.controls["name"].value == ""
    panel.controls["format"].value = "yolo"
    assert "10 images" in panel.controls["seen"].value
    panel.controls["add"].click()
    assert panel.model.jobs.wait(60).result["format"] == "yolo"


def test_predictions_are_added_to_a_dataset(filled, yolo, tmp_path):
    source = Workspace(filled).dataset("attic").labels_file("predictions", "model-a")
    shutil.copy(source, tmp_path / "found.json")
    panel = dataset_panel(filled, inline=True)
    panel.controls["stage"].value = "predictions"
    panel.controls["predictions"].value = "model-b"
    panel.controls["path"].value = str(tmp_path / "found.json")
    assert panel.controls["name"].value == "attic"
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    assert Workspace(filled).dataset("attic").prediction_names() == ("model-a", "model-b")
    assert "model-b" in panel.controls["ready"].value


def test_the_second_import_is_added_to_the_same_dataset(place, yolo):
    model = DatasetModel(place)
    for _ in range(2):
        model.path, model.name = str(yolo), "attic"
        model.recognise()
        model.add()
        model.jobs.wait(60)
    assert model.workspace.dataset("attic").coverage().images == 10
    assert len(model.names) == 1


@pytest.mark.parametrize(
    ("path", "says", "fix"),
    [("/no/such/folder", "no such folder", "/ exists"), ("", "no folder is named", "type or paste")],
)
def test_a_wrong_path_is_told_in_the_panel_and_leaves_nothing_behind(place, path, says, fix):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = path
    panel.controls["name"].value = "x"
    panel.controls["add"].click()
    shown = panel.shown_message
    assert says in shown
    assert fix in shown
    assert panel.model.busy == ""
    assert not (place / "datasets").exists()


def test_a_path_that_cannot_be_one_is_told_as_such(place):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = "/" + "x" * 5000
    assert "fault in RCG" not in panel.controls["seen"].value + panel.shown_message
    assert "Fix" in panel.controls["seen"].value


def test_a_type_chosen_by_hand_stays(place, yolo):
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(yolo)
    assert panel.controls["kind"].value == "surface_damage"
    panel.controls["kind"].value = "edge_damage"
    panel.controls["path"].value = str(yolo) + "/"
    assert panel.controls["kind"].value == "edge_damage"


def test_an_empty_folder_is_told_while_typing(place, tmp_path):
    (tmp_path / "empty").mkdir()
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(tmp_path / "empty")
    assert "fix" in panel.controls["seen"].value.lower()
    panel.controls["name"].value = "x"
    panel.controls["add"].click()
    assert "name a folder" in panel.shown_message
    assert not (place / "datasets").exists()


def test_bad_lines_stand_in_the_panel_with_file_line_and_reason(place, yolo, tmp_path):
    copy = shutil.copytree(yolo, tmp_path / "copy")
    label = sorted((copy / "train" / "labels").glob("*.txt"))[1]
    label.write_text(label.read_text() + "0 0.5 0.5 nonsense 0.1\n")
    count = len(label.read_text().splitlines())
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(copy)
    panel.controls["add"].click()
    panel.model.jobs.wait(60)
    assert "left out" in panel.shown_message
    panel.open("left_out")
    shown = panel.controls["left_out"].value
    assert label.name in shown
    assert f"<td class=rcg-number>{count}</td>" in shown
    assert "<code>0 0.5 0.5 nonsense 0.1</code>" in shown
    assert "write: class x y width height" in shown, "how to mend it"


def test_a_second_writer_is_told_who_writes(filled, yolo):
    panel = dataset_panel(filled, inline=True)
    panel.controls["path"].value, panel.controls["name"].value = str(yolo), "attic"
    with Workspace(filled).dataset("attic").writing("adding 5 images"):
        panel.controls["add"].click()
        with pytest.raises(DataError):
            panel.model.jobs.wait(60)
    panel.model.poll()
    shown = panel.job.message.value
    assert "is adding 5 images here" in shown
    assert "wait until it has finished" in shown
    assert "Traceback" not in shown, "the user can mend it"
    assert panel.job.resume.layout.display == ""


def test_an_import_is_cancelled_and_resumed_and_the_counts_add_up(place, tmp_path):
    big = tmp_path / "many cards"
    render_dataset(big, counts={"train": 60, "val": 2, "test": 2}, size=(160, 200))
    image = next((big / "train" / "images").glob("*.jpg"))
    label = big / "train" / "labels" / f"{image.stem}.txt"
    for number in range(1500):
        shutil.copy(image, image.with_name(f"copy{number}_front.jpg"))
        shutil.copy(label, label.with_name(f"copy{number}_front.txt"))
    panel = dataset_panel(place, inline=True)
    panel.controls["path"].value = str(big)
    panel.controls["add"].click()
    job = panel.model.jobs.job
    until(lambda: job.tick() is not None and job.tick().done > 5)
    process = psutil.Process(read_json(job.folder / "job.json")["pid"])
    process.suspend()  # however fast the import is, it is in the middle now
    assert job.tick().done < job.tick().total
    panel.job.cancel.click()
    assert panel.job.cancel.description in ("Stopping", "Stop now")
    process.resume()
    asked = time.monotonic()
    assert job.wait(10).state == "cancelled"
    assert time.monotonic() - asked < 2
    panel.model.poll()
    assert panel.job.resume.layout.display == ""
    panel.job.resume.click()
    panel.model.jobs.wait(60)
    have = Workspace(place).dataset(panel.model.name).coverage()
    assert have.images == 1564
    assert have.labelled == 1564


# training


def test_settings_are_those_of_the_library_each_with_its_help(place):
    from rcg.training.config import TrainConfig
    from widgets.training import _CHOICES, groups_of

    panel = training_panel(place, inline=True)
    assert set(help_texts()) == set(defaults()) <= set(panel.controls)
    assert groups_of(["seed", "flip", "brand_new"])["Run"] == ["seed", "brand_new"]
    for name, words in _CHOICES.items():
        for word in words:
            TrainConfig.parse([f"{name}={word}"])


def test_a_wrong_setting_is_told_at_once_and_nothing_starts(filled):
    panel = training_panel(filled, inline=True)
    panel.controls["rois"].value = "many"
    assert "not a whole number" in panel.controls["wrong"].value
    panel.controls["start"].click()
    assert "not a whole number" in panel.shown_message
    assert not jobs(filled)
    panel.controls["rois"].value = ""
    assert panel.controls["wrong"].value == ""
    with pytest.raises(ConfigError, match="flip"):
        panel.model.settings = {"flop": "1"}
        panel.model.start()


def test_epochs_and_budget_exclude_each_other(filled):
    panel = training_panel(filled, inline=True)
    panel.controls["budget"].value = "5 min"
    panel.controls["epochs"].value = "3"
    assert panel.model.settings == {"epochs": "3"}
    assert panel.controls["budget"].value == ""
    assert "train attic epochs=3" in panel.model.code().command


def test_without_a_dataset_the_panel_says_what_to_do(place):
    panel = training_panel(place, inline=True)
    panel.controls["start"].click()
    assert "no dataset is chosen" in panel.shown_message
    assert "make one in the dataset panel" in panel.shown_message
    assert "There is no run yet" in panel.controls["curves"].value


def test_a_training_is_started_stopped_resumed_evaluated_and_shown(filled):
    """The whole path by clicks: the same as `rcg train`, `evaluate` and `predict`."""
    panel = training_panel(filled, inline=True)
    panel.controls["profile"].value = "smoke"
    panel.controls["epochs"].value = "30"
    panel.controls["start"].click()
    job = panel.model.jobs.job
    until(lambda: steps(job) > 1, 90)
    panel.model.poll()
    run = panel.model.run
    assert run == job.notes["run"]
    assert panel.job.resume.layout.display == "none"
    panel.job.cancel.click()
    assert job.wait(30).state == "cancelled"
    panel.model.poll()
    assert next(row for row in panel.model.runs if row.name == run).state == "stopped"
    done = Workspace(filled).run(run).ticks()[-1]["done"]
    panel.job.resume.click()
    again = panel.model.jobs.job
    assert again.arguments == ("train", "--resume", run)
    until(lambda: steps(again) > done, 90)
    again.cancel()
    again.wait(30)
    assert len(panel.model.run_names) == 1
    panel.model.poll()
    panel.controls["evaluate"].click()
    panel.model.wait(120)
    panel.controls["predict"].click()
    panel.model.wait(120)
    assert "test AP" in panel.controls["runs"].value
    assert run in Workspace(filled).dataset("attic").prediction_names()
    assert panel.controls["pictures"].value.count("<img") >= 1
    assert "<polyline" in panel.controls["curves"].value


def test_a_new_kernel_takes_up_the_running_job(filled):
    first = training_panel(filled, inline=True)
    first.controls["profile"].value, first.controls["epochs"].value = "smoke", "500"
    first.controls["start"].click()
    second = training_panel(filled, inline=True)  # as after a restart: nothing but the disk is known
    assert second.model.jobs.job.id == first.model.jobs.job.id
    assert second.model.jobs.running
    assert second.job.cancel.layout.display == ""
    second.controls["start"].click()
    assert "still running" in second.shown_message
    second.model.jobs.job.cancel(now=True)
    second.model.poll()
    assert second.model.jobs.shown.state == "cancelled"
    third = training_panel(filled, inline=True)
    assert third.job.resume.layout.display == ""


def test_a_lost_job_says_how_to_go_on(filled):
    panel = training_panel(filled, inline=True)
    panel.controls["profile"].value, panel.controls["epochs"].value = "smoke", "500"
    panel.controls["start"].click()
    job = panel.model.jobs.job
    os.kill(read_json(job.folder / "job.json")["pid"], 9)
    until(lambda: job.state == "lost")
    panel.model.poll()
    assert "vanished" in panel.job.message.value
    assert "resume it" in panel.job.message.value
    assert "lost" in panel.job.title.value


def test_runs_are_compared_by_what_differs(filled):
    new_run(filled, "a", {"dataset": "attic", "architecture": "x", "rois": 64})
    new_run(filled, "b", {"dataset": "attic", "architecture": "x", "rois": 128})
    panel = training_panel(filled, inline=True)
    panel.controls["compare"].value = panel.model.run_names
    shown = panel.controls["differences"].value
    assert "rois" in shown
    assert "architecture" not in shown


# review


def test_images_with_most_mistakes_come_first(filled):
    model = ReviewModel(filled)
    model.look()
    assert model.predictions == "model-a"
    mistakes = [item.review.mistakes for item in model.items]
    assert mistakes == sorted(mistakes, reverse=True)
    assert model.totals.fp == model.totals.images == 10
    assert model.totals.fn > 0
    assert model.picture[:2] == b"\xff\xd8"


def test_the_browser_steps_through_the_images(filled):
    panel = review_panel(filled, inline=True)
    first = panel.controls["image"].value
    panel.controls["next"].click()
    assert panel.model.index == 1
    assert panel.controls["slider"].value == 1
    assert panel.controls["listing"].value == 1
    assert panel.controls["image"].value != first
    panel.controls["previous"].click()
    panel.controls["previous"].click()
    assert panel.model.index == 0
    panel.controls["listing"].value = 3
    assert "4 of 10" in panel.controls["caption"].value
    panel.controls["order"].value = NAME
    assert [item.file_name for item in panel.model.items] == sorted(item.file_name for item in panel.model.items)
    panel.controls["score"].value = 0.85
    assert panel.model.totals.fp == 0


def test_corrections_are_logged_undone_and_take_the_image_off_the_queue(filled):
    panel = review_panel(filled, inline=True)
    panel.controls["order"].value = QUEUE
    waiting, name = len(panel.model.items), panel.model.file_name
    panel.controls["confirm"].click()
    assert len(panel.model.items) == waiting - 1
    assert name in panel.controls["corrections"].value
    panel.controls["undo"].click()
    assert len(panel.model.items) == waiting
    assert "undone" in panel.controls["corrections"].value
    panel.controls["undo"].click()
    assert "no correction to undo" in panel.shown_message


def test_predictions_are_taken_over_and_missed_labels_removed(filled):
    panel = review_panel(filled, inline=True)
    data, name = Workspace(filled).dataset("attic"), panel.model.file_name
    before = {r.file_name: len(r.annotations) for r in data.records()}[name]
    missed = panel.model.shown.review.fn
    panel.controls["accept"].click()
    after = {r.file_name: len(r.annotations) for r in data.records()}[name]
    assert after == before + 1
    panel.model.index = [item.file_name for item in panel.model.items].index(name)
    panel.controls["remove"].click()
    assert {r.file_name: len(r.annotations) for r in data.records()}[name] == after - missed
    assert "train attic" in " ".join(panel.model.train_arguments())


def test_a_missing_image_says_so_and_the_rest_stays_usable(filled):
    panel = review_panel(filled, inline=True)
    path = Workspace(filled).dataset("attic").images / panel.model.file_name
    path.unlink()
    panel.model.show()
    assert path.name in panel.controls["problem"].value
    panel.controls["next"].click()
    assert panel.controls["problem"].value == ""
    assert panel.controls["image"].value


def test_a_link_whose_original_is_gone_names_where_it_was(place, yolo, tmp_path):
    moved = shutil.copytree(yolo, tmp_path / "moved")
    Workspace(place).create("linked", type="custom").add(moved, link=True)
    original = next(moved.rglob("*.jpg"))
    original.unlink()
    model = ReviewModel(place)
    model.look()
    model.index = next(at for at, item in enumerate(model.items) if item.file_name.endswith(original.name))
    model.show()
    assert "original of this linked image is gone" in model.picture_message.what
    assert model.picture_message.where == str(original)


def test_training_again_needs_a_correction(filled):
    model = ReviewModel(filled)
    model.look()
    with pytest.raises(DataError, match="no corrections yet"):
        model.train_again()


# home and the whole


def test_home_says_what_is_there_and_what_to_do_next(place, yolo):
    panel = home_panel(place, inline=True)
    assert "There are no datasets yet" in panel.controls["glance"].value
    data = Workspace(place).create("attic", type="custom")
    data.add(yolo)
    panel.model.poll()
    shown = panel.controls["glance"].value
    assert "attic" in shown
    assert "100 %" in shown
    assert "Train on attic" in shown
    assert "images added" in shown


def test_home_shows_running_jobs_and_those_that_wait_to_be_resumed(filled):
    other = training_panel(filled, inline=True)
    other.controls["profile"].value, other.controls["epochs"].value = "smoke", "500"
    other.controls["start"].click()
    model = HomeModel(filled)
    model.refresh()
    assert [each.job.id for each in model.watched] == [other.model.jobs.job.id]
    other.model.jobs.job.cancel(now=True)
    model.poll()
    assert model.watched[0].shown.state == "cancelled"


def test_home_finds_nothing_missing_that_is_installed(place):
    model = HomeModel(place)
    model.inspect()
    assert "torch" not in {part.name for part in model.problems}


def test_the_workbench_hands_a_dataset_to_the_training(filled):
    Workspace(filled).create("zebra", type="custom")
    bench = Workbench(filled, inline=True)
    bench.dataset.model.dataset = "attic"
    bench.training.model.dataset = "zebra"
    assert bench.dataset.controls["train"].layout.display == ""
    bench.dataset.controls["train"].click()
    assert bench.box.titles[bench.box.selected_index] == "Training"
    assert bench.training.controls["dataset"].value == "attic"


def test_a_full_disk_is_told_and_nothing_is_half_written(yolo, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "rcg", disk], check=False).returncode
    ):
        pytest.skip("a small disk needs root and the right to mount")
    try:
        panel = dataset_panel(disk / "ws", inline=True)
        panel.controls["path"].value = str(yolo)
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"\0" * 4096)
        panel.controls["add"].click()
        assert "the disk is full" in panel.shown_message
        assert "free some space" in panel.shown_message
        assert not list((disk / "ws").rglob("dataset.toml"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_snapshot_tells_how_each_kind_of_job_stands(filled):
    tick = Tick(task="copying", done=3, total=9)
    with running_job(filled, ("dataset", "add", "attic"), title="adding") as job:
        assert snapshot(job).state == "starting"
        jsonl(job.folder / "progress.jsonl")(tick)
        assert snapshot(job).state == "running"
        assert snapshot(job).fraction == pytest.approx(1 / 3)
        (job.folder / "cancel").touch()
        assert snapshot(job).state == "stopping"
    assert snapshot(job).state == "lost"
    for state in ("done", "failed", "cancelled"):
        write_json(job.folder / "state.json", {"state": state, "ended": job.created + 5, "result": None})
        assert snapshot(job).state == state
        assert "took 5 s" in snapshot(job).line


def test_a_wrong_path_starts_no_job(filled):
    model = DatasetModel(filled)
    model.path, model.name = "/no/such", "attic"
    with pytest.raises(RcgError):
        model.add()
    assert jobs(filled) == ()
