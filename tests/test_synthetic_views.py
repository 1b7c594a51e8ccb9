"""Views of a card: the truth lies where the pixels are, whatever the lens, the light and the nuisance."""

import dataclasses
import hashlib
import math
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from rcg.card_specs import CardSpec
from rcg.errors import ConfigError, DataError
from rcg.images import encode_image
from rcg.synthetic.camera import Camera, expose, linear
from rcg.synthetic.cards import draw_card, with_defects
from rcg.synthetic.damage import make_defect
from rcg.synthetic.flat import FlatCard, Mark, flat_card, truth_of
from rcg.synthetic.lens import Projection, inverse, product
from rcg.synthetic.nuisances import NUISANCES
from rcg.synthetic.photo import photograph, pose, render_photo
from rcg.synthetic.scan import render_scan, scan
from rcg.synthetic.showing import close_up, draw_labels, draw_truth
from rcg.synthetic.views import ViewTruth

PPM = 10
DOTS = np.array([(5.05, 6.05), (31.45, 44.15), (58.15, 81.35), (57.25, 5.05), (6.15, 80.05), (20.35, 30.75)])


def plain(*, dots=(), colour=(20, 20, 24), marks=()):
    """A dark card with bright dots of 0.8 mm."""
    pixels = np.full((88 * PPM, 63 * PPM, 3), colour, np.uint8)
    for x, y in dots:
        centre = [round((each * PPM - 0.5) * 256) for each in (x, y)]
        cv2.circle(pixels, centre, round(0.4 * PPM * 256), (255, 255, 255), -1, cv2.LINE_AA, 8)
    return FlatCard(
        pixels=pixels,
        coverage=np.full(pixels.shape[:2], 255, np.uint8),
        px_per_mm=PPM,
        width_mm=63,
        height_mm=88,
        outline=np.array([(0.0, 0), (63, 0), (63, 88), (0, 88)]),
        inner=np.array([(3.0, 4), (60, 4), (60, 84), (3, 84)]),
        points=tuple((float(each), 2.0 * each) for each in range(24)),
        marks=marks,
        borders_mm=(3.0, 3.0, 4.0, 4.0),
        shine=0.3,
    )


def centroid(pixels, around, reach=7):
    """Where the light of a dot lies in a picture, in pixels."""
    x, y = (round(each) for each in around)
    part = linear(pixels)[y - reach : y + reach + 1, x - reach : x + reach + 1].mean(axis=2)
    part = np.clip(part - np.median(part) - 0.05 * np.ptp(part), 0, None)
    rows, columns = np.mgrid[y - reach : y + reach + 1, x - reach : x + reach + 1] + 0.5
    return np.array([(part * columns).sum(), (part * rows).sum()]) / part.sum()


@pytest.mark.parametrize("seed", range(6))
def test_a_dot_on_the_card_is_seen_where_the_photo_says(seed):
    size, rng = (900, 1200), np.random.default_rng(seed)
    first = pose(63, 88, rng, size)
    lens = dataclasses.replace(first, bend=(0.06 * (-1) ** seed, 0.02))  # stronger than any phone's
    lens = dataclasses.replace(lens, matrix=product(_shrunk(size), lens.matrix))
    view = photograph(plain(dots=DOTS), lens, rng, size=size)
    straight = dataclasses.replace(lens, bend=(0.0, 0.0)).points(DOTS)
    expected = lens.points(DOTS)
    assert np.abs(expected - straight).max() > 1, "the lens moves what is tested here"
    found = [centroid(view.pixels, each) for each in expected]
    assert np.abs(found - expected).max() < 0.3


def _shrunk(size):
    """Towards the middle, so that a pincushion keeps the card in the photo."""
    return np.array([[0.85, 0, 0.075 * size[0]], [0, 0.85, 0.075 * size[1]], [0, 0, 1]])


@pytest.mark.parametrize("seed", range(3))
def test_a_dot_on_the_card_is_seen_where_the_scan_says(seed):
    rng = np.random.default_rng(seed)
    card = plain(dots=DOTS)
    view = scan(card, rng, dpi=300, margin_mm=3, lid="black")
    lens = Projection.of_quad(card.corners, view.truth.quad)
    assert view.truth.px_per_mm == pytest.approx(300 / 25.4, rel=0.005)
    expected = lens.points(DOTS)
    found = [centroid(view.pixels, each) for each in expected]
    assert np.abs(found - expected).max() < 0.3


