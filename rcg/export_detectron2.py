"""Exports a dataset for Detectron2: COCO JSON by split, images, settings for Faster and Mask R-CNN, and a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rcg.annotations import CocoWriter
from rcg.annotations.split import SPLITS
from rcg.datasets import Dataset
from rcg.export_detectron2_script import SCRIPT
from rcg.export_folder import ExportFolder, Names
from rcg.exporting import Exported, check_splits, split_records
from rcg.progress import Report, counted, tracked
from rcg.types import ImageRecord, LabelSet

_EPOCHS, _BATCH = 24, 2
_RATE_PER_IMAGE = 0.02 / 16  # what Detectron2's own settings for FPN use, by images a step
FASTER, MASK = "faster_rcnn_R_50_FPN", "mask_rcnn_R_50_FPN"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the labelled images hold: images by split, annotations by split, and what they have.

    Attributes:
        images: Images by split.
        count: "unlabelled" images; "annotations", and of these "outlined" and "masks" (outlines as masks).
    """

    images: Counter[str]
    count: Counter[str]

    @property
    def without_outline(self) -> int:
        """Annotations that a Mask R-CNN could not learn from."""
        return self.count["annotations"] - self.count["outlined"]


def export_detectron2(dataset: Dataset, path: Path, copy: bool, report: Report) -> Exported:
    """Write the folder; arguments as `rcg.exporting.export`."""
    held = _look(split_records(dataset))
    check_splits(dataset, held.images)
    labels = LabelSet(dataset.labels.names, keypoints=dataset.labels.keypoints).renumbered(1)
    names = Names()
    with ExportFolder(path, home=dataset.workspace, copy=copy) as out:
        with ExitStack() as stack:
            files = {
                split: stack.enter_context(CocoWriter(out.file(f"annotations/{split}.json"), labels))
                for split in SPLITS if held.images[split]
            }  # fmt: skip
            records = tracked(split_records(dataset), task="exporting", total=len(dataset.names()), report=report)
            for record in records:
                if record.labelled:
                    name = names.of(record.file_name)
                    out.image(f"images/{name}", dataset.images / record.file_name)
                    files[record.split or "train"].add(_renamed(record, name))
        configs = {
            FASTER: settings(labels, held.images, masks=False, name=dataset.name),
            MASK: settings(labels, held.images, masks=True, name=dataset.name, bitmask=bool(held.count["masks"])),
        }
        for name, values in configs.items():
            out.write(f"configs/{name}.yaml", yaml_text(values))
        out.write("train.py", SCRIPT)
        notes = tuple(_notes(held))
        out.write("README.md", _readme(dataset, held, configs, notes))
    return Exported(
        path=path, to="detectron2", images=sum(held.images.values()), annotations=held.count["annotations"],
        notes=(f"the command stands in {path / 'README.md'}", *notes),
    )  # fmt: skip


def _renamed(record: ImageRecord, name: str) -> ImageRecord:
    """The image under its name in the export, numbered anew and without what is RCG's own."""
    return ImageRecord(file_name=name, width=record.width, height=record.height, annotations=record.annotations)


def _look(records: Iterable[ImageRecord]) -> _Held:
    images, count = Counter[str](), Counter[str]()
    for record in records:
        if not record.labelled:
            count["unlabelled"] += 1
            continue
        images[record.split or ""] += 1
        count["annotations"] += len(record.annotations)
        count["outlined"] += sum(bool(each.polygons or each.rle) for each in record.annotations)
        count["masks"] += sum(each.rle is not None and not each.polygons for each in record.annotations)
    return _Held(images=images, count=count)


