"""Where borders end: rendered cards with their truth, what must be refused, and lines set by hand."""

import math
from functools import cache

import numpy as np
import pytest

from rcg.errors import DataError
from rcg.measuring import MEASURED, SIDES, STATIONS, UNDETERMINED, measure_centering, set_line
from rcg.measuring.plausible import Choice, choose, nearest_family
from rcg.measuring.rectify import photo_points
from rcg.measuring.uncertainty import ratio_sigma
from rcg.synthetic import draw_card, render_photo, render_scan
from tests.measuring_cards import STANDARD, outline_of, ratios, turned, widths_of


@cache
def scanned(seed=5, family="modern", dpi=300):
    card = draw_card(seed, spec=STANDARD, family=family, defects=())
    view = render_scan(card, np.random.default_rng(seed), dpi=dpi)
    return card, view, measure_centering(view.pixels, outline_of(view))


@pytest.mark.parametrize("family", ["modern", "english-front", "vintage-japanese", "thin-front"])
def test_a_scan_gives_the_true_borders(family):
    card, view, found = scanned(family=family)
    assert found.status == MEASURED
    np.testing.assert_allclose(found.widths, widths_of(card), atol=0.06)
    assert found.rotation_deg.value == pytest.approx(card.rotation_deg, abs=0.05)
    assert found.trapezoid_deg == pytest.approx(card.trapezoid_deg, abs=0.06)
    assert found.left_right == pytest.approx(ratios(widths_of(card))[0], abs=0.5)
    assert np.abs(np.array(found.inner_quad) - np.array(view.truth.inner)).max() < 0.1 * view.truth.px_per_mm


def test_the_points_are_those_of_the_dataset_type():
    from rcg.dataset_types import dataset_type

    _, view, found = scanned()
    assert tuple(point.name for point in found.points) == dataset_type("centering_analysis").keypoints
    for point in found.points:
        px = photo_points(outline_of(view), np.array([point.mm]))[0]
        assert np.abs(px - point.at).max() < 1e-6
        assert point.profile.shape == (len(point.profile_mm), 3)
        assert point.profile.dtype == np.uint8
        assert 0 < point.sigma < 0.2


def test_the_profile_of_a_point_changes_at_the_point():
    _, _, found = scanned()
    for point in found.points:
        if point.edge == "inner":
            width = found.widths[SIDES.index(point.side), point.station]
            before = point.profile[(point.profile_mm > width - 0.5) & (point.profile_mm < width - 0.25)].astype(float)
            after = point.profile[(point.profile_mm > width + 0.1) & (point.profile_mm < width + 0.25)].astype(float)
            assert np.abs(after.mean(axis=0) - before.mean(axis=0)).max() > 15, point.name


@pytest.mark.parametrize("nuisance", ["none", "sleeve", "shadow"])
def test_photos_are_right_within_their_sigma(nuisance):
    over = []
    for seed in range(4):
        card = draw_card((seed, 2), spec=STANDARD, family=("modern", "english-front")[seed % 2], defects=())
        view = render_photo(card, np.random.default_rng(seed), size=(750, 1000), nuisance=nuisance)
        found = measure_centering(view.pixels, outline_of(view))
        if found.status == MEASURED:
            off = np.array([found.left_right, found.top_bottom]) - ratios(widths_of(card))
            over += list(off / found.sigma)
            assert np.abs(off).max() < 2.5
    assert len(over) >= 4
    assert np.mean(np.abs(over) < 2) > 0.8


def test_a_card_upside_down_gives_the_mirrored_result():
    _, view, found = scanned()
    other = measure_centering(view.pixels, turned(outline_of(view)))
    assert other.left_right == pytest.approx(100 - found.left_right, abs=0.02)
    assert other.top_bottom == pytest.approx(100 - found.top_bottom, abs=0.02)
    assert other.rotation_deg.value == pytest.approx(found.rotation_deg.value, abs=0.01)
    assert other.shift_mm == pytest.approx([-each for each in found.shift_mm], abs=0.005)


def test_the_worst_station_is_farther_from_the_middle_than_the_mean():
    _, _, found = scanned()
    shares = 100 * found.widths[0] / (found.widths[0] + found.widths[2])
    assert found.worst_left_right == pytest.approx(shares[np.argmax(np.abs(shares - 50))])
    assert abs(found.worst_left_right - 50) >= abs(found.left_right - 50) - 0.2


def test_a_print_over_the_edge_is_undetermined_with_the_reason():
    for seed in range(4):
        card = draw_card(seed, spec=STANDARD, family="full-bleed")
        view = render_scan(card, np.random.default_rng(seed), dpi=200)
        found = measure_centering(view.pixels, outline_of(view))
        assert found.status == UNDETERMINED
        assert not found.points
        assert "reference" in found.reason
        assert "by hand" in found.reason


