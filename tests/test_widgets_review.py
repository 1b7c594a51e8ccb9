"""The review panel: corrections land where the user saw them, and nothing is taken for what it is not."""

import threading
from dataclasses import fields, replace

import pytest

pytest.importorskip("ipywidgets")

from rcg.errors import DataError
from rcg.progress import Tick, jsonl
from rcg.review import accept_predictions
from rcg.runs import new_run
from rcg.training.config import TrainConfig
from rcg.workspace import Workspace
from tests.panel_data import fill, running_job
from widgets import looking, review_panel
from widgets.looking import NAME, QUEUE
from widgets.review_model import ReviewModel, asked_for


@pytest.fixture
def two(filled, yolo):
    fill(filled, yolo, name="cellar")
    return filled


def test_a_correction_lands_in_the_dataset_whose_image_was_seen(two):
    model = ReviewModel(two)
    model.dataset = "attic"
    model.look()
    model.dataset = "cellar"  # chosen, and its list is not there yet
    made = model.confirm()
    (kept,) = Workspace(two).dataset("attic").corrections()
    assert kept.number == made.number
    assert not Workspace(two).dataset("cellar").corrections()


def test_while_another_dataset_is_read_there_is_nothing_to_correct(two, monkeypatch):
    model = ReviewModel(two)
    model.dataset = "attic"
    model.look()
    begun, go_on, real = threading.Event(), threading.Event(), looking.compare

    def slow(*args, **options):
        begun.set()
        assert go_on.wait(10)
        return real(*args, **options)

    monkeypatch.setattr(looking, "compare", slow)
    model.dataset = "cellar"
    thread = threading.Thread(target=model.look)
    thread.start()
    assert begun.wait(10)
    try:
        assert model.items == ()
        assert model.picture == b""
        with pytest.raises(DataError, match="no image is shown"):
            model.confirm()
    finally:
        go_on.set()
        thread.join()
    model.confirm()
    assert len(Workspace(two).dataset("cellar").corrections()) == 1
    assert not Workspace(two).dataset("attic").corrections()


def test_of_two_looks_at_once_the_later_one_is_shown(two, monkeypatch):
    model = ReviewModel(two)
    model.dataset = "attic"
    first, go_on, real = threading.Event(), threading.Event(), looking.compare

    def slow_for_the_first(data, *args, **options):
        if data.name == "attic":
            first.set()
            assert go_on.wait(10)
        return real(data, *args, **options)

    monkeypatch.setattr(looking, "compare", slow_for_the_first)
    thread = threading.Thread(target=model.look)
    thread.start()
    assert first.wait(10)
    model.dataset = "cellar"
    model.look()
    go_on.set()
    thread.join()
    model.confirm()
    assert len(Workspace(two).dataset("cellar").corrections()) == 1


def test_a_dataset_that_is_not_there_is_refused(filled):
    model = ReviewModel(filled)
    with pytest.raises(DataError, match="there is no dataset 'atic'") as caught:
        model.dataset = "atic"
    assert "attic" in caught.value.fix
    assert model.dataset == "attic"


def bare(data, *, predicted):
    """Take the labels of the first two images away; the model looked at the first alone, and found nothing."""
    first, second, *rest = data.records()
    with data.writing("a test") as out:
        out.write_records([*(replace(each, annotations=(), labelled=False) for each in (first, second)), *rest])
        found = {each.file_name: each for each in data.records("predictions", name="model-a")}
        empty = [replace(found[first.file_name], annotations=(), labelled=True)]
        unseen = [replace(found[second.file_name], annotations=(), labelled=False)]
        others = [found[each.file_name] for each in rest]
        out.write_records([*empty, *unseen, *others] if predicted else others, stage="predictions", name="model-a")
    return first.file_name, second.file_name


def test_an_image_that_the_model_never_saw_is_not_confirmed_as_empty(filled):
    data = Workspace(filled).dataset("attic")
    looked_at, never_seen = bare(data, predicted=True)
    (made,) = accept_predictions(data, [looked_at], "model-a")
    assert made.action == "confirm"
    with pytest.raises(DataError, match="no predictions for"):
        accept_predictions(data, [never_seen], "model-a")
    assert not {each.file_name: each for each in data.records()}[never_seen].labelled


def test_images_that_were_not_predicted_stay_in_the_list(filled):
    data = Workspace(filled).dataset("attic")
    names = bare(data, predicted=False)
    model = ReviewModel(filled)
    model.look()
    told = {item.file_name: item.words for item in model.items}
    assert len(told) == 10
    assert {told[name] for name in names} == {"no labels, not predicted"}
    assert [item.file_name for item in model.items[-2:]] == sorted(names)


def test_taking_predictions_says_when_none_reaches_the_score(filled):
    panel = review_panel(filled, inline=True)
    panel.controls["score"].value = 0.95
    panel.controls["accept"].click()
    assert "no prediction reaches the score 0.95" in panel.shown_message
    assert "the highest here is 0.90" in panel.shown_message
    assert not Workspace(filled).dataset("attic").corrections()


def test_in_the_queue_the_next_image_takes_the_place_of_a_confirmed_one(filled):
    panel = review_panel(filled, inline=True)
    panel.controls["order"].value = QUEUE
    names = [item.file_name for item in panel.model.items]
    panel.model.index = 4
    panel.controls["confirm"].click()
    assert panel.model.file_name == names[5]
    assert panel.model.index == 4
    panel.model.index = len(panel.model.items) - 1
    panel.controls["confirm"].click()
    assert panel.model.index == len(panel.model.items) - 1


def test_a_training_on_the_corrections_is_given_every_setting_of_its_run(filled):
    told = {
        "learning_rate": 0.003, "flip": 0.0, "colour": 0.1, "unreadable": "skip", "pretrained": "none", "rois": 32,
        "epochs": 3, "amp": True, "patience": 2,
    }  # fmt: skip
    new_run(filled, "x", {"dataset": "attic", "labels": ["card"], **TrainConfig(**told).values()})
    data = Workspace(filled).dataset("attic")
    (run,) = Workspace(filled).runs()
    data.write_predictions(run.name, data.records("predictions", name="model-a"))
    model = ReviewModel(filled)
    model.predictions = run.name
    model.look()
    model.confirm()
    (*_,) = arguments = model.train_arguments()
    assert arguments[:2] == ("train", "attic")
    assert TrainConfig.parse(arguments[2:]) == TrainConfig(**told)
    assert set(asked_for({each.name: "other" for each in fields(TrainConfig)})) >= {"learning_rate", "amp", "device"}


def test_a_budget_goes_before_the_epochs_it_came_to():
    assert asked_for({"budget": "5 min", "epochs": 7}) == {"budget": "5 min"}


def test_the_way_to_the_app_is_what_the_job_noted(filled):
    with running_job(filled, ("browse", "attic"), title="FiftyOne on attic") as job:
        job.note(url="http://127.0.0.1:5151/datasets/a")
        note = "FiftyOne is open at http://127.0.0.1:5151/datasets/a; edits wait in the App"
        jsonl(job.folder / "progress.jsonl")(Tick(task="browsing", done=0, note=note))
        model = ReviewModel(filled)
        model.poll()
        assert model.link == "http://127.0.0.1:5151/datasets/a"


def test_by_name_every_image_stands_in_its_place(filled):
    model = ReviewModel(filled)
    model.order = NAME
    model.look()
    names = [item.file_name for item in model.items]
    assert names == sorted(names)
