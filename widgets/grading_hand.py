"""A face on the grading panel's table: as it was measured, the lines that a person set, and what follows from both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rcg.errors import DataError
from rcg.grading.hand_file import HandLine
from rcg.images import Pixels
from rcg.measuring.types import FaceMeasurement
from rcg.types import Point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceOnTable:
    """A face with its picture.

    Attributes:
        name: "front" or "back".
        pixels: (h, w, 3) uint8 RGB.
        key: What tells the picture from others.
        measured: The face without lines set by hand.
        lines: Those that a person set.
        face: The face with them.
    """

    name: str
    pixels: Pixels
    key: str
    measured: FaceMeasurement
    lines: tuple[HandLine, ...] = ()
    face: FaceMeasurement

    @property
    def hand_set(self) -> tuple[str, ...]:
        """The names of the lines that a person set, such as "left inner"."""
        return tuple(each.name for each in self.lines)

    def line(self, side: str, edge: str) -> HandLine | None:
        """The line that a person set there; None where the measured one counts."""
        return next((each for each in self.lines if (each.side, each.edge) == (side, edge)), None)

    def with_lines(self, lines: Sequence[HandLine], *, wear: bool) -> FaceOnTable:
        """The face as measured, with these lines laid over it.

        Args:
            lines: All that a person set.
            wear: Whether corners and edges are read anew along them; it takes a second or two.

        Raises:
            RcgError: If a line cannot be one of this card.
        """
        from rcg.grading import with_hand_lines
        from rcg.measuring.face import with_wear

        face = self.measured
        if lines:
            face = with_hand_lines(self.pixels, face, lines)
            face = with_wear(self.pixels, face) if wear else face
        return replace(self, lines=tuple(lines), face=face)

    def with_line(self, side: str, edge: str, ends: tuple[Point, Point], *, wear: bool) -> FaceOnTable:
        """The face with one line set, in place of what was set there before.

        Args:
            side: One of `SIDES`.
            edge: "outer" or "inner".
            ends: px, its left or upper end first.
            wear: As for `with_lines`.

        Raises:
            DataError: If no card was found, so that there is nothing to lay a line over.
        """
        if self.measured.outline is None:
            what = f"no card was found on the {self.name}, so no line can be set"
            raise DataError(what, fix=self.measured.fix or "retake the photo with all four corners in view")
        made = HandLine(picture=self.key, side=side, edge=edge, ends=ends)
        kept = [each for each in self.lines if (each.side, each.edge) != (side, edge)]
        return self.with_lines([*kept, made], wear=wear)

    def without(self, side: str, edge: str) -> FaceOnTable:
        """The face with the measured line there again."""
        kept = [each for each in self.lines if (each.side, each.edge) != (side, edge)]
        return self.with_lines(kept, wear=True)
