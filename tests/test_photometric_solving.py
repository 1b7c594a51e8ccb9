"""Normals from frames: known surfaces come back, shadows and highlights do not mislead, all paths agree."""

from dataclasses import replace

import numpy as np
import pytest

from rcg.errors import CalibrationError, Cancelled, ConfigError, DataError
from rcg.photometric import Capture, LightField, LightRig
from rcg.photometric.field import light_field
from rcg.photometric.foil import levelled
from rcg.photometric.order import at_places
from rcg.photometric.solving import colour_albedo, solve_normals

FAR = LightRig(directions=LightRig.ring(8).directions)


def bumps(h=60, w=80, steep=0.15):
    y, x = np.mgrid[:h, :w] / 9.0
    n = np.dstack([steep * np.sin(x), steep * np.cos(y + 0.3 * x), np.ones((h, w))])
    return n / np.linalg.norm(n, axis=2, keepdims=True), 0.5 + 0.3 * np.sin(x * y / 3)


def lambert(normals, albedo, rig, field=None):
    """Float frames of a matte surface, (k, h, w)."""
    gains, lights = 1.0, np.asarray(rig.directions)[:, None, None]
    if field is not None:
        h, w = albedo.shape
        gains, lights = at_places(field, np.arange(h), np.arange(w), h, w)
    return (albedo * np.maximum((lights * normals).sum(-1), 0) / gains).astype(np.float32)


def degrees(found, truth):
    return np.degrees(np.arccos(np.clip((found.astype(float) * truth).sum(-1), -1, 1)))


def agree(one, two):
    assert np.array_equal(one.used, two.used)
    assert np.abs(one.normals - two.normals).max() < 1e-4
    assert np.allclose(one.albedo, two.albedo, rtol=1e-4, atol=1e-6)
    for name in ("chi2", "slope_sd"):
        a, b = (getattr(each, name).astype(float) for each in (one, two))
        assert np.allclose(a, b, rtol=0.02, atol=2e-3), name


@pytest.mark.parametrize("lights", [3, 8, 64])
@pytest.mark.parametrize("device", [None, "torch-cpu"])
def test_a_matte_surface_comes_back(lights, device):
    normals, albedo = bumps()
    rig = LightRig(directions=LightRig.ring(lights).directions)
    found = solve_normals(Capture(images=lambert(normals, albedo, rig), rig=rig, noise=(0, 1e-8)), device=device)
    assert degrees(found.normals, normals).max() < 0.05
    assert np.allclose(found.albedo, albedo, rtol=1e-4)
    assert (found.used == lights).all()
    assert not found.unreliable.any()


@pytest.mark.parametrize("device", [None, "torch-cpu"])
def test_near_lights_are_followed_over_the_picture(device):
    normals, albedo = bumps(150, 200)
    rig = LightRig.ring(8, lobe=1)
    empty = Capture(images=np.zeros((8, 150, 200), np.float32), rig=rig, mm_per_px=0.4)
    frames = 0.5 * lambert(normals, albedo, rig, light_field(empty))
    found = solve_normals(replace(empty, images=frames, noise=(0, 1e-8)), device=device)
    assert degrees(found.normals, normals).max() < 0.06
    far = solve_normals(replace(empty, images=frames, noise=(0, 1e-8), mm_per_px=None), device=device)
    assert degrees(far.normals, normals).max() > 1


def noisy(seed=3, kind=np.uint8, colour=False, steep=0.6):
    """A steep surface with shadows, highlights, saturation, a mask and a dark frame."""
    rng = np.random.default_rng(seed)
    normals, albedo = bumps(70, 90, steep)
    frames = lambert(normals, albedo, FAR)
    frames[:, 20:23] *= rng.uniform(0, 3, (8, 3, 90)) ** 2
    full = {np.uint8: 255, np.uint16: 4095}[kind]
    values = 220 / 255 * full * frames + 0.01 * full + rng.normal(0, 0.004 * full, frames.shape)
    if colour:
        values = values[..., None] * np.array([1.0, 0.9, 0.7])
    mask = np.ones(albedo.shape, bool)
    mask[:5] = False
    images = np.clip(np.round(values), 0, full).astype(kind)
    return Capture(images=images, rig=FAR, mask=mask, dark=np.full(8, 0.01 * full, np.float32), full_scale=full)


