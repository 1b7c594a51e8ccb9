"""The gallery that needs no FiftyOne: matching, the queue, pictures with labels drawn in, predictions as labels."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcg.errors import ConfigError, DataError
from rcg.images import write_image
from rcg.review import accept_predictions, compare, queue
from rcg.review.drawing import draw
from rcg.review.gallery import review_image
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Polygon
from rcg.workspace import Workspace

CARD = Annotation(label="card", box=Box(20, 20, 100, 140))


def seen(x, y, w, h, *, label="card", score=0.9):
    return Annotation(label=label, box=Box(x, y, w, h), score=score)


def photo(*annotations, name="a.png", labelled=True):
    return ImageRecord(file_name=name, width=200, height=200, annotations=annotations, labelled=labelled)


def test_found_false_and_missed_are_told_apart_by_label():
    scratch = Annotation(label="scratch", box=Box(30, 30, 40, 10))
    guesses = [seen(22, 20, 100, 140), seen(30, 30, 40, 10, label="dent"), seen(21, 20, 100, 140, score=0.6)]
    review = review_image(photo(CARD, scratch), guesses)
    assert review.hits == ((CARD, guesses[0]),)
    assert set(map(id, review.false)) == {id(guesses[1]), id(guesses[2])}
    assert review.missed == (scratch,)
    assert (review.tp, review.fp, review.fn, review.mistakes) == (1, 2, 1, 3)


def test_low_scores_and_images_without_labels_count_nothing():
    assert review_image(photo(CARD), [seen(22, 20, 100, 140, score=0.4)]).mistakes == 1
    assert review_image(photo(labelled=False), [seen(22, 20, 100, 140)]).mistakes == 0
    assert review_image(photo(), [seen(22, 20, 100, 140)]).fp == 1


def test_what_falls_on_a_crowd_is_neither_right_nor_false():
    crowd = replace(CARD, crowd=True)
    review = review_image(photo(crowd), [seen(25, 25, 20, 20), seen(150, 150, 20, 20)])
    assert (review.tp, review.fp, review.fn) == (0, 1, 0)


spots = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(10, 60), st.integers(10, 60))
labels = st.sampled_from(["card", "dent"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(spots, labels, st.booleans()), max_size=6),
    st.lists(st.tuples(spots, labels, st.integers(1, 1000)), max_size=8, unique_by=lambda each: each[2]),
)
def test_the_counts_are_those_of_pycocotools(truth, guesses):
    record = photo(*[Annotation(label=label, box=Box(*spot), crowd=crowd) for spot, label, crowd in truth])
    predictions = [seen(*spot, label=label, score=score / 1000) for spot, label, score in guesses]
    review = review_image(record, predictions, score=0.0)
    assert (review.tp, review.fp, review.fn) == coco_counts(record, predictions)


def coco_counts(record, predictions):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entry(each, number):
        b = each.box
        return {
            "id": number, "image_id": 1, "category_id": 1 + (each.label == "dent"), "iscrowd": int(each.crowd),
            "bbox": [b.x, b.y, b.width, b.height], "area": b.area, "score": each.score,
        }  # fmt: skip

    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        for coco, annotations in ((truth, record.annotations), (found, predictions)):
            coco.dataset = {
                "images": [{"id": 1, "width": 200, "height": 200}],
                "categories": [{"id": 1, "name": "card"}, {"id": 2, "name": "dent"}],
                "annotations": [entry(each, at + 1) for at, each in enumerate(annotations)],
            }
            coco.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
    tp = fp = fn = 0
    for result in evaluation.evalImgs:
        if result is not None and result["aRng"] == evaluation.params.areaRng[0]:
            counted = ~np.asarray(result["dtIgnore"][0], dtype=bool)
            matched = np.asarray(result["dtMatches"][0]) > 0
            wanted = ~np.asarray(result["gtIgnore"], dtype=bool)
            tp, fp = tp + int((matched & counted).sum()), fp + int((~matched & counted).sum())
            fn += int((wanted & (np.asarray(result["gtMatches"][0]) == 0)).sum())
    return tp, fp, fn


@pytest.fixture
def dataset(tmp_path):
    """Three images: all right; one missed and one false; without labels."""
    made = Workspace(tmp_path).create("cards", type="custom", classes=["card", "dent"])
    rng = np.random.default_rng(1)
    for name in ("a.png", "b.png", "c.png"):
        write_image(made.images / name, rng.integers(90, 110, (200, 200, 3)).astype(np.uint8))
    with made.writing("a test") as out:
        out.write_records([photo(CARD), photo(CARD, name="b.png"), photo(name="c.png", labelled=False)])
    guesses = {
        "a.png": [seen(21, 20, 100, 140)],
        "b.png": [seen(100, 100, 60, 60)],
        "c.png": [seen(30, 30, 90, 90, score=0.55), seen(60, 60, 30, 30, label="dent", score=0.2)],
    }
    made.write_predictions("run-1", [photo(*found, name=name) for name, found in guesses.items()])
    return made


def test_reviews_come_with_most_mistakes_first_and_unlabelled_last(dataset):
    found = compare(dataset, "run-1")
    assert [(each.file_name, each.mistakes) for each in found] == [("b.png", 2), ("a.png", 0), ("c.png", 0)]
    assert not found[-1].labelled
    assert compare(dataset, "run-1", score=0.95)[0].fn == 1
    with pytest.raises(DataError, match="run-2"):
        compare(dataset, "run-2")


def test_a_correction_counts_at_once(dataset):
    dataset.correct("b.png", before=None, after=Annotation(label="card", box=Box(100, 100, 60, 60)), source="test")
    assert {each.file_name: each.mistakes for each in compare(dataset, "run-1")}["b.png"] == 1


def test_the_queue_asks_for_labels_first_then_for_mistakes(dataset):
    found = queue(dataset, "run-1")
    assert [each.file_name for each in found] == ["c.png", "b.png"]
    assert "no labels" in found[0].reason
    assert found[1].reason == "1 missed, 1 false"
    assert [each.file_name for each in queue(dataset)] == ["c.png"]
    assert len(queue(dataset, "run-1", limit=1)) == 1


def test_what_was_looked_at_leaves_the_queue(dataset):
    made = dataset.correct("b.png", before=None, after=None, source="test")
    assert [each.file_name for each in queue(dataset, "run-1")] == ["c.png"]
    dataset.undo(made.number)
    assert [each.file_name for each in queue(dataset, "run-1")] == ["c.png", "b.png"]


def test_predictions_become_labels_once_and_can_be_undone(dataset):
    made = accept_predictions(dataset, ["a.png", "c.png"], "run-1", score=0.5)
    assert [(each.file_name, each.after.label, each.after.score) for each in made] == [("c.png", "card", None)]
    records = {each.file_name: each for each in dataset.records()}
    assert records["c.png"].labelled
    assert len(records["c.png"].annotations) == 1
    assert accept_predictions(dataset, ["a.png", "c.png"], "run-1", score=0.5) == ()
    dataset.undo(made[0].number)
    assert not {each.file_name: each for each in dataset.records()}["c.png"].labelled


def test_an_image_in_which_nothing_was_found_is_confirmed_as_empty(dataset):
    (made,) = accept_predictions(dataset, ["c.png"], "run-1", score=0.9)
    assert made.action == "confirm"
    assert {each.file_name: each for each in dataset.records()}["c.png"].labelled


def test_accepting_refuses_what_makes_no_sense(dataset):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        accept_predictions(dataset, ["a.png"], "run-1", score=50)
    with pytest.raises(DataError, match="no predictions 'other'"):
        accept_predictions(dataset, ["a.png"], "other")
    with pytest.raises(DataError, match=r"nothing\.png"):
        accept_predictions(dataset, ["nothing.png"], "run-1")


def changed(pixels, plain, rows, columns):
    return (pixels[rows, columns] != plain[rows, columns]).any(axis=-1)


def test_labels_are_solid_and_predictions_dashed():
    plain = np.full((400, 400, 3), 120, np.uint8)
    record = ImageRecord(
        file_name="a", width=200, height=200, annotations=(Annotation(label="card", box=Box(20, 40, 60, 100)),)
    )
    pixels = draw(plain, record, [seen(120, 40, 60, 100)])
    solid = changed(pixels, plain, slice(90, 270), 40)
    dashed = changed(pixels, plain, slice(90, 270), 240)
    assert solid.all()
    assert 0.3 < dashed.mean() < 0.9
    assert (pixels[100, 40] != pixels[90:270, 240][dashed][0]).any(), "told apart by colour as well"
    assert (plain == 120).all()


def test_outlines_keypoints_and_texts_at_the_rim_are_drawn():
    plain = np.full((100, 100, 3), 120, np.uint8)
    ring = Polygon(((5.0, 5.0), (60.0, 5.0), (5.0, 60.0)))
    corner = Keypoints(((80.0, 80.0, 2), (0.0, 0.0, 0)))
    record = ImageRecord(
        file_name="a", width=100, height=100,
        annotations=(
            Annotation(label="inner frame", box=Box(5, 5, 55, 55), polygons=(ring,)),
            Annotation(label="card", box=Box(60, 60, 39, 39), keypoints=corner),
        ),
    )  # fmt: skip
    pixels = draw(plain, record)
    assert changed(pixels, plain, slice(40, 41), slice(20, 30)).any(), "the slanted side"
    assert not changed(pixels, plain, slice(50, 58), slice(50, 58)).any(), "no box where there is an outline"
    assert changed(pixels, plain, slice(76, 85), slice(76, 85)).any(), "the keypoint"
