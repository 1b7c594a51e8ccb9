"""How near measured centering lies to the truth, from pictures alone; then how long it takes.

    python benchmarks/bench_grading.py [--photos FOLDER] [--seeds 10] [--quick]

FOLDER holds photos with a `centering_reference.json` of hand-measured cards; without it that part is left out. Nothing
is told to the measuring but the picture. Times are CPU seconds of one thread, the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import grading_cards as cards
import numpy as np

from rcg.measuring import MEASURED, find_outlines
from rcg.synthetic.cards import draw_card


def of(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "none"


def hand_measured(folder: Path, *, quick: bool) -> list[bool]:
    """Both axes against hand values; the aim is 2 points for 75 % of all and 95 % of the answered."""
    every = cards.hand_measured(folder)
    chosen = [each for each in every if not quick or each.name in cards.TUNED]
    errors, seconds = {}, {}
    for image in sorted({each.image for each in chosen}):
        mine = [each for each in chosen if each.image == image]
        pixels = cards.photo_file(mine[0])
        began = time.process_time()
        found = cards.measured(pixels, every=mine[0].several)
        seconds[image] = time.process_time() - began
        for card in mine:
            errors[card.name] = told(card, cards.answer_for(card, found))
    print(f"  slowest photo {max(seconds.values()):.1f} s, median {statistics.median(seconds.values()):.1f} s (aim 10)")
    groups = {"all": list(errors), "not tuned on": [each for each in errors if each not in cards.TUNED]}
    met = [shares(title, [errors[name] for name in names]) for title, names in groups.items() if names]
    return [met[0], max(seconds.values()) <= 10]


def told(card: cards.HandMeasured, centering: cards.Centering | None) -> tuple[float, float, float] | None:
    """The worse axis' error in points, and the two errors over their sigmas; None where nothing was answered."""
    if centering is None or centering.status != MEASURED:
        reason = "not found" if centering is None else centering.reason
        print(f"  {card.name:18} undetermined: {reason[:90]}")
        return None
    got = (centering.left_right, centering.top_bottom)
    off = [cards.folded(mine) - cards.folded(true) for mine, true in zip(got, card.ratios, strict=True)]
    over = [each / sigma for each, sigma in zip(off, centering.sigma, strict=True)]
    print(
        f"  {card.name:18} left/right {off[0]:+5.2f} of sigma {centering.sigma[0]:.2f}, "
        f"top/bottom {off[1]:+5.2f} of sigma {centering.sigma[1]:.2f}"
    )
    return max(abs(each) for each in off), over[0], over[1]


def shares(title: str, errors: list[tuple[float, float, float] | None]) -> bool:
    answered = [each for each in errors if each is not None]
    within = [each for each in answered if each[0] <= 2]
    near = sum(each[0] <= 5 for each in answered)
    print(f"  {title}: answered {of(len(answered), len(errors))}, both axes within 5 points {of(near, len(errors))}")
    print(
        f"    within 2: all {of(len(within), len(errors))} (aim 75), answered {of(len(within), len(answered))} (aim 95)"
    )
    coverage([ratio for each in answered for ratio in each[1:]])
    return len(within) >= 0.75 * len(errors) and len(within) >= 0.95 * max(1, len(answered))


def coverage(over: list[float]) -> None:
    if over:
        share, rms = 100 * np.mean(np.abs(over) < 1.645), float(np.sqrt(np.mean(np.square(over))))
        print(f"  error over sigma: {share:.0f} % within 1.645 (90 expected), RMS {rms:.2f}")


