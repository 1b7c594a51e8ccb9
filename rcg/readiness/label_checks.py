"""Doubts about labels that the table alone can tell: missing, doubled, odd, rare, outside of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.split import SPLITS
from rcg.progress import counted
from rcg.readiness.findings import NOTE, STOP, WARN, Finding, finding
from rcg.readiness.statistics import ClassFigures, area_shares
from rcg.table import Table

Marks = NDArray[np.bool_]
Doubt = tuple[str, Marks, str, str]

_TINY_PX = 3.0
_SLACK = 0.01  # of the image: what rounding can explain
_ODD = 6.0  # robust deviations from the middle of the class
_ENOUGH = 20  # boxes of a class before the odd ones among them can be told
_IMBALANCE = 50.0
_MOSTLY_EMPTY = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The words that fixes are written with.

    Attributes:
        look: How to look at the labels of an image.
        more: How to add labels.
        rename: How to rename or merge a class; "" where it cannot be done here.
    """

    look: str
    more: str
    rename: str = ""


def label_findings(
    table: Table, classes: Sequence[ClassFigures], names: Names, doubts: Mapping[str, Doubt]
) -> Iterator[Finding]:
    """All doubts about the labels of a table.

    Args:
        table: The table.
        classes: The figures of its classes.
        names: The words that fixes are written with.
        doubts: What `doubtful` said of its annotations.
    """
    if not len(table):
        return
    if not table.annotations:
        yield finding(STOP, "nothing_labelled", "nothing is labelled", names.more)
        return
    yield from _coverage(table, names)
    for code, (severity, marks, one, many) in doubts.items():
        if marks.any():
            rows = table.columns.images[marks]
            where = _places(table, rows)
            what = counted(int(marks.sum()), f"annotation {one}", f"annotations {many}")
            yield finding(severity, code, what, names.look, where)
    yield from _classes(table, classes, names)


def _places(table: Table, rows: NDArray[Any]) -> list[str]:
    return [table.names[row] for row in np.unique(rows).tolist()]


def _coverage(table: Table, names: Names) -> Iterator[Finding]:
    missing = np.flatnonzero(~table.labelled)
    if len(missing):
        what = f"{len(missing):,} of {len(table):,} images have no label; they are not trained on"
        fix = f"label them ({names.more}), or give them an empty label file where there is nothing to see"
        yield finding(WARN, "unlabelled", what, fix, (table.names[row] for row in missing.tolist()))
    empty, labelled = np.flatnonzero(table.empty), int(table.labelled.sum())
    if len(empty):
        mostly = len(empty) > _MOSTLY_EMPTY * labelled
        what = f"{len(empty):,} of {labelled:,} labelled images hold nothing (background)"
        fix = "nothing to do if that is right; an image whose labels were lost looks the same"
        shown = (table.names[row] for row in empty.tolist())
        yield finding(WARN if mostly else NOTE, "empty", what, fix, shown)


def doubtful(table: Table) -> dict[str, Doubt]:
    """Annotations that look wrong: by kind the severity, (m,) which ones, and the words for one and for several."""
    same, other = _doubled(table)
    odd_size, odd_shape = _unlike(table)
    thin, thinner = table.columns.boxes[:, 2:].min(axis=1) < _TINY_PX, f"thinner than {_TINY_PX:.0f} pixels"
    return {
        "outside": (WARN, _outside(table), "reaches out of the picture", "reach out of the picture"),
        "tiny": (WARN, thin, f"is {thinner}", f"are {thinner}"),
        "doubled": (WARN, same, "repeats another one: the same class and the same box",
                    "repeat another one: the same class and the same box"),
        "two_classes": (WARN, other, "shares its box with another class", "share their box with another class"),
        "odd_size": (NOTE, odd_size, "has a size unlike the rest of its class",
                     "have a size unlike the rest of their class"),
        "odd_shape": (NOTE, odd_shape, "has proportions unlike the rest of its class",
                      "have proportions unlike the rest of their class"),
    }  # fmt: skip


def _outside(table: Table) -> Marks:
    boxes, sizes = table.columns.boxes, table.sizes[table.columns.images]
    slack = _SLACK * sizes.max(axis=1, initial=0)[:, None]
    found: Marks = (boxes[:, :2] < -slack).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] > sizes + slack).any(axis=1)
    return found


def _doubled(table: Table) -> tuple[Marks, Marks]:
    """Annotations whose box stands in the image before: with the same class, and with another."""
    columns = table.columns
    keys = np.empty((len(columns.classes), 6), np.int64)
    keys[:, 0], keys[:, 5] = columns.images, columns.classes
    keys[:, 1:5] = np.rint(columns.boxes * 10)  # to a tenth of a pixel
    order = np.lexsort(keys.T[::-1])
    before, here = keys[order[:-1]], keys[order[1:]]
    equal = (before[:, :5] == here[:, :5]).all(axis=1)
    twin = before[:, 5] == here[:, 5]
    same, other = np.zeros(len(order), np.bool_), np.zeros(len(order), np.bool_)
    same[order[1:][equal & twin]] = True
    other[order[1:][equal & ~twin]] = True
    return same, other


def _unlike(table: Table) -> tuple[Marks, Marks]:
    """Annotations whose area, or whose proportions, lie far from the middle of their class."""
    boxes, classes = table.columns.boxes, table.columns.classes
    values = (np.log(np.maximum(area_shares(table), 1e-12)), np.log(boxes[:, 2] / boxes[:, 3]))
    marks = tuple(np.zeros(len(classes), np.bool_) for _ in values)
    for place in range(len(table.labels)):
        mine = np.flatnonzero(classes == place)
        if len(mine) < _ENOUGH:
            continue
        for value, found in zip(values, marks, strict=True):
            off = np.abs(value[mine] - np.median(value[mine]))
            spread = max(1.4826 * float(np.median(off)), 0.1)  # labels drawn alike are no reason to doubt the others
            found[mine[off > _ODD * spread]] = True
    return marks[0], marks[1]


def _classes(table: Table, classes: Sequence[ClassFigures], names: Names) -> Iterator[Finding]:
    used = [each for each in classes if each.annotations]
    most, least = (pick(used, key=lambda each: each.annotations) for pick in (max, min))
    if most.annotations > _IMBALANCE * least.annotations:
        what = f"the classes are unequal: {most.label} has {most.annotations:,} annotations, {least.label} "
        rare = [each.label for each in used if most.annotations > _IMBALANCE * each.annotations]
        fix = f"label more of the rare ones ({names.more})"
        fix += f", or merge them: {names.rename}" if names.rename else ""
        yield finding(WARN, "imbalance", what + f"{least.annotations:,}", fix, rare)
    if not (table.splits >= 0).any():
        return
    for split, one, many, fix in _LACKS:
        lacking = [each.label for each in used if not each.per_split[split]]
        if lacking and (table.splits == SPLITS.index(split)).any():
            what = counted(len(lacking), f"class {one}", f"classes {many}")
            yield finding(WARN if split == "train" else NOTE, f"not_in_{split}", what, fix, lacking)


_LACKS = (
    ("train", "is never trained on: all its annotations are in val or test",
     "are never trained on: all their annotations are in val or test", "label some on other cards"),
    ("val", "has no annotation in val, so that training cannot measure it",
     "have no annotation in val, so that training cannot measure them", "label some on more cards"),
    ("test", "has no annotation in test, so that an evaluation says nothing of it",
     "have no annotation in test, so that an evaluation says nothing of them", "label some on more cards"),
)  # fmt: skip
