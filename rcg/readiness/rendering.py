"""The report on a dataset as Markdown and as one HTML page."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from rcg.annotations.split import SPLITS
from rcg.quality import FLAGS
from rcg.readiness.findings import Finding
from rcg.readiness.fitting import Fit, time_words
from rcg.readiness.report import Readiness, shown_records
from rcg.readiness.statistics import Spread

_VERDICTS = {
    "go": "Go: it can be trained on.",
    "warn": "Warn: it can be trained on, with the doubts below.",
    "stop": "Stop: mend what is marked stop before training.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """A table of the report: its heading, the heads of its columns, its rows; the first column is text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def markdown(found: Readiness) -> str:
    """The report as Markdown; figures stand in the HTML alone."""
    lines = [f"# Readiness of {found.source}", "", f"**{_VERDICTS[found.verdict]}** {_summary(found)}", ""]
    lines += [*_bullets(_fitness(found)), "", "## Findings", ""]
    for each in found.findings:
        lines.append(f"- **{each.severity}**: {each.what}")
        lines += [f"  - {shown_records(each)}"] if each.records else []
        lines.append(f"  - fix: {each.fix}")
    lines += [] if found.findings else ["Nothing was found."]
    if found.fits:
        lines += ["", "## Architectures", ""]
        lines += [f"- **{fit.name}** {_state(fit)}: {' '.join(_why(fit))}" for fit in found.fits]
    for grid in _grids(found):
        lines += ["", f"## {grid.title}", "", _row(grid.heads), "|---" + "|--:" * (len(grid.heads) - 1) + "|"]
        lines += map(_row, grid.rows)
    return "\n".join([*lines, ""])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _bullets(sentences: Iterable[str]) -> list[str]:
    return [f"- {each}" for each in sentences]


def _summary(found: Readiness) -> str:
    kind = f"Dataset of type {found.type}: " if found.type else ""
    return (
        f"{kind}{found.images:,} images of {found.cards:,} cards, {found.labelled:,} of them labelled "
        f"({found.empty:,} as empty), with {found.annotations:,} annotations of {_used(found)} classes."
    )


def _used(found: Readiness) -> int:
    return sum(count > 0 for count in found.per_label.values())


def _fitness(found: Readiness) -> Iterator[str]:
    """What it is fit for, and what is missing to more."""
    if not found.type:
        return
    yield f"Fit for: {found.tier.tier or 'trying things out; it has not reached the first tier'}."
    if found.tier.following:
        yield f"Missing to {found.tier.following}: {'; '.join(found.tier.missing)}."
    for fit in found.fits:
        if fit.chosen and fit.fits and (words := time_words(fit)):
            yield f"Training with {fit.name}: {words} (measured: {fit.measured})."


def _state(fit: Fit) -> str:
    return ("chosen here" if fit.chosen else "fits") if fit.fits else "does not fit"


def _why(fit: Fit) -> list[str]:
    words = time_words(fit)
    timed = [f"Measured here: {words} ({fit.measured})."] if words else []
    return [*fit.why, *timed]


def _grids(found: Readiness) -> Iterator[_Grid]:
    rows = [[each.name, _share(each.images, found.images), f"{each.annotations:,}"] for each in found.stages]
    yield _Grid(title="Stages", heads=("stage", "images", "annotations"), rows=rows)
    splits = [split for split in SPLITS if found.per_split[split]]
    heads = ["class", "annotations", "images", "cards", *splits, "shorter side, px", "part of the image"]
    rows = []
    for each in sorted(found.classes, key=lambda one: -one.annotations):
        counts = [each.annotations, each.images, each.cards, *(each.per_split[split] for split in splits)]
        part = "-" if each.area_share is None else f"{100 * each.area_share.middle:.3g} %"
        side = "-" if each.shorter_side is None else _range(each.shorter_side)
        rows.append([each.label, *(f"{count:,}" for count in counts), side, part])
    yield _Grid(title="Classes", heads=heads, rows=rows)
    if found.boxes is not None:
        yield _Grid(title="Boxes", heads=("", "least", "5 %", "middle", "95 %", "most"), rows=list(_spreads(found)))
    if found.files is not None and (found.files.looked_at or found.files.damaged or found.files.copies):
        yield _Grid(title="Image files", heads=("", "images"), rows=list(_files(found)))


def _spreads(found: Readiness) -> Iterator[list[str]]:
    boxes, shapes = found.boxes, found.shapes
    assert boxes is not None
    named = {
        "width, px": boxes.width, "height, px": boxes.height, "width : height": boxes.aspect,
        "part of the image": boxes.area_share, "middle, left to right": boxes.x, "middle, top to bottom": boxes.y,
        "annotations an image": boxes.per_image, "points of an outline": shapes.points,
        "part of its box that an outline fills": shapes.filled,
    }  # fmt: skip
    for name, spread in named.items():
        if spread is not None:
            values = (spread.least, spread.low, spread.middle, spread.high, spread.most)
            yield [name, *map(_number, values)]


