"""Classes that were renamed or dropped stay so when the same source is added again, until a restore takes it back."""

import pytest

from rcg.annotations.mapping import ClassMap
from rcg.errors import Cancelled
from rcg.importing.naming import in_order
from rcg.types import LabelSet
from rcg.workspace import Workspace
from tests import make_labels as make
from tests.test_importing import coco_set, facts, opened, picture, voc_set, yolo_set  # noqa: F401 - a fixture

RANKS = ("ace", "jack", "king")


def ranks(folder, numbers):
    """VOC labels: an ace, a jack and a king in every image."""
    for n in numbers:
        picture(folder / f"c{n:04d}.jpg", n)
        boxes = [(name, 5 + 10 * place, 5, 20 + 10 * place, 20) for place, name in enumerate(RANKS)]
        make.text(folder / f"c{n:04d}.xml", make.voc_xml(boxes, size=(60, 40)))
    return folder


@pytest.fixture
def cards(tmp_path):
    return Workspace(tmp_path / "ws").create("cards", type="custom")


@pytest.mark.parametrize("cold", [False, True])
def test_the_same_add_again_does_not_undo_a_mapping(cards, tmp_path, opened, cold):  # noqa: F811 - the fixture
    source = ranks(tmp_path / "source", range(12))
    cards.add(source)
    before = cards.version()
    cards.map_classes(ClassMap.parse(["ace=king", "jack="]))
    mapped, counts = facts(cards), cards.coverage().per_label
    assert counts == {"king": 24}
    opened.clear()
    if cold:
        (cards.cache / "added.sqlite").unlink()
    done = cards.add(source)
    assert facts(cards) == mapped
    assert cards.labels.names == ("king",)
    assert (done.new, done.changed, done.annotations) == (0, 0, 24)
    assert done.unchanged == (0 if cold else 12)
    assert cold or not [path for path in opened if path.endswith(".jpg")]
    assert any("ace=king jack=" in note for note in done.notes)
    ranks(source, range(12, 15))
    assert cards.add(source).new == 3
    assert cards.coverage().per_label == {"king": 30}
    cards.restore(before.id)
    again = cards.add(source)
    assert cards.coverage().per_label == dict.fromkeys(RANKS, 15)
    assert not any("mappings" in note for note in again.notes)


@pytest.mark.parametrize("make_set", [yolo_set, coco_set, voc_set])
def test_mappings_hold_for_labels_of_every_kind(cards, tmp_path, make_set):
    source = make_set(tmp_path / "source", range(6))
    cards.add(source)
    old = cards.labels.names[0]
    cards.map_classes(ClassMap({old: "mark"}))
    counts = cards.coverage().per_label
    make_set(source, range(6, 9))
    assert cards.add(source).unchanged in (0, 6)
    assert old not in cards.coverage().per_label
    assert cards.coverage().per_label["mark"] > counts["mark"]


def test_mappings_hold_after_the_map_of_the_call(cards, tmp_path):
    source = ranks(tmp_path / "source", range(4))
    call = ClassMap.parse(["ace=queen"])
    cards.add(source, class_map=call)
    cards.map_classes(ClassMap.parse(["queen=lady"]))
    cards.map_classes(ClassMap.parse(["lady=king", "jack="]))
    for _ in range(2):
        cards.add(source, class_map=call)
        assert cards.coverage().per_label == {"king": 8}
        (cards.cache / "added.sqlite").unlink()


def test_a_swap_is_not_done_twice(cards, tmp_path):
    source = ranks(tmp_path / "source", range(4))
    cards.add(source)
    cards.map_classes(ClassMap.parse(["ace=king", "king=ace"]))
    mapped = facts(cards)
    for _ in range(2):
        cards.add(source)
        assert facts(cards) == mapped
        (cards.cache / "added.sqlite").unlink(missing_ok=True)


def test_going_forward_again_brings_a_mapping_back_into_force(cards, tmp_path):
    source = ranks(tmp_path / "source", range(4))
    cards.add(source)
    before = cards.version()
    cards.map_classes(ClassMap.parse(["ace=king"]))
    after = cards.version()
    cards.restore(before.id)
    cards.restore(after.id)
    cards.add(source)
    assert cards.version().id == after.id


def test_a_source_whose_classes_are_all_dropped_becomes_background(cards, tmp_path):
    cards.add(ranks(tmp_path / "source", range(4)))
    cards.map_classes(ClassMap.parse(["jack="]))
    for n in (20, 21):
        picture(tmp_path / "jacks" / f"j{n}.jpg", n)
        make.text(tmp_path / "jacks" / f"j{n}.xml", make.voc_xml([("jack", 5, 5, 20, 20)], size=(60, 40)))
    done = cards.add(tmp_path / "jacks")
    assert (done.new, done.labelled, done.annotations) == (2, 2, 0)
    assert "jack" not in cards.labels.names


