"""The grading panel's state and commands: photos in, a card measured and graded, its lines corrected by hand."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Instance, Int, Tuple, Unicode

from rcg.card_specs import CARD_SPECS
from rcg.errors import Cancelled, ConfigError, DataError
from rcg.grading.hand_file import hand_path, picture_key, read_hand, remove_hand, write_hand
from rcg.grading.types import GradeReport
from rcg.jobs import Job
from rcg.progress import Meter, Report, Tick
from rcg.surface_dataset import frames_folder
from rcg.types import Point
from rcg.workspace import Workspace
from widgets.base import Message, PanelModel
from widgets.code import Code, code_of
from widgets.grading_batch_model import BatchModel, Row
from widgets.grading_hand import FaceOnTable
from widgets.job_model import LIVE, Snapshot
from widgets.proposing import clean

if TYPE_CHECKING:
    from rcg.grading import Graded

GUESS = "guess"
FACES = ("front", "back")
SPECS = {GUESS: "guess from its shape", **{name: spec.title for name, spec in CARD_SPECS.items()}}
WORKERS = max(1, min(4, (os.cpu_count() or 2) - 1))
_NAMED = {"--back": "photo of the back", "--reference": "reference picture"}
_TITLES = {"--back": "a back", "--frames": "frames"}


class GradingModel(PanelModel):
    """From photos to grades with their evidence. One card is graded here, many in a process of their own."""

    photos = Unicode("").tag(
        label="Photos", placeholder="/path/to/front.jpg, or a folder",
        tip="One photo is graded here; several, or a folder, in a process that outlives this notebook",
    )  # fmt: skip
    back = Unicode("").tag(label="Back", placeholder="empty: the front alone", tip="A photo of the same card's back")
    frames = Unicode("").tag(
        label="8-light frames", placeholder="empty: no frames", tip="A folder with one frame a light: shows dents"
    )
    reference = Unicode("").tag(
        label="Reference", placeholder="empty: no official picture", tip="For cards without a border: the print itself"
    )
    every = Bool(False).tag(label="Every card on a photo", tip="Not the largest alone; fronts only")
    workers = Int(WORKERS).tag(label="Processes", tip="How many cards of a batch are measured at the same time")
    spec = Unicode(GUESS).tag(label="Card", tip="The cut size; what was guessed is said in the result")
    standards = Tuple().tag(label="Standards", tip="Ctrl and Shift choose several; none chosen: all of them")
    out = Unicode("").tag(
        label="Write to", placeholder="empty: below grades/ of the workspace", tip="A batch there is gone on with"
    )
    face = Unicode("front").tag(label="Face", tip="Which face is looked at")

    known = Tuple()  # (title, name) of each standard
    report = Instance(GradeReport, allow_none=True)
    progress = Instance(Snapshot, allow_none=True)
    cards = Tuple()  # the names of the cards that were found on the photo
    card = Unicode("").tag(label="Card", tip="Which of the cards on the photo is looked at")
    changed = Int(0)  # counts what was laid on the table: another card, a line set by hand

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self.table: dict[str, FaceOnTable] = {}
        self.batch = BatchModel(self.workspace, ended=self.ended)
        self._graded: Graded | None = None
        self._found: tuple[Graded, ...] = ()
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._began = 0.0
        self.attempt(self.refresh)
        self.batch.attach()

    def refresh(self) -> None:
        """Read which standards there are, one's own among them, and the table of the batch.

        Raises:
            ConfigError: If a standard of one's own cannot be read; it says which line is wrong.
        """
        from rcg.grading import read_standards

        found = read_standards(self.own)
        self.known = tuple((each.title, each.name) for each in found.values())
        self.standards = tuple(each for each in self.standards if each in found)
        self.batch.find()
        self.batch.read()

    @property
    def own(self) -> Path:
        """The folder in which standards of one's own stand, as .toml files."""
        return self.workspace.path / "standards"

    def given(self) -> tuple[Path, ...]:
        """The photos or folders that are named.

        Raises:
            DataError: If none is, or one is not there.
        """
        paths = tuple(Path(clean(line)).expanduser().absolute() for line in self.photos.splitlines() if line.strip())
        if not paths:
            raise DataError("there is no photo to grade", fix="drop one on the field, or paste its path under Photos")
        for each in paths:
            if not each.exists():
                raise DataError("there is no such photo or folder", where=each, fix="check the path for typing errors")
        return paths

    @property
    def many(self) -> bool:
        """Whether what is named is a batch: several photos, or a folder."""
        paths = self.given()
        return len(paths) > 1 or paths[0].is_dir()

    def arguments(self) -> tuple[str, ...]:
        """The command line of `grade`.

        Raises:
            RcgError: If a photo or a choice cannot be used.
        """
        made = ["grade", *map(str, self.given())]
        for option, place in self._places().items():
            made += [option, str(place)]
        made += ["--out", str(self.target()), "--jobs", str(self.workers)] if self.many else []
        made += ["--all"] if self.every else []
        made += ["--card-spec", self.spec] if self.spec != GUESS else []
        for each in self.standards:
            made += ["--standard", each]
        return tuple(made)

    def _places(self) -> dict[str, Path]:
        """The files beside the fronts, by the command line's options.

        Raises:
            RcgError: If one is not there, or is of no use for what is graded.
        """
        given = {"--back": self.back, "--frames": self.frames, "--reference": self.reference}
        found = {option: self._named(value, option) for option, value in given.items() if value.strip()}
        single = sorted(found.keys() & {"--back", "--frames"})
        if single and (self.many or self.every):
            where = "a photo of every card" if self.every else "a batch"
            what = f"{' and '.join(_TITLES[each] for each in single)} cannot be used with {where}"
            raise ConfigError(what, fix="leave it empty, or grade the cards one by one")
        return found

    def _named(self, value: str, option: str) -> Path:
        if option == "--frames":
            return frames_folder(clean(value), self.workspace)
        place = Path(clean(value)).expanduser().absolute()
        if not place.is_file():
            raise DataError(f"there is no such {_NAMED[option]}", where=place, fix="check the path, or leave it empty")
        return place

    def target(self) -> Path:
        """The folder that a batch is written to."""
        if self.out.strip():
            return Path(clean(self.out)).expanduser().absolute()
        first = self.given()[0]
        return self.workspace.path / "exports" / "grades" / (first if first.is_dir() else first.parent).name

    def code(self) -> Code:
        """What `grade` does, as code."""
        return code_of(self.arguments(), self.workspace.path)

    def grade(self) -> GradeReport | Job:
        """Grade the card, or start the batch where several photos are named.

        Raises:
            RcgError: If a photo cannot be read, or a choice cannot be used.
            Cancelled: If it was stopped.
        """
        if self.many:
            folder = self.target()
            return self.batch.start(self.arguments(), title=f"grading {folder.name}", folder=folder)
        return self.grade_card(self.given()[0])

    def grade_card(self, front: Path) -> GradeReport:
        """Grade one card, or every card on one photo, and lay it on the table.

        Raises:
            RcgError: If a photo cannot be read, or a choice cannot be used.
            Cancelled: If it was stopped.
        """
        from rcg.grading import grade_card, grade_cards

        names = {"--back": "back", "--frames": "capture", "--reference": "reference"}
        choices: dict[str, Any] = {names[option]: place for option, place in self._places().items()}
        choices["spec"] = None if self.spec == GUESS else self.spec
        if self.every:
            return self._work(lambda report: grade_cards(front, **choices, report=report))
        return self._work(lambda report: (grade_card(front, **choices, report=report),))

    def _work(self, grading: Callable[[Report], Sequence[Graded]]) -> GradeReport:
        """Do it with a bar that moves, and lay the first card on the table."""
        self._stop.clear()
        self._began = time.monotonic()
        self.progress = Snapshot(state="starting", note="reading the photo")
        state = "failed"
        try:
            found = tuple(grading(self._sink()))
            made = self.lay(*found)
            state = "done"
        except Cancelled:
            state = "cancelled"
            raise
        finally:
            self.progress = replace(self.progress, state=state, note="", elapsed_s=time.monotonic() - self._began)
        return made

    def _sink(self) -> Report:
        meter = Meter()

        def sink(tick: Tick) -> None:
            if self._stop.is_set():
                raise Cancelled("grading was stopped", fix="press Grade to begin again")
            meter.update(tick)
            self.progress = Snapshot(
                state="running", task=tick.task, done=tick.done, total=tick.total, rate=meter.rate,
                eta_s=meter.eta_s(tick), note=tick.note, elapsed_s=time.monotonic() - self._began,
            )  # fmt: skip

        return sink

    @property
    def grading(self) -> bool:
        """Whether a card is being graded here."""
        return self.progress is not None and self.progress.state in LIVE

    def stop(self) -> None:
        """Stop grading after the step that it is in."""
        if self.grading and self.progress is not None:
            self._stop.set()
            self.progress = replace(self.progress, state="stopping", note="it is finishing the step it is in")

    def poll(self) -> None:
        """Show that time goes on, and look at the batch."""
        shown = self.progress
        if shown is not None and shown.state in LIVE:
            self.progress = replace(shown, elapsed_s=time.monotonic() - self._began)
        self.batch.poll()

    # the card on the table

    def lay(self, *graded: Graded) -> GradeReport:
        """Lay graded cards on the table, with the lines that a person set on their pictures before.

        Args:
            graded: As `rcg.grading.grade_card` gives them, without a workspace; the first is looked at.
        """
        with self._lock:
            self._found = graded
            self.cards = tuple(each.report.name for each in graded)
            return self.choose(self.cards[0])

    def choose(self, name: str) -> GradeReport:
        """Look at one of the cards that lie there."""
        with self._lock:
            self.card, self._graded = name, self._found[self.cards.index(name)]
            report, pictures = self._graded.report, self._graded.pictures
            self.table = {each: self._face(each, pictures[each], getattr(report, each)) for each in pictures}
            if self.face not in self.table:
                self.face = "front"
            return self._renew()

    def _face(self, name: str, pixels: Any, face: Any) -> FaceOnTable:
        key = picture_key(pixels)
        made = FaceOnTable(name=name, pixels=pixels, key=key, measured=face, face=face)
        lines = read_hand(hand_path(self.workspace.path), key, face.outline) if face.outline is not None else ()
        return made.with_lines(lines, wear=True) if lines else made

    def _renew(self) -> GradeReport:
        """Grade anew from the faces as they lie there."""
        from rcg.grading import regrade

        hand = tuple(f"{each.name} {line}" for each in self.table.values() for line in each.hand_set)
        faces = {name: each.face for name, each in self.table.items()}
        names = self.standards or tuple(name for _, name in self.known)
        assert self._graded is not None
        self.report = regrade(
            self._graded.report, **faces, hand_set=hand, standards=names, workspace=self.workspace.path
        )
        self.changed += 1
        return self.report

    def set_line(self, face: str, side: str, edge: str, ends: tuple[Point, Point], *, done: bool = True) -> None:
        """Lay a line anew; sigma and grades follow.

        Args:
            face: "front" or "back".
            side: One of `SIDES`.
            edge: "outer" or "inner".
            ends: px, its left or upper end first.
            done: Whether it stays, and is kept for the next time; while it is being dragged it is not.

        Raises:
            RcgError: If there is no such face, or the line cannot be one of this card.
        """
        with self._lock:
            made = self._on_table(face).with_line(side, edge, ends, wear=done)
            self._take(made)
            line = made.line(side, edge)
            if done and line is not None:
                write_hand(hand_path(self.workspace.path), line)
                what = f"the {face}'s {line.name} line is set by hand and kept"
                self.message = Message(kind="done", what=what, fix="Reset brings the measured line back.")

    def reset_line(self, face: str, side: str, edge: str) -> None:
        """Bring a measured line back."""
        with self._lock:
            here = self._on_table(face)
            line = here.line(side, edge)
            if line is None:
                raise DataError(f"the {face}'s {side} {edge} line was not set by hand", fix="nothing has to be done")
            remove_hand(hand_path(self.workspace.path), line)
            self._take(here.without(side, edge))
            self.message = Message(kind="done", what=f"the {face}'s {line.name} line is as measured again")

    def reset_all(self) -> None:
        """Bring all measured lines of both faces back."""
        with self._lock:
            lines = [(name, line) for name, each in self.table.items() for line in each.lines]
            if not lines:
                raise DataError("no line was set by hand", fix="nothing has to be done")
            for name, line in lines:
                remove_hand(hand_path(self.workspace.path), line)
                self.table[name] = self.table[name].with_lines((), wear=True)
            self._take(self.table[lines[0][0]])
            self.message = Message(kind="done", what="all lines are as measured again")

    def _on_table(self, face: str) -> FaceOnTable:
        if face not in self.table:
            raise DataError(f"there is no {face} on the table", fix="grade a photo of it first")
        return self.table[face]

    def _take(self, face: FaceOnTable) -> None:
        self.table[face.name] = face
        self._renew()

    @property
    def shown(self) -> FaceOnTable | None:
        """The face that is looked at; None where no card is on the table."""
        return self.table.get(self.face)

    def page(self) -> tuple[str, bytes]:
        """The report's page as it stands now: its name and content.

        Raises:
            DataError: If nothing is graded.
        """
        from rcg.grading import page_of

        if self.report is None or self._graded is None:
            raise DataError("nothing is graded yet", fix="press Grade first")
        pictures = {name: each.pixels for name, each in self.table.items()}
        return f"{self.report.name}.html", page_of(
            replace(self._graded, report=self.report, pictures=pictures)
        ).encode()

    def write(self) -> Path:
        """Write the report's page into the workspace's exports.

        Raises:
            RcgError: If nothing is graded, or it cannot be written.
        """
        from rcg.files import write_bytes

        name, data = self.page()
        target = self.workspace.path / "exports" / name
        write_bytes(target, data)
        self.message = Message(kind="done", what=f"the page is in {target}", fix="It is one file: send it, or open it.")
        return target

    def open_card(self, name: str) -> GradeReport:
        """Lay a card of the batch on the table: it is measured again, with the lines set by hand."""
        row: Row = self.batch.row(name)
        self.photos, self.back = row["front"], row.get("back", "")
        return self.grade_card(self.given()[0])

    def ended(self, job: Job) -> None:
        """A batch has ended: say what it came to."""
        if job.state == "done":
            what = f"graded: {self.batch.words or 'no cards'}"
            self.message = Message(kind="done", what=what, where=self.batch.folder)
