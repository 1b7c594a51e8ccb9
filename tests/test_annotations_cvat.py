"""CVAT XML for images."""

import numpy as np
import pytest

from rcg.annotations import convert, open_annotations
from rcg.annotations.shapes import decoded_mask
from rcg.errors import DataError, FormatError
from tests.make_labels import cvat, cvat_box, image, quarantined, read, text

BOX = cvat_box("card", 10, 20, 60, 80)


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


def one(tmp_path, inside, *, labels=("card", "scratch"), **options):
    image(tmp_path / "images/a.jpg")
    cvat(tmp_path / "annotations.xml", {"a.jpg": inside}, labels=labels)
    opened, (record,), bad = records(tmp_path, **options)
    return opened, record.annotations, bad


def test_labels_come_from_the_task_in_their_order(tmp_path):
    opened, (found,), bad = one(tmp_path, BOX, labels=("scratch", "card"))
    assert (opened.format, opened.labels.names, opened.labels.ids) == ("cvat", ("scratch", "card"), (1, 2))
    assert (found.box.corners, bad) == ((10, 20, 60, 80), [])
    assert "annotations.xml is XML that begins with <annotations>" in opened.reason


def test_a_turned_box_is_an_outline_turned_clockwise_around_its_middle(tmp_path):
    _, (found,), _ = one(tmp_path, cvat_box("card", 80, 40, 120, 60, 'rotation="90"'))
    assert found.box.corners == pytest.approx((90, 30, 110, 70))
    assert [round(value) for point in found.polygons[0].points for value in point] == [110, 30, 110, 70, 90, 70, 90, 30]


def test_polygons_ellipses_and_masks(tmp_path):
    inside = """<polygon label="card" points="10,10;30,10;30,40"/>
    <ellipse label="card" cx="50" cy="50" rx="20" ry="10"/>
    <mask label="scratch" rle="1, 2, 1, 2" left="5" top="7" width="3" height="2"/>"""
    opened, (ring, around, mask), bad = one(tmp_path, inside)
    assert (ring.area, bad) == (300, [])
    assert around.box.corners == pytest.approx((30, 40, 70, 60))
    assert (mask.box.corners, mask.area) == ((6, 7, 8, 9), 4)
    assert np.argwhere(decoded_mask(mask.rle)).tolist() == [[7, 6], [7, 7], [8, 6], [8, 7]]
    assert any("read as outlines" in note for note in opened.notes.lines())


def test_skeletons_are_keypoints_by_name(tmp_path):
    inside = """<skeleton label="card">
      <points label="two" outside="0" occluded="1" points="60,70"/>
      <points label="one" outside="0" occluded="0" points="10,20"/>
      <points label="three" outside="1" points="0,0"/>
    </skeleton>"""
    image(tmp_path / "a.jpg")
    path = cvat(tmp_path / "a.xml", {"a.jpg": inside})
    sub = "".join(f"<label><name>{name}</name><type>points</type><parent>card</parent></label>"
                  for name in ("one", "two", "three"))  # fmt: skip
    text(path, path.read_text().replace("</labels>", f"{sub}</labels>"))
    opened, (record,), bad = records(tmp_path)
    assert (opened.labels.names, opened.labels.keypoints) == (("card", "scratch"), ("one", "two", "three"))
    assert record.annotations[0].keypoints.points == ((10, 20, 2), (60, 70, 1), (0, 0, 0))
    assert (record.annotations[0].box.corners, bad) == ((10, 20, 60, 70), [])


def test_loose_points_are_keypoints_only_where_they_are_equally_many(tmp_path):
    inside = '<points label="card" points="10,20;60,70"/><points label="card" points="1,2;6,7"/>'
    opened, found, bad = one(tmp_path, inside)
    assert (len(found), opened.labels.keypoints, bad) == (2, ("point_1", "point_2"), [])
    _, found, bad = one(tmp_path, inside + '<points label="card" points="1,2"/>' + BOX)
    assert (len(found), len(bad)) == (1, 3)
    assert "not equally many" in bad[0].reason


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<polyline label="card" points="1,2;3,4"/>', "a polyline encloses no area"),
        ('<cuboid label="card" xtl1="1"/>', "a cuboid is no outline"),
        ('<tag label="card"/>', "a tag speaks of the whole image"),
        ('<polygon label="" points="1,2;3,4;5,9"/>', "has no label"),
        ('<polygon label="card" points="1,2;3;5,9"/>', "no pair of numbers"),
        ('<polygon label="card" points="1,2;3,x;5,9"/>', "y is 'x', not a number"),
        ('<polygon label="card"/>', "at least 3 points"),
        (cvat_box("card", 10, 10, "nan", 20), "not a finite number"),
        (cvat_box("card", 10, 10, 10, 20), "no area"),
        (cvat_box("card", 10, 10, 900, 20), "past the edge"),
        ('<box label="card" xtl="1"/>', "not a number"),
        ('<mask label="card" rle="1, 2" left="0" top="0" width="3" height="2"/>', "do not add up"),
        ('<mask label="card" rle="0, 6" left="199" top="0" width="3" height="2"/>', "reaches out of"),
        ('<star label="card"/>', "a shape <star> is not known"),
    ],
)
def test_an_odd_shape_costs_only_itself(tmp_path, shape, reason):
    _, found, (bad,) = one(tmp_path, f"{BOX}\n{shape}")
    assert len(found) == 1
    assert reason in bad.reason
    assert (bad.file, bad.text[:3]) == ("annotations.xml", shape[:3])
    assert bad.line == 5


