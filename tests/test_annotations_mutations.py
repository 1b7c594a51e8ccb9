"""Whatever stands in a file: it is read, left out with a reason, or refused with an RcgError, and no line is lost.

Ten thousand files are damaged at random, the same ones each time: label files of every format, class files, the
headers of images. RCG_FUZZ=20 takes twenty times as many, RCG_FUZZ_SEED=1 takes others.
"""

import contextlib
import io
import json
import math
import os
import random
import shutil
from xml.etree import ElementTree

import orjson
import pytest
from PIL import Image, ImageOps

from rcg.annotations import FORMATS, convert
from rcg.annotations.classes import decoded
from rcg.errors import RcgError
from rcg.images import read_size
from tests.make_labels import coco, csv, cvat, cvat_box, image, labelstudio, percent, text, voc_xml
from tests.mutations import at_most, damaged, damaged_json, damaged_text, generator

TIMES = float(os.environ.get("RCG_FUZZ", "1"))
SEED = os.environ.get("RCG_FUZZ_SEED", "0")
WIDTH, HEIGHT = 200, 100
NAMES = ("card", "scratch")


@pytest.fixture
def folder(quick):
    return quick


def cases(count):
    return range(math.ceil(count * TIMES))


def converted(source, target, **options):
    """What a conversion gives: its summary, COCO content and quarantine; None where it is refused in the right way."""
    try:
        with at_most(20, source):
            done = convert(source, target, **options)
    except RcgError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert refused.fix, refused
        assert not target.exists()
        return None
    out = json.loads(target.read_bytes().decode("utf-8"), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    lines = [orjson.loads(line) for line in done.quarantine.read_bytes().splitlines()] if done.quarantine else []
    assert (len(out["images"]), len(out["annotations"]), len(lines)) == (done.images, done.annotations, done.dropped)
    assert all(line["reason"] and line["file"] for line in lines)
    sizes = {each["id"]: (each["width"], each["height"]) for each in out["images"]}
    categories = {each["id"] for each in out["categories"]}
    assert len(sizes) == done.images
    for each in out["annotations"]:
        left, top, across, down = each["bbox"]
        width, height = sizes[each["image_id"]]
        assert 0 <= left < left + across <= width + 1e-6, each
        assert 0 <= top < top + down <= height + 1e-6, each
        assert each["category_id"] in categories
        assert each["area"] >= 0
    return done, out, lines


def by_image(out):
    files = {each["id"]: each["file_name"] for each in out["images"]}
    found = {name: [] for name in files.values()}
    for each in out["annotations"]:
        found[files[each["image_id"]]].append(each)
    return found


# YOLO: an oracle of its own says of each line what becomes of it

YOLO = """0 0.5 0.5 0.2 0.4
1 0.25 0.5 0.1 0.2

0 0.3 0.3 0.5 0.25 0.9
1 0.1 0.1 0.3 0.1 0.3 0.5
0 0.5 0.2 0.6 0.4 0.5 0.6 0.4 0.4 0.7
"""


def expected(line):
    """Class, box and score of a line as they must be; None for one to leave out, "edge" where rounding decides."""
    try:
        values = [float(part) for part in line.split()]
    except ValueError:
        return None
    if len(values) < 5 or "_" in line or not all(map(math.isfinite, values)):
        return None
    label, numbers = values[0], values[1:]
    score = numbers.pop() if len(numbers) % 2 else None
    if label not in (0, 1) or not (score is None or 0 <= score <= 1) or max(values[1:5]) > 2 or min(values[1:5]) < -1:
        return None
    sides, area = box_of(numbers) if len(numbers) == 4 else outline_of(numbers)
    over = max(-sides[0], -sides[1], sides[2] - 1, sides[3] - 1)
    if abs(over - 0.01) < 2e-9 or 0 < area < 1e-9:
        return "edge"
    left, top, right, bottom = (min(max(side, 0), 1) for side in sides)
    if area == 0 or over > 0.01 or right <= left or bottom <= top:
        return None
    return int(label), (left * WIDTH, top * HEIGHT, (right - left) * WIDTH, (bottom - top) * HEIGHT), score


def box_of(numbers):
    x, y, across, down = numbers
    area = across * down if across > 0 and down > 0 else 0.0
    return [x - across / 2, y - down / 2, x + across / 2, y + down / 2], area


def outline_of(numbers):
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    if len(points) > 3 and points[0] == points[-1]:
        points.pop()
    inside = [(min(max(x, 0), 1), min(max(y, 0), 1)) for x, y in points]
    turns = zip(inside, [*inside[1:], inside[0]], strict=True)
    area = abs(math.fsum(a[0] * b[1] - a[1] * b[0] for a, b in turns)) / 2 if len(points) >= 3 else 0.0
    return [pick(each) for pick in (min, max) for each in zip(*points, strict=True)], area


def check_lines(content, found, bad):
    """Every line of a label file is kept as the oracle says, or stands in the quarantine by its number."""
    lines = decoded(content).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    numbered = {number: line for number, line in enumerate(lines, 1) if line.strip()}
    refused = [each["line"] for each in bad]
    assert len(found) + len(refused) == len(numbered), (content, refused)
    assert refused == sorted(set(refused))
    kept = [number for number in numbered if number not in refused]
    for number in refused:
        assert expected(numbered[number]) in (None, "edge"), numbered[number]
        assert numbered[number].strip().startswith(bad[refused.index(number)]["text"][:50].split("\\")[0])
    for number, annotation in zip(kept, found, strict=True):
        right = expected(numbered[number])
        assert right is not None, numbered[number]
        if right != "edge":
            assert (annotation["category_id"], annotation.get("score")) == (right[0], pytest.approx(right[2]))
            assert annotation["bbox"] == pytest.approx(right[1], abs=1e-4), numbered[number]


@pytest.mark.parametrize("jobs", [1, 2])
def test_yolo_label_files(folder, jobs):
    batch, picture = 300, image(folder / "grey.jpg").read_bytes()
    text(folder / "set/classes.txt", "card\nscratch\n")
    for number in range(batch):
        text(folder / f"set/images/{number:03}.jpg", picture)
    image(folder / "set/images/good.jpg")
    text(folder / "set/labels/good.txt", "0 0.5 0.5 0.2 0.4\n")
    for turn in cases(13 if jobs == 1 else 1):
        rng = generator(SEED, "yolo", jobs, turn)
        contents = [rng.choice([damaged_text, damaged_text, damaged])(YOLO.encode(), rng) for _ in range(batch)]
        for number, content in enumerate(contents):
            text(folder / f"set/labels/{number:03}.txt", content)
        _, out, lines = converted(folder / "set", folder / f"out{turn}.json", jobs=jobs)
        found, bad = by_image(out), {}
        for line in lines:
            bad.setdefault(line["file"], []).append(line)
        assert len(found) == batch + 1
        for number, content in enumerate(contents):
            check_lines(content, found[f"{number:03}.jpg"], bad.get(f"labels/{number:03}.txt", []))


def labelme(name):
    shapes = [
        {"label": "card", "points": [[80, 30], [120, 70]], "shape_type": "rectangle", "group_id": None, "flags": {}},
        {"label": "scratch", "points": [[20, 10], [60, 10], [60, 50]], "shape_type": "polygon", "flags": {}},
        {"label": "card", "points": [[50, 50], [60, 50]], "shape_type": "circle"},
    ]
    about = {
        "version": "5.5.0",
        "flags": {},
        "imagePath": name,
        "imageData": None,
        "imageWidth": WIDTH,
        "imageHeight": HEIGHT,
    }
    return orjson.dumps({**about, "shapes": shapes})


def voc(name):
    boxes = [("card", 80, 30, 120, 70), ("scratch", 20, 10, 60, 50), ("card", 0, 0, 200, 100)]
    return voc_xml(boxes, filename=name).encode()


@pytest.mark.parametrize(("kind", "write", "ending"), [("voc", voc, "xml"), ("labelme", labelme, "json")])
def test_label_files_of_an_image_each(folder, kind, write, ending):
    if kind not in FORMATS:
        pytest.skip(f"{kind} cannot be read")
    batch, picture = 100, image(folder / "grey.jpg").read_bytes()
    for turn in cases(15):
        rng = generator(SEED, kind, turn)
        shutil.rmtree(folder / "set", ignore_errors=True)
        harm = damaged_json if kind == "labelme" else damaged_text
        for number in range(batch):
            name = f"{number:03}.jpg"
            text(folder / "set" / name, picture)
            content = rng.choice([harm, harm, damaged])(write(name), rng)
            text(folder / f"set/{number:03}.{ending}", content)
        text(folder / "set/good.jpg", picture)
        text(folder / f"set/good.{ending}", write("good.jpg"))
        _, out, lines = converted(folder / "set", folder / f"out{turn}.json", from_=kind)
        found, bad = by_image(out), {}
        for line in lines:
            bad.setdefault(line["file"], []).append(line)
        assert len(found) == batch + 1
        assert len(found["good.jpg"]) + len(bad.get(f"good.{ending}", [])) == 3
        for number in range(batch):
            name = f"{number:03}.{ending}"
            content = (folder / "set" / name).read_bytes()
            labels = COUNTS[kind](content) if kind != "labelme" or b'"shapes"' in content else 0  # noted, as other JSON
            whole = any(line["line"] is None for line in bad.get(name, []))
            accounted = len(found[f"{number:03}.jpg"]) + len(bad.get(name, []))
            assert whole or accounted >= labels, content


def _in_xml(tag):
    def count(content):
        with contextlib.suppress(ElementTree.ParseError, LookupError, ValueError):
            return len(ElementTree.fromstring(content).findall(tag))
        return 1

    return count


def _in_json(*path):
    def count(content):
        try:
            value = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError:
            return 1
        for key in path:
            value = value.get(key, []) if isinstance(value, dict) else []
        return len(value) if isinstance(value, list) else 0

    return count


def _shapes(content):
    with contextlib.suppress(ElementTree.ParseError, LookupError, ValueError):
        root = ElementTree.fromstring(content)
        return sum(len(root.findall(f"./image/{tag}")) for tag in ("box", "polygon", "ellipse"))
    return 1


def _results(content):
    try:
        tasks = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return 1
    given = [task.get("annotations") for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
    first = [each[0].get("result") for each in given if isinstance(each, list) and each and isinstance(each[0], dict)]
    return sum(len(each) for each in first if isinstance(each, list))


def _rows(content):
    lines = [line for line in decoded(content).split("\n") if line.strip().strip(" ,;\t")]
    return len(lines) - 1 if b'"' not in content else 0


COUNTS = {
    "voc": _in_xml("object"),
    "labelme": _in_json("shapes"),
    "coco": _in_json("annotations"),
    "cvat": _shapes,
    "labelstudio": _results,
    "csv": _rows,
}


def coco_file(tmp):
    ring, parts = [[20, 10, 60, 10, 60, 50]], [[20, 10, 60, 10, 60, 50], [100, 20, 120, 20, 120, 40]]
    mask = {"size": [HEIGHT, WIDTH], "counts": [8030, 40, 60, 40, 11830]}
    annotations = [
        {"bbox": [80, 30, 40, 40], "score": 0.5},
        {"segmentation": ring, "image_id": 2},
        {"segmentation": parts, "category_id": 2},
        {"segmentation": mask, "iscrowd": 1},
        {"bbox": [0, 0, 200, 100], "keypoints": [10, 10, 2, 20, 20, 1], "num_keypoints": 2},
    ]
    images = [{"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT} for number in (1, 2, 3)]
    return coco(tmp / "seed.json", images=images, annotations=annotations).read_bytes()


def cvat_file(tmp):
    inside = cvat_box("card", 80, 30, 120, 70) + '<polygon label="scratch" points="20,10;60,10;60,50" z_order="0"/>'
    round_ = '<ellipse label="card" cx="100" cy="50" rx="20" ry="10"/>'
    more = cvat_box("card", 0, 0, 200, 100, 'rotation="30"', '<attribute name="side">front</attribute>')
    return cvat(tmp / "seed.xml", {"1.jpg": inside, "2.jpg": round_ + more, "3.jpg": ""}).read_bytes()


def labelstudio_file(tmp):
    tasks = [
        ("/data/upload/1/0123abcd-1.jpg", [percent("card", 80, 30, 120, 70), percent("scratch", 20, 10, 60, 50)]),
        ("s3://photos/2.jpg", [percent("card", 0, 0, 200, 100)]),
        ("3.jpg", []),
    ]
    return labelstudio(tmp / "seed.json", tasks).read_bytes()


def csv_file(tmp):
    rows = ["1.jpg,200,100,card,80,30,120,70", "1.jpg,200,100,scratch,20,10,60,50", "2.jpg,200,100,card,0,0,200,100"]
    return csv(tmp / "seed.csv", [*rows, "3.jpg,200,100,card,1.5,1.5,2.5,2.5"]).read_bytes()


@pytest.mark.parametrize(
    ("kind", "make", "name", "harm", "count"),
    [
        ("coco", coco_file, "set.json", damaged_json, 1500),
        ("cvat", cvat_file, "set.xml", damaged_text, 600),
        ("labelstudio", labelstudio_file, "set.json", damaged_json, 600),
        ("csv", csv_file, "set.csv", damaged_text, 600),
    ],
)
def test_label_files_of_many_images(folder, kind, make, name, harm, count):
    content, picture = make(folder), image(folder / "grey.jpg").read_bytes()
    for number in (1, 2, 3):
        text(folder / f"with/{number}.jpg", picture)
    for case in cases(count):
        rng = generator(SEED, kind, case)
        harmed = rng.choice([harm, harm, damaged])(content, rng)
        source = text(folder / rng.choice(["with", "without"]) / name, harmed)
        done = converted(source, folder / "out.json", from_=kind)
        if done is None:
            continue
        told = any("no list called annotations" in note or "does not carry" in note for note in done[0].notes)
        told |= any(line["reason"].startswith("the task") or line["text"].startswith("<image") for line in done[2])
        assert told or len(done[1]["annotations"]) + len(done[2]) >= COUNTS[kind](harmed), harmed
        (folder / "out.json").unlink()


CLASS_FILES = {
    "data.yaml": "path: .\ntrain: images\nval: [images, x]\nnc: 2\nnames: {0: card, '1': scratch}\nkpt_shape: [4, 3]\n",
    "classes.txt": "card\nscratch\n",
    "obj.names": "card\r\nscratch\r\n",
    "obj.data": "classes = 2\ntrain = train.txt\nnames = obj.names\nbackup = backup/\n",
    "notes.json": '{"categories": [{"id": 0, "name": "card"}, {"id": 1, "name": "scratch"}], "info": {}}',
    "train.txt": "images/a.jpg\n./images/b.jpg\n/x/images/c.jpg\nC:\\x\\images\\d.jpg\n",
}


def test_class_files_and_lists(folder):
    for case in cases(600):
        rng = generator(SEED, "classes", case)
        name = rng.choice(list(CLASS_FILES))
        shutil.rmtree(folder / "set", ignore_errors=True)
        image(folder / "set/images/a.jpg")
        text(folder / "set/labels/a.txt", YOLO)
        harm = rng.choice([damaged_text, damaged_text, damaged])
        text(folder / "set" / name, harm(CLASS_FILES[name].encode(), rng))
        done = converted(folder / "set", folder / "out.json")
        if done is not None:
            assert len(done[1]["annotations"]) + len(done[2]) == 5
            (folder / "out.json").unlink()


# images: Pillow, decoding all of a picture, says what its size is


def pictures():
    """Small images of every kind and with what may stand before the size."""
    base = Image.effect_noise((37, 23), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 300
    long = Image.Exif()
    long[0x010E] = "x" * 9000
    far = Image.Exif()
    far[0x010E] = "x" * 30_000
    far[0x0112] = 8
    options = {
        "plain.jpg": ("JPEG", {}),
        "exif.jpg": ("JPEG", {"exif": exif}),
        "long.jpg": ("JPEG", {"exif": long}),
        "icc.jpg": ("JPEG", {"icc_profile": b"i" * 5000, "comment": b"c" * 50}),
        "progressive.jpg": ("JPEG", {"progressive": True}),
        "exif_late.jpg": (
            "JPEG",
            {"exif": exif, "icc_profile": random.Random(0).randbytes(70_000), "comment": b"c" * 60_000},
        ),
        "exif_far.jpg": ("JPEG", {"exif": far}),
        "plain.png": ("PNG", {}),
        "exif_late.png": ("PNG", {"exif": exif, "icc_profile": random.Random(0).randbytes(9000)}),
        "exif.png": ("PNG", {"exif": exif}),
        "lossy.webp": ("WEBP", {}),
        "lossless.webp": ("WEBP", {"lossless": True}),
        "exif.webp": ("WEBP", {"exif": exif}),
        "plain.bmp": ("BMP", {}),
        "plain.tif": ("TIFF", {}),
        "exif.tif": ("TIFF", {"exif": exif}),
        "packed.tif": ("TIFF", {"compression": "tiff_lzw"}),
    }
    made = {}
    for name, (kind, more) in options.items():
        buffer = io.BytesIO()
        base.save(buffer, kind, **more)
        made[name] = buffer.getvalue()
    return made


def decoded_size(content):
    """The size of a picture that Pillow decodes whole, as people see it; None where it does not."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.size[0] * opened.size[1] > 1_000_000:
                return None
            opened.load()
            return ImageOps.exif_transpose(opened).size
    except Exception:  # noqa: BLE001 - whatever a decoder throws at bytes like these
        return None


def test_image_headers(folder, monkeypatch):
    monkeypatch.setenv("RCG_MAX_PIXELS", "1000000")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    seeds, kept, refused = pictures(), 0, 0
    for case in cases(3000):
        rng = generator(SEED, "image", case)
        name = rng.choice(list(seeds)) if case >= len(seeds) else list(seeds)[case]  # each as it is first
        head = rng.choice([40, 200, 12000])
        content = damaged(seeds[name][:head], rng) + seeds[name][head:] if case >= len(seeds) else seeds[name]
        path = text(folder / name, content)
        try:
            with at_most(20, (name, case)):
                size = read_size(path)
        except RcgError as error:
            size, fix = None, error.fix
        refused += size is None
        assert size is not None or fix, (name, case)
        right = decoded_size(content)
        if right is not None:
            assert size is not None, (name, case)
            turned = "exif" in name and case >= len(seeds)  # decoders differ on what a damaged EXIF block still says
            assert (size.width, size.height) in (right, right[:: -1 if turned else 1]), (name, case)
        kept += size is not None
    assert min(kept, refused) > 300