def test_the_way_through_the_lens_and_back_is_the_same():
    corners = [(0, 0), (63, 0), (63, 88), (0, 88)]
    lens = Projection.of_quad(
        corners, [(90, 80), (500, 60), (540, 700), (60, 720)], size=(600, 800), bend=(0.05, -0.01)
    )
    mm = np.random.default_rng(0).uniform((0, 0), (63, 88), (200, 2))
    assert lens.points(corners) == pytest.approx(lens.points(lens_back(lens, lens.points(corners))), abs=0.001)
    assert lens_back(lens, lens.points(mm)) == pytest.approx(mm, abs=1e-4)  # points stand on a grid of 1/4096


def lens_back(lens, px):
    return np.column_stack(lens.to_mm(px[:, 0], px[:, 1]))


def test_a_homography_agrees_with_four_points_and_its_inverse():
    quad = [(13, 7), (200, 20), (190, 260), (5, 240)]
    lens = Projection.of_quad([(0, 0), (2, 0), (2, 3), (0, 3)], quad)
    assert lens.points([(0, 0), (2, 0), (2, 3), (0, 3)]) == pytest.approx(np.array(quad), abs=1e-3)
    assert product(lens.matrix, inverse(lens.matrix)) == pytest.approx(np.eye(3), abs=1e-9)
    with pytest.raises(DataError):
        Projection.of_quad([(0, 0), (1, 0), (2, 0), (3, 0)], quad)


def test_the_card_covers_its_outline_and_nothing_else():
    for seed in range(4):
        size = (480, 640)
        lens = pose(63, 88, np.random.default_rng(seed), size)
        photos = [
            photograph(plain(colour=colour), lens, np.random.default_rng(seed), size=size).pixels.astype(int)
            for colour in ((255, 0, 255), (0, 255, 0))  # all that differs is the card
        ]
        differs = (np.abs(photos[0] - photos[1]).max(axis=2) > 60).astype(np.uint8)
        drawn = np.zeros_like(differs)
        ring = lens.points(plain().outline)
        cv2.fillPoly(drawn, [np.rint((ring - 0.5) * 16).astype(np.int32)], 1, shift=4)
        wrong = (differs != drawn).astype(np.uint8)
        assert not cv2.erode(wrong, np.ones((4, 4), np.uint8)).any(), "more than a seam of blurred pixels"


@pytest.mark.parametrize("nuisance", NUISANCES)
def test_a_nuisance_changes_the_photo_and_is_named(nuisance):
    size, rng = (360, 480), np.random.default_rng(3)
    lens = pose(63, 88, rng, size, slab=True)
    bare = photograph(plain(), lens, np.random.default_rng(5), size=size)
    spoilt = photograph(plain(), lens, np.random.default_rng(5), size=size, nuisances=(nuisance,))
    assert spoilt.truth.nuisances == (nuisance,)
    assert spoilt.truth.quad == bare.truth.quad
    assert (np.abs(spoilt.pixels.astype(int) - bare.pixels).max(axis=2) > 12).mean() > 0.003


def test_a_sleeve_leaves_a_bright_seam_one_to_four_pixels_beyond_the_card():
    """What the pixels across the right side show, averaged along it: a maximum there that a bare card lacks."""
    size = (600, 800)
    lens = Projection.of_quad(plain().corners, [(120, 120), (477, 120), (477, 619), (120, 619)])
    for seed in range(6):
        away = []
        for nuisances in ((), ("sleeve",)):
            pixels = photograph(plain(), lens, np.random.default_rng(seed), size=size, nuisances=nuisances).pixels
            away.append(linear(pixels)[300:500, 472:490].mean(axis=(0, 2)))
        more = away[1] / away[1][-1] - away[0] / away[0][-1]
        seam = 472.5 + int(np.argmax(more))
        assert 477 <= seam <= 483


