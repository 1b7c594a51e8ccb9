"""The relit surface inside the report page: the light follows the mouse, as on the page of a surface measurement."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import orjson

from rcg.images import Pixels
from rcg.relight import code_of_view, pack, style_of_view

if TYPE_CHECKING:
    from rcg.normals import Surface

RELIT_PX = 1100
"""The longer side of the relit surface: two of them keep the page below 10 MB."""


def relit_html(surfaces: Mapping[str, Surface]) -> dict[str, str]:
    """For each face, what shows its surface.

    Args:
        surfaces: What frames under several lights showed, by "front" and "back".

    Returns:
        HTML by face; the first brings the code and the style that all use.
    """
    found: dict[str, str] = {}
    for name, surface in surfaces.items():
        shared = "" if found else f"<style>{style_of_view()}{_STYLE}</style><script>{code_of_view()}{_CODE}</script>"
        found[name] = shared + _view(name, surface)
    return found


def raking_picture(surface: Surface) -> Pixels:
    """A surface without its print, in light that comes low from the upper left.

    Args:
        surface: What frames under several lights showed.

    Returns:
        (h, w, 3) uint8 grey; slopes of the 99.5th percentile reach black and white.
    """
    from rcg.normals import level_outside

    normals = level_outside(surface.normal_map.normals, surface.mask)
    slope = (normals[..., 1] - normals[..., 0]) / np.maximum(normals[..., 2], 0.1)  # of the light's own direction
    slope = slope - np.median(slope)
    most = max(float(np.percentile(np.abs(slope[::3, ::3]), 99.5)), 1e-4)
    grey = np.clip(127.5 + 127.5 * slope / most, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


_STYLE = """
.rcg-relight { --jp-ui-font-color1: var(--ink); --jp-ui-font-color2: var(--soft); --jp-layout-color1: var(--card);
  --jp-layout-color2: var(--faint); --jp-border-color2: var(--line); --jp-brand-color1: var(--brand) }
"""
_CODE = """
const rcgRelit = (name, about, high, low, colour) => {
  const bytes = text => Uint8Array.from(atob(text), each => each.charCodeAt(0));
  about.images = {
    high: new Blob([bytes(high)], {type: "image/png"}),
    low: new Blob([bytes(low)], {type: "image/png"}),
    colour: new Blob([bytes(colour)], {type: "image/jpeg"}),
  };
  createRelight(document.getElementById("relit-" + name), about);
};
"""


def _view(name: str, surface: Surface) -> str:
    from rcg.normals import colour_picture, level_outside

    solved = surface.normal_map
    packed = pack(
        level_outside(solved.normals, surface.mask), colour_picture(surface), gloss=surface.gloss,
        height=surface.height, defects=surface.defects, mm_per_px=solved.mm_per_px, longest=RELIT_PX,
    )  # fmt: skip
    about = orjson.dumps(packed.about).decode().replace("</", "<\\/")
    high, low, colour = (base64.b64encode(each).decode("ascii") for each in (packed.high, packed.low, packed.colour))
    return (
        f'<p class="hint">Move the light over the card to see its relief.</p><div id="relit-{name}"></div>'
        f'<script>rcgRelit("{name}", {about}, "{high}", "{low}", "{colour}");</script>'
    )
