"""How often a grade's 90 % interval holds the true grade, on rendered cards whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/grading_coverage.py [--cards 200] [--tries 3] [--photos 40] [--first-seed 7000]

First with simulated measurements: the truth with errors of the stated sigmas, both faces. Then, with --photos, through
the whole measuring: a photo and a scan of each card's front are rendered, measured and graded, and held against the
card's grade. Without the surface, which one picture shows in part only, the interval should hold the true grade; with
it the grade is the best that the card can be, and the true one should lie in it or below ("not above"). The true grade
is made by the same rules from the card's geometry.

Two figures a standard. "in interval": the narrowest run of steps that holds 90 % or more; as steps are coarse it mostly
holds more, so that a right distribution is covered in 90 to 96 %. "in middle 90 %": where the true step lies in the
distribution, randomised within the step (the PIT), is within 5 and 95 %; 90 % for a right one, whatever the steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rcg.grading import Grade, Standard, grade_faces, read_standards, true_face
from rcg.grading.simulating import Errors, noisy_face, pit
from rcg.measuring import FaceMeasurement
from rcg.synthetic import Card, draw_card
from rcg.synthetic.design import light

SURFACE = ("scratch", "print_line", "print_dot", "dent", "crease", "stain", "tear", "roller_line", "corner_bend")
WHITENING = ("corner_whitening", "edge_whitening", "chipping")
CUT_FACE_MM = 0.075  # what rendered views show of it on dark borders, on average
FAMILIES = ("vintage-japanese", "modern", "english-front")
Case = tuple[tuple[Grade, ...], dict[str, float]]


def true_grades(
    front: FaceMeasurement, back: FaceMeasurement | None, standards: dict[str, Standard], rng: np.random.Generator
) -> dict[str, float]:
    """The grade of an exact card; where a grader's leeway is open, one of its outcomes."""
    found = {}
    for each in grade_faces(front, back, standards=standards, size_error=0, draws=1000):
        if each.overall is not None:
            found[each.standard] = float(rng.choice(each.overall.steps, p=each.overall.probabilities))
    return found


def cards(count: int, first: int, *, wear: float) -> Iterator[tuple[Card, Card]]:
    """Fronts with a border, and their backs."""
    for seed in range(first, first + count):
        front = draw_card(seed, family=FAMILIES[seed % len(FAMILIES)], wear=wear)
        yield front, draw_card(seed, spec=front.spec, side="back", wear=wear)


def simulated(count: int, tries: int, first: int, standards: dict[str, Standard], errors: Errors) -> Iterator[Case]:
    """Grades of the truth with errors, and the true grades."""
    for n, (front, back) in enumerate(cards(count, first, wear=0.35)):
        rng = np.random.default_rng((first, n))
        exact = (true_face(front), true_face(back))
        for _ in range(tries):
            truth = true_grades(*exact, standards, rng)
            noisy = [noisy_face(each, rng, errors) for each in exact]
            yield grade_faces(*noisy, standards=standards, seed=n, size_error=errors.size, draws=2000), truth


def photographed(count: int, first: int, standards: dict[str, Standard]) -> Iterator[tuple[str, Case]]:
    """Grades of rendered pictures of fronts, and the true grades of what a picture shows."""
    from rcg.measuring.face import measure_face
    from rcg.synthetic import render_photo, render_scan

    for n, (front, _) in enumerate(cards(count, first, wear=0.35)):
        rng = np.random.default_rng((first, n))
        dark = max(map(light, front.design.border)) <= 110
        views = {
            "photos": render_photo(front, rng, size=(1800, 2400), nuisance="none"),
            "scans": render_scan(front, rng, dpi=600),
        }
        for kind, view in views.items():
            face = measure_face(view.pixels, spec=front.spec)[0]
            whole = true_grades(true_face(front), None, standards, rng)
            yield f"{kind}, all", (grade_faces(face, standards=standards, seed=n), whole)
            seen = any(each.whitening_depth.known for each in (*face.corners, *face.edges))
            unseen = SURFACE if seen else (*SURFACE, *WHITENING)  # on a light border nobody could tell
            rim = true_face(front, unseen=unseen, cut_face_mm=CUT_FACE_MM if dark else 0.0)
            bare = replace(face, surface=replace(rim.surface, marks=()))
            truth = true_grades(rim, None, standards, rng)
            yield f"{kind}, without the surface", (grade_faces(bare, standards=standards, seed=n), truth)


def table(title: str, cases: list[Case], standards: dict[str, Standard]) -> None:
    """Print the coverage of each standard."""
    rng = np.random.default_rng(1)
    print(f"{title}: {len(cases)} gradings")
    heads = f"{'in interval':>13}{'in middle 90 %':>16}{'not above':>11}{'steps wide':>12}{'mean bias':>11}"
    print(f"{'':8}{'answered':>9}{heads}")
    for name in standards:
        rows = []
        for grades, truth in cases:
            grade = next(each for each in grades if each.standard == name)
            if grade.overall is None or name not in truth:
                continue
            low, high = grade.overall.interval(0.9)
            at = pit(grade.overall.probabilities, grade.overall.steps, truth[name], float(rng.random()))
            true = truth[name]
            rows.append((low <= true <= high, 0.05 <= at <= 0.95, true <= high, high - low, grade.overall.mean - true))
        if not rows:
            print(f"{name:8}{0:9.0%}")
            continue
        inside, middle, below, wide, bias = np.mean(np.array(rows, float), axis=0)
        shares = f"{inside:13.1%}{middle:16.1%}{below:11.1%}"
        print(f"{name:8}{len(rows) / len(cases):9.0%}{shares}{wide:12.2f}{bias:+11.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=200)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--photos", type=int, default=0)
    parser.add_argument("--first-seed", type=int, default=7000)
    given = parser.parse_args()
    standards = read_standards()
    errors = Errors()
    table("simulated measurements", list(simulated(given.cards, given.tries, given.first_seed, standards, errors)),
          standards)  # fmt: skip
    coarse = replace(errors, ratio=1.2, whitening=0.06, shape=0.12, edge=0.012)
    table("the same, twice as coarse", list(simulated(given.cards, given.tries, given.first_seed, standards, coarse)),
          standards)  # fmt: skip
    if given.photos:
        shown = list(photographed(given.photos, given.first_seed, standards))
        for kind in dict.fromkeys(kind for kind, _ in shown):
            table(f"measured in rendered {kind}", [case for each, case in shown if each == kind], standards)


if __name__ == "__main__":
    main()
