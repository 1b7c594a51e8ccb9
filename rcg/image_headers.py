"""Image headers: size, orientation and whether the file is whole, from two short reads and without decoding.

JPEG, PNG, WebP and BMP are understood here; whatever is odd is left to Pillow (`rcg.images.read_size`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.files import explain

MAX_PIXELS = 512_000_000
"""The largest picture that is decoded, in pixels (three bytes each); `RCG_MAX_PIXELS` sets another limit."""

PAGE = 4096  # a page: what is read of a cold file, however little is asked for
_TAIL = 64
_NEAR = 512  # so much of a page holds the markers that follow EXIF
SWAPPED = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}  # markers of frame headers
_SEGMENT = struct.Struct(">HH")


class Size(NamedTuple):  # made once an image, three times as fast as a dataclass
    """Width and height of an image in pixels, as people see it."""

    width: int
    height: int


def max_pixels() -> int:
    """The limit on decoded pixels: `RCG_MAX_PIXELS`, or `MAX_PIXELS`."""
    asked = os.environ.get("RCG_MAX_PIXELS", "")
    if asked and not asked.isdigit():
        raise ConfigError(f"RCG_MAX_PIXELS={asked!r} is not a whole number", fix="set it to a number of pixels")
    return int(asked) if asked else MAX_PIXELS


def read_sizes(folder: str | Path, names: Sequence[str]) -> NDArray[np.int32]:
    """The sizes of many images from their headers, as far as a short look at each suffices.

    Args:
        folder: Where they are.
        names: n paths in it, with forward slashes.

    Returns:
        (n, 2) width and height in pixels, EXIF orientation applied; 0 where `read_size` has to look: for files that are
        missing, odd, beyond the limit of pixels, or of another kind than their name says.

    Raises:
        RcgError: If the folder cannot be opened.
    """
    limit = max_pixels()
    try:
        inside = os.open(folder, os.O_RDONLY)  # names relative to it are found faster than whole paths
    except OSError as error:
        raise explain(error, folder) from error
    seen = _Beginnings()
    try:
        found = [_look(inside, name, seen) for name in names]
    finally:
        os.close(inside)
    sizes = np.array(found, np.int32).reshape(-1, 2)
    sizes[sizes[:, 0].astype(np.int64) * sizes[:, 1] > limit] = 0
    return sizes


_UNKNOWN = (0, 0)


def _look(inside: int, name: str, seen: _Beginnings) -> tuple[int, int]:
    """Size of an image whose content is what its name says, if a short look tells."""
    try:
        handle = os.open(name, os.O_RDONLY, dir_fd=inside)
    except (OSError, ValueError):
        return _UNKNOWN
    try:
        if _ADVICE is not None:
            os.posix_fadvise(handle, 0, 0, _ADVICE)
        head = os.pread(handle, PAGE, 0)
        kind = _KIND_OF.get(head[:2])
        if kind is None or not name.lower().endswith(kind) or not (name.isascii() or _is_text(name)):
            return _UNKNOWN
        end = os.lseek(handle, 0, os.SEEK_END)
        if kind is _JPEG:
            size = seen.size_of(handle, head)
            return size if size is not None and _ends_with(handle, head, end, _EOI) else _UNKNOWN
        return quick_size(handle, head, end) or _UNKNOWN
    except OSError:
        return _UNKNOWN
    finally:
        os.close(handle)


def _is_text(name: str) -> bool:
    """Whether a file name is valid UTF-8; the system's other names have surrogates in them."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def no_reading_ahead(handle: int) -> None:
    """Of a file that is not in memory only the pages that are asked for are read, not the 100 KiB after them."""
    if _ADVICE is not None:
        os.posix_fadvise(handle, 0, 0, _ADVICE)


_ADVICE: int | None = getattr(os, "POSIX_FADV_RANDOM", None)  # not on macOS
_JPEG = (".jpg", ".jpeg")
_KIND_OF = {b"\xff\xd8": _JPEG, b"\x89P": (".png",), b"RI": (".webp",), b"BM": (".bmp",)}
_EOI = b"\xff\xd9"


