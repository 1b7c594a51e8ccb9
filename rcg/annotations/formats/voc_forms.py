"""Pascal VOC objects that are all written alike, as one tool writes them: their places are counted, not searched.

From one object it is learnt what stands between the texts of its elements. Where the same stands at the same "<" of
every object, counted from the beginning of a file, the texts are between; that is looked up for many files at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints
from rcg.annotations.columns import Marks

CORNERS = (b"xmin", b"ymin", b"xmax", b"ymax")
MARKS = (b"difficult", b"truncated", b"occluded")
_LEAF = re.compile(rb"<([a-z]+)>([^<]*)</\1>")
_END = re.compile(rb"\s*</annotation>\s*", re.ASCII)
_NO_NUMBER = re.compile(rb"[^0-9.,\- \t\r\n]")
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a tool writes objects.

    Attributes:
        keys: The elements with text in them, in order.
        pieces: What stands before each of their texts.
        between: What stands behind the last text of an object and before the next object.
        end: What stands behind the last text of the last object of a file.
    """

    keys: tuple[bytes, ...]
    pieces: tuple[bytes, ...]
    between: bytes
    end: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Same:
    """The objects of those of n files that are written alike.

    Attributes:
        counts: (n,) objects of each file.
        names: m names.
        corners: (m, 4) left, top, right and bottom in pixels.
        marks: (n,) a bit for each of `MARKS` that is set in a file.
        others: The places of the other files.
    """

    counts: Ints
    names: Sequence[bytes]
    corners: Floats
    marks: NDArray[np.uint8]
    others: Ints


def learnt(first: bytes, file: bytes) -> Form | None:
    """How objects are written.

    Args:
        first: The first object, with the white space behind it.
        file: The file from there on.
    """
    leaves = list(_LEAF.finditer(first))
    keys = tuple(leaf[1] for leaf in leaves)
    begins = [0, *(leaf.end(2) for leaf in leaves)]
    pieces = tuple(first[begin : leaf.start(2)] for begin, leaf in zip(begins, leaves, strict=False))
    between = first[begins[-1] :]
    end = file[max(file.rfind(between.rstrip()), 0) :]
    if len(set(keys)) < len(keys) or not {b"name", *CORNERS}.issubset(keys):
        return None
    return Form(keys=keys, pieces=pieces, between=between, end=end) if _is_end(end, between) else None


def _is_end(end: bytes, between: bytes) -> bool:
    return _END.fullmatch(end, len(between.rstrip())) is not None


def alike(files: Sequence[bytes], form: Form | None) -> Same:
    """The objects of the files that are written in a form; the others are left for a closer look.

    Args:
        files: What stands behind the head of each.
        form: The form; None leaves all.
    """
    text = b"".join(files)
    placed = _placed(text, list(map(len, files)), form) if form is not None and _is_clean(text) else None
    if form is None or placed is None:
        return _none(len(files))
    counts, opens = placed
    begins = [opens[:, number] + len(piece) for number, piece in enumerate(form.pieces)]
    ends = [opens[:, number] for number in range(1, opens.shape[1])]
    place = {key: number for number, key in enumerate(form.keys)}
    sides = [place[key] for key in CORNERS]
    numbers = _numbers(text, np.concatenate([begins[k] for k in sides]), np.concatenate([ends[k] for k in sides]))
    if numbers is None:
        return _none(len(files))
    marks = np.zeros(len(files), np.uint8)
    owners = np.repeat(np.arange(len(files)), counts)
    for bit, key in enumerate(MARKS):
        if key in place:
            marks[owners[_are_set(text, begins[place[key]], ends[place[key]])]] |= 1 << bit
    return Same(
        counts=counts,
        names=_cut(text, begins[place[b"name"]], ends[place[b"name"]]),
        corners=np.ascontiguousarray(numbers.reshape(4, -1).T),
        marks=marks,
        others=np.flatnonzero(counts == 0),
    )


def _none(files: int) -> Same:
    return Same(
        counts=np.zeros(files, np.int64),
        names=(),
        corners=np.zeros((0, 4)),
        marks=np.zeros(files, np.uint8),
        others=np.arange(files),
    )


def _is_clean(text: bytes) -> bool:
    """Whether no entity can stand in a text, and nothing that XML forbids."""
    characters = np.frombuffer(text, np.uint8)
    spaces = sum(np.count_nonzero(characters == space) for space in b"\t\r\n")
    return b"&" not in text and b"]]>" not in text and np.count_nonzero(characters < ord(" ")) == spaces


