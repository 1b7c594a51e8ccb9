"""What the photometric panel shows: small frames with the way of their light, and layers of a measurement."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from rcg.images import encode_image, read_image
from rcg.normals import SurfaceReport, read_mask, read_plane
from rcg.photometric.types import Capture
from widgets.kit import facts_html

LAYERS = {
    "albedo": "Print without light", "normals": "Normals", "height": "Height", "confidence": "Confidence",
    "gloss": "Gloss", "band 0.05": "Relief of 0.05 mm", "band 0.2": "Relief of 0.2 mm", "band 1": "Relief of 1 mm",
    "band 4": "Relief of 4 mm",
}  # fmt: skip
_WORDS = {
    "albedo": "What the print reflects, light and shade taken off.",
    "normals": "Red: tilted to the right, green: upwards, blue: level.",
    "height": "Red is raised, blue is sunken. Slow bends are as uncertain as the light: trust the bands.",
    "confidence": "Bright: the slope is sure. Magenta: it shines like foil and cannot be trusted.",
    "gloss": "Bright: it shines more than a matte surface.",
}
_SMALL, _LONGEST = 150, 1100


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame, small.

    Attributes:
        name: Its file.
        jpeg: The picture.
        towards: (x, y) of the unit vector towards its light, x right and y up; None where not known.
    """

    name: str
    jpeg: bytes
    towards: tuple[float, float] | None


def small_frames(capture: Capture) -> tuple[Frame, ...]:
    """All frames at one exposure, so that a dark one is seen to be dark."""
    step = max(1, -(-max(capture.height, capture.width) // _SMALL))
    small = capture.images[:, ::step, ::step].astype(np.float32)
    top = max(float(np.quantile(small, 0.995)), 1e-9)
    grey = (np.clip(small / top, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    names = capture.names or tuple(f"frame {number + 1}" for number in range(capture.lights))
    made = []
    for at, name in enumerate(names):
        picture = grey[at] if grey.ndim == 4 else np.repeat(grey[at][..., None], 3, axis=2)
        way = None if capture.rig is None else capture.rig.directions[at]
        towards = None if way is None else (float(way[0]), float(way[1]))
        made.append(
            Frame(name=name, jpeg=encode_image(np.ascontiguousarray(picture), ".jpg", quality=85), towards=towards)
        )
    return tuple(made)


def frames_html(frames: Sequence[Frame]) -> str:
    """The frames side by side, each with an arrow that points towards its light."""
    return f'<div class="rcg-pictures">{"".join(map(_frame, frames))}</div>' if frames else ""


def _frame(frame: Frame) -> str:
    data = base64.b64encode(frame.jpeg).decode()
    name = escape(frame.name, quote=True)
    picture = f'<img src="data:image/jpeg;base64,{data}" alt="{name}" style="height:120px">'
    below = f'<figcaption style="white-space:nowrap">{_arrow(frame.towards)}{name}</figcaption>'
    return f"<figure>{picture}{below}</figure>"


def _arrow(towards: tuple[float, float] | None) -> str:
    if towards is None:
        return ""
    long = max(float(np.hypot(*towards)), 0.3)  # a light near the axis keeps a short arrow
    x, y = 7.5 * towards[0] / long, -7.5 * towards[1] / long
    turn = float(np.degrees(np.arctan2(y, x)))
    return (
        '<svg width="18" height="18" viewBox="-9 -9 18 18" style="vertical-align:middle;margin-right:4px" role="img" '
        f'aria-label="towards the light"><g stroke="currentColor" fill="none" stroke-width="1.4">'
        f'<circle r="8" stroke-opacity="0.35"/><path d="M0 0L{x:.1f} {y:.1f}"/>'
        f'<path transform="translate({x:.1f} {y:.1f}) rotate({turn:.0f})" d="M-3.5 -2.5L0 0L-3.5 2.5"/></g></svg>'
    )


def layer_picture(told: SurfaceReport, layer: str, *, outlines: bool) -> bytes:
    """A layer of a measurement as JPEG, with the defects' outlines where wanted."""
    from rcg.photometric.pictures import defect_overlay, relief_picture
    from rcg.photometric.relief import bands

    if layer.startswith("band "):
        scale = float(layer.split()[1])
        height = np.array(read_plane(told.out, "height"))
        mask = read_mask(told.out)
        band = bands(height, mm_per_px=told.mm_per_px or 1.0, mask=mask, scales_mm=(scale,))[0]
        pixels = relief_picture(band.height_um, mask=mask)
    else:
        pixels = read_image(told.out / f"{layer}.png")
    if outlines:
        pixels = defect_overlay(pixels, told.defects, mm_per_px=told.mm_per_px)
    return encode_image(_smaller(pixels), ".jpg", quality=88)


def _smaller(pixels: np.ndarray) -> np.ndarray:
    import cv2

    factor = _LONGEST / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def layer_words(layer: str) -> str:
    """What a layer's colours mean."""
    return _WORDS.get(layer, "Red is raised, blue is sunken, at about this size; slower bends are left out.")


def report_html(told: SurfaceReport | None) -> str:
    """The numbers that say how far a measurement can be trusted."""
    if told is None:
        return ""
    worst = max((abs(each) for shift in told.shifts_px for each in shift), default=0.0)
    leak = "-" if told.print_leak is None else f"{100 * float(told.print_leak['explained']):.0f} %"
    facts = [
        ("defects", len(told.defects)), ("residual, 1 is ideal", f"{told.residual['median']:.2f}"),
        ("slope sd, degrees", f"{np.degrees(np.arctan(told.slope_sd)):.2f}"),
        ("unreliable: foil", f"{100 * told.unreliable_share:.0f} %"), ("print in the slopes", leak),
        ("largest shift, px", f"{worst:.2f}"), ("light from", told.light_field),
    ]  # fmt: skip
    notes = "".join(f"<li>{escape(note)}</li>" for note in told.notes)
    listed = f'<ul style="margin:6px 0 0;padding-left:18px">{notes}</ul>' if notes else ""
    return f'{facts_html(facts)}{listed}<div class="rcg-where">in {escape(str(told.out))}</div>'
