"""What the grading panel's overlay shows of a face: its lines and points as plain values, and parts of the photo."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.geometry import homography
from rcg.images import Pixels, encode_image
from rcg.measuring.types import SIDES, EdgePoint, FaceMeasurement, Mark, Outline, SideLine

OVERVIEW_PX = 1600
"""The longer side of the picture that is sent at once; what is zoomed to follows part by part."""

_STEPS, _GHOST_MM = 25, 3.0
_Floats = NDArray[np.float64]


def side_length(outline: Outline, side: str) -> float:
    """The length of a side of the card, mm."""
    return outline.spec.height if side in ("left", "right") else outline.spec.width


def overlay_values(face: FaceMeasurement, *, key: str, hand: tuple[str, ...] = ()) -> dict[str, Any]:
    """A face for the overlay.

    Args:
        face: What was measured.
        key: Tells this picture from others.
        hand: The lines that a person has set, such as "left inner".
    """
    about: dict[str, Any] = {
        "key": key, "width": face.width, "height": face.height,
        "overview": min(1.0, OVERVIEW_PX / max(face.width, face.height)),
        "words": "" if face.outline is not None else face.reason,
    }  # fmt: skip
    if face.outline is None:
        return about
    width, height = face.outline.spec.width, face.outline.spec.height
    to_px = homography([(0, 0), (width, 0), (width, height), (0, height)], face.outline.quad)
    centering = face.centering
    return about | {
        "size": [width, height],
        "homography": to_px.ravel().tolist(),
        "lines": _lines(face, face.outline, hand),
        "points": [_point(each) for each in (centering.points if centering is not None else ())],
        "marks": [_mark(each) for each in marks_of(face)],
        "sigma": [None, None] if centering is None else [_finite(each) for each in centering.sigma],
    }


def marks_of(face: FaceMeasurement) -> tuple[Mark, ...]:
    """All that is wrong with a face: of its corners, its edges and its surface."""
    worn = [mark for corner in face.corners for mark in corner.marks]
    worn += [mark for edge in face.edges for mark in edge.marks]
    return (*worn, *face.surface.marks)


def mark_words(mark: Mark) -> str:
    """A mark in a few words: what, how large, from where."""
    size = f"{mark.length_mm:.2f} mm" + (f" long, {mark.depth_mm:.2f} mm deep" if mark.depth_mm > 0 else "")
    origin = {"factory": ", from the factory", "unknown": ""}.get(mark.origin, "")
    return f"{mark.label.replace('_', ' ')}, {size}{origin}"


def _mark(mark: Mark) -> dict[str, Any]:
    return {"label": mark.label, "origin": mark.origin, "outline": _listed(mark.outline), "words": mark_words(mark)}


def _lines(face: FaceMeasurement, outline: Outline, hand: tuple[str, ...]) -> list[dict[str, Any]]:
    centering = face.centering
    outer = {each.side: each for each in outline.lines}
    inner = {each.side: each for each in (centering.lines if centering is not None else ())}
    made = []
    for at, side in enumerate(SIDES):
        for edge, lines in (("outer", outer), ("inner", inner)):
            length = side_length(outline, side)
            line = lines.get(side)
            known = line is not None and bool(np.isfinite(line.curve).all())
            facts = _measured(line, length) if line is not None and known else _ghost(edge)
            wide = math.nan if centering is None else float(centering.width_sigma[at])
            made.append(
                {
                    "name": f"{side}_{edge}", "side": side, "edge": edge, "length": length, **facts,
                    "hand": f"{side} {edge}" in hand, "width_sigma": _finite(wide),
                    "px_mm": _finite(face.px_mm) or 1.0,
                }
            )  # fmt: skip
    return made


def _measured(line: SideLine, length: float) -> dict[str, Any]:
    """A line as its chord and how far it bows from that."""
    along: _Floats = np.linspace(0.0, length, _STEPS)
    depth = line.at(along)
    bow = depth - np.linspace(depth[0], depth[-1], _STEPS)
    straight = bool(np.abs(bow).max() < 1e-6)
    return {
        "ends": [float(depth[0]), float(depth[-1])], "bow": [] if straight else _listed(bow, 4),
        "sigma": _finite(line.sigma), "unknown": False,
    }  # fmt: skip


def _ghost(edge: str) -> dict[str, Any]:
    """A line that was not measured, where a person can take it up."""
    depth = 0.0 if edge == "outer" else _GHOST_MM
    return {"ends": [depth, depth], "bow": [], "sigma": None, "unknown": edge == "inner"}


def _point(point: EdgePoint) -> dict[str, Any]:
    return {
        "name": point.name, "side": point.side, "edge": point.edge, "station": point.station,
        "at": _listed(point.at, 3), "mm": _listed(point.mm, 3), "sigma": _finite(point.sigma),
        "profile": np.asarray(point.profile).tolist(), "profile_mm": _listed(point.profile_mm, 3),
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _listed(values: Any, digits: int = 2) -> list[Any]:
    found: list[Any] = np.round(np.asarray(values, np.float64), digits).tolist()
    return found


def overview(pixels: Pixels) -> bytes:
    """The whole picture as JPEG, small enough to be sent at once."""
    return encode_image(_scaled(pixels, OVERVIEW_PX / max(pixels.shape[:2])), ".jpg", quality=88)


def part_of(pixels: Pixels, box: tuple[float, float, float, float], width: int) -> tuple[bytes, list[int]]:
    """A part of the picture as JPEG, never larger than its own pixels.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        box: Left, top, right and bottom, px; what lies outside the picture is cut off.
        width: Pixels across that can be shown.

    Returns:
        The JPEG, and the whole pixels that it shows: left, top, right and bottom.
    """
    rows, columns = pixels.shape[:2]
    left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    right, bottom = min(columns, math.ceil(box[2])), min(rows, math.ceil(box[3]))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    part = _scaled(pixels[top:bottom, left:right], max(1, width) / (right - left))
    return encode_image(part, ".jpg", quality=92), [left, top, right, bottom]


def _scaled(pixels: Pixels, factor: float) -> Pixels:
    import cv2

    if factor >= 1:
        return np.ascontiguousarray(pixels)
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)
