"""From pictures of a card to its grades: read, measured, with the lines a person has set, graded by each standard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rcg.card_specs import CardSpec, card_spec
from rcg.errors import ConfigError
from rcg.grading.hand_file import HandLine, hand_path, picture_key, read_hand
from rcg.grading.types import Grade, GradeReport
from rcg.images import Pixels, read_image
from rcg.measuring.face import measure_face, with_wear
from rcg.measuring.types import FaceMeasurement, Outline
from rcg.photometric.types import Capture
from rcg.progress import Report, Tick, silent, tracked

if TYPE_CHECKING:
    from rcg.grading.standard import Standard
    from rcg.measuring.face import Finds
    from rcg.normals import Surface

log = logging.getLogger(__name__)

Picture = str | Path | Pixels
Frames = str | Path | Capture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graded:
    """A report with what it was made from, as the report's page needs it.

    Attributes:
        report: What was measured and graded.
        pictures: (h, w, 3) uint8 RGB by "front" and "back".
        surfaces: What frames under several lights showed, by face.
        places: Where the card lies in those frames, by face.
        standards: What it was graded by, by name.
    """

    report: GradeReport
    pictures: dict[str, Pixels]
    surfaces: dict[str, Surface] = field(default_factory=dict)
    places: dict[str, Outline] = field(default_factory=dict)
    standards: dict[str, Standard] = field(default_factory=dict)


def grade(
    front: Picture,
    *,
    back: Picture | None = None,
    capture: Frames | None = None,
    back_capture: Frames | None = None,
    run: object | None = None,
    spec: str | CardSpec | None = None,
    reference: Picture | None = None,
    standards: Sequence[str] | None = None,
    workspace: str | Path | None = None,
    out: str | Path | None = None,
    report: Report = silent,
) -> GradeReport:
    """Grade a card from a picture of its front, with all that was measured as evidence.

    Args:
        front: An image file, or (h, w, 3) uint8 RGB.
        back: The same of its back; without it the grades say that it was not judged.
        capture: Frames of the front under several lights: a folder or a `Capture`. Its surface is then measured from
            them, dents and scratches too.
        back_capture: Frames of the back.
        run: A trained run that predicts a card's corners, as a second opinion on where it lies.
        spec: The kind of card, such as "sports"; guessed from its proportions unless given.
        reference: The official picture of the front, by which a borderless card is centred.
        standards: Names of the standards to grade by; all that are known unless given.
        workspace: Where lines that a person has set are kept, and a folder `standards` with standards of your own.
        out: A folder for report.json, report.html and the overlays; nothing is written unless given.
        report: Where the progress goes.

    Returns:
        The report. A card that cannot be measured is "undetermined" in it, with the reason and what to do.

    Raises:
        FormatError: If a picture cannot be read.
        ConfigError: If a name is not known, or the run predicts no corners.
        DataError: If the frames cannot be used.
    """
    done = grade_card(
        front, back=back, capture=capture, back_capture=back_capture, run=run, spec=spec, reference=reference,
        standards=standards, workspace=workspace, report=report,
    )  # fmt: skip
    if out is not None:
        from rcg.grading.report_files import write_report

        write_report(done, out)
    return done.report


def grade_card(
    front: Picture,
    *,
    back: Picture | None = None,
    capture: Frames | None = None,
    back_capture: Frames | None = None,
    run: object | None = None,
    spec: str | CardSpec | None = None,
    reference: Picture | None = None,
    standards: Sequence[str] | None = None,
    workspace: str | Path | None = None,
    report: Report = silent,
) -> Graded:
    """The same, and the pictures that the report's page shows; arguments as in `grade`."""
    asked = _asked(spec, reference, standards, workspace, run)
    sides = {"front": (front, capture), "back": (back, back_capture)}
    if back is None and back_capture is not None:
        raise ConfigError("there are frames of the back, but no picture of it", fix="give back= (--back IMAGE) too")
    _unlike(front, back)
    pictures = {name: read_picture(source) for name, (source, _) in sides.items() if source is not None}
    faces: dict[str, FaceMeasurement] = {}
    surfaces: dict[str, Surface] = {}
    places: dict[str, Outline] = {}
    hand: list[tuple[str, ...]] = []
    for name, (source, frames) in sides.items():
        if source is None:
            continue
        pixels = pictures[name]
        finds: Finds | None = None
        if frames is not None:
            from rcg.grading.frames import finds_of_frames

            finds, surfaces[name] = finds_of_frames(frames, spec=asked.spec, report=_named(report, name))
            places[name] = finds.outline
        found = measure_face(
            pixels, spec=asked.spec, reference=asked.reference if name == "front" else None, finds=finds,
            adjust=_adjusting(pixels, name, asked.workspace, hand), report=_named(report, name),
        )  # fmt: skip
        faces[name] = found[0] if run is None else _seen_by_run(run, source, found[0])
    sources = _sources(front=front, back=back, frames=capture, back_frames=back_capture, reference=reference)
    made = GradeReport(
        name=name_of(front), front=faces["front"], back=faces.get("back"), sources=sources,
        hand_set=tuple(each for lines in hand for each in lines),
        grades=_grades(faces["front"], faces.get("back"), asked.standards),
    )  # fmt: skip
    return Graded(report=made, pictures=pictures, surfaces=surfaces, places=places, standards=asked.standards)


