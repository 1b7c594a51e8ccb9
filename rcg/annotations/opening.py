"""Opens labels in whatever format they are, and says why they were taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rcg.annotations.formats import FORMATS, Format, format_named
from rcg.annotations.place import Place
from rcg.annotations.source import AnnotationSource, Earlier, Reading
from rcg.errors import ConfigError, DataError, FormatError
from rcg.progress import counted

_UNPACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_PACKED = (*_UNPACKED, ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
_STAGES = ("ground_truth", "predictions")


def open_annotations(
    source: str | Path,
    *,
    format: str = "auto",
    images: str | Path | None = None,
    labels: str | Path | None = None,
    classes: str | Path | Sequence[str] | None = None,
    stage: str = "ground_truth",
    ignore: str | Path | None = None,
    trusted: bool = False,
    earlier: Earlier | None = None,
) -> AnnotationSource:
    """Open labels for reading, in whatever format they are.

    Args:
        source: A folder, or a label or class file.
        format: One of `FORMATS`, such as "coco", or "auto" to find out.
        images: The images' folder, where it is not to be found out.
        labels: The labels' folder or file, where it is not to be found out.
        classes: A class file, or the class names in their order. For COCO results: the COCO file they belong to.
        stage: "ground_truth" or "ground-truth", or "predictions": then a label without a score is left out.
        ignore: A path below the source that is no part of it, such as a conversion's target.
        trusted: Whether it is a COCO file that RCG wrote: sizes are taken from it and no image is opened.
        earlier: What an earlier reading of the same labels found out.

    Raises:
        ConfigError: If the format or stage is unknown.
        FormatError: If no format fits, or several do.
        DataError: If there is nothing to read.
        RcgError: If a path does not exist.
    """
    if stage.replace("-", "_") not in _STAGES:
        raise ConfigError(f"there is no stage {stage!r}", fix="use ground-truth or predictions")
    for path in (source, labels):
        _refuse_archive(path)
    place = Place(source, images=images, labels=labels, ignore=ignore, without_made=True)
    others: list[tuple[Format, str]] = []
    if format == "auto":
        chosen, reason, place, others = _recognised(place)
    else:
        chosen, reason = format_named(format), f"{format} was asked for"
        if place.passed and chosen.recognise(place) is None:
            place = place.whole()
    need_score = stage == "predictions"
    reading = Reading(classes=classes, need_score=need_score, reason=reason, trusted=trusted, earlier=earlier)
    opened = chosen.open(place, reading)
    for other, why in others:
        opened.notes.say(f"{other.title} is here too ({why}) and was not read; --from {other.name} reads it")
    for folder in place.passed:
        opened.notes.say(f"{folder}/ is here too (written by RCG) and was not read; name that folder to read it")
    return opened


def _refuse_archive(path: str | Path | None) -> None:
    name = "" if path is None else str(path).lower()
    if path is None or not name.endswith(_PACKED) or not Path(path).is_file():
        return
    fix = "unpack it, and name what was in it"
    if name.endswith(_UNPACKED):
        fix += f"; or add it to a dataset as it is: rcg dataset add NAME --images {path}"
    raise ConfigError("this is an archive, and labels are read from files and folders only", where=path, fix=fix)


def _recognised(place: Place) -> tuple[Format, str, Place, list[tuple[Format, str]]]:
    """The one format that fits, why, where its labels are (there, or beside a folder of images), and by-products."""
    found = _fitting(place)
    if not found and (beside := place.opposite()) is not None and (found := _fitting(beside)):
        place = beside
    if not found and place.passed:
        place = place.whole()
        found = _fitting(place)
    first = _originals(place, found)
    if len(first) == 1:
        return (*first[0], place, [each for each in found if each not in first])
    where = place.file or place.root
    if found:
        what = "; ".join(f"{each.title} ({reason})" for each, reason in found)
        choices = " or ".join(f"--from {each.name}" for each, _ in found)
        fix = f"say which to read: {choices} (format={found[0][0].name!r} and so on in Python), or name the label file"
        raise FormatError(f"several kinds of labels are here: {what}", where=where, fix=fix)
    known = ", ".join(each.title for each in FORMATS.values())
    if place.file is not None:
        fix = "name the folder that holds the labels, or a .json, .xml, .yaml or .names file"
        raise FormatError(f"this file is no label file of a known format ({known})", where=where, fix=fix)
    raise _nothing(place, known)


def _originals(place: Place, found: list[tuple[Format, str]]) -> list[tuple[Format, str]]:
    """Those that others may have been made of: scripts write CSV beside labels, and RCG writes COCO JSON."""
    ranks = [each.rank(place) for each, _ in found] if len(found) > 1 else [0] * len(found)
    return [each for each, rank in zip(found, ranks, strict=True) if rank == min(ranks)]


def _fitting(place: Place) -> list[tuple[Format, str]]:
    return [(each, reason) for each in FORMATS.values() if (reason := each.recognise(place)) is not None]


def _nothing(place: Place, known: str) -> DataError:
    others = sorted(place.files.items(), key=lambda each: -len(each[1]))[:4]
    kinds = ", ".join(f"{len(names):,} {ending or 'without ending'}" for ending, names in others)
    if place.has_images:
        others_said = f" (other files: {kinds})" if kinds else ""
        what = f"no labels are here, only {counted(len(place.image_names), 'image')}{others_said}"
        fix = "name the labels' folder or file (labels=PATH, --labels PATH)"
        return DataError(what, where=place.root, fix=fix)
    if kinds:
        return DataError(f"there are neither images nor labels, only {kinds}", where=place.root, fix=f"known: {known}")
    fix = "name a folder with images and labels"
    return DataError("the folder is empty: no images, no labels", where=place.root, fix=fix)
