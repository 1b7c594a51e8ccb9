"""The photometric panel's state and commands: frames in, a calibration, a measured surface out."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets import Bool, Instance, Tuple, Unicode, observe

from rcg.captures import captures
from rcg.errors import ConfigError, DataError
from rcg.jobs import Job
from rcg.normals import SurfaceReport, known_light, read_surface
from rcg.photometric.types import Capture
from rcg.progress import counted
from rcg.relight import Packed
from rcg.surface_dataset import add_defects, frames_folder
from rcg.workspace import Workspace
from widgets.base import Message, PanelModel
from widgets.code import Code, code_of
from widgets.job_model import JobModel
from widgets.photometric_pictures import LAYERS, Frame, layer_picture, small_frames
from widgets.proposing import clean

AS_TOLD, SHEET, BALL, PLANE, SAVED = "as told", "white sheet", "mirror ball", "plane", "saved"
_SOURCE = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a calibration came to.

    Attributes:
        folder: Where it is kept.
        kind: "mirror ball", "white sheet" or "plane".
        unit: Of the errors: "degrees" or "percent".
        errors: One for each light; empty where not known.
        notes: What the user should know.
    """

    folder: Path
    kind: str
    unit: str
    errors: tuple[float, ...]
    notes: tuple[str, ...]


