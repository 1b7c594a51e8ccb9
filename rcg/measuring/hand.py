"""A line that a person dragged: the outline or the inner frame with it, and all figures that follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.geometry import transform
from rcg.images import Pixels
from rcg.measuring.centering import doubt
from rcg.measuring.frame import against, corners_of, frame_of, width_along
from rcg.measuring.profiles import in_card, side_length
from rcg.measuring.rectify import to_pixels
from rcg.measuring.types import NAN, SIDES, STATIONS, UNDETERMINED, Centering, Outline, SideLine
from rcg.measuring.uncertainty import HAND_SIGMA_MM, HAND_SIGMA_PX, shared_sigma

Floats = NDArray[np.float64]

_STATIONS = 25
_EDGES = ("outer", "inner")


def set_line(
    pixels: Pixels, outline: Outline, centering: Centering, *, side: str, edge: str, depths: tuple[float, float]
) -> tuple[Outline, Centering]:
    """Put one line where a person dragged it; ratios, sigmas and points follow at once.

    A moved cut edge moves the quad, and with it what depths count from; the inner lines stay where they lie in the
    picture. Where a card had no inner lines, they can be set one by one: it is undetermined until all four are.

    Args:
        pixels: (h, w, 3) uint8 sRGB.
        outline: The card as it was.
        centering: What was measured, or set, so far.
        side: One of `SIDES`.
        edge: "outer" or "inner".
        depths: mm inwards from the straight side of the outline's quad, at its left or upper end and at its other end.

    Raises:
        DataError: If side or edge are unknown, or the line leaves no card.

    Example:
        >>> from rcg.synthetic import draw_card, render_scan
        >>> from rcg.measuring import find_outlines, measure_centering
        >>> view = render_scan(draw_card(5, family="modern"), np.random.default_rng(0), dpi=200)
        >>> outline = find_outlines(view.pixels).outlines[0]
        >>> centering = measure_centering(view.pixels, outline)
        >>> _, moved = set_line(view.pixels, outline, centering, side="left", edge="inner", depths=(3.0, 3.0))
        >>> moved.method, round(float(moved.widths[0].mean()), 1)
        ('hand', 3.0)
    """
    _check(outline, side, edge, depths)
    k = SIDES.index(side)
    inner = list(centering.lines or [_missing(name, outline) for name in SIDES])
    if edge == "inner":
        inner[k] = _drawn(outline, side, depths, like=inner[k])
    else:
        outline, inner = _moved_cut(outline, inner, k, depths)
    note = f"the {side} {edge} line was set by hand"
    notes = (*(each for each in centering.notes if each != note), note)
    return outline, _figures(pixels, outline, tuple(inner), notes)


def _check(outline: Outline, side: str, edge: str, depths: tuple[float, float]) -> None:
    if side not in SIDES or edge not in _EDGES:
        fix = f"give a side of {', '.join(SIDES)}, and the edge {' or '.join(_EDGES)}"
        raise DataError(f"a card has no {edge} line on its side {side!r}", fix=fix)
    size = (outline.spec.width, outline.spec.height)
    half = size[0 if side in ("left", "right") else 1] / 2
    if not all(np.isfinite(each) and -half < each < half for each in depths):
        fix = "drag the line back onto its own half of the card"
        raise DataError(
            f"a line {depths[0]:.1f} and {depths[1]:.1f} mm inside of the {side} edge leaves no card", fix=fix
        )


def _missing(side: str, outline: Outline) -> SideLine:
    """A line that is not known."""
    nothing = np.zeros(0)
    middle = side_length(side, (outline.spec.width, outline.spec.height)) / 2
    return SideLine(
        side=side, along=nothing, depth=nothing, kept=np.zeros(0, np.bool_), curve=(NAN,), middle=middle, sigma=NAN,
        agree=0.0, px_mm=_px_mm(outline),
    )  # fmt: skip


def _px_mm(outline: Outline) -> float:
    around = np.linalg.norm(np.roll(outline.quad, -1, axis=0) - outline.quad, axis=1).sum()
    return float(around) / (2 * (outline.spec.width + outline.spec.height))


def _drawn(outline: Outline, side: str, depths: tuple[float, float], *, like: SideLine | None) -> SideLine:
    """A line between two ends, bowed as the lens bows the line that it takes the place of."""
    length = side_length(side, (outline.spec.width, outline.spec.height))
    known = like is not None and bool(np.isfinite(like.curve).all())
    model = like if known else (outline.lines[SIDES.index(side)] if outline.lines else None)
    bow = float(model.curve[-3]) if model is not None and len(model.curve) > 2 else 0.0
    slope, middle = (depths[1] - depths[0]) / length, length / 2
    curve = (bow, slope, (depths[0] + depths[1]) / 2 - bow * middle**2)
    along = np.linspace(0.05, 0.95, _STATIONS) * length
    px_mm = model.px_mm if model is not None else _px_mm(outline)
    return SideLine(
        side=side, along=along, depth=np.polyval(np.array(curve), along - middle), kept=np.ones(_STATIONS, np.bool_),
        curve=curve, middle=middle, sigma=max(HAND_SIGMA_MM, HAND_SIGMA_PX / px_mm), agree=1.0, px_mm=px_mm,
    )  # fmt: skip


def _moved_cut(
    outline: Outline, inner: list[SideLine], k: int, depths: tuple[float, float]
) -> tuple[Outline, list[SideLine]]:
    """The outline with one edge moved, and the inner lines as they lie against it."""
    side = SIDES[k]
    cuts = list(outline.lines) if outline.lines else [_drawn(outline, each, (0.0, 0.0), like=None) for each in SIDES]
    cuts[k] = _drawn(outline, side, depths, like=cuts[k])
    moved = replace(outline, quad=corners_of(outline, tuple(cuts)))
    size = (outline.spec.width, outline.spec.height)
    anew = np.linalg.inv(to_pixels(moved.quad, *size)) @ to_pixels(outline.quad, *size)
    cuts = [_seen_anew(line, anew, size) for line in cuts]
    return replace(moved, lines=tuple(cuts)), [_seen_anew(line, anew, size) for line in inner]


def _seen_anew(line: SideLine, anew: Floats, size: tuple[float, float]) -> SideLine:
    """A line in millimetres of another quad; `anew` (3, 3) takes the old millimetres to the new ones."""
    if not np.isfinite(line.curve).all():
        return line
    along = np.linspace(0, 2 * line.middle, 9)
    x, y = against(line.side, transform(anew, in_card(line.side, size, along, line.at(along))), size)
    read = np.isfinite(line.depth)
    places, depth = line.along.copy(), line.depth.copy()
    if read.any():
        on = in_card(line.side, size, line.along[read], line.depth[read])
        places[read], depth[read] = against(line.side, transform(anew, on), size)
    curve = np.polyfit(x - line.middle, y, 2)
    return replace(line, along=places, depth=depth, curve=tuple(float(each) for each in curve))


def _figures(pixels: Pixels, outline: Outline, lines: tuple[SideLine, ...], notes: tuple[str, ...]) -> Centering:
    unknown = [line.side for line in lines if not np.isfinite(line.curve).all()]
    if not unknown:
        found = frame_of(pixels, outline, lines, method="hand", notes=notes)
        reason = doubt(found)
        return replace(found, status=UNDETERMINED, reason=reason) if reason else found
    size = (outline.spec.width, outline.spec.height)
    widths, sigma = np.full((4, 3), NAN), np.full(4, NAN)
    for k, line in enumerate(lines):
        if line.side not in unknown:
            widths[k] = width_along(outline, line, np.array(STATIONS) * side_length(line.side, size))
            sigma[k] = np.hypot(line.sigma, shared_sigma(line.px_mm))
    reason = f"the inner line of the {' and '.join(unknown)} side is not known; set it by hand too"
    return Centering(
        status=UNDETERMINED, reason=reason, method="hand", widths=widths, width_sigma=sigma, lines=lines, notes=notes
    )
