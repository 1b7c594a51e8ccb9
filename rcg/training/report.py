"""An evaluation in plain words, and a sheet of predictions to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rcg.files import read_json, write_bytes, write_text
from rcg.images import Pixels, encode_image, read_image
from rcg.progress import duration
from rcg.runs import Run
from rcg.training.evaluation import Metrics, figure, mark
from rcg.training.tasks import TrainingData
from rcg.types import Annotation, ImageRecord

if TYPE_CHECKING:
    from PIL import ImageDraw


_TILE, _COLUMNS, _SHOWN = 320, 4, 12
_ROOM = 50  # pixels across from which a box carries its name
_SURE = 0.5  # predictions below it are not drawn
_GROUND_TRUTH, _PREDICTION = (40, 200, 80), (255, 120, 0)


def write_report(run: Run, metrics: Metrics, data: TrainingData, picture: bytes | None) -> None:
    """Write report.md, and predictions.png where there is a picture, under names that tell split and dataset."""
    name = mark(run, metrics)
    if picture is not None:
        write_bytes(run.path / f"predictions{name}.png", picture)
    write_text(run.path / f"report{name}.md", report_text(run, metrics, data))


def report_text(run: Run, metrics: Metrics, data: TrainingData) -> str:
    """The report as Markdown."""
    config, numbers = run.config(), metrics.numbers
    facts = _environment(run)
    spread = "It cannot be said how sure this is: there are fewer than 5 cards."
    if metrics.interval is not None:
        low, high = metrics.interval
        spread = f"With other cards AP50 would lie between {low:.3f} and {high:.3f} (95 %, bootstrap over cards)."
    rows = [f"| {name} | {figure(each.ap)} | {figure(each.ap50)} | {each.boxes:,} |"
            for name, each in metrics.per_label.items()]  # fmt: skip
    lines = [
        f"# {run.name}",
        "",
        f"**AP {figure(numbers['AP'])}, AP50 {figure(numbers['AP50'])}**, {metrics.split} split of {metrics.dataset}.",
        f"The split has {metrics.images:,} images of {metrics.cards:,} cards, with {metrics.boxes:,} boxes.",
        spread,
        "",
        "AP is COCO's average precision: 1 is perfect, AP50 asks for half an overlap, AP for close fits too.",
        "",
        "| label | AP | AP50 | boxes |",
        "|---|---|---|---|",
        *rows,
        "",
        "## What limits it",
        "",
        *(f"- {each}" for each in limits(metrics, data, config, facts)),
        "",
        "## The 12 COCO numbers",
        "",
        "| number | value |",
        "|---|---|",
        *(f"| {name} | {figure(value)} |" for name, value in numbers.items()),
        "",
        "## How it was trained",
        "",
        f"- {config['architecture']} at {config['image_size']} px, batch {config['batch_size']}",
        f"- on {facts.get('images', {}).get('train', 0):,} images of {_source(config)}",
        f"- weights at the start: {facts.get('weights', 'unknown')}",
        f"- {_time(run)}checkpoint {metrics.checkpoint}",
        "",
        f"`predictions{mark(run, metrics)}.png`: labels green and solid, predictions from 0.5 orange and dashed.",
        "",
    ]
    return "\n".join(lines)


def limits(metrics: Metrics, data: TrainingData, config: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Sentences on what keeps the AP from being higher, from the figures alone.

    Args:
        metrics: What the evaluation found.
        data: The dataset that was evaluated on; what it says of training holds only where the run learned from it.
        config: The run's settings.
        facts: What the run wrote down of itself.
    """
    found, numbers = [], metrics.numbers
    own = metrics.dataset == config.get("dataset")
    ap, ap50 = numbers["AP"] or 0.0, numbers["AP50"] or 0.0
    scored = {name: each for name, each in metrics.per_label.items() if each.ap50 is not None}
    if scored:
        worst = min(scored, key=lambda name: scored[name].ap50 or 0.0)
        learned = sum(each.label == worst for record in data.splits["train"] for each in record.annotations)
        if (scored[worst].ap50 or 0.0) < ap50 - 0.05:
            source = f", learned from {learned:,} boxes" if own else ""
            found.append(f"The weakest label is {worst} (AP50 {figure(scored[worst].ap50)}){source}.")
    if ap50 - ap > 0.3:
        found.append(
            "Things are found but not framed closely (AP lies far below AP50): more steps or a larger image_size."
        )
    small = _small_share(data.splits[metrics.split], int(config["image_size"]))
    if small > 0.2:
        found.append(
            f"{100 * small:.0f} % of the boxes are under 16 px at the training size of {config['image_size']} px: "
            "a larger image_size, or tiles at full resolution, would show them to the network."
        )
    rare = [name for name, each in metrics.per_label.items() if 0 < each.boxes < 10]
    if rare:
        found.append(f"{', '.join(rare)}: fewer than 10 boxes in this split, so their AP is a rough figure.")
    if own and data.card_count("train") < 200:
        found.append(
            f"{data.card_count('train'):,} training cards are few; more cards usually help more than more steps."
        )
    if facts.get("start") == "random":
        found.append("The network began at random weights; pretrained ones reach the same in a fraction of the steps.")
    if own and metrics.split != "test":
        found.append(f"The {metrics.split} split took part in the training; the test split gives the honest figure.")
    return found or ["Nothing stands out in these figures."]


