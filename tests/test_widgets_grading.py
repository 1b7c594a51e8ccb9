"""The grading panel: its commands, lines set by hand, batches, dropped photos, and the code that it offers to copy."""

import csv
import io
import subprocess
import sys
from html import escape

import numpy as np
import pytest

pytest.importorskip("ipywidgets")

import rcg
from rcg.errors import Cancelled, ConfigError, DataError
from rcg.figures import grade_steps
from rcg.geometry import transform
from rcg.grading import grade_card
from rcg.grading.batch_rows import csv_of
from rcg.grading.hand_file import hand_path
from rcg.grading.report_html import limit_words, sentence
from rcg.images import read_image, write_image
from rcg.jobs import jobs
from rcg.measuring.types import STATIONS
from rcg.synthetic import draw_card, render_scan
from rcg.workspace import Workspace
from widgets import grading_panel, made_card
from widgets.dropzone import DropZone
from widgets.grading_batch_model import PAGE, BatchModel
from widgets.grading_html import grades_html, not_judged_html, steps_html, verdict_html
from widgets.grading_lines import part_of
from widgets.grading_model import GradingModel
from widgets.page_link import PageLink
from widgets.workbench import Workbench

DPI = 150


def scan(path, seed, **options):
    view = render_scan(draw_card(seed, **options), np.random.default_rng(seed), dpi=DPI, margin_mm=5, lid="black")
    write_image(path, view.pixels)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    scan(folder / "front.png", 11, family="english-front", defects=("corner_whitening",))
    scan(folder / "back.png", 12, family="english-back", side="back", defects=())
    return folder


@pytest.fixture(scope="module")
def graded(photos, tmp_path_factory):
    """A panel whose Grade button was pressed, for the tests that only look."""
    panel = grading_panel(tmp_path_factory.mktemp("graded") / "ws", inline=True)
    panel.controls["photos"].value = str(photos / "front.png")
    panel.controls["back"].value = str(photos / "back.png")
    panel.controls["grade"].click()
    return panel


@pytest.fixture(scope="module")
def front(photos):
    return grade_card(photos / "front.png")


@pytest.fixture
def alone(photos, front, tmp_path):
    """A panel with a front on the table, to be changed."""
    panel = grading_panel(tmp_path / "ws", inline=True)
    panel.model.photos = str(photos / "front.png")
    panel.model.lay(front)
    return panel


@pytest.fixture
def place(tmp_path):
    yield tmp_path / "ws"
    for job in jobs(tmp_path / "ws"):
        job.cancel(now=True)


def ends_of(panel, name, *, moved=0.0):
    """Both ends of a line in pixels, `moved` mm inwards, as the browser sends them."""
    about = panel.overlay.about
    line = next(each for each in about["lines"] if each["name"] == name)
    (first, last), length, (width, height) = line["ends"], line["length"], about["size"]
    mm = [(first + moved, 0.0), (last + moved, length)]
    if line["side"] in ("top", "bottom"):
        mm = [(along, depth) for depth, along in mm]
    mm = [(width - x if line["side"] == "right" else x, height - y if line["side"] == "bottom" else y) for x, y in mm]
    return transform(np.array(about["homography"]).reshape(3, 3), mm).tolist()


def drag(panel, name, moved, *, done=True):
    side, edge = name.split("_")
    message = {"kind": "line", "key": panel.overlay.about["key"], "side": side, "edge": edge, "done": done}
    panel.overlay._take(None, {**message, "ends": ends_of(panel, name, moved=moved)}, [])


# empty, and wrong


def test_without_a_photo_it_says_what_to_do(place):
    panel = grading_panel(place, inline=True)
    assert "Drop a photo" in panel.controls["verdict"].value
    assert panel.overlay.about == {}
    assert not panel.controls["page"].ready
    panel.controls["grade"].click()
    assert "there is no photo to grade" in panel.shown_message
    assert "Fix:" in panel.shown_message
    with pytest.raises(DataError, match="nothing is graded yet"):
        panel.model.page()
    with pytest.raises(DataError, match="no line was set by hand"):
        panel.model.reset_all()


