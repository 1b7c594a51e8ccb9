"""Errors, progress, files, settings and values: what everything else stands on."""

import io
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcg import errors, progress
from rcg.errors import Cancelled, ConfigError, DataError, FormatError, RcgError
from rcg.files import append_jsonl, atomic, read_json, read_jsonl, write_json, write_text
from rcg.geometry import box_iou, homography, polygon_area, transform
from rcg.locks import Lock
from rcg.processes import same_process
from rcg.progress import Meter, Tick, bar, describe, duration, jsonl, lines, read_ticks, tee, tracked
from rcg.settings import Settings, read_settings, write_default_settings
from rcg.types import Annotation, Box, LabelSet, Polygon

ALL_ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, RcgError)]


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_errors_survive_pickling(kind):
    back = pickle.loads(pickle.dumps(kind("it broke", where="a.txt, line 3", fix="mend it")))
    assert type(back) is kind
    assert str(back) == "a.txt, line 3: it broke\nfix: mend it"


def test_tracked_reports_the_start_and_the_end_and_stops_where_the_sink_says():
    seen = []
    assert list(tracked(range(1000), task="count", report=seen.append, every_s=60)) == list(range(1000))
    assert [(tick.done, tick.total) for tick in seen] == [(0, 1000), (1000, 1000)]

    def stop(tick):
        if tick.done == 3:
            raise Cancelled

    got = []
    with pytest.raises(Cancelled):
        got.extend(tracked(range(10), task="count", report=stop, every_s=0))
    kept = []
    with pytest.raises(Cancelled):
        for item in tracked(range(10), task="count", report=stop, every_s=0):
            kept.append(item)
    assert kept == [0, 1, 2]


def test_the_meter_knows_rate_and_remaining_time():
    meter = Meter()
    for second in range(11):
        meter.update(Tick(task="t", done=20 * second, total=400), now=float(second))
    assert meter.rate == pytest.approx(20)
    assert meter.eta_s(Tick(task="t", done=200, total=400)) == pytest.approx(10)
    line = describe(Tick(task="t", done=200, total=400, metrics={"bad lines": 3}, note="slow disk"), meter)
    assert line == "t: 200/400 (50 %), 20.0/s, 10 s left, bad lines 3, slow disk"
    meter.update(Tick(task="other", done=0, total=4), now=12.0)
    assert meter.rate is None


def test_durations_round_without_sixty_seconds():
    assert [duration(each) for each in (0, 59.4, 59.6, 3599.7, 86400)] == [
        "0 s", "59 s", "1 min 00 s", "1 h 00 min", "24 h 00 min",
    ]  # fmt: skip


def test_lines_say_start_end_and_little_between():
    out = io.StringIO()
    list(tracked(range(500), task="reading", report=lines(every_s=60, stream=out), every_s=0))
    text = out.getvalue().splitlines()
    assert text[0].startswith("reading: 0/500")
    assert text[-1].startswith("reading: 500/500 (100 %)")
    assert len(text) == 2


def test_the_bar_ends_at_its_total():
    out = io.StringIO()
    list(tracked(range(50), task="reading", report=bar(stream=out), every_s=0))
    assert "50/50" in out.getvalue()
    assert out.getvalue().count("\n") == 1  # one bar, drawn over and over


def test_each_task_has_a_bar_of_its_own():
    out = io.StringIO()
    sink = bar(stream=out)
    for task in ("reading", "writing"):
        list(tracked(range(5), task=task, report=sink, every_s=0))
    assert out.getvalue().count("\n") == 2


def test_ticks_come_back_from_the_file_and_a_torn_line_is_left_out(tmp_path):
    file = tmp_path / "progress.jsonl"
    sink = jsonl(file, every_s=0)
    sink(Tick(task="t", done=1, total=2, metrics={"loss": 0.5}))
    sink(Tick(task="t", done=2, total=2, eta_s=0.0, note="end"))
    with file.open("ab") as out:
        out.write(b'{"time": 1, "task": "t", "do')
    ticks = [tick for _, tick in read_ticks(file)]
    assert [tick.done for tick in ticks] == [1, 2]
    assert ticks[0].metrics == {"loss": 0.5}
    assert read_ticks(tmp_path / "none.jsonl") == []


