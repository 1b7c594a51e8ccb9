"""Pictures with their labels drawn in, as the bytes and the HTML that a panel shows."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from rcg.errors import DataError, RcgError
from rcg.images import encode_image, read_image
from rcg.review.drawing import draw
from rcg.review.gallery import SCORE
from rcg.types import Annotation, ImageRecord
from widgets.base import Message


def picture(
    image: Path,
    record: ImageRecord,
    predictions: Sequence[Annotation] = (),
    *,
    longest: int = 900,
    score: float = SCORE,
) -> bytes:
    """An image as JPEG with its labels (solid) and predictions (dashed) drawn in.

    Args:
        image: The image file.
        record: Its labels.
        predictions: What was predicted for it.
        longest: The longer side of the result in pixels.
        score: The smallest score that is drawn, 0 to 1.

    Raises:
        RcgError: If the image is missing or cannot be read.
    """
    if image.is_symlink() and not image.exists():
        fix = "put the original back there, or add it again from where it is now"
        raise DataError("the original of this linked image is gone", where=image.readlink(), fix=fix)
    drawn = draw(read_image(image, longest=longest), record, predictions, score=score)
    return encode_image(drawn, ".jpg", quality=85)


def figure_html(image: Path, record: ImageRecord, predictions: Sequence[Annotation] = (), *, longest: int = 340) -> str:
    """`picture` as a figure with the file's name below; an image that cannot be read says so in its place."""
    caption = f"<figcaption>{escape(record.file_name)}</figcaption>"
    try:
        data = base64.b64encode(picture(image, record, predictions, longest=longest)).decode()
    except RcgError as error:
        message = Message.of(error, trace="")
        return f'<figure class="rcg-bad">{escape(message.what)}{caption}</figure>'
    name = escape(record.file_name, quote=True)
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt="{name}">{caption}</figure>'


def plain_figure_html(image: Path, caption: str, *, longest: int = 260) -> str:
    """An image as it is, as a figure with a caption; one that cannot be read says so in its place."""
    below = f"<figcaption>{escape(caption)}</figcaption>"
    try:
        data = base64.b64encode(encode_image(read_image(image, longest=longest), ".jpg", quality=85)).decode()
    except RcgError as error:
        return f'<figure class="rcg-bad">{escape(error.what)}{below}</figure>'
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(caption, quote=True)}">{below}</figure>'


def gallery_html(figures: Iterable[str]) -> str:
    """Figures side by side; empty for none."""
    body = "".join(figures)
    return f'<div class="rcg-pictures">{body}</div>' if body else ""
