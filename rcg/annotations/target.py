"""Whether a conversion may write where it is told to: never over what it reads, nor under a name that misleads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rcg.annotations.classes import read_classes
from rcg.annotations.formats import FORMATS, Target
from rcg.annotations.formats.coco_files import is_own
from rcg.annotations.place import Place
from rcg.errors import ConfigError, RcgError
from rcg.files import exists
from rcg.images import EXTENSIONS

_CLASSES = "notes.json"  # Label Studio's, beside the folders of its YOLO export
_KNOWN = frozenset(
    f".{ending}"
    for kinds in (
        "csv json jsonl names data ndjson tsv txt xml yaml yml",  # labels and what stands beside them
        "cfg doc docx htm html ini ipynb js log md ods pdf py rst sh tex toml xls xlsx",
        "npy npz onnx parquet pkl pt pth sqlite",
        "7z bz2 gz rar tar tbz2 tgz txz xz zip zst",
        "gif svg",
    )
    for ending in kinds.split(" ")
)
"""Endings of files that no conversion writes, but for those that a format is known by."""


def check_target(
    target: Path,
    made: Target,
    *,
    source: str | Path,
    labels: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
) -> None:
    """Refuse a target that is read by the conversion, or that claims to be of another kind.

    Args:
        target: The file or folder to write.
        made: The format to write.
        source: What is read.
        labels: The labels' folder or file, where the caller gave them.
        classes: The class file, where the caller gave one.

    Raises:
        ConfigError: If it is refused; nothing was written.
    """
    if target.is_dir() and not made.folder:
        raise ConfigError("the target is a folder", where=target, fix=f"name a file, such as {_inside(target, made)}")
    if exists(target) and not (target.is_dir() or target.is_file()):
        raise ConfigError("the target is neither a file nor a folder", where=target, fix=_another(target, made))
    given = [Path(each) for each in (source, labels, classes) if isinstance(each, str | Path)]
    for path in given:
        _refuse_given(target, path, made)
    if not target.is_dir():
        _refuse_name(target, made)
    if target.is_file() and exists(source):
        _refuse_label_file(target, made, Place(source, labels=labels))


def _refuse_given(target: Path, path: Path, made: Target) -> None:
    if not (exists(path) and exists(target)):
        return
    if target.samefile(path):
        raise ConfigError("the target is the source itself", where=target, fix=_another(target, made))
    if target.is_dir() and _is_below(path, target):
        raise ConfigError(f"the target holds what is read ({path})", where=target, fix=_another(target, made))


def _refuse_name(target: Path, made: Target) -> None:
    ending = target.suffix.lower()
    if ending in made.endings or ending not in _KNOWN | EXTENSIONS:
        return
    kind = "an image" if ending in EXTENSIONS else f"a {ending} file"
    written = "a folder" if made.folder else f"a {made.endings[0]} file"
    what = f"the target is named as {kind} is, and {made.title} is written as {written}"
    raise ConfigError(what, where=target, fix=_another(target, made))


def _refuse_label_file(target: Path, made: Target, place: Place) -> None:
    """Refuse a file that stands in the source and speaks of its labels or classes, unless RCG wrote it."""
    if is_own(target) or place.file is not None or not _is_in(target, place):
        return
    kinds = [each.name for each in FORMATS.values() if each.recognise(Place(target)) is not None]
    if kinds == ["csv"] and any(each.recognise(place) and each.rank(place) == 0 for each in FORMATS.values()):
        return  # a table that stands beside labels is no source of them
    if kinds or _names_classes(target):
        what = "the target stands in the source and holds labels or classes"
        raise ConfigError(what, where=target, fix=_another(target, made))


def _is_in(target: Path, place: Place) -> bool:
    """Whether a file stands where labels of a place are looked for, or above them, where class files are."""
    beside = place.opposite()
    tops = [place.source, place.root, *([] if beside is None else [beside.root])]
    if target.name.lower() == _CLASSES:
        return any(_is_below(each, target.parent) or _is_below(target, each) for each in tops)
    return any(each.is_dir() and _is_below(target, each) for each in tops)


def _names_classes(path: Path) -> bool:
    with suppress(RcgError):
        return path.suffix.lower() == ".json" and read_classes(path, optional=True) is not None
    return False


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _inside(folder: Path, made: Target) -> Path:
    return folder / f"labels{made.endings[0]}"


def _another(target: Path, made: Target) -> str:
    """A name that would do: nothing stands there yet."""
    stem = target.stem if target.suffix.lower() in _KNOWN | EXTENSIONS else target.name
    ending = made.endings[0] if made.endings else ""
    names = (f"{stem}{middle}{ending}" for middle in ("", f"_{made.name}", *(f"_{number}" for number in range(2, 100))))
    free = next((each for name in names if not os.path.lexists(each := target.with_name(name))), target)
    return f"name another {'folder' if made.folder else 'file'}, such as {free}"
