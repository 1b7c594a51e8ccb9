"""Defects as geometry: where on the card, how long and wide in millimetres, how deep in micrometres."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.card_specs import CardSpec
from rcg.errors import ConfigError, DataError
from rcg.synthetic.grid import rounded, turned
from rcg.types import Point

Ring = tuple[Point, ...]
Rng = np.random.Generator

FACTORY, HANDLING = "factory", "handling"
_OVER = 0.15  # millimetres that an outline at the edge reaches beyond it
_LINES = ("scratch", "crease", "roller_line", "print_line", "tear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One place of wear, or a fault of the press.

    Attributes:
        label: Its class.
        outline: Its outline in millimetres from the card's left top corner, a ring; left empty, lines get it from
            their course and width.
        origin: "factory" or "handling".
        length_mm: Its longest extent; 0 takes it from the course or the outline.
        width_mm: Its extent across; of defects at the edge, how far they reach into the card.
        depth_um: Its depth (below zero) or height (above zero) against the surface around it; 0 without relief.
        course: The middle line of line-like ones, points in millimetres.
        severity: From 0 (just there) to 1: how much of the ink is gone, or how dark a stain is.
        seed: Of its ragged details.

    Raises:
        DataError: If it has neither a course nor an outline, or a size is below zero.
    """

    label: str
    outline: Ring = ()
    origin: str = HANDLING
    length_mm: float = 0.0
    width_mm: float = 0.1
    depth_um: float = 0.0
    course: Ring = ()
    severity: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            near = get_close_matches(self.label, LABELS, n=1)
            fix = f"write {near[0]}" if near else f"choose one of {', '.join(LABELS)}"
            raise ConfigError(f"there is no defect {self.label!r}", fix=fix)
        line = self.label in _LINES
        if line and len(self.course) < 2:
            raise DataError(f"a {self.label} needs a course of two points or more", fix="give course=((x, y), (x, y))")
        if not line and len(self.outline) < 3:
            raise DataError(f"a {self.label} needs an outline", fix="let make_defect draw it")
        if self.width_mm <= 0 or self.length_mm < 0:
            raise DataError(f"a {self.label} of {self.length_mm} x {self.width_mm} mm is not possible")
        if not self.outline:
            object.__setattr__(self, "outline", ribbon(self.course, 1.9 * self.width_mm / 2 + 0.02))
        if not self.length_mm:
            points = np.array(self.course or self.outline)
            size = _length(self.course) if line else float(np.ptp(points, axis=0).max())
            object.__setattr__(self, "length_mm", size)


def make_defect(
    label: str,
    spec: CardSpec,
    rng: Rng,
    *,
    course: Sequence[Point] | None = None,
    at: Point | None = None,
    length_mm: float | None = None,
    width_mm: float | None = None,
    depth_um: float | None = None,
    origin: str | None = None,
    severity: float | None = None,
) -> Defect:
    """Draw a defect from the ranges that are seen on real cards, with what is given held.

    Args:
        label: One of `LABELS`.
        spec: The card's size.
        rng: Where the randomness comes from.
        course: The middle line, for scratches, creases, tears, roller lines and print lines.
        at: The middle of a dent, a stain or a print dot; for defects at the edge the nearest place on it.
        length_mm: The longest extent.
        width_mm: The extent across, or into the card.
        depth_um: Below zero a groove or dent, above zero a ridge.
        origin: "factory" or "handling".
        severity: From 0 to 1.

    Raises:
        ConfigError: If the label is unknown; it names the nearest.
    """
    if label not in _MAKERS:
        near = get_close_matches(label, _MAKERS, n=1)
        raise ConfigError(
            f"there is no defect {label!r}", fix=f"write {near[0]}" if near else f"choose one of {', '.join(LABELS)}"
        )
    seed = int(rng.integers(1 << 31))
    strong = rounded(float(rng.random())) if severity is None else severity
    given = _Given(
        spec=spec,
        course=None if course is None else _ring(np.array(course, np.float64)),
        at=at,
        length=length_mm,
        width=width_mm,
        depth=depth_um,
        severity=strong,
    )
    made = _MAKERS[label](label, given, rng)
    over = np.clip(np.array(made.outline), -_OVER, np.array([spec.width, spec.height]) + _OVER)
    return replace(made, outline=_ring(over), seed=seed, origin=origin or made.origin, severity=strong)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    spec: CardSpec
    course: Ring | None
    at: Point | None
    length: float | None
    width: float | None
    depth: float | None
    severity: float

    def pick(self, rng: Rng, held: float | None, low: float, high: float, lean: float = 1.0) -> float:
        """The held value, or one from `low` to `high`, most of them low where `lean` is above 1."""
        share = float(rng.random())
        for _ in range(round(lean) - 1):
            share *= float(rng.random()) ** 0.5
        return held if held is not None else rounded(low + (high - low) * share, 1 << 16)


