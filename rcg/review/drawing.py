"""Labels and predictions drawn into a picture: told apart by line, by colour and by words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rcg.images import Pixels
from rcg.review.gallery import IOU, SCORE, review_image
from rcg.types import Annotation, ImageRecord, Point

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
LEGEND = "labels: solid blue, missed ones red · predictions: dashed green, false ones orange"
_BLUE, _RED, _GREEN, _ORANGE = (0, 114, 178), (213, 94, 0), (0, 158, 115), (230, 159, 0)


def draw(
    pixels: Pixels,
    record: ImageRecord,
    predictions: Sequence[Annotation] = (),
    *,
    iou: float = IOU,
    score: float = SCORE,
) -> Pixels:
    """Draw labels with solid lines and predictions with dashed ones.

    With predictions at hand, what they missed and what is false says so in its text. Predictions below `score` are
    left out.

    Args:
        pixels: (height, width, 3) uint8 RGB; the image of `record` at any scale.
        record: The image and its labels.
        predictions: What was predicted for it.
        iou: The smallest overlap that counts as found, 0 to 1.
        score: The smallest score that is drawn, 0 to 1.

    Returns:
        (height, width, 3) uint8 RGB, a new array.
    """
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.fromarray(np.ascontiguousarray(pixels))
    width = max(2, round(max(canvas.size) / 350))
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(11, 5 * width))
    scale = canvas.width / record.width, canvas.height / record.height
    review = review_image(record, predictions, iou=iou, score=score)
    missed = set(map(id, review.missed)) if predictions else set()
    for each in record.annotations:
        colour, text = (_RED, f"missed {each.label}") if id(each) in missed else (_BLUE, each.label)
        _annotation(pen, each, scale, colour=colour, text=text, width=width, font=font, dashed=False)
    false = set(map(id, review.false))
    for each in predictions:
        value = 1.0 if each.score is None else each.score
        if value >= score:
            wrong = id(each) in false
            colour, text = (
                (_ORANGE, f"false {each.label} {value:.2f}") if wrong else (_GREEN, f"{each.label} {value:.2f}")
            )
            _annotation(pen, each, scale, colour=colour, text=text, width=width, font=font, dashed=True)
    return np.array(canvas)


def _annotation(
    pen: Any,
    annotation: Annotation,
    scale: tuple[float, float],
    *,
    colour: tuple[int, int, int],
    text: str,
    width: int,
    font: Any,
    dashed: bool,
) -> None:
    left, top, right, bottom = annotation.box.corners
    rings: Iterable[Sequence[Point]] = [part.points for part in annotation.polygons] or [
        [(left, top), (right, top), (right, bottom), (left, bottom)]
    ]
    for ring in rings:
        points = [(x * scale[0], y * scale[1]) for x, y in ring]
        for start, end in zip(points, [*points[1:], points[0]], strict=True):
            for piece in dashes(start, end, length=5.0 * width) if dashed else [(start, end)]:
                pen.line(piece, fill=colour, width=width)
    for x, y, visible in annotation.keypoints.points if annotation.keypoints else ():
        if visible:
            cx, cy, r = x * scale[0], y * scale[1], 1.5 * width
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), outline=colour, width=width)
    # Labels are named above their box and predictions below it, so that the texts of a hit do not cover each other.
    anchor = (left * scale[0], bottom * scale[1] if dashed else top * scale[1])
    _text(pen, anchor, text, colour=colour, font=font, below=dashed)


def dashes(start: Point, end: Point, *, length: float) -> list[tuple[Point, Point]]:
    """The dashes of a line, each `length` long with gaps of 0.8 times that.

    Example:
        >>> dashes((0, 0), (10, 0), length=4)
        [((0.0, 0.0), (4.0, 0.0)), ((7.2, 0.0), (10.0, 0.0))]
    """
    (x0, y0), (x1, y1) = start, end
    total = float(np.hypot(x1 - x0, y1 - y0))
    if total == 0:
        return []
    step = (x1 - x0) / total, (y1 - y0) / total
    found = []
    for at in np.arange(0.0, total, 1.8 * length).tolist():
        stop = min(at + length, total)
        found.append(((x0 + at * step[0], y0 + at * step[1]), (x0 + stop * step[0], y0 + stop * step[1])))
    return found


def _text(pen: Any, anchor: Point, text: str, *, colour: tuple[int, int, int], font: Any, below: bool) -> None:
    """White on a plate of the line's colour, moved into the picture where it would stand outside."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = 2
    wide, high = right - left + 2 * pad, bottom - top + 2 * pad
    full_width, full_height = pen.im.size
    x = min(max(anchor[0], 0), max(full_width - wide, 0))
    y = min(max(anchor[1] if below else anchor[1] - high, 0), max(full_height - high, 0))
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    pen.text((x + pad - left, y + pad - top), text, font=font, fill=(255, 255, 255))
