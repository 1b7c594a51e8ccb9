"""Images: their size from the header alone, safe decoding, EXIF orientation, atomic writes.

Sizes and pixels are always those of the picture as people see it: EXIF orientation applied.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError, DataError, FormatError, MissingExtra
from rcg.files import atomic, explain
from rcg.folders import walk
from rcg.image_headers import MAX_PIXELS, PAGE, SWAPPED, Size, max_pixels, no_reading_ahead, quick_size, read_sizes

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"})

_HEIC_QUALITY = 95  # with full colour resolution: its error lies below that of the phone's own compression


def is_image_name(name: str) -> bool:
    """Whether a file of this name claims to be an image; `._` and dot files do not count."""
    return ending_of(name) in EXTENSIONS and name[0] != "."


def ending_of(name: str) -> str:
    """What stands from the last dot of a file's name, in lower case; "" without one.

    Example:
        >>> ending_of("a.b.JPG"), ending_of("lot.1/README"), ending_of(".hidden")
        ('.jpg', '', '')
    """
    at = name.rfind(".")
    if at <= 0 or name[at - 1] == "/" or "/" in name[at:]:
        return ""
    return name[at:].lower()


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
    for prefix, names in walk(root, skip=_skipped):
        found += [prefix + name for name in names if is_image_name(name)]
    yield from sorted(found)


def is_ignored(prefix: str) -> bool:
    """Whether a folder, by its relative path with a slash at its end, is one of thumbnails or lies in one."""
    return any(part in _THUMBNAILS for part in prefix.split("/"))


_THUMBNAILS = frozenset({"@eaDir", "thumbnails", "thumbs"})


def _skipped(folder: str) -> bool:
    name = folder.rpartition("/")[2]
    return name.startswith(".") or name == "__MACOSX" or name in _THUMBNAILS


def read_size(path: str | Path) -> Size:
    """Width and height of an image from its header, without decoding it.

    The file's end is checked too, since a copy that broke off would fail later, in training. JPEG, PNG, WebP and BMP
    take two short reads; other formats, and files that look odd, go through Pillow.

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
        no_reading_ahead(handle)
        head = os.pread(handle, PAGE, 0)
        if not head:
            raise FormatError("the file is empty (0 bytes)", where=path, fix="copy or export the image again")
        size = quick_size(handle, head, os.lseek(handle, 0, os.SEEK_END))
    except OSError as error:  # a folder that is called like an image, a disk that cannot be read
        raise explain(error, path) from error
    finally:
        os.close(handle)
    return size or _size_by_decoding(path)


def _size_by_decoding(path: str | Path) -> Size:
    """The size through Pillow, which also finds what is cut off or no image at all."""
    with _opened(path) as image:
        size = Size(*image.size)
        small = size.width * size.height <= max_pixels()  # beyond it the header has to do: it is refused at decoding
        try:
            # Pillow turns TIFF by itself and has already exchanged the two.
            swapped = image.format != "TIFF" and small and image.getexif().get(0x0112, 1) in SWAPPED
            if small:
                image.load()
        except (OSError, ValueError, SyntaxError, RuntimeError, struct.error) as error:
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
        if start[4:8] == b"ftyp" and start[8:11] in _HEIF_BRANDS:
            return _opened_heif(path)
        what = f"this is no image that can be read (it begins with {start!r})"
        raise FormatError(what, where=path, fix="remove the file, or export it as JPEG or PNG") from error
    except OSError as error:
        if error.errno is not None:
            raise explain(error, path) from error
        raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error
    except (ValueError, SyntaxError, struct.error) as error:
        raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error


_HEIF_BRANDS = frozenset({b"hei", b"hev", b"mif", b"msf"})
_HEIC_INSTALL = "pip install 'pillow-heif>=1.1,<2', then add the folder again"


def _opened_heif(path: str | Path) -> Image.Image:
    """A HEIC photo, as phones take them; Pillow needs a plug-in for it."""
    from PIL import Image

    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtra("HEIC photos need pillow-heif, which is not installed", fix=_HEIC_INSTALL) from error
    pillow_heif.register_heif_opener()
    try:
        return Image.open(path)
    except (OSError, ValueError, SyntaxError, RuntimeError) as error:
        raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error


def in_common_format(path: str | Path) -> tuple[bytes, str]:
    """A HEIC or AVIF photo as a file that every program reads, with its metadata and colour profile.

    Returns:
        The bytes of a file and its ending: JPEG of high quality, or PNG where the photo has transparent parts.

    Raises:
        FormatError: If the file is no image, or damaged.
        MissingExtra: If HEIC cannot be read here.
    """
    with _opened(path) as image:
        try:
            image.load()
        except (OSError, ValueError, SyntaxError, RuntimeError) as error:
            raise FormatError(f"the image is damaged: {error}", where=path, fix=_AGAIN) from error
        kept = {name: image.info[name] for name in ("exif", "icc_profile") if image.info.get(name)}
        buffer = io.BytesIO()
        if image.mode in ("RGBA", "LA", "PA"):
            image.save(buffer, "PNG", **kept)
            return buffer.getvalue(), ".png"
        image.convert("RGB").save(buffer, "JPEG", quality=_HEIC_QUALITY, subsampling=0, **kept)
        return buffer.getvalue(), ".jpg"


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
        except (OSError, ValueError, SyntaxError, RuntimeError, struct.error) as error:
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


__all__ = [
    "EXTENSIONS", "MAX_PIXELS", "Pixels", "Size", "encode_image", "ending_of", "is_ignored", "is_image_name",
    "list_images", "max_pixels", "read_image", "read_size", "read_sizes", "write_image",
]  # fmt: skip
