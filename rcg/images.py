"""Images: their size from the header alone, safe decoding, EXIF orientation, atomic writes.

Sizes and pixels are always those of the picture as people see it: EXIF orientation applied.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError, DataError, FormatError
from rcg.files import atomic, explain, walk

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MAX_PIXELS = 512_000_000
"""The largest picture that is decoded, in pixels (three bytes each); `RCG_MAX_PIXELS` sets another limit."""

_HEAD = 4096
_TAIL = 64
_SWAPPED = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height
_NOT_SIZES = frozenset({0xC4, 0xC8, 0xCC})  # markers between C0 and CF that are no frame headers


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of an image in pixels, as people see it."""

    width: int
    height: int


def max_pixels() -> int:
    """The limit on decoded pixels: `RCG_MAX_PIXELS`, or `MAX_PIXELS`."""
    asked = os.environ.get("RCG_MAX_PIXELS", "")
    if asked and not asked.isdigit():
        raise ConfigError(f"RCG_MAX_PIXELS={asked!r} is not a whole number", fix="set it to a number of pixels")
    return int(asked) if asked else MAX_PIXELS


def is_image_name(name: str) -> bool:
    """Whether a file of this name claims to be an image; `._` and dot files do not count."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122 - 6 times faster, once a file


def list_images(folder: str | Path) -> Iterator[str]:
    """Relative paths (forward slashes) of the images below `folder`, sorted.

    Dot folders, `__MACOSX` and thumbnail folders are passed over, and links that lead in circles.

    Raises:
        RcgError: If the folder cannot be read.
    """
    root = os.fspath(folder)
    if not Path(root).is_dir():
        raise explain(FileNotFoundError(), root)
    found: list[str] = []
    for prefix, names in walk(root, skip=_ignored):
        found += [prefix + name for name in names if is_image_name(name)]
    yield from sorted(found)


def _ignored(folder: str) -> bool:
    name = folder.rpartition("/")[2]
    return name.startswith(".") or name in ("__MACOSX", "@eaDir", "thumbnails", "thumbs")


def read_size(path: str | Path) -> Size:
    """Width and height of an image from its header, without decoding it.

    The file's end is checked too, since a copy that broke off would fail later, in training. JPEG and PNG take two
    short reads; other formats, and files that look odd, go through Pillow.

    Args:
        path: An image file.

    Returns:
        The size with EXIF orientation applied.

    Raises:
        FormatError: If the file is empty, cut off or no image.
        RcgError: If it cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise explain(error, path) from error
    try:
        head = os.pread(handle, _HEAD, 0)
        if not head:
            raise FormatError("the file is empty (0 bytes)", where=path, fix="copy or export the image again")
        size = _size_from_head(handle, head)
        if size is not None and _ends_well(handle, head):
            return size
    finally:
        os.close(handle)
    return _size_by_decoding(path)


def _size_from_head(handle: int, head: bytes) -> Size | None:
    if head[:2] == b"\xff\xd8":
        return _jpeg_size(handle, head)
    if head[:16] == b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" and len(head) >= 24 and b"eXIf" not in head:
        return Size(*struct.unpack(">II", head[16:24]))
    return None


def _jpeg_size(handle: int, head: bytes) -> Size | None:
    """The frame size of a JPEG; the markers are followed, since up to 200 KiB of EXIF and ICC may stand before it."""
    start, place, orientation = 0, 2, 1
    for _ in range(1000):
        if place - start + 20 > len(head):
            start, head = place, os.pread(handle, _HEAD, place)
        at = place - start
        if len(head) < at + 4 or head[at] != 0xFF:
            return None
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_SIZES:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            if not width or not height:
                return None
            return Size(height, width) if orientation in _SWAPPED else Size(width, height)
        if marker == 0xE1 and head[at + 4 : at + 10] == b"Exif\0\0":
            found = _exif_orientation(head[at + 10 : at + 2 + length])
            if found is None:
                return None
            orientation = found
        if length < 2 or marker in (0xD9, 0xDA):
            return None
        place += 2 + length
    return None


def _exif_orientation(tiff: bytes) -> int | None:
    """The orientation tag of a TIFF block (1 where there is none); None where the block is odd or longer than read."""
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    if tiff[:2] not in (b"II", b"MM") or len(tiff) < 8:
        return None
    offset = int.from_bytes(tiff[4:8], order)
    if offset + 2 > len(tiff):
        return None
    for entry in range(int.from_bytes(tiff[offset : offset + 2], order)):
        at = offset + 2 + 12 * entry
        if at + 12 > len(tiff):
            return None
        if int.from_bytes(tiff[at : at + 2], order) == 0x0112:
            return int.from_bytes(tiff[at + 8 : at + 10], order)
    return 1


