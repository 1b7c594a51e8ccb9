"""What a version of a dataset holds: one line of JSON an image, and a hash that tells equal content from other.

The hash knows labels with their corrections, classes, splits, and images by the bytes of their files. It knows no path,
no time and no order, so a dataset that was moved, or imported from other folders, is the same version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson
import xxhash

from rcg.annotations import CocoWriter
from rcg.annotations.formats.coco_lines import category_of, record_of_lines
from rcg.annotations.formats.coco_own import NotOwn, own_images
from rcg.annotations.formats.coco_write import Lines
from rcg.annotations.mapping import ClassMap
from rcg.corrections import Correction, apply_corrections, read_maps
from rcg.datasets import Dataset
from rcg.fingerprints import Fingerprints, image_fingerprints
from rcg.progress import Report, silent, tracked
from rcg.types import LabelSet

Take = Callable[[str, bytes], None]
_ANNOTATIONS, _NAME = b',"annotations":', b',"file_name":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a dataset holds, but for the images themselves.

    Attributes:
        id: The hash of all of it.
        labels: The classes.
        card_pattern: The dataset's own rule for card ids; None for the usual one.
        corrections: Those in force.
        maps: The mappings of classes in force, oldest first; they say nothing of what it holds now.
        images: How many images there are.
        per_label: Annotations by class, corrections included; 0 for a class without any.
    """

    id: str
    labels: LabelSet
    card_pattern: str | None
    corrections: tuple[Correction, ...]
    maps: tuple[ClassMap, ...]
    images: int
    per_label: Mapping[str, int]


def read_content(
    dataset: Dataset, *, take: Take | None = None, again: Callable[[], None] | None = None, report: Report = silent
) -> tuple[Content, Fingerprints]:
    """Read what a dataset holds now, an image at a time.

    Args:
        dataset: The dataset.
        take: Gets name and line of every image, sorted by name; labels without the corrections.
        again: Called if all has to be taken anew, since the labels were changed by hand.
        report: Counts the images.
    """
    in_force = tuple(each for each in dataset.corrections() if not each.undone)
    for reading in (_own_lines, _read_lines):
        try:
            return _read(dataset, reading(dataset), in_force, take, report)
        except NotOwn:
            if again is not None:
                again()
    raise AssertionError("records can always be read")


def corrected_lines(dataset: Dataset) -> Iterator[Lines]:
    """The dataset's images with their labels as they are now, corrections included, sorted by name, one at a time."""
    in_force = tuple(each for each in dataset.corrections() if not each.undone)
    corrected = _Corrected(dataset.labels, in_force)
    try:
        for _ in _own_lines(dataset):  # to its end: what was changed by hand may stand there
            pass
    except NotOwn:
        return map(corrected.lines, _read_lines(dataset))
    return map(corrected.lines, _own_lines(dataset))


def _own_lines(dataset: Dataset) -> Iterator[Lines]:
    before, file = "", dataset.labels_file()
    for lines in own_images(file, dataset.labels) if file.exists() else ():
        if lines.file_name <= before or lines.image_id is None:
            raise NotOwn
        before = lines.file_name
        yield lines


def _read_lines(dataset: Dataset) -> Iterator[Lines]:
    writer = CocoWriter(dataset.labels_file(), dataset.labels)
    return map(writer.render, sorted(dataset.records(corrected=False), key=lambda each: each.file_name))


def _read(
    dataset: Dataset, images: Iterator[Lines], in_force: Sequence[Correction], take: Take | None, report: Report
) -> tuple[Content, Fingerprints]:
    labels, splits = dataset.labels, dataset.splits()
    marks = image_fingerprints(dataset, splits.cards, report=report)
    corrected, used = _Corrected(labels, in_force), Counter[int]()
    digests: list[bytes] = []
    for lines in tracked(images, task="reading the version", total=len(splits.cards), report=report):
        name = lines.file_name
        mark, split = marks.of.get(name, ""), splits.of(name)
        if take is not None:
            take(name, image_line(lines, mark, split))
        shown = corrected.lines(lines)
        used.update(map(category_of, shown.parts))
        digests.append(_digest(shown, mark, split))
    content = Content(
        id=_id(labels, digests),
        labels=labels,
        card_pattern=dataset.config().get("card_pattern"),
        corrections=tuple(in_force),
        maps=read_maps(dataset.path / "corrections.jsonl"),
        images=len(digests),
        per_label={name: used[number] for name, number in zip(labels.names, labels.ids, strict=True)},
    )
    return content, marks


