"""What was read to find the classes is not read again, unless a file changed in between."""

import os
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest

from rcg.annotations import open_annotations
from rcg.annotations.kept import Drawn, Kept, joined
from tests.make_labels import image, labelme

VOC = "<annotation><object><name>{}</name><bndbox>{}</bndbox></object></annotation>"


def write(path, *, left, name="card"):
    if path.suffix == ".json":
        labelme(path, [{"label": name, "points": [[left, 2], [30, 40]]}])
        return
    sides = zip(("xmin", "ymin", "xmax", "ymax"), (left, 2, 30, 40), strict=True)
    path.write_text(VOC.format(name, "".join(f"<{side}>{value}</{side}>" for side, value in sides)))


@pytest.fixture(params=[".json", ".xml"])
def made(request, tmp_path):
    """A folder of six images, the third without labels."""
    for number in range(6):
        image(tmp_path / f"{number}.jpg")
        if number != 2:
            write(tmp_path / f"{number}{request.param}", left=number)
    time.sleep(0.05)  # what was written just now is not trusted
    return tmp_path, request.param


def lefts(opened):
    bad = []
    found = [[each.box.x for each in record.annotations] for record in opened.records(bad.append)]
    assert not bad
    return found


def test_files_are_kept_and_serve_any_run_of_images(made):
    folder, ending = made
    opened = open_annotations(folder)
    kept = opened.read.kept
    every = [f"{number}{ending}" if number != 2 else None for number in range(6)]
    assert kept.of(every).corners[:, 0].tolist() == [0, 1, 3, 4, 5]
    assert kept.of(every).counts.tolist() == [1, 1, 0, 1, 1, 1]
    assert kept.of(every[1:4]).corners[:, 0].tolist() == [1, 3]
    assert kept.of([every[1], every[5]]).corners[:, 0].tolist() == [1, 5]
    for other in ([every[5], every[1]], [every[1], every[1]], [every[0], "other"], ["0", every[1]], [None], []):
        assert kept.of(other) is None
    assert pickle.loads(pickle.dumps(kept)).of(every).counts.tolist() == [1, 1, 0, 1, 1, 1]
    assert lefts(opened) == [[0], [1], [], [3], [4], [5]]


@pytest.mark.parametrize("change", ["longer", "as long", "moved", "gone"])
def test_a_file_that_changed_after_the_classes_were_found_is_read_again(made, change):
    folder, ending = made
    opened = open_annotations(folder)
    path = folder / f"4{ending}"
    if change == "moved":
        other = folder / "other"
        os.utime(path)
        write(folder / f"new{ending}", left=7)
        (folder / f"new{ending}").rename(other)
        os.utime(other, (1, 1))
        other.rename(path)
    elif change == "gone":
        path.unlink()
    else:
        write(path, left=12 if change == "longer" else 7)
    assert opened.read.kept.of([f"3{ending}", f"4{ending}"]) is None
    assert opened.read.kept.of([f"0{ending}", f"1{ending}"]) is not None
    if change != "gone":
        assert lefts(opened)[4] == [12 if change == "longer" else 7]


def test_files_written_as_they_are_read_are_not_trusted(made):
    folder, ending = made
    write(folder / f"0{ending}", left=9)
    opened = open_annotations(folder)
    assert opened.read.kept.of([f"0{ending}"]) is None
    assert lefts(opened)[0] == [9]


def drawn(names, labels, *, corners=None):
    """Two files, the first with two labels of which the first is an outline."""
    return Drawn(
        counts=np.array([2, 1]),
        names=names,
        classes=np.array(labels, np.int32),
        corners=np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float64) if corners is None else corners,
        rings=np.array([0]),
        lengths=np.array([3]),
        points=np.array([[0, 0], [1, 0], [1, 1.5]]),
        said=np.array([[9, 9], [0, 0]]),
        marks=np.array([0, 1], np.uint8),
        odd=np.array([False, False]),
    )


def test_runs_of_files_are_joined_and_taken_apart():
    both = joined([drawn(("a", "b"), [0, 1, 1]), drawn(("b", "c"), [0, 1, 0])])
    assert [both.names[each] for each in both.classes] == ["a", "b", "b", "b", "c", "b"]
    assert (both.rings.tolist(), both.lengths.tolist(), both.points.shape) == ([0, 3], [3, 3], (6, 2))
    some = both.of(np.array([1, 2]))
    assert (some.counts.tolist(), some.rings.tolist(), some.marks.tolist()) == ([1, 2], [1], [1, 0])
    assert [some.names[each] for each in some.classes] == ["b", "b", "c"]
    assert (some.corners[:, 0].tolist(), some.points.tolist()) == ([5, 1], drawn(("a",), [0, 0, 0]).points.tolist())
    spread = some.among(np.array([False, True, True, False]))
    assert (spread.counts.tolist(), spread.said.tolist()) == ([0, 1, 2, 0], [[0, 0], [0, 0], [9, 9], [0, 0]])


@pytest.mark.parametrize("value", [7, 70_000, 0.125, 123.456, 0.1 + 0.2, 1e300, -3, -0.0, np.nan])
def test_numbers_come_back_as_they_were(tmp_path, value):
    (tmp_path / "a").write_text("as")
    (tmp_path / "b").write_text("long")
    time.sleep(0.05)
    kept = Kept(tmp_path)
    corners = np.array([[value, 2, 3, 4], [5, 6, 7, 8]], np.float64)
    kept.add(["a", "b"], [2, 4], drawn(("a",), [0, 0, 0], corners=corners), began=time.time())
    found = kept.of(["a", "b"])
    assert (found.corners.tobytes(), found.corners.dtype) == (corners.tobytes(), np.float64)
    assert (found.points.tolist(), found.counts.dtype) == ([[0, 0], [1, 0], [1, 1.5]], np.int64)


def test_only_so_much_is_kept(tmp_path):
    kept = Kept(tmp_path)
    for number in range(100):
        (tmp_path / f"{number:03}").touch()
        many = np.full((10_000, 4), 0.1 + 0.2)
        found = drawn(("a",), np.zeros(10_001), corners=many)
        found = replace(
            found, counts=np.array([10_001]), said=np.zeros((1, 2)), marks=found.marks[:1], odd=found.odd[:1]
        )
        kept.add([f"{number:03}"], [0], found, began=time.time() + 1)
    assert kept.of(["000"]) is not None
    assert kept.of(["099"]) is None
    assert len(pickle.dumps(kept)) < 5_000_000


def test_where_a_clock_is_wrong_the_length_of_a_file_tells(tmp_path):
    (tmp_path / "a").write_text("as")
    (tmp_path / "b").write_text("long")
    kept = Kept(tmp_path)
    kept.add(["a", "b"], [2, 4], drawn(("a",), [0, 0, 0]), began=time.time() + 100)
    assert kept.of(["a", "b"]) is not None
    (tmp_path / "b").write_text("longer")
    assert kept.of(["a", "b"]) is None
    assert kept.of(["a"]) is not None
