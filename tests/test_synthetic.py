"""The renderer: the truth lies where the pixels say it does, and a folder is the same whatever happened on the way."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import yaml

from rcg.errors import Cancelled, ConfigError, DataError
from rcg.geometry import polygon_area
from rcg.images import read_image
from rcg.locks import Lock
from rcg.synthetic import LABELS, render_dataset
from rcg.synthetic.card import CardSpec, render_card
from rcg.synthetic.dataset import _plan
from rcg.synthetic.photo import render_photo

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


def test_outline_is_a_rectangle_less_its_rounded_corners():
    outline = CardSpec().outline(steps=200)
    assert polygon_area(outline) == pytest.approx(63 * 88 - (4 - np.pi) * 9, abs=0.01)
    assert outline.min(axis=0) == pytest.approx((0, 0))
    assert outline.max(axis=0) == pytest.approx((63, 88))


def test_the_borders_are_where_the_card_says():
    for seed in range(12):
        card = render_card(np.random.default_rng(seed))
        if card.defects:
            continue
        rows, columns = card.front.shape[:2]
        row = card.front[rows // 2].astype(int)
        changed = np.flatnonzero(np.abs(row - row[0]).sum(axis=1) > 60)
        assert changed[0] / 8 == pytest.approx(card.borders[0], abs=0.3)
        assert (columns - 1 - changed[-1]) / 8 == pytest.approx(card.borders[1], abs=0.3)


def test_border_totals_and_offsets_are_those_of_real_cards():
    cards = [render_card(np.random.default_rng(seed)) for seed in range(40)]
    left, right, top, bottom = np.array([card.borders for card in cards]).T
    assert 4.4 < (left + right).min() < (left + right).max() < 6.6  # 4.6 to 6.4, drawn in steps of 0.25 mm
    assert np.std((left - right) / 2) == pytest.approx(0.3, abs=0.12)
    assert np.std((top - bottom) / 2) == pytest.approx(0.3, abs=0.12)
    assert np.std([card.rotation_deg for card in cards]) == pytest.approx(0.2, abs=0.1)


def test_every_defect_is_labelled_and_lies_on_the_card():
    seen = set()
    for seed in range(30):
        for defect in render_card(np.random.default_rng(seed)).defects:
            seen.add(defect.label)
            outline = np.array(defect.outline)
            assert (outline >= 0).all()
            assert (outline <= (63, 88)).all()
            near_edge = min(outline.min(), (np.array([63, 88]) - outline).min())
            assert "whitening" not in defect.label or near_edge < 0.5
    assert seen == set(LABELS.names[1:])


def test_whitening_is_brighter_than_the_border_around_it():
    whiter = []
    for seed in range(40):
        card = render_card(np.random.default_rng(seed))
        border = np.median(card.front[3:9, 100:-100].reshape(-1, 3).mean(axis=1))
        for defect in card.defects:
            if defect.label == "corner_whitening":
                left, top = (np.min(defect.outline, axis=0) * 8).astype(int)
                right, bottom = (np.max(defect.outline, axis=0) * 8).astype(int)
                patch = np.where(card.mask > 250, card.front.mean(axis=2), 0)[top:bottom, left:right]
                whiter.append(np.percentile(patch, 90) > border + 15)
    assert len(whiter) > 10
    assert np.mean(whiter) > 0.9


def test_the_card_lies_where_its_box_says():
    for seed in range(8):
        card = render_card(np.random.default_rng(seed))
        photos = []
        for colour in ((255, 0, 255), (0, 255, 0)):  # all that differs between the two photos is the card's colour
            blank = dataclasses.replace(card, front=np.full_like(card.front, colour))
            pixels, record = render_photo(blank, np.random.default_rng(seed), size=(480, 640))
            photos.append(pixels.astype(int))
        differs = np.abs(photos[0] - photos[1]).max(axis=2)
        rows, columns = (np.flatnonzero(differs.max(axis=axis) > 90) for axis in (1, 0))
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert found == pytest.approx(record.annotations[0].box.corners, abs=1.2), seed


def test_every_annotation_is_inside_the_photo_and_its_box_fits_its_polygon():
    for seed in range(25):
        rng = np.random.default_rng(seed)
        pixels, record = render_photo(render_card(rng), rng, size=(300, 400))
        assert pixels.shape == (400, 300, 3)
        card = record.annotations[0]
        assert card.label == "card"
        for each in record.annotations:
            left, top, right, bottom = each.box.corners
            assert -0.01 <= left < right <= 300.01
            assert -0.01 <= top < bottom <= 400.01
            points = np.array(each.polygons[0].points)
            assert [*points.min(axis=0), *points.max(axis=0)] == pytest.approx(each.box.corners)


def test_an_empty_table_has_no_annotation():
    _, record = render_photo(None, np.random.default_rng(0), size=(200, 160))
    assert record.annotations == ()
    assert record.labelled


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
