"""Many YOLO label files at a time, as columns of numbers.

Plain numbers are read all at once, those with other blanks between them as a JSON array, several times faster than by
Python's float; whatever is not plain is left to the exact reader, which knows line numbers and reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints, spans
from rcg.annotations.columns import Columns, Marks, Outlines, boxes_inside, rings_inside
from rcg.annotations.decimals import read_decimals

_PLAIN = b"0123456789.eE+- \n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """The numbers of label files.

    Attributes:
        counts: (n,) lines of each file.
        lengths: (m,) numbers of each line.
        numbers: All numbers, line after line.
        odd: (n,) files that hold something else than numbers; they have no lines here.
    """

    counts: Ints
    lengths: Ints
    numbers: Floats
    odd: Marks


def read_lines(files: Sequence[bytes]) -> Lines:
    r"""The numbers of label files, by their content.

    Example:
        >>> found = read_lines([b"0 .5 0.5 1e-1 0.2\n", b"", b"no numbers"])
        >>> found.counts.tolist(), found.numbers.tolist(), found.odd.tolist()
        ([1, 0, 0], [0.0, 0.5, 0.5, 0.1, 0.2], [False, False, True])
    """
    texts = [each.strip() for each in files]
    counts = [text.count(b"\n") + 1 if text else 0 for text in texts]
    odd = np.zeros(len(texts), np.bool_)
    quick = _at_once(b"\n".join([text for text in texts if text]), sum(counts))
    if quick is not None:
        return Lines(counts=np.array(counts, np.int64), lengths=quick[0], numbers=quick[1], odd=odd)
    rows = _rows(b"\n".join([text for text in texts if text]))
    if rows is None or len(rows) != sum(counts):  # something in one of them; the others are as quick as before
        each = [_rows(text) or _slowly(text) for text in texts]
        odd[:] = [found is None for found in each]
        counts = [len(found or ()) for found in each]
        rows = [row for found in each if found for row in found]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    numbers = np.fromiter(chain.from_iterable(rows), np.float64, int(lengths.sum()))
    return Lines(counts=np.array(counts, np.int64), lengths=lengths, numbers=numbers, odd=odd)


def _at_once(text: bytes, lines: int) -> tuple[Ints, Floats] | None:
    """How many numbers each line has, and all numbers, where one blank stands between them; None for anything else."""
    if not lines or text.translate(None, _PLAIN):
        return None
    found = read_decimals(text)
    return None if found is None or len(found[1]) != lines else (found[1], found[0])


def _rows(text: bytes) -> list[list[float]] | None:
    """The numbers of each line; None where JSON would not take them."""
    if not text:
        return []
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \n", b"\n").replace(b"\n ", b"\n")
    if text.translate(None, _PLAIN) or b"\n\n" in text:
        return None
    try:
        return list(orjson.loads(b"[[%b]]" % text.replace(b"\n", b"],[").replace(b" ", b",")))
    except orjson.JSONDecodeError:
        return None


def _slowly(text: bytes) -> list[list[float]] | None:
    """The same for numbers such as .5 and +0.1, for blank lines and a byte-order mark; None for anything else."""
    text = text.removeprefix(_BOM)
    if text.translate(None, _PLAIN + b"\r\t"):
        return None
    try:
        return [[float(part) for part in line.split()] for line in text.splitlines() if line.strip()]
    except ValueError:
        return None


def columns(lines: Lines, sizes: NDArray[np.int32], *, classes: int, need_score: bool) -> Columns:
    """Boxes, scores and outlines in pixels.

    Args:
        lines: The numbers of n label files: `class x y width height`, or `class x1 y1 x2 y2 x3 y3 ...`, perhaps with a
            score at the end.
        sizes: (n, 2) width and height of the images in pixels.
        classes: How many classes there are.
        need_score: Whether a label without a score is refused.
    """
    lengths, numbers = lines.lengths, np.append(lines.numbers, np.zeros(5))  # so that a short line has five numbers
    starts = np.cumsum(lengths) - lengths
    if len(lengths) and (lengths == lengths[0]).all() and lengths[0] >= 5:
        first = lines.numbers.reshape(len(lengths), -1)[:, :5]
    else:
        first = numbers[starts[:, None] + np.arange(5)]
    number, values, scored = first[:, 0], first[:, 1:], (lengths % 2 == 0) & (lengths > 5)
    scores = np.where(scored, numbers[starts + lengths - 1], np.nan) if scored.any() else None
    refused = (lengths < 5) | (number < 0) | (number >= classes) | (number != np.floor(number))
    if len(values) and not (values.max() <= 2 and values.min() >= -1):
        refused |= ~((values <= 2).all(axis=1) & (values >= -1).all(axis=1))
    if scores is not None:
        refused |= scored & ~((scores >= 0) & (scores <= 1))
    if need_score:
        refused |= ~scored
    if not np.isfinite(lines.numbers).all():
        refused |= np.add.reduceat(~np.isfinite(lines.numbers), starts, dtype=np.int64) > 0
        values = np.where(np.isfinite(values), values, 0.0)
    size = np.repeat(sizes.astype(np.float64), lines.counts, axis=0)
    middle, extent = values[:, :2], values[:, 2:]
    begin = (middle - extent / 2) * size
    boxes, out, clipped = boxes_inside(np.hstack([begin, begin + extent * size]), size)
    flat = (lengths <= 6) & (extent <= 0).any(axis=1)
    outlines, rings = None, np.flatnonzero(~refused & (lengths > 6))
    boxed = lengths <= 6
    refused |= boxed & (out | flat)
    clipped &= boxed
    if len(rings):
        count = (lengths[rings] - 1) // 2
        points = numbers[spans(starts[rings] + 1, 2 * count)].reshape(-1, 2) * np.repeat(size[rings], count, axis=0)
        points, count, boxes[rings], areas, refused[rings], clipped[rings] = rings_inside(points, count, size[rings])
        outlines = Outlines(points=points, lengths=count, rows=rings, areas=areas)
    return Columns(
        counts=lines.counts,
        classes=np.where(refused, 0, number).astype(np.int32),
        boxes=boxes,
        refused=refused,
        clipped=clipped,
        scores=scores,
        outlines=outlines,
    )
