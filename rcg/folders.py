"""Folders: what stands in them and below them, and making them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rcg.files import explain

_SYSTEM = "lost+found"  # at the top of a disk, and nobody's but root's


def walk(top: str | Path, *, skip: Callable[[str], bool]) -> Iterator[tuple[str, list[str]]]:
    """The folders below `top`, itself first, each with the names of its files; links are followed, but not in circles.

    Args:
        top: Where to begin.
        skip: Says of a folder, by its path relative to `top` with forward slashes, whether to pass it over.

    Yields:
        A folder's path relative to `top` with a slash at its end ("" for `top` itself), and its files.

    Raises:
        RcgError: If a folder may not be read: what is in it would be missed in silence.
    """
    waiting = [("", os.fspath(top))]
    while waiting:
        prefix, base = waiting.pop()
        names, folders = _entries(base)
        yield prefix, names
        own = [name for name in sorted(folders, reverse=True) if name != _SYSTEM and not skip(prefix + name)]
        waiting += [(f"{prefix}{name}/", f"{base}/{name}") for name in own if not _leads_back(f"{base}/{name}")]


def _entries(folder: str) -> tuple[list[str], list[str]]:
    """The names of the files in a folder, and of the folders."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    (folders if entry.is_dir() else files).append(entry.name)
                except OSError:  # a link that leads to itself
                    files.append(entry.name)
    except OSError as error:
        _refuse(error)
        return [], []
    return files, folders


def make_folder(path: str | Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        RcgError: If the place cannot be written.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain(error, path) from error


def children(folder: str | Path) -> tuple[Path, ...]:
    """What stands in a folder, sorted by name.

    Raises:
        RcgError: If it may not be read.
    """
    try:
        return tuple(sorted(Path(folder).iterdir()))
    except OSError as error:
        raise explain(error, folder) from error


def folders_and_files(folder: str | Path) -> tuple[list[Path], list[str]]:
    """The folders in a folder, sorted, links to folders too; and the names of what else stands there.

    Raises:
        RcgError: If it may not be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(_is_folder(entry), entry.name) for entry in entries]
    except OSError as error:
        raise explain(error, folder) from error
    folders = sorted(name for is_folder, name in found if is_folder)
    return [Path(folder, name) for name in folders], [name for is_folder, name in found if not is_folder]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # removed meanwhile, or no folder at all
        raise explain(error, error.filename) from error


def _leads_back(folder: str) -> bool:
    """Whether a folder is a link to one that it lies in; two links to one folder elsewhere are no circle."""
    if not os.path.islink(folder):  # noqa: PTH114 - faster, once a folder
        return False
    above = Path(os.path.abspath(folder)).parents  # noqa: PTH100 - as it is written, links and all
    with contextlib.suppress(OSError):
        target = os.stat(folder)  # noqa: PTH116 - as above
        return any(os.path.samestat(target, each.stat()) for each in above)
    return True
