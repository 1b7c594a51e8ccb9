"""Where a photo was taken, as its metadata say: found, and taken out without touching a pixel.

Phones write the place as GPS tags into EXIF, editors copy it into XMP. Taking it out blanks these bytes where they
stand: the file keeps its length, its pixels and all its other metadata.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from rcg.files import explain

_GPS, _LATITUDE, _LONGITUDE = 0x8825, 2, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_EXIF = b"Exif\0\0"
_XMP = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>|<rdf:RDF.*?</rdf:RDF>", re.DOTALL)
_XMP_GPS = re.compile(rb"""\s(?:exif:GPS\w+)\s*=\s*(?:"[^"]*"|'[^']*')|<(exif:GPS\w+)[^>]*>.*?</\1>""", re.DOTALL)
_XMP_PLACE = re.compile(rb"exif:GPSL(?:atitude|ongitude)\b")
_HEAD = 1 << 18  # EXIF is at most 64 KiB and stands before the pixels, XMP behind it

Order = Literal["little", "big"]


def says_place(path: str | Path) -> bool:
    """Whether an image file says where it was taken: JPEG, PNG, WebP and TIFF.

    Raises:
        RcgError: If it cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - twice as fast, once a file
            head = file.read(_HEAD)
            if head[:4] in (b"RIFF", b"II*\0", b"MM\0*") or (b"eXIf" not in head and head[:4] == b"\x89PNG"):
                head += file.read()  # they may stand at the end
    except OSError as error:
        raise explain(error, path) from error
    return place_in(head)


def place_in(data: bytes) -> bool:
    """Whether an image file's bytes, or its beginning, say where it was taken."""
    if any(_LATITUDE in tags and _LONGITUDE in tags for tags in map(_gps_tags, _blocks(data))):
        return True
    return any(_XMP_PLACE.search(data, *each.span()) for each in _XMP.finditer(data))


def without_place(data: bytes) -> bytes:
    """An image file's bytes without the place: the GPS tags are blanked, everything else stays as it is.

    Args:
        data: A JPEG, PNG, WebP or TIFF file. Others are returned as they are.

    Returns:
        As many bytes.
    """
    out = bytearray(data)
    for start, end in _blocks_at(data):
        out[start:end] = _blanked(data[start:end])
    for packet in _XMP.finditer(data):
        for found in _XMP_GPS.finditer(data, *packet.span()):
            out[found.start() : found.end()] = b" " * (found.end() - found.start())
    if data[:4] == b"\x89PNG" and out != data:
        _renew_checks(out)
    return bytes(out)


def exif_without_place(block: bytes) -> bytes:
    """An EXIF block as Pillow hands it over, without the place."""
    head = len(_EXIF) if block.startswith(_EXIF) else 0
    return block[:head] + _blanked(block[head:])


def _blocks(data: bytes) -> Iterator[bytes]:
    return (data[start:end] for start, end in _blocks_at(data))


def _blocks_at(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the TIFF blocks with EXIF stand in a file."""
    if data[:2] == b"\xff\xd8":
        # In a scan 0xff is followed by 0 or a restart mark, so that this finds segments alone, those of pictures
        # behind the first one too.
        for found in re.finditer(rb"\xff\xe1(..)Exif\0\0", data, re.DOTALL):
            yield found.end(), found.start() + 2 + int.from_bytes(found[1], "big")
    elif data[:4] == b"\x89PNG":
        yield from ((start, end) for kind, start, end in _png_chunks(data) if kind == b"eXIf")
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _webp_exif(data)
    elif data[:4] in (b"II*\0", b"MM\0*"):
        yield 0, len(data)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at + 8, min(at + 8 + length, len(data))
        at += 12 + length


def _webp_exif(data: bytes) -> Iterator[tuple[int, int]]:
    at = 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            start = at + 8 + (len(_EXIF) if data.startswith(_EXIF, at + 8) else 0)
            yield start, at + 8 + length
        at += 8 + length + length % 2


def _renew_checks(png: bytearray) -> None:
    """Give every chunk of a PNG the check sum of its content."""
    for _, start, end in list(_png_chunks(bytes(png))):
        if end + 4 <= len(png):
            png[end : end + 4] = struct.pack(">I", zlib.crc32(png[start - 4 : end]))


def _entries(tiff: bytes, at: int, order: Order) -> list[tuple[int, int, int, int]]:
    """Tag, kind, count and place of the entries of a directory; none where it leads out of the block."""
    count = int.from_bytes(tiff[at : at + 2], order)
    if at < 8 or at + 2 + 12 * count > len(tiff):
        return []
    found = []
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = (int.from_bytes(tiff[place + n : place + n + 2], order) for n in (0, 2))
        found.append((tag, kind, int.from_bytes(tiff[place + 4 : place + 8], order), place))
    return found


def _order(tiff: bytes) -> Order | None:
    return {b"II": "little", b"MM": "big"}.get(tiff[:2])  # type: ignore[return-value]


def _gps_at(tiff: bytes) -> tuple[int, int, Order] | None:
    """Where the entry that leads to the GPS tags stands, and where it leads."""
    order = _order(tiff)
    if order is None:
        return None
    for tag, _, _, place in _entries(tiff, int.from_bytes(tiff[4:8], order), order):
        if tag == _GPS:
            return place, int.from_bytes(tiff[place + 8 : place + 12], order), order
    return None


def _gps_tags(tiff: bytes) -> frozenset[int]:
    found = _gps_at(tiff)
    return frozenset() if found is None else frozenset(tag for tag, *_ in _entries(tiff, found[1], found[2]))


def _blanked(tiff: bytes) -> bytes:
    """A TIFF block of the same length, in which nothing leads to the GPS tags and their bytes are zero."""
    found = _gps_at(tiff)
    if found is None:
        return tiff
    entry, directory, order = found
    out = bytearray(tiff)
    tags = _entries(tiff, directory, order)
    for _, kind, count, place in tags:
        size = _SIZES.get(kind, 1) * count
        if size > 4:
            start = int.from_bytes(tiff[place + 8 : place + 12], order)
            out[start : start + size] = bytes(len(out[start : start + size]))
    if tags:
        end = directory + 2 + 12 * len(tags) + 4
        out[directory:end] = bytes(len(out[directory:end]))
    first = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[first : first + 2], order)
    end = first + 2 + 12 * count + 4  # behind the entries stands where the next directory is
    out[entry : end - 12] = tiff[entry + 12 : end]
    out[end - 12 : end] = bytes(12)
    out[first : first + 2] = (count - 1).to_bytes(2, order)
    return bytes(out)
