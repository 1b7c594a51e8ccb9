"""Batches of cards: pairs by name, a table, resuming, bad pictures."""

import csv
import re
import shutil

import numpy as np
import pytest

from rcg.errors import Cancelled, ConfigError, DataError
from rcg.files import read_json
from rcg.grading import grade_batch, pairs
from rcg.images import write_image
from tests.graded_cards import blank, scan, write_scan


def named(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    found = {}
    for each in pairs(folder):
        sides = (each.front, each.back)
        found[each.name] = tuple(None if one is None else one.relative_to(folder).as_posix() for one in sides)
    return found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a_front.jpg", "a_back.png"], {"a": ("a_front.jpg", "a_back.png")}),
        (["A Front.JPG", "A Back.JPG"], {"A": ("A Front.JPG", "A Back.JPG")}),
        (["a-f.jpg", "a-b.jpg"], {"a": ("a-f.jpg", "a-b.jpg")}),
        (["a_b.jpg", "c_f.jpg"], {"a_b": ("a_b.jpg", None), "c_f": ("c_f.jpg", None)}),
        (["front/a.jpg", "back/a.jpg"], {"a": ("front/a.jpg", "back/a.jpg")}),
        (["x/Fronts/a.jpg", "x/Backs/a.jpg"], {"x_a": ("x/Fronts/a.jpg", "x/Backs/a.jpg")}),
        (["a_back.jpg"], {"a": (None, "a_back.jpg")}),
        (["a.jpg", "b/a.jpg"], {"a": ("a.jpg", None), "b_a": ("b/a.jpg", None)}),
        (["a_front.jpg", "a_front.png"], {"a": ("a_front.jpg", None), "a_front": ("a_front.png", None)}),
        (["a b.jpg", "a_b.jpg"], {"a_b": ("a b.jpg", None), "a_b-2": ("a_b.jpg", None)}),
        (["flashback.jpg", "front.jpg"], {"flashback": ("flashback.jpg", None), "front": ("front.jpg", None)}),
        (["1.front.jpg", "1.back.jpg"], {"1": ("1.front.jpg", "1.back.jpg")}),
    ],
)
def test_fronts_and_backs_are_told_by_their_names(tmp_path, names, found):
    assert named(tmp_path, *names) == found


