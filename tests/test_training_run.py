"""A whole training: from a dataset to metrics, a report and predictions; and what it refuses."""

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from rcg import training
from rcg.errors import Cancelled, ConfigError, DataError, RunError
from rcg.images import write_image
from rcg.training import TrainConfig
from rcg.training.checkpoints import Checkpoints
from rcg.training.loop import stops_early
from rcg.training.start import choose_device, resolve
from rcg.training.tasks import read_training_data
from rcg.training.trainer import State
from rcg.types import Annotation, Box
from rcg.workspace import Workspace
from tests.training_data import TINY, draw, make_dataset


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("workspace"), train=24, val=8, test=8)


@pytest.fixture(scope="module")
def seen():
    return []


@pytest.fixture(scope="module")
def run(dataset, seen):
    config = TrainConfig(**TINY, epochs=12, learning_rate=2e-3, scale=0.1)
    return training.train(dataset, config=config, name="learned", report=seen.append)


def test_it_learns_and_says_how_well(run, dataset):
    metrics = training.evaluate(run, split="test")
    assert run.state() == "done"
    assert metrics.per_label["card"].ap50 > 0.7  # 0.79 to 0.9, as the processor adds up
    assert metrics.numbers["AP50"] <= 1
    assert (metrics.images, metrics.cards, metrics.boxes) == (8, 8, 16)
    assert metrics.interval[0] <= metrics.numbers["AP50"] <= metrics.interval[1]
    assert run.metrics()["numbers"] == metrics.numbers
    report = (run.path / "report.md").read_text()
    assert "What limits it" in report
    assert "| stain |" in report
    assert f"images of {dataset.name}, version {dataset.version().id[:12]}" in report
    assert (run.path / "predictions.png").stat().st_size > 1000
    assert str(metrics).startswith(run.name)
    events = [entry.event for entry in Workspace(dataset.workspace).journal()]
    assert "training finished" in events
    assert "run evaluated" in events


def test_the_run_folder_says_what_was_done(run, dataset):
    config = run.config()
    assert config["dataset"] == dataset.name
    assert config["dataset_version"] == dataset.version().id
    assert dataset.version().stored
    assert [each.note for each in dataset.versions()].count("before a training") <= 1
    assert (config["threads"], config["seed"], config["image_size"]) == (1, 0, 96)
    assert config["labels"] == ["card", "stain"]
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["dataset_version"] == config["dataset_version"]
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert "ImageNet" in environment["weights"]
    ticks = run.ticks()
    steps = [tick for tick in ticks if "loss" in tick["metrics"]]
    assert [tick["done"] for tick in steps] == list(range(1, len(steps) + 1))
    assert {"loss_classifier", "loss_box_reg", "loss_objectness", "lr", "epoch"} <= steps[0]["metrics"].keys()
    assert any("val_ap50" in tick["metrics"] for tick in ticks)
    best = max(tick["metrics"]["val_ap"] for tick in ticks if "val_ap" in tick["metrics"])
    assert Checkpoints(run.checkpoints).best().read()["score"] == pytest.approx(best)
    assert len(Checkpoints(run.checkpoints).all()) <= 3


def test_the_time_left_is_known_before_the_first_step(seen, run):
    first = next(tick for tick in seen if tick.metrics.get("loss"))
    before = seen[: seen.index(first)]
    assert any(tick.eta_s for tick in before if tick.task == "train")
    assert all(tick.eta_s is not None for tick in seen[seen.index(first) :])
    assert all(tick.done < tick.total for tick in seen[seen.index(first) : -1])
    assert seen[-1].done == seen[-1].total


def test_predictions_are_coco_results(run, dataset, tmp_path):
    found = training.predict(run, dataset.images, score=0.3)
    rows = json.loads(found.write(tmp_path / "results.json").read_text())
    assert len(found.records) == 40
    assert rows
    assert set(rows[0]) == {"image_id", "file_name", "category_id", "label", "bbox", "score"}
    assert all(0.3 <= row["score"] <= 1 and row["bbox"][2] > 0 for row in rows)
    names = sorted(record.file_name for record in found.records)
    assert [record.file_name for record in found.records] == names
    assert [record.image_id for record in found.records] == list(range(1, 41))


