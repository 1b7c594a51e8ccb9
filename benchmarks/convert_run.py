"""One conversion by one tool in a process of its own, measured; bench_convert.py starts it, RCG's and the peers' alike.

    python convert_run.py REQUEST.json

The request names tool, task, set, a warm-up set of a few images (it loads what is imported late) and the output
folder. The answer, a JSON object on standard output, holds CPU seconds with those of child processes, seconds of wall
time, and the peak of memory. Only the standard library is imported here: the peers' environment holds no RCG.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

Convert = Callable[[Path, Path, dict], None]  # set, output folder, options


def floor(data: Path, out: Path, options: dict) -> None:
    """Open each image, read its first 4 KiB, read its label file, and write as many bytes as the result has."""
    images, labels = os.fspath(data / "images/train"), os.fspath(data / "labels/train")
    share = b" " * options.get("bytes", 1500)
    with (out / "out.json").open("wb") as target:
        for name in sorted(os.listdir(images)):  # noqa: PTH208 - the fastest way
            for path, size in ((f"{images}/{name}", 4096), (f"{labels}/{name[:-4]}.txt", 1 << 20)):
                handle = os.open(path, os.O_RDONLY)
                os.read(handle, size)
                os.close(handle)
            target.write(share)


def write_floor(data: Path, out: Path, options: dict) -> None:
    """Read the COCO file, and write as many label files as there are images, with as many bytes."""
    whole = (data / "coco/set.json").read_bytes()
    names = re.findall(rb'"file_name": ?"([^"]+)"', whole)
    (out / "yolo").mkdir()
    inside = os.open(out / "yolo", os.O_RDONLY)
    for name in names:
        handle = os.open(name[:-4] + b".txt", os.O_CREAT | os.O_WRONLY, dir_fd=inside)
        os.write(handle, b" " * options.get("bytes", 400))
        os.close(handle)
    os.close(inside)


def rcg(data: Path, out: Path, options: dict) -> None:
    import inspect

    import rcg as library
    from rcg.progress import lines

    given = {"fresh": True} if "fresh" in inspect.signature(library.convert).parameters else {}
    if options["task"] == "coco-yolo":
        source, target, given["to"] = data / "coco/set.json", out / "yolo", "yolo"
    else:
        source, target = data, out / "out.json"
    if "images" in options:
        given["images"] = options["images"]
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - the meter at work, unseen
        library.convert(source, target, jobs=options.get("jobs", 1), report=lines(stream=nowhere), **given)


def naive_polygons(data: Path, out: Path, options: dict) -> None:
    """What one writes in an afternoon: a loop over lines with floats, and json.dump at its end."""
    from PIL import Image

    images, annotations = [], []
    for path in sorted((data / "images/train").iterdir()):
        with Image.open(path) as picture:
            width, height = picture.size
        images.append({"id": len(images) + 1, "file_name": path.name, "width": width, "height": height})
        for line in (data / "labels/train" / f"{path.stem}.txt").read_text().splitlines():
            label, *values = line.split()
            xs = [float(value) * width for value in values[::2]]
            ys = [float(value) * height for value in values[1::2]]
            area = 0.0
            for i in range(len(xs)):
                area += xs[i - 1] * ys[i] - xs[i] * ys[i - 1]
            entry = {"id": len(annotations) + 1, "image_id": len(images), "category_id": int(label), "iscrowd": 0}
            entry["bbox"] = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
            entry["segmentation"] = [[value for point in zip(xs, ys, strict=True) for value in point]]
            annotations.append({**entry, "area": abs(area) / 2})
    categories = [{"id": i, "name": name} for i, name in enumerate(options["names"])]
    with (out / "out.json").open("w") as file:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, file)


def yolococo(data: Path, out: Path, options: dict) -> None:
    from yolococo import coco_to_yolo_files, yolo_to_coco

    if options["task"] == "coco-yolo":
        coco_to_yolo_files(data / "coco/set.json", out / "yolo", out / "classes.txt")
        return
    made = yolo_to_coco(data / "images/train", data / "labels/train", data / "classes.txt")
    with (out / "out.json").open("w", encoding="utf-8") as file:  # as its command line writes it
        json.dump(made, file, ensure_ascii=False, indent=2)


def globox(data: Path, out: Path, options: dict) -> None:
    from globox import AnnotationSet

    task = options["task"]
    if task == "yolo":
        found = AnnotationSet.from_yolo_v5(data / "labels/train", image_folder=data / "images/train")
    elif task == "voc":
        found = AnnotationSet.from_pascal_voc(data)
    elif task == "labelme":
        found = AnnotationSet.from_labelme(data)
    else:
        AnnotationSet.from_coco(data / "coco/set.json").save_yolo_darknet(
            out / "yolo", label_to_id={name: number for number, name in enumerate(options["names"])}
        )
        return
    found.save_coco(out / "out.json", auto_ids=True)


def labelformat(data: Path, out: Path, options: dict) -> None:
    from labelformat.formats import (
        COCOInstanceSegmentationOutput,
        COCOObjectDetectionInput,
        COCOObjectDetectionOutput,
        PascalVOCObjectDetectionInput,
        YOLOv8InstanceSegmentationInput,
        YOLOv8ObjectDetectionInput,
        YOLOv8ObjectDetectionOutput,
    )

    task, target = options["task"], out / "out.json"
    if task == "yolo":
        read = YOLOv8ObjectDetectionInput(data / "data.yaml", "train")
        COCOObjectDetectionOutput(target).save(read)
    elif task == "polygons":
        masks = YOLOv8InstanceSegmentationInput(data / "data.yaml", "train")
        COCOInstanceSegmentationOutput(target).save(masks)
    elif task == "voc":
        COCOObjectDetectionOutput(target).save(PascalVOCObjectDetectionInput(data, ",".join(options["names"])))
    else:
        (out / "yolo").mkdir()
        write = YOLOv8ObjectDetectionOutput(out / "yolo/data.yaml", "train")
        write.save(COCOObjectDetectionInput(data / "coco/set.json"))


def supervision(data: Path, out: Path, options: dict) -> None:
    from supervision import DetectionDataset

    task, pictures = options["task"], str(data / "images/train")
    if task == "yolo":
        found = DetectionDataset.from_yolo(pictures, str(data / "labels/train"), str(data / "data.yaml"))
    elif task == "voc":
        found = DetectionDataset.from_pascal_voc(str(data), str(data))
    elif task == "labelme":
        found = DetectionDataset.from_labelme(str(data), str(data))
    else:
        found = DetectionDataset.from_coco(pictures, str(data / "coco/set.json"))
        found.as_yolo(annotations_directory_path=str(out / "yolo"), data_yaml_path=str(out / "data.yaml"))
        return
    found.as_coco(annotations_path=str(out / "out.json"))


def datumaro(data: Path, out: Path, _: dict) -> None:
    from datumaro import Dataset

    Dataset.import_from(str(data), "yolo").export(str(out), "coco_instances", save_media=False)
    next(out.glob("annotations/*.json")).rename(out / "out.json")


TOOLS: dict[str, Convert] = {
    "floor": floor,
    "rcg": rcg,
    "naive": naive_polygons,
    "yolococo": yolococo,
    "globox": globox,
    "labelformat": labelformat,
    "supervision": supervision,
    "datumaro": datumaro,
}
PEERS = {
    "yolo": ("yolococo", "globox", "labelformat", "supervision", "datumaro"),
    "polygons": ("labelformat",),
    "voc": ("globox", "labelformat", "supervision"),
    "labelme": ("globox", "supervision"),
    "coco-yolo": ("yolococo", "globox", "labelformat", "supervision"),
}


def cpu_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def peak_mb() -> float:
    """The most memory that this program held, not what forked it: ru_maxrss would count the parent's."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", status.read_text())):
        return int(found[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def measured(request: dict) -> dict:
    convert = TOOLS[request["tool"]]
    if (request["tool"], request["task"]) == ("floor", "coco-yolo"):
        convert = write_floor
    out = Path(request["out"])
    if "warm" in request:
        (out / "warm").mkdir(parents=True)
        convert(Path(request["warm"]), out / "warm", {**request, "jobs": 1})
    (out / "made").mkdir(parents=True)
    before, began, imported = cpu_s(), time.perf_counter(), peak_mb()
    convert(Path(request["set"]), out / "made", request)
    seconds = time.perf_counter() - began
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return {"cpu": cpu_s() - before, "wall": seconds, "peak": peak_mb(), "before": imported, "children": children}


def version(tool: str) -> str | None:
    try:
        importlib.import_module(tool)
        from importlib.metadata import version as of

        return of(tool)
    except ImportError:
        return None


def main() -> None:
    answer = os.dup(1)  # what a tool prints is not part of it
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    request = json.loads(Path(sys.argv[1]).read_text())
    try:
        with contextlib.redirect_stdout(None):
            found = (
                {name: version(name) for name in request["versions"]} if "versions" in request else measured(request)
            )
    except Exception as error:  # noqa: BLE001 - a peer that fails is told as such in the table
        found = {"error": f"{type(error).__name__}: {error}"[:300]}
    os.write(answer, json.dumps(found).encode())


if __name__ == "__main__":
    main()
