"""YOLO in: every line and layout that users meet."""

import pytest

from rcg.annotations import convert, open_annotations
from rcg.errors import DataError, FormatError
from rcg.types import Box
from tests.make_labels import boxes, image, quarantined, read, text, yolo


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


def one(tmp_path, line, **options):
    """The annotations of one line on an image of 200 x 100, and what was left out."""
    yolo(tmp_path / "set", {"a.jpg": line})
    _, found, bad = records(tmp_path / "set", **options)
    return found[0].annotations, bad


def test_a_box_in_pixels(tmp_path):
    (label,), bad = one(tmp_path, "1 0.5 0.5 0.2 0.4\n")
    assert (label.label, label.score, label.polygons, bad) == ("scratch", None, (), [])
    assert label.box.corners == pytest.approx((80, 30, 120, 70))


@pytest.mark.parametrize(
    "line",
    [
        "\ufeff0 0.5 0.5 0.2 0.4\n",
        "0 0.5 0.5 0.2 0.4\r\n",
        "0\t0.5\t0.5 \t 0.2  0.4",
        "  0 5e-1 .5 +0.2 4.0E-1  \n\n\n",
        "0.0 0.5 0.5 0.2 0.4\r",
        "\n\n0 0.5 0.5 0.2 0.4",
    ],
)
def test_odd_but_readable_writing(tmp_path, line):
    (label,), bad = one(tmp_path, line)
    assert label.box.corners == pytest.approx((80, 30, 120, 70))
    assert not bad


def test_utf16_from_a_windows_editor(tmp_path):
    (label,), bad = one(tmp_path, "0 0.5 0.5 0.2 0.4\r\n".encode("utf-16"))
    assert label.box.corners == pytest.approx((80, 30, 120, 70))
    assert not bad


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("garbage here", "no line of numbers"),
        ("0 0.5 0.5 0.2", "too few"),
        ("0 0.5 0.5 0.2 1_0", "no line of numbers"),
        ("7 0.5 0.5 0.2 0.4", "not in the class file (0 to 1 in classes.txt)"),
        ("-1 0.5 0.5 0.2 0.4", "no whole number"),
        ("0.5 0.5 0.5 0.2 0.4", "no whole number"),
        ("0 nan 0.5 0.2 0.4", "not finite"),
        ("0 0.5 0.5 inf 0.4", "not finite"),
        ("0 0.5 0.5 1e999 0.4", "not finite"),
        ("0 0.5 0.5 -0.2 0.4", "no area"),
        ("0 0.5 0.5 0.2 0", "no area"),
        ("0 0.95 0.5 0.2 0.4", "5.0 % past the edge"),
        ("0 100 50 40 40", "look like pixels"),
        ("0 0.5 0.5 0.2 0.4 7", "score 7 is not between 0 and 1"),
        ("0 0.1 0.1 0.5 0.5 0.3 0.3", "encloses no area"),
        ("0 0.1 0.1 0.5 0.1 0.5 1.5", "past the edge"),
    ],
)
def test_a_bad_line_goes_to_quarantine_and_the_rest_stays(tmp_path, line, reason):
    found, bad = one(tmp_path, f"0 0.5 0.5 0.2 0.4\n{line}\n1 0.5 0.5 0.2 0.4\n")
    assert [each.label for each in found] == ["card", "scratch"]
    assert [(each.file, each.line, each.text) for each in bad] == [("labels/a.txt", 2, line)]
    assert reason in bad[0].reason


