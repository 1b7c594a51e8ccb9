"""Boxes without width or height: left out, or widened to a pixel where that is asked for."""

import pytest

from rcg.annotations import FORMATS, convert
from rcg.errors import ConfigError
from tests.make_labels import (
    boxes,
    coco,
    csv,
    cvat,
    cvat_box,
    image,
    labelme,
    labelstudio,
    percent,
    quarantined,
    read,
    text,
    voc_xml,
    yolo,
)

FLAT = [(20, 10, 20, 60), (0, 30, 40, 30), (200, 0, 200, 50)]
WIDE = [[19.5, 10, 1, 50], [0, 29.5, 40, 1], [199, 0, 1, 50]]


def flat_set(folder, name):
    """A good box and three without width or height, in one format."""
    found = [("card", 20, 10, 120, 60), *(("card", *each) for each in FLAT)]
    if name == "yolo":
        lines = [f"0 {(a + c) / 400} {(b + d) / 200} {(c - a) / 200} {(d - b) / 100}" for _, a, b, c, d in found]
        yolo(folder, {"a.jpg": "\n".join(lines)})
        return
    image(folder / ("images/a.jpg" if name in ("cvat", "labelstudio") else "a.jpg"))
    if name == "coco":
        coco(folder / "set.json", annotations=[{"bbox": [a, b, c - a, d - b]} for _, a, b, c, d in found])
    elif name == "voc":
        text(folder / "a.xml", voc_xml(found))
    elif name == "labelme":
        labelme(folder / "a.json", found)
    elif name == "cvat":
        cvat(folder / "annotations.xml", {"a.jpg": "\n".join(cvat_box(*each) for each in found)})
    elif name == "labelstudio":
        labelstudio(folder / "export.json", [("/data/local-files/?d=a.jpg", [percent(*each) for each in found])])
    elif name == "csv":
        csv(folder / "labels.csv", [f"a.jpg,200,100,{','.join(map(str, each))}" for each in found])


@pytest.mark.parametrize("name", FORMATS)
def test_they_are_left_out_or_widened(tmp_path, name):
    flat_set(tmp_path / "set", name)
    left_out = convert(tmp_path / "set", tmp_path / "out.json")
    assert (left_out.annotations, left_out.dropped) == (1, 3)
    assert all("no area" in line["reason"] for line in quarantined(left_out))
    wide = convert(tmp_path / "set", tmp_path / "out.json", zero_area="widen")
    assert (wide.annotations, wide.dropped, wide.quarantine) == (4, 0, None)
    assert any("pixel wide" in note for note in wide.notes)
    made = [each["bbox"] for each in read(tmp_path / "out.json")["annotations"]]
    assert made[1:] == [pytest.approx(each, abs=1e-6) for each in WIDE]


def test_workers_widen_too_and_others_do_not_go_on_with_it(tmp_path):
    lines = "0 0.5 0.5 0 0.4\n1 0.5 0.5 0.2 0.4\n"
    yolo(tmp_path / "set", {f"{number:04d}.jpg": lines for number in range(1100)})
    one = convert(tmp_path / "set", tmp_path / "one.json", zero_area="widen")
    convert(tmp_path / "set", tmp_path / "two.json", zero_area="widen", jobs=2)
    assert (one.annotations, one.dropped) == (2200, 0)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert convert(tmp_path / "set", tmp_path / "one.json").dropped == 1100


def test_boxes_turned_inside_out_or_outside_stay_out(tmp_path):
    yolo(tmp_path / "set", {"a.jpg": "0 0.5 0.5 -0.2 0.4\n0 1.5 0.5 0 0.4\n0 0.5 0.5 0 0\n"})
    done = convert(tmp_path / "set", tmp_path / "out.json", zero_area="widen")
    assert (done.annotations, done.dropped) == (1, 2)
    assert boxes(tmp_path / "out.json")
    with pytest.raises(ConfigError, match="zero_area='keep'"):
        convert(tmp_path / "set", tmp_path / "out.json", zero_area="keep")
