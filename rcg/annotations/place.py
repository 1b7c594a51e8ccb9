"""What stands in a source: its images and label files, and which belongs to which."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rcg.annotations.checks import Unusable
from rcg.errors import DataError, RcgError
from rcg.files import children, exists, explain, walk
from rcg.images import Size, is_image_name, list_images, max_pixels, read_size

IMAGE_FOLDERS = frozenset({"images", "jpegimages", "image", "imgs", "img"})
LABEL_FOLDERS = frozenset({"labels", "label", "annotations", "xml", "txt"})


class Place:
    """A source as it stands on the disk; everything is listed at most once, and only when asked for.

    Args:
        source: A folder, or a label or class file in it.
        images: The images' folder, where it is not to be found out.
        labels: The labels' folder or file, where it is not to be found out.
        ignore: A path that is no part of the source, such as the target of a conversion.

    Raises:
        RcgError: If a path does not exist.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        images: str | Path | None = None,
        labels: str | Path | None = None,
        ignore: str | Path | None = None,
    ) -> None:
        for path in (source, images, labels):
            if path is not None and not exists(path):
                raise explain(FileNotFoundError(), path)
        if images is not None and not Path(images).is_dir():
            raise DataError("this is no folder", where=images, fix="name the folder that holds the images")
        self.source = Path(source)
        top = Path(labels) if labels is not None else self.source
        self.file = top if top.is_file() else None
        self.root = top.parent if top.is_file() else top
        self.ignore = None if ignore is None else Path(ignore).absolute()
        self._images = None if images is None else Path(images)
        self._labels_named = labels is not None

    @property
    def images_named(self) -> bool:
        """Whether the caller said where the images are."""
        return self._images is not None

    @cached_property
    def has_images(self) -> bool:
        """Whether there is any image."""
        try:
            return _has_image(self.images)
        except DataError:
            return False

    @cached_property
    def images(self) -> Path:
        """The folder that file names are relative to.

        Raises:
            DataError: If there is no image.
        """
        if self._images is not None:
            return self._images
        if self._labels_named and self.source.is_dir():
            return _conventional(self.source) or self.source
        if found := _conventional(self.root):
            return found
        if _has_image(self.root):
            return self.root
        if found := _opposite(self.root, LABEL_FOLDERS, IMAGE_FOLDERS, _has_image):
            return found
        what = "there are labels here but no image" if any(self.files.values()) else "there is nothing to read here"
        fix = "name the folder that holds the images (images=DIR, --images DIR)"
        raise DataError(what, where=self.root, fix=fix if any(self.files.values()) else "name a folder with images")

    @cached_property
    def image_names(self) -> tuple[str, ...]:
        """The images below `images`, relative to it, sorted.

        Raises:
            DataError: If there is none.
        """
        names = tuple(list_images(self.images))
        if not names:
            fix = "name a folder that holds .jpg, .png, .webp, .bmp or .tif files"
            raise DataError("there is no image here", where=self.images, fix=fix)
        return names

    @cached_property
    def files(self) -> Mapping[str, tuple[str, ...]]:
        """The other files below `root` by ending (".txt", in lower case), relative to it, sorted."""
        found: dict[str, list[str]] = {}
        ignored = "" if self.ignore is None else os.path.relpath(self.ignore, self.root).replace(os.sep, "/")
        for prefix, names in walk(self.root, skip=lambda path: path == ignored or _hidden(path)):
            for name in names:
                if name.startswith(".") or prefix + name == ignored or is_image_name(name):
                    continue
                found.setdefault(os.path.splitext(name)[1].lower(), []).append(prefix + name)  # noqa: PTH122
        return {ending: tuple(sorted(names)) for ending, names in found.items()}

    def with_images(self, folder: Path, *, with_labels: bool) -> Place:
        """The same place with its images in `folder`, if there are any and it has none of its own.

        Args:
            folder: Where the images are.
            with_labels: Whether the labels are looked for there too, unless the caller said where they are.
        """
        if self._images is not None or _has_image(self.root) or not folder.is_dir() or not _has_image(folder):
            return self
        if with_labels and not self._labels_named:
            other = Place(folder, ignore=self.ignore)
            other = other if other.files.get(".txt") else other.opposite() or other
            other.source, other.file = self.source, self.file
            return other
        other = Place(self.source, images=folder, labels=self.root if self._labels_named else None, ignore=self.ignore)
        other.file, other.root = self.file, self.root
        return other

    def pairs(self, labels: Iterable[str]) -> Pairs:
        """The images of these label files, which are relative to `root`."""
        inside = os.path.relpath(self.images, self.root).replace(os.sep, "/")
        return pair(self.image_names, labels, inside="" if inside.startswith(".") else f"{inside}/")

    def opposite(self) -> Place | None:
        """Where the source is a folder of images, the folder of labels that belongs to it; None if there is none."""
        if self.file is not None or self._labels_named or not self.source.is_dir():
            return None
        folder = _opposite(self.root, IMAGE_FOLDERS, LABEL_FOLDERS, lambda _: True)
        if folder is None:
            return None
        return Place(self.source, images=self._images or self.root, labels=folder, ignore=self.ignore)

    def shown(self, path: str | Path) -> str:
        """A path as it is named to the reader: relative to the source where it lies below it."""
        base = self.source if self.source.is_dir() else self.root
        for top in (base, self.root):
            if Path(path).absolute().is_relative_to(top.absolute()):
                return Path(path).absolute().relative_to(top.absolute()).as_posix()
        return str(path)

    def prefix(self, folder: Path) -> str:
        """What stands before a name in `folder` to make it a path as `shown`."""
        shown = self.shown(folder)
        return "" if shown == "." else f"{shown}/"


