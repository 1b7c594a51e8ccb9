"""The view of exporting a dataset."""

from __future__ import annotations

import ipywidgets as w

from rcg.annotations.formats import TARGETS
from widgets.export_model import TOOLS, ExportModel
from widgets.jobbar import CopyCode
from widgets.kit import beside, control
from widgets.panel import Panel

_ABOUT = {
    "detectron2": "A folder with COCO labels by split, linked images, and a script and settings that train Faster and "
    "Mask R-CNN with R50-FPN. Detectron2 itself is installed from its source; RCG does not need it.",
    "ultralytics": "A folder with a data.yaml, linked images and labels by split, for the tools that read it.",
}
_LABELS = "The labels alone, with their corrections; the images stay in the dataset."


def export_view(panel: Panel, model: ExportModel, bar: w.Widget) -> w.Widget:
    """The choice of a target, where it goes, and the button.

    Args:
        panel: The panel.
        model: What is exported.
        bar: The job bar, shown below the button that starts the job.
    """
    kinds = [*((f"{name} (to train with it)", name) for name in TOOLS), *((name, name) for name in TARGETS)]
    to = control(model, "to", w.Dropdown, options=kinds, width="420px")
    out, copy = control(model, "out", w.Text), control(model, "copy", w.Checkbox, indent=True)
    start = panel.button(
        "export", "Export", model.export, busy="starting", place="export", style="primary", job=model.jobs
    )
    code = CopyCode(model.code, changes=(model, ["to", "out", "copy", "name"]))
    about = w.HTML()
    panel.controls.update(export_to=to, export_out=out, export_copy=copy)

    def fill(_: object = None) -> None:
        about.value = f'<div class="rcg-help">{_ABOUT.get(model.to, _LABELS)}</div>'
        copy.layout.display = "" if model.to in TOOLS else "none"

    model.observe(fill, "to")
    fill()
    buttons = beside(start, code.button, margin="6px 0 6px 122px")
    return w.VBox([to, about, out, copy, buttons, panel.status("export"), code.text, bar])
