"""A repeatability study as a page: each figure's standard deviation, beside the sigma that the reports state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from rcg.grading.repeatability import Repeat, Repeatability
from rcg.grading.report_html import NOT_KNOWN, bullets, figure, sentence, short, table, text
from rcg.grading.report_page import page
from rcg.progress import counted

_UNITS = {"points": 3, "mm": 4, "°": 3, "steps": 3}


def study_page(study: Repeatability) -> str:
    """The page as text; the same study gives the same bytes."""
    groups = groupby(study.figures, key=_group)
    parts = "".join(f"<h2>{text(sentence(name))}</h2>{_table(list(each), study)}" for name, each in groups)
    said = [f"{name}: not read, {reason}" for name, reason in study.failed]
    beyond = [each.title for each in study.figures if each.beyond]
    if beyond:
        said.append(f"spread more than their reports state, so that those are too sure: {', '.join(beyond)}")
    if study.turned:
        said.append(
            f"turned to the first capture of their card, since they lay the other way up: {', '.join(study.turned)}; "
            "where a card is nearly centred, this choice makes the spread a little smaller than it is"
        )
    notes = f'<div class="notes"><h4>Worth knowing</h4>{bullets(said)}</div>' if said else ""
    head = f"{counted(study.captures, 'capture')} of {counted(study.cards, 'card')}"
    return page(
        f"Repeatability: {head}",
        f'<header><h1>How well the figures repeat</h1><p class="sources"><span>{head}</span></p>'
        f'<p class="hint">The pictures, named at their dots: {text(", ".join(study.names))}.</p>'
        f"{notes}</header>"
        f"{parts}{_reading(several=study.cards > 1)}",
    )


def _group(each: Repeat) -> str:
    if each.name.startswith("grade_"):
        return "grades"
    face = "back" if each.name.startswith("back_") else "front"
    kind = "corners" if "corner" in each.title else "edges" if "edge" in each.title else "centering"
    return f"{face}, {kind}"


def _table(figures: Sequence[Repeat], study: Repeatability) -> str:
    several = study.cards > 1
    heads = ["", "mean", "standard deviation", "stated sigma", *(["between cards", "gauge R&amp;R"] if several else []),
             "captures", "each capture, from its card's mean"]  # fmt: skip
    return table((_row(each, study.names, several=several) for each in figures), heads=heads, kind="study")


def _row(each: Repeat, names: Sequence[str], *, several: bool) -> list[str]:
    digits = _UNITS.get(each.unit, 3)
    unit = "" if each.unit == "steps" else each.unit
    mean = figure(each.mean, digits - 1, "%" if unit == "points" else unit)
    title = each.title.partition(": ")[2] or each.title
    if each.nothing:
        return [text(title), f"<i>{each.nothing}</i>", *[NOT_KNOWN] * (4 if several else 2), str(each.captures), ""]
    spread = NOT_KNOWN
    if math.isfinite(each.sd):
        low, high = each.sd_range
        spread = f"<b>{figure(each.sd, digits, unit)}</b> <small>{low:.{digits}f} to {high:.{digits}f}</small>"
    more = [figure(each.between, digits, unit), figure(each.gauge, 0, "%")] if several else []
    count = f"{each.captures} of {each.captures + each.missing}" if each.missing else str(each.captures)
    if each.beyond:
        spread += '<span class="partly"> more than stated</span>'
    return [text(title), mean, spread, figure(each.stated, digits, unit), *more, count,
            _dots(each, names)]  # fmt: skip


def _dots(each: Repeat, names: Sequence[str]) -> str:
    """The captures as dots about the mean, with the stated sigma as a band."""
    named = [(off, name) for off, name in zip(each.offsets, names, strict=True) if math.isfinite(off)]
    known = [off for off, _ in named]
    stated = each.stated if math.isfinite(each.stated) else 0.0
    reach = max([abs(off) for off in known] + [2 * stated])
    if not known or reach == 0:
        return "" if not known else "all the same"
    band = 90 * stated / reach
    dots = "".join(
        f'<circle cx="{short(100 + 90 * off / reach)}" cy="9" r="3.2"><title>{text(name)}</title></circle>'
        for off, name in named
    )
    return (
        f'<svg class="dots" viewBox="0 0 200 18" role="img" aria-label="Spread of the captures">'
        f'<rect x="{short(100 - band)}" width="{short(2 * band)}" height="18"/><path d="M100 0v18"/>{dots}</svg>'
    )


def _reading(*, several: bool) -> str:
    gauge = (
        "<li>Gauge R&amp;R: the share of all spread that comes from measuring. Below 10 % a figure tells cards apart "
        "well, above 30 % it does not (AIAG, Measurement Systems Analysis).</li>"
        if several
        else ""
    )
    return (
        '<section class="reading"><details open><summary>How to read this page</summary><ul>'
        "<li>The standard deviation is that between captures of one card; the small figures are its 95 % interval. "
        "With few captures it is known only roughly.</li><li>The stated sigma is what each report claims for itself; "
        "it should be no smaller. Captures that were laid down alike share some errors, so that the spread shows less "
        "than all of them.</li><li><i>More than stated</i> stands where even the lower end of "
        "that interval is above it.</li>"
        "<li>The band in the last column is one stated sigma to either side.</li>"
        f"{gauge}</ul></details></section>"
    )
