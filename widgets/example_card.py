"""Photos of one drawn card to grade, where there are none of one's own; for the notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rcg.images import write_image
from rcg.workspace import Workspace

_SIZES = {"full": (1800, 2400), "smoke": (900, 1200)}
_VIEWS = {"full": 6, "smoke": 3}
_SEED = 11
_FRONT = ("corner_whitening", "edge_whitening", "print_dot")
_BACK = ("edge_whitening",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCard:
    """Photos of one card, with what is true of its front.

    Attributes:
        front: A photo of the front.
        back: A photo of the back.
        cut: A photo of the front that shows half of the card.
        views: A folder with further photos of the same front, each from another place.
        left_right: The left border's true share of left and right, percent.
        top_bottom: The top border's true share of top and bottom, percent.
    """

    front: Path
    back: Path
    cut: Path
    views: Path
    left_right: float
    top_bottom: float


def made_card(workspace: Workspace, profile: str = "full", *, seed: int = _SEED) -> MadeCard:
    """Photograph a drawn card, below the workspace's exports.

    Args:
        workspace: Where to; photos that stand there already are kept.
        profile: "full" for photos of four megapixels, "smoke" for few of one.
        seed: What the card is drawn from.
    """
    from rcg.synthetic import draw_card, render_photo

    kind = "smoke" if profile == "smoke" else "full"
    size, place = _SIZES[kind], workspace.path / "exports" / f"made_card_{kind}_{seed}"
    front = draw_card(seed, family="english-front", finish="matte", defects=_FRONT)
    back = draw_card(seed, spec=front.spec, family="english-back", side="back", finish="matte", defects=_BACK)
    asked = {"front": front, "back": back}
    asked |= {f"views/view_{number}": front for number in range(1, _VIEWS[kind] + 1)}
    share = (0.0, 0.0)
    for number, (name, card) in enumerate(asked.items()):
        path = place / f"{name}.jpg"
        if name != "front" and path.exists():
            continue
        view = render_photo(card, np.random.default_rng((seed, number)), size=size, nuisance="none")
        write_image(path, view.pixels, quality=94)
        if name == "front" and view.truth is not None:
            share = view.truth.centering or share
            middle = round(sum(x for x, _ in view.truth.quad) / 4)
            write_image(place / "cut.jpg", view.pixels[:, :middle], quality=94)
    return MadeCard(
        front=place / "front.jpg", back=place / "back.jpg", cut=place / "cut.jpg", views=place / "views",
        left_right=share[0], top_bottom=share[1],
    )  # fmt: skip
