"""Edits as plain values: what goes to the App and comes back, and what counts as a change."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcg.errors import DataError
from rcg.review.changes import find_changes
from rcg.review.shapes import BOX, OUTLINE, Shape, decode_base, encode_base, field_names, kept_ids
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Polygon, Rle

CARD = Annotation(label="card", box=Box(10.3, 20.7, 33.1, 44.9))
SCRATCH = Annotation(
    label="scratch", box=Box(12, 24, 20, 10), polygons=(Polygon(((12, 24), (32, 24), (32, 34), (12, 34))),), area=200.0
)
LABELS = ("card", "scratch")


def photo(*annotations, labelled=True):
    return ImageRecord(file_name="a.jpg", width=123, height=457, annotations=annotations, labelled=labelled)


def drawn(*annotations):
    return {str(at): Shape.of(each, 123, 457) for at, each in enumerate(annotations)}


def moved(shape, *, at=0, by=0.1):
    ring = list(shape.rings[0])
    ring[at] += by
    return Shape(label=shape.label, kind=shape.kind, rings=(tuple(ring), *shape.rings[1:]))


@st.composite
def boxes(draw):
    width, height = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
    w = draw(st.floats(0.5, width)) if width > 1 else 1.0
    h = draw(st.floats(0.5, height)) if height > 1 else 1.0
    x, y = draw(st.floats(0, 1)) * (width - w), draw(st.floats(0, 1)) * (height - h)
    return width, height, Box(x, y, w, h)


@given(boxes())
def test_a_box_that_nobody_moved_comes_back_as_the_very_same_numbers(given_box):
    width, height, box = given_box
    before = Annotation(label="card", box=box)
    there = Shape.of(before, width, height)
    over_json = decode_base(orjson.loads(orjson.dumps(encode_base({"a": there}))))["a"]
    assert over_json == there
    assert there.annotation(width, height, before=before) == before
    assert there.annotation(width, height).box.corners == pytest.approx(box.corners, abs=2e-6)


@given(boxes(), st.floats(-0.2, 0.2))
def test_moving_one_side_leaves_the_other_numbers_as_they_were(given_box, by):
    width, height, box = given_box
    before = Annotation(label="card", box=box)
    ring = list(Shape.of(before, width, height).rings[0])
    ring[1] *= 1 - abs(by)  # upwards: the box stays in the picture
    after = Shape(label="card", kind=BOX, rings=(tuple(ring),)).annotation(width, height, before=before)
    assert (after.box.x, after.box.width, after.box.height) == (box.x, box.width, box.height)


def test_a_changed_class_keeps_geometry_mask_and_keypoints():
    before = Annotation(
        label="card", box=CARD.box, rle=Rle(457, 123, "x"), keypoints=Keypoints(((1.0, 2.0, 2),)), score=0.9, area=7.0
    )
    shape = Shape.of(before, 123, 457)
    after = Shape(label="scratch", kind=BOX, rings=shape.rings).annotation(123, 457, before=before)
    assert (after.label, after.box, after.rle, after.keypoints, after.area) == (
        "scratch", before.box, before.rle, before.keypoints, before.area,
    )  # fmt: skip
    assert after.score is None, "what a person decided has no score"
    other = moved(shape, at=0, by=0.01).annotation(123, 457, before=before)
    assert (other.rle, other.area, other.keypoints) == (None, None, before.keypoints)


def test_a_box_drawn_over_the_edge_is_cut_at_the_edge():
    shape = Shape(label="card", kind=BOX, rings=((-0.1, 0.5, 0.5, 0.8),))
    assert shape.annotation(100, 200).box == Box(0.0, 100.0, 40.0, 100.0)
    with pytest.raises(DataError, match="pixels in the image"):
        Shape(label="card", kind=BOX, rings=((1.2, 0.5, 0.5, 0.8),)).annotation(100, 200)


def test_an_outline_gets_the_box_around_it_and_keeps_the_points_that_stay():
    before = Shape.of(SCRATCH, 123, 457)
    after = moved(before, at=2, by=0.1).annotation(123, 457, before=SCRATCH)
    assert after.polygons[0].points == ((12, 24), (round(32 + 12.3, 6), 24), (32, 34), (12, 34))
    assert after.box.corners == pytest.approx((12, 24, 44.3, 34))
    with pytest.raises(DataError, match="outline of 2 points"):
        Shape(label="scratch", kind=OUTLINE, rings=((0.0, 0.0, 0.5, 0.5),)).annotation(123, 457)


def test_a_move_an_addition_and_a_removal_are_found():
    base = drawn(CARD, SCRATCH)
    new = Shape(label="scratch", kind=BOX, rings=((0.1, 0.1, 0.2, 0.2),))
    now = {"0": moved(base["0"], at=2), "9": new}
    changes = find_changes(photo(CARD, SCRATCH), base, now, labels=LABELS)
    assert changes.taken == {"0", "1", "9"}
    assert not changes.skipped
    (card, wider), (scratch, nothing), (none, added) = changes.pairs
    assert (card, wider.box) == (CARD, Box(10.3, 20.7, round(33.1 + 12.3, 6), 44.9))
    assert (scratch, nothing) == (SCRATCH, None)
    assert none is None
    assert added.box.corners == pytest.approx((12.3, 45.7, 36.9, 137.1))


def test_looking_again_after_the_edit_was_written_finds_nothing():
    base = drawn(CARD, SCRATCH)
    now = {"0": moved(base["0"], at=2), "9": moved(base["0"], at=1)}
    pairs = find_changes(photo(CARD, SCRATCH), base, now, labels=LABELS).pairs
    truth = [each for each in (CARD, SCRATCH) if each not in [before for before, _ in pairs]]
    truth += [after for _, after in pairs if after is not None]
    assert len(truth) == 2
    assert find_changes(photo(*truth), base, now, labels=LABELS).pairs == ()


def test_an_unknown_or_missing_class_is_left_with_its_reason():
    new = Shape(label="crad", kind=BOX, rings=((0.1, 0.1, 0.2, 0.2),))
    nameless = Shape(label=None, kind=BOX, rings=((0.1, 0.1, 0.2, 0.2),))
    changes = find_changes(photo(CARD), drawn(CARD), {**drawn(CARD), "8": nameless, "9": new}, labels=LABELS)
    assert changes.pairs == ()
    assert changes.taken == frozenset()
    assert "without a class" in changes.skipped["8"]
    assert "'crad'" in changes.skipped["9"]
    assert "card, scratch" in changes.skipped["9"]


def test_an_edit_of_a_label_that_was_changed_elsewhere_names_what_was_drawn():
    base = drawn(CARD)
    elsewhere = Annotation(label="card", box=Box(50, 60, 20, 20))
    ((before, after),) = find_changes(photo(elsewhere), base, {"0": moved(base["0"], at=2)}, labels=LABELS).pairs
    assert before.box.corners == pytest.approx(CARD.box.corners, abs=1e-5)
    assert after.box.width == pytest.approx(33.1 + 12.3)


def test_labels_keep_their_ids_when_the_copy_is_written_again():
    a, b = drawn(CARD, SCRATCH).values()
    assert kept_ids({"x": b, "y": a}, [a, b]) == ["y", "x"]
    assert kept_ids({"x": a}, [moved(a)]) == ["x"]
    assert kept_ids({"x": a}, [b]) == [None]
    assert kept_ids({"x": moved(a), "y": a}, [a, moved(a, at=1)]) == ["y", "x"]


def test_predictions_get_fields_of_their_own():
    fields = field_names(["a-b", "a_b", "a b", "7", "ground truth"])
    assert len(set(fields.values())) == 5
    assert all(name.startswith("pred_") and name.isidentifier() for name in fields.values())
