"""What the grading panel says of a card: grades, where the print lies, wear with close-ups, what was not judged."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

import numpy as np

from rcg.figures import Look, grade_steps
from rcg.grading.report_close import corners_html, edges_html, marks_html
from rcg.grading.report_html import (
    END_UNKNOWN,
    SEEN_PARTS,
    end_unknown,
    figure,
    interval,
    limit_words,
    most_likely,
    percent,
    ratio,
    sentence,
    shown_areas,
    step,
    turned,
)
from rcg.grading.report_json import face_status, why_not
from rcg.grading.types import Distribution, Grade, GradeReport
from rcg.images import Pixels
from rcg.measuring.types import MEASURED, SIDES, UNDETERMINED, Centering, FaceMeasurement
from widgets.kit import Html, empty_html, facts_html, table_html, tag_html

STYLE = """<style>
.rcg-verdict { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 10px; }
.rcg-verdict > div { border: 1px solid var(--rcg-line); border-left-width: 4px; border-radius: 4px; padding: 8px 12px; }
.rcg-verdict > .rcg-known { border-left-color: var(--rcg-good); }
.rcg-verdict > .rcg-unknown { border-left-color: var(--rcg-warn); }
.rcg-verdict h4 { margin: 0 0 2px; font-size: 13px; font-weight: 600; color: var(--rcg-muted); }
.rcg-verdict b.rcg-large { font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; }
.rcg-steps img { width: 100%; max-width: 560px; display: block; }
.rcg-steps img.rcg-dark, body[data-jp-theme-light="false"] .rcg-steps img.rcg-light { display: none; }
body[data-jp-theme-light="false"] .rcg-steps img.rcg-dark { display: block; }
.rcg-closes .closes { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 12px; }
.rcg-closes .closes.two { grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); }
.rcg-closes figure { margin: 0; min-width: 0; } .rcg-closes figure svg { width: 100%; height: auto; display: block;
  border-radius: 4px; background: #808080; }
.rcg-closes h5 { margin: 4px 0 2px; font-size: 13px; font-weight: 600; color: var(--rcg-text); }
.rcg-closes h4 { margin: 10px 0 4px; font-size: 13px; font-weight: 600; color: var(--rcg-text); }
.rcg-closes dl { margin: 0; font-size: 12px; } .rcg-closes dl div { display: flex; justify-content: space-between;
  gap: 8px; border-bottom: 1px solid var(--rcg-line); padding: 1px 0; }
.rcg-closes dl dt { color: var(--rcg-muted); font-weight: 400; width: auto; float: none;
  white-space: nowrap; }
.rcg-closes dl dd { margin: 0; text-align: right;
  font-variant-numeric: tabular-nums; color: var(--rcg-text); }
.rcg-closes p { margin: 2px 0; font-size: 12px; color: var(--rcg-muted); }
.rcg-closes p.reason { color: var(--rcg-warn); }
.rcg-closes small { color: var(--rcg-muted); }
.rcg-closes polygon.mark { fill: none; stroke: #ffb000; stroke-width: 1.6; vector-effect: non-scaling-stroke; }
.rcg-closes .scale rect { fill: rgba(0, 0, 0, 0.6); } .rcg-closes .scale path { stroke: #fff; }
.rcg-closes .scale text { fill: #fff; stroke: none; text-anchor: middle; }
.rcg-closes .number { display: inline-block; min-width: 18px; padding: 0 4px; margin-right: 6px; border-radius: 9px;
  background: #ffb000; color: #111; font-size: 11px; line-height: 18px; text-align: center; }
.rcg-said { margin: 4px 0; padding-left: 18px; } .rcg-said li { margin: 1px 0; }
</style>"""
_LEAST = 0.005
_METHODS = {"lines": "both edges seen", "reference": "matched to the reference", "hand": "lines set by hand"}


def faces_of(report: GradeReport) -> tuple[tuple[str, FaceMeasurement], ...]:
    """The faces that were given, by name."""
    back = () if report.back is None else (("back", report.back),)
    return (("front", report.front), *back)


def verdict_html(report: GradeReport | None) -> str:
    """Where each face stands: its ratios with their sigma, or why they are not known and what to do."""
    if report is None:
        return empty_html("No card is graded yet.", "Drop a photo of a card's front on the field, then press Grade.")
    parts = [_face_html(name, face) for name, face in faces_of(report)]
    if report.back is None:
        fix = "A photo of the back: both faces count, and some standards give no grade without it."
        parts.append(f'<div class="rcg-unknown"><h4>Back</h4><b>not given</b><div>Fix: {fix}</div></div>')
    hand = '<div class="rcg-muted">all lines as measured</div>'  # the same height, so that nothing below moves
    if report.hand_set:
        hand = f"<div>{tag_html('set by hand', 'brand')} {escape(', '.join(report.hand_set))}</div>"
    return f'{STYLE}<div class="rcg-verdict">{"".join(parts)}</div>{hand}{_said(report.notes)}'


def _face_html(name: str, face: FaceMeasurement) -> str:
    title = f"<h4>{name.capitalize()}</h4>"
    if face_status(face) != MEASURED or face.centering is None:
        reason, fix = why_not(face)
        what = "undetermined" if face.outline is None else "centering undetermined"
        told = f"<div>{escape(sentence(reason))}</div>" if reason else ""
        told += f"<div>Fix: {escape(fix)}</div>" if fix else ""
        return f'<div class="rcg-unknown">{title}<b class="rcg-large">{what}</b>{told}</div>'
    found = face.centering
    if not (math.isfinite(found.left_right) or math.isfinite(found.top_bottom)):  # no border: held against a reference
        told = f'<b class="rcg-large">{_pair(found.shift_mm, "mm")}</b>{_plus_mm(found.shift_sigma_mm)}'
        note = "how far the print lies right of and below its place in the reference picture"
        return f'<div class="rcg-known">{title}{told}<div class="rcg-muted">{note}</div></div>'
    rows = (("L / R", found.left_right, found.sigma[0]), ("T / B", found.top_bottom, found.sigma[1]))
    told = "".join(
        f'<div><b class="rcg-large">{ratio(share)}</b> <span class="rcg-muted">{axis}{_plus(sigma)}</span></div>'
        for axis, share, sigma in rows
    )
    return f'<div class="rcg-known">{title}{told}</div>'


def _plus(sigma: float) -> str:
    return f" ± {sigma:.1f}" if math.isfinite(sigma) else ""


def _plus_mm(sigma: tuple[float, float]) -> str:
    known = [each for each in sigma if math.isfinite(each)]
    return f' <span class="rcg-muted">± {max(known):.2f} mm</span>' if known else ""


def steps_html(report: GradeReport | None) -> str:
    """The grades as a picture, for light and dark pages."""
    if report is None or not report.grades:
        return ""
    images = "".join(_picture(report, look) for look in ("light", "dark"))
    return f'{STYLE}<div class="rcg-steps">{images}</div>'


def _picture(report: GradeReport, look: Look) -> str:
    steps = {each.title: _steps(each.overall) for each in report.grades}
    intervals = {each.title: each.overall.interval() for each in report.grades if each.overall is not None}
    data = grade_steps(
        steps, intervals=intervals, words={each.title: _below(each) for each in report.grades}, look=look
    )
    alt = escape("; ".join(f"{each.title}: {grade_words(each)}" for each in report.grades), quote=True)
    return f'<img class="rcg-{look}" alt="{alt}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def _steps(found: Distribution | None) -> dict[float, float]:
    return {} if found is None else dict(zip(found.steps, found.probabilities, strict=True))


def _below(grade: Grade) -> str:
    if grade.overall is None:
        return grade.reason
    best = f"{most_likely(grade)} ({SEEN_PARTS}), " if grade.status == "partly" else ""
    return best + (f"held down by {_limit(grade)}" if grade.limits else "nothing holds it down")


def _limit(grade: Grade) -> str:
    first = grade.limits[0]
    return f"{first.what}{f' of the {first.face}' if first.face else ''}"


def grade_words(grade: Grade) -> str:
    """A grade in a few words: the likeliest step and the 90 % interval.

    Example:
        >>> grade_words(Grade(standard="psa", title="PSA", status="measured", overall=Distribution(
        ...     steps=(8.0, 9.0), probabilities=(0.3, 0.7))))
        '9 (8 to 9)'
    """
    if grade.overall is None:
        return "undetermined"
    low, high = grade.overall.interval()
    inside = "" if low == high else f" ({interval(grade.overall)})"
    return f"{most_likely(grade)}{inside}"


def grades_html(report: GradeReport | None) -> str:
    """Each standard's answer, its sub-grades, what holds it down and what was not judged."""
    if report is None:
        return ""
    if not report.grades:
        return empty_html("No standard was chosen.", "Choose at least one, and grade again.")
    rows = [
        (each.title, Html(f"<b>{escape(grade_words(each))}</b>"), _share(each), _subgrades(each), Html(_why(each)))
        for each in report.grades
    ]
    return table_html(["standard", "grade (90 %)", "probability", "sub-grades", "why"], rows, numbers=(2,))


def _share(grade: Grade) -> str:
    return "-" if grade.overall is None else percent(max(grade.overall.probabilities))


def _subgrades(grade: Grade) -> str:
    """The sub-grades; of a standard that prints none, what each area of each face allows."""
    if grade.subgrades:
        shown = shown_areas(grade).items()
        return ", ".join(f"{name} {step(found.most_likely)}" for name, found in shown if found is not None)
    faces: dict[str, list[str]] = {}
    for name, found in grade.areas.items():
        face, _, area = name.partition(" ")
        faces.setdefault(face, []).append(f"{area} {step(found.most_likely)}")
    return "; ".join(f"{face}: {', '.join(areas)}" for face, areas in faces.items()) or "-"


def _why(grade: Grade) -> str:
    parts = [f'<div class="rcg-warn">{escape(sentence(grade.reason))}</div>'] if grade.reason else []
    parts += [f"<div>{escape(sentence(limit_words(each)))}</div>" for each in grade.limits[:3]]
    parts += [f"<div>{escape(name)}: {percent(share)}</div>" for name, share in grade.labels if share >= _LEAST]
    if grade.qualifiers:
        parts.append(f"<div>qualifiers: {escape(', '.join(grade.qualifiers))}</div>")
    if grade.without_qualifiers is not None:
        parts.append(f"<div>with the qualifier named instead: {step(grade.without_qualifiers.most_likely)}</div>")
    return "".join(parts) or "-"


def centering_html(face: FaceMeasurement | None) -> str:
    """The figures of where the print lies: mean and worst station, millimetres, rotation, lean."""
    if face is None or face.centering is None:
        return ""
    found = face.centering
    facts = [
        ("L / R, mean", ratio(found.left_right)), ("L / R, worst station", ratio(found.worst_left_right)),
        ("T / B, mean", ratio(found.top_bottom)), ("T / B, worst station", ratio(found.worst_top_bottom)),
    ]  # fmt: skip
    rows = [
        ("borders, mm", _borders(found)),
        ("print turned", turned(found.rotation_deg)),
        ("print off the middle, right and down", _pair(found.shift_mm, "mm")),
        ("sides of the print leaning", _pair(found.trapezoid_deg, "°")),
        ("measured by", _METHODS.get(found.method, found.method)),
        ("card", "" if face.outline is None else f"{face.outline.spec.title} ({face.outline.spec_reason})"),
        ("scale", figure(face.px_mm, 1, "px a mm")),
    ]
    return facts_html(facts) + table_html(["", ""], rows) + _said(_notes(face))


def _borders(found: Centering) -> str:
    means = [np.nanmean(row) if np.isfinite(row).any() else math.nan for row in found.widths]
    return ", ".join(f"{side} {figure(float(mean))}" for side, mean in zip(SIDES, means, strict=True))


def _pair(values: tuple[float, float], unit: str) -> str:
    first, second = (figure(each, 2, unit) for each in values)
    return f"{first}, {second}"


def _notes(face: FaceMeasurement) -> tuple[str, ...]:
    said = list(face.notes)
    if face.outline is not None:
        said += [*face.outline.notes]
        said += [END_UNKNOWN] if end_unknown(face) else []
    said += [] if face.centering is None else face.centering.notes
    return tuple(dict.fromkeys(said))


def _said(items: Sequence[str]) -> str:
    told = "".join(f"<li>{escape(sentence(each))}</li>" for each in items)
    return f'<ul class="rcg-said">{told}</ul>' if told else ""


def wear_html(pixels: Pixels | None, face: FaceMeasurement | None) -> str:
    """Corners and edges, each with its close-up and figures."""
    if pixels is None or face is None or face.outline is None:
        return ""
    return f'<div class="rcg-closes">{corners_html(pixels, face)}{edges_html(pixels, face)}</div>'


def surface_html(pixels: Pixels | None, face: FaceMeasurement | None) -> str:
    """Every mark with its close-up; what these pictures cannot show."""
    if pixels is None or face is None:
        return ""
    surface = face.surface
    share = f"{100 * surface.share_judged:.0f} % of the face could be looked at."
    head = f"<div>{share}</div>" if surface.status != UNDETERMINED else ""
    head += f'<div class="rcg-warn">{escape(sentence(surface.reason))}</div>' if surface.reason else ""
    closes = marks_html(pixels, face) or '<div class="rcg-muted">No marks were found.</div>'
    return f'{head}<div class="rcg-closes">{closes}</div>'


def not_judged_html(report: GradeReport | None) -> str:
    """What was not looked at on either face, and what a standard could not count."""
    if report is None:
        return ""
    said: list[str] = []
    if not report.grades:
        said = [f"{name}: {each}" for name, face in faces_of(report) for each in _unjudged(face)]
    told = {each.title: each.not_judged for each in report.grades if each.not_judged}
    common = set.intersection(*map(set, told.values())) if len(told) == len(report.grades) and told else set()
    said += sorted(common)
    said += [f"{title}: {each}" for title, items in told.items() for each in items if each not in common]
    return _said(tuple(dict.fromkeys(said))) or '<div class="rcg-muted">Everything was looked at.</div>'


def _unjudged(face: FaceMeasurement) -> list[str]:
    said = [
        f"{each.corner.replace('_', ' ')} corner: {each.reason}" for each in face.corners if each.status != MEASURED
    ]
    said += [f"{each.side} edge: {each.reason}" for each in face.edges if each.status != MEASURED]
    said += [f"cannot be seen in these pictures: {', '.join(face.surface.not_seen)}"] if face.surface.not_seen else []
    return said
