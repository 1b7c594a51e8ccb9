"""Image headers: size, orientation and whether the file is whole, from two short reads and without decoding.

JPEG, PNG, WebP and BMP are understood here; whatever is odd is left to Pillow (`rcg.images.read_size`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.files import explain

MAX_PIXELS = 512_000_000
"""The largest picture that is decoded, in pixels (three bytes each); `RCG_MAX_PIXELS` sets another limit."""

PAGE = 4096  # a page: what is read of a cold file, however little is asked for
_TAIL = 64
_LEAST = 16  # so much of a last page tells the end
_NEAR = 512  # so much of a page holds the markers that follow EXIF
SWAPPED = frozenset({5, 6, 7, 8})  # EXIF orientations that exchange width and height
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


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What a short look at many images told.

    Attributes:
        sizes: (n, 2) int32 width and height in pixels, EXIF orientation applied; 0 where `read_size` has to look.
        stamps: (n, 2) int64 bytes and time of change in nanoseconds; -1 where the file cannot be opened.
    """

    sizes: NDArray[np.int32]
    stamps: NDArray[np.int64]


def read_heads(folder: str | Path, names: Sequence[str]) -> Heads:
    """The sizes of many images from their headers, as far as a short look at each suffices.

    Args:
        folder: Where they are.
        names: Their paths in it, with forward slashes.

    Raises:
        RcgError: If the folder cannot be opened.
    """
    sizes, stamps, limit = [], [], max_pixels()
    try:
        inside = os.open(folder, os.O_RDONLY)  # names relative to it are found faster than whole paths
    except OSError as error:
        raise explain(error, folder) from error
    try:
        for name in names:
            size, stamp = _look(inside, name)
            sizes.append((0, 0) if size is None or size[0] * size[1] > limit else size)
            stamps.append(stamp)
    finally:
        os.close(inside)
    return Heads(np.array(sizes, np.int32).reshape(-1, 2), np.array(stamps, np.int64).reshape(-1, 2))


def _look(inside: int, name: str) -> tuple[tuple[int, int] | None, tuple[int, int]]:
    """Size of an image whose content is what its name says, if a short look tells; its bytes and time of change."""
    try:
        handle = os.open(name, os.O_RDONLY, dir_fd=inside)
    except (OSError, ValueError):
        return None, (-1, -1)
    try:
        no_reading_ahead(handle)
        head = os.pread(handle, PAGE, 0)
        stat = os.fstat(handle)
        kind = _KIND_OF.get(head[:2])
        known = kind is not None and name.lower().endswith(kind) and (name.isascii() or _is_text(name))
        size = quick_size(handle, head, stat.st_size) if known else None
    except OSError:
        return None, (-1, -1)
    finally:
        os.close(handle)
    return None if size is None else (size.width, size.height), (stat.st_size, stat.st_mtime_ns)


def _is_text(name: str) -> bool:
    """Whether a file name is valid UTF-8; the system's other names have surrogates in them."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def no_reading_ahead(handle: int) -> None:
    """Of a file that is not in memory only the pages that are asked for are read, not the 100 KiB after them."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)


_KIND_OF = {
    b"\xff\xd8": (".jpg", ".jpeg"), b"\x89P": (".png",), b"RI": (".webp",), b"BM": (".bmp",),
}  # fmt: skip


def quick_size(handle: int, head: bytes, end: int) -> Size | None:
    """The size of a whole JPEG, PNG, WebP or BMP; None where Pillow has to look."""
    kind = head[:2]
    if kind == b"\xff\xd8":
        size = _jpeg_size(handle, head)
        return size if size is not None and _tail(handle, head, end).endswith(b"\xff\xd9") else None
    if kind == b"\x89P":
        if head[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" or len(head) < 33 or b"eXIf" in head:
            return None
        size = Size(*struct.unpack(">II", head[16:24]))
        whole = size.width > 0 and size.height > 0 and b"IEND" in _tail(handle, head, end)
        return size if whole else None
    if kind == b"RI":
        return _webp_size(head, end)
    return _bmp_size(head, end) if kind == b"BM" else None


def _tail(handle: int, head: bytes, end: int) -> bytes:
    """The last bytes of a file without the zeros that some tools add, from one page of it where that suffices."""
    if end <= len(head):
        return head[-_TAIL:].rstrip(b"\0")
    first = max(end - _TAIL, (end - 1) // PAGE * PAGE) if end % PAGE >= _LEAST or not end % PAGE else end - _TAIL
    return os.pread(handle, end - first, first).rstrip(b"\0")


def _jpeg_size(handle: int, head: bytes) -> Size | None:
    """The frame size of a JPEG; the markers are followed, since up to 200 KiB of EXIF and ICC may stand before it."""
    start, place, orientation = 0, 2, 1
    for _ in range(1000):
        if place - start + 20 > len(head):
            left = PAGE - place % PAGE  # up to the end of the page, if that is not too near
            start, head = place, os.pread(handle, left if left >= _NEAR else left + PAGE, place)
        at = place - start
        if len(head) < at + 4 or head[at] != 0xFF:
            return None
        marker, length = head[at + 1], head[at + 2] << 8 | head[at + 3]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_SIZES:
            if len(head) < at + 9:
                return None
            down, across = head[at + 5] << 8 | head[at + 6], head[at + 7] << 8 | head[at + 8]
            return _size_above_zero(*((down, across) if orientation in SWAPPED else (across, down)))
        if marker == 0xE1 and head[at + 4 : at + 10] == b"Exif\0\0":
            found = _exif_orientation(head[at + 10 : at + 2 + length])
            if found is None and at + 2 + length > len(head):
                found = _exif_orientation(os.pread(handle, length - 8, place + 10))
            if found is None:
                return None
            orientation = found
        if length < 2 or marker in (0xD9, 0xDA):
            return None
        place += 2 + length
    return None


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
            return int.from_bytes(tiff[at + 8 : at + 10], order)
    return 1
