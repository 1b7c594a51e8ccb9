"""A card photographed on a table: background, perspective, shadow, light, blur and noise, with the truth in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.geometry import bounds, homography, transform
from rcg.images import Pixels
from rcg.synthetic.card import CardSpec, RenderedCard
from rcg.synthetic.texture import PX_PER_MM, noise
from rcg.types import Annotation, ImageRecord, Point, Polygon

Field = NDArray[np.float32]
_SHIFT = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # from a pixel's index to its centre's coordinate


def render_photo(
    card: RenderedCard | None, rng: np.random.Generator, *, size: tuple[int, int], file_name: str = "photo.jpg"
) -> tuple[Pixels, ImageRecord]:
    """Photograph a card, or an empty table.

    Args:
        card: The card; None for a table without one.
        rng: Where the randomness comes from.
        size: Width and height of the photo in pixels.
        file_name: The name that the record gets.

    Returns:
        (height, width, 3) uint8 RGB, and what is in it: the card's outline with rounded corners first, then its
        defects, each a polygon in pixels with the box around it.
    """
    width, height = size
    scene = _background(rng, width, height)
    annotations: tuple[Annotation, ...] = ()
    if card is not None:
        to_photo = _pose(card.spec, rng, width, height)
        scene = _lay_down(scene, card, to_photo, rng)
        annotations = _truth(card, to_photo)
    pixels = _expose(scene, rng)
    return pixels, ImageRecord(file_name=file_name, width=width, height=height, annotations=annotations)


def _truth(card: RenderedCard, to_photo: NDArray[np.float64]) -> tuple[Annotation, ...]:
    outlines = [("card", card.spec.outline()), *((each.label, np.array(each.outline)) for each in card.defects)]
    return tuple(_annotation(label, transform(to_photo, outline)) for label, outline in outlines)


def _annotation(label: str, ring: NDArray[np.float64]) -> Annotation:
    points: Sequence[Point] = [(float(x), float(y)) for x, y in ring]
    return Annotation(label=label, box=bounds(points), polygons=(Polygon(tuple(points)),))


def _pose(spec: CardSpec, rng: np.random.Generator, width: int, height: int) -> NDArray[np.float64]:
    """The homography from millimetres of the card to pixels of a photo that holds the whole card."""
    corners = np.array([(0, 0), (spec.width, 0), (spec.width, spec.height), (0, spec.height)])
    flat = np.column_stack([corners - corners.mean(axis=0), np.zeros(4)])
    pitch, yaw = np.radians(np.clip(rng.normal(0, 11, 2), -26, 26))
    turn = np.radians(rng.normal(0, 12) + (90 if rng.random() < 0.12 else 0) + (180 if rng.random() < 0.1 else 0))
    spin, tip, swing = cv2.Rodrigues(np.array([0, 0, turn]))[0], _tilt(0, pitch), _tilt(1, yaw)
    away = flat @ (tip @ swing @ spin).T + (0, 0, rng.uniform(220, 420))
    seen = away[:, :2] / away[:, 2:]
    low, extent = seen.min(axis=0), np.ptp(seen, axis=0)
    scale = rng.uniform(0.55, 0.95) * np.min((width, height) / extent)
    room = np.array([width, height]) - scale * extent
    place = room * np.clip(rng.normal(0.5, 0.25, 2), 0.03, 0.97)
    return homography(corners, (seen - low) * scale + place)


def _tilt(axis: int, angle: float) -> NDArray[np.float64]:
    turn = np.zeros(3)
    turn[axis] = angle
    return np.asarray(cv2.Rodrigues(turn)[0])


def _lay_down(scene: Field, card: RenderedCard, to_photo: NDArray[np.float64], rng: np.random.Generator) -> Field:
    height, width = scene.shape[:2]
    matrix = np.linalg.inv(_SHIFT) @ to_photo @ np.diag([1 / PX_PER_MM, 1 / PX_PER_MM, 1]) @ _SHIFT
    soft = cv2.GaussianBlur(card.front, (0, 0), 0.6)  # the warp scales down: fine lines would break up
    front = cv2.warpPerspective(soft, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(card.mask, matrix, (width, height)).astype(np.float32) / 255
    offset = np.array([[1, 0, rng.normal(0, 3)], [0, 1, rng.uniform(0, 4)]])
    shadow = cv2.GaussianBlur(cv2.warpAffine(cover, offset, (width, height)), (0, 0), rng.uniform(1.5, 6))
    scene = _times(scene, 1 - rng.uniform(0.3, 0.65) * shadow)
    gloss = _gloss(rng, width, height)
    shiny = cv2.blendLinear(front.astype(np.float32), np.full_like(scene, 255), 1 - gloss, gloss)
    return np.asarray(cv2.blendLinear(scene, shiny, 1 - cover, cover), np.float32)


def _gloss(rng: np.random.Generator, width: int, height: int) -> Field:
    """A soft band where a window or a lamp is mirrored: the share of white at each pixel."""
    x, y = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
    angle, where, spread = rng.uniform(0, np.pi), rng.uniform(-1, 1), rng.uniform(0.15, 0.5)
    away = ((x * np.cos(angle) + y * np.sin(angle) - where) / spread).astype(np.float32)
    return np.asarray(np.exp(-(away**2)) * np.float32(rng.uniform(0, 0.22)), np.float32)


def _times(scene: Field, *factors: ArrayLike) -> Field:
    """A scene with each channel multiplied by its factor, or all of them by the only one."""
    planes = [np.asarray(each, np.float32) for each in factors]
    return np.asarray(cv2.multiply(scene, cv2.merge(planes if len(planes) == 3 else planes * 3)), np.float32)


def _expose(scene: Field, rng: np.random.Generator) -> Pixels:
    """Uneven light, a tint, exposure, slight blur and sensor noise."""
    height, width = scene.shape[:2]
    light = cv2.resize(rng.uniform(0.75, 1.12, (2, 2)).astype(np.float32), (width, height))
    tint = rng.uniform(0.85, 1.2) * (1 + rng.normal(0, 0.035, 3))
    scene = _times(scene, *(light * each for each in tint))
    grain = rng.standard_normal(scene.shape, dtype=np.float32)
    grain *= np.float32(rng.uniform(1, 5))
    grain += cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.35, 0.95))
    return np.clip(grain, 0, 255, out=grain).astype(np.uint8)


def _background(rng: np.random.Generator, width: int, height: int) -> Field:
    kinds = (_plain, _wood, _cloth, _speckle)
    scene = kinds[rng.choice(4, p=[0.3, 0.28, 0.27, 0.15])](rng, width, height)
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 6))):
            _clutter(scene, rng)
    return scene


def _surface(rng: np.random.Generator) -> Field:
    """A table colour: mostly muted."""
    grey = rng.uniform(25, 205)
    return np.clip(grey + rng.normal(0, 20, 3), 8, 225).astype(np.float32)


def _mix(first: ArrayLike, last: ArrayLike, share: Field) -> Field:
    a, b = np.asarray(first, np.float32), np.asarray(last, np.float32)
    return np.asarray(cv2.merge([low + (high - low) * share for low, high in zip(a, b, strict=True)]), np.float32)


def _plain(rng: np.random.Generator, width: int, height: int) -> Field:
    ramp = np.asarray(cv2.resize(rng.random((2, 2), dtype=np.float32), (width, height)), np.float32)
    first = _surface(rng)
    last = first * rng.uniform(0.7, 1.3) if rng.random() < 0.7 else _surface(rng)
    return _mix(first, np.clip(last, 0, 250), ramp)


def _wood(rng: np.random.Generator, width: int, height: int) -> Field:
    rows = columns = max(width, height)
    light = np.array(((196, 150, 100), (150, 100, 62), (222, 190, 148), (105, 70, 48))[rng.integers(4)], np.float32)
    grain = (
        noise(rng, (rows, columns), (9, 260)) * 9 + np.linspace(0, rng.uniform(12, 30), rows, dtype=np.float32)[:, None]
    )
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * grain)
    share = 0.55 * rings * noise(rng, (rows, columns), (30, 200)) + 0.45 * noise(rng, (rows, columns), (1.6, 70))
    planks = _mix(light, light * 0.62, np.asarray(share, np.float32))
    for seam in np.arange(rng.uniform(0, 160), rows, rng.uniform(110, 240)):
        planks[int(seam) : int(seam) + 2] *= 0.45
    return np.ascontiguousarray((planks if rng.random() < 0.5 else planks.transpose(1, 0, 2))[:height, :width])


def _cloth(rng: np.random.Generator, width: int, height: int) -> Field:
    x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    pitch = rng.uniform(2.4, 6)
    weave = 0.5 + 0.25 * (np.sin(2 * np.pi * (x + 0.4 * y) / pitch) + np.sin(2 * np.pi * (y - 0.4 * x) / pitch))
    folds = noise(rng, (height, width), rng.uniform(60, 200))
    share = 0.3 * weave + 0.4 * folds + 0.3 * noise(rng, (height, width), 1.5)
    base = _surface(rng)
    return _mix(base * 0.62, np.clip(base * 1.2, 0, 250), np.asarray(share, np.float32))


def _speckle(rng: np.random.Generator, width: int, height: int) -> Field:
    share = 0.5 * noise(rng, (height, width), 3) + 0.5 * noise(rng, (height, width), rng.uniform(12, 60))
    base = _surface(rng)
    return _mix(base * 0.55, np.clip(base * 1.3, 0, 235), np.asarray(share, np.float32))


def _clutter(scene: Field, rng: np.random.Generator) -> None:
    """A sheet, a book, a ruler or a coin: things on a table that are no cards."""
    height, width = scene.shape[:2]
    colour = tuple(float(each) for each in _surface(rng))
    edge = tuple(each * 0.6 for each in colour)
    centre = rng.uniform((0, 0), (width, height))
    if rng.random() < 0.25:
        spot, radius = (int(centre[0]), int(centre[1])), int(rng.uniform(14, 38))
        cv2.circle(scene, spot, radius, colour, -1, cv2.LINE_AA)
        cv2.circle(scene, spot, radius, edge, 2, cv2.LINE_AA)
        return
    long = rng.uniform(120, 420)
    short = long * (rng.uniform(0.05, 0.2) if rng.random() < 0.5 else rng.uniform(0.85, 1.0))
    place, extent = (float(centre[0]), float(centre[1])), (float(long), float(short))
    ring = cv2.boxPoints((place, extent, float(rng.uniform(0, 180))))
    cv2.fillPoly(scene, [ring.astype(np.int32)], colour, cv2.LINE_AA)
    cv2.polylines(scene, [ring.astype(np.int32)], isClosed=True, color=edge, thickness=2, lineType=cv2.LINE_AA)
