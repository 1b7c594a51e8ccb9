"""A card's report: its JSON, its page, its pictures, lines set by hand, repeatability."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from rcg.card_specs import CardSpec
from rcg.errors import ConfigError, DataError
from rcg.geometry import transform
from rcg.grading import (
    HandLine,
    grade_card,
    hand_path,
    page_of,
    picture_key,
    read_hand,
    regrade,
    remove_hand,
    repeatability,
    report_values,
    summary,
    with_hand_lines,
    write_hand,
    write_repeatability,
    write_report,
)
from rcg.grading.batch_rows import row_of
from rcg.grading.grading import chosen_standards
from rcg.grading.report_html import END_UNKNOWN
from rcg.grading.report_pictures import Window, corner_window, edge_window, view
from rcg.grading.second_opinion import opinion
from rcg.measuring import SIDES, Outline, Value
from rcg.measuring.face import measure_face
from rcg.measuring.rectify import photo_points, to_pixels
from rcg.photometric import Capture
from rcg.runs import Run
from rcg.synthetic import draw_card, render_capture, render_scan
from rcg.synthetic.rig_model import View
from rcg.types import Annotation, Box
from tests.graded_cards import DPI, blank, scan


@pytest.fixture(scope="module")
def graded():
    return grade_card(scan().pixels, back=scan(side="back").pixels)


@pytest.fixture(scope="module")
def page(graded):
    return page_of(graded)


class _Tags(HTMLParser):
    """Whether all tags are closed in turn, what is loaded from elsewhere, and the ids."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.wrong, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "srcset"} or (name == "href" and tag in {"image", "link", "use"}):
                self.loads.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def parsed(html):
    found = _Tags()
    found.feed(html)
    return found


def test_the_values_are_strict_json_with_all_that_the_contract_names(graded):
    values = json.loads(json.dumps(report_values(graded.report), allow_nan=False))
    for side in ("front", "back"):
        face, truth = values[side], scan(side=side).truth
        assert face["status"] == "measured", face["reason"]
        assert np.shape(face["outer_quad"]) == np.shape(face["inner_quad"]) == (4, 2)
        assert np.abs(np.array(face["outer_quad"]) - truth.quad).max() < 2
        assert len({each["name"] for each in face["points"]}) == 24
        assert all(each["sigma_mm"] > 0 for each in face["points"])
        centering = face["centering"]
        assert centering["left_right"][0] == pytest.approx(truth.centering[0], abs=1.5)
        assert centering["top_bottom"][0] == pytest.approx(truth.centering[1], abs=1.5)
        assert sum(centering["left_right"]) == pytest.approx(100)
        assert set(centering["borders_mm"]) == set(SIDES)
        assert [len(face["corners"]), len(face["edges"])] == [4, 4]
    assert list(values["grades"]) == sorted(values["grades"])
    for each in values["grades"].values():
        assert sum(step["probability"] for step in each["distribution"]) == pytest.approx(1, abs=1e-3)
        assert each["interval"][0] <= each["grade"] <= each["interval"][1]
        assert each["limits"]


def test_the_page_needs_nothing_else_and_is_well_formed(page):
    tags = parsed(page)
    assert not tags.wrong
    assert not tags.open
    assert tags.loads
    assert all(each.startswith("data:image/") for each in tags.loads)
    assert "url(" not in page
    assert "@import" not in page


def test_each_number_of_the_page_has_its_strip(page, graded):
    for face in ("front", "back"):
        rows = set(re.findall(rf'class="station" data-face="{face}" data-station="([a-z]+-\d)"', page))
        strips = set(re.findall(rf'class="detail" data-face="{face}" data-station="([a-z]+-\d)"', page))
        points = re.findall(rf'class="point \w+" data-face="{face}" data-station="([a-z]+-\d)"', page)
        assert rows == strips == {f"{side}-{number}" for side in SIDES for number in (1, 2, 3)}
        assert len(points) == 2 * 24  # on the photo and on the straightened card
    text = " ".join(parsed(page).text)
    for grade in graded.report.grades:
        assert grade.title in text
        assert grade.limits[0].why.split(":")[-1].strip(". ") in text
        assert all(each[1:] in text for each in grade.not_judged)


