"""Other names for classes: renamed, merged or dropped, in a label set, in records and in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rcg.errors import ConfigError
from rcg.progress import counted
from rcg.types import Annotation, ImageRecord, LabelSet

_EXAMPLE = "write OLD=NEW to rename or merge, OLD= to drop, such as scratches=scratch dust="


@dataclass(frozen=True, slots=True)
class ClassMap:
    """What becomes of classes: another name, one name for several (merged), or none (dropped).

    All names change at once, so that `a=b b=a` swaps two classes. Classes that are not named stay as they are.

    Attributes:
        to: The new name by old name; None drops the class with its annotations.

    Raises:
        ConfigError: If a name is empty.

    Example:
        >>> ClassMap.parse(["scrape=scratch", "dust="]).labels(LabelSet(("scratch", "dust", "scrape", "dent"))).names
        ('scratch', 'dent')
    """

    to: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for old, new in self.to.items():
            if not old or new == "":
                raise ConfigError(f"a class without a name: {old!r} to {new!r}", fix=_EXAMPLE)

    def __reduce__(self) -> tuple[type[ClassMap], tuple[dict[str, str | None]]]:
        return ClassMap, (dict(self.to),)  # worker processes get it, and a read-only mapping does not pickle

    def __bool__(self) -> bool:
        return any(old != new for old, new in self.to.items())

    @classmethod
    def parse(cls, texts: Iterable[str]) -> ClassMap:
        """The map of texts such as "old=new" (rename, or merge with what has that name) and "dust=" (drop).

        Raises:
            ConfigError: If a text has no "=", or a class is to become two things.
        """
        found: dict[str, str | None] = {}
        for text in texts:
            old, equals, new = (part.strip() for part in text.partition("="))
            if not equals or not old:
                raise ConfigError(f"{text!r} does not say what becomes of which class", fix=_EXAMPLE)
            if found.setdefault(old, new or None) != (new or None):
                what = f"the class {old!r} is to become {_shown(found[old])} and {_shown(new or None)}"
                raise ConfigError(what, fix="name each class once")
        return cls(MappingProxyType(found))

    def texts(self) -> tuple[str, ...]:
        """The map as `parse` reads it, to show or to repeat it."""
        return tuple(f"{old}={new or ''}" for old, new in self.to.items())

    def of(self, label: str) -> str | None:
        """What a class becomes; None where it is dropped."""
        return self.to.get(label, label)

    def check(self, names: Sequence[str]) -> None:
        """Refuse a map that names a class that is not there, or leaves none.

        Args:
            names: The classes.

        Raises:
            ConfigError: With the nearest class name, or all of them.
        """
        for old in self.to:
            if old not in names:
                near = get_close_matches(old, names, n=1)
                fix = f"write {near[0]}" if near else f"the classes are {', '.join(names) or 'not known'}"
                raise ConfigError(f"there is no class {old!r} to rename, merge or drop", fix=fix)
        if names and all(self.of(name) is None for name in names):
            raise ConfigError("this drops every class, so nothing would be left", fix="keep at least one class")

    def labels(self, labels: LabelSet) -> LabelSet:
        """The classes as they become, in their order.

        A class that others are merged into keeps its place and its id; a new name takes those of the first class that
        gets it. Ids that counted up without a gap still do.

        Raises:
            ConfigError: As `check`.
        """
        self.check(labels.names)
        places = self._places(labels.names)
        ids = tuple(labels.ids[place] for place in places.values())
        first = labels.ids[0] if labels.ids else 0
        if labels.ids == tuple(range(first, first + len(labels.ids))):
            ids = tuple(range(first, first + len(ids)))
        return LabelSet(tuple(places), ids, labels.keypoints)

    def _places(self, names: Sequence[str]) -> dict[str, int]:
        """Each new name with the place in `names` that it takes, in the order of the places."""
        taken: dict[str, int] = {}
        for place, name in enumerate(names):
            new = self.of(name)
            if new is not None and (new not in taken or new == name):
                taken[new] = place
        return dict(sorted(taken.items(), key=lambda each: each[1]))

    def indices(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Where each class goes, for columns of class numbers.

        Args:
            names: The classes before.

        Returns:
            Shape (len(names),): the place in `labels(...).names`, -1 where the class is dropped.
        """
        at = {name: number for number, name in enumerate(self._places(names))}
        return np.array([-1 if (new := self.of(name)) is None else at[new] for name in names], dtype=np.int32)

    def annotation(self, annotation: Annotation) -> Annotation | None:
        """An annotation with its new label; None where its class is dropped."""
        new = self.of(annotation.label)
        if new is None:
            return None
        return annotation if new == annotation.label else replace(annotation, label=new)

    def record(self, record: ImageRecord) -> ImageRecord:
        """An image with its annotations under their new labels.

        An image that loses all of them stays labelled: somebody looked at it, and what is left of the classes is not
        in it.
        """
        if all(self.of(each.label) == each.label for each in record.annotations):
            return record
        kept = tuple(new for each in record.annotations if (new := self.annotation(each)) is not None)
        return replace(record, annotations=kept)

    def notes(self, counts: Mapping[str, int], *, emptied: int = 0) -> tuple[str, ...]:
        """What the map did, one sentence a class.

        Args:
            counts: Annotations by old label, with 0 for a class without any.
            emptied: Images that lost their last annotation.
        """
        said = []
        kept = {name for name in counts if self.of(name) == name}
        targets = Counter(new for new in self.to.values() if new is not None)
        for old, new in self.to.items():
            many = counted(counts.get(old, 0), "annotation")
            if new is None:
                said.append(f"the class {old!r} was dropped with {many}")
            elif new != old and (targets[new] > 1 or new in kept):
                said.append(f"the class {old!r} was merged into {new!r} ({many})")
            elif new != old:
                said.append(f"the class {old!r} was renamed to {new!r} ({many})")
        if emptied:
            said.append(f"images left without an annotation, labelled with nothing there from now on: {emptied:,}")
        return tuple(said)


def _shown(name: str | None) -> str:
    return "nothing" if name is None else repr(name)
