"""Close-ups of the report page: every corner, the worst place of every edge, every mark, each with its scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.grading.report_html import (
    amount,
    bullets,
    figure,
    percent,
    picture_uri,
    points_of,
    scale_bar,
    sentence,
    short,
    terms,
    text,
    with_sigma,
    words,
)
from rcg.grading.report_pictures import (
    CLOSE_PX,
    Window,
    corner_window,
    edge_window,
    every_mark,
    mark_window,
    ring_mm,
    view,
)
from rcg.images import Pixels
from rcg.measuring.types import CORNERS, MEASURED, SIDES, CornerWear, EdgeWear, FaceMeasurement, Mark, Outline

Floats = NDArray[np.float64]

MOST_SHOWN = 60
"""Marks that get a close-up each; the others stand in the table and in report.json."""

_THIRDS = (("upper left", "top", "upper right"), ("left", "middle", "right"), ("lower left", "bottom", "lower right"))


def corners_html(pixels: Pixels, face: FaceMeasurement) -> str:
    """The four corners, as they lie on the card, each with its close-up and figures."""
    if face.outline is None or not face.corners:
        return ""
    shown = {each.corner: _corner(pixels, face.outline, each) for each in face.corners}
    order = ("top_left", "top_right", "bottom_left", "bottom_right")
    return f'<div class="closes four">{"".join(shown[each] for each in order if each in shown)}</div>'


def _corner(pixels: Pixels, outline: Outline, corner: CornerWear) -> str:
    window = corner_window(outline, CORNERS.index(corner.corner))
    rows = [
        ("whitening depth", amount(corner.whitening_depth, "mm")),
        ("whitening area", amount(corner.whitening_area, "mm²")),
        ("radius", _radius(corner, outline)),
        ("angle off 90°", with_sigma(corner.angle_error, "°")),
        ("stock missing", amount(corner.missing_area, "mm²")),
    ]
    said = _figures(corner.status, corner.reason, rows)
    title = f"{sentence(words(corner.corner))} corner"
    return _close(pixels, outline, window, title=title, said=said, rings=_rings(outline, corner.marks))


def _radius(corner: CornerWear, outline: Outline) -> str:
    told = with_sigma(corner.radius, "mm")
    return f"{told} <small>(the stock's: {outline.spec.radius:g})</small>" if corner.radius.known else told


def edges_html(pixels: Pixels, face: FaceMeasurement) -> str:
    """The four edges, each at its worst place, with the outside up."""
    if face.outline is None or not face.edges:
        return ""
    shown = {each.side: _edge(pixels, face.outline, each) for each in face.edges}
    order = ("top", "bottom", "left", "right")
    return f'<div class="closes two">{"".join(shown[each] for each in order if each in shown)}</div>'


def _edge(pixels: Pixels, outline: Outline, edge: EdgeWear) -> str:
    along, told = worst_place(edge, outline)
    window = edge_window(outline, edge.side, along)
    rows = [
        ("mean whitening depth", amount(edge.whitening_depth, "mm")),
        ("whitening length", amount(edge.whitening_length, "mm")),
        ("whitening area", amount(edge.whitening_area, "mm²")),
        ("deepest place", amount(edge.deepest, "mm")),
        ("roughness of the cut", with_sigma(edge.roughness, "mm RMS")),
    ]
    said = f'<p class="place">{text(told)}</p>{_figures(edge.status, edge.reason, rows)}'
    return _close(
        pixels, outline, window, title=f"{sentence(edge.side)} edge", said=said, rings=_rings(outline, edge.marks)
    )


def worst_place(edge: EdgeWear, outline: Outline) -> tuple[float, str]:
    """Where an edge is worst: mm along it, and that in words; its middle where nothing was found."""
    upright = edge.side in {"left", "right"}
    length = outline.spec.height if upright else outline.spec.width
    if not edge.marks:
        return length / 2, "its middle; no mark was found along it"
    worst = max(edge.marks, key=lambda mark: (mark.depth_mm, mark.area_mm2, mark.length_mm))
    ring = ring_mm(outline, worst)
    along = float(ring[:, 1 if upright else 0].mean())
    return along, f"its worst place, {along:.0f} mm from the {'top' if upright else 'left'}"


def _figures(status: str, reason: str, rows: Iterable[tuple[str, str]]) -> str:
    why = "" if status == MEASURED or not reason else f'<p class="reason">Not measured: {text(reason)}</p>'
    known = [(name, value) for name, value in rows if value != "–"]
    return why + (terms(known) if known else "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relief:
    """A face under raking light, as frames under several lights show it.

    Attributes:
        pixels: (h, w, 3) uint8, in the pixels of the frames.
        outline: Where the card lies in them.
    """

    pixels: Pixels
    outline: Outline


def marks_html(pixels: Pixels, face: FaceMeasurement, *, relief: Relief | None = None) -> str:
    """Every mark with its place, size and close-up; factory marks apart from damage.

    Args:
        pixels: (h, w, 3) uint8 RGB, that was measured.
        face: What was measured.
        relief: What marks that a photo does not show are shown on.
    """
    if face.outline is None:
        return ""
    marks = numbered(face)
    if not marks:
        return ""
    parts = []
    for origin, title in _ORIGINS:
        group = [(number, mark) for number, mark in marks if _origin(mark) == origin]
        if group:
            shown = [each for each in group if each[0] <= MOST_SHOWN]
            closes = "".join(_mark(pixels, face.outline, *each, relief=relief) for each in shown)
            parts.append(f'<h4>{title}</h4><div class="closes many">{closes}</div>')
            hidden = [each for each in group if each[0] > MOST_SHOWN]
            parts.append(bullets(f"{number}: {mark_words(mark, face.outline)}" for number, mark in hidden))
    return "".join(parts)


_ORIGINS = (
    ("handling", "Damage"),
    ("factory", "From the factory"),
    ("unknown", "Damage or from the factory: cannot be told"),
)


def _origin(mark: Mark) -> str:
    return mark.origin if mark.origin in {"handling", "factory"} else "unknown"


def numbered(face: FaceMeasurement) -> list[tuple[int, Mark]]:
    """The marks of a face with their numbers on the page, damage and the surest and largest first."""
    rank = {"handling": 0, "unknown": 1, "factory": 2}

    def order(mark: Mark) -> tuple[int, float, float, tuple[tuple[float, float], ...]]:
        return rank[_origin(mark)], -mark.confidence * mark.length_mm, -mark.area_mm2, mark.outline_mm

    return list(enumerate(sorted(every_mark(face), key=order), 1))


def _mark(pixels: Pixels, outline: Outline, number: int, mark: Mark, *, relief: Relief | None) -> str:
    rows = [("place", text(place_words(mark, outline))), ("length of the mark", figure(mark.length_mm, 2, "mm"))]
    rows += [("depth from the edge", figure(mark.depth_mm, 2, "mm"))] if mark.depth_mm > 0 else []
    rows += [("area", figure(mark.area_mm2, 2, "mm²"))]
    rows += [("relief", with_sigma(mark.relief_um, "µm"))] if mark.relief_um is not None else []
    rows += [("seen by", "8-light frames" if mark.seen_by == "photometric" else "the photo")]
    rows += [("sure to", text(percent(mark.confidence)))]
    ring = ring_mm(outline, mark)
    title = f'<span class="number">{number}</span>{text(sentence(words(mark.label)))}'
    if relief is not None and mark.seen_by == "photometric":
        pixels, outline = relief.pixels, relief.outline
        rows.append(("shown", "under raking light"))
    return _close(pixels, outline, mark_window(ring), title=title, said=terms(rows), rings=[ring])


def mark_words(mark: Mark, outline: Outline) -> str:
    """A mark in one line: what, how long, where, how sure."""
    size = f"{mark.length_mm:.1f} mm long" if mark.length_mm >= 0.1 else f"{mark.length_mm:.2f} mm long"
    return f"{words(mark.label)}, {size}, {place_words(mark, outline)}, {100 * mark.confidence:.0f} % sure"


def place_words(mark: Mark, outline: Outline) -> str:
    """Where on the card a mark lies: in words, and in mm from the left and from the top."""
    x, y = ring_mm(outline, mark).mean(axis=0)
    column = min(2, max(0, math.floor(3 * x / outline.spec.width)))
    row = min(2, max(0, math.floor(3 * y / outline.spec.height)))
    return f"{_THIRDS[row][column]}, {x:.1f} mm from the left, {y:.1f} mm from the top"


def _rings(outline: Outline, marks: Sequence[Mark]) -> list[Floats]:
    return [ring_mm(outline, mark) for mark in marks if len(mark.outline) > 1]


def _close(pixels: Pixels, outline: Outline, window: Window, *, title: str, said: str, rings: Sequence[Floats]) -> str:
    """A close-up with its scale bar and the outlines of marks; title and words are HTML already."""
    scale = CLOSE_PX / max(window.width, window.height)
    if window.width > 2 * window.height:
        scale *= 2  # a stretch of an edge is as wide as two corners
    uri = picture_uri(view(pixels, outline, window, scale=scale), quality=86)
    drawn = "".join(f'<polygon class="mark" points="{points_of(window.inside(each), 3)}"/>' for each in rings)
    size = f"{short(window.width, 3)} {short(window.height, 3)}"
    return (
        f'<figure class="close"><svg viewBox="0 0 {size}" role="img" aria-label="Close-up">'
        f'<image href="{uri}" width="{short(window.width, 3)}" height="{short(window.height, 3)}" '
        f'preserveAspectRatio="none"/>{drawn}{scale_bar(window.width, window.height)}</svg>'
        f"<figcaption><h5>{title}</h5>{said}</figcaption></figure>"
    )


__all__ = ["MOST_SHOWN", "SIDES", "corners_html", "edges_html", "mark_words", "marks_html", "numbered", "place_words"]
