"""Exports for other tools: what Detectron2 and Ultralytics look for, whole or not at all, the dataset untouched."""

import ast
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rcg.annotations import open_annotations
from rcg.annotations.mapping import ClassMap
from rcg.errors import Cancelled, ConfigError, DataError, RcgError
from rcg.export_detectron2 import FASTER, MASK
from rcg.export_folder import Names
from rcg.exporting import export, targets
from rcg.files import read_json
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Polygon, Rle
from rcg.workspace import Workspace
from tests.test_versions import fill, label

RING = Polygon(((2.0, 2.0), (30.0, 2.0), (30.0, 20.0)))

# The settings that the export writes and its script sets, with their kinds, as detectron2/config/defaults.py of
# facebookresearch/detectron2 has them at commit 084acd0f781f217e8d7b93a0099b08fce82cd88f. The values of the FPN
# are those of configs/Base-RCNN-FPN.yaml and configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml there.
DEFAULTS = {
    "VERSION": int,
    "MODEL.META_ARCHITECTURE": str, "MODEL.WEIGHTS": str, "MODEL.MASK_ON": bool, "MODEL.DEVICE": str,
    "MODEL.BACKBONE.NAME": str, "MODEL.BACKBONE.FREEZE_AT": int,
    "MODEL.RESNETS.DEPTH": int, "MODEL.RESNETS.OUT_FEATURES": list, "MODEL.RESNETS.NORM": str,
    "MODEL.FPN.IN_FEATURES": list,
    "MODEL.ANCHOR_GENERATOR.SIZES": list, "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": list,
    "MODEL.RPN.IN_FEATURES": list, "MODEL.RPN.PRE_NMS_TOPK_TRAIN": int, "MODEL.RPN.PRE_NMS_TOPK_TEST": int,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": int, "MODEL.RPN.POST_NMS_TOPK_TEST": int,
    "MODEL.ROI_HEADS.NAME": str, "MODEL.ROI_HEADS.IN_FEATURES": list, "MODEL.ROI_HEADS.NUM_CLASSES": int,
    "MODEL.ROI_BOX_HEAD.NAME": str, "MODEL.ROI_BOX_HEAD.NUM_FC": int, "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": int,
    "MODEL.ROI_MASK_HEAD.NAME": str, "MODEL.ROI_MASK_HEAD.NUM_CONV": int,
    "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": int,
    "INPUT.MIN_SIZE_TRAIN": tuple, "INPUT.MASK_FORMAT": str,
    "DATASETS.TRAIN": tuple, "DATASETS.TEST": tuple,
    "DATALOADER.FILTER_EMPTY_ANNOTATIONS": bool,
    "SOLVER.IMS_PER_BATCH": int, "SOLVER.BASE_LR": float, "SOLVER.MAX_ITER": int, "SOLVER.STEPS": tuple,
    "SOLVER.WARMUP_ITERS": int, "SOLVER.CHECKPOINT_PERIOD": int,
    "TEST.EVAL_PERIOD": int,
    "OUTPUT_DIR": str,
}  # fmt: skip


def records(special=(), count=24, labels=("card", "stain")):
    """Images with a box of each class; the first is empty, the second unlabelled, then the special ones."""
    found = {0: (), 1: (), **dict(enumerate(special, 2))}
    for n in range(count):
        each = found.get(n, tuple(label(name, x=float(n)) for name in labels))
        yield ImageRecord(file_name=f"c{n:02d}.png", width=60, height=40, annotations=each, labelled=n != 1)


@pytest.fixture
def ws(tmp_path):
    return Workspace(tmp_path / "ws")


@pytest.fixture
def cards(ws):
    made = fill(ws.create("cards", type="custom"), records())
    made.correct("c05.png", before=label("card", x=5.0), after=label("card", x=9.0), source="test")
    return made


def settings_of(folder, name):
    """A settings file with dotted names."""
    found = {}

    def walk(tree, above):
        for key, value in tree.items():
            if isinstance(value, dict):
                walk(value, [*above, key])
            else:
                found[".".join([*above, key])] = value

    walk(yaml.safe_load((folder / "configs" / f"{name}.yaml").read_text()), [])
    return found


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in sorted(folder.rglob("*")) if ".cache" not in path.parts}  # fmt: skip


