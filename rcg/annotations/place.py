"""What stands in a source: its images and label files, and which belongs to which."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from rcg.annotations.checks import Unusable
from rcg.errors import DataError, RcgError
from rcg.files import exists, explain
from rcg.folders import children, folders_and_files, walk
from rcg.images import EXTENSIONS, Size, ending_of, is_ignored, is_image_name, list_images, max_pixels, read_size

IMAGE_FOLDERS = frozenset({"images", "jpegimages", "image", "imgs", "img"})
_MOST_JSON = 2000  # a folder may hold one LabelMe file an image; a file for all of them is among the first
_FIRST_JSON = 50
_HEAD = 4096
_FEW_ENDINGS = 8
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
        self._pairs: tuple[tuple[str, ...], Pairs] | None = None

    @property
    def images_named(self) -> bool:
        """Whether the caller said where the images are."""
        return self._images is not None

    @cached_property
    def has_images(self) -> bool:
        """Whether there is any image."""
        return self._found_images is not None and _has_image(self._found_images)

    @cached_property
    def images(self) -> Path:
        """The folder that file names are relative to.

        Raises:
            DataError: If there is no image.
        """
        if self._found_images is not None:
            return self._found_images
        what = "there are labels here but no image" if any(self.files.values()) else "there is nothing to read here"
        fix = "name the folder that holds the images (images=DIR, --images DIR)"
        raise DataError(what, where=self.root, fix=fix if any(self.files.values()) else "name a folder with images")

    @cached_property
    def _found_images(self) -> Path | None:
        """The folder of images: the given one, or the first that convention names; None where there is none."""
        if self._images is not None:
            return self._images
        if self._labels_named and self.source.is_dir():
            return _conventional(self.source) or self.source
        if found := _conventional(self.root):
            return found
        if _has_image(self.root):
            return self.root
        return _opposite(self.root, LABEL_FOLDERS, IMAGE_FOLDERS, _has_image)

    @cached_property
    def image_names(self) -> tuple[str, ...]:
        """The images below `images`, relative to it, sorted.

        Raises:
            DataError: If there is none.
        """
        inside = self._images_from_root
        names = tuple(list_images(self.images)) if inside is None else self._listed[0]
        if not names:
            fix = "name a folder that holds .jpg, .png, .webp, .bmp or .tif files"
            raise DataError("there is no image here", where=self.images, fix=fix)
        return names

    @cached_property
    def files(self) -> Mapping[str, tuple[str, ...]]:
        """The other files below `root` by ending (".txt", in lower case), relative to it, sorted."""
        return self._listed[1]

    @cached_property
    def _images_from_root(self) -> str | None:
        """The images' folder as seen from `root`, with a slash at its end ("" for `root`); None where it lies apart."""
        if self._found_images is None:
            return None
        inside = os.path.relpath(self._found_images, self.root).replace(os.sep, "/")
        return None if inside.startswith("..") else "" if inside == "." else f"{inside}/"

    @cached_property
    def _listed(self) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
        """The images below the images' folder and the other files below `root`, in one walk through `root`."""
        images: list[str] = []
        others: dict[str, list[str]] = {}
        ignored = "" if self.ignore is None else os.path.relpath(self.ignore, self.root).replace(os.sep, "/")
        inside = self._images_from_root
        for prefix, names in walk(self.root, skip=lambda path: path == ignored or _hidden(path)):
            pictured = inside is not None and prefix.startswith(inside) and not is_ignored(prefix)
            beginning = prefix[len(inside or "") :]
            for ending, own in _by_ending(names):
                if ending not in EXTENSIONS:
                    others.setdefault(ending, []).extend([path for each in own if (path := prefix + each) != ignored])
                elif pictured:
                    images += [beginning + each for each in own]
        return tuple(sorted(images)), {ending: tuple(sorted(names)) for ending, names in others.items()}

    def named(self, ending: str, names: Iterable[str]) -> list[str]:
        """The files of an ending that have one of these names, whatever their case and folder; the nearest first.

        Args:
            ending: Such as ".txt".
            names: File names in lower case, with their ending.
        """
        text = "\n".join(self.files.get(ending, ()))  # one search through all is much faster than a look at each
        wanted = "|".join(map(re.escape, names))
        found = re.findall(rf"^(?:.*/)?(?:{wanted})$", text, re.MULTILINE | re.IGNORECASE)
        return sorted(found, key=lambda name: (name.count("/"), name))

    @cached_property
    def json_kinds(self) -> Mapping[str, str]:
        """What .json files are by their beginning: "list", "shapes" (of one image) or "other".

        Of very many not all are looked at, and behind the first few none that is called as an image is.
        """
        names = self.files.get(".json", ())[:_MOST_JSON]
        if len(names) > _FIRST_JSON and self.has_images:
            images = {name.rpartition("/")[2].rpartition(".")[0] for name in self.image_names}
            others = [name for name in names[_FIRST_JSON:] if name.rpartition("/")[2][: -len(".json")] not in images]
            names = (*names[:_FIRST_JSON], *others)
        inside = os.open(self.root, os.O_RDONLY) if names else -1
        try:
            return {name: _json_kind(inside, name) for name in names}
        finally:
            if names:
                os.close(inside)

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
        labels = tuple(labels)
        if self._pairs is None or self._pairs[0] != labels:  # recognising a format asks as reading it does
            inside = os.path.relpath(self.images, self.root).replace(os.sep, "/")
            found = pair(self.image_names, labels, inside="" if inside.startswith(".") else f"{inside}/")
            self._pairs = labels, found
        return self._pairs[1]

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