def test_what_is_not_there_is_named(place, photos):
    model = GradingModel(place)
    model.photos = "/nowhere/front.jpg"
    with pytest.raises(DataError, match="no such photo") as told:
        model.grade()
    assert told.value.where == "/nowhere/front.jpg"
    model.photos, model.back = str(photos / "front.png"), "/nowhere/back.jpg"
    with pytest.raises(DataError, match="no such photo of the back"):
        model.grade()
    model.photos, model.back = str(photos), str(photos / "back.png")
    with pytest.raises(ConfigError, match="a back cannot be used with a batch"):
        model.arguments()


def test_a_picture_without_a_card_says_why_and_what_to_do(place, tmp_path):
    empty = tmp_path / "empty.png"
    write_image(empty, np.full((300, 400, 3), 128, np.uint8))
    panel = grading_panel(place, inline=True)
    panel.controls["photos"].value = str(empty)
    panel.controls["grade"].click()
    told = panel.controls["verdict"].value
    face = panel.model.report.front
    assert "undetermined</b>" in told
    assert panel.controls["steps"].value.count("data:image/png") == 2
    assert face.reason
    assert f"Fix: {face.fix}" in told.replace("&#x27;", "'")
    assert "undetermined" in grades_html(panel.model.report)
    assert panel.overlay.about["words"] == face.reason
    assert "lines" not in panel.overlay.about
    with pytest.raises(DataError, match="no card was found"):
        panel.model.set_line("front", "left", "inner", ((0, 0), (0, 9)))


def test_a_file_that_is_no_picture_is_an_error_with_its_place(place, tmp_path):
    (tmp_path / "notes.jpg").write_text("not a picture")
    panel = grading_panel(place, inline=True)
    panel.controls["photos"].value = str(tmp_path / "notes.jpg")
    panel.controls["grade"].click()
    assert "notes.jpg" in panel.shown_message
    assert "Fix:" in panel.shown_message
    assert panel.model.report is None
    assert not panel.model.grading


# a card on the table


def test_both_faces_their_ratios_and_grades_are_shown(graded):
    report = graded.model.report
    told = graded.controls["verdict"].value
    for face in (report.front, report.back):
        assert f"{face.centering.left_right:.1f} / {100 - face.centering.left_right:.1f}" in told
    assert {each.standard for each in report.grades} >= {"psa", "bgs", "cgc", "ags", "plain"}
    rows = graded.controls["grades"].value
    for each in report.grades:
        assert each.title in rows
        assert escape(sentence(limit_words(each.limits[0]))) in rows
    assert graded.controls["steps"].value.count("data:image/png") == 2, "for light and for dark pages"
    assert graded.controls["wear"].value.count("<figure") == 8, "four corners and four edges"
    unjudged = graded.controls["unjudged"].value.lower()
    for each in report.grades[0].not_judged:
        assert escape(each.lower(), quote=True) in unjudged
    assert "dents" in unjudged


def test_the_lines_of_the_overlay_run_through_the_points(graded):
    about = graded.overlay.about
    matrix = np.array(about["homography"]).reshape(3, 3)
    width, height = about["size"]
    assert (len(about["lines"]), len(about["points"])) == (8, 24)
    for point in about["points"]:
        line = next(each for each in about["lines"] if each["name"] == f"{point['side']}_{point['edge']}")
        share = STATIONS[point["station"]]
        bow = np.interp(share, np.linspace(0, 1, len(line["bow"])), line["bow"]) if line["bow"] else 0.0
        depth = line["ends"][0] + (line["ends"][1] - line["ends"][0]) * share + bow
        along = share * line["length"]
        mm = {"left": (depth, along), "right": (width - depth, along), "top": (along, depth),
              "bottom": (along, height - depth)}  # fmt: skip
        assert np.abs(transform(matrix, [mm[point["side"]]])[0] - point["at"]).max() < 0.5, point["name"]
        assert len(point["profile"]) == len(point["profile_mm"]) > 20
        assert point["sigma"] > 0


def test_the_other_face_comes_with_its_own_picture(graded):
    front = graded.overlay.about["key"]
    graded.controls["face"].value = "back"
    assert graded.overlay.about["key"] != front
    assert "back" in graded.overlay.about["key"]
    graded.controls["face"].value = "front"
    assert graded.overlay.about["key"] == front


