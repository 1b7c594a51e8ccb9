"""The rig renderer against formulas, and its truth against a plain least-squares solver."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from rcg.errors import CalibrationError, ConfigError
from rcg.photometric.types import LightRig
from rcg.synthetic.plain import FINISHES, Crease, Dent, RollerLine, Scratch, plain_surface
from rcg.synthetic.rig import exposed, render_capture, render_sheet
from rcg.synthetic.rig_ball import render_ball
from rcg.synthetic.rig_model import RigModel, Sensor, SheetModel, View
from rcg.synthetic.shading import kernel, normal_table

STILL = Sensor(bits=16, noise=False, psf_px=0, shift_px=0, offset=0)
LEVEL = View(rotation_deg=0.0, offset_mm=(0.0, 0.0), margin_mm=0.5)
MARKS = (
    Dent(at_mm=(3, 3), width_mm=1, depth_um=15),
    Scratch(points_mm=((2, 5), (8, 4))),
    Crease(points_mm=((7, 1), (9, 5))),
    RollerLine(at_mm=5.5),
)


def small(finish="matte", *, size=(10.0, 7.0), px=20.0, seed=3, **options):
    return plain_surface(np.random.default_rng(seed), finish=finish, size_mm=size, px_per_mm=px, **options)


def plane(shape, mm_per_px):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return np.stack([(x - (shape[1] - 1) / 2) * mm_per_px, ((shape[0] - 1) / 2 - y) * mm_per_px, 0 * x], axis=2)


def towards(positions, shape, mm_per_px):
    way = positions[:, None, None] - plane(shape, mm_per_px)
    distance = np.linalg.norm(way, axis=3)
    return way / distance[..., None], distance


def solved(values, directions):
    """Plain least squares: (k, h, w) albedo * (l . n), (k, h, w, 3) to normals and albedo."""
    square = np.einsum("khwi,khwj->hwij", directions, directions)
    b = np.linalg.solve(square, np.einsum("khwi,khw->hwi", directions, values)[..., None])[..., 0]
    albedo = np.linalg.norm(b, axis=2)
    return b / albedo[..., None], albedo


def angle(a, b):
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))


def lit_alone(surface, rig):
    shot = render_capture(surface, np.random.default_rng(1), rig=rig, sensor=STILL, flat=False, view=LEVEL)
    return shot.capture.images.astype(float), shot


def test_a_white_plane_follows_lambert_the_inverse_square_the_lobe_and_the_lens():
    rig = RigModel.exact(LightRig.ring(8, lobe=1.3), vignetting=0.8, specular=0.0)
    frames, shot = lit_alone(small(print=False, peel_um=0, size=(40.0, 30.0), px=4.0), rig)
    directions, distance = towards(rig.positions_mm, frames.shape[1:], shot.capture.mm_per_px)
    axes = -np.einsum("khwi,ki->khw", directions, rig.axes)
    far = np.linalg.norm(plane(frames.shape[1:], shot.capture.mm_per_px) - rig.camera_mm, axis=2)
    lens = 1 - 0.8 * (1 - (500 / far) ** 4)
    expected = directions[..., 2] * axes**1.3 / distance**2 * lens
    card = shot.truth.card
    ratio = (frames / expected)[:, card]
    assert np.ptp(ratio) / ratio.mean() < 2e-4  # half a step of 16 bits, of the darkest


def test_far_lights_leave_a_plane_even_and_the_brightest_white_lies_where_asked():
    rig = RigModel.exact(LightRig.ring(6, radius_mm=1e5, height_mm=1e5), camera_mm=1e6, specular=0.0)
    frames, shot = lit_alone(small(print=False, peel_um=0), rig)
    card = frames[:, shot.truth.card]
    assert np.ptp(card) / card.mean() < 5e-4
    white = shot.truth.albedo[shot.truth.card].mean()
    assert card.max() == pytest.approx(0.7 * 65535 * white, rel=1e-3)


@pytest.mark.parametrize("printed", [False, True])
def test_solving_a_matte_render_finds_the_true_normals(printed):
    ring = LightRig.ring(8, lobe=1.3)
    rig = RigModel.exact(ring, vignetting=0.8, specular=0.0)
    surface = small(size=(8.0, 6.0), px=46.5, relief=MARKS, print=printed)
    view = View(rotation_deg=0.7, margin_mm=0.5)
    shot = render_capture(surface, np.random.default_rng(1), rig=rig, sensor=STILL, sheet=SheetModel.ideal(), view=view)
    capture, truth = shot.capture, shot.truth
    directions, _ = towards(ring.positions_mm, capture.images.shape[1:], capture.mm_per_px)
    normals, albedo = solved(capture.images / capture.flat * directions[..., 2], directions)
    errors = angle(normals, truth.normals)[truth.card]
    assert np.percentile(errors, 99) < 0.1
    assert angle(truth.normals, np.array([0, 0, 1]))[truth.card].max() > 2  # the marks are there to be found
    assert np.median(np.abs(albedo - truth.albedo)[truth.card]) < 1e-3


def test_normals_are_the_slopes_of_the_height_map():
    marks = [Dent(at_mm=(4.02, 3.02), width_mm=2, depth_um=20)]
    surface = small(size=(8.0, 6.0), print=False, peel_um=0, relief=marks)
    truth = render_capture(surface, np.random.default_rng(0), sensor=STILL, view=LEVEL, flat=False).truth
    step = surface.mm_per_px * 1000
    right, up = np.gradient(truth.height_um, axis=1) / step, -np.gradient(truth.height_um, axis=0) / step
    inner = (slice(15, -15), slice(15, -15))
    assert np.abs(-truth.normals[..., 0] / truth.normals[..., 2] - right)[inner].max() < 1e-3
    assert np.abs(-truth.normals[..., 1] / truth.normals[..., 2] - up)[inner].max() < 1e-3
    x, y = truth.to_px([(4.02, 3.02)])[0]
    assert np.unravel_index(truth.height_um.argmin(), truth.height_um.shape) == (int(y), int(x))
    assert truth.height_um.min() == pytest.approx(-20, abs=0.3)


def test_a_finer_surface_keeps_the_slopes_of_a_narrow_scratch():
    course = ((2.0, 3.0), (6.0, 3.0))
    fine, even = (
        small(size=(8.0, 6.0), px=px, print=False, peel_um=0, relief=[Scratch(points_mm=course)]) for px in (93.0, 46.5)
    )
    view = View(mm_per_px=1 / 46.5, rotation_deg=0.0, offset_mm=(0.0, 0.0))
    truths = [
        render_capture(surface, np.random.default_rng(0), sensor=STILL, view=view, flat=False).truth
        for surface in (fine, even)
    ]
    x, y = (int(v) for v in truths[0].to_px([(4.0, 3.0)])[0])
    across = [truth.normals[y - 4 : y + 5, x, 1] for truth in truths]
    # the mean slope of a pixel is the difference of the heights at its edges, which the profile gives exactly
    edges = (np.arange(-4.0, 6.0) + y - truths[0].to_px([(4.0, 3.0)])[0, 1]) / 46.5
    spread = 0.030 / 2.355

    def profile(d):
        return 2 * (0.3 * (g(d - 3 * spread) + g(d + 3 * spread)) - g(d))

    def g(d):
        return np.exp(-0.5 * (d / spread) ** 2)

    slope = np.diff(profile(edges)) / (1000 / 46.5)
    assert np.abs(slope).max() > 0.02
    errors = [np.abs(found - slope).max() for found in across]
    assert errors[0] < 0.12 * np.abs(slope).max()
    assert errors[0] <= errors[1]


def test_steep_relief_casts_a_shadow_away_from_the_light():
    surface = small(print=False, peel_um=0)
    height = surface.height_um.copy()
    height[:, 90:93] = 400  # a wall of 0.4 mm, three pixels wide
    walled = replace(surface, height_um=height)
    rig = RigModel.exact(LightRig.ring(4), specular=0.0)
    frames, shot = lit_alone(walled, rig)
    row, wall = frames.shape[1] // 2, int(shot.truth.to_px([(92 * walled.mm_per_px, 1)])[0, 0])
    left, right = frames[:, row, wall - 6], frames[:, row, wall + 6]
    assert left[0] == 0  # light 1 comes from the right
    assert right[2] == 0  # light 3 from the left
    assert left[2] > 1000
    assert right[0] > 1000
    assert frames[0, row, wall - 12] > 1000  # 45 degrees: no longer than the wall is high, 8 pixels


def test_gloss_shines_towards_the_camera_and_matte_does_not():
    rig = RigModel.exact(LightRig.at([(0, 30, 500), (30, 0, 500), (300, 0, 300)]), camera_mm=500)
    peaks = {}
    for finish in FINISHES:
        frames, shot = lit_alone(small(finish, print=False, peel_um=0), rig)
        peaks[finish] = frames[0, shot.truth.card].mean() / shot.truth.albedo[shot.truth.card].mean()
        assert shot.truth.foil.any() == (finish == "foil")
    assert peaks["gloss"] > 1.2 * peaks["satin"] > 1.2 * peaks["matte"]


def test_brushed_foil_spreads_its_light_across_the_brush():
    places = [(120, 0, 300), (0, 120, 300), (-120, 0, 300), (0, -120, 300)]
    rig = RigModel.exact(LightRig.at(places))
    brushed = replace(LEVEL, brush=(0.0, 0.7))
    surface = small("foil", print=False, peel_um=0)
    shot = render_capture(surface, np.random.default_rng(1), rig=rig, sensor=STILL, flat=False, view=brushed)
    along, across = (shot.capture.images[i, shot.truth.foil].astype(float).mean() for i in (0, 1))
    assert along > 1.5 * across  # alpha is larger along the given direction


def test_the_noise_has_the_variance_that_is_told():
    sensor = Sensor(bits=12)
    a, b = sensor.variance
    for level in (0.0, 50.0, 1000.0, 2500.0):
        values = exposed(np.full(400_000, level, np.float32), sensor, 11).astype(float)
        assert values.mean() == pytest.approx(level + sensor.offset * 4095, abs=0.05)
        assert values.var() == pytest.approx(a * level + b, rel=0.02)
    shots = exposed(np.full(400_000, 1000, np.float32), sensor, 11, shots=4) / 4
    assert shots.var() == pytest.approx((a * 1000 + b) / 4, rel=0.02)
    table = normal_table()
    assert table.mean() == 0
    assert (table.astype(float) ** 2).mean() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("colour", [False, True])
def test_frames_have_the_form_asked_for(bits, colour):
    sensor = Sensor(bits=bits, colour=colour)
    shot = render_capture(small("gloss"), np.random.default_rng(5), sensor=sensor)
    capture, truth = shot.capture, shot.truth
    shape = truth.normals.shape[:2]
    assert capture.images.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert capture.images.shape == (8, *shape, *((3,) if colour else ()))
    assert truth.albedo.shape == (*shape, *((3,) if colour else ()))
    assert capture.full_scale == 2**bits - 1
    assert 0.3 < capture.images.max() / capture.full_scale <= 1
    assert capture.flat.shape == (8, *shape)
    assert capture.flat.max() == pytest.approx(0.7 * capture.full_scale, rel=0.2)
    off = np.linalg.norm(capture.rig.positions_mm - truth.rig.positions_mm, axis=1)
    assert ((off >= 1) & (off <= 3)).all()


@pytest.mark.parametrize("psf", [0.4, 0.8])
def test_frames_are_displaced_by_what_is_told(psf):
    rig = RigModel.exact(LightRig.ring(8), specular=0.0)
    surface = small("matte", peel_um=0, size=(9.0, 6.0))
    sensor = replace(STILL, psf_px=psf, shift_px=1.0)
    moved = render_capture(surface, np.random.default_rng(2), rig=rig, sensor=sensor, view=LEVEL, flat=False)
    still = render_capture(
        surface, np.random.default_rng(2), rig=rig, sensor=replace(sensor, shift_px=0), view=LEVEL, flat=False
    )
    shifts = moved.truth.shifts_px
    assert shifts[0].tolist() == [0, 0]
    assert (np.hypot(*shifts[1:].T) > 0.1).all()
    assert np.array_equal(moved.capture.images[0], still.capture.images[0])
    for i in range(1, 8):
        a, b = (shot.capture.images[i].astype(float) for shot in (moved, still))
        # the card's centre of mass over the dark table moves with the frame
        y, x = np.mgrid[: a.shape[0], : a.shape[1]]
        a, b = a - a[0, 0], b - b[0, 0]
        found = [(a * axis).sum() / a.sum() - (b * axis).sum() / b.sum() for axis in (x, y)]
        assert found == pytest.approx(shifts[i].tolist(), abs=0.03)


def test_the_point_spread_has_its_width_and_displaces_nothing():
    for spread, box in ((0.3, 0.0), (0.6, 0.0), (1.2, 1.7), (2.4, 3.9)):
        weights = kernel(spread, box).astype(float)
        taps = np.arange(weights.shape[1]) - weights.shape[1] // 2
        assert weights.sum(axis=1) == pytest.approx(np.ones(257), abs=1e-5)
        assert weights @ taps == pytest.approx(np.arange(257) / 256, abs=1e-4)
        if spread > 0.5:
            wide = weights @ taps**2 - (weights @ taps) ** 2
            assert wide == pytest.approx(np.full(257, spread**2 + box**2 / 12), rel=0.08)


def test_the_card_lies_where_the_truth_says():
    surface = small("matte", print=False, size=(10.0, 7.0))
    view = View(rotation_deg=1.0, margin_mm=1.5)
    shot = render_capture(surface, np.random.default_rng(9), sensor=STILL, view=view, flat=False)
    seen = shot.truth.coverage
    quad = np.array(shot.truth.card_quad)
    rows, columns = np.mgrid[: seen.shape[0], : seen.shape[1]] + 0.5
    middle = [(seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()]
    assert middle == pytest.approx(quad.mean(axis=0).tolist(), abs=0.02)
    x, y = quad.T
    area = 0.5 * abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    assert seen.sum() == pytest.approx(area, rel=2e-3)
    top = quad[1] - quad[0]
    assert np.degrees(np.arctan2(-top[1], top[0])) == pytest.approx(1.0, abs=1e-6)
    bright = shot.capture.images.astype(float).mean(axis=0)
    # the picture shows the card there too: half of its brightness along the edge
    edge = (quad[0] + quad[1]) / 2
    column = bright[: int(edge[1]) + 12, int(edge[0])]
    step = np.interp(0.5 * (column[0] + column[-1]), np.sort(column), np.arange(len(column)) + 0.5)
    assert step == pytest.approx(edge[1], abs=0.4)


def test_the_flat_field_is_another_world_than_the_cards():
    rng = np.random.default_rng(4)
    rig = RigModel.draw(rng)
    tilted = SheetModel(tilt_deg=(0.8, 0.0), specular=0, fibre=0, shots=64)
    level = replace(tilted, tilt_deg=(0.0, 0.0))
    flats = [
        render_capture(small(print=False), np.random.default_rng(4), rig=rig, sensor=Sensor(), sheet=s).capture.flat
        for s in (tilted, level)
    ]
    ratio = (flats[0] / flats[1]).mean(axis=(1, 2))
    directions = rig.positions_mm / np.linalg.norm(rig.positions_mm, axis=1, keepdims=True)
    expected = 1 - np.tan(np.radians(0.8)) * directions[:, 0] / directions[:, 2]
    assert ratio == pytest.approx(expected, abs=2e-3)
    drawn = SheetModel.draw(rng)
    assert 0.2 <= np.hypot(*drawn.tilt_deg) <= 1.0
    moved = np.linalg.norm(rig.moved(rng, drawn.moved_mm).positions_mm - rig.positions_mm, axis=1)
    assert ((moved >= 1) & (moved <= 3)).all()


def test_a_sheet_fills_its_frames():
    rig = RigModel.draw(np.random.default_rng(6))
    capture = render_sheet(np.random.default_rng(6), rig, size_px=(60, 80), mm_per_px=0.5, sheet=SheetModel.ideal())
    assert capture.images.shape == (8, 60, 80)
    values = capture.images - capture.dark
    directions, distance = towards(rig.positions_mm, (60, 80), 0.5)
    expected = directions[..., 2] / distance**2 * rig.gains.mean(axis=1)[:, None, None]
    ratio = values / expected
    ratio /= ratio.mean(axis=(1, 2), keepdims=True)
    assert np.abs(np.median(ratio, axis=0) - 1).max() < 0.1  # the lobe, the lens, and noise remain
    assert values.max() == pytest.approx(0.7 * 4095, rel=0.1)


def test_the_balls_reflections_lie_where_the_mirror_law_puts_them():
    rig = RigModel.draw(np.random.default_rng(8))
    ball = render_ball(np.random.default_rng(8), rig, sensor=Sensor(bits=16), mm_per_px=0.1)
    x0, y0, radius = ball.circle
    for frame, (x, y), place in zip(ball.capture.images, ball.highlights, rig.positions_mm, strict=True):
        column, row = round(x), round(y)
        part = frame[row - 6 : row + 7, column - 6 : column + 7].astype(float)
        part = np.clip(part - 0.3 * part.max(), 0, None)
        rows, columns = np.mgrid[row - 6 : row + 7, column - 6 : column + 7]
        assert (part * columns).sum() / part.sum() == pytest.approx(x, abs=0.1)
        assert (part * rows).sum() / part.sum() == pytest.approx(y, abs=0.1)
        # l = 2 (n . v) n - v, with the ball seen from so far that the rays are nearly parallel
        flat = np.array([x - x0, y0 - y]) / radius
        normal = np.array([*flat, np.sqrt(1 - flat @ flat)])
        direction = 2 * normal[2] * normal - (0, 0, 1)
        assert angle(direction, place / np.linalg.norm(place)) < 2.5
    assert ball.capture.mask.sum() == pytest.approx(np.pi * radius**2, rel=0.01)


def test_bad_arguments_say_how_to_mend_them():
    with pytest.raises(ConfigError, match="10 bits"):
        Sensor(bits=10)
    with pytest.raises(ConfigError, match="finish 'shiny'"):
        small("shiny")
    with pytest.raises(CalibrationError, match="places"):
        RigModel.exact(LightRig(directions=np.eye(3) + 0.1))
    with pytest.raises(ConfigError, match="ball"):
        render_ball(np.random.default_rng(0), RigModel.draw(np.random.default_rng(0)), mm_per_px=5)


RENDER = """
import hashlib, numpy as np
from rcg.synthetic.plain import Crease, Scratch, plain_surface
from rcg.synthetic.rig import render_capture
from rcg.synthetic.rig_ball import render_ball
from rcg.synthetic.rig_model import Sensor
rng = np.random.default_rng(21)
marks = [Scratch(points_mm=((2, 2), (9, 6))), Crease(points_mm=((8, 1), (9, 6)))]
surface = plain_surface(rng, size_mm=(10, 7), px_per_mm=30, finish="foil", relief=marks)
shot = render_capture(surface, rng, sensor=Sensor(colour=True))
ball = render_ball(rng, shot.truth.rig, mm_per_px=0.2)
digest = hashlib.sha256()
for part in (shot.capture.images, shot.capture.flat, shot.capture.dark, shot.truth.normals, shot.truth.height_um,
             shot.truth.albedo, ball.capture.images):
    digest.update(np.ascontiguousarray(part).tobytes())
digest.update(repr((shot.truth.card_quad, shot.truth.rig.positions_mm.tolist())).encode())
"""


def digest_here():
    names = {}
    exec(RENDER, names)
    return names["digest"].hexdigest()


def test_the_same_seed_gives_the_same_bytes_on_any_processor():
    generic = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "OPENCV_CPU_DISABLE": "AVX2,AVX512F,FMA3",
        "OPENBLAS_CORETYPE": "Prescott",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-FMA,-FMA4,-AVX",
    }
    code = RENDER + "print(digest.hexdigest())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **generic}
    )
    first = digest_here()
    assert first == digest_here()
    assert done.stdout.strip() == first
