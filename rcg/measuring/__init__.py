"""Measuring a card in a picture: where it lies, its 24 points, its corners, edges and surface, each with a sigma.

Every name loads its part when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcg.lazy import lazy

if TYPE_CHECKING:
    from rcg.measuring.types import (
        CORNERS,
        MEASURED,
        SIDES,
        STATIONS,
        UNDETERMINED,
        Centering,
        CornerWear,
        EdgePoint,
        EdgeWear,
        FaceMeasurement,
        Mark,
        Outline,
        SideLine,
        Surface,
        Value,
    )

_HOME = {
    "types": (
        "CORNERS", "MEASURED", "SIDES", "STATIONS", "UNDETERMINED", "Centering", "CornerWear", "EdgePoint", "EdgeWear",
        "FaceMeasurement", "Mark", "Outline", "SideLine", "Surface", "Value",
    ),
}  # fmt: skip

__all__ = [
    "CORNERS", "MEASURED", "SIDES", "STATIONS", "UNDETERMINED", "Centering", "CornerWear", "EdgePoint", "EdgeWear",
    "FaceMeasurement", "Mark", "Outline", "SideLine", "Surface", "Value",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME)
