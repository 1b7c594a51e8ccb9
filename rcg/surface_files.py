"""What a surface measurement leaves on disk: one folder with the arrays, the pictures and the report."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.files import atomic, explain, part_prefix, read_json, remove_stale, sync_folder, umask
from rcg.photometric.types import Mask, Plane, SurfaceDefect
from rcg.types import Point

MADE_BY = "rcg normals"
REPORT = "report.json"
ARRAYS = ("normals", "height", "confidence", "slope_sd", "gloss", "albedo")
PICTURES = (
    "normals.png", "albedo.png", "height.png", "confidence.png", "gloss.png", "defects.png", "unreliable.png",
    "mask.png",
)  # fmt: skip
_LISTED = 12
FILES = frozenset({*(f"{name}.npy" for name in ARRAYS), *PICTURES, "defects.json", "relight.html", REPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceReport:
    """What was measured, from what, and how far it can be trusted.

    Attributes:
        out: The folder with the results.
        frames: The folder that was read.
        lights: How many frames.
        width: Columns of a frame.
        height: Rows of a frame.
        mm_per_px: The size of a pixel on the card; None where not known: heights are then in pixels.
        method: What was asked for: "auto", "least-squares" or "robust".
        light_field: Where the light of each pixel is known from, such as "flat field".
        shifts_px: Of each frame, x and y in pixels; taken off before solving.
        solved_share: Share of the pixels of the card that have a normal.
        unreliable_share: Share of these where the surface shines like foil.
        residual: Chi-squared for each degree of freedom: its median and 95th percentile; about 1 where the model holds.
        slope_sd: The median standard deviation of the slope, as a tangent.
        print_leak: The check of print that leaks into the relief; None where there was too little to tell.
        card: The corners of the card in pixels; empty where none was found or it fills the frames.
        defects: The finds, the surest first.
        notes: What the user should know, one sentence each.
        seconds: How long each step took.
        versions: Of Python, RCG and what computed it.
    """

    out: Path
    frames: Path
    lights: int
    width: int
    height: int
    mm_per_px: float | None
    method: str
    light_field: str
    shifts_px: tuple[Point, ...]
    solved_share: float
    unreliable_share: float
    residual: Mapping[str, float]
    slope_sd: float
    print_leak: Mapping[str, Any] | None
    card: tuple[Point, ...] = ()
    defects: tuple[SurfaceDefect, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        size = "size of a pixel not known" if self.mm_per_px is None else f"{self.mm_per_px:.4g} mm per pixel"
        shares = f"solved {100 * self.solved_share:.1f} %, unreliable {100 * self.unreliable_share:.1f} %"
        residual = f"residual {self.residual['median']:.2f} (95 %: {self.residual['p95']:.2f})"
        rows = [
            f"{self.lights} frames of {self.width} x {self.height} pixels, {size}; light: {self.light_field}",
            f"{shares}; {residual}; slope sd {self.slope_sd:.4f}",
        ]
        rows += [f"  {number}. {defect_words(each)}" for number, each in enumerate(self.defects[:_LISTED], 1)]
        more = len(self.defects) - _LISTED
        rows += [f"  and {more:,} less sure ones, in defects.json"] if more > 0 else []
        rows += [] if self.defects else ["  no defects found" if self.mm_per_px else "  defects were not looked for"]
        rows += [f"  note: {note}" for note in self.notes]
        return "\n".join([*rows, f"in {self.out}; look at relight.html in a browser"])

    def values(self) -> dict[str, Any]:
        """The report as plain values, without the defects' outlines."""
        found = asdict(self)
        found["defects"] = [
            {name: value for name, value in defect_values(each).items() if name != "polygon"} for each in self.defects
        ]
        return {**found, "out": str(self.out), "frames": str(self.frames), "made_by": MADE_BY}


def defect_words(defect: SurfaceDefect) -> str:
    """A defect in one line: what, how long, how wide, how deep, how sure.

    Example:
        >>> ring = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
        >>> defect_words(SurfaceDefect(label="print_line", polygon=ring, length_mm=9.5, width_mm=0.05, height_um=-2.1,
        ...     height_sigma_um=0.3, confidence=0.97))
        'print line, 9.5 x 0.05 mm, -2.1 ± 0.3 um, confidence 0.97'
    """
    size = f"{defect.length_mm:.1f} x {defect.width_mm:.2f} mm"
    depth = f"{defect.height_um:+.1f} ± {defect.height_sigma_um:.1f} um"
    doubt = ", where it shines like foil: unreliable" if defect.unreliable else ""
    return f"{defect.label.replace('_', ' ')}, {size}, {depth}, confidence {defect.confidence:.2f}{doubt}"


