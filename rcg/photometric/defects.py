"""Scratches, dents, creases, roller lines and print lines in a normal map, each with its size and a sigma."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from rcg.geometry import bounds, polygon_area
from rcg.photometric.blobs import Blob, blobs
from rcg.photometric.linking import Part, chains, joined_path
from rcg.photometric.noise import NORMAL_MAD, print_gradient
from rcg.photometric.profiles import (
    Size,
    band_outline,
    line_contrast,
    line_size,
    pit_size,
    print_along,
    smooth_course,
    usual_height,
    window_px,
)
from rcg.photometric.relief import Slopes, pixel_size
from rcg.photometric.ridges import REACH, Course
from rcg.photometric.search import (
    BLOCK_MM,
    DEFAULTS,
    DefectSettings,
    Field,
    evidence_of,
    lines_at,
    prepare,
    straight_in,
)
from rcg.photometric.straight import Straight
from rcg.photometric.types import Floats, Mask, NormalMap, SurfaceDefect
from rcg.progress import Report, Tick, silent
from rcg.types import Annotation, ImageRecord, Point, Polygon

TASK = "find defects"
DEEP = frozenset({"scratch", "dent", "crease", "roller_line"})
_PRINT_PX_MM = 0.05
"""Print lines are 0.02 to 0.1 mm wide: pixels coarser than this cannot tell them from a design's frame lines."""
_MOST_LINES = 3
"""More print lines than these on one card are taken for rows of its halftone, but for those far surer than the rest."""
_OVER_RASTER = 2.5
FACTORY = frozenset({"roller_line", "print_line"})
ON_FOIL = "on foil, which mirrors more than it scatters: slopes and depths are told up to 4 times too large there"
_FOIL_SD = 0.75
"""Of a depth on foil, over the depth: rendered dents and creases come out 1 to 4 times as deep as they are."""
NARROW = "narrower than lens and pixels resolve: it is deeper and narrower than it is measured"
_RESOLVED_PX = 5.0
_ROLLER_SCALES_MM = (0.05, 0.14)
_PRINT_SCALE_MM = 0.03
_LOBES = 3.0
"""A strong line or pit answers this many standard deviations of its filter to its sides, with the other sign."""


def find_defects(
    normal_map: NormalMap,
    *,
    mm_per_px: float | None = None,
    mask: Mask | None = None,
    settings: DefectSettings = DEFAULTS,
    report: Report = silent,
) -> tuple[SurfaceDefect, ...]:
    """Find what damaged a card's surface, and the marks of its making.

    Lines are found by a ridge filter on the curvature at several scales and directions, pits by the matched filter of a
    round pit at several sizes. Both are judged by the noise around them, which is read from the map itself, and raised
    at print edges by what those leak. Factory lines are sought along the picture's edges, print lines only where the
    mask shows the card's edges: they run from one to the other, which no frame of a design does.

    Args:
        normal_map: The solved normals, the card's edges about parallel to the picture's.
        mm_per_px: The size of a pixel on the card; the normal map's own where left out.
        mask: (h, w), true on the card; its rim is left out. Where left out, all that is solved.
        settings: What counts as a defect.
        report: Where ticks go; it may raise `Cancelled`.

    Returns:
        The finds, the surest first.

    Raises:
        DataError: If the size of a pixel is not known, or nothing is solved.
    """
    size = pixel_size(normal_map.mm_per_px if mm_per_px is None else mm_per_px)
    report(Tick(task=TASK, done=0, total=_steps(settings), note="slopes"))
    field = prepare(normal_map, mm_per_px=size, mask=mask, settings=settings)
    found = search(field, settings=settings, report=report)
    judged = (_judged(each, normal_map.unreliable) for each in found)
    foil = bool(normal_map.unreliable.any())
    return tuple(_on_foil(each) if foil and each.label in DEEP else each for each in judged)


def _steps(settings: DefectSettings) -> int:
    return len(settings.line_scales_mm) + 3


