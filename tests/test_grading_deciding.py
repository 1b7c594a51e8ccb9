"""Grades from measured faces: caps, qualifiers, both faces, what is not known, and whether the intervals hold."""

import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rcg.grading import Distribution, grade_faces, read_standards, true_face
from rcg.grading.amounts import amounts
from rcg.grading.report_html import most_likely, shown_areas
from rcg.grading.sampling import draw_face
from rcg.grading.simulating import Errors, noisy_face, pit
from rcg.measuring import CornerWear, EdgeWear, FaceMeasurement, Surface, Value
from rcg.synthetic import draw_card, make_defect, with_defects
from tests.grading_faces import centering, face, mark

STANDARDS = read_standards()


def grade(standard, front, back=None, **options):
    return grade_faces(front, back or face(), standards={standard: STANDARDS[standard]}, **options)[0]


def step(standard, front, back=None):
    """The only step that a card without any error gets."""
    found = grade(standard, front, back, size_error=0).overall
    assert len(found.steps) == 1, found
    return found.steps[0]


@pytest.mark.parametrize(
    ("standard", "front", "back", "expected"),
    [
        ("bgs", (50, 50), (50, 50), 10), ("bgs", (55, 50), (50, 50), 10), ("bgs", (55, 54), (50, 50), 9.5),
        ("cgc", (55, 50), (50, 50), 10), ("cgc", (60, 50), (50, 50), 9), ("cgc", (50, 35), (50, 50), 8),
        ("plain", (55, 50), (65, 50), 10), ("plain", (45, 50), (50, 34), 9.5), ("plain", (50, 40), (50, 50), 9),
        ("psa", (55, 50), (75, 50), 10), ("psa", (55, 50), (76, 50), 9), ("psa", (50, 50), (91, 50), 1),
    ],
)  # fmt: skip
def test_centering_decides_by_the_worse_axis_of_either_face(standard, front, back, expected):
    # under BGS three 10s and a 9.5 are a 10, and a 9 among three 10s a 9.5
    assert step(standard, face(*front), face(*back)) == expected


def test_the_worst_station_counts_only_where_the_standard_says_so():
    turned = face(54, lean=3)
    assert step("plain", turned) == 10  # the mean of the side is 54
    assert step("cgc", turned) == 9.5  # its worst station 57


def test_psa_may_overlook_five_points_of_the_front_from_a_seven_on():
    def chances(left_right, back=50.0):
        found = grade("psa", face(left_right), face(back)).overall
        return dict(zip(found.steps, found.probabilities, strict=True))

    slight, strong = chances(56), chances(59)
    assert slight[10] == pytest.approx(0.4, abs=0.03)  # half of the graders, four fifths of the leeway
    assert strong[10] == pytest.approx(0.1, abs=0.03)
    assert chances(61)[9] == pytest.approx(0.4, abs=0.03)
    assert 10 not in chances(50, back=77)  # not on the back
    assert set(chances(81)) == {5.5} or set(chances(81)) == {5}  # nor below a 7
    assert 7 in chances(72)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(0.05, 10), (0.09, 9), (0.17, 8), (0.27, 7), (0.39, 6), (0.59, 5), (0.89, 4), (1.29, 3), (4.0, 1)],
)
def test_a_whitened_corner_lowers_psa_step_by_step(depth, expected):
    assert step("psa", face(corners=[{"whitening_depth": Value(depth, 0)}])) == expected


def test_psa_8_allows_fraying_at_two_corners_but_not_at_three():
    frayed = {"whitening_depth": Value(0.15, 0)}
    assert step("psa", face(corners=[frayed] * 2)) == 8
    assert step("psa", face(corners=[frayed] * 3)) < 8


def test_a_psa_9_has_one_minor_flaw_only():
    corner, edge = [{"whitening_depth": Value(0.09, 0)}], [{"deepest": Value(0.15, 0)}]
    assert step("psa", face(corners=corner)) == 9
    assert step("psa", face(corners=corner, edges=edge)) == 8.5
    assert step("plain", face(corners=corner, edges=edge)) == step("plain", face(corners=corner))


