"""A card without a border is placed by the official picture of it."""

from dataclasses import replace

import numpy as np
import pytest

from rcg.measuring import MEASURED, UNDETERMINED, measure_centering
from rcg.synthetic import draw_card, render_scan
from tests.measuring_cards import STANDARD, outline_of, ratios, turned, widths_of


def official(card, px_mm=8):
    """The card as its maker would show it: in its place, without wear, on other paper."""
    true = replace(
        card, print_shift_mm=(0.0, 0.0), rotation_deg=0.0, trapezoid_deg=(0.0, 0.0), plate_shift_mm=(0.0, 0.0),
        defects=(), seed=card.seed + 1,
    )  # fmt: skip
    return true.colour(px_mm)


@pytest.fixture(scope="module")
def borderless():
    card = replace(draw_card((31, 1), spec=STANDARD, family="full-bleed"), print_shift_mm=(0.35, -0.2))
    return card, render_scan(card, np.random.default_rng(1), dpi=300)


def test_the_shift_of_a_borderless_print_is_found(borderless):
    card, view = borderless
    found = measure_centering(view.pixels, outline_of(view), reference=official(card))
    assert found.status == MEASURED
    assert found.method == "reference"
    assert found.shift_mm == pytest.approx(card.print_shift_mm, abs=0.06)
    assert all(0.01 < sigma < 0.1 for sigma in found.shift_sigma_mm)
    assert found.rotation_deg.value == pytest.approx(card.rotation_deg, abs=0.08)
    assert np.isnan(found.left_right)
    assert not found.points


def test_upside_down_the_shift_turns_with_the_card(borderless):
    card, view = borderless
    found = measure_centering(view.pixels, turned(outline_of(view)), reference=official(card))
    assert found.shift_mm == pytest.approx([-each for each in card.print_shift_mm], abs=0.06)
    assert any("upside down" in note for note in found.notes)


def test_another_card_does_not_match(borderless):
    _, view = borderless
    other = official(draw_card((31, 4), spec=STANDARD, family="full-bleed"))
    found = measure_centering(view.pixels, outline_of(view), reference=other)
    assert found.status == UNDETERMINED
    assert "does not match" in found.reason


def test_the_border_of_the_picture_is_laid_over_a_card_whose_own_cannot_be_told():
    from rcg.measuring.reference import match_reference

    card = draw_card((31, 8), spec=STANDARD, family="modern", defects=())
    view = render_scan(card, np.random.default_rng(3), dpi=300)
    for outline, sign in ((outline_of(view), 1), (turned(outline_of(view)), -1)):
        found = match_reference(view.pixels, outline, official(card))
        off = np.array([found.left_right, found.top_bottom]) - 50
        np.testing.assert_allclose(sign * off, ratios(widths_of(card)) - 50, atol=1.5)
        assert len(found.points) == 24
        assert found.method == "reference"


def test_a_card_with_a_border_of_its_own_needs_no_picture():
    card = draw_card(5, spec=STANDARD, family="modern", defects=())
    view = render_scan(card, np.random.default_rng(5), dpi=200)
    found = measure_centering(view.pixels, outline_of(view), reference=np.zeros((880, 630, 3), np.uint8))
    assert found.method == "lines"
    assert found.status == MEASURED
