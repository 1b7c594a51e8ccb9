"""The size of an image beside its labels, from its header or from who knows it already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from rcg.annotations.checks import Unusable
from rcg.errors import RcgError
from rcg.images import Size, max_pixels, read_size

_BEGINNINGS = (
    (b"\xff\xd8", "JPEG", (".jpg", ".jpeg")),
    (b"\x89PNG", "PNG", (".png",)),
    (b"RIFF", "WebP", (".webp",)),
    (b"BM", "BMP", (".bmp",)),
    (b"II*\0", "TIFF", (".tif", ".tiff")),
    (b"MM\0*", "TIFF", (".tif", ".tiff")),
)


_sizes: ContextVar[Callable[[str], Size | None] | None] = ContextVar("sizes", default=None)


@contextmanager
def known_sizes(look: Callable[[str], Size | None]) -> Iterator[None]:
    """Inside of the block `image_size` asks `look` first, and opens only images whose size that does not know.

    Args:
        look: The size of an image by its full path, or None; it has to notice changed files itself.
    """
    token = _sizes.set(look)
    try:
        yield
    finally:
        _sizes.reset(token)


def image_size(folder: Path, name: str) -> tuple[Size, str | None]:
    """The size of an image from its header, and the kind of its content where its name claims another.

    Raises:
        Unusable: If it is missing, empty, cut off, no image, or beyond the limit of pixels.
    """
    path = f"{folder}/{name}"
    if not name.isascii() and "\\ud" in ascii(name):  # lone surrogates stand for bytes that are no UTF-8
        raise Unusable("the file name is not valid UTF-8; rename the file")
    if (look := _sizes.get()) is not None and (known := look(path)) is not None:
        return known, None
    try:
        size = read_size(path)
    except RcgError as error:
        if isinstance(error.__cause__, FileNotFoundError) and not os.path.islink(path):  # noqa: PTH114 - a text
            what = "there is no such file; put the image there, or name the folder that holds it"
            raise Unusable(what) from error
        raise Unusable(f"{error.what}; {error.fix}" if error.fix else error.what) from error
    if size.width * size.height > max_pixels():
        what = f"the image has {size.width:,} x {size.height:,} pixels, more than the limit of {max_pixels():,}"
        raise Unusable(f"{what}; scale it down, or set RCG_MAX_PIXELS to a higher number")
    return size, _other_kind(path)


def _other_kind(path: str) -> str | None:
    handle = os.open(path, os.O_RDONLY)
    try:
        head = os.read(handle, 12)
    finally:
        os.close(handle)
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 - many times faster, once a file
    for beginning, kind, endings in _BEGINNINGS:
        if head.startswith(beginning):
            return None if ending in endings else kind
    if head[4:8] == b"ftyp":
        return None if ending in (".heic", ".heif", ".hif", ".avif") else "HEIC or AVIF"
    return "another format"