@pytest.mark.parametrize(
    ("standard", "marks", "most"),
    [
        ("psa", [mark("crease", 5)], 4), ("psa", [mark("crease", 5, x=n) for n in (10, 20, 30)], 2),
        ("bgs", [mark("crease", 5)], 4), ("cgc", [mark("missing_stock", 5, area=6)], 1.5),
        ("psa", [mark("tear", 1)], 2),
        ("ags", [mark("crease", 25)], 5), ("ags", [mark("crease", 26)], 4), ("plain", [mark("dent", 1)], 7),
        ("ags", [mark("crease", 5, x=n) for n in (10, 20)], 4), ("psa", [mark("missing_stock", 3, area=2)], 1),
    ],
)  # fmt: skip
def test_a_fault_caps_the_grade_whatever_else_is_perfect(standard, marks, most):
    assert step(standard, face(marks=marks)) <= most
    assert step(standard, face(), face(marks=marks)) <= most
    assert step(standard, face()) == 10
    if standard == "ags":
        assert step(standard, face(marks=marks)) == most  # the mean of eight would be far above


def test_ags_weighs_the_front_and_stays_within_a_point_of_the_lowest():
    worn = [{"whitening_depth": Value(0.3, 0)}]  # a 6.5 for corners
    # front (10 + 6.5 + 10 + 10) / 4 = 9.125, times 0.6, plus 4 = 9.475; and corners 0.6 * 6.5 + 4 = 7.9, so at most 8.9
    assert step("ags", face(corners=worn)) == 8.5
    # on the back: 6 + 0.4 * 9.125 = 9.65, corners 6 + 0.4 * 6.5 = 8.6, so at most 9.6; rounded down to what it may be
    assert step("ags", face(), face(corners=worn)) == 9.5
    grades = grade("ags", face(corners=worn), face())
    assert len(grades.areas) == 8
    assert grades.areas["front corners"].steps == (6.5,)


def test_companies_without_sub_grades_get_none_and_areas_tell_all_the_same():
    front = face(corners=[{"whitening_depth": Value(0.15, 0)}])
    assert grade("cgc", front).subgrades == grade("psa", front).subgrades == {}
    assert grade("cgc", front).areas["front corners"].steps == (8.0,)
    assert list(grade("bgs", front).subgrades) == ["centering", "corners", "edges", "surface"]


def test_names_of_the_best_steps():
    assert dict(grade("bgs", face()).labels) == {"Black Label 10": 1.0}
    assert grade("bgs", face(54)).labels == ()
    assert dict(grade("cgc", face()).labels) == {"Pristine 10": 1.0}
    assert dict(grade("cgc", face(54)).labels) == {"Gem Mint 10": 1.0}


@pytest.mark.parametrize(
    ("front", "codes", "beside"),
    [
        (face(88), ("OC",), 9), (face(marks=[mark("stain", 20, area=300)]), ("ST",), 9), (face(66), (), None),
        (face(98.5), ("OC", "MC"), 9),
        (face(marks=[mark("print_dot", 0.5, x=n, area=0.1) for n in range(10, 30)]), ("PD",), 9),
        (face(88, corners=[{"whitening_depth": Value(0.14, 0)}]), ("OC",), 8),
        (face(88, corners=[{"whitening_depth": Value(0.2, 0)}]), ("OC",), 7),  # beside a 7, though it were a 7.5
    ],
)  # fmt: skip
def test_psa_names_a_fault_that_costs_three_points_beside_the_higher_grade(front, codes, beside):
    found = grade("psa", front, size_error=0)
    assert found.qualifiers == codes
    assert (found.without_qualifiers and found.without_qualifiers.steps[0]) == beside
    if codes:
        assert found.overall.most_likely <= beside - 3
    assert any("out of focus (OF)" in each for each in found.not_judged)