def _id(labels: LabelSet, digests: list[bytes]) -> str:
    whole = xxhash.xxh3_128(orjson.dumps([list(labels.names), list(labels.keypoints)]))
    whole.update(b"".join(sorted(digests)))
    return whole.hexdigest()


def _digest(lines: Lines, fingerprint: str, split: str) -> bytes:
    """The hash of one image by what it shows, whatever it is called and in whatever order its labels stand."""
    head = orjson.loads(b"{" + lines.head)
    facts = [head["width"], head["height"], head.get("labelled", True), split, fingerprint]
    return xxhash.xxh3_128_digest(b"\n".join((orjson.dumps(facts), *sorted(lines.parts))))


def image_line(lines: Lines, fingerprint: str, split: str) -> bytes:
    """An image as a version keeps it: one line of JSON with the labels as they stand in the dataset's own file."""
    facts = b'{"id":%d,"fingerprint":"%b","in":"%b",' % (lines.image_id or 0, fingerprint.encode(), split.encode())
    annotations = b"[%b]" % b",".join([b"{" + part for part in lines.parts])
    return b'%b"annotations":%b,%b\n' % (facts, annotations, lines.head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One image of a stored version.

    Attributes:
        lines: Its entries, to be written again.
        fingerprint: The hash of its file; empty where it was missing.
        split: The split it was in.
    """

    lines: Lines
    fingerprint: str
    split: str


def read_line(line: bytes) -> Kept:
    """What `image_line` wrote; the entries are cut out as they stand, which takes a fifth of the time of reading them.

    Raises:
        ValueError: If it is no such line.
    """
    begin, end = line.index(_ANNOTATIONS), line.rindex(_NAME)
    facts = orjson.loads(line[:begin] + b"}")
    inside = line[begin + len(_ANNOTATIONS) + 2 : end - 2]  # between `[{` and `}]`
    parts = tuple(part + b"}" for part in inside.split(b"},{")) if inside else ()
    head = line[end + 1 :].rstrip(b"\n")
    lines = Lines(name_of_line(line), facts["id"] or None, head, parts)
    return Kept(lines=lines, fingerprint=facts["fingerprint"], split=facts["in"])


def name_of_line(line: bytes) -> str:
    """The file name in a line that `image_line` wrote.

    Raises:
        ValueError: If it is no such line.
    """
    return str(orjson.loads(b"{" + line[line.rindex(_NAME) + 1 :])["file_name"])


class _Corrected:
    """Puts corrections over the labels of the images that have any."""

    def __init__(self, labels: LabelSet, corrections: Sequence[Correction]) -> None:
        self._labels, self._writer = labels, CocoWriter("version", labels)
        self._by_name: dict[str, list[Correction]] = {}
        for each in corrections:
            self._by_name.setdefault(each.file_name, []).append(each)

    def lines(self, lines: Lines) -> Lines:
        """An image's entries with its corrections."""
        mine = self._by_name.get(lines.file_name)
        if mine is None:
            return lines
        (record,), _ = apply_corrections([record_of_lines(lines, self._labels)], mine)
        return self._writer.render(record)


@dataclass(frozen=True, slots=True)
class Shown:
    """What two versions of an image are compared by.

    Attributes:
        file_name: The image.
        fingerprint: The hash of its file.
        split: The split it is in.
        labels: Its annotations by class name, corrections included, with the number of equal ones; its size; whether
            it is labelled.
    """

    file_name: str
    fingerprint: str
    split: str
    labels: frozenset[bytes]


def shown_images(images: Iterator[Kept], labels: LabelSet, corrections: Sequence[Correction]) -> Iterator[Shown]:
    """What can be compared of images."""
    corrected = _Corrected(labels, corrections)
    names = {number: orjson.dumps(name) for name, number in zip(labels.names, labels.ids, strict=True)}
    for kept in images:
        lines = corrected.lines(kept.lines)
        seen: Counter[bytes] = Counter()
        for part in lines.parts:
            seen[names[category_of(part)] + part[part.index(b",") :]] += 1
        head = orjson.loads(b"{" + lines.head)
        facts = {b"%d %b" % (count, part) for part, count in seen.items()}
        facts.add(orjson.dumps([head["width"], head["height"], head.get("labelled", True)]))
        yield Shown(lines.file_name, kept.fingerprint, kept.split, frozenset(facts))
