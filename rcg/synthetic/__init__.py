"""Photos of trading cards that were never printed, with the truth of what they show."""

from rcg.synthetic.dataset import LABELS, RenderedSet, render_dataset

__all__ = ["LABELS", "RenderedSet", "render_dataset"]