def test_altered_cards_get_no_number():
    found = grade("psa", face(), altered={"trimmed"})
    assert (found.status, found.overall) == ("undetermined", None)
    assert "trimmed" in found.reason
    assert any("trimmed" in each for each in grade("psa", face()).not_judged)


def unmeasured(front, reason="the border fades into the art"):
    return replace(front, centering=replace(front.centering, status="undetermined", reason=reason))


def test_without_the_front_s_centering_there_is_no_number():
    for found in grade_faces(unmeasured(face()), face()):
        assert (found.status, found.overall, found.limits) == ("undetermined", None, ())
        assert "the border fades into the art" in found.reason
        assert "front corners" in found.areas  # what is known is told


def test_a_picture_without_a_card_gives_no_number():
    nothing = FaceMeasurement(status="undetermined", reason="no card was found", width=9, height=9)
    for found in grade_faces(nothing, face()):
        assert (found.overall, found.status) == (None, "undetermined")
        assert "no card was found" in found.reason


def test_without_a_back_it_is_the_best_that_the_card_can_be():
    for found in grade_faces(face(58), standards=STANDARDS):
        assert found.status == "partly"
        assert "the back was not given" in found.reason
        assert "back: no picture of it was given" in found.not_judged
        both = grade(found.standard, face(58), face())
        assert found.overall.mean == pytest.approx(both.overall.mean, abs=0.05)
        worse = grade(found.standard, face(58), face(corners=[{"whitening_depth": Value(0.9, 0)}] * 4))
        assert worse.overall.mean < found.overall.mean


def test_an_unknown_centering_of_the_back_leaves_a_number_for_the_rest():
    found = grade("psa", face(53), unmeasured(face()))
    assert found.status == "partly"
    assert "of the back, centering could not be judged" in found.reason
    assert found.overall.most_likely == 10


def test_what_one_photo_cannot_show_is_told():
    seen = Surface(status="partly", not_seen=("dents", "creases"), share_judged=0.9)
    found = grade("psa", replace(face(), surface=seen))
    assert found.status == "partly"
    assert "front surface: dents, creases: these pictures cannot show them" in found.not_judged
    assert "front surface: 10 % of it could not be looked at" in found.not_judged


def test_a_surface_that_was_hardly_seen_is_no_ten_but_what_was_found_on_it_counts():
    hardly = Surface(status="partly", not_seen=("dents",), share_judged=0.1)
    found = grade("plain", replace(face(), surface=hardly))
    assert "front surface" not in found.areas
    assert any("90 % of it could not be looked at" in each for each in found.not_judged)
    stained = replace(hardly, marks=(mark("stain", 6.0, area=20.0),))
    assert grade("plain", replace(face(), surface=stained)).areas["front surface"].most_likely < 10


def test_missing_stock_at_the_rim_caps_a_card_whose_surface_was_not_seen():
    torn = replace(face(edges=[{"marks": (mark("missing_stock", 5, area=8),)}]), surface=Surface(status="undetermined"))
    assert grade("plain", torn).overall.most_likely == 1


def test_a_hidden_corner_is_told_and_the_rest_graded():
    hidden = CornerWear(corner="top_left", status="undetermined", reason="a hand lies over it")
    front = face(corners=[{}, {"whitening_depth": Value(0.3, 0)}])
    found = grade("psa", replace(front, corners=(hidden, *front.corners[1:])))
    assert found.status == "partly"
    assert "front top left corner: a hand lies over it" in found.not_judged
    assert found.overall.most_likely == 6.5


def test_on_a_white_border_the_contour_still_counts():
    names = ("top_left", "top_right", "bottom_right", "bottom_left")
    pale = [
        CornerWear(corner=n, status="undetermined", reason="white border", radius_error=Value(0.9, 0)) for n in names
    ]
    found = grade("psa", replace(face(), corners=tuple(pale)))
    assert "front corners: whitening: white border" in found.not_judged
    assert found.overall.most_likely == 4


