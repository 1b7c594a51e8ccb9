"""Wear along the rim, against what rendered cards are known to have."""

import dataclasses
import functools

import cv2
import numpy as np
import pytest

from rcg.card_specs import CardSpec, card_spec
from rcg.geometry import homography, transform
from rcg.measuring.contour import runs
from rcg.measuring.corners import measure_corners
from rcg.measuring.edges import measure_edges
from rcg.measuring.rim import sample_rim
from rcg.measuring.types import CORNERS, MEASURED, SIDES, UNDETERMINED, Outline, SideLine
from rcg.measuring.whitening import CUT_FACE_MM
from rcg.synthetic.cards import draw_card, with_defects
from rcg.synthetic.damage import make_defect
from rcg.synthetic.design import light
from rcg.synthetic.photo import render_photo
from rcg.synthetic.scan import render_scan

BLUE, BLACK, WHITE = (54, 90, 153), (24, 24, 27), (240, 238, 232)


def card_of(colour, seed=1, spec=None):
    """A card without wear whose border has a colour of our choice."""
    card = draw_card(seed, spec=spec or CardSpec(), family=None if spec else "english-front", defects=())
    design = dataclasses.replace(card.design, border=(colour, colour), finish="satin", foil_place="none")
    return dataclasses.replace(card, design=design)


def outline_of(truth, spec):
    """The outline as its truth has it; what the lens bows is taken from the three points of each side."""
    quad, (w, h) = np.array(truth.quad), (spec.width, spec.height)
    back = homography(quad, [(0, 0), (w, 0), (w, h), (0, h)])
    lines = []
    for k, side in enumerate(SIDES):
        at = transform(back, np.array([truth.points[6 * k + n] for n in range(3)]))
        along = at[:, 1] if side in {"left", "right"} else at[:, 0]
        depth = {"left": at[:, 0], "top": at[:, 1], "right": w - at[:, 0], "bottom": h - at[:, 1]}[side]
        middle = (h if side in {"left", "right"} else w) / 2
        curve = tuple(np.polyfit(along - middle, depth, 2).tolist())
        lines.append(
            SideLine(
                side=side, along=along, depth=depth, kept=np.ones(3, bool), curve=curve, middle=middle, sigma=0.01,
                agree=1.0, px_mm=truth.px_per_mm,
            )
        )  # fmt: skip
    return Outline(quad=quad, spec=spec, spec_reason="given", lines=tuple(lines), score=1.0)


def scanned(card, *, dpi=600, lid="black", seed=0):
    view = render_scan(card, np.random.default_rng(seed), dpi=dpi, margin_mm=3, lid=lid)
    return view.pixels, outline_of(view.truth, card.spec)


def worn(card, *defects, seed=3):
    """The card with (label, place, how long, how wide) defects."""
    rng = np.random.default_rng(seed)
    made = [
        make_defect(label, card.spec, rng, at=at, length_mm=long, width_mm=wide, severity=1.0)
        for label, at, long, wide in defects
    ]
    return with_defects(card, made)


def area_inside(outline, spec):
    """mm2 of a defect that lie on the card."""
    scale = 40
    masks = []
    for ring in (outline, spec.outline(steps=40)):
        mask = np.zeros((round(spec.height * scale), round(spec.width * scale)), np.uint8)
        cv2.fillPoly(mask, [np.rint(np.asarray(ring) * scale * 16).astype(np.int32)], 1, shift=4)
        masks.append(mask)
    return float((masks[0] & masks[1]).sum()) / scale**2


def labels(parts):
    return [mark.label for part in parts for mark in part.marks]


@functools.cache
def typical(dpi):
    """A blue card with whitening on two sides and at two corners, a notch, and a rounded corner."""
    card = worn(
        card_of(BLUE), ("edge_whitening", (0, 40), 12, 0.4), ("corner_whitening", (0, 0), 4, 0.45),
        ("notch", (63, 44), 1.6, 0.6), ("corner_rounding", (63, 88), None, 0.8), ("chipping", (30, 88), 10, 0.4),
    )  # fmt: skip
    pixels, outline = scanned(card, dpi=dpi, lid="black")
    return card, measure_edges(pixels, outline), measure_corners(pixels, outline)


