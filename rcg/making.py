"""A dataset of any type from cards that were never printed, in one call: images, labels, captures and all truth."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcg.annotations import CocoWriter
from rcg.captures import capture_folder, mean_picture
from rcg.dataset_types import DatasetType, dataset_type
from rcg.datasets import Dataset
from rcg.errors import ConfigError, DataError
from rcg.files import atomic, read_json, write_json
from rcg.images import write_image
from rcg.locks import Lock
from rcg.progress import Report, silent, tracked
from rcg.synthetic.views import CardView, ViewTruth
from rcg.types import ImageRecord, LabelSet
from rcg.workspace import Workspace

VIEWS = ("photo", "scan", "capture")
VERSION = 1  # raise it with every change of what is drawn: datasets of older versions are then not gone on with

_DEFAULT_VIEWS = {"photometric_fusion": ("capture",), "multi_modal": ("photo", "capture")}
_BOTH_SIDES = frozenset({"multi_modal"})
_SCAN_DPI = 300.0
_LIMITS = {"cards": (1, np.inf), "seed": (0, np.inf), "mm_per_px": (0.01, 1), "wear": (0, 10)}
_LEAST_PX = 0.4  # a hairline that fills less of its pixels cannot be seen, and a label of it would teach noise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One image to make."""

    card: int
    side: str
    view: str

    @property
    def name(self) -> str:
        return f"card_{self.card:04d}"

    @property
    def stem(self) -> str:
        return f"{self.name}_{self.side}_{self.view}"

    @property
    def file_name(self) -> str:
        return f"{self.stem}.{'png' if self.view == 'capture' else 'jpg'}"


def make_dataset(
    workspace: Workspace,
    name: str,
    *,
    type: str = "surface_damage",
    cards: int = 100,
    views: Sequence[str] | None = None,
    seed: int = 0,
    size: tuple[int, int] = (1200, 1600),
    mm_per_px: float = 0.0632,
    wear: float = 1.0,
    report: Report = silent,
) -> Dataset:
    """Make a dataset of drawn cards, with labels of the type's geometry.

    A call that was stopped or killed goes on where it was, and the same arguments give the same images and labels.
    Beside the images, `made/truth` holds a JSON file for each with all that the renderer knows (centering, depth and
    length of each defect, what spoils the view), and `captures/<card>` the frames of captures with their `truth`.

    Args:
        workspace: Where to.
        name: The dataset's name; a new one, or one that a call with the same arguments began.
        type: A dataset type.
        cards: How many cards.
        views: What is made of each card: some of "photo", "scan" and "capture" (8 lights). By default a capture for
            photometric_fusion, a photo and a capture for multi_modal, and a photo for all others. For multi_modal
            both sides are shown.
        seed: What the cards and views are drawn from.
        size: Width and height of a photo in pixels. Scans have 300 pixels an inch.
        mm_per_px: The size of a pixel of a capture on the card; 0.0632 gives 1.5 megapixels for a standard card.
        wear: How worn the cards are: 0 not at all, 1 as usual, 3 heavily.
        report: Where the progress goes.

    Raises:
        ConfigError: If an argument cannot be used.
        DataError: If there is another dataset of that name, or it was begun with other arguments.
        Cancelled: If the sink asks for a stop; a repeated call goes on from there.
    """
    kind = dataset_type(type)
    chosen = tuple(views or _DEFAULT_VIEWS.get(kind.name, ("photo",)))
    settings = {
        "version": VERSION, "type": kind.name, "cards": cards, "views": list(chosen), "seed": seed, "size": list(size),
        "mm_per_px": mm_per_px, "wear": wear,
    }  # fmt: skip
    _check(settings)
    dataset = _opened(workspace, name, kind, settings)
    with Lock(dataset.path / "making.lock", doing="making the dataset"):
        items = list(_plan(kind, cards, chosen))
        for item in tracked(items, task="render cards", report=report):
            _make(dataset, item, settings)
        if dataset.names() >= {each.file_name for each in items} and not dataset.unfinished():
            return dataset
        labels = _write_labels(dataset, kind, items)
        dataset.add(images=dataset.images, labels=labels, format="coco", report=report)
    return dataset


def truth_of_image(dataset: Dataset, file_name: str) -> ViewTruth:
    """All that is known of an image that `make_dataset` made.

    Raises:
        DataError: If the image was not made by it.
    """
    path = _truth_path(dataset, Path(file_name).stem)
    if not path.exists():
        raise DataError(f"nothing more than its labels is known of {file_name}", where=dataset.path)
    return ViewTruth.from_json(read_json(path))


def _check(settings: Mapping[str, Any]) -> None:
    views, size = settings["views"], settings["size"]
    for view in views:
        if view not in VIEWS:
            raise ConfigError(f"there is no view {view!r}", fix=f"name some of {', '.join(VIEWS)}")
    if len(set(views)) != len(views):
        raise ConfigError("a view is named twice", fix="name each view once")
    if min(size) < 64:
        raise ConfigError(f"a photo of {size[0]} x {size[1]} pixels is too small", fix="give at least 64 x 64")
    for name, (low, high) in _LIMITS.items():
        if not low <= settings[name] <= high:
            what = f"{name} = {settings[name]} is not possible"
            raise ConfigError(what, fix=f"give {low} to {high}" if high < np.inf else f"give {low} or more")


