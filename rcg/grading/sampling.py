"""What one face's figures may truly be, given what was measured: many equally likely draws of each.

What is assumed, for it decides how wide a grade is:

- A sigma is an estimate itself: errors follow Student's t with 4 degrees of freedom, whose middle is that of the stated
  sigma and whose tails are longer. On rendered photos and scans one ratio in five lay beyond 1.64 sigma; of a normal
  distribution it is one in ten.
- Centering. A fifth of the variance is common to both axes of a
  face: they share the outline. The error of the print's turn is one for both axes; what a station deviates from its
  side's mean is otherwise taken as measured.
- Wear is never below zero, and most places of a card have none. So a place is taken to be clean with a chance of 0.85
  before it was looked at, and worn by an exponentially distributed amount otherwise; what was measured decides between
  the two (a spike-and-slab prior; Mitchell and Beauchamp, JASA 83, 1988). Without it, the worst of eight corners that
  are all clean would look worn.
- The whitening of one face shares a third of its variance: one light, one border's colour, one cut face subtracted.
- A mark is there with its confidence, and has the measured size within 10 %, unless told otherwise.
- The two faces' errors are independent: they are two pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from rcg.grading.amounts import FREEDOM, amounts, sigma_of
from rcg.grading.figures import CENTERING, CORNERS, EDGES, FACES, SURFACE
from rcg.grading.marks import all_marks, draw_marks
from rcg.measuring.types import (
    MEASURED,
    STATIONS,
    Centering,
    CornerWear,
    EdgeWear,
    FaceMeasurement,
    Value,
)

Floats = NDArray[np.float64]

AXES_SHARE, WHITENING_SHARE = 0.2, 1 / 3
"""What both axes of a face's centering, and all whitening on a face, have of their error's variance in common."""

_TYPICAL = {
    "corner_depth": 0.2, "corner_area": 0.5, "radius": 0.4, "missing": 0.5, "edge_depth": 0.03, "edge_length": 8.0,
    "edge_area": 1.0, "deepest": 0.25,
}  # fmt: skip
"""What worn places have on average: mm, mm2."""

WORSE_SHIFT, BETTER_SHIFT = "centering.worse_shift", "centering.better_shift"
"""mm that a print without borders lies off its place, of the worse axis and of the better one."""

Wear = CornerWear | EdgeWear

_ROWS = 48  # of normal deviates a face; each use has its own, so that no figure moves when another is left out
_ENOUGH = 0.5  # of a face that has to be seen before no find on it speaks for it
_SIGMA_BY_EYE = 0.7  # points; what a reader's second try differs by, where a line has no sigma


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceDraws:
    """A face as many equally likely cards.

    Attributes:
        face: "front" or "back".
        figures: By name with the area, (draws,) each; those that are not known are missing. Centering has
            "centering.mean_share", "mean_other", "worst_share" and "worst_other", of which the standard says what
            counts, or where there are no borders `WORSE_SHIFT` and `BETTER_SHIFT`.
        words: What a figure rests on: the place and the measured value.
        blind: Why an area is not known at all, by area.
        partial: What of an area could not be judged, though the rest was, one sentence each.
        leeway: (2, draws) from 0 to 1: whether a grader overlooks anything, and how much.
    """

    face: str
    figures: dict[str, Floats]
    words: dict[str, str]
    blind: dict[str, str]
    partial: tuple[str, ...]
    leeway: Floats

    def figure(self, name: str, *, ratio: str, borderless_mm: float | None) -> tuple[Floats, str] | None:
        """A figure as a standard counts it, and its words; None where it is not known.

        Args:
            name: With the area.
            ratio: Which ratio of the borders counts, "mean" or "worst".
            borderless_mm: What borders are taken to add up to where there are none.
        """
        own = name
        if name in _BY_RATIO:
            part, shift = _BY_RATIO[name]
            own = f"{CENTERING}.{ratio}_{part}"
            if own not in self.figures and shift in self.figures and borderless_mm is not None:
                share = np.minimum(50 + 100 * self.figures[shift] / borderless_mm, 100)
                return share, f"{self.words[shift]}, as on borders of {borderless_mm:g} mm in all"
        return (self.figures[own], self.words[own]) if own in self.figures else None


_BY_RATIO = {
    f"{CENTERING}.share": ("share", WORSE_SHIFT),
    f"{CENTERING}.other_share": ("other", BETTER_SHIFT),
}


@dataclass(slots=True)
class _Found:
    """What has been drawn so far: of normal deviates, and of what the stated sigmas are to be multiplied by."""

    face: str
    normal: Floats
    times: Floats
    figures: dict[str, Floats] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    blind: dict[str, str] = field(default_factory=dict)
    partial: list[str] = field(default_factory=list)

    def add(self, figure: str, values: Floats, words: str) -> None:
        self.figures[figure], self.words[figure] = values, words


def draw_face(
    face: FaceMeasurement, name: str, *, seed: int = 0, draws: int = 4000, size_error: float = 0.1
) -> FaceDraws:
    """Draw what a face's figures may truly be.

    Args:
        face: As measured.
        name: "front" or "back".
        seed: The same gives the same draws.
        draws: How many.
        size_error: One standard deviation of a mark's size, as a share of it.

    Example:
        >>> from rcg.measuring import FaceMeasurement
        >>> draw_face(FaceMeasurement(status="undetermined", reason="no card", width=9, height=9), "front").blind
        {'centering': 'no card', 'corners': 'no card', 'edges': 'no card', 'surface': 'no card was found'}
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, FACES.index(name)])))
    normal, leeway = rng.standard_normal((_ROWS, draws)), rng.random((2, draws))
    found = _Found(name, normal, np.sqrt(FREEDOM / rng.chisquare(FREEDOM, (_ROWS, draws))))
    _centering(found, face)
    _corners(found, face)
    _edges(found, face)
    _surface(found, face, rng, size_error)
    return FaceDraws(
        face=name,
        figures=found.figures,
        words=found.words,
        blind=found.blind,
        partial=tuple(found.partial),
        leeway=leeway,
    )


