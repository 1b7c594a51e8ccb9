"""COCO JSON in and out."""

import numpy as np
import orjson
import pytest
from pycocotools import mask

from rcg.annotations import CocoWriter, convert, open_annotations
from rcg.errors import DataError, FormatError
from rcg.types import Annotation, Box, ImageRecord, LabelSet
from tests.make_labels import boxes, coco, image, quarantined, read, text

SQUARE = [10, 10, 30, 10, 30, 40, 10, 40]
UNCOMPRESSED = {"size": [100, 200], "counts": [1010, 10, 18980]}  # column 10, rows 10 to 19


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


def one(tmp_path, **annotation):
    coco(tmp_path / "set.json", annotations=[annotation])
    image(tmp_path / "a.jpg")
    _, (record,), bad = records(tmp_path / "set.json")
    return record.annotations, bad


def test_box_score_crowd_and_area(tmp_path):
    (label,), bad = one(tmp_path, score=0.25, iscrowd=1, area=123.5, category_id=2)
    assert label == Annotation(label="scratch", box=Box(10, 10, 20, 30), score=0.25, crowd=True, area=123.5)
    assert not bad


def test_the_area_of_a_plain_box_is_the_boxs(tmp_path):
    (label,), _ = one(tmp_path, area=600.0)
    assert label.area is None


def test_several_outlines_and_missing_bbox_and_area(tmp_path):
    (label,), bad = one(tmp_path, segmentation=[SQUARE, [100, 50, 120, 50, 120, 60]], bbox="left out")
    assert len(label.polygons) == 2
    assert label.box == Box(10, 10, 110, 50)
    assert label.area == 20 * 30 + 20 * 10 / 2
    assert not bad


def test_a_flat_outline_as_some_tools_write_it(tmp_path):
    (label,), _ = one(tmp_path, segmentation=SQUARE)
    assert len(label.polygons) == 1


@pytest.mark.parametrize("form", ["list", "string"])
def test_both_forms_of_masks_are_kept(tmp_path, form):
    from pycocotools import mask

    packed = mask.frPyObjects(UNCOMPRESSED, 100, 200)
    segmentation = UNCOMPRESSED if form == "list" else {"size": [100, 200], "counts": packed["counts"].decode()}
    image(tmp_path / "a.jpg")
    coco(tmp_path / "set.json", annotations=[{"segmentation": segmentation, "bbox": "left out"}])
    convert(tmp_path / "set.json", tmp_path / "out.json")
    (written,) = read(tmp_path / "out.json")["annotations"]
    assert written["segmentation"] == segmentation
    assert (written["bbox"], written["area"]) == ([10, 10, 1, 10], 10)


def test_keypoints_with_their_names(tmp_path):
    value = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "keypoints": [1, 2, 2, 0, 0, 0]}
        ],
        "categories": [{"id": 1, "name": "card", "keypoints": ["top left", "top right"]}],
    }
    text(tmp_path / "set.json", orjson.dumps(value))
    image(tmp_path / "a.jpg")
    convert(tmp_path / "set.json", tmp_path / "out.json")
    out = read(tmp_path / "out.json")
    assert out["categories"][0]["keypoints"] == ["top left", "top right"]
    assert (out["annotations"][0]["keypoints"], out["annotations"][0]["num_keypoints"]) == ([1, 2, 2, 0, 0, 0], 1)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"image_id": 99}, "image_id is not in the list of images"),
        ({"image_id": "left out"}, "no image_id"),
        ({"category_id": 99}, "category id 99 is none of the file's"),
        ({"category_id": "left out"}, "usual form"),
        ({"bbox": [10, 10, 0, 5]}, "no area"),
        ({"bbox": [10, 10, -3, 5]}, "no area"),
        ({"bbox": [10, 10, 500, 5]}, "past the edge"),
        ({"bbox": [10, 10]}, "usual form"),
        ({"bbox": "left out"}, "neither a bbox nor a segmentation"),
        ({"bbox": "left out", "segmentation": [[1, 1, 2, 2]]}, "encloses no area"),
        ({"segmentation": [[1, 1, 2]]}, "usual form"),
        ({"score": 3}, "not between 0 and 1"),
        ({"keypoints": [1, 2, 9]}, "visibility"),
        ({"segmentation": {"size": [100, 200]}}, "usual form"),
    ],
)
def test_a_bad_annotation_costs_only_itself(tmp_path, annotation, reason):
    coco(tmp_path / "set.json", annotations=[{}, annotation, {}])
    image(tmp_path / "a.jpg")
    _, (record,), bad = records(tmp_path / "set.json")
    assert len(record.annotations) == 2
    assert len(bad) == 1
    assert reason in bad[0].reason
    assert bad[0].file == "set.json"
    lines = (tmp_path / "set.json").read_text().split("\n")
    assert lines[bad[0].line - 1].strip() == "{"
    assert f'"id": {2}' in bad[0].text


