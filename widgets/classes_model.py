"""The classes of a dataset with their counts, and what is to become of them."""

from __future__ import annotations

from traitlets import Tuple

from rcg.errors import ConfigError
from rcg.jobs import Job
from rcg.table import table_of
from rcg.workspace import Workspace
from widgets.class_rows import ClassRows
from widgets.code import Code, code_of
from widgets.job_model import JobModel
from widgets.sections import Section


class ClassesModel(Section):
    """Renaming, merging and dropping classes of a dataset that exists, its predictions and corrections included."""

    counts = Tuple()  # (class, annotations, images) each

    def __init__(self, workspace: Workspace, jobs: JobModel) -> None:
        super().__init__(workspace)
        self.jobs = jobs
        self.rows = ClassRows()

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self.counts = ()
        self.rows.rows = ()

    def read(self) -> None:
        """Count the classes."""
        data = self.dataset()
        if data is None:
            return
        table = table_of(data)
        found = table.per_label()
        self.counts = tuple((label, count, int(table.with_label(label).sum())) for label, count in found.items())
        self.rows.fill(data.labels.names, found)

    def arguments(self) -> tuple[str, ...]:
        """The command line of `apply`."""
        if self.rows.wrong:
            raise ConfigError(self.rows.wrong)
        if not self.rows.texts():
            raise ConfigError("every class stays as it is", fix="type another name, or take a tick away")
        return ("dataset", "map", self.name, *self.rows.texts())

    def apply(self) -> Job:
        """Change the classes, in a process of its own; the version before is stored, so there is a way back."""
        return self.jobs.start(self.arguments(), title=f"changing classes of {self.name}")

    def code(self) -> Code:
        """What `apply` does, as code."""
        return code_of(self.arguments(), self.workspace.path)
