"""Cards drawn from a seed: the truth fits the picture, every defect leaves its traces, and the bytes are the same."""

import dataclasses
import hashlib
import json
import math
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from rcg.card_specs import CARD_SPECS, PRINT_FAMILIES, card_spec, print_family
from rcg.dataset_types import DATASET_TYPES
from rcg.errors import ConfigError, DataError
from rcg.synthetic.cards import STATIONS, THROUGH, draw_card, with_defects
from rcg.synthetic.damage import LABELS, Defect, make_defect
from rcg.synthetic.grid import Grid, Lattice, Profile, fill, stroke
from rcg.synthetic.wear import line_relief

SCAN = 300 / 25.4

# What each defect changes: colour, outline of the stock, relief, gloss.
TRACES = {
    "corner_whitening": "colour relief gloss", "corner_rounding": "outline", "corner_bend": "colour relief",
    "edge_whitening": "colour relief gloss", "chipping": "colour relief gloss", "rough_cut": "outline",
    "notch": "outline", "scratch": "colour relief gloss", "print_line": "colour", "print_dot": "colour",
    "dent": "relief", "crease": "colour relief gloss", "stain": "colour gloss",
    "tear": "colour outline relief gloss", "missing_stock": "outline", "roller_line": "relief",
}  # fmt: skip

# Millimetres of length and width, micrometres of depth, as the table of defects has them.
RANGES = {
    "corner_whitening": ((1.2, 5), (0.05, 0.5), (0, 0)), "corner_bend": ((1, 20), (1, 5), (60, 700)),
    "edge_whitening": ((1, 20), (0.1, 0.5), (0, 0)), "chipping": ((1, 20), (0.1, 0.5), (0, 0)),
    "corner_rounding": ((0.3, 9), (0.2, 2), (0, 0)), "rough_cut": ((8, 50), (0.1, 1), (0, 0)),
    "notch": ((0.3, 2), (0.1, 1), (0, 0)), "scratch": ((0.5, 61), (0.01, 0.1), (0.5, 10)),
    "print_line": ((36, 120), (0.02, 0.1), (0, 0)), "print_dot": ((0.1, 1.5), (0.1, 1), (0, 0)),
    "dent": ((0.2, 4.5), (0.2, 3), (5, 50)), "crease": ((1, 90), (0.3, 1), (10, 200)),
    "stain": ((3, 35), (3, 22), (0, 0)), "tear": ((1, 15), (0.08, 0.5), (20, 120)),
    "missing_stock": ((3, 12), (1.2, 6), (0, 0)), "roller_line": ((36, 120), (0.1, 1), (0.5, 3)),
}  # fmt: skip


def planes(card, px_per_mm):
    made = card.surface(px_per_mm)
    return made.colour, made.coverage, made.height_um, made.roughness


def digests():
    found = []
    for number in range(3):
        finish, side = ("holo", "gloss", "matte")[number], "back" if number == 1 else "front"
        card = draw_card((number, 5), defects=LABELS, finish=finish, side=side)
        made = card.surface(15)
        layers = (card.colour(SCAN), made.colour, made.height_um, made.roughness, made.foil, made.coverage)
        found += [hashlib.sha256(each.tobytes()).hexdigest() for each in layers]
        found.append(repr((card.points, card.defects)))
    return found


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_seed_gives_the_same_bytes_on_a_poorer_processor_and_with_more_threads(threads):
    code = (
        "import json, cv2, sys; sys.path.insert(0, 'tests'); import numpy._core._multiarray_umath as m;"
        f"cv2.setNumThreads({threads});"
        "from test_synthetic_cards import digests;"
        "print(json.dumps([digests(), m.__cpu_features__.get('X86_V3', m.__cpu_features__.get('AVX2'))]))"
    )
    poorer = {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
        "OPENCV_CPU_DISABLE": "AVX,AVX2,FMA3,FP16,AVX512-SKX",
    }
    env = {**os.environ, **(poorer if threads == 1 else {})}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    told, vectors = json.loads(run.stdout)
    if threads == 1 and vectors:
        pytest.skip("this numpy does not let its vector units be switched off")
    assert told == digests()


def test_other_seeds_and_sides_are_other_cards():
    cards = [draw_card(1), draw_card(2), draw_card((1, 2)), draw_card(1, side="back")]
    assert len({each.design.seed for each in cards}) == 4
    assert draw_card(1) == cards[0]


