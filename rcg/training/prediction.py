"""Predict with a trained run: images in, records with scores out, one after another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from rcg.annotations.split import SPLITS
from rcg.errors import ConfigError, DataError, RcgError, RunError
from rcg.files import atomic, explain
from rcg.images import Pixels, list_images, read_size
from rcg.progress import Report, Tick, silent
from rcg.runs import Run
from rcg.training.cache import decode
from rcg.training.checkpoints import Checkpoints
from rcg.training.config import TrainConfig
from rcg.types import BadLine, ImageRecord, LabelSet

if TYPE_CHECKING:
    from rcg.datasets import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a run found in images.

    Attributes:
        run: The run's name.
        labels: Its classes.
        records: One record an image, with the predictions and their scores as annotations, best first.
        unreadable: Images that could not be read, with the reason.
    """

    run: str
    labels: LabelSet
    records: tuple[ImageRecord, ...]
    unreadable: tuple[BadLine, ...] = ()

    def write(self, path: str | Path) -> Path:
        """Write a COCO results file: a list of {image_id, file_name, category_id, label, bbox, score}.

        Args:
            path: Where to; it appears whole or not at all.
        """
        ids = dict(zip(self.labels.names, self.labels.ids, strict=True))
        rows: list[dict[str, Any]] = [
            {
                "image_id": record.image_id,
                "file_name": record.file_name,
                "category_id": ids[each.label],
                "label": each.label,
                "bbox": [each.box.x, each.box.y, each.box.width, each.box.height],
                "score": each.score,
            }
            for record in self.records
            for each in record.annotations
        ]
        with atomic(path) as out:
            out.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return Path(path)


class Predictor:
    """A run's network, ready to look at images; loading it once serves many calls.

    Args:
        run: The run.

    Raises:
        RunError: If the run has no sound checkpoint.
    """

    def __init__(self, run: Run) -> None:
        import torch

        from rcg.training.start import choose_device
        from rcg.training.trainer import build_network

        self.run = run
        self.config = TrainConfig.saved(run.config(), where=run.path)
        best = Checkpoints(run.checkpoints).best()
        if best is None:
            fix = f"train it: rcg train --resume {run.name}"
            raise RunError("the run has no checkpoint to predict with", where=run.path, fix=fix)
        self.checkpoint = best
        content = best.read()
        self.labels = LabelSet(tuple(content["labels"]))
        self.device = torch.device(choose_device("auto"))
        self.model = build_network(self.config, len(self.labels.names), like=content["start"]).model
        self.model.load_state_dict(content["model"])
        self.model.to(self.device).eval()

    def stream(
        self,
        records: Iterable[ImageRecord],
        folder: Path,
        *,
        score: float = 0.0,
        task: str = "predict",
        total: int | None = None,
        report: Report = silent,
        unreadable: list[BadLine] | None = None,
    ) -> Iterator[ImageRecord]:
        """Predictions for each record, in the order they come; a few images are held at a time.

        Args:
            records: The images with their sizes; their annotations are not looked at.
            folder: What their file names are relative to.
            score: Predictions below it are left out.
            task: The name that the meter shows.
            total: How many records come, where known.
            report: Where the progress goes.
            unreadable: Gets the images that cannot be decoded; they raise where it is None.
        """
        from rcg.training.detect import detect

        held: dict[int, Pixels] = {}

        def readable() -> Iterator[ImageRecord]:
            for each in records:
                record = replace(each)  # an object of its own, also where one image comes twice
                try:
                    held[id(record)] = decode(folder / record.file_name, self.config.image_size or 0)
                except RcgError as error:
                    if unreadable is None:
                        raise
                    unreadable.append(BadLine(file=record.file_name, line=None, reason=error.what))
                else:
                    yield record

        report(Tick(task=task, done=0, total=total))
        found = detect(
            self.model,
            readable(),
            lambda record: held.pop(id(record)),
            self.labels,
            device=self.device,
            score=score,
        )
        for done, record in enumerate(found, start=1):
            yield record
            report(Tick(task=task, done=done, total=total))


def predict(
    run: Run,
    images: str | Path | Sequence[str | Path] | Dataset,
    *,
    split: str | None = None,
    score: float = 0.05,
    report: Report = silent,
) -> Predictions:
    """Find what a run has learned in images, with its best checkpoint.

    Args:
        run: The run.
        images: A folder, an image, a list of images, or a dataset; an image that a list names twice counts once.
        split: Of a dataset, only the images of "train", "val" or "test"; all by default.
        score: Predictions below it are left out, 0 to 1.
        report: Where the progress goes.

    Returns:
        The predictions; `Predictions.write` makes a COCO results file of them, and
        `dataset.write_predictions(run.name, predictions.records)` stores those of a dataset.

    Raises:
        ConfigError: If the score is not between 0 and 1, or there is no such split.
        DataError: If there are no images.
        RunError: If the run has no checkpoint.
    """
    if not 0 <= score <= 1:
        raise ConfigError(f"the score {score:g} is not between 0 and 1", where="score", fix="write 0.05, say")
    if split is not None and (split not in SPLITS or isinstance(images, str | Path | Sequence)):
        fix = f"write {', '.join(SPLITS)}" if split not in SPLITS else "give the dataset, or leave the split out"
        what = f"there is no split {split!r}" if split not in SPLITS else "only a dataset has splits"
        raise ConfigError(what, where="split", fix=fix)
    unreadable: list[BadLine] = []
    folder, records = _records(images, split, unreadable)
    if not records and split is not None:
        fix = "predict on another split, or add photos of more cards"
        raise DataError(f"the {split} split has no images", where=folder.parent.name, fix=fix)
    if not records:
        what = "there are no images to predict on"
        if unreadable:
            what += f": {len(unreadable):,} cannot be read, such as {unreadable[0].file} ({unreadable[0].reason})"
        raise DataError(what, where=folder, fix="name an image, or a folder that holds .jpg or .png files")
    predictor = Predictor(run)
    found = tuple(
        predictor.stream(records, folder, score=score, total=len(records), report=report, unreadable=unreadable)
    )
    return Predictions(run=run.name, labels=predictor.labels, records=found, unreadable=tuple(unreadable))


def _records(
    images: str | Path | Sequence[str | Path] | Dataset, split: str | None, unreadable: list[BadLine]
) -> tuple[Path, list[ImageRecord]]:
    """The folder and the images in it, with ids from 1 in the order of their names."""
    from rcg.datasets import Dataset as Opened

    if isinstance(images, Opened):
        own = images.heads()
        splits = None if split is None else images.splits()
        return images.images, [each for each in own if splits is None or splits.of(each.file_name) == split]
    if isinstance(images, str | Path):
        place = Path(images)
        if not place.exists():
            raise explain(FileNotFoundError(), place)
        folder, names = (place, list(list_images(place))) if place.is_dir() else (place.parent, [place.name])
    else:
        folder, names = _listed([Path(each) for each in images])
    sized = []
    for name in names:
        try:
            sized.append((name, read_size(folder / name)))
        except RcgError as error:
            unreadable.append(BadLine(file=name, line=None, reason=error.what))
    return folder, [
        ImageRecord(file_name=name, width=size.width, height=size.height, labelled=False, image_id=number)
        for number, (name, size) in enumerate(sized, start=1)
    ]


def _listed(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    if not paths:
        raise DataError("the list of images is empty", fix="name at least one image")
    whole = [each.absolute() for each in paths]
    folder = Path(os.path.commonpath([each.parent for each in whole]))
    return folder, sorted({each.relative_to(folder).as_posix() for each in whole})