def search(field: Field, *, settings: DefectSettings = DEFAULTS, report: Report = silent) -> tuple[SurfaceDefect, ...]:
    """Long straight lines, then lines and pits by their evidence; what lies on a surer find is left out.

    Args:
        field: From `prepare`, or slopes of another origin.
        settings: What counts as a defect.
        report: Where ticks go.

    Returns:
        The finds, the surest first.
    """
    total = _steps(settings)
    taken = _Taken(field)
    report(Tick(task=TASK, done=1, total=total, note="straight lines"))
    found = list(_factory_lines(field, settings, taken)) if field.in_micrometres else []
    lines: list[Course] = []
    for done, scale in enumerate(settings.line_scales_mm, start=2):
        report(Tick(task=TASK, done=done, total=total, note="lines"))
        lines += lines_at(field, scale, settings)
    report(Tick(task=TASK, done=total - 1, total=total, note="pits"))
    sigmas = tuple(scale / field.mm_per_px for scale in settings.pit_scales_mm)
    block = BLOCK_MM / field.mm_per_px
    pits = blobs(
        field.relief, field.logs, field.scatter, field.inner,
        sigmas_px=sigmas, block_px=block, least=settings.pit_score,
    )  # fmt: skip
    paths: list[Floats] = []
    parts: list[SurfaceDefect] = []
    for evidence, each in _ranked(lines, pits, settings):
        if isinstance(each, Blob):
            pit = _pit(each, evidence, field, settings, taken)
            found += [] if pit is None else [pit]
        elif (line := _line(each, evidence, field, settings, taken)) is not None:
            parts.append(line[0])
            paths.append(line[1])
    found += _linked(parts, paths, field, settings)
    report(Tick(task=TASK, done=total, total=total, metrics={"found": len(found)}))
    return tuple(sorted(map(_from_the_corner, found), key=lambda each: -each.confidence))


def _from_the_corner(found: SurfaceDefect) -> SurfaceDefect:
    """In coordinates that count from the corner of the first pixel, as everywhere outside, not from its centre."""
    return replace(found, polygon=tuple((x + 0.5, y + 0.5) for x, y in found.polygon))


def _ranked(
    lines: Iterable[Course], pits: Iterable[Blob], settings: DefectSettings
) -> Iterator[tuple[float, Course | Blob]]:
    """What passes the thresholds, with its evidence over the threshold, the surest first."""
    ranked: list[tuple[float, Course | Blob]] = [
        (evidence_of(line) / settings.line_evidence, line)
        for line in lines
        if np.abs(line.scores).mean() >= settings.line_score
    ]
    ranked += [(abs(pit.score) / settings.pit_score, pit) for pit in pits]
    ranked.sort(key=lambda pair: -pair[0])
    yield from (pair for pair in ranked if pair[0] >= 1)


class _Taken:
    """Where finds lie already, on a grid of 0.1 mm."""

    def __init__(self, field: Field) -> None:
        self.step = max(1.0, 0.1 / field.mm_per_px)
        self.grid = np.zeros([int(size / self.step) + 2 for size in field.core.shape], np.uint8)

    def share(self, points: Floats) -> float:
        """Share of the points (n, 2) that lie on a find."""
        return float(self.holds(points).mean())

    def holds(self, points: Floats) -> Mask:
        """Which of the points (n, 2) lie on a find."""
        at = (points / self.step).astype(int)
        rows, columns = at[:, 1].clip(0, len(self.grid) - 1), at[:, 0].clip(0, self.grid.shape[1] - 1)
        return np.asarray(self.grid[rows, columns] > 0)

    def add(self, ring: tuple[Point, ...], margin_px: float) -> None:
        """Take the place of a polygon and a margin around it."""
        import cv2

        corners = np.round(np.array(ring) / self.step - 0.5).astype(np.int32)
        cv2.fillPoly(self.grid, [corners], 1)
        cv2.polylines(self.grid, [corners], True, 1, thickness=max(1, round(2 * margin_px / self.step)))


