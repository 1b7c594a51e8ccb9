"""Whatever stands in a label file: it is read, left out with a reason, or refused with an RcgError."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from rcg.annotations import convert
from rcg.errors import RcgError
from tests.make_labels import image, read, text

tokens = st.sampled_from(
    [
        "0",
        "1",
        "-1",
        "0.5",
        ".5",
        "1e999",
        "nan",
        "inf",
        "1_0",
        "x",
        "0x1",
        "\u0663",
        "-0",
        "1.0",
        "0.2",
        "99999999999",
        "",
    ]
)
lines = st.lists(st.lists(tokens, max_size=12).map(" ".join), max_size=6).map("\n".join).map(str.encode)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 300)
    | st.floats(-5, 300)
    | st.sampled_from(["", "1", "a.jpg", "../a.jpg"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts", "id"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ["id", "image_id", "category_id", "bbox", "segmentation", "area", "score", "keypoints", "iscrowd", "file_name"]
KEYS += ["width", "height", "name"]
entries = st.lists(st.dictionaries(st.sampled_from(KEYS), values, max_size=8), max_size=4)


def check(source, target):
    """A conversion that ends well writes strict JSON whose ids fit; else it says what is wrong, and writes nothing."""
    try:
        done = convert(source, target)
    except RcgError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert refused.fix, refused
        assert not target.exists()
        return
    out = read(target)
    assert {each["image_id"] for each in out["annotations"]} <= {each["id"] for each in out["images"]}
    assert {each["category_id"] for each in out["annotations"]} <= {each["id"] for each in out["categories"]}
    assert len(out["annotations"]) == done.annotations
    for each in out["annotations"]:
        left, top, across, down = each["bbox"]
        assert 0 <= left < left + across <= 200 + 1e-9
        assert 0 <= top < top + down <= 100 + 1e-9


@settings(max_examples=40, deadline=None)
@given(content=lines | st.binary(max_size=60))
def test_any_yolo_file(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzz")
    image(folder / "set/a.jpg")
    text(folder / "set/a.txt", content)
    text(folder / "set/classes.txt", "card\nscratch\n")
    check(folder / "set", folder / "out.json")


@settings(max_examples=40, deadline=None)
@given(images=entries, annotations=entries, categories=entries, pictures=st.booleans())
def test_any_coco_file(tmp_path_factory, images, annotations, categories, pictures):
    folder = tmp_path_factory.mktemp("fuzz")
    good = {"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}
    if pictures:
        image(folder / "set/a.jpg")
    value = {
        "images": [good, *images],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "card"}, *categories],
    }
    if not pictures:
        value["images"] = [good]  # without a picture the file decides on the size, and the check above knows 200 x 100
    text(folder / "set/set.json", orjson.dumps(value))
    check(folder / "set", folder / "out.json")


@settings(max_examples=40, deadline=None)
@given(value=values, results=entries)
def test_any_json_at_all(tmp_path_factory, value, results):
    folder = tmp_path_factory.mktemp("fuzz")
    image(folder / "set/a.jpg")
    text(folder / "set/one.json", orjson.dumps(value))
    text(folder / "set/two.json", orjson.dumps(results))
    check(folder / "set", folder / "out.json")
    check(folder / "set/two.json", folder / "other.json")


PIECES = ["<annotation>", "</annotation>", "<object>", "</object>", "<name>card</name>", "<name/>", "<bndbox>"]
PIECES += ["</bndbox>", "<xmin>5</xmin>", "<ymin>5</ymin>", "<xmax>50</xmax>", "<ymax>nan</ymax>", "<ymax>60</ymax>"]
PIECES += [
    "<size><width>200</width><height>x</height></size>",
    "<polygon><x1>1</x1><y1>2</y1></polygon>",
    "&amp;",
    "&x;",
]
parts = st.sampled_from([*PIECES, "<!DOCTYPE a>", "\0", "x"])


@settings(max_examples=40, deadline=None)
@given(content=st.lists(parts, max_size=14).map("".join).map(lambda inside: f"<annotation>{inside}</annotation>"))
def test_any_voc_file(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("fuzz")
    image(folder / "set/a.jpg")
    text(folder / "set/a.xml", content)
    check(folder / "set", folder / "out.json")


@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(max_size=80),
    name=st.sampled_from(["data.yaml", "classes.txt", "obj.names", "notes.json", "obj.data"]),
)
def test_any_class_file(tmp_path_factory, content, name):
    folder = tmp_path_factory.mktemp("fuzz")
    image(folder / "set/a.jpg")
    text(folder / "set/a.txt", "0 0.5 0.5 0.2 0.4\n")
    text(folder / "set" / name, content)
    check(folder / "set", folder / "out.json")
