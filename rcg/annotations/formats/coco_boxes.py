"""The plain boxes of COCO files as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rcg.annotations.block import Floats, Ints
from rcg.annotations.formats.coco_flat import Boxes

KNOWN = frozenset(
    {"id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "score", "keypoints", "num_keypoints"}
    | {"file_name", "label", "category_name"}
)


@dataclass(slots=True, eq=False)
class BoxColumns:
    """Annotations as columns, in the order in which they stand in the files.

    Attributes:
        categories: Category ids as they stand there, by the number that stands for them in the columns.
    """

    categories: list[tuple[int, Any]] = field(default_factory=list)
    _numbers: dict[tuple[int, Any], int] = field(default_factory=dict)
    _category: list[NDArray[np.int32]] = field(default_factory=list)
    _boxes: list[Floats] = field(default_factory=list)
    _scores: list[Floats] = field(default_factory=list)
    _plain: list[NDArray[np.bool_]] = field(default_factory=list)

    def skip(self, count: int) -> None:
        """Take in annotations that have to be looked at one by one."""
        self._category.append(np.zeros(count, np.int32))
        self._boxes.append(np.zeros((count, 4)))
        self._scores.append(np.full(count, np.nan))
        self._plain.append(np.zeros(count, np.bool_))

    def cut(self, count: int) -> None:
        """Forget all but the first so many; they end where a file does."""
        columns = (self._category, self._boxes, self._scores, self._plain)
        while self._category and sum(map(len, self._category)) > count:
            for column in columns:
                column.pop()

    def add(self, part: int, values: list[dict[str, Any]]) -> None:
        """Take in the annotations of a stretch; those that are more than a box are to be looked at one by one."""
        try:
            boxes = np.array([each["bbox"] for each in values], np.float64).reshape(len(values), 4)
            scores = np.array([each.get("score") for each in values], np.float64)  # None becomes NaN
            areas = np.array([each.get("area") for each in values], np.float64)
            category = [self._number(part, each["category_id"]) for each in values]
        except (KeyError, TypeError, ValueError, OverflowError):
            self.skip(len(values))
            return
        plain = _is_box(boxes, scores, areas)
        more = [each.get("segmentation") or each.get("iscrowd") or each.get("keypoints") for each in values]
        plain &= ~np.array(list(map(bool, more)), np.bool_)
        if any(not KNOWN.issuperset(shape) for shape in set(map(tuple, values))):
            plain &= np.array([KNOWN.issuperset(each) for each in values], np.bool_)
        self._take(category, boxes, scores, plain)

    def add_boxes(self, part: int, found: Boxes) -> None:
        """Take in annotations that are columns already."""
        number = {each: self._number(part, each) for each in dict.fromkeys(found.categories)}
        plain = _is_box(found.boxes, found.scores, found.areas) & ~found.crowds
        self._take([number[each] for each in found.categories], found.boxes, found.scores, plain)

    def _take(self, category: list[int], boxes: Floats, scores: Floats, plain: NDArray[np.bool_]) -> None:
        self._category.append(np.array(category, np.int32))
        self._boxes.append(boxes)
        self._scores.append(scores)
        self._plain.append(plain)

    def _number(self, part: int, category: Any) -> int:
        if type(category) is not int:
            raise TypeError
        number = self._numbers.get((part, category))
        if number is None:
            number = self._numbers[part, category] = len(self.categories)
            self.categories.append((part, category))
        return number

    def joined(self, order: Ints) -> tuple[NDArray[np.int32], Floats, Floats, NDArray[np.bool_]]:
        """Category, box (x, y, width, height), score (NaN for none), and whether that is all, in another order."""
        if not self._category:
            return np.zeros(0, np.int32), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.bool_)
        category, plain = np.concatenate(self._category), np.concatenate(self._plain)
        boxes, scores = np.concatenate(self._boxes), np.concatenate(self._scores)
        return category[order], boxes[order], scores[order], plain[order]


def _is_box(boxes: Floats, scores: Floats, areas: Floats) -> NDArray[np.bool_]:
    """Which annotations say no more than their boxes do, and have a score that can be one, or none."""
    usual = boxes[:, 2] * boxes[:, 3]
    plain = np.isnan(areas) | (np.abs(areas - usual) <= 1e-6 * usual)
    return np.asarray(plain & (np.isnan(scores) | ((scores >= 0) & (scores <= 1))))
