"""The renderer's two grids: the surface's, on which light is reckoned, and the frame's, on which the sensor sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.photometric.types import Floats
from rcg.synthetic import shading
from rcg.synthetic.rig_model import RigModel, SheetModel, View
from rcg.synthetic.surface import Layer, Surface

BLOCK = 32  # pixels; as far as a cast shadow is followed, and the size of the blocks that tell where to look
_THICKNESS_UM = 305.0  # the table lies that much below the card
_FIBRE_MM = 0.08
_DIGITS = 9  # of what is reckoned with sines: they may differ in the last bit between machines
_NO_RELIEF = np.zeros((1, 1), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """Materials on one grid, and where that grid lies in the rig.

    Attributes:
        normal: (2, h, w) x and y of the unit normals in the rig's frame.
        albedo: (channels, h, w) reflectance.
        rough: (h, w) GGX alpha.
        foil: (h, w) share of metal.
        cover: (h, w) uint8 share of the card.
        relief: (h, w) micrometres, the table below the card; one pixel where nothing casts a shadow.
        block_top: Greatest relief of each block and its neighbours.
        place: The kernel's affine map of pixels to millimetres, the shadow's step in micrometres, and its reach.
        material: The kernel's F0, table and brush.
    """

    normal: Layer
    albedo: Layer
    rough: Layer
    foil: Layer
    cover: NDArray[np.uint8]
    relief: Layer
    block_top: Layer
    place: Floats
    material: Floats

    def lit(self, light: int, rig: RigModel, *, out: Layer | None = None) -> Layer:
        """What the camera gets of one light, (channels, h, w) float32, in the kernel's units."""
        if out is None:
            out = np.empty(self.albedo.shape, np.float32)
        gains = rig.gains[light] if len(out) == 3 else rig.gains[light].mean(keepdims=True)
        lamp = np.array([*rig.positions_mm[light], *rig.axes[light], rig.lamp_mm])
        camera = np.array([*rig.camera_mm, rig.vignetting])
        surface = (self.normal, self.albedo, self.rough, self.foil, self.cover, self.relief, self.block_top)
        shading.shade(out, *surface, self.place, lamp, gains, shading.lobe_table(rig.lobe), camera, self.material)
        return out


def card_scene(surface: Surface, rig: RigModel, view: View, *, colour: bool) -> Scene:
    """A surface on the table, both on the surface's grid, with as much table as the view's margin asks for."""
    pad, step = padding(surface, view), surface.mm_per_px
    cover = np.pad(surface.coverage, pad)
    bare = cover == 0
    relief = np.pad(surface.height_um.astype(np.float32, copy=False), pad)
    right, down = np.empty_like(relief), np.empty_like(relief)
    shading.slopes(relief, cover, step * 1000, right, down)
    relief[bare] = -_THICKNESS_UM
    cos, sin = turn(view)
    middle = [surface.coverage.shape[1] / 2 + pad - 0.5, surface.coverage.shape[0] / 2 + pad - 0.5]
    off_x, off_y = view.offset_mm or (0.0, 0.0)
    x, y = [off_x, cos * step, sin * step], [off_y, sin * step, -cos * step]
    for line in (x, y):
        line[0] -= line[1] * middle[0] + line[2] * middle[1]
    brush, strength = view.brush or (0.0, 0.0)
    along = np.round([math.cos(math.radians(brush)), math.sin(math.radians(brush))], 12)
    return Scene(
        normal=_normals(right, down, cos, sin),
        albedo=np.stack([np.pad(plane, pad) for plane in reflectance(surface, colour=colour)]),
        rough=np.pad(surface.roughness.astype(np.float32, copy=False), pad, constant_values=1),
        foil=np.pad(surface.foil.astype(np.float32, copy=False), pad),
        cover=cover,
        relief=relief,
        block_top=_block_tops(relief),
        place=np.array([*x, *y, 0, 0, 0, step * 1000, BLOCK]),
        material=np.array([rig.specular, view.table, *along, strength]),
    )


