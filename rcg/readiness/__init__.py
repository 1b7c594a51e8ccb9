"""Whether a dataset can be trained on, what it is fit for, and what to mend first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rcg.annotations import open_annotations
from rcg.datasets import PREDICTIONS, Dataset
from rcg.progress import Report, counted, silent
from rcg.readiness.dataset_checks import dataset_findings
from rcg.readiness.findings import GO, NOTE, STOP, WARN, Finding, finding, in_order, verdict_of
from rcg.readiness.fitting import Fit, fits
from rcg.readiness.image_checks import ImageFigures, card_leaks, image_checks
from rcg.readiness.label_checks import Names, doubtful, label_findings
from rcg.readiness.report import Readiness, Stage, check_target
from rcg.readiness.statistics import box_figures, class_figures, shape_figures
from rcg.readiness.tiers import reached, read_tiers, tier_report
from rcg.table import Table, table_of
from rcg.types import BadLine


def validate(source: Dataset | str | Path, *, measure: bool = False, report: Report = silent) -> Readiness:
    """Look at a dataset, or at a label file or folder, and say whether it can be trained on.

    It opens image files only as far as their headers, and reads those of equal length to tell copies; it takes seconds.

    Args:
        source: A dataset, or a path that `convert` can read.
        measure: For a dataset, whether to take what takes longer: the quality of images that was not measured yet, and
            a few real training steps, to tell how long a training takes on this machine.
        report: Where the progress goes.

    Raises:
        RcgError: If it cannot be read at all.
    """
    if isinstance(source, Dataset):
        return _of_dataset(source, measure=measure, report=report)
    return _of_path(Path(source), report)


def _of_dataset(dataset: Dataset, *, measure: bool, report: Report) -> Readiness:
    table = table_of(dataset)
    files, about_files = image_checks(dataset, table, measure=measure, report=report)
    found = [*dataset_findings(dataset, table), *about_files, *card_leaks(dataset)]
    name = dataset.name
    if measure and dataset.type.architectures and verdict_of(found) != STOP and table.annotations:
        from rcg.training.timing import measure_step

        measure_step(dataset, report=report)
    names = Names(
        look=f"look at them, and correct them: rcg browse {name}",
        more=f"rcg dataset add {name} --labels FILE_OR_FOLDER",
        rename=f"rcg dataset map {name} OLD=NEW",
    )
    timed = fits(dataset, table)
    if timed and timed[0].chosen and timed[0].epoch_s is None and verdict_of(found) != STOP:
        what = "how long a training takes on this machine was not measured"
        found.append(finding(NOTE, "time_unknown", what, f"rcg validate {name} --measure"))
    return _made(name, table, found, names, dataset=dataset, files=files, fits=timed, stages=_stages(dataset, table))


def _stages(dataset: Dataset, table: Table) -> tuple[Stage, ...]:
    """How far each kind of labels reaches."""
    stages = [Stage(name="ground truth", images=int(table.labelled.sum()), annotations=table.annotations)]
    if table.corrected.any():
        inside = int(table.counts[table.corrected].sum())
        stages.append(Stage(name="corrections", images=int(table.corrected.sum()), annotations=inside))
    for name in dataset.prediction_names():
        those = table_of(dataset, PREDICTIONS, name=name)
        images = int((those.labelled | (those.counts > 0)).sum())
        stages.append(Stage(name=f"predictions {name}", images=images, annotations=those.annotations))
    return tuple(stages)


def _of_path(path: Path, report: Report) -> Readiness:
    """The report on labels that are in no dataset."""
    bad: list[BadLine] = []
    source = open_annotations(path)
    table = Table.of_blocks(source.blocks(bad.append, report=report), source.labels.names)
    names = Names(look=f"label these images again, in {path}", more=f"add label files to {path}")
    found = []
    if bad:
        places = (f"{line.file}:{line.line}" if line.line else line.file for line in bad)
        what = f"{counted(len(bad), 'line or file', 'lines or files')} cannot be used; the first: {bad[0].reason}"
        found.append(finding(WARN, "quarantine", what, "mend or remove them", places))
    stages = (Stage(name="ground truth", images=int(table.labelled.sum()), annotations=table.annotations),)
    return _made(str(path), table, found, names, stages=stages)


def _made(
    source: str,
    table: Table,
    found: Sequence[Finding],
    names: Names,
    *,
    stages: tuple[Stage, ...],
    dataset: Dataset | None = None,
    files: ImageFigures | None = None,
    fits: tuple[Fit, ...] = (),
) -> Readiness:
    classes = class_figures(table)
    doubts = doubtful(table) if table.annotations else {}
    every = in_order([*found, *label_findings(table, classes, names, doubts)])
    noise = np.logical_or.reduce([marks for _, marks, *_ in doubts.values()]).mean() if doubts else 0.0
    has = reached(table, classes, noise=float(noise))
    return Readiness(
        source=source,
        type="" if dataset is None else dataset.type.name,
        verdict=verdict_of(every),
        images=len(table),
        cards=len(table.card_names),
        labelled=int(table.labelled.sum()),
        empty=int(table.empty.sum()),
        annotations=table.annotations,
        per_label=table.per_label(),
        per_split=table.per_split(),
        stages=stages,
        classes=classes,
        boxes=box_figures(table),
        shapes=shape_figures(table),
        files=files,
        findings=every,
        fits=fits,
        tier=tier_report(has, read_tiers(None if dataset is None else dataset.workspace), classes),
        table=table,
    )


__all__ = ["GO", "NOTE", "STOP", "WARN", "Finding", "Fit", "Readiness", "Stage", "check_target", "validate"]
