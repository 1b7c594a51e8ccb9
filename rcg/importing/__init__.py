"""Adding images and labels to a dataset: copied or linked, by stage, nothing lost and nothing doubled.

The originals are only read. What was added before a stop or a crash stays valid, and the same call again goes on from
there: images that are in the dataset already, byte for byte, are not added twice, and what did not change since it was
added is not opened again.
"""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from rcg.annotations.source import Earlier
from rcg.datasets import GROUND_TRUTH, Dataset
from rcg.files import stamp_of
from rcg.importing.archives import is_archive
from rcg.importing.call import Call, How, Images
from rcg.importing.given import WORK, ready
from rcg.importing.index import AddedIndex
from rcg.importing.result import Added
from rcg.importing.run import Import
from rcg.importing.sources import PlainImages, Recognised, open_source, recognise
from rcg.progress import Report, silent


def add(
    dataset: Dataset,
    images: Images = None,
    labels: str | Path | None = None,
    *,
    stage: str = GROUND_TRUTH,
    name: str | None = None,
    how: How | None = None,
    report: Report = silent,
) -> Added:
    """Add images and their labels to a dataset.

    Args:
        dataset: What to add to.
        images: A folder of images, a list of image files, a .txt file that lists them, or a .zip or .tar archive. None
            takes those that the labels speak of: the dataset's own.
        labels: A label file, a folder of them, or an archive; None looks for labels in or beside `images`.
        stage: "ground_truth" or "predictions".
        name: The name of a set of predictions; that of the label file by default.
        how: What to read the labels as, what becomes of their classes, whether to link, and whether to take out where
            photos were taken.
        report: Where the progress goes; a `Cancelled` from it keeps what was added so far.

    Returns:
        What was added and what was left out.

    Raises:
        RcgError: If nothing can be read, an archive is refused, somebody else writes, or the disk is full.
    """
    stage = stage.replace("-", "_")
    call = Call.of(images, labels, stage=stage, name=name, how=how or How())
    if stage != GROUND_TRUTH and name is None:
        stem = Path(str(call.labels or call.shown)).stem
        call = Call.of(images, labels, stage=stage, name=_tidy(stem), how=call.how)
    dataset.labels_file(stage, call.name)  # refuses an unknown stage before anything is read
    with dataset.writing(f"adding images from {call.shown}") as out:
        truth = stamp_of(dataset.labels_file())
        with AddedIndex(dataset.cache / "added.sqlite", call.key, truth=truth) as index:
            if (done := _known_archive(dataset, call, index)) is not None:
                return done
            with ready(call, dataset.images / WORK, report=report) as given:
                own = dataset.images if truth is not None and given.images is None else None
                source = open_source(given, call, own=own, earlier=_earlier(index))
                return Import(out, source, call, given, index).run(report)


def _tidy(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")


def _earlier(index: AddedIndex) -> Earlier | None:
    if not index.signature:
        return None
    names = tuple(orjson.loads(index.signature)[1])
    return Earlier(names=names, unchanged=lambda path: (known := index.label_stamp(path)) is not None
                   and known == stamp_of(path))  # fmt: skip


def _known_archive(dataset: Dataset, call: Call, index: AddedIndex) -> Added | None:
    """What an archive brought that is as it was when all of it was added; it need not be unpacked again."""
    if not isinstance(call.images, Path) or not is_archive(call.images) or call.labels is not None:
        return None
    found = orjson.loads(index.outcome) if index.outcome else None
    stamp = stamp_of(call.images)
    if found is None or stamp is None or found.pop("stamp") != list(stamp) or found["dropped"]:
        return None
    if call.stage != GROUND_TRUTH or (call.how.remove_gps and found["places"]):
        return None
    if not all((dataset.images / name).exists() for name in index.kept()):
        return None
    notes = ("the archive is as it was when it was added, so nothing was read again",)
    return Added(**found, new=0, quarantine=None, notes=notes, unchanged=found["images"])


__all__ = ["Added", "How", "PlainImages", "Recognised", "add", "recognise"]