def test_a_box_past_the_edge_by_rounding_is_clipped_and_counted(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.955 0.5 0.1 0.4\n"})
    opened, (record,), bad = records(tmp_path / "set")
    assert record.annotations[0].box.corners == pytest.approx((181, 30, 200, 70))
    assert not bad
    assert "labels clipped to the image: 1, first labels/a.txt" in opened.notes.lines()


def test_six_decimals_at_the_edge_are_no_clipping_worth_telling(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.833333 0.5 0.333335 1.000000\n"})
    opened, (record,), _ = records(tmp_path / "set")
    assert record.annotations[0].box.corners[2] <= 200
    assert opened.notes.lines() == ()


def test_the_sixth_column_is_the_score(tmp_path):
    (label,), _ = one(tmp_path, "0 0.5 0.5 0.2 0.4 0.875")
    assert label.score == 0.875


def test_outlines_mixed_with_boxes(tmp_path):
    lines = "0 0.1 0.1 0.6 0.1 0.6 0.6\n0 0.5 0.5 0.2 0.4\n1 0.1 0.1 0.6 0.1 0.6 0.6 0.1 0.1 0.25\n"
    (triangle, box, scored), bad = one(tmp_path, lines)
    assert [value for point in triangle.polygons[0].points for value in point] == pytest.approx(
        [20, 10, 120, 10, 120, 60]
    )
    assert triangle.box.corners == pytest.approx((20, 10, 120, 60))
    assert triangle.area == pytest.approx(100 * 50 / 2)
    assert box.polygons == ()
    assert scored.score == 0.25
    assert len(scored.polygons[0].points) == 3, "the last point repeats the first"
    assert not bad


def test_eight_numbers_are_an_oriented_box(tmp_path):
    (label,), _ = one(tmp_path, "0 0.5 0.2 0.7 0.5 0.5 0.8 0.3 0.5")
    assert len(label.polygons[0].points) == 4
    assert label.box.corners == pytest.approx((60, 20, 140, 80))
    assert label.area == pytest.approx(80 * 60 / 2)


def test_keypoints_where_the_class_file_announces_them(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4 0.4 0.3 2 0.6 0.7 1 0.9\n"}, classes=None)
    text(tmp_path / "set/data.yaml", "names: [card]\nkpt_shape: [2, 3]\n")
    opened, (record,), bad = records(tmp_path / "set")
    (label,) = record.annotations
    assert label.keypoints.points == ((80, pytest.approx(30), 2), (120, pytest.approx(70), 1))
    assert (label.score, opened.labels.keypoints, bad) == (0.9, ("point_1", "point_2"), [])


def test_images_without_labels_are_kept_and_told_apart(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "", "b.jpg": None, "c.jpg": "0 0.5 0.5 0.2 0.4"})
    opened, found, bad = records(tmp_path / "set")
    assert [(each.file_name, each.labelled, len(each.annotations)) for each in found] == [
        ("a.jpg", True, 0), ("b.jpg", False, 0), ("c.jpg", True, 1)
    ]  # fmt: skip
    assert not bad
    assert "images without a label file, kept as not labelled: 1, first b.jpg" in opened.notes.lines()


def test_every_line_of_a_label_without_image_is_accounted_for(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"})
    text(tmp_path / "set/labels/gone.txt", "0 0.5 0.5 0.2 0.4\n\n1 0.5 0.5 0.2 0.4\n")
    text(tmp_path / "set/labels/hollow.txt", "")
    _, found, bad = records(tmp_path / "set")
    assert len(found) == 1
    assert [(each.file, each.line) for each in bad] == [
        ("labels/gone.txt", 1), ("labels/gone.txt", 3), ("labels/hollow.txt", None)
    ]  # fmt: skip
    assert "add the image" in bad[0].reason


def test_two_images_share_a_label_and_both_get_it(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4", "a.png": "0 0.5 0.5 0.2 0.4"})
    opened, found, _ = records(tmp_path / "set")
    assert [(each.file_name, len(each.annotations)) for each in found] == [("a.jpg", 1), ("a.png", 1)]
    assert any("several images share" in note and "a.jpg, a.png" in note for note in opened.notes.lines())


def test_all_endings_are_read(tmp_path):
    names = ["a.JPG", "b.jpeg", "c.png", "d.webp", "e.bmp", "f.tif", "g.tiff", "h.PNG"]
    for name in names:
        image(tmp_path / "set" / name, kind={"tiff": "TIFF"}.get(name.split(".")[1]))
        text(tmp_path / "set" / f"{name.split('.')[0]}.txt", "0 0.5 0.5 0.2 0.4")
    text(tmp_path / "set/obj.names", "card\n")
    opened, found, bad = records(tmp_path / "set")
    assert sorted(names) == [each.file_name for each in found if each.annotations]
    assert (bad, opened.labels.names) == ([], ("card",))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_exif_orientation_swaps_width_and_height(tmp_path, orientation):
    image(tmp_path / "a.jpg", (200, 100), orientation=orientation)
    text(tmp_path / "a.txt", "0 0.5 0.5 0.2 0.4")
    _, (record,), _ = records(tmp_path)
    assert (record.width, record.height) == (100, 200)
    assert record.annotations[0].box.corners == pytest.approx((40, 60, 60, 140))


def test_a_name_that_claims_another_kind_is_read_and_noted(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"})
    image(tmp_path / "set/images/a.jpg", kind="PNG")
    opened, (record,), bad = records(tmp_path / "set")
    assert (record.width, len(record.annotations), bad) == (200, 1, [])
    assert "images whose name claims another kind: 1, first a.jpg (PNG)" in opened.notes.lines()


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "huge"])
def test_a_damaged_image_goes_to_quarantine_with_its_labels(tmp_path, damage, monkeypatch):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4", "b.jpg": "0 0.5 0.5 0.2 0.4"})
    path = tmp_path / "set/images/a.jpg"
    whole = image(path, (400, 300)).read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[:400], "text": b"hello", "huge": whole}[damage])
    if damage == "huge":
        monkeypatch.setenv("RCG_MAX_PIXELS", "100000")
    _, found, bad = records(tmp_path / "set")
    assert [each.file_name for each in found] == ["b.jpg"]
    assert [(each.file, each.line) for each in bad] == [
        ("images/a.jpg", None),
        ("labels/a.txt", 1),
        ("labels/a.txt", 2),
    ]
    expected = {"empty": "0 bytes", "cut": "cut off", "text": "no image", "huge": "RCG_MAX_PIXELS"}[damage]
    assert expected in bad[0].reason


def test_a_picture_of_1600_megapixels_costs_only_its_header(tmp_path):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (40_000).to_bytes(4, "big") * 2
    yolo(tmp_path / "set", {"a.png": "0 0.5 0.5 0.2 0.4", "b.jpg": None})
    (tmp_path / "set/images/a.png").write_bytes(
        head + b"\x08\x02\0\0\0" + b"\0" * 4 + b"\0\0\0\x10IDAT" + b"\0" * 20 + b"\0\0\0\0IEND\xaeB`\x82"
    )
    _, found, bad = records(tmp_path / "set")
    assert [each.file_name for each in found] == ["b.jpg"]
    assert "40,000 x 40,000 pixels" in bad[0].reason


def test_the_same_name_in_sub_folders_is_kept_apart(tmp_path):
    yolo(tmp_path / "set", {"one/a.jpg": "0 0.5 0.5 0.2 0.4", "two/a.jpg": "1 0.5 0.5 0.1 0.1", "a.jpg": ""})
    _, found, bad = records(tmp_path / "set")
    assert [(each.file_name, [a.label for a in each.annotations]) for each in found] == [
        ("a.jpg", []), ("one/a.jpg", ["card"]), ("two/a.jpg", ["scratch"])
    ]  # fmt: skip
    assert not bad


LAYOUTS = {
    "ultralytics": ("images/train/a.jpg", "labels/train/a.txt", "data.yaml", "train/a.jpg"),
    "roboflow": ("train/images/a.jpg", "train/labels/a.txt", "data.yaml", "train/images/a.jpg"),
    "darknet": ("data/obj/a.jpg", "data/obj/a.txt", "data/obj.names", "data/obj/a.jpg"),
    "one folder called images": ("images/a.jpg", "images/a.txt", "classes.txt", "a.jpg"),
    "label studio": ("images/a.jpg", "labels/a.txt", "notes.json", "a.jpg"),
    "darkmark": ("a.jpg", "a.txt", "_classes.txt", "a.jpg"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    picture, label, classes, name = LAYOUTS[layout]
    image(tmp_path / picture)
    text(tmp_path / label, "1 0.5 0.5 0.2 0.4")
    content = {
        "data.yaml": "names: {'0': card, '1': scratch}\n",
        "notes.json": '{"categories": [{"id": 1, "name": "scratch"}, {"id": 0, "name": "card"}]}',
    }.get(classes, "card\nscratch\n\n")
    text(tmp_path / classes, content)
    opened, (record,), bad = records(tmp_path)
    assert (opened.format, opened.labels.names, bad) == ("yolo", ("card", "scratch"), [])
    assert (record.file_name, [each.label for each in record.annotations]) == (name, ["scratch"])
    assert classes in opened.reason


@pytest.mark.parametrize(
    "names", ["[card, scratch]", "{0: card, 1: scratch}", "{'0': card, '1': scratch}", "\n- card\n- scratch"]
)
def test_data_yaml_writings(tmp_path, names):
    yolo(tmp_path / "set", {"a.jpg": "1 0.5 0.5 0.2 0.4"}, classes=None)
    text(tmp_path / "set/data.yaml", f"path: .\ntrain: images\nnc: 2\nnames: {names}\n")
    for source in (tmp_path / "set", tmp_path / "set/data.yaml"):
        opened, (record,), _ = records(source)
        assert (opened.labels.names, record.annotations[0].label) == (("card", "scratch"), "scratch")


def test_obj_data_leads_to_the_names_and_lists_to_the_splits(tmp_path):
    for name in ("a", "b", "c"):
        image(tmp_path / f"data/obj/{name}.jpg")
        text(tmp_path / f"data/obj/{name}.txt", "0 0.5 0.5 0.2 0.4")
    text(tmp_path / "data/obj.data", "classes = 1\ntrain = data/train.txt\nnames = data/my.names\n")
    text(tmp_path / "data/my.names", "card\n")
    text(tmp_path / "data/train.txt", "data/obj/a.jpg\ndata/obj/missing.jpg\n")
    text(tmp_path / "data/test.txt", "C:\\sets\\obj\\b.jpg\r\n")
    opened, found, bad = records(tmp_path / "data/obj.data")
    assert opened.labels.names == ("card",)
    assert [each.split for each in found] == ["train", "test", None]
    assert not bad


def test_splits_of_a_data_yaml(tmp_path):
    for folder in ("x", "y"):
        image(tmp_path / f"images/{folder}/a.jpg")
        text(tmp_path / f"labels/{folder}/a.txt", "0 0.5 0.5 0.2 0.4")
    text(tmp_path / "data.yaml", "train: images/x\nval: ./images/y\nnames: [card]\n")
    _, found, _ = records(tmp_path)
    assert [each.split for each in found] == ["train", "val"]


def test_without_a_class_file_classes_get_numbers_and_a_note(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "2 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4"}, classes=None)
    opened, (record,), _ = records(tmp_path / "set")
    assert opened.labels.names == ("class_0", "class_1", "class_2")
    assert [each.label for each in record.annotations] == ["class_2", "class_0"]
    assert any("no class file" in note for note in opened.notes.lines())


def test_all_labels_out_of_range_means_the_wrong_class_file(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "5 0.5 0.5 0.2 0.4\n6 0.5 0.5 0.2 0.4"})
    with pytest.raises(DataError, match="no label names one of the 2 classes") as caught:
        convert(tmp_path / "set", tmp_path / "out.json")
    assert "classes.txt" in str(caught.value)
    assert "lengthen the class file" in str(caught.value)
    assert not (tmp_path / "out.json").exists()


def test_given_classes_win(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "1 0.5 0.5 0.2 0.4"})
    names = text(tmp_path / "mine.txt", "front\nback\n")
    for classes in (names, str(names), ["front", "back"]):
        _, (record,), _ = records(tmp_path / "set", classes=classes)
        assert record.annotations[0].label == "back"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.yaml", "names: [a, b\n", "not YAML"),
        ("data.yaml", "names: 5\n", "neither a list nor a table"),
        ("classes.txt", "card\ncard\n", "'card' stands there twice"),
        ("notes.json", "{", "not JSON"),
    ],
)
def test_a_class_file_that_cannot_be_understood(tmp_path, name, content, message):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"}, classes=None)
    text(tmp_path / "set" / name, content)
    with pytest.raises((FormatError, DataError), match=message) as caught:
        open_annotations(tmp_path / "set", format="yolo")
    assert name in str(caught.value)