def quick_size(handle: int, head: bytes, end: int) -> Size | None:
    """The size of a whole JPEG, PNG, WebP or BMP; None where Pillow has to look."""
    kind = head[:2]
    if kind == b"\xff\xd8":
        size, _ = _jpeg_size(handle, head)
        return size if size is not None and _ends_with(handle, head, end, _EOI) else None
    if kind == b"\x89P":
        if head[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" or not _plain_png(handle, head):
            return None
        size = Size(*struct.unpack(">II", head[16:24]))
        whole = size.width > 0 and size.height > 0 and _ends_with(handle, head, end, b"IEND\xaeB`\x82")
        return size if whole else None
    if kind == b"RI":
        return _webp_size(head, end)
    return _bmp_size(head, end) if kind == b"BM" else None


def _ends_with(handle: int, head: bytes, end: int, wanted: bytes) -> bool:
    """Whether a file ends so; zeros that some tools add do not count."""
    last = head[end - len(wanted) :] if end <= len(head) else os.pread(handle, len(wanted), end - len(wanted))
    if last == wanted:
        return True
    return last[-1:] == b"\0" and os.pread(handle, _TAIL, max(0, end - _TAIL)).rstrip(b"\0").endswith(wanted)


class _Beginnings:
    """Sizes of JPEGs by all that stands before them: what one tool writes begins alike, so most need no second look."""

    __slots__ = ("_length", "_sizes")

    def __init__(self) -> None:
        self._length = 0
        self._sizes: dict[bytes, Size] = {}

    def size_of(self, handle: int, head: bytes) -> Size | None:
        """The frame size of a JPEG, by its first page."""
        size = self._sizes.get(head[: self._length])
        if size is None:
            size, length = _jpeg_size(handle, head)
            if size is not None and length <= _NEAR:
                self._length = length
                self._sizes[head[:length]] = size
        return size


def _jpeg_size(handle: int, head: bytes) -> tuple[Size | None, int]:
    """The frame size of a JPEG and where it ends; up to 200 KiB of EXIF and ICC may stand before it."""
    start, place, orientation = 0, 2, 1
    for _ in range(1000):
        at = place - start
        if at + 20 > len(head):
            left = PAGE - place % PAGE  # up to the end of the page, if that is not too near
            start, at, head = place, 0, os.pread(handle, left if left >= _NEAR else left + PAGE, place)
            if len(head) < 9:
                return None, 0
        marker, length = _SEGMENT.unpack_from(head, at)
        if marker in _FRAMES:
            down, across = _SEGMENT.unpack_from(head, at + 5)
            size = (down, across) if orientation in SWAPPED else (across, down)
            return _size_above_zero(*size), place + 9
        if marker == 0xFFFF:  # fill byte
            place += 1
            continue
        if marker == 0xFFE1 and head[at + 4 : at + 10] == b"Exif\0\0":
            found = _exif_orientation(head[at + 10 : at + 2 + length])
            if found is None and at + 2 + length > len(head):
                found = _exif_orientation(os.pread(handle, length - 8, place + 10))
            if found is None:
                return None, 0
            orientation = found
        if marker < 0xFF00 or length < 2 or marker in (0xFFD9, 0xFFDA):
            return None, 0
        place += 2 + length
    return None, 0


def _plain_png(handle: int, head: bytes) -> bool:
    """Whether a PNG has no EXIF block before its pixels; the chunks are followed, since a profile may come first."""
    place = 33  # behind the signature and IHDR
    for _ in range(1000):
        chunk = head[place : place + 8] if place + 8 <= len(head) else os.pread(handle, 8, place)
        if chunk[4:] in (b"IDAT", b"eXIf", b""):
            return chunk[4:] == b"IDAT"
        place += 12 + int.from_bytes(chunk[:4], "big")
    return False


def _webp_size(head: bytes, end: int) -> Size | None:
    """The size of a still WebP that is as long as it says and has no EXIF block."""
    if len(head) < 30 or head[8:12] != b"WEBP" or int.from_bytes(head[4:8], "little") + 8 != end:
        return None
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        return _size_above_zero(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X" and not head[20] & 0x0A:  # neither EXIF nor animation
        return Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
    return None


def _bmp_size(head: bytes, end: int) -> Size | None:
    """The size of a BMP that is as long as it says."""
    if len(head) < 54 or int.from_bytes(head[2:6], "little") != end or int.from_bytes(head[14:18], "little") < 40:
        return None
    width, height = struct.unpack("<ii", head[18:26])  # a negative height stands for rows from the top
    return _size_above_zero(width, abs(height))


def _size_above_zero(width: int, height: int) -> Size | None:
    return Size(width, height) if width > 0 and height > 0 else None


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
            kind, count = int.from_bytes(tiff[at + 2 : at + 4], order), int.from_bytes(tiff[at + 4 : at + 8], order)
            return int.from_bytes(tiff[at + 8 : at + 10], order) if (kind, count) == (3, 1) else None
    return 1
