"""Sizes from headers, safe decoding, EXIF orientation."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from rcg import images
from rcg.errors import DataError, FormatError, RcgError
from rcg.images import Size, encode_image, list_images, read_image, read_size, write_image

KINDS = ["jpg", "png", "webp", "bmp", "tif"]


def picture(width=60, height=40):
    rows = np.linspace(0, 255, height, dtype=np.uint8)[:, None, None]
    return np.broadcast_to(rows, (height, width, 3)).copy()


def saved(folder, name, width=60, height=40, **options):
    path = folder / name
    Image.fromarray(picture(width, height)).save(path, **options)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_are_those_that_pillow_finds(tmp_path, kind):
    for width, height in [(1, 1), (60, 40), (640, 480)]:
        assert read_size(saved(tmp_path, f"a.{kind}", width, height)) == Size(width, height)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_orientation_turns_size_and_pixels_alike(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, f"a.{kind}", exif=exif)
    expected = Size(40, 60) if orientation >= 5 else Size(60, 40)
    assert read_size(path) == expected
    assert read_image(path).shape == (expected.height, expected.width, 3)


def test_many_pictures_that_begin_alike_keep_their_own_sizes(tmp_path):
    expected = {}
    for number in range(40):
        exif = Image.Exif()
        if number % 3:
            exif[0x0112] = number % 8 + 1
        size = (60 + number % 4, 40) if number % 5 else (60, 40 + number % 7)
        path = saved(tmp_path, f"{number:02d}.jpg", *size, exif=exif, quality=50 + number % 2)
        with Image.open(path) as opened:
            turned = opened.getexif().get(0x0112, 1) >= 5
        expected[path.name] = size[::-1] if turned else size
    cut = tmp_path / "40.jpg"  # begins as the first, and breaks off
    cut.write_bytes((tmp_path / "00.jpg").read_bytes()[:-2])
    found = images.read_sizes(tmp_path, [*expected, cut.name])
    assert list(map(tuple, found.tolist())) == [*expected.values(), (0, 0)]


def test_a_jpeg_with_long_metadata_before_its_size_takes_no_detour(tmp_path, monkeypatch):
    path = saved(tmp_path, "a.jpg", icc_profile=os.urandom(200_000))
    monkeypatch.setattr(images, "_size_by_decoding", lambda path: pytest.fail("decoded"))
    assert read_size(path) == Size(60, 40)


def test_a_jpeg_whose_exif_is_longer_than_the_first_read_is_turned_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 20_000
    assert read_size(saved(tmp_path, "a.jpg", exif=exif)) == Size(40, 60)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_file_that_breaks_off_anywhere_is_found(tmp_path, kind):
    whole = saved(tmp_path, f"whole.{kind}", 400, 300).read_bytes()
    path = tmp_path / f"cut.{kind}"
    for share in (0.02, 0.1, 0.5, 0.9, 0.97):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(FormatError) as caught:
            read_size(path)
        assert "again" in caught.value.fix or "remove" in caught.value.fix


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(tmp_path):
    path = saved(tmp_path, "a.jpg")
    path.write_bytes(path.read_bytes() + b"\0trailer of a phone" * 20)
    assert read_size(path) == Size(60, 40)


def test_empty_missing_and_wrongly_named_files_say_what_they_are(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(FormatError, match="0 bytes"):
        read_size(tmp_path / "empty.jpg")
    with pytest.raises(FormatError, match="no image"):
        read_size(tmp_path / "text.jpg")
    with pytest.raises(FormatError, match="no image"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(RcgError, match="no such file"):
        read_size(tmp_path / "none.jpg")


def test_a_png_called_jpg_is_read_for_what_it_is(tmp_path):
    path = saved(tmp_path, "a.png").rename(tmp_path / "a.jpg")
    assert read_size(path) == Size(60, 40)


def huge_png(path, width=40_000, height=40_000):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))
    return path


def test_a_huge_image_has_a_size_and_is_not_decoded(tmp_path):
    path = huge_png(tmp_path / "huge.png")
    assert read_size(path) == Size(40_000, 40_000)
    with pytest.raises(DataError, match="more than the limit") as caught:
        read_image(path)
    assert "RCG_MAX_PIXELS" in caught.value.fix


def test_the_limit_on_pixels_can_be_set(tmp_path, monkeypatch):
    path = saved(tmp_path, "a.jpg")
    monkeypatch.setenv("RCG_MAX_PIXELS", "100")
    with pytest.raises(DataError, match="limit of 100"):
        read_image(path)
    monkeypatch.setenv("RCG_MAX_PIXELS", "many")
    with pytest.raises(RcgError, match="whole number"):
        read_image(path)


def test_modes_become_rgb(tmp_path):
    grey16 = (np.arange(2400, dtype=np.uint16) * 27).reshape(40, 60)
    Image.fromarray(grey16).save(tmp_path / "grey16.png")
    clear = np.zeros((40, 60, 4), np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(picture()).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "cmyk.jpg")
    assert np.abs(read_image(tmp_path / "grey16.png")[..., 0].astype(int) - grey16 // 257).max() <= 1
    assert (read_image(tmp_path / "clear.png") == 255).all()
    for name in ("palette.png", "cmyk.jpg"):
        assert read_image(tmp_path / name).shape == (40, 60, 3)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_smaller_picture_keeps_its_shape_and_its_look(tmp_path, kind):
    path = saved(tmp_path, f"a.{kind}", 1200, 900)
    small = read_image(path, longest=300)
    assert small.shape == (225, 300, 3)
    assert small[0].mean() < 10
    assert small[-1].mean() > 245
    assert read_image(path, longest=5000).shape == (900, 1200, 3)


def test_images_are_listed_sorted_without_what_is_hidden(tmp_path):
    for name in ["b.JPG", "a/c.png", "__MACOSX/x.jpg", ".hidden/x.jpg", "._b.jpg", "notes.txt", "thumbs/x.jpg"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(list_images(tmp_path)) == ["a/c.png", "b.JPG"]
    with pytest.raises(RcgError, match="no such"):
        list(list_images(tmp_path / "none"))


def test_written_pictures_come_back(tmp_path):
    write_image(tmp_path / "new" / "a.png", picture())
    assert (read_image(tmp_path / "new" / "a.png") == picture()).all()
    assert encode_image(picture(), ".jpg") == encode_image(picture(), ".JPEG")
    with pytest.raises(RcgError, match=r"\.png or \.jpg"):
        encode_image(picture(), ".gif")


def test_links_that_lead_in_circles_are_passed_over_but_other_links_followed(tmp_path):
    real = tmp_path / "elsewhere"
    (tmp_path / "set/deep").mkdir(parents=True)
    (real / "more").mkdir(parents=True)
    for path in (tmp_path / "set/a.png", tmp_path / "set/deep/b.png", real / "more/c.png"):
        write_image(path, np.zeros((2, 2, 3), np.uint8))
    for link, target in (("deep/up", ".."), ("up", ".."), ("self", "."), ("one", real), ("two", real)):
        (tmp_path / "set" / link).symlink_to(target)
    (real / "back").symlink_to(tmp_path / "set")
    (real / "broken").symlink_to(tmp_path / "none")
    expected = ["a.png", "deep/b.png", "one/more/c.png", "two/more/c.png"]
    assert list(list_images(tmp_path / "set")) == expected
