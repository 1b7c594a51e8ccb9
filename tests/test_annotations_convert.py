"""Conversion as a whole: found formats, faults, strictness, workers, memory."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from rcg.annotations import convert, open_annotations
from rcg.errors import Cancelled, ConfigError, DataError, FormatError, RcgError
from rcg.progress import Meter, describe
from tests.make_labels import boxes, coco, image, quarantined, read, text, voc_xml, yolo

BOX = "0 0.5 0.5 0.2 0.4\n"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*"))


def test_what_a_conversion_says(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX + "garbage\n", "b.jpg": BOX})
    done = convert(tmp_path / "set", tmp_path / "out/labels.json")
    assert (done.images, done.annotations, done.dropped, done.format) == (2, 2, 1, "yolo")
    assert done.quarantine == tmp_path / "out/labels.json.quarantine.jsonl"
    assert quarantined(done) == [
        {
            "file": "labels/a.txt",
            "line": 2,
            "reason": "this is no line of numbers; write: class x y width height",
            "text": "garbage",
        }
    ]
    assert done.seconds > 0
    assert done.labels.names == ("card", "scratch")
    for word in ("2 images", "2 annotations", "2 classes", "Left out: 1", "labels.json"):
        assert word in done.summary()
    out = read(done.target)
    assert [(each["id"], each["file_name"]) for each in out["images"]] == [(1, "a.jpg"), (2, "b.jpg")]
    first = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [80, 30, 40, 40], "area": 1600}
    assert out["annotations"][0] == {**first, "segmentation": [], "iscrowd": 0}


def test_an_old_quarantine_goes_when_nothing_is_dropped_any_more(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "garbage\n" + BOX})
    assert convert(tmp_path / "set", tmp_path / "out.json").quarantine.exists()
    yolo(tmp_path / "set", {"a.jpg": BOX})
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert done.quarantine is None
    assert files(tmp_path)[0] == "out.json"
    assert len([name for name in files(tmp_path) if not name.startswith("set")]) == 1


def test_progress_counts_images_and_bad_lines(tmp_path):
    yolo(tmp_path / "set", {f"{number}.jpg": "garbage\n" for number in range(4)} | {"x.jpg": BOX})
    ticks = []
    convert(tmp_path / "set", tmp_path / "out.json", report=ticks.append)
    assert (ticks[-1].done, ticks[-1].total, dict(ticks[-1].metrics)) == (5, 5, {"bad lines": 4})
    assert "5/5" in describe(ticks[-1], Meter())
    assert "bad lines 4" in describe(ticks[-1], Meter())


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_strict_refuses_before_the_target_is_touched(tmp_path, to):
    yolo(tmp_path / "set", {"a.jpg": BOX, "b.jpg": BOX})
    target = tmp_path / "out"
    convert(tmp_path / "set", target, to=to, strict=True)
    before = {name: (tmp_path / name).is_file() and (tmp_path / name).read_bytes() for name in files(tmp_path)}
    text(tmp_path / "set/labels/b.txt", "1 2 3\n")
    with pytest.raises(DataError, match=r"nothing was written.*1 line or file would.*labels/b.txt, line 1: .*too few"):
        convert(tmp_path / "set", target, to=to, strict=True)
    text(tmp_path / "set/labels/b.txt", BOX)
    after = {name: (tmp_path / name).is_file() and (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert before == after


def test_strict_refuses_losses_too(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.1 0.1 0.6 0.1 0.6 0.6 0.5\n"})
    with pytest.raises(DataError, match=r"cannot carry everything.*a.jpg: polygons; a.jpg: score"):
        convert(tmp_path / "set", tmp_path / "out", to="voc", strict=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["coco", "yolo"])
@pytest.mark.parametrize("stop", [Cancelled, KeyboardInterrupt])
def test_a_stop_leaves_what_stood_there(tmp_path, to, stop):
    yolo(tmp_path / "set", {f"{number}.jpg": "garbage\n" + BOX for number in range(3)})
    target = tmp_path / "out"
    convert(tmp_path / "set", target, to=to)
    before = {name: (tmp_path / name).is_file() and (tmp_path / name).read_bytes() for name in files(tmp_path)}

    def report(tick):
        if tick.done == tick.total:
            raise stop

    with pytest.raises(stop):
        convert(tmp_path / "set", target, to=to, report=report)
    after = {name: (tmp_path / name).is_file() and (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert before == {name: content for name, content in after.items() if not name.startswith(".out.resume")}
    again = convert(tmp_path / "set", target, to=to)
    assert (again.images, again.resumed) == (3, 3), "what was done before the stop is not done again"
    assert files(tmp_path) == sorted(before)


def test_ctrl_c_with_workers_ends_at_once_and_leaves_nothing(tmp_path):
    yolo(tmp_path / "set", {f"{number}.jpg": BOX for number in range(1600)})
    code = (
        "import sys, time\nfrom rcg.annotations import convert\n"
        "def slow(tick):\n    print('tick', flush=True)\n    time.sleep(0.2 if tick.total else 0)\n"
        "convert(sys.argv[1], sys.argv[2], jobs=2, report=slow)\n"
    )
    out = tmp_path / "out.json"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "set"), str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for _ in range(3):  # the workers have begun, and wait for more
        child.stdout.readline()
    os.killpg(child.pid, signal.SIGINT)  # a terminal sends it to the workers too
    _, errors = child.communicate(timeout=30)
    assert child.returncode != 0
    assert errors.count("KeyboardInterrupt") == 1, "only the parent speaks"
    left = {name.split("/")[0] for name in files(tmp_path) if not name.startswith("set")}
    assert left <= {".out.json.resume"}, "what it goes on from the next time"
    convert(tmp_path / "set", out)
    assert [name for name in files(tmp_path) if not name.startswith("set")] == ["out.json"]


def test_a_full_disk_leaves_what_stood_there(tmp_path, small_disk):
    yolo(tmp_path / "few", {"a.jpg": BOX})
    yolo(tmp_path / "many", {f"{'long name ' * 8}{number}.jpg": BOX * 80 for number in range(80)})
    convert(tmp_path / "few", small_disk / "out.json")
    before = (small_disk / "out.json").read_bytes()
    with pytest.raises(RcgError, match="the disk is full") as caught:
        convert(tmp_path / "many", small_disk / "out.json")
    assert "free some space" in str(caught.value)
    assert (small_disk / "out.json").read_bytes() == before
    assert files(small_disk) == ["out.json"]


def test_a_disk_that_the_quarantine_fills(tmp_path, small_disk):
    yolo(tmp_path / "set", {"a.jpg": BOX + "garbage\n" * 20_000})
    with pytest.raises(RcgError, match="the disk is full"):
        convert(tmp_path / "set", small_disk / "out.json")
    assert files(small_disk) == []


def test_a_full_disk_with_a_folder_as_target(tmp_path, small_disk):
    yolo(tmp_path / "set", {f"{number}.jpg": BOX * 50 for number in range(400)})
    with pytest.raises(RcgError, match="the disk is full"):
        convert(tmp_path / "set", small_disk / "out", to="yolo")
    assert files(small_disk) == []


def test_a_place_that_cannot_be_written(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX})
    with pytest.raises(RcgError) as caught:
        convert(tmp_path / "set", tmp_path / "set/classes.txt/out.json")
    assert caught.value.__cause__.errno in (errno.ENOTDIR, errno.EEXIST)
    with pytest.raises(ConfigError, match="the target is a folder"):
        convert(tmp_path / "set", tmp_path / "set")


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_a_folder_of_somebody_else_is_never_replaced(tmp_path, to):
    yolo(tmp_path / "set", {"a.jpg": BOX})
    for name in ("precious.txt", "precious.xml", "precious.jpg"):
        text(tmp_path / "mine" / name, "mine")
    with pytest.raises(DataError, match="other files stand in the target folder, such as precious"):
        convert(tmp_path / "set", tmp_path / "mine", to=to)
    assert len(files(tmp_path / "mine")) == 3
    convert(tmp_path / "set", tmp_path / "out", to=to)
    convert(tmp_path / "set", tmp_path / "out", to=to)
    text(tmp_path / "out/notes.md", "mine")
    with pytest.raises(DataError, match=r"such as notes.md"):
        convert(tmp_path / "set", tmp_path / "out", to=to)
    assert (tmp_path / "out/notes.md").exists()


def test_a_folder_target_drops_what_is_gone(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX, "b.jpg": BOX})
    convert(tmp_path / "set", tmp_path / "out", to="yolo")
    (tmp_path / "set/images/b.jpg").unlink()
    (tmp_path / "set/labels/b.txt").unlink()
    convert(tmp_path / "set", tmp_path / "out", to="yolo")
    assert [name for name in files(tmp_path / "out") if name.endswith(".txt")] == ["labels/a.txt"]


def test_yolo_out_holds_labels_and_says_where_the_images_are(tmp_path):
    yolo(tmp_path / "set", {"train/a.jpg": BOX, "b.jpg": None, "c.jpg": ""})
    done = convert(tmp_path / "set", tmp_path / "out", to="yolo")
    assert (tmp_path / "out/labels/train/a.txt").read_text() == "0 0.5 0.5 0.2 0.4\n"
    assert (tmp_path / "out/labels/c.txt").read_text() == ""
    assert not (tmp_path / "out/labels/b.txt").exists()
    assert any("images were not copied" in note for note in done.notes)
    for source in (tmp_path / "out", tmp_path / "out/data.yaml"):
        bad = []
        opened = open_annotations(source)
        found = [(each.file_name, each.labelled) for each in opened.records(bad.append)]
        assert found == [("b.jpg", False), ("c.jpg", True), ("train/a.jpg", True)]
        assert (opened.labels.names, bad) == (("card", "scratch"), [])


def test_several_outlines_and_masks_in_yolo_are_declared(tmp_path):
    mask = {"size": [100, 200], "counts": [1010, 10, 18980]}
    rings = [[10, 10, 30, 10, 30, 40], [100, 50, 100, 60, 120, 60]]
    annotations = [{"segmentation": rings, "bbox": [10, 10, 110, 50]}, {"segmentation": mask, "bbox": [10, 10, 1, 10]}]
    image(tmp_path / "a.jpg")
    coco(tmp_path / "set.json", annotations=[*annotations, {"iscrowd": 1}, {"segmentation": rings[:1]}])
    done = convert(tmp_path / "set.json", tmp_path / "out", to="yolo")
    assert done.losses == {"parts": 1, "mask": 1, "crowd": 1}
    convert(tmp_path / "out", tmp_path / "back.json")
    joined, mask, _, single = read(tmp_path / "back.json")["annotations"]
    assert joined["bbox"] == pytest.approx([10, 10, 110, 50], abs=1e-5)
    assert joined["area"] == pytest.approx(20 * 30 / 2 + 20 * 10 / 2, abs=1e-3)
    assert mask["bbox"] == pytest.approx([10, 10, 1, 10], abs=1e-5)
    assert single["segmentation"][0] == pytest.approx(rings[0], abs=1e-5)


def test_two_images_that_would_share_a_label_file(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX, "a.png": BOX})
    assert convert(tmp_path / "set", tmp_path / "same", to="yolo").losses == {}
    images = [
        {"id": number, "file_name": name, "width": 200, "height": 100} for number, name in ((1, "a.jpg"), (2, "a.png"))
    ]
    coco(tmp_path / "set.json", images=images, annotations=[{}, {"image_id": 2, "category_id": 2}])
    done = convert(tmp_path / "set.json", tmp_path / "other", to="yolo", images=tmp_path / "set/images")
    assert done.losses == {"labels: another image has their file": 1}


def test_the_target_may_stand_in_the_source(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX})
    for _ in range(2):
        assert convert(tmp_path / "set", tmp_path / "set/labels.json").annotations == 1
    for _ in range(2):
        assert convert(tmp_path / "set", tmp_path / "set/voc", to="voc").annotations == 1
    done = convert(tmp_path / "set", tmp_path / "elsewhere.json")
    assert (done.format, done.images, done.annotations, done.dropped) == ("yolo", 1, 1, 0)
    assert [note.partition(" ")[0] for note in done.notes] == ["COCO", "voc/"]
    assert all("is here too" in note and "was not read" in note for note in done.notes)


@pytest.mark.parametrize("kind", ["empty", "no images", "no labels", "no labels, told", "texts", "missing", "json"])
def test_a_folder_that_is_no_set_says_what_is_missing(tmp_path, kind):
    folder = tmp_path / "set"
    folder.mkdir()
    options, expected, fix = {}, "empty", "name a folder"
    if kind == "no images":
        text(folder / "labels/a.txt", BOX)
        expected, fix = "there are labels here but no image", "--images"
    elif kind.startswith("no labels"):
        image(folder / "a.jpg")
        options = {"from_": "yolo"} if "told" in kind else {}
        expected, fix = "only 1 image", "--labels"
    elif kind == "texts":
        text(folder / "letter.docx", "dear")
        expected, fix = "neither images nor labels, only 1 .docx", "known: COCO JSON, YOLO, Pascal VOC"
    elif kind == "missing":
        folder.rmdir()
        expected, fix = "no such file or folder", "typing errors"
    elif kind == "json":
        image(folder / "a.jpg")
        text(folder / "a.json", '{"notes": []}')
        expected, fix = "no labels are here, only 1 image (other files: 1 .json)", "--labels"
    with pytest.raises(RcgError) as caught:
        convert(folder, tmp_path / "out.json", **options)
    assert expected in str(caught.value)
    assert fix in caught.value.fix
    assert str(folder) in str(caught.value)
    assert not (tmp_path / "out.json").exists()


def test_when_no_image_can_be_read(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX})
    (tmp_path / "set/images/a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"no image can be read, of 1: images/a.jpg: the file is empty"):
        convert(tmp_path / "set", tmp_path / "out.json")
    assert [name for name in files(tmp_path) if not name.startswith("set")] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "pdf"}, "no label format 'pdf'"),
        ({"from_": "pdf"}, "no label format 'pdf'"),
        ({"stage": "draft"}, "no stage 'draft'"),
        ({"to": "voc", "first_id": 1}, "no category ids"),
        ({"jobs": 0}, "jobs=0"),
        ({"images": "classes.txt"}, "no folder"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path, options, message, monkeypatch):
    yolo(tmp_path / "set", {"a.jpg": BOX})
    monkeypatch.chdir(tmp_path / "set")
    with pytest.raises(RcgError, match=message) as caught:
        convert(tmp_path / "set", tmp_path / "out", **options)
    assert caught.value.fix


def large(folder, count=600):
    """A set with everything that makes numbering hard: bad lines, bad images, empty files, no files."""
    labels = [BOX, BOX * 3 + "garbage\n", "", None, "1 0.955 0.5 0.1 0.4\n0 0.1 0.1 0.6 0.1 0.6 0.6\n"]
    yolo(folder, {f"{number // 100}/{number:04}.jpg": labels[number % 5] for number in range(count)})
    for number in range(0, count, 37):
        (Path(folder) / f"images/{number // 100}/{number:04}.jpg").write_bytes(b"")
    return folder


def content(target):
    """Every file of a target by its path."""
    paths = [target, *target.rglob("*")]
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_workers_write_the_same_bytes(tmp_path, to):
    large(tmp_path / "set")
    done = {}
    for jobs in (1, 2):
        done[jobs] = convert(tmp_path / "set", tmp_path / f"out{jobs}", to=to, jobs=jobs)
    one, two = (content(each.target) for each in done.values())
    assert one == two
    assert done[1].quarantine.read_bytes() == done[2].quarantine.read_bytes()
    assert (done[1].notes, done[1].losses, done[1].annotations) == (done[2].notes, done[2].losses, done[2].annotations)


def test_workers_beside_threads(tmp_path):
    large(tmp_path / "set", 300)
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        convert(tmp_path / "set", tmp_path / "two.json", jobs=2)
    finally:
        stop.set()
        thread.join()
    convert(tmp_path / "set", tmp_path / "one.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_an_error_in_a_worker_arrives_whole(tmp_path):
    yolo(tmp_path / "set", {f"{number}.jpg": "5 0.5 0.5 0.2 0.4" for number in range(300)})
    with pytest.raises(DataError, match="no label names one of the 2 classes"):
        convert(tmp_path / "set", tmp_path / "out.json", jobs=2)


def test_memory_grows_with_the_names_of_the_images_and_not_with_their_labels(tmp_path):
    peaks = []
    for count in (1024, 3072):
        yolo(tmp_path / f"{count}", {f"{number}.jpg": BOX * 20 for number in range(count)})
        tracemalloc.start()
        convert(tmp_path / f"{count}", tmp_path / f"{count}.json")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2048 * 500, "20 labels more an image are 3 kB of the target, and cost nothing here"


def test_the_speed_is_reasonable(tmp_path):
    yolo(tmp_path / "set", {f"{number}.jpg": BOX * 10 for number in range(500)})
    began = time.process_time()
    convert(tmp_path / "set", tmp_path / "out.json")
    assert time.process_time() - began < 500 / 400, "400 images a CPU second; 6,000 on a quiet machine"


def test_importing_stays_light():
    code = "import sys, rcg.annotations; print({'PIL', 'yaml', 'pycocotools', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_formats_do_not_import_each_other():
    folder = Path(__file__).parents[1] / "rcg/annotations/formats"
    for path in folder.glob("[a-z]*.py"):
        for other in ("coco", "yolo", "voc"):
            if not path.name.startswith(other):
                assert f"formats.{other}" not in path.read_text(), f"{path.name} imports {other}"


def test_voc_and_yolo_in_one_folder_are_asked_about(tmp_path):
    yolo(tmp_path, {"a.jpg": BOX})
    text(tmp_path / "labels/a.xml", voc_xml([("card", 1, 1, 9, 9)]))
    with pytest.raises(FormatError, match="several kinds"):
        open_annotations(tmp_path)
    assert boxes(convert(tmp_path, tmp_path / "out.json", from_="voc").target) == {
        "a.jpg": [("card", [1, 1, 8, 8], None)]
    }


def test_a_link_to_the_folder_above_is_not_followed_round_and_round(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": BOX})
    for folder in ("images", "labels"):
        (tmp_path / "set" / folder / "up").symlink_to("..")
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert boxes(tmp_path / "out.json").keys() == {"a.jpg"}
    assert (done.dropped, done.notes) == (0, ())
    (tmp_path / "set/images/a.jpg").unlink()
    with pytest.raises(DataError, match="labels here but no image"):
        convert(tmp_path / "set", tmp_path / "out.json")


def test_yolo_out_lists_the_images_of_each_split(tmp_path):
    import yaml

    names = {"lot1/a.jpg": "train", "lot2/a.jpg": "val", "b.jpg": "test", "c.jpg": None, "d.jpg": "val"}
    entries = [
        {"id": number, "file_name": name, "width": 200, "height": 100, "split": split, "labelled": name != "d.jpg"}
        for number, (name, split) in enumerate(names.items(), 1)
    ]
    for name in names:
        image(tmp_path / "set/images" / name)
    coco(tmp_path / "set/labels.json", images=entries, annotations=[{"image_id": 1}])
    done = convert(tmp_path / "set/labels.json", tmp_path / "out", to="yolo")
    assert done.losses == {"split": 1}, "d.jpg has no label file, so it must not be trained on as background"
    assert (tmp_path / "out/val.txt").read_text() == f"{tmp_path}/set/images/lot2/a.jpg\n"
    described = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert {split: Path(described[split]).read_text().splitlines() for split in ("train", "val", "test")} == {
        split: [f"{tmp_path}/set/images/{name}"]
        for split, name in (("train", "lot1/a.jpg"), ("val", "lot2/a.jpg"), ("test", "b.jpg"))
    }
    (tmp_path / "out").rename(tmp_path / "moved")
    for source in ("moved", "moved/data.yaml"):
        found = {each.file_name: each.split for each in open_annotations(tmp_path / source).records(pytest.fail)}
        assert found == {**names, "d.jpg": None}


def test_yolo_out_says_when_the_images_are_missing_and_where_ultralytics_looks(tmp_path):
    coco(tmp_path / "set/labels.json", annotations=[{}])
    notes = convert(tmp_path / "set/labels.json", tmp_path / "out", to="yolo").notes
    assert any("images were not found" in note for note in notes)
    assert not any("stay in" in note for note in notes)
    assert any("Ultralytics looks for the labels in the image's own folder" in note for note in notes)
    image(tmp_path / "set/a.jpg")
    notes = convert(tmp_path / "set/labels.json", tmp_path / "out", to="yolo").notes
    assert f"the images were not copied, they stay in {tmp_path / 'set'}" in notes
    assert not any("Ultralytics" in note for note in convert(tmp_path / "set", tmp_path / "voc", to="voc").notes)


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_what_a_killed_conversion_left_goes_with_the_next_and_a_running_one_is_not_disturbed(tmp_path, to):
    yolo(tmp_path / "set", {"a.jpg": BOX + "garbage\n", "b.jpg": BOX})
    code = (
        "import sys, time\nfrom rcg.annotations import convert\n"
        "def stuck(tick):\n    if tick.done == 2:\n        print('stuck', flush=True)\n        time.sleep(60)\n"
        "convert(sys.argv[1], sys.argv[2], to=sys.argv[3], report=stuck)\n"
    )
    target = tmp_path / "out"
    command = [sys.executable, "-c", code, str(tmp_path / "set"), str(target), to]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def halves():
        return [name for name in files(tmp_path) if name.startswith(".out.") and "/" not in name]

    try:
        assert child.stdout.readline() == "stuck\n"
        with pytest.raises(DataError, match=f"process {child.pid} .* is converting to out here"):
            convert(tmp_path / "set", target, to=to)
    finally:
        child.kill()
        child.wait(timeout=30)
    assert ".out.resume" in halves()
    convert(tmp_path / "set", target, to=to)
    assert halves() == []
