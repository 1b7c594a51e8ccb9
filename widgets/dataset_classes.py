"""The view of a dataset's classes."""

from __future__ import annotations

import ipywidgets as w

from widgets.class_table import ClassTable
from widgets.classes_model import ClassesModel
from widgets.jobbar import CopyCode
from widgets.kit import beside
from widgets.panel import Panel

_HELP = (
    '<div class="rcg-muted">Type another name to rename a class, the name of another class to merge the two, or take '
    "its tick away to drop it. Labels, corrections and predictions change together; Versions has the way back.</div>"
)


def classes_view(panel: Panel, model: ClassesModel, bar: w.Widget) -> w.Widget:
    """The table and its button.

    Args:
        panel: The panel.
        model: The classes.
        bar: The job bar, shown below the button that starts the job.
    """
    table = ClassTable(model.rows)
    apply = panel.button(
        "apply", "Change the classes", model.apply, busy="starting", place="classes", style="primary", job=model.jobs
    )
    code = CopyCode(model.code, changes=(model.rows, ["rows"]))
    panel.controls.update(class_table=table.box)
    buttons = beside(apply, code.button, margin="8px 0 4px 0")

    def fill(_: object = None) -> None:
        buttons.layout.display = "" if model.rows.texts() else "none"

    model.rows.observe(fill, "rows")
    fill()
    panel.controls["class_lines"] = table.box
    return w.VBox([w.HTML(_HELP), table.box, buttons, code.text, bar, panel.status("classes")])
