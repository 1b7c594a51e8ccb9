"""The parts of a training: settings, augmentation, cache, batches, plan, RoI align, metrics."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcg.errors import Cancelled, ConfigError, DataError, RcgError
from rcg.images import write_image
from rcg.training import Budget, TrainConfig, architectures
from rcg.training.augment import Augmentation, Sample, flipped, recoloured, turned, zoomed
from rcg.training.cache import build_cache, decode
from rcg.training.config import _KINDS, _RANGES
from rcg.training.metrics import (
    NUMBERS,
    Matches,
    average_precision,
    coco_dicts,
    coco_numbers,
    interval_over_cards,
    match_label,
)
from rcg.training.models import ModelSettings, choose_architecture
from rcg.training.models.roi_pool import RoiAlign
from rcg.training.schedule import Pace, Plan, Revision, plan_budget, plan_epochs, revise
from rcg.training.tasks import TrainingData, check_trainable
from rcg.types import Annotation, Box, ImageRecord, LabelSet


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# settings


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(ConfigError, match="epoch_count") as caught:
        TrainConfig.parse(["epoch_count=3"])
    assert "epochs" in caught.value.fix
    with pytest.raises(ConfigError, match="learning_rat"):
        TrainConfig.of({"learning_rat": 0.1})


@pytest.mark.parametrize(
    "text", ["epochs=0", "epochs=2.5", "budget=soon", "amp=perhaps", "profile=tiny", "rois=many", "epochs", "flip=1.5"]
)
def test_a_wrong_value_is_refused(text):
    with pytest.raises(ConfigError):
        TrainConfig.parse([text])


def test_epochs_and_budget_exclude_each_other():
    with pytest.raises(ConfigError, match="both"):
        TrainConfig(epochs=3, budget="5 min")


def test_settings_come_from_toml_then_from_texts(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('epochs = 4\nscale = 0\narchitecture = "faster_rcnn_lite0"\n')
    found = TrainConfig.parse(["epochs=7", "amp=yes"], file=file, architecture=None)
    assert (found.epochs, found.scale, found.amp) == (7, 0.0, True)
    file.write_text("epochs = \n")
    with pytest.raises(ConfigError, match="TOML"):
        TrainConfig.parse(file=file)
    with pytest.raises(RcgError):
        TrainConfig.parse(file=tmp_path / "missing.toml")


def test_what_is_saved_is_read_back():
    config = TrainConfig(budget="20 cpu min", rois=64, profile="smoke").shaped()
    assert TrainConfig.of(config.values()) == config


def test_every_number_has_a_range():
    numbers = {name for name, kind in _KINDS.items() if kind in (int, float)}
    assert numbers == set(_RANGES)


@pytest.mark.parametrize(
    ("text", "seconds", "clock"),
    [("5 min", 300, "wall"), ("20 cpu min", 1200, "cpu"), ("90s", 90, "wall"), ("1.5 hours", 5400, "wall")],
)
def test_budgets_are_read(text, seconds, clock):
    assert Budget.parse(text) == Budget(seconds, clock)


def test_architectures_are_known_by_name():
    assert choose_architecture("auto", device="cuda").name == "faster_rcnn_resnet50_fpn_v2"
    with pytest.raises(ConfigError) as caught:
        choose_architecture("faster_rcnn_lite", device="cpu")
    assert "faster_rcnn_lite0" in caught.value.fix


# augmentation


def sample(width=60, height=40):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    pixels[10:20, 30:50] = 255
    return Sample(pixels=pixels, boxes=np.array([[30, 10, 50, 20]], np.float32), labels=np.array([1]))


@pytest.mark.parametrize("change", [flipped, lambda s: turned(s, 1), lambda s: turned(s, 2), lambda s: turned(s, 3)])
def test_boxes_move_with_their_pixels(change):
    made = change(sample())
    left, top, right, bottom = made.boxes[0].astype(int)
    assert (made.pixels[top:bottom, left:right] == 255).all()
    assert (right - left) * (bottom - top) == 200


def test_four_quarters_are_a_whole_turn():
    made = turned(turned(sample(), 3), 1)
    assert np.array_equal(made.pixels, sample().pixels)
    assert np.array_equal(made.boxes, sample().boxes)


def test_zooming_keeps_boxes_in_the_picture_and_drops_what_is_cut_off():
    small = zoomed(sample(), 0.5, np.array([0.0, 0.0]))
    assert small.boxes[0].tolist() == [15, 5, 25, 10]
    assert (small.pixels[6:9, 16:24] > 230).all()
    assert len(zoomed(sample(), 2.5, np.array([0.0, 1.0])).boxes) == 0


def test_the_same_generator_gives_the_same_image():
    change = Augmentation(flip=0.5, turn=0.5, scale=0.3, colour=0.3)
    first, second = (change.apply(sample(), np.random.default_rng([1, 2])) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.boxes, second.boxes)
    assert not np.array_equal(first.pixels, change.apply(sample(), np.random.default_rng([1, 3])).pixels)
    assert np.array_equal(Augmentation().apply(sample(), np.random.default_rng(0)).pixels, sample().pixels)


def test_colour_changes_keep_the_range():
    made = recoloured(sample(), np.array([1.4, 1.4, 0.6]))
    assert made.pixels.dtype == np.uint8
    assert made.pixels.mean() > sample().pixels.mean()


# decoded images


@pytest.fixture
def photos(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "images"
    for place in range(70):
        write_image(folder / f"{place:02d}.png", rng.integers(0, 256, (20 + place, 90, 3)).astype(np.uint8))
    return folder


def names_in(folder):
    return sorted(each.name for each in folder.iterdir())


def test_the_cache_holds_what_decoding_gives(tmp_path, photos):
    cache = build_cache(tmp_path / "cache", photos, names_in(photos), size=64, threads=2)
    for name in names_in(photos):
        assert np.array_equal(cache.pixels(name), decode(photos / name, 64)), name
    assert max(cache.pixels("00.png").shape) == 64


def test_a_second_call_decodes_what_is_new_or_changed(tmp_path, photos):
    names = names_in(photos)
    build_cache(tmp_path / "cache", photos, names[:40], size=64)
    (photos / names[0]).rename(photos / "renamed.png")
    write_image(photos / names[1], np.zeros((30, 30, 3), np.uint8))
    seen = []
    cache = build_cache(tmp_path / "cache", photos, names_in(photos), size=64, report=seen.append)
    assert seen[0].total == 31
    assert not cache.pixels(names[1]).any()
    assert np.array_equal(cache.pixels("renamed.png"), decode(photos / "renamed.png", 64))


def test_a_stopped_build_goes_on(tmp_path, photos):
    def stop(tick):
        if tick.done:
            raise Cancelled

    with pytest.raises(Cancelled):
        build_cache(tmp_path / "cache", photos, names_in(photos), size=64, report=stop)
    seen = []
    build_cache(tmp_path / "cache", photos, names_in(photos), size=64, report=seen.append)
    assert 0 < seen[0].total < 70


def test_a_damaged_cache_is_not_trusted(tmp_path, photos):
    names = names_in(photos)
    cache = build_cache(tmp_path / "cache", photos, names, size=64)
    data = bytearray(cache.path.read_bytes())
    data[100] ^= 255
    cache.path.write_bytes(data[: len(data) // 2])
    assert all(np.array_equal(cache.pixels(name), decode(photos / name, 64)) for name in names)
    with (tmp_path / "cache" / "images_64.jsonl").open("ab") as out:
        out.write(b'{"source": "half a li')
    again = build_cache(tmp_path / "cache", photos, names, size=64)
    assert all(np.array_equal(again.pixels(name), decode(photos / name, 64)) for name in names)
    whole = build_cache(tmp_path / "cache", photos, names, size=64)
    assert whole.entries == again.entries


KILLED = """
import os, signal, sys
from pathlib import Path
from rcg.training.cache import build_cache
def sink(tick):
    if tick.done:
        os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
