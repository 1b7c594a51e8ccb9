"""Photometric stereo: from frames under several lights to the shape of a card's surface and what damaged it.

The types are here at once; every function below loads its part when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcg.lazy import lazy
from rcg.photometric.types import Capture, LightField, LightRig, NormalMap, SurfaceDefect

if TYPE_CHECKING:
    from rcg.photometric.ball import calibrate_ball
    from rcg.photometric.checks import check_capture
    from rcg.photometric.defects import find_defects, to_records
    from rcg.photometric.field import light_field
    from rcg.photometric.gloss import gloss_map, print_leak
    from rcg.photometric.planar import calibrate_plane, level_by_plane
    from rcg.photometric.reading import read_capture
    from rcg.photometric.registering import register
    from rcg.photometric.relief import bands, integrate, mean_curvature
    from rcg.photometric.sheet import calibrate_sheet
    from rcg.photometric.solving import colour_albedo, solve_normals
    from rcg.photometric.writing import read_calibration, write_calibration, write_capture

_HOME = {
    "ball": ("calibrate_ball",),
    "checks": ("check_capture",),
    "defects": ("find_defects", "to_records"),
    "field": ("light_field",),
    "gloss": ("gloss_map", "print_leak"),
    "planar": ("calibrate_plane", "level_by_plane"),
    "reading": ("read_capture",),
    "registering": ("register",),
    "relief": ("bands", "integrate", "mean_curvature"),
    "sheet": ("calibrate_sheet",),
    "solving": ("colour_albedo", "solve_normals"),
    "writing": ("read_calibration", "write_calibration", "write_capture"),
}

__all__ = [
    "Capture", "LightField", "LightRig", "NormalMap", "SurfaceDefect", "bands", "calibrate_ball", "calibrate_plane",
    "calibrate_sheet", "check_capture", "colour_albedo", "find_defects", "gloss_map", "integrate", "level_by_plane",
    "light_field", "mean_curvature", "print_leak", "read_calibration", "read_capture", "register", "solve_normals",
    "to_records", "write_calibration", "write_capture",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME)
