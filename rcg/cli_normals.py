"""`rcg normals`: parse, call, tell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rcg.cli_dataset import AsJson, Place, open_workspace
from rcg.console import progress, tell


def normals(
    frames: Annotated[str, typer.Argument(help="A folder with one frame for each light, or DATASET/CARD.")],
    out: Annotated[Path, typer.Argument(help="A new folder for the results, or one of an earlier measurement.")],
    method: Annotated[str, typer.Option(help="auto, least-squares or robust.")] = "auto",
    flat: Annotated[Path | None, typer.Option(help="Frames of a matte white sheet; FRAMES/flat by itself.")] = None,
    dark: Annotated[Path | None, typer.Option(help="Frames without light; FRAMES/dark by itself.")] = None,
    px_mm: Annotated[float | None, typer.Option(help="The size of a pixel on the card, in mm.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="A folder with a kept calibration of the rig.")] = None,
    workspace: Place = None,
    json: AsJson = False,
) -> None:
    """Measure a card's surface from frames under several lights: normals, height, defects, a page to relight it."""
    from rcg.normals import measure_surface
    from rcg.surface_dataset import frames_folder

    known = None if Path(frames).expanduser().is_dir() else open_workspace(workspace)
    done = measure_surface(
        frames_folder(frames, known), out, method=method, flat=flat, dark=dark, mm_per_px=px_mm,
        calibration=calibration, report=progress(),
    )  # fmt: skip
    tell(str(done), **done.values())
