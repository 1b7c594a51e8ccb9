"""A flat card tells its own coat and foil: gloss is no shape, dents keep their depth, objects in the round are left."""

from dataclasses import replace

import numpy as np
import pytest

from rcg.photometric import Capture, LightRig
from rcg.photometric.field import light_field
from rcg.photometric.finish import block_means, fit_coat, sheen
from rcg.photometric.flat_card import answer_slopes, look_at_card
from rcg.photometric.foil import misfit, over_pixels
from rcg.photometric.registering import register
from rcg.photometric.solving import Planes, solve_normals
from rcg.synthetic.plain import Dent, plain_surface
from rcg.synthetic.rig import RigModel, SheetModel, View, render_capture

DENTS = tuple(Dent(at_mm=(x, y), width_mm=1.2, depth_um=12) for x in (4, 10, 16) for y in (4, 10))


def shot_of(finish, seed=11, **more):
    rng = np.random.default_rng(seed)
    surface = plain_surface(rng, size_mm=(20, 14), px_per_mm=33.2, finish=finish, relief=DENTS)
    shot = render_capture(surface, rng, view=View(mm_per_px=0.06), **more)
    return replace(shot, capture=register(shot.capture)[0])


@pytest.fixture(scope="module")
def gloss():
    return shot_of("gloss")


@pytest.fixture(scope="module")
def foil():
    return shot_of("foil")


def error(shot, **more):
    found = solve_normals(shot.capture, **more).normals
    cosine = (found.astype(float) * shot.truth.normals).sum(-1)[shot.truth.card]
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()


def steepness(found, shot, where):
    """Regression of found on true slopes where these are steep."""
    one, two = (-each[..., :2] / each[..., 2:] for each in (found.normals, shot.truth.normals))
    steep = where & (np.hypot(two[..., 0], two[..., 1]) > 0.015)
    return (one[steep] * two[steep]).sum() / (two[steep] ** 2).sum()


def test_gloss_is_taken_off_and_dents_keep_their_slopes(gloss):
    found = solve_normals(gloss.capture)
    assert any("coat" in note for note in found.notes)
    assert error(gloss) < 0.65
    assert error(gloss) < 0.8 * error(replace(gloss, capture=replace(gloss.capture, mm_per_px=None)))
    assert 0.8 < steepness(found, gloss, gloss.truth.card) < 1.15
    assert not found.unreliable.any()


def test_the_coat_found_is_near_the_true_one(gloss):
    capture = gloss.capture
    blocks = block_means(capture, light_field(capture))
    coat = fit_coat(blocks, blocks.good & (blocks.seen.mean(axis=0) > 0.03))
    assert 0.08 <= coat.roughness <= 0.33  # 0.12, and the lamps' own size
    assert 0.01 < coat.strength < 0.06  # 0.04


def test_no_coat_is_found_where_there_is_none():
    rig = RigModel.exact(LightRig.ring(8, lobe=1), specular=0.0)
    shot = shot_of("gloss", rig=rig, sheet=SheetModel.ideal())
    look = look_at_card(shot.capture, light_field(shot.capture))
    assert look is not None
    assert look.glow is None or float(look.response.max()) < 0.02
    assert look.foil is None


def test_a_light_that_is_off_is_corrected_by_the_plane(gloss):
    field = light_field(gloss.capture)
    wrong = replace(field, gains=field.gains * np.array([1.05, *[1] * 7], np.float32)[:, None, None])
    assert error(gloss, field=wrong) < error(gloss, field=field) + 0.03


def test_an_object_in_the_round_is_left_alone():
    y, x = np.mgrid[-60:60, -60:60] / 70.0
    mask = x * x + y * y < 0.6
    normals = np.dstack([x, -y, np.sqrt(np.maximum(1 - x * x - y * y, 0.01))])
    rig = LightRig.ring(8)
    empty = Capture(images=np.zeros((8, 120, 120), np.float32), rig=rig, mm_per_px=0.5, mask=mask)
    frames = 0.5 * np.maximum((rig.directions[:, None, None] * normals).sum(-1), 0)
    capture = replace(empty, images=frames.astype(np.float32))
    assert look_at_card(capture, light_field(capture)) is None