def test_the_same_picture_gives_the_same_figures():
    _, view, found = scanned()
    again = measure_centering(view.pixels, outline_of(view))
    assert (again.left_right, again.top_bottom, again.sigma) == (found.left_right, found.top_bottom, found.sigma)


def test_a_narrow_or_a_crooked_line_does_not_pass_for_the_frame():
    right = [Choice(width=2.55, slope=0.001, mark=0.6)]
    left = [Choice(width=1.2, slope=0.012, mark=0.5), Choice(width=2.6, slope=-0.001, mark=0.6)]
    level = [Choice(width=2.5, slope=0.001, mark=0.9)]
    under = [Choice(width=2.62, slope=-0.001, mark=0.9)]
    verdict = choose((left, level, right, under), STANDARD)
    assert verdict.picked == (1, 0, 0, 0)
    assert verdict.family == "modern"
    assert verdict.rival[0] > 10 * verdict.rival[1]


def test_two_equal_lines_leave_the_choice_open():
    one = [Choice(width=2.5, slope=0.0, mark=0.9)]
    two = [Choice(width=3.6, slope=0.0, mark=0.5), Choice(width=4.6, slope=0.0, mark=0.9)]
    assert choose((one, two, one, one), STANDARD).chance < 0.95
    assert choose((one, one, one, one), STANDARD).chance > 0.99


def test_totals_of_no_design_are_told():
    assert nearest_family(np.array([2.5, 2.6, 2.6, 2.5]), STANDARD)[0] == "modern"
    assert nearest_family(np.array([5.0, 2.6, 2.6, 2.5]), STANDARD)[0] == ""


def test_the_sigma_of_a_ratio_follows_from_the_widths():
    rng = np.random.default_rng(0)
    a, b = 2.2 + 0.05 * rng.standard_normal(200_000), 2.9 + 0.03 * rng.standard_normal(200_000)
    assert ratio_sigma(2.2, 2.9, 0.05, 0.03) == pytest.approx(np.std(100 * a / (a + b)), rel=0.02)


def test_a_dragged_inner_line_moves_its_own_figures_only():
    _, view, found = scanned()
    outline, moved = set_line(view.pixels, outline_of(view), found, side="right", edge="inner", depths=(3.0, 3.4))
    assert moved.method == "hand"
    np.testing.assert_array_equal(outline.quad, outline_of(view).quad)
    np.testing.assert_allclose(moved.widths[2], 3 + 0.4 * np.array(STATIONS), atol=1e-3)
    np.testing.assert_allclose(moved.widths[[0, 1, 3]], found.widths[[0, 1, 3]], atol=1e-9)
    assert moved.left_right == pytest.approx(ratios(moved.widths)[0])
    assert any("right inner line was set by hand" in note for note in moved.notes)
    assert moved.lines[2].sigma >= 0.05


def test_a_dragged_cut_moves_the_card_and_leaves_the_inner_lines_where_they_are():
    _, view, found = scanned()
    before = outline_of(view)
    after, moved = set_line(view.pixels, before, found, side="left", edge="outer", depths=(0.5, 0.5))
    shift = photo_points(before, np.array([[0.5, 0.0]]))[0] - before.quad[0]
    np.testing.assert_allclose(after.quad[0] - before.quad[0], shift, atol=0.3)
    np.testing.assert_allclose(after.quad[1:3], before.quad[1:3], atol=0.01)
    np.testing.assert_allclose(moved.inner_quad, found.inner_quad, atol=0.3)
    assert moved.widths[0].mean() == pytest.approx((found.widths[0].mean() - 0.5) * 63 / 62.5, abs=0.01)


def test_lines_of_a_card_without_any_are_set_one_after_the_other():
    card = draw_card(1, spec=STANDARD, family="full-bleed")
    view = render_scan(card, np.random.default_rng(1), dpi=150)
    outline = outline_of(view)
    found = measure_centering(view.pixels, outline)
    for k, side in enumerate(SIDES):
        assert found.status == UNDETERMINED
        outline, found = set_line(view.pixels, outline, found, side=side, edge="inner", depths=(3.0, 3.0))
        assert np.isfinite(found.widths).all(axis=1).tolist() == [i <= k for i in range(4)]
    assert found.status == MEASURED
    assert found.left_right == pytest.approx(50)
    assert len(found.points) == 24


def test_a_line_that_leaves_no_card_is_refused():
    _, view, found = scanned()
    with pytest.raises(DataError, match="leaves no card"):
        set_line(view.pixels, outline_of(view), found, side="left", edge="inner", depths=(40.0, 3.0))
    with pytest.raises(DataError, match="no middle line"):
        set_line(view.pixels, outline_of(view), found, side="left", edge="middle", depths=(3.0, 3.0))
    with pytest.raises(DataError):
        set_line(view.pixels, outline_of(view), found, side="left", edge="inner", depths=(math.nan, 3.0))
