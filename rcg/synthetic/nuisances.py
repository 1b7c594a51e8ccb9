"""What spoils a photo of a card: a sleeve, a slab, a finger, a shadow, a window that is mirrored.

Each is laid out in millimetres of the card and seen through the same projection as the card, so that a sleeve's seam
stays parallel to the card's edge and bends with the lens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.images import Pixels
from rcg.synthetic.camera import Light
from rcg.synthetic.flat import FlatCard, rect_around
from rcg.synthetic.lens import Projection

NUISANCES = ("sleeve", "slab", "finger", "shadow", "window")
SLAB_MM = (8.0, 34.0, 8.0, 9.0)  # plastic beyond the card: left, top, right, bottom

_FINE = 16  # parts of a pixel that outlines are drawn on
_COARSE = 8  # soft shadows and mirrored windows are drawn at an eighth and drawn out
_SKIN = ((0.68, 0.45, 0.36), (0.52, 0.31, 0.22), (0.78, 0.58, 0.48), (0.27, 0.15, 0.1), (0.4, 0.24, 0.16))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """A photo while it is made.

    Attributes:
        light: (h, w, 3) float32 linear light; changed in place.
        card: The card that lies there.
        projection: How it is seen.
        px_per_mm: Pixels a millimetre in the middle of the card.
        over: (h, w) uint8, 255 where something lies over the card.
    """

    light: Light
    card: FlatCard
    projection: Projection
    px_per_mm: float
    over: Pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.light.shape[1], self.light.shape[0]

    def ring(self, mm: ArrayLike) -> NDArray[np.float64]:
        """A ring of millimetres in pixels; its sides are split, so that the lens can bend them."""
        given = np.asarray(mm, np.float64)
        parts = 1 if len(given) > 16 else 12
        steps = (np.arange(parts) / parts)[None, :, None]
        dense = given[:, None] + steps * (np.roll(given, -1, axis=0) - given)[:, None]
        return self.projection.points(dense.reshape(-1, 2))

    def around(self, left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
        """(4, 2) millimetres of a rectangle that reaches so far beyond the card on each side."""
        x, y = self.card.width_mm + right, self.card.height_mm + bottom
        return np.array([(-left, -top), (x, -top), (x, y), (-left, y)])

    def mask(self, ring: NDArray[np.float64], *, line_px: float = 0.0) -> Pixels:
        """(h, w) uint8 of a filled outline, or of its line."""
        drawn = np.zeros(self.light.shape[:2], np.uint8)
        fine = [np.rint((ring - 0.5) * _FINE).astype(np.int32)]
        if line_px:
            cv2.polylines(drawn, fine, True, 255, max(1, round(line_px)), cv2.LINE_AA, 4)
        else:
            cv2.fillPoly(drawn, fine, 255, cv2.LINE_AA, 4)
        return drawn

    def paint(self, mask: Pixels, colour: ArrayLike, share: float) -> None:
        """Mix a colour in where the mask is set."""
        x, y, width, height = cv2.boundingRect(mask)
        part = self.light[y : y + height, x : x + width]
        alpha = mask[y : y + height, x : x + width, None].astype(np.float32) * np.float32(share / 255)
        part += alpha * (np.asarray(colour, np.float32) - part)

    def dim(self, mask: Pixels, share: float) -> None:
        """Take light away where the mask is set."""
        self.paint(mask, (0.0, 0.0, 0.0), share)


def soft(mask: Pixels, sigma: float) -> Pixels:
    """A mask with soft edges; a wide blur is taken from a smaller picture."""
    if sigma < 2 * _COARSE:
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.3, sigma)), np.uint8)
    small = (max(2, mask.shape[1] // _COARSE), max(2, mask.shape[0] // _COARSE))
    shrunk = cv2.resize(mask, small, interpolation=cv2.INTER_LINEAR_EXACT)
    blurred = cv2.GaussianBlur(shrunk, (0, 0), sigma / _COARSE)
    return np.asarray(cv2.resize(blurred, mask.shape[::-1], interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)


def sleeve(scene: Scene, rng: np.random.Generator) -> None:
    """A clear sleeve: a veil over card and table, a bright seam 1 to 4 pixels outside of the card, streaks of light."""
    gaps = rng.uniform(1, 4, 4) / scene.px_per_mm
    gaps[1] = rng.uniform(2, 5) if rng.random() < 0.6 else gaps[1]  # the open end stands over
    ring = scene.ring(scene.around(*gaps))
    body = scene.mask(ring)
    scene.paint(body, (0.75, 0.76, 0.78), float(rng.uniform(0.02, 0.09)))
    wide = max(1.0, 0.12 * scene.px_per_mm)
    seam = soft(scene.mask(ring, line_px=wide), 0.35 * wide)
    scene.dim(soft(scene.mask(ring + wide, line_px=wide), 0.6 * wide), float(rng.uniform(0.1, 0.35)))
    scene.paint(seam, (0.95, 0.96, 1.0), float(rng.uniform(0.35, 0.8)))
    for _ in range(int(rng.integers(1, 4))):
        _streak(scene, rng, body, float(rng.uniform(0.04, 0.2)))


def _streak(scene: Scene, rng: np.random.Generator, body: Pixels, share: float) -> None:
    """A slanted band where plastic mirrors a lamp."""
    width, height = scene.card.width_mm, scene.card.height_mm
    at, lean, wide = rng.uniform(-0.2, 1.1) * width, rng.uniform(-0.5, 0.5) * height, rng.uniform(1.5, 9)
    band = [(at, -9), (at + wide, -9), (at + wide + lean, height + 9), (at + lean, height + 9)]
    drawn = soft(scene.mask(scene.ring(band)), float(rng.uniform(0.1, 0.5)) * scene.px_per_mm)
    scene.paint(np.minimum(drawn, body), (1.0, 1.0, 1.0), share)


def slab_below(scene: Scene, rng: np.random.Generator) -> None:
    """A grader's case under the card: clear body, label, and the well that the card lies in."""
    left, top, right, bottom = SLAB_MM
    ring = scene.ring(_rounded(scene.around(left, top, right, bottom), 3.5))
    body = scene.mask(ring)
    scene.dim(soft(scene.mask(ring + 1.5 * scene.px_per_mm), 1.5 * scene.px_per_mm), 0.45)
    scene.paint(body, (0.72, 0.73, 0.75), float(rng.uniform(0.15, 0.5)))
    well = scene.mask(scene.ring(_rounded(scene.around(2.6, 2.6, 2.6, 2.6), 3.0)))
    if rng.random() < 0.6:
        scene.paint(well, ((0.8, 0.8, 0.8), (0.03, 0.03, 0.035), (0.5, 0.5, 0.52))[int(rng.integers(3))], 0.85)
    _label(scene, rng, -top + 5, -9.0)