def _ends_well(handle: int, head: bytes) -> bool:
    """Whether the last bytes are those that a whole JPEG or PNG ends with."""
    end = os.fstat(handle).st_size
    tail = head[-_TAIL:] if end <= len(head) else os.pread(handle, _TAIL, end - _TAIL)
    return tail.rstrip(b"\0").endswith(b"\xff\xd9") if head[0] == 0xFF else b"IEND" in tail


def _size_by_decoding(path: str | Path) -> Size:
    """The size through Pillow, which also finds what is cut off or no image at all."""
    with _opened(path) as image:
        size = Size(*image.size)
        small = size.width * size.height <= max_pixels()  # beyond it the header has to do: it is refused at decoding
        try:
            # Pillow turns TIFF by itself and has already exchanged the two.
            swapped = image.format != "TIFF" and small and image.getexif().get(0x0112, 1) in _SWAPPED
            if small:
                image.load()
        except (OSError, ValueError, SyntaxError, struct.error) as error:
            raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error
        return Size(size.height, size.width) if swapped else size


_AGAIN = "copy or export the image again; the file seems to be cut off"


def _opened(path: str | Path) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # RCG has its own limit, checked before pixels are touched
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(path)
    except UnidentifiedImageError as error:
        with Path(path).open("rb") as file:
            start = file.read(16)
        what = f"this is no image that can be read (it begins with {start!r})"
        raise FormatError(what, where=path, fix="remove the file, or export it as JPEG or PNG") from error
    except OSError as error:
        if error.errno is not None:
            raise explain(error, path) from error
        raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error
    except (ValueError, SyntaxError, struct.error) as error:
        raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error


def read_image(path: str | Path, *, longest: int | None = None) -> Pixels:
    """The picture as people see it.

    Args:
        path: An image file.
        longest: Where given, the picture is scaled down so that its longer side has this many pixels; a JPEG is then
            decoded at a fraction of its size, several times faster.

    Returns:
        (height, width, 3) uint8 RGB; EXIF orientation applied, 16-bit grey scaled to 8 bit, transparency on white.

    Raises:
        FormatError: If the file is no image, or damaged.
        DataError: If it has more pixels than the limit.
    """
    from PIL import Image, ImageOps

    with _opened(path) as image:
        width, height = image.size
        if width * height > max_pixels():
            what = f"the image has {width:,} x {height:,} pixels, more than the limit of {max_pixels():,}"
            raise DataError(what, where=path, fix="scale it down, or set RCG_MAX_PIXELS to a higher number")
        try:
            if longest is not None and image.format == "JPEG":
                image.draft("RGB", _draft_size(width, height, longest))
            upright = _rgb(ImageOps.exif_transpose(image))
        except (OSError, ValueError, SyntaxError, struct.error) as error:
            raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error
    if longest is not None and max(upright.size) > longest:
        factor = longest / max(upright.size)
        target = (max(1, round(upright.width * factor)), max(1, round(upright.height * factor)))
        upright = upright.resize(target, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.array(upright)


def _draft_size(width: int, height: int, longest: int) -> tuple[int, int]:
    factor = min(1.0, longest / max(width, height))
    return round(width * factor), round(height * factor)


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        grey = np.asarray(image, dtype=np.float64)
        full = 65535.0 if grey.max(initial=0) > 255 else 255.0
        return Image.fromarray((grey * (255 / full)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def write_image(path: str | Path, pixels: Pixels, *, quality: int = 92) -> None:
    """Write a picture as PNG or JPEG, by the file's ending, whole or not at all.

    Args:
        path: Where to; the ending decides the format.
        pixels: (height, width, 3) or (height, width) uint8.
        quality: JPEG quality, 1 to 95.
    """
    with atomic(path) as out:
        out.write(encode_image(pixels, Path(path).suffix, quality=quality))


def encode_image(pixels: Pixels, ending: str, *, quality: int = 92) -> bytes:
    """A picture as the bytes of a `.png` or `.jpg` file; arguments as in `write_image`."""
    from PIL import Image

    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}.get(ending.lower())
    if kind is None:
        raise ConfigError(f"pictures are written as .png or .jpg, not {ending!r}")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=quality)
    return buffer.getvalue()
