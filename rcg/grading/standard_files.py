"""Reading standards from TOML files: the package's own, and those that a user drops into a folder.

A file of one's own needs only what differs from another standard. This is the whole of `standards/shop.toml`:

    base = "plain"                       # everything that is not said here is as in plain
    title = "Our shop"
    source = "house rules, pinned to the wall in 2026"
    effective = "2026-01-01"

    [centering]
    ratio = "worst"                      # the worst of three stations, not the mean of a side
    front = [52, 55, 57, 60]             # at most 52/48 for the first step, 55/45 for the second, ...

    [corners]
    whitening_depth = [0.03, 0.06, 0.1]  # mm at the worst corner; what is deeper gets the fourth step

    [[caps]]
    what = "a dent"                      # said in the report
    figure = "surface.dent_count"        # any of rcg.grading.figures.known_figures()
    above = 0
    step = 6                             # no better grade with a dent

The key is a figure's name, the value its limits for the first of `steps`, best first. In [centering] the keys are
front and back (the larger share of the worse axis), front_other and back_other (of the better axis) and rotation. A
table such as [surface.back] holds the columns in which the back differs. A list of caps, qualifiers or labels replaces
the base's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rcg.errors import ConfigError
from rcg.files import exists, read_toml
from rcg.grading.figures import CENTERING, FIGURES, known_figures
from rcg.grading.standard import RATIOS, RULES, Area, Cap, Column, Leeway, Qualifier, Rule, Standard
from rcg.grading.types import SUBGRADES

Raw = dict[str, Any]

_BUILT_IN = Path(__file__).with_name("standards")
_SAID = ("title", "source", "effective", "reading")
_TOP = (*_SAID, "base", "unchecked", "steps", "names", "prints_subgrades", "needs_back", "no_grade",
        *SUBGRADES, "overall", "caps", "qualifiers", "labels")  # fmt: skip
_CENTERING = {"front": "share", "back": "share", "front_other": "other_share", "back_other": "other_share"}
_TABLES: dict[str, tuple[str, ...]] = {
    "centering": (*_CENTERING, "rotation", "ratio", "borderless_mm", "leeway"),
    "centering.leeway": ("points", "lowest", "chance"),
    "overall": ("rule", "single", "front_weight", "weights", "mean", "above_lowest", "rounding"),
    "caps": ("what", "figure", "above", "step"),
    "qualifiers": ("code", "title", "figures", "drop", "most", "above"),
    "labels": ("name", "lowest_area"),
}


def read_standards(
    folder: str | Path | None = None, *, broken: dict[str, ConfigError] | None = None
) -> dict[str, Standard]:
    """The standards to grade by: psa, bgs, cgc, ags and plain, and those of a folder.

    Args:
        folder: With a user's own `*.toml`, such as the workspace's `standards`; it may be missing. A file's name is its
            standard's name, and replaces the package's standard of that name.
        broken: Takes what is wrong with standards that cannot be read, by name, so that the others can; without it
            the first of them is raised.

    Returns:
        By name, in the order of the names.

    Raises:
        ConfigError: If a file is no TOML, or has an unknown key (the nearest is named, with file and line), a missing
            one, or a value that cannot be one.

    Example:
        >>> list(read_standards())
        ['ags', 'bgs', 'cgc', 'plain', 'psa']
        >>> read_standards()["psa"].steps[:3]
        (10.0, 9.0, 8.5)
    """
    own = {} if folder is None or not exists(folder) else _files(Path(folder))
    built_in = _files(_BUILT_IN)
    found = {}
    for name in sorted({*built_in, *own}):
        try:
            found[name] = _read(name, own, built_in)
        except ConfigError as error:
            if broken is None:
                raise
            broken[name] = error
    return found


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml")) if not path.name.startswith(".")}


def _read(name: str, own: Mapping[str, Path], built_in: Mapping[str, Path]) -> Standard:
    file = own.get(name, built_in.get(name))
    if file is None:
        raise ConfigError(f"there is no standard {name!r}", fix=_nearest(name, sorted({*own, *built_in})))
    return _Reader(file).standard(name, _with_base(name, file, own, built_in, ()))


def _with_base(
    name: str, file: Path, own: Mapping[str, Path], built_in: Mapping[str, Path], above: tuple[Path, ...]
) -> Raw:
    """A file's values, over those of the standard that it is based on; each file is checked for itself."""
    reader = _Reader(file)
    raw = reader.checked()
    if "base" not in raw:
        return raw
    base = str(raw.pop("base"))
    under = built_in.get(base) if base == name else own.get(base, built_in.get(base))
    if under is None:
        known = sorted({*own, *built_in} - {name})
        raise ConfigError(f"there is no standard {base!r}", where=reader.at("", "base"), fix=_nearest(base, known))
    if under in (*above, file):
        raise ConfigError("the standards are based on each other in a ring", where=reader.at("", "base"),
                          fix="base one of them on plain, or on none")  # fmt: skip
    found = _with_base(base, under, own, built_in, (*above, file))
    steps = raw.get("steps", found["steps"])
    if isinstance(steps, list) and len(steps) != len(found["steps"]):
        raise ConfigError(
            f"{len(steps)} steps stand over the {len(found['steps'])} of {base}, whose limits belong to them",
            where=reader.at("", "steps"),
            fix="keep their number, or write a file without a base",
        )
    return {**found, **{key: _over(found.get(key), value) for key, value in raw.items()}}


