"""Reads the annotations of a COCO file that RCG wrote as columns, a stretch of lines at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from rcg.annotations.annotation_columns import AnnotationColumns, ColumnBuilder
from rcg.annotations.block import Floats, Ints
from rcg.annotations.formats.coco_own import NotOwn

_CATEGORIES, _IMAGES, _ANNOTATIONS, _END = b'"categories":[', b'"images":[', b'"annotations":[', b"]}\n"
_STRETCH = 1 << 20  # bytes; parsed, they take some ten times as much

_ONCE = (b'{"id":', b',"image_id":', b',"bbox":[', b'],"area":', b',"segmentation":[],"iscrowd":0')
_NEVER = (b'"keypoints":', b"e-", b"e+")  # an exponent would lose its letter
_WORDS = b'abcdefghijklmnopqrstuvwxyz_"{}[]:'

Entries = dict[int, list[dict[str, Any]]]


def own_columns(
    path: Path, image_ids: Sequence[int], classes: Sequence[str], *, apart: Collection[int] = ()
) -> tuple[AnnotationColumns, tuple[str, ...], Entries]:
    """The annotations of a file that `CocoWriter` wrote.

    Args:
        path: The file.
        image_ids: The ids of its images, in the order of the rows that are wanted.
        classes: The classes whose index is wanted; those that only the file has follow behind them.
        apart: Rows whose annotations are to be kept out of the columns.

    Returns:
        The columns, all classes, and what was kept apart: the entries as they stand there, by row.

    Raises:
        NotOwn: If the file has other lines.
    """
    ids = np.asarray(image_ids, np.int64)
    order = np.argsort(ids, kind="stable")
    builder, kept = ColumnBuilder(), Entries()
    aside = np.zeros(len(ids), np.bool_)
    aside[list(apart)] = True
    try:
        with path.open("rb") as file:
            named = _categories(file)
            names = tuple(dict.fromkeys([*classes, *named.values()]))
            index = {number: names.index(name) for number, name in named.items()}
            for text in _stretches(file):
                if (plain := _plain(text)) is not None:
                    rows = _rows(plain[:, 1], ids, order)
                    if not aside[rows].any():
                        builder.add_boxes(plain[:, 3:], rows, [index[number] for number in plain[:, 2]])
                        continue
                entries = orjson.loads(b"[" + text + b"]")
                rows = _rows([each["image_id"] for each in entries], ids, order)
                for place in np.flatnonzero(aside[rows]).tolist():
                    kept.setdefault(int(rows[place]), []).append(entries[place])
                inside = np.flatnonzero(~aside[rows])
                builder.add_entries([entries[place] for place in inside.tolist()], rows[inside], index)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise NotOwn from error
    made = builder.made(len(ids))
    if not (np.isfinite(made.boxes).all() and (made.boxes[:, 2:] > 0).all()):
        raise NotOwn  # changed by hand: the full reader says where
    return made, names, kept


def _plain(text: bytes) -> Floats | None:
    """Entries that are boxes alone, as numbers: what stands between these is taken out, five times as fast as parsing.

    Returns:
        (k, 9): id, image id, category id, x, y, width, height, area, 0; (k, 10) with a score; None for other entries.
    """
    count = text.count(b"\n") + 1
    if any(text.count(each) != count for each in _ONCE) or any(each in text for each in _NEVER):
        return None
    text = text.translate(None, delete=_WORDS).replace(b",,", b",")
    values = np.array(orjson.loads(b"[" + text + b"]"), np.float64)
    wide, rest = divmod(len(values), count)
    return values.reshape(-1, wide) if rest == 0 and wide in (9, 10) else None


def _rows(image_ids: Sequence[int] | Floats, ids: Ints, order: Ints) -> Ints:
    wanted = np.asarray(image_ids, np.int64)
    if not len(ids):
        raise NotOwn
    places: Ints = order[np.searchsorted(ids, wanted, sorter=order).clip(0, len(ids) - 1)]
    if (ids[places] != wanted).any():
        raise NotOwn  # an annotation of no image
    return places


def _categories(file: IO[bytes]) -> Mapping[int, str]:
    """Class by category id; the file then stands behind its list of images."""
    between: list[bytes] | None = None
    named: dict[int, str] = {}
    for line in file:
        if line.startswith(_CATEGORIES):
            between = [line.removeprefix(_CATEGORIES)]
        elif line.startswith(_IMAGES):
            text = b"".join(between or ()).rstrip(b"],\n")
            named = {each["id"]: each["name"] for each in orjson.loads(b"[" + text + b"]")}
            between = None
        elif line.startswith(_ANNOTATIONS):
            rest = line.removeprefix(_ANNOTATIONS)
            file.seek(-len(rest), 1)
            return named
        elif between is not None:
            between.append(line)
    raise NotOwn


def _stretches(file: IO[bytes]) -> Iterator[bytes]:
    """Some thousands of entries at a time, with commas between them."""
    ended = False
    while lines := file.readlines(_STRETCH):
        text = b"".join(lines)
        ended = text.endswith(_END)
        yield text.removesuffix(_END).rstrip(b",\n")
    if not ended:
        raise NotOwn
