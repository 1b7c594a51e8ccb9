"""From a folder of frames to a measured surface: read, calibrate, check, register, solve, relief, defects, files."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcg.errors import ConfigError
from rcg.files import write_bytes, write_json
from rcg.photometric.types import Capture, LightField, Mask, NormalMap, Plane, SurfaceDefect
from rcg.progress import Report, Tick, silent
from rcg.surface_files import (
    REPORT,
    SurfaceReport,
    check_out,
    defect_values,
    defect_words,
    read_mask,
    read_plane,
    read_surface,
    replacing,
    write_array,
)  # fmt: skip
from rcg.types import Point

if TYPE_CHECKING:
    from rcg.photometric.calibrate import Calibration

METHODS = ("auto", "least-squares", "robust")
WORST_SD = 0.03
"""The slope's standard deviation at which the confidence is 0, as in `rcg.photometric.pictures`."""
_FLAT = 0.985
"""A card's median normal stands at most 10 degrees from the camera's axis."""
_NO_SLOPE = 0.5
"""A slope's standard deviation at which a normal says nothing: 27 degrees."""
_PACKAGES = ("numpy", "scipy", "numba")
_STEPS = ("reading", "calibrating", "registering", "solving", "relief", "defects", "writing")


@dataclass(slots=True, kw_only=True, eq=False)
class Surface:
    """A measured surface in memory.

    Attributes:
        capture: The frames, registered.
        light_field: What each pixel got of each light.
        normal_map: The normals.
        mask: (h, w), true on the card; None where all of the picture is.
        card: The card's corners in pixels; empty where none stands out.
        height: (h, w) float32 millimetres, or pixels where their size is not known, without what the print fakes.
        gloss: (h, w) float32, what shines more than a matte surface.
        defects: The finds.
        shifts: (k, 2) pixels that the frames were shifted by.
        leak: The check of print that leaks into the relief, or None.
        notes: What the user should know.
        seconds: How long each step took.
    """

    capture: Capture
    light_field: LightField
    normal_map: NormalMap
    height: Plane
    gloss: Plane
    mask: Mask | None = None
    card: tuple[Point, ...] = ()
    defects: tuple[SurfaceDefect, ...] = ()
    shifts: tuple[Point, ...] = ()
    leak: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


class _Watch:
    """The seconds of each step; a tick says which step begins."""

    def __init__(self, report: Report) -> None:
        self.report, self.seconds = report, dict[str, float]()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.report(Tick(task="surface", done=_STEPS.index(name), total=len(_STEPS), note=name))
        begun = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begun, 3)