def test_detectron2_gets_coco_by_split_with_linked_images(ws, cards):
    before = snapshot(cards.path)
    done = export(cards, to="detectron2")
    assert done.path == ws.path / "exports" / "cards-detectron2"
    assert (done.images, done.annotations) == (23, 44)
    assert {file.name for file in done.path.iterdir()} == {
        ".rcg-export.json", "README.md", "annotations", "configs", "images", "train.py",
    }  # fmt: skip
    seen = {}
    for split in ("train", "val", "test"):
        coco = read_json(done.path / "annotations" / f"{split}.json")
        assert coco["categories"] == [
            {"id": n, "name": name, "supercategory": ""} for n, name in ((1, "card"), (2, "stain"))
        ]
        assert [image["id"] for image in coco["images"]] == list(range(1, len(coco["images"]) + 1))
        assert len({each["id"] for each in coco["annotations"]}) == len(coco["annotations"])
        assert {each["category_id"] for each in coco["annotations"]} <= {1, 2}
        for image in coco["images"]:
            link = done.path / "images" / image["file_name"]
            assert link.is_symlink()
            assert link.samefile(cards.images / image["file_name"])
            assert cards.splits().of(image["file_name"]) == split
            seen[image["file_name"]] = [each for each in coco["annotations"] if each["image_id"] == image["id"]]
    assert set(seen) == {f"c{n:02d}.png" for n in range(24)} - {"c01.png"}
    assert seen["c00.png"] == []
    assert sorted(each["bbox"][0] for each in seen["c05.png"]) == [5.0, 9.0]
    assert snapshot(cards.path) == before


def test_pycocotools_reads_what_detectron2_will_read(cards):
    from pycocotools.coco import COCO

    done = export(cards, to="detectron2")
    coco = COCO(str(done.path / "annotations" / "train.json"))
    assert sorted(coco.getCatIds()) == [1, 2]
    assert coco.imgToAnns


def test_all_settings_are_ones_that_detectron2_has(ws):
    outlined = [(label("card", polygons=(RING,)),)] * 22
    made = fill(ws.create("outlined", type="custom"), records(outlined))
    done = export(made, to="detectron2")
    for name in (FASTER, MASK):
        found = settings_of(done.path, name)
        assert set(found) <= set(DEFAULTS)
        for key, value in found.items():
            kind = list if DEFAULTS[key] is tuple else DEFAULTS[key]
            assert type(value) is kind, key
        assert found["MODEL.MASK_ON"] is (name == MASK)
        assert found["MODEL.ROI_HEADS.NUM_CLASSES"] == 1
        assert len(found["MODEL.RESNETS.OUT_FEATURES"]) == len(found["MODEL.FPN.IN_FEATURES"]) == 4
        assert len(found["MODEL.ANCHOR_GENERATOR.SIZES"]) == len(found["MODEL.RPN.IN_FEATURES"]) == 5
        assert found["SOLVER.STEPS"] == sorted(found["SOLVER.STEPS"])
        assert found["SOLVER.STEPS"][-1] < found["SOLVER.MAX_ITER"]
        assert found["SOLVER.BASE_LR"] == pytest.approx(0.02 / 16 * found["SOLVER.IMS_PER_BATCH"])
        assert found["DATASETS.TRAIN"] == ["outlined_train"]
    assert settings_of(done.path, MASK)["INPUT.MASK_FORMAT"] == "polygon"


def test_the_script_compiles_and_sets_what_detectron2_has(cards):
    folder = export(cards, to="detectron2").path
    tree = ast.parse((folder / "train.py").read_text())
    compile(tree, "train.py", "exec")
    used = {ast.unparse(node).removeprefix("cfg.") for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("cfg.")}  # fmt: skip
    used = {each for each in used if each.isupper() and not any(other.startswith(f"{each}.") for other in used)}
    assert used
    assert used <= set(DEFAULTS)
    readme = (folder / "README.md").read_text()
    for words in ("installed from its source", "RCG neither needs nor installs it", f"configs/{FASTER}.yaml"):
        assert words in readme