def _confidence(evidence: float) -> float:
    """From evidence over its threshold: 0.5 at the threshold, 0.75 at twice that, 0.94 at four times."""
    return float(1 - 0.5**evidence)


def _line(
    course: Course, evidence: float, field: Field, settings: DefectSettings, taken: _Taken
) -> tuple[SurfaceDefect, Floats] | None:
    """A line and its smooth course, if it is one."""
    free = _free(course, taken)
    if free.mean() < 0.5:
        return None
    if not free.all():  # what the filter still feels of a surer find must not carry this one
        own = course.part(free)
        evidence = min(evidence, evidence_of(own) / settings.line_evidence)
        if evidence < 1 or np.abs(own.scores).mean() < settings.line_score:
            return None
    path = smooth_course(course.points)
    size = _measured(path, field, sigma_px=course.sigma_px, pit=float(course.scores.mean()) > 0)
    shaped = 2 * size.width_px <= min(_length(path), 1.3 * window_px(course.sigma_px))  # a line falls off to its sides
    if not (shaped and _stands_out(size, field, settings)):
        return None
    if field.in_micrometres:
        usual = usual_height(field.relief, path, sigma_px=course.sigma_px, mm_per_px=field.mm_per_px)
        if abs(size.height_um) < settings.line_over_usual * usual:
            return None
        size = replace(size, sigma_um=float(np.hypot(size.sigma_um, usual)))
    taken.add(size.outline, 0.1 / field.mm_per_px + _LOBES * course.sigma_px)
    wide = size.width_px * field.mm_per_px >= settings.crease_width_mm
    label = "crease" if wide and abs(size.height_um) >= settings.crease_height_um else "scratch"
    return _made(label, size, _length(path), evidence, field), path


def _linked(
    lines: list[SurfaceDefect], paths: list[Floats], field: Field, settings: DefectSettings
) -> Iterator[SurfaceDefect]:
    """Lines with the parts of one line as one: sizes are means by length, the confidence that of the surest part."""
    parts = [Part(path=b, height_um=a.height_um, label=a.label) for a, b in zip(lines, paths, strict=True)]
    for chain in chains(parts, gap_px=settings.gap_mm / field.mm_per_px):
        if len(chain) == 1:
            yield lines[chain[0][0]]
            continue
        own = [lines[number] for number, _ in chain]
        share = np.array([each.length_mm for each in own])
        share /= share.sum()
        path = joined_path(parts, chain)
        width = float(share @ [each.width_mm for each in own])
        yield replace(
            max(own, key=lambda each: each.confidence),
            polygon=band_outline(path, max(width / field.mm_per_px, 2.0) / 2 + 1.0),
            length_mm=_length(path) * field.mm_per_px,
            width_mm=width,
            height_um=float(share @ [each.height_um for each in own]),
            height_sigma_um=float(np.sqrt(share @ [each.height_sigma_um**2 for each in own])),
            notes=(*dict.fromkeys(note for each in own for note in each.notes), f"seen in {len(own)} parts"),
        )


def _free(course: Course, taken: _Taken) -> Mask:
    """Which points of a course the line filter, which reaches along it, sees without any other find."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(course.points, axis=0), axis=1))])
    held = along[taken.holds(course.points)]
    if not len(held):
        return np.ones(len(along), np.bool_)
    after = np.searchsorted(held, along)
    gap = np.minimum(
        np.abs(along - held[np.maximum(after - 1, 0)]), np.abs(held[np.minimum(after, len(held) - 1)] - along)
    )
    return np.asarray(gap > REACH * course.sigma_px)


def _measured(path: Floats, field: Field, *, sigma_px: float, pit: bool) -> Size:
    sd = _slope_sd(field, path)
    return line_size(field.relief, path, sigma_px=sigma_px, slope_sd=sd, mm_per_px=field.mm_per_px, pit=pit)


def _stands_out(size: Size, field: Field, settings: DefectSettings, *, faint: bool = False) -> bool:
    """Whether the relief itself, not only the filter, shows it: a photo's own units cannot say."""
    if not field.in_micrometres:
        return True
    wide = size.width_px * field.mm_per_px >= settings.crease_width_mm
    least = settings.least_wide_um if wide and not faint else settings.least_height_um
    return abs(size.height_um) >= max(least, 3 * size.sigma_um)


