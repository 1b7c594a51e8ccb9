"""Writing a capture's folder, so that `read_capture` gives the same capture again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError
from rcg.files import atomic, write_bytes
from rcg.photometric.frame_files import natural
from rcg.photometric.types import Capture, LightRig
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
    import tomli_w

    table: dict[str, Any] = {}
    if rig is not None:
        if rig.positions_mm is not None:
            table["positions_mm"] = rig.positions_mm.tolist()
        else:
            table["directions"] = rig.directions.tolist()
        if rig.intensities is not None:
            table["intensities"] = rig.intensities.tolist()
        if rig.lobe:
            table["lobe"] = float(rig.lobe)
    if full_scale is not None:
        table["full_scale"] = float(full_scale)
    if mm_per_px is not None:
        table["mm_per_px"] = float(mm_per_px)
    if noise is not None:
        table["noise"] = [float(value) for value in noise]
    if frames:
        table["frames"] = list(frames)
    write_bytes(path, tomli_w.dumps({"rig": table}).encode())


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
