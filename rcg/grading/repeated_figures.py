"""The figures of a report that a repeatability study follows, each by a name, with its unit and its stated sigma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rcg.grading.report_json import mean_known
from rcg.grading.types import GradeReport
from rcg.measuring.types import CORNERS, NAN, SIDES, FaceMeasurement, Value

POINTS, MM, DEGREES, STEPS = "points", "mm", "°", "steps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One figure of one capture.

    Attributes:
        title: For people, such as "front: left border".
        unit: "points", "mm", "°" or "steps" of a grade.
        value: The figure with the sigma that was stated; NaN where it was not measured.
    """

    title: str
    unit: str
    value: Value


def readings_of(report: GradeReport, *, like: GradeReport | None = None) -> dict[str, Reading]:
    """The figures of a report by their names.

    Args:
        report: What was measured and graded.
        like: Another report on the same card: where nothing tells which end of the card is up, the one is taken in
            which the borders are more like its own.
    """
    found: dict[str, Reading] = {}
    for name, face in (("front", report.front), ("back", report.back)):
        if face is None:
            continue
        other = None if like is None else (like.front if name == "front" else like.back)
        found |= _face(name, face, turned=other is not None and _is_turned(face, other))
    for grade in report.grades:
        mean, sd = NAN, NAN
        if grade.overall is not None:
            steps, shares = np.array(grade.overall.steps), np.array(grade.overall.probabilities)
            mean = float(steps @ shares)
            sd = float(np.sqrt(max(0.0, (steps - mean) ** 2 @ shares)))
        found[f"grade_{grade.standard}"] = Reading(
            title=f"expected grade, {grade.title}", unit=STEPS, value=Value(mean, sd)
        )
    return found


def turned_captures(report: GradeReport, like: GradeReport) -> bool:
    """Whether the front of a report was read the other way up than that of another."""
    return _is_turned(report.front, like.front)


def _is_turned(face: FaceMeasurement, like: FaceMeasurement) -> bool:
    known = (face.outline is not None and face.outline.upright) and (like.outline is not None and like.outline.upright)
    if known or face.centering is None or like.centering is None:
        return False
    mine, theirs = (
        np.array([mean_known(row) for row in each.centering.widths]) for each in (face, like) if each.centering
    )
    if not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
        return False
    return bool(np.abs(mine[[2, 3, 0, 1]] - theirs).sum() < np.abs(mine - theirs).sum())


def _face(name: str, face: FaceMeasurement, *, turned: bool) -> dict[str, Reading]:
    """A face's figures; of one that lay the other way up, under the names that they have upright."""
    found: dict[str, Reading] = {}

    def add(key: str, title: str, unit: str, value: Value) -> None:
        found[f"{name}_{key}"] = Reading(title=f"{name}: {title}", unit=unit, value=value)

    centering = face.centering
    if centering is not None:
        shares = (centering.left_right, centering.top_bottom)
        for key, title, share, sigma in zip(
            ("left_right", "top_bottom"), ("left's share", "top's share"), shares, centering.sigma, strict=True
        ):
            add(key, title, POINTS, Value(100 - share if turned else share, sigma))
        for at, side in enumerate(SIDES):
            border = Value(mean_known(centering.widths[at]), float(centering.width_sigma[at]))
            add(f"{_other(side, SIDES, turned)}_mm", f"{_other(side, SIDES, turned)} border", MM, border)
        add("rotation", "print turned", DEGREES, centering.rotation_deg)
    for corner in face.corners:
        where = _other(corner.corner, CORNERS, turned)
        title = where.replace("_", " ")
        add(f"{where}_whitening", f"{title} corner, whitening depth", MM, corner.whitening_depth)
        add(f"{where}_radius", f"{title} corner, radius", MM, corner.radius)
    for edge in face.edges:
        where = _other(edge.side, SIDES, turned)
        add(f"{where}_edge_whitening", f"{where} edge, mean whitening depth", MM, edge.whitening_depth)
        add(f"{where}_edge_roughness", f"{where} edge, roughness", MM, edge.roughness)
    return found


def _other(name: str, names: tuple[str, ...], turned: bool) -> str:
    """The side or corner that a name stands for on a card that lay the other way up."""
    return names[(names.index(name) + 2) % 4] if turned else name
