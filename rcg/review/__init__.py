"""Looking at labels and predictions, and correcting them: FiftyOne's App, and a plain gallery that needs none of it.

RCG's files stay the truth. FiftyOne's database is a cache in the workspace that is built from them; what is edited in
the App comes back as corrections.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "accept_predictions": "accepting",
    "browse": "browsing", "open_app": "browsing", "Browsing": "browsing",
    "build": "building",
    "collect": "collecting",
    "compare": "gallery", "queue": "gallery", "SampleReview": "gallery", "QueueItem": "gallery",
    "configure": "environment",
    "database_state": "database", "install_database": "database", "DatabaseState": "database",
}  # fmt: skip

__all__ = sorted(_PLACES)  # noqa: PLE0605 - the names of the table above


def __getattr__(name: str) -> Any:  # lazily: the keeper's process and a look at the gallery stay light
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
