"""A measured surface as three small pictures and a description, as the relighting view takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.images import encode_image
from rcg.photometric.pictures import COLOURS
from rcg.photometric.types import Plane, SurfaceDefect

LONGEST_PX, MOST_PX = 2048, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What the view is given.

    Attributes:
        high: A PNG: the upper bytes of the normals' x and y, and gloss.
        low: A PNG: their lower bytes, and height.
        colour: A JPEG of the print without light.
        about: Sizes, defects and scale, as plain values.
    """

    high: bytes
    low: bytes
    colour: bytes
    about: dict[str, Any]


def pack(
    normals: Plane,
    colour: NDArray[np.uint8],
    *,
    gloss: Plane | None = None,
    height: Plane | None = None,
    defects: Sequence[SurfaceDefect] = (),
    mm_per_px: float | None = None,
    longest: int = LONGEST_PX,
) -> Packed:
    """Pack a surface for the relighting view.

    Args:
        normals: (h, w, 3) unit vectors; x right, y up, z to the camera.
        colour: (h, w, 3) or (h, w) uint8 sRGB, the print without light.
        gloss: (h, w), how much more than a matte surface shines; None for matte.
        height: (h, w), any unit; None for level.
        defects: The finds, in pixels of the normals.
        mm_per_px: The size of a pixel on the card.
        longest: The longer side of what is shown, at most 4096 pixels.

    Raises:
        DataError: If the shapes do not fit.
    """
    shape = normals.shape[:2]
    if normals.ndim != 3 or normals.shape[2] != 3 or colour.shape[:2] != shape:
        raise DataError(f"normals {normals.shape} and picture {colour.shape} do not belong together")
    for name, plane in (("gloss", gloss), ("height", height)):
        if plane is not None and plane.shape != shape:
            raise DataError(f"{name} {plane.shape} does not fit the normals {normals.shape}")
    small = _smaller(np.asarray(normals, np.float32), longest)
    small = small / np.maximum(np.linalg.norm(small, axis=2, keepdims=True), 1e-6)
    levels = np.rint((np.clip(small[..., :2], -1, 1) + 1) * 32767.5).astype(np.uint16)
    shiny = _bytes_of(gloss, small.shape[:2], longest, low=50, high=99.5)
    raised = _bytes_of(height, small.shape[:2], longest, low=0.5, high=99.5)
    picture = colour if colour.ndim == 3 else np.repeat(colour[..., None], 3, axis=2)
    about = {
        "width": shape[1], "height": shape[0], "shown": [small.shape[1], small.shape[0]], "mm_per_px": mm_per_px,
        "defects": [_told(each) for each in defects],
    }  # fmt: skip
    return Packed(
        high=encode_image(np.dstack([(levels >> 8).astype(np.uint8), shiny]), ".png"),
        low=encode_image(np.dstack([(levels & 255).astype(np.uint8), raised]), ".png"),
        colour=encode_image(_smaller(picture, longest), ".jpg", quality=92),
        about=about,
    )


def _smaller(values: NDArray[Any], longest: int) -> NDArray[Any]:
    """The mean over areas, at most `longest` pixels on the longer side; the same where it is small enough."""
    import cv2

    factor = min(longest, MOST_PX) / max(values.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(values)
    size = (max(1, round(values.shape[1] * factor)), max(1, round(values.shape[0] * factor)))
    return np.asarray(cv2.resize(np.ascontiguousarray(values), size, interpolation=cv2.INTER_AREA))


def _bytes_of(
    plane: Plane | None, shape: tuple[int, ...], longest: int, *, low: float, high: float
) -> NDArray[np.uint8]:
    """A plane as 0 to 255 between two of its percentiles."""
    if plane is None:
        return np.full(shape, 128 if low < 1 else 0, np.uint8)
    small = _smaller(np.asarray(plane, np.float32), longest)
    bottom, top = np.percentile(small.ravel()[::5], [low, high])
    return np.asarray(np.clip((small - bottom) / max(top - bottom, 1e-9), 0, 1) * 255 + 0.5, np.uint8)


def _told(defect: SurfaceDefect) -> dict[str, Any]:
    red, green, blue = COLOURS.get(defect.label, (255, 255, 255))
    depth = f"{defect.height_um:+.1f} ± {defect.height_sigma_um:.1f} µm"
    words = f"{defect.length_mm:.1f} x {defect.width_mm:.2f} mm, {depth}, confidence {100 * defect.confidence:.0f} %"
    return {
        "label": defect.label.replace("_", " "), "colour": f"rgb({red}, {green}, {blue})",
        "confidence": round(defect.confidence, 3),
        "words": words + (", unreliable: shines like foil" if defect.unreliable else ""),
        # outlines count from the middle of the first pixel, the view from its corner
        "polygon": [[round(x, 1), round(y, 1)] for x, y in defect.polygon],
    }  # fmt: skip


def code_of_view() -> str:
    """The view's JavaScript: it defines createRelight(root, data, hooks)."""
    return files("rcg.relight").joinpath("relight.js").read_text(encoding="utf-8")


def style_of_view() -> str:
    """The view's style sheet."""
    return files("rcg.relight").joinpath("relight.css").read_text(encoding="utf-8")
