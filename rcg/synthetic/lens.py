"""From millimetres of a card to pixels of a view and back: a homography, then the distortion of a lens.

Pixels take their colour by the way back, and the truth goes forth by the inverse of the very same map. Only single
additions, products and quotients are used, and maps are rounded to 1/32 pixel, so that every machine gets the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcg.errors import DataError

Floats = NDArray[np.float64]
Rect = tuple[int, int, int, int]

_STEPS = 1 << 12  # corners of a view stand on this grid: what a processor rounds differently is far below it
_SUB = 32  # parts of a pixel in OpenCV's fixed-point maps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projection:
    """How a flat card is seen.

    Attributes:
        matrix: (3, 3) homography from millimetres of the card to the pixels of a lens without distortion.
        centre: The lens's axis in pixels.
        radius: Half the diagonal of the view in pixels, where r below is 1.
        bend: (k1, k2): a pixel at the distance r from the axis shows what a lens without distortion shows at
            r (1 + k1 r^2 + k2 r^4). Above zero is a barrel, below a pincushion.
    """

    matrix: Floats
    centre: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0
    bend: tuple[float, float] = (0.0, 0.0)
    _back: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_back", inverse(self.matrix))

    @classmethod
    def of_quad(
        cls,
        mm: ArrayLike,
        px: ArrayLike,
        *,
        size: tuple[int, int] | None = None,
        bend: tuple[float, float] = (0.0, 0.0),
    ) -> Projection:
        """The projection that takes four points of the card to four pixels, before the lens bends them.

        Args:
            mm: (4, 2) points in millimetres, in the order of a ring.
            px: (4, 2) pixels.
            size: Width and height of the view; only needed with a lens.
            bend: k1 and k2 of the lens.

        Raises:
            DataError: If three of the points lie on a line.
        """
        rounded = np.rint(np.asarray(px, np.float64) * _STEPS) / _STEPS
        matrix = product(from_square(rounded), inverse(from_square(np.asarray(mm, np.float64))))
        width, height = size or (2, 2)
        radius = float(np.sqrt(width * width + height * height) / 2)
        return cls(matrix=matrix, centre=(width / 2, height / 2), radius=radius, bend=bend)

    def points(self, mm: ArrayLike) -> Floats:
        """Where points of the card are seen.

        Args:
            mm: (n, 2) millimetres from the card's left top corner.

        Returns:
            (n, 2) pixels, on a grid of 1/4096.
        """
        given = np.asarray(mm, np.float64).reshape(-1, 2)
        x, y = applied(self.matrix, given[:, 0], given[:, 1])
        seen = np.column_stack(self._bent(x, y))
        return np.asarray(np.rint(seen * _STEPS) / _STEPS)

    def to_mm(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """What pixels show: millimetres of the card, of the shape that x and y have together."""
        across, down = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if self.bend != (0.0, 0.0):
            u, v = (across - self.centre[0]) / self.radius, (down - self.centre[1]) / self.radius
            more = self._stretch(u * u + v * v)
            across, down = self.centre[0] + u * more * self.radius, self.centre[1] + v * more * self.radius
        return applied(self._back, across, down)

    def px_per_mm(self, mm: ArrayLike) -> Floats:
        """(n,) pixels a millimetre at points of the card: the root of what the area grows by."""
        at = np.asarray(mm, np.float64).reshape(-1, 2)
        step = 0.5
        right, down = (self.points(at + move) - self.points(at - move) for move in ((step, 0), (0, step)))
        return np.asarray(np.sqrt(np.abs(right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0])))

    def maps(self, rect: Rect, px_per_mm: float, *, pad: int = 0) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
        """For `cv2.remap`: where in the card's picture each pixel of a part of the view looks.

        Args:
            rect: Left, top, width and height of that part in pixels.
            px_per_mm: The scale of the card's picture.
            pad: Pixels that were added around the picture.

        Returns:
            (height, width, 2) int16 whole pixels, and (height, width) uint16 fractions in 1/32.
        """
        left, top, width, height = rect
        x, y = np.arange(left, left + width) + 0.5, np.arange(top, top + height) + 0.5
        mm = self.to_mm(x[None, :], y[:, None])
        fixed = [np.rint(each * (px_per_mm * _SUB) + (pad - 0.5) * _SUB) for each in mm]
        column, row = (np.clip(each, -(2**19), 2**19 - 1).astype(np.int32) for each in fixed)
        whole = np.empty((height, width, 2), np.int16)
        whole[..., 0], whole[..., 1] = column >> 5, row >> 5
        return whole, ((row & 31) * _SUB + (column & 31)).astype(np.uint16)

    def _stretch(self, square: Floats) -> Floats:
        k1, k2 = self.bend
        return 1 + square * (k1 + k2 * square)

    def _bent(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Pixels of a lens without distortion to those of this one: Newton's method on the radius."""
        if self.bend == (0.0, 0.0):
            return x, y
        u, v = (x - self.centre[0]) / self.radius, (y - self.centre[1]) / self.radius
        wanted = np.sqrt(u * u + v * v)
        found, (k1, k2) = wanted.copy(), self.bend
        for _ in range(8):
            square = found * found
            slope = 1 + square * (3 * k1 + 5 * k2 * square)
            found = found - (found * self._stretch(square) - wanted) / slope
        less = np.divide(found, wanted, out=np.ones_like(wanted), where=wanted > 0)
        return self.centre[0] + u * less * self.radius, self.centre[1] + v * less * self.radius


def applied(matrix: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Points under a homography; x and y of any shapes that go together."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    if g == 0 and h == 0:
        return (a * x + b * y + c) / i, (d * x + e * y + f) / i
    below = g * x + h * y + i
    return (a * x + b * y + c) / below, (d * x + e * y + f) / below


def from_square(quad: Floats) -> Floats:
    """The homography from the unit square to a quad: (0, 0), (1, 0), (1, 1), (0, 1) become its points in order.

    In closed form (Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, section 2.2.3).

    Raises:
        DataError: If three of the points lie on a line.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad.tolist()
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    below = dx1 * dy2 - dx2 * dy1
    if below == 0:
        raise DataError("three of the four points lie on a line", fix="give the corners in the order of a ring")
    g, h = (sx * dy2 - dx2 * sy) / below, (dx1 * sy - sx * dy1) / below
    rows = [[x1 - x0 + g * x1, x3 - x0 + h * x3, x0], [y1 - y0 + g * y1, y3 - y0 + h * y3, y0], [g, h, 1.0]]
    return np.array(rows)


def inverse(matrix: ArrayLike) -> Floats:
    """The inverse of a 3 x 3 matrix, by its cofactors.

    Raises:
        DataError: If there is none.
    """
    (a, b, c), (d, e, f), (g, h, i) = np.asarray(matrix, np.float64).tolist()
    first, second, third = e * i - f * h, f * g - d * i, d * h - e * g
    whole = a * first + b * second + c * third
    if whole == 0:
        raise DataError("the card is seen edge on: this projection has no way back")
    cofactors: Sequence[Sequence[float]] = [
        [first, c * h - b * i, b * f - c * e],
        [second, a * i - c * g, c * d - a * f],
        [third, b * g - a * h, a * e - b * d],
    ]
    return np.asarray(np.array(cofactors) / whole, np.float64)


def product(first: Floats, second: Floats) -> Floats:
    """The product of two 3 x 3 matrices, summed in one order (BLAS chooses its own by the processor)."""
    a, b = first.tolist(), second.tolist()
    return np.array([[a[r][0] * b[0][c] + a[r][1] * b[1][c] + a[r][2] * b[2][c] for c in range(3)] for r in range(3)])