def _placed(text: bytes, lengths: Sequence[int], form: Form) -> tuple[Ints, Ints] | None:
    """Objects of each file, 0 where it is not in the form, and for each of them where its pieces begin."""
    files = np.cumsum([0, *lengths])
    opens = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("<"))
    steps = np.cumsum([0, *(piece.count(b"<") for piece in (*form.pieces, form.between))])
    first = np.searchsorted(opens, files)
    counts, rest = np.divmod(np.diff(first) - 1, steps[-1])
    counts[(rest != 0) | (np.diff(files) == 0)] = 0
    for _ in range(2):  # the second time without the files in which something else stands
        owners, lasts = np.repeat(np.arange(len(counts)), counts), np.cumsum(counts)
        if not len(owners):
            return None
        within = np.arange(len(owners)) - np.repeat(lasts - counts, counts)
        places = opens[(first[owners] + within * steps[-1])[:, None] + steps[:-1]]
        fits = _fit(text, places, form, begins=files[owners], ends=files[owners + 1], lasts=lasts[counts > 0] - 1)
        if fits.all():
            break
        counts[owners[~fits]] = 0
    return counts, places


def _fit(text: bytes, places: Ints, form: Form, *, begins: Ints, ends: Ints, lasts: Ints) -> Marks:
    """Which objects are written in the form, with nothing between them and before and behind them in their files."""
    last = np.zeros(len(places), np.bool_)
    last[lasts] = True
    following = np.where(last, ends, np.append(places[1:, 0], 0))
    preceding = np.append(True, last[:-1])
    fits = ~preceding | (places[:, 0] == begins)
    for number, piece in enumerate(form.pieces):
        fits &= _stands(text, piece, places[:, number])
    behind = places[:, -1]
    fits[last] &= _stands(text, form.end, behind[last]) & (behind[last] + len(form.end) == following[last])
    fits[~last] &= _stands(text, form.between, behind[~last]) & (behind[~last] + len(form.between) == following[~last])
    return np.asarray(fits)


def _stands(text: bytes, piece: bytes, places: Ints) -> Marks:
    """Whether a piece of text stands at places."""
    inside = places <= len(text) - len(piece)
    if len(text) < len(piece) or not len(places):
        return np.zeros(len(places), np.bool_)
    windows = np.ndarray((len(text) - len(piece) + 1,), f"V{len(piece)}", text, strides=(1,))
    found = windows[np.minimum(places, len(windows) - 1)]
    if found.tobytes() == piece * len(places):
        return inside
    rows = found.view(np.uint8).reshape(-1, len(piece))
    return np.asarray(inside & (rows == np.frombuffer(piece, np.uint8)).all(axis=1))


def _cut(text: bytes, begins: Ints, ends: Ints) -> list[bytes]:
    return [text[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


def _are_set(text: bytes, begins: Ints, ends: Ints) -> Marks:
    """Which of some marks are 1."""
    lengths = ends - begins
    found = (lengths == 1) & (np.frombuffer(text, np.uint8)[begins] == ord("1"))
    for place in np.flatnonzero(lengths > 1).tolist():
        found[place] = text[begins[place] : ends[place]].strip() == b"1"
    return np.asarray(found)


def _numbers(text: bytes, begins: Ints, ends: Ints) -> Floats | None:
    """The numbers between places; None where something else stands there."""
    lengths = ends - begins
    most = int(lengths.max())
    values = np.zeros(len(begins), np.int32)
    if most > _MOST_DIGITS or not lengths.min():
        return _any_numbers(text, begins, ends)
    characters = np.frombuffer(text, np.uint8)
    for place in range(most):
        digits = characters[begins + place] - np.uint8(ord("0"))  # behind a number stands more than this, its tag
        inside = lengths > place
        if (digits[inside] > 9).any():
            return _any_numbers(text, begins, ends)
        values = np.where(inside, values * 10 + digits, values)
    return values.astype(np.float64)


def _any_numbers(text: bytes, begins: Ints, ends: Ints) -> Floats | None:
    """The same for numbers with a sign or a point, and blanks around them."""
    joined = b",".join(_cut(text, begins, ends))
    if _NO_NUMBER.search(joined) or joined.count(b",") != len(begins) - 1:
        return None
    try:
        return np.array(orjson.loads(b"[%b]" % joined), np.float64)
    except orjson.JSONDecodeError:  # such as 007
        return None
