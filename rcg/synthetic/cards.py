"""One side of a trading card, described in millimetres and drawn at any resolution, with the truth about it.

The same seed gives the same card, and the same bytes, on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.card_specs import PRINT_FAMILIES, CardSpec, PrintFamily, card_spec, print_family
from rcg.errors import ConfigError
from rcg.images import Pixels
from rcg.synthetic.damage import LABELS, Defect, make_defect
from rcg.synthetic.design import Design, draw_design, light
from rcg.synthetic.grid import Grid, rounded, turned
from rcg.synthetic.printing import print_side
from rcg.synthetic.relief import surface_of
from rcg.synthetic.surface import Surface
from rcg.synthetic.wear import card_coverage, mark_colour, mark_coverage
from rcg.types import Point

Floats = NDArray[np.float64]

STATIONS = (0.1, 0.5, 0.9)  # of a side's length: near both ends, where a turned print shows most, and in its middle
_SIDES = ("left", "top", "right", "bottom")
THROUGH = frozenset({"crease", "corner_bend", "corner_rounding", "rough_cut", "notch", "tear", "missing_stock"})
_SHARES = {"standard": 55, "sports": 17, "japanese-small": 10, "topps-1952": 7, "t206": 6, "tallboy": 5}
_MEAN_COUNTS = {
    "corner_whitening": 0.9, "corner_rounding": 0.25, "corner_bend": 0.15, "edge_whitening": 0.8, "chipping": 0.35,
    "rough_cut": 0.2, "notch": 0.12, "scratch": 1.2, "print_line": 0.2, "print_dot": 0.3, "dent": 0.5, "crease": 0.3,
    "stain": 0.3, "tear": 0.06, "missing_stock": 0.06, "roller_line": 0.2,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One side of a card. Millimetres from its left top corner, x to the right, y down.

    Attributes:
        spec: The cut stock.
        side: "front" or "back".
        family: The print design's family.
        design: What is printed.
        seed: Of the paper's own grain.
        print_shift_mm: How far the print lies off its place, to the right and down.
        rotation_deg: How far the print is turned against the cut, clockwise.
        trapezoid_deg: How far the left and right sides, and the top and bottom sides, of the print lean to each other.
        plate_shift_mm: How far the cyan plate lies off the others, to the right and down.
        frame: The inner frame in the print's own millimetres, before it is shifted: left, top, right, bottom; None
            where the print runs over the edge.
        defects: Its wear and the faults of the press.
    """

    spec: CardSpec
    side: str
    family: str
    design: Design
    seed: int
    print_shift_mm: Point
    rotation_deg: float
    trapezoid_deg: Point
    plate_shift_mm: Point
    frame: tuple[float, float, float, float] | None
    defects: tuple[Defect, ...] = ()

    @property
    def finish(self) -> str:
        """The coating: "matte", "satin", "gloss", "foil" or "holo"."""
        return self.design.finish

    @property
    def corners(self) -> tuple[Point, ...]:
        """Where the edges would meet if the corners were square: top left, top right, bottom right, bottom left."""
        w, h = self.spec.width, self.spec.height
        return ((0.0, 0.0), (w, 0.0), (w, h), (0.0, h))

    @property
    def inner(self) -> tuple[Point, ...] | None:
        """The inner frame's corners in the order of `corners`; None for a card without a border."""
        if self.frame is None:
            return None
        left, top, right, bottom = self.frame
        quad = self.to_card([(left, top), (right, top), (right, bottom), (left, bottom)])
        return tuple((float(x), float(y)) for x, y in quad)

    @property
    def points(self) -> tuple[Point | None, ...]:
        """The 24 points in the order of the dataset type centering_analysis; the inner ones None without a frame.

        Left and right stations run from the top down, top and bottom ones from left to right. An inner point lies
        straight across the card from its outer one.
        """
        w, h = self.spec.width, self.spec.height
        found: list[Point | None] = []
        for side in _SIDES:
            upright = side in {"left", "right"}
            far = 0.0 if side in {"left", "top"} else (w if upright else h)
            places = [share * (h if upright else w) for share in STATIONS]
            found += [(far, each) if upright else (each, far) for each in places]
            found += [self._inner_point(side, each) for each in places]
        return tuple(found)

    @property
    def borders(self) -> tuple[float, float, float, float] | None:
        """Left, right, top and bottom border in millimetres at the middle of each side; None without a frame."""
        left, top, right, bottom = (self.points[start + 4] for start in (0, 6, 12, 18))
        if left is None or top is None or right is None or bottom is None:
            return None
        return left[0], self.spec.width - right[0], top[1], self.spec.height - bottom[1]

    def to_card(self, points: ArrayLike) -> Floats:
        """From (n, 2) millimetres of the print to millimetres of the card: its trapezoid, turn and shift."""
        middle = np.array([self.spec.width, self.spec.height]) / 2
        away = np.asarray(points, np.float64).reshape(-1, 2) - middle
        lean = np.radians(self.trapezoid_deg) / middle
        bent = away + (away[:, :1] * away[:, 1:]) * lean
        placed: Floats = turned(bent, math.radians(self.rotation_deg)) + middle + np.array(self.print_shift_mm)
        return placed

    def size(self, px_per_mm: float) -> tuple[int, int]:
        """Width and height in pixels of what this card draws; the last pixels may reach over its edge."""
        rows, columns = self._grid(px_per_mm).shape
        return columns, rows

    def colour(self, px_per_mm: float) -> Pixels:
        """(h, w, 3) uint8 sRGB: the card under white light without gloss. Beyond its edge the print goes on."""
        grid = self._grid(px_per_mm)
        pixels = print_side(self, grid)
        for each in self.defects:
            mark_colour(pixels, grid, each)
        return pixels

    def coverage(self, px_per_mm: float) -> Pixels:
        """(h, w) uint8: 255 on the card, 0 beyond its edge and where stock is missing."""
        grid = self._grid(px_per_mm)
        cover = card_coverage(grid, self.spec)
        for each in self.defects:
            mark_coverage(cover, grid, each)
        return cover

    def surface(self, px_per_mm: float) -> Surface:
        """Colour, relief in micrometres, roughness, foil and coverage, all of the same size."""
        return surface_of(self, self._grid(px_per_mm), self.colour(px_per_mm), self.coverage(px_per_mm))

    def _grid(self, px_per_mm: float) -> Grid:
        if not 1 <= px_per_mm <= 200:
            raise ConfigError(
                f"{px_per_mm} pixels a millimetre cannot be drawn", fix="give 1 to 200; 300 px/inch is 11.81"
            )
        return Grid.of(self.spec.width, self.spec.height, px_per_mm)

    def _inner_point(self, side: str, place: float) -> Point | None:
        quad = self.inner
        if quad is None:
            return None
        first, last = {"left": (0, 3), "top": (0, 1), "right": (1, 2), "bottom": (3, 2)}[side]
        (x0, y0), (x1, y1) = quad[first], quad[last]
        if side in {"left", "right"}:
            return x0 + (x1 - x0) * (place - y0) / (y1 - y0), place
        return place, y0 + (y1 - y0) * (place - x0) / (x1 - x0)