def rendered(kind: str, seeds: int, **how: float) -> list[bool]:
    """24 points and ratios of rendered views against their truth."""
    points, corners, errors, over, seconds, heights = [], [], [], [], [], []
    for seed in range(seeds):
        card = cards.bordered(seed)
        view = cards.scan_of(card, seed, **how) if kind == "scan" else cards.photo_of(card, seed)
        assert view.truth is not None
        began = time.process_time()
        found = cards.measured(view.pixels)
        seconds.append(time.process_time() - began)
        if not found:
            print(f"  {kind} {seed}: no card: {find_outlines(view.pixels).reason[:100]}")
            continue
        outline, centering = found[0]
        corners += cards.corner_errors(view.truth, outline)
        heights.append(view.truth.px_per_mm * card.spec.height)
        if centering.status != MEASURED:
            print(f"  {kind} {seed}: {centering.reason[:100]}")
            continue
        points += cards.point_errors(view.truth, card.spec, centering)
        got = (centering.left_right, centering.top_bottom)
        true = cards.true_ratios(card)
        off = [cards.folded(a) - cards.folded(b) for a, b in zip(got, true, strict=True)]
        errors.append(max(map(abs, off)))
        over += [each / sigma for each, sigma in zip(off, centering.sigma, strict=True)]
    rms = float(np.sqrt(np.mean(np.square(points)))) if points else np.inf
    middle = float(np.median(np.abs(points))) if points else np.inf
    scaled = 1000 / statistics.median(heights) if heights else np.inf
    print(f"  answered {of(len(errors), seeds)}, both axes within 2 points {of(sum(e <= 2 for e in errors), seeds)}")
    print(f"  edge points: {rms:.3f} mm RMS, {middle:.3f} mm median at {statistics.median(heights) / 88:.1f} px/mm")
    most = float(np.max(corners)) * scaled
    print(f"  corners: {np.median(corners) * scaled:.2f} px median, {most:.2f} px most, at 1000 px height")
    coverage(over)
    print(f"  {statistics.median(seconds):.1f} s a {kind}, {max(seconds):.1f} s at most")
    if kind == "scan":
        return [rms <= 0.02, float(np.median(corners)) * scaled <= 1, statistics.median(seconds) <= 3]
    return [float(np.median(corners)) * scaled <= 1, max(seconds) <= 10]


def repeated(views: int) -> bool:
    """The spread of the ratios over photos of one card; the aim is 0.5 points."""
    spreads = []
    for seed in (0, 1):
        card = cards.bordered(100 + seed)
        ratios = []
        for view in range(views):
            found = cards.measured(cards.photo_of(card, 1000 * seed + view, nuisance="none").pixels)
            if found and found[0][1].status == MEASURED:
                ratios.append([cards.folded(found[0][1].left_right), cards.folded(found[0][1].top_bottom)])
        sd = np.std(ratios, axis=0, ddof=1)
        spreads.append(float(sd.max()))
        print(f"  card {seed}: answered {of(len(ratios), views)}, sd {sd[0]:.2f} left/right, {sd[1]:.2f} top/bottom")
    return max(spreads) <= 0.5


def refused(count: int) -> bool:
    """Pictures that have no centering: none may be answered."""
    wrong = 0
    for seed in range(count):
        bleed = cards.photo_of(draw_card(seed, spec=cards.STANDARD, family="full-bleed"), seed).pixels
        for title, pixels in (("table", cards.empty_table(seed)), ("bleed", bleed), ("half", cards.half_card(seed))):
            found = cards.measured(pixels)
            if found and found[0][1].status == MEASURED:
                wrong += 1
                print(f"  {title} {seed}: answered")
            elif title == "table" and (none := find_outlines(pixels)).outlines:
                print(f"  table {seed}: an outline of score {none.outlines[0].score:.1f}, refused at the border")
    print(f"  wrongly answered {of(wrong, 3 * count)}")
    return wrong == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder with centering_reference.json and its photos")
    parser.add_argument("--seeds", type=int, default=10, help="rendered cards of each kind")
    parser.add_argument("--quick", action="store_true", help="three cards of each kind")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    seeds = 3 if asked.quick else asked.seeds
    met: list[bool] = []
    if asked.photos is None:
        print("hand-measured photos: left out, no --photos given")
    else:
        print("hand-measured photos:")
        met += hand_measured(asked.photos, quick=asked.quick)
    print("rendered scans of 600 pixels an inch:")
    met += rendered("scan", seeds, dpi=600)
    print("rendered photos of 1200 x 1600, with sleeves, slabs, shadows, fingers and windows as they come:")
    met += rendered("photo", seeds)
    print(f"{seeds} photos of one card:")
    met.append(repeated(seeds))
    print("pictures to refuse:")
    met.append(refused(max(2, seeds // 3)))
    print(f"aims met: {of(sum(met), len(met))}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