def _opened(workspace: Workspace, name: str, kind: DatasetType, settings: dict[str, Any]) -> Dataset:
    """The dataset, new or begun by a call like this one."""
    folder = workspace.path / "datasets" / name
    marker = folder / "made" / "made.json"
    if not (folder / "dataset.toml").exists():
        if marker.exists():
            marker.unlink()
        dataset = workspace.create(name, type=kind.name, classes=kind.labels)
        write_json(dataset.path / "made" / "made.json", settings)
        return dataset
    dataset = workspace.dataset(name)
    known = read_json(marker) if marker.exists() else None
    if known is None and not dataset.names() and dataset.type == kind:
        write_json(marker, settings)  # killed between the two, or created by hand and empty
        return dataset
    if known != settings:
        what = "the dataset was made with other arguments" if known else "the dataset was not made of drawn cards"
        raise DataError(what, where=folder, fix="choose another name")
    return dataset


def _plan(kind: DatasetType, cards: int, views: Sequence[str]) -> Iterator[_Item]:
    sides = ("front", "back") if kind.name in _BOTH_SIDES else ("front",)
    for card in range(1, cards + 1):
        for side in sides:
            for view in views:
                yield _Item(card=card, side=side, view=view)


def _truth_path(dataset: Dataset, stem: str) -> Path:
    return dataset.path / "made" / "truth" / f"{stem}.json"


def _make(dataset: Dataset, item: _Item, settings: dict[str, Any]) -> None:
    """Write one image, then its truth, unless both are there."""
    image, truth = dataset.images / item.file_name, _truth_path(dataset, item.stem)
    if image.exists() and truth.exists():
        return
    from rcg.synthetic.cards import draw_card
    from rcg.synthetic.photo import render_photo
    from rcg.synthetic.scan import render_scan

    card = draw_card((settings["seed"], item.card), wear=settings["wear"])
    if item.side == "back":
        card = draw_card((settings["seed"], item.card), spec=card.spec, side="back", wear=settings["wear"])
    own = (settings["seed"], item.card, ("front", "back").index(item.side), 1 + VIEWS.index(item.view))
    rng = np.random.default_rng(own)
    if item.view == "photo":
        view = render_photo(card, rng, size=tuple(settings["size"]))
    elif item.view == "scan":
        view = render_scan(card, rng, dpi=_SCAN_DPI)
    else:
        view = _capture(dataset, item, card, rng, settings["mm_per_px"])
    write_image(image, view.pixels, quality=view.quality)
    assert view.truth is not None
    write_json(truth, view.truth.to_json())


def _capture(dataset: Dataset, item: _Item, card: Any, rng: np.random.Generator, mm_per_px: float) -> CardView:
    """The frames of a card's side in their folder, with their truth; the picture of all lights is the image."""
    from rcg.photometric.writing import write_capture
    from rcg.synthetic.flat import flat_card, truth_of
    from rcg.synthetic.lens import Projection
    from rcg.synthetic.rig import render_capture
    from rcg.synthetic.rig_model import View

    surface = card.surface(round(1 / mm_per_px, 3))
    shot = render_capture(surface, rng, view=View(mm_per_px=mm_per_px))
    folder = capture_folder(dataset, f"{item.name}_{item.side}")
    if folder.exists():
        shutil.rmtree(folder)  # left by a call that was killed: its image was never written
    write_capture(folder, shot.capture)
    planes = {"normals": shot.truth.normals, "albedo": shot.truth.albedo, "height_um": shot.truth.height_um}
    for name, plane in {**planes, "foil": shot.truth.foil, "card": shot.truth.card}.items():
        with atomic(folder / "truth" / f"{name}.npy") as out:
            np.save(out, plane)
    pixels = mean_picture(shot.capture)
    flat = flat_card(card, 1 / surface.mm_per_px, pixels=surface.colour, coverage=surface.coverage)
    projection = Projection(matrix=np.asarray(shot.truth.mm_to_px, np.float64))
    truth = truth_of(flat, projection, (pixels.shape[1], pixels.shape[0]), kind="capture")
    return CardView(pixels=pixels, truth=truth)


def _write_labels(dataset: Dataset, kind: DatasetType, items: Sequence[_Item]) -> Path:
    """The labels of all images as one COCO file."""
    records = [_record(dataset, kind, item) for item in items]
    seen = {each.label for record in records for each in record.annotations}
    names = kind.labels or ("card", *sorted(seen - {"card"}))
    path = dataset.path / "made" / "labels.json"
    with CocoWriter(path, LabelSet(tuple(names), keypoints=kind.keypoints)) as out:
        for record in records:
            out.add(record)
    return path


def _record(dataset: Dataset, kind: DatasetType, item: _Item) -> ImageRecord:
    truth = truth_of_image(dataset, item.file_name)
    return truth.record(
        item.file_name,
        kind.name,
        labels=kind.labels or None,
        card=item.name,
        relief=truth.kind == "capture",
        least_px=_LEAST_PX,
    )
