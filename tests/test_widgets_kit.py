"""The parts that panels are made of: messages, tables, charts, code to copy, and what a job bar says."""

import math
import re
import shlex
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("ipywidgets")

from rcg.errors import ConfigError, DataError
from rcg.workspace import Workspace
from widgets import kit
from widgets.base import Message, PanelModel, Worker
from widgets.chart import Series, chart, thin, ticks
from widgets.code import code_of
from widgets.dataset_model import DatasetModel
from widgets.job_model import Snapshot
from widgets.jobbar import bar_html
from widgets.proposing import proposed_name, proposed_type, wrong_name
from widgets.speaking import CONTROLS, control_of, here


def test_an_error_says_what_where_and_fix():
    error = DataError("line 3 has 4 numbers", where="a<b>.txt", fix="give it 5")
    html = kit.message_html(Message.of(error))
    assert html.index("line 3 has 4 numbers") < html.index("a&lt;b&gt;.txt") < html.index("give it 5")
    assert "Traceback" not in html, "the user can mend it"
    assert 'role="alert"' in html


def test_a_bug_is_told_as_one():
    message = Message.of(ZeroDivisionError("division by zero"))
    assert message.what == "ZeroDivisionError: division by zero"
    assert "fault in RCG" in message.fix
    html = kit.message_html(message)
    assert re.search(r"<details><summary>Traceback</summary>.*ZeroDivisionError", html, re.DOTALL)
    assert "<details open" not in html


@pytest.mark.parametrize(
    ("fix", "control", "place"),
    [
        ("say which to read: --from yolo (format='yolo' in Python)", "format", "“Read as”"),
        ("name the labels' folder or file (labels=PATH, --labels PATH)", "labels", "“Labels elsewhere”"),
        ("lengthen the class file (classes=FILE, --classes FILE)", "classes", "“Class names”"),
        ("look at both and make them equal: rcg browse cards", "", "Review"),
        ("rcg validate cards --measure", "", "Quality"),
        ("export it again", "", ""),
    ],
)
def test_a_fix_of_the_command_line_is_told_in_words_of_the_panel(fix, control, place):
    assert control_of(fix) == control
    assert place in here(fix)
    assert bool(here(fix)) == bool(place)
    assert ("In the panels" in kit.message_html(Message(kind="error", what="x", fix=fix))) == bool(place)


def test_an_attempt_shows_the_failure(tmp_path):
    model = PanelModel(tmp_path)

    def fail():
        raise DataError("it is empty", where="x", fix="fill it")

    model.attempt(fail)
    assert (model.message.what, model.message.where) == ("it is empty", "x")


def test_of_many_requests_with_one_key_only_the_last_is_done():
    worker, done = Worker(), []
    for number in range(20):
        worker.submit(lambda number=number: done.append(number), key="typed", after_s=0.05)
    worker.submit(lambda: done.append("end"))
    worker._pool.shutdown(wait=True)
    assert done == [19, "end"]


def test_tables_escape_what_they_show():
    html = kit.table_html(["a", "b"], [("<x>", kit.Html("<i>y</i>"))], numbers=(0,))
    assert "&lt;x&gt;" in html
    assert "<i>y</i>" in html
    assert "<td class=rcg-number>&lt;x&gt;" in html


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0, 12345), (0.001, 0.0017), (5, 5)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-9 <= each <= high + 1e-9 for each in found)


def test_a_chart_is_valid_xml_and_places_its_points():
    line = Series(name="loss & more", x=(0, 10, 20), y=(4.0, math.nan, 2.0))
    other = Series(name="second", x=(0, 20), y=(3.0, 1.0), marks=True)
    root = ET.fromstring(chart([line, other], title="a < b", x_label="step"))
    lines = [each.get("points") for each in root.iter("polyline")]
    assert len(lines) == 1  # the first has a gap in the middle: two single points draw no line
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in lines[0].split())
    assert x0 < x1
    assert y0 < y1  # 3 stands above 1, and y grows downwards
    assert len(list(root.iter("circle"))) == 2
    assert "second" in "".join(root.itertext())


def test_a_chart_without_values_says_so():
    assert "no values yet" in chart([Series(name="loss", x=(), y=())], title="loss", x_label="step")


def test_thinning_keeps_the_mean_and_the_ends():
    x, y = tuple(range(10_000)), tuple(float(each % 2) for each in range(10_000))
    across, up = thin(x, y, most=100)
    assert len(across) == len(up) == 100
    assert all(value == pytest.approx(0.5) for value in up)
    assert across[0] == 0