def test_nan_in_the_json_costs_only_its_annotation(tmp_path):
    path = coco(tmp_path / "set.json", annotations=[{}, {"area": 12345}, {}])
    path.write_text(path.read_text().replace("12345", "NaN"))
    image(tmp_path / "a.jpg")
    done = convert(path, tmp_path / "out.json")
    assert (done.annotations, done.dropped) == (2, 1)
    assert "no NaN" in quarantined(done)[0]["reason"]
    assert b"NaN" not in (tmp_path / "out.json").read_bytes()


def test_an_outline_without_area_leaves_the_box(tmp_path):
    coco(tmp_path / "set.json", annotations=[{"segmentation": [[1, 1, 2, 2], SQUARE]}])
    image(tmp_path / "a.jpg")
    opened, (record,), bad = records(tmp_path / "set.json")
    assert len(record.annotations[0].polygons) == 1
    assert not bad
    assert any("enclose no area" in note for note in opened.notes.lines())


def test_sparse_and_string_ids(tmp_path):
    images = [
        {"id": "b7", "file_name": "b.jpg", "width": 200, "height": 100},
        {"id": "a9", "file_name": "a.jpg", "width": 200, "height": 100},
    ]
    coco(
        tmp_path / "set.json",
        images=images,
        annotations=[{"image_id": "b7", "category_id": "90"}, {"image_id": "a9", "category_id": 17.0}],
        categories=((90, "card"), ("17", "scratch")),
    )
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    done = convert(tmp_path / "set.json", tmp_path / "out.json")
    out = read(tmp_path / "out.json")
    assert [(each["id"], each["name"]) for each in out["categories"]] == [(90, "card"), (17, "scratch")]
    assert [(each["id"], each["file_name"]) for each in out["images"]] == [(1, "a.jpg"), (2, "b.jpg")]
    assert boxes(out) == {"a.jpg": [("scratch", [10, 10, 20, 30], None)], "b.jpg": [("card", [10, 10, 20, 30], None)]}
    assert any("numbered anew" in note for note in done.notes)


def test_image_and_category_ids_of_coco_stay(tmp_path):
    images = [{"id": 40, "file_name": "a.jpg", "width": 200, "height": 100}]
    coco(tmp_path / "set.json", images=images, annotations=[{"image_id": 40}], categories=((5, "x"), (1, "card")))
    image(tmp_path / "a.jpg")
    convert(tmp_path / "set.json", tmp_path / "out.json")
    out = read(tmp_path / "out.json")
    assert [each["id"] for each in out["images"]] == [40]
    assert [(each["id"], each["name"]) for each in out["categories"]] == [(5, "x"), (1, "card")]
    convert(tmp_path / "set.json", tmp_path / "out.json", first_id=0)
    assert [each["id"] for each in read(tmp_path / "out.json")["categories"]] == [0, 1]


def test_bad_entries_of_images_and_categories(tmp_path):
    images = [
        {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100},
        {"id": 1, "file_name": "b.jpg", "width": 200, "height": 100},
        {"id": 3},
        {"id": 4, "file_name": ""},
    ]
    coco(tmp_path / "set.json", images=images, annotations=[{}])
    image(tmp_path / "a.jpg")
    _, found, bad = records(tmp_path / "set.json")
    assert [each.file_name for each in found] == ["a.jpg"]
    assert [word in line.reason for word, line in zip(("twice", "no file_name", "no file name"), bad, strict=True)]
    assert all("fix" not in line.reason for line in bad)