def sheet_scene(rng: np.random.Generator, sheet: SheetModel, shape: tuple[int, int], mm_per_px: float) -> Scene:
    """A white sheet that fills the frame, on the frame's own grid."""
    across, up = (round(math.tan(math.radians(angle)), 9) for angle in sheet.tilt_deg)
    size = 1 / math.sqrt(1 + across**2 + up**2)
    normal = np.empty((2, *shape), np.float32)
    normal[0], normal[1] = -across * size, -up * size
    albedo = np.ones((1, *shape), np.float32)
    if sheet.fibre > 0:
        fibres = _fibres(rng, shape, _FIBRE_MM / mm_per_px)
        albedo[0] += np.float32(sheet.fibre) * fibres
        steep = np.float32(sheet.fibre * _FIBRE_MM / mm_per_px)  # a slope of the same size as the contrast
        normal[0, :, 1:] -= steep * np.diff(fibres, axis=1)
        normal[1, 1:] += steep * np.diff(fibres, axis=0)
    x0, y0 = -(shape[1] - 1) / 2 * mm_per_px, (shape[0] - 1) / 2 * mm_per_px
    z = [across * x0 + up * y0, across * mm_per_px, -up * mm_per_px]
    return Scene(
        normal=normal,
        albedo=albedo,
        rough=np.full(shape, sheet.roughness, np.float32),
        foil=np.zeros(shape, np.float32),
        cover=np.full(shape, 255, np.uint8),
        relief=_NO_RELIEF,
        block_top=_NO_RELIEF,
        place=np.array([x0, mm_per_px, 0, y0, 0, -mm_per_px, *z, 1, 0]),
        material=np.array([sheet.specular, 0.0, 1.0, 0.0, 0.0]),
    )


def brightest_white(rig: RigModel, shape: tuple[int, int], mm_per_px: float) -> float:
    """The most that matte white, level and at the height of the card, sends to the camera, in the kernel's units."""
    coarse = max(*shape) * mm_per_px / 16
    nodes = (max(2, round(shape[0] * mm_per_px / coarse) + 1), max(2, round(shape[1] * mm_per_px / coarse) + 1))
    white = sheet_scene(np.random.default_rng(0), SheetModel.ideal(), nodes, coarse)
    gains = rig.gains.max(axis=1) / rig.gains.mean(axis=1)
    return max(float(white.lit(i, rig).max()) * float(gains[i]) for i in range(len(rig)))


def reflectance(surface: Surface, *, colour: bool) -> Layer:
    """(3, h, w), or (1, h, w) as a sensor without colours sees it: the plain mean of red, green and blue."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)
    planes: Layer = np.ascontiguousarray(np.moveaxis(linear[surface.colour], 2, 0))
    return planes if colour else ((planes[0] + planes[1] + planes[2]) / np.float32(3))[None]


def turn(view: View) -> tuple[float, float]:
    """Cosine and sine of the surface's turn."""
    angle = math.radians(view.rotation_deg or 0.0)
    return round(math.cos(angle), 12), round(math.sin(angle), 12)


def padding(surface: Surface, view: View) -> int:
    """Pixels of table to put around a surface; further out the last of them goes on."""
    return math.ceil(view.margin_mm / surface.mm_per_px) + 2


def _normals(right: Layer, down: Layer, cos: float, sin: float) -> Layer:
    size = 1 / np.sqrt(1 + right * right + down * down)
    x, y = -right * size, down * size
    return np.stack([np.float32(cos) * x - np.float32(sin) * y, np.float32(sin) * x + np.float32(cos) * y])


