"""What holds a grade down: what would be gained if it were not there, and the figure behind it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rcg.grading.figures import FACES, unit
from rcg.grading.rules import Judged, Place, overall
from rcg.grading.sampling import FaceDraws
from rcg.grading.standard import BGS, LOWEST, Column, Standard
from rcg.grading.types import SUBGRADES, Limit

_GAIN = 0.01  # points; below it nothing is said
_HALF = 0.5

UNSEEN_BACK = "an unseen back could lift it"


def limits(standard: Standard, judged: Judged, faces: Mapping[str, FaceDraws]) -> tuple[Limit, ...]:
    """What holds the grade down, the most limiting first.

    An area is lifted to its best on both faces, or a cap taken away, and the gain in the mean grade counted. Where
    several areas hold the card at the same step, lifting one alone gains nothing; then those are told that lie lowest.
    Where the first alone allows more than the grade, the fewest areas that make it together come before it. A
    card that most likely has the best step is held down by nothing.
    """
    base = overall(standard, judged)
    grade = _usual(base)
    if grade >= standard.steps[0]:
        return ()
    found: list[tuple[float, float, int, Limit]] = []
    for order, area in enumerate(SUBGRADES):
        places = [(face, area) for face in FACES if (face, area) in judged.by_figure]
        level = [each for place in places if (each := judged.level(place)) is not None]
        if not level:
            continue
        alone = np.array(standard.steps)[np.maximum.reduce(level)]
        gain = float((overall(standard, judged, lift=places) - base).mean())
        holds = float(((alone <= base) & (alone < standard.steps[0])).mean())
        if gain > _GAIN or holds > _HALF:
            face = _face(standard, judged, places, gain)
            found.append((gain, holds, -order, _area_limit(standard, judged, faces, area, face)))
    found += [
        (gain, 1.0, 1, _cap_limit(standard, faces, place))
        for place in range(len(standard.caps))
        if (gain := float((overall(standard, judged, uncapped=place) - base).mean())) > _GAIN
    ]
    ranked = [limit for *_, limit in sorted(found, key=lambda each: each[:3], reverse=True)]
    told = [replace(each, note=_note(standard, judged, each, grade)) for each in ranked]
    less = [each for each in told if each.step < standard.steps[0]]  # the best step limits nothing by itself
    return (*_together(standard, judged, told, grade), *(less or told))


def _usual(grades: NDArray[np.float64]) -> float:
    """The most probable grade, the lower one of two that are equal."""
    steps, counts = np.unique(grades, return_counts=True)
    return float(steps[int(np.argmax(counts))])


def _note(standard: Standard, judged: Judged, limit: Limit, grade: float) -> str:
    """Why the grade is not the step that a limit allows; "" where it is."""
    if limit.step > grade:
        return f"taken alone; with what else is worn or not sure it comes to {grade:g}"
    if limit.step == grade or standard.rule.kind == LOWEST:
        return ""
    if standard.rule.kind == BGS:
        return "the other sub-grades lift the whole"
    if limit.what in SUBGRADES and ("back", limit.what) not in judged.by_figure:
        return UNSEEN_BACK
    return "the other areas and the other face lift the mean"


def _together(standard: Standard, judged: Judged, told: Sequence[Limit], grade: float) -> tuple[Limit, ...]:
    """The fewest areas that make the grade together, where it is lower than the first of them allows."""
    areas = [each for each in told if each.what in SUBGRADES]
    if not told or told[0].step <= grade:
        return ()
    for count in range(2, len(areas) + 1):
        gains = {each: _lifted(standard, judged, each) for each in combinations(areas, count)}
        best = max(gains, key=lambda each: float(gains[each].mean()))
        if _usual(gains[best]) > grade or count == len(areas):
            *first, last = [each.what for each in best]
            face = best[0].face if len({each.face for each in best}) == 1 else ""
            why = "; ".join(f"{each.what} alone {each.step:g} ({each.why.partition(';')[0]})" for each in best)
            return (Limit(what=f"{', '.join(first)} and {last} together", face=face, step=grade, why=why),)
    return ()


def _lifted(standard: Standard, judged: Judged, areas: Sequence[Limit]) -> NDArray[np.float64]:
    return overall(standard, judged, lift=[(face, each.what) for face in FACES for each in areas])


def _face(standard: Standard, judged: Judged, places: Sequence[Place], gain: float) -> str:
    """The face that does it; "" where both do."""
    if len(places) == 1:
        return places[0][0]
    base = overall(standard, judged)
    gains = [float((overall(standard, judged, lift=[place]) - base).mean()) for place in places]
    if gain > _GAIN:
        return places[int(np.argmax(gains))][0] if max(gains) > _HALF * gain else ""
    levels = [judged.level(place) for place in places]
    means = [0.0 if each is None else float(each.mean()) for each in levels]
    return places[int(np.argmax(means))][0] if abs(means[0] - means[1]) > _GAIN else ""


def _area_limit(standard: Standard, judged: Judged, faces: Mapping[str, FaceDraws], area: str, face: str) -> Limit:
    shown = [each for each in (FACES if not face else (face,)) if (each, area) in judged.by_figure]
    level = np.maximum.reduce([each for name in shown if (each := judged.level((name, area))) is not None])
    usual = int(np.bincount(level).argmax())
    worst = max(shown, key=lambda each: _mean(judged.level((each, area))))
    why = _why(standard, judged.by_figure[worst, area], faces[worst], area, usual)
    return Limit(what=area, face=face, step=standard.steps[usual], why=f"{worst} {why}")


def _mean(level: NDArray[np.int64] | None) -> float:
    return -1.0 if level is None else float(level.mean())


def _why(standard: Standard, figures: Mapping[str, NDArray[np.int64]], draws: FaceDraws, area: str, usual: int) -> str:
    """The figure that allows least, and what the next better step would allow."""
    figure = max(figures, key=lambda each: float(figures[each].mean()))
    known = draws.figure(figure, ratio=standard.ratio, borderless_mm=standard.borderless_mm)
    words = known[1] if known is not None else figure
    columns = next(each for each in standard.areas if each.name == area).columns(draws.face)
    column = next(each for each in columns if each.figure == figure)
    return f"{words}{_allowed(standard, column, usual)}"


def _allowed(standard: Standard, column: Column, usual: int) -> str:
    better = usual - 1
    if not 0 <= better < len(column.limits):
        return ""
    what = "" if column.figure.rpartition("_")[2] != "count" else " of them"
    end = f" {unit(column.figure)}" if unit(column.figure) else what
    return f"; {standard.names[better]} allows {column.limits[better]:g}{end}"


def _cap_limit(standard: Standard, faces: Mapping[str, FaceDraws], place: int) -> Limit:
    cap = standard.caps[place]
    having = [each for each in faces.values() if cap.figure in each.figures]
    worst = max(having, key=lambda each: float(each.figures[cap.figure].mean()))
    both = [each.face for each in having if float((each.figures[cap.figure] > cap.above).mean()) > _HALF]
    face = worst.face if len(both) < len(FACES) else ""
    return Limit(what=cap.what, face=face, step=cap.step, why=f"{worst.face}: {worst.words[cap.figure]}")
