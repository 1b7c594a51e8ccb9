"""LabelMe in and out."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rcg.annotations import TARGETS, convert, open_annotations
from rcg.annotations.formats.labelme_file import read_bytes
from rcg.errors import DataError, FormatError
from rcg.types import Annotation, Box, ImageRecord, LabelSet, Rle
from tests.make_labels import image, labelme, quarantined, read, same_as_exact, text

BOX = {"points": [[10, 20], [60, 80]]}
RING = {"shape_type": "polygon", "points": [[10, 10], [30, 10], [30, 40]]}


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


def one(tmp_path, *shapes, **options):
    image(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", list(shapes))
    opened, (record,), bad = records(tmp_path, **options)
    return opened, record.annotations, bad


def test_it_is_recognised_and_says_why(tmp_path):
    opened, _, _ = one(tmp_path, BOX)
    assert (opened.format, opened.labels.names, opened.labels.ids) == ("labelme", ("card",), (1,))
    assert "a.json holds the shapes of one image" in opened.reason


@pytest.mark.parametrize("points", [[[10, 20], [60, 80]], [[60, 80], [10, 20]], [[60, 20], [10, 80]],
                                    [[10, 20], [60, 20], [60, 80], [10, 80]]])  # fmt: skip
def test_a_rectangle_is_a_box_whichever_corner_came_first(tmp_path, points):
    _, (found,), bad = one(tmp_path, {"points": points})
    assert (found.box.corners, found.polygons, bad) == ((10, 20, 60, 80), (), [])


def test_outlines_circles_and_shapes_of_old_files(tmp_path):
    circle = {"shape_type": "circle", "points": [[50, 50], [50, 70]]}
    old = {"points": [[10, 10], [30, 10], [30, 40]], "shape_type": None}
    opened, (ring, around, other), bad = one(tmp_path, RING, circle, old)
    assert (ring.area, ring.box) == (300, Box(10, 10, 20, 30))
    assert around.box.corners == pytest.approx((30, 30, 70, 70))
    assert around.area == pytest.approx(np.pi * 400, rel=0.01)
    assert other.polygons == ring.polygons
    assert not bad
    assert any("circles and ellipses, read as outlines" in note for note in opened.notes.lines())


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"shape_type": "line", "points": [[1, 1], [9, 9]]}, "a line encloses no area"),
        ({"shape_type": "linestrip", "points": [[1, 1], [9, 9], [5, 5]]}, "a strip of lines encloses no area"),
        ({"shape_type": "point", "points": [[1, 1]]}, "a point has no area"),
        ({"shape_type": "points", "points": [[1, 1], [2, 2]]}, "points have no area"),
        ({"shape_type": "spline", "points": [[1, 1], [2, 2]]}, "a shape 'spline' is not known"),
        ({"shape_type": "polygon", "points": [[1, 1], [2, 2]]}, "at least 3 points"),
        ({"points": [[1, 1], [1, 9]]}, "no area"),
        ({"points": [[1, 1], [900, 9]]}, "past the edge"),
        ({"points": [[1, "x"], [9, 9]]}, "y is 'x', not a number"),
        ({"points": [[1, True], [9, 9]]}, "y is True, not a number"),
        ({"points": "none"}, "no list of pairs"),
        ({"label": "", **BOX}, "has no label"),
        ({"label": None, **BOX}, "has no label"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "%%%"}, "the mask is no PNG"),
        ({"score": 2, **BOX}, "not between 0 and 1"),
    ],
)
def test_an_odd_shape_costs_only_itself(tmp_path, shape, reason):
    _, found, (bad,) = one(tmp_path, shape, RING)
    assert len(found) == 1
    assert reason in bad.reason
    assert (bad.file, bad.line) == ("a.json", 5)
    assert bad.text.startswith("{")


def test_shapes_of_one_label_and_group_are_one_thing(tmp_path):
    other = {"shape_type": "polygon", "points": [[50, 50], [60, 50], [60, 60]], "group_id": 3}
    _, found, bad = one(tmp_path, {**RING, "group_id": 3}, {**other, "label": "dent"}, other)
    assert [(each.label, len(each.polygons)) for each in found] == [("card", 2), ("dent", 1)]
    assert (found[0].area, found[0].box, bad) == (350, Box(10, 10, 50, 50), [])


def test_a_mask_is_a_mask(tmp_path):
    out = io.BytesIO()
    Image.fromarray(np.array([[1, 0], [1, 1], [0, 1]], np.uint8) * 255).save(out, "PNG")
    packed = base64.b64encode(out.getvalue()).decode()
    _, (found,), bad = one(tmp_path, {"shape_type": "mask", "points": [[5, 7], [6, 9]], "mask": packed})
    assert (found.box, found.area, bad) == (Box(5, 7, 2, 3), 4, [])
    assert (found.rle.height, found.rle.width) == (100, 200)


def test_the_photo_in_a_file_is_not_read(tmp_path):
    image(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", [BOX], imageData="A" * 3_000_000)
    data = (tmp_path / "a.json").read_bytes()
    assert len(read_bytes(tmp_path / "a.json")) < 300_000
    _, (record,), bad = records(tmp_path)
    assert (len(record.annotations), bad) == (1, [])
    text(tmp_path / "a.json", data.replace(b'"imageData"', b'"other"'))
    assert len(records(tmp_path)[1][0].annotations) == 1


def test_shapes_behind_a_long_photo_are_read_all_the_same(tmp_path):
    image(tmp_path / "a.jpg")
    path = labelme(tmp_path / "a.json", [BOX])
    packed = b'{"imageData": "' + b"A" * 600_000 + b'",' + path.read_bytes().lstrip()[1:]
    text(path, packed.replace(b'"imageData": null', b'"imageHeight": 100'))
    assert len(records(tmp_path)[1][0].annotations) == 1


def test_an_image_is_found_by_path_else_by_the_name_in_the_file(tmp_path):
    image(tmp_path / "images/a.jpg")
    image(tmp_path / "images/b.jpg")
    labelme(tmp_path / "labels/a.json", [BOX])
    labelme(tmp_path / "labels/x.json", [BOX, RING], image_path="C:\\photos\\b.jpg")
    _, found, bad = records(tmp_path)
    assert [(each.file_name, len(each.annotations)) for each in found] == [("a.jpg", 1), ("b.jpg", 2)]
    assert not bad


def test_without_images_the_file_says_the_size_and_two_that_say_the_same_name_stay_apart(tmp_path):
    labelme(tmp_path / "one.json", [BOX], image_path="..\\a.jpg")
    labelme(tmp_path / "two.json", [RING], image_path="a.jpg")
    opened, found, bad = records(tmp_path)
    assert [(each.file_name, each.width) for each in found] == [("a.jpg", 200), ("two.jpg", 200)]
    assert not bad
    assert any("name the same image" in note for note in opened.notes.lines())


def test_broken_and_empty_files_are_left_out_and_others_passed_over(tmp_path):
    for name in "abcd":
        image(tmp_path / f"{name}.jpg")
    labelme(tmp_path / "a.json", [BOX])
    text(tmp_path / "b.json", '{"shapes": [{"label": "card"')
    text(tmp_path / "c.json", b"")
    text(tmp_path / "settings.json", "{}")
    done = convert(tmp_path, tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (4, 1, 2)
    assert [each["file"] for each in quarantined(done)] == ["b.json", "c.json"]
    assert [each["labelled"] for each in read(tmp_path / "out.json")["images"] if "labelled" in each] == [False] * 3
    assert any("passed over: 1, first settings.json" in note for note in done.notes)


def test_nan_costs_its_shape_and_the_target_is_strict_json(tmp_path):
    image(tmp_path / "a.jpg")
    path = labelme(tmp_path / "a.json", [{"points": [[1, 1], [7.25, 9]]}, RING])
    text(path, path.read_bytes().replace(b"7.25", b"NaN"))
    done = convert(tmp_path, tmp_path / "out.json")
    assert (done.annotations, done.dropped) == (1, 1)
    assert len(read(tmp_path / "out.json")["annotations"]) == 1


def test_flags_and_another_size_are_told(tmp_path):
    image(tmp_path / "a.jpg")
    labelme(tmp_path / "a.json", [{**BOX, "flags": {"blurred": True}}], size=(100, 50))
    opened, _, _ = records(tmp_path)
    assert any("flags, which RCG does not carry" in note for note in opened.notes.lines())
    assert any("100 x 50 there, 200 x 100 in the image" in note for note in opened.notes.lines())


def test_predictions_need_scores(tmp_path):
    _, found, (bad,) = one(tmp_path, {**BOX, "score": 0.5}, RING, stage="predictions")
    assert ([each.score for each in found], "needs a score" in bad.reason) == ([0.5], True)
    with pytest.raises(DataError, match="no label names one of the 1 class"):
        one(tmp_path, RING, classes=["other"])


def test_what_is_written_is_what_labelme_writes(tmp_path):
    image(tmp_path / "images/sub/a.jpg")
    counts = [10 * 100 + 20, 3, 97, 3]
    mask = Rle(100, 200, (*counts, 100 * 200 - sum(counts)))
    things = (
        Annotation(label="card", box=Box(1, 2, 3, 4), score=0.25),
        Annotation(label="card", box=Box(10, 20, 2, 3), rle=mask),
    )
    record = ImageRecord(file_name="sub/a.jpg", width=200, height=100, annotations=things)
    with TARGETS["labelme"].write(tmp_path / "out", LabelSet(("card",)), tmp_path / "images") as out:
        assert out.add(record) == ()
    value = read(tmp_path / "out/sub/a.json")
    assert (tmp_path / "out/sub" / value["imagePath"]).resolve() == tmp_path / "images/sub/a.jpg"
    assert (value["imageWidth"], value["imageHeight"], value["imageData"]) == (200, 100, None)
    assert [each["points"] for each in value["shapes"]] == [[[1, 2], [4, 6]], [[10, 20], [11, 22]]]
    (back,) = records(tmp_path / "out", images=tmp_path / "images")[1]
    assert [each.box for each in back.annotations] == [each.box for each in things]
    assert [each.score for each in back.annotations] == [0.25, None]
    assert back.annotations[1].area == 6


def test_examples_of_labelme_itself(shared_data, tmp_path):
    folder = shared_data / "labels/labelme_examples/examples"
    if not folder.is_dir():
        pytest.skip("the folder of real labels is absent")
    done = convert(folder / "instance_segmentation/data_annotated", tmp_path / "out.json")
    assert (done.format, done.images, done.dropped) == ("labelme", 3, 0)
    truth = read(folder / "instance_segmentation/data_dataset_coco/annotations.json")
    drawn = [each for each in read(tmp_path / "out.json")["annotations"] if each["category_id"] != 1]  # __ignore__
    assert done.labels.names[0] == "__ignore__"
    assert len(drawn) == len(truth["annotations"])
    assert sorted(len(each["segmentation"]) for each in drawn) == sorted(
        len(each["segmentation"]) for each in truth["annotations"]
    )
    boxes = convert(folder / "bbox_detection/data_annotated", tmp_path / "boxes.json", strict=True)
    assert (boxes.images, boxes.annotations) == (3, 9)


FILES = {
    "rectangles": [BOX, BOX],
    "outlines": [RING, RING],
    "both": [BOX, RING, BOX],
    "nothing": [],
    "closed": [{**RING, "points": [[10, 10], [30, 10], [30, 40], [10, 10]]}],
    "clipped": [{"points": [[-1, 0], [200, 100.5]]}, {**RING, "points": [[10, 10], [201, 10], [30, 40]]}],
    "outside": [BOX, {"points": [[1, 1], [900, 9]]}],
    "turned": [{"points": [[60, 80], [10, 20]]}],
    "flat": [{"points": [[1, 1], [1, 9]]}, RING],
    "four corners": [{"points": [[10, 20], [60, 20], [60, 80], [10, 80]]}],
    "circle": [{"shape_type": "circle", "points": [[50, 50], [50, 70]]}],
    "group": [{**RING, "group_id": 1}, {**RING, "group_id": 1}],
    "flags": [{**BOX, "flags": {"worn": True}}],
    "description": [{**BOX, "description": "worn"}],
    "empty description": [{**BOX, "description": ""}],
    "score": [{**BOX, "score": 0.5}],
    "text": [{"points": [["1", 2], [3, 4]]}],
    "truth": [{"points": [[True, 2], [3, 4]]}],
    "none": [{"points": [[None, 2], [3, 4]]}],
    "three numbers": [{"points": [[1, 2, 3], [3, 4]]}],
    "one number": [{"points": [[1], [3, 4, 5]]}],
    "no points": [{"points": []}],
    "no label": [{**BOX, "label": ""}],
    "spaces": [{**BOX, "label": " card "}],
    "a number": [{**BOX, "label": 7}],
    "letters": [{**BOX, "label": "Größe"}],
    "quotes": [{**BOX, "label": 'big "dent"'}],
    "no object": [7, "x", BOX],
    "huge": [{"points": [[1, 1e30], [3, 4]]}],
}


@pytest.fixture
def variants(tmp_path):
    for number, shapes in enumerate(FILES.values()):
        image(tmp_path / f"{number:02}.jpg")
        if "no object" in FILES and shapes is FILES["no object"]:
            path = labelme(tmp_path / f"{number:02}.json", [BOX])
            text(path, path.read_bytes().replace(b'"shapes": [', b'"shapes": [7, "x",'))
        else:
            labelme(tmp_path / f"{number:02}.json", shapes)
    for name in ("bare", "size", "old", "cut", "x"):
        image(tmp_path / f"{name}.jpg")
    labelme(tmp_path / "size.json", [BOX], size=(100, 50))
    text(tmp_path / "old.json", '{"shapes": [{"label": "card", "points": [[1, 1], [9, 1], [9, 9]]}]}')
    text(tmp_path / "cut.json", '{"shapes": [{"label": "card"')
    text(tmp_path / "x.json", '{"shapes": {"label": "card"}}')
    return tmp_path


def test_columns_say_what_the_exact_reader_says(variants):
    source = open_annotations(variants, format="labelme")
    read = same_as_exact(source)
    quick = {name for place, name in enumerate(FILES) if place not in read.block.records}
    assert quick == {"rectangles", "outlines", "both", "nothing", "closed", "clipped", "turned", "letters",
                     "empty description", "quotes"}  # fmt: skip
    assert set(source.labels.names) == {"card", "7", "Größe", 'big "dent"'}
    same_as_exact(open_annotations(variants, format="labelme", classes=["card"]))
    same_as_exact(open_annotations(variants, format="labelme", stage="predictions"))


numbers = st.integers(-3, 210) | st.floats(-3, 210, allow_nan=False)
points = st.lists(st.tuples(numbers, numbers).map(list), max_size=5)
shapes = st.fixed_dictionaries(
    {
        "points": points,
        "shape_type": st.sampled_from(["rectangle", "polygon", "circle", None]),
        "label": st.sampled_from(["card", "dent", " card"]),
    },
    optional={"group_id": st.none() | st.just(1), "score": numbers},
)


@settings(max_examples=60, deadline=None)
@given(found=st.lists(shapes, max_size=5))
def test_columns_say_what_the_exact_reader_says_of_any_shapes(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("any")
    image(folder / "a.jpg")
    labelme(folder / "a.json", found)
    same_as_exact(open_annotations(folder, classes=["card", "dent"]))


def test_a_set_of_many_files_is_recognised_and_a_file_for_all_among_them_is_told(tmp_path):
    for number in range(60):
        image(tmp_path / f"{number:02}.jpg")
        labelme(tmp_path / f"{number:02}.json", [BOX])
    assert open_annotations(tmp_path).format == "labelme"
    text(tmp_path / "instances.json", '{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(FormatError, match="several kinds of labels are here"):
        open_annotations(tmp_path)