def _centering(found: _Found, face: FaceMeasurement) -> None:
    seen = face.centering
    if seen is None or seen.status != MEASURED:
        found.blind[CENTERING] = (seen.reason if seen is not None else face.reason) or "the borders were not found"
        return
    if not all(map(math.isfinite, (seen.left_right, seen.top_bottom))):
        _shift(found, seen)
        return
    mean, deviation = np.array([seen.left_right, seen.top_bottom]), _stations(seen)
    sigma = np.array([each if math.isfinite(each) else _SIGMA_BY_EYE for each in seen.sigma])
    drawn = mean[:, None] + sigma[:, None] * _axes(found)
    turned = sigma_of(seen.rotation_deg) * found.times[3] * found.normal[3]
    at = drawn[:, None] + deviation[..., None] + _turn_points(seen, face)[..., None] * turned
    for ratio, offsets in (("mean", np.abs(drawn - 50)), ("worst", np.abs(at - 50).max(axis=1))):
        worse, better = np.minimum(50 + offsets.max(axis=0), 100), np.minimum(50 + offsets.min(axis=0), 100)
        worse_words, better_words = _ratio_words(seen, mean, deviation, sigma, worst=ratio == "worst")
        found.add(f"centering.{ratio}_share", worse, worse_words)
        found.add(f"centering.{ratio}_other", better, better_words)
    if seen.rotation_deg.known:
        words = f"the print is turned by {seen.rotation_deg} degrees"
        found.add("centering.rotation", np.abs(seen.rotation_deg.value + turned), words)


def _axes(found: _Found) -> Floats:
    """(2, draws) errors of both axes, in sigmas."""
    mixed: Floats = math.sqrt(AXES_SHARE) * found.normal[0] + math.sqrt(1 - AXES_SHARE) * found.normal[1:3]
    return mixed * found.times[1:3]


def _shift(found: _Found, seen: Centering) -> None:
    """A print without borders that was matched to a reference has a shift and no ratio."""
    if not all(map(math.isfinite, seen.shift_mm)):
        found.blind[CENTERING] = seen.reason or "the borders were not found"
        return
    shift = np.array(seen.shift_mm)
    sigma = np.array([sigma_of(Value(0.0, each)) for each in seen.shift_sigma_mm])
    drawn = shift[:, None] + sigma[:, None] * _axes(found)
    words = [
        f"the print lies {Value(abs(value), error)} mm {way[0] if value >= 0 else way[1]} of its place"
        for value, error, way in zip(shift, sigma, (("right", "left"), ("below", "above")), strict=True)
    ]
    worse = int(np.abs(shift).argmax())
    found.add(WORSE_SHIFT, np.abs(drawn).max(axis=0), words[worse])
    found.add(BETTER_SHIFT, np.abs(drawn).min(axis=0), words[1 - worse])
    if seen.rotation_deg.known:
        turned = np.abs(seen.rotation_deg.value + sigma_of(seen.rotation_deg) * found.times[3] * found.normal[3])
        found.add("centering.rotation", turned, f"the print is turned by {seen.rotation_deg} degrees")


