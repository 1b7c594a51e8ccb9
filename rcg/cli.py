"""The command line: parse, call, print. How a command ends stands in `rcg.console`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from rcg import job_process, jobs
from rcg.annotations import FORMATS, TARGETS
from rcg.cli_dataset import AsJson, DatasetName, Place, dataset_app, open_workspace
from rcg.cli_grade import grade
from rcg.cli_normals import normals
from rcg.console import progress, run_command, say, tell
from rcg.errors import ConfigError, RcgError
from rcg.progress import counted

app = typer.Typer(no_args_is_help=True, add_completion=False, help="RCG, the open workbench for grading trading cards.")
runs_app = typer.Typer(help="List runs, or show one.")
app.add_typer(dataset_app, name="dataset")
app.add_typer(runs_app, name="runs", invoke_without_command=True)
app.command()(normals)
app.command()(grade)


def main() -> None:
    """Run the command line and exit."""
    run_command(app)


@app.command()
def info(
    fix: Annotated[bool, typer.Option("--fix", help="Install FiftyOne's database where it lacks.")] = False,
    workspace: Place = None,
    json: AsJson = False,
) -> int:
    """Say what is installed, what is missing and how to mend it; exit 2 if the main job could not run."""
    from rcg.info import inspect, usable

    if fix:
        from rcg.review.database import install_database

        say(str(install_database(report=progress())))
    parts = inspect(workspace)
    marks = {"ok": "ok", "missing": "MISSING", "note": "note"}
    rows = []
    for part in parts:
        rows.append(f"{marks[part.state]:8} {part.name:34} {part.version or '-':14} {part.purpose}")
        if part.fix:
            rows.append(f"{'':8} fix: {part.fix}")
    good = usable(parts)
    rows.append("the main job can run" if good else "the main job cannot run: mend what is missing above")
    tell("\n".join(rows), usable=good, parts=parts)
    return 0 if good else 2


@app.command()
def demo(
    workspace: Place = None,
    budget: Annotated[str, typer.Option(help="Time for the training.")] = "4 min",
    seed: Annotated[int, typer.Option(help="The number the cards are drawn from.")] = 0,
    profile: Annotated[str, typer.Option(help="full, or smoke: few cards and steps, to see the path.")] = "full",
    json: AsJson = False,
) -> None:
    """Do the main job on made data: from a dataset to a trained detector, its review, and a card's grade."""
    from rcg.demo import run_demo

    done = run_demo(open_workspace(workspace), budget=budget, seed=seed, profile=profile, report=progress())
    tell(str(done), **asdict(done))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A label file or folder.")],
    target: Annotated[Path, typer.Argument(help="The file or folder to make.")],
    to: Annotated[str, typer.Option(help=f"{', '.join(TARGETS)}.")] = "coco",
    from_: Annotated[str, typer.Option("--from", help=f"auto, {', '.join(FORMATS)}.")] = "auto",
    images: Annotated[Path | None, typer.Option(help="The images folder, where it is not found by itself.")] = None,
    labels: Annotated[Path | None, typer.Option(help="The labels, where they are not found by themselves.")] = None,
    classes: Annotated[Path | None, typer.Option(help="A file with class names, one a line.")] = None,
    stage: Annotated[str, typer.Option(help="ground-truth or predictions.")] = "ground-truth",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse instead of dropping anything.")] = False,
    zero_area: Annotated[
        str, typer.Option(help="Boxes without width or height: quarantine, or widen to a pixel.")
    ] = "quarantine",
    jobs: Annotated[int, typer.Option(help="Worker processes.")] = 1,
    first_id: Annotated[int | None, typer.Option(help="The first category id.")] = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="OLD=NEW renames or merges, OLD= drops.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever a cut-off one left.")] = False,
    json: AsJson = False,
    workspace: Annotated[Path | None, typer.Option("--workspace", hidden=True)] = None,
) -> None:
    """Convert labels to another format; cut off, the same command goes on from where it was."""
    from rcg.annotations import convert as run
    from rcg.annotations.mapping import ClassMap

    done = run(
        source, target, to=to, from_=from_, images=images, labels=labels, classes=classes,
        stage=stage, strict=strict, zero_area=zero_area, jobs=jobs, first_id=first_id,
        class_map=ClassMap.parse(map_ or ()), fresh=fresh, report=progress(),
    )  # fmt: skip
    tell(f"{_read_as(done.format, done.reason)}\n{done.summary()}", **asdict(done))


