"""Smooth random fields, the raw material of art, wear and table tops."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

PX_PER_MM = 8  # finer than any photo rendered here, so that the warp only ever scales down


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float]) -> NDArray[np.float32]:
    """A smooth random field.

    Args:
        rng: Where the randomness comes from.
        shape: Rows and columns.
        cell: The size of its patches in pixels; one number, or down and across.

    Returns:
        `shape` float32 values from 0 to 1.
    """
    down, across = cell if isinstance(cell, tuple) else (cell, cell)
    coarse = rng.random((max(2, round(shape[0] / down)), max(2, round(shape[1] / across))), dtype=np.float32)
    return np.asarray(np.clip(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1))