build_cache(Path(sys.argv[2]), folder, sorted(each.name for each in folder.iterdir()), size=64, report=sink)
"""


def test_a_killed_build_goes_on(tmp_path, photos):
    done = subprocess.run([sys.executable, "-c", KILLED, str(photos), str(tmp_path / "cache")], check=False)
    assert done.returncode == -signal.SIGKILL
    seen = []
    cache = build_cache(tmp_path / "cache", photos, names_in(photos), size=64, report=seen.append)
    assert seen[0].total == 70 - 32
    assert all(np.array_equal(cache.pixels(name), decode(photos / name, 64)) for name in names_in(photos))


def test_images_that_cannot_be_decoded_are_named(tmp_path, photos):
    (photos / "05.png").write_bytes((photos / "05.png").read_bytes()[:200])
    (photos / "06.png").write_bytes(b"")
    cache = build_cache(tmp_path / "cache", photos, [*names_in(photos), "gone.png"], size=64)
    assert set(cache.unreadable) == {"05.png", "06.png", "gone.png"}
    assert len(cache.entries) == 68


def test_a_full_disk_leaves_the_cache_valid(small_disk, photos):
    folder = small_disk / "cache"
    build_cache(folder, photos, names_in(photos)[:3], size=64)
    with pytest.raises(RcgError, match="disk is full"):
        build_cache(folder, photos, names_in(photos), size=512)
    cache = build_cache(folder, photos, names_in(photos)[:3], size=64)
    assert all(np.array_equal(cache.pixels(name), decode(photos / name, 64)) for name in names_in(photos)[:3])


# splits


def data_of(**splits):
    records = {
        split: tuple(ImageRecord(file_name=name, width=9, height=9, annotations=(thing("card", 0, 0, 5, 5),))
                     for name in names)
        for split, names in {"train": (), "val": (), "test": (), **splits}.items()
    }  # fmt: skip
    cards = {name: name.partition("_")[0] for names in splits.values() for name in names}
    return TrainingData(
        name="set", images=Path(), cache=Path(), labels=LabelSet(("card",)), splits=records, cards=cards
    )


def thing(label, x, y, width, height, score=None, *, crowd=False):
    return Annotation(label=label, box=Box(x, y, width, height), score=score, crowd=crowd)


def test_a_card_in_two_splits_is_refused():
    with pytest.raises(DataError, match="'a' stands in train and in test"):
        data_of(train=["a_1", "b_1"], val=["c_1"], test=["a_2"])


@pytest.mark.parametrize("empty", ["train", "val"])
def test_an_empty_split_is_refused_with_the_fix(empty):
    names = {"train": ["a_1"], "val": ["b_1"]} | {empty: []}
    with pytest.raises(DataError, match=f"the {empty} split has no labelled images") as caught:
        check_trainable(data_of(**names))
    assert caught.value.fix
    check_trainable(data_of(train=["a_1"], val=["b_1"]))


def test_no_boxes_to_learn_from_is_refused():
    data = data_of(train=["a_1"], val=["b_1"])
    bare = {split: tuple(replace(each, annotations=()) for each in those) for split, those in data.splits.items()}
    with pytest.raises(DataError, match="no training image carries a box"):
        check_trainable(replace(data, splits=bare))


# plan


def test_the_plan_of_epochs_bounds_the_share_of_validation():
    plan = plan_epochs(10, steps_per_epoch=5, train=20, val=200, share=0.2, warmup=50)
    assert plan.total == 50
    assert plan.evaluate_every == 5 * 20
    assert plan.evaluates_at(50)
    assert plan_epochs(10, steps_per_epoch=60, train=240, val=60, share=0.2, warmup=50).evaluate_every == 60


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 2000)), max_size=4), st.integers(10, 1000))
def test_the_learning_rate_falls_from_revision_to_revision(changes, total):
    plan = Plan(revisions=(Revision(0, total),), evaluate_every=100, warmup=5)
    for step, aim in sorted(changes):
        if step < plan.total:
            plan = plan.revised(step, max(aim, step + 1))
    shares = [plan.progress(step) for step in range(plan.total + 1)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert plan.rate(plan.total) == pytest.approx(0, abs=1e-9)
    rates = [plan.rate(step) for step in range(5, plan.total)]
    assert rates == sorted(rates, reverse=True)


def test_a_plan_is_stored_and_replayed(tmp_path):
    plan = Plan(revisions=(Revision(0, 100), Revision(40, 80)), evaluate_every=20, warmup=5)
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan
    assert Plan.read(tmp_path / "none.json") is None


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 300), st.integers(1, 50))
def test_validations_to_come_are_counted(step, total, every):
    plan = Plan(revisions=(Revision(0, total),), evaluate_every=every, warmup=1)
    expected = sum(plan.evaluates_at(at) for at in range(step + 1, total + 1))
    assert plan.evaluations_after(step) == (expected if step < total else 0)


class KnownPace(Pace):
    """A pace with given times, so that the plan can be computed by hand."""

    def __init__(self, used, step, evaluation):
        super().__init__()
        self.known = used, step, evaluation

    measured = True

    def used(self, clock="wall"):
        return self.known[0]

    def step_s(self, clock="wall"):
        return self.known[1]

    def evaluation_s(self, clock="wall"):
        return self.known[2]


def test_a_budget_holds_its_validations():
    pace = KnownPace(used=10, step=0.5, evaluation=5)
    plan = plan_budget(Budget(300), pace, steps_per_epoch=60, share=0.2, warmup=50)
    spent = 10 + plan.total * 0.5 + plan.evaluations_after(0) * 5 + pace.finish_s
    assert 290 <= spent <= 300
    assert plan.evaluate_every == 60
    with pytest.raises(ConfigError, match="does not hold") as caught:
        plan_budget(Budget(12), pace, steps_per_epoch=60, share=0.2, warmup=50)
    assert "give at least" in caught.value.fix


def test_a_slower_machine_gets_a_shorter_plan():
    budget = Budget(300)
    plan = plan_budget(budget, KnownPace(10, 0.5, 5), steps_per_epoch=60, share=0.2, warmup=50)
    assert revise(plan, budget, KnownPace(10 + 100 * 0.5 + 5, 0.5, 5), 100) is None
    slower = revise(plan, budget, KnownPace(10 + 100 * 1.0 + 5, 1.0, 5), 100)
    assert 100 < slower.total < plan.total * 0.8
    assert slower.revisions[-1].step == 100


# networks


def test_roi_align_gives_the_values_of_torchvision():
    from torchvision.ops import MultiScaleRoIAlign

    generator = torch.Generator().manual_seed(0)
    shape = 192, 256
    maps = {
        str(level): torch.randn(2, 8, shape[0] // stride, shape[1] // stride, generator=generator, requires_grad=True)
        for level, stride in enumerate((8, 16, 32, 64))
    }
    boxes = []
    for _ in range(2):
        corner, side = torch.rand(60, 2, generator=generator) * 250, torch.rand(60, 2, generator=generator) * 300
        box = torch.cat([corner - 10, corner - 10 + side], dim=1)
        boxes.append(torch.stack([box[:, 0].clamp(0, 256), box[:, 1].clamp(0, 192),
                                  box[:, 2].clamp(0, 256), box[:, 3].clamp(0, 192)], dim=1))  # fmt: skip
    weights = torch.randn(120, 8, 7, 7, generator=generator)
    results = []
    for pool in (MultiScaleRoIAlign(["0", "1", "2"], 7, 2), RoiAlign({"0": 8, "1": 16, "2": 32})):
        for each in maps.values():
            each.grad = None
        found = pool(maps, boxes, [shape] * 2)
        (found * weights).sum().backward()
        results.append([found.detach(), *(maps[name].grad.clone() for name in ("0", "1", "2"))])
    for theirs, ours in zip(*results, strict=True):
        assert torch.allclose(theirs, ours, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(architectures()))
def test_every_architecture_learns_and_detects(name):
    architecture = architectures()[name]
    layers, pretrained = architecture.trainable_layers, name == "faster_rcnn_lite0"
    built = architecture.build(
        ModelSettings(classes=2, image_size=96, rois=16, trainable_layers=layers, pretrained=pretrained)
    )
    images = [torch.rand(3, 64, 96), torch.rand(3, 96, 64)]
    full = {"boxes": torch.tensor([[5.0, 5.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = built.model.train()(images, [full, empty])
    sum(losses.values()).backward()
    learning = [each for each in built.model.parameters() if each.requires_grad]
    assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in learning)
    assert not [each for each in built.model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    with torch.inference_mode():
        assert set(built.model.eval()(images)[0]) == {"boxes", "labels", "scores"}


def test_a_frozen_backbone_learns_nothing():
    built = choose_architecture("auto", device="cpu").build(
        ModelSettings(classes=2, image_size=96, rois=16, trainable_layers=0)
    )
    assert not [name for name, each in built.model.named_parameters() if "backbone.body" in name and each.requires_grad]
    assert built.start == "imagenet"


# metrics


def random_records(seed, images=40, labels=("card", "stain", "dent"), *, crowds=True):
    """Labels and predictions near and far from them, some with equal scores."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for place in range(images):
        own, guesses = [], []
        for _ in range(rng.integers(0, 6)):
            label, x, y = str(rng.choice(labels)), *rng.uniform(0, 300, 2)
            width, height = rng.choice([8, 30, 60, 150]) * rng.uniform(0.5, 1.5, 2)
            own.append(thing(label, x, y, width, height, crowd=crowds and rng.random() < 0.1))
            for _ in range(rng.integers(0, 3)):
                shift = rng.normal(0, 0.15, 4) * [width, height, width, height]
                box = x + shift[0], y + shift[1], max(1, width + shift[2]), max(1, height + shift[3])
                guesses.append(thing(label, *box, score=float(np.round(rng.random(), 2))))
        for _ in range(rng.integers(0, 4)):
            guesses.append(thing(str(rng.choice(labels)), *rng.uniform(1, 200, 4), score=float(rng.random())))
        name = f"{place:03d}.jpg"
        truth.append(ImageRecord(file_name=name, width=640, height=480, annotations=tuple(own)))
        found.append(ImageRecord(file_name=name, width=640, height=480, annotations=tuple(guesses)))
    return truth, found, LabelSet(tuple(labels))


