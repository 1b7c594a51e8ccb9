"""What a user may expect of a conversion, row by row; each test runs `rcg convert` on a folder with one fault.

| input | expected | here | more of it in |
|---|---|---|---|
| EXIF orientation 5 to 8 | width and height as loaded | test_exif_orientation | test_images |
| no label file, empty label file | kept as background | FAULTS "no label file", "empty ..." | |
| label without image | reported, the rest goes on | FAULTS "label without image" | |
| a.jpg and a.png share a label | both kept, reported | test_two_images_share_a_label | |
| .JPG, .jpeg, .png, .webp, .bmp, .tif | all read | test_every_kind_of_image | |
| byte-order mark | read | test_byte_order_marks | |
| CRLF, tabs, blanks, no last newline, 5e-1, .5, +0.1, 1.0 | read | test_odd_writing | |
| a garbage line | that line to quarantine | FAULTS "garbage ..." | test_annotations_fuzz |
| class out of range | quarantine | FAULTS "class ..." | |
| NaN, inf | quarantine, strict JSON | FAULTS "nan ...", "inf ..." | |
| negative or zero width | quarantine; zero as asked | FAULTS "... width", "... height" | test_annotations_flat |
| box past the edge | clipped up to 1 %, counted | test_box_past_the_edge, FAULTS "far past ..." | |
| sixth column | score, kept | test_sixth_column | |
| polygons, mixed with boxes | outline, box, shoelace area | test_polygons_mixed_with_boxes | test_annotations_agree |
| eight numbers | oriented box | test_eight_numbers | |
| same name in sub-folders | kept apart | test_same_name_in_sub_folders | |
| zero-byte, truncated, wrongly named image | image to quarantine | FAULTS "image ..." | test_annotations_fuzz |
| COCO: ids, masks, crowds, parts, missing, dangling | read, losses declared | test_coco_* | test_annotations_coco |
| class names, layouts, lists | recognised | NAMES, LAYOUTS, test_lists_of_splits | test_annotations_yolo |
| rubbish of packers | passed over | test_rubbish_is_passed_over | |
| VOC is not shifted | as written | test_voc_is_not_shifted | test_annotations_voc |
"""

import io
import json
import signal
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask

from rcg import cli
from tests.make_labels import boxes, coco, image, text, voc_xml, yolo

ONE, TWO = "0 0.5 0.5 0.2 0.4", "1 0.25 0.5 0.1 0.2"
BOX_ONE, BOX_TWO = ("card", [80, 30, 40, 40], None), ("scratch", [40, 40, 20, 20], None)
GOOD = {"good1.jpg": [BOX_ONE], "good2.jpg": [BOX_ONE, BOX_TWO], "good3.jpg": [BOX_TWO]}


@pytest.fixture
def tmp_path(quick):
    return quick


@pytest.fixture
def command(monkeypatch, capfd):
    """Runs the command line in this process; returns its exit code and the JSON of its last line."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rcg", *map(str, arguments), "--json"])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return end.value.code, strict(out.strip().splitlines()[-1])

    yield run
    signal.signal(signal.SIGTERM, before)


def strict(content):
    """JSON that every program can read: no NaN, no Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(content, parse_constant=refuse)


def good_set(folder):
    """Three good images with one or two labels each."""
    yolo(folder, {"good1.jpg": ONE + "\n", "good2.jpg": f"{ONE}\n{TWO}\n", "good3.jpg": TWO + "\n"})
    return folder


