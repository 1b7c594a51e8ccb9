"""What stands beside the labels: what RCG wrote, COCO's siblings, archives, and files in other case."""

import shutil

import orjson
import pytest

from rcg.annotations import convert, open_annotations
from rcg.errors import ConfigError, FormatError
from tests.make_labels import coco, csv, image, labelme, quarantined, text, voc_xml, yolo

BOX = "0 0.5 0.5 0.2 0.4\n"


def of_one(path, number, **more):
    """A COCO file of one image, n.jpg."""
    entry = {"id": number, "file_name": f"{number}.jpg", "width": 200, "height": 100}
    return coco(path, images=[entry], annotations=[{"image_id": number, **more}])


def passed(notes):
    return sorted(note.partition(" ")[0] for note in notes if "was not read" in note)


def test_coco_files_beside_instances_are_read_and_only_the_official_siblings_passed_over(tmp_path):
    names = ["instances_lot1.json", "lot2.json", "person_keypoints_lot3.json", "sentences_lot1.json"]
    for number, name in enumerate(names):
        of_one(tmp_path / "set" / name, number)
    siblings = [f"{kind}_lot1.json" for kind in ("captions", "image_info", "panoptic", "person_keypoints", "stuff")]
    for name in siblings:
        of_one(tmp_path / "set" / name, 9)
    text(tmp_path / "set/results.json", orjson.dumps([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}]))
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert (done.images, done.annotations) == (4, 4)
    assert passed(done.notes) == sorted([*siblings, "results.json"])
    assert "name it to read it" in "".join(done.notes)
    alone = convert(tmp_path / "set/stuff_lot1.json", tmp_path / "out.json")
    assert (alone.annotations, passed(alone.notes)) == (1, [])


def test_captions_alone_are_read(tmp_path):
    of_one(tmp_path / "set/captions_lot1.json", 1)
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert (done.annotations, passed(done.notes)) == (1, [])


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "labelme", "csv"])
@pytest.mark.parametrize("source", ["yolo", "voc", "coco"])
def test_a_target_in_its_source_does_not_spoil_it(tmp_path, source, to):
    folder = tmp_path / "set"
    if source == "yolo":
        yolo(folder, {"a.jpg": BOX, "b.jpg": BOX})
    elif source == "voc":
        for name in ("a", "b"):
            image(folder / f"{name}.jpg")
            text(folder / f"{name}.xml", voc_xml([("card", 80, 30, 120, 70)], filename=f"{name}.jpg"))
    else:
        image(folder / "a.jpg")
        coco(folder / "set.json", annotations=[{}, {"category_id": 2}])
    first = convert(folder, tmp_path / "first.json").target.read_bytes()
    target = folder / "sub" / {"coco": "out.json", "csv": "out.csv"}.get(to, "out")
    convert(folder, target, to=to)
    done = convert(folder, tmp_path / "again.json")
    assert done.format == source
    assert (done.target.read_bytes(), done.dropped) == (first, 0)
    assert any("is here too" in note and "sub/out" in note for note in done.notes)
    assert convert(target, tmp_path / "named.json", images=folder).annotations == done.annotations


def test_what_rcg_wrote_is_read_where_it_is_the_only_thing(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    convert(folder, folder / "out.json")
    convert(folder, folder / "out", to="yolo")
    shutil.rmtree(folder / "labels")
    (folder / "classes.txt").unlink()
    assert convert(folder, tmp_path / "x.json").format == "coco"
    assert convert(folder, tmp_path / "x.json", from_="yolo").annotations == 1
    (folder / "out.json").unlink()
    done = convert(folder, tmp_path / "x.json")
    assert (done.format, done.annotations, passed(done.notes)) == ("yolo", 1, [])


def test_what_rcg_wrote_is_read_with_other_coco_files_where_it_names_a_split(tmp_path):
    image(tmp_path / "set/1.jpg")
    image(tmp_path / "set/2.jpg")
    convert(of_one(tmp_path / "val.json", 2), tmp_path / "set/val.json", images=tmp_path / "set")
    of_one(tmp_path / "set/train.json", 1)
    assert convert(tmp_path / "set", tmp_path / "out.json").annotations == 2


@pytest.mark.parametrize("mark", [".rcg", ".rcg-export.json"])
def test_labels_beside_the_images_go_before_what_rcg_wrote_among_them(tmp_path, mark):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    text(folder / "images/made/a.txt", BOX + BOX)
    text(folder / "images/made" / mark, "")
    assert convert(folder / "images", tmp_path / "out.json").annotations == 1
    done = convert(folder, tmp_path / "out.json")
    assert (done.annotations, done.dropped, passed(done.notes)) == (1, 0, ["images/made/"])


def test_a_table_that_coco_was_made_of_counts(tmp_path):
    image(tmp_path / "set/a.jpg")
    csv(tmp_path / "set/labels.csv", ["a.jpg,200,100,card,1,1,9,9"])
    convert(tmp_path / "set", tmp_path / "set/out.json")
    assert open_annotations(tmp_path / "set").format == "csv"


def test_the_choice_of_formats_lists_them_all(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": BOX})
    coco(folder / "set.json", annotations=[{}])
    labelme(folder / "images/a.json", [("card", 1, 1, 9, 9)])
    with pytest.raises(FormatError, match="several kinds of labels") as caught:
        open_annotations(folder)
    assert "--from coco or --from yolo or --from labelme" in caught.value.fix


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "X.TGZ", "x.7z", "x.rar"])
@pytest.mark.parametrize("given", ["source", "labels"])
def test_an_archive_is_to_be_unpacked_or_added(tmp_path, name, given):
    path = text(tmp_path / name, "PK")
    image(tmp_path / "set/a.jpg")
    with pytest.raises(ConfigError, match="this is an archive") as caught:
        if given == "source":
            convert(path, tmp_path / "out.json")
        else:
            convert(tmp_path / "set", tmp_path / "out.json", labels=path)
    assert "unpack it" in caught.value.fix
    assert ("rcg dataset add NAME --images" in caught.value.fix) == (name not in ("x.7z", "x.rar"))