def _stations(seen: Centering) -> Floats:
    """(2, 3) points that each station's ratio differs from its side's mean."""
    left, top, right, bottom = np.asarray(seen.widths, np.float64)
    shares = np.array([100 * left / (left + right), 100 * top / (top + bottom)])
    for axis, (mean, worst) in enumerate(
        ((seen.left_right, seen.worst_left_right), (seen.top_bottom, seen.worst_top_bottom))
    ):
        known = np.isfinite(shares[axis])
        if known.all():
            shares[axis] -= shares[axis].mean()
        else:  # only the means are known, as of a print that was matched to a reference
            shares[axis] = [0.0, worst - mean if math.isfinite(worst) else 0.0, 0.0]
    return shares


def _turn_points(seen: Centering, face: FaceMeasurement) -> Floats:
    """(2, 3) points of the ratio at each station that a degree of turn makes; 0 where the borders are not known."""
    if face.outline is None or not np.isfinite(seen.widths).all():
        return np.zeros((2, 3))
    left, top, right, bottom = np.asarray(seen.widths, np.float64).mean(axis=1)
    spec, away = face.outline.spec, np.array(STATIONS) - 0.5
    slope = math.radians(1) * 100
    return np.array([-away * spec.height * slope / (left + right), away * spec.width * slope / (top + bottom)])


def _ratio_words(seen: Centering, mean: Floats, deviation: Floats, sigma: Floats, *, worst: bool) -> tuple[str, str]:
    """The worse axis and the better one, in words."""
    at = mean[:, None] + deviation
    far = np.take_along_axis(at, np.abs(at - 50).argmax(axis=1)[:, None], axis=1)[:, 0] if worst else mean
    told = []
    for name, share, error in zip(("left to right", "top to bottom"), far, sigma, strict=True):
        where = ", at its worst station" if worst else ""
        hand = ", set by hand" if seen.method == "hand" else ""
        told.append(f"{name} {share:.1f}/{100 - share:.1f} ± {error:.1f}{where}{hand}")
    worse = int(np.abs(far - 50).argmax())
    return told[worse], told[1 - worse]


def _shared(common: Floats, own: Floats) -> Floats:
    mixed: Floats = math.sqrt(WHITENING_SHARE) * common + math.sqrt(1 - WHITENING_SHARE) * own
    return mixed


def _corners(found: _Found, face: FaceMeasurement) -> None:
    known = _known(found, CORNERS, face, face.corners)
    if not known:
        return
    whites = [(_shared(found.normal[4], found.normal[n]), found.times[n]) for n in (8 + place for place, _ in known)]
    depths = _each(known, whites, "whitening_depth", "corner_depth")
    if depths is not None:
        order = -np.sort(-depths, axis=0)
        ranked = sorted((each for _, each in known if each.whitening_depth.known), key=_whitening, reverse=True)
        names = ("whitening_depth", "whitening_second", "whitening_third", "whitening_fourth")
        for name, values, each in zip(names, order, ranked, strict=False):
            found.add(f"corners.{name}", values, f"{_named(each)}: {each.whitening_depth} mm of whitening")
    areas = _each(known, whites, "whitening_area", "corner_area")
    if areas is not None:
        words = f"corners: {_total(face.corners)} mm² of whitening in all"
        found.add("corners.whitening_area", areas.sum(axis=0), words)
    for n, wanted in enumerate(_OF_CORNERS, start=1):
        _worst(found, CORNERS, known, 8 + 4 * n, wanted)


