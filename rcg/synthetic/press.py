"""Drawing in millimetres of the print, on pixels of the card: shapes, gradients, text and layers cut to a frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.images import Pixels
from rcg.synthetic.design import Colour
from rcg.synthetic.grid import Grid, Lattice, Plane, fill
from rcg.types import Point

Floats = NDArray[np.float64]
ToCard = Callable[[ArrayLike], Floats]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 22  # pixels high is a capital of the font at scale 1


class Press:
    """A picture that is drawn on in millimetres of the print.

    Args:
        grid: The pixels.
        to_card: From (n, 2) millimetres of the print to millimetres of the card: shift, turn and trapezoid.
        paper: The colour to begin with.
    """

    def __init__(self, grid: Grid, to_card: ToCard, paper: Colour = (255, 255, 255)) -> None:
        self.grid, self.to_card = grid, to_card
        self.pixels: Pixels = np.empty((*grid.shape, 3), np.uint8)
        self.pixels[:] = np.array(paper, np.uint8)

    def polygon(self, points: ArrayLike, colour: Colour) -> None:
        """A filled ring of (n, 2) millimetres, its edge smoothed."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], colour, cv2.LINE_AA, 4)

    def line(self, points: ArrayLike, colour: Colour, width: float, *, closed: bool = False) -> None:
        """A line of that width in millimetres, at least a pixel."""
        thick = max(1, round(width / self.grid.px_mm))
        cv2.polylines(self.pixels, [self._fixed(points)], closed, colour, thick, cv2.LINE_AA, 4)

    def disc(self, middle: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        at = self._fixed([middle])[0]
        cv2.circle(self.pixels, at.tolist(), round(radius / self.grid.px_mm * 16), colour, -1, cv2.LINE_AA, 4)

    def text(self, words: str, left_base: Point, height: float, colour: Colour, *, bold: bool = False) -> None:
        """A line of text; `height` is that of a capital in millimetres.

        It is drawn four times as fine and averaged, so that its place and its weight follow the millimetres.
        """
        low = self.to_card([left_base])[0]
        size = height * 4 / self.grid.px_mm / _CAPITAL
        thick = max(1, round(size * (2.6 if bold else 1.5)))
        width = text_width(words, height, bold=bold)
        box = np.array([(-0.5, -1.4 * height), (width + 0.5, 0.6 * height)])
        window = self.grid.window(low + box)
        part = self.grid.part(window)
        if 0 in part.shape or not words:
            return
        corner = np.array([float(part.x[0]), float(part.y[0])]) - self.grid.px_mm / 2
        at = np.rint((low - corner) * (4 / self.grid.px_mm)).astype(int).tolist()
        fine = np.zeros((4 * part.shape[0], 4 * part.shape[1]), np.uint8)
        cv2.putText(fine, words, at, _FONT, size, 255, thick, cv2.LINE_8)
        share = cv2.resize(fine, part.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.uint16)[..., None]
        under = self.pixels[window]
        mixed = under * (255 - share) + share * np.array(colour, np.uint16)
        under[:] = (mixed + np.uint16(127)) // np.uint16(255)

    def gradient(self, first: Colour, last: Colour) -> None:
        """Fill all of it from top to bottom."""
        rows = len(self.pixels)
        share = (np.arange(rows, dtype=np.float64) / max(rows - 1, 1))[:, None]
        column = np.array(first) * (1 - share) + np.array(last) * share
        self.pixels[:] = np.rint(column).astype(np.uint8)[:, None]

    def shade(self, field: Lattice, low: float, high: float) -> None:
        """Darken and lighten by a random field."""
        factor = field.at(self.grid)
        factor *= np.float32((high - low) * 128)  # 255 times 2 still fits 16 bits
        factor += np.float32(low * 128)
        wide = self.pixels.astype(np.uint16)
        wide *= factor.astype(np.uint16)[..., None]
        wide >>= 7
        np.minimum(wide, 255, out=wide)
        self.pixels[:] = wide

    def layer(self, ring: ArrayLike) -> Press:
        """An empty picture over the box around a ring of the print's millimetres."""
        return Press(self.grid.part(self.grid.window(self.to_card(ring), 2 * self.grid.px_mm)), self.to_card)

    def paste(self, layer: Press, ring: ArrayLike) -> None:
        """Put a layer down within the ring that it was made for."""
        box = self.grid.window(self.to_card(ring), 2 * self.grid.px_mm)
        under = self.pixels[box]
        within = self.share(ring)[box]
        cv2.copyTo(layer.pixels, (within >= 1).astype(np.uint8), under)
        rows, columns = np.nonzero((within > 0) & (within < 1))
        part = within[rows, columns][:, None]
        low = under[rows, columns].astype(np.float32)
        under[rows, columns] = (low + part * (layer.pixels[rows, columns] - low) + np.float32(0.5)).astype(np.uint8)

    def share(self, ring: ArrayLike) -> Plane:
        """(h, w) float32: the share of each pixel within a ring of the print's millimetres.

        Four points are taken as a convex quad, whose edges are exact; others are sampled.
        """
        points = self.to_card(ring)
        whole = np.zeros(self.grid.shape, np.float32)
        if len(points) != 4:
            window, part = fill(self.grid, points)
            whole[window] = part
            return whole
        window = self.grid.window(points, 2 * self.grid.px_mm)
        whole[window] = _quad_share(self.grid.part(window), points)
        return whole

    def _fixed(self, points: ArrayLike) -> NDArray[np.int32]:
        at = self.to_card(points)
        if not self.grid.shape[0] or not self.grid.shape[1]:
            return np.zeros((len(at), 2), np.int32)
        corner = np.array([float(self.grid.x[0]), float(self.grid.y[0])])
        return np.asarray(np.rint((at - corner) * (16 / self.grid.px_mm)), np.int32)


def text_width(words: str, height: float, *, bold: bool = False) -> float:
    """How long a line of text is in millimetres, at every resolution."""
    (width, _), _ = cv2.getTextSize(words, _FONT, 1.0, 3 if bold else 2)
    return float(width * height / _CAPITAL)


def _quad_share(grid: Grid, points: Floats) -> Plane:
    share = np.ones(grid.shape, np.float32)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        dx, dy = float(b[0] - a[0]), float(b[1] - a[1])
        length = (dx * dx + dy * dy) ** 0.5
        nx, ny = -dy / length / grid.px_mm, dx / length / grid.px_mm  # to the right of the way, which is inside
        across = ((grid.x - np.float32(a[0])) * np.float32(nx))[None, :]
        away = across + ((grid.y - np.float32(a[1])) * np.float32(ny))[:, None]
        away += np.float32(0.5)
        np.minimum(share, away, out=share)
    return np.maximum(share, 0, out=share)
