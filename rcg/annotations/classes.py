"""Class names from the files that labelling tools write them to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from rcg.annotations.pairing import IMAGE_FOLDERS, LABEL_FOLDERS
from rcg.annotations.place import Place
from rcg.annotations.split import split_of_path
from rcg.errors import DataError, FormatError, RcgError
from rcg.files import explain

_NAMED = ("classes.txt", "_classes.txt", "predefined_classes.txt")
_YAML = (".yaml", ".yml")
_SURE = frozenset({"data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "obj.names", "notes.json", *_NAMED})

MOST_CLASSES = 100_000
"""More classes than this are a slip of the pen, not a label set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFile:
    """Class names and where they came from.

    Attributes:
        names: The names, by class number; empty where there is no class file.
        origin: The file, or how else they were found.
        keypoints: How many keypoints a label has, and numbers a keypoint (2 or 3); None for none.
        splits: Split by folder or list file, as a data.yaml names them.
        folder: The set's folder that a data.yaml names; None where it does not.
        note: What is odd about it and worth telling; empty for nothing.
    """

    names: tuple[str, ...]
    origin: str
    keypoints: tuple[int, int] | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if len(set(self.names)) == len(self.names):
            return
        twice = Counter(self.names).most_common(1)[0][0]
        fix = "give every class a name of its own"
        raise DataError(f"the class name {twice!r} stands there twice", where=self.origin, fix=fix)


def find_classes(place: Place, classes: str | Path | Sequence[str] | None) -> ClassFile | None:
    """The class names of a place: those that were given, else of the best class file in it, or beside it.

    Args:
        place: Where to look.
        classes: A class file, or the names themselves.

    Raises:
        FormatError: If the class file cannot be understood.
        DataError: If a name stands there twice.
    """
    if classes is not None:
        if isinstance(classes, str | Path):
            return read_classes(classes)
        return ClassFile(names=tuple(classes), origin="the given names")
    if place.file is not None and place.file.suffix.lower() in (*_YAML, ".names", ".data"):
        return read_classes(place.file)
    for path in filter(os.path.exists, _candidates(place)):  # a link may lead nowhere
        try:
            found = read_classes(path, optional=True)
        except RcgError:
            if path.name.lower() in _SURE:
                raise
            continue  # a file of another kind, or one that cannot be read, is no class file
        if found is not None:
            return found
    return None


def _candidates(place: Place) -> Iterable[Path]:
    """Class files of a place, best first, by kind and then the nearest to its top."""

    def at(endings: Iterable[str]) -> list[Path]:
        names = [name for ending in endings for name in place.files.get(ending, ())]
        return [place.root / name for name in sorted(names, key=lambda name: (name.count("/"), name))]

    def named(ending: str, *names: str) -> list[Path]:
        return [place.root / name for name in place.named(ending, names)]

    yield from named(".yaml", "data.yaml", "dataset.yaml")
    yield from named(".yml", "data.yml", "dataset.yml")
    yield from at(_YAML)
    yield from named(".txt", *_NAMED)
    yield from at([".names"])
    yield from named(".labels", "_darknet.labels")
    yield from named(".json", "notes.json")
    for folder in dict.fromkeys((place.source if place.source.is_dir() else place.root, *_above(place.root))):
        for name in ("data.yaml", "data.yml", "dataset.yaml", *_NAMED, "obj.names", "notes.json"):
            if (folder / name).is_file():
                yield folder / name


def _above(folder: Path) -> Iterable[Path]:
    """The folder above, and on up to the set's own folder where the path is a part of one: `set/train/labels`."""
    here = folder.absolute()
    yield here.parent
    while here.name.lower() in IMAGE_FOLDERS | LABEL_FOLDERS or split_of_path(f"{here.name}/x") is not None:
        here = here.parent
        yield here


def read_classes(path: str | Path, *, optional: bool = False) -> ClassFile | None:
    """The names in one class file; with `optional`, None where it holds none.

    Raises:
        FormatError: If it cannot be understood.
    """
    path = Path(path)
    text = read_text(path)
    ending = path.suffix.lower()
    if ending in _YAML:
        found = _from_yaml(path, text)
    elif ending == ".json":
        found = _from_json(path, text)
    elif ending == ".data":
        found = _from_obj_data(path, text)
    elif ending == ".xml":
        found = _from_config(path, text)
    else:
        names = [line.strip() for line in text.splitlines()]
        while names and not names[-1]:
            names.pop()
        filled = tuple(name or f"class_{number}" for number, name in enumerate(names))
        found = ClassFile(names=filled, origin=str(path)) if names else None
    if found is None and not optional:
        raise FormatError("no class names stand in this file", where=path, fix="write one name a line")
    return found


def read_text(path: Path) -> str:
    """The text of a file, `decoded`.

    Raises:
        RcgError: If it cannot be read.
    """
    try:
        return decoded(path.read_bytes())
    except OSError as error:
        raise explain(error, path) from error


