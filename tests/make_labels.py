"""Small sets of images and labels for the tests of rcg.annotations."""

import io
from dataclasses import replace
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


def labelme(path, shapes, *, size=(200, 100), image_path="a.jpg", **extra):
    """LabelMe's JSON for shapes, which are dicts or (label, left, top, right, bottom)."""
    full = [
        {"label": "card", "shape_type": "rectangle", "group_id": None, "flags": {}, **shape}
        if isinstance(shape, dict)
        else {"label": shape[0], "shape_type": "rectangle", "points": [list(shape[1:3]), list(shape[3:])]}
        for shape in shapes
    ]
    value = {"version": "5.5.0", "flags": {}, "shapes": full, "imagePath": image_path, "imageData": None}
    value |= {"imageHeight": size[1], "imageWidth": size[0], **extra}
    return text(path, orjson.dumps(value, option=orjson.OPT_INDENT_2))


def cvat(path, images, *, labels=("card", "scratch"), size=(200, 100)):
    """CVAT's XML: {"a.jpg": the XML of its shapes}; a tuple adds attributes of the image."""
    listed = "".join(f"<label><name>{name}</name></label>" for name in labels)
    parts = [f"<annotations><version>1.1</version><meta><task><labels>{listed}</labels></task></meta>"]
    for number, (name, inside) in enumerate(images.items()):
        inside, more = inside if isinstance(inside, tuple) else (inside, "")
        head = f'<image id="{number}" name="{name}" width="{size[0]}" height="{size[1]}" {more}'
        parts.append(f"{head}>\n{inside}\n</image>" if inside else f"{head}/>")
    return text(path, "\n".join(['<?xml version="1.0" encoding="utf-8"?>', *parts, "</annotations>\n"]))


def cvat_box(label, left, top, right, bottom, more="", inside=""):
    place = f'xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"'
    return f'<box label="{label}" occluded="0" {place} {more}>{inside}</box>'


def percent(label, left, top, right, bottom, *, size=(200, 100), **extra):
    """One of Label Studio's results: a rectangle."""
    across, down = size
    value = {"x": left / across * 100, "y": top / down * 100, "rotation": 0, "rectanglelabels": [label]}
    value |= {"width": (right - left) / across * 100, "height": (bottom - top) / down * 100}
    return {
        "id": f"{label}{left}{top}", "type": "rectanglelabels", "value": value, "original_width": across,
        "original_height": down, "image_rotation": 0, "from_name": "label", "to_name": "image", **extra,
    }  # fmt: skip


def labelstudio(path, tasks):
    """Label Studio's JSON: [(address of the image, results)] or whole tasks."""
    full = [
        task
        if isinstance(task, dict)
        else {"id": number, "data": {"image": task[0]}, "annotations": [{"id": number, "result": list(task[1])}]}
        for number, task in enumerate(tasks, 1)
    ]
    return text(path, orjson.dumps(full, option=orjson.OPT_INDENT_2))


def csv(path, rows, *, header="filename,width,height,class,xmin,ymin,xmax,ymax"):
    return text(path, "\n".join([*([header] if header else []), *rows]) + "\n")


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


def same_as_exact(source):
    """Whether columns and the exact reader say the same of every image, line and note of a source."""
    names = source.labels.names
    quick, exact = (read(source.items, names) for read in (source.read.block, source.read.exact))
    assert list(map(_rounded, quick.block.each(names))) == list(map(_rounded, exact.block.each(names)))
    assert quick.bad == exact.bad
    assert sorted(quick.notes) == sorted(exact.notes)
    assert (quick.images, quick.unknown, quick.unscored) == (exact.images, exact.unknown, exact.unscored)
    return quick


def _rounded(record):
    """A record with its areas rounded: sums in another order differ in the last digit."""
    found = (replace(each, area=None if each.area is None else round(each.area, 6)) for each in record.annotations)
    return replace(record, annotations=tuple(found))
