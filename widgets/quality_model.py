"""The quality of a dataset's images: what was flagged, and the images, page by page."""

from __future__ import annotations

from collections import Counter

from traitlets import Int, Tuple, Unicode

from rcg.datasets import Dataset
from rcg.jobs import Job
from rcg.quality import FLAGS, ImageQuality, quality_of
from rcg.workspace import Workspace
from widgets.code import Code, code_of
from widgets.job_model import JobModel
from widgets.pictures import plain_figure_html
from widgets.sections import Pages, Section

_PAGE = 12


class QualityModel(Section):
    """Flags are hints, not a wall: nothing is left out because of them."""

    flag = Unicode("").tag(label="Flag", tip="Show the images with one flag alone")
    counts = Tuple()  # (flag, images) each, the most frequent first
    images = Int(0)
    known = Int(0)  # images that were looked at

    def __init__(self, workspace: Workspace, jobs: JobModel) -> None:
        super().__init__(workspace)
        self.jobs = jobs
        self._data: Dataset | None = None
        self._flagged: list[ImageQuality] = []
        self._chosen: list[ImageQuality] = []
        self.pages: Pages[str] = Pages(self._page, size=_PAGE)

    def clear(self) -> None:
        """Forget what was shown of another dataset."""
        self._flagged, self._chosen, self.flag = [], [], ""
        self.images = self.known = 0
        self.counts = ()
        self.pages.fill(0)

    def read(self) -> None:
        """Read what is known of the images; nothing is measured here."""
        self._data = data = self.dataset()
        if data is None:
            return
        found = quality_of(data, measure=False)
        self.images, self.known = len(data.names()), len(found)
        self._flagged = [each for each in found.values() if each.flags]
        counts = Counter(flag for each in self._flagged for flag in each.flags)
        self.counts = tuple(counts.most_common())
        if self.flag not in counts:
            self.flag = ""
        self.choose()

    @property
    def flagged(self) -> int:
        """Images with any flag."""
        return len(self._flagged)

    def choose(self) -> None:
        """Show the images with the chosen flag."""
        with self._lock:
            self._chosen = [each for each in self._flagged if not self.flag or self.flag in each.flags]
            self.pages.fill(len(self._chosen), page=0)

    def _page(self, start: int, stop: int) -> tuple[str, ...]:
        data = self._data
        if data is None:
            return ()
        return tuple(
            plain_figure_html(data.images / each.file_name, f"{each.file_name}: {words(each)}")
            for each in self._chosen[start:stop]
        )

    def arguments(self) -> tuple[str, ...]:
        """The command line of `measure`."""
        return ("validate", self.chosen(), "--measure")

    def measure(self) -> Job:
        """Look at the images that are new or changed, in a process of its own."""
        return self.jobs.start(self.arguments(), title=f"looking at the images of {self.chosen()}")

    def code(self) -> Code:
        """What `measure` does, as code."""
        return code_of(self.arguments(), self.workspace.path)


def words(quality: ImageQuality) -> str:
    """The flags of an image in words."""
    said = [FLAGS[flag] for flag in quality.flags]
    if quality.duplicate_of:
        said = [f"the same photo as {quality.duplicate_of}" if text == FLAGS["duplicate"] else text for text in said]
    return ", ".join(said)
