"""Reading and writing the folder of a capture."""

import dataclasses

import cv2
import numpy as np
import pytest

from rcg.errors import CalibrationError, ConfigError, DataError, FormatError
from rcg.photometric import Capture, LightRig
from rcg.photometric.field import grey_frames, irradiance, light_field, plane_points
from rcg.photometric.reading import read_capture, read_rig
from rcg.photometric.writing import write_capture, write_rig


def frames(lights=8, shape=(40, 60), dtype=np.uint8, seed=0):
    top = {np.uint8: 256, np.uint16: 65536}.get(dtype)
    rng = np.random.default_rng(seed)
    return rng.random((lights, *shape), np.float32) if top is None else rng.integers(0, top, (lights, *shape), dtype)


def save(folder, images, names=None, ending=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(images):
        name = names[index] if names else f"frame_{index + 1}{ending}"
        blue_first = frame[..., ::-1] if frame.ndim == 3 else frame
        assert cv2.imwrite(str(folder / name), blue_first)
    return folder


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_a_written_capture_reads_the_same(tmp_path, dtype, colour):
    shape = (40, 60, 3) if colour else (40, 60)
    mask = np.zeros((40, 60), bool)
    mask[5:30, 10:50] = True
    told = Capture(
        images=frames(8, shape, dtype),
        rig=dataclasses.replace(LightRig.ring(8, lobe=1.5), intensities=np.linspace(1, 2, 8)),
        mask=mask,
        mm_per_px=0.0215,
        noise=(0.02, 1.5),
        flat=frames(8, (40, 60), dtype, seed=1),
        dark=frames(1, (40, 60), np.float32)[0] * (1 if dtype != np.float32 else 0.1),
    )
    got = read_capture(write_capture(tmp_path / "card", told))
    assert got.images.dtype == dtype
    assert np.array_equal(got.images, told.images)
    assert np.array_equal(got.mask, mask)
    assert np.allclose(got.rig.positions_mm, told.rig.positions_mm)
    assert np.array_equal(got.rig.intensities, told.rig.intensities)
    assert (got.rig.lobe, got.mm_per_px, got.noise, got.full_scale) == (1.5, 0.0215, (0.02, 1.5), told.full_scale)
    assert np.allclose(got.dark, told.dark)
    assert np.allclose(got.flat, told.flat, atol=1e-6)


def test_a_capture_goes_only_into_an_empty_folder(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="not empty"):
        write_capture(tmp_path, Capture(images=frames()))


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    images = frames(12)
    assert np.array_equal(read_capture(save(tmp_path / "a", images)).images, images)


def test_the_order_of_filenames_txt_and_of_rig_toml_goes_before_the_names(tmp_path):
    images = frames(3)
    folder = save(tmp_path / "a", images, ["b.png", "c.png", "a.png"])
    (folder / "filenames.txt").write_text("b.png\nc.png\na.png\n")
    assert np.array_equal(read_capture(folder).images, images)
    (folder / "filenames.txt").unlink()
    assert not np.array_equal(read_capture(folder).images, images)
    write_rig(folder / "rig.toml", None, frames=("b.png", "c.png", "a.png"))
    assert np.array_equal(read_capture(folder).images, images)


def test_files_that_are_no_frames_are_passed_over(tmp_path):
    images = frames(8)
    folder = save(tmp_path / "a", images)
    for name in ("normals.png", "Normal_gt.png", "albedo.png", "preview_1.png", "mask.png", "._frame_1.png"):
        assert cv2.imwrite(str(folder / "x.png"), images[0] // 2)
        (folder / "x.png").rename(folder / name)
    np.save(folder / "normals.npy", np.zeros((40, 60, 3)))
    (folder / "Normal_gt.mat").write_bytes(b"x")
    for index in range(8):
        cv2.imwrite(str(folder / f"frame_{index + 1}.jpg"), images[index])
    got = read_capture(folder)
    assert np.array_equal(got.images, images)
    assert any("previews" in note for note in got.notes)


def test_colour_keeps_its_channels_and_grey_in_colour_files_becomes_grey(tmp_path):
    colour = frames(3, (20, 30, 3), np.uint16)
    assert np.array_equal(read_capture(save(tmp_path / "a", colour)).images, colour)
    grey = np.repeat(frames(3, (20, 30), np.uint16)[..., None], 3, axis=-1)
    assert read_capture(save(tmp_path / "b", grey)).images.shape == (3, 20, 30)
    mixed = np.concatenate([grey[:2], colour[:1]])
    assert np.array_equal(read_capture(save(tmp_path / "c", mixed)).images, mixed)


def test_twelve_bits_in_sixteen_are_recognised_or_said(tmp_path):
    images = frames(3, dtype=np.uint16) >> 4
    got = read_capture(save(tmp_path / "low", images, ending=".tif"))
    assert got.full_scale == 4095
    assert "12 bit" in got.notes[0]
    assert read_capture(save(tmp_path / "high", images << 4)).full_scale == 65520
    folder = save(tmp_path / "told", images >> 2)
    (folder / "rig.toml").write_text("[rig]\nbits = 10\n")
    assert read_capture(folder).full_scale == 1023
    (folder / "rig.toml").write_text("[rig]\nbits = 8\n")
    assert read_capture(folder).full_scale == 255 * 256
    assert read_capture(save(tmp_path / "full", frames(3, dtype=np.uint16))).full_scale == 65535


def test_jpeg_is_made_linear_and_warned_of(tmp_path):
    half = np.full((32, 32), 188, np.uint8)  # sRGB 188 is half of the light
    images = np.stack([half, half - 60, half + 40])
    got = read_capture(save(tmp_path / "a", images, ending=".jpg"))
    assert "JPEG" in got.notes[0]
    assert abs(float(got.images[0].mean()) / got.full_scale - 0.503) < 0.003


def test_arrays_are_frames_too(tmp_path):
    images = frames(5, dtype=np.float32)
    (tmp_path / "one").mkdir()
    np.save(tmp_path / "one" / "stack.npy", images)
    assert np.array_equal(read_capture(tmp_path / "one").images, images)
    (tmp_path / "many").mkdir()
    for index, frame in enumerate(images):
        np.save(tmp_path / "many" / f"f{index}.npy", frame.astype(np.float64))
    assert np.array_equal(read_capture(tmp_path / "many").images, images)


def test_lights_of_text_files_are_read(tmp_path):
    rig = LightRig.ring(3)
    folder = save(tmp_path / "a", frames(3))
    lines = [" ".join(f"{value:.9f}" for value in row) for row in rig.directions]
    (folder / "light_directions.txt").write_text("\n".join(lines))
    (folder / "light_intensities.txt").write_text("1 1 1\n1 1 2\n1 2 1\n")
    got = read_capture(folder).rig
    assert np.allclose(got.directions, rig.directions)
    assert got.intensities.shape == (3, 3)
    for path in folder.glob("light_*.txt"):
        path.unlink()
    (folder / "scan.lp").write_text("3\n" + "\n".join(f"frame {i} {line}" for i, line in enumerate(lines)))
    assert np.allclose(read_capture(folder).rig.directions, rig.directions)
    (folder / "scan.lp").unlink()
    assert read_capture(folder).rig is None


def test_a_ring_is_described_in_four_lines(tmp_path):
    path = tmp_path / "rig.toml"
    path.write_text("[ring]\nlights = 8\nradius_mm = 150\nheight_mm = 200\nfirst_deg = 90\nclockwise = true\n")
    places = read_rig(path).rig.positions_mm
    assert np.allclose(places[0], [0, 150, 200])
    assert np.allclose(places[2], [150, 0, 200])


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("[rig]\nposition_mm = [[1, 2, 3]]", ConfigError, "did you mean positions_mm"),
        ("[lights]\nbits = 12", ConfigError, "lights is not known"),
        ("[rig]\nbits = 40", ConfigError, "8 to 16"),
        ("[rig]\nlobe = 'wide'", ConfigError, "no number"),
        ("[rig]\npositions_mm = [[1, 2], [3]]", ConfigError, "no list of numbers"),
        ("[rig]\npositions_mm = [[1, 2, -3], [1, 2, 3], [3, 1, 2]]", CalibrationError, "behind the card"),
        ("[rig]\nnoise = [1]", ConfigError, "two numbers"),
        ("[rig\n", FormatError, "not TOML"),
        (
            "[rig]\npositions_mm=[[9, 0, 9], [0, 9, 9], [0, 9, 9]]\ndirections=[[1, 0, 1], [0, -1, 1], [0, 1, 1]]",
            CalibrationError,
            "light 2 differ by 90 degrees",
        ),
    ],
)
def test_a_wrong_rig_toml_is_refused_with_its_place(tmp_path, text, kind, part):
    (tmp_path / "rig.toml").write_text(text)
    with pytest.raises(kind, match=part) as caught:
        read_rig(tmp_path)
    assert "rig.toml" in str(caught.value)


