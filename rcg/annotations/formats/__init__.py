"""The label formats that RCG knows, and what each can carry. A new one is its modules and one entry in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rcg.annotations.formats import coco, coco_write, voc, voc_write, yolo, yolo_write
from rcg.annotations.place import Place
from rcg.annotations.source import AnnotationSource, Reading, RecordWriter
from rcg.errors import ConfigError
from rcg.types import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A label format.

    Attributes:
        name: What it is called in arguments, such as "yolo".
        title: What it is called in sentences.
        carries: The kinds of information it can hold, as `rcg.annotations.source.losses` names them.
        folder: Whether a target is a folder; else one file.
        recognise: Says why a place holds this format, or None.
        open: Opens a place for reading.
        write: A writer for a target, its classes and the images' folder.
        advice: What whoever writes it should know; empty for nothing.
    """

    name: str
    title: str
    carries: frozenset[str]
    folder: bool
    recognise: Callable[[Place], str | None]
    open: Callable[[Place, Reading], AnnotationSource]
    write: Callable[[Path, LabelSet, Path], RecordWriter]
    advice: str = ""


FORMATS = {
    each.name: each
    for each in (
        Format(
            name="coco",
            title="COCO JSON",
            carries=coco_write.CARRIES,
            folder=False,
            recognise=coco.recognise,
            open=coco.open_source,
            write=lambda path, labels, _: coco_write.CocoWriter(path, labels),
        ),
        Format(
            name="yolo",
            title="YOLO",
            carries=yolo_write.CARRIES,
            folder=True,
            recognise=yolo.recognise,
            open=yolo.open_source,
            write=lambda path, labels, images: yolo_write.YoloWriter(path, labels, images=images),
            advice=yolo_write.ADVICE,
        ),
        Format(
            name="voc",
            title="Pascal VOC",
            carries=voc_write.CARRIES,
            folder=True,
            recognise=voc.recognise,
            open=voc.open_source,
            write=lambda path, labels, _: voc_write.VocWriter(path, labels),
        ),
    )
}


def format_named(name: str) -> Format:
    """The format of this name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in FORMATS:
        raise ConfigError(f"there is no label format {name!r}", fix=f"use one of {', '.join(FORMATS)}")
    return FORMATS[name]