def test_one_image_that_two_entries_name(tmp_path):
    images = [{"id": number, "file_name": "a.jpg", "width": 200, "height": 100} for number in (1, 2)]
    coco(tmp_path / "set.json", images=images, annotations=[{"image_id": 1}, {"image_id": 2}])
    image(tmp_path / "a.jpg")
    opened, (record,), _ = records(tmp_path / "set.json")
    assert len(record.annotations) == 2
    assert any("several entries name" in note for note in opened.notes.lines())


def test_a_missing_image_goes_to_quarantine_with_its_annotations(tmp_path):
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 100} for number in (1, 2)]
    coco(tmp_path / "set.json", images=images, annotations=[{}, {"image_id": 2}])
    image(tmp_path / "1.jpg")
    _, found, bad = records(tmp_path / "set.json")
    assert [each.file_name for each in found] == ["1.jpg"]
    assert [each.file for each in bad] == ["2.jpg", "set.json"]


def test_without_any_image_the_sizes_of_the_file_have_to_do(tmp_path):
    coco(tmp_path / "set.json", annotations=[{}])
    opened, (record,), bad = records(tmp_path / "set.json")
    assert (record.width, record.height, len(record.annotations), bad) == (200, 100, 1, [])
    assert any("not there" in note for note in opened.notes.lines())


def test_another_size_in_the_file_is_noted_and_the_image_counts(tmp_path):
    coco(tmp_path / "set.json", annotations=[{}])
    image(tmp_path / "a.jpg", (100, 200))
    opened, (record,), _ = records(tmp_path / "set.json")
    assert (record.width, record.height) == (100, 200)
    assert any("another size" in note and "200 x 100 there" in note for note in opened.notes.lines())


@pytest.mark.parametrize(
    ("json", "picture", "file_name", "expected"),
    [
        ("annotations/instances_train2017.json", "train2017/a.jpg", "a.jpg", "a.jpg"),
        ("annotations/instances_train.json", "images/train/a.jpg", "a.jpg", "a.jpg"),
        ("train/_annotations.coco.json", "train/a.jpg", "a.jpg", "a.jpg"),
        ("set.json", "images/a.jpg", "images/a.jpg", "images/a.jpg"),
        ("set.json", "images/sub/a.jpg", "sub\\a.jpg", "sub/a.jpg"),
        ("set.json", "a.jpg", "C:\\photos\\a.jpg", "a.jpg"),
        ("set.json", "images/a.jpg", "/home/somebody/photos/a.jpg", "a.jpg"),
        ("annotations/set.json", "images/a.jpg", "../images/a.jpg", "a.jpg"),
    ],
)
def test_images_are_found_where_tools_put_them(tmp_path, json, picture, file_name, expected):
    images = [{"id": 1, "file_name": file_name, "width": 200, "height": 100}]
    coco(tmp_path / json, images=images, annotations=[{}])
    image(tmp_path / picture)
    for source in (tmp_path, tmp_path / json):
        opened, (record,), bad = records(source)
        assert (record.file_name, len(record.annotations), bad) == (expected, 1, [])
        assert (opened.images / record.file_name).samefile(tmp_path / picture)


def test_a_path_out_of_the_folder_stays_in_it(tmp_path):
    images = [{"id": 1, "file_name": "../../etc/passwd.jpg", "width": 200, "height": 100}]
    coco(tmp_path / "set.json", images=images, annotations=[{}])
    convert(tmp_path / "set.json", tmp_path / "out", to="yolo")
    assert [path.name for path in (tmp_path / "out/labels").rglob("*.txt")] == ["passwd.txt"]


