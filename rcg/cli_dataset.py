"""The verbs of `rcg dataset` that show one, look at versions, map classes and export: parse, call, tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from rcg.console import progress, tell

dataset_app = typer.Typer(no_args_is_help=True, help="Create datasets, add images and labels, look at them.")

Place = Annotated[Path | None, typer.Option("--workspace", help="The workspace; $RCG_HOME, else ./data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
DatasetName = Annotated[str, typer.Argument(help="The dataset's name.")]


def open_workspace(place: Path | None) -> Any:
    """The workspace at a place; loaded only now, so that --help is quick."""
    from rcg.workspace import Workspace

    return Workspace(place)


@dataset_app.command("show")
def dataset_show(name: DatasetName, workspace: Place = None, json: AsJson = False) -> None:
    """Show what a dataset holds."""
    from rcg.corrections import damaged_lines

    found = open_workspace(workspace).dataset(name)
    have, config = found.coverage(), found.config()
    rows = [
        f"{name}: {found.type.title} ({found.type.name}), made {config['created']}, in {found.path}",
        f"  images: {have.images:,} of {have.cards:,} cards; "
        + ", ".join(f"{split} {count:,}" for split, count in have.per_split.items()),
        f"  labelled: {have.labelled:,}, of these empty {have.empty:,}; unlabelled: {have.unlabelled:,}",
        f"  annotations: {have.annotations:,}; " + ", ".join(f"{k} {v:,}" for k, v in have.per_label.items()),
        f"  schema: {', '.join(found.type.labels) or 'any classes'}",
    ]
    rows += [f"  predictions {each}: {count:,} annotations" for each, count in have.predictions.items()]
    rows += [f"  corrections: {have.corrections:,}"] if have.corrections else []
    versions = found.versions()
    rows += [f"  versions: {len(versions)}; {_held(found, versions)}"] if versions else []
    rows += [f"  an import was not finished; go on with it: {command}" for command in found.unfinished()]
    if damaged := damaged_lines(found.path / "corrections.jsonl"):
        where = ", ".join(map(str, damaged[:5]))
        rows.append(f"  corrections.jsonl has lines that cannot be read, so they are not in force: line {where}")
    if cut := config.get("changing"):
        rows.append(f"  {cut['doing']} was cut off; mend it: rcg dataset restore {name} {cut['version'][:12]}")
    rows += [f"  from {s['path']} ({s['format']}, {s['stage']}, {s['images']:,} images)" for s in config["sources"]]
    facts = {"coverage": have, "config": config, "versions": [each.id for each in versions]}
    tell("\n".join(rows), name=name, type=found.type.name, **facts)


def _held(dataset: Any, versions: Sequence[Any]) -> str:
    """Which version a dataset holds now, which after a restore is not the one that was stored last."""
    now = dataset.version(complete=False)
    if now.id == versions[-1].id:
        return f"the newest is {versions[-1]}"
    if now.stored:
        return f"it holds {now}"
    return f"it holds {now.id[:12]}, which is not stored yet; the newest is {versions[-1]}"


@dataset_app.command("map")
def dataset_map(
    name: DatasetName,
    changes: Annotated[list[str], typer.Argument(help="OLD=NEW renames or merges a class, OLD= drops it.")],
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Rename, merge or drop classes, also in what is added later; `restore` takes it back."""
    from rcg.annotations.mapping import ClassMap

    found = open_workspace(workspace).dataset(name)
    before = found.labels.names
    notes = found.map_classes(ClassMap.parse(changes), report=progress())
    version = found.versions()[-1].id if notes else None
    text = "\n".join(notes) or "nothing changes: every class keeps its name"
    tell(text, dataset=name, before=before, classes=found.labels.names, notes=notes, version=version)


@dataset_app.command("versions")
def dataset_versions(name: DatasetName, workspace: Place = None, json: AsJson = False) -> None:
    """List the versions of a dataset, oldest first; the star is at what it holds now."""
    found = open_workspace(workspace).dataset(name)
    every, now = found.versions(), found.version(complete=False, report=progress()).id
    rows = [f"{'*' if each.id == now else ' '} {each}" for each in every]
    if now not in {each.id for each in every}:
        rows.append(f"* {now[:12]}  not stored yet: it is before the next import, mapping, restore or training")
    tell("\n".join(rows), dataset=name, now=now, versions=[asdict(each) for each in every])


@dataset_app.command("diff")
def dataset_diff(
    name: DatasetName,
    old: Annotated[str, typer.Argument(help="The version before: its id, or the beginning of it.")],
    new: Annotated[str | None, typer.Argument(help="The one after; what the dataset holds now by default.")] = None,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Say what differs between two versions: images, labels, splits, classes."""
    from rcg.versions import diff_versions

    found = diff_versions(open_workspace(workspace).dataset(name), old, new, report=progress())
    tell(str(found), **asdict(found))


@dataset_app.command("restore")
def dataset_restore(
    name: DatasetName,
    version: Annotated[str, typer.Argument(help="The version: its id, or the beginning of it.")],
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Go back to a version, or forward again; what the dataset holds now is stored first."""
    reached = open_workspace(workspace).dataset(name).restore(version, report=progress())
    text = [f"{name} is at {reached}", *reached.notes]
    tell("\n".join(text), dataset=name, **asdict(reached))


@dataset_app.command("export")
def dataset_export(
    name: DatasetName,
    to: Annotated[str, typer.Option("--to", help="detectron2, ultralytics, or a label format such as coco or yolo.")],
    out: Annotated[Path | None, typer.Option(help="The folder or file to make; in exports/ by default.")] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy the images instead of linking them.")] = False,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Write a dataset for another tool to train from; the dataset itself is only read."""
    from rcg.exporting import export

    done = export(open_workspace(workspace).dataset(name), out, to=to, copy=copy, report=progress())
    tell(str(done), **asdict(done))