def test_what_goes_through_the_stock_shows_on_both_sides():
    seen = 0
    for seed in range(60):
        front, back = draw_card(seed, wear=2), draw_card(seed, wear=2, side="back")
        assert front.spec == back.spec
        before, after = ([each for each in card.defects if each.label in THROUGH] for card in (front, back))
        assert [each.label for each in before] == [each.label for each in after]
        for one, other in zip(before, after, strict=True):
            seen += 1
            assert [front.spec.width - x for x, _ in one.outline] == [x for x, _ in other.outline]
            assert other.depth_um == (-one.depth_um if one.label in {"crease", "corner_bend"} else one.depth_um)
    assert seen > 30


def crossing(profile):
    """Where a profile passes the middle between its two ends, in pixels from the left edge of its first pixel."""
    low, high = np.median(profile[:4]), np.median(profile[-4:])
    share = (profile - low) / (high - low)
    first = int(np.argmax(share > 0.5))
    return first - 0.5 + (0.5 - share[first - 1]) / (share[first] - share[first - 1])


def test_the_inner_frame_lies_where_its_points_say():
    worst, seen = 0.0, 0
    for seed in range(30):
        card = draw_card(seed, defects=(), side="back" if seed % 3 == 0 else "front")
        if card.frame is None or card.design.line[1] < 0.45:
            continue
        # Blue and green lie where the print does; the cyan plate prints red, and is out of register.
        picture = card.colour(SCAN)[..., 1].astype(float)
        for start, axis in ((0, 1), (6, 0), (12, 1), (18, 0)):
            for x, y in card.points[start + 3 : start + 6]:
                lines = picture if axis == 1 else picture.T
                across, along = (x, y) if axis == 1 else (y, x)
                row = lines[round(along * SCAN - 0.5)]
                at, inwards = across * SCAN, 1 if start < 12 else -1
                first = math.floor(at) - 8
                part = row[first : first + 9 + 8]
                part = part[: 8 + 5] if inwards > 0 else part[8 - 4 :]
                offset = first if inwards > 0 else first + 4
                if abs(np.median(part[:4]) - np.median(part[-4:])) < 60:
                    continue
                seen += 1
                worst = max(worst, abs(offset + crossing(part) - at))
    assert seen > 100
    assert worst < 0.25


def test_points_borders_and_corners_agree():
    card = draw_card(3, family="english-front", defects=())
    names = DATASET_TYPES["centering_analysis"].keypoints
    places = dict(zip(names, card.points, strict=True))
    w, h = card.spec.width, card.spec.height
    left, right, top, _ = card.borders
    assert places["left_outer_2"] == (0, h / 2)
    assert places["right_inner_2"] == pytest.approx((w - right, h / 2))
    assert places["top_inner_2"] == pytest.approx((w / 2, top))
    assert places["bottom_outer_1"] == pytest.approx((w * STATIONS[0], h))
    for side, far in (("left", 0), ("right", w)):
        (x1, y1), (x3, y3) = places[f"{side}_inner_1"], places[f"{side}_inner_3"]
        lean = math.degrees(math.atan2(x1 - x3, y3 - y1))
        extra = card.trapezoid_deg[0] * (1 if far == 0 else -1)
        assert lean == pytest.approx(card.rotation_deg + extra, abs=0.02)
    assert left + right == pytest.approx(6.32, abs=0.4)
    assert card.corners == ((0, 0), (w, 0), (w, h), (0, h))


def test_shift_turn_and_totals_spread_as_on_real_cards():
    cards = [draw_card(seed, family="modern", defects=()) for seed in range(400)]
    assert np.std([each.print_shift_mm for each in cards]) == pytest.approx(0.3, abs=0.03)
    assert np.std([each.rotation_deg for each in cards]) == pytest.approx(0.2, abs=0.02)
    assert np.std([each.trapezoid_deg for each in cards]) == pytest.approx(0.1, abs=0.01)
    assert max(math.hypot(*each.plate_shift_mm) for each in cards) <= 0.2502
    totals = [each.borders[0] + each.borders[1] for each in cards]
    assert np.mean(totals) == pytest.approx(5.12, abs=0.03)
    assert np.std(totals) == pytest.approx(0.1, abs=0.02)


def test_a_card_without_a_border_has_no_inner_frame():
    card = draw_card(5, family="full-bleed", defects=())
    assert card.inner is None
    assert card.borders is None
    assert [each is None for each in card.points] == ([False] * 3 + [True] * 3) * 4


