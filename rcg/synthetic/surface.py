"""What light meets: one side of a card as a picture of its materials, seen straight on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.images import Pixels

Layer = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """The materials of a flat thing, such as one side of a card.

    Attributes:
        colour: (h, w, 3) uint8 sRGB, the colour under white light without any gloss; 255 reflects everything.
        height_um: (h, w) float32 relief in micrometres, up towards the viewer.
        roughness: (h, w) float32 GGX alpha from 0.02 (mirror) to 1 (matte paper).
        foil: (h, w) float32 share of metal, from 0 (ink on paper) to 1 (bare foil).
        coverage: (h, w) uint8, 255 on the card and 0 beyond its edge.
        mm_per_px: The size of a pixel.
    """

    colour: Pixels
    height_um: Layer
    roughness: Layer
    foil: Layer
    coverage: Pixels
    mm_per_px: float

    def __post_init__(self) -> None:
        shape = self.colour.shape[:2]
        for name in ("height_um", "roughness", "foil", "coverage"):
            if getattr(self, name).shape != shape:
                raise DataError(f"{name} has the shape {getattr(self, name).shape}, the colour {shape}")