def _block_tops(relief: Layer) -> Layer:
    rows, columns = (-(-side // BLOCK) for side in relief.shape)
    fill = ((0, rows * BLOCK - relief.shape[0]), (0, columns * BLOCK - relief.shape[1]))
    tops = np.pad(relief, fill, mode="edge").reshape(rows, BLOCK, columns, BLOCK).max(axis=(1, 3))
    wide = np.pad(tops, 1, mode="edge")
    around = [wide[r : r + rows, c : c + columns] for r in range(3) for c in range(3)]
    found: Layer = np.maximum.reduce(around)
    return found


def _fibres(rng: np.random.Generator, shape: tuple[int, int], size_px: float) -> Layer:
    """Blurred noise of standard deviation 1."""
    raw = np.empty(shape, np.float32)
    shading.normal_values(np.uint64(rng.integers(1 << 62)), shading.normal_table(), raw.reshape(-1))
    spread = max(size_px, 0.5)
    weights = shading.kernel(spread, 0)
    half, found = np.empty_like(raw), np.empty_like(raw)
    shading.resample_rows(raw, weights, 0.0, 1.0, 0.0, half)
    shading.resample_columns(half, weights, 0.0, 1.0, 0.0, found)
    found *= np.float32(1 / float((weights[0].astype(np.float64) ** 2).sum()))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """The sensor's grid, and how it is read off the surface's.

    Attributes:
        shape: Rows and columns.
        mm_to_px: (3, 3) from the surface's millimetres to the frame's pixels, corner origins.
        source: (2, 3) from the centre of a frame's pixel (column, row) to the padded surface's (column, row).
        ratio: A frame's pixel in pixels of the surface.
        rows: How many rows the padded surface has.
    """

    shape: tuple[int, int]
    mm_to_px: Floats
    source: Floats
    ratio: float
    rows: int

    def weights(self, psf_px: float) -> Layer:
        """Point spread, and the mean over a pixel; the surface's pixels are such means of their own already."""
        return shading.kernel(psf_px * self.ratio, math.sqrt(max(self.ratio**2 - 1, 0)))

    def resampled(self, plane: Layer, weights: Layer, shift_px: Any = (0.0, 0.0)) -> Layer:
        """A plane of the padded surface as the frame sees it, displaced to the right and down by `shift_px`.

        In two passes, first along the rows, then along the columns (Catmull and Smith 1980): exact for small turns.
        """
        (a, b, c), (d, e, f) = self.source.tolist()
        c, f = c - a * shift_px[0] - b * shift_px[1], f - d * shift_px[0] - e * shift_px[1]
        half = np.empty((self.rows, self.shape[1]), np.float32)
        shading.resample_rows(plane, weights, c - b * f / e, a - b * d / e, b / e, half)
        found = np.empty(self.shape, np.float32)
        shading.resample_columns(half, weights, f, e, d, found)
        return found


def frame_of(surface: Surface, view: View) -> Frame:
    """The frame that holds a surface with its margin."""
    rows, columns = surface.coverage.shape
    scale, step = view.mm_per_px or surface.mm_per_px, surface.mm_per_px
    h, w = (math.ceil((side * step + 2 * view.margin_mm) / scale) for side in (rows, columns))
    cos, sin = turn(view)
    off_x, off_y = view.offset_mm or (0.0, 0.0)
    wide, high = columns * step / 2, rows * step / 2
    left = w / 2 + (off_x - cos * wide - sin * high) / scale  # where the surface's left top corner comes to lie
    top = h / 2 + (sin * wide - cos * high - off_y) / scale
    ratio = scale / step
    across, down = 0.5 - left, 0.5 - top
    pad = padding(surface, view)
    u = ratio * (cos * across - sin * down) - 0.5 + pad
    v = ratio * (sin * across + cos * down) - 0.5 + pad
    return Frame(
        shape=(h, w),
        mm_to_px=np.array([[cos / scale, sin / scale, left], [-sin / scale, cos / scale, top], [0, 0, 1]]),
        source=np.round([[ratio * cos, -ratio * sin, u], [ratio * sin, ratio * cos, v]], _DIGITS),
        ratio=ratio,
        rows=rows + 2 * pad,
    )
