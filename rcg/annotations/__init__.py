"""Labels in every format: read, converted, written, and divided into splits by card."""

from rcg.annotations.convert import Conversion, convert
from rcg.annotations.formats import FORMATS, TARGETS, Format, Target
from rcg.annotations.formats.coco_write import CocoWriter
from rcg.annotations.opening import open_annotations
from rcg.annotations.source import AnnotationSource, RecordWriter
from rcg.annotations.split import SPLITS, assign_splits, card_of, split_of_path

__all__ = [
    "FORMATS",
    "SPLITS",
    "TARGETS",
    "AnnotationSource",
    "CocoWriter",
    "Conversion",
    "Format",
    "RecordWriter",
    "Target",
    "assign_splits",
    "card_of",
    "convert",
    "open_annotations",
    "split_of_path",
]
