"""`rcg grade` as a user meets it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from rcg.grading.grading import read_picture
from rcg.grading.pairing import pairs
from tests.graded_cards import blank, scan, write_scan


def rcg(*arguments, home, timeout=120):
    """Run the command line; returns exit code, last line as JSON (or None), standard output and error."""
    done = subprocess.run(
        [sys.executable, "-m", "rcg", "grade", *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, "RCG_HOME": str(home)},
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1] if "--json" in arguments else "null"
    return done.returncode, json.loads(last, parse_constant=_no_constant), done.stdout, done.stderr


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_scan(folder / "a.png")
    write_scan(folder / "back.png", side="back")
    Image.fromarray(blank()).save(folder / "table.jpg")
    (folder / "torn.png").write_bytes((folder / "a.png").read_bytes()[:9000])
    return folder


def test_a_card_is_graded_from_both_sides_with_the_report_that_was_asked_for(home, tmp_path):
    arguments = (home / "a.png", "--back", home / "back.png", "--standard", "psa", "--standard", "bgs", "--json")
    code, told, text, _ = rcg(*arguments, "--out", tmp_path / "one", home=home)
    assert code == 0
    assert (told["front"]["status"], told["back"]["status"]) == ("measured", "measured")
    truth = scan().truth
    assert told["front"]["centering"]["left_right"][0] == pytest.approx(truth.centering[0], abs=1.5)
    assert np.abs(np.array(told["front"]["outer_quad"]) - truth.quad).max() < 2
    assert list(told["grades"]) == ["bgs", "psa"]
    assert "PSA" in text
    assert "left/right" in text
    assert (tmp_path / "one" / "report.html").exists()
    code, again, _, _ = rcg(*arguments, "--out", tmp_path / "two", home=home)
    told.pop("page")
    again.pop("page")
    assert json.dumps(told) == json.dumps(again)
    for each in (tmp_path / "one").iterdir():
        assert each.read_bytes() == (tmp_path / "two" / each.name).read_bytes(), each.name


def test_a_picture_without_a_card_is_an_answer(home):
    code, told, text, _ = rcg(home / "table.jpg", "--json", home=home)
    assert code == 0
    assert told["front"]["status"] == "undetermined"
    assert told["front"]["reason"]
    assert told["front"]["fix"]
    assert text.count("what to do") == 1
    assert "--card-spec standard or sports" in text
    assert text.count("no grade under") == 1


def test_all_cards_of_a_photo_come_as_a_list(home):
    code, told, *_ = rcg(home / "a.png", "--all", "--json", home=home)
    assert code == 0
    assert [each["front"]["status"] for each in told["cards"]] == ["measured"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["torn.png"], "damaged"),
        (["nowhere.jpg"], "no such file"),
        (["rcg.txt"], "no image"),
        (["a.png", "--standard", "psaa"], "write psa"),
        (["a.png", "--card-spec", "sprots"], "write sports"),
        (["a.png", "--run", "none"], "no run"),
        (["a.png", "--frames", "none/card"], "no such folder of frames"),
        (["a.png", "--back-frames", "."], "no picture of it"),
        (["a.png", "--all", "--back", "back.png"], "cannot be used"),
        (["a.png", "--repeat"], "cannot repeat itself"),
        (["a.png", "--back", "nowhere.png"], "no such file"),
        (["a.png", "--back", "./a.png"], "the same file as the front"),
        (["a.png", "--out", "rcg.txt"], "a file, not a folder"),
        (["a.png", "--all", "--out", "rcg.txt/x"], "a file, not a folder"),
        ([".", "--out", "x", "--jobs", "0"], "give 1 or more"),
        (["empty"], "the folder is empty"),
        (["a.png", "back.png"], "--out DIR"),
        ([".", "--out", "x", "--back", "back.png"], "cannot be used with a batch"),
    ],
)
def test_what_a_user_can_mend_exits_with_2_and_says_how(home, monkeypatch, arguments, word):
    (home / "rcg.txt").write_text("no image")
    (home / "empty").mkdir(exist_ok=True)
    monkeypatch.chdir(home)
    code, told, _, text = rcg(*arguments, "--json", home=home / "workspace")
    assert code == 2, text
    assert word in text
    assert "Traceback" not in text
    assert "measure:" not in text  # told before the work
    assert told["error"]["what"]
    assert told["error"]["fix"]


def test_a_folder_is_a_batch(home, tmp_path):
    code, told, text, progress = rcg(home, "--out", tmp_path / "out", "--standard", "plain", "--json", home=home)
    assert code == 0
    assert (told["cards"], told["failed"]) == (len(pairs(home)), 1)
    assert (tmp_path / "out" / "results.csv").exists()
    assert "grade cards" in progress
    assert "index.html" in text


def test_pictures_of_one_card_make_a_study(home, tmp_path):
    for at in range(2):
        Image.fromarray(scan().pixels).save(tmp_path / f"shot{at}.jpg", quality=90 + 5 * at)
    shots = sorted(tmp_path.glob("shot*.jpg"))
    code, told, *_ = rcg(*shots, "--repeat", "--standard", "plain", "--out", tmp_path / "out", "--json", home=home)
    assert code == 0
    assert told["captures"] == 2
    figure = next(each for each in told["figures"] if each["name"] == "front_left_right")
    assert 0 <= figure["sd"] < 0.5
    assert (tmp_path / "out" / "repeatability.html").exists()


@pytest.mark.parametrize("kind", ["grey", "alpha", "deep", "cmyk", "turned"])
def test_pictures_of_every_kind_are_read_as_people_see_them(tmp_path, kind):
    image = Image.fromarray(scan().pixels)
    path = tmp_path / f"card.{'tif' if kind == 'cmyk' else 'png' if kind in {'alpha', 'deep'} else 'jpg'}"
    expected = np.asarray(image)
    if kind == "grey":
        image.convert("L").save(path, quality=95)
        expected = np.asarray(image.convert("L").convert("RGB"))
    elif kind == "alpha":
        image.convert("RGBA").save(path)
    elif kind == "deep":
        grey = np.asarray(image.convert("L"))
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
        expected = np.repeat(grey[..., None], 3, axis=2)
    elif kind == "cmyk":
        image.convert("CMYK").save(path)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter clockwise to be seen upright
        image.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)
    pixels = read_picture(path)
    assert pixels.shape == scan().pixels.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 3


def test_several_cards_of_a_photo_get_a_table_and_progress_to_the_end(home, tmp_path):
    left, right = scan().pixels, scan(seed=4).pixels
    rows = max(left.shape[0], right.shape[0])
    both = [np.pad(each, ((0, rows - each.shape[0]), (0, 0), (0, 0)), mode="edge") for each in (left, right)]
    Image.fromarray(np.concatenate(both, axis=1)).save(tmp_path / "two.png")
    arguments = (tmp_path / "two.png", "--all", "--standard", "plain", "--out", tmp_path / "out", "--json")
    code, told, text, progress = rcg(*arguments, home=home)
    assert code == 0
    assert len(told["cards"]) == 2
    assert "grade: 2/2" in progress
    assert "write reports: 2/2" in progress
    assert "or lower (what the seen parts allow" in text
    page = (tmp_path / "out" / "index.html").read_text()
    for each in told["cards"]:
        assert f'href="{each["name"]}/report.html"' in page
        assert (tmp_path / "out" / each["name"] / "report.html").exists()
        assert (tmp_path / "out" / "thumbs" / f"{each['name']}.jpg").exists()
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 3
    first = (tmp_path / "out" / "index.html").read_bytes()
    rcg(*arguments, home=home)
    assert (tmp_path / "out" / "index.html").read_bytes() == first
