"""Pascal VOC objects that are written alike are looked up by their places; what breaks the form is still seen."""

import pytest

from rcg.annotations import open_annotations
from rcg.annotations.formats.voc_forms import alike, learnt
from tests.make_labels import image, same_as_exact

OBJECT = (
    "  <object>\n    <name>{name}</name>\n    <pose>{pose}</pose>\n    <truncated>{mark}</truncated>\n    <bndbox>\n"
    "      <xmin>{left}</xmin>\n      <ymin>2</ymin>\n      <xmax>{right}</xmax>\n      <ymax>44</ymax>\n"
    "    </bndbox>\n  </object>\n"
)
FILE = "<annotation>\n  <folder>f</folder>\n{}</annotation>\n"


def written(*, name="card", pose="Left", mark="0", left="10", right="150"):
    return OBJECT.format(name=name, pose=pose, mark=mark, left=left, right=right)


PLAIN = FILE.format(written() * 3)
ODD = [
    FILE.format(""),
    FILE.format(written()),
    FILE.format(written(left="1.5", right="20.25")),
    FILE.format(written(left=" 7 ", right="\n80\n")),
    FILE.format(written(left="007")),
    FILE.format(written(left="1e1")),
    FILE.format(written(left="1,2")),
    FILE.format(written(left="")),
    FILE.format(written(left="-1")),
    FILE.format(written(right="1234567890123")),
    FILE.format(written(mark="1", pose="")),
    FILE.format(written(mark=" 1 ")),
    FILE.format(written(name="")),
    FILE.format(written(name="a &amp; b")),
    FILE.format(written(name="é")),
    FILE.format(written(name=" card ")),
    FILE.format(written(name="\x02")),
    FILE.format(written(name="]]>")),
    FILE.format(written() + "text" + written()),
    FILE.format(written() + "<part/>" + written()),
    FILE.format(written() + written().replace("<xmin>", "<ymax>", 1)),
    FILE.format(written() + written().replace("ymin", "xmax").replace("xmax", "ymin", 2)),
    FILE.format(written() + written().replace("<object>", "<object >")),
    FILE.format("x" + written()),
    FILE.format(written()) + "<!-- done -->",
    FILE.format(written() * 2).replace("</annotation>", ""),
    FILE.format(written() * 2)[:-40],
    FILE.format(written() * 2) + "more",
    FILE.format(written() * 2).replace("</annotation>", "</annotatiom>"),
    FILE.format(written() + written().replace("</object>", "</objecx>") + written()),
    FILE.format(written(left='"7"')),
    FILE.format(written(left="[7]")),
    FILE.format(written(left="true")),
]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_a_file_among_those_of_one_form_is_read_as_it_is_alone(tmp_path, number):
    for place, content in enumerate((PLAIN, ODD[number], PLAIN, FILE.format(written(right="20")))):
        image(tmp_path / f"{place}.jpg")
        (tmp_path / f"{place}.xml").write_text(content, encoding="utf-8")
    same_as_exact(open_annotations(tmp_path, format="voc"))


@pytest.mark.parametrize("number", range(len(ODD)))
def test_the_last_of_all_files_may_be_another_too(tmp_path, number):
    for place, content in enumerate((PLAIN, ODD[number])):
        image(tmp_path / f"{place}.jpg")
        (tmp_path / f"{place}.xml").write_text(content, encoding="utf-8")
    same_as_exact(open_annotations(tmp_path, format="voc"))


def behind_the_head(file):
    return file[file.index("<object>") :].encode()


def test_only_the_files_in_the_form_are_taken():
    files = [behind_the_head(each) for each in (PLAIN, ODD[2], ODD[18], ODD[10])]
    files.insert(3, b"")
    first = files[0][: files[0].index(b"<object>", 1)]
    found = alike(files, learnt(first, files[0]))
    assert (found.counts.tolist(), found.others.tolist()) == ([3, 1, 0, 0, 1], [2, 3])
    assert found.marks.tolist() == [0, 0, 0, 0, 2]
    assert found.corners.tolist() == [[10, 2, 150, 44]] * 3 + [[1.5, 2, 20.25, 44], [10, 2, 150, 44]]
    assert alike(files, None).others.tolist() == [0, 1, 2, 3, 4]


def test_what_is_no_object_of_a_tool_teaches_no_form():
    plain = behind_the_head(FILE.format(written()))
    first = plain[: -len("</annotation>\n")]
    assert learnt(first, plain) is not None
    assert learnt(first.replace(b"name>", b"truncated>"), plain) is None
    assert learnt(first, plain + b"<!-- more -->") is None
