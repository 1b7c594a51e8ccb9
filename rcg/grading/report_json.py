"""A grade's report as plain values: what `rcg grade --json` prints and report.json holds. NaN becomes null."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rcg.grading.types import Distribution, Grade, GradeReport
from rcg.measuring.types import (
    MEASURED,
    SIDES,
    UNDETERMINED,
    Centering,
    CornerWear,
    EdgePoint,
    EdgeWear,
    FaceMeasurement,
    Mark,
    Surface,
    Value,
)

PX, MM, SHARE = 3, 4, 4
"""Decimals that are kept of pixels, millimetres, and shares and points: far below what any figure here means."""


def report_values(report: GradeReport) -> dict[str, Any]:
    """All of a report but the profiles of its points, as values that JSON can hold.

    Args:
        report: The report.

    Returns:
        `name`, `front`, `back` (null where it was not given), `grades` by the standards' names, `sources`, `hand_set`
        and `notes`.
    """
    return {
        "name": report.name,
        "front": face_values(report.front),
        "back": None if report.back is None else face_values(report.back),
        "grades": {each.standard: grade_values(each) for each in report.grades},
        "sources": dict(report.sources),
        "hand_set": list(report.hand_set),
        "notes": list(report.notes),
    }


def face_values(face: FaceMeasurement) -> dict[str, Any]:
    """One face. Its `status` is "measured" only where the centering is; the outline may be known without it."""
    centering, outline = face.centering, face.outline
    reason, fix = why_not(face)
    return {
        "status": face_status(face),
        "reason": reason,
        "fix": fix,
        "width": face.width,
        "height": face.height,
        "px_mm": number(face.px_mm, MM),
        "card": None if outline is None else {
            "spec": outline.spec.name, "title": outline.spec.title, "why": outline.spec_reason,
            "width_mm": outline.spec.width, "height_mm": outline.spec.height, "upright_known": outline.upright,
        },
        "outer_quad": None if outline is None else rounded(outline.quad, PX),
        "inner_quad": None if centering is None or centering.inner_quad is None
        else rounded(centering.inner_quad, PX),
        "points": [] if centering is None else [_point(each) for each in centering.points],
        "centering": None if centering is None else centering_values(centering),
        "corners": [corner_values(each) for each in face.corners],
        "edges": [edge_values(each) for each in face.edges],
        "surface": surface_values(face.surface),
        "notes": list(dict.fromkeys([*face.notes, *(outline.notes if outline else ()),
                                     *(centering.notes if centering else ())])),
    }  # fmt: skip


def face_status(face: FaceMeasurement) -> str:
    """Where a face stands: "measured" where its centering is, else "undetermined"."""
    known = face.status == MEASURED and face.centering is not None and face.centering.status == MEASURED
    return MEASURED if known else UNDETERMINED


def why_not(face: FaceMeasurement) -> tuple[str, str]:
    """Why a face's centering is undetermined, and what to do; both "" where it is measured.

    A reason may name what to do behind a semicolon: that part is the fix where none is given.
    """
    if face_status(face) == MEASURED:
        return "", ""
    reason = face.reason
    if not reason and face.centering is not None:
        reason = face.centering.reason
    if face.fix:
        return reason, face.fix
    head, found, tail = reason.rpartition("; ")
    return (head, tail) if found else (reason, "")


def centering_values(centering: Centering) -> dict[str, Any]:
    """Ratios as [left, right] and [top, bottom] in percent; `sigma` in points, lengths in mm, angles in degrees."""
    means = [mean_known(row) for row in centering.widths]
    sides = {
        side: {"mean": number(means[at], MM), "sigma": number(centering.width_sigma[at], MM),
               "stations": rounded(centering.widths[at], MM)}
        for at, side in enumerate(SIDES)
    }  # fmt: skip
    return {
        "status": centering.status,
        "reason": centering.reason,
        "method": centering.method,
        "left_right": pair(centering.left_right),
        "top_bottom": pair(centering.top_bottom),
        "sigma": {
            "left_right": number(centering.sigma[0], SHARE), "top_bottom": number(centering.sigma[1], SHARE),
        },
        "worst_station": {
            "left_right": pair(centering.worst_left_right), "top_bottom": pair(centering.worst_top_bottom),
        },
        "rotation_deg": number(centering.rotation_deg.value, MM),
        "rotation_sigma_deg": number(centering.rotation_deg.sigma, MM),
        "trapezoid_deg": rounded(centering.trapezoid_deg, MM),
        "shift_mm": rounded(centering.shift_mm, MM),
        "shift_sigma_mm": rounded(centering.shift_sigma_mm, MM),
        "borders_mm": sides,
        "notes": list(centering.notes),
    }  # fmt: skip


def mean_known(values: Iterable[float]) -> float:
    """The mean of those that are finite; NaN without any."""
    known = [float(each) for each in values if math.isfinite(each)]
    return sum(known) / len(known) if known else math.nan


def _point(point: EdgePoint) -> dict[str, Any]:
    return {
        "name": point.name, "side": point.side, "edge": point.edge, "station": point.station + 1,
        "x": number(point.at[0], PX), "y": number(point.at[1], PX), "mm": rounded(point.mm, MM),
        "sigma_mm": number(point.sigma, MM),
    }  # fmt: skip


def corner_values(corner: CornerWear) -> dict[str, Any]:
    """One corner; each figure as {value, sigma}, in mm, mm2 or degrees."""
    names = ("whitening_depth", "whitening_area", "radius", "radius_error", "angle_error", "missing_area")
    return _wear("corner", corner.corner, corner, names)


def edge_values(edge: EdgeWear) -> dict[str, Any]:
    """One edge; each figure as {value, sigma}, in mm or mm2."""
    names = ("whitening_depth", "whitening_length", "whitening_area", "deepest", "roughness")
    return _wear("side", edge.side, edge, names)


def _wear(kind: str, name: str, wear: CornerWear | EdgeWear, figures: Sequence[str]) -> dict[str, Any]:
    return {
        kind: name, "status": wear.status, "reason": wear.reason,
        **{each: value_of(getattr(wear, each)) for each in figures},
        "marks": [mark_values(each) for each in wear.marks],
    }  # fmt: skip


def surface_values(surface: Surface) -> dict[str, Any]:
    """The face: what was found, and what these pictures cannot show."""
    return {
        "status": surface.status, "reason": surface.reason, "share_judged": number(surface.share_judged, SHARE),
        "not_seen": list(surface.not_seen), "marks": [mark_values(each) for each in surface.marks],
    }  # fmt: skip


def mark_values(mark: Mark) -> dict[str, Any]:
    """One mark, with its outline in pixels and in the card's millimetres."""
    return {
        "label": mark.label, "origin": mark.origin, "seen_by": mark.seen_by,
        "length_mm": number(mark.length_mm, MM), "depth_mm": number(mark.depth_mm, MM),
        "area_mm2": number(mark.area_mm2, MM),
        "relief_um": None if mark.relief_um is None else value_of(mark.relief_um),
        "confidence": number(mark.confidence, SHARE),
        "outline": rounded(mark.outline, 2), "outline_mm": rounded(mark.outline_mm, MM),
    }  # fmt: skip