def test_a_dataset_gets_its_predictions(run, dataset):
    dataset.write_predictions(run.name, training.predict(run, dataset, score=0.3).records)
    stored = dataset.records("predictions", name=run.name)
    truth = {record.file_name: record.image_id for record in dataset.records()}
    assert {record.file_name: record.image_id for record in stored} == truth
    assert all(each.score >= 0.3 for record in stored for each in record.annotations)


def test_lists_and_single_images_give_the_same(run, dataset):
    names = dataset.splits().files("test")
    by_name = training.predict(run, dataset, split="test")
    by_path = training.predict(run, [dataset.images / name for name in (*names, names[0])])  # one of them twice
    assert [record.file_name for record in by_path.records] == list(names)
    assert [record.annotations for record in by_name.records] == [record.annotations for record in by_path.records]
    single = training.predict(run, dataset.images / names[0])
    alone, together = single.records[0].annotations, by_name.records[0].annotations
    assert [each.label for each in alone] == [each.label for each in together]
    for one, other in zip(alone, together, strict=True):  # sums in another order where the batch is another
        assert one.box.corners == pytest.approx(other.box.corners, abs=0.01)
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_predicting_passes_over_what_cannot_be_read(run, tmp_path):
    pixels, _ = draw(np.random.default_rng(1), 200, 150)
    write_image(tmp_path / "good.png", pixels)
    write_image(tmp_path / "tiny.png", pixels[:3, :5])
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 not really")
    (tmp_path / "empty.png").touch()
    found = training.predict(run, tmp_path)
    assert {record.file_name for record in found.records} == {"good.png", "tiny.png"}
    assert {bad.file for bad in found.unreadable} == {"bad.jpg", "empty.png"}


def test_predicting_on_nothing_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="no images"):
        training.predict(run, tmp_path)
    with pytest.raises(DataError, match="empty"):
        training.predict(run, [])
    with pytest.raises(ConfigError, match="no split 'holdout'"):
        training.predict(run, make_dataset(tmp_path / "other"), split="holdout")
    with pytest.raises(ConfigError, match="only a dataset has splits"):
        training.predict(run, tmp_path, split="test")
    with pytest.raises(DataError, match="the val split has no images"):
        training.predict(run, make_dataset(tmp_path / "one", train=1, val=0, test=0), split="val")


def test_an_image_that_a_stream_names_twice_is_looked_at_twice(run, dataset):
    record = dataset.heads()[0]
    found = list(training.Predictor(run).stream([record, record], dataset.images))
    assert [each.file_name for each in found] == [record.file_name] * 2