@pytest.mark.parametrize("dpi", [600, 300])
def test_whitening_has_the_area_that_was_drawn(dpi):
    card, edges, corners = typical(dpi)
    face = 0.075 if light(BLUE) < 110 else 0.0  # the cut face lies over it and is subtracted
    for part, defect in ((edges[0], card.defects[0]), (corners[0], card.defects[1])):
        true = area_inside(defect.outline, card.spec) - face * defect.length_mm
        found = part.whitening_area
        assert found.value == pytest.approx(true, rel=0.3)
        assert abs(found.value - true) < 3 * found.sigma
    assert edges[0].whitening_length.value == pytest.approx(12, abs=2.5)
    assert edges[0].whitening_depth.value == pytest.approx(edges[0].whitening_area.value / (88 - 6), rel=0.02)


@pytest.mark.parametrize("dpi", [600, 300])
def test_each_mark_gets_its_name_and_its_place(dpi):
    card, edges, corners = typical(dpi)
    found = {part: {mark.label for mark in edges[n].marks} for n, part in enumerate(SIDES)}
    assert "chipping" in found.pop("bottom")
    assert found == {"left": {"edge_whitening"}, "top": set(), "right": {"notch"}}
    shapes = {part: {mark.label for mark in corners[n].marks} for n, part in enumerate(CORNERS)}
    assert shapes["bottom_right"] == {"corner_rounding"}
    assert shapes["top_right"] == shapes["bottom_left"] == set()
    (notch,) = edges[2].marks
    assert np.mean(notch.outline_mm, axis=0) == pytest.approx((62.7, 44), abs=0.4)
    assert notch.depth_mm == pytest.approx(card.defects[2].width_mm, abs=0.16)


@pytest.mark.parametrize("dpi", [600, 300])
def test_radius_and_missing_area_of_a_rounded_corner(dpi):
    card, _, corners = typical(dpi)
    rounded = corners[2]
    assert rounded.radius.value == pytest.approx(3.8, abs=0.15)
    assert rounded.radius_error.value == pytest.approx(0.8, abs=0.15)
    assert rounded.missing_area.value == pytest.approx(area_inside(card.defects[3].outline, card.spec), rel=0.25)
    for each in (corners[1], corners[3]):
        assert abs(each.radius_error.value) < 3 * each.radius_error.sigma
        assert abs(each.angle_error.value) < 0.4


def test_a_square_card_has_no_radius_and_a_worn_one_has():
    spec = card_spec("sports")
    card = worn(card_of(BLUE, spec=spec), ("corner_rounding", (0, 0), None, 1.2))
    pixels, outline = scanned(card)
    corners = measure_corners(pixels, outline)
    assert corners[0].radius.value == pytest.approx(1.2, abs=0.12)
    assert "corner_rounding" in labels(corners[:1])
    assert max(each.radius.value for each in corners[1:]) < 0.25
    assert labels(corners[1:]) == []


def test_corners_that_are_all_cut_rounder_are_not_worn():
    tips = ((0, 0), (63, 0), (63, 88), (0, 88))
    card = worn(card_of(BLUE), *(("corner_rounding", tip, None, 1.3) for tip in tips[:3]))
    even = worn(card_of(BLUE), *(("corner_rounding", tip, None, 1.3) for tip in tips))
    one_sharp, all_round = (measure_corners(*scanned(each, dpi=300)) for each in (card, even))
    assert labels(one_sharp).count("corner_rounding") == 3
    assert labels(all_round) == []
    assert all(abs(each.radius_error.value) < 0.2 and "rounder than usual" in each.reason for each in all_round)
    assert all_round[0].radius.value == pytest.approx(4.3, abs=0.2)
    assert all_round[0].missing_area.value < 0.3