def test_a_part_of_the_photo_has_its_own_pixels(graded, photos):
    pixels = read_image(photos / "front.png")
    data, box = part_of(pixels, (50.2, 60.7, 90.0, 100.0), 400)
    assert box == [50, 60, 90, 100]
    write_image(photos.parent / "part.png", pixels[60:100, 50:90])
    (photos.parent / "part.jpg").write_bytes(data)
    shown = read_image(photos.parent / "part.jpg").astype(int)
    assert shown.shape == (40, 40, 3), "no larger than its own pixels"
    assert np.abs(shown - pixels[60:100, 50:90]).mean() < 6
    small, _ = part_of(pixels, (0, 0, 1e6, 1e6), 100)
    (photos.parent / "small.jpg").write_bytes(small)
    assert read_image(photos.parent / "small.jpg").shape[1] == 100


def test_the_page_holds_the_report_as_it_stands(graded):
    name, data = graded.model.page()
    assert name == "front.html"
    assert b"<!doctype html>" in data[:40].lower()
    assert f"{graded.model.report.front.centering.left_right:.1f}".encode() in data
    answers = []
    link = PageLink(answers.append, words="x", tip="y")
    link._take(None, {"kind": "open"}, [])
    assert len(answers) == 1
    assert graded.model.write().read_bytes() == data


# lines set by hand


def test_a_dragged_line_moves_ratio_sigma_and_grades(alone):
    model = alone.model
    before = model.report
    first = before.front.centering
    drag(alone, "left_inner", 0.6, done=False)
    moving = model.report.front.centering
    left, right = first.widths[0].mean() + 0.6, first.widths[2].mean()
    assert moving.left_right == pytest.approx(100 * left / (left + right), abs=0.2)
    assert moving.left_right > first.left_right + 3
    assert moving.top_bottom == pytest.approx(first.top_bottom, abs=0.05)
    assert not hand_path(model.workspace.path).exists(), "while it moves, nothing is kept"
    drag(alone, "left_inner", 0.0)
    assert hand_path(model.workspace.path).exists()
    now = model.report
    assert now.hand_set == ("front left inner",)
    assert "set by hand" in alone.controls["verdict"].value
    assert now.front.centering.sigma[0] != first.sigma[0]
    assert [each.areas["front centering"].mean for each in now.grades] != [
        each.areas["front centering"].mean for each in before.grades
    ]
    assert [each["name"] for each in alone.overlay.about["lines"] if each["hand"]] == ["left_inner"]
    assert "is set by hand and kept" in alone.shown_message


def test_a_kept_line_counts_after_a_restart_and_for_everybody(alone, front, photos):
    drag(alone, "top_inner", 0.5)
    set_once = alone.model.report.front.centering.top_bottom
    again = GradingModel(alone.model.workspace)
    again.lay(front)
    assert again.report.hand_set == ("front top inner",)
    assert again.report.front.centering.top_bottom == pytest.approx(set_once, abs=1e-6)
    told = rcg.grade(photos / "front.png", workspace=alone.model.workspace.path)
    assert told.front.centering.top_bottom == pytest.approx(set_once, abs=1e-6)
    assert [each.overall for each in told.grades] == [each.overall for each in again.report.grades]


def test_reset_brings_the_measured_line_back(alone, front):
    first = alone.model.report.front.centering.left_right
    drag(alone, "left_inner", 0.5)
    drag(alone, "right_outer", 0.4)
    assert alone.model.report.front.centering.left_right != pytest.approx(first, abs=0.5)
    key = alone.overlay.about["key"]
    alone.overlay._take(None, {"kind": "reset", "key": key, "side": "left", "edge": "inner"}, [])
    assert alone.model.report.hand_set == ("front right outer",)
    alone.controls["reset"].click()
    assert alone.model.report.front.centering.left_right == first
    assert alone.model.report.hand_set == ()
    again = GradingModel(alone.model.workspace)
    again.lay(front)
    assert again.report.hand_set == ()


def test_what_the_browser_says_of_another_picture_is_passed_over(alone):
    before = alone.model.report
    message = {"kind": "line", "side": "left", "edge": "inner", "ends": [[0, 0], [0, 9]], "done": True}
    alone.overlay._take(None, {**message, "key": "of yesterday"}, [])
    assert alone.model.report is before
    drag(alone, "left_inner", 1e4)
    assert alone.model.message.kind == "error", "a line off the card is refused"
    assert alone.model.message.fix
    assert alone.model.report is before


