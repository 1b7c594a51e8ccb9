"""Cards with wear that a photo of the whole card shows: for a detector that has minutes to learn, not days."""

from __future__ import annotations

import math

import numpy as np

from rcg.card_specs import CardSpec
from rcg.synthetic.cards import Card, draw_card, with_defects
from rcg.synthetic.damage import Defect, make_defect
from rcg.synthetic.design import light
from rcg.types import Point

_PALE = 185  # of 255: on a border as light as that whitening is not seen
_APART_MM = 7.0  # nearer ones would be one label or two
_FAMILIES = ("vintage-japanese", "english-front", "modern", "full-bleed")


def worn_card(seed: tuple[int, ...]) -> Card:
    """A card of the common size with none to a handful of large defects, of four kinds; one card in six has none."""
    rng = np.random.default_rng((*seed, 815))
    family = _FAMILIES[int(rng.choice(len(_FAMILIES), p=[0.2, 0.4, 0.25, 0.15]))]
    card = draw_card(seed, spec=CardSpec(), family=family, defects=())
    if rng.random() < 1 / 6:
        return card
    corners, edges, scratches, stains = (int(each) for each in rng.poisson((1.1, 0.8, 0.7, 0.5)))
    if card.frame is not None and min(light(each) for each in card.design.border) > _PALE:
        corners = edges = 0
    worn: list[Defect] = []
    for make, count in (
        (_stain, min(stains, 2)),
        (_scratch, min(scratches, 3)),
        (_edge, min(edges, 3)),
        (_corner, corners),
    ):
        for _ in range(count):
            made = make(card.spec, rng)
            if all(math.dist(_middle(made), _middle(each)) > _APART_MM for each in worn):
                worn.append(made)
    return with_defects(card, worn)


def _middle(defect: Defect) -> Point:
    points = defect.course or defect.outline
    return points[len(points) // 2]


def _stain(spec: CardSpec, rng: np.random.Generator) -> Defect:
    return make_defect("stain", spec, rng, width_mm=float(rng.uniform(5, 14)), severity=float(rng.uniform(0.75, 1)))


def _scratch(spec: CardSpec, rng: np.random.Generator) -> Defect:
    long, wide, deep = (float(rng.uniform(*ends)) for ends in ((9, 42), (0.2, 0.35), (-20, -8)))
    return make_defect("scratch", spec, rng, length_mm=long, width_mm=wide, depth_um=deep, severity=1.0)


def _edge(spec: CardSpec, rng: np.random.Generator) -> Defect:
    long, wide = float(rng.uniform(6, 26)), float(rng.uniform(0.6, 1.3))
    return make_defect("edge_whitening", spec, rng, length_mm=long, width_mm=wide, severity=1.0)


def _corner(spec: CardSpec, rng: np.random.Generator) -> Defect:
    long, wide = float(rng.uniform(5, 9)), float(rng.uniform(0.9, 2.0))
    return make_defect("corner_whitening", spec, rng, length_mm=long, width_mm=wide, severity=1.0)
