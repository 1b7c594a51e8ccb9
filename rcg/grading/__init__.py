"""Grading a card: measurements in, a distribution over each standard's steps out, with what it rests on.

Every name loads its part when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcg.lazy import lazy

if TYPE_CHECKING:
    from rcg.grading.batch import Batch, grade_batch
    from rcg.grading.deciding import grade_faces
    from rcg.grading.grading import Graded, grade, grade_all, grade_card, grade_cards, regrade, with_hand_lines
    from rcg.grading.hand_file import HandLine, hand_path, picture_key, read_hand, remove_hand, write_hand
    from rcg.grading.pairing import Pair, pairs
    from rcg.grading.repeatability import Repeatability, repeatability, write_repeatability
    from rcg.grading.report_files import overlay_of, page_of, write_report
    from rcg.grading.report_json import report_values
    from rcg.grading.standard import Standard
    from rcg.grading.standard_files import read_standards
    from rcg.grading.summary import summary
    from rcg.grading.truth import true_face
    from rcg.grading.types import SUBGRADES, Distribution, Grade, GradeReport, Limit

_HOME = {
    "batch": ("Batch", "grade_batch"),
    "deciding": ("grade_faces",),
    "grading": ("Graded", "grade", "grade_all", "grade_card", "grade_cards", "regrade", "with_hand_lines"),
    "hand_file": ("HandLine", "hand_path", "picture_key", "read_hand", "remove_hand", "write_hand"),
    "pairing": ("Pair", "pairs"),
    "repeatability": ("Repeatability", "repeatability", "write_repeatability"),
    "report_files": ("overlay_of", "page_of", "write_report"),
    "report_json": ("report_values",),
    "standard": ("Standard",),
    "standard_files": ("read_standards",),
    "summary": ("summary",),
    "truth": ("true_face",),
    "types": ("SUBGRADES", "Distribution", "Grade", "GradeReport", "Limit"),
}

__all__ = [
    "SUBGRADES", "Batch", "Distribution", "Grade", "GradeReport", "Graded", "HandLine", "Limit", "Pair",
    "Repeatability", "Standard", "grade", "grade_all", "grade_batch", "grade_card", "grade_cards", "grade_faces",
    "hand_path", "overlay_of", "page_of", "pairs", "picture_key", "read_hand", "read_standards", "regrade",
    "remove_hand", "repeatability", "report_values", "summary", "true_face", "with_hand_lines", "write_hand",
    "write_repeatability", "write_report",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME)