def _conventional(root: Path) -> Path | None:
    """`root/images` or the like, where it stands beside a folder of labels or holds all there is."""
    found = children(root) if root.is_dir() else ()
    folders = [child for child in found if child.is_dir()]
    inside = [child for child in folders if child.name.lower() in IMAGE_FOLDERS and _has_image(child)]
    if len(inside) != 1:
        return None
    beside = any(child.name.lower() in LABEL_FOLDERS for child in folders)
    others = any(_has_image(child) for child in folders if child != inside[0])
    loose = any(is_image_name(child.name) for child in found)
    return inside[0] if beside or not (others or loose) else None


def _opposite(root: Path, here: frozenset[str], there: frozenset[str], fits: Callable[[Path], bool]) -> Path | None:
    """The other half of a set: `set/images/train` for `set/labels/train`, or the other way round."""
    parts = root.absolute().parts
    for at in range(len(parts) - 1, 0, -1):
        if parts[at].lower() in here:
            above = Path(*parts[:at])
            for child in children(above) if os.access(above, os.R_OK | os.X_OK) else ():
                candidate = Path(child, *parts[at + 1 :])
                if child.name.lower() in there and candidate.is_dir() and fits(candidate):
                    return candidate
            return None
    return None


def _hidden(folder: str) -> bool:
    name = folder.rpartition("/")[2]
    return name.startswith(".") or name == "__MACOSX"


def _has_image(folder: Path) -> bool:
    return any(is_image_name(name) for _, names in walk(folder, skip=_hidden) for name in names)