def _label(scene: Scene, rng: np.random.Generator, top: float, bottom: float) -> None:
    """The paper label: a frame of colour, lines of print, a bar code, a large numeral's box."""
    width = scene.card.width_mm
    frame = np.array(
        ((0.45, 0.05, 0.06), (0.05, 0.12, 0.4), (0.5, 0.36, 0.08), (0.04, 0.04, 0.05))[int(rng.integers(4))]
    )

    def block(x0: float, y0: float, x1: float, y1: float, colour: ArrayLike) -> None:
        scene.paint(scene.mask(scene.ring([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])), colour, 1.0)

    block(0, top, width, bottom, frame)
    block(1.2, top + 1.2, width - 1.2, bottom - 1.2, (0.82, 0.81, 0.78))
    for line in range(4):
        y, x = top + 3 + 3.6 * line, 3.0
        while x < 0.58 * width:
            long = float(rng.uniform(2, 8))
            block(x, y, min(x + long, 0.6 * width), y + 1.7, (0.05, 0.05, 0.05))
            x += long + 1.3
    block(width - 14, top + 3, width - 4, bottom - 8, frame)
    x = width - 20.0
    while x < width - 4:
        thin = float(rng.uniform(0.2, 0.7))
        block(x, bottom - 6, x + thin, bottom - 2.5, (0.04, 0.04, 0.04))
        x += thin + float(rng.uniform(0.25, 0.7))


