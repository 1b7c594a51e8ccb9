"""Reads a COCO file that RCG wrote, line by line, without understanding its annotations.

`CocoWriter` puts every image and every annotation on a line of its own, the annotations in the order of the images. To
add a hundred images to fifty thousand, their lines are put between those that are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from rcg.annotations.formats.coco_write import Lines
from rcg.files import explain
from rcg.types import ImageRecord, LabelSet

_CATEGORIES, _IMAGES, _ANNOTATIONS = b'"categories":[', b'"images":[', b'"annotations":['
_IMAGE = re.compile(rb'\{"id":(\d+),')
_ANNOTATION = re.compile(rb'\{"id":\d+,"image_id":(\d+),')


class NotOwn(Exception):  # noqa: N818 - it never leaves the library: the file is then read as any other COCO file
    """The file does not have the lines that RCG writes."""


def own_images(path: Path, labels: LabelSet) -> Iterator[Lines]:
    """The images of a file with their annotations as they stand there, to be written again.

    Args:
        path: The file.
        labels: The classes that it is to be written with; those of the file have to be the first of them.

    Raises:
        NotOwn: If the file has other lines or other classes; maybe only after some images.
        RcgError: If it cannot be read.
    """
    with _opened(path) as heads, _opened(path) as parts:
        _find_images(heads, labels)
        _skip_to(parts, _ANNOTATIONS)
        waiting = _annotation(parts)
        for head in _heads(heads):
            image_id, text = _image(head)
            mine = []
            while waiting is not None and waiting[0] == image_id:
                mine.append(waiting[1])
                waiting = _annotation(parts)
            name = _parsed(text)["file_name"]
            yield Lines(name, image_id, head=text, parts=tuple(mine))
        if waiting is not None:
            raise NotOwn


def own_records(path: Path) -> Iterator[ImageRecord]:
    """The images of a file without their annotations, which are passed over unread.

    Raises:
        NotOwn: If the file has other lines; maybe only after some images.
    """
    with _opened(path) as file:
        _find_images(file, None)
        for head in _heads(file):
            image_id, text = _image(head)
            yield record_of(text, image_id)


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise explain(error, path) from error


def record_of(head: bytes, image_id: int | None = None) -> ImageRecord:
    """An image's entry, as `Lines.head` holds it, as a record without annotations.

    Raises:
        NotOwn: If it is no such entry.
    """
    entry = _parsed(head)
    try:
        return ImageRecord(
            file_name=entry["file_name"],
            width=entry["width"],
            height=entry["height"],
            labelled=entry.get("labelled", True),
            image_id=image_id,
            card=entry.get("card"),
            split=entry.get("split"),
        )
    except KeyError as error:
        raise NotOwn from error


def _parsed(head: bytes) -> dict[str, Any]:
    try:
        entry = orjson.loads(b"{" + head)
    except orjson.JSONDecodeError as error:
        raise NotOwn from error
    if not isinstance(entry.get("file_name"), str):
        raise NotOwn
    return dict(entry)


def _find_images(file: IO[bytes], labels: LabelSet | None) -> None:
    """Go to the first image, past the categories, which are compared with the classes."""
    names = b"".join(_skip_to(file, _IMAGES, begin=_CATEGORIES))
    try:
        there = [(each["name"], each["id"]) for each in orjson.loads(b"[" + names.removesuffix(b",\n"))]
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise NotOwn from error
    if labels is not None and there != list(zip(labels.names, labels.ids, strict=True))[: len(there)]:
        raise NotOwn


def _skip_to(file: IO[bytes], wanted: bytes, *, begin: bytes = b"") -> list[bytes]:
    """Go behind the line that begins with `wanted`; the lines between `begin` and it."""
    between: list[bytes] | None = None
    for line in file:
        if line.startswith(wanted):
            rest = line.removeprefix(wanted)
            if rest != b"\n":  # an empty list ends on its own line
                file.seek(-len(rest), 1)
            return between or []
        if between is not None:
            between.append(line)
        elif begin and line.startswith(begin):
            between = [line.removeprefix(begin)]
    raise NotOwn


def _heads(file: IO[bytes]) -> Iterator[bytes]:
    for line in file:
        if line == b"],\n":
            return
        yield line[: line.rfind(b"}") + 1]
        if line.endswith(b"],\n"):
            return
    raise NotOwn


def _image(head: bytes) -> tuple[int, bytes]:
    match = _IMAGE.match(head)
    if match is None:
        raise NotOwn
    return int(match[1]), head[match.end() :]


def _annotation(file: IO[bytes]) -> tuple[int, bytes] | None:
    """The next annotation: its image's id, and what stands behind that."""
    line = file.readline()
    if line == b"]}\n":
        return None
    last = line.endswith(b"]}\n")
    if last:
        file.seek(-len(b"]}\n"), 1)
    match = _ANNOTATION.match(line)
    if match is None:
        raise NotOwn
    return int(match[1]), line[match.end() :].removesuffix(b"]}\n" if last else b",\n")