def sheet(rig, mm_per_px, shape, phi, rng):
    """Frames of a matte white plane under near lights, with noise, texture, dust and a stain."""
    bare = Capture(images=np.zeros((len(rig), *shape), np.uint16), rig=rig, mm_per_px=mm_per_px, full_scale=4095)
    points = plane_points(bare, (np.arange(shape[0]) * 1.0, np.arange(shape[1]) * 1.0))
    away = rig.positions_mm[:, None, None] - points
    slant = away[..., 2] / np.linalg.norm(away, axis=-1)
    light = irradiance(rig.positions_mm, points, phi, rig.lobe) * 2500
    seen = light * slant * (1 + rng.normal(0, 0.02, (len(rig), *shape)))
    for _ in range(60):
        y, x = rng.integers(0, shape[0] - 8), rng.integers(0, shape[1] - 8)
        seen[:, y : y + 6, x : x + 6] *= 0.5
    seen[:, 150:230, 60:140] *= 0.9
    return bare, np.clip(seen, 0, 4095).astype(np.uint16), light


def test_flat_frames_give_the_gains_in_spite_of_dust_and_a_stain():
    rng = np.random.default_rng(3)
    rig = LightRig.at(LightRig.ring(8).positions_mm + rng.normal(0, 3, (8, 3)), lobe=1.3)
    bare, seen, light = sheet(rig, 0.17, (600, 450), rng.uniform(0.8, 1.2, 8), rng)
    found = light_field(dataclasses.replace(bare, flat=seen))
    assert found.origin == "flat field"
    rows, columns = (
        np.linspace(0, size - 1, count) for size, count in ((600, found.gains.shape[1]), (450, found.gains.shape[2]))
    )
    want = 1 / light[:, rows.round().astype(int)][:, :, columns.round().astype(int)]
    error = found.gains / want - 1
    assert np.sqrt((error**2).mean()) < 0.003
    assert np.abs(error).max() < 0.02


