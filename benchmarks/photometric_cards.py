"""Rendered pieces and whole cards whose normals are known, for bench_photometric.py.

Random relief and print, lights off their places, flat frames from a tilted, glossy sheet under lamps that moved; frames
registered first. The seeds (from 7000) were never used for tuning (100 to 299 were). "level" is the error of calling
every pixel level: a card is nearly that, so the slope that a dent's flanks come back with is told as well: 1 is right.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rcg.photometric import NormalMap
from rcg.photometric.field import light_field
from rcg.photometric.registering import register
from rcg.photometric.solving import METHODS, solve_normals
from rcg.synthetic.cards import draw_card
from rcg.synthetic.plain import Dent, plain_surface
from rcg.synthetic.rig import RigShot, View, render_capture

AIMS = {"matte": 0.7, "satin": 0.9, "gloss": 0.7, "foil": 2.0}
FIRST_SEED = 7000
DENTS = tuple(Dent(at_mm=(x, y), width_mm=1.2, depth_um=12) for x in (5, 15, 25) for y in (4, 12, 20))


def degrees(found: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    cosine = (found.astype(np.float64) * truth).sum(axis=-1)[mask]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def piece(seed: int, finish: str, relief: tuple[Dent, ...] = ()) -> RigShot:
    """30 x 24 mm at 43 um a pixel, printed."""
    rng = np.random.default_rng(seed)
    surface = plain_surface(rng, size_mm=(30, 24), px_per_mm=46.5, finish=finish, relief=relief)
    return render_capture(surface, rng, view=View(mm_per_px=0.043))


def whole_card(seed: int, finish: str) -> RigShot:
    """A card of any design, played and bowed, at 100 um a pixel."""
    surface = draw_card(seed, finish=finish).surface(16)
    return render_capture(surface, np.random.default_rng((seed, 77)), view=View(mm_per_px=0.1))


def normals(seeds: int) -> None:
    """Mean angular errors of pieces and of whole cards, by finish and method."""
    table("Pieces of 30 x 24 mm, 43 um a pixel", piece, seeds)
    table("Whole cards, 100 um a pixel", whole_card, seeds)
    print("\nSlope that comes back of dents 12 um deep, as a share of the true one (robust), on 3 pieces")
    for finish in AIMS:
        shares = []
        for seed in range(FIRST_SEED, FIRST_SEED + 3):
            shot = piece(seed, finish, DENTS)
            shares.append(slope_share(solved(shot)["robust"], shot))
        print(f"{finish:8} {np.mean(shares):6.2f}")


def table(title: str, draw: Callable[[int, str], RigShot], seeds: int) -> None:
    print(f"\n{title}, {seeds} seeds: mean angular error in degrees")
    print(
        "finish   least squares   auto   robust   worst seed   aim   robust / least squares   level   foil not flagged"
    )
    for finish, aim in AIMS.items():
        errors: dict[str, list[float]] = {method: [] for method in (*METHODS, "level")}
        missed = []
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            shot = draw(seed, finish)
            truth, card = shot.truth.normals, shot.truth.card
            maps = solved(shot)
            for method, found in maps.items():
                errors[method].append(degrees(found.normals, truth, card))
            errors["level"].append(degrees(np.broadcast_to([0.0, 0.0, 1.0], truth.shape), truth, card))
            foil = shot.truth.foil & card
            missed += [float((foil & ~maps["auto"].unreliable).sum() / foil.sum())] if foil.any() else []
        auto, least, robust, level = (
            float(np.mean(errors[name])) for name in ("auto", "least-squares", "robust", "level")
        )
        worst, ratio = max(errors["auto"]), robust / least
        line = f"{finish:8} {least:13.3f} {auto:6.3f} {robust:8.3f} {worst:12.3f} {aim:5} {ratio:24.3f} {level:7.2f}"
        print(line + (f" {100 * np.mean(missed):14.1f} %" if missed else ""), flush=True)


def solved(shot: RigShot) -> dict[str, NormalMap]:
    """The normal map by each method, of registered frames."""
    capture, _ = register(shot.capture)
    field = light_field(capture)
    return {method: solve_normals(capture, method=method, field=field) for method in METHODS}


def slope_share(found: NormalMap, shot: RigShot) -> float:
    """Regression of the slopes found on the true ones, where these are steep."""
    one, two = (-each[..., :2] / each[..., 2:] for each in (found.normals, shot.truth.normals))
    steep = shot.truth.card & (np.hypot(two[..., 0], two[..., 1]) > 0.015)
    return float((one[steep] * two[steep]).sum() / (two[steep] ** 2).sum())
