"""Height, bands, curvature, gloss and leaking print, against surfaces that are known."""

import numpy as np
import pytest

from rcg.errors import DataError
from rcg.photometric import Capture, LightRig, NormalMap
from rcg.photometric.field import light_field
from rcg.photometric.gloss import gloss_map, print_leak, without_print
from rcg.photometric.pictures import (
    albedo_picture,
    close_up,
    confidence_picture,
    defect_overlay,
    normals_picture,
    relief_picture,
)
from rcg.photometric.relief import bands, integrate, mean_curvature, slopes, smooth
from rcg.photometric.types import SurfaceDefect

MM = 0.0215


def plane_of_mm(height, width):
    """x to the right and y up, in mm from the middle."""
    rows, columns = np.mgrid[:height, :width]
    return (columns - (width - 1) / 2) * MM, -(rows - (height - 1) / 2) * MM


def normal_map(p, q, albedo=None, **other):
    length = np.sqrt(p**2 + q**2 + 1)
    normals = np.stack([-p / length, -q / length, 1 / length], axis=-1).astype(np.float32)
    shape = p.shape
    given = {
        "albedo": np.full(shape, 0.6, np.float32) if albedo is None else albedo.astype(np.float32),
        "used": np.full(shape, 8, np.uint8),
        "chi2": np.ones(shape, np.float16),
        "slope_sd": np.full(shape, 0.01, np.float16),
        "unreliable": np.zeros(shape, np.bool_),
        "mm_per_px": MM,
    }
    return NormalMap(normals=normals, **{**given, **other})


def solved_from(frames, rig):
    b = np.tensordot(np.linalg.pinv(rig.directions), frames, axes=1)
    return normal_map(-b[0] / b[2], -b[1] / b[2], np.linalg.norm(b, axis=0))


def frames_of(albedo, rig, shifts=None):
    """Frames of a level plane, each shifted by whole pixels (columns, rows)."""
    moves = [(0, 0)] * len(rig) if shifts is None else shifts
    return np.stack(
        [
            np.roll(albedo, (down, right), axis=(0, 1)) * z
            for (right, down), z in zip(moves, rig.directions[:, 2], strict=True)
        ]
    )


@pytest.fixture
def print_of_a_card():
    rng = np.random.default_rng(5)
    albedo = np.full((240, 200), 0.7)
    for _ in range(25):
        top, left, high, wide = rng.integers([0, 0, 8, 8], [230, 190, 60, 60])
        albedo[top : top + high, left : left + wide] = rng.uniform(0.15, 0.9)
    return albedo


def test_a_cap_of_a_ball_comes_back_within_a_micrometre():
    x, y = plane_of_mm(200, 160)
    z = np.sqrt(50.0**2 - x**2 - y**2)
    got = integrate(normal_map(-x / z, -y / z))
    assert np.abs(got * 1000 - (z - z.mean()) * 1000).max() < 1
    assert got.dtype == np.float32


def test_a_dent_left_below_the_middle_is_there_and_as_deep():
    x, y = plane_of_mm(300, 260)
    pit = -0.010 * np.exp(-((x + 1) ** 2 + (y + 2) ** 2) / (2 * 0.12**2))
    p, q = (-pit * (x + 1) / 0.12**2, -pit * (y + 2) / 0.12**2)
    got = integrate((p.astype(np.float32), q.astype(np.float32)), mm_per_px=MM)
    row, column = np.unravel_index(np.argmin(got), got.shape)
    assert abs(x[row, column] + 1) < 1.5 * MM
    assert abs(y[row, column] + 2) < 1.5 * MM
    assert (got.min() - np.median(got)) * 1000 == pytest.approx(-10, abs=0.3)


def test_waves_in_both_directions_come_back():
    x, y = plane_of_mm(256, 192)
    z = 0.004 * np.sin(2 * np.pi * x / 1.1) + 0.003 * np.cos(2 * np.pi * y / 0.8)
    p, q = 0.004 * 2 * np.pi / 1.1 * np.cos(2 * np.pi * x / 1.1), -0.003 * 2 * np.pi / 0.8 * np.sin(2 * np.pi * y / 0.8)
    got = integrate((p.astype(np.float32), q.astype(np.float32)), mm_per_px=MM)
    assert np.abs(got - (z - z.mean())).max() * 1000 < 0.15


