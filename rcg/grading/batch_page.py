"""The table of a batch as a page: a row a card with its picture, sorted by a click, narrowed by a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rcg.grading.batch_rows import FAILED
from rcg.grading.pairing import RULE
from rcg.grading.report_html import END_UNKNOWN, NOT_KNOWN, sentence, step, text
from rcg.grading.report_page import page, read_part
from rcg.measuring.types import MEASURED
from rcg.progress import counted

_AXES = {"left_right": "Left / right", "top_bottom": "Top / bottom"}


def table_page(
    rows: Sequence[Mapping[str, Any]], standards: Mapping[str, Any], *, missing: int = 0, pages: str = "cards/{}.html"
) -> str:
    """The page as text; it refers to the cards' pages and to `thumbs/` beside it.

    Args:
        rows: The table, as `rcg.grading.batch_rows` makes it.
        standards: The standards that were graded by, by name; their titles head the columns.
        missing: How many pictures were not graded, where the batch was stopped.
        pages: Where a card's page lies, with {} for its name.
    """
    count = {name: sum(row["status"] == name for row in rows) for name in (MEASURED, "undetermined", FAILED)}
    stopped = ""
    if missing > 0:
        stopped = f'<p class="hand">Stopped: {counted(missing, "picture")} to go. The same command goes on.</p>'
    filters = "".join(
        f'<button type="button" data-status="{name}" aria-pressed="false">{count[name]:,} {name}</button>'
        for name in count
        if count[name]
    )
    every = f'<button type="button" data-status="" aria-pressed="true">{counted(len(rows), "card")}</button>'
    titles = {name: str(getattr(each, "title", name)) for name, each in standards.items()}
    heads = [("card", "Card"), *_AXES.items(), *titles.items(),
             ("limit", "What limits it, or why not")]  # fmt: skip
    top = "".join(f'<th scope="col"><button type="button">{text(title)}</button></th>' for _, title in heads)
    body = "".join(_row(row, titles, pages) for row in rows)
    return page(
        "Graded cards",
        f'<header><h1>Graded cards</h1><p class="hint">{text(sentence(RULE))}. ≤ stands before '
        f"a grade that leaves out what was not seen: it is that or lower. All figures: "
        f'<a href="results.csv">results.csv</a>.</p>{stopped}</header>'
        f'<div class="switches narrow"><div class="choice" role="group" aria-label="Which cards">{every}{filters}</div>'
        f'<label>find <input type="search" aria-label="Find a card"></label></div>'
        f'<div class="wide"><table class="batch"><thead><tr><td></td>{top}</tr></thead><tbody>{body}</tbody></table>'
        f'</div><p class="none-left" hidden>No card fits.</p>',
        more_script=read_part("batch.js"),
    )


def _row(row: Mapping[str, Any], titles: Mapping[str, str], pages: str) -> str:
    name = str(row["card"])
    address, shown = quote(name), text(name)
    page_at = pages.format(address)
    if row["status"] == FAILED:
        picture, link = "", shown
    else:
        picture = f'<a href="{page_at}" tabindex="-1"><img src="thumbs/{address}.jpg" alt="" loading="lazy"></a>'
        link = f'<a href="{page_at}">{shown}</a>'
    files = text(" + ".join(str(row[side]).rsplit("/", 1)[-1] for side in ("front", "back") if row.get(side)))
    cells = [
        _centering(row, "left_right", measured=row["status"] == MEASURED),
        _centering(row, "top_bottom", measured=row["status"] == MEASURED),
        *(_grade(row, each, title) for each, title in titles.items()),
        f'<td class="why">{_why(row, titles)}</td>',
    ]
    return (
        f'<tr data-status="{row["status"]}"><td class="thumb">{picture}</td>'
        f'<th scope="row" data-value="{shown}">{link}<small>{files}</small></th>{"".join(cells)}</tr>'
    )


def _centering(row: Mapping[str, Any], axis: str, *, measured: bool) -> str:
    """Front's ratio and, below it, the back's; sorted by how far the worst of them is off the middle."""
    told, off = [], -1.0
    for side in ("front", "back"):
        share, sigma = row.get(f"{side}_{axis}"), row.get(f"{side}_{axis}_sigma")
        if share is not None and measured:
            off = max(off, abs(share - 50))
            doubt = f" <small>± {sigma:.1f}</small>" if sigma is not None else ""
            name = "<small>back</small> " if side == "back" else ""
            end = (
                ""
                if row.get(f"{side}_end_known", 1)
                else f'<small title="{text(sentence(END_UNKNOWN))}"> or reversed</small>'
            )
            told.append(f"{name}{share:.1f} / {100 - share:.1f}{doubt}{end}")
    return f'<td class="axis" data-title="{_AXES[axis]}" data-value="{off:.3f}">{"<br>".join(told) or NOT_KNOWN}</td>'


def _grade(row: Mapping[str, Any], standard: str, title: str) -> str:
    value = row.get(standard)
    if value is None:
        return f'<td data-title="{text(title)}" data-value="-1">{NOT_KNOWN}</td>'
    low, high = row[f"{standard}_low"], row[f"{standard}_high"]
    span = step(low) if low == high else f"{step(low)} to {step(high)}"
    most = "" if row.get(f"{standard}_status") == MEASURED else '<abbr title="or lower: not all was seen">≤</abbr> '
    codes = text(row.get(f"{standard}_qualifiers") or "")
    head = f'<td data-title="{text(title)}" data-value="{row[f"{standard}_mean"]}">'
    return f"{head}<b>{most}{step(value)}</b> {codes}<small>{span}</small></td>"


def _why(row: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    if row["status"] != MEASURED and row["reason"]:
        fix = f" <span>{text(sentence(row['fix']))}.</span>" if row["fix"] else ""
        return f"{text(sentence(row['reason']))}.{fix}"
    told = [(title, str(row.get(f"{name}_limit") or "")) for name, title in titles.items()]
    known = [each for each in told if each[1]]
    if not known:
        return ""
    # One whose step is the grade itself needs no explanation; the other standards' stand on the card's page.
    title, limit = next((each for each in known if "(" not in each[1].partition(":")[0]), known[0])
    return f"<small>{text(title)}</small>{text(sentence(limit))}"
