"""The quick reader of RCG's own COCO files gives what the careful one gives, and knows when it must not be used."""

import pytest

from rcg.annotations import CocoWriter, open_annotations
from rcg.annotations.formats.coco_lines import read_own
from rcg.annotations.formats.coco_own import NotOwn
from rcg.errors import DataError
from rcg.types import Annotation, Box, ImageRecord, Keypoints, LabelSet, Polygon, Rle
from tests.test_versions import make

LABELS = LabelSet(("card", "stain"), keypoints=("a", "b"))
RING = Polygon(((2.5, 2.0), (30.0, 2.0), (30.0, 20.0)))
BOX = Box(1.5, 2.25, 20.0, 10.125)
KINDS = {
    "box": Annotation(label="card", box=BOX),
    "score": Annotation(label="stain", box=BOX, score=0.25),
    "outline": Annotation(label="card", box=BOX, polygons=(RING,), area=99.5),
    "outlines": Annotation(label="card", box=BOX, polygons=(RING, RING), area=300.0, crowd=True),
    "mask": Annotation(label="card", box=BOX, rle=Rle(40, 60, (100, 20, 2280)), area=20.0),
    "packed mask": Annotation(label="card", box=BOX, rle=Rle(40, 60, "T3d0XW2"), area=20.0),
    "keypoints": Annotation(label="card", box=BOX, keypoints=Keypoints(((1.0, 2.0, 2), (3.0, 4.0, 0)))),
    "crowd": Annotation(label="stain", box=BOX, crowd=True),
    "own area": Annotation(label="stain", box=BOX, area=7.0),
}


def write(path, *records):
    with CocoWriter(path, LABELS) as out:
        for record in records:
            out.add(record)
    return path


def both(path):
    bad = []
    careful = tuple(open_annotations(path, format="coco", trusted=True).records(bad.append))
    assert not bad
    return tuple(read_own(path, LABELS)), careful


@pytest.mark.parametrize("kind", KINDS)
def test_both_readers_give_the_same(tmp_path, kind):
    records = [
        ImageRecord(file_name="a.jpg", width=60, height=40, annotations=(KINDS[kind], KINDS["box"]), image_id=7),
        ImageRecord(file_name="lot/b.jpg", width=60, height=40, labelled=False, image_id=9, card="lot 1", split="val"),
        ImageRecord(file_name="train/c.jpg", width=60, height=40, image_id=8),
    ]
    quick, careful = both(write(tmp_path / "set.json", *records))
    assert quick == careful
    assert quick[0].annotations == (KINDS[kind], KINDS["box"])


CHANGES = [
    ('"bbox":[1.5,', '"bbox":["x",'),
    ("20.0,10.125]", "20.0]"),
    ("20.0,10", "-20.0,10"),
    ('"area"', '"aera"'),
    ('"iscrowd":0', '"iscrowd":0,"id":'),
    ("\n", " "),
]


def test_a_file_that_is_not_as_rcg_writes_it_is_refused(tmp_path):
    good = ImageRecord(file_name="b.jpg", width=60, height=40, annotations=(KINDS["box"],))
    wide = ImageRecord(
        file_name="c.jpg", width=60, height=40, annotations=(Annotation(label="card", box=Box(50, 1, 20, 5)),)
    )
    first = ImageRecord(file_name="a.jpg", width=60, height=40)
    for records in ((good, wide), (good, first), (good, good)):
        with pytest.raises(NotOwn):
            list(read_own(write(tmp_path / "set.json", *records), LABELS))
    text = write(tmp_path / "set.json", first, good).read_text()
    for old, new in CHANGES:
        assert old in text
        (tmp_path / "set.json").write_text(text.replace(old, new))
        with pytest.raises(NotOwn):
            list(read_own(tmp_path / "set.json", LABELS))
    with pytest.raises(NotOwn):
        list(read_own(write(tmp_path / "set.json", first), LabelSet(("stain", "card"))))


def test_a_dataset_whose_labels_were_changed_by_hand_is_read_with_care(tmp_path):
    cards = make(tmp_path)
    before = cards.records()
    file = cards.labels_file()
    file.write_text(file.read_text().replace("\n", " "))
    assert cards.records() == before
    file.write_text(file.read_text().replace('"bbox":[5.0,6.0,20.0,10.0]', '"bbox":[5.0,6.0,-20.0,10.0]', 1))
    with pytest.raises(DataError, match="changed by hand"):
        cards.records()


def test_the_description_is_read_again_when_it_changes(tmp_path):
    cards = make(tmp_path)
    assert cards.labels.names == ("card", "stain", "dust")
    cards.config()["classes"] = []
    assert cards.labels.names == ("card", "stain", "dust")
    (cards.path / "dataset.toml").write_text('type = "custom"\nclasses = ["card", "stain", "dust", "tear"]\n')
    assert cards.labels.names[-1] == "tear"
    (cards.path / "dataset.toml").unlink()
    with pytest.raises(DataError, match="description cannot be read"):
        cards.config()