def test_a_file_a_split_becomes_one_set(tmp_path):
    for split, label in (("train", 1), ("valid", 2)):
        image(tmp_path / split / "a.jpg")
        coco(tmp_path / split / "_annotations.coco.json", annotations=[{"category_id": label}])
    opened, found, bad = records(tmp_path)
    assert [(each.file_name, each.split, each.annotations[0].label) for each in found] == [
        ("train/a.jpg", "train", "card"), ("valid/a.jpg", "val", "scratch")
    ]  # fmt: skip
    assert (bad, opened.labels.names) == ([], ("card", "scratch"))


def test_instances_are_read_and_captions_beside_them_are_not(tmp_path):
    image(tmp_path / "images/a.jpg")
    coco(tmp_path / "annotations/instances_train.json", annotations=[{}])
    text(tmp_path / "annotations/captions_train.json", '{"images": [], "annotations": [{"caption": "x"}]}')
    opened, (record,), _ = records(tmp_path)
    assert (opened.format, len(record.annotations), record.split) == ("coco", 1, "train")


def results(path, **more):
    return text(path, orjson.dumps([{"image_id": 1, "category_id": 2, "bbox": [10, 10, 20, 30], "score": 0.5, **more}]))


def test_results_find_their_ground_truth(tmp_path):
    image(tmp_path / "a.jpg")
    coco(tmp_path / "truth.json", annotations=[{}])
    results(tmp_path / "results.json")
    text(tmp_path / "other.json", '{"images": [], "annotations": []}')
    for options in ({}, {"classes": tmp_path / "truth.json"}):
        _, (record,), bad = records(tmp_path / "results.json", stage="predictions", **options)
        assert (record.file_name, record.annotations[0].label, record.annotations[0].score) == ("a.jpg", "scratch", 0.5)
        assert not bad


def test_results_that_name_their_images(tmp_path):
    image(tmp_path / "photos/a.jpg")
    results(tmp_path / "results.json", file_name="a.jpg", label="scratch")
    opened, (record,), _ = records(tmp_path / "results.json", images=tmp_path / "photos", stage="predictions")
    assert (opened.labels.names, opened.labels.ids, len(record.annotations)) == (("scratch",), (2,), 1)


def test_results_alone_say_what_is_missing(tmp_path):
    results(tmp_path / "results.json")
    with pytest.raises(DataError, match="which images they speak of") as caught:
        open_annotations(tmp_path / "results.json")
    assert "--classes" in str(caught.value)


def test_predictions_without_any_score_are_refused(tmp_path):
    image(tmp_path / "a.jpg")
    coco(tmp_path / "set.json", annotations=[{}])
    with pytest.raises(DataError, match="no prediction has a score"):
        convert(tmp_path / "set.json", tmp_path / "out.json", stage="predictions")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "no label file of a known format|no JSON"),
        (b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, "ima', "ends too early"),
        (b'{"images": [], "annotations": [], "categories": []}', "list of images is empty"),
        (b'{"layers": []}', "no label file of a known format|no COCO JSON"),
    ],
)
def test_files_that_are_no_coco_say_so(tmp_path, content, message):
    text(tmp_path / "set.json", content)
    for options in ({}, {"format": "coco"}):
        with pytest.raises((FormatError, DataError)) as caught:
            open_annotations(tmp_path / "set.json", **options)
        assert "set.json" in str(caught.value)
        assert caught.value.fix
    if content.startswith(b'{"im'):
        with pytest.raises((FormatError, DataError), match=message):
            open_annotations(tmp_path / "set.json")


