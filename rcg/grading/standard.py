"""A grading standard as values: its steps, the limits of each, its caps, its qualifiers and its rule for the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

LOWEST, BGS, WEIGHTED = "lowest", "bgs", "weighted"
RULES = (LOWEST, BGS, WEIGHTED)
RATIOS = ("mean", "worst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one figure may be at most for each step.

    Attributes:
        figure: Its name with the area, such as "corners.whitening_depth".
        limits: For the first of the standard's steps, the best first; never falling. What is above the last of them
            gets the step that follows it.
    """

    figure: str
    limits: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One of the four sub-grades: the limits for either face.

    Attributes:
        name: One of `rcg.grading.types.SUBGRADES`.
        front: Columns for the front.
        back: Columns for the back.
    """

    name: str
    front: tuple[Column, ...]
    back: tuple[Column, ...]

    def columns(self, face: str) -> tuple[Column, ...]:
        """Those of "front" or "back"."""
        return self.front if face == "front" else self.back


@dataclass(frozen=True, slots=True, kw_only=True)
class Leeway:
    """How much a grader may overlook of the front's centering.

    Attributes:
        points: At most, in points of the larger share. How much it is on a day is not known: anything up to it is
            taken to be equally likely.
        lowest: The lowest step that has it.
        chance: How often a grader makes use of it at all, 0 to 1.
    """

    points: float
    lowest: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """What no card with such a fault gets above, whatever else it has.

    Attributes:
        what: The fault in words.
        figure: Its figure, with the area; of the worse face.
        above: The cap holds where the figure is above this.
        step: The highest grade then.
    """

    what: str
    figure: str
    above: float
    step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualifier:
    """A fault that may be named beside the grade in place of lowering it.

    Attributes:
        code: Such as "OC".
        title: In words.
        figures: What it takes out of the grade; empty where nothing here measures it.
        drop: It is named where the figures cost at least so many points of what could stand beside it.
        most: The highest grade that it is given with.
        above: In place of `drop`, one for each of the figures: it is named wherever one of them is above its limit,
            whatever it costs; empty for none.
    """

    code: str
    title: str
    figures: tuple[str, ...]
    drop: float = 3.0
    most: float = math.inf
    above: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the four areas of two faces make one grade.

    Attributes:
        kind: "lowest", the lowest of all; "bgs", the community's rule for BGS; "weighted", a mean of faces and areas.
        single: Of "lowest": steps that allow only one of corners, edges and surface to be at that step; two of them
            give the next lower one.
        front: Of "weighted": the front's weight, 0 to 1; the back has the rest.
        weights: Of "weighted": those of centering, corners, edges and surface.
        mean: Of "weighted": "arithmetic" or "geometric", over the areas.
        above_lowest: Of "weighted": how far above the lowest area the whole may be, in points; infinite for any.
        rounding: Of "weighted": the whole is rounded to multiples of this, halves up.
    """

    kind: str = LOWEST
    single: tuple[float, ...] = ()
    front: float = 0.5
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    mean: str = "arithmetic"
    above_lowest: float = math.inf
    rounding: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """How one company, or one's own house, makes a grade of figures.

    Attributes:
        name: The word for it on the command line; its file's name without ending.
        title: For people.
        source: Where it is published: an address or a publication.
        effective: From when it holds: a year, month or day, or "undated".
        reading: Where only words are published: what RCG makes of them.
        unchecked: What has not been checked against the source itself, one sentence each.
        steps: The grades, best first; two that are equal differ in name only.
        names: One for each step.
        prints_subgrades: Whether the company prints sub-grades.
        needs_back: Whether a grade needs both faces.
        ratio: Which ratio of the borders counts: "mean" along the sides, or that of the "worst" station. The worse of
            the two axes decides either way.
        borderless_mm: What the borders of two opposite sides are taken to add up to where a print without borders was
            matched to a reference: its shift is then counted as on such a card. None gives it no number.
        areas: The four of `rcg.grading.types.SUBGRADES`, in that order.
        rule: How they make one grade.
        leeway: On the front's centering; None for none.
        caps: Faults that no better grade goes with.
        qualifiers: Faults that may be named in place of counted.
        no_grade: Alterations for which no grade is given at all, such as "trimmed".
        labels: Names for a card that is at least at a step in all four areas, such as ("Black Label", 10).
    """

    name: str
    title: str
    source: str
    effective: str
    reading: str
    unchecked: tuple[str, ...] = ()
    steps: tuple[float, ...]
    names: tuple[str, ...]
    prints_subgrades: bool = True
    needs_back: bool = True
    ratio: str = "worst"
    borderless_mm: float | None = None
    areas: tuple[Area, ...]
    rule: Rule = Rule()
    leeway: Leeway | None = None
    caps: tuple[Cap, ...] = ()
    qualifiers: tuple[Qualifier, ...] = ()
    no_grade: tuple[str, ...] = ()
    labels: tuple[tuple[str, float], ...] = ()

    def level(self, step: float) -> int:
        """The place of the best of `steps` that is not above a grade; the last where all are above."""
        return next((n for n, each in enumerate(self.steps) if each <= step + 1e-9), len(self.steps) - 1)