def grade_values(grade: Grade) -> dict[str, Any]:
    """One standard's answer: its distribution with the 90 % interval, sub-grades and what holds it down."""
    return {
        "title": grade.title, "status": grade.status, "reason": grade.reason,
        **_spread(grade.overall),
        "subgrades": {name: _spread(each) for name, each in grade.subgrades.items()},
        "areas": {name: _spread(each) for name, each in grade.areas.items()},
        "labels": [{"name": name, "probability": number(share, 5)} for name, share in grade.labels],
        "limits": [
            {"what": each.what, "face": each.face, "step": number(each.step, 2), "why": each.why,
             "note": each.note}
            for each in grade.limits
        ],
        "qualifiers": list(grade.qualifiers),
        "without_qualifiers": None if grade.without_qualifiers is None else _spread(grade.without_qualifiers),
        "not_judged": list(grade.not_judged),
    }  # fmt: skip


def _spread(found: Distribution | None) -> dict[str, Any]:
    if found is None:
        return {"grade": None, "mean": None, "interval": None, "distribution": []}
    return {
        "grade": number(found.most_likely, 2), "mean": number(found.mean, 3),
        "interval": [number(each, 2) for each in found.interval()],
        "distribution": [
            {"step": number(step, 2), "probability": number(share, 5)}
            for step, share in zip(found.steps, found.probabilities, strict=True)
        ],
    }  # fmt: skip


def value_of(value: Value) -> dict[str, float | None]:
    """A figure and its sigma; null where unknown."""
    return {"value": number(value.value, MM), "sigma": number(value.sigma, MM)}


def pair(share: float) -> list[float | None]:
    """A share of 100 and the rest of it.

    Example:
        >>> pair(47.25), pair(math.nan)
        ([47.25, 52.75], [None, None])
    """
    return [number(share, SHARE), number(100 - share, SHARE)]


def number(value: float, decimals: int) -> float | None:
    """A number with so many decimals; None where it is not finite, and never a negative zero."""
    if not math.isfinite(value):
        return None
    return round(float(value), decimals) + 0.0


def rounded(values: Any, decimals: int) -> list[Any]:
    """Numbers in any nesting of sequences or arrays, likewise."""
    return [rounded(each, decimals) if hasattr(each, "__len__") else number(float(each), decimals) for each in values]