def test_a_list_of_pictures_is_paired_likewise(tmp_path):
    files = [tmp_path / name for name in ("one_back.jpg", "one_front.jpg", "two.jpg")]
    for each in files:
        each.write_bytes(b"x")
    assert [(each.name, each.front, each.back) for each in pairs(files)] == [
        ("one", files[1], files[0]), ("two", files[2], None),
    ]  # fmt: skip
    with pytest.raises(DataError, match="no picture"):
        pairs(tmp_path / "nothing" if (tmp_path / "nothing").mkdir() is None else "")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two cards, one with its back, a table without a card, a file that is cut off."""
    folder = tmp_path_factory.mktemp("cards")
    write_scan(folder / "a_front.jpg")
    write_scan(folder / "a_back.jpg", side="back")
    write_scan(folder / "b.png", seed=4)
    write_image(folder / "table.jpg", blank())
    (folder / "torn.png").write_bytes((folder / "b.png").read_bytes()[:5000])
    return folder


@pytest.fixture(scope="module")
def batch(pictures, tmp_path_factory):
    ticks = []
    out = tmp_path_factory.mktemp("out") / "whole"
    return grade_batch(pictures, out, standards=["psa", "plain"], report=ticks.append), ticks


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bad_picture_has_its_row_and_stops_nothing(batch):
    done, ticks = batch
    rows = {row["card"]: row for row in done.rows}
    assert list(rows) == ["a", "b", "table", "torn"]
    assert [rows[name]["status"] for name in rows] == ["measured", "measured", "undetermined", "failed"]
    assert "damaged" in rows["torn"]["reason"]
    assert rows["torn"]["fix"]
    assert rows["table"]["fix"]
    assert (ticks[-1].done, ticks[-1].total) == (4, 4)
    assert "4 cards: 2 measured, 1 undetermined, 1 could not be read" in str(done)


def test_the_table_and_the_csv_say_the_same_as_the_reports(batch):
    done, _ = batch
    with done.csv.open(newline="") as file:
        rows = {row["card"]: row for row in csv.DictReader(file)}
    report = read_json(done.out / "cards" / "a.json")
    assert float(rows["a"]["front_left_right"]) == pytest.approx(
        report["front"]["centering"]["left_right"][0], abs=1e-3
    )
    assert float(rows["a"]["back_top_bottom"]) == pytest.approx(report["back"]["centering"]["top_bottom"][0], abs=1e-3)
    assert float(rows["a"]["psa"]) == report["grades"]["psa"]["grade"]
    assert [float(rows["a"]["psa_low"]), float(rows["a"]["psa_high"])] == report["grades"]["psa"]["interval"]
    assert list(report["grades"]) == ["plain", "psa"]
    assert rows["b"]["back_left_right"] == rows["table"]["psa"] == ""
    truth = scan(seed=4).truth.centering
    assert float(rows["b"]["front_left_right"]) == pytest.approx(truth[0], abs=2)
    html = done.page.read_text()
    for link in re.findall(r'(?:href|src)="((?:cards|thumbs)/[^"]+)"', html):
        assert (done.out / link).exists(), link
    assert html.count("<tr data-status=") == 4
    assert "cards/torn.html" not in html


def test_a_batch_that_was_stopped_goes_on_and_ends_with_the_same_bytes(batch, pictures, tmp_path):
    whole, _ = batch

    def stop(tick):
        if tick.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        grade_batch(pictures, tmp_path / "out", standards=["psa", "plain"], report=slowly(stop))
    part = content(tmp_path / "out")
    assert "items/a.json" in part
    assert "items/torn.json" not in part
    assert b"to go" in part["index.html"]
    done = grade_batch(pictures, tmp_path / "out", standards=["psa", "plain"])
    assert done.kept == 2
    assert content(tmp_path / "out") == content(whole.out)
    again = grade_batch(pictures, tmp_path / "out", standards=["psa", "plain"])
    assert again.kept == 3  # what could not be read is tried anew
    assert content(tmp_path / "out") == content(whole.out)


def slowly(sink):
    """Ticks come at most ten a second; a pause after each lets all of them through."""
    import time

    def tell(tick):
        time.sleep(0.11)
        sink(tick)

    return tell


def test_workers_give_the_same_bytes_and_only_what_changed_is_graded_again(batch, pictures, tmp_path):
    whole, _ = batch
    mine = tmp_path / "cards"
    shutil.copytree(pictures, mine)
    done = grade_batch(mine, tmp_path / "out", standards=["psa", "plain"], jobs=2)
    here, there = content(tmp_path / "out"), content(whole.out)
    same = {name for name in here if not name.startswith(("items/", "index", "results"))}
    pages = {name for name in same if name.endswith(".jpg")}
    assert pages
    assert all(here[name] == there[name] for name in pages)
    assert [row.get("psa") for row in done.rows] == [row.get("psa") for row in whole.rows]
    write_scan(mine / "b.png", seed=5)
    (tmp_path / "out" / "cards" / "table.html").unlink()
    again = grade_batch(mine, tmp_path / "out", standards=["psa", "plain"], jobs=2)
    assert again.kept == 1
    assert (tmp_path / "out" / "cards" / "table.html").exists()
    assert again.rows[1]["front_left_right"] != done.rows[1]["front_left_right"]


def test_what_cannot_be_a_batch_is_refused_before_anything_is_graded(pictures, tmp_path):
    with pytest.raises(DataError, match="stand among the pictures"):
        grade_batch(pictures, pictures)
    with pytest.raises(ConfigError, match="which back"):
        grade_batch(pictures, tmp_path, every=True)
    with pytest.raises(ConfigError, match="no standard"):
        grade_batch(pictures, tmp_path / "x", standards=["psaa"])
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="a file, not a folder"):
        grade_batch(pictures, tmp_path / "file")
    assert not (tmp_path / "x").exists()


def test_every_card_of_a_photo_has_a_row(tmp_path):
    left, right = scan().pixels, scan(seed=4).pixels
    rows = max(left.shape[0], right.shape[0])
    padded = [np.pad(each, ((0, rows - each.shape[0]), (0, 0), (0, 0)), mode="edge") for each in (left, right)]
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "two.png", np.concatenate(padded, axis=1))
    done = grade_batch(tmp_path / "in", tmp_path / "out", every=True, standards=["plain"])
    assert [row["card"] for row in done.rows] == ["two_01", "two_02"]
    for row, seed in zip(done.rows, (3, 4), strict=True):
        assert row["front_left_right"] == pytest.approx(scan(seed=seed).truth.centering[0], abs=2)
