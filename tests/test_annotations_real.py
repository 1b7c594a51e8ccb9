"""Real sets, where the folder of real data is present: every box is accounted for."""

import pytest

from rcg.annotations import convert, open_annotations
from rcg.errors import RcgError
from tests.make_labels import boxes, quarantined, read
from tests.test_annotations_mutations import COUNTS


@pytest.fixture
def labels(shared_data):
    folder = shared_data / "labels"
    if not folder.is_dir():
        pytest.skip("the folder of real labels is absent")
    return folder


def content(source, **options):
    bad = []
    found = list(open_annotations(source, **options).records(bad.append))
    return {each.file_name.rpartition("/")[2]: each for each in found}, bad


def same(first, second, tolerance):
    """Whether two readings hold the same boxes with the same labels."""
    assert set(first) == set(second)
    for name in first:
        a, b = first[name], second[name]
        assert (a.width, a.height) == (b.width, b.height)
        assert sorted(each.label for each in a.annotations) == sorted(each.label for each in b.annotations)
        key = lambda each: (each.label, round(each.box.x), round(each.box.y))  # noqa: E731 - used twice, here
        for x, y in zip(sorted(a.annotations, key=key), sorted(b.annotations, key=key), strict=True):
            assert x.box.corners == pytest.approx(y.box.corners, abs=tolerance)


def test_voc_playing_cards(labels, tmp_path):
    done = convert(labels / "voc_playing_cards_edje", tmp_path / "out.json", strict=True)
    assert (done.format, done.images, done.annotations, done.dropped) == ("voc", 363, 670, 0)
    assert done.labels.names == ("ace", "jack", "king", "nine", "queen", "ten")
    out = read(tmp_path / "out.json")
    assert [each["id"] for each in out["images"]] == list(range(1, 364))
    names = [each["file_name"] for each in out["images"]]
    assert names == sorted(names)
    assert sum(each["split"] == "test" for each in out["images"]) == 67
    assert boxes(out)["test/IMG_2387.JPG"] == [("queen", [109, 167, 140, 182], None)]


def test_voc_playing_cards_there_and_back(labels, tmp_path):
    source = labels / "voc_playing_cards_edje"
    convert(source, tmp_path / "yolo", to="yolo", strict=True)
    done = convert(tmp_path / "yolo", tmp_path / "voc", to="voc", strict=True)
    assert (done.images, done.annotations) == (363, 670)
    same(content(source)[0], content(tmp_path / "voc", images=source)[0], 1e-5)


def test_yolo_bicycle_cards(labels, tmp_path):
    source = labels / "yolo_darknet_bicycle_cards"
    done = convert(source, tmp_path / "out.json")
    assert (done.format, done.images, done.annotations, done.dropped) == ("yolo", 285, 1071, 56)
    assert done.annotations + done.dropped == 1127
    lines = quarantined(done)
    assert len({each["file"] for each in lines}) == 15
    assert all("no image belongs to this label file" in each["reason"] for each in lines)
    back = convert(tmp_path / "out.json", tmp_path / "back", to="yolo", images=source)
    assert (back.images, back.annotations, back.dropped) == (285, 1071, 0)
    for path in sorted((source / "data/obj").glob("*.txt")):
        if path.with_suffix(".jpg").exists():
            before = [list(map(float, line.split())) for line in path.read_text().splitlines()]
            written = (tmp_path / "back/labels/data/obj" / path.name).read_text()
            after = [list(map(float, line.split())) for line in written.splitlines()]
            assert len(before) == len(after)
            for a, b in zip(before, after, strict=True):
                assert a == pytest.approx(b, abs=5e-7)


def test_paired_fixtures_of_boxes_agree(labels):
    folder = labels / "labelformat_fixtures/object_detection"
    found = {
        "coco": content(folder / "COCO"),
        "yolo": content(folder / "YOLOv8"),
        "voc": content(folder / "PascalVOC", images=folder / "COCO/data"),
    }
    assert all(not bad for _, bad in found.values())
    assert sum(len(each.annotations) for each in found["coco"][0].values()) == 16
    plain = {name: each for name, (each, _) in found.items()}
    for name in ("yolo", "voc"):
        assert set(plain[name]) == set(plain["coco"])
        for file, record in plain[name].items():
            assert len(record.annotations) == len(plain["coco"][file].annotations)


def test_paired_fixtures_of_outlines_agree(labels):
    folder = labels / "labelformat_fixtures/instance_segmentation"
    coco, _ = content(folder / "COCO/instances.json", images=folder / "YOLOv8/images")
    yolo, bad = content(folder / "YOLOv8")
    assert not bad
    for name, record in yolo.items():
        for a, b in zip(record.annotations, coco[name].annotations, strict=True):
            assert a.label == b.label
            assert a.polygons
    masks, _ = content(folder / "COCO/instances_with_binary_mask.json")
    assert any(each.rle is not None for record in masks.values() for each in record.annotations)