def measure_surface(
    frames: str | Path,
    out: str | Path,
    *,
    method: str = "auto",
    flat: str | Path | None = None,
    dark: str | Path | None = None,
    mm_per_px: float | None = None,
    calibration: str | Path | Calibration | None = None,
    threads: int = 1,
    report: Report = silent,
) -> SurfaceReport:
    """Measure the surface of a card from frames under several lights, and write all there is to know of it.

    Args:
        frames: The folder with one frame for each light; see `rcg.photometric.reading`.
        out: A new folder for the results, an empty one, or one of an earlier measurement, which is then replaced.
        method: "auto", "least-squares" or "robust".
        flat: A folder with frames of a matte white sheet; `frames/flat` where it is there.
        dark: A folder with frames without light; `frames/dark` where it is there.
        mm_per_px: The size of a pixel on the card; it goes before the one in rig.toml.
        calibration: A calibration of the rig, or the folder it was kept in; it goes before what the frames tell.
        threads: Threads of the solver.
        report: Where progress goes; it may raise `Cancelled`, and then nothing was written.

    Returns:
        What was measured; `read_surface` reads it again.

    Raises:
        ConfigError: If the method is not known.
        DataError: If the frames cannot be used, or `out` holds other files.
        CalibrationError: If the lights are not known, or do not fit the frames.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}", fix=f"write {', '.join(METHODS)}")
    place = check_out(out)
    if place == Path(frames).expanduser().absolute():
        raise ConfigError("the results would stand among the frames", where=place, fix="name another folder for them")
    watch = _Watch(report)
    with watch.step("reading"):
        from rcg.photometric.reading import read_capture

        source = Path(frames).expanduser().absolute()
        capture = read_capture(source, flat=flat, dark=dark, mm_per_px=mm_per_px, report=report)
    found = solve_surface(capture, method=method, calibration=calibration, threads=threads, report=report, watch=watch)
    with replacing(place) as folder:
        told = _report_of(found, place, source, method)
        with watch.step("writing"):
            _write(folder, told, found)
        told = replace(told, seconds=dict(watch.seconds))
        write_json(folder / REPORT, told.values())
    report(Tick(task="surface", done=len(_STEPS), total=len(_STEPS)))
    return told


def solve_surface(
    capture: Capture,
    *,
    method: str = "auto",
    calibration: str | Path | Calibration | None = None,
    threads: int = 1,
    report: Report = silent,
    watch: _Watch | None = None,
) -> Surface:
    """The same in memory: from frames to normals, height, gloss and defects.

    Args:
        capture: The frames.
        method: "auto", "least-squares" or "robust".
        calibration: A calibration of the rig, or the folder it was kept in.
        threads: Threads of the solver.
        report: Where progress goes.
        watch: Takes the seconds of each step; a new one where left out.

    Raises:
        DataError: If the frames cannot be used.
        CalibrationError: If the lights are not known, or do not fit the frames.
    """
    from rcg.photometric.registering import register
    from rcg.photometric.solving import solve_normals

    watch = watch or _Watch(report)
    with watch.step("calibrating"):
        light, notes = known_light(capture, calibration)
        mask, card, more = _card_of(capture, light)
    with watch.step("registering"):
        capture, shifts = register(capture, report=report)
    with watch.step("solving"):
        solved = solve_normals(capture, method=method, field=light, threads=threads, report=report)  # type: ignore[arg-type]
    with watch.step("relief"):
        height, gloss, leak = _relief(capture, light, solved, mask, report)
    with watch.step("defects"):
        defects = _defects(solved, mask, report)
    misfit = _misfit(solved, mask)
    said = [*capture.notes, *notes, *misfit, *more, *solved.notes, *([leak["note"]] if leak and leak["note"] else [])]
    if solved.mm_per_px is None:
        said.append("the size of a pixel is not known: heights are in pixels, and defects were not looked for; --px-mm")
    return Surface(
        capture=capture, light_field=light, normal_map=solved, height=height, gloss=gloss, mask=mask, card=card,
        defects=defects, shifts=tuple((float(x), float(y)) for x, y in shifts), leak=leak,
        notes=tuple(dict.fromkeys(said)), seconds=watch.seconds,
    )  # fmt: skip


def known_light(
    capture: Capture, calibration: str | Path | Calibration | None = None
) -> tuple[LightField, tuple[str, ...]]:
    """What each pixel gets of each light, from a kept calibration, the capture itself, or else the card as a plane.

    Raises:
        CalibrationError: If a calibration does not fit, or nothing tells where the lights are.
    """
    from rcg.photometric.calibrate import apply
    from rcg.photometric.field import light_field
    from rcg.photometric.planar import calibrate_plane
    from rcg.photometric.writing import read_calibration

    if calibration is not None:
        known = read_calibration(calibration) if isinstance(calibration, str | Path) else calibration
        return apply(known, capture), known.notes
    if capture.rig is None:
        found = calibrate_plane(capture)
        note = "the lights were found from the card, taken as a plane: absolute slopes may be off"
        return found.field, (note, *found.notes)
    return light_field(capture), ()


def _card_of(capture: Capture, light: LightField) -> tuple[Mask | None, tuple[Point, ...], tuple[str, ...]]:
    """Where the card is, its corners, and what should be known; the frames are checked first."""
    from rcg.photometric.card_finding import card_mask, find_cards
    from rcg.photometric.checks import check_capture

    notes = check_capture(capture, light)
    if capture.mask is not None:
        return capture.mask, (), notes
    cards = find_cards(capture)
    if not cards:
        return None, (), notes
    corners = tuple((float(x), float(y)) for x, y in cards[0].quad)
    return card_mask(capture, cards[0]), corners, notes


def _relief(
    capture: Capture, light: LightField, solved: NormalMap, mask: Mask | None, report: Report
) -> tuple[Plane, Plane, dict[str, Any] | None]:
    from rcg.photometric.gloss import gloss_map, print_leak, without_print
    from rcg.photometric.relief import integrate

    size = solved.mm_per_px or 1.0
    known = solved.solved if mask is None else solved.solved & mask
    inner = _inner(known, margin_px=0.5 / size if solved.mm_per_px else 4)
    within = inner if inner.any() else known
    flat = within.any() and float(np.median(solved.normals[..., 2][within])) > _FLAT
    if not flat:  # an object in the round: no cut edge to leave out, and slopes that follow its print by nature
        within = known
    relief = without_print(solved, mask=within) if flat else solved
    height = integrate(relief, mm_per_px=size, mask=within)
    height = np.where(known, height, 0).astype(np.float32)
    leak = asdict(print_leak(solved, mask=within)) if flat else None
    return height, gloss_map(capture, solved, light, report=report), leak


def _misfit(solved: NormalMap, mask: Mask | None) -> tuple[str, ...]:
    """A word where the frames fit no surface that scatters light, such as a mirror ball or frames of other lights."""
    inside = solved.solved if mask is None else solved.solved & mask
    if not inside.any() or float(np.median(solved.slope_sd[inside][::7].astype(np.float32))) < _NO_SLOPE:
        return ()
    what = "the frames do not fit a surface that scatters light: the normals cannot be trusted"
    return (f"{what}; is it a mirror ball (calibrate with it), or are the lights others than is said?",)


def _inner(mask: Mask, *, margin_px: float) -> Mask:
    """A mask without its rim: the cut edge of a card is steeper than anything on it."""
    import cv2

    size = 2 * max(1, round(margin_px)) + 1
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.erode(padded, np.ones((size, size), np.uint8))[1:-1, 1:-1] > 0)


def _defects(solved: NormalMap, mask: Mask | None, report: Report) -> tuple[SurfaceDefect, ...]:
    from rcg.photometric.defects import find_defects

    return () if solved.mm_per_px is None else find_defects(solved, mask=mask, report=report)


def _report_of(found: Surface, place: Path, source: Path, method: str) -> SurfaceReport:
    solved = found.normal_map
    inside = solved.solved if found.mask is None else solved.solved & found.mask
    chi2 = solved.chi2[inside][::7].astype(np.float32)
    card = inside if found.mask is None else found.mask
    known = chi2.size > 0
    return SurfaceReport(
        out=place, frames=source, lights=found.capture.lights, width=found.capture.width, height=found.capture.height,
        mm_per_px=solved.mm_per_px, method=method, light_field=found.light_field.origin, shifts_px=found.shifts,
        solved_share=float(inside.sum() / max(int(card.sum()), 1) if found.mask is not None else inside.mean()),
        unreliable_share=float(solved.unreliable[inside].mean()) if known else 0.0,
        residual={"median": float(np.median(chi2)), "p95": float(np.percentile(chi2, 95))} if known
        else {"median": 0.0, "p95": 0.0},
        slope_sd=float(np.median(solved.slope_sd[inside][::7].astype(np.float32))) if known else 0.0,
        print_leak=found.leak, card=found.card, defects=found.defects, notes=found.notes, versions=_versions(),
    )  # fmt: skip


def _versions() -> dict[str, str]:
    import rcg

    return {"rcg": rcg.__version__, "python": platform.python_version(), **{each: version(each) for each in _PACKAGES}}


def confidence(solved: NormalMap) -> Plane:
    """How sure each pixel's slope is, 0 to 1.

    Returns:
        (h, w) float32: 1 - slope sd / 0.03, and 0 where it is unreliable or was not solved.
    """
    share = 1 - np.clip(solved.slope_sd.astype(np.float32) / WORST_SD, 0, 1)
    share[solved.unreliable | ~solved.solved] = 0
    return np.asarray(share, np.float32)


def colour_picture(found: Surface) -> Any:
    """(h, w, 3) uint8 sRGB: the print without light and shade, in colour where the frames are."""
    from rcg.photometric.pictures import albedo_picture
    from rcg.photometric.solving import colour_albedo

    solved = found.normal_map
    if found.capture.images.ndim == 3:
        return albedo_picture(solved.albedo, mask=found.mask)
    colour = colour_albedo(found.capture, solved, found.light_field)
    white = max(float(np.percentile(colour[solved.solved][::7].max(axis=-1), 99)), 1e-6)
    linear = np.clip(colour / white, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    picture = (coded * 255 + 0.5).astype(np.uint8)
    if found.mask is not None:
        picture[~found.mask] = 40
    return picture


def _write(folder: Path, told: SurfaceReport, found: Surface) -> None:
    from rcg.images import encode_image
    from rcg.photometric import pictures
    from rcg.relight import write_relight_page

    solved, mask = found.normal_map, found.mask
    arrays: dict[str, Any] = {
        "normals": solved.normals, "albedo": solved.albedo, "height": found.height, "gloss": found.gloss,
        "confidence": confidence(solved), "slope_sd": solved.slope_sd,
    }  # fmt: skip
    for name, values in arrays.items():
        write_array(folder / f"{name}.npy", values)
    colour = colour_picture(found)
    pixels = {
        "normals": pictures.normals_picture(solved.normals, mask=mask),
        "albedo": colour,
        "height": pictures.relief_picture(found.height, mask=mask),
        "confidence": pictures.confidence_picture(solved),
        "gloss": pictures.albedo_picture(found.gloss, mask=mask),
        "defects": pictures.defect_overlay(colour, told.defects, mm_per_px=told.mm_per_px),
        "unreliable": solved.unreliable * np.uint8(255),
        "mask": (solved.solved if mask is None else solved.solved & mask) * np.uint8(255),
    }
    for name, picture in pixels.items():
        write_bytes(folder / f"{name}.png", encode_image(picture, ".png"))
    record = {"width": told.width, "height": told.height, "mm_per_px": told.mm_per_px}
    write_json(folder / "defects.json", {**record, "defects": [defect_values(each) for each in told.defects]})
    write_relight_page(
        folder / "relight.html", level_outside(solved.normals, mask), colour,
        gloss=found.gloss, height=found.height, defects=told.defects,
        mm_per_px=told.mm_per_px, title=told.frames.name,
    )  # fmt: skip


def level_outside(normals: Plane, mask: Mask | None) -> Plane:
    """Normals with (0, 0, 1) where the card is not: noise of a dark ground is no relief."""
    if mask is None:
        return normals
    return np.where(mask[..., None], normals, np.array([0, 0, 1], np.float32))


__all__ = [
    "METHODS", "Surface", "SurfaceReport", "colour_picture", "confidence", "defect_words", "known_light",
    "level_outside", "measure_surface", "read_mask", "read_plane", "read_surface", "solve_surface",
]  # fmt: skip
