"""What a capture's folder says of its lights: rig.toml, DiLiGenT's text files, light positions of RTI."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rcg.errors import CalibrationError, ConfigError, FormatError, RcgError
from rcg.files import explain, read_toml
from rcg.photometric.types import Floats, LightRig

_RIG_KEYS = ("directions", "intensities", "positions_mm", "lobe", "bits", "full_scale", "mm_per_px", "noise", "frames")
_RING_KEYS = ("lights", "radius_mm", "height_mm", "first_deg", "clockwise", "lobe")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RigFile:
    """What a folder says of its lights and sensor.

    Attributes:
        rig: The lights; None where nothing is known.
        bits: Of the sensor, 8 to 16; None where not said.
        full_scale: The value at which the sensor saturates; None where not said.
        mm_per_px: The size of a pixel on the card; None where not said.
        noise: (a, b) of the variance a * value + b; None where not said.
        frames: Names of the frames in the lights' order; empty where not said.
        path: The file that tells of the lights; None without one.
    """

    rig: LightRig | None = None
    bits: int | None = None
    full_scale: float | None = None
    mm_per_px: float | None = None
    noise: tuple[float, float] | None = None
    frames: tuple[str, ...] = ()
    path: Path | None = None


def read_rig(place: str | Path) -> RigFile:
    """What a rig.toml, or a folder with one or with text files, says of the lights.

    In rig.toml, all of it optional; x right, y up, z to the camera, from the middle of the picture at card height:

        [rig]
        positions_mm = [[180.0, 0.0, 180.0], ...]   # places of the lights, in the order of the frames
        directions = [[0.707, 0.0, 0.707], ...]     # or only where they are seen, from the card towards the light
        intensities = [1.0, ...]                    # relative; with places those of the lamps, else of what arrives
        lobe = 1.0                                  # a lamp's brightness falls off with cos(angle) ** lobe
        bits = 12                                   # of the sensor, where a 16-bit file holds fewer
        full_scale = 4095.0                         # or the value at which it saturates
        mm_per_px = 0.0215                          # the size of a pixel on the card
        noise = [0.02, 1.5]                         # the variance of a value is 0.02 * value + 1.5
        frames = ["a.png", ...]                     # the frames in the order of the lights; else name order

        [ring]                                      # instead of places: lights at equal steps around the card
        lights = 8
        radius_mm = 180.0
        height_mm = 180.0
        first_deg = 0.0                             # where the first one stands, from the right against the clock
        clockwise = false

    Args:
        place: The file, or the folder of a capture.

    Raises:
        ConfigError: If a key is unknown or a value of the wrong kind.
        CalibrationError: If the lights cannot be so.
        FormatError: If a file cannot be read.
    """
    path = Path(place)
    folder, toml = (path, path / "rig.toml") if path.is_dir() else (path.parent, path)
    told = _from_toml(toml) if toml.is_file() or not path.is_dir() else RigFile()
    return told if told.rig is not None or not path.is_dir() else _from_text(folder, told)


def _from_toml(path: Path) -> RigFile:
    content = read_toml(path)
    _known(content, ("rig", "ring"), path)
    rig, ring = content.get("rig", {}), content.get("ring", {})
    for name, table, keys in (("rig", rig, _RIG_KEYS), ("ring", ring, _RING_KEYS)):
        if not isinstance(table, dict):
            raise ConfigError(f"{name} is no table", where=path, fix=f"write [{name}] on a line of its own")
        _known(table, keys, f"{path}, [{name}]")
    values = {key: _array(rig, key, path) for key in ("directions", "intensities", "positions_mm")}
    lobe = _number(rig, "lobe", path, default=None)
    places = _ring(ring, path) if ring else values["positions_mm"]
    lights: LightRig | None = None
    try:
        if places is not None:
            _agree(places, values["directions"])
            used = _number(ring, "lobe", path, default=0.0) if lobe is None else lobe
            lights = LightRig.at(places, intensities=values["intensities"], lobe=used or 0.0)
        elif values["directions"] is not None:
            lights = LightRig(directions=values["directions"], intensities=values["intensities"], lobe=lobe or 0.0)
    except CalibrationError as error:
        raise CalibrationError(error.what, where=path, fix=error.fix) from error
    noise = _array(rig, "noise", path)
    if noise is not None and (noise.shape != (2,) or (noise < 0).any()):
        raise ConfigError("noise holds two numbers, a and b of a * value + b", where=path, fix="noise = [0.02, 1.5]")
    frames = rig.get("frames", [])
    if not isinstance(frames, list) or not all(isinstance(name, str) for name in frames):
        raise ConfigError("frames is no list of names", where=path, fix='frames = ["a.png", "b.png", "c.png"]')
    return RigFile(
        rig=lights,
        bits=_bits(rig, path),
        full_scale=_number(rig, "full_scale", path, default=None),
        mm_per_px=_number(rig, "mm_per_px", path, default=None),
        noise=None if noise is None else (float(noise[0]), float(noise[1])),
        frames=tuple(frames),
        path=path,
    )


def _known(table: dict[str, Any], keys: tuple[str, ...], where: object) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1) or difflib.get_close_matches(key, _RIG_KEYS, 1)
            fix = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"
            if near and near[0] not in keys:
                fix = f"write [rig] on the line before it, and {near[0]} below"
            raise ConfigError(f"the key {key} is not known", where=where, fix=fix)


def _array(table: dict[str, Any], key: str, path: Path) -> Floats | None:
    if key not in table:
        return None
    try:
        return np.asarray(table[key], np.float64)
    except (ValueError, TypeError) as error:
        fix = "one list of numbers for each light, all of one length"
        raise ConfigError(f"{key} is no list of numbers", where=path, fix=fix) from error


def _number(table: dict[str, Any], key: str, path: Path, *, default: float | None) -> float | None:
    value = table.get(key, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ConfigError(f"{key} = {value!r} is no number", where=path, fix=f"{key} = 1.0")
    return float(value)


def _bits(table: dict[str, Any], path: Path) -> int | None:
    bits = table.get("bits")
    if bits is not None and (not isinstance(bits, int) or not 8 <= bits <= 16):
        raise ConfigError(f"bits = {bits!r} is not from 8 to 16", where=path, fix="bits = 12")
    return bits


def _ring(ring: dict[str, Any], path: Path) -> Floats:
    lights = ring.get("lights", 8)
    if not isinstance(lights, int):
        raise ConfigError(f"lights = {lights!r} is no whole number", where=path, fix="lights = 8")
    radius, height, first = (
        _number(ring, key, path, default=value) or 0.0
        for key, value in (("radius_mm", 180.0), ("height_mm", 180.0), ("first_deg", 0.0))
    )
    turn = np.deg2rad(first) + 2 * np.pi * np.arange(lights) / max(lights, 1) * (-1 if ring.get("clockwise") else 1)
    return np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.full(lights, height)])


def _agree(places: Floats, directions: Floats | None) -> None:
    """Refuse directions that contradict the places by more than any offset of the card could."""
    if directions is None or directions.shape != places.shape:
        return
    one, two = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (places, directions))
    angle = np.rad2deg(np.arccos(np.clip((one * two).sum(axis=1), -1, 1)))
    if angle.max() > 15:
        which = int(angle.argmax())
        what = f"the place and the direction of light {which + 1} differ by {angle[which]:.0f} degrees"
        raise CalibrationError(what, fix="take one of the two out; y points up in the picture, z to the camera")


def _from_text(folder: Path, told: RigFile) -> RigFile:
    """Directions and intensities of text files, beside what rig.toml said."""
    path, directions = _text_directions(folder)
    if path is None or directions is None:
        return told
    intensities = None
    given = folder / "light_intensities.txt"
    if given.is_file():
        intensities = _table(given, columns=(1, 3))
        intensities = intensities[:, 0] if intensities.shape[1] == 1 else intensities
    try:
        rig = LightRig(directions=directions, intensities=intensities)
    except RcgError as error:
        raise CalibrationError(error.what, where=error.where or path, fix=error.fix) from error
    return replace(told, rig=rig, path=path)


def _text_directions(folder: Path) -> tuple[Path | None, Floats | None]:
    named = folder / "light_directions.txt"
    if named.is_file():
        return named, _table(named, columns=(3,))
    for path in (*sorted(folder.glob("*.lp")), folder / "lights.txt"):
        if path.is_file():
            return path, _light_positions(path)
    return None, None


def _light_positions(path: Path) -> Floats:
    """Directions of an RTI light position file: the count, then `name x y z` or `x y z` a line."""
    lines = _lines(path)
    head = lines[0][1].split() if lines else []
    body = lines[1:] if len(head) == 1 and head[0].isdigit() else lines
    words = [(number, text.split()[-3:]) for number, text in body]
    rows = np.array([_row(" ".join(last), number, path, (3,)) for number, last in words])
    if len(body) != len(lines) and len(rows) != int(head[0]):
        what = f"the first line says {head[0]} lights, and {len(rows)} follow"
        raise FormatError(what, where=path, fix="write one line for each light")
    return rows.reshape(-1, 3)


def _table(path: Path, *, columns: tuple[int, ...]) -> Floats:
    rows = [_row(text, number, path, columns) for number, text in _lines(path)]
    if len({len(row) for row in rows}) != 1:
        what = "the lines do not all hold the same count of numbers" if rows else "the file is empty"
        raise FormatError(what, where=path, fix="write one line for each frame")
    return np.array(rows)


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise explain(error, path) from error
    except UnicodeDecodeError as error:
        raise FormatError("this is no text", where=path, fix="write one line of numbers for each light") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.partition("#")[0].strip()]


def _row(text: str, number: int, path: Path, columns: tuple[int, ...]) -> list[float]:
    words = text.partition("#")[0].replace(",", " ").split()
    where = f"{path}, line {number}"
    fix = f"write {' or '.join(str(count) for count in columns)} numbers, such as 0.5 -0.1 0.86"
    try:
        row = [float(word) for word in words]
    except ValueError as error:
        raise FormatError(f"{text.strip()!r} are no numbers", where=where, fix=fix) from error
    if len(row) not in columns or not np.isfinite(row).all():
        raise FormatError(f"{text.strip()!r} are not {columns[0]} finite numbers", where=where, fix=fix)
    return row