def defect_values(defect: SurfaceDefect) -> dict[str, Any]:
    """A defect as it stands in defects.json."""
    found = asdict(defect)
    found["polygon"] = [[round(x, 2), round(y, 2)] for x, y in defect.polygon]
    found["notes"] = list(defect.notes)
    return found


def write_array(path: Path, values: NDArray[Any]) -> None:
    """Write an array as `.npy`, whole or not at all."""
    with atomic(path) as out:
        np.save(out, values, allow_pickle=False)


def check_out(out: str | Path) -> Path:
    """The folder of the results, if it may be written: new, empty, or that of an earlier measurement.

    Raises:
        DataError: If it holds anything else, which would be lost.
    """
    place = Path(out).expanduser().absolute()
    try:
        names = {each.name for each in place.iterdir()} if place.is_dir() else set()
    except OSError as error:
        raise explain(error, place) from error
    if place.exists() and not place.is_dir():
        raise DataError("this is a file, not a folder", where=place, fix="name a new folder for the results")
    ours = not names or (REPORT in names and read_json(place / REPORT).get("made_by") == MADE_BY)
    strangers = sorted(names - FILES) if ours else sorted(names)
    if strangers:
        what = f"the folder holds other files, such as {strangers[0]}"
        raise DataError(what, where=place, fix="name a new or empty folder, or one that rcg normals wrote")
    above = next(each for each in (place, *place.parents) if each.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise DataError("nothing can be written here", where=above, fix="name a folder of your own")
    return place


@contextmanager
def replacing(place: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `place` when the block ends without an error."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(place)
        beside = Path(tempfile.mkdtemp(prefix=part_prefix(place), suffix=".part", dir=place.parent))
    except OSError as error:
        raise explain(error, place) from error
    try:
        beside.chmod(0o777 & ~umask())
        yield beside
        check_out(place)  # somebody may have put a file there meanwhile
        _swap(beside, place)
    except OSError as error:
        raise explain(error, place) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _swap(beside: Path, place: Path) -> None:
    old = beside.with_name(beside.name.removesuffix(".part") + "old.part")
    if place.exists():
        os.rename(place, old)  # noqa: PTH104 - a folder is renamed as a whole
    try:
        os.rename(beside, place)  # noqa: PTH104
    except OSError:
        if old.exists():
            os.rename(old, place)  # noqa: PTH104 - as it was
        raise
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def read_surface(folder: str | Path) -> SurfaceReport:
    """The report of a measurement that was made before, with its defects.

    Raises:
        DataError: If the folder holds none.
    """
    place = Path(folder).expanduser().absolute()
    fix = "measure it: rcg normals FRAMES OUT"
    if not (place / REPORT).is_file():
        raise DataError("there is no measured surface in this folder", where=place, fix=fix)
    told, found = read_json(place / REPORT), read_json(place / "defects.json")
    if told.get("made_by") != MADE_BY:
        raise DataError("this report is of another kind", where=place / REPORT, fix=fix)
    names = {each for each in SurfaceReport.__dataclass_fields__ if each in told}
    values = {name: told[name] for name in names} | {"out": place, "frames": Path(told["frames"])}
    values |= {name: tuple(map(tuple, told[name])) for name in ("shifts_px", "card")}
    return SurfaceReport(**{**values, "notes": tuple(told["notes"]), "defects": tuple(map(_defect, found["defects"]))})


def _defect(values: Mapping[str, Any]) -> SurfaceDefect:
    ring = tuple((float(x), float(y)) for x, y in values["polygon"])
    known = {name: values[name] for name in SurfaceDefect.__dataclass_fields__ if name in values}
    return SurfaceDefect(**{**known, "polygon": ring, "notes": tuple(values.get("notes", ()))})


def read_plane(folder: str | Path, name: str) -> Plane:
    """An array of a measurement, such as "height", opened where it lies: only what is looked at is read.

    Raises:
        DataError: If it is not there.
    """
    path = Path(folder) / f"{name}.npy"
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        what = "this part of the measurement cannot be read"
        raise DataError(what, where=path, fix="measure the frames again") from error


def read_mask(folder: str | Path) -> Mask:
    """Where a measurement has a surface: (h, w), true on the card.

    Raises:
        RcgError: If it is not there.
    """
    from rcg.images import read_image

    return np.asarray(read_image(Path(folder) / "mask.png")[..., 0] > 0)