@pytest.mark.parametrize("lid", ["white", "black", "grey"])
def test_the_cut_face_of_a_black_border_is_no_whitening(lid):
    pixels, outline = scanned(card_of(BLACK), lid=lid, seed=1)
    rim = sample_rim(pixels, outline)
    band = rim.sides[0].colours[:, rim.sides[0].columns(0.01, 0.05)].mean()
    assert band > rim.sides[0].border.mean() + 0.1, "the cut face is there"
    edges, corners = measure_edges(pixels, outline), measure_corners(pixels, outline)
    assert labels((*edges, *corners)) == []
    assert max(each.whitening_depth.value for each in (*edges, *corners)) < 0.02
    assert CUT_FACE_MM < 0.15


def test_on_a_white_border_whitening_is_undetermined_and_the_contour_is_not():
    card = worn(card_of(WHITE), ("notch", (63, 44), 1.6, 0.7), ("edge_whitening", (0, 40), 12, 0.4))
    pixels, outline = scanned(card, lid="black")
    edges, corners = measure_edges(pixels, outline), measure_corners(pixels, outline)
    for each in (*edges, *corners):
        assert each.status == UNDETERMINED
        assert "light" in each.reason
        assert not each.whitening_area.known
    assert labels(edges) == ["notch"]
    assert edges[0].roughness.value < 0.03
    assert corners[1].radius.value == pytest.approx(3, abs=0.1)


def test_a_rough_cut_along_a_side_is_from_the_factory_and_makes_it_rough():
    card = worn(card_of(BLUE), ("rough_cut", (0, 44), 30, 0.45))
    pixels, outline = scanned(card)
    left, _, right, _ = measure_edges(pixels, outline)
    assert [(each.label, each.origin) for each in left.marks] == [("rough_cut", "factory")]
    assert left.marks[0].length_mm == pytest.approx(30, abs=4)
    assert left.roughness.value > 5 * right.roughness.value
    assert right.roughness.value < 0.02


def test_without_contrast_to_the_ground_the_contour_is_unknown_and_whitening_is_not():
    card = worn(card_of(BLACK), ("edge_whitening", (0, 40), 12, 0.4))
    card = dataclasses.replace(card, design=dataclasses.replace(card.design, border=((14, 14, 15),) * 2))
    pixels, outline = scanned(card, lid="black")
    left = measure_edges(pixels, outline)[0]
    corner = measure_corners(pixels, outline)[1]
    assert (left.status, left.roughness.known, corner.radius.known) == (MEASURED, False, False)
    assert "contour" in left.reason
    assert left.whitening_area.value > 1.5


def test_too_coarse_a_picture_says_so():
    card = worn(card_of(BLUE), ("edge_whitening", (0, 40), 12, 0.45))
    fine, coarse, tiny = (measure_edges(*scanned(card, dpi=dpi))[0] for dpi in (600, 150, 80))
    assert (coarse.status, tiny.status) == (MEASURED, UNDETERMINED)
    assert "pixels a millimetre" in coarse.reason
    assert "pixels a millimetre" in tiny.reason
    assert not coarse.roughness.known
    shares = [each.whitening_area.sigma / each.whitening_area.value for each in (coarse, fine)]
    assert shares[0] > 1.4 * shares[1]


def test_photos_show_whitening_and_a_bite_too():
    card = worn(card_of(BLUE), ("edge_whitening", (0, 40), 14, 0.45), ("notch", (63, 44), 2.0, 0.9))
    view = render_photo(card, np.random.default_rng(5), size=(1500, 2000), nuisance="none")
    edges = measure_edges(view.pixels, outline_of(view.truth, card.spec))
    assert [sorted({each.label for each in edge.marks}) for edge in edges] == [["edge_whitening"], [], ["notch"], []]
    place = np.array(edges[0].marks[0].outline)
    truth = np.array(view.truth.defects[0].polygon)
    assert np.abs(place.mean(axis=0) - truth.mean(axis=0)).max() < 2 * view.truth.px_per_mm


