"""Datasets on disk: types, imports by stage, splits by card, corrections, fingerprints, journal."""

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rcg import dataset_types
from rcg.annotations import convert
from rcg.corrections import damaged_lines
from rcg.errors import Cancelled, ConfigError, DataError, RcgError
from rcg.files import read_json, read_jsonl
from rcg.images import write_image
from rcg.readiness import validate
from rcg.types import Annotation, Box
from rcg.workspace import Workspace

NAMES = ["card", "stain"]


def yolo_folder(folder, count=20, *, split="", start=0, names=NAMES, size=(60, 40)):
    """A YOLO set: one image each with a box of class n % 2, every fifth with an empty label file."""
    rng = np.random.default_rng(start)
    (folder / "data.yaml").parent.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(f"names: {list(names)}\n")
    for n in range(start, start + count):
        image = folder / split / "images" / f"card_{n:03d}.jpg"
        write_image(image, rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
        label = folder / split / "labels" / f"card_{n:03d}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("" if n % 5 == 4 else f"{n % len(names)} 0.5 0.5 0.25 0.5\n")
    return folder


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "ws")


@pytest.fixture
def cards(ws, tmp_path):
    made = ws.create("cards", type="custom")
    made.add(yolo_folder(tmp_path / "source"))
    return made


@pytest.mark.parametrize("name", dataset_types.DATASET_TYPES)
def test_a_dataset_of_every_type_can_be_made(ws, name):
    made = ws.create(f"my-{name}", type=name.replace("_", "-"))
    assert made.type.name == name
    assert ws.dataset(f"my-{name}").type.purpose
    assert made.coverage().images == 0


def test_unknown_types_and_names_are_refused_with_the_nearest(ws):
    with pytest.raises(ConfigError) as caught:
        ws.create("a", type="edge_detektion")
    assert caught.value.fix == "write edge_detection"
    for name in ("", "../x", "a b", "-x"):
        with pytest.raises(ConfigError, match="cannot be the name"):
            ws.create(name, type="custom")
    with pytest.raises(DataError, match="'dent' stands there twice"):
        ws.create("a", type="custom", classes=["dent", "dent"])
    ws.create("a", type="custom")
    with pytest.raises(DataError, match="already"):
        ws.create("a", type="custom")
    with pytest.raises(DataError) as missing:
        ws.dataset("b")
    assert "choose one of a" in missing.value.fix


def test_centering_has_24_points_and_corners_have_4():
    assert len(set(dataset_types.DATASET_TYPES["centering_analysis"].keypoints)) == 24
    assert len(dataset_types.DATASET_TYPES["corner_detection"].keypoints) == 4


def test_images_and_labels_come_in_and_are_counted(cards, tmp_path):
    have = cards.coverage()
    assert (have.images, have.labelled, have.empty, have.unlabelled, have.annotations) == (20, 20, 4, 0, 16)
    assert have.per_label == {"card": 8, "stain": 8}
    assert sum(have.per_split.values()) == 20
    first = cards.records()[0]
    assert first.annotations[0].box == Box(22.5, 10, 15, 20)
    assert (cards.images / first.file_name).is_file()
    assert [entry.event for entry in Workspace(cards.workspace).journal()] == ["dataset created", "images added"]


def test_originals_are_never_touched_and_links_refer_to_them(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 6)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in source.rglob("*")}
    linked = ws.create("linked", type="custom")
    linked.add(source, link=True)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in source.rglob("*")} == before
    assert all((linked.images / record.file_name).is_symlink() for record in linked.records())
    shutil.rmtree(source / "images")
    with pytest.raises(DataError, match="6 images are missing"):
        linked.fingerprint()
    linked = Workspace(ws.path).dataset("linked")  # as another process sees it
    assert linked.coverage().annotations == 5
    assert validate(linked).verdict == "stop"
    yolo_folder(tmp_path / "elsewhere", 6)
    linked.add(tmp_path / "elsewhere", link=True)
    assert linked.coverage().images == 6
    assert linked.fingerprint()


