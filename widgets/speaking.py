"""Where in the panels is what a message of the library names as an option or a command."""

from __future__ import annotations

import re

APART = "Where something is not found by itself"  # the title of the box with these controls
CONTROLS = {"--from": ("format", "Read as"), "--labels": ("labels", "Labels elsewhere"),
             "--classes": ("classes", "Class names")}  # fmt: skip
_PLACES = (
    (r"rcg browse\b", "the Review panel"),
    (r"rcg validate\b.*--measure", "“Look at the images” under Quality"),
    (r"rcg dataset add\b", "“Add” in the Datasets panel"),
    (r"rcg dataset restore\b", "“Go to this version” under Versions"),
    (r"rcg dataset versions\b", "Versions"),
    (r"rcg dataset create\b", "“Add”, with another name and type"),
    (r"rcg (train|predict)\b", "the Training panel"),
    (r"rcg normals\b", "“Measure” in the Surface panel"),
    (r"--px-mm\b", "“mm per pixel” in the Surface panel"),
    (r"rcg grade\b", "“Grade” in the Grading panel"),
    (r"--card-spec\b", "“Card” in the Grading panel"),
    (r"--reference\b", "“Reference” in the Grading panel"),
)


def control_of(fix: str) -> str:
    """The name of the control that stands for an option of the command line; "" where none does.

    Example:
        >>> control_of("say which to read: --from yolo")
        'format'
    """
    return next((name for option, (name, _) in CONTROLS.items() if re.search(rf"{option}\b", fix)), "")


def here(fix: str) -> str:
    """Where the same is done in the panels; "" where the text speaks of nothing that is there.

    Example:
        >>> here("look at both: rcg browse cards")
        'the Review panel'
    """
    place = next((place for command, place in _PLACES if re.search(command, fix)), "")
    if not place and (name := control_of(fix)):
        title = next(title for each, title in CONTROLS.values() if each == name)
        return f"“{title}”, in the box “{APART}”"
    return place
