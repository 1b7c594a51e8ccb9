# ruff: noqa: D102, ARG002 - the methods and their arguments are those that FiftyOne calls
"""RCG's operators in FiftyOne's App: run in the App's server, from its operator browser (the ` key).

The plugin in the workspace imports `register` from here; nothing else does, since this module loads FiftyOne.
"""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from rcg.errors import RcgError
from rcg.review.accepting import accept_predictions
from rcg.review.building import build
from rcg.review.collecting import collect, dataset_of
from rcg.review.gallery import SCORE


class SendToCorrections(foo.Operator):  # type: ignore[misc]
    """Take the edits of the selected samples, or of the view, into RCG's corrections."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="send_to_corrections", label="RCG: send to corrections", dynamic=True)

    def resolve_input(self, ctx: Any) -> Any:
        inputs = types.Object()
        text = f"The edits of {_said(ctx)} become corrections. They can be undone in RCG."
        inputs.view("what", types.Notice(label=text))
        return types.Property(inputs, view=types.View(label="Send to corrections"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        notes: list[str] = []
        try:
            dataset = dataset_of(ctx.dataset)
            # Not built anew afterwards: that would take the edits of the other samples too.
            made = collect(ctx.dataset, dataset, only=_ids(ctx), report=lambda tick: notes.append(tick.note))
        except RcgError as error:
            return {"corrections": 0, "message": str(error)}
        ctx.trigger("reload_dataset")
        message = f"{len(made)} corrections taken" if made else "nothing was edited"
        return {"corrections": len(made), "message": "\n".join([message, *filter(None, notes)])}

    def resolve_output(self, ctx: Any) -> Any:
        return _output()


class AcceptPredictions(foo.Operator):  # type: ignore[misc]
    """Take the predictions of the selected samples over as labels."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(name="accept_predictions", label="RCG: accept predictions as labels", dynamic=True)

    def resolve_input(self, ctx: Any) -> Any:
        inputs = types.Object()
        names = dataset_of(ctx.dataset).prediction_names()
        if not ctx.selected:
            notice = types.Warning(label="Select the samples first; predictions are only taken for those.")
            prop = inputs.view("none", notice)
            prop.invalid = True
        if not names:
            prop = inputs.view("no_predictions", types.Warning(label="This dataset has no predictions yet."))
            prop.invalid = True
        inputs.enum("predictions", names, required=True, default=names[-1] if names else None, label="Predictions")
        inputs.float(
            "score", required=True, default=SCORE, min=0.0, max=1.0, label="Smallest score",
            description="Predictions below it are left out; those that repeat a label are, too.",
        )  # fmt: skip
        return types.Property(inputs, view=types.View(label=f"Accept predictions for {_said(ctx)}"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        try:
            dataset = dataset_of(ctx.dataset)
            collect(ctx.dataset, dataset)  # edits made by hand first: building would overwrite them
            names = ctx.dataset.select(list(ctx.selected)).values("file_name")
            made = accept_predictions(dataset, names, ctx.params["predictions"], score=float(ctx.params["score"]))
            if made:
                build(dataset)
        except RcgError as error:
            return {"corrections": 0, "message": str(error)}
        ctx.trigger("reload_dataset")
        return {"corrections": len(made), "message": f"{len(made)} predictions became labels of {len(names)} images"}

    def resolve_output(self, ctx: Any) -> Any:
        return _output()


def _ids(ctx: Any) -> list[str]:
    return list(ctx.selected) or list(ctx.view.values("id"))


def _said(ctx: Any) -> str:
    return f"{len(ctx.selected)} selected samples" if ctx.selected else f"all {len(ctx.view)} samples in view"


def _output() -> Any:
    outputs = types.Object()
    outputs.int("corrections", label="Corrections")
    outputs.str("message", label="What happened")
    return types.Property(outputs, view=types.View(label="RCG"))


def register(plugin: Any) -> None:
    """Make the operators known to FiftyOne; its plugin loader calls this."""
    plugin.register(SendToCorrections)
    plugin.register(AcceptPredictions)
