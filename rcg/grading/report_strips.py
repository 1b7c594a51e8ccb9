"""The strips of the report page: for each of the twelve stations, the colours that its two points were read from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.grading.report_html import figure, points_of, short, strip_uri, text
from rcg.measuring.types import SIDES, Centering, EdgePoint

Floats = NDArray[np.float64]

_ENDS = {
    "left": ("upper", "middle", "lower"), "right": ("upper", "middle", "lower"),
    "top": ("left", "middle", "right"), "bottom": ("left", "middle", "right"),
}  # fmt: skip
_WIDE, _STRIP, _CURVE = 640.0, 46.0, 76.0
_LONGEST_MM = (-2.5, 9.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Station:
    """One of the twelve places where a border is read.

    Attributes:
        side: One of `SIDES`.
        place: 0, 1 or 2, from the left or the top.
        outer: The point on the cut edge.
        inner: The point where the border ends; None where it is not known.
        width: mm of border between them; NaN where not known.
    """

    side: str
    place: int
    outer: EdgePoint
    inner: EdgePoint | None
    width: float

    @property
    def key(self) -> str:
        """What the page calls it."""
        return f"{self.side}-{self.place + 1}"

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return f"{self.side}, {_ENDS[self.side][self.place]}"


def stations_of(centering: Centering) -> tuple[Station, ...]:
    """The stations in the order of `SIDES`, each with its points; those without a cut edge are left out."""
    by_place = {(each.side, each.station, each.edge): each for each in centering.points}
    found = []
    for row, side in enumerate(SIDES):
        for place in range(3):
            outer = by_place.get((side, place, "outer"))
            if outer is not None:
                inner = by_place.get((side, place, "inner"))
                width = float(centering.widths[row, place])
                found.append(Station(side=side, place=place, outer=outer, inner=inner, width=width))
    return tuple(found)


def strips_html(stations: Sequence[Station], face: str) -> str:
    """The list of stations with a strip each, and the large strip of the one that is chosen.

    Args:
        stations: As from `stations_of`.
        face: "front" or "back"; it keeps apart what belongs together on the page.
    """
    if not stations:
        return ""
    span = _span(stations)
    rows = "".join(_row(each, face, span) for each in stations)
    details = "".join(_detail(each, face, span) for each in stations)
    return (
        f'<div class="strips"><h4>The 24 points</h4><p class="hint">Each strip runs from outside the card (left) into '
        f"the print (right). Choose one, or a point on the picture, to see what it was read from.</p>"
        f'<div class="stations" role="group" aria-label="Stations">{rows}</div>'
        f'<div class="details" aria-live="polite">{details}</div></div>'
    )


def _span(stations: Sequence[Station]) -> tuple[float, float]:
    """The mm from outside to inside that all strips show, so that they can be compared."""
    every = [point.profile_mm for each in stations for point in (each.outer, each.inner) if point is not None]
    known = [each for each in every if len(each)]
    if not known:
        return _LONGEST_MM
    low = max(_LONGEST_MM[0], min(float(each.min()) for each in known))
    high = min(_LONGEST_MM[1], max(float(each.max()) for each in known))
    return (low, high) if high > low else _LONGEST_MM


def _row(station: Station, face: str, span: tuple[float, float]) -> str:
    width = figure(station.width, 2, "mm")
    strip = _strip(station, span, wide=200.0, height=14.0)
    label = text(f"{station.title}: border {width}")
    return (
        f'<button type="button" class="station" data-face="{face}" data-station="{station.key}" aria-label="{label}" '
        f'aria-pressed="false"><span>{text(station.title)}</span>'
        f'<svg viewBox="0 0 200 14" preserveAspectRatio="none" aria-hidden="true">{strip}</svg>'
        f"<b>{width}</b></button>"
    )


def _strip(station: Station, span: tuple[float, float], *, wide: float, height: float) -> str:
    """The colours across the border, with a mark at each of its ends."""
    images = "".join(_image(point, span, wide, height) for point in _profiles(station))
    marks = "".join(
        f'<path class="{kind}" d="M{short(_at(mm, span, wide))} 0v{short(height)}"/>'
        for kind, mm in _places(station)
        if math.isfinite(mm)
    )
    return images + marks


def _profiles(station: Station) -> list[EdgePoint]:
    """The points whose colours are drawn: one where both were read from the same strip."""
    inner, outer = station.inner, station.outer
    if inner is None or len(inner.profile) < 2:
        return [outer]
    if inner.profile_mm[0] <= -0.2 and inner.profile_mm[-1] >= outer.profile_mm[-1:].max(initial=-math.inf):
        return [inner]
    return [outer, inner]


def _places(station: Station) -> list[tuple[str, float]]:
    """Where the two points lie, mm inwards from the cut edge."""
    return [("outer", 0.0), ("inner", station.width if station.inner is not None else math.nan)]


def _at(mm: float, span: tuple[float, float], wide: float) -> float:
    return (mm - span[0]) / (span[1] - span[0]) * wide


def _image(point: EdgePoint, span: tuple[float, float], wide: float, height: float) -> str:
    if len(point.profile) < 2:
        return ""
    half = (point.profile_mm[1] - point.profile_mm[0]) / 2
    kept = (point.profile_mm >= span[0] - half) & (point.profile_mm <= span[1] + half)
    if kept.sum() < 2:
        return ""
    first, last = float(point.profile_mm[kept][0] - half), float(point.profile_mm[kept][-1] + half)
    left, right = _at(first, span, wide), _at(last, span, wide)
    return (
        f'<image href="{strip_uri(point.profile[kept])}" x="{short(left)}" width="{short(right - left)}" '
        f'height="{short(height)}" preserveAspectRatio="none"/>'
    )


def _detail(station: Station, face: str, span: tuple[float, float]) -> str:
    """The strip of one station at its full size, with its lightness and the two places with their sigmas."""
    bands = "".join(_band(kind, mm, sigma, span) for kind, mm, sigma in _bands(station))
    curve = "".join(_curve(point, span) for point in _profiles(station))
    strip = _strip(station, span, wide=_WIDE, height=_STRIP)
    tall = _STRIP + _CURVE
    label = text(f"Colours and lightness across the border, {station.title}")
    return (
        f'<figure class="detail" data-face="{face}" data-station="{station.key}">'
        f'<svg viewBox="0 -2 {_WIDE:g} {tall + 24:g}" role="img" aria-label="{label}">'
        f"{bands}{strip}{curve}{_axis(span, tall)}</svg>"
        f"<figcaption>{_said(station)}</figcaption></figure>"
    )


def _bands(station: Station) -> list[tuple[str, float, float]]:
    found = [("outer", 0.0, station.outer.sigma)]
    if station.inner is not None:
        found.append(("inner", station.width, station.inner.sigma))
    return [each for each in found if math.isfinite(each[1]) and math.isfinite(each[2])]


def _band(kind: str, mm: float, sigma: float, span: tuple[float, float]) -> str:
    left, right = _at(mm - 2 * sigma, span, _WIDE), _at(mm + 2 * sigma, span, _WIDE)
    return (
        f'<rect class="band {kind}" x="{short(left)}" y="{_STRIP:g}" width="{short(max(right - left, 1.0))}" '
        f'height="{_CURVE:g}"/>'
    )


def _curve(point: EdgePoint, span: tuple[float, float]) -> str:
    """The lightness along the strip: the luma of ITU-R BT.709, 0 to 255 from below to above."""
    if len(point.profile) < 2:
        return ""
    luma = point.profile.astype(np.float64) @ np.array([0.2126, 0.7152, 0.0722])
    kept = (point.profile_mm >= span[0]) & (point.profile_mm <= span[1])
    x = [_at(float(each), span, _WIDE) for each in point.profile_mm[kept]]
    y = _STRIP + _CURVE - 4 - luma[kept] / 255 * (_CURVE - 10)
    return f'<polyline class="luma" points="{points_of(np.column_stack([x, y]), 1)}"/>'


def _axis(span: tuple[float, float], below: float) -> str:
    ticks = range(math.ceil(span[0]), math.floor(span[1]) + 1)
    told = "".join(
        f'<path d="M{short(_at(each, span, _WIDE))} {below:g}v4"/>'
        f'<text x="{short(min(max(_at(each, span, _WIDE), 9), _WIDE - 18))}" y="{below + 17:g}">'
        f"{figure(each, 0, 'mm' if each == ticks[-1] else '')}</text>"
        for each in ticks
    )
    return f'<g class="axis"><path d="M0 {below:g}h{_WIDE:g}"/>{told}</g>'


def _said(station: Station) -> str:
    outer = _place_words("cut edge", "outer", station.outer)
    inner = "" if station.inner is None else _place_words("end of the border", "inner", station.inner)
    width = f"border <b>{figure(station.width, 3, 'mm')}</b>" if math.isfinite(station.width) else "no border read here"
    return f"<b>{text(station.title)}</b>: {width}; {outer}{inner and f'; {inner}'}"


def _place_words(name: str, kind: str, point: EdgePoint) -> str:
    x, y = point.at
    sigma = f" ± {point.sigma:.3f} mm" if math.isfinite(point.sigma) else ""
    return f'<span class="key {kind}"></span>{name} at pixel {x:.1f}, {y:.1f}{sigma}'
