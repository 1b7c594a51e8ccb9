"""Standards as files: the built-in ones, a user's own, and what is said where one is wrong."""

import json
import math
import re

import numpy as np
import pytest
import tomli_w

from rcg.errors import ConfigError
from rcg.grading import SUBGRADES, grade_faces, read_standards, standard_files
from rcg.grading.figures import known_figures, unit
from rcg.grading.rules import bgs_overall, level_of, rounded
from tests.grading_faces import face

WORKED = standard_files.__doc__.split("whole of `standards/shop.toml`:\n")[1].split("\nThe key is")[0]


def put(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["ags", "bgs", "cgc", "plain", "psa"])
def test_each_standard_says_where_it_is_from_and_covers_all_areas(name):
    standard = read_standards()[name]
    assert standard.source.startswith("https://") or standard.source == "RCG"
    assert re.match(r"\d{4}|undated", standard.effective)
    assert "RCG's own" in standard.reading
    assert standard.unchecked or name == "plain"
    assert [area.name for area in standard.areas] == list(SUBGRADES)
    assert len(standard.names) == len(standard.steps)
    assert {"trimmed", "recoloured"} <= set(standard.no_grade)
    for area in standard.areas:
        for column in (*area.front, *area.back):
            assert column.figure in known_figures()
            assert list(column.limits) == sorted(column.limits)


def test_published_centering_limits_are_those_in_the_files():
    """The companies' own numbers, typed once more from what they publish."""
    published = {
        "psa": {
            10: (55, 75),
            9: (60, 90),
            8: (65, 90),
            7: (70, 90),
            6: (80, 90),
            5: (85, 90),
            4: (85, 90),
            3: (90, 90),
        },
        "bgs": {
            9.5: (55, 60),
            9: (55, 70),
            8: (60, 80),
            7: (65, 90),
            6: (70, 95),
            5: (75, 95),
            4: (80, 100),
            3: (85, 100),
        },
        "cgc": {9: (60, 90), 8: (65, None), 7: (70, None), 6: (75, None)},
    }
    standards = read_standards()
    for name, table in published.items():
        area = standards[name].areas[0]
        front, back = (
            next(each.limits for each in area.columns(side) if each.figure == "centering.share")
            for side in ("front", "back")
        )
        for step, (most_front, most_back) in table.items():
            at = standards[name].steps.index(step)
            assert front[at] == most_front, (name, step)
            assert most_back is None or back[at] == most_back, (name, step)


def test_the_community_rule_for_bgs():
    # three that the company prints, and the two kinds of 10
    given = {
        (9.5, 9.5, 9, 8): 8.5, (9.5, 9.5, 8.5, 9): 9, (10, 6, 10, 10): 7, (10, 10, 10, 9.5): 10, (10, 10, 10, 10): 10,
        (9.5, 9.5, 9.5, 9): 9.5, (9, 9.5, 9.5, 9.5): 9.5, (5, 10, 10, 10): 6.5, (9, 9, 9, 9): 9,
        (10, 9, 7.5, 9): 8.5,
    }  # fmt: skip
    found = bgs_overall(np.array(list(given), float).T)
    assert found.tolist() == list(given.values())


def test_the_community_rule_fits_ten_of_the_known_slabs(shared_data):
    file = shared_data.parent / "checks" / "bgs_cases.json"
    if not file.is_file():
        pytest.skip(f"the known slabs are not here: {file}")
    cases = json.loads(file.read_text())["cases"]
    found = bgs_overall(np.array([subgrades for subgrades, _ in cases], float).T)
    right = int(np.sum(found == [overall for _, overall in cases]))
    assert right >= 10, f"{right} of {len(cases)}"


def test_a_limit_is_kept_by_a_figure_that_is_on_it():
    assert level_of(np.array([55.0, 60.0]), np.array([54.9, 55.0, 55.01, 60.0, 60.1]), 3).tolist() == [0, 0, 1, 1, 2]
    assert level_of(np.array([55.0, 60.0]), np.array([55.0 + 1e-12]), 3).tolist() == [0]
    assert rounded(np.array([8.24, 8.25, 8.74, 8.75]), 0.5).tolist() == [8.0, 8.5, 8.5, 9.0]


def test_the_worked_example_of_the_documentation_reads_and_grades(tmp_path):
    folder = put(tmp_path / "standards", "shop.toml", WORKED)
    standards = read_standards(folder)
    shop, plain = standards["shop"], standards["plain"]
    assert list(standards) == ["ags", "bgs", "cgc", "plain", "psa", "shop"]
    assert (shop.title, shop.ratio, shop.steps) == ("Our shop", "worst", plain.steps)
    assert shop.areas[0].front[0].limits == (52, 55, 57, 60)
    assert shop.areas[2] == plain.areas[2]  # what is not said is as in plain
    assert [each.what for each in shop.caps] == ["a dent"]
    grades = {each.standard: each.overall.most_likely for each in grade_faces(face(54), face(), standards=standards)}
    assert (grades["shop"], grades["plain"]) == (9.5, 10)


def test_a_missing_folder_leaves_the_packages_own(tmp_path):
    assert read_standards(tmp_path / "none") == read_standards()


