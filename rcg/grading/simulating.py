"""A measurement with errors of a known size: what an instrument of these sigmas would make of an exact face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rcg.grading.amounts import FREEDOM
from rcg.measuring.types import Centering, CornerWear, EdgeWear, FaceMeasurement, Mark, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Standard deviations of an instrument.

    Attributes:
        ratio: Of the mean ratio, in points.
        rotation: Degrees.
        whitening: mm of a corner's depth; what a face's corners and sides have in common is a third of the variance.
        shape: mm of a corner's radius, of a side's deepest place; mm2 of missing stock.
        edge: mm of a side's mean whitening.
        size: Of a mark's size, as a share of it.
        relative: Added to each figure's sigma, as a share of the figure.
        freedom: Degrees of freedom of Student's t that the errors of ratio and rotation follow; infinite for normal
            ones. Those of wear are normal: what is clean is mostly read as clean, and no far error is met there.
    """

    ratio: float = 0.5
    rotation: float = 0.04
    whitening: float = 0.03
    shape: float = 0.06
    edge: float = 0.006
    size: float = 0.1
    relative: float = 0.08
    freedom: float = FREEDOM


def noisy_face(face: FaceMeasurement, rng: np.random.Generator, errors: Errors | None = None) -> FaceMeasurement:
    """An exact face as an instrument would give it, with its sigmas.

    Args:
        face: Without error, such as `rcg.grading.true_face` gives.
        rng: Where the errors come from.
        errors: How large they are.
    """
    size = errors or Errors()
    common = float(rng.standard_normal())
    marks = {mark: _mark(mark, rng, size) for part in _marks(face) for mark in part}
    return replace(
        face,
        centering=None if face.centering is None else _centering(face, face.centering, rng, size),
        corners=tuple(_corner(each, common, rng, size, marks) for each in face.corners),
        edges=tuple(_edge(each, common, rng, size, marks) for each in face.edges),
        surface=replace(face.surface, marks=tuple(marks[each] for each in face.surface.marks)),
    )


def _marks(face: FaceMeasurement) -> tuple[tuple[Mark, ...], ...]:
    return (face.surface.marks, *(each.marks for each in face.corners), *(each.marks for each in face.edges))


def _centering(face: FaceMeasurement, true: Centering, rng: np.random.Generator, size: Errors) -> Centering:
    """The borders shifted by the ratio's error and turned by the rotation's, and all that follows from them."""
    if face.outline is None or not np.isfinite(true.widths).all():
        return true
    spec, widths = face.outline.spec, np.array(true.widths)
    turn = size.rotation * _far(rng, size)
    away = np.array([-0.28, 0.0, 0.28])
    for axis, (first, last) in enumerate(((0, 2), (1, 3))):
        total = float((widths[first] + widths[last]).mean())
        shift = size.ratio / 100 * total * _far(rng, size)
        lean = math.radians(turn) * away * (-spec.height if axis == 0 else spec.width)
        widths[first] += shift + lean
        widths[last] -= shift + lean
    left, top, right, bottom = widths
    shares = np.array([100 * left / (left + right), 100 * top / (top + bottom)])
    worst = [float(each[np.abs(each - 50).argmax()]) for each in shares]
    rotation = Value(true.rotation_deg.value + turn, size.rotation)
    return replace(
        true,
        widths=widths,
        width_sigma=np.full(4, size.ratio / 100 * 3),
        left_right=float(shares[0].mean()),
        top_bottom=float(shares[1].mean()),
        worst_left_right=worst[0],
        worst_top_bottom=worst[1],
        sigma=(size.ratio, size.ratio),
        rotation_deg=rotation,
    )


def _read(true: Value, sigma: float, deviate: float, *, relative: float = 0.0) -> Value:
    """A figure that cannot be read as below zero."""
    whole = math.hypot(sigma, relative * true.value)
    return Value(max(0.0, true.value + whole * deviate), whole)


def _far(rng: np.random.Generator, size: Errors) -> float:
    """One error in sigmas, with t's tails."""
    times = math.sqrt(size.freedom / float(rng.chisquare(size.freedom))) if math.isfinite(size.freedom) else 1.0
    return times * float(rng.standard_normal())


def _deviates(common: float, rng: np.random.Generator) -> float:
    return math.sqrt(1 / 3) * common + math.sqrt(2 / 3) * float(rng.standard_normal())


def _corner(
    true: CornerWear, common: float, rng: np.random.Generator, size: Errors, marks: dict[Mark, Mark]
) -> CornerWear:
    white, more = _deviates(common, rng), [float(each) for each in rng.standard_normal(2)]
    radius = Value(true.radius_error.value + size.shape * more[0], size.shape)
    return replace(
        true,
        whitening_depth=_read(true.whitening_depth, size.whitening, white, relative=size.relative),
        whitening_area=_read(true.whitening_area, size.whitening, white, relative=size.relative),
        radius_error=radius,
        missing_area=_read(true.missing_area, size.shape, more[1], relative=size.relative),
        marks=tuple(marks[each] for each in true.marks),
    )


def _edge(true: EdgeWear, common: float, rng: np.random.Generator, size: Errors, marks: dict[Mark, Mark]) -> EdgeWear:
    white, more = _deviates(common, rng), [float(each) for each in rng.standard_normal(2)]
    return replace(
        true,
        whitening_depth=_read(true.whitening_depth, size.edge, white, relative=size.relative),
        whitening_length=_read(true.whitening_length, 20 * size.whitening, white, relative=size.relative),
        whitening_area=_read(true.whitening_area, 20 * size.edge, white, relative=size.relative),
        deepest=_read(true.deepest, size.shape, more[0]),
        roughness=_read(true.roughness, size.edge, more[1], relative=size.relative),
        marks=tuple(marks[each] for each in true.marks),
    )


def _mark(true: Mark, rng: np.random.Generator, size: Errors) -> Mark:
    times = max(0.2, 1 + size.size * float(rng.standard_normal()))
    relief = None if true.relief_um is None else Value(true.relief_um.value * times, 0.0)
    return replace(
        true, length_mm=true.length_mm * times, area_mm2=true.area_mm2 * times**2, relief_um=relief
    )  # fmt: skip


def pit(probabilities: Sequence[float], steps: Sequence[float], true: float, uniform: float) -> float:
    """Where a true step lies in a distribution over steps, 0 to 1; evenly spread where the distributions are right.

    The probability integral transform, randomised within the step (Czado, Gneiting and Held, Biometrics 65, 2009).

    Args:
        probabilities: Of the steps.
        steps: Lowest first.
        true: The step that it is.
        uniform: A number from 0 to 1, drawn.

    Example:
        >>> pit((0.25, 0.75), (8.0, 9.0), 9.0, 0.5)
        0.625
    """
    below = sum(each for each, step in zip(probabilities, steps, strict=True) if step < true - 1e-9)
    at = sum(each for each, step in zip(probabilities, steps, strict=True) if abs(step - true) <= 1e-9)
    return below + uniform * at
