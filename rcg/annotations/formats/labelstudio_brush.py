"""Masks that were painted in Label Studio.

They are packed by the scheme of the JavaScript package @thi.ng/rle-pack: the number of values in 32 bits, the bits of a
value less one in 5, four sizes of counts less one in 4 bits each; then runs of one value or lists of values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.checks import Unusable
from rcg.images import Size

_BROKEN = "the painted mask is cut off or not packed as Label Studio does it; paint it again"
_CHANNELS = 4  # red, green, blue and how opaque, which is what counts


def decoded_brush(packed: Any, size: Size) -> NDArray[np.bool_]:
    """The (h, w) pixels that were painted.

    Args:
        packed: The bytes, as a list of numbers from 0 to 255.
        size: The image's.

    Raises:
        Unusable: If they are no such bytes, or do not fit the image.
    """
    try:
        data = bytes(packed)
    except (TypeError, ValueError) as error:
        raise Unusable(_BROKEN) from error
    bits = _Bits(data)
    count = bits.read(32)
    if count != size.width * size.height * _CHANNELS:
        raise Unusable(f"the painted mask has {count:,} values, which do not fit the image; paint it again")
    width = bits.read(5) + 1
    counts = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        same = bits.read(1)
        end = at + 1 + bits.read(counts[bits.read(2)])
        if end > count:
            raise Unusable(_BROKEN)
        if same:
            values[at:end] = bits.read(width) & 0xFF
        else:
            values[at:end] = [bits.read(width) & 0xFF for _ in range(end - at)]
        at = end
    return np.asarray(values.reshape(size.height, size.width, _CHANNELS)[:, :, 3] > 0)


class _Bits:
    """A run of bits, highest first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, bits: int) -> int:
        """The next bits as a number."""
        first, last = self._at // 8, (self._at + bits + 7) // 8
        if last > len(self._data):
            raise Unusable(_BROKEN)
        value = int.from_bytes(self._data[first:last], "big") >> (8 * last - self._at - bits)
        self._at += bits
        return value & ((1 << bits) - 1)
