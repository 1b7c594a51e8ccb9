"""The label formats that RCG reads and writes, and what each target can carry.

A new one is its modules and one entry in `FORMATS`, `TARGETS` or both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rcg.annotations.formats import (
    coco,
    coco_files,
    coco_write,
    csv,
    csv_write,
    cvat,
    labelme,
    labelme_write,
    labelstudio,
    voc,
    voc_write,
    yolo,
    yolo_write,
)
from rcg.annotations.place import Place
from rcg.annotations.source import AnnotationSource, Reading, RecordWriter
from rcg.errors import ConfigError
from rcg.types import LabelSet


def _somebodys(_: Place) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A label format that is read.

    Attributes:
        name: What it is called in arguments, such as "yolo".
        title: What it is called in sentences.
        recognise: Says why a place holds this format, or None.
        open: Opens a place for reading.
        rank: How far what stands there may have been made of labels in another format: 0 not, 1 maybe, 2 by RCG.
    """

    name: str
    title: str
    recognise: Callable[[Place], str | None]
    open: Callable[[Place, Reading], AnnotationSource]
    rank: Callable[[Place], int] = _somebodys


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A label format that is written.

    Attributes:
        name: What it is called in arguments, such as "yolo".
        title: What it is called in sentences.
        carries: The kinds of information it can hold, as `rcg.annotations.source.losses` names them.
        folder: Whether a target is a folder; else one file.
        write: A writer for a target, its classes and the images' folder.
        endings: Endings that a target's name may have, if it has one that is known; the first is suggested.
        keypoints: Whether the labels must have keypoints.
        advice: What whoever writes it should know; empty for nothing.
    """

    name: str
    title: str
    carries: frozenset[str]
    folder: bool
    write: Callable[[Path, LabelSet, Path], RecordWriter]
    endings: tuple[str, ...] = ()
    keypoints: bool = False
    advice: str = ""


FORMATS = {
    each.name: each
    for each in (
        Format(
            name="coco",
            title="COCO JSON",
            recognise=coco.recognise,
            open=coco.open_source,
            rank=lambda place: 2 * coco_files.all_own(place),
        ),
        Format(name="yolo", title="YOLO", recognise=yolo.recognise, open=yolo.open_source),
        Format(name="voc", title="Pascal VOC", recognise=voc.recognise, open=voc.open_source),
        Format(name="labelme", title="LabelMe", recognise=labelme.recognise, open=labelme.open_source),
        Format(name="cvat", title="CVAT XML", recognise=cvat.recognise, open=cvat.open_source),
        Format(name="labelstudio", title="Label Studio", recognise=labelstudio.recognise, open=labelstudio.open_source),
        Format(name="csv", title="CSV", recognise=csv.recognise, open=csv.open_source, rank=lambda _: 1),
    )
}


def _yolo(kind: str) -> Callable[[Path, LabelSet, Path], RecordWriter]:
    return lambda path, labels, images: yolo_write.YoloWriter(path, labels, images=images, kind=kind)


TARGETS = {
    each.name: each
    for each in (
        Target(
            name="coco",
            title="COCO JSON",
            carries=coco_write.CARRIES,
            folder=False,
            write=lambda path, labels, _: coco_write.CocoWriter(path, labels),
            endings=(".json",),
        ),
        Target(
            name="yolo",
            title="YOLO",
            carries=yolo_write.CARRIES,
            folder=True,
            write=_yolo("any"),
            advice=yolo_write.ADVICE,
        ),
        *(
            Target(
                name=f"yolo-{kind}",
                title=f"YOLO for {what}",
                carries=yolo_write.CARRIES_OF[kind],
                folder=True,
                write=_yolo(kind),
                keypoints=kind == "pose",
                advice=yolo_write.ADVICE,
            )
            for kind, what in (
                ("detect", "boxes"),
                ("segment", "outlines"),
                ("obb", "turned boxes"),
                ("pose", "keypoints"),
            )
        ),
        Target(
            name="voc",
            title="Pascal VOC",
            carries=voc_write.CARRIES,
            folder=True,
            write=lambda path, labels, _: voc_write.VocWriter(path, labels),
        ),
        Target(
            name="labelme",
            title="LabelMe",
            carries=labelme_write.CARRIES,
            folder=True,
            write=lambda path, labels, images: labelme_write.LabelMeWriter(path, labels, images=images),
        ),
        Target(
            name="csv",
            title="CSV",
            carries=csv_write.CARRIES,
            folder=False,
            write=lambda path, labels, _: csv_write.CsvWriter(path, labels),
            endings=(".csv",),
            advice=csv_write.ADVICE,
        ),
    )
}


def format_named(name: str) -> Format:
    """The format of this name, for reading.

    Raises:
        ConfigError: If there is none.
    """
    if name not in FORMATS:
        raise ConfigError(f"there is no label format {name!r} to read", fix=f"use one of {', '.join(FORMATS)}")
    return FORMATS[name]


def target_named(name: str) -> Target:
    """The format of this name, for writing.

    Raises:
        ConfigError: If there is none.
    """
    if name not in TARGETS:
        raise ConfigError(f"there is no label format {name!r} to write", fix=f"use one of {', '.join(TARGETS)}")
    return TARGETS[name]