def test_labels_and_images_in_two_places(tmp_path):
    image(tmp_path / "photos/train/a.jpg")
    text(tmp_path / "texts/train/a.txt", "0 0.5 0.5 0.2 0.4")
    for options in (
        {"source": tmp_path / "texts", "images": tmp_path / "photos"},
        {"source": tmp_path / "photos", "labels": tmp_path / "texts"},
    ):
        _, (record,), bad = records(options.pop("source"), **options)
        assert (record.file_name, record.split, len(record.annotations), bad) == ("train/a.jpg", "train", 1, [])


def test_one_half_of_a_set_leads_to_the_other(tmp_path):
    yolo(tmp_path / "set", {"train/a.jpg": "0 0.5 0.5 0.2 0.4", "val/a.jpg": ""})
    for half in ("images", "labels"):
        opened, found, bad = records(tmp_path / "set" / half)
        assert [(each.file_name, len(each.annotations)) for each in found] == [("train/a.jpg", 1), ("val/a.jpg", 0)]
        assert (opened.labels.names, bad) == (("card", "scratch"), [])
        _, found, _ = records(tmp_path / "set" / half / "train")
        assert [(each.file_name, len(each.annotations)) for each in found] == [("a.jpg", 1)]


def test_labels_are_matched_by_name_only_where_no_path_fits(tmp_path):
    image(tmp_path / "images/deep/er/a.jpg")
    image(tmp_path / "images/deep/er/b.jpg")
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 0.2 0.4")
    opened, found, bad = records(tmp_path)
    assert [len(each.annotations) for each in found] == [1, 0]
    assert any("matched by name alone" in note for note in opened.notes.lines())
    text(tmp_path / "labels/deep/er/b.txt", "0 0.5 0.5 0.2 0.4")
    _, found, bad = records(tmp_path)
    assert [len(each.annotations) for each in found] == [0, 1]
    assert [each.file for each in bad] == ["labels/a.txt"]


