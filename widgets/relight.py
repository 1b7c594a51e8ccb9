"""The relighting view as a widget: the card under a light that follows the mouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import NDArray

from rcg.normals import SurfaceReport, level_outside, read_mask, read_plane
from rcg.photometric.types import Plane, SurfaceDefect
from rcg.relight import Packed, code_of_view, pack, style_of_view

_MODULE = """
function part(values, type) { return new Blob([values], {type}); }
function show(model, el) {
  const about = structuredClone(model.get("about"));
  if (!about.width) { el.replaceChildren(); return null; }
  about.images = {high: part(model.get("high"), "image/png"), low: part(model.get("low"), "image/png"),
    colour: part(model.get("colour"), "image/jpeg")};
  const select = at => { model.set("selected", at); model.save_changes(); };
  return createRelight(el, about, {select});
}
export default {
  render({model, el}) {
    let view = show(model, el);
    const renew = () => { if (view) view.destroy(); view = show(model, el); };
    const zoom = () => { if (view && model.get("selected") >= 0) view.zoomTo(model.get("selected")); };
    model.on("change:about", renew);
    model.on("change:selected", zoom);
    return () => { model.off("change:about", renew); model.off("change:selected", zoom); if (view) view.destroy(); };
  },
};
"""


class RelightWidget(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """A measured surface under a light that the mouse, a finger or the arrow keys move.

    Attributes:
        selected: The defect that is zoomed to, from 0; -1 for the whole card.
    """

    _esm = code_of_view() + _MODULE
    _css = style_of_view()
    high = t.Bytes(b"").tag(sync=True)
    low = t.Bytes(b"").tag(sync=True)
    colour = t.Bytes(b"").tag(sync=True)
    about = t.Dict({}).tag(sync=True)
    selected = t.Int(-1).tag(sync=True)

    def show(self, packed: Packed | None) -> None:
        """Show this surface; None shows nothing."""
        about = {} if packed is None else packed.about
        with self.hold_sync():
            self.selected = -1
            if packed is not None:
                self.high, self.low, self.colour = packed.high, packed.low, packed.colour
            self.about = about


def relight(
    normals: Plane, colour: NDArray[np.uint8], *, gloss: Plane | None = None, height: Plane | None = None,
    defects: Sequence[SurfaceDefect] = (), mm_per_px: float | None = None,
) -> RelightWidget:  # fmt: skip
    """The widget for a surface in memory; arguments as in `rcg.relight.pack`."""
    made = RelightWidget()
    made.show(pack(normals, colour, gloss=gloss, height=height, defects=defects, mm_per_px=mm_per_px))
    return made


def packed_surface(told: SurfaceReport) -> Packed:
    """A measurement on disk, packed for the view.

    Raises:
        RcgError: If a part of it is missing.
    """
    from rcg.images import read_image

    planes: dict[str, Any] = {name: read_plane(told.out, name) for name in ("normals", "gloss", "height")}
    normals = level_outside(planes["normals"], read_mask(told.out))
    return pack(
        normals, read_image(told.out / "albedo.png"), gloss=planes["gloss"], height=planes["height"],
        defects=told.defects, mm_per_px=told.mm_per_px,
    )  # fmt: skip


def relight_surface(told: SurfaceReport) -> RelightWidget:
    """The widget for a measurement on disk, as `rcg.normals.read_surface` tells it."""
    made = RelightWidget()
    made.show(packed_surface(told))
    return made
