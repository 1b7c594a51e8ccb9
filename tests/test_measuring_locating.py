"""Cards are found where they lie, to a part of a pixel, and what is no card is refused with a reason."""

from functools import cache

import cv2
import numpy as np
import pytest

from rcg.card_specs import CARD_SPECS
from rcg.errors import DataError
from rcg.geometry import homography, transform
from rcg.measuring.locating import find_outlines
from rcg.measuring.rectify import card_points, photo_points, rectified
from rcg.measuring.upright import text_below, turned
from rcg.synthetic import draw_card, render_photo, render_scan

STANDARD, SPORTS = CARD_SPECS["standard"], CARD_SPECS["sports"]


@cache
def photo(key, nuisance="none", size=(1200, 1600), spec="standard"):
    card = draw_card(key, spec=CARD_SPECS[spec], defects=())
    return render_photo(card, np.random.default_rng(key), size=size, nuisance=nuisance)


@cache
def scan(key, dpi=300, **more):
    return render_scan(draw_card(key, spec=STANDARD, defects=()), np.random.default_rng(key), dpi=dpi, **more)


def off(outline, truth):
    """Corner errors in pixels of a card of 1000 px height, whichever end is the top."""
    quad = np.array(truth.quad)
    height = (np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    ways = (np.roll(outline.quad, turn, axis=0) - quad for turn in (0, 2))
    return min((np.linalg.norm(each, axis=1) for each in ways), key=lambda each: each.max()) * 1000 / height


def one(pixels, **more):
    found = find_outlines(pixels, **more)
    assert found.outlines, found.reason
    return found.outlines[0]


def refused(pixels, **more):
    found = find_outlines(pixels, **more)
    assert not found.outlines
    assert found.reason
    assert found.fix.startswith(("retake", "name"))
    return found.reason


@cache
def located(key):
    return one(photo(key).pixels)


@pytest.mark.parametrize("key", [(11, 3), (11, 4), (11, 5), (11, 6)])
def test_a_photos_corners_are_within_a_pixel_of_a_card_1000_pixels_high(key):
    view = photo(key)
    assert np.sqrt(np.mean(off(located(key), view.truth) ** 2)) < 1.0


def test_a_600_dpi_scans_edges_are_within_two_hundredths_of_a_millimetre():
    view = scan((15, 4), dpi=600)
    outline = one(view.pixels)
    points = card_points(outline, np.array([each for each in view.truth.points if each is not None]))
    width, height = outline.spec.width, outline.spec.height
    depths = np.array([points[:, 0], points[:, 1], width - points[:, 0], height - points[:, 1]]).T
    outer = depths[np.abs(depths).min(axis=1) < 0.5]
    assert len(outer) == 12
    assert np.sqrt(np.mean(np.abs(outer).min(axis=1) ** 2)) < 0.02


def drawn(corners, card=(235, 225, 190), table=(40, 60, 90)):
    """A card with a frame, drawn 6 times finer than its pixels, so that each pixel has its exact share of it."""
    fine, width, height = 6, 420, 560
    upright = np.array([(0, 0), (63, 0), (63, 88), (0, 88)], np.float64)
    picture = np.full((height * fine, width * fine, 3), table, np.uint8)
    frame = np.array([(3, 3), (60, 3), (60, 85), (3, 85)], np.float64)
    for ring, colour in ((STANDARD.outline(steps=24), card), (frame, (120, 40, 50))):
        spots = transform(homography(upright, np.array(corners) * fine), ring)
        cv2.fillPoly(picture, [np.rint((spots - 0.5) * 16).astype(np.int32)], colour, cv2.LINE_8, 4)
    light = cv2.resize((picture / np.float32(255)) ** np.float32(2.2), (width, height), interpolation=cv2.INTER_AREA)
    return np.rint(255 * cv2.GaussianBlur(light, (0, 0), 0.6) ** (1 / 2.2)).astype(np.uint8)


def test_pixels_count_from_the_corner_of_the_first_one_and_blur_moves_no_edge():
    corners = np.array([(60.3, 70.8), (352.6, 64.1), (360.9, 481.7), (52.2, 476.4)])
    outline = one(drawn(corners))
    away = outline.quad - corners
    assert np.abs(away).max() < 0.15
    assert np.abs(away.mean(axis=0)).max() < 0.06


def test_tables_with_papers_and_coins_are_no_cards():
    for seed in range(5):
        refused(render_photo(None, np.random.default_rng((16, seed)), size=(360, 480)).pixels)


def test_every_stock_is_told_by_its_proportions_and_corners():
    for key, spec in (((12, 0), "tallboy"), ((12, 5), "sports"), ((11, 6), "standard")):
        outline = located(key) if spec == "standard" else one(photo(key, spec=spec).pixels)
        assert outline.spec.name == spec
        assert "proportions" in outline.spec_reason
        assert "corners" in outline.spec_reason


def test_a_stock_that_is_given_is_taken():
    outline = one(photo((12, 5), spec="sports").pixels, spec=SPORTS)
    assert outline.spec == SPORTS
    assert outline.spec_reason == "given"


def test_a_card_that_is_cut_off_is_refused():
    view = photo((11, 6))
    quad = np.array(view.truth.quad)
    middle = int(quad[:, 1].mean())
    for part in (view.pixels[:middle], view.pixels[middle:], view.pixels[:, : int(quad[:, 0].mean() + 80)]):
        refused(part)


def test_a_scan_without_a_margin_is_refused():
    for margin in (-2.0, -0.5):
        refused(scan((3, 1), margin_mm=margin).pixels)


@pytest.mark.parametrize("corner", range(4))
def test_a_finger_on_a_corner_is_noticed(corner):
    view = photo((11, 6))
    spot = tuple(int(each) for each in view.truth.quad[corner])
    hand = cv2.ellipse(view.pixels.copy(), spot, (90, 55), 40, 0, 360, (205, 160, 130), -1)
    assert "corner" in refused(cv2.GaussianBlur(hand, (0, 0), 0.8))


def test_a_finger_on_an_edge_is_named_and_the_card_is_found_all_the_same():
    view = photo((11, 6))
    middle = np.array(view.truth.quad)[[0, 3]].mean(axis=0).astype(int)
    hand = cv2.ellipse(
        view.pixels.copy(), tuple(int(each) for each in middle), (90, 70), 0, 0, 360, (205, 160, 130), -1
    )
    outline = one(cv2.GaussianBlur(hand, (0, 0), 0.8))
    assert np.sqrt(np.mean(off(outline, view.truth) ** 2)) < 1.5
    assert any("left edge" in each or "right edge" in each for each in outline.notes)


@pytest.mark.parametrize("size", [(520, 800), (700, 990), (500, 500)])
def test_books_and_sheets_of_paper_are_refused(size):
    (width, height), rng = size, np.random.default_rng(0)
    table = np.full((1200, 1000, 3), (120, 100, 80), np.uint8) + rng.integers(0, 12, (1200, 1000, 3)).astype(np.uint8)
    x, y = (1000 - width) // 2, (1200 - height) // 2
    cv2.rectangle(table, (x, y), (x + width, y + height), (235, 235, 230), -1)
    for line in range(y + 80, y + height - 60, 28):
        cv2.line(table, (x + 60, line), (x + width - 80, line), (60, 60, 60), 6)
    refused(cv2.GaussianBlur(table, (0, 0), 1.2))


def test_cards_of_one_picture_come_in_reading_order_and_the_largest_alone():
    views = [scan((14, key), dpi=100, margin_mm=3.0, lid="black").pixels for key in (3, 4, 7, 0)]
    table = np.full((1000, 1000, 3), (60, 90, 70), np.uint8)
    places = [(60, 80), (560, 100), (70, 560), (600, 550)]
    for view, (x, y) in zip(views, places, strict=True):
        table[y : y + view.shape[0], x : x + view.shape[1]] = view
    big = cv2.resize(views[3], None, fx=1.06, fy=1.06, interpolation=cv2.INTER_CUBIC)
    table[550 : 550 + big.shape[0], 600 : 600 + big.shape[1]] = big
    middles = [each.quad.mean(axis=0) for each in find_outlines(table, every=True).outlines]
    assert len(middles) == 4
    for middle, (x, y) in zip(middles, places, strict=True):
        assert 0 < middle[0] - x < 300
        assert 0 < middle[1] - y < 400
    assert np.linalg.norm(one(table).quad.mean(axis=0) - middles[3]) < 5


def test_a_turned_picture_gives_the_turned_outline_and_the_text_tells_its_top():
    view = photo((11, 3))
    upright, over = located((11, 3)), one(np.ascontiguousarray(view.pixels[::-1, ::-1]))
    assert upright.upright
    assert over.upright
    assert np.abs(upright.quad - np.array(view.truth.quad)).max() < 3
    height, width = view.pixels.shape[:2]
    assert np.abs((width, height) - over.quad - upright.quad).max() < 0.5
    aside = one(np.ascontiguousarray(np.rot90(view.pixels)))
    back = np.column_stack([width - aside.quad[:, 1], aside.quad[:, 0]])
    assert np.abs(back - upright.quad).max() < 0.5


def test_grey_and_small_pictures_are_located_too():
    view = scan((14, 4), margin_mm=4.0)
    grey = one(cv2.cvtColor(view.pixels, cv2.COLOR_RGB2GRAY))
    assert off(grey, view.truth).max() < 2
    small = cv2.resize(view.pixels, None, fx=0.29, fy=0.29, interpolation=cv2.INTER_AREA)
    assert max(small.shape) < 340
    assert np.abs(one(small).quad / 0.29 - grey.quad).max() < 3


def test_what_is_no_picture_is_an_error_and_a_tiny_one_is_refused():
    with pytest.raises(DataError, match="no picture"):
        find_outlines(np.zeros((300, 300, 3), np.float32))
    assert "too small" in refused(np.zeros((30, 30, 3), np.uint8))


def test_a_second_run_gives_the_same_bytes():
    first, second = located((11, 4)), one(photo((11, 4)).pixels.copy())
    assert first.quad.tobytes() == second.quad.tobytes()
    assert [each.curve for each in first.lines] == [each.curve for each in second.lines]
    assert first.notes == second.notes


def test_millimetres_and_pixels_go_forth_and_back_along_bowed_edges():
    outline = located((11, 0))
    assert any(len(each.curve) == 3 for each in outline.lines)
    mm = np.array([(0.0, 44.0), (31.5, 0.0), (63.0, 60.0), (20.0, 88.0), (30.0, 40.0)])
    assert np.allclose(card_points(outline, photo_points(outline, mm)), mm, atol=1e-3)


def test_a_rectified_card_shows_its_corners_where_the_matrix_says():
    view, outline = photo((11, 6)), located((11, 6))
    picture, matrix = rectified(view.pixels, outline, px_mm=6, margin_mm=2)
    assert picture.shape == (552, 402, 3)
    assert (matrix @ (0, 0, 1)).tolist() == [12, 12, 1]
    again = one(picture)
    assert (
        np.abs(np.sort(again.quad, axis=0) - np.sort([(12, 12), (390, 12), (390, 540), (12, 540)], axis=0)).max() < 0.8
    )


def test_an_outline_turned_twice_is_itself():
    outline = located((11, 0))
    twice = turned(turned(outline))
    assert np.array_equal(twice.quad, outline.quad)
    for one_line, other in zip(outline.lines, twice.lines, strict=True):
        assert one_line.side == other.side
        assert np.allclose(one_line.along, other.along)
        assert np.allclose(one_line.depth, other.depth, equal_nan=True)
        assert np.allclose(one_line.at(one_line.along), other.at(one_line.along))
    half = turned(outline)
    mm = np.array([(3.0, 20.0), (40.0, 85.0)])
    assert np.allclose(photo_points(half, (63, 88) - mm), photo_points(outline, mm), atol=1e-6)


def test_text_below_turns_its_sign_with_the_card():
    picture = np.ascontiguousarray(draw_card((77, 3)).colour(5.0))
    assert text_below(picture) > 0.4
    assert text_below(np.ascontiguousarray(picture[::-1, ::-1])) < -0.4
