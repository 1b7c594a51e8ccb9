"""A report in a few lines, as the command line prints it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rcg.grading.report_html import (
    END_UNKNOWN,
    SEEN_PARTS,
    end_unknown,
    interval,
    limit_words,
    most_likely,
    ratio,
    shift_words,
    turned,
    words,
)
from rcg.grading.report_json import face_status, why_not
from rcg.grading.types import Grade, GradeReport
from rcg.measuring.types import MEASURED, FaceMeasurement, Mark

_LISTED = 6


def summary(report: GradeReport) -> str:
    """What was measured on each face, the grades with what holds them down, and what was not judged.

    Args:
        report: What was measured and graded.
    """
    rows = [report.name, *_face("front", report.front)]
    rows += [] if report.back is None else _face("back", report.back)
    rows += _grades(report.grades)
    missing = list(dict.fromkeys(each for grade in report.grades for each in grade.not_judged))
    rows += [f"  not judged: {each}" for each in missing]
    rows += [f"  set by hand: {', '.join(report.hand_set)}"] if report.hand_set else []
    return "\n".join([*rows, *(f"  note: {each}" for each in report.notes)])


def _face(name: str, face: FaceMeasurement) -> list[str]:
    rows = []
    if face_status(face) == MEASURED and face.centering is not None:
        centering = face.centering
        if not (math.isfinite(centering.left_right) or math.isfinite(centering.top_bottom)):
            rows.append(f"  {name}: print off its place in the reference picture: {shift_words(centering)}; no ratio")
            return [*rows, *_turn(name, face), *_found(name, face)]
        left_right = _ratio(centering.left_right, centering.sigma[0], centering.worst_left_right)
        top_bottom = _ratio(centering.top_bottom, centering.sigma[1], centering.worst_top_bottom)
        rows.append(f"  {name}: left/right {left_right}; top/bottom {top_bottom}")
        rows += _turn(name, face)
    else:
        reason, fix = why_not(face)
        rows.append(f"  {name}: undetermined, {reason or 'for a reason that is not known'}")
        rows += [f"  {'':{len(name)}}  what to do: {fix}"] if fix else []
    return rows + _found(name, face)


def _turn(name: str, face: FaceMeasurement) -> list[str]:
    """Below the ratio: what may be exchanged in it, and how far the print is turned."""
    rows = [END_UNKNOWN] if end_unknown(face) else []
    if face.centering is not None and face.centering.rotation_deg.known:
        rows.append(f"print turned by {turned(face.centering.rotation_deg)}")
    return [f"  {'':{len(name)}}  {each}" for each in rows]


def _found(name: str, face: FaceMeasurement) -> list[str]:
    marks = sorted(_marks(face), key=lambda mark: -mark.confidence * mark.length_mm)
    rows = [f"  {name}: {_mark(each)}" for each in marks[:_LISTED]]
    rows += [f"  {name}: and {len(marks) - _LISTED} smaller or less sure marks"] if len(marks) > _LISTED else []
    return rows + [f"  {name}: {each}" for each in face.notes]


def _marks(face: FaceMeasurement) -> list[Mark]:
    at_corners = [mark for each in face.corners for mark in each.marks]
    return [*at_corners, *(mark for each in face.edges for mark in each.marks), *face.surface.marks]


def _mark(mark: Mark) -> str:
    x, y = (sum(each) / len(mark.outline_mm) for each in zip(*mark.outline_mm, strict=True))
    origin = {"handling": "", "factory": ", from the factory"}.get(mark.origin, ", origin not known")
    size, sure = f"{mark.length_mm:.1f} mm", f"{100 * mark.confidence:.0f} % sure"
    place = f"{x:.0f} mm from the left, {y:.0f} mm from the top"
    return f"{words(mark.label)}, the mark {size} long, {place}, {sure}{origin}"


def _ratio(share: float, sigma: float, worst: float) -> str:
    told = ratio(share).replace(" ", "")
    told += f" ± {sigma:.1f}" if math.isfinite(sigma) else ""
    return told + (f" (worst end {ratio(worst).replace(' ', '')})" if math.isfinite(worst) else "")


def _grades(grades: Sequence[Grade]) -> list[str]:
    """A line a standard; one for all where none gives a grade, since the face has said why."""
    if grades and all(each.overall is None for each in grades) and len({each.reason for each in grades}) == 1:
        return [f"  no grade under {', '.join(each.title for each in grades)}"]
    return [_grade(each) for each in grades]


def _grade(grade: Grade) -> str:
    if grade.overall is None:
        return f"  {grade.title:12} undetermined: {grade.reason}"
    codes = "".join(f" {each}" for each in grade.qualifiers)
    span = interval(grade.overall)
    inside = f"90 %: {span}" if grade.status == MEASURED else f"{SEEN_PARTS}: {span}"
    told = f"  {grade.title:12} {most_likely(grade)}{codes} ({inside})"
    return told + (f"; {limit_words(grade.limits[0])}" if grade.limits else "")
