"""What the dataset panel proposes from a path and its classes: a name and a type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rcg.dataset_types import BOX, DATASET_TYPES, POLYGON

_COMMON = {"images", "labels", "train", "dataset", "data", "yolo", "coco", "voc", "annotations", "export"}
_ENDINGS = {".gz", ".bz2", ".xz"}  # behind .tar
_OF_FRAMES = {"photometric_fusion", "multi_modal"}  # several photos of one state of a card; a folder does not tell them
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def clean(path: str) -> str:
    """A path as people paste it: quoted, with blanks around it, or as a file URL."""
    return path.strip().strip("'\"").removeprefix("file://")


def proposed_name(path: Path) -> str:
    """A dataset's name from a path: the nearest folder whose name says something.

    Example:
        >>> proposed_name(Path("/scans/Vintage Cards (2026)/images"))
        'Vintage-Cards-2026'
    """
    own = path.with_suffix("") if path.suffix.lower() in _ENDINGS else path
    parts = [own.stem if own.suffix else own.name, *(parent.name for parent in path.parents)]
    word = next((each for each in parts if each and each.lower() not in _COMMON), "dataset")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-._") or "dataset"


def wrong_name(name: str) -> str:
    """What is wrong with a dataset's name, "" if nothing is; told as it is typed, and refused by the workspace too.

    Example:
        >>> wrong_name("-x")
        'a name begins with a letter or a digit'
    """
    if not name or _NAME.fullmatch(name):
        return ""
    odd = sorted(set(re.sub(r"[A-Za-z0-9._-]", "", name)))
    if odd:
        found = ", ".join("a blank" if each.isspace() else each for each in odd)
        return f"a name takes letters, digits, dots, dashes and underscores; here is {found}"
    return "a name begins with a letter or a digit"


def proposed_type(classes: Sequence[str]) -> str:
    """The dataset type whose schema holds all these classes, the smallest first; else "custom".

    Types for several photos of one card under different lights are not proposed: classes alone do not tell them.
    """
    telling = set(classes) - {"card"}  # every photo shows a card: that alone says nothing
    fitting = [each for each in DATASET_TYPES.values() if telling and set(classes) <= set(each.labels)]
    drawn = [each for each in fitting if each.geometry & {BOX, POLYGON} and each.name not in _OF_FRAMES]
    return min(drawn, key=lambda each: len(each.labels)).name if drawn else "custom"