def pairing_key(name: str, folders: frozenset[str]) -> str:
    """What an image and its label file have in common: the path without ending and without `images` or `labels`.

    Example:
        >>> pairing_key("train/images/a.jpg", IMAGE_FOLDERS) == pairing_key("train/labels/a.txt", LABEL_FOLDERS)
        True
    """
    stem = os.path.splitext(name)[0]  # noqa: PTH122 - many times faster, once a file
    if not stem.isascii():
        stem = unicodedata.normalize("NFC", stem)  # macOS writes accents apart, others do not
    if "/" not in stem:
        return stem
    *above, last = stem.split("/")
    for at in range(len(above) - 1, -1, -1):
        if above[at].lower() in folders:
            del above[at]
            break
    return "/".join([*above, last])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which label file belongs to which image.

    Attributes:
        label_of: Label file by image name; images without one are not in it.
        orphans: Label files that belong to no image.
        doubled: Label files whose image has another one already, with that one.
        shared: Label files that belong to several images, with these.
        by_name: Whether folders had to be disregarded, since no path fitted.
    """

    label_of: Mapping[str, str]
    orphans: tuple[str, ...]
    doubled: Mapping[str, str]
    shared: Mapping[str, tuple[str, ...]]
    by_name: bool


def pair(images: Iterable[str], labels: Iterable[str], *, inside: str = "") -> Pairs:
    """Find the image of each label file: by path, or where no path fits at all, by a name that is there once.

    Args:
        images: Image files, relative to the images' folder.
        labels: Label files, relative to the labels' folder.
        inside: The images' folder as seen from the labels' folder, with a slash at its end; empty where they are one
            or lie apart. Labels below it are matched by their path from there.

    Example:
        >>> pair(["images/a.jpg"], ["labels/a.txt", "labels/b.txt"]).orphans
        ('labels/b.txt',)
    """
    labels = tuple(labels)
    by_key: dict[str, list[str]] = {}
    for image in images:
        by_key.setdefault(pairing_key(image, IMAGE_FOLDERS), []).append(image)
    found = {label: by_key.get(pairing_key(label.removeprefix(inside), LABEL_FOLDERS), []) for label in labels}
    by_name = bool(labels) and not any(found.values())
    if by_name:
        found = _pair_by_name(by_key, labels)
    by_name = by_name and any(found.values())
    label_of: dict[str, str] = {}
    doubled: dict[str, str] = {}
    for label, matches in found.items():
        for image in matches:
            if label_of.setdefault(image, label) != label:
                doubled[label] = label_of[image]
    orphans = tuple(label for label, matches in found.items() if not matches)
    shared = {label: tuple(matches) for label, matches in found.items() if len(matches) > 1}
    return Pairs(label_of, orphans, doubled, shared, by_name)


def _pair_by_name(by_key: Mapping[str, list[str]], labels: tuple[str, ...]) -> dict[str, list[str]]:
    by_stem: dict[str, list[list[str]]] = {}
    for key, images in by_key.items():
        by_stem.setdefault(key.rpartition("/")[2], []).append(images)
    stems = [pairing_key(label, LABEL_FOLDERS).rpartition("/")[2] for label in labels]
    count = Counter(stems)
    return {
        label: by_stem[stem][0] if count[stem] == 1 and len(by_stem.get(stem, ())) == 1 else []
        for label, stem in zip(labels, stems, strict=True)
    }


_BEGINNINGS = (
    (b"\xff\xd8", "JPEG", (".jpg", ".jpeg")),
    (b"\x89PNG", "PNG", (".png",)),
    (b"RIFF", "WebP", (".webp",)),
    (b"BM", "BMP", (".bmp",)),
    (b"II*\0", "TIFF", (".tif", ".tiff")),
    (b"MM\0*", "TIFF", (".tif", ".tiff")),
)


def image_size(folder: Path, name: str) -> tuple[Size, str | None]:
    """The size of an image from its header, and the kind of its content where its name claims another.

    Raises:
        Unusable: If it is missing, empty, cut off, no image, or beyond the limit of pixels.
    """
    path = f"{folder}/{name}"
    if not name.isascii() and "\\ud" in ascii(name):  # lone surrogates stand for bytes that are no UTF-8
        raise Unusable("the file name is not valid UTF-8; rename the file")
    try:
        size = read_size(path)
    except RcgError as error:
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