def slab_above(scene: Scene, rng: np.random.Generator) -> None:
    """The case over the card: two parallel plastic edges around the well, bright on one side, and its gloss."""
    left, top, right, bottom = SLAB_MM
    outer = _rounded(scene.around(left, top, right, bottom), 3.5)
    wide = max(1.0, 0.16 * scene.px_per_mm)
    first = float(rng.uniform(0.5, 1.4))
    for gap, bright in ((first, 0.55), (first + float(rng.uniform(0.8, 1.6)), 0.4)):
        ring = scene.ring(_rounded(scene.around(gap, gap, gap, gap), 2.0))
        scene.dim(soft(scene.mask(ring + 0.8 * wide, line_px=wide), 0.5 * wide), 0.4)
        scene.paint(
            soft(scene.mask(ring, line_px=wide), 0.4 * wide), (1.0, 1.0, 1.0), bright * float(rng.uniform(0.7, 1.2))
        )
    edge = scene.ring(outer)
    scene.paint(soft(scene.mask(edge, line_px=2 * wide), 0.5 * wide), (0.95, 0.97, 1.0), float(rng.uniform(0.3, 0.6)))
    body = scene.mask(edge)
    scene.paint(body, (0.7, 0.72, 0.75), float(rng.uniform(0.02, 0.06)))
    for _ in range(int(rng.integers(1, 3))):
        _streak(scene, rng, body, float(rng.uniform(0.05, 0.22)))


