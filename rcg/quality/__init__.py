"""The quality of a dataset's images: too small, blurred, badly lit, no card seen, there twice. It only flags."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rcg.datasets import Dataset
from rcg.errors import RcgError
from rcg.files import Stamp, stamp_of
from rcg.images import read_image, read_size
from rcg.places import says_place
from rcg.progress import Report, Tick, silent
from rcg.quality.duplicates import duplicates
from rcg.quality.limits import LIMITS, Limits
from rcg.quality.measures import LONGEST, brightness, card_seen, grey_of, lights, sharpness, thumbnail
from rcg.quality.store import Measured, read_measured, write_measured

TASK = "looking at the images"
FLAGS: Mapping[str, str] = {
    "too_small": "too small to show fine damage",
    "blurred": "blurred",
    "underexposed": "too dark",
    "overexposed": "too bright",
    "glare": "light reflected",
    "no_card": "no card seen",
    "duplicate": "the same photo as another one",
    "gps": "says where it was taken",
}
"""All flags, each in words that a reader knows."""

_RUN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuality:
    """What one image is like.

    Attributes:
        file_name: Its name in the dataset.
        flags: What is doubtful about it, in the order of `FLAGS`; empty for nothing.
        sharpness: How sharp its sharpest part is, 0 to 1; None where nothing has contrast.
        exposure: The grey values that 2 % of the pixels are below, and 2 % above.
        glare: The share of it under reflections, 0 to 1.
        duplicate_of: The photo that it is again; None for none.
    """

    file_name: str
    flags: tuple[str, ...]
    sharpness: float | None
    exposure: tuple[float, float]
    glare: float
    duplicate_of: str | None = None


def quality_of(
    dataset: Dataset, *, measure: bool = True, limits: Limits = LIMITS, report: Report = silent
) -> dict[str, ImageQuality]:
    """The quality of every image; files that did not change since they were measured are not opened.

    Images are looked at reduced to 960 pixels, several at a time; what was measured is kept in the dataset's cache, so
    that a stop loses nothing. Images that cannot be read are left out, since an import and `validate` name them.

    Args:
        dataset: The dataset.
        measure: Whether to measure what is not known yet; else only what is known is told.
        limits: From where on something is flagged.
        report: Counts the images that are opened.

    Returns:
        Quality by file name, sorted.

    Raises:
        Cancelled: If the sink asks for a stop; what was measured is kept.
    """
    store = dataset.cache / "quality.sqlite"
    stamps: dict[str, Stamp] = {}
    for head in dataset.heads():
        if (stamp := stamp_of(f"{dataset.images}/{head.file_name}")) is not None:
            stamps[head.file_name] = stamp
    known = read_measured(store, stamps)
    if measure:
        todo = sorted(stamps.keys() - known.keys())
        for run in _measured(dataset.images, todo, report):
            write_measured(store, ((name, stamps[name], each) for name, each in run))
            known |= dict(run)
    seen = {name: each for name, each in sorted(known.items()) if each.thumbnail}
    twins = duplicates({name: each.small for name, each in seen.items()}, within=limits.twin_px)
    return {name: _judged(name, each, twins.get(name), limits) for name, each in seen.items()}


def _measured(folder: Path, names: Sequence[str], report: Report) -> Iterator[list[tuple[str, Measured]]]:
    """What is measured of images, in runs, several images at a time."""
    if not names:
        return
    report(Tick(task=TASK, done=0, total=len(names)))
    rest, done = iter(names), 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        while run := list(islice(rest, _RUN)):
            found = list(pool.map(lambda name: (name, measure_image(folder / name)), run))
            yield found
            done += len(run)
            report(Tick(task=TASK, done=done, total=len(names)))


def measure_image(path: Path) -> Measured:
    """What one image file is like; an image that cannot be read has no thumbnail."""
    try:
        size = read_size(path)
        pixels = read_image(path, longest=LONGEST)
        place = says_place(path)
    except RcgError:
        return Measured(
            width=0, height=0, sharpness=None, low=0, high=0, glare=0, burned=0, card=True, place=False, thumbnail=b""
        )
    grey = grey_of(pixels)
    low, high = brightness(grey)
    reflected, burned = lights(pixels)
    return Measured(
        width=size.width,
        height=size.height,
        sharpness=sharpness(grey),
        low=low,
        high=high,
        glare=reflected,
        burned=burned,
        card=card_seen(grey),
        place=place,
        thumbnail=thumbnail(grey).tobytes(),
    )


def _judged(name: str, found: Measured, twin: str | None, limits: Limits) -> ImageQuality:
    dark = found.high < limits.darkest
    bright = found.low > limits.brightest or found.burned > limits.burned
    holds = {
        "too_small": min(found.width, found.height) < limits.shorter_side,
        "blurred": not dark and found.sharpness is not None and found.sharpness < limits.sharpness,
        "underexposed": dark,
        "overexposed": bright,
        "glare": found.glare > limits.glare,
        "no_card": not found.card,
        "duplicate": twin is not None,
        "gps": found.place,
    }
    return ImageQuality(
        file_name=name,
        flags=tuple(flag for flag in FLAGS if holds[flag]),
        sharpness=found.sharpness,
        exposure=(found.low, found.high),
        glare=found.glare,
        duplicate_of=twin,
    )


__all__ = ["FLAGS", "LIMITS", "ImageQuality", "Limits", "measure_image", "quality_of"]