def _small_share(records: Sequence[ImageRecord], image_size: int) -> float:
    sides = [
        min(each.box.width, each.box.height) * image_size / max(record.width, record.height)
        for record in records
        for each in record.annotations
    ]
    return float(np.mean(np.array(sides) < 16)) if sides else 0.0


def _environment(run: Run) -> dict[str, Any]:
    file = run.path / "environment.json"
    return dict(read_json(file)) if file.exists() else {}


def _source(config: dict[str, Any]) -> str:
    """The dataset that a run learned from, with its version."""
    name, version = config.get("dataset", "a dataset"), config.get("dataset_version")
    return f"{name}, version {version[:12]}" if version else f"{name}"


def _time(run: Run) -> str:
    ticks = run.ticks()
    if not ticks:
        return ""
    metrics = ticks[-1]["metrics"]
    return (
        f"{ticks[-1]['done']:,} steps in {duration(metrics['seconds'])} ({duration(metrics['cpu_seconds'])} of CPU); "
    )


def render_predictions(truth: Sequence[ImageRecord], found: Sequence[ImageRecord], folder: Path) -> bytes | None:
    """A sheet of sample images as PNG: labels solid, predictions dashed.

    Args:
        truth: The labels; images with labels are shown, spread over the split.
        found: The predictions.
        folder: What file names are relative to.
    """
    shown = [record for record in truth if record.annotations] or list(truth)
    shown = [shown[round(at)] for at in np.linspace(0, len(shown) - 1, min(_SHOWN, len(shown)))]
    guesses = {record.file_name: record.annotations for record in found}
    tiles = [_tile(record, guesses.get(record.file_name, ()), folder) for record in shown]
    if not tiles:
        return None
    rows = -(-len(tiles) // _COLUMNS)
    sheet: Pixels = np.full((rows * _TILE, min(_COLUMNS, len(tiles)) * _TILE, 3), 255, dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = (place // _COLUMNS) * _TILE, (place % _COLUMNS) * _TILE
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return encode_image(sheet, ".png")


def _tile(record: ImageRecord, guesses: Sequence[Annotation], folder: Path) -> Pixels:
    from PIL import Image, ImageDraw

    pixels = read_image(folder / record.file_name, longest=_TILE - 8)
    picture = Image.fromarray(pixels)
    pen, factor = ImageDraw.Draw(picture), pixels.shape[1] / record.width
    for each in record.annotations:
        pen.rectangle(_scaled(each, factor), outline=_GROUND_TRUTH, width=2)
    for each in guesses:
        if (each.score or 0.0) >= _SURE:
            left, top, right, bottom = _scaled(each, factor)
            _dashed(pen, left, top, right, bottom)
            if right - left > _ROOM:  # the names of small ones would cover each other
                pen.text((left + 3, top + 2), f"{each.label} {each.score:.2f}", fill=_PREDICTION)
    return np.asarray(picture, dtype=np.uint8)


def _scaled(annotation: Annotation, factor: float) -> tuple[float, float, float, float]:
    left, top, right, bottom = annotation.box.corners
    return left * factor, top * factor, right * factor, bottom * factor


def _dashed(pen: ImageDraw.ImageDraw, left: float, top: float, right: float, bottom: float) -> None:
    for at in np.arange(left, right, 10):
        for y in (top, bottom):
            pen.line([(at, y), (min(at + 5, right), y)], fill=_PREDICTION, width=2)
    for at in np.arange(top, bottom, 10):
        for x in (left, right):
            pen.line([(x, at), (x, min(at + 5, bottom))], fill=_PREDICTION, width=2)
