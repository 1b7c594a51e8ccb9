"""The training script that stands in an export for Detectron2; it is run there, not here."""

from __future__ import annotations

SCRIPT = '''\
"""Train Faster or Mask R-CNN on this folder with Detectron2.

    python train.py --config-file configs/faster_rcnn_R_50_FPN.yaml [--resume] [--eval-only] [--split test]
                    [--num-gpus 2] [NAME VALUE ...]
"""

import json
import os
import sys
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import DefaultTrainer, default_argument_parser, default_setup, launch
from detectron2.evaluation import COCOEvaluator
from detectron2.utils.file_io import PathManager

HERE = Path(__file__).resolve().parent


class Trainer(DefaultTrainer):
    """Detectron2's usual training, evaluated with COCO's numbers."""

    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        return COCOEvaluator(dataset_name, output_dir=os.path.join(cfg.OUTPUT_DIR, "inference"))


def read_settings(args):
    """The settings of the file, with those of the command line over them."""
    cfg = get_cfg()
    cfg.merge_from_file(args.config_file)
    cfg.merge_from_list(args.opts)
    name = cfg.DATASETS.TRAIN[0].rpartition("_")[0]
    if args.split:
        cfg.DATASETS.TEST = (f"{name}_{args.split}",)
    if not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    if cfg.MODEL.MASK_ON:
        check_outlines()
    if not (args.resume or args.eval_only):
        check_weights(cfg)
    cfg.freeze()
    default_setup(cfg, args)
    for file in sorted((HERE / "annotations").glob("*.json")):
        register_coco_instances(f"{name}_{file.stem}", {}, str(file), str(HERE / "images"))
    return cfg


def check_outlines():
    """Stop where a Mask R-CNN has nothing to learn its masks from."""
    for file in sorted((HERE / "annotations").glob("*.json")):
        labels = json.loads(file.read_text())["annotations"]
        missing = sum(not each["segmentation"] for each in labels)
        if missing:
            sys.exit(
                f"{missing} of {len(labels)} annotations in {file.name} have no outline, and Mask R-CNN learns from "
                "outlines. Label them as polygons and export again, or train with configs/faster_rcnn_R_50_FPN.yaml."
            )


def check_weights(cfg):
    """Begin at random weights where the pretrained ones cannot be had, and say so."""
    if not cfg.MODEL.WEIGHTS:
        return
    try:
        found = os.path.isfile(PathManager.get_local_path(cfg.MODEL.WEIGHTS))
        reason = "there is no such file"
    except OSError as error:  # no network
        found, reason = False, str(error)
    if found:
        return
    print(f"The weights {cfg.MODEL.WEIGHTS} cannot be had: {reason}.")
    print("The training begins at random weights and needs many more images and steps.")
    print("To begin at weights on the disk, add: MODEL.WEIGHTS FILE")
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.BACKBONE.FREEZE_AT = 0  # nothing in it is worth keeping
    cfg.MODEL.RESNETS.NORM = "GN"  # frozen statistics would be those of no image


def main(args):
    cfg = read_settings(args)
    if args.eval_only:
        model = Trainer.build_model(cfg)
        last = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
        last.resume_or_load(cfg.MODEL.WEIGHTS, resume="MODEL.WEIGHTS" not in args.opts)
        return Trainer.test(cfg, model)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


if __name__ == "__main__":
    parser = default_argument_parser()
    parser.add_argument("--split", default="", help="the images to evaluate on: train, val or test")
    arguments = parser.parse_args()
    launch(
        main,
        arguments.num_gpus if torch.cuda.is_available() else 1,
        num_machines=arguments.num_machines,
        machine_rank=arguments.machine_rank,
        dist_url=arguments.dist_url,
        args=(arguments,),
    )
'''
