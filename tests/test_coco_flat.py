"""Plain boxes of a COCO file as columns: the same as the walk that looks at each element finds, or nothing."""

import json
import random

import numpy as np
import pytest

from rcg.annotations.formats import coco_flat
from rcg.annotations.formats.coco_flat import Boxes, Flat
from rcg.annotations.formats.coco_index import Index
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.stretches import Stretch, Unusual
from rcg.errors import RcgError

BOX = {"id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 2.5, 3e-7, 4], "area": 1.2e-6, "iscrowd": 0}


def written(path, annotations, **options):
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 32, "height": 24} for number in (1, 2)]
    names = [{"id": number, "name": f"n{number}"} for number in (1, 2)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": names}, **options))
    return path


def found(path):
    with Flat(path, is_list=False) as flat:
        return [*flat.annotations()], [*flat.rest()]


def test_boxes_become_columns_without_an_object_each(tmp_path):
    more = {"segmentation": [], "keypoints": [], "score": 0.5}
    annotations = [{**BOX, **more, "id": 7 + at, "image_id": 1 + at % 2, "iscrowd": at % 2} for at in range(5)]
    (boxes,), rest = found(written(tmp_path / "set.json", annotations))
    assert isinstance(boxes, Boxes)
    assert boxes.boxes.tolist() == [[1, 2.5, 3e-7, 4]] * 5
    assert (boxes.image_ids.tolist(), boxes.categories) == ([1, 2, 1, 2, 1], [2] * 5)
    assert (boxes.scores.tolist(), boxes.areas.tolist()) == ([0.5] * 5, [1.2e-6] * 5)
    assert boxes.crowds.tolist() == [False, True, False, True, False]
    content = (tmp_path / "set.json").read_bytes()
    parsed = [json.loads(content[a:b]) for a, b in zip(boxes.begins, boxes.ends, strict=True)]
    assert parsed == annotations
    assert [(each.key, len(each.values)) for each in rest] == [("images", 2), ("annotations", 1), ("categories", 2)]
    assert json.loads(content[rest[2].begins[1] : rest[2].ends[1]]) == {"id": 2, "name": "n2"}


def test_a_stretch_with_more_than_boxes_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(coco_flat, "_STRETCH", 300)
    annotations = [BOX] * 6 + [{**BOX, "segmentation": [[1, 1, 5, 5, 1, 5]]}] + [BOX] * 6
    kinds = [type(each) for each in found(written(tmp_path / "set.json", annotations))[0]]
    assert kinds[0] is kinds[-1] is Boxes
    assert kinds.count(Stretch) == 1


@pytest.mark.parametrize(
    "broken",
    [
        '"area"5: ,',
        '5"area": ,',
        '"ar5ea": ,',
        '"area": 5 5,',
        '"area": 05,',
        '"area": 5,}5',
        '"area": "5",',
        '"area": E5,',
    ],
)
def test_digits_in_the_wrong_place_are_no_numbers(tmp_path, broken):
    path = written(tmp_path / "set.json", [{**BOX, "area": 5}] * 3)
    path.write_text(path.read_text().replace('"area": 5,', broken, 2).replace(broken, '"area": 5,', 1))
    with pytest.raises(Unusual):
        found(path)


@pytest.mark.parametrize("stretch", [300, 1 << 18])
def test_changed_files_are_read_as_without_columns(tmp_path, monkeypatch, stretch):
    monkeypatch.setattr(coco_flat, "_STRETCH", stretch)
    random_ = random.Random(stretch)
    path, taken = tmp_path / "set.json", 0
    for _ in range(600):
        written(path, annotations(random_), separators=random_.choice([None, (",", ":")]))
        path.write_bytes(changed(bytearray(path.read_bytes()), random_))
        quick, slow = Index(), Slow()
        assert outcome(quick, path) == outcome(slow, path), path.read_bytes()
        taken += as_columns(path)
    assert taken > 50


def annotations(random_):
    made = []
    for at in range(random_.randint(1, 8)):
        box = [random_.choice([random_.randint(0, 9), random_.random() * 9, random_.random() * 1e-6]) for _ in range(4)]
        made.append({**BOX, "id": at, "image_id": random_.randint(1, 2), "bbox": box, "segmentation": []})
    if random_.random() < 0.1:
        made[-1]["segmentation"] = random_.choice([[[1, 1, 5, 5, 1, 5]], {"size": [1, 1], "counts": [1]}])
    return made


def changed(content, random_):
    for _ in range(random_.randint(0, 2)):
        at, letter = random_.randrange(len(content)), random_.choice(b'0159.-~!eE+,:"{}[] \n_a\\')
        content[at : at + random_.randint(0, 1)] = bytes([letter] * random_.randint(0, 1))
    return content


class Slow(Index):
    def _in_columns(self, *_, **__):
        raise Unusual


def as_columns(path):
    try:
        with JsonFile(path) as file:
            Index()._in_columns(file, 0, images=True, annotations=True)
    except (Unusual, RcgError):
        return False
    return True


def outcome(index, path):
    """What a walk found, each annotation as what stands in its span; of the columns what is a box for sure."""
    try:
        index.walk(path, 0)
    except RcgError as error:
        return str(error)
    index.finish()
    key = {number: of for of, number in index._numbers.items()}
    table = np.array(index._spans, np.int64).reshape(-1, 4).tolist()
    _, boxes, _, plain = index.columns.joined(np.arange(len(table)))
    content = path.read_bytes()
    for (_, _, begin, end), box, sure in zip(table, boxes.tolist(), plain.tolist(), strict=True):
        assert not sure or json.loads(content[begin:end])["bbox"] == box
    spans = [(key[number], begin, end) for number, _, begin, end in table]
    images = {key[number]: image for number, image in index.images.items()}
    return spans, images, index.categories, index.bad, index.without
