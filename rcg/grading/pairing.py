"""Which pictures of a folder are the front and the back of one card, told from their names.

- `card7_front.jpg` and `card7_back.jpg`; also with a space, a dash or a dot, in any case.
- `card7_f.jpg` and `card7_b.jpg`, where both are there: alone, either is a name like any other.
- `front/card7.jpg` and `back/card7.jpg`: folders of these names side by side (or `fronts` and `backs`).
- Every other picture is the front of a card of its own name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rcg.errors import DataError
from rcg.images import is_image_name, list_images

RULE = "pairs are told by name: a_front and a_back, a_f and a_b, or folders front/ and back/"

_LONG = re.compile(r"^(?P<card>.+?)[ _.-]+(?P<side>front|back)$", re.IGNORECASE)
_SHORT = re.compile(r"^(?P<card>.+?)[ _.-]+(?P<side>f|b)$", re.IGNORECASE)
_FOLDERS = {"front": "front", "fronts": "front", "back": "back", "backs": "back"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The pictures of one card.

    Attributes:
        name: What the card is called, fit for a file's name and unlike all others.
        front: The picture of its front; None where only a back was found.
        back: The picture of its back.
    """

    name: str
    front: Path | None
    back: Path | None = None


def pairs(pictures: str | Path | Sequence[str | Path]) -> tuple[Pair, ...]:
    """The cards of a folder, or of a list of pictures, by the order of their names.

    Args:
        pictures: A folder, with all folders in it; or pictures.

    Raises:
        DataError: If there is no picture.
        RcgError: If the folder cannot be read.
    """
    if isinstance(pictures, str | Path):
        root = Path(pictures).expanduser()
        files = [(name, root / name) for name in list_images(root)]
    else:
        given = [Path(each).expanduser() for each in pictures]
        root = Path(os.path.commonpath([each.absolute().parent for each in given])) if given else Path()
        files = []
        for each in given:
            inside = [each / name for name in list_images(each)] if each.is_dir() else [each]
            files += [(path.absolute().relative_to(root).as_posix(), path) for path in inside]
    if not files:
        what = "there is no picture to grade"
        if isinstance(pictures, str | Path) and not any(Path(pictures).expanduser().iterdir()):
            what = "the folder is empty: there is no picture to grade"
        raise DataError(what, where=pictures if isinstance(pictures, str | Path) else None,
                        fix="name a folder that holds .jpg, .png, .tif, .webp or .heic files, or pictures")  # fmt: skip
    return _unlike(_paired(sorted(dict(files).items())))


def _paired(files: Iterable[tuple[str, Path]]) -> list[Pair]:
    every = list(files)
    stems = {_stem(name).lower() for name, _ in every}
    found: dict[str, dict[str, Path]] = {}
    alone: list[Pair] = []
    for name, path in every:
        card, side = _told(_stem(name), stems)
        if side in found.get(card, {}):
            alone.append(Pair(name=_stem(name), front=path))  # the same side twice, as .jpg and .png
        else:
            found.setdefault(card, {})[side] = path
    both = [Pair(name=card, front=sides.get("front"), back=sides.get("back")) for card, sides in found.items()]
    return [*both, *alone]


def _stem(name: str) -> str:
    folder, _, file = name.rpartition("/")
    stem = file[: file.rindex(".")] if is_image_name(file) and "." in file else file
    return f"{folder}/{stem}" if folder else stem


def _told(stem: str, stems: set[str]) -> tuple[str, str]:
    """The card and the side that a name tells."""
    *folders, last = stem.split("/")
    for at in range(len(folders) - 1, -1, -1):
        side = _FOLDERS.get(folders[at].lower())
        if side is not None:
            return "/".join([*folders[:at], *folders[at + 1 :], last]), side
    above = "".join(f"{each}/" for each in folders)
    match = _LONG.match(last)
    if match is not None:
        return above + match["card"], match["side"].lower()
    match = _SHORT.match(last)
    if match is not None:
        other = "b" if match["side"].lower() == "f" else "f"
        if f"{above}{last[:-1]}{other}".lower() in stems:
            return above + match["card"], "front" if match["side"].lower() == "f" else "back"
    return stem, "front"


def _unlike(found: Iterable[Pair]) -> tuple[Pair, ...]:
    """The same with names that can be files' names and stand there once; case does not tell two apart."""
    taken: set[str] = set()
    named = []
    for each in sorted(found, key=lambda pair: (pair.name, str(pair.front or pair.back))):
        plain = re.sub(r"[^\w.-]+", "_", each.name.replace("/", "_")).strip("._")[:120] or "card"
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        named.append(replace(each, name=name))
    return tuple(named)
