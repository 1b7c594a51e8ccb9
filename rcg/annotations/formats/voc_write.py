"""Writes Pascal VOC: one XML an image, at the path of the image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape as escaped
from pathlib import Path

from rcg.annotations.folder import FolderWriter
from rcg.annotations.source import Rendered, losses, unknown_label
from rcg.types import Annotation, ImageRecord, LabelSet

CARRIES: frozenset[str] = frozenset()


class VocWriter(FolderWriter):
    """A folder with one XML file an image, which appears whole when the block ends without an error.

    The images stay where they are. An image that no label file spoke of gets no XML. Corners are written with all
    their digits, whole numbers as such, and not shifted by one pixel.

    Args:
        path: The folder to make, or to replace if it was written this way before.
        labels: The classes.
    """

    def __init__(self, path: str | Path, labels: LabelSet) -> None:
        super().__init__(path, labels, endings=(".xml",), render=_Render(labels.names))


@dataclass(frozen=True, slots=True)
class _Render:
    """Renders a record as XML.

    Attributes:
        names: The classes.
    """

    names: tuple[str, ...]

    def __call__(self, record: ImageRecord) -> Rendered:
        lost = losses(record, CARRIES)
        if not record.labelled and not record.annotations:
            return Rendered(record.file_name, losses=lost)
        for annotation in record.annotations:
            if annotation.label not in self.names:
                raise unknown_label(annotation.label, self.names, record.file_name)
        return Rendered(
            record.file_name,
            name=f"{os.path.splitext(record.file_name)[0]}.xml",  # noqa: PTH122 - many times faster, once a file
            head=_xml(record).encode(),
            annotations=len(record.annotations),
            losses=lost,
        )


def _xml(record: ImageRecord) -> str:
    above, _, name = record.file_name.rpartition("/")
    size = f"<width>{record.width}</width><height>{record.height}</height><depth>3</depth>"
    return "\n".join(
        [
            "<annotation>",
            f"  <folder>{escaped(above, quote=False)}</folder>",
            f"  <filename>{escaped(name, quote=False)}</filename>",
            f"  <size>{size}</size>",
            "  <segmented>0</segmented>",
            *(_object(annotation) for annotation in record.annotations),
            "</annotation>\n",
        ]
    )


def _object(annotation: Annotation) -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    corners = "".join(f"<{key}>{value:.12g}</{key}>" for key, value in zip(keys, annotation.box.corners, strict=True))
    return (
        f"  <object>\n    <name>{escaped(annotation.label, quote=False)}</name>\n    <pose>Unspecified</pose>"
        f"<truncated>0</truncated><difficult>0</difficult>\n    <bndbox>{corners}</bndbox>\n  </object>"
    )
