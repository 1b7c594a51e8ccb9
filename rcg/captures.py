"""The captures of a dataset: a folder a card under `captures`, with a frame for each light."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rcg.datasets import Dataset
from rcg.errors import ConfigError
from rcg.images import Pixels
from rcg.photometric.types import Capture

FOLDER = "captures"
_NAME = re.compile(r"\w[\w .~-]*")
_TONES = 4096


def captures(dataset: Dataset) -> tuple[str, ...]:
    """The cards, or sides of cards, that a dataset has frames of, sorted; each is the name of a folder."""
    home = dataset.path / FOLDER
    if not home.is_dir():
        return ()
    return tuple(sorted(each.name for each in home.iterdir() if each.is_dir() and not each.name.startswith(".")))


def capture_folder(dataset: Dataset, card: str) -> Path:
    """Where the frames of a card stand, or would stand; read them with `rcg.photometric.reading.read_capture`.

    Raises:
        ConfigError: If the name cannot be that of a folder.
    """
    if not _NAME.fullmatch(card):
        fix = "use letters, digits, blanks, dots, dashes and underscores, such as card_0012_front"
        raise ConfigError(f"{card!r} cannot be the name of a capture", fix=fix)
    return dataset.path / FOLDER / card


def mean_picture(capture: Capture) -> Pixels:
    """One picture of a capture, as if all lights were on: what people label, and what a detector without frames sees.

    Args:
        capture: The frames, (k, h, w) or (k, h, w, 3).

    Returns:
        (h, w, 3) uint8 sRGB; 99.5 % of its values lie below the brightest tone.
    """
    if capture.images.dtype.kind == "f":
        whole = np.rint(capture.images * (65535 / capture.full_scale)).astype(np.uint64)
    else:
        whole = capture.images.astype(np.uint64)
    total = whole.sum(axis=0)  # whole numbers: the same on every machine
    counts = np.sort(total.reshape(-1))
    low, high = int(counts[int(0.001 * (len(counts) - 1))]), int(counts[int(0.995 * (len(counts) - 1))])
    clipped = np.clip(total, low, max(high, low + 1)) - np.uint64(low)
    share = clipped * np.uint64(_TONES - 1) // np.uint64(max(high, low + 1) - low)
    light = np.arange(_TONES) / (_TONES - 1)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    picture = np.rint(np.rint(coded * 2**24) / 2**24 * 250).astype(np.uint8)[share]
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
