"""CSV in and out."""

import pytest

from rcg.annotations import TARGETS, convert, open_annotations
from rcg.errors import DataError, FormatError, RcgError
from rcg.types import Annotation, Box, ImageRecord, LabelSet
from tests.make_labels import csv, image, quarantined, read, text


def records(source, **options):
    bad = []
    opened = open_annotations(source, **options)
    return opened, list(opened.records(bad.append)), bad


BOX = (10, 20, 60, 80)
HEADERS = [
    ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,200,100,card,10,20,60,80"),
    ("Filename;Width;Height;Class;XMin;YMin;XMax;YMax", "a.jpg;200;100;card;10,0;20,0;60,0;80,0"),
    ("image\tx1\ty1\tx2\ty2\tlabel", "a.jpg\t10\t20\t60\t80\tcard"),
    ("image_id,class_name,class_id,x_min,y_min,x_max,y_max", "a,card,0,10,20,60,80"),
    ("image_name,label_name,bbox_x,bbox_y,bbox_width,bbox_height", "a.jpg,card,10,20,50,60"),
    ("filename,x,y,w,h,class", "a.jpg,10,20,50,60,card"),
    ("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax", "a,xclick,card,1,0.05,0.3,0.2,0.8"),
    ("image_id,label,bbox", 'a,card,"[10.0, 20.0, 50.0, 60.0]"'),
    ("", "images/a.jpg,10,20,60,80,card"),
    (
        "filepath,ground_truth.detections.label,ground_truth.detections.bounding_box",
        '/elsewhere/a.jpg,card,"[0.05, 0.2, 0.25, 0.6]"',
    ),
    ("filename,class,xmin,ymin,xmax,ymax,split", "C:\\photos\\a.jpg,card,10,20,60,80,valid"),
]


@pytest.mark.parametrize(("header", "row"), HEADERS)
def test_columns_are_known_by_their_header(tmp_path, header, row):
    image(tmp_path / "images/a.jpg")
    csv(tmp_path / "labels.csv", [row], header=header)
    opened, (record,), bad = records(tmp_path)
    assert (opened.format, opened.labels.names, bad) == ("csv", ("card",), [])
    assert (opened.images / record.file_name, record.annotations[0].label) == (tmp_path / "images/a.jpg", "card")
    assert record.annotations[0].box.corners == pytest.approx(BOX)
    assert record.split == ("val" if "split" in header else None)
    assert "labels.csv has " in opened.reason


def test_rows_of_an_image_may_lie_apart_and_images_without_row_are_not_labelled(tmp_path):
    for name in ("a", "b", "c"):
        image(tmp_path / f"{name}.jpg")
    rows = ["b.jpg,200,100,card,1,1,9,9", "a.jpg,200,100,dent,1,1,9,9", "b.jpg,200,100,dent,2,2,9,9"]
    csv(tmp_path / "labels.csv", rows)
    opened, found, _ = records(tmp_path)
    assert [(each.file_name, len(each.annotations), each.labelled) for each in found] == [
        ("a.jpg", 1, True), ("b.jpg", 2, True), ("c.jpg", 0, False)
    ]  # fmt: skip
    assert any("does not name, kept as not labelled: 1, first c.jpg" in note for note in opened.notes.lines())


def test_an_odd_row_costs_only_itself(tmp_path):
    image(tmp_path / "a.jpg")
    odd = [
        ("a.jpg,200,100,card,x,1,9,9", "a coordinate is 'x'"),
        ("a.jpg,200,100,card,1,1,nan,9", "not a finite number"),
        ("a.jpg,200,100,card,9,1,1,9", "no area"),
        ("a.jpg,200,100,card,1,1,900,9", "past the edge"),
        ("a.jpg,200,100,,1,1,9,9", "has no class"),
        ("a.jpg,200,100,card", "a coordinate is ''"),
        (",200,100,card,1,1,9,9", "names no image"),
        ('"a.jpg,200,100,card,1,1,9,9', "a quote is not closed"),
        ("..,200,100,card,1,1,9,9", "names no image"),
    ]
    csv(tmp_path / "labels.csv", ["a.jpg,200,100,card,1,1,9,9", *(row for row, _ in odd), "a.jpg,200,100,card,2,2,9,9"])
    done = convert(tmp_path, tmp_path / "out.json")
    assert (done.annotations, done.dropped) == (2, len(odd))
    found = {each["line"]: each for each in quarantined(done)}
    for line, (row, reason) in enumerate(odd, 3):
        assert reason in found[line]["reason"]
        assert found[line]["text"] == row


def test_quotes_line_breaks_and_odd_encodings(tmp_path):
    image(tmp_path / "a, b.jpg")
    rows = ['"a, b.jpg",200,100,"big\ndent",1,1,9,9', '"a, b.jpg",200,100,Größe,1,1,9,9']
    path = csv(tmp_path / "labels.csv", rows)
    content = path.read_text()
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        text(path, content.encode(encoding))
        opened, (record,), bad = records(tmp_path)
        assert (opened.labels.names, len(record.annotations), bad) == (("Größe", "big\ndent"), 2, [])
    for ends in ("\r\n", "\r"):
        text(path, content.replace("big\n", "big ").replace("\n", ends))
        assert len(records(tmp_path)[1][0].annotations) == 2


