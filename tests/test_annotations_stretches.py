"""Files read in stretches give what the walk from bracket to bracket gives; columns give what records give."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcg.annotations import convert, open_annotations
from rcg.annotations import stretches as under_test
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.stretches import Unusual
from tests.make_labels import coco, image, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('{}[],":\\ é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a}{]["\\', max_size=3), inner, max_size=3),
    max_leaves=6,
)
ELEMENTS = st.lists(st.dictionaries(st.sampled_from(["id", "bbox", "x", "}, {"]), VALUES, max_size=3), max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    lists=st.dictionaries(st.sampled_from(["images", "annotations", "info"]), ELEMENTS),
    indent=st.sampled_from([None, 1]),
)
def test_stretches_are_what_the_walk_finds(tmp_path_factory, lists, indent):
    path = tmp_path_factory.mktemp("stretches") / "set.json"
    path.write_text(json.dumps({"version": "1}, {", **lists, "licenses": {"a": [1, 2]}}, indent=indent))
    with JsonFile(path) as file:
        walked = list(file.walk())
        try:
            found = list(file.stretches())
        except Unusual:
            return
        spans = [(each.key, *span) for each in found for span in zip(each.begins, each.ends, strict=True)]
        assert spans == walked
        assert [value for each in found for value in each.values] == [file.value(*span[1:]) for span in walked]


def test_a_usual_file_is_read_in_stretches_whatever_their_length(tmp_path, monkeypatch):
    path = coco(tmp_path / "set.json", annotations=[{"bbox": [number, 1, 2, 3]} for number in range(500)])
    for length in (64, 1000, 1 << 20):
        monkeypatch.setattr(under_test, "_STRETCH", length)
        with JsonFile(path) as file:
            found = [value for each in file.stretches() if each.key == "annotations" for value in each.values]
        assert [value["bbox"][0] for value in found] == list(range(500))


@pytest.mark.parametrize(
    "text", ["[1, 2]", '{"images": [1]}', '{"annotations": [{}, 3]}', '{"a": [{}', '{"a": [{}]} x']
)
def test_what_is_not_usual_is_left_to_the_walk(tmp_path, text):
    (tmp_path / "set.json").write_text(text)
    with JsonFile(tmp_path / "set.json") as file, pytest.raises(Unusual):
        list(file.stretches())


def test_columns_are_what_records_are(tmp_path):
    """A list of numbers beside the others has the file walked from bracket to bracket, and every label looked at."""
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 100} for n in (7, 3, 5)]
    for each in images:
        image(tmp_path / each["file_name"])
    annotations = [
        {"image_id": 7, "bbox": [10, 20, 30.25, 40]},
        {"image_id": 3, "bbox": [-0.5, 0, 20, 20]},
        {"image_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5, "category_id": 2},
        {"image_id": 5, "bbox": [0, 0, 20, 0]},
        {"image_id": 5, "bbox": [0, 0, 20, 30], "area": 17},
        {"image_id": 5, "bbox": [0, 0, 20, 30], "segmentation": [[0, 0, 20, 0, 20, 30]]},
        {"image_id": 9, "bbox": [0, 0, 20, 30]},
        {"image_id": 7, "bbox": [0, 0, 20, 30], "category_id": 4},
    ]
    usual = coco(tmp_path / "a.json", images=images, annotations=annotations)
    value = read(usual) | {"numbers": [1, 2, 3]}
    (tmp_path / "odd").mkdir()
    odd = tmp_path / "odd/a.json"
    odd.write_text(json.dumps(value, indent=2))
    results = []
    for path in (usual, odd):
        bad = []
        source = open_annotations(path, images=tmp_path)
        found = list(source.records(bad.append))
        results.append((found, [(each.line, each.reason) for each in bad], source.notes.lines()))
    assert results[0][0] == results[1][0]
    assert sorted(results[0][1]) == sorted(results[1][1])
    assert len(results[0][1]) == 3
    assert set(results[0][2]) == set(results[1][2])


def test_a_cut_off_conversion_of_a_coco_file_goes_on(tmp_path):
    images = [{"id": n, "file_name": f"{n:04}.jpg", "width": 20, "height": 10} for n in range(1200)]
    annotations = [{"image_id": n, "bbox": [1, 2, 3, 4]} for n in range(1200)]
    source = coco(tmp_path / "set.json", images=images, annotations=annotations)
    whole = convert(source, tmp_path / "whole", to="yolo")

    def stop(tick):
        if tick.done >= 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "out", to="yolo", report=stop)
    again = convert(source, tmp_path / "out", to="yolo")
    assert again.resumed >= 512, "ticks come ten times a second at most, so the stop may come a run later"
    assert (again.images, whole.resumed) == (1200, 0)
    assert len(list((tmp_path / "out/labels").iterdir())) == 1200