def test_what_is_outside_the_mask_or_not_solved_does_not_move_the_height():
    x, y = plane_of_mm(120, 150)
    p, q = np.full_like(x, 0.02), np.full_like(y, -0.01)
    mask = (np.abs(x) < 1.2) & (np.abs(y) < 0.9)
    wild = np.where(mask, p, 40.0), np.where(mask, q, -40.0)
    used = np.full(x.shape, 8, np.uint8)
    used[60, 75] = 0
    got = integrate(normal_map(*wild, used=used), mask=mask)
    want = 0.02 * x - 0.01 * y
    off = (got - want)[mask & (used > 0)]
    assert np.abs(off - off.mean()).max() * 1000 < 0.2
    assert np.isfinite(got).all()


def test_without_the_size_of_a_pixel_it_says_how_to_give_it():
    flat = np.zeros((8, 8), np.float32)
    for call in (lambda: integrate((flat, flat)), lambda: bands(flat, mm_per_px=None)):
        with pytest.raises(DataError) as caught:
            call()
        assert "mm_per_px" in str(caught.value.fix)
    with pytest.raises(DataError, match="inside the mask"):
        integrate((flat, flat), mm_per_px=MM, mask=np.zeros((8, 8), np.bool_))
    with pytest.raises(DataError, match="do not fit"):
        integrate((flat, flat[:4]), mm_per_px=MM)


def test_each_band_shows_its_own_size_of_structure():
    x, y = plane_of_mm(700, 700)
    small = -0.010 * np.exp(-((x + 4) ** 2 + y**2) / (2 * 0.1**2))
    wide = -0.010 * np.exp(-((x - 3) ** 2 + y**2) / (2 * 0.9**2))
    found = {band.scale_mm: band.height_um for band in bands((small + wide).astype(np.float32), mm_per_px=MM)}
    at_small, at_wide = (350, round(349.5 - 4 / MM)), (350, round(349.5 + 3 / MM))
    assert found[0.2][at_small] < -4
    assert abs(found[0.2][at_wide]) < 2
    assert found[1.0][at_wide] < -4
    assert abs(found[1.0][at_small]) < 1.5


def test_a_wide_gaussian_at_a_reduced_size_is_the_gaussian():
    values = np.random.default_rng(0).normal(size=(300, 280)).astype(np.float32)
    values[100:140, 90:200] += 20
    from scipy.ndimage import gaussian_filter

    assert np.abs(smooth(values, 21.0) - gaussian_filter(values, 21.0, mode="reflect")).max() < 0.15
    mask = np.zeros(values.shape, np.bool_)
    mask[50:250, 50:200] = True
    level = smooth(np.where(mask, 3, 1000).astype(np.float32), 9.0, mask=mask)
    assert np.abs(level[mask] - 3).max() < 1e-3


def test_curvature_of_a_ball_is_one_over_its_radius():
    x, y = plane_of_mm(60, 60)
    z = np.sqrt(30.0**2 - x**2 - y**2)
    got = mean_curvature(((-x / z).astype(np.float32), (-y / z).astype(np.float32)), mm_per_px=MM)
    assert got[5:-5, 5:-5] == pytest.approx(-1 / 30, rel=0.01)


def test_slopes_are_those_of_the_normals_and_zero_where_nothing_is_known():
    used = np.full((4, 5), 8, np.uint8)
    used[1, 2] = 0
    p, q = slopes(normal_map(np.full((4, 5), 0.3), np.full((4, 5), -0.2), used=used))
    assert p[0, 0] == pytest.approx(0.3)
    assert q[0, 0] == pytest.approx(-0.2)
    assert p[1, 2] == q[1, 2] == 0


def test_a_shifted_frame_is_seen_as_leaking_print_with_its_direction(print_of_a_card):
    rig = LightRig.ring(8)
    shifts = [(0, 0)] * 8
    shifts[2] = (1, 0)  # the light at 90 degrees, shifted along x
    leak = print_leak(solved_from(frames_of(print_of_a_card, rig, shifts), rig))
    assert leak.leaks
    assert leak.explained > 0.5
    assert leak.correlation > 0.3
    assert min(leak.along_deg, 180 - leak.along_deg) < 8
    assert leak.light_deg == pytest.approx(90, abs=8)
    assert leak.shift_px == pytest.approx(1, abs=0.4)
    assert "not registered" in leak.note


