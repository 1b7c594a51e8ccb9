"""Between measured surfaces and datasets: frames of a dataset's captures, and defects as its predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rcg.captures import capture_folder, captures
from rcg.datasets import Dataset
from rcg.errors import DataError
from rcg.progress import Report, silent
from rcg.surface_files import SurfaceReport, read_surface

PREDICTIONS = "photometric"


def frames_folder(frames: str | Path, workspace: Any = None) -> Path:
    """The folder of frames that a person named: a path, or DATASET/CARD of the workspace's captures.

    Args:
        frames: As it was written.
        workspace: An `rcg.Workspace`; None knows no datasets.

    Raises:
        DataError: If it is neither.
    """
    path = Path(frames).expanduser()
    if path.is_dir():
        return path.absolute()
    dataset, _, card = str(frames).partition("/")
    known = [] if workspace is None else [each for each in workspace.datasets() if each.name == dataset]
    if not known or not card:
        fix = "name a folder with one frame for each light, or DATASET/CARD of a dataset with captures"
        raise DataError("there is no such folder of frames", where=frames, fix=fix)
    place = capture_folder(known[0], card)
    if not place.is_dir():
        have = captures(known[0])
        fix = f"it has {', '.join(have[:3])}{' ...' if len(have) > 3 else ''}" if have else "it has no captures"
        raise DataError(f"the dataset {dataset} has no capture {card!r}", where=known[0].path, fix=fix)
    return place


def add_defects(surface: str | Path, dataset: Dataset, *, card: str | None = None, report: Report = silent) -> Path:
    """Add the defects of a measurement to a dataset, as predictions named "photometric".

    Args:
        surface: The folder that was measured.
        dataset: Where to; the picture is added too unless it is there: that of the capture, or the albedo.
        card: The name of the card; that of the frames' folder where left out.
        report: Where progress goes.

    Returns:
        The file of the predictions; those of other pictures stay in it.

    Raises:
        DataError: If there is no measurement, or the picture in the dataset has another size.
    """
    from rcg.photometric.defects import to_records

    told = read_surface(surface)
    name = card or told.frames.name
    file_name = _picture_in(dataset, told, name, report)
    size = next(each for each in dataset.heads() if each.file_name == file_name)
    if (size.width, size.height) != (told.width, told.height):
        what = f"its picture there is {size.width} x {size.height} pixels, the frames {told.width} x {told.height}"
        raise DataError(what, where=file_name, fix="give the card another name")
    mine = to_records(told.defects, file_name=file_name, width=told.width, height=told.height, card=size.card)
    known: Sequence[Any] = ()
    if PREDICTIONS in dataset.prediction_names():
        known = dataset.records("predictions", name=PREDICTIONS)
    kept = [each for each in known if each.file_name != file_name]
    return dataset.write_predictions(PREDICTIONS, [*kept, mine])


def _picture_in(dataset: Dataset, told: SurfaceReport, name: str, report: Report) -> str:
    """The picture of a capture in a dataset; added where it is not there yet."""
    wanted = (f"{name}_capture.png", f"{name}.png")
    for each in wanted:
        if each in dataset.names():
            return each
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / wanted[0]
        path.write_bytes((told.out / "albedo.png").read_bytes())
        dataset.add([path], report=report)
    found = [each for each in dataset.names() if each == wanted[0]]
    if not found:
        raise DataError("the picture of this capture could not be added", where=dataset.path, fix="look at quarantine")
    return found[0]
