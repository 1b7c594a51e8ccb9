"""Lines that a person has set on a picture, kept in a workspace, so that a card is measured with them from then on.

A line is kept as its two ends in pixels of the picture: these stay right when the way a card is found changes. It is
known by what the picture shows and not by the file's name, so it is found again after the file was moved.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.files import append_jsonl, read_jsonl
from rcg.geometry import homography, transform
from rcg.images import Pixels
from rcg.measuring.types import SIDES, Outline
from rcg.types import Point

Floats = NDArray[np.float64]

EDGES = ("outer", "inner")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandLine:
    """A line as a person has set it.

    Attributes:
        picture: What `picture_key` says of the picture.
        side: One of `SIDES`.
        edge: "outer" or "inner".
        ends: px, its left or upper end first.

    Raises:
        DataError: If the side, the edge or an end cannot be used.
    """

    picture: str
    side: str
    edge: str
    ends: tuple[Point, Point]

    def __post_init__(self) -> None:
        if self.side not in SIDES or self.edge not in EDGES:
            fix = f"a side is one of {', '.join(SIDES)}, an edge outer or inner"
            raise DataError(f"there is no {self.edge} line of the side {self.side}", fix=fix)
        if not np.isfinite(np.array(self.ends, np.float64)).all() or np.shape(self.ends) != (2, 2):
            raise DataError(
                f"the ends of the {self.side} {self.edge} line are no two points", fix="draw the line again"
            )

    @property
    def name(self) -> str:
        """What it is called in a report, such as "left inner"."""
        return f"{self.side} {self.edge}"

    def depths(self, outline: Outline) -> tuple[float, float]:
        """How far in the line lies where it meets both ends of its side, mm from the straight side of `outline`.

        Args:
            outline: The card that the line belongs to.

        Raises:
            DataError: If the line does not run along its side.
        """
        along, depth = _along_and_depth(outline, self.side, np.array(self.ends, np.float64))
        length = outline.spec.height if self.side in ("left", "right") else outline.spec.width
        if abs(along[1] - along[0]) < 0.1 * length:
            what = f"the {self.name} line runs across its side"
            raise DataError(what, fix="draw it from one end of the side to the other")
        slope = (depth[1] - depth[0]) / (along[1] - along[0])
        return float(depth[0] - slope * along[0]), float(depth[0] + slope * (length - along[0]))

    def lies_on(self, outline: Outline) -> bool:
        """Whether its middle is on this card of the picture, or within a twentieth of its width beside it."""
        middle = np.array(self.ends, np.float64).mean(axis=0, keepdims=True)
        width, height = outline.spec.width, outline.spec.height
        x, y = transform(_to_mm(outline), middle)[0]
        return bool(-0.05 * width < x < 1.05 * width and -0.05 * width < y < height + 0.05 * width)


def _to_mm(outline: Outline) -> Floats:
    width, height = outline.spec.width, outline.spec.height
    return homography(outline.quad, [(0, 0), (width, 0), (width, height), (0, height)])


def _along_and_depth(outline: Outline, side: str, points: Floats) -> tuple[Floats, Floats]:
    """Points of the picture as mm along a side and in from it, the sides straight from corner to corner."""
    x, y = transform(_to_mm(outline), points).T
    if side in ("left", "right"):
        return y, x if side == "left" else outline.spec.width - x
    return x, y if side == "top" else outline.spec.height - y


def hand_path(workspace: str | Path) -> Path:
    """Where a workspace keeps its hand-set lines."""
    return Path(workspace) / "grades" / "hand.jsonl"


def picture_key(pixels: Pixels) -> str:
    """What tells a picture from all others: the xxh3 hash of its size and pixels, 32 hexadecimal digits.

    Example:
        >>> len(picture_key(np.zeros((4, 3, 3), np.uint8)))
        32
    """
    digest = xxhash.xxh3_128(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def write_hand(path: str | Path, line: HandLine) -> None:
    """Keep a line; one that was kept before for the same side and edge of the same card is replaced by it.

    Args:
        path: The file, as `hand_path` names it; a line is appended to it.
        line: What was drawn.
    """
    append_jsonl(path, {**_facts(line), "ends": [list(end) for end in line.ends], "time": time.time()})


def remove_hand(path: str | Path, line: HandLine) -> None:
    """Take a line back; the measured one counts again. Nothing is lost: the file says what stood there."""
    append_jsonl(path, {**_facts(line), "ends": None, "near": [list(end) for end in line.ends], "time": time.time()})


def _facts(line: HandLine) -> dict[str, str]:
    return {"picture": line.picture, "side": line.side, "edge": line.edge}


def read_hand(path: str | Path, picture: str, outline: Outline | None = None) -> tuple[HandLine, ...]:
    """The lines in force on a picture, at most one for each side and edge of a card.

    Args:
        path: The file; a missing one holds none.
        picture: The picture's key.
        outline: Only the lines that lie on this card, where the picture shows several.
    """
    found: dict[tuple[str, str], HandLine] = {}
    for record in read_jsonl(path):
        line = _line_of(record, picture)
        if line is None or (outline is not None and not line.lies_on(outline)):
            continue
        found.pop((line.side, line.edge), None)
        if record.get("ends") is not None:
            found[line.side, line.edge] = line
    return tuple(found.values())


def _line_of(record: object, picture: str) -> HandLine | None:
    """A record of the file as a line; None where it is of another picture or damaged."""
    if not isinstance(record, Mapping) or record.get("picture") != picture:
        return None
    try:
        (x0, y0), (x1, y1) = record.get("ends") or record["near"]
        ends = ((float(x0), float(y0)), (float(x1), float(y1)))
        return HandLine(picture=picture, side=record["side"], edge=record["edge"], ends=ends)
    except (KeyError, TypeError, ValueError, DataError):
        return None