def test_a_file_of_the_same_name_replaces_the_packages(tmp_path):
    put(tmp_path, "psa.toml", 'base = "psa"\ntitle = "PSA before 2025"\n[centering]\nfront = [60, 65]\n')
    psa = read_standards(tmp_path)["psa"]
    assert psa.title == "PSA before 2025"
    assert psa.areas[0].front[0].limits == (60, 65)
    assert psa.areas[0].back == read_standards()["psa"].areas[0].back


@pytest.mark.parametrize(
    ("text", "says", "line", "fix"),
    [
        ('base = "plain"\n[corners]\nwhitening_dept = [1]\n', "'whitening_dept' in corners", 3, "whitening_depth"),
        ('base = "plain"\nsorce = "x"\n', "unknown key 'sorce'", 2, "write source"),
        ('base = "plain"\n\n[centring]\nfront = [50]\n', "unknown key 'centring'", 3, "write centering"),
        ('base = "plain"\n[overall]\nrule = "lowes"\n', "rule = 'lowes' is not known", 3, "write lowest"),
        ('base = "plian"\n', "there is no standard 'plian'", 1, "write plain"),
        ('base = "plain"\n[edges]\ndeepest = [1, 0.5]\n', "is not in order", 3, "rise"),
        ('base = "plain"\n[edges]\ndeepest = ["a"]\n', "deepest = 'a' is no number", 3, "number"),
        ('base = "plain"\nsteps = [10, 9]\n', "2 steps stand over the 19", 2, "without a base"),
        ('base = "plain"\n[[caps]]\nwhat = "x"\nfigure = "surface.dents"\nstep = 5\n', "dents", 4, "surface.dent"),
        ('base = "plain"\n[surface.back]\nstain = [1]\n', "unknown key 'stain' in surface.back", 3, "stain_"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_its_line_and_what_to_write(tmp_path, text, says, line, fix):
    put(tmp_path, "mine.toml", text)
    with pytest.raises(ConfigError) as told:
        read_standards(tmp_path)
    assert says in told.value.what
    assert told.value.where.endswith(f"mine.toml, line {line}")
    assert fix in told.value.fix


def test_standards_that_are_based_on_each_other_in_a_ring_are_refused(tmp_path):
    put(tmp_path, "mine.toml", 'base = "other"\n')
    put(tmp_path, "other.toml", 'base = "mine"\n')
    with pytest.raises(ConfigError, match="in a ring"):
        read_standards(tmp_path)


JUNK = [0, -1, 1.5, "x", "", True, [], ["x"], [1, "a"], [3, 2], [2, 3], {"a": 1}, [[1]], [{"what": "x"}], float("nan")]


@pytest.mark.parametrize("table", ["", *standard_files._TABLES, "corners", "corners.back", "surface"])
def test_junk_in_any_key_is_an_error_that_can_be_mended_or_harmless(tmp_path, table):
    keys = standard_files._TABLES.get(table) or (
        standard_files._TOP if not table else ("whitening_depth", "dent_count")
    )
    for key in keys:
        for junk in JUNK:
            own = {key: junk}
            for part in reversed(table.split(".") if table else []):
                own = {part: [own] if part in {"caps", "qualifiers", "labels"} else own}
            put(tmp_path, "own.toml", tomli_w.dumps({"base": "plain", **own}))
            standard = error = None
            try:
                standard = read_standards(tmp_path)["own"]
            except ConfigError as told:
                error = told
            assert error is None or (error.where and error.fix)
            if standard is not None:
                grade_faces(face(57), face(), standards={"own": standard}, draws=100)


def test_a_file_without_a_base_must_say_all(tmp_path):
    put(tmp_path, "mine.toml", 'title = "Mine"\n')
    with pytest.raises(ConfigError, match="source is missing") as told:
        read_standards(tmp_path)
    assert 'base = "plain"' in told.value.fix


def test_broken_toml_is_told_with_its_file(tmp_path):
    put(tmp_path, "mine.toml", "title = \n")
    with pytest.raises(ConfigError, match="line 1") as told:
        read_standards(tmp_path)
    assert "mine.toml" in told.value.where


def test_a_whole_standard_of_ones_own_with_a_weighted_mean(tmp_path):
    text = """
        title = "Own"
        source = "me"
        effective = "2026"
        reading = "own"
        steps = [10, 8, 6]
        [centering]
        front = [55, 60]
        [corners]
        radius_error = [0.2]
        [edges]
        deepest = [0.1]
        [surface]
        dent_count = [0]
        [overall]
        rule = "weighted"
        front_weight = 0.7
        mean = "geometric"
        rounding = 0.1
    """
    put(tmp_path, "own.toml", text)
    (grade,) = grade_faces(face(57), face(), standards={"own": read_standards(tmp_path)["own"]})
    expected = 0.7 * (8 * 10 * 10 * 10) ** 0.25 + 0.3 * 10
    own = read_standards(tmp_path)["own"]
    assert grade.overall.steps == (max(step for step in own.steps if step <= expected),)


def test_figures_have_units():
    assert {unit(each) for each in known_figures()} == {"%", "degrees", "mm", "mm²", "µm", ""}
    assert math.isfinite(len(known_figures()))
