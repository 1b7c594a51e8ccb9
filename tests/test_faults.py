"""What may go wrong while labels are converted: kills at any moment, stops, full and read-only disks, two at once.

RCG_FAULTS=10 kills ten times as often.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

import orjson
import pytest

from rcg.annotations import convert
from rcg.errors import RcgError
from tests.make_labels import coco, image, text, voc_xml

TIMES = int(os.environ.get("RCG_FAULTS", "1"))
LINES = [
    "0 0.5 0.5 0.2 0.4\n1 0.25 0.5 0.1 0.2\n",
    "1 0.5 0.5 0.2 0.4\nrubbish\n",
    "0 0.1 0.1 0.3 0.1 0.3 0.5\n",
    "",
    "7 1 1 1 1\n",
]


def yolo_set(folder, count):
    """Many images that are one file on the disk, some of their labels bad, some images broken, one label orphaned."""
    picture, broken = image(folder / "images/0.jpg"), text(folder / "images/00.jpg", b"\xff\xd8 broken")
    texts = [text(folder / f"labels/{number}.txt", line) for number, line in enumerate(LINES)]
    for number in range(count):
        name = f"card_{number:06}"
        os.link(broken if number % 97 == 5 else picture, folder / f"images/{name}.jpg")
        if number % 11:
            os.link(texts[number % len(texts)], folder / f"labels/{name}.txt")
    text(folder / "labels/orphan.txt", LINES[0])
    text(folder / "classes.txt", "card\nscratch\n")
    return folder


def voc_set(folder, count):
    picture = image(folder / "0.jpg")
    for number in range(count):
        name = f"card_{number:06}"
        os.link(picture, folder / f"{name}.jpg")
        odd = [("card", 5, 5, 400, 50)] if number % 7 == 0 else []
        text(folder / f"{name}.xml", voc_xml([("card", 80, 30, 120, 70), *odd], filename=f"{name}.jpg"))
    return folder


def coco_set(folder, count):
    images = [{"id": i + 1, "file_name": f"{i:06}.jpg", "width": 200, "height": 100} for i in range(count)]
    annotations = [{"image_id": i % count + 1, "bbox": [5, 5, 20 if i % 13 else -2, 30]} for i in range(3 * count)]
    coco(folder / "set.json", images=images, annotations=annotations)
    return folder


def content(target):
    """All that a conversion made: the target's files and its quarantine, by name; and nothing else may be there."""
    paths = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
    beside = target.with_name(f"{target.name}.quarantine.jsonl")
    return {str(path.relative_to(target.parent)): path.read_bytes() for path in [*paths, beside] if path.exists()}