def test_the_same_folder_again_adds_nothing_and_a_new_label_wins(cards, tmp_path):
    before = cards.fingerprint()
    again = cards.add(tmp_path / "source")
    assert (again.images, again.new) == (20, 0)
    assert cards.fingerprint() == before
    (tmp_path / "source" / "labels" / "card_000.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    cards.add(tmp_path / "source")
    assert cards.records()[0].annotations[0].label == "stain"
    assert cards.fingerprint() != before


def test_other_images_of_the_same_name_are_kept_apart(cards, tmp_path):
    yolo_folder(tmp_path / "other", 3, size=(80, 80))
    done = cards.add(tmp_path / "other")
    assert (done.new, cards.coverage().images) == (3, 23)
    assert cards.add(tmp_path / "other").new == 0


def test_image_ids_and_splits_stay_while_the_dataset_grows(cards, tmp_path):
    ids = {record.file_name: record.image_id for record in cards.records()}
    splits = {name: cards.splits().of(name) for name in ids}
    assert {"train", "val", "test"} == set(splits.values())
    cards.add(yolo_folder(tmp_path / "more", 200, start=100))
    assert {record.file_name: record.image_id for record in cards.records() if record.file_name in ids} == ids
    assert {name: cards.splits().of(name) for name in ids} == splits
    assert len({record.image_id for record in cards.records()}) == 220


def test_all_photos_of_a_card_are_in_one_split(ws, tmp_path):
    source = tmp_path / "photos"
    for n in range(40):
        for view in ("front", "back", "front_view2"):
            write_image(source / f"c{n:02d}_{view}.jpg", np.full((20, 20, 3), n, np.uint8))
    made = ws.create("cards", type="custom")
    made.add(source)
    splits = made.splits()
    assert len(splits.assigned) == 40
    for n in range(40):
        assert len({splits.of(name) for name in splits.cards if name.startswith(f"c{n:02d}_")}) == 1


def test_a_card_pattern_of_ones_own_decides_what_a_card_is(ws, tmp_path):
    source = tmp_path / "photos"
    for n in range(12):
        write_image(source / f"2026-{n % 4}-{n}.jpg", np.full((20, 20, 3), n, np.uint8))
    made = ws.create("cards", type="custom", card_pattern=r"2026-(\d)-")
    made.add(source)
    assert made.coverage().cards == 4
    for pattern in ("(", "nogroup"):
        with pytest.raises(ConfigError, match="card pattern"):
            ws.create("x", type="custom", card_pattern=pattern)


def test_splits_of_the_source_are_kept(ws, tmp_path):
    source = tmp_path / "split"
    yolo_folder(source, 30, split="train")
    yolo_folder(source, 6, split="test", start=50)
    made = ws.create("cards", type="custom")
    made.add(source)
    splits = made.splits()
    assert {name for name in splits.cards if name.startswith("test/")} == set(splits.files("test"))
    assert splits.files("val")


def test_labels_can_come_later_and_predictions_stand_beside_them(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 10)
    made = ws.create("cards", type="custom")
    done = _images_only(made, source, tmp_path)
    assert (done.images, done.labelled, made.coverage().unlabelled) == (10, 0, 10)
    assert validate(made).verdict == "stop"
    made.add(labels=source / "labels", classes=source / "data.yaml")
    assert made.coverage().labelled == 10
    for file in (source / "labels").glob("*.txt"):
        file.write_text("0 0.5 0.5 0.2 0.2 0.9\n")
    done = made.add(labels=source / "labels", classes=source / "data.yaml", stage="predictions", name="mine")
    assert made.prediction_names() == ("mine",)
    assert made.coverage().predictions == {"mine": 10}
    assert made.coverage().annotations == 8
    assert made.records("predictions", name="mine")[0].annotations[0].score == 0.9


def _images_only(made, source, tmp_path):
    shutil.copytree(source / "images", tmp_path / "plain")
    return made.add(tmp_path / "plain")


def test_bad_images_and_lines_are_listed_and_the_rest_is_kept(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 8)
    (source / "images" / "card_000.jpg").write_bytes(b"")
    (source / "images" / "card_001.jpg").write_bytes((source / "images" / "card_002.jpg").read_bytes()[:300])
    (source / "labels" / "card_003.txt").write_text("0 0.5 0.5 0.25 0.5\nnonsense\n7 0.5 0.5 0.1 0.1\n")
    made = ws.create("cards", type="custom")
    done = made.add(source)
    assert done.images == 6
    rows = list(read_jsonl(done.quarantine))
    assert len(rows) == done.dropped
    assert {row["file"].rsplit("/", 1)[-1] for row in rows} >= {"card_000.jpg", "card_001.jpg", "card_003.txt"}
    assert {row["line"] for row in rows if row["file"].endswith("card_003.txt")} == {2, 3}


def test_empty_and_missing_folders_say_what_is_wrong(ws, tmp_path):
    made = ws.create("cards", type="custom")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"")
    with pytest.raises(RcgError, match="empty"):
        made.add(tmp_path / "empty")
    with pytest.raises(RcgError, match="no such"):
        made.add(tmp_path / "none")
    with pytest.raises(RcgError, match="nothing to add"):
        made.add()
    with pytest.raises(RcgError, match="no image could be added"):
        made.add(tmp_path / "broken")
    assert made.coverage().images == 0