def test_with_neither_corners_nor_edges_there_is_no_number():
    gone = replace(
        face(),
        corners=tuple(
            CornerWear(corner=each.corner, status="undetermined", reason="too coarse") for each in face().corners
        ),
        edges=tuple(EdgeWear(side=each.side, status="undetermined", reason="too coarse") for each in face().edges),
    )
    assert grade("psa", gone).overall is None
    assert "too coarse" in grade("psa", gone).reason


def test_a_print_without_borders_counts_by_its_shift():
    shifted = replace(
        centering(math.nan, math.nan), method="reference", widths=np.full((4, 3), np.nan), shift_mm=(0.42, -0.1),
        shift_sigma_mm=(0.0, 0.0),
    )  # fmt: skip
    found = grade("cgc", replace(face(), centering=shifted))
    assert (found.status, found.overall.steps) == ("partly", (9.5,))  # 0.42 of 6 mm are 57/43
    assert "0.42 mm right of its place, as on borders of 6 mm" in found.limits[0].why
    none = replace(STANDARDS["cgc"], borderless_mm=None)
    assert grade_faces(replace(face(), centering=shifted), standards={"cgc": none})[0].overall is None


def test_a_ratio_on_a_limit_is_as_likely_above_as_below():
    found = grade("cgc", face(55, 50, 0.5))
    assert dict(zip(found.overall.steps, found.overall.probabilities, strict=True))[10] == pytest.approx(0.5, abs=0.03)
    assert found.overall.interval() == (9.5, 10)


def test_a_larger_sigma_gives_a_wider_grade():
    widths = [np.ptp(grade("plain", face(57, 52, sigma)).overall.interval()) for sigma in (0.1, 1.0, 3.0)]
    assert widths[0] < widths[1] < widths[2]


def test_the_narrowest_interval_is_given():
    assert Distribution(steps=(8.0, 9.0), probabilities=(0.08, 0.92)).interval() == (9, 9)
    assert Distribution(steps=(7.0, 8.0, 9.0), probabilities=(0.3, 0.4, 0.3)).interval() == (7, 9)
    assert Distribution(steps=(5.0,), probabilities=(1.0,)).interval() == (5, 5)


def test_a_doubtful_mark_counts_by_its_confidence():
    found = grade("psa", face(marks=[mark("dent", 0.5, confidence=0.3)]))
    assert found.overall.most_likely == 10
    assert dict(zip(found.overall.steps, found.overall.probabilities, strict=True))[10] == pytest.approx(0.7, abs=0.03)


def test_limits_name_the_worst_first_with_its_size():
    front = face(62, 50, 0.5, corners=[{}, {"whitening_depth": Value(0.31, 0.04)}])
    found = grade("plain", front, face(58))
    first = found.limits[0]
    assert (first.what, first.face) == ("corners", "front")
    assert first.why == "front top right corner: 0.310 ± 0.040 mm of whitening; 7 allows 0.28 mm"
    assert first.step in found.areas["front corners"].steps
    crease = grade("bgs", face(marks=[mark("crease", 12)]))
    assert any(each.what == "a crease" and "12.0 mm" in each.why and each.step == 4 for each in crease.limits)
    assert grade("plain", face()).limits == ()
    both = grade("bgs", face(60, marks=[mark("scratch", 24)]), size_error=0)  # an 8 and a 7 among 10s
    assert [(each.what, each.step) for each in both.limits] == [("surface", 7), ("centering", 8)]


def test_centering_is_told_as_a_ratio():
    found = grade("cgc", face(42, 50, 0.6, lean=1))
    assert found.limits[0].why == "front left to right 41.0/59.0 ± 0.6, at its worst station; Mint+ 9.5 allows 57.5 %"


def test_the_same_bytes_in_another_process_and_in_any_order():
    code = (
        "from tests.grading_faces import face, mark\n"
        "from rcg.measuring import Value\n"
        "from rcg.grading import grade_faces\n"
        "marks = [mark('scratch', n, x=n, confidence=0.8) for n in (5, 20)][::{}]\n"
        "front = face(57, 52, 0.7, marks=marks, corners=[{{'whitening_depth': Value(0.12, 0.05)}}])\n"
        "print(grade_faces(front, face(60, 52, 0.5)))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code.format(order)],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for order, seed in ((1, "1"), (-1, "2"))
    ]
    first, second = (each.stdout for each in runs)
    assert len(first) > 1000
    assert first == second


