"""How well the figures repeat: several captures of one card, or of several cards, and the spread of each figure.

Gauge repeatability by one-way analysis of variance with cards as the random factor (AIAG, Measurement Systems Analysis,
4th edition, 2010, chapter III; one appraiser, so that reproducibility between people is no part of it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcg.card_specs import CardSpec
from rcg.errors import DataError, RcgError
from rcg.grading.grading import grade, name_of
from rcg.grading.repeated_figures import Reading, readings_of, turned_captures
from rcg.grading.report_json import number
from rcg.grading.types import GradeReport
from rcg.images import Pixels, list_images
from rcg.measuring.types import NAN
from rcg.progress import Report, counted, silent, tracked

Shot = str | Path | Pixels | GradeReport
Captures = str | Path | Sequence[Shot] | Mapping[str, Sequence[Shot]]

_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """How one figure repeats.

    Attributes:
        name: Such as "front_left_right".
        title: For people.
        unit: Of the mean and the standard deviations: "points", "mm", "°" or "steps".
        captures: In how many it was measured.
        missing: In how many it was not.
        mean: Over all captures.
        sd: Standard deviation between captures of one card, pooled over the cards; NaN with fewer than two.
        sd_range: The 95 % interval of `sd`, from the chi-squared distribution.
        between: Standard deviation between cards, repeatability taken off; NaN with one card.
        gauge: `sd` over the standard deviation of all, percent: below 10 the figure tells cards apart well, above 30
            it does not (AIAG); NaN with one card.
        stated: The sigma that the reports state, root mean square; NaN where they state none.
        offsets: Each capture's figure less its card's mean, in the order of the captures.
    """

    name: str
    title: str
    unit: str
    captures: int
    missing: int
    mean: float
    sd: float
    sd_range: tuple[float, float]
    between: float
    gauge: float
    stated: float
    offsets: tuple[float, ...]

    @property
    def nothing(self) -> str:
        """Why there is no spread: "not measured" in any capture, or, of wear, "none seen"; "" where there is one."""
        if not self.captures:
            return "not measured"
        return "none seen" if self.name.endswith("whitening") and self.mean == self.sd == 0 else ""

    @property
    def beyond(self) -> bool:
        """Whether the captures surely spread more than is stated: the lower end of `sd_range` lies above it."""
        return not self.nothing and math.isfinite(self.stated) and self.sd_range[0] > self.stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """A repeatability study.

    Attributes:
        cards: How many cards.
        captures: How many captures in all.
        figures: How each figure repeats.
        names: The captures, in the order of the offsets.
        turned: Captures that were read the other way up than the first of their card, and were turned.
        failed: Captures that could not be read, with the reason.
    """

    cards: int
    captures: int
    figures: tuple[Repeat, ...]
    names: tuple[str, ...]
    turned: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    def figure(self, name: str) -> Repeat:
        """One figure by its name.

        Raises:
            KeyError: If it was not followed.
        """
        return {each.name: each for each in self.figures}[name]

    def __str__(self) -> str:
        head = f"{counted(self.captures, 'capture')} of {counted(self.cards, 'card')}; their standard deviations:"
        rows = [
            f"  {each.title:44} {each.sd:.3f} {each.unit:6} (stated {each.stated:.3f})"
            f"{'; more than is stated' if each.beyond else ''}"
            for each in self.figures
            if math.isfinite(each.sd) and not each.nothing
        ]
        for why in ("not measured", "none seen"):
            titles = [each.title for each in self.figures if each.nothing == why]
            rows += [f"  {why}: {', '.join(titles)}"] if titles else []
        rows += [f"  not read: {name}: {reason}" for name, reason in self.failed]
        return "\n".join([head, *rows])

    def values(self) -> dict[str, Any]:
        """The study as plain values; NaN becomes None."""
        return {name: _plain(each) for name, each in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return number(value, 5)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def repeatability(
    captures: Captures,
    *,
    spec: str | CardSpec | None = None,
    standards: Sequence[str] | None = None,
    report: Report = silent,
) -> Repeatability:
    """Measure how well the figures repeat.

    Args:
        captures: Pictures of one card, or reports on them; or those of several cards by the cards' names; or a folder:
            its pictures show one card, or each folder in it holds those of one card.
        spec: The kind of card.
        standards: Names of the standards whose expected grades are followed; all unless given.
        report: Where the progress goes.

    Raises:
        DataError: If no card has two captures that could be measured.
    """
    cards = _by_card(captures)
    shots = [(card, shot) for card, each in cards.items() for shot in each]
    reports: dict[str, list[tuple[str, GradeReport]]] = {card: [] for card in cards}
    failed = []
    for card, shot in tracked(shots, task="repeatability", report=report):
        if isinstance(shot, GradeReport):
            reports[card].append((shot.name, shot))
            continue
        try:
            reports[card].append((name_of(shot), grade(shot, spec=spec, standards=standards)))
        except RcgError as error:
            failed.append((name_of(shot), error.what))
    if max((len(each) for each in reports.values()), default=0) < 2:
        what = "a study needs two or more captures of a card"
        raise DataError(what, fix="take it several times, and lay it down anew each time")
    return _studied({card: each for card, each in reports.items() if each}, tuple(failed))


def _by_card(captures: Captures) -> dict[str, list[Shot]]:
    if isinstance(captures, Mapping):
        return {name: list(each) for name, each in captures.items()}
    if not isinstance(captures, str | Path):
        given = list(captures)
        if len(given) == 1 and isinstance(given[0], str | Path) and Path(given[0]).expanduser().is_dir():
            return _by_card(given[0])
        return {"card": given}
    root = Path(captures).expanduser()
    found: dict[str, list[Shot]] = {}
    for name in list_images(root):
        folder, _, _ = name.rpartition("/")
        found.setdefault(folder or root.name, []).append(root / name)
    return found


def _studied(
    reports: Mapping[str, Sequence[tuple[str, GradeReport]]], failed: tuple[tuple[str, str], ...]
) -> Repeatability:
    rows: list[list[dict[str, Reading]]] = []
    names, turned = [], []
    for each in reports.values():
        first = each[0][1]
        rows.append([readings_of(one, like=first) for _, one in each])
        names += [name for name, _ in each]
        turned += [name for name, one in each if turned_captures(one, first)]
    keys = list(dict.fromkeys(key for card in rows for one in card for key in one))
    figures = tuple(_repeat(key, rows) for key in keys)
    return Repeatability(
        cards=len(rows), captures=len(names), figures=figures, names=tuple(names), turned=tuple(turned), failed=failed
    )


def _repeat(key: str, rows: Sequence[Sequence[dict[str, Reading]]]) -> Repeat:
    """One figure over all cards."""
    about = next(one[key] for card in rows for one in card if key in one)
    cards = [np.array([one[key].value.value if key in one else NAN for one in card]) for card in rows]
    sigmas = np.array([one[key].value.sigma for card in rows for one in card if key in one])
    seen = [each[np.isfinite(each)] for each in cards]
    measured = [each for each in seen if len(each)]
    every = np.concatenate(measured) if measured else np.empty(0)
    sd, free = _pooled(measured)
    between = _between(measured, sd)
    spread = math.hypot(sd, between)
    stated = sigmas[np.isfinite(sigmas)]
    means = [float(each.mean()) if len(each) else NAN for each in seen]
    offsets = np.concatenate([each - mean for each, mean in zip(cards, means, strict=True)])
    return Repeat(
        name=key, title=about.title, unit=about.unit, captures=len(every), missing=len(offsets) - len(every),
        mean=float(every.mean()) if len(every) else NAN, sd=sd, sd_range=_range(sd, free), between=between,
        gauge=100 * sd / spread if math.isfinite(spread) and spread > 0 else NAN,
        stated=float(np.sqrt((stated**2).mean())) if len(stated) else NAN,
        offsets=tuple(float(each) for each in offsets),
    )  # fmt: skip


def _pooled(cards: Sequence[np.ndarray[Any, np.dtype[np.float64]]]) -> tuple[float, int]:
    """The standard deviation within cards, and its degrees of freedom."""
    free = sum(len(each) - 1 for each in cards)
    if free < 1:
        return NAN, 0
    return math.sqrt(sum(float(((each - each.mean()) ** 2).sum()) for each in cards) / free), free


def _between(cards: Sequence[np.ndarray[Any, np.dtype[np.float64]]], within: float) -> float:
    """The standard deviation between cards: the mean square between them less that within, over captures a card."""
    if len(cards) < 2 or not math.isfinite(within):
        return NAN
    counts = np.array([len(each) for each in cards], np.float64)
    means = np.array([each.mean() for each in cards])
    whole = float((counts * means).sum() / counts.sum())
    square = float((counts * (means - whole) ** 2).sum()) / (len(cards) - 1)
    each = (counts.sum() - (counts**2).sum() / counts.sum()) / (len(cards) - 1)
    return math.sqrt(max(0.0, (square - within**2) / each))


def _range(sd: float, free: int) -> tuple[float, float]:
    from scipy.special import chdtri

    if free < 1:
        return NAN, NAN
    tail = (1 - _SHARE) / 2
    return sd * math.sqrt(free / float(chdtri(free, tail))), sd * math.sqrt(free / float(chdtri(free, 1 - tail)))


def write_repeatability(study: Repeatability, folder: str | Path) -> Path:
    """Write repeatability.json and repeatability.html into a folder.

    Args:
        study: The study.
        folder: Where to; files of these names are replaced.

    Returns:
        The page.
    """
    from rcg.files import write_json, write_text
    from rcg.grading.repeatability_page import study_page

    place = Path(folder)
    write_json(place / "repeatability.json", study.values())
    write_text(place / "repeatability.html", study_page(study))
    return place / "repeatability.html"
