"""Small sets of images and labels for the tests of rcg.annotations."""

import io
from pathlib import Path

import orjson
from PIL import Image


def image(path, size=(200, 100), *, kind=None, orientation=None, colour="grey"):
    """Write a small image; the ending says which kind unless `kind` does."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = kind or {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}.get(path.suffix.lower(), path.suffix[1:].upper())
    picture = Image.new("RGB", size, colour)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"exif": exif} if orientation else {}))
    path.write_bytes(buffer.getvalue())
    return path


def text(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def yolo(folder, labels, *, classes="card\nscratch\n", size=(200, 100)):
    """An ultralytics set: {"a.jpg": lines or None for no label file}."""
    folder = Path(folder)
    for name, content in labels.items():
        image(folder / "images" / name, size)
        if content is not None:
            text(folder / "labels" / Path(name).with_suffix(".txt"), content)
    if classes is not None:
        text(folder / "classes.txt", classes)
    return folder


def voc_xml(objects, *, size=(200, 100), filename="a.jpg", extra=""):
    """VOC's XML for [(name, left, top, right, bottom)]."""
    inside = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        f"{extra}</object>\n"
        for name, a, b, c, d in objects
    )
    return (
        f"<annotation><filename>{filename}</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
        f"<depth>3</depth></size>\n{inside}</annotation>\n"
    )


def coco(path, *, images=None, annotations=(), categories=((1, "card"), (2, "scratch"))):
    """A COCO file; annotations are dicts that get an id and a bbox unless they bring them."""
    images = [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}] if images is None else images
    full = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 30], **annotation}
        for number, annotation in enumerate(annotations, 1)
    ]
    value = {
        "images": images,
        "annotations": [{key: value for key, value in each.items() if value != "left out"} for each in full],
        "categories": [{"id": number, "name": name} for number, name in categories],
    }
    return text(path, orjson.dumps(value, option=orjson.OPT_INDENT_2))


def read(path):
    return orjson.loads(Path(path).read_bytes())


def quarantined(conversion):
    return [orjson.loads(line) for line in conversion.quarantine.read_bytes().splitlines()]


def boxes(coco_json):
    """{file name: [(label, bbox rounded to 1e-6, score)]} of a COCO file."""
    value = read(coco_json) if isinstance(coco_json, str | Path) else coco_json
    names = {each["id"]: each["name"] for each in value["categories"]}
    files = {each["id"]: each["file_name"] for each in value["images"]}
    found = {name: [] for name in files.values()}
    for each in value["annotations"]:
        bbox = [round(number, 6) for number in each["bbox"]]
        found[files[each["image_id"]]].append((names[each["category_id"]], bbox, each.get("score")))
    return found