def test_unexpected_classes_are_kept_and_said(ws, tmp_path):
    made = ws.create("edges", type="edge_detection")
    done = made.add(yolo_folder(tmp_path / "source", 6))
    assert any("not in the schema of edge_detection" in note for note in done.notes)
    assert any("asks for polygon" in note for note in done.notes)
    assert made.coverage().annotations == 5


def test_a_stopped_import_keeps_what_it_has_and_goes_on(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 30)
    made = ws.create("cards", type="custom")

    def stop(tick):
        if tick.done >= 10:
            raise Cancelled

    with pytest.raises(Cancelled):
        made.add(source, report=stop)
    kept = made.coverage().images
    assert kept <= 30
    assert not (made.path / "lock").exists()
    made.add(source)
    assert made.coverage().images == 30
    assert made.coverage().annotations == 24


def _add_slowly(workspace, source):
    Workspace(workspace).dataset("cards").add(source, report=lambda tick: time.sleep(0.02))


def test_kill_minus_nine_in_an_import_leaves_a_dataset_that_goes_on(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 200)
    made = ws.create("cards", type="custom")
    child = multiprocessing.get_context("fork").Process(target=_add_slowly, args=(ws.path, source))
    child.start()
    deadline = time.time() + 30
    while len(list(made.images.rglob("*.jpg"))) < 20 and time.time() < deadline:
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    made.coverage()
    made.add(source)
    assert made.coverage().images == 200
    assert not list(made.images.rglob("*.part"))


def test_a_second_writer_is_refused_while_reading_goes_on(cards, tmp_path):
    with cards.writing("adding images"):
        with pytest.raises(DataError, match="is adding images here"):
            cards.add(tmp_path / "source")
        assert cards.coverage().images == 20


def test_a_full_disk_in_an_import_is_told_and_nothing_is_torn(small_disk, tmp_path):
    made = Workspace(small_disk).create("cards", type="custom")
    source = yolo_folder(tmp_path / "source", 40, size=(300, 300))
    with pytest.raises(RcgError, match="disk is full"):
        made.add(source)
    assert not list(made.images.rglob("*.part"))
    made.coverage()