def _edges(found: _Found, face: FaceMeasurement) -> None:
    known = _known(found, EDGES, face, face.edges)
    if not known:
        return
    whites = [(_shared(found.normal[4], found.normal[n]), found.times[n]) for n in (24 + place for place, _ in known)]
    depths = _each(known, whites, "whitening_depth", "edge_depth")
    if depths is not None:
        side = max((each for _, each in known if each.whitening_depth.known), key=_whitening)
        words = f"{_named(side)}: {side.whitening_depth} mm of whitening, mean over its length"
        found.add("edges.whitening_depth", depths.max(axis=0), words)
    for name, scale, words in (("whitening_length", "edge_length", "mm of white edge"),
                               ("whitening_area", "edge_area", "mm² of white edge")):  # fmt: skip
        values = _each(known, whites, name, scale)
        if values is not None:
            seen = sum(v.value for _, each in known if (v := _value(each, name)).known)
            found.add(f"edges.{name}", values.sum(axis=0), f"{seen:.1f} {words} in all")
    for n, wanted in enumerate(_OF_EDGES, start=1):
        _worst(found, EDGES, known, 24 + 4 * n, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a figure of several corners or sides is made; without a `scale` it is never quite zero, its error normal."""

    name: str
    scale: str
    words: str
    total: bool = False


_OF_CORNERS = (
    _Wanted("radius_error", "radius", "radius {} mm above the stock's"),
    _Wanted("missing_area", "missing", "{} mm² missing", total=True),
    _Wanted("angle_error", "", "{} degrees off 90"),
)
_OF_EDGES = (_Wanted("deepest", "deepest", "{} mm deep at its worst"), _Wanted("roughness", "", "rough by {} mm RMS"))


def _value(part: Wear, name: str) -> Value:
    found: Value = getattr(part, name)
    return found


def _known(found: _Found, area: str, face: FaceMeasurement, parts: Sequence[Wear]) -> list[tuple[int, Wear]]:
    """The four corners or sides that were measured, with their place among the four."""
    known = [(place, each) for place, each in enumerate(parts) if _has_figures(each)]
    gone = [each for each in parts if known and not each.whitening_depth.known]
    if gone and len(gone) == len(parts):
        found.partial.append(f"{found.face} {area}: whitening: {gone[0].reason or 'it could not be told'}")
    else:
        for each in gone:
            what = "whitening: " if _has_figures(each) else ""
            found.partial.append(f"{found.face} {_named(each)}: {what}{each.reason or 'not seen'}")
    if not known:
        reasons = [each.reason for each in parts if each.reason]
        found.blind[area] = reasons[0] if reasons else face.reason or "they were not measured"
    return known


def _has_figures(each: Wear) -> bool:
    """Whether anything is known; a contour can be where whitening cannot, as on a white border."""
    values = (getattr(each, item.name) for item in fields(each))
    return any(isinstance(value, Value) and value.known for value in values)


def _each(
    known: Sequence[tuple[int, Wear]], normals: Sequence[tuple[Floats, Floats]], name: str, scale: str
) -> Floats | None:
    """(n, draws) of those that have the figure; None where none has it."""
    drawn = [
        amounts(_value(each, name), normal, typical=_TYPICAL[scale], times=times)
        for (_, each), (normal, times) in zip(known, normals, strict=True)
        if _value(each, name).known
    ]
    return np.array(drawn) if drawn else None


def _worst(found: _Found, area: str, known: Sequence[tuple[int, Wear]], row: int, wanted: _Wanted) -> None:
    """A figure's worst corner or side, or its total."""
    figure, scale = f"{area}.{wanted.name}", wanted.scale

    def value(each: Wear) -> Value:
        return _value(each, wanted.name)

    having = [(place, each) for place, each in known if value(each).known]
    if not having:
        return
    drawn = np.array([_drawn(value(each), found.normal[row + n], found.times[row + n], scale) for n, each in having])
    worst = max((each for _, each in having), key=lambda each: abs(value(each).value))
    values = drawn.sum(axis=0) if wanted.total else drawn.max(axis=0)
    found.add(figure, values, f"{_named(worst)}: {wanted.words.format(value(worst))}")


def _drawn(value: Value, normal: Floats, times: Floats, scale: str) -> Floats:
    if scale:
        return amounts(value, normal, typical=_TYPICAL[scale], times=times)
    return np.abs(value.value + sigma_of(value) * times * normal)


def _whitening(each: Wear) -> float:
    return each.whitening_depth.value


def _total(corners: Sequence[CornerWear]) -> str:
    known = [each.whitening_area for each in corners if each.whitening_area.known]
    return str(Value(sum(each.value for each in known), math.hypot(*(sigma_of(each) for each in known))))


def _named(part: Wear) -> str:
    return f"{part.corner.replace('_', ' ')} corner" if isinstance(part, CornerWear) else f"{part.side} edge"


def _surface(found: _Found, face: FaceMeasurement, rng: np.random.Generator, size_error: float) -> None:
    """What is known of the surface; marks at the rim count, as for a cap, even where the face was not looked at."""
    seen = face.surface
    known = face.outline is not None and seen.status in {MEASURED, "partly"}
    unseen = f"{100 * (1 - seen.share_judged):.0f} % of it could not be looked at"
    if not known:
        found.blind[SURFACE] = seen.reason or face.reason or "it was not looked at"
    elif seen.share_judged < _ENOUGH and not seen.marks:  # that nothing was found there says little
        known = False
        found.blind[SURFACE] = f"{unseen}; {', '.join(seen.not_seen)}" if seen.not_seen else unseen
    elif seen.not_seen:
        found.partial.append(f"{found.face} surface: {', '.join(seen.not_seen)}: these pictures cannot show them")
    elif seen.status == "partly":
        found.partial.append(f"{found.face} surface: {seen.reason or 'looked at in part only'}")
    if known and seen.share_judged < 0.995:
        found.partial.append(f"{found.face} surface: {unseen}")
    marks = all_marks(face)
    if known or marks:
        figures = draw_marks(marks, rng, draws=found.normal.shape[1], size_error=size_error)
        for name, (values, words) in figures.items():
            found.add(f"{SURFACE}.{name}", values, words)
