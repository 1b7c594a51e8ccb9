"""What the user gave: a folder, a list of files or an archive, made ready to be read as a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from rcg.annotations.mapping import ClassMap
from rcg.annotations.place import IMAGE_FOLDERS
from rcg.annotations.source import Notes
from rcg.datasets import GROUND_TRUTH
from rcg.errors import ConfigError
from rcg.files import explain, write_bytes
from rcg.images import is_image_name
from rcg.importing.archives import is_archive, unpack
from rcg.progress import Report, silent
from rcg.types import BadLine

WORK = ".unpacked"
"""Where archives are unpacked and lists laid out, below the images of a dataset; removed when the import ends."""

Images = str | Path | Sequence[str | Path] | None

_FEW = 10  # paths that a command line can hold without getting long
_LABELS = (".txt", ".xml", ".json")
_LABEL_FOLDERS = ("labels", "Annotations", "annotations")
_CLASS_FILES = ("data.yaml", "classes.txt", "_classes.txt", "predefined_classes.txt", "obj.names", "notes.json")


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


def absolute(path: str | Path) -> Path:
    """A path as it is meant from here."""
    return Path(path).expanduser().absolute()


def printable(path: object) -> str:
    """A path as text that can be stored; bytes that are no UTF-8 are written out."""
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


@contextmanager
def ready(call: Call, work: Path, *, report: Report = silent) -> Iterator[Ready]:
    """What a call is to read; what was unpacked or laid out for it is removed at the end.

    Args:
        call: The call.
        work: A folder of our own, on the disk of the dataset's images.
        report: Counts what is unpacked.

    Raises:
        RcgError: If there is nothing to read, or an archive is refused.
    """
    remove(work)  # what a killed call left there
    try:
        yield _made_ready(call, work, report)
    finally:
        remove(work)


def remove(work: Path) -> None:
    """Remove a work folder."""
    if work.exists():
        shutil.rmtree(work, ignore_errors=True)


def _made_ready(call: Call, work: Path, report: Report) -> Ready:
    images, labels = call.images, call.labels
    notes = Notes()
    if labels is not None and labels.is_file() and is_archive(labels):
        labels = _unpacked(labels, work / "labels", notes, report)
    if isinstance(images, tuple):
        return _laid_out(images, labels, work / "list", call.how, notes)
    if images is None or images.is_dir():
        return Ready(images=images, labels=labels, notes=notes)
    if not images.exists():
        raise ConfigError("there is no such folder", where=images, fix="name the folder that holds the images")
    if is_archive(images):
        folder = _unpacked(images, work / "images", notes, report)
        return Ready(images=folder, labels=labels, notes=notes, move=True, known_as=_inside(images, folder))
    if is_image_name(images.name):
        return _laid_out((images,), labels, work / "list", call.how, notes)
    if images.suffix.lower() == ".txt":
        return _laid_out(tuple(_listed(images)), labels, work / "list", call.how, notes)
    fix = "name a folder, an image, a .txt file that lists images, or a .zip or .tar archive"
    raise ConfigError("this file holds no images that can be added", where=images, fix=fix)


def _inside(archive: Path, folder: Path) -> Callable[[Path], Path]:
    return lambda path: archive / path.relative_to(folder) if path.is_relative_to(folder) else path


def _unpacked(archive: Path, folder: Path, notes: Notes, report: Report) -> Path:
    """The folder with what is in the archive; its one folder where everything lies in that."""
    packed = unpack(archive, folder, report=report)
    for ending, number in packed.others.most_common(3):
        notes.add(f"files of other kinds in the archive ({ending or 'without ending'}), passed over", "", number)
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir() and not _is_role(inside[0]):
        folder = inside[0]
    return folder


def _is_role(folder: Path) -> bool:
    """Whether a folder's name says what is in it, so that it has to stay part of the path."""
    return folder.name.lower() in {*IMAGE_FOLDERS, "labels", "train", "val", "valid", "test"}


def _listed(file: Path) -> Iterator[Path]:
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


def _laid_out(images: Sequence[Path], labels: Path | None, folder: Path, how: How, notes: Notes) -> Ready:
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
