"""What a conversion says: reasons that can be acted on, refusals that are short, notes that help to go on."""

from functools import partial

import pytest

from rcg.annotations import convert, open_annotations
from rcg.errors import Cancelled, ConfigError, DataError
from tests.make_labels import coco, image, quarantined, text, voc_xml, yolo

BOX = "0 0.5 0.5 0.2 0.4\n"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("-1 0.5 0.5 0.2 0.4", ["the class -1 is no whole number", "correct it"]),
        ("0 0.95 0.5 0.4 0.4", ["15.0 % past the edge", "no more than 1 % is clipped", "draw it again"]),
        ("10 10 50 10 50 40 10 40 card 0", ["DOTA", "convert_dota_to_yolo_obb", "class x1 y1 x2 y2"]),
        ("10.5 10 50 10 50 40 10 40 card", ["DOTA"]),
        ("0 100 50 40 40", ["look like pixels", "divide"]),
        ("hello", ["no line of numbers", "class x y width height"]),
    ],
)
def test_reasons_of_yolo_lines_say_what_to_do(tmp_path, line, parts):
    folder = yolo(tmp_path / "set", {"a.jpg": line + "\n", "b.jpg": BOX})
    reason = quarantined(convert(folder, tmp_path / "out.json"))[0]["reason"]
    assert all(part in reason for part in parts), reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bbox": [None, 1, 2, 3]}, "bbox is [None, 1, 2, 3], not four numbers: x, y, width, height"),
        ({"bbox": [1, 2]}, "bbox is [1, 2], not four numbers"),
        ({"bbox": {"x": 1}}, "bbox is {'x': 1}, not four numbers"),
        ({"segmentation": [[1, 1, 2]]}, "segmentation is [[1, 1, 2]], not lists of x1, y1"),
        ({"keypoints": [1, 2]}, "keypoints is [1, 2], not three numbers a keypoint"),
        ({"score": "high"}, "score is high, not a number from 0 to 1"),
        ({"area": "9"}, "area is 9, not a number"),
        ({"category_id": "left out"}, "it has no category_id"),
    ],
)
def test_reasons_of_coco_annotations_name_the_value(tmp_path, change, said):
    image(tmp_path / "a.jpg")
    path = coco(tmp_path / "set.json", annotations=[change, {}])
    reason = quarantined(convert(path, tmp_path / "out.json"))[0]["reason"]
    assert said in reason
    assert "export it again" in reason
    assert "argument" not in reason


def test_a_width_that_is_no_number_is_named(tmp_path):
    entry = {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}
    images = [entry, {**entry, "id": 2, "file_name": "b.jpg", "width": "wide"}]
    done = convert(coco(tmp_path / "set.json", images=images, annotations=[{}]), tmp_path / "out.json")
    assert quarantined(done)[0]["reason"] == "the image has 'wide' where a number belongs; correct it"


def test_the_outlines_of_the_old_labelme_are_named(tmp_path):
    image(tmp_path / "set/a.jpg")
    outline = "<polygon><username>anonymous</username><pt><x>1</x><y>2</y></pt><pt><x>9</x><y>9</y></pt></polygon>"
    text(tmp_path / "set/a.xml", voc_xml([("card", 1, 1, 9, 9)], extra=outline))
    reason = quarantined(convert(tmp_path / "set", tmp_path / "out.json"))[0]["reason"]
    assert "old LabelMe web tool" in reason
    assert "draw it again" in reason


def test_strict_is_short_and_has_a_fix_for_each_kind(tmp_path):
    folder = yolo(tmp_path / "set", {f"{number}.jpg": "1 2 3\n" for number in range(5)} | {"x.jpg": BOX})
    with pytest.raises(DataError) as caught:
        convert(folder, tmp_path / "out.json", strict=True)
    assert caught.value.what.count("too few") == 2
    assert "and 3 more)" in caught.value.what
    assert "quarantine" in caught.value.fix
    assert "format" not in caught.value.fix


def test_strict_does_not_speak_of_the_quarantine_where_only_losses_are_refused(tmp_path):
    ring = [[10, 10, 30, 10, 30, 40], [50, 50, 60, 50, 60, 70]]
    path = coco(tmp_path / "set.json", annotations=[{"segmentation": ring, "bbox": [10, 10, 50, 60]}])
    with pytest.raises(DataError, match=r"a.jpg: outlines of several parts") as caught:
        convert(path, tmp_path / "out", to="yolo", strict=True)
    assert "quarantine" not in caught.value.fix
    assert "choose a format that carries it" in caught.value.fix
    done = convert(path, tmp_path / "out", to="yolo")
    assert done.losses["parts"] == 1
    assert "outlines of several parts (1)" in done.summary()


