"""The kinds of card: size, corner radius and thickness, and how wide the borders of each print design are."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSpec:
    """The cut stock and the print on it, in millimetres.

    Attributes:
        name: The word for it on the command line.
        title: The words for it in a panel.
        width: From the left to the right cut edge.
        height: From the top to the bottom cut edge.
        radius: Of the corners; 0 for square ones.
        thickness: Of the stock.
        border_totals: Left plus right, and top plus bottom border; None where designs differ too much.
        total_sd: One standard deviation of each total between cards of one print design.
    """

    name: str = "standard"
    title: str = "Standard, 63 x 88 mm (Pokemon, Magic and most games)"
    width: float = 63.0
    height: float = 88.0
    radius: float = 3.0
    thickness: float = 0.305
    border_totals: tuple[float, float] | None = None
    total_sd: float = 0.12

    def outline(self, *, steps: int = 5) -> NDArray[np.float64]:
        """The card's edge with its rounded corners.

        Args:
            steps: Points on each corner's arc.

        Returns:
            (4 * steps, 2) points in millimetres, clockwise from the left end of the top edge.
        """
        right, bottom, r = self.width - self.radius, self.height - self.radius, self.radius
        turns = np.linspace(0, np.pi / 2, steps)
        centres = np.array([(r, r), (right, r), (right, bottom), (r, bottom)])
        arcs = [
            centre + r * np.column_stack([np.cos(quarter * np.pi / 2 + turns), np.sin(quarter * np.pi / 2 + turns)])
            for quarter, centre in enumerate(centres, start=2)
        ]
        return np.concatenate(arcs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintFamily:
    """A print design's borders, in millimetres.

    Attributes:
        name: The word for it on the command line.
        title: The words for it in a panel.
        side: "front" or "back".
        specs: The names of the cut sizes it is printed on.
        totals: Left plus right, and top plus bottom border; None where the print runs over the edge.
        total_sd: One standard deviation of each total between cards.
        shares: What the left has of left plus right, and the top of top plus bottom, where the cut is true.
    """

    name: str
    title: str
    side: str = "front"
    specs: tuple[str, ...] = ("standard",)
    totals: tuple[float, float] | None
    total_sd: float = 0.1
    shares: tuple[float, float] = (0.5, 0.5)


_SPECS = (
    CardSpec(),
    CardSpec(name="sports", title="Sports, 63.5 x 88.9 mm", width=63.5, height=88.9, radius=0, thickness=0.4),
    CardSpec(name="japanese-small", title="Japanese small, 59 x 86 mm (Yu-Gi-Oh)", width=59, height=86, radius=1.75),
    CardSpec(name="t206", title="T206, 36.5 x 66.7 mm", width=36.5, height=66.7, radius=0, thickness=0.25),
    CardSpec(name="topps-1952", title="Topps 1952 to 1956, 66.7 x 95.3 mm", width=66.7, height=95.3, radius=0),
    CardSpec(name="tallboy", title="Tallboy, 63.5 x 119.1 mm", width=63.5, height=119.1, radius=0),
)
_LARGE = ("sports", "topps-1952", "tallboy")
_ANY = ("standard", "japanese-small", *_LARGE)

# Totals left to right are measured means. Top to bottom they follow the measured single borders where those are known,
# and repeat left to right elsewhere.
_FAMILIES = (
    PrintFamily(name="vintage-japanese", title="Vintage Japanese front", totals=(4.69, 4.9), shares=(0.46, 0.5)),
    PrintFamily(
        name="modern", title="Modern front", totals=(5.12, 5.12), specs=("standard", "japanese-small", "tallboy")
    ),
    PrintFamily(name="english-front", title="English front", totals=(6.32, 7.35), shares=(0.45, 0.48)),
    PrintFamily(name="sports-front", title="Sports front, wide border", specs=_LARGE, totals=(6.35, 6.6)),
    PrintFamily(name="tobacco-front", title="Tobacco card front", specs=("t206",), totals=(4.0, 5.6), total_sd=0.15),
    PrintFamily(name="thin-front", title="Front with a thin border", specs=_ANY, totals=(3.2, 3.2)),
    PrintFamily(name="full-bleed", title="Front without a border", specs=(*_ANY, "t206"), totals=None),
    PrintFamily(name="english-back", title="English back", side="back", totals=(6.04, 6.04)),
    PrintFamily(
        name="magic-back", title="Magic back", side="back", specs=("standard", "japanese-small"), totals=(5.95, 5.95)
    ),
    PrintFamily(
        name="sports-back", title="Sports back", side="back", specs=(*_LARGE, "t206"), totals=(5.4, 5.4), total_sd=0.15
    ),
)

CARD_SPECS = {each.name: each for each in _SPECS}
PRINT_FAMILIES = {each.name: each for each in _FAMILIES}


def card_spec(name: str) -> CardSpec:
    """The kind of card of this name; underscores and spaces count as hyphens, capitals as small letters.

    Raises:
        ConfigError: If there is none; it names the nearest.

    Example:
        >>> card_spec("Japanese small").width
        59
    """
    known = name.strip().lower().replace("_", "-").replace(" ", "-")
    if known not in CARD_SPECS:
        raise ConfigError(f"there is no kind of card {name!r}", fix=_nearest(known, list(CARD_SPECS)))
    return CARD_SPECS[known]


def print_family(name: str) -> PrintFamily:
    """The print design's family of this name, written as for `card_spec`.

    Raises:
        ConfigError: If there is none; it names the nearest.
    """
    known = name.strip().lower().replace("_", "-").replace(" ", "-")
    if known not in PRINT_FAMILIES:
        raise ConfigError(f"there is no family of print designs {name!r}", fix=_nearest(known, list(PRINT_FAMILIES)))
    return PRINT_FAMILIES[known]


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"write {near[0]}" if near else f"choose one of {', '.join(known)}"
