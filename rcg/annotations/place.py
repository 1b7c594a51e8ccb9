"""What stands in a source: its images and label files, and which belongs to which."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from rcg.annotations.folder import MARK
from rcg.annotations.pairing import IMAGE_FOLDERS, LABEL_FOLDERS, Pairs, pair
from rcg.errors import DataError
from rcg.files import exists, explain
from rcg.folders import children, folders_and_files, walk
from rcg.images import EXTENSIONS, ending_of, is_ignored, is_image_name, list_images

_MOST_JSON = 2000  # a folder may hold one LabelMe file an image; a file for all of them is among the first
_FIRST_JSON = 50
_HEAD = 4096
_FEW_ENDINGS = 8
_MARKS = (MARK, ".rcg-export.json")  # of a conversion, and of a dataset's export


class Place:
    """A source as it stands on the disk; everything is listed at most once, and only when asked for.

    Args:
        source: A folder, or a label or class file in it.
        images: The images' folder, where it is not to be found out.
        labels: The labels' folder or file, where it is not to be found out.
        ignore: A path that is no part of the source, such as the target of a conversion.
        without_made: Whether to pass over folders below it that RCG wrote, which would be read twice with what they
            were made of.

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
        without_made: bool = False,
    ) -> None:
        for path in (source, images, labels):
            if path is not None and not exists(path):
                raise explain(FileNotFoundError(), path)
        if images is not None and not Path(images).is_dir():
            raise DataError("this is no folder", where=images, fix="name the folder that holds the images")
        self._given = source, images, labels, ignore
        self.source = Path(source)
        top = Path(labels) if labels is not None else self.source
        self.file = top if top.is_file() else None
        self.root = top.parent if top.is_file() else top
        self.ignore = None if ignore is None else Path(ignore).absolute()
        self._images = None if images is None else Path(images)
        self._labels_named = labels is not None
        self._pairs: tuple[tuple[str, ...], Pairs] | None = None
        self._without_made = without_made
        self._passed: list[str] = []

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
        for prefix, names in walk(self.root, skip=lambda path: path == ignored or _hidden(path) or self._passes(path)):
            pictured = inside is not None and prefix.startswith(inside) and not is_ignored(prefix)
            beginning = prefix[len(inside or "") :]
            for ending, own in _by_ending(names):
                if ending not in EXTENSIONS:
                    others.setdefault(ending, []).extend([path for each in own if (path := prefix + each) != ignored])
                elif pictured:
                    images += [beginning + each for each in own]
        return tuple(sorted(images)), {ending: tuple(sorted(names)) for ending, names in others.items()}

    @property
    def passed(self) -> tuple[str, ...]:
        """The folders that RCG wrote and that were passed over, relative to `root`."""
        return tuple(self._passed) if self.file is not None or self._listed else ()

    def _passes(self, folder: str) -> bool:
        if not self._without_made:
            return False
        if not any(os.path.isfile(f"{self.root}/{folder}/{mark}") for mark in _MARKS):  # noqa: PTH113 - faster
            return False
        self._passed.append(folder)
        return True

    def named(self, ending: str, names: Iterable[str]) -> list[str]:
        """The files of an ending that have one of these names, whatever their case and folder; the nearest first.

        Args:
            ending: Such as ".txt".
            names: File names in lower case, with their ending.
        """
        text = "\n".join(self.files.get(ending, ()))  # one search through all is much faster than a look at each
        lower = text.lower()
        names = [name for name in names if name in lower]
        if not names:
            return []
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

    def whole(self) -> Place:
        """The same place with the folders that were passed over."""
        source, images, labels, ignore = self._given
        return Place(source, images=images, labels=labels, ignore=ignore)

    def with_images(self, folder: Path, *, with_labels: bool) -> Place:
        """The same place with its images in `folder`, if there are any and it has none of its own.

        Args:
            folder: Where the images are.
            with_labels: Whether the labels are looked for there too, unless the caller said where they are.
        """
        if self._images is not None or _has_image(self.root) or not folder.is_dir() or not _has_image(folder):
            return self
        if with_labels and not self._labels_named:
            other = Place(folder, ignore=self.ignore, without_made=self._without_made)
            other = other if other.files.get(".txt") else other.opposite() or other
            other.source, other.file = self.source, self.file
            return other
        other = Place(
            self.source,
            images=folder,
            labels=self.root if self._labels_named else None,
            ignore=self.ignore,
            without_made=self._without_made,
        )
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
        images = self._images or self.root
        return Place(self.source, images=images, labels=folder, ignore=self.ignore, without_made=self._without_made)

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
    ends = _endings(names)
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


def _endings(names: Sequence[str]) -> set[str]:
    """How the names end; where all end as the first one does, none is looked at by itself."""
    if names and (at := names[0].rfind(".")) >= 0:
        end = names[0][at:]
        if f"{'/'.join(names)}/".count(f"{end}/") == len(names):
            return {end}
    return {name[name.rfind(".") :] if "." in name else "" for name in names}


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