def test_two_label_files_for_one_image(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"})
    text(tmp_path / "set/images/a.txt", "1 0.5 0.5 0.2 0.4")
    _, (record,), bad = records(tmp_path / "set")
    assert len(record.annotations) == 1
    assert len(bad) == 1
    assert "speaks for the same image already" in bad[0].reason


def test_rubbish_of_packers_is_passed_over(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"})
    text(tmp_path / "set/__MACOSX/labels/._a.txt", b"\0\5\7")
    text(tmp_path / "set/images/._a.jpg", b"\0\5\7")
    image(tmp_path / "set/images/thumbnails/a.jpg")
    text(tmp_path / "set/README.roboflow.txt", "made by a tool")
    text(tmp_path / "set/capture notes.txt", "lamp moved on tuesday")
    opened, found, bad = records(tmp_path / "set")
    assert ([each.file_name for each in found], bad) == (["a.jpg"], [])
    assert [note for note in opened.notes.lines() if "capture notes.txt" in note]


def test_accents_written_apart_and_together_are_the_same_name(tmp_path):
    image(tmp_path / "images/caf\u00e9.jpg")
    text(tmp_path / "labels/cafe\u0301.txt", "0 0.5 0.5 0.2 0.4")
    _, (record,), bad = records(tmp_path)
    assert (len(record.annotations), bad) == (1, [])


def test_a_file_name_that_is_no_utf8_goes_to_quarantine(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"})
    odd = b"caf\xe9.jpg"
    (tmp_path / "set/images" / odd.decode("utf-8", "surrogateescape")).write_bytes(
        (tmp_path / "set/images/a.jpg").read_bytes()
    )
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert (done.images, done.dropped) == (1, 1)
    assert "rename the file" in quarantined(done)[0]["reason"]


def test_predictions_need_scores(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4 0.9\n1 0.5 0.5 0.2 0.4"})
    done = convert(tmp_path / "set", tmp_path / "out.json", stage="predictions")
    assert boxes(tmp_path / "out.json") == {"a.jpg": [("card", [80, 30, 40, 40], 0.9)]}
    assert [(each["file"], each["line"]) for each in quarantined(done)] == [("labels/a.txt", 2)]
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4\n"})
    with pytest.raises(DataError, match="no prediction has a score"):
        convert(tmp_path / "set", tmp_path / "out.json", stage="predictions")
    assert boxes(tmp_path / "out.json")["a.jpg"], "the target of before still stands"
    assert convert(tmp_path / "set", tmp_path / "out.json").annotations == 1


def test_box_type_is_the_shared_one(tmp_path):
    (label,), _ = one(tmp_path, "0 0.5 0.5 1 1")
    assert label.box == Box(0, 0, 200, 100)


def test_category_ids_count_from_0_or_as_asked(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "1 0.5 0.5 0.2 0.4"})
    convert(tmp_path / "set", tmp_path / "out.json")
    assert [each["id"] for each in read(tmp_path / "out.json")["categories"]] == [0, 1]
    convert(tmp_path / "set", tmp_path / "out.json", first_id=1)
    assert [each["id"] for each in read(tmp_path / "out.json")["categories"]] == [1, 2]
    assert read(tmp_path / "out.json")["annotations"][0]["category_id"] == 2


def test_numbers_that_are_none_do_not_stop_the_search(tmp_path):
    odd = "nan 0.5 0.5 0.2 0.4\ninf 0.5 0.5 0.2 0.4\n"
    yolo(tmp_path / "set", {"a.jpg": odd, "b.jpg": "0 0.5 0.5 0.2 0.4"}, classes=None)
    text(tmp_path / "set/labels/gone.txt", "0 120 50 40 40\n")
    opened, found, bad = records(tmp_path / "set")
    assert (opened.labels.names, [len(each.annotations) for each in found]) == (("class_0",), [0, 1])
    assert [(each.file, each.line) for each in bad] == [
        ("labels/gone.txt", 1), ("labels/a.txt", 1), ("labels/a.txt", 2)
    ]  # fmt: skip


@pytest.mark.parametrize("part", ["train/images", "train/labels", "train"])
def test_a_part_of_a_set_finds_the_class_file_of_the_whole(tmp_path, part):
    from tests.test_workspace import yolo_folder

    whole = yolo_folder(tmp_path / "set", 4, split="train")
    source = open_annotations(whole / part)
    assert source.labels.names == ("card", "stain")
    assert len(list(source.records(lambda line: pytest.fail(line.reason)))) == 4


def test_the_outline_of_a_label_with_keypoints_is_a_declared_loss(tmp_path):
    from rcg.annotations.formats.yolo_write import YoloWriter
    from rcg.types import Annotation, Box, ImageRecord, Keypoints, LabelSet, Polygon

    outline, point = Polygon(((1, 1), (9, 1), (9, 9))), Keypoints(((5, 5, 2),))
    both = Annotation(label="card", box=Box(1, 1, 8, 8), polygons=(outline,), keypoints=point)
    with YoloWriter(tmp_path / "out", LabelSet(("card",), keypoints=("tip",)), images=tmp_path) as out:
        lost = out.add(ImageRecord(file_name="a.jpg", width=10, height=10, annotations=(both,)))
    assert [(each.what, each.count) for each in lost] == [("polygons", 1)]


def test_refused_lines_alone_are_no_background(tmp_path):
    good = "0 0.5 0.5 0.2 0.4\n"
    yolo(tmp_path / "set", {"a.jpg": "garbage\n", "b.jpg": "\n", "c.jpg": good + "garbage\n", "d.jpg": None})
    _, found, _ = records(tmp_path / "set")
    assert [each.labelled for each in found] == [False, True, True, False]


def data_yaml_elsewhere(tmp_path, top):
    """A folder with nothing but a data.yaml, whose set is in another."""
    yolo(tmp_path / "set", {"one/a.jpg": "0 0.5 0.5 0.2 0.4", "two/a.jpg": "1 0.5 0.5 0.2 0.4"}, classes=None)
    return text(
        tmp_path / "lists/data.yaml", f"path: {top}\ntrain: images/one\nval: images/two\nnames: [card, scratch]\n"
    )


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("folder", [True, False])
def test_a_data_yaml_whose_set_is_elsewhere(tmp_path, absolute, folder):
    path = data_yaml_elsewhere(tmp_path, tmp_path / "set" if absolute else "../set")
    opened, found, bad = records(path.parent if folder else path)
    assert [(each.split, [label.label for label in each.annotations]) for each in found] == [
        ("train", ["card"]), ("val", ["scratch"])
    ]  # fmt: skip
    assert (opened.labels.names, bad, opened.notes.lines()) == (("card", "scratch"), [], ())


def test_a_data_yaml_that_names_the_images_folder_finds_the_labels_beside_it(tmp_path):
    path = data_yaml_elsewhere(tmp_path, "../set/images")
    _, found, bad = records(path)
    assert [(each.file_name, len(each.annotations)) for each in found] == [("one/a.jpg", 1), ("two/a.jpg", 1)]
    assert not bad


def two_lots(tmp_path, names=("lot1/a.jpg", "lot2/a.jpg", "lot2/b.jpg")):
    yolo(tmp_path / "set", dict.fromkeys(names, "0 0.5 0.5 0.2 0.4"), classes=None)
    return tmp_path / "set"


def splits(source):
    opened, found, bad = records(source)
    assert not bad
    return {each.file_name: each.split for each in found}, opened.notes.lines()


@pytest.mark.parametrize("top", ["", "./", "C:\\data\\set\\", "/elsewhere/set/", "absolute"])
def test_lists_of_any_name_with_equal_names_in_two_folders(tmp_path, top):
    top = f"{tmp_path / 'set'}/" if top == "absolute" else top
    folder = two_lots(tmp_path)
    text(folder / "data.yaml", "train: mytrain.txt\nval: lists/other.txt\nnames: [card]\n")
    text(folder / "mytrain.txt", f"{top}images/lot1/a.jpg\n")
    text(folder / "lists/other.txt", f"{top}images/lot2/a.jpg\n{top}images/gone/a.jpg\n")
    for source in (folder, folder / "data.yaml"):
        found, notes = splits(source)
        assert found == {"lot1/a.jpg": "train", "lot2/a.jpg": "val", "lot2/b.jpg": None}
        assert notes == ("the set names splits, but 1 of 3 images are in none of them",)


def test_usual_lists_go_by_path_and_by_a_name_that_is_there_once(tmp_path):
    folder = two_lots(tmp_path)
    text(folder / "classes.txt", "card\n")
    text(folder / "train.txt", "lot1/a.jpg\nother/b.jpg\n")
    text(folder / "val.txt", "lot2/a.jpg\n")
    assert splits(folder) == ({"lot1/a.jpg": "train", "lot2/a.jpg": "val", "lot2/b.jpg": "train"}, ())


@pytest.mark.parametrize("absolute", [True, False])
def test_folders_count_from_the_path_of_the_data_yaml(tmp_path, absolute):
    folder = two_lots(tmp_path)
    top = f"{folder}/images/" if absolute else ""
    said = f"path: ./images\ntrain: [{top}lot1]\nval: {top}lot2\nnames: [card]\n"
    text(folder / "data.yaml", said)
    assert splits(folder) == ({"lot1/a.jpg": "train", "lot2/a.jpg": "val", "lot2/b.jpg": "val"}, ())


def test_a_set_without_splits_is_not_blamed_for_it(tmp_path):
    folder = two_lots(tmp_path)
    text(folder / "data.yaml", "train: .\nval: .\nnames: [card]\n")
    found, notes = splits(folder)
    assert (set(found.values()), notes) == ({None}, ())


@pytest.mark.parametrize("shape", ["[a, b]", "[4]", "4", "[0, 3]", "[4, 5]", "[4.5, 2]", "[[1], 2]"])
def test_a_keypoint_shape_that_is_none(tmp_path, shape):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"}, classes=None)
    text(tmp_path / "set/data.yaml", f"names: [card]\nkpt_shape: {shape}\n")
    with pytest.raises(FormatError, match="kpt_shape is") as caught:
        open_annotations(tmp_path / "set")
    assert "data.yaml" in str(caught.value)
    assert "kpt_shape: [4, 3]" in caught.value.fix


def test_another_number_of_classes_than_names_is_told(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 0.2 0.4"}, classes=None)
    text(tmp_path / "set/data.yaml", "nc: 3\nnames: [card, scratch]\n")
    opened, _, _ = records(tmp_path / "set")
    assert opened.notes.lines() == ("data.yaml says nc: 3 but has 2 names; the names count",)


def test_many_endings_in_one_folder(tmp_path):
    yolo(tmp_path, {"a.jpg": "0 0.5 0.5 0.2 0.4", "b.jpg": ""})
    for number in range(20):
        text(tmp_path / f"images/scan.{number:04d}", "no image")
        text(tmp_path / f"images/.hidden.{number:04d}", "no image")
    _, found, bad = records(tmp_path)
    assert ([each.file_name for each in found], bad) == (["a.jpg", "b.jpg"], [])
