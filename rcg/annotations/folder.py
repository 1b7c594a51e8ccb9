"""A folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from rcg.annotations.source import RecordWriter, Rendered
from rcg.errors import DataError
from rcg.files import explain, part_prefix, remove_stale, umask
from rcg.types import ImageRecord, LabelSet, Loss

MARK = ".rcg"
_MAKE = os.O_WRONLY | os.O_CREAT


class AtomicFolder:
    """Files written beside `path`, which take its place when the block ends without an error.

    An existing folder is replaced only if it is empty or was written this way, so that nobody's own files vanish.

    Args:
        path: The folder to make or replace.
        endings: Endings of the files that are written, such as (".txt", ".yaml").
        work: A folder in which what is half-written is kept when it ends with an error; None keeps nothing.

    Raises:
        DataError: On entering, if something else stands there.
        RcgError: If the disk is full or the place cannot be written; what stood there is untouched.
    """

    def __init__(self, path: str | Path, *, endings: tuple[str, ...], work: Path | None = None) -> None:
        self.path = Path(path).absolute()
        self._endings = endings
        self._work = work
        self._beside: str | None = None
        self._made: set[str] = set()
        self._again: set[str] | None = None

    def go_on(self) -> None:
        """Expect files of the next run of images, which a killed process wrote and did not note, and replace them."""
        self._again = set()

    @property
    def folders(self) -> frozenset[str]:
        """The folders in it that files were written to."""
        return frozenset(self._made)

    def noted(self) -> None:
        """The run is over: a file that is there from now on is another image's."""
        self._again = None

    def __enter__(self) -> AtomicFolder:
        self._refuse_foreign()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._work is not None:
                self._beside = str(self._work.absolute() / "files")
                Path(self._beside).mkdir(exist_ok=True)
            else:
                self._beside = tempfile.mkdtemp(prefix=part_prefix(self.path), suffix=".part", dir=self.path.parent)
        except OSError as error:
            raise explain(error, self.path) from error
        return self

    def _refuse_foreign(self) -> None:
        if self.path.is_file():
            raise DataError("a file stands where the folder is to be", where=self.path, fix="name another target")
        inside = [name for _, _, names in os.walk(self.path) for name in names]
        foreign = [name for name in inside if name != MARK and not name.endswith(self._endings)]
        if inside and (foreign or not (self.path / MARK).is_file()):
            fix = "name a new folder, or remove this one"
            what = f"other files stand in the target folder, such as {(foreign or inside)[0]}"
            raise DataError(what, where=self.path, fix=fix)

    def write(self, name: str, data: bytes) -> bool:
        """Write one file, by its path in the folder.

        Returns:
            False if a file of this name with other content was written before; that one stays.
        """
        assert self._beside is not None
        above = name.rpartition("/")[0]
        target = f"{self._beside}/{name}"
        try:
            if above not in self._made:
                Path(self._beside, above).mkdir(parents=True, exist_ok=True)
                self._made.add(above)
            again = self._again is not None and name not in self._again
            handle = os.open(target, _MAKE | (os.O_TRUNC if again else os.O_EXCL), 0o666)  # twice as fast as open
            try:
                written = os.write(handle, data) if data else 0
                if written != len(data):  # the disk took a part of it: the next write would have failed
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
            if self._again is not None:
                self._again.add(name)
        except FileExistsError:
            return Path(target).read_bytes() == data
        except OSError as error:
            raise explain(error, self.path) from error
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        assert self._beside is not None
        try:
            if kind is None:
                self._take_place()
        except OSError as problem:
            raise explain(problem, self.path) from problem
        finally:
            if kind is None or self._work is None:
                shutil.rmtree(self._beside, ignore_errors=True)

    def _take_place(self) -> None:
        assert self._beside is not None
        Path(self._beside, MARK).write_text("written by rcg convert, which may replace this folder\n")
        Path(self._beside).chmod(0o777 & ~umask())
        os.sync()  # one call for thousands of files
        old = self.path.with_name(f"{part_prefix(self.path)}x.part.old")
        if self.path.exists():
            self.path.rename(old)
        try:
            Path(self._beside).rename(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                old.rename(self.path)
            raise
        shutil.rmtree(old, ignore_errors=True)
        remove_stale(self.path, ending=".part.old")  # not before: after a kill it may be all that there was


class FolderWriter(RecordWriter):
    """A writer of one label file an image, into a folder that appears whole when the block ends without an error.

    Args:
        path: The folder to make, or to replace if it was written this way before.
        labels: The classes.
        endings: Endings of the files that are written.
        render: Turns a record into its label file.
    """

    def __init__(
        self,
        path: str | Path,
        labels: LabelSet,
        *,
        endings: tuple[str, ...],
        render: Callable[[ImageRecord], Rendered],
    ) -> None:
        self.path = Path(path)
        self.labels = labels
        self.render = render
        self.folder = AtomicFolder(path, endings=endings)
        self._endings = endings
        self._goes_on = False

    def __enter__(self) -> Self:
        if self.work is not None:
            self.folder = AtomicFolder(self.path, endings=self._endings, work=self.work)
        self.folder.__enter__()
        if self._goes_on:
            self.folder.go_on()
        return self

    def add(self, record: ImageRecord) -> tuple[Loss, ...]:
        """Write the labels of one image; returns what the format cannot carry of them.

        Raises:
            DataError: If a label is none of the classes.
        """
        return self.put(self.render(record))

    def put(self, rendered: Rendered) -> tuple[Loss, ...]:
        """Write what `render` made; where another image with other labels has a file of this name, they are lost."""
        if not rendered.name or self.folder.write(rendered.name, rendered.head):
            return rendered.losses
        what = "labels: another image has their file"
        return (*rendered.losses, Loss(file_name=rendered.file_name, what=what, count=max(1, rendered.annotations)))

    def mark(self) -> dict[str, Any]:
        """Nothing: whole files need no more; see `RecordWriter.mark`."""
        self.folder.noted()
        return {}

    def go_on(self, mark: Mapping[str, Any]) -> None:  # noqa: ARG002 - whole files need no more
        """Go on in the folder that is there; see `RecordWriter.go_on`."""
        self._goes_on = True

    def finish(self) -> None:
        """Write what stands beside the label files; nothing unless a format has such files."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self.finish()
        except BaseException:
            self.folder.__exit__(RuntimeError, None, None)
            raise
        self.folder.__exit__(kind, error, trace)