def _length(path: Floats) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _pit(blob: Blob, evidence: float, field: Field, settings: DefectSettings, taken: _Taken) -> SurfaceDefect | None:
    turn = 2 * np.pi * np.arange(8) / 8
    middle = np.array([blob.x, blob.y])
    ring = middle + blob.sigma_px * np.column_stack([np.cos(turn), np.sin(turn)])
    if blob.roundness < 0.2 or taken.share(np.vstack([ring, middle])) > 0.3:
        return None
    sd = _slope_sd(field, ring)
    pit = blob.score > 0
    size, length = pit_size(
        field.relief, x=blob.x, y=blob.y, sigma_px=blob.sigma_px, slope_sd=sd, mm_per_px=field.mm_per_px, pit=pit
    )
    if not _stands_out(size, field, settings):
        return None
    taken.add(size.outline, 0.1 / field.mm_per_px + _LOBES * blob.sigma_px)
    return _made("dent", size, length, evidence, field)


def _factory_lines(field: Field, settings: DefectSettings, taken: _Taken) -> Iterator[SurfaceDefect]:
    """Roller lines of the relief, then print lines of the albedo where the relief shows none."""
    for scale in _ROLLER_SCALES_MM:
        for each in straight_in(field.relief, field, scale, settings):
            yield from _factory("roller_line", each, field, settings, taken, scale / field.mm_per_px)
    if field.logs is not None and not field.core.all() and field.mm_per_px <= _PRINT_PX_MM:
        across, up = (each * field.core for each in print_gradient(field.logs))
        found = [
            made
            for each in straight_in((across, up), field, _PRINT_SCALE_MM, settings)
            if each.reaches
            for made in _factory("print_line", each, field, settings, taken, _PRINT_SCALE_MM / field.mm_per_px)
        ]
        yield from _alone(found)


def _alone(found: list[SurfaceDefect]) -> list[SurfaceDefect]:
    """Print lines without a raster's: rows of halftone are as straight and even, but there are many alike of them."""
    if len(found) <= _MOST_LINES:
        return found
    evidence = -np.log2(1 - np.minimum([each.confidence for each in found], 1 - 1e-9))
    keep = evidence > _OVER_RASTER * np.median(evidence)
    return [each for each, alone in zip(found, keep, strict=True) if alone]


def _factory(  # noqa: PLR0917 - a private step
    label: str, line: Straight, field: Field, settings: DefectSettings, taken: _Taken, sigma_px: float
) -> Iterator[SurfaceDefect]:
    length = _length(line.points)
    side = field.core.shape[0] if abs(line.points[1, 1] - line.points[0, 1]) > length / 2 else field.core.shape[1]
    if length < settings.straight_share * side or line.covered < 0.8:
        return
    path = smooth_course(line.points)
    if taken.share(path) > 0.5:
        return
    size = _measured(path, field, sigma_px=sigma_px, pit=line.score > 0)
    if label == "roller_line":
        usual = usual_height(field.relief, path, sigma_px=sigma_px, mm_per_px=field.mm_per_px)
        high = settings.line_over_usual * usual <= abs(size.height_um) <= settings.roller_height_um
        if not (high and _stands_out(size, field, settings, faint=True)):
            return
        reach = size.width_px / 2 + 0.3 / field.mm_per_px
        if field.logs is not None and print_along(field.logs, path, reach_px=reach, mm_per_px=field.mm_per_px) > 0.2:
            return  # what a frame's edge leaks is as straight and as long
    elif field.logs is None or not _is_even(line_contrast(field.logs, path, mm_per_px=field.mm_per_px)):
        return
    taken.add(size.outline, 0.1 / field.mm_per_px + sigma_px)
    yield _made(label, size, length, abs(line.score) / settings.straight_score, field)


