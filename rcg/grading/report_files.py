"""A report as files: report.json, report.html and the overlays, the same bytes for the same pictures."""

from __future__ import annotations

from pathlib import Path

from rcg.files import write_bytes, write_json, write_text
from rcg.grading.grading import Graded
from rcg.grading.report_close import Relief
from rcg.grading.report_json import report_values
from rcg.grading.report_page import report_page
from rcg.grading.report_pictures import overlay
from rcg.images import Pixels, encode_image


def write_report(graded: Graded, folder: str | Path) -> Path:
    """Write report.json, report.html, front.png and, where there is one, back.png into a folder.

    Args:
        graded: What was measured, with its pictures.
        folder: Where to; files of these names are replaced, others stay.

    Returns:
        The page.
    """
    place = Path(folder)
    write_json(place / "report.json", report_values(graded.report))
    for name in graded.pictures:
        write_bytes(place / f"{name}.png", encode_image(overlay_of(graded, name), ".png"))
    write_text(place / "report.html", page_of(graded))
    return place / "report.html"


def page_of(graded: Graded) -> str:
    """The report as one page that needs no other file."""
    if not graded.surfaces:
        return report_page(graded.report, graded.pictures, standards=graded.standards)
    from rcg.grading.report_relit import raking_picture, relit_html

    reliefs = {
        name: Relief(pixels=raking_picture(surface), outline=graded.places[name])
        for name, surface in graded.surfaces.items()
    }
    return report_page(
        graded.report, graded.pictures, standards=graded.standards, relit=relit_html(graded.surfaces), reliefs=reliefs
    )


def overlay_of(graded: Graded, face: str) -> Pixels:
    """The photo of "front" or "back" with its lines, points and marks, as pixels."""
    measured = graded.report.front if face == "front" else graded.report.back
    if measured is None:
        raise KeyError(face)
    return overlay(graded.pictures[face], measured)