def draw_card(
    seed: int | tuple[int, ...],
    *,
    spec: CardSpec | None = None,
    family: str | None = None,
    finish: str | None = None,
    wear: float = 1.0,
    defects: Sequence[str] | None = None,
    side: str = "front",
) -> Card:
    """Draw a card: its print, how it was cut, and its defects.

    The print's shift (sigma 0.3 mm), turn (0.2 degrees), trapezoid (0.1 degrees) and plate shift (0 to 0.25 mm) follow
    real cards; each is cut off at three sigma. Front and back of one seed are of one stock, and what goes through it
    shows on both, mirrored: give both the same `spec` where you name a family.

    Args:
        seed: The same gives the same card.
        spec: The kind of card; drawn where not given, of those that the family is printed on.
        family: The name of a print design's family; drawn where not given, of those that fit `spec` and `side`.
        finish: "matte", "satin", "gloss", "foil" or "holo"; drawn where not given.
        wear: How many defects, as a multiple of a played card's; 0 for none. One card in six has none anyhow.
        defects: The labels of exactly the defects to draw, () for a clean card; None draws them by `wear`.
        side: "front" or "back".

    Raises:
        ConfigError: If a name, the seed or the wear cannot be used.

    Example:
        >>> draw_card(3, defects=("scratch",)).defects[0].label
        'scratch'
    """
    if side not in {"front", "back"} or not 0 <= wear < 100 or min(np.atleast_1d(np.array(seed))) < 0:
        what = f"side {side!r}, wear {wear} and seed {seed} cannot be drawn"
        raise ConfigError(what, fix='give the side "front" or "back", a wear of 0 to 99 and a seed of 0 or more')
    numbers = (seed,) if isinstance(seed, int) else tuple(seed)
    face = 0 if side == "front" else 1
    rng = np.random.default_rng((*numbers, face, 4711))
    stock = spec if spec is not None else _stock(np.random.default_rng((*numbers, 4710)), family)
    kind = _kind(rng, family, stock, side)
    design = draw_design(rng, kind, finish)
    turn, *lean = np.clip(rng.normal(0, (0.2, 0.1, 0.1)), (-0.6, -0.3, -0.3), (0.6, 0.3, 0.3)).tolist()
    shift = np.clip(rng.normal(0, 0.3, 2), -0.9, 0.9)
    plate, way = 0.25 * float(rng.random()) ** 2, float(rng.uniform(0, 2 * math.pi))
    card = Card(
        spec=stock,
        side=side,
        family=kind.name,
        design=design,
        seed=int(rng.integers(1 << 31)),
        print_shift_mm=(rounded(float(shift[0])), rounded(float(shift[1]))),
        rotation_deg=rounded(turn),
        trapezoid_deg=(rounded(lean[0]), rounded(lean[1])),
        plate_shift_mm=(rounded(plate * math.cos(way)), rounded(plate * math.sin(way))),
        frame=_frame(rng, kind, stock),
    )
    own = np.random.default_rng((*numbers, face, 4712))
    if defects is not None:
        return replace(card, defects=tuple(make_defect(each, stock, own) for each in defects))
    made = [make_defect(each, stock, own) for each in _draw_labels(own, card, wear)]
    if side == "back":
        front = draw_card(seed, spec=stock, wear=wear)
        through = [mirrored(each, stock) for each in front.defects if each.label in THROUGH]
        made = [*through, *(each for each in made if each.label not in THROUGH)]
    return replace(card, defects=tuple(made))


