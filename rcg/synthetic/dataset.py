"""A folder of rendered photos in the layout of a YOLO set: the same seed gives the same bytes, a killed run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcg.annotations.split import SPLITS
from rcg.errors import ConfigError, DataError, FormatError
from rcg.files import read_json, write_json, write_text
from rcg.images import write_image
from rcg.locks import Lock
from rcg.progress import Report, silent, tracked
from rcg.types import ImageRecord, LabelSet

LABELS = LabelSet(("card", "corner_whitening", "edge_whitening", "scratch", "stain"))
VERSION = 4  # raise it with every change of what is drawn: folders of older versions are then rendered anew

_MARKER, _LOCK = "render.json", "render.lock"
_BACKGROUND_EVERY, _TWO_VIEWS_EVERY = 20, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSet:
    """What `render_dataset` made.

    Attributes:
        folder: Holds `data.yaml`, and `images` and `labels` for each split.
        labels: The classes, in the order of their numbers in the label files.
        images: Photos in the folder, those without a card among them.
        annotations: Boxes in the label files.
    """

    folder: Path
    labels: LabelSet
    images: int
    annotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shot:
    """One photo to take: its file stem, the seed of its card (None for an empty table) and its own seed."""

    split: str
    stem: str
    card_seed: tuple[int, ...] | None
    seed: tuple[int, ...]


def render_dataset(
    folder: str | Path,
    *,
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
    size: tuple[int, int] = (480, 640),
    report: Report = silent,
) -> RenderedSet:
    """Render photos of cards with their labels as a YOLO set of boxes.

    One photo in twenty shows an empty table (with an empty label file); one card in six is seen in two photos, which
    stay in one split. Photos that an earlier, stopped call finished are kept.

    Args:
        folder: Where to; a new or empty folder, or one that this function wrote.
        counts: Photos in "train", "val" and "test"; 240, 60 and 60 unless given.
        seed: The same seed, counts and size give the same bytes.
        size: Width and height of a photo in pixels.
        report: Where the progress goes.

    Raises:
        ConfigError: If a count, the seed or the size cannot be used.
        DataError: If the folder holds other files, or somebody else renders into it.
        Cancelled: If the sink asks for a stop; a repeated call goes on from there.
    """
    counts = dict(counts or {"train": 240, "val": 60, "test": 60})
    _check(counts, seed, size)
    target = Path(folder)
    with Lock(target / _LOCK, doing="rendering photos"):
        _prepare(target, {"version": VERSION, "seed": seed, "counts": counts, "size": list(size)})
        shots = list(_plan(counts, seed))
        boxes = 0
        for shot in tracked(shots, task="render photos of cards", report=report):
            boxes += _render(target, shot, size)
        write_text(target / "data.yaml", _data_yaml(counts))
    return RenderedSet(folder=target, labels=LABELS, images=len(shots), annotations=boxes)


def _check(counts: Mapping[str, int], seed: int, size: tuple[int, int]) -> None:
    for split, count in counts.items():
        if split not in SPLITS:
            raise ConfigError(f"there is no split {split!r}", fix=f"name some of {', '.join(SPLITS)}")
        if count < 0:
            raise ConfigError(f"{count} photos for {split!r} are not possible", fix="give a count of 0 or more")
    if seed < 0:
        raise ConfigError(f"the seed {seed} is below 0", fix="give a seed of 0 or more")
    if min(size) < 64:
        raise ConfigError(f"a photo of {size[0]} x {size[1]} pixels is too small", fix="give at least 64 x 64")


def _prepare(target: Path, marker: dict[str, Any]) -> None:
    """Make the folder this call's own: keep what fits the marker, remove what an older marker left."""
    path = target / _MARKER
    others = [each.name for each in target.iterdir() if each.name != _LOCK and not each.name.startswith(".")]
    if others and not path.exists():
        what = f"the folder holds other files ({', '.join(sorted(others)[:3])})"
        raise DataError(what, where=target, fix="name a new or empty folder")
    if _marker_of(path) != marker:
        for kind in ("card_*", "background_*"):
            for old in (*target.glob(f"*/images/{kind}.jpg"), *target.glob(f"*/labels/{kind}.txt")):
                old.unlink()
        write_json(path, marker)
    for half in (*target.glob(".*.part"), *target.glob("*/*/.*.part")):
        half.unlink()  # left by a killed call; the lock says that nobody is writing now


def _marker_of(path: Path) -> Any:
    try:
        return read_json(path) if path.exists() else None
    except FormatError:
        return None


def _plan(counts: Mapping[str, int], seed: int) -> Iterator[_Shot]:
    """The photos of all splits; card numbers run on from split to split, so that a number names one card."""
    card = empty = 0
    for split in SPLITS:
        index, total = 0, counts.get(split, 0)
        while index < total:
            own = (seed, SPLITS.index(split), index)
            if index % _BACKGROUND_EVERY == _BACKGROUND_EVERY - 1:
                empty += 1
                yield _Shot(split=split, stem=f"background_{empty:04d}", card_seed=None, seed=own)
                index += 1
                continue
            card += 1
            views = 2 if card % _TWO_VIEWS_EVERY == 0 and index + 1 < total else 1
            for view in range(views):
                stem = f"card_{card:04d}_front" + (f"_view{view + 1}" if views == 2 else "")
                yield _Shot(split=split, stem=stem, card_seed=(*own, 1), seed=(*own[:2], index + view))
            index += views


def _render(target: Path, shot: _Shot, size: tuple[int, int]) -> int:
    """Write one photo and its labels unless they are there; the number of its boxes."""
    image = target / shot.split / "images" / f"{shot.stem}.jpg"
    label = target / shot.split / "labels" / f"{shot.stem}.txt"
    if not (image.exists() and label.exists()):
        from rcg.synthetic.photo import render_photo
        from rcg.synthetic.wearing import worn_card

        card = None if shot.card_seed is None else worn_card(shot.card_seed)
        view = render_photo(card, np.random.default_rng(shot.seed), size=size)
        if view.truth is None:
            record = ImageRecord(file_name=image.name, width=size[0], height=size[1])
        else:
            record = view.truth.record(image.name, labels=LABELS.names)
        write_image(image, view.pixels, quality=view.quality)
        write_text(label, _yolo(record))
    return len(label.read_text().splitlines())


def _yolo(record: ImageRecord) -> str:
    """Lines of class number, centre x, centre y, width and height, in shares of the photo."""
    lines = []
    for each in record.annotations:
        box = each.box
        across, down = (box.x + box.width / 2) / record.width, (box.y + box.height / 2) / record.height
        shares = (across, down, box.width / record.width, box.height / record.height)
        lines.append(f"{LABELS.names.index(each.label)} " + " ".join(f"{share:.6f}" for share in shares) + "\n")
    return "".join(lines)


def _data_yaml(counts: Mapping[str, int]) -> str:
    import yaml

    folders = {split: f"{split}/images" for split in SPLITS if counts.get(split)}
    content = {**folders, "nc": len(LABELS.names), "names": dict(enumerate(LABELS.names))}
    return str(yaml.safe_dump(content, sort_keys=False))
