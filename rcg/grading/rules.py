"""From figures to steps, and from the steps of areas and faces to one grade; everything over many draws at once.

A level is a place in a standard's steps: 0 is the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.grading.figures import CENTERING, FACES
from rcg.grading.sampling import FaceDraws
from rcg.grading.standard import BGS, LOWEST, WEIGHTED, Area, Cap, Rule, Standard
from rcg.grading.types import SUBGRADES

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]
Place = tuple[str, str]
"""A face and an area, such as ("front", "corners")."""

_EPS = 1e-9  # a figure on its limit is within it, whatever the last bit says


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A card under one standard, before its areas are put together.

    Attributes:
        by_figure: The level that each figure allows, (draws,) each, by face and area; faces and areas that are not
            known are missing.
        caps: For each cap of the standard (draws,) bool, whether it holds.
        draws: How many there are.
    """

    by_figure: Mapping[Place, Mapping[str, Levels]]
    caps: tuple[NDArray[np.bool_], ...]
    draws: int

    def level(self, place: Place, *, without: Sequence[str] = ()) -> Levels | None:
        """The level of an area of one face, without some of its figures; None where it is not known."""
        found = [levels for figure, levels in self.by_figure.get(place, {}).items() if figure not in without]
        return np.maximum.reduce(found) if found else None


def judge(standard: Standard, faces: Sequence[FaceDraws]) -> Judged:
    """Hold each figure of each face against its limits."""
    found: dict[Place, dict[str, Levels]] = {}
    for face in faces:
        for area in standard.areas:
            if area.name not in face.blind:
                found[face.face, area.name] = _figures(standard, area, face)
    caps = tuple(_holds(cap, faces) for cap in standard.caps)
    return Judged(by_figure=found, caps=caps, draws=faces[0].leeway.shape[1])


def _figures(standard: Standard, area: Area, face: FaceDraws) -> dict[str, Levels]:
    found = {}
    for column in area.columns(face.face):
        known = face.figure(column.figure, ratio=standard.ratio, borderless_mm=standard.borderless_mm)
        if known is None:
            continue
        values, limits = known[0], np.array(column.limits)
        levels = level_of(limits, values, len(standard.steps))
        if standard.leeway is not None and face.face == "front" and column.figure == f"{CENTERING}.share":
            given = (face.leeway[0] < standard.leeway.chance) * face.leeway[1] * standard.leeway.points
            eased = level_of(limits, values - given, len(standard.steps))
            levels = np.where(np.array(standard.steps)[eased] >= standard.leeway.lowest, eased, levels)
        found[column.figure] = levels
    return found


def level_of(limits: Floats, values: Floats, count: int) -> Levels:
    """The first level whose limit a figure keeps; the one after the last limit where it keeps none.

    Example:
        >>> level_of(np.array([55.0, 60.0]), np.array([55.0, 55.1, 61.0]), 4).tolist()
        [0, 1, 2]
    """
    return np.minimum(np.searchsorted(limits, values - _EPS), count - 1)


def _holds(cap: Cap, faces: Sequence[FaceDraws]) -> NDArray[np.bool_]:
    known = [face.figures[cap.figure] > cap.above for face in faces if cap.figure in face.figures]
    return np.logical_or.reduce(known) if known else np.zeros(faces[0].leeway.shape[1], bool)


def overall(
    standard: Standard,
    judged: Judged,
    *,
    lift: Sequence[Place] = (),
    without: Sequence[str] = (),
    uncapped: int | None = None,
) -> Floats:
    """The grade of each draw.

    Args:
        standard: Whose rule.
        judged: The card.
        lift: Faces and areas that are taken to be perfect; so are those that are not known.
        without: Figures that are left out.
        uncapped: The place of a cap that is left out.

    Returns:
        (draws,) grades, each one of the standard's steps.
    """
    levels = face_levels(judged, lift=lift, without=without)
    steps = np.array(standard.steps)
    made = {LOWEST: _lowest, BGS: _bgs, WEIGHTED: _weighted}[standard.rule.kind](standard, levels)
    level = level_under(standard, made)
    for place, (cap, holds) in enumerate(zip(standard.caps, judged.caps, strict=True)):
        if place != uncapped:
            level = np.where(holds, np.maximum(level, standard.level(cap.step)), level)
    return np.asarray(steps[level])


