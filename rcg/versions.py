"""Versions of a dataset: what it is now, what it was, what differs, and the way back.

A version is stored by itself whenever the content changes through RCG and before a training. Images are not copied:
they never leave the dataset's images folder, so a version that names an image has it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from rcg import corrections as log
from rcg import journal
from rcg.annotations import CocoWriter
from rcg.annotations.split import SPLITS
from rcg.corrections import Correction
from rcg.dataset_writer import DatasetWriter
from rcg.datasets import Dataset
from rcg.errors import DataError
from rcg.files import Stamp, stamp_of, write_json
from rcg.fingerprints import Fingerprints, image_fingerprints
from rcg.progress import Report, Tick, counted, silent, tracked
from rcg.types import LabelSet
from rcg.version_content import Content, Shown, name_of_line, read_content, read_line, shown_images
from rcg.version_store import Stored, Version, VersionStore

_SHOWN = 5
_FILES = ("corrections.jsonl", "splits.json", "dataset.toml")
_SEEN = "version.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """What differs between two versions.

    Attributes:
        old: The one before.
        new: The one after.
        added: Images that only the new one has.
        removed: Images that only the old one has.
        relabelled: Images whose labels differ.
        replaced: Images whose file has other bytes.
        moved: Images in another split, with the old and the new one.
        classes: The classes before and after.
        per_label: Annotations before and after, by class.
    """

    old: Version
    new: Version
    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[str, ...]
    replaced: tuple[str, ...]
    moved: Mapping[str, tuple[str, str]]
    classes: tuple[tuple[str, ...], tuple[str, ...]]
    per_label: Mapping[str, tuple[int, int]]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.old.id == self.new.id

    def __str__(self) -> str:
        head = f"from {self.old.id[:12]} ({self.old.note}) to {self.new.id[:12]} ({self.new.note})"
        if self.same:
            return f"{head}\n  nothing differs"
        moved = tuple(f"{name} ({old} to {new})" for name, (old, new) in self.moved.items())
        rows = [head, *_row("added", self.added), *_row("removed", self.removed), *_row("relabelled", self.relabelled)]
        rows += [*_row("with another file", self.replaced), *_row("in another split", moved)]
        if self.classes[0] != self.classes[1]:
            rows.append(f"  classes: {', '.join(self.classes[0]) or '-'} became {', '.join(self.classes[1]) or '-'}")
        for label, (old, new) in self.per_label.items():
            if old != new:
                rows.append(f"  {label}: {old:,} before, {new:,} after ({new - old:+,})")
        return "\n".join(rows)


def _row(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        yield f"  {counted(len(names), 'image')} {what}: {', '.join(names[:_SHOWN])}{more}"


def list_versions(dataset: Dataset) -> tuple[Version, ...]:
    """The stored versions, oldest first."""
    return tuple(each.version for each in VersionStore(dataset.path).all())


def current_version(dataset: Dataset, *, complete: bool = True, report: Report = silent) -> Version:
    """What the dataset holds now, stored or not.

    Args:
        dataset: The dataset.
        complete: Whether the images are looked at too, and missing ones are an error. Else images that are missing, or
            that somebody replaced while the labels stayed, count as they were.
        report: Counts the images.

    Raises:
        DataError: If images are missing and `complete` is asked for.
    """
    if not complete and (seen := _seen(dataset)) is not None:
        return seen
    found = _remembered(dataset)
    if found is None:
        stamps = _stamps(dataset)
        found = read_content(dataset, report=report)
        dataset.memory["version"] = stamps, found
    content, marks = found
    if complete:
        marks.check()
    return _known(dataset, content) or _unstored(content)


def _known(dataset: Dataset, content: Content) -> Version | None:
    return next((each for each in list_versions(dataset) if each.id == content.id), None)


def _unstored(content: Content) -> Version:
    return Version(
        id=content.id,
        created=time.time(),
        note="not stored yet",
        images=content.images,
        annotations=sum(content.per_label.values()),
        per_label=content.per_label,
        stored=False,
    )


def store_version(dataset: Dataset, note: str, *, complete: bool = False, report: Report = silent) -> Version:
    """Store what the dataset holds now, unless it is stored already.

    Args:
        dataset: The dataset.
        note: What led to it, such as "20 images added".
        complete: Whether the images are looked at too, and missing ones are an error. Else images that are missing, or
            that somebody replaced while the labels stayed, count as they were.
        report: Counts the images.

    Raises:
        DataError: If images are missing and `complete` is asked for.
        RcgError: If the disk is full; what was stored before is untouched.
    """
    if not complete and (seen := _seen(dataset)) is not None:
        return seen
    if (found := _remembered(dataset)) is not None:
        content, marks = found
        known = _known(dataset, content)
        if known is not None and not (complete and marks.missing):
            return known
    stamps = _stamps(dataset)  # before the reading: what changes meanwhile is not taken for read
    with VersionStore(dataset.path).writing() as out:
        content, marks = read_content(dataset, take=out.take, again=out.again, report=report)
        if complete:
            marks.check()
        made = out.finish(content, note)
    dataset.memory["version"] = stamps, (content, marks)
    write_json(dataset.cache / _SEEN, {"stamps": stamps, "id": content.id})  # tells other processes
    return made


def _seen(dataset: Dataset) -> Version | None:
    """The stored version that the labels still are, by the stamps of their files alone."""
    file = dataset.cache / _SEEN
    try:
        seen = orjson.loads(file.read_bytes())
        same = [None if each is None else tuple(each) for each in seen["stamps"]] == list(_stamps(dataset))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return next((each for each in list_versions(dataset) if each.id == seen["id"]), None) if same else None


def _remembered(dataset: Dataset) -> tuple[Content, Fingerprints] | None:
    """What was read before, if neither labels nor images have changed since."""
    stamps, found = dataset.memory.get("version", (None, None))
    if stamps != _stamps(dataset):
        return None
    content, marks = found
    now = image_fingerprints(dataset, marks.of)
    return (content, now) if now.of == marks.of else None


def _stamps(dataset: Dataset) -> tuple[Stamp | None, ...]:
    """What tells cheaply whether labels, corrections, classes or splits changed: the stamps of their files."""
    files = (dataset.labels_file(), *(dataset.path / name for name in _FILES), dataset.workspace / "rcg.toml")
    return tuple(map(stamp_of, files))


def find_version(dataset: Dataset, version: str) -> Stored:
    """The stored version of this id, or of one that begins so.

    Raises:
        DataError: If there is none, or several.
    """
    every = VersionStore(dataset.path).all()
    found = [each for each in every if version and each.version.id.startswith(version.lower())]
    if len(found) == 1:
        return found[0]
    where = f"the versions of {dataset.name}"
    if found:
        raise DataError(f"{version!r} is the beginning of {len(found)} versions", where=where, fix="write more of it")
    newest = ", ".join(each.version.id[:12] for each in every[-_SHOWN:])
    fix = f"choose one of {newest}; `rcg dataset versions {dataset.name}` lists all" if newest else "add images first"
    raise DataError(f"there is no version {version!r}", where=where, fix=fix)


def diff_versions(dataset: Dataset, old: str, new: str | None = None, *, report: Report = silent) -> VersionDiff:
    """What differs between two versions.

    Args:
        dataset: The dataset.
        old: The id of the one before, or its beginning.
        new: That of the one after; what the dataset holds now by default.
        report: Counts the images.

    Raises:
        DataError: If there is no such version, or it is damaged.
    """
    sides = (_stored_side(dataset, old), _side_now(dataset, report) if new is None else _stored_side(dataset, new))
    before, after = sides
    one, other = ({name_of_line(line): hash(line) for line in side.lines()} for side in sides)
    names = one.keys() & other.keys()
    if before.classes[: len(after.classes)] == after.classes[: len(before.classes)]:  # the numbers mean the same
        touched = {each.file_name for side in sides for each in side.corrections}
        names = {name for name in names if one[name] != other[name] or name in touched}
    found = _Differences()
    for first, second in zip(before.shown(names), after.shown(names), strict=True):
        found.compare(first, second)
    labels = dict.fromkeys([*before.classes, *after.classes])
    counts = (before.version.per_label, after.version.per_label)
    return VersionDiff(
        old=before.version,
        new=after.version,
        added=tuple(sorted(other.keys() - one.keys())),
        removed=tuple(sorted(one.keys() - other.keys())),
        relabelled=tuple(found.relabelled),
        replaced=tuple(found.replaced),
        moved=found.moved,
        classes=(before.classes, after.classes),
        per_label={label: (counts[0].get(label, 0), counts[1].get(label, 0)) for label in labels},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One of two versions that are compared.

    Attributes:
        version: What it is.
        set: The classes.
        corrections: Those in force.
        lines: Reads its images.
    """

    version: Version
    set: LabelSet
    corrections: Sequence[Correction]
    lines: Callable[[], Iterable[bytes]]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.set.names

    def shown(self, names: Collection[str]) -> Iterator[Shown]:
        """Some of the images, with what can be compared of them."""
        kept = (read_line(line) for line in self.lines() if name_of_line(line) in names) if names else iter(())
        return shown_images(kept, self.set, self.corrections)