def run_script(folder, tmp_path, config):
    """The exported script, with a stand-in that has Detectron2's names, takes the settings, and has no network."""
    stand_in = {
        "detectron2/__init__.py": "",
        "detectron2/checkpoint.py": "class DetectionCheckpointer: pass",
        "detectron2/config.py": STAND_IN_CONFIG,
        "detectron2/data/__init__.py": "",
        "detectron2/data/datasets.py": "def register_coco_instances(*given):\n    print('registered', given[0])",
        "detectron2/engine.py": STAND_IN_ENGINE,
        "detectron2/evaluation.py": "class COCOEvaluator: pass",
        "detectron2/utils/__init__.py": "",
        "detectron2/utils/file_io.py": (
            "class PathManager:\n    @staticmethod\n    def get_local_path(path):\n        raise OSError('no network')"
        ),
    }
    for name, text in stand_in.items():
        (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / name).write_text(text)
    command = [sys.executable, "train.py", "--config-file", f"configs/{config}.yaml", "SOLVER.MAX_ITER", "5"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "lib")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_script_runs_with_the_names_that_detectron2_has(cards, tmp_path):
    done = run_script(export(cards, to="detectron2").path, tmp_path, FASTER)
    assert done.returncode == 0, done.stderr
    for words in ("cannot be had: no network", "begins at random weights", "registered cards_train",
                  "registered cards_val", "trained with '' GN 0 5"):  # fmt: skip
        assert words in done.stdout


STAND_IN_CONFIG = """
import yaml
class Node(dict):
    def __getattr__(self, name): return self.setdefault(name, Node())
    def __setattr__(self, name, value): self[name] = value
    def freeze(self): pass
    def merge(self, tree):
        for key, value in tree.items():
            getattr(self, key).merge(value) if isinstance(value, dict) else self.__setitem__(key, value)
    def merge_from_file(self, path): self.merge(yaml.safe_load(open(path)))
    def merge_from_list(self, pairs):
        for key, value in zip(pairs[::2], pairs[1::2]):
            *above, last = key.split(".")
            node = self
            for part in above: node = getattr(node, part)
            node[last] = yaml.safe_load(value)
def get_cfg(): return Node()
"""
STAND_IN_ENGINE = """
import argparse
class DefaultTrainer:
    def __init__(self, cfg): self.cfg = cfg
    def resume_or_load(self, resume): assert resume is False
    def train(self):
        model, steps = self.cfg.MODEL, self.cfg.SOLVER.MAX_ITER
        print("trained with", repr(model.WEIGHTS), model.RESNETS.NORM, model.BACKBONE.FREEZE_AT, steps)
def default_argument_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config-file")
    for name in ("--resume", "--eval-only"): parser.add_argument(name, action="store_true")
    for name in ("--num-gpus", "--num-machines"): parser.add_argument(name, type=int, default=1)
    parser.add_argument("--machine-rank", type=int, default=0)
    parser.add_argument("--dist-url", default="")
    parser.add_argument("opts", nargs=argparse.REMAINDER)
    return parser
def default_setup(cfg, args): pass
def launch(main, gpus, num_machines, machine_rank, dist_url, args): main(*args)
"""


@pytest.mark.parametrize(
    ("special", "form", "missing"),
    [
        ([], "polygon", "44 of 44"),
        ([(label("card", polygons=(RING,)),)] * 21, "polygon", "2 of 23"),
        ([(label("card", polygons=(RING,)),)] * 22, "polygon", ""),
        (
            [(label("card", rle=Rle(40, 60, (100, 20, 2280))),), *[(label("card", polygons=(RING,)),)] * 21],
            "bitmask",
            "",
        ),
    ],
    ids=["boxes", "mixed", "outlines", "masks"],
)
def test_mask_rcnn_says_where_outlines_are_missing(ws, special, form, missing, tmp_path):
    made = fill(ws.create("cards", type="custom"), records(special))
    done = export(made, to="detectron2")
    assert settings_of(done.path, MASK)["INPUT.MASK_FORMAT"] == form
    said = f"Mask R-CNN learns from outlines, and {missing} annotations have none"
    for text in (" ".join(done.notes), (done.path / "README.md").read_text()):
        assert (said in text) is bool(missing)
    ran = run_script(done.path, tmp_path, MASK)
    assert ("have no outline" in ran.stderr) is bool(missing)
    assert (ran.returncode == 1) is bool(missing)