def _line(label: str, given: _Given, rng: Rng) -> Defect:
    """Scratches and creases: nearly straight, or a shallow curve."""
    spec = given.spec
    if label == "scratch":
        length = given.pick(rng, given.length, 1, 60, 3)
        width = given.pick(rng, given.width, 0.01, 0.1, 2)
        depth = given.pick(rng, given.depth, -0.5, -10, 2)
    else:
        length = given.pick(rng, given.length, 2, 0.9 * spec.height, 2)
        depth = given.pick(rng, given.depth, 10, 200, 2) * (1 if given.depth is not None or rng.random() < 0.5 else -1)
        width = given.pick(rng, given.width, 0.3, 1.0)
    course = given.course or _wander(rng, spec, length, given.at, bend=0.02 if label == "scratch" else 0.04)
    return Defect(label=label, course=course, width_mm=width, depth_um=depth)


def _wander(rng: Rng, spec: CardSpec, length: float, at: Point | None, *, bend: float) -> Ring:
    size = np.array([spec.width, spec.height])
    turn = float(rng.uniform(0, math.pi))
    curve = float(rng.uniform(-bend, bend))  # radians a millimetre
    count = max(2, min(24, math.ceil(length / 2)))
    step, points, heading = length / count, [np.zeros(2)], -curve * length / 2
    for _ in range(count):
        heading += curve * step + float(rng.uniform(-0.02, 0.02))
        points.append(points[-1] + step * np.array([rounded(math.cos(heading)), rounded(math.sin(heading))]))
    line = turned(np.array(points) - points[count // 2], turn)
    low, high = line.min(axis=0), line.max(axis=0)
    free = np.maximum(size - 3 - (high - low), 0)
    place = 1.5 + free * rng.random(2) - low if at is None else np.asarray(at)
    return _ring(np.clip(line + place, 0.6, size - 0.6))


def _press_line(label: str, given: _Given, rng: Rng) -> Defect:
    """Print lines and roller lines: straight, parallel to an edge, mostly from edge to edge."""
    spec, upright = given.spec, bool(rng.random() < 0.6)
    if label == "print_line":
        width, depth = given.pick(rng, given.width, 0.02, 0.1), 0.0
    else:
        width, depth = given.pick(rng, given.width, 0.1, 1.0), given.pick(rng, given.depth, -0.5, -3)
    run, far = (spec.height, spec.width) if upright else (spec.width, spec.height)
    place, lean = rounded(float(rng.uniform(0.08, 0.92)) * far), rounded(float(rng.uniform(-0.15, 0.15)))
    length = min(given.length or run, run)
    first = rounded((run - length) * float(rng.random()))
    ends = [(first, place), (first + length, place + lean)]
    course = given.course or _ring(np.array([(b, a) if upright else (a, b) for a, b in ends]))
    return Defect(label=label, course=course, width_mm=width, depth_um=depth, origin=FACTORY)


def _blob(label: str, given: _Given, rng: Rng) -> Defect:
    """Dents, stains and print dots: rounded, dents elliptic and smooth, stains uneven."""
    ranges = {"dent": (0.2, 3.0, 2), "stain": (3.0, 22.0, 2), "print_dot": (0.1, 1.0, 2)}[label]
    width = given.pick(rng, given.width, *ranges)
    stretch = float(rng.uniform(1, 1.5)) if given.length is None else given.length / width
    depth = given.pick(rng, given.depth, -5, -50, 2) if label == "dent" else 0.0
    rough = {"dent": 0.0, "stain": 0.22, "print_dot": 0.12}[label]
    radii = 1 - rough * rng.random(24) if rough else np.ones(24)
    radii = (radii + np.roll(radii, 1) + np.roll(radii, -1)) / 3
    turns = [2 * math.pi * k / 24 for k in range(24)]
    shape = np.array([(math.cos(a) * width * stretch / 2, math.sin(a) * width / 2) for a in turns]) * radii[:, None]
    angle = rounded(float(rng.uniform(0, math.pi)))
    size = np.array([given.spec.width, given.spec.height])
    room = min(2 + width / 2, size.min() / 2 - 1)
    middle = room + (size - 2 * room) * rng.random(2) if given.at is None else np.asarray(given.at)
    ring = turned(shape, angle) + middle
    axis = turned([(-width * stretch / 2, 0), (width * stretch / 2, 0)], angle) + middle
    return Defect(
        label=label,
        outline=_ring(ring),
        course=_ring(axis),
        length_mm=width * stretch,
        width_mm=width,
        depth_um=depth,
        origin=FACTORY if label == "print_dot" else HANDLING,
    )


def _edge(label: str, given: _Given, rng: Rng) -> Defect:
    """What eats into the edge from outside: a strip along it, ragged on its inner side."""
    low, high, long = {
        "corner_whitening": (0.12, 0.5, (1.2, 5.0)),
        "edge_whitening": (0.1, 0.5, (1.0, 20.0)),
        "chipping": (0.15, 0.5, (1.0, 12.0)),
        "rough_cut": (0.1, 0.45, (8.0, 50.0)),
        "notch": (0.15, 1.0, (0.3, 2.0)),
        "missing_stock": (1.2, 6.0, (3.0, 12.0)),
    }[label]
    depth, length = given.pick(rng, given.width, low, high), given.pick(rng, given.length, *long)
    path = _Rim(given.spec)
    middle = path.nearest(given.at) if given.at is not None else path.draw(rng, corner=label == "corner_whitening")
    count = max(6, min(240, round(length / (0.35 if label == "missing_stock" else 0.16))))
    shares = np.arange(count + 1) / count
    away = np.abs(2 * shares - 1)
    taper = 1 - away * away if label in {"notch", "corner_whitening", "missing_stock"} else 1 - away**6
    rough = {"notch": 0.1, "missing_stock": 0.25, "edge_whitening": 0.55, "corner_whitening": 0.5}.get(label, 0.7)
    ragged = 1 - rough * rng.random(count + 1)
    if label == "chipping":  # flakes with whole edge between them
        ragged *= np.repeat(rng.random(count // 3 + 1) < 0.6, 3)[: count + 1]
        ragged[count // 2] = 1
    depths = depth * np.clip(taper, 0.02, 1) * ragged
    inner, outer = path.strip(middle + (shares - 0.5) * length, depths)
    course = _ring(path.strip(middle + (shares[::4] - 0.5) * length, np.zeros(len(shares[::4])))[0])
    return Defect(
        label=label,
        outline=_ring(np.vstack([outer, inner[::-1]])),
        course=course,
        length_mm=length,
        width_mm=depth,
        origin=FACTORY if label == "rough_cut" else HANDLING,
    )


def _corner(label: str, given: _Given, rng: Rng) -> Defect:
    """A rounded corner loses stock; a bent one rises beyond its fold."""
    spec = given.spec
    which = int(rng.integers(4))
    if given.at is not None:
        which = (given.at[0] > spec.width / 2) + 2 * (given.at[1] > spec.height / 2)
    home = np.array([spec.width * (which % 2), spec.height * (which // 2)])
    inward = np.where(home > 0, -1.0, 1.0)
    if label == "corner_rounding":
        extra = given.pick(rng, given.width, 0.2, 2.0, 2)
        radius = spec.radius + extra
        turns = [(math.cos(k * math.pi / 32), math.sin(k * math.pi / 32)) for k in range(17)]
        arc = [(radius * (1 - c), radius * (1 - s)) for c, s in turns]
        past = spec.radius + min(spec.radius, _OVER)  # an arc about the uncut corner's middle, a little outside it
        before = [(max(spec.radius - past * c, 0), max(spec.radius - past * s, 0)) for c, s in turns]
        ring = home + inward * np.array([*before, *reversed(arc)])
        return Defect(label=label, outline=_ring(ring), length_mm=radius * 1.5708, width_mm=extra)
    reach = given.pick(rng, given.width, 1.0, 5.0)
    legs = reach * 1.4142 * rng.uniform(0.85, 1.2, 2) + 0.6 * spec.radius
    fold = home + inward * np.array([(legs[0], 0.0), (0.0, legs[1])])
    return Defect(
        label=label,
        outline=_ring(np.vstack([home, fold])),
        course=_ring(fold),
        length_mm=math.dist(fold[0], fold[1]),
        width_mm=reach,
        depth_um=given.pick(rng, given.depth, 60, 700) * (1 if given.depth is not None or rng.random() < 0.6 else -1),
    )


def _tear(label: str, given: _Given, rng: Rng) -> Defect:
    path = _Rim(given.spec)
    length, width = given.pick(rng, given.length, 2, 14), given.pick(rng, given.width, 0.08, 0.5)
    middle = path.nearest(given.at) if given.at is not None else path.draw(rng, corner=False)
    start, inward = path.at(middle)
    points, heading = [start], turned(inward, float(rng.uniform(-0.6, 0.6)))[0]
    count = max(3, round(length / 0.8))
    for _ in range(count):
        heading = turned(heading, float(rng.uniform(-0.35, 0.35)))[0]
        points.append(points[-1] + heading * (length / count))
    size = (given.spec.width, given.spec.height)
    course = given.course or _ring(np.clip(np.array(points), 0, size))
    return Defect(label=label, course=course, width_mm=width, depth_um=given.pick(rng, given.depth, 20, 120))


_Maker = Callable[[str, _Given, Rng], Defect]
_MAKERS: dict[str, _Maker] = {
    "corner_whitening": _edge,
    "corner_rounding": _corner,
    "corner_bend": _corner,
    "edge_whitening": _edge,
    "chipping": _edge,
    "rough_cut": _edge,
    "notch": _edge,
    "scratch": _line,
    "print_line": _press_line,
    "print_dot": _blob,
    "dent": _blob,
    "crease": _line,
    "stain": _blob,
    "tear": _tear,
    "missing_stock": _edge,
    "roller_line": _press_line,
}
LABELS = tuple(_MAKERS)


class _Rim:
    """The cut edge as a way around the card, clockwise from the middle of the left top corner."""

    def __init__(self, spec: CardSpec) -> None:
        self.spec = spec
        # Square corners are gone around too, so that a strip along them does not cross itself.
        self.radius = max(spec.radius, 0.8)
        self.arc = rounded(self.radius * math.pi / 2)
        self.sides = tuple(each - 2 * self.radius for each in (spec.width, spec.height, spec.width, spec.height))
        self.total = sum(self.sides) + 4 * self.arc

    def draw(self, rng: Rng, *, corner: bool) -> float:
        """A place in the middle of a corner, or anywhere along the sides."""
        side, share = int(rng.integers(4)), float(rng.random())
        start = sum(self.sides[:side]) + side * self.arc
        return start if corner else start + self.arc / 2 + share * self.sides[side]

    def nearest(self, place: Point) -> float:
        """The way to the place on the rim that is nearest."""
        ways = np.arange(0, self.total, 0.25)
        return float(min(ways, key=lambda way: math.dist(self.at(float(way))[0], place)))

    def at(self, way: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The place on the rim, and the direction into the card there."""
        way = (way - self.arc / 2) % self.total
        w, h, r = self.spec.width, self.spec.height, self.radius
        starts = ((r, 0.0), (w, r), (w - r, h), (0.0, h - r))
        ahead = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
        for side in range(4):
            a, inward = np.array(ahead[side]), np.array(ahead[(side + 1) % 4])
            if way < self.sides[side]:
                return np.array(starts[side]) + a * way, inward
            way -= self.sides[side]
            if way < self.arc:
                into = turned(inward, way / r)[0]
                return np.array(starts[side]) + a * self.sides[side] + inward * r - into * r, into
            way -= self.arc
        return np.array(starts[0]), np.array((0.0, 1.0))

    def strip(self, ways: ArrayLike, depths: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, 2) points that far inside, and points a little beyond the edge beside them, so that nothing is left."""
        size = np.array([self.spec.width, self.spec.height])
        places = [self.at(float(way)) for way in np.asarray(ways)]
        on, into = np.array([each[0] for each in places]), np.array([each[1] for each in places])
        inner = on + into * np.asarray(depths)[:, None]
        beyond = _OVER if self.spec.radius else 0.5 * self.radius
        return np.clip(inner, 0, size), np.clip(on - into * beyond, 0, size)


def ribbon(course: Sequence[Point], half: float) -> Ring:
    """The outline of a line that reaches `half` millimetres to both sides and beyond its ends."""
    points = np.asarray(course, np.float64)
    ahead = np.gradient(points, axis=0) if len(points) > 2 else np.repeat(points[1:] - points[:1], 2, axis=0)
    ahead /= np.maximum(np.sqrt(ahead[:, :1] ** 2 + ahead[:, 1:] ** 2), 1e-9)
    aside = np.column_stack([-ahead[:, 1], ahead[:, 0]]) * half
    points[0] -= ahead[0] * half
    points[-1] += ahead[-1] * half
    return _ring(np.vstack([points + aside, (points - aside)[::-1]]))


def _length(course: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(course))


def _ring(points: NDArray[np.float64]) -> Ring:
    return tuple((rounded(float(x)), rounded(float(y))) for x, y in points)
