"""Curves of a run: read on from where the last look ended, and begun anew when a resumed run writes its file anew."""

import time

import orjson

from rcg.files import write_bytes
from widgets.curves import CurveFile


def line(step, **metrics):
    record = {"task": "train", "done": step, "total": 99, "metrics": metrics}
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def test_curves_come_from_the_run_s_ticks(tmp_path):
    path = tmp_path / "ticks.jsonl"
    path.write_bytes(b"".join(line(n, loss=9.0 - n) for n in range(1, 10)) + line(9, val_ap=0.25, val_ap50=0.5))
    found = CurveFile(path).read()
    assert found["loss"].x == tuple(range(1, 10))
    assert found["loss"].y[0] == 8.0
    assert (found["val_ap"].y, found["val_ap50"].y) == ((0.25,), (0.5,))


def test_a_file_that_is_not_there_yet_has_no_points(tmp_path):
    curves = CurveFile(tmp_path / "ticks.jsonl")
    assert curves.read()["loss"].x == ()
    curves.path.write_bytes(line(1, loss=2.0))
    assert curves.read()["loss"].y == (2.0,)


def test_half_a_line_waits_for_its_end(tmp_path):
    path, whole = tmp_path / "ticks.jsonl", line(2, loss=1.0)
    curves = CurveFile(path)
    path.write_bytes(line(1, loss=2.0) + whole[:10])
    assert curves.read()["loss"].y == (2.0,)
    with path.open("ab") as file:
        file.write(whole[10:] + b'{"cut off\n' + line(3, loss=0.5))
    assert curves.read()["loss"].y == (2.0, 1.0, 0.5)


def test_a_resumed_run_writes_its_file_anew(tmp_path):
    path = tmp_path / "ticks.jsonl"
    curves = CurveFile(path)
    path.write_bytes(line(1, loss=3.0) + line(2, loss=2.0))
    curves.read()
    write_bytes(path, line(1, loss=3.0) + line(2, loss=1.5) + line(3, loss=1.0))
    assert curves.read()["loss"].y == (3.0, 1.5, 1.0)


def test_a_look_costs_the_new_lines_only(tmp_path):
    path = tmp_path / "ticks.jsonl"
    path.write_bytes(b"".join(line(n, loss=1.0) for n in range(200_000)))
    curves = CurveFile(path)
    began = time.perf_counter()
    curves.read()
    first = time.perf_counter() - began
    with path.open("ab") as file:
        file.write(line(200_001, loss=1.0))
    began = time.perf_counter()
    for _ in range(3):
        assert curves.read()["loss"].x
    assert time.perf_counter() - began < first / 2
