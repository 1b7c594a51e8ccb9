"""The marks of a face as figures: how many of each label there truly are, and how large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rcg.grading.figures import MARKS
from rcg.measuring.types import FaceMeasurement, Floats, Mark

Drawn = tuple[Mark, Floats, Floats]
"""A mark, (draws,) whether it is there (1) or not (0), and (draws,) its size as a multiple of what was measured."""


def all_marks(face: FaceMeasurement) -> tuple[Mark, ...]:
    """The marks of a face: on its surface, at its corners and along its edges, each once, in a fixed order."""
    parts = (face.surface.marks, *(each.marks for each in face.corners), *(each.marks for each in face.edges))
    found = {mark for marks in parts for mark in marks}
    return tuple(sorted(found, key=_order))


def _order(mark: Mark) -> tuple[object, ...]:
    """Everything that tells two marks apart: a set's own order changes from run to run."""
    place = (mark.label, mark.outline_mm, mark.outline, mark.length_mm, mark.area_mm2, mark.depth_mm)
    return (*place, mark.confidence, mark.origin, mark.seen_by, repr(mark.relief_um))


def draw_marks(
    marks: Sequence[Mark], rng: np.random.Generator, *, draws: int, size_error: float
) -> dict[str, tuple[Floats, str]]:
    """Draw what is counted of the marks of each label.

    Args:
        marks: In a fixed order, which decides what each draws.
        rng: Where the randomness comes from.
        draws: How many.
        size_error: One standard deviation of a mark's size, as a share of it.

    Returns:
        By the names in `rcg.grading.figures`, such as "scratch_length": (draws,) values, and words for them.
    """
    by_label: dict[str, list[Drawn]] = {label: [] for label in MARKS}
    for each in marks:
        there = np.where(rng.random(draws) < each.confidence, 1.0, 0.0)
        size = np.clip(1 + size_error * rng.standard_normal(draws), 0.2, None)
        if each.label in by_label:
            by_label[each.label].append((each, there, size))
    found: dict[str, tuple[Floats, str]] = {}
    for label, ones in by_label.items():
        words = _words(label, [each for each, _, _ in ones])
        found |= {f"{label}_{what}": (values, words) for what, values in _counted(ones, draws).items()}
    return found


def _counted(ones: Sequence[Drawn], draws: int) -> dict[str, Floats]:
    """The figures of `rcg.grading.figures.OF_MARKS` over the marks of one label."""
    if not ones:
        return dict.fromkeys(("count", "length", "longest", "area", "depth"), np.zeros(draws))
    there = np.array([there for _, there, _ in ones])
    size = np.array([size for _, _, size in ones])
    length, area, deep = (
        np.array([[value] for value in values])
        for values in (
            [each.length_mm for each, _, _ in ones],
            [each.area_mm2 for each, _, _ in ones],
            [_depth(each) for each, _, _ in ones],
        )
    )
    return {
        "count": there.sum(axis=0),
        "length": (length * there * size).sum(axis=0),
        "longest": (length * there * size).max(axis=0),
        "area": (area * there * size * size).sum(axis=0),
        "depth": (deep * there * size).max(axis=0),
    }


def _depth(mark: Mark) -> float:
    return abs(mark.relief_um.value) if mark.relief_um is not None and mark.relief_um.known else 0.0


def _words(label: str, marks: Sequence[Mark]) -> str:
    name = label.replace("_", " ")
    if len(marks) == 1:
        deep = f", {_depth(marks[0]):.0f} µm" if _depth(marks[0]) else ""
        return f"a {name} of {marks[0].length_mm:.1f} mm, {marks[0].area_mm2:.2g} mm²{deep}"
    longest = max((each.length_mm for each in marks), default=0.0)
    total = sum(each.length_mm for each in marks)
    return f"{len(marks)} marks of {name}, {total:.1f} mm in all, the longest {longest:.1f} mm"