def test_numbers_that_are_not_known_never_reach_the_page_as_nan(page, graded):
    centering = replace(
        graded.report.front.centering, left_right=np.nan, worst_left_right=np.nan, sigma=(np.nan, np.nan),
        widths=np.full((4, 3), np.nan), trapezoid_deg=(np.nan, np.nan), shift_mm=(np.nan, 0.1), points=(),
    )  # fmt: skip
    doubtful = replace(graded.report, front=replace(graded.report.front, centering=centering))
    for html in (page, page_of(replace(graded, report=doubtful))):
        assert not re.search(r"\bnan\b", html[html.index("<body>") : html.index("<script>")], re.IGNORECASE)
    json.dumps(report_values(doubtful), allow_nan=False)


def test_a_second_run_gives_the_same_bytes(tmp_path, graded):
    again = grade_card(scan().pixels.copy(), back=scan(side="back").pixels.copy())
    for folder, each in (("a", graded), ("b", again)):
        write_report(each, tmp_path / folder)
    names = sorted(each.name for each in (tmp_path / "a").iterdir())
    assert names == ["back.png", "front.png", "report.html", "report.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_picture_without_a_card_gets_a_page_that_says_what_to_do():
    made = grade_card(blank())
    values = report_values(made.report)["front"]
    assert (values["status"], values["outer_quad"]) == ("undetermined", None)
    assert values["reason"]
    assert values["fix"]
    text = " ".join(parsed(page_of(made)).text)
    assert "Undetermined under every standard" in text
    assert values["reason"][1:] in text
    assert values["fix"][1:] in text
    assert values["reason"] in summary(made.report)


def test_a_card_of_few_pixels_is_undetermined_and_keeps_its_outline():
    small = np.ascontiguousarray(scan().pixels[::3, ::3])
    face = measure_face(small)[0]
    values = report_values(regrade(grade_card(blank()).report, front=face))["front"]
    assert values["status"] == "undetermined"
    assert "pixels high" in values["reason"]
    assert "1,000" in values["fix"]
    assert values["outer_quad"] is not None
    assert values["centering"]["left_right"] == [None, None]


def test_what_is_no_picture_is_refused():
    for wrong in (np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)):
        with pytest.raises(DataError, match="no picture"):
            measure_face(wrong)
    assert measure_face(np.zeros((20, 20), np.uint8))[0].status == "undetermined"


def test_names_from_outside_cannot_write_into_the_page(graded):
    odd = replace(
        graded, report=replace(graded.report, name="<script>alert(1)</script>", sources={"front": "a&<b>.jpg"})
    )
    html = page_of(odd)
    assert "<script>alert" not in html
    assert "a&amp;&lt;b&gt;.jpg" in html


def quad_picture():
    """Four colours in the quarters of a turned card of 63 x 88 mm, and its outline."""
    quad = np.array([(150.0, 60.0), (420.0, 110.0), (360.0, 500.0), (80.0, 450.0)])
    outline = Outline(quad=quad, spec=CardSpec(), spec_reason="given", lines=(), score=1.0)
    y, x = np.mgrid[0:560, 0:500] + 0.5
    mm = transform(np.linalg.inv(to_pixels(quad, 63, 88)), np.column_stack([x.ravel(), y.ravel()])).reshape(560, 500, 2)
    inside = (mm[..., 0] > 0) & (mm[..., 0] < 63) & (mm[..., 1] > 0) & (mm[..., 1] < 88)
    quarter = (mm[..., 0] > 31.5).astype(int) + 2 * (mm[..., 1] > 44)
    colours = np.array([(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)], np.uint8)
    return np.where(inside[..., None], colours[quarter], np.uint8(20)), outline


