"""Defects of known size in made slopes: what is found, how large it is said to be, and what is left alone."""

import itertools
import math

import numpy as np
import pytest

from rcg.errors import Cancelled, ConfigError, DataError
from rcg.photometric import NormalMap, SurfaceDefect
from rcg.photometric.defects import ON_FOIL, DefectSettings, find_defects, to_records
from rcg.photometric.flatphoto import find_in_photo
from rcg.photometric.profiles import smooth_course
from rcg.photometric.ridges import hessian

MM = 0.0215
HEIGHT, WIDTH = 560, 480
NOISE = 0.01


def places(height=HEIGHT, width=WIDTH):
    """Columns and rows in mm from the left top corner."""
    rows, columns = np.mgrid[:height, :width]
    return columns * MM, rows * MM


def groove(start, end, *, depth_um, width_um):
    """A line of Gaussian profile between two points (x, y in mm), the width at half of its depth."""
    x, y = places()
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
    away = np.hypot(
        x - x0 - along.clip(0, length) * (x1 - x0) / length, y - y0 - along.clip(0, length) * (y1 - y0) / length
    )
    return -depth_um * np.exp(-0.5 * (away / (width_um / 2355)) ** 2)


def pit(at, *, depth_um, width_mm):
    x, y = places()
    return -depth_um * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (width_mm / 4) ** 2))


def solved(height_um, *, albedo=None, seed=0, noise=NOISE, leak=0.0, **other):
    """A normal map of a surface with white slope noise, and print edges that leak into it."""
    rng = np.random.default_rng(seed)
    down, right = np.gradient(height_um / 1000 / MM)
    shade = np.full(height_um.shape, 0.6) if albedo is None else albedo
    ink = np.gradient(np.log(shade))
    p = right + rng.normal(0, noise, right.shape) + leak * ink[1]
    q = -down + rng.normal(0, noise, down.shape) - leak * ink[0]
    size = np.sqrt(p**2 + q**2 + 1)
    given = {
        "normals": np.stack([-p / size, -q / size, 1 / size], axis=-1).astype(np.float32),
        "albedo": (shade + rng.normal(0, 0.003, shade.shape)).astype(np.float32),
        "used": np.full(p.shape, 8, np.uint8),
        "chi2": np.ones(p.shape, np.float16),
        "slope_sd": np.full(p.shape, noise, np.float16),
        "unreliable": np.zeros(p.shape, np.bool_),
        "mm_per_px": MM,
    }
    return NormalMap(**{**given, **other})


def boxes_of_print(seed, height=HEIGHT, width=WIDTH):
    rng = np.random.default_rng(seed)
    albedo = np.full((height, width), 0.7)
    for _ in range(14):
        top, left, high, wide = rng.integers([0, 0, 30, 30], [height - 30, width - 30, 160, 160])
        albedo[top : top + high, left : left + wide] = rng.uniform(0.15, 0.9)
    return albedo


@pytest.fixture(scope="module")
def damaged():
    """A scratch, a dent and a crease, and what is found."""
    relief = groove((1.5, 2), (6, 3.2), depth_um=2, width_um=45) + pit((7.5, 8), depth_um=10, width_mm=0.5)
    relief += groove((2, 9.5), (6, 7), depth_um=10, width_um=200)
    return find_defects(solved(relief, albedo=boxes_of_print(3), leak=0.1))


def one(found, label):
    named = [each for each in found if each.label == label]
    assert len(named) == 1, [(each.label, each.height_um, each.length_mm) for each in found]
    return named[0]


def test_a_scratch_a_dent_and_a_crease_are_found_and_nothing_else(damaged):
    assert sorted(each.label for each in damaged) == ["crease", "dent", "scratch"]
    assert all(0.7 < each.confidence <= 1 and each.origin == "handling" for each in damaged)


def test_a_scratch_has_its_course_length_and_depth(damaged):
    scratch = one(damaged, "scratch")
    assert scratch.length_mm == pytest.approx(math.hypot(4.5, 1.2), abs=0.25)
    assert scratch.height_um == pytest.approx(-2, abs=0.5)
    assert 0 < scratch.height_sigma_um < 0.2
    assert scratch.width_mm < 0.12
    x, y = ((np.array(axis) - 0.5) * MM for axis in zip(*scratch.polygon, strict=True))
    assert np.abs((y - 2) * 4.5 - (x - 1.5) * 1.2).max() / math.hypot(4.5, 1.2) < 0.12, "its outline hugs its line"


def test_a_dent_has_its_place_size_and_depth(damaged):
    dent = one(damaged, "dent")
    x, y = np.array(dent.polygon).mean(axis=0) * MM
    assert math.hypot(x - 7.5, y - 8) < 0.06
    assert dent.height_um == pytest.approx(-10, abs=0.8)
    assert dent.length_mm == pytest.approx(0.45, abs=0.15)