def damage(dataset, split):
    """Cut off the images of a split behind their headers, so that only decoding tells."""
    for name in dataset.splits().files(split):
        data = (dataset.images / name).read_bytes()
        (dataset.images / name).write_bytes(data[: len(data) // 2] + data[-12:])


def test_too_few_images_that_can_be_decoded_are_refused_in_words(tmp_path):
    small = make_dataset(tmp_path)
    damage(small, "val")
    with pytest.raises(DataError, match="val split has no labelled images"):
        training.train(small, config=TrainConfig(**TINY, epochs=1, unreadable="skip"))


def test_a_run_that_skips_damaged_images_skips_them_in_the_evaluation_too(tmp_path):
    small = make_dataset(tmp_path, test=2)
    run = training.train(small, config=TrainConfig(**TINY, epochs=1, unreadable="skip"))
    whole = small.splits().files("test")[0]
    keep = (small.images / whole).read_bytes()
    damage(small, "test")
    with pytest.raises(DataError, match="no image of the test split can be decoded"):
        training.evaluate(run, small)
    (small.images / whole).write_bytes(keep)
    seen = []
    assert training.evaluate(run, small, report=seen.append).images == 1
    assert any("1 image cannot be decoded" in tick.note for tick in seen)


def test_a_report_on_another_dataset_says_nothing_of_what_the_run_learned_from(run, tmp_path):
    other = make_dataset(tmp_path)
    (tmp_path / "datasets" / "drawn").rename(tmp_path / "datasets" / "other")
    training.evaluate(run, type(other)(tmp_path / "datasets" / "other"), split="val")
    text = (run.path / "report_other_val.md").read_text()
    for words in ("training cards", "learned from", "took part in the training"):
        assert words not in text


def test_evaluation_refuses_what_it_cannot_measure(run, tmp_path):
    with pytest.raises(ConfigError, match="no split"):
        training.evaluate(run, split="holdout")
    other = make_dataset(tmp_path, train=1, val=0, test=0)
    with pytest.raises(DataError, match="test split has no labelled images"):
        training.evaluate(run, other)


def test_a_run_without_checkpoint_cannot_predict(dataset):
    begun = []

    def stop(tick):
        raise Cancelled

    with pytest.raises(Cancelled):
        training.train(dataset, config=TrainConfig(**TINY, epochs=1), report=stop, started=begun.append)
    with pytest.raises(RunError, match="no checkpoint"):
        training.predict(begun[0], dataset.images)


def test_images_that_cannot_be_decoded_stop_it_or_are_left_out(tmp_path):
    dataset = make_dataset(tmp_path)
    broken = dataset.images / "train_001.png"
    data = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"1 images cannot be decoded: train_001.png") as caught:
        training.train(dataset, config=TrainConfig(**TINY, epochs=1))
    assert "unreadable=skip" in caught.value.fix
    run = training.train(dataset, config=TrainConfig(**TINY, epochs=1, unreadable="skip"))
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["images"]["train"] == 5
    assert any("train_001.png" in note for note in environment["notes"])


def test_an_image_without_labels_is_not_trained_on_but_an_empty_one_is(tmp_path):
    dataset = make_dataset(tmp_path)
    pixels, _ = draw(np.random.default_rng(5), 140, 100)
    write_image(tmp_path / "more" / "unlabelled.png", pixels)
    dataset.add(images=tmp_path / "more")
    first = dataset.records()[0]
    for each in first.annotations:
        dataset.correct(first.file_name, before=each, after=None, source="test")
    data = read_training_data(dataset)
    names = {record.file_name for those in data.splits.values() for record in those}
    assert "unlabelled.png" not in names
    assert first.file_name in names
    assert data.notes == ("1 images without labels are not trained on: they are unlabelled, not empty",)


def test_a_dataset_of_one_card_is_refused(tmp_path):
    dataset = make_dataset(tmp_path, train=1, val=0, test=0)
    with pytest.raises(DataError, match="the val split has no labelled images") as caught:
        training.train(dataset, config=TrainConfig(**TINY, epochs=1))
    assert "more cards" in caught.value.fix
    assert not (dataset.workspace / "runs").exists()


def test_a_type_without_boxes_is_refused(tmp_path):
    with pytest.raises(DataError, match="nothing here trains datasets of type grade"):
        training.train(Workspace(tmp_path).create("grades", type="grade"))


def test_a_loss_that_is_not_finite_stops_it_with_the_images(dataset):
    runs = []
    config = TrainConfig(**{**TINY, "warmup_steps": 0}, epochs=3, learning_rate=10.0, weight_decay=1.0)
    with pytest.raises(RunError, match=r"not finite at step \d+ .*images train_") as caught:
        for seed in range(5):  # such a rate breaks the weights within a few steps, with nearly every seed
            training.train(dataset, config=replace(config, seed=seed), started=runs.append)
    assert "learning_rate=" in caught.value.fix
    assert runs[-1].state() == "failed"
    assert "not finite" in runs[-1].error()


def test_a_budget_of_time_is_kept(dataset):
    begun = time.process_time()
    run = training.train(dataset, config=TrainConfig(**TINY, budget="15 cpu s"))
    used = time.process_time() - begun
    assert 15 * 0.75 < used < 15 * 1.15
    last = run.ticks()[-1]
    assert "val_ap" in last["metrics"]
    plan = json.loads((run.path / "plan.json").read_text())
    assert last["done"] == plan["revisions"][-1]["total"]


def test_a_budget_that_holds_nothing_is_refused(dataset):
    with pytest.raises(ConfigError, match="does not hold") as caught:
        training.train(dataset, config=TrainConfig(**TINY, budget="0.1 cpu s"))
    assert "give at least" in caught.value.fix


def test_it_stops_early_only_on_an_ap_that_was_measured():
    config = TrainConfig(patience=3)
    assert not stops_early(State(step=9, worse=2), config)
    assert stops_early(State(step=9, worse=3), config)
    assert not stops_early(State(step=9, worse=30), replace(config, patience=0))


def test_without_boxes_in_val_nothing_stops_early(tmp_path):
    dataset = make_dataset(tmp_path, train=4, val=2)
    for record in dataset.records():
        if dataset.splits().of(record.file_name) == "val":
            for each in record.annotations:
                dataset.correct(record.file_name, before=each, after=None, source="test")
    run = training.train(dataset, config=TrainConfig(**{**TINY, "patience": 1}, epochs=3))
    assert run.ticks()[-1]["done"] == 9
    assert Checkpoints(run.checkpoints).best().step == 9


def test_boxes_of_polygons_and_keypoints_are_learned_from_and_crowds_are_not(dataset):
    from rcg.training.cache import build_cache
    from rcg.training.data import read_sample

    record = dataset.records()[0]
    group = Annotation(label="card", box=Box(0, 0, 50, 50), crowd=True)
    cache = build_cache(dataset.cache, dataset.images, [record.file_name], size=96)
    made = read_sample(replace(record, annotations=(*record.annotations, group)), cache, dataset.labels)
    assert len(made.boxes) == len(record.annotations)
    scale = 96 / max(record.width, record.height)
    assert made.boxes[0] == pytest.approx([each * scale for each in record.annotations[0].box.corners], abs=0.6)


def test_a_gpu_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="finds 0 GPUs"):
        choose_device("cuda")
    with pytest.raises(ConfigError, match="no device"):
        choose_device("quantum")
    assert choose_device("auto") == "cpu"