def grade_all(
    front: Picture,
    *,
    spec: str | CardSpec | None = None,
    reference: Picture | None = None,
    standards: Sequence[str] | None = None,
    workspace: str | Path | None = None,
    report: Report = silent,
) -> tuple[GradeReport, ...]:
    """Grade every card on a photo, in reading order.

    Args:
        front: An image file, or (h, w, 3) uint8 RGB.
        spec: The kind of all the cards.
        reference: The official picture of the print, where all are the same.
        standards: Names of the standards to grade by.
        workspace: As in `grade`.
        report: Where the progress goes.

    Returns:
        A report a card, named after the picture and counted from 1; one that says why where there is none.
    """
    return tuple(each.report for each in grade_cards(
        front, spec=spec, reference=reference, standards=standards, workspace=workspace, report=report
    ))  # fmt: skip


def grade_cards(
    front: Picture,
    *,
    spec: str | CardSpec | None = None,
    reference: Picture | None = None,
    standards: Sequence[str] | None = None,
    workspace: str | Path | None = None,
    report: Report = silent,
) -> tuple[Graded, ...]:
    """The same as `grade_all`, each with the photo, as the report's page needs it."""
    asked = _asked(spec, reference, standards, workspace, None)
    pixels = read_picture(front)
    hand: list[tuple[str, ...]] = []
    faces = measure_face(
        pixels, spec=asked.spec, reference=asked.reference, every=True,
        adjust=_adjusting(pixels, "front", asked.workspace, hand), report=report,
    )  # fmt: skip
    sources, name = _sources(front=front, reference=reference), name_of(front)
    digits = len(str(len(faces)))
    names = [name] if len(faces) == 1 else [f"{name}_{number:0{digits}d}" for number in range(1, len(faces) + 1)]
    found = []
    for at, face in enumerate(tracked(faces, task="grade", report=report)):
        made = GradeReport(
            name=names[at], front=face, sources=sources, grades=_grades(face, None, asked.standards),
            hand_set=hand[at] if at < len(hand) else (),
        )  # fmt: skip
        found.append(Graded(report=made, pictures={"front": pixels}, standards=asked.standards))
    return tuple(found)


def regrade(
    report: GradeReport,
    *,
    front: FaceMeasurement | None = None,
    back: FaceMeasurement | None = None,
    hand_set: Iterable[str] = (),
    standards: Sequence[str] | None = None,
    workspace: str | Path | None = None,
) -> GradeReport:
    """The report with faces that were measured anew, graded again; for lines that a person drags.

    Args:
        report: What stood before.
        front: The front as it is now; as before unless given.
        back: The back likewise.
        hand_set: Lines that a person has set since, such as "front left inner"; they join those of before.
        standards: Names of the standards; those of `report` unless given.
        workspace: Whose folder `standards` may hold more of them.
    """
    names = standards if standards is not None else [each.standard for each in report.grades]
    known = chosen_standards(names or None, workspace)
    made = replace(
        report, front=front or report.front, back=back or report.back,
        hand_set=tuple(dict.fromkeys([*report.hand_set, *hand_set])),
    )  # fmt: skip
    return replace(made, grades=_grades(made.front, made.back, known))


def with_hand_lines(pixels: Pixels, face: FaceMeasurement, lines: Sequence[HandLine]) -> FaceMeasurement:
    """A face with lines that a person has set: its points, ratios and sigmas follow; its wear is read along them.

    Args:
        pixels: (h, w, 3) uint8 RGB, that was measured.
        face: What was measured.
        lines: What was set; those of the cut edge count first, since the inner ones are measured from it.
    """
    face = _with_lines(pixels, face, lines)
    return with_wear(pixels, face) if any(each.edge == "outer" for each in lines) else face


