"""What users get wrong with a capture: each is answered with what, where and how to mend it."""

import dataclasses
import re

import cv2
import numpy as np
import pytest

from rcg.errors import CalibrationError, DataError, FormatError, RcgError
from rcg.photometric import Capture, LightRig
from rcg.photometric.card_finding import card_mask, find_cards
from rcg.photometric.checks import check_capture, check_directions
from rcg.photometric.field import light_field
from rcg.photometric.reading import read_capture
from rcg.photometric.registering import register, shifted
from rcg.photometric.writing import write_capture
from rcg.synthetic.plain import plain_surface
from rcg.synthetic.rig import render_capture
from rcg.synthetic.rig_model import Sensor, View
from tests.photometric_frames import as_frames, moved_ring, printed, relief, render


def noise(lights=8, shape=(40, 60), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (lights, *shape), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Eight readable frames and their lights."""
    place = tmp_path / "card"
    place.mkdir()
    for index, frame in enumerate(noise(), start=1):
        cv2.imwrite(str(place / f"frame_{index}.png"), frame)
    lines = [" ".join(map(str, row)) for row in LightRig.ring(8).directions.round(6)]
    (place / "light_directions.txt").write_text("\n".join(lines))
    assert read_capture(place).lights == 8
    return place


def spoil_size(place):
    cv2.imwrite(str(place / "frame_3.png"), noise(1, (50, 60))[0])
    return DataError, "60 x 50 pixels, and frame_1.png has 60 x 40", "frame_3.png"


def spoil_kind(place):
    cv2.imwrite(str(place / "frame_3.png"), noise(1)[0].astype(np.uint16))
    return DataError, "holds uint16, and frame_1.png holds uint8", "frame_3.png"


def spoil_missing(place):
    (place / "frame_4.png").unlink()
    return DataError, "7 frames and 8 lights .* frame_4.png is missing", "card"


def spoil_surplus(place):
    cv2.imwrite(str(place / "frame_9.png"), noise(1, seed=5)[0])
    return DataError, "9 frames and 8 lights", "card"


def spoil_twice(place):
    (place / "frame_5.png").write_bytes((place / "frame_4.png").read_bytes())
    return DataError, "frame_4.png and frame_5.png are the same picture", "card"


def spoil_text(place):
    (place / "frame_2.png").write_text("not a picture")
    return FormatError, "cannot be read", "frame_2.png"


def spoil_cut_off(place):
    (place / "frame_2.png").write_bytes(b"")
    return FormatError, "empty", "frame_2.png"


def spoil_two(place):
    for index in range(3, 9):
        (place / f"frame_{index}.png").unlink()
    return DataError, "2 frames cannot be solved", "card"


def spoil_none(place):
    for index in range(1, 9):
        (place / f"frame_{index}.png").unlink()
    return DataError, "no frames", "card"


def spoil_many(place):
    for index in range(9, 70):
        cv2.imwrite(str(place / f"frame_{index}.png"), noise(1, seed=index)[0])
    return DataError, "69 frames cannot be solved", "card"


def spoil_listed(place):
    (place / "filenames.txt").write_text("frame_1.png\nframe_99.png\n")
    return DataError, "frame_99.png is not in the folder", "filenames.txt, line 2"


def spoil_listed_twice(place):
    (place / "filenames.txt").write_text("frame_1.png\nframe_2.png\nframe_1.png\n")
    return DataError, "frame_1.png stands there twice", "filenames.txt, line 3"


def spoil_direction(place):
    (place / "light_directions.txt").write_text("1 0 1\n0 one 1\n-1 0 1\n")
    return FormatError, "'0 one 1' are no numbers", "light_directions.txt, line 2"


def spoil_columns(place):
    (place / "light_directions.txt").write_text("1 0 1\n0 1\n-1 0 1\n")
    return FormatError, "not 3 finite numbers", "light_directions.txt, line 2"


def spoil_behind(place):
    (place / "light_directions.txt").write_text("\n".join(["1 0 1", "0 1 -1", *["0 0 1"] * 6]))
    return CalibrationError, "light 2 shines from behind", "light_directions.txt"


def spoil_count(place):
    (place / "scan.lp").write_text("9\na 1 0 1\nb 0 1 1\nc 0 0 1\n")
    (place / "light_directions.txt").unlink()
    return FormatError, "says 9 lights, and 3 follow", "scan.lp"


def spoil_mask_size(place):
    cv2.imwrite(str(place / "mask.png"), np.full((10, 10), 255, np.uint8))
    return DataError, "the mask is 10 x 10 pixels, the frames 60 x 40", "card"


def spoil_mask(place):
    cv2.imwrite(str(place / "mask.png"), np.zeros((40, 60), np.uint8))
    return DataError, "mask is empty", "mask.png"


def spoil_flat_count(place):
    (place / "flat").mkdir()
    for index in range(1, 8):
        cv2.imwrite(str(place / "flat" / f"flat_{index}.png"), noise(1, seed=index)[0])
    return DataError, "7 flat frames and 8 frames", "flat"


def spoil_flat_size(place):
    (place / "flat").mkdir()
    for index in range(1, 9):
        cv2.imwrite(str(place / "flat" / f"flat_{index}.png"), noise(1, (20, 30), seed=index)[0])
    return DataError, "flat frames have 30 x 20 pixels, the frames 60 x 40", "flat"


def spoil_flat_empty(place):
    (place / "flat").mkdir()
    return DataError, "no flat frames", "flat"


def spoil_dark(place):
    (place / "dark").mkdir()
    cv2.imwrite(str(place / "dark" / "dark.png"), np.full((40, 60), 200, np.uint8))
    return DataError, "dark frames are bright: their median is 78 %", "dark"


def spoil_nan(place):
    for index in range(1, 9):
        (place / f"frame_{index}.png").unlink()
        values = noise(1, seed=index)[0].astype(np.float32)
        values[3, 4] = np.nan if index == 6 else 0
        np.save(place / f"frame_{index}.npy", values)
    return DataError, "1 values are not finite", "frame_6.npy"


SPOILED = [value for name, value in sorted(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda each: each.__name__.removeprefix("spoil_"))
def test_a_spoiled_folder_is_refused_with_place_and_fix(folder, spoil):
    kind, what, where = spoil(folder)
    with pytest.raises(RcgError) as caught:
        read_capture(folder)
    assert type(caught.value) is kind
    assert re.search(what, caught.value.what)
    assert caught.value.where.endswith(where)
    assert caught.value.fix


def test_a_folder_that_is_none_is_said(tmp_path):
    with pytest.raises(RcgError, match="no such file or folder"):
        read_capture(tmp_path / "gone")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="a file, not a folder"):
        read_capture(tmp_path / "file")


def test_a_folder_without_lights_says_how_to_give_them(folder):
    (folder / "light_directions.txt").unlink()
    capture = read_capture(folder)
    assert capture.rig is None
    assert "rig.toml" in capture.notes[0]
    assert "Surface panel" in capture.notes[0]


@pytest.fixture(scope="module")
def card():
    """A printed card on a dark table, from the library's renderer."""
    rng = np.random.default_rng(11)
    surface = plain_surface(rng, size_mm=(63, 88), px_per_mm=8, finish="gloss")
    return render_capture(surface, rng, view=View(mm_per_px=0.2, margin_mm=4)).capture


def changed(capture, light, frame):
    images = capture.images.copy()
    images[light] = frame
    return dataclasses.replace(capture, images=images)


def test_a_good_capture_passes_in_silence(card):
    assert check_capture(card, light_field(card)) == ()
    bare = dataclasses.replace(card, flat=None)
    assert check_capture(bare, light_field(bare)) == ()


def test_black_frames_and_frames_there_twice_are_refused(card):
    dark = np.broadcast_to(card.dark, card.images.shape[1:]).astype(card.images.dtype)
    with pytest.raises(DataError, match="frame 4 is black") as caught:
        check_capture(changed(card, 3, dark))
    assert "is that light off" in caught.value.fix
    with pytest.raises(DataError, match="frames 3 and 6 are the same"):
        check_capture(changed(card, 5, card.images[2]))


def test_saturated_frames_are_refused_or_told(card):
    with pytest.raises(DataError, match=r"frame 2 is saturated over \d+ %"):
        check_capture(changed(card, 1, np.full_like(card.images[1], 4095)))
    some = card.images[1].copy()
    some[100:200, 50:300] = 4095
    assert any("saturated" in note and "frame 2" in note for note in check_capture(changed(card, 1, some)))
    dim = dataclasses.replace(card, images=card.images // 10, flat=None, dark=card.dark / 10)
    assert any("expose longer" in note for note in check_capture(dim))


@pytest.mark.parametrize("flat", [True, False])
def test_another_exposure_is_told(card, flat):
    capture = card if flat else dataclasses.replace(card, flat=None)
    half = changed(capture, 4, ((capture.images[4] - capture.dark) * 0.35 + capture.dark).astype(np.uint16))
    told = [note for note in check_capture(half, light_field(half)) if "darker" in note]
    assert len(told) == 1
    assert "frame 5" in told[0]


def test_lights_in_one_plane_are_refused_and_close_ones_told():
    line = np.array([[-1, 0, 1], [-0.4, 0, 1], [0.5, 0, 1], [1, 0, 1]])
    with pytest.raises(CalibrationError, match="one plane") as caught:
        check_directions(line / np.linalg.norm(line, axis=1, keepdims=True))
    assert "add a light to the side" in caught.value.fix
    with pytest.raises(CalibrationError, match="in one place"):
        check_directions(np.tile([[0.6, 0, 0.8]], (4, 1)) + 1e-4 * np.eye(4, 3))
    close = LightRig.ring(6, radius_mm=20, height_mm=200).directions
    assert "close together" in check_directions(close)[0]
    assert check_directions(LightRig.ring(3).directions) == []


@pytest.mark.parametrize("flat", [True, False])
def test_a_wrong_order_is_named(card, flat):
    capture = card if flat else dataclasses.replace(card, flat=None)
    backwards = dataclasses.replace(capture, images=np.ascontiguousarray(capture.images[[0, 7, 6, 5, 4, 3, 2, 1]]))
    with pytest.raises(CalibrationError, match="in the order 1, 8, 7, 6, 5, 4, 3, 2") as caught:
        check_capture(backwards, light_field(backwards))
    assert "filenames.txt" in caught.value.fix


def test_one_card_is_found_where_it_lies(card):
    found = find_cards(card)
    assert len(found) == 1
    assert abs(found[0].aspect - 88 / 63) < 0.03
    assert 0.6 < card_mask(card, found[0]).mean() < 0.95


def test_two_cards_are_told_with_their_places():
    table = np.full((300, 500), 0.04)
    table[60:236, 40:166] = printed((176, 126), seed=1, detail=60)
    table[70:246, 300:426] = printed((176, 126), seed=2, detail=60)
    seen = render(moved_ring(), albedo=table, mm_per_px=0.5)
    capture = Capture(images=as_frames(seen), full_scale=4095)
    notes = check_capture(capture)
    assert len(find_cards(capture)) == 2
    assert any("2 cards lie in the frames" in note and "x 102, y 148" in note for note in notes)
    one = np.zeros((300, 500), bool)
    one[60:236, 40:166] = True
    assert not any("cards" in note for note in check_capture(dataclasses.replace(capture, mask=one)))


def test_no_card_is_told_and_does_not_stop():
    y, x = np.mgrid[:240, :320]
    ball = np.where(np.hypot(y - 120, x - 150) < 80, 0.7, 0.03)
    seen = render(moved_ring(), albedo=ball, mm_per_px=0.5)
    assert any("no card was found" in note for note in check_capture(Capture(images=as_frames(seen), full_scale=4095)))
    full = render(moved_ring(), albedo=printed((240, 320), seed=0), mm_per_px=0.2)
    assert not any("card was" in note for note in check_capture(Capture(images=as_frames(full), full_scale=4095)))
    plain = render(moved_ring(), albedo=np.full((240, 320), 0.5), mm_per_px=0.2)
    notes = check_capture(Capture(images=as_frames(plain), full_scale=4095))
    assert any("no card's edge is seen" in note and "another brightness" in note for note in notes)


def test_a_jpeg_capture_is_read_with_a_warning(tmp_path, card):
    place = tmp_path / "jpeg"
    place.mkdir()
    for index, frame in enumerate(card.images):
        cv2.imwrite(str(place / f"{index}.jpg"), (frame / 16).astype(np.uint8))
    assert any("JPEG" in note and "16-bit" in note for note in read_capture(place).notes)


def shaken(seed, *, shift_px=0.5, finish="matte", printed_card=True):
    rng = np.random.default_rng(seed)
    surface = plain_surface(rng, size_mm=(10, 8), px_per_mm=46.5, finish=finish, print=printed_card)
    shot = render_capture(surface, rng, view=View(mm_per_px=0.0215), sensor=Sensor(shift_px=shift_px), flat=False)
    return shot.capture, shot.truth.shifts_px - shot.truth.shifts_px.mean(axis=0)


@pytest.mark.parametrize(("shift_px", "finish"), [(0.1, "matte"), (0.5, "gloss"), (1.0, "satin"), (0.5, "foil")])
def test_a_shake_is_found_to_a_twentieth_of_a_pixel(shift_px, finish):
    capture, true = shaken(3, shift_px=shift_px, finish=finish)
    mended, found = register(capture)
    assert np.sqrt(((found - true) ** 2).sum(axis=1).mean()) < 0.05
    assert np.sqrt((true**2).sum(axis=1).mean()) > 0.03
    assert mended.images.dtype == capture.images.dtype
    _, left = register(mended)
    assert np.abs(left).max() < 0.05
    assert "shifted" in mended.notes[-1]


def test_what_has_no_print_is_left_as_it_is_and_said():
    height = relief((200, 300), 0.05, seed=1, um=20)
    seen = render(moved_ring(), albedo=np.full((200, 300), 0.8), height_mm=height, mm_per_px=0.05)
    capture = Capture(images=as_frames(seen), full_scale=4095)
    same, shifts = register(capture)
    assert same.images is capture.images
    assert not shifts.any()
    assert "could not be registered" in same.notes[-1]


def test_shading_that_moves_over_a_ball_is_no_shake():
    y, x = np.mgrid[:240, :240]
    flat = np.dstack([(x - 120) / 90, (120 - y) / 90])
    normal = np.dstack([flat, np.sqrt(np.clip(1 - (flat**2).sum(axis=-1), 0, 1))])
    inside = (flat**2).sum(axis=-1) < 1
    seen = np.clip(normal @ LightRig.ring(8).directions.T, 0, None).transpose(2, 0, 1) * inside + 0.02
    seen *= 1 + np.random.default_rng(0).normal(0, 0.005, seen.shape)
    same, shifts = register(Capture(images=as_frames(seen), full_scale=4095))
    assert not shifts.any()
    assert "moves with the light" in same.notes[-1]


def test_shading_that_moves_over_an_object_is_no_shake(shared_data):
    for name in ("diligent_ball", "diligent_reading"):
        capture = read_capture(shared_data / "photometric" / name)
        same, shifts = register(capture)
        assert same.images is capture.images
        assert not shifts.any()
        assert "moves with the light" in same.notes[-1]


def test_a_moved_card_is_refused():
    capture, _ = shaken(3, shift_px=0.1)
    with pytest.raises(DataError, match=r"frame 3 is [56]\.\d pixels off") as caught:
        register(changed(capture, 2, np.roll(capture.images[2], (3, 6), axis=(0, 1))))
    assert "take the frames again" in caught.value.fix


def test_shifting_keeps_the_numbers_within_their_range():
    frame = np.zeros((40, 50), np.uint16)
    frame[10:30, 15:40] = 65535
    moved = shifted(frame, np.array([0.4, -1.3]))
    assert moved.dtype == np.uint16
    assert (moved[14:28, 18:36] == 65535).all()
    assert (moved[:8] == 0).all()
    x = np.arange(50) * 100.0
    ramp = np.broadcast_to(x, (40, 50)).astype(np.float32)
    assert np.allclose(shifted(ramp, np.array([0.25, 0.0]))[:, 5:-5], ramp[:, 5:-5] + 25, atol=0.5)
    colour = np.repeat(ramp[..., None], 3, axis=-1)
    assert np.allclose(shifted(colour, np.array([0.25, 0.0]))[..., 1], shifted(ramp, np.array([0.25, 0.0])))


def test_a_rendered_capture_is_written_and_read_the_same(tmp_path, card):
    got = read_capture(write_capture(tmp_path / "card", card))
    assert np.array_equal(got.images, card.images)
    assert np.allclose(got.flat, card.flat, atol=0.01)
    assert np.allclose(light_field(got).gains, light_field(card).gains, rtol=1e-4)