def test_byte_order_mark(tmp_path):
    path = coco(tmp_path / "set.json", annotations=[{}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    image(tmp_path / "a.jpg")
    assert len(records(path)[1][0].annotations) == 1


def test_what_rcg_adds_is_read_back(tmp_path):
    labels = LabelSet(("card",))
    written = (
        ImageRecord(file_name="a.jpg", width=200, height=100, labelled=False, card="7", split="val", image_id=3),
        ImageRecord(file_name="b.jpg", width=200, height=100, image_id=1),
    )
    with CocoWriter(tmp_path / "set.json", labels) as out:
        for record in written:
            assert out.add(record) == ()
    entry = read(tmp_path / "set.json")["images"][1]
    assert entry == {"id": 1, "file_name": "b.jpg", "width": 200, "height": 100}
    opened, found, _ = records(tmp_path / "set.json")
    assert (tuple(found), opened.labels) == (written, labels)


def test_the_writer_numbers_images_and_refuses_an_id_twice(tmp_path):
    def record(name, image_id=None):
        return ImageRecord(file_name=name, width=1, height=1, image_id=image_id)

    with CocoWriter(tmp_path / "set.json", LabelSet(())) as out:
        for each in (record("a", 2), record("b"), record("c"), record("d", 9)):
            out.add(each)
    assert [each["id"] for each in read(tmp_path / "set.json")["images"]] == [2, 1, 3, 9]
    before = (tmp_path / "set.json").read_bytes()
    for twice in ((record("a", 5), record("b", 5)), (record("a"), record("b", 1))):
        with pytest.raises(DataError, match="is there twice"), CocoWriter(tmp_path / "set.json", LabelSet(())) as out:
            for each in twice:
                out.add(each)
    assert (tmp_path / "set.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["set.json"]


def test_the_writer_refuses_an_unknown_label(tmp_path):
    strange = ImageRecord(
        file_name="a.jpg", width=9, height=9, annotations=(Annotation(label="dent", box=Box(0, 0, 1, 1)),)
    )
    with (
        pytest.raises(DataError, match="'dent' is none of the classes card"),
        CocoWriter(tmp_path / "set.json", LabelSet(("card",))) as out,
    ):
        out.add(strange)
    assert not (tmp_path / "set.json").exists()


def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    from pycocotools.coco import COCO

    image(tmp_path / "a.jpg")
    coco(tmp_path / "set.json", annotations=[{"segmentation": [SQUARE], "score": 0.5}, {"segmentation": UNCOMPRESSED}])
    convert(tmp_path / "set.json", tmp_path / "out.json")
    opened = COCO(tmp_path / "out.json")
    assert [int(opened.annToMask(each).sum()) for each in opened.loadAnns(opened.getAnnIds())] == [600, 10]


def test_a_bad_result_costs_only_itself(tmp_path):
    image(tmp_path / "a.jpg")
    coco(tmp_path / "truth.json")
    good = '{"image_id": 1, "category_id": 2, "bbox": [10, 10, 20, 30], "score": 0.5}'
    text(tmp_path / "results.json", f'[{good}, {good.replace("0.5", "NaN")}, {{"score": 1}}, {good}]')
    _, (record,), bad = records(tmp_path / "results.json", stage="predictions")
    assert (len(record.annotations), len(bad)) == (2, 2)


def test_a_name_with_test_in_it_is_no_split(tmp_path):
    image(tmp_path / "a.jpg")
    coco(tmp_path / "my_test.json", annotations=[{}])
    _, (record,), _ = records(tmp_path / "my_test.json")
    assert record.split is None


def test_a_relative_source_keeps_names_relative(tmp_path, monkeypatch):
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 100} for number in (1, 2)]
    coco(tmp_path / "set/annotations/set.json", images=images, annotations=[{}, {"image_id": 2}])
    image(tmp_path / "set/images/1.jpg")
    monkeypatch.chdir(tmp_path)
    _, _, bad = records("set")
    assert [each.file for each in bad] == ["images/2.jpg", "annotations/set.json"]


def test_annotations_keep_the_order_of_the_file(tmp_path):
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 100} for number in range(3)]
    annotations = [{"image_id": number % 3, "bbox": [number / 10, 1, 2, 3]} for number in range(600)]
    coco(tmp_path / "set.json", images=images, annotations=annotations)
    _, found, bad = records(tmp_path / "set.json")
    for record in found:
        lefts = [each.box.x for each in record.annotations]
        assert lefts == sorted(lefts)
        assert len(lefts) == 200
    assert not bad


def test_refused_annotations_alone_are_no_background(tmp_path):
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 100} for number in (1, 2, 3)]
    annotations = [{"image_id": 1}, {"image_id": 2, "bbox": [10, 10, 0, 5]}]
    bad = []
    opened = open_annotations(coco(tmp_path / "set.json", images=images, annotations=annotations))
    assert [each.labelled for each in opened.records(bad.append)] == [True, False, True]
    assert len(bad) == 1