@pytest.mark.parametrize("method", ["least-squares", "auto", "robust"])
@pytest.mark.parametrize(("kind", "colour"), [(np.uint8, False), (np.uint16, False), (np.uint8, True)])
def test_numba_torch_tiles_and_threads_agree(method, kind, colour):
    capture = noisy(kind=kind, colour=colour)
    whole = solve_normals(capture, method=method)
    agree(whole, solve_normals(capture, method=method, device="torch-cpu"))
    tiled = solve_normals(capture, method=method, tile_rows=7, threads=2)
    assert np.array_equal(whole.normals, tiled.normals)
    assert np.array_equal(whole.chi2, tiled.chi2)
    assert not whole.used[:5].any()


def test_graded_fields_agree_between_numba_and_torch():
    capture = replace(noisy(), mm_per_px=0.5, rig=LightRig.ring(8, lobe=1))
    agree(solve_normals(capture), solve_normals(capture, device="torch-cpu", tile_rows=11))


def test_shadow_and_saturation_do_not_count():
    normals, albedo = bumps()
    frames = lambert(normals, albedo, FAR)
    frames[1, 10:30] = 0
    frames[5, 20:40] = 1
    found = solve_normals(Capture(images=frames, rig=FAR, noise=(0, 1e-8)), method="least-squares")
    assert degrees(found.normals, normals).max() < 0.05
    assert found.used[15, 0] == 7
    assert found.used[25, 0] == 6


def test_robust_beats_least_squares_where_it_shines_and_equals_it_elsewhere():
    rng = np.random.default_rng(4)
    normals, albedo = bumps()
    frames = lambert(normals, albedo, FAR) + rng.normal(0, 0.004, (8, 60, 80)).astype(np.float32)
    frames = frames.astype(np.float32)
    matte = Capture(images=frames, rig=FAR, noise=(0, 1.6e-5))
    shiny = frames.copy()
    which = rng.integers(0, 8, (60, 80))
    np.put_along_axis(shiny, which[None], np.take_along_axis(shiny, which[None], 0) + np.float32(0.2), axis=0)

    def error(capture, method):
        return degrees(solve_normals(capture, method=method).normals, normals).mean()

    assert error(matte, "robust") <= 1.05 * error(matte, "least-squares")
    shone = replace(matte, images=np.minimum(shiny, 0.97))
    for method in ("auto", "robust"):
        assert error(shone, method) < 0.3 * error(shone, "least-squares")


def test_chi2_and_slope_sd_tell_the_noise():
    rng = np.random.default_rng(5)
    flat = np.dstack([np.zeros((90, 90)), np.zeros((90, 90)), np.ones((90, 90))])
    frames = 200 * lambert(flat, np.full((90, 90), 0.7), FAR) + 10
    images = np.round(frames + rng.normal(0, 1.5, frames.shape)).astype(np.uint8)
    told = Capture(images=images, rig=FAR, noise=(0, 1.5**2 + 1 / 12))
    for capture in (told, replace(told, noise=None)):  # said, and found from the frames
        found = solve_normals(capture, method="least-squares")
        slopes = found.normals[..., :2] / found.normals[..., 2:]
        assert 0.85 < found.chi2.astype(float).mean() < 1.15
        assert np.median(found.slope_sd.astype(float)) == pytest.approx(slopes.std(axis=(0, 1)).mean(), rel=0.1)


@pytest.mark.parametrize("device", [None, "torch-cpu"])
def test_nothing_is_ever_nan(device):
    normals, albedo = bumps()
    frames = lambert(normals, albedo, FAR)
    frames[2, 5:9] = np.nan
    frames[:, 30:34] = np.nan
    frames[:, 40] = 0
    frames[:, 50] = np.inf
    found = solve_normals(Capture(images=frames, rig=FAR, noise=(0, 1e-8)), device=device)
    for name in ("normals", "albedo", "chi2", "slope_sd"):
        assert np.isfinite(getattr(found, name)).all(), name
    for row in (31, 40, 50):
        assert not found.used[row].any()
        assert (found.normals[row] == [0, 0, 1]).all()
    assert (found.used[6] == 7).all()
    assert degrees(found.normals, normals)[found.solved].max() < 0.05


