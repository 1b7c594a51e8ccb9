"""The face of a card: what one photo shows of it, and what frames under several lights showed."""

import dataclasses

import numpy as np
import pytest

from rcg.card_specs import CardSpec
from rcg.measuring.surface import NOT_SEEN, measure_surface, surface_from_finds
from rcg.measuring.types import MEASURED, UNDETERMINED, Centering
from rcg.photometric.types import SurfaceDefect
from rcg.synthetic.cards import draw_card, with_defects
from rcg.synthetic.damage import make_defect
from tests.test_measuring_wear import card_of, outline_of, render_scan, scanned

LIGHT_GREY = (170, 170, 175)


def border_known(truth):
    if truth.inner is None:
        return None
    unknown = np.full((4, 3), np.nan)
    return Centering(status=MEASURED, inner_quad=np.array(truth.inner), widths=unknown, width_sigma=unknown[:, 0])


def looked_at(card, *, dpi=300, seed=0, lid="black", clean=False):
    view = render_scan(card, np.random.default_rng(seed), dpi=dpi, margin_mm=3, lid=lid, clean=clean)
    outline = outline_of(view.truth, card.spec)
    return measure_surface(view.pixels, outline, centering=border_known(view.truth)), view


def marked(card, *defects, seed=1):
    rng = np.random.default_rng(seed)
    return with_defects(card, [make_defect(label, card.spec, rng, **how) for label, how in defects])


def test_a_print_dot_on_the_border_is_found_where_it_lies():
    card = marked(card_of(LIGHT_GREY), ("print_dot", {"at": (61.3, 50), "width_mm": 0.6, "length_mm": 0.7}))
    found, view = looked_at(card)
    (dot,) = found.marks
    assert (dot.label, dot.origin) == ("print_dot", "factory")
    assert np.mean(dot.outline_mm, axis=0) == pytest.approx((61.3, 50), abs=0.15)
    assert np.mean(dot.outline, axis=0) == pytest.approx(np.mean(view.truth.defects[0].polygon, axis=0), abs=2)
    assert dot.area_mm2 == pytest.approx(0.3, abs=0.2)


def test_a_stain_on_the_border_is_found():
    card = marked(card_of(LIGHT_GREY), ("stain", {"at": (61, 50), "width_mm": 6.0, "severity": 1.0}), seed=5)
    found, _ = looked_at(card)
    assert "stain" in {each.label for each in found.marks}


def test_a_white_crease_over_the_border_is_found():
    course = ((22.0, 88.0), (26.0, 80.0))
    card = marked(
        card_of((54, 90, 153)), ("crease", {"course": course, "width_mm": 0.8, "depth_um": 200.0, "severity": 1.0})
    )
    found, _ = looked_at(card, dpi=600)
    (line,) = [each for each in found.marks if each.label in {"crease", "scratch"}]
    assert line.origin == "handling"
    assert abs(np.mean(line.outline_mm, axis=0) - (22.8, 86.5)).max() < 1.0


def test_a_print_line_from_edge_to_edge_is_from_the_factory():
    card = marked(
        card_of(LIGHT_GREY),
        ("print_line", {"course": ((20.0, 0.0), (20.05, 88.0)), "width_mm": 0.1, "severity": 1.0}),
    )
    found, _ = looked_at(card, dpi=600)
    (line,) = [each for each in found.marks if each.label == "print_line"]
    assert line.origin == "factory"
    assert np.mean(line.outline_mm, axis=0)[0] == pytest.approx(20, abs=0.3)


def test_what_one_photo_cannot_show_is_said():
    found, _ = looked_at(card_of(LIGHT_GREY))
    assert found.status == "partly"
    assert set(NOT_SEEN) < set(found.not_seen)
    assert "dents" in found.not_seen
    assert 0.05 < found.share_judged < 0.3, "the border alone"


def test_without_a_border_the_surface_is_undetermined():
    card = draw_card(3, spec=CardSpec(), family="full-bleed", defects=())
    found, _ = looked_at(card)
    assert (found.status, found.marks, found.share_judged) == (UNDETERMINED, (), 0)
    assert "border" in found.reason


def test_clean_cards_of_any_design_have_at_most_one_false_find_in_five():
    false = 0
    for seed in range(10):
        found, _ = looked_at(draw_card((seed, 41), defects=()), seed=seed, lid=("white", "black")[seed % 2])
        false += len(found.marks)
    assert false <= 2


def test_a_glare_lowers_what_was_judged():
    card = card_of(LIGHT_GREY)
    view = render_scan(card, np.random.default_rng(0), dpi=300, margin_mm=3, lid="black")
    outline, known = outline_of(view.truth, card.spec), border_known(view.truth)
    plain = measure_surface(view.pixels, outline, centering=known)
    spoilt = view.pixels.copy()
    left, top = np.array(view.truth.quad[0]).astype(int)
    spoilt[top : top + 120, left : left + 300] = 255
    mirrored = measure_surface(spoilt, outline, centering=known)
    assert mirrored.share_judged < plain.share_judged
    assert "mirrors a light" in mirrored.reason


def find(**changes):
    given = SurfaceDefect(
        label="scratch", polygon=((100, 100), (200, 100), (200, 104), (100, 104)), length_mm=8.5, width_mm=0.2,
        height_um=-4.0, height_sigma_um=0.6, confidence=0.9,
    )  # fmt: skip
    return dataclasses.replace(given, **changes)


def test_finds_of_frames_become_marks_with_their_relief():
    _, outline = scanned(card_of(LIGHT_GREY), dpi=300)
    dent = find(label="dent", polygon=((400, 400), (420, 400), (410, 420)), height_um=-20.0)
    surface = surface_from_finds([find(), dent], outline, share_judged=0.9)
    assert surface.status == MEASURED
    assert [each.label for each in surface.marks] == ["scratch", "dent"]
    scratch = surface.marks[0]
    assert scratch.outline == pytest.approx(np.array(find().polygon, float), abs=0.02)
    assert (scratch.relief_um.value, scratch.relief_um.sigma, scratch.seen_by) == (-4.0, 0.6, "photometric")
    scale = 300 / 25.4
    assert scratch.area_mm2 == pytest.approx(400 / scale**2, rel=0.02)
    assert "10 %" in surface.reason


def test_a_photo_adds_what_the_frames_do_not_show_and_nothing_twice():
    card = marked(card_of(LIGHT_GREY), ("print_dot", {"at": (61.3, 50), "width_mm": 0.6, "length_mm": 0.7}))
    photo, view = looked_at(card)
    outline = outline_of(view.truth, card.spec)
    alone = surface_from_finds([find()], outline, photo=photo)
    assert [each.label for each in alone.marks] == ["scratch", "print_dot"]
    over = find(label="dent", polygon=photo.marks[0].outline)
    assert [each.label for each in surface_from_finds([over], outline, photo=photo).marks] == ["dent"]
    assert alone.not_seen == ()