def test_a_view_shows_the_part_of_the_card_that_was_asked_for():
    pixels, outline = quad_picture()
    whole = view(pixels, outline, Window(at=(0, 0), width=63, height=88), scale=4)
    assert whole.shape == (352, 252, 3)
    assert [whole[y, x].tolist() for y, x in ((40, 40), (40, 210), (310, 40), (310, 210))] == [
        [200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0],
    ]  # fmt: skip
    for corner, inside in enumerate(((-1, -1), (-1, 0), (0, 0), (0, -1))):
        shown = view(pixels, outline, corner_window(outline, corner), scale=20)
        assert shown[inside].max() == 200, corner  # the corner of the close-up that lies towards the card's middle
        outside = tuple(-1 - each for each in inside)
        assert shown[outside].max() == 20, corner


@pytest.mark.parametrize(
    ("side", "first", "last"),
    [("top", 0, 1), ("right", 1, 3), ("bottom", 3, 2), ("left", 2, 0)],
)
def test_a_view_of_an_edge_has_the_outside_up(side, first, last):
    pixels, outline = quad_picture()
    length = outline.spec.height if side in {"left", "right"} else outline.spec.width
    shown = view(pixels, outline, edge_window(outline, side, length / 2, length_mm=30), scale=10)
    colours = [[200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0]]
    assert shown[2].max() == 20  # a millimetre of what lies beyond the card
    assert shown[-3, 20].tolist() == colours[first]
    assert shown[-3, -20].tolist() == colours[last]


def test_a_line_set_by_hand_counts_until_it_is_taken_back(tmp_path, graded):
    pixels, face = scan().pixels, graded.report.front
    width, height = face.outline.spec.width, face.outline.spec.height
    depth = float(np.nanmean(face.centering.widths[0])) + 0.5
    ends = transform(to_pixels(face.outline.quad, width, height), [(depth, 0), (depth, height)])
    line = HandLine(picture=picture_key(pixels), side="left", edge="inner", ends=tuple(map(tuple, ends.tolist())))
    assert line.depths(face.outline) == pytest.approx((depth, depth))
    write_hand(hand_path(tmp_path), line)
    set_by_hand = grade_card(pixels, workspace=tmp_path)
    assert set_by_hand.report.hand_set == ("front left inner",)
    moved = set_by_hand.report.front.centering
    assert moved.method == "hand"
    assert float(moved.widths[0].mean()) == pytest.approx(depth, abs=0.05)
    assert "Set by hand: left inner" in page_of(set_by_hand)
    assert moved.left_right > face.centering.left_right + 2
    same = with_hand_lines(pixels, face, [line]).centering
    assert same.left_right == pytest.approx(moved.left_right)
    assert read_hand(hand_path(tmp_path), "another picture") == ()
    remove_hand(hand_path(tmp_path), line)
    after = grade_card(pixels, workspace=tmp_path).report
    assert after.hand_set == ()
    assert after.front.centering.left_right == pytest.approx(face.centering.left_right)


def test_a_hand_set_line_that_makes_no_sense_is_refused(graded):
    outline = graded.report.front.outline
    with pytest.raises(DataError, match="no middle line"):
        HandLine(picture="x", side="left", edge="middle", ends=((0, 0), (1, 1)))
    with pytest.raises(DataError, match="no two points"):
        HandLine(picture="x", side="left", edge="outer", ends=((0, 0), (1, np.nan)))
    across = HandLine(picture="x", side="left", edge="outer", ends=tuple(map(tuple, outline.quad[:2].tolist())))
    with pytest.raises(DataError, match="across"):
        across.depths(outline)


def test_grading_again_follows_a_moved_line(graded):
    face = graded.report.front
    off = replace(face, centering=replace(face.centering, left_right=82.0, worst_left_right=83.0))
    worse = regrade(graded.report, front=off, hand_set=["front left inner"])
    assert worse.hand_set == ("front left inner",)
    for grade in worse.grades:
        assert grade.overall.mean < graded.report.grade(grade.standard).overall.mean
    assert worse.back is graded.report.back


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="psaa") as told:
        grade_card(blank(), standards=["psaa"])
    assert "psa" in told.value.fix
    with pytest.raises(ConfigError, match="no picture of it"):
        grade_card(blank(), back_capture="frames")