def settings(
    labels: LabelSet, images: Mapping[str, int], *, masks: bool, name: str, bitmask: bool = False
) -> dict[str, object]:
    """The settings of a training, by the names that Detectron2 gives them.

    Args:
        labels: The classes.
        images: Images by split; the steps follow from those of train.
        masks: Whether it is a Mask R-CNN.
        name: The dataset's name, for that of its parts.
        bitmask: Whether some outlines are masks, which polygons cannot carry.
    """
    steps = max(300, -(-_EPOCHS * images["train"] // _BATCH))
    outlines: dict[str, object] = {"MODEL.ROI_MASK_HEAD.NAME": "MaskRCNNConvUpsampleHead"}
    outlines |= {"MODEL.ROI_MASK_HEAD.NUM_CONV": 4, "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION": 14}
    outlines |= {"INPUT.MASK_FORMAT": "bitmask" if bitmask else "polygon"}
    return {
        "MODEL.META_ARCHITECTURE": "GeneralizedRCNN",
        "MODEL.WEIGHTS": "detectron2://ImageNetPretrained/MSRA/R-50.pkl",
        "MODEL.MASK_ON": masks,
        "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
        "MODEL.RESNETS.DEPTH": 50,
        "MODEL.RESNETS.OUT_FEATURES": ["res2", "res3", "res4", "res5"],
        "MODEL.FPN.IN_FEATURES": ["res2", "res3", "res4", "res5"],
        "MODEL.ANCHOR_GENERATOR.SIZES": [[32], [64], [128], [256], [512]],
        "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [[0.5, 1.0, 2.0]],
        "MODEL.RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
        "MODEL.RPN.PRE_NMS_TOPK_TRAIN": 2000,
        "MODEL.RPN.PRE_NMS_TOPK_TEST": 1000,
        "MODEL.RPN.POST_NMS_TOPK_TRAIN": 1000,
        "MODEL.RPN.POST_NMS_TOPK_TEST": 1000,
        "MODEL.ROI_HEADS.NAME": "StandardROIHeads",
        "MODEL.ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
        "MODEL.ROI_HEADS.NUM_CLASSES": len(labels.names),
        "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
        "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        **(outlines if masks else {}),
        "INPUT.MIN_SIZE_TRAIN": [640, 672, 704, 736, 768, 800],
        "DATASETS.TRAIN": [f"{name}_train"],
        "DATASETS.TEST": [f"{name}_val"],
        "DATALOADER.FILTER_EMPTY_ANNOTATIONS": False,  # they were looked at, and nothing is there
        "SOLVER.IMS_PER_BATCH": _BATCH,
        "SOLVER.BASE_LR": _RATE_PER_IMAGE * _BATCH,
        "SOLVER.MAX_ITER": steps,
        "SOLVER.STEPS": [2 * steps // 3, 8 * steps // 9],
        "SOLVER.WARMUP_ITERS": min(1000, steps // 10),
        "SOLVER.CHECKPOINT_PERIOD": max(100, steps // 10),
        "TEST.EVAL_PERIOD": max(100, steps // 10),
        "OUTPUT_DIR": f"output/{MASK if masks else FASTER}",
        "VERSION": 2,
    }


def yaml_text(values: Mapping[str, object]) -> str:
    """Dotted names as a YAML file with a section each."""
    import yaml

    tree: dict[str, object] = {}
    for key, value in values.items():
        *above, last = key.split(".")
        place = tree
        for part in above:
            place = place.setdefault(part, {})  # type: ignore[assignment]  # sections are dicts
        place[last] = value
    body = yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=120)
    return f"# written by RCG; the names are those of detectron2/config/defaults.py\n{body}"


def _notes(held: _Held) -> Iterator[str]:
    if unlabelled := held.count["unlabelled"]:
        yield f"{counted(unlabelled, 'image')} without labels left out: they are unlabelled, not empty"
    if held.without_outline:
        share = f"{held.without_outline:,} of {held.count['annotations']:,} annotations have none"
        yield f"Mask R-CNN learns from outlines, and {share}: train.py says so and stops; Faster R-CNN trains"
    if not held.images["test"]:
        yield "no labelled image is in the test split"


def _readme(dataset: Dataset, held: _Held, configs: Iterable[str], notes: Iterable[str]) -> str:
    counts = ", ".join(f"{split} {held.images[split]:,}" for split in SPLITS)
    commands = [f"python train.py --config-file configs/{name}.yaml" for name in configs]
    lines = [
        f"# {dataset.name} for Detectron2",
        "",
        f"Labelled images: {counts}. Version {dataset.version(complete=False).id[:12]}.",
        "",
        "```",
        *commands,
        "```",
        "",
        "Run it in this folder. `--resume` goes on after a stop, `--eval-only` measures, `--split test` does so on the",
        "test images; `NAME VALUE` pairs at the end change settings. The settings are for one GPU; without one it runs",
        "on the CPU, for hours.",
        "",
        "Detectron2 is installed from its source, for the torch that is there:",
        "`python -m pip install 'git+https://github.com/facebookresearch/detectron2.git' --no-build-isolation`.",
        "RCG neither needs nor installs it.",
        "",
        "Training begins at ImageNet weights, which Detectron2 fetches once. Without a network it says so and begins",
        "at random weights, which takes many more images and steps; `MODEL.WEIGHTS FILE` names weights on the disk.",
        "",
        "Categories count from 1 in the order of the dataset's classes. `iscrowd` is kept. An image with no annotation",
        "was looked at: it is background.",
        *([""] if notes else []),
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines) + "\n"