def _files(found: Readiness) -> Iterator[list[str]]:
    files = found.files
    assert files is not None
    yield ["cannot be read", f"{files.damaged:,}"]
    yield ["there twice, bit for bit", f"{files.copies:,}" if files.compared else "not compared"]
    yield ["looked at for quality", f"{files.looked_at:,} of {found.images:,}"]
    for flag, count in files.flags.items():
        yield [FLAGS[flag], f"{count:,}"]


def _share(some: int, every: int) -> str:
    return f"{some:,} of {every:,} ({some / every:.0%})" if every else "0"


def _range(spread: Spread) -> str:
    return f"{_number(spread.middle)} ({_number(spread.low)} to {_number(spread.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def page(found: Readiness) -> str:
    """The report as one HTML page that loads nothing."""
    dark = found.figures(look="dark")
    pictures = "".join(_picture(title, data, dark[title]) for title, data in found.figures().items())
    fitness = "".join(f"<li>{escape(each)}</li>" for each in _fitness(found))
    findings = "".join(map(_finding_html, found.findings)) or "<p>Nothing was found.</p>"
    fits = "".join(
        f"<dt>{escape(fit.name)} <b class='{'go' if fit.fits else 'stop'}'>{_state(fit)}</b></dt>"
        f"<dd>{escape(' '.join(_why(fit)))}</dd>"
        for fit in found.fits
    )
    body = [
        f"<h1>Readiness of {escape(found.source)}</h1>",
        f"<p class='verdict {found.verdict}'>{_VERDICTS[found.verdict]}</p>",
        f"<p>{escape(_summary(found))}</p>",
        f"<ul>{fitness}</ul>" if fitness else "",
        f"<h2>Findings</h2>{findings}",
        f"<h2>Architectures</h2><dl>{fits}</dl>" if fits else "",
        f"<h2>Figures</h2><div class='figures'>{pictures}</div>",
        *map(_grid_html, _grids(found)),
        f"<p class='made'>Made by rcg validate on {time.strftime('%d %B %Y, %H:%M')}.</p>",
    ]
    title = f"Readiness of {escape(found.source)}"
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{title}</title>"
    head = f"<!doctype html><html lang='en'><head>{head}<style>{_STYLE}</style></head>"
    return f"{head}<body>{''.join(body)}</body></html>\n"


def _picture(title: str, light: bytes, dark: bytes) -> str:
    """A figure in both looks; the browser shows that which the page has."""
    shown, other = (f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (light, dark))
    return (
        f"<figure><figcaption>{escape(title)}</figcaption><picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="{other}">'
        f'<img alt="{escape(title)}" src="{shown}"></picture></figure>'
    )


def _finding_html(each: Finding) -> str:
    records = f"<p class='records'>{escape(shown_records(each))}</p>" if each.records else ""
    return (
        f"<div class='finding {each.severity}'><p><b>{each.severity}</b> {escape(each.what)}</p>{records}"
        f"<p class='fix'>fix: {escape(each.fix)}</p></div>"
    )


def _grid_html(grid: _Grid) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in grid.heads)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in grid.rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h2>{escape(grid.title)}</h2><div class='wide'>{table}</div>"


_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #222; --soft: #555; --line: #d9d9d9;
  --go: #00734f; --warn: #8a5a00; --stop: #b3261e; --note: #4a5568;
  --go-ink: var(--go); --warn-ink: var(--warn); --stop-ink: var(--stop) }
@media (prefers-color-scheme: dark) { :root { --ground: #1e1e1e; --ink: #e6e6e6; --soft: #b0b0b0; --line: #444;
  --note: #a3b1c6; --go-ink: #4cc79a; --warn-ink: #e6b450; --stop-ink: #ff8a80 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 75rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem }
p { margin: .2rem 0 }
.verdict { display: inline-block; color: #fff; padding: .25rem .8rem; border-radius: .3rem; margin: .4rem 0 }
.verdict.go { background: var(--go) } .verdict.warn { background: var(--warn) }
.verdict.stop { background: var(--stop) }
.finding { border-left: .25rem solid var(--note); padding: .1rem .8rem; margin: .6rem 0; overflow-wrap: anywhere }
.finding.stop { border-color: var(--stop-ink) } .finding.warn { border-color: var(--warn-ink) }
.finding b { margin-right: .4rem } .finding.stop b { color: var(--stop-ink) }
.finding.warn b { color: var(--warn-ink) } .finding.note b { color: var(--note) }
.records { color: var(--soft); font: .85em/1.5 ui-monospace, monospace } .fix { color: var(--ink) }
dl { margin: 0 } dt { font-family: ui-monospace, monospace }
dt b { font-family: system-ui, sans-serif; margin-left: .5rem }
dd { margin: 0 0 .8rem 1.2rem } b.go { color: var(--go-ink) } b.stop { color: var(--stop-ink) }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1.2rem;
  align-items: start }
figure { margin: 0 } figure img { width: 100%; max-width: 35rem; display: block } figcaption { font-weight: 600 }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
.made { color: var(--soft); margin-top: 2rem }
"""
