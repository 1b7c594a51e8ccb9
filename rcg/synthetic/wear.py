"""What defects leave behind: in the colour of the ink, in the outline of the stock, in its relief and its gloss."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rcg.card_specs import CardSpec
from rcg.images import Pixels
from rcg.synthetic.damage import Defect
from rcg.synthetic.grid import Grid, Lattice, Plane, Profile, Window, fill, stroke

_FIBRES = (240, 237, 230)  # bare stock
_STAINS = ((150, 112, 60), (120, 84, 48), (92, 96, 84), (60, 60, 90))
_WHITENING = {"corner_whitening": 0.9, "edge_whitening": 0.9, "chipping": 1.0}
_BITES = {"rough_cut", "notch", "missing_stock", "corner_rounding"}
_COATING_UM = 12  # thick are ink and varnish, which are gone where the stock shows white
_BURR = 0.12  # of a scratch's depth; the stock that the groove pushed aside


def mark_colour(colour: Pixels, grid: Grid, defect: Defect) -> None:
    """Change the ink where a defect changed it.

    Args:
        colour: (h, w, 3) uint8 sRGB of `grid`; changed in place.
        grid: The pixels.
        defect: What happened to it. Dents and roller lines leave the ink as it is.
    """
    label, strength = defect.label, defect.severity
    if label in _WHITENING:
        window, share = fill(grid, defect.outline)
        share *= _patchy(grid, window, defect, 0.12, low=0.55) * np.float32(_WHITENING[label])
        _blend(colour, window, share, _FIBRES)
    elif label == "scratch":
        window, share = stroke(grid, defect.course, Profile.band(defect.width_mm / 2), taper=0.3)
        _blend(colour, window, share * np.float32(0.12 + 0.4 * strength), (226, 226, 224))
    elif label == "print_line":
        window, share = stroke(grid, defect.course, Profile.band(defect.width_mm / 2))
        _blend(colour, window, share * np.float32(0.4 + 0.45 * strength), _ink(defect))
    elif label == "print_dot":
        window, share = fill(grid, defect.outline)
        _blend(colour, window, share * np.float32(0.9), _ink(defect))
    elif label == "crease":
        _crease_colour(colour, grid, defect)
    elif label == "corner_bend" and defect.depth_um:
        window, share = stroke(grid, defect.course, Profile(away=(0, 0.12), values=(1, 0)))
        share *= _patchy(grid, window, defect, 0.15, low=0.0) * np.float32(0.25 + 0.6 * strength)
        _blend(colour, window, share, _FIBRES)
    elif label == "stain":
        _stain_colour(colour, grid, defect)
    elif label == "tear":
        window, share = stroke(
            grid, defect.course, Profile(away=(0, 0.6, 0.95), values=(1, 1, 0)).scaled(defect.width_mm)
        )
        share *= _patchy(grid, window, defect, 0.12, low=0.5)
        _blend(colour, window, share, _FIBRES)


def mark_coverage(coverage: Pixels, grid: Grid, defect: Defect) -> None:
    """Take the stock away where it is gone; `coverage` is (h, w) uint8, changed in place."""
    if defect.label in _BITES:
        window, share = fill(grid, defect.outline)
    elif defect.label == "tear":
        window, share = stroke(grid, defect.course, Profile.band(defect.width_mm * 0.2))
    else:
        return
    left = coverage[window] * (1 - share)
    coverage[window] = (left + np.float32(0.5)).astype(np.uint8)


def mark_surface(height_um: Plane, roughness: Plane, foil: Plane, grid: Grid, defect: Defect) -> None:
    """Add a defect's relief, and change gloss and foil where it did; (h, w) planes of `grid`, changed in place."""
    label = defect.label
    if label in {"scratch", "crease", "roller_line"}:
        window, relief = stroke(grid, defect.course, line_relief(defect), taper=min(0.5, defect.length_mm / 6))
        height_um[window] += relief
        if label != "roller_line":
            half = defect.width_mm / 2 if label == "scratch" else 0.08 * min(1, abs(defect.depth_um) / 60)
            window, share = stroke(grid, defect.course, Profile.band(half), taper=0.3)
            _towards(roughness, window, share * np.float32(0.7), 0.5)
            _towards(foil, window, share * np.float32(0.5), 0.0)
    elif label == "dent":
        window, bowl = _bowl(grid, defect)
        height_um[window] += bowl
    elif label == "corner_bend":
        window, flap = _flap(grid, defect)
        height_um[window] += flap
    elif label in _WHITENING:
        window, share = fill(grid, defect.outline)
        height_um[window] -= share * _patchy(grid, window, defect, 0.1, low=0.4) * np.float32(_COATING_UM)
        _towards(roughness, window, share, 0.85)
        _towards(foil, window, share, 0.0)
    elif label == "tear":
        lips = Profile(away=(0, 0.2, 0.6, 0.95), values=(-1, 0, 1, 0)).scaled(defect.width_mm, defect.depth_um)
        window, relief = stroke(grid, defect.course, lips)
        height_um[window] += relief
        window, share = stroke(grid, defect.course, Profile.band(defect.width_mm * 0.8))
        _towards(roughness, window, share, 0.85)
        _towards(foil, window, share, 0.0)
    elif label == "stain":
        window, share = fill(grid, defect.outline)
        _towards(roughness, window, share * np.float32(0.5 + 0.4 * defect.severity), 0.6)
        _towards(foil, window, share * np.float32(0.4 * defect.severity), 0.0)
    elif label in {"print_dot", "print_line"}:
        _ink_on_foil(foil, grid, defect)