def test_a_finger_hides_the_corner_and_the_points_below_it():
    size = (480, 640)
    marks = (Mark(label="stain", origin="handling", polygon=((1, 1), (62, 1), (62, 87), (1, 87)), length_mm=9,
                  width_mm=9, depth_um=0),)  # fmt: skip
    shares = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        view = photograph(plain(marks=marks), pose(63, 88, rng, size), rng, size=size, nuisances=("finger",))
        shares.append(view.truth.points_seen.count(1) + view.truth.corners_seen.count(1))
        assert 0 < view.truth.defects[0].hidden < 0.4
    assert 2 < sum(share > 0 for share in shares) < 30


def truth(**changes):
    lens = Projection.of_quad(plain().corners, [(50, 40), (365, 60), (350, 500), (70, 480)])
    marks = (
        Mark(label="stain", origin="factory", polygon=((9, 9), (14, 9), (12, 15)), length_mm=6, width_mm=5, depth_um=0),
        Mark(label="dent", origin="handling", polygon=((40, 40), (42, 40), (41, 43)), length_mm=3, width_mm=2,
             depth_um=-12, visible=False),
        Mark(label="scratch", origin="handling", polygon=((10, 60), (50, 60), (50, 60.05)), length_mm=40, width_mm=0.02,
             depth_um=-2),
    )  # fmt: skip
    card = dataclasses.replace(plain(marks=marks), **changes)
    return truth_of(card, lens, (420, 560), kind="photo")


def test_every_type_gets_its_geometry():
    known = truth()
    edges = known.record("a.jpg", "edge_detection")
    assert [each.label for each in edges.annotations] == ["outer_edge", "inner_frame"]
    assert edges.annotations[1].polygons[0].points == known.inner
    corners = known.record("a.jpg", "corner_detection").annotations[0].keypoints
    assert [each[:2] for each in corners.points] == list(known.quad)
    assert len(known.record("a.jpg", "centering_analysis").annotations[0].keypoints.points) == 24
    (box,) = known.record("a.jpg", "grade").annotations
    assert box.polygons == () and box.keypoints is None  # noqa: PT018
    both = known.record("a.jpg", "custom", card="card_0001")
    assert ([each.label for each in both.annotations], both.card) == (["card", "stain", "scratch"], "card_0001")


def test_a_defect_is_labelled_where_it_can_be_seen():
    known = truth()
    assert known.record("a.jpg", "surface_damage", relief=True).annotations[2].label == "dent"
    thick = known.record("a.jpg", "surface_damage", least_px=0.5).annotations
    assert [each.label for each in thick] == ["card", "stain"]
    assert [each.label for each in known.record("a.jpg", "corner_damage", labels=("card", "dent")).annotations] == [
        "card"
    ]


def test_what_leaves_no_trace_in_the_colours_is_not_called_visible():
    bare = draw_card(2, spec=CardSpec(), family="english-front", defects=())
    made = [
        make_defect("dent", bare.spec, np.random.default_rng(0), at=(30, 40), width_mm=2.0),
        make_defect(
            "scratch", bare.spec, np.random.default_rng(0), course=((15, 30), (45, 50)), width_mm=0.3, severity=1.0
        ),
        make_defect("stain", bare.spec, np.random.default_rng(0), at=(30, 70), width_mm=9.0, severity=1.0),
        make_defect("scratch", bare.spec, np.random.default_rng(0), course=((15, 80), (45, 70)), width_mm=0.001),
    ]
    card = with_defects(bare, made)
    flat = flat_card(card, 10)
    assert [each.visible for each in flat.marks] == [False, True, True, False]
    assert np.array_equal(flat.pixels, card.colour(10))


def test_a_borderless_card_has_no_frame_and_twelve_points():
    points = tuple((1.0, 2.0) if each % 6 < 3 else None for each in range(24))
    bare = truth(inner=None, points=points, borders_mm=None)
    assert [each.label for each in bare.record("a.jpg", "edge_detection").annotations] == ["outer_edge"]
    flags = [each[2] for each in bare.record("a.jpg", "centering_analysis").annotations[0].keypoints.points]
    assert flags == [2, 2, 2, 0, 0, 0] * 4
    assert bare.centering is None


