"""Where images come from: lists, archives that strangers made, HEIC photos, photos that say where they were taken."""

import io
import os
import shutil
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rcg.errors import Cancelled, ConfigError, DataError, FormatError, RcgError
from rcg.files import read_jsonl
from rcg.images import read_image, read_size
from rcg.importing import recognise
from rcg.importing.archives import unpack
from rcg.places import place_in, says_place, without_place
from rcg.workspace import Workspace
from tests import make_labels as make
from tests.test_importing import facts, picture, voc_set, yolo_set


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "ws")


@pytest.fixture
def cards(ws):
    return ws.create("cards", type="custom")


def packed(folder, target):
    """An archive of a folder, of the kind that the target's name says."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
            for path in files:
                out.write(path, path.relative_to(folder.parent))
        return target
    mode = {".tar": "w", ".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}[target.suffix]
    with tarfile.open(target, mode) as out:
        for path in files:
            out.add(path, path.relative_to(folder.parent))
    return target


def nothing_left(dataset):
    left = [str(path) for path in dataset.images.rglob("*") if path.name not in (".", "..")]
    return not left and dataset.coverage().images == 0


# Archives


@pytest.mark.parametrize(
    "name", ["set.zip", "set.tar", "set.tar.gz", "set.tgz", "set.tar.bz2", "set.tar.xz", "SET.ZIP"]
)
def test_an_archive_comes_in_with_its_labels_and_only_once(ws, cards, tmp_path, name):
    source = yolo_set(tmp_path / "set", range(8))
    target = tmp_path / name
    packed(source, target.with_suffix(target.suffix.lower())).rename(target)
    ticks = []
    done = cards.add(target, report=ticks.append)
    assert (done.format, done.images, done.new, done.annotations, done.dropped) == ("yolo", 8, 8, 8, 0)
    assert ticks[0].task == "unpacking"
    plain = ws.create("plain", type="custom")
    plain.add(source)
    assert [(each.file_name, each.annotations) for each in facts(cards)] == [
        (each.file_name, each.annotations) for each in facts(plain)
    ]
    assert [path.name for path in cards.images.iterdir() if path.name.startswith(".")] == []
    again = cards.add(target, report=ticks.append)
    assert (again.images, again.new, again.unchanged) == (8, 0, 8)
    assert cards.coverage().images == 8
    assert cards.config()["sources"][0]["path"] == str(target)


def test_a_changed_archive_adds_what_is_new_in_it(cards, tmp_path):
    source = yolo_set(tmp_path / "set", range(4))
    target = packed(source, tmp_path / "set.zip")
    cards.add(target)
    yolo_set(source, range(4, 6))
    packed(source, target)
    done = cards.add(target)
    assert (done.images, done.new) == (6, 2)
    shutil.rmtree(cards.cache)
    assert cards.add(target).new == 0
    linked = Workspace(cards.workspace).create("linked", type="custom")
    linked.add(target, link=True)  # there is nothing to link to
    assert all((linked.images / name).is_file() for name in linked.names())


def test_a_panel_can_look_at_an_archive_without_unpacking_it(tmp_path):
    found = recognise(packed(yolo_set(tmp_path / "set", range(3)), tmp_path / "set.zip"), None)
    assert (found.format, found.total) == ("archive", 3)
    assert "3 images and 4 files that may hold labels" in found.reason


def _zip_with(path, name, data=b"x", *, mode=0o100644):
    with zipfile.ZipFile(path, "w") as out:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        out.writestr(info, data)
        out.writestr("good.jpg", b"y")
    return path


def _tar_with(path, name, kind=tarfile.REGTYPE, link=""):
    with tarfile.open(path, "w") as out:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        info.size = 1 if kind == tarfile.REGTYPE else 0
        out.addfile(info, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize(
    "build",
    [
        lambda at: _zip_with(at / "a.zip", "../out.jpg"),
        lambda at: _zip_with(at / "a.zip", "/tmp/out.jpg"),
        lambda at: _zip_with(at / "a.zip", "deep/../../out.jpg"),
        lambda at: _zip_with(at / "a.zip", "..\\out.jpg"),
        lambda at: _zip_with(at / "a.zip", "C:/out.jpg"),
        lambda at: _zip_with(at / "a.zip", "link.jpg", b"/etc/passwd", mode=0o120777),
        lambda at: _tar_with(at / "a.tar", "../out.jpg"),
        lambda at: _tar_with(at / "a.tar", "/tmp/out.jpg"),
        lambda at: _tar_with(at / "a.tar", "link.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        lambda at: _tar_with(at / "a.tar", "hard.jpg", tarfile.LNKTYPE, "/etc/passwd"),
        lambda at: _tar_with(at / "a.tar", "pipe.jpg", tarfile.FIFOTYPE),
        lambda at: _tar_with(at / "a.tar", "null.jpg", tarfile.CHRTYPE),
    ],
    ids=["above", "absolute", "inner", "backslash", "drive", "zip link", "tar above", "tar absolute", "tar link",
         "hard link", "pipe", "device"],
)  # fmt: skip
def test_entries_that_lead_elsewhere_refuse_the_archive(cards, tmp_path, build):
    with pytest.raises(DataError, match="the entry") as caught:
        cards.add(build(tmp_path))
    assert "unpack it yourself" in caught.value.fix
    assert nothing_left(cards)
    assert not (tmp_path / "out.jpg").exists()
    assert not Path("/tmp/out.jpg").exists()


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_bombs_are_refused_before_the_disk_is_full(cards, tmp_path, ending, monkeypatch):
    monkeypatch.setattr("rcg.importing.archives._SMALL", 1_000_000)
    folder = tmp_path / "bomb"
    folder.mkdir()
    (folder / "a.bmp").write_bytes(bytes(20_000_000))
    archive = packed(folder, tmp_path / f"bomb{ending}")
    with pytest.raises(DataError, match="times its own size"):
        cards.add(archive)
    assert nothing_left(cards)


def test_an_archive_that_holds_more_than_the_disk_is_refused(small_disk, tmp_path):
    made = Workspace(small_disk).create("cards", type="custom")
    folder = tmp_path / "much"
    folder.mkdir()
    (folder / "a.bmp").write_bytes(os.urandom(3_000_000))
    with pytest.raises(DataError, match=r"at least 3 MB, and 0 MB are free"):
        made.add(packed(folder, tmp_path / "much.zip"))
    assert nothing_left(made)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.97])
def test_a_damaged_archive_leaves_nothing(cards, tmp_path, ending, part):
    source = yolo_set(tmp_path / "set", range(6))
    archive = packed(source, tmp_path / f"set{ending}")
    data = archive.read_bytes()
    end = 20 * tarfile.BLOCKSIZE if ending == ".tar" and part > 0.9 else int(len(data) * part)
    archive.write_bytes(data[:end])
    with pytest.raises(FormatError) as caught:
        cards.add(archive)
    assert caught.value.where == str(archive)
    assert "again" in caught.value.fix
    assert nothing_left(cards)


def test_bytes_changed_inside_of_an_archive_are_noticed(cards, tmp_path):
    source = yolo_set(tmp_path / "set", range(6))
    archive = packed(source, tmp_path / "set.zip")
    data = bytearray(archive.read_bytes())
    data[200:260] = bytes(60)
    archive.write_bytes(data)
    with pytest.raises(FormatError, match="damaged"):
        cards.add(archive)
    assert nothing_left(cards)


def test_a_zip_with_a_password_says_so(cards, tmp_path):
    archive = _zip_with(tmp_path / "a.zip", "a.jpg")
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # the flag of the first entry, in its own head and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match="needs a password") as caught:
        cards.add(archive)
    assert "with its password" in caught.value.fix
    assert nothing_left(cards)


def test_archives_in_archives_stay_closed_and_are_told(cards, tmp_path):
    folder = tmp_path / "set"
    picture(folder / "a.jpg", 1)
    packed(yolo_set(tmp_path / "inner", range(3)), folder / "inner.zip")
    make.text(folder / "__MACOSX" / "._a.jpg", "x")
    done = cards.add(packed(folder, tmp_path / "set.tar"))
    assert done.images == 1
    assert any(".zip" in note for note in done.notes)


def test_a_stop_while_unpacking_leaves_nothing_and_a_kill_is_cleaned_by_the_next_call(cards, tmp_path):
    archive = packed(yolo_set(tmp_path / "set", range(6)), tmp_path / "set.zip")

    def stop(tick):
        raise Cancelled

    with pytest.raises(Cancelled):
        cards.add(archive, report=stop)
    assert nothing_left(cards)
    (cards.images / ".unpacked" / "images").mkdir(parents=True)
    (cards.images / ".unpacked" / "images" / "old.jpg").write_bytes(b"x")
    assert cards.add(archive).images == 6
    assert not (cards.images / ".unpacked").exists()


# Lists


def test_a_list_of_images_brings_the_labels_that_stand_beside_them(ws, cards, tmp_path):
    source = yolo_set(tmp_path / "set", range(10))
    images = [source / "images" / f"c{n:04d}.jpg" for n in (1, 3, 5)]
    done = cards.add(images)
    assert (done.format, done.images, done.annotations) == ("yolo", 3, 3)
    assert {each.annotations[0].label for each in facts(cards)} == {"stain"}
    assert cards.add(images).unchanged == 3
    assert cards.add([*images, source / "images" / "c0002.jpg"]).new == 1
    assert not (cards.images / ".unpacked").exists()
    assert recognise(images, None).total == 3
    voc = ws.create("voc", type="custom")
    voc_set(tmp_path / "voc", range(4))
    assert voc.add([tmp_path / "voc" / "c0002.jpg"]).annotations == 1


@pytest.mark.parametrize("kind", ["absolute", "from the list", "from here"])
def test_a_text_file_can_list_the_images(cards, tmp_path, kind, monkeypatch):
    for n in range(4):
        picture(tmp_path / "photos" / f"{n}.jpg", n)
    lines = {"absolute": f"{tmp_path}/photos/{{}}.jpg", "from the list": "../photos/{}.jpg",
             "from here": "photos/{}.jpg"}  # fmt: skip
    file = make.text(tmp_path / "lists" / "train.txt", "\n".join(lines[kind].format(n) for n in (0, 2, 7)) + "\n")
    monkeypatch.chdir(tmp_path)
    done = cards.add(file)
    assert (done.images, done.dropped) == (2, 1)
    assert "no such file" in next(iter(read_jsonl(done.quarantine)))["reason"]
    assert cards.config()["sources"][0]["path"] == str(file)


def test_lists_that_are_none_say_what_they_are(cards, tmp_path):
    for content, match in (("0 0.5 0.5 0.1 0.1\n", "no list of images"), ("", "list of images is empty"),
                           ("a.jpg\n", "none of the 1 listed images")):  # fmt: skip
        with pytest.raises(ConfigError, match=match):
            cards.add(make.text(tmp_path / "list.txt", content))
    with pytest.raises(ConfigError, match="no images that can be added"):
        cards.add(make.text(tmp_path / "a.pdf", "x"))
    with pytest.raises(ConfigError, match="list of images is empty"):
        cards.add([])


def test_one_image_can_be_added_and_listed_ones_can_be_linked(cards, tmp_path):
    image = picture(tmp_path / "a.jpg", 1)
    assert cards.add(image, link=True).new == 1
    kept = cards.images / facts(cards)[0].file_name
    assert kept.is_symlink()
    assert kept.resolve() == image.resolve()


# HEIC and AVIF


def _heic(path, number=1, *, size=(60, 40), exif=None):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is in the heic extra")
    heif.register_heif_opener()
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = (200, 30 * number, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "HEIF", quality=95, **({"exif": exif} if exif else {}))
    return path


def _exif(*, orientation=1, place=True):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker of cameras"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:23 10:00:00"
    if place:
        exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 12.5), 3: "E", 4: (8.0, 32.0, 1.0), 29: "2026:11:23"})
    return exif.tobytes()


def test_heic_photos_with_labels_are_kept_as_jpeg_and_the_originals_stay(cards, tmp_path):
    source = tmp_path / "phone"
    for n in (1, 2):
        _heic(source / "images" / f"IMG_{n}.HEIC", n, exif=_exif(orientation=6))
        make.text(source / "labels" / f"IMG_{n}.txt", "0 0.5 0.5 0.5 0.5\n")
    make.text(source / "classes.txt", "card\n")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    done = cards.add(source, link=True)
    assert (done.images, done.annotations, done.dropped) == (2, 2, 0)
    assert any("2 HEIC or AVIF photos kept as JPEG" in note for note in done.notes)
    assert {path: path.read_bytes() for path in before} == before
    record = facts(cards)[0]
    assert record.file_name.endswith("IMG_1.jpg")
    kept = cards.images / record.file_name
    size = read_size(kept)
    assert (record.width, record.height) == (40, 60) == (size.width, size.height)
    assert np.abs(read_image(kept).astype(int) - read_image(source / "images" / "IMG_1.HEIC")).max() <= 6
    assert Image.open(kept).getexif()[0x010F] == "Maker of cameras"
    assert cards.add(source, link=True).unchanged == 2
    shutil.rmtree(cards.cache)
    assert cards.add(source, link=True).new == 0


def test_without_the_plug_in_heic_goes_to_the_quarantine_with_the_install_line(cards, tmp_path, monkeypatch):
    heic = _heic(tmp_path / "set" / "a.heic").read_bytes()
    Image.init()  # all that Pillow knows by itself
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for registry in (Image.OPEN, Image.EXTENSION):
        for key in [key for key, value in registry.items() if "HEIF" in (key, value)]:
            monkeypatch.delitem(registry, key)
    monkeypatch.setattr(Image, "ID", [kind for kind in Image.ID if kind != "HEIF"])
    (tmp_path / "set" / "b.heic").write_bytes(heic)
    picture(tmp_path / "set" / "c.jpg", 1)
    done = cards.add(tmp_path / "set")
    assert (done.images, done.dropped) == (1, 2)
    reasons = [row["reason"] for row in read_jsonl(done.quarantine)]
    assert all("pip install 'pillow-heif" in reason for reason in reasons)


def test_avif_and_damaged_heic(cards, tmp_path):
    source = tmp_path / "set"
    source.mkdir()
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(source / "a.avif", exif=_exif(orientation=6, place=False))
    heic = _heic(tmp_path / "x.heic").read_bytes()
    (source / "b.heic").write_bytes(heic[: len(heic) // 2])
    (source / "c.heic").write_bytes(heic[:64])
    done = cards.add(source)
    assert (done.images, done.dropped) == (1, 2)
    record = facts(cards)[0]
    assert (record.file_name, record.width, record.height) == ("a.jpg", 20, 30)
    assert read_image(cards.images / "a.jpg").shape == (30, 20, 3)


# Places


def _photo(path, *, place=True, orientation=6):
    picture = Image.effect_noise((90, 60), 60).convert("RGB")
    kind = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[path.suffix]
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, kind, exif=_exif(orientation=orientation, place=place))
    return path


def _metadata(path):
    exif = Image.open(path).getexif()
    return exif[0x0112], exif[0x010F], dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_only_the_place_goes_and_every_other_byte_stays(tmp_path, ending):
    path = _photo(tmp_path / f"a{ending}")
    before = path.read_bytes()
    after = without_place(before)
    assert says_place(path)
    assert not place_in(after)
    assert len(after) == len(before)
    (tmp_path / f"b{ending}").write_bytes(after)
    assert _metadata(tmp_path / f"b{ending}") == (*_metadata(path)[:3], {})
    assert (read_image(tmp_path / f"b{ending}") == read_image(path)).all()
    different = [n for n in range(len(before)) if before[n] != after[n]]
    start = before.index({".jpg": b"Exif\0\0", ".png": b"eXIf", ".webp": b"EXIF"}[ending])
    assert start < min(different)
    assert max(different) < start + 400
    assert without_place(after) == after
    plain = _photo(tmp_path / f"c{ending}", place=False)
    assert not says_place(plain)
    assert without_place(plain.read_bytes()) == plain.read_bytes()


def test_a_place_in_xmp_goes_too():
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="47,22.2N" dc:title="card" '
        b"exif:GPSLongitude='8,32E'><exif:GPSAltitude>400</exif:GPSAltitude></rdf:Description></x:xmpmeta>"
    )
    segment = b"http://ns.adobe.com/xap/1.0/\0" + packet
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    jpeg = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
    assert place_in(jpeg)
    after = without_place(jpeg)
    assert len(after) == len(jpeg)
    assert not place_in(after)
    assert b"GPS" not in after
    assert b'dc:title="card"' in after
    Image.open(io.BytesIO(after)).load()


def test_broken_exif_is_left_alone(tmp_path):
    data = _photo(tmp_path / "a.jpg").read_bytes()
    start = data.index(b"Exif\0\0") + 6
    for change in (data[:start] + b"XX" + data[start + 2 :], data[: start + 4] + b"\xff" * 4 + data[start + 8 :],
                   data[: start + 20], b"", b"\xff\xd8", b"RIFF\0\0\0\0WEBPEXIF"):  # fmt: skip
        assert len(without_place(change)) == len(change)
        place_in(change)
    generator = np.random.default_rng(0)
    for _ in range(500):
        mutated = bytearray(data)
        for at in generator.integers(0, 400, 6):
            mutated[at] = generator.integers(0, 256)
        assert len(without_place(bytes(mutated))) == len(mutated)


def test_places_are_counted_and_taken_out_of_the_copies_on_request(cards, tmp_path):
    source = tmp_path / "photos"
    for n, place in enumerate((True, True, False)):
        _photo(source / f"{n}.jpg", place=place)
    (source / "3.png").write_bytes(_photo(tmp_path / "x.png").read_bytes())
    before = {path: path.read_bytes() for path in source.iterdir()}
    done = cards.add(source)
    assert done.places == 3
    assert any("3 images of 4 say where they were taken" in note and "--remove-gps" in note for note in done.notes)
    done = cards.add(source, remove_gps=True)
    assert (done.new, done.places) == (0, 3)
    assert any("was taken out of the copies" in note for note in done.notes)
    assert not any(says_place(cards.images / each.file_name) for each in facts(cards))
    assert {path: path.read_bytes() for path in source.iterdir()} == before
    for repeat in range(4):
        if repeat == 2:
            shutil.rmtree(cards.cache)
        assert cards.add(source, remove_gps=repeat % 2 == 0).new == 0
        assert not any(says_place(cards.images / each.file_name) for each in facts(cards))
    assert cards.coverage().images == 4
    assert read_size(cards.images / "0.jpg").width == 60


def test_places_of_linked_originals_are_told_and_not_touched(ws, cards, tmp_path):
    photo = _photo(tmp_path / "photos" / "a.jpg")
    before = photo.read_bytes()
    with pytest.raises(ConfigError, match="originals, which are never touched"):
        cards.add(photo.parent, link=True, remove_gps=True)
    done = cards.add(photo.parent, link=True)
    assert any("whoever gets these files learns the place" in note for note in done.notes)
    cards.add(photo.parent, remove_gps=True)
    assert photo.read_bytes() == before
    assert not (cards.images / "a.jpg").is_symlink()
    assert not says_place(cards.images / "a.jpg")
    fresh = ws.create("fresh", type="custom")
    fresh.add(photo.parent, remove_gps=True)
    assert not says_place(fresh.images / "a.jpg")
    _heic(tmp_path / "heic" / "b.heic", exif=_exif())
    done = fresh.add(tmp_path / "heic", remove_gps=True)
    assert done.places == 1
    assert not says_place(fresh.images / "b.jpg")


def test_a_png_without_its_place_has_right_check_sums(tmp_path):
    after = without_place(_photo(tmp_path / "a.png").read_bytes())
    at = 8
    while at < len(after):
        length = int.from_bytes(after[at : at + 4], "big")
        end = at + 8 + length
        assert zlib.crc32(after[at + 4 : end]) == int.from_bytes(after[end : end + 4], "big")
        at += 12 + length


def test_an_archive_can_be_unpacked_for_itself(tmp_path):
    archive = packed(yolo_set(tmp_path / "set", range(2)), tmp_path / "set.zip")
    found = unpack(archive, tmp_path / "out")
    assert (found.images, found.labels) == (2, 3)
    with pytest.raises(RcgError, match="no such file"):
        unpack(tmp_path / "none.zip", tmp_path / "other")