class PhotometricModel(PanelModel):
    """From frames to a measured surface; the long work is a job of its own, which outlives the kernel."""

    dataset = Unicode("").tag(label="Dataset", tip="A dataset with captures; or give a folder below")
    card = Unicode("").tag(label="Capture", tip="The card, or side of a card")
    frames = Unicode("").tag(
        label="Frames", placeholder="/path/to/folder with one frame for each light", tip="It goes before the capture"
    )
    method = Unicode("auto").tag(label="Method", tip="auto drops highlights and shadows where the residual shows them")
    flat = Unicode("").tag(label="White sheet", placeholder="empty: flat/ in the folder", tip="Frames of a matte sheet")
    px_mm = Unicode("").tag(label="mm per pixel", placeholder="empty: as rig.toml tells", tip="Such as 0.0215")
    out = Unicode("").tag(
        label="Write to", placeholder="empty: below surfaces/ of the workspace", tip="A measurement there is replaced"
    )
    source = Unicode(AS_TOLD).tag(label="Light", tip="Where the light of each pixel is known from")
    target = Unicode("").tag(
        label="Its frames", placeholder="folder with frames of the ball or sheet", tip="One frame for each light"
    )
    calibration = Unicode("").tag(label="Kept in", placeholder="folder of a calibration", tip="Made here or elsewhere")
    layer = Unicode("albedo").tag(label="Look at", tip="What the picture shows")
    into = Unicode("").tag(label="Dataset", tip="The defects become its predictions named photometric")
    outlines = Bool(True).tag(label="Outlines of the defects", tip="Drawn over the picture")

    names = Tuple()
    cards = Tuple()
    every = Tuple()
    shown = Tuple()  # the frames, small
    about = Unicode("")
    calibrated = Instance(Calibrated, allow_none=True)
    report = Instance(SurfaceReport, allow_none=True)
    packed = Instance(Packed, allow_none=True)

    def __init__(self, workspace: Workspace | str | Path | None = None) -> None:
        super().__init__(workspace)
        self.jobs = JobModel(self.workspace, kinds=("normals",), ended=self.ended)
        self.refresh()
        self.jobs.attach_latest()

    def refresh(self) -> None:
        """Read which datasets and captures there are."""
        known = self.workspace.datasets()
        self.every = tuple(each.name for each in known)
        self.names = tuple(each.name for each in known if captures(each))
        if self.dataset not in self.names:
            self.dataset = self.names[0] if self.names else ""
        self._list_cards()
        if self.into not in self.every:
            self.into = self.dataset or (self.every[0] if self.every else "")

    @observe("dataset")
    def _list_cards(self, _: Any = None) -> None:
        self.cards = captures(self.workspace.dataset(self.dataset)) if self.dataset else ()
        if self.card not in self.cards:
            self.card = self.cards[0] if self.cards else ""

    def poll(self) -> None:
        """Look at the job."""
        self.jobs.poll()

    @property
    def place(self) -> Path:
        """The folder of the frames.

        Raises:
            DataError: If none is given, or it is not there.
        """
        if self.frames.strip():
            return frames_folder(clean(self.frames), self.workspace)
        if not self.card:
            fix = "paste the path of a folder with one frame for each light"
            raise DataError("no frames are chosen", fix=fix)
        return frames_folder(f"{self.dataset}/{self.card}", self.workspace)

    @property
    def target_folder(self) -> Path:
        """Where the results go."""
        if self.out.strip():
            return Path(clean(self.out)).expanduser().absolute()
        place = self.place
        name = f"{self.dataset}_{self.card}" if not self.frames.strip() else place.name
        return self.workspace.path / "surfaces" / _SOURCE.sub("_", name)

    def capture(self) -> Capture:
        """The chosen frames.

        Raises:
            RcgError: If they cannot be read.
        """
        from rcg.photometric.reading import read_capture

        flat = clean(self.flat) if self.flat.strip() else None
        return read_capture(self.place, flat=flat, mm_per_px=self._size())

    def _size(self) -> float | None:
        if not self.px_mm.strip():
            return None
        try:
            return float(self.px_mm.replace(",", "."))
        except ValueError as error:
            what = f"mm per pixel: {self.px_mm!r} is not a number"
            raise ConfigError(what, fix="write a number such as 0.0215, or leave it empty") from error

    def look(self) -> None:
        """Show the frames, and an earlier measurement of them."""
        self.shown, self.about = (), ""
        capture = self.capture()
        self.shown = small_frames(capture)
        size = "size of a pixel not known" if capture.mm_per_px is None else f"{capture.mm_per_px:.4g} mm per pixel"
        depth = f"full scale {capture.full_scale:g}"
        words = [f"{capture.lights} frames of {capture.width} x {capture.height} pixels, {size}, {depth}"]
        words.append("with a white sheet" if capture.flat is not None else "without a white sheet")
        self.about = "; ".join([", ".join(words), *capture.notes])
        self._take(self.target_folder, quiet=True)

    def calibrate(self) -> Calibrated:
        """Find the lights from a white sheet, a mirror ball, or the card itself, and keep what was found.

        Raises:
            RcgError: If there is nothing to calibrate, or the frames do not allow it.
        """
        from rcg.photometric.ball import calibrate_ball
        from rcg.photometric.calibrate import as_calibration
        from rcg.photometric.planar import calibrate_plane
        from rcg.photometric.reading import read_capture
        from rcg.photometric.sheet import calibrate_sheet
        from rcg.photometric.writing import write_calibration

        if self.source not in (SHEET, BALL, PLANE):
            fix = "choose a white sheet, a mirror ball or the card itself under Light"
            raise ConfigError("there is nothing to calibrate", fix=fix)
        given = clean(self.target) if self.target.strip() and self.source != PLANE else ""
        if self.source == BALL and not given:
            raise ConfigError("the frames of the ball are missing", fix="paste the path of their folder")
        target = read_capture(given, mm_per_px=self._size()) if given else self.capture()
        calibrators: dict[str, Any] = {SHEET: calibrate_sheet, BALL: calibrate_ball, PLANE: calibrate_plane}
        found = as_calibration(calibrators[self.source](target), target)
        name = _SOURCE.sub("_", f"{Path(given).name if given else self.place.name}_{self.source}")
        folder = write_calibration(self.workspace.path / "calibrations" / name, found)
        errors = () if found.errors is None else tuple(float(each) for each in found.errors.ravel())
        unit = "degrees" if found.kind == BALL else "percent"
        self.calibrated = Calibrated(folder=folder, kind=found.kind, unit=unit, errors=errors, notes=found.notes)
        self.calibration = str(folder)
        self.message = Message(
            kind="done", what=f"calibrated by {found.kind}; kept in {folder}", fix="Measure with it."
        )
        return self.calibrated

    def light(self) -> str:
        """In one word, where the light of the chosen frames is known from."""
        field, _ = known_light(self.capture(), self._calibration())
        return field.origin

    def _calibration(self) -> str | None:
        if self.source == AS_TOLD:
            return None
        if not self.calibration.strip():
            fix = "press Calibrate, or name the folder of a kept calibration"
            raise ConfigError("there is no calibration yet", fix=fix)
        return clean(self.calibration)

    def arguments(self) -> tuple[str, ...]:
        """The command line of `measure`."""
        made = ["normals", str(self.place), str(self.target_folder)]
        made += ["--method", self.method] if self.method != "auto" else []
        made += ["--flat", str(Path(clean(self.flat)).expanduser().absolute())] if self.flat.strip() else []
        size, kept = self._size(), self._calibration()
        made += ["--px-mm", f"{size:g}"] if size is not None else []
        made += ["--calibration", str(Path(kept).expanduser().absolute())] if kept else []
        return tuple(made)

    def measure(self) -> Job:
        """Solve the frames, in a process of its own."""
        return self.jobs.start(self.arguments(), title=f"measuring {self.place.name}")

    def code(self) -> Code:
        """What `measure` does, as code."""
        return code_of(self.arguments(), self.workspace.path)

    def ended(self, job: Job) -> None:
        """A measurement has ended: show it."""
        if job.state == "done":
            self.attempt(lambda: self._take(Path(job.arguments[2]), quiet=False))

    def open(self, folder: str | Path) -> None:
        """Show a measurement that was made before.

        Raises:
            DataError: If there is none.
        """
        self._take(Path(folder), quiet=False)

    def _take(self, folder: Path, *, quiet: bool) -> None:
        from widgets.relight import packed_surface

        if quiet and not (folder / "report.json").is_file():
            self.report = self.packed = None
            return
        told = read_surface(folder)
        self.packed = packed_surface(told)
        self.report = told
        if not quiet:
            found = counted(len(told.defects), "defect")
            self.message = Message(kind="done", what=f"measured {told.frames.name}: {found}", where=str(told.out))

    def picture(self) -> bytes:
        """The chosen layer as JPEG; empty where nothing is measured."""
        return b"" if self.report is None else layer_picture(self.report, self.layer, outlines=self.outlines)

    def add(self) -> Path:
        """Add the defects to the chosen dataset, as predictions.

        Raises:
            RcgError: If nothing is measured or chosen, or the dataset cannot take them.
        """
        if self.report is None:
            raise DataError("nothing is measured yet", fix="press Measure first")
        if not self.into:
            raise DataError("there is no dataset to add to", fix="make one in Datasets, of surface damage for instance")
        made = add_defects(self.report.out, self.workspace.dataset(self.into))
        found = counted(len(self.report.defects), "defect")
        what = f"{found} added to {self.into}, as predictions named photometric"
        self.message = Message(kind="done", what=what, fix="Look at them in Review.")
        return made

    def export(self) -> Path:
        """Put the page that relights the card into the workspace's exports.

        Raises:
            DataError: If nothing is measured.
        """
        if self.report is None:
            raise DataError("nothing is measured yet", fix="press Measure first")
        target = self.workspace.path / "exports" / f"{self.report.out.name}_relight.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.report.out / "relight.html", target)
        self.message = Message(kind="done", what=f"the page is in {target}", fix="It is one file: send it, or open it.")
        return target


__all__ = ["AS_TOLD", "BALL", "LAYERS", "PLANE", "SAVED", "SHEET", "Calibrated", "Frame", "PhotometricModel"]