def _read_as(format: str, reason: str) -> str:
    """What a source was recognised as, and why."""
    known = FORMATS.get(format)
    return f"read as {format if known is None else known.title}: {reason}"


@app.command()
def validate(
    source: Annotated[str, typer.Argument(help="A dataset's name, or a label file or folder.")],
    out: Annotated[Path | None, typer.Option(help="Write the report: .json, .md, or .html with figures.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also look at every image's quality, and time real training steps.")
    ] = False,
    workspace: Place = None,
    json: AsJson = False,
) -> int:
    """Say whether a dataset or a label file can be trained on, and what to mend; exit 2 on "stop"."""
    from rcg.readiness import check_target
    from rcg.readiness import validate as run

    if out is not None:
        check_target(out)
    ws = open_workspace(workspace)
    names = {each.name for each in ws.datasets()}
    known = source in names or not Path(source).exists()
    found = run(ws.dataset(source) if known else source, measure=measure, report=progress())
    text = str(found)
    if out is not None:
        text += f"\n  the report is in {found.write(out)}"
    tell(text, **found.values(), path=out)
    return 2 if found.verdict == "stop" else 0


@dataset_app.command("create")
def dataset_create(
    name: DatasetName,
    type: Annotated[str, typer.Option("--type", help="Such as edge_detection, surface_damage or custom.")],
    classes: Annotated[str, typer.Option(help="Class names, with commas between them.")] = "",
    card_pattern: Annotated[str | None, typer.Option(help="A regular expression for a card's id.")] = None,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Make an empty dataset."""
    names = [each.strip() for each in classes.split(",") if each.strip()]
    made = open_workspace(workspace).create(name, type=type, classes=names, card_pattern=card_pattern)
    text = f"made {name}, {made.type.title.lower()}; next: rcg dataset add {name} --images FOLDER"
    tell(text, name=name, type=made.type.name, path=made.path)


@dataset_app.command("add")
def dataset_add(
    name: DatasetName,
    images: Annotated[
        list[Path] | None,
        typer.Option(help="A folder (it may hold the labels too), a .zip or .tar, a list (.txt); or images, repeated."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="A label file, a folder or an archive of them.")] = None,
    stage: Annotated[str, typer.Option(help="ground-truth or predictions.")] = "ground-truth",
    predictions_name: Annotated[str | None, typer.Option("--name", help="The name of these predictions.")] = None,
    classes: Annotated[Path | None, typer.Option(help="A file with class names.")] = None,
    from_: Annotated[str, typer.Option("--from", help=f"auto, {', '.join(FORMATS)}.")] = "auto",
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="OLD=NEW renames or merges a class, OLD= drops it; repeat it for several."),
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Refer to the images where they are.")] = False,
    remove_gps: Annotated[bool, typer.Option("--remove-gps", help="Take out of the copies where they were taken.")] = (
        False
    ),
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Add images and labels to a dataset; the same call again opens only what changed."""
    from rcg.annotations.mapping import ClassMap

    given = images[0] if images and len(images) == 1 else images or None
    done = (
        open_workspace(workspace)
        .dataset(name)
        .add(
            given,
            labels,
            stage=stage,
            name=predictions_name,
            classes=classes,
            format=from_,
            class_map=ClassMap.parse(map_) if map_ else None,
            link=link,
            remove_gps=remove_gps,
            report=progress(),
        )
    )
    changed = f" ({done.changed:,} changed)" if done.changed else ""
    brought = f"{counted(done.images, 'image')} ({done.new:,} new), {counted(done.annotations, 'annotation')}{changed}"
    text = [_read_as(done.format, done.reason), brought]
    text += [f"left out: {done.dropped:,}, listed in {done.quarantine}"] if done.dropped else []
    tell("\n".join([*text, *done.notes]), **asdict(done))


@dataset_app.command("list")
def dataset_list(workspace: Place = None, json: AsJson = False) -> None:
    """List the datasets."""
    ws = open_workspace(workspace)
    rows: list[dict[str, Any]] = []
    told: list[str] = []
    for each in ws.datasets():
        try:
            have, kind = each.coverage(), each.type.name
        except RcgError as error:  # one that is broken does not hide the others
            rows.append({"name": each.name, "error": error.what})
            told.append(f"{each.name:24} {error}")
            continue
        rows.append({"name": each.name, "type": kind, "images": have.images, "labelled": have.labelled})
        told.append(f"{each.name:24} {kind:20} {counted(have.images, 'image')}, {have.labelled:,} labelled")
    text = "\n".join(told)
    tell(text or "no datasets yet; make one: rcg dataset create NAME --type custom", datasets=rows)


@app.command()
def train(
    dataset: Annotated[str | None, typer.Argument(help="The dataset's name.")] = None,
    settings: Annotated[list[str] | None, typer.Argument(help='Such as epochs=10 or budget="5 min".')] = None,
    architecture: Annotated[str | None, typer.Option(help="What to train; auto chooses for this machine.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with settings.")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run.")] = None,
    name: Annotated[str | None, typer.Option(help="A name for the run.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Train in a process of its own and return.")] = False,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Train a detector on a dataset, or go on with a run."""
    ws = open_workspace(workspace)
    if resume and (dataset or settings or architecture or config or name):
        what = "a run goes on as it began: a dataset or settings beside --resume would be ignored"
        raise ConfigError(what, fix=f"rcg train --resume {resume}, or a new run without --resume")
    if not resume and not dataset:
        raise ConfigError("there is nothing to train on", fix="name a dataset, or --resume RUN")
    from rcg import training

    wanted = None
    if not resume:
        wanted = training.TrainConfig.parse(settings or (), file=config, architecture=architecture)
    if detach:
        _ = ws.run(resume) if resume else ws.dataset(dataset or "")  # what is wrong is told here, not in a log
        arguments = [each for each in sys.argv[1:] if each not in ("--detach", "--json")]
        job = jobs.start(ws.path, _without_workspace(arguments), title=f"training {dataset or resume}")
        text = f"training in a process of its own; log: {job.folder}/log.txt; to stop it: touch {job.folder}/cancel"
        tell(text, job=job.id, folder=job.folder)
        return
    if resume:
        run = ws.run(resume)
        _note_run(run)
        run = training.resume(run, report=progress())
    else:
        started: Callable[[Any], None] = _note_run
        run = training.train(ws.dataset(dataset or ""), config=wanted, name=name, report=progress(), started=started)
    tell(f"{run.name}: {run.state()}; next: rcg evaluate {run.name}", run=run.name, state=run.state(), path=run.path)


def _without_workspace(arguments: list[str]) -> list[str]:
    """The arguments without --workspace and its value: a job adds its own."""
    kept, skip = [], False
    for each in arguments:
        if skip or each == "--workspace":
            skip = each == "--workspace"
        elif not each.startswith("--workspace="):
            kept.append(each)
    return kept


def _note_run(run: Any) -> None:
    say(f"run {run.name}; Ctrl-C stops it, rcg train --resume {run.name} goes on", error=True)
    if (job := job_process.current()) is not None:
        job.note(run=run.name)


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    dataset: Annotated[str | None, typer.Argument(help="Another dataset than the one it was trained on.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Compare a run's predictions with the labels: the 12 COCO numbers, and AP a class."""
    from rcg import training

    ws = open_workspace(workspace)
    data = None if dataset is None else ws.dataset(dataset)
    found = training.evaluate(ws.run(run), data, split=split, report=progress())
    tell(str(found), **asdict(found))


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    images: Annotated[str, typer.Argument(help="A folder, an image, or a dataset's name.")],
    out: Annotated[Path | None, typer.Option(help="The COCO results file to write.")] = None,
    score: Annotated[float, typer.Option(help="Leave out predictions below this score.")] = 0.05,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Predict boxes on images; a dataset's predictions are stored with it."""
    from rcg import training

    ws = open_workspace(workspace)
    found = ws.run(run)
    data = ws.dataset(images) if images in {each.name for each in ws.datasets()} else None
    done = training.predict(found, Path(images) if data is None else data, score=score, report=progress())
    target = out or (found.path / "predictions.json" if data is None else None)
    if data is not None:
        stored = data.write_predictions(found.name, done.records)
    if target is not None:
        done.write(target)
    boxes = sum(len(record.annotations) for record in done.records)
    place = target or stored
    text = [f"{counted(boxes, 'box', 'boxes')} on {counted(len(done.records), 'image')}; in {place}"]
    text += [f"stored with {data.name} too, as predictions {found.name}"] if data is not None and target else []
    text += [f"not read: {each.file}: {each.reason}" for each in done.unreadable]
    facts = {"images": len(done.records), "annotations": boxes, "path": place, "unreadable": done.unreadable}
    facts["stored"] = stored if data is not None else None
    tell("\n".join(text), run=found.name, **facts)


@runs_app.callback()
def runs(context: typer.Context, workspace: Place = None, json: AsJson = False) -> None:
    """List the runs, newest first."""
    if context.invoked_subcommand:
        return
    rows: list[dict[str, Any]] = []
    told: list[str] = []
    for run in open_workspace(workspace).runs():
        try:
            state, numbers = run.state(), (run.metrics() or {}).get("numbers", {})
        except RcgError as error:  # one that is broken does not hide the others
            rows.append({"name": run.name, "error": error.what})
            told.append(f"{run.name:40} {error}")
            continue
        rows.append({"name": run.name, "state": state, "ap": numbers.get("AP"), "ap50": numbers.get("AP50")})
        told.append(f"{run.name:40} {state:8} AP {_figure(numbers.get('AP'))}  AP50 {_figure(numbers.get('AP50'))}")
    text = "\n".join(told)
    tell(text or "no runs yet; train: rcg train DATASET", runs=rows)


@runs_app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="The run's name.")], workspace: Place = None, json: AsJson = False
) -> None:
    """Show a run: its settings, where it stands and what it reached."""
    found = open_workspace(workspace).run(run)
    config, metrics = found.config(), found.metrics()
    rows = [f"{found.name}: {found.state()}, in {found.path}", *(f"  {k} = {v}" for k, v in config.items())]
    report = found.path / "report.md"
    if found.error():
        rows.append(f"  it failed: {found.error()}")
    rows.append(report.read_text() if report.exists() else f"  not evaluated; next: rcg evaluate {found.name}")
    tell("\n".join(rows), run=found.name, state=found.state(), config=config, metrics=metrics)


def _figure(value: float | None) -> str:
    return "  -  " if value is None else f"{value:.3f}"


@app.command()
def journal(
    last: Annotated[int, typer.Option(min=0, help="How many entries.")] = 50,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Show what changed in the workspace, and when."""
    found = open_workspace(workspace).journal()
    entries = found[max(0, len(found) - last) :]
    tell(
        "\n".join(map(str, entries)) or ("the journal is empty" if not found else "no entry asked for"), entries=entries
    )


@app.command()
def browse(
    dataset: DatasetName,
    port: Annotated[int | None, typer.Option(help="The App's port; that of rcg.toml by default.")] = None,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Browse labels and predictions in FiftyOne; edits made there become corrections. Ctrl-C ends it."""
    from rcg.review import browse as run

    done = run(open_workspace(workspace).dataset(dataset), port=port, report=progress())
    tell(str(done), dataset=dataset)
