"""Which JSON files of a place are its COCO labels, and which only stand beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rcg.annotations.formats.coco_write import BEGINNING
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.place import Place
from rcg.annotations.split import split_of_path
from rcg.errors import RcgError

_LISTS = ("images", "annotations")
_BOXES = "instances_"
_OF_THE_SAME = ("person_keypoints_", "labels_")
_WITHOUT_BOXES = ("captions_", "stuff_", "panoptic_", "image_info_")


@dataclass(frozen=True, slots=True)
class CocoFiles:
    """The COCO files of a place.

    Attributes:
        read: Those that are its labels.
        passed: The others, and what they are.
    """

    read: tuple[Path, ...]
    passed: tuple[tuple[Path, str], ...] = ()


def coco_files(place: Place) -> CocoFiles:
    """The COCO files of a place; what only stands beside them is read where there is nothing else, or where named."""
    if place.file is not None:
        return CocoFiles((place.file,) if is_coco(place.file) else ())
    found = [place.root / name for name, kind in place.json_kinds.items() if kind != "shapes"]
    found = [path for path in found if is_coco(path)]
    passed: list[tuple[Path, str]] = []
    for what, fits in _beside(frozenset(found)):
        others = [path for path in found if not fits(path)]
        if others and len(others) < len(found):
            passed += [(path, what) for path in found if path not in others]
            found = others
    return CocoFiles(tuple(found), tuple(passed))


def _beside(found: frozenset[Path]) -> Iterator[tuple[str, Callable[[Path], bool]]]:
    yield "a list of results", is_results
    yield "one of COCO's files beside those of the boxes", partial(_is_sibling, found=found)
    yield "written by RCG", lambda path: is_own(path) and not _names_split(path)


def _is_sibling(path: Path, *, found: frozenset[Path]) -> bool:
    """Whether COCO itself has a file of this name beside the one with the boxes."""
    name = path.name
    beside = (_BOXES + name.removeprefix(kind) for kind in _OF_THE_SAME if name.startswith(kind))
    return name.startswith(_WITHOUT_BOXES) or any(path.with_name(each) in found for each in beside)


def _names_split(path: Path) -> bool:
    """Whether a file is called as one of several that make up a set, such as train.json."""
    words = (path.parent.name, *re.split(r"[\W_]+", path.stem))
    return any(split_of_path(f"{word}/x") is not None for word in words)


def is_coco(path: Path) -> bool:
    """Whether a file is COCO JSON: with lists of images and annotations, or a list of results."""
    try:
        with JsonFile(path) as file:
            if not file.is_list:
                if file.has("images") and (file.has("annotations") or file.has("categories")):
                    return True
                return file.starts_with_list(_LISTS) and not file.ends_well()  # cut off: reading it says where
            first = next(file.walk(), None)
            value = None if first is None else file.value(*first[1:])
            return isinstance(value, dict) and "image_id" in value and "category_id" in value
    except (RcgError, ValueError):
        return False


def is_results(path: Path) -> bool:
    """Whether a COCO file is a list of results."""
    with JsonFile(path) as file:
        return file.is_list


def is_own(path: Path) -> bool:
    """Whether RCG wrote a COCO file."""
    try:
        with path.open("rb") as file:
            return file.read(len(BEGINNING)) == BEGINNING
    except OSError:
        return False


def all_own(place: Place) -> bool:
    """Whether RCG wrote all COCO files of a folder, so that other labels are rather what they were made of."""
    return place.file is None and all(map(is_own, coco_files(place).read))


def split_of_file(path: Path) -> str | None:
    """The split that the name of a label file or its folder speaks of."""
    said = split_of_path(f"{path.parent.name}/x")
    official = path.name.startswith(("instances", "person_keypoints"))
    return (split_of_path(f"{path.stem.rpartition('_')[2]}/x") or said) if official else said