@dataclass(frozen=True, slots=True)
class _Differences:
    """What differs in the images that both versions have; both come sorted by name."""

    relabelled: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)

    def compare(self, first: Shown, second: Shown) -> None:
        if first.labels != second.labels:
            self.relabelled.append(first.file_name)
        if first.fingerprint != second.fingerprint:
            self.replaced.append(first.file_name)
        if first.split != second.split:
            self.moved[first.file_name] = first.split, second.split


def _stored_side(dataset: Dataset, version: str) -> _Side:
    stored, store = find_version(dataset, version), VersionStore(dataset.path)
    corrections = store.corrections(stored)
    return _Side(version=stored.version, set=stored.labels, corrections=corrections, lines=lambda: store.lines(stored))


def _side_now(dataset: Dataset, report: Report) -> _Side:
    lines: list[bytes] = []
    content, _ = read_content(dataset, take=lambda _, line: lines.append(line), again=lines.clear, report=report)
    version = _known(dataset, content) or _unstored(content)
    return _Side(version=version, set=content.labels, corrections=content.corrections, lines=lambda: lines)


def restore_version(dataset: Dataset, version: str, *, report: Report = silent) -> Version:
    """Go back, or forward, to a version: its labels with their corrections, its classes with mappings, its splits.

    Nothing is lost: what the dataset holds now is stored first, and the log of corrections keeps all its lines. Images
    that the version does not have stay on the disk, and come back with a version that names them. Predictions stay.

    Args:
        dataset: The dataset.
        version: The id, or its beginning.
        report: Counts the images; a tick's note names images that are missing or have changed since.

    Returns:
        The version that the dataset holds then; where image files have changed since, that is not the one asked for.

    Raises:
        DataError: If there is no such version, it is damaged, or somebody else writes.
    """
    stored = find_version(dataset, version)
    short = stored.version.id[:12]
    with dataset.writing(f"going to version {short}", mending=True) as out:
        store = VersionStore(dataset.path)
        store.check(stored)
        store_version(dataset, f"before going to {short}", report=report)
        out.change(changing={"doing": f"going to version {short}", "version": stored.version.id})
        marks = _put_back(out, store, stored, report)
        out.change(changing=None)
        notes = tuple(_about_files(dataset, marks))
        for note in notes:
            report(Tick(task="going back", done=len(marks), total=len(marks), note=note))
        reached = store_version(dataset, f"went to {short}, with image files that changed since", report=report)
    facts = {"version": reached.id[:12], "images": reached.images, "annotations": reached.annotations}
    journal.note(dataset.workspace, "version restored", dataset=dataset.name, **facts)
    return replace(reached, notes=notes)


