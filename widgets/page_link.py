"""A button that opens a page, or saves a file, which Jupyter does not serve: its bytes go to the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t

_TYPES = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8"}
_HERE = Path(__file__).parent
Made = tuple[str, bytes]
"""A file's name and its content."""


class PageLink(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """The button.

    Args:
        make: Makes the page; it answers by calling what it is given, from any thread, with None where it failed.
        words: What stands on the button.
        tip: What it says under the mouse.
        file: Whether it is saved instead of opened.
    """

    _esm = (_HERE / "page_link.js").read_text(encoding="utf-8")
    words = t.Unicode("").tag(sync=True)
    tip = t.Unicode("").tag(sync=True)
    file = t.Bool(False).tag(sync=True)
    ready = t.Bool(False).tag(sync=True)

    def __init__(
        self, make: Callable[[Callable[[Made | None], None]], object], *, words: str, tip: str, file: bool = False
    ) -> None:
        super().__init__(words=words, tip=tip, file=file)
        self._make = make
        self.on_msg(self._take)

    def _take(self, _: object, content: dict[str, Any], buffers: Sequence[bytes]) -> None:  # noqa: ARG002 - ipywidgets
        self._make(self._answer)

    def _answer(self, made: Made | None) -> None:
        if made is None:
            self.send({"kind": "failed"})
            return
        name, data = made
        self.send({"kind": "made", "name": name, "type": _TYPES[Path(name).suffix]}, buffers=[data])
