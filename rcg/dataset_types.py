"""The types of dataset: what is labelled, in which geometry, and what can be trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from rcg.errors import ConfigError

BOX, POLYGON, KEYPOINTS, GRADE = "box", "polygon", "keypoints", "grade"

_DETECTORS = ("faster_rcnn_lite0", "faster_rcnn_mobilenet_v3_large_320_fpn", "faster_rcnn_resnet50_fpn_v2")
_CORNERS = ("top_left", "top_right", "bottom_right", "bottom_left")
_CORNER_DEFECTS = ("corner_whitening", "corner_rounding", "corner_bend")
_EDGE_DEFECTS = ("edge_whitening", "chipping", "rough_cut", "notch")
_SURFACE_DEFECTS = (
    "scratch", "print_line", "print_dot", "dent", "crease", "stain", "tear", "missing_stock", "roller_line"
)  # fmt: skip


def _points24() -> tuple[str, ...]:
    sides = ("left", "top", "right", "bottom")
    return tuple(f"{side}_{edge}_{n}" for side in sides for edge in ("outer", "inner") for n in (1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetType:
    """What a dataset of this type holds.

    Attributes:
        name: The word for it on the command line.
        title: The words for it in a panel.
        purpose: What it is for, one sentence.
        labels: The classes of its label schema; empty takes whatever the labels bring.
        geometry: The kinds of label that count as complete here ("box", "polygon", "keypoints", "grade").
        keypoints: The names of the keypoints, in order.
        architectures: What can be trained on it; empty where nothing here can be yet.
    """

    name: str
    title: str
    purpose: str
    labels: tuple[str, ...]
    geometry: frozenset[str]
    keypoints: tuple[str, ...] = ()
    architectures: tuple[str, ...] = _DETECTORS


_ALL = (
    DatasetType(
        name="edge_detection",
        title="Edges: dual border",
        purpose="The outer edge of the card and the inner frame of the print, as polygons, for centering.",
        labels=("outer_edge", "inner_frame"),
        geometry=frozenset({POLYGON}),
    ),
    DatasetType(
        name="corner_detection",
        title="Corners: four keypoints",
        purpose="The four corners of each card, as keypoints, to locate and rectify it.",
        labels=("card",),
        geometry=frozenset({KEYPOINTS}),
        keypoints=_CORNERS,
    ),
    DatasetType(
        name="centering_analysis",
        title="Centering: 24 points",
        purpose="Three stations on each side, on the outer and the inner edge: the ratio left to right, top to bottom.",
        labels=("card",),
        geometry=frozenset({KEYPOINTS}),
        keypoints=_points24(),
    ),
    DatasetType(
        name="corner_damage",
        title="Corner damage",
        purpose="Whitening, rounding and bends at the corners.",
        labels=("card", *_CORNER_DEFECTS),
        geometry=frozenset({BOX, POLYGON}),
    ),
    DatasetType(
        name="edge_damage",
        title="Edge damage",
        purpose="Whitening, chipping, rough cut and notches along the edges.",
        labels=("card", *_EDGE_DEFECTS),
        geometry=frozenset({BOX, POLYGON}),
    ),
    DatasetType(
        name="surface_damage",
        title="Surface damage",
        purpose="Scratches, print marks, dents, creases and stains; corner and edge labels may stand beside them.",
        labels=("card", *_SURFACE_DEFECTS, *_CORNER_DEFECTS, *_EDGE_DEFECTS),
        geometry=frozenset({BOX, POLYGON}),
    ),
    DatasetType(
        name="photometric_fusion",
        title="Photometric fusion",
        purpose="Defect labels on photos under several lights. Today each photo is an image of its own, with boxes.",
        labels=("card", *_SURFACE_DEFECTS),
        geometry=frozenset({BOX, POLYGON}),
    ),
    DatasetType(
        name="multi_modal",
        title="Multi-modal",
        purpose="All labels of a card beside each other. Today that is boxes and outlines on photos of both sides.",
        labels=("card", *_SURFACE_DEFECTS, *_CORNER_DEFECTS, *_EDGE_DEFECTS),
        geometry=frozenset({BOX, POLYGON}),
    ),
    DatasetType(
        name="grade",
        title="Grade",
        purpose="The grade of each card. Today photos can be kept here with a box of the card; nothing trains on them.",
        labels=("card",),
        geometry=frozenset({GRADE}),
        architectures=(),
    ),
    DatasetType(
        name="custom",
        title="Custom",
        purpose="Any classes of your own, taken from the labels.",
        labels=(),
        geometry=frozenset({BOX, POLYGON}),
    ),
)

DATASET_TYPES = {each.name: each for each in _ALL}


def dataset_type(name: str) -> DatasetType:
    """The dataset type of this name; hyphens count as underscores.

    Raises:
        ConfigError: If there is none; it names the nearest.
    """
    found = DATASET_TYPES.get(name.replace("-", "_"))
    if found is None:
        near = get_close_matches(name, DATASET_TYPES, n=1)
        fix = f"write {near[0]}" if near else f"choose one of {', '.join(DATASET_TYPES)}"
        raise ConfigError(f"there is no dataset type {name!r}", fix=fix)
    return found
