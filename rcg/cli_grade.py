"""`rcg grade`: parse, call, tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rcg.cli_dataset import AsJson, Place, open_workspace
from rcg.console import progress, tell
from rcg.errors import ConfigError

if TYPE_CHECKING:
    from rcg.grading.types import GradeReport


def grade(
    front: Annotated[list[Path], typer.Argument(help="A picture of the front; a folder or several pictures: a batch.")],
    back: Annotated[Path | None, typer.Option(help="A picture of the back.")] = None,
    frames: Annotated[
        str | None, typer.Option(help="Frames of the front under several lights: a folder, or DATASET/CARD.")
    ] = None,
    back_frames: Annotated[str | None, typer.Option(help="Frames of the back.")] = None,
    run: Annotated[str | None, typer.Option(help="A trained run as a second opinion on where the card lies.")] = None,
    card_spec: Annotated[str | None, typer.Option(help="The kind of card; guessed from its proportions.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every card on the photo, and not the largest alone.")] = False,
    reference: Annotated[
        Path | None, typer.Option(help="The official picture of the front, to centre a borderless card by.")
    ] = None,
    standard: Annotated[list[str] | None, typer.Option(help="A standard to grade by; repeat it for several.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for the report: JSON, a page, pictures.")] = None,
    jobs: Annotated[int, typer.Option(help="Worker processes of a batch.")] = 1,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="All pictures show one card: how well do the figures repeat?")
    ] = False,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Grade a card from photos or scans: centering, corners, edges, surface, and how probable each grade is."""
    place = None if workspace is None else open_workspace(workspace).path
    if len(front) == 1 and not front[0].expanduser().is_dir():
        if repeat:
            raise ConfigError("one picture cannot repeat itself", fix="name several pictures of the card, or a folder")
        options: dict[str, Any] = {
            "spec": card_spec, "reference": reference, "standards": standard, "workspace": place, "report": progress(),
        }  # fmt: skip
        if every:
            _refuse("--all", back=back, frames=frames, back_frames=back_frames, run=run)
            _all(front[0], out, options)
        else:
            options |= _second(back, frames, back_frames, run, workspace)
            _one(front[0], out, options)
        return
    _refuse("a batch", back=back, frames=frames, back_frames=back_frames, run=run)
    if repeat:
        _refuse("--repeat", reference=reference, all=every or None)
        _repeat(front, out, {"spec": card_spec, "standards": standard, "report": progress()})
        return
    _batch(front, out, every=every, jobs=jobs, spec=card_spec, reference=reference, standards=standard, workspace=place)


def _refuse(why: str, **given: object) -> None:
    """Say what cannot be used here, rather than pass over it.

    Raises:
        ConfigError: If any of them was given.
    """
    named = [f"--{name.replace('_', '-')}" for name, each in given.items() if each is not None]
    if named:
        what = f"{' and '.join(named)} cannot be used with {why}"
        raise ConfigError(what, fix="leave it out, or grade the cards one by one")


def _second(
    back: Path | None, frames: str | None, back_frames: str | None, run: str | None, workspace: Path | None
) -> dict[str, Any]:
    """The back, the frames and the run, as the library takes them."""
    from rcg.surface_dataset import frames_folder

    found: dict[str, Any] = {"back": back}
    for name, given in (("capture", frames), ("back_capture", back_frames)):
        if given is not None:
            known = None if Path(given).expanduser().is_dir() else open_workspace(workspace)
            found[name] = frames_folder(given, known)
    if run is not None:
        found["run"] = open_workspace(workspace).run(run)
    return found


def _one(front: Path, out: Path | None, options: dict[str, Any]) -> None:
    from rcg.grading.grading import grade_card
    from rcg.grading.report_json import report_values
    from rcg.grading.summary import summary

    place = _checked(_place(out, front.stem, options["workspace"]))
    done = grade_card(front, **options)
    text, facts = summary(done.report) + _other_kind(done.report, options["spec"]), report_values(done.report)
    if place is not None:
        from rcg.grading.report_files import write_report

        page = write_report(done, place)
        text, facts = f"{text}\nlook at {page}", {**facts, "page": page}
    tell(text, **facts)


def _all(front: Path, out: Path | None, options: dict[str, Any]) -> None:
    from rcg.grading.grading import grade_cards
    from rcg.grading.report_json import report_values
    from rcg.grading.summary import summary

    place = _checked(_place(out, front.stem, options["workspace"]))
    done = grade_cards(front, **options)
    text = "\n".join(summary(each.report) for each in done)
    facts = [report_values(each.report) for each in done]
    if len(done) == 1:
        text += _other_kind(done[0].report, options["spec"])
    if place is not None:
        from rcg.grading.report_files import write_reports

        index = write_reports(done, place, report=options["report"])
        for each, values in zip(done, facts, strict=True):
            values["page"] = place / each.report.name / "report.html" if len(done) > 1 else index
        text += f"\nlook at {index}"
    tell(text, cards=facts)


def _checked(place: Path | None) -> Path | None:
    """The same place, once it is known that reports can be written there."""
    if place is not None:
        from rcg.grading.report_files import check_place

        check_place(place)
    return place


def _other_kind(report: GradeReport, spec: str | None) -> str:
    """What helps where the card is of a kind that its proportions do not tell."""
    if report.front.outline is not None or spec is not None:
        return ""
    from rcg.card_specs import CARD_SPECS

    return f"\n         or, if you know the kind of card, name it: --card-spec {' or '.join(CARD_SPECS)}"


def _place(out: Path | None, name: str, workspace: Path | None) -> Path | None:
    """Where the report goes: the folder that was named, else in the workspace that was named, else nowhere."""
    if out is not None or workspace is None:
        return out
    return workspace / "exports" / "grades" / name


def _batch(front: list[Path], out: Path | None, *, workspace: Path | None, **options: Any) -> None:
    from rcg.grading.batch import grade_batch
    from rcg.grading.pairing import pairs

    pairs(front[0] if len(front) == 1 else front)  # a folder without pictures is told before all else
    place = _place(out, front[0].expanduser().absolute().name if len(front) == 1 else "batch", workspace)
    if place is None:
        what = "a batch needs a folder for its reports and its table"
        raise ConfigError(what, fix="name it: --out DIR; the same command again goes on where it was stopped")
    done = grade_batch(
        front[0] if len(front) == 1 else front, place, workspace=workspace, report=progress(), **options
    )  # fmt: skip
    tell(str(done), **done.values())


def _repeat(front: list[Path], out: Path | None, options: dict[str, Any]) -> None:
    from rcg.grading.repeatability import repeatability, write_repeatability

    _checked(out)
    study = repeatability(front[0] if len(front) == 1 else front, **options)
    text = str(study)
    if out is not None:
        text += f"\nlook at {write_repeatability(study, out)}"
    tell(text, **study.values())