def _is_even(contrast: Floats) -> bool:
    """Whether a line is of one sign and about one contrast all along: a design's own lines and edges change or end.

    A print line lies over all colours with the press's one fault; a design's line that crosses the picture meets other
    colours at its sides, so that its contrast jumps.
    """
    if not len(contrast):
        return False
    middle = float(np.median(contrast))
    spread = float(np.median(np.abs(contrast - middle))) / NORMAL_MAD
    alike = float((contrast * np.sign(middle) > 0).mean())
    return alike >= 0.85 and spread <= 0.8 * abs(middle) and 0.01 <= abs(middle) <= 0.7


def _slope_sd(field: Field, points: Floats) -> float:
    """Of the slopes around points, from the differences of neighbours, which relief hardly reaches."""
    left, top = np.floor(points.min(axis=0)).astype(int) - 20
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + 20
    part = field.relief[0][max(0, top) : bottom, max(0, left) : right]
    steps = np.abs(np.diff(part, axis=1))
    steps = steps[steps > 0]
    return float(np.median(steps)) / NORMAL_MAD / np.sqrt(2) if steps.size else 0.0


def _made(label: str, size: Size, length_px: float, evidence: float, field: Field) -> SurfaceDefect:
    return SurfaceDefect(
        label=label,
        polygon=size.outline,
        length_mm=length_px * field.mm_per_px,
        width_mm=size.width_px * field.mm_per_px,
        height_um=size.height_um,
        height_sigma_um=size.sigma_um,
        confidence=_confidence(evidence),
        origin="factory" if label in FACTORY else "handling",
        notes=(NARROW,) if field.in_micrometres and label != "print_line" and size.width_px < _RESOLVED_PX else (),
    )


def _judged(found: SurfaceDefect, unreliable: Mask) -> SurfaceDefect:
    """With a word on whether most of its outline lies where the surface shines like foil."""
    at = np.floor(np.array(found.polygon)).astype(int)
    rows, columns = at[:, 1].clip(0, unreliable.shape[0] - 1), at[:, 0].clip(0, unreliable.shape[1] - 1)
    return replace(found, unreliable=bool(unreliable[rows, columns].mean() > 0.5))


def _on_foil(found: SurfaceDefect) -> SurfaceDefect:
    """With a sigma that covers how foil stretches slopes, and a word on it."""
    sigma = float(np.hypot(found.height_sigma_um, _FOIL_SD * found.height_um))
    return replace(found, height_sigma_um=sigma, notes=(*found.notes, ON_FOIL))


def to_records(
    defects: Iterable[SurfaceDefect], *, file_name: str, width: int, height: int, card: str | None = None
) -> ImageRecord:
    """Finds as the annotations of one image, for a dataset of surface damage or photometric fusion.

    Args:
        defects: The finds.
        file_name: The image they belong to, relative to the images folder.
        width: Its columns, those of the frames.
        height: Its rows.
        card: The physical card, where known.

    Returns:
        The image with an outline, a box and a score for each find; parts beyond the image are cut off.

    Example:
        >>> to_records([], file_name="a.png", width=10, height=10).annotations
        ()
    """
    made = []
    for each in defects:
        ring = tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in each.polygon)
        area = polygon_area(ring)
        if area <= 0:
            continue
        outline, box = Polygon(ring), bounds(ring)
        made.append(Annotation(label=each.label, box=box, polygons=(outline,), score=each.confidence, area=area))
    return ImageRecord(file_name=file_name, width=width, height=height, annotations=tuple(made), card=card)


__all__ = ["DEFAULTS", "DefectSettings", "Slopes", "find_defects", "search", "to_records"]
