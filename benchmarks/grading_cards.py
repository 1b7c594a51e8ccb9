"""Cards for bench_grading.py: hand-measured photos, rendered views with their truth, and pictures to refuse."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rcg.card_specs import CardSpec, card_spec
from rcg.geometry import transform
from rcg.images import Pixels, encode_image, read_image
from rcg.measuring import Centering, Outline, find_outlines, measure_centering
from rcg.measuring.rectify import to_pixels
from rcg.measuring.types import SIDES, EdgePoint
from rcg.synthetic.cards import Card, draw_card
from rcg.synthetic.photo import render_photo
from rcg.synthetic.scan import render_scan
from rcg.synthetic.views import CardView, ViewTruth

TUNED = ("alpha_r1c1", "ditto", "moltres", "twister", "zapdos")
"""Of the hand-measured cards, those on which the measuring was tuned; the others only judge it."""

STANDARD = card_spec("standard")


@dataclass(frozen=True, kw_only=True)
class HandMeasured:
    """One card that a person measured: where it lies, its ratios, and their standard deviations in points."""

    name: str
    image: Path
    middle: tuple[float, float]
    size: float
    ratios: tuple[float, float]
    sigma: tuple[float, float]
    several: bool


def hand_measured(folder: Path) -> list[HandMeasured]:
    """The cards of `centering_reference.json` in a folder of photos."""
    cards = json.loads((folder / "centering_reference.json").read_text())["cards"]
    images = [each["image"] for each in cards]
    return [_hand_measured(each, folder, several=images.count(each["image"]) > 1) for each in cards]


def _hand_measured(card: dict[str, Any], folder: Path, *, several: bool) -> HandMeasured:
    quad = np.array(card["outer_quad"]) + 0.5  # it counts from the middle of the first pixel
    sigma = card["sigma_ratio_points"]
    return HandMeasured(
        name=card["id"],
        image=folder / card["image"],
        middle=(float(quad[:, 0].mean()), float(quad[:, 1].mean())),
        size=float(np.abs(quad[1] - quad[0]).sum()),
        ratios=(card["lr_ratio"][0], card["tb_ratio"][0]),
        sigma=(sigma["lr"], sigma["tb"]),
        several=several,
    )


def measured(pixels: Pixels, *, every: bool = False) -> list[tuple[Outline, Centering]]:
    """From a picture to the centering of its largest card, or of every card."""
    found = find_outlines(pixels, every=every).outlines
    return [(outline, measure_centering(pixels, outline)) for outline in (found if every else found[:1])]


def answer_for(card: HandMeasured, found: list[tuple[Outline, Centering]]) -> Centering | None:
    """What was found at the card's place."""
    for outline, centering in found:
        if float(np.abs(outline.quad.mean(axis=0) - card.middle).sum()) < 0.1 * card.size:
            return centering
    return None


def folded(share: float) -> float:
    """The larger of the two sides: a card turned by 180 degrees has the same."""
    return max(share, 100 - share)


def photo_of(card: Card, seed: int, *, size: tuple[int, int] = (1200, 1600), nuisance: str | None = None) -> CardView:
    """A photo as a camera would have written it, with the marks of JPEG."""
    return _written(render_photo(card, np.random.default_rng((seed, 9)), size=size, nuisance=nuisance))


def scan_of(card: Card, seed: int, *, dpi: float = 600) -> CardView:
    """A scan, likewise."""
    return _written(render_scan(card, np.random.default_rng((seed, 9)), dpi=dpi))


def _written(view: CardView) -> CardView:
    from io import BytesIO

    from PIL import Image

    stored = BytesIO(encode_image(view.pixels, ".jpg", quality=view.quality))
    return CardView(pixels=np.asarray(Image.open(stored)), truth=view.truth, quality=view.quality)


def bordered(seed: int, *, spec: CardSpec = STANDARD) -> Card:
    """A clean card with a border."""
    for other in range(100):
        card = draw_card((seed, other), spec=spec, defects=())
        if card.inner is not None:
            return card
    raise AssertionError("one hundred cards without a border")


def true_ratios(card: Card) -> tuple[float, float]:
    """The left border's share of left and right, and the top's of top and bottom, percent, from their mean widths."""
    assert card.inner is not None
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = card.inner
    left, right = (ax + dx) / 2, card.spec.width - (bx + cx) / 2
    top, bottom = (ay + by) / 2, card.spec.height - (cy + dy) / 2
    return 100 * left / (left + right), 100 * top / (top + bottom)


def point_errors(truth: ViewTruth, spec: CardSpec, centering: Centering) -> list[float]:
    """How far each of the 24 points lies off the true line that it belongs to, across it, mm."""
    to_mm = np.linalg.inv(to_pixels(np.array(truth.quad), spec.width, spec.height))
    lines = {}
    for k, side in enumerate(SIDES):
        for n, edge in enumerate(("outer", "inner")):
            at = transform(to_mm, np.array(truth.points[6 * k + 3 * n : 6 * k + 3 * n + 3]))
            along, across = (at[:, 1], at[:, 0]) if side in ("left", "right") else (at[:, 0], at[:, 1])
            lines[side, edge] = np.polyfit(along, across, 2)
    return [_off(point, lines[point.side, point.edge], to_mm) for point in centering.points]


def _off(point: EdgePoint, line: Any, to_mm: Any) -> float:
    x, y = transform(to_mm, np.array([point.at]))[0]
    along, across = (y, x) if point.side in ("left", "right") else (x, y)
    return float(across - np.polyval(line, along))


def corner_errors(truth: ViewTruth, outline: Outline) -> list[float]:
    """px between each corner and its truth, whichever end of the card was taken for its top."""
    there = np.array(truth.quad)
    return min(
        (np.linalg.norm(np.roll(outline.quad, turn, axis=0) - there, axis=1).tolist() for turn in (0, 2)), key=sum
    )


def half_card(seed: int) -> Pixels:
    """A photo that cuts a card in two."""
    view = photo_of(bordered(seed), seed, nuisance="none")
    assert view.truth is not None
    middle = int(np.mean([x for x, _ in view.truth.quad]))
    return np.ascontiguousarray(view.pixels[:, :middle])


def empty_table(seed: int) -> Pixels:
    """A photo of a table."""
    return _written(render_photo(None, np.random.default_rng((seed, 9)))).pixels


def photo_file(card: HandMeasured) -> Pixels:
    """The photo's pixels."""
    return read_image(card.image)
