"""How fast cards are drawn and seen: scans, photos and captures under eight lights, against their aims.

    python benchmarks/bench_synthetic.py [--cards 12] [--captures 2]

CPU seconds of this process with one thread; the drawing of the card and the encoding of the file are counted, the
median over the cards counts. First the truth is checked: the border between card and lid of each scan has to lie where
the truth says, within half a pixel.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import cv2
import numpy as np

from rcg.captures import mean_picture
from rcg.images import encode_image
from rcg.synthetic.cards import draw_card
from rcg.synthetic.photo import render_photo
from rcg.synthetic.rig import render_capture
from rcg.synthetic.rig_model import View
from rcg.synthetic.scan import render_scan
from rcg.synthetic.views import CardView

MM_PER_PX = 0.0632  # 1.5 megapixels for a card of 63 x 88 mm


def scan(seed: int) -> CardView:
    view = render_scan(draw_card(seed), np.random.default_rng(seed), dpi=300, margin_mm=0.5)
    encode_image(view.pixels, ".jpg", quality=view.quality)
    return view


def photo(seed: int, size: tuple[int, int]) -> None:
    view = render_photo(draw_card(seed), np.random.default_rng(seed), size=size)
    encode_image(view.pixels, ".jpg", quality=view.quality)


def capture(seed: int) -> tuple[int, ...]:
    surface = draw_card(seed).surface(round(1 / MM_PER_PX, 3))
    shot = render_capture(surface, np.random.default_rng(seed), view=View(mm_per_px=MM_PER_PX))
    encode_image(mean_picture(shot.capture), ".png")
    return tuple(shot.capture.images.shape)


def seconds(work: Callable[[int], object], seeds: range) -> float:
    """The median CPU time of one call."""
    taken = []
    for seed in seeds:
        began = time.process_time()
        work(seed)
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def edge_error(seed: int) -> float:
    """How far the left edge of a clean scan on a grey lid lies from its truth, in pixels, in the middle of it."""
    card = draw_card(seed, defects=())
    view = render_scan(card, np.random.default_rng(seed), margin_mm=4, lid="grey", clean=True)
    assert view.truth is not None
    top, bottom = (np.array(view.truth.quad[place]) for place in (0, 3))
    errors = []
    for share in np.linspace(0.3, 0.7, 41):
        x, y = top + share * (bottom - top)
        row = view.pixels[int(y), int(x) - 14 : int(x) + 14].astype(float).sum(axis=1)
        step = np.abs(np.diff(row))
        errors.append(int(x) - 13 + float((step * np.arange(len(step))).sum() / max(step.sum(), 1e-9)) - x)
    return abs(statistics.median(errors))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=12, help="cards to scan and photograph")
    parser.add_argument("--captures", type=int, default=2, help="captures under eight lights")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    scan(0)  # tables are made at the first call
    print(f"left edge against its truth: {statistics.median(edge_error(seed) for seed in range(8)):.2f} px (aim 0.5)")
    each = seconds(scan, range(1, 1 + asked.cards))
    met = [1 / each >= 5]
    print(f"scan of 300 pixels an inch:  {1000 * each:6.0f} ms, {1 / each:5.1f} a second and core (aim 5)")
    drawing = seconds(lambda seed: draw_card(seed).colour(300 / 25.4), range(1, 1 + asked.cards))
    print(f"  of that the card's colour: {1000 * drawing:6.0f} ms")
    for size in ((480, 640), (1200, 1600)):
        each = seconds(lambda seed, size=size: photo(seed, size), range(1, 1 + asked.cards))  # type: ignore[misc]
        print(f"photo of {size[0]} x {size[1]}:{'':9}{1000 * each:6.0f} ms, {1 / each:5.1f} a second and core")
    shape = capture(1)
    each = seconds(capture, range(2, 2 + asked.captures))
    met.append(each <= 4)
    print(f"capture of {shape[0]} x {shape[1] * shape[2] / 1e6:.2f} megapixels: {each:6.2f} s (aim 4)")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