def shots(shares, front):
    """Reports on captures of one card whose left border has these shares."""
    found = []
    for at, share in enumerate(shares):
        widths = front.front.centering.widths.copy()
        widths[0], widths[2] = 0.05 * share, 0.05 * (100 - share)
        centering = replace(front.front.centering, left_right=share, widths=widths)
        found.append(replace(front, name=f"shot{at}", front=replace(front.front, centering=centering)))
    return found


def test_repeatability_is_the_spread_within_cards_beside_that_between_them(graded, tmp_path):
    first, last = [50.0, 50.4, 49.6, 50.2], [55.0, 55.5, 54.7]
    study = repeatability({"a": shots(first, graded.report), "b": shots(last, graded.report)})
    found = study.figure("front_left_right")
    free = len(first) + len(last) - 2
    within = np.sqrt(sum(np.var(each) * len(each) for each in (first, last)) / free)
    assert found.sd == pytest.approx(within)
    assert found.sd_range[0] < found.sd < found.sd_range[1]
    assert found.between == pytest.approx(np.std([np.mean(first), np.mean(last)], ddof=1), rel=0.02)
    assert found.gauge == pytest.approx(100 * within / np.hypot(within, found.between))
    assert (study.cards, study.captures, found.captures) == (2, 7, 7)
    assert study.figure("front_rotation").sd == 0
    html = write_repeatability(study, tmp_path).read_text()
    assert "2 cards" in html
    assert not parsed(html).wrong
    json.loads((tmp_path / "repeatability.json").read_text())
    with pytest.raises(DataError, match="two or more"):
        repeatability([graded.report])


def test_a_capture_that_lay_the_other_way_up_is_turned_to_the_first(graded):
    plain, turned = shots([54.0, 46.2], graded.report)
    swap = turned.front.centering.widths[[0, 3, 2, 1]]
    centering = replace(turned.front.centering, widths=swap, top_bottom=100 - turned.front.centering.top_bottom)
    outline = replace(turned.front.outline, upright=False)
    turned = replace(turned, front=replace(turned.front, centering=centering, outline=outline))
    study = repeatability([plain, turned])
    assert study.turned == ("shot1",)
    assert study.figure("front_left_right").sd == pytest.approx(0.2 / np.sqrt(2))
    assert study.figure("front_top_bottom").sd == pytest.approx(0, abs=1e-9)


def test_a_run_says_where_it_sees_the_card(graded):
    face = graded.report.front
    low, high = face.outline.quad.min(axis=0), face.outline.quad.max(axis=0)
    same = Annotation(label="card", box=Box.from_corners(*low.tolist(), *high.tolist()), score=0.9)
    other = Annotation(label="card", box=Box(0, 0, 60, 80), score=0.9)
    assert opinion(face, [other, same], "r").endswith("at the same place")
    assert "elsewhere" in opinion(face, [other], "r")
    assert "sees no card here" in opinion(face, [], "r")
    nothing = measure_face(blank())[0]
    assert "60 x 80 px" in opinion(nothing, [other], "r")


def test_what_is_no_run_that_finds_cards_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no run"):
        grade_card(blank(), run="best")
    with pytest.raises(ConfigError, match="no checkpoint") as told:
        grade_card(blank(), run=Run(tmp_path))
    assert "labels have 'card'" in told.value.fix


@pytest.fixture(scope="module")
def framed():
    """A card with a dent, graded from a scan and from frames under eight lights."""
    card = draw_card(11, family="modern", spec=CardSpec(), finish="matte", defects=("dent",))
    shot = render_capture(card.surface(10), np.random.default_rng(1), view=View(mm_per_px=0.1))
    pixels = render_scan(card, np.random.default_rng(2), dpi=DPI, lid="grey", margin_mm=5).pixels
    return card, grade_card(pixels, capture=replace(shot.capture, mm_per_px=None))