def test_near_lights_equal_the_formula_and_need_the_size_of_a_pixel():
    rig = dataclasses.replace(LightRig.ring(8, lobe=2), intensities=np.linspace(0.8, 1.2, 8))
    capture = Capture(images=np.zeros((8, 101, 201), np.uint8), rig=rig, mm_per_px=0.5)
    near = light_field(capture)
    away = rig.positions_mm[3] - np.array([-50, 25, 0])  # the left top pixel
    axis = rig.directions[3]
    light = rig.intensities[3] * (away @ axis / np.linalg.norm(away)) ** 2 * (180**2 * 2) / (away @ away)
    assert np.isclose(near.gains[3, 0, 0], 1 / (255 * light), rtol=1e-5)
    assert np.allclose(near.directions[3, 0, 0], away / np.linalg.norm(away), atol=1e-6)
    far = light_field(dataclasses.replace(capture, mm_per_px=None))
    assert (far.origin, far.uniform) == ("intensities", True)
    assert light_field(capture, near=False).uniform


def test_channels_count_by_their_intensities():
    rng = np.random.default_rng(0)
    given = rng.uniform(0.5, 2, (4, 3))
    rig = LightRig(directions=LightRig.ring(4).directions, intensities=given)
    images = np.broadcast_to(given[:, None, None] * np.float32(0.2), (4, 8, 9, 3)).astype(np.float32)
    capture = Capture(images=images, rig=rig)
    found = light_field(capture)
    assert np.allclose(found.channel_weights.sum(axis=1), 1)
    assert np.allclose(grey_frames(capture, found.channel_weights) * found.gains, 0.2 * given.mean(), rtol=1e-5)


def test_no_lights_and_black_flat_frames_are_refused():
    with pytest.raises(CalibrationError, match="light_directions"):
        light_field(Capture(images=frames(8)))
    flat = np.full((8, 40, 60), 100, np.uint8)
    flat[4] = 0
    with pytest.raises(CalibrationError, match="flat frame 5 is black"):
        light_field(Capture(images=frames(8), rig=LightRig.ring(8), flat=flat))
    flat[4] = 255
    with pytest.raises(CalibrationError, match="flat frame 5 is saturated"):
        light_field(Capture(images=frames(8), rig=LightRig.ring(8), flat=flat))


@pytest.mark.parametrize("name", ["diligent_ball", "diligent_reading"])
def test_diligent_objects_read_as_published(shared_data, name):
    folder = shared_data / "photometric" / name
    capture = read_capture(folder)
    assert capture.images.dtype == np.uint16
    assert capture.images.shape[0] == 16
    found = light_field(capture)
    values = (grey_frames(capture, found.channel_weights) * found.gains)[:, capture.mask]
    solved = np.linalg.pinv(found.directions[:, 0, 0]) @ values
    truth = np.load(folder / "normals.npy")[capture.mask]
    cosine = (solved.T * truth).sum(axis=1) / np.linalg.norm(solved, axis=0)
    error = np.rad2deg(np.arccos(np.clip(cosine, -1, 1))).mean()
    assert error < {"diligent_ball": 4.3, "diligent_reading": 19.6}[name]


def test_targa_frames_with_a_list_of_lights_are_read(shared_data):
    capture = read_capture(shared_data / "photometric" / "chrome_sphere")
    assert capture.images.shape == (12, 340, 512, 3)
    assert capture.names[2] == "chrome.2.tga"
    assert capture.mask.sum() > 40_000
    assert len(capture.rig) == 12
