"""How many known defects are found in rendered 8-light captures, and how much else; beside one photo in flat light.

    python benchmarks/bench_defects.py [--pieces 10] [--finishes matte gloss foil] [--scratches rim half]
                                       [--cards 4] [--tuning] [--pictures DIR]

Each piece (25 x 35 mm at 21.5 um a pixel, 1/6.3 of a card) is rendered anew from a random seed with its own rig,
sensor, frame shifts and mismatched flat frames, then registered, solved and searched with the default settings.

Found: a true defect counts as found where the polygons of all finds, each widened by 0.3 mm, cover at least half of
its course (a dent: its middle). The label need not be right; how often it is stands apart. False: a find of which less
than half (its outline and its middle) lies within 0.3 mm, plus half the defect's own width, of any true defect. False
finds are counted on the area of one card, 63 x 88 mm. So many finds of print cover a flat photo that they cover true
defects by chance: there, only the figure at one false find a card says something. A scratch's 30 um are from rim to rim
(`rim`) or at half of its depth (`half`: 60 um from rim to rim). `--cards` draws so many whole cards without a defect,
of any design; all that is found on them is false. `--tuning` draws the sizes and seeds that the thresholds were chosen
on.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from defects_patches import ASKED, PIECES_A_CARD, TUNING, Known, piece

from rcg.images import write_image
from rcg.photometric.defects import find_defects
from rcg.photometric.field import grey_frames, light_field
from rcg.photometric.flatphoto import find_in_photo
from rcg.photometric.pictures import albedo_picture, defect_overlay, relief_picture
from rcg.photometric.registering import register
from rcg.photometric.relief import bands, integrate
from rcg.photometric.solving import solve_normals
from rcg.photometric.types import NormalMap, SurfaceDefect
from rcg.synthetic.cards import draw_card
from rcg.synthetic.rig import RigShot, View, render_capture

MM = 0.0215
NEAR_MM = 0.3
LABELS = ("scratch", "dent", "crease")


@dataclass
class Tally:
    """Counts over pieces of one finish and one way of looking."""

    true: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)
    named: Counter = field(default_factory=Counter)
    false: Counter = field(default_factory=Counter)
    depths: dict = field(default_factory=lambda: {label: [] for label in LABELS})
    scores: list = field(default_factory=list)
    pieces: int = 0
    seconds: float = 0.0

    def add(self, known: Sequence[Known], courses: Sequence[np.ndarray], finds: Sequence[SurfaceDefect]) -> None:
        self.pieces += 1
        for each, course in zip(known, courses, strict=True):
            self.true[each.label] += 1
            on = [find for find in finds if covered(course, [find]) > 0.3]
            if covered(course, finds) >= 0.5:
                self.found[each.label] += 1
                self.named[each.label] += any(find.label == each.label for find in on)
                alike = (find for find in on if find.label == each.label)
                self.depths[each.label] += [find.height_um / -each.depth_um for find in alike]
        for find in finds:
            wrong = not explained(find, known, courses)
            self.scores.append((find.confidence, wrong))
            self.false[find.label] += wrong

    def lines(self, name: str) -> list[str]:
        false = sum(self.false.values()) / self.pieces * PIECES_A_CARD
        recall = ", ".join(f"{label} {self.found[label]}/{self.true[label]}" for label in LABELS)
        whole = sum(self.found.values()) / max(sum(self.true.values()), 1)
        kinds = ", ".join(f"{label} {count}" for label, count in self.false.items() if count) or "none"
        head = (
            f"{name:22s} recall {whole:.3f} ({recall}); false finds a card {false:.2f} "
            f"({sum(self.false.values())} on {self.pieces} pieces: {kinds}); "
            f"{self.seconds / self.pieces:.1f} CPU-s a piece"
        )
        out = [head]
        if any(self.depths[label] for label in LABELS):
            shares = ", ".join(f"{k} {np.median(v):.2f}" for k, v in self.depths.items() if v)
            right = ", ".join(f"{label} {self.named[label]}/{self.found[label]}" for label in LABELS)
            out.append(f"{'':22s} right label {right}; median of found depth over true depth: {shares}")
        return out


def covered(course: np.ndarray, finds: Sequence[SurfaceDefect]) -> float:
    """Share of a course, in pixels, within the polygons and 0.3 mm around them."""
    if not finds:
        return 0.0
    away = np.array(
        [
            [cv2.pointPolygonTest(np.float32(find.polygon), (float(x), float(y)), True) for x, y in course]
            for find in finds
        ]
    )
    return float((away.max(axis=0) >= -NEAR_MM / MM).mean())


def explained(find: SurfaceDefect, known: Sequence[Known], courses: Sequence[np.ndarray]) -> bool:
    ring = np.array(find.polygon)
    points = np.vstack([ring, (ring + ring[::-1]) / 2])  # of a band's outline these are points of its middle
    near = np.zeros(len(points), np.bool_)
    for each, course in zip(known, courses, strict=True):
        away = np.hypot(*(points[:, None] - course[None]).transpose(2, 0, 1)).min(axis=1)
        near |= away <= (NEAR_MM + each.width_mm / 2) / MM
    return bool(near.mean() >= 0.5)


def solved(shot: RigShot) -> NormalMap:
    capture, _ = register(shot.capture)
    return solve_normals(capture, field=light_field(capture))


def flat_photo(shot: RigShot) -> np.ndarray:
    """One photo with all lights on, divided by its own flat frame."""
    sheet = shot.capture.flat.mean(axis=0)
    frames = grey_frames(shot.capture).mean(axis=0)
    return frames / np.maximum(sheet, 0.02 * sheet.max())


def clean_card(seed: int, finish: str) -> None:
    """Search a whole card without a defect and print what is found on it."""
    card = draw_card((91, seed), defects=(), finish=finish)
    shot = render_capture(card.surface(2 / MM), np.random.default_rng(seed), view=View(mm_per_px=MM))
    normal_map = solved(shot)
    started = time.process_time()
    finds = find_defects(normal_map, mask=shot.truth.card)
    seconds = time.process_time() - started
    megapixels = normal_map.albedo.size / 1e6
    what = ", ".join(f"{each.label} {each.length_mm:.1f} mm {each.height_um:+.1f} um" for each in finds) or "none"
    print(f"clean card {seed}, {card.family}, {finish}, {megapixels:.1f} MP: {len(finds)} false ({what}); ", end="")
    print(f"{seconds:.1f} CPU-s", flush=True)


def look(  # noqa: PLR0917
    seed: int, finish: str, tuning: bool, scratch: str, tallies: tuple[Tally, Tally], pictures: Path | None
) -> None:
    rng = np.random.default_rng([seed, 77 if tuning else 78])
    sizes = TUNING if tuning else ASKED
    if scratch == "half" and not tuning:
        sizes = replace(ASKED, scratch=((2, 2), (0.06, 0.06)))
    surface, known = piece(rng, finish, sizes, px_per_mm=2 / MM)
    shot = render_capture(surface, rng, view=View(mm_per_px=MM))
    courses = [shot.truth.to_px(each.course) - 0.5 for each in known]
    mask = shot.truth.card
    normal_map = solved(shot)
    started = time.process_time()
    finds = find_defects(normal_map, mask=mask)
    tallies[0].seconds += time.process_time() - started
    tallies[0].add(known, courses, finds)
    started = time.process_time()
    plain = find_in_photo(flat_photo(shot), mm_per_px=MM, mask=mask)
    tallies[1].seconds += time.process_time() - started
    tallies[1].add(known, courses, plain)
    if pictures is not None:
        draw(pictures / f"{finish}_{seed}", normal_map, mask, finds, courses)


def draw(stem: Path, normal_map: NormalMap, mask: np.ndarray, finds: Sequence[SurfaceDefect], courses: list) -> None:
    band = bands(integrate(normal_map, mask=mask), mm_per_px=MM, mask=mask, scales_mm=(0.2,))[0]
    for name, picture in (
        ("height", relief_picture(band.height_um, limit=3, mask=mask)),
        ("albedo", albedo_picture(normal_map.albedo, mask=mask)),
    ):
        shown = defect_overlay(picture, finds, mm_per_px=MM)
        for course in courses:
            at = np.round(course).astype(np.int32)
            cv2.polylines(shown, [at], False, (0, 200, 0), 1)
            if len(at) == 1:
                cv2.circle(shown, tuple(at[0].tolist()), 20, (0, 200, 0), 1)
        write_image(stem.with_name(f"{stem.name}_{name}.png"), shown)


def at_one_false(tally: Tally) -> str:
    """How far the finds of a way of looking can be kept, surest first, before one false find a card is passed."""
    allowed = tally.pieces / PIECES_A_CARD
    wrong, kept = 0, 0
    for _, is_wrong in sorted(tally.scores, key=lambda pair: (-pair[0], pair[1])):
        wrong += is_wrong
        if wrong > allowed:
            break
        kept += not is_wrong
    return f"{kept} true finds of {sum(tally.true.values())} defects before the second false find a card"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=6000)
    parser.add_argument("--finishes", nargs="+", default=["matte", "gloss", "foil"])
    parser.add_argument("--scratches", nargs="+", default=["rim"], choices=["rim", "half"])
    parser.add_argument("--cards", type=int, default=0)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--pictures", type=Path, default=None)
    given = parser.parse_args()
    for number in range(given.cards):
        clean_card(given.first_seed + number, ("matte", "gloss")[number % 2])
    for finish, scratch in itertools.product(given.finishes, given.scratches):
        tallies = Tally(), Tally()
        for number in range(given.pieces):
            seed = number if given.tuning else given.first_seed + number
            look(seed, finish, given.tuning, scratch, tallies, given.pictures)
        for name, tally in zip(
            (f"{finish} {scratch}, 8 lights", f"{finish} {scratch}, one photo"), tallies, strict=True
        ):
            print("\n".join(tally.lines(name)), flush=True)
            print(f"{'':22s} {at_one_false(tally)}", flush=True)


if __name__ == "__main__":
    main()