def _over(under: Any, value: Any) -> Any:
    """Tables are merged key by key, everything else is replaced."""
    if isinstance(under, dict) and isinstance(value, dict):
        return {**under, **{key: _over(under.get(key), each) for key, each in value.items()}}
    return value


def _nearest(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"write {near[0]}" if near else f"known are {', '.join(known)}"


class _Reader:
    """One file: where its keys stand, and what they may hold."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def at(self, table: str, key: str) -> str:
        """The file, and the line on which a key stands."""
        here = ""
        for number, line in enumerate(self.file.read_text(encoding="utf-8-sig").splitlines(), start=1):
            bare = line.strip()
            if bare.startswith("["):
                here = bare.split("#")[0].strip().strip("[]").strip()
                if key and here == (f"{table}.{key}" if table else key):
                    return f"{self.file}, line {number}"
            elif here == table and bare.split("=")[0].strip().strip('"') == key:
                return f"{self.file}, line {number}"
        return f"{self.file}, {f'{table}.{key}' if table else key}"

    def checked(self) -> Raw:
        """The file's values, once it is known that all their keys are."""
        raw = read_toml(self.file, fix="mend that line, or remove the file", error=ConfigError)
        self._known("", raw, _TOP)
        for area in SUBGRADES:
            columns = _TABLES["centering"] if area == CENTERING else (*FIGURES[area], "back")
            table = self._table(area, raw.get(area, {}), columns)
            inner = "leeway" if area == CENTERING else "back"
            self._table(f"{area}.{inner}", table.get(inner, {}), _TABLES.get(f"{area}.{inner}", FIGURES[area]))
        self._table("overall", raw.get("overall", {}), _TABLES["overall"])
        for key in ("caps", "qualifiers", "labels"):
            entries = raw.get(key, [])
            if not isinstance(entries, list):
                raise ConfigError(f"{key} is no list", where=self.at("", key), fix=f"write [[{key}]] over each")
            for each in entries:
                self._table(key, each, _TABLES[key])
        return raw

    def _table(self, name: str, table: Any, known: Collection[str]) -> Raw:
        if not isinstance(table, dict):
            raise ConfigError(f"{name} is no table", where=self.at("", name), fix=f"write [{name}] over its lines")
        self._known(name, table, known)
        return table

    def _known(self, table: str, values: Raw, known: Collection[str]) -> None:
        for key in values:
            if key not in known:
                what = f"unknown key {key!r}" + (f" in {table}" if table else "")
                raise ConfigError(what, where=self.at(table, key), fix=_nearest(key, known))

    def standard(self, name: str, raw: Raw) -> Standard:
        """The standard that the values make, those of its base among them."""
        for key in (*_SAID, "steps", *SUBGRADES):
            if key not in raw:
                fix = f'add the key, or base = "plain" to take it from there: {key}'
                raise ConfigError(f"{key} is missing", where=self.file, fix=fix)
        steps = self._numbers("", "steps", raw["steps"], falling=True, low=0.5)
        centering, overall = raw[CENTERING], raw.get("overall", {})
        names = self._texts("names", raw) or tuple(f"{step:g}" for step in steps)
        if len(names) != len(steps):
            raise ConfigError(f"{len(names)} names for {len(steps)} steps", where=self.at("", "names"),
                              fix="give every step one name")  # fmt: skip
        return Standard(
            name=name,
            **{key: self._text("", key, raw[key]) for key in _SAID},
            unchecked=self._texts("unchecked", raw),
            steps=steps,
            names=names,
            prints_subgrades=self._flag("prints_subgrades", raw),
            needs_back=self._flag("needs_back", raw),
            ratio=self._one_of(CENTERING, "ratio", centering.get("ratio", "worst"), RATIOS),
            borderless_mm=self._borderless(centering),
            areas=(self._centering(centering, steps), *(self._area(area, raw[area], steps) for area in SUBGRADES[1:])),
            rule=self._rule(overall),
            leeway=self._leeway(centering.get("leeway")),
            caps=tuple(self._cap(each) for each in raw.get("caps", [])),
            qualifiers=tuple(self._qualifier(each) for each in raw.get("qualifiers", [])),
            no_grade=self._texts("no_grade", raw),
            labels=tuple(
                (
                    self._text("labels", "name", each.get("name", "")),
                    self._number("labels", "lowest_area", each.get("lowest_area")),
                )
                for each in raw.get("labels", [])
            ),
        )

    def _borderless(self, table: Raw) -> float | None:
        if "borderless_mm" not in table:
            return None
        found = self._number(CENTERING, "borderless_mm", table["borderless_mm"])
        if found <= 0:
            where = self.at(CENTERING, "borderless_mm")
            raise ConfigError(
                f"borderless_mm = {found:g} is no width", where=where, fix="give 4.5 to 6.5, or leave it out"
            )
        return found

    def _centering(self, table: Raw, steps: tuple[float, ...]) -> Area:
        faces: dict[str, tuple[Column, ...]] = {}
        for face in ("front", "back"):
            keys = [key for key in (face, f"{face}_other", "rotation") if key in table]
            faces[face] = tuple(
                Column(
                    figure=f"{CENTERING}.{_CENTERING.get(key, key)}", limits=self._limits(CENTERING, key, table, steps)
                )
                for key in keys
            )
        return Area(name=CENTERING, front=faces["front"], back=faces["back"])

    def _area(self, area: str, table: Raw, steps: tuple[float, ...]) -> Area:
        def columns(values: Raw, name: str) -> dict[str, Column]:
            return {
                key: Column(figure=f"{area}.{key}", limits=self._limits(name, key, values, steps))
                for key in FIGURES[area]
                if key in values
            }

        front = columns(table, area)
        back = {**front, **columns(table.get("back", {}), f"{area}.back")}
        return Area(name=area, front=tuple(front.values()), back=tuple(back.values()))

    def _limits(self, table: str, key: str, values: Raw, steps: tuple[float, ...]) -> tuple[float, ...]:
        limits = self._numbers(table, key, values[key], falling=False)
        if len(limits) > len(steps):
            what = f"{key} has {len(limits)} limits for {len(steps)} steps"
            raise ConfigError(what, where=self.at(table, key), fix="give at most one a step, the best step's first")
        return limits

    def _numbers(self, table: str, key: str, given: Any, *, falling: bool, low: float = 0) -> tuple[float, ...]:
        if not isinstance(given, list) or not given:
            raise ConfigError(f"{key} is no list of numbers", where=self.at(table, key), fix=f"write {key} = [1, 2, 3]")
        found = tuple(self._number(table, key, each, low=low) for each in given)
        if list(found) != sorted(found, reverse=falling):
            way = "fall: the best step first" if falling else "rise: the best step's limit is the smallest"
            raise ConfigError(f"{key} = {given} is not in order", where=self.at(table, key), fix=f"let them {way}")
        return found

    def _number(self, table: str, key: str, value: Any, *, low: float = 0, high: float = math.inf) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            most = "" if high == math.inf else f" to {high:g}"
            what = f"{key} = {value!r} is no number from {low:g}{most}"
            raise ConfigError(what, where=self.at(table, key), fix=f"give a number from {low:g}{most}")
        return float(value)

    def _text(self, table: str, key: str, value: Any) -> str:
        text = " ".join(str(value).split()) if not isinstance(value, list | dict) else ""
        if not text:
            raise ConfigError(f"{key} says nothing", where=self.at(table, key), fix=f'write {key} = "..."')
        return text

    def _texts(self, key: str, raw: Raw) -> tuple[str, ...]:
        values = raw.get(key, [])
        if not isinstance(values, list):
            raise ConfigError(f"{key} is no list", where=self.at("", key), fix=f'write {key} = ["...", "..."]')
        return tuple(self._text("", key, each) for each in values)

    def _flag(self, key: str, raw: Raw) -> bool:
        value = raw.get(key, True)
        if not isinstance(value, bool):
            raise ConfigError(
                f"{key} = {value!r} is not true or false", where=self.at("", key), fix="write true or false"
            )
        return value

    def _one_of(self, table: str, key: str, value: Any, known: Collection[str]) -> str:
        if value not in known:
            raise ConfigError(f"{key} = {value!r} is not known", where=self.at(table, key),
                              fix=_nearest(str(value), known))  # fmt: skip
        return str(value)

    def _leeway(self, table: Raw | None) -> Leeway | None:
        if table is None:
            return None
        name = "centering.leeway"
        return Leeway(
            points=self._number(name, "points", table.get("points")),
            lowest=self._number(name, "lowest", table.get("lowest")),
            chance=self._number(name, "chance", table.get("chance"), high=1),
        )

    def _rule(self, table: Raw) -> Rule:
        default = Rule()
        weights = self._weights(table.get("weights", list(default.weights)))
        return Rule(
            kind=self._one_of("overall", "rule", table.get("rule", default.kind), RULES),
            single=self._numbers("overall", "single", table["single"], falling=True) if "single" in table else (),
            front=self._number("overall", "front_weight", table.get("front_weight", default.front), high=1),
            weights=weights,
            mean=self._one_of("overall", "mean", table.get("mean", default.mean), ("arithmetic", "geometric")),
            above_lowest=self._number("overall", "above_lowest", table.get("above_lowest", default.above_lowest)),
            rounding=self._number("overall", "rounding", table.get("rounding", default.rounding), low=0.01),
        )

    def _weights(self, given: Any) -> tuple[float, float, float, float]:
        values = [self._number("overall", "weights", each) for each in given] if isinstance(given, list) else []
        if len(values) != len(SUBGRADES) or min(values) < 0 or not sum(values):
            raise ConfigError(f"weights = {given!r} is not one number each for {', '.join(SUBGRADES)}",
                              where=self.at("overall", "weights"), fix="write weights = [1, 1, 1, 1]")  # fmt: skip
        return values[0], values[1], values[2], values[3]

    def _figure(self, table: str, key: str, value: Any) -> str:
        return self._one_of(table, key, value, known_figures())

    def _cap(self, entry: Raw) -> Cap:
        return Cap(
            what=self._text("caps", "what", entry.get("what", "")),
            figure=self._figure("caps", "figure", entry.get("figure")),
            above=self._number("caps", "above", entry.get("above", 0)),
            step=self._number("caps", "step", entry.get("step")),
        )

    def _qualifier(self, entry: Raw) -> Qualifier:
        figures, above = entry.get("figures", []), entry.get("above", [])
        if not isinstance(figures, list) or not isinstance(above, list) or len(above) not in {0, len(figures)}:
            raise ConfigError(
                f"above = {above!r} is not one number for each of the figures",
                where=self.at("qualifiers", "above"),
                fix="leave it out, or give each figure its limit",
            )
        return Qualifier(
            code=self._text("qualifiers", "code", entry.get("code", "")),
            title=self._text("qualifiers", "title", entry.get("title", "")),
            figures=tuple(self._figure("qualifiers", "figures", each) for each in figures),
            drop=self._number("qualifiers", "drop", entry.get("drop", 3.0)),
            most=self._number("qualifiers", "most", entry.get("most", math.inf)),
            above=tuple(self._number("qualifiers", "above", each) for each in above),
        )