@pytest.mark.parametrize("key", ["images", "annotations"])
@pytest.mark.parametrize("folder", [True, False])
def test_a_file_cut_off_in_its_first_list_is_told_with_its_line(tmp_path, key, folder):
    image(tmp_path / "set/a.jpg")
    whole = f'{{"info": {{"year": 2024}},\n"{key}": [\n{{"id": 1, "file_name": "a.jpg"}},\n{{"id": 2, "file_na'
    path = text(tmp_path / "set/labels.json", whole)
    with pytest.raises(FormatError, match="ends too early") as caught:
        open_annotations(path.parent if folder else path)
    assert f"{path}, line 4" in str(caught.value)


def test_json_of_other_tools_is_not_taken_for_a_cut_off_coco_file(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "other.json", '{"images": ["a.jpg"]}')
    text(tmp_path / "cut.json", '{"layers": [{"label": "ca')
    with pytest.raises(DataError, match="no labels are here"):
        open_annotations(tmp_path)


def test_names_with_a_colon_or_a_backslash_stay_as_they_are_in_a_file_of_our_own(tmp_path):
    names = ["lot 1:/a.jpg", "a\\b.jpg", "x/../y.jpg"]
    with CocoWriter(tmp_path / "own.json", LabelSet(("card",))) as out:
        for name in names:
            out.add(ImageRecord(file_name=name, width=200, height=100))
    opened = open_annotations(tmp_path / "own.json", format="coco", images=tmp_path, trusted=True)
    assert [each.file_name for each in opened.records(pytest.fail)] == sorted(names)


def test_a_file_whose_name_has_a_colon_or_a_backslash_is_found(tmp_path):
    names = ["lot 1:/a.jpg", "a\\b.jpg"]
    for name in names:
        image(tmp_path / name)
    images = [{"id": number, "file_name": name, "width": 200, "height": 100} for number, name in enumerate(names)]
    coco(tmp_path / "set.json", images=images)
    done = convert(tmp_path / "set.json", tmp_path / "out.json")
    assert (done.images, [each["file_name"] for each in read(tmp_path / "out.json")["images"]]) == (2, sorted(names))


def test_compressed_masks_are_understood_as_pycocotools_does(tmp_path):
    rng = np.random.default_rng(0)
    masks = [rng.random((100, 200)) < share for share in (0.001, 0.5, 0.999)] + [np.ones((100, 200), bool)]
    packed = [mask.encode(np.asfortranarray(each.astype(np.uint8)))["counts"].decode() for each in masks]
    found = [{"segmentation": {"size": [100, 200], "counts": counts}, "bbox": "left out"} for counts in packed]
    image(tmp_path / "a.jpg")
    coco(tmp_path / "set.json", annotations=found)
    _, (record,), bad = records(tmp_path)
    assert [each.area for each in record.annotations] == [each.sum() for each in masks]
    assert not bad


@pytest.mark.parametrize(
    ("rle", "reason"),
    [
        ({"size": [100, 200], "counts": [5, 6]}, "do not add up"),
        ({"size": [100, 200], "counts": [-5, 20005]}, "do not add up"),
        ({"size": [100, 200], "counts": "!!"}, "no compressed string"),
        ({"size": [100, 200], "counts": "00"}, "do not add up"),
        ({"size": [100, 200], "counts": "PPP"}, "cut off"),
        ({"size": [100, 200], "counts": "Größe"}, "no compressed string"),
        ({"size": [50, 100], "counts": [5000]}, "not of the image's size"),
        ({"size": [100], "counts": [5000]}, "has not the usual form"),
        ({"size": [100, 200]}, "has not the usual form"),
        ({"counts": [5000]}, "has not the usual form"),
    ],
)
def test_a_broken_mask_costs_only_itself(tmp_path, rle, reason):
    image(tmp_path / "a.jpg")
    coco(tmp_path / "set.json", annotations=[{}, {"segmentation": rle}])
    _, (record,), (bad,) = records(tmp_path)
    assert len(record.annotations) == 1
    assert reason in bad.reason
