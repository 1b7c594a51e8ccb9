"""The report on a card as one page that needs nothing else: it opens from the disk, in light and dark, and prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from rcg.grading.report_close import Relief
from rcg.grading.report_face import face_html
from rcg.grading.report_html import (
    SEEN_PARTS,
    bullets,
    interval,
    percent,
    sentence,
    shown_areas,
    step,
    text,
    words,
)
from rcg.grading.standard import Standard
from rcg.grading.types import Distribution, Grade, GradeReport, Limit
from rcg.images import Pixels
from rcg.measuring.types import MEASURED, UNDETERMINED, FaceMeasurement

_LEAST = 0.005
"""Steps less probable than this, beyond the 90 % interval, have no bar."""


def report_page(
    report: GradeReport,
    pictures: Mapping[str, Pixels],
    *,
    standards: Mapping[str, Standard] | None = None,
    relit: Mapping[str, str] | None = None,
    reliefs: Mapping[str, Relief] | None = None,
) -> str:
    """The page as text.

    Args:
        report: What was measured and graded.
        pictures: The pictures that were measured, (h, w, 3) uint8 RGB, by "front" and "back".
        standards: What was graded by, by name: their steps' names and sources stand on the page too.
        relit: HTML of the relit surface of a face, as `relit_html` makes it.
        reliefs: What marks of a face that a photo does not show are shown on.

    Returns:
        HTML; the same report and pictures give the same bytes.
    """
    faces = [("front", report.front), *([("back", report.back)] if report.back is not None else [])]
    body = [
        _head(report),
        _grades(report.grades, standards or {}),
        _not_judged(report),
        *(_face(report, name, face, pictures, (reliefs or {}).get(name)) for name, face in faces),
        *(f'<section class="relit"><h2>{name.capitalize()}, relit</h2>{html}</section>'
          for name, html in (relit or {}).items()),
        _reading(standards or {}),
    ]  # fmt: skip
    return page(f"{report.name}: grade", "".join(body))


def page(title: str, body: str, *, more_script: str = "") -> str:
    """A page of this family: its head, its style, its script and `body`, which is HTML already."""
    style, script = read_part("report.css"), read_part("report.js")
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{text(title)}</title>\n<style>\n{style}</style></head>\n'
    )
    return f"{head}<body><main>{body}</main>\n<script>\n{script}{more_script}</script></body></html>\n"


def read_part(name: str) -> str:
    """A file that stands beside this module."""
    return files("rcg.grading").joinpath(name).read_text(encoding="utf-8")


def _head(report: GradeReport) -> str:
    told = [f"{part}: <b>{text(_file_name(path))}</b>" for part, path in report.sources.items()]
    outline = report.front.outline or (report.back.outline if report.back is not None else None)
    if outline is not None:
        told.append(f"{text(outline.spec.title)} <small>({text(outline.spec_reason)})</small>")
    if report.front.px_mm == report.front.px_mm:  # NaN without an outline
        told.append(f"{report.front.px_mm:.1f} pixels a millimetre")
    facts = "".join(f"<span>{each}</span>" for each in told)
    notes = bullets(report.notes)
    hand = ""
    if report.hand_set:
        hand = f'<p class="hand">Set by hand: {text(", ".join(report.hand_set))}. The grades below rest on it.</p>'
    return f'<header><h1>{text(report.name)}</h1><p class="sources">{facts}</p>{hand}{notes}</header>'


def _file_name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _grades(grades: Sequence[Grade], standards: Mapping[str, Standard]) -> str:
    if not grades:
        return ""
    if all(each.overall is None for each in grades) and len({each.reason for each in grades}) == 1:
        return _no_grade(grades)
    reasons = {each.reason for each in grades if each.overall is not None}
    shared = reasons.pop() if len(reasons) == 1 and all(each.overall is not None for each in grades) else ""
    told = f'<p class="hint">{text(_ended(shared))}</p>' if shared else ""
    cards = "".join(_grade(each, standards.get(each.standard), told_above=bool(shared)) for each in grades)
    return f'<section><h2>Grades</h2>{told}<div class="grades">{cards}</div></section>'


_RETAKE = (
    "the whole card in the picture, with a finger's width of plain ground around it, unlike the card's border in tone",
    "the camera straight above the card, which fills most of the picture",
    "no sleeve, no holder, no hand over an edge",
    "soft light from two sides, without glare and without a hard shadow along an edge",
)


def _no_grade(grades: Sequence[Grade]) -> str:
    """One word for all standards, where none gives a grade, and how a picture has to be to get one."""
    head, _, fix = grades[0].reason.partition("; ")
    why = _ended(head or "what a grade rests on was not measured")
    todo = f'<p class="fix"><b>What to do:</b> {text(_ended(fix))}</p>' if fix else ""
    names = ", ".join(text(each.title) for each in grades)
    tips = "".join(f"<li>{each}</li>" for each in _RETAKE)
    return (
        f'<section><h2>Grades</h2><div class="banner wide-banner"><h3>Undetermined under every standard ({names})</h3>'
        f"<p>{text(why)}</p>{todo}<p>A picture that can be graded has:</p><ul>{tips}</ul></div></section>"
    )


def _ended(said: str) -> str:
    """Words as a sentence, with a capital and a full stop."""
    return f"{sentence(said.rstrip('.'))}."


def _grade(grade: Grade, standard: Standard | None, *, told_above: bool) -> str:
    """One standard: the most likely step, all steps as bars, the sub-grades, what holds it down."""
    title = f"<h3>{text(grade.title)}</h3>"
    if grade.overall is None:
        why = _ended(grade.reason or "what it rests on was not measured")
        return (
            f'<article class="grade none">{title}<p class="big"><b>undetermined</b></p><p>{text(why)}</p>'
            f"{_held(grade.limits)}{_subgrades(grade)}</article>"
        )
    sure = grade.status == MEASURED
    label = "most likely" if sure else "<strong>or lower</strong>"
    span = interval(grade.overall)
    below = "" if sure else f'<p class="partly">{sentence(SEEN_PARTS)}: {span}. The rest was not seen.</p>'
    codes = "".join(f"<i>{text(each)}</i>" for each in grade.qualifiers)
    head = (
        f'{title}<p class="big"><b>{step(grade.overall.most_likely)}</b>{codes}'
        f"<span>{_step_name(grade.overall, standard)}{label}{f'<br>90 %: {span}' if sure else ''}</span></p>{below}"
    )
    parts = [head, bars(grade.overall), _without(grade), _labels(grade), _held(grade.limits), _subgrades(grade)]
    if grade.reason and not told_above:
        parts.append(f'<p class="partly">{text(_ended(grade.reason))}</p>')
    return f'<article class="grade">{"".join(parts)}</article>'


def _step_name(found: Distribution, standard: Standard | None) -> str:
    """What the standard calls the most likely step, where that is more than a number."""
    if standard is None:
        return ""
    name = standard.names[standard.level(found.most_likely)].removesuffix(step(found.most_likely)).strip()
    return f"<em>{text(name)}</em><br>" if name else ""


def bars(found: Distribution) -> str:
    """A distribution as bars, one a step; those of the 90 % interval are full, the others pale."""
    low, high = found.interval()
    shown = [
        (each, share)
        for each, share in zip(found.steps, found.probabilities, strict=True)
        if share >= _LEAST or low <= each <= high
    ]
    highest = max(share for _, share in shown)
    rows = "".join(
        f'<li class="{"in" if low <= each <= high else "out"}"><span>{step(each)}</span>'
        f'<span class="bar"><span style="width:{100 * share / highest:.1f}%"></span></span>'
        f"<span>{percent(share)}</span></li>"
        for each, share in reversed(shown)
    )
    return f'<ol class="bars" aria-label="Probability of each grade">{rows}</ol>'


def _without(grade: Grade) -> str:
    if grade.without_qualifiers is None or not grade.qualifiers:
        return ""
    found, codes = grade.without_qualifiers, ", ".join(grade.qualifiers)
    return f"<p>With the qualifier: <b>{step(found.most_likely)} ({text(codes)})</b>, 90 %: {interval(found)}.</p>"


def _labels(grade: Grade) -> str:
    told = ", ".join(f"{text(name)} {percent(share)}" for name, share in grade.labels)
    return f"<p>{told}</p>" if told else ""


def _held(limits: Sequence[Limit]) -> str:
    """What holds the grade down, the first in words, the others folded."""
    if not limits:
        return ""
    first, *others = limits
    more = "".join(f"<li>{_limit(each)}</li>" for each in others)
    folded = f"<details><summary>{len(others)} more</summary><ul>{more}</ul></details>" if others else ""
    return f'<div class="held"><h4>What limits it</h4><p>{_limit(first)}</p>{folded}</div>'


def _limit(limit: Limit) -> str:
    what = f"{sentence(words(limit.what))}{f', {limit.face}' if limit.face else ''}"
    why = limit.why.removeprefix(f"{limit.face} ") if limit.face else limit.why
    note = f" ({text(limit.note)})" if limit.note else ""
    return f"<b>{text(what)}: at most {step(limit.step)}{note}.</b> {text(_ended(why))}"


def _subgrades(grade: Grade) -> str:
    """The sub-grades that a standard prints; else what each area of each face allows."""
    shown = shown_areas(grade)
    if not shown:
        return ""
    rows = []
    for name, found in shown.items():
        told = "not judged" if found is None else f"<small>{interval(found)}</small> <b>{step(found.most_likely)}</b>"
        rows.append(f'<div class="{"none" if found is None else ""}"><dt>{text(words(name))}</dt><dd>{told}</dd></div>')
    return f'<dl class="subs">{"".join(rows)}</dl>'


def _not_judged(report: GradeReport) -> str:
    """What nobody should read into these grades; nothing where there are none, since no card was found."""
    if all(face is None or face.outline is None for face in (report.front, report.back)):
        return ""
    said = list(dict.fromkeys(each for grade in report.grades for each in grade.not_judged))
    if not said:
        faces = [("front", report.front), *([("back", report.back)] if report.back is not None else [])]
        said = [f"{name}: {each}" for name, face in faces for each in _missing(face)]
    told = bullets(said)
    return f'<section class="unseen"><h2>What was not judged</h2>{told}</section>' if told else ""


def _missing(face: FaceMeasurement) -> list[str]:
    """Parts of a face that were not, or not wholly, looked at, and why."""
    said = []
    if face.centering is not None and face.centering.status == UNDETERMINED:
        said.append(f"centering, because {face.centering.reason or 'its lines are not known'}")
    parts = [(f"{words(each.corner)} corner", each.status, each.reason) for each in face.corners]
    parts += [(f"{each.side} edge", each.status, each.reason) for each in face.edges]
    said += [f"{name}, because {why or 'it cannot be seen'}" for name, status, why in parts if status == UNDETERMINED]
    if face.surface.status == UNDETERMINED:
        said.append(f"surface, because {face.surface.reason or 'it was not looked at'}")
    elif face.surface.not_seen:
        said.append(f"{', '.join(face.surface.not_seen)}: {face.surface.reason or 'these pictures cannot show them'}")
    return said


def _face(
    report: GradeReport, name: str, face: FaceMeasurement, pictures: Mapping[str, Pixels], relief: Relief | None
) -> str:
    hand = [each.removeprefix(f"{name} ") for each in report.hand_set if each.startswith(f"{name} ")]
    return face_html(pictures[name], face, name, hand_set=hand, relief=relief)


def _reading(standards: Mapping[str, Standard]) -> str:
    """How to read the page, for whoever meets one for the first time."""
    return (
        '<section class="reading"><details><summary>How to read this page</summary><ul>'
        "<li>A figure after ± is one standard deviation: in two of three cases the truth lies within it.</li>"
        "<li>A ratio such as 55 / 45 gives the shares of the left and the right (the top and the bottom) border. The "
        "worst end is that of the three stations along the sides that is farthest from 50 / 50: a print that is turned "
        "against the cut is judged there.</li>"
        "<li>Each grade is a distribution: what is uncertain in the measurements was carried through the standard's "
        "rules. 90 % of the time the grade lies within the interval that is named, as far as what was seen decides it."
        "</li><li>A grade here is an estimate from pictures. It is no company's grade, and what a company sees in the "
        f"hand may differ.</li></ul></details>{_standards(standards)}</section>"
    )


def _standards(standards: Mapping[str, Standard]) -> str:
    """Where each standard comes from, and what of it is a reading or was not checked."""
    if not standards:
        return ""
    told = "".join(
        f"<li><b>{text(each.title)}</b>, {text(each.effective)}: {_source(each.source)}. The ratio that counts is "
        f"{'that of the worst end' if each.ratio == 'worst' else 'the mean'}. {text(' '.join(each.reading.split()))}"
        f"{bullets(f'Not checked: {one[:1].lower()}{one[1:]}' for one in each.unchecked)}</li>"
        for each in standards.values()
    )
    return f"<details><summary>The standards and their sources</summary><ul>{told}</ul></details>"


def _source(source: str) -> str:
    if source.startswith("https://"):
        return f'<a href="{text(source)}">{text(source.removeprefix("https://"))}</a>'
    return text(source.rstrip("."))
