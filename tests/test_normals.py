"""From frames to a measured surface on disk, through the library and the command line."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rcg.errors import CalibrationError, Cancelled, ConfigError, DataError
from rcg.images import read_image
from rcg.normals import measure_surface, read_plane, read_surface, solve_surface
from rcg.photometric import calibrate_plane, read_capture, write_calibration
from rcg.photometric.calibrate import as_calibration
from rcg.photometric.types import Capture, LightRig, SurfaceDefect
from rcg.photometric.writing import write_capture
from rcg.relight import pack, write_relight_page
from rcg.surface_dataset import add_defects, frames_folder
from rcg.synthetic.plain import Dent, Scratch, plain_surface
from rcg.synthetic.rig import render_capture
from rcg.synthetic.rig_model import View
from rcg.workspace import Workspace

MM = 0.04
SCRATCH = Scratch(points_mm=((4, 5), (13, 8)), width_um=60, depth_um=5)
DENT = Dent(at_mm=(12, 17), width_mm=1.0, depth_um=20)


@pytest.fixture(scope="module")
def shot():
    surface = plain_surface(
        np.random.default_rng(4), size_mm=(18, 24), px_per_mm=1 / MM, finish="gloss", relief=(SCRATCH, DENT)
    )
    return render_capture(surface, np.random.default_rng(4), view=View(mm_per_px=MM, rotation_deg=0.0))


@pytest.fixture(scope="module")
def frames(shot, tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("rig") / "card_7_front", shot.capture)


@pytest.fixture(scope="module")
def told(frames, tmp_path_factory):
    return measure_surface(frames, tmp_path_factory.mktemp("out") / "surface")


def test_every_file_is_there_finite_and_of_the_frames_size(told, shot):
    size = shot.capture.images.shape[1:3]
    for name in ("height", "confidence", "albedo", "gloss", "slope_sd"):
        plane = read_plane(told.out, name)
        assert plane.shape == size
        assert np.isfinite(plane).all(), name
    assert read_plane(told.out, "confidence").max() <= 1
    for name in ("normals", "albedo", "height", "defects", "confidence"):
        assert read_image(told.out / f"{name}.png").shape == (*size, 3)


def test_the_normals_are_those_of_the_surface(told, shot):
    normals = np.asarray(read_plane(told.out, "normals"))
    inside = shot.truth.card.copy()
    inside[:25] = inside[-25:] = False
    inside[:, :25] = inside[:, -25:] = False
    off = np.degrees(np.arccos(np.clip((normals * shot.truth.normals).sum(axis=2), -1, 1)))
    assert off[inside].mean() < 1.5


def test_the_defects_lie_where_they_were_made(told, shot):
    """Each mark is covered by a find of its kind, whose depth goes down."""
    for wanted, at in (("scratch", (8.5, 6.5)), ("dent", DENT.at_mm)):
        (x, y), *_ = shot.truth.to_px(np.array([at]))
        near = [
            each for each in told.defects
            if each.label in (wanted, "crease") and _within(each, x, y, margin=10)
        ]  # fmt: skip
        assert near, f"no {wanted} at {x:.0f}, {y:.0f} among {[each.label for each in told.defects]}"
        assert near[0].height_um < 0
    file = json.loads((told.out / "defects.json").read_text())
    assert len(file["defects"]) == len(told.defects)
    keys = {"label", "polygon", "length_mm", "width_mm", "height_um", "height_sigma_um", "confidence", "unreliable"}
    assert keys | {"origin"} <= file["defects"][0].keys()


def _within(defect, x, y, *, margin):
    ring = np.array(defect.polygon)
    (left, top), (right, bottom) = ring.min(axis=0) - margin, ring.max(axis=0) + margin
    return left <= x <= right and top <= y <= bottom


def test_the_report_tells_what_was_read_and_is_read_again(told, frames):
    again = read_surface(told.out)
    assert again.defects == told.defects
    assert json.dumps(again.values(), sort_keys=True) == json.dumps(told.values(), sort_keys=True)
    assert again.light_field == "flat field"
    assert again.frames == frames
    assert len(again.shifts_px) == again.lights == 8
    assert 0.3 < again.residual["median"] < 3
    assert {"reading", "solving", "defects", "writing"} <= again.seconds.keys()
    assert again.versions["numpy"] == np.__version__


def test_a_repeated_call_replaces_and_other_files_are_never_touched(frames, tmp_path):
    out = tmp_path / "surface"
    measure_surface(frames, out)
    measure_surface(frames, out, method="least-squares")
    assert read_surface(out).method == "least-squares"
    assert [each.name for each in tmp_path.iterdir()] == ["surface"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds other files, such as notes\.txt"):
        measure_surface(frames, out)
    assert read_surface(out).method == "least-squares"
    with pytest.raises(DataError, match="holds other files"):
        measure_surface(frames, frames.parent)
    with pytest.raises(ConfigError, match="no method 'magic'"):
        measure_surface(frames, tmp_path / "b", method="magic")


def test_cancelled_in_the_middle_it_leaves_what_was_there(frames, told, tmp_path):
    def stop(tick):
        if tick.task == "surface" and tick.note == "writing":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        measure_surface(frames, tmp_path / "surface", report=stop)
    assert list(tmp_path.iterdir()) == []


def test_without_the_size_of_a_pixel_it_says_what_is_missing(shot, tmp_path):
    found = solve_surface(replace(shot.capture, mm_per_px=None, rig=None))
    assert found.defects == ()
    assert any("--px-mm" in note for note in found.notes)
    assert any("found from the card" in note for note in found.notes)
    assert np.isfinite(found.height).all()


def test_an_object_in_the_round_keeps_its_shape_and_is_not_taken_for_print():
    rows, columns = np.mgrid[:120, :120]
    x, y = (columns - 59.5) / 55, (59.5 - rows) / 55
    mask = x**2 + y**2 < 0.8
    up = np.sqrt(np.where(mask, 1 - x**2 - y**2, 1))
    normals = np.dstack([np.where(mask, x, 0), np.where(mask, y, 0), up])
    rig = LightRig.ring(8, radius_mm=100, height_mm=250)
    lit = np.maximum(np.einsum("kc,hwc->khw", rig.directions, normals), 0) * (0.5 + 0.2 * np.sin(columns / 7))
    far = LightRig(directions=rig.directions)
    found = solve_surface(Capture(images=(lit * 200).astype(np.uint8), rig=far, mask=mask))
    assert found.leak is None
    truth = np.sqrt(np.maximum(1 - x**2 - y**2, 0)) * 55
    off = found.height - truth
    assert np.std(off[mask]) < 1.0, "pixels, on a ball of 55"


def test_a_calibration_that_does_not_fit_is_refused(frames, shot, tmp_path):
    kept = write_calibration(tmp_path / "kept", as_calibration(calibrate_plane(shot.capture), shot.capture))
    small = write_capture(tmp_path / "small", _cropped(shot.capture))
    with pytest.raises(CalibrationError, match="pixels"):
        measure_surface(small, tmp_path / "out", calibration=kept)
    assert not (tmp_path / "out").exists()


def _cropped(capture):
    part = (slice(None), slice(0, 300), slice(0, 300))
    return replace(capture, images=capture.images[part].copy(), flat=None, dark=None, mask=None)


def test_the_command_line_prints_one_json_line_and_says_how_to_mend(frames, tmp_path):
    done = _rcg("normals", frames, tmp_path / "out", "--px-mm", "0.04", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["lights"] == 8
    assert facts["mm_per_px"] == 0.04
    assert facts["defects"]
    assert "surface: 7/7" in done.stderr
    wrong = _rcg("normals", tmp_path / "nowhere", tmp_path / "out2", "--json", "--workspace", tmp_path / "ws")
    assert wrong.returncode == 2
    assert "DATASET/CARD" in json.loads(wrong.stdout.splitlines()[-1])["error"]["fix"]


def _rcg(*words):
    command = [sys.executable, "-m", "rcg", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])


def test_defects_go_into_a_dataset_beside_those_of_other_cards(told, frames, tmp_path):
    ws = Workspace(tmp_path / "ws")
    data = ws.create("cards", type="surface_damage")
    add_defects(told.out, data)
    add_defects(told.out, data, card="another")
    add_defects(told.out, data)
    data = ws.dataset("cards")
    records = data.records("predictions", name="photometric")
    with_marks = {each.file_name: len(each.annotations) for each in records if each.annotations}
    assert with_marks == dict.fromkeys(("another_capture.png", "card_7_front_capture.png"), len(told.defects))
    place = data.path / "captures" / "card_1"
    place.mkdir(parents=True)
    assert frames_folder("cards/card_1", ws) == place
    with pytest.raises(DataError, match="no capture 'card_9'"):
        frames_folder("cards/card_9", ws)


def test_packed_normals_lose_less_than_a_hundredth_of_a_degree(shot):
    packed = pack(shot.truth.normals, np.zeros((*shot.truth.card.shape, 3), np.uint8))
    high, low = (_decoded(each) for each in (packed.high, packed.low))
    found = (256.0 * high[..., :2] + low[..., :2]) / 32767.5 - 1
    assert np.abs(found - shot.truth.normals[..., :2]).max() < np.radians(0.01)


def _decoded(png):
    return np.asarray(Image.open(io.BytesIO(png))).astype(float)


def test_a_page_of_a_large_card_stays_small_and_escapes_its_title(tmp_path):
    rng = np.random.default_rng(0)
    normals = np.dstack([rng.normal(0, 0.01, (4000, 3000)), rng.normal(0, 0.01, (4000, 3000)), np.ones((4000, 3000))])
    colour = np.full((4000, 3000, 3), 90, np.uint8)
    ring = ((10.0, 10.0), (90.0, 10.0), (90.0, 90.0))
    mark = SurfaceDefect(
        label="dent", polygon=ring, length_mm=1, width_mm=1, height_um=-5, height_sigma_um=1, confidence=0.9
    )
    path = write_relight_page(tmp_path / "a.html", normals.astype(np.float32), colour, defects=[mark], title="<b>1")
    text = path.read_text()
    assert len(text) < 25e6
    assert "&lt;b&gt;1" in text
    assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched"
    assert '"shown":[1536,2048]' in text


def test_the_names_of_photometric_stereo_load_when_they_are_used():
    code = (
        "import sys, rcg; from rcg import photometric; before = {'numba', 'cv2', 'PIL'} & set(sys.modules);"
        "print(sorted(before), callable(rcg.photometric.solve_normals), callable(rcg.photometric.find_defects))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True True"


def test_frames_of_a_mirror_are_not_taken_for_a_surface(shared_data):
    told = solve_surface(read_capture(shared_data / "photometric" / "chrome_sphere"))
    assert any("mirror ball" in note for note in told.notes)