def _put_back(out: DatasetWriter, store: VersionStore, stored: Stored, report: Report) -> dict[str, str]:
    """Write the version's labels, classes, splits and corrections; returns the hashes of its images."""
    dataset = out.dataset
    out.change(classes=list(stored.labels.names), card_pattern=stored.card_pattern)
    marks: dict[str, str] = {}
    splits: dict[str, str] = {}
    images = tracked(store.images(stored), task="writing labels", total=stored.version.images, report=report)
    with CocoWriter(dataset.labels_file(), dataset.labels) as file:
        for each in images:
            file.put(each.lines)
            marks[each.lines.file_name], splits[each.lines.file_name] = each.fingerprint, each.split
    out.store_splits({name: split for name, split in splits.items() if split in SPLITS})
    in_force, path = store.corrections(stored), dataset.path / "corrections.jsonl"
    now = [each for each in dataset.corrections() if not each.undone]
    same = [replace(each, number=0) for each in now] == [replace(each, number=0) for each in in_force]
    if not same or log.read_maps(path) != stored.maps:
        log.append_restore(path, stored.version.id, in_force, stored.maps)
    return marks


def _about_files(dataset: Dataset, marks: Mapping[str, str]) -> Iterator[str]:
    """What the version names and the disk no longer has."""
    there = image_fingerprints(dataset, marks)
    gone = set(there.missing)
    changed = [name for name, mark in marks.items() if name not in gone and there.of[name] != mark]
    if gone:
        some = counted(len(gone), "image of this version is", "images of this version are")
        yield f"{some} missing on the disk, such as {there.missing[0]}"
    if changed:
        some = counted(len(changed), "image of this version has", "images of this version have")
        yield f"{some} another file now, such as {changed[0]}"
