"""The kinds of card: size, corner radius, thickness and how wide their borders are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
