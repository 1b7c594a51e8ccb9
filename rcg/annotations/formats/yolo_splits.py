"""The split that a YOLO set's own files put an image in: folders and lists of data.yaml, and lists like train.txt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rcg.annotations.classes import ClassFile, read_text
from rcg.annotations.place import Place
from rcg.annotations.split import split_of_path
from rcg.images import is_image_name

LISTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "trainval": None}
"""Split by the name of a list without its ending; None for a list of several."""


class Splits:
    """Which split an image belongs to.

    Args:
        place: The set.
        classes: What its data.yaml says.

    Attributes:
        named: Whether the set names splits at all.
        lists: The text files that are lists of images, relative to the labels' folder.
    """

    def __init__(self, place: Place, classes: ClassFile) -> None:
        self._root, self._images = _full(place.root), _full(place.images)
        self._bases = _bases(place, classes)
        self._folders: list[tuple[str, str]] = []
        self._listed = _Listed(place)
        self._of_folder: dict[str, tuple[str | None, str | None]] = {}
        lists: dict[Path, str | None] = {}
        for entry, split in classes.splits.items():
            if entry.lower().endswith(".txt"):
                if (path := self._list_file(entry, place)) is not None:
                    lists[path] = split or None
            elif split:
                self._folders += [(folder, split) for folder in self._meant(entry)]
        for path, usual in _usual_lists(place):
            lists.setdefault(path, usual)
        for path, listed in lists.items():
            if listed is not None:
                self._listed.add(path, listed)
        self.lists = frozenset(
            path.relative_to(self._root).as_posix() for path in lists if path.is_relative_to(self._root)
        )
        self.named = bool(self._folders) or any(lists.values())

    def of(self, name: str) -> str | None:
        """The split of an image, by its name relative to the images' folder; None where nothing says."""
        folder = name.rpartition("/")[0]
        if folder not in self._of_folder:
            self._of_folder[folder] = self._said_of(folder), split_of_path(name)
        said, usual = self._of_folder[folder]
        return said or (self._listed.of(name) if self._listed else None) or usual

    def _said_of(self, inside: str) -> str | None:
        """What data.yaml says of a folder of images."""
        paths = [f"{top}/{inside}/" for top in (self._images, os.path.realpath(self._images))]
        for folder, split in self._folders:
            if any(path.startswith(f"{folder}/") for path in paths):
                return split
        return None

    def _meant(self, entry: str) -> Iterator[str]:
        """The folders that an entry of data.yaml may mean; Roboflow writes `../train/images` for one below the file."""
        entry = entry.replace("\\", "/")
        below = entry.strip("./")
        for base in self._bases:
            yield from dict.fromkeys((_full(base / entry), os.path.realpath(base / entry)))
            if below and not entry.startswith("/"):
                yield _full(base / below)

    def _list_file(self, entry: str, place: Place) -> Path | None:
        """The list that an entry means: by its path, or else by its name where that is there once."""
        entry = entry.replace("\\", "/")
        for base in self._bases:
            if (path := Path(_full(base / entry))).is_file():
                return path
        name = entry.rpartition("/")[2]
        same = [each for each in place.files.get(".txt", ()) if each.rpartition("/")[2] == name]
        return Path(_full(place.root / same[0])) if len(same) == 1 else None


def _full(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - without following links, but without ".."


def _bases(place: Place, classes: ClassFile) -> Sequence[Path]:
    """The folders that the entries of data.yaml may count from: its `path`, its own, the labels'."""
    own = Path(classes.origin).parent if classes.splits else place.root
    bases = [base for base in (classes.folder, own, place.root) if base is not None and base.is_dir()]
    return list(dict.fromkeys(Path(_full(base)) for base in bases))


def _usual_lists(place: Place) -> Iterator[tuple[Path, str]]:
    for name in place.named(".txt", [f"{each}.txt" for each in LISTS]):
        split = LISTS[name.rpartition("/")[2].lower().removesuffix(".txt")]
        if split is not None and not name.startswith("ImageSets/"):
            yield Path(_full(place.root / name)), split


class _Listed:
    """Splits from lists of images: by path, or by a name alone that one image has."""

    def __init__(self, place: Place) -> None:
        self._images = _full(place.images)
        self._place = place
        self._by_base: dict[str, list[str]] = {}
        self._by_path: dict[str, str] = {}
        self._by_name: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._by_base)

    def add(self, path: Path, split: str) -> None:
        """Take in one list."""
        if not self._by_base:
            for name in self._place.image_names:
                self._by_base.setdefault(name.rpartition("/")[2], []).append(name)
        for line in read_text(path).splitlines():
            written = line.strip().replace("\\", "/")
            if is_image_name(written.rpartition("/")[2]):
                image, shared = self._meant(written, path.parent)
                if image is not None:
                    listed = self._by_path if shared > 1 else self._by_name
                    listed[image] = split if listed.get(image, split) == split else ""  # in two splits is in none

    def of(self, name: str) -> str | None:
        """The split of an image; None where no list has it, or several."""
        return (self._by_path.get(name) if name in self._by_path else self._by_name.get(name)) or None

    def _meant(self, written: str, beside: Path) -> tuple[str | None, int]:
        """The image that a line means, and how many parts of the path agree, counted from its end."""
        same = self._by_base.get(written.rpartition("/")[2], [])
        exact = _full(beside / written)
        parts = [part for part in written.split("/") if part not in ("", ".", "..")]
        best: list[str] = []
        most = 0
        for name in same:
            full = f"{self._images}/{name}"
            if full == exact:
                return name, len(full)
            shared = _shared_end(parts, full.split("/"))
            if shared > most:
                best, most = [], shared
            if shared == most:
                best.append(name)
        return (best[0], most) if len(best) == 1 else (None, 0)


def _shared_end(one: Iterable[str], other: Iterable[str]) -> int:
    count = 0
    for a, b in zip(reversed(list(one)), reversed(list(other)), strict=False):
        if a != b:
            break
        count += 1
    return count