def test_crowds_are_kept_for_detectron2(ws):
    special = [(label("card"), label("card", x=1.0, crowd=True))] * 22
    done = export(fill(ws.create("cards", type="custom"), records(special)), to="detectron2")
    crowds = [each["iscrowd"] for each in read_json(done.path / "annotations" / "train.json")["annotations"]]
    assert 0 < sum(crowds) == len(crowds) / 2


def label_path(image):
    """Where Ultralytics looks for the labels of an image: the last folder called images, replaced by labels."""
    before, after = str(image).rsplit("/images/", 1)
    return Path(f"{before}/labels/{after}".rsplit(".", 1)[0] + ".txt")


def test_ultralytics_finds_the_labels_of_every_image(cards):
    before = snapshot(cards.path)
    done = export(cards, to="ultralytics")
    data = yaml.safe_load((done.path / "data.yaml").read_text())
    assert "path" not in data
    assert (data["nc"], data["names"]) == (2, {0: "card", 1: "stain"})
    images = sorted((done.path / "images").rglob("*.*"))
    assert len(images) == done.images == 23
    assert "c01" not in " ".join(map(str, images))
    for image in images:
        split = image.relative_to(done.path / "images").parts[0]
        assert data[split] == f"images/{split}"
        assert cards.splits().of(image.name) == split
        rows = label_path(image).read_text().splitlines()
        want = next(each for each in cards.records() if each.file_name == image.name).annotations
        assert len(rows) == len(want)
        for row, each in zip(rows, want, strict=True):
            number, x, y, width, height = map(float, row.split())
            assert data["names"][int(number)] == each.label
            assert (x * 60 - each.box.width / 2, y * 40 - each.box.height / 2) == pytest.approx(
                (each.box.x, each.box.y)
            )
            assert (width * 60, height * 40) == pytest.approx((each.box.width, each.box.height))
    assert label_path(done.path / "images" / cards.splits().of("c00.png") / "c00.png").read_text() == ""
    assert "yolo detect train data=data.yaml" in (done.path / "README.md").read_text()
    assert snapshot(cards.path) == before


def test_rcg_reads_its_export_for_ultralytics_back(cards):
    done = export(cards, to="ultralytics")
    bad = []
    back = {record.file_name.rpartition("/")[2]: record for record in open_annotations(done.path).records(bad.append)}
    assert not bad
    for record in cards.records():
        if record.labelled:
            there = back[record.file_name]
            assert there.split == cards.splits().of(record.file_name)
            assert [each.label for each in there.annotations] == [each.label for each in record.annotations]


POINTS = Keypoints(((1.0, 2.0, 2), (3.0, 4.0, 1), (5.0, 6.0, 0), (70.0, 8.0, 2)))


@pytest.mark.parametrize(
    ("special", "task", "losses", "columns"),
    [
        ([], "detect", {}, {5}),
        ([(label("card", polygons=(RING,)),)] * 22, "segment", {}, {7}),
        ([(label("card", polygons=(RING, RING)),)] * 22, "segment", {}, {17}),
        ([(label("card", polygons=(RING,)),)] * 3, "detect", {"polygons": 3}, {5}),
        ([(label("card", rle=Rle(40, 60, (100, 20, 2280))),)] * 22, "detect", {"mask": 22}, {5}),
        ([(label("card", crowd=True),), (label("card", crowd=True), label("stain"))], "detect", {"crowd": 2}, {5}),
        ([(label("card", keypoints=POINTS), label("card"))] * 22, "pose", {}, {17}),
    ],
    ids=["boxes", "outlines", "two outlines", "mixed", "masks", "crowds", "keypoints"],
)
def test_ultralytics_gets_the_task_that_the_labels_allow(ws, special, task, losses, columns):
    made = fill(ws.create("cards", type="custom"), records(special))
    done = export(made, to="ultralytics")
    assert f"task {task}" in done.notes[0]
    assert done.losses == losses
    assert f"yolo {task} train" in (done.path / "README.md").read_text()
    rows = [row.split() for file in (done.path / "labels").rglob("*.txt") for row in file.read_text().splitlines()]
    assert len(rows) == done.annotations
    assert {len(row) for row in rows} == columns
    assert all(0 <= float(value) <= 1 for row in rows for value in row[1:5])
    data = yaml.safe_load((done.path / "data.yaml").read_text())
    assert data.get("kpt_shape") == ([4, 3] if task == "pose" else None)


