"""A report as files: report.json, report.html and the overlays, the same bytes for the same pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rcg.errors import DataError
from rcg.files import write_bytes, write_json, write_text
from rcg.grading.grading import Graded
from rcg.grading.report_close import Relief
from rcg.grading.report_json import report_values
from rcg.grading.report_page import report_page
from rcg.grading.report_pictures import overlay, shown_part, smaller, view, whole_card
from rcg.images import Pixels, encode_image
from rcg.measuring.types import FaceMeasurement
from rcg.progress import Report, silent, tracked

THUMB_PX = 176
"""The longer side of a card in the table, twice as fine as it is shown."""


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


def write_reports(cards: Sequence[Graded], folder: str | Path, *, report: Report = silent) -> Path:
    """Write the reports on all cards of a photo: a folder each, and index.html and results.csv over them.

    Args:
        cards: What was measured; a single one is written as `write_report` does.
        folder: Where to.
        report: Where the progress goes.

    Returns:
        The page to look at.
    """
    from rcg.grading.batch_page import table_page
    from rcg.grading.batch_rows import csv_of, row_of

    place = Path(folder)
    if len(cards) == 1:
        return write_report(cards[0], place)
    rows = []
    for each in tracked(cards, task="write reports", report=report):
        name = each.report.name
        write_report(each, place / name)
        write_bytes(place / "thumbs" / f"{name}.jpg", thumbnail(each.pictures["front"], each.report.front))
        rows.append(row_of(each.report, front=each.report.sources.get("front", ""), back=""))
    known = cards[0].standards
    write_text(place / "results.csv", csv_of(rows, list(known)))
    write_text(place / "index.html", table_page(rows, known, pages="{}/report.html"))
    return place / "index.html"


def check_place(folder: str | Path) -> None:
    """See that reports can be written into a folder, before anything is measured.

    Raises:
        DataError: If it is a file, lies below one, or must not be written.
    """
    place = Path(folder).expanduser()
    there = next(each for each in (place, *place.absolute().parents) if each.exists())
    if not there.is_dir():
        raise DataError("this is a file, not a folder", where=there, fix="name a folder for the reports: --out DIR")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(
            "nothing can be written here", where=there, fix="name a folder of your own for the reports: --out DIR"
        )


def thumbnail(pixels: Pixels, face: FaceMeasurement) -> bytes:
    """The card small, as a JPEG file for the table."""
    if face.outline is not None:
        window = whole_card(face.outline, margin_mm=1.0)
        small = view(pixels, face.outline, window, scale=THUMB_PX / window.height)
    else:
        left, top, right, bottom = shown_part(face)
        small = smaller(pixels[top:bottom, left:right], THUMB_PX)
    return encode_image(small, ".jpg", quality=85)


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