def test_a_file_name_keeps_its_small_letter_in_the_summary(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX}, classes=None)
    text(folder / "data.yaml", "nc: 5\nnames: [card]\n")
    summary = convert(folder, tmp_path / "out", to="yolo").summary()
    assert " data.yaml says nc: 5" in summary
    assert " The images were not copied" in summary


@pytest.mark.parametrize(("number", "said"), [(0, "the class is called class_0"), (2, "class_0 to class_2")])
def test_made_up_classes_are_said_as_they_are(tmp_path, number, said):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX.replace("0 ", f"{number} ", 1)}, classes=None)
    assert any(note.endswith(said) for note in open_annotations(folder).notes.lines())


def test_a_stage_is_written_either_way_and_named_as_it_was_given(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    for stage in ("ground-truth", "ground_truth"):
        assert convert(folder, tmp_path / "out.json", stage=stage).annotations == 1
    with pytest.raises(ConfigError, match="no stage 'ground-trut'") as caught:
        open_annotations(folder, stage="ground-trut")
    assert caught.value.fix == "use ground-truth or predictions"


@pytest.mark.parametrize("there", [True, False])
def test_images_that_are_not_there_are_still_missing_when_a_conversion_goes_on(tmp_path, there):
    entries = [{"id": n, "file_name": f"{n:04}.jpg", "width": 200, "height": 100} for n in range(1, 1201)]
    for entry in entries if there else ():
        image(tmp_path / "set" / entry["file_name"], size=(20, 10))
    path = coco(tmp_path / "set/set.json", images=entries, annotations=[{"bbox": [1, 1, 5, 5]}])

    def stop(tick):
        if tick.done == tick.total:
            raise Cancelled

    with pytest.raises(Cancelled):
        convert(path, tmp_path / "out", to="yolo", report=stop)
    done = convert(path, tmp_path / "out", to="yolo")
    assert done.resumed
    said = "the images were not copied" if there else "the images were not found"
    assert any(note.startswith(said) for note in done.notes)


def in_splits(tmp_path, *splits, folder="images"):
    entries = [
        {"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 100, "split": split}
        for number, split in enumerate(splits, 1)
    ]
    for entry in entries:
        image(tmp_path / "set" / folder / entry["file_name"])
    return coco(tmp_path / "set/set.json", images=entries, annotations=[{}])


@pytest.mark.parametrize(
    ("splits", "missing"),
    [
        (("train",), "val"),
        (("val", "test"), "train"),
        (("test",), "train or val"),
        (("train", "val"), ""),
        ((None,), ""),
    ],
)
def test_yolo_out_says_which_split_ultralytics_will_miss(tmp_path, splits, missing):
    done = convert(in_splits(tmp_path, *splits), tmp_path / "out", to="yolo")
    found = [note for note in done.notes if note.startswith("no image is in")]
    assert bool(found) == bool(missing)
    if missing:
        assert found[0].startswith(f"no image is in {missing}, and")
        assert "rcg dataset export NAME --to ultralytics" in found[0]


@pytest.mark.parametrize("folder", ["images", "images/lot", "photos", ""])
def test_yolo_out_says_where_ultralytics_looks(tmp_path, folder):
    path = in_splits(tmp_path, "train", "val", folder=folder)
    again = partial(convert, path, tmp_path / "out", to="yolo", images=tmp_path / "set" / folder)
    notes = [note for note in again().notes if "Ultralytics" in note]
    assert len(notes) == 1
    if folder.startswith("images"):
        place = tmp_path / "set" / folder.replace("images", "labels")
        said = f"put what is in the target's folder labels into {place}"
        assert f"{said}:" in notes[0]
        place.mkdir(parents=True)
        assert any(f"{said}, in place of the labels that stand there:" in note for note in again().notes)
    else:
        assert "looks for the labels in the image's own folder" in notes[0]
        assert "rcg dataset export NAME --to ultralytics" in notes[0]


@pytest.mark.parametrize("name", ["set", "images/set"])
def test_yolo_out_says_where_ultralytics_looks_among_several_folders_of_images(tmp_path, name):
    folder = tmp_path / name
    for split in ("train", "val"):
        image(folder / split / f"images/of_{split}.jpg")
        text(folder / split / f"labels/of_{split}.txt", BOX)
    text(folder / "data.yaml", "names: [card]\n")
    done = convert(folder, tmp_path / "out", to="yolo")
    assert any("looks for the labels in folders called labels among those of the images" in each for each in done.notes)