def test_a_crease_is_wide_and_deep(damaged):
    crease = one(damaged, "crease")
    assert crease.height_um == pytest.approx(-10, abs=1.2)
    assert crease.width_mm == pytest.approx(0.28, abs=0.08)
    assert crease.length_mm == pytest.approx(math.hypot(4, 2.5), abs=0.65)


@pytest.mark.parametrize("seed", range(3))
def test_print_alone_is_no_damage_even_where_it_leaks(seed):
    paper = np.zeros((HEIGHT, WIDTH))
    assert find_defects(solved(paper, albedo=boxes_of_print(seed), leak=0.15, seed=seed)) == ()


def test_the_noise_of_dark_ink_is_no_damage():
    x, y = places()
    rings = [np.abs(np.hypot(x - across, y - down) - 2.5) < 0.35 for across, down in ((3, 3), (7, 4), (4, 8))]
    dark = np.any(rings, axis=0)
    paper = np.zeros((HEIGHT, WIDTH))
    found = [
        find_defects(solved(paper, albedo=np.where(dark, 0.05, 0.7), noise=np.where(dark, 0.08, 0.008), seed=seed))
        for seed in range(2)
    ]
    assert found == [(), ()]


def test_a_bump_is_a_dent_that_stands_up():
    found = find_defects(solved(-pit((5, 6), depth_um=8, width_mm=0.6)))
    assert one(found, "dent").height_um == pytest.approx(8, abs=0.8)


def test_a_curved_scratch_is_one_find():
    relief = np.zeros((HEIGHT, WIDTH))
    turns = np.linspace(0.2, 1.6, 15)
    stations = np.column_stack([9 - 5 * np.sin(turns), 2 + 5 * (1 - np.cos(turns))])
    for start, end in itertools.pairwise(stations):
        relief = np.minimum(relief, groove(start, end, depth_um=2, width_um=45))
    scratch = one(find_defects(solved(relief)), "scratch")
    assert scratch.length_mm == pytest.approx(7.0, abs=0.5)


def test_a_faint_line_along_the_whole_card_is_a_roller_line_from_the_factory():
    relief = groove((4, -1), (4.05, 20), depth_um=0.6, width_um=120)
    found = find_defects(solved(relief))
    line = one(found, "roller_line")
    assert line.origin == "factory"
    assert line.height_um == pytest.approx(-0.6, abs=0.2)
    assert line.length_mm > 0.8 * HEIGHT * MM
    assert {each.label for each in found} == {"roller_line"}


