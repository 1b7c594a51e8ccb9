"""What becomes of a source's classes: what the call asks for, then what was made of the dataset's classes since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rcg.annotations.mapping import ClassMap
from rcg.types import ImageRecord, LabelSet


@dataclass(slots=True)
class Naming:
    """Gives the records of a source the class names that they have in the dataset.

    The call's own map comes first: it leads from the names of the source to those of the dataset, and of these the
    mappings tell what became of them. So the same call again never brings back a class that was renamed or dropped.

    Attributes:
        own: What the call asks for; None where it asks for nothing.
        standing: The dataset's mappings in force, as one.
        counts: Annotations by the names of the source, of those that were read.
        emptied: Images that lost their last annotation.
        touched: Classes that the standing mappings changed, with what they became.
    """

    own: ClassMap | None
    standing: ClassMap
    counts: Counter[str] = field(default_factory=Counter)
    emptied: int = 0
    touched: dict[str, str | None] = field(default_factory=dict)

    def classes(self, labels: LabelSet) -> tuple[str, ...]:
        """What the classes of the source become.

        Raises:
            ConfigError: If the call's own map names a class that is not there, or leaves none.
        """
        names = (labels if self.own is None else self.own.labels(labels)).names
        self._touch(names)
        return tuple(dict.fromkeys(new for name in names if (new := self.standing.of(name)) is not None))

    def _touch(self, names: Sequence[str]) -> None:
        self.touched |= {name: new for name in names if (new := self.standing.of(name)) != name}

    def record(self, record: ImageRecord) -> ImageRecord:
        """An image with its annotations under the dataset's names."""
        if self.own is not None:
            self.counts.update(each.label for each in record.annotations)
        mine = record if self.own is None else self.own.record(record)
        if self.standing:
            self._touch([each.label for each in mine.annotations])
        made = self.standing.record(mine)
        self.emptied += bool(record.annotations) and not made.annotations
        return made

    def notes(self) -> Iterator[str]:
        """What was done, one sentence each."""
        if self.own is not None:
            yield from self.own.notes(self.counts, emptied=self.emptied)
        if self.touched:
            shown = " ".join(ClassMap(self.touched).texts())
            back = "to have them as the source names them, go to a version from before (`rcg dataset restore`)"
            yield f"the classes go through the mappings of this dataset: {shown}; {back}"


def in_order(maps: Sequence[ClassMap]) -> ClassMap:
    """Several mappings, one after the other, as one.

    Example:
        >>> in_order([ClassMap({"ace": "king"}), ClassMap({"king": "card", "jack": None})]).texts()
        ('ace=card', 'king=card', 'jack=')
    """
    found: dict[str, str | None] = {}
    for name in (old for each in maps for old in each.to):
        new: str | None = name
        for each in maps:
            new = None if new is None else each.of(new)
        found[name] = new
    return ClassMap(found)