def face_levels(judged: Judged, *, lift: Sequence[Place] = (), without: Sequence[str] = ()) -> Levels:
    """(2, 4, draws): of front and back, of the four areas; the best level where nothing is known."""
    found = np.zeros((len(FACES), len(SUBGRADES), judged.draws), np.int64)
    for f, face in enumerate(FACES):
        for a, area in enumerate(SUBGRADES):
            level = None if (face, area) in lift else judged.level((face, area), without=without)
            if level is not None:
                found[f, a] = level
    return found


def level_under(standard: Standard, grades: Floats) -> Levels:
    """The level of the best step that is not above each grade."""
    rising = np.array(standard.steps[::-1])
    place = np.searchsorted(rising, grades + _EPS, side="right") - 1
    return np.asarray(len(rising) - 1 - np.maximum(place, 0))


def area_grades(standard: Standard, levels: Levels) -> Floats:
    """(4, draws) the sub-grades of both faces together: the worse face's, or the weighted mean of both."""
    steps = np.array(standard.steps)
    if standard.rule.kind == WEIGHTED:
        return np.asarray(standard.rule.front * steps[levels[0]] + (1 - standard.rule.front) * steps[levels[1]])
    return np.asarray(steps[levels.max(axis=0)])


def rounded(grades: Floats, to: float) -> Floats:
    """To multiples of `to`, halves up.

    Example:
        >>> rounded(np.array([8.24, 8.25, 8.75]), 0.5).tolist()
        [8.0, 8.5, 9.0]
    """
    return np.floor(grades / to + 0.5 + _EPS) * to


def _lowest(standard: Standard, levels: Levels) -> Floats:
    both = levels.max(axis=0)
    worst, steps = both.max(axis=0), np.array(standard.steps)
    for step in standard.rule.single:
        level = standard.level(step)
        several = (worst == level) & ((both[1:] == level).sum(axis=0) > 1)
        worst = np.where(several, min(level + 1, len(steps) - 1), worst)
    return np.asarray(steps[worst])


def _bgs(standard: Standard, levels: Levels) -> Floats:
    return bgs_overall(area_grades(standard, levels))


def bgs_overall(grades: Floats) -> Floats:
    """BGS's overall grade by the community's rule; the company's own is secret.

    With the four sub-grades sorted downwards as a1 to a4, the lowest is raised by what its area and its distance from
    the next one (the gap) allow. Collectors found the rule by known slabs; of eleven it misses one.

    Args:
        grades: (4, draws) centering, corners, edges and surface, in halves.

    Returns:
        (draws,) overall grades.

    Example:
        >>> bgs_overall(np.array([[9.5], [9.5], [9.0], [8.0]])).tolist()
        [8.5]
    """
    ranked = -np.sort(-grades, axis=0)
    first, lowest = ranked[0], ranked[3]
    gap, which = ranked[2] - lowest, grades.argmin(axis=0)
    steep = lowest + 1.0
    held = ((steep == 9.5) & (gap == 1.0)) | (steep == 10) | ((first - lowest == 1.5) & (first < 10))
    physical = np.where(gap < 1, 0.5, np.where(held, 0.5, 1.0))
    centering = np.select([gap < 2, gap < 4], [0.5, 1.0], 1.5)
    corners = np.where(gap < 3, 0.5, 1.0)
    added = np.choose(which, [centering, corners, physical, physical])
    return np.asarray(np.minimum(np.where(gap == 0, lowest, lowest + added), 10.0))


def _weighted(standard: Standard, levels: Levels) -> Floats:
    rule, steps = standard.rule, np.array(standard.steps)
    faces = np.array([_mean(rule, steps[each]) for each in levels])
    whole = rule.front * faces[0] + (1 - rule.front) * faces[1]
    lowest = area_grades(standard, levels).min(axis=0)
    most = np.floor((lowest + rule.above_lowest) / rule.rounding + _EPS) * rule.rounding
    return np.asarray(np.minimum(rounded(whole, rule.rounding), most))


def _mean(rule: Rule, grades: Floats) -> Floats:
    weights = np.array(rule.weights) / sum(rule.weights)
    if rule.mean == "geometric":
        return np.asarray(np.exp(weights @ np.log(grades)))
    return np.asarray(weights @ grades)
