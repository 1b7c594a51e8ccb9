"""Exporting a dataset for another tool."""

from __future__ import annotations

from pathlib import Path

from traitlets import Bool, Unicode

from rcg.errors import ConfigError
from rcg.exporting import DETECTRON2, ULTRALYTICS
from rcg.jobs import Job
from rcg.workspace import Workspace
from widgets.code import Code, code_of
from widgets.job_model import JobModel
from widgets.proposing import clean
from widgets.sections import Section

TOOLS = (DETECTRON2, ULTRALYTICS)


class ExportModel(Section):
    """What to export to, where, and the job that does it; the dataset is only read."""

    to = Unicode("coco").tag(label="Export to", tip="A training tool gets images and labels, a format labels alone")
    out = Unicode("").tag(
        label="Write to", placeholder="empty: below exports/ of the workspace",
        tip="The folder or file to make; an earlier export there is replaced",
    )  # fmt: skip
    copy = Bool(False).tag(label="Copy the images instead of linking them", tip="Needed to take the folder elsewhere")

    def __init__(self, workspace: Workspace, jobs: JobModel) -> None:
        super().__init__(workspace)
        self.jobs = jobs

    def arguments(self) -> tuple[str, ...]:
        """The command line of `export`."""
        name = self.chosen()
        if not name:
            raise ConfigError("no dataset is chosen", fix="add images first")
        out = ("--out", str(Path(clean(self.out)).expanduser().absolute())) if self.out.strip() else ()
        return ("dataset", "export", name, "--to", self.to, *out, *(["--copy"] if self.copies else []))

    @property
    def copies(self) -> bool:
        """Whether images are copied; label formats write labels alone."""
        return self.copy and self.to in TOOLS

    def export(self) -> Job:
        """Write the export, in a process of its own."""
        return self.jobs.start(self.arguments(), title=f"exporting {self.chosen()} to {self.to}")

    def code(self) -> Code:
        """What `export` does, as code."""
        return code_of(self.arguments(), self.workspace.path)
