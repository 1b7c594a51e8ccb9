"""A folder of this machine as a list to choose from: folders to go into, files that can be added."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from traitlets import HasTraits, Instance, Tuple, Unicode

from rcg.errors import RcgError
from rcg.files import explain
from rcg.images import is_image_name
from rcg.importing.archives import is_archive
from rcg.progress import counted
from widgets.base import Message

_LABELS = {".json", ".xml", ".txt", ".csv", ".yaml"}
_MOST = 1000
_FEW = 40  # of one ending; more of them are labels of single images, which nobody chooses one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the list.

    Attributes:
        text: What stands there.
        path: Where it leads.
        folder: Whether it is a folder.
    """

    text: str
    path: str
    folder: bool


class ChooserModel(HasTraits):
    """Going through the folders of the machine that the notebook runs on."""

    folder = Unicode("")
    entries = Tuple()
    found = Unicode("")  # what else is there, in words
    message = Instance(Message, allow_none=True)

    def go(self, path: str | Path) -> None:
        """List a folder; of a file or of what is not there, the nearest folder above it."""
        place = Path(path).expanduser().absolute() if str(path).strip() else Path.home()
        while not os.path.isdir(place) and place != place.parent:  # noqa: PTH112 - Path.is_dir may raise
            place = place.parent
        try:
            self.entries, self.found = list_folder(place)
            self.message = None
        except OSError as error:
            problem: RcgError = explain(error, place)
            self.entries, self.found, self.message = _above(place), "", Message.of(problem, trace="")
        self.folder = str(place)

    def up(self) -> None:
        """Go to the folder above."""
        self.go(Path(self.folder).parent)


def _above(place: Path) -> tuple[Entry, ...]:
    return () if place == place.parent else (Entry(text="../", path=str(place.parent), folder=True),)


def list_folder(place: Path) -> tuple[tuple[Entry, ...], str]:
    """The folders and the files that can be added, by name; and how many images stand there.

    Raises:
        OSError: If the folder cannot be read.
    """
    folders: list[str] = []
    files: dict[str, list[str]] = {}
    images = 0
    with os.scandir(place) as found:
        for each in found:
            if each.name.startswith("."):
                continue
            if each.is_dir():
                folders.append(each.name)
            elif is_image_name(each.name):
                images += 1
            elif (ending := Path(each.name).suffix.lower()) in _LABELS or is_archive(each.name):
                files.setdefault(ending, []).append(each.name)
    entries = [*_above(place)]
    entries += [Entry(text=f"{name}/", path=str(place / name), folder=True) for name in sorted(folders, key=str.lower)]
    few = sorted((name for names in files.values() if len(names) <= _FEW for name in names), key=str.lower)
    entries += [Entry(text=name, path=str(place / name), folder=False) for name in few]
    said = [counted(images, "image")] if images else ["no images in this folder itself"]
    said += [f"{len(names):,} {ending} files" for ending, names in sorted(files.items()) if len(names) > _FEW]
    if len(entries) > _MOST:
        said.append(f"the first {_MOST:,} of {len(entries):,} entries are listed")
    return tuple(entries[:_MOST]), ", ".join(said)