@pytest.mark.parametrize("seed", range(4))
def test_the_12_numbers_are_those_of_pycocotools(seed, capsys):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found, labels = random_records(seed)
    numbers, scores = coco_numbers(truth, found, labels)
    known, results = coco_dicts(truth, found, labels)
    base = COCO()
    base.dataset = json.loads(json.dumps(known))
    base.createIndex()
    judge = COCOeval(base, base.loadRes(json.loads(json.dumps(results))), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    for name, reference in zip(NUMBERS, judge.stats, strict=True):
        assert (numbers[name] if numbers[name] is not None else -1) == pytest.approx(reference, abs=1e-12), name
    precision = judge.eval["precision"][:, :, :, 0, 2]
    for place, name in enumerate(labels.names):
        assert scores[name].ap == pytest.approx(precision[:, :, place].mean(), abs=1e-12)
        assert scores[name].ap50 == pytest.approx(precision[0, :, place].mean(), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_ap50_for_the_interval_is_that_of_coco(seed):
    truth, found, labels = random_records(seed)
    _, scores = coco_numbers(truth, found, labels)
    by_name = {record.file_name: record for record in found}
    for label in labels.names:
        matches = match_label(truth, by_name, label)
        assert average_precision(matches) == pytest.approx(scores[label].ap50, abs=1e-9)


def test_drawing_an_image_twice_counts_it_twice():
    matches = Matches(image=np.array([0, 1]), hit=np.array([0.0, 1.0]), boxes=np.array([0.0, 1.0]))
    assert average_precision(matches) == pytest.approx(0.5)
    assert average_precision(matches, np.array([0.0, 1.0])) == pytest.approx(1.0)
    assert average_precision(matches, np.array([2.0, 1.0])) == pytest.approx(1 / 3)
    assert average_precision(matches, np.array([1.0, 0.0])) is None


def test_the_interval_holds_the_value_and_needs_cards():
    truth, found, labels = random_records(1, images=60, crowds=False)
    cards = {record.file_name: record.file_name[:2] for record in truth}
    low, high = interval_over_cards(truth, found, labels, cards, draws=200)
    numbers, _ = coco_numbers(truth, found, labels)
    assert low < numbers["AP50"] < high
    assert interval_over_cards(truth[:4], found[:4], labels, cards) is None


def test_nothing_found_is_zero_and_nothing_labelled_is_unknown():
    truth, _, labels = random_records(0)
    numbers, scores = coco_numbers(truth, [], labels)
    assert numbers["AP"] == 0.0
    assert scores["card"].ap == 0.0
    bare = [replace(record, annotations=()) for record in truth]
    assert coco_numbers(bare, bare, labels)[0]["AP"] is None


def test_importing_the_settings_loads_no_torch():
    code = "import sys; from rcg.training import architectures; architectures(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "False"