def test_clean_cards_have_at_most_one_false_mark_in_five():
    false = 0
    for seed in range(8):
        card = draw_card((seed, 31), spec=CardSpec(), defects=())
        pixels, outline = scanned(card, dpi=300, lid=("white", "black", "grey")[seed % 3], seed=seed)
        false += len(labels((*measure_edges(pixels, outline), *measure_corners(pixels, outline))))
    assert false <= 0.2 * 8


def covered(pixels, outline, *, low, high, colour, depth=(-9.0, 2.4)):
    """The picture with a patch over the right edge, from `low` to `high` mm down, between two depths."""
    spoilt, w = pixels.copy(), outline.spec.width
    card = [(w - depth[1], low), (w - depth[1], high), (w - depth[0], high), (w - depth[0], low)]
    at = transform(homography([(0, 0), (w, 0), (w, 88), (0, 88)], outline.quad), np.array(card))
    cv2.fillPoly(spoilt, [np.rint(at).astype(np.int32)], colour)
    return spoilt


def test_ground_of_the_borders_own_colour_is_no_missing_stock():
    pixels, outline = scanned(card_of(BLUE), dpi=300)
    sheet = covered(pixels, outline, low=30, high=40, colour=BLUE, depth=(-9.0, 0.0))
    right = measure_edges(sheet, outline)[2]
    assert right.marks == ()
    assert "not judged along" in right.reason
    assert "the border is not told" in right.reason
    assert right.deepest.sigma > measure_edges(pixels, outline)[2].deepest.sigma


def test_a_thing_over_the_edge_is_no_missing_stock_and_a_notch_beside_it_is_found():
    card = worn(card_of(BLUE), ("notch", (63, 66), 1.6, 0.7))
    pixels, outline = scanned(card, dpi=300)
    finger = covered(pixels, outline, low=25, high=38, colour=(150, 105, 85), depth=(-3.0, 2.4))
    right = measure_edges(finger, outline)[2]
    assert labels([right]) == ["notch"]
    assert np.mean(right.marks[0].outline_mm, axis=0)[1] == pytest.approx(66, abs=0.5)


def test_a_bite_whose_ground_shows_is_missing_stock():
    pixels, outline = scanned(card_of(BLUE), dpi=300)
    ground = tuple(int(each) for each in pixels[5, 5])
    right = measure_edges(covered(pixels, outline, low=40, high=45, colour=ground, depth=(-0.2, 1.6)), outline)[2]
    assert labels([right]) == ["missing_stock"]
    assert right.marks[0].confidence > 0.9


def test_a_white_border_half_in_shadow_has_no_whitening_and_no_nan():
    pixels, outline = scanned(card_of(WHITE), dpi=300)
    shaded = pixels.copy()
    shaded[pixels.shape[0] // 2 :] = (shaded[pixels.shape[0] // 2 :] * 0.6).astype(np.uint8)
    with np.errstate(invalid="raise", divide="raise"):
        edges, corners = measure_edges(shaded, outline), measure_corners(shaded, outline)
    assert "edge_whitening" not in labels(edges)
    assert "corner_whitening" not in labels(corners)


def test_the_same_picture_gives_the_same_figures():
    pixels, outline = scanned(typical(300)[0], dpi=300, lid="black")
    assert measure_edges(pixels, outline) == typical(300)[1] == measure_edges(pixels.copy(), outline)


def test_holes_are_closed_and_short_runs_left_out():
    flags = np.array([1, 1, 0, 1, 0, 0, 0, 1], bool)
    assert runs(flags, gap=1, least=2) == [(0, 4)]
    assert runs(flags, gap=3, least=1) == [(0, 8)]
    assert runs(np.zeros(4, bool), gap=1, least=1) == []