def test_another_seed_changes_the_draws_but_hardly_the_grade():
    front = face(57, 52, 0.7, corners=[{"whitening_depth": Value(0.12, 0.05)}])
    one, other = grade("plain", front), grade("plain", front, seed=1)
    assert one != other
    assert one.overall.mean == pytest.approx(other.overall.mean, abs=0.05)


def test_five_standards_take_less_than_a_third_of_a_second():
    front = face(57, 52, 0.7, marks=[mark("scratch", 9, x=n, confidence=0.8) for n in range(5, 45)])
    spent = []
    for _ in range(3):
        start = time.process_time()
        grade_faces(front, face(60, 52, 0.5))
        spent.append(time.process_time() - start)
    assert min(spent) < 0.3


def test_amounts_follow_bayes_rule():
    """Against the posterior integrated on a grid: a spike at zero and an exponential beside it."""
    normal = np.random.default_rng(5).standard_normal(400_000)
    for value, sigma in ((0.0, 0.05), (0.05, 0.05), (0.12, 0.05), (0.4, 0.05)):
        drawn = amounts(Value(value, sigma), normal, typical=0.2)
        x = np.linspace(0, 2, 400_001)
        slab = 0.15 / 0.2 * np.exp(-x / 0.2) * np.exp(-((value - x) ** 2) / (2 * sigma**2))
        spike = 0.85 * np.exp(-(value**2) / (2 * sigma**2))
        whole = spike + slab.sum() * (x[1] - x[0])
        assert (drawn == 0).mean() == pytest.approx(spike / whole, abs=0.004)
        assert drawn.mean() == pytest.approx((x * slab).sum() * (x[1] - x[0]) / whole, abs=0.002)
    assert set(amounts(Value(0.3, 0.0), normal, typical=0.2)) == {0.3}


def test_both_axes_err_together_a_little():
    found = draw_face(face(60, 60, 1.0), "front", draws=50_000).figures
    both = found["centering.mean_share"] + found["centering.mean_other"]
    rng = np.random.default_rng(3)
    own, common = rng.standard_normal((2, 50_000)), rng.standard_normal(50_000)
    student = np.sqrt(4 / rng.chisquare(4, (2, 50_000)))
    expected = ((math.sqrt(0.2) * common + math.sqrt(0.8) * own) * student).sum(axis=0)
    quarters = [np.diff(np.quantile(each, [0.25, 0.75]))[0] for each in (both, expected)]
    assert quarters[0] == pytest.approx(quarters[1], rel=0.03)


def test_true_faces_have_the_geometry_of_their_cards():
    card = draw_card(4, family="english-front", defects=())
    found = true_face(card)
    left, right, top, bottom = card.borders
    assert found.centering.left_right == pytest.approx(100 * left / (left + right), abs=0.2)
    assert found.centering.widths[:, 1] == pytest.approx([left, top, right, bottom], abs=1e-6)
    assert all(each.whitening_depth.value == each.missing_area.value == 0 for each in found.corners)
    assert true_face(draw_card(4, family="full-bleed", defects=())).centering.status == "undetermined"


