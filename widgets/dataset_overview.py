"""The overview of a dataset: counts, whether it can be trained on, classes, splits, sources."""

from __future__ import annotations

from html import escape

from widgets.base import Message
from widgets.dataset_model import About
from widgets.kit import empty_html, facts_html, message_html, table_html, tag_html

_VERDICT = {"go": "good", "warn": "warn", "stop": "bad"}


def about_html(about: About | None) -> str:
    """A dataset at a glance: counts, readiness, classes, splits, what was left out, samples."""
    if about is None:
        return empty_html(
            "There is no dataset yet.", "Paste the path of a folder on the left, then press “Create and add”."
        )
    have = about.coverage
    if not have.images:
        return empty_html(
            f"{about.name} holds no images yet.",
            "Paste a path on the left; while one is being added, wait for it.",
        )
    share = f"{100 * have.labelled / have.images:.0f} %" if have.images else "-"
    facts = facts_html(
        [
            ("images", f"{have.images:,}"),
            ("labelled", share),
            ("annotations", f"{have.annotations:,}"),
            ("cards", f"{have.cards:,}"),
            ("background images", f"{have.empty:,}"),
            ("without labels", f"{have.unlabelled:,}"),
            ("corrections", f"{have.corrections:,}"),
        ]
    )
    where = f'<div class="rcg-muted">{escape(about.type_title)} · {escape(about.path)}</div>'
    return "".join([where, facts, _unfinished(about), _readiness(about), _tables(about)])


def _unfinished(about: About) -> str:
    """Imports that were stopped: how to go on with them."""
    return "".join(
        message_html(Message(kind="warning", what="adding was stopped before its end", fix=f"Go on: {command}"))
        for command in about.unfinished
    )


def _section(title: str, body: str) -> str:
    return f'<div class="rcg-title" style="margin-top:14px">{escape(title)}</div>{body}' if body else ""


def _readiness(about: About) -> str:
    found = about.readiness
    words = {"go": "ready to train", "warn": "can be trained, with doubts", "stop": "cannot be trained yet"}
    rows = "".join(
        message_html(
            Message(
                kind="error" if each.severity == "stop" else "warning",
                what=each.what, fix=each.fix, where=", ".join(each.records),
            )
        )
        for each in found.findings
    )  # fmt: skip
    return f'<div style="margin-top:10px">{tag_html(words[found.verdict], _VERDICT[found.verdict])}</div>{rows}'


def _tables(about: About) -> str:
    have = about.coverage
    total = max(1, have.annotations)
    classes = table_html(
        ["class", "annotations", "share"],
        [(label, f"{count:,}", f"{100 * count / total:.0f} %") for label, count in have.per_label.items()],
        numbers=(1, 2),
    )
    splits = table_html(
        ["split", "images"], [(split, f"{count:,}") for split, count in have.per_split.items()], numbers=(1,)
    )
    predictions = table_html(
        ["predictions", "annotations"], [(name, f"{count:,}") for name, count in have.predictions.items()], numbers=(1,)
    )
    sources = table_html(
        ["from", "format", "stage", "images"],
        [(e["path"], e["format"], e["stage"].replace("_", " "), f"{e['images']:,}") for e in about.sources],
        numbers=(3,),
    )
    blocks = [_section("Classes", classes if have.per_label else ""), _section("Splits, by card", splits)]
    blocks += [
        _section("Predictions", predictions if have.predictions else ""),
        _section("Sources", sources if about.sources else ""),
    ]
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:0 40px">'
        + "".join(f"<div>{each}</div>" for each in blocks if each)
        + "</div>"
    )
