"""Writing a capture's folder, so that `read_capture` gives the same capture again; and keeping calibrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import CalibrationError, DataError, RcgError
from rcg.files import atomic, explain, read_toml, write_bytes
from rcg.photometric.calibrate import Calibration
from rcg.photometric.frame_files import natural
from rcg.photometric.rig_file import read_rig
from rcg.photometric.types import Capture, LightField, LightRig
from rcg.progress import Report, silent, tracked


def write_rig(
    path: str | Path,
    rig: LightRig | None,
    *,
    full_scale: float | None = None,
    mm_per_px: float | None = None,
    noise: tuple[float, float] | None = None,
    frames: tuple[str, ...] = (),
) -> None:
    """Write rig.toml; its keys stand in `read_rig`.

    Args:
        path: The file.
        rig: The lights; None where only the rest is known.
        full_scale: The value at which the sensor saturates.
        mm_per_px: The size of a pixel on the card.
        noise: (a, b) of the variance a * value + b.
        frames: Names of the frames, where their order is not that of the lights.
    """
    told = _rig_table(rig)
    if full_scale is not None:
        told["full_scale"] = float(full_scale)
    if mm_per_px is not None:
        told["mm_per_px"] = float(mm_per_px)
    if noise is not None:
        told["noise"] = [float(value) for value in noise]
    if frames:
        told["frames"] = list(frames)
    _write_toml(path, {"rig": told})


def _rig_table(rig: LightRig | None) -> dict[str, Any]:
    table: dict[str, Any] = {}
    if rig is None:
        return table
    name = "directions" if rig.positions_mm is None else "positions_mm"
    table[name] = getattr(rig, name).tolist()
    if rig.intensities is not None:
        table["intensities"] = rig.intensities.tolist()
    if rig.lobe:
        table["lobe"] = float(rig.lobe)
    return table


def _write_toml(path: str | Path, content: dict[str, Any]) -> None:
    import tomli_w

    write_bytes(path, tomli_w.dumps(content).encode())


def write_capture(folder: str | Path, capture: Capture, *, report: Report = silent) -> Path:
    """Write a capture into a new folder: frames, rig.toml, and mask.png, flat/ and dark/ where it has them.

    Whole numbers are written as PNG, float frames as `.npy`; no value changes.

    Args:
        folder: Where to; it must be empty or not be there.
        capture: What to write.
        report: Where progress goes.

    Returns:
        The folder.

    Raises:
        DataError: If the folder holds something.
        RcgError: If the disk is full or the place cannot be written.
    """
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise DataError("this folder is not empty", where=place, fix="name a new folder for the capture")
    names = _names(capture)
    for name, frame in tracked(list(zip(names, capture.images, strict=True)), task="writing frames", report=report):
        _write_frame(place / name, frame)
    if capture.mask is not None:
        _write_frame(place / "mask.png", capture.mask.astype(np.uint8) * np.uint8(255))
    _write_dark(place / "dark", capture)
    if capture.flat is not None:
        for light, name in enumerate(names):
            frame = _with_dark_again(capture, light)
            _write_frame((place / "flat" / name).with_suffix(_ending(frame)), frame)
    write_rig(
        place / "rig.toml",  # last: with it, the folder is whole
        capture.rig,
        full_scale=None if capture.images.dtype == np.uint8 else capture.full_scale,
        mm_per_px=capture.mm_per_px,
        noise=capture.noise,
        frames=() if list(names) == sorted(names, key=natural) else names,
    )
    return place


def _names(capture: Capture) -> tuple[str, ...]:
    """A file name for each frame: its own where it has one."""
    stems = [Path(name).stem for name in capture.names]
    if len(set(stems)) != capture.lights or any("[" in name for name in capture.names):
        digits = len(str(capture.lights))
        stems = [f"frame_{light:0{digits}d}" for light in range(1, capture.lights + 1)]
    ending = _ending(capture.images)
    return tuple(stem + ending for stem in stems)


def _ending(values: NDArray[Any]) -> str:
    return ".png" if values.dtype.kind == "u" else ".npy"


def _write_frame(path: Path, frame: NDArray[Any]) -> None:
    with atomic(path) as out:
        if path.suffix == ".npy":
            np.save(out, frame)
            return
        import cv2

        blue_first = frame[..., ::-1] if frame.ndim == 3 else frame
        out.write(cv2.imencode(".png", blue_first, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes())


def _write_dark(folder: Path, capture: Capture) -> None:
    dark = capture.dark
    if dark is None:
        return
    if dark.ndim == 1:
        dark = np.broadcast_to(dark[:, None, None], capture.images.shape[:3])
    frames = dark[None] if dark.ndim == 2 else dark
    for number, frame in enumerate(frames, start=1):
        kept = frame.astype(np.float32) if frame.dtype != capture.images.dtype else frame
        _write_frame(folder / f"dark_{number:02d}{_ending(kept)}", np.ascontiguousarray(kept))


def _with_dark_again(capture: Capture, light: int) -> NDArray[Any]:
    """A flat frame as the sensor gave it, since reading takes the dark off."""
    assert capture.flat is not None
    frame = np.asarray(capture.flat[light])
    if capture.dark is not None:
        dark = capture.dark if capture.dark.ndim == 2 else capture.dark[light]
        frame = (frame.astype(np.float32) + dark).astype(np.float32)
    return frame if frame.dtype in (np.uint8, np.uint16) else frame.astype(np.float32)


def write_calibration(folder: str | Path, calibration: Calibration) -> Path:
    """Keep a calibration as a folder: calibration.toml, rig.toml, and the light field as two NumPy arrays.

    Args:
        folder: Where to; a calibration that is there already is replaced.
        calibration: What to keep.

    Returns:
        The folder.

    Raises:
        DataError: If the folder holds something other than a calibration.
        RcgError: If the disk is full or the place cannot be written.
    """
    place = Path(folder)
    if place.exists() and (not place.is_dir() or (any(place.iterdir()) and not (place / _CALIBRATION).is_file())):
        raise DataError("this folder holds no calibration, but something else", where=place, fix="name a new folder")
    told: dict[str, Any] = {
        "kind": calibration.kind,
        "width": calibration.width,
        "height": calibration.height,
        "full_scale": float(calibration.full_scale),
        "notes": list(calibration.notes),
    }
    if calibration.errors is not None:
        told["errors"] = np.asarray(calibration.errors, np.float64).tolist()
    field = calibration.field
    if field is not None:
        told["origin"] = field.origin
        if field.channel_weights is not None:
            told["channel_weights"] = field.channel_weights.tolist()
        for name, values in (("gains", field.gains), ("directions", field.directions)):
            with atomic(place / f"{name}.npy") as out:
                np.save(out, values)
    write_rig(place / "rig.toml", calibration.rig, mm_per_px=calibration.mm_per_px)
    _write_toml(place / _CALIBRATION, {"calibration": told})
    return place


_CALIBRATION = "calibration.toml"


def read_calibration(folder: str | Path) -> Calibration:
    """A calibration that `write_calibration` kept.

    Raises:
        CalibrationError: If the folder holds none, or a part of it is missing or damaged.
    """
    place = Path(folder)
    path = place / _CALIBRATION
    fix = "name the folder that a calibration was written to, or calibrate again"
    told = read_toml(path, what="no calibration can be read", fix=fix, error=CalibrationError).get("calibration", {})
    rig = read_rig(place)
    if rig.rig is None:
        raise CalibrationError("the lights are missing", where=place / "rig.toml", fix=fix)
    try:
        field = None
        if "origin" in told:
            weights = told.get("channel_weights")
            field = LightField(
                gains=_array(place / "gains.npy"),
                directions=_array(place / "directions.npy"),
                origin=told["origin"],
                channel_weights=None if weights is None else np.asarray(weights, np.float32),
            )
        errors = told.get("errors")
        return Calibration(
            kind=told["kind"],
            rig=rig.rig,
            width=int(told["width"]),
            height=int(told["height"]),
            full_scale=float(told["full_scale"]),
            field=field,
            mm_per_px=rig.mm_per_px,
            errors=None if errors is None else np.asarray(errors, np.float64),
            notes=tuple(told.get("notes", ())),
        )
    except KeyError as error:
        raise CalibrationError(f"{error.args[0]} is missing", where=path, fix=fix) from error
    except (ValueError, TypeError) as error:
        raise CalibrationError(f"a value cannot be read: {error}", where=path, fix=fix) from error
    except RcgError as error:
        raise CalibrationError(error.what, where=error.where or place, fix=fix) from error


def _array(path: Path) -> NDArray[np.float32]:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except OSError as error:
        raise explain(error, path) from error
    except (ValueError, EOFError) as error:
        raise CalibrationError(f"this is no array that can be read: {error}", where=path) from error