def test_a_card_without_a_border_is_answered_by_four_lines(place, tmp_path):
    bare = scan(tmp_path / "bare.png", 3, family="full-bleed", defects=())
    panel = grading_panel(place, inline=True)
    panel.controls["photos"].value = str(bare)
    panel.controls["grade"].click()
    assert "centering undetermined" in panel.controls["verdict"].value
    assert "Fix:" in panel.controls["verdict"].value
    for side in ("left", "top", "right", "bottom"):
        drag(panel, f"{side}_inner", 0.0, done=side == "bottom")
    assert all(each["hand"] for each in panel.overlay.about["lines"] if each["edge"] == "inner")
    assert np.isfinite(panel.model.report.front.centering.left_right)


# stopped, several cards, standards of one's own


def test_stop_leaves_what_was_on_the_table(alone):
    model, before = alone.model, alone.model.report
    model.observe(lambda change: change["new"].state == "running" and model.stop(), "progress")
    with pytest.raises(Cancelled):
        model.grade()
    assert model.report is before
    assert model.progress.state == "cancelled"
    alone.controls["grade"].click()
    assert "grading was stopped" in alone.shown_message


def test_the_bar_is_there_while_it_works_and_moves_by_itself(alone):
    seen = []
    alone.model.observe(lambda _: seen.append((alone.controls["progress"].value, alone.model.grading)), "progress")
    alone.model.grade()
    assert any("rcg-bar" in text and "looking for the card" in text for text, _ in seen)
    assert seen[-1] == ("", False)


def test_every_card_of_a_photo_is_laid_on_the_table(place, photos, tmp_path):
    one, two = read_image(photos / "front.png"), read_image(photos / "back.png")
    height = min(len(one), len(two))
    write_image(tmp_path / "two.png", np.concatenate([one[:height], two[:height]], axis=1))
    panel = grading_panel(place, inline=True)
    panel.model.photos, panel.model.every = str(tmp_path / "two.png"), True
    panel.model.grade()
    assert panel.model.cards[:2] == ("two_1", "two_2")
    first = panel.model.report.front.outline.quad
    panel.controls["card"].value = "two_2"
    assert panel.model.report.name == "two_2"
    assert panel.model.report.front.outline.quad[0][0] > first[1][0]
    assert "--all" in panel.model.arguments()


def test_a_standard_of_ones_own_is_offered_and_a_broken_one_is_told(place, photos):
    own = Workspace(place).path / "standards"
    own.mkdir(parents=True)
    (own / "shop.toml").write_text('base = "plain"\ntitle = "Our shop"\nsource = "us"\neffective = "2026"\n')
    panel = grading_panel(place, inline=True)
    assert ("Our shop", "shop") in panel.controls["standards"].options
    panel.controls["standards"].value = ("shop",)
    panel.controls["photos"].value = str(photos / "front.png")
    panel.controls["grade"].click()
    assert [each.title for each in panel.model.report.grades] == ["Our shop"]
    assert panel.model.arguments()[-2:] == ("--standard", "shop")
    (own / "shop.toml").write_text('bas = "plain"\n')
    broken = grading_panel(place, inline=True)
    assert "shop.toml" in broken.model.message.where
    assert broken.model.message.fix


# batches


@pytest.fixture(scope="module")
def batch(photos, tmp_path_factory):
    """A panel that graded a folder with a card, an empty table and a broken file."""
    folder = tmp_path_factory.mktemp("attic")
    (folder / "good.png").write_bytes((photos / "front.png").read_bytes())
    write_image(folder / "empty.png", np.full((300, 400, 3), 128, np.uint8))
    (folder / "broken.jpg").write_text("not a picture")
    panel = grading_panel(tmp_path_factory.mktemp("batch") / "ws", inline=True)
    panel.controls["photos"].value = str(folder)
    panel.controls["workers"].value = 1
    panel.controls["grade"].click()
    panel.model.batch.jobs.wait(120)
    return panel