def _by_ending(names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The files of a folder by their ending in lower case, the hidden ones left out; names are many, endings few."""
    ends = {name[name.rfind(".") :] if "." in name else "" for name in names}
    if len(ends) > _FEW_ENDINGS:  # names such as scan.0001
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(ending_of(name), []).append(name)
    elif len(ends) == 1:
        groups = {end: list(names) for end in ends}
    else:
        groups = {end: [each for each in names if (each.endswith(end) if end else "." not in each)] for end in ends}
    for end, own in groups.items():
        yield end.lower(), [each for each in own if each[0] != "."]


def _conventional(root: Path) -> Path | None:
    """`root/images` or the like, where it stands beside a folder of labels or holds all there is."""
    folders, others_there = folders_and_files(root) if root.is_dir() else ([], [])
    inside = [child for child in folders if child.name.lower() in IMAGE_FOLDERS and _has_image(child)]
    if len(inside) != 1:
        return None
    if any(child.name.lower() in LABEL_FOLDERS for child in folders):
        return inside[0]
    others = any(_has_image(child) for child in folders if child != inside[0])
    loose = any(map(is_image_name, others_there))
    return None if others or loose else inside[0]


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


def _json_kind(inside: int, name: str) -> str:
    try:
        handle = os.open(name, os.O_RDONLY, dir_fd=inside)
        try:
            head = os.read(handle, _HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return "other"
    if head.startswith(b"["):
        return "list"
    return "shapes" if b'"shapes"' in head and b'"images"' not in head else "other"


def _hidden(folder: str) -> bool:
    name = folder.rpartition("/")[2]
    return name.startswith(".") or name == "__MACOSX"


def _has_image(folder: Path, *, above: tuple[os.stat_result, ...] = ()) -> bool:
    """Whether there is an image in a folder or below it; in a folder of a million the first is enough."""
    below = []
    try:
        here = folder.stat()
        if any(os.path.samestat(here, each) for each in above):  # a link that leads back
            return False
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_image_name(entry.name):
                    return True
                if entry.is_dir() and not _hidden(entry.name):
                    below.append(folder / entry.name)
    except OSError:
        return False
    return any(_has_image(each, above=(*above, here)) for each in sorted(below))


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
    images, uses = tuple(images), dict.fromkeys(labels, 0)
    label_of, shared, doubled = _pair_by_path(images, uses, inside)
    by_name = bool(uses) and not label_of
    if by_name:
        label_of, shared, doubled = _pair_by_name(images, uses)
    orphans = tuple(label for label, used in uses.items() if not used and label not in doubled)
    return Pairs(label_of, orphans, doubled, shared, by_name and bool(label_of))


_NOWHERE: list[tuple[str, str]] = []
_Found = tuple[dict[str, str], dict[str, tuple[str, ...]], dict[str, str]]


def _pair_by_path(images: tuple[str, ...], uses: dict[str, int], inside: str) -> _Found:
    """Label by image; images by a label that several share; labels that come second for their image.

    Folders are brought together first, so that of each image only its own name has to be looked up.
    """
    beginnings = _beginnings(uses, inside)
    label_of: dict[str, str] = {}
    doubled: dict[str, str] = {}
    odd = {pairing_key(label.removeprefix(inside), LABEL_FOLDERS): label for label in uses if not label.isascii()}
    for folder, run in groupby(images, _folder_of):
        cut, here = len(folder), list(run)
        places = beginnings.get(pairing_key(f"{folder}x.y", IMAGE_FOLDERS)[:-1], _NOWHERE)
        found: dict[str, str] = {}
        for begin, end in places:
            more = {each: label for each in here if (label := begin + each[cut : each.rindex(".")] + end) in uses}
            doubled |= {more[each]: found[each] for each in found.keys() & more.keys()}
            found = more | found
        if odd:
            named = {each: odd.get(pairing_key(each, IMAGE_FOLDERS)) for each in here if not each.isascii()}
            found = {each: label for each, label in named.items() if label} | found
        label_of |= found
    uses |= Counter(label_of.values())
    shared: dict[str, tuple[str, ...]] = {}
    if len(label_of) > len(set(label_of.values())):
        for image, label in sorted(label_of.items()):
            if uses[label] > 1:
                shared[label] = (*shared.get(label, ()), image)
    return label_of, shared, doubled


def _folder_of(name: str) -> str:
    """The folder of a file, with a slash at its end; empty where it is in none."""
    return name[: name.rfind("/") + 1]


def _beginnings(labels: Iterable[str], inside: str) -> dict[str, list[tuple[str, str]]]:
    """By what a folder of images and one of labels have in common: how the names of its labels begin and end."""
    folders: set[tuple[str, str]] = set()
    folder, ending = None, ""
    for label in labels:  # sorted, so that most come after one of the same folder
        cut = label.rfind("/") + 1
        if label[:cut] != folder or not label.endswith(ending):
            folder, ending = label[:cut], label[label.rindex(".") :]
            folders.add((folder, ending))
    found: dict[str, list[tuple[str, str]]] = {}
    for folder, ending in sorted(folders):
        key = pairing_key(f"{folder}x.y".removeprefix(inside), LABEL_FOLDERS)[:-1]
        found.setdefault(key, []).append((folder, ending))
    return found


def _pair_by_name(images: tuple[str, ...], uses: dict[str, int]) -> _Found:
    """The same by the names alone; a name that two labels have, or images in two folders, fits none."""
    by_key: dict[str, list[str]] = {}
    for image in images:
        by_key.setdefault(pairing_key(image, IMAGE_FOLDERS), []).append(image)
    by_stem: dict[str, list[list[str]]] = {}
    for key, found in by_key.items():
        by_stem.setdefault(key.rpartition("/")[2], []).append(found)
    stems = {label: pairing_key(label, LABEL_FOLDERS).rpartition("/")[2] for label in uses}
    count = Counter(stems.values())
    label_of: dict[str, str] = {}
    shared: dict[str, tuple[str, ...]] = {}
    for label, stem in stems.items():
        if count[stem] == 1 and len(by_stem.get(stem, ())) == 1:
            matches = by_stem[stem][0]
            uses[label] = len(matches)
            label_of |= dict.fromkeys(matches, label)
            if len(matches) > 1:
                shared[label] = tuple(matches)
    return label_of, shared, {}


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