def _with_lines(pixels: Pixels, face: FaceMeasurement, lines: Sequence[HandLine]) -> FaceMeasurement:
    from rcg.measuring.hand import set_line

    for line in sorted(lines, key=lambda each: each.edge != "outer"):
        if face.outline is None or face.centering is None:
            break
        depths = line.depths(face.outline)
        outline, centering = set_line(
            pixels, face.outline, face.centering, side=line.side, edge=line.edge, depths=depths
        )
        face = replace(face, outline=outline, centering=centering)
    return face


def chosen_standards(names: Sequence[str] | None, workspace: str | Path | None = None) -> dict[str, Standard]:
    """Standards by their names.

    Args:
        names: Which; all that are known where None.
        workspace: Whose folder `standards` may hold more of them.

    Raises:
        ConfigError: If there is none of a name, it names the nearest; or the file of one that is asked for is broken.
            Others that are broken are left out with a warning.
    """
    from difflib import get_close_matches

    from rcg.grading.standard_files import read_standards

    broken: dict[str, ConfigError] = {}
    known = read_standards(None if workspace is None else Path(workspace) / "standards", broken=broken)
    wanted = {each.lower() for each in names or ()}
    for name, error in broken.items():
        if name in wanted:
            raise error
        if names is None:
            log.warning("the standard %s is left out: %s", name, error)
    if names is None:
        return known
    chosen = {}
    for name in names:
        if name.lower() not in known:
            near = get_close_matches(name.lower(), list(known), n=1)
            fix = f"write {near[0]}" if near else f"choose from {', '.join(known)}"
            raise ConfigError(f"there is no standard {name!r}", fix=fix)
        chosen[name.lower()] = known[name.lower()]
    return dict(sorted(chosen.items()))


def _unlike(front: Picture, back: Picture | None) -> None:
    """See that the back is not the front's own file.

    Raises:
        ConfigError: If it is.
    """
    if not (isinstance(front, str | Path) and isinstance(back, str | Path)):
        return
    first, second = Path(front).expanduser(), Path(back).expanduser()
    if first.exists() and second.exists() and first.samefile(second):
        what = "the back is the same file as the front"
        raise ConfigError(what, where=second, fix="name the picture of the back, or leave --back out")


def read_picture(source: Picture) -> Pixels:
    """(h, w, 3) uint8 RGB of an image file, EXIF orientation applied; an array is given back as it is."""
    return read_image(Path(source).expanduser()) if isinstance(source, str | Path) else source


def name_of(source: Picture) -> str:
    """What a card is called: its file's name without the ending; "card" for an array."""
    return Path(source).stem if isinstance(source, str | Path) else "card"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """What was asked for, its names resolved before anything is measured."""

    spec: CardSpec | None
    reference: Pixels | None
    standards: dict[str, Standard]
    workspace: Path | None


def _asked(
    spec: str | CardSpec | None,
    reference: Picture | None,
    standards: Sequence[str] | None,
    workspace: str | Path | None,
    run: object | None,
) -> _Asked:
    if run is not None:
        from rcg.grading.second_opinion import check_run

        check_run(run)
    return _Asked(
        spec=card_spec(spec) if isinstance(spec, str) else spec,
        reference=None if reference is None else read_picture(reference),
        standards=chosen_standards(standards, workspace),
        workspace=None if workspace is None else Path(workspace),
    )


def _adjusting(
    pixels: Pixels, name: str, workspace: Path | None, hand: list[tuple[str, ...]]
) -> Callable[[FaceMeasurement], FaceMeasurement] | None:
    """What sets the lines of a workspace on a card, and notes their names, card by card; None where there are none."""
    if workspace is None or not hand_path(workspace).exists():
        return None
    key = picture_key(pixels)

    def adjust(face: FaceMeasurement) -> FaceMeasurement:
        lines = read_hand(hand_path(workspace), key, face.outline)
        hand.append(tuple(f"{name} {each.name}" for each in lines))
        return _with_lines(pixels, face, lines)

    return adjust


def _seen_by_run(run: object, source: Picture, face: FaceMeasurement) -> FaceMeasurement:
    from rcg.grading.second_opinion import with_opinion

    return with_opinion(run, source, face)


def _grades(front: FaceMeasurement, back: FaceMeasurement | None, standards: dict[str, Standard]) -> tuple[Grade, ...]:
    from rcg.grading.deciding import grade_faces

    return tuple(grade_faces(front, back, standards=standards))


def _sources(**given: object) -> dict[str, str]:
    """The files by part; arrays and captures have no name."""
    return {part.replace("_", " "): str(each) for part, each in given.items() if isinstance(each, str | Path)}


def _named(report: Report, name: str) -> Report:
    """The same sink, whose ticks say which face they are of."""

    def tell(tick: Tick) -> None:
        report(replace(tick, task=f"{name}: {tick.task}"))

    return report if report is silent else tell
