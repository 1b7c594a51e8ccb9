"""Where the images stand that a label file names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rcg.annotations.pairing import Pairs
from rcg.annotations.place import Place

_DRIVE = re.compile(r"[A-Za-z]:")

SAME_IMAGE = "label files that name the same image as another; theirs is called as they are"

FIRST = 50
"""Images of a file that are looked for to find their folder."""


def tails(name: str) -> list[str]:
    """The name, if it stays below its folder; else what can be left of it, longest first.

    Example:
        >>> tails("a/b.jpg"), tails("C:/photos/b.jpg"), tails("../x/b.jpg")
        (['a/b.jpg'], ['photos/b.jpg', 'b.jpg'], ['x/b.jpg', 'b.jpg'])
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = ".." in parts or name.startswith("/")
    if ".." in parts:
        parts = parts[len(parts) - parts[::-1].index("..") :]
    if parts and (_DRIVE.fullmatch(parts[0]) or (parts[0].endswith(":") and "://" in name)):
        outside, parts = True, parts[1:]
    return ["/".join(parts[at:]) for at in range(len(parts))] if outside else ["/".join(parts)] if parts else []


def names_of(name: str) -> list[str]:
    r"""What a file may be called that a label file names, likeliest first; tools on Windows write backslashes.

    Example:
        >>> names_of("photos/a.jpg"), names_of("D:\\photos\\a.jpg")
        (['photos/a.jpg'], ['photos/a.jpg', 'a.jpg'])
    """
    found = tails(name.replace("\\", "/"))
    return [*found, name] if "\\" in name and len(found) == 1 else found


def unseen(name: str) -> str:
    """What to call an image that a label file names, where no image is at hand: its path, or of a full path the name.

    Example:
        >>> unseen("photos/a.jpg"), unseen("/home/x/photos/a.jpg")
        ('photos/a.jpg', 'a.jpg')
    """
    return tails(name.replace("\\", "/"))[-1]


def existing(folder: Path, names: Iterable[str]) -> str | None:
    """The first of the names that is a file in the folder."""
    top = os.fspath(folder)
    for name in names:
        try:
            if os.path.isfile(f"{top}/{name}"):  # noqa: PTH113 - faster, once a file
                return name
        except ValueError:  # a null byte, or what is no text
            continue
    return None


def find_images(
    place: Place, files: Sequence[Path], named: Sequence[Sequence[Sequence[str]]]
) -> tuple[Path, list[Path | None]]:
    """The common folder of all images, and for each label file the one its names are relative to; None without images.

    Args:
        place: The source.
        files: The label files.
        named: For each label file its first images, each with the names that its file may have.
    """
    folders: list[Path | None] = []
    for path, images in zip(files, named, strict=True):
        candidates = [each for each in dict.fromkeys(_candidates(place, path)) if each.is_dir()]
        hits = [sum(existing(folder, names) is not None for names in images) for folder in candidates]
        best = max(hits, default=0)
        folders.append(candidates[hits.index(best)] if best else None)
    found = sorted({folder.absolute() for folder in folders if folder is not None})
    if place.images_named:
        return place.images, folders
    if not found:
        return files[0].parent, folders
    return (found[0] if len(found) == 1 else Path(os.path.commonpath(found))), folders


def _candidates(place: Place, path: Path) -> Iterator[Path]:
    split = path.stem.rpartition("_")[2]
    if place.images_named:
        yield from (place.images, place.images / split, place.images / path.parent.name)
        return
    if place.source.is_dir() and place.source != path.parent:
        yield from (place.source / "images" / split, place.source / "images", place.source / split, place.source)
    yield path.parent
    for folder in (path.parent, path.parent.parent):
        for name in ("images", "data", "JPEGImages"):
            yield from (folder / name / split, folder / name)
        yield from (folder / split, folder)


def name_below(names: Sequence[str], folder: Path, images: Path) -> str:
    """The path of an image below the common folder.

    Args:
        names: What its file may be called in `folder`, likeliest first.
        folder: The folder that the names are relative to.
        images: The common folder.
    """
    inside = _inside(folder, images)
    name = existing(folder, names) or names[0]
    return name if inside == "." else f"{inside}/{name}"


@lru_cache(maxsize=64)
def _inside(folder: Path, images: Path) -> str:
    return os.path.relpath(folder, images).replace(os.sep, "/")


def with_named(place: Place, found: Pairs, said: Callable[[Path], str]) -> Pairs:
    """Label files whose path fits no image get the one that they name themselves, if it is there once and free.

    Args:
        place: The source.
        found: What fits by path.
        said: The name of the image that a label file says, without folders; empty where it says none.
    """
    free: dict[str, list[str]] = {}
    for name in place.image_names:
        if name not in found.label_of:
            free.setdefault(name.rpartition("/")[2], []).append(name)
    label_of, orphans = dict(found.label_of), []
    for label in found.orphans:
        images = free.pop(said(place.root / label), [])
        if len(images) == 1:
            label_of[images[0]] = label
        else:
            orphans.append(label)
    return replace(found, label_of=label_of, orphans=tuple(orphans))


def named_only(place: Place, files: Iterable[str], said: Callable[[Path], str]) -> tuple[dict[str, str], list[str]]:
    """Label files by the images that they name, where there are none: a name in the label file's own folder.

    Args:
        place: The source.
        files: Label files, relative to its root.
        said: As in `with_named`.

    Returns:
        Label file by image, and those whose name another has already: their images are called as they are themselves.
    """
    label_of: dict[str, str] = {}
    clashes: list[str] = []
    for file in files:
        above, slash, own = file.rpartition("/")
        stem = os.path.splitext(own)[0]  # noqa: PTH122 - many times faster, once a file
        name = f"{above}{slash}{said(place.root / file) or f'{stem}.jpg'}"
        if name in label_of:
            clashes.append(file)
            ending = os.path.splitext(name)[1]  # noqa: PTH122 - as above
            name = f"{above}{slash}{stem}{ending}"
            name = name if name not in label_of else f"{above}{slash}{own}{ending}"
        label_of[name] = file
    return label_of, clashes


@dataclass(frozen=True, slots=True)
class Matched:
    """Label files with their images.

    Attributes:
        names: The images, sorted.
        pairs: Which label file belongs to which.
        there: Whether the images are there; else names and sizes are as the label files say.
        clashes: Label files that name the same image as another.
    """

    names: tuple[str, ...]
    pairs: Pairs
    there: bool
    clashes: tuple[str, ...] = ()


def match(place: Place, files: Sequence[str], said: Callable[[Path], str]) -> Matched:
    """The images of label files; one file that was named, among others' images, needs none.

    Args:
        place: The source.
        files: Label files, relative to its root.
        said: As in `with_named`.
    """
    if place.has_images:
        found = with_named(place, place.pairs(files), said)
        if found.label_of or place.file is None or place.images_named:
            return Matched(place.image_names, found, there=True)
    label_of, clashes = named_only(place, files, said)
    return Matched(tuple(sorted(label_of)), Pairs(label_of, (), {}, {}, False), there=False, clashes=tuple(clashes))
