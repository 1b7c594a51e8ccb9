"""The size of a found line or pit: its profile across, its depth with a sigma, its outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rcg.photometric.relief import Slopes, integrate
from rcg.photometric.types import Floats, Mask, Plane
from rcg.types import Point

SHAPE_SD = 0.05
"""How much of a depth hangs on the shape that is assumed for the shoulders and the smoothing."""
_UNBLUR = 1 + 0.25**2
"""A pit of the filter's own shape loses this factor to the smoothing by a quarter of its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a find is.

    Attributes:
        height_um: Its depth (below zero) or height (above zero).
        sigma_um: One standard deviation of that, from the noise of the slopes, and 5 % for a shape that is not known.
        width_px: Across, where the relief passes a quarter of its height.
        outline: Its polygon, in pixels.
    """

    height_um: float
    sigma_um: float
    width_px: float
    outline: tuple[Point, ...]


def smooth_course(points: Floats, *, step_px: float = 1.0, window_px: float = 9.0) -> Floats:
    """A course at equal steps, its pixel stairs smoothed away; its ends stay.

    Args:
        points: (n, 2) columns and rows, in order.
        step_px: Between two points of the answer.
        window_px: Full width of the mean along the course.

    Returns:
        (m, 2), at least 2 points.
    """
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(2, round(along[-1] / step_px) + 1)
    even = np.column_stack([np.interp(np.linspace(0, along[-1], count), along, points[:, axis]) for axis in (0, 1)])
    half = min(int(window_px / step_px) // 2, (count - 1) // 2)
    if half < 1:
        return even
    padded = np.concatenate([2 * even[0] - even[half:0:-1], even, 2 * even[-1] - even[-2 : -half - 2 : -1]])
    kernel = np.ones(2 * half + 1) / (2 * half + 1)
    return np.column_stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)])


def normals_of(course: Floats) -> Floats:
    """(n, 2) unit vectors across a course, in columns and rows."""
    tangent = np.gradient(course, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return np.column_stack([-tangent[:, 1], tangent[:, 0]])


def window_px(sigma_px: float) -> float:
    """How wide a profile across a line is looked at."""
    return max(16.0, 12 * sigma_px)


def line_size(relief: Slopes, course: Floats, *, sigma_px: float, slope_sd: float, mm_per_px: float, pit: bool) -> Size:
    """Measure a line: the slope across it, averaged along it, adds up to its profile.

    Args:
        relief: Slopes (p to the right, q upwards).
        course: (n, 2) from `smooth_course`, one pixel a step.
        sigma_px: The scale at which it was found.
        slope_sd: The slopes' standard deviation there.
        mm_per_px: The size of a pixel on the card.
        pit: Whether a valley was found, not a ridge.
    """
    reach = window_px(sigma_px) / 2
    at = np.arange(-reach, reach + 0.25, 0.5)
    profile = _heights(_across(relief, course, at), at, mm_per_px)
    sign = -1.0 if pit else 1.0
    middle = np.abs(at) <= 1.5 * sigma_px + 1.5
    peak = int(np.flatnonzero(middle)[np.argmax(sign * profile[middle])])
    height = float(profile[peak])
    width = _width(sign * profile, peak) * 0.5
    # a sum of half-pixel steps over the way from the shoulder; along the line the means of neighbours share noise
    steps = reach * 0.8
    independent = max(1.0, len(course) / 1.5)
    sigma = slope_sd * mm_per_px * 1000 * np.sqrt(steps / independent / 2)
    return Size(
        height_um=height if sign * height > 0 else sign * 1e-3,
        sigma_um=float(np.hypot(sigma, SHAPE_SD * height)),
        width_px=max(width, 1.0),
        outline=band_outline(course, max(width, 2.0) / 2 + 1.0),
    )


def usual_height(relief: Slopes, course: Floats, *, sigma_px: float, mm_per_px: float) -> float:
    """What the same measurement gives beside the line: the noise of a height where lacquer waves and foil shimmers.

    The course is moved sideways to both sides, and the profile is read anew at each place.

    Args:
        relief: Slopes (p to the right, q upwards).
        course: (n, 2) from `smooth_course`, one pixel a step.
        sigma_px: The scale at which the line was found.
        mm_per_px: The size of a pixel on the card.

    Returns:
        Micrometres: the upper quartile of the sizes beside the line, which other lines close by hardly move.
    """
    window = window_px(sigma_px)
    half = round(window)  # half pixels from the middle to the shoulder
    at: Floats = np.arange(-9.0 * half, 9.0 * half + 1) * 0.5
    slope = _across(relief, course[:: max(1, len(course) // 200)], at)
    narrow: Floats = np.arange(-1.0 * half, half + 1.0) * 0.5
    middle = np.abs(narrow) <= 1.5 * sigma_px + 1.5
    sizes = []
    for place in (*range(-8 * half, -half, half // 2), *range(half + half // 2, 8 * half + 1, half // 2)):
        first = place + 9 * half - half
        profile = _heights(slope[first : first + 2 * half + 1], narrow, mm_per_px)[middle]
        sizes.append(max(abs(float(profile.max())), abs(float(profile.min()))))
    return float(np.quantile(sizes, 0.75))


def line_contrast(logs: Plane, course: Floats, *, mm_per_px: float, part_mm: float = 1.0) -> Floats:
    """How much a line's albedo differs from what lies 0.1 mm to its sides, for each millimetre of it.

    Args:
        logs: (h, w) the albedo's logarithm.
        course: (n, 2) from `smooth_course`, one pixel a step.
        mm_per_px: The size of a pixel on the card.
        part_mm: Length of a part.

    Returns:
        (n parts,) mean logarithm at the line less that beside it.
    """
    import cv2

    side = 0.1 / mm_per_px
    at = np.array([-1.5, -1, 0, 0, 1, 1.5]) * side + np.array([0, 0, -0.5, 0.5, 0, 0])
    across = normals_of(course)
    columns = (course[:, :1] + across[:, :1] * at).astype(np.float32)
    rows = (course[:, 1:] + across[:, 1:] * at).astype(np.float32)
    values = cv2.remap(logs, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    differs = values[:, 2:4].mean(axis=1) - values[:, [0, 1, 4, 5]].mean(axis=1)
    step = max(1, round(part_mm / mm_per_px))
    count = len(differs) // step
    return np.asarray(np.median(differs[: count * step].reshape(count, step), axis=1), np.float64)


def print_along(logs: Plane, course: Floats, *, reach_px: float, mm_per_px: float, part_mm: float = 5.0) -> float:
    """How strong a print edge keeps beside a line for most of its way; dots and letters average out.

    Args:
        logs: (h, w) the albedo's logarithm.
        course: (n, 2) from `smooth_course`, one pixel a step.
        reach_px: How far to its sides a print edge is looked for.
        mm_per_px: The size of a pixel on the card.
        part_mm: The profile is the mean of so much of the line.

    Returns:
        Median over the parts of the largest less the least mean logarithm across.
    """
    import cv2

    at = np.linspace(-reach_px, reach_px, 41)
    across = normals_of(course)[::4]
    columns = (course[::4, :1] + across[:, :1] * at).astype(np.float32)
    rows = (course[::4, 1:] + across[:, 1:] * at).astype(np.float32)
    values = cv2.remap(logs, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    count = max(1, round(len(course) * mm_per_px / part_mm))
    spans = [float(np.ptp(part.mean(axis=0))) for part in np.array_split(values, count)]
    return float(np.median(spans))


def _across(relief: Slopes, course: Floats, at: Floats) -> Floats:
    """The slope across a course, averaged along it, at distances `at` in pixels to its side."""
    import cv2

    across = normals_of(course)
    columns = (course[:, :1] + across[:, :1] * at).astype(np.float32)
    rows = (course[:, 1:] + across[:, 1:] * at).astype(np.float32)
    p, q = (cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in relief)
    slope = p * across[:, :1] - q * across[:, 1:]  # rows go down, q up
    return np.asarray(slope.mean(axis=0, dtype=np.float64))


def _heights(slope: Floats, at: Floats, mm_per_px: float) -> Floats:
    """Micrometres over the straight line between the two shoulders."""
    step = (at[1] - at[0]) * mm_per_px * 1000
    height = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2) * step])
    shoulders = np.abs(at) >= 0.7 * at[-1]
    return np.asarray(height - np.polyval(np.polyfit(at[shoulders], height[shoulders], 1), at))


def _width(profile: Floats, peak: int) -> int:
    """How many steps around the peak stay above a quarter of it."""
    above = profile >= 0.25 * profile[peak]
    left, right = peak, peak
    while left > 0 and above[left - 1]:
        left -= 1
    while right < len(above) - 1 and above[right + 1]:
        right += 1
    return right - left + 1


def band_outline(course: Floats, half_px: float) -> tuple[Point, ...]:
    """The polygon of all that lies within `half_px` of a course, from a few of its points."""
    keep = _simplified(course)
    across = normals_of(course)[keep] * half_px
    line = course[keep].copy()
    ends = np.array([course[0] - course[1], course[-1] - course[-2]])
    ends *= half_px / np.maximum(np.linalg.norm(ends, axis=1, keepdims=True), 1e-9)
    line[0] += ends[0]
    line[-1] += ends[1]
    ring = np.concatenate([line + across, (line - across)[::-1]])
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in ring)


def _simplified(course: Floats) -> list[int]:
    """Indices of points whose polygon stays within half a pixel of the course (Douglas and Peucker)."""
    keep, open_parts = {0, len(course) - 1}, [(0, len(course) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        chord = course[last] - course[first]
        off = course[first + 1 : last] - course[first]
        length = max(float(np.hypot(*chord)), 1e-9)
        away = np.abs(off[:, 0] * chord[1] - off[:, 1] * chord[0]) / length
        worst = int(np.argmax(away))
        if away[worst] > 0.5:
            keep.add(first + 1 + worst)
            open_parts += [(first, first + 1 + worst), (first + 1 + worst, last)]
    return sorted(keep)


def pit_size(
    relief: Slopes, *, x: float, y: float, sigma_px: float, slope_sd: float, mm_per_px: float, pit: bool
) -> tuple[Size, float]:
    """Measure a round place: the height over a patch around it, against the plane through the patch's rim.

    Args:
        relief: Slopes (p to the right, q upwards).
        x: Its middle's column, in pixels.
        y: Its middle's row.
        sigma_px: The scale at which it was found.
        slope_sd: The slopes' standard deviation there.
        mm_per_px: The size of a pixel on the card.
        pit: Whether it is a pit, not a bump.

    Returns:
        Its size, and its longest extent in pixels.
    """
    import cv2

    reach = max(8, round(4.5 * sigma_px))
    rows = slice(max(0, round(y) - reach), round(y) + reach + 1)
    columns = slice(max(0, round(x) - reach), round(x) + reach + 1)
    patch = (np.ascontiguousarray(relief[0][rows, columns]), np.ascontiguousarray(relief[1][rows, columns]))
    rough = integrate(patch, mm_per_px=mm_per_px) * np.float32(1000)
    height = np.asarray(cv2.GaussianBlur(rough, (0, 0), max(0.8, 0.25 * sigma_px)), np.float64)
    height *= _UNBLUR
    down, right = np.mgrid[: height.shape[0], : height.shape[1]]
    far = np.hypot(right - (x - columns.start), down - (y - rows.start))
    height -= _plane_through(height, (far >= 2.8 * sigma_px) & (far <= 4.5 * sigma_px), right, down)
    sign = -1.0 if pit else 1.0
    middle = far <= max(1.5, 1.2 * sigma_px)
    top = float((sign * height)[middle].max())
    at = np.unravel_index(int(np.argmax(np.where(middle, sign * height, -np.inf))), height.shape)
    ring, length, width = _contour(sign * height >= 0.25 * top, (int(at[0]), int(at[1])), sigma_px)
    outline = tuple((round(float(px) + columns.start, 2), round(float(py) + rows.start, 2)) for px, py in ring)
    # integrated white slope noise has a variance that grows with the logarithm of the patch (in px^2, over pi)
    noise = slope_sd * mm_per_px * 1000 * np.sqrt(np.log(max(2.0, 3.5 / 0.25)) / np.pi)
    return Size(
        height_um=sign * max(top, 1e-3),
        sigma_um=float(np.hypot(noise, SHAPE_SD * top)),
        width_px=width,
        outline=outline,
    ), length


def _plane_through(height: Floats, rim: Mask, right: Floats, down: Floats) -> Floats:
    if rim.sum() < 12:
        return np.full(height.shape, np.median(height))
    design = np.column_stack([np.ones(int(rim.sum())), right[rim], down[rim]])
    a, b, c = np.linalg.lstsq(design, height[rim], rcond=None)[0]
    return np.asarray(a + b * right + c * down)


def _contour(shape: Mask, at: tuple[int, int], sigma_px: float) -> tuple[Floats, float, float]:
    """The outline of the part of `shape` that holds `at`; its length and width, in pixels."""
    import cv2

    _, parts = cv2.connectedComponents(shape.astype(np.uint8))
    part = (parts == parts[at]) if parts[at] else np.zeros(shape.shape, np.bool_)
    part[at] = True
    rings, _ = cv2.findContours(part.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ring = max(rings, key=len)[:, 0, :].astype(np.float64)
    if len(ring) < 8:
        turn = 2 * np.pi * np.arange(12) / 12
        ring = np.array(at[::-1]) + max(1.5, sigma_px) * np.column_stack([np.cos(turn), np.sin(turn)])
    (_, _), (one, two), _ = cv2.minAreaRect(ring.astype(np.float32))
    every = max(1, len(ring) // 40)
    return ring[::every] + 0.0, max(one, two) + 1, min(one, two) + 1