def test_truth_goes_to_json_and_back():
    import orjson

    known = truth()
    assert ViewTruth.from_json(orjson.loads(orjson.dumps(known.to_json()))) == known
    assert known.centering == (50, 50)
    bare = truth(inner=None, points=(None,) * 24, borders_mm=None)
    assert ViewTruth.from_json(orjson.loads(orjson.dumps(bare.to_json()))) == bare


def test_an_empty_table_has_no_truth_and_wrong_words_are_refused():
    view = render_photo(None, np.random.default_rng(0), size=(200, 160))
    assert (view.pixels.shape, view.truth) == ((160, 200, 3), None)
    with pytest.raises(ConfigError, match="no nuisance 'glove'"):
        render_photo(None, np.random.default_rng(0), nuisance="glove")
    with pytest.raises(ConfigError, match="too small"):
        render_photo(None, np.random.default_rng(0), size=(10, 10))


def test_noise_has_the_variance_that_is_asked_for():
    rng, grey = np.random.default_rng(0), 0.25
    light = np.full((300, 300, 3), grey, np.float32)
    taken = linear(expose(light, Camera(blur=0, shot=0.0004, read=0.004), rng))
    wanted = math.sqrt(0.0004 * grey + 0.004**2)
    assert taken.std() == pytest.approx(wanted, rel=0.1)
    assert taken.mean() == pytest.approx(grey, rel=0.05)


_DIGEST = """
import hashlib, numpy as np, sys
sys.path.insert(0, {root!r})
from tests.test_synthetic_views import digest_of_views
print(digest_of_views())
"""


def digest_of_views():
    made = hashlib.sha256()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        card = plain(dots=DOTS)
        nuisances = ((), *((each,) for each in NUISANCES), ("sleeve", "shadow"), ("slab", "window"))[seed]
        lens = pose(63, 88, rng, (240, 320), slab="slab" in nuisances)
        for view in (
            photograph(card, lens, rng, size=(240, 320), nuisances=nuisances),
            scan(card, rng, dpi=100, margin_mm=2, lid=("white", "black")[seed % 2]),
        ):
            made.update(view.pixels.tobytes())
            made.update(repr(view.truth.to_json()).encode())
    for seed in range(3):
        rng, card = np.random.default_rng(seed), draw_card(seed)
        for view in (render_scan(card, rng, dpi=110), render_photo(card, rng, size=(300, 400))):
            made.update(encode_image(view.pixels, ".jpg", quality=view.quality))
            made.update(repr(view.truth.to_json()).encode())
    return made.hexdigest()


def test_a_machine_with_fewer_instructions_makes_the_same_bytes():
    """NumPy's and OpenCV's code for newer processors is switched off in another process."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    off = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    environment = {
        **os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(off), "OPENCV_IPP": "disabled",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16,FMA3,AVX,SSE4.2,SSE4.1,SSSE3,POPCNT",
    }  # fmt: skip
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    words = [sys.executable, "-W", "ignore", "-c", _DIGEST.format(root=root)]
    other = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert other == digest_of_views()


def test_truth_and_labels_are_drawn_where_they_are():
    view = scan(plain(), np.random.default_rng(0), dpi=150, margin_mm=3, lid="grey", clean=True)
    drawn = {"truth": draw_truth(view), "labels": draw_labels(view.pixels, view.truth.record("a", "edge_detection"))}
    for pixels in drawn.values():
        changed = np.argwhere((pixels != view.pixels).any(axis=2))[:, ::-1] + 0.5
        corners = np.array(view.truth.quad)
        assert np.abs(changed.min(axis=0) - corners.min(axis=0)).max() < 8
        assert np.abs(changed.max(axis=0) - corners.max(axis=0)).max() < 8
    assert (draw_truth(dataclasses.replace(view, truth=None)) == view.pixels).all()


def test_a_close_up_shows_the_defect_in_its_middle():
    colours, relief = close_up("dent", seed=1, pixels=120)
    assert colours.shape == relief.shape == (120, 120, 3)
    spread = relief.astype(float)[..., 0]
    assert spread[35:85, 35:85].std() > 3 * spread[:, :12].std(), "the dent, not the paper around it"