def test_numba_and_torch_agree_under_a_coat_and_on_foil(gloss, foil):
    for shot in (gloss, foil):
        rows = slice(40, 180)
        part = replace(
            shot.capture,
            images=np.ascontiguousarray(shot.capture.images[:, rows]),
            flat=shot.capture.flat[:, rows],
            dark=shot.capture.dark[rows],
        )
        one, two = (solve_normals(part, device=device) for device in (None, "torch-cpu"))
        assert len(one.notes) >= 2
        assert np.array_equal(one.used, two.used)
        assert np.array_equal(one.unreliable, two.unreliable)
        assert np.abs(one.normals - two.normals).max() < 2e-4


def test_ink_that_is_darker_than_the_gloss_is_no_nan(gloss):
    images = gloss.capture.images.copy()
    images[:, 100:120, 100:120] = np.median(gloss.capture.dark) + 40  # less than the coat sends back
    for device in (None, "torch-cpu"):
        found = solve_normals(replace(gloss.capture, images=images), device=device)
        for name in ("normals", "albedo", "slope_sd"):
            assert np.isfinite(getattr(found, name)).all(), name


def test_foil_is_flagged_and_its_dents_are_not_steeper_than_they_are(foil):
    found = solve_normals(foil.capture)
    metal = foil.truth.foil & foil.truth.card
    assert found.unreliable[metal].mean() > 0.97
    assert error(foil) < 1
    assert 0.5 < steepness(found, foil, metal & found.unreliable) < 1.6


def test_a_glint_that_saturates_some_frames_is_foil(foil):
    capture = foil.capture
    burning = np.clip(capture.images.astype(np.float32) * 2.5, 0, capture.full_scale).astype(np.uint16)
    look = look_at_card(replace(capture, images=burning), light_field(capture))
    assert look is not None
    assert look.foil[foil.truth.foil].mean() > 0.9


def test_sheen_peaks_in_the_mirror_direction_and_grows_with_slope_towards_the_light():
    light, view = np.array([np.sin(0.8), 0, np.cos(0.8)]), np.array([0, 0, 1.0])
    lean = [sheen(light, view, 0.12, (slope, 0.0)) for slope in (-0.1, 0.0, 0.1, np.tan(0.4), 0.7)]
    assert lean == sorted(lean[:3]) + lean[3:]
    assert lean[3] > lean[4]
    assert lean[3] > 20 * lean[1]


def test_slopes_are_divided_by_what_the_coat_adds():
    planes = Planes.empty(5, 7)
    planes.normals[:] = np.array([0.1, 0.0, 1.0]) / np.hypot(0.1, 1)
    planes.albedo[:], planes.slope_sd[:] = 0.2, 0.01
    planes.albedo[0, 0] = 0
    answer_slopes(planes, np.full((2, 2), 0.2, np.float32), rows=3)
    slope = planes.normals[..., 0] / planes.normals[..., 2]
    assert slope[1:] == pytest.approx(0.05)
    assert slope[0, 0] == pytest.approx(0.1)
    assert planes.slope_sd[1:].astype(float) == pytest.approx(0.005, rel=1e-3)
    assert np.linalg.norm(planes.normals, axis=-1) == pytest.approx(1)


def test_blocks_cover_every_pixel_and_misfit_is_small_on_paper():
    rig = LightRig.ring(8)
    capture = Capture(images=np.full((8, 61, 83), 0.4, np.float32), rig=rig, mm_per_px=0.1)
    blocks = block_means(capture, light_field(capture))
    assert blocks.good.all()
    assert over_pixels(blocks.good, blocks.side, 61, 83).shape == (61, 83)
    assert misfit(blocks, None).max() < 0.05