def test_subsets_are_splits_and_the_same_name_in_two_stays_apart(tmp_path):
    for split in ("Train", "Validation"):
        image(tmp_path / f"images/{split}/a.jpg")
    parts = [
        f'<image id="{number}" name="a.jpg" subset="{split}" width="200" height="100">{BOX}</image>'
        for number, split in enumerate(("Train", "Validation"))
    ]
    text(tmp_path / "annotations.xml", f"<annotations><version>1.1</version>{''.join(parts)}</annotations>")
    opened, found, _ = records(tmp_path)
    assert [(each.file_name, each.split) for each in found] == [("Train/a.jpg", "train"), ("Validation/a.jpg", "val")]
    assert opened.labels.names == ("card",)
    _, found, _ = records(tmp_path / "annotations.xml", images=tmp_path / "images")
    assert len(found) == 2


def test_without_images_the_file_says_sizes_and_names(tmp_path):
    cvat(tmp_path / "a.xml", {"lot\\a.jpg": BOX, "b.jpg": ""})
    opened, found, bad = records(tmp_path / "a.xml")
    assert [(each.file_name, each.width, each.labelled) for each in found] == [
        ("b.jpg", 200, True), ("lot/a.jpg", 200, True)
    ]  # fmt: skip
    assert not bad
    assert any("images that are not there" in note for note in opened.notes.lines())


def test_a_missing_image_goes_to_the_quarantine_with_its_shapes(tmp_path):
    image(tmp_path / "images/a.jpg")
    cvat(tmp_path / "annotations.xml", {"a.jpg": BOX, "gone.jpg": BOX + "\n" + BOX})
    done = convert(tmp_path, tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (1, 1, 3)
    assert [each["line"] for each in quarantined(done)] == [None, 7, 8]


def test_scores_attributes_and_marks(tmp_path):
    inside = cvat_box("card", 1, 1, 9, 9, inside='<attribute name="score">0.5</attribute>') + cvat_box(
        "card", 1, 1, 9, 9, inside='<attribute name="worn">yes</attribute>'
    ).replace('occluded="0"', 'occluded="1"')
    opened, found, _ = one(tmp_path, inside)
    assert [each.score for each in found] == [0.5, None]
    notes = " ".join(opened.notes.lines())
    assert "'occluded'" in notes
    assert "attribute 'worn'" in notes
    _, found, (bad,) = one(tmp_path, inside, stage="predictions")
    assert (len(found), "needs a score" in bad.reason) == (1, True)


@pytest.mark.parametrize(
    ("content", "error", "match"),
    [
        ("<annotations><version>1.1</version><image name='a.jpg' width='2'", FormatError, "broken or cut off"),
        ("<annotations><version>1.1</version><image name='a.jpg'><box></image></annotations>", FormatError, "broken"),
        ("<annotations><meta/></annotations>", DataError, "names no image"),
        ("<annotations><meta/><track id='0'/></annotations>", DataError, "a track belongs to a video"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations><meta/></annotations>', FormatError, "document type"),
        ("<annotations><meta/><image name='..' width='2' height='3'/></annotations>", DataError, "is no file name"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_refused(tmp_path, content, error, match):
    path = text(tmp_path / "a.xml", content)
    with pytest.raises(error, match=match) as caught:
        records(path)
    assert caught.value.fix


def test_other_encodings_and_a_label_that_is_not_listed(tmp_path):
    image(tmp_path / "a.jpg")
    path = cvat(tmp_path / "a.xml", {"a.jpg": cvat_box("Größe", 1, 1, 9, 9)}, labels=("card",))
    content = path.read_text()
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        said = content.replace('encoding="utf-8"', f'encoding="{encoding.removesuffix("-sig")}"')
        text(path, said.encode(encoding))
        opened, (record,), bad = records(tmp_path)
        assert (opened.labels.names, record.annotations[0].label, bad) == (("card", "Größe"), "Größe", [])


def test_exports_of_cvat_itself(shared_data, tmp_path):
    folder = shared_data / "labels/datumaro_assets/cvat_dataset"
    if not folder.is_dir():
        pytest.skip("the folder of real labels is absent")
    done = convert(folder / "for_images/export_project", tmp_path / "out.json")
    assert (done.format, done.images, done.annotations, done.dropped) == ("cvat", 6, 9, 3)
    assert {each["split"] for each in read(tmp_path / "out.json")["images"]} == {"train", "val", "test"}
    assert convert(folder / "for_images/export_task", tmp_path / "task.json").dropped == 2
    with pytest.raises(DataError, match="belongs to a video"):
        convert(folder / "for_video", tmp_path / "video.json")