def decoded(data: bytes) -> str:
    """Text in whatever encoding the usual tools write: UTF-8 with or without byte-order mark, UTF-16, else Latin-1."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@cache
def _loader() -> Any:
    """PyYAML's safe loader, for which a date is a text: a class may be called so, and some dates are none."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Without dates."""

    date = "tag:yaml.org,2002:timestamp"
    known = yaml.SafeLoader.yaml_implicit_resolvers
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != date] for first, found in known.items()
    }
    return Loader


def _from_yaml(path: Path, text: str) -> ClassFile | None:
    import yaml

    try:
        value = yaml.load(text, _loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        fix = "write a list: names: [first, second]"
        raise FormatError(f"this is not YAML: {' '.join(str(error).split())}", where=path, fix=fix) from error
    if not isinstance(value, dict) or "names" not in value:
        if isinstance(value, list) and value and all(isinstance(name, str | int) for name in value):
            return ClassFile(names=tuple(map(str, value)), origin=str(path))
        return None
    splits: dict[str, str] = {}
    for key, split in (("train", "train"), ("val", "val"), ("valid", "val"), ("validation", "val"), ("test", "test")):
        folders = value.get(key)
        for folder in folders if isinstance(folders, list) else [folders]:
            if isinstance(folder, str):
                splits[folder] = split if splits.get(folder, split) == split else ""  # one folder for all: no split
    top = value.get("path")
    names, count = _names(value["names"], path), value.get("nc")
    differs = isinstance(count, int) and count != len(names)
    return ClassFile(
        names=names,
        origin=str(path),
        keypoints=_keypoints(value.get("kpt_shape"), path),
        splits=splits,
        folder=path.parent / top if isinstance(top, str) else None,
        note=f"{path.name} says nc: {count} but has {len(names)} names; the names count" if differs else "",
    )


def _keypoints(shape: Any, path: Path) -> tuple[int, int] | None:
    """How many keypoints a label has and how many numbers each, from `kpt_shape`."""
    if shape is None:
        return None
    match shape:
        case [int(points), int(numbers)] if points > 0 and numbers in (2, 3):
            return points, numbers
    fix = "write how many keypoints a label has and 2 or 3 numbers for each, such as kpt_shape: [4, 3]"
    raise FormatError(f"kpt_shape is {shape!r}, which is no pair of such numbers", where=path, fix=fix)


def _names(value: Any, path: Path) -> tuple[str, ...]:
    """Names from a list, or from a dict by number; numbers may be strings, and a number left out gets `class_N`."""
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict) and all(str(key).strip().isdigit() for key in value):
        by_number = {int(str(key)): str(name) for key, name in value.items()}
        if max(by_number, default=0) >= MOST_CLASSES:
            raise FormatError(f"class number {max(by_number)} is beyond {MOST_CLASSES:,}", where=path)
        return tuple(by_number.get(number, f"class_{number}") for number in range(max(by_number, default=-1) + 1))
    fix = "write a list (names: [first, second]) or numbers with names (0: first)"
    raise FormatError("`names` is neither a list nor a table of numbers and names", where=path, fix=fix)


def _from_json(path: Path, text: str) -> ClassFile | None:
    """The categories of Label Studio's notes.json, or of a COCO file."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"this is not JSON: {error}", where=path, fix="export the file again") from error
    categories = value.get("categories") if isinstance(value, dict) else None
    if not isinstance(categories, list) or not all(isinstance(each, dict) and "name" in each for each in categories):
        return None
    if all(isinstance(each.get("id"), int) for each in categories):
        categories = sorted(categories, key=lambda each: each["id"])
    return ClassFile(names=tuple(str(each["name"]) for each in categories), origin=str(path))


def _from_config(path: Path, text: str) -> ClassFile | None:
    """The labels of Label Studio's labelling configuration, in its order."""
    from xml.etree.ElementTree import ParseError

    import defusedxml.ElementTree
    from defusedxml import DefusedXmlException

    if "<View" not in text:
        return None
    try:
        root = defusedxml.ElementTree.fromstring(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        fix = "copy the code of the labelling interface again"
        raise FormatError(f"this is no labelling configuration: {error}", where=path, fix=fix) from error
    tags = [each for each in root.iter() if str(each.tag).endswith("Labels") and str(each.tag) != "KeyPointLabels"]
    names = [label.get("alias") or label.get("value") or "" for each in tags for label in each.findall("Label")]
    kept = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    return ClassFile(names=kept, origin=str(path)) if kept else None


def _from_obj_data(path: Path, text: str) -> ClassFile | None:
    """The file that darknet's obj.data names, looked for beside it too, since its path counts from elsewhere."""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "names":
            for place in (path.parent / value.strip(), path.parent / Path(value.strip()).name):
                if place.is_file():
                    return read_classes(place)
    return None
