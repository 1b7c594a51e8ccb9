"""Where a field of slopes departs from its own noise: lines, straight long lines, pits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rcg.errors import ConfigError, DataError
from rcg.photometric import noise
from rcg.photometric.relief import Slopes, slopes, smooth
from rcg.photometric.ridges import Course, Hessian, background, courses, hessian, strongest
from rcg.photometric.straight import Straight, straight_lines
from rcg.photometric.types import Mask, NormalMap, Plane

BLOCK_MM = 3.0
"""The noise is taken as one over so much; art changes over that, paper does not."""
_REACH = 3.0
_ZONE_MM = 0.5
SLOW_MM = 3.0
"""Slower slopes than this Gaussian's are the card's bow, or the calibration's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectSettings:
    """What counts as a defect. Lengths in millimetres on the card.

    Attributes:
        line_scales_mm: Standard deviations of the line filter.
        pit_scales_mm: Standard deviations of the pit filter: a pit is about four times as wide.
        line_evidence: The threshold for lines: mean score times the square root of the length in filter lengths.
        line_score: The least mean score along a line.
        line_over_usual: A line is at least so many times as deep as the same measurement is beside it, where lacquer
            waves and foil shimmers.
        pit_score: The least score of a pit.
        straight_score: The least score of a long straight line, over the spread of all straight lines of the card.
        least_line_mm: Shorter lines are no scratches.
        gap_mm: Parts of one line are joined over gaps up to this.
        least_height_um: Shallower lines are texture.
        least_wide_um: So are wide lines and pits that are shallower than this: lacquer flows to waves of that height.
        edge_zone_mm: At the mask's rim nothing is reported: the cut edge's own slopes reach that far.
        crease_width_mm: Lines are wide from this on; those higher than `crease_height_um` are creases.
        crease_height_um: See there.
        straight_share: A factory line is at least this share of the card's side long.
        roller_height_um: A roller line is no deeper than this.
        parallel_deg: A factory line is parallel to the picture's edges within this.
    """

    line_scales_mm: tuple[float, ...] = (0.022, 0.045, 0.1, 0.2)
    pit_scales_mm: tuple[float, ...] = (0.06, 0.1, 0.17, 0.28, 0.47, 0.8)
    line_evidence: float = 8.0
    line_score: float = 3.5
    line_over_usual: float = 4.5
    pit_score: float = 10.0
    straight_score: float = 8.0
    least_line_mm: float = 0.6
    gap_mm: float = 1.2
    least_height_um: float = 0.3
    least_wide_um: float = 1.0
    edge_zone_mm: float = 0.5
    crease_width_mm: float = 0.15
    crease_height_um: float = 4.0
    straight_share: float = 0.6
    roller_height_um: float = 4.0
    parallel_deg: float = 1.5

    def __post_init__(self) -> None:
        for name in ("line_scales_mm", "pit_scales_mm"):
            scales = getattr(self, name)
            if not scales or min(scales) <= 0:
                raise ConfigError(f"{name} = {scales}", fix="scales are lengths above zero, at least one")
        for name in ("line_evidence", "line_score", "line_over_usual", "pit_score", "straight_score"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} = {getattr(self, name)} is not above zero", fix="a higher one finds less")


DEFAULTS = DefectSettings()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """What the search looks at: slopes without their slow part and without what print fakes.

    Attributes:
        relief: Slopes, each (h, w) float32, 0 where nothing is known.
        logs: (h, w) the albedo's logarithm; None where print and relief are one picture.
        scatter: (h, w) noise of the slopes over the usual one; None for the same everywhere.
        core: (h, w), true where finds may lie.
        rim_px: (h, w) how far each pixel is from the rim of the mask; None where the mask is the whole picture.
        mm_per_px: The size of a pixel.
        in_micrometres: Whether slopes are those of a height; false for a plain photo.
    """

    relief: Slopes
    logs: Plane | None
    core: Mask
    mm_per_px: float
    scatter: Plane | None = None
    rim_px: Plane | None = None
    in_micrometres: bool = True

    def inner(self, sigma_px: float) -> Mask:
        """Where a filter of this scale sees nothing of the mask's rim, where what is known ends."""
        if self.rim_px is None:
            return self.core
        return np.asarray(self.core & (self.rim_px > _REACH * sigma_px + _ZONE_MM / self.mm_per_px))


