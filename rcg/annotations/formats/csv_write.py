"""Writes CSV with the columns of TensorFlow's object detection, a row a box."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from rcg.annotations.parts import Part
from rcg.annotations.source import RecordWriter, losses, unknown_label
from rcg.files import explain, part_prefix
from rcg.types import ImageRecord, LabelSet, Loss

CARRIES = frozenset({"score"})

_COLUMNS = "filename,width,height,class,xmin,ymin,xmax,ymax"

ADVICE = "an image that somebody looked at and that has no label stands there as a row without class and box"


class CsvWriter(RecordWriter):
    """A CSV file that appears whole when the block ends without an error.

    Its columns are filename, width, height, class, xmin, ymin, xmax, ymax, and score where a label has one. File names
    are relative to the images' folder. An image that no label file spoke of has no row.

    Args:
        path: The file to make or replace.
        labels: The classes.

    Raises:
        RcgError: If the disk is full or the place cannot be written; the old file then stands untouched.
    """

    def __init__(self, path: str | Path, labels: LabelSet) -> None:
        self.path = Path(path)
        self.labels = labels
        self._names = frozenset(labels.names)
        self._stack = ExitStack()
        self._rows: Part = None  # type: ignore[assignment]  # set on entering, like the next one
        self._folder_at: Path = None  # type: ignore[assignment]
        self._scored = False

    def __enter__(self) -> Self:
        try:
            self._folder_at = self._stack.enter_context(self._folder())
            self._rows = self._stack.enter_context(Part(self._folder_at / "rows.part"))
        except OSError as error:
            raise explain(error, self.path) from error
        return self

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """The folder of what is half-written."""
        if self.work is not None:
            yield self.work
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=part_prefix(self.path), suffix=".part", dir=self.path.parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, record: ImageRecord) -> tuple[Loss, ...]:
        """Write the rows of one image; returns what the format cannot carry of them.

        Raises:
            DataError: If a label is none of the classes.
        """
        head = [record.file_name, record.width, record.height]
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        for annotation in record.annotations:
            if annotation.label not in self._names:
                raise unknown_label(annotation.label, self.labels.names, record.file_name)
            score = () if annotation.score is None else (annotation.score,)
            self._scored |= bool(score)
            rows.writerow((*head, annotation.label, *(f"{each:.12g}" for each in annotation.box.corners), *score))
        if record.labelled and not record.annotations:
            rows.writerow((*head, "", "", "", "", ""))
        self._rows.write(text.getvalue().encode("utf-8", "surrogateescape"))
        return losses(record, CARRIES)

    def mark(self) -> dict[str, Any]:
        """How far it is; see `RecordWriter.mark`."""
        return {"rows": self._rows.flush(), "scored": self._scored}

    def holds(self, mark: Mapping[str, Any]) -> bool:
        """Whether the rows are what they were; see `RecordWriter.holds`."""
        assert self.work is not None
        return Part.holds(self.work / "rows.part", mark["rows"])

    def go_on(self, mark: Mapping[str, Any]) -> None:
        """Go on from a mark, before the block is entered; see `RecordWriter.go_on`."""
        assert self.work is not None
        Part.cut(self.work / "rows.part", mark["rows"])
        self._scored = mark["scored"]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool | None:
        with self._stack:
            if kind is None:
                self._finish()
        return None

    def _finish(self) -> None:
        """Put the header before the rows, and the file into its place."""
        whole = self._folder_at / "whole.part"
        whole.unlink(missing_ok=True)
        try:
            with Part(whole) as out:
                out.write(f"{_COLUMNS}{',score' if self._scored else ''}\n".encode())
                out.append(self._rows)
                out.take_place(self.path)
        except OSError as error:
            raise explain(error, self.path) from error
