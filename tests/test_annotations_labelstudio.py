"""Label Studio's JSON and JSON-MIN."""

import numpy as np
import pytest

from rcg.annotations import convert, open_annotations
from rcg.annotations.formats.labelstudio_brush import decoded_brush
from rcg.annotations.shapes import decoded_mask
from rcg.errors import DataError, RcgError
from rcg.images import Size
from tests.make_labels import image, labelstudio, percent, quarantined, read, text

BOX = percent("card", 20, 10, 60, 80)


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


def one(tmp_path, *results, **options):
    image(tmp_path / "a.jpg")
    labelstudio(tmp_path / "export.json", [("/data/local-files/?d=a.jpg", results)])
    opened, (record,), bad = records(tmp_path, **options)
    return opened, record.annotations, bad


def changed(result, kind=None, **value):
    kind = kind or result["type"]
    return {**result, "type": kind, "value": {**result["value"], **value}}


def other(kind, **value):
    return {"id": "x", "type": kind, "original_width": 200, "original_height": 100, "value": value}


def test_percent_of_the_image_and_sorted_names(tmp_path):
    opened, found, bad = one(tmp_path, BOX, percent("arrow", 0, 0, 200, 100))
    assert (opened.format, opened.labels.names, bad) == ("labelstudio", ("arrow", "card"), [])
    assert [each.box.corners for each in found] == [pytest.approx((20, 10, 60, 80)), (0, 0, 200, 100)]
    assert "export.json is a list of Label Studio's tasks" in opened.reason


def test_the_order_of_the_labelling_configuration_counts(tmp_path):
    tags = '<RectangleLabels name="l" toName="i"><Label value="worn"/><Label value="card"/></RectangleLabels>'
    points = '<KeyPointLabels name="k" toName="i"><Label value="nose"/></KeyPointLabels>'
    text(tmp_path / "config.xml", f"<View>{tags}{points}</View>")
    opened, _, _ = one(tmp_path, BOX)
    assert opened.labels.names == ("worn", "card")
    text(tmp_path / "config.xml", "<View><broken")
    text(tmp_path / "classes.txt", "card\nother\n")
    assert one(tmp_path, BOX)[0].labels.names == ("card", "other")


def test_a_turned_rectangle_turns_around_its_left_top_corner(tmp_path):
    _, (found,), _ = one(tmp_path, changed(percent("card", 100, 20, 140, 40), rotation=90))
    assert found.box.corners == pytest.approx((80, 20, 100, 60))
    assert len(found.polygons[0].points) == 4


def test_polygons_ellipses_and_labels_that_stand_apart(tmp_path):
    ring = other("polygonlabels", points=[[10, 10], [20, 10], [20, 40]], polygonlabels=["card"])
    around = other("ellipselabels", x=50, y=50, radiusX=10, radiusY=10, rotation=0, ellipselabels=["card"])
    bare = {**other("rectangle", x=1, y=1, width=5, height=5), "id": "y"}
    named = {**bare, "type": "labels", "value": {**bare["value"], "labels": ["dent"]}}
    _, found, bad = one(tmp_path, ring, {**around, "id": "z"}, bare, named)
    assert [each.label for each in found] == ["card", "card", "dent"]
    assert found[0].area == pytest.approx(20 * 30 / 2)
    assert found[1].box.corners == pytest.approx((80, 40, 120, 60))
    assert found[2].box.corners == pytest.approx((2, 1, 12, 6))
    assert not bad


def packed(values, width=8):
    """Values as Label Studio packs them: one list of single values after the other."""
    bits = f"{len(values):032b}{width - 1:05b}" + "".join(f"{count - 1:04b}" for count in (1, 2, 4, 8))
    for at in range(0, len(values), 256):
        run = values[at : at + 256]
        bits += f"011{len(run) - 1:08b}" + "".join(f"{value:0{width}b}" for value in run)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def test_painted_masks(tmp_path):
    alpha = np.zeros((100, 200, 4), np.uint8)
    alpha[20:23, 30:35, 3] = 255
    rle = packed(alpha.ravel().tolist())
    mask = other("brushlabels", format="rle", rle=rle, brushlabels=["card"])
    _, (found,), bad = one(tmp_path, mask)
    assert (found.box.corners, found.area, bad) == ((30, 20, 35, 23), 15, [])
    assert decoded_mask(found.rle).sum() == 15
    runs = "1" + "00" + "0" + "00000111" + "1" + "01" + "10" + "11111111"
    head = f"{16:032b}{7:05b}" + "".join(f"{count - 1:04b}" for count in (1, 2, 4, 8))
    bits = head + runs.replace("1000", "1000", 1)
    with pytest.raises(Exception, match="cut off"):
        decoded_brush([int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8)], Size(2, 2))


