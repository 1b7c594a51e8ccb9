"""Curves as SVG: sharp, small, in the colours of JupyterLab's theme; lines differ by dash as well as by colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Blue, orange, green, magenta, teal, grey: told apart on white and on near-black, and by most colour-blind readers.
COLOURS = ("#3b8edb", "#e07b00", "#3a9d4f", "#cc5fa8", "#1aa39a", "#8a8a8a")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 4", "4 4")
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 26, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a chart.

    Attributes:
        name: What the legend calls it.
        x: Positions, ascending.
        y: Values, as many; those that are not finite leave a gap.
        marks: Whether each point gets a dot.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    marks: bool = False


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between `low` and `high`.

    Example:
        >>> ticks(0, 1)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    step = 10 ** math.floor(math.log10(span / wanted))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= wanted)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def thin(x: Sequence[float], y: Sequence[float], most: int = 600) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """At most `most` points: means of equal stretches, so that a long run draws as quickly as a short one."""
    size = max(1, math.ceil(len(x) / most))
    starts = range(0, len(x), size)
    return tuple(x[at] for at in starts), tuple(_mean(y[at : at + size]) for at in starts)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def chart(
    series: Sequence[Series], *, title: str, x_label: str, width: int = 500, height: int = 230,
    y_range: tuple[float, float] | None = None,
) -> str:  # fmt: skip
    """An SVG line chart; without a finite value, only its frame and the words "no values yet".

    Args:
        series: The lines.
        title: What is drawn, with its unit.
        x_label: What the x axis counts.
        width: Pixels across; it shrinks with the page.
        height: Pixels down.
        y_range: The limits of the y axis; from the values by default.
    """
    points = [(x, y) for each in series for x, y in zip(each.x, each.y, strict=True) if math.isfinite(y)]
    frame = (
        f'<svg viewBox="0 0 {width} {height}" style="width:100%;max-width:{width}px;display:block" role="img" '
        f'aria-label="{escape(title)}">{_text(_LEFT, 14, title, size=12, anchor="start", colour="text")}'
    )
    if not points:
        inner = f'width="{width - _LEFT - _RIGHT}" height="{height - _TOP - _BOTTOM}"'
        empty = f'<rect x="{_LEFT}" y="{_TOP}" {inner} fill="none" stroke="var(--rcg-line)"/>'
        return f"<div>{frame}{empty}{_text((width + _LEFT) / 2, height / 2, 'no values yet')}</svg></div>"
    x_limits = _limits([x for x, _ in points])
    y_limits = y_range or _limits([y for _, y in points], pad=0.06)
    scale = _Scale(x_limits, y_limits, width, height)
    body = _grid(scale, x_label) + "".join(_line(scale, each, number) for number, each in enumerate(series))
    return f"<div>{frame}{body}</svg>{_legend(series) if len(series) > 1 else ''}</div>"


@dataclass(frozen=True, slots=True)
class _Scale:
    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            _LEFT + across * (self.width - _LEFT - _RIGHT),
            self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM),
        )


def _limits(values: Sequence[float], pad: float = 0.0) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * pad or (0.0 if high > low else max(abs(high) * 0.1, 0.5))
    return low - room, high + room


def _text(x: float, y: float, words: str, *, size: int = 11, anchor: str = "middle", colour: str = "muted") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="var(--rcg-{colour})">{escape(words)}</text>'


def _grid(scale: _Scale, x_label: str) -> str:
    parts = []
    bottom, right = scale.height - _BOTTOM, scale.width - _RIGHT
    for value in ticks(*scale.y):
        y = scale.at(scale.x[0], value)[1]
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="var(--rcg-line)" stroke-width="0.7"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", anchor="end"))
    across = ((scale.at(value, scale.y[0])[0], value) for value in ticks(*scale.x, wanted=7))
    parts += [_text(x, bottom + 15, f"{value:,g}") for x, value in across]
    parts.append(_text((_LEFT + right) / 2, scale.height - 4, x_label))
    return "".join(parts)


def _line(scale: _Scale, series: Series, number: int) -> str:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    stretches: list[list[str]] = [[]]
    dots = []
    for x, y in zip(series.x, series.y, strict=True):
        if not math.isfinite(y):
            stretches.append([])
            continue
        px, py = scale.at(x, min(max(y, scale.y[0]), scale.y[1]))
        stretches[-1].append(f"{px:.1f},{py:.1f}")
        if series.marks or len(series.x) == 1:
            dots.append(
                f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"><title>{x:g}: {y:.4g}</title></circle>'
            )
    pen = f'fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"'
    lines = (
        f'<polyline points="{" ".join(each)}" {pen}/>'
        for each in stretches if len(each) > 1
    )  # fmt: skip
    return "".join(lines) + "".join(dots)


def _legend(series: Sequence[Series]) -> str:
    keys = []
    for number, each in enumerate(series):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        line = f'<line x1="0" x2="26" y1="6" y2="6" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        keys.append(f'<span><svg width="26" height="12">{line}</svg> {escape(each.name)}</span>')
    return f'<div class="rcg-legend">{"".join(keys)}</div>'
