"""A field that photos are dropped on, or chosen with: they come to the kernel's machine in pieces, of any size.

`ipywidgets.FileUpload` sends a file as one message, and the server drops messages over 10 MB without a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import anywidget
import traitlets as t

from rcg.errors import DataError, RcgError
from rcg.files import explain
from rcg.images import is_image_name
from rcg.progress import counted

_HERE = Path(__file__).parent
_LARGEST = 1 << 30
_ODD = re.compile(r"[^\w.() -]+")


class DropZone(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """Photos from the browser's machine, written to a folder.

    Args:
        folder: Where to: each drop gets a folder of its own below it.
        take: Called with the files of a drop once all are there.
        problem: Called with what could not be taken.
        words: What stands on it.
        many: Whether several files, or a folder, may be dropped at once.
    """

    _esm = (_HERE / "dropzone.js").read_text(encoding="utf-8")
    _css = (_HERE / "dropzone.css").read_text(encoding="utf-8")
    words = t.Unicode("Drop photos here, or click to choose").tag(sync=True)
    many = t.Bool(True).tag(sync=True)

    def __init__(
        self, folder: Path, *, take: Callable[[tuple[Path, ...]], object], problem: Callable[[RcgError], object],
        words: str, many: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(words=words, many=many)
        self._folder, self._taken, self._problem = folder, take, problem
        self._batch, self._place = "", folder
        self._file: IO[bytes] | None = None
        self._part, self._left = folder, 0
        self._done: list[Path] = []
        self._refused: list[str] = []
        self.on_msg(self._take)

    def _take(self, _: object, content: dict[str, Any], buffers: Sequence[bytes | memoryview]) -> None:
        """What the browser says; each message is answered, so that it sends the next."""
        answer: dict[str, Any] = {"id": content.get("id"), "wanted": False}
        try:
            if content["kind"] == "begin":
                answer["wanted"] = self._begin(str(content["batch"]), str(content["name"]), int(content["size"]))
            elif content["kind"] == "piece":
                self._write(buffers[0])
                answer["wanted"] = True
            else:
                self._end(int(content["total"]))
        except OSError as error:
            self._drop()
            self._problem(explain(error, self._place))
        except RcgError as error:
            self._drop()
            self._problem(error)
        self.send(answer)

    def _begin(self, batch: str, name: str, size: int) -> bool:
        self._drop()
        if batch != self._batch:
            self._batch, self._done, self._refused = batch, [], []
            self._place = _fresh(self._folder / f"{datetime.now().astimezone():%Y-%m-%d_%H%M%S}")
        name = _safe(name)
        if not is_image_name(name) or not 0 < size <= _LARGEST:
            self._refused.append(name)
            return False
        self._place.mkdir(parents=True, exist_ok=True)
        self._part, self._left = _fresh(self._place / name), size
        self._file = self._part.with_name(f".{self._part.name}.part").open("wb")
        return True

    def _write(self, piece: bytes | memoryview) -> None:
        if self._file is None:
            raise DataError("a piece of a photo came before its beginning", fix="drop the photo again")
        self._file.write(piece)
        self._left -= len(piece)
        if self._left <= 0:
            self._file.close()
            self._file = None
            self._part.with_name(f".{self._part.name}.part").replace(self._part)
            self._done.append(self._part)

    def _end(self, total: int) -> None:
        self._drop()
        if self._done:
            self._taken(tuple(self._done))
        if missing := total - len(self._done):
            names = ", ".join(self._refused[:3]) + (" ..." if len(self._refused) > 3 else "")
            what = f"{counted(missing, 'file')} of {total:,} could not be taken" + (f": {names}" if names else "")
            raise DataError(what, fix="drop photos: JPEG, PNG, WebP, TIFF or HEIC, up to 1 GB each")

    def _drop(self) -> None:
        """Forget a file that did not come whole."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.with_name(f".{self._part.name}.part").unlink(missing_ok=True)


def _safe(name: str) -> str:
    """A file's name without what a path could be made of.

    Example:
        >>> _safe("../a b/../c?.jpg")
        'c_.jpg'
    """
    return _ODD.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")[-120:] or "photo.jpg"


def _fresh(path: Path) -> Path:
    """The path, or the next one that is free."""
    tries = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in range(2, 10_000))
    return path if not path.exists() else next(each for each in tries if not each.exists())