def forked(work):
    """Run `work` in a process of its own, without the second that a new Python takes; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setpgid(0, 0)  # its workers die with it
        os.close(2)
        os.open(os.devnull, os.O_WRONLY)
        work()
        code = 0
    except RcgError:
        code = 2
    finally:
        os._exit(code)


def ended(child, *, after=None):
    """Wait for a child, or kill it with its workers after some seconds; returns its exit code, None for a kill."""
    if after is not None:
        time.sleep(after)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


def opened_images(work, log):
    """Which images a conversion opens, workers included."""

    def watched():
        out = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        def hook(event, arguments):
            if event == "open" and str(arguments[0]).endswith(".jpg"):
                os.write(out, (os.path.basename(arguments[0]) + "\n").encode())  # noqa: PTH119

        sys.addaudithook(hook)
        work()

    assert ended(forked(watched)) == 0
    return log.read_text().split() if log.exists() else []


def cut_off(source, target, *, runs, **options):
    """Kill a conversion when this many runs of images are done; returns how many images they are."""
    log = target.with_name(f".{target.name}.resume") / "log.jsonl"
    child = forked(lambda: convert(source, target, **options))
    lines = b""
    while lines.count(b"\n") <= runs:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it has ended before it could be killed"
        with suppress(FileNotFoundError):
            lines = log.read_bytes()
    ended(child, after=0)
    return max(orjson.loads(line)["done"] for line in log.read_bytes().splitlines()[1:] if line.endswith(b"}"))


def left_over(folder, *known):
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


@pytest.mark.parametrize(
    ("make", "to", "jobs", "kills"),
    [
        (yolo_set, "coco", 1, 8),
        (yolo_set, "coco", 2, 4),
        (yolo_set, "yolo", 1, 3),
        (voc_set, "coco", 1, 3),
        (coco_set, "yolo", 1, 2),
    ],
)
def test_killed_at_any_moment_and_repeated(quick, make, to, jobs, kills):
    rng = random.Random(f"{make.__name__} {to} {jobs}")
    source = make(quick / "set", 2500 if make is yolo_set else 1200)
    target = quick / "right" / "out"
    began = time.monotonic()
    done = convert(source, target, to=to, jobs=jobs)
    took = time.monotonic() - began
    right = content(target)
    before = {"out": b"what stood there before"} if to == "coco" else {}
    for turn in range(kills * TIMES):
        target = quick / f"turn{turn}" / "out"
        target.parent.mkdir()
        if before:
            target.write_bytes(before["out"])
        cut = [rng.uniform(0, 1.2) for _ in range(rng.choice([1, 1, 3]))]
        for share in cut:
            child = forked(partial(convert, source, target, to=to, jobs=jobs))
            ended(child, after=share * took)
            assert content(target) in (before, right) or max(cut) > 0.5, "half a target"
        again = convert(source, target, to=to, jobs=jobs)
        assert content(target) == right
        assert (again.images, again.annotations, again.dropped) == (done.images, done.annotations, done.dropped)
        assert sorted(again.notes) == sorted(done.notes)
        assert again.losses == done.losses
        assert left_over(target.parent, "out", "out.quarantine.jsonl") == []
        shutil.rmtree(target.parent)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_done_is_not_opened_again(quick, jobs):
    source, target = yolo_set(quick / "set", 6000), quick / "out.json"
    done = cut_off(source, target, runs=3, jobs=jobs)
    opened = opened_images(lambda: convert(source, target, jobs=jobs), quick / "opened")
    assert len(set(opened)) == 6002 - done
    names = sorted(path.name for path in (source / "images").iterdir())
    assert set(opened) == set(names[done:])
    convert(source, quick / "other.json", jobs=jobs)
    assert target.read_bytes() == (quick / "other.json").read_bytes()


def test_a_file_that_changed_meanwhile_is_read_again(quick):
    source, target = yolo_set(quick / "set", 6000), quick / "out.json"
    cut_off(source, target, runs=3)
    label = source / "labels/card_000700.txt"
    label.unlink()
    label.write_text("1 0.5 0.5 1 1\n")
    convert(source, target)
    convert(source, quick / "fresh.json", fresh=True)
    assert target.read_bytes() == (quick / "fresh.json").read_bytes()
    assert b"[0,0,200,100]" in target.read_bytes().replace(b".0", b"")


def test_another_command_does_not_go_on_with_it(quick):
    source, target = yolo_set(quick / "set", 6000), quick / "out.json"
    for options in ({"first_id": 1}, {"classes": ["front", "back"]}, {"fresh": True}):
        cut_off(source, target, runs=2)
        assert convert(source, target, **options).resumed == 0
        convert(source, quick / "right.json", **{**options, "fresh": True})
        assert target.read_bytes() == (quick / "right.json").read_bytes()


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_two_at_once_to_one_target_do_not_mix(quick, to):
    one, two = yolo_set(quick / "one", 2000), yolo_set(quick / "two", 1500)
    right = []
    for source in (one, two):
        convert(source, quick / "right" / "out", to=to)
        right.append(content(quick / "right/out"))
        shutil.rmtree(quick / "right")
    for turn in range(2 * TIMES):
        target = quick / f"turn{turn}" / "out"
        work = [partial(convert, source, target, to=to) for source in (one, two)]
        codes = [ended(child) for child in [forked(each) for each in work]]
        assert 0 in codes
        assert set(codes) <= {0, 2}
        made = content(target)
        assert made == right[codes.index(0)] if 2 in codes else made in right
        assert left_over(target.parent, "out", "out.quarantine.jsonl") == []


def test_two_at_once_to_two_targets(quick):
    one, two = yolo_set(quick / "one", 2000), voc_set(quick / "two", 800)
    (quick / "out").mkdir()
    for source in (one, two):
        convert(source, quick / f"{source.name}.json")
    children = [
        forked(lambda source=source: convert(source, quick / f"out/{source.name}.json")) for source in (one, two)
    ]
    assert [ended(child) for child in children] == [0, 0]
    for source in (one, two):
        assert (quick / f"out/{source.name}.json").read_bytes() == (quick / f"{source.name}.json").read_bytes()


def command(*arguments, wait=True, **options):
    """The command line in a process of its own; returns it, or its exit code and the JSON of its last line."""
    line = [sys.executable, "-m", "rcg", "convert", *map(str, arguments), "--json"]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    return finished(running) if wait else running


def finished(running):
    out, err = running.communicate(timeout=120)
    assert "Traceback" not in err, err
    return running.returncode, json.loads(out.strip().splitlines()[-1]) if out.strip() else None


@pytest.fixture
def big(quick):
    """A set that takes a moment, and what is right for it."""
    source = yolo_set(quick / "set", 20_000)
    convert(source, quick / "right/out.json")
    right = content(quick / "right/out.json")
    shutil.rmtree(quick / "right")
    return source, right


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGKILL, 2), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_the_command_is_ended_and_repeated(quick, big, number, jobs):
    source, right = big
    target = text(quick / "out.json", "what stood there before")
    log = quick / ".out.json.resume/log.jsonl"
    running = command(source, target, "--jobs", jobs, wait=False)
    lines = b""
    while lines.count(b"\n") < 4:
        assert running.poll() is None, "it has ended before it could be ended"
        with suppress(FileNotFoundError):
            lines = log.read_bytes()
        time.sleep(0.002)
    running.send_signal(number)
    code, told = finished(running)
    assert target.read_text() == "what stood there before"
    if number == signal.SIGKILL:
        assert code == -signal.SIGKILL
    else:
        assert (code, "repeat the command" in told["error"]["fix"]) == (2, True)
    assert log.exists(), "nothing is there to go on from"
    code, told = command(source, target, "--jobs", jobs)
    assert (code, content(target)) == (0, right)
    assert told["resumed"] > 1000
    assert left_over(quick, "set", "out.json", "out.json.quarantine.jsonl") == []


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_a_disk_that_is_full_at_any_moment(quick, small_disk, to):
    source = yolo_set(quick / "set", 900 if to == "coco" else 90)
    target = small_disk / "out"
    convert(source, quick / "right" / "out", to=to)
    right = content(quick / "right/out")
    convert(yolo_set(quick / "old", 3), target, to=to)
    before = content(target)
    refused = 0
    for free in (0, 1, 2, 4, 8, 16, 32, 64, 128, 200, 300, 400):
        filler = small_disk / "filler"
        filler.unlink(missing_ok=True)
        room = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * max(0, room - free * 1024))
        fault = None
        try:
            convert(source, target, to=to)
        except RcgError as error:
            fault = error
        if fault is None:
            break
        assert "the disk is full" in fault.what
        assert "free some space" in fault.fix
        assert content(target) == before
        assert left_over(small_disk, "filler", "out", "out.quarantine.jsonl") == []
        refused += 1
    assert refused >= 3
    (small_disk / "filler").unlink()
    convert(source, target, to=to)
    made = content(target)
    made.pop("out/data.yaml", None)  # it says where the images are, seen from there
    assert made.items() <= right.items()
    assert len(right) - len(made) == (to == "yolo")


def test_a_full_disk_through_the_command_line(quick, small_disk):
    source = yolo_set(quick / "set", 8000)
    target = text(small_disk / "out.json", "what stood there before")
    code, told = command(source, target)
    assert (code, target.read_text()) == (2, "what stood there before")
    assert "the disk is full" in told["error"]["what"]
    assert "free some space" in told["error"]["fix"]
    assert left_over(small_disk, "out.json") == []


@pytest.fixture
def read_only(small_disk):
    """A disk that nothing can be written to, with a label file on it: chmod would not hold root."""
    text(small_disk / "out.json", "what stood there before")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


@pytest.mark.parametrize("to", ["coco", "yolo"])
def test_a_read_only_disk(tmp_path, read_only, to):
    source = yolo_set(tmp_path / "set", 20)
    target = read_only / ("out.json" if to == "coco" else "out")
    code, told = command(source, target, "--to", to)
    assert (code, (read_only / "out.json").read_text()) == (2, "what stood there before")
    assert "cannot be written" in told["error"]["what"]
    assert "name a folder that you may write to" in told["error"]["fix"]


def test_a_read_only_source_is_no_hindrance(tmp_path, small_disk):
    yolo_set(small_disk / "set", 20)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, told = command(small_disk / "set", tmp_path / "out.json")
    assert (code, told["images"]) == (0, 20)


def test_a_folder_of_somebody_else(quick):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    source = yolo_set(quick / "set", 20)
    target = text(quick / "mine/out.json", "what stood there before")
    for folder in (quick, quick / "mine"):  # a test's folder is closed to other users
        folder.chmod(0o755)

    def as_nobody():
        os.setgid(65534)
        os.setuid(65534)
        convert(source, target)

    assert ended(forked(as_nobody)) == 2
    assert target.read_text() == "what stood there before"
    assert left_over(quick / "mine", "out.json") == []