def test_keypoints_belong_to_the_rectangle_above_them(tmp_path):
    points = [
        {**other("keypointlabels", x=x, y=50, width=1, keypointlabels=[name]), "id": name, "parentID": BOX["id"]}
        for name, x in (("right", 30), ("left", 10))
    ]
    lone = {**other("keypointlabels", x=1, y=1, keypointlabels=["left"]), "id": "lone"}
    opened, (found,), (bad,) = one(tmp_path, BOX, *points, lone)
    assert opened.labels.keypoints == ("left", "right")
    assert found.keypoints.points == ((20, 50, 2), (60, 50, 2))
    assert "a keypoint alone has no box" in bad.reason


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (changed(BOX, width=0), "no area"),
        (changed(BOX, x=99, width=50), "past the edge"),
        (changed(BOX, x="left"), "x is 'left', not a number"),
        (changed(BOX, x=None), "x is None, not a number"),
        (changed(BOX, rectanglelabels=[]), "has no label"),
        ({**BOX, "image_rotation": 90}, "drawn on a turned image"),
        ({**BOX, "score": 3}, "not between 0 and 1"),
        ({**BOX, "id": ""}, ""),
        (other("polygonlabels", points=[[1, 1], [2, 2]], polygonlabels=["card"]), "at least 3 points"),
        (other("polygonlabels", points=[1, 2, 3], polygonlabels=["card"]), "no list of pairs"),
        (other("brushlabels", rle=[1, 2, 3], brushlabels=["card"]), "cut off or not packed"),
        (other("brushlabels", rle="AAAA", brushlabels=["card"]), "cut off or not packed"),
        (other("brushlabels", rle=[0, 0, 0, 9] + [0] * 20, brushlabels=["card"]), "do not fit the image"),
    ],
)
def test_an_odd_result_costs_only_itself(tmp_path, result, reason):
    good = percent("card", 1, 1, 9, 9)
    _, found, bad = one(tmp_path, good, result)
    if not reason:
        assert (len(found), bad) == (2, [])
        return
    assert len(found) == 1
    assert reason in bad[0].reason
    assert (bad[0].file, bad[0].text[0]) == ("export.json", "{")
    assert bad[0].line > 10


def test_several_labels_of_one_result_are_several_annotations(tmp_path):
    _, found, bad = one(tmp_path, changed(BOX, rectanglelabels=["card", "dent"]))
    assert ([each.label for each in found], bad) == (["card", "dent"], [])


def test_of_several_annotators_one_counts_and_the_others_are_named(tmp_path):
    image(tmp_path / "a.jpg")
    versions = [
        {"id": 1, "result": [BOX], "updated_at": "2026-01-02"},
        {"id": 2, "result": [percent("dent", 1, 1, 9, 9)], "updated_at": "2026-01-03"},
        {"id": 3, "result": [BOX, BOX], "was_cancelled": True, "updated_at": "2026-01-04"},
    ]
    labelstudio(tmp_path / "a.json", [{"id": 1, "data": {"image": "a.jpg"}, "annotations": versions}])
    _, (record,), bad = records(tmp_path)
    assert [each.label for each in record.annotations] == ["dent"]
    assert [each.reason[:30] for each in bad] == ["the task was labelled several "] + [
        "this annotation was cancelled;"
    ] * 2
    versions[0]["ground_truth"] = True
    labelstudio(tmp_path / "a.json", [{"id": 1, "data": {"image": "a.jpg"}, "annotations": versions}])
    assert [each.label for each in records(tmp_path)[1][0].annotations] == ["card"]