def mirrored(defect: Defect, spec: CardSpec) -> Defect:
    """A defect that goes through the stock, as the other side shows it: left is right, a ridge is a valley."""
    flipped = {"crease", "corner_bend"}
    return replace(
        defect,
        outline=tuple((spec.width - x, y) for x, y in defect.outline),
        course=tuple((spec.width - x, y) for x, y in defect.course),
        depth_um=-defect.depth_um if defect.label in flipped else defect.depth_um,
    )


def with_defects(card: Card, defects: Sequence[Defect]) -> Card:
    """The same card with these defects in place of its own."""
    return replace(card, defects=tuple(defects))


def _stock(rng: np.random.Generator, family: str | None) -> CardSpec:
    """The common kinds of card more often than the rare ones; the same for both sides of a card."""
    names = [name for name in _SHARES if family is None or name in print_family(family).specs]
    shares = np.array([_SHARES[name] for name in names])
    place = float(rng.random()) * float(sum(shares.tolist()))
    return card_spec(names[min(int(np.searchsorted(np.cumsum(shares), place)), len(names) - 1)])


def _kind(rng: np.random.Generator, family: str | None, spec: CardSpec, side: str) -> PrintFamily:
    if family is None:
        on_side = [each for each in PRINT_FAMILIES.values() if each.side == side]
        fitting = [each for each in on_side if spec.name in each.specs] or on_side
        return fitting[int(rng.integers(len(fitting)))]
    kind = print_family(family)
    if kind.side != side:
        fix = f"choose one of {', '.join(each.name for each in PRINT_FAMILIES.values() if each.side == side)}"
        raise ConfigError(f"{kind.name} is printed on the {kind.side}, not on the {side}", fix=fix)
    return kind


def _frame(rng: np.random.Generator, kind: PrintFamily, spec: CardSpec) -> tuple[float, float, float, float] | None:
    totals = spec.border_totals or kind.totals
    spread = np.clip(rng.normal(0, 1, 2), -3, 3) * (spec.total_sd if spec.border_totals else kind.total_sd)
    if totals is None:
        return None
    across, down = totals[0] + float(spread[0]), totals[1] + float(spread[1])
    left, top = across * kind.shares[0], down * kind.shares[1]
    return rounded(left), rounded(top), rounded(spec.width - across + left), rounded(spec.height - down + top)


def _draw_labels(rng: np.random.Generator, card: Card, wear: float) -> list[str]:
    """Which defects the card has. Whitening cannot be seen on a white border, and is left out there."""
    drawn = [int(each) for each in rng.poisson([wear * _MEAN_COUNTS[label] for label in LABELS])]
    if rng.random() < 1 / 6:
        return []
    pale = min(light(each) for each in card.design.border) > 205 and card.frame is not None
    hidden = {"corner_whitening", "edge_whitening", "chipping"} if pale else set()
    return [
        label for label, count in zip(LABELS, drawn, strict=True) for _ in range(min(count, 4)) if label not in hidden
    ]