def test_a_batch_has_a_row_a_card_and_bad_pictures_have_their_reason(batch):
    rows = {each["name"]: each for each in batch.controls["table"].rows}
    assert set(rows) == {"good", "empty", "broken"}
    assert (rows["good"]["bad"], rows["empty"]["bad"], rows["broken"]["bad"]) == (False, True, True)
    columns = [each["name"] for each in batch.controls["table"].columns]
    assert "Fix: " in rows["broken"]["note"]
    assert "Fix: " in rows["empty"]["note"]
    assert rows["good"]["note"] == ""
    assert "±" in rows["good"]["cells"][columns.index("front_left_right")]
    assert " to " in rows["good"]["cells"][columns.index("psa")] or "≤" in rows["good"]["cells"][columns.index("psa")]
    assert "3 cards, 2 to look at" in batch.controls["batch_words"].value
    assert batch.model.message.kind == "done"


def test_a_batch_is_sorted_filtered_opened_and_exported(batch):
    table, model = batch.controls["table"], batch.model.batch
    table._take(None, {"kind": "sort", "name": "card"}, [])
    assert [each["name"] for each in table.rows] == ["broken", "empty", "good"]
    table._take(None, {"kind": "sort", "name": "card"}, [])
    assert [each["name"] for each in table.rows] == ["good", "empty", "broken"]
    assert (table.sort, table.falling) == ("card", True)
    table._take(None, {"kind": "sort", "name": "front_left_right"}, [])
    assert table.rows[0]["name"] == "good", "what is not known comes last"
    batch.controls["batch_bad"].value = True
    assert {each["name"] for each in table.rows} == {"empty", "broken"}
    batch.controls["batch_bad"].value = False
    table._take(None, {"kind": "open", "name": "good"}, [])
    assert batch.model.report.front.centering.left_right == pytest.approx(
        float(model.row("good")["front_left_right"]), abs=0.01
    )
    table._take(None, {"kind": "open", "name": "broken"}, [])
    assert "broken.jpg" in batch.shown_message
    name, data = model.file("results.csv")
    assert len(list(csv.DictReader(io.StringIO(data.decode())))) == 3
    assert name.endswith("_results.csv")
    assert b"<html" in model.file("index.html")[1][:200]


def test_a_new_panel_finds_the_batch_again(batch):
    again = BatchModel(batch.model.workspace)
    again.attach()
    assert again.folder == batch.model.batch.folder
    assert again.words == "3 cards, 2 to look at"
    with pytest.raises(DataError, match="no card 'gone'"):
        again.row("gone")


def test_a_thousand_cards_come_page_by_page_in_any_order(place):
    rows = [
        {"card": f"card_{number:04d}", "status": "measured" if number % 9 else "undetermined", "front": "x.jpg",
         "front_left_right": 40 + (number * 7919 % 1000) / 50, "front_left_right_sigma": 0.3, "psa": 8.0,
         "psa_low": 7.0, "psa_high": 9.0, "psa_status": "measured"}
        for number in range(1000)
    ]  # fmt: skip
    folder = place / "exports" / "grades" / "many"
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text(csv_of(rows, ["psa"]))
    panel = grading_panel(place, inline=True)
    panel.model.batch.open(folder)
    table = panel.controls["table"]
    assert len(table.rows) == PAGE
    assert panel.model.batch.pages.count == 1000 // PAGE
    panel.model.batch.sort_by("front_left_right")
    panel.controls["rows_next"].click()
    values = [float(each["cells"][3].split()[0]) for each in table.rows]
    assert values == sorted(values)
    assert values[0] >= sorted(row["front_left_right"] for row in rows)[PAGE] - 0.06
    assert table.rows[0]["cells"][2] == "8 (7 to 9)"


# dropped photos


def pieces(zone, name, data, *, at=0, size=1000):
    zone._take(None, {"kind": "begin", "batch": "b", "at": at, "name": name, "size": len(data), "id": 1}, [])
    for start in range(0, len(data), size):
        zone._take(
            None, {"kind": "piece", "batch": "b", "at": at, "from": start, "id": 2}, [data[start : start + size]]
        )


def test_dropped_photos_arrive_whole_whatever_they_are_called(tmp_path, photos):
    taken, told = [], []
    zone = DropZone(tmp_path / "in", take=taken.extend, problem=told.append, words="drop")
    data = (photos / "front.png").read_bytes()
    pieces(zone, "../../evil name?.png", data)
    pieces(zone, "../../evil name?.png", data[:3000], at=1)
    zone._take(None, {"kind": "begin", "batch": "b", "at": 2, "name": "notes.txt", "size": 5, "id": 4}, [])
    zone._take(None, {"kind": "end", "batch": "b", "total": 3, "id": 3}, [])
    assert [each.name for each in taken] == ["evil name_.png", "evil name__2.png"]
    assert taken[0].read_bytes() == data
    assert taken[1].read_bytes() == data[:3000]
    assert all(each.is_relative_to(tmp_path / "in") for each in taken)
    assert told[0].what.startswith("1 file of 3 could not be taken: notes.txt")
    assert not list((tmp_path / "in").rglob("*.part"))


