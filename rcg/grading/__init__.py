"""Grading a card: measurements in, a distribution over each standard's steps out, with what it rests on.

Every name loads its part when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcg.lazy import lazy

if TYPE_CHECKING:
    from rcg.grading.deciding import grade_faces
    from rcg.grading.standard import Standard
    from rcg.grading.standard_files import read_standards
    from rcg.grading.truth import true_face
    from rcg.grading.types import SUBGRADES, Distribution, Grade, GradeReport, Limit

_HOME = {
    "deciding": ("grade_faces",),
    "standard": ("Standard",),
    "standard_files": ("read_standards",),
    "truth": ("true_face",),
    "types": ("SUBGRADES", "Distribution", "Grade", "GradeReport", "Limit"),
}

__all__ = [
    "SUBGRADES", "Distribution", "Grade", "GradeReport", "Limit", "Standard", "grade_faces", "read_standards",
    "true_face",
]  # fmt: skip

__getattr__, __dir__ = lazy(__name__, globals(), _HOME)
