"""What spoils a border, recognised and named: gradients, foil, glare, shadow bands."""

from __future__ import annotations

from rcg.measuring.borders import Side


def border_notes(sides: list[Side]) -> tuple[str, ...]:
    """What is worth telling about the borders."""
    return ()
