"""Tiers: what a dataset is fit for. They are data, in `tiers.toml` and over it in the workspace's `readiness.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from rcg.annotations.split import SPLITS
from rcg.errors import ConfigError
from rcg.files import exists, read_toml
from rcg.readiness.statistics import ClassFigures
from rcg.table import Table

FILE = "readiness.toml"
NAMES = ("experimental", "development", "production")
_DEFAULTS = Path(__file__).with_name("tiers.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What of the things that tiers ask for a dataset has, or a tier asks.

    Attributes:
        labelled_cards: Physical cards with labels.
        cards_per_class: Labelled cards of the rarest class in use.
        labelled_share: Labelled images, of all images, 0 to 1.
        val_cards: Labelled cards in val.
        test_cards: Labelled cards in test.
        label_noise: The share of annotations with a doubt, 0 to 1; of a tier, the largest.
    """

    labelled_cards: int
    cards_per_class: int
    labelled_share: float
    val_cards: int
    test_cards: int
    label_noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TierReport:
    """Which tier a dataset has reached, and what is missing to the next one.

    Attributes:
        tier: "experimental", "development" or "production"; "" below the first.
        has: What the dataset has.
        following: The next tier; "" where there is none.
        missing: What is missing to it, one sentence each.
    """

    tier: str
    has: Reached
    following: str
    missing: tuple[str, ...]


def read_tiers(workspace: str | Path | None) -> dict[str, Reached]:
    """The tiers, the lowest first: the package's, with the lines of the workspace's `readiness.toml` over them.

    Raises:
        ConfigError: If a heading or a key of it is unknown (it names the nearest), or a value is none that fits.
    """
    found = {name: Reached(**values) for name, values in read_toml(_DEFAULTS).items()}
    file = None if workspace is None else Path(workspace) / FILE
    if file is None or not exists(file):
        return found
    for name, values in read_toml(file, error=ConfigError).items():
        if name not in found:
            raise ConfigError(f"there is no tier {name!r}", where=file, fix=_nearest(name, NAMES))
        if not isinstance(values, dict):
            raise ConfigError(f"{name} stands outside of a tier", where=file, fix=f"put it below [{NAMES[0]}], say")
        found[name] = replace(found[name], **{key: _checked(key, value, file) for key, value in values.items()})
    return found


def _checked(key: str, value: Any, file: Path) -> Any:
    kinds = {each.name: each.type for each in fields(Reached)}
    if key not in kinds:
        raise ConfigError(f"there is no measure {key!r} for tiers", where=file, fix=_nearest(key, kinds))
    whole = kinds[key] == "int"
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or value < 0 or (not whole and value > 1):
        wanted = "a whole number from 0" if whole else "a number from 0 to 1"
        raise ConfigError(f"{key} = {value!r} is not {wanted}", where=file, fix=f"give {key} {wanted}")
    return value if whole else float(value)


def _nearest(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"write {near[0]}" if near else f"known are {', '.join(known)}"


def reached(table: Table, classes: tuple[ClassFigures, ...], *, noise: float) -> Reached:
    """What a dataset has of the things that tiers ask for.

    Args:
        table: Its table.
        classes: The figures of its classes.
        noise: The share of annotations with a doubt, 0 to 1.
    """

    def cards(split: str | None) -> int:
        marks = table.labelled if split is None else table.labelled & (table.splits == SPLITS.index(split))
        return len(np.unique(table.cards[marks]))

    return Reached(
        labelled_cards=cards(None),
        cards_per_class=min((each.cards for each in classes if each.annotations), default=0),
        labelled_share=float(table.labelled.mean()) if len(table) else 0.0,
        val_cards=cards("val"),
        test_cards=cards("test"),
        label_noise=noise,
    )


def tier_report(has: Reached, tiers: Mapping[str, Reached], classes: tuple[ClassFigures, ...] = ()) -> TierReport:
    """The highest tier whose lines, and those of the tiers below it, all hold.

    Args:
        has: What the dataset has.
        tiers: The tiers, the lowest first.
        classes: The figures of its classes, to name those that lack cards.
    """
    best = ""
    for name, wants in tiers.items():
        if missing := tuple(_missing(has, wants, classes)):
            return TierReport(tier=best, has=has, following=name, missing=missing)
        best = name
    return TierReport(tier=best, has=has, following="", missing=())


_WORDS = {
    "labelled_cards": "{lack:,} more labelled {cards} ({has:,} of {wants:,})",
    "cards_per_class": "{wants:,} labelled cards of every class: {poor}",
    "labelled_share": "{wants:.0%} of the images labelled ({has:.0%} are)",
    "val_cards": "{lack:,} more labelled {cards} in val ({has:,} of {wants:,})",
    "test_cards": "{lack:,} more labelled {cards} in test ({has:,} of {wants:,})",
    "label_noise": "fewer annotations with a doubt ({has:.1%} have one, at most {wants:.1%} may)",
}


def _missing(has: Reached, wants: Reached, classes: tuple[ClassFigures, ...]) -> list[str]:
    told = []
    mine = asdict(has)
    for key, wanted in asdict(wants).items():
        lacks = mine[key] > wanted if key == "label_noise" else mine[key] < wanted
        if lacks:
            poor = sorted((each for each in classes if each.annotations > 0 and each.cards < wants.cards_per_class),
                          key=lambda each: each.cards)  # fmt: skip
            shown = ", ".join(f"{each.label} has {each.cards:,}" for each in poor[:5]) or "nothing is labelled"
            shown += f" and {len(poor) - 5:,} more" if len(poor) > 5 else ""
            lack = wanted - mine[key]
            cards = "card" if lack == 1 else "cards"
            told.append(_WORDS[key].format(has=mine[key], wants=wanted, lack=lack, cards=cards, poor=shown))
    return told