def test_what_a_stopped_import_left_waiting_is_mapped_too(cards, tmp_path, monkeypatch):
    source = ranks(tmp_path / "source", range(4))
    cards.add(source)
    ranks(source, range(4, 10))
    monkeypatch.setattr("rcg.importing.run.Import._enter", lambda *_: (_ for _ in ()).throw(Cancelled()))
    with pytest.raises(Cancelled):
        cards.add(source)
    monkeypatch.undo()
    cards.map_classes(ClassMap.parse(["jack=", "ace=king"]))
    cards.add(source)
    assert cards.coverage().per_label == {"king": 20}


def test_predictions_are_read_with_the_mappings(cards, tmp_path):
    source = ranks(tmp_path / "source", range(4))
    cards.add(source)
    cards.map_classes(ClassMap.parse(["ace=king", "jack="]))
    boxes = [{"image_id": n + 1, "category_id": 1, "bbox": [5, 5, 20, 20], "score": 0.5} for n in range(4)]
    images = [{"id": n + 1, "file_name": f"c{n:04d}.jpg", "width": 60, "height": 40} for n in range(4)]
    make.coco(tmp_path / "found.json", images=images, annotations=boxes, categories=[(1, "ace")])
    cards.add(labels=tmp_path / "found.json", stage="predictions", name="mine")
    assert {each.label for record in cards.records("predictions", name="mine") for each in record.annotations} == {
        "king"
    }
    assert cards.labels.names == ("king",)


def test_a_version_says_which_labels_changed(cards, tmp_path):
    source = ranks(tmp_path / "source", range(4))
    cards.add(source)
    make.text(source / "c0001.xml", make.voc_xml([("ace", 1, 1, 9, 9), ("king", 25, 5, 40, 20)], size=(60, 40)))
    done = cards.add(source)
    assert (done.new, done.changed) == (0, 2)
    assert cards.versions()[-1].note == f"0 images new, 2 annotations changed, from {source}"


def test_mappings_follow_one_another():
    maps = [ClassMap({"a": "b"}), ClassMap({"b": "c", "d": None}), ClassMap({"c": "a", "a": "c"})]
    joined = in_order(maps)
    for name in "abcde":
        wanted = name
        for each in maps:
            wanted = wanted and each.of(wanted)
        assert joined.of(name) == wanted
    assert in_order([]).labels(LabelSet(("x",))).names == ("x",)


def test_photos_that_are_gone_from_the_source_are_named_and_stay(cards, tmp_path):
    source = yolo_set(tmp_path / "source", range(6))
    cards.add(source)
    for n in (2, 4):
        (source / "images" / f"c000{n}.jpg").unlink()
    for _ in range(2):
        done = cards.add(source)
        (note,) = [each for each in done.notes if "gone" in each]
        assert note.startswith("2 images of this source are gone from the folder; the dataset keeps")
        assert note.endswith("the first is images/c0002.jpg")
        assert cards.coverage().images == 6
    other = yolo_set(tmp_path / "source2", range(10, 12))
    assert not [note for note in cards.add(other).notes if "gone" in note]


def test_linked_photos_that_are_gone_are_told_as_lost(cards, tmp_path):
    source = yolo_set(tmp_path / "source", range(4))
    cards.add(source, link=True)
    (source / "images" / "c0001.jpg").unlink()
    (note,) = [each for each in cards.add(source, link=True).notes if "gone" in each]
    assert "1 image of this source is gone from the folder, and the dataset's links lead nowhere" in note


def test_a_card_pattern_that_makes_one_card_of_all_is_told(tmp_path):
    ws = Workspace(tmp_path / "ws")
    source = yolo_set(tmp_path / "source", range(12))
    one = ws.create("one", type="custom", card_pattern="([a-z]+)").add(source)
    (note,) = [each for each in one.notes if "show" in each]
    assert note.startswith("by the card pattern ([a-z]+), 12 images show 1 card: ")
    assert not [each for each in ws.create("many", type="custom").add(source).notes if "show" in each]


def test_classes_outside_of_the_schema_are_counted_when_not_all_are_named(tmp_path):
    picture(tmp_path / "source" / "a.jpg", 1)
    boxes = [(f"rank {n}", 5, 5, 20, 20) for n in range(7)]
    make.text(tmp_path / "source" / "a.xml", make.voc_xml(boxes, size=(60, 40)))
    done = Workspace(tmp_path / "ws").create("cards", type="edge_damage").add(tmp_path / "source")
    assert any(each.endswith("rank 4 (1) and 2 more") for each in done.notes)


def test_one_labelled_photo_of_a_small_folder_is_trained_on(tmp_path):
    for first in range(8):
        source = yolo_set(tmp_path / f"source{first}", range(10 * first, 10 * first + 3))
        for n in (1, 2):
            (source / "labels" / f"c{10 * first + n:04d}.txt").unlink()
        cards = Workspace(tmp_path / "ws").create(f"cards-{first}", type="custom")
        cards.add(source)
        assert cards.splits().of(next(each.file_name for each in cards.records() if each.labelled)) == "train"
