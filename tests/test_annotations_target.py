"""Where a conversion may write: never over what it reads, nor under the name of something else."""

import os

import pytest

from rcg.annotations import convert
from rcg.errors import ConfigError, RcgError
from tests.make_labels import coco, csv, image, text, yolo

BOX = "0 0.5 0.5 0.2 0.4\n"


def everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(folder, source, target, **options):
    """The refusal of a conversion, which has to leave the folder as it was."""
    before = everything(folder)
    with pytest.raises(ConfigError) as caught:
        convert(source, target, **options)
    assert everything(folder) == before
    assert caught.value.where == str(target)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("name", ["labels.json", "link.json"])
def test_the_source_is_never_the_target(tmp_path, name):
    source = coco(tmp_path / "labels.json", annotations=[{}])
    (tmp_path / "link.json").symlink_to(source)
    found = refusal(tmp_path, source, tmp_path / name)
    assert "the target is the source itself" in found.what
    assert f"such as {tmp_path}" in found.fix
    assert not os.path.lexists(found.fix.rpartition(" ")[2])


def test_neither_is_a_class_file_or_a_label_file_that_was_given(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX}, classes=None)
    classes = text(tmp_path / "classes.json", '{"categories": [{"id": 0, "name": "card"}]}')
    refusal(tmp_path, folder, classes, classes=classes)
    labels = coco(tmp_path / "labels.json", annotations=[{}])
    refusal(tmp_path, folder, labels, labels=labels)


@pytest.mark.parametrize("name", ["labels/train.json", "notes.json"])
def test_what_is_read_beside_a_folder_of_images_is_not_written_over(tmp_path, name):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX}, classes=None)
    if name == "notes.json":
        text(folder / name, '{"categories": [{"id": 0, "name": "card"}]}')
    else:
        coco(folder / name, annotations=[{}])
    refusal(tmp_path, folder / "images", folder / name)
    (folder / name).unlink()
    for _ in range(2):
        assert convert(folder / "images", folder / "labels/out.json").annotations == 1


def test_a_table_is_not_written_over_with_what_was_made_of_it(tmp_path):
    image(tmp_path / "set/a.jpg")
    table = csv(tmp_path / "set/labels.csv", ["a.jpg,200,100,card,1,1,9,9"])
    convert(tmp_path / "set", tmp_path / "set/out.json")
    refusal(tmp_path, tmp_path / "set", table, to="csv")


@pytest.mark.parametrize("name", ["train.json", "notes.json", "deep/val.json"])
def test_no_label_or_class_file_of_the_source_is_written_over(tmp_path, name):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX}, classes=None)
    if name == "notes.json":
        text(folder / name, '{"categories": [{"id": 0, "name": "card"}]}')
    else:
        coco(folder / name, annotations=[{}])
    found = refusal(tmp_path, folder, folder / name)
    assert "holds labels or classes" in found.what


def test_a_table_in_the_source_is_kept_where_it_is_what_is_read(tmp_path):
    image(tmp_path / "set/a.jpg")
    table = csv(tmp_path / "set/labels.csv", ["a.jpg,200,100,card,1,1,9,9"])
    refusal(tmp_path, tmp_path / "set", table, to="csv")
    yolo(tmp_path / "other", {"a.jpg": BOX})
    for _ in range(2):
        assert convert(tmp_path / "other", tmp_path / "other/labels.csv", to="csv").annotations == 1


def test_a_folder_that_holds_the_source_is_not_replaced(tmp_path):
    made = convert(yolo(tmp_path / "set", {"a.jpg": BOX}), tmp_path / "made", to="yolo").target
    refusal(tmp_path, made, made, to="yolo")
    found = refusal(tmp_path, made / "data.yaml", made, to="yolo")
    assert "holds what is read" in found.what


def test_an_old_target_beside_a_file_that_is_named_is_replaced(tmp_path):
    source = coco(tmp_path / "labels.json", annotations=[{}])
    old = coco(tmp_path / "old.json", annotations=[{}, {}])
    assert convert(source, old).annotations == 1


@pytest.mark.parametrize(
    ("to", "name", "such_as"),
    [
        *[("coco", f"out{ending}", "out.json") for ending in (".txt", ".yaml", ".XML", ".csv", ".md", ".py", ".names")],
        *[("coco", f"out{ending}", "out.json") for ending in (".data", ".zip", ".tar", ".ipynb", ".jsonl", ".jpg")],
        *[("csv", f"out{ending}", "out.csv") for ending in (".json", ".txt", ".xlsx", ".tif")],
        *[("yolo", f"out{ending}", "out") for ending in (".json", ".csv", ".txt", ".zip", ".png")],
        ("voc", "out.xml", "out"),
    ],
)
def test_a_name_of_another_kind_is_refused(tmp_path, to, name, such_as):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    text(tmp_path / name, "precious")
    found = refusal(tmp_path, folder, tmp_path / name, to=to)
    assert found.fix.endswith(f"such as {tmp_path / such_as}")


@pytest.mark.parametrize(("to", "name"), [("coco", "a.v2"), ("coco", "out"), ("csv", "a.v2"), ("yolo", "set.v1.0")])
def test_other_names_are_fine_and_what_stood_there_is_replaced(tmp_path, to, name):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    for _ in range(2):
        assert convert(folder, tmp_path / name, to=to).annotations == 1


def test_an_image_without_labels_is_not_written_over(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX, "b.JPG": None})
    found = refusal(tmp_path, folder, folder / "images/b.JPG")
    assert "named as an image is" in found.what


@pytest.mark.parametrize(("to", "name"), [("coco", "labels.json"), ("csv", "labels.csv")])
def test_a_folder_as_the_target_of_a_file_names_one_of_the_right_kind(tmp_path, to, name):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    found = refusal(tmp_path, folder, tmp_path, to=to)
    assert found.fix == f"name a file, such as {tmp_path / name}"


def test_a_pipe_is_no_target(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        convert(folder, tmp_path / "pipe")


@pytest.mark.parametrize("target", ["/proc/out.json", "/proc/deep/out.json", "{}/set/classes.txt/out.json"])
def test_a_target_that_cannot_be_made_is_named_itself(tmp_path, target):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    target = target.format(tmp_path)
    with pytest.raises(RcgError, match="cannot be written") as caught:
        convert(folder, target)
    assert caught.value.where == target
    assert ".resume" not in str(caught.value)
    assert "typing" not in caught.value.fix


def test_ids_below_0_are_refused(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    with pytest.raises(ConfigError, match="cannot begin at -3") as caught:
        convert(folder, tmp_path / "out.json", first_id=-3)
    assert "--first-id" in caught.value.fix
    assert convert(folder, tmp_path / "out.json", first_id=0).labels.ids == (0, 1)


def test_labels_without_keypoints_are_named_not_the_target(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    with pytest.raises(ConfigError, match="these labels have no keypoints") as caught:
        convert(folder, tmp_path / "out", to="yolo-pose")
    assert caught.value.where == str(folder)