def test_a_long_budget_gets_larger_images_and_a_backbone_that_learns():
    short, long = (resolve(TrainConfig(budget=budget, device="cpu")) for budget in ("5 min", "20 cpu min"))
    assert (short.image_size, short.trainable_layers) == (320, 0)
    assert (long.image_size, long.trainable_layers) == (448, 3)
    assert resolve(TrainConfig(budget="20 min", image_size=256, device="cpu")).image_size == 256


def test_the_smoke_profile_is_short(tmp_path):
    dataset = make_dataset(tmp_path, train=30, val=20, test=2)
    begun = time.process_time()
    run = training.train(dataset, config=TrainConfig(profile="smoke", threads=1))
    assert run.state() == "done"
    assert run.ticks()[-1]["done"] == 8
    assert math.isfinite(run.ticks()[-1]["metrics"]["val_ap"])
    assert time.process_time() - begun < 60


def test_a_resumed_run_counts_the_time_already_used(dataset):
    def stop(tick):
        if tick.metrics.get("loss") and time.process_time() - begun > 8:
            raise Cancelled

    runs, begun = [], time.process_time()
    with pytest.raises(Cancelled):
        config = TrainConfig(**TINY, budget="16 cpu s")
        training.train(dataset, config=config, name="halved", report=stop, started=runs.append)
    training.resume(runs[0])
    assert time.process_time() - begun < 16 * 1.2
    assert runs[0].state() == "done"
    seconds = [tick["metrics"]["cpu_seconds"] for tick in runs[0].ticks()]
    assert seconds == sorted(seconds)
