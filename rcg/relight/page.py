"""A page of one file that relights a card: to be sent to somebody, and opened without a server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from rcg.files import write_text
from rcg.photometric.types import Plane, SurfaceDefect
from rcg.relight.packing import LONGEST_PX, Packed, code_of_view, pack, style_of_view

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 16px; background: #fff; }}
h1 {{ font: 600 18px system-ui, sans-serif; color: #222; margin: 0 0 10px; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #181818; }} h1 {{ color: #eee; }}
  :root {{ --jp-ui-font-color1: #eee; --jp-ui-font-color2: #aaa; --jp-layout-color2: #2a2a2a;
    --jp-border-color2: #555; --jp-brand-color1: #64b5f6; }}
}}
{style}
.rcg-relight-stage, .rcg-relight-list {{ height: min(82vh, 1100px); max-height: none; }}
.rcg-relight-list {{ height: auto; max-height: 82vh; }}
</style></head><body><h1>{title}</h1><div id="view"></div>
<noscript>This page needs JavaScript to move the light.</noscript>
<script>
{code}
const bytes = text => Uint8Array.from(atob(text), each => each.charCodeAt(0));
const about = {about};
about.images = {{
  high: new Blob([bytes("{high}")], {{type: "image/png"}}),
  low: new Blob([bytes("{low}")], {{type: "image/png"}}),
  colour: new Blob([bytes("{colour}")], {{type: "image/jpeg"}}),
}};
createRelight(document.getElementById("view"), about);
</script></body></html>
"""


def write_relight_page(
    path: str | Path,
    normals: Plane,
    colour: NDArray[np.uint8],
    *,
    gloss: Plane | None = None,
    height: Plane | None = None,
    defects: Sequence[SurfaceDefect] = (),
    mm_per_px: float | None = None,
    title: str = "A card, relit",
    longest: int = LONGEST_PX,
) -> Path:
    """Write a page that relights a card with the mouse; everything is inside, and it opens from the disk.

    Args:
        path: The .html file.
        normals: (h, w, 3) unit vectors; x right, y up, z to the camera.
        colour: (h, w, 3) or (h, w) uint8 sRGB, the print without light.
        gloss: (h, w), how much more than a matte surface shines.
        height: (h, w), any unit.
        defects: The finds, in pixels of the normals.
        mm_per_px: The size of a pixel on the card.
        title: What the page is called.
        longest: The longer side of what is shown; 2048 pixels make about 15 MB.

    Raises:
        DataError: If the shapes do not fit.
        RcgError: If the place cannot be written.
    """
    packed = pack(
        normals, colour, gloss=gloss, height=height, defects=defects, mm_per_px=mm_per_px, longest=longest
    )  # fmt: skip
    write_text(path, page_of(packed, title=title))
    return Path(path)


def page_of(packed: Packed, *, title: str) -> str:
    """The page as text."""
    about = orjson.dumps(packed.about).decode().replace("</", "<\\/")
    pictures = {
        name: base64.b64encode(getattr(packed, name)).decode("ascii") for name in ("high", "low", "colour")
    }  # fmt: skip
    return _PAGE.format(title=escape(title), style=style_of_view(), code=code_of_view(), about=about, **pictures)
