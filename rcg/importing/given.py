"""What the user gave: a folder, a list of files or an archive, made ready to be read as a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rcg.annotations.pairing import IMAGE_FOLDERS
from rcg.annotations.source import Notes
from rcg.errors import ConfigError
from rcg.images import is_image_name
from rcg.importing.archives import is_archive, unpack
from rcg.importing.call import Call
from rcg.importing.lists import laid_out, listed
from rcg.importing.ready import Ready
from rcg.progress import Report, silent

WORK = ".unpacked"
"""Where archives are unpacked and lists laid out, below the images of a dataset; removed when the import ends."""


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
        return laid_out(images, labels, work / "list", call.how, notes)
    if images is None or images.is_dir():
        return Ready(images=images, labels=labels, notes=notes)
    if not images.exists():
        raise ConfigError("there is no such folder", where=images, fix="name the folder that holds the images")
    if is_archive(images):
        folder = _unpacked(images, work / "images", notes, report)
        return Ready(images=folder, labels=labels, notes=notes, move=True, known_as=_inside(images, folder))
    if is_image_name(images.name):
        return laid_out((images,), labels, work / "list", call.how, notes)
    if images.suffix.lower() == ".txt":
        return laid_out(tuple(listed(images)), labels, work / "list", call.how, notes)
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
