"""Image quality: every flag on pictures made for it, none on good ones, measured once, and never in the way."""

import numpy as np
import pytest

from rcg.errors import Cancelled
from rcg.images import write_image
from rcg.quality import FLAGS, LIMITS, quality_of
from rcg.quality.duplicates import duplicates
from rcg.quality.measures import brightness, card_seen, grey_of, lights, sharpness
from rcg.workspace import Workspace
from tests.test_importing_sources import _photo


def card_photo(seed=0, *, size=(900, 1200), table=90):
    """A printed card on a table with some grain, (height, width, 3) uint8."""
    import cv2

    rng = np.random.default_rng(seed)
    width, height = size
    picture = rng.normal(table, 6, (height, width, 3)).clip(0, 255).astype(np.uint8)
    left, top, right, bottom = int(width * 0.25), int(height * 0.2), int(width * 0.75), int(height * 0.78)
    cv2.rectangle(picture, (left, top), (right, bottom), (225, 220, 200), -1)
    cv2.rectangle(picture, (left + 30, top + 30), (right - 30, bottom - 30), (40, 60, 120), -1)
    for _ in range(60):
        x, y = rng.integers(left + 40, right - 60), rng.integers(top + 40, bottom - 60)
        colour = tuple(int(value) for value in rng.integers(0, 235, 3))
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 18, int(y) + 12), colour, -1)
    return picture


def blurred(picture, sigma):
    import cv2

    return cv2.GaussianBlur(picture, (0, 0), sigma)


def meadow(seed=0, size=(900, 1200)):
    """Grass and sky: soft blobs and no straight line."""
    import cv2

    noise = np.random.default_rng(seed).normal(0, 1, (size[1] // 10, size[0] // 10)).astype(np.float32)
    soft = cv2.GaussianBlur(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), (0, 0), 4)
    grey = 120 + 45 * soft / soft.std()
    return np.dstack([grey * 0.7, grey, grey * 0.5]).clip(0, 255).astype(np.uint8)


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "ws")


def made_of(ws, tmp_path, pictures):
    for name, picture in pictures.items():
        write_image(tmp_path / "photos" / f"{name}.jpg", picture)
    made = ws.create("cards", type="custom")
    made.add(tmp_path / "photos")
    return made


def test_every_flag_is_raised_by_what_it_stands_for_and_good_photos_have_none(ws, tmp_path):
    import cv2

    good = card_photo(1)
    shiny = card_photo(2)
    halo = np.zeros(shiny.shape[:2], np.float32)
    cv2.circle(halo, (450, 500), 60, 1.0, -1)
    shiny = (shiny + 420 * cv2.GaussianBlur(halo, (0, 0), 22)[..., None]).clip(0, 255).astype(np.uint8)
    pictures = {
        "good": good,
        "dark": (card_photo(3) * 0.22).astype(np.uint8),
        "bright": (200 + card_photo(4) * 0.21).astype(np.uint8),
        "soft": blurred(card_photo(5), 7),
        "small": card_photo(6, size=(210, 280)),
        "shiny": shiny,
        "meadow": meadow(0),
        "saved_again": cv2.resize(good, (600, 800), interpolation=cv2.INTER_AREA),
    }
    made = made_of(ws, tmp_path, pictures)
    _photo(tmp_path / "gps" / "gps.jpg")
    made.add(tmp_path / "gps")
    found = quality_of(made)
    flags = {name.removesuffix(".jpg"): each.flags for name, each in found.items()}
    assert flags["good"] == ()
    assert flags["dark"] == ("underexposed",)
    assert flags["bright"] == ("overexposed",)
    assert flags["soft"] == ("blurred",)
    assert flags["small"] == ("too_small",)
    assert flags["shiny"] == ("glare",)
    assert "no_card" in flags["meadow"]
    assert flags["saved_again"] == ("duplicate",)
    assert found["saved_again.jpg"].duplicate_of == "good.jpg"
    assert "gps" in flags["gps"]
    assert set().union(*flags.values()) <= set(FLAGS)