def test_predictions_have_scores_and_no_annotation_means_not_labelled(tmp_path):
    for name in ("a", "b", "c"):
        image(tmp_path / f"{name}.jpg")
    guess = [{"id": 5, "score": 0.25, "result": [BOX, {**percent("dent", 1, 1, 9, 9), "score": 0.75}]}]
    tasks = [
        {"id": 1, "data": {"image": "a.jpg"}, "annotations": [], "predictions": guess},
        ("b.jpg", [BOX]),
        ("c.jpg", []),
    ]
    labelstudio(tmp_path / "a.json", tasks)
    opened, found, _ = records(tmp_path)
    assert [(len(each.annotations), each.labelled) for each in found] == [(0, False), (1, True), (0, True)]
    assert any("predictions only" in note for note in opened.notes.lines())
    _, found, _ = records(tmp_path, stage="predictions")
    assert [[each.score for each in record.annotations] for record in found] == [[0.25, 0.75], [], []]


NAMES = [
    ("/data/upload/3/0a1b2c3d-a.jpg", "images/0a1b2c3d-a.jpg"),
    ("/data/upload/3/0a1b2c3d-my%20card.jpg", "my card.jpg"),
    ("/data/upload/0a1b2c3d-a.jpg", "upload/0a1b2c3d-a.jpg"),
    ("/data/local-files/?d=lot%2F7/a.jpg", "lot/7/a.jpg"),
    ("https://host/path/a.jpg?token=1", "a.jpg"),
    ("s3://bucket/lot/a.jpg", "lot/a.jpg"),
    ("lot\\a.jpg", "lot/a.jpg"),
    ("../photos/a.jpg", "photos/a.jpg"),
    ("a#1.jpg", "a#1.jpg"),
]


@pytest.mark.parametrize(("address", "path"), NAMES)
def test_the_image_is_found_by_its_address(tmp_path, address, path):
    image(tmp_path / path)
    labelstudio(tmp_path / "a.json", [(address, [BOX])])
    opened, (record,), bad = records(tmp_path)
    assert (opened.images / record.file_name).is_file()
    assert (len(record.annotations), bad) == (1, [])


def test_json_min(tmp_path):
    image(tmp_path / "a.jpg")
    image(tmp_path / "b.jpg")
    least = {**BOX["value"], "original_width": 200, "original_height": 100}
    tasks = [
        {"image": "/data/upload/1/0a1b2c3d-a.jpg", "id": 1, "label": [least], "annotator": 1, "lead_time": 3.5},
        {"image": "/data/upload/1/0a1b2c3d-b.jpg", "id": 2, "annotator": 1, "choice": "worn"},
    ]
    labelstudio(tmp_path / "min.json", tasks)
    opened, found, bad = records(tmp_path)
    assert (opened.format, [len(each.annotations) for each in found], bad) == ("labelstudio", [1, 0], [])
    assert found[1].labelled


def test_odd_tasks_cost_only_themselves(tmp_path):
    image(tmp_path / "a.jpg")
    tasks = [("a.jpg", [BOX]), {"id": 2, "data": {"text": "none"}, "annotations": []}, {"id": 3}]
    path = labelstudio(tmp_path / "a.json", tasks)
    text(path, path.read_bytes()[:-2] + b',\n{"id": NaN}, 7, null]')
    done = convert(tmp_path, tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (1, 1, 5)
    assert "the task names no image" in quarantined(done)[0]["reason"]
    assert len(read(tmp_path / "out.json")["annotations"]) == 1


def test_an_empty_list_and_a_project_without_images_say_what_is_wrong(tmp_path):
    with pytest.raises(RcgError, match="the list is empty") as caught:
        open_annotations(text(tmp_path / "empty.json", "[]\n"))
    assert caught.value.fix
    labelstudio(tmp_path / "a.json", [{"data": {"images": ["a", "b"]}, "annotations": [{"result": [BOX]}]}])
    with pytest.raises(DataError, match="one image each"):
        open_annotations(tmp_path / "a.json")


def test_exports_of_label_studio_itself(shared_data, tmp_path):
    folder = shared_data / "labels/labelstudio_converter_tests"
    if not folder.is_dir():
        pytest.skip("the folder of real labels is absent")
    found = {}
    for name in ("data", "data_obb", "data_polygons"):
        done = convert(folder / f"test_export_yolo/{name}.json", tmp_path / f"{name}.json")
        found[name] = (done.images, done.annotations, done.dropped, done.labels.names)
    assert found["data"] == (2, 4, 2, ("parasites", "white"))
    assert found["data_obb"][:2] == (3, 25)
    assert found["data_polygons"][:2] == (1, 1)