def test_a_full_disk_is_told_and_leaves_nothing_half_written(small_disk):
    taken, told = [], []
    zone = DropZone(small_disk, take=taken.extend, problem=told.append, words="drop")
    pieces(zone, "large.jpg", bytes(3_000_000), size=1 << 18)
    zone._take(None, {"kind": "end", "batch": "b", "total": 1, "id": 3}, [])
    assert "disk is full" in told[0].what
    assert not taken
    assert not [each for each in small_disk.rglob("*") if each.is_file()]


def test_one_dropped_photo_is_a_card_and_several_are_a_batch(place, photos):
    panel = grading_panel(place, inline=True)
    data = (photos / "front.png").read_bytes()
    zone = panel.controls["drop"]
    pieces(zone, "one.png", data)
    zone._take(None, {"kind": "end", "batch": "b", "total": 1, "id": 3}, [])
    assert panel.model.photos.endswith("one.png")
    assert not panel.model.many
    zone._take(None, {"kind": "begin", "batch": "c", "at": 0, "name": "a.png", "size": len(data), "id": 1}, [])
    zone._take(None, {"kind": "piece", "batch": "c", "at": 0, "from": 0, "id": 2}, [data])
    zone._take(None, {"kind": "begin", "batch": "c", "at": 1, "name": "b.png", "size": len(data), "id": 1}, [])
    zone._take(None, {"kind": "piece", "batch": "c", "at": 1, "from": 0, "id": 2}, [data])
    zone._take(None, {"kind": "end", "batch": "c", "total": 2, "id": 3}, [])
    assert panel.model.many
    assert len(list(panel.model.given()[0].glob("*.png"))) == 2


# copied code


def test_the_copied_code_runs_and_says_the_same(alone):
    code = alone.model.code()
    drag(alone, "left_inner", 0.3)
    share = f"{alone.model.report.front.centering.left_right:.1f}"
    assert "05_grading.ipynb" in code.papermill
    for words in ([sys.executable, "-c", code.python], ["bash", "-ec", code.command]):
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=_env())
        assert done.returncode == 0, done.stderr[-2000:]
        assert share in done.stdout


def test_the_copied_code_of_a_batch_takes_up_what_is_done(batch):
    batch.model.photos, batch.model.back = str(batch.model.batch.row("good")["front"].rsplit("/", 1)[0]), ""
    code = batch.model.code()
    batch.controls["code"].value = True
    assert "grade_batch(" in batch.controls["code_text"].value
    done = subprocess.run([sys.executable, "-c", code.python], capture_output=True, text=True, check=False, env=_env())
    assert done.returncode == 0, done.stderr[-2000:]
    assert "3 cards: 1 measured, 1 undetermined, 1 could not be read" in done.stdout


def _env():
    import os
    from pathlib import Path

    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


# the rest


def test_figures_and_texts_stand_without_a_card():
    assert verdict_html(None)
    assert steps_html(None) == grades_html(None) == not_judged_html(None) == ""
    steps = {"A": {8.0: 0.3, 9.0: 0.7}, "B": {}}
    light = grade_steps(steps, intervals={"A": (8.0, 9.0)})
    assert light[:4] == b"\x89PNG"
    assert grade_steps(steps, intervals={"A": (9.0, 9.0)}) != light, "the interval is drawn"
    assert grade_steps(steps, intervals={"A": (8.0, 9.0)}, look="dark") != light


def test_a_made_card_is_one_card_from_several_places(place):
    made = made_card(Workspace(place), "smoke")
    assert len(list(made.views.glob("*.jpg"))) == 3
    assert 30 < made.left_right < 70
    assert made == made_card(Workspace(place), "smoke")


def test_the_workbench_holds_it(place):
    bench = Workbench(place, inline=True)
    assert bench.grading is bench.panels[5]
    bench.box.selected_index = 5
    assert bench.grading.active