def test_one_file_a_split(tmp_path):
    for split in ("train", "valid"):
        image(tmp_path / split / "a.jpg")
        csv(tmp_path / split / "_annotations.csv", ["a.jpg,200,100,card,1,1,9,9"])
    _, found, bad = records(tmp_path)
    assert [(each.file_name, each.split) for each in found] == [("train/a.jpg", "train"), ("valid/a.jpg", "val")]
    assert not bad


def test_fiftyones_rows_hold_all_boxes_of_an_image(tmp_path):
    image(tmp_path / "data/a.jpg")
    header = "filepath,p.detections.label,p.detections.bounding_box,p.detections.confidence,metadata.width"
    rows = ['data/a.jpg,"card,dent","[0.1, 0.1, 0.5, 0.5],[0.2, 0.2, 0.3, 0.3]","0.9,None",200']
    csv(tmp_path / "labels.csv", rows, header=header)
    _, (record,), bad = records(tmp_path)
    assert [(each.label, each.score) for each in record.annotations] == [("card", 0.9), ("dent", None)]
    assert not bad
    csv(tmp_path / "labels.csv", [rows[0].replace("card,dent", "card,dent,x")], header=header)
    _, (record,), (bad,) = records(tmp_path)
    assert (record.labelled, "2 boxes, 3 labels" in bad.reason) == (False, True)


def test_scores_and_classes(tmp_path):
    image(tmp_path / "a.jpg")
    header = "filename,class,xmin,ymin,xmax,ymax,score"
    csv(tmp_path / "labels.csv", ["a.jpg,card,1,1,9,9,0.5", "a.jpg,dent,1,1,9,9,"], header=header)
    _, (record,), (bad,) = records(tmp_path, stage="predictions")
    assert ([each.score for each in record.annotations], bad.line) == ([0.5], 3)
    opened, (record,), (bad,) = records(tmp_path, classes=["scratch", "card"])
    assert (opened.labels.names, len(record.annotations)) == (("scratch", "card"), 1)
    assert "'dent' is not in the class file" in bad.reason


def test_other_tables_are_no_labels(tmp_path):
    image(tmp_path / "a.jpg")
    csv(tmp_path / "results.csv", ["1,0.5"], header="epoch,loss")
    with pytest.raises(DataError, match="no labels are here"):
        open_annotations(tmp_path)
    with pytest.raises(FormatError, match="columns that are known"):
        open_annotations(tmp_path, format="csv")
    csv(tmp_path / "empty.csv", [])
    with pytest.raises(DataError, match="no row names an image"):
        open_annotations(tmp_path)
    text(tmp_path / "zero.csv", b"")
    with pytest.raises(RcgError):
        open_annotations(tmp_path / "zero.csv")


def test_what_is_written_has_tensorflows_columns(tmp_path):
    plain = Annotation(label="card, big", box=Box(1.5, 2, 3, 4))
    kept = [
        ImageRecord(file_name="a.jpg", width=200, height=100, annotations=(plain,)),
        ImageRecord(file_name="b.jpg", width=200, height=100),
        ImageRecord(file_name="c.jpg", width=200, height=100, labelled=False),
    ]
    with TARGETS["csv"].write(tmp_path / "out.csv", LabelSet(("card, big",)), tmp_path) as out:
        assert [out.add(record) for record in kept] == [(), (), ()]
    assert (tmp_path / "out.csv").read_text() == (
        'filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,200,100,"card, big",1.5,2,4.5,6\nb.jpg,200,100,,,,,\n'
    )
    for name in "abc":
        image(tmp_path / f"{name}.jpg")
    assert records(tmp_path)[1] == kept


def test_a_column_for_scores_only_where_there_are_some(tmp_path):
    scored = Annotation(label="card", box=Box(1, 2, 3, 4), score=0.5)
    with TARGETS["csv"].write(tmp_path / "out.csv", LabelSet(("card",)), tmp_path) as out:
        out.add(ImageRecord(file_name="a.jpg", width=200, height=100, annotations=(scored,)))
    assert (tmp_path / "out.csv").read_text().splitlines()[0].endswith(",ymax,score")
    assert records(tmp_path / "out.csv")[1][0].annotations == (scored,)


def test_a_big_table_is_read_line_by_line(tmp_path):
    rows = [f"{number % 50}.jpg,200,100,card,1,1,9,9" for number in range(20_000)]
    csv(tmp_path / "big.csv", rows)
    done = convert(tmp_path / "big.csv", tmp_path / "out.json")
    assert (done.images, done.annotations) == (50, 20_000)
    assert len(read(tmp_path / "out.json")["annotations"]) == 20_000


@pytest.mark.parametrize(
    ("cells", "corners"), [("0,0,1,1", (0, 0, 1, 1)), ("0.0,0,1,1.0", (0, 0, 200, 100)), ("0,0,1,.5", (0, 0, 200, 50))]
)
def test_whole_numbers_beside_the_size_are_pixels_however_small(tmp_path, cells, corners):
    image(tmp_path / "a.jpg")
    csv(tmp_path / "labels.csv", [f"a.jpg,200,100,card,{cells}"])
    _, (record,), bad = records(tmp_path)
    assert not bad
    assert record.annotations[0].box.corners == pytest.approx(corners)