def test_true_wear_is_where_and_as_large_as_it_was_made():
    card = draw_card(4, family="english-front", defects=())
    rng, spec = np.random.default_rng(1), card.spec
    made = [
        make_defect("corner_whitening", spec, rng, at=(spec.width, 0), width_mm=0.4, length_mm=4),
        make_defect("notch", spec, rng, at=(0, 40), width_mm=0.8, length_mm=2),
        make_defect("edge_whitening", spec, rng, at=(30, spec.height), width_mm=0.3, length_mm=10),
        make_defect("corner_rounding", spec, rng, at=(0, spec.height), width_mm=0.6),
        make_defect("dent", spec, rng, width_mm=1.0),
    ]
    found = true_face(with_defects(card, made))
    corners, edges = {each.corner: each for each in found.corners}, {each.side: each for each in found.edges}
    assert 0.25 < corners["top_right"].whitening_depth.value <= 0.42
    assert corners["top_left"].whitening_depth.value == corners["bottom_right"].whitening_depth.value == 0
    assert edges["left"].deepest.value == pytest.approx(0.8, abs=0.1)
    assert edges["left"].whitening_depth.value == 0
    assert edges["bottom"].whitening_length.value == pytest.approx(10, abs=0.5)
    area = edges["bottom"].whitening_area.value
    assert edges["bottom"].whitening_depth.value == pytest.approx(area / (spec.width - 2 * spec.radius), rel=0.05)
    assert corners["bottom_left"].radius_error.value == pytest.approx(0.6, abs=1e-3)
    radius, extra = spec.radius, 0.6
    lost = (1 - math.pi / 4) * ((radius + extra) ** 2 - radius**2)
    assert corners["bottom_left"].missing_area.value == pytest.approx(lost, rel=0.2)
    assert [each.label for each in found.surface.marks] == ["dent"]
    assert true_face(with_defects(card, made), unseen=("dent",)).surface.marks == ()


def test_intervals_hold_what_they_say():
    """Rendered cards measured with errors of the stated sigmas: 90 % intervals hold the true grade about so often."""
    errors, rng, inside, places = Errors(), np.random.default_rng(11), [], []
    for seed in range(26):
        front = draw_card(seed, family=("modern", "english-front")[seed % 2], wear=0.35)
        exact = [true_face(each) for each in (front, draw_card(seed, spec=front.spec, side="back", wear=0.35))]
        truth = grade_faces(*exact, standards=STANDARDS, size_error=0, draws=400)
        for turn in range(4):
            noisy = [noisy_face(each, rng, errors) for each in exact]
            for found, true in zip(grade_faces(*noisy, standards=STANDARDS, draws=800, seed=turn), truth, strict=True):
                was = float(rng.choice(true.overall.steps, p=true.overall.probabilities))
                low, high = found.overall.interval()
                inside.append(low <= was <= high)
                places.append(pit(found.overall.probabilities, found.overall.steps, was, float(rng.random())))
    assert 0.85 <= np.mean(inside) <= 0.98
    middle = np.mean([0.05 <= each <= 0.95 for each in places])
    assert 0.8 <= middle <= 0.97
    assert 0.35 < np.mean(places) < 0.65


def test_a_mean_with_a_face_that_was_not_seen_is_no_subgrade_and_its_limit_says_so():
    frayed = face(corners=[{"whitening_depth": Value(1.5, 0)}] * 4)
    alone = grade_faces(frayed, standards={"ags": STANDARDS["ags"]})[0]
    both = grade("ags", frayed, face())
    assert alone.overall.most_likely == both.overall.most_likely > alone.areas["front corners"].most_likely
    assert "corners" not in alone.subgrades
    assert "corners" in both.subgrades
    assert shown_areas(alone)["front corners"] == alone.areas["front corners"]
    assert alone.limits[0].note == "an unseen back could lift it"
    assert "unseen" not in both.limits[0].note
    assert most_likely(alone) == f"{alone.overall.most_likely:g} or lower"


def test_no_limit_lies_above_the_grade_without_a_word():
    worn = face(
        corners=[{"whitening_depth": Value(0.17, 0.05)}] + [{}] * 3,
        edges=[{"whitening_depth": Value(0.045, 0.02)}] + [{}] * 3,
    )
    seen = 0
    for name in ("psa", "plain", "cgc"):
        found = grade(name, worn, worn)
        above = [each for each in found.limits if each.step > found.overall.most_likely]
        seen += len(above)
        assert found.limits[0].step <= found.overall.most_likely
        assert all("taken alone" in each.note for each in above)
    assert seen
    assert grade("psa", face(50)).overall.most_likely == 10
    assert grade("psa", face(54.9)).limits == ()
