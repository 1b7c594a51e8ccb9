"""Files that are no labels, or cannot be read, cost at most themselves."""

import os

import pytest

from rcg.annotations import convert, open_annotations
from rcg.errors import FormatError, RcgError
from tests.make_labels import coco, csv, cvat, cvat_box, image, labelme, labelstudio, percent, quarantined, text, yolo

LINE = "0 .5 .5 .2 .2\n"
STRAYS = {
    "a date that is none": ("stray.yaml", "date: 2024-13-45\n"),
    "no YAML": ("stray.yaml", "a: [b\n: {"),
    "a tag": ("b.yaml", "!!python/object:os.system x"),
    "not UTF-8": ("stray.yml", b"\xff\xfe\x00"),
    "broken JSON": ("other.json", "{broken"),
    "other JSON": ("labels/b.json", "{}"),
    "an empty list": ("results.json", "[]"),
    "another table": ("results.csv", "epoch;loss\n1;2\n"),
    "other XML": ("config.xml", "<View/>"),
    "text": ("labels/x.txt", "hello"),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_file_of_another_kind_does_not_matter(tmp_path, name):
    yolo(tmp_path / "set", {"a.jpg": LINE, "b.jpg": LINE})
    file, content = STRAYS[name]
    text(tmp_path / "set" / file, content)
    done = convert(tmp_path / "set", tmp_path / "out.json", strict=True)
    assert (done.format, done.images, done.annotations) == ("yolo", 2, 2)


@pytest.mark.parametrize("name", ["stray.yaml", "notes.json", "x.json", "y.xml", "z.csv", "a.names", "labels/c.txt"])
@pytest.mark.parametrize("target", ["gone", "itself"])
def test_a_link_that_leads_nowhere_does_not_matter(tmp_path, name, target):
    folder = yolo(tmp_path / "set", {"a.jpg": LINE, "b.jpg": LINE})
    link = folder / name
    link.symlink_to(link if target == "itself" else tmp_path / "gone")
    done = convert(folder, tmp_path / "out.json")
    assert (done.format, done.images, done.annotations) == ("yolo", 2, 2)
    assert done.dropped == (1 if name.endswith("c.txt") else 0)


@pytest.mark.parametrize("classes", [True, False])
def test_a_label_file_that_cannot_be_read_costs_only_itself(tmp_path, classes):
    folder = yolo(tmp_path / "set", {"a.jpg": LINE, "b.jpg": LINE}, classes="card\n" if classes else None)
    (folder / "labels/b.txt").unlink()
    (folder / "labels/b.txt").symlink_to(tmp_path / "gone")
    done = convert(folder, tmp_path / "out.json")
    assert (done.images, done.annotations, done.dropped) == (2, 1, 1)
    assert "the label file cannot be read" in quarantined(done)[0]["reason"]


def test_a_class_file_that_is_broken_is_told(tmp_path):
    folder = yolo(tmp_path / "set", {"a.jpg": LINE})
    text(folder / "data.yaml", "names: [a\n")
    with pytest.raises(FormatError, match="this is not YAML"):
        open_annotations(folder)
    text(folder / "data.yaml", "names: [2024-01-02, 2024-13-45]\n")
    assert open_annotations(folder).labels.names == ("2024-01-02", "2024-13-45")


@pytest.mark.parametrize("name", ["coco", "voc", "labelme", "cvat", "labelstudio", "csv"])
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(tmp_path, name):
    path = text(tmp_path / "set/labels.json", "{}")
    path.chmod(0)
    with pytest.raises(RcgError):
        open_annotations(path, format=name)


def test_every_format_is_told_from_the_others_and_two_of_them_are_refused_with_the_choice(tmp_path):
    makers = {
        "coco": lambda folder: coco(folder / "set.json", annotations=[{}]),
        "labelme": lambda folder: labelme(folder / "a.json", [("card", 1, 1, 9, 9)]),
        "cvat": lambda folder: cvat(folder / "annotations.xml", {"a.jpg": cvat_box("card", 1, 1, 9, 9)}),
        "labelstudio": lambda folder: labelstudio(folder / "export.json", [("a.jpg", [percent("card", 1, 1, 9, 9)])]),
        "csv": lambda folder: csv(folder / "labels.csv", ["a.jpg,200,100,card,1,1,9,9"]),
    }
    for first, make in makers.items():
        image(tmp_path / first / "a.jpg")
        make(tmp_path / first)
        opened = open_annotations(tmp_path / first)
        assert opened.format == first
        assert opened.reason
        for second, other in makers.items():
            if second != first:
                folder = tmp_path / f"{first}_{second}"
                image(folder / "a.jpg")
                make(folder)
                other(folder)
                if "csv" in (first, second):  # a table often stands beside labels
                    opened = open_annotations(folder)
                    assert opened.format == ({first, second} - {"csv"}).pop()
                    assert any("CSV is here too" in note for note in opened.notes.lines())
                    continue
                with pytest.raises(FormatError, match="several kinds of labels are here") as caught:
                    open_annotations(folder)
                assert "--from " in caught.value.fix
                assert open_annotations(folder, format=second).format == second
