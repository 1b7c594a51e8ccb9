"""Reading a capture's folder: frames, lights, mask, flat and dark frames.

A folder holds one frame for each light, in name order or as `filenames.txt` lists them, and what is known of the
lights:

- `rig.toml`, see `read_rig`;
- `light_directions.txt` and `light_intensities.txt` as DiLiGenT has them: one line for each frame, x y z towards the
  light (x right, y up, z to the camera), and one or three intensities;
- an `.lp` file or `lights.txt` of reflectance transformation imaging: the number of lights, then `name x y z`;
- `mask.png`, white where the object is; `flat/` with a frame of a white sheet for each light; `dark/`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from rcg.errors import DataError, RcgError
from rcg.files import explain
from rcg.photometric.field import NO_LIGHTS
from rcg.photometric.frame_files import JPEG, decode, find_frames
from rcg.photometric.rig_file import RigFile, read_rig
from rcg.photometric.types import MAX_LIGHTS, MIN_LIGHTS, Capture, Mask
from rcg.progress import Report, silent, tracked

_FRAME_KINDS = "PNG, TIFF, TGA, JPEG or .npy files"


def read_capture(
    folder: str | Path,
    *,
    flat: str | Path | None = None,
    dark: str | Path | None = None,
    mm_per_px: float | None = None,
    report: Report = silent,
) -> Capture:
    """Read the frames of a folder, in the order of the lights, and what is known of these.

    Args:
        folder: Where the frames are; see the head of this module for what else it may hold.
        flat: A folder with a frame of a matte white sheet for each light; `folder/flat` where it is there.
        dark: A folder with frames without light, one for each light, or some to be averaged; `folder/dark`.
        mm_per_px: The size of a pixel on the card; it goes before the one in rig.toml.
        report: Where progress goes.

    Returns:
        The capture. `rig` is None where the folder tells nothing of the lights; `notes` says what was assumed.

    Raises:
        DataError: If there are no frames, fewer than 3 or more than 64, of different sizes, one twice, or not as many
            as lights.
        FormatError: If a file cannot be read.
        CalibrationError: If the description of the lights is wrong.
        ConfigError: If rig.toml has an unknown key.
    """
    place = Path(folder)
    if not place.is_dir():
        raise explain(FileNotFoundError(), place) if not place.exists() else _not_a_folder(place)
    told = read_rig(place)
    paths, notes = find_frames(place)
    if told.frames:
        paths = _in_order(place, told)
    _check_count(paths, place)
    images, names = _read_frames(paths, report=report, task="reading frames")
    _check_twice(images, names, place)
    _check_lights(names, told, place)
    full_scale, said = _full_scale(images, told)
    images, full_scale, linear = _linear(images, full_scale, paths)
    notes = (*notes, *said, *linear)
    if told.rig is None:
        notes = (*notes, f"nothing is known of the lights; {NO_LIGHTS}")
    try:
        capture = Capture(
            images=images,
            rig=told.rig,
            mask=_read_mask(place),
            mm_per_px=told.mm_per_px if mm_per_px is None else mm_per_px,
            full_scale=full_scale,
            noise=told.noise,
            names=names,
            notes=notes,
        )
    except RcgError as error:
        raise type(error)(error.what, where=error.where or place, fix=error.fix) from error
    capture = _with_dark(capture, _beside(place, dark, "dark"), report=report)
    return _with_flat(capture, _beside(place, flat, "flat"), report=report)


def _not_a_folder(place: Path) -> DataError:
    return DataError("this is a file, not a folder", where=place, fix="name the folder that holds the frames")


def _in_order(place: Path, told: RigFile) -> list[Path]:
    paths = [place / name for name in told.frames]
    for path in paths:
        if not path.is_file():
            what = f"the frame {path.name} is not in the folder"
            raise DataError(what, where=told.path, fix="copy it there, or take it out of frames")
        if paths.count(path) > 1:
            raise DataError(f"the frame {path.name} is named twice", where=told.path, fix="name every frame once")
    return paths


def _check_count(paths: Sequence[Path], place: Path) -> None:
    count = len(paths)
    if not count:
        fix = f"put the frames there, one for each light, as {_FRAME_KINDS}"
        raise DataError("there are no frames in this folder", where=place, fix=fix)
    if (count < MIN_LIGHTS and paths[0].suffix.lower() != ".npy") or count > MAX_LIGHTS:
        what = f"{count} frame{'s' * (count > 1)} cannot be solved ({', '.join(path.name for path in paths[:3])})"
        fix = f"put {MIN_LIGHTS} to {MAX_LIGHTS} frames there, one for each light"
        raise DataError(what + (", ..." if count > 3 else ""), where=place, fix=fix)


def _read_frames(paths: Sequence[Path], *, report: Report, task: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """All frames in one array, (k, h, w) where they are grey, else (k, h, w, 3); and their names."""
    first = decode(paths[0])
    if len(paths) == 1 and first.ndim >= 3 and first.shape[0] <= MAX_LIGHTS and paths[0].suffix.lower() == ".npy":
        return first, tuple(f"{paths[0].name}[{index}]" for index in range(len(first)))
    _check_frame(first, first, paths[0], paths[0])
    grey = first.ndim == 2 or _is_grey(first)
    images = np.empty((len(paths), *(first.shape[:2] if grey else first.shape)), first.dtype)
    for index, path in enumerate(tracked(paths, task=task, report=report)):
        frame = first if index == 0 else decode(path)
        _check_frame(frame, first, path, paths[0])
        if grey and frame.ndim == 3 and not _is_grey(frame):  # colour after all, and the frames so far were grey
            grey = False
            images = np.repeat(images[..., None], 3, axis=-1)
        if grey:
            images[index] = frame if frame.ndim == 2 else frame[..., 1]
        else:
            images[index] = frame if frame.ndim == 3 else frame[..., None]
    return images, tuple(path.name for path in paths)


def _is_grey(frame: NDArray[Any]) -> bool:
    """Whether a picture in colour holds the same value in all channels."""
    return bool((frame[..., 0] == frame[..., 1]).all() and (frame[..., 1] == frame[..., 2]).all())


def _check_frame(frame: NDArray[Any], first: NDArray[Any], path: Path, first_path: Path) -> None:
    if frame.ndim not in {2, 3} or (frame.ndim == 3 and frame.shape[2] != 3):
        fix = "write (h, w) or (h, w, 3) for each frame, or one stack (k, h, w)"
        raise DataError(f"the array has the shape {frame.shape}", where=path, fix=fix)
    if frame.shape[:2] != first.shape[:2]:
        what = f"the frame has {_size(frame)} pixels, and {first_path.name} has {_size(first)}"
        raise DataError(
            what, where=path, fix="take all frames with one camera that does not move, and do not crop them"
        )
    if frame.dtype != first.dtype:
        what = f"the frame holds {frame.dtype}, and {first_path.name} holds {first.dtype}"
        raise DataError(what, where=path, fix="export all frames in one format")


def _size(frame: NDArray[Any]) -> str:
    return f"{frame.shape[1]} x {frame.shape[0]}"


def _check_twice(images: NDArray[Any], names: Sequence[str], place: Path) -> None:
    seen: dict[str, int] = {}
    for index, frame in enumerate(images):
        mark = xxhash.xxh3_128_hexdigest(np.ascontiguousarray(frame).data)
        if mark in seen and frame.min() != frame.max():
            what = f"the frames {names[seen[mark]]} and {names[index]} are the same picture"
            fix = "each light has a frame of its own: replace one of the two by the frame of its light"
            raise DataError(what, where=place, fix=fix)
        seen.setdefault(mark, index)


def _check_lights(names: Sequence[str], told: RigFile, place: Path) -> None:
    if told.rig is None or len(told.rig) == len(names):
        return
    what = f"there are {len(names)} frames and {len(told.rig)} lights ({told.path.name if told.path else 'given'})"
    gaps = _gaps(names)
    if gaps and len(names) < len(told.rig):
        what += f"; by the numbers in the names, {', '.join(gaps)} {'is' if len(gaps) == 1 else 'are'} missing"
    fix = "one frame for each light, in the same order: add the missing frame or light, or take the surplus one out"
    raise DataError(what, where=place, fix=fix)


def _gaps(names: Sequence[str]) -> list[str]:
    """Names of the frames that a gap in the numbering tells of."""
    matches = [re.search(r"^(.*?)(\d+)([^\d]*)$", name) for name in names]
    if not all(matches) or len({(match[1], match[3]) for match in matches if match}) != 1:
        return []
    numbers = [match[2] for match in matches if match]
    there = {int(number) for number in numbers}
    first = next(match for match in matches if match)
    lowest = min(*there, 1)
    missing = [number for number in range(lowest, max(there)) if number not in there]
    return [f"{first[1]}{number:0{len(numbers[0])}d}{first[3]}" for number in missing]


def _full_scale(images: NDArray[Any], told: RigFile) -> tuple[float, tuple[str, ...]]:
    """The value at which the sensor saturates (0 leaves it to the kind of number), and what was assumed for it."""
    top = float(images.max())
    if told.full_scale is not None or (told.bits is not None and images.dtype == np.uint16):
        return _told_full_scale(top, told), ()
    if images.dtype == np.float32:
        full = next((limit for limit in (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0) if top <= limit), top)
        return full, (f"values go up to {top:g}, so {full:g} was taken as full scale",) if full > 1 else ()
    if images.dtype == np.uint16 and 255 < top <= 4095:
        return 4095.0, ("no value is above 4095, so the frames were taken as 12 bit; else write bits into rig.toml",)
    upper = images.dtype == np.uint16 and top > 4095 and not (images & np.uint16(15)).any()
    return (65520.0 if upper else 0.0), ()  # 12 bits in the upper part of 16


def _told_full_scale(top: float, told: RigFile) -> float:
    if told.full_scale is not None:
        full, said = told.full_scale, f"full_scale = {told.full_scale:g}"
    else:
        assert told.bits is not None
        full, said = float(2**told.bits - 1), f"{told.bits} bits hold"
        if top > full:  # the bits may stand in the upper part of 16
            full *= 2 ** (16 - told.bits)
    if top > full:
        fix = "give the right number of bits, or the value at which the sensor saturates"
        raise DataError(f"a value is {top:g}, more than {said}", where=told.path, fix=fix)
    return full


def _linear(
    images: NDArray[Any], full_scale: float, paths: Sequence[Path]
) -> tuple[NDArray[Any], float, tuple[str, ...]]:
    """Frames in linear light; JPEG comes with the curve of sRGB and 8 bits (IEC 61966-2-1)."""
    if paths[0].suffix.lower() not in JPEG:
        return images, full_scale, ()
    level = np.arange(256) / 255
    curve = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    note = (
        "the frames are JPEG: 8 bits, compressed, and not linear; the curve of sRGB was taken off, but a camera's own "
        "tone curve stays in the normals. Take raw frames, or 16-bit PNG or TIFF"
    )
    return (curve * 65535).round().astype(np.uint16)[images], 65535.0, (note,)


def _read_mask(place: Path) -> Mask | None:
    kinds = {".png", ".tif", ".tiff", ".tga", ".bmp", ".npy"}
    found = [
        path
        for path in sorted(place.iterdir())
        if path.suffix.lower() in kinds and re.search(r"(^|[._-])mask$", path.stem, re.IGNORECASE)
    ]
    if not found:
        return None
    pixels = decode(found[0])
    grey = pixels.max(axis=2) if pixels.ndim == 3 else pixels
    mask: Mask = grey > grey.max() / 2
    if not mask.any():
        raise DataError("the mask is empty", where=found[0], fix="draw the object in white, or remove the file")
    return mask


def _beside(place: Path, given: str | Path | None, name: str) -> Path | None:
    if given is not None:
        if not Path(given).is_dir():
            raise explain(FileNotFoundError(), given)
        return Path(given)
    return place / name if (place / name).is_dir() else None


def _more_frames(capture: Capture, folder: Path, *, kind: str, report: Report) -> tuple[NDArray[Any], list[Path]]:
    """Flat or dark frames of the capture's size and number format."""
    paths, _ = find_frames(folder, any_name=True)  # their names may say flat or dark
    if not paths:
        raise DataError(f"there are no {kind} frames in this folder", where=folder, fix=f"put {_FRAME_KINDS} there")
    frames, _ = _read_frames(paths, report=report, task=f"reading {kind} frames")
    if frames.shape[1:3] != capture.images.shape[1:3]:
        what = f"the {kind} frames have {_size(frames[0])} pixels, the frames {capture.width} x {capture.height}"
        raise DataError(what, where=folder, fix="take them with the same camera and settings")
    frames, _, _ = _linear(frames, capture.full_scale, paths)
    if frames.dtype not in (capture.images.dtype, np.float32):  # a mean of several may well be float
        what = f"the {kind} frames hold {frames.dtype}, the frames {capture.images.dtype}"
        raise DataError(what, where=folder, fix="export them in the same format")
    return frames, paths


