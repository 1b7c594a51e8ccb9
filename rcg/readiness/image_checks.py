"""Doubts about the image files of a dataset: damaged, there twice, on both sides of a split, of poor quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rcg.annotations.split import SPLITS
from rcg.datasets import Dataset
from rcg.errors import RcgError
from rcg.files import Stamp, stamp_of
from rcg.fingerprints import image_fingerprints
from rcg.image_headers import read_sizes
from rcg.images import Size, read_size
from rcg.progress import Report, Tick, counted
from rcg.quality import FLAGS, ImageQuality, quality_of
from rcg.readiness.findings import NOTE, STOP, WARN, Finding, finding
from rcg.table import Table

_TASK = "looking at the image files"
_RUN = 256  # images between two ticks
_MOST_BYTES = 2 << 30  # read unasked to tell copies apart; with `measure`, all that is needed


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFigures:
    """What the image files are like.

    Attributes:
        damaged: Images that cannot be read.
        copies: Images whose file is the same as an earlier one, bit for bit.
        compared: Whether all images were compared for that.
        looked_at: Images whose quality is known.
        flags: How many of these have each doubt, by the words of `rcg.quality.FLAGS`.
    """

    damaged: int
    copies: int
    compared: bool
    looked_at: int
    flags: dict[str, int]


def image_checks(
    dataset: Dataset, table: Table, *, measure: bool, report: Report
) -> tuple[ImageFigures, tuple[Finding, ...]]:
    """Look at the image files of a dataset.

    Args:
        dataset: The dataset.
        table: Its table.
        measure: Whether to open images whose quality is not known yet, and to read all that could be copies.
        report: Where the progress goes.
    """
    damaged, resized = damaged_images(dataset, table, report)
    groups, compared = copies(dataset, table, most_bytes=None if measure else _MOST_BYTES, report=report)
    quality = quality_of(dataset, measure=measure, report=report)
    twins = [(name, each.duplicate_of) for name, each in quality.items() if each.duplicate_of]
    flags = Counter(flag for each in quality.values() for flag in each.flags)
    figures = ImageFigures(
        damaged=len(damaged),
        copies=sum(len(group) - 1 for group in groups),
        compared=compared,
        looked_at=len(quality),
        flags={flag: flags[flag] for flag in FLAGS if flags[flag]},
    )
    found = [
        *_damaged_findings(dataset, damaged, resized),
        *_copy_findings(dataset, table, groups, compared=compared),
        *_leaks(table, [*groups, *map(tuple, twins)]),
        *_quality_findings(dataset, quality, len(table), {name for group in groups for name in group}),
    ]
    return figures, tuple(found)


def damaged_images(dataset: Dataset, table: Table, report: Report) -> tuple[dict[str, str], list[str]]:
    """Images that cannot be decoded any more, as their headers and ends tell, each with the reason; and resized ones.

    An image that was sound is not opened again while its file does not change.

    Returns:
        Why an image is damaged, by name; the images whose size is not what the labels were made for.
    """
    sound: dict[str, tuple[Stamp | None, Size]] = dataset.memory.setdefault("sound images", ((), {}))[1]
    damaged, resized = {}, []
    sizes: dict[str, tuple[int, int]] = dict(zip(table.names, map(tuple, table.sizes.tolist()), strict=True))
    for name, stamp, size in _sizes(dataset, table.names, sound, report):
        if isinstance(size, str):
            damaged[name] = size
            continue
        sound[name] = (stamp, size)
        if (size.width, size.height) != sizes[name]:
            resized.append(name)
    return damaged, resized


def _sizes(
    dataset: Dataset, names: Sequence[str], known: Mapping[str, tuple[Stamp | None, Size]], report: Report
) -> Iterator[tuple[str, Stamp | None, Size | str]]:
    """Name, stamp, and size or what is wrong, of each image; looked at longer where a short look does not tell."""
    quick, folder = dataset.images.is_dir(), str(dataset.images)
    report(Tick(task=_TASK, done=0, total=len(names)))
    for at in range(0, len(names), _RUN):
        run = names[at : at + _RUN]
        stamps = [stamp_of(f"{folder}/{name}") for name in run]
        fresh = [n for n, stamp in zip(run, stamps, strict=True) if stamp is None or known.get(n, (None,))[0] != stamp]
        looks = read_sizes(dataset.images, fresh).tolist() if quick else [(0, 0)] * len(fresh)
        found = dict(zip(fresh, looks, strict=True))
        for name, stamp in zip(run, stamps, strict=True):
            if name not in found:
                yield name, stamp, known[name][1]
            else:
                yield name, stamp, Size(*found[name]) if found[name][0] else _long_look(dataset, name)
        report(Tick(task=_TASK, done=at + len(run), total=len(names)))


def _long_look(dataset: Dataset, name: str) -> Size | str:
    try:
        return read_size(dataset.images / name)
    except RcgError as error:
        return error.what


def _damaged_findings(dataset: Dataset, damaged: Mapping[str, str], resized: Sequence[str]) -> Iterator[Finding]:
    if damaged:
        what = f"{counted(len(damaged), 'image')} cannot be read: {next(iter(damaged.values()))}"
        fix = f"put good copies in their places below {dataset.images}, or leave them out: "
        yield finding(STOP, "damaged", what, fix + f"rcg train {dataset.name} unreadable=skip", damaged)
    if resized:
        what = f"{counted(len(resized), 'image has', 'images have')} another size than the labels say"
        fix = f"put the photos back that were labelled, below {dataset.images}, or label these anew"
        yield finding(WARN, "resized", what, fix, resized)


def copies(
    dataset: Dataset, table: Table, *, most_bytes: int | None, report: Report
) -> tuple[list[tuple[str, ...]], bool]:
    """Groups of images whose files are the same, and whether all were compared.

    Only files of one length can be the same, so that others are not read.

    Args:
        dataset: The dataset.
        table: Its table.
        most_bytes: Where more than this would have to be read, nothing is; None reads what is needed.
        report: Counts the images that are read.
    """
    folder = str(dataset.images)
    lengths: dict[tuple[int, int, int], list[str]] = {}
    for row, name in enumerate(table.names):
        if (stamp := stamp_of(f"{folder}/{name}")) is not None:
            lengths.setdefault((stamp[0], int(table.sizes[row, 0]), int(table.sizes[row, 1])), []).append(name)
    alike = {key: names for key, names in lengths.items() if len(names) > 1 and key[0]}
    if most_bytes is not None and sum(key[0] * len(names) for key, names in alike.items()) > most_bytes:
        return [], False
    marks = image_fingerprints(dataset, [name for names in alike.values() for name in names], report=report).of
    groups: dict[str, list[str]] = {}
    for name, mark in marks.items():
        groups.setdefault(mark, []).append(name)
    return [tuple(names) for mark, names in groups.items() if mark and len(names) > 1], True


def _copy_findings(
    dataset: Dataset, table: Table, groups: Sequence[tuple[str, ...]], *, compared: bool
) -> Iterator[Finding]:
    measure = f"rcg validate {dataset.name} --measure"
    if not compared:
        what = "whether images are there twice is not known: too many files have the same length to read them unasked"
        yield finding(NOTE, "not_compared", what, measure)
    if not groups:
        return
    again = sum(len(group) - 1 for group in groups)
    what = f"{counted(again, 'image is', 'images are')} there twice, bit for bit; they count double in training"
    fix = "keep one of each; an image leaves the dataset when it is created anew without it"
    shown = (f"{group[0]} = {group[1]}" for group in groups)
    yield finding(WARN, "copies", what, fix, shown)
    row = {name: place for place, name in enumerate(table.names)}
    unequal = [group for group in groups if len({int(table.counts[row[name]]) for name in group}) > 1]
    if unequal:
        what = f"{counted(len(unequal), 'image')} and its copy are labelled differently"
        fix = f"look at both and make them equal: rcg browse {dataset.name}"
        yield finding(WARN, "copies_unequal", what, fix, (f"{group[0]} = {group[1]}" for group in unequal))


def _leaks(table: Table, groups: Iterable[tuple[str, ...]]) -> Iterator[Finding]:
    """Images that are the same, or nearly, in two splits: the test then flatters the model."""
    row = {name: place for place, name in enumerate(table.names)}
    shown = {}
    for group in groups:
        first = {int(table.splits[row[name]]): name for name in reversed(group) if name in row}
        if len(first) > 1:
            shown[tuple(sorted(first.values()))] = " = ".join(
                f"{name} ({SPLITS[split]})" for split, name in sorted(first.items()) if split >= 0
            )
    if shown:
        what = f"{counted(len(shown), 'photo is', 'photos are')} in two splits: a test on them flatters the model"
        fix = "give both the name of one card (012_front.jpg, 012_back.jpg), or keep only one of them"
        yield finding(WARN, "leak", what, fix, shown.values())


def _quality_findings(
    dataset: Dataset, quality: Mapping[str, ImageQuality], images: int, copied: Collection[str]
) -> Iterator[Finding]:
    if len(quality) < images:
        words = "is not measured" if not quality else f"is measured for {len(quality):,} of {images:,} images only"
        fix = f"rcg validate {dataset.name} --measure"
        yield finding(NOTE, "quality_unknown", f"the quality of the images {words}", fix)
    for flag, words in FLAGS.items():
        names = [name for name, each in quality.items() if flag in each.flags]
        if flag == "duplicate":  # copies bit for bit are told already
            names = [name for name in names if name not in copied]
        if not names:
            continue
        share = len(names) / len(quality)
        what = f"{counted(len(names), 'image')} of {len(quality):,}: {words}"
        if flag == "duplicate":
            names = [f"{name} = {quality[name].duplicate_of}" for name in names]
        severity = WARN if share > _MANY and flag not in _HARMLESS else NOTE
        yield finding(severity, flag, what, _QUALITY_FIX[flag].format(name=dataset.name), names)


_MANY = 0.05
_HARMLESS = ("gps",)
_QUALITY_FIX = {
    "too_small": "scan or photograph them again, with 1,000 pixels across the card or more",
    "blurred": "take these photos again, or keep them if the later ones will be like them",
    "underexposed": "take these photos again with more light",
    "overexposed": "take these photos again with less light, or a shorter exposure",
    "glare": "move the light or the camera, and take these photos again",
    "no_card": "look at them: rcg browse {name}; what shows no card needs an empty label file",
    "duplicate": "keep one of each pair; near copies make a dataset look larger than it is",
    "gps": "before giving the photos away, add them to a new dataset with --remove-gps",
}


def card_leaks(dataset: Dataset) -> Iterator[Finding]:
    """Cards whose photos the source had put into two splits; RCG keeps them together."""
    told = [head for head in dataset.heads() if head.split]
    if not told:
        return
    splits = dataset.splits()
    said: dict[str, set[str]] = {}
    for head in told:
        said.setdefault(splits.cards[head.file_name], set()).add(str(head.split))
    torn = sorted(card for card, there in said.items() if len(there) > 1)
    if torn:
        what = f"the source has photos of {counted(len(torn), 'card')} in two splits; RCG keeps each card in one"
        fix = "nothing to do, unless the names mislead: then set card_pattern in dataset.toml"
        yield finding(NOTE, "card_in_two_splits", what, fix, (f"{card} ({splits.assigned[card]})" for card in torn))
