"""Relighting: a measured surface packed for the graphics card, and a page of one file that shows it."""

from rcg.relight.packing import Packed, code_of_view, pack, style_of_view
from rcg.relight.page import write_relight_page

__all__ = ["Packed", "code_of_view", "pack", "style_of_view", "write_relight_page"]