def _with_dark(capture: Capture, folder: Path | None, *, report: Report) -> Capture:
    if folder is None:
        return capture
    frames, _ = _more_frames(capture, folder, kind="dark", report=report)
    if frames.ndim == 4:
        frames = frames.mean(axis=3, dtype=np.float32)
    dark = frames if len(frames) == capture.lights else frames.mean(axis=0, dtype=np.float32)
    level = float(np.median(dark)) / capture.full_scale
    if level > 0.25:
        what = f"the dark frames are bright: their median is {100 * level:.0f} % of full scale"
        raise DataError(what, where=folder, fix="take them with all lights off and the room dark")
    return replace(capture, dark=dark)


def _with_flat(capture: Capture, folder: Path | None, *, report: Report) -> Capture:
    if folder is None:
        return capture
    frames, paths = _more_frames(capture, folder, kind="flat", report=report)
    if len(frames) != capture.lights:
        what = f"there are {len(frames)} flat frames and {capture.lights} frames"
        gaps = _gaps([path.name for path in paths])
        what += f"; by the numbers in the names, {', '.join(gaps)} is missing" if gaps else ""
        raise DataError(what, where=folder, fix="take one frame of the white sheet with each light, in the same order")
    if frames.ndim == 4:
        frames = frames.mean(axis=3, dtype=np.float32)
    if capture.dark is not None:
        for light in range(capture.lights):
            dark = capture.dark if capture.dark.ndim == 2 else capture.dark[light]
            if frames.dtype.kind == "u":
                frames[light] = np.maximum(frames[light].astype(np.float32) - dark, 0).round()
            else:
                frames[light] -= dark
    return replace(capture, flat=frames)


__all__ = ["RigFile", "read_capture", "read_rig"]