def test_names_that_clash_are_kept_apart(ws):
    names = ["a.jpg", "a.png", "A.png", "x/images/b.jpg", "x/b.jpg", "images/c.jpg", "c.jpg", "lot/c.jpg"]
    made = ws.create("cards", type="custom", card_pattern=r"^(.*)$")
    found = [ImageRecord(file_name=name, width=60, height=40, annotations=(label("card", x=float(n)),))
             for n, name in enumerate(names)]  # fmt: skip
    fill(made, found)
    done = export(made, to="ultralytics")
    images = [path for path in (done.path / "images").rglob("*") if path.is_symlink()]
    assert len(images) == len(names)
    files = {label_path(path) for path in images}
    assert len({str(path).casefold() for path in files}) == len(names)
    for path in images:
        own = path.resolve().relative_to(made.images.resolve()).as_posix()
        x = float(label_path(path).read_text().split()[1]) * 60 - 10
        assert round(x) == names.index(own)
    assert "got another name" in " ".join(done.notes)
    coco = export(made, to="detectron2").path
    listed = [each["file_name"] for split in ("train", "val", "test")
              for each in read_json(coco / "annotations" / f"{split}.json")["images"]]  # fmt: skip
    assert len(set(listed)) == len(names)
    assert all((coco / "images" / name).exists() for name in listed)
    assert Names().of("lot/a.jpg") == "lot/a.jpg"


def test_copies_are_the_export_s_own(cards):
    done = export(cards, to="ultralytics", copy=True)
    image = next((done.path / "images").rglob("*.png"))
    assert not image.is_symlink()
    image.write_bytes(b"changed")
    assert (cards.images / image.name).read_bytes() != b"changed"
    assert "are links" not in (done.path / "README.md").read_text()


def test_a_second_export_replaces_only_what_the_first_wrote(cards):
    done = export(cards, to="detectron2")
    (done.path / "output").mkdir()
    (done.path / "output" / "model_final.pth").write_bytes(b"weights")
    (done.path / "images" / "stale.png").write_bytes(b"x")
    cards.map_classes(ClassMap({"stain": "mark"}))
    again = export(cards, to="detectron2")
    assert [each["name"] for each in read_json(again.path / "annotations" / "val.json")["categories"]] == [
        "card",
        "mark",
    ]
    assert (again.path / "output" / "model_final.pth").read_bytes() == b"weights"
    assert not (again.path / "images" / "stale.png").exists()
    assert [path.name for path in again.path.parent.iterdir()] == ["cards-detectron2"]
    other = export(cards, to="ultralytics")
    assert other.path.is_dir()
    assert (again.path / "train.py").exists()


