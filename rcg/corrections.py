"""Corrections of labels: an append-only log that goes over the labels as imported, and can be undone line by line.

A correction names the annotation it replaces by its label and geometry, not by a number, so it still fits after the
labels were imported again. When classes are renamed, merged or dropped, a line of the log says so, and all corrections
above it are read with the new names. When the dataset goes to another version, a line says so too: the corrections
above it are out of force, and those of that version follow anew. No line is ever changed or removed.

The same lines tell which mappings of classes are in force: labels that are added later go through them too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from rcg.annotations.mapping import ClassMap
from rcg.errors import DataError
from rcg.files import append_jsonl, last_line, read_jsonl
from rcg.types import Annotation, Box, ImageRecord, Keypoints, Polygon, Rle

_SAME_PX = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One change of one image's labels.

    Attributes:
        number: Its place in the log, from 1.
        time: Seconds since 1970.
        file_name: The image, relative to the images folder.
        before: The annotation that was wrong; None where one was missing.
        after: What is right; None where the annotation had to go. Both None: the image was looked at and is right.
        source: Where it came from, such as "fiftyone".
        undone: Whether it is out of force: a later line takes it back, or the dataset went to another version since.
    """

    number: int
    time: float
    file_name: str
    before: Annotation | None
    after: Annotation | None
    source: str
    undone: bool = False

    @property
    def action(self) -> str:
        """What it does: "add", "remove", "change" or "confirm"."""
        if self.before is None:
            return "confirm" if self.after is None else "add"
        return "remove" if self.after is None else "change"


def append_correction(
    path: str | Path, *, file_name: str, before: Annotation | None, after: Annotation | None, source: str
) -> Correction:
    """Append a correction to the log and return it; the caller holds the dataset's lock."""
    number = _next_number(path)
    made = Correction(number=number, time=time.time(), file_name=file_name, before=before, after=after, source=source)
    append_jsonl(path, _line(made))
    return made


def append_map(path: str | Path, class_map: ClassMap) -> None:
    """Say that classes have other names from here on; the corrections above are read with them."""
    append_jsonl(path, {"number": _next_number(path), "time": time.time(), "maps": dict(class_map.to)})


def append_restore(path: str | Path, version: str, corrections: Sequence[Correction], maps: Sequence[ClassMap]) -> None:
    """Say that the dataset went to another version: only these `corrections` and `maps` are in force then."""
    first = _next_number(path)
    facts = {"restores": version, "with_maps": [dict(each.to) for each in maps]}
    lines: list[dict[str, Any]] = [{"number": first, "time": time.time(), **facts}]
    lines += [_line(replace(each, number=first + place)) for place, each in enumerate(corrections, 1)]
    append_jsonl(path, *lines)


def _line(made: Correction) -> dict[str, Any]:
    before, after = encode_annotation(made.before), encode_annotation(made.after)
    facts = {"number": made.number, "time": made.time, "file_name": made.file_name, "source": made.source}
    return {**facts, "before": before, "after": after, "undone": None}


def _next_number(path: str | Path) -> int:
    """One more than the last line's number; where that line is damaged, than the largest of all."""
    last = last_line(path)
    if isinstance(last, dict) and isinstance(last.get("number"), int):
        return int(last["number"]) + 1
    numbers = (each.get("number") for each in read_jsonl(path) if isinstance(each, dict))
    return 1 + max((number for number in numbers if isinstance(number, int)), default=0)


def append_undo(path: str | Path, number: int) -> Correction:
    """Append a line that takes correction `number` back, and return that correction.

    Raises:
        DataError: If there is none of this number, it is undone already, or a later one builds on it.
    """
    known = {each.number: each for each in read_corrections(path)}
    if number not in known:
        raise DataError(f"there is no correction {number}", where=path, fix=f"choose one of {sorted(known)[-20:]}")
    if known[number].undone:
        fix = "nothing has to be done"
        raise DataError(f"correction {number} is undone already, or of another version", where=path, fix=fix)
    if later := next((each for each in known.values() if _builds_on(each, known[number])), None):
        fix = f"undo correction {later.number} first"
        raise DataError(f"correction {later.number} changes what correction {number} made", where=path, fix=fix)
    append_jsonl(path, {"number": _next_number(path), "time": time.time(), "undoes": number})
    return replace(known[number], undone=True)


def _builds_on(later: Correction, earlier: Correction) -> bool:
    made, changed = earlier.after, later.before
    if later.undone or later.number <= earlier.number or later.file_name != earlier.file_name:
        return False
    return made is not None and changed is not None and same(made, changed)


def read_corrections(path: str | Path) -> tuple[Correction, ...]:
    """All corrections of a log, oldest first, those out of force marked as undone; damaged lines are passed over."""
    made: dict[int, Correction] = {}
    for record in read_jsonl(path):
        if not isinstance(record, dict):
            continue
        if (number := record.get("undoes")) is not None:
            if number in made:
                made[number] = replace(made[number], undone=True)
        elif (names := record.get("maps")) is not None:
            renamed = ClassMap(names)
            made = {number: _renamed(each, renamed) for number, each in made.items()}
        elif "restores" in record:
            made = {number: replace(each, undone=True) for number, each in made.items()}
        elif (each := _correction(record)) is not None:
            made[each.number] = each
    return tuple(made.values())


