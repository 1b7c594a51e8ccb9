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
    if study.turned:
        said.append(
            f"turned to the first capture of their card, since they lay the other way up: {', '.join(study.turned)}; "
            "where a card is nearly centred, this choice makes the spread a little smaller than it is"
        )
    notes = f'<div class="notes"><h4>Worth knowing</h4>{bullets(said)}</div>' if said else ""
    head = f"{counted(study.captures, 'capture')} of {counted(study.cards, 'card')}"
    return page(
        f"Repeatability: {head}",
        f'<header><h1>How well the figures repeat</h1><p class="sources"><span>{head}</span></p>{notes}</header>'
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
    return table((_row(each, several=several) for each in figures), heads=heads, kind="study")


def _row(each: Repeat, *, several: bool) -> list[str]:
    digits = _UNITS.get(each.unit, 3)
    unit = "" if each.unit == "steps" else each.unit
    spread = NOT_KNOWN
    if math.isfinite(each.sd):
        low, high = each.sd_range
        spread = f"<b>{figure(each.sd, digits, unit)}</b> <small>{low:.{digits}f} to {high:.{digits}f}</small>"
    more = [figure(each.between, digits, unit), figure(each.gauge, 0, "%")] if several else []
    count = f"{each.captures} of {each.captures + each.missing}" if each.missing else str(each.captures)
    title = each.title.partition(": ")[2] or each.title
    return [text(title), figure(each.mean, digits - 1, unit), spread, figure(each.stated, digits, unit), *more, count,
            _dots(each)]  # fmt: skip


def _dots(each: Repeat) -> str:
    """The captures as dots about the mean, with the stated sigma as a band."""
    known = [off for off in each.offsets if math.isfinite(off)]
    stated = each.stated if math.isfinite(each.stated) else 0.0
    reach = max([abs(off) for off in known] + [2 * stated])
    if not known or reach == 0:
        return "" if not known else "all the same"
    band = 90 * stated / reach
    dots = "".join(f'<circle cx="{short(100 + 90 * off / reach)}" cy="9" r="3.2"/>' for off in known)
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
        "than all of them.</li><li>The band in the last column is one stated sigma to either side.</li>"
        f"{gauge}</ul></details></section>"
    )
