"""The versions of a dataset: which there are, what differs, which runs saw which, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from traitlets import Instance, Tuple, Unicode

from rcg.errors import ConfigError, RcgError
from rcg.jobs import Job
from rcg.training.start import saved_version
from rcg.version_store import Version
from rcg.versions import VersionDiff, diff_versions
from rcg.workspace import Workspace
from widgets.code import Code, code_of
from widgets.job_model import JobModel
from widgets.sections import Pages, Section

NOW = "now"
_PAGE = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version in the list.

    Attributes:
        version: What it is.
        now: Whether the dataset is in this state.
        runs: The runs that were trained on it.
    """

    version: Version
    now: bool
    runs: tuple[str, ...]


class VersionsModel(Section):
    """The list, a comparison of two, and going back."""

    choices = Tuple()  # the ids, newest first
    old = Unicode("").tag(label="From", tip="The version before")
    new = Unicode(NOW).tag(label="To", tip="The version after; what the dataset holds now by default")
    diff = Instance(VersionDiff, allow_none=True)
    target = Unicode("").tag(label="Version", tip="The version to go to; what is there now is stored first")

    def __init__(self, workspace: Workspace, jobs: JobModel) -> None:
        super().__init__(workspace)
        self.jobs = jobs
        self._rows: tuple[VersionRow, ...] = ()
        self.pages: Pages[VersionRow] = Pages(lambda start, stop: self._rows[start:stop], size=_PAGE)

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self._rows, self.choices, self.old, self.new, self.diff, self.target = (), (), "", NOW, None, ""
        self.pages.fill(0)

    def read(self) -> None:
        """Read the log of versions; what the dataset holds now is told by the version that was stored last."""
        data = self.dataset()
        if data is None:
            return
        known = data.versions()
        runs = self._runs(data.name)
        latest = data.version(complete=False).id if known else ""
        self._rows = tuple(
            VersionRow(version=each, now=each.id == latest, runs=runs.get(each.id, ())) for each in reversed(known)
        )
        self.choices = tuple(row.version.id for row in self._rows)
        earlier = [row.version.id for row in self._rows if not row.now]
        self.old = self.old if self.old in self.choices else next(iter(earlier), "")
        self.target = self.target if self.target in earlier else next(iter(earlier), "")
        self.new = self.new if self.new in self.choices else NOW
        self.pages.fill(len(self._rows))

    def _runs(self, name: str) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for run in self.workspace.runs():
            try:
                config = run.config()
            except RcgError:  # a damaged run is told in the list of runs
                continue
            if config.get("dataset") == name:
                version = saved_version(config)
                found[version] = (*found.get(version, ()), run.name)
        return found

    def words(self, version: str) -> str:
        """A version as a choice says it."""
        if version == NOW:
            return "what is there now"
        row = next((each for each in self._rows if each.version.id == version), None)
        return version if row is None else str(row.version)

    def compare(self) -> VersionDiff:
        """Say what differs between the two chosen versions."""
        data = self.dataset()
        if data is None or not self.old:
            raise ConfigError("there is nothing to compare yet", fix="add images, or change the classes")
        self.diff = diff_versions(data, self.old, None if self.new == NOW else self.new)
        return self.diff

    def arguments(self) -> tuple[str, ...]:
        """The command line of `restore`."""
        if not self.target:
            raise ConfigError("there is no other version to go to", fix="versions come with each change")
        return ("dataset", "restore", self.name, self.target[:12])

    def restore(self) -> Job:
        """Go to the chosen version, in a process of its own; what is there now is stored first."""
        return self.jobs.start(self.arguments(), title=f"going to version {self.target[:12]} of {self.name}")

    def code(self) -> Code:
        """What `restore` does, as code."""
        return code_of(self.arguments(), self.workspace.path)
