"""Calibrating: mirror ball, white sheet, the card itself; kept, used again, and refused where it does not fit."""

import dataclasses

import numpy as np
import pytest

from rcg.errors import CalibrationError, DataError
from rcg.photometric import Capture, LightRig
from rcg.photometric.ball import calibrate_ball
from rcg.photometric.calibrate import apply, as_calibration
from rcg.photometric.field import grey_frames, light_field
from rcg.photometric.order import at_places, find_order
from rcg.photometric.planar import calibrate_plane, level_by_plane
from rcg.photometric.reading import read_capture
from rcg.photometric.sheet import calibrate_sheet
from rcg.photometric.writing import read_calibration, write_calibration
from rcg.synthetic.rig import render_sheet
from rcg.synthetic.rig_model import RigModel, SheetModel
from tests.photometric_frames import as_frames, moved_ring, printed, relief, render

SHAPE, MM = (440, 320), 0.2


def degrees(one, two):
    return np.rad2deg(np.arccos(np.clip((one * two).sum(axis=-1), -1, 1)))


def ball_frames(directions, *, circle=(160.0, 118.0, 80.0), camera_px=None, size=(240, 320)):
    """A mirror ball under small far lamps, seen by a camera far away or `camera_px` above the ball's middle."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    x, y, radius = circle
    if camera_px is None:
        flat = np.stack([columns - x, y - rows], axis=-1) / radius
        hits = (flat**2).sum(axis=-1) < 1
        normal = np.dstack([flat, np.sqrt(np.clip(1 - (flat**2).sum(axis=-1), 0, 1))])
        view = np.broadcast_to([0.0, 0, 1], normal.shape)
    else:
        middle = np.array([x - (size[1] - 1) / 2, (size[0] - 1) / 2 - y, 0])
        camera = np.array([0, 0, camera_px])
        points = np.dstack([columns - (size[1] - 1) / 2, (size[0] - 1) / 2 - rows, np.zeros(size)])
        ray = (points - camera) / np.linalg.norm(points - camera, axis=-1, keepdims=True)
        along = ray @ (middle - camera)
        room = along**2 - ((middle - camera) ** 2).sum() + radius**2
        hits = room > 0
        hit = camera + ray * (along - np.sqrt(np.clip(room, 0, None)))[..., None]
        normal, view = (hit - middle) / radius, -ray
    mirror = 2 * (normal * view).sum(axis=-1, keepdims=True) * normal - view
    seen = np.where(hits, 0.05, 0.12) + 0.9 * np.stack(
        [np.where(hits, np.exp((mirror @ light - 1) / 0.002), 0) for light in directions]
    )
    noise = np.random.default_rng(0).normal(0, 0.004, seen.shape)
    return np.clip((seen + noise) * 255, 0, 255).astype(np.uint8), hits


def lamps(seed=0, lights=9):
    rng = np.random.default_rng(seed)
    tilt, turn = np.deg2rad(rng.uniform(15, 55, lights)), np.deg2rad(rng.uniform(0, 360, lights))
    return np.column_stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)])


@pytest.mark.parametrize("given", ["mask", "circle", "nothing"])
def test_a_mirror_ball_gives_the_directions_within_their_errors(given):
    true = lamps()
    images, hits = ball_frames(true)
    capture = Capture(images=images, mask=hits if given == "mask" else None)
    found = calibrate_ball(capture, circle=(160, 118, 80) if given == "circle" else None)
    error = degrees(found.rig.directions, true)
    assert error.max() < 1.5
    assert (error < 3 * found.errors_deg).all()
    assert found.errors_deg.max() < 5
    assert np.allclose(found.circle, (160, 118, 80), atol=1.2)


def test_a_near_camera_is_accounted_for():
    true = lamps(1)
    images, hits = ball_frames(true, circle=(110.0, 90.0, 60.0), camera_px=600.0)
    capture = Capture(images=images, mask=hits, mm_per_px=0.1)
    with_camera = degrees(calibrate_ball(capture, camera_mm=60.0).rig.directions, true)
    without = degrees(calibrate_ball(capture).rig.directions, true)
    assert with_camera.mean() < 1.5
    assert without.mean() > 3 * with_camera.mean()
    with pytest.raises(CalibrationError, match="mm_per_px"):
        calibrate_ball(dataclasses.replace(capture, mm_per_px=None), camera_mm=60.0)


def test_no_ball_and_no_reflection_are_said():
    true = lamps()
    images, hits = ball_frames(true)
    images[3] = images[3].min()
    with pytest.raises(CalibrationError, match="no reflection of a lamp was found in frame 4"):
        calibrate_ball(Capture(images=images, mask=hits))
    plain = np.random.default_rng(0).integers(90, 110, (8, 120, 160)).astype(np.uint8)
    with pytest.raises(CalibrationError, match="no ball was found") as caught:
        calibrate_ball(Capture(images=plain))
    assert "circle=(x, y, radius)" in caught.value.fix
    square = np.zeros(images.shape[1:], bool)
    square[40:200, 80:240] = True
    with pytest.raises(CalibrationError, match="not round"):
        calibrate_ball(Capture(images=ball_frames(true)[0], mask=square))


def test_the_chrome_sphere_agrees_with_its_lights(shared_data):
    capture = read_capture(shared_data / "photometric" / "chrome_sphere")
    found = calibrate_ball(capture)
    error = degrees(found.rig.directions, capture.rig.directions)
    assert np.median(error) < 3  # the given ones are of unknown provenance
    alone = calibrate_ball(dataclasses.replace(capture, mask=None))
    assert degrees(alone.rig.directions, found.rig.directions).max() < 2


def sheet_capture(seed, *, gloss=0.03, by_mm=3.0):
    rng = np.random.default_rng(seed)
    true = moved_ring(seed=seed, by_mm=by_mm)
    phi = rng.uniform(0.8, 1.2, 8)
    white = np.full(SHAPE, 0.9)
    tilt = tuple(rng.normal(0, 0.3, 2))
    seen = render(true, albedo=white, mm_per_px=MM, phi=phi, tilt_deg=tilt, gloss=gloss, noise=0.02, seed=seed)
    return Capture(images=as_frames(seen), rig=LightRig.ring(8), mm_per_px=MM, full_scale=4095), true, phi


@pytest.mark.parametrize("gloss", [0.0, 0.05])
def test_a_white_sheet_gives_places_within_three_millimetres(gloss):
    errors, sds = [], []
    for seed in range(3):
        capture, true, phi = sheet_capture(seed, gloss=gloss)
        found = calibrate_sheet(capture)
        errors.append(np.linalg.norm(found.rig.positions_mm - true.positions_mm, axis=1))
        sds.append(np.sqrt((found.position_sd_mm**2).sum(axis=1)))
        assert np.allclose(found.rig.intensities / found.rig.intensities.mean(), phi / phi.mean(), rtol=0.03)
        assert found.residual_percent.max() < 0.6
        assert found.field.origin == "flat field"
    assert np.sqrt(np.mean(np.square(errors))) < 3  # they were 5.2 mm off
    assert 0.3 < np.sqrt(np.mean(np.square(errors))) / np.sqrt(np.mean(np.square(sds))) < 1.5


def test_a_rendered_sheet_with_lamps_aimed_badly_gives_places_within_three_millimetres():
    errors, lobes = [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        rig = RigModel.draw(rng)  # lamps 1 to 3 mm off, their axes some degrees, a lens that falls off
        sheet = SheetModel(tilt_deg=(0.4, -0.3), moved_mm=(0, 0))
        capture = render_sheet(rng, rig, size_px=(460, 340), mm_per_px=0.2, sheet=sheet)
        found = calibrate_sheet(capture)
        errors.append(np.linalg.norm(found.rig.positions_mm - rig.true.positions_mm, axis=1))
        lobes.append(found.rig.lobe - rig.lobe)
    assert np.sqrt(np.mean(np.square(errors))) < 3
    assert np.abs(lobes).max() < 0.15  # the data sheet's lobe is up to 0.8 off


def test_a_sheet_that_cannot_be_met_is_refused():
    capture, _, _ = sheet_capture(0)
    spotted = capture.images.copy()
    for light in range(8):
        spotted[light, :, : 160 if light % 2 else 320] //= 3
    with pytest.raises(CalibrationError, match="do not meet the sheet"):
        calibrate_sheet(dataclasses.replace(capture, images=spotted))
    with pytest.raises(CalibrationError, match="not known even roughly"):
        calibrate_sheet(dataclasses.replace(capture, rig=None))
    with pytest.raises(CalibrationError, match="mm_per_px"):
        calibrate_sheet(dataclasses.replace(capture, mm_per_px=None))


def card_capture(seed, *, rig=None, true=None, um=8.0):
    true = moved_ring(seed=seed) if true is None else true
    phi = np.random.default_rng(seed).uniform(0.8, 1.2, 8)
    art, height = printed(SHAPE, seed=seed), relief(SHAPE, MM, seed=seed, um=um)
    seen = render(true, albedo=art, mm_per_px=MM, height_mm=height, phi=phi, gloss=0.02, seed=seed)
    images = as_frames(seen)
    return Capture(images=images, rig=rig, mm_per_px=MM, full_scale=4095), true, art, height


def solved(capture, field):
    """Plain least squares with the light field at every pixel: (h, w, 3) normals."""
    places = np.arange(capture.height) * 1.0, np.arange(capture.width) * 1.0
    gains, directions = at_places(field, *places, capture.height, capture.width)
    y = grey_frames(capture, field.channel_weights) * gains
    matrix = np.einsum("kijc,kijd->ijcd", directions, directions)
    b = np.linalg.solve(matrix, np.einsum("kijc,kij->ijc", directions, y)[..., None])[..., 0]
    return b / np.linalg.norm(b, axis=-1, keepdims=True)


def true_normals(height):
    down, across = np.gradient(height, MM)
    normal = np.dstack([-across, down, np.ones(SHAPE)])
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


@pytest.mark.parametrize("known", ["nominal", "azimuths", "nothing"])
def test_a_card_calibrates_its_own_lights(known):
    capture, _, _, height = card_capture(2, um=40)
    azimuths = np.arange(8) * 45.0 if known == "azimuths" else None
    found = calibrate_plane(capture, nominal=LightRig.ring(8) if known == "nominal" else None, azimuths_deg=azimuths)
    assert "cannot be seen" in found.notes[0]
    normals, true = solved(capture, found.field), true_normals(height)
    error = degrees(normals, true)
    raw = degrees(solved(capture, light_field(dataclasses.replace(capture, rig=LightRig.ring(8)))), true)
    assert error.mean() < 0.9
    assert error.mean() < 0.25 * raw.mean()
    bumps = np.abs(true[..., 0]) > 0.01  # far above the bow, which is absorbed
    slope = np.polyfit(true[bumps][:, 0], normals[bumps][:, 0], 1)[0]
    assert 0.9 < slope < 1.1  # relief has its size and its sign


def test_lamps_that_moved_since_the_sheet_are_mended_by_the_card():
    true = moved_ring(seed=4)
    capture, _, _, height = card_capture(4, true=true, rig=LightRig.at(true.positions_mm), um=40)
    later = LightRig.at(true.positions_mm + np.random.default_rng(0).normal(0, 2, (8, 3)), lobe=1.0)
    phi = np.random.default_rng(4).uniform(0.8, 1.2, 8)
    sheet = render(later, albedo=np.full(SHAPE, 0.9), mm_per_px=MM, phi=phi, tilt_deg=(0.8, -0.5), gloss=0.03)
    field = light_field(dataclasses.replace(capture, flat=as_frames(sheet)))
    levelled = level_by_plane(capture, field)
    before, after = (degrees(solved(capture, each), true_normals(height)).mean() for each in (field, levelled))
    assert before > 0.5
    assert after < 0.6 * before
    assert levelled.origin == "flat field"
    # the albedo stays what the sheet made it
    assert abs(float((levelled.gains / field.gains).mean()) - 1) < 0.03


def test_azimuths_that_do_not_fit_and_black_frames_are_refused():
    capture, *_ = card_capture(0)
    with pytest.raises(CalibrationError, match="8 frames and 3 azimuths"):
        calibrate_plane(capture, azimuths_deg=[0, 120, 240])
    images = capture.images.copy()
    images[5] = 0
    with pytest.raises(CalibrationError, match="frame 6 is black"):
        calibrate_plane(dataclasses.replace(capture, images=images), nominal=LightRig.ring(8))
    even = np.random.default_rng(0).normal(120, 3, (8, 100, 100)).astype(np.uint8)
    with pytest.raises(CalibrationError, match="give azimuths_deg"):
        calibrate_plane(Capture(images=even))
    with pytest.raises(DataError, match="lit and not saturated"):
        calibrate_plane(Capture(images=np.full((8, 100, 100), 255, np.uint8)), nominal=LightRig.ring(8))


def test_a_real_coin_shows_its_relief_without_a_target(shared_data):
    capture = read_capture(shared_data / "photometric" / "coin_planar")
    single = [0, 1, 3, 7]  # the other frames have two or three lamps on
    found = calibrate_plane(Capture(images=np.ascontiguousarray(capture.images[single]), full_scale=255))
    turn = np.rad2deg(np.arctan2(found.rig.directions[:, 1], found.rig.directions[:, 0])) % 360
    assert [int(side) for side in ((turn + 90) % 360) // 180] == [0, 1, 0, 1]  # right, left, right, left


def test_a_calibration_is_kept_and_used_again(tmp_path):
    sheet, true, _ = sheet_capture(3)
    kept = as_calibration(calibrate_sheet(sheet), sheet)
    again = read_calibration(write_calibration(tmp_path / "rig", kept))
    assert again.kind == "white sheet"
    assert np.array_equal(again.field.gains, kept.field.gains)
    assert np.allclose(again.rig.positions_mm, kept.rig.positions_mm)
    assert np.allclose(again.errors, kept.errors)
    assert (again.width, again.height, again.notes) == (SHAPE[1], SHAPE[0], kept.notes)
    write_calibration(tmp_path / "rig", kept)  # a calibration may be replaced
    card, *_ = card_capture(3, true=true)
    field = apply(again, card)
    assert field.origin == "flat field"
    assert np.array_equal(field.gains, kept.field.gains)


def test_a_calibration_is_refused_where_it_does_not_fit(tmp_path):
    sheet, true, _ = sheet_capture(3)
    kept = as_calibration(calibrate_sheet(sheet), sheet)
    card, *_ = card_capture(3, true=true)
    with pytest.raises(CalibrationError, match="8 lights, and there are 7 frames"):
        apply(kept, dataclasses.replace(card, images=card.images[:7]))
    with pytest.raises(CalibrationError, match="320 x 440 pixels, the frames have 320 x 430"):
        apply(kept, dataclasses.replace(card, images=card.images[:, :430]))
    dimmed = card.images.copy()
    dimmed[2] = dimmed[2] * 0.7
    with pytest.raises(CalibrationError, match=r"light 3 is -\d+ % against"):
        apply(kept, dataclasses.replace(card, images=dimmed))
    with pytest.raises(CalibrationError, match="in the order 8, 1, 2, 3"):
        apply(kept, dataclasses.replace(card, images=np.roll(card.images, -1, axis=0)))
    with pytest.raises(CalibrationError, match="no calibration can be read"):
        read_calibration(tmp_path)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="something else"):
        write_calibration(tmp_path, kept)
    folder = write_calibration(tmp_path / "rig", kept)
    (folder / "gains.npy").write_bytes(b"not an array")
    with pytest.raises(CalibrationError, match=r"gains\.npy"):
        read_calibration(folder)


ORDERS = {
    "shifted": [1, 2, 3, 4, 5, 6, 7, 0],
    "half way round": [4, 5, 6, 7, 0, 1, 2, 3],
    "reversed": [0, 7, 6, 5, 4, 3, 2, 1],
    "two exchanged": [0, 1, 2, 4, 3, 5, 6, 7],
    "two pairs exchanged": [1, 0, 2, 3, 4, 6, 5, 7],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_wrong_order_is_found_and_named(order):
    sheet, true, _ = sheet_capture(5, by_mm=3)
    card, *_ = card_capture(5, true=true, rig=LightRig.ring(8))
    flat = dataclasses.replace(card, flat=sheet.images)
    field = light_field(flat)
    assert find_order(flat, field) is None
    shuffled = dataclasses.replace(flat, images=np.ascontiguousarray(flat.images[order]))
    assert find_order(shuffled, field) == tuple(np.argsort(order))


@pytest.mark.parametrize("name", ["diligent_ball", "diligent_reading"])
def test_the_order_of_real_objects_is_right_and_a_shift_is_found(shared_data, name):
    capture = read_capture(shared_data / "photometric" / name)
    assert find_order(capture, light_field(capture)) is None
    ring = dataclasses.replace(
        capture,
        images=np.roll(capture.images[:8], -1, axis=0),
        names=(),
        rig=LightRig(directions=capture.rig.directions[:8], intensities=capture.rig.intensities[:8]),
    )
    assert find_order(ring, light_field(ring)) == (7, 0, 1, 2, 3, 4, 5, 6)


def dome(lights=8):
    """A smooth dome under far lights of one zenith: a shift of its frames leaves no residual at all."""
    rig = LightRig(directions=LightRig.ring(lights).directions, intensities=np.ones(lights))
    y, x = np.mgrid[:120, :160]
    p, q = 0.006 * (x - 70), 0.008 * (55 - y)
    normal = np.dstack([p, q, np.ones(p.shape)])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    seen = np.clip(normal @ rig.directions.T, 0, None).transpose(2, 0, 1) * 0.8
    seen += np.random.default_rng(0).normal(0, 0.002, seen.shape)
    return Capture(images=seen.astype(np.float32), rig=rig)


def test_a_shift_that_leaves_no_residual_is_found_by_the_curl():
    capture = dome()
    field = light_field(capture)
    assert find_order(capture, field) is None
    turned = dataclasses.replace(capture, images=np.roll(capture.images, -1, axis=0))
    assert find_order(turned, field) == (7, 0, 1, 2, 3, 4, 5, 6)