def line_relief(defect: Defect) -> Profile:
    """The height across a line in micrometres; `depth_um` in its middle, 0 half its width away.

    A scratch is a parabola with a burr on both sides, a crease a ridge or valley with hollow flanks, a roller line a
    smooth trough.
    """
    half, deep = defect.width_mm / 2, defect.depth_um
    shares = [k / 12 for k in range(13)]
    if defect.label == "crease":
        values = [deep * (1 - t) ** 2 for t in shares]
    elif defect.label == "roller_line":
        values = [deep * (1 - t * t) ** 2 for t in shares]
    else:
        values = [deep * (1 - t * t) for t in shares]
    away = [half * t for t in shares]
    if defect.label == "scratch":
        away += [1.35 * half, 1.9 * half]
        values += [-_BURR * deep, 0.0]
    return Profile(away=tuple(away), values=tuple(values))


def card_coverage(grid: Grid, spec: CardSpec) -> Pixels:
    """(h, w) uint8: 255 on the whole card, 0 beyond its rounded edge, between where the edge cuts a pixel."""
    per_mm = np.float32(1 / grid.px_mm)
    sides = [
        np.clip(np.minimum(at, np.float32(size) - at) * per_mm + np.float32(0.5), 0, 1)
        for at, size in ((grid.x, spec.width), (grid.y, spec.height))
    ]
    cover = sides[1][:, None] * sides[0]
    r = spec.radius
    for x, y in ((r, r), (spec.width - r, r), (spec.width - r, spec.height - r), (r, spec.height - r)):
        if r <= 0:
            break
        home = (0 if x <= r else spec.width, 0 if y <= r else spec.height)
        window = grid.window([home, (x, y)])
        part = grid.part(window)
        dx, dy = part.x - np.float32(x), (part.y - np.float32(y))[:, None]
        beyond = (dx * np.float32(home[0] - x) >= 0) & (dy * np.float32(home[1] - y) >= 0)
        arc = np.clip((np.float32(r) - np.sqrt(dx * dx + dy * dy)) * per_mm + np.float32(0.5), 0, 1)
        cover[window] = np.where(beyond, arc, cover[window])
    eight: Pixels = (cover * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return eight


def _bowl(grid: Grid, defect: Defect) -> tuple[Window, Plane]:
    """A smooth dent: depth * (1 - r^2)^2 within its ellipse."""
    (x0, y0), (x1, y1) = defect.course[0], defect.course[-1]
    middle, long = ((x0 + x1) / 2, (y0 + y1) / 2), math.dist((x0, y0), (x1, y1))
    ux, uy = (x1 - x0) / long, (y1 - y0) / long
    window = grid.window(defect.outline)
    part = grid.part(window)
    dx, dy = part.x - np.float32(middle[0]), (part.y - np.float32(middle[1]))[:, None]
    along = (dx * np.float32(ux) + dy * np.float32(uy)) * np.float32(2 / long)
    across = (dx * np.float32(uy) - dy * np.float32(ux)) * np.float32(2 / defect.width_mm)
    left = np.clip(1 - along * along - across * across, 0, 1)
    return window, left * left * np.float32(defect.depth_um)


def _flap(grid: Grid, defect: Defect) -> tuple[Window, Plane]:
    """A bent corner: flat up to its fold, then steeper and steeper, `depth_um` at the tip."""
    (x0, y0), (x1, y1) = defect.course
    tip = defect.outline[0]
    length = math.dist((x0, y0), (x1, y1))
    nx, ny = (y1 - y0) / length, (x0 - x1) / length
    reach = (tip[0] - x0) * nx + (tip[1] - y0) * ny
    window = grid.window(defect.outline)
    part = grid.part(window)
    away = (part.x - np.float32(x0)) * np.float32(nx) + ((part.y - np.float32(y0)) * np.float32(ny))[:, None]
    share = np.clip(away * np.float32(1 / reach), 0, 1)
    return window, share * (np.float32(0.6) + np.float32(0.4) * share) * np.float32(defect.depth_um)


def _crease_colour(colour: Pixels, grid: Grid, defect: Defect) -> None:
    """Ink breaks along a crease once it is sharp: white fibres, more of them the higher it is."""
    broken = min(1.0, max(0.0, (abs(defect.depth_um) - 15) / 90))
    if broken <= 0:
        return
    half = min(0.05 + 0.12 * broken, defect.width_mm / 2)
    window, share = stroke(grid, defect.course, Profile(away=(0, half), values=(1, 0)), taper=0.5)
    gaps = _patchy(grid, window, defect, 0.3, low=0.0)
    gaps -= np.float32(0.65 - 0.5 * broken)
    gaps *= np.float32(4)
    share *= np.clip(gaps, 0, 1) * np.float32(0.35 + 0.6 * broken)
    _blend(colour, window, share, _FIBRES)


def _stain_colour(colour: Pixels, grid: Grid, defect: Defect) -> None:
    """A see-through tint, uneven, darker at its rim where it dried last."""
    window, share = fill(grid, defect.outline)
    middle = np.mean(np.array(defect.outline), axis=0)
    rim = share.copy()
    for size in (0.97, 0.94, 0.9, 0.86, 0.8):
        within, core = fill(grid, middle + (np.array(defect.outline) - middle) * size)
        top, left = within[0].start - window[0].start, within[1].start - window[1].start
        rim[top : top + core.shape[0], left : left + core.shape[1]] -= core * np.float32(0.1)
    rim *= _patchy(grid, window, defect, 2.5, low=0.5) * np.float32(0.3 + 0.55 * defect.severity)
    part = colour[window].astype(np.float32)
    tint = np.array(_STAINS[defect.seed % len(_STAINS)], np.float32) * np.float32(1 / 255)
    part -= part * (rim[..., None] * (1 - tint))
    colour[window] = (part + np.float32(0.5)).astype(np.uint8)


def _ink_on_foil(foil: Plane, grid: Grid, defect: Defect) -> None:
    if defect.label == "print_dot":
        window, share = fill(grid, defect.outline)
    else:
        window, share = stroke(grid, defect.course, Profile.band(defect.width_mm / 2))
    _towards(foil, window, share * np.float32(0.6), 0.0)


def _patchy(grid: Grid, window: Window, defect: Defect, cell: float, *, low: float) -> Plane:
    """A random field from `low` to 1 over a window, of the defect's own seed and place: alike at every resolution."""
    points = np.array(defect.outline)
    corner = points.min(axis=0) - 1.0
    size = np.ptp(points, axis=0) + 2.0
    rng = np.random.default_rng((defect.seed, 7))
    field = Lattice.draw(rng, (float(size[0]), float(size[1])), cell, origin=(float(corner[0]), float(corner[1])))
    values = field.at(grid.part(window))
    values *= np.float32(1 - low)
    values += np.float32(low)
    return values


def _ink(defect: Defect) -> tuple[int, int, int]:
    """Ink where none belongs, or white where the ink is missing."""
    return ((34, 32, 38), (236, 236, 232), (30, 120, 170), (190, 40, 110))[defect.seed % 4]


def _blend(colour: Pixels, window: Window, share: Plane, ink: tuple[int, int, int]) -> None:
    part = colour[window].astype(np.float32)
    part += share[..., None] * (np.array(ink, np.float32) - part)
    part += np.float32(0.5)
    colour[window] = part.astype(np.uint8)


def _towards(plane: NDArray[np.float32], window: Window, share: Plane, goal: float) -> None:
    part = plane[window]
    part += share * (np.float32(goal) - part)
