"""The view of the quality of a dataset's images."""

from __future__ import annotations

import ipywidgets as w

from rcg.quality import FLAGS
from widgets.jobbar import CopyCode
from widgets.kit import beside, empty_html, facts_html
from widgets.paging import paged
from widgets.panel import Panel
from widgets.pictures import gallery_html
from widgets.quality_model import QualityModel


def quality_view(panel: Panel, model: QualityModel, bar: w.Widget) -> w.Widget:
    """How many images have which flag, and the images.

    Args:
        panel: The panel.
        model: The quality.
        bar: The job bar, shown below the button that starts the job.
    """
    head = w.HTML()
    measure = panel.button(
        "measure", "Look at the images", model.measure, busy="starting", place="quality", style="primary",
        tip="Opens each image that is new or changed; what was looked at is kept", job=model.jobs,
    )  # fmt: skip
    code = CopyCode(model.code, changes=(model, ["name"]))
    flag = w.Dropdown(options=[("all", "")], description="Flag", layout=w.Layout(width="420px"))
    flag.style.description_width = "46px"
    shown = paged(panel, model.pages, gallery_html, name="quality")
    panel.controls.update(quality_head=head, quality_flag=flag)
    buttons = beside(measure, code.button, margin="6px 0")
    filling = False

    def fill(_: object = None) -> None:
        nonlocal filling
        filling = True
        try:
            many = len({name for name, _ in model.counts})
            flag.options = [("any flag", ""), *((f"{count:,} · {FLAGS[name]}", name) for name, count in model.counts)]
            flag.value = model.flag
        finally:
            filling = False
        head.value = head_html(model)
        flag.layout.display = "" if many else "none"
        buttons.layout.display = "" if model.known < model.images else "none"

    def choose(change: dict[str, str]) -> None:
        if not filling:
            model.flag = change["new"]
            panel.read(model.choose, busy="", key="quality")

    flag.observe(choose, "value")
    model.observe(fill, ["counts", "images", "known"])
    fill()
    return w.VBox([head, buttons, panel.status("quality"), code.text, bar, flag, shown])


def head_html(model: QualityModel) -> str:
    """What was looked at, and what of it is flagged."""
    if not model.known:
        return empty_html(
            "The images were not looked at yet.",
            "Each is opened once: whether it is too small, blurred, too dark or bright, reflects light, shows no card, "
            "is there twice, or says where it was taken.",
        )
    flagged = model.flagged
    facts = [("looked at", f"{model.known:,} of {model.images:,}"), ("flagged", f"{flagged:,}")]
    note = "Flags are hints: nothing is left out because of them." if flagged else "No image is flagged."
    return facts_html(facts) + f'<div class="rcg-muted">{note}</div>'