def test_tee_tells_everybody_before_it_stops():
    seen = []

    def stop(tick):
        raise Cancelled

    with pytest.raises(Cancelled):
        tee(stop, seen.append)(Tick(task="t", done=0))
    assert len(seen) == 1


def test_an_atomic_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    file = tmp_path / "a.json"
    write_json(file, {"old": 1})
    with pytest.raises(ZeroDivisionError), atomic(file) as out:
        out.write(b"half")
        raise ZeroDivisionError
    assert read_json(file) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_is_an_error_with_a_fix_and_the_old_file_stays(small_disk):
    file = small_disk / "labels.json"
    write_text(file, "old")
    with pytest.raises(RcgError, match="disk is full") as caught:
        write_text(file, "x" * 4_000_000)
    assert "free some space" in caught.value.fix
    assert file.read_text() == "old"
    assert os.listdir(small_disk) == ["labels.json"]


def test_a_full_disk_leaves_an_append_only_log_readable(small_disk):
    log = small_disk / "log.jsonl"
    append_jsonl(log, {"n": 1})
    with pytest.raises(RcgError, match="disk is full"):
        append_jsonl(log, {"n": "x" * 4_000_000})
    append_jsonl(log, {"n": 2})
    assert [record["n"] for record in read_jsonl(log)] == [1, 2]


def test_a_torn_last_line_of_a_log_is_closed_and_passed_over(tmp_path):
    log = tmp_path / "log.jsonl"
    append_jsonl(log, {"n": 1})
    with log.open("ab") as out:
        out.write(b'{"n": 2')
    append_jsonl(log, {"n": 3})
    assert [record["n"] for record in read_jsonl(log)] == [1, 3]


def test_json_errors_name_line_and_column(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1,\n "b": }')
    with pytest.raises(FormatError) as caught:
        read_json(tmp_path / "a.json")
    assert "a.json, line 2" in caught.value.where


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path):
    path = tmp_path / "lock"
    with Lock(path, doing="adding images"):
        with pytest.raises(DataError, match=f"process {os.getpid()} on .* is adding images"), Lock(path, doing="x"):
            pass
        assert path.exists()
    assert not path.exists()


def test_the_lock_of_a_dead_or_reused_process_is_taken_over(tmp_path):
    path = tmp_path / "lock"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_json(path, {"pid": dead.pid, "host": socket.gethostname(), "started": 1.0, "doing": "x"})
    with Lock(path, doing="y"):
        pass
    write_json(path, {"pid": os.getpid(), "host": socket.gethostname(), "started": 1.0, "doing": "x"})
    with Lock(path, doing="y"):
        pass
    write_json(path, {"pid": 1, "host": "elsewhere", "started": 1.0, "doing": "x"})
    with pytest.raises(DataError, match="elsewhere"), Lock(path, doing="y"):
        pass


def _try_lock(path, results, tried, begin):
    begin.wait()
    try:
        with Lock(path, doing="racing"):
            results.put(1)
            tried.release()
            for _ in range(RACERS):  # hold it until all have tried
                tried.acquire()
            for _ in range(RACERS):
                tried.release()
    except DataError:
        results.put(0)
        tried.release()


RACERS = 6


@pytest.mark.parametrize("stale", [False, True])
def test_only_one_of_many_processes_gets_the_lock(tmp_path, stale):
    path = tmp_path / "lock"
    if stale:
        write_json(path, {"pid": os.getpid(), "host": socket.gethostname(), "started": 1.0, "doing": "x"})
    context = multiprocessing.get_context("fork")
    results, tried, begin = context.Queue(), context.Semaphore(0), context.Event()
    racers = [context.Process(target=_try_lock, args=(path, results, tried, begin)) for _ in range(RACERS)]
    for each in racers:
        each.start()
    begin.set()
    got = [results.get(timeout=60) for _ in racers]
    for each in racers:
        each.join(timeout=60)
    assert sum(got) == 1


@pytest.mark.parametrize("moment", ["link", "rename"])
def test_a_process_killed_while_it_takes_a_lock_leaves_nothing_for_long(tmp_path, moment):
    code = (
        "import os, pathlib, signal, sys\n"
        "from rcg.locks import Lock\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "whole = pathlib.Path.rename\n"
        "def rename(*names): whole(*names); die()\n"
        f"if {moment == 'link'}: os.link = die\n"
        "else: pathlib.Path.rename = rename\n"
        "Lock(sys.argv[1], doing='work').__enter__()\n"
    )
    if moment == "rename":
        (tmp_path / "lock").write_text("what a dead process left")
    subprocess.run([sys.executable, "-c", code, tmp_path / "lock"], check=False)
    assert list(tmp_path.iterdir())
    with Lock(tmp_path / "lock", doing="more work"):
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert not list(tmp_path.iterdir())


