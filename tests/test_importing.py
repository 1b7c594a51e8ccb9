"""Adding images and labels again and again: only what changed is opened, and nothing is lost or doubled."""

import multiprocessing
import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest

from rcg.annotations.mapping import ClassMap
from rcg.errors import Cancelled, ConfigError, DataError, RcgError
from rcg.files import fingerprint, read_json, read_jsonl, stamp_of
from rcg.images import write_image
from rcg.readiness import validate
from rcg.workspace import Workspace
from tests import make_labels as make

_opened = []
_watch = [""]


def _note_opening(event, arguments):
    if event == "open" and _watch[0] and isinstance(arguments[0], str | bytes):
        path = os.fsdecode(arguments[0])
        if path.startswith(_watch[0]):
            _opened.append(path)


sys.addaudithook(_note_opening)


@pytest.fixture
def opened(tmp_path):
    """What Python opens below the test's folder, by whatever function."""
    _opened.clear()
    _watch[0] = f"{tmp_path}/source"
    yield _opened
    _watch[0] = ""


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "ws")


def picture(path, number, size=(60, 40)):
    write_image(path, np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    return path


def yolo_set(folder, numbers, *, names=("card", "stain")):
    for n in numbers:
        picture(folder / "images" / f"c{n:04d}.jpg", n)
        make.text(folder / "labels" / f"c{n:04d}.txt", f"{n % 2} 0.5 0.5 0.25 0.5\n")
    if names:
        make.text(folder / "data.yaml", f"names: {list(names)}\n")
    return folder


def voc_set(folder, numbers):
    for n in numbers:
        picture(folder / f"c{n:04d}.jpg", n)
        xml = make.voc_xml([("card" if n % 2 else "stain", 5, 5, 20, 20)], size=(60, 40))
        make.text(folder / f"c{n:04d}.xml", xml)
    return folder


def coco_set(folder, numbers):
    for n in numbers:
        if not (folder / f"c{n:04d}.jpg").exists():
            picture(folder / f"c{n:04d}.jpg", n)
    images = [{"id": n + 1, "file_name": f"c{n:04d}.jpg", "width": 60, "height": 40} for n in numbers]
    boxes = [{"image_id": n + 1, "bbox": [5, 5, 20, 20]} for n in numbers]
    make.coco(folder / "labels.json", images=images, annotations=boxes)
    return folder


def facts(dataset):
    """All that a training sees, without reading from memory."""
    return Workspace(dataset.workspace).dataset(dataset.name).records()


@pytest.mark.parametrize(
    ("make_set", "names"), [(yolo_set, ("card", "stain")), (yolo_set, ()), (voc_set, None)],
    ids=["yolo", "yolo without a class file", "voc"],
)  # fmt: skip
def test_a_folder_that_grew_opens_only_what_is_new(ws, tmp_path, opened, make_set, names):
    source = tmp_path / "source"
    more = {} if names is None else {"names": names}
    make_set(source, range(120), **more)
    made = ws.create("cards", type="custom")
    assert made.add(source).new == 120
    make_set(source, range(120, 130), **more)
    make.text(source / "labels" / "c0007.txt" if names is not None else source / "c0007.xml",
              "0 0.5 0.5 0.5 0.5\n" if names is not None else make.voc_xml([("card", 1, 1, 9, 9)]))  # fmt: skip
    opened.clear()
    done = made.add(source)
    assert (done.images, done.new, done.unchanged, done.annotations) == (130, 10, 119, 130)
    numbers = {int(path.rpartition("c")[2][:4]) for path in opened if path.rpartition("/")[2].startswith("c0")}
    assert {7, *range(120, 130)} <= numbers
    assert max(numbers - set(range(120, 130))) < 50  # the first label files tell the format
    images = {path for path in opened if path.endswith(".jpg")}
    assert len(images) <= 11
    again = ws.create("again", type="custom")
    again.add(source)
    assert facts(made) == facts(again)


def test_a_coco_file_that_did_not_change_leaves_its_images_closed(ws, tmp_path, opened):
    source = coco_set(tmp_path / "source", range(30))
    made = ws.create("cards", type="custom")
    made.add(source)
    opened.clear()
    done = made.add(source)
    assert (done.images, done.new, done.unchanged, done.annotations) == (30, 0, 30, 30)
    assert not [path for path in opened if path.endswith(".jpg")]
    picture(source / "c0003.jpg", 99)
    assert made.add(source).new == 1
    assert made.coverage().images == 31
    before = facts(made)
    coco_set(source, range(28, 34))  # the file names other images now, four of them new
    opened.clear()
    done = made.add(source)
    assert (done.images, done.new, done.unchanged) == (6, 4, 0)
    assert {path[-9:] for path in opened if path.endswith(".jpg")} == {f"c{n:04d}.jpg" for n in range(30, 34)}
    assert facts(made)[: len(before)] == before


def test_a_table_that_grew_opens_only_the_new_images(ws, tmp_path, opened):
    source = tmp_path / "source"

    def table(numbers):
        rows = [f"c{n:04d}.jpg,60,40,card,5,5,25,25" for n in numbers]
        make.text(source / "labels.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "\n".join(rows) + "\n")

    for n in range(20):
        picture(source / f"c{n:04d}.jpg", n)
    table(range(20))
    made = ws.create("cards", type="custom")
    assert made.add(source).annotations == 20
    opened.clear()
    assert made.add(source).unchanged == 20
    assert not [path for path in opened if path.endswith(".jpg")]
    text = (source / "labels.csv").read_text()
    make.text(source / "labels.csv", text.replace("c0003.jpg,60,40,card,5,5,25,25", "c0003.jpg,60,40,card,5,5,5,25"))
    for _ in range(2):  # the line that is left out is read again, and not taken for all there is
        done = made.add(source)
        assert (done.images, done.dropped) == (20, 1)
    for n in range(20, 23):
        picture(source / f"c{n:04d}.jpg", n)
    table(range(23))
    opened.clear()
    done = made.add(source)
    assert (done.images, done.new, done.annotations) == (23, 3, 23)
    assert {path[-9:] for path in opened if path.endswith(".jpg")} == {"c0020.jpg", "c0021.jpg", "c0022.jpg"}


def test_copies_are_not_read_again_for_their_fingerprints(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(5))
    made = ws.create("cards", type="custom")
    made.add(source)
    known = read_json(made.cache / "fingerprints.json")
    for name in made.names():
        stamp = stamp_of(made.images / name)
        assert known[name] == [*stamp[:2], fingerprint(made.images / name)]


def test_images_alone_are_not_opened_twice(ws, tmp_path, opened):
    for n in range(12):
        picture(tmp_path / "source" / f"{n}.jpg", n)
    made = ws.create("cards", type="custom")
    made.add(tmp_path / "source")
    opened.clear()
    done = made.add(tmp_path / "source")
    assert (done.images, done.unchanged, done.new) == (12, 12, 0)
    assert opened == []


def test_without_the_cache_everything_is_read_again_and_nothing_changes(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(20))
    made = ws.create("cards", type="custom")
    made.add(source)
    before, stamp = facts(made), stamp_of(made.labels_file())
    shutil.rmtree(made.cache)
    done = made.add(source)
    assert (done.new, done.unchanged) == (0, 0)
    assert facts(made) == before
    assert stamp_of(made.labels_file()) == stamp
    (made.cache / "added.sqlite").write_bytes(b"no database at all" * 1000)
    assert made.add(source).new == 0
    assert made.add(source).unchanged == 20
    assert facts(made) == before


def test_what_was_left_out_is_looked_at_again_and_listed_once(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(6))
    make.text(source / "labels" / "c0002.txt", "0 0.5 0.5 0.25 0.5\nnonsense\n")
    made = ws.create("cards", type="custom")
    for _ in range(3):
        done = made.add(source)
        assert (done.images, done.dropped) == (6, 1)
        assert len(list(read_jsonl(made.path / "quarantine.jsonl"))) == 1
    make.text(source / "labels" / "c0002.txt", "0 0.5 0.5 0.25 0.5\n")
    assert made.add(source).dropped == 0
    assert list(read_jsonl(made.path / "quarantine.jsonl")) == []


def test_one_new_image_with_a_wrong_class_does_not_refuse_the_whole_folder(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(6))
    made = ws.create("cards", type="custom")
    made.add(source)
    yolo_set(source, [7])
    make.text(source / "labels" / "c0007.txt", "9 0.5 0.5 0.25 0.5\n")
    done = made.add(source)
    assert (done.images, done.new, done.dropped) == (7, 1, 1)
    assert made.coverage().unlabelled == 1


def test_other_class_names_change_all_labels(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(6))
    made = ws.create("cards", type="custom")
    made.add(source)
    make.text(source / "data.yaml", "names: [slab, stain]\n")
    made.add(source)
    assert {each.annotations[0].label for each in facts(made)} == {"slab", "stain"}
    make.text(source / "data.yaml", "names: [slab, stain, dent]\n")
    assert made.add(source).unchanged == 6


def test_the_call_that_came_last_wins_also_without_opening_what_it_knows(ws, tmp_path):
    first = yolo_set(tmp_path / "a", range(4))
    second = yolo_set(tmp_path / "b", range(4))
    make.text(second / "labels" / "c0001.txt", "0 0.5 0.5 0.1 0.1\n")
    made = ws.create("cards", type="custom")
    widths = []
    for source in (first, second, first, second):
        made.add(source)
        widths.append(facts(made)[1].annotations[0].box.width)
    assert widths == pytest.approx([15, 6, 15, 6])
    assert made.coverage().images == 4


def test_labels_that_somebody_else_changed_are_read_again(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(4))
    made = ws.create("cards", type="custom")
    made.add(source)
    before = facts(made)
    text = made.labels_file().read_text()
    made.labels_file().write_text(text.replace('"bbox":[22.5', '"bbox":[20.5', 1))
    assert facts(made) != before
    made.add(source)
    assert facts(made) == before


def test_a_copy_that_was_removed_from_the_dataset_is_brought_again(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(4))
    made = ws.create("cards", type="custom")
    made.add(source)
    name = facts(made)[2].file_name
    (made.images / name).unlink()
    assert made.add(source).unchanged == 3
    assert (made.images / name).is_file()


def test_labels_that_were_indented_by_hand_are_merged_all_the_same(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(4))
    made = ws.create("cards", type="custom")
    made.add(source)
    import json

    made.labels_file().write_text(json.dumps(read_json(made.labels_file()), indent=1))
    yolo_set(source, range(4, 7))
    made.add(source)
    assert [each.image_id for each in facts(made)] == [1, 2, 3, 4, 5, 6, 7]
    assert made.coverage().annotations == 7
    again = ws.create("again", type="custom")
    again.add(source)
    assert facts(again) == facts(made)


def _add_slowly(workspace, source):
    Workspace(workspace).dataset("cards").add(source, report=lambda tick: time.sleep(0.01))


@pytest.mark.parametrize("delay_s", [0.05, 0.15, 0.3, 0.6, 1.0])
def test_kill_minus_nine_at_any_moment_loses_and_doubles_nothing(ws, tmp_path, delay_s, monkeypatch):
    monkeypatch.setattr("rcg.importing.index._EVERY_S", 0.02)
    source = yolo_set(tmp_path / "source", range(300))
    whole = ws.create("whole", type="custom")
    whole.add(source)
    made = ws.create("cards", type="custom")
    child = multiprocessing.get_context("fork").Process(target=_add_slowly, args=(ws.path, source))
    child.start()
    deadline = time.time() + 30
    while not made.images.joinpath(".adding").exists() and child.is_alive() and time.time() < deadline:
        time.sleep(0.002)
    time.sleep(delay_s)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    if not made.coverage().images:
        assert made.unfinished() == (f"rcg dataset add cards --images {source}",)
    made.add(source)
    assert facts(made) == facts(whole)
    assert sorted(os.listdir(made.images)) == sorted(os.listdir(whole.images))
    assert made.splits() == whole.splits()
    assert made.unfinished() == ()


def test_a_stop_keeps_what_was_read_and_the_same_call_opens_only_the_rest(ws, tmp_path, opened, monkeypatch):
    source = yolo_set(tmp_path / "source", range(60))
    made = ws.create("cards", type="custom")
    monkeypatch.setattr("rcg.importing.run.time.monotonic", iter(range(10_000)).__next__)

    def stop(tick):
        if tick.done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        made.add(source, report=stop)
    assert made.coverage().images == 20
    opened.clear()
    done = made.add(source)
    assert (done.images, done.unchanged, done.new) == (60, 20, 40)
    assert not {f"{source}/images/c{n:04d}.jpg" for n in range(20)} & set(opened)


def test_an_import_that_was_cut_off_is_told_with_the_line_that_goes_on(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(6))
    made = ws.create("cards", type="custom")
    made.add(source / "images" / "c0000.jpg")

    def stop(tick):
        raise Cancelled

    labels = source / "labels"
    with pytest.raises(Cancelled):
        made.add(labels=labels, classes=source / "data.yaml", class_map=ClassMap.parse(["stain=card"]), report=stop)
    line = f"rcg dataset add cards --labels {labels} --classes {source}/data.yaml --map stain=card"
    assert made.unfinished() == (line,)
    assert any(line in each.fix for each in validate(made).findings)
    other = yolo_set(tmp_path / "other", range(20, 22))
    made.add(other)
    assert made.unfinished() == (line,)
    made.add(labels=labels, classes=source / "data.yaml", class_map=ClassMap.parse(["stain=card"]))
    assert made.unfinished() == ()
    assert made.config()["sources"][-1]["labels"] == str(labels)


def test_labels_of_images_that_are_not_there_are_listed_not_a_crash(ws, tmp_path):
    source = coco_set(tmp_path / "source", range(4))
    (source / "c0001.jpg").unlink()
    made = ws.create("cards", type="custom")
    done = made.add(source)
    assert (done.images, done.dropped) == (3, 2)
    assert {row["file"] for row in read_jsonl(done.quarantine)} == {"c0001.jpg", "labels.json"}
    for file in source.glob("*.jpg"):
        file.unlink()
    for empty in ({"labels": source / "labels.json"}, {"images": source}):
        other = ws.create(f"other-{len(empty)}-{next(iter(empty))}", type="custom")
        with pytest.raises(RcgError) as caught:
            other.add(**empty)
        assert caught.value.fix
        assert other.coverage().images == 0


def test_images_without_permission_are_listed(ws, tmp_path, monkeypatch):
    from rcg.importing import placing

    source = yolo_set(tmp_path / "source", range(3))
    real = open

    def refuse(path, *arguments, **options):  # root may read everything, so that the system's refusal is made here
        if str(path).endswith("images/c0001.jpg"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(placing, "open", refuse, raising=False)
    done = ws.create("cards", type="custom").add(source)
    assert (done.images, done.dropped) == (2, 1)
    assert "chmod u+r" in next(iter(read_jsonl(done.quarantine)))["reason"]


def test_a_full_disk_is_told_and_the_same_call_goes_on_when_there_is_room(small_disk, tmp_path):
    made = Workspace(small_disk).create("cards", type="custom")
    source = tmp_path / "source"
    for n in range(10):
        picture(source / f"{n}.jpg", n, size=(300, 300))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(450_000))
    with pytest.raises(RcgError, match="disk is full") as caught:
        made.add(source)
    assert "free some space" in caught.value.fix
    assert not (made.images / ".adding").exists()
    filler.unlink()
    made.add(source)
    assert made.coverage().images == 10
    assert not [name for name in os.listdir(made.images) if "~" in name]


def test_a_folder_whose_name_is_no_utf8_can_be_added(ws, tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/f\xe4cher")
    yolo_set(tmp_path / "source", range(3))
    (tmp_path / "source").rename(folder)
    made = ws.create("cards", type="custom")
    done = made.add(folder)
    assert (done.images, done.dropped) == (3, 0)
    assert made.add(folder).unchanged == 3
    assert made.config()["sources"][0]["path"] == f"{tmp_path}/f\\xe4cher"
    bad = os.fsdecode(os.fsencode(folder) + b"/images/\xff.jpg")
    shutil.copy(f"{folder}/images/c0000.jpg", bad)
    assert made.add(folder).dropped == 1


def test_classes_are_mapped_on_the_way_in(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(6), names=("Card", "dust"))
    made = ws.create("cards", type="custom")
    done = made.add(source, class_map=ClassMap.parse(["Card=card", "dust="]))
    assert made.labels.names == ("card",)
    assert done.annotations == 3
    assert made.coverage().empty == 3
    assert any("dropped with 3 annotations" in note for note in done.notes)
    assert any("nothing there from now on: 3" in note for note in done.notes)
    with pytest.raises(ConfigError, match="no class 'crad'"):
        made.add(source, class_map=ClassMap.parse(["crad=card"]))
    assert made.unfinished() == ()
    assert made.coverage().images == 6


def test_a_moved_original_is_named_and_found_again(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(3))
    made = ws.create("cards", type="custom")
    made.add(source, link=True)
    name = facts(made)[1].file_name
    (source / name).unlink() if (source / name).exists() else (source / "images" / name).unlink()
    stop = validate(made)
    assert stop.verdict == "stop"
    assert any(str(tmp_path / "source") in each.what + each.fix for each in stop.findings)


def test_the_second_of_two_at_once_is_refused_and_told_who_writes(ws, tmp_path):
    source = yolo_set(tmp_path / "source", range(4))
    made = ws.create("cards", type="custom")
    seen = []

    def other(tick):
        if not seen:
            with pytest.raises(DataError, match="is adding images from") as caught:
                Workspace(ws.path).dataset("cards").add(source)
            seen.append(caught.value)

    made.add(source, report=other)
    assert f"process {os.getpid()}" in seen[0].what
    assert made.coverage().images == 4


def test_a_refused_call_that_was_killed_before_takes_back_only_its_own(ws, tmp_path, monkeypatch):
    source, other = yolo_set(tmp_path / "source", range(4)), yolo_set(tmp_path / "other", range(2))
    made = ws.create("cards", type="custom")

    def killed(*arguments, **options):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("rcg.importing.run.enter", killed)
        with pytest.raises(SystemExit):
            made.add(source)
    assert made.coverage().images == 0
    made.add(other)
    for file in (source / "labels").glob("*.txt"):
        make.text(file, "9 0.5 0.5 0.2 0.2\n")
    with pytest.raises(DataError, match="no label names one of"):
        made.add(source)
    assert {each.file_name.rpartition("/")[2] for each in facts(made)} == {"c0000.jpg", "c0001.jpg"}
    assert sorted(path.name for path in made.images.rglob("*.jpg")) == ["c0000.jpg", "c0001.jpg"]
