"""The files of a capture's folder: which are frames, in which order, and their pixels as the sensor gave them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.errors import DataError, FormatError
from rcg.files import explain

JPEG = frozenset({".jpg", ".jpeg"})
LOSSLESS = frozenset({".png", ".tif", ".tiff", ".tga", ".bmp"})
_NOT_FRAMES = re.compile(
    r"(^|[._ -])(mask|normals?|albedo|heights?|depth|confidence|preview|thumb(nail)?|overlay|relief|curvature|gloss|"
    r"chi2|slope|unreliable|ambient|dark|flat|gt|report|bands?)(?=$|[._ -]|\d)",
    re.IGNORECASE,
)
_AGAIN = "export the frame again as PNG or TIFF; the file seems to be cut off or of another kind"


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts numbers in names by their value.

    Example:
        >>> sorted(["frame_10.png", "frame_2.png"], key=natural)
        ['frame_2.png', 'frame_10.png']
    """
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts if part]


def find_frames(folder: Path, *, any_name: bool = False) -> tuple[list[Path], tuple[str, ...]]:
    """The frames of a folder in their order, and what to know of the choice.

    Args:
        folder: Where they are.
        any_name: Whether a file whose name says mask, normals, flat and the like may be a frame too.

    Raises:
        DataError: If `filenames.txt` names a file that is missing or the same one twice.
        RcgError: If the folder cannot be read.
    """
    try:
        files = sorted((path for path in folder.iterdir() if path.is_file()), key=lambda path: natural(path.name))
    except OSError as error:
        raise explain(error, folder) from error
    listed = folder / "filenames.txt"
    if listed in files:
        return _listed_frames(listed), ()
    hidden = [path.name[0] in "._" or (not any_name and bool(_NOT_FRAMES.search(path.stem))) for path in files]
    files = [path for path, out in zip(files, hidden, strict=True) if not out]
    lossless = [path for path in files if path.suffix.lower() in LOSSLESS]
    jpeg = [path for path in files if path.suffix.lower() in JPEG]
    if lossless and jpeg:
        note = f"{len(jpeg)} JPEG files beside the {len(lossless)} {lossless[0].suffix} frames were taken as previews"
        return lossless, (note,)
    arrays = [path for path in files if path.suffix.lower() == ".npy"]
    return lossless or jpeg or arrays, ()


def _listed_frames(listed: Path) -> list[Path]:
    lines = [line.strip() for line in listed.read_text("utf-8-sig").splitlines()]
    frames: list[Path] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        path = listed.parent / line
        if not path.is_file():
            what = f"the frame {line} is not in the folder"
            raise DataError(what, where=f"{listed}, line {number}", fix="copy it there, or take that line out")
        if path in frames:
            what = f"the frame {line} stands there twice"
            raise DataError(what, where=f"{listed}, line {number}", fix="name every frame once, in the lights' order")
        frames.append(path)
    return frames


def decode(path: Path) -> NDArray[Any]:
    """The pixels of a frame as they stand in the file.

    Args:
        path: PNG, TIFF, BMP, TGA, JPEG or `.npy`. An orientation in the file is not applied: all frames come from one
            camera, and the lights are given as it sees them.

    Returns:
        (h, w) or (h, w, 3 channels red, green, blue), uint8, uint16 or float32; a `.npy` file may hold a stack.

    Raises:
        FormatError: If the file is damaged, or holds numbers of another kind.
    """
    kind = path.suffix.lower()
    try:
        data = path.read_bytes() if kind not in {".npy", ".tga"} else b""
    except OSError as error:
        raise explain(error, path) from error
    if kind == ".npy":
        return _numbers(_load_array(path), path)
    if kind == ".tga":
        return _through_pillow(path)
    import cv2

    if not data:
        raise FormatError("the file is empty (0 bytes)", where=path, fix=_AGAIN)
    flags = cv2.IMREAD_UNCHANGED if kind not in JPEG else cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise FormatError(f"the frame cannot be read: {error.err}", where=path, fix=_AGAIN) from error
    if pixels is None:
        raise FormatError(f"the frame cannot be read (it begins with {data[:8]!r})", where=path, fix=_AGAIN)
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] < 3 else pixels[..., 2::-1]  # OpenCV keeps blue first
    return _numbers(pixels, path)


def _load_array(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except OSError as error:
        raise explain(error, path) from error
    except (ValueError, EOFError) as error:
        raise FormatError(f"this is no array that can be read: {error}", where=path, fix=_AGAIN) from error


def _through_pillow(path: Path) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            grey = image.mode in {"L", "1"}
            return np.asarray(image.convert("L" if grey else "RGB"))
    except UnidentifiedImageError as error:
        raise FormatError("the frame cannot be read", where=path, fix=_AGAIN) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise FormatError(f"the frame is damaged: {error}", where=path, fix=_AGAIN) from error


def _numbers(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """As uint8, uint16 or float32 without a change of value."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            fix = "write 0 where the sensor had no value, and leave those pixels out with mask.png"
            raise DataError(f"{int((~np.isfinite(array)).sum()):,} values are not finite", where=path, fix=fix)
        return array.astype(np.float32, copy=False)
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 65535:
        return array.astype(np.uint16)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    raise FormatError(f"the frame holds {array.dtype}", where=path, fix="write uint8, uint16 or float32")