def convert(command, source, tmp_path, *options):
    """Convert to COCO; returns what the command says, the boxes by image, and the quarantine's lines."""
    target = tmp_path / "out.json"
    code, told = command("convert", source, target, *options)
    assert code == 0, told
    assert {"images", "annotations", "dropped", "quarantine", "seconds"} <= told.keys()
    out = strict(target.read_text())
    assert [each["id"] for each in out["images"]] == list(range(1, len(out["images"]) + 1))
    assert [each["file_name"] for each in out["images"]] == sorted(each["file_name"] for each in out["images"])
    assert [each["id"] for each in out["annotations"]] == list(range(1, len(out["annotations"]) + 1))
    assert (len(out["images"]), len(out["annotations"])) == (told["images"], told["annotations"])
    beside = tmp_path / "out.json.quarantine.jsonl"
    lines = [strict(line) for line in beside.read_text().splitlines()] if beside.exists() else []
    assert told["quarantine"] == (str(beside) if lines else None)
    assert told["dropped"] == len(lines)
    assert all({"file", "line", "reason", "text"} <= each.keys() for each in lines)
    return told, boxes(out), lines


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault among good files.

    Attributes:
        files: What it consists of, by path; None makes a grey image.
        bad: (file, line, a word of the reason, text) of each line of the quarantine.
        kept: The labels of its image that are good; None where the image goes too.
    """

    files: dict
    bad: list = field(default_factory=list)
    kept: list | None = None


def line_fault(line, word, *, text=None):
    """A label file whose second line of three is bad."""
    files = {"images/bad.jpg": None, "labels/bad.txt": f"{ONE}\n{line}\n{TWO}\n"}
    bad = [("labels/bad.txt", 2, word, line.strip() if text is None else text)]
    return Fault(files=files, bad=bad, kept=[BOX_ONE, BOX_TWO])


def picture(kind="JPEG", size=(400, 300), **options):
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def image_fault(name, content, word):
    """An image that cannot be read takes its two labels with it."""
    label = f"labels/{name.rpartition('.')[0]}.txt"
    return Fault(
        files={f"images/{name}": content, label: f"{ONE}\n{TWO}\n"},
        bad=[(f"images/{name}", None, word, ""), (label, 1, name, ONE), (label, 2, name, TWO)],
    )


FAULTS = {
    "no label file": Fault(files={"images/bad.jpg": None}, kept=[]),
    "empty label file": Fault(files={"images/bad.jpg": None, "labels/bad.txt": ""}, kept=[]),
    "label file of blanks": Fault(files={"images/bad.jpg": None, "labels/bad.txt": " \n\r\n\t\n"}, kept=[]),
    "label without image": Fault(
        files={"labels/gone.txt": f"{ONE}\n\n{TWO}\n"},
        bad=[("labels/gone.txt", 1, "no image", ONE), ("labels/gone.txt", 3, "no image", TWO)],
    ),
    "empty label without image": Fault(files={"labels/gone.txt": ""}, bad=[("labels/gone.txt", None, "no image", "")]),
    "garbage line": line_fault("hello world", "no line of numbers"),
    "garbage that is long": line_fault("x" * 5000, "no line of numbers", text="x" * 200),
    "garbage with a number": line_fault("0 0.5 0.5 0.2 abc", "no line of numbers"),
    "garbage of commas": line_fault("0,0.5,0.5,0.2,0.4", "no line of numbers"),
    "garbage of zero bytes": line_fault("\0\0\0\0", "no line of numbers"),
    "garbage of JSON": line_fault('{"class": 0}', "no line of numbers"),
    "garbage of words JSON knows": line_fault("0 true null 0.2 0.4", "no line of numbers"),
    "garbage of brackets": line_fault("[0, 0.5, 0.5, 0.2, 0.4]", "no line of numbers"),
    "garbage of minus signs": line_fault("0 0.5 0.5 0.2 -", "no line of numbers"),
    "garbage of two points": line_fault("0 0.5 0.5 0.2 0.4.1", "no line of numbers"),
    "garbage of underscores": line_fault("0 0.5 0.5 0.2 0_1", "no line of numbers"),
    "garbage in hexadecimal": line_fault("0 0.5 0.5 0x1 0.4", "no line of numbers"),
    "too few numbers": line_fault("0 0.5 0.5 0.2", "too few"),
    "one number": line_fault("0", "too few"),
    "class out of range": line_fault("2 0.5 0.5 0.2 0.4", "not in the class file"),
    "class far out of range": line_fault("99999999999999999999 0.5 0.5 0.2 0.4", "not in the class file"),
    "class negative": line_fault("-1 0.5 0.5 0.2 0.4", "whole number"),
    "class with a fraction": line_fault("0.5 0.5 0.5 0.2 0.4", "whole number"),
    "class by its name": line_fault("card 0.5 0.5 0.2 0.4", "no line of numbers"),
    "nan as a coordinate": line_fault("0 nan 0.5 0.2 0.4", "finite"),
    "nan as a class": line_fault("nan 0.5 0.5 0.2 0.4", "finite"),
    "inf as a coordinate": line_fault("0 0.5 inf 0.2 0.4", "finite"),
    "inf with a sign": line_fault("0 0.5 0.5 -Infinity 0.4", "finite"),
    "a number beyond all": line_fault("0 0.5 0.5 1e999 0.4", "finite"),
    "nan as a score": line_fault("0 0.5 0.5 0.2 0.4 nan", "finite"),
    "negative width": line_fault("0 0.5 0.5 -0.2 0.4", "no area"),
    "negative height": line_fault("0 0.5 0.5 0.2 -0.4", "no area"),
    "zero width": line_fault("0 0.5 0.5 0 0.4", "no area"),
    "zero height": line_fault("0 0.5 0.5 0.2 0.0", "no area"),
    "far past the edge": line_fault("0 0.95 0.5 0.2 0.4", "past the edge"),
    "outside": line_fault("0 1.5 0.5 0.2 0.4", "past the edge"),
    "pixels instead of fractions": line_fault("0 100 50 40 40", "pixels"),
    "score above 1": line_fault("0 0.5 0.5 0.2 0.4 1.5", "score"),
    "score below 0": line_fault("0 0.5 0.5 0.2 0.4 -0.5", "score"),
    "outline of no area": line_fault("0 0.1 0.1 0.5 0.5 0.9 0.9", "no area"),
    "outline past the edge": line_fault("0 0.1 0.1 0.5 0.1 0.5 1.2", "past the edge"),
    "outline with nan": line_fault("0 0.1 0.1 0.5 0.1 0.5 nan", "finite"),
    "image of zero bytes": image_fault("bad.jpg", b"", "0 bytes"),
    "image cut off": image_fault("bad.jpg", picture()[:3000], "cut off"),
    "image cut off in its header": image_fault("bad.jpg", picture()[:100], "damaged"),
    "image cut off, PNG": image_fault("bad.png", picture("PNG")[:3000], "cut off"),
    "image cut off, WebP": image_fault("bad.webp", picture("WEBP")[:3000], "damaged"),
    "image cut off, BMP": image_fault("bad.bmp", picture("BMP")[:3000], "cut off"),
    "image cut off, TIFF": image_fault("bad.tif", picture("TIFF")[:3000], "damaged"),
    "image that is a text": image_fault("bad.jpg", b"hello, I am no image\n" * 50, "no image"),
    "image that is a web page": image_fault("bad.png", b"<!DOCTYPE html><html>404</html>", "no image"),
    "image that is an archive": image_fault("bad.jpg", b"PK\3\4" + b"\0" * 200, "no image"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_costs_only_itself(command, tmp_path, name):
    fault, source = FAULTS[name], good_set(tmp_path / "set")
    for path, content in fault.files.items():
        image(source / path) if content is None else text(source / path, content)
    _, found, lines = convert(command, source, tmp_path)
    images = [path for path in fault.files if path.startswith("images/") and fault.kept is not None]
    rest = {path.removeprefix("images/"): fault.kept for path in images}
    assert found == {**GOOD, **rest}
    assert [(each["file"], each["line"], each["text"]) for each in lines] == [
        (file, line, said) for file, line, _, said in fault.bad
    ]
    for each, (_, _, word, _) in zip(lines, fault.bad, strict=True):
        assert word in each["reason"]


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.bad])
def test_a_folder_of_nothing_but_the_fault(command, tmp_path, name):
    """What can still be used is; where nothing can, the command ends with 2, says why, and writes nothing."""
    fault, source = FAULTS[name], tmp_path / "set"
    text(source / "classes.txt", "card\nscratch\n")
    for path, content in fault.files.items():
        image(source / path) if content is None else text(source / path, content)
    code, told = command("convert", source, tmp_path / "out.json")
    if fault.kept is not None:
        assert (code, told["images"], told["annotations"], told["dropped"]) == (0, 1, 2, 1)
        return
    assert code == 2
    assert told["error"]["what"]
    assert told["error"]["fix"]
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_exif_orientation(command, tmp_path, orientation, kind):
    source = good_set(tmp_path / "set")
    image(source / f"images/turned.{kind}", orientation=orientation)
    text(source / "labels/turned.txt", ONE)
    _, found, lines = convert(command, source, tmp_path)
    sizes = {
        each["file_name"]: (each["width"], each["height"])
        for each in strict((tmp_path / "out.json").read_text())["images"]
    }
    turned = orientation >= 5
    assert sizes[f"turned.{kind}"] == ((100, 200) if turned else (200, 100))
    assert found == {**GOOD, f"turned.{kind}": [("card", [40, 60, 20, 80], None) if turned else BOX_ONE]}
    assert not lines


def test_two_images_share_a_label(command, tmp_path):
    source = good_set(tmp_path / "set")
    image(source / "images/a.jpg")
    image(source / "images/a.png", (100, 50))
    text(source / "labels/a.txt", ONE)
    told, found, lines = convert(command, source, tmp_path)
    assert found == {**GOOD, "a.jpg": [BOX_ONE], "a.png": [("card", [40, 15, 20, 20], None)]}
    assert not lines
    assert [note for note in told["notes"] if "a.jpg, a.png" in note]


def test_every_kind_of_image(command, tmp_path):
    source = good_set(tmp_path / "set")
    names = ["a.JPG", "b.jpeg", "c.png", "d.webp", "e.bmp", "f.tif", "g.TIFF", "h.Jpg"]
    for name in names:
        image(source / "images" / name, kind="TIFF" if "tif" in name.lower() else None)
        text(source / "labels" / f"{name[0]}.txt", ONE)
    _, found, lines = convert(command, source, tmp_path)
    assert found == {**GOOD, **{name: [BOX_ONE] for name in names}}
    assert not lines


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(command, tmp_path, mark):
    source = good_set(tmp_path / "set")
    image(source / "images/a.jpg")
    text(source / "labels/a.txt", f"{ONE}\r\n{TWO}\r\n".encode(mark))
    text(source / "classes.txt", "card\r\nscratch\r\n".encode(mark))
    _, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == ({**GOOD, "a.jpg": [BOX_ONE, BOX_TWO]}, [])


@pytest.mark.parametrize("kind", ["yaml", "voc", "coco", "notes"])
def test_byte_order_marks_elsewhere(command, tmp_path, kind):
    source = tmp_path / "set"
    image(source / "a.jpg")
    if kind in ("yaml", "notes"):
        text(source / "a.txt", ONE)
    content, name = {
        "yaml": ("names: [card, scratch]\n", "data.yaml"),
        "notes": ('{"categories": [{"id": 0, "name": "card"}, {"id": 1, "name": "scratch"}]}', "notes.json"),
        "voc": (voc_xml([("card", 80, 30, 120, 70)]), "a.xml"),
        "coco": (coco(tmp_path / "plain.json", annotations=[{"bbox": [80, 30, 40, 40]}]).read_text(), "set.json"),
    }[kind]
    (tmp_path / "plain.json").unlink(missing_ok=True)
    text(source / name, content.encode("utf-8-sig"))
    _, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == ({"a.jpg": [BOX_ONE]}, [])


ODD = {
    "CRLF": f"{ONE}\r\n{TWO}\r\n",
    "CR alone": f"{ONE}\r{TWO}\r",
    "mixed ends": f"{ONE}\r\n\n{TWO}\n\r\n",
    "tabs": f"{ONE}\n{TWO}\n".replace(" ", "\t"),
    "double blanks": f"{ONE}\n{TWO}\n".replace(" ", "  "),
    "blanks at both ends": f"  {ONE}  \n\t{TWO}\t\n",
    "no last newline": f"{ONE}\n{TWO}",
    "exponents": "0 5e-1 5E-01 2.0e-1 4e-1\n1 25e-2 0.05e1 1e-1 2e-1\n",
    "no leading zero": "0 .5 .5 .2 .4\n1 .25 .5 .1 .2\n",
    "no digit after the point": "0. 0.5 0.5 0.2 0.4\n1. 0.25 0.5 0.1 0.2\n",
    "plus signs": "+0 +0.5 +.5 +0.2 +0.4\n+1 +0.25 0.5 0.1 0.2\n",
    "class 1.0": "0.0 0.5 0.5 0.2 0.4\n1.0 0.25 0.5 0.1 0.2\n",
    "leading zeros": "00 00.5 0.5 0.2 0.4\n01 0.25 0.5 0.1 0.2\n",
    "many digits": "0 0.50000000000000000001 0.5 0.2 0.4\n1 0.25 0.5 0.1 0.2000000000000000000001\n",
    "minus zero": "-0 0.5 0.5 0.2 0.4\n1 0.25 0.5 0.1 0.2\n",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_writing(command, tmp_path, name):
    source = good_set(tmp_path / "set")
    image(source / "images/odd.jpg")
    text(source / "labels/odd.txt", ODD[name].encode())
    _, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == ({**GOOD, "odd.jpg": [BOX_ONE, BOX_TWO]}, [])


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0.901 0.5 0.2 0.4", [160.2, 30, 39.8, 40]),
        ("0 0.095 0.5 0.2 0.4", [0, 30, 39, 40]),
        ("0 0.5 0.802 0.2 0.4", [80, 60.2, 40, 39.8]),
        ("0 0.5 0.5 1.02 1.02", [0, 0, 200, 100]),
        ("0 0.91 0.5 0.2 0.4", [162, 30, 38, 40]),
    ],
)
def test_box_past_the_edge(command, tmp_path, line, box):
    source = good_set(tmp_path / "set")
    image(source / "images/edge.jpg")
    text(source / "labels/edge.txt", line)
    told, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == ({**GOOD, "edge.jpg": [("card", pytest.approx(box), None)]}, [])
    assert [note for note in told["notes"] if "clipped" in note and "labels/edge.txt" in note]


def test_sixth_column(command, tmp_path):
    source = good_set(tmp_path / "set")
    image(source / "images/a.jpg")
    text(source / "labels/a.txt", f"{ONE} 0.75\n{TWO}\n{ONE} 0\n{ONE} 1\n")
    _, found, lines = convert(command, source, tmp_path)
    scores = [(*BOX_ONE[:2], 0.75), BOX_TWO, (*BOX_ONE[:2], 0), (*BOX_ONE[:2], 1)]
    assert (found, lines) == ({**GOOD, "a.jpg": scores}, [])


def shapes(tmp_path, name):
    out = strict((tmp_path / "out.json").read_text())
    (number,) = (each["id"] for each in out["images"] if each["file_name"] == name)
    return [each for each in out["annotations"] if each["image_id"] == number]


def test_polygons_mixed_with_boxes(command, tmp_path):
    source = good_set(tmp_path / "set")
    image(source / "images/a.jpg")
    text(
        source / "labels/a.txt",
        f"{ONE}\n1 0.1 0.1 0.3 0.1 0.3 0.5\n{TWO}\n0 0.5 0.2 0.6 0.2 0.6 0.4 0.55 0.6 0.5 0.4\n",
    )
    _, _, lines = convert(command, source, tmp_path)
    first, triangle, second, five = shapes(tmp_path, "a.jpg")
    assert not lines
    assert (first["segmentation"], second["segmentation"]) == ([], [])
    assert triangle["segmentation"] == [pytest.approx([20, 10, 60, 10, 60, 50])]
    assert (triangle["bbox"], triangle["area"]) == (pytest.approx([20, 10, 40, 40]), pytest.approx(800))
    assert five["segmentation"] == [pytest.approx([100, 20, 120, 20, 120, 40, 110, 60, 100, 40])]
    assert (five["bbox"], five["area"]) == (pytest.approx([100, 20, 20, 40]), pytest.approx(600))


def test_eight_numbers(command, tmp_path):
    source = good_set(tmp_path / "set")
    image(source / "images/a.jpg")
    text(source / "labels/a.txt", "1 0.5 0.2 0.6 0.4 0.5 0.6 0.4 0.4")
    convert(command, source, tmp_path)
    (turned,) = shapes(tmp_path, "a.jpg")
    assert turned["segmentation"] == [pytest.approx([100, 20, 120, 40, 100, 60, 80, 40])]
    assert (turned["bbox"], turned["area"]) == (pytest.approx([80, 20, 40, 40]), pytest.approx(800))


def test_same_name_in_sub_folders(command, tmp_path):
    source = yolo(
        tmp_path / "set", {"a.jpg": ONE, "one/a.jpg": TWO, "two/a.jpg": "", "two/deep/a.jpg": f"{ONE}\n{TWO}"}
    )
    _, found, lines = convert(command, source, tmp_path)
    assert found == {"a.jpg": [BOX_ONE], "one/a.jpg": [BOX_TWO], "two/a.jpg": [], "two/deep/a.jpg": [BOX_ONE, BOX_TWO]}
    assert not lines


NAMES = {
    "data.yaml": "path: .\ntrain: images\nval: images\nnc: 2\nnames: [card, scratch]\n",
    "data.yaml as a dict": "train: images\nnames:\n  0: card\n  1: scratch\n",
    "data.yaml with string keys": "train: images\nnames: {'0': card, '1': scratch}\n",
    "data.yaml as a long list": "train: images\nnames:\n- card\n- scratch\n",
    "data.yaml in Windows' way": "train: ..\\images\r\nnc: 2\r\nnames: ['card', 'scratch']\r\n",
    "dataset.yaml": "names: [card, scratch]\n",
    "classes.txt": "card\nscratch\n",
    "classes.txt in Windows' way": "card\r\nscratch\r\n\r\n",
    "classes.txt without a last newline": "card\nscratch",
    "_classes.txt": "card\nscratch\n",
    "predefined_classes.txt": "card\nscratch\n",
    "obj.names": "card\nscratch\n",
    "my.names": "card\nscratch\n",
    "notes.json": '{"categories": [{"id": 1, "name": "scratch"}, {"id": 0, "name": "card"}], "info": {"year": 2026}}',
}


@pytest.mark.parametrize("writing", NAMES)
def test_names(command, tmp_path, writing):
    source = good_set(tmp_path / "set")
    (source / "classes.txt").unlink()
    text(source / writing.partition(" ")[0], NAMES[writing])
    told, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == (GOOD, [])
    assert writing.partition(" ")[0] in told["reason"]


def test_obj_names_by_obj_data(command, tmp_path):
    source = tmp_path / "set"
    for name, label in (("a", ONE), ("b", TWO), ("c", "")):
        image(source / f"data/obj_train_data/{name}.jpg")
        text(source / f"data/obj_train_data/{name}.txt", label)
    text(source / "data/obj.names", "card\nscratch\n")
    data = "classes = 2\ntrain = data/train.txt\nvalid = data/test.txt\nnames = data/obj.names\nbackup = backup/\n"
    text(source / "data/obj.data", data)
    text(source / "data/train.txt", "data/obj_train_data/a.jpg\ndata/obj_train_data/c.jpg\n")
    text(source / "data/test.txt", "data/obj_train_data/b.jpg\n")
    for path in (source, source / "data/obj.data"):
        _, found, lines = convert(command, path, tmp_path)
        found = {name.rpartition("/")[2]: each for name, each in found.items()}
        assert (found, lines) == ({"a.jpg": [BOX_ONE], "b.jpg": [BOX_TWO], "c.jpg": []}, [])
        splits = [each.get("split") for each in strict((tmp_path / "out.json").read_text())["images"]]
        assert splits == ["train", "test", "train"]


LAYOUTS = {
    "ultralytics": ("images/{split}/{name}.jpg", "labels/{split}/{name}.txt", "data.yaml"),
    "ultralytics, one folder": ("images/{name}.jpg", "labels/{name}.txt", "data.yaml"),
    "roboflow": ("{split}/images/{name}.jpg", "{split}/labels/{name}.txt", "data.yaml"),
    "darknet": ("{name}.jpg", "{name}.txt", "classes.txt"),
    "darknet, below": ("data/obj/{name}.jpg", "data/obj/{name}.txt", "data/obj.names"),
    "darknet, splits": ("{split}/{name}.jpg", "{split}/{name}.txt", "obj.names"),
    "Label Studio": ("images/{name}.jpg", "labels/{name}.txt", "notes.json"),
    "CVAT, YOLO 1.1": ("obj_train_data/{name}.jpg", "obj_train_data/{name}.txt", "obj.names"),
    "CVAT, Ultralytics": ("images/{split}/{name}.jpg", "labels/{split}/{name}.txt", "data.yaml"),
    "roboflow, darknet": ("{split}/{name}.jpg", "{split}/{name}.txt", "{split}/_darknet.labels"),
    "valid for val": ("{split}/images/{name}.jpg", "{split}/labels/{name}.txt", "data.yaml"),
    "one folder above": ("mine/images/{split}/{name}.jpg", "mine/labels/{split}/{name}.txt", "mine/data.yaml"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(command, tmp_path, layout):
    picture, label, classes = LAYOUTS[layout]
    other = "valid" if "valid" in layout or "roboflow" in layout else "val"
    source = tmp_path / "set"
    for split, names in (("train", ("a", "b")), (other, ("c",))):
        for name, line in zip(names, (ONE, TWO), strict=False):
            image(source / picture.format(split=split, name=name))
            text(source / label.format(split=split, name=name), line)
        writing = "classes.txt" if classes.endswith("labels") else classes.rpartition("/")[2]
        text(source / classes.format(split=split), NAMES[writing].replace("images", "images/train"))
    told, found, lines = convert(command, source, tmp_path)
    assert {name.rpartition("/")[2]: each for name, each in found.items()} == {
        "a.jpg": [BOX_ONE],
        "b.jpg": [BOX_TWO],
        "c.jpg": [BOX_ONE],
    }
    assert (told["format"], lines) == ("yolo", [])
    out = strict((tmp_path / "out.json").read_text())
    if "{split}" in picture:
        assert {each["file_name"][-5:]: each.get("split") for each in out["images"]} == {
            "a.jpg": "train", "b.jpg": "train", "c.jpg": "val"
        }  # fmt: skip


@pytest.mark.parametrize("top", ["", "./", "set/", "/elsewhere/set/", "C:\\my sets\\set\\"])
def test_lists_of_splits(command, tmp_path, top):
    source = good_set(tmp_path / "set")
    text(source / "train.txt", f"{top}images/good1.jpg\n{top}images/good3.jpg\n")
    text(source / "val.txt", f"{top}images/good2.jpg\r\n")
    _, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == (GOOD, [])
    out = strict((tmp_path / "out.json").read_text())
    assert [each["split"] for each in out["images"]] == ["train", "val", "train"]


def test_rubbish_is_passed_over(command, tmp_path):
    source = good_set(tmp_path / "set")
    for path in ("images/._good1.jpg", "labels/._good1.txt", "__MACOSX/images/good1.jpg", "images/.hidden/x.jpg"):
        text(source / path, b"\0\5\x16\7")
    for path in ("images/thumbnails/good1.jpg", "images/@eaDir/good1.jpg", "images/thumbs/x.jpg", "images/Thumbs.db"):
        image(source / path, kind="JPEG")
    text(source / "images/.DS_Store", b"\0\0\0\1Bud1")
    text(source / "images/desktop.ini", "[.ShellClassInfo]\n")
    _, found, lines = convert(command, source, tmp_path)
    assert (found, lines) == (GOOD, [])


def test_voc_is_not_shifted(command, tmp_path):
    image(tmp_path / "set/a.jpg")
    text(tmp_path / "set/a.xml", voc_xml([("card", 1, 1, 200, 100), ("card", 80, 30, 120, 70)]))
    _, found, lines = convert(command, tmp_path / "set", tmp_path)
    assert (found, lines) == ({"a.jpg": [("card", [1, 1, 199, 99], None), BOX_ONE]}, [])


def test_coco_ids_that_are_sparse_or_strings(command, tmp_path):
    for first, second in ((7, 1000000007), ("a7", "b8")):
        images = [
            {"id": first, "file_name": "a.jpg", "width": 200, "height": 100},
            {"id": second, "file_name": "b.jpg", "width": 200, "height": 100},
        ]
        annotations = [
            {"image_id": second, "category_id": 90, "bbox": [80, 30, 40, 40]},
            {"image_id": first, "category_id": 3, "bbox": [40, 40, 20, 20]},
        ]
        coco(
            tmp_path / "set/set.json", images=images, annotations=annotations, categories=((90, "card"), (3, "scratch"))
        )
        code, told = command("convert", tmp_path / "set/set.json", tmp_path / "out.json")
        assert (code, told["images"], told["annotations"], told["dropped"]) == (0, 2, 2, 0)
        assert boxes(tmp_path / "out.json") == {"a.jpg": [BOX_TWO], "b.jpg": [BOX_ONE]}


COCO_FAULTS = {
    "dangling image": ({"image_id": 99}, "image"),
    "dangling category": ({"category_id": 99}, "categor"),
    "no category": ({"category_id": "left out"}, "categor"),
    "negative width": ({"bbox": [10, 10, -5, 5]}, "no area"),
    "null in the box": ({"bbox": [10, None, 5, 5]}, ""),
    "box of three": ({"bbox": [10, 10, 5]}, ""),
    "box of words": ({"bbox": "10 10 5 5"}, ""),
    "far past the edge": ({"bbox": [190, 10, 40, 5]}, "past the edge"),
    "nothing drawn": ({"bbox": "left out"}, ""),
}


@pytest.mark.parametrize("name", COCO_FAULTS)
def test_coco_one_fault_costs_only_itself(command, tmp_path, name):
    fault, word = COCO_FAULTS[name]
    image(tmp_path / "set/a.jpg")
    good = [{"bbox": [80, 30, 40, 40]}, fault, {"bbox": [40, 40, 20, 20], "category_id": 2}]
    coco(tmp_path / "set/set.json", annotations=good)
    _, found, (line,) = convert(command, tmp_path / "set", tmp_path)
    assert found == {"a.jpg": [BOX_ONE, BOX_TWO]}
    assert (line["file"], word in line["reason"]) == ("set.json", True)
    assert line["text"]


def test_coco_masks_crowds_and_parts_are_kept_and_losses_declared(command, tmp_path):
    pixels = np.zeros((100, 200), np.uint8, order="F")
    pixels[30:70, 80:120] = 1
    packed = mask.encode(pixels)
    counts = [80 * 100 + 30, *([40, 60] * 39), 40, 200 * 100 - (119 * 100 + 70)]
    parts = [[20, 10, 60, 10, 60, 50], [100, 20, 120, 20, 120, 40, 100, 40]]
    annotations = [
        {"segmentation": {"size": [100, 200], "counts": packed["counts"].decode()}, "bbox": "left out"},
        {"segmentation": {"size": [100, 200], "counts": counts}, "bbox": "left out", "iscrowd": 1},
        {"segmentation": parts, "bbox": "left out"},
    ]
    image(tmp_path / "set/a.jpg")
    coco(tmp_path / "set/set.json", annotations=annotations)
    _, found, lines = convert(command, tmp_path / "set", tmp_path)
    assert not lines
    assert [each[1] for each in found["a.jpg"]] == [[80, 30, 40, 40], [80, 30, 40, 40], [20, 10, 100, 40]]
    one, two, three = shapes(tmp_path, "a.jpg")
    assert ([one["area"], two["area"], three["area"]], two["iscrowd"]) == ([1600, 1600, 1200], 1)
    assert three["segmentation"] == parts
    code, told = command("convert", tmp_path / "set", tmp_path / "yolo", "--to", "yolo")
    assert (code, told["annotations"]) == (0, 3)
    assert sum(told["losses"].values()) >= 4, "two masks, a crowd and an outline of two parts"
    code, told = command("convert", tmp_path / "set", tmp_path / "none", "--to", "yolo", "--strict")
    assert (code, (tmp_path / "none").exists()) == (2, False)
