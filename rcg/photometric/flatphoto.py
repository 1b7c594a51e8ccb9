"""The same search on one photo in flat light: what it can and cannot see without the other lights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.photometric.defects import search
from rcg.photometric.noise import print_gradient
from rcg.photometric.relief import pixel_size
from rcg.photometric.search import DEFAULTS, SLOW_MM, DefectSettings, Field, eroded, fast_part, rim
from rcg.photometric.types import Mask, SurfaceDefect
from rcg.progress import Report, silent


def find_in_photo(
    photo: NDArray[np.generic],
    *,
    mm_per_px: float,
    mask: Mask | None = None,
    settings: DefectSettings = DEFAULTS,
    report: Report = silent,
) -> tuple[SurfaceDefect, ...]:
    """Lines and round spots of one photo, by the filters and thresholds of `find_defects`.

    The logarithm of the brightness stands in for the height. Print and relief are one picture here, so print edges
    count as finds, and no depth can be told: heights are 0 with an endless sigma.

    Args:
        photo: (h, w) or (h, w, 3) linear light.
        mm_per_px: The size of a pixel on the card.
        mask: (h, w), true on the card.
        settings: As for `find_defects`.
        report: Where ticks go.

    Returns:
        The finds, the surest first.

    Raises:
        DataError: If the photo has another shape, or is black inside the mask.
    """
    if photo.ndim not in {2, 3}:
        raise DataError(f"the photo has the shape {photo.shape}, not (height, width) or (height, width, 3)")
    size = pixel_size(mm_per_px)
    grey = photo.astype(np.float32) if photo.ndim == 2 else photo.mean(axis=2, dtype=np.float32)
    inside = np.ones(grey.shape, np.bool_) if mask is None else mask
    usual = float(np.median(grey[inside])) if inside.any() else 0.0
    if usual <= 0:
        raise DataError("the photo is black where the card is", fix="look at the exposure and the mask")
    logs = np.log(np.maximum(grey, 0) + np.float32(0.03 * usual))
    near = eroded(inside, 0.4 * settings.edge_zone_mm / size)
    across, up = (fast_part(each * near, near, SLOW_MM / size) for each in print_gradient(logs))
    core = eroded(inside, settings.edge_zone_mm / size)
    field = Field(relief=(across, up), logs=None, core=core, mm_per_px=size, rim_px=rim(inside), in_micrometres=False)
    found = search(field, settings=settings, report=report)
    return tuple(replace(each, height_um=0.0, height_sigma_um=float("inf")) for each in found)


__all__ = ["find_in_photo"]