@pytest.mark.parametrize("label", LABELS)
def test_every_defect_leaves_its_traces_within_its_outline_and_no_others(label):
    clean = draw_card(21, spec=card_spec("standard"), family="magic-back", finish="gloss", side="back", defects=())
    clean = dataclasses.replace(clean, design=dataclasses.replace(clean.design, border=((24, 24, 27), (24, 24, 27))))
    rng = np.random.default_rng(LABELS.index(label))
    defect = make_defect(label, clean.spec, rng, severity=0.8, depth_um=-90.0 if label == "crease" else None)
    worn = with_defects(clean, [defect])
    before, after = planes(clean, 16), planes(worn, 16)
    on = after[1] > 0
    changes = {
        "colour": (np.abs(before[0].astype(int) - after[0]).max(axis=2) > 6) & on,
        "outline": np.abs(before[1].astype(int) - after[1]) > 8,
        "relief": (np.abs(before[2] - after[2]) > 0.1) & on,
        "gloss": (np.abs(before[3] - after[3]) > 0.01) & on,
    }
    assert {name for name, changed in changes.items() if changed.any()} == set(TRACES[label].split())
    window, share = fill(Grid.of(63, 88, 16), defect.outline)
    inside = np.zeros(on.shape, np.uint8)
    inside[window] = share > 0
    inside = cv2.dilate(inside, np.ones((5, 5), np.uint8))
    assert not any((changed & (inside == 0)).any() for changed in changes.values())


@pytest.mark.parametrize("label", LABELS)
def test_sizes_come_from_the_table_of_defects(label):
    rng = np.random.default_rng(1)
    lengths, widths, depths = RANGES[label]
    for number in range(40):
        spec = tuple(CARD_SPECS.values())[number % len(CARD_SPECS)]
        made = make_defect(label, spec, rng)
        assert lengths[0] - 1e-3 <= made.length_mm <= lengths[1] + 1e-3
        assert widths[0] - 1e-3 <= made.width_mm <= widths[1] + 1e-3
        assert depths[0] - 1e-3 <= abs(made.depth_um) <= depths[1] + 1e-3
        assert made.origin == (
            "factory" if label in {"print_line", "print_dot", "roller_line", "rough_cut"} else "handling"
        )
        ring = np.array(made.outline)
        assert (ring > -0.16).all()
        assert (ring < np.array([spec.width, spec.height]) + 0.16).all()


def relief_of(defect, px_per_mm):
    clean = draw_card(2, spec=card_spec("t206"), finish="gloss", defects=())
    return with_defects(clean, [defect]).surface(px_per_mm).height_um - clean.surface(px_per_mm).height_um


def test_depths_are_those_that_were_asked_for():
    spec, rng = card_spec("t206"), np.random.default_rng(0)
    dent = make_defect("dent", spec, rng, at=(18, 30), width_mm=0.5, depth_um=-10, length_mm=0.5)
    assert relief_of(dent, 40).min() == pytest.approx(-10, rel=0.03)
    crease = Defect(label="crease", course=((5, 20), (30, 45)), width_mm=0.8, depth_um=10)
    assert relief_of(crease, 40).max() == pytest.approx(10, rel=0.08)
    roller = Defect(label="roller_line", course=((0, 20), (36.5, 20)), width_mm=0.6, depth_um=-2)
    assert relief_of(roller, 40).min() == pytest.approx(-2, rel=0.03)


@pytest.mark.parametrize(("px_per_mm", "end"), [(20, (30, 30)), (50, (30, 30)), (20, (30, 50)), (47, (30, 41))])
def test_a_thin_scratch_keeps_its_volume_at_every_resolution_and_angle(px_per_mm, end):
    scratch = Defect(label="scratch", course=((5, 30), end), width_mm=0.03, depth_um=-2)
    drawn = relief_of(scratch, px_per_mm)
    profile = line_relief(scratch)
    volume = 2 * np.trapezoid(profile.values, profile.away)
    columns = drawn[:, round(12 * px_per_mm) : round(20 * px_per_mm)]
    lean = math.cos(math.atan2(end[1] - 30, end[0] - 5))
    assert columns.sum(axis=0).mean() / px_per_mm * lean == pytest.approx(volume, rel=0.02)