def on_a_table(height_um, margin=40, **given):
    """The card inside a frame of table far below it."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[margin:-margin, margin:-margin] = True
    return solved(np.where(mask, height_um, -300.0), **given), mask


def test_the_cut_edge_of_the_card_is_no_crease():
    card, mask = on_a_table(np.zeros((HEIGHT, WIDTH)))
    assert find_defects(card, mask=mask) == ()


def test_an_albedo_line_from_edge_to_edge_is_a_print_line_and_a_frame_is_not():
    albedo = np.full((HEIGHT, WIDTH), 0.7)
    albedo[:, 200:202] = 0.5
    albedo[100:-100, 120:122] = albedo[100:-100, 360:362] = 0.3
    albedo[100:102, 120:362] = albedo[-102:-100, 120:362] = 0.3
    card, mask = on_a_table(np.zeros((HEIGHT, WIDTH)), albedo=albedo)
    line = one(find_defects(card, mask=mask), "print_line")
    assert line.origin == "factory"
    assert np.array(line.polygon)[:, 0].mean() == pytest.approx(200.5, abs=2)
    assert abs(line.height_um) < 0.2


def test_a_scratch_with_a_gap_is_one_find_of_its_whole_length():
    relief = groove((1.5, 2), (4, 4), depth_um=2, width_um=45) + groove((4.6, 4.48), (8, 7.2), depth_um=2, width_um=45)
    scratch = one(find_defects(solved(relief)), "scratch")
    assert scratch.length_mm == pytest.approx(np.hypot(6.5, 5.2), abs=0.4)
    assert scratch.height_um == pytest.approx(-2, abs=0.5)


def test_a_line_of_print_whose_contrast_jumps_is_the_design_s():
    albedo = np.full((HEIGHT, WIDTH), 0.7)
    for top, tone in zip(range(0, HEIGHT, 70), [0.63, 0.5, 0.25] * 3, strict=False):
        albedo[top : top + 70, 200:202] = tone
    card, mask = on_a_table(np.zeros((HEIGHT, WIDTH)), albedo=albedo)
    assert find_defects(card, mask=mask) == ()


def test_depths_on_foil_carry_a_wide_sigma_and_say_so():
    shining = np.zeros((HEIGHT, WIDTH), np.bool_)
    shining[:20] = True
    dent = one(find_defects(solved(pit((5, 6), depth_um=10, width_mm=0.5), unreliable=shining)), "dent")
    assert ON_FOIL in dent.notes
    assert dent.height_sigma_um > 0.7 * abs(dent.height_um)


def test_a_damaged_place_that_shines_like_foil_is_marked():
    shining = np.zeros((HEIGHT, WIDTH), np.bool_)
    shining[300:] = True
    relief = pit((5, 3), depth_um=10, width_mm=0.5) + pit((5, 9), depth_um=10, width_mm=0.5)
    found = find_defects(solved(relief, unreliable=shining))
    by_row = sorted(found, key=lambda each: each.polygon[0][1])
    assert [each.unreliable for each in by_row] == [False, True]


def test_the_sigma_of_the_depth_covers_its_scatter():
    relief = pit((5, 6), depth_um=6, width_mm=0.5)
    found = [one(find_defects(solved(relief, seed=seed)), "dent") for seed in range(5)]
    scatter = np.std([each.height_um for each in found], ddof=1)
    told = np.mean([each.height_sigma_um for each in found])
    assert scatter < 2.5 * told
    assert told < 0.5


def test_the_same_map_gives_the_same_finds():
    card = solved(groove((2, 2), (6, 6), depth_um=1.5, width_um=50), albedo=boxes_of_print(1), leak=0.1)
    assert find_defects(card) == find_defects(card)


def test_settings_and_sizes_are_checked():
    card = solved(np.zeros((64, 64)), mm_per_px=None)
    with pytest.raises(DataError, match="size of a pixel") as caught:
        find_defects(card)
    assert "mm_per_px" in str(caught.value.fix)
    with pytest.raises(DataError, match="inside the mask"):
        find_defects(card, mm_per_px=MM, mask=np.zeros((64, 64), np.bool_))
    with pytest.raises(ConfigError, match="pit_score"):
        DefectSettings(pit_score=0)
    with pytest.raises(ConfigError, match="line_scales_mm"):
        DefectSettings(line_scales_mm=())


def test_a_higher_threshold_finds_less():
    card = solved(groove((2, 2), (4, 3), depth_um=1, width_um=45))
    assert len(find_defects(card)) == 1
    assert find_defects(card, settings=DefectSettings(line_evidence=500, pit_score=500)) == ()


def test_progress_is_told_and_a_stop_is_obeyed():
    card, seen = solved(np.zeros((HEIGHT, WIDTH))), []
    find_defects(card, report=seen.append)
    assert [seen[0].done, seen[-1].done] == [0, seen[-1].total]
    assert all(a.done <= b.done for a, b in itertools.pairwise(seen))

    def stop(tick):
        if tick.done >= 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_defects(card, report=stop)


def test_finds_become_annotations_inside_the_image():
    ring = ((-5.0, 10.0), (30.0, 10.0), (30.0, 14.0), (-5.0, 14.0))
    size = {"length_mm": 1.0, "width_mm": 0.1, "height_um": -2.0, "height_sigma_um": 0.1, "confidence": 0.8}
    outside = SurfaceDefect(label="dent", polygon=((-9.0, 1.0), (-5.0, 1.0), (-5.0, 3.0)), **size)
    record = to_records(
        [SurfaceDefect(label="scratch", polygon=ring, **size), outside], file_name="a/0.png", width=100, height=50
    )
    (scratch,) = record.annotations
    assert (scratch.label, scratch.score, scratch.area) == ("scratch", 0.8, 120.0)
    assert scratch.box.corners == (0, 10, 30, 14)
    assert len(scratch.polygons[0].points) == 4
    assert (record.width, record.height) == (100, 50)


def test_one_flat_photo_shows_print_but_no_dent():
    albedo = np.full((HEIGHT, WIDTH), 0.6)
    albedo[200:203, 100:400] = 0.3
    photo = albedo + np.random.default_rng(0).normal(0, 0.004, albedo.shape)
    found = find_in_photo(photo, mm_per_px=MM)
    assert any(abs(np.array(each.polygon)[:, 1].mean() - 201) < 3 for each in found), "print counts as a find"
    assert all(each.height_um == 0 and math.isinf(each.height_sigma_um) for each in found)
    with pytest.raises(DataError, match="black"):
        find_in_photo(np.zeros((50, 50)), mm_per_px=MM)


def test_the_filter_answers_a_parabola_with_its_curvature_in_every_direction():
    x, y = np.meshgrid(np.arange(80.0) - 40, 40 - np.arange(90.0))
    planes = hessian(((0.2 * x + 0.1 * y).astype(np.float32), (0.1 * x - 0.3 * y).astype(np.float32)), 2.0)
    middle = planes.xx[45, 40], planes.yy[45, 40], planes.xy[45, 40]
    assert middle == pytest.approx((0.2, -0.3, 0.1), abs=1e-3)


def test_a_course_keeps_its_ends_and_loses_its_stairs():
    stairs = np.array([(column, column // 3) for column in range(90)], np.float64)
    smooth = smooth_course(stairs)
    assert smooth[0] == pytest.approx(stairs[0])
    assert smooth[-1] == pytest.approx(stairs[-1])
    assert np.abs(np.diff(smooth[10:-10, 1]) / np.diff(smooth[10:-10, 0]) - 1 / 3).max() < 0.12
