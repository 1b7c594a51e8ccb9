"""Pascal VOC in and out."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcg.annotations import convert, open_annotations
from rcg.errors import DataError
from tests.make_labels import boxes, coco, image, quarantined, read, same_as_exact, text, voc_xml

BOX = ("queen", 10, 20, 60, 80)


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


def test_boxes_are_not_shifted_and_names_are_sorted(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", voc_xml([BOX, ("ace", "0.5", 0, 200, 100)]))
    opened, (record,), bad = records(tmp_path)
    assert (opened.format, opened.labels.names, opened.labels.ids) == ("voc", ("ace", "queen"), (1, 2))
    assert [(each.label, each.box.corners) for each in record.annotations] == [
        ("queen", (10, 20, 60, 80)), ("ace", (0.5, 0, 200, 100))
    ]  # fmt: skip
    assert not bad


LAYOUTS = [
    ("train/a.JPG", "train/a.xml", "train/a.JPG"),
    ("JPEGImages/a.jpg", "Annotations/a.xml", "a.jpg"),
    ("images/deep/a.png", "annotations/deep/a.xml", "deep/a.png"),
    ("VOC2007/JPEGImages/a.jpg", "VOC2007/Annotations/a.xml", "VOC2007/JPEGImages/a.jpg"),
]


@pytest.mark.parametrize(("picture", "xml", "name"), LAYOUTS)
def test_layouts(tmp_path, picture, xml, name):
    image(tmp_path / picture)
    text(tmp_path / xml, voc_xml([BOX], filename="C:\\elsewhere\\a.jpg"))
    opened, (record,), bad = records(tmp_path)
    assert (record.file_name, len(record.annotations), bad) == (name, 1, [])
    assert (opened.images / name).is_file()


def test_train_and_test_folders_and_the_same_name_in_both(tmp_path):
    for folder, label in (("train", "ace"), ("test", "king")):
        image(tmp_path / folder / "a.jpg")
        text(tmp_path / folder / "a.xml", voc_xml([(label, 1, 1, 9, 9)]))
    _, found, _ = records(tmp_path)
    assert [(each.file_name, each.split, each.annotations[0].label) for each in found] == [
        ("test/a.jpg", "test", "king"), ("train/a.jpg", "train", "ace")
    ]  # fmt: skip


def test_splits_from_imagesets(tmp_path):
    for name in "ab":
        image(tmp_path / f"JPEGImages/{name}.jpg")
        text(tmp_path / f"Annotations/{name}.xml", voc_xml([BOX]))
    text(tmp_path / "ImageSets/Main/train.txt", "a\n")
    text(tmp_path / "ImageSets/Main/val.txt", "b  1\n")
    text(tmp_path / "ImageSets/Main/queen_train.txt", "a  1\n")
    _, found, bad = records(tmp_path)
    assert ([each.split for each in found], bad) == (["train", "val"], [])


def test_a_renamed_xml_finds_its_image_by_the_filename_in_it(tmp_path):
    image(tmp_path / "photos/IMG_1.JPG")
    text(tmp_path / "labels/0001.xml", voc_xml([BOX], filename="C:\\phone\\IMG_1.JPG"))
    text(tmp_path / "labels/0002.xml", voc_xml([BOX], filename="IMG_2.JPG"))
    _, (record,), bad = records(tmp_path)
    assert (record.file_name, len(record.annotations)) == ("photos/IMG_1.JPG", 1)
    assert [(each.file, "no image" in each.reason) for each in bad] == [("labels/0002.xml", True)]


def test_without_images_names_and_sizes_come_from_the_xml(tmp_path):
    text(tmp_path / "one/x.xml", voc_xml([BOX], filename="a.png"))
    text(tmp_path / "two/y.xml", voc_xml([BOX], size=(0, 0)))
    opened, (record,), bad = records(tmp_path)
    assert (record.file_name, record.width, record.height) == ("one/a.png", 200, 100)
    assert [each.file for each in bad] == ["two/a.jpg", "two/y.xml"]
    assert any("no images" in note for note in opened.notes.lines())


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("<object><bndbox><xmin>1</xmin></bndbox></object>", "no name"),
        ("<object><name>ace</name></object>", "no bndbox"),
        ("<object><name>ace</name><bndbox><xmin>1</xmin></bndbox></object>", "ymin is ''"),
        (voc_xml([("ace", "x", 1, 2, 3)]).split("\n")[1], "xmin is 'x'"),
        (voc_xml([("ace", "nan", 1, 2, 3)]).split("\n")[1], "not a finite number"),
        (voc_xml([("ace", 9, 9, 9, 20)]).split("\n")[1], "no area"),
        (voc_xml([("ace", 9, 9, 900, 20)]).split("\n")[1], "past the edge"),
    ],
)
def test_a_bad_object_costs_only_itself(tmp_path, broken, reason):
    image(tmp_path / "a.jpg")
    good = voc_xml([BOX]).split("\n")[1]
    text(tmp_path / "a.xml", f"<annotation>\n{good}\n{broken}\n{good}\n</annotation>")
    _, (record,), bad = records(tmp_path)
    assert len(record.annotations) == 2
    assert [(each.file, each.line) for each in bad] == [("a.xml", 3)]
    assert reason in bad[0].reason
    assert bad[0].text.startswith("<object>")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no XML"),
        ("<annotation><object>", "no XML"),
        ("<html></html>", "begins with <html>"),
        ('<!DOCTYPE a [<!ENTITY b "bb">]><annotation><object><name>&b;</name></object></annotation>', "refused"),
    ],
)
def test_a_bad_file_costs_only_itself(tmp_path, content, reason):
    for name in "ab":
        image(tmp_path / f"{name}.jpg")
    text(tmp_path / "a.xml", voc_xml([BOX]))
    text(tmp_path / "b.xml", content)
    _, found, bad = records(tmp_path)
    assert [len(each.annotations) for each in found] == [1, 0]
    assert [each.file for each in bad] == ["b.xml"]
    assert reason in bad[0].reason


def test_entities_in_another_encoding_are_refused_too(tmp_path):
    image(tmp_path / "a.jpg")
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]><annotation><object><name>&b;</name></object></annotation>'
    text(tmp_path / "a.xml", bomb.encode("utf-16"))
    _, _, bad = records(tmp_path, format="voc")
    assert "refused" in bad[0].reason


def test_names_with_accents_ampersands_and_encodings(tmp_path):
    image(tmp_path / "a.jpg")
    xml = '<?xml version="1.0" encoding="ISO-8859-1"?>' + voc_xml(
        [("R&amp;D", 1, 1, 9, 9), ("d\u00e9faut", 1, 1, 9, 9)]
    )
    text(tmp_path / "a.xml", xml.encode("latin-1"))
    opened, (record,), _ = records(tmp_path)
    assert opened.labels.names == ("R&D", "d\u00e9faut")
    assert len(record.annotations) == 2


def test_classes_that_are_given_set_order_and_limit(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", voc_xml([BOX, ("ace", 1, 1, 9, 9)]))
    opened, (record,), bad = records(tmp_path, classes=["queen", "king"])
    assert opened.labels.names == ("queen", "king")
    assert ([each.label for each in record.annotations], len(bad)) == (["queen"], 1)
    with pytest.raises(DataError, match="no label names one of the 1 class"):
        convert(tmp_path, tmp_path / "out.json", classes=["jack"])


def test_outlines_and_scores_as_some_tools_write_them(tmp_path):
    image(tmp_path / "a.jpg")
    outline = "<polygon><x1>10</x1><y1>20</y1><x2>60</x2><y2>20</y2><x3>60</x3><y3>80</y3></polygon>"
    text(tmp_path / "a.xml", voc_xml([BOX], extra=f"{outline}<confidence>0.5</confidence>"))
    _, (record,), _ = records(tmp_path, stage="predictions")
    (label,) = record.annotations
    assert (label.polygons[0].points, label.score, label.area) == (((10, 20), (60, 20), (60, 80)), 0.5, 1500)


def test_another_size_in_the_xml_is_noted(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", voc_xml([BOX], size=(100, 200)))
    opened, (record,), _ = records(tmp_path)
    assert (record.width, record.height) == (200, 100)
    assert any("another size" in note for note in opened.notes.lines())


def test_written_xml_reads_back_the_same_and_says_what_it_lost(tmp_path):
    image(tmp_path / "photos/a & b.jpg")
    images = [{"id": 1, "file_name": "a & b.jpg", "width": 200, "height": 100}]
    outline = [[10.25, 10, 30, 10, 30, 40]]
    given = {"segmentation": outline, "bbox": [10.25, 10, 19.75, 30], "score": 0.5}
    coco(tmp_path / "set.json", images=images, annotations=[given], categories=((1, "<card>"),))
    done = convert(tmp_path / "set.json", tmp_path / "voc", to="voc", images=tmp_path / "photos")
    assert done.losses == {"polygons": 1, "score": 1}
    assert "cannot carry: polygons (1), score (1)" in done.summary()
    assert "not copied" in done.summary()
    back = convert(tmp_path / "voc", tmp_path / "back.json", images=tmp_path / "photos")
    assert boxes(tmp_path / "back.json") == {"a & b.jpg": [("<card>", [10.25, 10, 19.75, 30], None)]}
    assert back.dropped == 0


def test_predictions_from_voc_need_scores(tmp_path):
    image(tmp_path / "a.jpg")
    text(tmp_path / "a.xml", voc_xml([BOX]).replace("</bndbox></object>", "</bndbox><score>0.5</score></object>"))
    image(tmp_path / "b.jpg")
    text(tmp_path / "b.xml", voc_xml([BOX]))
    done = convert(tmp_path, tmp_path / "out.json", stage="predictions")
    assert [each["score"] for each in read(tmp_path / "out.json")["annotations"]] == [0.5]
    assert [each["file"] for each in quarantined(done)] == ["b.xml"]


def test_a_broken_file_is_no_background(tmp_path):
    for name in "abcd":
        image(tmp_path / f"{name}.jpg")
    text(tmp_path / "a.xml", voc_xml([BOX]))
    text(tmp_path / "b.xml", voc_xml([BOX])[:150])
    text(tmp_path / "c.xml", voc_xml([("queen", 5, 5, 5, 5)]))
    text(tmp_path / "d.xml", voc_xml([]))
    opened, found, bad = records(tmp_path)
    assert [each.labelled for each in found] == [True, False, False, True]
    assert [each.file for each in bad] == ["b.xml", "c.xml"]
    assert any("no label could be read, kept as not labelled: 2, first b.xml" in note for note in opened.notes.lines())


PLAIN = voc_xml([BOX, ("ace", "0.5", 0, 200, 100)])
ROBOFLOW = PLAIN.replace("<ymin>20</ymin><xmax>60</xmax>", "<xmax>60</xmax><ymin>20</ymin>").replace(
    "<ymin>0</ymin><xmax>200</xmax>", "<xmax>200</xmax><ymin>0</ymin>"
)
VARIANTS = {
    "plain": PLAIN,
    "roboflow": ROBOFLOW,
    "both orders": PLAIN.replace("<ymin>0</ymin><xmax>200</xmax>", "<xmax>200</xmax><ymin>0</ymin>"),
    "declared": '<?xml version="1.0" encoding="UTF-8"?>\n' + PLAIN,
    "mark after": '\ufeff<?xml version="1.0"?>' + PLAIN,
    "verified": PLAIN.replace("<annotation>", '<annotation verified="yes">'),
    "marked": voc_xml([BOX], extra="<difficult>1</difficult><truncated> 1 </truncated>"),
    "unmarked": voc_xml([BOX], extra="<difficult>0</difficult><pose>Left</pose>"),
    "nothing": voc_xml([]),
    "another size": voc_xml([BOX], size=(100, 50)),
    "no size": PLAIN.replace("<size>", "<about>").replace("</size>", "</about>"),
    "clipped": voc_xml([("queen", -1, 0, 200.5, 100)]),
    "outside": voc_xml([BOX, ("queen", 1, 1, 900, 9)]),
    "turned": voc_xml([("queen", 60, 20, 10, 80)]),
    "spaces": PLAIN.replace(">10<", ">\n 10 <"),
    "a name in spaces": PLAIN.replace("queen", " queen\t"),
    "exponent": voc_xml([("queen", "1e1", 2, 30, 40)]),
    "zeros": voc_xml([("queen", "010", "2.50", 30, 40)]),
    "nan": voc_xml([("queen", "nan", 2, 30, 40)]),
    "no name": voc_xml([("", 1, 2, 30, 40)]),
    "entity": PLAIN.replace("queen", "que&amp;en"),
    "broken entity": PLAIN.replace("queen", "que&en"),
    "cut off": PLAIN[:-30],
    "a tag unclosed": PLAIN.replace("</bndbox>", "", 1),
    "a word between": PLAIN.replace("</object>", "</object>x", 1),
    "a comment": PLAIN.replace("<object>", "<!-- note --><object>", 1),
    "a part": PLAIN.replace("</object>", "<part><name>x</name></part></object>", 1),
    "an object in an object": PLAIN.replace("</object>", "<object><name>x</name></object></object>", 1),
    "a polygon": voc_xml(
        [BOX], extra="<polygon><x1>1</x1><y1>1</y1><x2>9</x2><y2>1</y2><x3>9</x3><y3>9</y3></polygon>"
    ),
    "a score": voc_xml([BOX], extra="<score>0.5</score>"),
    "two sizes": PLAIN.replace("<object>", "<size><width>1</width><height>1</height></size><object>", 1),
    "brackets": PLAIN.replace("<filename>", "<filename>]]>"),
    "a form feed": PLAIN.replace("<size>", "\f<size>"),
    "not UTF-8": PLAIN.encode().replace(b"queen", b"qu\xeben"),
    "letters": voc_xml([("Größe", 1, 2, 30, 40)]),
    "a forbidden sign": PLAIN.replace("queen", "que\uffffen"),
    "empty": "",
    "twice": PLAIN + PLAIN,
    "other": "<annotations><image/></annotations>",
}


@pytest.fixture
def variants(tmp_path):
    for number, content in enumerate(VARIANTS.values()):
        image(tmp_path / f"{number:02}.jpg")
        text(tmp_path / f"{number:02}.xml", content)
    image(tmp_path / "bare.jpg")
    text(tmp_path / "cut.jpg", b"\xff\xd8no image")
    text(tmp_path / "cut.xml", PLAIN)
    return tmp_path


def test_columns_say_what_the_exact_reader_says(variants):
    read = same_as_exact(open_annotations(variants, format="voc"))
    assert len(read.block) == len(VARIANTS) + 1
    named = dict(zip(VARIANTS, range(len(VARIANTS)), strict=True))
    quick = {name for name, place in named.items() if place not in read.block.records}
    assert quick == {"plain", "roboflow", "declared", "verified", "marked", "unmarked", "nothing", "clipped", "spaces",
                     "zeros", "letters"}  # fmt: skip
    same_as_exact(open_annotations(variants, format="voc", classes=["queen", "Größe"]))
    same_as_exact(open_annotations(variants, format="voc", stage="predictions"))


PIECES = ["", "<", ">", "&", "/", "1", "-", ".", " ", "x", "\n", "</object>", "<object>", "nan", "\x0c", "\u0663"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), st.sampled_from(PIECES)), max_size=3))
def test_columns_say_what_the_exact_reader_says_of_damaged_files(tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("damaged")
    content = voc_xml([BOX, ("ace", "0.5", 0, 200, 100)], extra="<difficult>1</difficult>")
    for place, gone, new in edits:
        at = place % len(content)
        content = content[:at] + new + content[at + gone :]
    image(folder / "a.jpg")
    text(folder / "a.xml", content)
    same_as_exact(open_annotations(folder, format="voc", classes=["queen", "ace"]))


def test_two_files_that_name_the_same_image_stay_apart_where_there_are_none(tmp_path):
    for name in ("one", "two", "three"):
        text(tmp_path / f"{name}.xml", voc_xml([(name, 1, 1, 9, 9)], filename="image.png"))
    opened, found, bad = records(tmp_path)
    assert [(each.file_name, each.annotations[0].label) for each in found] == [
        ("image.png", "one"), ("three.png", "three"), ("two.png", "two")
    ]  # fmt: skip
    assert not bad
    assert any(
        "name the same image as another" in note and ": 2, first three.xml" in note for note in opened.notes.lines()
    )


def test_a_link_that_leads_nowhere_and_a_file_without_permission_cost_only_themselves(tmp_path):
    for name in "abc":
        image(tmp_path / f"{name}.jpg")
    text(tmp_path / "b.xml", PLAIN)
    (tmp_path / "a.xml").symlink_to(tmp_path / "gone.xml")
    text(tmp_path / "c.xml", PLAIN).chmod(0)
    done = convert(tmp_path, tmp_path / "out.json")
    readable = os.geteuid() == 0
    assert (done.images, done.annotations, done.dropped) == (3, 4 if readable else 2, 1 if readable else 2)
    assert "cannot be read" in quarantined(done)[0]["reason"]
