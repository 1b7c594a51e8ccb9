"""The picture of a card with its lines and points as a widget: lines are dragged, nudged by keys, and reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

from rcg.images import Pixels
from rcg.measuring.types import FaceMeasurement
from rcg.types import Point
from widgets.grading_lines import overlay_values, overview, part_of

_HERE = Path(__file__).parent
Ends = tuple[Point, Point]
LineSet = Callable[[str, str, Ends, bool], object]
LineReset = Callable[[str, str], object]


class GradingOverlay(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """A face of a card with its eight lines; what a hand does to them is told through `hooks`.

    Attributes:
        about: The lines and points, as `overlay_values` makes them; empty while there is nothing to show.
        picture: The whole picture as JPEG.
    """

    _esm = (_HERE / "grading_overlay.js").read_text(encoding="utf-8")
    _css = (_HERE / "grading_overlay.css").read_text(encoding="utf-8")
    picture = t.Bytes(b"").tag(sync=True)
    about = t.Dict({}).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._pixels: Pixels | None = None
        self._key = ""
        self._set: LineSet | None = None
        self._reset: LineReset | None = None
        self.on_msg(self._take)

    def hooks(self, *, line: LineSet, reset: LineReset) -> None:
        """Say what happens with a line that was moved (side, edge, both ends in px, settled or not), or is reset."""
        self._set, self._reset = line, reset

    def show(self, pixels: Pixels | None, face: FaceMeasurement | None, *, key: str, hand: Sequence[str] = ()) -> None:
        """Show a face; None shows nothing. With the key of what is shown, only the lines are renewed.

        Args:
            pixels: (h, w, 3) uint8 RGB, the picture that was measured.
            face: What was measured.
            key: Tells this picture from others.
            hand: The lines that a person has set, such as "left inner".
        """
        if pixels is None or face is None:
            self._pixels, self._key, self.about, self.picture = None, "", {}, b""
            return
        with self.hold_sync():
            if key != self._key or self._pixels is not pixels:
                self.picture = overview(pixels)
            self._pixels, self._key = pixels, key
            self.about = overlay_values(face, key=key, hand=tuple(hand))

    def _take(self, _: object, content: dict[str, Any], buffers: Sequence[bytes]) -> None:  # noqa: ARG002 - ipywidgets
        """What the browser says; of a picture that is not shown any more, it is passed over."""
        if self._pixels is None or content.get("key") != self._key:
            return
        if content["kind"] == "tile":
            left, top, right, bottom = (float(each) for each in content["box"])
            made, box = part_of(self._pixels, (left, top, right, bottom), int(content["pixels"]))
            self.send({"kind": "tile", "key": self._key, "box": box}, buffers=[made])
        elif content["kind"] == "line" and self._set is not None:
            (x0, y0), (x1, y1) = content["ends"]
            ends = ((float(x0), float(y0)), (float(x1), float(y1)))
            self._set(str(content["side"]), str(content["edge"]), ends, bool(content["done"]))
        elif content["kind"] == "reset" and self._reset is not None:
            self._reset(str(content["side"]), str(content["edge"]))