def read_maps(path: str | Path) -> tuple[ClassMap, ...]:
    """The mappings of classes in force, oldest first; going to a version from before one takes it out of force."""
    found: list[ClassMap] = []
    for record in read_jsonl(path):
        if not isinstance(record, dict):
            continue
        if (names := record.get("maps")) is not None:
            found.append(ClassMap(names))
        elif "restores" in record:
            found = [ClassMap(each) for each in record.get("with_maps", ())]
    return tuple(found)


def damaged_lines(path: str | Path) -> tuple[int, ...]:
    """The numbers of the lines that cannot be read, so that what they said is not in force."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    return tuple(number for number, line in enumerate(lines, 1) if line.strip() and not _sound(line))


def _sound(line: bytes) -> bool:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(record, dict):
        return False
    return any(key in record for key in ("undoes", "maps", "restores")) or _correction(record) is not None


def _correction(record: Mapping[str, Any]) -> Correction | None:
    try:
        fields = {name: record[name] for name in ("number", "time", "file_name", "source")}
        before, after = decode_annotation(record["before"]), decode_annotation(record["after"])
    except (KeyError, TypeError, ValueError, DataError):
        return None  # as a line that is cut off: the log goes on after it
    return Correction(**fields, before=before, after=after)


def _renamed(correction: Correction, class_map: ClassMap) -> Correction:
    """A correction under new names; of a class that is dropped, what remains: the other side of the change."""
    before, after = correction.before, correction.after
    return replace(
        correction,
        before=None if before is None else class_map.annotation(before),
        after=None if after is None else class_map.annotation(after),
    )


def apply_corrections(
    records: Iterable[ImageRecord], corrections: Iterable[Correction]
) -> tuple[tuple[ImageRecord, ...], tuple[Correction, ...]]:
    """The records with the corrections over them, and the corrections that no longer fit.

    A corrected image counts as labelled. A change whose old annotation is not there any more adds the new one unless
    it is there already; it is not counted as stale, since its result holds.
    """
    by_name: dict[str, list[Correction]] = {}
    for each in corrections:
        if not each.undone:
            by_name.setdefault(each.file_name, []).append(each)
    corrected, stale = [], []
    for record in records:
        annotations = list(record.annotations)
        for each in by_name.pop(record.file_name, []):
            at = next((i for i, old in enumerate(annotations) if each.before and same(old, each.before)), None)
            if at is not None:
                annotations[at : at + 1] = [] if each.after is None else [each.after]
            elif each.after is not None and not any(same(old, each.after) for old in annotations):
                annotations.append(each.after)
            elif each.before is not None:
                stale.append(each)
            record = replace(record, annotations=tuple(annotations), labelled=True)
        corrected.append(record)
    stale += [each for left in by_name.values() for each in left]
    return tuple(corrected), tuple(stale)


def same(first: Annotation, second: Annotation) -> bool:
    """Whether two annotations have the same label and the same geometry, to a hundredth of a pixel."""
    return first.label == second.label and all(
        len(a) == len(b) and all(abs(x - y) <= _SAME_PX for x, y in zip(a, b, strict=True))
        for a, b in zip(_numbers(first), _numbers(second), strict=True)
    )


def _numbers(annotation: Annotation) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    box = annotation.box
    ring = tuple(value for polygon in annotation.polygons for point in polygon.points for value in point)
    places = annotation.keypoints.points if annotation.keypoints else ()
    return (box.x, box.y, box.width, box.height), ring, tuple(value for point in places for value in point)


def encode_annotation(annotation: Annotation | None) -> dict[str, Any] | None:
    """An annotation as JSON holds it, with all it has."""
    if annotation is None:
        return None
    box = annotation.box
    return {
        "label": annotation.label,
        "bbox": [box.x, box.y, box.width, box.height],
        "polygons": [polygon.points for polygon in annotation.polygons],
        "rle": None if annotation.rle is None else asdict(annotation.rle),
        "keypoints": None if annotation.keypoints is None else annotation.keypoints.points,
        "score": annotation.score,
        "crowd": annotation.crowd,
        "area": annotation.area,
    }


def decode_annotation(record: Mapping[str, Any] | None) -> Annotation | None:
    """The annotation that `encode_annotation` wrote."""
    if record is None:
        return None
    rle, keypoints = record["rle"], record["keypoints"]
    if rle is not None:
        counts = rle["counts"]
        rle = Rle(rle["height"], rle["width"], counts if isinstance(counts, str) else tuple(counts))
    return Annotation(
        label=record["label"],
        box=Box(*map(float, record["bbox"])),  # as labels are read, so that equal ones are written alike
        polygons=tuple(Polygon(tuple((float(x), float(y)) for x, y in ring)) for ring in record["polygons"]),
        rle=rle,
        keypoints=None if keypoints is None else Keypoints(tuple((x, y, v) for x, y, v in keypoints)),
        score=record["score"],
        crowd=record["crowd"],
        area=record["area"],
    )
