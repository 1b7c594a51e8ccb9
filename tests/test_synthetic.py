"""The renderer: the truth lies where the pixels say it does, and a folder is the same whatever happened on the way."""

import hashlib
import shutil

import numpy as np
import pytest
import yaml

from rcg.errors import Cancelled, ConfigError, DataError
from rcg.images import read_image
from rcg.locks import Lock
from rcg.synthetic import LABELS, render_dataset
from rcg.synthetic.cards import with_defects
from rcg.synthetic.dataset import _plan
from rcg.synthetic.photo import render_photo
from rcg.synthetic.wearing import worn_card

SMALL = {"counts": {"train": 20, "val": 3, "test": 8}, "size": (240, 320)}


def digest(folder):
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def boxes(path):
    return [[float(number) for number in line.split()] for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    return folder, render_dataset(folder, **SMALL)


def test_wear_for_photos_is_of_four_kinds_and_apart():
    seen, clean = set(), 0
    for seed in range(40):
        card = worn_card((seed,))
        clean += not card.defects
        for place, defect in enumerate(card.defects):
            seen.add(defect.label)
            assert defect.width_mm >= 0.2, "a pixel of a photo with 5 pixels a millimetre"
            others = [each for each in card.defects[:place] if each.label == defect.label]
            middles = [each.course[len(each.course) // 2] for each in others]
            assert all(np.hypot(*np.subtract(defect.course[len(defect.course) // 2], each)) > 5 for each in middles)
    assert seen == set(LABELS.names[1:])
    assert 3 < clean < 25


def test_whitening_is_brighter_than_the_border_around_it():
    whiter = []
    for seed in range(60):
        card = worn_card((seed,))
        worn, bare = (each.colour(6).astype(int).mean(axis=2) for each in (card, with_defects(card, ())))
        cover = card.coverage(6) > 250
        for defect in card.defects:
            if defect.label == "corner_whitening":
                left, top = (np.min(defect.outline, axis=0) * 6).astype(int)
                right, bottom = np.ceil(np.max(defect.outline, axis=0) * 6).astype(int)
                part = (slice(top, bottom), slice(left, right))
                more = np.where(cover, worn - bare, 0)[part]
                whiter.append(np.percentile(more, 95) > 15)
    assert len(whiter) > 10
    assert np.mean(whiter) > 0.8


def test_every_annotation_is_inside_the_photo_and_its_box_fits_its_polygon():
    for seed in range(12):
        view = render_photo(worn_card((seed,)), np.random.default_rng(seed), size=(300, 400))
        assert view.pixels.shape == (400, 300, 3)
        record = view.truth.record("a.jpg", labels=LABELS.names)
        assert record.annotations[0].label == "card"
        for each in record.annotations:
            left, top, right, bottom = each.box.corners
            assert -0.01 <= left < right <= 300.01
            assert -0.01 <= top < bottom <= 400.01
            points = np.array(each.polygons[0].points)
            assert [*points.min(axis=0), *points.max(axis=0)] == pytest.approx(each.box.corners)


def test_the_folder_is_a_yolo_set(rendered):
    folder, made = rendered
    described = yaml.safe_load((folder / "data.yaml").read_text())
    assert [described["names"][n] for n in range(5)] == list(LABELS.names)
    lines = 0
    for split, count in SMALL["counts"].items():
        images = sorted((folder / described[split]).iterdir())
        labels = sorted((folder / split / "labels").iterdir())
        assert [each.stem for each in images] == [each.stem for each in labels]
        assert len(images) == count
        for image, label in zip(images, labels, strict=True):
            assert read_image(image).shape == (320, 240, 3)
            rows = boxes(label)
            lines += len(rows)
            assert bool(rows) != image.stem.startswith("background")
            for number, x, y, width, height in rows:
                assert number in range(5)
                assert min(x - width / 2, y - height / 2) > -1e-5
                assert max(x + width / 2, y + height / 2) < 1 + 1e-5
    assert (made.images, made.annotations) == (31, lines)


def test_a_card_and_its_second_view_stay_in_one_split(rendered):
    folder, _ = rendered
    homes = {}
    for image in folder.glob("*/images/card_*.jpg"):
        homes.setdefault(image.stem.split("_")[1], []).append((image.parents[1].name, image.stem))
    assert all(len({split for split, _ in each}) == 1 for each in homes.values())
    twice = [sorted(stem.rpartition("_")[2] for _, stem in each) for each in homes.values() if len(each) > 1]
    assert twice
    assert all(each == ["view1", "view2"] for each in twice)


def test_no_two_photos_and_no_two_cards_share_a_seed():
    counts = {"train": 50, "val": 50, "test": 50}
    shots = [*_plan(counts, 0), *_plan(counts, 1)]
    cards = {(shot.card_seed[0], shot.stem.split("_")[1]): shot.card_seed for shot in shots if shot.card_seed}
    assert len({shot.seed for shot in shots}) == len(shots) == 300
    assert len(set(cards.values())) == len(cards)
    assert not {shot.seed for shot in shots} & set(cards.values())


def test_same_seed_same_bytes_and_another_seed_renders_anew(rendered, tmp_path):
    folder, _ = rendered
    shutil.copytree(folder, tmp_path / "copy")
    before = digest(folder)
    stamp = (folder / "train/images/card_0001_front.jpg").stat().st_mtime_ns
    render_dataset(folder, **SMALL)
    assert (folder / "train/images/card_0001_front.jpg").stat().st_mtime_ns == stamp
    render_dataset(tmp_path / "fresh", **SMALL)
    assert digest(tmp_path / "fresh") == before == digest(folder)

    fewer = {"counts": {"train": 4}, "size": (240, 320)}
    render_dataset(tmp_path / "copy", **fewer, seed=5)
    render_dataset(tmp_path / "five", **fewer, seed=5)
    assert digest(tmp_path / "copy") == digest(tmp_path / "five")
    assert digest(tmp_path / "copy")["train/images/card_0001_front.jpg"] != before["train/images/card_0001_front.jpg"]


def test_a_stopped_call_goes_on_and_ends_in_the_same_bytes(rendered, tmp_path):
    folder, _ = rendered

    def stop(tick):
        if tick.done >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        render_dataset(tmp_path, **SMALL, report=stop)
    begun = sorted(tmp_path.glob("train/images/*.jpg"))
    assert 0 < len(begun) < 20
    begun[-1].with_name(f".{begun[-1].name}.abc.part").write_bytes(b"half")
    (tmp_path / "train/labels" / f"{begun[-1].stem}.txt").unlink()
    render_dataset(tmp_path, **SMALL)
    assert digest(tmp_path) == digest(folder)


def test_foreign_folders_second_writers_and_wrong_numbers_are_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"holiday\.jpg"):
        render_dataset(tmp_path, **SMALL)
    assert [each.name for each in tmp_path.iterdir()] == ["holiday.jpg"]
    with Lock(tmp_path / "busy" / "render.lock", doing="rendering photos"), pytest.raises(DataError, match="rendering"):
        render_dataset(tmp_path / "busy", **SMALL)
    for wrong in ({"counts": {"exam": 3}}, {"counts": {"train": -1}}, {"seed": -1}, {"size": (10, 10)}):
        with pytest.raises(ConfigError):
            render_dataset(tmp_path / "new", **{**SMALL, **wrong})
    assert not (tmp_path / "new").exists()
