"""Frames of a card under eight lights to try things with, where there are none of one's own; for the notebooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rcg.workspace import Workspace

_MM_PER_PX = {"full": 0.043, "smoke": 0.1}
_SEED = 5


def made_frames(workspace: Workspace, profile: str = "full") -> Path:
    """Render a glossy card with a scratch, a dent and a crease under eight near lights, below the workspace's exports.

    Args:
        workspace: Where to; frames that stand there already are kept.
        profile: "full" for 3 megapixels a frame, "smoke" for half a one.

    Returns:
        The folder of the frames, with rig.toml, flat/ and dark/.
    """
    from rcg.photometric.writing import write_capture
    from rcg.synthetic.cards import draw_card
    from rcg.synthetic.rig import render_capture
    from rcg.synthetic.rig_model import View

    size = _MM_PER_PX["smoke" if profile == "smoke" else "full"]
    folder = workspace.path / "exports" / f"made_frames_{profile}"
    if (folder / "rig.toml").exists():
        return folder
    card = draw_card(_SEED, finish="gloss", defects=("scratch", "dent", "crease"))
    shot = render_capture(card.surface(1 / size), np.random.default_rng(_SEED), view=View(mm_per_px=size))
    return write_capture(folder, shot.capture)