def test_channels_have_their_own_lights():
    normals, albedo = bumps()
    strength = np.random.default_rng(6).uniform(0.5, 1.5, (8, 3))
    tints = np.array([0.9, 0.6, 0.3])
    rig = LightRig(directions=FAR.directions, intensities=strength)
    frames = lambert(normals, albedo, FAR)[..., None] * (strength / strength.mean())[:, None, None] * tints * 0.5
    capture = Capture(images=frames.astype(np.float32), rig=rig, noise=(0, 1e-8))
    found = solve_normals(capture)
    assert degrees(found.normals, normals).max() < 0.05
    colours = colour_albedo(capture, found, light_field(capture))
    assert np.allclose(colours, 0.5 * albedo[..., None] * tints, rtol=1e-3)


def test_the_tilt_of_the_white_sheet_is_taken_off_a_plane_but_not_off_a_ball():
    normals, albedo = bumps(h=200, w=200, steep=0.03)
    slopes = normals[..., :2] / normals[..., 2:]
    slopes -= np.median(slopes, axis=(0, 1))
    normals = np.dstack([slopes, np.ones((200, 200))])
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    leaning = LightField(
        directions=np.asarray(FAR.directions[:, None, None], np.float32),
        gains=np.asarray(FAR.directions[:, 2] / (FAR.directions @ [0.02, -0.01, 1]), np.float32)[:, None, None],
        origin="flat field",
    )
    capture = Capture(images=lambert(normals, albedo, FAR), rig=FAR, noise=(0, 1e-8))
    found = solve_normals(capture, field=leaning)
    assert degrees(found.normals, normals).mean() < 0.1
    assert "tilt" in found.notes[0]
    steep, _ = bumps(h=200, w=200, steep=0.6)
    same, tilt = levelled(replace(capture, images=lambert(steep, albedo, FAR)), leaning)
    assert same is leaning
    assert tilt == 0


@pytest.mark.parametrize("device", [None, "torch-cpu"])
def test_foil_is_flagged_and_calibrates_itself(device):
    rng = np.random.default_rng(7)
    normals, albedo = bumps(h=240, w=240, steep=0.04)
    frames = lambert(normals, albedo, FAR)
    frames[:, 80:200, 60:200] *= rng.uniform(0.4, 2.0, (8, 1, 1))  # metal answers each light with its own share
    frames = np.minimum(frames, 0.95).astype(np.float32)
    capture = Capture(images=frames, rig=FAR, noise=(0, 1e-6), mm_per_px=0.05)
    found = solve_normals(capture, field=light_field(capture, near=False), device=device)
    assert found.unreliable[90:190, 70:190].mean() > 0.95
    assert found.unreliable[:70].mean() == 0
    inner = degrees(found.normals, normals)[90:190, 70:190]
    apart = replace(capture, mm_per_px=None)  # without a size, nothing is taken for a plane
    assert inner.mean() < 2 < degrees(solve_normals(apart).normals, normals)[90:190, 70:190].mean()


def test_a_sink_can_stop_it():
    seen = []

    def stop(tick):
        seen.append(tick.done)
        if tick.done >= 2:
            raise Cancelled

    capture = Capture(images=np.full((8, 40, 4000), 90, np.uint8), rig=FAR, noise=(0, 1))
    with pytest.raises(Cancelled):
        solve_normals(capture, tile_rows=1, report=lambda tick: stop(replace(tick, done=2)))
    solve_normals(capture, tile_rows=10, report=lambda tick: seen.append(tick.total))
    assert seen[-1] == 4


def test_wrong_input_is_told():
    grey = Capture(images=np.full((8, 6, 6), 90, np.uint8), rig=FAR)
    with pytest.raises(ConfigError, match="no method"):
        solve_normals(grey, method="magic")
    with pytest.raises(ConfigError, match="device"):
        solve_normals(grey, device="quantum")
    with pytest.raises(DataError, match="light"):
        solve_normals(replace(grey, images=np.zeros((8, 6, 6), np.uint8)))
    with pytest.raises(DataError, match="saturated"):
        solve_normals(replace(grey, images=np.full((8, 6, 6), 255, np.uint8)))
    turn = np.linspace(0, 3, 8)
    plane = LightRig(directions=np.column_stack([np.sin(turn - 1.5) * 0.6, np.zeros(8), np.ones(8)]))
    with pytest.raises(CalibrationError, match="one plane"):
        solve_normals(replace(grey, rig=plane))
    with pytest.raises(CalibrationError, match="lights"):
        solve_normals(grey, field=light_field(replace(grey, images=grey.images[:3], rig=LightRig.ring(3))))
