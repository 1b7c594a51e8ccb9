"""How well wear is measured on rendered cards whose wear is known, in scans and photos.

    python benchmarks/grading_wear.py [--kinds scan600 scan300 photo] [--cards 12] [--first 0]

Each card has a dark or coloured border, one notch, one whitened, one chipped and one roughly cut side, two whitened
corners and a rounded one; the outline is the true one, so that only the reading of wear is judged. Found: a mark lies
within 0.3 mm of the defect; named: with its label. False: marks of any kind on the same card without wear. The true
area of whitening is that of its polygon on the card, on dark borders without the outer 0.075 mm, the cut face's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from rcg.card_specs import CardSpec
from rcg.measuring.corners import measure_corners
from rcg.measuring.edges import measure_edges
from rcg.measuring.types import CORNERS, SIDES
from rcg.synthetic.cards import draw_card, with_defects
from rcg.synthetic.damage import make_defect
from rcg.synthetic.design import light
from rcg.synthetic.photo import render_photo
from rcg.synthetic.scan import render_scan
from tests.test_measuring_wear import outline_of

SCALE = 40
PLACES = {"left": (0, 44), "top": (31, 0), "right": (63, 44), "bottom": (31, 88)}
TIPS = dict(zip(CORNERS, [(0, 0), (63, 0), (63, 88), (0, 88)], strict=True))
WHITE = {"corner_whitening", "edge_whitening", "chipping"}


def clean_card(seed):
    """A card whose border is dark enough for whitening to show."""
    cards = (draw_card((seed, n), spec=CardSpec(), family="english-front", defects=()) for n in range(60))
    return next(card for card in cards if max(map(light, card.design.border)) < 185)


def worn_card(seed):
    """The same card with wear, and which part of it each defect lies on."""
    card, rng = clean_card(seed), np.random.default_rng((seed, 9))
    sides, corners = (
        ["notch", "edge_whitening", "chipping", "rough_cut"],
        ["corner_whitening"] * 2 + ["corner_rounding"],
    )
    rng.shuffle(sides)
    rng.shuffle(corners)
    places = [*zip(SIDES, sides, strict=True), *zip(CORNERS, corners, strict=False)]
    made = {part: make_defect(label, card.spec, rng, at=(PLACES | TIPS)[part]) for part, label in places}
    return with_defects(card, list(made.values())), made


def view_of(kind, card, seed):
    rng = np.random.default_rng(seed)
    if kind == "photo":
        return render_photo(card, rng, size=(1500, 2000) if seed % 2 else (1200, 1600), nuisance="none")
    return render_scan(card, rng, dpi=int(kind.removeprefix("scan")), margin_mm=4)


def drawn(ring, spec):
    mask = np.zeros((round(spec.height + 1) * SCALE, round(spec.width + 1) * SCALE), np.uint8)
    cv2.fillPoly(mask, [np.rint((np.asarray(ring) * SCALE + SCALE / 2) * 16).astype(np.int32)], 1, shift=4)
    return mask


def measured(kind, card, seed):
    view = view_of(kind, card, seed)
    outline = outline_of(view.truth, card.spec)
    began = time.process_time()
    parts = [*measure_edges(view.pixels, outline), *measure_corners(view.pixels, outline)]
    spent = time.process_time() - began
    return dict(zip((*SIDES, *CORNERS), parts, strict=True)), spent


def judge(kind, seeds):
    counts, areas, radii, spent = Counter(), [], [], []
    for seed in seeds:
        card, made = worn_card(seed)
        parts, seconds = measured(kind, card, seed)
        spent.append(seconds)
        stock = drawn(card.spec.outline(steps=40), card.spec)
        dark = max(map(light, card.design.border)) <= 110
        core = cv2.erode(stock, np.ones((7, 7), np.uint8)) if dark else stock
        marks = [(drawn(mark.outline_mm, card.spec), mark.label) for part in parts.values() for mark in part.marks]
        for name, defect in made.items():
            part, label = parts[name], defect.label
            shown = part.whitening_area.known if label in WHITE else "contour" not in part.reason
            counts[label, "true" if shown else "not judged"] += 1
            if not shown:
                continue
            true = drawn(defect.outline, card.spec) & stock
            near = cv2.dilate(true, np.ones((25, 25), np.uint8))
            hits = [name for mask, name in marks if (mask & near).any()]
            counts[label, "found"] += bool(hits)
            counts[label, "named"] += label in hits
            if label in WHITE:
                area = float((true & core).sum()) / SCALE**2
                areas.append((part.whitening_area.value - area, part.whitening_area.sigma, area))
            elif label == "corner_rounding" and part.radius_error.known:
                radii.append((part.radius_error.value - defect.width_mm, part.radius_error.sigma))
        clean, _ = measured(kind, clean_card(seed), seed)
        counts["all", "false on clean"] += sum(len(part.marks) for part in clean.values())
        radii += [(clean[k].radius_error.value, clean[k].radius_error.sigma) for k in CORNERS if clean[k].radius.known]
    tell(kind, counts, np.array(areas), np.array(radii), spent)


def tell(kind, counts, areas, radii, spent):
    cards = len(spent)
    print(f"{kind}: {min(spent):.2f} to {max(spent):.2f} s of CPU a card for edges and corners")
    for label in sorted({key for key, _ in counts} - {"all"}):
        true, found, named, lost = (counts[label, each] for each in ("true", "found", "named", "not judged"))
        print(f"  {label:17} {true:3} to find, {found:3} found, {named:3} named, {lost} not judged")
    print(f"  false marks on a clean card: {counts['all', 'false on clean'] / cards:.2f}")
    error, sigma, true = areas.T
    share = np.median(np.abs(error) / np.maximum(true, 0.05))
    middle = np.median(np.abs(error))
    print(f"  whitening's area: median error {middle:.3f} mm2 ({100 * share:.0f} %), mean {error.mean():+.3f}, "
          f"within 1.64 sigma {100 * np.mean(np.abs(error) < 1.64 * sigma):.0f} %")  # fmt: skip
    error, sigma = radii.T
    print(f"  radius: median error {np.median(np.abs(error)):.3f} mm, RMS {np.sqrt(np.mean(error**2)):.3f}, "
          f"within 1.64 sigma {100 * np.mean(np.abs(error) < 1.64 * sigma):.0f} %")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", nargs="+", default=["scan600", "scan300", "photo"])
    parser.add_argument("--cards", type=int, default=12)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    for kind in given.kinds:
        judge(kind, range(given.first, given.first + given.cards))


if __name__ == "__main__":
    main()
