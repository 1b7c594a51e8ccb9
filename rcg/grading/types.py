"""A grade: a distribution over a standard's steps, with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field

from rcg.measuring.types import UNDETERMINED, FaceMeasurement

SUBGRADES = ("centering", "corners", "edges", "surface")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How probable each step is.

    Attributes:
        steps: The steps that have any probability, lowest first, such as (8.0, 8.5, 9.0).
        probabilities: Of each; they sum to 1.

    Example:
        >>> Distribution(steps=(8.0, 9.0), probabilities=(0.25, 0.75)).most_likely
        9.0
    """

    steps: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def most_likely(self) -> float:
        """The step with the highest probability; the lower one of two that are equal."""
        return max(zip(self.probabilities, (-step for step in self.steps), self.steps, strict=True))[2]

    @property
    def mean(self) -> float:
        """The expected grade."""
        return sum(step * share for step, share in zip(self.steps, self.probabilities, strict=True))

    def interval(self, share: float = 0.9) -> tuple[float, float]:
        """The narrowest run of steps that holds at least `share`; the most probable of those that are equally wide.

        Cutting half of the rest off at either end would be wider, and hold more than is said: steps are coarse.

        Args:
            share: 0 to 1.

        Example:
            >>> Distribution(steps=(8.0, 8.5, 9.0), probabilities=(0.07, 0.62, 0.31)).interval()
            (8.5, 9.0)
        """
        runs = []
        for first in range(len(self.steps)):
            held = 0.0
            for last in range(first, len(self.steps)):
                held += self.probabilities[last]
                if held >= share - 1e-9:
                    runs.append((self.steps[last] - self.steps[first], -held, self.steps[first], self.steps[last]))
                    break
        *_, low, high = min(runs, default=(0.0, 0.0, self.steps[0], self.steps[-1]))
        return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What holds a grade down.

    Attributes:
        what: A sub-grade, or the cap or qualifier that applies, such as "corners" or "crease over 25 mm".
        face: "front", "back" or "" for both.
        step: The highest grade that it allows.
        why: The figure behind it, in words: "top left corner: 0.31 ± 0.04 mm of whitening".
        note: Where `step` is not the grade: why the grade lies above or below it.
    """

    what: str
    face: str
    step: float
    why: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A card under one standard.

    Attributes:
        standard: The standard's name, such as "psa".
        title: The same for people.
        status: "measured", "partly" where something that counts could not be judged, or "undetermined".
        reason: Why it is not, or not wholly, known.
        overall: The grade; None where undetermined. Where the status is "partly" it is the best that the card can be
            given what was seen.
        subgrades: By the names of `SUBGRADES`; those that could not be judged are missing, and so are, where a
            sub-grade is a mean of both faces, those of which one face was not seen. Empty where the standard prints
            none; `areas` tells then what lies behind the grade.
        limits: What holds it down, the most limiting first.
        qualifiers: Such as "OC", where the standard has them.
        without_qualifiers: The higher grade that stands beside the qualifiers, with the faults that they name not
            counted; None where none applies. In `overall` they are counted.
        not_judged: What was not looked at, and why.
        areas: What each area of each face allows, by names such as "front corners", for every standard; those that
            could not be judged are missing.
        labels: Names of the best steps with their probabilities, such as ("Pristine 10", 0.12).
    """

    standard: str
    title: str
    status: str = UNDETERMINED
    reason: str = ""
    overall: Distribution | None = None
    subgrades: dict[str, Distribution] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    qualifiers: tuple[str, ...] = ()
    without_qualifiers: Distribution | None = None
    not_judged: tuple[str, ...] = ()
    areas: dict[str, Distribution] = field(default_factory=dict)
    labels: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GradeReport:
    """All that is known of one card.

    Attributes:
        name: What the card is called here: the front's file name without its ending.
        front: What the front shows.
        back: What the back shows; None where it was not given.
        grades: One for each standard, in the order of the standards' names.
        sources: Files that it was made from, by part: "front", "back", "frames", "reference".
        hand_set: Lines that a person has set, such as "front left inner".
        notes: What is worth telling about the card as a whole.
    """

    name: str
    front: FaceMeasurement
    back: FaceMeasurement | None = None
    grades: tuple[Grade, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    hand_set: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def grade(self, standard: str) -> Grade:
        """The grade under one standard.

        Raises:
            KeyError: If the report has none of that name.
        """
        return {each.standard: each for each in self.grades}[standard]
