"""Which label file belongs to which image."""

from __future__ import annotations

import os
import sys
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

IMAGE_FOLDERS = frozenset({"images", "jpegimages", "image", "imgs", "img"})


LABEL_FOLDERS = frozenset({"labels", "label", "annotations", "xml", "txt"})


def pairing_key(name: str, folders: frozenset[str]) -> str:
    """What an image and its label file have in common: the path without ending and without `images` or `labels`.

    Example:
        >>> pairing_key("train/images/a.jpg", IMAGE_FOLDERS) == pairing_key("train/labels/a.txt", LABEL_FOLDERS)
        True
    """
    stem = os.path.splitext(name)[0]  # noqa: PTH122 - many times faster, once a file
    if not stem.isascii():
        stem = unicodedata.normalize("NFC", stem)  # macOS writes accents apart, others do not
    if "/" not in stem:
        return stem
    *above, last = stem.split("/")
    for at in range(len(above) - 1, -1, -1):
        if above[at].lower() in folders:
            del above[at]
            break
    return "/".join([*above, last])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which label file belongs to which image.

    Attributes:
        label_of: Label file by image name; images without one are not in it.
        orphans: Label files that belong to no image.
        doubled: Label files whose image has another one already, with that one.
        shared: Label files that belong to several images, with these.
        by_name: Whether folders had to be disregarded, since no path fitted.
        by_case: Images whose label file differs in upper and lower case.
    """

    label_of: Mapping[str, str]
    orphans: tuple[str, ...]
    doubled: Mapping[str, str]
    shared: Mapping[str, tuple[str, ...]]
    by_name: bool
    by_case: tuple[str, ...] = ()


def pair(images: Iterable[str], labels: Iterable[str], *, inside: str = "") -> Pairs:
    """Find the image of each label file: by path, or where no path fits at all, by a name that is there once.

    Args:
        images: Image files, relative to the images' folder.
        labels: Label files, relative to the labels' folder.
        inside: The images' folder as seen from the labels' folder, with a slash at its end; empty where they are one
            or lie apart. Labels below it are matched by their path from there.

    Example:
        >>> pair(["images/a.jpg"], ["labels/a.txt", "labels/b.txt"]).orphans
        ('labels/b.txt',)
    """
    images, labels = tuple(images), tuple(labels)
    if (quick := _one_to_one(images, labels, inside)) is not None:
        return _with_other_case(images, quick, inside)
    uses = dict.fromkeys(labels, 0)
    label_of, shared, doubled = _pair_by_path(images, uses, inside)
    by_name = bool(uses) and not label_of
    if by_name:
        label_of, shared, doubled = _pair_by_name(images, uses)
    orphans = tuple(label for label, used in uses.items() if not used and label not in doubled)
    return _with_other_case(images, Pairs(label_of, orphans, doubled, shared, by_name and bool(label_of)), inside)


def _with_other_case(images: tuple[str, ...], found: Pairs, inside: str) -> Pairs:
    """The same with the label files that are left over, where just one image that has none is called so in other case.

    Cameras write C0.JPG, and tools c0.txt; on Windows and macOS they are found all the same.
    """
    if not found.orphans or len(found.label_of) == len(images):
        return found
    left: dict[str, list[str]] = {}
    for label in found.orphans:
        left.setdefault(pairing_key(label.removeprefix(inside), LABEL_FOLDERS).casefold(), []).append(label)
    called: dict[str, list[str]] = {}
    for image in images:
        if image not in found.label_of and (key := pairing_key(image, IMAGE_FOLDERS).casefold()) in left:
            called.setdefault(key, []).append(image)
    more = {own[0]: left[key][0] for key, own in called.items() if len(own) == 1 and len(left[key]) == 1}
    if not more:
        return found
    used = set(more.values())
    orphans = tuple(label for label in found.orphans if label not in used)
    return replace(found, label_of={**found.label_of, **more}, orphans=orphans, by_case=tuple(more))


def _one_to_one(images: Sequence[str], labels: Sequence[str], inside: str) -> Pairs | None:
    """The pairs where in each folder the n-th label is the n-th image's, as in most sets; None for all others."""
    runs: dict[str, Sequence[str]] = {}
    for folder, own in _by_folder(labels):
        if runs.setdefault(pairing_key(f"{folder}x.y".removeprefix(inside), LABEL_FOLDERS), own) is not own:
            return None
    label_of: dict[str, str] = {}
    seen: set[str] = set()
    for folder, here in _by_folder(images):
        key = pairing_key(f"{folder}x.y", IMAGE_FOLDERS)
        found = runs.pop(key, ())
        if key in seen or (found and not _are_called_so(found, folder, here)):
            return None
        seen.add(key)
        label_of.update(zip(here, found, strict=False))
    return Pairs(label_of, (*chain.from_iterable(runs.values()),), {}, {}, by_name=False) if label_of else None