def test_frames_show_what_a_photo_cannot_and_the_page_relights_it(framed):
    card, made = framed
    surface = made.report.front.surface
    assert surface.status == "measured"
    dents = [each for each in surface.marks if each.label == "dent"]
    assert len(dents) == 1
    assert dents[0].seen_by == "photometric"
    true = np.mean(card.defects[0].outline, axis=0)
    assert np.mean(dents[0].outline_mm, axis=0) == pytest.approx(true, abs=0.6)
    at = photo_points(made.report.front.outline, np.array([true]))[0]
    assert np.mean(dents[0].outline, axis=0) == pytest.approx(at, abs=8)  # pixels of the scan, not of the frames
    html = page_of(made)
    assert "createRelight" in html
    assert "µm" in html
    assert not parsed(html).wrong


def test_frames_without_a_card_are_refused():
    y, x = np.mgrid[0:120, 0:160]
    coin = np.where(np.hypot(x - 80, y - 60) < 30, np.uint8(200), np.uint8(4))
    with pytest.raises(DataError, match="no card") as told:
        grade_card(scan().pixels, capture=Capture(images=np.stack([coin] * 4)))
    assert told.value.fix


def test_which_end_is_up_is_told_beside_every_ratio_and_name(graded):
    known, unknown = (
        replace(graded.report, front=replace(front, outline=replace(front.outline, upright=upright)))
        for front in [graded.report.front]
        for upright in (True, False)
    )
    told = summary(unknown).splitlines()
    at = next(number for number, line in enumerate(told) if "left/right" in line)
    assert END_UNKNOWN in told[at + 1]
    assert END_UNKNOWN not in summary(known).splitlines()[at + 1]
    html = page_of(replace(graded, report=unknown))
    assert "left/right and top/bottom may be exchanged" in html
    assert "top left may be bottom right" in html
    assert (
        row_of(known, front="a", back="")["front_end_known"],
        row_of(unknown, front="a", back="")["front_end_known"],
    ) == (1, 0)


def test_a_print_without_borders_is_told_by_its_shift(graded):
    centering = replace(
        graded.report.front.centering, left_right=np.nan, top_bottom=np.nan, shift_mm=(0.42, -0.1),
        shift_sigma_mm=(0.05, 0.03), method="reference",
    )  # fmt: skip
    told = summary(replace(graded.report, front=replace(graded.report.front, centering=centering)))
    assert "0.420 ± 0.050 mm to the right, 0.100 ± 0.030 mm up" in told
    assert "left/right -" not in told


def test_a_broken_standard_of_ones_own_does_not_block_the_others(tmp_path, caplog):
    (tmp_path / "standards").mkdir()
    (tmp_path / "standards" / "mine.toml").write_text("steps = [")
    assert list(chosen_standards(["psa"], tmp_path)) == ["psa"]
    assert not caplog.records
    assert "mine" not in chosen_standards(None, tmp_path)
    assert "mine" in caplog.text
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        chosen_standards(["mine"], tmp_path)


def test_a_study_flags_what_spreads_more_than_stated_and_names_what_was_not_seen(graded, tmp_path):
    def shot(share, sigma):
        centering = replace(graded.report.front.centering, left_right=share, sigma=(sigma, sigma))
        corners = tuple(replace(each, radius=Value(np.nan, np.nan), whitening_depth=Value(0.0, 0.01))
                        for each in graded.report.front.corners)  # fmt: skip
        front = replace(graded.report.front, centering=centering, corners=corners)
        return replace(graded.report, name=f"shot{share:.0f}", front=front, back=None)

    study = repeatability([shot(share, 0.2) for share in (44, 48, 52, 56)])
    assert study.figure("front_left_right").beyond
    assert not repeatability([shot(share, 9.0) for share in (44, 48, 52, 56)]).figure("front_left_right").beyond
    assert study.figure("front_top_left_radius").nothing == "not measured"
    assert study.figure("front_top_left_whitening").nothing == "none seen"
    html = write_repeatability(study, tmp_path).read_text()
    assert "more than stated" in html
    assert "<title>shot44</title>" in html
    assert "50.00 %" in html
    assert "more than is stated" in str(study)
