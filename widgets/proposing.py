"""What the dataset panel proposes from a path and its classes: a name and a type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rcg.dataset_types import BOX, DATASET_TYPES, POLYGON

_COMMON = {"images", "labels", "train", "dataset", "data", "yolo", "coco", "voc", "annotations", "export"}
_ENDINGS = {".gz", ".bz2", ".xz"}  # behind .tar


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


def proposed_type(classes: Sequence[str]) -> str:
    """The dataset type whose schema holds all these classes, the smallest first; else "custom"."""
    telling = set(classes) - {"card"}  # every photo shows a card: that alone says nothing
    fitting = [each for each in DATASET_TYPES.values() if telling and set(classes) <= set(each.labels)]
    drawn = [each for each in fitting if each.geometry & {BOX, POLYGON}]
    return min(drawn, key=lambda each: len(each.labels)).name if drawn else "custom"