def _by_folder(names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Runs of names in the same folder, with that; of sorted names in few folders hardly one is looked at by itself."""
    at = 0
    for _ in range(_FEW):
        if at == len(names):
            return
        folder = _folder_of(names[at])
        end = bisect_left(names, folder + _LAST, at + 1) if folder else len(names)
        run, text = names[at:end], _END.join(names[at:end])
        if text.count("/") > folder.count("/") * len(run) or text.count(_END + folder) != len(run) - 1:
            run = [*next(groupby(run, _folder_of))[1]]
        yield folder, run
        at += len(run)
    for folder, rest in groupby(names[at:], _folder_of):
        yield folder, [*rest]


def _are_called_so(labels: Sequence[str], folder: str, images: Sequence[str]) -> bool:
    """Whether the labels are those of the images of a folder in their order, all named as the first one is."""
    begin, end, picture = _folder_of(labels[0]), _ending(labels[0]), _ending(images[0])
    text = f"{_END}{_END.join(images)}{_END}"
    if text.count(picture + _END) < len(images):  # some end otherwise
        return [begin + each[len(folder) : each.rindex(".")] + end for each in images] == [*labels]
    wanted = text.replace(_END + folder, _END + begin).replace(picture + _END, end + _END)
    return wanted == f"{_END}{_END.join(labels)}{_END}"


def _ending(name: str) -> str:
    return name[name.rindex(".") :]


_END = "\0"  # stands in no file's name
_LAST = chr(sys.maxunicode)
_FEW = 16


_NOWHERE: list[tuple[str, str]] = []


_Found = tuple[dict[str, str], dict[str, tuple[str, ...]], dict[str, str]]


def _pair_by_path(images: tuple[str, ...], uses: dict[str, int], inside: str) -> _Found:
    """Label by image; images by a label that several share; labels that come second for their image.

    Folders are brought together first, so that of each image only its own name has to be looked up.
    """
    beginnings = _beginnings(uses, inside)
    label_of: dict[str, str] = {}
    doubled: dict[str, str] = {}
    odd = {pairing_key(label.removeprefix(inside), LABEL_FOLDERS): label for label in uses if not label.isascii()}
    for folder, run in groupby(images, _folder_of):
        cut, here = len(folder), list(run)
        places = beginnings.get(pairing_key(f"{folder}x.y", IMAGE_FOLDERS)[:-1], _NOWHERE)
        found: dict[str, str] = {}
        for begin, end in places:
            more = {each: label for each in here if (label := begin + each[cut : each.rindex(".")] + end) in uses}
            doubled |= {more[each]: found[each] for each in found.keys() & more.keys()}
            found = more | found
        if odd:
            named = {each: odd.get(pairing_key(each, IMAGE_FOLDERS)) for each in here if not each.isascii()}
            found = {each: label for each, label in named.items() if label} | found
        label_of |= found
    uses |= Counter(label_of.values())
    shared: dict[str, tuple[str, ...]] = {}
    if len(label_of) > len(set(label_of.values())):
        for image, label in sorted(label_of.items()):
            if uses[label] > 1:
                shared[label] = (*shared.get(label, ()), image)
    return label_of, shared, doubled


def _folder_of(name: str) -> str:
    """The folder of a file, with a slash at its end; empty where it is in none."""
    return name[: name.rfind("/") + 1]


def _beginnings(labels: Iterable[str], inside: str) -> dict[str, list[tuple[str, str]]]:
    """By what a folder of images and one of labels have in common: how the names of its labels begin and end."""
    folders: set[tuple[str, str]] = set()
    folder, ending = None, ""
    for label in labels:  # sorted, so that most come after one of the same folder
        cut = label.rfind("/") + 1
        if label[:cut] != folder or not label.endswith(ending):
            folder, ending = label[:cut], label[label.rindex(".") :]
            folders.add((folder, ending))
    found: dict[str, list[tuple[str, str]]] = {}
    for folder, ending in sorted(folders):
        key = pairing_key(f"{folder}x.y".removeprefix(inside), LABEL_FOLDERS)[:-1]
        found.setdefault(key, []).append((folder, ending))
    return found


def _pair_by_name(images: tuple[str, ...], uses: dict[str, int]) -> _Found:
    """The same by the names alone; a name that two labels have, or images in two folders, fits none."""
    by_key: dict[str, list[str]] = {}
    for image in images:
        by_key.setdefault(pairing_key(image, IMAGE_FOLDERS), []).append(image)
    by_stem: dict[str, list[list[str]]] = {}
    for key, found in by_key.items():
        by_stem.setdefault(key.rpartition("/")[2], []).append(found)
    stems = {label: pairing_key(label, LABEL_FOLDERS).rpartition("/")[2] for label in uses}
    count = Counter(stems.values())
    label_of: dict[str, str] = {}
    shared: dict[str, tuple[str, ...]] = {}
    for label, stem in stems.items():
        if count[stem] == 1 and len(by_stem.get(stem, ())) == 1:
            matches = by_stem[stem][0]
            uses[label] = len(matches)
            label_of |= dict.fromkeys(matches, label)
            if len(matches) > 1:
                shared[label] = tuple(matches)
    return label_of, shared, {}
