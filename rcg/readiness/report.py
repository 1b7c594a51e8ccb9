"""The report on a dataset: one value that the command line, the panels and the notebooks show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from rcg import figures
from rcg.errors import ConfigError
from rcg.files import write_bytes
from rcg.readiness.findings import GO, SEVERITIES, Finding
from rcg.readiness.fitting import Fit, time_words
from rcg.readiness.image_checks import ImageFigures
from rcg.readiness.statistics import BoxFigures, ClassFigures, ShapeFigures
from rcg.readiness.tiers import TierReport
from rcg.table import Table

KINDS = (".json", ".md", ".html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far one kind of labels reaches.

    Attributes:
        name: "ground truth", "corrections", or "predictions NAME".
        images: Images that it speaks of.
        annotations: Annotations in it.
    """

    name: str
    images: int
    annotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The answer to "can I train on this, and what is missing?".

    Attributes:
        source: What was looked at: a dataset's name, or a path.
        type: The dataset's type; "" for a plain label file or folder.
        verdict: "go", "warn" (training works, with these doubts) or "stop".
        images: Images in all.
        cards: Physical cards in all.
        labelled: Images that labels speak of.
        empty: Labelled images with nothing in them.
        annotations: Annotations in all.
        per_label: Annotations a class.
        per_split: Images a split.
        stages: How far ground truth, corrections and each set of predictions reach.
        classes: The figures of each class.
        boxes: The figures of the boxes; None without any.
        shapes: The figures of outlines, masks and keypoints.
        files: The figures of the image files; None for a plain label file or folder.
        findings: What was found, the gravest first.
        fits: What each known architecture is to it; empty for a plain label file or folder.
        tier: What it is fit for, and what is missing to more.
        table: All its images and annotations, for figures.
    """

    source: str
    type: str
    verdict: str
    images: int
    cards: int
    labelled: int
    empty: int
    annotations: int
    per_label: Mapping[str, int]
    per_split: Mapping[str, int]
    stages: tuple[Stage, ...]
    classes: tuple[ClassFigures, ...]
    boxes: BoxFigures | None
    shapes: ShapeFigures
    files: ImageFigures | None
    findings: tuple[Finding, ...]
    fits: tuple[Fit, ...]
    tier: TierReport
    table: Table = field(repr=False, compare=False)

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures that can be trained on it, the one that is taken unasked first."""
        return tuple(each.name for each in self.fits if each.fits)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is what it is: what was found of that severity."""
        return tuple(each.what for each in self.findings if each.severity == self.verdict)

    def of(self, severity: str) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(each for each in self.findings if each.severity == severity)

    def values(self) -> dict[str, Any]:
        """The report as plain values, as its JSON has them."""
        kept = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "table"}
        return {**{key: _plain(value) for key, value in kept.items()}, "architectures": self.architectures,
                "reasons": self.reasons}  # fmt: skip

    def figures(self, *, look: figures.Look = "light", kind: figures.Kind = "png") -> dict[str, bytes]:
        """The figures by their titles, as PNG or SVG."""
        style: Any = {"look": look, "kind": kind}
        columns, every = self.table.columns, max(self.images, 0)
        drawn = {
            "Labelled share": figures.labelled_share({s.name: (s.images, every) for s in self.stages}, **style),
            "Annotations by class": figures.class_bars(self.per_label, **style),
        }
        if any(self.per_split.values()):
            split = {each.label: each.per_split for each in self.classes}
            drawn["Splits by class"] = figures.splits_by_class(split, **style)
        if self.boxes is not None:
            sizes = self.table.sizes[columns.images].astype(np.float64)
            drawn["Sizes of boxes"] = figures.box_sizes(columns.boxes, **style)
            drawn["Proportions of boxes"] = figures.aspects(columns.boxes, **style)
            drawn["Positions of boxes"] = figures.positions(columns.boxes, sizes, **style)
        return drawn

    def to_json(self) -> str:
        """The report as indented, strict JSON."""
        return orjson.dumps(self.values(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()

    def to_markdown(self) -> str:
        """The report as Markdown."""
        from rcg.readiness.rendering import markdown

        return markdown(self)

    def to_html(self) -> str:
        """The report as one HTML page that needs nothing else, figures inside."""
        from rcg.readiness.rendering import page

        return page(self)

    def write(self, path: str | Path) -> Path:
        """Write the report, in the form that the ending of the path asks for: .json, .md or .html.

        Raises:
            ConfigError: If the ending is another one.
        """
        target = Path(path)
        forms = dict(zip(KINDS, (self.to_json, self.to_markdown, self.to_html), strict=True))
        write_bytes(target, forms[check_target(target)]().encode())
        return target

    def __str__(self) -> str:
        head = f"{self.source}: {self.verdict} ({self.images:,} images, {self.labelled:,} labelled, "
        rows = [head + f"{self.annotations:,} annotations)"]
        rows += [f"  {label}: {count:,}" for label, count in self.per_label.items()]
        for each in self.findings:
            rows.append(f"  {each.severity}: {each.what}")
            if each.records:
                rows.append(f"        {shown_records(each)}")
            rows.append(f"        fix: {each.fix}")
        if self.type:
            rows.append(f"  fit for: {self.tier.tier or 'trying things out only'}")
            if self.tier.following:
                rows.append(f"  missing to {self.tier.following}: {'; '.join(self.tier.missing)}")
            rows += [f"  trains on it: {fit.name}{_timed(fit)}" for fit in self.fits if fit.fits]
        return "\n".join(rows)


def check_target(path: str | Path) -> str:
    """The ending of a report's file, which says its form.

    Raises:
        ConfigError: If it is none of .json, .md and .html.
    """
    target = Path(path)
    if (ending := target.suffix.lower()) not in KINDS:
        fix = f"end it in {', '.join(KINDS)}, such as {target.stem or 'report'}.html"
        raise ConfigError(f"a report cannot be written as {ending or 'a file without ending'}", where=target, fix=fix)
    return ending


def shown_records(found: Finding) -> str:
    """The first records of a finding, and how many more there are."""
    more = found.count - len(found.records)
    return ", ".join(found.records) + (f" and {more:,} more" if more > 0 else "")


def _timed(fit: Fit) -> str:
    words = time_words(fit)
    return f"; {words}" if words else ""


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(each) for key, each in asdict(value).items()}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


__all__ = ["GO", "KINDS", "SEVERITIES", "Readiness", "Stage", "check_target", "shown_records"]