def test_sharpness_falls_with_blur_and_not_with_a_soft_background():
    picture = card_photo(1)
    values = [sharpness(grey_of(blurred(picture, sigma) if sigma else picture)) for sigma in (0, 1.5, 3, 6)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.66
    assert values[-1] < LIMITS.sharpness
    portrait = blurred(picture, 12)
    portrait[300:800, 250:650] = picture[300:800, 250:650]
    assert sharpness(grey_of(portrait)) > LIMITS.sharpness
    assert sharpness(np.full((400, 300), 128, np.uint8)) is None
    assert sharpness(np.full((5, 7), 128, np.uint8)) is None


def test_brightness_and_lights_of_plain_pictures():
    assert brightness(np.full((40, 40), 77, np.uint8)) == (77, 77)
    assert lights(np.full((60, 60, 3), 255, np.uint8)) == (0, 0)  # it touches the edge: background
    printed = np.full((400, 400, 3), 60, np.uint8)
    printed[100:200, 100:200] = 255
    assert lights(printed) == (0, 0)


def test_a_card_in_any_turn_is_seen_and_nothing_is_not():
    import cv2

    picture = card_photo(3)
    for angle in (0, 7, 33, 45, 80):
        turn = cv2.getRotationMatrix2D((450, 600), angle, 0.7)
        assert card_seen(grey_of(cv2.warpAffine(picture, turn, (900, 1200), borderMode=cv2.BORDER_REPLICATE)))
    assert card_seen(np.zeros((1400, 1000), np.uint8))  # a picture with a card's own sides
    assert not card_seen(np.full((900, 1200), 128, np.uint8))
    assert sum(card_seen(grey_of(meadow(seed))) for seed in range(5)) <= 1


def test_real_photos_of_cards_are_not_flagged_wrongly(ws, shared_data):
    made = ws.create("cards", type="custom")
    made.add(shared_data / "cards", link=True)
    found = quality_of(made)
    assert len(found) == 14
    assert {name: each.flags for name, each in found.items() if each.flags} == {}


def test_what_was_measured_is_not_opened_again_unless_it_changed(ws, tmp_path, monkeypatch):
    from rcg import quality

    made = made_of(ws, tmp_path, {str(n): card_photo(n, size=(300, 420)) for n in range(5)})
    assert quality_of(made, measure=False) == {}
    first = quality_of(made)
    looked = []
    real = quality.measure_image
    monkeypatch.setattr(quality, "measure_image", lambda path: looked.append(path.name) or real(path))
    assert quality_of(made) == first
    assert looked == []
    write_image(made.images / "3.jpg", blurred(card_photo(3, size=(300, 420)), 6))
    assert quality_of(made, measure=False).keys() == first.keys() - {"3.jpg"}
    assert quality_of(made)["3.jpg"].flags == ("blurred",)
    assert looked == ["3.jpg"]
    (made.cache / "quality.sqlite").write_bytes(b"rubbish" * 999)
    assert quality_of(made).keys() == first.keys()
    assert len(looked) == 6
    assert quality_of(made, measure=False).keys() == first.keys()


def test_a_stop_keeps_what_was_measured_and_damaged_images_are_left_out(ws, tmp_path, monkeypatch):
    monkeypatch.setattr("rcg.quality._RUN", 2)
    made = made_of(ws, tmp_path, {str(n): card_photo(n, size=(300, 420)) for n in range(6)})
    (made.images / "0.jpg").write_bytes(b"\xff\xd8 broken")
    (made.images / "5.jpg").unlink()

    def stop(tick):
        if tick.done >= 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        quality_of(made, report=stop)
    assert quality_of(made, measure=False).keys() == {"1.jpg", "2.jpg", "3.jpg"}
    ticks = []
    assert quality_of(made, report=ticks.append).keys() == {"1.jpg", "2.jpg", "3.jpg", "4.jpg"}
    assert [tick.total for tick in ticks] == [1, 1]


def test_duplicates_are_found_among_many_and_photos_of_one_print_stay():
    rng = np.random.default_rng(0)
    thumbnails = {f"{n:05d}.jpg": rng.integers(0, 256, (16, 16), dtype=np.uint8) for n in range(3000)}
    copies = {}
    for n in range(0, 3000, 100):
        noisy = thumbnails[f"{n:05d}.jpg"].astype(int) + rng.integers(-1, 2, (16, 16))
        thumbnails[f"copy{n}.jpg"] = noisy.clip(0, 255).astype(np.uint8)
        copies[f"copy{n}.jpg"] = f"{n:05d}.jpg"
        shifted = thumbnails[f"{n:05d}.jpg"].astype(int) + rng.normal(0, 6, (16, 16))
        thumbnails[f"print{n}.jpg"] = shifted.clip(0, 255).astype(np.uint8)
    found = duplicates(thumbnails, within=LIMITS.twin_px)
    assert {name: first for name, first in found.items() if not name.startswith("copy")} == {}
    assert len(found.items() & copies.items()) >= 0.95 * len(copies)
    blank = {f"{n:04d}.jpg": np.zeros((16, 16), np.uint8) for n in range(2000)}
    assert duplicates(blank, within=1) == dict.fromkeys(sorted(blank)[1:], "0000.jpg")
    assert duplicates({}, within=1) == {}
