"""One call of `add`: what is to be added and how, which names it, and how it is repeated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from rcg.annotations.mapping import ClassMap
from rcg.datasets import GROUND_TRUTH
from rcg.errors import ConfigError
from rcg.files import write_bytes

Images = str | Path | Sequence[str | Path] | None

_FEW = 10  # paths that a command line can hold without getting long


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How images and labels are to be added.

    Attributes:
        format: What to read the labels as; "auto" finds out.
        classes: A file with class names, where the labels do not bring them.
        class_map: What becomes of classes: renamed, merged or dropped; None leaves them.
        link: Refer to the images where they are (symbolic links) instead of copying them.
        remove_gps: Take out of the copies where the photos were taken.

    Raises:
        ConfigError: If two of them contradict each other.
    """

    format: str = "auto"
    classes: str | Path | None = None
    class_map: ClassMap | None = None
    link: bool = False
    remove_gps: bool = False

    def __post_init__(self) -> None:
        if self.link and self.remove_gps:
            what = "with links the dataset shows the originals, which are never touched, so no place can be taken out"
            raise ConfigError(what, fix="leave out --link (copies are made), or --remove-gps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of `add`, by what names it: the same call again goes on with an earlier one.

    Attributes:
        images: The folder, file or list of files; None for the images that the dataset has.
        labels: The label file or folder.
        stage: "ground_truth" or "predictions".
        name: The name of a set of predictions.
        how: The other arguments.
    """

    images: tuple[Path, ...] | Path | None
    labels: Path | None
    stage: str
    name: str | None
    how: How

    @classmethod
    def of(cls, images: Images, labels: str | Path | None, *, stage: str, name: str | None, how: How) -> Call:
        """The call with its paths made absolute.

        Raises:
            ConfigError: If there is nothing to add.
        """
        if images is None and labels is None:
            raise ConfigError("there is nothing to add", fix="name a folder of images, a label file, or both")
        given: tuple[Path, ...] | Path | None
        if images is None or isinstance(images, str | Path):
            given = None if images is None else absolute(images)
        else:
            given = tuple(absolute(each) for each in images)
            if not given:
                raise ConfigError("the list of images is empty", fix="name at least one image")
        return cls(images=given, labels=None if labels is None else absolute(labels), stage=stage, name=name, how=how)

    @property
    def shown(self) -> str:
        """What the reader knows it by; bytes that are no UTF-8 are written out."""
        if isinstance(self.images, tuple):
            return printable(os.path.commonpath([each.parent for each in self.images]))
        return printable(self.images or self.labels or "")

    @property
    def key(self) -> str:
        """What tells it from other calls."""
        paths = "a list" if isinstance(self.images, tuple) else printable(self.images or "")
        how = [self.how.format, printable(self.how.classes or ""), self.how.class_map and self.how.class_map.texts()]
        return orjson.dumps([paths, printable(self.labels or ""), self.stage, self.name, *how]).decode()

    def arguments(self, list_file: Path) -> list[str]:
        """What stands behind `rcg dataset add NAME` to repeat it; a long list of images is written to `list_file`."""
        paths: Sequence[Path] = self.images if isinstance(self.images, tuple) else [self.images] if self.images else []
        if len(paths) > _FEW:
            write_bytes(list_file, b"".join(os.fsencode(path) + b"\n" for path in paths))
            paths = [list_file]
        options: list[tuple[str, object]] = [("--images", each) for each in paths]
        options += [("--labels", self.labels), ("--classes", self.how.classes), ("--name", self.name)]
        options += [("--stage", None if self.stage == GROUND_TRUTH else self.stage)]
        options += [("--from", None if self.how.format == "auto" else self.how.format)]
        options += [("--map", each) for each in (self.how.class_map.texts() if self.how.class_map else ())]
        found = [part for option, value in options if value for part in (option, printable(value))]
        return found + ["--link"] * self.how.link + ["--remove-gps"] * self.how.remove_gps


def absolute(path: str | Path) -> Path:
    """A path as it is meant from here."""
    return Path(path).expanduser().absolute()


def printable(path: object) -> str:
    """A path as text that can be stored; bytes that are no UTF-8 are written out."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")
