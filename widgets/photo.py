"""A photo with its labels over it: a colour a class, lines of one width at any size, texts that hide nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from rcg.errors import DataError, RcgError
from rcg.images import encode_image, read_image
from rcg.types import Annotation, ImageRecord

# Okabe and Ito's colours, which people with any kind of colour vision tell apart, and two that stand well off them;
# a ninth class begins anew with dashed lines.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#f0e442", "#9a4dff")
_NUMBER = 0.026  # the height of a number, of the longer side of the photo


def colours_of(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The colour and the dashes ("" for a solid line) of each class, by its place in the list."""
    many = len(_COLOURS)
    return {label: (_COLOURS[at % many], "6 4" if at // many % 2 else "") for at, label in enumerate(labels)}


def photo_html(
    image: Path, record: ImageRecord, colours: Mapping[str, tuple[str, str]], *, longest: int, numbered: bool = False
) -> str:
    """A photo with its labels over it; one that cannot be read says so in its place.

    Args:
        image: The image file.
        record: Its labels, in its own pixels.
        colours: The look of each class, from `colours_of`.
        longest: The longer side of the picture in pixels.
        numbered: Whether each label carries its number in the list of labels.
    """
    try:
        data = base64.b64encode(_read(image, longest)).decode()
    except RcgError as error:
        return f'<div class="rcg-bad">{escape(error.what)}</div>'
    name = escape(record.file_name, quote=True)
    over = _overlay(record, colours, numbered=numbered)
    return f'<div class="rcg-photo"><img src="data:image/jpeg;base64,{data}" alt="{name}">{over}</div>'


def _read(image: Path, longest: int) -> bytes:
    if image.is_symlink() and not image.exists():
        fix = "put the original back there, or add it again from where it is now"
        raise DataError("the original of this linked image is gone", where=image.readlink(), fix=fix)
    return encode_image(read_image(image, longest=longest), ".jpg", quality=85)


def _overlay(record: ImageRecord, colours: Mapping[str, tuple[str, str]], *, numbered: bool) -> str:
    shapes = "".join(_shape(each, *colours.get(each.label, (_COLOURS[0], ""))) for each in record.annotations)
    numbers = _numbers(record, colours) if numbered else ""
    return (
        f'<svg viewBox="0 0 {record.width} {record.height}" preserveAspectRatio="none" fill="none">'
        f"{shapes}{numbers}</svg>"
    )


def _shape(each: Annotation, colour: str, dashes: str) -> str:
    left, top, right, bottom = each.box.corners
    box = ((left, top), (right, top), (right, bottom), (left, bottom))
    rings = [part.points for part in each.polygons] or [box]
    line = 'vector-effect="non-scaling-stroke"'
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    found = []
    for ring in rings:
        points = " ".join(f"{x:g},{y:g}" for x, y in ring)
        found.append(f'<polygon points="{points}" {line} stroke="#fff" stroke-opacity="0.6" stroke-width="3.5"/>')
        found.append(f'<polygon points="{points}" {line} stroke="{colour}" stroke-width="1.8"{dash}/>')
    for x, y, visible in each.keypoints.points if each.keypoints else ():
        if visible:
            found.append(f'<path d="M{x:g} {y:g}h0" {line} stroke="{colour}" stroke-width="8" stroke-linecap="round"/>')
    return f"<g>{''.join(found)}<title>{escape(each.label)}</title></g>"


def _numbers(record: ImageRecord, colours: Mapping[str, tuple[str, str]]) -> str:
    """The numbers above their boxes, each moved to the right of those that it would cover."""
    size = _NUMBER * max(record.width, record.height)
    taken: list[tuple[float, float]] = []
    found = []
    for number, each in enumerate(record.annotations, 1):
        left, top, _, bottom = each.box.corners
        y = top - 0.3 * size if top > 1.2 * size else min(bottom + size, record.height - 2.0)
        x = left
        while any(abs(x - other) < 1.3 * size and abs(y - line) < size for other, line in taken):
            x += 1.4 * size
        x = min(x, record.width - size)
        taken.append((x, y))
        colour, _ = colours.get(each.label, (_COLOURS[0], ""))
        found.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" fill="{colour}">{number}</text>')
    return "".join(found)


def keys_html(labels: Sequence[str], colours: Mapping[str, tuple[str, str]]) -> str:
    """The colours in words; empty without classes."""
    keys = "".join(f"<span>{key_html(label, colours)}{escape(label)}</span>" for label in labels)
    return f'<div class="rcg-keys">{keys}</div>' if keys else ""


def key_html(label: str, colours: Mapping[str, tuple[str, str]]) -> str:
    """A small square in the colour of a class, hollow where its lines are dashed."""
    colour, dashes = colours.get(label, (_COLOURS[0], ""))
    look = f"border:2px dashed {colour};box-sizing:border-box" if dashes else f"background:{colour}"
    return f'<span class="rcg-key" style="{look}"></span>'
