"""The figures that a standard may set limits for: their names, what they count, and how they are told in words."""

from __future__ import annotations

CENTERING, CORNERS, EDGES, SURFACE = "centering", "corners", "edges", "surface"
FACES = ("front", "back")

OF_MARKS = ("count", "length", "longest", "area", "depth")
"""What is counted of the marks of one label on a face: how many, mm in all, mm of the longest, mm2, deepest um."""

MARKS = (
    "scratch", "print_line", "print_dot", "dent", "crease", "stain", "tear", "missing_stock", "roller_line",
    "corner_bend", "chipping", "notch", "rough_cut",
)  # fmt: skip

FIGURES: dict[str, tuple[str, ...]] = {
    CENTERING: ("share", "other_share", "rotation"),
    CORNERS: (
        "whitening_depth", "whitening_second", "whitening_third", "whitening_fourth", "whitening_area", "radius_error",
        "missing_area", "angle_error",
    ),
    EDGES: ("whitening_depth", "whitening_length", "whitening_area", "deepest", "roughness"),
    SURFACE: tuple(f"{label}_{what}" for label in MARKS for what in OF_MARKS),
}  # fmt: skip
"""By area. All are worse the larger they are; each is taken over one face.

centering: the larger share of the worse axis, and of the better one, in percent; degrees that the print is turned.
corners: mm of the deepest whitening, of the corner with the second, third and fourth deepest, mm2 of all four; mm that
the worst radius is above the stock's own; mm2 that are missing in all; degrees that the worst corner is off 90.
edges: mm of whitening, mean over the worst side; mm of white edge and mm2 in all; mm of the deepest place; mm RMS of
the roughest side.
surface: marks by label, wherever on the face they are, as `OF_MARKS` says.
"""

UNITS = {
    "share": "%", "other_share": "%", "rotation": "degrees", "angle_error": "degrees", "whitening_area": "mm²",
    "missing_area": "mm²", "area": "mm²", "count": "", "depth": "µm",
}  # fmt: skip


def unit(figure: str) -> str:
    """The unit of a figure, "" for a count.

    Example:
        >>> unit("corners.whitening_area"), unit("surface.scratch_length"), unit("surface.dent_depth")
        ('mm²', 'mm', 'µm')
    """
    area, _, name = figure.partition(".")
    return UNITS.get(name.rpartition("_")[2] if area == SURFACE else name, "mm")


def known_figures() -> tuple[str, ...]:
    """All of them with their area, such as "edges.deepest"."""
    return tuple(f"{area}.{name}" for area, names in FIGURES.items() for name in names)
