"""Light directions from a mirror ball: where each lamp shines back from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError
from rcg.photometric.field import grey_frames
from rcg.photometric.types import Capture, Floats, LightRig, Mask
from rcg.progress import Report, silent, tracked

Circle = tuple[float, float, float]
_MASK_FIX = "put a mask.png with the ball in white into the folder, or give circle=(x, y, radius) in pixels"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BallCalibration:
    """What a mirror ball tells of the lights.

    Attributes:
        rig: The directions of the lights, as seen from the ball.
        errors_deg: (k,) one standard deviation of each direction, in degrees.
        circle: The ball's middle (x, y) and its radius, in pixels.
        highlights: (k, 2) x and y of each lamp's reflection, in pixels.
        notes: What the user should know, one sentence each.
    """

    rig: LightRig
    errors_deg: Floats
    circle: Circle
    highlights: Floats
    notes: tuple[str, ...] = ()


def calibrate_ball(
    capture: Capture,
    *,
    circle: Circle | None = None,
    camera_mm: float | None = None,
    report: Report = silent,
) -> BallCalibration:
    """Find each light's direction from its reflection in a mirror ball.

    Args:
        capture: One frame of the ball for each light; the mask, where there is one, is the ball.
        circle: The ball's middle and radius in pixels; None finds it from the mask, or else in the frames.
        camera_mm: From the camera to the ball's middle; None for a camera far away (orthographic). With it, the size of
            a pixel must be known.
        report: Where progress goes.

    Returns:
        Directions l = 2 (n . v) n - v, with n the ball's normal under the reflection and v the direction to the camera,
        and how far each may be off.

    Raises:
        CalibrationError: If no ball, or no reflection in a frame, is found.
    """
    found, circle_sd = _find_circle(capture, circle)
    grey = grey_frames(capture)
    resting = np.median(grey, axis=0)  # reflections of the room stand still, those of the lamps do not
    inside = _disc(capture, found, 0.98)
    places, sizes, notes = np.empty((capture.lights, 2)), np.empty(capture.lights), []
    for light, frame in enumerate(tracked(list(grey), task="finding reflections", report=report)):
        places[light], sizes[light], rivals = _highlight(frame - resting, inside, capture, light)
        if rivals:
            notes.append(
                f"frame {_name(capture, light)} shows {rivals} more reflections nearly as bright as the lamp's"
            )
    directions = mirrored(places, found, capture=capture, camera_mm=camera_mm)
    errors = _errors(places, sizes, found, circle_sd)
    low = np.flatnonzero(directions[:, 2] <= 0.02)
    if low.size:
        what = f"light {low[0] + 1} ({_name(capture, int(low[0]))}) would shine from behind the card"
        raise CalibrationError(what, fix="is the ball's circle right? " + _MASK_FIX)
    notes.append(f"directions are good to {errors.mean():.1f} degrees, as seen from the ball; brightness is not known")
    rig = LightRig(directions=directions)
    return BallCalibration(rig=rig, errors_deg=errors, circle=found, highlights=places, notes=tuple(notes))


def mirrored(places: Floats, circle: Circle, *, capture: Capture, camera_mm: float | None = None) -> Floats:
    """Where light comes from that a mirror ball sends to the camera.

    Args:
        places: (k, 2) x and y of reflections, in pixels.
        circle: The ball's middle and radius as they appear, in pixels.
        capture: For its size and the size of a pixel.
        camera_mm: From the camera to the ball's middle; None for a camera far away.

    Returns:
        (k, 3) unit vectors.

    Raises:
        CalibrationError: If `camera_mm` is given and the size of a pixel is not known.
    """
    x, y, radius = circle
    if camera_mm is None:
        flat = (places - (x, y)) * (1, -1) / radius
        normal = np.column_stack([flat, np.sqrt(np.clip(1 - (flat**2).sum(axis=1), 0, 1))])
        view = np.broadcast_to([0.0, 0.0, 1.0], normal.shape)
    else:
        if capture.mm_per_px is None:
            raise CalibrationError(
                "the size of a pixel is not known", fix="give mm_per_px beside the camera's distance"
            )
        half = ((capture.width - 1) / 2, (capture.height - 1) / 2)
        points = np.column_stack([(places - half) * (1, -1) * capture.mm_per_px, np.zeros(len(places))])
        middle = np.array([(x - half[0]) * capture.mm_per_px, (half[1] - y) * capture.mm_per_px, 0.0])
        seen = radius * capture.mm_per_px
        true = seen / np.sqrt(1 + (seen / camera_mm) ** 2)  # the outline of a near ball is not its equator
        camera = np.array([0.0, 0.0, camera_mm])
        ray = points - camera
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        along = ray @ (middle - camera)
        room = along**2 - ((middle - camera) ** 2).sum() + true**2
        hit = camera + ray * (along - np.sqrt(np.clip(room, 0, None)))[:, None]
        normal, view = (hit - middle) / true, -ray
    light = 2 * (normal * view).sum(axis=1, keepdims=True) * normal - view
    return np.asarray(light / np.linalg.norm(light, axis=1, keepdims=True))


def _name(capture: Capture, light: int) -> str:
    return capture.names[light] if capture.names else str(light + 1)


def _disc(capture: Capture, circle: Circle, share: float) -> Mask:
    rows, columns = np.ogrid[: capture.height, : capture.width]
    inside: Mask = (columns - circle[0]) ** 2 + (rows - circle[1]) ** 2 <= (share * circle[2]) ** 2
    return inside


def _find_circle(capture: Capture, given: Circle | None) -> tuple[Circle, float]:
    """The ball's circle and one standard deviation of its place and radius, in pixels."""
    if given is not None:
        return given, 0.5
    import cv2

    if capture.mask is not None:
        outlines, _ = cv2.findContours(capture.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        points = max(outlines, key=len)[:, 0].astype(np.float64)
        circle, off = _fit_circle(points)
        # a mask's outline runs over the middles of its outermost pixels, half a pixel inside the edge
        circle = (circle[0], circle[1], circle[2] + 0.5)
        if off > 0.03 * circle[2]:
            raise CalibrationError("the mask is not round", fix=_MASK_FIX)
        return circle, max(off, 0.25)  # a mask drawn by hand is off as a whole, which more points do not mend
    mean = grey_frames(capture).mean(axis=0)
    best = _vote_circle(*_edges(mean), min(capture.height, capture.width))
    if best is None:
        raise CalibrationError("no ball was found in the frames", fix=_MASK_FIX)
    return best, 1.0


def _fit_circle(points: Floats) -> tuple[Circle, float]:
    """The circle through points (Kasa, IEEE Trans. IM 1976, with Cauchy weights), and their median distance from it."""
    weight = np.ones(len(points))
    x = y = radius = 0.0
    off = np.zeros(len(points))
    for _ in range(10):
        rows = np.column_stack([2 * points, np.ones(len(points))]) * weight[:, None]
        a, b, c = np.linalg.lstsq(rows, (points**2).sum(axis=1) * weight, rcond=None)[0]
        x, y, radius = float(a), float(b), float(np.sqrt(max(c + a**2 + b**2, 1e-12)))
        off = np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius)
        weight = 1 / np.sqrt(1 + (off / max(2.385 * 1.4826 * float(np.median(off)), 0.2)) ** 2)
    return (x, y, radius), float(np.median(off))