def test_height_without_print_shows_the_dent_and_not_the_art(print_of_a_card):
    rig = LightRig.ring(8)
    soft = smooth(print_of_a_card.astype(np.float32), 3.0)  # a shift of a pixel is then a small part of an edge
    leaking = solved_from(frames_of(soft, rig, [(0, 0)] * 7 + [(1, 1)]), rig)
    with_art, without = integrate(leaking), integrate(without_print(leaking), mm_per_px=MM)
    assert without.std() < 0.35 * with_art.std()
    x, y = plane_of_mm(*leaking.shape)
    pit = -0.010 * np.exp(-(x**2 + y**2) / (2 * 0.12**2))
    p, q = slopes(leaking)
    dented = normal_map(p - pit * x / 0.12**2, q - pit * y / 0.12**2, leaking.albedo)
    deep = integrate(without_print(dented), mm_per_px=MM) - without
    assert deep[120, 100] * 1000 == pytest.approx(-10, abs=1)


def test_frames_that_lie_on_each_other_leak_nothing(print_of_a_card):
    rig = LightRig.ring(8)
    frames = frames_of(print_of_a_card, rig)
    frames = frames + np.random.default_rng(1).normal(0, 0.004, frames.shape)
    leak = print_leak(solved_from(frames, rig))
    assert not leak.leaks
    assert leak.note == ""
    assert abs(leak.correlation) < 0.15


def test_gloss_is_where_a_frame_is_brighter_than_a_matte_surface():
    rig = LightRig.ring(8)
    frames = frames_of(np.full((40, 50), 0.5), rig).astype(np.float32)
    solved = solved_from(frames, rig)
    frames[3, 10:20, 10:20] += 0.4
    capture = Capture(images=frames, rig=rig)
    got = gloss_map(capture, solved, light_field(capture))
    assert got[15, 15] == pytest.approx(0.4 / 0.5 / 8, rel=0.02)
    assert got[30, 40] < 1e-3
    with pytest.raises(DataError, match="belong together"):
        gloss_map(Capture(images=frames[:, :20], rig=rig), solved, light_field(capture))


def test_gloss_knows_lights_that_differ_over_the_card():
    rig = LightRig.ring(8, radius_mm=40, height_mm=40)
    capture = Capture(images=np.ones((8, 60, 70), np.float32), rig=rig, mm_per_px=0.5)
    field = light_field(capture)
    from rcg.photometric.gloss import _spread

    directions, gains = _spread(field, slice(0, 60), 60, 70)
    frames = np.stack([0.5 * d[..., 2] / g for d, g in zip(directions, gains, strict=True)])
    flat = normal_map(np.zeros((60, 70)), np.zeros((60, 70)), np.full((60, 70), 0.5))
    lit = Capture(images=frames.astype(np.float32), rig=rig, mm_per_px=0.5)
    assert gloss_map(lit, flat, field).max() < 1e-4


def test_pictures_say_what_they_show():
    flat = normal_map(np.zeros((90, 120)), np.zeros((90, 120)))
    assert normals_picture(flat.normals)[0, 0].tolist() == [128, 128, 255]
    right = normal_map(np.full((2, 2), -1.0), np.zeros((2, 2)))  # falls to the right: its normal leans right
    assert normals_picture(right.normals)[0, 0, 0] > 200
    pit = np.zeros((90, 120), np.float32)
    pit[40:50, 40:50] = -2
    shown = relief_picture(pit, limit=2)
    assert shown[45, 45, 2] > shown[45, 45, 0]
    assert shown[0, 0].min() > 240
    assert albedo_picture(flat.albedo).min() == 255
    outside = np.ones((90, 120), np.bool_)
    outside[0] = False
    assert albedo_picture(flat.albedo, mask=outside)[0].max() < 60
    assert confidence_picture(flat).dtype == np.uint8


def test_an_overlay_marks_the_place_and_leaves_the_picture_alone():
    picture = np.full((200, 300, 3), 200, np.uint8)
    ring = ((100.0, 50.0), (120.0, 50.0), (120.0, 70.0), (100.0, 70.0))
    dent = SurfaceDefect(
        label="dent", polygon=ring, length_mm=0.5, width_mm=0.5, height_um=-9.0, height_sigma_um=0.3, confidence=1.0
    )
    drawn = defect_overlay(picture, [dent], mm_per_px=MM)
    assert (picture == 200).all()
    assert (drawn[50, 100:120] != 200).any()
    assert (drawn[60, 125:] != 200).any(), "its number and size stand beside it"
    assert (drawn[180:, :80] != 200).any(), "the bar of millimetres"
    assert close_up(picture, dent, margin_px=10).shape == (40, 40, 3)
