"""The table of a batch: a row a card, as values, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rcg.grading.report_html import end_unknown, limit_words
from rcg.grading.report_json import face_status, mean_known, number, why_not
from rcg.grading.report_pictures import every_mark
from rcg.grading.types import GradeReport
from rcg.measuring.types import MEASURED, SIDES, FaceMeasurement

FAILED = "failed"
Row = dict[str, Any]

_FACE = ("end_known", "left_right", "left_right_sigma", "left_right_worst", "top_bottom", "top_bottom_sigma",
         "top_bottom_worst", "rotation_deg", *(f"{side}_mm" for side in SIDES), "marks")  # fmt: skip


def row_of(report: GradeReport, *, front: str, back: str) -> Row:
    """A card's row.

    Args:
        report: What was measured and graded.
        front: The front's file, as the table names it.
        back: The back's; "" without one.

    Returns:
        The columns of the table by name; ratios are the left's and the top's share in percent. `front_end_known` is 0
        where left and right, and top and bottom, may be exchanged.
    """
    faces = [report.front, *([report.back] if report.back is not None else [])]
    status = MEASURED if all(face_status(each) == MEASURED for each in faces) else "undetermined"
    names = ("front", "back")
    told = [(names[at], *why_not(each)) for at, each in enumerate(faces)]
    row: Row = {
        "card": report.name, "status": status,
        "reason": "; ".join(f"{name}: {reason}" for name, reason, _ in told if reason),
        "fix": "; ".join(dict.fromkeys(fix for *_, fix in told if fix)),
        "front": front, "back": back,
        **_face("front", report.front), **({} if report.back is None else _face("back", report.back)),
    }  # fmt: skip
    for grade in report.grades:
        found, name = grade.overall, grade.standard
        low, high = found.interval() if found is not None else (None, None)
        limit = grade.limits[0] if grade.limits else None
        row |= {
            name: None if found is None else found.most_likely, f"{name}_low": low, f"{name}_high": high,
            f"{name}_or_lower": None if found is None else int(grade.status != MEASURED),
            f"{name}_mean": None if found is None else number(found.mean, 3), f"{name}_status": grade.status,
            f"{name}_qualifiers": " ".join(grade.qualifiers),
            f"{name}_limit": "" if limit is None else limit_words(limit),
        }  # fmt: skip
    return row


def failed_row(name: str, *, front: str, back: str, reason: str, fix: str) -> Row:
    """The row of a card whose pictures could not be read."""
    return {"card": name, "status": FAILED, "reason": reason, "fix": fix, "front": front, "back": back}


def _face(name: str, face: FaceMeasurement) -> Row:
    centering = face.centering
    if centering is None:
        return {f"{name}_{each}": None for each in _FACE}
    widths = [mean_known(row) for row in centering.widths]
    values = (
        centering.left_right, centering.sigma[0], centering.worst_left_right, centering.top_bottom,
        centering.sigma[1], centering.worst_top_bottom, centering.rotation_deg.value, *widths,
    )  # fmt: skip
    found = {f"{name}_{each}": number(value, 3) for each, value in zip(_FACE[1:-1], values, strict=True)}
    return {f"{name}_end_known": int(not end_unknown(face)), **found, f"{name}_marks": len(every_mark(face))}


def columns_of(rows: Sequence[Mapping[str, Any]], standards: Sequence[str]) -> tuple[str, ...]:
    """The columns of the CSV, the same whichever cards could be measured.

    Args:
        rows: The table.
        standards: Names of the standards that were graded by.
    """
    first = ("card", "status", "reason", "fix", "front", "back")
    kinds = ("", "_or_lower", "_low", "_high", "_mean", "_status", "_qualifiers", "_limit")
    sides = ["front", *(["back"] if any(row.get("back") for row in rows) else [])]
    faces = tuple(f"{side}_{each}" for side in sides for each in _FACE)
    return (*first, *(f"{name}{kind}" for name in standards for kind in kinds), *faces)


def csv_of(rows: Sequence[Mapping[str, Any]], standards: Sequence[str]) -> str:
    """The table as CSV with a line of heads; what is not known is empty."""
    out = io.StringIO()
    columns = columns_of(rows, standards)
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(row.get(name)) for name in columns})
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A cell; text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"}:
        return f"'{value}"
    return "" if value is None else value
