"""Lists of images: laid out as a folder of links, with the label files that stand beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rcg.annotations.pairing import IMAGE_FOLDERS
from rcg.annotations.source import Notes
from rcg.errors import ConfigError
from rcg.files import explain
from rcg.images import is_image_name
from rcg.importing.call import How, printable
from rcg.importing.ready import Ready
from rcg.types import BadLine

_LABELS = (".txt", ".xml", ".json")
_LABEL_FOLDERS = ("labels", "Annotations", "annotations")
_CLASS_FILES = ("data.yaml", "classes.txt", "_classes.txt", "predefined_classes.txt", "obj.names", "notes.json")


def listed(file: Path) -> Iterator[Path]:
    """The images that a text file lists, one a line; relative paths count from the file, or else from here."""
    try:
        lines = file.read_bytes().decode("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise explain(error, file) from error
    named = [line.strip().strip('"') for line in lines if line.strip() and not line.lstrip().startswith("#")]
    strange = next((line for line in named if not is_image_name(line.replace("\\", "/").rpartition("/")[2])), None)
    if strange is not None or not named:
        what = f"this is no list of images: it says {strange[:60]!r}" if strange else "the list of images is empty"
        raise ConfigError(what, where=file, fix="write one path of an image a line, or name the folder")
    for line in named:
        path = Path(line).expanduser()
        beside = file.parent / path
        yield beside if path.is_absolute() or beside.exists() or not path.exists() else path.absolute()


def laid_out(images: Sequence[Path], labels: Path | None, folder: Path, how: How, notes: Notes) -> Ready:
    """A folder of links to the images of a list, with the label files that stand beside them."""
    there = list(dict.fromkeys(path for path in images if path.is_file() and is_image_name(path.name)))
    gone = dict.fromkeys(path for path in images if not (path.is_file() and is_image_name(path.name)))
    missing = tuple(BadLine(file=printable(path), line=None, reason=_why_not(path)) for path in gone)
    if not there:
        first = f"; the first is {missing[0].file}: {missing[0].reason}" if missing else ""
        raise ConfigError(f"none of the {len(images):,} listed images can be added{first}", fix="correct the paths")
    base = Path(os.path.commonpath([path.parent for path in there]))
    layout = _Layout(folder, base)
    for path in there:
        layout.link("images", path)
    if labels is None:
        layout.add_labels(there, with_classes=how.classes is None)
    target = folder if labels is None and layout.labels else folder / "images"
    return Ready(images=target, labels=labels, original=_link_target, missing=missing, notes=notes)


def _why_not(path: Path) -> str:
    if path.is_dir():
        return "this is a folder; list images, or add the folder by itself"
    return "there is no such file; correct the list" if not path.exists() else "this is no image of a known kind"


def _link_target(path: Path) -> Path:
    return path.readlink() if path.is_symlink() else path


class _Layout:
    """Links to files in their order of folders."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder, self._base = folder, base
        self._contents: dict[Path, frozenset[str]] = {}
        self.labels = 0

    def link(self, kind: str, path: Path, *, beside: Path | None = None) -> None:
        """Lay out a file as `kind`/path from the base of the list; `beside` is the image whose folder it shares."""
        place = self._folder / kind / (beside or path).parent.relative_to(self._base) / path.name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_symlink():
                place.symlink_to(path)
        except OSError as error:
            raise explain(error, place) from error

    def add_labels(self, images: Sequence[Path], *, with_classes: bool) -> None:
        """Lay out the label files that belong to images by their names, and the class file near them."""
        folders: dict[Path, None] = {}
        for image in images:
            for folder in self._candidates(image.parent):
                found = [image.stem + ending for ending in _LABELS if image.stem + ending in self._in(folder)]
                if found:
                    self.link("labels", folder / found[0], beside=image)
                    self.labels += 1
                    folders[folder] = None
                    break
        near = {above: None for folder in folders for above in (folder, folder.parent, folder.parent.parent)}
        for above in near if with_classes else ():
            if named := [name for name in _CLASS_FILES if name in self._in(above)]:
                (self._folder / named[0]).symlink_to(above / named[0])
                return

    def _candidates(self, folder: Path) -> Iterator[Path]:
        """Where the label files of a folder of images may be: there, or in the folder that stands for labels."""
        yield folder
        parts = folder.parts
        for at in range(len(parts) - 1, 0, -1):
            if parts[at].lower() in IMAGE_FOLDERS:
                yield from (Path(*parts[:at], name, *parts[at + 1 :]) for name in _LABEL_FOLDERS)
                return

    def _in(self, folder: Path) -> frozenset[str]:
        if folder not in self._contents:
            try:
                self._contents[folder] = frozenset(each.name for each in folder.iterdir())
            except OSError:
                self._contents[folder] = frozenset()
        return self._contents[folder]