@pytest.mark.parametrize(
    ("name", "kind", "images", "annotations"),
    [
        ("datumaro_assets/coco_dataset/coco", "coco", 2, 3),
        ("datumaro_assets/coco_dataset/mmdet_coco", "coco", 2, 3),
        ("datumaro_assets/coco_dataset/coco_roboflow", "coco", 2, 3),
        ("datumaro_assets/coco_dataset/coco_person_keypoints", "coco", 2, 3),
        ("datumaro_assets/roboflow_dataset/coco", "coco", 3, 4),
        ("datumaro_assets/roboflow_dataset/yolo", "yolo", 3, 4),
        ("datumaro_assets/roboflow_dataset/voc", "voc", 3, 4),
        ("datumaro_assets/yolo_dataset/annotations", "yolo", 1, 2),
        ("datumaro_assets/yolo_dataset/labels", "yolo", 2, 4),
        ("datumaro_assets/yolo_dataset/strict", "yolo", 1, 2),
        ("datumaro_assets/voc_dataset/voc_dataset1", "voc", 2, 2),
        ("datumaro_assets/voc_dataset/voc_dataset3", "voc", 1, 1),
        ("labelstudio_converter_tests/test_import_yolo_data", "yolo", 7, 25),
        ("labelstudio_converter_tests/test_import_yolo_data_unif_dims", "yolo", 5, 19),
        ("coco_sahi_tests/coco_evaluate/result.json", "coco", 2, 89),
        ("labelme_examples/examples/instance_segmentation/data_dataset_coco", "coco", 3, 12),
    ],
)
def test_fixtures_of_other_tools(labels, name, kind, images, annotations, tmp_path):
    done = convert(labels / name, tmp_path / "out.json")
    assert (done.format, done.images, done.annotations, done.dropped) == (kind, images, annotations, 0)


def test_roboflow_exports_of_one_set_agree(labels):
    folder = labels / "datumaro_assets/roboflow_dataset"
    coco, yolo, voc = (content(folder / name)[0] for name in ("coco", "yolo", "voc"))
    same(yolo, voc, 1e-6)
    same(coco, voc, 1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "images", "annotations", "dropped"),
    [
        ("datumaro_assets/cvat_dataset/for_images/export_project", "cvat", 6, 9, 3),
        ("datumaro_assets/cvat_dataset/for_images/export_task", "cvat", 2, 2, 2),
        ("labelme_examples/examples/bbox_detection", "labelme", 3, 9, 0),
        ("labelme_examples/examples/instance_segmentation/data_annotated", "labelme", 3, 14, 0),
        ("labelme_examples/examples/semantic_segmentation", "labelme", 3, 18, 0),
        ("labelme_examples/examples/video_annotation", "labelme", 5, 15, 0),
        ("labelstudio_converter_tests/test_export_yolo/data.json", "labelstudio", 2, 4, 2),
        ("labelstudio_converter_tests/test_export_yolo/data_obb.json", "labelstudio", 3, 25, 0),
        ("labelstudio_converter_tests/test_export_yolo/data_polygons.json", "labelstudio", 1, 1, 0),
        ("labelstudio_converter_tests/test_export_json_min/data.json", "labelstudio", 1, 1, 0),
        ("voc_playing_cards_edje/test_labels.csv", "csv", 67, 143, 0),
        ("voc_playing_cards_edje/train_labels.csv", "csv", 296, 527, 0),
        ("coco_sahi_tests/coco_utils/combined_coco.json", "coco", 2, 12, 0),
        ("coco_sahi_tests/coco_utils/visdrone2019-det-train-first50image.json", "coco", 50, 3326, 0),
        ("labelformat_fixtures/instance_segmentation/YOLOv8", "yolo", 2, 3, 0),
    ],
)
def test_every_label_of_a_set_is_kept_or_in_quarantine(labels, name, kind, images, annotations, dropped, tmp_path):
    done = convert(labels / name, tmp_path / "out.json")
    assert (done.format, done.images, done.annotations, done.dropped) == (kind, images, annotations, dropped)
    ending = {"cvat": "*.xml", "yolo": "*.txt", "csv": "*.csv"}.get(kind, "*.json")
    source = labels / name
    files = [source] if source.is_file() else sorted(source.rglob(ending))
    if kind in COUNTS and "min" not in name and "instance" not in name:  # LabelMe's groups of shapes are one label
        assert sum(COUNTS[kind](path.read_bytes()) for path in files) <= annotations + dropped


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("datumaro_assets/cvat_dataset/for_video", "a track belongs to a video"),
        ("datumaro_assets/datumaro_dataset", "no labels are here"),
        ("datumaro_assets/dota_dataset/train/labelTxt", "neither images nor labels, only 2 .txt"),
        ("datumaro_assets/roboflow_dataset/tfrecord", "neither images nor labels"),
        ("datumaro_assets/roboflow_dataset", "several kinds of labels are here: COCO JSON"),
        ("labelformat_fixtures/object_detection/Labelbox", "neither images nor labels, only 1 .ndjson"),
        ("labelstudio_converter_tests/test_export_json_min/data_repeater.json", "no task names an image"),
    ],
)
def test_what_cannot_be_read_says_why(labels, name, message, tmp_path):
    with pytest.raises(RcgError, match=message) as caught:
        convert(labels / name, tmp_path / "out.json")
    assert caught.value.fix
    assert not (tmp_path / "out.json").exists()
