"""Many decimal numbers at a time: digits as integers, in columns, twice as fast as a JSON parser and its floats."""

from __future__ import annotations

import numpy as np
import orjson
from numpy.typing import NDArray

_STRETCH = 1 << 17
_MOST_DIGITS = 15
_COMMAS = bytes.maketrans(b" \n", b",,")
_DOT, _ZERO, _BLANK, _BREAK = b".0 \n"


def read_decimals(text: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    r"""The numbers of a text, and how many each line has; None where not just numbers stand there, one blank between.

    Each is the double nearest to what is written, as `float` gives it: with at most 15 digits, the digits without the
    point and the power of ten below them are whole numbers that a double holds, so one division rounds once.

    Args:
        text: Lines of numbers, none of them empty; other characters than those of numbers are for the caller to refuse.

    Example:
        >>> numbers, counts = read_decimals(b"3 0.125 1e-3\n12.5")
        >>> numbers.tolist(), counts.tolist()
        ([3.0, 0.125, 0.001, 12.5], [3, 1])
        >>> read_decimals(b"1  2") is None
        True
    """
    found, counts = [np.zeros(0)], [np.zeros(0, np.int64)]
    at = 0
    while at < len(text):  # by stretches that stay in the processor's cache
        end = text.find(b"\n", at + _STRETCH)
        end = len(text) if end < 0 else end
        part = text[at:end]
        marks = np.frombuffer(part, np.uint8)
        blanks = np.flatnonzero(marks <= _BLANK)
        numbers = _by_length(part, np.append(blanks, len(part)))
        numbers = _as_json(part) if numbers is None else numbers
        if numbers is None or len(numbers) != len(blanks) + 1:
            return None
        found.append(numbers)
        counts.append(np.diff(np.flatnonzero(marks[blanks] == _BREAK), prepend=-1, append=len(blanks)))
        at = end + 1
    return np.concatenate(found), np.concatenate(counts)


def _by_length(text: bytes, ends: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Numbers without sign and exponent, with the point behind their first digit or none; None for others."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    if lengths.max() > _MOST_DIGITS + 1:
        return None
    numbers = np.empty(len(ends))
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        here = np.flatnonzero(lengths == length)
        values = _values(_pieces(text, starts[here], length)) if length else None
        if values is None:
            return None
        numbers[here] = values
    return numbers


def _pieces(text: bytes, starts: NDArray[np.int64], length: int) -> NDArray[np.uint8]:
    """The characters of pieces of one length, one column each."""
    windows = np.ndarray((len(text) - length + 1,), f"V{length}", text, strides=(1,))
    return np.ascontiguousarray(windows[starts].view(np.uint8).reshape(-1, length).T)


def _values(written: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """The numbers that columns of characters stand for."""
    length = len(written)
    digits = written - np.uint8(_ZERO)
    places, divisor = range(length), 1
    if length > 1 and (written[1] == _DOT).all():
        places, divisor = range(1, length), 10 ** (length - 2)
        digits[1] = digits[0]
    if length > _MOST_DIGITS + (divisor > 1) or digits[places[0] :].max() > 9:
        return None
    whole = digits[places[0]].astype(np.uint32 if len(places) <= 9 else np.int64)
    for place in places[1:]:
        whole *= 10
        whole += digits[place]
    return np.asarray(whole / divisor)


def _as_json(text: bytes) -> NDArray[np.float64] | None:
    try:
        return np.array(orjson.loads(b"[%b]" % text.translate(_COMMAS)), np.float64)
    except (orjson.JSONDecodeError, OverflowError):  # two blanks, or a number as JSON does not have it
        return None
