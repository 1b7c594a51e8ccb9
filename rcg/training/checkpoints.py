"""Checkpoints that are whole or not there, that show when they are damaged, and of which the last two stay.

The name of a file carries its step and the hash of its bytes (`step-00001200-9f86d081884c7d65.pt`), so a damaged file
is recognised without asking anything else, and `torch.load` reads it as it is. `index.json` only says which of them
were best; where it is lost, the files still speak for themselves.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from rcg.errors import FormatError, RunError
from rcg.files import atomic, read_json, write_json

log = logging.getLogger(__name__)
_NAME = re.compile(r"step-(\d{8,})-([0-9a-f]{16})\.pt")
KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Checkpoint:
    """A file that holds the state of a training after so many steps."""

    step: int
    path: Path

    @property
    def sound(self) -> bool:
        """Whether its bytes are those that were written."""
        match = _NAME.fullmatch(self.path.name)
        try:
            return match is not None and xxhash.xxh3_64_hexdigest(self.path.read_bytes()) == match[2]
        except OSError:
            return False

    def read(self) -> dict[str, Any]:
        """Its content, on the CPU.

        Raises:
            RunError: If the file is damaged.
        """
        import torch

        if not self.sound:
            fix = "resume the run: it goes on from the checkpoint before"
            raise RunError(
                "the checkpoint is damaged: its bytes do not fit the hash in its name", where=self.path, fix=fix
            )
        content: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        return content


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: Where they stand.
        keep_best: How many with the best score are kept beside the last two.
    """

    def __init__(self, folder: Path, *, keep_best: int = 1) -> None:
        self.folder = folder
        self.keep_best = keep_best

    def all(self) -> list[Checkpoint]:
        """The files, oldest first."""
        found = [(path, _NAME.fullmatch(path.name)) for path in self.folder.glob("step-*.pt")]
        return sorted(Checkpoint(step=int(match[1]), path=path) for path, match in found if match)

    def newest_step(self) -> int:
        """The step of the newest file; 0 where there is none."""
        return max((each.step for each in self.all()), default=0)

    def last(self) -> Checkpoint | None:
        """The newest one that is not damaged; None where there is none."""
        for each in reversed(self.all()):
            if each.sound:
                return each
            log.warning("%s is damaged; the checkpoint before it is used", each.path)
        return None

    def best(self) -> Checkpoint | None:
        """The one with the best validation score that is not damaged, else the newest."""
        scores = self._scores()
        for each in sorted(self.all(), key=lambda each: (scores.get(each.path.name, -1.0), each.step), reverse=True):
            if each.path.name in scores and each.sound:
                return each
        return self.last()

    def save(self, step: int, content: Mapping[str, Any], *, score: float | None = None) -> Checkpoint:
        """Write a checkpoint, then remove those that are neither among the last two nor the best.

        Args:
            step: Steps done.
            content: Tensors, numbers and texts.
            score: The validation score at this very step, where it was measured.

        Raises:
            RcgError: If the disk is full; the earlier checkpoints stand untouched.
        """
        import torch

        buffer = io.BytesIO()
        torch.save({**content, "score": score}, buffer)
        data = buffer.getvalue()
        path = self.folder / f"step-{step:08d}-{xxhash.xxh3_64_hexdigest(data)}.pt"
        with atomic(path) as out:
            out.write(data)
        for each in self.all():
            if each.step == step and each.path != path:  # the same step, saved again after its validation
                each.path.unlink()
        scores = self._scores() | ({} if score is None else {path.name: score})
        self._tidy(scores)
        return Checkpoint(step=step, path=path)

    def clean(self) -> None:
        """Remove what a killed process left half-written; only for the one that holds the run's lock."""
        for half in self.folder.glob(".*.part"):
            half.unlink()

    def forget_after(self, step: int) -> None:
        """Remove checkpoints beyond a step, such as damaged ones that the run resumes before."""
        for each in self.all():
            if each.step > step:
                each.path.unlink()

    def _scores(self) -> dict[str, float]:
        """Validation score by file name; where the index is lost, as the files themselves have it."""
        index = self.folder / "index.json"
        if index.exists():
            try:
                return dict(read_json(index)["scores"])
            except (FormatError, KeyError, TypeError, ValueError):
                log.warning("%s is damaged; it is made again from the checkpoints", index)
        scored = {each.path.name: each.read().get("score") for each in self.all() if each.sound}
        return {name: float(score) for name, score in scored.items() if score is not None}

    def _tidy(self, scores: Mapping[str, float]) -> None:
        found = self.all()
        ranked = sorted(
            (each for each in found if each.path.name in scores), key=lambda e: (scores[e.path.name], -e.step)
        )
        best = ranked[-self.keep_best :]
        keep = {each.path for each in [*found[-KEPT:], *best]}
        write_json(self.folder / "index.json", {"scores": {e.path.name: scores[e.path.name] for e in best}})
        for each in found:
            if each.path not in keep:
                each.path.unlink(missing_ok=True)
