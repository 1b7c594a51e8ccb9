"""Versions of a dataset: the same content is the same version, what differs is told, and there is a way back."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from rcg.annotations.mapping import ClassMap
from rcg.errors import Cancelled, ConfigError, DataError, RcgError
from rcg.files import read_jsonl, write_json
from rcg.images import write_image
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Polygon, Rle
from rcg.versions import diff_versions, store_version
from rcg.workspace import Workspace
from tests.test_workspace import yolo_folder

NAMES = [f"card_{n:02d}.png" for n in range(20)]
RING = Polygon(((2.0, 2.0), (30.0, 2.0), (30.0, 20.0)))


def label(name, x=5.0, **more):
    return Annotation(label=name, box=Box(x, 6.0, 20.0, 10.0), **more)


def records(names=NAMES):
    """One image each: boxes of three classes, one outline, one mask, one crowd, one empty, one unlabelled."""
    special = {
        0: (label("card", polygons=(RING,)),),
        1: (label("card", rle=Rle(40, 60, (100, 20, 2280))), label("stain", crowd=True)),
        2: (label("card", keypoints=Keypoints(((1.0, 2.0, 2), (3.0, 4.0, 0)))),),
        3: (),
        4: (),
    }
    for n, name in enumerate(names):
        found = special.get(n, (label("card"), label("stain", x=n / 7), label("dust", x=1.0)))
        yield ImageRecord(file_name=name, width=60, height=40, annotations=found, labelled=n != 4)


def fill(dataset, found):
    """Put images and records into a dataset, as an import does."""
    found = list(found)
    for n, record in enumerate(found):
        place = dataset.images / record.file_name
        if not place.exists():
            write_image(place, np.full((record.height, record.width, 3), n % 256, np.uint8))
    with dataset.writing("filling") as out:
        out.learn_classes(each.label for record in found for each in record.annotations)
        out.write_records(found)
        out.store_splits()
        out.store_version(f"{len(found)} images")
    return dataset


def make(home, names=NAMES):
    return fill(Workspace(home).create("cards", type="custom"), records(names))


@pytest.fixture
def cards(tmp_path):
    return make(tmp_path / "ws")


def reopened(dataset):
    """The dataset as another process sees it."""
    return Workspace(dataset.workspace).dataset(dataset.name)


def with_labels(dataset, name, *labels):
    found = [replace(each, annotations=labels) if each.file_name == name else each for each in dataset.records()]
    return fill(dataset, found)


def test_the_same_content_is_the_same_version_wherever_and_whenever(tmp_path, cards):
    first = cards.version()
    assert (first.images, first.annotations, first.stored) == (20, 49, True)
    assert first.per_label == {"card": 18, "stain": 16, "dust": 15}
    elsewhere = make(tmp_path / "elsewhere")
    assert elsewhere.version().id == first.id
    moved = tmp_path / "moved"
    shutil.move(cards.workspace, moved)
    for path in (moved / "datasets" / "cards" / "images").iterdir():
        os.utime(path, (1, 1))
    assert Workspace(moved).dataset("cards").version().id == first.id


def test_the_order_of_images_and_labels_makes_no_version(cards):
    before = cards.version().id
    turned = [replace(each, annotations=each.annotations[::-1]) for each in reversed(cards.records())]
    fill(cards, turned)
    assert cards.version().id == before
    assert len(cards.versions()) == 1


def test_images_count_by_their_bytes_and_not_by_their_names(tmp_path, cards):
    named = tmp_path / "named"
    other = Workspace(named).create("cards", type="custom", card_pattern=r"(card_\d+)")
    for n in range(20):
        write_image(other.images / "lot" / NAMES[n], np.full((40, 60, 3), n, np.uint8))
    fill(other, records([f"lot/{name}" for name in NAMES]))
    assert other.version().id == cards.version().id


@pytest.mark.parametrize(
    "change",
    [
        lambda cards: with_labels(cards, NAMES[7], label("card")),
        lambda cards: with_labels(cards, NAMES[7], *[label("card"), label("stain", x=1.0000001), label("dust", x=1.0)]),
        lambda cards: cards.correct(NAMES[4], before=None, after=None, source="test"),
        lambda cards: cards.correct(NAMES[4], before=None, after=label("card"), source="test"),
        lambda cards: write_image(cards.images / NAMES[5], np.zeros((40, 60, 3), np.uint8)),
        lambda cards: cards.map_classes(ClassMap({"dust": "grime"})),
        lambda cards: (cards.path / "splits.json").write_text('{"cards": {"card_05": "test", "card_06": "val"}}'),
        lambda cards: fill(cards, [*cards.records(), replace(cards.records()[0], file_name="new.png", image_id=None)]),
    ],
    ids=["fewer", "moved", "confirmed", "corrected", "pixels", "class", "splits", "image"],
)
def test_every_change_that_a_training_sees_is_another_version(cards, change):
    before = cards.version().id
    change(cards)
    assert cards.version().id != before
    assert reopened(cards).version().id == cards.version().id


def test_predictions_and_settings_are_no_version(cards):
    before = cards.version().id
    cards.write_predictions("mine", [replace(cards.records()[5], annotations=(label("card", score=0.5),))])
    assert cards.version().id == before
    assert len(cards.versions()) == 1


def test_a_correction_that_is_taken_back_leads_to_the_same_version(cards):
    before = cards.version().id
    made = cards.correct(NAMES[5], before=label("card"), after=None, source="test")
    assert cards.version().id != before
    cards.undo(made.number)
    assert cards.version().id == before


def test_labels_corrected_and_labels_imported_so_are_the_same_version(tmp_path, cards):
    cards.correct(NAMES[5], before=label("card"), after=Annotation(label="card", box=Box(1, 2, 30, 20)), source="test")
    imported = make(tmp_path / "imported")
    now = {record.file_name: record.annotations for record in cards.records()}
    with_labels(imported, NAMES[5], *now[NAMES[5]])
    assert imported.version().id == cards.version().id


def test_what_differs_is_told(cards):
    old = cards.version()
    write_image(cards.images / NAMES[6], np.zeros((40, 60, 3), np.uint8))
    cards.correct(NAMES[5], before=label("card"), after=None, source="test")
    kept = [each for each in cards.records(corrected=False) if each.file_name != NAMES[9]]
    extra = replace(kept[0], file_name="new.png", image_id=None, annotations=(label("tear"),))
    fill(cards, [*kept, extra])
    moved = next(card for card, split in cards.splits().assigned.items() if split == "train" and card < "card_09")
    stored = {**cards.splits().assigned, moved: "test"}
    write_json(cards.path / "splits.json", {"cards": stored})
    found = diff_versions(cards, old.id[:8])
    assert (found.added, found.removed, found.relabelled) == (("new.png",), (NAMES[9],), (NAMES[5],))
    assert found.replaced == (NAMES[6],)
    assert found.moved == {f"{moved}.png": ("train", "test")}
    assert found.per_label == {"card": (18, 16), "stain": (16, 15), "dust": (15, 14), "tear": (0, 1)}
    assert found.classes == (("card", "stain", "dust"), ("card", "stain", "dust", "tear"))
    text = str(found)
    for line in ("1 image added: new.png", f"1 image removed: {NAMES[9]}", "card: 18 before, 16 after (-2)"):
        assert line in text
    stored = store_version(cards, "now")
    again = diff_versions(cards, old.id, stored.id)
    assert (again.added, again.relabelled, again.moved) == (found.added, found.relabelled, found.moved)
    back = diff_versions(cards, stored.id, old.id)
    assert (back.added, back.removed, back.per_label["tear"]) == (found.removed, found.added, (1, 0))
    assert str(diff_versions(cards, stored.id)).endswith("nothing differs")


def test_a_class_that_is_only_renamed_relabels_its_images_and_no_others(cards):
    old = cards.version()
    cards.map_classes(ClassMap({"dust": "grime"}))
    found = diff_versions(cards, old.id)
    assert found.relabelled == tuple(NAMES[5:])
    assert found.per_label == {"card": (18, 18), "stain": (16, 16), "dust": (15, 0), "grime": (0, 15)}


def test_many_versions_of_a_few_changes_take_little_room(tmp_path):
    cards = make(tmp_path / "ws", [f"card_{n:04d}.png" for n in range(1500)])
    first = (cards.path / "versions" / "labels.gz").stat().st_size
    for n in range(20):
        cards.correct(f"card_{n + 5:04d}.png", before=None, after=label("card", x=n + 0.5), source="test")
        store_version(cards, "corrected")
    with_labels(cards, "card_0007.png", label("card"))
    assert len(cards.versions()) == 22
    assert (cards.path / "versions" / "labels.gz").stat().st_size < 2 * first
    assert [each.images for each in cards.versions()] == [1500] * 22


def test_going_back_and_forward_gives_the_same_files(cards):
    truth = cards.labels_file()
    first, labels = cards.version(), truth.read_bytes()
    splits = cards.splits()
    cards.correct(NAMES[5], before=label("card"), after=label("card", x=9.0), source="test")
    fill(cards, [*cards.records(corrected=False)[:15], ImageRecord(file_name="x.png", width=60, height=40)])
    cards.map_classes(ClassMap({"dust": None, "stain": "mark"}))
    second, after, corrected = cards.version(), truth.read_bytes(), cards.records()
    assert second.per_label == {"card": 13, "mark": 11}
    assert cards.restore(first.id[:10]).id == first.id
    assert truth.read_bytes() == labels
    assert cards.labels.names == ("card", "stain", "dust")
    assert cards.splits() == splits
    assert not [each for each in cards.corrections() if not each.undone]
    assert (cards.images / "x.png").exists()
    assert cards.restore(second.id).id == second.id
    assert truth.read_bytes() == after
    assert cards.records() == corrected
    assert reopened(cards).version().id == second.id
    assert [each.source for each in cards.corrections() if not each.undone] == ["test"]


def test_what_was_not_stored_is_stored_before_going_back(cards):
    first = cards.version()
    cards.correct(NAMES[5], before=label("card"), after=label("card", x=9.0), source="test")
    unstored = cards.version()
    assert not unstored.stored
    cards.restore(first.id)
    assert [each.id for each in cards.versions()] == [first.id, unstored.id]
    cards.restore(unstored.id)
    assert cards.records()[5].annotations[0].box.x == 9.0


def test_the_log_of_corrections_keeps_all_lines_and_they_can_still_be_undone(cards):
    first = cards.version()
    one = cards.correct(NAMES[5], before=label("card"), after=label("card", x=9.0), source="test")
    second = store_version(cards, "corrected")
    lines = list(read_jsonl(cards.path / "corrections.jsonl"))
    cards.restore(first.id)
    with pytest.raises(DataError, match="of another version"):
        cards.undo(one.number)
    cards.restore(second.id)
    assert list(read_jsonl(cards.path / "corrections.jsonl"))[: len(lines)] == lines
    again = next(each for each in cards.corrections() if not each.undone)
    assert (again.time, again.after) == (one.time, one.after)
    cards.undo(again.number)
    assert cards.version().id == first.id


def test_new_images_come_after_going_back_without_clashing(cards):
    first = cards.version()
    fill(cards, [*cards.records(), ImageRecord(file_name="x.png", width=60, height=40)])
    with_x = cards.version()
    cards.restore(first.id)
    fill(cards, [*cards.records(), ImageRecord(file_name="y.png", width=60, height=40)])
    with_y = cards.version()
    assert len({record.image_id for record in cards.records()}) == 21
    cards.restore(with_x.id)
    assert "x.png" in cards.names()
    assert "y.png" not in cards.names()
    cards.restore(with_y.id)
    assert "y.png" in cards.names()


def test_missing_and_changed_files_are_told_and_named(cards):
    first = cards.version()
    fill(cards, cards.records()[:10])
    (cards.images / NAMES[12]).unlink()
    write_image(cards.images / NAMES[13], np.zeros((40, 60, 3), np.uint8))
    ticks = []
    reached = cards.restore(first.id, report=ticks.append)
    notes = [tick.note for tick in ticks if tick.note]
    assert notes == [
        f"1 image of this version is missing on the disk, such as {NAMES[12]}",
        f"1 image of this version has another file now, such as {NAMES[13]}",
    ]
    assert reached.id != first.id
    assert len(cards.records()) == 20
    with pytest.raises(DataError, match="1 image is missing"):
        cards.version()


def test_an_unknown_or_ambiguous_version_is_told(cards):
    with pytest.raises(DataError) as caught:
        cards.restore("zzzz")
    assert cards.version().id[:12] in caught.value.fix
    with pytest.raises(DataError, match="no version ''"):
        cards.restore("")
    for n in range(20):
        with_labels(cards, NAMES[5], label("card", x=n + 0.25))
    beginnings = [each.id[0] for each in cards.versions()]
    twice = next(each for each in beginnings if beginnings.count(each) > 1)
    with pytest.raises(DataError, match="is the beginning of"):
        cards.restore(twice)


def test_a_damaged_version_is_told_and_touches_nothing(cards):
    first = cards.version()
    with_labels(cards, NAMES[5], label("stain"))
    now = cards.labels_file().read_bytes()
    store = cards.path / "versions" / "labels.gz"
    whole = store.read_bytes()
    for damage in (b"", whole[:10], whole[:20] + b"x" + whole[21:]):
        store.write_bytes(damage)
        with pytest.raises(DataError, match="are damaged"):
            cards.restore(first.id)
    store.unlink()
    with pytest.raises(DataError, match="are damaged"):
        diff_versions(cards, first.id)
    assert cards.labels_file().read_bytes() == now
    store.write_bytes(whole)
    log = cards.path / "versions" / "versions.jsonl"
    log.write_bytes(b'{"id": "half\n[]\n' + log.read_bytes() + b'{"id": "ha')
    assert len(cards.versions()) == 2
    with_labels(cards, NAMES[5], label("dust"))
    assert len(cards.versions()) == 3
    assert cards.restore(first.id).id == first.id


def test_what_a_crash_left_behind_does_no_harm(cards):
    first = cards.version()
    store = cards.path / "versions" / "labels.gz"
    store.write_bytes(store.read_bytes() + b"half a piece")
    with_labels(cards, NAMES[5], label("stain"))
    second = cards.version()
    assert cards.restore(first.id).id == first.id
    assert cards.restore(second.id).id == second.id


def test_two_that_store_at_once_wait_for_each_other(cards):
    cards.correct(NAMES[5], before=None, after=label("card", x=2.0), source="test")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: store_version(reopened(cards), f"number {n}"), range(4)))
    assert len({each.id for each in found}) == 1
    assert len(cards.versions()) == 2
    assert cards.restore(found[0].id).id == found[0].id


def test_a_restore_that_was_cut_off_is_mended_by_the_next(cards):
    first = cards.version()
    cards.correct(NAMES[5], before=label("card"), after=label("card", x=9.0), source="test")
    fill(cards, cards.records(corrected=False)[:10])

    def stop(tick):
        if tick.task == "writing labels":
            raise Cancelled

    with pytest.raises(Cancelled):
        cards.restore(first.id, report=stop)
    with pytest.raises(DataError, match="was cut off") as caught:
        cards.correct(NAMES[5], before=None, after=label("card"), source="test")
    assert caught.value.fix == f"rcg dataset restore cards {first.id[:12]}"
    assert cards.restore(first.id).id == first.id
    cards.correct(NAMES[5], before=None, after=label("card"), source="test")


def test_a_full_disk_leaves_the_stored_versions_whole(small_disk):
    cards = make(small_disk)
    first = cards.version()
    rng = np.random.default_rng(0)
    with_labels(cards, NAMES[5], *(label("card", x=float(x)) for x in rng.random(500)))
    before = cards.versions()
    with_store = (cards.path / "versions" / "labels.gz").stat().st_size
    cards.correct(NAMES[5], before=None, after=label("card", x=2.0), source="test")
    cards.version()
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        for size in (4096, 1):
            while ballast.write(b"x" * size):
                pass
    with pytest.raises(RcgError, match="disk is full"):
        store_version(reopened(cards), "too much")
    (small_disk / "ballast").unlink()
    assert reopened(cards).versions() == before
    assert (cards.path / "versions" / "labels.gz").stat().st_size == with_store
    assert store_version(cards, "fits").stored
    assert cards.restore(first.id).id == first.id


def test_adding_stores_what_it_brought_and_what_was_corrected_before(tmp_path):
    cards = Workspace(tmp_path / "ws").create("cards", type="custom")
    cards.add(yolo_folder(tmp_path / "first", 6))
    cards.correct("card_001.jpg", before=None, after=label("card"), source="test")
    cards.add(yolo_folder(tmp_path / "second", 3, start=10))
    again = cards.add(tmp_path / "second")
    assert again.new == 0
    notes = [each.note for each in cards.versions()]
    assert notes == [
        f"6 images added from {tmp_path / 'first'}",
        f"before adding {tmp_path / 'second'}",
        f"3 images added from {tmp_path / 'second'}",
    ]
    assert cards.version().id == cards.versions()[-1].id
    assert diff_versions(cards, cards.versions()[0].id).added == tuple(f"card_{n:03d}.jpg" for n in (10, 11, 12))


def test_labels_changed_by_hand_are_a_version_too(cards):
    first = cards.version()
    text = cards.labels_file().read_text().replace("\n", " ").replace('"bbox":[5.0,', '"bbox":[7.5,')
    cards.labels_file().write_text(text)
    assert not cards.version().stored
    stored = store_version(cards, "by hand")
    assert len(diff_versions(cards, first.id).relabelled) == 18
    cards.restore(first.id)
    assert cards.records()[5].annotations[0].box.x == 5.0
    cards.restore(stored.id)
    assert cards.records()[5].annotations[0].box.x == 7.5


def test_mapping_reaches_labels_corrections_and_predictions(cards):
    cards.write_predictions(
        "mine", [replace(cards.records()[5], annotations=(label("dust", score=0.5), label("stain", score=0.25)))]
    )
    dust, stain = label("dust", x=1.0), label("stain", x=5 / 7)
    cards.correct(NAMES[5], before=dust, after=label("tear", x=1.0), source="test")
    cards.correct(NAMES[5], before=stain, after=label("dust", x=5 / 7), source="test")
    cards.correct(NAMES[6], before=None, after=label("dust", x=30.0), source="test")
    notes = cards.map_classes(ClassMap.parse(["dust=", "stain=mark"]))
    assert notes[:2] == (
        "the class 'dust' was dropped with 15 annotations",
        "the class 'stain' was renamed to 'mark' (16 annotations)",
    )
    assert cards.labels.names == ("card", "mark", "tear")
    now = {record.file_name: [each.label for each in record.annotations] for record in cards.records()}
    assert now[NAMES[5]] == ["card", "tear"]
    assert now[NAMES[6]] == ["card", "mark"]
    assert [each.label for each in cards.records("predictions", name="mine")[0].annotations] == ["mark"]
    assert cards.version().per_label == {"card": 18, "mark": 15, "tear": 1}
    assert len(cards.versions()) == 3
    with pytest.raises(ConfigError):
        cards.map_classes(ClassMap({"dust": "x"}))
    assert cards.map_classes(ClassMap({"card": "card"})) == ()


def test_merging_by_hand_written_labels_and_undo_still_work(cards):
    cards.labels_file().write_text(cards.labels_file().read_text().replace("\n", " "))
    made = cards.correct(NAMES[5], before=label("dust", x=1.0), after=label("dust", x=8.0), source="test")
    cards.map_classes(ClassMap({"dust": "stain"}))
    assert cards.version().per_label == {"card": 18, "stain": 31}
    assert [(each.label, each.box.x) for each in cards.records()[5].annotations][2] == ("stain", 8.0)
    cards.undo(made.number)
    assert [(each.label, each.box.x) for each in cards.records()[5].annotations][2] == ("stain", 1.0)


def test_a_mapping_that_was_cut_off_can_be_taken_back(cards):
    first = cards.version()
    cards.write_predictions("mine", [replace(cards.records()[5], annotations=(label("dust", score=0.5),))])

    def stop(tick):
        if tick.task == "mapping predictions":
            raise Cancelled

    with pytest.raises(Cancelled):
        cards.map_classes(ClassMap({"dust": None}), report=stop)
    with pytest.raises(DataError, match="mapping classes was cut off"):
        cards.map_classes(ClassMap({"dust": None}))
    assert cards.restore(first.id).id == first.id
    cards.map_classes(ClassMap({"dust": None}))
    assert cards.labels.names == ("card", "stain")


def test_going_back_after_a_mapping_gives_the_corrections_their_old_names(cards):
    cards.correct(NAMES[5], before=label("dust", x=1.0), after=label("dust", x=8.0), source="test")
    first = store_version(cards, "corrected")
    cards.map_classes(ClassMap({"dust": None}))
    assert cards.restore(first.id).id == first.id
    assert [each.label for each in cards.records()[5].annotations] == ["card", "stain", "dust"]
    assert cards.records()[5].annotations[2].box.x == 8.0


def test_a_version_is_stored_and_compared_within_seconds(tmp_path):
    """5,000 images with ten boxes each; the time for 50,000 is ten times that."""
    rng = np.random.default_rng(0)
    cards = Workspace(tmp_path).create("cards", type="custom")
    boxes = rng.random((5000, 10)) * 30
    found = [
        ImageRecord(file_name=f"{n:05d}.png", width=60, height=40, annotations=tuple(label("card", x=x) for x in row))
        for n, row in enumerate(boxes.tolist())
    ]
    (cards.images / "0.png").parent.mkdir(exist_ok=True)
    for record in found:
        (cards.images / record.file_name).write_bytes(record.file_name.encode())
    with cards.writing("filling") as out:
        out.learn_classes(["card"])
        out.write_records(found)
        out.store_splits()
    began = time.process_time()
    first = store_version(cards, "all")
    assert time.process_time() - began < 15
    cards.correct("00007.png", before=None, after=label("card", x=1.0), source="test")
    began = time.process_time()
    assert diff_versions(cards, first.id).relabelled == ("00007.png",)
    assert time.process_time() - began < 15
