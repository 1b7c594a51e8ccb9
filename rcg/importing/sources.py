"""What stands at a place: labels of a known format, or images alone."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rcg.annotations import FORMATS, AnnotationSource, open_annotations
from rcg.annotations.checks import Unusable
from rcg.annotations.formats.coco import CocoSource
from rcg.annotations.items import Item
from rcg.annotations.listed import ListedSource
from rcg.annotations.perimage import Outcome
from rcg.annotations.perimage_source import PerImageSource
from rcg.annotations.place import Place
from rcg.annotations.sizes import image_size
from rcg.annotations.source import Earlier, Notes
from rcg.annotations.split import split_of_path
from rcg.datasets import GROUND_TRUTH
from rcg.errors import ConfigError
from rcg.importing.archives import is_archive, look_into
from rcg.importing.call import Call, How, Images
from rcg.importing.given import ready
from rcg.importing.ready import Ready
from rcg.progress import counted
from rcg.types import BadLine, ImageRecord, LabelSet


class PlainImages:
    """A folder of images without labels, in the shape of an annotation source.

    Args:
        place: The folder.
    """

    format = "images"

    def __init__(self, place: Place) -> None:
        self.images = place.images
        self.reason = "there are images and no labels of a known format"
        self.labels = LabelSet(())
        self.notes = Notes()
        self.notes.say(_no_labels(place))
        self.items: Sequence[Item] = [Item(name, None, split_of_path(name)) for name in place.image_names]

    @property
    def total(self) -> int:
        """How many images there are."""
        return len(self.items)

    def read(self, item: Item) -> Outcome:
        """The size of one image, or why it is left out."""
        try:
            size, _ = image_size(self.images, item.name)
        except Unusable as error:
            return Outcome(None, bad=(BadLine(file=item.name, line=None, reason=str(error)),))
        record = ImageRecord(
            file_name=item.name, width=size.width, height=size.height, labelled=False, split=item.split
        )
        return Outcome(record)


def _no_labels(place: Place) -> str:
    others = Counter({ending: len(names) for ending, names in place.files.items() if names})
    text = "no labels of a known format were found"
    if not others:
        return text
    kinds = ", ".join(f"{number:,} {ending or 'without ending'}" for ending, number in others.most_common(3))
    return f"{text}; there are other files: {kinds}"


Source = AnnotationSource | PlainImages


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What stands in a list or an archive, which is opened when it is added.

    Attributes:
        format: What the labels are read as; "archive" where that shows only after unpacking.
        reason: Why.
        total: How many images it holds.
        labels: The classes.
        images: The list or the archive.
    """

    format: str
    reason: str
    total: int
    labels: LabelSet
    images: Path


def recognise(
    images: Images,
    labels: str | Path | None,
    *,
    format: str = "auto",
    classes: str | Path | None = None,
    stage: str = GROUND_TRUTH,
) -> Source | Recognised:
    """What stands at these places, before anything is copied or unpacked.

    Args:
        images: A folder of images, which may hold the labels too; a list of images, a .txt file that lists them, or a
            .zip or .tar archive.
        labels: A label file or folder; None looks for labels below `images`.
        format: "auto", or the format to read the labels as.
        classes: A file with class names.
        stage: "ground_truth" or "predictions".

    Raises:
        RcgError: If there is nothing to read; it says what was looked for.
    """
    how = How(format=format, classes=classes)
    call = Call.of(images, labels, stage=stage, name=None, how=how)
    if isinstance(call.images, Path) and call.images.is_file() and is_archive(call.images):
        packed = look_into(call.images)
        if not packed.images:
            raise ConfigError("there is no image in this archive", where=call.images, fix="name another archive")
        more = f" and {counted(packed.labels, 'file')} that may hold labels" if packed.labels else ""
        reason = f"an archive with {counted(packed.images, 'image')}{more}; it is unpacked when it is added"
        return Recognised(format="archive", reason=reason, total=packed.images, labels=LabelSet(()), images=call.images)
    if call.images is None or (isinstance(call.images, Path) and call.images.is_dir()):
        return open_source(Ready(images=call.images, labels=call.labels), call)
    with tempfile.TemporaryDirectory(prefix="rcg-") as work, ready(call, Path(work) / "list") as laid_out:
        found = open_source(laid_out, call)
        where = call.images if isinstance(call.images, Path) else Path(call.shown)
        return Recognised(
            format=found.format, reason=found.reason, total=found.total, labels=found.labels, images=where
        )


def open_source(given: Ready, call: Call, *, own: Path | None = None, earlier: Earlier | None = None) -> Source:
    """Open what is to be added.

    Args:
        given: The folder and the labels.
        call: How they are to be read.
        own: The dataset's own images, for labels without a folder of images.
        earlier: What an earlier reading found out.

    Raises:
        RcgError: If there is nothing to read.
    """
    how, folder, labels = call.how, given.images, given.labels
    reading = partial(open_annotations, format=how.format, classes=how.classes, stage=call.stage, earlier=earlier)
    if folder is not None and labels is None and how.format == "auto":
        place = Place(folder)
        known = place.opposite() is not None or any(each.recognise(place) for each in FORMATS.values())
        if place.has_images and not known:
            return PlainImages(place)
    if labels is None:
        assert folder is not None
        return reading(folder)  # labels beside the images tell by themselves where these are
    return reading(labels, images=folder or own)


def items_of(source: Source) -> Sequence[Item] | None:
    """The images of a source that reads each for itself, with their label files; None for others."""
    return source.items if isinstance(source, PlainImages | PerImageSource) else None


def read_item(source: Source, item: Item) -> Outcome:
    """One image of such a source."""
    assert isinstance(source, PlainImages | PerImageSource)
    return source.read(item)


def label_path(source: Source, item: Item) -> str | None:
    """The label file of an image."""
    if item.label is None or not isinstance(source, PerImageSource):
        return None
    return f"{source.read.root}/{item.label}"


def bad_before(source: Source) -> Iterator[BadLine]:
    """What is left out whatever the images hold."""
    if isinstance(source, PerImageSource):
        yield from source.before()


def label_files(source: Source) -> Sequence[Path]:
    """The label files that speak of many images each."""
    if isinstance(source, CocoSource):
        return source.reader.index.paths
    return source.files if isinstance(source, ListedSource) else ()


def rows_of(source: Source) -> Sequence[tuple[str, str | None]] | None:
    """Name and split of the images of such a source; None for others."""
    if isinstance(source, CocoSource | ListedSource):
        return [(row.name, row.split) for row in source.rows]
    return None


def without_images(source: Source, names: Collection[str]) -> Source:
    """Such a source without some of its images."""
    if isinstance(source, CocoSource):
        return replace(source, rows=[row for row in source.rows if row.name not in names])
    assert isinstance(source, ListedSource)
    return replace(source, rows=[row for row in source.rows if row.name not in names])