@pytest.mark.parametrize("kind", ["labelme", "voc"])
def test_one_file_without_its_photo_has_the_size_that_it_says(tmp_path, kind):
    image(tmp_path / "a.jpg")
    if kind == "voc":
        path = text(tmp_path / "b.xml", voc_xml([("card", 1, 1, 9, 9)], filename="b.jpg"))
    else:
        path = labelme(tmp_path / "b.json", [("card", 1, 1, 9, 9)], image_path="b.jpg")
    done = convert(path, tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (1, 1, 0)
    assert any("no images of these labels" in note for note in done.notes)
    assert convert(path, tmp_path / "out.json", images=tmp_path).dropped == 1, "the folder was named: it is not there"
    image(tmp_path / "b.jpg")
    done = convert(path, tmp_path / "out.json")
    assert (done.images, done.annotations) == (2, 1)


@pytest.mark.parametrize("kind", ["labelme", "voc"])
def test_of_a_folder_the_labels_without_a_photo_are_left_out_and_counted(tmp_path, kind):
    image(tmp_path / "set/a.jpg")
    for name in ("a", "b"):
        if kind == "voc":
            text(tmp_path / f"set/{name}.xml", voc_xml([("card", 1, 1, 9, 9)], filename=f"{name}.jpg"))
        else:
            labelme(tmp_path / f"set/{name}.json", [("card", 1, 1, 9, 9)], image_path=f"{name}.jpg")
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (1, 1, 1)
    assert any(note.startswith("label files without an image, in the quarantine: 1") for note in done.notes)
    assert "add the image" in quarantined(done)[0]["reason"]


@pytest.mark.parametrize("kind", ["labelme", "voc"])
def test_a_folder_in_which_nothing_fits_is_no_set_without_images(tmp_path, kind):
    image(tmp_path / "set/x.jpg")
    if kind == "voc":
        text(tmp_path / "set/b.xml", voc_xml([("card", 1, 1, 9, 9)], filename="b.jpg"))
    else:
        labelme(tmp_path / "set/b.json", [("card", 1, 1, 9, 9)], image_path="b.jpg")
    done = convert(tmp_path / "set", tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (1, 0, 1)


def names(folder, images, labels):
    for each in images:
        image(folder / "images" / each)
    for each in labels:
        text(folder / "labels" / each, BOX)
    return text(folder / "classes.txt", "card\n").parent


@pytest.mark.parametrize("more", [(), ("other.jpg",)])
def test_names_in_other_case_belong_together(tmp_path, more):
    folder = names(tmp_path / "set", ["C0.JPG", *more], ["c0.txt", *(f"{each[:-4]}.txt" for each in more)])
    done = convert(folder, tmp_path / "out.json")
    assert (done.annotations, done.dropped) == (1 + len(more), 0)
    assert any("upper and lower case" in note and "labels/c0.txt (C0.JPG)" in note for note in done.notes)


@pytest.mark.parametrize(
    ("images", "labels", "annotations", "dropped"),
    [
        (["C0.jpg", "y.jpg"], ["C0.txt", "c0.txt"], 1, 1),
        (["C0.jpg", "c0.jpg"], ["c0.txt"], 1, 0),
        (["CA.jpg", "Ca.jpg", "x.jpg"], ["ca.txt", "x.txt"], 1, 1),
        (["CA.jpg", "x.jpg"], ["ca.txt", "Ca.txt", "x.txt"], 1, 2),
    ],
    ids=["another label fits", "another image fits", "two images", "two labels"],
)
def test_names_in_other_case_are_no_guess(tmp_path, images, labels, annotations, dropped):
    done = convert(names(tmp_path / "set", images, labels), tmp_path / "out.json")
    assert (done.annotations, done.dropped) == (annotations, dropped)
    assert not any("upper and lower case" in note for note in done.notes)


def test_folders_in_other_case_belong_together_too(tmp_path):
    folder = names(tmp_path / "set", ["Lot/A.jpg"], ["lot/a.txt"])
    assert convert(folder, tmp_path / "out.json").annotations == 1