def test_a_folder_that_no_export_wrote_is_refused_and_left_alone(cards, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    assert export(cards, mine, to="ultralytics").images == 23
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("years")
    with pytest.raises(DataError, match="no export wrote it"):
        export(cards, own, to="ultralytics")
    assert [path.name for path in own.iterdir()] == ["thesis.txt"]
    with pytest.raises(DataError, match="a file stands"):
        export(cards, own / "thesis.txt", to="detectron2")
    for inside in (cards.path, cards.images / "x", cards.path.parent):
        with pytest.raises(ConfigError, match="in the dataset itself"):
            export(cards, inside, to="ultralytics")


def test_an_export_that_is_stopped_or_fails_leaves_the_former_one(cards):
    first = export(cards, to="ultralytics").path
    before = snapshot(first)

    def stop(tick):
        if tick.done > 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(cards, to="ultralytics", report=stop)
    assert snapshot(first) == before
    (cards.images / "c09.png").unlink()
    with pytest.raises(RcgError) as caught:
        export(cards, to="ultralytics")
    assert caught.value.where.endswith("c09.png")
    assert sorted(first.rglob("*")) == list(before)
    assert [path.name for path in first.parent.iterdir()] == ["cards-ultralytics"]


def test_what_a_killed_export_left_in_the_old_folder_comes_back(cards):
    done = export(cards, to="detectron2")
    (done.path / "output").mkdir()
    (done.path / "output" / "weights.pth").write_bytes(b"weights")
    done.path.rename(done.path.parent / ".cards-detectron2.dead-1-1.x.part.old")
    again = export(cards, to="detectron2")
    assert (again.path / "output" / "weights.pth").read_bytes() == b"weights"
    assert [path.name for path in again.path.parent.iterdir()] == ["cards-detectron2"]


def test_a_missing_image_without_labels_holds_nothing_up(cards):
    (cards.images / "c01.png").unlink()
    assert export(cards, to="ultralytics").images == 23
    assert export(cards, to="detectron2").images == 23


def test_the_workspace_can_be_moved_with_its_exports(cards, tmp_path):
    done = export(cards, to="ultralytics")
    outside = export(cards, tmp_path / "outside", to="ultralytics")
    moved = tmp_path / "moved"
    cards.workspace.rename(moved)
    images = list((moved / "exports").rglob("*.png"))
    assert len(images) == done.images
    assert all(path.exists() for path in images)
    assert not any(path.exists() for path in outside.path.rglob("*.png"))


def test_what_cannot_be_trained_on_is_refused_with_the_way_out(ws):
    empty = ws.create("empty", type="custom")
    with pytest.raises(DataError, match="holds no images"):
        export(empty, to="coco")
    plain = fill(
        ws.create("plain", type="custom"), [replace(each, annotations=(), labelled=False) for each in records()]
    )
    for to in ("detectron2", "ultralytics"):
        with pytest.raises(DataError, match="has no classes"):
            export(plain, to=to)
    few = [replace(each, labelled=False, annotations=()) for each in records()]
    one = fill(ws.create("one", type="custom"), [*few[:-1], *list(records())[-1:]])
    with pytest.raises(DataError, match=r"split has no labelled images"):
        export(one, to="detectron2")
    with pytest.raises(ConfigError) as caught:
        export(one, to="detectron")
    assert caught.value.fix == "write detectron2"
    with pytest.raises(ConfigError, match="labels alone"):
        export(one, to="coco", copy=True)


NOT_HERE = ("detectron2", "ultralytics", "yolo-pose")  # the last asks for keypoints


@pytest.mark.parametrize("to", [name for name in targets() if name not in NOT_HERE])
def test_every_label_format_is_written_with_corrections_and_splits(cards, to):
    done = export(cards, to=to)
    assert done.path.exists()
    assert done.path.parent == cards.workspace / "exports"
    assert done.images == 24
    bad = []
    back = open_annotations(done.path, images=cards.images)
    found = {record.file_name: record for record in back.records(bad.append)}
    assert not bad
    kept = sorted(each.box.x for each in found["c05.png"].annotations)
    assert kept == pytest.approx([5.0, 9.0], abs=0.6)
    assert not found["c01.png"].labelled or to in ("voc", "csv")
    export(cards, to=to)


def test_boxes_are_those_of_the_dataset_exactly(cards):
    done = export(cards, to="coco")
    bad = []
    source = open_annotations(done.path, format="coco", images=cards.images, trusted=True)
    back = [replace(record, image_id=None, split=None) for record in source.records(bad.append)]
    assert back == [replace(record, image_id=None, split=None) for record in cards.records()]
    assert Annotation(label="card", box=Box(9.0, 6.0, 20.0, 10.0)) in back[5].annotations


@pytest.mark.parametrize(("to", "name"), [("coco", "photo.jpg"), ("coco", "notes.txt"), ("csv", "data.json"),
                                          ("yolo", "photo.png"), ("coco", "folder")])  # fmt: skip
def test_labels_are_not_written_over_files_of_another_kind(cards, tmp_path, to, name):
    target = tmp_path / name
    target.mkdir() if name == "folder" else target.write_text("years")
    with pytest.raises(ConfigError) as caught:
        export(cards, target, to=to)
    assert caught.value.fix
    assert target.is_dir() or target.read_text() == "years"
    assert export(cards, tmp_path / "new.json", to="coco").images
    assert export(cards, tmp_path / "new.json", to="coco").images