def prepare(normal_map: NormalMap, *, mm_per_px: float, mask: Mask | None, settings: DefectSettings) -> Field:
    """Slopes ready for the search.

    Raises:
        DataError: If nothing is solved inside the mask.
    """
    solved = normal_map.solved if mask is None else normal_map.solved & mask
    if not solved.any():
        raise DataError("nothing of the surface is solved inside the mask", fix="look at the mask and the frames")
    near = eroded(solved, 0.4 * settings.edge_zone_mm / mm_per_px)
    p, q = (fast_part(each, near, SLOW_MM / mm_per_px) for each in slopes(normal_map, mask=solved))
    logs = noise.log_albedo(normal_map, solved)
    terms = noise.print_terms(logs)
    leak = noise.fit_leak((p, q), terms, near, np.random.default_rng(0))
    clean = noise.without_leak((p, q), terms, leak, near)
    core = eroded(solved, settings.edge_zone_mm / mm_per_px)
    scatter = noise.scatter_of(normal_map, solved)
    return Field(relief=clean, logs=logs, core=core, mm_per_px=mm_per_px, scatter=scatter, rim_px=rim(solved))


def eroded(mask: Mask, reach_px: float) -> Mask:
    """The mask without a rim of `reach_px` along its own edge; the picture's edge is none."""
    import cv2

    if mask.all():
        return mask
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) > reach_px)


def rim(mask: Mask) -> Plane | None:
    """(h, w) float32 distance to the mask's own edge in pixels; None where it has none."""
    import cv2

    if mask.all():
        return None
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def fast_part(slope: Plane, inside: Mask, sigma_px: float) -> Plane:
    """Slopes less their Gaussian mean, 0 outside."""
    slow = smooth(slope, sigma_px, mask=None if inside.all() else inside)
    np.subtract(slope, slow, out=slow)
    slow *= inside
    return slow


def lines_at(field: Field, scale_mm: float, settings: DefectSettings) -> list[Course]:
    """Lines of one scale, trimmed to where they show."""
    planes = hessian(field.relief, scale_mm / field.mm_per_px)
    core = coarse(field.inner(scale_mm / field.mm_per_px), planes)
    sizes, every = background(planes)
    block = max(8, round(BLOCK_MM / field.mm_per_px / planes.factor / every))
    scatter = noise.scatter_at(field.scatter, planes, reach=2.5)
    level = noise.local_noise(sizes, core[::every, ::every], scatter, block=block)
    doubt = np.zeros_like(level)
    if field.logs is not None:
        doubt = noise.edge_doubt(field.logs, planes, field.core)
        doubt *= noise.local_share(_crests(planes, every), doubt, level, core, every=every, block=block)
    total = np.hypot(level, doubt)
    strength, turn = strongest(planes, np.where(core, 1.5 * total, np.float32(np.inf)))
    strength /= total
    least = settings.least_line_mm / field.mm_per_px
    found = courses(strength, turn, planes, low=3.0, high=5.0, least_px=least)
    told = (each.with_leaks((doubt / total).astype(np.float32), planes.factor).trimmed() for each in found)
    return [each for each in told if each.length_px >= least]


def _crests(planes: Hessian, every: int) -> Plane:
    """Sizes of the line filter's strongest answer, on every so many rows and columns."""
    floor = np.full(planes.xx.shape, np.inf, np.float32)
    floor[::every, ::every] = 0
    return np.abs(strongest(planes, floor)[0][::every, ::every])


def coarse(mask: Mask, planes: Hessian) -> Mask:
    """The mask on the grid of a Hessian."""
    rows, columns = planes.xx.shape
    half, step = planes.factor // 2, planes.factor
    return mask[half::step, half::step][:rows, :columns]


def evidence_of(course: Course) -> float:
    """Mean score of a line, over what its standard deviation is along all of it.

    Noise is new at each length of the filter and averages out. What a print edge leaks is the same all along it, so it
    does not where the line keeps to an edge for most of its way.
    """
    filters = 1 + course.length_px / (12 * course.sigma_px)
    leaked = float(np.median(course.leaks)) ** 2
    return float(np.abs(course.scores).mean() / np.sqrt((1 - leaked) / filters + leaked))


def straight_in(relief: Slopes, field: Field, scale_mm: float, settings: DefectSettings) -> list[Straight]:
    """Long lines along the columns, then those along the rows, of slopes or of the print's gradient."""
    planes = hessian(relief, scale_mm / field.mm_per_px)
    core = coarse(field.core, planes)
    scatter = noise.scatter_at(field.scatter, planes, reach=1)
    doubt = None
    if relief is field.relief and field.logs is not None:
        doubt = noise.edge_doubt(field.logs, planes, field.core)
    found = []
    for plane, turned in ((planes.xx, False), (planes.yy, True)):
        block = max(4, round(BLOCK_MM / field.mm_per_px / planes.factor))
        level = noise.local_noise(np.abs(plane), core, scatter, block=block)
        if doubt is not None:
            level = np.hypot(level, doubt)
        score, known = (plane / level, core) if not turned else ((plane / level).T, core.T)
        apart = max(2, round(2 * planes.sigma))
        least, tilt = settings.straight_score, settings.parallel_deg
        for each in straight_lines(score, known, least=least, tilt_deg=tilt, apart=apart):
            at = (each.points[:, ::-1] if turned else each.points) + 0.5
            found.append(each.moved(at * planes.factor - 0.5))
    return found
