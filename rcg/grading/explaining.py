"""What holds a grade down: what would be gained if it were not there, and the figure behind it in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rcg.grading.figures import FACES, unit
from rcg.grading.rules import Judged, Place, overall
from rcg.grading.sampling import FaceDraws
from rcg.grading.standard import Column, Standard
from rcg.grading.types import SUBGRADES, Limit

_GAIN = 0.01  # points; below it nothing is said
_HALF = 0.5


def limits(standard: Standard, judged: Judged, faces: Mapping[str, FaceDraws]) -> tuple[Limit, ...]:
    """What holds the grade down, the most limiting first.

    An area is lifted to its best on both faces, or a cap taken away, and the gain in the mean grade counted. Where
    several areas hold the card at the same step, lifting one alone gains nothing; then those are told that lie lowest.
    """
    base = overall(standard, judged)
    found: list[tuple[float, float, int, Limit]] = []
    for order, area in enumerate(SUBGRADES):
        places = [(face, area) for face in FACES if (face, area) in judged.by_figure]
        level = [each for place in places if (each := judged.level(place)) is not None]
        if not level:
            continue
        grade = np.array(standard.steps)[np.maximum.reduce(level)]
        gain = float((overall(standard, judged, lift=places) - base).mean())
        holds = float(((grade <= base) & (grade < standard.steps[0])).mean())
        if gain > _GAIN or holds > _HALF:
            face = _face(standard, judged, places, gain)
            found.append((gain, holds, -order, _area_limit(standard, judged, faces, area, face)))
    found += [
        (gain, 1.0, 1, _cap_limit(standard, faces, place))
        for place in range(len(standard.caps))
        if (gain := float((overall(standard, judged, uncapped=place) - base).mean())) > _GAIN
    ]
    return tuple(limit for *_, limit in sorted(found, key=lambda each: each[:3], reverse=True))


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