def _edges(picture: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Edge points (n, 2) x and y, and (n, 2) unit vectors across the edge, from the logarithm of a picture."""
    import cv2

    logs = np.log(np.maximum(picture, picture.max() * 1e-3))
    even = cv2.GaussianBlur(logs, (0, 0), 1.5)
    even = (even - even.min()) * np.float32(255 / max(float(even.max() - even.min()), 1e-9))
    rows, columns = np.nonzero(cv2.Canny(even.astype(np.uint8), 20, 50))
    across = np.column_stack([cv2.Sobel(even, cv2.CV_32F, *order)[rows, columns] for order in ((1, 0), (0, 1))])
    length = np.linalg.norm(across, axis=1, keepdims=True)
    return np.column_stack([columns, rows]).astype(np.float64), np.asarray(
        across / np.maximum(length, 1e-9), np.float64
    )


def _vote_circle(points: Floats, across: Floats, side: int) -> Circle | None:
    """The circle that edges run along for more than half of its length (random pairs of edges, seeded)."""
    if len(points) < 50:
        return None
    rng = np.random.default_rng(0)
    best: tuple[float, Circle] = (0.0, (0.0, 0.0, 0.0))
    for one, two in rng.integers(0, len(points), (2500, 2)):
        lines = np.column_stack([across[one], -across[two]])
        if abs(np.linalg.det(lines)) < 0.2:
            continue
        middle = points[one] + across[one] * np.linalg.solve(lines, points[two] - points[one])[0]
        radius, other = np.linalg.norm(points[one] - middle), np.linalg.norm(points[two] - middle)
        if abs(radius - other) > 0.05 * radius or not 0.08 * side <= radius <= 0.6 * side:
            continue
        circle = (float(middle[0]), float(middle[1]), float(radius + other) / 2)
        share = _cover(points, across, circle, 0.03 * circle[2])
        best = max(best, (share, circle))
    circle = best[1]
    for reach in (0.03, 0.015, 0.01):
        near = _along(points, across, circle, max(reach * circle[2], 1.5))
        if near.sum() < 20:
            return None
        circle = _fit_circle(points[near])[0]
    return circle if _cover(points, across, circle, 1.5) > 0.5 else None


def _along(points: Floats, across: Floats, circle: Circle, reach: float) -> Mask:
    """Which edge points lie on a circle, within `reach` pixels, and run along it, within 15 degrees."""
    away = points - circle[:2]
    distance = np.hypot(away[:, 0], away[:, 1])
    radial = np.abs((away * across).sum(axis=1)) > 0.966 * distance
    return np.asarray(radial & (np.abs(distance - circle[2]) < reach))


def _cover(points: Floats, across: Floats, circle: Circle, reach: float) -> float:
    """The share of a circle's 72 parts of five degrees along which an edge runs."""
    away = points[_along(points, across, circle, reach)] - circle[:2]
    parts = ((np.arctan2(away[:, 1], away[:, 0]) + np.pi) * (72 / (2 * np.pi))).astype(int) % 72
    return float(len(np.unique(parts)) / 72)


def _highlight(frame: NDArray[np.float32], inside: Mask, capture: Capture, light: int) -> tuple[Floats, float, int]:
    """Middle (x, y) and diameter of the brightest spot, and how many others are nearly as bright."""
    import cv2

    shown = np.where(inside, frame, 0)
    top = float(shown.max())
    if top < 0.04 * capture.full_scale or top < 4 * float(shown[inside].std()):
        what = f"no reflection of a lamp was found in frame {_name(capture, light)}"
        raise CalibrationError(what, fix="is the lamp on, and the ball a mirror? " + _MASK_FIX)
    count, labels = cv2.connectedComponents((shown > 0.5 * top).astype(np.uint8))
    sums = np.bincount(labels.ravel(), weights=shown.ravel(), minlength=count)[1:]
    chosen = labels == 1 + int(sums.argmax())
    rows, columns = np.nonzero(chosen)
    weight = shown[chosen]
    place = np.array([np.average(columns, weights=weight), np.average(rows, weights=weight)])
    return place, float(2 * np.sqrt(len(rows) / np.pi)), int((sums > 0.4 * sums.max()).sum() - 1)


def _errors(places: Floats, sizes: Floats, circle: Circle, circle_sd: float) -> Floats:
    """One standard deviation of each direction: a normal's error counts twice in what it mirrors."""
    x, y, radius = circle
    share = np.clip(np.hypot(places[:, 0] - x, places[:, 1] - y) / radius, 0, 0.999)
    spot = np.maximum(0.1 * sizes, 0.2)  # the middle of a saturated spot is known to about a tenth of its width
    sd = np.sqrt(spot**2 + circle_sd**2 + (share * circle_sd) ** 2)
    return np.asarray(np.rad2deg(2 * sd / (radius * np.sqrt(1 - share**2))))
