"""Grades from measured faces: a distribution over each standard's steps, and what it rests on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.grading.explaining import limits
from rcg.grading.figures import CENTERING, CORNERS, EDGES, FACES
from rcg.grading.marks import all_marks
from rcg.grading.rules import Judged, area_grades, face_levels, judge, level_under, overall, rounded
from rcg.grading.sampling import WORSE_SHIFT, FaceDraws, draw_face
from rcg.grading.standard import WEIGHTED, Qualifier, Standard
from rcg.grading.standard_files import read_standards
from rcg.grading.types import SUBGRADES, Distribution, Grade
from rcg.measuring.types import MEASURED, UNDETERMINED, FaceMeasurement

Floats = NDArray[np.float64]

PARTLY = "partly"
_LIKELY = 0.5


def grade_faces(
    front: FaceMeasurement,
    back: FaceMeasurement | None = None,
    *,
    standards: Mapping[str, Standard] | None = None,
    altered: Collection[str] = (),
    seed: int = 0,
    draws: int = 4000,
    size_error: float = 0.1,
) -> tuple[Grade, ...]:
    """Grade a card under each standard.

    What was measured is drawn many times over within its errors (`rcg.grading.sampling` says what is assumed), and each
    draw graded; the shares of the steps are the grade. The same input, seed and number of draws give the same bytes.

    Without the front's centering, or with neither its corners nor its edges, there is no number. Where anything else is
    not known, it is taken to be perfect and the grade's status is "partly": the best that the card can be.

    Args:
        front: As measured.
        back: As measured; None where there is no picture of it.
        standards: By name; the package's own by default.
        altered: What a person knows to have been done to the card, such as "trimmed"; no picture tells for certain.
        seed: Of the draws.
        draws: How many; 4000 give a probability of one half within 0.8 % (one standard deviation).
        size_error: One standard deviation of a mark's size, as a share of it.

    Returns:
        One grade for each standard, in the order of their names.

    Raises:
        ConfigError: If there are fewer than 100 draws.

    Example:
        >>> from rcg.measuring import FaceMeasurement
        >>> nothing = FaceMeasurement(status="undetermined", reason="no card was found", width=9, height=9)
        >>> [(each.standard, each.status) for each in grade_faces(nothing)][:2]
        [('ags', 'undetermined'), ('bgs', 'undetermined')]
    """
    if draws < 100:
        raise ConfigError(f"{draws} draws are too few to tell a distribution", fix="give 100 or more; 4000 do well")
    known = read_standards() if standards is None else standards
    faces = [
        draw_face(each, name, seed=seed, draws=draws, size_error=size_error)
        for name, each in zip(FACES, (front, back), strict=True)
        if each is not None
    ]
    shown = {mark.label for face in (front, back) if face is not None for mark in all_marks(face)}
    return tuple(_grade(known[name], faces, {*altered, *shown}) for name in sorted(known))


def distribution(values: Floats) -> Distribution:
    """The shares of equally likely draws.

    Example:
        >>> distribution(np.array([9.0, 9.0, 8.0, 9.0])).probabilities
        (0.25, 0.75)
    """
    steps, counts = np.unique(values, return_counts=True)
    return Distribution(
        steps=tuple(float(each) for each in steps),
        probabilities=tuple(float(each) / len(values) for each in counts),
    )


def _grade(standard: Standard, faces: Sequence[FaceDraws], altered: Collection[str]) -> Grade:
    judged = judge(standard, faces)
    drawn = {each.face: each for each in faces}
    not_judged = _not_judged(standard, drawn)
    areas = {
        f"{face} {area}": distribution(np.array(standard.steps)[level])
        for face in FACES
        for area in SUBGRADES
        if (level := judged.level((face, area))) is not None
    }
    reason = _no_number(standard, drawn, altered)
    if reason:
        return Grade(standard=standard.name, title=standard.title, status=UNDETERMINED, reason=reason,
                     subgrades=_subgrades(standard, judged), areas=areas, not_judged=not_judged)  # fmt: skip
    whole = overall(standard, judged)
    qualifiers = _qualifiers(standard, judged, faces, whole)
    partly = _why_partly(standard, drawn)
    return Grade(
        standard=standard.name,
        title=standard.title,
        status=PARTLY if partly else MEASURED,
        reason=partly,
        overall=distribution(whole),
        subgrades=_subgrades(standard, judged),
        limits=limits(standard, judged, drawn),
        qualifiers=tuple(each.code for each in qualifiers),
        without_qualifiers=_unqualified(standard, judged, qualifiers),
        not_judged=not_judged,
        areas=areas,
        labels=_labels(standard, judged, whole),
    )


def _no_number(standard: Standard, faces: Mapping[str, FaceDraws], altered: Collection[str]) -> str:
    """Why there is no number at all; "" where there is one."""
    done = sorted({each for each in altered if each in standard.no_grade})
    if done:
        return f"{standard.title} gives no number to a card that is {_listed(done)}"
    blind = faces["front"].blind
    share = faces["front"].figure("centering.share", ratio=standard.ratio, borderless_mm=standard.borderless_mm)
    if share is None:
        why = blind.get(CENTERING, "without borders there is a shift, but no ratio")
        return f"the front's centering is not known: {why}"
    if CORNERS in blind and EDGES in blind:
        return f"neither the front's corners nor its edges could be judged: {blind[CORNERS]}"
    return ""


def _not_judged(standard: Standard, faces: Mapping[str, FaceDraws]) -> tuple[str, ...]:
    """All that was not looked at, with the reason."""
    told = []
    for face in FACES:
        if face not in faces:
            told.append(f"{face}: no picture of it was given")
            continue
        told += [f"{face} {area}: {reason}" for area, reason in faces[face].blind.items()]
        told += faces[face].partial
        if WORSE_SHIFT in faces[face].figures:
            told.append(f"{face} centering: without borders there is no ratio; the shift stands for it")
    unseen = [f"{each.title} ({each.code})" for each in standard.qualifiers if not each.figures]
    if unseen:
        told.append(f"{_listed(unseen)}: nothing measures them yet")
    if standard.no_grade:
        told.append(f"whether the card is {_listed(standard.no_grade, 'or')}: pictures do not tell; say so if you know")
    return tuple(told)


def _why_partly(standard: Standard, faces: Mapping[str, FaceDraws]) -> str:
    """Why a number is only the best that the card can be; "" where it is more than that."""
    parts = []
    if "back" not in faces and standard.needs_back:
        parts.append("the back was not given")
    for face, each in faces.items():
        if each.blind:
            parts.append(f"of the {face}, {_listed(each.blind)} could not be judged")
        elif each.partial or WORSE_SHIFT in each.figures:
            parts.append(f"of the {face}, not everything could be judged")
    return f"the best that the card can be: {'; '.join(parts)}" if parts else ""


def _listed(words: Collection[str], last: str = "and") -> str:
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def _subgrades(standard: Standard, judged: Judged) -> dict[str, Distribution]:
    """Those that the company prints, of the areas that were judged."""
    if not standard.prints_subgrades or not judged.by_figure:
        return {}
    grades = area_grades(standard, face_levels(judged))
    if standard.rule.kind == WEIGHTED:
        grades = rounded(grades, standard.rule.rounding)
    enough = all if standard.rule.kind == WEIGHTED else any  # a mean with a face that was not seen is no sub-grade
    known = [area for area in SUBGRADES if enough(judged.level((face, area)) is not None for face in FACES)]
    return {area: distribution(grades[SUBGRADES.index(area)]) for area in known}


def _qualifiers(standard: Standard, judged: Judged, faces: Sequence[FaceDraws], whole: Floats) -> tuple[Qualifier, ...]:
    """Those that are more likely than not."""
    return tuple(each for each in standard.qualifiers if _share(standard, judged, faces, whole, each) > _LIKELY)


def _share(
    standard: Standard, judged: Judged, faces: Sequence[FaceDraws], whole: Floats, qualifier: Qualifier
) -> float:
    """How probable it is that a qualifier is given."""
    if not qualifier.figures:
        return 0.0
    if qualifier.above:
        over = [
            known[0] > above
            for face in faces
            for figure, above in zip(qualifier.figures, qualifier.above, strict=True)
            if (known := face.figure(figure, ratio=standard.ratio, borderless_mm=standard.borderless_mm)) is not None
        ]
        return float(np.logical_or.reduce(over).mean()) if over else 0.0
    lifted = np.minimum(overall(standard, judged, without=qualifier.figures), qualifier.most)
    return float((lifted - whole >= qualifier.drop).mean())


def _unqualified(standard: Standard, judged: Judged, qualifiers: Sequence[Qualifier]) -> Distribution | None:
    """The grade beside the qualifiers: a whole step, for none is given with a half one."""
    if not qualifiers:
        return None
    without = [figure for each in qualifiers for figure in each.figures]
    most = min(each.most for each in qualifiers)
    whole = np.floor(np.minimum(overall(standard, judged, without=without), most))
    return distribution(np.array(standard.steps)[level_under(standard, whole)])


def _labels(standard: Standard, judged: Judged, whole: Floats) -> tuple[tuple[str, float], ...]:
    """Names that tell apart what the number alone does not."""
    levels, steps = face_levels(judged), np.array(standard.steps)
    lowest = steps[levels.max(axis=0)].min(axis=0)
    found = [(name, float(((lowest >= step) & (whole >= step)).mean())) for name, step in standard.labels]
    worst = levels.max(axis=(0, 1))
    found += [
        (standard.names[n], float(((worst == n) & (whole == step)).mean()))
        for n, step in enumerate(standard.steps)
        if standard.steps.count(step) > 1
    ]
    return tuple(each for each in found if each[1] > 0)
