"""One face of a card measured whole: located, its 24 points, its corners and edges, its surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rcg.card_specs import CardSpec
from rcg.errors import DataError
from rcg.images import Pixels
from rcg.measuring.types import MEASURED, UNDETERMINED, Centering, FaceMeasurement, Outline, Surface
from rcg.photometric.types import SurfaceDefect
from rcg.progress import Report, Tick, silent, tracked

_STEPS = ("looking for the card", "centering", "corners and edges", "surface")
LEAST_PX_MM = 4.0
"""Pixels a millimetre of the card below which no centering is given: a border of 2.5 mm is 10 px then, and a third of a
pixel on either line is a point of the ratio and more."""
_LEAST_PX = 32
"""A picture with a shorter side than this holds no card that could be told from its ground."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finds:
    """What frames under several lights showed of a card's surface.

    Attributes:
        defects: As `rcg.photometric.defects.find_defects` gives them, in pixels of the frames.
        outline: Where the card lies in the frames.
        share_judged: Share of the face with a normal that can be trusted, 0 to 1.
        notes: What the user should know of the measurement.
    """

    defects: tuple[SurfaceDefect, ...]
    outline: Outline
    share_judged: float = 1.0
    notes: tuple[str, ...] = ()


def measure_face(
    pixels: Pixels,
    *,
    spec: CardSpec | None = None,
    reference: Pixels | None = None,
    every: bool = False,
    finds: Finds | None = None,
    adjust: Callable[[FaceMeasurement], FaceMeasurement] | None = None,
    report: Report = silent,
) -> tuple[FaceMeasurement, ...]:
    """Measure one face of the card in a picture, or of every card.

    Args:
        pixels: (h, w, 3) uint8 sRGB, or (h, w) grey; EXIF orientation applied.
        spec: The card's stock; guessed from its proportions unless given.
        reference: (h, w, 3) uint8, the official picture of the print, by which a borderless card is centred.
        every: Whether all cards are wanted, in reading order, and not the largest alone.
        finds: What frames under several lights showed of the same card; the photo alone is looked at where None.
        adjust: Called with the face once its lines are known and before its wear is read; it may set lines anew.
        report: Where the progress goes.

    Returns:
        One for each card; where there is none, one that says why and what to do.

    Raises:
        DataError: If the array is no picture.

    Example:
        >>> measure_face(np.zeros((40, 30, 3), np.uint8))[0].status
        'undetermined'
    """
    pixels = _checked(pixels)
    height, width = pixels.shape[:2]
    if min(width, height) < _LEAST_PX:
        reason = f"the picture has only {width} x {height} pixels"
        return (_no_card(pixels, reason, "take a photo in which the card is at least 1,000 pixels high"),)
    from rcg.measuring.locating import find_outlines

    report(Tick(task="measure", done=0, total=len(_STEPS), note=_STEPS[0]))
    found = find_outlines(pixels, spec=spec, every=every)
    if not found.outlines:
        return (_no_card(pixels, found.reason, found.fix),)
    steps = _Steps(reference=reference, finds=finds, adjust=adjust)
    if not every:
        return (_measured(pixels, found.outlines[0], steps, report=report),)
    cards = tracked(found.outlines, task="cards", report=report)
    return tuple(_measured(pixels, each, steps, report=silent) for each in cards)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Steps:
    """What the steps after the locating are given."""

    reference: Pixels | None
    finds: Finds | None
    adjust: Callable[[FaceMeasurement], FaceMeasurement] | None


def _measured(pixels: Pixels, outline: Outline, steps: _Steps, *, report: Report) -> FaceMeasurement:
    """All that is known of one card whose cut edge was found."""
    from rcg.measuring.centering import measure_centering

    def tell(done: int) -> None:
        note = _STEPS[done] if done < len(_STEPS) else ""
        report(Tick(task="measure", done=done, total=len(_STEPS), note=note))

    tell(1)
    height, width = pixels.shape[:2]
    lines = [float(np.linalg.norm(outline.quad[at] - outline.quad[at - 1])) for at in range(4)]
    px_mm = sum(lines) / (2 * (outline.spec.width + outline.spec.height))
    fine = px_mm >= LEAST_PX_MM
    centering = measure_centering(pixels, outline, reference=steps.reference) if fine else _too_coarse(px_mm, outline)
    face = FaceMeasurement(
        status=MEASURED, width=width, height=height, px_mm=px_mm, outline=outline, centering=centering
    )
    if steps.adjust is not None:
        face = steps.adjust(face)
    tell(2)
    face = with_wear(pixels, face)
    tell(3)
    notes = () if steps.finds is None else tuple(f"frames: {each}" for each in steps.finds.notes)
    face = replace(face, surface=_surface(pixels, face, steps.finds), notes=(*face.notes, *notes))
    tell(4)
    return face


def _too_coarse(px_mm: float, outline: Outline) -> Centering:
    """No centering, since a border of a few pixels gives none."""
    rows = f"the card is only {px_mm * outline.spec.height:.0f} pixels high in the picture"
    fix = "go closer or scan finer, so that it is 1,000 or more pixels high"
    unknown = np.full((4, 3), np.nan)
    return Centering(status=UNDETERMINED, reason=f"{rows}; {fix}", widths=unknown, width_sigma=unknown[:, 0])


def with_wear(pixels: Pixels, face: FaceMeasurement) -> FaceMeasurement:
    """The same face with its corners and edges read along its lines as they are now.

    Args:
        pixels: (h, w, 3) uint8, that was measured.
        face: A face with an outline; one without is given back as it is.
    """
    from rcg.measuring.corners import measure_corners
    from rcg.measuring.edges import measure_edges

    if face.outline is None:
        return face
    inner = None if face.centering is None else face.centering.inner_quad
    corners = measure_corners(pixels, face.outline, inner_quad=inner)
    return replace(face, corners=corners, edges=measure_edges(pixels, face.outline, inner_quad=inner))


def _surface(pixels: Pixels, face: FaceMeasurement, finds: Finds | None) -> Surface:
    from rcg.measuring.surface import measure_surface, surface_from_finds

    if face.outline is None:
        return face.surface
    photo = measure_surface(pixels, face.outline, centering=face.centering)
    if finds is None:
        return photo
    return surface_from_finds(
        finds.defects, finds.outline, share_judged=finds.share_judged, photo=photo, shown_in=face.outline
    )


def _no_card(pixels: Pixels, reason: str, fix: str) -> FaceMeasurement:
    height, width = pixels.shape[:2]
    return FaceMeasurement(status=UNDETERMINED, reason=reason, fix=fix, width=width, height=height)


def _checked(pixels: Pixels) -> Pixels:
    """The picture with three channels.

    Raises:
        DataError: If the array is no picture.
    """
    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) not in {2, 3} or (len(shape) == 3 and shape[2] != 3) or 0 in shape:
        what = f"an array of {pixels.dtype} with the shape {shape} is no picture"
        raise DataError(what, fix="give (height, width, 3) uint8 RGB, as rcg.images.read_image reads it")
    return np.repeat(pixels[..., None], 3, axis=2) if len(shape) == 2 else pixels
