"""One face on the report page: the picture with its lines, where the print lies, the close-ups, what was not judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rcg.grading.report_close import Relief, corners_html, edges_html, marks_html, numbered
from rcg.grading.report_html import (
    END_UNKNOWN,
    bullets,
    end_unknown,
    figure,
    picture_uri,
    points_of,
    ratio,
    sentence,
    shift_words,
    short,
    table,
    terms,
    text,
    turned,
)
from rcg.grading.report_json import face_status, mean_known, why_not
from rcg.grading.report_pictures import (
    PHOTO_PX,
    STRAIGHT_PX,
    inner_curves,
    outer_curves,
    ring_mm,
    shown_part,
    smaller,
    view,
    whole_card,
)
from rcg.grading.report_strips import Station, stations_of, strips_html
from rcg.images import Pixels
from rcg.measuring.rectify import photo_points
from rcg.measuring.types import MEASURED, UNDETERMINED, Centering, FaceMeasurement, Outline

Floats = NDArray[np.float64]

_METHODS = {
    "lines": "the cut edge and the end of the border, both seen in the picture",
    "reference": "the print matched to the reference picture",
    "hand": "lines that a person has set",
}


def face_html(
    pixels: Pixels, face: FaceMeasurement, name: str, *, hand_set: Sequence[str] = (), relief: Relief | None = None
) -> str:
    """The section of one face.

    Args:
        pixels: (h, w, 3) uint8 RGB, that was measured.
        face: What was measured.
        name: "front" or "back".
        hand_set: Lines of this face that a person has set, such as "left inner".
        relief: What marks that a photo does not show are shown on.
    """
    stations = () if face.centering is None else stations_of(face.centering)
    picture = _picture(pixels, face, name, stations)
    facts = f"{_banner(face)}{_centering(face)}{_hand(hand_set)}{strips_html(stations, name)}"
    parts = [
        f'<section class="face" id="{name}"><h2>{name.capitalize()}</h2>',
        f'<div class="split"><div class="stage">{picture}</div><div class="facts">{facts}{_notes(face)}</div></div>',
        _part("Corners", corners_html(pixels, face), _names_hint(face, "top left", "bottom right")),
        _part(
            "Edges",
            edges_html(pixels, face),
            f"Each with the outside of the card up. {_names_hint(face, 'top', 'bottom')}".strip(),
        ),
        _surface(pixels, face, relief) if face.outline is not None else "",
        "</section>",
    ]
    return "".join(parts)


def _names_hint(face: FaceMeasurement, one: str, other: str) -> str:
    return f"Which end is up could not be told: {one} may be {other}." if end_unknown(face) else ""


def _part(title: str, body: str, hint: str = "") -> str:
    told = f'<p class="hint">{hint}</p>' if hint else ""
    return f"<h3>{title}</h3>{told}{body}" if body else ""


def _banner(face: FaceMeasurement) -> str:
    """Why the centering is not known and what to do; nothing where it is."""
    if face_status(face) == MEASURED:
        return ""
    reason, fix = why_not(face)
    what = "No card could be measured" if face.outline is None else "The centering could not be measured"
    known = [] if face.outline is None else [_known(face)]
    return (
        f'<div class="banner" role="note"><h3>{what}</h3><p>{text(sentence(reason or "the reason is not known"))}.</p>'
        + (f'<p class="fix"><b>What to do:</b> {text(sentence(fix))}.</p>' if fix else "")
        + "".join(f"<p>{text(each)}</p>" for each in known if each)
        + "</div>"
    )


def _known(face: FaceMeasurement) -> str:
    corners = sum(each.status == MEASURED for each in face.corners)
    edges = sum(each.status == MEASURED for each in face.edges)
    if not corners and not edges:
        return "The card's outline is known, and is shown."
    return f"The outline, {corners} of 4 corners and {edges} of 4 edges were measured all the same."


def _centering(face: FaceMeasurement) -> str:
    centering = face.centering
    if centering is None or not any(math.isfinite(each) for each in (*_shares(centering), *centering.shift_mm)):
        return ""
    doubt = "" if centering.status == MEASURED else '<p class="hint">Read, but not to be trusted:</p>'
    rows = [
        ("mean", *(_mean(*each) for each in zip(_shares(centering), centering.sigma, strict=True))),
        ("worst end", ratio(centering.worst_left_right), ratio(centering.worst_top_bottom)),
        ("borders", *_borders(centering)),
    ]
    method = _METHODS.get(centering.method, centering.method)
    more = [
        ("print turned against the cut", turned(centering.rotation_deg)),
        ("print off the middle", shift_words(centering)),
        ("its sides lean to each other", _lean(centering.trapezoid_deg)),
        ("measured from", text(method)),
    ]
    ratios = ""
    if any(math.isfinite(each) for each in _shares(centering)):  # matched to a reference, a card has only a shift
        ratios = _bars(centering) + table(rows, heads=("", "left / right", "top / bottom"), kind="centering")
    end = f'<p class="end">{text(sentence(END_UNKNOWN))}.</p>' if end_unknown(face) else ""
    return f"<h3>Centering</h3>{doubt}{end}{ratios}{terms(more)}"


def _shares(centering: Centering) -> tuple[float, float]:
    return centering.left_right, centering.top_bottom


def _mean(share: float, sigma: float) -> str:
    told = f" <small>± {sigma:.1f}</small>" if math.isfinite(sigma) else ""
    return f"<b>{ratio(share)}</b>{told}"


def _borders(centering: Centering) -> list[str]:
    means = [mean_known(row) for row in centering.widths]
    left, top, right, bottom = means
    return [
        f"{figure(first, 2)} + {figure(last, 2)} = {figure(first + last, 2, 'mm')}"
        for first, last in ((left, right), (top, bottom))
    ]


def _lean(angles: tuple[float, float]) -> str:
    names = ("left and right", "top and bottom")
    known = zip(angles, names, strict=True)
    return ", ".join(f"{name} {abs(each):.2f}°" for each, name in known if math.isfinite(each)) or figure(math.nan)


def _bars(centering: Centering) -> str:
    """Both ratios as bars: where the two borders meet, against the middle."""
    rows = []
    for name, ends, share, worst in (
        ("left / right", ("L", "R"), centering.left_right, centering.worst_left_right),
        ("top / bottom", ("T", "B"), centering.top_bottom, centering.worst_top_bottom),
    ):
        if not math.isfinite(share):
            continue
        x = 3 * min(max(share, 0), 100)
        tick = f'<path class="worst" d="M{short(3 * worst)} 1v14"/>' if math.isfinite(worst) else ""
        rows.append(
            f'<div class="balance"><span>{ends[0]}</span><svg viewBox="0 0 300 16" preserveAspectRatio="none" '
            f'role="img" aria-label="{name} {ratio(share)}"><rect class="first" width="{short(x)}" height="16"/>'
            f'<rect class="last" x="{short(x)}" width="{short(300 - x)}" height="16"/>'
            f'<path class="middle" d="M150 0v16"/>{tick}</svg><span>{ends[1]}</span></div>'
        )
    return f'<div class="balances">{"".join(rows)}</div>' if rows else ""


def _hand(hand_set: Sequence[str]) -> str:
    if not hand_set:
        return ""
    return f'<p class="hand">Set by hand: {text(", ".join(hand_set))}. All else was measured.</p>'


def _notes(face: FaceMeasurement) -> str:
    said = [*face.notes]
    if face.outline is not None:
        said += face.outline.notes
    said += [] if face.centering is None else face.centering.notes
    told = bullets(dict.fromkeys(said))
    return f'<div class="notes"><h4>Worth knowing</h4>{told}</div>' if told else ""


def _surface(pixels: Pixels, face: FaceMeasurement, relief: Relief | None) -> str:
    surface = face.surface
    closes = marks_html(pixels, face, relief=relief)
    said = []
    if surface.status == UNDETERMINED:
        said.append(f"The surface was not judged: {surface.reason or 'nothing was looked at'}.")
    else:
        share = f"{100 * surface.share_judged:.0f} % of the face was looked at"
        said.append(f"{share}{'; ' + surface.reason if surface.reason else ''}.")
    if surface.not_seen:
        said.append(f"Cannot be seen this way: {', '.join(surface.not_seen)}.")
    if not closes and face.outline is not None:
        said.append("No mark was found.")
    told = "".join(f"<p>{text(sentence(each))}</p>" for each in said)
    title = "Marks" if closes else "Surface"
    return f"<h3>{title}</h3>{told}{closes}"


def _picture(pixels: Pixels, face: FaceMeasurement, name: str, stations: Sequence[Station]) -> str:
    """The photo and the card straightened, both with the lines, the points and the marks."""
    left, top, right, bottom = shown_part(face)
    photo = picture_uri(smaller(pixels[top:bottom, left:right], PHOTO_PX), quality=82)
    image = (
        f'<image href="{photo}" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
        f'preserveAspectRatio="none"/>'
    )
    box = f"{left} {top} {right - left} {bottom - top}"
    unit = max(right - left, bottom - top) / 1000
    lines = "" if face.outline is None else _lines(face, stations, unit, mm=False, name=name)
    alt = text(f"The {name} as photographed, with what was measured")
    size = _fitting(right - left, bottom - top)
    first = f'<svg class="photo" viewBox="{box}" {size} role="group" aria-label="{alt}">{image}{lines}</svg>'
    if face.outline is None:
        return f'<div class="pictures">{first}</div>'
    second = _straight(pixels, face, face.outline, name, stations)
    return f'{_switches(name)}<div class="pictures">{first}{second}</div>{_legend()}'


def _fitting(width: float, height: float) -> str:
    """The style by which a drawing is as wide as its column, but no higher than the screen."""
    return f'style="max-width: calc(84vh * {width / height:.4f})"'


def _straight(pixels: Pixels, face: FaceMeasurement, outline: Outline, name: str, stations: Sequence[Station]) -> str:
    window = whole_card(outline)
    scale = STRAIGHT_PX / window.height
    uri = picture_uri(view(pixels, outline, window, scale=scale), quality=84)
    x, y = window.at
    place = f'x="{short(x)}" y="{short(y)}" width="{short(window.width)}" height="{short(window.height)}"'
    lines = _lines(face, stations, window.height / 1000, mm=True, name=name)
    box = f"{short(x)} {short(y)} {short(window.width)} {short(window.height)}"
    alt = text(f"The {name} straightened, with what was measured")
    return (
        f'<svg class="straight" viewBox="{box}" {_fitting(window.width, window.height)} role="group" '
        f'aria-label="{alt}">'
        f'<image href="{uri}" {place} preserveAspectRatio="none"/>{lines}</svg>'
    )


def _lines(face: FaceMeasurement, stations: Sequence[Station], unit: float, *, mm: bool, name: str) -> str:
    """The drawing over a picture, in mm of the card or in pixels of the photo; `unit` is a thousandth of its side."""
    outline = face.outline
    if outline is None:
        return ""
    decimals = 3 if mm else 1

    def place(curve: Floats) -> Floats:
        return curve if mm else photo_points(outline, curve)

    outer = "".join(_line(place(each), "outer", decimals) for each in outer_curves(face))
    inner = "".join(_line(place(each), "inner", decimals) for each in inner_curves(face))
    marks = "".join(
        _marked(ring_mm(outline, mark) if mm else np.asarray(mark.outline), number, unit, decimals)
        for number, mark in numbered(face)
        if len(mark.outline) > 1
    )
    points = "".join(
        _point(station, kind, unit, mm=mm, name=name) for station in stations for kind in ("outer", "inner")
    )
    return f'<g class="marks">{marks}</g><g class="lines">{outer}{inner}{points}</g>'


def _line(points: Floats, kind: str, decimals: int) -> str:
    return f'<polyline class="{kind}" points="{points_of(points, decimals)}"/>'


def _marked(ring: Floats, number: int, unit: float, decimals: int) -> str:
    x, y = float(ring[:, 0].max()), float(ring[:, 1].min())
    return (
        f'<g><polygon class="mark" points="{points_of(ring, decimals)}"/>'
        f'<text x="{short(x + 4 * unit, 3)}" y="{short(y, 3)}" font-size="{short(22 * unit, 3)}" '
        f'stroke-width="{short(5 * unit, 3)}">{number}</text></g>'
    )


def _point(station: Station, kind: str, unit: float, *, mm: bool, name: str) -> str:
    point = station.outer if kind == "outer" else station.inner
    if point is None or not all(math.isfinite(each) for each in (*point.at, *point.mm)):
        return ""
    x, y = point.mm if mm else point.at
    where = "cut edge" if kind == "outer" else "end of the border"
    sigma = f", ± {point.sigma:.3f} mm" if math.isfinite(point.sigma) else ""
    label = text(f"{station.title}, {where}{sigma}")
    return (
        f'<circle class="point {kind}" data-face="{name}" data-station="{station.key}" tabindex="0" role="button" '
        f'cx="{short(x, 3)}" cy="{short(y, 3)}" r="{short(6 * unit, 3)}" aria-label="{label}">'
        f"<title>{label}</title></circle>"
    )


def _switches(name: str) -> str:
    return (
        f'<div class="switches" data-face="{name}"><div class="choice" role="group" aria-label="Picture">'
        f'<button type="button" data-show="photo" aria-pressed="true">Photo</button>'
        f'<button type="button" data-show="straight" aria-pressed="false">Straightened</button></div>'
        f'<label><input type="checkbox" data-toggle="lines" checked> lines</label>'
        f'<label><input type="checkbox" data-toggle="marks" checked> marks</label></div>'
    )


def _legend() -> str:
    return (
        '<p class="legend"><span><span class="key outer"></span>cut edge</span>'
        '<span><span class="key inner"></span>end of the border</span>'
        '<span><span class="key mark"></span>marks, by their numbers below</span></p>'
    )