def test_a_pid_is_trusted_only_with_its_start_time():
    me = psutil.Process()
    assert same_process(me.pid, me.create_time())
    assert not same_process(me.pid, me.create_time() - 10)


def test_boxes_polygons_and_scores_are_checked_at_the_door():
    for bad in [(0, 0, 0, 1), (0, 0, -1, 1), (float("nan"), 0, 1, 1), (0, 0, float("inf"), 1)]:
        with pytest.raises(DataError):
            Box(*bad)
    with pytest.raises(DataError, match="at least 3"):
        Polygon(((0, 0), (1, 1)))
    with pytest.raises(DataError, match="score"):
        Annotation(label="card", box=Box(0, 0, 1, 1), score=1.5)
    with pytest.raises(DataError, match="twice"):
        LabelSet(("a", "a"))
    with pytest.raises(DataError, match="do not fit"):
        LabelSet(("a", "b"), (1,))


rectangles = st.tuples(st.tuples(*[st.floats(0, 1000)] * 2), st.floats(1, 500), st.floats(1, 500))


@given(rectangles, rectangles)
def test_overlap_is_symmetric_and_at_most_one(first, second):
    a, b = ([x, y, x + w, y + h] for (x, y), w, h in (first, second))
    there, back = box_iou([a], [b])[0, 0], box_iou([b], [a])[0, 0]
    assert there == pytest.approx(back)
    assert 0 <= there <= 1 + 1e-9
    assert box_iou([a], [a])[0, 0] == pytest.approx(1)


@given(st.lists(st.floats(-40, 40), min_size=8, max_size=8))
def test_a_homography_takes_the_corners_where_they_belong(moves):
    square = np.array([(0, 0), (200, 0), (200, 300), (0, 300)], float)
    target = square + np.array(moves).reshape(4, 2)
    assert transform(homography(square, target), square) == pytest.approx(target, abs=1e-6)


def test_a_degenerate_quad_is_an_error():
    with pytest.raises(DataError, match="on a line"):
        homography([(0, 0), (1, 0), (2, 0), (3, 0)], [(0, 0), (1, 0), (1, 1), (0, 1)])


def test_polygon_area_keeps_its_digits_far_from_the_origin():
    ring = np.array([(0, 0), (1e-3, 0), (1e-3, 1e-3), (0, 1e-3)]) + 1e6
    assert polygon_area(ring) == pytest.approx(1e-6, rel=1e-3)


def test_settings_come_from_the_file_and_the_environment_goes_over_them(tmp_path):
    (tmp_path / "rcg.toml").write_text("fiftyone_port = 6000\nval_share = 0.2\n")
    found = read_settings(tmp_path, {"RCG_FIFTYONE_PORT": "7000"})
    assert (found.fiftyone_port, found.val_share) == (7000, 0.2)
    assert read_settings(tmp_path / "none", {}) == Settings()


def test_the_written_default_settings_are_the_defaults_with_or_without_comment_signs(tmp_path):
    write_default_settings(tmp_path)
    text = (tmp_path / "rcg.toml").read_text()
    assert read_settings(tmp_path, {}) == Settings()
    (tmp_path / "rcg.toml").write_text("\n".join(line[2:] for line in text.splitlines()[1:]))
    assert read_settings(tmp_path, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fiftyone_prt = 1", "fiftyone_port"),
        ("fiftyone_port = 'x'", "invalid literal"),
        ("val_share = 0.9\ntest_share = 0.1", "leave nothing"),
        ("fiftyone_port = 99999", "between 1 and 65535"),
        ("a = = 1", "not TOML"),
    ],
)
def test_bad_settings_are_errors_that_name_the_key(tmp_path, text, message):
    (tmp_path / "rcg.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_settings(tmp_path, {})
    assert message in str(caught.value)


def test_work_without_a_sink_says_nothing(capfd):
    assert list(tracked("ab", task="t")) == ["a", "b"]
    assert progress.silent(Tick(task="t", done=0)) is None
    assert capfd.readouterr() == ("", "")
