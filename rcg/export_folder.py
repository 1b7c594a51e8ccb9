"""A folder for another tool, which appears whole, is replaced as a whole, and leaves alone what others put into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Self

import orjson

from rcg.errors import DataError
from rcg.files import explain, part_prefix, remove_stale, umask

MARK = ".rcg-export.json"


class ExportFolder:
    """Files and images written beside `path`, which take its place when the block ends without an error.

    A folder that stands there is replaced only if an export wrote it. What else lies in it at the top, such as the
    output of a training, is kept.

    Args:
        path: The folder to make.
        home: The workspace; links from within it are relative, so that it can be moved.
        copy: Whether images are copied; else they are symbolic links.

    Raises:
        DataError: On entering, if something else stands there.
        RcgError: If the disk is full or the place cannot be written; what stood there is untouched.
    """

    def __init__(self, path: str | Path, *, home: Path, copy: bool = False) -> None:
        self.path = Path(path).absolute()
        self._near, self._copy = self.path.is_relative_to(home), copy
        self._beside = Path()
        self._made: set[Path] = set()

    def __enter__(self) -> Self:
        self._refuse_foreign()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside = tempfile.mkdtemp(prefix=part_prefix(self.path), suffix=".part", dir=self.path.parent)
        except OSError as error:
            raise explain(error, self.path) from error
        self._beside = Path(beside)
        return self

    def _refuse_foreign(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not self.path.is_dir():
            raise DataError("a file stands where the folder is to be", where=self.path, fix="name another folder")
        if any(self.path.iterdir()) and _entries(self.path) is None:
            fix = "name a new folder (--out DIR), or remove this one"
            raise DataError("other files stand in this folder, and no export wrote it", where=self.path, fix=fix)

    def file(self, name: str) -> Path:
        """Where to write a file, by its path in the folder; the folders above it are made."""
        path = self._beside / name
        if path.parent not in self._made:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise explain(error, self.path) from error
            self._made.add(path.parent)
        return path

    def write(self, name: str, text: str) -> None:
        """Write a text file."""
        try:
            self.file(name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise explain(error, self.path) from error

    def image(self, name: str, source: Path) -> None:
        """Link or copy an image.

        Raises:
            RcgError: If the image is missing, or cannot be copied.
        """
        place = self.file(name)
        try:
            if self._copy:
                shutil.copyfile(source, place)
                return
            os.stat(source)  # noqa: PTH116 - a link would dangle in silence; faster, once an image, as below
            final = os.path.dirname(f"{self.path}/{name}")  # noqa: PTH120
            os.symlink(os.path.relpath(source, final) if self._near else source, place)  # noqa: PTH211
        except OSError as error:
            where = source if isinstance(error, FileNotFoundError) else self.path
            raise explain(error, where) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self._take_place()
        except OSError as problem:
            raise explain(problem, self.path) from problem
        finally:
            shutil.rmtree(self._beside, ignore_errors=True)

    def _take_place(self) -> None:
        entries = sorted({*(each.name for each in self._beside.iterdir()), MARK})
        (self._beside / MARK).write_bytes(orjson.dumps({"written by": "rcg dataset export", "entries": entries}))
        self._beside.chmod(0o777 & ~umask())
        os.sync()  # one call for thousands of files
        for left in self.path.parent.glob(f".{self.path.name}.*.part.old"):  # of an export that was killed right here
            _hand_over(left, self.path if self.path.exists() else self._beside)
        old = Path(f"{self._beside}.old")
        if self.path.exists():
            self.path.rename(old)
        try:
            self._beside.rename(self.path)
        except OSError:
            if old.exists():
                old.rename(self.path)
            raise
        if old.exists():
            _hand_over(old, self.path)
        remove_stale(self.path)


def _entries(folder: Path) -> frozenset[str] | None:
    """What an export wrote into a folder, by its names at the top; None where none did."""
    try:
        found = orjson.loads((folder / MARK).read_bytes())
        return frozenset(map(str, found["entries"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _hand_over(old: Path, new: Path) -> None:
    """Remove a former export; what others put into it moves to the new one first."""
    own = _entries(old)
    if own is None:
        return
    for entry in old.iterdir():
        if entry.name not in own and not os.path.lexists(new / entry.name):
            entry.rename(new / entry.name)
    if all(entry.name in own for entry in old.iterdir()):
        shutil.rmtree(old, ignore_errors=True)


class Names:
    """Names for images in a folder of another tool: no two share a label file, and none leads elsewhere.

    Args:
        avoid: Folder names that mean something to the tool and are left out of paths.
    """

    def __init__(self, avoid: frozenset[str] = frozenset()) -> None:
        self._avoid = avoid
        self._taken: set[str] = set()
        self.changed = 0

    def of(self, file_name: str) -> str:
        """The name of one more image.

        Example:
            >>> names = Names(frozenset({"images"}))
            >>> names.of("set/images/a.jpg"), names.of("set/a.png")
            ('set/a.jpg', 'set/a~png.png')
        """
        path = PurePosixPath(*(part for part in file_name.split("/") if part not in self._avoid))
        free, number = path, 1
        while str(free.with_suffix("")).casefold() in self._taken:
            mark = path.suffix[1:] if number == 1 else f"{path.suffix[1:]}{number}"
            free, number = path.with_name(f"{path.stem}~{mark}{path.suffix}"), number + 1
        self._taken.add(str(free.with_suffix("")).casefold())
        self.changed += str(free) != file_name
        return str(free)