def test_the_job_bar_says_count_rate_and_time_left():
    shown = Snapshot(state="running", task="copying", done=120, total=240, rate=60.0, eta_s=2.0, elapsed_s=4.2)
    assert shown.line == "copying: 120 of 240 · 50 % · 60/s · 2 s left · running for 4 s"
    assert 'aria-valuenow="50"' in bar_html(shown)
    unknown = Snapshot(state="running", task="walking", done=7, elapsed_s=1)
    assert "rcg-unknown" in bar_html(unknown)
    silent = Snapshot(state="running", silent_s=12.0, elapsed_s=20)
    assert "no sign of life for 12 s" in silent.line
    assert Snapshot(state="done", done=99, total=200).fraction == 1.0  # never 2 % when done
    assert bar_html(None) == ""


def test_code_of_a_training():
    code = code_of(["train", "cards", "budget=5 min", "rois=64"], "/w s")
    assert shlex.split(code.command) == ["rcg", "train", "cards", "budget=5 min", "rois=64", "--workspace", "/w s"]
    assert "rcg.train(ws.dataset('cards'), config=rcg.TrainConfig.parse(['budget=5 min', 'rois=64'])" in code.python
    words = shlex.split(code.papermill)
    assert words[0] == "papermill"
    assert words[1].endswith("notebooks/03_training.ipynb")
    assert words[words.index("settings") + 1] == "'budget=5 min' rois=64"
    compile(code.python, "code", "exec")


def test_code_of_an_import_makes_the_dataset_first():
    added = ["dataset", "add", "cards", "--images", "/x", "--link"]
    code = code_of(added, "w", before=[["dataset", "create", "cards", "--type", "custom"]])
    assert [line.split()[2] for line in code.command.splitlines()] == ["create", "add"]
    assert "ws.create('cards', type='custom')" in code.python
    assert "ws.dataset('cards').add(images='/x', link=True, report=rcg.bar())" in code.python
    assert "dataset_type custom" in code.papermill
    assert "link: true" in code.papermill
    compile(code.python, "code", "exec")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/scans/Vintage Cards (2026)/images", "Vintage-Cards-2026"),
        ("/a/yolo/train", "a"),
        ("/data/cards.json", "cards"),
        ("/images", "dataset"),
    ],
)
def test_a_name_is_proposed_from_the_path(path, name):
    from pathlib import Path

    assert proposed_name(Path(path)) == name


def test_code_of_predictions_and_of_a_chosen_format():
    added = [
        "dataset",
        "add",
        "cards",
        "--labels",
        "/p.json",
        "--stage",
        "predictions",
        "--name",
        "m",
        "--from",
        "coco",
    ]
    code = code_of(added, "w")
    assert "add(labels='/p.json', stage='predictions', name='m', format='coco', report" in code.python
    words = shlex.split(code.papermill)
    pairs = dict(zip(words[4::3], words[5::3], strict=False))
    assert pairs["source"] == "/p.json"
    assert (pairs["stage"], pairs["predictions"], pairs["read_as"]) == ("predictions", "m", "coco")


def test_controls_are_named_as_the_panel_names_them():
    traits = DatasetModel.class_traits()
    assert all(traits[name].metadata["label"] == title for name, title in CONTROLS.values())


@pytest.mark.parametrize("name", ["a", "vintage-2026", "A_b.c", "", "two words", "-x", ".x", "a/b", "käse", "a\n"])
def test_a_name_is_judged_as_the_workspace_judges_it(tmp_path, name):
    try:
        Workspace(tmp_path).create(name, type="custom")
    except ConfigError:
        refused = True
    else:
        refused = False
    assert bool(wrong_name(name)) == (refused and name != "")


PLAIN = {
    "base", "chart", "class_rows", "code", "curves", "example", "looking", "photo", "pictures", "proposing", "sections",
    "speaking", "style",
}  # fmt: skip


def test_models_know_no_screen():
    from pathlib import Path

    import widgets

    for path in Path(widgets.__file__).parent.glob("*.py"):
        if path.stem.endswith("_model") or path.stem in PLAIN:
            assert "ipywidgets" not in {name.split(".")[0] for name in imported(path)}, path
            assert not {"widgets.kit", "widgets.jobbar"} & set(imported(path)), path


def imported(path):
    import ast

    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_a_type_is_proposed_from_the_classes():
    assert proposed_type(["card", "scratch", "edge_whitening"]) == "surface_damage"
    assert proposed_type(["outer_edge", "inner_frame"]) == "edge_detection"
    assert proposed_type(["scratch", "dent"]) == "surface_damage", "photos under several lights are not proposed"
    assert proposed_type(["card"]) == "custom"
    assert proposed_type(["ace", "king"]) == "custom"
    assert proposed_type([]) == "custom"