@contextmanager
def nobody():
    """As a user that owns nothing, for as long as the block lasts."""
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_place_that_may_not_be_read_or_written_is_told(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        source, target = yolo_folder(home / "source", 3), home / "out" / "x.json"
        target.parent.mkdir()
        target.parent.chmod(0o777)
        convert(source, tmp_path / "first.json")  # what is imported late is imported now
        with nobody(), pytest.raises(RcgError, match="cannot be written"):
            Workspace(home / "ws").create("cards", type="custom")
        for path in (source / "labels", source / "images", source):
            path.chmod(0o000)
            with nobody(), pytest.raises(RcgError, match="folder cannot be read: you have no permission") as caught:
                convert(source, target)
            path.chmod(0o755)
            assert f"chmod u+rx {path}" in caught.value.fix
        (home / "ws").mkdir(mode=0o000)
        (home / "ws").chmod(0o000)
        for look in (lambda: Workspace(home / "ws"), lambda: Workspace(home / "ws" / "inside")):
            with nobody(), pytest.raises(RcgError, match="folder cannot be read"):
                look()
        with nobody():
            assert convert(source, target).images == 3
    with pytest.raises(RcgError):
        convert("x" * 300, tmp_path / "y.json")


def test_corrections_go_over_the_labels_and_can_be_undone(cards):
    record = next(each for each in cards.records() if each.annotations)
    old = record.annotations[0]
    new = Annotation(label="card", box=Box(1, 2, 30, 20))
    before = cards.fingerprint()
    made = cards.correct(record.file_name, before=old, after=new, source="test")
    added = cards.correct(record.file_name, before=None, after=Annotation(label="tear", box=old.box), source="test")
    now = next(each for each in cards.records() if each.file_name == record.file_name)
    assert [each.label for each in now.annotations] == ["card", "tear"]
    assert now.annotations[0].box == new.box
    assert "tear" in cards.labels.names
    assert cards.fingerprint() != before
    cards.undo(added.number)
    cards.undo(made.number)
    now = next(each for each in cards.records() if each.file_name == record.file_name)
    assert now.annotations == record.annotations
    assert len(cards.corrections()) == 2
    with pytest.raises(DataError, match="undone already"):
        cards.undo(made.number)
    with pytest.raises(DataError, match="no correction 99"):
        cards.undo(99)
    with pytest.raises(DataError, match="no image"):
        cards.correct("none.jpg", before=None, after=new, source="test")


def test_a_correction_that_no_longer_fits_is_reported(cards, tmp_path):
    record = next(each for each in cards.records() if each.annotations)
    cards.correct(record.file_name, before=record.annotations[0], after=None, source="test")
    name = record.file_name.rsplit("/", 1)[-1].replace(".jpg", ".txt")
    (tmp_path / "source" / "labels" / name).write_text("1 0.5 0.5 0.9 0.9\n")
    cards.add(tmp_path / "source")
    assert any("no longer fit" in each.what for each in validate(cards).findings)


def test_labels_on_disk_are_coco_that_pycocotools_reads(cards):
    from pycocotools.coco import COCO

    coco = COCO(str(cards.labels_file()))
    assert len(coco.imgs) == 20
    assert len(coco.anns) == 16
    assert [each["name"] for each in read_json(cards.labels_file())["categories"]] == NAMES


def test_broken_descriptions_are_errors_not_crashes(cards):
    (cards.path / "dataset.toml").write_text("type = ")
    with pytest.raises(DataError, match="description cannot be read"):
        _ = cards.type


def test_predictions_for_images_that_are_not_here_are_refused(cards):
    from dataclasses import replace

    record = cards.records()[0]
    with pytest.raises(DataError, match="not in the dataset, such as elsewhere"):
        cards.write_predictions("mine", [replace(record, file_name="elsewhere/a.jpg")])
    cards.write_predictions("mine", [record])
    assert cards.records("predictions", name="mine")[0].image_id == record.image_id


def test_a_prediction_that_reaches_out_of_the_image_is_cut_and_stays_readable(cards):
    from dataclasses import replace

    record = cards.records()[0]
    boxes = [Box(-20, 5, 40, 10), Box(70, 5, 40, 10), Box(119.9 / 3, 5, 0.3, 119.9 / 7)]
    found = tuple(Annotation(label="card", box=box, score=0.5) for box in boxes)
    cards.write_predictions("mine", [replace(record, annotations=found)])
    back = cards.records("predictions", name="mine")[0].annotations
    assert [each.box for each in back] == [Box(0, 5, 20, 10), boxes[2]]


def test_a_correction_that_another_builds_on_is_undone_last(cards):
    record = next(each for each in cards.records() if each.annotations)
    first, second = (Annotation(label="card", box=Box(1, 2, n, 20)) for n in (30, 40))
    one = cards.correct(record.file_name, before=record.annotations[0], after=first, source="test")
    two = cards.correct(record.file_name, before=first, after=second, source="test")
    with pytest.raises(DataError) as caught:
        cards.undo(one.number)
    assert caught.value.fix == f"undo correction {two.number} first"
    cards.undo(two.number)
    cards.undo(one.number)
    assert next(each for each in cards.records() if each.file_name == record.file_name) == record


def test_a_damaged_line_of_the_log_costs_only_itself(cards):
    record = next(each for each in cards.records() if each.annotations)
    first, second = (Annotation(label="card", box=Box(1, 2, n, 20)) for n in (30, 40))
    one = cards.correct(record.file_name, before=record.annotations[0], after=first, source="test")
    cards.undo(one.number)
    two = cards.correct(record.file_name, before=None, after=second, source="test")
    assert two.number == 3
    log = cards.path / "corrections.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    for damaged in (b"{\n", b"[]\n", b'{"number": 1}\n', lines[0].replace(b'"before"', b'"befor"')):
        log.write_bytes(damaged + b"".join(lines[1:]))
        assert [(each.number, each.undone) for each in cards.corrections()] == [(3, False)]
        assert damaged_lines(log) == (1,)
    log.write_bytes(b"".join(lines))
    assert damaged_lines(log) == ()
    log.write_bytes(lines[0] + lines[1] + b'{"number": 3, "ti')
    three = cards.correct(record.file_name, before=None, after=second, source="test")
    assert [(each.number, each.undone) for each in cards.corrections()] == [(1, True), (three.number, False)]


def test_one_damaged_image_is_named_and_does_not_close_the_dataset(cards, tmp_path):
    name = cards.records()[0].file_name
    (cards.images / name).write_bytes(b"")
    again = Workspace(cards.workspace).dataset("cards")
    assert again.coverage().images == 20
    stop = validate(again)
    assert stop.verdict == "stop"
    assert any(name in finding.records for finding in stop.findings)
    yolo_folder(tmp_path / "more", 3, start=50)
    assert again.add(tmp_path / "more").new == 3


@pytest.mark.parametrize("name", ["../ground_truth", "a/b", "..", " x"])
def test_names_do_not_lead_out_of_their_folder(cards, tmp_path, name):
    before = cards.labels_file().read_bytes()
    with pytest.raises(ConfigError, match="cannot be the name"):
        cards.write_predictions(name, [])
    with pytest.raises(ConfigError, match="cannot be the name"):
        cards.add(tmp_path / "source", stage="predictions", name=name)
    with pytest.raises(RcgError):
        Workspace(cards.workspace).dataset(name)
    assert cards.labels_file().read_bytes() == before


def test_an_import_that_is_refused_leaves_nothing(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 6)
    for file in (source / "labels").glob("*.txt"):
        file.write_text("7 0.5 0.5 0.2 0.2\n")
    made = ws.create("cards", type="custom")
    with pytest.raises(DataError):
        made.add(source)
    assert made.coverage().images == 0
    assert not list(made.images.rglob("*.jpg"))
    with pytest.raises(DataError, match="no prediction has a score"):
        made.add(yolo_folder(tmp_path / "unscored", 6), stage="predictions", name="mine")
    assert made.coverage().images == 0
    assert made.prediction_names() == ()


def test_validate_tells_what_imports_left_out_or_left_undone(ws, tmp_path):
    source = yolo_folder(tmp_path / "source", 20)
    (source / "labels" / "card_000.txt").write_text("0 0.5 0.5 0.25 0.5\nnonsense\n")
    made = ws.create("cards", type="custom")

    def stop(tick):
        if tick.done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        made.add(source, report=stop)
    assert any("was not finished" in each.what for each in validate(made).findings)
    made.add(source)
    found = validate(made)
    assert any("1 line or file could not be added" in each.what for each in found.findings)
    assert not any("was not finished" in each.what for each in found.findings)
    assert found.verdict == "warn"
    (source / "labels" / "card_000.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    made.add(source)
    assert not any("could not be added" in each.what for each in validate(made).findings)
