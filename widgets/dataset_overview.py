"""The overview of a dataset: counts, whether it can be trained on and what to mend, what fits, and figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from rcg.readiness import Finding, Readiness
from rcg.readiness.fitting import time_words
from widgets.base import Message
from widgets.dataset_about import About
from widgets.kit import Html, empty_html, facts_html, message_html, table_html, tag_html

_VERDICT = {"go": "good", "warn": "warn", "stop": "bad"}
_WORDS = {"go": "ready to train", "warn": "can be trained, with doubts", "stop": "cannot be trained yet"}
_KINDS = {"stop": "error", "warn": "warning", "note": "info"}


def about_html(about: About | None) -> str:
    """A dataset at a glance: what is there, before it is checked."""
    if about is None:
        return empty_html("There is no dataset yet.", "Add images first: paste a path under “Add”.")
    have = about.table
    if not have.names:
        return empty_html(
            f"{about.name} holds no images yet.", "Add some under “Add”; while some are being added, wait."
        )
    labelled = int(have.labelled.sum())
    facts = [
        ("images", f"{len(have):,}"),
        ("labelled", f"{100 * labelled / len(have):.0f} %"),
        ("annotations", f"{have.annotations:,}"),
        ("cards", f"{len(have.card_names):,}"),
        ("background images", f"{int(have.empty.sum()):,}"),
        ("without labels", f"{len(have) - labelled:,}"),
    ]
    where = f'<div class="rcg-muted">{escape(about.type_title)} · {escape(about.path)}</div>'
    return "".join([where, facts_html(facts), _unfinished(about)])


def ready_html(about: About | None) -> str:
    """Whether it can be trained on, what to mend, its classes and splits, and what fits."""
    if about is None or not about.table.names:
        return ""
    verdict = "" if about.readiness is None else _verdict(about.readiness)
    return verdict + _tables(about)


def _unfinished(about: About) -> str:
    """Imports that were stopped: how to go on with them."""
    return "".join(
        message_html(Message(kind="warning", what="adding was stopped before its end", fix=f"Go on: {command}"))
        for command in about.unfinished
    )


def _verdict(have: Readiness) -> str:
    tag = tag_html(_WORDS[have.verdict], _VERDICT[have.verdict])
    grave = "".join(_finding(each) for each in have.findings if each.severity != "note")
    notes = [each for each in have.findings if each.severity == "note"]
    more = f"<details><summary>Notes ({len(notes)})</summary>{''.join(map(_finding, notes))}</details>" if notes else ""
    return f'<div style="margin-top:10px">{tag}</div>{grave}{more}'


def _finding(each: Finding) -> str:
    more = f" and {each.count - len(each.records):,} more" if each.count > len(each.records) else ""
    where = ", ".join(each.records) + more if each.records else ""
    return message_html(Message(kind=_KINDS[each.severity], what=each.what, fix=each.fix, where=where))


def _tables(about: About) -> str:
    have, ready = about.table, about.readiness
    counts = have.per_label()
    total = max(1, have.annotations)
    classes = table_html(
        ["class", "annotations", "share"],
        [(label, f"{count:,}", f"{100 * count / total:.0f} %") for label, count in counts.items()],
        numbers=(1, 2),
    )
    splits = table_html(
        ["split", "images"], [(split, f"{count:,}") for split, count in have.per_split().items()], numbers=(1,)
    )
    stages = table_html(
        ["labels", "images", "annotations"],
        [(each.name, f"{each.images:,}", f"{each.annotations:,}") for each in (ready.stages if ready else ())],
        numbers=(1, 2),
    )
    sources = table_html(
        ["from", "format", "stage", "images"],
        [(e["path"], e["format"], e["stage"].replace("_", " "), f"{e['images']:,}") for e in about.sources],
        numbers=(3,),
    )
    blocks = [_section("Classes", classes if counts else ""), _section("Splits, by card", splits)]
    blocks += [_section("Labels by stage", stages), _section("Tier", _tier(ready))] if ready else []
    blocks += [_section("Sources", sources if about.sources else "")]
    body = "".join(f"<div>{each}</div>" for each in blocks if each)
    fits = _section("What can be trained", _fits(ready)) if ready and ready.verdict != "stop" else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 40px">{body}</div>{fits}'


def _section(title: str, body: str) -> str:
    return f'<div class="rcg-title" style="margin-top:14px">{escape(title)}</div>{body}' if body else ""


def _fits(have: Readiness) -> str:
    """The architectures, why one is chosen, and how long an epoch takes on this machine."""
    rows = [
        (
            Html(f"{escape(each.title)} {tag_html('chosen', 'good') if each.chosen else ''}"),
            " ".join(each.why),
            time_words(each) or "not measured; see Quality",
        )
        for each in have.fits
    ]
    return table_html(["architecture", "why", "time on this machine"], rows) if rows else ""


def _tier(have: Readiness) -> str:
    """Which tier is reached, and what is missing to the next; tiers say what a dataset is fit for, none is a wall."""
    found = have.tier
    rows = "".join(f"<li>{escape(each)}</li>" for each in found.missing)
    missing = f"<div>To {escape(found.following)}:</div><ul>{rows}</ul>" if found.following and rows else ""
    return f"<div>{tag_html(found.tier or 'below experimental', 'brand')}</div>{missing}"


def figures_html(drawn: Mapping[str, tuple[bytes, bytes]]) -> str:
    """Figures by their titles, each as PNG for a light and for a dark page; the page shows the one that fits."""
    if not drawn:
        return ""
    cells = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{_picture(title, light, 'light')}"
        f"{_picture(title, dark, 'dark')}</figure>"
        for title, (light, dark) in drawn.items()
    )
    return f'<div class="rcg-figures">{cells}</div>'


def _picture(title: str, data: bytes, look: str) -> str:
    source = base64.b64encode(data).decode()
    return f'<img class="rcg-{look}" src="data:image/png;base64,{source}" alt="{escape(title, quote=True)}">'
