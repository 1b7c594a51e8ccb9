"""What is to be read, whatever the user gave, as a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rcg.annotations.source import Notes
from rcg.types import BadLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What is to be read, as a folder.

    Attributes:
        images: The folder of images.
        labels: The label file or folder.
        original: Where an image really is, by the path it is read at; None where it is there.
        known_as: What an image is remembered as, by where it really is; None where by that.
        move: Whether the images may be taken over instead of copied.
        missing: What a list names and is not there.
        notes: What is worth telling.
    """

    images: Path | None
    labels: Path | None
    original: Callable[[Path], Path] | None = None
    known_as: Callable[[Path], Path] | None = None
    move: bool = False
    missing: tuple[BadLine, ...] = ()
    notes: Notes = field(default_factory=Notes)