def _rounded(rect: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """A rectangle with round corners, (24, 2) millimetres."""
    found = []
    for place, (x, y) in enumerate(rect):
        inward = ((1, 1), (-1, 1), (-1, -1), (1, -1))[place]
        for step in range(6):
            turn = math.pi * (1 + place / 2 + step / 10)
            found.append((x + radius * (inward[0] + math.cos(turn)), y + radius * (inward[1] + math.sin(turn))))
    return np.array(found)


_Pose = tuple[NDArray[np.float64], NDArray[np.float64], float, float]  # tip, axis, half the width, length; mm


def finger(scene: Scene, rng: np.random.Generator) -> None:
    """A finger that holds the card at a side: what it covers is hidden."""
    width, height = scene.card.width_mm, scene.card.height_mm
    side = int(rng.integers(4))  # right, bottom, left, top
    along, reach = float(rng.uniform(0.15, 0.85)), float(rng.uniform(5, 15))
    out = np.array(((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[side])
    edge = np.array(((width, along * height), (along * width, height), (0, along * height), (along * width, 0))[side])
    lean = math.radians(float(rng.uniform(-28, 28)))
    turn = np.array([[math.cos(lean), -math.sin(lean)], [math.sin(lean), math.cos(lean)]])
    axis = np.array([turn[0, 0] * out[0] + turn[0, 1] * out[1], turn[1, 0] * out[0] + turn[1, 1] * out[1]])
    half = float(rng.uniform(7, 9.5))
    tip = edge - axis * (reach - half)
    pose = tip, axis, half, _length_in_view(scene, tip, axis)
    ring = scene.ring(_capsule(pose))
    body = scene.mask(ring)
    scene.dim(soft(scene.mask(ring + np.array([0, 1.2 * scene.px_per_mm])), 1.6 * scene.px_per_mm), 0.5)
    np.maximum(scene.over, body, out=scene.over)
    _flesh(scene, rng, pose, body)


def _length_in_view(scene: Scene, tip: NDArray[np.float64], axis: NDArray[np.float64]) -> float:
    """How far the finger goes until it has left the photo: beyond lies the horizon, where the projection turns over."""
    room = 0.12 * np.array(scene.size)
    for long in range(20, 120, 5):
        at = scene.projection.points(tip + axis * long)[0]
        if (at < -room).any() or (at > np.array(scene.size) + room).any():
            break
    return float(long)


def _flesh(scene: Scene, rng: np.random.Generator, pose: _Pose, body: Pixels) -> None:
    """The finger's colour: darker towards its edges, with a nail."""
    tip, axis, half, long = pose
    skin = np.array(_SKIN[int(rng.integers(len(_SKIN)))]) * float(rng.uniform(0.85, 1.1))
    scene.paint(soft(body, 0.08 * scene.px_per_mm), skin * 0.55, 1.0)
    for inset, bright in ((0.94, 0.7), (0.82, 0.85), (0.66, 0.95), (0.45, 1.04)):
        ring = scene.ring(_capsule((tip + axis * (1 - inset) * 0.4 * half, axis, half * inset, long)))
        blur = soft(scene.mask(ring), 0.12 * half * scene.px_per_mm)
        scene.paint(np.minimum(blur, body), skin * bright, 0.6)
    across = np.array([-axis[1], axis[0]])
    turns = [2 * math.pi * step / 28 for step in range(28)]
    centre = tip - axis * 0.15 * half
    nail = [centre + 0.75 * half * math.cos(t) * axis + 0.58 * half * math.sin(t) * across for t in turns]
    drawn = scene.mask(scene.ring(nail))
    scene.paint(soft(drawn, 0.06 * half * scene.px_per_mm), skin * 0.6 + (0.3, 0.22, 0.2), 0.55)
    rim = soft(scene.mask(scene.ring(nail), line_px=max(1, 0.15 * scene.px_per_mm)), 0.12 * scene.px_per_mm)
    scene.dim(rim, 0.3)


def _capsule(pose: _Pose) -> NDArray[np.float64]:
    """A rod with a round end around its tip, which widens a little towards the hand; millimetres."""
    tip, axis, half, long = pose
    across = np.array([-axis[1], axis[0]])
    arc = [math.pi * step / 22 for step in range(23)]
    round_end = [tip + half * (math.cos(t) * across - math.sin(t) * axis) for t in arc]
    far = tip + axis * long
    return np.array([*round_end, far - 1.3 * half * across, far + 1.3 * half * across])


def shadow(scene: Scene, rng: np.random.Generator) -> None:
    """The shadow of a phone or a hand: a band with soft edges across the picture."""
    width, height = scene.size
    turn, wide = float(rng.uniform(0, math.pi)), float(rng.uniform(0.12, 0.5)) * max(width, height)
    along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    middle = rng.uniform(0.15, 0.85, 2) * (width, height)
    far = 2 * max(width, height)
    corners = [middle + a * far * along + b * wide / 2 * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    drawn = np.zeros(scene.light.shape[:2], np.uint8)
    cv2.fillPoly(drawn, [np.rint(corners).astype(np.int32)], 255)
    scene.dim(soft(drawn, float(rng.uniform(0.004, 0.05)) * max(width, height)), float(rng.uniform(0.2, 0.6)))


def window(scene: Scene, rng: np.random.Generator, body: Pixels, shine: float) -> None:
    """A window with its bars, or a lamp, mirrored in what is glossy.

    Args:
        scene: The photo.
        rng: Where the randomness comes from.
        body: (h, w) uint8, where the glossy thing is.
        shine: How strongly it mirrors, 0 to 1.
    """
    card = scene.card
    middle = rng.uniform(-0.05, 1.05, 2) * (card.width_mm, card.height_mm)
    half = rng.uniform(0.12, 0.36, 2) * card.width_mm
    lean = float(rng.uniform(-0.35, 0.35))
    drawn = np.zeros(scene.light.shape[:2], np.uint8)
    panes = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    for i in range(panes[0]):
        for j in range(panes[1]):
            low, high = (np.array([i + 0.06, j + 0.06]) / panes, np.array([i + 0.94, j + 0.94]) / panes)
            corners = np.array([(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]) * 2 - 1
            corners = corners * half
            corners[:, 0] += lean * corners[:, 1]
            drawn = np.maximum(drawn, scene.mask(scene.ring(corners + middle)))
    mirrored = soft(drawn, float(rng.uniform(0.2, 2.2)) * scene.px_per_mm)
    scene.paint(np.minimum(mirrored, body), (1.05, 1.08, 1.12), float(rng.uniform(0.25, 0.75)) * (0.3 + 0.7 * shine))


def drop_shadow(scene: Scene, rng: np.random.Generator) -> None:
    """The shadow that the card's own edge throws on what it lies on: thin, longer where the card lies hollow."""
    ring = scene.ring(scene.card.outline)
    away = rng.uniform(-0.8, 0.8, 2) * scene.px_per_mm
    body = scene.mask(ring + away)
    x, y, width, height = rect_around(ring, scene.size, more=round(6 * scene.px_per_mm) + 8)
    part = np.zeros_like(body)
    blur = float(rng.uniform(0.5, 3.0)) * 0.5 * scene.px_per_mm
    part[y : y + height, x : x + width] = soft(
        np.ascontiguousarray(body[y : y + height, x : x + width]), max(0.6, blur)
    )
    scene.dim(part, float(rng.uniform(0.3, 0.65)))
