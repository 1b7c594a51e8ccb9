"""Measuring a card in a picture: where it lies, its 24 points, its corners, edges and surface, each with a sigma.

Every name loads its part when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcg.lazy import lazy

if TYPE_CHECKING:
    from rcg.measuring.centering import measure_centering
    from rcg.measuring.corners import measure_corners
    from rcg.measuring.edges import measure_edges
    from rcg.measuring.face import Finds, measure_face
    from rcg.measuring.hand import set_line
    from rcg.measuring.locating import Found, find_outlines
    from rcg.measuring.rectify import card_points, photo_points, rectified
    from rcg.measuring.surface import measure_surface, surface_from_finds
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
    "centering": ("measure_centering",),
    "corners": ("measure_corners",),
    "edges": ("measure_edges",),
    "face": ("Finds", "measure_face"),
    "hand": ("set_line",),
    "locating": ("Found", "find_outlines"),
    "rectify": ("card_points", "photo_points", "rectified"),
    "surface": ("measure_surface", "surface_from_finds"),
    "types": (
        "CORNERS", "MEASURED", "SIDES", "STATIONS", "UNDETERMINED", "Centering", "CornerWear", "EdgePoint", "EdgeWear",
        "FaceMeasurement", "Mark", "Outline", "SideLine", "Surface", "Value",
    ),
}  # fmt: skip

__all__ = [
    "CORNERS", "MEASURED", "SIDES", "STATIONS", "UNDETERMINED", "Centering", "CornerWear", "EdgePoint", "EdgeWear",
    "FaceMeasurement", "Finds", "Found", "Mark", "Outline", "SideLine", "Surface", "Value", "card_points",
    "find_outlines", "measure_centering", "measure_corners", "measure_edges", "measure_face", "measure_surface",
    "photo_points", "rectified", "set_line", "surface_from_finds",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME)
