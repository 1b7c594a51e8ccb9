"""Small pieces of the report page: words, numbers, pictures inside of it, scale bars."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.grading.types import SUBGRADES, Distribution, Grade, Limit
from rcg.images import Pixels, encode_image
from rcg.measuring.types import MEASURED, Centering, FaceMeasurement, Value

NOT_KNOWN = "–"


def picture_uri(pixels: Pixels, *, quality: int = 84) -> str:
    """A picture as the address of itself, JPEG."""
    return _uri(encode_image(pixels, ".jpg", quality=quality), "jpeg")


def strip_uri(profile: NDArray[np.uint8]) -> str:
    """(n, 3) colours as a picture one pixel high, PNG, to be stretched."""
    return _uri(encode_image(np.ascontiguousarray(profile[None]), ".png"), "png")


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def text(value: object) -> str:
    """Anything as text in the page."""
    return escape(str(value))


def words(name: str) -> str:
    """A name of the data as words.

    Example:
        >>> words("corner_whitening"), words("top_left")
        ('corner whitening', 'top left')
    """
    return name.replace("_", " ")


def sentence(said: str) -> str:
    """Words with a capital at their beginning."""
    return said[:1].upper() + said[1:]


def figure(value: float, decimals: int = 2, unit: str = "") -> str:
    """A number with its unit; a dash where it is not known.

    Example:
        >>> figure(1.234, 2, "mm"), figure(math.nan)
        ('1.23 mm', '–')
    """
    if not math.isfinite(value):
        return NOT_KNOWN
    shown = f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
    return f"{shown} {unit}".rstrip() if unit not in {"°", "%"} else f"{shown}{'' if unit == '°' else ' '}{unit}"


def with_sigma(value: Value, unit: str) -> str:
    """A figure, its sigma and its unit; a dash where it is not known."""
    if not value.known:
        return NOT_KNOWN
    told = str(value).replace("-", "\N{MINUS SIGN}")
    return f"{told}{unit}" if unit == "°" else f"{told} {unit}"


def amount(value: Value, unit: str) -> str:
    """A figure of damage with its sigma; "none seen" where it is nothing to three digits."""
    return "none seen" if value.known and abs(value.value) < 0.0005 else with_sigma(value, unit)


def ratio(share: float, decimals: int = 1) -> str:
    """A share of 100 as graders write it.

    Example:
        >>> ratio(47.26)
        '47.3 / 52.7'
    """
    if not math.isfinite(share):
        return NOT_KNOWN
    first = round(share, decimals)
    return f"{first:.{decimals}f} / {100 - first:.{decimals}f}"


END_UNKNOWN = "which end is up could not be told: left/right and top/bottom may be exchanged"


def end_unknown(face: FaceMeasurement) -> bool:
    """Whether a card was found, but not which of its ends is up."""
    return face.outline is not None and not face.outline.upright


def shift_words(centering: Centering) -> str:
    """How far the print lies off its place, with sigma and direction; a dash where it is not known."""
    ways = (("to the right", "to the left"), ("down", "up"))
    known = zip(centering.shift_mm, centering.shift_sigma_mm, ways, strict=True)
    told = [
        f"{with_sigma(Value(abs(off), sigma), 'mm')} {way[0 if off > 0 else 1]}"
        for off, sigma, way in known
        if math.isfinite(off)
    ]
    return ", ".join(told) or NOT_KNOWN


def step(value: float) -> str:
    """A step of a standard: 9, 9.5.

    Example:
        >>> step(9.0), step(9.5)
        ('9', '9.5')
    """
    return f"{value:g}"


def interval(found: Distribution) -> str:
    """The 90 % interval in words."""
    low, high = found.interval()
    return f"{step(low)}" if low == high else f"{step(low)} to {step(high)}"


def turned(angle: Value) -> str:
    """How far the print is turned against the cut, and which way."""
    if not angle.known:
        return figure(math.nan)
    way = "clockwise" if angle.value > 0 else "counter-clockwise"
    return f"{with_sigma(Value(abs(angle.value), angle.sigma), '°')} {way}"


SEEN_PARTS = "what the seen parts allow"
"""What a grade is that leaves something out that counts."""


def most_likely(grade: Grade) -> str:
    """The most likely step; "or lower" where something that counts was not seen.

    Example:
        >>> nine = Distribution(steps=(9.0,), probabilities=(1.0,))
        >>> most_likely(Grade(standard="psa", title="PSA", status="partly", overall=nine))
        '9 or lower'
    """
    if grade.overall is None:
        return "undetermined"
    return f"{step(grade.overall.most_likely)}{'' if grade.status == MEASURED else ' or lower'}"


def allowed(limit: Limit) -> str:
    """What a limit allows, in words.

    Example:
        >>> allowed(Limit(what="centering", face="front", step=8.0, why=""))
        'front centering allows 8'
    """
    several = limit.what in {"corners", "edges"} or " and " in limit.what
    face = f"{limit.face} " if limit.face and limit.what.split(" ")[0].strip(",") in SUBGRADES else ""
    note = f" ({limit.note})" if limit.note else ""
    return f"{face}{words(limit.what)} {'allow' if several else 'allows'} {step(limit.step)}{note}"


def limit_words(limit: Limit) -> str:
    """A limit with the figure behind it, in one line."""
    return f"{allowed(limit)}: {limit.why.removeprefix(f'{limit.face} ') if limit.face else limit.why}"


def shown_areas(grade: Grade) -> dict[str, Distribution | None]:
    """The sub-grades that a standard prints; for those that rest on a face that was not seen, the seen face's own.

    Where a standard prints none, its areas face by face. None stands for what was not judged at all.
    """
    if not any(area in grade.subgrades for area in SUBGRADES):
        return dict(grade.areas)
    found: dict[str, Distribution | None] = {}
    for area in SUBGRADES:
        own = {name: each for name, each in grade.areas.items() if name.endswith(f" {area}")}
        found.update(own if own and area not in grade.subgrades else {area: grade.subgrades.get(area)})
    return found


def percent(share: float) -> str:
    """A probability as a whole percentage, that never claims to be sure.

    Example:
        >>> percent(0.004), percent(0.5), percent(0.999), percent(1.0)
        ('< 1 %', '50 %', '> 99 %', '100 %')
    """
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def points_of(points: Any, decimals: int = 2) -> str:
    """(n, 2) places as the points of an SVG line."""
    return " ".join(f"{_short(x, decimals)},{_short(y, decimals)}" for x, y in np.asarray(points, np.float64))


def short(value: float, decimals: int = 2) -> str:
    """A number for a drawing, without needless digits."""
    return _short(value, decimals)


def _short(value: float, decimals: int) -> str:
    told = f"{float(value):.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if told in {"-0", ""} else told


def scale_bar(width_mm: float, height_mm: float) -> str:
    """A bar of a round length in the lower left corner of a drawing whose unit is a millimetre."""
    unit = min(max(width_mm, height_mm), 2 * height_mm) / 100  # a stretch of an edge is shown twice as wide as a square
    length = max((each for each in _LENGTHS if each <= 42 * unit), default=_LENGTHS[0])
    x, y = 4 * unit, height_mm - 4 * unit
    label = f"{length:g} mm"
    return (
        f'<g class="scale"><rect x="{short(x - 1.5 * unit, 3)}" y="{short(y - 7.6 * unit, 3)}" '
        f'width="{short(length + 3 * unit, 3)}" height="{short(9.6 * unit, 3)}" rx="{short(unit, 3)}"/>'
        f'<path d="M{short(x, 3)} {short(y, 3)}h{short(length, 3)}" stroke-width="{short(1.1 * unit, 3)}"/>'
        f'<text x="{short(x + length / 2, 3)}" y="{short(y - 1.9 * unit, 3)}" font-size="{short(4.6 * unit, 3)}">'
        f"{label}</text></g>"
    )


_LENGTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def table(rows: Iterable[Sequence[str]], *, heads: Sequence[str] = (), kind: str = "") -> str:
    """A table; the first cell of a row is its head. Cells are HTML already."""
    top = f"<thead><tr>{''.join(f'<th scope=col>{each}</th>' for each in heads)}</tr></thead>" if heads else ""
    body = "".join(
        f"<tr><th scope=row>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    return f'<div class="wide"><table class="{kind}">{top}<tbody>{body}</tbody></table></div>'


def terms(rows: Iterable[tuple[str, str]]) -> str:
    """Names and figures in two columns; both HTML already."""
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows) + "</dl>"


def bullets(items: Iterable[str]) -> str:
    """A list of sentences."""
    told = "".join(f"<li>{text(sentence(each))}</li>" for each in items)
    return f"<ul>{told}</ul>" if told else ""
