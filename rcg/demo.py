"""The main job on made data: what a user does from labelled photos to a trained, evaluated detector to review.

Each step is the call that a user makes. A demo that was stopped or killed goes on where it was.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcg import training
from rcg.annotations import convert
from rcg.card_specs import CARD_SPECS
from rcg.datasets import Dataset
from rcg.errors import DataError, RunError
from rcg.files import write_json
from rcg.grading import GradeReport, grade
from rcg.images import write_image
from rcg.progress import Report, duration, silent
from rcg.readiness import STOP, validate
from rcg.review import build, compare, database_state
from rcg.runs import Run
from rcg.synthetic import draw_card, render_dataset, render_scan
from rcg.workspace import Workspace

NAME = "demo"
COUNTS = {"train": 240, "val": 60, "test": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo reached.

    Attributes:
        workspace: Where everything is.
        dataset: The dataset's name.
        run: The run's name.
        card_ap: AP of the cards on the test photos, 0 to 1 (mean over IoU 0.50 to 0.95).
        card_ap50: AP of the cards at IoU 0.50.
        ap50: AP at IoU 0.50, mean over all labels.
        mistakes: Predictions without a label plus labels without a prediction, on the test photos.
        seconds: How long it all took.
        review: What the review is prepared in.
        grade: What a drawn card got, in words.
        grade_page: The report that shows why.
    """

    workspace: str
    dataset: str
    run: str
    card_ap: float | None
    card_ap50: float | None
    ap50: float | None
    mistakes: int
    seconds: float
    review: str
    grade: str
    grade_page: str

    def __str__(self) -> str:
        ap50, ap, every = (_figure(value) for value in (self.card_ap50, self.card_ap, self.ap50))
        return (
            f"reached in {duration(self.seconds)}: cards of the test photos are found with AP50 {ap50} and AP {ap}; "
            f"all labels, small defects among them: AP50 {every}\n"
            f"look at {self.workspace}/runs/{self.run}/report.md and predictions.png beside it; {self.review}; "
            f"a drawn card was graded, {self.grade}: {self.grade_page}\n"
            f"next: rcg browse {self.dataset} (labels, predictions, {self.mistakes} mistakes to look at), "
            f"or make lab and open 00_workbench.ipynb"
        )


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"


def run_demo(
    workspace: Workspace, *, budget: str = "4 min", seed: int = 0, profile: str = "full", report: Report = silent
) -> Demo:
    """Render photos of cards, then create, convert, check, train, evaluate, predict, prepare the review, and grade.

    Args:
        workspace: Where to work; what an earlier, stopped demo did there is used.
        budget: Time for the training, such as "4 min".
        seed: What the cards are drawn from.
        profile: "full", or "smoke" for a run of seconds that shows the path and reaches nothing.
        report: Where the progress goes.

    Raises:
        RcgError: If a step fails; what was done before stays.
    """
    began = time.monotonic()
    photos = workspace.path / "demo" / f"photos-{seed}"
    counts = COUNTS if profile == "full" else {split: count // 10 for split, count in COUNTS.items()}
    render_dataset(photos, counts=counts, seed=seed, report=report)
    convert(photos, workspace.path / "exports" / f"{NAME}.json", report=report)
    dataset = _dataset(workspace)
    dataset.add(images=photos, report=report)
    ready = validate(dataset)
    if ready.verdict == STOP:
        raise DataError(f"the dataset is not ready: {ready.findings[0].what}", where=dataset.path)
    run = _train(workspace, dataset, budget=budget, profile=profile, report=report)
    metrics = training.evaluate(run, dataset, split="test", report=report)
    predictions = training.predict(run, dataset, split="test", report=report)
    dataset.write_predictions(run.name, predictions.records)
    mistakes = sum(each.mistakes for each in compare(dataset, run.name))
    card = metrics.per_label["card"]
    page = workspace.path / "exports" / "grades" / f"{NAME}-{seed}"
    graded = _grade(page, seed, report)
    done = Demo(
        workspace=str(workspace.path),
        dataset=NAME,
        run=run.name,
        card_ap=card.ap,
        card_ap50=card.ap50,
        ap50=metrics.numbers["AP50"],
        mistakes=mistakes,
        review=_review(dataset, report),
        grade=_in_words(graded),
        grade_page=str(page / "report.html"),
        seconds=time.monotonic() - began,
    )
    write_json(workspace.path / "demo" / "last.json", {name: getattr(done, name) for name in Demo.__slots__})
    return done


def _dataset(workspace: Workspace) -> Dataset:
    if NAME in {each.name for each in workspace.datasets()}:
        return workspace.dataset(NAME)
    return workspace.create(NAME, type="surface_damage")


def _train(workspace: Workspace, dataset: Dataset, *, budget: str, profile: str, report: Report) -> Run:
    """Go on with the demo's last run where that was stopped, else train anew."""
    asked: dict[str, Any] = {"profile": profile, **({"budget": budget} if profile == "full" else {})}
    for run in workspace.runs():
        settings = run.config()
        same = all(settings.get(key) == value for key, value in {"dataset": NAME, **asked}.items())
        if same and run.state() == "stopped":
            with suppress(RunError):  # its dataset changed or is gone: a new run does as well
                return training.resume(run, report=report)
    return training.train(dataset, config=training.TrainConfig(**asked), name=NAME, report=report)


def _grade(page: Path, seed: int, report: Report) -> GradeReport:
    """Draw and scan both sides of a lightly worn card, and grade it from the scans, which stand beside the report."""
    scans = {}
    for side, family in (("front", "modern"), ("back", "english-back")):
        drawn = draw_card(seed, family=family, spec=CARD_SPECS["standard"], wear=0.5, side=side)
        scans[side] = page / f"scan_{side}.png"
        view = render_scan(drawn, np.random.default_rng((seed, len(scans))), dpi=400, lid="grey", margin_mm=5)
        write_image(scans[side], view.pixels)
    return grade(scans["front"], back=scans["back"], spec="standard", out=page, report=report)


def _in_words(graded: GradeReport) -> str:
    """Its grade by the plain standard, or why there is none."""
    found = graded.grade("plain")
    if found.overall is None:
        return f"undetermined ({found.reason})"
    low, high = found.overall.interval()
    return f"{found.overall.most_likely:g} of 10 (90 %: {low:g} to {high:g})"


def _review(dataset: Dataset, report: Report) -> str:
    """Prepare FiftyOne where its database is there; the demo does not fail where it is not."""
    state = database_state(dataset.settings.fiftyone_database_uri)
    if not state.ready:
        return f"FiftyOne is not ready ({state.problem}; {state.fix})"
    build(dataset, report=report)
    return "the review is prepared in FiftyOne"
