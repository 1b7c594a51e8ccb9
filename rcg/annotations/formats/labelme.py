"""LabelMe: one JSON file an image, in pixels; X-AnyLabeling and others write it too."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from rcg.annotations.checks import NoScore, UnknownClass, Unusable, score_of
from rcg.annotations.classes import ClassFile, find_classes
from rcg.annotations.finding import SAME_IMAGE, match
from rcg.annotations.formats.labelme_columns import columns, labels_in, read_files, read_shapes, read_sized
from rcg.annotations.formats.labelme_file import (
    Entry,
    box_of,
    is_mask,
    is_round,
    mask_of,
    parsed,
    read_bytes,
    ring_of,
    things,
)
from rcg.annotations.items import Item, Items
from rcg.annotations.jsonscan import JsonFile
from rcg.annotations.kept import Kept
from rcg.annotations.listed import number_of, size_said
from rcg.annotations.perimage import Note, PerImageReader
from rcg.annotations.perimage_source import Orphans, PerImageSource
from rcg.annotations.place import Place
from rcg.annotations.shapes import ROUND, boxed, masked, outlined
from rcg.annotations.source import OTHER_SIZE, RUN, Earlier, Read, Reading
from rcg.annotations.split import split_of_path
from rcg.errors import DataError, RcgError
from rcg.images import Size, read_sizes
from rcg.types import Annotation, LabelSet

_MOST_LOOKED_AT = 50
_RUN_BYTES = 1 << 20
_OTHER_JSON = "JSON files that are no LabelMe labels, passed over"


def recognise(place: Place) -> str | None:
    """Why a place holds LabelMe labels, or None."""
    if place.file is not None:
        found = place.file if place.file.suffix.lower() == ".json" and _looks_like(place.file) else None
    else:
        likely = (place.root / name for name, kind in place.json_kinds.items() if kind == "shapes")
        others = [place.root / name for name, kind in place.json_kinds.items() if kind == "other"][:_MOST_LOOKED_AT]
        found = next((path for path in chain(likely, others) if _looks_like(path)), None)
    return None if found is None else f"{place.shown(found)} holds the shapes of one image"


def _looks_like(path: Path) -> bool:
    try:
        with JsonFile(path) as file:
            if file.is_list or file.starts_with_list(("images",)):  # COCO's, which may be long to search through
                return False
            return file.has("shapes")
    except RcgError:
        return False


def open_source(place: Place, reading: Reading) -> PerImageSource[dict[str, Any], Entry]:
    """The LabelMe labels of a place; without any image the sizes are those that the files say.

    Raises:
        DataError: If there is no label file.
        FormatError: If the class file cannot be understood.
    """
    kept = Kept(place.root)
    files, others, used = _label_files(place, reading.earlier, kept)
    if not files:
        raise DataError("there is no LabelMe file here", where=place.root, fix="name the folder of the .json files")
    matched = match(place, files, _said_file)
    images = place.images if matched.there else place.root
    classes = ClassFile(names=tuple(sorted(used)), origin="those in the files, sorted")
    if reading.classes is not None and (given := find_classes(place, reading.classes)) is not None:
        classes = given
    source = PerImageSource(
        format="labelme",
        reason=f"{reading.reason}; class names: {classes.origin}",
        images=images,
        labels=LabelSet(classes.names).renumbered(1),
        items=Items(matched.names, matched.pairs.label_of, split_of_path),
        read=LabelMeReader(
            images=images,
            images_shown=place.prefix(images),
            root=place.root,
            root_shown=place.prefix(place.root),
            need_score=reading.need_score,
            names=frozenset(classes.names),
            has_images=matched.there,
            kept=kept,
        ),
        orphans=Orphans(files=matched.pairs.orphans, doubled=matched.pairs.doubled),
        class_hint=classes.origin,
    )
    source.note_pairs(matched.pairs)
    for kind, examples in ((_OTHER_JSON, others), (SAME_IMAGE, matched.clashes)):
        for name in examples:
            source.notes.add(kind, name)
    if not matched.there:
        what = "there are no images of these labels, so names and sizes are as the JSON says"
        source.notes.say(f"{what} (images=DIR names their folder)")
    return source


def _label_files(place: Place, earlier: Earlier | None, kept: Kept) -> tuple[list[str], list[str], set[str]]:
    """The label files, the other JSON files, and the class names that are used; what is read of them is kept."""
    names: Sequence[str] = place.files.get(".json", ())
    if place.file is not None:
        names = (place.file.name,) if place.file.suffix.lower() == ".json" else ()
    if place.has_images:
        place.pairs(names)  # this takes memory for a moment, while nothing is kept yet; it is remembered
    files: list[str] = []
    others: list[str] = []
    used: set[str] = set()
    if earlier is not None:
        used.update(earlier.names)
        files = [name for name in names if earlier.unchanged(f"{place.root}/{name}")]
        names = sorted(set(names).difference(files))
    for run, sizes, contents, began in _runs(place.root, names):
        drawn = read_shapes(contents)
        used.update(map(str.strip, drawn.names))
        foreign: set[str] = set()
        for number in np.flatnonzero(drawn.odd).tolist():
            data = contents[number] or b""  # what cannot be read goes to the quarantine when its turn comes
            if data.strip() and b'"shapes"' not in data:
                foreign.add(run[number])
            else:
                used |= _labels_in(data)
        others += sorted(foreign)
        files += [name for name in run if name not in foreign] if foreign else run
        kept.add(run, sizes, drawn, began=began)
    return sorted(files), others, used - {""}


def _runs(root: Path, names: Sequence[str]) -> Iterator[tuple[list[str], list[int], list[bytes | None], float]]:
    """Files with their sizes, contents and when reading them began, so many at a time that they take little memory."""
    began, total = time.time(), 0
    run: list[str] = []
    sizes: list[int] = []
    contents: list[bytes | None] = []
    for name, (content, size) in zip(names, read_sized(root, names), strict=True):
        run.append(name)
        sizes.append(size)
        contents.append(content)
        total += len(content or b"")
        if total >= _RUN_BYTES or len(run) == RUN:
            yield run, sizes, contents, began
            began, total, run, sizes, contents = time.time(), 0, [], [], []
    if run:
        yield run, sizes, contents, began


def _labels_in(data: bytes) -> set[str]:
    if (quick := labels_in(data)) is not None:
        return quick
    try:
        shapes = parsed(data)["shapes"]
    except Unusable:
        return set()  # reading it puts it in the quarantine
    return {_label(shape) for shape in shapes} - {""}


def _label(shape: Any) -> str:
    label = shape.get("label") if isinstance(shape, dict) else None
    return "" if label is None or isinstance(label, dict | list | bool) else str(label).strip()


def _said_file(path: Path) -> str:
    """The name of the image that a label file names, without folders; it may be a path on Windows."""
    try:
        said = parsed(read_bytes(path)).get("imagePath")
    except (OSError, Unusable):
        return ""
    return said.replace("\\", "/").rpartition("/")[2].strip() if isinstance(said, str) and "\0" not in said else ""


@dataclass(frozen=True, kw_only=True)
class LabelMeReader(PerImageReader[dict[str, Any], Entry]):
    """Reads one image with its JSON.

    Attributes:
        names: The classes.
        has_images: Whether sizes come from images; else from the JSON.
        kept: What was read before.
    """

    names: frozenset[str]
    has_images: bool
    kept: Kept

    def size(self, item: Item, note: Note) -> Size:
        """The image's size, or what the JSON says where there is no image at all."""
        if self.has_images:
            return super().size(item, note)
        try:
            said = _said_size(self.content(str(item.label)))
        except OSError as error:
            raise Unusable(
                f"the label file cannot be read ({error.strerror}); make it readable, or copy it again"
            ) from error
        if said is None:
            what = "there is no image, and the JSON does not say imageWidth and imageHeight"
            raise Unusable(f"{what}; name the images' folder")
        return said

    def block(self, items: Sequence[Item], names: Sequence[str]) -> Read:
        """A run of images with their shapes as columns, but for those that need a closer look."""
        if self.need_score or not self.has_images:
            return self.exact(items, names)
        sizes = read_sizes(self.images, [item.name for item in items])
        labels = [item.label for item in items]
        drawn = self.kept.of(labels)
        if drawn is None:
            drawn = read_shapes(read_files(self.root, labels))
        odd = (sizes[:, 0] == 0) | (drawn.odd & np.array([label is not None for label in labels], np.bool_))
        odd |= (drawn.said > 0).any(axis=1) & (drawn.said != sizes).any(axis=1)  # which has to be noted
        found = columns(drawn, sizes, {name: number for number, name in enumerate(names)})
        return self.assembled(items, found, odd=odd, sizes=sizes)

    def content(self, label: str) -> dict[str, Any]:
        """The file's values, without the photo that may be in it."""
        return parsed(read_bytes(self.root / label))

    def entries(self, content: dict[str, Any]) -> Iterator[Entry]:
        """The things in it, each with the number of its first shape."""
        yield from things(content["shapes"])

    def locate(self, label: str, entry: Entry) -> tuple[int | None, str]:
        """The line that the shape begins on, and the shape on one line."""
        text = json.dumps(entry[1][0] if len(entry[1]) == 1 else entry[1], ensure_ascii=False)[:200]
        try:
            with JsonFile(self.root / label) as file:
                begin = next(islice((at for key, at, _ in file.walk() if key == "shapes"), entry[0], None), None)
                return None if begin is None else file.line(begin), text
        except RcgError:
            return None, text

    def annotation(self, entry: Entry, size: Size) -> tuple[Annotation, bool]:
        """The label of one thing."""
        shapes = entry[1]
        first = shapes[0]
        label = _label(first)
        if not label:
            raise Unusable("the shape has no label; add it")
        if label not in self.names:
            raise UnknownClass(f"the class {label!r} is not in the class file; add it there")
        score = None if first.get("score") is None else score_of(number_of(first["score"], "score"))
        if score is None and self.need_score:
            raise NoScore
        if len(shapes) > 1:
            return outlined(label, [ring_of(shape) for shape in shapes], size, score=score)
        if is_mask(first):
            return masked(label, *mask_of(first, size), size, score=score)
        if (box := box_of(first)) is not None:
            return boxed(label, box, size, score=score)
        return outlined(label, [ring_of(first)], size, score=score)

    def remark(self, label: str, content: dict[str, Any], size: Size, note: Note) -> None:
        """Note another size in the JSON, round shapes, and marks that are not carried."""
        said = _said_size(content)
        if said is not None and said != size:
            text = f"{label} ({said.width} x {said.height} there, {size.width} x {size.height} in the image)"
            note(OTHER_SIZE, text)
        shapes = [shape for shape in content["shapes"] if isinstance(shape, dict)]
        if any(is_round(shape) for shape in shapes):
            note(ROUND, label)
        flags = [content.get("flags"), *(shape.get("flags") for shape in shapes)]
        if any(isinstance(each, dict) and any(each.values()) for each in flags):
            note("label files with flags, which RCG does not carry", label)
        if any(shape.get("description") for shape in shapes):
            note("label files with descriptions, which RCG does not carry", label)


def _said_size(content: dict[str, Any]) -> Size | None:
    return size_said(content.get("imageWidth"), content.get("imageHeight"))
