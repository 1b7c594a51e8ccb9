"""Trading cards that were never printed: cards, their defects, and views of them, with the truth of what they show.

Every name loads its part when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcg.lazy import lazy

if TYPE_CHECKING:
    from rcg.synthetic.cards import Card, draw_card, with_defects
    from rcg.synthetic.damage import Defect, make_defect
    from rcg.synthetic.dataset import LABELS, RenderedSet, render_dataset
    from rcg.synthetic.nuisances import NUISANCES
    from rcg.synthetic.photo import render_photo
    from rcg.synthetic.rig import RigShot, render_capture
    from rcg.synthetic.scan import LIDS, render_scan
    from rcg.synthetic.showing import close_up, draw_labels, draw_truth, raking_light
    from rcg.synthetic.views import CardView, DefectTruth, ViewTruth

_HOME = {
    "cards": ("Card", "draw_card", "with_defects"),
    "damage": ("Defect", "make_defect"),
    "dataset": ("LABELS", "RenderedSet", "render_dataset"),
    "nuisances": ("NUISANCES",),
    "photo": ("render_photo",),
    "rig": ("RigShot", "render_capture"),
    "scan": ("LIDS", "render_scan"),
    "showing": ("close_up", "draw_labels", "draw_truth", "raking_light"),
    "views": ("CardView", "DefectTruth", "ViewTruth"),
}

__all__ = [
    "LABELS", "LIDS", "NUISANCES", "Card", "CardView", "Defect", "DefectTruth", "RenderedSet", "RigShot", "ViewTruth",
    "close_up", "draw_card", "draw_labels", "draw_truth", "make_defect", "raking_light", "render_capture",
    "render_dataset", "render_photo", "render_scan", "with_defects",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME)