def test_a_stroke_is_the_mean_over_each_pixel():
    profile = Profile(away=(0, 0.02, 0.06, 0.09), values=(-3, -1, 1, 0))
    course = ((1.13, 2.2), (7.9, 5.31))
    window, drawn = stroke(Grid.of(10, 8, 10), course, profile)
    fine_window, fine = stroke(Grid.of(10, 8, 400), course, profile)
    coarse, whole = np.zeros((80, 100)), np.zeros((3200, 4000))
    coarse[window], whole[fine_window] = drawn, fine
    means = whole.reshape(80, 40, 100, 40).mean(axis=(1, 3))
    middle = slice(20, 70)  # away from the round ends
    assert np.abs(coarse - means)[:, middle].max() < 0.02 * 3
    assert np.abs(means).max() > 0.3


def test_a_card_looks_the_same_at_every_resolution():
    for seed in (4, 9, 17):
        card = draw_card(seed)
        card = dataclasses.replace(card, design=dataclasses.replace(card.design, rosettes=False))
        small, large = card.colour(11), card.colour(22)
        rows, columns = (min(a, b // 2) for a, b in zip(small.shape[:2], large.shape[:2], strict=True))
        halved = large[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))
        assert np.abs(halved - small[:rows, :columns]).mean() < 4
        # Edges differ within a pixel; nothing larger moved.
        soft = [cv2.blur(each.astype(np.float32), (7, 7)) for each in (halved, small[:rows, :columns])]
        assert np.abs(soft[0] - soft[1]).max() < 45


def test_a_field_is_the_same_in_a_window_as_in_the_whole():
    grid, field = Grid.of(20, 30, 12), Lattice.draw(np.random.default_rng(3), (21, 31), 2.0)
    whole, window = field.at(grid), (slice(40, 90), slice(30, 200))
    assert np.array_equal(field.at(grid.part(window)), whole[window])
    assert 0 <= whole.min() < 0.35
    assert 0.65 < whole.max() <= 1


def test_the_stock_has_its_size_and_its_rounded_corners():
    for name in ("standard", "sports"):
        spec = card_spec(name)
        card = draw_card(1, spec=spec, defects=())
        area = card.coverage(10).astype(float).sum() / 255 / 100
        assert area == pytest.approx(spec.width * spec.height - (4 - math.pi) * spec.radius**2, rel=2e-4)
        width, height = card.size(10)
        assert card.coverage(10).shape == (height, width) == card.colour(10).shape[:2]


def test_finishes_are_as_rough_and_as_metallic_as_their_names_say():
    found = {
        finish: draw_card(8, finish=finish, defects=()).surface(6) for finish in ("matte", "satin", "gloss", "holo")
    }
    means = {finish: float(made.roughness.mean()) for finish, made in found.items()}
    assert 0.45 < means["matte"] < 0.85
    assert 0.22 < means["satin"] < 0.44
    assert 0.07 < means["gloss"] < 0.22
    assert found["gloss"].foil.max() == 0
    assert 0.4 < found["holo"].foil.max() <= 1


def test_wear_is_asked_for_by_count_or_by_name():
    counts = [[len(draw_card(seed, wear=wear).defects) for seed in range(80)] for wear in (0, 1, 3)]
    assert sum(counts[0]) == 0
    assert 2 < np.mean(counts[1]) < 7
    assert np.mean(counts[2]) > 2 * np.mean(counts[1])
    assert [each.label for each in draw_card(1, defects=("dent", "stain", "dent")).defects] == ["dent", "stain", "dent"]


def test_every_label_of_the_dataset_types_can_be_drawn():
    assert set(DATASET_TYPES["surface_damage"].labels) - {"card"} == set(LABELS)


def test_specs_and_families_are_found_by_name_and_the_nearest_is_told():
    assert (card_spec("T206").width, card_spec("Japanese_small").height) == (36.5, 86)
    assert all(name in CARD_SPECS for each in PRINT_FAMILIES.values() for name in each.specs)
    for wrong, near in ((lambda: card_spec("sport"), "sports"), (lambda: print_family("modem"), "modern")):
        with pytest.raises(ConfigError, match=f"write {near}"):
            wrong()
    with pytest.raises(ConfigError, match="printed on the back"):
        draw_card(0, family="english-back")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ConfigError, match="write scratch"):
        draw_card(0, defects=("scrach",))
    with pytest.raises(DataError, match="course"):
        Defect(label="scratch")
    with pytest.raises(DataError, match="outline"):
        Defect(label="dent")
    with pytest.raises(ConfigError):
        draw_card(-1)
    with pytest.raises(ConfigError):
        draw_card(0, side="edge")
    with pytest.raises(ConfigError, match="pixels a millimetre"):
        draw_card(0).colour(0)
