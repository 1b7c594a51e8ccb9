"""One set in every format: all readers agree, and a round trip gives back what went in or a declared loss."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcg.annotations import FORMATS, TARGETS, CocoWriter, convert, open_annotations
from rcg.annotations.source import losses
from rcg.errors import ConfigError, DataError
from rcg.types import Annotation, Box, ImageRecord, Keypoints, LabelSet, Polygon, Rle
from tests.make_labels import (
    coco,
    csv,
    cvat,
    cvat_box,
    image,
    labelme,
    labelstudio,
    percent,
    text,
    voc_xml,
    yolo,
)

BOXES = {
    "a.jpg": [("card", 20, 10, 120, 60)],
    "sub/b.png": [("dent", 1, 2, 3, 4), ("card", 0, 0, 200, 100)],
    "c.jpg": [],
}
BOTH = [name for name in TARGETS if name in FORMATS]


def golden(folder):
    """The same three images and three boxes in every format."""
    names = ("card", "dent")

    def line(label, a, b, c, d):
        return f"{names.index(label)} {(a + c) / 400!r} {(b + d) / 200!r} {(c - a) / 200!r} {(d - b) / 100!r}\n"

    yolo(
        folder / "yolo",
        {name: "".join(line(*each) for each in found) for name, found in BOXES.items()},
        classes="card\ndent\n",
    )
    images = [{"id": number, "file_name": name, "width": 200, "height": 100} for number, name in enumerate(BOXES)]
    annotations = [
        {"image_id": number, "category_id": names.index(label), "bbox": [a, b, c - a, d - b]}
        for number, found in enumerate(BOXES.values())
        for label, a, b, c, d in found
    ]
    coco(folder / "coco/set.json", images=images, annotations=annotations, categories=((0, "card"), (1, "dent")))
    shapes = {name: "\n".join(cvat_box(*each) for each in found) for name, found in BOXES.items()}
    cvat(folder / "cvat/annotations.xml", shapes, labels=names)
    drawn = [(f"/data/local-files/?d={name}", [percent(*each) for each in found]) for name, found in BOXES.items()]
    labelstudio(folder / "labelstudio/export.json", drawn)
    rows = [
        f"{name},200,100,{','.join(map(str, each))}" for name, found in BOXES.items() for each in found or [[""] * 5]
    ]
    csv(folder / "csv/labels.csv", rows)
    for name, found in BOXES.items():
        for listed in ("coco", "cvat/images", "labelstudio/images", "csv"):
            image(folder / listed / name)
        image(folder / "voc/JPEGImages" / name)
        text(folder / "voc/Annotations" / f"{name.rpartition('.')[0]}.xml", voc_xml(found))
        image(folder / "labelme" / name)
        labelme(folder / "labelme" / f"{name.rpartition('.')[0]}.json", found, image_path=name.rpartition("/")[2])
    return {name: folder / name for name in FORMATS}


def content(source, **options):
    bad = []
    found = list(open_annotations(source, **options).records(bad.append))
    assert not bad
    return found


def test_all_readers_agree(tmp_path):
    sets = golden(tmp_path)
    assert set(sets) == set(FORMATS), "a new format belongs into the golden set"
    for name, folder in sets.items():
        assert open_annotations(folder).format == name
        found = content(folder)
        assert [(each.file_name, each.width, each.height, each.labelled) for each in found] == [
            (file, 200, 100, True) for file in sorted(BOXES)
        ]
        for record in found:
            assert [each.label for each in record.annotations] == [label for label, *_ in BOXES[record.file_name]]
            for annotation, (_, *corners) in zip(record.annotations, BOXES[record.file_name], strict=True):
                assert annotation.box.corners == pytest.approx(corners, abs=1e-9)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", BOTH)
def test_every_format_becomes_every_other_and_comes_back(tmp_path, first, second):
    folder = golden(tmp_path)[first]
    images = open_annotations(folder).images
    there = tmp_path / ("there.csv" if second == "csv" else "there")
    done = convert(folder, there, to=second, strict=True)
    last = first if first in TARGETS else "coco"
    back = tmp_path / ("back.csv" if last == "csv" else "back")
    convert(there, back, to=last, strict=True, images=images)
    before, after = content(folder), content(back, images=images)
    assert (done.images, done.annotations) == (3, 3)
    assert [each.file_name for each in before] == [each.file_name for each in after]
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old.annotations, new.annotations, strict=True):
            assert a.label == b.label
            assert a.box.corners == pytest.approx(b.box.corners, abs=1e-6)


numbers = st.integers(0, 1_000_000).map(lambda number: number / 1_000_000)
spans = st.tuples(numbers, numbers).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-5)
lines = st.lists(st.tuples(st.sampled_from([0, 1, 2]), spans, spans, st.none() | numbers), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=lines, size=st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_yolo_to_coco_to_yolo_stays_within_5e_7(tmp_path_factory, lines, size):
    folder = tmp_path_factory.mktemp("trip")
    written = [
        [label, (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, *([] if score is None else [score])]
        for label, (x0, x1), (y0, y1), score in lines
    ]
    source = "".join(f"{label} " + " ".join(f"{value:.9f}" for value in values) + "\n" for label, *values in written)
    yolo(folder / "set", {"a.jpg": source}, classes="a\nb\nc\n", size=size)
    there = convert(folder / "set", folder / "set.json")
    assert (there.annotations, there.dropped) == (len(written), 0)
    back = convert(folder / "set.json", folder / "back", to="yolo", images=folder / "set/images")
    assert back.losses == {}
    read = [list(map(float, line.split())) for line in (folder / "back/labels/a.txt").read_text().splitlines()]
    for before, after in zip(written, read, strict=True):
        assert len(before) == len(after)
        assert max(abs(a - b) for a, b in zip(before, after, strict=True)) <= 5e-7


points = st.tuples(st.integers(0, 200), st.integers(0, 100)).map(lambda point: (float(point[0]), float(point[1])))
rings = st.lists(points, min_size=3, max_size=6, unique=True).filter(
    lambda ring: abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))) > 1
)


@settings(max_examples=40, deadline=None)
@given(outlines=st.lists(rings, min_size=1, max_size=3), score=st.none() | numbers, crowd=st.booleans())
def test_coco_to_coco_is_exact(tmp_path_factory, outlines, score, crowd):
    folder = tmp_path_factory.mktemp("exact")
    image(folder / "a.jpg")
    corners = [point for ring in outlines for point in ring]
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    box = Box.from_corners(left, top, max(x for x, _ in corners), max(y for _, y in corners))
    polygons = tuple(Polygon(tuple(ring)) for ring in outlines)
    annotation = Annotation(label="card", box=box, polygons=polygons, score=score, crowd=crowd, area=17.25)
    record = ImageRecord(file_name="a.jpg", width=200, height=100, annotations=(annotation,), image_id=7)
    with CocoWriter(folder / "one.json", LabelSet(("card",), (3,))) as out:
        out.add(record)
    convert(folder / "one.json", folder / "two.json", strict=True)
    assert content(folder / "two.json") == [record]
    assert (folder / "one.json").read_bytes() == (folder / "two.json").read_bytes()


def test_what_a_format_carries_is_what_comes_back(tmp_path):
    image(tmp_path / "a.jpg")
    ring = Polygon(((10.0, 10.0), (30.0, 10.0), (30.0, 40.0)))
    annotation = Annotation(label="card", box=Box(10, 10, 20, 30), polygons=(ring,), score=0.5, area=300)
    record = ImageRecord(file_name="a.jpg", width=200, height=100, annotations=(annotation,))
    with CocoWriter(tmp_path / "set.json", LabelSet(("card",))) as out:
        out.add(record)
    for name, made in TARGETS.items():
        if name == "yolo-pose":
            continue  # there are no keypoints
        target = tmp_path / f"{name}{'.csv' if name == 'csv' else ''}"
        done = convert(tmp_path / "set.json", target, to=name)
        assert done.losses == {loss.what: loss.count for loss in losses(record, made.carries)}
        (back,) = content(target, images=tmp_path)
        assert bool(back.annotations[0].polygons) == ("polygons" in made.carries or name == "yolo-obb")
        assert (back.annotations[0].score == 0.5) == ("score" in made.carries)


@st.composite
def boxes(draw):
    """Corners of a box that is at least a pixel wide and high: built, since filtering would throw most draws away."""
    left, top = draw(st.integers(0, 199)), draw(st.integers(0, 99))
    return (float(left), float(top)), (float(draw(st.integers(left + 1, 200))), float(draw(st.integers(top + 1, 100))))


visible = st.tuples(st.integers(0, 200), st.integers(0, 100), st.integers(1, 2))


@st.composite
def annotations(draw):
    """Anything that a record can hold, whole pixels so that it is told apart from rounding."""
    (left, top), (right, bottom) = draw(boxes())
    box, rest = Box.from_corners(left, top, right, bottom), {}
    match draw(st.sampled_from(["box", "ring", "rings", "mask", "points"])):
        case "ring" | "rings" as kind:
            outlines = draw(st.lists(rings, min_size=1 + (kind == "rings"), max_size=3))
            corners = [point for ring in outlines for point in ring]
            xs, ys = [x for x, _ in corners], [y for _, y in corners]
            box = Box.from_corners(min(xs), min(ys), max(xs), max(ys))
            rest["polygons"] = tuple(Polygon(tuple(ring)) for ring in outlines)
        case "mask":
            rows, columns = int(bottom - top), int(right - left)
            counts = [int(left) * 100 + int(top)]
            for _ in range(columns):
                counts += [rows, 100 - rows]
            counts[-1] = 100 * 200 - sum(counts[:-1])
            rest["rle"] = Rle(100, 200, tuple(counts))
        case "points":
            rest["keypoints"] = Keypoints(
                tuple((float(x), float(y), v) for x, y, v in draw(st.tuples(visible, visible)))
            )
    score = draw(st.none() | numbers)
    return Annotation(label=draw(st.sampled_from(["card", "dent"])), box=box, score=score, **rest)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(annotations(), max_size=4), crowd=st.booleans())
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_does_not_come_back_is_a_declared_loss(tmp_path_factory, name, found, crowd):
    """A to B: each kind of information is there as it was, or its loss was declared for this record."""
    folder = tmp_path_factory.mktemp("trip")
    image(folder / "images/a.jpg")
    record = ImageRecord(file_name="a.jpg", width=200, height=100, annotations=tuple(found))
    labels = LabelSet(("card", "dent"), keypoints=("one", "two"))
    target = folder / ("out.csv" if name == "csv" else "out")
    with TARGETS[name].write(target, labels, folder / "images") as out:
        lost = {loss.what: loss.count for loss in out.add(record)}
    options = {"format": name.partition("-")[0], "images": folder / "images"}
    (back,) = content(target, **options)
    assert (back.file_name, back.width, back.height, back.labelled) == ("a.jpg", 200, 100, True)
    assert len(back.annotations) == len(found)
    for kind, value in {
        "score": lambda each: each.score,
        "keypoints": lambda each: each.keypoints,
        "mask": lambda each: each.rle is not None,
    }.items():
        differ = sum(
            value(a) != pytest.approx(value(b))
            if kind == "score" and None not in (value(a), value(b))
            else not same(value(a), value(b))
            for a, b in zip(found, back.annotations, strict=True)
        )
        assert differ <= lost.get(kind, 0), kind
    for a, b in zip(found, back.annotations, strict=True):
        assert a.label == b.label
        if not {"box", "polygons", "mask"} & lost.keys():
            assert a.box.corners == pytest.approx(b.box.corners, abs=1e-5)
        if len(a.polygons) == 1 and "polygons" not in lost:
            assert [x for p in a.polygons[0].points for x in p] == pytest.approx(
                [x for p in b.polygons[0].points for x in p], abs=1e-5
            )
        if len(a.polygons) > 1 and not {"parts", "polygons"} & lost.keys():
            assert len(a.polygons) == len(b.polygons)
        if b.polygons and not a.polygons:
            assert any("plain box" in what for what in lost)


def same(a, b):
    """Whether two keypoints are the same but for rounding."""
    if not isinstance(a, Keypoints) or not isinstance(b, Keypoints):
        return a == b
    flat = [[value for point in each.points for value in point] for each in (a, b)]
    return flat[0] == pytest.approx(flat[1], abs=1e-5)


def test_every_target_says_what_it_is_and_refuses_with_strict(tmp_path):
    image(tmp_path / "a.jpg")
    ring = Polygon(((10.0, 10.0), (30.0, 10.0), (30.0, 40.0)))
    annotation = Annotation(label="card", box=Box(10, 10, 20, 30), polygons=(ring,), crowd=True, area=300)
    with CocoWriter(tmp_path / "set.json", LabelSet(("card",))) as out:
        out.add(ImageRecord(file_name="a.jpg", width=200, height=100, annotations=(annotation,)))
    for name in set(TARGETS) - {"coco", "yolo-pose"}:
        with pytest.raises(DataError, match="cannot carry everything") as caught:
            convert(tmp_path / "set.json", tmp_path / name, to=name, strict=True)
        assert "crowd" in caught.value.what
        assert not (tmp_path / name).exists()
    with pytest.raises(ConfigError, match="no keypoints"):
        convert(tmp_path / "set.json", tmp_path / "pose", to="yolo-pose")
