"""The kernel that gives slopes back what a coat added to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})
def flatten(normals: Any, albedo: Any, response: Any, top: int, height: int, share: Any) -> None:  # noqa: PLR0917
    """Divide the slopes of some rows by how strongly a coat answers them.

    Args:
        normals: (n, w, 3), changed in place.
        albedo: (n, w).
        response: (rows, columns) in units of albedo, over the whole picture.
        top: The picture's row that comes first.
        height: Of the picture.
        share: Out, (n or more, w), albedo / (albedo + response).
    """
    rows, width = albedo.shape
    down = (response.shape[0] - 1) / max(height - 1, 1)
    right = np.float32((response.shape[1] - 1) / max(width - 1, 1))
    line = np.empty(response.shape[1], np.float32)
    for y in range(rows):
        at = (top + y) * down
        low = min(int(at), response.shape[0] - 2)
        line[:] = response[low] + (response[low + 1] - response[low]) * np.float32(at - low)
        for x in range(width):
            node = min(int(np.float32(x) * right), response.shape[1] - 2)
            more = line[node] + (line[node + 1] - line[node]) * (np.float32(x) * right - np.float32(node))
            part = albedo[y, x] / max(albedo[y, x] + more, np.float32(1e-12))
            if albedo[y, x] <= 0:
                part = np.float32(1)
            share[y, x] = part
            p, q, up = normals[y, x, 0] * part, normals[y, x, 1] * part, normals[y, x, 2]
            length = np.float32(1) / np.sqrt(p * p + q * q + up * up)
            normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = p * length, q * length, up * length
